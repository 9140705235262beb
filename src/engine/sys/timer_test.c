/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/sys/timer.h"

#include "engine/sys/sys_test.h"
#include "engine/sys/sysreg_ids.h"

static void virtual_timer(void)
{
    uint64_t value = 0;

    start("m4", false);
    asked.counter = 1000;
    cpu->vtimer_offset = 400;
    mrs(SYSREG_ID_CNTVCT_EL0, &value);
    EXPECT_EQ(value, 600);
    msr(SYSREG_ID_CNTV_TVAL_EL0, 50);
    EXPECT_EQ(cpu->sys[SR_CNTV_CVAL_EL0], 650);
    mrs(SYSREG_ID_CNTV_TVAL_EL0, &value);
    EXPECT_EQ(value, 50);
    msr(SYSREG_ID_CNTV_TVAL_EL0, 0xfffffff0); /* negative: already past */
    EXPECT_EQ(cpu->sys[SR_CNTV_CVAL_EL0], 584);
    msr(SYSREG_ID_CNTV_CVAL_EL0, 650);
    EXPECT_EQ(timer_poll(cpu), IR_NEXT); /* not enabled */
    EXPECT_EQ(asked.deadline, UINT64_MAX);

    atomic_store(&cpu->requests, 0);
    EXPECT_EQ(msr(SYSREG_ID_CNTV_CTL_EL0, ~0ull), IR_END);
    EXPECT_EQ(cpu->sys[SR_CNTV_CTL_EL0], 3); /* ISTATUS is read-only */
    msr(SYSREG_ID_CNTV_CTL_EL0, 1);
    EXPECT((atomic_load(&cpu->requests) & CPU_REQUEST_TIMER) != 0);
    EXPECT_EQ(timer_poll(cpu), IR_NEXT);
    EXPECT_EQ(asked.deadline, 1050); /* CVAL + offset */

    asked.counter = 1050;
    mrs(SYSREG_ID_CNTV_CTL_EL0, &value);
    EXPECT_EQ(value, 5);
    EXPECT_EQ(timer_poll(cpu), IR_LEAVE);
    EXPECT_EQ(cpu->exit.reason, CPU_EXIT_VTIMER);
    EXPECT_EQ(cpu->exit.syndrome, 0);
    EXPECT(cpu->vtimer_masked);
    EXPECT_EQ(timer_poll(cpu), IR_NEXT); /* masked until the client says */
    EXPECT_EQ(asked.deadline, UINT64_MAX);
    cpu->vtimer_masked = false;
    EXPECT_EQ(timer_poll(cpu), IR_LEAVE); /* a level: it is not lost */

    cpu->vtimer_masked = false;
    cpu->sys[SR_CNTV_CTL_EL0] = 3; /* IMASK */
    EXPECT_EQ(timer_poll(cpu), IR_NEXT);
    cpu->sys[SR_CNTV_CTL_EL0] = 1;
    cpu->sys[SR_CNTV_CVAL_EL0] = UINT64_MAX; /* never, not "in the past" */
    EXPECT_EQ(timer_poll(cpu), IR_NEXT);
    EXPECT_EQ(asked.deadline, UINT64_MAX);

    /* An expired timer comes before WFI's own exit. */
    cpu->sys[SR_CNTV_CVAL_EL0] = 0;
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 0), IR_LEAVE);
    EXPECT_EQ(cpu->exit.reason, CPU_EXIT_VTIMER);
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 0), IR_LEAVE);
    EXPECT_EQ(cpu->exit.reason, CPU_EXIT_EXCEPTION);
}

static unsigned levels;

static void line(struct a64_cpu *c, unsigned intid, bool level)
{
    (void)c;
    levels = (levels & ~(1u << intid)) | (level ? 1u << intid : 0);
}

static bool no_read(struct a64_cpu *c, uint16_t id, uint64_t *value)
{
    (void)c, (void)id, (void)value;
    return false;
}

static bool no_write(struct a64_cpu *c, uint16_t id, uint64_t value)
{
    (void)c, (void)id, (void)value;
    return false;
}

static void with_gic(void)
{
    static const struct vm_gic_ops ops = {.read = no_read, .write = no_write, .timer = line};
    uint64_t value = 0;

    start("m4", false);
    vm.gic = &ops;
    cpu_reset(cpu);
    mrs(SYSREG_ID_ID_AA64PFR0_EL1, &value);
    EXPECT_EQ(value, 0x1101000011110011);
    asked.counter = 1000;
    EXPECT_EQ(mrs(SYSREG_ID_CNTPCT_EL0, &value), IR_NEXT);
    EXPECT_EQ(value, 1000);
    msr(SYSREG_ID_CNTP_TVAL_EL0, 10);
    msr(SYSREG_ID_CNTP_CTL_EL0, 1);
    msr(SYSREG_ID_CNTV_TVAL_EL0, 20);
    msr(SYSREG_ID_CNTV_CTL_EL0, 1);
    EXPECT_EQ(timer_poll(cpu), IR_NEXT);
    EXPECT_EQ(asked.deadline, 1010);
    EXPECT_EQ(levels, 0);
    asked.counter = 1010;
    EXPECT_EQ(timer_poll(cpu), IR_NEXT);
    EXPECT_EQ(levels, 1u << 30);
    EXPECT_EQ(asked.deadline, 1020);
    asked.counter = 1020;
    EXPECT_EQ(timer_poll(cpu), IR_NEXT);
    EXPECT_EQ(levels, 1u << 30 | 1u << 27);
    msr(SYSREG_ID_CNTP_CTL_EL0, 3);
    timer_poll(cpu);
    EXPECT_EQ(levels, 1u << 27);
    /* WFI parks inside. */
    EXPECT_EQ(helper_wfx(cpu, NULL, 0, 31, 0), IR_END);
    EXPECT_EQ(mrs(SYSREG_ID_ICC_SRE_EL1, &value), IR_GO); /* the GIC says that it is UNDEFINED */
}

static void el2_offset(void)
{
    uint64_t value = 0;

    start("m4", true);
    asked.counter = 1000;
    cpu->sys[SR_CNTVOFF_EL2] = 100;
    at_el(1);
    mrs(SYSREG_ID_CNTVCT_EL0, &value);
    EXPECT_EQ(value, 900);
    EXPECT_EQ(mrs(SYSREG_ID_CNTPCT_EL0, &value), IR_GO); /* CNTHCTL_EL2.EL1PCTEN = 0 */
    EXPECT_EQ(cpu_el(cpu), 2);
    cpu->sys[SR_CNTHCTL_EL2] = 3;
    at_el(1);
    EXPECT_EQ(mrs(SYSREG_ID_CNTPCT_EL0, &value), IR_NEXT);
}

void test_timers(void)
{
    virtual_timer();
    with_gic();
    el2_offset();
}
