/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The state machine of PSCI 1.1. Arm DEN0022 section 5 is cited by function; identifiers and argument widths are those of the SMC
 * Calling Convention, DEN0028.
 *
 * One lock guards all of it, and a condition is broadcast when a vCPU is switched on or the machine stops. Only `stop` is read
 * without the lock, by the loops that ask before each run.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <applevisor/psci.h>

#include "applevisor/kit.h"

#define MAX_CPUS      512u
#define AFFINITY_MASK 0xff00ffffffull
#define SMC64         0x40000000u

/* Return codes, section 5.2.2. */
enum {
    SUCCESS = 0,
    NOT_SUPPORTED = -1,
    INVALID_PARAMETERS = -2,
    ALREADY_ON = -4,
    ON_PENDING = -5,
    INVALID_ADDRESS = -9,
};

struct cpu {
    uint64_t mpidr;
    av_psci_power power;
    uint64_t entry, context; /* of the next start */
    bool attached;
    hv_vcpu_t vcpu; /* if attached */
    hvx_vm *vm;     /* of the vCPU; NULL: the process's */
    av_irq *irq;    /* attached too, and kicked instead; or NULL */
};

struct av_psci {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    _Atomic av_psci_stop stop; /* written under the lock */
    unsigned n_cpus, n_not_off;
    bool (*entry_is_valid)(void *context, uint64_t entry);
    void *context;
    struct cpu cpus[];
};

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

void av_psci_options_init(av_psci_options *options)
{
    *options = (av_psci_options){.size = sizeof(*options), .n_cpus = 1};
}

static av_error check_options(const av_psci_options *options)
{
    if (options->size != sizeof(*options)) {
        return av_fail(AV_ERROR_BAD_ARGUMENT, "av_psci_create",
                       "options->size is %zu, and must be what av_psci_options_init() sets",
                       options->size);
    }
    if (options->n_cpus < 1 || options->n_cpus > MAX_CPUS) {
        return av_fail(AV_ERROR_BAD_ARGUMENT, "av_psci_create",
                       "n_cpus is %u, and must be from 1 to %u", options->n_cpus, MAX_CPUS);
    }
    for (unsigned i = 0; options->mpidrs != NULL && i < options->n_cpus; i++) {
        if ((options->mpidrs[i] & ~AFFINITY_MASK) != 0) {
            return av_fail(
                AV_ERROR_BAD_ARGUMENT, "av_psci_create",
                "mpidrs[%u] is 0x%llx, and has bits outside the affinity fields (39:32, 23:0)", i,
                (unsigned long long)options->mpidrs[i]);
        }
        for (unsigned j = 0; j < i; j++) {
            if (options->mpidrs[j] == options->mpidrs[i]) {
                return av_fail(AV_ERROR_BAD_ARGUMENT, "av_psci_create",
                               "mpidrs[%u] and mpidrs[%u] are both 0x%llx", j, i,
                               (unsigned long long)options->mpidrs[i]);
            }
        }
    }
    return AV_OK;
}

av_error av_psci_create(av_psci **psci, const av_psci_options *options)
{
    av_psci_options defaults;

    NOT_NULL(psci);
    if (options == NULL) {
        av_psci_options_init(&defaults);
        options = &defaults;
    }
    TRY(check_options(options));
    av_psci *const p = calloc(1, sizeof(*p) + options->n_cpus * sizeof(p->cpus[0]));
    if (p == NULL) {
        return FAIL(AV_ERROR_NO_MEMORY, "no memory for the state of %u vCPUs", options->n_cpus);
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->n_cpus = options->n_cpus;
    p->entry_is_valid = options->entry_is_valid;
    p->context = options->context;
    for (unsigned i = 0; i < p->n_cpus; i++) {
        /* Aff0 has 8 bits. */
        const uint64_t number = (i & 0xff) | (uint64_t)(i >> 8) << 8;
        p->cpus[i].mpidr = options->mpidrs != NULL ? options->mpidrs[i] : number;
        p->cpus[i].power = AV_PSCI_OFF;
    }
    *psci = p;
    return AV_OK;
}

void av_psci_destroy(av_psci *psci)
{
    if (psci != NULL) {
        pthread_cond_destroy(&psci->changed);
        pthread_mutex_destroy(&psci->lock);
        free(psci);
    }
}

av_error av_psci_reset(av_psci *psci)
{
    NOT_NULL(psci);
    pthread_mutex_lock(&psci->lock);
    const bool stopped = psci->stop != AV_PSCI_RUNNING;
    if (stopped) {
        for (unsigned i = 0; i < psci->n_cpus; i++) {
            psci->cpus[i].power = AV_PSCI_OFF;
        }
        psci->n_not_off = 0;
        atomic_store(&psci->stop, AV_PSCI_RUNNING);
    }
    pthread_mutex_unlock(&psci->lock);
    return stopped ? AV_OK
                   : FAIL(AV_ERROR_BUSY,
                          "the machine runs: av_psci_request_stop() first, and let every "
                          "thread leave its loop");
}

/* --- Power -------------------------------------------------------------------------------------------------------------------- */

static av_error check_cpu(const av_psci *psci, unsigned cpu, const char *function)
{
    if (psci == NULL) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function, "psci is NULL");
    }
    if (cpu >= psci->n_cpus) {
        return av_fail(AV_ERROR_OUT_OF_RANGE, function, "there is no vCPU %u: 0 to %u", cpu,
                       psci->n_cpus - 1);
    }
    return AV_OK;
}

