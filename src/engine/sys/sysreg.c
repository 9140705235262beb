/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Access to system registers, by the guest and by the framework's API. Arm ARM DDI0487 J.a, D17.
 *
 * A guest's access is checked in the order of the accessibility pseudocode: EL and existence, traps to EL1, traps to a guest's EL2,
 * and last what Apple's hypervisor traps for itself, which leaves the run.
 */
#include "engine/sys/sysreg.h"

#include "engine/a64/mode.h"
#include "engine/fp/fp_flags.h"
#include "engine/ir/functions.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"
#include "engine/sys/sysreg_ids.h"
#include "engine/sys/timer.h"

#define NO_SR SR_COUNT
#define ALL   (~0ull)
#define U32   0xffffffffull

/* What must be there for the encoding to be allocated. */
enum feature {
    FEATURE_ALWAYS,
    FEATURE_BREAKPOINT, /* number arg */
    FEATURE_WATCHPOINT,
    FEATURE_HCX,
    FEATURE_VHE,
    FEATURE_PAUTH,
    FEATURE_PAN,
    FEATURE_PAN2,
    FEATURE_UAO,
    FEATURE_DIT,
    FEATURE_SSBS,
    FEATURE_MTE,
    FEATURE_RAS,
    FEATURE_SCXT, /* CSV2_2 or CSV2_1p2 */
    FEATURE_SME,
    FEATURE_DPB,
    FEATURE_DPB2,
    FEATURE_SPECRES,
};

/* Which control bits send an access to EL1 or EL2. */
enum trap {
    TRAP_NONE,
    TRAP_TDA, /* MDCR_EL2 */
    TRAP_TDRA,
    TRAP_TDOSA,
    TRAP_PMU,
    TRAP_DCC,
    TRAP_TID1, /* HCR_EL2 */
    TRAP_TID2,
    TRAP_TID3,
    TRAP_TVM, /* writes TVM, reads TRVM */
    TRAP_TACR,
    TRAP_TLOR,
    TRAP_TERR,
    TRAP_APK,
    TRAP_TCPAC, /* CPTR_EL2 */
    TRAP_CTR,   /* SCTLR_ELx.UCT, then TID2 */
    TRAP_DAIF,  /* SCTLR_ELx.UMA */
    TRAP_FP,
    TRAP_SCXT,
    TRAP_CNTFRQ,
    TRAP_CNTPCT,
    TRAP_CNTVCT,
    TRAP_CNTP,
    TRAP_CNTV,
    TRAP_TPU, /* system instructions */
    TRAP_TPC,
    TRAP_TSW,
    TRAP_PU, /* SCTLR_ELx.UCI, then TPU */
    TRAP_PC,
    TRAP_DZ,
    TRAP_AT,
    TRAP_RCTX,
};

/* What Apple's hypervisor keeps from the guest. */
enum leave {
    LEAVE_NO,
    LEAVE_EVER,
    LEAVE_DEBUG,   /* hv_vcpu_set_trap_debug_reg_accesses */
    LEAVE_PMU,     /* without EL2; with it, UNDEFINED while the guest's ID register shows no PMU */
    LEAVE_PTIMER,  /* with neither a GIC nor EL2 */
    LEAVE_GIC,     /* without a GIC */
    LEAVE_MACOS26, /* since macOS 26, or as LEAVE_DEBUG */
};

/* --- Reading and writing ----------------------------------------------------------------------------------------------------- */

#define READ(fn) static uint64_t read_##fn(struct a64_cpu *cpu, const struct sysreg *reg)
#define WRITE(fn) \
    static enum ir_next write_##fn(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t value)

READ(stored)
{
    return cpu->sys[reg->storage];
}

WRITE(stored)
{
    cpu->sys[reg->storage] = value & reg->mask;
    return IR_NEXT;
}

READ(zero)
{
    (void)cpu, (void)reg;
    return 0;
}

WRITE(ignored)
{
    (void)cpu, (void)reg, (void)value;
    return IR_NEXT;
}

/* Only the highest EL may write it, and that is not the guest's. */
WRITE(undefined)
{
    (void)reg, (void)value;
    return exc_undefined(cpu);
}

WRITE(mode)
{
    write_stored(cpu, reg, value);
    cpu_update_mode(cpu);
    return IR_END;
}

WRITE(mmu)
{
    if (cpu->sys[reg->storage] != (value & reg->mask)) {
        write_stored(cpu, reg, value);
        mmu_registers_changed(cpu);
    }
    return IR_END;
}

WRITE(debug)
{
    if (reg->storage == SR_MDSCR_EL1) {
        /* The OS lock is never set here, so that the save and restore bits are read-only. */
        value = (value & reg->mask) | (cpu->sys[SR_MDSCR_EL1] & ~reg->mask);
        cpu->sys[SR_MDSCR_EL1] = value;
    } else {
        write_stored(cpu, reg, value);
    }
    cpu_update_mode(cpu);
    mmu_watchpoints_changed(cpu);
    return IR_END;
}

/* --- Identification */

READ(midr)
{
    return cpu_has_el2(cpu) && cpu_el(cpu) == 1 ? cpu->sys[SR_VPIDR_EL2] : cpu->sys[reg->storage];
}

READ(mpidr)
{
    const uint64_t mpidr = cpu_has_el2(cpu) && cpu_el(cpu) == 1 ? cpu->sys[SR_VMPIDR_EL2]
                                                                : cpu->sys[reg->storage];

    return mpidr | BIT64(31); /* RES1, which the API does not show */
}

