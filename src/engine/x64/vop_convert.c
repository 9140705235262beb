/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Conversions between formats, to and from integers and fixed point, and to integral values. vop_fp.c says for what results are looked at.
 *
 * A64 does not signal Inexact for what is out of range, the host's two steps (rounding, conversion) would. Where a number out of range may
 * have a fraction, it is rounded without Inexact, converted and looked at, and then rounded again for the flag alone.
 * Fixed point is a product with a power of two before or after; before it, magnitudes are cut to 2^63, which is out of range all the same.
 */
#include "engine/x64/vop_fp.h"

#define VCVTPS2PD  X64_OP(PP_NONE, MAP_0F, 0x5a)
#define VCVTPD2PS  OP66(0x5a)
#define VCVTSS2SD  X64_OP(PP_F3, MAP_0F, 0x5a)
#define VCVTSD2SS  X64_OP(PP_F2, MAP_0F, 0x5a)
#define VCVTSI2SD  X64_OP(PP_F2, MAP_0F, 0x2a)
#define VCVTDQ2PS  X64_OP(PP_NONE, MAP_0F, 0x5b)
#define VCVTTPS2DQ X64_OP(PP_F3, MAP_0F, 0x5b)
#define VPINSRQ    OP3A(0x22)
#define VPEXTRQ    OP3A(0x16)
#define VPSLLD     OP66(0x72) /* /6; /2 right */
#define VPSLLQ     OP66(0x73)
#define MOVSX_W    X64_0F(0xbf)
#define MOVZX_W    X64_0F(0xb7)

#define STICKY 0x1fffffffu /* the bits of a double below a single's */

static bool is_half_fast(const struct x64_emit *e)
{
    return e->level >= 3 && is_fpcr_fast(e);
}

/* ROUNDPS, or as the form is; half precision has been widened. */
static uint32_t round_of(const struct ir_node *n)
{
    return OP3A((is_scalar(n) ? 0x0au : 0x08u) + is_double(n));
}

static void round_to(struct x64_emit *e, const struct ir_node *n, int to, int from, unsigned mode)
{
    x64_vi(&e->a, round_of(n), to, is_scalar(n) ? from : NOREG, from, mode);
}

void x64_fp_round_away(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int temp)
{
    struct x64_asm *const a = &e->a;
    const v128 sign = in_all(n, 1u << 31, 1ull << 63);

    /* What is cut off; where it is a half or more, 1 of the same sign is added. */
    round_to(e, n, rd, ra, x64_fp_round_modes[FP_TOZERO] | ROUND_QUIET);
    x64_v(a, form(n, B_SUB), X0, ra, rd);
    x64_v_literal(e, VPAND, X0, X0, in_all(n, INT32_MAX, INT64_MAX));
    x64_v_literal(e, X64_VMOVDQU_LOAD, temp, NOREG, in_all(n, single_power(-1), double_power(-1)));
    x64_vi(a, form(n, B_CMP), X0, temp, X0, CMP_LE_OS);
    x64_v_literal(e, VPAND, X0, X0, in_all(n, single_power(0), double_power(0)));
    x64_v_literal(e, VPAND, temp, ra, sign);
    x64_v(a, VPOR, X0, X0, temp);
    x64_v(a, form(n, B_ADD), rd, rd, X0);
}

/* --- Between formats -------------------------------------------------------------------------------------------------------------- */

/* The half in rd, which has been made of X0: goes to the stub when that is a NaN, or rd the least normal number. Uses RAX. */
static void check_half(struct x64_emit *e, int rd, bool may_be_nan, struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    if (may_be_nan) {
        x64_v(a, X64_OP(PP_NONE, MAP_0F, B_UCOMI), X0, NOREG, X0);
        also_from(e, stub, CC_P);
    }
    x64_v(a, X64_VMOVD_STORE, rd, NOREG, RAX);
    x64_alu_ri(a, 0, ALU_AND, RAX, 0x7fff);
    x64_alu_ri(a, 0, ALU_CMP, RAX, 0x400);
    also_from(e, stub, CC_E);
    x64_fp_check_flags(e, stub);
}

/* The low lane of ra as single precision to half precision in rd, whose other lanes are 0. Uses RAX, X0 and X1. */
static void single_to_half(struct x64_emit *e, int rd, int ra, struct x64_stub *stub)
{
    x64_keep_low(e, X0, ra, 2);
    x64_vi(&e->a, CVTPS2PH, X0, NOREG, rd, BY_MXCSR);
    check_half(e, rd, true, stub);
}

/*
 * ... as double precision. Bits that a single does not have are one bit of it: so much is below what the half has that both roundings
 * come to what one would. What is too large or too small for a single is so for a half, with the same flags. Uses RAX, RCX, X0 and X1.
 */
