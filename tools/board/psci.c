/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "psci.h"

#include <stddef.h>

#define SMC64      0x40000000u
#define POWER_DOWN (1u << 16) /* StateType of CPU_SUSPEND's power_state */

#define SUCCESS            0
#define NOT_SUPPORTED      (-1)
#define INVALID_PARAMETERS (-2)
#define ALREADY_ON         (-4)
#define ON_PENDING         (-5)
#define INVALID_ADDRESS    (-9)

struct call {
    struct psci *psci;
    unsigned caller;
    uint64_t args[4];
    int64_t result;
    unsigned cpu;
};

static int find(const struct psci *psci, uint64_t mpidr)
{
    for (unsigned i = 0; i < psci->n_cpus; i++) {
        if (psci->cpus[i].mpidr == mpidr) {
            return (int)i;
        }
    }
    return -1;
}

static enum psci_action answer(struct call *call, int64_t result)
{
    call->result = result;
    return PSCI_RETURN;
}

static enum psci_action version(struct call *call)
{
    return answer(call, 0x10001);
}

/* Waking up at once is always allowed, and for a standby state that is all there is to do; the guest idles with WFI. */
static enum psci_action cpu_suspend(struct call *call)
{
    return answer(call, (call->args[1] & POWER_DOWN) != 0 ? INVALID_PARAMETERS : SUCCESS);
}

static enum psci_action cpu_off(struct call *call)
{
    call->psci->cpus[call->caller].power = PSCI_OFF;
    return PSCI_STOP_CPU;
}

static enum psci_action cpu_on(struct call *call)
{
    struct psci *const psci = call->psci;
    const int i = find(psci, call->args[1]);
    const uint64_t entry = call->args[2];

    if (i < 0) {
        return answer(call, INVALID_PARAMETERS);
    }
    struct psci_cpu *const cpu = &psci->cpus[i];
    if (cpu->power != PSCI_OFF) {
        return answer(call, cpu->power == PSCI_ON ? ALREADY_ON : ON_PENDING);
    }
    if (entry < psci->ram_base || entry - psci->ram_base >= psci->ram_size || entry % 4 != 0) {
        return answer(call, INVALID_ADDRESS);
    }
    cpu->power = PSCI_ON_PENDING;
    cpu->entry = entry;
    cpu->context = call->args[3];
    call->cpu = (unsigned)i;
    call->result = SUCCESS;
    return PSCI_START_CPU;
}

/* Level 0 is a vCPU. Above it there is nothing that can be off: 1.0 and later may refuse that. */
static enum psci_action affinity_info(struct call *call)
{
    const int i = find(call->psci, call->args[1]);

    return answer(call, i < 0 || call->args[2] != 0 ? INVALID_PARAMETERS
                                                    : (int64_t)call->psci->cpus[i].power);
}

static enum psci_action migrate_info_type(struct call *call)
{
    return answer(call, 2); /* no trusted OS, so nothing to migrate */
}

static enum psci_action system_off(struct call *call)
{
    (void)call;
    return PSCI_SYSTEM_OFF;
}

static enum psci_action system_reset(struct call *call)
{
    (void)call;
    return PSCI_SYSTEM_RESET;
}

static enum psci_action features(struct call *call);

static const struct {
    uint32_t id; /* of SMC32 */
    bool has_smc64;
    enum psci_action (*function)(struct call *call);
} functions[] = {
    {0x84000000, false, version},      {0x84000001, true, cpu_suspend},
    {0x84000002, false, cpu_off},      {0x84000003, true, cpu_on},
    {0x84000004, true, affinity_info}, {0x84000006, false, migrate_info_type},
    {0x84000008, false, system_off},   {0x84000009, false, system_reset},
    {0x8400000a, false, features},
};

/* Index into functions, or -1. */
static int function_of(uint64_t id)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (id == functions[i].id || (functions[i].has_smc64 && id == (functions[i].id | SMC64))) {
            return (int)i;
        }
    }
    return -1;
}

static enum psci_action features(struct call *call)
{
    return answer(call, function_of(call->args[1]) < 0 ? NOT_SUPPORTED : SUCCESS);
}

enum psci_action psci_call(struct psci *psci, unsigned caller, const uint64_t args[4],
                           uint64_t *result, unsigned *cpu)
{
    struct call call = {.psci = psci, .caller = caller};
    const bool is_64 = (args[0] & SMC64) != 0;

    /* SMC Calling Convention (DEN0028): the function identifier is W0, and a 32-bit call has 32-bit arguments. */
    call.args[0] = (uint32_t)args[0];
    for (int i = 1; i < 4; i++) {
        call.args[i] = is_64 ? args[i] : (uint32_t)args[i];
    }
    const int function = function_of(call.args[0]);
    const enum psci_action action = function < 0 ? answer(&call, NOT_SUPPORTED)
                                                 : functions[function].function(&call);
    *result = (uint64_t)call.result;
    *cpu = call.cpu;
    return action;
}

void psci_started(struct psci *psci, unsigned cpu)
{
    psci->cpus[cpu].power = PSCI_ON;
}

void psci_reset(struct psci *psci)
{
    for (unsigned i = 0; i < psci->n_cpus; i++) {
        psci->cpus[i].power = i == 0 ? PSCI_ON : PSCI_OFF;
    }
}
