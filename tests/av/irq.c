/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* <applevisor/irq.h> and <applevisor/psci.h> with guests: timers, WFI, kicks, vCPUs that are switched on and off. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include <applevisor/irq.h>
#include <applevisor/psci.h>

#include "check.h"

#define TICKS_PER_MS 24000u

/* --- The timer, as numbers ---------------------------------------------------------------------------------------------------- */

TEST(deadlines)
{
    // clang-format off
    static const struct {
        av_vtimer timer;
        uint64_t now;
        bool asserted;
        uint64_t deadline;
    } cases[] = {
        {{1, 1000, 0}, 999, false, 1000},
        {{1, 1000, 0}, 1000, true, 1000},
        {{1, 1000, 0}, 5000, true, 5000},
        {{5, 1000, 0}, 999, false, 1000},            /* ISTATUS says nothing */
        {{0, 1000, 0}, 5000, false, AV_NEVER},       /* not enabled */
        {{3, 1000, 0}, 5000, false, AV_NEVER},       /* IMASK */
        {{1, 1000, 400}, 1399, false, 1400},         /* CVAL + offset */
        {{1, 1000, 400}, 1400, true, 1400},
        {{1, UINT64_MAX, 0}, 5000, false, UINT64_MAX},
        {{1, UINT64_MAX, 400}, 5000, false, AV_NEVER},
        {{1, 0, 0}, 0, true, 0},
        {{1, 600, (uint64_t)-500}, 99, false, 100},  /* the guest's counter is ahead */
        {{1, 600, (uint64_t)-500}, 100, true, 100},
        {{1, 50, 1000}, 500, true, 500},             /* and behind zero: an unsigned comparison */
    };
    // clang-format on

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        EXPECT_EQ(av_vtimer_is_asserted(&cases[i].timer, cases[i].now), cases[i].asserted);
        EXPECT_EQ(av_vtimer_deadline(&cases[i].timer, cases[i].now), cases[i].deadline);
    }
    EXPECT(!av_vtimer_is_asserted(NULL, 0));
    EXPECT_EQ(av_vtimer_deadline(NULL, 0), AV_NEVER);
}

/* --- A guest ------------------------------------------------------------------------------------------------------------------ */

static av_exit_event run(const struct machine *m)
{
    av_exit_event event;

    OK(hv_vcpu_run(m->vcpu));
    OK(av_exit_decode(m->exit, &event));
    return event;
}

/* The counter that the guest reads is the host's ticks less the offset. */
TEST(ticks_are_the_guests_counter)
{
    static const uint32_t words[] = {
        0xd53be040, /* mrs x0, cntvct_el0 */
        0xd4000022, /* hvc #1 */
    };
    struct machine m;

    machine_start(&m, words, 2);
    OK(hv_vcpu_set_vtimer_offset(m.vcpu, 12345));
    const uint64_t before = av_host_ticks();
    EXPECT_EQ(run(&m).kind, AV_EXIT_HVC);
    const uint64_t after = av_host_ticks(), count = reg(&m, HV_REG_X0) + 12345;
    EXPECT(count >= before && count <= after);
    machine_stop(&m);
}

/*
 * EL1: the timer goes off in X1 ticks, WFI, then the IRQ vector, which reads the counter, stops the timer and calls. Vectors are at
 * 0x4000 + 0x800; that of IRQs from EL1h at + 0x280.
 */
static void make_timer_guest(struct machine *m)
{
    static const uint32_t words[] = {
        0xd53be045, /* mrs x5, cntvct_el0 */
        0xd51be301, /* msr cntv_tval_el0, x1 */
        0xd2800022, /* mov x2, #1 */
        0xd51be322, /* msr cntv_ctl_el0, x2 */
        0xd50342ff, /* msr daifclr, #2 */
        0xd503207f, /* wfi */
        0x17ffffff, /* b .-4: a wait can end for nothing */
    };
    static const uint32_t vector[] = {
        0xd53be044, /* mrs x4, cntvct_el0 */
        0xd51be33f, /* msr cntv_ctl_el0, xzr */
        0xd4000022, /* hvc #1 */
    };

    machine_start(m, words, sizeof(words) / sizeof(words[0]));
    memcpy(m->code + (0x800 + 0x280) / 4, vector, sizeof(vector));
    OK(hv_vcpu_set_sys_reg(m->vcpu, HV_SYS_REG_VBAR_EL1, PAGE + 0x800));
    OK(hv_vcpu_set_sys_reg(m->vcpu, HV_SYS_REG_SCTLR_EL1, 0x30d00800));
}

