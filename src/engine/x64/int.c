/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Integer operations, flags and conditions. What each operation means stands in ir/pure.inc. */
#include "engine/ir/fold.h"
#include "engine/x64/emit.h"

#define INT CLASS_INT

/* --- Flags ----------------------------------------------------------------------------------------------------------------------- */

/*
 * After LAHF and SETO the host has SF at bit 15, ZF at bit 14, CF at bit 8 and OF at bit 0 of EAX: in the order of NZCV. The carry
 * of a subtraction is the inverse of A64's.
 */
void x64_pack_flags(struct x64_emit *e, bool inverted_carry)
{
    struct x64_asm *const a = &e->a;

    if (inverted_carry) {
        x64_byte(a, 0xf5); /* CMC */
    }
    x64_byte(a, 0x9f); /* LAHF */
    x64_setcc(a, CC_O, RAX);
    if (e->level >= 3) {
        x64_mov_ri(a, RCX, 0xc101);
        x64_bmi_rrr(a, 0, X64_PEXT, RAX, RAX, RCX);
    } else {
        x64_mov_rr(a, 0, RCX, RAX);
        x64_shift_ri(a, 0, SH_SHR, RCX, 12);
        x64_alu_ri(a, 0, ALU_AND, RCX, 12); /* N and Z */
        x64_alu_ri(a, 0, ALU_AND, RAX, 0x101);
        x64_alu_rr(a, 0, ALU_ADD, RCX, RAX); /* V */
        x64_shift_ri(a, 0, SH_SHR, RAX, 7);
        x64_alu_rr(a, 0, ALU_ADD, RAX, RCX); /* C */
    }
    x64_shift_ri(a, 0, SH_SHL, RAX, 28);
}

static void compare(struct x64_emit *e, unsigned sf, ir_ref ra, ir_ref rb)
{
    const int a = x64_use(e, INT, ra);
    int32_t imm;

    if (x64_imm32(e, rb, sf, &imm)) {
        if (imm == 0) {
            x64_test_rr(&e->a, sf, a, a);
        } else {
            x64_alu_ri(&e->a, sf, ALU_CMP, a, imm);
        }
        return;
    }
    x64_alu_rr(&e->a, sf, ALU_CMP, a, x64_use(e, INT, rb));
}

/* The host's flags of a lazy flag value; the carry is A64's, but inverted after FLAGS_SUB. */
static void compute_flags(struct x64_emit *e, const struct ir_node *n)
{
    int32_t imm;

    switch (n->op) {
    case IR_FLAGS_SUB:
        compare(e, n->type, n->a, n->b);
        break;
    case IR_FLAGS_ADD: {
        const int a = x64_use(e, INT, n->a);
        if (x64_imm32(e, n->b, n->type, &imm)) {
            x64_mov_rr(&e->a, 1, RAX, a);
            x64_alu_ri(&e->a, n->type, ALU_ADD, RAX, imm);
        } else {
            const int b = x64_use(e, INT, n->b);
            x64_mov_rr(&e->a, 1, RAX, a);
            x64_alu_rr(&e->a, n->type, ALU_ADD, RAX, b);
        }
        break;
    }
    default: { /* FLAGS_LOGIC */
        const int a = x64_use(e, INT, n->a);
        x64_test_rr(&e->a, n->type, a, a);
        break;
    }
    }
}

enum x64_cc x64_packed_cc(struct x64_emit *e, int flags, unsigned cond)
{
    struct x64_asm *const a = &e->a;
    enum x64_cc cc;

    switch (cond >> 1) {
    case 0: /* Z */
        x64_test_ri(a, 0, flags, 1 << 30);
        cc = CC_NE;
        break;
    case 1: /* C */
        x64_test_ri(a, 0, flags, 1 << 29);
        cc = CC_NE;
        break;
    case 2: /* N */
        x64_test_rr(a, 0, flags, flags);
        cc = CC_S;
        break;
    case 3: /* V */
        x64_test_ri(a, 0, flags, 1 << 28);
        cc = CC_NE;
        break;
    case 4: /* C and not Z */
        x64_mov_rr(a, 0, RAX, flags);
        x64_shift_ri(a, 0, SH_SHR, RAX, 29);
        x64_alu_ri(a, 0, ALU_AND, RAX, 3);
        x64_alu_ri(a, 0, ALU_CMP, RAX, 1);
        cc = CC_E;
        break;
    case 5: /* N == V: bit 31 of flags ^ flags << 3 is 0 */
        x64_mov_rr(a, 0, RAX, flags);
        x64_shift_ri(a, 0, SH_SHL, RAX, 3);
        x64_alu_rr(a, 0, ALU_XOR, RAX, flags);
        cc = CC_NS;
        break;
    default: /* N == V and not Z */
        x64_mov_rr(a, 0, RAX, flags);
        x64_shift_ri(a, 0, SH_SHL, RAX, 3);
        x64_alu_rr(a, 0, ALU_XOR, RAX, flags);
        x64_mov_rr(a, 0, RCX, flags);
        x64_alu_rr(a, 0, ALU_ADD, RCX, RCX);
        x64_alu_rr(a, 0, ALU_OR, RAX, RCX); /* bit 31: N != V, or Z */
        x64_test_rr(a, 0, RAX, RAX);
        cc = CC_NS;
        break;
    }
    return (enum x64_cc)((unsigned)cc ^ (cond & 1));
}

