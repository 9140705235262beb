/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Leaving a block: branches, calls of helpers, and the stubs behind the code. */
#include <string.h>

#include "engine/sys/exception.h"
#include "engine/x64/cache.h"
#include "engine/x64/emit.h"
#include "engine/x64/vop.h"

#define INT CLASS_INT
#define VEC CLASS_VEC

void x64_reloc(struct x64_emit *e, uint32_t rel32, const void *to)
{
    if (e->n_relocs == X64_MAX_RELOCS) {
        e->failed = true;
        return;
    }
    e->relocs[e->n_relocs++] = (struct x64_reloc){.at = rel32, .to = to};
}

void x64_fixup(struct x64_emit *e, enum x64_fixup_kind kind, uint32_t at)
{
    if (e->n_fixups == X64_MAX_FIXUPS) {
        e->movable = false;
    } else if (e->movable) {
        e->fixups[e->n_fixups++] = (struct x64_fixup){.kind = kind, .at = at & 0x3fffffff};
    }
}

void x64_mov_address(struct x64_emit *e, int reg, uint64_t address)
{
    if (!e->movable) {
        x64_mov_ri(&e->a, reg, address);
        return;
    }
    x64_mov_ri64(&e->a, reg, address);
    x64_fixup(e, FIXUP_PC, x64_here(&e->a) - 8);
}

void x64_v_literal(struct x64_emit *e, uint32_t op, int reg, int vvvv, v128 value)
{
    x64_vm(&e->a, op, reg, vvvv, x64_at(X64_RIP, 0));
    if (e->n_literals == X64_MAX_LITERALS) {
        e->failed = true;
        return;
    }
    e->literals[e->n_literals++] = (struct x64_literal){.at = x64_here(&e->a) - 4, .value = value};
}

void x64_emit_literals(struct x64_emit *e)
{
    struct x64_asm *const a = &e->a;

    if (e->n_literals != 0) {
        x64_align(a, 16, 0);
    }
    for (unsigned i = 0; i < e->n_literals; i++) {
        x64_patch_here(a, e->literals[i].at);
        x64_u64(a, e->literals[i].value.d[0]);
        x64_u64(a, e->literals[i].value.d[1]);
    }
}

static void jump_out(struct x64_emit *e, const void *to)
{
    x64_reloc(e, x64_jmp(&e->a), to);
}

void x64_set_pc(struct x64_emit *e, uint64_t pc)
{
    if (!e->movable && (int64_t)pc == (int32_t)pc) {
        x64_store_imm(&e->a, 1, CPU_FIELD(pc), (int32_t)pc);
    } else {
        x64_mov_address(e, RAX, pc);
        x64_store(&e->a, 1, RAX, CPU_FIELD(pc));
    }
}

struct x64_stub *x64_new_stub(struct x64_emit *e, enum x64_stub_kind kind, ir_ref node)
{
    if (e->n_stubs == X64_MAX_STUBS) {
        e->failed = true;
        return &e->stubs[X64_MAX_STUBS]; /* written, and never emitted */
    }
    struct x64_stub *const stub = &e->stubs[e->n_stubs++];
    *stub = (struct x64_stub){.kind = (uint8_t)kind,
                              .node = node,
                              .insn = e->nodes[node].insn,
                              .reg = NOREG,
                              .value_reg = NOREG};
    if (x64_stub_kinds[kind].shows) {
        x64_snapshot(e, stub);
    }
    if ((x64_stub_kinds[kind].shows || kind == STUB_FP_RUN) && e->n_fp_waiting != 0) {
        x64_fp_remember(e, stub);
    }
    return stub;
}

/* --- Storing guest registers on the way out --------------------------------------------------------------------------------------- */

static void load_where(struct x64_emit *e, int reg, const struct x64_where *w)
{
    uint64_t value = 0;

    if (w->reg != NOREG) {
        x64_mov_rr(&e->a, 1, reg, w->reg);
    } else if (w->slot >= 0) {
        x64_load(&e->a, 1, reg, FRAME_SLOT(w->slot));
    } else if (w->guest >= 0) {
        x64_load(&e->a, 1, reg, CPU_X(w->guest));
    } else if (x64_const(e, w->value, &value)) {
        x64_mov_ri(&e->a, reg, value);
    } else {
        x64_mov_address(e, reg, e->nodes[w->value].imm64);
    }
}

