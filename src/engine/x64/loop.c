/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Blocks that branch to their own start. Guest registers that such a block reads are carried from one round to the next in host
 * registers: they are loaded before the head, and the back edge moves their present values to where the head has them.
 *
 * Registers that are written before they are read are carried as well: so a back edge stores nothing for who does not look.
 *
 * At the head a carried register that the block writes is dirty: a stub stores it, whether or not it has changed yet. Everything else
 * is in memory there, as at the start of any block. A back edge polls, so that a round is as long as a loop goes unseen; a block that
 * is retired asks its vCPUs to poll (code.c).
 *
 * The first back edge is taken for that of the innermost loop, and what others do may cost a little.
 */
#include "engine/mmu/mmu.h"
#include "engine/x64/emit.h"
#include "engine/x64/vop.h"

#define INT CLASS_INT
#define VEC CLASS_VEC

static bool is_back_edge(const struct x64_emit *e, const struct ir_node *n)
{
    return (n->op == IR_BRANCH_IF || n->op == IR_JUMP) && n->imm64 == e->block->pc;
}

/* All who take the vector can take it from memory, which costs no more. */
static bool serves_from_memory(const struct x64_emit *e, ir_ref ref)
{
    for (unsigned i = 1; i < e->n_nodes; i++) {
        const struct ir_node *const n = &e->nodes[i];
        if (n->op == IR_CONST || n->op == IR_JUMP || e->alias[i] != 0) {
            continue;
        }
        unsigned uses = x64_resolve(e, n->a) == ref ? 1 : 0;
        if (n->op != IR_BRANCH_IF) { /* whose others are an address */
            uses += (x64_resolve(e, n->b) == ref ? 1u : 0) + (x64_resolve(e, n->c) == ref ? 1u : 0);
        }
        if (uses != 0 && (uses != 1 || x64_fp_memory_operand(e, (ir_ref)i) != ref)) {
            return false;
        }
    }
    return true;
}

/* The registers that nodes of the operation name, from `first` up to `end`. */
static uint32_t registers_of(const struct x64_emit *e, enum ir_op op, unsigned first, unsigned end)
{
    uint32_t set = 0;

    for (unsigned i = first; i < end; i++) {
        if (e->nodes[i].op == (unsigned)op) {
            set |= 1u << e->nodes[i].imm;
        }
    }
    return set;
}

static void find_written(struct x64_emit *e)
{
    e->written[INT] = registers_of(e, IR_PUT_X, 1, e->back_edge);
    e->written[VEC] = registers_of(e, IR_PUT_V, 1, e->back_edge);
    e->written_inside[INT] = registers_of(e, IR_PUT_X, 1, e->first_edge);
    e->written_inside[VEC] = registers_of(e, IR_PUT_V, 1, e->first_edge);
    for (unsigned i = 0; i < e->n_sides; i++) {
        const struct x64_side *const side = &e->sides[i];
        if (side->edge != 0) {
            e->written[INT] |= registers_of(e, IR_PUT_X, side->start, side->edge);
            e->written[VEC] |= registers_of(e, IR_PUT_V, side->start, side->edge);
        }
    }
}

static bool has(uint32_t set, unsigned r)
{
    return (set >> r & 1) != 0;
}

static unsigned count_carried(const struct x64_emit *e, enum x64_class cls)
{
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_carried; i++) {
        n += e->carried[i].cls == cls;
    }
    return n;
}

/* As many as leave registers for everything else. */
static unsigned most_carried(const struct x64_emit *e, enum x64_class cls)
{
    return cls == VEC && e->level >= 4 ? X64_MAX_CARRIED : 8;
}

/* When the block writes it, or does not, as `written` says. */
static void carry(struct x64_emit *e, enum x64_class cls, ir_ref node, unsigned r, bool written)
{
    /* What only outer loops use leaves some for the innermost. */
    const unsigned left = node > e->first_edge ? 2 : 0;

    if (count_carried(e, cls) + left >= most_carried(e, cls) ||
        written != has(e->written[cls], r)) {
        return;
    }
    if (cls == VEC && !written && serves_from_memory(e, node)) {
        return;
    }
    e->carried[e->n_carried++] = (struct x64_carried){.cls = (uint8_t)cls,
                                                      .guest = (uint8_t)r,
                                                      .node = node,
                                                      .written = written,
                                                      .outer = written &&
                                                               !has(e->written_inside[cls], r),
                                                      .reg = NOREG};
}

