/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads, stores and fetches. The fast path takes what hits the TLB, is aligned and needs no further look; everything else goes
 * through mmu_resolve(), which answers for one page.
 *
 * Order of the checks, as in AArch64.MemSingle(): alignment that does not depend on the memory (SCTLR_ELx.A, exclusives),
 * translation with alignment on Device memory, permissions, then watchpoints. An access across pages has both pages checked before
 * it writes; the address of a fault on the second is the first byte there, as if the access were made byte by byte.
 */
#include "engine/mmu/access.h"

#include <string.h>

#include "engine/code.h"
#include "engine/ir/ir.h"
#include "engine/mmu/host_atomic.h"

static bool alignment_fault(struct a64_cpu *cpu, uint64_t va, unsigned access)
{
    cpu->fault = (struct fault){
        .type = FAULT_ALIGNMENT, .stage = 1, .is_write = access == ACCESS_WRITE, .va = va};
    return false;
}

static uint64_t sctlr_of(const struct a64_cpu *cpu, unsigned index)
{
    return cpu->sys[index <= MMU_E10_1_PAN ? SR_SCTLR_EL1 : SR_SCTLR_EL2];
}

/* AArch64.UnalignedAccessFaults() */
bool mmu_check_alignment(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size,
                         enum access_kind kind, unsigned access)
{
    const uint64_t sctlr = sctlr_of(cpu, index);
    const bool in_16 = (va & 15) + size <= 16, lse2 = cpu->mmu->features.lse2;
    bool faults = mmu_bit(sctlr, SCTLR_A);

    switch (kind) {
    case KIND_PLAIN:
        break;
    case KIND_ORDERED:
        faults = faults || !lse2 || (!in_16 && !mmu_bit(sctlr, SCTLR_nAA));
        break;
    case KIND_ATOMIC:
        faults = faults || !lse2 || !in_16;
        break;
    case KIND_ALIGNED:
        faults = true;
        break;
    }
    return faults ? alignment_fault(cpu, va, access) : true;
}

/* Walks for an access that the TLB does not answer. */
static bool walk(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned access, bool misaligned)
{
    bool fault = false;

    if (__builtin_expect(mmu_refill(cpu, index, va, access, misaligned, &fault), 1)) {
        return !fault;
    }
    struct mmu_path path = {.n = 0};
    struct mmu_request request = {
        .va = va, .path = &path, .access = (uint8_t)access, .misaligned = misaligned};
    struct mmu_page page;

    mmu_set_request_context(&request, index);
    const bool ok = mmu_walk(cpu, &request, &page);
    mmu_remember_walk(cpu, index, va, &path);
    if (ok) {
        tlb_fill(cpu, index, va, &page, access);
        if ((access & ACCESS_FETCH) == 0) {
            mmu_want_stretch(cpu, index, va, page.pa);
        }
    }
    return ok;
}

uint8_t *mmu_resolve(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size,
                     unsigned access, bool misaligned, unsigned *flags)
{
    const struct tlb_entry *const entry = tlb_slot(cpu, index, va);
    const struct tlb_info *const info = tlb_slot_info(cpu, index, va);
    const bool hit = ((access & ACCESS_READ) == 0 || tlb_matches(entry->read, va)) &&
                     ((access & ACCESS_WRITE) == 0 || tlb_matches(entry->write, va));

    if (!hit) {
        if (!walk(cpu, index, va, access, misaligned)) {
            return NULL;
        }
    } else if (misaligned && (info->flags & TLB_DEVICE) != 0) {
        alignment_fault(cpu, va, access);
        return NULL;
    }
    if ((info->flags & TLB_WATCHED) != 0 &&
        mmu_watchpoint_hit(cpu, va, size, access, index == MMU_E10_0 || index == MMU_E20_0)) {
        return NULL;
    }
    if ((info->flags & TLB_CODE) != 0 && (access & ACCESS_WRITE) != 0 &&
        !code_page_has_code(cpu->code, tlb_host(entry, va))) {
        tlb_code_gone(cpu, index, va);
    }
    *flags = info->flags;
    return tlb_host(entry, va);
}

/* --- Moving bytes ---------------------------------------------------------------------------------------------------------------- */

