/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Integer vector functions with the host's instructions. What each means stands in simd/vops_int.inc. Lanes that the form does not
 * have may hold anything while computing: only what saturates (FPSR.QC) looks at them, and clears them first.
 */
#include "engine/x64/vop.h"

#define VEC CLASS_VEC
#define X0  XMM_SCRATCH0
#define X1  XMM_SCRATCH1

#define OP66(byte) X64_OP(PP_66, MAP_0F, byte)
#define OP38(byte) X64_OP(PP_66, MAP_0F38, byte)
#define OP3A(byte) X64_OP(PP_66, MAP_0F3A, byte)
#define NONE       0u

#define VPAND       OP66(0xdb)
#define VPANDN      OP66(0xdf)
#define VPOR        OP66(0xeb)
#define VPXOR       OP66(0xef)
#define VPTEST      OP38(0x17)
#define VPSHUFB     OP38(0x00)
#define VPSHUFD     OP66(0x70)
#define VPALIGNR    OP3A(0x0f)
#define VPUNPCKLQDQ OP66(0x6c)
#define VPUNPCKHQDQ OP66(0x6d)
#define VPACKUSWB   OP66(0x67)
#define VPACKUSDW   OP38(0x2b)
#define VSHUFPS     X64_OP(PP_NONE, MAP_0F, 0xc6)
#define VPBLENDW    OP3A(0x0e)
#define VPBLENDD    OP3A(0x02)
#define VPMADDWD    OP66(0xf5)
#define VPMADDUBSW  OP38(0x04)
#define VPSHIFT_DQ  OP66(0x73) /* /3 right */

typedef const uint32_t by_lane[4];

static by_lane op_add = {OP66(0xfc), OP66(0xfd), OP66(0xfe), OP66(0xd4)};
static by_lane op_sub = {OP66(0xf8), OP66(0xf9), OP66(0xfa), OP66(0xfb)};
static by_lane op_eq = {OP66(0x74), OP66(0x75), OP66(0x76), OP38(0x29)};
static by_lane op_gt = {OP66(0x64), OP66(0x65), OP66(0x66), OP38(0x37)};
static by_lane op_smax = {OP38(0x3c), OP66(0xee), OP38(0x3d), NONE};
static by_lane op_smin = {OP38(0x38), OP66(0xea), OP38(0x39), NONE};
static by_lane op_umax = {OP66(0xde), OP38(0x3e), OP38(0x3f), NONE};
static by_lane op_umin = {OP66(0xda), OP38(0x3a), OP38(0x3b), NONE};
static by_lane op_broadcast = {OP38(0x78), OP38(0x79), OP38(0x58), OP38(0x59)};

static unsigned lane_of(const struct ir_node *n)
{
    return IR_VIMM_LANE(n->imm);
}

static bool is_scalar(const struct ir_node *n)
{
    return (n->imm & IR_VIMM_SCALAR) != 0;
}

static bool is_half(const struct ir_node *n)
{
    return !is_scalar(n) && IR_VIMM_Q(n->imm) == 0;
}

static v128 all_bytes(uint8_t value)
{
    const uint64_t d = 0x0101010101010101ull * value;
    return (v128){.d = {d, d}};
}

static v128 all_words(uint16_t value)
{
    const uint64_t d = 0x0001000100010001ull * value;
    return (v128){.d = {d, d}};
}

static v128 all_dwords(uint32_t value)
{
    const uint64_t d = 0x0000000100000001ull * value;
    return (v128){.d = {d, d}};
}

/* Zero above the lanes of the form. */
static void finish(struct x64_emit *e, const struct ir_node *n, int rd)
{
    if (is_scalar(n)) {
        x64_keep_low(e, rd, rd, lane_of(n));
    } else if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
}

static void invert(struct x64_emit *e, int rd)
{
    x64_v(&e->a, OP66(0x76), X1, X1, X1);
    x64_v(&e->a, VPXOR, rd, rd, X1);
}

