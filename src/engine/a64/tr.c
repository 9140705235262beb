/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "engine/a64/translate.h"
#include "engine/ir/fold.h"

#define REMEMBERED 32 /* nodes: what is older would be kept in a register for too long */

ir_ref tr_node(struct tr *t, enum ir_op op, unsigned type, unsigned flags, ir_ref a, ir_ref b,
               ir_ref c, unsigned d, uint32_t imm)
{
    assert(t->n_nodes < TR_MAX_NODES);
    const uint32_t i = t->n_nodes++;

    t->nodes[i] = (struct ir_node){
        .op = (uint8_t)op,
        .type = (uint8_t)type,
        .flags = (uint8_t)flags,
        .insn = t->insn,
        .a = a,
        .b = b,
        .c = c,
        .d = (uint16_t)d,
        .imm = imm,
    };
    return (ir_ref)i;
}

static ir_ref node_imm64(struct tr *t, enum ir_op op, unsigned flags, ir_ref a, uint64_t imm64)
{
    const ir_ref r = tr_node(t, op, IR_I64, flags, a, IR_REF_NONE, IR_REF_NONE, 0, 0);

    t->nodes[r].imm64 = imm64;
    return r;
}

ir_ref tr_const(struct tr *t, uint64_t value)
{
    if (value == 0) {
        if (t->zero == IR_REF_NONE) {
            t->zero = node_imm64(t, IR_CONST, 0, IR_REF_NONE, 0);
        }
        return t->zero;
    }
    ir_ref *const made = &t->made[(value ^ value >> 12) % TR_MADE];
    const struct ir_node *const n = &t->nodes[*made];
    if (n->op != IR_CONST || n->imm64 != value || n->flags != 0 ||
        t->n_nodes - *made > REMEMBERED) {
        *made = node_imm64(t, IR_CONST, 0, IR_REF_NONE, value);
    }
    return *made;
}

ir_ref tr_address(struct tr *t, uint64_t value)
{
    return node_imm64(t, IR_CONST, IR_CONST_PC, IR_REF_NONE, value);
}

/* --- Integer operations ------------------------------------------------------------------------------------------------------ */

static bool const_of(const struct tr *t, ir_ref r, uint64_t *value)
{
    if (r == IR_REF_NONE) {
        *value = 0;
        return true;
    }
    *value = t->nodes[r].imm64;
    return t->nodes[r].op == IR_CONST && t->nodes[r].flags == 0;
}

static bool address_of(const struct tr *t, ir_ref r, uint64_t *value)
{
    *value = t->nodes[r].imm64;
    return r != IR_REF_NONE && t->nodes[r].op == IR_CONST && t->nodes[r].flags == IR_CONST_PC;
}

/* What was computed not long ago is not computed again: LDR of [X0, X1] and ADD of both, one index shifted for several accesses. */
static ir_ref pure(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, ir_ref b, ir_ref c,
                   uint32_t imm)
{
    uint64_t va, vb, vc, folded;

    if (const_of(t, a, &va) && const_of(t, b, &vb) && const_of(t, c, &vc) &&
        ir_fold(op, sf, va, vb, vc, imm, &folded)) {
        return tr_const(t, folded);
    }
    if (op >= IR_FLAGS_ADD) {
        return tr_node(t, op, sf, 0, a, b, c, 0, imm);
    }
    ir_ref *const made = &t->made[(op * 5u + a * 3u + b + imm) % TR_MADE];
    const struct ir_node *const n = &t->nodes[*made];
    if (n->op != op || n->type != sf || n->a != a || n->b != b || n->c != c || n->imm != imm ||
        t->n_nodes - *made > REMEMBERED) {
        *made = tr_node(t, op, sf, 0, a, b, c, 0, imm);
    }
    return *made;
}

ir_ref tr_op1(struct tr *t, enum ir_op op, unsigned sf, ir_ref a)
{
    return pure(t, op, sf, a, IR_REF_NONE, IR_REF_NONE, 0);
}

ir_ref tr_op1i(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, uint32_t imm)
{
    return pure(t, op, sf, a, IR_REF_NONE, IR_REF_NONE, imm);
}

ir_ref tr_op2(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, ir_ref b)
{
    uint64_t va, vb;

    /* Identities that the architecture's own aliases make frequent: MOV is ORR with XZR or ADD #0. */
    if (sf == IR_I64 && b != IR_REF_NONE && const_of(t, b, &vb) && vb == 0) {
        switch (op) {
        case IR_ADD:
        case IR_SUB:
        case IR_OR:
        case IR_XOR:
        case IR_SHL:
        case IR_LSR:
        case IR_ASR:
        case IR_ROR:
            return a;
        default:
            break;
        }
    }
    if (sf == IR_I64 && (op == IR_OR || op == IR_ADD) && a == t->zero && a != IR_REF_NONE) {
        return b;
    }
    /* ADRP and ADD. */
    if (sf == IR_I64 && (op == IR_ADD || op == IR_SUB) && address_of(t, a, &va) &&
        const_of(t, b, &vb)) {
        return tr_address(t, op == IR_ADD ? va + vb : va - vb);
    }
    return pure(t, op, sf, a, b, IR_REF_NONE, 0);
}

