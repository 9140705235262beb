/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Estimates of reciprocals and their roots, and the steps that refine them. Of an operand that is a normal number, and whose estimate is
 * one, the exponent follows by a subtraction, and the fraction comes from a table of 256 in the vCPU; others are made in C.
 */
#include "engine/x64/vop_fp.h"

#define VPEXTRB OP3A(0x14)
#define VPINSRB OP3A(0x20)

static const struct fp_format *format_of(const struct ir_node *n)
{
    return &fp_formats[lane_of(n)];
}

/* In all lanes. */
static v128 in_lanes(const struct ir_node *n, uint64_t value)
{
    switch (lane_of(n)) {
    case 1:
        return all_words((uint16_t)value);
    case 2:
        return all_dwords((uint32_t)value);
    default:
        return (v128){.d = {value, value}};
    }
}

/* Shifts the lanes. */
static void shift(struct x64_emit *e, const struct ir_node *n, bool left, int rd, int ra,
                  unsigned count)
{
    x64_vi(&e->a, OP66(0x70 + lane_of(n)), left ? 6 : 2, rd, ra, count);
}

/* The bytes of PMOVMSKB that are the form's. */
static int32_t bytes_of(const struct ir_node *n)
{
    return is_scalar(n) ? (1 << (1 << lane_of(n))) - 1 : is_half(n) ? 0xff : 0xffff;
}

/* The lanes of rd get the table's byte for the low byte of X0's lane, as the top of the fraction. Uses RAX and X1. */
static void add_fraction(struct x64_emit *e, const struct ir_node *n, int rd, size_t table)
{
    struct x64_asm *const a = &e->a;
    struct x64_mem m = CPU_OFFSET(table);
    const unsigned lanes = is_scalar(n) ? 1 : (is_half(n) ? 8u : 16u) >> lane_of(n);

    m.index = RAX;
    zero(e, X1);
    for (unsigned i = 0; i < lanes; i++) {
        x64_vi(a, VPEXTRB, X0, NOREG, RAX, i << lane_of(n));
        x64_vmi(a, VPINSRB, X1, X1, m, i << lane_of(n));
    }
    shift(e, n, true, X1, X1, format_of(n)->frac_bits - 8u);
    x64_v(a, VPOR, rd, rd, X1);
}

static bool estimate(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool root)
{
    struct x64_asm *const a = &e->a;
    const struct fp_format *const f = format_of(n);
    const unsigned lane = lane_of(n);
    const uint64_t exponents = fp_infinity(f, false), bias = (uint64_t)f->bias;

    if (!is_fpcr_fast(e)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    int magnitude = ra;
    if (!root) {
        x64_v_literal(e, VPAND, X0, ra, in_lanes(n, fp_sign_bit(f) - 1));
        magnitude = X0;
    }
    x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG,
                  in_lanes(n, root ? exponents : (2 * bias - 1) << f->frac_bits));
    x64_v(a, x64_op_gt[lane], rd, rd, magnitude);
    x64_v_literal(e, x64_op_gt[lane], X1, magnitude, in_lanes(n, (1ull << f->frac_bits) - 1));
    x64_v(a, VPAND, X1, X1, rd);
    x64_v(a, VPMOVMSKB, RAX, NOREG, X1);
    x64_unary(a, 0, 2, RAX); /* NOT */
    x64_test_ri(a, 0, RAX, bytes_of(n));
    also_from(e, stub, CC_NE);

    x64_v_literal(e, VPAND, X1, magnitude, in_lanes(n, exponents));
    x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG,
                  in_lanes(n, (root ? 3 * bias - 1 : 2 * bias - 1) << f->frac_bits));
    x64_v(a, x64_op_sub[lane], rd, rd, X1);
    if (root) {
        shift(e, n, false, rd, rd, 1);
        x64_v_literal(e, VPAND, rd, rd, in_lanes(n, exponents));
        shift(e, n, false, X0, ra, f->frac_bits - 7u);
        add_fraction(e, n, rd, offsetof(struct a64_cpu, x64.rsqrt));
    } else {
        x64_v(a, VPXOR, X1, ra, X0);
        x64_v(a, VPOR, rd, rd, X1);
        shift(e, n, false, X0, ra, f->frac_bits - 8u);
        add_fraction(e, n, rd, offsetof(struct a64_cpu, x64.recip));
    }
    x64_finish(e, n, rd);
    resume_here(e, stub);
    return true;
}

