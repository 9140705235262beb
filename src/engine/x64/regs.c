/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Register allocation, on the way forward.
 *
 * A value that a guest register's memory holds keeps that place until the register is written (x64_put): from then on the memory may
 * be stored to at any time. So a snapshot's places stay valid while its stub stores.
 */
#include "engine/x64/emit.h"
#include "engine/x64/vop.h"

#define BIT(n) (1u << (n))

/* RAX, RCX, RSP, RBP and R14 have their uses. */
static uint32_t allocatable(const struct x64_emit *e, enum x64_class cls)
{
    if (cls == CLASS_INT) {
        return 0xffffu & ~(BIT(RAX) | BIT(RCX) | BIT(RSP) | BIT(RBP) | BIT(R14));
    }
    return e->a.legacy ? 0xfffcu & ~BIT(X64_LEGACY_XMM) : e->level < 4 ? 0xfffcu : ~3u;
}

/* Of vector registers from 16 on only some instructions know. */
static bool is_usable(const struct x64_emit *e, enum x64_class cls, int reg)
{
    return cls == CLASS_INT || reg < 16 || e->any_vector;
}
/* What a C function leaves alone. */
static const uint32_t call_saved[2] = {
    BIT(RBX) | BIT(R12) | BIT(R13) | BIT(R15),
    0,
};

static struct x64_mem guest_memory(enum x64_class cls, unsigned r)
{
    return cls == CLASS_INT ? CPU_X(r) : CPU_V(r);
}

static void store(struct x64_emit *e, enum x64_class cls, int reg, struct x64_mem m)
{
    if (cls == CLASS_INT) {
        x64_store(&e->a, 1, reg, m);
    } else {
        x64_vm(&e->a, X64_VMOVDQU_STORE, reg, NOREG, m);
    }
}

static void load(struct x64_emit *e, enum x64_class cls, int reg, struct x64_mem m)
{
    if (cls == CLASS_INT) {
        x64_load(&e->a, 1, reg, m);
    } else {
        x64_vm(&e->a, X64_VMOVDQU_LOAD, reg, NOREG, m);
    }
}

/* --- Places ---------------------------------------------------------------------------------------------------------------------- */

int x64_new_slot(struct x64_emit *e)
{
    for (unsigned i = 0; i < X64_FRAME_SLOTS / 64; i++) {
        if (~e->slots[i] != 0) {
            const unsigned bit = (unsigned)__builtin_ctzll(~e->slots[i]);
            e->slots[i] |= 1ull << bit;
            return (int)(i * 64 + bit);
        }
    }
    e->failed = true;
    return 0;
}

static void drop(struct x64_emit *e, ir_ref ref)
{
    struct x64_val *const v = &e->val[ref];

    if (v->reg != NOREG) {
        e->held[v->cls][v->reg] = 0;
        v->reg = NOREG;
    }
    if (v->slot >= 0) {
        e->slots[v->slot / 64] &= ~(1ull << (v->slot % 64));
        v->slot = -1;
    }
}

/* Guest register r has been stored from `value`. */
static void now_in_memory(struct x64_emit *e, enum x64_class cls, unsigned r, ir_ref value)
{
    e->dirty[cls] &= ~BIT(r);
    e->memory[cls][r] = value;
    if (value != IR_REF_NONE && e->val[value].cls == cls) {
        e->val[value].guest = (int8_t)r;
    }
}

static bool is_made_again(const struct x64_emit *e, ir_ref ref)
{
    return x64_op_of(e, ref) == IR_CONST || x64_is_of_stretch(e, ref) || e->val[ref].couple != 0;
}