int x64_load_where_vector(struct x64_emit *e, int scratch, const struct x64_where *w)
{
    if (w->half != 0 && w->reg != NOREG) {
        x64_move_half(e, scratch, w->reg, w->half - 1u);
        return scratch;
    }
    if (w->half != 0) {
        x64_vm(&e->a, X64_VMOVQ_LOAD, scratch, NOREG,
               FRAME(FRAME_SLOTS + 16 * w->slot + 8 * (w->half - 1)));
        return scratch;
    }
    if (w->reg != NOREG && e->val[w->value].cls == VEC) {
        return w->reg;
    }
    if (w->slot >= 0) {
        x64_vm(&e->a, X64_VMOVDQU_LOAD, scratch, NOREG, FRAME_SLOT(w->slot));
    } else if (w->guest >= 0) {
        x64_vm(&e->a, X64_VMOVDQU_LOAD, scratch, NOREG, CPU_V(w->guest));
    } else {
        x64_load_value(e, VEC, scratch, w->value);
    }
    return scratch;
}

static void store_where(struct x64_emit *e, const struct x64_where *w, struct x64_mem to)
{
    uint64_t value;

    if (w->reg != NOREG) {
        x64_store(&e->a, 1, w->reg, to);
    } else if (w->slot < 0 && w->guest < 0 && x64_const(e, w->value, &value) &&
               (int64_t)value == (int32_t)value) {
        x64_store_imm(&e->a, 1, to, (int32_t)value);
    } else {
        load_where(e, RAX, w);
        x64_store(&e->a, 1, RAX, to);
    }
}

/*
 * NZCV at the end of a block are seldom read: what they are of is stored, and whoever wants them computes them (x64_settle_flags).
 * Emitted code only sees such flags: all ways to C go through the thunks, or settle them before.
 */
static void store_lazy_flags(struct x64_emit *e, const struct x64_stub *stub)
{
    const struct ir_node *const n = &e->nodes[stub->flags];

    store_where(e, &stub->flags_at[0], CPU_FIELD(x64.flags_a));
    if (n->op != IR_FLAGS_LOGIC) {
        store_where(e, &stub->flags_at[1], CPU_FIELD(x64.flags_b));
    }
    x64_store_imm(&e->a, 0, CPU_FIELD(x64.flags_kind), (int32_t)X64_FLAGS(n->op, n->type));
}

/* The host's flags of FLAGS_ADD, FLAGS_SUB or FLAGS_LOGIC, whose operands are there. Uses RAX and RCX. */
static void compute_at(struct x64_emit *e, const struct ir_node *n, const struct x64_where *fb)
{
    struct x64_asm *const a = &e->a;
    const enum x64_alu op = n->op == IR_FLAGS_SUB ? ALU_CMP : ALU_ADD;
    int32_t imm;

    if (n->op == IR_FLAGS_LOGIC) {
        x64_test_rr(a, n->type, RAX, RAX);
    } else if (fb->reg != NOREG) {
        x64_alu_rr(a, n->type, op, RAX, fb->reg);
    } else if (fb->slot < 0 && fb->guest < 0 && x64_imm32(e, fb->value, n->type, &imm)) {
        x64_alu_ri(a, n->type, op, RAX, imm);
    } else {
        load_where(e, RCX, fb);
        x64_alu_rr(a, n->type, op, RAX, RCX);
    }
}

static void pack_of(struct x64_emit *e, const struct ir_node *n, const struct x64_where *fb)
{
    compute_at(e, n, fb);
    x64_pack_flags(e, n->op == IR_FLAGS_SUB);
    x64_store(&e->a, 0, RAX, CPU_FIELD(nzcv));
}