static void carry_read(struct x64_emit *e, unsigned from, unsigned to, bool written)
{
    for (unsigned i = from; i < to; i++) {
        const struct ir_node *const n = &e->nodes[i];
        if (n->op == IR_GET_X || n->op == IR_GET_V) {
            carry(e, n->op == IR_GET_X ? INT : VEC, (ir_ref)i, n->imm, written);
        }
    }
}

/* Registers that are written before they are read: in a register the value of the last round is nobody's but an observer's. */
static void carry_unread(struct x64_emit *e, enum x64_class cls)
{
    const unsigned most = cls == INT ? 5 : e->level >= 4 ? X64_MAX_CARRIED : 0;
    uint32_t set = e->written_inside[cls];

    if (set != 0) {
        set &= ~registers_of(e, cls == INT ? IR_GET_X : IR_GET_V, 1, e->n_nodes);
    }
    for (; set != 0; set &= set - 1) {
        const unsigned r = (unsigned)__builtin_ctz(set);
        const ir_ref node = (ir_ref)(e->n_nodes + X64_MAX_GROUPS + 1 + e->n_unread);
        if (count_carried(e, cls) >= most || e->n_unread == X64_MAX_UNREAD) {
            return;
        }
        e->n_unread++;
        e->alias[node] = 0;
        e->val[node] = (struct x64_val){.reg = NOREG, .slot = -1, .guest = -1, .cls = (uint8_t)cls};
        e->carried[e->n_carried++] = (struct x64_carried){.cls = (uint8_t)cls,
                                                          .guest = (uint8_t)r,
                                                          .node = node,
                                                          .written = true,
                                                          .unread = true,
                                                          .reg = NOREG};
    }
}

/* --- Flags of the round before ---------------------------------------------------------------------------------------------------- */

/* The carried register whose value at the first back edge that is; NULL: none. */
static const struct x64_carried *carrier_of(const struct x64_emit *e, ir_ref value)
{
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        ir_ref last = c->node;
        for (unsigned n = 1; n < e->first_edge; n++) {
            if (e->nodes[n].op == IR_PUT_X && e->nodes[n].imm == c->guest) {
                last = x64_resolve(e, e->nodes[n].a);
            }
        }
        if (c->cls == INT && last == value) {
            return c;
        }
    }
    return NULL;
}

/* What the head has of an operand; false: nothing. */
static bool at_head(const struct x64_emit *e, ir_ref operand, ir_ref *ref)
{
    const ir_ref r = x64_resolve(e, operand);
    const struct x64_carried *const c = carrier_of(e, r);

    *ref = r == IR_REF_NONE || e->nodes[r].op == IR_CONST ? r : c != NULL ? c->node : IR_REF_NONE;
    return *ref != IR_REF_NONE || r == IR_REF_NONE;
}

/* The register's value at a side line's back edge. */
static ir_ref value_at_edge(const struct x64_emit *e, const struct x64_side *side,
                            const struct x64_carried *c)
{
    ir_ref value = c->node;

    for (unsigned i = 1; i < side->edge; i = i + 1 == side->branch ? side->start : i + 1) {
        if (e->nodes[i].op == IR_PUT_X && e->nodes[i].imm == c->guest) {
            value = x64_resolve(e, e->nodes[i].a);
        }
    }
    return value;
}

static bool is_same_at_edge(const struct x64_emit *e, const struct x64_side *side, ir_ref operand,
                            ir_ref at_head)
{
    const ir_ref r = x64_resolve(e, operand);
    uint64_t a, b;

    for (unsigned i = 0; i < e->n_carried; i++) {
        if (e->carried[i].node == at_head) {
            return value_at_edge(e, side, &e->carried[i]) == r;
        }
    }
    return x64_const(e, at_head, &a) && x64_const(e, r, &b) && a == b;
}

/* A side line that ends with a comparison of the same registers. */
static bool ends_alike(const struct x64_emit *e, const struct x64_side *side,
                       const struct ir_node *flags)
{
    ir_ref last = IR_REF_NONE;

    for (unsigned i = 1; i < side->edge; i = i + 1 == side->branch ? side->start : i + 1) {
        if (e->nodes[i].op == IR_PUT_NZCV) {
            last = x64_resolve(e, e->nodes[i].a);
        }
    }
    const struct ir_node *const n = &e->nodes[last];
    return n->op == flags->op && n->type == flags->type &&
           is_same_at_edge(e, side, n->a, e->round.a) &&
           (n->op == IR_FLAGS_LOGIC || is_same_at_edge(e, side, n->b, e->round.b));
}

