/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Functions between lanes of one size and lanes of twice the size. */
#include "engine/simd/lanes.h"

/* --- Widening ---------------------------------------------------------------------------------*/

/* In the expression: x and y are lanes of the chosen half of a and b; L is twice as wide as they are, and signed. */
#define WIDEN_LOOP(bits, field, wide_bits, wide_field, expr)                                    \
    {                                                                                           \
        LANES_TYPES(bits, int##wide_bits##_t)                                                   \
        const unsigned first = IR_VIMM_EXTRA(imm) != 0 ? 64 / bits : 0;                         \
        for (unsigned i = 0; i < 64 / bits; i++) {                                              \
            const U LANES_UNUSED x = a->field[first + i], LANES_UNUSED y = b->field[first + i]; \
            d->wide_field[i] = (uint##wide_bits##_t)(expr);                                     \
        }                                                                                       \
    }

#define VOP_WIDEN(name, expr)              \
    void vop_##name(VOP_ARGS)              \
    {                                      \
        switch (IR_VIMM_LANE(imm)) {       \
        case 0:                            \
            WIDEN_LOOP(8, b, 16, h, expr)  \
            break;                         \
        case 1:                            \
            WIDEN_LOOP(16, h, 32, s, expr) \
            break;                         \
        default:                           \
            WIDEN_LOOP(32, s, 64, d, expr) \
            break;                         \
        }                                  \
    }

VOP_WIDEN(sxtl, (L)(S)x)
VOP_WIDEN(uxtl, x)
VOP_WIDEN(smull, (L)(S)x *(S)y)
VOP_WIDEN(umull, (uint64_t)x *y)

/* 2ab is too large in one case: both are the most negative number. */
static inline int64_t double_product(int64_t x, int64_t y, int64_t min, bool *sat)
{
    if (x == min && y == min) {
        *sat = true;
        return 2 * (min * min - 1) + 1;
    }
    return 2 * x * y;
}

void vop_sqdmull(VOP_ARGS)
{
    const bool scalar = (imm & IR_VIMM_SCALAR) != 0;
    const unsigned high = IR_VIMM_EXTRA(imm) != 0;
    bool sat = false;

    *d = (v128){.d = {0, 0}};
    if (IR_VIMM_LANE(imm) == 1) {
        for (unsigned i = 0; i < (scalar ? 1 : 4); i++) {
            d->s[i] = (uint32_t)double_product(a->sh[4 * high + i], b->sh[4 * high + i], INT16_MIN,
                                               &sat);
        }
    } else {
        for (unsigned i = 0; i < (scalar ? 1 : 2); i++) {
            d->d[i] = (uint64_t)double_product(a->ss[2 * high + i], b->ss[2 * high + i], INT32_MIN,
                                               &sat);
        }
    }
    lanes_set_qc(cpu, sat);
}

/* PolynomialMult(): a product without carries. */
static inline unsigned polynomial_product8(unsigned x, unsigned y)
{
    unsigned product = 0;

    for (unsigned bit = 0; bit < 8; bit++) {
        product ^= (y >> bit & 1) * (x << bit);
    }
    return product;
}

static v128 polynomial_product64(uint64_t x, uint64_t y)
{
    const unsigned __int128 wide = x;
    v128 product = {.q = 0};

    for (unsigned bit = 0; bit < 64; bit++) {
        product.q ^= (y >> bit & 1) != 0 ? wide << bit : 0;
    }
    return product;
}

void vop_pmul(VOP_ARGS)
{
    for (unsigned i = 0; i < 16; i++) {
        d->b[i] = (uint8_t)polynomial_product8(a->b[i], b->b[i]);
    }
    lanes_trim(d, imm);
}

void vop_pmull(VOP_ARGS)
{
    const unsigned high = IR_VIMM_EXTRA(imm) != 0;

    if (IR_VIMM_LANE(imm) == 3) {
        *d = polynomial_product64(a->d[high], b->d[high]);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        d->h[i] = (uint16_t)polynomial_product8(a->b[8 * high + i], b->b[8 * high + i]);
    }
}

#define ADDLP_LOOP(bits, field, wide_bits, wide_field, type)                                 \
    for (unsigned i = 0; i < 128 / wide_bits; i++) {                                         \
        d->wide_field[i] = (uint##wide_bits##_t)((int##wide_bits##_t)(type)a->field[2 * i] + \
                                                 (type)a->field[2 * i + 1]);                 \
    }

#define VOP_ADDLP(name, type8, type16, type32) \
    void vop_##name(VOP_ARGS)                  \
    {                                          \
        switch (IR_VIMM_LANE(imm)) {           \
        case 0:                                \
            ADDLP_LOOP(8, b, 16, h, type8)     \
            break;                             \
        case 1:                                \
            ADDLP_LOOP(16, h, 32, s, type16)   \
            break;                             \
        default:                               \
            ADDLP_LOOP(32, s, 64, d, type32)   \
            break;                             \
        }                                      \
        lanes_trim(d, imm & ~IR_VIMM_SCALAR);  \
    }

VOP_ADDLP(saddlp, int8_t, int16_t, int32_t)
VOP_ADDLP(uaddlp, uint8_t, uint16_t, uint32_t)

/* --- Narrowing --------------------------------------------------------------------------------*/

/* In the expression: x is the wide lane, sx the same signed; U, S and W are of the narrow lane; L holds every wide lane. */
#define NARROW_LOOP(bits, field, wide_bits, wide_field, wide_signed, wide, expr) \
    {                                                                            \
        LANES_TYPES(bits, wide)                                                  \
        for (unsigned i = 0; i < n; i++) {                                       \
            const uint##wide_bits##_t LANES_UNUSED x = a->wide_field[i];         \
            const int##wide_bits##_t LANES_UNUSED sx = a->wide_signed[i];        \
            d->field[i] = (U)(expr);                                             \
        }                                                                        \
    }

#define VOP_NARROW(name, expr)                                \
    void vop_##name(VOP_ARGS)                                 \
    {                                                         \
        const unsigned n = lanes_of(imm & ~IR_VIMM(0, 1, 0)); \
        bool sat = false;                                     \
                                                              \
        *d = (v128){.d = {0, 0}};                             \
        switch (IR_VIMM_LANE(imm)) {                          \
        case 0:                                               \
            NARROW_LOOP(8, b, 16, h, sh, int32_t, expr)       \
            break;                                            \
        case 1:                                               \
            NARROW_LOOP(16, h, 32, s, ss, int64_t, expr)      \
            break;                                            \
        default:                                              \
            NARROW_LOOP(32, s, 64, d, sd, int128, expr)       \
            break;                                            \
        }                                                     \
        lanes_set_qc(cpu, sat);                               \
    }

VOP_NARROW(xtn, x)
VOP_NARROW(sqxtn, SATS((L)sx))
VOP_NARROW(uqxtn, SATU((L)x))
VOP_NARROW(sqxtun, SATU((L)sx))