/* CCMP's condition. */
static enum x64_cc ask(struct x64_emit *e, const struct ir_node *asked,
                       const struct x64_where at[2])
{
    const ir_ref of = x64_resolve(e, asked->a);

    if (at[0].value == of) { /* packed */
        load_where(e, RCX, &at[0]);
        return x64_packed_cc(e, RCX, asked->imm);
    }
    load_where(e, RAX, &at[0]);
    compute_at(e, &e->nodes[of], &at[1]);
    return x64_cc_after(&e->nodes[of], asked->imm);
}

/* Those of CCMP: what it would have compared is stored, and that it has, or else the constant. */
static void store_conditional_flags(struct x64_emit *e, const struct x64_stub *stub,
                                    enum x64_flags_form form)
{
    struct x64_asm *const a = &e->a;
    const struct ir_node *const n = &e->nodes[stub->flags], *const compared = x64_node(e, n->b);
    const struct x64_where *const fa = &stub->flags_at[0], *const fb = &stub->flags_at[1];
    uint64_t otherwise;

    x64_const(e, n->c, &otherwise);
    const enum x64_cc cc = ask(e, x64_node(e, n->a), stub->asked_at);
    if (form == FLAGS_LAZY) {
        x64_mov_ri(a, RAX, 0);
        x64_mov_ri(a, RCX, X64_FLAGS(compared->op, compared->type));
        x64_cmov(a, 0, cc, RAX, RCX);
        x64_store(a, 0, RAX, CPU_FIELD(x64.flags_kind));
        x64_store_imm(a, 0, CPU_FIELD(nzcv), (int32_t)(uint32_t)otherwise);
        store_where(e, fa, CPU_FIELD(x64.flags_a));
        store_where(e, fb, CPU_FIELD(x64.flags_b));
        return;
    }
    const uint32_t not_compared = x64_jcc(a, (enum x64_cc)(cc ^ 1));
    load_where(e, RAX, fa);
    pack_of(e, compared, fb);
    const uint32_t packed = x64_jmp(a);
    x64_patch_here(a, not_compared);
    x64_store_imm(a, 0, CPU_FIELD(nzcv), (int32_t)(uint32_t)otherwise);
    x64_patch_here(a, packed);
    x64_store_imm(a, 0, CPU_FIELD(x64.flags_kind), 0);
}

/* In the first round, what is stored is right. */
static void store_flags_of_round(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const struct ir_node *const n = &e->nodes[e->round.flags];

    load_where(e, RAX, &stub->round_at);
    x64_test_rr(a, 0, RAX, RAX);
    const uint32_t first = x64_jcc(a, CC_E);
    load_where(e, RAX, &stub->flags_at[0]);
    if (e->round.added != 0) {
        x64_alu_ri(a, n->type, ALU_ADD, RAX, e->round.added);
    }
    pack_of(e, n, &stub->flags_at[1]);
    x64_store_imm(a, 0, CPU_FIELD(x64.flags_kind), 0);
    x64_patch_here(a, first);
}

static void store_packed_flags(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const struct ir_node *const n = &e->nodes[stub->flags];
    const struct x64_where *const fa = &stub->flags_at[0], *const fb = &stub->flags_at[1];

    x64_store_imm(a, 0, CPU_FIELD(x64.flags_kind), 0);
    if (fa->value == stub->flags || stub->flags == IR_REF_NONE) { /* packed, or a constant */
        load_where(e, RAX, fa);
        x64_store(a, 0, RAX, CPU_FIELD(nzcv));
        return;
    }
    if (n->op == IR_VOP) {
        const int ra = x64_load_where_vector(e, XMM_SCRATCH0, fa),
                  rb = x64_load_where_vector(e, XMM_SCRATCH1, fb);
        x64_fcmp(e, n, ra, rb);
        x64_pack_fcmp(e);
        x64_store(a, 0, RAX, CPU_FIELD(nzcv));
        return;
    }
    load_where(e, RAX, fa);
    pack_of(e, n, fb);
}

