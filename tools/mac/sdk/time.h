/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Clocks. */
#ifndef SDK_TIME_H
#define SDK_TIME_H

#include <stddef.h>

typedef long time_t;
typedef int clockid_t;
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
#define CLOCK_REALTIME  0
#define CLOCK_MONOTONIC 6
int clock_gettime(clockid_t clock, struct timespec *now);
int nanosleep(const struct timespec *time, struct timespec *left);

#endif
