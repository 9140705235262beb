/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The 24 MHz counter, and one timer thread per VM that raises CPU_REQUEST_TIMER at deadlines. */
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
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

#if defined(__x86_64__)

static bool one_rate;

static void ask_host(void)
{
    unsigned a, b, c, d = 0;

    one_rate = __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
}

/* Asked once: in a virtual machine, CPUID is an exit to its host. */
static bool tsc_has_one_rate(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, ask_host);
    return one_rate;
}

uint64_t vm_stamp(const struct vm *vm)
{
    return vm->has_tsc ? __rdtsc() : vm_counter();
}

#else

static bool tsc_has_one_rate(void)
{
    return false;
}

uint64_t vm_stamp(const struct vm *vm)
{
    (void)vm;
    return vm_counter();
}

#endif

void vm_start_stamps(struct vm *vm)
{
    vm->has_tsc = tsc_has_one_rate();
    vm->first_stamp = vm_stamp(vm);
    vm->first_tick = vm_counter();
}

/* --- Execution time ------------------------------------------------------------------------------------------------------------ */

/*
 * A stamp before and after a run is a third of a short run's time. So a vCPU that has run often, and of which nobody has asked the time,
 * is not measured any more: if somebody does later, what its thread has computed since then counts, less what it computes between runs,
 * by the mean of what was measured. Who asks early, or once, is told exactly.
 */
#define MEASURED_RUNS 4096u
#define LONG_GAP      32768u /* cycles: the client has slept, perhaps */

static uint64_t thread_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* By the rate since the VM's creation. */
static uint64_t stamps_to_ticks(const struct vm *vm, uint64_t n)
{
    const uint64_t stamps = vm_stamp(vm) - vm->first_stamp, ticks = vm_counter() - vm->first_tick;

    return stamps == 0 ? 0 : (uint64_t)((unsigned __int128)n * ticks / stamps);
}

uint64_t vm_exec_begin(struct vcpu *vcpu)
{
    struct vm_exec *const exec = &vcpu->exec;

    if (exec->unmeasured) {
        return 0;
    }
    const uint64_t now = vm_stamp(vcpu->vm);
    if (now - exec->last < LONG_GAP) {
        exec->gaps += now - exec->last;
        exec->n_gaps++;
    }
    return now;
}

void vm_exec_end(struct vcpu *vcpu, uint64_t begin)
{
    struct vm_exec *const exec = &vcpu->exec;

    exec->runs++;
    if (exec->unmeasured) {
        return;
    }
    exec->last = vm_stamp(vcpu->vm);
    exec->stamps += exec->last - begin;
    if (exec->runs >= MEASURED_RUNS && !exec->asked && vcpu->vm->has_tsc) {
        exec->unmeasured = true;
        exec->runs = 0;
        exec->thread_ns = thread_ns();
    }
}

void vm_exec_waited(struct vcpu *vcpu, uint64_t since)
{
    if (!vcpu->exec.unmeasured) {
        vcpu->exec.stamps -= vm_stamp(vcpu->vm) - since; /* the run will add all of its time */
    }
}

static uint64_t unmeasured_ticks(const struct vcpu *vcpu)
{
    const struct vm_exec *const exec = &vcpu->exec;
    const uint64_t thread = (thread_ns() - exec->thread_ns) * 24 / 1000;
    const uint64_t gap = exec->n_gaps != 0 ? exec->gaps / exec->n_gaps : 0,
                   between = stamps_to_ticks(vcpu->vm, gap * exec->runs);

    return thread > between ? thread - between : 0;
}

uint64_t vm_vcpu_exec_ticks(struct vcpu *vcpu)
{
    struct vm_exec *const exec = &vcpu->exec;

    if (exec->unmeasured) {
        exec->estimated += unmeasured_ticks(vcpu);
        exec->unmeasured = false;
    }
    exec->asked = true;
    /* The rate changes a little: time does not go back for that. */
    const uint64_t now = stamps_to_ticks(vcpu->vm, exec->stamps) + exec->estimated;
    exec->told = now > exec->told ? now : exec->told;
    return exec->told;
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