static void double_to_half(struct x64_emit *e, int rd, int ra, bool may_be_nan,
                           struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_vw(a, 1, X64_VMOVD_STORE, ra, NOREG, RAX);
    x64_mov_rr(a, 0, RCX, RAX);
    x64_alu_ri(a, 0, ALU_AND, RCX, STICKY);
    x64_alu_ri(a, 0, ALU_ADD, RCX, STICKY);
    x64_alu_rr(a, 1, ALU_OR, RAX, RCX);
    x64_alu_ri(a, 1, ALU_AND, RAX, (int32_t)~STICKY);
    x64_vw(a, 1, X64_VMOVD_LOAD, X0, NOREG, RAX);
    zero(e, X1);
    x64_v(a, VCVTSD2SS, X0, X1, X0);
    x64_vi(a, CVTPS2PH, X0, NOREG, rd, BY_MXCSR);
    check_half(e, rd, may_be_nan, stub);
}

static void half_to_float(struct x64_emit *e, const struct ir_node *n, int rd, int ra,
                          struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_keep_low(e, X0, ra, 1);
    x64_v(a, CVTPH2PS, rd, NOREG, X0);
    if (is_double(n)) {
        zero(e, X0);
        x64_v(a, VCVTSS2SD, rd, X0, rd);
    }
    x64_fp_check_result(e, n, rd, false, stub);
}

/*
 * Doubles to singles in the lower half of rd, rounded to odd: what is cut off sets the lowest bit. Zero and what a single has no normal
 * number for, as well as a NaN, are the function's. Uses RAX, X0, X1.
 */
static void to_odd(struct x64_emit *e, const struct ir_node *n, int rd, int ra,
                   struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const v128 least = {.d = {double_power(-126), double_power(-126)}},
               greatest = {.d = {0x47efffffe0000000ull, 0x47efffffe0000000ull}};

    x64_v_literal(e, VPAND, X0, ra, (v128){.d = {INT64_MAX, INT64_MAX}});
    x64_v_literal(e, X64_VMOVDQU_LOAD, X1, NOREG, least);
    x64_v(a, x64_op_gt[3], X1, X1, X0);
    x64_v_literal(e, x64_op_gt[3], X0, X0, greatest);
    x64_v(a, VPOR, X1, X1, X0);
    x64_v(a, OP66(B_MOVMSK), RAX, NOREG, X1);
    x64_test_ri(a, 0, RAX, is_scalar(n) ? 1 : 3);
    also_from(e, stub, CC_NE);
    if (is_scalar(n)) {
        x64_v(a, X64_VMOVQ_LOAD, X1, NOREG, ra);
        ra = X1;
    }
    x64_v(a, VCVTPD2PS, X0, NOREG, ra); /* signals Inexact */
    x64_v_literal(e, VPAND, X0, ra, (v128){.d = {~(uint64_t)STICKY, ~(uint64_t)STICKY}});
    x64_v(a, VCVTPD2PS, rd, NOREG, X0);
    /* The doublewords that are 0 below become masks of those that are not. */
    x64_v_literal(e, VPAND, X1, ra, (v128){.d = {STICKY, STICKY}});
    zero(e, X0);
    x64_vi(a, VSHUFPS, X1, X1, X0, 0x08);
    x64_v(a, x64_op_gt[2], X1, X1, X0);
    x64_v_literal(e, VPAND, X1, X1, all_dwords(1));
    x64_v(a, VPOR, rd, rd, X1);
}

bool x64_vop_fcvt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned source = FP_VSOURCE_OF(n->imm), result = lane_of(n);
    const bool odd = FP_VROUND_OF(n->imm) == FP_ODD;

    if (!is_fpcr_fast(e) || !is_scalar(n) || ((result == 1 || source == 1) && !is_half_fast(e))) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);

    if (odd) {
        to_odd(e, n, rd, ra, stub);
    } else if (result == 1 && source == 3) {
        double_to_half(e, rd, ra, true, stub);
    } else if (result == 1) {
        single_to_half(e, rd, ra, stub);
    } else if (source == 1) {
        half_to_float(e, n, rd, ra, stub);
    } else {
        zero(e, X0);
        x64_v(&e->a, source == 3 ? VCVTSD2SS : VCVTSS2SD, rd, X0, ra);
        x64_fp_check_result(e, n, rd, source == 3, stub);
    }
    resume_here(e, stub);
    return true;
}

/* The lower half of a, or its upper one, in lanes of twice the size. */
bool x64_vop_fcvtl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!is_fpcr_fast(e) || (!is_double(n) && !is_half_fast(e))) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    int from = ra;

    if ((n->imm & FP_VUPPER) != 0) {
        x64_vi(&e->a, VPSHIFT_DQ, 3, X0, ra, 8);
        from = X0;
    }
    x64_v(&e->a, is_double(n) ? VCVTPS2PD : CVTPH2PS, rd, NOREG, from);
    x64_fp_check_result(e, n, rd, false, stub);
    resume_here(e, stub);
    return true;
}

