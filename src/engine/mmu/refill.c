/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Filling the TLB again without a walk's work. For 2 MiB of addresses and a translation context a vCPU remembers which descriptors led to
 * the last table, where they lie in host memory, and what the attributes of the leaves seen there came to. Nothing is cached for
 * the guest: each use reads every descriptor again and compares it, so that the result is that of a walk at that moment, whatever
 * was invalidated or not. What else a walk depends on, registers and the VM's map, drops everything when it changes.
 *
 * Only for the EL1&0 regime without the guest's own stage 2. Descriptors that hardware would update are left to the walk.
 *
 * Emitted code calls mmu_refill_in_place() with values in vector registers. So where the compiler can be told to leave those alone this file
 * is compiled so (MMU_REFILL_IN_PLACE), and nothing that is called from there is outside of it.
 */
#include <string.h>

#include "engine/code.h"
#include "engine/mmu/internal.h"
#include "engine/mmu/tlb_sets.h"
#include "vm/vm.h"

enum { DESC_VALID = 0, DESC_NG = 11, DESC_GP = 50 };

/* --- An entry -------------------------------------------------------------------------------------------------------------------- */

INLINE bool stage1_is_on(const struct a64_cpu *cpu, unsigned index)
{
    return mmu_bit(cpu->sys[index <= MMU_E10_1_PAN ? SR_SCTLR_EL1 : SR_SCTLR_EL2], SCTLR_M);
}

/* What an entry is beside its addresses; of a fetch only GUARDED and GLOBAL. */
struct kind {
    uint8_t flags;     /* TLB_* */
    uint8_t allowed;   /* ALLOW_* */
    uint8_t size_log2; /* of the leaf */
};

static uint8_t data_flags(uint8_t attr)
{
    return (uint8_t)((mmu_attr_is_device(attr) ? TLB_DEVICE : 0) |
                     (mmu_attr_is_wb(attr) ? TLB_WB : 0));
}

INLINE void set_tags(struct tlb_entry *e, uint64_t tag, const struct kind *kind, bool stage1)
{
    /* Emitted code looks at no attributes: while stage 1 is on, what is Device or not Write-Back goes the long way. Without
     * stage 1 it checks alignment, and leaves exclusives and atomics to others (MODE_ALIGNED). */
    const bool slow = (kind->flags & TLB_WATCHED) != 0 || ((kind->flags & TLB_WB) == 0 && stage1);
    const uint64_t slow_tag = tag & ~TLB_SLOW, data_tag = slow ? slow_tag : tag;
    const bool read = (kind->allowed & ALLOW_READ) != 0;

    e->read = read ? data_tag : 0;
    e->write = 0;
    if ((kind->allowed & ALLOW_WRITE) != 0) {
        /* A page that cannot be read must not answer the merged checks of loads and stores. */
        e->write = read && (kind->flags & TLB_CODE) == 0 ? data_tag : slow_tag;
    }
}

/* Where the entry of va's slot becomes another's, or as it was. */
INLINE bool set_place(struct a64_cpu *cpu, unsigned index, uint64_t va, const uint8_t *host,
                      const struct kind *kind)
{
    struct mmu *const mmu = cpu->mmu;
    struct tlb_table *const table = mmu->at[index];
    const unsigned slot = tlb_slot_of(va);
    struct tlb_entry *const e = &table->entries[slot];
    struct tlb_info *const info = &table->info[slot];
    const uint64_t page = va & MMU_PAGE_MASK;
    const uintptr_t addend = ((uintptr_t)host & (uintptr_t)MMU_PAGE_MASK) - (uintptr_t)page;
    const bool used = test_bit(table->used.words, slot);
    const bool same = used && info->page == page && e->addend == addend &&
                      info->size_log2 == kind->size_log2;

    if (!used) {
        set_add(&table->used, slot);
        mmu->touched |= 1u << mmu->number[index];
    }
    if ((kind->flags & TLB_GLOBAL) == 0) {
        set_add(&table->nonglobal, slot);
    } else if (used && (info->flags & TLB_GLOBAL) == 0) {
        set_remove(&table->nonglobal, slot);
    }
    e->addend = addend;
    info->page = page;
    info->asid = (uint16_t)tlb_asid_of_index(mmu, index);
    info->size_log2 = kind->size_log2;
    if (kind->size_log2 > MMU_PAGE_LOG2) {
        table->sizes |= 1ull << kind->size_log2;
        set_bit(table->large_filter, tlb_filter_bit(va, kind->size_log2));
    }
    return same;
}

