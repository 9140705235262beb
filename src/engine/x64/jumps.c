/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Jump tables: where emitted code finds the code of a virtual address without asking anyone.
 *
 * There is a set of tables for each translation context: mode key and address space. A switch of either exchanges a pointer, and what
 * was found stays found. Contexts that depend on no address space (a kernel's, whose pages are global) serve under each. TLB maintenance drops
 * contexts; which ones it may have to is known by where code was found (mmu/tlb.c).
 *
 * Entries outlive a run, but the code that they lead to has to be compared with memory in each (code.c). So at the start of a run the
 * entries that held in the last one are made to wait: the pc is inverted, which belongs to no address that is looked for in that slot.
 * Who comes to one has its page compared and takes it up again, without leaving emitted code. A run that begins at the only entry that held
 * has it compared first, and then goes on with it.
 *
 * cpu->x64.jumps and the TLB's entries follow the state at once, so that emitted code goes on after an exception or a return without
 * asking. A state without context has an empty table: code is found by C, which makes the context.
 */
#include "engine/mmu/tlb_sets.h"
#include "engine/pages.h"
#include "engine/x64/cache.h"
#include "engine/x64/emit.h"

/* The pc of a slot without entry: an address that is never looked for there. So zeroed memory is right but for slot 0. */
static uint64_t no_pc(unsigned slot)
{
    return slot % X64_JUMP_ENTRIES == 0 ? 4 : 0;
}

static void set_none(struct x64_jump *jump, unsigned slot)
{
    __atomic_store_n(&jump->pc, no_pc(slot), __ATOMIC_RELAXED);
}

struct x64_contexts *x64_contexts_create(void)
{
    struct x64_contexts *const contexts = pages_take(sizeof(struct x64_contexts));

    if (contexts != NULL) {
        for (unsigned i = 0; i < X64_CONTEXTS; i++) {
            contexts->keys[i].mode = X64_NO_MODE;
        }
        for (unsigned t = 0; t < X64_JUMP_TABLES; t++) {
            set_none(&contexts->tables[X64_CONTEXTS][t * X64_JUMP_ENTRIES], 0);
        }
        contexts->current = X64_CONTEXTS;
    }
    return contexts;
}

void x64_contexts_destroy(struct x64_contexts *contexts)
{
    pages_give_back(contexts, sizeof(*contexts));
}

/* With atomic stores: a vCPU that retires a block may be taking it out here at the same time. What `code` is matters no more. */
static void clear(struct x64_contexts *contexts, unsigned i)
{
    struct x64_jump *const table = contexts->tables[i];
    struct x64_context *const c = &contexts->list[i];

    if (c->n_log > X64_LOG_LENGTH) {
        for (unsigned slot = 0; slot < X64_SLOTS; slot++) {
            set_none(&table[slot], slot);
        }
    } else {
        for (unsigned n = 0; n < c->n_log; n++) {
            set_none(&table[c->log[n]], c->log[n]);
        }
    }
    for (unsigned t = 0; t < X64_JUMP_TABLES; t++) { /* of a new table */
        set_none(&table[t * X64_JUMP_ENTRIES], 0);
    }
    c->n_log = 0;
}

static bool serves(const struct x64_context_key *key, uint32_t mode, int asid, uint64_t table)
{
    return key->mode == mode && (key->asid < 0 || (key->asid == asid && key->table == table));
}

static void choose(struct a64_cpu *cpu, unsigned i)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;

    contexts->current = i;
    if (i != X64_CONTEXTS) {
        contexts->list[i].used = ++contexts->clock;
    }
    cpu->x64.jumps = contexts->tables[i];
}

void x64_select_context(struct a64_cpu *cpu)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;

    if (contexts == NULL || cpu->mmu == NULL) {
        return;
    }
    cpu->x64.tlb = mmu_entries(cpu, cpu->mmu_index);
    cpu->x64.tlb_unpriv = mmu_entries(cpu, cpu->mmu_index_unpriv);
    const int asid = (int)mmu_current_asid(cpu);
    const uint64_t table = mmu_current_table(cpu);
    const uint32_t mode = cpu->mode_key;
    unsigned i = contexts->current;

    if (i != X64_CONTEXTS && serves(&contexts->keys[i], mode, asid, table)) {
        return;
    }
    for (i = 0; i < X64_CONTEXTS && !serves(&contexts->keys[i], mode, asid, table); i++) {
    }
    choose(cpu, i);
}