static void store_flags(struct x64_emit *e, const struct x64_stub *stub, enum x64_flags_form form)
{
    const struct x64_where *const fa = &stub->flags_at[0];
    const bool computed = fa->value == stub->flags || stub->flags == IR_REF_NONE;

    if (x64_are_of_round(e, stub->flags)) {
        store_flags_of_round(e, stub);
        return;
    }
    if (!computed && e->nodes[stub->flags].op == IR_SELECT) {
        store_conditional_flags(e, stub, form);
        return;
    }
    if (form == FLAGS_LAZY && !computed && e->nodes[stub->flags].op != IR_VOP) {
        store_lazy_flags(e, stub);
    } else {
        store_packed_flags(e, stub);
    }
}

static void store_guest(struct x64_emit *e, const struct x64_saved *s)
{
    struct x64_asm *const a = &e->a;
    const struct x64_where *const w = &s->from;

    if (s->cls == VEC) {
        int reg = w->reg;
        if (w->half != 0) {
            reg = x64_load_where_vector(e, XMM_SCRATCH0, w);
        } else if (reg == NOREG) {
            reg = 0; /* XMM_SCRATCH0 */
            if (w->slot >= 0) {
                x64_vm(a, X64_VMOVDQU_LOAD, reg, NOREG, FRAME_SLOT(w->slot));
            } else {
                x64_load_value(e, VEC, reg, w->value);
            }
        }
        x64_vm(a, X64_VMOVDQU_STORE, reg, NOREG, CPU_V(s->guest));
        return;
    }
    store_where(e, w, CPU_X(s->guest));
}

void x64_stub_stores(struct x64_emit *e, const struct x64_stub *stub, enum x64_flags_form form)
{
    if (stub->flags_dirty) {
        store_flags(e, stub, form);
    }
    for (unsigned i = 0; i < stub->n_saved; i++) {
        store_guest(e, &e->saved[stub->first_saved + i]);
    }
}

void x64_stub_stores_but_carried(struct x64_emit *e, const struct x64_stub *stub, bool flags)
{
    if (flags && stub->flags_dirty) {
        store_flags(e, stub, FLAGS_LAZY);
    }
    for (unsigned i = 0; i < stub->n_saved; i++) {
        const struct x64_saved *const s = &e->saved[stub->first_saved + i];
        if (!x64_is_carried(e, (enum x64_class)s->cls, s->guest)) {
            store_guest(e, s);
        }
    }
}

/* --- Direct exits ---------------------------------------------------------------------------------------------------------------- */

static bool in_page(const struct x64_emit *e, uint64_t target)
{
    return (target ^ e->block->pc) >> 12 == 0 && (target & 3) == 0;
}

/* The last instruction has a displacement into the jump table, which is that of `target`. */
static void fixup_slot(struct x64_emit *e, uint64_t target)
{
    if (X64_JUMP_SLOT(target) * sizeof(struct x64_jump) <= INT8_MAX) {
        e->movable = false; /* it may be a short one */
    }
    x64_fixup(e, FIXUP_SLOT, x64_here(&e->a) - 4);
}

/*
 * To another page: through the jump table of the present context, whose slot is known. RAX and RCX are free.
 * Target addresses that are not canonical for the guest are not in any table.
 */
static void jump_far(struct x64_emit *e, uint64_t target)
{
    struct x64_asm *const a = &e->a;
    const int32_t offset = (int32_t)(X64_JUMP_SLOT(target) * sizeof(struct x64_jump));

    uint32_t poll = 0;
    if (x64_jump_polls(e->block->pc, target)) {
        x64_poll(a);
        poll = x64_jcc(a, CC_NE);
    }
    x64_load(a, 1, RCX, CPU_FIELD(x64.jumps));
    x64_mov_address(e, RAX, target);
    x64_alu_rm(a, 1, ALU_CMP, RAX, x64_at(RCX, offset + (int32_t)offsetof(struct x64_jump, pc)));
    fixup_slot(e, target);
    const uint32_t miss = x64_jcc(a, CC_NE);
    x64_jmp_m(a, x64_at(RCX, offset + (int32_t)offsetof(struct x64_jump, code)));
    fixup_slot(e, target);
    if (poll != 0) {
        x64_patch_here(a, poll);
    }
    x64_patch_here(a, miss);
    x64_set_pc(e, target);
    jump_out(e, e->thunks->leave_far);
}