static bool two(struct x64_emit *e, ir_ref node, const struct ir_node *n, by_lane ops)
{
    if (ops[lane_of(n)] == NONE) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(&e->a, ops[lane_of(n)], rd, ra, rb);
    finish(e, n, rd);
    return true;
}

/* --- Lane by lane ---------------------------------------------------------------------------------------------------------------- */

static bool vop_add(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_add);
}

static bool vop_sub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_sub);
}

static bool vop_smax(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_smax);
}

static bool vop_smin(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_smin);
}

static bool vop_umax(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_umax);
}

static bool vop_umin(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_umin);
}

static bool vop_cmeq(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_eq);
}

static bool vop_cmgt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return two(e, node, n, op_gt);
}

static bool vop_mul(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    static by_lane ops = {NONE, OP66(0xd5), OP38(0x40), NONE};
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 0) {
        return two(e, node, n, ops);
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
    finish(e, n, rd);
    return true;
}

/* a >= b: not b > a */
static bool vop_cmge(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(&e->a, op_gt[lane_of(n)], rd, rb, ra);
    invert(e, rd);
    finish(e, n, rd);
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
            x64_v(a, op_gt[3], rd, X0, X1);
        } else {
            x64_v(a, op_gt[3], rd, X1, X0);
            invert(e, rd);
        }
    } else if (strict) { /* not b >= a */
        x64_v(a, op_umax[lane], X0, ra, rb);
        x64_v(a, op_eq[lane], rd, X0, rb);
        invert(e, rd);
    } else {
        x64_v(a, op_umax[lane], X0, ra, rb);
        x64_v(a, op_eq[lane], rd, X0, ra);
    }
    finish(e, n, rd);
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
    x64_v(&e->a, op_eq[lane_of(n)], rd, X0, X1);
    invert(e, rd);
    finish(e, n, rd);
    return true;
}

static bool vop_abs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    static by_lane ops = {OP38(0x1c), OP38(0x1d), OP38(0x1e), NONE};
    struct x64_asm *const a = &e->a;
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    if (lane_of(n) != 3) {
        x64_v(a, ops[lane_of(n)], rd, NOREG, ra);
    } else {
        x64_v(a, VPXOR, X0, X0, X0);
        x64_v(a, op_gt[3], X0, X0, ra);
        x64_v(a, VPXOR, rd, ra, X0);
        x64_v(a, op_sub[3], rd, rd, X0);
    }
    finish(e, n, rd);
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
    x64_v(&e->a, op_sub[lane], rd, X0, X1);
    finish(e, n, rd);
    return true;
}

static bool vop_sabd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return difference(e, node, n, op_smax, op_smin);
}

static bool vop_uabd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return difference(e, node, n, op_umax, op_umin);
}

static bool vop_urhadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    static by_lane ops = {OP66(0xe0), OP66(0xe3), NONE, NONE};

    return two(e, node, n, ops);
}

/* The rounded mean, less one where the sum is odd. */
static bool vop_uhadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n);

    if (lane > 1) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_v(&e->a, VPXOR, X0, ra, rb);
    x64_v_literal(e, VPAND, X0, X0, lane == 0 ? all_bytes(1) : all_words(1));
    x64_v(&e->a, lane == 0 ? OP66(0xe0) : OP66(0xe3), rd, ra, rb);
    x64_v(&e->a, op_sub[lane], rd, rd, X0);
    finish(e, n, rd);
    return true;
}

/* Bits of each byte, by halves. */
static bool vop_cnt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const v128 table = {.d = {0x0302020102010100ull, 0x0403030203020201ull}};
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    x64_v_literal(e, VPAND, X0, ra, all_bytes(15));
    x64_vi(a, OP66(0x71), 2, X1, ra, 4);
    x64_v_literal(e, VPAND, X1, X1, all_bytes(15));
    x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG, table);
    x64_v(a, VPSHUFB, X0, rd, X0);
    x64_v(a, VPSHUFB, X1, rd, X1);
    x64_v(a, op_add[0], rd, X0, X1);
    finish(e, n, rd);
    return true;
}