/* Gives the present state a context: the one that was not used longest. */
static void make_context(struct a64_cpu *cpu)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;
    unsigned oldest = 0;

    for (unsigned i = 0; i < X64_CONTEXTS && contexts->keys[oldest].mode != X64_NO_MODE; i++) {
        if (contexts->keys[i].mode == X64_NO_MODE ||
            contexts->list[i].used < contexts->list[oldest].used) {
            oldest = i;
        }
    }
    clear(contexts, oldest);
    contexts->list[oldest].halves = 0;
    contexts->keys[oldest] = (struct x64_context_key){.mode = cpu->mode_key, .asid = -1};
    choose(cpu, oldest);
}

void x64_drop_contexts(struct a64_cpu *cpu, int asid, bool global_too, unsigned halves)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;

    if (contexts == NULL) {
        return;
    }
    for (unsigned i = 0; i < X64_CONTEXTS; i++) {
        struct x64_context_key *const key = &contexts->keys[i];
        if ((contexts->list[i].halves & halves) != 0 &&
            (key->asid < 0 ? global_too : asid < 0 || key->asid == asid)) {
            key->mode = X64_NO_MODE;
            if (i == contexts->current) {
                choose(cpu, X64_CONTEXTS);
            }
        }
    }
}

void x64_drop_all_contexts(struct a64_cpu *cpu)
{
    x64_drop_contexts(cpu, -1, true, X64_BOTH_HALVES);
    cpu->x64.contexts->n_holding = 0;
    cpu->x64.alone.block = NULL;
}

void x64_hold_among_others(struct x64_jump *jump, const struct ir_block *block, unsigned slot)
{
    __atomic_store_n(&jump->pc, block->pc, __ATOMIC_SEQ_CST);
    /* A vCPU that retires the block clears `valid` and then looks here. */
    if (!atomic_load(&block->valid)) {
        set_none(jump, slot);
    }
}

void x64_remember(struct a64_cpu *cpu, struct ir_block *block, unsigned btype, bool global)
{
    static const uint8_t needed[X64_JUMP_TABLES] = {0, 1u << 1 | 1u << 2, 1u << 3};
    struct x64_contexts *const contexts = cpu->x64.contexts;
    const unsigned t = X64_JUMP_TABLE(btype);

    if (contexts->current == X64_CONTEXTS) {
        make_context(cpu);
    }
    struct x64_context *const c = &contexts->list[contexts->current];
    struct x64_context_key *const key = &contexts->keys[contexts->current];
    if (block->guarded && (block->bti_ok & needed[t]) != needed[t]) {
        return;
    }
    if (!global && key->asid < 0) {
        key->asid = (int)mmu_current_asid(cpu);
        key->table = mmu_current_table(cpu);
    }
    c->halves |= (block->pc >> 55 & 1) != 0 ? X64_UPPER_HALF : X64_LOWER_HALF;
    const unsigned slot = x64_slot_in(btype, block->pc);
    struct x64_jump *const jump = &cpu->x64.jumps[slot];
    if (c->n_log < X64_LOG_LENGTH) {
        c->log[c->n_log] = (uint16_t)slot;
    }
    c->n_log += c->n_log <= X64_LOG_LENGTH;
    set_none(jump, slot);
    __atomic_store_n(&jump->code, block->code, __ATOMIC_RELAXED);
    contexts->blocks[contexts->current][slot] = block;
    x64_hold(cpu, block, slot);
}

void x64_forget_block(struct a64_cpu *cpu, const struct ir_block *block)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;

    if (block->code == NULL) {
        return;
    }
    for (unsigned i = 0; i < X64_CONTEXTS; i++) {
        for (unsigned t = 0; t < X64_JUMP_TABLES; t++) {
            const unsigned slot = t * X64_JUMP_ENTRIES + X64_JUMP_SLOT(block->pc);
            struct x64_jump *const jump = &contexts->tables[i][slot];
            if (__atomic_load_n(&jump->code, __ATOMIC_RELAXED) == block->code) {
                __atomic_store_n(&jump->pc, no_pc(slot), __ATOMIC_SEQ_CST);
            }
        }
    }
}
