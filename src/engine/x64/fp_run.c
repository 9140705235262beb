/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Runs of floating-point operations whose results are looked at together (vop_fp.c says for what): a NaN in an operand is one in the
 * result, so that the ends of a chain tell about all of it, and one jump serves several results.
 *
 * Until then the operands and the results are kept somewhere, and nothing but loads and operations of general-purpose registers lies
 * between: no other operation takes a result, and nobody sees guest registers but a load that goes to its stub. The functions in C
 * make all results again where one is not sure, and in such a stub, without a look, before it stores anything.
 */
#include <string.h>

#include "engine/x64/emit.h"
#include "engine/x64/vop.h"

#define INT CLASS_INT
#define VEC CLASS_VEC
#define X0  XMM_SCRATCH0
#define X1  XMM_SCRATCH1

/* --- Planning -------------------------------------------------------------------------------------------------------------------- */

struct run {
    ir_ref members[X64_MAX_FP_RUN];
    unsigned n;
};

static void end_run(struct x64_emit *e, struct run *run, unsigned before)
{
    for (unsigned i = 0; i < run->n && run->n > 1; i++) {
        e->fp_until[run->members[i]] = (uint16_t)before;
    }
    run->n = 0;
}

/* Takes the value of a member, other than as an operand in the run. */
static bool takes_member(const struct x64_emit *e, const struct run *run, ir_ref ref)
{
    ir_ref r = x64_resolve(e, ref);

    if (e->nodes[r].op == IR_VLANE || e->nodes[r].op == IR_VLANES) {
        r = x64_resolve(e, e->nodes[r].a);
    }
    r = e->val[r].couple != 0 ? e->val[r].couple : r;
    for (unsigned i = 0; i < run->n; i++) {
        if (run->members[i] == r) {
            return true;
        }
    }
    return false;
}

/*
 * An operand that may be a number where it should be a NaN: one of the other precision, or what VRANGE gives. The operation would
 * raise flags for it. Or half of a couple, of which it would keep a copy.
 */
static bool takes_no_nan(const struct x64_emit *e, const struct run *run, const struct ir_node *n)
{
    const ir_ref operands[3] = {x64_resolve(e, n->a), x64_resolve(e, n->b), x64_resolve(e, n->c)};

    for (unsigned i = 0; i < 3; i++) {
        const struct ir_node *const operand = &e->nodes[operands[i]];
        if (operands[i] != IR_REF_NONE && takes_member(e, run, operands[i]) &&
            (e->val[operands[i]].couple != 0 ||
             IR_VIMM_LANE(operand->imm) != IR_VIMM_LANE(n->imm) || x64_fp_is_max_min(operand))) {
            return true;
        }
    }
    return false;
}

/* May lie within a run. */
static bool is_neutral(const struct x64_emit *e, const struct run *run, const struct ir_node *n)
{
    switch (n->op) {
    case IR_CONST:
    case IR_GET_X:
    case IR_GET_V:
    case IR_PUT_X:
    case IR_PUT_V:
    case IR_LOAD:
    case IR_PREFETCH:
        return true;
    case IR_FLAGS_ADD: /* lazy, as the next */
    case IR_FLAGS_SUB:
    case IR_FLAGS_LOGIC:
    case IR_ADD:
    case IR_SUB:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_SHL:
    case IR_LSR:
    case IR_ASR:
    case IR_UBFX:
    case IR_SBFX:
    case IR_SEXT32:
    case IR_ZEXT32:
        return !takes_member(e, run, n->a) && !takes_member(e, run, n->b);
    case IR_VFROM64:
        return !takes_member(e, run, n->a);
    default:
        return false;
    }
}

void x64_plan_fp_runs(struct x64_emit *e)
{
    struct run run = {.n = 0};
    bool tiny;

    for (unsigned i = 1; i < e->n_nodes; i++) {
        const ir_ref made = x64_in_couple(e, (ir_ref)i);
        e->fp_until[i] = 0;
        if (e->alias[i] != 0 || made == IR_REF_NONE) {
            continue;
        }
        e->fp_until[made] = 0;
        if (x64_fp_can_wait(e, &e->nodes[made], &tiny)) {
            if (takes_no_nan(e, &run, &e->nodes[made])) {
                end_run(e, &run, i);
            }
            run.members[run.n++] = made;
            if (run.n == X64_MAX_FP_RUN) {
                end_run(e, &run, i + 1);
            }
        } else if (!is_neutral(e, &run, &e->nodes[i])) {
            end_run(e, &run, i);
        }
    }
    assert(run.n == 0); /* the last node leaves the block */
}