static bool is_lazy_flags(const struct x64_emit *e, ir_ref ref)
{
    const unsigned op = e->nodes[ref].op;

    return e->val[ref].lazy && (op == IR_FLAGS_SUB || op == IR_FLAGS_ADD || op == IR_FLAGS_LOGIC);
}

enum x64_cc x64_cc_after(const struct ir_node *flags, unsigned cond)
{
    /* By cond / 2; odd conditions are the inverse. */
    static const uint8_t after_sub[7] = {CC_E, CC_AE, CC_S, CC_O, CC_A, CC_GE, CC_G};
    static const uint8_t after_add[7] = {CC_E, CC_B, CC_S, CC_O, 0, CC_GE, CC_G};
    const unsigned cc = flags->op == IR_FLAGS_SUB ? after_sub[cond >> 1] : after_add[cond >> 1];

    return (enum x64_cc)(cc ^ (cond & 1));
}

/* Whether the condition holds of a comparison of `a` with the constant b. */
static bool holds_of(unsigned sf, uint64_t a, uint64_t b, unsigned cond)
{
    return ir_cond(ir_add_flags(sf, a, ~b, 1), cond) != 0;
}

/* RAX = something whose comparison with b gives what the condition is to be; no flags are touched. False: there is nothing. */
static bool load_substitute(struct x64_emit *e, const struct ir_node *compared, int rb, uint64_t b,
                            unsigned cond, bool holds)
{
    const unsigned sf = compared->type;
    const uint64_t candidates[] = {b, b + 1, b - 1, 0, 1, ir_trunc(sf, ~0ull) >> 1};

    if (rb != NOREG) {
        const bool of_equal = holds_of(sf, 0, 0, cond);
        if (of_equal != holds && cond >> 1 != 0) {
            return false;
        }
        if (of_equal == holds) {
            x64_mov_rr(&e->a, sf, RAX, rb);
        } else {
            x64_lea(&e->a, sf, RAX, x64_at(rb, 1));
        }
        return true;
    }
    for (unsigned i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        if (holds_of(sf, candidates[i], b, cond) == holds) {
            x64_mov_ri(&e->a, RAX, ir_trunc(sf, candidates[i]));
            return true;
        }
    }
    return false;
}

/*
 * The condition after CCMP: when CCMP has not compared, something else is compared instead that gives the same. Where there is nothing
 * such, both conditions become bits.
 */
static enum x64_cc conditional_cc(struct x64_emit *e, const struct ir_node *n, unsigned cond)
{
    struct x64_asm *const a = &e->a;
    const ir_ref compared = x64_resolve(e, n->b);
    const struct ir_node *const c = &e->nodes[compared];
    uint64_t otherwise;
    int32_t imm = 0;

    x64_const(e, n->c, &otherwise);
    const bool holds = ir_cond(otherwise, cond) != 0;
    if (c->op == IR_FLAGS_SUB) {
        const bool immediate = x64_imm32(e, c->b, c->type, &imm);
        const int ra = x64_use(e, INT, c->a), rb = immediate ? NOREG : x64_use(e, INT, c->b);
        const enum x64_cc asked = x64_condition(e, n->a);
        if (load_substitute(e, c, rb, (uint64_t)(int64_t)imm, cond, holds)) {
            x64_cmov(a, c->type, asked, RAX, ra);
            if (immediate) {
                x64_alu_ri(a, c->type, ALU_CMP, RAX, imm);
            } else {
                x64_alu_rr(a, c->type, ALU_CMP, RAX, rb);
            }
            return x64_cc_after(c, cond);
        }
    }
    const int bit = x64_temp(e, INT);
    const unsigned asked = x64_condition(e, n->a);
    x64_setcc(a, (enum x64_cc)(asked ^ holds), bit);
    x64_setcc(a, x64_flags_cc(e, compared, cond), RAX);
    x64_rr8(a, holds ? 0x0a : 0x22, RAX, bit); /* OR, AND */
    return CC_NE;
}

enum x64_cc x64_flags_cc(struct x64_emit *e, ir_ref flags, unsigned cond)
{
    const ir_ref ref = x64_resolve(e, flags);
    const struct ir_node *const n = &e->nodes[ref];

    if (e->val[ref].lazy && x64_is_fcmp(e, n)) {
        return x64_fcmp_cc(e, n, cond);
    }
    if (e->val[ref].lazy && n->op == IR_SELECT) {
        return conditional_cc(e, n, cond);
    }
    if (!is_lazy_flags(e, ref) || (n->op != IR_FLAGS_SUB && cond >> 1 == 4)) {
        return x64_packed_cc(e, x64_use(e, INT, ref), cond);
    }
    compute_flags(e, n);
    return x64_cc_after(n, cond);
}

static bool is_lazy_condition(const struct x64_emit *e, ir_ref ref)
{
    const unsigned op = e->nodes[ref].op;

    return e->val[ref].lazy && (op == IR_COND || op == IR_EQZ || op == IR_NEZ || op == IR_BIT);
}

