/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Products of numbers of 512 bits, as public-key cryptography makes them: 64-bit multiplications, additions with carry. A unit is one. */
#include "../lib/bench.h"

#define WORDS    8
#define PRODUCTS 2048

struct arena {
    uint64_t a[WORDS], b[WORDS], product[2 * WORDS];
};

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 512;

    for (size_t i = 0; i < WORDS; i++) {
        arena->b[i] = bench_random(&seed);
    }
}

static NOINLINE void multiply(struct arena *n)
{
    for (size_t i = 0; i < 2 * WORDS; i++) {
        n->product[i] = 0;
    }
    for (size_t i = 0; i < WORDS; i++) {
        unsigned __int128 sum = 0;
        for (size_t j = 0; j < WORDS; j++) {
            sum += (unsigned __int128)n->a[i] * n->b[j] + n->product[i + j];
            n->product[i + j] = (uint64_t)sum;
            sum >>= 64;
        }
        n->product[i + WORDS] = (uint64_t)sum;
    }
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;

    for (size_t i = 0; i < WORDS; i++) {
        arena->a[i] = i + 1;
    }
    for (unsigned n = 0; n < PRODUCTS; n++) {
        multiply(arena);
        for (size_t i = 0; i < WORDS; i++) {
            arena->a[i] ^= arena->product[i + WORDS / 2];
        }
    }
    return bench_mix(arena->product[3], arena->product[11]);
}

const struct bench bench = {
    .name = "bignum",
    .arena_bytes = sizeof(struct arena),
    .units = PRODUCTS,
    .prepare = prepare,
    .run = run,
};