/* Four singles to halves in the lower half of rd. Uses RAX, X0 and X1. */
static void singles_to_halves(struct x64_emit *e, int rd, int ra, struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_vi(a, CVTPS2PH, ra, NOREG, rd, BY_MXCSR);
    x64_v_literal(e, VPAND, X0, rd, all_words(0x7fff));
    x64_v_literal(e, x64_op_gt[1], X1, X0, all_words(0x7c00));
    x64_v_literal(e, x64_op_eq[1], X0, X0, all_words(0x0400));
    x64_v(a, VPOR, X1, X1, X0);
    x64_v(a, VPMOVMSKB, RAX, NOREG, X1);
    x64_test_rr(a, 0, RAX, RAX);
    also_from(e, stub, CC_NE);
    x64_fp_check_flags(e, stub);
}

/* Lanes of twice the size to the lower half, or to the upper one above b's lower half. */
bool x64_vop_fcvtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const bool upper = (n->imm & FP_VUPPER) != 0, half = lane_of(n) == 1,
               odd = FP_VROUND_OF(n->imm) == FP_ODD;

    if (!is_fpcr_fast(e) || (half && !is_half_fast(e))) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = upper ? x64_use(e, VEC, n->b) : NOREG;
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    if (half) {
        singles_to_halves(e, rd, ra, stub);
    } else if (odd) {
        to_odd(e, n, rd, ra, stub);
    } else {
        x64_v(&e->a, VCVTPD2PS, rd, NOREG, ra);
        x64_fp_check_result(e, n, rd, true, stub);
    }
    if (upper) {
        x64_v(&e->a, VUNPCKLPD, rd, rb, rd);
    }
    resume_here(e, stub);
    return true;
}

/*
 * Singles to BFloat16, in the upper halves of rd's lanes. The sum with a power of two 16 binades above rounds as MXCSR says, and signals;
 * both have the same sign, so that the sum is as odd or even as the result. Zeros get their sign back. Uses RAX, X0 and X1.
 */
static void to_bfloat(struct x64_emit *e, const struct ir_node *n, int rd, int ra,
                      struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_v_literal(e, VPAND, X0, ra, of_form(n, INT32_MAX, 0));
    x64_v_literal(e, x64_op_gt[2], X1, X0, all_dwords(single_power(100)));
    x64_v_literal(e, x64_op_sub[2], X0, X0, all_dwords(1));
    x64_v_literal(e, x64_op_umin[2], rd, X0, all_dwords(single_power(-126) - 2));
    x64_v(a, x64_op_eq[2], X0, X0, rd); /* denormals, but no zeros */
    x64_v(a, VPOR, X1, X1, X0);
    x64_v(a, X64_OP(PP_NONE, MAP_0F, B_MOVMSK), RAX, NOREG, X1);
    x64_test_rr(a, 0, RAX, RAX);
    also_from(e, stub, CC_NE);
    x64_v_literal(e, VPAND, X0, ra, of_form(n, 0xff800000u, 0));
    x64_v_literal(e, x64_op_add[2], X0, X0, all_dwords(16u << 23));
    x64_v_literal(e, VPAND, X1, ra, of_form(n, UINT32_MAX, 0));
    x64_v(a, X64_OP(PP_NONE, MAP_0F, B_ADD), rd, X1, X0);
    x64_v(a, X64_OP(PP_NONE, MAP_0F, B_SUB), rd, rd, X0);
    x64_v_literal(e, VPAND, X0, X1, all_dwords(1u << 31));
    x64_v_literal(e, VPAND, rd, rd, all_dwords(INT32_MAX));
    x64_v(a, VPOR, rd, rd, X0);
}

bool x64_vop_bfcvtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const bool upper = (n->imm & FP_VUPPER) != 0, scalar = is_scalar(n);

    if (!is_fpcr_fast(e)) {
        return false;
    }
    struct ir_node lanes = *n; /* four singles, or one */
    lanes.imm = scalar ? IR_VIMM_SCALAR | 2u : IR_VIMM(2, 1, 0);
    const int ra = x64_use(e, VEC, n->a), rb = upper ? x64_use(e, VEC, n->b) : NOREG;
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    to_bfloat(e, &lanes, rd, ra, stub);
    x64_vi(a, VPSLLD, 2, rd, rd, 16); /* right */
    if (!scalar) {
        zero(e, X0);
        x64_v(a, VPACKUSDW, rd, rd, X0);
    }
    if (upper) {
        x64_v(a, VUNPCKLPD, rd, rb, rd);
    }
    resume_here(e, stub);
    return true;
}

/* --- To integers ------------------------------------------------------------------------------------------------------------------ */

static int16_t fbits_of(const struct ir_node *n)
{
    return (int16_t)FP_VFBITS_OF(n->imm);
}

