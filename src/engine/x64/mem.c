/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads and stores. Inline is what hits the TLB (mmu/tlb.h) and needs no further look:
 *
 *     RAX = offset of the entry of VA's slot
 *     RCX = (VA + size - 1) | 0xfff, which equals the tag when the entry is VA's and the access stays on the page; with the low size
 *           bits left out of the 0xfff the access has to be aligned as well
 *     compare, and go to the stub when different
 *     RAX = the entry's addend; [RAX + VA] is the byte
 *
 * Accesses of a block that have the same base, at offsets near each other, are a group (plan.c): the first of them makes the
 * comparison for the first and the last byte of all, and the others are one host instruction each. They need nothing but that the
 * page's translation is what it was a few instructions before, which is so within a block: who changes it waits for the next poll.
 * Where the comparison fails (no entry yet, read-only, a device, another page in the middle that lies elsewhere), nothing has been done yet,
 * and the block is left for one that checks each access by itself, from the present instruction on (MODE_EACH_CHECK).
 *
 * The addend would come two loads late where an address has itself just been loaded, as in lists. So loads guess it: the addend that
 * the instruction found last is at a known place, and the entry's is compared with it. Where memory is mapped one to one, as in a
 * kernel's map of all memory, all pages have the same. At EL0 they do not, and a wrong guess costs more than it saves.
 *
 * While memory is mapped in large leaves, as bare machines have it, or kernels their map of all memory, the context has a stretch (mmu/tlb.h).
 * Then an access asks first whether it is inside, which takes no entry and knows the addend early, and the comparison with the entry
 * is behind the block.
 *
 * Everything else is done by the same functions that the interpreter calls.
 */
#include "engine/x64/mem.h"

#include "engine/mmu/tlb.h"
#include "engine/x64/emit.h"
#include "engine/x64/vop.h"

#define INT CLASS_INT
#define VEC CLASS_VEC

#define ENTRY_SHIFT 5 /* log2 of the size of an entry */
#define SLOT_MASK   ((TLB_SLOTS - 1) << ENTRY_SHIFT)

void x64_check_place(struct x64_emit *e, const struct x64_place *p, struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const bool ordered = (p->flags &
                          (IR_MEM_ATOMIC | IR_MEM_ALIGNED | IR_MEM_ACQUIRE | IR_MEM_RELEASE)) != 0;
    const bool aligned = ordered || (e->block->mode & MODE_ALIGNED) != 0;
    uint32_t mask = (uint32_t)TLB_TAG;

    if (p->disp == 0) {
        x64_rorx(a, 1, RAX, p->base, MMU_PAGE_LOG2 - ENTRY_SHIFT);
    } else {
        x64_lea(a, 1, RAX, x64_at(p->base, p->disp));
        if (aligned && !ordered && p->align < p->size && p->align > 0) {
            x64_test_ri(a, 0, RAX, (1 << p->align) - 1);
            stub->jump2 = x64_jcc(a, CC_NE);
        }
        x64_shift_ri(a, 1, SH_SHR, RAX, MMU_PAGE_LOG2 - ENTRY_SHIFT);
    }
    if (p->disp == 0 && aligned && !ordered && p->align < p->size && p->align > 0) {
        x64_test_ri(a, 0, p->base, (1 << p->align) - 1);
        stub->jump2 = x64_jcc(a, CC_NE);
    }
    if (aligned && (ordered || p->align >= p->size)) {
        mask &= ~(p->span - 1);
    }
    x64_alu_ri(a, 0, ALU_AND, RAX, (int32_t)SLOT_MASK);
    if (p->disp == 0 && p->span == 1) {
        x64_mov_rr(a, 1, RCX, p->base);
    } else {
        x64_lea(a, 1, RCX, x64_at(p->base, p->disp + (int32_t)p->span - 1));
    }
    x64_alu_ri(a, 1, ALU_OR, RCX, (int32_t)mask);
    x64_alu_rm(a, 1, ALU_CMP, RCX,
               x64_at_index(p->table, RAX, 0,
                            p->is_store ? (int32_t)offsetof(struct tlb_entry, write)
                                        : (int32_t)offsetof(struct tlb_entry, read)));
    stub->jump = x64_jcc(a, CC_NE);
    stub->refill = (uint8_t)(1 + (p->is_store ? MMU_REFILL_STORE : 0) +
                             (p->table != R14 ? MMU_REFILL_UNPRIV : 0));
    const struct x64_mem addend = x64_at_index(p->table, RAX, 0,
                                               (int32_t)offsetof(struct tlb_entry, addend));
    if (p->guess == IR_REF_NONE) {
        x64_load(a, 1, p->addend, addend);
        return;
    }
    const uint64_t pc = block_pc_of(e->block, e->nodes[p->guess].insn);
    struct x64_stub *const other = x64_new_stub(e, STUB_GUESS, p->guess);
    other->reg = (int8_t)p->addend;
    other->base = (int8_t)p->table;
    other->disp = (int32_t)offsetof(struct a64_cpu, x64.guesses[pc / 4 % X64_GUESSES]);
    x64_load(a, 1, p->addend, CPU_OFFSET(other->disp));
    x64_alu_rm(a, 1, ALU_CMP, p->addend, addend);
    other->jump = x64_jcc(a, CC_NE);
    other->resume = x64_here(a);
}