/*
 * Caller holds psci->lock. Sticky: a vCPU that is just about to run leaves at once, and one that is about to sleep does not.
 */
static void take_out(const struct cpu *cpu)
{
    if (cpu->irq != NULL) {
        av_irq_kick(cpu->irq);
    } else if (cpu->attached) {
        av_vcpu_kick_in(cpu->vm, cpu->vcpu);
    }
}

/* Caller holds psci->lock. */
static void stop(av_psci *psci, av_psci_stop reason)
{
    if (psci->stop != AV_PSCI_RUNNING) {
        return;
    }
    atomic_store(&psci->stop, reason);
    pthread_cond_broadcast(&psci->changed);
    for (unsigned i = 0; i < psci->n_cpus; i++) {
        take_out(&psci->cpus[i]);
    }
}

/* Caller holds psci->lock, and the vCPU is off. */
static void switch_on(av_psci *psci, struct cpu *cpu, uint64_t entry, uint64_t context)
{
    cpu->power = AV_PSCI_ON_PENDING;
    cpu->entry = entry;
    cpu->context = context;
    psci->n_not_off++;
    pthread_cond_broadcast(&psci->changed);
}

av_error av_psci_boot(av_psci *psci, unsigned cpu, uint64_t entry, uint64_t context)
{
    TRY(check_cpu(psci, cpu, __func__));
    if (entry % 4 != 0) {
        return FAIL(AV_ERROR_MISALIGNED, "entry is 0x%llx, and must be a multiple of 4",
                    (unsigned long long)entry);
    }
    pthread_mutex_lock(&psci->lock);
    const bool possible = psci->stop == AV_PSCI_RUNNING && psci->cpus[cpu].power == AV_PSCI_OFF;
    if (possible) {
        switch_on(psci, &psci->cpus[cpu], entry, context);
    }
    pthread_mutex_unlock(&psci->lock);
    return possible ? AV_OK
                    : FAIL(AV_ERROR_BUSY, "vCPU %u is not off, or the machine has stopped", cpu);
}

av_error av_psci_wait(av_psci *psci, unsigned cpu, av_psci_start *start)
{
    NOT_NULL(start);
    TRY(check_cpu(psci, cpu, __func__));
    struct cpu *const c = &psci->cpus[cpu];
    pthread_mutex_lock(&psci->lock);
    const bool is_on = c->power == AV_PSCI_ON && psci->stop == AV_PSCI_RUNNING;
    while (!is_on && c->power == AV_PSCI_OFF && psci->stop == AV_PSCI_RUNNING) {
        pthread_cond_wait(&psci->changed, &psci->lock);
    }
    if (!is_on) {
        *start = (av_psci_start){.stop = psci->stop};
        if (start->stop == AV_PSCI_RUNNING) {
            start->entry = c->entry;
            start->context = c->context;
            c->power = AV_PSCI_ON;
        }
    }
    pthread_mutex_unlock(&psci->lock);
    return is_on ? FAIL(AV_ERROR_BUSY, "vCPU %u is on, and waits for nothing", cpu) : AV_OK;
}

static av_error set_attached(av_psci *psci, unsigned cpu, bool attached, hv_vcpu_t vcpu,
                             av_irq *irq, const char *function)
{
    TRY(check_cpu(psci, cpu, function));
    struct cpu *const c = &psci->cpus[cpu];
    pthread_mutex_lock(&psci->lock);
    c->attached = attached;
    c->vcpu = vcpu;
    c->vm = av_vcpu_vm_of(vcpu);
    c->irq = irq;
    if (psci->stop != AV_PSCI_RUNNING) {
        take_out(c);
    }
    pthread_mutex_unlock(&psci->lock);
    return AV_OK;
}

