/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Half precision with the host's single precision: operands are widened, which is exact, and results narrowed. vop_fp.c says for what
 * results are looked at.
 *
 * Rounding twice gives what rounding once does: single precision has two bits more than twice those of a half, and in the directed
 * modes the second step goes on where the first stopped. Only the sum of a fused operation may be so near the middle between two halves
 * that single precision makes it the middle itself, or lie among the denormals, whose middles are elsewhere: those are made in C.
 */
#include "engine/x64/vop_fp.h"

#define NP(byte)  X64_OP(PP_NONE, MAP_0F, byte)
#define SS(byte)  X64_OP(PP_F3, MAP_0F, byte)
#define VPSHIFT_D OP66(0x72) /* /2 right */
#define FROM_W    OP38(0x79) /* VPBROADCASTW */

enum { UNORDERED = 3, EQUAL = 0, GREATER_EQUAL = 13, GREATER = 14 };

static bool is_fast(const struct x64_emit *e, const struct ir_node *n)
{
    return e->level >= 3 && is_fpcr_fast(e) && lane_of(n) == 1;
}

static unsigned parts(const struct ir_node *n)
{
    return is_scalar(n) || is_half(n) ? 1 : 2;
}

/* A part, four lanes or the lowest, of a vector of halves. Of a scalar: uses X1 and RAX. */
static void widen(struct x64_emit *e, const struct ir_node *n, int to, int from, unsigned part)
{
    if (is_scalar(n)) {
        x64_keep_low(e, to, from, 1);
        from = to;
    } else if (part != 0) {
        x64_vi(&e->a, VPSHIFT_DQ, 3, to, from, 8);
        from = to;
    }
    x64_v(&e->a, CVTPH2PS, to, NOREG, from);
}

/* In all lanes, the element that an indexed form multiplies by; NOREG: it is another form. */
static int element(struct x64_emit *e, const struct ir_node *n, int rb)
{
    if (FP_VMODE(n->imm) != FP_VMODE_ELEM) {
        return NOREG;
    }
    const int reg = x64_temp(e, VEC);
    const unsigned index = FP_VELEM_INDEX(n->imm);
    if (index != 0) {
        x64_vi(&e->a, VPSHIFT_DQ, 3, reg, rb, 2 * index);
        rb = reg;
    }
    x64_v(&e->a, FROM_W, reg, NOREG, rb);
    x64_v(&e->a, CVTPH2PS, reg, NOREG, reg);
    return reg;
}

/* Of a pairwise form: the neighbours of b:a, or of a scalar the two of a, as the operands of a plain one. */
static void pair(struct x64_emit *e, const struct ir_node *n, int *ra, int *rb)
{
    struct x64_asm *const a = &e->a;

    if (FP_VMODE(n->imm) != FP_VMODE_PAIR) {
        return;
    }
    const int first = x64_temp(e, VEC), second = x64_temp(e, VEC);
    if (is_scalar(n)) {
        x64_v(a, X64_VMOVDQA_RR, first, NOREG, *ra);
        x64_vi(a, VPSHIFT_D, 2, second, *ra, 16);
    } else {
        int low = *ra, high = *rb;
        if (is_half(n)) {
            x64_v(a, VPUNPCKLQDQ, X0, low, high);
            zero(e, X1);
            low = X0;
            high = X1;
        }
        x64_vi(a, VPSHIFT_D, 2, second, low, 16);
        x64_vi(a, VPSHIFT_D, 2, first, high, 16);
        x64_v(a, VPACKUSDW, second, second, first);
        x64_v_literal(e, VPAND, X0, low, all_dwords(0xffff));
        x64_v_literal(e, VPAND, X1, high, all_dwords(0xffff));
        x64_v(a, VPACKUSDW, first, X0, X1);
    }
    *ra = first;
    *rb = second;
}

