/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Couples: two scalars of double precision in the halves of one register. Where a loop adds to two sums in the same way, and all that goes
 * into them has such a partner or is the same for both, one operation of the host does both, and one look at the results. A load
 * goes to a half, or to both.
 *
 * The nodes stay what they are; each is the half of a couple, which is in a register or in the frame, and gets a register of its own only
 * where something else than a couple's operation takes it. Who stores guest registers takes halves as well, and zeros above. So a
 * loop carries couples too, and before its head it is asked whether nothing is above those scalars in memory; if something is, the
 * block is left for one round (MODE_EACH_CHECK), which writes them all.
 *
 * An operation is made where the first of the two is. Nobody sees guest registers, or FPSR, between them. Loads are those of walks, which
 * have no stub.
 */
#include <string.h>

#include "engine/fp/fp_vops.h"
#include "engine/x64/emit.h"

#define VEC CLASS_VEC

/* --- Finding them ----------------------------------------------------------------------------------------------------------------- */

#define MOST_HALVES (2 * X64_MAX_COUPLES)

struct trial {
    unsigned n_couples; /* before it */
    ir_ref halves[MOST_HALVES];
    unsigned n_halves;
    int gain; /* operations of vectors */
};

static void undo(struct x64_emit *e, struct trial *t)
{
    for (unsigned i = 0; i < t->n_halves; i++) {
        e->val[t->halves[i]].couple = 0;
    }
    e->n_couples = t->n_couples;
}

static ir_ref new_couple(struct x64_emit *e, ir_ref low, ir_ref high)
{
    if (e->n_couples == X64_MAX_COUPLES) {
        return IR_REF_NONE;
    }
    e->couples[e->n_couples] = (struct x64_couple){.low = low, .high = high};
    const ir_ref ref = x64_couple_ref(e, e->n_couples++);
    e->alias[ref] = 0;
    e->want[ref] = NOREG;
    e->fp_until[ref] = 0;
    e->val[ref] = (struct x64_val){.reg = NOREG, .slot = -1, .guest = -1, .cls = VEC};
    return ref;
}

static void set_half(struct x64_emit *e, struct trial *t, ir_ref ref, ir_ref couple, unsigned lane)
{
    e->val[ref].couple = couple;
    e->val[ref].lane = lane & 1;
    t->halves[t->n_halves++] = ref;
}

static bool add_couple(struct x64_emit *e, struct trial *t, ir_ref low, ir_ref high, ir_ref *couple)
{
    *couple = t->n_halves + 2 <= MOST_HALVES ? new_couple(e, low, high) : IR_REF_NONE;
    if (*couple == IR_REF_NONE) {
        return false;
    }
    set_half(e, t, low, *couple, 0);
    if (high != low) {
        set_half(e, t, high, *couple, 1);
    }
    return true;
}

/* Whatever the loop's back edges find in the register is a scalar. */
static bool is_always_scalar(const struct x64_emit *e, unsigned guest)
{
    for (unsigned i = x64_next_put(e, 0, IR_PUT_V, guest, false); i != 0;
         i = x64_next_put(e, i, IR_PUT_V, guest, false)) {
        if (!x64_fp_is_clean(e, x64_resolve(e, e->nodes[i].a), 3)) {
            return false;
        }
    }
    return true;
}

/* What the register has at the first back edge, when it is written before. */
static ir_ref value_at_edge(const struct x64_emit *e, const struct x64_carried *c)
{
    for (unsigned i = e->first_edge - 1; i > 0; i--) {
        const struct ir_node *const n = &e->nodes[i];
        if (n->op == IR_PUT_V && n->imm == c->guest) {
            return x64_resolve(e, n->a);
        }
    }
    return IR_REF_NONE;
}

static bool is_carried_scalar(const struct x64_emit *e, ir_ref ref)
{
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        if (c->node == ref) {
            return c->cls == VEC && c->written && !c->unread &&
                   value_at_edge(e, c) != IR_REF_NONE && is_always_scalar(e, c->guest);
        }
    }
    return false;
}