av_error av_psci_attach(av_psci *psci, unsigned cpu, hv_vcpu_t vcpu)
{
    return set_attached(psci, cpu, true, vcpu, NULL, __func__);
}

av_error av_psci_attach_irq(av_psci *psci, unsigned cpu, av_irq *irq)
{
    NOT_NULL(irq);
    return set_attached(psci, cpu, false, 0, irq, __func__);
}

av_error av_psci_detach(av_psci *psci, unsigned cpu)
{
    return set_attached(psci, cpu, false, 0, NULL, __func__);
}

av_psci_power av_psci_get_power(av_psci *psci, unsigned cpu)
{
    if (psci == NULL || cpu >= psci->n_cpus) {
        return AV_PSCI_OFF;
    }
    pthread_mutex_lock(&psci->lock);
    const av_psci_power power = psci->cpus[cpu].power;
    pthread_mutex_unlock(&psci->lock);
    return power;
}

av_psci_stop av_psci_stopped(av_psci *psci)
{
    return psci == NULL ? AV_PSCI_STOPPED : atomic_load(&psci->stop);
}

void av_psci_request_stop(av_psci *psci)
{
    if (psci != NULL) {
        pthread_mutex_lock(&psci->lock);
        stop(psci, AV_PSCI_STOPPED);
        pthread_mutex_unlock(&psci->lock);
    }
}

/* --- Calls -------------------------------------------------------------------------------------------------------------------- */

struct call {
    av_psci *psci;
    struct cpu *caller;
    uint64_t x[4]; /* as wide as the identifier says */
    int64_t result;
};

typedef av_psci_action call_fn(struct call *call);

static av_psci_action answer(struct call *call, int64_t result)
{
    call->result = result;
    return AV_PSCI_RETURN;
}

/*
 * power_state in the original format: StateID in 15:0, StateType in 16, PowerLevel in 25:24. Every state is entered as standby: a
 * powerdown may end as if a wake-up had come before it (5.4.4), and then returns SUCCESS.
 */
static av_psci_action cpu_suspend(struct call *call)
{
    if ((call->x[1] & ~0x0301ffffull) != 0) {
        return answer(call, INVALID_PARAMETERS);
    }
    call->result = SUCCESS;
    return AV_PSCI_SUSPEND;
}

static av_psci_action cpu_off(struct call *call)
{
    av_psci *const psci = call->psci;

    call->caller->power = AV_PSCI_OFF;
    psci->n_not_off--;
    if (psci->n_not_off == 0) {
        stop(psci, AV_PSCI_ALL_OFF);
        return AV_PSCI_STOP;
    }
    return AV_PSCI_CPU_OFF;
}

static struct cpu *find(av_psci *psci, uint64_t mpidr)
{
    for (unsigned i = 0; i < psci->n_cpus; i++) {
        if (psci->cpus[i].mpidr == mpidr) {
            return &psci->cpus[i];
        }
    }
    return NULL;
}

static av_psci_action cpu_on(struct call *call)
{
    av_psci *const psci = call->psci;
    struct cpu *const cpu = find(psci, call->x[1]);
    const uint64_t entry = call->x[2];

    if (cpu == NULL) {
        return answer(call, INVALID_PARAMETERS);
    }
    if (cpu->power != AV_PSCI_OFF) {
        return answer(call, cpu->power == AV_PSCI_ON ? ALREADY_ON : ON_PENDING);
    }
    if (entry % 4 != 0 ||
        (psci->entry_is_valid != NULL && !psci->entry_is_valid(psci->context, entry))) {
        return answer(call, INVALID_ADDRESS);
    }
    switch_on(psci, cpu, entry, call->x[3]);
    return answer(call, SUCCESS);
}

/* Of all vCPUs that share the affinity fields from lowest_affinity_level up: on if one is, else pending if one is. */
static av_psci_action affinity_info(struct call *call)
{
    const uint64_t target = call->x[1], level = call->x[2];
    bool found = false, on = false, pending = false;

    if (level > 3 || (target & ~AFFINITY_MASK) != 0) {
        return answer(call, INVALID_PARAMETERS);
    }
    const uint64_t mask = level == 3 ? 0xff00000000 : AFFINITY_MASK & ~((1ull << (8 * level)) - 1);
    for (unsigned i = 0; i < call->psci->n_cpus; i++) {
        const struct cpu *const cpu = &call->psci->cpus[i];
        if (((cpu->mpidr ^ target) & mask) == 0) {
            found = true;
            on = on || cpu->power == AV_PSCI_ON;
            pending = pending || cpu->power == AV_PSCI_ON_PENDING;
        }
    }
    if (!found) {
        return answer(call, INVALID_PARAMETERS);
    }
    return answer(call, on ? AV_PSCI_ON : pending ? AV_PSCI_ON_PENDING : AV_PSCI_OFF);
}