/* X0 and the result: the operands of a part. */
static int operands(struct x64_emit *e, const struct ir_node *n, int ra, int rb, int elem,
                    unsigned part)
{
    widen(e, n, X0, ra, part);
    if (elem != NOREG) {
        return elem;
    }
    widen(e, n, X1, rb, part);
    return X1;
}

/* The second part's result, narrowed, to above the first one's. */
static void narrow(struct x64_emit *e, int rd, int from, unsigned part)
{
    if (part == 0) {
        x64_vi(&e->a, CVTPS2PH, from, NOREG, rd, BY_MXCSR);
    } else {
        x64_vi(&e->a, CVTPS2PH, from, NOREG, from, BY_MXCSR);
        x64_v(&e->a, VPUNPCKLQDQ, rd, rd, from);
    }
}

/* The node's code is done. With FZ, too, what the host tells is made in C: a result that is tiny is told so there, and not flushed. */
static void finish(struct x64_emit *e, struct x64_stub *stub)
{
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
}

/* To the stub for a NaN, and the least normal number where that matters. */
static void check(struct x64_emit *e, int rd, bool tiny, struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_v_literal(e, VPAND, X0, rd, all_words(0x7fff));
    x64_v_literal(e, x64_op_gt[1], X1, X0, all_words(0x7c00));
    if (tiny) {
        x64_v_literal(e, x64_op_eq[1], X0, X0, all_words(0x0400));
        x64_v(a, VPOR, X1, X1, X0);
    }
    x64_v(a, VPMOVMSKB, RAX, NOREG, X1);
    x64_test_rr(a, 0, RAX, RAX);
    also_from(e, stub, CC_NE);
}

/* Goes to the stub when an operand is infinite, or a NaN: infinity times zero is not always Invalid. Uses RAX, X0 and X1. */
static void check_finite(struct x64_emit *e, const struct ir_node *n, int ra, int rb,
                         struct x64_stub *stub)
{
    if (FP_VMODE(n->imm) == FP_VMODE_ELEM) {
        const unsigned index = FP_VELEM_INDEX(n->imm);
        x64_vi(&e->a, VPSHIFT_DQ, 3, X1, rb, 2 * index);
        x64_v(&e->a, FROM_W, X1, NOREG, X1);
        rb = X1;
    }
    x64_fp_check_below(e, n, ra, rb, 0x7c00, X0, X1, stub);
}

/* A scalar's pair has one. */
static int second_operand(struct x64_emit *e, const struct ir_node *n, int ra)
{
    return n->b != IR_REF_NONE ? x64_use(e, VEC, n->b) : ra;
}

/* --- Arithmetic ------------------------------------------------------------------------------------------------------------------ */

static bool arithmetic(struct x64_emit *e, ir_ref node, const struct ir_node *n, unsigned byte,
                       bool tiny)
{
    struct x64_asm *const a = &e->a;

    if (!is_fast(e, n)) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a), rb = second_operand(e, n, ra);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    pair(e, n, &ra, &rb);
    const int elem = element(e, n, rb);
    if (n->d == VOP_fmulx) {
        check_finite(e, n, ra, rb, stub);
    }
    for (unsigned part = 0; part < parts(n); part++) {
        const int second = operands(e, n, ra, rb, elem, part);
        x64_v(a, is_scalar(n) ? SS(byte) : NP(byte), X0, X0, second);
        narrow(e, rd, X0, part);
    }
    check(e, rd, tiny, stub);
    if (n->d == VOP_fabd) {
        x64_v_literal(e, VPAND, rd, rd, all_words(0x7fff));
    } else if (n->d == VOP_fnmul) {
        x64_v_literal(e, VPXOR, rd, rd, (v128){.d = {0x8000, 0}});
    }
    finish(e, stub);
    return true;
}

static bool vop_fadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, 0x58, false);
}

static bool vop_fsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, 0x5c, false);
}

static bool vop_fabd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, 0x5c, false);
}

static bool vop_fmul(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, 0x59, true);
}

static bool vop_fnmul(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, 0x59, true);
}

static bool vop_fmulx(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, 0x59, true);
}