/* In RCX, the last byte of the page that has base + disp. */
static void find_page(struct x64_asm *a, int base, int32_t disp)
{
    x64_lea(a, 1, RCX, x64_at(base, disp));
    x64_alu_ri(a, 1, ALU_OR, RCX, (int32_t)TLB_TAG);
}

/*
 * A group across two pages that have the same addend, as where memory is mapped as it lies, is checked by both entries, and goes on behind
 * the comparison, with what it would have found for the second page. RAX is the offset of the first byte's entry, and RAX and RCX are
 * as they were, where that one does not answer. Gives the jumps of those that have to be made one by one.
 */
static void try_both_pages(struct x64_emit *e, const struct x64_stub *stub, uint32_t alone[2])
{
    const struct x64_group *const group = x64_group_of(e, stub->node);
    const int32_t field = group->is_store ? (int32_t)offsetof(struct tlb_entry, write)
                                          : (int32_t)offsetof(struct tlb_entry, read);
    const struct x64_mem addend = x64_at_index(R14, RAX, 0,
                                               (int32_t)offsetof(struct tlb_entry, addend));
    struct x64_asm *const a = &e->a;

    find_page(a, stub->base, group->min);
    x64_alu_rm(a, 1, ALU_CMP, RCX, x64_at_index(R14, RAX, 0, field));
    const uint32_t other = x64_jcc(a, CC_NE);
    x64_load(a, 1, RCX, addend);
    x64_store(a, 1, RCX, FRAME(FRAME_SCRATCH));
    x64_lea(a, 1, RAX, x64_at(stub->base, group->max - 1));
    x64_shift_ri(a, 1, SH_SHR, RAX, MMU_PAGE_LOG2 - ENTRY_SHIFT);
    x64_alu_ri(a, 0, ALU_AND, RAX, (int32_t)SLOT_MASK);
    x64_load(a, 1, RCX, addend);
    x64_alu_rm(a, 1, ALU_CMP, RCX, FRAME(FRAME_SCRATCH));
    alone[0] = x64_jcc(a, CC_NE);
    find_page(a, stub->base, group->max - 1);
    x64_alu_rm(a, 1, ALU_CMP, RCX, x64_at_index(R14, RAX, 0, field));
    x64_jcc_to(a, CC_E, stub->jump + 4);
    alone[1] = x64_jmp(a);
    x64_patch_here(a, other);
    find_page(a, stub->base, group->max - 1);
}

/* Most misses are answered without anything else than the entry: back to behind the comparison. */
void x64_stub_refill(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    uint32_t alone[2];

    if (stub->refill == 0 || stub->jump2 != 0) {
        return; /* jump2 is another reason to come here */
    }
    const struct x64_group *const group = x64_group_of(e, stub->node);
    const bool may_cross = stub->kind == STUB_GROUP && group != NULL && group->pair == PAIR_NONE;
    if (may_cross) {
        try_both_pages(e, stub, alone);
    }
    if (mmu_can_refill_in_place()) {
        x64_byte(a, 0xe8);
        x64_u32(a, 0);
        x64_reloc(e, x64_here(a) - 4, e->thunks->refill[stub->refill - 1]);
        x64_jcc_to(a, CC_NE, stub->jump + 4);
    }
    for (unsigned i = 0; i < 2 && may_cross; i++) {
        x64_patch_here(a, alone[i]);
    }
}

/* --- Accesses in order (loop.c) --- */

#define SITE_LIMIT(site)  FRAME(FRAME_SITES + 16 * (int32_t)(site))
#define SITE_ADDEND(site) FRAME(FRAME_SITES + 16 * (int32_t)(site) + 8)
#define END_PAGES         0x2000 /* no site has a page that near to either end of the address space */

struct x64_place x64_place_of(const struct x64_emit *e, ir_ref node, int base)
{
    const struct ir_node *const n = &e->nodes[node];
    const struct x64_group *const group = x64_group_of(e, node);
    struct x64_place p = {.base = base,
                          .table = R14,
                          .addend = RAX,
                          .size = n->type,
                          .span = 1u << n->type,
                          .flags = n->flags,
                          .align = n->d,
                          .is_store = n->op == IR_STORE};
    ir_ref unused;