static av_psci_action system_off(struct call *call)
{
    stop(call->psci, AV_PSCI_SYSTEM_OFF);
    return AV_PSCI_STOP;
}

static av_psci_action system_reset(struct call *call)
{
    stop(call->psci, AV_PSCI_SYSTEM_RESET);
    return AV_PSCI_STOP;
}

/* Reset type 0 is SYSTEM_WARM_RESET; those with bit 31 are the vendor's, and there are none. */
static av_psci_action system_reset2(struct call *call)
{
    return (uint32_t)call->x[1] == 0 ? system_reset(call) : answer(call, INVALID_PARAMETERS);
}

static call_fn features, arch_features;

/* By what follows the base of their identifiers. */
#define PSCI_BASE     0x84000000u
#define ARCH_BASE     0x80000000u
#define VERSION_1_1   0x10001 /* also of SMCCC_VERSION */
#define NO_TRUSTED_OS 2       /* that would have to migrate */

enum { HAS_NUMBER = 1, HAS_SMC64 = 2, IS_CONSTANT = 4, IS_PURE = 8 };

static const struct function {
    uint8_t properties;
    uint8_t n_arguments; /* that are looked at */
    int32_t constant;    /* with IS_CONSTANT: the answer */
    call_fn *function;   /* else; with IS_PURE the answer depends on arguments alone: no lock */
} psci_functions[] =
    {
        // clang-format off
    [0x00] = {HAS_NUMBER | IS_CONSTANT, 0, VERSION_1_1, NULL},
    [0x01] = {HAS_NUMBER | HAS_SMC64 | IS_PURE, 1, 0, cpu_suspend},
    [0x02] = {HAS_NUMBER, 0, 0, cpu_off},
    [0x03] = {HAS_NUMBER | HAS_SMC64, 3, 0, cpu_on},
    [0x04] = {HAS_NUMBER | HAS_SMC64, 2, 0, affinity_info},
    [0x06] = {HAS_NUMBER | IS_CONSTANT, 0, NO_TRUSTED_OS, NULL},
    [0x08] = {HAS_NUMBER, 0, 0, system_off},
    [0x09] = {HAS_NUMBER, 0, 0, system_reset},
    [0x0a] = {HAS_NUMBER | IS_PURE, 1, 0, features},
    [0x12] = {HAS_NUMBER | HAS_SMC64, 1, 0, system_reset2},
        // clang-format on
},
  arch_functions[] = {
      {HAS_NUMBER | IS_CONSTANT, 0, VERSION_1_1, NULL},
      {HAS_NUMBER | IS_PURE, 1, 0, arch_features},
};

static const struct function *function_of(uint32_t id)
{
    const uint32_t number = id & ~SMC64;
    const struct function *function;

    if (number - PSCI_BASE < ARRAY_LEN(psci_functions)) {
        function = &psci_functions[number - PSCI_BASE];
    } else if (number - ARCH_BASE < ARRAY_LEN(arch_functions)) {
        function = &arch_functions[number - ARCH_BASE];
    } else {
        return NULL;
    }
    const unsigned needed = (id & SMC64) == 0 ? HAS_NUMBER : HAS_SMC64;
    return (function->properties & needed) != 0 ? function : NULL;
}

/* The flags of CPU_SUSPEND say: original format, no OS-initiated mode. No other function has flags. */
static av_psci_action features(struct call *call)
{
    const uint32_t id = (uint32_t)call->x[1];
    const bool is_psci = (id & ~SMC64) >> 8 == 0x840000 || id == 0x80000000;

    return answer(call, is_psci && function_of(id) != NULL ? SUCCESS : NOT_SUPPORTED);
}

/* Workarounds of errata, for one, of which there are none. */
static av_psci_action arch_features(struct call *call)
{
    const uint32_t id = (uint32_t)call->x[1];

    return answer(call, id == 0x80000000 || id == 0x80000001 ? SUCCESS : NOT_SUPPORTED);
}

/* The identifiers that are PSCI's, with what is not implemented. */
static bool is_psci_range(uint32_t id)
{
    return (id & ~SMC64) >= 0x84000000 && (id & ~SMC64) <= 0x8400001f;
}

/* When somebody else has stopped the machine, the kick is on its way. */
static av_psci_action act(const struct function *function, struct call *call)
{
    if (atomic_load(&call->psci->stop) != AV_PSCI_RUNNING) {
        return AV_PSCI_STOP;
    }
    return (function->properties & IS_CONSTANT) != 0 ? answer(call, function->constant)
                                                     : function->function(call);
}