static void evict(struct x64_emit *e, enum x64_class cls, int reg)
{
    const ir_ref ref = e->held[cls][reg];
    struct x64_val *const v = &e->val[ref];

    e->held[cls][reg] = 0;
    v->reg = NOREG;
    if (is_made_again(e, ref) || v->last < e->now || v->slot >= 0) {
        if (v->last < e->now) {
            drop(e, ref);
        }
        return;
    }
    for (uint32_t dirty = e->dirty[cls]; dirty != 0; dirty &= dirty - 1) {
        const unsigned r = (unsigned)__builtin_ctz(dirty);
        if (e->guest[cls][r] == ref) {
            store(e, cls, reg, guest_memory(cls, r));
            now_in_memory(e, cls, r, ref);
        }
    }
    if (v->guest < 0) {
        v->slot = (int16_t)x64_new_slot(e);
        store(e, cls, reg, FRAME_SLOT(v->slot));
    }
}

static void move_vector(struct x64_emit *e, ir_ref ref, int to)
{
    const int from = e->val[ref].reg;

    x64_v(&e->a, X64_VMOVDQA_RR, to, NOREG, from);
    e->held[CLASS_VEC][from] = 0;
    x64_bind(e, CLASS_VEC, ref, to);
}

/* A value leaves one of the lower 16 vector registers for one of the others. */
static bool retreat(struct x64_emit *e, int reg)
{
    const ir_ref ref = e->held[CLASS_VEC][reg];

    if (reg >= 16 || x64_op_of(e, ref) == IR_CONST || e->val[ref].last < e->now) {
        return false;
    }
    for (uint32_t set = allocatable(e, CLASS_VEC) & ~e->locked[CLASS_VEC] & ~0xffffu; set != 0;
         set &= set - 1) {
        const int to = __builtin_ctz(set);
        const ir_ref other = e->held[CLASS_VEC][to];
        if (other != 0 && e->val[other].last < e->now) {
            drop(e, other);
        }
        if (e->held[CLASS_VEC][to] == 0) {
            move_vector(e, ref, to);
            return true;
        }
    }
    return false;
}

static bool is_free(const struct x64_emit *e, enum x64_class cls, int reg)
{
    const ir_ref ref = e->held[cls][reg];

    return ref == 0 || e->val[ref].last < e->now;
}

static int allocate(struct x64_emit *e, enum x64_class cls)
{
    const uint32_t usable = cls == CLASS_INT || e->any_vector ? ~0u : 0xffffu;
    const uint32_t possible = allocatable(e, (enum x64_class)cls) & usable & ~e->locked[cls];
    int victim = NOREG, spare = NOREG, of_stretch = NOREG;
    bool is_reserved = true;
    unsigned latest = 0;

    for (uint32_t set = possible; set != 0; set &= set - 1) {
        const int reg = __builtin_ctz(set);
        const ir_ref ref = e->held[cls][reg];
        if (is_free(e, cls, reg)) {
            spare = reg;
            is_reserved = (e->reserved[cls] & BIT(reg)) != 0;
            if (!is_reserved) {
                break;
            }
            continue;
        }
        if (x64_is_of_stretch(e, ref)) { /* it was a spare one */
            of_stretch = reg;
            continue;
        }
        /* What can be had again for nothing goes first, and what only stubs need. */
        const bool cold = x64_op_of(e, ref) == IR_CONST ||
                          (e->val[ref].hot <= e->now && !x64_fp_waits(e, ref));
        const unsigned last = e->val[ref].last + (cold ? TR_MAX_NODES : 0u);
        if (victim == NOREG || last > latest) {
            victim = reg;
            latest = last;
        }
    }
    if (is_reserved && of_stretch != NOREG) {
        victim = of_stretch;
    } else if (spare != NOREG) {
        victim = spare;
    }
    assert(victim != NOREG);
    if (e->held[cls][victim] != 0 && (cls == CLASS_INT || !retreat(e, victim))) {
        evict(e, cls, victim);
    }
    e->locked[cls] |= BIT(victim);
    return victim;
}

