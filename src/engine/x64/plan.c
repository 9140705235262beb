/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The backward pass: liveness, dead nodes, and which values are computed at their use. */
#include "engine/fp/fp_vops.h"
#include "engine/ir/fold.h"
#include "engine/x64/emit.h"
#include "engine/x64/vop.h"

bool x64_const(const struct x64_emit *e, ir_ref ref, uint64_t *value)
{
    const ir_ref r = x64_resolve(e, ref);

    *value = 0;
    if (ref == IR_REF_NONE) {
        return true;
    }
    if (x64_op_of(e, r) != IR_CONST) {
        return false;
    }
    *value = e->nodes[r].imm64;
    return !e->movable || (e->nodes[r].flags & IR_CONST_PC) == 0;
}

bool x64_imm32(const struct x64_emit *e, ir_ref ref, unsigned sf, int32_t *value)
{
    uint64_t v;

    if (!x64_const(e, ref, &v)) {
        return false;
    }
    *value = (int32_t)(uint32_t)v;
    return sf == 0 || (int64_t)v == *value;
}

void x64_split_address(const struct x64_emit *e, ir_ref address, ir_ref *base, int32_t *disp)
{
    *base = x64_resolve(e, address);
    *disp = 0;
    for (;;) {
        const struct ir_node *const n = &e->nodes[*base];
        int32_t offset;
        if ((n->op != IR_ADD && n->op != IR_SUB) || n->type != IR_I64 || n->b == IR_REF_NONE ||
            !x64_imm32(e, n->b, 1, &offset)) {
            return;
        }
        const int64_t sum = n->op == IR_ADD ? (int64_t)*disp + offset : (int64_t)*disp - offset;
        /* Far offsets are left alone, so that neighbours of the access can be reached as well. */
        if (sum <= -(1 << 28) || sum >= 1 << 28) {
            return;
        }
        *base = x64_resolve(e, n->a);
        *disp = (int32_t)sum;
    }
}

bool x64_scaled_operand(const struct x64_emit *e, ir_ref ref, ir_ref *index, unsigned *scale)
{
    const struct ir_node *const n = x64_node(e, ref);
    uint64_t count;

    if (n->op != IR_SHL || n->type != IR_I64 || !x64_const(e, n->b, &count) || count < 1 ||
        count > 3) {
        return false;
    }
    *index = x64_resolve(e, n->a);
    *scale = (unsigned)count;
    return true;
}

bool x64_lane_of(const struct x64_emit *e, ir_ref ref, unsigned size, unsigned *lane)
{
    const struct ir_node *const n = x64_node(e, ref);

    *lane = n->imm;
    return n->op == IR_VLANE && n->type == size;
}

static bool is_comparison(const struct ir_node *n)
{
    return n->op == IR_FLAGS_SUB || n->op == IR_FLAGS_ADD;
}

bool x64_is_conditional(const struct x64_emit *e, const struct ir_node *n)
{
    uint64_t otherwise;

    if (n->op != IR_SELECT || !is_comparison(x64_node(e, n->b)) || n->c == IR_REF_NONE ||
        !x64_const(e, n->c, &otherwise)) {
        return false;
    }
    const struct ir_node *const asked = x64_node(e, n->a);
    const struct ir_node *const of = x64_node(e, asked->a);
    return asked->op == IR_COND && of->op != IR_SELECT && of->op != IR_VOP &&
           ((of->op != IR_FLAGS_ADD && of->op != IR_FLAGS_LOGIC) || asked->imm >> 1 != 4);
}

ir_ref x64_flags_if(const struct x64_emit *e, ir_ref flags, const struct ir_node *branch,
                    bool is_taken)
{
    const struct ir_node *const n = &e->nodes[flags];
    uint64_t otherwise;

    if (branch->op != IR_BRANCH_IF || !e->val[flags].lazy || !x64_is_conditional(e, n)) {
        return IR_REF_NONE;
    }
    const struct ir_node *cond = x64_node(e, branch->a);
    for (; cond->op == IR_EQZ || cond->op == IR_NEZ; cond = x64_node(e, cond->a)) {
        is_taken ^= cond->op == IR_EQZ;
    }
    if (cond->op != IR_COND || x64_resolve(e, cond->a) != flags) {
        return IR_REF_NONE;
    }
    x64_const(e, n->c, &otherwise);
    return ir_cond(otherwise, cond->imm) != is_taken ? x64_resolve(e, n->b) : IR_REF_NONE;
}