/* from * 2^fbits; Overflow, which is only Invalid here, cannot come. Uses X0, which `to` may be; `from` may not. */
static void scale(struct x64_emit *e, const struct ir_node *n, int to, int from)
{
    struct x64_asm *const a = &e->a;
    const v128 power = in_all(n, single_power(fbits_of(n)), double_power(fbits_of(n)));

    if (lane_of(n) != 1) { /* the second operand where there is a NaN */
        x64_v_literal(e, X64_VMOVDQU_LOAD, X0, NOREG,
                      in_all(n, single_power(63), double_power(63)));
        x64_v(a, form(n, B_MIN), to, X0, from);
        x64_v_literal(e, X64_VMOVDQU_LOAD, X1, NOREG,
                      in_all(n, single_power(63) | 1u << 31, double_power(63) | 1ull << 63));
        x64_v(a, form(n, B_MAX), to, X1, to);
        from = to;
    }
    x64_v_literal(e, form(n, B_MUL), to, from, power);
}

/* An integer of 16, 32 or 64 bits in `to`, of what is integral in `from`; to the stub when it does not fit. Uses RCX. */
static void convert_integral(struct x64_emit *e, const struct ir_node *n, int to, int from,
                             struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const unsigned size = FP_VINT_OF(n->imm);
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0, wide = size == 3 || is_unsigned;
    const uint32_t to_signed = form(n, 0x2c); /* CVTTSD2SI */

    if (is_unsigned && size == 3 && e->level >= 4) {
        x64_e(a, 1, form(n, 0x78), to, NOREG, from); /* VCVTTSD2USI */
        x64_alu_ri(a, 1, ALU_CMP, to, -1);
        also_from(e, stub, CC_E);
        return;
    }
    if (is_unsigned && size == 3) { /* numbers that are positive with a sign as well */
        x64_vm(a, packed(n, B_UCOMI), from, NOREG,
               constant(is_double(n) ? X64_K_2P63_D : X64_K_2P63_S));
        also_from(e, stub, CC_AE);
        x64_vw(a, 1, to_signed, to, NOREG, from);
        x64_test_rr(a, 1, to, to);
        also_from(e, stub, CC_S);
        return;
    }
    x64_vw(a, wide, to_signed, to, NOREG, from);
    if (size == 1) {
        x64_rr(a, 0, is_unsigned ? MOVZX_W : MOVSX_W, RCX, to);
        x64_alu_rr(a, wide, ALU_CMP, RCX, to);
        also_from(e, stub, CC_NE);
        if (!is_unsigned) {
            x64_rr(a, 0, MOVZX_W, to, to);
        }
    } else if (is_unsigned) {
        x64_mov_rr(a, 0, RCX, to);
        x64_alu_rr(a, 1, ALU_CMP, RCX, to);
        also_from(e, stub, CC_NE);
    } else {
        x64_alu_ri(a, wide, ALU_CMP, to, 1);
        also_from(e, stub, CC_O);
    }
}

/* One number to a general-purpose register or, when the node is a vector, to its low lane. */
static bool to_integer(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const enum x64_class cls = (enum x64_class)e->val[node].cls;
    const unsigned rounding = FP_VROUND_OF(n->imm), wide = FP_VINT_OF(n->imm) == 3;
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0, half = lane_of(n) == 1;
    /* A number out of range may have a fraction. */
    const bool twice = is_unsigned || rounding == FP_TIEAWAY ||
                       (rounding != FP_TOZERO && is_double(n) && !wide);

    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, cls, node), to = cls == INT ? rd : RAX;
    const int temp = (half && twice) || rounding == FP_TIEAWAY || fbits_of(n) != 0
                         ? x64_temp(e, VEC)
                         : X0;
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    int from = ra, other = NOREG;

    if (half) {
        x64_keep_low(e, temp, ra, 1);
        x64_v(a, CVTPH2PS, temp, NOREG, temp);
        from = temp;
    } else {
        x64_fp_tell_of_operand(e, n, ra);
    }
    if (fbits_of(n) != 0) {
        scale(e, n, temp, from);
        from = temp;
    }
    if (rounding == FP_TIEAWAY) {
        other = half ? x64_temp(e, VEC) : temp;
        x64_fp_round_away(e, n, X1, from, other);
    } else if (twice) {
        round_to(e, n, X1, from, x64_fp_round_modes[rounding] | ROUND_QUIET);
    } else if (rounding != FP_TOZERO) {
        round_to(e, n, X0, from, x64_fp_round_modes[rounding]);
        from = X0;
    }
    convert_integral(e, n, to, twice ? X1 : from, stub);
    if (twice) {
        round_to(e, n, X0, from, x64_fp_round_modes[FP_TOZERO]);
    }
    if (cls == VEC) {
        x64_vw(a, wide, X64_VMOVD_LOAD, rd, NOREG, to);
    }
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

/* The conversions that AVX-512 adds. What does not fit gives the least signed, or the greatest unsigned integer. */
static void to_integers_512(struct x64_emit *e, const struct ir_node *n, int rd, int from,
                            struct x64_stub *stub)
{
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0;
    const uint64_t out = is_unsigned ? UINT64_MAX : 1ull << 63;
    /* VCVTTPD2QQ, VCVTTPD2UQQ, VCVTTPS2UDQ */
    const uint32_t op = packed(n, is_unsigned ? 0x78 : 0x7a);

