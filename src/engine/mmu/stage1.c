/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Stage 1 of the EL1&0, EL2 and EL2&0 regimes. Arm ARM DDI0487 J.a, D8.2 to D8.5; AArch64.S1Translate(), AArch64.S1Walk().
 * VMSAv8-64 without FEAT_LPA, FEAT_LVA and FEAT_LPA2: 48-bit addresses, levels 0 to 3.
 *
 * The Contiguous hint is only a hint: every page has its own entry in our TLB, made from its own descriptor, so there is nothing
 * to do with it.
 */
#include "engine/mmu/internal.h"
#include "engine/mmu/tlb.h"
#include "vm/vm.h"

/* A descriptor's fields. */
enum {
    DESC_VALID = 0,
    DESC_TABLE = 1, /* or page */
    DESC_AP_EL0 = 6,
    DESC_AP_RO = 7,
    DESC_AF = 10,
    DESC_NG = 11,
    DESC_GP = 50,
    DESC_DBM = 51,
    DESC_PXN = 53,
    DESC_UXN = 54, /* XN where there is no EL0 */
    DESC_PXN_TABLE = 59,
    DESC_UXN_TABLE = 60,
    DESC_AP_TABLE = 61, /* 62:61 */
};

/* How often a walk starts again because another observer changed the descriptor that it wanted to update. */
#define MAX_RETRIES 1000

struct s1_params {
    uint64_t sctlr, mair, ttbr;
    unsigned txsz, granule_log2, output_bits;
    bool tbi, tbid, epd, hpd, ha, hd, e0pd;
    bool upper;
    bool has_el0; /* regime with an unprivileged EL */
};

struct s1_leaf {
    uint64_t descriptor, descriptor_address;
    uint64_t address; /* of the byte */
    unsigned ap_table;
    bool uxn_table, pxn_table;
    unsigned size_log2;
    int level;
};

/* AArch64.GetS1TTWParams() */
static void get_el10_or_el20(const struct a64_cpu *cpu, const struct mmu_request *r,
                             struct s1_params *p)
{
    const struct mmu_features *const f = &cpu->mmu->features;
    const bool el2 = r->regime == MMU_REGIME_E20;
    const uint64_t tcr = cpu->sys[el2 ? SR_TCR_EL2 : SR_TCR_EL1];
    unsigned tg;

    p->has_el0 = true;
    p->sctlr = cpu->sys[el2 ? SR_SCTLR_EL2 : SR_SCTLR_EL1];
    p->mair = cpu->sys[el2 ? SR_MAIR_EL2 : SR_MAIR_EL1];
    p->upper = mmu_bit(r->va, 55);
    if (p->upper) {
        static const uint8_t tg1_to_tg0[4] = {3, 2, 0, 1};
        p->ttbr = cpu->sys[el2 ? SR_TTBR1_EL2 : SR_TTBR1_EL1];
        p->txsz = (unsigned)mmu_field(tcr, 21, 16);
        tg = tg1_to_tg0[mmu_field(tcr, 31, 30)];
    } else {
        p->ttbr = cpu->sys[el2 ? SR_TTBR0_EL2 : SR_TTBR0_EL1];
        p->txsz = (unsigned)mmu_field(tcr, 5, 0);
        tg = (unsigned)mmu_field(tcr, 15, 14);
    }
    mmu_decode_tg(f, tg, &p->granule_log2);
    p->epd = mmu_bit(tcr, p->upper ? 23 : 7);
    p->tbi = mmu_bit(tcr, p->upper ? 38 : 37);
    p->tbid = mmu_bit(tcr, p->upper ? 52 : 51);
    p->hpd = f->hpds && mmu_bit(tcr, p->upper ? 42 : 41);
    p->e0pd = f->e0pd && mmu_bit(tcr, p->upper ? 56 : 55);
    p->ha = f->haf && mmu_bit(tcr, 39);
    p->hd = f->hdbs && mmu_bit(tcr, 40);
    p->output_bits = mmu_decode_ps(f, (unsigned)mmu_field(tcr, 34, 32));
}

