/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Floating point of Advanced SIMD, vector and scalar forms. Most operations have four classes: FP32/FP64 with the size in bit 22
 * or FP16, and vector (simd, Q in bit 30) or scalar (sisd). The meaning is one function; FORMS defines the four from it.
 */
#include "engine/a64/classes.h"
#include "engine/a64/translate.h"
#include "engine/fp/fp.h"
#include "engine/fp/fp_vops.h"

#define CLASS(name) void a64_##name(struct tr *t, uint32_t w)

#define RD A64_FIELD(w, 4, 0)
#define RN A64_FIELD(w, 9, 5)
#define RM A64_FIELD(w, 20, 16)

#define SZ(w)         (2u + A64_BIT(w, 22))
#define SIMD(w, lane) IR_VIMM(lane, A64_BIT(w, 30), 0)
#define SISD(lane)    ((lane) | IR_VIMM_SCALAR)

#define SIMD_FORM(name, meaning)       \
    CLASS(name)                        \
    {                                  \
        meaning(t, w, SIMD(w, SZ(w))); \
    }
#define SIMD_FORM_H(name, meaning)    \
    CLASS(name)                       \
    {                                 \
        meaning(t, w, SIMD(w, FP_H)); \
    }
#define SISD_FORM(name, meaning)    \
    CLASS(name)                     \
    {                               \
        meaning(t, w, SISD(SZ(w))); \
    }
#define SISD_FORM_H(name, meaning)           \
    CLASS(name)                              \
    {                                        \
        meaning(t, w, SISD((unsigned)FP_H)); \
    }
/* before and after: the name around "float" or "fp" (type) and "fp16" */
#define FORMS(before, type, after, meaning)          \
    SIMD_FORM(before##type##after##_simd, meaning)   \
    SIMD_FORM_H(before##fp16##after##_simd, meaning) \
    SISD_FORM(before##type##after##_sisd, meaning)   \
    SISD_FORM_H(before##fp16##after##_sisd, meaning)

static ir_ref zero_vector(struct tr *t)
{
    return tr_node(t, IR_VFROM64, 3, 0, tr_const(t, 0), IR_REF_NONE, IR_REF_NONE, 0, 0);
}

/* --- Two registers ----------------------------------------------------------------------------------------------------------- */

/* The functions merge upper lanes in scalar forms only, so that the flag may stand in the vector forms' imm as well. */
static void binary(struct tr *t, uint32_t w, enum ir_vop fn, uint32_t imm)
{
    tr_put_v(t, RD, tr_vop(t, fn, tr_get_v(t, RN), tr_get_v(t, RM), IR_REF_NONE, imm));
}

static uint32_t pair_if_u(uint32_t w)
{
    return A64_BIT(w, 29) ? FP_VMODE_PAIR : FP_VMODE_PLAIN;
}

static void add(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, VOP_fadd, imm | pair_if_u(w));
}

static void sub(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, A64_BIT(w, 29) ? VOP_fabd : VOP_fsub, imm | FP_VMERGE_A);
}

static void mul(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, VOP_fmul, imm);
}

static void mulx(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, VOP_fmulx, imm | FP_VMERGE_A);
}

static void divide(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, VOP_fdiv, imm);
}

static void recps(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, VOP_frecps, imm | FP_VMERGE_A);
}

static void rsqrts(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, VOP_frsqrts, imm | FP_VMERGE_A);
}

static void max_min_1985(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, A64_BIT(w, 23) ? VOP_fmin : VOP_fmax, imm | pair_if_u(w));
}

static void max_min_2008(struct tr *t, uint32_t w, uint32_t imm)
{
    binary(t, w, A64_BIT(w, 23) ? VOP_fminnm : VOP_fmaxnm, imm | pair_if_u(w));
}

static void compare(struct tr *t, uint32_t w, uint32_t imm)
{
    const bool absolute = A64_BIT(w, 11) != 0;
    enum ir_vop fn;

    if (!A64_BIT(w, 29)) {
        fn = VOP_fcmeq;
    } else if (A64_BIT(w, 23)) {
        fn = absolute ? VOP_facgt : VOP_fcmgt;
    } else {
        fn = absolute ? VOP_facge : VOP_fcmge;
    }
    binary(t, w, fn, imm | FP_VMERGE_B);
}

