/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Syndromes of every form. The expectation is the line of av_exit_describe(), which shows every field that the class has. */
#include <applevisor/exit.h>
#include <applevisor/sysreg.h>

#include "check.h"

// clang-format off
static const struct {
    uint32_t syndrome;
    av_exit_kind kind;
    const char *line;
} forms[] = {
    {0x02000000, AV_EXIT_UNDEFINED, "undefined instruction"},
    /* WFI and its kind: CV, COND, RN, RV, TI */
    {0x07e00000, AV_EXIT_WAIT, "wfi"},
    {0x07e00001, AV_EXIT_WAIT, "wfe"},
    {0x07e00066, AV_EXIT_WAIT, "wfit X3"},
    {0x07e003e7, AV_EXIT_WAIT, "wfet XZR"},
    {0x07e00062, AV_EXIT_WAIT, "wfit"}, /* RV = 0: RN says nothing */
    {0x1fe00000, AV_EXIT_FP, "fp access"},
    {0x26000000, AV_EXIT_PAUTH, "pointer authentication"},
    {0x2a000001, AV_EXIT_LS64, "64-byte access"},
    {0x36000002, AV_EXIT_BRANCH_TARGET, "branch target"},
    {0x3a000000, AV_EXIT_ILLEGAL_STATE, "illegal execution state"},
    /* Calls */
    {0x5600abcd, AV_EXIT_SVC, "svc #0xabcd"},
    {0x5a000000, AV_EXIT_HVC, "hvc #0x0"},
    {0x5a00ffff, AV_EXIT_HVC, "hvc #0xffff"},
    {0x5e000001, AV_EXIT_SMC, "smc #0x1"},
    /* MRS and MSR: op0 op2 op1 CRn Rt CRm direction */
    {0x623003a9, AV_EXIT_SYSREG, "system register, read of ID_AA64PFR0_EL1 to X29"},
    {0x6230e4b8, AV_EXIT_SYSREG, "system register, write of PMCR_EL0 from X5"},
    {0x6232f801, AV_EXIT_SYSREG, "system register, read of CNTPCT_EL0 to X0"},
    {0x62307fe5, AV_EXIT_SYSREG, "system register, read of S3_1_C15_C2_0 to XZR"},
    {0x6231bc03, AV_EXIT_SYSREG, "system register, read of S3_6_C15_C1_0 to X0"},
    {0x621023e6, AV_EXIT_SYSREG, "system register, write of TLBI VMALLE1IS from XZR"},
    /* Data aborts: ISV SAS SSE SRT SF AR, then WnR and DFSC */
    {0x93850047, AV_EXIT_DATA_ABORT, "data abort, translation fault level 3: write of 4 bytes from W5 at 0x1234, IPA 0x9000234"},
    {0x93000007, AV_EXIT_DATA_ABORT, "data abort, translation fault level 3: read of 1 byte to W0 at 0x1234, IPA 0x9000234"},
    {0x93220007, AV_EXIT_DATA_ABORT, "data abort, translation fault level 3: read of 1 byte to W2, sign-extended at 0x1234, IPA 0x9000234"},
    {0x9362800f, AV_EXIT_DATA_ABORT, "data abort, permission fault level 3: read of 2 bytes to X2, sign-extended at 0x1234, IPA 0x9000234"},
    {0x93dfc046, AV_EXIT_DATA_ABORT, "data abort, translation fault level 2: write of 8 bytes from XZR, ordered at 0x1234, IPA 0x9000234"},
    {0x97850047, AV_EXIT_DATA_ABORT, "data abort, translation fault level 3: write of 4 bytes from W5 at 0x1234, IPA 0x9000234"},
    {0x92000047, AV_EXIT_DATA_ABORT, "data abort, translation fault level 3: write without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000005, AV_EXIT_DATA_ABORT, "data abort, translation fault level 1: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000147, AV_EXIT_DATA_ABORT, "data abort, translation fault level 3: cache maintenance at 0x1234, IPA 0x9000234"},
    {0x92000087, AV_EXIT_DATA_ABORT, "data abort, translation fault level 3 on a table walk: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000410, AV_EXIT_DATA_ABORT, "data abort, external abort: read without a syndrome, IPA 0x9000234"},
    {0x92000021, AV_EXIT_DATA_ABORT, "data abort, alignment fault: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000000, AV_EXIT_DATA_ABORT, "data abort, address size fault level 0: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x9200000a, AV_EXIT_DATA_ABORT, "data abort, access flag fault level 2: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000011, AV_EXIT_DATA_ABORT, "data abort, tag check fault: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000013, AV_EXIT_DATA_ABORT, "data abort, external abort level -1: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000016, AV_EXIT_DATA_ABORT, "data abort, external abort level 2: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000018, AV_EXIT_DATA_ABORT, "data abort, parity or ecc error: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x9200001b, AV_EXIT_DATA_ABORT, "data abort, parity or ecc error level -1: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000029, AV_EXIT_DATA_ABORT, "data abort, address size fault level -1: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x9200002b, AV_EXIT_DATA_ABORT, "data abort, translation fault level -1: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000030, AV_EXIT_DATA_ABORT, "data abort, tlb conflict: read without a syndrome at 0x1234, IPA 0x9000234"},
    {0x92000075, AV_EXIT_DATA_ABORT, "data abort, unsupported exclusive or atomic access: write without a syndrome at 0x1234, IPA 0x9000234"},
    {0x9200003d, AV_EXIT_DATA_ABORT, "data abort, other fault: read without a syndrome at 0x1234, IPA 0x9000234"},
    /* Instruction aborts */
    {0x82000006, AV_EXIT_INSTRUCTION_ABORT, "instruction abort, translation fault level 2: fetch at 0x1234, IPA 0x9000234"},
    {0x8600000f, AV_EXIT_INSTRUCTION_ABORT, "instruction abort, permission fault level 3: fetch at 0x1234, IPA 0x9000234"},
    {0x82000087, AV_EXIT_INSTRUCTION_ABORT, "instruction abort, translation fault level 3 on a table walk: fetch at 0x1234, IPA 0x9000234"},
    {0x8a000000, AV_EXIT_PC_ALIGNMENT, "pc alignment"},
    {0x9a000000, AV_EXIT_SP_ALIGNMENT, "sp alignment"},
    {0x9e000000, AV_EXIT_MEMORY_COPY, "memory copy and set"},
    /* Debug */
    {0xc2000022, AV_EXIT_BREAKPOINT, "breakpoint"},
    {0xc6000022, AV_EXIT_BREAKPOINT, "breakpoint"},
    {0xca000022, AV_EXIT_STEP, "software step"},
    {0xcf000062, AV_EXIT_STEP, "software step"},
    {0xd2000022, AV_EXIT_WATCHPOINT, "watchpoint, read at 0x1234"},
    {0xd6000062, AV_EXIT_WATCHPOINT, "watchpoint, write at 0x1234"},
    {0xf2000123, AV_EXIT_BRK, "brk #0x123"},
    /* SVE, SME, the rest */
    {0x66000000, AV_EXIT_SVE, "sve access"},
    {0x76000001, AV_EXIT_SME, "sme access"},
    {0x6a000000, AV_EXIT_ERET, "eret"},
    {0x72000000, AV_EXIT_PAUTH_FAILURE, "pointer authentication failure"},
    {0xb2800000, AV_EXIT_FP_EXCEPTION, "fp exception"},
    {0xbe000011, AV_EXIT_SERROR, "serror"},
    {0xfe000000, AV_EXIT_OTHER, "other exception of class 0x3f"},
    {0x0e000000, AV_EXIT_OTHER, "other exception of class 0x03"},
};
// clang-format on

#define N_FORMS (sizeof(forms) / sizeof(forms[0]))

/* iss2: bits that no class here has a use for. */
static void expect_form(size_t i, uint64_t iss2)
{
    const uint64_t syndrome = forms[i].syndrome | iss2 << 32;
    const hv_vcpu_exit_t exit = {.reason = HV_EXIT_REASON_EXCEPTION,
                                 .exception = {syndrome, 0x1234, 0x9000234}};
    av_exit_event event;
    char line[200];

    memset(&event, 0xff, sizeof(event));
    EXPECT_EQ(av_exit_decode(&exit, &event), AV_OK);
    EXPECT_EQ(event.kind, forms[i].kind);
    EXPECT_EQ(event.syndrome, syndrome);
    EXPECT_EQ(event.ec, forms[i].syndrome >> 26);
    EXPECT_EQ(event.instruction_bytes, 4);
    EXPECT_EQ(event.virtual_address, 0x1234);
    EXPECT_EQ(event.physical_address, 0x9000234);
    EXPECT_EQ(av_exit_describe(&event, line, sizeof(line)), strlen(line));
    if (strcmp(line, forms[i].line) != 0) {
        printf("# 0x%08x: '%s', expected '%s'\n", forms[i].syndrome, line, forms[i].line);
        failures++;
    }
}

/* The one before any other of its thread. */
static void expect_zero(void)
{
    av_exit_event event;

    memset(&event, 0xff, sizeof(event));
    EXPECT_EQ(av_exit_from_syndrome(0, &event), AV_OK);
    EXPECT_EQ(event.kind, AV_EXIT_UNDEFINED);
    EXPECT_EQ(event.syndrome, 0);
    EXPECT_EQ(event.ec, 0);
    EXPECT(!event.same_el);
    EXPECT_EQ(event.instruction_bytes, 2);
    EXPECT_EQ(event.virtual_address, 0);
}

TEST(every_form_is_decoded)
{
    expect_zero();
    for (size_t i = 0; i < N_FORMS; i++) {
        expect_form(i, 0);
    }
}

TEST(forms_that_come_again_are_decoded)
{
    uint64_t seed = 1;

    for (unsigned n = 0; n < 50000; n++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const unsigned few = seed >> 63 != 0 ? 5 : N_FORMS;
        expect_form((seed >> 32) % few, (seed >> 60) % 3);
    }
    expect_zero();
}

/* Whatever the bits are: a kind, a line that fits, and nothing out of range. */
TEST(no_syndrome_is_out_of_range)
{
    uint64_t seed = 1;

    for (unsigned i = 0; i < 200000; i++) {
        av_exit_event event;
        char line[300];

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        EXPECT_EQ(av_exit_from_syndrome(seed >> 16, &event), AV_OK);
        EXPECT(event.kind < AV_EXIT_KIND_COUNT);
        EXPECT(av_exit_describe(&event, line, sizeof(line)) < (int)sizeof(line));
        EXPECT(strchr(line, '?') == NULL);
        if (event.kind == AV_EXIT_DATA_ABORT) {
            EXPECT(event.u.abort.fault < AV_FAULT_COUNT);
            EXPECT(event.u.abort.access.reg < 32);
        }
    }
}

TEST(reasons_without_a_syndrome)
{
    static const struct {
        hv_exit_reason_t reason;
        av_exit_kind kind;
    } reasons[] = {{HV_EXIT_REASON_CANCELED, AV_EXIT_CANCELED},
                   {HV_EXIT_REASON_VTIMER_ACTIVATED, AV_EXIT_VTIMER},
                   {HV_EXIT_REASON_UNKNOWN, AV_EXIT_UNKNOWN},
                   {77, AV_EXIT_UNKNOWN}};

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        /* What an earlier exit left behind does not show. */
        const hv_vcpu_exit_t exit = {.reason = reasons[i].reason,
                                     .exception = {0x5a000000, 0x1234, 0x9000234}};
        av_exit_event event;

        EXPECT_EQ(av_exit_decode(&exit, &event), AV_OK);
        EXPECT_EQ(event.kind, reasons[i].kind);
        EXPECT_EQ(event.syndrome, 0);
        EXPECT_EQ(event.virtual_address, 0);
        EXPECT_EQ(event.physical_address, 0);
    }
}