static void get_el2(const struct a64_cpu *cpu, struct s1_params *p)
{
    const struct mmu_features *const f = &cpu->mmu->features;
    const uint64_t tcr = cpu->sys[SR_TCR_EL2];

    p->sctlr = cpu->sys[SR_SCTLR_EL2];
    p->mair = cpu->sys[SR_MAIR_EL2];
    p->ttbr = cpu->sys[SR_TTBR0_EL2];
    p->txsz = (unsigned)mmu_field(tcr, 5, 0);
    mmu_decode_tg(f, (unsigned)mmu_field(tcr, 15, 14), &p->granule_log2);
    p->tbi = mmu_bit(tcr, 20);
    p->tbid = mmu_bit(tcr, 29);
    p->hpd = f->hpds && mmu_bit(tcr, 24);
    p->ha = f->haf && mmu_bit(tcr, 21);
    p->hd = f->hdbs && mmu_bit(tcr, 22);
    p->output_bits = mmu_decode_ps(f, (unsigned)mmu_field(tcr, 18, 16));
}

static void get_params(const struct a64_cpu *cpu, const struct mmu_request *r, struct s1_params *p)
{
    *p = (struct s1_params){0};
    if (r->regime == MMU_REGIME_E2) {
        get_el2(cpu, p);
    } else {
        get_el10_or_el20(cpu, r, p);
    }
}

/* AArch64.S1Enabled() */
static bool is_enabled(const struct a64_cpu *cpu, const struct mmu_request *r,
                       const struct s1_params *p)
{
    if (r->regime == MMU_REGIME_E10 && (mmu_hcr(cpu) & (1ull << HCR_DC | 1ull << HCR_TGE)) != 0) {
        return false;
    }
    return mmu_bit(p->sctlr, SCTLR_M);
}

/* AArch64.AddrTop() */
static unsigned top_bit(const struct mmu_request *r, const struct s1_params *p)
{
    return p->tbi && !(p->tbid && (r->access & ACCESS_FETCH) != 0) ? 55 : 63;
}

/* AArch64.S1DisabledOutput() */
static bool flat(struct a64_cpu *cpu, const struct mmu_request *r, const struct s1_params *p,
                 struct mmu_page *page)
{
    const unsigned pa_bits = cpu->mmu->features.pa_bits;
    const bool default_cacheable = r->regime == MMU_REGIME_E10 && mmu_bit(mmu_hcr(cpu), HCR_DC);

    if (mmu_field(r->va, top_bit(r, p), pa_bits) != 0) {
        return mmu_fail(cpu, r, FAULT_ADDRESS_SIZE, 0, 1);
    }
    page->ipa = r->va & MMU_VA_MASK;
    page->allowed = ALLOW_READ | ALLOW_WRITE | ALLOW_FETCH;
    page->global = true;
    page->size_log2 = MMU_PAGE_LOG2;
    if (default_cacheable) {
        page->attr = 0xff;
        page->shareability = 0;
        return true;
    }
    page->shareability = 2;
    if ((r->access & ACCESS_FETCH) != 0) {
        page->attr = mmu_bit(p->sctlr, 12) ? 0xaa : MMU_ATTR_NC;
        return true;
    }
    page->attr = 0x00; /* Device-nGnRnE */
    return r->misaligned ? mmu_fail(cpu, r, FAULT_ALIGNMENT, 0, 1) : true;
}

