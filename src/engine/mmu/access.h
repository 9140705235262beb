/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Between access.c and atomic.c. */
#ifndef ENGINE_MMU_ACCESS_H
#define ENGINE_MMU_ACCESS_H

#include "engine/mmu/tlb.h"

/* What a misaligned access may be. */
enum access_kind {
    KIND_PLAIN,   /* fine */
    KIND_ORDERED, /* LDAR, STLR, LDAPR: within 16 bytes with FEAT_LSE2; anywhere with SCTLR_ELx.nAA */
    KIND_ATOMIC,  /* exclusives and atomics: within 16 bytes with FEAT_LSE2 */
    KIND_ALIGNED, /* never */
};

/* For a misaligned access. False: Alignment fault in cpu->fault. */
bool mmu_check_alignment(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size,
                         enum access_kind kind, unsigned access);

/*
 * The bytes from va to va + size, in one page, for ACCESS_READ, ACCESS_WRITE or both: host address, and *flags = TLB_* of the page
 * (with TLB_CODE the caller calls code_invalidate() after writing). NULL: cpu->fault. misaligned: fault on Device memory.
 */
uint8_t *mmu_resolve(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size,
                     unsigned access, bool misaligned, unsigned *flags);

/*
 * After mmu_resolve() has failed for an ordinary load or store: a device inside the VM takes it if the address is its own. unit: what
 * one register of the instruction has; a pair may come here as one access. False: it is not, and cpu->fault holds (mmio.c).
 */
bool mmu_mmio_load(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size, unsigned unit,
                   v128 *value);
bool mmu_mmio_store(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size, unsigned unit,
                    const v128 *value);

#endif
