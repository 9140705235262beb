/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * From a virtual address to host memory: stage 1, the guest's own stage 2, the VM's map. The only code that leads to guest tables.
 * Arm ARM DDI0487 J.a, D8; AArch64.FullTranslate().
 */
#include "engine/mmu/internal.h"
#include "engine/mmu/tlb.h"
#include "vm/vm.h"

void mmu_set_request_context(struct mmu_request *request, unsigned index)
{
    static const struct {
        uint8_t regime;
        bool el0, pan;
    } contexts[CPU_MMU_INDEX_COUNT] = {
        [MMU_E10_0] = {MMU_REGIME_E10, true, false},
        [MMU_E10_1] = {MMU_REGIME_E10, false, false},
        [MMU_E10_1_PAN] = {MMU_REGIME_E10, false, true},
        [MMU_E2] = {MMU_REGIME_E2, false, false},
        [MMU_E20_0] = {MMU_REGIME_E20, true, false},
        [MMU_E20_2] = {MMU_REGIME_E20, false, false},
        [MMU_E20_2_PAN] = {MMU_REGIME_E20, false, true},
    };

    request->regime = contexts[index].regime;
    request->el0 = contexts[index].el0;
    request->pan = contexts[index].pan;
}

/* A read-modify-write counts as a write only where the write alone fails: the places that know that say so. */
static bool counts_as_write(const struct mmu_request *request)
{
    return (request->access & (ACCESS_READ | ACCESS_WRITE)) == ACCESS_WRITE || request->maintenance;
}

bool mmu_fail(struct a64_cpu *cpu, const struct mmu_request *request, enum fault_type type,
              int level, unsigned stage)
{
    cpu->fault = (struct fault){
        .type = (uint8_t)type,
        .level = (int8_t)level,
        .stage = (uint8_t)stage,
        .is_write = counts_as_write(request),
        .is_fetch = (request->access & ACCESS_FETCH) != 0,
        .is_cm = request->maintenance,
        .va = request->va,
    };
    return false;
}

void mmu_decode_tg(const struct mmu_features *features, unsigned tg0, unsigned *granule_log2)
{
    *granule_log2 = tg0 == 1 ? 16 : tg0 == 2 ? 14 : 12;
    /* A granule that is not implemented, or the reserved value, acts as one that is: IMPLEMENTATION DEFINED which (TCR_EL1.TG0). */
    if (tg0 == 3 || (*granule_log2 == 16 && !features->granule_64k) ||
        (*granule_log2 == 14 && !features->granule_16k) ||
        (*granule_log2 == 12 && !features->granule_4k)) {
        *granule_log2 = features->granule_4k ? 12 : features->granule_16k ? 14 : 16;
    }
}

/* AArch64.PhysicalAddressSize(); without FEAT_LPA 48 bits are the most. */
unsigned mmu_decode_ps(const struct mmu_features *features, unsigned ps)
{
    static const uint8_t bits[8] = {32, 36, 40, 42, 44, 48, 48, 48};
    const unsigned size = bits[ps & 7];

    return size < features->pa_bits ? size : features->pa_bits;
}

/* The VM's map, where the framework's own stage 2 stands. */
static bool look_up(struct a64_cpu *cpu, const struct mmu_request *request, uint64_t pa,
                    uint8_t **host, unsigned *permissions, bool walk)
{
    int level = 3;

    *permissions = 0;
    uint8_t *const page = vm_lookup(cpu->vm, pa, permissions, &level);
    if (page == NULL) {
        mmu_fail(cpu, request, FAULT_TRANSLATION, level, 3);
        cpu->fault.s1_walk = walk;
        cpu->fault.ipa = pa;
        return false;
    }
    *host = page + (pa & ~MMU_PAGE_MASK);
    return true;
}

static bool no_map_permission(struct a64_cpu *cpu, const struct mmu_request *request, uint64_t pa,
                              bool walk, bool is_write)
{
    mmu_fail(cpu, request, FAULT_PERMISSION, 3, 3);
    cpu->fault.s1_walk = walk;
    cpu->fault.ipa = pa;
    cpu->fault.is_write = is_write;
    return false;
}

uint64_t *mmu_descriptor(struct a64_cpu *cpu, const struct mmu_request *request, unsigned regime,
                         uint64_t address, unsigned stage, bool write)
{
    uint64_t pa = address;
    uint8_t *host = NULL;
    unsigned permissions = 0;

    if (stage == 1 && mmu_stage2_enabled(cpu, regime)) {
        const struct mmu_request table = {
            .va = request->va,
            .regime = request->regime,
            .access = (uint8_t)(ACCESS_READ | (write ? ACCESS_WRITE : 0)),
            .maintenance = request->maintenance,
            .no_output = true,
        };
        struct mmu_page page = {.ipa = address, .attr = 0xff};
        if (!mmu_stage2(cpu, &table, &page, true)) {
            const bool is_write = cpu->fault.is_write;
            const struct fault inner = cpu->fault;
            mmu_fail(cpu, request, (enum fault_type)inner.type, inner.level, inner.stage);
            cpu->fault.s1_walk = true;
            cpu->fault.ipa = inner.ipa;
            cpu->fault.is_write = cpu->fault.is_write || (write && is_write);
            return NULL;
        }
        pa = page.pa;
    }
    if (!look_up(cpu, request, pa, &host, &permissions, stage == 1)) {
        return NULL;
    }
    if ((permissions & VM_READ) == 0 || (write && (permissions & VM_WRITE) == 0)) {
        no_map_permission(cpu, request, pa, stage == 1, write || counts_as_write(request));
        return NULL;
    }
    return (uint64_t *)(void *)
        host; /* tables are aligned to 8 at least, and pages of the map to 4096 */
}

bool mmu_walk(struct a64_cpu *cpu, const struct mmu_request *request, struct mmu_page *page)
{
    *page = (struct mmu_page){0};
    if (!mmu_stage1(cpu, request, page)) {
        return false;
    }
    page->pa = page->ipa;
    if (!request->stage1_only && mmu_stage2_enabled(cpu, request->regime) &&
        !mmu_stage2(cpu, request, page, false)) {
        return false;
    }
    if (request->no_output) {
        return true;
    }

    unsigned permissions;
    if (!look_up(cpu, request, page->pa, &page->host, &permissions, false)) {
        return false;
    }
    _Static_assert(VM_READ == (int)ALLOW_READ && VM_WRITE == (int)ALLOW_WRITE &&
                       VM_EXEC == (int)ALLOW_FETCH,
                   "permissions of the map are used as ALLOW_*");
    const unsigned missing = request->access & ~permissions;
    if (missing != 0) {
        return no_map_permission(cpu, request, page->pa, false,
                                 (missing & (ACCESS_READ | ACCESS_WRITE)) == ACCESS_WRITE);
    }
    page->allowed &= (uint8_t)permissions;
    return true;
}
