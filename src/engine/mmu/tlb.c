/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/mmu/tlb.h"

#include <stdlib.h>
#include <string.h>

#include "engine/code.h"
#include "engine/mmu/mailbox.h"
#include "engine/mmu/tlb_sets.h"
#include "engine/pages.h"
#include "engine/x64/x64.h"
#include "vm/memory.h"

#define TABLES_BYTES (MMU_TABLES * sizeof(struct tlb_table))

/* --- Life ------------------------------------------------------------------------------------------------------------------------ */

static unsigned pa_bits_of(uint64_t mmfr0)
{
    static const uint8_t bits[8] = {32, 36, 40, 42, 44, 48, 48, 48};

    return bits[mmfr0 & 7];
}

static struct mmu_features features_of(const struct vm_profile *profile)
{
    const uint64_t mmfr0 = profile->id[SR_ID_AA64MMFR0_EL1],
                   mmfr1 = profile->id[SR_ID_AA64MMFR1_EL1];
    const uint64_t mmfr2 = profile->id[SR_ID_AA64MMFR2_EL1], pfr1 = profile->id[SR_ID_AA64PFR1_EL1];

    return (struct mmu_features){
        .pa_bits = (uint8_t)pa_bits_of(mmfr0),
        .asid16 = mmu_field(mmfr0, 7, 4) == 2,
        .granule_16k = mmu_field(mmfr0, 23, 20) != 0,
        .granule_64k = mmu_field(mmfr0, 27, 24) != 15,
        .granule_4k = mmu_field(mmfr0, 31, 28) != 15,
        .haf = mmu_field(mmfr1, 3, 0) >= 1,
        .hdbs = mmu_field(mmfr1, 3, 0) >= 2,
        .hpds = mmu_field(mmfr1, 15, 12) != 0,
        .pan3 = mmu_field(mmfr1, 23, 20) >= 3,
        .xnx = mmu_field(mmfr1, 31, 28) != 0,
        .ttst = mmu_field(mmfr2, 31, 28) != 0,
        .lse2 = mmu_field(mmfr2, 35, 32) != 0,
        .e0pd = mmu_field(mmfr2, 63, 60) != 0,
        .bti = mmu_field(pfr1, 3, 0) != 0,
    };
}

static void use_set(struct mmu *mmu, unsigned set)
{
    mmu->set = set;
    mmu->spaces[set].used = ++mmu->clock;
    for (unsigned index = 0; index < TLB_OF_SET; index++) {
        mmu->number[index] = (uint8_t)(set * TLB_OF_SET + index);
        mmu->at[index] = &mmu->tables[mmu->number[index]];
    }
}

bool mmu_create(struct a64_cpu *cpu)
{
    struct mmu *const mmu = calloc(1, sizeof(*mmu));

    if (mmu == NULL) {
        return false;
    }
    mmu->tables = pages_take(TABLES_BYTES);
    if (mmu->tables == NULL) {
        free(mmu);
        return false;
    }
    use_set(mmu, 0);
    for (unsigned index = MMU_E2; index < MMU_INDEX_COUNT; index++) {
        mmu->number[index] = (uint8_t)(TLB_SETS * TLB_OF_SET + index - MMU_E2);
        mmu->at[index] = &mmu->tables[mmu->number[index]];
    }
    mmu->features = features_of(cpu->vm->config.profile);
    mmu->map_version = vm_map_version(cpu->vm);
    cpu->x64.map_version = mmu->map_version;
    cpu->mmu = mmu;
    mmu_set_least_stretch(cpu, MMU_STRETCH_LEAST);
    mmu_bus_join(vm_memory_bus(cpu->vm), cpu);
    mmu_registers_changed(cpu);
    mmu_watchpoints_changed(cpu);
    return true;
}

void mmu_destroy(struct a64_cpu *cpu)
{
    if (cpu->mmu == NULL) {
        return;
    }
    mmu_bus_leave(cpu->mmu->bus, cpu);
    pages_give_back(cpu->mmu->tables, TABLES_BYTES);
    free(cpu->mmu);
    cpu->mmu = NULL;
}

/* --- Entries --------------------------------------------------------------------------------------------------------------------- */