    x64_split_address(e, n->a, &unused, &p.disp);
    if (group != NULL) {
        p.disp = group->min;
        p.span = (unsigned)(group->max - group->min);
        p.is_store = group->is_store;
    }
    return p;
}

/* After the comparison: RCX is the page's last byte, RAX the addend. Both are lost. */
static void set_site(struct x64_emit *e, unsigned site, const struct x64_place *p)
{
    struct x64_asm *const a = &e->a;

    x64_store(a, 1, RAX, SITE_ADDEND(site));
    x64_lea(a, 1, RAX, x64_at(RCX, 1 + END_PAGES - (int32_t)MMU_PAGE_SIZE));
    x64_lea(a, 1, RCX, x64_at(RCX, 2 - (int32_t)p->span - p->disp));
    x64_store(a, 1, RCX, SITE_LIMIT(site));
    x64_alu_ri(a, 1, ALU_CMP, RAX, 2 * END_PAGES);
}

void x64_fill_site(struct x64_emit *e, unsigned site, int base)
{
    const struct x64_place p = x64_place_of(e, e->sites[site].node, base);
    struct x64_stub *const stub = x64_new_stub(e, STUB_SITE, e->sites[site].node);

    stub->other = (uint16_t)site;
    x64_check_place(e, &p, stub);
    set_site(e, site, &p);
    stub->jump2 = x64_jcc(&e->a, CC_B);
    stub->resume = x64_here(&e->a);
}

void x64_stub_site(struct x64_emit *e, const struct x64_stub *stub)
{
    x64_store_imm(&e->a, 1, SITE_LIMIT(stub->other), 0);
    x64_jmp_to(&e->a, stub->resume);
}

/* The address has left the page: the usual way, and the new page is noted. */
void x64_stub_page(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    const unsigned site = x64_site_of(e, stub->node) - 1;
    const struct x64_place p = x64_place_of(e, stub->node, stub->base);

    x64_check_place(e, &p, &e->stubs[stub->other]);
    set_site(e, site, &p);
    const uint32_t noted = x64_jcc(a, CC_AE);
    x64_store_imm(a, 1, SITE_LIMIT(site), 0);
    x64_patch_here(a, noted);
    x64_load(a, 1, stub->reg, SITE_ADDEND(site));
    x64_jmp_to(a, stub->resume);
}

/* RAX is still the offset of the entry. */
void x64_stub_guess(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_load(a, 1, stub->reg,
             x64_at_index(stub->base, RAX, 0, (int32_t)offsetof(struct tlb_entry, addend)));
    x64_store(a, 1, stub->reg, CPU_OFFSET(stub->disp));
    x64_jmp_to(a, stub->resume);
}

/* --- Stretches --- */

_Static_assert(TLB_STRETCH_SPAN >= X64_GROUP_SPAN + 16, "one comparison of a group's first byte");

static struct x64_mem stretch_field(bool is_store, size_t field)
{
    const size_t at = sizeof(struct tlb_stretch) * (is_store ? STRETCH_STORE : STRETCH_LOAD) +
                      field;

    return x64_at(R14, (int32_t)at - (int32_t)offsetof(struct tlb_table, entries));
}

/* Not where alignment matters, and not where the address is seen to be outside: of a stack somewhere else, for one. */
static bool wants_stretch(const struct x64_emit *e, ir_ref node, const struct x64_place *p)
{
    const uint64_t pc = e->block->pc + 4ull * e->nodes[node].insn;
    ir_ref base;
    int32_t disp;

    if ((p->flags & X64_NOT_PLAIN) != 0 || (e->block->mode & MODE_ALIGNED) != 0 ||
        !mmu_wants_stretch(e->cpu, pc, p->is_store)) {
        return false;
    }
    x64_split_address(e, e->nodes[node].a, &base, &disp);
    const struct ir_node *const n = x64_node(e, base);
    return n->op == IR_GET_X
               ? mmu_in_stretch(e->cpu, e->cpu->x[n->imm] + (uint64_t)(int64_t)p->disp, p->is_store)
           : n->op == IR_CONST
               ? mmu_in_stretch(e->cpu, n->imm64 + (uint64_t)(int64_t)p->disp, p->is_store)
               : true;
}

/* Some access behind the present one, on the same line, asks the same stretch. */
static bool is_asked_later(const struct x64_emit *e, bool is_store)
{
    const unsigned end = e->side != NULL ? e->side->end : e->main_end;

    for (unsigned i = e->now + 1; i < end; i++) {
        const ir_ref node = (ir_ref)i;
        const unsigned op = e->nodes[i].op;
        const struct x64_group *const group = x64_group_of(e, i);
        if ((op != IR_LOAD && op != IR_STORE) || (group != NULL && group->leader != i) ||
            x64_site_of(e, node) != 0 || x64_walking_site(e, node) != NULL) {
            continue;
        }
        const struct x64_place p = x64_place_of(e, node, NOREG);
        if (p.is_store == is_store && wants_stretch(e, node, &p)) {
            return true;
        }
    }
    return false;
}