/* --- Shifts ---------------------------------------------------------------------------------------------------------------------- */

static void shift_left(struct x64_emit *e, unsigned lane, int rd, int ra, unsigned count)
{
    static by_lane ops = {OP66(0x71), OP66(0x71), OP66(0x72), OP66(0x73)};

    x64_vi(&e->a, ops[lane], 6, rd, ra, count);
    if (lane == 0) {
        x64_v_literal(e, VPAND, rd, rd, all_bytes((uint8_t)(0xffu << count)));
    }
}

/* count: 0 to the lane's bits. Uses X1. */
static void shift_right(struct x64_emit *e, unsigned lane, int rd, int ra, unsigned count,
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
            x64_v_literal(e, op_sub[0], rd, rd, sign);
        }
    } else if (lane == 3 && is_signed) {
        x64_v(a, VPXOR, X1, X1, X1);
        x64_v(a, op_gt[3], X1, X1, ra);
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

    shift_left(e, lane_of(n), rd, ra, IR_VIMM_EXTRA(n->imm));
    finish(e, n, rd);
    return true;
}

static bool right(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    shift_right(e, lane_of(n), rd, ra, IR_VIMM_EXTRA(n->imm), is_signed);
    finish(e, n, rd);
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

/* With t = a >> (count - 1): (t >> 1) + (t & 1) */
static bool rounding_right(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    const unsigned lane = lane_of(n), count = IR_VIMM_EXTRA(n->imm);
    const v128 one[4] = {all_bytes(1), all_words(1), all_dwords(1), {.d = {1, 1}}};

    if (count == 0) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    shift_right(e, lane, X0, ra, count - 1, is_signed);
    shift_right(e, lane, rd, X0, 1, is_signed);
    x64_v_literal(e, VPAND, X0, X0, one[lane]);
    x64_v(&e->a, op_add[lane], rd, rd, X0);
    finish(e, n, rd);
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

/* By the low byte of b's lane, a signed number: each direction gives 0 where the count is not one of it. */
static bool vop_ushl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n), w = lane == 3;

    if (lane < 2) {
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
    x64_v(a, op_sub[2], X1, X1, X0);
    if (lane == 3) { /* the upper words stay 0 */
        x64_vi(a, OP66(0x73), 6, X1, X1, 32);
        x64_vi(a, OP66(0x73), 2, X1, X1, 32);
    }
    x64_vw(a, w, OP38(0x47), X0, ra, X0); /* VPSLLV */
    x64_vw(a, w, OP38(0x45), X1, ra, X1); /* VPSRLV */
    x64_v(a, VPOR, rd, X0, X1);
    finish(e, n, rd);
    return true;
}

static bool vop_sshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 2) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_vi(a, OP66(0x72), 6, X0, rb, 24);
    x64_vi(a, OP66(0x72), 4, X0, X0, 24);
    x64_v(a, VPXOR, X1, X1, X1);
    x64_v(a, op_sub[2], X1, X1, X0);
    x64_v(a, OP38(0x46), X1, ra, X1); /* VPSRAVD */
    x64_v(a, OP38(0x47), rd, ra, X0);
    x64_v4(a, OP3A(0x4a), rd, rd, X1, X0); /* VBLENDVPS by the count's sign */
    finish(e, n, rd);
    return true;
}

/* --- Widening, narrowing --------------------------------------------------------------------------------------------------------- */

static by_lane op_sx = {OP38(0x20), OP38(0x23), OP38(0x25), NONE};
static by_lane op_zx = {OP38(0x30), OP38(0x33), OP38(0x35), NONE};

