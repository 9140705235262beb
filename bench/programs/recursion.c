/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Fibonacci, tak and the towers of Hanoi by recursion: direct calls and returns. A unit is one call. */
#include "../lib/bench.h"

#define FIBONACCI 18
#define DISCS     11
#define CALLS     (8361 + TAK_CALLS + (2 << DISCS))
#define TAK_CALLS 10345

static NOINLINE uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t tak_calls;

static NOINLINE int32_t tak(int32_t x, int32_t y, int32_t z)
{
    tak_calls++;
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static NOINLINE uint64_t hanoi(uint32_t discs, uint32_t from, uint32_t to, uint64_t sum)
{
    if (discs == 0) {
        return sum;
    }
    sum = hanoi(discs - 1, from, 6 - from - to, sum);
    sum = sum * 5 + from * 3 + to;
    return hanoi(discs - 1, 6 - from - to, to, sum);
}

static uint64_t run(void *memory)
{
    (void)memory;
    tak_calls = 0;
    const uint64_t a = fibonacci(FIBONACCI);
    const uint64_t b = (uint64_t)tak(14, 9, 4);
    return tak_calls == TAK_CALLS ? bench_mix(bench_mix(a, b), hanoi(DISCS, 1, 3, 0)) : tak_calls;
}

const struct bench bench = {
    .name = "recursion",
    .arena_bytes = 64,
    .units = CALLS,
    .run = run,
};
