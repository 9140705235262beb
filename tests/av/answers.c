/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The answers of <applevisor/exit.h>, seen from the guest. */
#include <applevisor/exit.h>

#include "check.h"

static av_exit_event run(const struct machine *m)
{
    av_exit_event event;

    OK(hv_vcpu_run(m->vcpu));
    OK(av_exit_decode(m->exit, &event));
    return event;
}

TEST(registers_by_instruction_numbers)
{
    struct machine m;
    uint64_t value = 7;

    machine_start(&m, NULL, 0);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, 0x5000));
    for (unsigned i = 0; i < 31; i++) {
        OK(av_exit_set_x(m.vcpu, i, 100 + i));
        EXPECT_EQ(reg(&m, (hv_reg_t)(HV_REG_X0 + i)), 100 + i);
        OK(av_exit_get_x(m.vcpu, i, &value));
        EXPECT_EQ(value, 100 + i);
    }
    OK(av_exit_set_x(m.vcpu, 31, 0x1234)); /* XZR, and not the PC */
    EXPECT_EQ(reg(&m, HV_REG_PC), 0x5000);
    OK(av_exit_get_x(m.vcpu, 31, &value));
    EXPECT_EQ(value, 0);
    EXPECT_EQ(av_exit_get_x(m.vcpu, 32, &value), AV_ERROR_BAD_ARGUMENT);
    EXPECT_EQ(av_exit_set_x(m.vcpu, 32, 0), AV_ERROR_BAD_ARGUMENT);
    EXPECT_EQ(av_exit_get_x(m.vcpu, 0, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_exit_get_x(m.vcpu + 1, 0, &value), AV_ERROR_BAD_ARGUMENT);
    machine_stop(&m);
}

TEST(calls_waits_and_registers_go_on_behind)
{
    static const uint32_t words[] = {
        0xd4000042, /* hvc #2 */
        0xd4000063, /* smc #3 */
        0xd503207f, /* wfi */
        0xd53b9c05, /* mrs x5, pmcr_el0 */
        0xd51b9c06, /* msr pmcr_el0, x6 */
        0xd53b9c1f, /* mrs xzr, pmcr_el0 */
        0xd4000022, /* hvc #1 */
    };
    static const av_exit_kind kinds[] = {AV_EXIT_HVC,    AV_EXIT_SMC,    AV_EXIT_WAIT,
                                         AV_EXIT_SYSREG, AV_EXIT_SYSREG, AV_EXIT_SYSREG};
    struct machine m;

    machine_start(&m, words, sizeof(words) / sizeof(words[0]));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X6, 0x77));
    for (unsigned i = 0; i < 6; i++) {
        const av_exit_event event = run(&m);
        EXPECT_EQ(event.kind, kinds[i]);
        EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4 * i + (i == 0 ? 4 : 0));
        if (event.kind == AV_EXIT_SYSREG) {
            EXPECT_EQ(event.u.sysreg.is_write, i == 4);
            OK(av_exit_complete_sysreg(m.vcpu, &event, 0x4321));
        } else {
            EXPECT_EQ(av_exit_complete_sysreg(m.vcpu, &event, 0), AV_ERROR_BAD_ARGUMENT);
            OK(av_exit_finish(m.vcpu, &event));
        }
    }
    const av_exit_event last = run(&m);
    EXPECT_EQ(last.kind, AV_EXIT_HVC);
    EXPECT_EQ(last.u.call.immediate, 1);
    EXPECT_EQ(reg(&m, HV_REG_X5), 0x4321);
    EXPECT_EQ(reg(&m, HV_REG_X6), 0x77);
    machine_stop(&m);
}

/* Waits with a timeout, which the profile max has. A WFET whose time has not come only gives way, and is never seen here. */
TEST(waits_with_a_timeout_name_their_register)
{
    static const uint32_t words[] = {
        0xd5031009, /* wfet x9: in the past */
        0xd5031027, /* wfit x7 */
        0xd503103f, /* wfit xzr: in the past */
        0xd4000022, /* hvc #1 */
    };
    struct machine m;

    machine_start(&m, words, 4);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X7, UINT64_MAX));
    av_exit_event event = run(&m);
    if (event.kind != AV_EXIT_WAIT) {
        printf("# this profile has no FEAT_WFxT\n");
        EXPECT_EQ(event.kind, AV_EXIT_INSTRUCTION_ABORT); /* of the vector at 0x200 */
        machine_stop(&m);
        return;
    }
    EXPECT_EQ(event.u.wait.kind, AV_WAIT_WFIT);
    EXPECT(event.u.wait.has_reg);
    EXPECT_EQ(event.u.wait.reg, 7);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    OK(av_exit_finish(m.vcpu, &event));
    event = run(&m);
    EXPECT_EQ(event.kind, AV_EXIT_HVC);
    machine_stop(&m);
}