/* --- Looking --------------------------------------------------------------------------------------------------------------------- */

static bool same_form(const struct ir_node *a, const struct ir_node *b)
{
    const uint32_t form = IR_VIMM_SCALAR | IR_VIMM(7, 1, 0);

    return ((a->imm ^ b->imm) & form) == 0;
}

/* A NaN in the result of this member is one in the result of a later one. */
static bool is_passed_on(const struct x64_emit *e, unsigned member)
{
    const ir_ref ref = e->fp_waiting[member];

    if (x64_fp_is_max_min(&e->nodes[ref])) {
        return false;
    }
    for (unsigned i = member + 1; i < e->n_fp_waiting; i++) {
        const struct ir_node *const n = &e->nodes[e->fp_waiting[i]];
        const bool takes = x64_resolve(e, n->a) == ref || x64_resolve(e, n->c) == ref ||
                           (x64_fp_is_plain(n) && x64_resolve(e, n->b) == ref);
        if (takes && !x64_fp_is_pairwise(n) && same_form(n, &e->nodes[ref])) {
            return true;
        }
    }
    return false;
}

/* Ors the masks that are in `reg` to those in X0. */
static int next_masks(bool *any)
{
    const bool first = !*any;

    *any = true;
    return first ? X0 : X1;
}

static void merge_masks(struct x64_emit *e, int reg)
{
    if (reg != X0) {
        x64_v(&e->a, X64_OP(PP_NONE, MAP_0F, 0x56), X0, X0, reg); /* VORPS */
    }
}

/* All 128 bits of the result are lanes, or the lower 64. */
static bool is_full(const struct ir_node *n)
{
    return (n->imm & IR_VIMM_SCALAR) == 0 && IR_VIMM_Q(n->imm) != 0;
}

static bool is_half_full(const struct ir_node *n)
{
    return (n->imm & IR_VIMM_SCALAR) != 0 ? IR_VIMM_LANE(n->imm) == 3 : IR_VIMM_Q(n->imm) == 0;
}

static bool may_be_tiny(const struct x64_emit *e, const struct ir_node *n)
{
    bool tiny;

    return x64_fp_can_wait(e, n, &tiny) && tiny;
}

/*
 * Several that may be the least normal number: whether the least magnitude of all is as small is a shorter question. A 0 among them
 * says yes for nothing, and the stub then asks the longer one. `done` has the results that have been asked about.
 */
struct least {
    bool is_double;
    bool done[X64_MAX_FP_RUN];
    unsigned n; /* vectors that have been merged */
    int first;  /* the only one; else they are in X0 */
};

static void merge_least(struct x64_emit *e, struct least *least, int ra, int rb)
{
    struct x64_asm *const a = &e->a;
    const bool rough = e->level < 4; /* VRANGE takes magnitudes */
    const int to = least->n == 0 ? X0 : X1;

    if (rb != NOREG) {
        x64_v(a, X64_OP(PP_66, MAP_0F, 0x14), to, ra, rb); /* VUNPCKLPD */
        ra = to;
    }
    if (rough) {
        x64_fp_magnitude(e, least->is_double, to, ra);
        ra = to;
    }
    if (least->n++ == 0) {
        least->first = ra;
    } else if (rough) {
        x64_v(a, X64_OP(PP_66, MAP_0F38, 0x39), X0, least->first, ra); /* VPMINSD */
        least->first = X0;
    } else {
        x64_ei(a, least->is_double, X64_OP(PP_66, MAP_0F3A, 0x50), X0, least->first, ra, 10);
        least->first = X0;
    }
    /* The first one stays where it is until the second has come. */
    e->locked[VEC] = least->n == 1 && least->first != X0 ? 1u << least->first : 0;
}

