/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Exceptions: routing, syndromes, entry, return, and leaving the guest. Arm ARM DDI0487 J.a, D1.3 and D19.2 (ESR_ELx).
 *
 * There is no EL3, and a guest without EL2 runs below the host as below a hypervisor: what traps to that EL2, or to EL3, leaves
 * the run with the syndrome that ESR_EL2 would hold, and changes none of the guest's registers.
 */
#include "engine/sys/exception.h"

#include "engine/a64/block.h"
#include "engine/a64/mode.h"
#include "engine/ir/functions.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/debug.h"
#include "engine/sys/pauth.h"
#include "engine/sys/state.h"

/* Offsets of the vector table's quarters and of the kinds within each. */
enum { VECTOR_SP0 = 0x000, VECTOR_SPX = 0x200, VECTOR_LOWER = 0x400 };
enum { VECTOR_SYNC = 0x000, VECTOR_IRQ = 0x080, VECTOR_FIQ = 0x100, VECTOR_SERROR = 0x180 };

/* --- Entry ------------------------------------------------------------------------------------------------------------------- */

static const uint16_t elr_of[] = {0, SR_ELR_EL1, SR_ELR_EL2};
static const uint16_t spsr_of[] = {0, SR_SPSR_EL1, SR_SPSR_EL2};
static const uint16_t esr_of[] = {0, SR_ESR_EL1, SR_ESR_EL2};
static const uint16_t far_of[] = {0, SR_FAR_EL1, SR_FAR_EL2};
static const uint16_t vbar_of[] = {0, SR_VBAR_EL1, SR_VBAR_EL2};

/* PSTATE at the handler's first instruction [AArch64.TakeException()]. */
static uint32_t entry_pstate(const struct a64_cpu *cpu, unsigned target_el)
{
    const uint32_t exists = cpu->pstate_exists;
    const uint64_t sctlr = cpu->sys[target_el == 2 ? SR_SCTLR_EL2 : SR_SCTLR_EL1];
    /* PAN and DIT are kept; SPAN = 0 sets PAN, where the handler's regime has an EL0. */
    uint32_t pstate = cpu->pstate & (PSTATE_PAN | PSTATE_DIT);

    pstate |= PSTATE_EL(target_el) | PSTATE_SP | PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F;
    if ((sctlr & SCTLR_SPAN) == 0 && (target_el == 1 || cpu_in_host(cpu, 0))) {
        pstate |= PSTATE_PAN;
    }
    if ((sctlr & SCTLR_DSSBS) != 0) {
        pstate |= PSTATE_SSBS;
    }
    return (pstate | PSTATE_TCO) & exists;
}

static void enter(struct a64_cpu *cpu, unsigned target_el, unsigned kind)
{
    const unsigned el = cpu_el(cpu);
    uint32_t spsr = cpu_get_cpsr(cpu);
    unsigned quarter = VECTOR_LOWER;

    if (el == target_el) {
        quarter = (cpu->pstate & PSTATE_SP) != 0 ? VECTOR_SPX : VECTOR_SP0;
    }
    if ((cpu->step & STEP_ARMED) != 0) {
        spsr |= PSTATE_SS; /* the stepped instruction did not complete */
    }
    cpu->step = 0;
    cpu->sys[spsr_of[target_el]] = spsr;
    cpu->sys[elr_of[target_el]] = cpu->pc;
    cpu->btype = 0;
    cpu->pc = (cpu->sys[vbar_of[target_el]] & ~0x7ffull) + quarter + kind;
    cpu_set_pstate(cpu, entry_pstate(cpu, target_el));
}

static uint32_t syndrome(enum ec ec, bool il, uint32_t iss)
{
    return (uint32_t)ec << 26 | (uint32_t)il << 25 | (iss & 0x1ffffffu);
}

/* Classes that come in a pair, for a lower EL and the same EL. */
static bool has_same_el_class(enum ec ec)
{
    return ec == EC_IABT_LOWER || ec == EC_DABT_LOWER || ec == EC_BREAKPOINT_LOWER ||
           ec == EC_STEP_LOWER || ec == EC_WATCHPOINT_LOWER;
}

enum ir_next exc_take(struct a64_cpu *cpu, unsigned target_el, enum ec ec, bool il, uint32_t iss,
                      bool has_far, uint64_t far)
{
    if (target_el == cpu_el(cpu) && has_same_el_class(ec)) {
        ec++;
    }
    cpu->sys[esr_of[target_el]] = syndrome(ec, il, iss);
    if (has_far) {
        cpu->sys[far_of[target_el]] = far;
    }
    enter(cpu, target_el, VECTOR_SYNC);
    return IR_GO;
}