INLINE void set_data(struct a64_cpu *cpu, unsigned index, uint64_t va, const uint8_t *host,
                     const struct kind *kind)
{
    struct tlb_entry *const e = tlb_slot(cpu, index, va);

    if (!set_place(cpu, index, va, host, kind)) {
        e->fetch = 0;
    }
    set_tags(e, (va & MMU_PAGE_MASK) | TLB_TAG, kind, stage1_is_on(cpu, index));
    tlb_slot_info(cpu, index, va)->flags = kind->flags;
    if ((kind->allowed & ALLOW_WRITE) != 0 && (kind->flags & TLB_CODE) == 0) {
        tlb_note_writer(cpu->mmu, (uintptr_t)host, cpu->mmu->number[index], tlb_slot_of(va));
    }
}

static void fill_data(struct a64_cpu *cpu, unsigned index, uint64_t va, const uint8_t *host,
                      struct kind kind)
{
    if (cpu->mmu->n_watched != 0 && mmu_watchpoint_on_page(cpu->mmu, va)) {
        kind.flags |= TLB_WATCHED;
    }
    if ((kind.allowed & ALLOW_WRITE) != 0 && code_page_has_code(cpu->code, host)) {
        kind.flags |= TLB_CODE;
    }
    set_data(cpu, index, va, host, &kind);
}

static void fill_fetch(struct a64_cpu *cpu, unsigned index, uint64_t va, const uint8_t *host,
                       struct kind kind)
{
    struct tlb_entry *const e = tlb_slot(cpu, index, va);
    struct tlb_info *const info = tlb_slot_info(cpu, index, va);

    if (set_place(cpu, index, va, host, &kind)) {
        /* The attributes of data accesses may differ (MMU off, SCTLR.C): keep those that a data access has found. */
        kind.flags |= info->flags & (TLB_DEVICE | TLB_WB | TLB_WATCHED | TLB_CODE);
    } else {
        e->read = 0;
        e->write = 0;
    }
    e->fetch = (kind.allowed & ALLOW_FETCH) != 0 ? (va & MMU_PAGE_MASK) | TLB_TAG : 0;
    info->flags = kind.flags;
}

static void fill(struct a64_cpu *cpu, unsigned index, uint64_t va, const uint8_t *host,
                 const struct kind *kind, unsigned access)
{
    if ((access & ACCESS_FETCH) != 0) {
        fill_fetch(cpu, index, va, host,
                   (struct kind){.flags = kind->flags & (TLB_GUARDED | TLB_GLOBAL),
                                 .allowed = kind->allowed,
                                 .size_log2 = kind->size_log2});
    } else {
        fill_data(cpu, index, va, host, *kind);
    }
}

void tlb_fill(struct a64_cpu *cpu, unsigned index, uint64_t va, const struct mmu_page *page,
              unsigned access)
{
    const struct kind kind = {
        .flags = (uint8_t)((page->guarded ? TLB_GUARDED : 0) | (page->global ? TLB_GLOBAL : 0) |
                           data_flags(page->attr)),
        .allowed = page->allowed,
        .size_log2 = page->size_log2,
    };

    fill(cpu, index, va, page->host, &kind, access);
}

/* --- What walks have read -------------------------------------------------------------------------------------------------------- */

INLINE uint64_t key_of(unsigned index, uint64_t va)
{
    return va >> MMU_WALK_LOG2 << 4 | index << 1 | 1;
}

INLINE struct mmu_walk_known *slot_of(struct mmu *mmu, unsigned index, uint64_t va)
{
    const uint64_t region = va >> MMU_WALK_LOG2;

    return &mmu->walks[(region ^ region >> 9 ^ (uint64_t)index << 6) % MMU_WALKS];
}

/* Without the ASID, which leads nowhere. */
INLINE uint64_t base_of(const struct a64_cpu *cpu, uint64_t va)
{
    return cpu->sys[mmu_bit(va, 55) ? SR_TTBR1_EL1 : SR_TTBR0_EL1] & ((1ull << 48) - 1);
}

INLINE bool still_there(const struct mmu_walk_known *w)
{
    uint64_t differing = 0;

    for (unsigned i = 0; i < MMU_MAX_LEVELS - 1; i++) {
        differing |= __atomic_load_n(w->where[i], __ATOMIC_ACQUIRE) ^ w->descriptor[i];
    }
    return differing == 0;
}

