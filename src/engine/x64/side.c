/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Side lines of a block (ir.h): what a branch out of the main line leads to, emitted behind that with all that the main line knows, so
 * that nothing is stored and loaded again on the way. A side line that leads back to the start of a loop is another back edge.
 *
 * Planning goes through the side lines first. What they need of the main line's values, their imports, is to be somewhere at the branch, and
 * where does not matter: as with what stubs store. The state of the allocator there is kept, and the side line begins with it.
 */
#include <string.h>

#include "engine/x64/emit.h"

#define INT CLASS_INT
#define VEC CLASS_VEC

/* --- Finding them ----------------------------------------------------------------------------------------------------------------- */

void x64_find_sides(struct x64_emit *e, bool wanted)
{
    e->n_sides = 0;
    e->side = NULL;
    e->main_end = e->n_nodes;
    for (unsigned i = 1; i < e->n_nodes; i++) {
        if (e->nodes[i].op != IR_SIDE) {
            continue;
        }
        if (e->n_sides == 0) {
            e->main_end = i;
        }
        if (!wanted || e->n_sides == X64_MAX_SIDES || e->n_nodes > TR_SIDE_NODES) {
            e->n_nodes = e->main_end;
            e->n_sides = 0;
            return;
        }
        if (e->n_sides != 0) {
            e->sides[e->n_sides - 1].end = (ir_ref)i;
        }
        e->sides[e->n_sides++] = (struct x64_side){
            .branch = (ir_ref)e->nodes[i].imm, .start = (ir_ref)i, .end = (ir_ref)e->n_nodes};
    }
}

static struct x64_side *side_of(struct x64_emit *e, ir_ref branch)
{
    for (unsigned i = 0; i < e->n_sides; i++) {
        if (e->sides[i].branch == branch) {
            return &e->sides[i];
        }
    }
    return NULL;
}

const struct x64_side *x64_side_of_edge(const struct x64_emit *e, unsigned node)
{
    for (unsigned i = 0; i < e->n_sides; i++) {
        if (node > e->sides[i].start && node <= e->sides[i].edge) {
            return &e->sides[i];
        }
    }
    return NULL;
}

unsigned x64_next_put(const struct x64_emit *e, unsigned after, enum ir_op op, unsigned r,
                      bool inner)
{
    const unsigned end = inner ? e->first_edge : e->back_edge;

    for (unsigned i = after + 1; i < end; i++) {
        if (e->nodes[i].op == (unsigned)op && e->nodes[i].imm == r) {
            return i;
        }
    }
    for (unsigned s = 0; s < e->n_sides && !inner; s++) {
        const struct x64_side *const side = &e->sides[s];
        for (unsigned i = side->start > after ? side->start : after + 1; i < side->edge; i++) {
            if (e->nodes[i].op == (unsigned)op && e->nodes[i].imm == r) {
                return i;
            }
        }
    }
    return 0;
}

/* --- Planning --------------------------------------------------------------------------------------------------------------------- */

/* The values of guest registers and NZCV at a branch, where they are still to be stored. */
struct present {
    ir_ref of[2][32], flags;
};

/* What the main line has put there last, or what the head has; behind a helper everything is stored. */
static void find_present(const struct x64_emit *e, ir_ref branch, struct present *present)
{
    uint32_t seen[2] = {0, 0};
    bool seen_flags = false;

    *present = (struct present){.flags = IR_REF_NONE};
    for (unsigned i = branch; i > 1; i--) {
        const struct ir_node *const n = &e->nodes[i - 1u];
        const enum x64_class cls = n->op == IR_PUT_X ? INT : VEC;
        if ((n->op == IR_PUT_X || n->op == IR_PUT_V) && (seen[cls] >> n->imm & 1) == 0) {
            present->of[cls][n->imm] = x64_resolve(e, n->a);
            seen[cls] |= 1u << n->imm;
        } else if (n->op == IR_PUT_NZCV && !seen_flags) {
            present->flags = x64_resolve(e, n->a);
            seen_flags = true;
        } else if (n->op == IR_HELPER && x64_is_helper(e, n)) {
            return;
        }
    }
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        if (c->written && (seen[c->cls] >> c->guest & 1) == 0) {
            present->of[c->cls][c->guest] = c->node;
        }
    }
    if (e->round.is_on && !seen_flags) {
        present->flags = e->round.marker;
    }
}

static void touch_at_start(struct x64_emit *e, const struct x64_side *side, ir_ref ref,
                           unsigned until)
{
    if (until > side->start) {
        x64_touch(e, ref, until);
    }
}

static void import(struct x64_emit *e, struct x64_side *side, ir_ref ref)
{
    struct x64_val *const v = &e->val[ref];

    if (v->last != 0) {
        if (e->n_imports == X64_MAX_IMPORTS) {
            e->failed = true;
            return;
        }
        e->imports[e->n_imports++] = (struct x64_import){
            .ref = ref, .last = v->last, .hot = v->hot, .seen = v->seen, .n_uses = v->n_uses};
        side->n_imports++;
    }
    v->last = v->hot = v->seen = v->n_uses = 0;
    v->inside = false;
}