static void mla(struct tr *t, uint32_t w, uint32_t imm)
{
    imm |= A64_BIT(w, 23) ? FP_VNEG_PRODUCT : 0;
    tr_put_v(t, RD, tr_vop(t, VOP_fmla, tr_get_v(t, RN), tr_get_v(t, RM), tr_get_v(t, RD), imm));
}

// clang-format off
SIMD_FORM(vector_arithmetic_binary_uniform_add_fp, add)
SIMD_FORM_H(vector_arithmetic_binary_uniform_add_fp16, add)
SIMD_FORM(vector_arithmetic_binary_uniform_sub_fp_simd, sub)
SIMD_FORM_H(vector_arithmetic_binary_uniform_sub_fp16_simd, sub)
SISD_FORM(vector_arithmetic_binary_uniform_sub_fp_sisd, sub)
SISD_FORM_H(vector_arithmetic_binary_uniform_sub_fp16_sisd, sub)
SIMD_FORM(vector_arithmetic_binary_uniform_mul_fp_product, mul)
SIMD_FORM_H(vector_arithmetic_binary_uniform_mul_fp16_product, mul)
SIMD_FORM(vector_arithmetic_binary_uniform_div, divide)
SIMD_FORM_H(vector_arithmetic_binary_uniform_div_fp16, divide)
FORMS(vector_arithmetic_binary_uniform_mul_, fp, _extended, mulx)
SIMD_FORM(vector_arithmetic_binary_uniform_recps_simd, recps)
SIMD_FORM_H(vector_arithmetic_binary_uniform_recps_fp16_simd, recps)
SISD_FORM(vector_arithmetic_binary_uniform_recps_sisd, recps)
SISD_FORM_H(vector_arithmetic_binary_uniform_recps_fp16_sisd, recps)
SIMD_FORM(vector_arithmetic_binary_uniform_rsqrts_simd, rsqrts)
SIMD_FORM_H(vector_arithmetic_binary_uniform_rsqrts_fp16_simd, rsqrts)
SISD_FORM(vector_arithmetic_binary_uniform_rsqrts_sisd, rsqrts)
SISD_FORM_H(vector_arithmetic_binary_uniform_rsqrts_fp16_sisd, rsqrts)
SIMD_FORM(vector_arithmetic_binary_uniform_max_min_fp_1985, max_min_1985)
SIMD_FORM_H(vector_arithmetic_binary_uniform_max_min_fp16_1985, max_min_1985)
SIMD_FORM(vector_arithmetic_binary_uniform_max_min_fp_2008, max_min_2008)
SIMD_FORM_H(vector_arithmetic_binary_uniform_max_min_fp16_2008, max_min_2008)
FORMS(vector_arithmetic_binary_uniform_cmp_, fp, , compare)
SIMD_FORM(vector_arithmetic_binary_uniform_mul_fp_fused, mla)
SIMD_FORM_H(vector_arithmetic_binary_uniform_mul_fp16_fused, mla)
// clang-format on

/* --- By element -------------------------------------------------------------------------------------------------------------- */

struct element {
    ir_ref v;
    uint32_t imm;
};

/* The element of Rm that an indexed form multiplies by; size: log2 of its bytes. A 16-bit one takes M for its index. */
static struct element element_of(struct tr *t, uint32_t w, unsigned size)
{
    const unsigned h = A64_BIT(w, 11), l = A64_BIT(w, 21), m = A64_BIT(w, 20);

    switch (size) {
    case 1:
        return (struct element){tr_get_v(t, A64_FIELD(w, 19, 16)), FP_VELEM(h << 2 | l << 1 | m)};
    case 2:
        return (struct element){tr_get_v(t, RM), FP_VELEM(h << 1 | l)};
    default:
        return (struct element){tr_get_v(t, RM), FP_VELEM(h)};
    }
}

static void element_mul(struct tr *t, uint32_t w, uint32_t imm)
{
    const struct element e = element_of(t, w, IR_VIMM_LANE(imm));

    tr_put_v(t, RD,
             tr_vop(t, A64_BIT(w, 29) ? VOP_fmulx : VOP_fmul, tr_get_v(t, RN), e.v, IR_REF_NONE,
                    imm | e.imm | FP_VMERGE_A));
}