/* A walk made before that leads to va, if it still does; *leaf is what it finds now. */
INLINE const struct mmu_walk_known *walk_again(struct a64_cpu *cpu, unsigned index, uint64_t va,
                                               uint64_t *leaf)
{
    const struct mmu_walk_known *const w = slot_of(cpu->mmu, index, va);

    if (w->key != key_of(index, va) || w->base != base_of(cpu, va) || !still_there(w)) {
        return NULL;
    }
    *leaf = __atomic_load_n(w->leaves + (va >> w->shift & w->index_mask), __ATOMIC_ACQUIRE);
    return w;
}

INLINE const struct mmu_leaf_known *known_leaf(const struct mmu_walk_known *w, uint64_t leaf)
{
    for (unsigned i = 0; i < MMU_LEAVES_KNOWN; i++) {
        if ((leaf & ~w->address_mask) == w->known[i].attributes) {
            return &w->known[i];
        }
    }
    return NULL;
}

INLINE uint64_t address_of(const struct mmu_walk_known *w, uint64_t leaf, uint64_t va)
{
    return (leaf & w->address_mask) | (va & ((1ull << w->shift) - 1));
}

INLINE struct vm_range *range_slot(struct a64_cpu *cpu, uint64_t pa)
{
    return &cpu->mmu->ranges[(pa >> 30) % MMU_RANGES];
}

INLINE bool is_in(const struct vm_range *range, uint64_t pa)
{
    return pa - range->start < range->end - range->start;
}

INLINE struct kind kind_of(const struct mmu_walk_known *w, const struct mmu_leaf_known *known,
                           const struct vm_range *range)
{
    return (struct kind){.flags = known->flags,
                         .allowed = known->allowed & (uint8_t)range->permissions,
                         .size_log2 = w->shift};
}

/* --- Stretches ------------------------------------------------------------------------------------------------------------------- */

#define LOOKS_AT_ONCE 16u

/* A direction in tables and addresses. */
enum { DOWN = -1, UP = 1 };

/* How many of n descriptors in that direction, the first of them at `at`, have the attributes and map what lies from `edge` on. */
INLINE unsigned in_order(const uint64_t *at, unsigned n, int direction, unsigned shift,
                         uint64_t address_mask, uint64_t attributes, uint64_t edge)
{
    unsigned i = 0;

    while (i < n) {
        const uint64_t address = direction == UP ? edge : edge - (1ull << shift);
        if ((address & ~address_mask) != 0 ||
            __atomic_load_n(at, __ATOMIC_ACQUIRE) != (attributes | address)) {
            break;
        }
        edge += (uint64_t)(int64_t)direction << shift;
        at += direction;
        i++;
    }
    return i;
}

/* The entries of w's last table behind va's in that direction, or those for the region that w is of. */
INLINE unsigned entries_left(const struct mmu_walk_known *w, uint64_t va, int direction)
{
    unsigned log2 = 0;

    if (w->index_mask != 0) {
        log2 = MMU_WALK_LOG2 - w->shift;
    } else if (w->descriptor[0] != 0) { /* the first table may have fewer */
        log2 = w->level == 2   ? (w->shift + 3u) / 2 - 3
               : w->level == 1 ? (w->shift + 6u) / 3 - 3
                               : 0;
    }
    const unsigned mask = (1u << log2) - 1, index = (unsigned)(va >> w->shift) & mask;
    return direction == DOWN ? index : mask - index;
}

#define TABLE_ENTRIES 512u
#define TABLE_ADDRESS 0x0000fffffffff000ull
#define BLOCK_ADDRESS 0x0000ffffffe00000ull
#define BLOCK_SIZE    (1ull << MMU_WALK_LOG2)
#define DESC_IS_TABLE 3ull /* at level 2 */
#define DESC_IS_PAGE  2ull /* of a leaf at level 3 */

/*
 * Of 4 KiB pages and blocks of them: how many bytes the entries of level 2 next to that for va map as it does, from `edge` on, be they blocks or tables
 * of pages. attributes: of a block; taken: the entry of a table that has taken no less and no more from its pages than the leaf has.
 */
