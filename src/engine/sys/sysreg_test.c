/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <string.h>

#include "engine/a64/mode.h"
#include "engine/sys/sys_test.h"
#include "engine/sys/sysreg_ids.h"

static const struct host_reg {
    uint16_t id;
    unsigned macos;
    const char *name;
} host_regs[] = {
#define HOST(id, name, macos) {id, macos, #name},
#include "engine/sys/sysreg_host.inc"
#undef HOST
};
#define N_HOST_REGS (sizeof(host_regs) / sizeof(host_regs[0]))

static void table_is_consistent(void)
{
    for (unsigned i = 0; i < sysreg_count(); i++) {
        const struct sysreg *const reg = sysreg_at(i);
        EXPECT(sysreg_find(reg->id) == reg);
        EXPECT(reg->read != NULL && reg->write != NULL);
        EXPECT(reg->access >= 1 && reg->access <= 3);
        EXPECT(reg->storage <= SR_COUNT);
        /* op1 names the lowest EL: 3 EL0, 4 EL2; the framework alone uses SP_EL2. */
        if (SYSREG_OP1(reg->id) == 4) {
            EXPECT_EQ(reg->min_el, 2);
        }
    }
    EXPECT(sysreg_find(0) == NULL);
    EXPECT_EQ(sysreg_find(0xc080)->storage, SR_SCTLR_EL1);
    EXPECT_EQ(sysreg_find(0xdf19)->min_el, 0); /* CNTV_CTL_EL0 */
}

/* Every register of the framework answers as documented, and keeps what is written to it. */
static void framework_registers(void)
{
    EXPECT_EQ(N_HOST_REGS, 148);
    for (unsigned el2 = 0; el2 < 2; el2++) {
        for (unsigned i = 0; i < N_HOST_REGS; i++) {
            const struct host_reg *const r = &host_regs[i];
            start("m4", el2 != 0);
            uint64_t value = 0;
            const enum sysreg_host_status status = sysreg_host_get(cpu, r->id, &value);
            const bool is_el2 = strstr(r->name, "_EL2") != NULL;
            const bool sme = strncmp(r->name, "SMCR", 4) == 0 ||
                             strncmp(r->name, "SMPRI", 5) == 0 ||
                             strncmp(r->name, "TPIDR2", 6) == 0;
            const bool gic_timer = strncmp(r->name, "CNTP_", 5) == 0;
            const bool absent = (is_el2 && el2 == 0) || sme || gic_timer;
            EXPECT_EQ(status, absent ? SYSREG_HOST_UNSUPPORTED : SYSREG_HOST_OK);
            EXPECT_EQ(sysreg_host_set(cpu, r->id, value), status);
            vm.config.macos = r->macos - 1;
            EXPECT_EQ(sysreg_host_get(cpu, r->id, &value), SYSREG_HOST_UNKNOWN);
        }
    }
    /* Not the framework's, though the guest has them. */
    uint64_t value;
    start("m4", false);
    EXPECT_EQ(sysreg_host_get(cpu, SYSREG_ID_CNTFRQ_EL0, &value), SYSREG_HOST_UNKNOWN);
    EXPECT_EQ(sysreg_host_get(cpu, SYSREG_ID_CTR_EL0, &value), SYSREG_HOST_UNKNOWN);
    EXPECT_EQ(sysreg_host_get(cpu, 0x1234, &value), SYSREG_HOST_UNKNOWN);
}

static void round_trips(void)
{
    static const uint32_t plain[] = {
        SYSREG_ID_TTBR0_EL1, SYSREG_ID_MAIR_EL1,      SYSREG_ID_VBAR_EL1,
        SYSREG_ID_ELR_EL1,   SYSREG_ID_SP_EL0,        SYSREG_ID_SP_EL1,
        SYSREG_ID_MIDR_EL1,  SYSREG_ID_MPIDR_EL1,     SYSREG_ID_SCTLR_EL1,
        SYSREG_ID_TCR_EL1,   SYSREG_ID_DBGBVR15_EL1,  SYSREG_ID_ID_AA64ISAR0_EL1,
        SYSREG_ID_ESR_EL1,   SYSREG_ID_APDBKeyHi_EL1, SYSREG_ID_CNTV_CVAL_EL0,
    };

    start("m4", false);
    for (unsigned i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        const uint64_t written = 0xdeadbeef00000000 | plain[i];
        uint64_t value = 0;
        EXPECT_EQ(sysreg_host_set(cpu, (uint16_t)plain[i], written), SYSREG_HOST_OK);
        EXPECT_EQ(sysreg_host_get(cpu, (uint16_t)plain[i], &value), SYSREG_HOST_OK);
        EXPECT_EQ(value, written);
    }
    uint64_t value = 0;
    start("m4", true);
    EXPECT_EQ(sysreg_host_set(cpu, 0xe019, 0x40),
              SYSREG_HOST_OK); /* MDCR_EL2 as SDK 15 spells it */
    EXPECT_EQ(sysreg_host_get(cpu, 0xe089, &value), SYSREG_HOST_OK);
    EXPECT_EQ(value, 0x40);
    EXPECT_EQ(sysreg_host_set(cpu, SYSREG_ID_ACTLR_EL1, ~0ull), SYSREG_HOST_OK);
    EXPECT_EQ(sysreg_host_get(cpu, SYSREG_ID_ACTLR_EL1, &value), SYSREG_HOST_OK);
    EXPECT_EQ(value, 2);
}

