/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads and stores of devices inside the VM: the GIC's frames. They are found when the VM's map has nothing at the address, so that
 * what the client maps there comes first, as a stage 2 would have it, and ordinary memory pays nothing. Such accesses have no TLB
 * entry: each walks the tables.
 *
 * Every form of load and store comes here, also those without an instruction syndrome (pairs, writeback, SIMD), one access per
 * register. 16-byte registers are two accesses of 8.
 */
#include <string.h>

#include "engine/mmu/access.h"

static unsigned step_of(unsigned size, unsigned unit)
{
    const unsigned step = unit < size ? unit : size;

    return step < 8 ? step : 8;
}

/* The fault is what the walk has just found at the first byte, and the access is aligned and stays in the page. */
static bool is_ours(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size, unsigned step,
                    unsigned access, uint64_t *ipa)
{
    const struct fault *const fault = &cpu->fault;
    const struct vm_gic_ops *const gic = cpu->vm->gic;

    *ipa = fault->ipa;
    if (gic == NULL || fault->stage != 3 || fault->type != FAULT_TRANSLATION || fault->s1_walk ||
        fault->va != va || (va & (step - 1)) != 0 || (va & ~MMU_PAGE_MASK) + size > MMU_PAGE_SIZE ||
        !gic->claims(cpu, *ipa)) {
        return false;
    }
    return cpu->mmu->n_watched == 0 ||
           !mmu_watchpoint_hit(cpu, va, size, access, index == MMU_E10_0 || index == MMU_E20_0);
}

bool mmu_mmio_load(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size, unsigned unit,
                   v128 *value)
{
    const unsigned step = step_of(size, unit);
    v128 got = {.d = {0, 0}};
    uint64_t ipa;

    if (!is_ours(cpu, index, va, size, step, ACCESS_READ, &ipa)) {
        return false;
    }
    for (unsigned i = 0; i < size; i += step) {
        const uint64_t part = cpu->vm->gic->load(cpu, ipa + i, step);
        memcpy(got.b + i, &part, step);
    }
    *value = got;
    return true;
}

bool mmu_mmio_store(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size, unsigned unit,
                    const v128 *value)
{
    const unsigned step = step_of(size, unit);
    uint64_t ipa;

    if (!is_ours(cpu, index, va, size, step, ACCESS_WRITE, &ipa)) {
        return false;
    }
    for (unsigned i = 0; i < size; i += step) {
        uint64_t part = 0;
        memcpy(&part, value->b + i, step);
        cpu->vm->gic->store(cpu, ipa + i, step, part);
    }
    return true;
}
