/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A 3 by 3 convolution of single-precision pixels, four at a time; with USE_FMA fused. A unit is one pixel. */
#include "../lib/bench.h"
#include "vec.h"

#define WIDTH  256
#define HEIGHT 64
#define PASSES 8

#ifdef USE_FMA
#define MULTIPLY_ADD(sum, a, b) vec_fused_f32(sum, a, b)
#else
#define MULTIPLY_ADD(sum, a, b) vec_add_f32(sum, vec_multiply_f32(a, b))
#endif

struct arena {
    float start[HEIGHT][WIDTH], images[2][HEIGHT][WIDTH];
};

static const float weights[3][3] = {
    {0.0625f, 0.1185f, 0.0625f}, {0.1245f, 0.2655f, 0.1245f}, {0.0625f, 0.1185f, 0.0585f}};

static NOINLINE void convolve(float (*out)[WIDTH], float (*in)[WIDTH])
{
    const vec_f32 limit = vec_all_f32(250.0f);
    vec_f32 w[3][3];

    for (size_t i = 0; i < 9; i++) {
        w[i / 3][i % 3] = vec_all_f32(weights[i / 3][i % 3]);
    }
    for (size_t y = 1; y < HEIGHT - 1; y++) {
        for (size_t x = 4; x < WIDTH - 4; x += 4) {
            vec_f32 sum = vec_multiply_f32(vec_load_f32(&in[y - 1][x - 1]), w[0][0]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y - 1][x]), w[0][1]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y - 1][x + 1]), w[0][2]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y][x - 1]), w[1][0]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y][x]), w[1][1]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y][x + 1]), w[1][2]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y + 1][x - 1]), w[2][0]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y + 1][x]), w[2][1]);
            sum = MULTIPLY_ADD(sum, vec_load_f32(&in[y + 1][x + 1]), w[2][2]);
            vec_store_f32(&out[y][x], vec_min_f32(sum, limit));
        }
    }
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 16;

    for (size_t i = 0; i < HEIGHT * WIDTH; i++) {
        arena->start[i / WIDTH][i % WIDTH] = 1.0f + (float)(bench_random(&seed) >> 40) * 0x1p-16f;
    }
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;
    uint64_t sum = 0;

    convolve(arena->images[0], arena->start);
    for (size_t pass = 1; pass < PASSES; pass++) {
        convolve(arena->images[pass & 1], arena->images[~pass & 1]);
    }
    for (size_t y = 1; y < HEIGHT - 1; y++) {
        sum = bench_mix(sum, bench_bits((double)arena->images[~PASSES & 1][y][4 + y * 3]));
    }
    return sum;
}

const struct bench bench = {
    .name = NAME,
    .arena_bytes = sizeof(struct arena),
    .units = PASSES * HEIGHT * WIDTH,
    .prepare = prepare,
    .run = run,
};