/* From guest memory, in the largest units that are aligned: a pair of registers is two atomic accesses. */
static void copy_in(uint8_t *to, const uint8_t *from, unsigned n)
{
    const uintptr_t bits = (uintptr_t)from | n;

    if ((bits & 7) == 0) {
        for (unsigned i = 0; i < n; i += 8) {
            const uint64_t v = __atomic_load_n((const uint64_t *)(const void *)(from + i),
                                               __ATOMIC_RELAXED);
            memcpy(to + i, &v, 8);
        }
    } else if ((bits & 3) == 0) {
        for (unsigned i = 0; i < n; i += 4) {
            const uint32_t v = __atomic_load_n((const uint32_t *)(const void *)(from + i),
                                               __ATOMIC_RELAXED);
            memcpy(to + i, &v, 4);
        }
    } else {
        memcpy(to, from, n);
    }
}

static void copy_out(uint8_t *to, const uint8_t *from, unsigned n)
{
    const uintptr_t bits = (uintptr_t)to | n;

    if ((bits & 7) == 0) {
        for (unsigned i = 0; i < n; i += 8) {
            uint64_t v;
            memcpy(&v, from + i, 8);
            __atomic_store_n((uint64_t *)(void *)(to + i), v, __ATOMIC_RELAXED);
        }
    } else if ((bits & 3) == 0) {
        for (unsigned i = 0; i < n; i += 4) {
            uint32_t v;
            memcpy(&v, from + i, 4);
            __atomic_store_n((uint32_t *)(void *)(to + i), v, __ATOMIC_RELAXED);
        }
    } else {
        memcpy(to, from, n);
    }
}

/* Aligned to its size: single-copy atomic. */
static inline void load_aligned(const uint8_t *p, unsigned size_log2, int order, v128 *value)
{
    const void *const from = p;
    uint64_t v;

    switch (size_log2) {
    case 0:
        v = order ? __atomic_load_n((const uint8_t *)from, __ATOMIC_SEQ_CST)
                  : __atomic_load_n((const uint8_t *)from, __ATOMIC_RELAXED);
        break;
    case 1:
        v = order ? __atomic_load_n((const uint16_t *)from, __ATOMIC_SEQ_CST)
                  : __atomic_load_n((const uint16_t *)from, __ATOMIC_RELAXED);
        break;
    case 2:
        v = order ? __atomic_load_n((const uint32_t *)from, __ATOMIC_SEQ_CST)
                  : __atomic_load_n((const uint32_t *)from, __ATOMIC_RELAXED);
        break;
    case 3:
        v = order ? __atomic_load_n((const uint64_t *)from, __ATOMIC_SEQ_CST)
                  : __atomic_load_n((const uint64_t *)from, __ATOMIC_RELAXED);
        break;
    default:
        *value = host_load16(from);
        if (order) {
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
        }
        return;
    }
    *value = (v128){.d = {v, 0}};
}

static inline void store_aligned(uint8_t *p, unsigned size_log2, int order, const v128 *value)
{
    void *const to = p;
    const uint64_t v = value->d[0];

    /* STLR then LDAR stay in order (RCsc): a store-release is sequentially consistent. */
    switch (size_log2) {
    case 0:
        order ? __atomic_store_n((uint8_t *)to, (uint8_t)v, __ATOMIC_SEQ_CST)
              : __atomic_store_n((uint8_t *)to, (uint8_t)v, __ATOMIC_RELAXED);
        break;
    case 1:
        order ? __atomic_store_n((uint16_t *)to, (uint16_t)v, __ATOMIC_SEQ_CST)
              : __atomic_store_n((uint16_t *)to, (uint16_t)v, __ATOMIC_RELAXED);
        break;
    case 2:
        order ? __atomic_store_n((uint32_t *)to, (uint32_t)v, __ATOMIC_SEQ_CST)
              : __atomic_store_n((uint32_t *)to, (uint32_t)v, __ATOMIC_RELAXED);
        break;
    case 3:
        order ? __atomic_store_n((uint64_t *)to, v, __ATOMIC_SEQ_CST)
              : __atomic_store_n((uint64_t *)to, v, __ATOMIC_RELAXED);
        break;
    default:
        if (order) {
            __atomic_thread_fence(__ATOMIC_RELEASE);
        }
        host_store16(to, *value);
        if (order) {
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
        }
        break;
    }
}

/* --- Loads and stores ------------------------------------------------------------------------------------------------------------ */

static unsigned index_of(const struct a64_cpu *cpu, unsigned flags)
{
    return (flags & IR_MEM_UNPRIV) != 0 ? cpu->mmu_index_unpriv : cpu->mmu_index;
}

static enum access_kind kind_of(unsigned flags)
{
    if ((flags & IR_MEM_ALIGNED) != 0) {
        return KIND_ALIGNED;
    }
    if ((flags & (IR_MEM_ACQUIRE | IR_MEM_RELEASE)) != 0) {
        return KIND_ORDERED;
    }
    return (flags & IR_MEM_ATOMIC) != 0 ? KIND_ATOMIC : KIND_PLAIN;
}

