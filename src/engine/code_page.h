/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pages with code as code.c keeps them, and what a run asks of one that begins where the run before did: inline, because such a run may be
 * no longer than this.
 */
#ifndef ENGINE_CODE_PAGE_H
#define ENGINE_CODE_PAGE_H

#include "engine/x64/jumps.h"

#define CODE_PAGE_WORDS 1024u
#define CODE_LINE_WORDS 16u /* a bit of a page's 64 */

/* Pages stay in the table without blocks until a chunk leaves. */
struct code_page {
    uintptr_t page;          /* host address >> 12 */
    struct ir_block *blocks; /* that are no copies */
    _Atomic uint64_t
        verified; /* run epoch in which the active lines were last compared with memory */
    _Atomic uint64_t active;   /* lines; published when compared */
    uint32_t rest, until_rest; /* comparisons that lines are active for; how many are left */
    uint64_t watched; /* by id: vCPUs that have no fast stores to the page since it has blocks */
    struct code_page *next;
    uint64_t covered[CODE_PAGE_WORDS / 64];       /* words that a block was made of */
    _Alignas(64) uint32_t words[CODE_PAGE_WORDS]; /* what those were; the others may be anything */
};

/* As many instructions at once as a vector holds, wherever they lie. */
typedef uint64_t code_four_words __attribute__((vector_size(16), aligned(4), may_alias));

/* at: of the line in its page, in bytes. */
__attribute__((no_sanitize_thread)) static inline code_four_words code_differing(
    const struct code_page *page, uintptr_t at)
{
    const code_four_words *const a = (const code_four_words *)((uintptr_t)page->words + at),
                                 *const b = (const code_four_words *)((page->page << 12) + at);

    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) | ((a[2] ^ b[2]) | (a[3] ^ b[3]));
}

static inline bool code_is_zero(code_four_words v)
{
    return (v[0] | v[1]) == 0;
}

static inline uintptr_t code_first_line(uint64_t lines)
{
    return (unsigned)__builtin_ctzll(lines) * (4 * CODE_LINE_WORDS);
}

/* Whether memory holds what the lines were. Other vCPUs of the guest may be writing there. */
static inline bool code_are_unchanged(const struct code_page *page, uint64_t lines)
{
    code_four_words any = {0, 0};

    for (; lines != 0; lines &= lines - 1) {
        any |= code_differing(page, code_first_line(lines));
    }
    return code_is_zero(any);
}

/*
 * Of a vCPU that is alone, at the start of run `epoch`, which nobody else can have compared for: the code that the run begins with, if it
 * is what the run before began with and came to nothing else, and its page is as it was. NULL: code_run_again().
 */
static inline const void *code_again(struct a64_cpu *cpu, uint64_t epoch)
{
    struct ir_block *const block = x64_block_alone(cpu);

    if (block == NULL) {
        return NULL;
    }
    struct code_page *const page = block->page;
    const uint64_t active = atomic_load_explicit(&page->active, memory_order_relaxed);
    if (__builtin_expect((block->lines & ~active) != 0 || page->until_rest == 0 ||
                             !code_are_unchanged(page, active) ||
                             !atomic_load_explicit(&block->valid, memory_order_acquire),
                         0)) {
        return NULL;
    }
    page->until_rest--;
    atomic_store_explicit(&page->verified, epoch, memory_order_relaxed);
    cpu->x64.begun = epoch;
    return block->code;
}

#endif