/* The checks before the walk, in the order of AArch64.S1Translate(): all are level 0 Translation faults. */
static bool is_out_of_range(const struct a64_cpu *cpu, const struct mmu_request *r,
                            const struct s1_params *p)
{
    const unsigned max = !cpu->mmu->features.ttst ? 39 : p->granule_log2 == 16 ? 47 : 48;

    /* Out of bounds: IMPLEMENTATION DEFINED whether it faults or counts as the bound. */
    if (p->txsz < 16 || p->txsz > max) {
        return true;
    }
    const unsigned top = top_bit(r, p), ia_bits = 64 - p->txsz;
    const uint64_t above = mmu_field(r->va, top, ia_bits);
    const uint64_t expected = p->upper ? mmu_field(UINT64_MAX, top, ia_bits) : 0;

    return above != expected || (r->el0 && p->e0pd) || p->epd;
}

static bool is_table(uint64_t descriptor, int level)
{
    return mmu_bit(descriptor, DESC_TABLE) && level < 3;
}

/* AArch64.DecodeDescriptorType(): blocks are at level 1 (4 KiB granule) and level 2. */
static bool is_leaf(uint64_t descriptor, int level, unsigned granule_log2)
{
    if (level == 3) {
        return mmu_bit(descriptor, DESC_TABLE);
    }
    return level == 2 || (level == 1 && granule_log2 == 12);
}

/* AArch64.S1Walk(). False: cpu->fault. */
static bool walk(struct a64_cpu *cpu, const struct mmu_request *r, const struct s1_params *p,
                 struct s1_leaf *leaf, struct mmu_path *path)
{
    const unsigned granule = p->granule_log2, stride = granule - 3, ia_bits = 64 - p->txsz;
    const uint64_t address_mask = (1ull << 48) - (1ull << granule);
    int level = 3 - (int)((ia_bits - 1 - granule) / stride);
    unsigned shift = granule + stride * (unsigned)(3 - level);
    unsigned index_bits = ia_bits - shift; /* of the first table; at least 1 */
    /* The first table is aligned to its size. */
    uint64_t base = p->ttbr & ((1ull << 48) - 1) & ~((1ull << (index_bits + 3)) - 1);

    *leaf = (struct s1_leaf){0};
    path->n = 0;
    if (base >> p->output_bits != 0) {
        return mmu_fail(cpu, r, FAULT_ADDRESS_SIZE, 0, 1);
    }
    for (;;) {
        const uint64_t address = base + 8 * mmu_field(r->va, shift + index_bits - 1, shift);
        const uint64_t *const where = mmu_descriptor(cpu, r, r->regime, address, 1, false);
        if (where == NULL) {
            return false;
        }
        const uint64_t descriptor = __atomic_load_n(where, __ATOMIC_ACQUIRE);
        path->where[path->n] = where;
        path->descriptor[path->n++] = descriptor;
        path->shift = (uint8_t)shift;
        path->level = (int8_t)level;
        path->address_mask = address_mask & ~((1ull << shift) - 1) & ((1ull << p->output_bits) - 1);
        if (!mmu_bit(descriptor, DESC_VALID)) {
            return mmu_fail(cpu, r, FAULT_TRANSLATION, level, 1);
        }
        if (!is_table(descriptor, level)) {
            if (!is_leaf(descriptor, level, granule)) {
                return mmu_fail(cpu, r, FAULT_TRANSLATION, level, 1);
            }
            const uint64_t offset_mask = (1ull << shift) - 1;
            leaf->descriptor = descriptor;
            leaf->descriptor_address = address;
            leaf->address = (descriptor & address_mask & ~offset_mask) | (r->va & offset_mask);
            leaf->size_log2 = shift;
            leaf->level = level;
            break;
        }
        base = descriptor & address_mask;
        if (base >> p->output_bits != 0) {
            return mmu_fail(cpu, r, FAULT_ADDRESS_SIZE, level, 1);
        }
        if (!p->hpd) {
            leaf->ap_table |= (unsigned)mmu_field(descriptor, DESC_AP_TABLE + 1, DESC_AP_TABLE);
            leaf->uxn_table |= mmu_bit(descriptor, DESC_UXN_TABLE);
            leaf->pxn_table |= mmu_bit(descriptor, DESC_PXN_TABLE);
        }
        level++;
        shift -= stride;
        index_bits = stride;
    }
    if (leaf->address >> p->output_bits != 0) {
        return mmu_fail(cpu, r, FAULT_ADDRESS_SIZE, leaf->level, 1);
    }
    if (!mmu_bit(leaf->descriptor, DESC_AF) && !p->ha) {
        return mmu_fail(cpu, r, FAULT_ACCESS_FLAG, leaf->level, 1);
    }
    return true;
}

