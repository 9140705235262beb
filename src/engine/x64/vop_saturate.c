/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Integer vector functions that saturate, with the host's instructions. What each means stands in simd/vops_int.inc. Lanes that the
 * form does not have must not set FPSR.QC: they are cleared first, or left out of what is looked at.
 */
#include "engine/x64/vop_int.h"

/* FPSR.QC when the host's flags say so. Bits 31 to 24 of FPSR have no other bit: a store, because what saturates often would wait for the
 * one before. */
static void set_qc(struct x64_emit *e, enum x64_cc when)
{
    const uint32_t skip = x64_jcc(&e->a, (enum x64_cc)(when ^ 1));

    x64_rm8(&e->a, 0xc6, 0, CPU_OFFSET(offsetof(struct a64_cpu, fpsr) + 3));
    x64_byte(&e->a, 1 << (27 - 24));
    x64_patch_here(&e->a, skip);
}

static void set_qc_if_any(struct x64_emit *e, int reg)
{
    x64_v(&e->a, VPTEST, reg, NOREG, reg);
    set_qc(e, CC_NE);
}

/* FPSR.QC when the scalar, a lane of that size, has a bit that is set. Uses RAX. */
static void set_qc_if_scalar(struct x64_emit *e, unsigned lane, int reg)
{
    x64_vw(&e->a, lane == 3, X64_VMOVD_STORE, reg, NOREG, RAX);
    if (lane < 2) {
        x64_test_ri(&e->a, 0, RAX, lane == 0 ? 0xff : 0xffff);
    } else {
        x64_test_rr(&e->a, lane == 3, RAX, RAX);
    }
    set_qc(e, CC_NE);
}

void x64_set_qc_if_wide(struct x64_emit *e, const struct ir_node *n, unsigned lane, int reg)
{
    if (is_scalar(n)) {
        set_qc_if_scalar(e, lane, reg);
    } else {
        set_qc_if_any(e, reg);
    }
}

void x64_set_qc_if_lanes(struct x64_emit *e, const struct ir_node *n, unsigned lane, int reg)
{
    if (is_half(n)) {
        set_qc_if_scalar(e, 3, reg);
    } else {
        x64_set_qc_if_wide(e, n, lane, reg);
    }
}

/* Lanes where rd is the least number become the greatest, and count as saturated. Uses X0. */
static void least_to_greatest(struct x64_emit *e, const struct ir_node *n, unsigned lane, int rd)
{
    x64_v_literal(e, x64_op_eq[lane], X0, rd, x64_least(lane));
    x64_v(&e->a, VPXOR, rd, rd, X0);
    x64_set_qc_if_lanes(e, n, lane, X0);
}

/* --- Lane by lane ---------------------------------------------------------------------------------------------------------------- */

/* Bytes and halfwords: the host's saturating operation; where the wrapping one gives something else FPSR.QC is set. */
static void saturate_short(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int rb,
                           bool is_signed, bool subtract)
{
    static const uint8_t bytes[2][2] = {{0xdc, 0xd8},
                                        {0xec, 0xe8}}; /* that of halfwords is the next */
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    x64_v(a, OP66(bytes[is_signed][subtract] + lane), rd, ra, rb);
    x64_v(a, (subtract ? x64_op_sub : x64_op_add)[lane], X0, ra, rb);
    x64_v(a, VPXOR, X0, X0, rd);
    x64_set_qc_if_lanes(e, n, lane, X0);
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

static void set_qc_if_signs(struct x64_emit *e, const struct ir_node *n, int reg)
{
    const unsigned all = signs(e, n, reg);

    x64_test_ri(&e->a, 0, RAX, (int32_t)all);
    set_qc(e, CC_NE);
}

/* Words and doublewords: the wrapped result, and where its sign cannot be right the limit on a's side, or b's if only b is signed. */
static void saturate_signed(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int rb,
                            bool subtract, bool mixed)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);
    const v128 greatest = {.d = {~x64_least(lane).d[0], ~x64_least(lane).d[1]}};
    const v128 limit = mixed ? all_bytes(0xff) : greatest;
    const int by_sign = mixed ? rb : ra;

    x64_v(a, (subtract ? x64_op_sub : x64_op_add)[lane], X0, ra, rb);
    x64_v(a, VPXOR, X1, ra, X0);
    x64_v(a, VPXOR, rd, ra, rb);
    x64_v(a, subtract || mixed ? VPAND : VPANDN, X1, rd, X1);
    if (lane == 2) {
        x64_vi(a, OP66(0x72), 4, rd, by_sign, 31);
    } else {
        x64_v(a, VPXOR, rd, rd, rd);
        x64_v(a, x64_op_gt[3], rd, rd, by_sign);
    }
    x64_v_literal(e, VPXOR, rd, rd, limit);
    x64_v4(a, lane == 2 ? OP3A(0x4a) : OP3A(0x4b), rd, X0, rd, X1); /* VBLENDV */
    set_qc_if_signs(e, n, X1);
}

