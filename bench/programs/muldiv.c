/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Wide multiplication, division, remainder and bit tricks on 64-bit numbers. A unit is one of the 12 or so operations' rounds. */
#include "../lib/bench.h"

#define ROUNDS 4096

static uint64_t multiply_high(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << (n & 63) | x >> (-n & 63);
}

/* Montgomery multiplication for the odd modulus n, with inverse = -1/n modulo 2^64. */
static uint64_t montgomery(uint64_t a, uint64_t b, uint64_t n, uint64_t inverse)
{
    const unsigned __int128 t = (unsigned __int128)a * b;
    const uint64_t m = (uint64_t)t * inverse;
    const uint64_t r = (uint64_t)(t >> 64) + multiply_high(m, n) + ((uint64_t)t != 0);

    return r >= n ? r - n : r;
}

static NOINLINE uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static NOINLINE uint64_t bits(uint64_t x, uint64_t y)
{
    const unsigned lead = (unsigned)__builtin_clzll(x | 1),
                   trail = (unsigned)__builtin_ctzll(y | 1ull << 63);
    uint64_t reversed = __builtin_bswap64(x);

    reversed = (reversed & 0x0f0f0f0f0f0f0f0full) << 4 | (reversed >> 4 & 0x0f0f0f0f0f0f0f0full);
    return rotate(x, lead) + rotate(y, trail) + (reversed ^ (x & ~y)) + (y >> 13 & 0x3ffff);
}

static uint64_t run(void *memory)
{
    const uint64_t n = 0x7fffffffffffffe7ull;
    uint64_t x = 0x123456789abcdefull, y = 0xfedcba987654321ull, sum = 0, inverse = 1;

    (void)memory;
    for (unsigned i = 0; i < 6; i++) {
        inverse *= 2 + n * inverse;
    }
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        x = montgomery(x, y, n, inverse);
        y = y / (i * 2654435761u) + multiply_high(y, x | 1ull << 63) + i;
        const int64_t quotient = (int64_t)(x - y) / (int64_t)(i | 1 << 20);
        sum += bits(x, y) + (uint64_t)quotient;
        sum = rotate(sum, (unsigned)x) * 0xff51afd7ed558ccdull;
        if (i % 16 == 0) {
            sum += gcd(x, i << 20 | 12);
        }
    }
    return sum;
}

const struct bench bench = {
    .name = "muldiv",
    .arena_bytes = 64,
    .units = ROUNDS,
    .run = run,
};