/*
 * Inside the page: a jump that is linked when the target is there (cache.c); until then it goes to the code behind it. variant: what
 * block is wanted there beside the present mode (MODE_EACH_CHECK).
 */
static void jump_near(struct x64_emit *e, uint64_t target, uint32_t variant)
{
    struct x64_asm *const a = &e->a;

    if (e->n_exits == X64_MAX_STUBS) {
        e->failed = true;
        return;
    }
    struct x64_exit *const exit = &e->exits[e->n_exits];
    x64_align(a, 4, 1); /* patched by one store */
    exit->rel32 = x64_jmp(a);
    x64_patch_here(a, exit->rel32);
    exit->stub = x64_here(a);
    exit->pc = target;
    exit->variant = variant;
    x64_set_pc(e, target);
    x64_mov_ri64(a, RAX, (uintptr_t)e->block);
    x64_fixup(e, FIXUP_BLOCK, x64_here(a) - 8);
    x64_store(a, 1, RAX, CPU_FIELD(x64.from));
    x64_store_imm(a, 0, CPU_FIELD(x64.from_exit), (int32_t)e->n_exits);
    if (variant != 0) {
        x64_store_imm(a, 0, CPU_FIELD(x64.variant), (int32_t)variant);
    }
    jump_out(e, e->thunks->leave_unlinked);
    e->n_exits++;
}

static void leave_to(struct x64_emit *e, uint64_t target)
{
    if (in_page(e, target)) {
        jump_near(e, target, 0);
    } else {
        jump_far(e, target);
    }
}

void x64_narrow_flags(const struct x64_emit *e, struct x64_stub *stub)
{
    const ir_ref compared = x64_flags_if(e, stub->flags, &e->nodes[stub->node], true);

    if (compared != IR_REF_NONE && stub->flags_dirty && stub->flags_at[0].value != stub->flags) {
        stub->flags = compared;
    }
}

static void branch_if(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const enum x64_cc cc = x64_condition(e, n->a);

    if (x64_fork(e, node, cc)) {
        return;
    }
    struct x64_stub *const stub = x64_new_stub(e, STUB_EXIT, node);

    stub->target = n->imm64;
    stub->jump = x64_jcc(&e->a, cc);
    x64_narrow_flags(e, stub);
}

/* --- Indirect exits -------------------------------------------------------------------------------------------------------------- */

/* Of side lines, those that a branch leads to which might be taken instead. */
static bool may_ask(const struct x64_emit *e)
{
    if (!e->block->asks || e->side == NULL) {
        return e->block->asks;
    }
    const struct ir_node *const branch = &e->nodes[e->side->branch];
    const uint64_t pc = block_pc_of(e->block, branch->insn);
    return branch->imm64 != pc && branch->imm64 != pc + 4;
}

static void jump_indirect(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const int target = x64_use(e, INT, n->a);
    /* BTYPE 1 and 2 share a table, 3 has one: a block is in it when such a branch may land on it. */
    const int32_t table = (int32_t)(X64_JUMP_TABLE(e->btype) * X64_JUMP_ENTRIES *
                                    sizeof(struct x64_jump));

    x64_store_dirty(e, FLAGS_LAZY);
    x64_poll(a);
    struct x64_stub *const stub = x64_new_stub(e, STUB_INDIRECT, node);
    stub->reg = (int8_t)target;
    stub->btype = (uint8_t)e->btype;
    stub->jump = x64_jcc(a, CC_NE);
    if (may_ask(e)) {
        struct x64_stub *const asked = x64_new_stub(e, STUB_ASKED, node);
        x64_rm(a, 0, 0xff, 1, CPU_FIELD(x64.until_asked)); /* DEC */
        asked->reg = (int8_t)target;
        asked->btype = (uint8_t)e->btype;
        asked->target = e->side == NULL
                            ? 0
                            : (uint64_t)(BLOCK_WAY_BRANCH + (int8_t)e->nodes[e->side->branch].insn);
        asked->jump = x64_jcc(a, CC_E);
    }
    x64_load(a, 1, RCX, CPU_FIELD(x64.jumps));
    x64_mov_rr(a, 0, RAX, target);
    x64_alu_ri(a, 0, ALU_AND, RAX, (X64_JUMP_ENTRIES - 1) << 2);
    _Static_assert(sizeof(struct x64_jump) == 16, "an address times 4 is the slot's offset");
    x64_alu_rm(a, 1, ALU_CMP, target,
               x64_at_index(RCX, RAX, 2, table + (int32_t)offsetof(struct x64_jump, pc)));
    stub->jump2 = x64_jcc(a, CC_NE);
    x64_jmp_m(a, x64_at_index(RCX, RAX, 2, table + (int32_t)offsetof(struct x64_jump, code)));
}