/* The next member at or after `slot`; TLB_SLOTS when there is none. */
static unsigned next_in(const struct tlb_set *set, unsigned slot)
{
    if (slot >= TLB_SLOTS) {
        return TLB_SLOTS;
    }
    const uint64_t rest = set->words[slot / 64] >> (slot % 64);
    if (rest != 0) {
        return slot + (unsigned)__builtin_ctzll(rest);
    }
    for (unsigned word = slot / 64 + 1; word < TLB_WORDS; word = (word / 64 + 1) * 64) {
        const uint64_t words = set->any[word / 64] >> (word % 64);
        if (words != 0) {
            word += (unsigned)__builtin_ctzll(words);
            return word * 64 + (unsigned)__builtin_ctzll(set->words[word]);
        }
    }
    return TLB_SLOTS;
}

static void drop(struct tlb_table *table, unsigned slot)
{
    struct tlb_entry *const e = &table->entries[slot];

    e->read = 0;
    e->write = 0;
    e->fetch = 0;
    set_remove(&table->used, slot);
    set_remove(&table->nonglobal, slot);
}

static void drop_stretches(struct tlb_table *table)
{
    for (unsigned i = 0; i < STRETCHES; i++) {
        table->stretches[i].size = 0;
    }
}

void tlb_code_gone(struct a64_cpu *cpu, unsigned index, uint64_t va)
{
    struct tlb_entry *const e = tlb_slot(cpu, index, va);
    struct tlb_info *const info = tlb_slot_info(cpu, index, va);

    info->flags &= (uint8_t)~TLB_CODE;
    e->write = e->read != 0 ? e->read : e->write; /* SLOW for the same reasons as reads */
    tlb_note_writer(cpu->mmu, (uintptr_t)tlb_host(e, info->page), cpu->mmu->number[index],
                    tlb_slot_of(va));
}

/* --- Maintenance ----------------------------------------------------------------------------------------------------------------- */

static void empty(struct tlb_table *table)
{
    drop_stretches(table);
    for (unsigned i = 0; i < TLB_WORDS / 64; i++) {
        for (uint64_t any = table->used.any[i]; any != 0; any &= any - 1) {
            const unsigned word = i * 64 + (unsigned)__builtin_ctzll(any);
            for (uint64_t bits = table->used.words[word]; bits != 0; bits &= bits - 1) {
                table->entries[word * 64 + (unsigned)__builtin_ctzll(bits)] = (struct tlb_entry){0};
            }
            table->used.words[word] = 0;
            table->nonglobal.words[word] = 0;
        }
        table->used.any[i] = 0;
        table->nonglobal.any[i] = 0;
    }
    if (table->sizes != 0) {
        memset(table->large_filter, 0, sizeof(table->large_filter));
        table->sizes = 0;
    }
}

/*
 * MMU_VA_MASK addresses; whatever the ASID: no more goes than has to, as far as somebody notices. A leaf at either end may be larger than what
 * the stretch has of it.
 */
static void drop_stretches_of(struct tlb_table *table, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < STRETCHES; i++) {
        struct tlb_stretch *const s = &table->stretches[i];
        const uint64_t leaf = (1ull << s->leaf_log2) - 1,
                       start = (0 - s->minus_first) & MMU_VA_MASK;
        if (s->size != 0 && (start & ~leaf) <= last &&
            ((start + s->size + TLB_STRETCH_SPAN - 1) | leaf) >= first) {
            s->size = 0;
        }
    }
}

static void drop_asid(struct tlb_table *table, int asid)
{
    for (unsigned i = 0; i < STRETCHES; i++) {
        struct tlb_stretch *const s = &table->stretches[i];
        if (!s->global && (asid < 0 || s->asid == asid)) {
            s->size = 0;
        }
    }
    for (unsigned s = next_in(&table->nonglobal, 0); s < TLB_SLOTS;
         s = next_in(&table->nonglobal, s + 1)) {
        if (asid < 0 || table->info[s].asid == asid) {
            drop(table, s);
        }
    }
}

static bool has_asid(const struct tlb_info *e, int asid)
{
    return asid < 0 || (e->flags & TLB_GLOBAL) != 0 || e->asid == asid;
}

