/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Inside src/engine/x64: what the files of floating-point functions (vop_fp.c, vop_convert.c, vop_estimate.c, vop_half.c) share. */
#ifndef ENGINE_X64_VOP_FP_H
#define ENGINE_X64_VOP_FP_H

#include "engine/fp/fp.h"
#include "engine/fp/fp_vops.h"
#include "engine/x64/vop_int.h"

#define INT CLASS_INT

enum {
    B_ADD = 0x58,
    B_MUL = 0x59,
    B_SUB = 0x5c,
    B_MIN = 0x5d,
    B_DIV = 0x5e,
    B_MAX = 0x5f,
    B_SQRT = 0x51,
    B_AND = 0x54,
    B_CMP = 0xc2,
    B_UCOMI = 0x2e,
    B_MOVMSK = 0x50
};

enum {
    CMP_EQ_OQ = 0,
    CMP_LE_OS = 2,
    CMP_UNORD_Q = 3,
    CMP_ORD_Q = 7,
    CMP_EQ_UQ = 8,
    CMP_NEQ_OQ = 12,
    CMP_GE_OS = 13,
    CMP_GT_OS = 14,
    CMP_LE_OQ = 18,
    CMP_GT_OQ = 30
};

#define CVTPH2PS  OP38(0x13)
#define CVTPS2PH  OP3A(0x1d) /* to rm */
#define BY_MXCSR  4          /* ... rounds so */
#define VUNPCKLPD OP66(0x14)
#define VUNPCKHPD OP66(0x15)
#define VPMOVMSKB OP66(0xd7)

/* ROUNDPS's immediate, by enum fp_rounding; Inexact is signalled without ROUND_QUIET. */
#define ROUND_QUIET 8u
static const uint8_t x64_fp_round_modes[8] = {0, 2, 1, 3, 0xff, 0xff, 0xff, 4};

static inline bool is_double(const struct ir_node *n)
{
    return lane_of(n) == 3;
}

static inline bool is_flushing(const struct x64_emit *e)
{
    return (e->block->mode & MODE_FLUSH) != 0;
}

static inline bool is_fpcr_fast(const struct x64_emit *e)
{
    return (e->block->mode & MODE_FPCR) == 0;
}

/* The opcode of the form: PS, PD, SS or SD. */
static inline uint32_t form(const struct ir_node *n, unsigned byte)
{
    static const uint8_t prefixes[2][2] = {{PP_NONE, PP_66}, {PP_F3, PP_F2}};

    return X64_OP((uint32_t)prefixes[is_scalar(n)][is_double(n)], MAP_0F, byte);
}

static inline uint32_t packed(const struct ir_node *n, unsigned byte)
{
    return X64_OP(is_double(n) ? (uint32_t)PP_66 : (uint32_t)PP_NONE, MAP_0F, byte);
}

static inline struct x64_mem constant(unsigned which)
{
    return CPU_OFFSET(offsetof(struct a64_cpu, x64.k) + 16 * which);
}

static inline void zero(struct x64_emit *e, int reg)
{
    x64_v(&e->a, VPXOR, reg, reg, reg);
}

/* The bits of a constant (one in all lanes, one in the lowest) that the form has. */
static inline v128 of_form(const struct ir_node *n, uint32_t single, uint64_t twice)
{
    const uint64_t low = is_double(n) ? twice : is_scalar(n) ? single : single * 0x100000001ull;

    return (v128){.d = {low, is_scalar(n) || is_half(n) ? 0 : low}};
}

/* The same in all lanes, whatever the form. */
static inline v128 in_all(const struct ir_node *n, uint32_t single, uint64_t twice)
{
    const uint64_t low = is_double(n) ? twice : single * 0x100000001ull;

    return (v128){.d = {low, low}};
}

static inline void also_from(struct x64_emit *e, struct x64_stub *stub, enum x64_cc cc)
{
    if (stub->jump == 0) {
        stub->jump = x64_jcc(&e->a, cc);
    } else {
        stub->jump2 = x64_jcc(&e->a, cc);
    }
}

static inline void resume_here(struct x64_emit *e, struct x64_stub *stub)
{
    if (stub != NULL) {
        stub->resume = x64_here(&e->a);
    }
}

/* 2^exp in either precision. */
static inline uint32_t single_power(int exp)
{
    return (uint32_t)(127 + exp) << 23;
}

static inline uint64_t double_power(int exp)
{
    return (uint64_t)(1023 + exp) << 52;
}

/* vop_fp.c */
/* Before an operation that tells nothing of its operand, with FZ. Uses X0 at most. */
void x64_fp_tell_of_operand(struct x64_emit *e, const struct ir_node *n, int ra);
/* The lanes' masks in rm: goes to the stub when one is set. Uses RAX. */
void x64_fp_check_masks(struct x64_emit *e, const struct ir_node *n, int rm, struct x64_stub *stub);
/* Goes to the stub when rd is a NaN, or where that matters the least normal number, or the flags say so. Uses RAX and X0. */
void x64_fp_check_result(struct x64_emit *e, const struct ir_node *n, int rd, bool tiny,
                         struct x64_stub *stub);
/* Lane `index` of `from` to all lanes. */
void x64_fp_broadcast(struct x64_emit *e, const struct ir_node *n, int to, int from,
                      unsigned index);

/* FCCMP: `compare` leaves NZCV in RAX. */
bool x64_fp_conditional(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                        void (*compare)(struct x64_emit *e, const struct ir_node *n, int ra,
                                        int rb));

/* vop_convert.c: what FP_TIEAWAY rounds ra to, without Inexact; infinities, and NaNs, are Invalid. Uses X0 and temp. */
void x64_fp_round_away(struct x64_emit *e, const struct ir_node *n, int rd, int ra, int temp);

/* vop_estimate.c: goes to the stub when a magnitude of ra or rb is not below `limit`. Uses RAX. */
void x64_fp_check_below(struct x64_emit *e, const struct ir_node *n, int ra, int rb, uint64_t limit,
                        int temp1, int temp2, struct x64_stub *stub);

#endif