static void element_mla(struct tr *t, uint32_t w, uint32_t imm)
{
    const struct element e = element_of(t, w, IR_VIMM_LANE(imm));

    imm |= e.imm | FP_VMERGE_C | (A64_BIT(w, 14) ? FP_VNEG_PRODUCT : 0);
    tr_put_v(t, RD, tr_vop(t, VOP_fmla, tr_get_v(t, RN), e.v, tr_get_v(t, RD), imm));
}

// clang-format off
FORMS(vector_arithmetic_binary_element_mul_, fp, , element_mul)
FORMS(vector_arithmetic_binary_element_mul_acc_, fp, , element_mla)
// clang-format on

/* --- Widening multiply-add, BFloat16 ----------------------------------------------------------------------------------------- */

static void widening(struct tr *t, uint32_t w, bool subtract, bool upper)
{
    const uint32_t imm = SIMD(w, FP_S) | (subtract ? FP_VNEG_PRODUCT : 0) | (upper ? FP_VUPPER : 0);

    tr_put_v(t, RD, tr_vop(t, VOP_fmlal, tr_get_v(t, RN), tr_get_v(t, RM), tr_get_v(t, RD), imm));
}

static void element_widening(struct tr *t, uint32_t w, bool upper)
{
    const struct element e = element_of(t, w, 1);
    const uint32_t imm = SIMD(w, FP_S) | e.imm | (A64_BIT(w, 14) ? FP_VNEG_PRODUCT : 0) |
                         (upper ? FP_VUPPER : 0);

    tr_put_v(t, RD, tr_vop(t, VOP_fmlal, tr_get_v(t, RN), e.v, tr_get_v(t, RD), imm));
}

CLASS(vector_arithmetic_binary_uniform_mul_fp_mul_norounding_lower)
{
    widening(t, w, A64_BIT(w, 23) != 0, false);
}

CLASS(vector_arithmetic_binary_uniform_mul_fp_mul_norounding_upper)
{
    widening(t, w, A64_BIT(w, 23) != 0, true);
}

CLASS(vector_arithmetic_binary_element_mul_acc_mul_norounding_i_lower)
{
    element_widening(t, w, false);
}

CLASS(vector_arithmetic_binary_element_mul_acc_mul_norounding_i_upper)
{
    element_widening(t, w, true);
}

/* BFMLALB and BFMLALT: bit 30 is the T. */
static uint32_t bfmlal_imm(uint32_t w)
{
    return IR_VIMM(FP_S, 1, 0) | (A64_BIT(w, 30) ? FP_VUPPER : 0);
}

CLASS(vector_arithmetic_binary_uniform_mul_acc_bf16_long)
{
    tr_put_v(
        t, RD,
        tr_vop(t, VOP_bfmlal, tr_get_v(t, RN), tr_get_v(t, RM), tr_get_v(t, RD), bfmlal_imm(w)));
}

CLASS(vector_arithmetic_binary_element_mul_acc_bf16_long)
{
    const struct element e = element_of(t, w, 1);

    tr_put_v(t, RD,
             tr_vop(t, VOP_bfmlal, tr_get_v(t, RN), e.v, tr_get_v(t, RD), bfmlal_imm(w) | e.imm));
}

CLASS(vector_arithmetic_binary_uniform_mul_int_bfdot)
{
    tr_put_v(
        t, RD,
        tr_vop(t, VOP_bfdot, tr_get_v(t, RN), tr_get_v(t, RM), tr_get_v(t, RD), SIMD(w, FP_S)));
}

CLASS(vector_arithmetic_binary_element_bfdot)
{
    const struct element e = element_of(t, w, 2); /* a pair of 16-bit values */

    tr_put_v(t, RD,
             tr_vop(t, VOP_bfdot, tr_get_v(t, RN), e.v, tr_get_v(t, RD), SIMD(w, FP_S) | e.imm));
}

CLASS(vector_bfmmla)
{
    tr_put_v(t, RD,
             tr_vop(t, VOP_bfmmla, tr_get_v(t, RN), tr_get_v(t, RM), tr_get_v(t, RD),
                    IR_VIMM(FP_S, 1, 0)));
}

