/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Atomics and exclusives up to 8 bytes, as the host's locked instructions where the TLB answers; they are full barriers, which
 * covers every acquire and release form. Entries of memory that does not support them are SLOW (mmu/tlb.c) while stage 1 is on;
 * with alignment checking or stage 1 off (MODE_ALIGNED) the functions in C do all of it.
 *
 * After the check RCX is the byte's host address, and RAX is free.
 *
 * A load-exclusive and the store-exclusive to the same register's address, with nothing between that the guest could leave by, or see,
 * are a pair: checked once, for writing, by the first; the monitor stays in registers. When what is stored is a sum, or is known
 * before, one instruction does both, and the store-exclusive succeeds. Where the check fails nothing has been done, and the block is
 * left for one without pairs (MODE_EACH_CHECK).
 */
#include "engine/x64/emit.h"
#include "engine/x64/mem.h"

#define INT CLASS_INT

/* An instruction with a register and memory; op is the byte form, the next opcode that of the other sizes. */
static void on_memory_at(struct x64_emit *e, uint32_t op, unsigned size, int reg, struct x64_mem m)
{
    struct x64_asm *const a = &e->a;

    if (size == 1) {
        x64_byte(a, 0x66);
    }
    if (size == 0) {
        x64_rm8(a, op, reg, m);
    } else {
        x64_rm(a, size == 3, op + 1, reg, m);
    }
}

static void on_memory(struct x64_emit *e, uint32_t op, unsigned size, int reg)
{
    on_memory_at(e, op, size, reg, x64_at(RCX, 0));
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

static bool is_inline(const struct x64_emit *e, const struct ir_node *n)
{
    return n->type <= 3 && (n->flags & IR_MEM_UNPRIV) == 0 && (e->block->mode & MODE_ALIGNED) == 0;
}

/* Checks a write (is_store) or read at the base register, and leaves its page's addend. */
static void check_place(struct x64_emit *e, const struct ir_node *n, int base, int addend,
                        bool is_store, struct x64_stub *stub)
{
    const struct x64_place p = {.base = base,
                                .table = R14,
                                .addend = addend,
                                .size = n->type,
                                .span = 1u << n->type,
                                .flags = n->flags | IR_MEM_ATOMIC,
                                .align = n->type,
                                .is_store = is_store};

    x64_check_place(e, &p, stub);
}

/* ... and its host address in RCX. */
static void check(struct x64_emit *e, const struct ir_node *n, int base, bool is_store,
                  struct x64_stub *stub)
{
    check_place(e, n, base, RAX, is_store, stub);
    x64_lea(&e->a, 1, RCX, x64_at_index(RAX, base, 0, 0));
}

static struct x64_stub *new_stub(struct x64_emit *e, ir_ref node, int base, int b, int c, int rd)
{
    struct x64_stub *const stub = x64_new_stub(e, STUB_ATOMIC, node);

    stub->base = (int8_t)base;
    stub->operands[0] = (int8_t)b;
    stub->operands[1] = (int8_t)c;
    stub->reg = (int8_t)rd;
    stub->barrier = e->owes_barrier == node;
    return stub;
}

static void load_zero_extended(struct x64_emit *e, unsigned size, int rd, struct x64_mem m)
{
    if (size < 2) {
        x64_rm(&e->a, 0, X64_0F(size == 0 ? 0xb6 : 0xb7), rd, m);
    } else {
        x64_load(&e->a, size == 3, rd, m);
    }
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
        if (size == 0) {
            x64_rr8(a, 0x3a, RAX, operand); /* CMP */
        } else {
            if (size == 1) {
                x64_byte(a, 0x66);
            }
            x64_rr(a, size == 3, 0x3b, RAX, operand);
        }
        x64_cmov(a, 1, (enum x64_cc)stays[op], new, RAX);
        break;
    }
}

static void read_modify_write(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned op = n->d, size = n->type;
    const bool unused = e->val[node].last <= e->now;

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
        load_zero_extended(e, size, RAX, x64_at(RCX, 0));
        const uint32_t again = x64_here(a);
        compute(e, op, size, new, operand);
        locked(e, CMPXCHG, size, new);
        x64_jcc_to(a, CC_NE, again);
        zero_extend(e, size, rd, RAX);
    }
    stub->resume = x64_here(a);
}

static void compare_and_swap(struct x64_emit *e, ir_ref node, const struct ir_node *n)
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
}

/* --- Exclusives: see mmu/atomic.c ------------------------------------------------------------------------------------------------- */

static void store_byte(struct x64_emit *e, struct x64_mem m, unsigned value)
{
    x64_rm8(&e->a, 0xc6, 0, m);
    x64_byte(&e->a, value);
}

#define EXCL_VALUE_HIGH CPU_OFFSET(offsetof(struct a64_cpu, excl_value) + 8)

static void load_exclusive(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const int base = x64_use(e, INT, n->a), rd = x64_def(e, INT, node);
    struct x64_stub *const stub = new_stub(e, node, base, NOREG, NOREG, rd);

    check(e, n, base, false, stub);
    load_zero_extended(e, n->type, rd, x64_at(RCX, 0));
    x64_store(a, 1, base, CPU_FIELD(excl_va));
    x64_store(a, 1, rd, CPU_FIELD(excl_value));
    x64_store_imm(a, 1, EXCL_VALUE_HIGH, 0);
    store_byte(e, CPU_FIELD(excl_size), n->type);
    store_byte(e, CPU_FIELD(excl_valid), 1);
    stub->resume = x64_here(a);
}

