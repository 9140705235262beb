/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* System instructions: TLB and cache maintenance, address translation. Arm ARM DDI0487 J.a, C5.3 to C5.5. */
#include "engine/code.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"
#include "engine/sys/sysreg.h"
#include "engine/sys/sysreg_ids.h"

/* --- Caches ------------------------------------------------------------------------------------------------------------------ */

/* By set and way, and prediction restriction: there is nothing that such an operation could change here. DC ZVA comes for its traps
 * alone: where it is not trapped it is IR_ZERO (MODE_ZVA). */
enum ir_next sysop_nothing(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t value)
{
    (void)cpu, (void)reg, (void)value;
    return IR_NEXT;
}

/* Data caches are coherent with everything: what remains of an operation by VA is that it translates, and may fault. arg: DC IVAC. */
enum ir_next sysop_dc(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t value)
{
    uint8_t *hva;

    if (!mmu_cache_op(cpu, value, reg->arg != 0 ? MMU_CACHE_INVALIDATE : MMU_CACHE_CLEAN, &hva)) {
        return exc_abort(cpu, 0);
    }
    return IR_NEXT;
}

/* CTR_EL0.IminLine, of both profiles. */
#define ICACHE_LINE 64u

enum ir_next sysop_ic_ivau(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t value)
{
    uint8_t *hva;

    (void)reg;
    if (!mmu_cache_op(cpu, value & ~(uint64_t)(ICACHE_LINE - 1), MMU_CACHE_IC, &hva)) {
        cpu->fault.va = value;
        return exc_abort(cpu, 0);
    }
    code_invalidate(cpu->code, hva, ICACHE_LINE);
    return IR_END;
}

/* The code cache is the VM's: the local form does what the Inner Shareable one does. */
enum ir_next sysop_ic_iallu(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t value)
{
    (void)reg, (void)value;
    code_invalidate_all(cpu->code);
    return IR_END;
}

/* --- Address translation ----------------------------------------------------------------------------------------------------- */

/* PAR_EL1 [AArch64.EncodePAR()] */
#define PAR_RES1 BIT64(11)

static uint64_t par_of_success(const struct mmu_walk *walk)
{
    return (uint64_t)walk->attr << 56 | (walk->pa & 0x000ffffffffff000ull) | PAR_RES1 |
           BIT64(9) /* NS */ | (uint64_t)(walk->shareability & 3) << 7;
}

static uint64_t par_of_fault(const struct fault *fault)
{
    return PAR_RES1 | (fault->stage >= 2 ? BIT64(9) : 0) | (fault->s1_walk ? BIT64(8) : 0) |
           (uint64_t)exc_fault_status(fault) << 1 | 1;
}

struct at {
    enum mmu_index index;
    bool write, stage1_only;
};

static struct at decode_at(const struct a64_cpu *cpu, uint32_t id)
{
    const bool e20 = cpu_in_host(cpu, 2) &&
                     cpu_in_host(cpu, 0); /* E2H and TGE: S1E1 and S1E0 mean EL2&0 */
    const bool pan = (cpu->pstate & PSTATE_PAN) != 0;
    const bool write = (id & 1) != 0;

    switch (id & ~1u) {
    case SYSREG_ID_AT_S1E1R:
        return (struct at){e20 ? MMU_E20_2 : MMU_E10_1, write, true};
    case SYSREG_ID_AT_S1E0R:
        return (struct at){e20 ? MMU_E20_0 : MMU_E10_0, write, true};
    case SYSREG_ID_AT_S1E1RP:
        return (struct at){e20   ? pan ? MMU_E20_2_PAN : MMU_E20_2
                           : pan ? MMU_E10_1_PAN
                                 : MMU_E10_1,
                           write, true};
    case SYSREG_ID_AT_S1E2R:
        return (struct at){cpu_in_host(cpu, 2) ? MMU_E20_2 : MMU_E2, write, true};
    case SYSREG_ID_AT_S12E1R:
        return (struct at){MMU_E10_1, write, false};
    default:
        return (struct at){MMU_E10_0, write, false}; /* S12E0R */
    }
}