/* Operations whose code is emitted where the value is used: they cost nothing, or become part of the user's. */
static bool is_lazy(const struct x64_emit *e, const struct ir_node *n)
{
    switch (n->op) {
    case IR_VOP:
        return x64_is_fcmp(e, n);
    case IR_SELECT:
        return x64_is_conditional(e, n);
    case IR_CONST:
    case IR_FLAGS_ADD:
    case IR_FLAGS_SUB:
    case IR_FLAGS_LOGIC:
    case IR_COND:
    case IR_EQZ:
    case IR_NEZ:
    case IR_BIT:
        return true;
    default:
        return false;
    }
}

static bool vop_gives_integer(const struct ir_node *n)
{
    switch (n->d) {
    case VOP_fcmp:
    case VOP_fccmp:
    case VOP_fjcvtzs:
        return true;
    case VOP_fcvt_int: /* to a general-purpose register */
        return (n->imm & IR_VIMM_SCALAR) != 0 && (n->imm & FP_VINT_MASK) != 0;
    default:
        return false;
    }
}

static enum x64_class class_of(const struct x64_emit *e, const struct ir_node *n)
{
    switch (n->op) {
    case IR_GET_V:
    case IR_VFROM64:
    case IR_VPACK:
    case IR_VINSERT:
    case IR_VZEXT:
    case IR_VAND:
    case IR_VOR:
    case IR_VXOR:
    case IR_VBIC:
    case IR_VORN:
    case IR_VNOT:
    case IR_VBSL:
    case IR_VDUP:
        return CLASS_VEC;
    case IR_VOP:
        return vop_gives_integer(n) ? CLASS_INT : CLASS_VEC;
    case IR_LOAD:
    case IR_LDX:
    case IR_CAS:
        return n->type == 4 ? CLASS_VEC : CLASS_INT;
    case IR_SELECT:
        return e->val[x64_resolve(e, n->b)].cls == CLASS_VEC ||
                       e->val[x64_resolve(e, n->c)].cls == CLASS_VEC
                   ? CLASS_VEC
                   : CLASS_INT;
    default:
        return CLASS_INT;
    }
}

/* The result of a 32-bit operation has its upper half clear. */
static bool is_zero_extended(const struct ir_node *n)
{
    switch (n->op) {
    case IR_LOAD:
        return n->type <= 2 && (n->flags & IR_MEM_SEXT64) == 0;
    case IR_ZEXT8:
    case IR_ZEXT16:
    case IR_ZEXT32:
        return true;
    case IR_ADD:
    case IR_SUB:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_BIC:
    case IR_ORN:
    case IR_EON:
    case IR_NOT:
    case IR_NEG:
    case IR_MUL:
    case IR_SHL:
    case IR_LSR:
    case IR_ASR:
    case IR_ROR:
    case IR_EXTR:
    case IR_UBFX:
    case IR_SBFX:
    case IR_BFI:
    case IR_CLZ:
    case IR_RBIT:
        return n->type == IR_I32;
    default:
        return false;
    }
}

void x64_touch(struct x64_emit *e, ir_ref ref, unsigned when)
{
    const ir_ref r = x64_resolve(e, ref);
    struct x64_val *const v = &e->val[r];

    if (r == IR_REF_NONE) {
        return;
    }
    if (v->last < when) {
        v->last = (uint16_t)when;
    }
    if (v->hot < when) {
        v->hot = (uint16_t)when;
    }
    v->inside |= when <= e->first_edge;
    if (v->couple != 0) {
        x64_touch(e, v->couple, when);
    }
    if (v->lazy) {
        const struct ir_node *const n = &e->nodes[r];
        if (n->op != IR_CONST) {
            x64_touch(e, n->a, when);
            x64_touch(e, n->b, when);
        }
    }
}