static void store_exclusive(struct x64_emit *e, ir_ref node, const struct ir_node *n)
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
}

/* --- Pairs ----------------------------------------------------------------------------------------------------------------------- */

/* It is there before the load-exclusive. */
static bool is_before(const struct x64_emit *e, ir_ref ref, ir_ref ldx)
{
    return x64_resolve(e, ref) < ldx || x64_op_of(e, x64_resolve(e, ref)) == IR_CONST;
}

bool x64_is_pair(const struct x64_emit *e, ir_ref stx, struct x64_group *pair)
{
    const struct ir_node *const n = &e->nodes[stx];
    ir_ref i = (ir_ref)(stx - 1);

    while (e->nodes[i].op != IR_LDX) {
        /* no more than registers and arithmetic between them */
        const unsigned op = e->nodes[i].op;
        if (i == 0 || e->observer[i] == i || op == IR_LOAD || op == IR_STORE || op == IR_FENCE ||
            op == IR_CLREX || op == IR_STX) {
            return false;
        }
        i--;
    }
    const struct ir_node *const ldx = &e->nodes[i];
    if (!is_inline(e, n) || !is_inline(e, ldx) || ldx->type != n->type || e->group_of[i] != 0 ||
        x64_resolve(e, ldx->a) != x64_resolve(e, n->a)) {
        return false;
    }
    *pair = (struct x64_group){.base = x64_resolve(e, n->a),
                               .max = 1 << n->type,
                               .leader = i,
                               .is_store = true,
                               .pair = PAIR_COMPARE};
    const struct ir_node *const value = x64_node(e, n->b);
    /* A sum of 32 bits is not that of what 64 bits of memory hold. */
    const bool wide = n->type < 3 || value->type == IR_I64;
    if (is_before(e, n->b, i)) {
        pair->pair = PAIR_SWAP;
        pair->operand = n->b;
    } else if (wide && (value->op == IR_ADD || value->op == IR_SUB) &&
               x64_resolve(e, value->a) == i && is_before(e, value->b, i)) {
        pair->pair = value->op == IR_ADD ? PAIR_ADD : PAIR_SUB;
        pair->operand = value->b;
    } else if (wide && value->op == IR_ADD && x64_resolve(e, value->b) == i &&
               is_before(e, value->a, i)) {
        pair->pair = PAIR_ADD;
        pair->operand = value->a;
    }
    return true;
}

static void load_of_pair(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                         const struct x64_group *pair)
{
    struct x64_asm *const a = &e->a;
    const int base = x64_use(e, INT, n->a),
              operand = pair->pair != PAIR_COMPARE ? x64_use(e, INT, pair->operand) : NOREG,
              rd = x64_def(e, INT, node),
              addend = pair->pair == PAIR_COMPARE ? x64_def(e, INT, pair->value) : RAX;
    struct x64_stub *const stub = x64_new_stub(e, STUB_GROUP, node);

    stub->barrier = e->owes_barrier == node;
    check_place(e, n, base, addend, true, stub);
    const struct x64_mem m = x64_at_index(addend, base, 0, 0);
    if (pair->pair == PAIR_COMPARE) {
        load_zero_extended(e, n->type, rd, m);
        return;
    }
    x64_mov_rr(a, 1, rd, operand);
    if (pair->pair == PAIR_SUB) {
        x64_unary(a, 1, 3, rd);
    }
    if (pair->pair == PAIR_SWAP) {
        on_memory_at(e, XCHG, n->type, rd, m);
    } else {
        x64_byte(a, 0xf0);
        on_memory_at(e, XADD, n->type, rd, m);
    }
    zero_extend(e, n->type, rd, rd);
}

static void store_of_pair(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                          const struct x64_group *pair)
{
    struct x64_asm *const a = &e->a;

    if (pair->pair != PAIR_COMPARE) {
        x64_mov_ri(a, x64_def(e, INT, node), 0);
    } else {
        const int base = x64_use(e, INT, n->a), value = x64_use(e, INT, n->b),
                  old = x64_use(e, INT, pair->leader), addend = x64_use(e, INT, pair->value),
                  rd = x64_def(e, INT, node);
        x64_mov_rr(a, 1, RAX, old);
        x64_byte(a, 0xf0);
        on_memory_at(e, CMPXCHG, n->type, value, x64_at_index(addend, base, 0, 0));
        x64_setcc(a, CC_NE, RAX);
        x64_rr8(a, X64_0F(0xb6), rd, RAX);
    }
    store_byte(e, CPU_FIELD(excl_valid), 0);
}

bool x64_is_locked(const struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];
    const struct x64_group *const pair = x64_group_of(e, node);

    switch (n->op) {
    case IR_LDX:
        return pair != NULL && pair->pair != PAIR_COMPARE;
    case IR_ATOMIC:
    case IR_CAS:
        return is_inline(e, n);
    default:
        return false;
    }
}

bool x64_emit_atomic(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];
    const struct x64_group *const pair = x64_group_of(e, node);

    if (!is_inline(e, n)) {
        return false;
    }
    switch (n->op) {
    case IR_LDX:
        if (pair != NULL) {
            load_of_pair(e, node, n, pair);
        } else {
            load_exclusive(e, node, n);
        }
        break;
    case IR_STX:
        if (pair != NULL) {
            store_of_pair(e, node, n, pair);
        } else {
            store_exclusive(e, node, n);
        }
        break;
    case IR_ATOMIC:
        read_modify_write(e, node, n);
        break;
    default:
        compare_and_swap(e, node, n);
        break;
    }
    return true;
}