    x64_e(&e->a, is_double(n), op, rd, NOREG, from);
    x64_v_literal(e, x64_op_eq[lane_of(n)], X0, rd, (v128){.d = {out, out}});
    x64_fp_check_masks(e, n, X0, stub);
}

/* Goes to the stub when a lane is not from 0 to below the least number that has the integers' sign bit. Uses RAX and X0. */
static void check_below_sign(struct x64_emit *e, const struct ir_node *n, int from,
                             struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_v_literal(e, X64_VMOVDQU_LOAD, X0, NOREG, in_all(n, single_power(31), double_power(63)));
    x64_v(a, x64_op_gt[lane_of(n)], X0, X0, from);
    x64_v(a, VPANDN, X0, from, X0);
    x64_v(a, packed(n, B_MOVMSK), RAX, NOREG, X0);
    x64_alu_ri(a, 0, ALU_CMP, RAX, is_double(n) ? 3 : 15);
    also_from(e, stub, CC_NE);
}

static void to_doublewords(struct x64_emit *e, int rd, int from, struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const uint32_t to_signed = X64_OP(PP_F2, MAP_0F, 0x2c);

    x64_vw(a, 1, to_signed, RAX, NOREG, from);
    if (stub != NULL) {
        x64_alu_ri(a, 1, ALU_CMP, RAX, 1);
        also_from(e, stub, CC_O);
    }
    x64_vw(a, 1, X64_VMOVD_LOAD, rd, NOREG, RAX);
    x64_vi(a, VPSHIFT_DQ, 3, X1, from, 8);
    x64_vw(a, 1, to_signed, RAX, NOREG, X1);
    if (stub != NULL) {
        x64_alu_ri(a, 1, ALU_CMP, RAX, 1);
        also_from(e, stub, CC_O);
    }
    x64_vwi(a, 1, VPINSRQ, rd, rd, RAX, 1);
}

/* Lanes to integers of their size. */
static bool to_integers(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned rounding = FP_VROUND_OF(n->imm);
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0,
               twice = rounding == FP_TIEAWAY || (is_unsigned && rounding != FP_TOZERO);

    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    const int temp = fbits_of(n) != 0 || is_half(n) || rounding == FP_TIEAWAY ? x64_temp(e, VEC)
                                                                              : NOREG;
    const int temp2 = rounding == FP_TIEAWAY ? x64_temp(e, VEC) : NOREG;
    struct x64_stub *stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd), *unsure = stub;
    int from = ra, rounded;

    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, temp, NOREG, ra);
        from = temp;
    }
    x64_fp_tell_of_operand(e, n, from);
    if (fbits_of(n) != 0) {
        scale(e, n, temp, from);
        from = temp;
    }
    if (is_unsigned && e->level < 4) {
        check_below_sign(e, n, from, stub);
        unsure = NULL;
    }
    rounded = from;
    if (rounding == FP_TIEAWAY) {
        x64_fp_round_away(e, n, X1, from, temp2);
        rounded = X1;
    } else if (rounding != FP_TOZERO) {
        round_to(e, n, X1, from, x64_fp_round_modes[rounding] | (twice ? ROUND_QUIET : 0));
        rounded = X1;
    }
    if (e->level >= 4 && (is_double(n) || is_unsigned)) {
        to_integers_512(e, n, rd, rounded, stub);
    } else if (is_double(n)) {
        to_doublewords(e, rd, rounded, unsure);
    } else {
        x64_v(a, VCVTTPS2DQ, rd, NOREG, rounded);
        if (unsure != NULL) {
            x64_v_literal(e, x64_op_eq[2], X0, rd, all_dwords(1u << 31));
            x64_fp_check_masks(e, n, X0, stub);
        }
    }
    if (twice) {
        round_to(e, n, X0, from, x64_fp_round_modes[FP_TOZERO]);
    }
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