READ(ccsidr)
{
    const uint64_t *const ccsidr = cpu->vm->config.profile->ccsidr;

    (void)reg;
    switch (cpu->sys[SR_CSSELR_EL1] & 15) {
    case 0:
        return ccsidr[0]; /* level 1 data */
    case 1:
        return ccsidr[1]; /* level 1 instruction */
    case 2:
        return ccsidr[2]; /* level 2 */
    default:
        return 0; /* UNKNOWN */
    }
}

WRITE(ccsidr)
{
    return write_ignored(cpu, reg, value);
}

READ(dczid)
{
    return (cpu->sys[reg->storage] & ~BIT64(4)) | (cpu_dc_zva_traps(cpu) ? BIT64(4) : 0);
}

/* --- Control */

/* SCTLR_ELx bits that do something in this engine or are stored by every implementation; the others are RES0 or RES1. */
static uint64_t sctlr_writable(const struct a64_cpu *cpu, unsigned el)
{
    /* M A C SA | EOS I | WXN IESB EIS */
    uint64_t mask = 0xf | BIT64(11) | BIT64(12) | BIT64(19) | BIT64(21) | BIT64(22);

    if (cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 8) != 0 ||
        cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 4) != 0) {
        mask |= SCTLR_ENIA | SCTLR_ENIB | SCTLR_ENDA | SCTLR_ENDB;
    }
    mask |= cpu_id_field(cpu, SR_ID_AA64MMFR2_EL1, 32) != 0 ? BIT64(6) : 0; /* nAA */
    mask |= cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 0) != 0 ? SCTLR_BT1 : 0;
    mask |= cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 4) != 0 ? SCTLR_DSSBS : 0;
    if (el == 1 || cpu_in_host(cpu, 2)) {
        mask |= SCTLR_SA0 | SCTLR_UMA | SCTLR_DZE | SCTLR_UCT | SCTLR_NTWI | SCTLR_NTWE |
                SCTLR_SPAN | SCTLR_UCI;
        mask |= cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 40) != 0 ? SCTLR_ENRCTX : 0;
        mask |= cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 0) != 0 ? SCTLR_BT0 : 0;
        mask |= cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 20) >= 3 ? BIT64(57) : 0; /* EPAN */
        mask |= cpu_id_field(cpu, SR_ID_AA64ISAR2_EL1, 16) != 0 ? BIT64(33) : 0; /* MSCEn */
    }
    return mask;
}

static bool has_feature(const struct a64_cpu *cpu, enum feature feature, unsigned arg);

/* nTLSMD, LSMAOE, SED and ITD belong to AArch32; the guest finds them set even where the client wrote zero. */
static uint64_t sctlr_res1(const struct a64_cpu *cpu, unsigned el)
{
    uint64_t ones = BIT64(29) | BIT64(28) | BIT64(8) | BIT64(7);

    if (el == 2 && !cpu_in_host(cpu, 2)) {
        return 0x30c50830 & ~(BIT64(11) | BIT64(22)); /* with EOS and EIS writable */
    }
    return has_feature(cpu, FEATURE_SCXT, 0) ? ones : ones | SCTLR_TSCXT;
}

READ(sctlr)
{
    return cpu->sys[reg->storage] | sctlr_res1(cpu, reg->arg);
}

WRITE(sctlr)
{
    uint64_t mask = sctlr_writable(cpu, reg->arg);

    if (reg->arg == 1 && has_feature(cpu, FEATURE_SCXT, 0)) {
        mask |= SCTLR_TSCXT;
    }
    const uint64_t changed = cpu->sys[reg->storage] ^ (value & mask);
    cpu->sys[reg->storage] = value & mask;
    cpu_update_mode(cpu);
    /* Bits that translation depends on: M A C nAA I WXN EPAN. */
    if ((changed & (7 | BIT64(6) | BIT64(12) | BIT64(19) | BIT64(57))) != 0) {
        mmu_registers_changed(cpu);
    }
    return IR_END;
}

static uint64_t hcr_writable(const struct a64_cpu *cpu)
{
    /* What acts here, and FMO to SWIO, BSU, DC, CD, ID, TID0 that are stored. NV, FWB, TOCU, TICAB and later ones are RES0. */
    uint64_t mask = 0x7fffffff | HCR_TLOR | HCR_TERR | HCR_TEA | BIT64(32) | BIT64(33) | BIT64(38) |
                    HCR_APK | HCR_API | HCR_AT;

    mask |= cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 8) != 0 ? HCR_E2H : 0;
    mask |= has_feature(cpu, FEATURE_SCXT, 0) ? HCR_ENSCXT : 0;
    mask |= BIT64(56); /* ATA: part of the reset value that guests have seen */
    return mask;
}

READ(hcr)
{
    return cpu->sys[reg->storage] | HCR_RW; /* RAO/WI: no AArch32 */
}

WRITE(hcr)
{
    cpu->sys[reg->storage] = (value & hcr_writable(cpu)) | HCR_RW;
    cpu_update_mode(cpu);
    mmu_registers_changed(cpu);
    cpu_request(cpu, CPU_REQUEST_IRQ);
    return IR_END;
}

/* RES1 of the layout for E2H = 0. */
READ(cptr)
{
    return (cpu_hcr(cpu) & HCR_E2H) != 0 ? cpu->sys[reg->storage] : cpu->sys[reg->storage] | 0x33ff;
}

