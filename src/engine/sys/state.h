/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Questions about the present state that the files of this folder share. Arm ARM DDI0487 J.a; the functions' names there in brackets. */
#ifndef ENGINE_SYS_STATE_H
#define ENGINE_SYS_STATE_H

#include "engine/cpu.h"
#include "vm/vm.h"

#define BIT64(n) (1ull << (n))

#define SCTLR_M      BIT64(0)
#define SCTLR_A      BIT64(1)
#define SCTLR_SA     BIT64(3)
#define SCTLR_SA0    BIT64(4)
#define SCTLR_UMA    BIT64(9)
#define SCTLR_ENRCTX BIT64(10)
#define SCTLR_ENDB   BIT64(13)
#define SCTLR_DZE    BIT64(14)
#define SCTLR_UCT    BIT64(15)
#define SCTLR_NTWI   BIT64(16)
#define SCTLR_NTWE   BIT64(18)
#define SCTLR_TSCXT  BIT64(20)
#define SCTLR_SPAN   BIT64(23)
#define SCTLR_UCI    BIT64(26)
#define SCTLR_ENDA   BIT64(27)
#define SCTLR_ENIB   BIT64(30)
#define SCTLR_ENIA   BIT64(31)
#define SCTLR_BT0    BIT64(35)
#define SCTLR_BT1    BIT64(36) /* and SCTLR_EL2.BT */
#define SCTLR_DSSBS  BIT64(44)

#define HCR_FMO    BIT64(3)
#define HCR_IMO    BIT64(4)
#define HCR_AMO    BIT64(5)
#define HCR_VF     BIT64(6)
#define HCR_VI     BIT64(7)
#define HCR_VSE    BIT64(8)
#define HCR_FB     BIT64(9)
#define HCR_DC     BIT64(12)
#define HCR_TWI    BIT64(13)
#define HCR_TWE    BIT64(14)
#define HCR_TID1   BIT64(16)
#define HCR_TID2   BIT64(17)
#define HCR_TID3   BIT64(18)
#define HCR_TSC    BIT64(19)
#define HCR_TIDCP  BIT64(20)
#define HCR_TACR   BIT64(21)
#define HCR_TSW    BIT64(22)
#define HCR_TPC    BIT64(23)
#define HCR_TPU    BIT64(24)
#define HCR_TTLB   BIT64(25)
#define HCR_TVM    BIT64(26)
#define HCR_TGE    BIT64(27)
#define HCR_TDZ    BIT64(28)
#define HCR_HCD    BIT64(29)
#define HCR_TRVM   BIT64(30)
#define HCR_RW     BIT64(31)
#define HCR_E2H    BIT64(34)
#define HCR_TLOR   BIT64(35)
#define HCR_TEA    BIT64(37)
#define HCR_APK    BIT64(40)
#define HCR_API    BIT64(41)
#define HCR_AT     BIT64(44)
#define HCR_TERR   BIT64(36)
#define HCR_TID4   BIT64(49)
#define HCR_ENSCXT BIT64(53)

#define MDCR_TPM   BIT64(6)
#define MDCR_TDE   BIT64(8)
#define MDCR_TDA   BIT64(9)
#define MDCR_TDOSA BIT64(10)
#define MDCR_TDRA  BIT64(11)

#define MDSCR_SS   BIT64(0)
#define MDSCR_TDCC BIT64(12)
#define MDSCR_KDE  BIT64(13)
#define MDSCR_MDE  BIT64(15)

/* The guest has an EL2 of its own [EL2Enabled()]. */
static inline bool cpu_has_el2(const struct a64_cpu *cpu)
{
    return cpu->vm->config.el2_enabled;
}

/* HCR_EL2 as it acts: everything is 0 without EL2. */
static inline uint64_t cpu_hcr(const struct a64_cpu *cpu)
{
    return cpu_has_el2(cpu) ? cpu->sys[SR_HCR_EL2] : 0;
}

/* MDCR_EL2 as it acts; HCR_EL2.TGE acts as TDE, and TDE as TDRA, TDOSA and TDA. */
static inline uint64_t cpu_mdcr(const struct a64_cpu *cpu)
{
    uint64_t mdcr = cpu_has_el2(cpu) ? cpu->sys[SR_MDCR_EL2] : 0;

    if ((cpu_hcr(cpu) & HCR_TGE) != 0) {
        mdcr |= MDCR_TDE;
    }
    return (mdcr & MDCR_TDE) != 0 ? mdcr | MDCR_TDA | MDCR_TDOSA | MDCR_TDRA : mdcr;
}

/* [ELIsInHost(el)]: EL0 of a host kernel at EL2, or that kernel. */
static inline bool cpu_in_host(const struct a64_cpu *cpu, unsigned el)
{
    const uint64_t hcr = cpu_hcr(cpu);

    return (hcr & HCR_E2H) != 0 && (el == 2 || (el == 0 && (hcr & HCR_TGE) != 0));
}

/* The EL that controls translation at el [S1TranslationRegime()]. */
static inline unsigned cpu_regime_el(const struct a64_cpu *cpu, unsigned el)
{
    return el != 0 ? el : cpu_in_host(cpu, 0) ? 2 : 1;
}

/* SCTLR of the present regime. */
static inline uint64_t cpu_sctlr(const struct a64_cpu *cpu)
{
    return cpu->sys[cpu_regime_el(cpu, cpu_el(cpu)) == 2 ? SR_SCTLR_EL2 : SR_SCTLR_EL1];
}

/* Where an exception goes that is not otherwise routed. */
static inline unsigned cpu_default_target(const struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);

    return el == 2 || (el == 0 && (cpu_hcr(cpu) & HCR_TGE) != 0) ? 2 : 1;
}

/* A four-bit field of an ID register, as the chip profile has it: what the engine does, whatever the client wrote there. */
static inline unsigned cpu_id_field(const struct a64_cpu *cpu, enum sysreg_storage reg,
                                    unsigned lsb)
{
    return (unsigned)(cpu->vm->config.profile->id[reg] >> lsb) & 15u;
}

#define PSTATE_DAIF (PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F)

/* The interrupt masks alone: kernels change them so often that the mode is not worked out again for them. */
void cpu_set_daif(struct a64_cpu *cpu, uint32_t daif);

/* DC ZVA is prohibited in the present state [DCZID_EL0.DZP]. */
bool cpu_dc_zva_traps(const struct a64_cpu *cpu);

/* The target of an indirect branch: a tag is replaced by the sign where TBI holds for instructions [AArch64.BranchAddr()]. */
uint64_t cpu_branch_address(const struct a64_cpu *cpu, uint64_t va);

/* Whether the top byte is ignored in the present regime [EffectiveTBI()]. */
bool cpu_tbi(const struct a64_cpu *cpu, uint64_t va, bool is_instruction);

#endif
