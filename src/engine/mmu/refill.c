/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Filling the TLB again without a walk's work. For 2 MiB of addresses and a translation context a vCPU remembers which descriptors led to
 * the last table, where they lie in host memory, and what the attributes of the leaves seen there came to. Nothing is cached for
 * the guest: each use reads every descriptor again and compares it, so that the result is that of a walk at that moment, whatever
 * was invalidated or not. What else a walk depends on, registers and the VM's map, drops everything when it changes.
 *
 * Only for the EL1&0 regime without the guest's own stage 2. Descriptors that hardware would update are left to the walk.
 */
#include <string.h>

#include "engine/code.h"
#include "engine/mmu/internal.h"
#include "engine/mmu/tlb_sets.h"
#include "vm/vm.h"

enum { DESC_VALID = 0, DESC_NG = 11, DESC_GP = 50 };

/* --- An entry -------------------------------------------------------------------------------------------------------------------- */

static bool stage1_is_on(const struct a64_cpu *cpu, unsigned index)
{
    return mmu_bit(cpu->sys[index <= MMU_E10_1_PAN ? SR_SCTLR_EL1 : SR_SCTLR_EL2], SCTLR_M);
}

void tlb_fill(struct a64_cpu *cpu, unsigned index, uint64_t va, const struct mmu_page *page,
              unsigned access)
{
    struct mmu *const mmu = cpu->mmu;
    struct tlb_table *const table = mmu->at[index];
    const unsigned slot = tlb_slot_of(va);
    struct tlb_entry *const e = &table->entries[slot];
    struct tlb_info *const info = &table->info[slot];
    const uint64_t va_page = va & MMU_PAGE_MASK, tag = va_page | TLB_TAG;
    const uintptr_t addend = ((uintptr_t)page->host & (uintptr_t)MMU_PAGE_MASK) -
                             (uintptr_t)va_page;
    const bool used = test_bit(table->used.words, slot);
    const bool same = used && info->page == va_page && e->addend == addend &&
                      info->size_log2 == page->size_log2;
    const uint8_t kept = same ? info->flags : 0;
    uint8_t flags = (page->guarded ? TLB_GUARDED : 0) | (page->global ? TLB_GLOBAL : 0);
    bool note = false;

    if (!same) {
        e->read = 0;
        e->write = 0;
        e->fetch = 0;
    }
    if ((access & ACCESS_FETCH) != 0) {
        /* The attributes of data accesses may differ (MMU off, SCTLR.C): keep those that a data access has found. */
        flags |= kept & (TLB_DEVICE | TLB_WB | TLB_WATCHED | TLB_CODE);
        e->fetch = (page->allowed & ALLOW_FETCH) != 0 ? tag : 0;
    } else {
        flags |= (mmu_attr_is_device(page->attr) ? TLB_DEVICE : 0) |
                 (mmu_attr_is_wb(page->attr) ? TLB_WB : 0);
        if (mmu->n_watched != 0 && mmu_watchpoint_on_page(mmu, va)) {
            flags |= TLB_WATCHED;
        }
        /* Emitted code looks at no attributes: while stage 1 is on, what is Device or not Write-Back goes the long way. Without
         * stage 1 it checks alignment, and leaves exclusives and atomics to others (MODE_ALIGNED). */
        const bool slow = (flags & TLB_WATCHED) != 0 ||
                          ((flags & TLB_WB) == 0 && stage1_is_on(cpu, index));
        const uint64_t data_tag = slow ? tag & ~TLB_SLOW : tag;
        e->read = (page->allowed & ALLOW_READ) != 0 ? data_tag : 0;
        e->write = 0;
        if ((page->allowed & ALLOW_WRITE) != 0) {
            if (code_page_has_code(cpu->code, page->host)) {
                flags |= TLB_CODE;
                e->write = tag & ~TLB_SLOW;
            } else {
                /* A page that cannot be read must not answer the merged checks of loads and stores. */
                e->write = (page->allowed & ALLOW_READ) != 0 ? data_tag : tag & ~TLB_SLOW;
                note = true;
            }
        }
    }
    e->addend = addend;
    if (!page->global) {
        set_add(&table->nonglobal, slot);
    } else if (used && (info->flags & TLB_GLOBAL) == 0) {
        set_remove(&table->nonglobal, slot);
    }
    info->page = va_page;
    info->asid = (uint16_t)tlb_asid_of_index(mmu, index);
    info->size_log2 = page->size_log2;
    info->flags = flags;
    if (note) {
        tlb_note_writer(mmu, (uintptr_t)page->host, mmu->number[index], slot);
    }
    set_add(&table->used, slot);
    mmu->touched |= 1u << mmu->number[index];
    if (page->size_log2 > MMU_PAGE_LOG2) {
        table->sizes |= 1ull << page->size_log2;
        mmu->large |= 1ull << page->size_log2;
        set_bit(table->large_filter, tlb_filter_bit(va, page->size_log2));
    }
}

/* --- What walks have read -------------------------------------------------------------------------------------------------------- */

static uint64_t key_of(unsigned index, uint64_t va)
{
    return va >> MMU_WALK_LOG2 << 4 | index << 1 | 1;
}

static struct mmu_walk_known *slot_of(struct mmu *mmu, unsigned index, uint64_t va)
{
    const uint64_t region = va >> MMU_WALK_LOG2;

    return &mmu->walks[(region ^ region >> 9 ^ (uint64_t)index << 6) % MMU_WALKS];
}

