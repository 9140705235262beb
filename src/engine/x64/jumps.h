/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The jump tables of a vCPU as jumps.c keeps them, and what each run does with them: inline, because a run may be no longer than a few
 * calls. Where no code is emitted there are none.
 */
#ifndef ENGINE_X64_JUMPS_H
#define ENGINE_X64_JUMPS_H

#include "engine/a64/block.h"
#include "engine/cpu.h"

/* Emitted code knows the layout. */
struct x64_jump {
    uint64_t pc;
    const void *code;
};
#define X64_JUMP_ENTRIES  16384u
#define X64_JUMP_SLOT(pc) ((unsigned)((pc) >> 2) & (X64_JUMP_ENTRIES - 1))
#define X64_JUMP_TABLES   3u
/* By PSTATE.BTYPE at the branch: of those that set 1 or 2 one table. */
#define X64_JUMP_TABLE(btype) (((btype) + 1u) / 2u)

#define X64_CONTEXTS   16u
#define X64_LOG_LENGTH 2048u
#define X64_SLOTS      (X64_JUMP_TABLES * X64_JUMP_ENTRIES)
#define X64_HOLDING    8192u /* entries of a run; when it had more, all contexts go */

struct x64_context_key {
    uint32_t mode;  /* X64_NO_MODE: the context is not in use */
    int asid;       /* -1: no entry depends on the address space ... */
    uint64_t table; /* ... which is this one */
};
#define X64_NO_MODE UINT32_MAX

struct x64_context {
    unsigned halves; /* of the address space, where entries lie */
    uint64_t used;
    unsigned n_log; /* slots that were written; more than X64_LOG_LENGTH: not all are in the log */
    uint16_t log[X64_LOG_LENGTH];
};

/* An entry that holds in the present run, as long as it is still of this pc. */
struct x64_held {
    struct x64_jump *jump;
    uint64_t pc;
};

struct x64_contexts {
    unsigned current; /* X64_CONTEXTS: the present state has none */
    unsigned n_holding;
    uint64_t clock;
    struct x64_held holding[X64_HOLDING];
    struct x64_context_key keys[X64_CONTEXTS];
    struct x64_context list[X64_CONTEXTS];
    struct x64_jump tables[X64_CONTEXTS + 1][X64_SLOTS]; /* the last is empty */
    struct ir_block *blocks[X64_CONTEXTS][X64_SLOTS];    /* of the entries */
};

static inline unsigned x64_slot_in(unsigned btype, uint64_t pc)
{
    return X64_JUMP_TABLE(btype) * X64_JUMP_ENTRIES + X64_JUMP_SLOT(pc);
}

/* When a run had too many entries to remember. */
void x64_drop_all_contexts(struct a64_cpu *cpu);

/* Before emitted code runs: what was remembered does not hold in this run until its page is compared with memory again. */
static inline void x64_begin_run(struct a64_cpu *cpu)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;

    if (contexts == NULL || cpu->x64.begun == cpu->run_epoch) {
        return;
    }
    cpu->x64.alone.block = NULL;
    if (__builtin_expect(contexts->n_holding > X64_HOLDING, 0)) {
        x64_drop_all_contexts(cpu);
    }
    for (unsigned i = contexts->n_holding; i-- != 0;) {
        const struct x64_held *const held = &contexts->holding[i];
        /* It may be another's by now, or none's. If it is retired at this moment, code_known() finds out. */
        if (__atomic_load_n(&held->jump->pc, __ATOMIC_RELAXED) == held->pc) {
            __atomic_store_n(&held->jump->pc, ~held->pc, __ATOMIC_RELAXED);
        }
    }
    contexts->n_holding = 0;
    cpu->x64.begun = cpu->run_epoch;
}

/*
 * A run often begins where the one before did, and comes to nothing else. The block there, when its entry is the only one that held, in
 * the present state: it may go on holding when the block has been compared, with x64_go_on_holding() instead of x64_begin_run(). Nothing is
 * to be checked before it: no state in which that has to be has entries.
 */
static inline struct ir_block *x64_block_alone(const struct a64_cpu *cpu)
{
    struct ir_block *const block = cpu->x64.alone.block;

    return block != NULL && cpu->btype == 0 && cpu->x64.alone.table == cpu->x64.jumps &&
                   __atomic_load_n(&cpu->x64.alone.jump->pc, __ATOMIC_RELAXED) == cpu->pc
               ? block
               : NULL;
}

static inline void x64_go_on_holding(struct a64_cpu *cpu)
{
    cpu->x64.begun = cpu->run_epoch;
}

/*
 * What the tables know for a pc in the present context, retired perhaps, if the code cache has not been emptied since. NULL: nothing.
 * *holds: emitted code goes there; else x64_hold() lets it, from now on until the run ends, when the block has been compared. No slot without
 * entry looks like one of an aligned pc that waits.
 */
static inline struct ir_block *x64_known_block(const struct a64_cpu *cpu, uint64_t pc,
                                               unsigned slot, bool *holds)
{
    const struct x64_contexts *const contexts = cpu->x64.contexts;

    if (contexts == NULL || contexts->current == X64_CONTEXTS || (pc & 3) != 0) {
        return NULL;
    }
    const uint64_t known = __atomic_load_n(&cpu->x64.jumps[slot].pc, __ATOMIC_RELAXED);
    *holds = known == pc;
    return known == pc || known == ~pc ? contexts->blocks[contexts->current][slot] : NULL;
}

/* Where a vCPU that retires a block looks at the same time. */
void x64_hold_among_others(struct x64_jump *jump, const struct ir_block *block, unsigned slot);

static inline void x64_hold(struct a64_cpu *cpu, struct ir_block *block, unsigned slot)
{
    struct x64_contexts *const contexts = cpu->x64.contexts;
    struct x64_jump *const jump = &cpu->x64.jumps[slot];
    const unsigned n = contexts->n_holding;

    if (__builtin_expect(n <= X64_HOLDING, 1)) {
        contexts->holding[n % X64_HOLDING] = (struct x64_held){jump, block->pc};
        contexts->n_holding = n + 1;
    }
    cpu->x64.alone.jump = jump;
    cpu->x64.alone.table = cpu->x64.jumps;
    cpu->x64.alone.block = n == 0 && slot < X64_JUMP_ENTRIES ? block : NULL;
    if (!cpu->smp) { /* who retires blocks now has stopped this vCPU, or is this one */
        __atomic_store_n(&jump->pc, block->pc, __ATOMIC_RELAXED);
    } else {
        x64_hold_among_others(jump, block, slot);
    }
}

#endif
