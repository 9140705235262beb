/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Integer vector functions with the host's instructions: lane by lane, shifts, widening. What each means stands in
 * simd/vops_int.inc. Lanes that the form does not have may hold anything while computing.
 */
#include "engine/x64/vop_int.h"

by_lane x64_op_add = {OP66(0xfc), OP66(0xfd), OP66(0xfe), OP66(0xd4)};
by_lane x64_op_sub = {OP66(0xf8), OP66(0xf9), OP66(0xfa), OP66(0xfb)};
by_lane x64_op_eq = {OP66(0x74), OP66(0x75), OP66(0x76), OP38(0x29)};
by_lane x64_op_gt = {OP66(0x64), OP66(0x65), OP66(0x66), OP38(0x37)};
by_lane x64_op_smax = {OP38(0x3c), OP66(0xee), OP38(0x3d), NONE};
by_lane x64_op_smin = {OP38(0x38), OP66(0xea), OP38(0x39), NONE};
by_lane x64_op_umax = {OP66(0xde), OP38(0x3e), OP38(0x3f), NONE};
by_lane x64_op_umin = {OP66(0xda), OP38(0x3a), OP38(0x3b), NONE};
by_lane x64_op_broadcast = {OP38(0x78), OP38(0x79), OP38(0x58), OP38(0x59)};

by_lane x64_op_sx = {OP38(0x20), OP38(0x23), OP38(0x25), NONE};
by_lane x64_op_zx = {OP38(0x30), OP38(0x33), OP38(0x35), NONE};

v128 x64_least(unsigned lane)
{
    const v128 values[4] = {
        all_bytes(0x80), all_words(0x8000), all_dwords(1u << 31), {.d = {1ull << 63, 1ull << 63}}};

    return values[lane];
}

v128 x64_ones(unsigned lane)
{
    const v128 values[4] = {all_bytes(1), all_words(1), all_dwords(1), {.d = {1, 1}}};

    return values[lane];
}

void x64_finish(struct x64_emit *e, const struct ir_node *n, int rd)
{
    if (is_scalar(n)) {
        x64_keep_low(e, rd, rd, lane_of(n));
    } else if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
}

bool x64_is_left_count(const struct x64_emit *e, const struct ir_node *n, unsigned *count)
{
    const struct ir_node *const b = x64_node(e, n->b);
    uint64_t value;

    if (b->op != IR_VDUP || b->type != lane_of(n) || !x64_const(e, b->a, &value)) {
        return false;
    }
    *count = (unsigned)value;
    return value < 8u << lane_of(n);
}

static void invert(struct x64_emit *e, int rd)
{
    x64_v(&e->a, OP66(0x76), X1, X1, X1);
    x64_v(&e->a, VPXOR, rd, rd, X1);
}

bool x64_vop_two(struct x64_emit *e, ir_ref node, const struct ir_node *n, by_lane ops)
{
    if (ops[lane_of(n)] == NONE) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def_over(e, VEC, node);

    x64_v(&e->a, ops[lane_of(n)], rd, ra, rb);
    x64_finish(e, n, rd);
    return true;
}

/* --- Lane by lane ---------------------------------------------------------------------------------------------------------------- */

static bool vop_add(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_add);
}

static bool vop_sub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_sub);
}

static bool vop_smax(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_smax);
}

static bool vop_smin(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_smin);
}

static bool vop_umax(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_umax);
}

static bool vop_umin(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_umin);
}

static bool vop_cmeq(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_eq);
}

static bool vop_cmgt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_vop_two(e, node, n, x64_op_gt);
}

static bool vop_mul(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    static by_lane ops = {NONE, OP66(0xd5), OP38(0x40), NONE};
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 0) {
        return x64_vop_two(e, node, n, ops);
    }
    /* Bytes: even ones and odd ones as words. */
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_v(a, OP66(0xd5), rd, ra, rb);
    x64_v_literal(e, VPAND, rd, rd, all_words(0xff));
    x64_vi(a, OP66(0x71), 2, X0, ra, 8);
    x64_vi(a, OP66(0x71), 2, X1, rb, 8);
    x64_v(a, OP66(0xd5), X0, X0, X1);
    x64_vi(a, OP66(0x71), 6, X0, X0, 8);
    x64_v(a, VPOR, rd, rd, X0);
    x64_finish(e, n, rd);
    return true;
}

/* a >= b: not b > a */
static bool vop_cmge(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(&e->a, x64_op_gt[lane_of(n)], rd, rb, ra);
    invert(e, rd);
    x64_finish(e, n, rd);
    return true;
}