/* Nothing but its store is left to do with it. */
static bool is_stored_sooner(const struct x64_emit *e, enum x64_class cls, ir_ref ref)
{
    if (e->val[ref].hot > e->now || x64_fp_waits(e, ref)) {
        return false;
    }
    for (uint32_t dirty = e->dirty[cls]; dirty != 0; dirty &= dirty - 1) {
        if (e->guest[cls][__builtin_ctz(dirty)] == ref) {
            return true;
        }
    }
    return false;
}

unsigned x64_free_registers(const struct x64_emit *e, enum x64_class cls)
{
    unsigned n = 0;

    for (uint32_t set = allocatable(e, (enum x64_class)cls); set != 0; set &= set - 1) {
        const ir_ref ref = e->held[cls][__builtin_ctz(set)];
        n += ref == 0 || e->val[ref].last < e->now || x64_is_of_stretch(e, ref) ||
             is_stored_sooner(e, cls, ref);
    }
    return n;
}

unsigned x64_empty_registers(const struct x64_emit *e, enum x64_class cls)
{
    unsigned n = 0;

    for (uint32_t set = allocatable(e, cls); set != 0; set &= set - 1) {
        n += e->held[cls][__builtin_ctz(set)] == 0;
    }
    return n;
}

/* --- For the nodes' code --------------------------------------------------------------------------------------------------------- */

int x64_temp(struct x64_emit *e, enum x64_class cls)
{
    return allocate(e, cls);
}

void x64_bind(struct x64_emit *e, enum x64_class cls, ir_ref node, int reg)
{
    e->held[cls][reg] = node;
    e->val[node].reg = (int8_t)reg;
    e->val[node].cls = (uint8_t)cls;
}

int x64_def(struct x64_emit *e, enum x64_class cls, ir_ref node)
{
    const int want = node < e->n_nodes || x64_is_couple_ref(e, node) ? e->want[node] : NOREG;
    int reg = want;

    if (want != NOREG && is_usable(e, cls, want) && is_free(e, cls, want) &&
        (e->locked[cls] & BIT(want)) == 0) {
        if (e->held[cls][want] != 0) {
            drop(e, e->held[cls][want]);
        }
        e->locked[cls] |= BIT(want);
    } else {
        reg = allocate(e, cls);
    }
    x64_bind(e, cls, node, reg);
    return reg;
}

int x64_def_spare(struct x64_emit *e, ir_ref ref)
{
    const uint32_t possible = allocatable(e, CLASS_INT) & ~e->locked[CLASS_INT] &
                              ~e->reserved[CLASS_INT];

    for (uint32_t set = possible; set != 0;) {
        const int reg = 31 - __builtin_clz(set); /* others have more use for the first */
        if (is_free(e, CLASS_INT, reg)) {
            if (e->held[CLASS_INT][reg] != 0) {
                drop(e, e->held[CLASS_INT][reg]);
            }
            e->locked[CLASS_INT] |= BIT(reg);
            x64_bind(e, CLASS_INT, ref, reg);
            return reg;
        }
        set &= ~BIT(reg);
    }
    return NOREG;
}

int x64_def_over(struct x64_emit *e, enum x64_class cls, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];
    const ir_ref operands[2] = {x64_resolve(e, n->a), x64_resolve(e, n->b)};

    for (unsigned i = 0; i < 2; i++) {
        const struct x64_val *const v = &e->val[operands[i]];
        const int reg = v->reg;
        if (operands[i] != IR_REF_NONE && v->cls == cls && reg != NOREG && v->last <= e->now &&
            is_usable(e, cls, reg)) {
            drop(e, operands[i]);
            x64_bind(e, cls, node, reg);
            return reg;
        }
    }
    return x64_def(e, cls, node);
}