/* Halves to halfwords. What does not fit is integral, but for what is negative where there are no signs. */
static bool halves_to_integers(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned rounding = FP_VROUND_OF(n->imm), parts = is_half(n) ? 1 : 2;
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0;
    struct ir_node single = *n;
    single.imm = (n->imm & ~15u) | IR_VIMM(2, 1, 0);

    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    const int part[2] = {x64_temp(e, VEC), parts == 2 ? x64_temp(e, VEC) : NOREG};
    const int temp = x64_temp(e, VEC);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);

    if (is_unsigned) {
        x64_v_literal(e, VPTEST, ra, NOREG,
                      (v128){.d = {0x8000800080008000ull, parts == 2 ? 0x8000800080008000ull : 0}});
        also_from(e, stub, CC_NE);
    }
    for (unsigned i = 0; i < parts; i++) {
        int from = ra;
        if (i != 0) {
            x64_vi(a, VPSHIFT_DQ, 3, part[i], ra, 8);
            from = part[i];
        }
        x64_v(a, CVTPH2PS, part[i], NOREG, from);
        if (fbits_of(n) != 0) {
            x64_v_literal(e, X64_OP(PP_NONE, MAP_0F, B_MUL), part[i], part[i],
                          all_dwords(single_power(fbits_of(n))));
        }
        if (rounding == FP_TIEAWAY) {
            x64_fp_round_away(e, &single, X1, part[i], temp);
            round_to(e, &single, X0, part[i], x64_fp_round_modes[FP_TOZERO]);
            x64_v(a, X64_VMOVDQA_RR, part[i], NOREG, X1);
        } else if (rounding != FP_TOZERO) {
            round_to(e, &single, part[i], part[i], x64_fp_round_modes[rounding]);
        }
        x64_v(a, VCVTTPS2DQ, part[i], NOREG, part[i]);
    }
    for (unsigned i = 0; i < parts; i++) {
        if (is_unsigned) {
            x64_v(a, X64_VMOVDQA_RR, X1, NOREG, part[i]);
        } else {
            x64_v_literal(e, x64_op_add[2], X1, part[i], all_dwords(0x8000));
        }
        if (i == 0) {
            x64_v(a, X64_VMOVDQA_RR, X0, NOREG, X1);
        } else {
            x64_v(a, VPOR, X0, X0, X1);
        }
    }
    x64_v_literal(e, VPTEST, X0, NOREG, all_dwords(0xffff0000u));
    also_from(e, stub, CC_NE);
    zero(e, X0);
    x64_v(a, is_unsigned ? VPACKUSDW : OP66(0x6b), rd, part[0], parts == 2 ? part[1] : X0);
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

bool x64_vop_fcvt_int(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (FP_VROUND_OF(n->imm) > FP_TIEAWAY ||
        (lane_of(n) == 1 ? !is_half_fast(e) : !x64_fp_is_fast(e, n))) {
        return false;
    }
    return is_scalar(n)      ? to_integer(e, node, n)
           : lane_of(n) == 1 ? halves_to_integers(e, node, n)
                             : to_integers(e, node, n);
}

/* Numbers that fit; Z is set when the way back gives the same bits, as it does not for -0. */
bool x64_vop_fjcvtzs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, INT, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    x64_fp_tell_of_operand(e, n, ra);
    x64_v(a, X64_OP(PP_F2, MAP_0F, 0x2c), rd, NOREG, ra);
    x64_alu_ri(a, 0, ALU_CMP, rd, 1);
    also_from(e, stub, CC_O);
    zero(e, X0);
    x64_v(a, VCVTSI2SD, X0, X0, rd);
    x64_vw(a, 1, X64_VMOVD_STORE, X0, NOREG, RAX);
    x64_vw(a, 1, X64_VMOVD_STORE, ra, NOREG, RCX);
    x64_alu_rr(a, 1, ALU_CMP, RAX, RCX);
    x64_mov_ri(a, RCX, 0);
    x64_setcc(a, CC_E, RCX);
    x64_shift_ri(a, 1, SH_SHL, RCX, 62);
    x64_alu_rr(a, 1, ALU_OR, rd, RCX);
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

/* --- From integers ---------------------------------------------------------------------------------------------------------------- */

/* To half precision by way of doubles, as far as they have all bits. */
static bool half_from_integer(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0,
               in_vector = x64_val(e, n->a)->cls != CLASS_INT;
    const unsigned size = FP_VINT_OF(n->imm);
    const int ra = x64_use(e, in_vector ? VEC : INT, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, in_vector ? ra : x64_temp(e, VEC), NOREG,
                                               NOREG, rd);

    if (in_vector) {
        x64_vw(a, size == 3, X64_VMOVD_STORE, ra, NOREG, RAX);
    } else {
        x64_mov_rr(a, size == 3, RAX, ra);
        x64_vw(a, 1, X64_VMOVD_LOAD, stub->operands[0], NOREG, ra);
    }
    if (size == 1) {
        x64_rr(a, 0, is_unsigned ? MOVZX_W : MOVSX_W, RAX, RAX);
    } else if (size == 3) {
        x64_mov_rr(a, 1, RCX, RAX);
        x64_shift_ri(a, 1, is_unsigned ? SH_SHR : SH_SAR, RCX, 53);
        if (!is_unsigned) {
            x64_alu_ri(a, 1, ALU_ADD, RCX, 1);
        }
        x64_alu_ri(a, 1, ALU_CMP, RCX, is_unsigned ? 0 : 1);
        also_from(e, stub, CC_A);
    }
    zero(e, X0);
    x64_vw(a, size == 3 || (size == 2 && is_unsigned), VCVTSI2SD, X0, X0, RAX);
    if (fbits_of(n) != 0) {
        const uint64_t power = double_power(-fbits_of(n));
        x64_v_literal(e, X64_OP(PP_F2, MAP_0F, B_MUL), X0, X0, (v128){.d = {power, 0}});
    }
    double_to_half(e, rd, X0, false, stub);
    resume_here(e, stub);
    return true;
}