enum ir_next exc_take_default(struct a64_cpu *cpu, enum ec ec, bool il, uint32_t iss, bool has_far,
                              uint64_t far)
{
    return exc_take(cpu, cpu_default_target(cpu), ec, il, iss, has_far, far);
}

enum ir_next exc_leave(struct a64_cpu *cpu, enum ec ec, bool il, uint32_t iss, uint64_t far,
                       uint64_t ipa)
{
    if ((cpu->step & STEP_ARMED) != 0) {
        cpu->pstate |= PSTATE_SS;
    }
    cpu->step = 0;
    cpu->excl_valid = false; /* as the return from the host's EL2 would */
    cpu->exit = (struct cpu_exit){
        .reason = CPU_EXIT_EXCEPTION,
        .syndrome = syndrome(ec, il, iss),
        .virtual_address = far,
        .physical_address = ipa,
    };
    return IR_LEAVE;
}

enum ir_next exc_undefined(struct a64_cpu *cpu)
{
    return exc_take_default(cpu, EC_UNKNOWN, true, 0, false, 0);
}

/* --- Aborts ------------------------------------------------------------------------------------------------------------------ */

/* [EncodeLDFSC()] */
static inline unsigned fault_status(const struct fault *fault)
{
    /* Level -1 exists with LPA2 only and has codes of its own. */
    const unsigned level = (unsigned)fault->level & 3u;
    const bool below_zero = fault->level < 0;

    switch (fault->type) {
    case FAULT_TRANSLATION:
        return below_zero ? 0x2b : 0x04 | level;
    case FAULT_ACCESS_FLAG:
        return 0x08 | level;
    case FAULT_PERMISSION:
        return 0x0c | level;
    case FAULT_ADDRESS_SIZE:
        return below_zero ? 0x29 : 0x00 | level;
    case FAULT_ALIGNMENT:
        return 0x21;
    case FAULT_EXTERNAL:
        return !fault->s1_walk ? 0x10 : below_zero ? 0x13 : 0x14 | level;
    case FAULT_UNSUPPORTED_EXCLUSIVE:
        return 0x35;
    case FAULT_TLB_CONFLICT:
        return 0x30;
    case FAULT_WATCHPOINT:
        return 0x22;
    default:
        return 0x10;
    }
}

/* The fault status code; also FST of PAR_EL1. */
unsigned exc_fault_status(const struct fault *fault)
{
    return fault_status(fault);
}

/* [AArch64.FaultSyndrome()] */
static inline uint32_t abort_iss(const struct fault *fault, uint32_t template)
{
    uint32_t iss = fault_status(fault);

    if (fault->s1_walk && fault->type != FAULT_EXTERNAL) {
        iss |= 1u << 7; /* S1PTW */
    }
    if (fault->is_fetch) {
        return iss;
    }
    /* The instruction is described only to the EL that has to emulate it. */
    if (fault->stage >= 2 && !fault->s1_walk && fault->type != FAULT_EXTERNAL) {
        iss |= template & 0x1ffc000u;
    }
    const uint32_t cm = fault->is_cm, wnr = cm | fault->is_write;
    return iss | cm << 8 | wnr << 6;
}

/*
 * What loads and stores cannot do with a frame of the GIC (mmu/mmio.c does the rest): nothing there leaves the run. Cache maintenance
 * has nothing to do; fetches, table walks, atomics, exclusives and block instructions get a synchronous External abort.
 */
static bool gic_abort(struct a64_cpu *cpu)
{
    struct fault *const fault = &cpu->fault;

    if (cpu->vm->gic == NULL || fault->stage != 3 || !cpu->vm->gic->claims(cpu, fault->ipa)) {
        return false;
    }
    if (fault->is_cm && !fault->s1_walk) {
        debug_step_advance(cpu);
        cpu->pc += 4;
        return true;
    }
    fault->type = FAULT_EXTERNAL;
    fault->stage = 1;
    return false;
}

enum ir_next exc_abort(struct a64_cpu *cpu, uint32_t template)
{
    if (__builtin_expect(gic_abort(cpu), 0)) {
        return IR_GO;
    }
    const struct fault *const fault = &cpu->fault;
    const enum ec ec = fault->is_fetch ? EC_IABT_LOWER : EC_DABT_LOWER;
    const uint32_t iss = abort_iss(fault, template);