static enum x64_cc test_bit(struct x64_emit *e, ir_ref ref, unsigned bit)
{
    struct x64_asm *const a = &e->a;
    const int reg = x64_use(e, INT, ref);

    if (bit == 63 || bit == 31) {
        x64_test_rr(a, bit == 63, reg, reg);
        return CC_S;
    }
    if (bit < 31) {
        x64_test_ri(a, 0, reg, 1 << bit);
        return CC_NE;
    }
    x64_rr(a, 1, X64_0F(0xba), 4, reg); /* BT */
    x64_byte(a, bit);
    return CC_B;
}

enum x64_cc x64_condition(struct x64_emit *e, ir_ref value)
{
    const ir_ref ref = x64_resolve(e, value);
    const struct ir_node *const n = &e->nodes[ref];

    if (is_lazy_condition(e, ref)) {
        switch (n->op) {
        case IR_COND:
            return x64_flags_cc(e, n->a, n->imm);
        case IR_BIT:
            return test_bit(e, n->a, n->imm);
        default: {
            const ir_ref of = x64_resolve(e, n->a);
            const unsigned invert = n->op == IR_EQZ;
            if (is_lazy_condition(e, of)) {
                return (enum x64_cc)((unsigned)x64_condition(e, of) ^ invert);
            }
            const int reg = x64_use(e, INT, of);
            x64_test_rr(&e->a, n->type, reg, reg);
            return (enum x64_cc)(CC_NE ^ invert);
        }
        }
    }
    const int reg = x64_use(e, INT, ref);
    x64_test_rr(&e->a, 1, reg, reg);
    return CC_NE;
}

void x64_materialize(struct x64_emit *e, ir_ref ref, int reg)
{
    struct x64_asm *const a = &e->a;
    const struct ir_node *const n = &e->nodes[ref];

    if (is_lazy_flags(e, ref)) {
        compute_flags(e, n);
        x64_pack_flags(e, n->op == IR_FLAGS_SUB);
        x64_mov_rr(a, 1, reg, RAX);
        return;
    }
    if (n->op == IR_SELECT) {
        const int of_compared = x64_temp(e, INT), otherwise = x64_temp(e, INT);
        x64_load_value(e, INT, of_compared, n->b);
        x64_load_value(e, INT, otherwise, n->c);
        x64_cmov(a, 1, (enum x64_cc)(x64_condition(e, n->a) ^ 1u), of_compared, otherwise);
        x64_mov_rr(a, 1, reg, of_compared);
        return;
    }
    if (x64_is_fcmp(e, n)) {
        x64_fcmp(e, n, x64_use(e, CLASS_VEC, n->a), x64_use(e, CLASS_VEC, n->b));
        x64_pack_fcmp(e);
        x64_mov_rr(a, 1, reg, RAX);
        return;
    }
    const enum x64_cc cc = x64_condition(e, ref);
    x64_setcc(a, cc, RAX);
    x64_rr8(a, X64_0F(0xb6), reg, RAX); /* MOVZX */
}

/* CF = the carry of a flag value, or its inverse. Uses RAX and RCX. */
static void load_carry(struct x64_emit *e, ir_ref flags, bool inverse)
{
    const ir_ref ref = x64_resolve(e, flags);
    const struct ir_node *const n = &e->nodes[ref];
    bool inverted = false;

    if (inverse && (n->op == IR_CARRY_ADC || n->op == IR_CARRY_SBC)) {
        x64_alu_ri(&e->a, 0, ALU_CMP, x64_use(e, INT, ref), 1);
        return;
    }
    if (is_lazy_flags(e, ref)) {
        compute_flags(e, n);
        inverted = n->op == IR_FLAGS_SUB;
    } else {
        x64_rr(&e->a, 0, X64_0F(0xba), 4, x64_use(e, INT, ref)); /* BT */
        x64_byte(&e->a, 29);
    }
    if (inverted != inverse) {
        x64_byte(&e->a, 0xf5); /* CMC */
    }
}

/* --- Arithmetic ------------------------------------------------------------------------------------------------------------------ */

static void add(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    ir_ref index;
    unsigned scale;
    int32_t imm;

    if (n->type == IR_I64 && x64_scaled_operand(e, n->b, &index, &scale)) {
        const int ra = x64_use(e, INT, n->a), ri = x64_use(e, INT, index);
        x64_lea(a, 1, x64_def(e, INT, node), x64_at_index(ra, ri, scale, 0));
        return;
    }
    if (x64_imm32(e, n->b, n->type, &imm)) {
        if (x64_dies(e, n->a)) {
            const int rd = x64_def_from(e, INT, node, n->a);
            x64_alu_ri(a, n->type, ALU_ADD, rd, imm);
        } else {
            const int ra = x64_use(e, INT, n->a);
            x64_lea(a, n->type, x64_def(e, INT, node), x64_at(ra, imm));
        }
        return;
    }
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
    if (x64_dies(e, n->a)) {
        x64_alu_rr(a, n->type, ALU_ADD, x64_def_from(e, INT, node, n->a), rb);
    } else if (x64_dies(e, n->b)) {
        x64_alu_rr(a, n->type, ALU_ADD, x64_def_from(e, INT, node, n->b), ra);
    } else {
        x64_lea(a, n->type, x64_def(e, INT, node), x64_at_index(ra, rb, 0, 0));
    }
}

