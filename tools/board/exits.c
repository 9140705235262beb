/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the board does when a vCPU leaves the guest: devices, PSCI, and the answers of hardware to what is not there. A guest that does
 * something wrong gets an exception; the machine ends only where the framework reports what it should have dealt with itself.
 */
#include <stdio.h>
#include <string.h>

#include <applevisor/mmio.h>
#include <applevisor/sysreg.h>

#include "machine_internal.h"

/* The framework's answer to a call that cannot fail here, unless we are wrong. */
static void check(struct cpu *cpu, const char *call, av_error error)
{
    if (error != AV_OK) {
        board_warn("vCPU %u: %s: %s", cpu->number, call, av_error_name(error));
        machine_finish(cpu->machine, MACHINE_HYPERVISOR);
    }
}
#define CHECK(cpu, call) check((cpu), #call, (call))

static void unexpected(struct cpu *cpu, const av_exit_event *event)
{
    char text[160];
    uint64_t pc = 0;

    hv_vcpu_get_reg(cpu->vcpu, HV_REG_PC, &pc);
    av_exit_describe(event, text, sizeof(text));
    board_warn(
        "vCPU %u left the guest at PC 0x%llx with what this board cannot answer: %s (syndrome 0x%llx)",
        cpu->number, (unsigned long long)pc, text, (unsigned long long)event->syndrome);
    machine_finish(cpu->machine, MACHINE_FAULT);
}

/* --- PSCI --------------------------------------------------------------------------------------------------------------------- */

/* The machine has stopped: by this call, or meanwhile by somebody else, who has set the end. */
static void stopped(struct machine *machine)
{
    switch (av_psci_stopped(machine->psci)) {
    case AV_PSCI_SYSTEM_OFF:
        machine_finish(machine, MACHINE_OFF);
        break;
    case AV_PSCI_SYSTEM_RESET:
        machine_finish(machine, MACHINE_RESET);
        break;
    case AV_PSCI_ALL_OFF:
        board_warn("every vCPU is off, and none is left to switch one on");
        machine_finish(machine, MACHINE_FAULT);
        break;
    default:
        break;
    }
}

static void hypercall(struct cpu *cpu, const av_exit_event *event)
{
    struct machine *const machine = cpu->machine;
    av_psci_result result = {.action = AV_PSCI_RETURN};

    CHECK(cpu, av_psci_exit(machine->psci, cpu->number, cpu->vcpu, event, &result));
    switch (result.action) {
    case AV_PSCI_NONE: /* NOT_SUPPORTED of the SMC Calling Convention, also for an immediate other than 0 */
        CHECK(cpu, av_exit_set_x(cpu->vcpu, 0, UINT64_MAX));
        break;
    case AV_PSCI_RETURN:
    case AV_PSCI_SUSPEND: /* waking up at once is always allowed; the guest idles with WFI */
        break;
    case AV_PSCI_CPU_OFF:
        cpu->powered = false;
        break;
    case AV_PSCI_STOP:
        cpu->powered = false;
        stopped(machine);
        break;
    }
}

/* --- Memory ------------------------------------------------------------------------------------------------------------------- */

static bool read_ram(void *context, uint64_t ipa, void *buffer, size_t size)
{
    const struct machine *const machine = context;
    const void *const from = board_ram(machine->board, ipa, size);

    if (from != NULL) {
        memcpy(buffer, from, size);
    }
    return from != NULL;
}

static bool device_access(void *context, bool is_write, av_mmio_access *access)
{
    const struct machine *const machine = context;

    return board_access(machine->board, access->ipa, access->size_bytes, is_write, &access->value);
}

static void data_abort(struct cpu *cpu, const av_exit_event *event)
{
    const av_guest_memory memory = {.read = read_ram, .context = cpu->machine};
    const av_error error = av_mmio_run(cpu->vcpu, event, &memory, device_access, cpu->machine);

    switch (error) {
    case AV_OK:
        return;
    case AV_ERROR_ILLEGAL_GUEST_STATE: /* the instruction has changed meanwhile: let it run again */
        return;
    default: /* nothing there, or an access that devices do not take: what a bus says then */
        CHECK(cpu, av_exit_inject_external_abort(cpu->vcpu, event));
        return;
    }
}

/* --- System registers --------------------------------------------------------------------------------------------------------- */

/*
 * What the framework leaves to us and a guest may touch without a feature that says so: performance monitors, that is op1 0 or 3 with
 * CRn 9 (CRm 12 to 14) and CRn 14 (CRm 8 to 15), and the OS lock and its companions, op0 2, op1 0, CRn 1. They read as zero and ignore
 * writes.
 */
static bool is_ignored(uint16_t id)
{
    const unsigned op0 = id >> 14 & 3, op1 = id >> 11 & 7, crn = id >> 7 & 15, crm = id >> 3 & 15;

    if (op0 == 3 && (op1 == 0 || op1 == 3)) {
        return (crn == 9 && crm >= 12 && crm <= 14) || (crn == 14 && crm >= 8);
    }
    return op0 == 2 && op1 == 0 && crn == 1;
}

static void system_register(struct cpu *cpu, const av_exit_event *event)
{
    if (is_ignored(event->u.sysreg.id)) {
        CHECK(cpu, av_exit_complete_sysreg(cpu->vcpu, event, 0));
    } else {
        CHECK(cpu, av_exit_inject_undefined(cpu->vcpu));
    }
}

void cpu_handle_exit(struct cpu *cpu)
{
    av_exit_event event;

    CHECK(cpu, av_exit_decode(cpu->exit, &event));
    switch (event.kind) {
    case AV_EXIT_CANCELED: /* whoever asked has set the end */
    case AV_EXIT_VTIMER:   /* not with a GIC */
        break;
    case AV_EXIT_HVC:
        hypercall(cpu, &event);
        break;
    case AV_EXIT_SMC: /* there is no EL3 */
        CHECK(cpu, av_exit_inject_undefined(cpu->vcpu));
        break;
    case AV_EXIT_WAIT: /* with a GIC waits stay inside; one that does not may end at any time */
        CHECK(cpu, av_exit_skip(cpu->vcpu));
        break;
    case AV_EXIT_SYSREG:
        system_register(cpu, &event);
        break;
    case AV_EXIT_DATA_ABORT:
        data_abort(cpu, &event);
        break;
    case AV_EXIT_INSTRUCTION_ABORT:
        CHECK(cpu, av_exit_inject_external_abort(cpu->vcpu, &event));
        break;
    default:
        unexpected(cpu, &event);
        break;
    }
}