    if (fault->type == FAULT_WATCHPOINT) {
        return debug_take(cpu, EC_WATCHPOINT_LOWER, iss, true, fault->va);
    }
    if (fault->stage == 3) {
        return exc_leave(cpu, ec, true, iss, fault->va, fault->ipa);
    }
    unsigned target = cpu_default_target(cpu);
    if (fault->stage == 2) {
        target = 2;
        cpu->sys[SR_HPFAR_EL2] = (fault->ipa >> 12 & ((1ull << 40) - 1)) << 4;
    } else if (fault->type == FAULT_EXTERNAL && (cpu_hcr(cpu) & HCR_TEA) != 0 && target == 1) {
        target = 2;
    }
    return exc_take(cpu, target, ec, true, iss, true, fault->va);
}

/* With what is known of the fault the compiler leaves little of its syndrome to be made. */
enum ir_next exc_unmapped(struct a64_cpu *cpu, uint64_t va, uint64_t ipa, int level, bool is_write,
                          uint32_t template)
{
    const struct fault fault = {
        .type = FAULT_TRANSLATION, .level = (int8_t)level, .stage = 3, .is_write = is_write};

    return exc_leave(cpu, EC_DABT_LOWER, true, abort_iss(&fault, template), va, ipa);
}

/* --- Interrupts -------------------------------------------------------------------------------------------------------------- */

/* Where a physical interrupt goes whose HCR_EL2 routing bit is routed; 0: it is masked [AArch64.InterruptPending()]. */
static unsigned physical_target(const struct a64_cpu *cpu, bool routed, uint32_t mask)
{
    const unsigned el = cpu_el(cpu);
    const unsigned target = routed || (cpu_hcr(cpu) & HCR_TGE) != 0 ? 2 : 1;

    if (target == el || target == 1) {
        return target < el || (cpu->pstate & mask) != 0 ? 0 : target;
    }
    return target;
}

static bool virtual_allowed(const struct a64_cpu *cpu, uint32_t mask)
{
    return cpu_el(cpu) < 2 && (cpu_hcr(cpu) & HCR_TGE) == 0 && (cpu->pstate & mask) == 0;
}

/* One of IRQ and FIQ. True when it was taken. */
static bool take_interrupt(struct a64_cpu *cpu, bool physical, bool virtual, uint64_t hcr_route,
                           uint32_t mask, unsigned kind)
{
    unsigned target = 0;

    if (physical) {
        target = physical_target(cpu, (cpu_hcr(cpu) & hcr_route) != 0, mask);
    }
    if (target == 0 && virtual && virtual_allowed(cpu, mask)) {
        target = 1;
    }
    if (target == 0) {
        return false;
    }
    enter(cpu, target, kind);
    return true;
}

struct lines {
    bool irq, fiq, virq, vfiq, vserror;
};

/* hv_vcpu_set_pending_interrupt() acts as HCR_EL2.VI and VF of the host; a guest with EL2 sees it as a physical interrupt. */
static struct lines interrupt_lines(struct a64_cpu *cpu)
{
    const uint32_t gic = atomic_load_explicit(&cpu->gic_lines, memory_order_relaxed);
    const uint64_t hcr = cpu_hcr(cpu);

    return (struct lines){
        .irq = cpu->irq_pending || (gic & CPU_LINE_IRQ) != 0,
        .fiq = cpu->fiq_pending || (gic & CPU_LINE_FIQ) != 0,
        .virq = (gic & CPU_LINE_VIRQ) != 0 || (hcr & (HCR_VI | HCR_IMO)) == (HCR_VI | HCR_IMO),
        .vfiq = (gic & CPU_LINE_VFIQ) != 0 || (hcr & (HCR_VF | HCR_FMO)) == (HCR_VF | HCR_FMO),
        .vserror = (hcr & (HCR_VSE | HCR_AMO)) == (HCR_VSE | HCR_AMO),
    };
}

bool exc_take_pending_interrupt(struct a64_cpu *cpu)
{
    const struct lines lines = interrupt_lines(cpu);

    if (!lines.irq && !lines.fiq && !lines.virq && !lines.vfiq && !lines.vserror) {
        return false;
    }
    cpu->step &= (uint8_t)~STEP_ARMED; /* the stepped instruction has ended */
    if (lines.vserror && virtual_allowed(cpu, PSTATE_A)) {
        cpu->sys[SR_ESR_EL1] = syndrome(EC_SERROR, true,
                                        (uint32_t)cpu->sys[SR_VSESR_EL2] & 0x1ffffffu);
        cpu->sys[SR_HCR_EL2] &= ~HCR_VSE;
        enter(cpu, 1, VECTOR_SERROR);
        return true;
    }
    return take_interrupt(cpu, lines.fiq, lines.vfiq, HCR_FMO, PSTATE_F, VECTOR_FIQ) ||
           take_interrupt(cpu, lines.irq, lines.virq, HCR_IMO, PSTATE_I, VECTOR_IRQ);
}

