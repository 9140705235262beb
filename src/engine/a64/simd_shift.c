/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Integer SIMD shifts. */
#include "engine/a64/simd.h"

#define U(unsigned_fn, signed_fn) (SIMD_U(w) != 0 ? VOP_##unsigned_fn : VOP_##signed_fn)

/* --- By a register ----------------------------------------------------------------------------*/

static void shift_register(struct tr *t, uint32_t w)
{
    static const enum ir_vop functions[8] = {
        /* R S U */
        VOP_sshl, VOP_ushl, VOP_sqshl, VOP_uqshl, VOP_srshl, VOP_urshl, VOP_sqrshl, VOP_uqrshl,
    };

    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, functions[A64_FIELD(w, 12, 11) << 1 | SIMD_U(w)], simd_rn(t, w),
                       simd_rm(t, w), simd_form(w, SIMD_SIZE(w), 0)));
}

SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_shift, shift_register(t, w))

/* --- By an immediate --------------------------------------------------------------------------*/

/* immh:immb: the highest set bit is the lane size, the bits below it are the amount. */
static unsigned immediate_size(uint32_t w)
{
    return 31 - (unsigned)__builtin_clz(A64_FIELD(w, 22, 19) | 1);
}

static unsigned left_amount(uint32_t w)
{
    return A64_FIELD(w, 22, 16) - (8u << immediate_size(w));
}

static unsigned right_amount(uint32_t w)
{
    return (16u << immediate_size(w)) - A64_FIELD(w, 22, 16);
}

/* The same number in each lane of the form. */
static ir_ref vector_constant(struct tr *t, unsigned size, uint64_t value)
{
    return simd_dup(t, size, tr_const(t, value));
}

/* SSHR, USHR, SSRA, USRA, SRSHR, URSHR, SRSRA, URSRA */
static void shift_right(struct tr *t, uint32_t w)
{
    const unsigned size = immediate_size(w);
    const enum ir_vop fn = A64_BIT(w, 13) != 0 ? U(urshr, srshr) : U(ushr, sshr);
    const bool accumulates = A64_BIT(w, 12) != 0; /* what the form does not have is cleared then */
    ir_ref result = simd_vop1(t, fn, simd_rn(t, w),
                              accumulates ? IR_VIMM(size, 1, right_amount(w))
                                          : simd_form(w, size, right_amount(w)));

    if (accumulates) {
        result = simd_vop2(t, VOP_add, simd_rd(t, w), result, simd_form(w, size, 0));
    }
    tr_put_v(t, SIMD_RD(w), result);
}

/* SHL */
static void shift_left(struct tr *t, uint32_t w)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop1(t, VOP_shl, simd_rn(t, w), simd_form(w, immediate_size(w), left_amount(w))));
}

/* SLI, SRI: mask has the bits of a lane that Vn's shifted lane fills; Vd keeps the others. What the form has not is zero in both. */
static void insert(struct tr *t, uint32_t w, ir_ref shifted, uint64_t mask)
{
    const unsigned size = immediate_size(w), bits = 8u << size;
    uint64_t keep = ~mask & UINT64_MAX >> (64 - bits);

    for (unsigned i = bits; i < 64; i *= 2) {
        keep |= keep << i;
    }
    const ir_ref kept = simd_bitwise(t, IR_VAND, simd_rd(t, w),
                                     simd_q(w) != 0 ? vector_constant(t, 3, keep)
                                                    : simd_from64(t, 3, tr_const(t, keep)),
                                     IR_REF_NONE);

    tr_put_v(t, SIMD_RD(w), simd_bitwise(t, IR_VOR, kept, shifted, IR_REF_NONE));
}

static void shift_left_insert(struct tr *t, uint32_t w)
{
    const unsigned size = immediate_size(w), by = left_amount(w);

    insert(t, w, simd_vop1(t, VOP_shl, simd_rn(t, w), simd_form(w, size, by)), UINT64_MAX << by);
}

static void shift_right_insert(struct tr *t, uint32_t w)
{
    const unsigned size = immediate_size(w), bits = 8u << size, by = right_amount(w);

    insert(t, w, simd_vop1(t, VOP_ushr, simd_rn(t, w), simd_form(w, size, by)),
           by == bits ? 0 : UINT64_MAX >> (64 - bits) >> by);
}

/* SQSHL, UQSHL, SQSHLU: the register form with the same amount everywhere. */
static void shift_left_saturating(struct tr *t, uint32_t w)
{
    const unsigned size = immediate_size(w);
    const enum ir_vop fn = A64_BIT(w, 12) != 0 ? U(uqshl, sqshl) : VOP_sqshlu;

    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, fn, simd_rn(t, w), vector_constant(t, size, left_amount(w)),
                       simd_form(w, size, 0)));
}

SIMD_SISD_CLASS(vector_shift_right, shift_right(t, w))
SIMD_SISD_CLASS(vector_shift_left, shift_left(t, w))
SIMD_SISD_CLASS(vector_shift_left_insert, shift_left_insert(t, w))
SIMD_SISD_CLASS(vector_shift_right_insert, shift_right_insert(t, w))
SIMD_SISD_CLASS(vector_shift_left_sat, shift_left_saturating(t, w))

/* --- With another width -----------------------------------------------------------------------*/

static void widen_and_shift(struct tr *t, uint32_t w, enum ir_vop fn, unsigned size, unsigned by)
{
    ir_ref result = simd_vop1(t, fn, simd_rn(t, w), IR_VIMM(size, 1, simd_q(w)));

    if (by != 0) {
        result = simd_vop1(t, VOP_shl, result, IR_VIMM(size + 1, 1, by));
    }
    tr_put_v(t, SIMD_RD(w), result);
}

/* SSHLL, USHLL, and SXTL and UXTL among them */
SIMD_CLASS(vector_shift_left_long,
           widen_and_shift(t, w, U(uxtl, sxtl), immediate_size(w), left_amount(w)))
/* SHLL, by the size of the narrow lane */
SIMD_CLASS(vector_arithmetic_unary_shift,
           widen_and_shift(t, w, VOP_uxtl, SIMD_SIZE(w), 8u << SIMD_SIZE(w)))

/* The rounded value can be one larger than the shifted one, but always fits into the wide lane. */
static void shift_and_narrow(struct tr *t, uint32_t w, enum ir_vop shift,
                             enum ir_vop rounding_shift, enum ir_vop narrow)
{
    const unsigned size = immediate_size(w);
    const ir_ref shifted = simd_vop1(t, A64_BIT(w, 11) != 0 ? rounding_shift : shift, simd_rn(t, w),
                                     IR_VIMM(size + 1, 1, right_amount(w)));

    simd_put_narrow(t, w, simd_vop1(t, narrow, shifted, simd_form(w, size, 0)));
}

SIMD_CLASS(vector_shift_right_narrow_logical, shift_and_narrow(t, w, VOP_ushr, VOP_urshr, VOP_xtn))
SIMD_SISD_CLASS(vector_shift_right_narrow_uniform,
                shift_and_narrow(t, w, U(ushr, sshr), U(urshr, srshr), U(uqxtn, sqxtn)))
SIMD_SISD_CLASS(vector_shift_right_narrow_nonuniform,
                shift_and_narrow(t, w, VOP_sshr, VOP_srshr, VOP_sqxtun))