static uint64_t in_next_entries(struct a64_cpu *cpu, uint64_t va, int direction, const uint64_t *at,
                                uint64_t taken, uint64_t attributes, uint64_t edge,
                                uint8_t *leaf_log2)
{
    unsigned index = (unsigned)(va >> MMU_WALK_LOG2) % TABLE_ENTRIES;
    uint64_t bytes = 0;

    while (index != (direction == DOWN ? 0 : TABLE_ENTRIES - 1)) {
        index += (unsigned)direction;
        at += direction;
        if (taken >> 59 == 0 &&
            in_order(at, 1, direction, MMU_WALK_LOG2, BLOCK_ADDRESS, attributes, edge) != 0) {
            *leaf_log2 = MMU_WALK_LOG2;
        } else {
            const uint64_t table = __atomic_load_n(at, __ATOMIC_ACQUIRE),
                           pa = table & TABLE_ADDRESS;
            const struct vm_range *const range = range_slot(cpu, pa);
            if (((table ^ taken) & ~TABLE_ADDRESS) != 0 || (attributes & TABLE_ADDRESS) != 0 ||
                !is_in(range, pa)) {
                break;
            }
            const uint64_t *const entries = (const uint64_t *)(range->host + (pa - range->start));
            const unsigned n = in_order(direction == UP ? entries : entries + TABLE_ENTRIES - 1,
                                        TABLE_ENTRIES, direction, MMU_PAGE_LOG2, TABLE_ADDRESS,
                                        attributes | DESC_IS_PAGE, edge);
            if (n != TABLE_ENTRIES) {
                return bytes + ((uint64_t)n << MMU_PAGE_LOG2);
            }
        }
        bytes += BLOCK_SIZE;
        edge += (uint64_t)(int64_t)direction << MMU_WALK_LOG2;
    }
    return bytes;
}

/* How many bytes next to va's leaf go on as it does. */
static uint64_t bytes_in_order(struct a64_cpu *cpu, uint64_t va, int direction,
                               const struct mmu_walk_known *w, uint64_t leaf, uint8_t *leaf_log2)
{
    const uint64_t *const at = w->leaves + (va >> w->shift & w->index_mask);
    const uint64_t attributes = leaf & ~w->address_mask, address = leaf & w->address_mask;
    const unsigned left = entries_left(w, va, direction);
    uint64_t edge = direction == UP ? address + (1ull << w->shift) : address;

    if (w->shift == MMU_WALK_LOG2 && w->level == 2 && w->descriptor[0] != 0) {
        return in_next_entries(cpu, va, direction, at, DESC_IS_TABLE, attributes, edge, leaf_log2);
    }
    const unsigned n = in_order(at + direction, left, direction, w->shift, w->address_mask,
                                attributes, edge);
    const uint64_t bytes = (uint64_t)n << w->shift;
    const unsigned parent = w->descriptor[2] != 0 ? 2 : 1; /* of the tables that lead there */
    if (n < left || w->shift != MMU_PAGE_LOG2 || w->level != 3 || w->descriptor[parent] == 0) {
        return bytes;
    }
    edge += direction == UP ? bytes : 0 - bytes;
    return bytes + in_next_entries(cpu, va, direction, w->where[parent], w->descriptor[parent],
                                   attributes & ~DESC_IS_PAGE, edge, leaf_log2);
}

/* How far from a page of host memory that is free of code the pages below, or above, are so too. */
static uintptr_t code_free_down(const struct a64_cpu *cpu, uintptr_t host, uintptr_t end)
{
    uintptr_t at = (host & (uintptr_t)MMU_PAGE_MASK) + MMU_PAGE_SIZE;

    while (at > end) {
        const bool chunk = at % CODE_CHUNK == 0 && at - end >= CODE_CHUNK &&
                           !code_chunk_may_have_code(cpu->may_have_code, at - 1);
        if (!chunk && code_page_may_have_code(cpu->may_have_code, (const uint8_t *)(at - 1))) {
            break;
        }
        at -= chunk ? CODE_CHUNK : MMU_PAGE_SIZE;
    }
    return at;
}

static uintptr_t code_free_up(const struct a64_cpu *cpu, uintptr_t host, uintptr_t end)
{
    uintptr_t at = host & (uintptr_t)MMU_PAGE_MASK;

    while (at < end) {
        const bool chunk = at % CODE_CHUNK == 0 && end - at >= CODE_CHUNK &&
                           !code_chunk_may_have_code(cpu->may_have_code, at);
        if (!chunk && code_page_may_have_code(cpu->may_have_code, (const uint8_t *)at)) {
            break;
        }
        at += chunk ? CODE_CHUNK : MMU_PAGE_SIZE;
    }
    return at;
}