/* The low half of ra, or with extra its high half, in lanes of twice the size. */
static void widen(struct x64_emit *e, const struct ir_node *n, int to, int from, bool is_signed)
{
    const uint32_t op = (is_signed ? op_sx : op_zx)[lane_of(n)];

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
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    widen(e, n, rd, ra, is_signed);
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

static bool multiply_long(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    /* On the widened lanes; of doublewords the low halves. */
    const uint32_t ops[3] = {OP66(0xd5), OP38(0x40), is_signed ? OP38(0x28) : OP66(0xf4)};

    if (lane_of(n) == 3 || is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    widen(e, n, X0, ra, is_signed);
    widen(e, n, X1, rb, is_signed);
    x64_v(&e->a, ops[lane_of(n)], rd, X0, X1);
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
    if (lane_of(n) != 3) {
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

    if (lane >= 2 && is_signed) {
        return false;
    }
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
        x64_v(a, op_add[2], rd, X0, X1);
    } else {
        x64_v_literal(e, VPAND, X0, ra, (v128){.d = {0xffffffff, 0xffffffff}});
        x64_vi(a, OP66(0x73), 2, X1, ra, 32);
        x64_v(a, op_add[3], rd, X0, X1);
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

/* --- Pairs and reductions -------------------------------------------------------------------------------------------------------- */

static bool vop_addp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (is_scalar(n)) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    if (is_half(n)) { /* both halves in one, and the result twice */
        x64_v(a, VPUNPCKLQDQ, X0, ra, rb);
        ra = rb = X0;
    }
    switch (lane) {
    case 0:
        x64_vi(a, OP66(0x71), 2, X1, ra, 8);
        x64_v(a, op_add[0], X1, X1, ra);
        x64_v_literal(e, VPAND, X1, X1, all_words(0xff));
        x64_vi(a, OP66(0x71), 2, rd, rb, 8);
        x64_v(a, op_add[0], rd, rd, rb);
        x64_v_literal(e, VPAND, rd, rd, all_words(0xff));
        x64_v(a, VPACKUSWB, rd, X1, rd);
        break;
    case 1:
    case 2:
        x64_v(a, lane == 1 ? OP38(0x01) : OP38(0x02), rd, ra, rb); /* VPHADDW, VPHADDD */
        break;
    default:
        x64_v(a, VPUNPCKHQDQ, X1, ra, rb);
        x64_v(a, VPUNPCKLQDQ, X0, ra, rb);
        x64_v(a, op_add[3], rd, X0, X1);
        break;
    }
    finish(e, n, rd);
    return true;
}

/* Unsigned bytes as words. */
static bool pairs_of_bytes(struct x64_emit *e, ir_ref node, const struct ir_node *n, uint32_t op)
{
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 0 || is_scalar(n)) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    if (is_half(n)) {
        x64_v(a, VPUNPCKLQDQ, X0, ra, rb);
        ra = rb = X0;
    }
    x64_vi(a, OP66(0x71), 2, X1, ra, 8);
    x64_v(a, op, X1, X1, ra);
    x64_v_literal(e, VPAND, X1, X1, all_words(0xff));
    x64_vi(a, OP66(0x71), 2, rd, rb, 8);
    x64_v(a, op, rd, rd, rb);
    x64_v_literal(e, VPAND, rd, rd, all_words(0xff));
    x64_v(a, VPACKUSWB, rd, X1, rd);
    finish(e, n, rd);
    return true;
}

static bool vop_umaxp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return pairs_of_bytes(e, node, n, op_umax[0]);
}

static bool vop_uminp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return pairs_of_bytes(e, node, n, op_umin[0]);
}

static bool vop_addv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    unsigned bytes = 8;

    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, ra);
        bytes = 4;
    } else {
        x64_v(a, X64_VMOVDQA_RR, rd, NOREG, ra);
    }
    for (; bytes >= 1u << lane; bytes /= 2) {
        x64_vi(a, VPSHIFT_DQ, 3, X0, rd, bytes);
        x64_v(a, op_add[lane], rd, rd, X0);
    }
    x64_keep_low(e, rd, rd, lane);
    return true;
}

