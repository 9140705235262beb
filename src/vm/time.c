/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The 24 MHz counter, and one timer thread per VM that raises CPU_REQUEST_TIMER at deadlines, and ticks when it is asked to. */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "vm/internal.h"

uint64_t vm_counter(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    /* ns * 24 / 1000, exact, without overflow for 24,000 years */
    return (uint64_t)now.tv_sec * VM_COUNTER_HZ + (uint64_t)now.tv_nsec * 24 / 1000;
}

/* --- Stamps ---------------------------------------------------------------------------------------------------------------------- */

bool vm_has_tsc;
static uint32_t few_stamps, stamp_cost;

/* Asked once: in a virtual machine, CPUID is an exit to its host. */
static void ask_host(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d = 0;

    vm_has_tsc = __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
#endif
    few_stamps = vm_has_tsc ? 6000 : 48; /* about 2 us */
    uint64_t least = few_stamps;
    for (unsigned i = 0; i < 16; i++) {
        const uint64_t start = vm_stamp(), cost = vm_stamp() - start;
        least = cost < least ? cost : least;
    }
    stamp_cost = (uint32_t)least;
}

void vm_start_stamps(struct vm *vm)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, ask_host);
    vm->first_stamp = vm_stamp();
    vm->first_tick = vm_counter();
}

void vm_start_exec_time(struct exec_time *time)
{
    exec_time_init(time, vm_stamp(), few_stamps, stamp_cost);
}

/* By the rate since the VM's creation, which changes a little: time does not go back for that. */
uint64_t vm_vcpu_exec_ticks(struct vcpu *vcpu)
{
    const struct vm *const vm = vcpu->vm;
    const uint64_t stamp = vm_stamp();
    const uint64_t stamps = stamp - vm->first_stamp, ticks = vm_counter() - vm->first_tick;
    const uint64_t executed = exec_time_ask(&vcpu->exec, stamp);
    const uint64_t now = stamps == 0 ? 0 : (uint64_t)((unsigned __int128)executed * ticks / stamps);

    vcpu->exec_ticks = now > vcpu->exec_ticks ? now : vcpu->exec_ticks;
    return vcpu->exec_ticks;
}

/* --- The timer thread ------------------------------------------------------------------------------------------------------------ */

struct timespec vm_counter_to_timespec(uint64_t counter)
{
    const uint64_t seconds = counter / VM_COUNTER_HZ;
    /* Rounded up: the counter has reached the value when the time has come. */
    const uint64_t ns = (counter % VM_COUNTER_HZ * 1000 + 23) / 24;
    const uint64_t far = 1ull << 40; /* time_t arithmetic of the kernel stays in range */

    return (struct timespec){
        .tv_sec = (time_t)(seconds < far ? seconds + ns / 1000000000u : far),
        .tv_nsec = (long)(ns % 1000000000u),
    };
}

struct vm_timer {
    struct vm *vm;
    pthread_mutex_t lock; /* guards what follows, and every vcpu->timer_deadline */
    pthread_cond_t changed;
    pthread_t thread;
    bool started, stop;
    uint64_t deadlines[VM_MAX_VCPUS];
    struct vcpu *vcpus[VM_MAX_VCPUS];
    uint64_t sleeping_until;
    bool ticking, tick_kept; /* kept: since the last tick */
    uint64_t next_tick;
};

#define TICK (VM_COUNTER_HZ / 250)

struct vm_timer *vm_timer_create(struct vm *vm)
{
    struct vm_timer *const timer = calloc(1, sizeof(*timer));