/* One or two pieces of an access, resolved. */
struct pieces {
    uint8_t *host[2];
    unsigned size[2], flags[2];
};

static bool resolve_all(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size,
                        unsigned access, bool misaligned, struct pieces *p)
{
    const unsigned in_page = (unsigned)(MMU_PAGE_SIZE - (va & ~MMU_PAGE_MASK));

    p->size[0] = size < in_page ? size : in_page;
    p->size[1] = size - p->size[0];
    p->host[0] = mmu_resolve(cpu, index, va, p->size[0], access, misaligned, &p->flags[0]);
    if (p->host[0] == NULL) {
        return false;
    }
    if (p->size[1] == 0) {
        return true;
    }
    p->host[1] = mmu_resolve(cpu, index, va + in_page, p->size[1], access, misaligned,
                             &p->flags[1]);
    return p->host[1] != NULL;
}

static bool load_slow(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags,
                      unsigned align, v128 *value)
{
    const unsigned index = index_of(cpu, flags), size = 1u << size_log2;
    const bool misaligned = (va & ((1u << align) - 1)) != 0;
    struct pieces p;

    if (misaligned && !mmu_check_alignment(cpu, index, va, size, kind_of(flags), ACCESS_READ)) {
        return false;
    }
    if (!resolve_all(cpu, index, va, size, ACCESS_READ, misaligned, &p)) {
        return mmu_mmio_load(cpu, index, va, size, 1u << align, value);
    }
    const unsigned offset = (unsigned)(va & 15);
    if ((offset & (size - 1)) == 0) {
        load_aligned(p.host[0], size_log2, (flags & IR_MEM_ACQUIRE) != 0, value);
        return true;
    }
    v128 got = {.q = 0};
    if (p.size[1] != 0) {
        copy_in(got.b, p.host[0], p.size[0]);
        copy_in(got.b + p.size[0], p.host[1], p.size[1]);
    } else if (offset + size <= 16) {
        /* FEAT_LSE2: single-copy atomic, as part of the 16 bytes around it. */
        const v128 around = host_load16(p.host[0] - offset);
        memcpy(got.b, around.b + offset, size);
    } else {
        copy_in(got.b, p.host[0], size);
    }
    if ((flags & IR_MEM_ACQUIRE) != 0) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    }
    *value = got;
    return true;
}

/* FEAT_LSE2: bytes that lie within 16 change at once. */
static void store_within_16(uint8_t *p, unsigned offset, unsigned size, const v128 *value)
{
    uint8_t *const around = p - offset;
    v128 expected = host_load16(around), desired;

    do {
        desired = expected;
        memcpy(desired.b + offset, value->b, size);
    } while (!host_cas16(around, &expected, desired));
}

