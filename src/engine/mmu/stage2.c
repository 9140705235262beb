/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The guest's own stage 2, under EL2: HCR_EL2.VM. Arm ARM DDI0487 J.a, D8.2, D8.4; AArch64.S2Translate(), AArch64.S2Walk().
 * FEAT_S2FWB is not implemented (ID_AA64MMFR2_EL1.FWB is 0 in every profile).
 */
#include "engine/mmu/internal.h"
#include "engine/mmu/tlb.h"

enum {
    DESC_VALID = 0,
    DESC_TABLE = 1,
    DESC_S2AP_R = 6,
    DESC_S2AP_W = 7,
    DESC_AF = 10,
    DESC_DBM = 51,
    DESC_XN = 53, /* 54:53; bit 53 counts with FEAT_XNX only */
};

#define MAX_RETRIES 1000

struct s2_params {
    uint64_t vttbr;
    unsigned txsz, granule_log2, output_bits;
    int start_level; /* < 0: SL0 is not valid */
    bool ha, hd;
};

struct s2_leaf {
    uint64_t descriptor, descriptor_address, address;
    int level;
};

bool mmu_stage2_enabled(const struct a64_cpu *cpu, unsigned regime)
{
    const uint64_t hcr = mmu_hcr(cpu), host = 1ull << HCR_E2H | 1ull << HCR_TGE;

    return regime == MMU_REGIME_E10 && (hcr & host) != host &&
           (hcr & (1ull << HCR_VM | 1ull << HCR_DC)) != 0;
}

/* AArch64.S2StartLevel(), AArch64.S2InvalidSL() */
static int start_level(const struct mmu_features *f, unsigned granule_log2, unsigned sl0)
{
    if (granule_log2 == 12) {
        if ((sl0 == 2 && f->pa_bits < 44) || (sl0 == 3 && !f->ttst)) {
            return -1;
        }
        return sl0 == 3 ? 3 : 2 - (int)sl0;
    }
    if (sl0 == 3 || (sl0 == 2 && f->pa_bits < (granule_log2 == 14 ? 42 : 44))) {
        return -1;
    }
    return 3 - (int)sl0;
}

/* AArch64.NSS2TTWParams() */
static void get_params(const struct a64_cpu *cpu, struct s2_params *p)
{
    const struct mmu_features *const f = &cpu->mmu->features;
    const uint64_t vtcr = cpu->sys[SR_VTCR_EL2];

    p->vttbr = cpu->sys[SR_VTTBR_EL2];
    p->txsz = (unsigned)mmu_field(vtcr, 5, 0);
    mmu_decode_tg(f, (unsigned)mmu_field(vtcr, 15, 14), &p->granule_log2);
    p->output_bits = mmu_decode_ps(f, (unsigned)mmu_field(vtcr, 18, 16));
    p->start_level = start_level(f, p->granule_log2, (unsigned)mmu_field(vtcr, 7, 6));
    p->ha = f->haf && mmu_bit(vtcr, 21);
    p->hd = f->hdbs && mmu_bit(vtcr, 22);
}

static bool fail(struct a64_cpu *cpu, const struct mmu_request *r, enum fault_type type, int level,
                 uint64_t ipa)
{
    mmu_fail(cpu, r, type, level, 2);
    cpu->fault.ipa = ipa;
    return false;
}

/* AArch64.S2TxSZFaults(), AArch64.S2InconsistentSL(), AArch64.IPAIsOutOfRange() */
static bool is_out_of_range(const struct mmu_features *f, const struct s2_params *p, uint64_t ipa)
{
    const unsigned max = !f->ttst ? 39 : p->granule_log2 == 16 ? 47 : 48;

    if (p->txsz < 64u - f->pa_bits || p->txsz < 16 || p->txsz > max || p->start_level < 0) {
        return true;
    }
    /* The first table has at least 2 entries, and is at most 16 tables side by side. */
    const unsigned stride = p->granule_log2 - 3, ia_bits = 64 - p->txsz;
    const unsigned shift = p->granule_log2 + stride * (unsigned)(3 - p->start_level);

    return ia_bits < shift + 1 || ia_bits > shift + stride + 4 || ipa >> ia_bits != 0;
}

