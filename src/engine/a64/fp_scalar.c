/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Scalar floating point: the classes float_*. */
#include "engine/a64/classes.h"
#include "engine/a64/translate.h"
#include "engine/fp/fp.h"
#include "engine/fp/fp_vops.h"

#define CLASS(name) void a64_##name(struct tr *t, uint32_t w)

#define RD A64_FIELD(w, 4, 0)
#define RN A64_FIELD(w, 9, 5)
#define RM A64_FIELD(w, 20, 16)

/* ftype: 0 single, 1 double, 3 half; 2 belongs to FMOV of the upper half alone. */
static unsigned lane_of(uint32_t w)
{
    static const uint8_t lanes[4] = {2, 3, 3, 1};

    return lanes[A64_FIELD(w, 23, 22)];
}

static uint32_t scalar(uint32_t w)
{
    return lane_of(w) | IR_VIMM_SCALAR;
}

static ir_ref zero_vector(struct tr *t)
{
    return tr_node(t, IR_VFROM64, 3, 0, tr_const(t, 0), IR_REF_NONE, IR_REF_NONE, 0, 0);
}

static void put_integer(struct tr *t, unsigned lane, unsigned rd, ir_ref integer)
{
    tr_put_v(t, rd, tr_node(t, IR_VFROM64, lane, 0, integer, IR_REF_NONE, IR_REF_NONE, 0, 0));
}

/* --- Arithmetic -------------------------------------------------------------------------------------------------------------- */

static void binary(struct tr *t, uint32_t w, enum ir_vop fn)
{
    tr_put_v(t, RD,
             tr_vop(t, fn, tr_get_v(t, RN), tr_get_v(t, RM), IR_REF_NONE, scalar(w) | FP_VMERGE_A));
}

CLASS(float_arithmetic_add_sub)
{
    binary(t, w, A64_BIT(w, 12) ? VOP_fsub : VOP_fadd);
}

CLASS(float_arithmetic_mul_product)
{
    binary(t, w, A64_BIT(w, 15) ? VOP_fnmul : VOP_fmul);
}

CLASS(float_arithmetic_div)
{
    binary(t, w, VOP_fdiv);
}

CLASS(float_arithmetic_max_min)
{
    static const enum ir_vop fns[4] = {VOP_fmax, VOP_fmin, VOP_fmaxnm, VOP_fminnm};

    binary(t, w, fns[A64_FIELD(w, 13, 12)]);
}

CLASS(float_arithmetic_mul_add_sub)
{
    const unsigned o1 = A64_BIT(w, 21), o0 = A64_BIT(w, 15);
    const uint32_t imm = scalar(w) | FP_VMERGE_C | (o1 ? FP_VNEG_ADDEND : 0) |
                         (o0 != o1 ? FP_VNEG_PRODUCT : 0);

    tr_put_v(t, RD,
             tr_vop(t, VOP_fmla, tr_get_v(t, RN), tr_get_v(t, RM),
                    tr_get_v(t, A64_FIELD(w, 14, 10)), imm));
}

static void unary(struct tr *t, uint32_t w, enum ir_vop fn, uint32_t imm)
{
    tr_put_v(t, RD,
             tr_vop(t, fn, tr_get_v(t, RN), tr_get_v(t, RD), IR_REF_NONE,
                    scalar(w) | FP_VMERGE_B | imm));
}

CLASS(float_arithmetic_unary)
{
    switch (A64_FIELD(w, 16, 15)) {
    case 0: /* FMOV, which never merges */
        tr_put_v(
            t, RD,
            tr_node(t, IR_VZEXT, lane_of(w), 0, tr_get_v(t, RN), IR_REF_NONE, IR_REF_NONE, 0, 0));
        break;
    case 1:
        unary(t, w, VOP_fabs, 0);
        break;
    case 2:
        unary(t, w, VOP_fneg, 0);
        break;
    default:
        unary(t, w, VOP_fsqrt, 0);
        break;
    }
}

CLASS(float_arithmetic_round_frint)
{
    static const uint32_t imm[8] = {
        FP_VROUND(FP_TIEEVEN),
        FP_VROUND(FP_POSINF),
        FP_VROUND(FP_NEGINF),
        FP_VROUND(FP_TOZERO),
        FP_VROUND(FP_TIEAWAY),
        FP_VROUND(FP_FROM_FPCR),
        FP_VROUND(FP_FROM_FPCR) | FP_VEXACT,
        FP_VROUND(FP_FROM_FPCR),
    };

    unary(t, w, VOP_frint, imm[A64_FIELD(w, 17, 15)]);
}

CLASS(float_arithmetic_round_frint_32_64)
{
    const uint32_t size = A64_BIT(w, 16) ? FP_VINT(3) : FP_VINT(2);

    unary(t, w, VOP_frint_n,
          size | (A64_BIT(w, 15) ? FP_VROUND(FP_FROM_FPCR) : FP_VROUND(FP_TOZERO)));
}

/* --- Moves and comparisons --------------------------------------------------------------------------------------------------- */

CLASS(float_move_fp_imm)
{
    /* VFPExpandImm() */
    const struct fp_format *const f = &fp_formats[lane_of(w)];
    const uint32_t imm8 = A64_FIELD(w, 20, 13);
    const unsigned exp_low = f->exp_bits - 3u;
    const uint64_t exp = A64_BIT(imm8, 6) ? ((1ull << exp_low) - 1) << 2
                                          : 1ull << (f->exp_bits - 1u);
    const uint64_t value = fp_zero(f, A64_BIT(imm8, 7) != 0) |
                           (exp | A64_FIELD(imm8, 5, 4)) << f->frac_bits |
                           (uint64_t)A64_FIELD(imm8, 3, 0) << (f->frac_bits - 4);

    put_integer(t, 3, RD, tr_const(t, value));
}