WRITE(tcr)
{
    /* MTX, DS, TCMA, NFD belong to features that no profile has. */
    uint64_t mask = ALL & ~(BIT64(63) | BIT64(62) | 0xfull << 57 | BIT64(53) | BIT64(54) |
                            BIT64(35) | BIT64(6));

    if (cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 0) == 0) {
        mask &= ~(BIT64(39) | BIT64(40)); /* HA, HD */
    }
    if (cpu_id_field(cpu, SR_ID_AA64MMFR0_EL1, 4) == 0) {
        mask &= ~BIT64(36); /* AS: 8-bit ASIDs only */
    }
    if (cpu->sys[reg->storage] != (value & mask)) {
        cpu->sys[reg->storage] = value & mask;
        mmu_registers_changed(cpu);
    }
    return IR_END;
}

/* --- PSTATE and stack pointers */

/* SP_EL0 through MSR and MRS is UNDEFINED while it is the current one: accessible() has seen to that. */
READ(sp)
{
    return cpu_get_sp(cpu, reg->arg);
}

WRITE(sp)
{
    cpu_set_sp(cpu, reg->arg, value);
    return IR_NEXT;
}

static enum ir_next set_pstate(struct a64_cpu *cpu, uint32_t clear, uint32_t set)
{
    cpu_set_pstate(cpu, (cpu->pstate & ~clear) | set);
    return IR_END;
}

READ(spsel)
{
    (void)reg;
    return cpu->pstate & PSTATE_SP;
}

WRITE(spsel)
{
    (void)reg;
    return set_pstate(cpu, PSTATE_SP, (uint32_t)value & PSTATE_SP);
}

READ(currentel)
{
    (void)reg;
    return cpu->pstate & PSTATE_EL_MASK;
}

/* One bit of PSTATE, which the register shows where SPSR_ELx has it. */
READ(pstate)
{
    return cpu->pstate & 1u << reg->arg;
}

WRITE(pstate)
{
    const uint32_t bit = 1u << reg->arg;

    return set_pstate(cpu, bit, (uint32_t)value & bit);
}

READ(nzcv)
{
    (void)reg;
    return cpu->nzcv;
}

WRITE(nzcv)
{
    (void)reg;
    cpu->nzcv = (uint32_t)value & (NZCV_N | NZCV_Z | NZCV_C | NZCV_V);
    return IR_NEXT;
}

READ(daif)
{
    (void)reg;
    return cpu->pstate & PSTATE_DAIF;
}

WRITE(daif)
{
    (void)reg;
    cpu_set_daif(cpu, (uint32_t)value);
    return IR_END;
}

READ(fpcr)
{
    (void)reg;
    return cpu->fpcr;
}

/* AHP DN FZ RMode; FZ16 with FP16; FIZ AH NEP with AFP. Trapped exceptions, Len and Stride are RES0. */
WRITE(fpcr)
{
    uint32_t mask = 0x07c00000;

    (void)reg;
    mask |= cpu_id_field(cpu, SR_ID_AA64PFR0_EL1, 16) == 1 ? 1u << 19 : 0;
    mask |= cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 44) != 0 ? 7u : 0;
    cpu->fpcr = (uint32_t)value & mask;
    fp_flags_control(cpu);
    cpu_update_mode(cpu);
    return IR_END;
}

READ(fpsr)
{
    (void)reg;
    fp_flags_take(cpu);
    return cpu->fpsr;
}

WRITE(fpsr)
{
    (void)reg;
    fp_flags_take(cpu);
    cpu->fpsr = (uint32_t)value & 0x0800009f;
    if (!fp_flags_flush(cpu)) {
        return IR_NEXT;
    }
    cpu_update_mode(cpu);
    return IR_END;
}

/* EL0 reads it; only EL1 and above write it. */
WRITE(tpidrro)
{
    return cpu_el(cpu) == 0 ? exc_undefined(cpu) : write_stored(cpu, reg, value);
}

/* --- Exceptions and interrupts */

READ(isr)
{
    (void)reg;
    return exc_isr(cpu);
}

/* HCR_EL2.AMO gives EL1 the virtual register. */
static uint64_t *disr(struct a64_cpu *cpu)
{
    return &cpu->sys[cpu_el(cpu) == 1 && (cpu_hcr(cpu) & HCR_AMO) != 0 ? SR_VDISR_EL2
                                                                       : SR_DISR_EL1];
}

READ(disr)
{
    (void)reg;
    return *disr(cpu);
}

WRITE(disr)
{
    *disr(cpu) = value & reg->mask;
    return IR_NEXT;
}

READ(claimset)
{
    (void)cpu, (void)reg;
    return 0xff; /* all tags are implemented */
}

WRITE(claimset)
{
    (void)reg;
    cpu->sys[SR_DBGCLAIM_EL1] |= value & 0xff;
    return IR_NEXT;
}

READ(claimclr)
{
    (void)reg;
    return cpu->sys[SR_DBGCLAIM_EL1];
}

WRITE(claimclr)
{
    (void)reg;
    cpu->sys[SR_DBGCLAIM_EL1] &= ~(value & 0xff);
    return IR_NEXT;
}

/* The GIC's own functions say whether the register exists; helper_mrs() and helper_msr() call them. */
READ(gic)
{
    (void)cpu, (void)reg;
    return 0;
}

WRITE(gic)
{
    return cpu->vm->gic->write(cpu, reg->id, value) ? IR_END : exc_undefined(cpu);
}

/* --- Timers */

READ(cntfrq)
{
    (void)cpu, (void)reg;
    return VM_COUNTER_HZ;
}

READ(cntpct)
{
    (void)reg;
    return timer_cntpct(cpu);
}

READ(cntvct)
{
    (void)reg;
    return timer_cntvct(cpu);
}