/* AArch64.S2Walk() */
static bool walk(struct a64_cpu *cpu, const struct mmu_request *r, const struct s2_params *p,
                 uint64_t ipa, struct s2_leaf *leaf)
{
    const unsigned granule = p->granule_log2, stride = granule - 3;
    const uint64_t address_mask = (1ull << 48) - (1ull << granule);
    int level = p->start_level;
    unsigned shift = granule + stride * (unsigned)(3 - level);
    unsigned index_bits = 64 - p->txsz - shift;
    uint64_t base = p->vttbr & ((1ull << 48) - 1) & ~((1ull << (index_bits + 3)) - 1);

    if (base >> p->output_bits != 0) {
        return fail(cpu, r, FAULT_ADDRESS_SIZE, 0, ipa);
    }
    for (;;) {
        const uint64_t address = base + 8 * mmu_field(ipa, shift + index_bits - 1, shift);
        const uint64_t *const where = mmu_descriptor(cpu, r, r->regime, address, 2, false);
        if (where == NULL) {
            return false;
        }
        const uint64_t descriptor = __atomic_load_n(where, __ATOMIC_ACQUIRE);
        const bool table = mmu_bit(descriptor, DESC_TABLE);
        if (!mmu_bit(descriptor, DESC_VALID) || (level == 3 && !table) ||
            (!table && level < 3 && !(level == 2 || (level == 1 && granule == 12)))) {
            return fail(cpu, r, FAULT_TRANSLATION, level, ipa);
        }
        if (level == 3 || !table) {
            const uint64_t offset_mask = (1ull << shift) - 1;
            leaf->descriptor = descriptor;
            leaf->descriptor_address = address;
            leaf->address = (descriptor & address_mask & ~offset_mask) | (ipa & offset_mask);
            leaf->level = level;
            break;
        }
        base = descriptor & address_mask;
        if (base >> p->output_bits != 0) {
            return fail(cpu, r, FAULT_ADDRESS_SIZE, level, ipa);
        }
        level++;
        shift -= stride;
        index_bits = stride;
    }
    if (leaf->address >> p->output_bits != 0) {
        return fail(cpu, r, FAULT_ADDRESS_SIZE, leaf->level, ipa);
    }
    if (!mmu_bit(leaf->descriptor, DESC_AF) && !p->ha) {
        return fail(cpu, r, FAULT_ACCESS_FLAG, leaf->level, ipa);
    }
    return true;
}

/* AArch64.S2DirectBasePermissions() */
static unsigned allowed_of(const struct mmu_features *f, uint64_t descriptor, bool el0, bool clean)
{
    unsigned xn = (unsigned)mmu_field(descriptor, DESC_XN + 1, DESC_XN);

    if (!f->xnx) {
        xn &= 2;
    }
    /* 0: both execute, 1: EL0 only, 2: neither, 3: EL1 only */
    const bool fetch = xn == 0 || (xn == 1 && el0) || (xn == 3 && !el0);

    return (mmu_bit(descriptor, DESC_S2AP_R) ? ALLOW_READ : 0u) |
           (mmu_bit(descriptor, DESC_S2AP_W) || clean ? ALLOW_WRITE : 0u) |
           (fetch ? ALLOW_FETCH : 0u);
}

/* S2CombineS1AttrHints(), on one half of an attribute byte: the less cacheable wins, the hints are those of stage 1. */
static unsigned combine_cacheability(unsigned s1, unsigned s2)
{
    const bool s1_wt = (s1 & 4) == 0;

    if (s1 == 4 || s2 <= 1) {
        return 4; /* Non-cacheable */
    }
    if (s1_wt || s2 == 2) {
        return s1 & ~4u; /* Write-Through */
    }
    return s1;
}

