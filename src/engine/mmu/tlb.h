/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The TLB of one vCPU: a direct-mapped table per translation context, 4 KiB pages, filled by the walker.
 *
 *      slot = VA[26:12]     tag = VA[63:12] : 0xfff, or with SLOW taken out of it
 *
 * Tags hold the address as the instruction gave it: with TBI a tagged address has an entry of its own, in the slot of all the
 * page's entries. An access of `size` bytes hits on the fast path when (VA + size - 1) | 0xfff equals the tag of VA's slot: then it
 * crosses no page. With the low size bits left out of the 0xfff it has to be aligned as well. Zeroed memory matches nothing. SLOW
 * sends accesses that would hit to the function that looks at the entry's flags. Emitted code makes the same comparison
 * (x64/mem.c), so that entries are as small as they can be, and what only maintenance needs lies apart.
 *
 * Entries hold the result of both stages and of the VM's map. Non-global entries belong to one address space: when their table is
 * given to another they are dropped, found through a bit set, so that global entries survive and the cost is that of what was used.
 */
#ifndef ENGINE_MMU_TLB_H
#define ENGINE_MMU_TLB_H

#include <string.h>

#include "engine/mmu/internal.h"

#define TLB_SLOTS_LOG2 15
#define TLB_SLOTS      (1u << TLB_SLOTS_LOG2)
#define TLB_TAG        0xfffull
#define TLB_SLOW       (1ull << 10)

enum {
    TLB_DEVICE = 1 << 0, /* misaligned accesses fault */
    TLB_WB = 1 << 1,     /* exclusives and atomics work */
    TLB_GUARDED = 1 << 2,
    TLB_GLOBAL = 1 << 3,
    TLB_WATCHED = 1 << 4, /* a watchpoint lies in the page: all data accesses are SLOW */
    TLB_CODE = 1 << 5,    /* translated code lies in the page: writes are SLOW */
};

struct tlb_entry {
    uint64_t read, write; /* tags; 0: no such access */
    uintptr_t addend;     /* host address = VA + addend */
    uint64_t fetch;       /* tag */
};
_Static_assert(sizeof(struct tlb_entry) == 32, "the scale of the index in emitted code");

struct tlb_info {
    uint64_t page; /* VA[63:12] */
    uint16_t asid;
    uint8_t size_log2; /* of the stage 1 leaf */
    uint8_t flags;
};

#define TLB_WORDS       (TLB_SLOTS / 64)
#define TLB_FILTER_BITS 1024u

/* A set of slots; a bit of `any` says whether the word has one, so that emptying costs what was used. */
struct tlb_set {
    uint64_t any[TLB_WORDS / 64];
    uint64_t words[TLB_WORDS];
};

/*
 * Addresses in a row that all allow a load (or a store) and lie in host memory as they do for the guest: Write-Back, not watched, for stores
 * without code. Emitted code asks for one comparison with it before it asks for the entry, and a block may hold minus_first and addend in registers:
 * while it runs a stretch may end, and not become another (mmu_look_for_stretch).
 */
struct tlb_stretch {
    uint64_t minus_first, size; /* without the last TLB_STRETCH_SPAN bytes; size 0: there is none */
    uintptr_t addend;
    uint16_t asid;
    bool global;
    uint8_t leaf_log2; /* of the largest leaf */
    uint8_t looks;     /* how often one was looked for ... */
    uint16_t wait;     /* ... and how many fills outside of it are to come before the next time */
};
_Static_assert(sizeof(struct tlb_stretch) == 32, "the place in emitted code");

#define TLB_STRETCH_SPAN 1024u

enum { STRETCH_LOAD, STRETCH_STORE, STRETCHES };

static inline bool is_in_stretch(const struct tlb_stretch *s, uint64_t va)
{
    return va + s->minus_first < s->size;
}

