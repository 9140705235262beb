/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* PSTATE, the banked stack pointers, reset, and what follows from the state: mode key and translation contexts. */
#include "engine/a64/mode.h"
#include "engine/fp/fp_flags.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/debug.h"
#include "engine/sys/pauth.h"
#include "engine/sys/state.h"
#include "engine/x64/x64.h"

/* --- What follows from the state --------------------------------------------------------------------------------------------- */

/* The EL that FP and SIMD instructions trap to, or 0 [AArch64.CheckFPAdvSIMDEnabled()]. */
static unsigned fp_trap_el(const struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);
    const uint64_t hcr = cpu_hcr(cpu);

    if (el < 2 && !cpu_in_host(cpu, el)) {
        const unsigned fpen = cpu->sys[SR_CPACR_EL1] >> 20 & 3u;
        if ((fpen & 1) == 0 || (fpen == 1 && el == 0)) {
            return 1;
        }
    }
    if (!cpu_has_el2(cpu)) {
        return 0;
    }
    if ((hcr & HCR_E2H) != 0) {
        const unsigned fpen = cpu->sys[SR_CPTR_EL2] >> 20 & 3u;
        return (fpen & 1) == 0 || (fpen == 1 && el == 0 && (hcr & HCR_TGE) != 0) ? 2 : 0;
    }
    return (cpu->sys[SR_CPTR_EL2] & BIT64(10)) != 0 ? 2 : 0;
}

static uint32_t pac_mode(uint64_t sctlr)
{
    return ((sctlr & SCTLR_ENIA) != 0 ? MODE_PAC_IA : 0) |
           ((sctlr & SCTLR_ENIB) != 0 ? MODE_PAC_IB : 0) |
           ((sctlr & SCTLR_ENDA) != 0 ? MODE_PAC_DA : 0) |
           ((sctlr & SCTLR_ENDB) != 0 ? MODE_PAC_DB : 0);
}

static void update_mmu_indices(struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);
    const bool pan = (cpu->pstate & PSTATE_PAN) != 0;
    const bool uao = (cpu->pstate & PSTATE_UAO) != 0;

    if (el == 0) {
        cpu->mmu_index = cpu_in_host(cpu, 0) ? MMU_E20_0 : MMU_E10_0;
        cpu->mmu_index_unpriv = cpu->mmu_index;
    } else if (el == 1) {
        cpu->mmu_index = pan ? MMU_E10_1_PAN : MMU_E10_1;
        cpu->mmu_index_unpriv = uao ? cpu->mmu_index : MMU_E10_0;
    } else if (cpu_in_host(cpu, 2)) {
        cpu->mmu_index = pan ? MMU_E20_2_PAN : MMU_E20_2;
        cpu->mmu_index_unpriv = cpu_in_host(cpu, 0) && !uao ? MMU_E20_0 : cpu->mmu_index;
    } else {
        cpu->mmu_index = MMU_E2;
        cpu->mmu_index_unpriv = MMU_E2;
    }
}

bool cpu_dc_zva_traps(const struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);

    return (el == 0 && (cpu_sctlr(cpu) & SCTLR_DZE) == 0) ||
           (el < 2 && !cpu_in_host(cpu, el) && (cpu_hcr(cpu) & HCR_TDZ) != 0);
}

static uint32_t mode_of(const struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);
    const uint64_t sctlr = cpu_sctlr(cpu);
    const uint64_t hcr = cpu_hcr(cpu);
    uint32_t mode = el | fp_trap_el(cpu) << 2 | pac_mode(sctlr);

    if ((sctlr & (el == 0 ? SCTLR_SA0 : SCTLR_SA)) != 0) {
        mode |= MODE_SP_CHECK;
    }
    if ((cpu->pstate & PSTATE_IL) != 0) {
        mode |= MODE_IL;
    }
    if ((cpu->pstate & PSTATE_SP) != 0) {
        mode |= MODE_SPSEL;
    }
    if ((hcr & HCR_E2H) != 0) {
        mode |= MODE_E2H;
    }
    if ((hcr & HCR_TGE) != 0) {
        mode |= MODE_TGE;
    }
    if ((sctlr & SCTLR_A) != 0 || ((sctlr & SCTLR_M) == 0 && (hcr & HCR_DC) == 0)) {
        mode |= MODE_ALIGNED;
    }
    if ((cpu->fpcr & ~FP_FLAGS_FAST) != 0) {
        mode |= fp_flags_flush(cpu) && (cpu->fpsr & FPSR_IXC) != 0 ? MODE_FLUSH : MODE_FPCR;
    }
    if (cpu->smp) {
        mode |= MODE_SMP;
    }
    if (!cpu_dc_zva_traps(cpu)) {
        mode |= MODE_ZVA;
    }
    return mode;
}

