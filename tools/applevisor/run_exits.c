/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What `applevisor run` does when a vCPU leaves the guest. */
#include <stdio.h>
#include <unistd.h>

#include "run.h"

#define UART_BASE 0x09000000ull
#define UART_SIZE 0x1000ull

static uint64_t pc_of(const struct cpu *cpu)
{
    uint64_t pc = 0;

    hv_vcpu_get_reg(cpu->vcpu, HV_REG_PC, &pc);
    return pc;
}

static void fault(struct cpu *cpu, const av_exit_event *event, const char *what)
{
    char line[200];

    av_exit_describe(event, line, sizeof(line));
    complain("vCPU %u: %s at PC 0x%llx: %s", cpu->number, what, (unsigned long long)pc_of(cpu),
             line);
    run_finish(cpu->run, EXIT_GUEST_FAULT);
}

/* What cannot fail, unless we are wrong. */
static void check(struct cpu *cpu, av_error error)
{
    if (error != AV_OK) {
        complain("vCPU %u: %s", cpu->number, av_error_message());
        run_finish(cpu->run, EXIT_HYPERVISOR);
    }
}

/* --- Calls -------------------------------------------------------------------------------------------------------------------- */

/* A synchronous exception that the program has no vectors for. */
static void own_vector(struct cpu *cpu)
{
    uint64_t esr = 0, elr = 0, spsr = 0, far = 0;
    uint32_t word = 0;

    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_ESR_EL1, &esr);
    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_ELR_EL1, &elr);
    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_SPSR_EL1, &spsr);
    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_FAR_EL1, &far);
    if (guest_read(cpu, elr, &word, sizeof(word)) &&
        word == (0xd4400000u | SEMIHOSTING << 5)) { /* HLT #0xf000 */
        hv_vcpu_set_reg(cpu->vcpu, HV_REG_CPSR, spsr);
        hv_vcpu_set_reg(cpu->vcpu, HV_REG_PC, elr + 4);
        semihosting(cpu);
        return;
    }
    av_exit_event taken;
    char line[200];
    av_exit_from_syndrome(esr, &taken);
    taken.virtual_address = far;
    av_exit_describe(&taken, line, sizeof(line));
    complain("vCPU %u: exception at 0x%llx with no vectors installed: ESR_EL1 0x%llx (%s)",
             cpu->number, (unsigned long long)elr, (unsigned long long)esr, line);
    run_finish(cpu->run, EXIT_GUEST_FAULT);
}

/* HVC, and SMC for the same services. False: the vCPU is off. */
static bool call(struct cpu *cpu, const av_exit_event *event)
{
    av_psci_result result = {.action = AV_PSCI_NONE};

    if (event->u.call.immediate == SEMIHOSTING) {
        check(cpu, av_exit_finish(cpu->vcpu, event));
        semihosting(cpu);
        return true;
    }
    if (event->u.call.immediate == HVC_VECTOR) {
        own_vector(cpu);
        return true;
    }
    check(cpu, av_psci_exit(cpu->run->psci, cpu->number, cpu->vcpu, event, &result));
    switch (result.action) {
    case AV_PSCI_NONE: /* "not supported" of the SMC Calling Convention */
        check(cpu, av_exit_set_x(cpu->vcpu, 0, UINT64_MAX));
        check(cpu, av_exit_finish(cpu->vcpu, event));
        return true;
    case AV_PSCI_RETURN:
        return true;
    case AV_PSCI_SUSPEND: /* as WFI */
        usleep(1000);
        return true;
    default:
        return false;
    }
}

/* --- Memory ------------------------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void put(uint8_t c)
{
    console(&c, 1);
}

/* The PL011 as far as a polling program sees it. */
static bool uart_access(void *context, bool is_write, av_mmio_access *access)
{
    (void)context;
    if (access->ipa < UART_BASE || access->ipa >= UART_BASE + UART_SIZE) {
        return false;
    }
    if (is_write && access->ipa == UART_BASE) {
        put((uint8_t)access->value);
    }
    access->value = access->ipa == UART_BASE + 0x18 ? 0x90 : 0; /* FR: TX and RX FIFOs empty */
    return true;
}