/* The loop of the header, whose interrupt controller is a wire from the timer to IRQ. True: the guest called. */
static bool run_with_timer(struct machine *m, av_irq *irq, unsigned *waits, unsigned *expiries)
{
    for (unsigned exits = 0; exits < 1000; exits++) {
        bool level = false;
        OK(av_vtimer_sync(m->vcpu, &level));
        OK(av_irq_set(irq, HV_INTERRUPT_TYPE_IRQ, level));
        OK(av_irq_enter(irq));
        const av_exit_event event = run(m);
        switch (event.kind) {
        case AV_EXIT_VTIMER:
            (*expiries)++;
            break;
        case AV_EXIT_WAIT:
            (*waits)++;
            OK(av_irq_wait(irq, &event));
            break;
        case AV_EXIT_CANCELED:
            break;
        default:
            EXPECT_EQ(event.kind, AV_EXIT_HVC);
            return event.kind == AV_EXIT_HVC;
        }
    }
    return false;
}

TEST(the_timer_wakes_wfi)
{
    static const uint64_t offsets[] = {0, 1000000, (uint64_t)-1000000};
    struct machine m;

    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        unsigned waits = 0, expiries = 0;
        av_irq *irq = NULL;
        make_timer_guest(&m);
        OK(av_irq_create(&irq, m.vcpu));
        OK(hv_vcpu_set_vtimer_offset(m.vcpu, offsets[i]));
        /* Round after round: the mask is taken off again each time. */
        for (unsigned round = 0; round < 5; round++) {
            OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 5 * TICKS_PER_MS));
            OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x3c5));
            OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
            EXPECT(run_with_timer(&m, irq, &waits, &expiries));
            /* Not before its time; how late is the host's affair. */
            EXPECT(reg(&m, HV_REG_X4) - reg(&m, HV_REG_X5) >= 5 * TICKS_PER_MS);
        }
        /* On a busy host the time can come before the guest gets to its WFI. */
        EXPECT(waits + expiries >= 5);
        av_irq_destroy(irq);
        machine_stop(&m);
    }
}

/* Without WFI the expiry exits from a running guest. */
TEST(the_timer_interrupts_a_busy_guest)
{
    unsigned waits = 0, expiries = 0;
    struct machine m;
    av_irq *irq = NULL;

    make_timer_guest(&m);
    m.code[5] = 0xd503201f; /* nop instead of wfi */
    OK(av_irq_create(&irq, m.vcpu));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 3 * TICKS_PER_MS));
    EXPECT(run_with_timer(&m, irq, &waits, &expiries));
    EXPECT_EQ(waits, 0);
    EXPECT_EQ(expiries, 1);
    av_irq_destroy(irq);
    machine_stop(&m);
}

TEST(the_level_follows_the_guest)
{
    struct machine m;
    bool level = true, masked = false;

    machine_start(&m, NULL, 0);
    OK(av_vtimer_sync(m.vcpu, &level));
    EXPECT(!level);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CVAL_EL0, 1));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CTL_EL0, 1));
    OK(av_vtimer_sync(m.vcpu, &level));
    EXPECT(level);
    OK(hv_vcpu_get_vtimer_mask(m.vcpu, &masked));
    EXPECT(masked);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CTL_EL0, 3));
    OK(av_vtimer_sync(m.vcpu, &level));
    EXPECT(!level);
    OK(hv_vcpu_get_vtimer_mask(m.vcpu, &masked));
    EXPECT(!masked);
    EXPECT_EQ(av_vtimer_sync(m.vcpu, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_vtimer_read(m.vcpu, NULL), AV_ERROR_NULL_ARGUMENT);
    machine_stop(&m);
}

/* --- Waits -------------------------------------------------------------------------------------------------------------------- */

static av_exit_event wait_event(uint32_t syndrome)
{
    av_exit_event event;

    OK(av_exit_from_syndrome(syndrome, &event));
    return event;
}