void x64_take(struct x64_emit *e, int gpr)
{
    const ir_ref ref = e->held[CLASS_INT][gpr];

    assert((e->locked[CLASS_INT] & BIT(gpr)) == 0);
    e->locked[CLASS_INT] |= BIT(gpr);
    if (ref == 0) {
        return;
    }
    /* To another register while there is a free one. */
    for (uint32_t set = allocatable(e, CLASS_INT) & ~e->locked[CLASS_INT]; set != 0;
         set &= set - 1) {
        const int reg = __builtin_ctz(set);
        if (e->held[CLASS_INT][reg] == 0) {
            x64_mov_rr(&e->a, 1, reg, gpr);
            e->held[CLASS_INT][gpr] = 0;
            x64_bind(e, CLASS_INT, ref, reg);
            return;
        }
    }
    evict(e, CLASS_INT, gpr);
}

/* One of a couple that has no place of its own. */
static bool is_half(const struct x64_val *v)
{
    return v->couple != 0 && v->reg == NOREG && v->slot < 0 && v->guest < 0;
}

static void load_half(struct x64_emit *e, enum x64_class cls, int reg, const struct x64_val *half)
{
    struct x64_asm *const a = &e->a;
    const struct x64_val *const v = &e->val[half->couple];

    if (v->reg == NOREG) {
        const struct x64_mem m = FRAME(FRAME_SLOTS + 16 * v->slot + 8 * half->lane);
        assert(v->slot >= 0);
        if (cls == CLASS_VEC) {
            x64_vm(a, X64_VMOVQ_LOAD, reg, NOREG, m);
        } else {
            x64_load(a, 1, reg, m);
        }
    } else if (cls == CLASS_VEC) {
        x64_move_half(e, reg, v->reg, half->lane);
    } else {
        x64_move_half(e, XMM_SCRATCH1, v->reg, half->lane);
        x64_vw(a, 1, X64_VMOVD_STORE, XMM_SCRATCH1, NOREG, reg);
    }
}

/* The 128 bits, or the low 64, of a value that is in no register, into one of class cls. */
static void load_from_memory(struct x64_emit *e, enum x64_class cls, int reg, ir_ref ref)
{
    const struct x64_val *const v = &e->val[ref];
    struct x64_mem m;

    if (v->slot >= 0) {
        m = FRAME_SLOT(v->slot);
    } else {
        assert(v->guest >= 0);
        m = guest_memory((enum x64_class)v->cls, (unsigned)v->guest);
    }
    if (cls == CLASS_VEC && v->cls == CLASS_INT) {
        x64_vm(&e->a, X64_VMOVQ_LOAD, reg, NOREG, m);
    } else {
        load(e, cls, reg, m);
    }
}

void x64_load_value(struct x64_emit *e, enum x64_class cls, int reg, ir_ref ref)
{
    const ir_ref r = x64_resolve(e, ref);
    const struct x64_val *const v = &e->val[r];
    uint64_t value;

    if (x64_const(e, r, &value)) {
        if (cls == CLASS_INT) {
            x64_mov_ri(&e->a, reg, value);
        } else if (value == 0) {
            x64_v(&e->a, X64_OP(PP_66, MAP_0F, 0xef), reg, reg, reg); /* VPXOR */
        } else {
            x64_mov_ri(&e->a, RAX, value);
            x64_vw(&e->a, 1, X64_VMOVD_LOAD, reg, NOREG, RAX);
        }
    } else if (x64_op_of(e, r) == IR_CONST && v->reg == NOREG) {
        x64_mov_address(e, cls == CLASS_INT ? reg : RAX, value);
        if (cls == CLASS_VEC) {
            x64_vw(&e->a, 1, X64_VMOVD_LOAD, reg, NOREG, RAX);
        }
    } else if (is_half(v)) {
        load_half(e, cls, reg, v);
    } else if (v->reg == NOREG && v->lazy) {
        if (cls == CLASS_INT) {
            x64_materialize(e, r, reg);
        } else {
            x64_materialize(e, r, RAX);
            x64_vw(&e->a, 1, X64_VMOVD_LOAD, reg, NOREG, RAX);
        }
    } else if (v->reg == NOREG) {
        load_from_memory(e, cls, reg, r);
    } else if (v->cls == CLASS_INT) {
        if (cls == CLASS_INT) {
            x64_mov_rr(&e->a, 1, reg, v->reg);
        } else {
            x64_vw(&e->a, 1, X64_VMOVD_LOAD, reg, NOREG, v->reg);
        }
    } else if (cls == CLASS_INT) {
        x64_vw(&e->a, 1, X64_VMOVD_STORE, v->reg, NOREG, reg);
    } else if (v->reg != reg) {
        x64_v(&e->a, X64_VMOVDQA_RR, reg, NOREG, v->reg);
    }
}