static void use(struct x64_emit *e, ir_ref ref, unsigned when)
{
    e->val[x64_resolve(e, ref)].n_uses++;
    x64_touch(e, ref, when);
}

static void use_address(struct x64_emit *e, unsigned when)
{
    const struct x64_group *const group = x64_group_of(e, when);
    const struct x64_site *const site = x64_walking_site(e, (ir_ref)when);

    use(e, x64_address_of(e, (ir_ref)when).base, when);
    if (site != NULL) {
        x64_touch(e, site->value, when);
    }
    if (group != NULL) {
        x64_touch(e, group->value, when);
    }
}

static void use_pair(struct x64_emit *e, unsigned i, const struct x64_group *pair)
{
    const struct ir_node *const n = &e->nodes[i];

    if (pair->pair == PAIR_COMPARE) {
        use(e, n->a, i);
        use(e, n->b, i);
        x64_touch(e, pair->leader, i);
        x64_touch(e, pair->value, i);
    } else if (n->op == IR_LDX) {
        use(e, n->a, i);
        use(e, pair->operand, i);
    }
}

static void use_operands(struct x64_emit *e, unsigned i)
{
    const struct ir_node *const n = &e->nodes[i];
    ir_ref index;
    unsigned scale, lane;

    switch (n->op) {
    case IR_CONST:
    case IR_JUMP:
        break;
    case IR_BRANCH_IF:
        use(e, n->a, i);
        break;
    case IR_LOAD:
        use_address(e, i);
        break;
    case IR_STORE:
        use_address(e, i);
        use(e, x64_lane_of(e, n->b, n->type, &lane) && lane == 0 ? x64_node(e, n->b)->a : n->b, i);
        break;
    case IR_VFROM64:
        use(e, x64_lane_of(e, n->a, n->type, &lane) ? x64_node(e, n->a)->a : n->a, i);
        break;
    case IR_VINSERT:
        use(e, n->a, i);
        use(e, x64_lane_of(e, n->b, n->type, &lane) ? x64_node(e, n->b)->a : n->b, i);
        break;
    case IR_VPACK:
        if (x64_lane_of(e, n->a, 3, &lane) && x64_lane_of(e, n->b, 3, &lane)) {
            use(e, x64_node(e, n->a)->a, i);
            use(e, x64_node(e, n->b)->a, i);
        } else {
            use(e, n->a, i);
            use(e, n->b, i);
        }
        break;
    case IR_ADD:
        use(e, n->a, i);
        if (n->type == IR_I64 && x64_scaled_operand(e, n->b, &index, &scale)) {
            use(e, index, i);
        } else {
            use(e, n->b, i);
        }
        break;
    case IR_LDX:
    case IR_STX:
        if (x64_group_of(e, i) != NULL) {
            use_pair(e, i, x64_group_of(e, i));
            break;
        }
        /* fallthrough */
    default:
        use(e, n->a, i);
        use(e, n->b, i);
        use(e, n->c, i);
        break;
    }
}

/* Where the first of two is, both are made. */
static void use_operands_of_couple(struct x64_emit *e, ir_ref node)
{
    const struct x64_couple *const couple = x64_couple_of(e, node);

    if (x64_in_couple(e, node) != IR_REF_NONE) {
        const struct ir_node *const of[2] = {&e->nodes[couple->low], &e->nodes[couple->high]};
        for (unsigned i = 0; i < 2; i++) {
            use(e, of[i]->a, node);
            use(e, of[i]->b, node);
            use(e, of[i]->c, node);
        }
    }
}