/* Unsigned: a >= b when the greater of both is a. */
static bool unsigned_compare(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool strict)
{
    struct x64_asm *const a = &e->a;
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    const unsigned lane = lane_of(n);

    if (lane == 3) {
        const v128 sign = {.d = {1ull << 63, 1ull << 63}};
        x64_v_literal(e, VPXOR, X0, ra, sign);
        x64_v_literal(e, VPXOR, X1, rb, sign);
        if (strict) {
            x64_v(a, x64_op_gt[3], rd, X0, X1);
        } else {
            x64_v(a, x64_op_gt[3], rd, X1, X0);
            invert(e, rd);
        }
    } else if (strict) { /* not b >= a */
        x64_v(a, x64_op_umax[lane], X0, ra, rb);
        x64_v(a, x64_op_eq[lane], rd, X0, rb);
        invert(e, rd);
    } else {
        x64_v(a, x64_op_umax[lane], X0, ra, rb);
        x64_v(a, x64_op_eq[lane], rd, X0, ra);
    }
    x64_finish(e, n, rd);
    return true;
}

static bool vop_cmhi(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return unsigned_compare(e, node, n, true);
}

static bool vop_cmhs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return unsigned_compare(e, node, n, false);
}

static bool vop_cmtst(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(&e->a, VPAND, X0, ra, rb);
    x64_v(&e->a, VPXOR, X1, X1, X1);
    x64_v(&e->a, x64_op_eq[lane_of(n)], rd, X0, X1);
    invert(e, rd);
    x64_finish(e, n, rd);
    return true;
}

void x64_absolute(struct x64_emit *e, unsigned lane, int rd, int ra)
{
    struct x64_asm *const a = &e->a;

    if (lane != 3) {
        x64_v(a, OP38(0x1c + lane), rd, NOREG, ra); /* VPABS */
    } else if (e->level >= 4) {
        x64_e(a, 1, OP38(0x1f), rd, NOREG, ra);
    } else {
        x64_v(a, VPXOR, X0, X0, X0);
        x64_v(a, x64_op_gt[3], X0, X0, ra);
        x64_v(a, VPXOR, rd, ra, X0);
        x64_v(a, x64_op_sub[3], rd, rd, X0);
    }
}

static bool vop_abs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    x64_absolute(e, lane_of(n), rd, ra);
    x64_finish(e, n, rd);
    return true;
}

static bool difference(struct x64_emit *e, ir_ref node, const struct ir_node *n, by_lane max,
                       by_lane min)
{
    const unsigned lane = lane_of(n);

    if (max[lane] == NONE) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_v(&e->a, max[lane], X0, ra, rb);
    x64_v(&e->a, min[lane], X1, ra, rb);
    x64_v(&e->a, x64_op_sub[lane], rd, X0, X1);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sabd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return difference(e, node, n, x64_op_smax, x64_op_smin);
}

static bool vop_uabd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return difference(e, node, n, x64_op_umax, x64_op_umin);
}

/* Means of words: (a | b) less half of what differs, or (a & b) more. */
static bool mean_of_words(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed,
                          bool rounding)
{
    struct x64_asm *const a = &e->a;
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(a, VPXOR, X0, ra, rb);
    x64_vi(a, OP66(0x72), is_signed ? 4 : 2, X0, X0, 1);
    x64_v(a, rounding ? VPOR : VPAND, rd, ra, rb);
    x64_v(a, rounding ? x64_op_sub[2] : x64_op_add[2], rd, rd, X0);
    x64_finish(e, n, rd);
    return true;
}

/* The host has the rounded mean of unsigned bytes and halfwords. Signed ones are moved to there and back; rounding down takes one
 * away where the sum is odd. */
static bool mean(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed,
                 bool rounding)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 1) {
        return mean_of_words(e, node, n, is_signed, rounding);
    }
    const uint32_t average = lane == 0 ? OP66(0xe0) : OP66(0xe3);
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    if (is_signed) {
        x64_v_literal(e, VPXOR, X0, ra, x64_least(lane));
        x64_v_literal(e, VPXOR, X1, rb, x64_least(lane));
        x64_v(a, average, rd, X0, X1);
        x64_v_literal(e, VPXOR, rd, rd, x64_least(lane));
    } else {
        x64_v(a, average, rd, ra, rb);
    }
    if (!rounding) {
        x64_v(a, VPXOR, X0, ra, rb);
        x64_v_literal(e, VPAND, X0, X0, x64_ones(lane));
        x64_v(a, x64_op_sub[lane], rd, rd, X0);
    }
    x64_finish(e, n, rd);
    return true;
}