int x64_use(struct x64_emit *e, enum x64_class cls, ir_ref ref)
{
    const ir_ref r = x64_resolve(e, ref);
    struct x64_val *const v = &e->val[r];

    if (r != IR_REF_NONE && v->reg != NOREG && v->cls == cls) {
        if (!is_usable(e, cls, v->reg)) {
            move_vector(e, r, allocate(e, cls));
        }
        e->locked[cls] |= BIT(v->reg);
        return v->reg;
    }
    const int reg = allocate(e, cls);
    x64_load_value(e, cls, reg, r);
    if (r != IR_REF_NONE && v->cls == cls && v->reg == NOREG) {
        x64_bind(e, cls, r, reg);
        v->lazy = x64_op_of(e, r) == IR_CONST;
    }
    return reg;
}

int x64_def_from(struct x64_emit *e, enum x64_class cls, ir_ref node, ir_ref ref)
{
    const ir_ref r = x64_resolve(e, ref);
    struct x64_val *const v = &e->val[r];

    if (r != IR_REF_NONE && v->cls == cls && v->reg != NOREG && v->last <= e->now &&
        is_usable(e, cls, v->reg)) {
        const int reg = v->reg;
        drop(e, r);
        x64_bind(e, cls, node, reg);
        e->locked[cls] |= BIT(reg);
        return reg;
    }
    /* Kept for later uses where it has to be loaded first. */
    if (r != IR_REF_NONE && v->cls == cls && v->reg == NOREG && v->last > e->now &&
        e->nodes[r].op != IR_CONST) {
        x64_use(e, cls, r);
    }
    const int reg = allocate(e, cls);
    x64_load_value(e, cls, reg, r);
    x64_bind(e, cls, node, reg);
    return reg;
}

void x64_changed(struct x64_emit *e, ir_ref ref)
{
    struct x64_val *const v = &e->val[ref];

    if (v->slot >= 0) {
        e->slots[v->slot / 64] &= ~(1ull << (v->slot % 64));
        v->slot = -1;
    }
}

void x64_drop_dead(struct x64_emit *e, ir_ref ref)
{
    const ir_ref r = x64_resolve(e, ref);

    if (r != IR_REF_NONE && e->val[r].last < e->now) {
        drop(e, r);
    }
}

static void release(struct x64_emit *e, ir_ref ref)
{
    const ir_ref r = x64_resolve(e, ref);

    if (r == IR_REF_NONE) {
        return;
    }
    if (e->val[r].last <= e->now) {
        drop(e, r);
    }
    if (e->val[r].couple != 0 && e->val[e->val[r].couple].last <= e->now) {
        drop(e, e->val[r].couple);
    }
    switch (x64_op_of(e, r)) { /* the operands of what is lazy, or was */
    case IR_FLAGS_ADD:
    case IR_FLAGS_SUB:
    case IR_VOP: /* a comparison */
    case IR_ADD: /* of an address */
    case IR_SUB:
    case IR_SHL:
        if (e->val[x64_resolve(e, e->nodes[r].a)].last <= e->now && e->nodes[r].a != 0) {
            drop(e, x64_resolve(e, e->nodes[r].a));
        }
        if (e->val[x64_resolve(e, e->nodes[r].b)].last <= e->now && e->nodes[r].b != 0) {
            drop(e, x64_resolve(e, e->nodes[r].b));
        }
        break;
    case IR_FLAGS_LOGIC:
    case IR_EQZ:
    case IR_NEZ:
    case IR_BIT:
    case IR_VLANE: /* of a store, or made a vector */
        if (e->val[x64_resolve(e, e->nodes[r].a)].last <= e->now && e->nodes[r].a != 0) {
            drop(e, x64_resolve(e, e->nodes[r].a));
        }
        break;
    case IR_COND:
        release(e, e->nodes[r].a);
        break;
    case IR_SELECT: /* of flags */
        release(e, e->nodes[r].a);
        release(e, e->nodes[r].b);
        break;
    default:
        break;
    }
}