TEST(members_that_the_line_does_not_show)
{
    av_exit_event event;

    EXPECT_EQ(av_exit_from_syndrome(0x97850047, &event), AV_OK);
    EXPECT(event.same_el);
    EXPECT_EQ(event.u.abort.status, 7);
    EXPECT(!event.u.abort.external);
    EXPECT_EQ(av_exit_from_syndrome(0x92000610, &event), AV_OK);
    EXPECT(!event.same_el);
    EXPECT(event.u.abort.external);
    EXPECT(!event.u.abort.far_valid);
    EXPECT_EQ(av_exit_from_syndrome(0x90000047, &event), AV_OK);
    EXPECT_EQ(event.instruction_bytes, 2);
    EXPECT_EQ(av_exit_from_syndrome(0xcf000062, &event), AV_OK);
    EXPECT(event.same_el);
    EXPECT(event.u.step.valid);
    EXPECT(event.u.step.exclusive);
    EXPECT_EQ(av_exit_from_syndrome(0xca000062, &event), AV_OK);
    EXPECT(!event.u.step.valid);
    EXPECT(!event.u.step.exclusive);
    EXPECT_EQ(av_exit_from_syndrome(0xd2000162, &event), AV_OK);
    EXPECT(event.u.watchpoint.is_write);
    EXPECT(event.u.watchpoint.cache_maintenance);
    EXPECT_EQ(av_exit_from_syndrome(0x76000003, &event), AV_OK);
    EXPECT_EQ(event.u.sme.reason, 3);
}