/* S2DecodeMemAttrs(), S2CombineS1MemAttrs() */
static void combine_attributes(const struct a64_cpu *cpu, const struct mmu_request *r,
                               uint64_t descriptor, struct mmu_page *page)
{
    const unsigned s2 = (unsigned)mmu_field(descriptor, 5, 2),
                   s2_sh = (unsigned)mmu_field(descriptor, 9, 8);

    if (s2 >> 2 == 0) {
        const uint8_t device = (uint8_t)((s2 & 3) << 2);
        if (!mmu_attr_is_device(page->attr) || (page->attr & 0x0c) > device) {
            page->attr = device;
        }
    } else if (!mmu_attr_is_device(page->attr)) {
        const bool off = mmu_bit(mmu_hcr(cpu), HCR_CD) && (r->access & ACCESS_FETCH) == 0;
        const unsigned outer = combine_cacheability(page->attr >> 4, off ? 1 : s2 >> 2);
        const unsigned inner = combine_cacheability(page->attr & 15, off ? 1 : s2 & 3);
        page->attr = (uint8_t)(outer << 4 | inner);
    }
    /* Outer before inner before none; 2 is outer and 3 inner. */
    if (mmu_attr_is_device(page->attr) || page->attr == MMU_ATTR_NC || page->shareability == 2 ||
        s2_sh == 2) {
        page->shareability = 2;
    } else if (s2_sh == 3) {
        page->shareability = 3;
    }
}

static bool translate(struct a64_cpu *cpu, const struct mmu_request *r, const struct s2_params *p,
                      struct mmu_page *page, bool is_walk, bool *again)
{
    struct s2_leaf leaf;

    *again = false;
    if (!walk(cpu, r, p, page->ipa, &leaf)) {
        return false;
    }
    const uint64_t d = leaf.descriptor;
    const bool clean = p->ha && p->hd && mmu_bit(d, DESC_DBM) && !mmu_bit(d, DESC_S2AP_W);
    const unsigned allowed = allowed_of(&cpu->mmu->features, d, r->el0, clean),
                   missing = r->access & ~allowed;
    const bool device = mmu_field(d, 5, 4) == 0;
    uint64_t updated = d;

    if (p->ha) {
        updated |= 1ull << DESC_AF;
    }
    bool set_dirty = false;
    struct fault fault = {0};
    if (r->misaligned && device) {
        fail(cpu, r, FAULT_ALIGNMENT, leaf.level, page->ipa);
        fault = cpu->fault;
    } else if (missing != 0 || (is_walk && device && mmu_bit(mmu_hcr(cpu), HCR_PTW))) {
        fail(cpu, r, FAULT_PERMISSION, leaf.level, page->ipa);
        cpu->fault.is_write |= (missing & (ACCESS_READ | ACCESS_WRITE)) == ACCESS_WRITE;
        fault = cpu->fault;
    } else if (clean && (r->access & ACCESS_WRITE) != 0 && (!r->maintenance || is_walk)) {
        set_dirty = true;
        updated |= 1ull << DESC_S2AP_W;
    }
    if (updated != d) {
        uint64_t expected = d;
        uint64_t *const where = mmu_descriptor(cpu, r, r->regime, leaf.descriptor_address, 2, true);
        if (where == NULL) {
            return false;
        }
        if (!__atomic_compare_exchange_n(where, &expected, updated, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            *again = true;
            return false;
        }
    }
    if (fault.type != FAULT_NONE) {
        cpu->fault = fault;
        return false;
    }
    page->pa = leaf.address;
    page->allowed &= (uint8_t)allowed;
    if (clean && !set_dirty) {
        page->allowed &= (uint8_t)~ALLOW_WRITE;
    }
    combine_attributes(cpu, r, d, page);
    return true;
}

bool mmu_stage2(struct a64_cpu *cpu, const struct mmu_request *r, struct mmu_page *page,
                bool is_walk)
{
    struct s2_params p;

    get_params(cpu, &p);
    if (is_out_of_range(&cpu->mmu->features, &p, page->ipa)) {
        return fail(cpu, r, FAULT_TRANSLATION, 0, page->ipa);
    }
    for (unsigned tries = 0; tries < MAX_RETRIES; tries++) {
        bool again;
        if (translate(cpu, r, &p, page, is_walk, &again)) {
            return true;
        }
        if (!again) {
            return false;
        }
    }
    return fail(cpu, r, FAULT_ACCESS_FLAG, 3, page->ipa); /* as in stage 1 */
}
