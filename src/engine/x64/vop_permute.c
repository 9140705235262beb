/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Integer vector functions between lanes, with the host's instructions: pairs, reductions, permutations, and the rounds of AES. */
#include "engine/x64/vop_int.h"

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
        x64_v(a, x64_op_add[0], X1, X1, ra);
        x64_v_literal(e, VPAND, X1, X1, all_words(0xff));
        x64_vi(a, OP66(0x71), 2, rd, rb, 8);
        x64_v(a, x64_op_add[0], rd, rd, rb);
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
        x64_v(a, x64_op_add[3], rd, X0, X1);
        break;
    }
    x64_finish(e, n, rd);
    return true;
}

/* Neighbours meet in the low half of a lane of twice the size; what the operation leaves above it is cut off. */
static bool pairs(struct x64_emit *e, ir_ref node, const struct ir_node *n, by_lane ops)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = lane_of(n);

    if (lane > 2 || is_scalar(n)) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    if (is_half(n)) {
        x64_v(a, VPUNPCKLQDQ, X0, ra, rb);
        ra = rb = X0;
    }
    if (lane == 2) {
        x64_vi(a, VSHUFPS, X1, ra, rb, 0x88);
        x64_vi(a, VSHUFPS, rd, ra, rb, 0xdd);
        x64_v(a, ops[2], rd, X1, rd);
    } else {
        const uint32_t shift = lane == 0 ? OP66(0x71) : OP66(0x72);
        const v128 low = lane == 0 ? all_words(0xff) : all_dwords(0xffff);
        x64_vi(a, shift, 2, X1, ra, 8u << lane);
        x64_v(a, ops[lane], X1, X1, ra);
        x64_v_literal(e, VPAND, X1, X1, low);
        x64_vi(a, shift, 2, rd, rb, 8u << lane);
        x64_v(a, ops[lane], rd, rd, rb);
        x64_v_literal(e, VPAND, rd, rd, low);
        x64_v(a, lane == 0 ? VPACKUSWB : VPACKUSDW, rd, X1, rd);
    }
    x64_finish(e, n, rd);
    return true;
}

static bool vop_smaxp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return pairs(e, node, n, x64_op_smax);
}

static bool vop_sminp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return pairs(e, node, n, x64_op_smin);
}

static bool vop_umaxp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return pairs(e, node, n, x64_op_umax);
}

static bool vop_uminp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return pairs(e, node, n, x64_op_umin);
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
        x64_v(a, x64_op_add[lane], rd, rd, X0);
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
    return across(e, node, n, x64_op_smax);
}

static bool vop_sminv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return across(e, node, n, x64_op_smin);
}

static bool vop_umaxv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return across(e, node, n, x64_op_umax);
}

static bool vop_uminv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return across(e, node, n, x64_op_umin);
}

static void add_halves(struct x64_emit *e, unsigned lane, int rd, unsigned bytes)
{
    x64_vi(&e->a, VPSHIFT_DQ, 3, X0, rd, bytes);
    x64_v(&e->a, x64_op_add[lane], rd, rd, X0);
}

/* Bytes: the host's sum of unsigned ones, each 128 too large for a signed one. */
static void add_bytes_across(struct x64_emit *e, const struct ir_node *n, int rd, int ra,
                             bool is_signed)
{
    struct x64_asm *const a = &e->a;

    if (is_signed) {
        x64_v_literal(e, VPXOR, X1, ra, x64_least(0));
        ra = X1;
    }
    x64_v(a, VPXOR, X0, X0, X0);
    x64_v(a, OP66(0xf6), rd, ra, X0); /* VPSADBW: a sum in each half */
    if (!is_half(n)) {
        add_halves(e, 3, rd, 8);
    }
    if (is_signed) {
        x64_v_literal(e, x64_op_sub[1], rd, rd, (v128){.d = {is_half(n) ? 8 * 128 : 16 * 128, 0}});
        x64_keep_low(e, rd, rd, 1);
    } else {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
}

static bool add_long_across(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                            bool is_signed)
{
    struct x64_asm *const a = &e->a;
    int ra = x64_use(e, VEC, n->a);
    const int rd = x64_def(e, VEC, node);

    switch (lane_of(n)) {
    case 0:
        add_bytes_across(e, n, rd, ra, is_signed);
        break;
    case 1:
        if (is_half(n)) {
            x64_v(a, X64_VMOVQ_LOAD, X1, NOREG, ra);
            ra = X1;
        }
        if (is_signed) {
            x64_v_literal(e, VPMADDWD, rd, ra, all_words(1));
        } else {
            x64_v_literal(e, VPAND, X0, ra, all_dwords(0xffff));
            x64_vi(a, OP66(0x72), 2, rd, ra, 16);
            x64_v(a, x64_op_add[2], rd, rd, X0);
        }
        add_halves(e, 2, rd, 8);
        add_halves(e, 2, rd, 4);
        x64_keep_low(e, rd, rd, 2);
        break;
    default: /* four words */
        x64_vi(a, VPSHIFT_DQ, 3, X0, ra, 8);
        x64_v(a, (is_signed ? x64_op_sx : x64_op_zx)[2], X0, NOREG, X0);
        x64_v(a, (is_signed ? x64_op_sx : x64_op_zx)[2], rd, NOREG, ra);
        x64_v(a, x64_op_add[3], rd, rd, X0);
        add_halves(e, 3, rd, 8);
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
        break;
    }
    return true;
}

static bool vop_saddlv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_long_across(e, node, n, true);
}

static bool vop_uaddlv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return add_long_across(e, node, n, false);
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
    x64_v(&e->a, x64_op_broadcast[lane], rd, NOREG, ra);
    x64_finish(e, n, rd);
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
        x64_finish(e, n, rd);
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
    x64_finish(e, n, rd);
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
    x64_finish(e, n, rd);
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
    x64_finish(e, n, rd);
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

    x64_v_literal(e, x64_op_sub[0], X0, rc, all_bytes((uint8_t)first));
    x64_v_literal(e, OP66(0xdc), X1, X0, all_bytes(0x70)); /* VPADDUSB */
    x64_v(a, VPSHUFB, X1, rb, X1);
    x64_v_literal(e, x64_op_umin[0], rd, X0, all_bytes(15));
    x64_v(a, x64_op_eq[0], rd, rd, X0);    /* in range */
    x64_v4(a, OP3A(0x4c), rd, ra, X1, rd); /* VPBLENDVB */
    x64_finish(e, n, rd);
    return true;
}

/* --------------------------------------------------------------------------------------------------------------------------------- */

x64_vop_fn *const x64_vop_permute[VOP_COUNT] = {
#define ROW(name) [VOP_##name] = vop_##name
    ROW(addp),  ROW(smaxp), ROW(sminp),  ROW(umaxp),  ROW(uminp), ROW(addv), ROW(smaxv), ROW(sminv),
    ROW(umaxv), ROW(uminv), ROW(saddlv), ROW(uaddlv), ROW(dup),   ROW(zip1), ROW(zip2),  ROW(uzp1),
    ROW(uzp2),  ROW(trn1),  ROW(trn2),   ROW(rev),    ROW(ext),   ROW(tbl),
#undef ROW
};