static bool across(struct x64_emit *e, ir_ref node, const struct ir_node *n, by_lane ops)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (ops[lane] == NONE) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    unsigned bytes = 8;
    if (is_half(n)) {
        x64_v(a, VPUNPCKLQDQ, rd, ra, ra);
        bytes = 4;
    } else {
        x64_v(a, X64_VMOVDQA_RR, rd, NOREG, ra);
    }
    for (; bytes >= 1u << lane; bytes /= 2) {
        x64_vi(a, VPALIGNR, X0, rd, rd, bytes);
        x64_v(a, ops[lane], rd, rd, X0);
    }
    x64_keep_low(e, rd, rd, lane);
    return true;
}

static bool vop_smaxv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return across(e, node, n, op_smax);
}

static bool vop_sminv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return across(e, node, n, op_smin);
}

static bool vop_umaxv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return across(e, node, n, op_umax);
}

static bool vop_uminv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return across(e, node, n, op_umin);
}

static bool vop_uaddlv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 0) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v(a, VPXOR, X0, X0, X0);
    x64_v(a, OP66(0xf6), rd, ra, X0); /* VPSADBW: a sum in each half */
    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    } else {
        x64_vi(a, VPSHIFT_DQ, 3, X0, rd, 8);
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
        x64_v(a, op_add[3], rd, rd, X0);
    }
    return true;
}

/* --- Products of bytes, added to words -------------------------------------------------------------------------------------------- */

static bool dot(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed)
{
    struct x64_asm *const a = &e->a;
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c);
    const int rd = x64_def(e, VEC, node);

    if (is_signed) {
        x64_vi(a, OP66(0x71), 4, X0, ra, 8);
        x64_vi(a, OP66(0x71), 4, X1, rb, 8);
    } else {
        x64_vi(a, OP66(0x71), 2, X0, ra, 8);
        x64_vi(a, OP66(0x71), 2, X1, rb, 8);
    }
    x64_v(a, VPMADDWD, X0, X0, X1);
    x64_v(a, op_add[2], rd, rc, X0);
    x64_vi(a, OP66(0x71), 6, X0, ra, 8);
    x64_vi(a, OP66(0x71), 6, X1, rb, 8);
    x64_vi(a, OP66(0x71), is_signed ? 4 : 2, X0, X0, 8);
    x64_vi(a, OP66(0x71), is_signed ? 4 : 2, X1, X1, 8);
    x64_v(a, VPMADDWD, X0, X0, X1);
    x64_v(a, op_add[2], rd, rd, X0);
    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
    return true;
}

static bool vop_sdot(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return dot(e, node, n, true);
}

static bool vop_udot(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return dot(e, node, n, false);
}

/* --- Permutations ---------------------------------------------------------------------------------------------------------------- */

static bool vop_dup(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n), bytes = IR_VIMM_EXTRA(n->imm) << lane;
    int ra = x64_use(e, VEC, n->a);
    const int rd = x64_def(e, VEC, node);

    if (bytes != 0) {
        x64_vi(&e->a, VPSHIFT_DQ, 3, rd, ra, bytes);
        ra = rd;
    }
    x64_v(&e->a, op_broadcast[lane], rd, NOREG, ra);
    finish(e, n, rd);
    return true;
}

static bool zip(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool upper)
{
    static by_lane low = {OP66(0x60), OP66(0x61), OP66(0x62), OP66(0x6c)},
                   high = {OP66(0x68), OP66(0x69), OP66(0x6a), OP66(0x6d)};
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(&e->a, (upper && !is_half(n) ? high : low)[lane_of(n)], rd, ra, rb);
    if (is_half(n) && upper) {
        x64_vi(&e->a, VPSHIFT_DQ, 3, rd, rd, 8);
    } else {
        finish(e, n, rd);
    }
    return true;
}

static bool vop_zip1(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return zip(e, node, n, false);
}

static bool vop_zip2(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return zip(e, node, n, true);
}

