/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Inside src/engine/x64: what the files of integer vector functions (vop_int.c, vop_saturate.c, vop_permute.c) share. */
#ifndef ENGINE_X64_VOP_INT_H
#define ENGINE_X64_VOP_INT_H

#include "engine/x64/vop.h"

#define VEC CLASS_VEC
#define X0  XMM_SCRATCH0
#define X1  XMM_SCRATCH1

#define OP66(byte) X64_OP(PP_66, MAP_0F, byte)
#define OP38(byte) X64_OP(PP_66, MAP_0F38, byte)
#define OP3A(byte) X64_OP(PP_66, MAP_0F3A, byte)
#define NONE       0u

#define VPAND       OP66(0xdb)
#define VPANDN      OP66(0xdf)
#define VPOR        OP66(0xeb)
#define VPXOR       OP66(0xef)
#define VPTEST      OP38(0x17)
#define VPSHUFB     OP38(0x00)
#define VPSHUFD     OP66(0x70)
#define VPALIGNR    OP3A(0x0f)
#define VPUNPCKLQDQ OP66(0x6c)
#define VPUNPCKHQDQ OP66(0x6d)
#define VPACKUSWB   OP66(0x67)
#define VPACKUSDW   OP38(0x2b)
#define VSHUFPS     X64_OP(PP_NONE, MAP_0F, 0xc6)
#define VPBLENDW    OP3A(0x0e)
#define VPBLENDD    OP3A(0x02)
#define VPMADDWD    OP66(0xf5)
#define VPMADDUBSW  OP38(0x04)
#define VPSHIFT_DQ  OP66(0x73) /* /3 right */

typedef const uint32_t by_lane[4];

/* Operations by lane size; NONE: the host has none. */
extern by_lane x64_op_add, x64_op_sub, x64_op_eq, x64_op_gt, x64_op_smax, x64_op_smin, x64_op_umax,
    x64_op_umin, x64_op_broadcast, x64_op_sx, x64_op_zx;

static inline unsigned lane_of(const struct ir_node *n)
{
    return IR_VIMM_LANE(n->imm);
}

static inline bool is_scalar(const struct ir_node *n)
{
    return (n->imm & IR_VIMM_SCALAR) != 0;
}

static inline bool is_half(const struct ir_node *n)
{
    return !is_scalar(n) && IR_VIMM_Q(n->imm) == 0;
}

static inline v128 all_bytes(uint8_t value)
{
    const uint64_t d = 0x0101010101010101ull * value;
    return (v128){.d = {d, d}};
}

static inline v128 all_words(uint16_t value)
{
    const uint64_t d = 0x0001000100010001ull * value;
    return (v128){.d = {d, d}};
}

static inline v128 all_dwords(uint32_t value)
{
    const uint64_t d = 0x0000000100000001ull * value;
    return (v128){.d = {d, d}};
}

/* The least signed number, and 1, in all lanes. */
v128 x64_least(unsigned lane);
v128 x64_ones(unsigned lane);

/* Zero above the lanes of the form. */
void x64_finish(struct x64_emit *e, const struct ir_node *n, int rd);

/*
 * FPSR.QC when reg has a bit that is set in a lane that the form has, or, of functions with lanes of two sizes, in a wide one: they have
 * all or one of those. Uses RAX.
 */
void x64_set_qc_if_lanes(struct x64_emit *e, const struct ir_node *n, unsigned lane, int reg);
void x64_set_qc_if_wide(struct x64_emit *e, const struct ir_node *n, unsigned lane, int reg);

/* In all 128 bits: |ra|, uses X0; shifts by 0 to the lane's bits, less one to the left; that to the right uses X1. */
void x64_absolute(struct x64_emit *e, unsigned lane, int rd, int ra);
void x64_shift_left(struct x64_emit *e, unsigned lane, int rd, int ra, unsigned count);
void x64_shift_right(struct x64_emit *e, unsigned lane, int rd, int ra, unsigned count,
                     bool is_signed);
/* The words that a widening form takes, each in the lower half of a doubleword: in `to`, or where they are, when all are alike. */
int x64_words_apart(struct x64_emit *e, const struct ir_node *n, ir_ref of, int reg, int to);
/* Of a shift by lanes: each has the same constant, to the left. */
bool x64_is_left_count(const struct x64_emit *e, const struct ir_node *n, unsigned *count);

/* One host operation. */
bool x64_vop_two(struct x64_emit *e, ir_ref node, const struct ir_node *n, by_lane ops);

/* The low half of `from`, or with extra its high half, in lanes of twice the size. */
void x64_widen(struct x64_emit *e, const struct ir_node *n, int to, int from, bool is_signed);

#endif
