/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the cryptographic functions share. All run on secret guest data with tables: they do not promise constant time. */
#ifndef ENGINE_SIMD_CRYPTO_H
#define ENGINE_SIMD_CRYPTO_H

#include "engine/simd/lanes.h"

/* by: 1 to 31 and 1 to 63 */
static inline uint32_t rol32(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static inline uint32_t ror32(uint32_t x, unsigned by)
{
    return rol32(x, 32 - by);
}

static inline uint64_t ror64(uint64_t x, unsigned by)
{
    return x >> by | x << (64 - by);
}

static inline uint32_t choose32(uint32_t x, uint32_t y, uint32_t z)
{
    return ((y ^ z) & x) ^ z;
}

static inline uint32_t majority32(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | ((x | y) & z);
}

#endif
