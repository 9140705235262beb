/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A 3 by 3 convolution of bytes with 16-bit sums, eight at a time: widen, multiply and add, saturate. A unit is one pixel. */
#include "../lib/bench.h"
#include "vec.h"

#define WIDTH  512
#define HEIGHT 64
#define PASSES 8

struct arena {
    uint8_t start[HEIGHT][WIDTH], images[2][HEIGHT][WIDTH];
};

static const int16_t weights[3][3] = {{-1, 3, -1}, {3, 9, 2}, {-1, 3, 0}};

static NOINLINE void convolve(uint8_t (*out)[WIDTH], uint8_t (*in)[WIDTH])
{
    vec_u16 w[3][3];

    for (size_t i = 0; i < 9; i++) {
        w[i / 3][i % 3] = vec_all_u16((uint16_t)weights[i / 3][i % 3]);
    }
    for (size_t y = 1; y < HEIGHT - 1; y++) {
        for (size_t x = 8; x < WIDTH - 8; x += 8) {
            vec_u16 sum = vec_all_u16(8);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y - 1][x - 1]), w[0][0]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y - 1][x]), w[0][1]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y - 1][x + 1]), w[0][2]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y][x - 1]), w[1][0]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y][x]), w[1][1]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y][x + 1]), w[1][2]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y + 1][x - 1]), w[2][0]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y + 1][x]), w[2][1]);
            sum = vec_multiply_add_u16(sum, vec_load_u8(&in[y + 1][x + 1]), w[2][2]);
            vec_store_narrow(&out[y][x], sum);
        }
    }
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 61;

    for (size_t i = 0; i < HEIGHT * WIDTH; i++) {
        arena->start[i / WIDTH][i % WIDTH] = (uint8_t)(bench_random(&seed) >> 50);
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
        for (size_t x = 8 + y % 4; x < WIDTH - 8; x += 32) {
            sum = bench_mix(sum, arena->images[~PASSES & 1][y][x]);
        }
    }
    return sum;
}

const struct bench bench = {
    .name = "neon_int",
    .arena_bytes = sizeof(struct arena),
    .units = PASSES * HEIGHT * WIDTH,
    .prepare = prepare,
    .run = run,
};
