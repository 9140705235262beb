/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Integer SIMD: lane by lane without multiplication, across lanes, widening and narrowing additions. */
#include "engine/a64/simd.h"

/* --- Two operands -----------------------------------------------------------------------------*/

static void binary(struct tr *t, uint32_t w, enum ir_vop fn)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, fn, simd_rn(t, w), simd_rm(t, w), simd_form(w, SIMD_SIZE(w), 0)));
}

#define U(unsigned_fn, signed_fn) (SIMD_U(w) != 0 ? VOP_##unsigned_fn : VOP_##signed_fn)

SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_add_wrapping_single, binary(t, w, U(sub, add)))
SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_add_saturating, binary(t, w, U(uqadd, sqadd)))
SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_sub_saturating, binary(t, w, U(uqsub, sqsub)))
SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_cmp_bitwise, binary(t, w, U(cmeq, cmtst)))
SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_cmp_int,
                binary(t, w, A64_BIT(w, 11) != 0 ? U(cmhs, cmge) : U(cmhi, cmgt)))
SIMD_CLASS(vector_arithmetic_binary_uniform_add_halving_truncating, binary(t, w, U(uhadd, shadd)))
SIMD_CLASS(vector_arithmetic_binary_uniform_add_halving_rounding, binary(t, w, U(urhadd, srhadd)))
SIMD_CLASS(vector_arithmetic_binary_uniform_sub_int, binary(t, w, U(uhsub, shsub)))
SIMD_CLASS(vector_arithmetic_binary_uniform_max_min_single,
           binary(t, w, A64_BIT(w, 11) != 0 ? U(umin, smin) : U(umax, smax)))
SIMD_CLASS(vector_arithmetic_binary_uniform_max_min_pair,
           binary(t, w, A64_BIT(w, 11) != 0 ? U(uminp, sminp) : U(umaxp, smaxp)))
SIMD_CLASS(vector_arithmetic_binary_uniform_add_wrapping_pair, binary(t, w, VOP_addp))

/* SABD, UABD, SABA, UABA */
void a64_vector_arithmetic_binary_uniform_diff(struct tr *t, uint32_t w)
{
    const uint32_t form = simd_form(w, SIMD_SIZE(w), 0);
    const bool accumulates = A64_BIT(w, 11) != 0; /* what the form does not have is cleared then */
    ir_ref result = simd_vop2(t, U(uabd, sabd), simd_rn(t, w), simd_rm(t, w),
                              accumulates ? IR_VIMM(SIMD_SIZE(w), 1, 0) : form);

    if (accumulates) {
        result = simd_vop2(t, VOP_add, simd_rd(t, w), result, form);
    }
    tr_put_v(t, SIMD_RD(w), result);
}

/* --- One operand ------------------------------------------------------------------------------*/

static void unary(struct tr *t, uint32_t w, enum ir_vop fn)
{
    tr_put_v(t, SIMD_RD(w), simd_vop1(t, fn, simd_rn(t, w), simd_form(w, SIMD_SIZE(w), 0)));
}

static void zero_and_operand(struct tr *t, uint32_t w, enum ir_vop fn)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, fn, simd_zero(t), simd_rn(t, w), simd_form(w, SIMD_SIZE(w), 0)));
}

static void operand_and_zero(struct tr *t, uint32_t w, enum ir_vop fn)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, fn, simd_rn(t, w), simd_zero(t), simd_form(w, SIMD_SIZE(w), 0)));
}

/* NEG, ABS */
static void neg_abs(struct tr *t, uint32_t w)
{
    if (SIMD_U(w) != 0) {
        zero_and_operand(t, w, VOP_sub);
    } else {
        unary(t, w, VOP_abs);
    }
}

/* Against zero: CMGT, CMGE, CMEQ, CMLE */
static void compare_zero(struct tr *t, uint32_t w)
{
    switch (A64_BIT(w, 12) << 1 | SIMD_U(w)) {
    case 0:
        operand_and_zero(t, w, VOP_cmgt);
        break;
    case 1:
        operand_and_zero(t, w, VOP_cmge);
        break;
    case 2:
        operand_and_zero(t, w, VOP_cmeq);
        break;
    default:
        zero_and_operand(t, w, VOP_cmge);
        break;
    }
}

/* SUQADD, USQADD: Vd is an operand. */
static void accumulate_saturating(struct tr *t, uint32_t w)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, U(usqadd, suqadd), simd_rd(t, w), simd_rn(t, w),
                       simd_form(w, SIMD_SIZE(w), 0)));
}

static void narrow(struct tr *t, uint32_t w, enum ir_vop fn)
{
    simd_put_narrow(t, w, simd_vop1(t, fn, simd_rn(t, w), simd_form(w, SIMD_SIZE(w), 0)));
}

SIMD_SISD_CLASS(vector_arithmetic_unary_diff_neg_int, neg_abs(t, w))
SIMD_SISD_CLASS(vector_arithmetic_unary_diff_neg_sat, unary(t, w, U(sqneg, sqabs)))
SIMD_SISD_CLASS(vector_arithmetic_unary_cmp_int_bulk, compare_zero(t, w))
SIMD_SISD_CLASS(vector_arithmetic_unary_cmp_int_lessthan, zero_and_operand(t, w, VOP_cmgt))
SIMD_SISD_CLASS(vector_arithmetic_unary_add_saturating, accumulate_saturating(t, w))
SIMD_SISD_CLASS(vector_arithmetic_unary_extract_sat, narrow(t, w, U(uqxtn, sqxtn)))
SIMD_SISD_CLASS(vector_arithmetic_unary_extract_sqxtun, narrow(t, w, VOP_sqxtun))
SIMD_CLASS(vector_arithmetic_unary_extract_nosat, narrow(t, w, VOP_xtn))
SIMD_CLASS(vector_arithmetic_unary_clsz, unary(t, w, U(clz, cls)))
SIMD_CLASS(vector_arithmetic_unary_cnt, unary(t, w, VOP_cnt))