/* Larger than what is there, or the rest of it. */
static void offer_stretch(struct tlb_stretch *s, uint64_t first, uint64_t end, uintptr_t addend,
                          unsigned asid, bool global, uint8_t leaf_log2)
{
    const uint64_t s_first = 0 - s->minus_first, s_end = s_first + s->size + TLB_STRETCH_SPAN;

    if (s->size != 0 && s->addend == addend && s->global == global && (global || s->asid == asid) &&
        first <= s_end && end >= s_first) {
        first = first < s_first ? first : s_first;
        end = end > s_end ? end : s_end;
        leaf_log2 = leaf_log2 > s->leaf_log2 ? leaf_log2 : s->leaf_log2;
    } else if (s->size != 0 && s->size >= end - first) {
        return;
    }
    s->minus_first = 0 - first;
    s->size = end - first - TLB_STRETCH_SPAN;
    s->addend = addend;
    s->asid = (uint16_t)asid;
    s->global = global;
    s->leaf_log2 = leaf_log2;
}

/*
 * va's page has just been found outside of a stretch: is it in one? The entries around its own are what a walk of those addresses would find
 * now, because all that leads there is what it was. How often that is asked for falls, so that who has no stretches or invalidates all the time
 * does not pay for them.
 */
static void look_for_stretch(struct a64_cpu *cpu, unsigned index, uint64_t va,
                             struct tlb_stretch *outside_of)
{
    struct mmu *const mmu = cpu->mmu;
    struct tlb_stretch *const loads = &mmu->at[index]->stretches[STRETCH_LOAD],
                              *const stores = &mmu->at[index]->stretches[STRETCH_STORE];
    uint64_t leaf;

    const struct mmu_walk_known *const w = walk_again(cpu, index, va, &leaf);
    const struct mmu_leaf_known *const known = w != NULL ? known_leaf(w, leaf) : NULL;
    if (outside_of->looks < LOOKS_AT_ONCE + 12) {
        outside_of->looks++;
    }
    outside_of->wait = (uint16_t)(outside_of->looks < LOOKS_AT_ONCE
                                      ? 0
                                      : 8u << (outside_of->looks - LOOKS_AT_ONCE));
    if (known == NULL || mmu->n_watched != 0 || !stage1_is_on(cpu, index)) {
        return;
    }
    const uint64_t pa = address_of(w, leaf, va), page = va & ~((1ull << w->shift) - 1);
    const struct vm_range *const range = range_slot(cpu, pa);
    if (!is_in(range, pa)) {
        return;
    }
    const struct kind kind = kind_of(w, known, range);
    if ((kind.flags & (TLB_WB | TLB_DEVICE)) != TLB_WB || (kind.allowed & ALLOW_READ) == 0) {
        return;
    }
    uint8_t leaf_log2 = w->shift;
    const uint64_t down = bytes_in_order(cpu, va, DOWN, w, leaf, &leaf_log2),
                   up = bytes_in_order(cpu, va, UP, w, leaf, &leaf_log2);
    /* What the VM's map has of it. */
    const uint64_t start = page - down, last = page + (1ull << w->shift) + up - 1;
    const uint64_t first = va - start < pa - range->start ? start : va - (pa - range->start);
    const uint64_t end = (last - va < range->end - 1 - pa ? last : va + (range->end - 1 - pa)) + 1;
    const uintptr_t addend = (uintptr_t)range->host + (pa - range->start) - va;
    const unsigned asid = tlb_asid_of_index(mmu, index);
    const bool global = (kind.flags & TLB_GLOBAL) != 0;

    if (end - first < mmu->stretch_least) {
        return;
    }
    mmu->touched |= 1u << mmu->number[index];
    offer_stretch(loads, first, end, addend, asid, global, leaf_log2);
    if ((kind.allowed & ALLOW_WRITE) == 0) {
        return;
    }
    /* Stores: as far as there is no code. */
    const uintptr_t host = (uintptr_t)va + addend;
    const uint64_t from = code_free_down(cpu, host, (uintptr_t)first + addend) - addend,
                   to = code_free_up(cpu, host, (uintptr_t)end + addend) - addend;
    if (from < to && to - from >= mmu->stretch_least) {
        offer_stretch(stores, from, to, addend, asid, global, leaf_log2);
    }
}

INLINE bool is_outside(struct tlb_stretch *s, uint64_t va)
{
    return !is_in_stretch(s, va) && s->wait-- == 0;
}

void mmu_look_for_stretch(struct a64_cpu *cpu)
{
    struct mmu *const mmu = cpu->mmu;

    if (mmu->look.wanted) {
        mmu->look.wanted = false;
        look_for_stretch(cpu, mmu->look.index, mmu->look.va,
                         &mmu->at[mmu->look.index]->stretches[mmu->look.kind]);
    }
}

/*
 * It is a request, which the code that has just missed may meet before it gets any further, and miss again. So the number of looks counts
 * whatever comes of them.
 */