static bool vop_urhadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return mean(e, node, n, false, true);
}

static bool vop_uhadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return mean(e, node, n, false, false);
}

static bool vop_srhadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return mean(e, node, n, true, true);
}

static bool vop_shadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return mean(e, node, n, true, false);
}

/* Half of a - b: the rounded mean of a and ~b, as unsigned numbers, is that and half of the lane's range. */
static bool half_difference(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                            bool is_signed)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 1) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a);
    const int rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_v(a, OP66(0x76), X1, X1, X1);
    x64_v(a, VPXOR, X1, X1, rb);
    if (is_signed) {
        x64_v_literal(e, VPXOR, X0, ra, x64_least(lane));
        x64_v_literal(e, VPXOR, X1, X1, x64_least(lane));
        ra = X0;
    }
    x64_v(a, lane == 0 ? OP66(0xe0) : OP66(0xe3), rd, ra, X1);
    x64_v_literal(e, VPXOR, rd, rd, x64_least(lane));
    x64_finish(e, n, rd);
    return true;
}

static bool vop_uhsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return half_difference(e, node, n, false);
}

static bool vop_shsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return half_difference(e, node, n, true);
}

/* X0, X1 = the lower and the upper half of each byte. */
static void halves_of_bytes(struct x64_emit *e, int ra)
{
    x64_v_literal(e, VPAND, X0, ra, all_bytes(15));
    x64_vi(&e->a, OP66(0x71), 2, X1, ra, 4);
    x64_v_literal(e, VPAND, X1, X1, all_bytes(15));
}

/* Bits of each byte, by halves. */
static bool vop_cnt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const v128 table = {.d = {0x0302020102010100ull, 0x0403030203020201ull}};
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    halves_of_bytes(e, ra);
    x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG, table);
    x64_v(a, VPSHUFB, X0, rd, X0);
    x64_v(a, VPSHUFB, X1, rd, X1);
    x64_v(a, x64_op_add[0], rd, X0, X1);
    x64_finish(e, n, rd);
    return true;
}

/* Bits of each byte in reverse: halves through tables, exchanged. */
static bool vop_rbit(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const v128 low = {.d = {0xe060a020c0408000ull, 0xf070b030d0509010ull}},
               high = {.d = {0x0e060a020c040800ull, 0x0f070b030d050901ull}};
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    halves_of_bytes(e, ra);
    x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG, low);
    x64_v(a, VPSHUFB, X0, rd, X0);
    x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG, high);
    x64_v(a, VPSHUFB, X1, rd, X1);
    x64_v(a, VPOR, rd, X0, X1);
    x64_finish(e, n, rd);
    return true;
}

/* --- Shifts ---------------------------------------------------------------------------------------------------------------------- */

void x64_shift_left(struct x64_emit *e, unsigned lane, int rd, int ra, unsigned count)
{
    static by_lane ops = {OP66(0x71), OP66(0x71), OP66(0x72), OP66(0x73)};

    x64_vi(&e->a, ops[lane], 6, rd, ra, count);
    if (lane == 0) {
        x64_v_literal(e, VPAND, rd, rd, all_bytes((uint8_t)(0xffu << count)));
    }
}

/* count: 0 to the lane's bits. Uses X1. */
void x64_shift_right(struct x64_emit *e, unsigned lane, int rd, int ra, unsigned count,
                     bool is_signed)
{
    static by_lane ops = {OP66(0x71), OP66(0x71), OP66(0x72), OP66(0x73)};
    struct x64_asm *const a = &e->a;

    if (lane == 0) {
        const unsigned n = is_signed && count > 7 ? 7 : count;
        x64_vi(a, ops[0], 2, rd, ra, n);
        x64_v_literal(e, VPAND, rd, rd, all_bytes((uint8_t)(0xffu >> n)));
        if (is_signed) {
            const v128 sign = all_bytes((uint8_t)(0x80u >> n));
            x64_v_literal(e, VPXOR, rd, rd, sign);
            x64_v_literal(e, x64_op_sub[0], rd, rd, sign);
        }
    } else if (lane == 3 && is_signed && e->level >= 4) {
        x64_ei(a, 1, OP66(0x72), 4, rd, ra, count); /* VPSRAQ */
    } else if (lane == 3 && is_signed) {
        x64_v(a, VPXOR, X1, X1, X1);
        x64_v(a, x64_op_gt[3], X1, X1, ra);
        x64_vi(a, ops[3], 6, X1, X1, 64 - count);
        x64_vi(a, ops[3], 2, rd, ra, count);
        x64_v(a, VPOR, rd, rd, X1);
    } else {
        x64_vi(a, ops[lane], is_signed ? 4 : 2, rd, ra, count);
    }
}