    if (timer == NULL) {
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    timer->vm = vm;
    pthread_mutex_init(&timer->lock, NULL);
    pthread_cond_init(&timer->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
        timer->deadlines[i] = UINT64_MAX;
    }
    return timer;
}

void vm_timer_destroy(struct vm_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    if (timer->started) {
        pthread_mutex_lock(&timer->lock);
        timer->stop = true;
        pthread_cond_signal(&timer->changed);
        pthread_mutex_unlock(&timer->lock);
        pthread_join(timer->thread, NULL);
    }
    pthread_cond_destroy(&timer->changed);
    pthread_mutex_destroy(&timer->lock);
    free(timer);
}

/* Caller holds timer->lock. Who looks at the tick next sees that it is another, whether it goes on or not. */
static void tick(struct vm_timer *timer, uint64_t now)
{
    atomic_fetch_add_explicit(&timer->vm->tick, 2, memory_order_relaxed);
    timer->ticking = timer->tick_kept;
    timer->tick_kept = false;
    timer->next_tick = now + TICK;
}

static void *timer_thread(void *argument)
{
    struct vm_timer *const timer = argument;

    prctl(PR_SET_TIMERSLACK,
          1ul); /* this thread's sleeps end when they should, not up to 50 us later */
    pthread_mutex_lock(&timer->lock);
    while (!timer->stop) {
        const uint64_t now = vm_counter();
        uint64_t next = UINT64_MAX;

        for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
            if (timer->deadlines[i] <= now) {
                timer->deadlines[i] = UINT64_MAX;
                /* The vCPU is alive: vm_timer_set() with UINT64_MAX precedes its end, under this lock. */
                vm_vcpu_request(timer->vcpus[i], CPU_REQUEST_TIMER);
            } else if (timer->deadlines[i] < next) {
                next = timer->deadlines[i];
            }
        }
        if (timer->ticking && timer->next_tick <= now) {
            tick(timer, now);
        }
        if (timer->ticking && timer->next_tick < next) {
            next = timer->next_tick;
        }
        timer->sleeping_until = next;
        if (next == UINT64_MAX) {
            pthread_cond_wait(&timer->changed, &timer->lock);
        } else {
            const struct timespec until = vm_counter_to_timespec(next);
            pthread_cond_timedwait(&timer->changed, &timer->lock, &until);
        }
    }
    pthread_mutex_unlock(&timer->lock);
    return NULL;
}

/* Without any signal of the client's, who does not know of this thread. */
static bool start_thread(struct vm_timer *timer)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&timer->thread, NULL, timer_thread, timer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* Caller holds timer->lock. deadline: what has been added; the thread starts with the first. False: there is no thread to be had. */
static bool wake_for(struct vm_timer *timer, uint64_t deadline)
{
    if (!timer->started) {
        timer->started = start_thread(timer);
    } else if (deadline < timer->sleeping_until) {
        pthread_cond_signal(&timer->changed);
    }
    return timer->started;
}

bool vm_tick_keep(struct vm *vm)
{
    struct vm_timer *const timer = vm->timer;

    pthread_mutex_lock(&timer->lock);
    timer->tick_kept = true;
    if (!timer->ticking) {
        timer->next_tick = vm_counter() + TICK;
        timer->ticking = wake_for(timer, timer->next_tick);
    }
    const bool ticking = timer->ticking;
    pthread_mutex_unlock(&timer->lock);
    return ticking;
}

void vm_timer_set(struct vcpu *vcpu, uint64_t deadline)
{
    struct vm_timer *const timer = vcpu->vm->timer;

    /* Only the owner writes it, so that the common case, nothing changed, needs no lock. */
    if (vcpu->timer_deadline == deadline && (deadline == UINT64_MAX || deadline > vm_counter())) {
        return;
    }
    vcpu->timer_deadline = deadline;
    pthread_mutex_lock(&timer->lock);
    timer->vcpus[vcpu->id] = vcpu;
    timer->deadlines[vcpu->id] = deadline;
    if (deadline != UINT64_MAX && !wake_for(timer, deadline)) {
        /* It is looked at again at the next poll instead. */
        cpu_request(&vcpu->cpu, CPU_REQUEST_TIMER);
    }
    pthread_mutex_unlock(&timer->lock);
}
