/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One cycle through all cache lines of MIB megabytes in random order: each load waits for the one before. A unit is one step. */
#include "../lib/bench.h"

#define LINES ((uint64_t)MIB << 14) /* of 64 bytes */

struct line {
    const struct line *next;
    uint64_t value, unused[6];
};

/* A bijection of the numbers below LINES, a power of two. */
static uint64_t shuffled(uint64_t i)
{
    i = i * 0x9e3779b97f4a7c15ull % LINES;
    i ^= i >> 9;
    i = i * 0xd6e8feb86659fd93ull % LINES;
    i ^= i >> 7;
    return i * 0xff51afd7ed558ccdull % LINES;
}

static void prepare(void *memory)
{
    struct line *const lines = memory;

    for (uint64_t i = 0; i < LINES; i++) {
        struct line *const line = &lines[shuffled(i)];
        line->next = &lines[shuffled((i + 1) % LINES)];
        line->value = i * i;
    }
}

static uint64_t run(void *memory)
{
    const struct line *line = memory;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < LINES; i++) {
        sum += line->value;
        line = line->next;
    }
    return sum + (line == memory);
}

const struct bench bench = {
    .name = NAME,
    .arena_bytes = (uint64_t)MIB << 20,
    .units = LINES,
    .warm = true,
    .prepare = prepare,
    .run = run,
};
