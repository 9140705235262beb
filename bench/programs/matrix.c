/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Matrix times matrix in double precision, scalar, four sums at a time; with USE_FMA fused. A unit is one multiply and add. */
#include "../lib/bench.h"

#define SIDE 80

#ifdef USE_FMA
#define MULTIPLY_ADD(a, b, c) __builtin_fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

struct arena {
    double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];
};

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 2718;

    for (size_t i = 0; i < SIDE; i++) {
        for (size_t j = 0; j < SIDE; j++) {
            arena->a[i][j] = (double)(bench_random(&seed) >> 11) * 0x1p-53 - 0.5;
            arena->b[i][j] = (double)(bench_random(&seed) >> 11) * 0x1p-53 + 0.25;
        }
    }
}

/* b is transposed: rows against rows. */
static NOINLINE void multiply(struct arena *m)
{
    for (size_t i = 0; i < SIDE; i += 2) {
        for (size_t j = 0; j < SIDE; j += 2) {
            double s00 = 0, s01 = 0, s10 = 0, s11 = 0;
            for (size_t k = 0; k < SIDE; k++) {
                s00 = MULTIPLY_ADD(m->a[i][k], m->b[j][k], s00);
                s01 = MULTIPLY_ADD(m->a[i][k], m->b[j + 1][k], s01);
                s10 = MULTIPLY_ADD(m->a[i + 1][k], m->b[j][k], s10);
                s11 = MULTIPLY_ADD(m->a[i + 1][k], m->b[j + 1][k], s11);
            }
            m->c[i][j] = s00;
            m->c[i][j + 1] = s01;
            m->c[i + 1][j] = s10;
            m->c[i + 1][j + 1] = s11;
        }
    }
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;
    uint64_t sum = 0;

    multiply(arena);
    for (size_t i = 0; i < SIDE; i++) {
        sum = bench_mix(sum, bench_bits(arena->c[i][(i * 7) % SIDE]));
    }
    return sum;
}

const struct bench bench = {
    .name = NAME,
    .arena_bytes = sizeof(struct arena),
    .units = SIDE * SIDE * SIDE,
    .prepare = prepare,
    .run = run,
};