static void sub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    uint64_t zero;
    int32_t imm;

    if (x64_const(e, n->a, &zero) && ir_trunc(n->type, zero) == 0) {
        const int rd = x64_def_from(e, INT, node, n->b);
        x64_unary(a, n->type, 3, rd); /* NEG */
        return;
    }
    if (x64_imm32(e, n->b, n->type, &imm) && imm != INT32_MIN) {
        if (x64_dies(e, n->a)) {
            const int rd = x64_def_from(e, INT, node, n->a);
            x64_alu_ri(a, n->type, ALU_SUB, rd, imm);
        } else {
            const int ra = x64_use(e, INT, n->a);
            x64_lea(a, n->type, x64_def(e, INT, node), x64_at(ra, -imm));
        }
        return;
    }
    x64_use(e, INT, n->a);
    const int rb = x64_use(e, INT, n->b);
    x64_alu_rr(a, n->type, ALU_SUB, x64_def_from(e, INT, node, n->a), rb);
}

/* AND, OR, XOR */
static void logic(struct x64_emit *e, ir_ref node, const struct ir_node *n, enum x64_alu op)
{
    struct x64_asm *const a = &e->a;
    int32_t imm;

    if (x64_imm32(e, n->b, n->type, &imm)) {
        const int rd = x64_def_from(e, INT, node, n->a);
        x64_alu_ri(a, n->type, op, rd, imm);
        return;
    }
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
    if (!x64_dies(e, n->a) && x64_dies(e, n->b)) {
        x64_alu_rr(a, n->type, op, x64_def_from(e, INT, node, n->b), ra);
    } else {
        x64_alu_rr(a, n->type, op, x64_def_from(e, INT, node, n->a), rb);
    }
}

static void multiply_high(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    x64_take(e, RDX);
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);

    x64_mov_rr(&e->a, 1, RAX, ra);
    x64_unary(&e->a, 1, n->op == IR_UMULH ? 4 : 5, rb);
    x64_bind(e, INT, node, RDX);
}

static void divide(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned sf = n->type;

    x64_take(e, RDX);
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
    x64_alu_rr(a, 0, ALU_XOR, RAX, RAX); /* the result of a division by zero */
    x64_test_rr(a, sf, rb, rb);
    const uint32_t zero = x64_jcc(a, CC_E);
    x64_mov_rr(a, sf, RAX, ra);
    if (n->op == IR_UDIV) {
        x64_alu_rr(a, 0, ALU_XOR, RDX, RDX);
        x64_unary(a, sf, 6, rb);
        x64_patch_here(a, zero);
    } else {
        /* The host faults on the least number divided by -1. */
        x64_alu_ri(a, sf, ALU_CMP, rb, -1);
        const uint32_t plain = x64_jcc(a, CC_NE);
        x64_unary(a, sf, 3, RAX);
        const uint32_t end = x64_jmp(a);
        x64_patch_here(a, plain);
        x64_rr(a, sf, 0x99, 0, 0); /* CDQ, CQO: one byte, the ModRM byte is taken back */
        a->p--;
        x64_unary(a, sf, 7, rb);
        x64_patch_here(a, zero);
        x64_patch_here(a, end);
    }
    x64_mov_rr(a, 1, RDX, RAX);
    x64_bind(e, INT, node, RDX);
}

static void multiply(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    int32_t imm;

    if (x64_imm32(e, n->b, n->type, &imm)) {
        const int ra = x64_use(e, INT, n->a);
        x64_rr(a, n->type, 0x69, x64_def(e, INT, node), ra);
        x64_u32(a, (uint32_t)imm);
        return;
    }
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
    if (!x64_dies(e, n->a) && x64_dies(e, n->b)) {
        x64_rr(a, n->type, X64_0F(0xaf), x64_def_from(e, INT, node, n->b), ra);
    } else {
        x64_rr(a, n->type, X64_0F(0xaf), x64_def_from(e, INT, node, n->a), rb);
    }
}

/* Has the host's flags of the sum or difference, and in RCX what it is. */
static void add_with_carry(struct x64_emit *e, const struct ir_node *n, bool subtract)
{
    struct x64_asm *const a = &e->a;
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);

    load_carry(e, n->c, subtract);
    x64_mov_rr(a, 1, RCX, ra);
    x64_alu_rr(a, n->type, subtract ? ALU_SBB : ALU_ADC, RCX, rb);
}

static void with_carry(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const bool subtract = n->op == IR_SBC || n->op == IR_FLAGS_SBC;

    add_with_carry(e, n, subtract);
    if (n->op == IR_ADC || n->op == IR_SBC) {
        x64_mov_rr(a, n->type, x64_def(e, INT, node), RCX);
        e->carry_at = x64_here(a);
        e->carry_of = node;
    } else {
        x64_pack_flags(e, subtract);
        x64_mov_rr(a, 1, x64_def(e, INT, node), RAX);
    }
}