/* The leaf that the entry was made from, as a range of MMU_VA_MASK addresses. */
static bool overlaps(const struct tlb_info *e, uint64_t first, uint64_t last)
{
    const uint64_t leaf = (1ull << e->size_log2) - 1, start = e->page & MMU_VA_MASK & ~leaf;

    return start <= last && (start | leaf) >= first;
}

static void drop_va(struct tlb_table *table, uint64_t va, int asid)
{
    const uint64_t address = va & MMU_VA_MASK;
    const unsigned slot = tlb_slot_of(va);

    drop_stretches_of(table, address, address);
    if (test_bit(table->used.words, slot) && overlaps(&table->info[slot], address, address) &&
        has_asid(&table->info[slot], asid)) {
        drop(table, slot);
    }
    for (uint64_t sizes = table->sizes; sizes != 0; sizes &= sizes - 1) {
        const unsigned size_log2 = (unsigned)__builtin_ctzll(sizes);
        if (!test_bit(table->large_filter, tlb_filter_bit(va, size_log2))) {
            continue;
        }
        const uint64_t pages = 1ull << (size_log2 - MMU_PAGE_LOG2),
                       n = pages < TLB_SLOTS ? pages : TLB_SLOTS;
        const unsigned first = pages < TLB_SLOTS ? slot & ~(unsigned)(pages - 1) : 0;
        for (unsigned s = next_in(&table->used, first); s < first + n;
             s = next_in(&table->used, s + 1)) {
            if (overlaps(&table->info[s], address, address) && has_asid(&table->info[s], asid)) {
                drop(table, s);
            }
        }
    }
}

static void drop_range(struct tlb_table *table, uint64_t va, uint64_t size, int asid)
{
    const uint64_t first = va & MMU_VA_MASK;
    const uint64_t last = size - 1 < MMU_VA_MASK - first ? first + size - 1 : MMU_VA_MASK;

    drop_stretches_of(table, first, last);
    for (unsigned s = next_in(&table->used, 0); s < TLB_SLOTS; s = next_in(&table->used, s + 1)) {
        if (overlaps(&table->info[s], first, last) && has_asid(&table->info[s], asid)) {
            drop(table, s);
        }
    }
}

static unsigned regime_of(unsigned table)
{
    return table < TLB_SETS * TLB_OF_SET    ? MMU_REGIME_E10
           : table == TLB_SETS * TLB_OF_SET ? MMU_REGIME_E2
                                            : MMU_REGIME_E20;
}

/* --- Where code was found --- */

static unsigned code_leaf_bit(uint64_t va, unsigned size_log2)
{
    return (unsigned)(tlb_leaf_hash(va, size_log2) % TLB_CODE_FILTER_BITS);
}

/* Code may have been found in the leaf that translates va. */
static bool leaf_may_hold_code(const struct mmu *mmu, uint64_t va)
{
    for (uint64_t sizes = mmu->code_sizes; sizes != 0; sizes &= sizes - 1) {
        if (test_bit(mmu->code_leaves, code_leaf_bit(va, (unsigned)__builtin_ctzll(sizes)))) {
            return true;
        }
    }
    return false;
}

#define CODE_RANGE_PAGES 64u /* more are not looked at one by one */

static bool range_may_hold_code(const struct mmu *mmu, uint64_t va, uint64_t size)
{
    if (size >> MMU_PAGE_LOG2 > CODE_RANGE_PAGES) {
        return true;
    }
    for (uint64_t at = 0; at < size; at += MMU_PAGE_SIZE) {
        if (leaf_may_hold_code(mmu, va + at)) {
            return true;
        }
    }
    return false;
}

bool mmu_fetch_is_global(struct a64_cpu *cpu, uint64_t va)
{
    const struct tlb_info *const info = tlb_slot_info(cpu, cpu->mmu_index, va);

    cpu->mmu->code_sizes |= 1ull << info->size_log2;
    set_bit(cpu->mmu->code_leaves, code_leaf_bit(va, info->size_log2));
    return (info->flags & TLB_GLOBAL) != 0;
}

void mmu_set_least_stretch(struct a64_cpu *cpu, uint64_t bytes)
{
    struct mmu *const mmu = cpu->mmu;

    mmu->stretch_least = bytes;
    for (uint32_t touched = mmu->touched; touched != 0; touched &= touched - 1) {
        struct tlb_table *const table = &mmu->tables[__builtin_ctz(touched)];
        drop_stretches(table);
        for (unsigned i = 0; i < STRETCHES; i++) {
            table->stretches[i].looks = 0;
            table->stretches[i].wait = 0;
        }
    }
}

