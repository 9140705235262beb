/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Watchpoints. Arm ARM DDI0487 J.a, D2.10; AArch64.CheckWatchpoint(), AArch64.WatchpointMatch(), AArch64.StateMatch(). */
#include "engine/mmu/tlb.h"

enum {
    MDSCR_KDE = 13,
    MDSCR_MDE = 15,
    MDCR_TDE = 8,
};

static unsigned n_watchpoints(const struct a64_cpu *cpu)
{
    /* The host may set all 16; what the profile does not have is not looked at: ID_AA64DFR0_EL1.WRPs. */
    return (unsigned)mmu_field(cpu->sys[SR_ID_AA64DFR0_EL1], 23, 20) + 1;
}

static uint64_t control(const struct a64_cpu *cpu, unsigned n)
{
    return cpu->sys[SR_DBGWCR0_EL1 + n];
}

/* The bits of DBGWVR that are compared; 0: the watchpoint's MASK is reserved and it never matches. */
static uint64_t compared_bits(uint64_t wcr, uint64_t wvr)
{
    const unsigned mask = (unsigned)mmu_field(wcr, 28, 24);

    if (mask == 1 || mask == 2) {
        return 0;
    }
    /* With the top byte ignored for data (TBI) the comparison stops below it: DebugAddrTop() is 52 or 48, or here all of the VA. */
    const unsigned bottom = mask >= 3 ? mask : mmu_bit(wvr, 2) ? 2 : 3;
    return MMU_VA_MASK & ~((1ull << bottom) - 1);
}

bool mmu_watchpoint_on_page(const struct mmu *mmu, uint64_t va)
{
    for (unsigned i = 0; i < mmu->n_watched; i++) {
        if (((va ^ mmu->watched[i].value) & mmu->watched[i].mask) == 0) {
            return true;
        }
    }
    return false;
}

void mmu_watchpoints_changed(struct a64_cpu *cpu)
{
    struct mmu *const mmu = cpu->mmu;
    struct watched_pages now[MMU_WATCHPOINTS];
    unsigned n = 0;

    if (mmu_bit(cpu->sys[SR_MDSCR_EL1], MDSCR_MDE)) {
        for (unsigned i = 0; i < n_watchpoints(cpu); i++) {
            const uint64_t wcr = control(cpu, i), wvr = cpu->sys[SR_DBGWVR0_EL1 + i];
            const uint64_t bits = compared_bits(wcr, wvr);
            if (mmu_bit(wcr, 0) && bits != 0) {
                now[n].value = wvr;
                now[n].mask = bits & MMU_PAGE_MASK;
                n++;
            }
        }
    }
    bool same = n == mmu->n_watched;
    for (unsigned i = 0; same && i < n; i++) {
        same = now[i].value == mmu->watched[i].value && now[i].mask == mmu->watched[i].mask;
    }
    if (same) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        mmu->watched[i] = now[i];
    }
    mmu->n_watched = n;
    mmu_flush_all(cpu); /* entries learn about watchpoints when they are made */
}

/* AArch64.GenerateDebugExceptions(), for the EL that executes. */
static bool exceptions_enabled(const struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);
    const bool to_el2 = mmu_has_el2(cpu) && (mmu_bit(cpu->sys[SR_MDCR_EL2], MDCR_TDE) ||
                                             mmu_bit(mmu_hcr(cpu), HCR_TGE));
    const unsigned target = cpu->trap_debug_exceptions ? 3 : to_el2 ? 2 : 1;

    if (el < target) {
        return true;
    }
    return el == target && mmu_bit(cpu->sys[SR_MDSCR_EL1], MDSCR_KDE) &&
           (cpu->pstate & PSTATE_D) == 0;
}