static bool vop_shl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    x64_shift_left(e, lane_of(n), rd, ra, IR_VIMM_EXTRA(n->imm));
    x64_finish(e, n, rd);
    return true;
}

static bool right(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    x64_shift_right(e, lane_of(n), rd, ra, IR_VIMM_EXTRA(n->imm), is_signed);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sshr(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return right(e, node, n, true);
}

static bool vop_ushr(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return right(e, node, n, false);
}

/* With t = a >> (count - 1): (t + 1) >> 1, where a shift has made place for that, else (t >> 1) + (t & 1) */
static bool rounding_right(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    const unsigned lane = lane_of(n), count = IR_VIMM_EXTRA(n->imm);

    if (count == 0) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_shift_right(e, lane, X0, ra, count - 1, is_signed);
    if (count > 1) {
        x64_v_literal(e, x64_op_add[lane], X0, X0, x64_ones(lane));
        x64_shift_right(e, lane, rd, X0, 1, is_signed);
    } else {
        x64_shift_right(e, lane, rd, X0, 1, is_signed);
        x64_v_literal(e, VPAND, X0, X0, x64_ones(lane));
        x64_v(&e->a, x64_op_add[lane], rd, rd, X0);
    }
    x64_finish(e, n, rd);
    return true;
}

static bool vop_srshr(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return rounding_right(e, node, n, true);
}

static bool vop_urshr(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return rounding_right(e, node, n, false);
}

static bool vop_ror(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n), count = IR_VIMM_EXTRA(n->imm), bits = 8u << lane;
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    if (count == 0) {
        x64_v(&e->a, X64_VMOVDQA_RR, rd, NOREG, ra);
    } else {
        x64_shift_right(e, lane, X0, ra, count, false);
        x64_shift_left(e, lane, rd, ra, bits - count);
        x64_v(&e->a, VPOR, rd, rd, X0);
    }
    x64_finish(e, n, rd);
    return true;
}

/* By the low byte of b's lane, a signed number: each direction gives 0 where the count is not one of it. */
static bool vop_ushl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n), w = lane == 3;

    if (lane < 2 || e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    if (lane == 2) {
        x64_vi(a, OP66(0x72), 6, X0, rb, 24);
        x64_vi(a, OP66(0x72), 4, X0, X0, 24);
    } else {
        x64_vi(a, OP66(0x73), 6, X0, rb, 56);
        x64_vi(a, OP66(0x72), 4, X0, X0, 24);
        x64_vi(a, OP66(0x73), 2, X0, X0, 32);
    }
    x64_v(a, VPXOR, X1, X1, X1);
    x64_v(a, x64_op_sub[2], X1, X1, X0);
    if (lane == 3) { /* the upper words stay 0 */
        x64_vi(a, OP66(0x73), 6, X1, X1, 32);
        x64_vi(a, OP66(0x73), 2, X1, X1, 32);
    }
    x64_vw(a, w, OP38(0x47), X0, ra, X0); /* VPSLLV */
    x64_vw(a, w, OP38(0x45), X1, ra, X1); /* VPSRLV */
    x64_v(a, VPOR, rd, X0, X1);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 2 || e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_vi(a, OP66(0x72), 6, X0, rb, 24);
    x64_vi(a, OP66(0x72), 4, X0, X0, 24);
    x64_v(a, VPXOR, X1, X1, X1);
    x64_v(a, x64_op_sub[2], X1, X1, X0);
    x64_v(a, OP38(0x46), X1, ra, X1); /* VPSRAVD */
    x64_v(a, OP38(0x47), rd, ra, X0);
    x64_v4(a, OP3A(0x4a), rd, rd, X1, X0); /* VBLENDVPS by the count's sign */
    x64_finish(e, n, rd);
    return true;
}

/* --- Widening, narrowing --------------------------------------------------------------------------------------------------------- */

/* The low half of ra, or with extra its high half, in lanes of twice the size. */
void x64_widen(struct x64_emit *e, const struct ir_node *n, int to, int from, bool is_signed)
{
    const uint32_t op = (is_signed ? x64_op_sx : x64_op_zx)[lane_of(n)];

    if ((IR_VIMM_EXTRA(n->imm) & 1) != 0) {
        x64_vi(&e->a, VPSHIFT_DQ, 3, to, from, 8);
        from = to;
    }
    x64_v(&e->a, op, to, NOREG, from);
}