bool exc_interrupt_wakes(struct a64_cpu *cpu)
{
    const struct lines lines = interrupt_lines(cpu);

    return lines.irq || lines.fiq || lines.virq || lines.vfiq || lines.vserror;
}

/* ISR_EL1: what is pending for the present EL. A physical interrupt that HCR_EL2 routes to EL2 does not show at EL1. */
uint64_t exc_isr(struct a64_cpu *cpu)
{
    const struct lines lines = interrupt_lines(cpu);
    const uint64_t hcr = cpu_hcr(cpu);
    const bool el1 = cpu_el(cpu) < 2;
    uint64_t isr = 0;

    if (el1 && (hcr & HCR_FMO) != 0 ? lines.vfiq : lines.fiq) {
        isr |= BIT64(6);
    }
    if (el1 && (hcr & HCR_IMO) != 0 ? lines.virq : lines.irq) {
        isr |= BIT64(7);
    }
    if (el1 && lines.vserror) {
        isr |= BIT64(8);
    }
    return isr;
}

/* --- Before an instruction --------------------------------------------------------------------------------------------------- */

/* PC is not kept as FAR_EL2 of a trap: the exception is taken, never trapped by the host. */
static enum ir_next before_fetch(struct a64_cpu *cpu)
{
    enum ir_next next = IR_NEXT;

    if ((cpu->mode_key & MODE_STEP) != 0) {
        next = debug_step(cpu);
    }
    if (next == IR_NEXT && (cpu->pc & 3) != 0) {
        return exc_take_default(cpu, EC_PC_ALIGN, true, 0, true, cpu->pc);
    }
    if (next == IR_NEXT && (cpu->mode_key & MODE_BREAKPOINTS) != 0) {
        next = debug_breakpoint(cpu);
    }
    if (next == IR_NEXT && (cpu->mode_key & MODE_IL) != 0) {
        return exc_take_default(cpu, EC_ILLEGAL_STATE, true, 0, false, 0);
    }
    return next;
}

enum ir_next exc_before_block(struct a64_cpu *cpu, const struct ir_block *block)
{
    if (block == NULL) {
        return before_fetch(cpu);
    }
    const uint64_t sctlr = cpu_sctlr(cpu);
    const unsigned el = cpu_el(cpu);
    /* SCTLR_ELx.BT0 for EL0, BT1 for EL1, BT for EL2. */
    const bool strict = (sctlr & (el == 0 ? SCTLR_BT0 : SCTLR_BT1)) != 0;
    bool ok = !block->guarded || (block->bti_ok >> cpu->btype & 1) != 0;

    if (cpu->btype == 3 && !strict && (block->bti_ok & 0x80) != 0) {
        ok = true; /* PACIASP and PACIBSP [BTypeCompatible_PACIXSP()] */
    }
    if (!ok) {
        return exc_take_default(cpu, EC_BTI, true, cpu->btype, false, 0);
    }
    cpu->btype = 0;
    return IR_NEXT;
}

/* --- Instructions that take or return from exceptions ------------------------------------------------------------------------ */

enum ir_next helper_undefined(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                              uint32_t imm)
{
    (void)result, (void)a, (void)b, (void)imm;
    return exc_undefined(cpu);
}

enum ir_next helper_fp_trap(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                            uint32_t imm)
{
    (void)result, (void)a, (void)b;
    if (imm != 2 && cpu_el(cpu) == 0 && (cpu_hcr(cpu) & HCR_TGE) != 0) {
        return exc_take(cpu, 2, EC_UNKNOWN, true, 0, false, 0);
    }
    /* CV = 1, COND = 0b1110 */
    return exc_take(cpu, imm == 2 ? 2 : 1, EC_FP_TRAP, true, 0x1e00000, false, 0);
}

enum ir_next helper_svc(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result, (void)a, (void)b;
    debug_step_advance(cpu);
    cpu->pc += 4;
    return exc_take_default(cpu, EC_SVC, true, imm & 0xffff, false, 0);
}