/* May see guest registers, or show them to the guest: leaves the block, or may fault. */
static bool is_observer(const struct x64_emit *e, const struct ir_node *n)
{
    switch (n->op) {
    case IR_LOAD:
    case IR_STORE:
    case IR_LDX:
    case IR_STX:
    case IR_ATOMIC:
    case IR_CAS:
    case IR_ZERO:
    case IR_CHECK_SP:
    case IR_JUMP:
    case IR_BRANCH_IF:
    case IR_JUMP_IND:
        return true;
    case IR_HELPER:
        return n->d == HELPER_aut || !x64_is_pauth(e, n);
    default:
        return false;
    }
}

/* --- Groups of accesses ---------------------------------------------------------------------------------------------------------- */

#define OPEN_GROUPS 8

static bool found_group(struct x64_emit *e, struct x64_group group)
{
    if (e->n_groups == X64_MAX_GROUPS) {
        return false;
    }
    group.value = (ir_ref)(e->n_nodes + e->n_groups);
    e->groups[e->n_groups++] = group;
    e->alias[group.value] = 0;
    e->val[group.value] = (struct x64_val){.reg = NOREG, .slot = -1, .guest = -1, .cls = CLASS_INT};
    return true;
}

/*
 * The load or store joins the group of those before it that have the same base, or founds one. A helper may change translations, so
 * that no group goes on behind it.
 */
static void join_group(struct x64_emit *e, unsigned i, unsigned first_open)
{
    const struct ir_node *const n = &e->nodes[i];
    const unsigned recent = e->n_groups > OPEN_GROUPS ? e->n_groups - OPEN_GROUPS : 0;
    ir_ref base;
    int32_t disp;

    if ((n->flags & X64_NOT_PLAIN) != 0) {
        return;
    }
    x64_split_address(e, n->a, &base, &disp);
    if (base == IR_REF_NONE) {
        return;
    }
    const int32_t end = disp + (1 << n->type);
    for (unsigned g = e->n_groups; g > first_open && g > recent; g--) {
        struct x64_group *const group = &e->groups[g - 1];
        if (group->pair != PAIR_NONE) {
            continue;
        }
        const int32_t min = disp < group->min ? disp : group->min,
                      max = end > group->max ? end : group->max;
        if (group->base == base && max - min <= X64_GROUP_SPAN) {
            group->min = min;
            group->max = max;
            group->is_store |= n->op == IR_STORE;
            e->group_of[i] = (uint8_t)g;
            e->group_of[group->leader] = (uint8_t)g;
            return;
        }
    }
    found_group(e, (struct x64_group){.base = base,
                                      .min = disp,
                                      .max = end,
                                      .leader = (uint16_t)i,
                                      .is_store = n->op == IR_STORE});
}

/* In a side line: the group of the main line that has checked all of the access, behind its last helper. */
static bool join_group_of_main(struct x64_emit *e, unsigned i, ir_ref branch)
{
    const struct ir_node *const n = &e->nodes[i];
    unsigned helper = branch;
    ir_ref base;
    int32_t disp;

    if ((n->flags & X64_NOT_PLAIN) != 0) {
        return false;
    }
    while (helper != 0 && !x64_is_helper(e, &e->nodes[helper])) {
        helper--;
    }
    x64_split_address(e, n->a, &base, &disp);
    for (unsigned g = 0; g < e->n_groups && base != IR_REF_NONE; g++) {
        const struct x64_group *const group = &e->groups[g];
        if (e->group_of[group->leader] == g + 1 && group->base == base &&
            group->pair == PAIR_NONE && group->leader > helper && group->leader < branch &&
            group->min <= disp && group->max >= disp + (1 << n->type) &&
            (group->is_store || n->op == IR_LOAD)) {
            e->group_of[i] = (uint8_t)(g + 1);
            return true;
        }
    }
    return false;
}

/* Those that are accesses in order are checked by what holds in the main line only. */
static void leave_sites(struct x64_emit *e)
{
    for (unsigned i = e->main_end; i < e->n_nodes; i++) {
        const struct x64_group *const group = x64_group_of(e, i);
        if (group != NULL && group->leader < e->main_end && x64_site_of(e, group->leader) != 0) {
            e->group_of[i] = 0;
        }
    }
}