/* SUBS leaves its difference, not what it has subtracted from. */
static bool of_difference(const struct x64_emit *e, const struct ir_node *flags, ir_ref *ref,
                          int32_t *added)
{
    if (flags->op != IR_FLAGS_SUB || !x64_imm32(e, flags->b, 1, added)) {
        return false;
    }
    for (unsigned i = 1; i < e->first_edge; i++) {
        const struct ir_node *const n = &e->nodes[i];
        int32_t other;
        if (n->op == IR_SUB && n->type == flags->type && e->alias[i] == 0 &&
            x64_resolve(e, n->a) == x64_resolve(e, flags->a) && x64_imm32(e, n->b, 1, &other) &&
            other == *added && at_head(e, (ir_ref)i, ref)) {
            return true;
        }
    }
    return false;
}

/*
 * A back edge would store what NZCV are of, in each round, for nobody: the comparison that ends a round is done in each. When its
 * operands are carried, the flags are known at the head as well, and only who leaves before they are written anew stores them.
 */
static void find_round(struct x64_emit *e)
{
    ir_ref flags = IR_REF_NONE;

    if (e->flags_dead) {
        return;
    }
    for (unsigned i = e->main_end; i < e->n_nodes; i++) {
        if (e->nodes[i].op == IR_GET_NZCV) {
            return;
        }
    }
    for (unsigned i = 1; i < e->first_edge; i++) {
        if (e->nodes[i].op == IR_GET_NZCV) {
            return;
        }
        if (e->nodes[i].op == IR_PUT_NZCV) {
            flags = x64_resolve(e, e->nodes[i].a);
        }
    }
    const ir_ref compared = x64_flags_if(e, flags, &e->nodes[e->first_edge], true);
    flags = compared != IR_REF_NONE ? compared : flags;
    const struct ir_node *const n = &e->nodes[flags];
    if (n->op != IR_FLAGS_ADD && n->op != IR_FLAGS_SUB && n->op != IR_FLAGS_LOGIC) {
        return;
    }
    e->round = (struct x64_round){.edge = (ir_ref)e->first_edge,
                                  .flags = flags,
                                  .marker = (ir_ref)(e->n_nodes + X64_MAX_GROUPS),
                                  .b = IR_REF_NONE,
                                  .reg = NOREG};
    if (!at_head(e, n->a, &e->round.a) && !of_difference(e, n, &e->round.a, &e->round.added)) {
        return;
    }
    if (n->op != IR_FLAGS_LOGIC && !at_head(e, n->b, &e->round.b)) {
        return;
    }
    e->alias[e->round.marker] = 0;
    e->val[e->round.marker] = (struct x64_val){
        .reg = NOREG, .slot = -1, .guest = -1, .cls = CLASS_INT};
    e->round.is_on = true;
    for (unsigned i = 0; i < e->n_sides; i++) {
        e->sides[i].same_flags = e->round.added == 0 && ends_alike(e, &e->sides[i], n);
    }
}

void x64_plan_round(struct x64_emit *e, unsigned until)
{
    if (e->round.is_on) {
        x64_touch(e, e->round.a, e->observer[until - 1]);
        x64_touch(e, e->round.b, e->observer[until - 1]);
        x64_touch(e, e->round.marker, e->observer[until - 1]);
    }
}

static bool has_other_edges(const struct x64_emit *e)
{
    bool others = e->first_edge != e->back_edge;

    for (unsigned i = 0; i < e->n_sides; i++) {
        others |= e->sides[i].edge != 0;
    }
    return others;
}

/* Back edges but the first make walks begin anew. */
static bool others_begin_anew(const struct x64_emit *e)
{
    bool anew = false;

    for (unsigned i = 0; i < e->n_walks; i++) {
        anew |= e->walks[i].inner;
    }
    return anew;
}

static void mark_round(struct x64_emit *e)
{
    if (!e->round.is_on) {
        return;
    }
    e->round.slot = -1;
    if (e->n_walks != 0 && e->val[e->round.marker].last == 0 &&
        (!has_other_edges(e) || others_begin_anew(e))) {
        e->round.slot = (int16_t)x64_new_slot(e);
        e->val[e->round.marker].slot = e->round.slot;
        x64_store_imm(&e->a, 0, FRAME_SLOT(e->round.slot), 0);
    } else {
        e->round.reg = (int8_t)x64_def(e, INT, e->round.marker);
        x64_mov_ri(&e->a, e->round.reg, 0);
    }
    e->flags = e->round.marker;
    e->dirty_flags = true;
}

/* --- Finding it --------------------------------------------------------------------------------------------------------------- */

