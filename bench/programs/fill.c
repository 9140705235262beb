/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Fills of 16 bytes to 32 KiB with one byte value, 64 bytes a turn. A unit is one byte. */
#include "../lib/bench.h"

#define BUFFER 65536
#define ROUNDS 64

static NOINLINE void fill(uint8_t *to, uint8_t value, size_t size)
{
    const uint64_t word = value * 0x0101010101010101ull;

    while (size >= 64) {
        for (size_t i = 0; i < 64; i += 8) {
            __builtin_memcpy(to + i, &word, 8);
        }
        to += 64;
        size -= 64;
    }
    while (size-- > 0) {
        *to++ = value;
    }
}

static uint64_t run(void *memory)
{
    uint8_t *const buffer = memory;
    uint64_t sum = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        /* 32768 + 16384 + ... + 16 bytes */
        for (uint32_t size = 32768, at = round; size >= 16; at += size, size /= 2) {
            fill(buffer + at, (uint8_t)(round * 31 + size / 16), size);
        }
    }
    for (uint32_t i = 0; i < BUFFER; i += 64) {
        sum = bench_mix(sum, buffer[i]);
    }
    return sum;
}

const struct bench bench = {
    .name = "fill",
    .arena_bytes = BUFFER + ROUNDS,
    .units = ROUNDS * (65536 - 16),
    .run = run,
};