static const struct tlb_stretch *stretch_of(const struct a64_cpu *cpu, bool is_store)
{
    return &cpu->mmu->at[cpu->mmu_index]->stretches[is_store ? STRETCH_STORE : STRETCH_LOAD];
}

bool mmu_in_stretch(const struct a64_cpu *cpu, uint64_t va, bool is_store)
{
    const struct tlb_stretch *const s = stretch_of(cpu, is_store);

    return is_in_stretch(s, va);
}

bool mmu_wants_stretch(const struct a64_cpu *cpu, uint64_t pc, bool is_store)
{
    return cpu->mmu != NULL && stretch_of(cpu, is_store)->size != 0 &&
           !test_bit(cpu->x64.outside, (unsigned)(pc / 4 % X64_PLACES));
}

bool mmu_seems_device(const struct a64_cpu *cpu, uint64_t va)
{
    const uint64_t tag = va | TLB_TAG;

    return tag == cpu->x64.device.tag[0] || tag == cpu->x64.device.tag[1] ||
           (cpu->fault.stage == 3 && tag == (cpu->fault.va | TLB_TAG));
}

void mmu_note_place(struct a64_cpu *cpu, uint64_t va, bool is_store, uint64_t pc)
{
    const struct tlb_stretch *const s = stretch_of(cpu, is_store);

    if (s->size != 0 && !is_in_stretch(s, va)) {
        set_bit(cpu->x64.outside, (unsigned)(pc / 4 % X64_PLACES));
    }
}

static unsigned half_of(uint64_t va)
{
    return (va >> 55 & 1) != 0 ? X64_UPPER_HALF : X64_LOWER_HALF;
}

/* Emitted code remembers what fetches were translated to. Before the tables forget the leaves. */
static void forget_code(struct a64_cpu *cpu, const struct mmu_flush *flush)
{
    switch ((enum mmu_flush_kind)flush->kind) {
    case MMU_FLUSH_ALL:
        x64_drop_contexts(cpu, -1, true, X64_BOTH_HALVES);
        cpu->mmu->code_sizes = 0;
        memset(cpu->mmu->code_leaves, 0, sizeof(cpu->mmu->code_leaves));
        break;
    case MMU_FLUSH_ASID:
        x64_drop_contexts(cpu, flush->asid, false, X64_BOTH_HALVES);
        break;
    case MMU_FLUSH_VA:
        if (leaf_may_hold_code(cpu->mmu, flush->va)) {
            x64_drop_contexts(cpu, flush->asid, true, half_of(flush->va));
        }
        break;
    case MMU_FLUSH_RANGE:
        if (range_may_hold_code(cpu->mmu, flush->va, flush->size)) {
            x64_drop_contexts(cpu, flush->asid, true,
                              half_of(flush->va) | half_of(flush->va + flush->size - 1));
        }
        break;
    }
}

static void flush_tables(struct a64_cpu *cpu, const struct mmu_flush *flush)
{
    struct mmu *const mmu = cpu->mmu;

    mmu_forget_devices(cpu);
    for (uint32_t touched = mmu->touched; touched != 0; touched &= touched - 1) {
        const unsigned i = (unsigned)__builtin_ctz(touched);
        struct tlb_table *const table = &mmu->tables[i];
        if ((flush->regimes & regime_of(i)) == 0) {
            continue;
        }
        switch ((enum mmu_flush_kind)flush->kind) {
        case MMU_FLUSH_ALL:
            empty(table);
            mmu->touched &= ~(1u << i);
            break;
        case MMU_FLUSH_ASID:
            drop_asid(table, flush->asid);
            break;
        case MMU_FLUSH_VA:
            drop_va(table, flush->va, flush->asid);
            break;
        case MMU_FLUSH_RANGE:
            if (flush->size != 0) {
                drop_range(table, flush->va, flush->size, flush->asid);
            }
            break;
        }
    }
}