INLINE void note_look(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned kind)
{
    struct mmu *const mmu = cpu->mmu;

    mmu->look.wanted = true;
    mmu->look.index = (uint8_t)index;
    mmu->look.kind = (uint8_t)kind;
    mmu->look.va = va;
    cpu_request(cpu, CPU_REQUEST_LOOK);
}

/* Where an entry has just been made for a load or store. That for a load may allow stores as well, which make none then. */
INLINE void want_stretch(struct a64_cpu *cpu, unsigned index, uint64_t va)
{
    struct tlb_stretch *const s = cpu->mmu->at[index]->stretches;

    if ((int64_t)(va << 8) >> 8 != (int64_t)va || cpu->mmu->n_watched != 0 ||
        !stage1_is_on(cpu, index)) {
        return;
    }
    if (__builtin_expect(is_outside(&s[STRETCH_LOAD], va), 0)) {
        note_look(cpu, index, va, STRETCH_LOAD);
    } else if (tlb_slot(cpu, index, va)->write == ((va & MMU_PAGE_MASK) | TLB_TAG) &&
               __builtin_expect(is_outside(&s[STRETCH_STORE], va), 0)) {
        note_look(cpu, index, va, STRETCH_STORE);
    }
}

void mmu_want_stretch(struct a64_cpu *cpu, unsigned index, uint64_t va, uint64_t pa)
{
    struct vm_range *const range = range_slot(cpu, pa);
    int level;

    if (index <= MMU_E10_1_PAN &&
        (is_in(range, pa) || vm_lookup_range(cpu->vm, pa, range, &level))) {
        want_stretch(cpu, index, va);
    }
}

/* A Translation fault of stage 1, or of the VM's map (stage 3). */
static bool fails(struct a64_cpu *cpu, uint64_t va, unsigned access, int level, unsigned stage,
                  uint64_t ipa)
{
    cpu->fault = (struct fault){
        .type = FAULT_TRANSLATION,
        .level = (int8_t)level,
        .stage = (uint8_t)stage,
        .is_write = (access & (ACCESS_READ | ACCESS_WRITE)) == ACCESS_WRITE,
        .is_fetch = (access & ACCESS_FETCH) != 0,
        .va = va,
        .ipa = ipa,
    };
    return true;
}

INLINE uint64_t device_key(const struct mmu *mmu, unsigned index, uint64_t va)
{
    return (va & MMU_PAGE_MASK) | mmu->number[index] | 1u << 8;
}

INLINE struct mmu_device *device_slot(struct mmu *mmu, uint64_t va)
{
    return &mmu->devices[(va >> MMU_PAGE_LOG2 ^ va >> (MMU_PAGE_LOG2 + 4)) % MMU_DEVICES];
}

INLINE bool is_device(struct mmu *mmu, unsigned index, uint64_t va)
{
    return device_slot(mmu, va)->key == device_key(mmu, index, va);
}

INLINE uint32_t map_version(const struct mmu *mmu)
{
    return atomic_load_explicit(mmu->map_version, memory_order_acquire);
}

/* False: there is nothing, but a device of the client's perhaps. */
static bool look_up(struct a64_cpu *cpu, uint64_t pa, struct vm_range *range)
{
    const uint32_t version = map_version(cpu->mmu);
    int level;

    if (vm_lookup_range(cpu->vm, pa, range, &level)) {
        return true;
    }
    cpu->mmu->hole = (struct mmu_hole){pa >> MMU_PAGE_LOG2, version, level};
    return false;
}

/* Emitted code asks for it first. */
INLINE bool fails_at_device(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned access,
                            const struct mmu_device *device)
{
    const uint64_t tag = va | TLB_TAG, page = device->page << MMU_PAGE_LOG2;

    cpu->x64.device.tag[0] = (device->allowed & ACCESS_READ) != 0 ? tag : 0;
    cpu->x64.device.tag[1] = (device->allowed & ACCESS_WRITE) != 0 ? tag : 0;
    cpu->x64.device.entries = cpu->mmu->at[index]->entries;
    cpu->x64.device.page = page;
    cpu->x64.device.version = device->version;
    cpu->x64.device.level = device->level;
    return fails(cpu, va, access, device->level, 3, page | (va & ~MMU_PAGE_MASK));
}