static bool vop_fdiv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, 0x5e, true);
}

/* Masks of sums whose second rounding is not sure, among those in `sum`: in `masks`, or added to them. Uses X0, X1 and temp. */
static void doubtful(struct x64_emit *e, int sum, int masks, int temp, bool first)
{
    struct x64_asm *const a = &e->a;

    x64_v_literal(e, VPAND, X0, sum, all_dwords(0x1fff));
    x64_v_literal(e, x64_op_eq[2], X0, X0, all_dwords(0x1000));
    /* From the least to 2^-14; 0 becomes the greatest number. */
    x64_v_literal(e, VPAND, X1, sum, all_dwords(0x7fffffff));
    x64_v_literal(e, x64_op_sub[2], X1, X1, all_dwords(1));
    x64_v_literal(e, x64_op_umin[2], temp, X1, all_dwords(0x387fffff));
    x64_v(a, x64_op_eq[2], temp, temp, X1);
    if (first) {
        x64_v(a, VPOR, masks, X0, temp);
    } else {
        x64_v(a, VPOR, X0, X0, temp);
        x64_v(a, VPOR, masks, masks, X0);
    }
}

/* The sums of both parts: goes to the stub when they are not sure, else narrows them. */
static void narrow_sums(struct x64_emit *e, const struct ir_node *n, int rd, const int sums[2],
                        int masks, struct x64_stub *stub)
{
    /* Before they are narrowed: that could signal an overflow that is none. */
    x64_v(&e->a, VPMOVMSKB, RAX, NOREG, masks);
    x64_test_rr(&e->a, 0, RAX, RAX);
    also_from(e, stub, CC_NE);
    for (unsigned part = 0; part < parts(n); part++) {
        narrow(e, rd, sums[part], part);
    }
}

static bool vop_fmla(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned kind = ((n->imm & FP_VNEG_PRODUCT) != 0 ? 2u : 0) +
                          ((n->imm & FP_VNEG_ADDEND) != 0 ? 1u : 0);

    if (!is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, rc, rd);
    const int elem = element(e, n, rb), masks = x64_temp(e, VEC), temp = x64_temp(e, VEC);
    const int sums[2] = {x64_temp(e, VEC), parts(n) == 2 ? x64_temp(e, VEC) : NOREG};
    for (unsigned part = 0; part < parts(n); part++) {
        widen(e, n, sums[part], rc, part);
        const int second = operands(e, n, ra, rb, elem, part);
        /* VFMADD231, VFMSUB231, VFNMADD231, VFNMSUB231 */
        x64_v(&e->a, OP38(0xb8u + 2 * kind + is_scalar(n)), sums[part], X0, second);
        doubtful(e, sums[part], masks, temp, part == 0);
    }
    narrow_sums(e, n, rd, sums, masks, stub);
    check(e, rd, false, stub);
    finish(e, stub);
    return true;
}

/* FRECPS and FRSQRTS, 2 - a * b and (3 - a * b) / 2, are no NaN when the operands are none, and not infinite. */
static bool step(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool root)
{
    struct x64_asm *const a = &e->a;

    if (!is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    const int masks = x64_temp(e, VEC), temp = x64_temp(e, VEC);
    const int sums[2] = {x64_temp(e, VEC), parts(n) == 2 ? x64_temp(e, VEC) : NOREG};
    check_finite(e, n, ra, rb, stub);
    for (unsigned part = 0; part < parts(n); part++) {
        const int second = operands(e, n, ra, rb, NOREG, part);
        x64_v_literal(e, X64_VMOVDQU_LOAD, sums[part], NOREG,
                      all_dwords(root ? 0x40400000 : single_power(1)));
        x64_v(a, OP38(0xbc), sums[part], X0, second); /* VFNMADD231 */
        if (root) {
            x64_v_literal(e, NP(B_MUL), sums[part], sums[part], all_dwords(single_power(-1)));
        }
        doubtful(e, sums[part], masks, temp, part == 0);
    }
    narrow_sums(e, n, rd, sums, masks, stub);
    x64_finish(e, n, rd);
    finish(e, stub);
    return true;
}

static bool vop_frecps(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return step(e, node, n, false);
}

static bool vop_frsqrts(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return step(e, node, n, true);
}

static bool vop_fsqrt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    for (unsigned part = 0; part < parts(n); part++) {
        widen(e, n, X0, ra, part);
        x64_v(&e->a, NP(0x51), X0, NOREG, X0);
        narrow(e, rd, X0, part);
    }
    check(e, rd, false, stub);
    finish(e, stub);
    return true;
}