/* PSTATE.D counts as well, but only while debug exceptions are on: debug_mode() is asked each time then. */
#define PSTATE_OF_MODE (PSTATE_EL_MASK | PSTATE_SP | PSTATE_IL | PSTATE_PAN | PSTATE_UAO)

static void pstate_changed(struct a64_cpu *cpu)
{
    struct cpu_mode *const known = &cpu->modes[cpu_el(cpu)];
    const uint32_t pstate = cpu->pstate & PSTATE_OF_MODE;

    if (known->pstate != pstate) {
        update_mmu_indices(cpu);
        *known = (struct cpu_mode){pstate, mode_of(cpu), cpu->mmu_index, cpu->mmu_index_unpriv};
    }
    cpu->mmu_index = known->index;
    cpu->mmu_index_unpriv = known->index_unpriv;
    cpu->mode_key = known->key | debug_mode(cpu);
    x64_select_context(cpu);
}

void cpu_update_mode(struct a64_cpu *cpu)
{
    for (unsigned el = 0; el < 4; el++) {
        cpu->modes[el].pstate = UINT32_MAX;
    }
    pauth_update(cpu);
    pstate_changed(cpu);
}

bool cpu_tbi(const struct a64_cpu *cpu, uint64_t va, bool is_instruction)
{
    const bool upper = (va >> 55 & 1) != 0;
    const unsigned regime = cpu_regime_el(cpu, cpu_el(cpu));
    bool tbi, tbid;

    if (regime == 1 || cpu_in_host(cpu, 2)) {
        const uint64_t tcr = cpu->sys[regime == 1 ? SR_TCR_EL1 : SR_TCR_EL2];
        tbi = (tcr & BIT64(upper ? 38 : 37)) != 0;
        tbid = (tcr & BIT64(upper ? 52 : 51)) != 0;
    } else {
        tbi = (cpu->sys[SR_TCR_EL2] & BIT64(20)) != 0;
        tbid = (cpu->sys[SR_TCR_EL2] & BIT64(29)) != 0;
    }
    return tbi && !(tbid && is_instruction);
}

uint64_t cpu_branch_address(const struct a64_cpu *cpu, uint64_t va)
{
    const unsigned el = cpu_el(cpu);

    if (!cpu_tbi(cpu, va, true)) {
        return va;
    }
    /* Two ranges: the sign is bit 55. The EL2 regime has one range: zero. */
    if ((cpu_regime_el(cpu, el) == 1 || cpu_in_host(cpu, 2)) && (va >> 55 & 1) != 0) {
        return va | 0xffull << 56;
    }
    return va & ~(0xffull << 56);
}

/* --- PSTATE ------------------------------------------------------------------------------------------------------------------ */

static uint64_t *current_sp(struct a64_cpu *cpu)
{
    return &cpu->sp_el[(cpu->pstate & PSTATE_SP) != 0 ? cpu_el(cpu) : 0];
}

/* It may have been the mask that kept an interrupt away. */
static void look_for_interrupts(struct a64_cpu *cpu)
{
    if (cpu->irq_pending || cpu->fiq_pending ||
        atomic_load_explicit(&cpu->gic_lines, memory_order_relaxed) != 0 ||
        (cpu_hcr(cpu) & (HCR_VI | HCR_VF | HCR_VSE)) != 0) {
        cpu_request(cpu, CPU_REQUEST_IRQ);
    }
}

void cpu_set_daif(struct a64_cpu *cpu, uint32_t daif)
{
    const uint32_t changed = (cpu->pstate ^ daif) & PSTATE_DAIF;

    cpu->pstate ^= changed;
    look_for_interrupts(cpu);
    if ((changed & PSTATE_D) != 0) {
        pstate_changed(cpu); /* debug exceptions */
    }
}

void cpu_set_pstate(struct a64_cpu *cpu, uint32_t pstate)
{
    *current_sp(cpu) = cpu->x[31];
    cpu->pstate = pstate;
    cpu->x[31] = *current_sp(cpu);
    look_for_interrupts(cpu);
    pstate_changed(cpu);
}

