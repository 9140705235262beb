/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Guest memory as an instruction sees it: translation regime -> stage 1 -> guest's stage 2 -> the VM's map -> host memory.
 * Everything is for the vCPU's own thread; other threads go through the mailbox (mmu_broadcast_flush).
 *
 * All accessors return true on success. On false, cpu->fault says why and nothing was written; the caller raises the exception.
 */
#ifndef ENGINE_MMU_H
#define ENGINE_MMU_H

#include "engine/cpu.h"

/*
 * Translation contexts: regime, EL and PAN of an access. cpu->mmu_index is
 *     EL0: MMU_E20_0 when HCR_EL2.{E2H,TGE} = {1,1} (and EL2 is enabled), else MMU_E10_0
 *     EL1: MMU_E10_1, or MMU_E10_1_PAN with PSTATE.PAN
 *     EL2: MMU_E2; with HCR_EL2.E2H MMU_E20_2, or MMU_E20_2_PAN with PSTATE.PAN
 * and cpu->mmu_index_unpriv (LDTR, STTR): the same, but at EL1 MMU_E10_0, and at EL2 with {E2H,TGE} = {1,1} MMU_E20_0, both only
 * while PSTATE.UAO is 0.
 */
enum mmu_index {
    MMU_E10_0,     /* EL1&0 regime, from EL0 (and LDTR at EL1) */
    MMU_E10_1,     /* EL1&0 regime, from EL1 */
    MMU_E10_1_PAN, /* the same with PSTATE.PAN */
    MMU_E2,        /* EL2 regime */
    MMU_E20_0,     /* EL2&0 regime (HCR_EL2.E2H = 1) */
    MMU_E20_2,
    MMU_E20_2_PAN,
    MMU_INDEX_COUNT,
};
_Static_assert(MMU_INDEX_COUNT <= CPU_MMU_INDEX_COUNT, "cpu->mmu_index names one of them");

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

/*
 * True: a load or store at va, which is aligned, has no translation, and cpu->fault is set: a walk made before and made again now says
 * so, or one said where in the VM's map there is nothing and no maintenance came since. The short way to what mmu_load() and mmu_store()
 * would find.
 */
bool mmu_fails(struct a64_cpu *cpu, bool is_unprivileged, uint64_t va, bool is_write);
/* The same with vector registers left alone, as mmu_refill_in_place() does; false where the VM's own devices may be meant. */
bool mmu_fails_in_place(struct a64_cpu *cpu, bool is_unprivileged, uint64_t va, bool is_write);

/* DC ZVA: zeroes the size bytes (a power of two, at most 4096) around va; an Alignment fault on Device memory. */
bool mmu_zero(struct a64_cpu *cpu, uint64_t va, unsigned size);

/*
 * Translates va for a cache maintenance instruction by VA and checks what it needs of the permissions. *hva: host address of the
 * byte; NULL together with true never. cpu->fault.is_cm is set on failure.
 */
enum mmu_cache_op {
    MMU_CACHE_CLEAN /* DC CVA*, CIVAC */,
    MMU_CACHE_INVALIDATE /* DC IVAC */,
    MMU_CACHE_IC /* IC IVAU */
};
bool mmu_cache_op(struct a64_cpu *cpu, uint64_t va, enum mmu_cache_op op, uint8_t **hva);

/* Where the instruction at va lies: host pointer valid until the next poll. NULL and cpu->fault on failure. *guarded: GP bit. */
const uint8_t *mmu_fetch(struct a64_cpu *cpu, uint64_t va, bool *guarded);

/*
 * A translation without the access (AT instructions, debugger): output address and attributes or cpu->fault. Permissions are those
 * of an ordinary access; nothing is looked up in the VM's map but the tables.
 */
struct mmu_walk {
    uint64_t pa;  /* IPA for stage 1 only walks, output address otherwise; with page offset */
    uint8_t attr; /* MAIR-style attribute byte: PAR_EL1.ATTR */
    uint8_t
        shareability; /* as in a descriptor: 0 none, 2 outer, 3 inner; Device and Non-cacheable are outer */
    bool ns;
};
enum mmu_access { MMU_READ, MMU_WRITE, MMU_FETCH };
bool mmu_translate(struct a64_cpu *cpu, uint64_t va, enum mmu_index index, enum mmu_access access,
                   bool stage1_only, struct mmu_walk *out);

/* --- TLB maintenance. More may be dropped than asked for. */