TEST(access_from_syndrome)
{
    static const struct {
        uint32_t syndrome;
        av_error ret;
        av_access access;
    } cases[] = {
        {0x93850047, AV_OK, {4, 5, true, false, false, false}},
        {0x93220007, AV_OK, {1, 2, false, true, false, false}},
        {0x93e68047, AV_OK, {8, 6, true, false, true, false}}, /* SSE says nothing of a write */
        {0x92000047, AV_ERROR_UNSUPPORTED, {0}},
        {0x5a000000, AV_ERROR_BAD_ARGUMENT, {0}},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        av_access got;

        memset(&got, 0, sizeof(got)); /* a failing call leaves it so */
        EXPECT_EQ(av_access_from_syndrome(cases[i].syndrome, &got), cases[i].ret);
        EXPECT_EQ(memcmp(&got, &cases[i].access, sizeof(got)), 0);
    }
    EXPECT_EQ(av_access_from_syndrome(0x93850047, NULL), AV_ERROR_NULL_ARGUMENT);
}

TEST(loaded_values_are_extended)
{
    // clang-format off
    static const struct {
        av_access access;
        uint64_t value, expected;
    } cases[] = {
        {{.size_bytes = 1}, 0xffffffffffffff80, 0x80},
        {{.size_bytes = 2}, 0xffffffffffff8001, 0x8001},
        {{.size_bytes = 4}, 0xffffffff80000001, 0x80000001},
        {{.size_bytes = 8, .is_64_bit = true}, 0xffffffff80000001, 0xffffffff80000001},
        {{.size_bytes = 1, .sign_extend = true}, 0x1280, 0xffffff80},
        {{.size_bytes = 1, .sign_extend = true}, 0x127f, 0x7f},
        {{.size_bytes = 1, .sign_extend = true, .is_64_bit = true}, 0x1280, 0xffffffffffffff80},
        {{.size_bytes = 2, .sign_extend = true, .is_64_bit = true}, 0x8000, 0xffffffffffff8000},
        {{.size_bytes = 4, .sign_extend = true, .is_64_bit = true}, 0x80000000, 0xffffffff80000000},
    };
    // clang-format on

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXPECT_EQ(av_access_extend(&cases[i].access, cases[i].value), cases[i].expected);
    }
}

