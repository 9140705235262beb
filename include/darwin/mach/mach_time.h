/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Host time in ticks of 24 MHz, as on Apple silicon: one tick is 125/3 ns.
 *
 * libhypervisor derives the guest's counters from the same clock by the same formula, so that
 *
 *     CNTVCT_EL0 = mach_absolute_time() - the offset of hv_vcpu_set_vtimer_offset()
 *
 * holds to the tick. Deadlines for a sleeping vCPU are CNTV_CVAL_EL0 plus that offset.
 */
#ifndef DARWIN_MACH_MACH_TIME_H
#define DARWIN_MACH_MACH_TIME_H

#include <errno.h>
#include <mach/kern_return.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With -std=c11 and no feature macro <time.h> hides what we need; clockid_t is int on every Linux libc. */
#ifndef CLOCK_MONOTONIC
#define CLOCK_MONOTONIC 1
int clock_gettime(int clock, struct timespec *now);
int clock_nanosleep(int clock, int flags, const struct timespec *until, struct timespec *left);
#endif
#ifndef TIMER_ABSTIME
#define TIMER_ABSTIME 1
#endif

/** Nanoseconds per tick, as a fraction. */
struct mach_timebase_info {
    uint32_t numer;
    uint32_t denom;
};

typedef struct mach_timebase_info *mach_timebase_info_t;
typedef struct mach_timebase_info mach_timebase_info_data_t;

/** Ticks since an arbitrary start; stands still while the host sleeps. Threads: any. */
static inline uint64_t mach_absolute_time(void)
{
    struct timespec now = {0, 0};
    uint64_t ns;

    /* Cannot fail: the clock exists on every Linux, and the pointer is good. */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    /* ns * 24 / 1000 rounded down, that is ns * 3 / 125; in two steps, so that nothing overflows. */
    return ns / 125 * 3 + ns % 125 * 3 / 125;
}

/** Writes 125/3. @retval KERN_INVALID_ARGUMENT info is NULL. Threads: any. */
static inline kern_return_t mach_timebase_info(mach_timebase_info_t info)
{
    if (!info) {
        return KERN_INVALID_ARGUMENT;
    }
    info->numer = 125;
    info->denom = 3;
    return KERN_SUCCESS;
}

/**
 * Sleeps until mach_absolute_time() has reached deadline; returns at once if it has.
 *
 * @retval KERN_ABORTED A signal handler ran: call again.
 * Threads: any; blocks.
 */
static inline kern_return_t mach_wait_until(uint64_t deadline)
{
    struct timespec until;
    uint64_t ns, seconds;
    int error;

    /* The first nanosecond at which the tick is reached: deadline * 125 / 3 rounded up. */
    if (deadline / 3 >= UINT64_MAX / 125) {
        ns = UINT64_MAX;
    } else {
        ns = deadline / 3 * 125 + (deadline % 3 * 125 + 2) / 3;
    }
    seconds = ns / 1000000000u;
    until.tv_sec = (time_t)seconds;
    until.tv_nsec = (long)(ns % 1000000000u);
    error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, (struct timespec *)0);
    if (error == 0) {
        return KERN_SUCCESS;
    }
    return error == EINTR ? KERN_ABORTED : KERN_FAILURE;
}

#ifdef __cplusplus
}
#endif

#endif /* DARWIN_MACH_MACH_TIME_H */
