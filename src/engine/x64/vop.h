/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Vector functions (simd/vops.inc) that have code of their own. The tables' rows: vop.c. A row's function emits the
 * node's code and returns true, or emits nothing and returns false: then the function in C is called.
 */
#ifndef ENGINE_X64_VOP_H
#define ENGINE_X64_VOP_H

#include "engine/x64/emit.h"

/* Scratch of each node's code. */
#define XMM_SCRATCH0 0
#define XMM_SCRATCH1 1

typedef bool x64_vop_fn(struct x64_emit *e, ir_ref node, const struct ir_node *n);

/* The tables of files with one form for each function; NULL: it is not theirs. */
extern x64_vop_fn *const x64_vop_512[VOP_COUNT];
extern x64_vop_fn *const x64_vop_half[VOP_COUNT];
extern x64_vop_fn *const x64_vop_int[VOP_COUNT];
extern x64_vop_fn *const x64_vop_saturate[VOP_COUNT];
extern x64_vop_fn *const x64_vop_permute[VOP_COUNT];
extern x64_vop_fn *const x64_vop_crypto[VOP_COUNT];

bool x64_emit_vop(struct x64_emit *e, ir_ref node);
/* The way to the function in C: the operands' registers, NOREG for none, and the result's. */
struct x64_stub *x64_vop_stub(struct x64_emit *e, ir_ref node, int ra, int rb, int rc, int rd);

/* vop_fp.c */
x64_vop_fn x64_vop_fadd, x64_vop_fsub, x64_vop_fmul, x64_vop_fdiv, x64_vop_fmla, x64_vop_fsqrt,
    x64_vop_fmax, x64_vop_fmin, x64_vop_fabs, x64_vop_fneg, x64_vop_fcmeq, x64_vop_fcmge,
    x64_vop_fcmgt, x64_vop_fcmp, x64_vop_fccmp, x64_vop_fmlal, x64_vop_bfmlal, x64_vop_fcadd,
    x64_vop_fcmla;
/* vop_convert.c */
x64_vop_fn x64_vop_fcvt, x64_vop_fcvt_int, x64_vop_cvtf_int, x64_vop_fcvtl, x64_vop_fcvtn,
    x64_vop_bfcvtn, x64_vop_frint, x64_vop_frint_n, x64_vop_fjcvtzs;
/* vop_estimate.c */
x64_vop_fn x64_vop_frecpe, x64_vop_frsqrte, x64_vop_frecpx, x64_vop_frecps, x64_vop_frsqrts;

/* plan.c: AESE or AESD whose other half comes next and does both. */
bool x64_is_half_round(const struct x64_emit *e, ir_ref ref);

/* vec.c: `to` = the low (1 << size) bytes of `from`, the rest zero. */
void x64_keep_low(struct x64_emit *e, int to, int from, unsigned size);

#endif