/* --- Complex ----------------------------------------------------------------------------------------------------------------- */

CLASS(vector_arithmetic_binary_uniform_add_fp_complex)
{
    binary(t, w, VOP_fcadd, SIMD(w, A64_FIELD(w, 23, 22)) | FP_VROT(A64_BIT(w, 12) ? 3 : 1));
}

CLASS(vector_arithmetic_binary_uniform_mul_fp_complex)
{
    const uint32_t imm = SIMD(w, A64_FIELD(w, 23, 22)) | FP_VROT(A64_FIELD(w, 12, 11));

    tr_put_v(t, RD, tr_vop(t, VOP_fcmla, tr_get_v(t, RN), tr_get_v(t, RM), tr_get_v(t, RD), imm));
}

CLASS(vector_arithmetic_binary_element_mul_acc_complex)
{
    /* The index counts pairs: those of FP16 are 32 bits. */
    const unsigned lane = A64_FIELD(w, 23, 22);
    const struct element e = element_of(t, w, lane + 1);
    const uint32_t imm = SIMD(w, lane) | e.imm | FP_VROT(A64_FIELD(w, 14, 13));

    tr_put_v(t, RD, tr_vop(t, VOP_fcmla, tr_get_v(t, RN), e.v, tr_get_v(t, RD), imm));
}

/* --- One register ------------------------------------------------------------------------------------------------------------ */

static void unary(struct tr *t, uint32_t w, enum ir_vop fn, uint32_t imm)
{
    /* Vd is read by scalar forms alone, when FPCR.NEP makes them keep its upper lanes. */
    const ir_ref merge = imm & IR_VIMM_SCALAR ? tr_get_v(t, RD) : IR_REF_NONE;

    tr_put_v(t, RD, tr_vop(t, fn, tr_get_v(t, RN), merge, IR_REF_NONE, imm | FP_VMERGE_B));
}

static void abs_neg(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, A64_BIT(w, 29) ? VOP_fneg : VOP_fabs, imm);
}

static void sqrt_(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, VOP_fsqrt, imm);
}

static void recpe(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, VOP_frecpe, imm);
}

static void rsqrte(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, VOP_frsqrte, imm);
}

static void recpx(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, VOP_frecpx, imm);
}

/* o1:o2, the rounding of FRINT and FCVT forms that state one. */
static enum fp_rounding o1_o2(uint32_t w)
{
    return (enum fp_rounding)(A64_BIT(w, 12) << 1 | A64_BIT(w, 23));
}

static void frint(struct tr *t, uint32_t w, uint32_t imm)
{
    if (!A64_BIT(w, 29)) {
        imm |= FP_VROUND(o1_o2(w));
    } else if (!A64_BIT(w, 12)) {
        imm |= FP_VROUND(FP_TIEAWAY);
    } else {
        imm |= FP_VROUND(FP_FROM_FPCR) | (A64_BIT(w, 23) ? 0 : FP_VEXACT);
    }
    unary(t, w, VOP_frint, imm);
}

static void frint_n(struct tr *t, uint32_t w, uint32_t imm)
{
    imm |= A64_BIT(w, 12) ? FP_VINT(3) : FP_VINT(2);
    imm |= A64_BIT(w, 29) ? FP_VROUND(FP_FROM_FPCR) : FP_VROUND(FP_TOZERO);
    unary(t, w, VOP_frint_n, imm);
}

static uint32_t unsigned_if_u(uint32_t w)
{
    return A64_BIT(w, 29) ? FP_VUNSIGNED : 0;
}

static void to_integer(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, VOP_fcvt_int, imm | unsigned_if_u(w) | FP_VROUND(o1_o2(w)));
}

static void to_integer_away(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, VOP_fcvt_int, imm | unsigned_if_u(w) | FP_VROUND(FP_TIEAWAY));
}

static void from_integer(struct tr *t, uint32_t w, uint32_t imm)
{
    unary(t, w, VOP_cvtf_int, imm | unsigned_if_u(w) | FP_VROUND(FP_FROM_FPCR));
}