static void round_away(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct ir_node single = *n;
    single.imm = is_scalar(n) ? IR_VIMM_SCALAR | 2u : IR_VIMM(2, 1, 0);

    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    const int temp = x64_temp(e, VEC), from = x64_temp(e, VEC);
    x64_fp_check_below(e, n, ra, ra, 0x7c00, X0, X1, stub);
    for (unsigned part = 0; part < parts(n); part++) {
        widen(e, n, from, ra, part);
        x64_fp_round_away(e, &single, X1, from, temp);
        narrow(e, rd, X1, part);
    }
    finish(e, stub);
}

static bool vop_frint(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned rounding = FP_VROUND_OF(n->imm), mode = x64_fp_round_modes[rounding];

    if (!is_fast(e, n) || rounding == FP_ODD) {
        return false;
    }
    if (rounding == FP_TIEAWAY) {
        round_away(e, node, n);
        return true;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    for (unsigned part = 0; part < parts(n); part++) {
        widen(e, n, X0, ra, part);
        x64_vi(&e->a, OP3A(0x08), X0, NOREG, X0, (n->imm & FP_VEXACT) != 0 ? mode : mode | 8);
        narrow(e, rd, X0, part);
    }
    check(e, rd, false, stub);
    finish(e, stub);
    return true;
}

/* --- No rounding ----------------------------------------------------------------------------------------------------------------- */

/* The words of a form. */
static v128 words_of(const struct ir_node *n, uint16_t word)
{
    const v128 all = all_words(word);

    return is_scalar(n) ? (v128){.d = {word, 0}} : is_half(n) ? (v128){.d = {all.d[0], 0}} : all;
}

static bool vop_fabs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!is_fpcr_fast(e) || lane_of(n) != 1) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a);
    x64_v_literal(e, VPAND, x64_def(e, VEC, node), ra, words_of(n, 0x7fff));
    return true;
}

static bool vop_fneg(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!is_fpcr_fast(e) || lane_of(n) != 1) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v_literal(e, VPXOR, rd, ra, all_words(0x8000));
    x64_finish(e, n, rd);
    return true;
}

/* The greatest or least lane, when none is a NaN. */
static void reduce(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_max)
{
    struct x64_asm *const a = &e->a;
    const uint32_t op = NP(is_max ? B_MAX : B_MIN);
    static const uint8_t shuffles[2] = {0x4e, 0xb1};
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    const int temp = x64_temp(e, VEC);

    x64_fp_check_below(e, n, ra, ra, 0x7c01, X0, X1, stub);
    widen(e, n, X0, ra, 0);
    if (is_half(n)) {
        x64_v(a, X64_VMOVDQA_RR, X1, NOREG, X0);
    } else {
        widen(e, n, X1, ra, 1);
    }
    for (unsigned i = 0; i < 3; i++) {
        if (i != 0) {
            x64_vi(a, VPSHUFD, X1, NOREG, X0, shuffles[i - 1]);
        }
        x64_v(a, op, temp, X0, X1);
        x64_v(a, op, X1, X1, X0);
        x64_v(a, is_max ? VPAND : VPOR, X0, temp, X1);
    }
    narrow(e, rd, X0, 0);
    x64_keep_low(e, rd, rd, 1);
    finish(e, stub);
}