struct tlb_table {
    struct tlb_stretch stretches
        [STRETCHES]; /* right before the entries: emitted code finds both by one register */
    _Alignas(64) struct tlb_entry entries[TLB_SLOTS];
    struct tlb_info info[TLB_SLOTS];
    struct tlb_set used, nonglobal;
    uint64_t sizes; /* bit n: there may be entries of leaves of 2^n bytes, n > 12 ... */
    uint64_t large_filter[TLB_FILTER_BITS / 64]; /* ... and whether of a given leaf, by hash */
};
_Static_assert(offsetof(struct tlb_table, entries) == STRETCHES * sizeof(struct tlb_stretch),
               "the place in emitted code");

/* What the entries of a regime were made under. */
struct tlb_registers {
    uint64_t sctlr, tcr, mair, ttbr[2], hcr, vtcr, vttbr;
};

/*
 * The EL1&0 regime has several sets of tables. Each belongs to an address space, so that a switch back to it finds its entries; the
 * global ones are in each set where they were used. Whatever TLBI names goes from all sets.
 */
#define TLB_SETS   4u
#define TLB_OF_SET 3u /* MMU_E10_0, MMU_E10_1, MMU_E10_1_PAN */
#define MMU_TABLES (TLB_SETS * TLB_OF_SET + MMU_INDEX_COUNT - MMU_E2)
_Static_assert(MMU_TABLES <= 32, "bits of mmu.touched");

struct tlb_space {
    uint64_t table; /* TTBR0_EL1.BADDR */
    unsigned asid;
    uint64_t used;
};

#define MMU_WATCHPOINTS 16

struct watched_pages {
    uint64_t value, mask;
};

#define TLB_WRITER_SETS 4096u
#define TLB_WRITER_WAYS 4u

struct tlb_writer {
    uint32_t page;  /* host address >> 12, its low bits */
    uint32_t where; /* translation context and slot, plus 1; 0: none */
};

/* What walks have read, by context and 2 MiB of addresses: refill.c. */
#define MMU_WALKS        256u
#define MMU_WALK_LOG2    21
#define MMU_LEAVES_KNOWN 4u
#define MMU_RANGES       8u

struct mmu_leaf_known {
    uint64_t attributes; /* the descriptor without its address; all ones: of none */
    uint8_t allowed;     /* of stage 1 */
    uint8_t flags;       /* TLB_*, of data */
};

struct mmu_walk_known {
    uint64_t key, base;                        /* key 0: nothing is known */
    const uint64_t *where[MMU_MAX_LEVELS - 1]; /* in host memory ... */
    uint64_t descriptor[MMU_MAX_LEVELS - 1];   /* ... what was there */
    const uint64_t *leaves;                    /* of the first address */
    uint64_t address_mask, index_mask;
    struct mmu_leaf_known known[MMU_LEAVES_KNOWN];
    uint8_t shift, next;
    int8_t level;
};

/* The page of the VM's map where nothing was found last ... */
struct mmu_hole {
    uint64_t page;    /* PA[63:12] */
    uint32_t version; /* of the map, before */
    int level;        /* of the Translation fault */
};

/* ... and pages of the guest's that lead to such: entries of a TLB that say that there is nothing, gone with any maintenance. */
#define MMU_DEVICES 8u

struct mmu_device {
    uint64_t key; /* VA[63:12], and which table; 0: none */
    uint64_t page;
    uint32_t version;
    int8_t level;
    uint8_t allowed; /* of stage 1 */
};

#define TLB_CODE_FILTER_BITS 32768u

