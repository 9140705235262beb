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

#include "engine/mmu/internal.h"
#include "engine/mmu/tlb.h"
#include "vm/vm.h"

enum { DESC_VALID = 0, DESC_NG = 11, DESC_GP = 50 };

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
