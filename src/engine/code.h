/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The code cache of one VM: blocks shared by its vCPUs. */
#ifndef ENGINE_CODE_H
#define ENGINE_CODE_H

#include "engine/a64/block.h"
#include "engine/cpu.h"
#include "engine/trace.h"

/* interpreter: nothing is emitted. eager: everything is, when it is first reached. code_bytes: of emitted code, 0: as many as usual.
 * host_level: what it is made for (x64/x64.h), 0: the host. */
struct code_cache *code_create(bool interpreter, bool eager, size_t code_bytes, unsigned host_level,
                               const struct code_trace *trace);
void code_destroy(struct code_cache *cache);

/* vCPUs that run its code. */
void code_join(struct code_cache *cache, struct a64_cpu *cpu);
void code_leave(struct code_cache *cache, struct a64_cpu *cpu);

/* Between blocks, at the latest when CPU_REQUEST_MAILBOX is handled: forgets what has left the cache. */
void code_catch_up(struct a64_cpu *cpu);

/* Runs a block that code_find() has just given, and those that it goes on with. btype: PSTATE.BTYPE with which it was reached, and
 * which it accepts. Never IR_NEXT or IR_END. */
enum ir_next code_run(struct a64_cpu *cpu, struct ir_block *block, unsigned btype);

/* The same for what the vCPU's jump tables know. IR_NEXT: use code_find(). */
enum ir_next code_run_known(struct a64_cpu *cpu);

/* At the start of a run: the same if it begins where the run before did, and that came to nothing else. IR_NEXT: it does not. */
enum ir_next code_run_again(struct a64_cpu *cpu);

/* The block for the present pc and mode, valid until the next call; translates when needed. NULL: *next says what happened instead (fetch fault). */
struct ir_block *code_find(struct a64_cpu *cpu, enum ir_next *next);

/* The code of the present pc and state, if the vCPU's jump tables know it and it is what memory holds; PSTATE.BTYPE is done with then.
 * Else NULL. For emitted code that has looked where it does not hold yet. */
const void *code_known(struct a64_cpu *cpu);

/* For emitted code: that is where the block's last jump leads, at cpu->pc; or by which branch another has been reached (struct block_ways), if that is not 0. */
void code_note_jump(struct a64_cpu *cpu, struct ir_block *block, unsigned branch);

/*
 * Code at `a`, of the present page and mode, has been reached more often than that at `b`, as far as that is counted. hva: of cpu->pc.
 * Where everything is translated at once nothing is, and it is the tests' to see that it does not matter: always true.
 */
bool code_is_warmer(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t a, uint64_t b);
/* Or as often. */
bool code_is_as_warm(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t a,
                     uint64_t b);
/* There is a block of it that calls itself. */
bool code_recurs(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t pc);
/* It has been reached at all. False where no code is emitted; where everything is translated at once always true. */
bool code_is_warm(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t pc);

/* True when translated code lies in the 4 KiB host page of hva: stores to it must call code_invalidate. Any thread. */
bool code_page_has_code(const struct code_cache *cache, const uint8_t *hva);

/* Without the cache's lock: false when no block is known of that page. filter: cpu->may_have_code. */
#define CODE_FILTER_BITS (1u << 16)
static inline unsigned code_filter_bit(uintptr_t page)
{
    return (unsigned)(page * 0x9e3779b97f4a7c15ull >> 40) % CODE_FILTER_BITS;
}

static inline bool code_page_may_have_code(const _Atomic uint64_t *filter, const uint8_t *hva)
{
    const unsigned bit = code_filter_bit((uintptr_t)hva >> 12);

    return filter == NULL ||
           (atomic_load_explicit(&filter[bit / 64], memory_order_relaxed) >> bit % 64 & 1) != 0;
}

/* The same of 2 MiB. */
#define CODE_CHUNK (2ull << 20)
static inline bool code_chunk_may_have_code(const _Atomic uint64_t *filter, uintptr_t host)
{
    const unsigned bit = code_filter_bit(~(host / CODE_CHUNK));

    return filter == NULL ||
           (atomic_load_explicit(&filter[bit / 64], memory_order_relaxed) >> bit % 64 & 1) != 0;
}

/* Drops blocks whose bytes overlap [hva, hva + size). Any thread. Other vCPUs leave them at their next block boundary. */
void code_invalidate(struct code_cache *cache, const uint8_t *hva, uint64_t size);
void code_invalidate_all(struct code_cache *cache);

#endif