/* What the guest sees of what the client wrote. */
static void guest_view(void)
{
    uint64_t value = 0;

    start("m1", false);
    sysreg_host_set(cpu, SYSREG_ID_SCTLR_EL1, 0x30d00800);
    EXPECT_EQ(mrs(SYSREG_ID_SCTLR_EL1, &value), IR_NEXT);
    EXPECT_EQ(value, 0x30d00980);
    EXPECT_EQ(mrs(SYSREG_ID_MPIDR_EL1, &value), IR_NEXT);
    EXPECT_EQ(value, 0x80000000);
    sysreg_host_set(cpu, SYSREG_ID_MPIDR_EL1, 0x103);
    mrs(SYSREG_ID_MPIDR_EL1, &value);
    EXPECT_EQ(value, 0x80000103);
    sysreg_host_get(cpu, SYSREG_ID_MPIDR_EL1, &value);
    EXPECT_EQ(value, 0x103);
    sysreg_host_set(cpu, SYSREG_ID_ID_AA64ISAR0_EL1, 0x1234);
    mrs(SYSREG_ID_ID_AA64ISAR0_EL1, &value);
    EXPECT_EQ(value, 0x1234);
    /* The ID space reads as zero where nothing is allocated. */
    for (unsigned i = 8; i < 64; i++) {
        value = 1;
        EXPECT_EQ(mrs(SYSREG_ID(3u, 0u, 0u, i >> 3, i & 7), &value), IR_NEXT);
        EXPECT(sysreg_find((uint16_t)SYSREG_ID(3u, 0u, 0u, i >> 3, i & 7)) != NULL || value == 0);
    }
    static const uint64_t ccsidr[3] = {0x701fe03a, 0x203fe02a, 0x73ffe05b};
    for (unsigned i = 0; i < 3; i++) {
        msr(SYSREG_ID_CSSELR_EL1, i);
        mrs(SYSREG_ID_CCSIDR_EL1, &value);
        EXPECT_EQ(value, ccsidr[i]);
    }
    mrs(SYSREG_ID_CNTFRQ_EL0, &value);
    EXPECT_EQ(value, 24000000);
    /* Big-endian data does not exist. */
    EXPECT_EQ(msr(SYSREG_ID_SCTLR_EL1, 3 << 24 | 1), IR_END);
    EXPECT_EQ(cpu->sys[SR_SCTLR_EL1], 1);
    EXPECT_EQ(asked.registers_changed, 2); /* the client's write and the guest's */
}