TEST(the_step_ends_with_the_instruction)
{
    static const uint32_t words[] = {
        0xd4000063, /* smc #3 */
        0xd4000022, /* hvc #1 */
    };
    struct machine m;

    machine_start(&m, words, 2);
    OK(hv_vcpu_set_trap_debug_exceptions(m.vcpu, true));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MDSCR_EL1, 1));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x1c5 | 1 << 21 | 2 << 10)); /* D clear, SS, BTYPE */
    EXPECT_EQ(run(&m).kind, AV_EXIT_SMC);
    EXPECT_EQ(reg(&m, HV_REG_CPSR) >> 21 & 1, 1);
    OK(av_exit_skip(m.vcpu));
    EXPECT_EQ(reg(&m, HV_REG_CPSR), 0x1c5);
    /* The next instruction is not executed first. */
    EXPECT_EQ(run(&m).kind, AV_EXIT_STEP);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    machine_stop(&m);
}

TEST(undefined_instructions_reach_the_guest)
{
    static const uint32_t words[] = {0xd4000022};
    static const struct {
        uint64_t cpsr, sctlr, vector, entry;
    } cases[] = {
        /* from EL1h, EL1t and EL0, with SPAN and without; DIT is kept, and the rest of PSTATE is not */
        {0x20000005, 0x30d00800, 0x200, 0x3c5},    {0x00000004, 0x30d00800, 0x000, 0x3c5},
        {0x00000000, 0x30d00800, 0x400, 0x3c5},    {0x01000005, 0x30500800, 0x200, 0x14003c5},
        {0x00400005, 0x30d00800, 0x200, 0x4003c5},
    };
    struct machine m;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t esr, elr, spsr;
        machine_start(&m, words, 1);
        OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, 0x8000));
        OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_SCTLR_EL1, cases[i].sctlr));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, cases[i].cpsr));
        OK(av_exit_inject_undefined(m.vcpu));
        OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ESR_EL1, &esr));
        OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ELR_EL1, &elr));
        OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_SPSR_EL1, &spsr));
        EXPECT_EQ(esr, 0x02000000);
        EXPECT_EQ(elr, PAGE);
        EXPECT_EQ(spsr, cases[i].cpsr);
        EXPECT_EQ(reg(&m, HV_REG_PC), 0x8000 + cases[i].vector);
        EXPECT_EQ(reg(&m, HV_REG_CPSR), cases[i].entry);
        machine_stop(&m);
    }
}

TEST(aborts_reach_the_guest)
{
    static const uint32_t words[] = {0xf9400022, /* ldr x2, [x1] */ 0xf9000022};
    struct machine m;
    uint64_t esr, far;

    machine_start(&m, words, 2);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, 0x8000));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 0x100008));
    av_exit_event event = run(&m);
    EXPECT_EQ(event.kind, AV_EXIT_DATA_ABORT);
    OK(av_exit_inject_external_abort(m.vcpu, &event));
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ESR_EL1, &esr));
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_FAR_EL1, &far));
    EXPECT_EQ(esr, 0x96000010);
    EXPECT_EQ(far, 0x100008);
    /* From EL0 a write, then the fetch of the vector, where there is nothing either. */
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4));
    event = run(&m);
    OK(av_exit_inject_external_abort(m.vcpu, &event));
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ESR_EL1, &esr));
    EXPECT_EQ(esr, 0x92000050);
    EXPECT_EQ(reg(&m, HV_REG_PC), 0x8400);
    event = run(&m);
    EXPECT_EQ(event.kind, AV_EXIT_INSTRUCTION_ABORT);
    OK(av_exit_inject_external_abort(m.vcpu, &event));
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ESR_EL1, &esr));
    EXPECT_EQ(esr, 0x86000010);

    OK(av_exit_from_syndrome(0x5a000000, &event));
    EXPECT_EQ(av_exit_inject_external_abort(m.vcpu, &event), AV_ERROR_BAD_ARGUMENT);
    EXPECT_EQ(av_exit_inject_external_abort(m.vcpu, NULL), AV_ERROR_NULL_ARGUMENT);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x3c9));
    EXPECT_EQ(av_exit_inject_undefined(m.vcpu), AV_ERROR_ILLEGAL_GUEST_STATE);
    machine_stop(&m);
}

MAIN(T(registers_by_instruction_numbers), T(calls_waits_and_registers_go_on_behind),
     T(waits_with_a_timeout_name_their_register), T(the_step_ends_with_the_instruction),
     T(undefined_instructions_reach_the_guest), T(aborts_reach_the_guest))