READ(tval)
{
    return timer_read_tval(cpu, reg->arg);
}

WRITE(tval)
{
    timer_write_tval(cpu, reg->arg, value);
    return IR_NEXT;
}

READ(ctl)
{
    return timer_read_ctl(cpu, reg->arg);
}

WRITE(ctl)
{
    timer_write_ctl(cpu, reg->arg, value);
    return IR_END;
}

WRITE(cval)
{
    timer_write_cval(cpu, reg->arg, value);
    /* The GIC's input follows before the next instruction, which may end the interrupt. */
    return cpu->vm->gic != NULL ? IR_END : IR_NEXT;
}

WRITE(timer)
{
    write_stored(cpu, reg, value);
    timer_changed(cpu);
    return IR_END;
}

/* --- The table --------------------------------------------------------------------------------------------------------------- */

enum row {
    ROW_NONE,
#define SYSREG(name, ...) ROW_##name,
#define SYSOP(name, ...)  ROW_##name,
#include "engine/sys/sysreg_table.inc"
#undef SYSREG
#undef SYSOP
    ROW_COUNT
};

static const struct sysreg rows[ROW_COUNT] = {
#define COMMON(n) \
    .name = #n, .id = SYSREG_ID_##n, .min_el = SYSREG_EL_##n, .access = SYSREG_ACCESS_##n
#define SYSREG(n, sr, bits, present, trapped, leaves, reader, writer, argument) \
    [ROW_##n] = {COMMON(n),                                                     \
                 .storage = (sr),                                               \
                 .mask = (bits),                                                \
                 .feature = FEATURE_##present,                                  \
                 .trap = TRAP_##trapped,                                        \
                 .leave = LEAVE_##leaves,                                       \
                 .read = read_##reader,                                         \
                 .write = write_##writer,                                       \
                 .arg = (argument)},
#define SYSOP(n, present, trapped, fn, argument) \
    [ROW_##n] = {COMMON(n),                      \
                 .storage = NO_SR,               \
                 .feature = FEATURE_##present,   \
                 .trap = TRAP_##trapped,         \
                 .read = read_zero,              \
                 .write = sysop_##fn,            \
                 .arg = (argument)},
#include "engine/sys/sysreg_table.inc"
#undef SYSREG
#undef SYSOP
};

/* Row by id, from op0 = 1 on. Two rows of one encoding would be an overridden initialiser, which the compilers report. */
#define FIRST_ID 0x4000u
static const uint16_t row_of_id[0x10000 - FIRST_ID] = {
#define SYSREG(name, ...) [SYSREG_ID_##name - FIRST_ID] = ROW_##name,
#define SYSOP(name, ...)  [SYSREG_ID_##name - FIRST_ID] = ROW_##name,
#include "engine/sys/sysreg_table.inc"
#undef SYSREG
#undef SYSOP
};

const struct sysreg *sysreg_find(uint16_t id)
{
    const unsigned row = id < FIRST_ID ? ROW_NONE : row_of_id[id - FIRST_ID];

    return row == ROW_NONE ? NULL : &rows[row];
}

unsigned sysreg_count(void)
{
    return ROW_COUNT - 1;
}

const struct sysreg *sysreg_at(unsigned index)
{
    return index < ROW_COUNT - 1 ? &rows[index + 1] : NULL;
}

/* --- Existence and traps ----------------------------------------------------------------------------------------------------- */

static bool has_feature(const struct a64_cpu *cpu, enum feature feature, unsigned arg)
{
    switch (feature) {
    case FEATURE_ALWAYS:
        return true;
    case FEATURE_BREAKPOINT:
        return arg <= cpu_id_field(cpu, SR_ID_AA64DFR0_EL1, 12);
    case FEATURE_WATCHPOINT:
        return arg <= cpu_id_field(cpu, SR_ID_AA64DFR0_EL1, 20);
    case FEATURE_HCX:
        return cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 40) != 0;
    case FEATURE_VHE:
        return cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 8) != 0;
    case FEATURE_PAUTH:
        return cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 8) != 0;
    case FEATURE_PAN:
        return cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 20) != 0;
    case FEATURE_PAN2:
        return cpu_id_field(cpu, SR_ID_AA64MMFR1_EL1, 20) >= 2;
    case FEATURE_UAO:
        return cpu_id_field(cpu, SR_ID_AA64MMFR2_EL1, 4) != 0;
    case FEATURE_DIT:
        return cpu_id_field(cpu, SR_ID_AA64PFR0_EL1, 48) != 0;
    case FEATURE_SSBS:
        return cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 4) >= 2;
    case FEATURE_MTE:
        return cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 8) != 0;
    case FEATURE_RAS:
        return cpu_id_field(cpu, SR_ID_AA64PFR0_EL1, 28) != 0;
    case FEATURE_SCXT:
        return cpu_id_field(cpu, SR_ID_AA64PFR0_EL1, 56) >= 2 ||
               cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 32) >= 2;
    case FEATURE_SME:
        return cpu_id_field(cpu, SR_ID_AA64PFR1_EL1, 24) != 0;
    case FEATURE_DPB:
        return cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 0) >= 1;
    case FEATURE_DPB2:
        return cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 0) >= 2;
    case FEATURE_SPECRES:
        return cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 40) >= 1;
    }
    return false;
}

/* EL0 without leave of CNTKCTL_EL1, or of CNTHCTL_EL2 below a host kernel, whose low bits have the same places. */
static bool timer_closed_to_el0(const struct a64_cpu *cpu, uint64_t bits)
{
    const uint64_t control = cpu->sys[cpu_in_host(cpu, 0) ? SR_CNTHCTL_EL2 : SR_CNTKCTL_EL1];

    return cpu_el(cpu) == 0 && (control & bits) == 0;
}