/* Back edges of the side lines that begin in the loop. Behind a helper registers would have to be loaded again. */
static void find_side_edges(struct x64_emit *e)
{
    for (unsigned s = 0; s < e->n_sides; s++) {
        struct x64_side *const side = &e->sides[s];
        for (unsigned i = side->start + 1u;
             i < side->end && side->branch < e->back_edge && !x64_is_helper(e, &e->nodes[i]); i++) {
            side->edge = is_back_edge(e, &e->nodes[i]) ? (ir_ref)i : side->edge;
        }
    }
}

static bool has_helper(const struct x64_emit *e, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        if (x64_is_helper(e, &e->nodes[i])) {
            return true;
        }
    }
    return false;
}

/* What a side line gets of a carried register, which the main line has not put or got before, is what the head has. */
static void alias_gets_of_side(struct x64_emit *e, const struct x64_side *side)
{
    for (unsigned i = side->start; i < side->end && !x64_is_helper(e, &e->nodes[i]); i++) {
        const struct ir_node *const n = &e->nodes[i];
        for (unsigned c = 0; c < e->n_carried && (n->op == IR_GET_X || n->op == IR_GET_V); c++) {
            if (e->carried[c].cls == (n->op == IR_GET_X ? INT : VEC) &&
                e->carried[c].guest == n->imm) {
                e->alias[i] = e->carried[c].node;
            }
        }
    }
    for (unsigned i = side->start; i < side->end;
         i++) { /* what has been stored may be one of these */
        e->alias[i] = e->alias[e->alias[i]] != 0 ? e->alias[e->alias[i]] : e->alias[i];
    }
}

void x64_find_loop(struct x64_emit *e)
{
    unsigned first_observer = 0, first_flags = 0;

    e->n_carried = 0;
    e->n_unread = 0;
    e->first_edge = e->back_edge = 0;
    e->round.is_on = false;
    e->flags_dead = false;
    if ((e->block->mode & MODE_EACH_CHECK) != 0) {
        return; /* one round, and back to the block that checks groups */
    }
    /* Behind a helper registers would have to be loaded again. */
    for (unsigned i = 1; i < e->main_end && !x64_is_helper(e, &e->nodes[i]); i++) {
        if (is_back_edge(e, &e->nodes[i])) {
            e->first_edge = e->first_edge != 0 ? e->first_edge : i;
            e->back_edge = i;
        }
    }
    if (e->back_edge == 0) {
        return;
    }
    find_side_edges(e);
    find_written(e);
    carry_read(e, 1, e->first_edge, true); /* first what is to be stored otherwise */
    carry_unread(e, INT);
    carry_unread(e, VEC);
    carry_read(e, 1, e->first_edge, false);
    carry_read(e, e->first_edge, e->back_edge, true);
    carry_read(e, e->first_edge, e->back_edge, false);
    for (unsigned s = 0; s < e->n_sides; s++) {
        if (!has_helper(e, 1, e->sides[s].branch)) {
            alias_gets_of_side(e, &e->sides[s]);
        }
    }
    for (unsigned i = 1; i < e->n_nodes; i++) {
        const struct ir_node *const n = &e->nodes[i];
        if ((n->op == IR_GET_NZCV || n->op == IR_PUT_NZCV) && first_flags == 0) {
            first_flags = i;
        } else if (e->observer[i] != 0 && first_observer == 0) {
            first_observer = i;
        }
    }
    e->flags_dead = first_flags != 0 && e->nodes[first_flags].op == IR_PUT_NZCV &&
                    first_flags < first_observer;
    find_round(e);
}

/* --- Accesses in order ----------------------------------------------------------------------------------------------------------- */

#define MOST_STEP 2048 /* of an address in one round, so that no page is jumped over */
#define MOST_DISP 2048

/* The GET of a register and what has been added to it; false: something else. */
static bool is_moved(const struct x64_emit *e, ir_ref value, unsigned r, uint64_t *by)
{
    ir_ref base;
    int32_t disp;

    x64_split_address(e, value, &base, &disp);
    *by = (uint64_t)(int64_t)disp;
    return e->nodes[base].op == IR_GET_X && e->nodes[base].imm == r;
}

/* A register that the loop does not write. */
static bool is_unmoved(const struct x64_emit *e, ir_ref ref, bool inner)
{
    const struct ir_node *const n = x64_node(e, ref);

    return n->op == IR_GET_X && x64_next_put(e, 0, IR_PUT_X, n->imm, inner) == 0;
}

