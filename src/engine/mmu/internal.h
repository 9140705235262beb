/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of src/engine/mmu/ share and nobody else needs. */
#ifndef ENGINE_MMU_INTERNAL_H
#define ENGINE_MMU_INTERNAL_H

#include "engine/mmu/mmu.h"
#include "vm/vm.h"

#define MMU_PAGE_LOG2 12
#define MMU_PAGE_SIZE (1ull << MMU_PAGE_LOG2)
#define MMU_PAGE_MASK (~(MMU_PAGE_SIZE - 1))
/* The address bits that TLB maintenance compares: a tag in the top byte does not make another page. */
#define MMU_VA_MASK ((1ull << 56) - 1)

static inline uint64_t mmu_field(uint64_t value, unsigned high, unsigned low)
{
    return value >> low & (UINT64_MAX >> (63 - (high - low)));
}

static inline bool mmu_bit(uint64_t value, unsigned bit)
{
    return (value >> bit & 1) != 0;
}

/* --- Registers, at the bits that the MMU looks at ------------------------------------------------------------------------------ */

enum {
    SCTLR_M = 0,
    SCTLR_A = 1,
    SCTLR_C = 2,
    SCTLR_nAA = 6,
    SCTLR_WXN = 19,
    SCTLR_EPAN = 57,
};
enum {
    HCR_VM = 0,
    HCR_PTW = 2,
    HCR_DC = 12,
    HCR_TGE = 27,
    HCR_CD = 32,
    HCR_E2H = 34,
};

/* --- What the implementation has; from the profile, not from the registers that a client may rewrite ---------------------------- */

struct mmu_features {
    bool haf, hdbs; /* hardware update of the Access flag and of the dirty state */
    bool hpds, pan3, e0pd, lse2, ttst, xnx, bti, asid16;
    bool granule_4k, granule_16k, granule_64k;
    uint8_t pa_bits;
};

/* --- Requests and answers of the walker ----------------------------------------------------------------------------------------- */

/* Bits of struct mmu_request.access; READ together with WRITE is an atomic read-modify-write. */
enum { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_FETCH = 4 };

/*
 * Which descriptors of stage 1 a walk has read, and what its leaf's attributes came to. The last one is the leaf, or it is invalid. Not
 * given (n == 0) when something beside the descriptors and the registers counted.
 */
#define MMU_MAX_LEVELS 4
struct mmu_path {
    unsigned n;
    const uint64_t *where[MMU_MAX_LEVELS];
    uint64_t descriptor[MMU_MAX_LEVELS];
    uint64_t address_mask; /* the output address's bits in the leaf */
    uint8_t shift;         /* log2 of what one entry of the last table maps */
    int8_t level;
    uint8_t allowed, attr; /* of stage 1, for data; ALLOW_* */
};

struct mmu_request {
    uint64_t va;
    struct mmu_path *path; /* filled when it is not NULL */
    uint8_t regime;        /* one of MMU_REGIME_* */
    bool el0, pan;
    uint8_t access;   /* 0: needs no permission */
    bool maintenance; /* cache maintenance or AT: sets no dirty state */
    bool misaligned;  /* not aligned to its size, or DC ZVA: faults on Device memory */
    bool stage1_only;
    bool no_output; /* translate only: the VM's map is not asked for the output address */
};

enum { ALLOW_READ = ACCESS_READ, ALLOW_WRITE = ACCESS_WRITE, ALLOW_FETCH = ACCESS_FETCH };

/* Where a byte lies, and what the context that asked may do to its page. */
struct mmu_page {
    uint64_t ipa;  /* output of stage 1 */
    uint64_t pa;   /* output of the guest's stage 2, or the same */
    uint8_t *host; /* NULL with no_output */
    uint8_t
        allowed; /* ALLOW_*, both stages and the VM's map; without ALLOW_WRITE while the page is clean in the tables */
    uint8_t attr; /* as in MAIR */
    uint8_t shareability;
    bool guarded, global;
    uint8_t size_log2; /* of the stage 1 leaf: what TLBI by VA has to match */
};

/* A memory attribute byte's classes. */
static inline bool mmu_attr_is_device(uint8_t attr)
{
    return (attr & 0xf0) == 0;
}

/* Normal, Inner and Outer Write-Back: what exclusives and atomics work on. */
static inline bool mmu_attr_is_wb(uint8_t attr)
{
    const unsigned inner = attr & 15, outer = attr >> 4;
    const bool inner_wb = inner > 4 && (inner & 4) != 0, outer_wb = outer > 4 && (outer & 4) != 0;

    return inner_wb && outer_wb;
}
#define MMU_ATTR_NC 0x44

static inline bool mmu_has_el2(const struct a64_cpu *cpu)
{
    return cpu->vm->config.el2_enabled;
}

/* HCR_EL2 as it takes effect. */
static inline uint64_t mmu_hcr(const struct a64_cpu *cpu)
{
    return mmu_has_el2(cpu) ? cpu->sys[SR_HCR_EL2] : 0;
}

/* --- Functions ------------------------------------------------------------------------------------------------------------------ */

/* walk.c: all stages. False: cpu->fault. */
bool mmu_walk(struct a64_cpu *cpu, const struct mmu_request *request, struct mmu_page *page);

/* refill.c: after a walk for data that mmu_remember_walk() knows; see struct tlb_stretch. */
void mmu_want_stretch(struct a64_cpu *cpu, unsigned index, uint64_t va, uint64_t pa);

void mmu_set_request_context(struct mmu_request *request, unsigned index);

/* Notes a fault; returns false, for `return mmu_fail(...)`. stage 3 is the VM's map. */
bool mmu_fail(struct a64_cpu *cpu, const struct mmu_request *request, enum fault_type type,
              int level, unsigned stage);

/* stage1.c: page->ipa, allowed, attr, shareability, guarded, global, size_log2; checks the permissions of stage 1. */
bool mmu_stage1(struct a64_cpu *cpu, const struct mmu_request *request, struct mmu_page *page);

/* stage2.c: the guest's own stage 2, on page->ipa; narrows page->allowed and combines the attributes. walk: it is a table's address. */
bool mmu_stage2_enabled(const struct a64_cpu *cpu, unsigned regime);
bool mmu_stage2(struct a64_cpu *cpu, const struct mmu_request *request, struct mmu_page *page,
                bool walk);

/*
 * refill.c. Fills the TLB by a walk that was made before, if all that it read is still there. *fault: the walk would fail, with
 * cpu->fault, and nothing is filled. False: somebody has to walk, and may tell what it read, whatever came of it.
 */
bool mmu_refill(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned access, bool misaligned,
                bool *fault);
void mmu_remember_walk(struct a64_cpu *cpu, unsigned index, uint64_t va,
                       const struct mmu_path *path);
void mmu_forget_walks(struct a64_cpu *cpu);

/* walk.c: the 64-bit descriptor at a guest physical address. Host address, or NULL and cpu->fault. stage: of the table's walk. */
uint64_t *mmu_descriptor(struct a64_cpu *cpu, const struct mmu_request *request, unsigned regime,
                         uint64_t address, unsigned stage, bool write);

/* The granules. */
void mmu_decode_tg(const struct mmu_features *features, unsigned tg0, unsigned *granule_log2);
unsigned mmu_decode_ps(const struct mmu_features *features, unsigned ps);

/* watchpoint.c */
bool mmu_watchpoint_on_page(const struct mmu *mmu, uint64_t va);
/* True: a watchpoint matches, cpu->fault is set. */
bool mmu_watchpoint_hit(struct a64_cpu *cpu, uint64_t va, unsigned size, unsigned access, bool el0);

#endif
