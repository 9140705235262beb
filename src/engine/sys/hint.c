/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Waiting, events, barriers. */
#include <sched.h>

#include "engine/a64/mode.h"
#include "engine/ir/functions.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"
#include "engine/sys/timer.h"

enum { WFX_WFI = 0, WFX_WFE = 1, WFX_WFIT = 2, WFX_WFET = 3 };

/* The syndrome of a trapped wait: CV and COND, the register of WFIT and WFET with RV, TI. */
static uint32_t wfx_iss(uint32_t kind, uint64_t rt)
{
    const uint32_t iss = 1u << 24 | 14u << 20 | kind;

    return kind >= WFX_WFIT ? iss | (uint32_t)(rt & 31) << 5 | 1u << 2 : iss;
}

/* [AArch64.CheckForWFxTrap()]: the EL that a wait traps to, or 0. */
static unsigned wfx_trap_el(const struct a64_cpu *cpu, bool is_wfe)
{
    const unsigned el = cpu_el(cpu);

    if (el == 0 && (cpu_sctlr(cpu) & (is_wfe ? SCTLR_NTWE : SCTLR_NTWI)) == 0) {
        return cpu_default_target(cpu);
    }
    if (el < 2 && !cpu_in_host(cpu, el) && (cpu_hcr(cpu) & (is_wfe ? HCR_TWE : HCR_TWI)) != 0) {
        return 2;
    }
    return 0;
}

/* Nothing here waits for an event: SEV need not cross vCPUs, and a WFE that finds none gives the host's other threads a turn. */
static enum ir_next wait_for_event(struct a64_cpu *cpu, uint32_t kind, uint64_t rt)
{
    if (cpu->event) {
        cpu->event = false;
        return IR_NEXT;
    }
    const unsigned target = wfx_trap_el(cpu, true);
    if (target != 0) {
        return exc_take(cpu, target, EC_WFX, true, wfx_iss(kind, rt), false, 0);
    }
    sched_yield();
    return IR_END; /* to the poll of requests */
}

static enum ir_next wait_for_interrupt(struct a64_cpu *cpu, uint32_t kind, uint64_t timeout,
                                       uint64_t rt)
{
    const unsigned target = wfx_trap_el(cpu, false);

    if (exc_interrupt_wakes(cpu) || (kind == WFX_WFIT && timer_cntvct(cpu) >= timeout)) {
        return IR_END;
    }
    if (target != 0) {
        return exc_take(cpu, target, EC_WFX, true, wfx_iss(kind, rt), false, 0);
    }
    /* A virtual timer that has just expired comes before the wait, which the guest then repeats. */
    if (timer_poll(cpu) == IR_LEAVE) {
        return IR_LEAVE;
    }
    if (cpu->vm->gic == NULL) {
        return exc_leave(cpu, EC_WFX, true, wfx_iss(kind, rt), 0, 0);
    }
    uint64_t deadline = timer_next_deadline(cpu);
    if (kind == WFX_WFIT) {
        const uint64_t now = vm_counter(), left = timeout - timer_cntvct(cpu);
        const uint64_t until = left > UINT64_MAX - now ? UINT64_MAX : now + left;
        deadline = until < deadline ? until : deadline;
    }
    /* By the run loop, outside of the block: while this vCPU waits others may free all code. A wait may end for no reason. */
    cpu->wait_deadline = deadline;
    cpu_request(cpu, CPU_REQUEST_WAIT);
    return IR_END;
}

enum ir_next helper_wfx(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result;
    switch (imm & 3) {
    case WFX_WFET:
        if (timer_cntvct(cpu) >= a) {
            return IR_NEXT;
        }
        return wait_for_event(cpu, imm & 3, b);
    case WFX_WFE:
        return wait_for_event(cpu, imm & 3, b);
    default:
        return wait_for_interrupt(cpu, imm & 3, a, b);
    }
}

enum ir_next helper_sev(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result, (void)a, (void)b, (void)imm;
    cpu->event = true;
    return IR_NEXT;
}

enum ir_next helper_yield(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                          uint32_t imm)
{
    (void)cpu, (void)result, (void)a, (void)b, (void)imm;
    sched_yield();
    return IR_END;
}

/* There are no physical SErrors to synchronise; a virtual one that is masked becomes deferred [AArch64.vESBOperation()]. */
enum ir_next helper_esb(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result, (void)a, (void)b, (void)imm;
    const uint64_t hcr = cpu_hcr(cpu);

    if (cpu_el(cpu) < 2 && (hcr & HCR_TGE) == 0 &&
        (hcr & (HCR_VSE | HCR_AMO)) == (HCR_VSE | HCR_AMO) && (cpu->pstate & PSTATE_A) != 0) {
        cpu->sys[SR_VDISR_EL2] = BIT64(31) | (cpu->sys[SR_VSESR_EL2] & 0x1ffffff);
        cpu->sys[SR_HCR_EL2] &= ~HCR_VSE;
    }
    return IR_END;
}

#if defined(__x86_64__)
#define PAUSE() __builtin_ia32_pause()
#else
#define PAUSE() ((void)0)
#endif

#define DSB_LOOKS 32 /* each a PAUSE after the one before: some microseconds */

/* DSB */
enum ir_next helper_barrier(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                            uint32_t imm)
{
    (void)result, (void)a, (void)b, (void)imm;
    atomic_thread_fence(memory_order_seq_cst);
    for (unsigned i = 0; i < DSB_LOOKS; i++) {
        if (mmu_broadcast_done(cpu)) {
            return IR_NEXT;
        }
        if (atomic_load_explicit(&cpu->requests, memory_order_relaxed) != 0) {
            return IR_GO; /* with PC unchanged: once more, after the run loop has served them */
        }
        PAUSE();
    }
    /* A peer that takes that long is not running: it may want this processor. */
    sched_yield();
    return IR_GO;
}