/* AArch64.S1DirectBasePermissions() and WXN; writable_clean: a write would make the page dirty by hardware. */
static unsigned allowed_of(const struct mmu_request *r, const struct s1_params *p,
                           const struct s1_leaf *leaf, bool pan3, bool writable_clean)
{
    const uint64_t d = leaf->descriptor;
    const bool read_only = (mmu_bit(d, DESC_AP_RO) && !writable_clean) || (leaf->ap_table & 2) != 0;
    bool read = true, write = !read_only, fetch;

    if (!p->has_el0) {
        fetch = !mmu_bit(d, DESC_UXN) && !leaf->uxn_table;
    } else {
        const bool user = mmu_bit(d, DESC_AP_EL0) && (leaf->ap_table & 1) == 0;
        const bool user_fetch = !mmu_bit(d, DESC_UXN) && !leaf->uxn_table;
        if (r->el0) {
            read = user;
            write = user && !read_only;
            fetch = user_fetch;
        } else {
            /* What EL0 can write, the privileged level does not execute. */
            fetch = !mmu_bit(d, DESC_PXN) && !leaf->pxn_table && !(user && !read_only);
            if (r->pan && (user || (pan3 && mmu_bit(p->sctlr, SCTLR_EPAN) && user_fetch))) {
                read = false;
                write = false;
            }
        }
    }
    if (mmu_bit(p->sctlr, SCTLR_WXN) && write) {
        fetch = false;
    }
    return (read ? ALLOW_READ : 0u) | (write ? ALLOW_WRITE : 0u) | (fetch ? ALLOW_FETCH : 0u);
}

/* S1DecodeMemAttrs() and the effect of SCTLR_ELx.C on data accesses, or of I on fetches. */
static uint8_t attribute(const struct s1_params *p, uint64_t descriptor, unsigned enable)
{
    const uint8_t attr = (uint8_t)(p->mair >> (8 * mmu_field(descriptor, 4, 2)));

    return mmu_attr_is_device(attr) || mmu_bit(p->sctlr, enable) ? attr : MMU_ATTR_NC;
}

static uint8_t data_attribute(const struct s1_params *p, uint64_t descriptor)
{
    return attribute(p, descriptor, SCTLR_C);
}

static void set_attributes(const struct mmu_request *r, const struct s1_params *p,
                           uint64_t descriptor, struct mmu_page *page)
{
    page->attr = (r->access & ACCESS_FETCH) != 0 ? attribute(p, descriptor, 12)
                                                 : data_attribute(p, descriptor);
    page->shareability = (uint8_t)mmu_field(descriptor, 9, 8);
    if (mmu_attr_is_device(page->attr) || page->attr == MMU_ATTR_NC) {
        page->shareability = 2; /* EffectiveShareability() */
    }
}

enum update { UPDATE_NONE, UPDATE_DONE, UPDATE_AGAIN, UPDATE_FAULT };