static bool store_slow(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags,
                       unsigned align, const v128 *value)
{
    const unsigned index = index_of(cpu, flags), size = 1u << size_log2;
    const bool misaligned = (va & ((1u << align) - 1)) != 0;
    struct pieces p;

    if (misaligned && !mmu_check_alignment(cpu, index, va, size, kind_of(flags), ACCESS_WRITE)) {
        return false;
    }
    if (!resolve_all(cpu, index, va, size, ACCESS_WRITE, misaligned, &p)) {
        return mmu_mmio_store(cpu, index, va, size, 1u << align, value);
    }
    const unsigned offset = (unsigned)(va & 15);
    if ((offset & (size - 1)) == 0) {
        store_aligned(p.host[0], size_log2, (flags & IR_MEM_RELEASE) != 0, value);
    } else {
        if ((flags & IR_MEM_RELEASE) != 0) {
            __atomic_thread_fence(__ATOMIC_RELEASE);
        }
        if (p.size[1] != 0) {
            copy_out(p.host[0], value->b, p.size[0]);
            copy_out(p.host[1], value->b + p.size[0], p.size[1]);
        } else if (offset + size <= 16) {
            store_within_16(p.host[0], offset, size, value);
        } else {
            copy_out(p.host[0], value->b, size);
        }
        if ((flags & IR_MEM_RELEASE) != 0) {
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (p.size[i] != 0 && (p.flags[i] & TLB_CODE) != 0) {
            code_invalidate(cpu->code, p.host[i], p.size[i]);
        }
    }
    return true;
}

bool mmu_load(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags, unsigned align,
              v128 *value)
{
    const struct tlb_entry *const entry = tlb_slot(cpu, index_of(cpu, flags), va);

    if (__builtin_expect(entry->read == tlb_fast_tag(va, 1u << size_log2), 1)) {
        load_aligned(tlb_host(entry, va), size_log2, (flags & IR_MEM_ACQUIRE) != 0, value);
        return true;
    }
    return load_slow(cpu, va, size_log2, flags, align, value);
}

bool mmu_store(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags, unsigned align,
               const v128 *value)
{
    const struct tlb_entry *const entry = tlb_slot(cpu, index_of(cpu, flags), va);

    if (__builtin_expect(entry->write == tlb_fast_tag(va, 1u << size_log2), 1)) {
        store_aligned(tlb_host(entry, va), size_log2, (flags & IR_MEM_RELEASE) != 0, value);
        return true;
    }
    return store_slow(cpu, va, size_log2, flags, align, value);
}

/* --- The rest -------------------------------------------------------------------------------------------------------------------- */

void *mmu_data_pointer(struct a64_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned flags)
{
    unsigned entry_flags;
    uint8_t *const host = mmu_resolve(cpu, index_of(cpu, flags), va, size,
                                      write ? ACCESS_WRITE : ACCESS_READ, false, &entry_flags);

    if (host != NULL && write && (entry_flags & TLB_CODE) != 0) {
        code_invalidate(cpu->code, host, size);
    }
    return host;
}

bool mmu_zero(struct a64_cpu *cpu, uint64_t va, unsigned size)
{
    const uint64_t start = va & ~(uint64_t)(size - 1);
    unsigned flags;
    /* "Misaligned" gives the Alignment fault on Device memory, whatever the address. */
    uint8_t *const host = mmu_resolve(cpu, cpu->mmu_index, start, size, ACCESS_WRITE, true, &flags);

    if (host == NULL) {
        if (cpu->fault.type != FAULT_WATCHPOINT) {
            cpu->fault.va = va; /* FAR holds the address in the register */
            if (!cpu->fault.s1_walk) {
                cpu->fault.ipa |= va & (size - 1);
            }
        }
        return false;
    }
    memset(host, 0, size);
    if ((flags & TLB_CODE) != 0) {
        code_invalidate(cpu->code, host, size);
    }
    return true;
}

bool mmu_cache_op(struct a64_cpu *cpu, uint64_t va, enum mmu_cache_op op, uint8_t **hva)
{
    struct mmu_request request = {.va = va, .maintenance = true};
    struct mmu_page page;

    /* AArch64.S1CheckPermissions(): invalidation needs write permission, EL0 read permission, the others none. */
    mmu_set_request_context(&request, cpu->mmu_index);
    if (op == MMU_CACHE_INVALIDATE) {
        request.access = ACCESS_WRITE;
    } else if (request.el0) {
        request.access = ACCESS_READ;
    }
    if (!mmu_walk(cpu, &request, &page)) {
        return false;
    }
    if (op == MMU_CACHE_INVALIDATE && cpu->mmu->n_watched != 0 &&
        mmu_watchpoint_hit(cpu, va, 1, ACCESS_WRITE, request.el0)) {
        cpu->fault.is_cm = true;
        return false;
    }
    *hva = page.host;
    return true;
}

const uint8_t *mmu_fetch(struct a64_cpu *cpu, uint64_t va, bool *guarded)
{
    const struct tlb_entry *const entry = tlb_slot(cpu, cpu->mmu_index, va);

    if (__builtin_expect(!tlb_matches(entry->fetch, va), 0) &&
        !walk(cpu, cpu->mmu_index, va, ACCESS_FETCH, false)) {
        return NULL;
    }
    *guarded = (tlb_slot_info(cpu, cpu->mmu_index, va)->flags & TLB_GUARDED) != 0;
    return tlb_host(entry, va);
}

bool mmu_translate(struct a64_cpu *cpu, uint64_t va, enum mmu_index index, enum mmu_access access,
                   bool stage1_only, struct mmu_walk *out)
{
    struct mmu_request request = {
        .va = va,
        .access = access == MMU_WRITE   ? ACCESS_WRITE
                  : access == MMU_FETCH ? ACCESS_FETCH
                                        : ACCESS_READ,
        .maintenance = true,
        .stage1_only = stage1_only,
        .no_output = true,
    };
    struct mmu_page page;

    mmu_set_request_context(&request, index);
    if (!mmu_walk(cpu, &request, &page)) {
        return false;
    }
    *out = (struct mmu_walk){
        .pa = page.pa, .attr = page.attr, .shareability = page.shareability, .ns = true};
    return true;
}