static void leaves_to_host(void)
{
    static const struct {
        uint32_t id;
        bool is_read;
    } cases[] = {
        {SYSREG_ID_PMCCNTR_EL0, true},
        {SYSREG_ID_PMCR_EL0, false},
        {SYSREG_ID_PMEVTYPER30_EL0, false},
        {SYSREG_ID_CNTPCT_EL0, true},
        {SYSREG_ID_CNTP_CTL_EL0, false},
        {SYSREG_ID_OSLAR_EL1, false},
        {SYSREG_ID_OSLSR_EL1, true},
        {SYSREG_ID_OSDLR_EL1, false},
        {SYSREG_ID_DBGPRCR_EL1, true},
        {SYSREG_ID_MDCCINT_EL1, false},
        {SYSREG_ID_LORC_EL1, false},
        {SYSREG_ID_ICC_SRE_EL1, true},
        {SYSREG_ID_ICC_IAR1_EL1, true},
        {SYSREG_ID_GCR_EL1, true},
        {SYSREG_ID(3u, 1u, 15u, 2u, 0u), true},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 0;
        start("m4", false);
        cpu->pc = 0x1000;
        EXPECT_EQ(cases[i].is_read ? mrs(cases[i].id, &value) : msr(cases[i].id, 0), IR_LEAVE);
        EXPECT_EQ(cpu->exit.syndrome, 0x62000000u | sysreg_iss(cases[i].id, 5, cases[i].is_read));
        EXPECT_EQ(cpu->pc, 0x1000);
    }
    /* The layout, against a syndrome that QEMU's users know: MRS X5, PMCCNTR_EL0 (op0 3, op1 3, CRn 9, CRm 13, op2 0). */
    EXPECT_EQ(sysreg_iss(SYSREG_ID_PMCCNTR_EL0, 5, true),
              3 << 20 | 0 << 17 | 3 << 14 | 9 << 10 | 5 << 5 | 13 << 1 | 1);

    start("m4", false);
    vm.config.macos = 150000;
    EXPECT_EQ(msr(SYSREG_ID_MDCCINT_EL1, 0), IR_NEXT);
    EXPECT_EQ(msr(SYSREG_ID_MDSCR_EL1, 0), IR_END);
    cpu->trap_debug_reg_accesses = true;
    EXPECT_EQ(msr(SYSREG_ID_MDSCR_EL1, 0), IR_LEAVE);
    EXPECT_EQ(msr(SYSREG_ID_DBGWCR3_EL1, 0), IR_LEAVE);
    EXPECT_EQ(msr(SYSREG_ID_DBGWCR4_EL1, 0), IR_GO); /* four watchpoints */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x02000000);
}

static void el0_access(void)
{
    uint64_t value = 0;

    start("m4", false);
    at_el(0);
    EXPECT_EQ(mrs(SYSREG_ID_TPIDR_EL0, &value), IR_NEXT);
    EXPECT_EQ(mrs(SYSREG_ID_TPIDRRO_EL0, &value), IR_NEXT);
    EXPECT_EQ(msr(SYSREG_ID_TPIDRRO_EL0, 1), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x02000000);
    at_el(0);
    EXPECT_EQ(mrs(SYSREG_ID_SCTLR_EL1, &value), IR_GO); /* UNDEFINED */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x02000000);
    at_el(0);
    EXPECT_EQ(mrs(SYSREG_ID_ID_AA64PFR0_EL1, &value), IR_GO); /* FEAT_IDST */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x62000000u | sysreg_iss(SYSREG_ID_ID_AA64PFR0_EL1, 5, true));
    at_el(0);
    EXPECT_EQ(mrs(SYSREG_ID_CTR_EL0, &value), IR_GO); /* SCTLR_EL1.UCT = 0 */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1] >> 26, EC_SYSREG);
    at_el(0);
    EXPECT_EQ(mrs(SYSREG_ID_CNTVCT_EL0, &value), IR_GO); /* CNTKCTL_EL1.EL0VCTEN = 0 */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1] >> 26, EC_SYSREG);
    at_el(0);
    EXPECT_EQ(mrs(SYSREG_ID_PMCCNTR_EL0, &value), IR_GO); /* PMUSERENR_EL0 */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1] >> 26, EC_SYSREG);
    at_el(0);
    EXPECT_EQ(helper_msr_imm(cpu, NULL, 0, 0, 0x36f), IR_GO); /* MSR DAIFSet, #15 with UMA = 0 */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x62000000u | 6 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | 15 << 1);
    at_el(0);
    EXPECT_EQ(mrs(SYSREG_ID_DCZID_EL0, &value), IR_NEXT);
    EXPECT_EQ(value, 0x14); /* prohibited: SCTLR_EL1.DZE = 0 */
    cpu->sys[SR_SCTLR_EL1] = SCTLR_UCT | SCTLR_DZE | SCTLR_UMA;
    cpu->sys[SR_CNTKCTL_EL1] = 2;
    EXPECT_EQ(mrs(SYSREG_ID_DCZID_EL0, &value), IR_NEXT);
    EXPECT_EQ(value, 4);
    EXPECT_EQ(mrs(SYSREG_ID_CTR_EL0, &value), IR_NEXT);
    EXPECT_EQ(mrs(SYSREG_ID_CNTVCT_EL0, &value), IR_NEXT);
    EXPECT_EQ(helper_msr_imm(cpu, NULL, 0, 0, 0x36f), IR_END);
    EXPECT_EQ(cpu->pstate, 0x3c0);
}

