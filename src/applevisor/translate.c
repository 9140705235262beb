/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A walker of the guest's stage 1 tables (EL1&0). Arm ARM DDI0487 J.a, D8.2 and D8.3. */
#include <applevisor/translate.h>

#include "applevisor/kit.h"

#define SCTLR_M       1ull
#define TCR_DS        (1ull << 59)
#define HCR_VM        1ull
#define DESC_VALID    1ull
#define DESC_TABLE    2ull /* at level 3: a page */
#define DESC_AF       (1ull << 10)
#define DESC_AP_EL0   (1ull << 6)
#define DESC_AP_RO    (1ull << 7)
#define DESC_PXN      (1ull << 53)
#define DESC_UXN      (1ull << 54)
#define TABLE_PXN     (1ull << 59)
#define TABLE_UXN     (1ull << 60)
#define TABLE_AP_NO0  (1ull << 61) /* APTable[0]: no access from EL0 */
#define TABLE_AP_RO   (1ull << 62) /* APTable[1]: read-only */
#define OUTPUT_MASK   ((1ull << 48) - 1)
#define SMALLEST_PAGE 0x1000ull

/* Of one of the two address ranges. */
struct range {
    uint64_t ttbr;
    unsigned tsz;          /* 64 - TSZ is the number of address bits */
    unsigned granule_log2; /* 12, 14 or 16 */
    bool disabled;         /* EPD */
};

static av_error range_of(hv_vcpu_t vcpu, uint64_t tcr, bool upper, struct range *range)
{
    /* TG0 and TG1 have encodings of their own. */
    static const uint8_t tg0[4] = {12, 16, 14, 0}, tg1[4] = {0, 14, 12, 16};

    if (upper) {
        TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_TTBR1_EL1, &range->ttbr));
        range->tsz = (unsigned)(tcr >> 16 & 63);
        range->granule_log2 = tg1[tcr >> 30 & 3];
        range->disabled = (tcr >> 23 & 1) != 0;
    } else {
        TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, &range->ttbr));
        range->tsz = (unsigned)(tcr & 63);
        range->granule_log2 = tg0[tcr >> 14 & 3];
        range->disabled = (tcr >> 7 & 1) != 0;
    }
    /* A reserved granule is taken for one of the implemented ones; out of range sizes are held at the nearest. */
    if (range->granule_log2 == 0) {
        range->granule_log2 = 12;
    }
    const unsigned most = range->granule_log2 == 16 ? 47 : 48;
    range->tsz = range->tsz < 16 ? 16 : range->tsz > most ? most : range->tsz;
    return AV_OK;
}

static av_error not_mapped(uint64_t va, const char *why)
{
    return av_fail(AV_ERROR_NOT_MAPPED, "av_translate", "virtual address 0x%llx: %s",
                   (unsigned long long)va, why);
}

/* What every level above took away. */
static void permissions(uint64_t tables, uint64_t descriptor, av_translation *t)
{
    const bool read_only = (descriptor & DESC_AP_RO) != 0 || (tables & TABLE_AP_RO) != 0;
    const bool el0 = (descriptor & DESC_AP_EL0) != 0 && (tables & TABLE_AP_NO0) == 0;

    t->el1_write = !read_only;
    t->el0_read = el0;
    t->el0_write = el0 && !read_only;
    /* What EL0 can write, EL1 never executes. */
    t->el1_exec = (descriptor & DESC_PXN) == 0 && (tables & TABLE_PXN) == 0 && !t->el0_write;
    t->el0_exec = (descriptor & DESC_UXN) == 0 && (tables & TABLE_UXN) == 0;
}