/* Nothing between the two can be seen: what the first checks for writing is good for both, and the monitor is set for nobody. */
static void join_pair(struct x64_emit *e, unsigned i)
{
    struct x64_group pair;

    if (x64_is_pair(e, (ir_ref)i, &pair) && found_group(e, pair)) {
        e->group_of[i] = (uint8_t)e->n_groups;
        e->group_of[pair.leader] = (uint8_t)e->n_groups;
    }
}

/* --- Halves of AES rounds -------------------------------------------------------------------------------------------------------- */

bool x64_is_half_round(const struct x64_emit *e, ir_ref ref)
{
    const struct ir_node *const n = x64_node(e, ref);

    return n->op == IR_VOP && (n->d == VOP_aese || n->d == VOP_aesd) &&
           e->val[x64_resolve(e, ref)].lazy;
}

/* AESE Vd, Vn; AESMC Vd, Vd, next to each other: nobody sees what lies between them. */
static bool ends_round(const struct x64_emit *e, unsigned i)
{
    const struct ir_node *const n = &e->nodes[i];

    if (e->level < 3 || n->op != IR_VOP || (n->d != VOP_aesmc && n->d != VOP_aesimc) || i < 3 ||
        i + 1 >= e->n_nodes) {
        return false;
    }
    const struct ir_node *const first = n - 2, *const put = n - 1, *const last = n + 1;
    return first->op == IR_VOP && first->d == (n->d == VOP_aesmc ? VOP_aese : VOP_aesd) &&
           n->a == i - 2 && put->op == IR_PUT_V && put->a == i - 2 && last->op == IR_PUT_V &&
           last->a == i && last->imm == put->imm;
}

/* Accesses that are checked with an earlier one, or by a loop's head, cannot fault. */
static void note_observer(struct x64_emit *e, unsigned i)
{
    const struct x64_group *const group = x64_group_of(e, i);
    const bool checked = (group != NULL && group->leader != i) ||
                         x64_walking_site(e, (ir_ref)i) != NULL;

    e->observer[i] = (uint16_t)((is_observer(e, &e->nodes[i]) && !checked) ||
                                        e->nodes[i].op == IR_SIDE
                                    ? i
                                : i != 0 ? e->observer[i - 1]
                                         : 0);
}

/* --- Loads of what has just been stored ------------------------------------------------------------------------------------------- */

/* The node before, in the order in which they run. */
static unsigned node_before(const struct x64_emit *e, unsigned i)
{
    return e->nodes[i].op == IR_SIDE ? e->nodes[i].imm : i - 1;
}

/*
 * A register that is restored from where it was saved, as where a function returns early: the value that was stored there, if the store is one of
 * the load's group, and nothing between can have written there. In memory that a group's check lets pass, a load right behind the store
 * would find the same. IR_REF_NONE: it has to be loaded.
 */
static ir_ref stored_before(const struct x64_emit *e, unsigned load)
{
    const struct ir_node *const l = &e->nodes[load];
    const struct x64_group *const group = x64_group_of(e, load);
    ir_ref base, other;
    int32_t disp, at;

    if (group == NULL || group->leader == load || l->type != 3 || l->flags != 0) {
        return IR_REF_NONE;
    }
    x64_split_address(e, l->a, &base, &disp);
    for (unsigned i = node_before(e, load); i >= group->leader; i = node_before(e, i)) {
        const struct ir_node *const n = &e->nodes[i];
        switch (n->op) {
        case IR_LOAD:
            if ((n->flags & IR_MEM_ACQUIRE) != 0) {
                return IR_REF_NONE;
            }
            break;
        case IR_STORE:
            x64_split_address(e, n->a, &other, &at);
            if (other != base || n->flags != 0) {
                return IR_REF_NONE;
            }
            if (at == disp && n->type == 3 && e->group_of[i] == e->group_of[load]) {
                const ir_ref value = x64_resolve(e, n->b);
                return e->nodes[value].op == IR_VLANE || e->val[value].cls != CLASS_INT
                           ? IR_REF_NONE
                           : value;
            }
            if (at < disp + 8 && at + (1 << n->type) > disp) {
                return IR_REF_NONE;
            }
            break;
        case IR_LDX:
        case IR_STX:
        case IR_ATOMIC:
        case IR_CAS:
        case IR_ZERO:
        case IR_FENCE:
        case IR_HELPER:
            return IR_REF_NONE;
        default:
            break;
        }
    }
    return IR_REF_NONE;
}