/* Words and doublewords, a signed, b unsigned: where the sum is less than a it has wrapped, and becomes the greatest. */
static void saturate_upwards(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int rb)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    x64_v(a, x64_op_add[lane], rd, ra, rb);
    x64_v(a, x64_op_gt[lane], X1, ra, rd);
    x64_vi(a, lane == 2 ? OP66(0x72) : OP66(0x73), 2, X0, X1, 1);
    x64_v(a, VPANDN, rd, X1, rd);
    x64_v(a, VPOR, rd, rd, X0);
    set_qc_if_signs(e, n, X1);
}

/* Words: a is brought to where the operation does not wrap. */
static void saturate_words(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int rb,
                           bool subtract)
{
    struct x64_asm *const a = &e->a;

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
}

/* Doublewords: the sum wraps where it is less than a, the difference where b is greater. The host compares signed numbers. */
static void saturate_doublewords(struct x64_emit *e, const struct ir_node *n, int rd, int ra,
                                 int rb, bool subtract)
{
    struct x64_asm *const a = &e->a;
    const v128 sign = x64_least(3);

    x64_v(a, (subtract ? x64_op_sub : x64_op_add)[3], rd, ra, rb);
    x64_v_literal(e, VPXOR, X0, ra, sign);
    x64_v_literal(e, VPXOR, X1, subtract ? rb : rd, sign);
    if (subtract) {
        x64_v(a, x64_op_gt[3], X1, X1, X0);
        x64_v(a, VPANDN, rd, X1, rd);
    } else {
        x64_v(a, x64_op_gt[3], X1, X0, X1);
        x64_v(a, VPOR, rd, rd, X1);
    }
    set_qc_if_signs(e, n, X1);
}

static void saturate(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int rb,
                     bool is_signed, bool subtract)
{
    if (lane_of(n) < 2) {
        saturate_short(e, n, rd, ra, rb, is_signed, subtract);
    } else if (is_signed) {
        saturate_signed(e, n, rd, ra, rb, subtract, false);
    } else if (lane_of(n) == 2) {
        saturate_words(e, n, rd, ra, rb, subtract);
    } else {
        saturate_doublewords(e, n, rd, ra, rb, subtract);
    }
}

static bool add_or_subtract(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                            bool is_signed, bool subtract)
{
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    saturate(e, n, rd, ra, rb, is_signed, subtract);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_or_subtract(e, node, n, true, false);
}

static bool vop_uqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_or_subtract(e, node, n, false, false);
}

static bool vop_sqsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_or_subtract(e, node, n, true, true);
}

static bool vop_uqsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_or_subtract(e, node, n, false, true);
}

/* a and b are of different kinds. Bytes and halfwords: with half of the lane's range added a is of b's kind, and so is the result. */
static bool add_mixed(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool b_signed)
{
    const v128 bias = x64_least(lane_of(n));
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    if (lane_of(n) < 2) {
        x64_v_literal(e, VPXOR, X1, ra, bias);
        saturate_short(e, n, rd, X1, rb, b_signed, false);
        x64_v_literal(e, VPXOR, rd, rd, bias);
    } else if (b_signed) {
        saturate_signed(e, n, rd, ra, rb, false, true);
    } else {
        saturate_upwards(e, n, rd, ra, rb);
    }
    x64_finish(e, n, rd);
    return true;
}

static bool vop_suqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_mixed(e, node, n, false);
}

static bool vop_usqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_mixed(e, node, n, true);
}