/* From a general-purpose register, or the low lane of a vector. */
static bool from_integer(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0, wide = FP_VINT_OF(n->imm) == 3;
    const bool in_vector = x64_val(e, n->a)->cls != CLASS_INT;
    int vector = X1, ra = RAX;

    if (in_vector) {
        vector = x64_use(e, VEC, n->a);
        x64_vw(a, wide, X64_VMOVD_STORE, vector, NOREG, RAX);
    } else {
        ra = x64_use(e, INT, n->a);
        if (is_unsigned && !wide) {
            x64_mov_rr(a, 0, RAX, ra);
            ra = RAX;
        }
    }
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *stub = NULL;
    if (is_unsigned && wide && e->level < 4) { /* the lower half of the numbers as signed ones */
        if (!in_vector) {
            x64_vw(a, 1, X64_VMOVD_LOAD, X1, NOREG, ra);
        }
        stub = x64_vop_stub(e, node, vector, NOREG, NOREG, rd);
        x64_test_rr(a, 1, ra, ra);
        also_from(e, stub, CC_S);
    }
    zero(e, X0);
    if (is_unsigned && wide && e->level >= 4) {
        x64_e(a, 1, form(n, 0x7b), rd, X0, ra); /* VCVTUSI2SD */
    } else {
        x64_vw(a, wide || is_unsigned, form(n, 0x2a), rd, X0, ra); /* CVTSI2SD */
    }
    if (fbits_of(n) != 0) {
        x64_v_literal(e, form(n, B_MUL), rd, rd,
                      of_form(n, single_power(-fbits_of(n)), double_power(-fbits_of(n))));
    }
    resume_here(e, stub);
    return true;
}

static void from_doublewords(struct x64_emit *e, int rd, int ra)
{
    struct x64_asm *const a = &e->a;

    zero(e, X0);
    x64_vw(a, 1, X64_VMOVD_STORE, ra, NOREG, RAX);
    x64_vw(a, 1, VCVTSI2SD, rd, X0, RAX);
    x64_vwi(a, 1, VPEXTRQ, ra, NOREG, RAX, 1);
    x64_vw(a, 1, VCVTSI2SD, X0, X0, RAX);
    x64_v(a, VUNPCKLPD, rd, rd, X0);
}

/* The halves of each word, which are exact, and their sum, which rounds. */
static void from_unsigned_words(struct x64_emit *e, int rd, int ra)
{
    struct x64_asm *const a = &e->a;

    x64_v_literal(e, VPAND, X0, ra, all_dwords(0xffff));
    x64_vi(a, VPSLLD, 2, X1, ra, 16); /* right */
    x64_v(a, VCVTDQ2PS, X0, NOREG, X0);
    x64_v(a, VCVTDQ2PS, X1, NOREG, X1);
    x64_v_literal(e, X64_OP(PP_NONE, MAP_0F, B_MUL), X1, X1, all_dwords(single_power(16)));
    x64_v(a, X64_OP(PP_NONE, MAP_0F, B_ADD), rd, X0, X1);
}

/* ... of each doubleword, as the low bits of 2^84 and of 2^52. Rounding down, what is 0 comes as -0. */
static void from_unsigned_doublewords(struct x64_emit *e, int rd, int ra)
{
    struct x64_asm *const a = &e->a;
    const uint64_t high = double_power(84), low = double_power(52);

    x64_vi(a, VPSLLQ, 2, X0, ra, 32); /* right */
    x64_v_literal(e, VPOR, X0, X0, (v128){.d = {high, high}});
    x64_v_literal(e, OP66(B_SUB), X0, X0, (v128){.d = {high | 1ull << 20, high | 1ull << 20}});
    x64_v_literal(e, VPAND, X1, ra, (v128){.d = {UINT32_MAX, UINT32_MAX}});
    x64_v_literal(e, VPOR, X1, X1, (v128){.d = {low, low}});
    x64_v(a, OP66(B_ADD), rd, X0, X1);
    x64_vm(a, VPAND, rd, rd, constant(X64_K_ABS_D));
}

/* Halfwords, which singles have all. */
static bool halves_from_integers(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const by_lane *const widen = (n->imm & FP_VUNSIGNED) != 0 ? &x64_op_zx : &x64_op_sx;
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);

    for (unsigned part = 0; part < (is_half(n) ? 1u : 2u); part++) {
        const int to = part == 0 ? rd : X0;
        if (part != 0) {
            x64_vi(a, VPSHIFT_DQ, 3, X0, ra, 8);
        }
        x64_v(a, (*widen)[1], to, NOREG, part == 0 ? ra : X0);
        x64_v(a, VCVTDQ2PS, to, NOREG, to);
        if (fbits_of(n) != 0) {
            x64_v_literal(e, X64_OP(PP_NONE, MAP_0F, B_MUL), to, to,
                          all_dwords(single_power(-fbits_of(n))));
        }
        x64_vi(a, CVTPS2PH, to, NOREG, to, BY_MXCSR);
    }
    if (!is_half(n)) {
        x64_v(a, VPUNPCKLQDQ, rd, rd, X0);
    }
    /* The least normal number may have been less before it was rounded. */
    x64_v_literal(e, VPAND, X0, rd, all_words(0x7fff));
    x64_v_literal(e, x64_op_eq[1], X0, X0, all_words(0x0400));
    x64_v(a, VPMOVMSKB, RAX, NOREG, X0);
    x64_test_rr(a, 0, RAX, RAX);
    also_from(e, stub, CC_NE);
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