/* EL1 and its EL0 without leave of CNTHCTL_EL2, whose layout depends on E2H. */
static bool timer_closed_by_el2(const struct a64_cpu *cpu, unsigned bit, unsigned e2h_bit)
{
    const bool e2h = (cpu_hcr(cpu) & HCR_E2H) != 0;

    return (cpu->sys[SR_CNTHCTL_EL2] >> (e2h ? e2h_bit : bit) & 1) == 0;
}

enum { EL0PCTEN = 1 << 0, EL0VCTEN = 1 << 1, EL0VTEN = 1 << 8, EL0PTEN = 1 << 9 };

/* A control of EL1 (or of the host kernel) against EL0. */
static bool el0_is_trapped(const struct a64_cpu *cpu, enum trap trap)
{
    const uint64_t sctlr = cpu_sctlr(cpu);

    switch (trap) {
    case TRAP_CTR:
        return (sctlr & SCTLR_UCT) == 0;
    case TRAP_DAIF:
        return cpu_in_host(cpu, 0) || (sctlr & SCTLR_UMA) == 0;
    case TRAP_SCXT:
        return (sctlr & SCTLR_TSCXT) != 0;
    case TRAP_DCC:
        return (cpu->sys[SR_MDSCR_EL1] & MDSCR_TDCC) != 0;
    case TRAP_PMU:
        return true;
    case TRAP_PU:
    case TRAP_PC:
        return (sctlr & SCTLR_UCI) == 0;
    case TRAP_DZ:
        return (sctlr & SCTLR_DZE) == 0;
    case TRAP_RCTX:
        return (sctlr & SCTLR_ENRCTX) == 0;
    case TRAP_CNTFRQ:
        return timer_closed_to_el0(cpu, EL0PCTEN | EL0VCTEN);
    case TRAP_CNTPCT:
        return timer_closed_to_el0(cpu, EL0PCTEN);
    case TRAP_CNTVCT:
        return timer_closed_to_el0(cpu, EL0VCTEN);
    case TRAP_CNTP:
        return timer_closed_to_el0(cpu, EL0PTEN);
    case TRAP_CNTV:
        return timer_closed_to_el0(cpu, EL0VTEN);
    default:
        return false;
    }
}

/* A control of the guest's EL2 against EL1 and its EL0. */
static bool el1_is_trapped(const struct a64_cpu *cpu, enum trap trap, bool is_read)
{
    const uint64_t hcr = cpu_hcr(cpu), mdcr = cpu_mdcr(cpu);

    switch (trap) {
    case TRAP_TDA:
        return (mdcr & MDCR_TDA) != 0;
    case TRAP_DCC:
        return (mdcr & MDCR_TDA) != 0;
    case TRAP_TDRA:
        return (mdcr & MDCR_TDRA) != 0;
    case TRAP_TDOSA:
        return (mdcr & MDCR_TDOSA) != 0;
    case TRAP_PMU:
        return (mdcr & MDCR_TPM) != 0;
    case TRAP_TID1:
        return (hcr & HCR_TID1) != 0;
    case TRAP_CTR:
    case TRAP_TID2:
        return (hcr & HCR_TID2) != 0;
    case TRAP_TID3:
        return (hcr & HCR_TID3) != 0;
    case TRAP_TVM:
        return (hcr & (is_read ? HCR_TRVM : HCR_TVM)) != 0;
    case TRAP_TACR:
        return (hcr & HCR_TACR) != 0;
    case TRAP_TLOR:
        return (hcr & HCR_TLOR) != 0;
    case TRAP_TERR:
        return (hcr & HCR_TERR) != 0;
    case TRAP_APK:
        return (hcr & HCR_APK) == 0;
    case TRAP_TCPAC:
        return (cpu->sys[SR_CPTR_EL2] & BIT64(31)) != 0;
    case TRAP_SCXT:
        return (hcr & HCR_ENSCXT) == 0;
    case TRAP_CNTPCT:
        return timer_closed_by_el2(cpu, 0, 10);
    case TRAP_CNTP:
        return timer_closed_by_el2(cpu, 1, 11);
    case TRAP_TPU:
    case TRAP_PU:
        return (hcr & HCR_TPU) != 0;
    case TRAP_TPC:
    case TRAP_PC:
        return (hcr & HCR_TPC) != 0;
    case TRAP_TSW:
        return (hcr & HCR_TSW) != 0;
    case TRAP_DZ:
        return (hcr & HCR_TDZ) != 0;
    case TRAP_AT:
        return (hcr & HCR_AT) != 0;
    default:
        return false;
    }
}

/* The EL that an access traps to, or 0. */
static unsigned trap_el(const struct a64_cpu *cpu, enum trap trap, bool is_read)
{
    const unsigned el = cpu_el(cpu);

    if (trap == TRAP_NONE) {
        return 0;
    }
    if (el == 0 && el0_is_trapped(cpu, trap)) {
        return cpu_default_target(cpu);
    }
    return cpu_has_el2(cpu) && el < 2 && !cpu_in_host(cpu, el) && el1_is_trapped(cpu, trap, is_read)
               ? 2
               : 0;
}