/* As the tables are now; what it comes to is known from then on. Devices of the VM itself are seen by who asks the GIC. */
static __attribute__((noinline)) bool fails_by_walk(struct a64_cpu *cpu, unsigned index,
                                                    uint64_t va, unsigned access, bool asks_gic)
{
    const struct mmu_hole *const hole = &cpu->mmu->hole;
    uint64_t leaf;

    if (index > MMU_E10_1_PAN) {
        return false;
    }
    const struct mmu_walk_known *const w = walk_again(cpu, index, va, &leaf);
    if (w == NULL) {
        return false;
    }
    if (!mmu_bit(leaf, DESC_VALID)) {
        return fails(cpu, va, access, w->level, 1, 0);
    }
    const struct mmu_leaf_known *const known = known_leaf(w, leaf);
    const uint64_t pa = address_of(w, leaf, va);
    if (known == NULL || (access & ~known->allowed) != 0 || hole->page != pa >> MMU_PAGE_LOG2 ||
        hole->version != map_version(cpu->mmu) ||
        (cpu->vm->gic != NULL && (!asks_gic || cpu->vm->gic->claims(cpu, pa)))) {
        return false;
    }
    struct mmu_device *const device = device_slot(cpu->mmu, va);
    cpu->mmu->has_devices = true;
    *device = (struct mmu_device){
        .key = device_key(cpu->mmu, index, va),
        .page = hole->page,
        .version = hole->version,
        .level = (int8_t)hole->level,
        .allowed = known->allowed,
    };
    return fails_at_device(cpu, index, va, access, device);
}

INLINE bool fails_now(struct a64_cpu *cpu, bool is_unprivileged, uint64_t va, bool is_write,
                      bool asks_gic)
{
    const unsigned index = is_unprivileged ? cpu->mmu_index_unpriv : cpu->mmu_index;
    const unsigned access = is_write ? ACCESS_WRITE : ACCESS_READ;
    const struct mmu_device *const device = device_slot(cpu->mmu, va);

    if (!is_device(cpu->mmu, index, va) || (access & ~device->allowed) != 0 ||
        device->version != map_version(cpu->mmu)) {
        return fails_by_walk(cpu, index, va, access, asks_gic);
    }
    return fails_at_device(cpu, index, va, access, device);
}

bool mmu_fails(struct a64_cpu *cpu, bool is_unprivileged, uint64_t va, bool is_write)
{
    return fails_now(cpu, is_unprivileged, va, is_write, true);
}

bool mmu_fails_in_place(struct a64_cpu *cpu, bool is_unprivileged, uint64_t va, bool is_write)
{
    return fails_now(cpu, is_unprivileged, va, is_write, false);
}

bool mmu_refill(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned access, bool misaligned,
                bool *fault)
{
    uint64_t leaf;

    /* TCR_EL1.TBID lets a fetch look at bits that a load ignores. */
    if (index > MMU_E10_1_PAN ||
        ((access & ACCESS_FETCH) != 0 && (int64_t)(va << 8) >> 8 != (int64_t)va)) {
        return false;
    }
    const struct mmu_walk_known *const w = walk_again(cpu, index, va, &leaf);
    if (w == NULL) {
        return false;
    }
    if (!mmu_bit(leaf, DESC_VALID)) {
        *fault = fails(cpu, va, access, w->level, 1, 0);
        return true;
    }
    const struct mmu_leaf_known *const known = known_leaf(w, leaf);
    if (known == NULL || (misaligned && (known->flags & TLB_DEVICE) != 0) ||
        (access & ~known->allowed) != 0) {
        return false;
    }
    const uint64_t pa = address_of(w, leaf, va);
    struct vm_range *const range = range_slot(cpu, pa);
    if (!is_in(range, pa) && !look_up(cpu, pa, range)) {
        *fault = fails(cpu, va, access, cpu->mmu->hole.level, 3, pa);
        return true;
    }
    const struct kind kind = kind_of(w, known, range);
    if ((access & ~kind.allowed) != 0) {
        return false;
    }
    fill(cpu, index, va, range->host + (pa - range->start), &kind, access);
    if ((access & ACCESS_FETCH) == 0) {
        want_stretch(cpu, index, va);
    }
    return true;
}

bool mmu_can_refill_in_place(void)
{
#ifdef MMU_REFILL_IN_PLACE
    return true;
#else
    return false;
#endif
}

#define PAGES_AHEAD \
    3u /* at first; who goes on in order gets twice as many the next time, and so on up to */
#define PAGES_MOST 24u

/*
 * Who goes through pages in order finds the next ones there. Of entries that are free, and leaves of the same table and attributes, which
 * a walk would find now. The last page that was filled.
 */