struct mmu {
    struct tlb_table *at[MMU_INDEX_COUNT]; /* the present one of each translation context ... */
    uint8_t number[MMU_INDEX_COUNT];       /* ... and which this is of: */
    struct tlb_table *tables;              /* MMU_TABLES of them; memory appears as it is touched */
    uint32_t touched;                      /* those that may have entries */
    struct tlb_space spaces[TLB_SETS];
    unsigned set; /* in use */
    uint64_t clock;
    struct mmu_features features;
    struct tlb_registers e10, e2;
    unsigned asid; /* of the current EL1&0 or EL2&0 regime's entries */
    unsigned asid_e20;
    uint64_t stretch_least; /* bytes; what is smaller is no stretch */
    struct {
        bool wanted;
        uint8_t index, kind; /* STRETCH_* */
        uint64_t va;
    } look;             /* for a stretch */
    unsigned n_watched; /* enabled watchpoints, by the pages they are on */
    struct watched_pages watched[MMU_WATCHPOINTS];
    struct tlb_writer
        writers[TLB_WRITER_SETS]
               [TLB_WRITER_WAYS]; /* entries that may be written through, by host page */
    uint64_t writers_lost[TLB_WRITER_SETS / 64]; /* sets that have forgotten some */

    uint64_t code_sizes; /* bit n: code has been found in leaves of 2^n bytes ... */
    uint64_t code_leaves[TLB_CODE_FILTER_BITS / 64]; /* ... and in which, by hash */

    struct mmu_walk_known walks[MMU_WALKS];
    struct vm_range ranges[MMU_RANGES];  /* of the VM's map, by 1 GiB */
    const _Atomic uint32_t *map_version; /* vm_map_version() */
    struct mmu_hole hole;
    bool has_devices;
    struct mmu_device devices[MMU_DEVICES];

    struct mmu_bus *bus;
    struct a64_cpu *bus_next; /* guarded by the bus */
    _Atomic uint64_t seen;    /* how far this vCPU has carried out what the bus holds */
    uint64_t posted;          /* number of its own last post ... */
    uint64_t confirmed;       /* ... and of the last that all have carried out */
    uint64_t next_page;       /* behind the one that was filled last */
    uint32_t pages_ahead;     /* how many more are filled when that is next */
};

/* With any maintenance. */
static inline void mmu_forget_devices(struct a64_cpu *cpu)
{
    struct mmu *const mmu = cpu->mmu;

    if (__builtin_expect(mmu->has_devices, 0)) {
        memset(mmu->devices, 0, sizeof(mmu->devices));
        mmu->has_devices = false;
        cpu->x64.device.tag[0] = 0;
        cpu->x64.device.tag[1] = 0;
    }
}

static inline unsigned tlb_slot_of(uint64_t va)
{
    return (unsigned)(va >> MMU_PAGE_LOG2) & (TLB_SLOTS - 1);
}

static inline struct tlb_entry *tlb_slot(const struct a64_cpu *cpu, unsigned index, uint64_t va)
{
    return &cpu->mmu->at[index]->entries[tlb_slot_of(va)];
}

static inline struct tlb_info *tlb_slot_info(const struct a64_cpu *cpu, unsigned index, uint64_t va)
{
    return &cpu->mmu->at[index]->info[tlb_slot_of(va)];
}

/* What a tag has to be for a fast aligned access of `size` (a power of two) at va. */
static inline uint64_t tlb_fast_tag(uint64_t va, unsigned size)
{
    return (va + size - 1) | (TLB_TAG & ~(uint64_t)(size - 1));
}

static inline bool tlb_matches(uint64_t tag, uint64_t va)
{
    return (tag | TLB_SLOW) == (va | TLB_TAG);
}

static inline uint8_t *tlb_host(const struct tlb_entry *entry, uint64_t va)
{
    return (uint8_t *)(uintptr_t)(va + entry->addend);
}

/* Stores a walk's result in va's slot. access: what was asked for (ACCESS_*). */
void tlb_fill(struct a64_cpu *cpu, unsigned index, uint64_t va, const struct mmu_page *page,
              unsigned access);

/* The entry's page holds no translated code any more: writes may be fast again. */
void tlb_code_gone(struct a64_cpu *cpu, unsigned index, uint64_t va);

#endif
