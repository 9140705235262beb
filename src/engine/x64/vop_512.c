/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Integer vector functions for which AVX-512 (level 4, x64.h) has what AVX2 lacks: comparisons that are not greater or equal, shifts
 * of halfwords and doublewords by lanes, 64-bit arithmetic shifts, leading zeros, narrowing. They come before the other files'.
 */
#include "engine/x64/vop_int.h"

#define E38(byte) X64_OP(PP_F3, MAP_0F38, byte)

#define NOT_C      0x55 /* of VPTERNLOG: by bits of the destination, vvvv and rm */
#define B_C_A      0xb8 /* where vvvv is set rm, else what was there */
#define B_A_C      0xe2 /* where it is set what was there, else rm */
#define A_OR_NOT_B 0xf3
#define NEITHER    0x03 /* neither what was there nor vvvv */

/* The lanes whose bits in k1 are set. */
static void lanes_of_mask(struct x64_emit *e, unsigned lane, int rd)
{
    x64_e(&e->a, lane & 1, E38(lane < 2 ? 0x28 : 0x38), rd, NOREG, 1); /* VPMOVM2 */
}

static bool compare(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed,
                    unsigned predicate)
{
    const unsigned lane = lane_of(n);
    const unsigned byte = (lane < 2 ? 0x3eu : 0x1eu) + is_signed;
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_ei(&e->a, lane & 1, OP3A(byte), 1, ra, rb, predicate); /* VPCMP to k1 */
    lanes_of_mask(e, lane, rd);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_cmge(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, true, 5); /* not less */
}

static bool vop_cmhi(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, false, 6); /* not less or equal */
}

static bool vop_cmtst(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n);
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);

    x64_e(&e->a, lane & 1, OP38(lane < 2 ? 0x26 : 0x27), 1, ra, rb); /* VPTESTM */
    lanes_of_mask(e, lane, rd);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_clz(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (lane_of(n) != 2) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_e(&e->a, 0, OP38(0x44), rd, NOREG, ra);
    x64_finish(e, n, rd);
    return true;
}

/* A bit that differs from its left neighbour ends the run, which its own bit is not counted in. */
static bool vop_cls(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 2) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_vi(a, OP66(0x72), 4, X0, ra, 1);
    x64_v(a, VPXOR, X0, X0, ra);
    x64_e(a, 0, OP38(0x44), rd, NOREG, X0);
    x64_v(a, OP66(0x76), X0, X0, X0);
    x64_v(a, x64_op_add[2], rd, rd, X0);
    x64_finish(e, n, rd);
    return true;
}

/* --- Shifts ---------------------------------------------------------------------------------------------------------------------- */

static void shift_one_right(struct x64_emit *e, unsigned lane, int to, int from, bool is_signed)
{
    static const uint8_t bytes[4] = {0, 0x71, 0x72, 0x73};

    if (lane == 3 && is_signed) {
        x64_ei(&e->a, 1, OP66(0x72), 4, to, from, 1);
    } else {
        x64_vi(&e->a, OP66(bytes[lane]), is_signed ? 4 : 2, to, from, 1);
    }
}

/* The low byte of each lane, as a signed number. */
static void sign_extend_counts(struct x64_emit *e, unsigned lane, int to, int from)
{
    static const uint8_t bytes[4] = {0, 0x71, 0x72, 0x73};
    const unsigned by = (8u << lane) - 8;

    x64_vi(&e->a, OP66(bytes[lane]), 6, to, from, by);
    if (lane == 3) {
        x64_ei(&e->a, 1, OP66(0x72), 4, to, to, by);
    } else {
        x64_vi(&e->a, OP66(bytes[lane]), 4, to, to, by);
    }
}

/* All ones where the count is negative. */
static void negative_counts(struct x64_emit *e, unsigned lane, int reg)
{
    if (lane == 3) {
        x64_ei(&e->a, 1, OP66(0x72), 4, reg, reg, 63);
    } else {
        x64_vi(&e->a, lane == 1 ? OP66(0x71) : OP66(0x72), 4, reg, reg, (8u << lane) - 1);
    }
}