static void keep_target(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_store(a, 1, stub->reg, CPU_FIELD(pc));
    if (stub->btype != 0) {
        x64_rm8(a, 0xc6, 0, CPU_FIELD(btype));
        x64_byte(a, stub->btype);
    }
}

/* The interpreter's JUMP_IND: addresses with a tag are made canonical by a function. */
static void stub_indirect(struct x64_emit *e, const struct x64_stub *stub)
{
    keep_target(e, stub);
    jump_out(e, e->thunks->leave_indirect);
}

static void stub_asked(struct x64_emit *e, const struct x64_stub *stub)
{
    keep_target(e, stub);
    x64_mov_ri64(&e->a, RSI, (uintptr_t)e->block);
    x64_fixup(e, FIXUP_BLOCK, x64_here(&e->a) - 8);
    x64_mov_ri(&e->a, RDX, stub->target);
    jump_out(e, e->thunks->leave_noted);
}

/* --- Helpers --------------------------------------------------------------------------------------------------------------------- */

static void call_helper(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);

    x64_store(a, 1, ra, FRAME(FRAME_SCRATCH));
    x64_store(a, 1, rb, FRAME(FRAME_SCRATCH + 8));
    const bool settled = e->dirty_flags && !x64_are_of_round(e, e->flags);
    x64_store_dirty(e, FLAGS_PACKED);
    x64_keep_in_frame(e);
    x64_spill_for_call(e);
    x64_count(e, offsetof(struct x64_stats, helper[n->d]));
    x64_set_pc(e, block_pc_of(e->block, n->insn));
    if (!settled) { /* they may be those of the block before */
        x64_alu_mi(a, 0, ALU_CMP, CPU_FIELD(x64.flags_kind), 0);
        const uint32_t none = x64_jcc(a, CC_E);
        x64_lea(a, 1, RDI, CPU_OFFSET(0));
        x64_call(a, (uintptr_t)x64_settle_flags);
        x64_patch_here(a, none);
    }
    x64_lea(a, 1, RDI, CPU_OFFSET(0));
    x64_lea(a, 1, RSI, FRAME(FRAME_ARGS + 48));
    x64_load(a, 1, RDX, FRAME(FRAME_SCRATCH));
    x64_load(a, 1, RCX, FRAME(FRAME_SCRATCH + 8));
    x64_mov_ri(a, R8, n->imm);
    x64_call(a, (uintptr_t)ir_helpers[n->d].fn);
    e->locked[INT] = 0;
    x64_test_rr(a, 0, RAX, RAX);
    const uint32_t leave = x64_jcc(a, CC_NE);
    if (e->n_helper_exits == X64_MAX_STUBS) {
        e->failed = true;
        return;
    }
    e->helper_exits[e->n_helper_exits++] = (struct x64_exit){
        .rel32 = leave, .stub = n->d, .pc = block_pc_of(e->block, n->insn) + 4};
    /* What is needed later has left guest memory, which the helper may have written. */
    x64_forget_memory(e);
    if (e->val[node].last > e->now) {
        x64_load(a, 1, x64_def(e, INT, node), FRAME(FRAME_ARGS + 48));
    }
}

