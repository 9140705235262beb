/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The 24 MHz counter, and one timer thread per VM that raises CPU_REQUEST_TIMER at deadlines. */
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

/* Asked once: in a virtual machine, CPUID is an exit to its host. */
static void ask_host(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d = 0;

    vm_has_tsc = __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
#endif
}

void vm_start_stamps(struct vm *vm)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, ask_host);
    vm->first_stamp = vm_stamp();
    vm->first_tick = vm_counter();
}

/* By the rate since the VM's creation, which changes a little: time does not go back for that. */
uint64_t vm_vcpu_exec_ticks(struct vcpu *vcpu)
{
    const struct vm *const vm = vcpu->vm;
    const uint64_t stamps = vm_stamp() - vm->first_stamp, ticks = vm_counter() - vm->first_tick;
    const uint64_t now = stamps == 0
                             ? 0
                             : (uint64_t)((unsigned __int128)vcpu->exec_stamps * ticks / stamps);

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
};

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
    if (deadline != UINT64_MAX && !timer->started) {
        timer->started = pthread_create(&timer->thread, NULL, timer_thread, timer) == 0;
        if (!timer->started) {
            /* No thread to be had: the deadline is looked at again at the next poll instead. */
            cpu_request(&vcpu->cpu, CPU_REQUEST_TIMER);
        }
    } else if (deadline < timer->sleeping_until) {
        pthread_cond_signal(&timer->changed);
    }
    pthread_mutex_unlock(&timer->lock);
}