static bool vop_sqabs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    x64_absolute(e, lane_of(n), rd, ra);
    least_to_greatest(e, n, lane_of(n), rd);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqneg(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n);
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

    if (lane != 1 && lane != 2) {
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

/* c and the rounded high half of a doubled product, or less that, in lanes of twice the size, where nothing wraps. What is shifted is
 * half of all that. `c` has the lanes in the upper halves, and is overwritten. */
static void accumulate_wide(struct x64_emit *e, unsigned lane, int product, int c, bool subtract)
{
    struct x64_asm *const a = &e->a;
    const v128 half = lane == 1 ? all_dwords(1 << 14) : (v128){.d = {1 << 30, 1 << 30}};

    if (lane == 1) {
        x64_vi(a, OP66(0x72), 4, c, c, 1);
    } else {
        x64_ei(a, 1, OP66(0x72), 4, c, c, 1); /* VPSRAQ */
    }
    x64_v_literal(e, (subtract ? x64_op_sub : x64_op_add)[lane + 1], product, product, half);
    x64_v(a, (subtract ? x64_op_sub : x64_op_add)[lane + 1], product, c, product);
    if (lane == 1) {
        x64_vi(a, OP66(0x72), 4, product, product, 15);
    } else {
        x64_ei(a, 1, OP66(0x72), 4, product, product, 31);
    }
}

/* Lower and upper halfwords. What is beyond a halfword has other bits above it when half of its range is added. */
static void accumulate_halfwords(struct x64_emit *e, const struct ir_node *n, int rd, int ra,
                                 int rb, int rc, bool subtract)
{
    struct x64_asm *const a = &e->a;
    const bool whole = !is_scalar(n) && !is_half(n);
    const int upper = x64_temp(e, VEC);

    x64_v(a, OP66(0xd5), X0, ra, rb);
    x64_v(a, OP66(0xe5), X1, ra, rb);
    x64_v(a, OP66(0x69), upper, X0, X1); /* VPUNPCKHWD */
    x64_v(a, OP66(0x61), X0, X0, X1);
    x64_v(a, VPXOR, X1, X1, X1);
    x64_v(a, OP66(0x61), X1, X1, rc);
    accumulate_wide(e, 1, X0, X1, subtract);
    if (whole) {
        x64_v(a, VPXOR, X1, X1, X1);
        x64_v(a, OP66(0x69), X1, X1, rc);
        accumulate_wide(e, 1, upper, X1, subtract);
    }
    x64_v(a, OP66(0x6b), rd, X0, whole ? upper : X0); /* VPACKSSDW */
    x64_v_literal(e, x64_op_add[2], X0, X0, all_dwords(0x8000));
    if (whole) {
        x64_v_literal(e, x64_op_add[2], upper, upper, all_dwords(0x8000));
        x64_v(a, VPOR, X0, X0, upper);
    }
    x64_vi(a, OP66(0x72), 2, X0, X0, 16);
    x64_set_qc_if_wide(e, n, 2, X0);
}

/* Even and odd words. What is beyond a word does not come back from the narrow one. */
static void accumulate_words(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int rb,
                             int rc, bool subtract)
{
    struct x64_asm *const a = &e->a;
    const int odd = x64_temp(e, VEC);

    x64_v(a, OP38(0x28), X0, ra, rb); /* VPMULDQ */
    x64_vi(a, OP66(0x73), 6, X1, rc, 32);
    accumulate_wide(e, 2, X0, X1, subtract);
    x64_e(a, 0, X64_OP(PP_F3, MAP_0F38, 0x25), X0, NOREG, rd); /* VPMOVSQD */
    x64_v(a, x64_op_sx[2], X1, NOREG, rd);
    x64_v(a, VPXOR, X0, X0, X1);
    if (!is_scalar(n)) {
        x64_vi(a, OP66(0x73), 2, odd, ra, 32);
        x64_vi(a, OP66(0x73), 2, X1, rb, 32);
        x64_v(a, OP38(0x28), odd, odd, X1);
        x64_v_literal(e, VPAND, X1, rc, (v128){.s = {0, UINT32_MAX, 0, UINT32_MAX}});
        accumulate_wide(e, 2, odd, X1, subtract);
        x64_e(a, 0, X64_OP(PP_F3, MAP_0F38, 0x25), odd, NOREG, X1);
        x64_v(a, OP66(0x62), rd, rd, X1); /* VPUNPCKLDQ */
        x64_v(a, x64_op_sx[2], X1, NOREG, X1);
        x64_v(a, VPXOR, odd, odd, X1);
        x64_v(a, VPOR, X0, X0, odd);
    }
    x64_set_qc_if_lanes(e, n, 3, X0);
}

static bool accumulate_high(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool subtract)
{
    const unsigned lane = lane_of(n);

    if (lane != 1 && (lane != 2 || e->level < 4)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              rd = x64_def(e, VEC, node);
    (lane == 1 ? accumulate_halfwords : accumulate_words)(e, n, rd, ra, rb, rc, subtract);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqrdmlah(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return accumulate_high(e, node, n, false);
}

static bool vop_sqrdmlsh(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return accumulate_high(e, node, n, true);
}

static bool vop_sqdmull(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    if (lane == 1) {
        const bool upper = (IR_VIMM_EXTRA(n->imm) & 1) != 0;
        x64_v(a, OP66(0xd5), X0, ra, rb);
        x64_v(a, OP66(0xe5), X1, ra, rb);
        x64_v(a, upper ? OP66(0x69) : OP66(0x61), rd, X0, X1); /* VPUNPCKHWD, VPUNPCKLWD */
    } else {
        const int wa = x64_words_apart(e, n, n->a, ra, X0),
                  wb = x64_words_apart(e, n, n->b, rb, X1);
        x64_v(a, OP38(0x28), rd, wa, wb);
    }
    x64_v(a, x64_op_add[lane + 1], rd, rd, rd);
    x64_v_literal(e, x64_op_eq[lane + 1], X0, rd, x64_least(lane + 1));
    x64_v(a, VPXOR, rd, rd, X0);
    x64_set_qc_if_wide(e, n, lane + 1, X0);
    if (is_scalar(n)) {
        x64_keep_low(e, rd, rd, lane + 1);
    }
    return true;
}

/* --- Shifts to the left ---------------------------------------------------------------------------------------------------------- */

/* The same count in all lanes; level 4 has code for any (vop_512.c). What does not come back from the shifted number has not fitted. */
static bool shift_left(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool from_signed,
                       bool to_signed)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);
    unsigned count;

    if (!x64_is_left_count(e, n, &count)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), lost = x64_temp(e, VEC), rd = x64_def(e, VEC, node);
    x64_shift_left(e, lane, X0, ra, count);
    x64_shift_right(e, lane, lost, X0, count, to_signed);
    x64_v(a, x64_op_eq[lane], lost, lost, ra);
    x64_v(a, OP66(0x76), X1, X1, X1);
    x64_v(a, VPXOR, lost, lost, X1);
    if (from_signed) { /* X1: it is negative */
        x64_v(a, VPXOR, X1, X1, X1);
        x64_v(a, x64_op_gt[lane], X1, X1, ra);
    }
    if (to_signed) {
        const v128 greatest = {.d = {~x64_least(lane).d[0], ~x64_least(lane).d[1]}};
        x64_v_literal(e, VPXOR, X1, X1, greatest);
        x64_v(a, VPAND, X1, X1, lost);
        x64_v(a, VPANDN, rd, lost, X0);
        x64_v(a, VPOR, rd, rd, X1);
    } else {
        x64_v(a, VPOR, rd, X0, lost);
        if (from_signed) {
            x64_v(a, VPANDN, rd, X1, rd);
            x64_v(a, VPOR, lost, lost, X1);
        }
    }
    x64_set_qc_if_lanes(e, n, lane, lost);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return shift_left(e, node, n, true, true);
}

static bool vop_uqshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return shift_left(e, node, n, false, false);
}