static bool unzip(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool odd)
{
    struct x64_asm *const a = &e->a;
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);

    if (is_half(n)) {
        x64_v(a, VPUNPCKLQDQ, rd, ra, rb);
        ra = rb = rd;
    }
    switch (lane_of(n)) {
    case 0:
        if (odd) {
            x64_vi(a, OP66(0x71), 2, X0, ra, 8);
            x64_vi(a, OP66(0x71), 2, X1, rb, 8);
        } else {
            x64_v_literal(e, VPAND, X0, ra, all_words(0xff));
            x64_v_literal(e, VPAND, X1, rb, all_words(0xff));
        }
        x64_v(a, VPACKUSWB, rd, X0, X1);
        break;
    case 1:
        if (odd) {
            x64_vi(a, OP66(0x72), 2, X0, ra, 16);
            x64_vi(a, OP66(0x72), 2, X1, rb, 16);
        } else {
            x64_v_literal(e, VPAND, X0, ra, all_dwords(0xffff));
            x64_v_literal(e, VPAND, X1, rb, all_dwords(0xffff));
        }
        x64_v(a, VPACKUSDW, rd, X0, X1);
        break;
    case 2:
        x64_vi(a, VSHUFPS, rd, ra, rb, odd ? 0xdd : 0x88);
        break;
    default:
        x64_v(a, odd ? VPUNPCKHQDQ : VPUNPCKLQDQ, rd, ra, rb);
        break;
    }
    finish(e, n, rd);
    return true;
}

static bool vop_uzp1(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return unzip(e, node, n, false);
}

static bool vop_uzp2(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return unzip(e, node, n, true);
}

static bool transpose(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool odd)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    const uint32_t shift = lane == 0 ? OP66(0x71) : lane == 1 ? OP66(0x72) : OP66(0x73);

    if (lane == 3) {
        x64_v(a, odd ? VPUNPCKHQDQ : VPUNPCKLQDQ, rd, ra, rb);
        return true;
    }
    /* X0: a's lanes in the even places, X1: b's in the odd ones */
    int even = ra, other = rb;
    if (odd) {
        x64_vi(a, shift, 2, X0, ra, 8u << lane);
        even = X0;
    } else {
        x64_vi(a, shift, 6, X1, rb, 8u << lane);
        other = X1;
    }
    switch (lane) {
    case 0:
        x64_v_literal(e, VPAND, X0, even, all_words(0xff));
        x64_v_literal(e, VPAND, X1, other, all_words(0xff00));
        x64_v(a, VPOR, rd, X0, X1);
        break;
    case 1:
        x64_vi(a, VPBLENDW, rd, even, other, 0xaa);
        break;
    default:
        x64_vi(a, VPBLENDD, rd, even, other, 0x0a);
        break;
    }
    finish(e, n, rd);
    return true;
}

static bool vop_trn1(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return transpose(e, node, n, false);
}

static bool vop_trn2(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return transpose(e, node, n, true);
}

static bool vop_rev(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n), group = 1u << IR_VIMM_EXTRA(n->imm), size = 1u << lane;
    v128 from = {.q = 0};

    if (group > 16 || group < size) {
        return false;
    }
    for (unsigned i = 0; i < 16; i++) {
        const unsigned base = i & ~(group - 1), at = i & (group - 1);
        from.b[i] = (uint8_t)(base + group - size - (at & ~(size - 1)) + (at & (size - 1)));
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v_literal(e, VPSHUFB, rd, ra, from);
    finish(e, n, rd);
    return true;
}

static bool vop_ext(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned first = IR_VIMM_EXTRA(n->imm);
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    if (is_half(n)) {
        x64_v(a, VPUNPCKLQDQ, X0, ra, rb);
        x64_vi(a, VPSHIFT_DQ, 3, rd, X0, first & 7);
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    } else {
        x64_vi(a, VPALIGNR, rd, rb, ra, first & 15);
    }
    return true;
}

/* Indices out of range get bit 7, for which the host's shuffle gives 0. */
static bool vop_tbl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned first = 16 * IR_VIMM_EXTRA(n->imm);
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c);
    const int rd = x64_def(e, VEC, node);

    x64_v_literal(e, op_sub[0], X0, rc, all_bytes((uint8_t)first));
    x64_v_literal(e, OP66(0xdc), X1, X0, all_bytes(0x70)); /* VPADDUSB */
    x64_v(a, VPSHUFB, X1, rb, X1);
    x64_v_literal(e, op_umin[0], rd, X0, all_bytes(15));
    x64_v(a, op_eq[0], rd, rd, X0);        /* in range */
    x64_v4(a, OP3A(0x4c), rd, ra, X1, rd); /* VPBLENDVB */
    finish(e, n, rd);
    return true;
}

