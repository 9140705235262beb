/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How long a row of independent additions takes on each processor that this process may use, in nanoseconds, one a line. A virtual machine is
 * not told when another one runs on the other thread of its core. All that shows it is that a core which has to serve both makes fewer
 * instructions at once; chains of dependent ones take as long as ever.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/now.h"

#define SAMPLES 41
#define ROUNDS  5000

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Five chains keep five units busy; the barriers keep the compiler from adding them up. */
static uint64_t sample(void)
{
    const uint64_t start = now_ns();
    uint64_t a = 0, b = 0, c = 0, d = 0, e = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned k = 0; k < 4; k++) {
            a++, b++, c++, d++, e++;
            __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
        }
    }
    return now_ns() - start;
}

int main(void)
{
    static uint64_t samples[SAMPLES];
    cpu_set_t all;

    if (sched_getaffinity(0, sizeof(all), &all) != 0) {
        perror("core_speed: sched_getaffinity");
        return 1;
    }
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (!CPU_ISSET(cpu, &all) || sched_setaffinity(0, sizeof(one), &one) != 0) {
            continue;
        }
        for (unsigned i = 0; i < SAMPLES; i++) {
            samples[i] = sample();
        }
        qsort(samples, SAMPLES, sizeof(samples[0]), compare);
        printf("%llu\n", (unsigned long long)samples[SAMPLES / 2]);
    }
    return 0;
}