void mmu_flush(struct a64_cpu *cpu, const struct mmu_flush *flush)
{
    forget_code(cpu, flush);
    flush_tables(cpu, flush);
    if (flush->kind == MMU_FLUSH_ALL && flush->regimes == MMU_REGIME_ANY) {
        mmu_forget_walks(cpu); /* no TLBI names all regimes: the VM's map has changed */
    }
}

void mmu_flush_all(struct a64_cpu *cpu)
{
    mmu_flush(cpu, &(struct mmu_flush){.kind = MMU_FLUSH_ALL, .regimes = MMU_REGIME_ANY});
    memset(cpu->mmu->writers_lost, 0, sizeof(cpu->mmu->writers_lost));
}

void mmu_flush_asid(struct a64_cpu *cpu, unsigned asid)
{
    mmu_flush(cpu, &(struct mmu_flush){
                       .kind = MMU_FLUSH_ASID, .regimes = MMU_REGIME_ANY, .asid = (int32_t)asid});
}

void mmu_flush_va(struct a64_cpu *cpu, uint64_t va, int asid)
{
    mmu_flush(cpu, &(struct mmu_flush){
                       .kind = MMU_FLUSH_VA, .regimes = MMU_REGIME_ANY, .asid = asid, .va = va});
}

void mmu_flush_range(struct a64_cpu *cpu, uint64_t va, uint64_t size, int asid)
{
    mmu_flush(cpu, &(struct mmu_flush){.kind = MMU_FLUSH_RANGE,
                                       .regimes = MMU_REGIME_ANY,
                                       .asid = asid,
                                       .va = va,
                                       .size = size});
}

static void write_slowly(struct tlb_table *table, unsigned slot)
{
    table->entries[slot].write &= ~TLB_SLOW;
    table->info[slot].flags |= TLB_CODE;
}

/* Stores to the page, of host memory, are in no stretch from here on: the larger part of one stays. */
static void cut_stretches(struct mmu *mmu, uintptr_t page)
{
    for (uint32_t touched = mmu->touched; touched != 0; touched &= touched - 1) {
        struct tlb_stretch *const s = &mmu->tables[__builtin_ctz(touched)].stretches[STRETCH_STORE];
        const uint64_t bytes = s->size + TLB_STRETCH_SPAN,
                       before = (uint64_t)page - s->addend + s->minus_first;
        if (s->size == 0 || before >= bytes) {
            continue;
        }
        const uint64_t behind = bytes - before - MMU_PAGE_SIZE,
                       rest = before > behind ? before : behind;
        if (rest == behind) {
            s->minus_first -= before + MMU_PAGE_SIZE;
        }
        s->size = rest >= mmu->stretch_least ? rest - TLB_STRETCH_SPAN : 0;
    }
}

/* Looks at all entries, and notes anew those of the set. */
static void drop_lost_writers(struct mmu *mmu, uintptr_t page, unsigned set)
{
    clear_bit(mmu->writers_lost, set);
    for (uint32_t touched = mmu->touched; touched != 0; touched &= touched - 1) {
        const unsigned i = (unsigned)__builtin_ctz(touched);
        struct tlb_table *const table = &mmu->tables[i];
        for (unsigned s = next_in(&table->used, 0); s < TLB_SLOTS;
             s = next_in(&table->used, s + 1)) {
            const struct tlb_info *const info = &table->info[s];
            const uintptr_t host = (uintptr_t)tlb_host(&table->entries[s], info->page);
            if (table->entries[s].write == 0 || (info->flags & TLB_CODE) != 0) {
                continue;
            }
            if (host == page) {
                write_slowly(table, s);
            } else if (tlb_writer_set(host) == set) {
                tlb_note_writer(mmu, host, i, s);
            }
        }
    }
}

void mmu_drop_write(struct a64_cpu *cpu, const uint8_t *hva)
{
    struct mmu *const mmu = cpu->mmu;
    const uintptr_t page = (uintptr_t)hva & (uintptr_t)MMU_PAGE_MASK;
    const unsigned set = tlb_writer_set(page);

    cut_stretches(mmu, page);
    if (test_bit(mmu->writers_lost, set)) {
        drop_lost_writers(mmu, page, set);
        return;
    }
    for (unsigned i = 0; i < TLB_WRITER_WAYS; i++) {
        struct tlb_writer *const w = &mmu->writers[set][i];
        struct tlb_table *const table = &mmu->tables[(w->where - 1) >> TLB_SLOTS_LOG2];
        const unsigned slot = (w->where - 1) & (TLB_SLOTS - 1);
        if (w->where == 0 || w->page != (uint32_t)(page >> MMU_PAGE_LOG2) ||
            !tlb_is_writer(mmu, w)) {
            continue;
        }
        if ((uintptr_t)tlb_host(&table->entries[slot], table->info[slot].page) == page) {
            write_slowly(table, slot);
            w->where = 0;
        }
    }
}