/* A register that has it for all accesses; NOREG: there is no other access, or no register left. */
static int hold_of_stretch(struct x64_emit *e, bool is_store, bool is_addend)
{
    const ir_ref ref = x64_stretch_ref(e, is_store, is_addend);
    int reg = e->val[ref].reg;

    if (reg != NOREG) {
        e->locked[INT] |= 1u << reg;
    } else if (is_asked_later(e, is_store)) {
        reg = x64_def_spare(e, ref);
        if (reg != NOREG) {
            x64_load(&e->a, 1, reg,
                     stretch_field(is_store, is_addend
                                                 ? offsetof(struct tlb_stretch, addend)
                                                 : offsetof(struct tlb_stretch, minus_first)));
        }
    }
    return reg;
}

/* minus_first: a register that has it; NOREG. */
static void ask_stretch(struct x64_emit *e, const struct x64_place *p, int minus_first,
                        struct x64_stub *outside)
{
    struct x64_asm *const a = &e->a;

    if (minus_first != NOREG) {
        x64_lea(a, 1, RAX, x64_at_index(p->base, minus_first, 0, p->disp));
    } else if (p->disp == 0) {
        x64_mov_rr(a, 1, RAX, p->base);
    } else {
        x64_lea(a, 1, RAX, x64_at(p->base, p->disp));
    }
    if (minus_first == NOREG) {
        x64_alu_rm(a, 1, ALU_ADD, RAX,
                   stretch_field(p->is_store, offsetof(struct tlb_stretch, minus_first)));
    }
    x64_alu_rm(a, 1, ALU_CMP, RAX, stretch_field(p->is_store, offsetof(struct tlb_stretch, size)));
    outside->jump = x64_jcc(a, CC_AE);
    if (!outside->accesses) {
        x64_load(a, 1, p->addend, stretch_field(p->is_store, offsetof(struct tlb_stretch, addend)));
        outside->resume = x64_here(a);
    }
}

static int table_of(struct x64_emit *e, unsigned flags)
{
    if ((flags & IR_MEM_UNPRIV) == 0) {
        return R14;
    }
    const int table = x64_temp(e, INT);
    x64_load(&e->a, 1, table, CPU_FIELD(x64.tlb_unpriv));
    return table;
}

/* Where the host finds the byte of a load or store. */
struct place {
    int base, addend;
    unsigned scale;
    int32_t disp;
};

static struct x64_mem at(const struct place *p)
{
    return x64_at_index(p->addend, p->base, p->scale, p->disp);
}

/*
 * The base is in a register. In a group that has been checked, the addend is there: true. Before what may need a stub, the caller has to
 * have all operands in registers.
 */
static bool find_place(struct x64_emit *e, ir_ref node, struct place *p)
{
    const struct x64_group *const group = x64_group_of(e, node);
    const struct x64_address address = x64_address_of(e, node);

    p->base = x64_use(e, INT, address.base);
    p->scale = address.scale;
    p->disp = address.disp;
    if (group == NULL || group->leader == node) {
        return false;
    }
    p->addend = x64_use(e, INT, group->value);
    return true;
}

/* The first byte's address may be in a register as a whole: that of a push is SP from then on. */
static void find_whole(const struct x64_emit *e, ir_ref node, struct x64_place *p)
{
    const ir_ref address = x64_resolve(e, e->nodes[node].a);
    const struct x64_val *const v = &e->val[address];
    ir_ref base;
    int32_t disp;

    x64_split_address(e, address, &base, &disp);
    if (disp != 0 && disp == p->disp && v->cls == INT && v->reg != NOREG &&
        e->held[INT][v->reg] == address) {
        p->base = v->reg;
        p->disp = 0;
    }
}

/* Checks it, alone or with its group. NULL: it was checked with its walk. */
static struct x64_stub *check(struct x64_emit *e, ir_ref node, struct place *p)
{
    const struct x64_group *const group = x64_group_of(e, node);
    const struct x64_site *const walking = x64_walking_site(e, node);
    const unsigned site = x64_site_of(e, node);
    struct x64_place checked = x64_place_of(e, node, p->base);
    const bool is_load = e->nodes[node].op == IR_LOAD;
    struct x64_stub *elsewhere = NULL;
    const bool by_itself = site == 0 && walking == NULL;
    const bool stretch = by_itself && wants_stretch(e, node, &checked);