/* The access goes to the host. *undefined: it is UNDEFINED instead. */
static bool leaves(const struct a64_cpu *cpu, enum leave leave, bool *undefined)
{
    const struct vm *const vm = cpu->vm;
    unsigned pmu_version;

    switch (leave) {
    case LEAVE_NO:
        return false;
    case LEAVE_EVER:
        return true;
    case LEAVE_DEBUG:
        return cpu->trap_debug_reg_accesses;
    case LEAVE_MACOS26:
        return vm->config.macos >= 260000 || cpu->trap_debug_reg_accesses;
    case LEAVE_PTIMER:
        return vm->gic == NULL && !cpu_has_el2(cpu);
    case LEAVE_GIC:
        return vm->gic == NULL;
    case LEAVE_PMU:
        /* Apple's framework emulates a PMU for a guest with EL2 that is told to have one; here the client is asked. */
        pmu_version = (unsigned)(cpu->sys[SR_ID_AA64DFR0_EL1] >> 8) & 15u;
        *undefined = cpu_has_el2(cpu) && (pmu_version == 0 || pmu_version == 15);
        return !*undefined;
    }
    return false;
}

uint32_t sysreg_iss(uint32_t id, uint64_t rt, bool is_read)
{
    return SYSREG_OP0(id) << 20 | SYSREG_OP2(id) << 17 | SYSREG_OP1(id) << 14 |
           SYSREG_CRN(id) << 10 | (uint32_t)(rt & 31) << 5 | SYSREG_CRM(id) << 1 |
           (is_read ? 1u : 0);
}

/* --- A guest's access -------------------------------------------------------------------------------------------------------- */

/* ID_AA64MMFR2_EL1.IDS: reads of the ID space that would be UNDEFINED report EC 0x18. */
static enum ir_next undefined_access(struct a64_cpu *cpu, uint32_t id, uint64_t rt, bool is_read)
{
    const unsigned op1 = SYSREG_OP1(id);
    const bool id_space = SYSREG_OP0(id) == 3 && SYSREG_CRN(id) == 0 && SYSREG_CRM(id) <= 7 &&
                          (op1 == 0 || op1 == 1 || op1 == 3);

    if (is_read && id_space && cpu_id_field(cpu, SR_ID_AA64MMFR2_EL1, 36) != 0) {
        return exc_take_default(cpu, EC_SYSREG, true, sysreg_iss(id, rt, true), false, 0);
    }
    return exc_undefined(cpu);
}

/* An encoding without row [AArch64.UnallocatedSysRegAccess()]. */
static enum ir_next unallocated(struct a64_cpu *cpu, uint32_t id, uint64_t rt, bool is_read,
                                uint64_t *result)
{
    const unsigned el = cpu_el(cpu), op0 = SYSREG_OP0(id), crn = SYSREG_CRN(id),
                   crm = SYSREG_CRM(id);

    if (op0 == 3 && SYSREG_OP1(id) == 0 && crn == 0 && crm >= 1 && crm <= 7 && is_read && el > 0) {
        if (trap_el(cpu, TRAP_TID3, true) == 2) {
            return exc_take(cpu, 2, EC_SYSREG, true, sysreg_iss(id, rt, true), false, 0);
        }
        *result = 0;
        return IR_NEXT;
    }
    /* IMPLEMENTATION DEFINED: Apple's own registers go to the host. */
    if ((op0 == 1 || op0 == 3) && (crn == 11 || crn == 15) && el > 0) {
        if (el == 1 && (cpu_hcr(cpu) & HCR_TIDCP) != 0) {
            return exc_take(cpu, 2, EC_SYSREG, true, sysreg_iss(id, rt, is_read), false, 0);
        }
        return exc_leave(cpu, EC_SYSREG, true, sysreg_iss(id, rt, is_read), 0, 0);
    }
    return undefined_access(cpu, id, rt, is_read);
}

/* IR_NEXT: the access may be made. */
static enum ir_next check(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t rt, bool is_read)
{
    const unsigned el = cpu_el(cpu);
    bool undefined = false;

    if (el < reg->min_el || (reg->access & (is_read ? 1 : 2)) == 0 ||
        !has_feature(cpu, reg->feature, reg->arg)) {
        return undefined_access(cpu, reg->id, rt, is_read);
    }
    if (reg->trap == TRAP_FP) {
        const unsigned target = MODE_FP_TRAP(cpu->mode_key);
        return target == 0 ? IR_NEXT : helper_fp_trap(cpu, NULL, 0, 0, target);
    }
    if (reg->id == SYSREG_ID_SP_EL0 && (cpu->pstate & PSTATE_SP) == 0) {
        return exc_undefined(cpu);
    }
    const unsigned target = trap_el(cpu, reg->trap, is_read);
    if (target != 0) {
        return exc_take(cpu, target, EC_SYSREG, true, sysreg_iss(reg->id, rt, is_read), false, 0);
    }
    if (leaves(cpu, reg->leave, &undefined)) {
        return exc_leave(cpu, EC_SYSREG, true, sysreg_iss(reg->id, rt, is_read), 0, 0);
    }
    return undefined ? exc_undefined(cpu) : IR_NEXT;
}