TEST(null_arguments_and_short_buffers)
{
    const hv_vcpu_exit_t exit = {.reason = HV_EXIT_REASON_EXCEPTION,
                                 .exception = {0x93850047, 0, 0}};
    av_exit_event event;
    char line[200], small[12];

    EXPECT_EQ(av_exit_decode(NULL, &event), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_exit_decode(&exit, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_exit_from_syndrome(0, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_exit_decode(&exit, &event), AV_OK);
    const int length = av_exit_describe(&event, line, sizeof(line));
    EXPECT_EQ(av_exit_describe(&event, small, sizeof(small)), length);
    EXPECT_EQ(strlen(small), sizeof(small) - 1);
    EXPECT_EQ(strncmp(small, line, sizeof(small) - 1), 0);
    EXPECT_EQ(av_exit_describe(&event, NULL, 0), length);
    EXPECT_EQ(av_exit_describe(NULL, line, sizeof(line)), 0);
    EXPECT_EQ(line[0], '\0');
    EXPECT_EQ(strcmp(av_exit_kind_name(AV_EXIT_KIND_COUNT), "?"), 0);
    EXPECT_EQ(strcmp(av_exit_kind_name((av_exit_kind)-1), "?"), 0);
    EXPECT_EQ(strcmp(av_fault_name(AV_FAULT_COUNT), "?"), 0);
    EXPECT_EQ(strcmp(av_wait_kind_name(4), "?"), 0);
}

TEST(names_of_registers)
{
    char name[32];
    uint16_t id = 0;
    unsigned found = 0;

    EXPECT_EQ(strcmp(av_sysreg_name(HV_SYS_REG_SCTLR_EL1, true), "SCTLR_EL1"), 0);
    EXPECT_EQ(strcmp(av_sysreg_name(AV_SYSREG_ID(3, 3, 9, 12, 0), true), "PMCR_EL0"), 0);
    EXPECT_EQ(strcmp(av_sysreg_name(AV_SYSREG_ID(2, 3, 0, 5, 0), false), "DBGDTRRX_EL0"), 0);
    EXPECT_EQ(strcmp(av_sysreg_name(AV_SYSREG_ID(2, 3, 0, 5, 0), true), "DBGDTRTX_EL0"), 0);
    EXPECT_EQ(strcmp(av_sysreg_name(AV_SYSREG_ID(1, 0, 8, 3, 0), true), "TLBI VMALLE1IS"), 0);
    EXPECT(av_sysreg_name(AV_SYSREG_ID(3, 1, 15, 2, 0), false) == NULL);
    EXPECT_EQ(av_sysreg_format(AV_SYSREG_ID(3, 1, 15, 2, 0), false, name, sizeof(name)), 13);
    EXPECT_EQ(strcmp(name, "S3_1_C15_C2_0"), 0);
    EXPECT_EQ(av_sysreg_format(HV_SYS_REG_SCTLR_EL1, false, NULL, 0), 9);
    /* Every number has a name that leads back to it. */
    for (unsigned i = 0; i < 0x10000; i++) {
        const char *const read = av_sysreg_name((uint16_t)i, false);
        EXPECT((read == NULL) == (av_sysreg_name((uint16_t)i, true) == NULL));
        if (i % 13 != 0 && read == NULL) {
            continue;
        }
        found += read != NULL;
        av_sysreg_format((uint16_t)i, true, name, sizeof(name));
        EXPECT_EQ(av_sysreg_find(name, &id), AV_OK);
        EXPECT_EQ(id, i);
    }
    EXPECT(found > 1300);
    EXPECT_EQ(av_sysreg_find("sctlr_el1", &id), AV_OK);
    EXPECT_EQ(id, HV_SYS_REG_SCTLR_EL1);
    EXPECT_EQ(av_sysreg_find("s3_1_c15_c2_0", &id), AV_OK);
    EXPECT_EQ(id, AV_SYSREG_ID(3, 1, 15, 2, 0));
    static const char *const wrong[] = {"",
                                        "SCTLR",
                                        "S3_1_C15_C2",
                                        "S4_1_C15_C2_0",
                                        "S3_8_C1_C2_0",
                                        "S3_1_C16_C2_0",
                                        "S3_1_C15_C2_0x",
                                        "S3_1_C15_C2_8"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        id = 7;
        EXPECT_EQ(av_sysreg_find(wrong[i], &id), AV_ERROR_BAD_ARGUMENT);
        EXPECT_EQ(id, 7);
    }
    EXPECT_EQ(av_sysreg_find(NULL, &id), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_sysreg_find("SCTLR_EL1", NULL), AV_ERROR_NULL_ARGUMENT);
}

MAIN(T(every_form_is_decoded), T(forms_that_come_again_are_decoded), T(no_syndrome_is_out_of_range),
     T(reasons_without_a_syndrome), T(members_that_the_line_does_not_show), T(access_from_syndrome),
     T(loaded_values_are_extended), T(null_arguments_and_short_buffers), T(names_of_registers))
