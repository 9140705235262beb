/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Accesses of a loop whose addresses move with one guest register, and by nothing else. While that register is below a limit all of them
 * are on the pages that were last checked: the head compares it once for all, and an access is a load of its addend, which contains
 * what does not move, and itself. It cannot fault, so that nobody sees guest registers there.
 *
 * The limits and addends are made when the loop is entered, and each time that a register reaches its limit. Where a page does not answer
 * (no permission, a device, code, a walk is needed that writes descriptors) the block is left for one round, whose accesses are
 * checked one by one (MODE_EACH_CHECK). It is no matter that an access for which that is done may not be reached in this round: nothing
 * but the TLB changes.
 */
#include "engine/mmu/mmu.h"
#include "engine/mmu/tlb.h"
#include "engine/x64/emit.h"
#include "engine/x64/mem.h"

#define INT CLASS_INT

#define WALK_LIMIT(walk) FRAME(FRAME_WALKS + 8 * (int32_t)(walk))
#define SUM              FRAME(FRAME_SCRATCH)     /* of what does not move */
#define ADDRESS          FRAME(FRAME_SCRATCH + 8) /* of the access, without its displacement */

/* A register is compared as a signed number, because indices often go from below 0 up to it. None comes so near to the greatest. */
#define MOST_ADVANCE (4 * (int32_t)MMU_PAGE_SIZE)

/* --- Planning -------------------------------------------------------------------------------------------------------------------- */

static bool moves(const struct x64_emit *e, ir_ref get, bool inner)
{
    return x64_next_put(e, 0, IR_PUT_X, e->nodes[get].imm, inner) != 0;
}

/* The number of the walk with that register; X64_MAX_WALKS: there are too many. */
static unsigned walk_with(struct x64_emit *e, ir_ref mover)
{
    unsigned i = 0;

    while (i < e->n_walks && e->walks[i].mover != mover) {
        i++;
    }
    if (i == e->n_walks && i < X64_MAX_WALKS) {
        e->walks[e->n_walks++] = (struct x64_walk){.mover = mover};
    }
    return i;
}

void x64_join_walk(struct x64_emit *e, struct x64_site *site)
{
    unsigned n_moving = 0;

    for (unsigned i = 0; i < site->n_terms; i++) {
        if (moves(e, site->term[i], site->inner)) {
            site->moving = (uint8_t)i;
            n_moving++;
        }
    }
    const ir_ref mover = site->term[site->moving];
    if (n_moving == 1 && x64_is_carried_get(e, mover)) {
        const unsigned walk = walk_with(e, mover);
        site->walk = (uint8_t)(walk < X64_MAX_WALKS ? walk + 1 : 0);
        if (walk < X64_MAX_WALKS) {
            e->walks[walk].inner |= site->inner;
        }
    }
}

static bool are_carried(const struct x64_emit *e, const struct x64_site *site)
{
    for (unsigned i = 0; i < site->n_terms; i++) {
        if (!x64_is_carried_get(e, site->term[i])) {
            return false;
        }
    }
    return site->scale[0] == 0 && site->minus == 0;
}

void x64_settle_walks(struct x64_emit *e)
{
    unsigned left = 0, kept = 0;

    for (unsigned i = 0; i < e->n_walks; i++) {
        struct x64_site *last = NULL;
        unsigned n = 0;
        for (unsigned s = 0; s < e->n_sites; s++) {
            if (e->sites[s].walk == i + 1) {
                last = &e->sites[s];
                last->walk = (uint8_t)(left + 1);
                n++;
            }
        }
        if (n == 1 && are_carried(e, last)) { /* its own limit is made in less time */
            last->walk = 0;
        } else {
            e->walks[left++] = e->walks[i];
        }
    }
    e->n_walks = left;
    for (unsigned s = 0; s < e->n_sites; s++) {
        if (e->sites[s].walk != 0 || are_carried(e, &e->sites[s])) {
            e->sites[kept++] = e->sites[s];
        }
    }
    e->n_sites = kept;
    for (unsigned s = 0; s < e->n_sites; s++) {
        const ir_ref value = (ir_ref)(e->n_nodes + X64_MAX_GROUPS + 1 + X64_MAX_UNREAD + s);
        e->sites[s].value = value;
        e->alias[value] = 0;
        e->val[value] = (struct x64_val){.reg = NOREG, .slot = -1, .guest = -1, .cls = INT};
    }
}

