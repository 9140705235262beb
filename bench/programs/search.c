/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Looks through text for a byte (eight at a time), for a string, and compares blocks. A unit is one byte looked at. */
#include "../lib/bench.h"

#define BYTES  65536
#define NEEDLE 12

struct arena {
    uint8_t text[BYTES], twin[BYTES];
    uint8_t needle[NEEDLE];
};

static uint64_t word_at(const uint8_t *p)
{
    uint64_t word;

    __builtin_memcpy(&word, p, 8);
    return word;
}

static NOINLINE size_t find_byte(const uint8_t *p, size_t size, uint8_t byte)
{
    const uint64_t ones = 0x0101010101010101ull, pattern = byte * ones;
    size_t at = 0;

    for (; at + 8 <= size; at += 8) {
        const uint64_t zero = word_at(p + at) ^ pattern, hit = (zero - ones) & ~zero & ones << 7;
        if (hit != 0) {
            return at + (size_t)__builtin_ctzll(hit) / 8;
        }
    }
    while (at < size && p[at] != byte) {
        at++;
    }
    return at;
}

static NOINLINE size_t find_string(const uint8_t *p, size_t size, const uint8_t *needle,
                                   size_t length)
{
    for (size_t at = 0; at + length <= size; at++) {
        size_t same = 0;
        while (same < length && p[at + same] == needle[same]) {
            same++;
        }
        if (same == length) {
            return at;
        }
    }
    return size;
}

static NOINLINE size_t first_difference(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t at = 0;

    while (at + 8 <= size && word_at(a + at) == word_at(b + at)) {
        at += 8;
    }
    while (at < size && a[at] == b[at]) {
        at++;
    }
    return at;
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 21;

    for (size_t i = 0; i < BYTES; i++) {
        arena->text[i] = (uint8_t)('a' + bench_random(&seed) % 24);
        arena->twin[i] = arena->text[i];
    }
    for (size_t i = 0; i < NEEDLE; i++) {
        arena->needle[i] = arena->text[BYTES - 40 + i];
    }
    for (size_t at = 700; at < BYTES; at += 701) {
        arena->text[at] = 'y';
        arena->twin[at] = 'y';
    }
    arena->text[BYTES - 3] = 'z';
}

static uint64_t run(void *memory)
{
    const struct arena *const arena = memory;
    uint64_t sum = 0;

    for (size_t at = 0; at < BYTES; at++) {
        at += find_byte(arena->text + at, BYTES - at, 'y');
        sum = bench_mix(sum, at);
    }
    for (size_t round = 0; round < 8; round++) {
        sum = bench_mix(sum, find_byte(arena->text + round, BYTES - round, 'z'));
        sum = bench_mix(sum,
                        first_difference(arena->text + round, arena->twin + round, BYTES - round));
    }
    return bench_mix(sum, find_string(arena->text, BYTES, arena->needle, NEEDLE));
}

const struct bench bench = {
    .name = "search",
    .arena_bytes = sizeof(struct arena),
    .units = 18 * BYTES,
    .prepare = prepare,
    .run = run,
};