/* RBIT: the size field is part of the opcode. */
void a64_vector_arithmetic_unary_rbit(struct tr *t, uint32_t w)
{
    tr_put_v(t, SIMD_RD(w), simd_vop1(t, VOP_rbit, simd_rn(t, w), simd_form(w, 0, 0)));
}

void a64_vector_arithmetic_unary_not(struct tr *t, uint32_t w)
{
    tr_put_vq(t, simd_q(w), SIMD_RD(w),
              simd_bitwise(t, IR_VNOT, simd_rn(t, w), IR_REF_NONE, IR_REF_NONE));
}

/* REV64, REV32, REV16 */
void a64_vector_arithmetic_unary_rev(struct tr *t, uint32_t w)
{
    const unsigned group = 3 - (A64_BIT(w, 12) << 1 | SIMD_U(w));

    tr_put_v(t, SIMD_RD(w),
             simd_vop1(t, VOP_rev, simd_rn(t, w), simd_form(w, SIMD_SIZE(w), group)));
}

/* SADDLP, UADDLP, SADALP, UADALP */
void a64_vector_arithmetic_unary_add_pairwise(struct tr *t, uint32_t w)
{
    const unsigned size = SIMD_SIZE(w);
    const bool accumulates = A64_BIT(w, 14) != 0;
    ir_ref result = simd_vop1(t, U(uaddlp, saddlp), simd_rn(t, w),
                              accumulates ? IR_VIMM(size, 1, 0) : simd_form(w, size, 0));

    if (accumulates) {
        result = simd_vop2(t, VOP_add, simd_rd(t, w), result, simd_form(w, size + 1, 0));
    }
    tr_put_v(t, SIMD_RD(w), result);
}

/* --- Across all lanes -------------------------------------------------------------------------*/

SIMD_CLASS(vector_reduce_add_long, unary(t, w, U(uaddlv, saddlv)))
SIMD_CLASS(vector_reduce_add_simd, unary(t, w, VOP_addv))
SIMD_CLASS(vector_reduce_int_max,
           unary(t, w, A64_BIT(w, 16) != 0 ? U(uminv, sminv) : U(umaxv, smaxv)))

/* ADDP of a register's two doublewords */
void a64_vector_reduce_add_sisd(struct tr *t, uint32_t w)
{
    const ir_ref n = simd_rn(t, w);

    tr_put_v(
        t, SIMD_RD(w),
        simd_from64(t, 3, tr_op2(t, IR_ADD, IR_I64, tr_lane(t, n, 3, 0), tr_lane(t, n, 3, 1))));
}

/* --- Operands or result of another width ------------------------------------------------------*/

/* Half of v, as Q says, with lanes of twice the width. */
static ir_ref widen(struct tr *t, uint32_t w, ir_ref v)
{
    return simd_vop1(t, U(uxtl, sxtl), v, IR_VIMM(SIMD_SIZE(w), 1, simd_q(w)));
}

static void put_wide_sum(struct tr *t, uint32_t w, ir_ref a, ir_ref b)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, A64_BIT(w, 13) != 0 ? VOP_sub : VOP_add, a, b,
                       IR_VIMM(SIMD_SIZE(w) + 1, 1, 0)));
}

SIMD_CLASS(vector_arithmetic_binary_disparate_add_sub_long,
           put_wide_sum(t, w, widen(t, w, simd_rn(t, w)), widen(t, w, simd_rm(t, w))))
SIMD_CLASS(vector_arithmetic_binary_disparate_add_sub_wide,
           put_wide_sum(t, w, simd_rn(t, w), widen(t, w, simd_rm(t, w))))

/* ADDHN, RADDHN, SUBHN, RSUBHN: the high halves of the wide lanes. The carry that rounding can make is beyond them. */
void a64_vector_arithmetic_binary_disparate_add_sub_narrow(struct tr *t, uint32_t w)
{
    const unsigned size = SIMD_SIZE(w);
    const ir_ref sum = simd_vop2(t, A64_BIT(w, 13) != 0 ? VOP_sub : VOP_add, simd_rn(t, w),
                                 simd_rm(t, w), IR_VIMM(size + 1, 1, 0));
    const ir_ref high = simd_vop1(t, U(urshr, ushr), sum, IR_VIMM(size + 1, 1, 8u << size));

    simd_put_narrow(t, w, simd_vop1(t, VOP_xtn, high, IR_VIMM(size, 0, 0)));
}

/* SABDL, UABDL, SABAL, UABAL: a difference fits into its lane as an unsigned number. */
void a64_vector_arithmetic_binary_disparate_diff(struct tr *t, uint32_t w)
{
    const unsigned size = SIMD_SIZE(w);
    ir_ref result = simd_vop2(t, U(uabd, sabd), simd_rn(t, w), simd_rm(t, w), IR_VIMM(size, 1, 0));

    result = simd_vop1(t, VOP_uxtl, result, IR_VIMM(size, 1, simd_q(w)));
    if (A64_BIT(w, 13) == 0) {
        result = simd_vop2(t, VOP_add, simd_rd(t, w), result, IR_VIMM(size + 1, 1, 0));
    }
    tr_put_v(t, SIMD_RD(w), result);
}