ir_ref tr_op2i(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, ir_ref b, uint32_t imm)
{
    return pure(t, op, sf, a, b, IR_REF_NONE, imm);
}

ir_ref tr_op3(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, ir_ref b, ir_ref c)
{
    return pure(t, op, sf, a, b, c, 0);
}

/* --- Guest registers --------------------------------------------------------------------------------------------------------- */

static ir_ref get_gpr(struct tr *t, unsigned r)
{
    if (t->x[r] == IR_REF_NONE) {
        t->x[r] = tr_node(t, IR_GET_X, IR_I64, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, r);
    }
    return t->x[r];
}

ir_ref tr_get_x(struct tr *t, unsigned r)
{
    return r == 31 ? tr_const(t, 0) : get_gpr(t, r);
}

ir_ref tr_get_w(struct tr *t, unsigned r)
{
    return tr_op1(t, IR_ZEXT32, IR_I64, tr_get_x(t, r));
}

ir_ref tr_get_xw(struct tr *t, unsigned sf, unsigned r)
{
    return sf != 0 ? tr_get_x(t, r) : tr_get_w(t, r);
}

ir_ref tr_get_sp(struct tr *t, unsigned r)
{
    return get_gpr(t, r);
}

void tr_put_x(struct tr *t, unsigned r, ir_ref value)
{
    if (r != 31) {
        tr_put_sp(t, r, value);
    }
}

void tr_put_sp(struct tr *t, unsigned r, ir_ref value)
{
    tr_node(t, IR_PUT_X, IR_I64, 0, value, IR_REF_NONE, IR_REF_NONE, 0, r);
    t->x[r] = value;
}

ir_ref tr_get_v(struct tr *t, unsigned r)
{
    if (t->v[r] == IR_REF_NONE) {
        t->v[r] = tr_node(t, IR_GET_V, 4, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, r);
    }
    return t->v[r];
}

void tr_put_v(struct tr *t, unsigned r, ir_ref value)
{
    tr_node(t, IR_PUT_V, 4, 0, value, IR_REF_NONE, IR_REF_NONE, 0, r);
    t->v[r] = value;
}

