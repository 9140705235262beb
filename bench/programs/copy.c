/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Copies of 1 byte to 32 KiB, most of them short and unaligned, as programs make them. A unit is one byte. */
#include "../lib/bench.h"

#define BUFFER 65536
#define COPIES 1024
#define BYTES  1308737 /* the sum of all sizes */

struct arena {
    uint8_t from[BUFFER], to[BUFFER];
    struct {
        uint32_t from, to, size;
    } copies[COPIES];
};

struct line {
    uint64_t words[8];
};

static NOINLINE void copy(uint8_t *to, const uint8_t *from, size_t size)
{
    while (size >= sizeof(struct line)) {
        struct line line;
        __builtin_memcpy(&line, from, sizeof(line));
        __builtin_memcpy(to, &line, sizeof(line));
        to += sizeof(line);
        from += sizeof(line);
        size -= sizeof(line);
    }
    while (size >= 8) {
        uint64_t word;
        __builtin_memcpy(&word, from, 8);
        __builtin_memcpy(to, &word, 8);
        to += 8;
        from += 8;
        size -= 8;
    }
    while (size-- > 0) {
        *to++ = *from++;
    }
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 8;

    for (size_t i = 0; i < COPIES; i++) {
        const unsigned bits = i % 16 == 0 ? 15 : 5 + i % 7;
        arena->copies[i].size = 1 + (uint32_t)(bench_random(&seed) >> (64 - bits));
        arena->copies[i].from = (uint32_t)(bench_random(&seed) % (BUFFER - 32768));
        arena->copies[i].to = (uint32_t)(bench_random(&seed) % (BUFFER - 32768));
    }
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;
    uint64_t sum = 0, bytes = 0;

    for (uint32_t i = 0; i < BUFFER; i += 8) {
        const uint64_t word = i * 0x0101010100010101ull;
        __builtin_memcpy(&arena->from[i], &word, 8);
    }
    for (size_t i = 0; i < COPIES; i++) {
        copy(arena->to + arena->copies[i].to, arena->from + arena->copies[i].from,
             arena->copies[i].size);
        bytes += arena->copies[i].size;
    }
    for (uint32_t i = 0; i < BUFFER; i += 56) {
        uint64_t word;
        __builtin_memcpy(&word, &arena->to[i], 8);
        sum = bench_mix(sum, word);
    }
    return bytes == BYTES ? sum : bytes;
}

const struct bench bench = {
    .name = "copy",
    .arena_bytes = sizeof(struct arena),
    .units = BYTES,
    .prepare = prepare,
    .run = run,
};