/* Hardware management of the Access flag and dirty state, D8.4.6: on the descriptor as it was read, or not at all. */
static enum update update_descriptor(struct a64_cpu *cpu, const struct mmu_request *r,
                                     const struct s1_params *p, struct s1_leaf *leaf,
                                     bool set_dirty)
{
    uint64_t expected = leaf->descriptor, updated = leaf->descriptor;

    if (p->ha) {
        updated |= 1ull << DESC_AF;
    }
    if (set_dirty) {
        updated &= ~(1ull << DESC_AP_RO);
    }
    if (updated == expected) {
        return UPDATE_NONE;
    }
    uint64_t *const where = mmu_descriptor(cpu, r, r->regime, leaf->descriptor_address, 1, true);
    if (where == NULL) {
        return UPDATE_FAULT;
    }
    if (!__atomic_compare_exchange_n(where, &expected, updated, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        return UPDATE_AGAIN;
    }
    leaf->descriptor = updated;
    return UPDATE_DONE;
}

/* One walk and its checks. *again: the descriptor changed under it. */
static bool translate(struct a64_cpu *cpu, const struct mmu_request *r, const struct s1_params *p,
                      struct mmu_page *page, struct mmu_path *path, bool *again)
{
    const struct mmu_features *const f = &cpu->mmu->features;
    struct s1_leaf leaf;

    *again = false;
    if (!walk(cpu, r, p, &leaf, path)) {
        if (path->n != 0 && mmu_bit(path->descriptor[path->n - 1], DESC_VALID)) {
            path->n = 0; /* it is not the last descriptor that was wrong */
        }
        return false;
    }
    const uint64_t d = leaf.descriptor;
    const bool clean = p->ha && p->hd && mmu_bit(d, DESC_DBM) && mmu_bit(d, DESC_AP_RO);
    const unsigned allowed = allowed_of(r, p, &leaf, f->pan3, clean);

    set_attributes(r, p, d, page);
    path->allowed = (uint8_t)allowed;
    path->attr = data_attribute(p, d);
    if (clean || !mmu_bit(d, DESC_AF)) {
        path->n = 0; /* the access decides what becomes of the descriptor */
    }
    bool ok = true;
    const unsigned missing = r->access & ~allowed;
    if (r->misaligned && mmu_attr_is_device(page->attr)) {
        ok = mmu_fail(cpu, r, FAULT_ALIGNMENT, leaf.level, 1);
    } else if (missing != 0) {
        ok = mmu_fail(cpu, r, FAULT_PERMISSION, leaf.level, 1);
        cpu->fault.is_write |= (missing & (ACCESS_READ | ACCESS_WRITE)) == ACCESS_WRITE;
    }
    const struct fault fault = cpu->fault;
    const bool set_dirty = ok && clean && (r->access & ACCESS_WRITE) != 0 && !r->maintenance;
    switch (update_descriptor(cpu, r, p, &leaf, set_dirty)) {
    case UPDATE_FAULT:
        return false;
    case UPDATE_AGAIN:
        *again = true;
        return false;
    default:
        break;
    }
    if (!ok) {
        cpu->fault = fault;
        return false;
    }
    page->ipa = leaf.address;
    page->allowed = (uint8_t)allowed;
    if (clean && !set_dirty) {
        page->allowed &= (uint8_t)~ALLOW_WRITE; /* the next write walks, and makes it dirty */
    }
    page->guarded = f->bti && mmu_bit(d, DESC_GP);
    page->global = !p->has_el0 || !mmu_bit(d, DESC_NG);
    page->size_log2 = (uint8_t)leaf.size_log2;
    return true;
}

bool mmu_stage1(struct a64_cpu *cpu, const struct mmu_request *r, struct mmu_page *page)
{
    struct s1_params p;
    struct mmu_path unwanted, *const path = r->path != NULL ? r->path : &unwanted;

    get_params(cpu, r, &p);
    if (!is_enabled(cpu, r, &p)) {
        return flat(cpu, r, &p, page);
    }
    if (is_out_of_range(cpu, r, &p)) {
        return mmu_fail(cpu, r, FAULT_TRANSLATION, 0, 1);
    }
    for (unsigned tries = 0; tries < MAX_RETRIES; tries++) {
        bool again;
        if (translate(cpu, r, &p, page, path, &again)) {
            return true;
        }
        if (!again) {
            return false;
        }
    }
    /* Others write this descriptor without pause; the guest may try again after the fault that software management would get. */
    return mmu_fail(cpu, r, FAULT_ACCESS_FLAG, 3, 1);
}