/* --- Saturating ------------------------------------------------------------------------------------------------------------------ */

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
    x64_v(a, VPTEST, X0, NOREG, X0);
    const uint32_t same = x64_jcc(a, CC_E);
    x64_alu_mi(a, 0, ALU_OR, CPU_FIELD(fpsr), 1 << 27);
    x64_patch_here(a, same);
    return true;
}

static bool vop_sqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return saturating(e, node, n, OP66(0xec), OP66(0xed), op_add);
}

static bool vop_uqadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return saturating(e, node, n, OP66(0xdc), OP66(0xdd), op_add);
}

static bool vop_sqsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return saturating(e, node, n, OP66(0xe8), OP66(0xe9), op_sub);
}

static bool vop_uqsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return saturating(e, node, n, OP66(0xd8), OP66(0xd9), op_sub);
}

/* --- AES: the host's rounds are made of the same steps ---------------------------------------------------------------------------- */

static bool aes_round(struct x64_emit *e, ir_ref node, const struct ir_node *n, uint32_t last)
{
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_v(&e->a, VPXOR, X0, ra, rb);
    x64_v(&e->a, VPXOR, X1, X1, X1);
    x64_v(&e->a, last, rd, X0, X1);
    return true;
}

static bool vop_aese(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return aes_round(e, node, n, OP38(0xdd));
}

static bool vop_aesd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return aes_round(e, node, n, OP38(0xdf));
}

/* What the inverse of a last round takes away, a whole round does again before MixColumns. */
static bool vop_aesmc(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);

    x64_v(&e->a, VPXOR, X1, X1, X1);
    x64_v(&e->a, OP38(0xdf), X0, ra, X1);
    x64_v(&e->a, OP38(0xdc), rd, X0, X1);
    return true;
}

static bool vop_aesimc(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a);

    x64_v(&e->a, OP38(0xdb), x64_def(e, VEC, node), NOREG, ra);
    return true;
}

/* --------------------------------------------------------------------------------------------------------------------------------- */

x64_vop_fn *const x64_vop_int[VOP_COUNT] = {
#define ROW(name) [VOP_##name] = vop_##name
    ROW(add),    ROW(sub),    ROW(mul),   ROW(abs),   ROW(smax),   ROW(smin),  ROW(umax),
    ROW(umin),   ROW(sabd),   ROW(uabd),  ROW(uhadd), ROW(urhadd), ROW(cmeq),  ROW(cmgt),
    ROW(cmge),   ROW(cmhi),   ROW(cmhs),  ROW(cmtst), ROW(cnt),    ROW(shl),   ROW(sshr),
    ROW(ushr),   ROW(srshr),  ROW(urshr), ROW(sshl),  ROW(ushl),   ROW(sqadd), ROW(uqadd),
    ROW(sqsub),  ROW(uqsub),  ROW(sxtl),  ROW(uxtl),  ROW(smull),  ROW(umull), ROW(pmull),
    ROW(saddlp), ROW(uaddlp), ROW(xtn),   ROW(addp),  ROW(umaxp),  ROW(uminp), ROW(addv),
    ROW(smaxv),  ROW(sminv),  ROW(umaxv), ROW(uminv), ROW(uaddlv), ROW(sdot),  ROW(udot),
    ROW(dup),    ROW(zip1),   ROW(zip2),  ROW(uzp1),  ROW(uzp2),   ROW(trn1),  ROW(trn2),
    ROW(rev),    ROW(ext),    ROW(tbl),   ROW(aese),  ROW(aesd),   ROW(aesmc), ROW(aesimc),
#undef ROW
};