/* --- Registers ------------------------------------------------------------------------------------------------------------------- */

/* SCTLR_ELx bits that a translation depends on. A and nAA are looked at when an access is misaligned. */
#define SCTLR_CACHED \
    (1ull << SCTLR_M | 1ull << SCTLR_C | 1ull << 12 | 1ull << SCTLR_WXN | 1ull << SCTLR_EPAN)
#define HCR_CACHED                                                                          \
    (1ull << HCR_VM | 1ull << HCR_PTW | 1ull << HCR_DC | 1ull << HCR_TGE | 1ull << HCR_CD | \
     1ull << HCR_E2H)
#define TCR_A1 (1ull << 22)

static unsigned asid_of(const struct mmu *mmu, uint64_t tcr, uint64_t ttbr0, uint64_t ttbr1)
{
    const uint64_t ttbr = (tcr & TCR_A1) != 0 ? ttbr1 : ttbr0;

    return (unsigned)(ttbr >> 48) & (mmu->features.asid16 && mmu_bit(tcr, 36) ? 0xffff : 0xff);
}

static bool differ(const struct tlb_registers *a, const struct tlb_registers *b)
{
    return a->sctlr != b->sctlr || a->tcr != b->tcr || a->mair != b->mair || a->hcr != b->hcr ||
           a->vtcr != b->vtcr || a->vttbr != b->vttbr;
}

/* A change of what the tables' reading depends on empties the regime: the guest would have to invalidate, and may not have. */
static void empty_regime(struct a64_cpu *cpu, unsigned regimes)
{
    mmu_flush(cpu,
              &(struct mmu_flush){.kind = MMU_FLUSH_ALL, .regimes = (uint8_t)regimes, .asid = -1});
    mmu_forget_walks(cpu);
}

static bool is_nonglobal(const struct tlb_stretch *s)
{
    return s->size != 0 && !s->global;
}

/* A stretch may have outlived the entries that it was found by. */
static bool has_nonglobal(const struct mmu *mmu, unsigned set)
{
    for (unsigned i = 0; i < TLB_OF_SET; i++) {
        const unsigned n = set * TLB_OF_SET + i;
        const struct tlb_table *const table = &mmu->tables[n];
        if ((mmu->touched >> n & 1) == 0) {
            continue;
        }
        if (is_nonglobal(&table->stretches[STRETCH_LOAD]) ||
            is_nonglobal(&table->stretches[STRETCH_STORE])) {
            return true;
        }
        for (unsigned word = 0; word < TLB_WORDS / 64; word++) {
            if (table->nonglobal.any[word] != 0) {
                return true;
            }
        }
    }
    return false;
}

/*
 * The set of an address space: an ASID and a table of the lower half. A space that comes anew gets a set that belongs to none, or
 * has none of its space's entries, or was not used longest. What is global in it stays: it holds in each. So while a kernel changes ASID and
 * table one after the other, with nothing of either in use, it moves no entries.
 *
 * The architecture would let a space keep entries of another table under the same ASID. That they are not seen hides the guests'
 * forgotten TLBIs.
 */
static __attribute__((noinline)) unsigned set_for(struct a64_cpu *cpu, unsigned oldest)
{
    struct mmu *const mmu = cpu->mmu;
    unsigned set = mmu->set;

    for (unsigned i = 0; i < TLB_SETS && has_nonglobal(mmu, set); i++) {
        set = i;
    }
    if (has_nonglobal(mmu, set)) {
        set = oldest;
        for (unsigned i = 0; i < TLB_OF_SET; i++) {
            drop_asid(&mmu->tables[set * TLB_OF_SET + i], -1);
        }
    }
    mmu_forget_devices(cpu); /* the set may have had some as its only entries */
    return set;
}