/* How much a value grows in a round at most, never shrinking; inner: of the innermost loop. False: not known. */
static bool step_of(const struct x64_emit *e, ir_ref ref, bool inner, unsigned depth,
                    uint64_t *step)
{
    const ir_ref r = x64_resolve(e, ref);
    const struct ir_node *const n = &e->nodes[r];
    uint64_t other, count;

    *step = 0;
    switch (n->op) {
    case IR_CONST:
        return true;
    case IR_GET_X:
        for (unsigned i = x64_next_put(e, 0, IR_PUT_X, n->imm, inner); i != 0;
             i = x64_next_put(e, i, IR_PUT_X, n->imm, inner)) {
            if (!is_moved(e, e->nodes[i].a, n->imm, &other) || other > MOST_STEP) {
                return false;
            }
            *step = other > *step ? other : *step;
        }
        return true;
    case IR_SUB:
        return n->type == IR_I64 && depth != 0 &&
               (x64_const(e, n->b, &count) || is_unmoved(e, n->b, inner)) &&
               step_of(e, n->a, inner, depth - 1, step);
    case IR_ADD:
        if (n->type != IR_I64 || depth == 0 || !step_of(e, n->a, inner, depth - 1, step) ||
            !step_of(e, n->b, inner, depth - 1, &other)) {
            return false;
        }
        *step += other;
        return *step <= MOST_STEP;
    case IR_SHL:
        if (n->type != IR_I64 || depth == 0 || !x64_const(e, n->b, &count) || count > 4 ||
            !step_of(e, n->a, inner, depth - 1, step)) {
            return false;
        }
        *step <<= count;
        return *step <= MOST_STEP;
    default:
        return false;
    }
}

bool x64_is_carried_get(const struct x64_emit *e, ir_ref node)
{
    for (unsigned i = 0; i < e->n_carried; i++) {
        if (e->carried[i].node == node) {
            return true;
        }
    }
    return false;
}

/* Where it begins can be computed at the head: the sum of registers, shifted or not, and constants. In a loop no helper writes them. */
static bool add_terms(const struct x64_emit *e, ir_ref ref, unsigned scale, struct x64_site *site)
{
    const ir_ref r = x64_resolve(e, ref);
    const struct ir_node *const n = &e->nodes[r];
    unsigned shift = 0;
    int32_t disp;
    ir_ref a;

    if (n->op == IR_GET_X) {
        if (site->n_terms == X64_MAX_TERMS) {
            return false;
        }
        site->term[site->n_terms] = r;
        site->scale[site->n_terms++] = (uint8_t)scale;
        return true;
    }
    if (scale != 0) {
        return false;
    }
    x64_split_address(e, r, &a, &disp);
    if (a != r) {
        site->offset += disp;
        return disp >= -MOST_DISP && disp <= MOST_DISP && add_terms(e, a, 0, site);
    }
    if (x64_scaled_operand(e, r, &a, &shift)) {
        return add_terms(e, a, shift, site);
    }
    if (n->op == IR_SUB && n->type == IR_I64 && is_unmoved(e, n->b, site->inner)) {
        site->minus |= (uint8_t)(1u << site->n_terms);
        return add_terms(e, n->b, 0, site) && add_terms(e, n->a, 0, site);
    }
    return n->op == IR_ADD && n->type == IR_I64 && add_terms(e, n->a, 0, site) &&
           add_terms(e, n->b, 0, site);
}

/* Whose page never answers: the limit would be compared for nothing. */
static bool is_device(const struct x64_emit *e, ir_ref base, int32_t disp)
{
    const struct ir_node *const n = x64_node(e, base);

    return n->op == IR_GET_X && e->cpu->mmu != NULL &&
           mmu_seems_device(e->cpu, e->cpu->x[n->imm] + (uint64_t)(int64_t)disp);
}

/*
 * Most loops go through memory upwards, in small steps. While such an address is below the end of the page that was last checked, it
 * is on that page: one comparison with a limit in the frame, and the addend from there. The limit is 0 for no page, and for pages
 * at either end of the address space, where addresses may wrap. The head checks the first address, so that short loops gain as well.
 * Where only the innermost loop's addresses go so, back edges of others check the first address again.
 */