static __attribute__((noinline)) uint64_t fill_ahead(struct a64_cpu *cpu, unsigned index,
                                                     uint64_t va, const struct mmu_walk_known *w,
                                                     const struct mmu_leaf_known *known,
                                                     const struct vm_range *range)
{
    const struct kind kind = kind_of(w, known, range);

    for (unsigned i = 0; i < cpu->mmu->pages_ahead; i++) {
        const uint64_t next = va + MMU_PAGE_SIZE;
        if ((next ^ va) >> MMU_WALK_LOG2 != 0 ||
            test_bit(cpu->mmu->at[index]->used.words, tlb_slot_of(next))) {
            break;
        }
        const uint64_t leaf = __atomic_load_n(w->leaves + (next >> w->shift & w->index_mask),
                                              __ATOMIC_ACQUIRE);
        const uint64_t pa = address_of(w, leaf, next);
        const uint8_t *const host = range->host + (pa - range->start);
        if ((leaf & ~w->address_mask) != known->attributes || !is_in(range, pa) ||
            ((kind.allowed & ALLOW_WRITE) != 0 &&
             code_page_may_have_code(cpu->may_have_code, host))) {
            break;
        }
        set_data(cpu, index, next, host, &kind);
        va = next;
    }
    return va;
}

bool mmu_refill_in_place(struct a64_cpu *cpu, uint64_t tag, unsigned how, uint64_t offset)
{
    const unsigned index = (how & MMU_REFILL_UNPRIV) != 0 ? cpu->mmu_index_unpriv : cpu->mmu_index;

    if (cpu->mmu->has_devices && is_device(cpu->mmu, index, tag)) {
        return false;
    }
    const uint64_t va = tag & MMU_PAGE_MASK;
    const struct tlb_entry *const entry = tlb_slot(cpu, index, va);
    const uint64_t *const now = (how & MMU_REFILL_STORE) != 0 ? &entry->write : &entry->read;
    uint64_t leaf;

    /* Not across pages, and not for what the entry says already. */
    if (tlb_slot_of(va) * sizeof(*entry) != offset || tlb_matches(*now, va) ||
        index > MMU_E10_1_PAN || cpu->mmu->n_watched != 0) {
        return false;
    }
    const struct mmu_walk_known *const w = walk_again(cpu, index, va, &leaf);
    const struct mmu_leaf_known *const known = w != NULL ? known_leaf(w, leaf) : NULL;
    if (known == NULL) {
        return false;
    }
    const uint64_t pa = address_of(w, leaf, va);
    const struct vm_range *const range = range_slot(cpu, pa);
    if (!is_in(range, pa)) {
        return false;
    }
    const struct kind kind = kind_of(w, known, range);
    const uint8_t *const host = range->host + (pa - range->start);
    if ((kind.allowed & ALLOW_WRITE) != 0 && code_page_may_have_code(cpu->may_have_code, host)) {
        return false;
    }
    /* When this access is not allowed, the entry says so from here on, and somebody else why. */
    set_data(cpu, index, va, host, &kind);
    want_stretch(cpu, index, va);
    uint64_t last = va;
    if (va == cpu->mmu->next_page) {
        last = fill_ahead(cpu, index, va, w, known, range);
        if (cpu->mmu->pages_ahead < PAGES_MOST) {
            cpu->mmu->pages_ahead *= 2;
        }
    } else {
        cpu->mmu->pages_ahead = PAGES_AHEAD;
    }
    cpu->mmu->next_page = last + MMU_PAGE_SIZE;
    return *now == tag;
}

static uint8_t flags_of(const struct a64_cpu *cpu, uint64_t leaf, uint8_t attr)
{
    return (uint8_t)(data_flags(attr) | (mmu_bit(leaf, DESC_NG) ? 0 : TLB_GLOBAL) |
                     (cpu->mmu->features.bti && mmu_bit(leaf, DESC_GP) ? TLB_GUARDED : 0));
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
        w->known[w->next] = (struct mmu_leaf_known){.attributes = leaf & ~path->address_mask,
                                                    .allowed = path->allowed,
                                                    .flags = flags_of(cpu, leaf, path->attr)};
        w->next = (uint8_t)((w->next + 1u) % MMU_LEAVES_KNOWN);
    }
}

void mmu_forget_walks(struct a64_cpu *cpu)
{
    struct mmu *const mmu = cpu->mmu;

    memset(mmu->walks, 0, sizeof(mmu->walks));
    memset(mmu->ranges, 0, sizeof(mmu->ranges));
    mmu->hole.page = UINT64_MAX;
    mmu_forget_devices(cpu);
}
