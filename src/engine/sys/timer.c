/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The generic timers. Without a GIC only CNTV signals anything: a run ends with VTIMER_ACTIVATED when its condition becomes true
 * and the client has not masked it. Apple's framework can lose that exit when a run is cancelled at the same moment; here the
 * condition is a level that every poll looks at, so it cannot get lost.
 */
#include "engine/sys/timer.h"

#include "engine/ir/ir.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"

enum { CTL_ENABLE = 1, CTL_IMASK = 2, CTL_ISTATUS = 4 };

static const struct {
    uint16_t ctl, cval, intid;
    bool is_virtual; /* compares with the virtual count */
    bool needs_el2;
} timers[TIMER_COUNT] = {
    [TIMER_V] = {SR_CNTV_CTL_EL0, SR_CNTV_CVAL_EL0, 27, true, false},
    [TIMER_P] = {SR_CNTP_CTL_EL0, SR_CNTP_CVAL_EL0, 30, false, false},
    [TIMER_HP] = {SR_CNTHP_CTL_EL2, SR_CNTHP_CVAL_EL2, 26, false, true},
    /* CNTHV belongs to EL2&0: its virtual offset is zero. */
    [TIMER_HV] = {SR_CNTHV_CTL_EL2, SR_CNTHV_CVAL_EL2, 28, false, true},
};

uint64_t timer_cntpct(const struct a64_cpu *cpu)
{
    (void)cpu;
    return vm_counter();
}

/* The count that CNTV compares with: CNTVOFF_EL2 always holds for it. */
static uint64_t virtual_count(const struct a64_cpu *cpu)
{
    return vm_cntvct(cpu) - (cpu_has_el2(cpu) ? cpu->sys[SR_CNTVOFF_EL2] : 0);
}

uint64_t timer_cntvct(const struct a64_cpu *cpu)
{
    return cpu_in_host(cpu, cpu_el(cpu)) ? timer_cntpct(cpu) : virtual_count(cpu);
}

static uint64_t count_of(const struct a64_cpu *cpu, enum timer timer)
{
    return timers[timer].is_virtual ? virtual_count(cpu) : timer_cntpct(cpu);
}

/* [IsTimerConditionMet()]; the comparison is unsigned: a CVAL of all ones never comes. */
static bool condition_met(const struct a64_cpu *cpu, enum timer timer)
{
    return count_of(cpu, timer) >= cpu->sys[timers[timer].cval];
}

void timer_changed(struct a64_cpu *cpu)
{
    cpu_request(cpu, CPU_REQUEST_TIMER);
}

uint64_t timer_read_ctl(struct a64_cpu *cpu, enum timer timer)
{
    const uint64_t ctl = cpu->sys[timers[timer].ctl] & (CTL_ENABLE | CTL_IMASK);

    if ((ctl & CTL_ENABLE) == 0 || !condition_met(cpu, timer)) {
        return ctl;
    }
    /* Who has seen the condition finds the interrupt pending, however late the timer thread is. */
    if ((ctl & CTL_IMASK) == 0 && cpu->vm->gic != NULL) {
        timer_changed(cpu);
    }
    return ctl | CTL_ISTATUS;
}

uint64_t timer_read_tval(const struct a64_cpu *cpu, enum timer timer)
{
    return (uint32_t)(cpu->sys[timers[timer].cval] - count_of(cpu, timer));
}

void timer_write_ctl(struct a64_cpu *cpu, enum timer timer, uint64_t value)
{
    cpu->sys[timers[timer].ctl] = value & (CTL_ENABLE | CTL_IMASK);
    timer_changed(cpu);
}

void timer_write_cval(struct a64_cpu *cpu, enum timer timer, uint64_t value)
{
    cpu->sys[timers[timer].cval] = value;
    timer_changed(cpu);
}

void timer_write_tval(struct a64_cpu *cpu, enum timer timer, uint64_t value)
{
    timer_write_cval(cpu, timer,
                     count_of(cpu, timer) + (uint64_t)(int64_t)(int32_t)(uint32_t)value);
}

static bool is_on(const struct a64_cpu *cpu, enum timer timer)
{
    return (cpu->sys[timers[timer].ctl] & CTL_ENABLE) != 0 &&
           (!timers[timer].needs_el2 || cpu_has_el2(cpu));
}

static bool is_pending(const struct a64_cpu *cpu, enum timer timer)
{
    return is_on(cpu, timer) && (cpu->sys[timers[timer].ctl] & CTL_IMASK) == 0 &&
           condition_met(cpu, timer);
}

/* Whether the expiry of this timer would be noticed by anyone. */
static bool matters(const struct a64_cpu *cpu, enum timer timer)
{
    if (!is_on(cpu, timer) || (cpu->sys[timers[timer].ctl] & CTL_IMASK) != 0) {
        return false;
    }
    return cpu->vm->gic != NULL || (timer == TIMER_V && !cpu->vtimer_masked);
}

uint64_t timer_next_deadline(const struct a64_cpu *cpu)
{
    uint64_t deadline = UINT64_MAX;

    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        if (!matters(cpu, i) || condition_met(cpu, i)) {
            continue;
        }
        /* now + what is left, held at the end of time. */
        const uint64_t now = vm_counter(), left = cpu->sys[timers[i].cval] - count_of(cpu, i);
        const uint64_t expiry = left > UINT64_MAX - now ? UINT64_MAX : now + left;
        deadline = expiry < deadline ? expiry : deadline;
    }
    return deadline;
}

enum ir_next timer_poll(struct a64_cpu *cpu)
{
    if (cpu->vm->gic != NULL) {
        for (unsigned i = 0; i < TIMER_COUNT; i++) {
            cpu->vm->gic->timer(cpu, timers[i].intid, is_pending(cpu, i));
        }
    } else if (!cpu->vtimer_masked && is_pending(cpu, TIMER_V)) {
        cpu->vtimer_masked = true;
        cpu->exit = (struct cpu_exit){.reason = CPU_EXIT_VTIMER};
        return IR_LEAVE;
    }
    /*
     * A timer that expires between the look above and the deadline below was still in the future for the former and is in the
     * past for the latter: ask again, rather than wait for a deadline that has been left out.
     */
    const uint64_t deadline = timer_next_deadline(cpu);
    vm_timer_set(cpu->vcpu, deadline);
    if (cpu->vm->gic == NULL && !cpu->vtimer_masked && is_pending(cpu, TIMER_V)) {
        cpu_request(cpu, CPU_REQUEST_TIMER);
    }
    return IR_NEXT;
}