static void data_abort(struct cpu *cpu, const av_exit_event *event)
{
    const av_guest_memory memory = {.read = ram_read, .context = cpu->run};

    switch (av_mmio_run(cpu->vcpu, event, &memory, uart_access, NULL)) {
    case AV_OK:
    case AV_ERROR_ILLEGAL_GUEST_STATE: /* another vCPU has changed the instruction: once more */
        return;
    case AV_ERROR_UNSUPPORTED:
        complain("vCPU %u: %s", cpu->number, av_error_message());
        run_finish(cpu->run, EXIT_GUEST_FAULT);
        return;
    default:
        fault(cpu, event, "access to memory that is not there");
        return;
    }
}

/* --- The loop ----------------------------------------------------------------------------------------------------------------- */

/* False: the vCPU is off. */
static bool handle(struct cpu *cpu, const av_exit_event *event)
{
    switch (event->kind) {
    case AV_EXIT_CANCELED:
    case AV_EXIT_VTIMER: /* nothing here raises interrupts */
        return true;
    case AV_EXIT_WAIT: /* so the program waits for its other vCPUs or for good */
        usleep(1000);
        check(cpu, av_exit_finish(cpu->vcpu, event));
        return true;
    case AV_EXIT_HVC:
    case AV_EXIT_SMC:
        return call(cpu, event);
    case AV_EXIT_SYSREG: /* one that the framework does not give the guest: reads as zero, writes are ignored */
        check(cpu, av_exit_complete_sysreg(cpu->vcpu, event, 0));
        return true;
    case AV_EXIT_DATA_ABORT:
        data_abort(cpu, event);
        return true;
    case AV_EXIT_INSTRUCTION_ABORT:
        fault(cpu, event, "instruction fetch from memory that is not there");
        return true;
    default:
        fault(cpu, event, "unexpected exit");
        return true;
    }
}

static void trace(const struct cpu *cpu, const av_exit_event *event)
{
    char line[200];

    av_exit_describe(event, line, sizeof(line));
    fprintf(stderr, "vcpu %u: pc 0x%llx: %s (syndrome 0x%llx)\n", cpu->number,
            (unsigned long long)pc_of(cpu), line, (unsigned long long)event->syndrome);
}

/* Of all vCPUs together. */
static void count_exit(struct run *run)
{
    const uint64_t exits = atomic_fetch_add(&run->exits, 1) + 1;

    if (exits >= run->options.max_exits) {
        complain("stopped after %llu exits", (unsigned long long)exits);
        run_finish(run, EXIT_MAX_EXITS);
    }
}

/*
 * After each exit, which may have used up the request to leave. An only vCPU is stopped by its own calls, or by run_finish(): its accesses of
 * devices, which are many, need not ask PSCI.
 */
static inline bool ends_here(const struct run *run, const av_exit_event *event)
{
    return atomic_load(&run->ended) ||
           ((event->kind != AV_EXIT_DATA_ABORT || run->options.cpus > 1) && run_has_ended(run));
}

void run_loop(struct cpu *cpu)
{
    struct run *const run = cpu->run;
    bool on = !run_has_ended(run);

    while (on) {
        av_exit_event event;
        const hv_return_t ret = hv_vcpu_run(cpu->vcpu);
        if (ret != HV_SUCCESS) {
            complain("hv_vcpu_run: %s (0x%08x)", hv_name(ret), (unsigned)ret);
            run_finish(run, EXIT_HYPERVISOR);
            return;
        }
        av_exit_decode(cpu->exit, &event);
        if (run->options.trace) {
            trace(cpu, &event);
        }
        on = handle(cpu, &event);
        if (run->options.max_exits != 0) {
            count_exit(run);
        }
        on = on && !ends_here(run, &event);
    }
}