void x64_find_sites(struct x64_emit *e)
{
    e->n_sites = 0;
    e->n_walks = 0;
    if (e->back_edge == 0 || (e->block->mode & MODE_ALIGNED) != 0) {
        return;
    }
    for (unsigned i = 1; i < e->back_edge && e->n_sites < X64_MAX_SITES; i++) {
        const struct ir_node *const n = &e->nodes[i];
        const struct x64_group *const group = x64_group_of(e, i);
        struct x64_site site = {.node = (ir_ref)i, .reg = NOREG};
        uint64_t step;
        ir_ref base;
        int32_t disp;
        if ((n->op != IR_LOAD && n->op != IR_STORE) || (n->flags & X64_NOT_PLAIN) != 0 ||
            (group != NULL && group->leader != i)) {
            continue;
        }
        x64_split_address(e, n->a, &base, &disp);
        site.inner = !step_of(e, base, false, 4, &step);
        if (disp < -MOST_DISP || disp > MOST_DISP || base == IR_REF_NONE ||
            is_device(e, base, disp) ||
            (site.inner && (i > e->first_edge || !step_of(e, base, true, 4, &step))) ||
            !add_terms(e, base, 0, &site)) {
            continue;
        }
        x64_join_walk(e, &site);
        e->sites[e->n_sites++] = site;
    }
    x64_settle_walks(e);
}

unsigned x64_site_of(const struct x64_emit *e, ir_ref node)
{
    for (unsigned i = 0; i < e->n_sites; i++) {
        if (e->sites[i].node == node) {
            return i + 1;
        }
    }
    return 0;
}

int x64_reg_at_head(const struct x64_emit *e, ir_ref get)
{
    for (unsigned i = 0; i < e->n_carried; i++) {
        if (e->carried[i].cls == INT && e->carried[i].node == get) {
            return e->carried[i].reg;
        }
    }
    assert(false);
    return NOREG;
}

static void fill_sites(struct x64_emit *e, bool all)
{
    for (unsigned i = 0; i < e->n_sites; i++) {
        const struct x64_site *const site = &e->sites[i];
        if (site->walk != 0 || (!all && !site->inner)) {
            continue;
        }
        int base = x64_reg_at_head(e, site->term[0]);
        int32_t offset = site->offset;
        for (unsigned t = 1; t < site->n_terms; t++) {
            x64_lea(&e->a, 1, RCX,
                    x64_at_index(base, x64_reg_at_head(e, site->term[t]), site->scale[t], offset));
            base = RCX;
            offset = 0;
        }
        if (offset != 0) {
            x64_lea(&e->a, 1, RCX, x64_at(base, offset));
            base = RCX;
        }
        x64_fill_site(e, i, base);
    }
}

bool x64_is_carried(const struct x64_emit *e, enum x64_class cls, unsigned r)
{
    for (unsigned i = 0; i < e->n_carried; i++) {
        if (e->carried[i].cls == cls && e->carried[i].guest == r) {
            return true;
        }
    }
    return false;
}

/* The value that is to be in its register at the back edge is made there, if nothing else needs that until then. */
static void want_register(struct x64_emit *e, const struct x64_carried *c, unsigned first,
                          unsigned edge)
{
    const unsigned op = c->cls == INT ? IR_PUT_X : IR_PUT_V;

    for (unsigned i = edge - 1; i >= first; i--) {
        const struct ir_node *const n = &e->nodes[i];
        if (n->op == op && n->imm == c->guest) {
            ir_ref value = x64_resolve(e, n->a);
            if (e->val[c->node].couple != 0) {
                value = e->val[value].couple;
            }
            if (value != IR_REF_NONE && value >= first && e->val[value].cls == c->cls) {
                e->want[value] = c->reg;
            }
            return;
        }
    }
}

void x64_emit_head(struct x64_emit *e)
{
    struct x64_asm *const a = &e->a;

    e->any_vector = e->level >= 4;
    x64_check_halves(e);
    for (unsigned i = 0; i < e->n_carried; i++) {
        struct x64_carried *const c = &e->carried[i];
        const enum x64_class cls = (enum x64_class)c->cls;
        const bool half = e->val[c->node].couple != 0;
        c->reg = (int8_t)(half ? x64_load_carried_half(e, c) : x64_def(e, cls, c->node));
        if (cls == INT) {
            x64_load(a, 1, c->reg, CPU_X(c->guest));
        } else if (!half) {
            x64_vm(a, X64_VMOVDQU_LOAD, c->reg, NOREG, CPU_V(c->guest));
        }
        e->guest[cls][c->guest] = c->node;
        if (c->written) {
            e->dirty[cls] |= 1u << c->guest;
            e->reserved[cls] |= 1u << c->reg;
            want_register(e, c, 1, e->back_edge);
            for (unsigned s = 0; s < e->n_sides; s++) {
                if (e->sides[s].edge != 0) {
                    want_register(e, c, e->sides[s].start + 1u, e->sides[s].edge);
                }
            }
        } else {
            e->memory[cls][c->guest] = c->node;
            e->val[c->node].guest = (int8_t)c->guest;
        }
    }
    mark_round(e);
    e->locked[INT] = 0;
    e->locked[VEC] = 0;
    fill_sites(e, true);
    x64_enter_walks(e, &e->walk_head, &e->head);
}