/* To the right by one less than the count, which is ~count, and then by one more, so that the last bit can be added. */
static bool by_register(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_signed,
                        bool rounding)
{
    static const uint8_t left[4] = {0, 0x12, 0x47, 0x47}, right[4] = {0, 0x10, 0x45, 0x45},
                         right_signed[4] = {0, 0x11, 0x46, 0x46};
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n), w = lane & 1; /* of halfwords and doublewords */

    if (lane == 0) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    sign_extend_counts(e, lane, X0, rb);
    x64_ei(a, 0, X64_VPTERNLOGD, X1, X0, X0, NOT_C);
    x64_e(a, w, OP38((is_signed ? right_signed : right)[lane]), X1, ra, X1);
    if (rounding) {
        x64_v_literal(e, VPAND, rd, X1, x64_ones(lane));
    }
    shift_one_right(e, lane, X1, X1, is_signed);
    if (rounding) {
        x64_v(a, x64_op_add[lane], X1, X1, rd);
    }
    x64_e(a, w, OP38(left[lane]), rd, ra, X0);
    negative_counts(e, lane, X0);
    x64_ei(a, 0, X64_VPTERNLOGD, rd, X0, X1, B_C_A);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register(e, node, n, true, false);
}

static bool vop_ushl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register(e, node, n, false, false);
}

static bool vop_srshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register(e, node, n, true, true);
}

static bool vop_urshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register(e, node, n, false, true);
}

/* Registers of a shift that saturates to the left: `lost` gets all ones where it has, and X0 and X1 are used. */
struct saturating_shift {
    int to, from, counts, lost, last;
    v128
        rounding; /* the bit that is added when it was the last to leave to the right, when it has */
};

/* What does not come back from the left has not fitted, and becomes the limit. Counts that are negative come to nothing there. */
static void shift_and_saturate(struct x64_emit *e, unsigned lane, bool is_signed, bool rounding,
                               const struct saturating_shift *s)
{
    static const uint8_t left[4] = {0, 0x12, 0x47, 0x47}, right[4] = {0, 0x10, 0x45, 0x45},
                         right_signed[4] = {0, 0x11, 0x46, 0x46};
    struct x64_asm *const a = &e->a;
    const unsigned w = lane & 1;
    const uint32_t to_right = OP38((is_signed ? right_signed : right)[lane]);

    x64_e(a, w, OP38(left[lane]), s->to, s->from, s->counts);
    x64_e(a, w, to_right, s->lost, s->to, s->counts);
    x64_v(a, x64_op_eq[lane], s->lost, s->lost, s->from);
    if (is_signed) {
        x64_v(a, VPXOR, X1, X1, X1);
        x64_v(a, x64_op_gt[lane], X1, X1, s->from);
        const v128 least = x64_least(lane);
        x64_v_literal(e, VPXOR, X1, X1, (v128){.d = {~least.d[0], ~least.d[1]}});
        x64_ei(a, 0, X64_VPTERNLOGD, s->to, s->lost, X1, B_A_C);
    } else {
        x64_ei(a, 0, X64_VPTERNLOGD, s->to, s->lost, s->lost, A_OR_NOT_B);
    }
    x64_ei(a, 0, X64_VPTERNLOGD, X1, s->counts, s->counts, NOT_C);
    x64_e(a, w, to_right, X1, s->from, X1);
    if (rounding) {
        x64_v_literal(e, VPAND, s->last, X1, s->rounding);
    }
    shift_one_right(e, lane, X1, X1, is_signed);
    if (rounding) {
        x64_v(a, x64_op_add[lane], X1, X1, s->last);
    }
    negative_counts(e, lane, s->counts);
    x64_ei(a, 0, X64_VPTERNLOGD, s->lost, s->counts, s->counts, NEITHER);
    x64_ei(a, 0, X64_VPTERNLOGD, s->to, s->counts, X1, B_C_A);
}

/* Bytes are the upper halves of halfwords: even ones moved there, odd ones with nothing below them. */
static void saturate_bytes(struct x64_emit *e, const struct ir_node *n, bool is_signed,
                           bool rounding, int ra, int rb, const struct saturating_shift *whole)
{
    struct x64_asm *const a = &e->a;
    struct saturating_shift s = *whole;
    const int from = x64_temp(e, VEC);

    s.from = from;
    s.rounding = all_words(0x100);
    x64_vi(a, OP66(0x71), 6, from, ra, 8);
    sign_extend_counts(e, 1, s.counts, rb);
    shift_and_saturate(e, 1, is_signed, rounding, &s);
    x64_vi(a, OP66(0x71), 2, s.to, s.to, 8);
    if (!is_scalar(n)) {
        s.to = x64_temp(e, VEC);
        s.lost = x64_temp(e, VEC);
        x64_v_literal(e, VPAND, from, ra, all_words(0xff00));
        x64_vi(a, OP66(0x71), 4, s.counts, rb, 8);
        shift_and_saturate(e, 1, is_signed, rounding, &s);
        x64_v_literal(e, VPAND, s.to, s.to, all_words(0xff00));
        x64_v(a, VPOR, whole->to, whole->to, s.to);
        x64_v_literal(e, X64_VMOVDQU_LOAD, X1, NOREG, all_words(0xff00));
        x64_ei(a, 0, X64_VPTERNLOGD, whole->lost, X1, s.lost, B_C_A);
    }
}