    if (by_itself && !stretch && e->guesses && is_load) {
        checked.guess = node;
    }
    if (group != NULL) {
        checked.addend = x64_def(e, INT, group->value);
    } else if (checked.guess != IR_REF_NONE) {
        checked.addend = RCX;
    }
    /* Registers are found before a stub notes what is where. */
    checked.table = table_of(e, checked.flags);
    const int minus_first = stretch ? hold_of_stretch(e, checked.is_store, false) : NOREG;
    const int addend = stretch && group == NULL ? hold_of_stretch(e, checked.is_store, true)
                                                : NOREG;
    p->addend = addend != NOREG ? addend : checked.addend;
    if (walking != NULL) {
        p->addend = x64_site_addend(e, walking, group != NULL ? p->addend : NOREG);
        return NULL;
    }
    if (site != 0 ||
        stretch) { /* its code leads to the access's stub, and has to be made before that */
        elsewhere = x64_new_stub(e, site != 0 ? STUB_PAGE : STUB_OUTSIDE, node);
        elsewhere->base = (int8_t)p->base;
        elsewhere->reg = (int8_t)checked.addend;
        elsewhere->accesses = addend != NOREG;
        elsewhere->other = (uint16_t)e->n_stubs;
    }
    struct x64_stub *const stub = x64_new_stub(e,
                                               group != NULL ? STUB_GROUP
                                               : is_load     ? STUB_LOAD
                                                             : STUB_STORE,
                                               node);
    stub->base = (int8_t)p->base;
    stub->disp = p->disp;
    if (site != 0) {
        x64_alu_rm(&e->a, 1, ALU_CMP, p->base, SITE_LIMIT(site - 1));
        elsewhere->jump = x64_jcc(&e->a, CC_AE);
        x64_load(&e->a, 1, p->addend, SITE_ADDEND(site - 1));
        elsewhere->resume = x64_here(&e->a);
        return stub;
    }
    find_whole(e, node, &checked);
    if (stretch) {
        ask_stretch(e, &checked, minus_first, elsewhere);
    } else {
        x64_check_place(e, &checked, stub);
    }
    return stub;
}

static void move_in(struct x64_emit *e, int rd, struct x64_mem m, unsigned size, unsigned flags)
{
    struct x64_asm *const a = &e->a;
    const bool s64 = (flags & IR_MEM_SEXT64) != 0, s32 = (flags & IR_MEM_SEXT32) != 0;

    switch (size) {
    case 0:
        x64_rm(a, s64, X64_0F(s64 || s32 ? 0xbe : 0xb6), rd, m);
        break;
    case 1:
        x64_rm(a, s64, X64_0F(s64 || s32 ? 0xbf : 0xb7), rd, m);
        break;
    case 2:
        x64_rm(a, s64, s64 ? 0x63 : 0x8b, rd, m);
        break;
    default:
        x64_load(a, 1, rd, m);
        break;
    }
}

static void move_in_vector(struct x64_emit *e, int rd, struct x64_mem m, unsigned size)
{
    const uint32_t op = size == 4 ? X64_VMOVDQU_LOAD : size == 3 ? X64_VMOVQ_LOAD : X64_VMOVD_LOAD;

    x64_vm(&e->a, op, rd, NOREG, m);
}

static void access_load(struct x64_emit *e, const struct x64_stub *stub, struct x64_mem m)
{
    const struct ir_node *const n = &e->nodes[stub->node];

    if (e->val[stub->node].cls == VEC) {
        move_in_vector(e, stub->reg, m, n->type);
    } else {
        move_in(e, stub->reg, m, n->type, n->flags);
    }
}

static void emit_load(struct x64_emit *e, ir_ref node)
{
    const enum x64_class cls = (enum x64_class)e->val[node].cls;
    struct x64_stub unchecked = {.node = node}, *stub = NULL;
    struct place p;

    const bool checked = find_place(e, node, &p);
    if (x64_couple_of(e, node) != NULL) { /* in a walk, which has been checked */
        if (!checked) {
            check(e, node, &p);
        }
        x64_load_half(e, node, at(&p));
        return;
    }
    const int rd = x64_def(e, cls, node);
    if (!checked) {
        stub = check(e, node, &p);
    }
    stub = stub != NULL ? stub : &unchecked;
    stub->reg = (int8_t)rd;
    access_load(e, stub, at(&p));
    stub->resume = x64_here(&e->a);
}

/* LOCK OR of the frame: a full barrier, cheaper than MFENCE. */
void x64_barrier(struct x64_emit *e)
{
    x64_byte(&e->a, 0xf0);
    x64_alu_mi(&e->a, 0, ALU_OR, FRAME(FRAME_SCRATCH), 0);
}