/* --- The back edge --------------------------------------------------------------------------------------------------------------- */

struct move {
    uint8_t cls;
    int8_t to, from;
    bool done;
};

static void move(struct x64_emit *e, const struct move *m)
{
    if (m->cls == INT) {
        x64_mov_rr(&e->a, 1, m->to, m->from);
    } else if (m->to != m->from) {
        x64_v(&e->a, X64_VMOVDQA_RR, m->to, NOREG, m->from);
    }
}

static bool is_source(const struct move *moves, unsigned n, const struct move *of)
{
    for (unsigned i = 0; i < n; i++) {
        if (!moves[i].done && &moves[i] != of && moves[i].cls == of->cls &&
            moves[i].from == of->to) {
            return true;
        }
    }
    return false;
}

/* All at once: a register that is still needed is not written; a cycle is opened through the scratch register. */
static void move_all(struct x64_emit *e, struct move *moves, unsigned n)
{
    unsigned left = n;

    while (left != 0) {
        bool progress = false;
        struct move *stuck = NULL;
        for (unsigned i = 0; i < n; i++) {
            if (moves[i].done) {
                continue;
            }
            if (is_source(moves, n, &moves[i])) {
                stuck = &moves[i];
                continue;
            }
            move(e, &moves[i]);
            moves[i].done = true;
            left--;
            progress = true;
        }
        if (!progress) {
            const int8_t from = stuck->to; /* RAX and XMM_SCRATCH0 are both number 0 */
            const struct move save = {.cls = stuck->cls, .to = 0, .from = from};
            move(e, &save);
            for (unsigned i = 0; i < n; i++) {
                if (!moves[i].done && moves[i].cls == stuck->cls && moves[i].from == from) {
                    moves[i].from = 0;
                }
            }
        }
    }
}

static void load_carried(struct x64_emit *e, const struct x64_carried *c, ir_ref value)
{
    const struct x64_val *const v = &e->val[value];

    if (v->cls == c->cls && (v->reg != NOREG || v->slot >= 0 || v->guest >= 0 || v->couple != 0 ||
                             x64_op_of(e, value) == IR_CONST)) {
        x64_load_value(e, (enum x64_class)c->cls, c->reg, value);
    } else if (c->cls == INT) { /* made in the other class, and stored at once */
        x64_load(&e->a, 1, c->reg, CPU_X(c->guest));
    } else {
        x64_vm(&e->a, X64_VMOVDQU_LOAD, c->reg, NOREG, CPU_V(c->guest));
    }
}

/* The couple that has all of the head's couple in its halves; IR_REF_NONE: there is none. */
static ir_ref comes_together(const struct x64_emit *e, ir_ref couple)
{
    ir_ref from = IR_REF_NONE;

    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        const struct x64_val *const v = &e->val[e->guest[c->cls][c->guest]];
        if (e->val[c->node].couple != couple) {
            continue;
        }
        if (v->couple == 0 || v->lane != e->val[c->node].lane ||
            (from != IR_REF_NONE && v->couple != from)) {
            return IR_REF_NONE;
        }
        from = v->couple;
    }
    return from;
}

/* The other half of its couple comes first. */
static bool is_moved_with_other(const struct x64_emit *e, const struct x64_carried *c)
{
    const ir_ref couple = e->val[c->node].couple;

    for (const struct x64_carried *other = e->carried; other < c && couple != 0; other++) {
        if (e->val[other->node].couple == couple) {
            return true;
        }
    }
    return false;
}

/* By way of the frame, which is for edges that are seldom taken: what is to be a half and comes alone, or is one and is to be alone. */
static bool goes_by_frame(const struct x64_emit *e, const struct x64_carried *c)
{
    const ir_ref couple = e->val[c->node].couple;
    const struct x64_val *const v = &e->val[e->guest[c->cls][c->guest]];

    return couple != 0 ? comes_together(e, couple) == IR_REF_NONE
                       : v->couple != 0 && v->reg == NOREG && v->slot < 0 && v->guest < 0;
}

static void move_to_frame(struct x64_emit *e, const struct x64_carried *c, int slot)
{
    struct x64_carried scratch = *c;

    scratch.reg = XMM_SCRATCH0;
    load_carried(e, &scratch, e->guest[c->cls][c->guest]);
    x64_vm(&e->a, X64_VMOVDQU_STORE, XMM_SCRATCH0, NOREG, FRAME_SLOT(slot));
}

