/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Integer vector functions that saturate, with the host's instructions. What each means stands in simd/vops_int.inc. Lanes that the
 * form does not have must not set FPSR.QC: they are cleared first, or left out of what is looked at.
 */
#include "engine/x64/vop_int.h"

/* FPSR.QC when the host's flags say so. */
static void set_qc(struct x64_emit *e, enum x64_cc when)
{
    const uint32_t skip = x64_jcc(&e->a, (enum x64_cc)(when ^ 1));

    x64_alu_mi(&e->a, 0, ALU_OR, CPU_FIELD(fpsr), 1 << 27);
    x64_patch_here(&e->a, skip);
}

void x64_set_qc_if_any(struct x64_emit *e, int reg)
{
    x64_v(&e->a, VPTEST, reg, NOREG, reg);
    set_qc(e, CC_NE);
}

/* Lanes where rd is the least number become the greatest, and count as saturated. Uses X0. */
static void least_to_greatest(struct x64_emit *e, const struct ir_node *n, unsigned lane, int rd)
{
    x64_v_literal(e, x64_op_eq[lane], X0, rd, x64_least(lane));
    if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, X0, NOREG, X0);
    }
    x64_v(&e->a, VPXOR, rd, rd, X0);
    x64_set_qc_if_any(e, X0);
}

/* --- Lane by lane ---------------------------------------------------------------------------------------------------------------- */

/* Bytes and halfwords: the host's saturating operation; where the wrapping one gives something else FPSR.QC is set. */
static bool saturating(struct x64_emit *e, ir_ref node, const struct ir_node *n, uint32_t for_bytes,
                       uint32_t for_words, by_lane wrapping)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 1) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    if (is_scalar(n)) {
        x64_keep_low(e, rd, ra, lane); /* uses XMM1 and RAX */
        x64_keep_low(e, X0, rb, lane);
        x64_v(a, X64_VMOVDQA_RR, X1, NOREG, rd);
        ra = X1;
        rb = X0;
    } else if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, X1, NOREG, ra);
        x64_v(a, X64_VMOVQ_LOAD, X0, NOREG, rb);
        ra = X1;
        rb = X0;
    }
    x64_v(a, lane == 0 ? for_bytes : for_words, rd, ra, rb);
    x64_v(a, wrapping[lane], X0, ra, rb);
    x64_v(a, VPXOR, X0, X0, rd);
    x64_set_qc_if_any(e, X0);
    return true;
}

/* The sign bits of `reg`'s lanes that the form has, in EAX. */
static unsigned signs(struct x64_emit *e, const struct ir_node *n, int reg)
{
    const unsigned lane = lane_of(n);
    const unsigned all = is_scalar(n) ? 1 : lane == 3 || is_half(n) ? 3 : 15;

    x64_v(&e->a, X64_OP(lane == 3 ? (uint32_t)PP_66 : (uint32_t)PP_NONE, MAP_0F, 0x50), RAX, NOREG,
          reg); /* VMOVMSK */
    return all;
}

/* Words and doublewords: the wrapped result, and where its sign cannot be right the limit on a's side. */
static bool saturating_signed(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                              bool subtract)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);
    const v128 greatest = {.d = {~x64_least(lane).d[0], ~x64_least(lane).d[1]}};
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(a, (subtract ? x64_op_sub : x64_op_add)[lane], X0, ra, rb);
    x64_v(a, VPXOR, X1, ra, X0);
    x64_v(a, VPXOR, rd, ra, rb);
    x64_v(a, subtract ? VPAND : VPANDN, X1, rd, X1);
    if (lane == 2) {
        x64_vi(a, OP66(0x72), 4, rd, ra, 31);
    } else {
        x64_v(a, VPXOR, rd, rd, rd);
        x64_v(a, x64_op_gt[3], rd, rd, ra);
    }
    x64_v_literal(e, VPXOR, rd, rd, greatest);
    x64_v4(a, lane == 2 ? OP3A(0x4a) : OP3A(0x4b), rd, X0, rd, X1); /* VBLENDV */
    const unsigned all = signs(e, n, X1);
    x64_test_ri(a, 0, RAX, (int32_t)all);
    set_qc(e, CC_NE);
    x64_finish(e, n, rd);
    return true;
}

/* Words: a is brought to where the operation does not wrap. */
static bool saturating_unsigned(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                                bool subtract)
{
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 2) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    if (subtract) {
        x64_v(a, x64_op_umax[2], X1, ra, rb);
        x64_v(a, x64_op_sub[2], rd, X1, rb);
    } else {
        x64_v(a, OP66(0x76), X1, X1, X1);
        x64_v(a, VPXOR, X1, X1, rb);
        x64_v(a, x64_op_umin[2], X1, ra, X1);
        x64_v(a, x64_op_add[2], rd, X1, rb);
    }
    x64_v(a, x64_op_eq[2], X1, X1, ra);
    const unsigned all = signs(e, n, X1);
    x64_alu_ri(a, 0, ALU_AND, RAX, (int32_t)all);
    x64_alu_ri(a, 0, ALU_CMP, RAX, (int32_t)all);
    set_qc(e, CC_NE);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return lane_of(n) > 1 ? saturating_signed(e, node, n, false)
                          : saturating(e, node, n, OP66(0xec), OP66(0xed), x64_op_add);
}

static bool vop_uqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return lane_of(n) > 1 ? saturating_unsigned(e, node, n, false)
                          : saturating(e, node, n, OP66(0xdc), OP66(0xdd), x64_op_add);
}

static bool vop_sqsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return lane_of(n) > 1 ? saturating_signed(e, node, n, true)
                          : saturating(e, node, n, OP66(0xe8), OP66(0xe9), x64_op_sub);
}