static void forward(struct x64_emit *e)
{
    const bool groups = (e->block->mode & (MODE_ALIGNED | MODE_EACH_CHECK)) == 0;
    unsigned first_open = 0;
    ir_ref branch = IR_REF_NONE; /* of the side line, up to its first helper */

    e->guesses = MODE_EL(e->block->mode) != 0;
    e->n_groups = 0;
    for (unsigned i = 0; i < e->n_nodes; i++) {
        const struct ir_node *const n = &e->nodes[i];
        struct x64_val *const v = &e->val[i];
        e->group_of[i] = 0;
        if (x64_is_helper(e, n) || n->op == IR_SIDE) {
            first_open = e->n_groups;
            branch = n->op == IR_SIDE ? (ir_ref)n->imm : IR_REF_NONE;
        }
        if (groups && branch != IR_REF_NONE && (n->op == IR_LOAD || n->op == IR_STORE) &&
            join_group_of_main(e, i, branch)) {
            /* it has been checked */
        } else if (groups && (n->op == IR_LOAD || n->op == IR_STORE)) {
            join_group(e, i, first_open);
        } else if (groups && n->op == IR_STX) {
            join_pair(e, i);
        }
        note_observer(e, i);
        e->alias[i] = 0;
        e->want[i] = NOREG;
        *v = (struct x64_val){.reg = NOREG,
                              .slot = -1,
                              .guest = -1,
                              .cls = (uint8_t)class_of(e, n),
                              .lazy = is_lazy(e, n)};
        if (ends_round(e, i)) {
            e->val[i - 2].lazy = true;
        }
        if (n->op == IR_LOAD) {
            e->alias[i] = stored_before(e, i);
        }
        if (n->op == IR_ZEXT32 && is_zero_extended(x64_node(e, n->a))) {
            e->alias[i] = x64_resolve(e, n->a);
        }
        /* A load of a scalar goes to a vector register at once. */
        const struct ir_node *const source = x64_node(e, n->a);
        if (n->op == IR_VFROM64 && source->op == IR_LOAD && source->type == n->type &&
            n->type >= 2 && (source->flags & (IR_MEM_SEXT32 | IR_MEM_SEXT64)) == 0) {
            e->alias[i] = x64_resolve(e, n->a);
            e->val[e->alias[i]].cls = CLASS_VEC;
        }
    }
}

/* The head computes an address of it. */
static bool is_term(const struct x64_emit *e, ir_ref get)
{
    for (unsigned i = 0; i < e->n_sites; i++) {
        const struct x64_site *const site = &e->sites[i];
        for (unsigned t = 0; t < site->n_terms; t++) {
            if (site->term[t] == get && (site->walk == 0 || t == site->moving)) {
                return true;
            }
        }
    }
    return false;
}

/* What walks take into their addends, the rounds themselves do not need. Addends need registers more than outer loops do. */
static void drop_unused_carried(struct x64_emit *e)
{
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        const struct x64_val *const v = &e->val[c->node];
        const bool wanted = v->inside || (c->written && (!c->outer || e->n_walks == 0)) ||
                            is_term(e, c->node);
        /* Who finds a walk's pages wanting at the head stores the flags of the round before. */
        const bool of_flags = e->round.is_on && e->n_walks != 0 &&
                              (c->node == e->round.a || c->node == e->round.b);
        if (c->unread || of_flags || (v->last != 0 && wanted) || x64_is_imported(e, c->node)) {
            e->carried[n++] = e->carried[i];
        }
    }
    e->n_carried = n;
}