/*
 * Apple's framework keeps the SMCCC fast 64-bit CPU service calls for itself and knows none of them for a VM of this API: X0 becomes
 * "not supported" and the guest goes on. X0 alone selects: HVC #0 that an EL1 stub uses for something else is eaten as well.
 */
static bool hvc_is_eaten(const struct a64_cpu *cpu, uint32_t imm)
{
    return imm == 0 && (cpu->x[0] >> 24 & 0xff) == 0xc1 && !cpu->vm->config.hvc_band_exits;
}

enum ir_next helper_hvc(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result, (void)a, (void)b;
    if (cpu_el(cpu) == 0 || (cpu_hcr(cpu) & HCR_HCD) != 0) {
        return exc_undefined(cpu);
    }
    if (!cpu_has_el2(cpu) && hvc_is_eaten(cpu, imm & 0xffff)) {
        cpu->x[0] = 0xffffffff;
        return IR_END;
    }
    debug_step_advance(cpu);
    cpu->pc += 4;
    if (cpu_has_el2(cpu)) {
        return exc_take(cpu, 2, EC_HVC, true, imm & 0xffff, false, 0);
    }
    return exc_leave(cpu, EC_HVC, true, imm & 0xffff, 0, 0);
}

enum ir_next helper_smc(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result, (void)a, (void)b;
    if (cpu_el(cpu) == 0) {
        return exc_undefined(cpu);
    }
    if (cpu_el(cpu) == 1 && (cpu_hcr(cpu) & HCR_TSC) != 0) {
        return exc_take(cpu, 2, EC_SMC, true, imm & 0xffff, false, 0);
    }
    return exc_leave(cpu, EC_SMC, true, imm & 0xffff, 0, 0);
}

enum ir_next helper_brk(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result, (void)a, (void)b;
    return debug_take(cpu, EC_BRK, imm & 0xffff, false, 0);
}

/* Halting debug is never allowed here: HLT is UNDEFINED. */
enum ir_next helper_hlt(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    (void)result, (void)a, (void)b, (void)imm;
    return exc_undefined(cpu);
}

/* [IllegalExceptionReturn()]: the SPSR names a state that does not exist or lies above the present one. */
static bool return_is_illegal(const struct a64_cpu *cpu, uint32_t spsr)
{
    const unsigned el = spsr >> 2 & 3;

    return (spsr & (PSTATE_NRW | 2)) != 0 || el > cpu_el(cpu) || (el == 2 && !cpu_has_el2(cpu)) ||
           (el == 0 && (spsr & PSTATE_SP) != 0) || (el == 1 && (cpu_hcr(cpu) & HCR_TGE) != 0);
}

/* [SetPSTATEFromPSR()] */
static void return_state(struct a64_cpu *cpu, uint32_t spsr)
{
    const uint32_t always = PSTATE_PAN | PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F;
    const bool illegal = return_is_illegal(cpu, spsr);
    const unsigned el = illegal ? cpu_el(cpu) : spsr >> 2 & 3;
    const bool ss = debug_return_ss(cpu, el, spsr);
    uint32_t pstate;

    if (illegal) {
        pstate = (cpu->pstate & ~always) | (spsr & always) | PSTATE_IL;
        cpu->btype = 0;
    } else {
        pstate = spsr & ~(NZCV_N | NZCV_Z | NZCV_C | NZCV_V);
        cpu->btype = spsr >> PSTATE_BTYPE_SHIFT & 3;
        if (cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 0) == 0) {
            cpu->btype = 0;
        }
    }
    pstate = (pstate & ~PSTATE_SS) | (ss ? PSTATE_SS : 0);
    cpu->nzcv = spsr & (NZCV_N | NZCV_Z | NZCV_C | NZCV_V);
    cpu->step = 0;
    cpu_set_pstate(cpu, pstate & cpu->pstate_exists);
}

enum ir_next helper_eret(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                         uint32_t imm)
{
    (void)result, (void)a, (void)b;
    const unsigned el = cpu_el(cpu);

    if (el == 0) {
        return exc_undefined(cpu);
    }
    uint64_t target = cpu->sys[elr_of[el]];
    if (imm != 0) {
        const enum ir_next next = pauth_auth(cpu, target, cpu->x[31],
                                             imm == 1 ? PAUTH_IA : PAUTH_IB, true, &target);
        if (next != IR_NEXT) {
            return next;
        }
    }
    return_state(cpu, (uint32_t)cpu->sys[spsr_of[el]]);
    cpu->excl_valid = false;
    cpu->event = true;
    cpu->pc = cpu_branch_address(cpu, target);
    return IR_GO;
}