static bool extend(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    if (lane_of(n) == 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def_over(e, VEC, node);
    x64_widen(e, n, rd, ra, is_signed);
    return true;
}

static bool vop_sxtl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return extend(e, node, n, true);
}

static bool vop_uxtl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return extend(e, node, n, false);
}

int x64_words_apart(struct x64_emit *e, const struct ir_node *n, ir_ref of, int reg, int to)
{
    const struct ir_node *const made = x64_node(e, of);

    if (made->op == IR_VOP && made->d == VOP_dup && lane_of(made) == 2 && !is_half(made)) {
        return reg;
    }
    x64_vi(&e->a, VPSHUFD, to, NOREG, reg, (IR_VIMM_EXTRA(n->imm) & 1) != 0 ? 0xfa : 0x50);
    return to;
}

/* Halfwords: the two halves of the products, one behind the other. */
static bool multiply_long(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane == 3 || is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    if (lane == 0) {
        x64_widen(e, n, X0, ra, is_signed);
        x64_widen(e, n, X1, rb, is_signed);
        x64_v(a, OP66(0xd5), rd, X0, X1);
    } else if (lane == 1) {
        x64_v(a, OP66(0xd5), X0, ra, rb);
        x64_v(a, is_signed ? OP66(0xe5) : OP66(0xe4), X1, ra, rb);
        x64_v(a, (IR_VIMM_EXTRA(n->imm) & 1) != 0 ? OP66(0x69) : OP66(0x61), rd, X0, X1);
    } else {
        const int wa = x64_words_apart(e, n, n->a, ra, X0),
                  wb = x64_words_apart(e, n, n->b, rb, X1);
        x64_v(a, is_signed ? OP38(0x28) : OP66(0xf4), rd, wa, wb); /* VPMULDQ, VPMULUDQ */
    }
    return true;
}

static bool vop_smull(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return multiply_long(e, node, n, true);
}

static bool vop_umull(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return multiply_long(e, node, n, false);
}

static bool vop_pmull(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (lane_of(n) != 3 || e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_vi(&e->a, OP3A(0x44), rd, ra, rb, (IR_VIMM_EXTRA(n->imm) & 1) != 0 ? 0x11 : 0x00);
    return true;
}

static bool vop_xtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    switch (lane_of(n)) {
    case 0:
        x64_v_literal(e, VPAND, X0, ra, all_words(0xff));
        x64_v(a, VPACKUSWB, rd, X0, X0);
        break;
    case 1:
        x64_v_literal(e, VPAND, X0, ra, all_dwords(0xffff));
        x64_v(a, VPACKUSDW, rd, X0, X0);
        break;
    default:
        x64_vi(a, VPSHUFD, rd, NOREG, ra, 0x88);
        break;
    }
    x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    return true;
}

/* Sums of neighbours, of twice the size. */
static bool add_long_pairs(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    if (lane == 0) {
        x64_v_literal(e, X64_VMOVDQU_LOAD, X0, NOREG, all_bytes(1));
        /* the first operand's bytes are unsigned, the second's signed */
        x64_v(a, VPMADDUBSW, rd, is_signed ? X0 : ra, is_signed ? ra : X0);
    } else if (lane == 1 && is_signed) {
        x64_v_literal(e, VPMADDWD, rd, ra, all_words(1));
    } else if (lane == 1) {
        x64_v_literal(e, VPAND, X0, ra, all_dwords(0xffff));
        x64_vi(a, OP66(0x72), 2, X1, ra, 16);
        x64_v(a, x64_op_add[2], rd, X0, X1);
    } else { /* signed words with half of their range added are unsigned ones */
        int from = ra;
        if (is_signed) {
            x64_v_literal(e, VPXOR, rd, ra, x64_least(2));
            from = rd;
        }
        x64_v_literal(e, VPAND, X0, from, (v128){.d = {0xffffffff, 0xffffffff}});
        x64_vi(a, OP66(0x73), 2, X1, from, 32);
        x64_v(a, x64_op_add[3], rd, X0, X1);
        if (is_signed) {
            x64_v_literal(e, x64_op_sub[3], rd, rd, (v128){.d = {1ull << 32, 1ull << 32}});
        }
    }
    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
    return true;
}

