/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/sys/debug.h"

#include "engine/a64/mode.h"
#include "engine/sys/state.h"

/* Numbers of resources, from the ID register that the profile shows. */
static unsigned n_breakpoints(const struct a64_cpu *cpu)
{
    return cpu_id_field(cpu, SR_ID_AA64DFR0_EL1, 12) + 1;
}

static unsigned first_context_aware(const struct a64_cpu *cpu)
{
    return n_breakpoints(cpu) - (cpu_id_field(cpu, SR_ID_AA64DFR0_EL1, 28) + 1);
}

/* --- Routing ----------------------------------------------------------------------------------------------------------------- */

/* The EL that debug exceptions go to; 3 is the host, which stands above a guest's EL2. */
static unsigned target_el(const struct a64_cpu *cpu)
{
    return cpu->trap_debug_exceptions ? 3 : (cpu_mdcr(cpu) & MDCR_TDE) != 0 ? 2 : 1;
}

bool debug_enabled_from(const struct a64_cpu *cpu, unsigned el, bool masked)
{
    const unsigned target = target_el(cpu);

    if ((cpu->sys[SR_OSLSR_EL1] & BIT64(1)) != 0) {
        return false;
    }
    return el == target ? (cpu->sys[SR_MDSCR_EL1] & MDSCR_KDE) != 0 && !masked : target > el;
}

static bool enabled_now(const struct a64_cpu *cpu)
{
    return debug_enabled_from(cpu, cpu_el(cpu), (cpu->pstate & PSTATE_D) != 0);
}

enum ir_next debug_take(struct a64_cpu *cpu, enum ec ec, uint32_t iss, bool has_far, uint64_t far)
{
    const unsigned target = target_el(cpu);

    if (target == 3) {
        return exc_leave(cpu, ec, true, iss, has_far ? far : 0, 0);
    }
    /* BRK is taken even from a higher EL than the one that debug exceptions are routed to. */
    return exc_take(cpu, target < cpu_el(cpu) ? cpu_el(cpu) : target, ec, true, iss, has_far, far);
}

uint32_t debug_mode(struct a64_cpu *cpu)
{
    const uint64_t mdscr = cpu->sys[SR_MDSCR_EL1];
    uint32_t mode = 0;

    if ((mdscr & (MDSCR_SS | MDSCR_MDE)) == 0 || !enabled_now(cpu)) {
        cpu->step = 0;
        return 0;
    }
    if ((mdscr & MDSCR_SS) != 0) {
        mode |= MODE_STEP;
    } else {
        cpu->step = 0;
    }
    if ((mdscr & MDSCR_MDE) != 0) {
        for (unsigned i = 0; i < n_breakpoints(cpu); i++) {
            mode |= (cpu->sys[SR_DBGBCR0_EL1 + i] & 1) != 0 ? MODE_BREAKPOINTS : 0;
        }
    }
    return mode;
}

/* --- Software step ----------------------------------------------------------------------------------------------------------- */

bool debug_return_ss(const struct a64_cpu *cpu, unsigned el, uint32_t spsr)
{
    return (cpu->sys[SR_MDSCR_EL1] & MDSCR_SS) != 0 && !enabled_now(cpu) &&
           debug_enabled_from(cpu, el, (spsr & PSTATE_D) != 0) && (spsr & PSTATE_SS) != 0;
}

/*
 * PSTATE.SS is cleared before the instruction rather than after it, so that whatever interrupts the vCPU at the next block
 * boundary (an interrupt, a cancelled run) already finds the state active-pending. An exception that ends the instruction early
 * puts the bit back: STEP_ARMED says so to exc_take() and exc_leave().
 */
enum ir_next debug_step(struct a64_cpu *cpu)
{
    if ((cpu->pstate & PSTATE_SS) != 0) {
        cpu->pstate &= ~PSTATE_SS;
        cpu->step = STEP_ARMED | STEP_DONE | (cpu->excl_valid ? STEP_MONITOR : 0);
        return IR_NEXT;
    }
    uint32_t iss = 0x22;
    if ((cpu->step & STEP_DONE) != 0) {
        iss |= 1u << 24; /* ISV */
        iss |= cpu->excl_valid && (cpu->step & STEP_MONITOR) == 0
                   ? 1u << 6
                   : 0; /* EX: it was a load exclusive */
    }
    cpu->step = 0;
    return debug_take(cpu, EC_STEP_LOWER, iss, false, 0);
}

/* --- Matching ---------------------------------------------------------------------------------------------------------------- */