/* IR_END: the helper is done, and the block with it. */
static void helper_stubs(struct x64_emit *e)
{
    struct x64_asm *const a = &e->a;

    for (unsigned i = 0; i < e->n_helper_exits; i++) {
        x64_patch_here(a, e->helper_exits[i].rel32);
        x64_mov_ri(a, RDX, X64_LEFT_HELPER + e->helper_exits[i].stub);
        x64_alu_ri(a, 0, ALU_CMP, RAX, IR_END);
        x64_reloc(e, x64_jcc(a, CC_NE), e->thunks->go_on_eax);
        x64_set_pc(e, e->helper_exits[i].pc);
        jump_out(e, e->thunks->go_on);
    }
}

static int sp_fault(struct a64_cpu *cpu)
{
    x64_settle_flags(cpu);
    return (int)exc_take_default(cpu, EC_SP_ALIGN, true, 0, false, 0);
}

static void stub_sp(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_stub_stores(e, stub, FLAGS_PACKED);
    x64_set_pc(e, block_pc_of(e->block, stub->insn));
    x64_lea(a, 1, RDI, CPU_OFFSET(0));
    x64_call(a, (uintptr_t)sp_fault);
    x64_mov_ri(a, RDX, X64_LEFT_SP);
    jump_out(e, e->thunks->go_on_eax);
}

/* --- All together ---------------------------------------------------------------------------------------------------------------- */

static void stub_exit(struct x64_emit *e, const struct x64_stub *stub)
{
    x64_stub_stores(e, stub, FLAGS_LAZY);
    leave_to(e, stub->target);
}

static void stub_poll(struct x64_emit *e, const struct x64_stub *stub)
{
    (void)stub;
    x64_set_pc(e, e->block->pc);
    jump_out(e, e->thunks->leave_poll);
}

void x64_stub_group(struct x64_emit *e, const struct x64_stub *stub)
{
    if (stub->barrier) {
        x64_barrier(e);
    }
    x64_stub_stores(e, stub, FLAGS_LAZY);
    jump_near(e, block_pc_of(e->block, stub->insn), MODE_EACH_CHECK);
}

/* What it is for has been done by x64_stub_redo(). */
static void stub_fp_run(struct x64_emit *e, const struct x64_stub *stub)
{
    x64_jmp_to(&e->a, stub->resume);
}

const struct x64_stub_info x64_stub_kinds[] = {
    [STUB_EXIT] = {"branch taken", stub_exit, true},
    [STUB_POLL] = {"request", stub_poll, true},
    [STUB_INDIRECT] = {"jump table miss", stub_indirect, true},
    [STUB_ASKED] = {"jump noted", stub_asked, true},
    [STUB_LOAD] = {"load in C", x64_stub_mem, true},
    [STUB_STORE] = {"store in C", x64_stub_mem, true},
    [STUB_GROUP] = {"each access alone", x64_stub_group, true},
    [STUB_ZERO] = {"DC ZVA in C", x64_stub_zero, true},
    [STUB_SP] = {"SP alignment", stub_sp, true},
    [STUB_ATOMIC] = {"atomic in C", x64_stub_atomic, true},
    [STUB_GUESS] = {"another addend", x64_stub_guess, false},
    [STUB_PAGE] = {"another page", x64_stub_page, false},
    [STUB_OUTSIDE] = {"outside of the stretch", x64_stub_outside, false},
    [STUB_SITE] = {"no page yet", x64_stub_site, false},
    [STUB_WALK] = {"other pages", x64_stub_walk, true},
    [STUB_FLAGS] = {"flags", x64_stub_flags, false},
    [STUB_VOP] = {"function in C", x64_stub_vop, false},
    [STUB_FP_RUN] = {"functions in C", stub_fp_run, false},
};