/* What comes next of all that may read memory or leave the block is a barrier by itself: which; IR_REF_NONE: it is not. */
static ir_ref barrier_behind(const struct x64_emit *e, ir_ref node)
{
    for (unsigned i = node + 1u; i < e->n_nodes; i++) {
        const struct ir_node *const n = &e->nodes[i];
        if (n->op == IR_FENCE || n->op == IR_HELPER || e->observer[i] == i) {
            const bool is_one = x64_is_locked(e, (ir_ref)i) ||
                                (n->op == IR_FENCE && n->imm == IR_FENCE_FULL);
            return is_one ? (ir_ref)i : IR_REF_NONE;
        }
    }
    return IR_REF_NONE;
}

/* The value is in the stub: a register, or a constant. */
static void access_store(struct x64_emit *e, const struct x64_stub *stub, struct x64_mem m)
{
    struct x64_asm *const a = &e->a;
    const struct ir_node *const n = &e->nodes[stub->node];
    const int value = stub->value_reg;
    const bool immediate = value == NOREG;
    const int32_t imm = (int32_t)stub->target;

    if (stub->value_is_vector) {
        switch (n->type) {
        case 4:
            x64_vm(a, X64_VMOVDQU_STORE, value, NOREG, m);
            break;
        case 3:
            x64_vm(a, X64_VMOVQ_STORE, value, NOREG, m);
            break;
        case 2:
            x64_vm(a, X64_VMOVD_STORE, value, NOREG, m);
            break;
        default: /* VPEXTRB, VPEXTRW */
            x64_vmi(a, X64_OP(PP_66, MAP_0F3A, n->type == 0 ? 0x14 : 0x15), value, NOREG, m, 0);
            break;
        }
    } else {
        if (n->type == 1) {
            x64_byte(a, 0x66);
        }
        if (immediate) {
            if (n->type == 0) {
                x64_rm8(a, 0xc6, 0, m);
                x64_byte(a, (uint8_t)imm);
            } else {
                x64_rm(a, n->type == 3, 0xc7, 0, m);
                if (n->type == 1) {
                    x64_byte(a, (uint8_t)imm);
                    x64_byte(a, (uint8_t)(imm >> 8));
                } else {
                    x64_u32(a, (uint32_t)imm);
                }
            }
        } else if (n->type == 0) {
            x64_rm8(a, 0x88, value, m);
        } else {
            x64_rm(a, n->type == 3, 0x89, value, m);
        }
    }
}

static void emit_store(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_stub unchecked = {.node = node}, *stub = NULL;
    struct place p;
    unsigned lane;
    int32_t imm;
    int value = NOREG;
    bool vector = n->type == 4;
    ir_ref from = n->b;

    const bool checked = find_place(e, node, &p);
    if (x64_lane_of(e, n->b, n->type, &lane) && lane == 0) {
        from = x64_node(e, n->b)->a;
        vector = true;
    }
    const bool immediate = !vector && x64_imm32(e, from, 1, &imm) && x64_val(e, from)->reg == NOREG;
    if (!immediate) {
        value = x64_use(e, vector ? VEC : INT, from);
    }
    if (!checked) {
        stub = check(e, node, &p);
    }
    stub = stub != NULL ? stub : &unchecked;
    stub->value_reg = (int8_t)value;
    stub->value_is_vector = vector;
    stub->target = immediate ? (uint64_t)imm : 0;
    access_store(e, stub, at(&p));
    if ((n->flags & IR_MEM_RELEASE) != 0) {
        e->owes_barrier = barrier_behind(e, node);
        if (e->owes_barrier == IR_REF_NONE) {
            x64_barrier(e);
        }
    }
    stub->resume = x64_here(&e->a);
}

/* Outside of the stretch: the entry's comparison. The straight path's addend may be what others need, too. */
void x64_stub_outside(struct x64_emit *e, const struct x64_stub *stub)
{
    const struct x64_stub *const access = &e->stubs[stub->other];
    struct x64_place p = x64_place_of(e, stub->node, stub->base);

    p.addend = stub->reg;
    x64_check_place(e, &p, &e->stubs[stub->other]);
    if (!stub->accesses) {
        x64_jmp_to(&e->a, stub->resume);
        return;
    }
    const struct x64_mem m = x64_at_index(stub->reg, stub->base, 0, access->disp);
    if (p.is_store) {
        access_store(e, access, m);
    } else {
        access_load(e, access, m);
    }
    x64_jmp_to(&e->a, access->resume);
}

/* --- Slow paths ------------------------------------------------------------------------------------------------------------------ */

