/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The mode key: everything beside the instruction bytes that a translated block depends on. */
#ifndef ENGINE_A64_MODE_H
#define ENGINE_A64_MODE_H

#define MODE_EL(key) ((key)&3u) /* PSTATE.EL */
#define MODE_FP_TRAP(key) \
    ((key) >> 2 & 3u)           /* FP and SIMD instructions trap to this EL; 0 = they do not */
#define MODE_SP_CHECK (1u << 4) /* SCTLR_ELx.SA (SA0 at EL0) */
#define MODE_STEP     (1u << 5) /* software step active: one instruction per block */
#define MODE_IL       (1u << 6) /* PSTATE.IL: everything is an Illegal Execution state exception */
#define MODE_SPSEL    (1u << 7) /* PSTATE.SP: MSR SPSel and SP_EL0 accesses depend on it */
#define MODE_PAC_IA   (1u << 8) /* SCTLR_ELx.EnIA and so on: else the instruction is a NOP */
#define MODE_PAC_IB   (1u << 9)
#define MODE_PAC_DA   (1u << 10)
#define MODE_PAC_DB   (1u << 11)
#define MODE_E2H      (1u << 12) /* HCR_EL2.E2H: register redirection at EL2 */
#define MODE_TGE      (1u << 13)

#define MODE_BREAKPOINTS \
    (1u << 14) /* breakpoints are enabled and may match: one instruction per block */
#define MODE_ALIGNED \
    (1u << 15) /* alignment is checked: SCTLR_ELx.A, or stage 1 off (Device memory) */
#define MODE_FPCR \
    (1u           \
     << 16) /* FPCR has more than FP_FLAGS_FAST: floating point is left to functions that look at it */
#define MODE_EACH_CHECK \
    (1u << 17) /* of a block alone, not of a state: each access is checked by itself (x64/mem.c) */
#define MODE_SMP \
    (1u          \
     << 18) /* the VM has, or had, other vCPUs: pairs of registers are single accesses (a64/ldst_pair.c) */
#define MODE_FLUSH \
    (1u            \
     << 20) /* in place of MODE_FPCR: the one bit more is FZ, and FPSR.IXC is set (fp/fp_flags.h) */
#define MODE_ZVA      (1u << 19) /* DC ZVA is not trapped: SCTLR_ELx.DZE at EL0, HCR_EL2.TDZ */
#define MODE_ONE_INSN (MODE_STEP | MODE_BREAKPOINTS)

#endif