TEST(waits_end_by_themselves)
{
    struct machine m;
    av_irq *irq = NULL;

    machine_start(&m, NULL, 0);
    OK(av_irq_create(&irq, m.vcpu));
    /* WFIT X3: until CNTVCT_EL0 is X3. */
    av_exit_event event = wait_event(0x07e00066);
    OK(hv_vcpu_set_vtimer_offset(m.vcpu, 1000));
    const uint64_t until = av_host_ticks() + 3 * TICKS_PER_MS;
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X3, until - 1000));
    OK(av_irq_wait(irq, &event));
    EXPECT(av_host_ticks() >= until);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    /* In the past already, and XZR. */
    OK(av_irq_wait(irq, &event));
    event = wait_event(0x07e003e6);
    OK(av_irq_wait(irq, &event));
    /* WFE and WFET do not sleep. */
    event = wait_event(0x07e00001);
    OK(av_irq_wait(irq, &event));
    event = wait_event(0x07e003e7);
    OK(av_irq_wait(irq, &event));
    /* WFI with a line high, or an expired timer, does not either. */
    event = wait_event(0x07e00000);
    OK(av_irq_set(irq, HV_INTERRUPT_TYPE_FIQ, true));
    OK(av_irq_wait(irq, &event));
    OK(av_irq_set(irq, HV_INTERRUPT_TYPE_FIQ, false));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CTL_EL0, 1));
    OK(av_irq_wait(irq, &event));
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4 * 7);

    event = wait_event(0x5a000000);
    EXPECT_EQ(av_irq_wait(irq, &event), AV_ERROR_BAD_ARGUMENT);
    EXPECT_EQ(av_irq_wait(irq, NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_irq_wait(NULL, &event), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_irq_set(irq, 2, true), AV_ERROR_BAD_ARGUMENT);
    EXPECT_EQ(av_irq_set(NULL, 0, true), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_irq_enter(NULL), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_irq_sleep(NULL, 0), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_irq_create(NULL, m.vcpu), AV_ERROR_NULL_ARGUMENT);
    av_irq_kick(NULL);
    av_irq_destroy(NULL);
    av_irq_destroy(irq);
    machine_stop(&m);
}

/* Another thread that kicks or raises a line, as often as it is told. */
static struct {
    av_irq *irq;
    _Atomic unsigned asked, answered;
    _Atomic bool stop;
    bool raise;
} helper;

static void *help(void *unused)
{
    (void)unused;
    unsigned seen = 0;
    while (!helper.stop) {
        if (helper.asked != seen) {
            seen = helper.asked;
            if (helper.raise) {
                av_irq_set(helper.irq, HV_INTERRUPT_TYPE_IRQ, true);
            } else {
                av_irq_kick(helper.irq);
            }
            helper.answered = seen;
        }
        sched_yield();
    }
    return NULL;
}

/* None of many kicks is lost, whether it comes before the sleep or run, at its beginning, or within. */
static void many_kicks(bool raise, bool sleep)
{
    static const uint32_t words[] = {0x14000000 /* b . */};
    const av_exit_event wfi = wait_event(0x07e00000);
    pthread_t thread;
    struct machine m;

    machine_start(&m, words, 1);
    helper.raise = raise;
    helper.asked = helper.answered = 0;
    helper.stop = false;
    OK(av_irq_create(&helper.irq, m.vcpu));
    EXPECT_EQ(pthread_create(&thread, NULL, help, NULL), 0);
    for (unsigned i = 1; i <= 500; i++) {
        helper.asked = i;
        if (sleep) {
            /* A kick that hit no sleep also ends the next run, which never comes here. */
            OK(av_irq_wait(helper.irq, &wfi));
        } else {
            OK(av_irq_enter(helper.irq));
            const av_exit_event event = run(&m);
            EXPECT_EQ(event.kind, AV_EXIT_CANCELED);
        }
        while (helper.answered != i) {
            sched_yield();
        }
        OK(av_irq_set(helper.irq, HV_INTERRUPT_TYPE_IRQ, false));
        OK(av_irq_sleep(helper.irq, 0)); /* what is left of a kick that was answered */
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
    }
    helper.stop = true;
    pthread_join(thread, NULL);
    av_irq_destroy(helper.irq);
    machine_stop(&m);
}

TEST(no_kick_of_a_sleep_is_lost)
{
    many_kicks(false, true);
}

TEST(no_line_that_rises_in_a_sleep_is_lost)
{
    many_kicks(true, true);
}

TEST(no_kick_of_a_run_is_lost)
{
    many_kicks(false, false);
}