/* No CALL: it may never return, and the host's predictions of returns would be off by one for each. */
static void call_thunk(struct x64_emit *e, const struct x64_access *access, const void *thunk)
{
    struct x64_asm *const a = &e->a;
    const uint8_t *const bytes = (const uint8_t *)access;

    x64_lea(a, 1, RAX, x64_at(X64_RIP, 0));
    const uint32_t description = x64_here(a) - 4;
    x64_reloc(e, x64_jmp(a), thunk);
    x64_patch_here(a, description);
    for (unsigned i = 0; i < sizeof(*access); i++) {
        x64_byte(a, bytes[i]);
    }
}

/* Calls the thunk; the operands are in the frame but for the address, which is base + disp. The result is in FRAME_ARGS[3]. */
static void call_slow(struct x64_emit *e, ir_ref node, int base, int32_t disp)
{
    struct x64_asm *const a = &e->a;

    if (base != RAX || disp != 0) {
        x64_lea(a, 1, RAX, x64_at(base, disp));
    }
    x64_store(a, 1, RAX, FRAME(FRAME_VA));
    const struct ir_node *const n = &e->nodes[node];
    const struct x64_access access = {
        .pc = block_pc_of(e->block, n->insn),
        .iss = n->op == IR_LOAD || n->op == IR_STORE || n->op == IR_HELPER ? n->imm : 0,
        .op = n->op,
        .size = n->type,
        .flags = n->flags,
        .align = (uint8_t)n->d,
        .block = e->block,
    };
    const bool is_plain = (n->op == IR_LOAD || n->op == IR_STORE) &&
                          (n->flags & IR_MEM_UNPRIV) == 0 && n->type < X64_PLAIN_SIZES;
    call_thunk(e, &access,
               is_plain ? e->thunks->plain_access[n->op == IR_STORE][n->type]
                        : e->thunks->slow_access);
    const uint32_t at = x64_here(a) - (uint32_t)sizeof(access);
    x64_fixup(e, FIXUP_PC, at + (uint32_t)offsetof(struct x64_access, pc));
    x64_fixup(e, FIXUP_BLOCK, at + (uint32_t)offsetof(struct x64_access, block));
}

static void take_result(struct x64_emit *e, enum x64_class cls, int reg)
{
    if (cls == VEC) {
        x64_vm(&e->a, X64_VMOVDQU_LOAD, reg, NOREG, FRAME(FRAME_ARGS + 48));
    } else {
        x64_load(&e->a, 1, reg, FRAME(FRAME_ARGS + 48));
    }
}

void x64_stub_mem(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    x64_stub_stores(e, stub, FLAGS_PACKED);
    if (stub->kind == STUB_STORE) {
        const struct x64_mem to = FRAME(FRAME_ARGS);
        if (stub->value_reg == NOREG) {
            x64_store_imm(a, 1, to, (int32_t)(uint32_t)stub->target);
        } else if (stub->value_is_vector) {
            x64_vm(a, X64_VMOVDQU_STORE, stub->value_reg, NOREG, to);
        } else {
            x64_store(a, 1, stub->value_reg, to);
        }
    }
    call_slow(e, stub->node, stub->base, stub->disp);
    if (stub->kind == STUB_LOAD) {
        take_result(e, (enum x64_class)e->val[stub->node].cls, stub->reg);
    }
    x64_jmp_to(a, stub->resume);
}

/* NZCV as they were at the block's start, when they have not been computed yet. */
void x64_stub_flags(struct x64_emit *e, const struct x64_stub *stub)
{
    const struct x64_access access = {.op = IR_GET_NZCV};
    struct x64_asm *const a = &e->a;
    uint32_t done[2];

    /* Of comparisons they are computed here, of others in C. */
    for (unsigned sf = 0; sf < 2; sf++) {
        x64_alu_mi(a, 0, ALU_CMP, CPU_FIELD(x64.flags_kind), (int32_t)X64_FLAGS(IR_FLAGS_SUB, sf));
        const uint32_t other = x64_jcc(a, CC_NE);
        x64_load(a, sf, RAX, CPU_FIELD(x64.flags_a));
        x64_alu_rm(a, sf, ALU_CMP, RAX, CPU_FIELD(x64.flags_b));
        done[sf] = x64_jmp(a);
        x64_patch_here(a, other);
    }
    call_thunk(e, &access, e->thunks->slow_access);
    take_result(e, INT, stub->reg);
    x64_jmp_to(a, stub->resume);
    x64_patch_here(a, done[0]);
    x64_patch_here(a, done[1]);
    x64_pack_flags(e, true);
    x64_store(a, 0, RAX, CPU_FIELD(nzcv));
    x64_store_imm(a, 0, CPU_FIELD(x64.flags_kind), 0);
    x64_mov_rr(a, 0, stub->reg, RAX);
    x64_jmp_to(a, stub->resume);
}

void x64_call_function(struct x64_emit *e, const struct ir_node *n)
{
    const struct x64_access access = {.op = IR_VOP, .iss = n->imm, .pc = n->d};

    call_thunk(e, &access, e->thunks->slow_access);
}