void x64_done(struct x64_emit *e)
{
    const struct ir_node *const n = &e->nodes[e->now];

    e->locked[CLASS_INT] = 0;
    e->locked[CLASS_VEC] = 0;
    if (n->op == IR_CONST || n->op == IR_JUMP) {
        return;
    }
    if (n->op == IR_LOAD || n->op == IR_STORE) {
        const struct x64_group *const group = x64_group_of(e, e->now);
        release(e, x64_address_of(e, (ir_ref)e->now).base);
        if (group != NULL && e->val[group->value].last <= e->now) {
            drop(e, group->value);
        }
    }
    if (n->op == IR_LDX || n->op == IR_STX) {
        const struct x64_group *const pair = x64_group_of(e, e->now);
        if (pair != NULL) {
            release(e, pair->operand);
            release(e, pair->leader);
            release(e, pair->value);
        }
    }
    release(e, n->a);
    if (n->op != IR_BRANCH_IF) {
        release(e, n->b);
        release(e, n->c);
    }
    if (e->val[e->now].last <= e->now && e->val[e->now].reg != NOREG) {
        drop(e, (ir_ref)e->now);
    }
}

/* --- Guest registers ------------------------------------------------------------------------------------------------------------- */

void x64_put(struct x64_emit *e, enum x64_class cls, unsigned r, ir_ref value)
{
    const ir_ref ref = x64_resolve(e, value), old = e->memory[cls][r], present = e->guest[cls][r];

    if (old != IR_REF_NONE && old != ref) {
        struct x64_val *const o = &e->val[old];
        if (o->guest == (int8_t)r) {
            if (o->last > e->now && o->reg == NOREG && o->slot < 0 && !o->lazy && o->couple == 0) {
                x64_use(e, (enum x64_class)o->cls, old);
            }
            o->guest = -1;
        }
        e->memory[cls][r] = IR_REF_NONE;
    }
    e->guest[cls][r] = ref;
    e->dirty[cls] &= ~BIT(r);
    if (old == ref && ref != IR_REF_NONE) {
        return;
    }
    struct x64_val *const v = &e->val[ref];
    if ((v->last > e->now && !x64_is_half_round(e, ref)) || ref == IR_REF_NONE) {
        e->dirty[cls] |= BIT(r);
        /* In a register, a slot, or a constant, whatever class it was made in. */
        if (ref != IR_REF_NONE && (e->nodes[ref].op != IR_CONST || cls == CLASS_VEC) &&
            ((v->reg == NOREG && v->slot < 0 && v->couple == 0) || v->cls != cls)) {
            if (v->cls == cls) {
                x64_use(e, cls, ref);
            } else {
                /* Its low half is what counts for the other class: stored at once. */
                const int reg = x64_use(e, cls, ref);
                store(e, cls, reg, guest_memory(cls, r));
                e->dirty[cls] &= ~BIT(r);
            }
        }
    }
    if (present != IR_REF_NONE && present != ref) {
        release(e, present);
    }
}