/* With HCR_EL2.E2H, EL2's accesses to these EL1 registers reach their EL2 counterparts, which differ in op1 alone. */
static bool is_redirected(uint32_t id)
{
    switch (id) {
    case SYSREG_ID_SCTLR_EL1:
    case SYSREG_ID_CPACR_EL1:
    case SYSREG_ID_TTBR0_EL1:
    case SYSREG_ID_TTBR1_EL1:
    case SYSREG_ID_TCR_EL1:
    case SYSREG_ID_AFSR0_EL1:
    case SYSREG_ID_AFSR1_EL1:
    case SYSREG_ID_ESR_EL1:
    case SYSREG_ID_FAR_EL1:
    case SYSREG_ID_MAIR_EL1:
    case SYSREG_ID_AMAIR_EL1:
    case SYSREG_ID_VBAR_EL1:
    case SYSREG_ID_CONTEXTIDR_EL1:
    case SYSREG_ID_CNTKCTL_EL1:
    case SYSREG_ID_SPSR_EL1:
    case SYSREG_ID_ELR_EL1:
    case SYSREG_ID_CNTP_TVAL_EL0:
    case SYSREG_ID_CNTP_CTL_EL0:
    case SYSREG_ID_CNTP_CVAL_EL0:
    case SYSREG_ID_CNTV_TVAL_EL0:
    case SYSREG_ID_CNTV_CTL_EL0:
    case SYSREG_ID_CNTV_CVAL_EL0:
        return true;
    default:
        return false;
    }
}

static uint32_t with_op1(uint32_t id, unsigned op1)
{
    return (id & ~(7u << 11)) | op1 << 11;
}

/* The register that an id stands for at EL2 with E2H. An alias name (_EL12, _EL02: op1 = 5) is the EL1 register itself. */
static uint32_t redirect(uint32_t id)
{
    if (is_redirected(id)) {
        return id == SYSREG_ID_CPACR_EL1 ? SYSREG_ID_CPTR_EL2 : with_op1(id, 4);
    }
    if (SYSREG_OP0(id) == 3 && SYSREG_OP1(id) == 5) {
        const uint32_t original = with_op1(id, SYSREG_CRN(id) == 14 && SYSREG_CRM(id) >= 2 ? 3 : 0);
        return is_redirected(original) ? original : id;
    }
    return id;
}

static const struct sysreg *find(const struct a64_cpu *cpu, uint32_t id)
{
    if ((cpu->mode_key & MODE_E2H) != 0 && cpu_el(cpu) == 2) {
        id = redirect(id);
    }
    return sysreg_find((uint16_t)id);
}

/* Of the VM's configuration and of what is in the mode key alone: blocks are made of the answer. */
bool sysreg_is_plain(const struct a64_cpu *cpu, uint32_t mode, uint32_t id, bool is_read,
                     struct sysreg_plain *plain)
{
    const struct sysreg *const reg = sysreg_find((uint16_t)id);
    const unsigned el = MODE_EL(mode);

    if (reg == NULL || ((mode & MODE_E2H) != 0 && el == 2) || el < reg->min_el ||
        (reg->access & (is_read ? 1 : 2)) == 0 || reg->leave != LEAVE_NO || reg->trap == TRAP_FP ||
        !has_feature(cpu, reg->feature, reg->arg)) {
        return false;
    }
    /* EL1 sets traps for EL0, and a guest's EL2 for both, in registers. */
    if (reg->trap != TRAP_NONE && (el == 0 || (el == 1 && cpu_has_el2(cpu)))) {
        return false;
    }
    *plain = (struct sysreg_plain){.mask = is_read ? ALL : reg->mask};
    if (is_read ? reg->read == read_stored : reg->write == write_stored) {
        plain->offset = (uint32_t)(offsetof(struct a64_cpu, sys) + 8u * reg->storage);
        return true;
    }
    if (reg->id == SYSREG_ID_SP_EL0 && (mode & MODE_SPSEL) != 0) {
        plain->offset = offsetof(struct a64_cpu, sp_el[0]);
        plain->mask = ALL;
        return true;
    }
    if (reg->id == SYSREG_ID_DAIF && is_read) {
        /* Not with what lies behind PSTATE: other threads write there. */
        _Static_assert(offsetof(struct a64_cpu, pstate) == offsetof(struct a64_cpu, nzcv) + 4,
                       "bits 63:32 of NZCV's field are PSTATE");
        *plain = (struct sysreg_plain){offsetof(struct a64_cpu, nzcv), 32, PSTATE_DAIF};
        return true;
    }
    return false;
}

enum ir_next helper_mrs(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    const uint32_t id = imm & 0xffff;
    const struct sysreg *const reg = find(cpu, id);

    (void)a;
    if (reg == NULL) {
        return unallocated(cpu, id, b, true, result);
    }
    const enum ir_next next = check(cpu, reg, b, true);
    if (next != IR_NEXT) {
        return next;
    }
    if (reg->leave == LEAVE_GIC) {
        return cpu->vm->gic->read(cpu, reg->id, result) ? IR_NEXT : exc_undefined(cpu);
    }
    *result = reg->read(cpu, reg);
    return IR_NEXT;
}

enum ir_next helper_msr(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    const uint32_t id = imm & 0xffff;
    const struct sysreg *const reg = find(cpu, id);

    (void)result;
    if (reg == NULL) {
        return unallocated(cpu, id, b, false, NULL);
    }
    const enum ir_next next = check(cpu, reg, b, false);
    return next != IR_NEXT ? next : reg->write(cpu, reg, a);
}

enum ir_next helper_sys(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    const uint32_t id = imm & 0xffff;

    if (SYSREG_CRN(id) == 8 || SYSREG_CRN(id) == 9) {
        return sysop_tlbi(cpu, id, a, b);
    }
    return helper_msr(cpu, result, a, b, imm);
}

/* No SYSL is allocated; Apple's own ones go to the host. */
enum ir_next helper_sysl(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                         uint32_t imm)
{
    (void)a;
    return unallocated(cpu, imm & 0xffff, b, true, result);
}

/* MSR (immediate): imm = op1 << 8 | op2 << 4 | CRm. CFINV, XAFLAG and AXFLAG are instructions of their own. */
enum ir_next helper_msr_imm(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                            uint32_t imm)
{
    const uint32_t value = imm & 15;
    const unsigned el = cpu_el(cpu);