/* Mostly right behind the sum, whose flags the host still has. */
static void carry(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const bool subtract = n->op == IR_CARRY_SBC;
    const struct ir_node *const sum = &e->nodes[e->carry_of];

    if (e->carry_at != x64_here(a) || sum->op != (subtract ? IR_SBC : IR_ADC) ||
        sum->type != n->type || sum->a != n->a || sum->b != n->b || sum->c != n->c) {
        add_with_carry(e, n, subtract);
    }
    const int rd = x64_def(e, INT, node);
    if (subtract) {
        x64_mov_ri(a, rd, UINT32_MAX);
        x64_alu_ri(a, 0, ALU_ADC, rd, 0);
    } else {
        x64_alu_rr(a, 0, ALU_SBB, rd, rd);
    }
}

/* --- Shifts and bit fields ------------------------------------------------------------------------------------------------------- */

static void shift(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    static const struct {
        enum x64_shift by_constant;
        uint32_t variable;
    } forms[] = {{SH_SHL, X64_SHLX}, {SH_SHR, X64_SHRX}, {SH_SAR, X64_SARX}};
    const unsigned which = n->op == IR_SHL ? 0 : n->op == IR_LSR ? 1 : 2;
    uint64_t count;

    if (x64_const(e, n->b, &count)) {
        count &= n->type != 0 ? 63u : 31u;
        if (n->op == IR_SHL && count >= 1 && count <= 3 && !x64_dies(e, n->a)) {
            const int ra = x64_use(e, INT, n->a);
            x64_lea(&e->a, n->type, x64_def(e, INT, node),
                    count == 1 ? x64_at_index(ra, ra, 0, 0)
                               : x64_at_index(NOREG, ra, (unsigned)count, 0));
            return;
        }
        const int rd = x64_def_from(e, INT, node, n->a);
        x64_shift_ri(&e->a, n->type, forms[which].by_constant, rd, (unsigned)count);
        if (n->type == 0 && (count & 31) == 0) {
            x64_mov_rr(&e->a, 0, rd, rd); /* a count of 0 leaves the upper half */
        }
        return;
    }
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
    x64_bmi_rrr(&e->a, n->type, forms[which].variable, x64_def(e, INT, node), rb, ra);
}

static void rotate(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    uint64_t count;

    if (x64_const(e, n->b, &count)) {
        const int ra = x64_use(e, INT, n->a);
        x64_rorx(&e->a, n->type, x64_def(e, INT, node), ra,
                 (unsigned)count & (n->type != 0 ? 63u : 31u));
        return;
    }
    const int rb = x64_use(e, INT, n->b);
    x64_use(e, INT, n->a);
    x64_mov_rr(&e->a, 0, RCX, rb);
    const int rd = x64_def_from(e, INT, node, n->a);
    x64_rr(&e->a, n->type, 0xd3, SH_ROR, rd);
    if (n->type == 0) {
        x64_mov_rr(&e->a, 0, rd, rd);
    }
}

static void extract(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned count = n->imm & (n->type != 0 ? 63u : 31u);

    if (count == 0) {
        const int rd = x64_def_from(e, INT, node, n->b);
        x64_mov_rr(&e->a, n->type, rd, rd);
    } else if (x64_resolve(e, n->a) == x64_resolve(e, n->b)) {
        const int ra = x64_use(e, INT, n->a);
        x64_rorx(&e->a, n->type, x64_def(e, INT, node), ra, count);
    } else {
        const int ra = x64_use(e, INT, n->a);
        x64_use(e, INT, n->b);
        const int rd = x64_def_from(e, INT, node, n->b);
        x64_rr(&e->a, n->type, X64_0F(0xac), ra, rd); /* SHRD */
        x64_byte(&e->a, count);
    }
}

/* MOVZX or MOVSX from the low 8 or 16 bits, or a move or MOVSXD from 32. */
static void extend(struct x64_emit *e, ir_ref node, ir_ref from, unsigned bits, bool is_signed,
                   unsigned sf)
{
    const int ra = x64_use(e, INT, from), rd = x64_def(e, INT, node);
    struct x64_asm *const a = &e->a;

    if (bits == 32) {
        if (is_signed && sf != 0) {
            x64_rr(a, 1, 0x63, rd, ra);
        } else {
            x64_mov_rr(a, 0, rd, ra);
        }
    } else if (bits == 16) {
        x64_rr(a, is_signed ? sf : 0, X64_0F(is_signed ? 0xbf : 0xb7), rd, ra);
    } else if (is_signed && sf != 0) {
        x64_rr(a, 1, X64_0F(0xbe), rd, ra);
    } else {
        x64_rr8(a, X64_0F(is_signed ? 0xbe : 0xb6), rd, ra);
    }
}

