/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "samples.h"

static bool time_calls(const struct samples *s, void *arena, uint64_t *ticks)
{
    const uint64_t start = bench_ticks();
    bool same = true;

    for (uint64_t i = 0; i < s->batch; i++) {
        same &= bench.run(arena) == s->checksum;
    }
    *ticks = bench_ticks() - start;
    return same;
}

static void sort(uint64_t *values, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        const uint64_t value = values[i];
        unsigned at = i;
        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

bool samples_take(struct samples *s, uint64_t frequency, uint64_t target_ms, void *arena)
{
    const uint64_t millisecond = frequency / 1000;
    const uint64_t start = bench_ticks();

    s->n = 0;
    s->batch = 1;
    s->checksum = bench.run(arena);
    s->first = bench_ticks() - start;
    if (bench.expected != 0 && s->checksum != bench.expected) {
        return false;
    }
    if (target_ms == 0) {
        return true;
    }
    for (;; s->batch *= 2) {
        if (!time_calls(s, arena, &s->ticks[0])) {
            return false;
        }
        if (s->ticks[0] >= millisecond) {
            break;
        }
    }
    uint64_t total = s->ticks[0];
    for (s->n = 1; s->n < MAX_SAMPLES && (s->n < 2 || total < target_ms * millisecond); s->n++) {
        if (!time_calls(s, arena, &s->ticks[s->n])) {
            return false;
        }
        total += s->ticks[s->n];
    }
    sort(s->ticks, s->n);
    return true;
}