ir_ref tr_get_nzcv(struct tr *t)
{
    if (t->nzcv == IR_REF_NONE) {
        t->nzcv = tr_node(t, IR_GET_NZCV, IR_I64, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
    }
    return t->nzcv;
}

void tr_put_nzcv(struct tr *t, ir_ref flags)
{
    tr_node(t, IR_PUT_NZCV, IR_I64, 0, flags, IR_REF_NONE, IR_REF_NONE, 0, 0);
    t->nzcv = flags;
}

ir_ref tr_cond(struct tr *t, unsigned cond)
{
    return cond >= 14 ? tr_const(t, 1) : tr_op1i(t, IR_COND, IR_I64, tr_get_nzcv(t), cond);
}

/* --- Vectors and functions --------------------------------------------------------------------------------------------------- */

ir_ref tr_vop(struct tr *t, enum ir_vop fn, ir_ref a, ir_ref b, ir_ref c, uint32_t imm)
{
    return tr_node(t, IR_VOP, 0, 0, a, b, c, (unsigned)fn, imm);
}

void tr_put_vq(struct tr *t, unsigned q, unsigned r, ir_ref value)
{
    tr_put_v(t, r,
             q != 0 ? value : tr_node(t, IR_VZEXT, 3, 0, value, IR_REF_NONE, IR_REF_NONE, 0, 0));
}

ir_ref tr_lane(struct tr *t, ir_ref v, unsigned size, unsigned index)
{
    return tr_node(t, IR_VLANE, size, 0, v, IR_REF_NONE, IR_REF_NONE, 0, index);
}

ir_ref tr_iop(struct tr *t, enum ir_iop fn, ir_ref a, ir_ref b, uint32_t imm)
{
    return tr_node(t, IR_IOP, IR_I64, 0, a, b, IR_REF_NONE, (unsigned)fn, imm);
}

static void forget_registers(struct tr *t)
{
    memset(t->x, 0, sizeof(t->x));
    memset(t->v, 0, sizeof(t->v));
    t->nzcv = IR_REF_NONE;
}

ir_ref tr_helper_keeps_regs(struct tr *t, enum ir_helper fn, ir_ref a, ir_ref b, uint32_t imm)
{
    return tr_node(t, IR_HELPER, IR_I64, 0, a, b, IR_REF_NONE, (unsigned)fn, imm);
}

ir_ref tr_helper(struct tr *t, enum ir_helper fn, ir_ref a, ir_ref b, uint32_t imm)
{
    const ir_ref result = tr_helper_keeps_regs(t, fn, a, b, imm);

    forget_registers(t);
    return result;
}

/* --- Memory ------------------------------------------------------------------------------------------------------------------ */

ir_ref tr_load(struct tr *t, ir_ref addr, unsigned size, unsigned flags, unsigned align,
               uint32_t iss)
{
    return tr_node(t, IR_LOAD, size, flags, addr, IR_REF_NONE, IR_REF_NONE, align, iss);
}

void tr_store(struct tr *t, ir_ref addr, ir_ref value, unsigned size, unsigned flags,
              unsigned align, uint32_t iss)
{
    tr_node(t, IR_STORE, size, flags, addr, value, IR_REF_NONE, align, iss);
}

void tr_check_sp(struct tr *t, unsigned rn)
{
    if (rn == 31 && (t->mode & MODE_SP_CHECK) != 0) {
        tr_node(t, IR_CHECK_SP, IR_I64, 0, tr_get_sp(t, 31), IR_REF_NONE, IR_REF_NONE, 0, 0);
    }
}

/* --- Control ----------------------------------------------------------------------------------------------------------------- */

/* The block goes on where the present branch leads. */
static bool turns(struct tr *t, uint64_t target)
{
    t->turned = (t->turn_to != t->turn_from && t->pc == t->turn_from && target == t->turn_to) ||
                (t->taken != 0 && target == t->taken);
    t->next = target;
    return t->turned;
}

/*
 * A loop of a few rounds, whose counter the block has set: they are made one behind the other, and the condition is known in each.
 * False: the branch is like any other.
 */
static bool unrolls(struct tr *t, ir_ref cond, uint64_t target)
{
    uint64_t taken;

    if (!t->unrolls || target <= t->start || target > t->pc || !const_of(t, cond, &taken)) {
        return false;
    }
    t->turned = taken != 0;
    t->next = target;
    t->unrolled |= taken == 0 && t->unrolling == t->pc;
    t->unrolling = taken != 0 ? t->pc : t->unrolling == t->pc ? 0 : t->unrolling;
    return true;
}

void tr_jump(struct tr *t, uint64_t target)
{
    if (turns(t, target)) {
        return;
    }
    if (t->follow != 0 && target == t->follow) {
        t->turned = true;
        t->next = target;
        return;
    }
    node_imm64(t, IR_JUMP, 0, IR_REF_NONE, target);
    t->end = true;
}

static bool fork_at(struct tr *t, ir_ref branch, uint64_t target)
{
    if (t->forks == NULL || t->n_forks == TR_MAX_FORKS) {
        return false;
    }
    struct tr_fork *const fork = &t->forks[t->n_forks++];
    fork->target = target;
    fork->node = branch;
    fork->nzcv = t->nzcv;
    fork->return_to = t->return_to;
    fork->otherwise = false;
    memcpy(fork->x, t->x, sizeof(fork->x));
    memcpy(fork->v, t->v, sizeof(fork->v));
    return true;
}

void tr_branch_if(struct tr *t, ir_ref cond, uint64_t target)
{
    if (unrolls(t, cond, target)) {
        return;
    }
    if (turns(t, target)) {
        target = t->pc + 4;
        cond = tr_op1(t, IR_EQZ, IR_I64, cond);
    }
    fork_at(t, node_imm64(t, IR_BRANCH_IF, 0, cond, target), target);
    t->branched = true;
}

/* The present jump leads there, and the block goes on. Else the jump is done outside of the line. */
static void goes_on(struct tr *t, ir_ref target, uint64_t expected, bool fork)
{
    uint64_t known;

    if (!address_of(t, target, &known) || known != expected) {
        const ir_ref flags = tr_node(t, IR_FLAGS_SUB, IR_I64, 0, target, tr_address(t, expected),
                                     IR_REF_NONE, 0, 0);
        const ir_ref branch = node_imm64(t, IR_BRANCH_IF, 0,
                                         tr_op1i(t, IR_COND, IR_I64, flags, 1 /* NE */), t->pc);
        if (fork && fork_at(t, branch, t->pc)) {
            t->forks[t->n_forks - 1].otherwise = true;
        }
    }
    t->turned = true;
    t->next = expected;
}

bool tr_expects(struct tr *t, ir_ref target)
{
    if (t->expected == 0) {
        return false;
    }
    goes_on(t, target, t->expected, true);
    t->return_to = t->into_leaf ? t->pc + 4 : t->return_to;
    t->expected = 0;
    t->into_leaf = false;
    return true;
}

void tr_jump_ind(struct tr *t, ir_ref target, enum ir_jump_kind kind)
{
    if (kind == IR_JUMP_RETURN && t->return_to != 0) {
        goes_on(t, target, t->return_to, false);
        t->return_to = 0;
        return;
    }
    tr_node(t, IR_JUMP_IND, IR_I64, (unsigned)kind, target, IR_REF_NONE, IR_REF_NONE, 0, 0);
    t->end = true;
}

void tr_undefined(struct tr *t)
{
    tr_helper_keeps_regs(t, HELPER_undefined, IR_REF_NONE, IR_REF_NONE, 0);
    tr_end(t);
}

void tr_end(struct tr *t)
{
    if (!t->end) {
        tr_jump(t, t->pc + 4);
    }
}

bool tr_has(const struct tr *t, unsigned feature)
{
    return (t->cpu->features[feature / 64] >> (feature % 64) & 1u) != 0;
}