static void bit_field(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned size = n->type != 0 ? 64 : 32, lsb = n->imm & 63, width = n->imm >> 8 & 0x7f;
    const bool is_signed = n->op == IR_SBFX;
    struct x64_asm *const a = &e->a;

    if (lsb == 0 && (width == 8 || width == 16 || width == 32)) {
        extend(e, node, n->a, width, is_signed, n->type);
        return;
    }
    if (lsb + width > size) { /* what SBFM's aliases never ask for */
        const int ra = x64_use(e, INT, n->a), rd = x64_def(e, INT, node);
        x64_mov_rr(a, n->type, rd, ra);
        x64_shift_ri(a, 1, SH_SHR, rd, lsb);
        x64_shift_ri(a, 1, SH_SHL, rd, 64 - width);
        x64_shift_ri(a, 1, is_signed ? SH_SAR : SH_SHR, rd, 64 - width);
        x64_mov_rr(a, n->type, rd, rd);
        return;
    }
    const int rd = x64_def_from(e, INT, node, n->a);
    if (!is_signed && lsb + width == size) {
        x64_shift_ri(a, n->type, SH_SHR, rd, lsb);
        if (lsb == 0) {
            x64_mov_rr(a, n->type, rd, rd);
        }
    } else if (!is_signed && width < 32) {
        if (lsb != 0) {
            x64_shift_ri(a, n->type, SH_SHR, rd, lsb);
        }
        x64_alu_ri(a, 0, ALU_AND, rd, (int32_t)ir_ones(width));
    } else {
        if (lsb + width != size) {
            x64_shift_ri(a, n->type, SH_SHL, rd, size - lsb - width);
        }
        x64_shift_ri(a, n->type, is_signed ? SH_SAR : SH_SHR, rd, size - width);
        if (width == size) {
            x64_mov_rr(a, n->type, rd, rd);
        }
    }
}

/* Uses RCX. */
static void logic_ri(struct x64_emit *e, unsigned sf, enum x64_alu op, int rd, uint64_t value)
{
    if (sf == 0 || (int64_t)value == (int32_t)value) {
        x64_alu_ri(&e->a, sf, op, rd, (int32_t)value);
    } else {
        x64_mov_ri(&e->a, RCX, value);
        x64_alu_rr(&e->a, 1, op, rd, RCX);
    }
}

static void bit_field_insert(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const unsigned lsb = n->imm & 63, width = n->imm >> 8 & 0x7f;
    const uint64_t mask = ir_ones(width) << lsb;
    struct x64_asm *const a = &e->a;
    uint64_t value;

    if (x64_const(e, n->b, &value)) {
        logic_ri(e, n->type, ALU_AND, x64_def_from(e, INT, node, n->a), ~mask);
        logic_ri(e, n->type, ALU_OR, x64_val(e, node)->reg, value << lsb & mask);
        return;
    }
    const int rb = x64_use(e, INT, n->b);
    x64_use(e, INT, n->a);
    x64_mov_rr(a, 1, RAX, rb);
    if (lsb + width < 64) {
        x64_shift_ri(a, 1, SH_SHL, RAX, 64 - width);
        x64_shift_ri(a, 1, SH_SHR, RAX, 64 - width - lsb);
    } else if (lsb != 0) {
        x64_shift_ri(a, 1, SH_SHL, RAX, lsb);
    }
    const int rd = x64_def_from(e, INT, node, n->a);
    if (lsb == 32 && width == 32) {
        x64_mov_rr(a, 0, rd, rd);
    } else if ((int64_t)~mask == (int32_t)~mask) {
        x64_alu_ri(a, 1, ALU_AND, rd, (int32_t)~mask);
    } else {
        x64_mov_ri(a, RCX, ~mask);
        x64_alu_rr(a, 1, ALU_AND, rd, RCX);
    }
    x64_alu_rr(a, n->type, ALU_OR, rd, RAX);
}

/* --- The rest -------------------------------------------------------------------------------------------------------------------- */

#define LZCNT  X64_OP(PP_F3, MAP_0F, 0xbd)
#define TZCNT  X64_OP(PP_F3, MAP_0F, 0xbc)
#define POPCNT X64_OP(PP_F3, MAP_0F, 0xb8)

static void byte_swap(struct x64_asm *a, unsigned w, int reg)
{
    x64_byte(a, 0x40u | w << 3 | (reg > 7 ? 1u : 0));
    x64_byte(a, 0x0f);
    x64_byte(a, 0xc8u | (unsigned)(reg & 7));
}

/* Swaps groups of `by` bits with their neighbours. */
static void swap_groups(struct x64_asm *a, int reg, unsigned by, uint64_t mask)
{
    x64_mov_ri(a, RCX, mask);
    x64_mov_rr(a, 1, RAX, reg);
    x64_shift_ri(a, 1, SH_SHR, RAX, by);
    x64_alu_rr(a, 1, ALU_AND, RAX, RCX);
    x64_alu_rr(a, 1, ALU_AND, reg, RCX);
    x64_shift_ri(a, 1, SH_SHL, reg, by);
    x64_alu_rr(a, 1, ALU_OR, reg, RAX);
}

static void reverse(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const int rd = x64_def_from(e, INT, node, n->a);

    switch (n->op) {
    case IR_RBIT:
        swap_groups(a, rd, 1, 0x5555555555555555ull);
        swap_groups(a, rd, 2, 0x3333333333333333ull);
        swap_groups(a, rd, 4, 0x0f0f0f0f0f0f0f0full);
        byte_swap(a, 1, rd);
        if (n->type == 0) {
            x64_shift_ri(a, 1, SH_SHR, rd, 32);
        }
        break;
    case IR_REV16:
        swap_groups(a, rd, 8, 0x00ff00ff00ff00ffull);
        if (n->type == 0) {
            x64_mov_rr(a, 0, rd, rd);
        }
        break;
    case IR_REV32:
        byte_swap(a, n->type, rd);
        if (n->type != 0) {
            x64_rorx(a, 1, rd, rd, 32);
        }
        break;
    default:
        byte_swap(a, 1, rd);
        break;
    }
}