/* A line that rises is taken, though the guest has I clear and runs. */
TEST(lines_are_taken)
{
    static const uint32_t words[] = {0xd50342ff /* msr daifclr, #2 */, 0x14000000 /* b . */};
    pthread_t thread;
    struct machine m;

    machine_start(&m, words, 2);
    m.code[(0x800 + 0x280) / 4] = 0xd4000022; /* hvc #1 */
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, PAGE + 0x800));
    helper.raise = true;
    helper.asked = helper.answered = 0;
    helper.stop = false;
    OK(av_irq_create(&helper.irq, m.vcpu));
    EXPECT_EQ(pthread_create(&thread, NULL, help, NULL), 0);
    for (unsigned i = 1; i <= 100; i++) {
        av_exit_event event;
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x3c5));
        helper.asked = i;
        do {
            OK(av_irq_enter(helper.irq));
            event = run(&m);
        } while (event.kind == AV_EXIT_CANCELED);
        EXPECT_EQ(event.kind, AV_EXIT_HVC);
        while (helper.answered != i) {
            sched_yield();
        }
        OK(av_irq_set(helper.irq, HV_INTERRUPT_TYPE_IRQ, false));
    }
    helper.stop = true;
    pthread_join(thread, NULL);
    av_irq_destroy(helper.irq);
    machine_stop(&m);
}

/* --- PSCI --------------------------------------------------------------------------------------------------------------------- */

#define N_CPUS 4u

static struct {
    av_psci *psci;
    av_psci_stop end;
    _Atomic unsigned starts;
    _Atomic unsigned bad;
} system_under_test;

/* The loop of <applevisor/psci.h>. */
static void *cpu_thread(void *argument)
{
    const unsigned cpu = (unsigned)(uintptr_t)argument;
    av_psci *const psci = system_under_test.psci;
    hv_vcpu_exit_t *exit_info;
    hv_vcpu_t vcpu;
    av_psci_start start;

    if (hv_vcpu_create(&vcpu, &exit_info, NULL) != HV_SUCCESS) {
        system_under_test.bad++;
        return NULL;
    }
    system_under_test.bad += av_psci_attach(psci, cpu, vcpu) != AV_OK;
    while (av_psci_wait(psci, cpu, &start) == AV_OK && start.stop == AV_PSCI_RUNNING) {
        av_psci_result result = {AV_PSCI_RETURN, 0};
        system_under_test.starts++;
        system_under_test.bad += av_psci_enter(vcpu, start.entry, start.context) != AV_OK;
        while (av_psci_stopped(psci) == AV_PSCI_RUNNING && result.action == AV_PSCI_RETURN) {
            av_exit_event event;
            system_under_test.bad += hv_vcpu_run(vcpu) != HV_SUCCESS;
            av_exit_decode(exit_info, &event);
            if (event.kind != AV_EXIT_CANCELED) {
                system_under_test.bad += av_psci_exit(psci, cpu, vcpu, &event, &result) != AV_OK ||
                                         result.action == AV_PSCI_NONE;
            }
        }
    }
    av_psci_detach(psci, cpu);
    hv_vcpu_destroy(vcpu);
    return NULL;
}

/*
 * vCPU n (X0) counts itself at 0x5000 and switches on vCPU n + 1 by SMC; the last calls SYSTEM_OFF; the others switch themselves off,
 * except for vCPU 0, which spins until it is taken out.
 */
static const uint32_t smp_guest[] = {
    0xaa0003f3, /* mov x19, x0 */
    0xd28a0001, /* mov x1, #0x5000 */
    0xb9400022, /* ldr w2, [x1] */
    0x11000442, /* add w2, w2, #0x1 */
    0xb9000022, /* str w2, [x1] */
    0xf1000e7f, /* cmp x19, #0x3 */
    0x54000180, /* b.eq last */
    0xd2800060, /* mov x0, #0x3 */
    0xf2b88000, /* movk x0, #0xc400, lsl #16: CPU_ON, SMC64 */
    0x91000661, /* add x1, x19, #0x1: target */
    0xd2880002, /* mov x2, #0x4000: entry */
    0xaa0103e3, /* mov x3, x1: context */
    0xd4000003, /* smc #0x0 */
    0xb4000113, /* cbz x19, spin */
    0x52800040, /* mov w0, #0x2 */
    0x72b08000, /* movk w0, #0x8400, lsl #16: CPU_OFF */
    0xd4000002, /* hvc #0x0 */
    0xd4000022, /* hvc #0x1: not reached */
    0x52800100, /* last: mov w0, #0x8 */
    0x72b08000, /* movk w0, #0x8400, lsl #16: SYSTEM_OFF */
    0xd4000002, /* hvc #0x0 */
    0x14000000, /* spin: b . */
};

