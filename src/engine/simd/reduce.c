/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Functions of neighbouring lanes, and of all lanes. */
#include "engine/simd/lanes.h"

/* --- Pairs ------------------------------------------------------------------------------------*/

/* In the expression: x and y are the two neighbours. */
#define PAIRS_LOOP(bits, field, wide, expr)                                                     \
    {                                                                                           \
        LANES_TYPES(bits, wide)                                                                 \
        for (unsigned i = 0; i < n; i++) {                                                      \
            const v128 *from = i < n / 2 ? a : b;                                               \
            const U x = from->field[2 * (i % (n / 2))], y = from->field[2 * (i % (n / 2)) + 1]; \
            d->field[i] = (U)(expr);                                                            \
        }                                                                                       \
    }

#define VOP_PAIRS(name, expr)                               \
    void vop_##name(VOP_ARGS)                               \
    {                                                       \
        const unsigned n = lanes_of(imm & ~IR_VIMM_SCALAR); \
                                                            \
        *d = (v128){.d = {0, 0}};                           \
        LANES_SWITCH(PAIRS_LOOP, expr)                      \
    }

VOP_PAIRS(addp, 1u * x + y)
VOP_PAIRS(smaxp, (S)x > (S)y ? x : y)
VOP_PAIRS(sminp, (S)x < (S)y ? x : y)
VOP_PAIRS(umaxp, x > y ? x : y)
VOP_PAIRS(uminp, x < y ? x : y)

/* --- All lanes --------------------------------------------------------------------------------*/

/* In the expression: x is what has been gathered, y the next lane. */
#define ACROSS_LOOP(bits, field, wide, expr) \
    {                                        \
        LANES_TYPES(bits, wide)              \
        U x = a->field[0];                   \
        for (unsigned i = 1; i < n; i++) {   \
            const U y = a->field[i];         \
            x = (U)(expr);                   \
        }                                    \
        d->field[0] = x;                     \
    }

#define VOP_ACROSS(name, expr)                              \
    void vop_##name(VOP_ARGS)                               \
    {                                                       \
        const unsigned n = lanes_of(imm & ~IR_VIMM_SCALAR); \
                                                            \
        *d = (v128){.d = {0, 0}};                           \
        LANES_SWITCH(ACROSS_LOOP, expr)                     \
    }

VOP_ACROSS(addv, 1u * x + y)
VOP_ACROSS(smaxv, (S)x > (S)y ? x : y)
VOP_ACROSS(sminv, (S)x < (S)y ? x : y)
VOP_ACROSS(umaxv, x > y ? x : y)
VOP_ACROSS(uminv, x < y ? x : y)

void vop_saddlv(VOP_ARGS)
{
    const unsigned n = lanes_of(imm & ~IR_VIMM_SCALAR), lane = IR_VIMM_LANE(imm);
    int64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += lane == 0 ? a->sb[i] : lane == 1 ? a->sh[i] : a->ss[i & 3];
    }
    *d = (v128){.d = {(uint64_t)sum & UINT64_MAX >> (64 - (16u << (lane < 2 ? lane : 2))), 0}};
}

void vop_uaddlv(VOP_ARGS)
{
    const unsigned n = lanes_of(imm & ~IR_VIMM_SCALAR), lane = IR_VIMM_LANE(imm);
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++) {
        sum += lane == 0 ? a->b[i] : lane == 1 ? a->h[i] : a->s[i & 3];
    }
    *d = (v128){.d = {sum, 0}};
}

/* --- Products of bytes, added to words --------------------------------------------------------*/

static inline uint32_t dot4(const int8_t *x, const int8_t *y, bool x_signed, bool y_signed)
{
    int32_t sum = 0;

    for (unsigned i = 0; i < 4; i++) {
        sum += (x_signed ? x[i] : (uint8_t)x[i]) * (y_signed ? y[i] : (uint8_t)y[i]);
    }
    return (uint32_t)sum;
}

#define VOP_DOT(name, x_signed, y_signed)                                               \
    void vop_##name(VOP_ARGS)                                                           \
    {                                                                                   \
        for (unsigned i = 0; i < 4; i++) {                                              \
            d->s[i] = c->s[i] + dot4(&a->sb[4 * i], &b->sb[4 * i], x_signed, y_signed); \
        }                                                                               \
        lanes_trim(d, imm & ~IR_VIMM_SCALAR);                                           \
    }

VOP_DOT(sdot, true, true)
VOP_DOT(udot, false, false)
VOP_DOT(usdot, false, true)

/* MatMulAdd(): word 2i + j gains row i of a times row j of b. */
#define VOP_MATRIX(name, x_signed, y_signed)                                 \
    void vop_##name(VOP_ARGS)                                                \
    {                                                                        \
        for (unsigned i = 0; i < 4; i++) {                                   \
            const int8_t *x = &a->sb[8 * (i / 2)], *y = &b->sb[8 * (i % 2)]; \
            d->s[i] = c->s[i] + dot4(x, y, x_signed, y_signed) +             \
                      dot4(x + 4, y + 4, x_signed, y_signed);                \
        }                                                                    \
    }

VOP_MATRIX(smmla, true, true)
VOP_MATRIX(ummla, false, false)
VOP_MATRIX(usmmla, false, true)
