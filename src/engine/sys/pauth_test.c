/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/sys/pauth.h"

#include "engine/sys/sys_test.h"

static const uint64_t pointers[] = {0x0000123456789abc, 0xffff800012345678, 0, 0xfffffffffffffff8,
                                    0x0000ffffffffffff};
static const uint64_t modifiers[] = {0, 0x7fffdeadbeef, ~0ull};

static void enable(const char *profile)
{
    start(profile, false);
    cpu->sys[SR_SCTLR_EL1] = SCTLR_ENIA | SCTLR_ENIB | SCTLR_ENDA | SCTLR_ENDB;
    cpu->sys[SR_TCR_EL1] = 16 | 16 << 16; /* 48 bits */
    for (unsigned i = 0; i < 10; i++) {
        cpu->sys[SR_APIAKEYLO_EL1 + i] = 0x0123456789abcdef * (2 * i + 1);
    }
    cpu_update_mode(cpu);
}

static uint64_t sign(uint64_t pointer, uint64_t modifier, unsigned key)
{
    uint64_t result = 0;

    EXPECT_EQ(helper_pac(cpu, &result, pointer, modifier, key), IR_NEXT);
    return result;
}

static void round_trips(const char *profile)
{
    enable(profile);
    unsigned signed_differently = 0;
    for (unsigned key = 0; key < 4; key++) {
        for (unsigned p = 0; p < 5; p++) {
            for (unsigned m = 0; m < 3; m++) {
                const uint64_t with_pac = sign(pointers[p], modifiers[m], key);
                uint64_t result = 0;
                signed_differently += with_pac != pointers[p];
                EXPECT_EQ(with_pac & 0xffffffffffff, pointers[p] & 0xffffffffffff);
                EXPECT_EQ(with_pac >> 55 & 1, pointers[p] >> 63);
                EXPECT_EQ(sign(pointers[p], modifiers[m], key), with_pac);
                EXPECT_EQ(helper_aut(cpu, &result, with_pac, modifiers[m], key), IR_NEXT);
                EXPECT_EQ(result, pointers[p]);
                helper_xpac(cpu, &result, with_pac, 0, key >= 2);
                EXPECT_EQ(result, pointers[p]);
            }
        }
    }
    EXPECT(signed_differently >= 58); /* of 60; 2^-15 each that a code is all zeros or ones */
    EXPECT(sign(pointers[0], 0, PAUTH_IA) != sign(pointers[0], 0, PAUTH_IB));
    EXPECT(sign(pointers[0], 0, PAUTH_IA) != sign(pointers[0], 1, PAUTH_IA));
    cpu->sys[SR_SCTLR_EL1] = 0;
    EXPECT_EQ(sign(pointers[0], 0, PAUTH_IA), pointers[0]);
}

static void failures_of_m4(void)
{
    for (unsigned key = 0; key < 4; key++) {
        uint64_t result = 0;
        enable("m4");
        cpu->pc = 0x1000;
        const uint64_t with_pac = sign(pointers[0], 1, key);
        EXPECT_EQ(helper_aut(cpu, &result, with_pac, 2, key), IR_GO);
        EXPECT_EQ(cpu->sys[SR_ESR_EL1], 0x72000000u | key);
        EXPECT_EQ(cpu->sys[SR_ELR_EL1], 0x1000);
        EXPECT_EQ(helper_aut(cpu, &result, with_pac, 2, key | PAUTH_COMBINED), IR_GO);
    }
}

static void failures_of_m1(void)
{
    enable("m1");
    const uint64_t with_pac = sign(pointers[0], 1, PAUTH_IA);
    uint64_t result = 0;
    EXPECT_EQ(helper_aut(cpu, &result, with_pac, 2, PAUTH_IA), IR_NEXT);
    EXPECT_EQ(result, 0x2000123456789abc);
    EXPECT_EQ(helper_aut(cpu, &result, with_pac, 1, PAUTH_IB), IR_NEXT);
    EXPECT_EQ(result, 0x4000123456789abc);
    /* FEAT_EPAC: a pointer that was not canonical is signed with zero, and does not authenticate. */
    EXPECT_EQ(sign(0x0012123456789abc, 1, PAUTH_DA), 0x0000123456789abc);
}

static void tags(void)
{
    enable("m4");
    cpu->sys[SR_TCR_EL1] |= BIT64(37) | BIT64(51); /* TBI0, TBID0: tags for data only */
    const uint64_t tagged = 0xab00123456789abc;
    const uint64_t with_pac = sign(tagged, 5, PAUTH_DA);
    uint64_t result = 0;
    EXPECT_EQ(with_pac >> 56, 0xab);
    EXPECT_EQ(helper_aut(cpu, &result, with_pac, 5, PAUTH_DA), IR_NEXT);
    EXPECT_EQ(result, tagged);
    EXPECT_EQ(cpu_branch_address(cpu, tagged), tagged);
    cpu->sys[SR_TCR_EL1] &= ~BIT64(51);
    EXPECT_EQ(cpu_branch_address(cpu, tagged), 0x0000123456789abc);
}

static void generic(void)
{
    uint64_t a = 0, b = 0;

    enable("m4");
    EXPECT_EQ(helper_pacga(cpu, &a, 1, 2, 0), IR_NEXT);
    EXPECT_EQ(a & 0xffffffff, 0);
    EXPECT(a != 0);
    helper_pacga(cpu, &b, 1, 3, 0);
    EXPECT(a != b);
    /* ERETAA */
    cpu->sys[SR_ELR_EL1] = sign(0x5000, cpu->x[31], PAUTH_IA);
    cpu->sys[SR_SPSR_EL1] = 0;
    EXPECT_EQ(helper_eret(cpu, NULL, 0, 0, 1), IR_GO);
    EXPECT_EQ(cpu->pc, 0x5000);
    EXPECT_EQ(cpu_el(cpu), 0);
}

static void trapped_by_el2(void)
{
    uint64_t result = 0;

    start("m4", true);
    cpu->sys[SR_SCTLR_EL1] = SCTLR_ENIA;
    at_el(1);
    EXPECT_EQ(helper_pac(cpu, &result, 1, 2, PAUTH_IB), IR_NEXT); /* not enabled: no trap */
    EXPECT_EQ(helper_pac(cpu, &result, 1, 2, PAUTH_IA), IR_GO);
    EXPECT_EQ(cpu_el(cpu), 2);
    EXPECT_EQ(cpu->sys[SR_ESR_EL2], 0x26000000);
}

void test_pauth(void)
{
    round_trips("m4");
    round_trips("m1");
    failures_of_m4();
    failures_of_m1();
    tags();
    generic();
    trapped_by_el2();
}