/* On this vCPU, all regimes. asid < 0: any. Global entries go with every asid, except with mmu_flush_asid(). */
void mmu_flush_all(struct a64_cpu *cpu);
void mmu_flush_asid(struct a64_cpu *cpu, unsigned asid);
void mmu_flush_va(struct a64_cpu *cpu, uint64_t va, int asid);
void mmu_flush_range(struct a64_cpu *cpu, uint64_t va, uint64_t size, int asid);

/* One TLBI. va: bits 63:56 do not count. An operation by IPA or VMID is MMU_FLUSH_ALL of MMU_REGIME_E10: entries hold the
 * combined translation of both stages. */
enum mmu_flush_kind { MMU_FLUSH_ALL, MMU_FLUSH_ASID, MMU_FLUSH_VA, MMU_FLUSH_RANGE };
enum { MMU_REGIME_E10 = 1, MMU_REGIME_E2 = 2, MMU_REGIME_E20 = 4, MMU_REGIME_ANY = 7 };
struct mmu_flush {
    uint8_t kind;    /* enum mmu_flush_kind */
    uint8_t regimes; /* MMU_REGIME_* */
    int32_t asid;    /* < 0: any */
    uint64_t va;
    uint64_t size; /* of MMU_FLUSH_RANGE, in bytes */
};
void mmu_flush(struct a64_cpu *cpu, const struct mmu_flush *flush);

/* The *IS and *OS forms: on this vCPU now, on the VM's others at their next poll. */
void mmu_broadcast_flush(struct a64_cpu *self, const struct mmu_flush *flush);

/*
 * DSB: have all vCPUs done what self has broadcast? One that is outside the guest has, because it looks before it enters. On false
 * the DSB has to be executed again (IR_GO with the PC on it), so that the run loop serves this vCPU's own requests meanwhile:
 * waiting inside the instruction could deadlock with a vCPU, or with vm_stop(), that waits for this one.
 */
bool mmu_broadcast_done(struct a64_cpu *self);

/* Called by the system registers after TTBR/TCR/SCTLR/HCR/MAIR/VTCR/VTTBR writes, and after the host's: drop what no longer holds. */
void mmu_registers_changed(struct a64_cpu *cpu);

/* The same after writes of DBGWVR, DBGWCR and MDSCR (and of MDCR_EL2.TDE). */
void mmu_watchpoints_changed(struct a64_cpu *cpu);

/*
 * For emitted code that has found its entry wanting: tag and offset of the entry as it compared them (tlb.h). True: they are equal now. Calls
 * nothing, so that vector registers stay as they are, where mmu_can_refill_in_place() says so.
 */
enum { MMU_REFILL_STORE = 1, MMU_REFILL_UNPRIV = 2 };
bool mmu_refill_in_place(struct a64_cpu *cpu, uint64_t tag, unsigned how, uint64_t offset);
bool mmu_can_refill_in_place(void);

/*
 * The present context's stretches (tlb.h). An access that is about to be translated wants to ask for one when there is one, and the access has not
 * been seen outside: mmu_note_place() says where code that is not yet translated has been.
 */
/* Between blocks: what CPU_REQUEST_LOOK is for. Emitted code holds what it knows of a stretch in registers. */
void mmu_look_for_stretch(struct a64_cpu *cpu);
bool mmu_in_stretch(const struct a64_cpu *cpu, uint64_t va, bool is_store);
bool mmu_wants_stretch(const struct a64_cpu *cpu, uint64_t pc, bool is_store);
void mmu_note_place(struct a64_cpu *cpu, uint64_t va, bool is_store, uint64_t pc);
/* The page is seen to be a device of the client's, because the last access of such, or the last that failed, was there. */
bool mmu_seems_device(const struct a64_cpu *cpu, uint64_t va);

/* What is smaller is no stretch; at least a page, and for tests only another than this. */
#define MMU_STRETCH_LEAST (16ull << 20)
void mmu_set_least_stretch(struct a64_cpu *cpu, uint64_t bytes);

/* The translation of the fetch at va, which mmu_fetch() has just made, does not depend on the ASID. Its code may be remembered. */
bool mmu_fetch_is_global(struct a64_cpu *cpu, uint64_t va);

/* Code pages: write entries to the host page that holds hva must go, because it now holds translated code. This vCPU only. */
void mmu_drop_write(struct a64_cpu *cpu, const uint8_t *hva);

/* At a poll of the vCPU's own thread, and on entering the guest: carries out what others have posted. */
void mmu_handle_mailbox(struct a64_cpu *cpu);

#endif