enum ir_next sysop_at(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t value)
{
    const struct at at = decode_at(cpu, reg->id);
    struct mmu_walk walk;

    if (mmu_translate(cpu, value, at.index, at.write ? MMU_WRITE : MMU_READ, at.stage1_only,
                      &walk)) {
        cpu->sys[SR_PAR_EL1] = par_of_success(&walk);
        return IR_NEXT;
    }
    /* A walk that cannot read the tables is an abort, not a result: of the guest's own stage 2 when EL1 asks, and of the VM's map. */
    const struct fault *const fault = &cpu->fault;
    if (fault->type == FAULT_EXTERNAL || fault->stage == 3 ||
        (fault->s1_walk && cpu_el(cpu) == 1)) {
        cpu->fault.is_cm = true;
        return exc_abort(cpu, 0);
    }
    cpu->sys[SR_PAR_EL1] = par_of_fault(fault);
    return IR_NEXT;
}

/* --- TLB maintenance --------------------------------------------------------------------------------------------------------- */

/*
 * The encodings are regular: op1 0 is EL1's, 4 is EL2's; CRn 9 are the nXS forms; CRm 1 is Outer Shareable, 3 Inner Shareable, 7 local,
 * 5, 2, 6 the same by range, and with op1 4 CRm 0 and 4 are by IPA.
 */
struct tlbi {
    struct mmu_flush flush;
    bool valid, shared, outer, is_range;
};

static uint64_t sign_extend(uint64_t value, unsigned bits)
{
    return (uint64_t)((int64_t)(value << (64 - bits)) >> (64 - bits));
}

/* [TLBIRange()]: TG, SCALE, NUM and BaseADDR; a reserved granule affects everything. */
static void decode_range(struct mmu_flush *flush, uint64_t value)
{
    const unsigned tg = value >> 46 & 3, scale = value >> 44 & 3, num = value >> 39 & 31;
    const unsigned granule_log2 = tg == 1 ? 12 : tg == 2 ? 14 : 16;

    if (tg == 0) {
        flush->kind = MMU_FLUSH_ALL;
        return;
    }
    flush->kind = MMU_FLUSH_RANGE;
    flush->va = sign_extend(value & ((1ull << 37) - 1), 37) << granule_log2;
    flush->size = (uint64_t)(num + 1) << (5 * scale + 1 + granule_log2);
}

static void decode_address(struct tlbi *t, uint64_t value, int32_t asid)
{
    t->flush.asid = asid;
    if (t->is_range) {
        decode_range(&t->flush, value);
    } else {
        t->flush.kind = MMU_FLUSH_VA;
        t->flush.va = sign_extend(value << 12 & ((1ull << 56) - 1), 56);
    }
}

/* The ASID of the operand; eight bits where the regime uses eight. */
static int32_t operand_asid(const struct a64_cpu *cpu, uint64_t value, enum sysreg_storage tcr)
{
    const int32_t asid = (int32_t)(value >> 48);

    return (cpu->sys[tcr] & BIT64(36)) != 0 ? asid : asid & 0xff;
}

/* VMALLE1, VAE1, ASIDE1, VAAE1, VALE1, VAALE1 and their kin. Below a host kernel at EL2 they mean its EL2&0 regime. */
static void decode_el1(const struct a64_cpu *cpu, struct tlbi *t, unsigned op2, uint64_t value)
{
    const bool e20 = cpu_in_host(cpu, 2) && cpu_in_host(cpu, 0) && cpu_el(cpu) == 2;
    const int32_t asid = operand_asid(cpu, value, e20 ? SR_TCR_EL2 : SR_TCR_EL1);

    t->flush.regimes = e20 ? MMU_REGIME_E20 : MMU_REGIME_E10;
    switch (op2) {
    case 0:
    case 2:
        t->valid = !t->is_range;
        t->flush.kind = op2 == 0 ? MMU_FLUSH_ALL : MMU_FLUSH_ASID;
        t->flush.asid = op2 == 0 ? -1 : asid;
        break;
    case 1:
    case 5:
        decode_address(t, value, asid);
        break;
    case 3:
    case 7:
        decode_address(t, value, -1);
        break;
    default:
        t->valid = false;
    }
}