/* Of the precision that the host can find the least of; nothing is done for fewer than two vectors. */
static bool look_for_least(struct x64_emit *e, struct least *least)
{
    unsigned units = 0;
    int half = -1;

    for (unsigned i = 0; i < e->n_fp_waiting; i++) {
        const struct ir_node *const n = &e->nodes[e->fp_waiting[i]];
        if (may_be_tiny(e, n) && (IR_VIMM_LANE(n->imm) == 3) == least->is_double) {
            units += is_full(n) ? 2 : is_half_full(n) ? 1 : 0;
        }
    }
    if (units < 4 || e->level < (least->is_double ? 4u : 3u)) {
        return false;
    }
    for (unsigned i = 0; i < e->n_fp_waiting; i++) {
        const ir_ref ref = e->fp_waiting[i];
        const struct ir_node *const n = &e->nodes[ref];
        if (!may_be_tiny(e, n) || (IR_VIMM_LANE(n->imm) == 3) != least->is_double) {
            continue;
        }
        if (is_full(n)) {
            least->done[i] = true;
            merge_least(e, least, x64_use(e, VEC, ref), NOREG);
        } else if (is_half_full(n) && half < 0) {
            half = (int)i;
        } else if (is_half_full(n)) {
            const int ra = x64_use(e, VEC, e->fp_waiting[half]);
            least->done[half] = least->done[i] = true;
            merge_least(e, least, ra, x64_use(e, VEC, ref));
            half = -1;
        }
    }
    e->locked[VEC] = 0;
    return true;
}

/* Looks at the results of one precision, in pairs. */
static void look(struct x64_emit *e, bool is_double, bool tiny, const struct least *least,
                 bool *any)
{
    ir_ref pair[2];
    unsigned n = 0;

    for (unsigned i = 0; i < e->n_fp_waiting; i++) {
        const ir_ref ref = e->fp_waiting[i];
        const struct ir_node *const node = &e->nodes[ref];
        /* What has been asked whether it is small may still be a NaN. */
        const bool as_tiny = may_be_tiny(e, node) && !least->done[i];
        if ((IR_VIMM_LANE(node->imm) == 3) != is_double || as_tiny != tiny ||
            (!tiny && is_passed_on(e, i))) {
            continue;
        }
        if (tiny && is_full(node)) { /* nothing to pair it with */
            const int masks = next_masks(any);
            x64_fp_masks(e, is_double, tiny, masks, x64_use(e, VEC, ref), NOREG);
            merge_masks(e, masks);
            e->locked[VEC] = 0;
            continue;
        }
        pair[n++] = ref;
        if (n == 2) {
            const int masks = next_masks(any), ra = x64_use(e, VEC, pair[0]);
            x64_fp_masks(e, is_double, tiny, masks, ra, x64_use(e, VEC, pair[1]));
            merge_masks(e, masks);
            e->locked[VEC] = 0;
            n = 0;
        }
    }
    if (n == 1) {
        const int masks = next_masks(any);
        x64_fp_masks(e, is_double, tiny, masks, x64_use(e, VEC, pair[0]), NOREG);
        merge_masks(e, masks);
        e->locked[VEC] = 0;
    }
}

static void keep(struct x64_emit *e, ir_ref ref, unsigned until)
{
    struct x64_val *const v = x64_val(e, ref);

    if (ref != IR_REF_NONE && v->last < until) {
        v->last = (uint16_t)until;
    }
    if (v->couple != 0) {
        keep(e, v->couple, until);
    }
}

/* Undoes that. */
static void forget(struct x64_emit *e, ir_ref ref, unsigned until)
{
    struct x64_val *const v = x64_val(e, ref);

    if (ref != IR_REF_NONE && v->last == until && v->hot < until && v->seen < until) {
        v->last = v->hot > v->seen ? v->hot : v->seen;
    }
}

void x64_fp_keep(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];

    keep(e, node, e->fp_until[node]);
    keep(e, n->a, e->fp_until[node]);
    keep(e, n->b, e->fp_until[node]);
    keep(e, n->c, e->fp_until[node]);
}

void x64_fp_wait(struct x64_emit *e, ir_ref node)
{
    x64_fp_keep(e, node);
    e->fp_waiting[e->n_fp_waiting++] = node;
}

bool x64_fp_waits(const struct x64_emit *e, ir_ref ref)
{
    for (unsigned i = 0; i < e->n_fp_waiting; i++) {
        if (e->fp_waiting[i] == ref) {
            return true;
        }
    }
    return false;
}

/* What was kept for the last run alone. */
static void drop_looked(struct x64_emit *e)
{
    for (unsigned i = 0; i < e->n_fp_looked; i++) {
        const ir_ref ref = e->fp_looked[i];
        x64_drop_dead(e, ref);
        x64_drop_dead(e, e->nodes[ref].a);
        x64_drop_dead(e, e->nodes[ref].b);
        x64_drop_dead(e, e->nodes[ref].c);
    }
}