CLASS(float_move_fp_select)
{
    const ir_ref n = tr_get_v(t, RN), m = tr_get_v(t, RM);
    const unsigned cond = A64_FIELD(w, 15, 12);
    ir_ref value = n;

    if (cond < 14) {
        value = tr_node(t, IR_SELECT, IR_I64, 0, tr_cond(t, cond), n, m, 0, 0);
    }
    tr_put_v(t, RD, tr_node(t, IR_VZEXT, lane_of(w), 0, value, IR_REF_NONE, IR_REF_NONE, 0, 0));
}

CLASS(float_compare_uncond)
{
    const ir_ref m = A64_BIT(w, 3) ? zero_vector(t) : tr_get_v(t, RM);
    const uint32_t imm = scalar(w) | (A64_BIT(w, 4) ? FP_VSIGNAL : 0);

    tr_put_nzcv(t, tr_vop(t, VOP_fcmp, tr_get_v(t, RN), m, IR_REF_NONE, imm));
}

CLASS(float_compare_cond)
{
    const uint32_t imm = scalar(w) | (A64_BIT(w, 4) ? FP_VSIGNAL : 0) |
                         FP_VNZCV(A64_FIELD(w, 3, 0));
    const ir_ref cond = tr_cond(t, A64_FIELD(w, 15, 12));

    tr_put_nzcv(t, tr_vop(t, VOP_fccmp, tr_get_v(t, RN), tr_get_v(t, RM), cond, imm));
}

/* --- Conversions ------------------------------------------------------------------------------------------------------------- */

CLASS(float_convert_fp)
{
    static const uint8_t to[4] = {2, 3, 0, 1};
    const uint32_t imm = to[A64_FIELD(w, 16, 15)] | IR_VIMM_SCALAR | FP_VMERGE_B |
                         FP_VSOURCE(lane_of(w)) | FP_VROUND(FP_FROM_FPCR);

    tr_put_v(t, RD, tr_vop(t, VOP_fcvt, tr_get_v(t, RN), tr_get_v(t, RD), IR_REF_NONE, imm));
}

CLASS(vector_cvt_bf16_scalar)
{
    tr_put_v(t, RD,
             tr_vop(t, VOP_bfcvt, tr_get_v(t, RN), tr_get_v(t, RD), IR_REF_NONE,
                    FP_H | IR_VIMM_SCALAR | FP_VMERGE_B));
}

static void to_integer(struct tr *t, uint32_t w, enum fp_rounding rounding, unsigned fbits)
{
    const uint32_t imm = scalar(w) | FP_VROUND(rounding) | FP_VFBITS(fbits) |
                         (A64_BIT(w, 31) ? FP_VINT(3) : FP_VINT(2)) |
                         (A64_BIT(w, 16) ? FP_VUNSIGNED : 0);

    tr_put_x(t, RD, tr_vop(t, VOP_fcvt_int, tr_get_v(t, RN), IR_REF_NONE, IR_REF_NONE, imm));
}

static void from_integer(struct tr *t, uint32_t w, unsigned fbits)
{
    const uint32_t imm = scalar(w) | FP_VMERGE_B | FP_VROUND(FP_FROM_FPCR) | FP_VFBITS(fbits) |
                         (A64_BIT(w, 31) ? FP_VINT(3) : FP_VINT(2)) |
                         (A64_BIT(w, 16) ? FP_VUNSIGNED : 0);

    tr_put_v(t, RD,
             tr_vop(t, VOP_cvtf_int, tr_get_xw(t, A64_BIT(w, 31), RN), tr_get_v(t, RD), IR_REF_NONE,
                    imm));
}

CLASS(float_convert_fix)
{
    const unsigned fbits = 64 - A64_FIELD(w, 15, 10);

    if (A64_FIELD(w, 20, 19) == 3) {
        to_integer(t, w, FP_TOZERO, fbits);
    } else {
        from_integer(t, w, fbits);
    }
}

static void fmov_general(struct tr *t, uint32_t w, unsigned part)
{
    /* A half-precision register moves 16 bits, whatever the width of the general one. */
    const unsigned lane = lane_of(w);

    if (A64_BIT(w, 16)) {
        const ir_ref x = tr_get_x(t, RN);

        if (part == 1) {
            tr_put_v(t, RD, tr_node(t, IR_VINSERT, 3, 0, tr_get_v(t, RD), x, IR_REF_NONE, 0, 1));
        } else {
            put_integer(t, lane, RD, x);
        }
    } else {
        tr_put_x(t, RD, tr_lane(t, tr_get_v(t, RN), lane, part));
    }
}

static void fjcvtzs(struct tr *t, uint32_t w)
{
    const ir_ref both = tr_vop(t, VOP_fjcvtzs, tr_get_v(t, RN), IR_REF_NONE, IR_REF_NONE,
                               scalar(w));

    tr_put_x(t, RD, tr_op1(t, IR_ZEXT32, IR_I64, both));
    tr_put_nzcv(t, tr_op2(t, IR_LSR, IR_I64, both, tr_const(t, 32)));
}

CLASS(float_convert_int)
{
    const unsigned rmode = A64_FIELD(w, 20, 19);

    switch (A64_FIELD(w, 18, 17)) {
    case 0:
        to_integer(t, w, (enum fp_rounding)rmode, 0);
        break;
    case 1:
        from_integer(t, w, 0);
        break;
    case 2:
        to_integer(t, w, FP_TIEAWAY, 0);
        break;
    default:
        if (rmode == 3) {
            fjcvtzs(t, w);
        } else {
            fmov_general(t, w, rmode);
        }
        break;
    }
}