static bool vop_sqshlu(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return shift_left(e, node, n, true, false);
}

/* --- Narrowing ------------------------------------------------------------------------------------------------------------------- */

/* The scalar, or 64 bits. */
static void finish_narrow(struct x64_emit *e, const struct ir_node *n, int rd)
{
    x64_keep_low(e, rd, rd, is_scalar(n) ? lane_of(n) : 3);
}

static bool vop_sqxtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 1) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v(a, lane == 0 ? OP66(0x63) : OP66(0x6b), rd, ra, ra); /* VPACKSSWB, VPACKSSDW */
    x64_v(a, x64_op_sx[lane], X0, NOREG, rd);
    x64_v(a, VPXOR, X0, X0, ra);
    x64_set_qc_if_wide(e, n, lane + 1, X0);
    finish_narrow(e, n, rd);
    return true;
}

/* The host's packing takes signed numbers. Wide lanes with bits in their upper halves do not fit. */
static bool narrow_to_unsigned(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                               bool is_signed)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 1) {
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
    if (is_scalar(n)) {
        x64_v(a, X64_VMOVD_STORE, ra, NOREG, RAX);
        x64_test_ri(a, 0, RAX, lane == 0 ? 0xff00 : -0x10000);
    } else {
        x64_v_literal(e, VPTEST, ra, NOREG, lane == 0 ? all_words(0xff00) : all_dwords(0xffff0000));
    }
    set_qc(e, CC_NE);
    finish_narrow(e, n, rd);
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
    ROW(sqadd), ROW(uqadd),   ROW(sqsub),    ROW(uqsub),    ROW(suqadd),   ROW(usqadd),  ROW(sqabs),
    ROW(sqneg), ROW(sqdmulh), ROW(sqrdmulh), ROW(sqrdmlah), ROW(sqrdmlsh), ROW(sqdmull), ROW(sqshl),
    ROW(uqshl), ROW(sqshlu),  ROW(sqxtn),    ROW(sqxtun),   ROW(uqxtn),
#undef ROW
};