/* Of one precision, at level 4: the lanes that are sure, in a mask register. False: there are no results of it. */
static bool look_at_lanes(struct x64_emit *e, bool is_double, bool *rough)
{
    struct least least = {.is_double = is_double};
    int first = NOREG;
    bool any = look_for_least(e, &least);

    if (any) {
        x64_fp_sure(e, is_double, X64_FP_ABOVE_TINY, false, least.first, NOREG);
        *rough = true;
    }
    for (unsigned i = 0; i < e->n_fp_waiting; i++) {
        const ir_ref ref = e->fp_waiting[i];
        const struct ir_node *const n = &e->nodes[ref];
        /* What has been asked whether it is small may still be a NaN. */
        const bool as_tiny = may_be_tiny(e, n) && !least.done[i];
        if ((IR_VIMM_LANE(n->imm) == 3) != is_double || (!as_tiny && is_passed_on(e, i))) {
            continue;
        }
        if (x64_fp_is_max_min(n)) {
            const int ra = x64_use(e, VEC, n->a);
            x64_fp_sure(e, is_double, X64_FP_ORDERED, any, ra, x64_use(e, VEC, n->b));
            any = true;
            e->locked[VEC] = first != NOREG ? 1u << first : 0;
            continue;
        }
        const int reg = x64_use(e, VEC, ref);
        if (as_tiny) {
            x64_fp_sure(e, is_double, X64_FP_NOT_TINY, any, reg, NOREG);
        } else if (first == NOREG) {
            first = reg; /* it stays where it is until the second has come */
            continue;
        } else {
            x64_fp_sure(e, is_double, X64_FP_ORDERED, any, first, reg);
            first = NOREG;
        }
        any = true;
        e->locked[VEC] = first != NOREG ? 1u << first : 0;
    }
    if (first != NOREG) {
        x64_fp_sure(e, is_double, X64_FP_ORDERED, any, first, NOREG);
        any = true;
    }
    e->locked[VEC] = 0;
    return any;
}

static struct x64_stub *look_with_masks(struct x64_emit *e)
{
    struct x64_asm *const a = &e->a;
    bool rough = false;
    const bool any[2] = {look_at_lanes(e, false, &rough), look_at_lanes(e, true, &rough)};
    struct x64_stub *const stub = x64_new_stub(e, STUB_FP_RUN, (ir_ref)e->now);

    stub->rough = rough;
    for (unsigned i = 0; i < 2; i++) {
        if (any[i]) {
            x64_v(a, X64_KMOVB, RAX, NOREG, i == 0 ? 1 : 2);
            x64_alu_ri(a, 0, ALU_CMP, RAX, i == 0 ? 15 : 3);
            *(stub->jump == 0 ? &stub->jump : &stub->jump2) = x64_jcc(a, CC_NE);
        }
    }
    x64_fp_check_flags(e, stub);
    return stub;
}

static struct x64_stub *look_with_vectors(struct x64_emit *e)
{
    struct x64_asm *const a = &e->a;
    struct least least = {.is_double = false};
    bool any = look_for_least(e, &least);
    const bool rough = any;

    if (any) {
        x64_fp_masks_of_least(e, least.is_double, X0, least.first);
    }
    look(e, false, true, &least, &any);
    look(e, true, true, &least, &any);
    look(e, false, false, &least, &any);
    look(e, true, false, &least, &any);
    x64_v(a, X64_OP(PP_NONE, MAP_0F, 0x50), RAX, NOREG,
          X0); /* VMOVMSKPS: a lane of any size has a sign in it */
    x64_test_rr(a, 0, RAX, RAX);
    struct x64_stub *const stub = x64_new_stub(e, STUB_FP_RUN, (ir_ref)e->now);
    stub->rough = rough;
    stub->jump = x64_jcc(a, CC_NE);
    x64_fp_check_flags(e, stub);
    return stub;
}

static void look_at_all(struct x64_emit *e)
{
    drop_looked(e);
    struct x64_stub *const stub = e->level >= 4 ? look_with_masks(e) : look_with_vectors(e);
    stub->resume = x64_here(&e->a);
    memcpy(e->fp_looked, e->fp_waiting, sizeof(e->fp_looked));
    e->n_fp_looked = e->n_fp_waiting;
    e->n_fp_waiting = 0;
}

static bool takes_register(const struct x64_emit *e, ir_ref node)
{
    return e->fp_until[x64_in_couple(e, node)] != 0 ||
           (e->nodes[node].op == IR_LOAD && e->val[node].cls == VEC);
}

/*
 * Before a node's code: where the run ends, or when registers run out, so that values which are kept for the stubs would have to be
 * stored. Then those are not needed any more.
 */