bool x64_vop_frecpe(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return estimate(e, node, n, false);
}

/* The index is the exponent's lowest bit and 7 of the fraction. */
bool x64_vop_frsqrte(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return estimate(e, node, n, true);
}

/* The exponent, inverted; of 0 the greatest. */
bool x64_vop_frecpx(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const struct fp_format *const f = format_of(n);
    const unsigned wide = lane_of(n) == 3;
    const int32_t mask = (1 << f->exp_bits) - 1;

    if (!is_fpcr_fast(e)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    x64_vw(a, wide, X64_VMOVD_STORE, ra, NOREG, RAX);
    if (lane_of(n) == 1) {
        x64_alu_ri(a, 0, ALU_AND, RAX, 0xffff);
        x64_mov_rr(a, 0, RCX, RAX);
        x64_alu_ri(a, 0, ALU_AND, RCX, 0x7fff);
        x64_alu_ri(a, 0, ALU_CMP, RCX, 0x7c00);
        also_from(e, stub, CC_A);
    } else {
        x64_v(a, packed(n, B_UCOMI), ra, NOREG, ra);
        also_from(e, stub, CC_P);
    }
    x64_mov_rr(a, wide, RCX, RAX);
    x64_shift_ri(a, wide, SH_SHR, RCX, f->frac_bits);
    x64_alu_ri(a, 0, ALU_AND, RCX, mask);
    x64_unary(a, 0, 3, RCX); /* NEG: carries but from 0 */
    x64_alu_ri(a, 0, ALU_ADC, RCX, mask - 1);
    x64_shift_ri(a, wide, SH_SHL, RCX, f->frac_bits);
    x64_shift_ri(a, wide, SH_SHR, RAX, f->size - 1u);
    x64_shift_ri(a, wide, SH_SHL, RAX, f->size - 1u);
    x64_alu_rr(a, wide, ALU_OR, RAX, RCX);
    x64_vw(a, wide, X64_VMOVD_LOAD, rd, NOREG, RAX);
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

void x64_fp_check_below(struct x64_emit *e, const struct ir_node *n, int ra, int rb, uint64_t limit,
                        int temp1, int temp2, struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const v128 magnitude = in_lanes(n, fp_sign_bit(format_of(n)) - 1);

    x64_v_literal(e, VPAND, temp1, ra, magnitude);
    x64_v_literal(e, VPAND, temp2, rb, magnitude);
    x64_v_literal(e, x64_op_gt[lane_of(n)], temp1, temp1, in_lanes(n, limit - 1));
    x64_v_literal(e, x64_op_gt[lane_of(n)], temp2, temp2, in_lanes(n, limit - 1));
    x64_v(a, VPOR, temp1, temp1, temp2);
    x64_v(a, VPMOVMSKB, RAX, NOREG, temp1);
    x64_test_ri(a, 0, RAX, bytes_of(n));
    also_from(e, stub, CC_NE);
}

/*
 * 2 - a * b, and (3 - a * b) / 2. Infinities are the function's, with zero they would be Invalid, and so are for the second what might be
 * too large only before it is halved. No result is so near 0 that it would be tiny.
 */
static bool step(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool root)
{
    struct x64_asm *const a = &e->a;
    const struct fp_format *const f = format_of(n);
    const uint64_t limit = root ? ((uint64_t)f->bias * 3 / 2) << f->frac_bits
                                : fp_infinity(f, false);

    if (!x64_fp_is_fast(e, n) || e->level < 3) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    x64_fp_check_below(e, n, ra, rb, limit, X0, X1, stub);
    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, X0, NOREG, ra);
        x64_v(a, X64_VMOVQ_LOAD, X1, NOREG, rb);
        ra = X0;
        rb = X1;
    }
    x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG,
                  root ? of_form(n, 0x40400000, 0x4008000000000000ull)
                       : of_form(n, single_power(1), double_power(1)));
    x64_vw(a, is_double(n), OP38(0xbcu + is_scalar(n)), rd, ra, rb); /* VFNMADD231 */
    if (root) {
        x64_v_literal(e, form(n, B_MUL), rd, rd, in_all(n, single_power(-1), double_power(-1)));
    }
    if (is_half(n)) { /* rounding down, 0 - 0 is -0 */
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

bool x64_vop_frecps(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return step(e, node, n, false);
}

bool x64_vop_frsqrts(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return step(e, node, n, true);
}
