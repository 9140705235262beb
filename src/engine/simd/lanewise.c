/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Wrapping arithmetic, comparisons and bit counts, lane by lane. */
#include "engine/simd/lanes.h"

VOP_LANES(add, 1u * x + y)
VOP_LANES(sub, 1u * x - y)
VOP_LANES(mul, 1u * x * y) /* 1u: two uint16_t multiply as int, which overflows */
VOP_LANES(abs, (S)x < 0 ? 0u - x : x)

VOP_LANES(smax, (S)x > (S)y ? x : y)
VOP_LANES(smin, (S)x < (S)y ? x : y)
VOP_LANES(umax, x > y ? x : y)
VOP_LANES(umin, x < y ? x : y)
VOP_LANES(sabd, (S)x > (S)y ? 1u * x - y : 1u * y - x)
VOP_LANES(uabd, x > y ? 1u * x - y : 1u * y - x)

/* a + b is 2(a & b) + (a ^ b) and also 2(a | b) - (a ^ b): halves without a wider type. */
VOP_LANES(shadd, 1u * (U)(x & y) + (U)((S)(x ^ y) >> 1))
VOP_LANES(uhadd, (x & y) + ((x ^ y) >> 1))
VOP_LANES(srhadd, 1u * (U)(x | y) - (U)((S)(x ^ y) >> 1))
VOP_LANES(urhadd, (x | y) - ((x ^ y) >> 1))
/* One less than the difference of the halves where only b is odd. */
VOP_LANES(shsub, 1u * (U)((S)x >> 1) - (U)((S)y >> 1) - (U)(~x & y & 1u))
VOP_LANES(uhsub, 1u * (U)(x >> 1) - (U)(y >> 1) - (U)(~x & y & 1u))

#define TRUTH(condition) ((condition) ? (U)-1 : (U)0)
VOP_LANES(cmeq, TRUTH(x == y))
VOP_LANES(cmgt, TRUTH((S)x > (S)y))
VOP_LANES(cmge, TRUTH((S)x >= (S)y))
VOP_LANES(cmhi, TRUTH(x > y))
VOP_LANES(cmhs, TRUTH(x >= y))
VOP_LANES(cmtst, TRUTH((x & y) != 0))

static inline unsigned leading_zeros(uint64_t x, unsigned width)
{
    return x == 0 ? width : (unsigned)__builtin_clzll(x) - (64 - width);
}

VOP_LANES(clz, leading_zeros(x, W))
/* CountLeadingSignBits: a bit that differs from its left neighbour ends the run. */
VOP_LANES(cls, leading_zeros((U)(x ^ (U)((S)x >> 1)), W) - 1)

static inline uint8_t count_ones(uint8_t x)
{
    const unsigned pairs = x - (x >> 1 & 0x55u), nibbles = (pairs & 0x33) + (pairs >> 2 & 0x33);

    return (uint8_t)((nibbles + (nibbles >> 4)) & 0xf);
}

static inline uint8_t reverse_bits(uint8_t x)
{
    const unsigned nibbles = (x & 0xf0u) >> 4 | (x & 0x0fu) << 4,
                   pairs = (nibbles & 0xcc) >> 2 | (nibbles & 0x33) << 2;

    return (uint8_t)((pairs & 0xaa) >> 1 | (pairs & 0x55) << 1);
}

void vop_cnt(VOP_ARGS)
{
    for (unsigned i = 0; i < 16; i++) {
        d->b[i] = count_ones(a->b[i]);
    }
    lanes_trim(d, imm);
}

void vop_rbit(VOP_ARGS)
{
    for (unsigned i = 0; i < 16; i++) {
        d->b[i] = reverse_bits(a->b[i]);
    }
    lanes_trim(d, imm);
}