static void leading_zeros(struct x64_emit *e, const struct ir_node *n, int rd, int ra)
{
    struct x64_asm *const a = &e->a;
    const unsigned top = n->type != 0 ? 63 : 31;

    if (e->level >= 3) {
        x64_rr(a, n->type, LZCNT, rd, ra);
        return;
    }
    x64_rr(a, n->type, X64_0F(0xbd), rd,
           ra); /* BSR: the number of the highest bit, if there is one */
    x64_mov_ri(a, RAX, 2 * top + 1);
    x64_cmov(a, n->type, CC_E, rd, RAX);
    x64_alu_ri(a, n->type, ALU_XOR, rd, (int32_t)top);
}

static void trailing_zeros(struct x64_emit *e, const struct ir_node *n, int rd, int ra)
{
    struct x64_asm *const a = &e->a;

    if (e->level >= 3) {
        x64_rr(a, n->type, TZCNT, rd, ra);
        return;
    }
    x64_rr(a, n->type, X64_0F(0xbc), rd, ra); /* BSF */
    x64_mov_ri(a, RAX, n->type != 0 ? 64 : 32);
    x64_cmov(a, n->type, CC_E, rd, RAX);
}

static void count(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const int ra = x64_use(e, INT, n->a), rd = x64_def(e, INT, node);

    switch (n->op) {
    case IR_CLZ:
        leading_zeros(e, n, rd, ra);
        break;
    case IR_CTZ:
        trailing_zeros(e, n, rd, ra);
        break;
    case IR_CNT:
        x64_rr(a, n->type, POPCNT, rd, ra);
        break;
    default: /* CLS: the leading bits that equal the sign become zeros */
        x64_mov_rr(a, n->type, RAX, ra);
        x64_shift_ri(a, n->type, SH_SAR, RAX, n->type != 0 ? 63 : 31);
        x64_alu_rr(a, n->type, ALU_XOR, RAX, ra);
        leading_zeros(e, n, rd, RAX);
        x64_alu_ri(a, n->type, ALU_SUB, rd, 1);
        break;
    }
}

static void minimum(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const enum x64_cc take_b = n->op == IR_SMIN   ? CC_G
                               : n->op == IR_SMAX ? CC_L
                               : n->op == IR_UMIN ? CC_A
                                                  : CC_B;
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b), rd = x64_def(e, INT, node);

    x64_alu_rr(&e->a, n->type, ALU_CMP, ra, rb);
    x64_mov_rr(&e->a, n->type, rd, ra);
    x64_cmov(&e->a, n->type, take_b, rd, rb);
}

static void select(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int rb = x64_use(e, INT, n->b), rc = x64_use(e, INT, n->c);
    const enum x64_cc cc = x64_condition(e, n->a);

    if (x64_dies(e, n->b) && !x64_dies(e, n->c)) {
        x64_cmov(&e->a, 1, (enum x64_cc)(cc ^ 1), x64_def_from(e, INT, node, n->b), rc);
    } else {
        x64_cmov(&e->a, 1, cc, x64_def_from(e, INT, node, n->c), rb);
    }
}

/* The inverse of the reflected polynomial of CRC32 modulo x^64, in products without carries, and the polynomial. */
#define CRC32_INVERSE    0xb4e5b025f7011641ull
#define CRC32_POLYNOMIAL 0x1db710641ull

/*
 * A multiple of the polynomial that ends in the data's bits, with the accumulator added: what it has above them is the remainder. Data are
 * at the top of 64 bits.
 */
static void crc32(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned bits = 8u << n->imm;
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b), rd = x64_def(e, INT, node);

    x64_mov_rr(a, 0, RAX, ra);
    x64_alu_rr(a, 1, ALU_XOR, RAX, rb);
    if (bits < 64) {
        x64_shift_ri(a, 1, SH_SHL, RAX, 64 - bits);
    }
    x64_v_literal(e, X64_VMOVDQU_LOAD, 1, NOREG, (v128){.d = {CRC32_INVERSE, CRC32_POLYNOMIAL}});
    x64_vw(a, 1, X64_VMOVD_LOAD, 0, NOREG, RAX);
    x64_vi(a, X64_OP(PP_66, MAP_0F3A, 0x44), 0, 0, 1, 0x00); /* VPCLMULQDQ */
    x64_vi(a, X64_OP(PP_66, MAP_0F3A, 0x44), 0, 0, 1, 0x10);
    x64_vwi(a, 1, X64_OP(PP_66, MAP_0F3A, 0x16), 0, NOREG, rd, 1); /* VPEXTRQ */
    if (bits < 32) {
        x64_mov_rr(a, 0, RAX, ra);
        x64_shift_ri(a, 0, SH_SHR, RAX, bits);
        x64_alu_rr(a, 0, ALU_XOR, rd, RAX);
    }
}