void x64_fp_before(struct x64_emit *e, ir_ref node)
{
    if (e->n_fp_waiting == 0) {
        return;
    }
    const unsigned until = e->fp_until[e->fp_waiting[0]];
    if (until == node) {
        look_at_all(e);
    } else if (e->n_fp_waiting > 1 && takes_register(e, node) && x64_free_registers(e, VEC) < 2) {
        look_at_all(e);
        for (unsigned i = 0; i < e->n_fp_looked; i++) {
            const struct ir_node *const n = &e->nodes[e->fp_looked[i]];
            forget(e, e->fp_looked[i], until);
            forget(e, n->a, until);
            forget(e, n->b, until);
            forget(e, n->c, until);
        }
    }
}

/* --- Making again ---------------------------------------------------------------------------------------------------------------- */

void x64_fp_remember(struct x64_emit *e, struct x64_stub *stub)
{
    stub->first_redo = (uint16_t)e->n_redos;
    for (unsigned i = 0; i < e->n_fp_waiting; i++) {
        const ir_ref ref = e->fp_waiting[i];
        const struct ir_node *const n = &e->nodes[ref];
        if (e->n_redos == X64_MAX_REDOS) {
            e->failed = true;
            return;
        }
        struct x64_redo *const redo = &e->redos[e->n_redos++];
        *redo = (struct x64_redo){.node = ref, .result = x64_where_is(e, ref)};
        redo->operands[0] = x64_where_is(e, n->a);
        redo->operands[1] = x64_where_is(e, n->b);
        redo->operands[2] = x64_where_is(e, n->c);
    }
    stub->n_redos = (uint16_t)(e->n_redos - stub->first_redo);
}

static void redo(struct x64_emit *e, const struct x64_redo *r)
{
    struct x64_asm *const a = &e->a;

    for (unsigned i = 0; i < 3; i++) {
        if (r->operands[i].value != IR_REF_NONE) {
            x64_vm(a, X64_VMOVDQU_STORE, x64_load_where_vector(e, X0, &r->operands[i]), NOREG,
                   FRAME(FRAME_ARGS + 16 * i));
        }
    }
    x64_call_function(e, &e->nodes[r->node]);
    const int reg = r->result.reg != NOREG ? r->result.reg : X0;
    x64_vm(a, X64_VMOVDQU_LOAD, reg, NOREG, FRAME(FRAME_ARGS + 48));
    if (r->result.slot >= 0) {
        x64_vm(a, X64_VMOVDQU_STORE, reg, NOREG, FRAME_SLOT(r->result.slot));
    }
    if (r->result.guest >= 0) {
        x64_vm(a, X64_VMOVDQU_STORE, reg, NOREG, CPU_V(r->result.guest));
    }
}

/* What x64_fp_masks() finds, of each result; back when it is nothing. The host's flags have been looked at only where that found nothing. */
static void look_again(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const uint32_t told = x64_fp_jump_if_told(e);
    bool any = false;

    for (unsigned i = 0; i < stub->n_redos; i++) {
        const struct x64_redo *const r = &e->redos[stub->first_redo + i];
        const struct ir_node *const n = &e->nodes[r->node];
        const bool operands = x64_fp_is_max_min(n);
        for (unsigned k = 0; k < (operands ? 2 : 1); k++) {
            const int masks = next_masks(&any);
            const struct x64_where *const from = operands ? &r->operands[k] : &r->result;
            x64_fp_masks(e, IR_VIMM_LANE(n->imm) == 3, may_be_tiny(e, n), masks,
                         x64_load_where_vector(e, masks, from), NOREG);
            merge_masks(e, masks);
        }
    }
    x64_v(a, X64_OP(PP_NONE, MAP_0F, 0x50), RAX, NOREG, X0); /* VMOVMSKPS */
    x64_test_rr(a, 0, RAX, RAX);
    x64_jcc_to(a, CC_E, stub->resume);
    if (told != 0) {
        x64_patch_here(a, told);
    }
}

void x64_stub_redo(struct x64_emit *e, const struct x64_stub *stub)
{
    if (stub->kind == STUB_FP_RUN && stub->rough) {
        look_again(e, stub);
    }
    for (unsigned i = 0; i < stub->n_redos; i++) {
        redo(e, &e->redos[stub->first_redo + i]);
    }
    if (stub->n_redos != 0) {
        x64_fp_drop_flags(e);
    }
}
