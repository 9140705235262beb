/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* SHA-1, SHA-256 and SHA-512 instructions (FIPS 180-4 names the functions). */
#include "engine/simd/crypto.h"

/* --- SHA-1 ------------------------------------------------------------------------------------*/

static inline uint32_t parity32(uint32_t x, uint32_t y, uint32_t z)
{
    return x ^ y ^ z;
}

/* Four rounds: a holds A B C D, b's word 0 holds E, c the four schedule words with their constant. */
#define SHA1_ROUNDS(name, function)                                                        \
    void vop_##name(VOP_ARGS)                                                              \
    {                                                                                      \
        v128 x = *a;                                                                       \
        uint32_t e = b->s[0];                                                              \
                                                                                           \
        for (unsigned i = 0; i < 4; i++) {                                                 \
            const uint32_t sum = e + rol32(x.s[0], 5) + function(x.s[1], x.s[2], x.s[3]) + \
                                 c->s[i];                                                  \
            e = x.s[3];                                                                    \
            x = (v128){.s = {sum, x.s[0], rol32(x.s[1], 30), x.s[2]}};                     \
        }                                                                                  \
        *d = x;                                                                            \
    }

SHA1_ROUNDS(sha1c, choose32)
SHA1_ROUNDS(sha1p, parity32)
SHA1_ROUNDS(sha1m, majority32)

void vop_sha1su0(VOP_ARGS)
{
    d->d[0] = a->d[1] ^ a->d[0] ^ c->d[0];
    d->d[1] = b->d[0] ^ a->d[1] ^ c->d[1];
}

void vop_sha1su1(VOP_ARGS)
{
    const uint32_t first = a->s[0] ^ b->s[1];

    d->s[0] = rol32(first, 1);
    d->s[1] = rol32(a->s[1] ^ b->s[2], 1);
    d->s[2] = rol32(a->s[2] ^ b->s[3], 1);
    d->s[3] = rol32(a->s[3], 1) ^ rol32(first, 2);
}

/* --- SHA-256 ----------------------------------------------------------------------------------*/

static inline uint32_t rotations32(uint32_t x, unsigned r1, unsigned r2, unsigned r3)
{
    return ror32(x, r1) ^ ror32(x, r2) ^ ror32(x, r3);
}

/* SHA256hash(): four rounds; x holds A B C D, y holds E F G H. */
static void sha256_rounds(v128 *x, v128 *y, const v128 *w)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t t = y->s[3] + rotations32(y->s[0], 6, 11, 25) +
                           choose32(y->s[0], y->s[1], y->s[2]) + w->s[i],
                       e = x->s[3] + t,
                       head = t + rotations32(x->s[0], 2, 13, 22) +
                              majority32(x->s[0], x->s[1], x->s[2]);

        *x = (v128){.s = {head, x->s[0], x->s[1], x->s[2]}};
        *y = (v128){.s = {e, y->s[0], y->s[1], y->s[2]}};
    }
}

void vop_sha256h(VOP_ARGS)
{
    v128 x = *a, y = *b;

    sha256_rounds(&x, &y, c);
    *d = x;
}

void vop_sha256h2(VOP_ARGS)
{
    v128 x = *b, y = *a;

    sha256_rounds(&x, &y, c);
    *d = y;
}

void vop_sha256su0(VOP_ARGS)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t next = i < 3 ? a->s[i + 1] : b->s[0];

        d->s[i] = a->s[i] + (ror32(next, 7) ^ ror32(next, 18) ^ next >> 3);
    }
}

void vop_sha256su1(VOP_ARGS)
{
    for (unsigned i = 0; i < 4; i++) {
        const uint32_t before2 = i < 2 ? c->s[i + 2] : d->s[i - 2],
                       before7 = i < 3 ? b->s[i + 1] : c->s[0];

        d->s[i] = a->s[i] + before7 + (ror32(before2, 17) ^ ror32(before2, 19) ^ before2 >> 10);
    }
}

/* --- SHA-512 ----------------------------------------------------------------------------------*/

static inline uint64_t rotations64(uint64_t x, unsigned r1, unsigned r2, unsigned r3)
{
    return ror64(x, r1) ^ ror64(x, r2) ^ ror64(x, r3);
}

static inline uint64_t choose64(uint64_t x, uint64_t y, uint64_t z)
{
    return ((y ^ z) & x) ^ z;
}

static inline uint64_t majority64(uint64_t x, uint64_t y, uint64_t z)
{
    return (x & y) | ((x | y) & z);
}

void vop_sha512h(VOP_ARGS)
{
    const uint64_t high = a->d[1] + choose64(c->d[1], b->d[0], b->d[1]) +
                          rotations64(c->d[1], 14, 18, 41);
    const uint64_t sum = high + c->d[0];

    d->d[1] = high;
    d->d[0] = a->d[0] + choose64(sum, c->d[1], b->d[0]) + rotations64(sum, 14, 18, 41);
}

void vop_sha512h2(VOP_ARGS)
{
    const uint64_t high = a->d[1] + majority64(b->d[0], c->d[1], c->d[0]) +
                          rotations64(c->d[0], 28, 34, 39);

    d->d[1] = high;
    d->d[0] = a->d[0] + majority64(high, c->d[0], c->d[1]) + rotations64(high, 28, 34, 39);
}

void vop_sha512su0(VOP_ARGS)
{
    d->d[0] = a->d[0] + (ror64(a->d[1], 1) ^ ror64(a->d[1], 8) ^ a->d[1] >> 7);
    d->d[1] = a->d[1] + (ror64(b->d[0], 1) ^ ror64(b->d[0], 8) ^ b->d[0] >> 7);
}

void vop_sha512su1(VOP_ARGS)
{
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t x = b->d[i];

        d->d[i] = a->d[i] + c->d[i] + (ror64(x, 19) ^ ror64(x, 61) ^ x >> 6);
    }
}
