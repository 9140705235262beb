/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The imm of the floating-point functions of the IR: IR_VIMM(lane, q, extra) or IR_VIMM_SCALAR, and these. */
#ifndef ENGINE_FP_FP_VOPS_H
#define ENGINE_FP_FP_VOPS_H

#include "engine/ir/ir.h"

/* With IR_VIMM_SCALAR: which operand gives the lanes above the result when FPCR.NEP is set; none = zero all the same. */
#define FP_VMERGE_A    (1u << 5)
#define FP_VMERGE_B    (2u << 5)
#define FP_VMERGE_C    (3u << 5)
#define FP_VMERGE(imm) ((imm) >> 5 & 3u)

/* Of functions with two or three operands. */
#define FP_VMODE_PLAIN  (0u << 8)
#define FP_VMODE_PAIR   (1u << 8) /* operands are neighbours in b:a; scalar: lanes 0 and 1 of a */
#define FP_VMODE_ELEM   (2u << 8) /* one lane of b */
#define FP_VMODE_REDUCE (3u << 8) /* all lanes of a, halving; result is one lane */
#define FP_VMODE(imm)   ((imm)&3u << 8)
#define FP_VELEM(index) \
    (FP_VMODE_ELEM | (uint32_t)(index) << 12) /* of fcmla and bfdot: index of the pair */
#define FP_VELEM_INDEX(imm) ((imm) >> 12 & 7u)
#define FP_VNEG_PRODUCT     (1u << 10) /* negates a */
#define FP_VNEG_ADDEND      (1u << 11) /* negates c */
#define FP_VUPPER           (1u << 15)
#define FP_VROT(rot)        ((uint32_t)(rot) << 16) /* in quarter turns */
#define FP_VROT_OF(imm)     ((imm) >> 16 & 3u)

/* Of conversions and roundings. */
#define FP_VROUND(rounding) \
    ((uint32_t)(rounding) << 8) /* enum fp_rounding, FP_FROM_FPCR among it */
#define FP_VROUND_OF(imm) ((imm) >> 8 & 7u)
#define FP_VEXACT         (1u << 11)
#define FP_VUNSIGNED      (1u << 11)
#define FP_VINT(size) \
    ((uint32_t)((size) + 1u) << 12) /* log2 of the size in bytes; left out: that of the lane */
#define FP_VINT_MASK       (7u << 12)
#define FP_VINT_OF(imm)    (((imm) >> 12 & 7u) != 0 ? ((imm) >> 12 & 7u) - 1u : IR_VIMM_LANE(imm))
#define FP_VSOURCE(lane)   ((uint32_t)(lane) << 12)
#define FP_VSOURCE_OF(imm) ((imm) >> 12 & 7u)
#define FP_VFBITS(n)       ((uint32_t)(n) << 16)
#define FP_VFBITS_OF(imm)  ((imm) >> 16 & 0x7fu)
#define FP_VSIGNAL         (1u << 8) /* FCMPE: quiet NaNs are invalid too */
#define FP_VNZCV(nzcv)     ((uint32_t)(nzcv) << 12)
#define FP_VNZCV_OF(imm)   ((imm) >> 12 & 0xfu)

#endif