void x64_plan_walks(struct x64_emit *e)
{
    for (unsigned s = 0; s < e->n_sites; s++) {
        if (e->sites[s].walk != 0) {
            x64_touch(e, e->sites[s].value, e->back_edge);
        }
    }
}

const struct x64_site *x64_walking_site(const struct x64_emit *e, ir_ref node)
{
    const struct x64_group *const group = x64_group_of(e, node);
    const unsigned site = x64_site_of(e, group != NULL ? group->leader : node);

    return site != 0 && e->sites[site - 1].walk != 0 ? &e->sites[site - 1] : NULL;
}

/* What a walk's register is from the node on that has added to it: its last value, if that is a sum with a constant. */
static ir_ref moved_on(const struct x64_emit *e, ir_ref mover, ir_ref node, int32_t *by)
{
    ir_ref base, last = IR_REF_NONE;

    for (unsigned i = 1; i < node; i++) {
        if (e->nodes[i].op == IR_PUT_X && e->nodes[i].imm == e->nodes[mover].imm) {
            last = x64_resolve(e, e->nodes[i].a);
        }
    }
    if (last == IR_REF_NONE) {
        return mover;
    }
    x64_split_address(e, last, &base, by);
    if (base != mover) {
        *by = 0;
        return mover;
    }
    return last;
}

struct x64_address x64_address_of(const struct x64_emit *e, ir_ref node)
{
    const struct x64_site *const site = x64_walking_site(e, node);
    struct x64_address address = {.scale = 0};

    x64_split_address(e, e->nodes[node].a, &address.base, &address.disp);
    if (site != NULL) {
        int32_t by = 0;
        address.base = moved_on(e, site->term[site->moving], node, &by);
        address.scale = site->scale[site->moving];
        address.disp -= by * (1 << address.scale);
    }
    return address;
}

/* --- Code ------------------------------------------------------------------------------------------------------------------------ */

int x64_site_addend(struct x64_emit *e, const struct x64_site *site, int reg)
{
    if (reg == NOREG && e->val[site->value].reg != NOREG) {
        return x64_use(e, INT, site->value);
    }
    reg = reg != NOREG ? reg : RAX;
    x64_load_value(e, INT, reg, site->value);
    return reg;
}

/* Addends have a place in the frame, and as many as leave some registers for the rest are in one as well. */
static void place_addends(struct x64_emit *e)
{
    for (unsigned i = 0; i < e->n_sites; i++) {
        struct x64_site *const site = &e->sites[i];
        if (site->walk == 0) {
            continue;
        }
        if (x64_group_of(e, site->node) == NULL && x64_empty_registers(e, INT) > 2) {
            site->reg = (int8_t)x64_def(e, INT, site->value);
        }
        site->slot = (int16_t)x64_new_slot(e);
        e->val[site->value].slot = site->slot;
    }
    e->locked[INT] = 0;
}

/* Before the head, at `anew`: makes all limits. At it: compares with them. */
void x64_enter_walks(struct x64_emit *e, uint32_t *anew, uint32_t *head)
{
    struct x64_asm *const a = &e->a;
    struct x64_stub *stub = NULL;

    place_addends(e);
    *anew = x64_here(a);
    if (e->n_walks != 0) {
        stub = x64_new_stub(e, STUB_WALK, 1);
        stub->jump = x64_jmp(a);
    }
    x64_align(a, 16, 0);
    *head = x64_here(a);
    for (unsigned i = 0; i < e->n_walks; i++) {
        x64_alu_rm(a, 1, ALU_CMP, x64_reg_at_head(e, e->walks[i].mover), WALK_LIMIT(i));
        e->walks[i].jump = x64_jcc(a, CC_GE);
    }
    if (stub != NULL) {
        stub->resume = x64_here(a);
    }
}

/* RCX = what does not move. */
static void add_up(struct x64_emit *e, const struct x64_site *site)
{
    struct x64_asm *const a = &e->a;

    x64_mov_ri(a, RCX, (uint64_t)(int64_t)site->offset);
    for (unsigned i = 0; i < site->n_terms; i++) {
        const ir_ref term = site->term[i];
        if (i == site->moving) {
            continue;
        }
        if (x64_is_carried_get(e, term)) {
            x64_mov_rr(a, 1, RAX, x64_reg_at_head(e, term));
        } else {
            x64_load(a, 1, RAX, CPU_X(e->nodes[term].imm));
        }
        if ((site->minus >> i & 1) != 0) {
            x64_alu_rr(a, 1, ALU_SUB, RCX, RAX);
        } else {
            x64_lea(a, 1, RCX, x64_at_index(RCX, RAX, site->scale[i], 0));
        }
    }
    x64_store(a, 1, RCX, SUM);
}