void x64_emit_stubs(struct x64_emit *e)
{
    for (unsigned i = 0; i < e->n_stubs && !e->failed; i++) {
        struct x64_stub *const stub = &e->stubs[i];
        e->stub_at[i] = x64_here(&e->a);
        x64_patch_here(&e->a, stub->jump);
        if (stub->jump2 != 0) {
            x64_patch_here(&e->a, stub->jump2);
        }
        if (stub->jump3 != 0) {
            x64_patch_here(&e->a, stub->jump3);
        }
        x64_stub_refill(e, stub);
        x64_stub_redo(e, stub);
        x64_stub_kinds[stub->kind].emit(e, stub);
    }
    e->stub_at[e->n_stubs] = x64_here(&e->a);
    helper_stubs(e);
}

static void get(struct x64_emit *e, enum x64_class cls, ir_ref node, unsigned r)
{
    /* Guest registers are read where memory is up to date: at the start, and after a helper. */
    const ir_ref old = e->memory[cls][r];

    if (old != IR_REF_NONE && e->val[old].guest == (int8_t)r && e->val[old].slot < 0 &&
        e->val[old].reg == NOREG && e->val[old].last > e->now && !e->val[old].lazy &&
        e->val[old].couple == 0) {
        x64_use(e, (enum x64_class)e->val[old].cls, old);
        e->val[old].guest = -1;
    }
    e->memory[cls][r] = node;
    e->guest[cls][r] = node;
    e->val[node].guest = (int8_t)r;
}

void x64_emit_flow(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];
    struct x64_asm *const a = &e->a;

    switch ((enum ir_op)n->op) {
    case IR_GET_X:
        if (!x64_is_carried_get(e, node)) {
            get(e, INT, node, n->imm);
        }
        break;
    case IR_GET_V:
        if (!x64_is_carried_get(e, node)) {
            get(e, VEC, node, n->imm);
        }
        break;
    case IR_GET_NZCV: {
        const int reg = x64_def(e, INT, node);
        struct x64_stub *const stub = x64_new_stub(e, STUB_FLAGS, node);
        stub->reg = (int8_t)reg;
        x64_alu_mi(a, 0, ALU_CMP, CPU_FIELD(x64.flags_kind), 0);
        stub->jump = x64_jcc(a, CC_NE);
        x64_load(a, 0, reg, CPU_FIELD(nzcv));
        stub->resume = x64_here(a);
        break;
    }
    case IR_GET_FIELD:
        x64_load(a, 1, x64_def(e, INT, node), CPU_OFFSET(n->imm));
        break;
    case IR_PUT_X:
        x64_put(e, INT, n->imm, n->a);
        break;
    case IR_PUT_V:
        x64_put(e, VEC, n->imm, n->a);
        break;
    case IR_PUT_NZCV:
        x64_put_flags(e, n->a);
        break;
    case IR_PUT_BTYPE:
        e->btype = n->imm;
        break;
    case IR_PUT_FIELD:
        x64_store(a, 1, x64_use(e, INT, n->a), CPU_OFFSET(n->imm));
        break;
    case IR_CLREX:
        x64_rm8(a, 0xc6, 0, CPU_FIELD(excl_valid));
        x64_byte(a, 0);
        break;
    case IR_CHECK_SP: {
        const int sp = x64_use(e, INT, n->a);
        struct x64_stub *const stub = x64_new_stub(e, STUB_SP, node);
        x64_test_ri(a, 0, sp, 15);
        stub->jump = x64_jcc(a, CC_NE);
        break;
    }
    case IR_JUMP:
        if (x64_is_loop(e, n)) {
            x64_emit_back_edge(e, node);
            break;
        }
        x64_store_dirty(e, FLAGS_LAZY);
        leave_to(e, n->imm64);
        break;
    case IR_BRANCH_IF: {
        const ir_ref compared = x64_flags_if(e, e->flags, n, false);
        if (x64_is_loop(e, n)) {
            x64_emit_back_edge(e, node);
        } else {
            branch_if(e, node, n);
        }
        e->flags = compared != IR_REF_NONE ? compared : e->flags;
        break;
    }
    case IR_JUMP_IND:
        jump_indirect(e, node, n);
        break;
    case IR_HELPER:
        if (x64_is_pauth(e, n)) {
            x64_emit_pauth(e, node);
        } else {
            call_helper(e, node, n);
        }
        break;
    default:
        break;
    }
}