/* Comparisons with zero; "less" ones are those of zero with the register. They have no operand to merge with. */
static void compare_zero(struct tr *t, uint32_t w, uint32_t imm)
{
    const ir_ref n = tr_get_v(t, RN), zero = zero_vector(t);
    ir_ref result;

    if (!A64_BIT(w, 29)) {
        result = tr_vop(t, A64_BIT(w, 12) ? VOP_fcmeq : VOP_fcmgt, n, zero, IR_REF_NONE, imm);
    } else if (!A64_BIT(w, 12)) {
        result = tr_vop(t, VOP_fcmge, n, zero, IR_REF_NONE, imm);
    } else {
        result = tr_vop(t, VOP_fcmge, zero, n, IR_REF_NONE, imm);
    }
    tr_put_v(t, RD, result);
}

static void compare_less_zero(struct tr *t, uint32_t w, uint32_t imm)
{
    tr_put_v(t, RD, tr_vop(t, VOP_fcmgt, zero_vector(t), tr_get_v(t, RN), IR_REF_NONE, imm));
}

// clang-format off
SIMD_FORM(vector_arithmetic_unary_diff_neg_float, abs_neg)
SIMD_FORM_H(vector_arithmetic_unary_diff_neg_fp16, abs_neg)
SIMD_FORM(vector_arithmetic_unary_special_sqrt, sqrt_)
SIMD_FORM_H(vector_arithmetic_unary_special_sqrt_fp16, sqrt_)
FORMS(vector_arithmetic_unary_special_recip_, float, , recpe)
FORMS(vector_arithmetic_unary_special_sqrt_est_, float, , rsqrte)
SISD_FORM(vector_arithmetic_unary_special_frecpx, recpx)
SISD_FORM_H(vector_arithmetic_unary_special_frecpx_fp16, recpx)
SIMD_FORM(vector_arithmetic_unary_float_round, frint)
SIMD_FORM_H(vector_arithmetic_unary_fp16_round, frint)
SIMD_FORM(vector_arithmetic_unary_float_round_frint_32_64, frint_n)
FORMS(vector_arithmetic_unary_, float, _conv_float_bulk, to_integer)
FORMS(vector_arithmetic_unary_, float, _conv_float_tieaway, to_integer_away)
FORMS(vector_arithmetic_unary_, float, _conv_int, from_integer)
FORMS(vector_arithmetic_unary_cmp_, float, _bulk, compare_zero)
FORMS(vector_arithmetic_unary_cmp_, float, _lessthan, compare_less_zero)
// clang-format on

CLASS(vector_arithmetic_unary_special_recip_int)
{
    unary(t, w, VOP_urecpe, SIMD(w, FP_S));
}

CLASS(vector_arithmetic_unary_special_sqrt_est_int)
{
    unary(t, w, VOP_ursqrte, SIMD(w, FP_S));
}

/* --- Fixed point ------------------------------------------------------------------------------------------------------------- */

/* immh:immb: its leading one gives the lane size, and 2 * esize minus it is the number of fraction bits. */
static uint32_t fixed_imm(uint32_t w)
{
    const uint32_t immhb = A64_FIELD(w, 22, 16);
    const unsigned lane = immhb >= 64 ? 3 : immhb >= 32 ? 2 : 1;

    return lane | FP_VFBITS((16u << lane) - immhb) | unsigned_if_u(w);
}

static void fixed_to_float(struct tr *t, uint32_t w, uint32_t shape)
{
    unary(t, w, VOP_cvtf_int, shape | fixed_imm(w) | FP_VROUND(FP_FROM_FPCR));
}

static void float_to_fixed(struct tr *t, uint32_t w, uint32_t shape)
{
    unary(t, w, VOP_fcvt_int, shape | fixed_imm(w) | FP_VROUND(FP_TOZERO));
}

CLASS(vector_shift_conv_int_simd)
{
    fixed_to_float(t, w, SIMD(w, 0));
}

CLASS(vector_shift_conv_int_sisd)
{
    fixed_to_float(t, w, IR_VIMM_SCALAR);
}

CLASS(vector_shift_conv_float_simd)
{
    float_to_fixed(t, w, SIMD(w, 0));
}

CLASS(vector_shift_conv_float_sisd)
{
    float_to_fixed(t, w, IR_VIMM_SCALAR);
}