static bool vop_saddlp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_long_pairs(e, node, n, true);
}

static bool vop_uaddlp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_long_pairs(e, node, n, false);
}

/* --- Products of bytes, added to words -------------------------------------------------------------------------------------------- */

static bool dot(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool signed_a,
                bool signed_b)
{
    struct x64_asm *const a = &e->a;
    const int shift_a = signed_a ? 4 : 2, shift_b = signed_b ? 4 : 2;
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c);
    const int rd = x64_def(e, VEC, node);

    x64_vi(a, OP66(0x71), shift_a, X0, ra, 8);
    x64_vi(a, OP66(0x71), shift_b, X1, rb, 8);
    x64_v(a, VPMADDWD, X0, X0, X1);
    x64_v(a, x64_op_add[2], rd, rc, X0);
    x64_vi(a, OP66(0x71), 6, X0, ra, 8);
    x64_vi(a, OP66(0x71), 6, X1, rb, 8);
    x64_vi(a, OP66(0x71), shift_a, X0, X0, 8);
    x64_vi(a, OP66(0x71), shift_b, X1, X1, 8);
    x64_v(a, VPMADDWD, X0, X0, X1);
    x64_v(a, x64_op_add[2], rd, rd, X0);
    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
    return true;
}

static bool vop_sdot(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return dot(e, node, n, true, true);
}

static bool vop_udot(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return dot(e, node, n, false, false);
}

static bool vop_usdot(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return dot(e, node, n, false, true);
}

/* Row i of a times row j of b is word 2i + j: rows of halfwords, whose products' neighbours are added until there is one of each. */
static bool matrix(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool signed_a,
                   bool signed_b)
{
    struct x64_asm *const a = &e->a;
    const uint32_t widen_a = (signed_a ? x64_op_sx : x64_op_zx)[0],
                   widen_b = (signed_b ? x64_op_sx : x64_op_zx)[0], add_pairs = OP38(0x02);
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              a0 = x64_temp(e, VEC), b0 = x64_temp(e, VEC), a1 = x64_temp(e, VEC),
              rd = x64_def(e, VEC, node);

    x64_v(a, widen_a, a0, NOREG, ra);
    x64_v(a, widen_b, b0, NOREG, rb);
    x64_vi(a, VPSHUFD, a1, NOREG, ra, 0xee);
    x64_v(a, widen_a, a1, NOREG, a1);
    x64_vi(a, VPSHUFD, rd, NOREG, rb, 0xee);
    x64_v(a, widen_b, rd, NOREG, rd);
    x64_v(a, VPMADDWD, X0, a0, b0);
    x64_v(a, VPMADDWD, a0, a0, rd);
    x64_v(a, VPMADDWD, X1, a1, b0);
    x64_v(a, VPMADDWD, a1, a1, rd);
    x64_v(a, add_pairs, X0, X0, a0);
    x64_v(a, add_pairs, X1, X1, a1);
    x64_v(a, add_pairs, X0, X0, X1);
    x64_v(a, x64_op_add[2], rd, rc, X0);
    return true;
}

static bool vop_smmla(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return matrix(e, node, n, true, true);
}

static bool vop_ummla(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return matrix(e, node, n, false, false);
}

static bool vop_usmmla(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return matrix(e, node, n, false, true);
}

/* --------------------------------------------------------------------------------------------------------------------------------- */

x64_vop_fn *const x64_vop_int[VOP_COUNT] = {
#define ROW(name) [VOP_##name] = vop_##name
    ROW(add),   ROW(sub),   ROW(smax),   ROW(smin),   ROW(umax),   ROW(umin),  ROW(cmeq),
    ROW(cmgt),  ROW(mul),   ROW(cmge),   ROW(cmhi),   ROW(cmhs),   ROW(cmtst), ROW(abs),
    ROW(sabd),  ROW(uabd),  ROW(urhadd), ROW(uhadd),  ROW(srhadd), ROW(shadd), ROW(uhsub),
    ROW(shsub), ROW(cnt),   ROW(rbit),   ROW(shl),    ROW(sshr),   ROW(ushr),  ROW(srshr),
    ROW(urshr), ROW(ror),   ROW(ushl),   ROW(sshl),   ROW(sxtl),   ROW(uxtl),  ROW(smull),
    ROW(umull), ROW(pmull), ROW(xtn),    ROW(saddlp), ROW(uaddlp), ROW(sdot),  ROW(udot),
    ROW(usdot), ROW(smmla), ROW(ummla),  ROW(usmmla),
#undef ROW
};
