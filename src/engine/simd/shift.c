/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Shifts by an immediate and by a register. */
#include "engine/simd/lanes.h"

/* --- By an immediate --------------------------------------------------------------------------*/

#define AMOUNT IR_VIMM_EXTRA(imm)

/* The counts of the architecture are 1 to W on the way right; C stops at W - 1. A rounding shift adds the last bit that leaves. */
VOP_LANES(shl, 1u * x << (AMOUNT & (W - 1)))
VOP_LANES(sshr, (S)x >> (AMOUNT < W ? AMOUNT : W - 1))
VOP_LANES(ushr, AMOUNT < W ? x >> AMOUNT : 0)
VOP_LANES(srshr,
          AMOUNT < W ? 1u * (U)((S)x >> AMOUNT) + (U)((S)x >> ((AMOUNT - 1) & (W - 1)) & 1) : 0)
VOP_LANES(urshr, 1u * (U)(AMOUNT < W ? x >> AMOUNT : 0) + (U)(x >> ((AMOUNT - 1) & (W - 1)) & 1u))
VOP_LANES(ror, 1u * x >> (AMOUNT & (W - 1)) | 1u * x << (-AMOUNT & (W - 1)))

/* --- By a register ----------------------------------------------------------------------------*/

/*
 * The pseudocode shifts integers without bounds. A lane of width w comes as 64 bits, sign- or zero-extended; the caller truncates
 * the result. shift is -128 to 127.
 */
static inline int64_t shift_right_signed(int64_t x, unsigned by, unsigned w, bool rounding)
{
    if (by >= w) {
        return !rounding && x < 0 ? -1 : 0; /* rounding: |x| is at most half of 1 << by */
    }
    return (x >> by) + (rounding ? x >> (by - 1) & 1 : 0);
}

static inline uint64_t shift_right_unsigned(uint64_t x, unsigned by, unsigned w, bool rounding)
{
    const uint64_t last_out = by <= w ? x >> (by - 1) & 1 : 0;

    return (by < w ? x >> by : 0) + (rounding ? last_out : 0);
}

static inline uint64_t shift_signed(int64_t x, int shift, unsigned w, bool rounding)
{
    if (shift < 0) {
        return (uint64_t)shift_right_signed(x, (unsigned)-shift, w, rounding);
    }
    return (unsigned)shift < w ? (uint64_t)x << shift : 0;
}

static inline uint64_t shift_unsigned(uint64_t x, int shift, unsigned w, bool rounding)
{
    if (shift < 0) {
        return shift_right_unsigned(x, (unsigned)-shift, w, rounding);
    }
    return (unsigned)shift < w ? x << shift : 0;
}

static inline uint64_t shift_signed_sat(int64_t x, int shift, unsigned w, bool rounding, bool *sat)
{
    const int64_t max = INT64_MAX >> (64 - w);

    if (shift < 0) {
        return (uint64_t)shift_right_signed(x, (unsigned)-shift, w, rounding);
    }
    if (x == 0) {
        return 0;
    }
    if ((unsigned)shift >= w || x > max >> shift || x < (-max - 1) >> shift) {
        *sat = true;
        return (uint64_t)(x < 0 ? -max - 1 : max);
    }
    return (uint64_t)x << shift;
}

static inline uint64_t shift_unsigned_sat(uint64_t x, int shift, unsigned w, bool rounding,
                                          bool *sat)
{
    const uint64_t max = UINT64_MAX >> (64 - w);

    if (shift < 0) {
        return shift_right_unsigned(x, (unsigned)-shift, w, rounding);
    }
    if (x == 0) {
        return 0;
    }
    if ((unsigned)shift >= w || x > max >> shift) {
        *sat = true;
        return max;
    }
    return x << shift;
}

/* SQSHLU: the shift is an immediate, never negative. */
static inline uint64_t shift_signed_to_unsigned(int64_t x, int shift, unsigned w, bool *sat)
{
    if (x < 0) {
        *sat = true;
        return 0;
    }
    return shift_unsigned_sat((uint64_t)x, shift, w, false, sat);
}

#define SHIFT ((int8_t)y)
VOP_LANES(sshl, shift_signed((S)x, SHIFT, W, false))
VOP_LANES(ushl, shift_unsigned(x, SHIFT, W, false))
VOP_LANES(srshl, shift_signed((S)x, SHIFT, W, true))
VOP_LANES(urshl, shift_unsigned(x, SHIFT, W, true))
VOP_LANES_QC(sqshl, shift_signed_sat((S)x, SHIFT, W, false, &sat))
VOP_LANES_QC(uqshl, shift_unsigned_sat(x, SHIFT, W, false, &sat))
VOP_LANES_QC(sqrshl, shift_signed_sat((S)x, SHIFT, W, true, &sat))
VOP_LANES_QC(uqrshl, shift_unsigned_sat(x, SHIFT, W, true, &sat))
VOP_LANES_QC(sqshlu, shift_signed_to_unsigned((S)x, SHIFT, W, &sat))