static bool is_load(const struct x64_emit *e, ir_ref ref)
{
    const struct ir_node *const n = &e->nodes[ref];

    return n->op == IR_LOAD && n->type == 3 && e->val[ref].cls == VEC &&
           x64_walking_site(e, ref) != NULL;
}

static bool is_operation(const struct x64_emit *e, ir_ref ref)
{
    const struct ir_node *const n = &e->nodes[ref];
    bool tiny;

    switch (n->op == IR_VOP ? n->d : VOP_COUNT) {
    case VOP_fadd:
    case VOP_fsub:
    case VOP_fmul:
    case VOP_fdiv:
    case VOP_fmla:
        return (n->imm & IR_VIMM_SCALAR) != 0 && IR_VIMM_LANE(n->imm) == 3 && x64_fp_is_plain(n) &&
               x64_fp_can_wait(e, n, &tiny);
    default:
        return false;
    }
}

/* A couple that is there already, before a node. */
static bool is_made_before(const struct x64_emit *e, const struct x64_couple *c, unsigned before)
{
    const unsigned first = c->low < c->high ? c->low : c->high,
                   last = c->low < c->high ? c->high : c->low;

    switch (e->nodes[c->low].op) {
    case IR_GET_V:
        return true;
    case IR_LOAD:
        return last < before;
    default:
        return first < before;
    }
}

static bool couple_up(struct x64_emit *e, struct trial *t, ir_ref a, ir_ref b, unsigned before,
                      ir_ref *couple);

static bool couple_operations(struct x64_emit *e, struct trial *t, ir_ref low, ir_ref high,
                              unsigned before, ir_ref *couple)
{
    const struct ir_node *const l = &e->nodes[low], *const h = &e->nodes[high];
    const ir_ref first = low < high ? low : high;
    ir_ref a, b, c;
    bool tiny;

    if (!is_operation(e, low) || !is_operation(e, high) || l->d != h->d || l->imm != h->imm ||
        first >= before || e->observer[low] != e->observer[high] ||
        !couple_up(e, t, l->a, h->a, first, &a) || !couple_up(e, t, l->b, h->b, first, &b) ||
        !couple_up(e, t, l->c, h->c, first, &c) || !add_couple(e, t, low, high, couple)) {
        return false;
    }
    struct ir_node *const n = &e->coupled[*couple];
    *n = e->nodes[first];
    n->a = a;
    n->b = b;
    n->c = c;
    n->imm = (n->imm & ~(IR_VIMM_SCALAR | FP_VMERGE_C)) | IR_VIMM(3, 1, 0);
    x64_fp_can_wait(e, n, &tiny);
    t->gain += tiny ? 2 : 1;
    return true;
}

/* Two values, as halves in this order, that are there before a node. */
static bool couple_up(struct x64_emit *e, struct trial *t, ir_ref a, ir_ref b, unsigned before,
                      ir_ref *couple)
{
    const ir_ref low = x64_resolve(e, a), high = x64_resolve(e, b);
    const struct x64_val *const l = &e->val[low], *const h = &e->val[high];

    *couple = IR_REF_NONE;
    if (low == IR_REF_NONE || high == IR_REF_NONE) {
        return low == high;
    }
    if (l->couple != h->couple) {
        return false;
    }
    if (l->couple != 0) {
        const struct x64_couple *const there = &e->couples[l->couple - x64_couple_ref(e, 0)];
        *couple = l->couple;
        return there->low == low && there->high == high && is_made_before(e, there, before);
    }
    if (low == high) {
        return is_load(e, low) && low < before && add_couple(e, t, low, low, couple);
    }
    if (is_load(e, low) && is_load(e, high)) {
        t->gain--;
        return low < high && high < before && add_couple(e, t, low, high, couple);
    }
    if (is_carried_scalar(e, low) && is_carried_scalar(e, high)) {
        return add_couple(e, t, low, high, couple);
    }
    return low < e->first_edge && high < e->first_edge &&
           couple_operations(e, t, low, high, before, couple);
}