/* AArch64.StateMatch() without Secure state: SSC 0b10 is for Secure accesses only. */
static bool state_matches(const struct a64_cpu *cpu, uint64_t wcr, bool el0)
{
    const unsigned pac = (unsigned)mmu_field(wcr, 2, 1), ssc = (unsigned)mmu_field(wcr, 15, 14);
    const bool hmc = mmu_bit(wcr, 13);
    const unsigned el = el0 ? 0 : cpu_el(cpu);

    /* Combinations that the architecture reserves match nothing: CheckValidStateMatch(). */
    if (ssc == 2 || (ssc == 3 && !(hmc && pac == 0) && !(hmc && pac == 2)) || (!hmc && pac == 0)) {
        return false;
    }
    switch (el) {
    case 0:
        return (pac & 2) != 0;
    case 1:
        return (pac & 1) != 0;
    default:
        return hmc;
    }
}

/* A linked watchpoint asks a context breakpoint: AArch64.BreakpointValueMatch() of the context types. */
static bool link_matches(const struct a64_cpu *cpu, uint64_t wcr)
{
    if (!mmu_bit(wcr, 20)) {
        return true;
    }
    const unsigned n = (unsigned)mmu_field(wcr, 19, 16);
    const unsigned n_breakpoints = (unsigned)mmu_field(cpu->sys[SR_ID_AA64DFR0_EL1], 15, 12) + 1;
    const unsigned n_context = (unsigned)mmu_field(cpu->sys[SR_ID_AA64DFR0_EL1], 31, 28) + 1;

    if (n >= n_breakpoints || n + n_context < n_breakpoints) {
        return false; /* the context-aware ones are the last */
    }
    const uint64_t bcr = cpu->sys[SR_DBGBCR0_EL1 + n], bvr = cpu->sys[SR_DBGBVR0_EL1 + n];
    const unsigned type = (unsigned)mmu_field(bcr, 23, 20);
    const bool context1 = (uint32_t)cpu->sys[SR_CONTEXTIDR_EL1] == (uint32_t)bvr;

    /* 3: linked Context ID of EL1 (EL0 and EL1); those with VMID or EL2's Context ID need EL2. */
    return mmu_bit(bcr, 0) && (type == 3 || type == 7) && cpu_el(cpu) < 2 && context1;
}

/* AArch64.WatchpointByteMatch(), on the bytes from va to va + size. *hit: the first that matches. */
static bool address_matches(uint64_t wcr, uint64_t wvr, uint64_t va, unsigned size, uint64_t *hit)
{
    const unsigned bas = (unsigned)mmu_field(wcr, 12, 5), mask = (unsigned)mmu_field(wcr, 28, 24);
    const uint64_t bits = compared_bits(wcr, wvr);

    if (bits == 0) {
        return false;
    }
    for (unsigned i = 0; i < size; i++) {
        const uint64_t byte = va + i;
        if (((byte ^ wvr) & bits) != 0) {
            continue;
        }
        /* BAS selects in the word when DBGWVR is not doubleword aligned; a region by MASK has all of it set. */
        if (mask >= 3 || (bas >> (byte & (mmu_bit(wvr, 2) ? 3 : 7)) & 1) != 0) {
            *hit = byte;
            return true;
        }
    }
    return false;
}

bool mmu_watchpoint_hit(struct a64_cpu *cpu, uint64_t va, unsigned size, unsigned access, bool el0)
{
    if (!mmu_bit(cpu->sys[SR_MDSCR_EL1], MDSCR_MDE) || !exceptions_enabled(cpu)) {
        return false;
    }
    for (unsigned i = 0; i < n_watchpoints(cpu); i++) {
        const uint64_t wcr = control(cpu, i);
        uint64_t hit = 0;
        const unsigned lsc = (unsigned)mmu_field(wcr, 4, 3) &
                             access; /* 1 loads, 2 stores: as ACCESS_* */
        if (!mmu_bit(wcr, 0) || lsc == 0 ||
            !address_matches(wcr, cpu->sys[SR_DBGWVR0_EL1 + i], va, size, &hit) ||
            !state_matches(cpu, wcr, el0) || !link_matches(cpu, wcr)) {
            continue;
        }
        cpu->fault = (struct fault){
            .type = FAULT_WATCHPOINT,
            .stage = 1,
            .is_write = (lsc & ACCESS_READ) == 0,
            .va =
                hit, /* between the lowest address of the access and the highest that is watched, D2.10.5 */
        };
        return true;
    }
    return false;
}