static void pstate_access(void)
{
    uint64_t value = 0;

    start("m4", false);
    cpu_set_sp(cpu, 0, 0x1000);
    cpu_set_sp(cpu, 1, 0x2000);
    EXPECT_EQ(helper_msr_imm(cpu, NULL, 0, 0, 0x050), IR_END); /* SPSel = 0 */
    EXPECT_EQ(cpu->x[31], 0x1000);
    EXPECT_EQ(mrs(SYSREG_ID_SP_EL0, &value), IR_GO); /* UNDEFINED while it is the current one */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x02000000);
    EXPECT_EQ(mrs(SYSREG_ID_SP_EL0, &value), IR_NEXT); /* in the handler, SPSel is 1 */
    EXPECT_EQ(value, 0x1000);
    EXPECT_EQ(mrs(SYSREG_ID_CurrentEL, &value), IR_NEXT);
    EXPECT_EQ(value, 4);
    EXPECT_EQ(msr(SYSREG_ID_PAN, 1 << 22), IR_END);
    EXPECT_EQ(cpu->mmu_index, MMU_E10_1_PAN);
    EXPECT_EQ(helper_msr_imm(cpu, NULL, 0, 0, 0x061), IR_GO); /* nothing is allocated there */
    EXPECT_EQ(helper_msr_imm(cpu, NULL, 0, 0, 0x311), IR_GO); /* SSBS: m4 has none */
    start("max", false);
    EXPECT_EQ(helper_msr_imm(cpu, NULL, 0, 0, 0x311), IR_END);
    EXPECT((cpu->pstate & PSTATE_SSBS) != 0);
    /* FP registers trap like FP instructions. */
    EXPECT_EQ(mrs(SYSREG_ID_FPCR, &value), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x1fe00000);
    EXPECT_EQ(msr(SYSREG_ID_CPACR_EL1, ~0ull), IR_END);
    EXPECT_EQ(cpu->sys[SR_CPACR_EL1], 3 << 20);
    EXPECT_EQ(msr(SYSREG_ID_FPCR, ~0ull), IR_END);
    EXPECT_EQ(cpu->fpcr, 0x07c80007);
    /* An interrupt that was masked is looked at again. */
    cpu->irq_pending = true;
    atomic_store(&cpu->requests, 0);
    EXPECT_EQ(helper_msr_imm(cpu, NULL, 0, 0, 0x372), IR_END); /* DAIFClr, #2 */
    EXPECT((atomic_load(&cpu->requests) & CPU_REQUEST_IRQ) != 0);
}

static void el2_traps(void)
{
    uint64_t value = 0;

    start("m4", true);
    cpu->sys[SR_HCR_EL2] |= HCR_TVM | HCR_TID3;
    at_el(1);
    EXPECT_EQ(mrs(SYSREG_ID_TTBR0_EL1, &value), IR_NEXT); /* TRVM = 0 */
    EXPECT_EQ(msr(SYSREG_ID_TTBR0_EL1, 0), IR_GO);
    EXPECT_EQ(cpu_el(cpu), 2);
    EXPECT_EQ(cpu->sys[SR_ESR_EL2], 0x62000000u | sysreg_iss(SYSREG_ID_TTBR0_EL1, 5, false));
    EXPECT_EQ(msr(SYSREG_ID_TTBR0_EL1, 0x1000), IR_END); /* not at EL2 itself */
    at_el(1);
    EXPECT_EQ(mrs(SYSREG_ID(3u, 0u, 0u, 7u, 7u), &value), IR_GO); /* all of the ID space */
    EXPECT_EQ(cpu_el(cpu), 2);
    at_el(1);
    EXPECT_EQ(mrs(SYSREG_ID_HCR_EL2, &value), IR_GO);
    EXPECT_EQ(cpu_el(cpu), 1); /* UNDEFINED */
    cpu->sys[SR_VPIDR_EL2] = 0x77;
    EXPECT_EQ(mrs(SYSREG_ID_MIDR_EL1, &value), IR_NEXT);
    EXPECT_EQ(value, 0x77);
    cpu->sys[SR_HCR_EL2] |= HCR_TIDCP;
    EXPECT_EQ(mrs(SYSREG_ID(3u, 4u, 15u, 0u, 4u), &value), IR_GO);
    EXPECT_EQ(cpu_el(cpu), 2);
    EXPECT_EQ(cpu->sys[SR_ESR_EL2] >> 26, EC_SYSREG);
    /* No VHE in m4: E2H is RES0. */
    at_el(2);
    msr(SYSREG_ID_HCR_EL2, HCR_E2H | HCR_TGE);
    EXPECT_EQ(cpu->sys[SR_HCR_EL2], HCR_TGE | HCR_RW);

    /* max has it. */
    start("max", true);
    at_el(2);
    msr(SYSREG_ID_HCR_EL2, HCR_E2H);
    EXPECT_EQ(cpu->mmu_index, MMU_E20_2);
    msr(SYSREG_ID_TTBR0_EL1, 0x1000);
    EXPECT_EQ(cpu->sys[SR_TTBR0_EL2], 0x1000);
    EXPECT_EQ(cpu->sys[SR_TTBR0_EL1], 0);
    msr(SYSREG_ID_TTBR0_EL12, 0x2000);
    EXPECT_EQ(cpu->sys[SR_TTBR0_EL1], 0x2000);
    msr(SYSREG_ID_CPACR_EL1, 3 << 20);
    EXPECT_EQ(cpu->sys[SR_CPTR_EL2], 3 << 20);
    msr(SYSREG_ID_CNTV_CVAL_EL02, 5);
    EXPECT_EQ(cpu->sys[SR_CNTV_CVAL_EL0], 5);
    msr(SYSREG_ID_CNTV_CVAL_EL0, 6);
    EXPECT_EQ(cpu->sys[SR_CNTHV_CVAL_EL2], 6);
    at_el(1);
    EXPECT_EQ(mrs(SYSREG_ID_TTBR0_EL12, &value), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x02000000);
}