/* The sum, product or difference that replaces the carried scalar in each round. */
static ir_ref next_of(const struct x64_emit *e, const struct x64_carried *c)
{
    const ir_ref value = c->cls == VEC && !c->unread ? value_at_edge(e, c) : IR_REF_NONE;
    const struct ir_node *const n = &e->nodes[value];
    const bool takes = value != IR_REF_NONE &&
                       (x64_resolve(e, n->a) == c->node || x64_resolve(e, n->b) == c->node ||
                        x64_resolve(e, n->c) == c->node);

    return takes && is_operation(e, value) ? value : IR_REF_NONE;
}

static struct trial try(struct x64_emit *e, ir_ref low, ir_ref high)
{
    struct trial t = {.n_couples = e->n_couples};
    ir_ref couple;

    if (!couple_operations(e, &t, low, high, e->first_edge, &couple)) {
        t.gain = 0;
    }
    return t;
}

/* With the partner that gains most. */
static void couple_sum(struct x64_emit *e, const ir_ref *sums, ir_ref sum, struct trial *all)
{
    ir_ref best[2] = {IR_REF_NONE, IR_REF_NONE};
    int gain = 0;

    for (unsigned i = 0; i < e->n_carried; i++) {
        const ir_ref other = sums[i];
        if (other == IR_REF_NONE || other == sum || e->val[other].couple != 0) {
            continue;
        }
        for (unsigned swapped = 0; swapped < 2; swapped++) {
            struct trial t = swapped ? try(e, other, sum) : try(e, sum, other);
            if (t.gain > gain) {
                gain = t.gain;
                best[0] = swapped ? other : sum;
                best[1] = swapped ? sum : other;
            }
            undo(e, &t);
        }
    }
    if (gain != 0) {
        const struct trial t = try(e, best[0], best[1]);
        memcpy(&all->halves[all->n_halves], t.halves, t.n_halves * sizeof(t.halves[0]));
        all->n_halves += t.n_halves;
    }
}

/* The couple at the head for one that a round ends with, of which nobody takes a half before it is made again. */
static ir_ref unread_couple(struct x64_emit *e, ir_ref at_edge)
{
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        const ir_ref there = e->val[c->node].couple;
        if (c->unread && there != 0 && e->val[value_at_edge(e, c)].couple == at_edge) {
            return there;
        }
    }
    return new_couple(e, IR_REF_NONE, IR_REF_NONE);
}

/* What the first back edge would have to take out of couples in each round, the head has as halves; false: it cannot. */
static bool carry_halves(struct x64_emit *e, struct trial *all)
{
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        const ir_ref value = c->cls == VEC ? value_at_edge(e, c) : IR_REF_NONE;
        const struct x64_val *const v = &e->val[value];
        if (value == IR_REF_NONE || v->couple == 0) {
            if (e->val[c->node].couple != 0) {
                return false;
            }
            continue;
        }
        if (!c->unread) {
            if (e->val[c->node].couple == 0 || e->val[c->node].lane != v->lane) {
                return false;
            }
            continue;
        }
        if (!is_always_scalar(e, c->guest) || all->n_halves == MOST_HALVES) {
            return false;
        }
        const ir_ref couple = unread_couple(e, v->couple);
        if (couple == IR_REF_NONE) {
            return false;
        }
        set_half(e, all, c->node, couple, v->lane);
    }
    return true;
}