static void see(struct x64_val *v, unsigned until)
{
    v->seen = (uint16_t)(v->seen < until ? until : v->seen);
    v->last = v->last < v->seen ? v->seen : v->last;
}

/* Of the value of a PUT_V: stubs store it, and the ends of the block. One that a loop carries is wanted in its register. */
static void keep_vector(struct x64_emit *e, const struct ir_node *n, unsigned until)
{
    struct x64_val *const v = x64_val(e, n->a);

    if (x64_is_carried(e, CLASS_VEC, n->imm) || v->cls != CLASS_VEC || v->lazy) {
        x64_touch(e, n->a, until);
    } else if (n->a != IR_REF_NONE) {
        see(v, until);
        if (v->couple != 0) {
            see(&e->val[v->couple], until);
        }
    }
}

void x64_plan_line(struct x64_emit *e, unsigned first, unsigned end, struct x64_untils *until)
{
    for (unsigned r = 0; r < 32; r++) {
        until->x[r] = until->v[r] = end;
    }
    until->flags = end;
    for (unsigned i = end - 1; i >= first; i--) {
        const struct ir_node *const n = &e->nodes[i];
        switch (n->op) {
        case IR_PUT_X:
            x64_touch(e, n->a, e->observer[until->x[n->imm] - 1]);
            until->x[n->imm] = i;
            continue;
        case IR_PUT_V:
            keep_vector(e, n, e->observer[until->v[n->imm] - 1]);
            until->v[n->imm] = i;
            continue;
        case IR_PUT_NZCV:
            x64_touch(e, n->a, e->observer[until->flags - 1]);
            until->flags = i;
            continue;
        case IR_HELPER:
            for (unsigned r = 0; r < 32 && x64_is_helper(e, n); r++) {
                until->x[r] = i + 1;
                until->v[r] = i + 1;
                until->flags = i + 1;
            }
            break;
        case IR_BRANCH_IF:
            x64_import(e, i);
            break;
        default:
            if (x64_is_dead(e, i) || e->alias[i] != 0) {
                continue;
            }
            break;
        }
        if (n->op == IR_VOP && e->val[i].couple != 0) {
            use_operands_of_couple(e, (ir_ref)i);
        } else if (!e->val[i].lazy || n->op == IR_VOP) {
            use_operands(e, i);
        }
        const ir_ref made = x64_in_couple(e, (ir_ref)i);
        if (e->fp_until[made] != 0) {
            x64_fp_keep(e, made);
        }
    }
}

void x64_plan(struct x64_emit *e)
{
    struct x64_untils until;

    e->n_sites = 0;
    e->n_couples = 0;
    e->reserved[CLASS_INT] = e->reserved[CLASS_VEC] = 0;
    forward(e);
    for (unsigned i = 0; i < X64_STRETCH_REFS; i++) {
        const ir_ref ref = (ir_ref)(x64_stretch_ref(e, false, false) + i);
        e->alias[ref] = 0;
        e->val[ref] = (struct x64_val){
            .reg = NOREG, .slot = -1, .guest = -1, .cls = CLASS_INT, .last = UINT16_MAX};
    }
    x64_plan_fp_runs(e);
    x64_find_loop(e);
    x64_find_sites(e);
    leave_sites(e);
    for (unsigned i = 1; i < e->n_nodes && e->n_sites != 0; i++) {
        note_observer(e, i);
    }
    x64_find_couples(e);
    x64_plan_sides(e);
    x64_plan_line(e, 1, e->main_end, &until);
    x64_plan_round(e, until.flags);
    drop_unused_carried(e);
    for (unsigned i = 0; i < e->n_carried; i++) {
        const struct x64_carried *const c = &e->carried[i];
        const unsigned first_put = (c->cls == CLASS_INT ? until.x : until.v)[c->guest];
        /* Dirty from the head on; or there until the last round ends, which saves loading it again. */
        x64_touch(e, c->node, c->written ? e->observer[first_put - 1] : e->back_edge);
    }
    x64_plan_walks(e);
}
