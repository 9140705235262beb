/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Atomics and exclusives up to 8 bytes, as the host's locked instructions where the TLB answers; they are full barriers, which
 * covers every acquire and release form. Entries of memory that does not support them are SLOW (mmu/tlb.c) while stage 1 is on;
 * with alignment checking or stage 1 off (MODE_ALIGNED) the functions in C do all of it.
 *
 * After the check RCX is the byte's host address, and RAX is free.
 */
#include "engine/x64/emit.h"
#include "engine/x64/mem.h"

#define INT CLASS_INT

/* An instruction with a register and [RCX]; op is the byte form, the next opcode that of the other sizes. */
static void on_memory(struct x64_emit *e, uint32_t op, unsigned size, int reg)
{
    struct x64_asm *const a = &e->a;
    const struct x64_mem m = x64_at(RCX, 0);

    if (size == 1) {
        x64_byte(a, 0x66);
    }
    if (size == 0) {
        x64_rm8(a, op, reg, m);
    } else {
        x64_rm(a, size == 3, op + 1, reg, m);
    }
}

static void locked(struct x64_emit *e, uint32_t op, unsigned size, int reg)
{
    x64_byte(&e->a, 0xf0);
    on_memory(e, op, size, reg);
}

#define XADD    X64_0F(0xc0)
#define CMPXCHG X64_0F(0xb0)
#define XCHG    0x86u

/* Only the low bytes are the value. */
static void zero_extend(struct x64_emit *e, unsigned size, int to, int from)
{
    struct x64_asm *const a = &e->a;

    switch (size) {
    case 0:
        x64_rr8(a, X64_0F(0xb6), to, from);
        break;
    case 1:
        x64_rr(a, 0, X64_0F(0xb7), to, from);
        break;
    default:
        x64_mov_rr(a, size == 3, to, from);
        break;
    }
}

/* Checks a write (is_store) or read at the base register, and leaves its host address in RCX. */
static void check(struct x64_emit *e, const struct ir_node *n, int base, bool is_store,
                  struct x64_stub *stub)
{
    const struct x64_place p = {.base = base,
                                .table = R14,
                                .addend = RAX,
                                .size = n->type,
                                .span = 1u << n->type,
                                .flags = n->flags | IR_MEM_ATOMIC,
                                .align = n->type,
                                .is_store = is_store};

    x64_check_place(e, &p, stub);
    x64_lea(&e->a, 1, RCX, x64_at_index(RAX, base, 0, 0));
}

static struct x64_stub *new_stub(struct x64_emit *e, ir_ref node, int base, int b, int c, int rd)
{
    struct x64_stub *const stub = x64_new_stub(e, STUB_ATOMIC, node);

    stub->base = (int8_t)base;
    stub->operands[0] = (int8_t)b;
    stub->operands[1] = (int8_t)c;
    stub->reg = (int8_t)rd;
    return stub;
}

/* --- Read-modify-write ----------------------------------------------------------------------------------------------------------- */

static const uint8_t plain_op[IR_ATOMIC_SWP + 1] = {
    [IR_ATOMIC_ADD] = 0x00, [IR_ATOMIC_CLR] = 0x20, [IR_ATOMIC_EOR] = 0x30, [IR_ATOMIC_SET] = 0x08};

static bool is_logic(unsigned op)
{
    return op == IR_ATOMIC_CLR || op == IR_ATOMIC_EOR || op == IR_ATOMIC_SET;
}

/* new = old op operand, with old in RAX */
static void compute(struct x64_emit *e, unsigned op, unsigned size, int new, int operand)
{
    struct x64_asm *const a = &e->a;
    const unsigned w = size == 3;
    /* the old value stays when it is ... */
    static const uint8_t stays[IR_ATOMIC_SWP + 1] = {[IR_ATOMIC_SMAX] = CC_G,
                                                     [IR_ATOMIC_SMIN] = CC_LE,
                                                     [IR_ATOMIC_UMAX] = CC_A,
                                                     [IR_ATOMIC_UMIN] = CC_BE};

    switch (op) {
    case IR_ATOMIC_CLR:
        x64_mov_rr(a, 1, new, operand);
        x64_unary(a, 1, 2, new);
        x64_alu_rr(a, 1, ALU_AND, new, RAX);
        break;
    case IR_ATOMIC_EOR:
    case IR_ATOMIC_SET:
        x64_mov_rr(a, 1, new, operand);
        x64_alu_rr(a, 1, op == IR_ATOMIC_EOR ? ALU_XOR : ALU_OR, new, RAX);
        break;
    default:
        x64_mov_rr(a, 1, new, operand);
        x64_alu_rr(a, w, ALU_CMP, RAX, operand);
        x64_cmov(a, 1, (enum x64_cc)stays[op], new, RAX);
        break;
    }
}