/* Without the ASID, which leads nowhere. */
static uint64_t base_of(const struct a64_cpu *cpu, uint64_t va)
{
    return cpu->sys[mmu_bit(va, 55) ? SR_TTBR1_EL1 : SR_TTBR0_EL1] & ((1ull << 48) - 1);
}

static bool still_there(const struct mmu_walk_known *w)
{
    uint64_t differing = 0;

    for (unsigned i = 0; i < MMU_MAX_LEVELS - 1; i++) {
        differing |= __atomic_load_n(w->where[i], __ATOMIC_ACQUIRE) ^ w->descriptor[i];
    }
    return differing == 0;
}

static const struct vm_range *range_of(struct a64_cpu *cpu, uint64_t pa)
{
    struct vm_range *const range = &cpu->mmu->ranges[(pa >> 30) % MMU_RANGES];

    if (pa - range->start >= range->end - range->start && !vm_lookup_range(cpu->vm, pa, range)) {
        *range = (struct vm_range){0};
        return NULL;
    }
    return range;
}

static bool fill(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned access,
                 const struct mmu_walk_known *w, uint64_t leaf, const struct mmu_leaf_known *known)
{
    const uint64_t pa = (leaf & w->address_mask) | (va & ((1ull << w->shift) - 1));
    const struct vm_range *const range = range_of(cpu, pa);

    if (range == NULL || (access & ~range->permissions) != 0) {
        return false;
    }
    const struct mmu_page page = {
        .ipa = pa,
        .pa = pa,
        .host = range->host + (pa - range->start),
        .allowed = known->allowed & (uint8_t)range->permissions,
        .attr = known->attr,
        .guarded = cpu->mmu->features.bti && mmu_bit(leaf, DESC_GP),
        .global = !mmu_bit(leaf, DESC_NG),
        .size_log2 = w->shift,
    };
    tlb_fill(cpu, index, va, &page, access);
    return true;
}

bool mmu_refill(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned access, bool misaligned,
                bool *fault)
{
    if (index > MMU_E10_1_PAN) {
        return false;
    }
    const struct mmu_walk_known *const w = slot_of(cpu->mmu, index, va);
    /* TCR_EL1.TBID lets a fetch look at bits that a load ignores. */
    const bool odd_fetch = (access & ACCESS_FETCH) != 0 && (int64_t)(va << 8) >> 8 != (int64_t)va;

    if (w->key != key_of(index, va) || w->base != base_of(cpu, va) || odd_fetch ||
        !still_there(w)) {
        return false;
    }
    const uint64_t *const where = w->leaves + (va >> w->shift & w->index_mask);
    const uint64_t leaf = __atomic_load_n(where, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < MMU_LEAVES_KNOWN; i++) {
        const struct mmu_leaf_known *const known = &w->known[i];
        if ((leaf & ~w->address_mask) == known->attributes) {
            return (access & ~known->allowed) == 0 &&
                   !(misaligned && mmu_attr_is_device(known->attr)) &&
                   fill(cpu, index, va, access, w, leaf, known);
        }
    }
    if (mmu_bit(leaf, DESC_VALID)) {
        return false;
    }
    struct mmu_request request = {.va = va, .access = (uint8_t)access};
    mmu_set_request_context(&request, index);
    mmu_fail(cpu, &request, FAULT_TRANSLATION, w->level, 1);
    *fault = true;
    return true;
}

void mmu_remember_walk(struct a64_cpu *cpu, unsigned index, uint64_t va,
                       const struct mmu_path *path)
{
    static const uint64_t nothing;

    if (path->n == 0 || index > MMU_E10_1_PAN || mmu_stage2_enabled(cpu, MMU_REGIME_E10)) {
        return;
    }
    struct mmu_walk_known *const w = slot_of(cpu->mmu, index, va);
    const unsigned n = path->n - 1;
    const uint64_t leaf = path->descriptor[n];
    const uint64_t mask = path->shift < MMU_WALK_LOG2 ? (1ull << (MMU_WALK_LOG2 - path->shift)) - 1
                                                      : 0;
    const uint64_t *const leaves = path->where[n] - (va >> path->shift & mask);
    bool same = w->key == key_of(index, va) && w->base == base_of(cpu, va) && w->leaves == leaves &&
                w->shift == path->shift;
    for (unsigned i = 0; i < MMU_MAX_LEVELS - 1; i++) {
        const uint64_t *const where = i < n ? path->where[i] : &nothing;
        const uint64_t descriptor = i < n ? path->descriptor[i] : 0;
        same = same && w->where[i] == where && w->descriptor[i] == descriptor;
        w->where[i] = where;
        w->descriptor[i] = descriptor;
    }
    if (!same) {
        memset(w->known, 0xff, sizeof(w->known)); /* the attributes of no descriptor */
        w->next = 0;
    }
    w->key = key_of(index, va);
    w->base = base_of(cpu, va);
    w->leaves = leaves;
    w->index_mask = mask;
    w->shift = path->shift;
    w->level = path->level;
    w->address_mask = path->address_mask;
    if (mmu_bit(leaf, DESC_VALID)) {
        w->known[w->next] = (struct mmu_leaf_known){
            .attributes = leaf & ~path->address_mask, .allowed = path->allowed, .attr = path->attr};
        w->next = (uint8_t)((w->next + 1u) % MMU_LEAVES_KNOWN);
    }
}

void mmu_forget_walks(struct mmu *mmu)
{
    memset(mmu->walks, 0, sizeof(mmu->walks));
    memset(mmu->ranges, 0, sizeof(mmu->ranges));
}