/* Where these flags' operands are, a stub knows. */
static bool are_of_integers(struct x64_emit *e, ir_ref flags)
{
    const struct ir_node *const n = x64_node(e, flags);

    switch (n->op) {
    case IR_FLAGS_ADD:
    case IR_FLAGS_SUB:
    case IR_FLAGS_LOGIC:
        return x64_val(e, n->a)->cls == CLASS_INT && x64_val(e, n->b)->cls == CLASS_INT;
    case IR_SELECT: {
        const ir_ref asked = x64_node(e, n->a)->a;
        return x64_val(e, flags)->lazy && are_of_integers(e, n->b) &&
               x64_val(e, asked)->cls == CLASS_INT &&
               (!x64_val(e, asked)->lazy || are_of_integers(e, asked));
    }
    default:
        return false;
    }
}

void x64_put_flags(struct x64_emit *e, ir_ref value)
{
    const ir_ref ref = x64_resolve(e, value), present = e->flags;
    const unsigned op = e->nodes[ref].op;

    e->flags = ref;
    e->dirty_flags = e->val[ref].last > e->now;
    const bool stays_lazy = (e->val[ref].lazy && x64_is_fcmp(e, &e->nodes[ref])) ||
                            are_of_integers(e, ref);
    if (e->dirty_flags && op != IR_CONST && !stays_lazy &&
        (e->val[ref].reg == NOREG || e->val[ref].cls != CLASS_INT) &&
        (e->val[ref].slot < 0 || e->val[ref].cls != CLASS_INT)) {
        const int reg = x64_use(e, CLASS_INT, ref);
        if (e->val[ref].cls != CLASS_INT) { /* the result of a vector function */
            x64_store(&e->a, 0, reg, CPU_FIELD(nzcv));
            x64_store_imm(&e->a, 0, CPU_FIELD(x64.flags_kind), 0);
            e->dirty_flags = false;
        }
    }
    if (present != IR_REF_NONE && present != ref) {
        release(e, present);
    }
}

struct x64_where x64_where_is(const struct x64_emit *e, ir_ref ref)
{
    const ir_ref r = x64_resolve(e, ref);
    const struct x64_val *const v = &e->val[r];

    if (r == IR_REF_NONE || (x64_op_of(e, r) == IR_CONST && v->reg == NOREG)) {
        return (struct x64_where){.reg = NOREG, .guest = -1, .slot = -1, .value = r};
    }
    if (is_half(v)) {
        struct x64_where at = x64_where_is(e, v->couple);
        at.half = (uint8_t)(v->lane + 1);
        return at;
    }
    assert(v->reg != NOREG || v->slot >= 0 || v->guest >= 0);
    return (struct x64_where){.reg = v->reg, .guest = v->guest, .slot = v->slot, .value = r};
}

/* Flags that are lazy, and not even packed for somebody. */
static bool is_uncomputed(const struct x64_emit *e, ir_ref ref)
{
    return e->val[ref].lazy && e->nodes[ref].op != IR_CONST && e->val[ref].reg == NOREG &&
           e->val[ref].slot < 0;
}

/* Of the operands, or [0]: of the flags themselves. */
static void find_flags(const struct x64_emit *e, ir_ref flags, struct x64_where at[2])
{
    const ir_ref r = x64_resolve(e, flags);

    if (is_uncomputed(e, r)) {
        at[0] = x64_where_is(e, e->nodes[r].a);
        at[1] = x64_where_is(e, e->nodes[r].b);
    } else {
        at[0] = x64_where_is(e, r);
        at[1] = x64_where_is(e, IR_REF_NONE);
    }
}