    (void)result, (void)a, (void)b;
    switch (imm >> 4) {
    case 0x03: /* UAO */
        return el == 0 || !has_feature(cpu, FEATURE_UAO, 0)
                   ? exc_undefined(cpu)
                   : set_pstate(cpu, PSTATE_UAO, (value & 1) << 23);
    case 0x04: /* PAN */
        return el == 0 || !has_feature(cpu, FEATURE_PAN, 0)
                   ? exc_undefined(cpu)
                   : set_pstate(cpu, PSTATE_PAN, (value & 1) << 22);
    case 0x05: /* SPSel */
        return el == 0 ? exc_undefined(cpu) : set_pstate(cpu, PSTATE_SP, value & 1);
    case 0x31: /* SSBS */
        return !has_feature(cpu, FEATURE_SSBS, 0) ? exc_undefined(cpu)
                                                  : set_pstate(cpu, PSTATE_SSBS, (value & 1) << 12);
    case 0x32: /* DIT */
        return !has_feature(cpu, FEATURE_DIT, 0) ? exc_undefined(cpu)
                                                 : set_pstate(cpu, PSTATE_DIT, (value & 1) << 24);
    case 0x34: /* TCO */
        return !has_feature(cpu, FEATURE_MTE, 0) ? exc_undefined(cpu)
                                                 : set_pstate(cpu, PSTATE_TCO, (value & 1) << 25);
    case 0x36: /* DAIFSet */
    case 0x37: /* DAIFClr */
        if (el == 0 && el0_is_trapped(cpu, TRAP_DAIF)) {
            const uint32_t id = SYSREG_ID(0u, 3u, 4u, value, imm >> 4 & 7);
            return exc_take_default(cpu, EC_SYSREG, true, sysreg_iss(id, 31, false), false, 0);
        }
        cpu_set_daif(cpu,
                     (imm >> 4) == 0x36 ? cpu->pstate | value << 6 : cpu->pstate & ~(value << 6));
        return IR_END;
    default:
        return exc_undefined(cpu);
    }
}

/* --- The framework's access -------------------------------------------------------------------------------------------------- */

#define MDCR_EL2_ID_OF_SDK_15 \
    0xe019 /* a slip of the macOS 15 SDK that programs built with it carry */

/* The macOS version that brought the register, or 0: it is none of the framework's. */
static unsigned host_version(uint16_t id)
{
    switch (id) {
#define HOST(number, name, macos) \
    case number:                  \
        return macos;
#include "engine/sys/sysreg_host.inc"
#undef HOST
    default:
        return 0;
    }
}

static enum sysreg_host_status host_find(const struct a64_cpu *cpu, uint16_t id,
                                         const struct sysreg **reg)
{
    if (id == MDCR_EL2_ID_OF_SDK_15) {
        id = SYSREG_ID_MDCR_EL2;
    }
    const unsigned version = host_version(id);
    *reg = sysreg_find(id);
    if (version == 0 || version > cpu->vm->config.macos || *reg == NULL) {
        return SYSREG_HOST_UNKNOWN;
    }
    const bool of_el2 = (*reg)->min_el >= 2 && id != SYSREG_ID_SP_EL1;
    if ((of_el2 && !cpu_has_el2(cpu)) ||
        ((*reg)->feature == FEATURE_SME && !has_feature(cpu, FEATURE_SME, 0)) ||
        ((*reg)->trap == TRAP_CNTP && cpu->vm->gic == NULL)) {
        return SYSREG_HOST_UNSUPPORTED;
    }
    return SYSREG_HOST_OK;
}

enum sysreg_host_status sysreg_host_get(struct a64_cpu *cpu, uint16_t id, uint64_t *value)
{
    const struct sysreg *reg;
    const enum sysreg_host_status status = host_find(cpu, id, &reg);

    if (status == SYSREG_HOST_OK) {
        /* Stored ones as they are, without what the guest is shown beside: RES1 of SCTLR_EL1, bit 31 of MPIDR_EL1. */
        *value = reg->storage != NO_SR ? cpu->sys[reg->storage] : reg->read(cpu, reg);
    }
    return status;
}

enum sysreg_host_status sysreg_host_set(struct a64_cpu *cpu, uint16_t id, uint64_t value)
{
    const struct sysreg *reg;
    const enum sysreg_host_status status = host_find(cpu, id, &reg);

    if (status != SYSREG_HOST_OK) {
        return status;
    }
    if (reg->storage == NO_SR) {
        reg->write(cpu, reg, value);
    } else if (reg->storage == SR_ACTLR_EL1) {
        cpu->sys[SR_ACTLR_EL1] = value &
                                 2; /* EnTSO; memory is as strongly ordered as that anyway */
    } else if (reg->storage == SR_HCR_EL2) {
        write_hcr(cpu, reg, value);
    } else {
        cpu->sys[reg->storage] = value;
    }
    if (reg->write == write_mmu || reg->write == write_tcr || reg->write == write_sctlr) {
        mmu_registers_changed(cpu);
    }
    if (reg->write == write_cval || reg->write == write_timer) {
        timer_changed(cpu);
    }
    if (reg->storage == SR_MPIDR_EL1 && cpu->vm->gic != NULL) {
        cpu->vm->gic->affinity(cpu);
    }
    cpu_update_mode(cpu);
    if (reg->write == write_debug) {
        mmu_watchpoints_changed(cpu);
    }
    return SYSREG_HOST_OK;
}