static bool read_modify_write(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned op = n->d, size = n->type;
    const bool unused = e->val[node].last <= e->now;

    if (op >= IR_ATOMIC_SMAX && op <= IR_ATOMIC_UMIN && size < 2) {
        return false;
    }
    const int base = x64_use(e, INT, n->a), operand = x64_use(e, INT, n->b),
              rd = x64_def(e, INT, node);
    const bool loop = !(op == IR_ATOMIC_ADD || op == IR_ATOMIC_SWP || (unused && is_logic(op)));
    const int new = loop ? x64_temp(e, INT) : NOREG;
    struct x64_stub *const stub = new_stub(e, node, base, operand, NOREG, rd);
    check(e, n, base, true, stub);
    if (op == IR_ATOMIC_SWP) {
        x64_mov_rr(a, 1, rd, operand);
        on_memory(e, XCHG, size, rd); /* locked by itself */
        zero_extend(e, size, rd, rd);
    } else if (op == IR_ATOMIC_ADD && !unused) {
        x64_mov_rr(a, 1, rd, operand);
        locked(e, XADD, size, rd);
        zero_extend(e, size, rd, rd);
    } else if (!loop) {
        x64_mov_rr(a, 1, RAX, operand);
        if (op == IR_ATOMIC_CLR) {
            x64_unary(a, 1, 2, RAX);
        }
        locked(e, plain_op[op], size, RAX);
    } else {
        if (size == 0) {
            x64_rm(a, 0, X64_0F(0xb6), RAX, x64_at(RCX, 0));
        } else if (size == 1) {
            x64_rm(a, 0, X64_0F(0xb7), RAX, x64_at(RCX, 0));
        } else {
            x64_load(a, size == 3, RAX, x64_at(RCX, 0));
        }
        const uint32_t again = x64_here(a);
        compute(e, op, size, new, operand);
        locked(e, CMPXCHG, size, new);
        x64_jcc_to(a, CC_NE, again);
        zero_extend(e, size, rd, RAX);
    }
    stub->resume = x64_here(a);
    return true;
}

static bool compare_and_swap(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int base = x64_use(e, INT, n->a), expected = x64_use(e, INT, n->b),
              desired = x64_use(e, INT, n->c);
    const int rd = x64_def(e, INT, node);
    struct x64_stub *const stub = new_stub(e, node, base, expected, desired, rd);

    check(e, n, base, true, stub);
    x64_mov_rr(&e->a, 1, RAX, expected);
    locked(e, CMPXCHG, n->type, desired);
    zero_extend(e, n->type, rd, RAX);
    stub->resume = x64_here(&e->a);
    return true;
}

/* --- Exclusives: see mmu/atomic.c ------------------------------------------------------------------------------------------------- */

static void store_byte(struct x64_emit *e, struct x64_mem m, unsigned value)
{
    x64_rm8(&e->a, 0xc6, 0, m);
    x64_byte(&e->a, value);
}

#define EXCL_VALUE_HIGH CPU_OFFSET(offsetof(struct a64_cpu, excl_value) + 8)

static bool load_exclusive(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const int base = x64_use(e, INT, n->a), rd = x64_def(e, INT, node);
    struct x64_stub *const stub = new_stub(e, node, base, NOREG, NOREG, rd);

    check(e, n, base, false, stub);
    if (n->type == 0) {
        x64_rm(a, 0, X64_0F(0xb6), rd, x64_at(RCX, 0));
    } else if (n->type == 1) {
        x64_rm(a, 0, X64_0F(0xb7), rd, x64_at(RCX, 0));
    } else {
        x64_load(a, n->type == 3, rd, x64_at(RCX, 0));
    }
    x64_store(a, 1, base, CPU_FIELD(excl_va));
    x64_store(a, 1, rd, CPU_FIELD(excl_value));
    x64_store_imm(a, 1, EXCL_VALUE_HIGH, 0);
    store_byte(e, CPU_FIELD(excl_size), n->type);
    store_byte(e, CPU_FIELD(excl_valid), 1);
    stub->resume = x64_here(a);
    return true;
}

static bool store_exclusive(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const int base = x64_use(e, INT, n->a), value = x64_use(e, INT, n->b),
              rd = x64_def(e, INT, node);
    struct x64_stub *const stub = new_stub(e, node, base, value, NOREG, rd);
    uint32_t not_armed[3];

    /* Alignment is checked before the monitor, the translation after it. */
    if (n->type != 0) {
        x64_test_ri(a, 0, base, (1 << n->type) - 1);
        stub->jump2 = x64_jcc(a, CC_NE);
    }
    x64_rm8(a, 0x80, ALU_CMP, CPU_FIELD(excl_valid));
    x64_byte(a, 0);
    not_armed[0] = x64_jcc(a, CC_E);
    x64_rm8(a, 0x80, ALU_CMP, CPU_FIELD(excl_size));
    x64_byte(a, n->type);
    not_armed[1] = x64_jcc(a, CC_NE);
    x64_alu_rm(a, 1, ALU_CMP, base, CPU_FIELD(excl_va));
    not_armed[2] = x64_jcc(a, CC_NE);
    check(e, n, base, true, stub);
    x64_load(a, 1, RAX, CPU_FIELD(excl_value));
    locked(e, CMPXCHG, n->type, value);
    x64_setcc(a, CC_NE, RAX);
    x64_rr8(a, X64_0F(0xb6), rd, RAX);
    const uint32_t done = x64_jmp(a);
    for (unsigned i = 0; i < 3; i++) {
        x64_patch_here(a, not_armed[i]);
    }
    x64_mov_ri(a, rd, 1);
    x64_patch_here(a, done);
    store_byte(e, CPU_FIELD(excl_valid), 0);
    stub->resume = x64_here(a);
    return true;
}

bool x64_emit_atomic(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];

    if (n->type > 3 || (n->flags & IR_MEM_UNPRIV) != 0 || (e->block->mode & MODE_ALIGNED) != 0) {
        return false;
    }
    switch (n->op) {
    case IR_LDX:
        return load_exclusive(e, node, n);
    case IR_STX:
        return store_exclusive(e, node, n);
    case IR_ATOMIC:
        return read_modify_write(e, node, n);
    default:
        return compare_and_swap(e, node, n);
    }
}