/* The operation again, in C: its operands are in the registers that it had them in. */
void x64_stub_vop(struct x64_emit *e, const struct x64_stub *stub)
{
    for (unsigned i = 0; i < 3; i++) {
        if (stub->operands[i] != NOREG) {
            x64_vm(&e->a, X64_VMOVDQU_STORE, stub->operands[i], NOREG, FRAME(FRAME_ARGS + 16 * i));
        }
    }
    x64_call_function(e, &e->nodes[stub->node]);
    take_result(e, (enum x64_class)e->val[stub->node].cls, stub->reg);
    x64_fp_drop_flags(e);
    x64_jmp_to(&e->a, stub->resume);
}

/* DC ZVA. */
static void emit_zero(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const struct x64_place p = {
        .base = x64_use(e, INT, n->a), .table = R14, .addend = RAX, .span = 1, .is_store = true};
    struct x64_stub *const stub = x64_new_stub(e, STUB_ZERO, node);
    const int32_t size = 1 << n->type;

    stub->base = (int8_t)p.base;
    if ((e->block->mode & MODE_ALIGNED) != 0) { /* to Device memory it faults */
        stub->jump = x64_jmp(a);
        stub->resume = x64_here(a);
        return;
    }
    x64_check_place(e, &p, stub);
    x64_alu_rr(a, 1, ALU_ADD, RAX, p.base);
    x64_alu_ri(a, 1, ALU_AND, RAX, -size);
    x64_v(a, X64_OP(PP_66, MAP_0F, 0xef), XMM_SCRATCH0, XMM_SCRATCH0, XMM_SCRATCH0); /* VPXOR */
    for (int32_t at = 0; at < size; at += 16) {
        x64_vm(a, X64_VMOVDQU_STORE, XMM_SCRATCH0, NOREG, x64_at(RAX, at));
    }
    stub->resume = x64_here(a);
}

void x64_stub_zero(struct x64_emit *e, const struct x64_stub *stub)
{
    x64_stub_stores(e, stub, FLAGS_PACKED);
    call_slow(e, stub->node, stub->base, 0);
    x64_jmp_to(&e->a, stub->resume);
}

void x64_stub_atomic(struct x64_emit *e, const struct x64_stub *stub)
{
    if (stub->barrier) {
        x64_barrier(e);
    }
    x64_stub_stores(e, stub, FLAGS_PACKED);
    for (unsigned i = 0; i < 2; i++) {
        if (stub->operands[i] != NOREG) {
            x64_store(&e->a, 1, stub->operands[i], FRAME(FRAME_ARGS + 16 * i));
        }
    }
    call_slow(e, stub->node, stub->base, 0);
    take_result(e, INT, stub->reg);
    x64_jmp_to(&e->a, stub->resume);
}

static void operand_to_frame(struct x64_emit *e, ir_ref ref, bool vector, unsigned n)
{
    const struct x64_mem to = FRAME(FRAME_ARGS + 16 * n);

    if (vector) {
        x64_vm(&e->a, X64_VMOVDQU_STORE, x64_use(e, VEC, ref), NOREG, to);
    } else {
        x64_store(&e->a, 1, x64_use(e, INT, ref), to);
    }
}

/* Exclusives and atomics: the functions that the interpreter calls. */
static void emit_atomic(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const bool vector = n->type == 4, result_vector = vector && n->op != IR_STX;

    if (n->op != IR_LDX) {
        operand_to_frame(e, n->b, vector, 0);
    }
    if (n->op == IR_CAS) {
        operand_to_frame(e, n->c, vector, 1);
    }
    x64_mov_rr(&e->a, 1, RAX, x64_use(e, INT, n->a));
    x64_store(&e->a, 1, RAX, FRAME(FRAME_VA));
    x64_store_dirty(e, FLAGS_PACKED);
    x64_load(&e->a, 1, RAX, FRAME(FRAME_VA));
    call_slow(e, node, RAX, 0);
    if (e->val[node].last > e->now) {
        const enum x64_class cls = result_vector ? VEC : INT;
        take_result(e, cls, x64_def(e, cls, node));
    }
}

void x64_emit_mem(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];

    switch ((enum ir_op)n->op) {
    case IR_LOAD:
        emit_load(e, node);
        break;
    case IR_STORE:
        emit_store(e, node, n);
        break;
    case IR_ZERO:
        emit_zero(e, node, n);
        break;
    case IR_FENCE:
        /* Of the host's reorderings only that of a store with a later load is possible. */
        if (n->imm == IR_FENCE_FULL) {
            x64_barrier(e);
        }
        break;
    default:
        if (!x64_emit_atomic(e, node)) {
            emit_atomic(e, node, n);
        }
        break;
    }
}