static bool by_register_saturating(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                                   bool is_signed, bool rounding)
{
    const unsigned lane = lane_of(n);
    unsigned count;

    if (!rounding && x64_is_left_count(e, n, &count)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), lost = x64_temp(e, VEC),
              last = x64_temp(e, VEC), rd = x64_def(e, VEC, node);
    const struct saturating_shift s = {
        .to = rd, .from = ra, .counts = X0, .lost = lost, .last = last, .rounding = x64_ones(lane)};
    if (lane == 0) {
        saturate_bytes(e, n, is_signed, rounding, ra, rb, &s);
    } else {
        sign_extend_counts(e, lane, X0, rb);
        shift_and_saturate(e, lane, is_signed, rounding, &s);
    }
    x64_set_qc_if_lanes(e, n, lane, lost);
    x64_finish(e, n, rd);
    return true;
}

static bool vop_sqshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register_saturating(e, node, n, true, false);
}

static bool vop_uqshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register_saturating(e, node, n, false, false);
}

static bool vop_sqrshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register_saturating(e, node, n, true, true);
}

static bool vop_uqrshl(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return by_register_saturating(e, node, n, false, true);
}

static bool vop_ror(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lane = lane_of(n);

    if (lane < 2) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_ei(&e->a, lane & 1, OP66(0x72), 0, rd, ra, IR_VIMM_EXTRA(n->imm)); /* VPROR */
    x64_finish(e, n, rd);
    return true;
}

/* --- Narrowing ------------------------------------------------------------------------------------------------------------------- */

static bool vop_xtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (lane_of(n) > 1 || is_scalar(n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_e(&e->a, 0, E38(lane_of(n) == 0 ? 0x30 : 0x33), ra, NOREG, rd); /* VPMOVWB, VPMOVDW */
    return true;
}

/* Doublewords; what does not come back from the narrow result has not fitted. */
static bool narrow_doublewords(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                               unsigned byte, bool from_signed, bool to_signed)
{
    struct x64_asm *const a = &e->a;

    if (lane_of(n) != 2) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    int from = ra;
    if (from_signed && !to_signed) {
        x64_v(a, VPXOR, X0, X0, X0);
        x64_e(a, 1, OP38(0x3d), X0, X0, ra); /* VPMAXSQ */
        from = X0;
    }
    x64_e(a, 0, E38(byte), from, NOREG, rd);
    x64_v(a, (to_signed ? x64_op_sx : x64_op_zx)[2], X0, NOREG, rd);
    x64_v(a, VPXOR, X0, X0, ra);
    x64_set_qc_if_wide(e, n, 3, X0);
    if (is_scalar(n)) {
        x64_keep_low(e, rd, rd, 2);
    }
    return true;
}

static bool vop_sqxtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return narrow_doublewords(e, node, n, 0x25, true, true);
}

static bool vop_uqxtn(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return narrow_doublewords(e, node, n, 0x15, false, false);
}

static bool vop_sqxtun(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return narrow_doublewords(e, node, n, 0x15, true, false);
}

/* --------------------------------------------------------------------------------------------------------------------------------- */

x64_vop_fn *const x64_vop_512[VOP_COUNT] = {
#define ROW(name) [VOP_##name] = vop_##name
    ROW(cmge),  ROW(cmhi),   ROW(cmtst), ROW(clz),   ROW(cls),    ROW(sshl),
    ROW(ushl),  ROW(srshl),  ROW(urshl), ROW(ror),   ROW(xtn),    ROW(sqxtn),
    ROW(uqxtn), ROW(sqxtun), ROW(sqshl), ROW(uqshl), ROW(sqrshl), ROW(uqrshl),
#undef ROW
};