void cpu_set_cpsr(struct a64_cpu *cpu, uint32_t cpsr)
{
    const uint32_t nzcv = NZCV_N | NZCV_Z | NZCV_C | NZCV_V;

    cpu->nzcv = cpsr & nzcv;
    cpu->btype = cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 0) != 0 ? cpsr >> PSTATE_BTYPE_SHIFT & 3 : 0;
    cpu->step = 0;
    cpu_set_pstate(cpu, cpsr & cpu->pstate_exists);
}

uint64_t cpu_get_sp(const struct a64_cpu *cpu, unsigned el)
{
    const unsigned current = (cpu->pstate & PSTATE_SP) != 0 ? cpu_el(cpu) : 0;

    return el == current ? cpu->x[31] : cpu->sp_el[el & 3];
}

void cpu_set_sp(struct a64_cpu *cpu, unsigned el, uint64_t value)
{
    const unsigned current = (cpu->pstate & PSTATE_SP) != 0 ? cpu_el(cpu) : 0;

    if (el == current) {
        cpu->x[31] = value;
    } else {
        cpu->sp_el[el & 3] = value;
    }
}

/* The others read as zero in SPSR_ELx. */
static uint32_t existing_pstate(const struct a64_cpu *cpu)
{
    uint32_t bits = PSTATE_SP | PSTATE_EL_MASK | PSTATE_NRW | PSTATE_F | PSTATE_I | PSTATE_A |
                    PSTATE_D | PSTATE_IL | PSTATE_SS;

    bits |= cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 20) != 0 ? PSTATE_PAN : 0;
    bits |= cpu_id_field(cpu, SR_ID_AA64MMFR2_EL1, 4) != 0 ? PSTATE_UAO : 0;
    bits |= cpu_id_field(cpu, SR_ID_AA64PFR0_EL1, 48) != 0 ? PSTATE_DIT : 0;
    bits |= cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 4) != 0 ? PSTATE_SSBS : 0;
    bits |= cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 8) != 0 ? PSTATE_TCO : 0;
    return bits;
}

/* --- Reset ------------------------------------------------------------------------------------------------------------------- */

void cpu_reset(struct a64_cpu *cpu)
{
    const struct vm_profile *const profile = cpu->vm->config.profile;

    for (unsigned i = 0; i < 32; i++) {
        cpu->x[i] = 0;
        cpu->v[i] = (v128){.d = {0, 0}};
    }
    for (unsigned i = 0; i < 4; i++) {
        cpu->sp_el[i] = 0;
    }
    cpu->pc = 0;
    cpu->fpcr = 0;
    cpu->fpsr = 0;
    cpu->excl_valid = false;
    cpu->event = false;
    cpu->irq_pending = false;
    cpu->fiq_pending = false;
    cpu->vtimer_masked = false;
    cpu->trap_debug_exceptions = false;
    cpu->trap_debug_reg_accesses = false;
    cpu->vtimer_offset = 0;
    cpu->fault = (struct fault){0};
    cpu->exit = (struct cpu_exit){0};
    cpu->features[0] = profile->features[0];
    cpu->features[1] = profile->features[1];

    for (unsigned i = 0; i < SR_COUNT; i++) {
        cpu->sys[i] = profile->id[i];
    }
    if (cpu->vm->gic != NULL) {
        cpu->sys[SR_ID_AA64PFR0_EL1] |= BIT64(24); /* GIC = 1 */
    }
    cpu->sys[SR_PAR_EL1] = BIT64(11); /* RES1 */
    cpu->sys[SR_OSLSR_EL1] = BIT64(
        3); /* OSLM: implemented; not locked, since no guest can reach OSLAR_EL1 */
    if (cpu_has_el2(cpu)) {
        cpu->sys[SR_HCR_EL2] = 0x0100000080000000ull;
        cpu->sys[SR_SCTLR_EL2] = 0x30c50830;
        cpu->sys[SR_SCTLR_EL1] = 0x30d00800;
        cpu->sys[SR_VPIDR_EL2] = cpu->sys[SR_MIDR_EL1];
        cpu->sys[SR_VMPIDR_EL2] = BIT64(31);
        cpu->sys[SR_CPTR_EL2] = 0x33ff & ~BIT64(10); /* RES1 of the E2H = 0 layout, no traps */
    }
    cpu->pstate_exists = existing_pstate(cpu);
    cpu->pstate = 0;
    cpu_update_mode(cpu);
    cpu_set_cpsr(cpu, 0x3c5);
}
