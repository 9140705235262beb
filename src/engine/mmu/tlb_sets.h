/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What tlb.c and refill.c share: sets of slots, and who may write a host page. */
#ifndef ENGINE_MMU_TLB_SETS_H
#define ENGINE_MMU_TLB_SETS_H

#include "engine/mmu/tlb.h"

#define INLINE static inline __attribute__((always_inline))

INLINE void set_bit(uint64_t *words, unsigned bit)
{
    words[bit / 64] |= 1ull << (bit % 64);
}

INLINE void clear_bit(uint64_t *words, unsigned bit)
{
    words[bit / 64] &= ~(1ull << (bit % 64));
}

INLINE bool test_bit(const uint64_t *words, unsigned bit)
{
    return (words[bit / 64] >> (bit % 64) & 1) != 0;
}

INLINE void set_add(struct tlb_set *set, unsigned slot)
{
    set_bit(set->words, slot);
    set_bit(set->any, slot / 64);
}

INLINE void set_remove(struct tlb_set *set, unsigned slot)
{
    clear_bit(set->words, slot);
    if (set->words[slot / 64] == 0) {
        clear_bit(set->any, slot / 64);
    }
}

INLINE uint64_t tlb_hash(uint64_t v)
{
    return v * 0x9e3779b97f4a7c15ull >> 32;
}

INLINE uint64_t tlb_leaf_hash(uint64_t va, unsigned size_log2)
{
    return tlb_hash((va & MMU_VA_MASK) >> size_log2 << 6 | size_log2);
}

/* Of a leaf: its bit in tlb_table.large_filter. */
INLINE unsigned tlb_filter_bit(uint64_t va, unsigned size_log2)
{
    return (unsigned)(tlb_leaf_hash(va, size_log2) % TLB_FILTER_BITS);
}

INLINE unsigned tlb_asid_of_index(const struct mmu *mmu, unsigned index)
{
    return index >= MMU_E2 ? mmu->asid_e20 : mmu->asid;
}

/* --- The present address space --- */

#define TTBR_BADDR ((1ull << 48) - 2) /* without CnP */

/* Of the regime of ordinary accesses: the ASID and the lower table, which together are an address space. */
INLINE unsigned mmu_current_asid(const struct a64_cpu *cpu)
{
    return tlb_asid_of_index(cpu->mmu, cpu->mmu_index);
}

INLINE uint64_t mmu_current_table(const struct a64_cpu *cpu)
{
    return (cpu->mmu_index >= MMU_E2 ? cpu->mmu->e2 : cpu->mmu->e10).ttbr[0] & TTBR_BADDR;
}

/* The TLB's entries of a translation context, as emitted code knows them. */
INLINE const void *mmu_entries(const struct a64_cpu *cpu, unsigned index)
{
    return cpu->mmu->at[index]->entries;
}

/* --- Who may write a host page --- */

INLINE unsigned tlb_writer_set(uintptr_t host)
{
    return (unsigned)(tlb_hash(host >> MMU_PAGE_LOG2) % TLB_WRITER_SETS);
}

/* The entry is still one through which that page is written without a look. */
INLINE bool tlb_is_writer(const struct mmu *mmu, const struct tlb_writer *w)
{
    const struct tlb_table *const table = &mmu->tables[(w->where - 1) >> TLB_SLOTS_LOG2];
    const unsigned slot = (w->where - 1) & (TLB_SLOTS - 1);
    const struct tlb_entry *const e = &table->entries[slot];

    return e->write != 0 && (table->info[slot].flags & TLB_CODE) == 0 &&
           (uint32_t)((uintptr_t)tlb_host(e, table->info[slot].page) >> MMU_PAGE_LOG2) == w->page;
}

INLINE void tlb_note_writer(struct mmu *mmu, uintptr_t host, unsigned table, unsigned slot)
{
    const unsigned set = tlb_writer_set(host);
    const struct tlb_writer now = {.page = (uint32_t)(host >> MMU_PAGE_LOG2),
                                   .where = (table << TLB_SLOTS_LOG2 | slot) + 1};
    struct tlb_writer *free_way = NULL;

    for (unsigned i = 0; i < TLB_WRITER_WAYS; i++) {
        struct tlb_writer *const w = &mmu->writers[set][i];
        if (w->where == now.where && w->page == now.page) {
            return;
        }
        if (free_way == NULL && (w->where == 0 || !tlb_is_writer(mmu, w))) {
            free_way = w;
        }
    }
    if (free_way != NULL) {
        *free_way = now;
    } else {
        set_bit(mmu->writers_lost, set);
    }
}

#endif