/* --- Widening and narrowing -------------------------------------------------------------------------------------------------- */

CLASS(vector_arithmetic_unary_float_widen)
{
    const uint32_t imm = SZ(w) | (A64_BIT(w, 30) ? FP_VUPPER : 0);

    tr_put_v(t, RD, tr_vop(t, VOP_fcvtl, tr_get_v(t, RN), IR_REF_NONE, IR_REF_NONE, imm));
}

/* FCVTN2 and its like keep the lower half of Vd. */
static void narrow(struct tr *t, uint32_t w, enum ir_vop fn, uint32_t imm)
{
    const bool upper = A64_BIT(w, 30) != 0;

    tr_put_v(t, RD,
             tr_vop(t, fn, tr_get_v(t, RN), upper ? tr_get_v(t, RD) : IR_REF_NONE, IR_REF_NONE,
                    imm | (upper ? FP_VUPPER : 0)));
}

CLASS(vector_arithmetic_unary_float_narrow)
{
    narrow(t, w, VOP_fcvtn, (SZ(w) - 1) | FP_VROUND(FP_FROM_FPCR));
}

CLASS(vector_arithmetic_unary_float_xtn_simd)
{
    narrow(t, w, VOP_fcvtn, FP_S | FP_VROUND(FP_ODD));
}

CLASS(vector_arithmetic_unary_float_xtn_sisd)
{
    unary(t, w, VOP_fcvt, SISD((unsigned)FP_S) | FP_VSOURCE(FP_D) | FP_VROUND(FP_ODD));
}

CLASS(vector_cvt_bf16_vector)
{
    narrow(t, w, VOP_bfcvtn, FP_H);
}

/* --- Reductions -------------------------------------------------------------------------------------------------------------- */

static void reduce(struct tr *t, uint32_t w, enum ir_vop fn, uint32_t imm)
{
    tr_put_v(t, RD, tr_vop(t, fn, tr_get_v(t, RN), IR_REF_NONE, IR_REF_NONE, imm));
}

static void reduce_max(struct tr *t, uint32_t w, uint32_t imm)
{
    reduce(t, w, A64_BIT(w, 23) ? VOP_fmin : VOP_fmax, imm);
}

static void reduce_maxnm(struct tr *t, uint32_t w, uint32_t imm)
{
    reduce(t, w, A64_BIT(w, 23) ? VOP_fminnm : VOP_fmaxnm, imm);
}

CLASS(vector_reduce_fp_max_simd)
{
    reduce_max(t, w, SIMD(w, FP_S) | FP_VMODE_REDUCE);
}

CLASS(vector_reduce_fp16_max_simd)
{
    reduce_max(t, w, SIMD(w, FP_H) | FP_VMODE_REDUCE);
}

CLASS(vector_reduce_fp_maxnm_simd)
{
    reduce_maxnm(t, w, SIMD(w, FP_S) | FP_VMODE_REDUCE);
}

CLASS(vector_reduce_fp16_maxnm_simd)
{
    reduce_maxnm(t, w, SIMD(w, FP_H) | FP_VMODE_REDUCE);
}

CLASS(vector_reduce_fp_max_sisd)
{
    reduce_max(t, w, SISD(SZ(w)) | FP_VMODE_PAIR);
}

CLASS(vector_reduce_fp16_max_sisd)
{
    reduce_max(t, w, SISD((unsigned)FP_H) | FP_VMODE_PAIR);
}

CLASS(vector_reduce_fp_maxnm_sisd)
{
    reduce_maxnm(t, w, SISD(SZ(w)) | FP_VMODE_PAIR);
}

CLASS(vector_reduce_fp16_maxnm_sisd)
{
    reduce_maxnm(t, w, SISD((unsigned)FP_H) | FP_VMODE_PAIR);
}

CLASS(vector_reduce_fp_add_sisd)
{
    reduce(t, w, VOP_fadd, SISD(SZ(w)) | FP_VMODE_PAIR);
}

CLASS(vector_reduce_fp16_add_sisd)
{
    reduce(t, w, VOP_fadd, SISD((unsigned)FP_H) | FP_VMODE_PAIR);
}