/* [CheckValidStateMatch()] for a machine without Secure state; reserved combinations never match. */
static bool state_is_reserved(unsigned hmc, unsigned ssc, unsigned pxc)
{
    const unsigned all = hmc << 4 | ssc << 2 | pxc;

    if (all == 0x0e || (hmc == 1 && ssc == 0 && (pxc & 1) == 0) || all == 0x16 ||
        (hmc == 1 && (ssc & 2) != 0 && pxc == 2)) {
        return true;
    }
    return hmc == 0 && pxc == 0 && ssc != 3;
}

static bool context_match(const struct a64_cpu *cpu, unsigned n);

/* [AArch64.StateMatch()], Non-secure. el: of the access. */
static bool state_match(const struct a64_cpu *cpu, uint64_t control, unsigned el, bool linked)
{
    const unsigned pxc = control >> 1 & 3u, hmc = control >> 13 & 1u, ssc = control >> 14 & 3u;
    bool match;

    if (state_is_reserved(hmc, ssc, pxc) || ssc == 2 || (ssc == 3 && hmc == 0 && el != 2)) {
        return false;
    }
    match = el == 0 ? (pxc & 2) != 0 : el == 1 ? (pxc & 1) != 0 : hmc == 1 || ssc == 3;
    return match && (!linked || context_match(cpu, control >> 16 & 15u));
}

/* A context-matching breakpoint that another one links to. */
static bool context_match(const struct a64_cpu *cpu, unsigned n)
{
    if (n < first_context_aware(cpu) || n >= n_breakpoints(cpu)) {
        return false;
    }
    const uint64_t control = cpu->sys[SR_DBGBCR0_EL1 + n], value = cpu->sys[SR_DBGBVR0_EL1 + n];
    const unsigned type = control >> 20 & 15u;
    const bool el2 = cpu_has_el2(cpu), in_host = cpu_in_host(cpu, cpu_el(cpu));
    const bool vmid = value >> 32 == (cpu->sys[SR_VTTBR_EL2] >> 48 & 0xffffu);
    const bool id1 = (uint32_t)value == (uint32_t)cpu->sys[SR_CONTEXTIDR_EL1];

    if ((control & 1) == 0) {
        return false;
    }
    switch (type & 14) {
    case 2: /* Context ID: of EL1, or of EL2 when a host kernel runs there */
        return in_host ? (uint32_t)value == (uint32_t)cpu->sys[SR_CONTEXTIDR_EL2]
                       : cpu_el(cpu) < 2 && id1;
    case 6: /* CONTEXTIDR_EL1 */
        return cpu_el(cpu) < 2 && !in_host && id1;
    case 8: /* VMID */
        return el2 && cpu_el(cpu) < 2 && !in_host && vmid;
    case 10: /* VMID and CONTEXTIDR_EL1 */
        return el2 && cpu_el(cpu) < 2 && !in_host && vmid && id1;
    case 12: /* CONTEXTIDR_EL2 */
        return el2 && value >> 32 == (uint32_t)cpu->sys[SR_CONTEXTIDR_EL2];
    case 14: /* both Context IDs */
        return el2 && value >> 32 == (uint32_t)cpu->sys[SR_CONTEXTIDR_EL2] && cpu_el(cpu) < 2 &&
               id1;
    default:
        return false;
    }
}

/* The comparators hold bits 48 and below; above them is a sign extension that is not compared (D2.8.4, RESS). */
#define VA_COMPARED ((1ull << 49) - 1)

static bool breakpoint_match(const struct a64_cpu *cpu, unsigned n)
{
    const uint64_t control = cpu->sys[SR_DBGBCR0_EL1 + n];
    const unsigned type = control >> 20 & 15u;

    if ((control & 1) == 0) {
        return false;
    }
    if (type <= 1) {
        return ((cpu->sys[SR_DBGBVR0_EL1 + n] ^ cpu->pc) & VA_COMPARED & ~3ull) == 0 &&
               state_match(cpu, control, cpu_el(cpu), type == 1);
    }
    /* An unlinked context match; the linked types (odd) match through the breakpoint that names them. */
    return (type & 1) == 0 && context_match(cpu, n) &&
           state_match(cpu, control, cpu_el(cpu), false);
}

enum ir_next debug_breakpoint(struct a64_cpu *cpu)
{
    for (unsigned i = 0; i < n_breakpoints(cpu); i++) {
        if (breakpoint_match(cpu, i)) {
            return debug_take(cpu, EC_BREAKPOINT_LOWER, 0x22, false, 0);
        }
    }
    return IR_NEXT;
}