void test_sysregs(void)
{
    table_is_consistent();
    framework_registers();
    round_trips();
    guest_view();
    leaves_to_host();
    el0_access();
    pstate_access();
    el2_traps();
}

/* --- System instructions ----------------------------------------------------------------------- */

static enum ir_next sys(unsigned op1, unsigned crn, unsigned crm, unsigned op2, uint64_t value)
{
    return helper_sys(cpu, NULL, value, 5, SYSREG_ID(1u, op1, crn, crm, op2));
}

static void tlbi(void)
{
    start("m4", false);
    EXPECT_EQ(sys(0, 8, 7, 0, 0), IR_END); /* VMALLE1 */
    EXPECT_EQ(asked.local_flushes, 1);
    EXPECT_EQ(asked.flush.kind, MMU_FLUSH_ALL);
    EXPECT_EQ(asked.flush.regimes, MMU_REGIME_E10);
    cpu->sys[SR_TCR_EL1] = BIT64(36);
    EXPECT_EQ(sys(0, 8, 3, 1, 0x1234ull << 48 | 0x80000012345), IR_END); /* VAE1IS */
    EXPECT_EQ(asked.broadcasts, 1);
    EXPECT_EQ(asked.flush.kind, MMU_FLUSH_VA);
    EXPECT_EQ(asked.flush.asid, 0x1234);
    EXPECT_EQ(asked.flush.va, 0xff80000012345000);
    cpu->sys[SR_TCR_EL1] = 0;                            /* eight bits */
    EXPECT_EQ(sys(0, 8, 3, 2, 0x1234ull << 48), IR_END); /* ASIDE1IS */
    EXPECT_EQ(asked.flush.kind, MMU_FLUSH_ASID);
    EXPECT_EQ(asked.flush.asid, 0x34);
    EXPECT_EQ(sys(0, 8, 7, 7, 1), IR_END); /* VAALE1 */
    EXPECT_EQ(asked.flush.asid, -1);
    /* RVAE1: TG 4 KiB, SCALE 1, NUM 2: 3 * 2^6 pages from 0x10 pages below the top. */
    EXPECT_EQ(sys(0, 8, 6, 1, 1ull << 46 | 1ull << 44 | 2ull << 39 | 0x1ffffffff0), IR_END);
    EXPECT_EQ(asked.flush.kind, MMU_FLUSH_RANGE);
    EXPECT_EQ(asked.flush.va, 0xffffffffffff0000);
    EXPECT_EQ(asked.flush.size, 192 * 4096);
    EXPECT_EQ(sys(0, 8, 6, 1, 3ull << 44 | 31ull << 39), IR_END); /* reserved granule */
    EXPECT_EQ(asked.flush.kind, MMU_FLUSH_ALL);
    EXPECT_EQ(sys(0, 8, 6, 1, 3ull << 46 | 3ull << 44 | 31ull << 39), IR_END); /* the largest */
    EXPECT_EQ(asked.flush.size, 32ull << 32);

    const unsigned before = asked.local_flushes + asked.broadcasts;
    EXPECT_EQ(sys(0, 9, 7, 0, 0), IR_GO); /* nXS: m4 has no FEAT_XS */
    EXPECT_EQ(sys(4, 8, 7, 0, 0), IR_GO); /* EL2's */
    EXPECT_EQ(sys(0, 8, 7, 4, 0), IR_GO);
    EXPECT_EQ(sys(0, 8, 0, 1, 0), IR_GO);
    EXPECT_EQ(sys(0, 8, 6, 0, 0), IR_GO);
    EXPECT_EQ(sys(6, 8, 7, 0, 0), IR_GO); /* EL3's */
    at_el(0);
    EXPECT_EQ(sys(0, 8, 7, 0, 0), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x02000000);
    EXPECT_EQ(asked.local_flushes + asked.broadcasts, before);

    start("m4", true);
    at_el(2);
    EXPECT_EQ(sys(4, 8, 3, 1, 0x123), IR_END); /* VAE2IS */
    EXPECT_EQ(asked.flush.regimes, MMU_REGIME_E2);
    EXPECT_EQ(asked.flush.asid, -1);
    EXPECT_EQ(sys(4, 8, 0, 1, 0x123), IR_END); /* IPAS2E1IS */
    EXPECT_EQ(asked.flush.regimes, MMU_REGIME_E10);
    EXPECT_EQ(asked.broadcasts, 2);
    EXPECT_EQ(sys(4, 8, 4, 1, 0x123), IR_END); /* IPAS2E1 */
    EXPECT_EQ(sys(4, 8, 0, 0, 0x123), IR_GO);
    at_el(1);
    cpu->sys[SR_HCR_EL2] |= HCR_TTLB;
    EXPECT_EQ(sys(0, 8, 7, 0, 0), IR_GO);
    EXPECT_EQ(cpu_el(cpu), 2);
}

