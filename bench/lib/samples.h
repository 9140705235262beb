/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* How often a program runs, and what is kept of its times: the same for both harnesses. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include "bench.h"

#define MAX_SAMPLES 255

struct samples {
    uint64_t checksum;
    uint64_t first;              /* ticks of the first call: its code was never executed before */
    uint64_t batch;              /* calls of one sample */
    uint64_t ticks[MAX_SAMPLES]; /* sorted */
    unsigned n;
};

/* The machine's clock, after all earlier work. The harness has it. */
uint64_t bench_ticks(void);

/*
 * Calls bench.run() until target_ms have been measured, twice at least; with target_ms 0 only once. A sample is at least a
 * millisecond long, so that one tick does not count. False: a call gave another result than the first, or than bench.expected.
 */
bool samples_take(struct samples *s, uint64_t frequency, uint64_t target_ms, void *arena);

#endif