void x64_find_couples(struct x64_emit *e)
{
    struct trial all = {.n_couples = 0};
    ir_ref sums[2 * X64_MAX_CARRIED];
    unsigned n_sums = 0;

    if (e->level < 4 || e->back_edge == 0 || e->n_nodes > TR_SIDE_NODES) {
        return;
    }
    for (unsigned i = 0; i < e->n_carried; i++) {
        sums[i] = next_of(e, &e->carried[i]);
        n_sums += sums[i] != IR_REF_NONE;
    }
    if (n_sums < 2) {
        return;
    }
    memset(&e->coupled[e->n_nodes], 0, (x64_ref_end(e) - e->n_nodes) * sizeof(e->coupled[0]));
    for (unsigned i = 0; i < e->n_carried; i++) {
        if (sums[i] != IR_REF_NONE && e->val[sums[i]].couple == 0) {
            couple_sum(e, sums, sums[i], &all);
        }
    }
    if (all.n_halves == 0) {
        return;
    }
    if (!carry_halves(e, &all)) {
        undo(e, &all);
        return;
    }
    memcpy(e->coupled, e->nodes, e->n_nodes * sizeof(e->coupled[0]));
    e->nodes = e->coupled;
    x64_plan_fp_runs(e);
}

ir_ref x64_in_couple(const struct x64_emit *e, ir_ref node)
{
    const struct x64_couple *const c = x64_couple_of(e, node);

    if (c == NULL || e->nodes[node].op != IR_VOP) {
        return node;
    }
    return node == (c->low < c->high ? c->low : c->high) ? e->val[node].couple : IR_REF_NONE;
}

/* --- Code ------------------------------------------------------------------------------------------------------------------------- */

void x64_move_half(struct x64_emit *e, int to, int from, unsigned lane)
{
    if (lane == 0) {
        x64_v(&e->a, X64_VMOVQ_LOAD, to, NOREG, from);
    } else {
        x64_vi(&e->a, X64_OP(PP_66, MAP_0F, 0x73), 3, to, from, 8); /* VPSRLDQ */
    }
}

void x64_load_half(struct x64_emit *e, ir_ref node, struct x64_mem m)
{
    const ir_ref couple = e->val[node].couple;
    const struct x64_couple *const c = x64_couple_of(e, node);

    if (c->low == c->high) {
        x64_vm(&e->a, X64_VMOVDDUP, x64_def(e, VEC, couple), NOREG, m);
    } else if (node == c->low) {
        x64_vm(&e->a, X64_VMOVQ_LOAD, x64_def(e, VEC, couple), NOREG, m);
    } else {
        const int rd = x64_use(e, VEC, couple);
        x64_vm(&e->a, X64_VMOVHPD_LOAD, rd, rd, m);
        x64_changed(e, couple);
    }
}

void x64_check_halves(struct x64_emit *e)
{
    struct x64_asm *const a = &e->a;
    bool any = false;

    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        if (e->val[c->node].couple == 0) {
            continue;
        }
        struct x64_mem above = CPU_V(c->guest);
        above.disp += 8;
        if (any) {
            x64_alu_rm(a, 1, ALU_OR, RAX, above);
        } else {
            x64_load(a, 1, RAX, above);
        }
        any = true;
    }
    if (any) {
        struct x64_stub *const stub = x64_new_stub(e, STUB_GROUP, 1);
        x64_test_rr(a, 1, RAX, RAX);
        stub->jump = x64_jcc(a, CC_NE);
    }
}

int x64_load_carried_half(struct x64_emit *e, const struct x64_carried *c)
{
    const ir_ref couple = e->val[c->node].couple;
    const bool first = e->val[couple].reg == NOREG;
    const int reg = first ? x64_def(e, VEC, couple) : e->val[couple].reg;

    const bool low = e->val[c->node].lane == 0;
    if (first) { /* the other half comes, or is nobody's */
        x64_vm(&e->a, low ? X64_VMOVQ_LOAD : X64_VMOVDDUP, reg, NOREG, CPU_V(c->guest));
    } else {
        x64_vm(&e->a, low ? X64_VMOVLPD_LOAD : X64_VMOVHPD_LOAD, reg, reg, CPU_V(c->guest));
    }
    return reg;
}