/* Every encoding of CRn 8 against the data's list of TLBI names, for a guest that has EL2, at EL2. */
static void tlbi_encodings(void)
{
    static const struct {
        unsigned op1, crm, op2;
    } allocated[] = {
        {0, 1, 0}, {0, 1, 1}, {0, 1, 2}, {0, 1, 3}, {0, 1, 5}, {0, 1, 7}, {0, 2, 1}, {0, 2, 3},
        {0, 2, 5}, {0, 2, 7}, {0, 3, 0}, {0, 3, 1}, {0, 3, 2}, {0, 3, 3}, {0, 3, 5}, {0, 3, 7},
        {0, 5, 1}, {0, 5, 3}, {0, 5, 5}, {0, 5, 7}, {0, 6, 1}, {0, 6, 3}, {0, 6, 5}, {0, 6, 7},
        {0, 7, 0}, {0, 7, 1}, {0, 7, 2}, {0, 7, 3}, {0, 7, 5}, {0, 7, 7}, {4, 0, 1}, {4, 0, 2},
        {4, 0, 5}, {4, 0, 6}, {4, 1, 0}, {4, 1, 1}, {4, 1, 4}, {4, 1, 5}, {4, 1, 6}, {4, 2, 1},
        {4, 2, 5}, {4, 3, 0}, {4, 3, 1}, {4, 3, 4}, {4, 3, 5}, {4, 3, 6}, {4, 4, 0}, {4, 4, 1},
        {4, 4, 2}, {4, 4, 3}, {4, 4, 4}, {4, 4, 5}, {4, 4, 6}, {4, 4, 7}, {4, 5, 1}, {4, 5, 5},
        {4, 6, 1}, {4, 6, 5}, {4, 7, 0}, {4, 7, 1}, {4, 7, 4}, {4, 7, 5}, {4, 7, 6},
    };
    bool expected[8][16][8] = {0};

    for (unsigned i = 0; i < sizeof(allocated) / sizeof(allocated[0]); i++) {
        expected[allocated[i].op1][allocated[i].crm][allocated[i].op2] = true;
    }
    start("m4", true);
    for (unsigned op1 = 0; op1 < 8; op1++) {
        for (unsigned crm = 0; crm < 16; crm++) {
            for (unsigned op2 = 0; op2 < 8; op2++) {
                at_el(2);
                const bool done = sys(op1, 8, crm, op2, 0) == IR_END;
                if (done != expected[op1][crm][op2]) {
                    printf("TLBI op1 %u CRm %u op2 %u: %s\n", op1, crm, op2,
                           done ? "executed" : "UNDEFINED");
                    failures++;
                }
            }
        }
    }
}