/* Of call->x, the identifier and as many registers as the function has arguments have been read. NULL: there is no such function. */
static av_psci_result carry_out(const struct function *function, struct call *call)
{
    const uint32_t id = (uint32_t)call->x[0];
    av_psci_result result;

    if (function == NULL) {
        return (av_psci_result){.action = is_psci_range(id) ? AV_PSCI_RETURN : AV_PSCI_NONE,
                                .x0 = (uint64_t)(int64_t)NOT_SUPPORTED};
    }
    for (unsigned i = 1; (id & SMC64) == 0 && i <= function->n_arguments; i++) {
        call->x[i] = (uint32_t)call->x[i];
    }
    call->result = 0;
    if ((function->properties & (IS_CONSTANT | IS_PURE)) != 0) {
        result.action = act(function, call);
    } else {
        pthread_mutex_lock(&call->psci->lock);
        result.action = act(function, call);
        pthread_mutex_unlock(&call->psci->lock);
    }
    result.x0 = (uint64_t)call->result;
    return result;
}

av_error av_psci_call(av_psci *psci, unsigned cpu, const uint64_t x[4], av_psci_result *result)
{
    NOT_NULL(x);
    NOT_NULL(result);
    TRY(check_cpu(psci, cpu, __func__));
    struct call call = {
        .psci = psci,
        .caller = &psci->cpus[cpu],
        .x = {x[0], x[1], x[2], x[3]},
    };
    *result = carry_out(function_of((uint32_t)x[0]), &call);
    return AV_OK;
}

/* --- With a vCPU -------------------------------------------------------------------------------------------------------------- */

/* The guest goes on behind its call. */
static inline av_error give_answer(hv_vcpu_t vcpu, const av_exit_event *event, uint64_t x0)
{
    TRY_HV(hv_vcpu_set_reg(vcpu, HV_REG_X0, x0));
    return event->kind == AV_EXIT_SMC ? av_exit_skip(vcpu) : AV_OK;
}

static __attribute__((noinline)) av_error exit_with(const struct function *function, av_psci *psci,
                                                    unsigned cpu, hv_vcpu_t vcpu, uint64_t id,
                                                    const av_exit_event *event,
                                                    av_psci_result *result)
{
    struct call call = {.psci = psci, .caller = &psci->cpus[cpu], .x = {id}};

    for (unsigned i = 1; function != NULL && i <= function->n_arguments; i++) {
        TRY_HV(hv_vcpu_get_reg(vcpu, (hv_reg_t)(HV_REG_X0 + i), &call.x[i]));
    }
    const av_psci_result answered = carry_out(function, &call);
    if (answered.action == AV_PSCI_RETURN || answered.action == AV_PSCI_SUSPEND) {
        TRY(give_answer(vcpu, event, answered.x0));
    }
    *result = answered;
    return AV_OK;
}

av_error av_psci_exit(av_psci *psci, unsigned cpu, hv_vcpu_t vcpu, const av_exit_event *event,
                      av_psci_result *result)
{
    uint64_t id;

    NOT_NULL(event);
    NOT_NULL(result);
    TRY(check_cpu(psci, cpu, __func__));
    if ((event->kind != AV_EXIT_HVC && event->kind != AV_EXIT_SMC) ||
        event->u.call.immediate != 0) {
        *result = (av_psci_result){.action = AV_PSCI_NONE};
        return AV_OK;
    }
    TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_X0, &id));
    const struct function *const function = function_of((uint32_t)id);
    if (function == NULL || (function->properties & IS_CONSTANT) == 0 ||
        atomic_load(&psci->stop) != AV_PSCI_RUNNING) {
        return exit_with(function, psci, cpu, vcpu, id, event, result);
    }
    TRY(give_answer(vcpu, event, (uint64_t)function->constant));
    *result = (av_psci_result){.action = AV_PSCI_RETURN, .x0 = (uint64_t)function->constant};
    return AV_OK;
}

#define SCTLR_EL1_RES1 0x30d00800ull

av_error av_psci_enter(hv_vcpu_t vcpu, uint64_t entry, uint64_t context)
{
    TRY_HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, SCTLR_EL1_RES1));
    TRY_HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MDSCR_EL1, 0));
    TRY_HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CNTV_CTL_EL0, 0));
    TRY_HV(hv_vcpu_set_vtimer_mask(vcpu, false));
    TRY_HV(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, CPSR_EL1H | CPSR_DAIF));
    TRY_HV(hv_vcpu_set_reg(vcpu, HV_REG_PC, entry));
    return av_exit_set_x(vcpu, 0, context);
}