void x64_snapshot(struct x64_emit *e, struct x64_stub *stub)
{
    stub->first_saved = (uint16_t)e->n_saved;
    for (unsigned cls = 0; cls < 2; cls++) {
        for (uint32_t dirty = e->dirty[cls]; dirty != 0; dirty &= dirty - 1) {
            const unsigned r = (unsigned)__builtin_ctz(dirty);
            if (e->n_saved == X64_MAX_SAVED) {
                e->failed = true;
                return;
            }
            e->saved[e->n_saved++] = (struct x64_saved){.cls = (uint8_t)cls,
                                                        .guest = (uint8_t)r,
                                                        .from = x64_where_is(e, e->guest[cls][r])};
        }
    }
    stub->n_saved = (uint16_t)(e->n_saved - stub->first_saved);
    stub->flags_dirty = e->dirty_flags;
    stub->flags = e->flags;
    if (!e->dirty_flags) {
        return;
    }
    if (x64_are_of_round(e, e->flags)) {
        stub->flags_at[0] = x64_where_is(e, e->round.a);
        stub->flags_at[1] = x64_where_is(e, e->round.b);
        stub->round_at = x64_where_is(e, e->round.marker);
        return;
    }
    const struct ir_node *const n = &e->nodes[e->flags];
    if (n->op == IR_SELECT && is_uncomputed(e, e->flags)) {
        const struct ir_node *const compared = x64_node(e, n->b);
        find_flags(e, x64_node(e, n->a)->a, stub->asked_at);
        stub->flags_at[0] = x64_where_is(e, compared->a);
        stub->flags_at[1] = x64_where_is(e, compared->b);
    } else {
        find_flags(e, e->flags, stub->flags_at);
    }
}

void x64_store_dirty(struct x64_emit *e, enum x64_flags_form form)
{
    struct x64_stub stub = {.kind = STUB_EXIT};

    const unsigned n_saved = e->n_saved;
    x64_snapshot(e, &stub);
    x64_stub_stores(e, &stub, form);
    e->n_saved = n_saved;
    for (unsigned cls = 0; cls < 2; cls++) {
        for (uint32_t dirty = e->dirty[cls]; dirty != 0; dirty &= dirty - 1) {
            const unsigned r = (unsigned)__builtin_ctz(dirty);
            now_in_memory(e, (enum x64_class)cls, r, e->guest[cls][r]);
        }
    }
    e->dirty_flags = false;
}

void x64_keep_in_frame(struct x64_emit *e)
{
    for (unsigned cls = 0; cls < 2; cls++) {
        for (unsigned r = 0; r < 32; r++) {
            const ir_ref ref = e->memory[cls][r];
            struct x64_val *const v = &e->val[ref];
            if (ref == IR_REF_NONE || v->guest != (int8_t)r || v->last <= e->now || v->slot >= 0 ||
                x64_op_of(e, ref) == IR_CONST) {
                continue;
            }
            const int reg = x64_use(e, (enum x64_class)v->cls, ref);
            v->slot = (int16_t)x64_new_slot(e);
            store(e, (enum x64_class)v->cls, reg, FRAME_SLOT(v->slot));
            e->locked[v->cls] &= ~BIT(reg);
        }
    }
}

void x64_forget_memory(struct x64_emit *e)
{
    for (unsigned cls = 0; cls < 2; cls++) {
        for (unsigned r = 0; r < 32; r++) {
            const ir_ref ref = e->memory[cls][r];
            if (ref != IR_REF_NONE && e->val[ref].guest == (int8_t)r) {
                e->val[ref].guest = -1;
            }
            e->memory[cls][r] = IR_REF_NONE;
            e->guest[cls][r] = IR_REF_NONE;
        }
    }
    e->flags = IR_REF_NONE;
}

void x64_spill_for_call(struct x64_emit *e)
{
    for (unsigned cls = 0; cls < 2; cls++) {
        for (uint32_t set = allocatable(e, (enum x64_class)cls) & ~call_saved[cls]; set != 0;
             set &= set - 1) {
            const int reg = __builtin_ctz(set);
            const ir_ref ref = e->held[cls][reg];
            if (ref == 0) {
                continue;
            }
            if (e->val[ref].last > e->now) {
                evict(e, (enum x64_class)cls, reg);
            } else { /* its slot may be an operand of the call: x64_done() frees it */
                e->held[cls][reg] = 0;
                e->val[ref].reg = NOREG;
            }
        }
    }
}