static void caches(void)
{
    start("m4", false);
    EXPECT_EQ(sys(3, 7, 11, 1, 0x1000), IR_NEXT); /* DC CVAU */
    EXPECT_EQ(sys(3, 7, 5, 1, 0x1000), IR_END);   /* IC IVAU */
    EXPECT_EQ(asked.invalidated, 64);
    EXPECT_EQ(sys(0, 7, 1, 0, 0), IR_END); /* IC IALLUIS */
    EXPECT_EQ(asked.invalidated, UINT32_MAX);
    EXPECT_EQ(sys(0, 7, 14, 2, 0x1000), IR_NEXT); /* DC CISW */
    EXPECT_EQ(sys(3, 7, 10, 3, 0), IR_GO);        /* DC CGVAC: no MTE */
    EXPECT_EQ(sys(3, 7, 7, 0, 0), IR_GO);
    /* DC ZVA comes here where it traps alone: the mode says where it does not. */
    EXPECT((cpu->mode_key & MODE_ZVA) != 0);
    at_el(0);
    cpu_update_mode(cpu);
    EXPECT((cpu->mode_key & MODE_ZVA) == 0);
    EXPECT_EQ(sys(3, 7, 4, 1, 0x1000), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1] >> 26, EC_SYSREG);
    at_el(0);
    cpu->sys[SR_SCTLR_EL1] |= SCTLR_DZE;
    cpu_update_mode(cpu);
    EXPECT((cpu->mode_key & MODE_ZVA) != 0);
    at_el(1);
    /* Cache maintenance of an unmapped IPA: the client sees CM. */
    asked.memory_fails = true;
    asked.fault = (struct fault){
        .type = FAULT_TRANSLATION, .level = 3, .stage = 3, .is_cm = true, .ipa = 0x8000000};
    EXPECT_EQ(sys(3, 7, 14, 1, 0x1000), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0x92000147);
    EXPECT_EQ(cpu->exit.physical_address, 0x8000000);
    /* At EL0 only with SCTLR_EL1.UCI. */
    asked.memory_fails = false;
    at_el(0);
    EXPECT_EQ(sys(3, 7, 5, 1, 0x1000), IR_GO);
    EXPECT_EQ(cpu->sys[SR_ESR_EL1] >> 26, EC_SYSREG);
    cpu->sys[SR_SCTLR_EL1] |= SCTLR_UCI;
    at_el(0);
    EXPECT_EQ(sys(3, 7, 5, 1, 0x1000), IR_END);
    EXPECT_EQ(sys(0, 7, 14, 2, 0), IR_GO); /* by set and way never */
}

static void address_translation(void)
{
    start("m4", false);
    asked.walk = (struct mmu_walk){.pa = 0x87654321, .attr = 0xff, .shareability = 3};
    EXPECT_EQ(sys(0, 7, 8, 0, 0x1000), IR_NEXT); /* S1E1R */
    EXPECT_EQ(cpu->sys[SR_PAR_EL1], 0xff00000087654b80);
    EXPECT_EQ(asked.index, MMU_E10_1);
    sys(0, 7, 8, 3, 0x1000); /* S1E0W */
    EXPECT_EQ(asked.index, MMU_E10_0);
    msr(SYSREG_ID_PAN, 1 << 22);
    sys(0, 7, 9, 0, 0x1000); /* S1E1RP */
    EXPECT_EQ(asked.index, MMU_E10_1_PAN);
    sys(0, 7, 8, 1, 0x1000); /* S1E1W does not look at PAN */
    EXPECT_EQ(asked.index, MMU_E10_1);
    asked.memory_fails = true;
    asked.fault = (struct fault){.type = FAULT_TRANSLATION, .level = 2, .stage = 1};
    EXPECT_EQ(sys(0, 7, 8, 0, 0x1000), IR_NEXT);
    EXPECT_EQ(cpu->sys[SR_PAR_EL1], 0x80d);
    /* Tables that are not there. */
    asked.fault = (struct fault){
        .type = FAULT_TRANSLATION, .level = 3, .stage = 3, .s1_walk = true};
    EXPECT_EQ(sys(0, 7, 8, 0, 0x1000), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0x920001c7);
    EXPECT_EQ(sys(4, 7, 8, 4, 0x1000), IR_GO); /* S12E1R is EL2's */
}

static uint64_t noise(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return *seed ^ *seed >> 29;
}

