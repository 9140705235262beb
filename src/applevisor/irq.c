/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Interrupt lines and sleep of a vCPU.
 *
 * A line that rises or a kick must not get lost between the vCPU's look at the lines and its sleep or run. For the sleep the lock and
 * `kicked` see to that; for the run hv_vcpus_exit() does, which acts on the next run if there is none now. So a kick of a vCPU that
 * does neither sets both, and one of them ends a sleep or a run for nothing: harmless, and rare.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <applevisor/irq.h>

#include "applevisor/framework.h"
#include "applevisor/kit.h"

#define N_LINES 2u

struct av_irq {
    hv_vcpu_t vcpu;
    hvx_vm *vm; /* of the vCPU; NULL: the process's */
    pthread_t owner;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool lines[N_LINES]; /* by hv_interrupt_type_t */
    bool sleeping;
    bool kicked;
};

_Static_assert(HV_INTERRUPT_TYPE_IRQ == 0 && HV_INTERRUPT_TYPE_FIQ == 1, "they are indices");

/* A Mac has no condition on another clock, and waits for a time span instead. */
static void init_wake(pthread_cond_t *wake)
{
#ifdef __APPLE__
    pthread_cond_init(wake, NULL);
#else
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
#endif
}

/* Caller holds irq->lock. At most for the time span, which is rounded up by a nanosecond. */
static void wait_for(av_irq *irq, uint64_t ticks)
{
    /* A year is for ever, and keeps every sum below in range; the caller looks again. */
    const uint64_t longest = 365ull * 24 * 3600 * 24000000;
    const uint64_t ns = av_framework_ticks_to_ns(ticks < longest ? ticks : longest) + 1;
    struct timespec until = {.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};

#ifdef __APPLE__
    pthread_cond_timedwait_relative_np(&irq->wake, &irq->lock, &until);
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    until.tv_sec += now.tv_sec;
    until.tv_nsec += now.tv_nsec;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&irq->wake, &irq->lock, &until);
#endif
}

av_error av_irq_create(av_irq **irq, hv_vcpu_t vcpu)
{
    NOT_NULL(irq);
    av_irq *const i = calloc(1, sizeof(*i));
    if (i == NULL) {
        return FAIL(AV_ERROR_NO_MEMORY, "no memory for the interrupt lines of a vCPU");
    }
    i->vcpu = vcpu;
    i->vm = av_vcpu_vm_of(vcpu);
    i->owner = pthread_self();
    pthread_mutex_init(&i->lock, NULL);
    init_wake(&i->wake);
    *irq = i;
    return AV_OK;
}

void av_irq_destroy(av_irq *irq)
{
    if (irq != NULL) {
        pthread_cond_destroy(&irq->wake);
        pthread_mutex_destroy(&irq->lock);
        free(irq);
    }
}

/* Caller holds irq->lock. */
static void kick(av_irq *irq)
{
    if (irq->sleeping) {
        irq->kicked = true;
        pthread_cond_signal(&irq->wake);
        return;
    }
    irq->kicked = true;
    av_vcpu_kick_in(irq->vm, irq->vcpu);
}

av_error av_irq_set(av_irq *irq, hv_interrupt_type_t type, bool level)
{
    NOT_NULL(irq);
    if (type >= N_LINES) {
        return FAIL(AV_ERROR_BAD_ARGUMENT,
                    "type is %u, and must be HV_INTERRUPT_TYPE_IRQ (0) or _FIQ (1)", type);
    }
    pthread_mutex_lock(&irq->lock);
    const bool rises = level && !irq->lines[type];
    irq->lines[type] = level;
    /* The owner itself does not run the guest now, and looks at the lines before it does. */
    if (rises && (irq->sleeping || !pthread_equal(pthread_self(), irq->owner))) {
        kick(irq);
    }
    pthread_mutex_unlock(&irq->lock);
    return AV_OK;
}

void av_irq_kick(av_irq *irq)
{
    if (irq != NULL) {
        pthread_mutex_lock(&irq->lock);
        kick(irq);
        pthread_mutex_unlock(&irq->lock);
    }
}

av_error av_irq_enter(av_irq *irq)
{
    bool lines[N_LINES];

    NOT_NULL(irq);
    pthread_mutex_lock(&irq->lock);
    /* The run ends at once if there was a kick since the last one. */
    irq->kicked = false;
    for (unsigned i = 0; i < N_LINES; i++) {
        lines[i] = irq->lines[i];
    }
    pthread_mutex_unlock(&irq->lock);
    for (unsigned i = 0; i < N_LINES; i++) {
        /* All are low after an exit. */
        if (lines[i]) {
            TRY_HV(hv_vcpu_set_pending_interrupt(irq->vcpu, (hv_interrupt_type_t)i, true));
        }
    }
    return AV_OK;
}

av_error av_irq_sleep(av_irq *irq, uint64_t deadline)
{
    NOT_NULL(irq);
    pthread_mutex_lock(&irq->lock);
    irq->sleeping = true;
    while (!irq->kicked && !irq->lines[0] && !irq->lines[1]) {
        const uint64_t now = av_host_ticks();
        if (deadline <= now) {
            break;
        }
        wait_for(irq, deadline - now);
    }
    irq->sleeping = false;
    irq->kicked = false;
    pthread_mutex_unlock(&irq->lock);
    return AV_OK;
}

/* Of WFIT: its register is a value of CNTVCT_EL0. */
static uint64_t wfit_deadline(const av_vtimer *timer, uint64_t until, uint64_t now)
{
    const av_vtimer as_timer = {.ctl = 1, .cval = until, .offset = timer->offset};

    return av_vtimer_deadline(&as_timer, now);
}

av_error av_irq_wait(av_irq *irq, const av_exit_event *event)
{
    av_vtimer timer;
    uint64_t until;

    NOT_NULL(irq);
    NOT_NULL(event);
    if (event->kind != AV_EXIT_WAIT) {
        return FAIL(AV_ERROR_BAD_ARGUMENT, "the event is '%s', and must be a wait",
                    av_exit_kind_name(event->kind));
    }
    const av_wait_kind kind = event->u.wait.kind;
    if (kind == AV_WAIT_WFE || kind == AV_WAIT_WFET) {
        sched_yield();
        return av_exit_skip(irq->vcpu);
    }
    TRY(av_vtimer_read(irq->vcpu, &timer));
    const uint64_t now = av_host_ticks();
    uint64_t deadline = av_vtimer_deadline(&timer, now);
    if (kind == AV_WAIT_WFIT && event->u.wait.has_reg) {
        TRY(av_exit_get_x(irq->vcpu, event->u.wait.reg, &until));
        const uint64_t own = wfit_deadline(&timer, until, now);
        deadline = own < deadline ? own : deadline;
    }
    TRY(av_irq_sleep(irq, deadline));
    return av_exit_skip(irq->vcpu);
}