static bool vop_uqsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return lane_of(n) > 1 ? saturating_unsigned(e, node, n, true)
                          : saturating(e, node, n, OP66(0xd8), OP66(0xd9), x64_op_sub);
}

static bool vop_sqabs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n);

    if (lane == 3 || is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v(&e->a, OP38(0x1c + lane), rd, NOREG, ra); /* VPABS */
    least_to_greatest(e, n, lane, rd);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqneg(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n);

    if (is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v(&e->a, VPXOR, X0, X0, X0);
    x64_v(&e->a, x64_op_sub[lane], rd, X0, ra);
    least_to_greatest(e, n, lane, rd);
    x64_finish(e, n, rd);
    return true;
}

/* High halves of doubled products. Only that of the least number with itself does not fit, and comes out as the least number. */
static bool double_high(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool rounding)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (is_scalar(n) || (lane != 1 && lane != 2)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    if (lane == 1 && rounding) {
        x64_v(a, OP38(0x0b), rd, ra, rb); /* VPMULHRSW */
    } else if (lane == 1) {
        x64_v(a, OP66(0xe5), rd, ra, rb); /* VPMULHW */
        x64_v(a, OP66(0xd5), X0, ra, rb);
        x64_v(a, x64_op_add[1], rd, rd, rd);
        x64_vi(a, OP66(0x71), 2, X0, X0, 15);
        x64_v(a, VPOR, rd, rd, X0);
    } else { /* even and odd lanes */
        const v128 half = {.d = {1ull << 31, 1ull << 31}};
        x64_vi(a, OP66(0x73), 2, X0, ra, 32);
        x64_vi(a, OP66(0x73), 2, X1, rb, 32);
        x64_v(a, OP38(0x28), X0, X0, X1); /* VPMULDQ */
        x64_v(a, OP38(0x28), rd, ra, rb);
        x64_v(a, x64_op_add[3], X0, X0, X0);
        x64_v(a, x64_op_add[3], rd, rd, rd);
        if (rounding) {
            x64_v_literal(e, x64_op_add[3], X0, X0, half);
            x64_v_literal(e, x64_op_add[3], rd, rd, half);
        }
        x64_vi(a, OP66(0x73), 2, rd, rd, 32);
        x64_vi(a, VPBLENDD, rd, rd, X0, 0x0a);
    }
    least_to_greatest(e, n, lane, rd);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqdmulh(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return double_high(e, node, n, false);
}

static bool vop_sqrdmulh(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return double_high(e, node, n, true);
}

static bool vop_sqdmull(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    if (lane == 1) {
        const bool upper = (IR_VIMM_EXTRA(n->imm) & 1) != 0;
        x64_v(a, OP66(0xd5), X0, ra, rb);
        x64_v(a, OP66(0xe5), X1, ra, rb);
        x64_v(a, upper ? OP66(0x69) : OP66(0x61), rd, X0, X1); /* VPUNPCKHWD, VPUNPCKLWD */
    } else {
        x64_widen(e, n, X0, ra, true);
        x64_widen(e, n, X1, rb, true);
        x64_v(a, OP38(0x28), rd, X0, X1);
    }
    x64_v(a, x64_op_add[lane + 1], rd, rd, rd);
    x64_v_literal(e, x64_op_eq[lane + 1], X0, rd, x64_least(lane + 1));
    x64_v(a, VPXOR, rd, rd, X0);
    x64_set_qc_if_any(e, X0);
    return true;
}

/* --- Narrowing ------------------------------------------------------------------------------------------------------------------- */

/* Wide lanes with bits in their upper halves do not fit. */
static void set_qc_if_bits(struct x64_emit *e, unsigned lane, int ra)
{
    x64_v_literal(e, VPTEST, ra, NOREG, lane == 0 ? all_words(0xff00) : all_dwords(0xffff0000));
    set_qc(e, CC_NE);
}

static bool vop_sqxtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 1 || is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v(a, lane == 0 ? OP66(0x63) : OP66(0x6b), rd, ra, ra); /* VPACKSSWB, VPACKSSDW */
    x64_v(a, x64_op_sx[lane], X0, NOREG, rd);
    x64_v(a, VPXOR, X0, X0, ra);
    x64_set_qc_if_any(e, X0);
    x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    return true;
}

/* The host's packing takes signed numbers. */
static bool narrow_to_unsigned(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                               bool is_signed)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 1 || is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    if (is_signed) {
        x64_v(a, lane == 0 ? VPACKUSWB : VPACKUSDW, rd, ra, ra);
    } else {
        x64_v_literal(e, x64_op_umin[lane + 1], X0, ra,
                      lane == 0 ? all_words(0xff) : all_dwords(0xffff));
        x64_v(a, lane == 0 ? VPACKUSWB : VPACKUSDW, rd, X0, X0);
    }
    set_qc_if_bits(e, lane, ra);
    x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    return true;
}

static bool vop_sqxtun(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return narrow_to_unsigned(e, node, n, true);
}

static bool vop_uqxtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return narrow_to_unsigned(e, node, n, false);
}

/* --------------------------------------------------------------------------------------------------------------------------------- */

x64_vop_fn *const x64_vop_saturate[VOP_COUNT] = {
#define ROW(name) [VOP_##name] = vop_##name
    ROW(sqadd),   ROW(uqadd),    ROW(sqsub),   ROW(uqsub), ROW(sqabs),  ROW(sqneg),
    ROW(sqdmulh), ROW(sqrdmulh), ROW(sqdmull), ROW(sqxtn), ROW(sqxtun), ROW(uqxtn),
#undef ROW
};