bool x64_vop_cvtf_int(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const bool is_unsigned = (n->imm & FP_VUNSIGNED) != 0;

    if (lane_of(n) == 1) {
        return is_half_fast(e) &&
               (is_scalar(n) ? half_from_integer(e, node, n) : halves_from_integers(e, node, n));
    }
    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    if (is_scalar(n)) {
        return from_integer(e, node, n);
    }
    int ra = x64_use(e, VEC, n->a);
    const int rd = x64_def(e, VEC, node);
    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, ra);
        ra = rd;
    }
    if (e->level >= 4 && is_double(n)) { /* VCVTUQQ2PD, VCVTQQ2PD */
        x64_e(a, 1, X64_OP(PP_F3, MAP_0F, is_unsigned ? 0x7a : 0xe6), rd, NOREG, ra);
    } else if (e->level >= 4 && is_unsigned) {
        x64_e(a, 0, X64_OP(PP_F2, MAP_0F, 0x7a), rd, NOREG, ra); /* VCVTUDQ2PS */
    } else if (is_double(n) && is_unsigned) {
        from_unsigned_doublewords(e, rd, ra);
    } else if (is_double(n)) {
        from_doublewords(e, rd, ra);
    } else if (is_unsigned) {
        from_unsigned_words(e, rd, ra);
    } else {
        x64_v(a, VCVTDQ2PS, rd, NOREG, ra);
    }
    if (fbits_of(n) != 0) {
        x64_v_literal(e, packed(n, B_MUL), rd, rd,
                      in_all(n, single_power(-fbits_of(n)), double_power(-fbits_of(n))));
    }
    return true;
}

/* --- Integral values -------------------------------------------------------------------------------------------------------------- */

/* Goes to the stub when a magnitude is above that one: a NaN is. Uses RAX and X0. */
static void check_magnitude(struct x64_emit *e, const struct ir_node *n, int ra, uint32_t single,
                            uint64_t twice, struct x64_stub *stub)
{
    x64_v_literal(e, VPAND, X0, ra, of_form(n, INT32_MAX, INT64_MAX));
    x64_v_literal(e, x64_op_gt[lane_of(n)], X0, X0, in_all(n, single, twice));
    x64_fp_check_masks(e, n, X0, stub);
}

bool x64_vop_frint(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned rounding = FP_VROUND_OF(n->imm);
    unsigned mode = x64_fp_round_modes[rounding] | ROUND_QUIET;

    if (!x64_fp_is_fast(e, n) || rounding == FP_ODD) {
        return false;
    }
    if ((n->imm & FP_VEXACT) != 0) {
        mode &= ~ROUND_QUIET;
    }
    int ra = x64_use(e, VEC, n->a);
    const int rd = x64_def(e, VEC, node), temp = rounding == FP_TIEAWAY ? x64_temp(e, VEC) : NOREG;
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, X1, NOREG, ra);
        ra = X1;
    }
    x64_fp_tell_of_operand(e, n, ra);
    if (rounding == FP_TIEAWAY) {
        check_magnitude(e, n, ra, 0x7f7fffff, 0x7fefffffffffffffull, stub); /* the greatest */
        if (is_scalar(n)) {
            x64_keep_low(e, X1, ra, lane_of(n));
            ra = X1;
        }
        x64_fp_round_away(e, n, rd, ra, temp);
        x64_fp_check_flags(e, stub);
    } else {
        if (is_scalar(n)) {
            zero(e, X0);
        }
        x64_vi(&e->a, round_of(n), rd, is_scalar(n) ? X0 : NOREG, ra, mode);
        x64_fp_check_result(e, n, rd, false, stub);
    }
    resume_here(e, stub);
    return true;
}

/* FRINT32 and FRINT64: as long as the greatest integer that the format has below the limit is not exceeded. */
bool x64_vop_frint_n(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const bool wide = FP_VINT_OF(n->imm) == 3;

    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, X1, NOREG, ra);
        ra = X1;
    }
    x64_fp_tell_of_operand(e, n, ra);
    check_magnitude(e, n, ra, wide ? 0x5effffff : 0x4effffff,
                    wide ? 0x43dfffffffffffffull : 0x41dfffffffc00000ull, stub);
    if (is_scalar(n)) {
        zero(e, X0);
    }
    x64_vi(&e->a, round_of(n), rd, is_scalar(n) ? X0 : NOREG, ra,
           x64_fp_round_modes[FP_VROUND_OF(n->imm)]);
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}