/* What a block makes of a plain register is what the function would have done, whatever the registers that can trap hold. */
static unsigned compare_plain(const struct sysreg *reg, uint64_t *seed)
{
    static struct a64_cpu before, after;
    struct sysreg_plain plain;
    unsigned found = 0;

    if (sysreg_is_plain(cpu, cpu->mode_key, reg->id, true, &plain)) {
        uint64_t bits, value = 0;
        memcpy(&bits, (const char *)cpu + plain.offset, sizeof(bits));
        EXPECT_EQ(mrs(reg->id, &value), IR_NEXT);
        EXPECT_EQ(bits >> plain.shift & plain.mask, value);
        found++;
    }
    if (sysreg_is_plain(cpu, cpu->mode_key, reg->id, false, &plain)) {
        const uint64_t value = noise(seed), masked = value & plain.mask;
        before = *cpu;
        EXPECT_EQ(plain.shift, 0);
        EXPECT_EQ(msr(reg->id, value), IR_NEXT);
        after = *cpu;
        memcpy((char *)&before + plain.offset, &masked, sizeof(masked));
        EXPECT(memcmp(&before, &after, sizeof(before)) == 0);
        found++;
    }
    return found;
}

static void plain_registers(void)
{
    uint64_t seed = 1;

    for (unsigned state = 0; state < 256; state++) {
        const bool el2 = (state & 1) != 0;
        const unsigned el = state / 2 % (el2 ? 3 : 2);
        start((state & 8) != 0 ? "m1" : "m4", el2);
        for (unsigned i = 0; i < SR_COUNT; i++) {
            cpu->sys[i] = noise(&seed);
        }
        cpu_set_cpsr(cpu, PSTATE_EL(el) | (el != 0 && (state & 16) != 0 ? PSTATE_SP : 0));
        unsigned found = 0;
        for (unsigned i = 0; i < sysreg_count(); i++) {
            const struct sysreg *const reg = sysreg_at(i);
            if (SYSREG_OP0(reg->id) != 1) {
                found += compare_plain(reg, &seed);
            }
        }
        EXPECT(found >= 2 || (cpu->mode_key & MODE_E2H) != 0);
    }
    /* The names that kernels live by. */
    start("m4", false);
    struct sysreg_plain plain;
    at_el(0);
    EXPECT(sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_TPIDR_EL0, true, &plain));
    EXPECT(!sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_ESR_EL1, true, &plain));
    EXPECT(!sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_DAIF, true, &plain));
    at_el(1);
    EXPECT(sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_SP_EL0, true, &plain));
    EXPECT(sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_DAIF, true, &plain));
    EXPECT(sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_ELR_EL1, false, &plain));
    EXPECT(!sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_TTBR0_EL1, false, &plain));
    cpu_set_cpsr(cpu, PSTATE_EL(1));
    EXPECT(!sysreg_is_plain(cpu, cpu->mode_key, SYSREG_ID_SP_EL0, true, &plain));
}

static void no_timer(struct a64_cpu *c, unsigned intid, bool level)
{
    (void)c, (void)intid, (void)level;
}

static void barriers_and_waits(void)
{
    static const struct vm_gic_ops gic = {.timer = no_timer};

    start("m4", false);
    /* With a GIC the wait is left to the run loop. */
    vm.gic = &gic;
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 0), IR_END);
    EXPECT_EQ(atomic_load(&cpu->requests), CPU_REQUEST_WAIT | CPU_REQUEST_ANY);
    EXPECT_EQ(cpu->wait_deadline, UINT64_MAX);
    asked.counter = 100;
    EXPECT_EQ(helper_wfx(cpu, NULL, 150, 31, 2), IR_END);
    EXPECT_EQ(cpu->wait_deadline, 150);
    start("m4", false);
    EXPECT_EQ(helper_barrier(cpu, NULL, 0, 0, 0), IR_NEXT);
    asked.dsb_waits = true;
    EXPECT_EQ(helper_barrier(cpu, NULL, 0, 0, 0), IR_GO);
    cpu->pc = 0x1000;
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 0), IR_LEAVE);
    EXPECT_EQ(cpu->exit.syndrome, 0x07e00000);
    EXPECT_EQ(cpu->pc, 0x1000);
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 1), IR_END); /* WFE stays inside */
    cpu->irq_pending = true;                            /* masked, yet it wakes */
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 0), IR_END);
    helper_sev(cpu, NULL, 0, 0, 1);
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 1), IR_NEXT);
    EXPECT(!cpu->event);
    cpu->irq_pending = false;
    at_el(0);
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 0), IR_GO); /* SCTLR_EL1.nTWI = 0 */
    EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x07e00000);
}

void test_sysops(void)
{
    tlbi();
    tlbi_encodings();
    caches();
    address_translation();
    plain_registers();
    barriers_and_waits();
}