/* The host's MAX and MIN give the second operand for zeros of either sign; NaNs are found before they could signal. */
static bool max_min(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_max)
{
    struct x64_asm *const a = &e->a;
    const uint32_t op = NP(is_max ? 0x5f : 0x5d);

    if (!is_fast(e, n)) {
        return false;
    }
    if (FP_VMODE(n->imm) == FP_VMODE_REDUCE) {
        reduce(e, node, n, is_max);
        return true;
    }
    int ra = x64_use(e, VEC, n->a), rb = second_operand(e, n, ra);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    pair(e, n, &ra, &rb);
    const int temp = x64_temp(e, VEC);
    for (unsigned part = 0; part < parts(n); part++) {
        operands(e, n, ra, rb, NOREG, part);
        x64_vi(a, NP(0xc2), temp, X0, X1, UNORDERED);
        x64_v(a, NP(0x50), RAX, NOREG, temp); /* MOVMSK */
        x64_test_rr(a, 0, RAX, RAX);
        if (part == 0) {
            stub->jump = x64_jcc(a, CC_NE);
        } else {
            stub->jump2 = x64_jcc(a, CC_NE);
        }
        x64_v(a, op, temp, X0, X1);
        x64_v(a, op, X1, X1, X0);
        x64_v(a, is_max ? VPAND : VPOR, X0, temp, X1);
        narrow(e, rd, X0, part);
    }
    finish(e, stub);
    return true;
}

static bool vop_fmax(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return max_min(e, node, n, true);
}

static bool vop_fmin(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return max_min(e, node, n, false);
}

/* With FZ: NaNs are the function's, so that the host has nothing to tell of others. */
static struct x64_stub *flags_stub(struct x64_emit *e, ir_ref node, const struct ir_node *n, int ra,
                                   int rb, int rd)
{
    if (!is_flushing(e)) {
        return NULL;
    }
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    x64_fp_check_below(e, n, ra, rb, 0x7c01, X0, X1, stub);
    return stub;
}

static bool compare(struct x64_emit *e, ir_ref node, const struct ir_node *n, unsigned predicate,
                    bool absolute)
{
    struct x64_asm *const a = &e->a;

    if (!is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = flags_stub(e, node, n, ra, rb, rd);
    for (unsigned part = 0; part < parts(n); part++) {
        operands(e, n, ra, rb, NOREG, part);
        if (absolute) {
            x64_v_literal(e, VPAND, X0, X0, all_dwords(0x7fffffff));
            x64_v_literal(e, VPAND, X1, X1, all_dwords(0x7fffffff));
        }
        x64_vi(a, NP(0xc2), part == 0 ? rd : X0, X0, X1, predicate);
    }
    x64_v(a, OP66(0x6b), rd, rd, parts(n) == 2 ? X0 : rd); /* VPACKSSDW */
    x64_finish(e, n, rd);
    resume_here(e, stub);
    return true;
}

static bool vop_fcmeq(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, EQUAL, false);
}

static bool vop_fcmge(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, GREATER_EQUAL, false);
}

static bool vop_fcmgt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, GREATER, false);
}

static bool vop_facge(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, GREATER_EQUAL, true);
}

static bool vop_facgt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, GREATER, true);
}

/* Widening a signaling NaN signals as well. */
static void compare_scalars(struct x64_emit *e, const struct ir_node *n, int ra, int rb)
{
    operands(e, n, ra, rb, NOREG, 0);
    x64_v(&e->a, NP(B_UCOMI + ((n->imm & FP_VSIGNAL) != 0)), X0, NOREG, X1);
    x64_pack_fcmp(e);
}

static bool vop_fcmp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, INT, node);
    struct x64_stub *const stub = flags_stub(e, node, n, ra, rb, rd);
    compare_scalars(e, n, ra, rb);
    x64_mov_rr(&e->a, 1, rd, RAX);
    resume_here(e, stub);
    return true;
}

static bool vop_fccmp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return is_fast(e, n) && x64_fp_conditional(e, node, n, compare_scalars);
}