void x64_plan_sides(struct x64_emit *e)
{
    struct x64_untils until;
    struct present present;

    e->n_imports = 0;
    for (unsigned s = 0; s < e->n_sides; s++) {
        struct x64_side *const side = &e->sides[s];
        x64_plan_line(e, side->start + 1u, side->end, &until);
        find_present(e, side->branch, &present);
        for (unsigned r = 0; r < 32; r++) {
            touch_at_start(e, side, present.of[INT][r], e->observer[until.x[r] - 1]);
            touch_at_start(e, side, present.of[VEC][r], e->observer[until.v[r] - 1]);
        }
        touch_at_start(e, side, present.flags, e->observer[until.flags - 1]);
        if (x64_are_of_round(e, present.flags)) {
            touch_at_start(e, side, e->round.a, e->observer[until.flags - 1]);
            touch_at_start(e, side, e->round.b, e->observer[until.flags - 1]);
        }
        for (unsigned i = 0; i < e->n_carried && side->edge != 0; i++) {
            if (!e->carried[i].written) {
                x64_touch(e, e->carried[i].node, side->edge);
            }
        }
        for (unsigned i = 0; i < e->n_sites && side->edge != 0; i++) {
            if (e->sites[i].walk != 0) {
                x64_touch(e, e->sites[i].value, side->edge);
            }
        }
        side->first_import = e->n_imports;
        for (unsigned i = 1; i < e->main_end; i++) {
            import(e, side, (ir_ref)i);
        }
        for (unsigned i = 0; i < e->n_groups; i++) {
            if (e->groups[i].leader < side->branch) {
                import(e, side, e->groups[i].value);
            }
        }
        if (e->round.is_on) {
            import(e, side, e->round.marker);
        }
        for (unsigned i = 0; i < e->n_carried; i++) {
            if (e->carried[i].unread) {
                import(e, side, e->carried[i].node);
            }
        }
        for (unsigned i = 0; i < e->n_sites; i++) {
            import(e, side, e->sites[i].value);
        }
        for (unsigned i = 0; i < e->n_couples; i++) {
            import(e, side, x64_couple_ref(e, i));
        }
    }
}

void x64_import(struct x64_emit *e, unsigned node)
{
    const struct x64_side *const side = side_of(e, (ir_ref)node);

    for (unsigned i = 0; side != NULL && i < side->n_imports; i++) {
        struct x64_val *const v = &e->val[e->imports[side->first_import + i].ref];
        v->last = v->last < node ? (uint16_t)node : v->last;
        v->seen = v->seen < node ? (uint16_t)node : v->seen;
        v->inside |= node <= e->first_edge;
    }
}

bool x64_is_imported(const struct x64_emit *e, ir_ref ref)
{
    for (unsigned i = 0; i < e->n_imports; i++) {
        if (e->imports[i].ref == ref) {
            return true;
        }
    }
    return false;
}

/* --- Code ------------------------------------------------------------------------------------------------------------------------- */

/* The jump to the side line, which begins with the state that the allocator has here. */
bool x64_fork(struct x64_emit *e, ir_ref branch, enum x64_cc cc)
{
    struct x64_side *const side = side_of(e, branch);

    if (side == NULL) {
        return false;
    }
    side->jump = x64_jcc(&e->a, cc);
    struct x64_fork *const fork = &e->forks[side - e->sides];
    memcpy(fork->held, e->held, sizeof(fork->held));
    memcpy(fork->guest, e->guest, sizeof(fork->guest));
    memcpy(fork->memory, e->memory, sizeof(fork->memory));
    memcpy(fork->dirty, e->dirty, sizeof(fork->dirty));
    memcpy(fork->slots, e->slots, sizeof(fork->slots));
    memcpy(fork->val, e->val, x64_ref_end(e) * sizeof(fork->val[0]));
    const ir_ref compared = x64_flags_if(e, e->flags, &e->nodes[branch], true);
    fork->flags = compared != IR_REF_NONE ? compared : e->flags;
    fork->dirty_flags = e->dirty_flags;
    return true;
}

static void begin(struct x64_emit *e, struct x64_side *side)
{
    const struct x64_fork *const fork = &e->forks[side - e->sides];

    e->side = side;
    memcpy(e->held, fork->held, sizeof(fork->held));
    memcpy(e->guest, fork->guest, sizeof(fork->guest));
    memcpy(e->memory, fork->memory, sizeof(fork->memory));
    memcpy(e->dirty, fork->dirty, sizeof(fork->dirty));
    memcpy(e->slots, fork->slots, sizeof(fork->slots));
    memcpy(e->val, fork->val, x64_ref_end(e) * sizeof(fork->val[0]));
    e->flags = fork->flags;
    e->dirty_flags = fork->dirty_flags;
    e->btype = 0;
    e->n_fp_looked = 0;
    for (unsigned i = 0; i < side->n_imports; i++) {
        const struct x64_import *const import = &e->imports[side->first_import + i];
        struct x64_val *const v = &e->val[import->ref];
        v->last = import->last;
        v->hot = import->hot;
        v->seen = import->seen;
        v->n_uses = (uint16_t)(v->n_uses + import->n_uses);
    }
    x64_patch_here(&e->a, side->jump);
}

void x64_emit_sides(struct x64_emit *e)
{
    for (unsigned s = 0; s < e->n_sides && !e->failed && !e->a.full; s++) {
        struct x64_side *const side = &e->sides[s];
        e->now = side->start;
        e->node_at[side->start] = x64_here(&e->a);
        begin(e, side);
        for (unsigned i = side->start + 1u; i < side->end && !e->failed && !e->a.full; i++) {
            e->now = i;
            e->node_at[i] = x64_here(&e->a);
            x64_emit_node(e, (ir_ref)i);
        }
    }
    e->side = NULL;
}