/* A pure function in C, (a, b, imm). */
static void call_iop(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (n->d == IOP_crc32 && e->level >= 3) {
        crc32(e, node, n);
        return;
    }
    if (n->d == IOP_crc32c) {
        const int rb = x64_use(e, INT, n->b), rd = x64_def_from(e, INT, node, n->a);
        /* The host's instruction, for 8 bits F0, for more F1. */
        if (n->imm == 0) {
            x64_byte(a, 0xf2);
            x64_byte(a, 0x40u | (rd > 7 ? 4u : 0) | (rb > 7 ? 1u : 0));
            x64_byte(a, 0x0f);
            x64_byte(a, 0x38);
            x64_byte(a, 0xf0);
            x64_byte(a, 0xc0u | (unsigned)(rd & 7) << 3 | (unsigned)(rb & 7));
        } else {
            if (n->imm == 1) {
                x64_byte(a, 0x66);
            }
            x64_rr(a, n->imm == 3, X64_OP(PP_F2, MAP_0F38, 0xf1), rd, rb);
        }
        x64_mov_rr(a, 0, rd, rd);
        return;
    }
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
    x64_store(a, 1, ra, FRAME(FRAME_SCRATCH));
    x64_store(a, 1, rb, FRAME(FRAME_SCRATCH + 8));
    x64_spill_for_call(e);
    x64_load(a, 1, RDI, FRAME(FRAME_SCRATCH));
    x64_load(a, 1, RSI, FRAME(FRAME_SCRATCH + 8));
    x64_mov_ri(a, RDX, n->imm);
    x64_call(a, (uintptr_t)ir_iops[n->d].fn);
    e->locked[INT] = 0;
    x64_mov_rr(a, 1, x64_def(e, INT, node), RAX);
}

void x64_emit_int(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];
    struct x64_asm *const a = &e->a;

    switch ((enum ir_op)n->op) {
    case IR_ADD:
        add(e, node, n);
        break;
    case IR_SUB:
        sub(e, node, n);
        break;
    case IR_AND:
        logic(e, node, n, ALU_AND);
        break;
    case IR_OR:
        logic(e, node, n, ALU_OR);
        break;
    case IR_XOR:
        logic(e, node, n, ALU_XOR);
        break;
    case IR_BIC: {
        const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
        x64_bmi_rrr(a, n->type, X64_ANDN, x64_def(e, INT, node), rb, ra);
        break;
    }
    case IR_ORN:
    case IR_EON: {
        const int ra = x64_use(e, INT, n->a);
        x64_use(e, INT, n->b);
        /* Not in place of a, which may be the same value. */
        const int rb = x64_use(e, INT, n->b), rd = x64_def(e, INT, node);
        x64_mov_rr(a, n->type, rd, rb);
        x64_unary(a, n->type, 2, rd);
        x64_alu_rr(a, n->type, n->op == IR_ORN ? ALU_OR : ALU_XOR, rd, ra);
        break;
    }
    case IR_NOT:
        x64_unary(a, n->type, 2, x64_def_from(e, INT, node, n->a));
        break;
    case IR_NEG:
        x64_unary(a, n->type, 3, x64_def_from(e, INT, node, n->a));
        break;
    case IR_MUL:
        multiply(e, node, n);
        break;
    case IR_UMULH:
    case IR_SMULH:
        multiply_high(e, node, n);
        break;
    case IR_UDIV:
    case IR_SDIV:
        divide(e, node, n);
        break;
    case IR_SHL:
    case IR_LSR:
    case IR_ASR:
        shift(e, node, n);
        break;
    case IR_ROR:
        rotate(e, node, n);
        break;
    case IR_ADC:
    case IR_SBC:
    case IR_FLAGS_ADC:
    case IR_FLAGS_SBC:
        with_carry(e, node, n);
        break;
    case IR_CARRY_ADC:
    case IR_CARRY_SBC:
        carry(e, node, n);
        break;
    case IR_EXTR:
        extract(e, node, n);
        break;
    case IR_UBFX:
    case IR_SBFX:
        bit_field(e, node, n);
        break;
    case IR_BFI:
        bit_field_insert(e, node, n);
        break;
    case IR_SEXT8:
        extend(e, node, n->a, 8, true, n->type);
        break;
    case IR_SEXT16:
        extend(e, node, n->a, 16, true, n->type);
        break;
    case IR_SEXT32:
        extend(e, node, n->a, 32, true, n->type);
        break;
    case IR_ZEXT8:
        extend(e, node, n->a, 8, false, 0);
        break;
    case IR_ZEXT16:
        extend(e, node, n->a, 16, false, 0);
        break;
    case IR_ZEXT32:
        extend(e, node, n->a, 32, false, 0);
        break;
    case IR_CLZ:
    case IR_CLS:
    case IR_CTZ:
    case IR_CNT:
        count(e, node, n);
        break;
    case IR_RBIT:
    case IR_REV16:
    case IR_REV32:
    case IR_REV64:
        reverse(e, node, n);
        break;
    case IR_SMIN:
    case IR_SMAX:
    case IR_UMIN:
    case IR_UMAX:
        minimum(e, node, n);
        break;
    case IR_SELECT:
        select(e, node, n);
        break;
    case IR_IOP:
        call_iop(e, node, n);
        break;
    default:
        e->failed = true;
        break;
    }
}
