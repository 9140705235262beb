/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Which file emits which operation. */
#include "engine/x64/emit.h"

typedef void emit_fn(struct x64_emit *e, ir_ref node);

static emit_fn *const table[IR_OP_COUNT] = {
#define PURE(name, expression) [IR_##name] = x64_emit_int,
#include "engine/ir/pure.inc"
#undef PURE
    [IR_GET_X] = x64_emit_flow,     [IR_PUT_X] = x64_emit_flow,     [IR_GET_V] = x64_emit_flow,
    [IR_PUT_V] = x64_emit_flow,     [IR_GET_NZCV] = x64_emit_flow,  [IR_PUT_NZCV] = x64_emit_flow,
    [IR_PUT_BTYPE] = x64_emit_flow, [IR_GET_FIELD] = x64_emit_flow, [IR_PUT_FIELD] = x64_emit_flow,
    [IR_IOP] = x64_emit_int,        [IR_SELECT] = x64_emit_int,     [IR_VFROM64] = x64_emit_vec,
    [IR_VPACK] = x64_emit_vec,      [IR_VLANE] = x64_emit_vec,      [IR_VLANES] = x64_emit_vec,
    [IR_VINSERT] = x64_emit_vec,    [IR_VZEXT] = x64_emit_vec,      [IR_VAND] = x64_emit_vec,
    [IR_VOR] = x64_emit_vec,        [IR_VXOR] = x64_emit_vec,       [IR_VBIC] = x64_emit_vec,
    [IR_VORN] = x64_emit_vec,       [IR_VNOT] = x64_emit_vec,       [IR_VBSL] = x64_emit_vec,
    [IR_VDUP] = x64_emit_vec,       [IR_VOP] = x64_emit_vec,        [IR_LOAD] = x64_emit_mem,
    [IR_STORE] = x64_emit_mem,      [IR_LDX] = x64_emit_mem,        [IR_STX] = x64_emit_mem,
    [IR_ZERO] = x64_emit_mem,       [IR_ATOMIC] = x64_emit_mem,     [IR_CAS] = x64_emit_mem,
    [IR_FENCE] = x64_emit_mem,      [IR_CLREX] = x64_emit_flow,     [IR_CHECK_SP] = x64_emit_flow,
    [IR_JUMP] = x64_emit_flow,      [IR_BRANCH_IF] = x64_emit_flow, [IR_JUMP_IND] = x64_emit_flow,
    [IR_HELPER] = x64_emit_flow,
};

static bool has_effect(const struct ir_node *n)
{
    static const char effects[IR_OP_COUNT] = {
#define OP(name, result, effect) [IR_##name] = #effect[0],
#include "engine/ir/ir_ops.inc"
#undef OP
    };

    switch (n->op) {
    case IR_GET_X:
    case IR_GET_V:
    case IR_GET_NZCV:
    case IR_GET_FIELD:
        return false;
    case IR_VOP:
        return ir_vops[n->d].effects != VOP_PURE;
    default:
        return effects[n->op] != 'P';
    }
}

bool x64_is_dead(const struct x64_emit *e, unsigned i)
{
    return e->val[i].last == 0 && !has_effect(&e->nodes[i]);
}

/* All that its code does with vectors has a form for XMM16 to XMM31 (asm.c). */
static bool takes_any_vector(const struct x64_emit *e, const struct ir_node *n)
{
    switch (n->op) {
    case IR_LOAD:
    case IR_STORE:
    case IR_GET_V:
    case IR_PUT_V:
    case IR_BRANCH_IF:
    case IR_JUMP:
    case IR_JUMP_IND:
        return true;
    case IR_VOP:
        return x64_fp_takes_any(e, n);
    default:
        return false;
    }
}

void x64_emit_node(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];

    e->any_vector = e->level >= 4;
    x64_fp_before(e, node);
    e->any_vector &= takes_any_vector(e, n);
    if (e->alias[node] != 0 || x64_is_dead(e, node)) {
        return;
    }
    /* A comparison whose flags nobody reads in this block may still signal. */
    if (e->val[node].lazy && (n->op != IR_VOP || e->val[node].n_uses != 0)) {
        return;
    }
    if (table[n->op] == NULL) {
        return; /* PREFETCH */
    }
    if (n->op == IR_VOP && x64_couple_of(e, node) != NULL) {
        if (x64_in_couple(e, node) != IR_REF_NONE) {
            x64_emit_vec(e, x64_in_couple(e, node));
        }
    } else if (n->op == IR_SELECT && e->val[node].cls == CLASS_VEC) {
        x64_emit_vec(e, node);
    } else {
        table[n->op](e, node);
    }
    x64_done(e);
}