/* ALLE2, VAE2, VALE2, ALLE1, VMALLS12E1. */
static void decode_el2(const struct a64_cpu *cpu, struct tlbi *t, unsigned op2, uint64_t value)
{
    const bool e20 = cpu_in_host(cpu, 2);

    switch (op2) {
    case 0:
        t->valid = !t->is_range;
        t->flush.kind = MMU_FLUSH_ALL;
        t->flush.regimes = MMU_REGIME_E2 | MMU_REGIME_E20;
        break;
    case 1:
    case 5:
        t->flush.regimes = e20 ? MMU_REGIME_E20 : MMU_REGIME_E2;
        decode_address(t, value, e20 ? operand_asid(cpu, value, SR_TCR_EL2) : -1);
        break;
    case 4:
    case 6:
        t->valid = !t->is_range;
        t->flush.kind = MMU_FLUSH_ALL;
        t->flush.regimes = MMU_REGIME_E10;
        break;
    default:
        t->valid = false;
    }
}

/* IPAS2E1 and its kin: entries hold both stages' translation, so that all of the regime goes. */
static bool decode_ipa(struct tlbi *t, unsigned crm, unsigned op2)
{
    if (crm != 0 && crm != 4) {
        return false;
    }
    t->flush.kind = MMU_FLUSH_ALL;
    t->flush.regimes = MMU_REGIME_E10;
    t->is_range = (op2 & 3) == 2 || (crm == 4 && (op2 & 3) == 3);
    t->outer = crm == 4 && ((op2 & 3) == 0 || (op2 & 3) == 3);
    t->shared = crm == 0 || t->outer;
    /* CRm 0 has no forms for op2 0, 3, 4, 7. */
    t->valid = crm == 4 || (op2 & 3) == 1 || (op2 & 3) == 2;
    return true;
}

/* t: valid, of any ASID, and all else zero. */
static void decode_tlbi(const struct a64_cpu *cpu, struct tlbi *t, uint32_t id, uint64_t value)
{
    const unsigned op1 = SYSREG_OP1(id), crm = SYSREG_CRM(id), op2 = SYSREG_OP2(id);

    if (op1 == 4 && decode_ipa(t, crm, op2)) {
        return;
    }
    t->outer = crm == 1 || crm == 5;
    t->shared = t->outer || crm == 3 || crm == 2;
    t->is_range = crm == 5 || crm == 2 || crm == 6;
    if (crm == 0 || crm == 4 || crm > 7 || (op1 != 0 && op1 != 4)) {
        t->valid = false;
    } else if (op1 == 0) {
        decode_el1(cpu, t, op2, value);
    } else {
        decode_el2(cpu, t, op2, value);
    }
}

enum ir_next sysop_tlbi(struct a64_cpu *cpu, uint32_t id, uint64_t value, uint64_t rt)
{
    const unsigned el = cpu_el(cpu), tlb = cpu_id_field(cpu, SR_ID_AA64ISAR0_EL1, 56);
    struct tlbi t = {.valid = true, .flush = {.asid = -1}};

    decode_tlbi(cpu, &t, id, value);
    if (!t.valid || el < (SYSREG_OP1(id) == 4 ? 2u : 1u) || (t.outer && tlb < 1) ||
        (t.is_range && tlb < 2) ||
        (SYSREG_CRN(id) == 9 && cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 56) == 0)) {
        return exc_undefined(cpu);
    }
    if (el == 1 && (cpu_hcr(cpu) & HCR_TTLB) != 0) {
        return exc_take(cpu, 2, EC_SYSREG, true, sysreg_iss(id, rt, false), false, 0);
    }
    if (t.shared || (el == 1 && (cpu_hcr(cpu) & HCR_FB) != 0)) {
        mmu_broadcast_flush(cpu, &t.flush);
    } else {
        mmu_flush(cpu, &t.flush);
    }
    return IR_END;
}
