/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Guest memory as an instruction sees it: translation regime -> stage 1 -> guest's stage 2 -> the VM's map -> host memory.
 * Everything is for the vCPU's own thread; other threads go through the mailbox (mmu_post_*).
 *
 * All accessors return true on success. On false, cpu->fault says why and nothing was written; the caller raises the exception.
 */
#ifndef ENGINE_MMU_H
#define ENGINE_MMU_H

#include "engine/cpu.h"

/* Translation contexts: regime, EL and PAN of an access. */
enum mmu_index {
    MMU_E10_0,     /* EL1&0 regime, from EL0 (and LDTR at EL1) */
    MMU_E10_1,     /* EL1&0 regime, from EL1 */
    MMU_E10_1_PAN, /* the same with PSTATE.PAN */
    MMU_E2,        /* EL2 regime */
    MMU_E20_0,     /* EL2&0 regime (HCR_EL2.E2H = 1) */
    MMU_E20_2,
    MMU_E20_2_PAN,
};

bool mmu_create(struct a64_cpu *cpu); /* false: out of memory */
void mmu_destroy(struct a64_cpu *cpu);

/* Data accesses. size_log2 0..4; flags: IR_MEM_* (UNPRIV, ATOMIC, ALIGNED, ACQUIRE, RELEASE); align: log2 of the alignment to
 * check. Values are zero-extended (sign extension is the caller's); size 4 uses the whole v128. */
bool mmu_load(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags, unsigned align,
              v128 *value);
bool mmu_store(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags, unsigned align,
               const v128 *value);

/* Read-modify-write: real host atomics. old receives the previous value. */
bool mmu_atomic(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned op, uint64_t operand,
                uint64_t *old);
bool mmu_cas(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, const v128 *expected,
             const v128 *desired, v128 *old);

/* Exclusives: LDX remembers address, size and value; STX succeeds when all three still hold (compare and swap). */
bool mmu_load_exclusive(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags,
                        v128 *value);
bool mmu_store_exclusive(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags,
                         const v128 *value, uint64_t *status);

/* Host pointer to [va, va + size) for reading (or writing), which must not cross a 4 KiB page; for MOPS, DC ZVA and the like.
 * Returns NULL and sets cpu->fault. Valid until the next poll. Write access has already invalidated translations of the page's bytes. */
void *mmu_data_pointer(struct a64_cpu *cpu, uint64_t va, unsigned size, bool write, unsigned flags);

/* Where the instruction at va lies: host pointer valid until the next poll. NULL and cpu->fault on failure. *guarded: GP bit. */
const uint8_t *mmu_fetch(struct a64_cpu *cpu, uint64_t va, bool *guarded);

/* A translation without the access (AT instructions, debugger): output address and attributes or cpu->fault. */
struct mmu_walk {
    uint64_t pa;  /* IPA for stage 1 only walks, output address otherwise; with page offset */
    uint8_t attr; /* MAIR-style attribute byte */
    uint8_t shareability;
    bool ns;
};
enum mmu_access { MMU_READ, MMU_WRITE, MMU_FETCH };
bool mmu_translate(struct a64_cpu *cpu, uint64_t va, enum mmu_index index, enum mmu_access access,
                   bool stage1_only, struct mmu_walk *out);

/* TLB maintenance on this vCPU. asid < 0: any (and global). */
void mmu_flush_all(struct a64_cpu *cpu);
void mmu_flush_asid(struct a64_cpu *cpu, unsigned asid);
void mmu_flush_va(struct a64_cpu *cpu, uint64_t va, int asid);
void mmu_flush_range(struct a64_cpu *cpu, uint64_t va, uint64_t size, int asid);

/* Called by the system registers after TTBR/TCR/SCTLR/HCR/MAIR writes: drop what no longer holds. */
void mmu_registers_changed(struct a64_cpu *cpu);

/* Code pages: write entries to the host page that holds hva must go, because it now holds translated code. This vCPU only. */
void mmu_drop_write(struct a64_cpu *cpu, const uint8_t *hva);

/* At a poll of the vCPU's own thread, and on entering the guest: carries out what others have posted. */
void mmu_handle_mailbox(struct a64_cpu *cpu);

#endif