static av_error walk(const struct range *range, const av_guest_memory *memory, uint64_t va,
                     av_translation *translation)
{
    const unsigned granule = range->granule_log2, stride = granule - 3, va_bits = 64 - range->tsz;
    /* The first level leaves at least one bit to itself. */
    unsigned level = 4 - (va_bits - granule + stride - 1) / stride;
    const unsigned first_bits = va_bits - (granule + stride * (3 - level));
    const unsigned table_log2 = first_bits + 3 < 6 ? 6 : first_bits + 3;
    uint64_t table = range->ttbr & OUTPUT_MASK & ~((1ull << table_log2) - 1), tables = 0;

    for (;; level++) {
        const unsigned shift = granule + stride * (3 - level);
        const unsigned bits = shift + stride > va_bits ? va_bits - shift : stride;
        const uint64_t index = va >> shift & ((1ull << bits) - 1);
        uint64_t descriptor;

        if (!memory->read(memory->context, table + index * 8, &descriptor, sizeof(descriptor))) {
            return not_mapped(va, "its translation table is not in memory");
        }
        if ((descriptor & DESC_VALID) == 0) {
            return not_mapped(va, "the guest's tables have no valid descriptor for it");
        }
        const bool is_table = level < 3 && (descriptor & DESC_TABLE) != 0;
        if (is_table) {
            table = descriptor & OUTPUT_MASK & ~((1ull << granule) - 1);
            tables |= descriptor & (TABLE_PXN | TABLE_UXN | TABLE_AP_NO0 | TABLE_AP_RO);
            continue;
        }
        /* Blocks: level 1 with 4 KiB, level 2 with all; level 3 is pages, whose bit 1 is set. */
        const bool block_allowed = level == 2 || (level == 1 && granule == 12);
        if (level == 3 ? (descriptor & DESC_TABLE) == 0 : !block_allowed) {
            return not_mapped(va, "the guest's tables have a reserved descriptor for it");
        }
        if ((descriptor & DESC_AF) == 0) {
            return not_mapped(va, "its access flag is clear");
        }
        const uint64_t page = 1ull << shift;
        *translation = (av_translation){
            .ipa = (descriptor & OUTPUT_MASK & ~(page - 1)) | (va & (page - 1)),
            .page_bytes = page,
            .level = (int8_t)level,
        };
        permissions(tables, descriptor, translation);
        return AV_OK;
    }
}

static av_error check_regime(hv_vcpu_t vcpu)
{
    uint64_t cpsr, hcr;

    TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_CPSR, &cpsr));
    if (CPSR_EL(cpsr) > 1) {
        return av_fail(AV_ERROR_UNSUPPORTED, "av_translate",
                       "the guest is at EL2, and only the tables of EL1&0 are walked");
    }
    /* Refused in a VM without EL2: then nothing lies between. */
    if (hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_HCR_EL2, &hcr) == HV_SUCCESS && (hcr & HCR_VM) != 0) {
        return av_fail(
            AV_ERROR_UNSUPPORTED, "av_translate",
            "the guest's own EL2 translates the addresses of its EL1 once more (HCR_EL2.VM)");
    }
    return AV_OK;
}

av_error av_translate(hv_vcpu_t vcpu, const av_guest_memory *memory, uint64_t va,
                      av_translation *translation)
{
    uint64_t sctlr, tcr;
    struct range range;

    NOT_NULL(memory);
    NOT_NULL(memory->read);
    NOT_NULL(translation);
    TRY(check_regime(vcpu));
    TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, &sctlr));
    TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, &tcr));
    const bool upper = (va >> 55 & 1) != 0;
    if ((sctlr & SCTLR_M) == 0) {
        *translation = (av_translation){.ipa = va & OUTPUT_MASK,
                                        .level = -1,
                                        .el1_write = true,
                                        .el0_read = true,
                                        .el0_write = true,
                                        .el1_exec = true,
                                        .el0_exec = true};
        return AV_OK;
    }
    if ((tcr & TCR_DS) != 0) {
        return FAIL(AV_ERROR_UNSUPPORTED, "the guest uses 52-bit descriptors (TCR_EL1.DS)");
    }
    TRY(range_of(vcpu, tcr, upper, &range));
    if (range.disabled) {
        return not_mapped(va, "walks of its table are disabled (TCR_EL1.EPD)");
    }
    /* All bits above the range are copies of bit 55, but for the top byte when it is ignored. */
    const bool ignore_top = (tcr >> (upper ? 38 : 37) & 1) != 0;
    const unsigned top = ignore_top ? 56 : 64, va_bits = 64 - range.tsz;
    const uint64_t beyond = (top == 64 ? UINT64_MAX : (1ull << top) - 1) & ~((1ull << va_bits) - 1);
    if ((va & beyond) != (upper ? beyond : 0)) {
        return not_mapped(va, "it lies outside both address ranges (TCR_EL1.TxSZ)");
    }
    return walk(&range, memory, va, translation);
}

av_error av_read_virtual(hv_vcpu_t vcpu, const av_guest_memory *memory, uint64_t va, void *buffer,
                         size_t size)
{
    uint8_t *to = buffer;

    NOT_NULL(buffer);
    while (size != 0) {
        const uint64_t in_page = SMALLEST_PAGE - (va & (SMALLEST_PAGE - 1));
        const size_t n = size < in_page ? size : (size_t)in_page;
        av_translation translation;

        TRY(av_translate(vcpu, memory, va, &translation));
        if (!memory->read(memory->context, translation.ipa, to, n)) {
            return FAIL(AV_ERROR_NOT_MAPPED,
                        "virtual address 0x%llx is IPA 0x%llx, which is no memory",
                        (unsigned long long)va, (unsigned long long)translation.ipa);
        }
        to += n;
        va += n;
        size -= n;
    }
    return AV_OK;
}