TEST(vcpus_switch_each_other_on)
{
    av_psci_options options;
    pthread_t threads[N_CPUS];
    uint32_t *code;

    OK(hv_vm_create(NULL));
    code = pages(1);
    OK(hv_vm_map(code, PAGE, PAGE, RWX));
    av_psci_options_init(&options);
    options.n_cpus = N_CPUS;
    OK(av_psci_create(&system_under_test.psci, &options));
    for (unsigned round = 0; round < 20; round++) {
        memcpy(code, smp_guest, sizeof(smp_guest));
        code[0x400] = 0;
        system_under_test.starts = 0;
        system_under_test.bad = 0;
        for (unsigned i = 0; i < N_CPUS; i++) {
            EXPECT_EQ(pthread_create(&threads[i], NULL, cpu_thread, (void *)(uintptr_t)i), 0);
        }
        OK(av_psci_boot(system_under_test.psci, 0, PAGE, 0));
        for (unsigned i = 0; i < N_CPUS; i++) {
            pthread_join(threads[i], NULL);
        }
        EXPECT_EQ(system_under_test.starts, N_CPUS);
        EXPECT_EQ(system_under_test.bad, 0);
        EXPECT_EQ(code[0x400], N_CPUS);
        EXPECT_EQ(av_psci_stopped(system_under_test.psci), AV_PSCI_SYSTEM_OFF);
        OK(av_psci_reset(system_under_test.psci));
    }
    av_psci_destroy(system_under_test.psci);
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(code, PAGE));
}

/* A vCPU that sleeps in WFI, with nothing to wake it, when another thread stops the machine. */
static struct {
    av_psci *psci;
    _Atomic bool sleeps;
} stop_test;

static void *stop_machine(void *unused)
{
    (void)unused;
    while (!stop_test.sleeps) {
        sched_yield();
    }
    av_psci_request_stop(stop_test.psci);
    return NULL;
}

TEST(a_stop_ends_a_sleep)
{
    const av_exit_event wfi = wait_event(0x07e00000);
    pthread_t thread;
    struct machine m;
    av_irq *irq = NULL;

    machine_start(&m, NULL, 0);
    OK(av_psci_create(&stop_test.psci, NULL));
    OK(av_irq_create(&irq, m.vcpu));
    OK(av_psci_attach_irq(stop_test.psci, 0, irq));
    for (unsigned i = 0; i < 100; i++) {
        stop_test.sleeps = false;
        EXPECT_EQ(pthread_create(&thread, NULL, stop_machine, NULL), 0);
        stop_test.sleeps = true;
        OK(av_irq_wait(irq, &wfi));
        pthread_join(thread, NULL);
        EXPECT_EQ(av_psci_stopped(stop_test.psci), AV_PSCI_STOPPED);
        OK(av_psci_reset(stop_test.psci));
    }
    /* Attached after the stop: the first sleep ends at once. */
    OK(av_psci_detach(stop_test.psci, 0));
    av_psci_request_stop(stop_test.psci);
    OK(av_psci_attach_irq(stop_test.psci, 0, irq));
    OK(av_irq_wait(irq, &wfi));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_attach_irq(stop_test.psci, 0, NULL));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_attach_irq(NULL, 0, irq));
    REFUSED(AV_ERROR_OUT_OF_RANGE, av_psci_attach_irq(stop_test.psci, 1, irq));
    OK(av_psci_detach(stop_test.psci, 0));
    av_irq_destroy(irq);
    av_psci_destroy(stop_test.psci);
    machine_stop(&m);
}

MAIN(T(deadlines), T(ticks_are_the_guests_counter), T(the_timer_wakes_wfi),
     T(the_timer_interrupts_a_busy_guest), T(the_level_follows_the_guest),
     T(waits_end_by_themselves), T(no_kick_of_a_sleep_is_lost),
     T(no_line_that_rises_in_a_sleep_is_lost), T(no_kick_of_a_run_is_lost), T(lines_are_taken),
     T(vcpus_switch_each_other_on), T(a_stop_ends_a_sleep))