/* The page of one site: its addend, and in RCX how much its register may still grow. To `miss` when the entry does not answer. */
static void find_page(struct x64_emit *e, const struct x64_site *site, struct x64_stub *miss)
{
    struct x64_asm *const a = &e->a;
    const unsigned scale = site->scale[site->moving];
    const struct x64_place p = x64_place_of(e, site->node, RCX);

    add_up(e, site);
    x64_lea(a, 1, RCX, x64_at_index(RCX, x64_reg_at_head(e, site->term[site->moving]), scale, 0));
    x64_store(a, 1, RCX, ADDRESS);
    x64_check_place(e, &p, miss);
    x64_alu_rm(a, 1, ALU_ADD, RAX, SUM);
    x64_store(a, 1, RAX, FRAME_SLOT(site->slot));
    x64_lea(a, 1, RCX, x64_at(RCX, 1 - (int32_t)p.span - p.disp)); /* the last that fits */
    x64_alu_rm(a, 1, ALU_SUB, RCX, ADDRESS);
    if (scale != 0) {
        x64_shift_ri(a, 1, SH_SHR, RCX, scale);
    }
}

/* The least of its sites' numbers becomes the limit. */
static uint32_t find_limit(struct x64_emit *e, unsigned walk, struct x64_stub misses[X64_MAX_SITES])
{
    struct x64_asm *const a = &e->a;
    const int mover = x64_reg_at_head(e, e->walks[walk].mover);
    bool any = false;

    for (unsigned i = 0; i < e->n_sites; i++) {
        uint32_t more = 0;
        if (e->sites[i].walk != walk + 1) {
            continue;
        }
        find_page(e, &e->sites[i], &misses[i]);
        if (any) {
            x64_alu_rm(a, 1, ALU_CMP, RCX, WALK_LIMIT(walk));
            more = x64_jcc(a, CC_AE);
        }
        x64_store(a, 1, RCX, WALK_LIMIT(walk));
        if (any) {
            x64_patch_here(a, more);
        }
        any = true;
    }
    x64_load(a, 1, RCX, WALK_LIMIT(walk));
    x64_lea(a, 1, RCX, x64_at_index(RCX, mover, 0, 1));
    x64_store(a, 1, RCX, WALK_LIMIT(walk));
    x64_mov_rr(a, 1, RAX, mover);
    x64_alu_ri(a, 1, ALU_ADD, RAX, MOST_ADVANCE);
    return x64_jcc(a, CC_O);
}

void x64_stub_walk(struct x64_emit *e, const struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;
    struct x64_stub misses[X64_MAX_SITES] = {0};
    uint32_t far[X64_MAX_WALKS];

    for (unsigned i = 0; i < e->n_walks; i++) {
        x64_patch_here(a, e->walks[i].jump);
    }
    if (e->round.is_on && e->round.slot >= 0) {
        x64_store_imm(a, 0, FRAME_SLOT(e->round.slot), 1);
    }
    x64_patch_here(a, stub->jump); /* from before the head */
    for (unsigned i = 0; i < e->n_walks; i++) {
        far[i] = find_limit(e, i, misses);
    }
    for (unsigned i = 0; i < e->n_sites; i++) {
        if (e->sites[i].reg != NOREG) {
            x64_load(a, 1, e->sites[i].reg, FRAME_SLOT(e->sites[i].slot));
        }
    }
    x64_jmp_to(a, stub->resume);
    for (unsigned i = 0; i < e->n_sites; i++) {
        if (e->sites[i].walk == 0) {
            continue;
        }
        x64_patch_here(a, misses[i].jump);
        x64_stub_refill(e, &misses[i]);
        misses[i].jump = x64_jmp(a);
    }
    for (unsigned i = 0; i < e->n_sites; i++) {
        if (e->sites[i].walk != 0) {
            x64_patch_here(a, misses[i].jump);
        }
    }
    for (unsigned i = 0; i < e->n_walks; i++) {
        x64_patch_here(a, far[i]);
    }
    x64_stub_group(e, stub);
}
