/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Jump tables: where emitted code finds the code of a virtual address without asking anyone.
 *
 * There is a set of tables for each translation context: mode key and ASID. A switch of either exchanges a pointer, and what was
 * found stays found. Contexts that depend on no ASID (a kernel's, whose pages are global) serve under each. TLB maintenance drops
 * contexts; which ones it may have to is known by where code was found (mmu/tlb.c).
 */
#include <sys/mman.h>

#include "engine/mmu/mmu.h"
#include "engine/x64/cache.h"
#include "engine/x64/emit.h"

#define CONTEXTS   16u
#define LOG_LENGTH 256u

struct context {
    bool live;
    uint32_t mode;
    int asid;        /* -1: no entry depends on it */
    unsigned halves; /* of the address space, where entries lie */
    uint64_t used;
    unsigned n_log; /* slots that were written; more than LOG_LENGTH: not all are in the log */
    uint16_t log[LOG_LENGTH];
};

struct x64_contexts {
    struct context list[CONTEXTS];
    struct context *current; /* NULL: not chosen since the last change */
    uint64_t clock;
    struct x64_jump tables[CONTEXTS][X64_JUMP_TABLES * X64_JUMP_ENTRIES];
};

/* The pc of a slot without entry: an address that is never looked for there. So zeroed memory is right but for slot 0. */
static uint64_t no_pc(unsigned slot)
{
    return slot % X64_JUMP_ENTRIES == 0 ? 4 : 0;
}

static void *lazy_alloc(size_t size)
{
    void *const p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

struct x64_contexts *x64_contexts_create(void)
{
    return lazy_alloc(sizeof(struct x64_contexts));
}

void x64_contexts_destroy(struct x64_contexts *contexts)
{
    if (contexts != NULL) {
        munmap(contexts, sizeof(*contexts));
    }
}

static struct x64_jump *table_of(struct x64_contexts *contexts, const struct context *c)
{
    return contexts->tables[c - contexts->list];
}

/* With atomic stores: a vCPU that retires a block may be taking it out here at the same time. What `code` is matters no more. */
static void clear(struct x64_contexts *contexts, struct context *c)
{
    struct x64_jump *const table = table_of(contexts, c);

    if (c->n_log > LOG_LENGTH) {
        for (unsigned slot = 0; slot < X64_JUMP_TABLES * X64_JUMP_ENTRIES; slot++) {
            __atomic_store_n(&table[slot].pc, no_pc(slot), __ATOMIC_RELAXED);
        }
    } else {
        for (unsigned i = 0; i < c->n_log; i++) {
            __atomic_store_n(&table[c->log[i]].pc, no_pc(c->log[i]), __ATOMIC_RELAXED);
        }
    }
    for (unsigned t = 0; t < X64_JUMP_TABLES; t++) { /* of a new table */
        __atomic_store_n(&table[t * X64_JUMP_ENTRIES].pc, no_pc(0), __ATOMIC_RELAXED);
    }
    c->n_log = 0;
}

void x64_select_context(struct a64_cpu *cpu)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;
    const int asid = (int)mmu_current_asid(cpu);
    struct context *found = contexts->current;

    if (found != NULL && found->live && found->mode == cpu->mode_key &&
        (found->asid < 0 || found->asid == asid)) {
        return;
    }
    found = NULL;
    struct context *oldest = &contexts->list[0];
    for (unsigned i = 0; i < CONTEXTS; i++) {
        struct context *const c = &contexts->list[i];
        if (c->live && c->mode == cpu->mode_key && (c->asid < 0 || c->asid == asid)) {
            found = c;
            break;
        }
        if (!c->live || (oldest->live && c->used < oldest->used)) {
            oldest = c;
        }
    }
    if (found == NULL) {
        found = oldest;
        clear(contexts, found);
        found->live = true;
        found->mode = cpu->mode_key;
        found->asid = -1;
        found->halves = 0;
    }
    found->used = ++contexts->clock;
    contexts->current = found;
    cpu->x64.jumps = table_of(contexts, found);
}

void x64_drop_contexts(struct a64_cpu *cpu, int asid, bool global_too, unsigned halves)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;

    if (contexts == NULL) {
        return;
    }
    for (unsigned i = 0; i < CONTEXTS; i++) {
        struct context *const c = &contexts->list[i];
        if ((c->halves & halves) != 0 && (c->asid < 0 ? global_too : asid < 0 || c->asid == asid)) {
            c->live = false;
        }
    }
}

void x64_remember(struct a64_cpu *cpu, struct ir_block *block, unsigned btype, bool global)
{
    static const uint8_t needed[X64_JUMP_TABLES] = {0, 1u << 1 | 1u << 2, 1u << 3};
    struct x64_contexts *const contexts = cpu->x64.contexts;
    struct context *const c = contexts->current;
    const unsigned t = X64_JUMP_TABLE(btype);

    if (block->guarded && (block->bti_ok & needed[t]) != needed[t]) {
        return;
    }
    if (!global && c->asid < 0) {
        c->asid = (int)mmu_current_asid(cpu);
    }
    c->halves |= (block->pc >> 55 & 1) != 0 ? X64_UPPER_HALF : X64_LOWER_HALF;
    const unsigned slot = t * X64_JUMP_ENTRIES + X64_JUMP_SLOT(block->pc);
    struct x64_jump *const jump = &cpu->x64.jumps[slot];
    if (c->n_log < LOG_LENGTH) {
        c->log[c->n_log] = (uint16_t)slot;
    }
    c->n_log += c->n_log <= LOG_LENGTH;
    __atomic_store_n(&jump->pc, no_pc(slot), __ATOMIC_RELAXED);
    __atomic_store_n(&jump->code, block->code, __ATOMIC_RELAXED);
    __atomic_store_n(&jump->pc, block->pc, __ATOMIC_SEQ_CST);
    /* A vCPU that retires the block clears `valid` and then looks here. */
    if (!atomic_load(&block->valid)) {
        __atomic_store_n(&jump->pc, no_pc(slot), __ATOMIC_RELAXED);
    }
}

void x64_forget_block(struct a64_cpu *cpu, const struct ir_block *block)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;

    if (block->code == NULL) {
        return;
    }
    for (unsigned i = 0; i < CONTEXTS; i++) {
        for (unsigned t = 0; t < X64_JUMP_TABLES; t++) {
            const unsigned slot = t * X64_JUMP_ENTRIES + X64_JUMP_SLOT(block->pc);
            struct x64_jump *const jump = &contexts->tables[i][slot];
            if (__atomic_load_n(&jump->code, __ATOMIC_RELAXED) == block->code) {
                __atomic_store_n(&jump->pc, no_pc(slot), __ATOMIC_SEQ_CST);
            }
        }
    }
}