/* --- Complex ---------------------------------------------------------------------------------------------------------------------- */

/* The sign bits of both parts of a number, in all lanes. */
static v128 signs(bool real, bool imaginary)
{
    return all_dwords((real ? 0x8000u : 0) | (imaginary ? 0x80000000u : 0));
}

/* Of each pair of halfwords the lanes that imm says for two pairs. */
static void shuffle(struct x64_emit *e, int to, int from, unsigned imm)
{
    x64_vi(&e->a, X64_OP(PP_F2, MAP_0F, 0x70), to, NOREG, from, imm); /* VPSHUFLW */
    x64_vi(&e->a, X64_OP(PP_F3, MAP_0F, 0x70), to, NOREG, to, imm);
}

static bool vop_fcadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const bool quarter = FP_VROT_OF(n->imm) == 1;

    if (!is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    const int turned = x64_temp(e, VEC);
    shuffle(e, turned, rb, 0xb1);
    x64_v_literal(e, VPXOR, turned, turned, signs(quarter, !quarter));
    for (unsigned part = 0; part < parts(n); part++) {
        operands(e, n, ra, turned, NOREG, part);
        x64_v(&e->a, NP(B_ADD), X0, X0, X1);
        narrow(e, rd, X0, part);
    }
    check(e, rd, false, stub);
    x64_finish(e, n, rd);
    finish(e, stub);
    return true;
}

static bool vop_fcmla(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned rot = FP_VROT_OF(n->imm);

    if (!is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rc = x64_use(e, VEC, n->c);
    int rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, rc, rd);
    const int factor = x64_temp(e, VEC), turned = x64_temp(e, VEC), masks = x64_temp(e, VEC);
    const int sums[2] = {x64_temp(e, VEC), parts(n) == 2 ? x64_temp(e, VEC) : NOREG};
    if (FP_VMODE(n->imm) == FP_VMODE_ELEM) {
        x64_vi(&e->a, VPSHUFD, turned, NOREG, rb, FP_VELEM_INDEX(n->imm) * 0x55u);
        rb = turned;
    }
    shuffle(e, factor, ra, (rot & 1) != 0 ? 0xf5 : 0xa0);
    if ((rot & 1) != 0) {
        shuffle(e, turned, rb, 0xb1);
        rb = turned;
    }
    if (rot != 0) {
        x64_v_literal(e, VPXOR, turned, rb, signs(rot != 3, rot != 1));
        rb = turned;
    }
    for (unsigned part = 0; part < parts(n); part++) {
        widen(e, n, sums[part], rc, part);
        operands(e, n, factor, rb, NOREG, part);
        x64_v(&e->a, OP38(0xb8), sums[part], X0, X1); /* VFMADD231 */
        doubtful(e, sums[part], masks, rd, part == 0);
    }
    narrow_sums(e, n, rd, sums, masks, stub);
    check(e, rd, false, stub);
    x64_finish(e, n, rd);
    finish(e, stub);
    return true;
}

/* --------------------------------------------------------------------------------------------------------------------------------- */

x64_vop_fn *const x64_vop_half[VOP_COUNT] = {
#define ROW(name) [VOP_##name] = vop_##name
    ROW(fadd),
    ROW(fsub),
    ROW(fabd),
    ROW(fmul),
    ROW(fnmul),
    ROW(fdiv),
    ROW(fmla),
    ROW(fmulx),
    ROW(frecps),
    ROW(frsqrts),
    ROW(fcmp),
    ROW(fccmp),
    ROW(fcadd),
    ROW(fcmla),
    ROW(fsqrt),
    ROW(frint),
    ROW(fabs),
    ROW(fneg),
    ROW(fcmeq),
    ROW(fcmge),
    ROW(fcmgt),
    ROW(facge),
    ROW(facgt),
    ROW(fmax),
    ROW(fmin),
    [VOP_fmaxnm] = vop_fmax,
    [VOP_fminnm] = vop_fmin,
#undef ROW
};