static void move_from_frame(struct x64_emit *e, const struct x64_carried *c, int slot)
{
    const struct x64_val *const v = &e->val[c->node];

    if (v->couple == 0) {
        x64_vm(&e->a, X64_VMOVDQU_LOAD, c->reg, NOREG, FRAME_SLOT(slot));
    } else {
        x64_vm(&e->a, v->lane == 0 ? X64_VMOVLPD_LOAD : X64_VMOVHPD_LOAD, c->reg, c->reg,
               FRAME_SLOT(slot));
    }
}

/* What is to be in the head's register: a value, or the couple whose half it is. */
static ir_ref place_at_edge(const struct x64_emit *e, const struct x64_carried *c)
{
    const ir_ref couple = e->val[c->node].couple;

    return couple != 0 ? comes_together(e, couple) : e->guest[c->cls][c->guest];
}

static void restore_carried(struct x64_emit *e)
{
    struct move moves[2 * X64_MAX_CARRIED + X64_MAX_SITES];
    int slots[2 * X64_MAX_CARRIED];
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_sites; i++) {
        const struct x64_site *const site = &e->sites[i];
        const int from = site->reg != NOREG ? e->val[site->value].reg : NOREG;
        if (from != NOREG) {
            moves[n++] = (struct move){
                .cls = INT, .to = site->reg, .from = (int8_t)from, .done = from == site->reg};
        }
    }
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        slots[i] = -1;
        if (goes_by_frame(e, c)) {
            slots[i] = x64_new_slot(e);
            move_to_frame(e, c, slots[i]);
            continue;
        }
        const struct x64_val *const v = &e->val[place_at_edge(e, c)];
        if (v->reg != NOREG && v->cls == c->cls && !is_moved_with_other(e, c)) {
            moves[n++] = (struct move){
                .cls = c->cls, .to = c->reg, .from = v->reg, .done = v->reg == c->reg};
        }
    }
    /* One that stays where it is may be another's source, but not its destination. */
    unsigned pending = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!moves[i].done) {
            moves[pending++] = moves[i];
        }
    }
    move_all(e, moves, pending);
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        const ir_ref value = place_at_edge(e, c);
        if (slots[i] >= 0) {
            move_from_frame(e, c, slots[i]);
            e->slots[slots[i] / 64] &= ~(1ull << (slots[i] % 64));
        } else if (e->val[value].reg == NOREG || e->val[value].cls != c->cls) {
            load_carried(e, c, value);
        }
    }
    for (unsigned i = 0; i < e->n_sites; i++) {
        const struct x64_site *const site = &e->sites[i];
        if (site->reg != NOREG && e->val[site->value].reg == NOREG) {
            x64_load_value(e, INT, site->reg, site->value);
        }
    }
}

bool x64_is_loop(const struct x64_emit *e, const struct ir_node *n)
{
    const unsigned node = (unsigned)(n - e->nodes);

    return e->back_edge != 0 && is_back_edge(e, n) &&
           (node <= e->back_edge || x64_side_of_edge(e, node) != NULL);
}

void x64_emit_back_edge(struct x64_emit *e, ir_ref node)
{
    struct x64_asm *const a = &e->a;
    const struct ir_node *const n = &e->nodes[node];
    uint32_t on = 0;

    if (n->op == IR_BRANCH_IF) {
        const enum x64_cc cc = x64_condition(e, n->a);
        on = x64_jcc(a, (enum x64_cc)(cc ^ 1));
    }
    struct x64_stub *const poll = x64_new_stub(e, STUB_EXIT, node);
    poll->target = e->block->pc;
    x64_narrow_flags(e, poll);
    x64_poll(a);
    poll->jump = x64_jcc(a, CC_NE);
    const struct x64_side *const side = x64_side_of_edge(e, node);
    const bool same = e->round.is_on && (node == e->round.edge ||
                                         (side != NULL && side->same_flags && node == side->edge));
    const bool known = e->flags_dead || same;
    x64_stub_stores_but_carried(e, poll, !known);
    restore_carried(e);
    if (e->round.is_on && e->round.reg != NOREG) {
        x64_mov_ri(a, e->round.reg, same ? 1 : 0);
    } else if (e->round.is_on && node != e->round.edge) {
        x64_store_imm(a, 0, FRAME_SLOT(e->round.slot), same ? 1 : 0);
    }
    if (node != e->first_edge) {
        fill_sites(e, false);
    }
    x64_jmp_to(a, node != e->first_edge && others_begin_anew(e) ? e->walk_head : e->head);
    if (on != 0) {
        x64_patch_here(a, on);
    }
}