static void choose_space(struct a64_cpu *cpu, unsigned asid, uint64_t table)
{
    struct mmu *const mmu = cpu->mmu;
    unsigned oldest = 0;

    for (unsigned set = 0; set < TLB_SETS; set++) {
        const struct tlb_space *const space = &mmu->spaces[set];
        if (space->asid == asid && space->table == table) {
            use_set(mmu, set);
            return;
        }
        if (space->used < mmu->spaces[oldest].used) {
            oldest = set;
        }
    }
    const unsigned set = set_for(cpu, oldest);
    mmu->spaces[set].asid = asid;
    mmu->spaces[set].table = table;
    use_set(mmu, set);
}

static void e10_changed(struct a64_cpu *cpu, const struct tlb_registers *now, unsigned asid)
{
    struct mmu *const mmu = cpu->mmu;
    struct tlb_registers *const old = &mmu->e10;
    const uint64_t changed[2] = {(old->ttbr[0] ^ now->ttbr[0]) & TTBR_BADDR,
                                 (old->ttbr[1] ^ now->ttbr[1]) & TTBR_BADDR};

    if (differ(old, now) || (changed[1] != 0 && mmu->asid == asid)) {
        empty_regime(cpu, MMU_REGIME_E10);
    }
    if (mmu->asid != asid || changed[0] != 0) {
        choose_space(cpu, asid, now->ttbr[0] & TTBR_BADDR);
    }
    mmu->e10 = *now;
    mmu->asid = asid;
}

/*
 * The regimes of EL2 have one set. A new ASID drops the entries of the old; a new table under the same ASID drops those that are not
 * global.
 */
static void e2_changed(struct a64_cpu *cpu, const struct tlb_registers *now, unsigned asid)
{
    struct mmu *const mmu = cpu->mmu;
    struct tlb_registers *const old = &mmu->e2;
    const unsigned regimes = MMU_REGIME_E2 | MMU_REGIME_E20;
    const struct mmu_flush flush = {
        .kind = MMU_FLUSH_ASID, .regimes = (uint8_t)regimes, .asid = -1};
    const bool tables = ((old->ttbr[0] ^ now->ttbr[0]) & TTBR_BADDR) != 0,
               kernel = ((old->ttbr[1] ^ now->ttbr[1]) & TTBR_BADDR) != 0;

    if (differ(old, now) || (kernel && mmu->asid_e20 == asid)) {
        empty_regime(cpu, regimes);
    } else if (mmu->asid_e20 != asid || tables) {
        flush_tables(cpu, &flush);
    }
    mmu->e2 = *now;
    mmu->asid_e20 = asid;
}

void mmu_registers_changed(struct a64_cpu *cpu)
{
    struct mmu *const mmu = cpu->mmu;
    const uint64_t *const sys = cpu->sys, hcr = mmu_hcr(cpu) & HCR_CACHED;
    const struct tlb_registers e10 = {
        .sctlr = sys[SR_SCTLR_EL1] & SCTLR_CACHED,
        .tcr = sys[SR_TCR_EL1],
        .mair = sys[SR_MAIR_EL1],
        .ttbr = {sys[SR_TTBR0_EL1], sys[SR_TTBR1_EL1]},
        .hcr = hcr,
        .vtcr = hcr != 0 ? sys[SR_VTCR_EL2] : 0,
        .vttbr = hcr != 0 ? sys[SR_VTTBR_EL2] : 0,
    };
    const struct tlb_registers e2 = {
        .sctlr = sys[SR_SCTLR_EL2] & SCTLR_CACHED,
        .tcr = sys[SR_TCR_EL2],
        .mair = sys[SR_MAIR_EL2],
        .ttbr = {sys[SR_TTBR0_EL2], sys[SR_TTBR1_EL2]},
        .hcr = hcr & (1ull << HCR_E2H | 1ull << HCR_TGE),
    };

    e10_changed(cpu, &e10, asid_of(mmu, e10.tcr, e10.ttbr[0], e10.ttbr[1]));
    e2_changed(cpu, &e2, asid_of(mmu, e2.tcr, e2.ttbr[0], e2.ttbr[1]));
    x64_select_context(cpu);
}
