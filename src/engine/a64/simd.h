/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the integer SIMD classes have in common. A class with the suffix _sisd is the scalar form of the class with _simd: both
 * share one function, and simd_form() tells them apart. The functions behind tr_vop() zero what the form does not have, so their
 * results are stored whole.
 */
#ifndef ENGINE_A64_SIMD_H
#define ENGINE_A64_SIMD_H

#include "engine/a64/classes.h"
#include "engine/a64/translate.h"

#define SIMD_RD(w)   A64_FIELD(w, 4, 0)
#define SIMD_RN(w)   A64_FIELD(w, 9, 5)
#define SIMD_RM(w)   A64_FIELD(w, 20, 16)
#define SIMD_SIZE(w) A64_FIELD(w, 23, 22)
#define SIMD_U(w)    A64_BIT(w, 29)

/* One function for the vector and the scalar class. */
#define SIMD_CLASS(name, ...)                 \
    void a64_##name(struct tr *t, uint32_t w) \
    {                                         \
        __VA_ARGS__;                          \
    }
#define SIMD_SISD_CLASS(name, ...)       \
    SIMD_CLASS(name##_simd, __VA_ARGS__) \
    SIMD_CLASS(name##_sisd, __VA_ARGS__)

static inline bool simd_is_scalar(uint32_t w)
{
    return A64_BIT(w, 28) != 0;
}

/* 128-bit form; where the encoding is a widening or narrowing one: it uses the upper half. */
static inline unsigned simd_q(uint32_t w)
{
    return simd_is_scalar(w) ? 0 : A64_BIT(w, 30);
}

static inline uint32_t simd_form(uint32_t w, unsigned lane, uint32_t extra)
{
    return IR_VIMM(lane, simd_q(w), extra) | (simd_is_scalar(w) ? IR_VIMM_SCALAR : 0);
}

/* The form of a result with lanes twice as wide: always 128 bits, or one lane. */
static inline uint32_t simd_wide_form(uint32_t w, unsigned lane, uint32_t extra)
{
    return IR_VIMM(lane, 1, extra) | (simd_is_scalar(w) ? IR_VIMM_SCALAR : 0);
}

static inline ir_ref simd_rd(struct tr *t, uint32_t w)
{
    return tr_get_v(t, SIMD_RD(w));
}

static inline ir_ref simd_rn(struct tr *t, uint32_t w)
{
    return tr_get_v(t, SIMD_RN(w));
}

static inline ir_ref simd_rm(struct tr *t, uint32_t w)
{
    return tr_get_v(t, SIMD_RM(w));
}

static inline ir_ref simd_vop1(struct tr *t, enum ir_vop fn, ir_ref a, uint32_t imm)
{
    return tr_vop(t, fn, a, IR_REF_NONE, IR_REF_NONE, imm);
}

static inline ir_ref simd_vop2(struct tr *t, enum ir_vop fn, ir_ref a, ir_ref b, uint32_t imm)
{
    return tr_vop(t, fn, a, b, IR_REF_NONE, imm);
}

static inline ir_ref simd_from64(struct tr *t, unsigned size, ir_ref integer)
{
    return tr_node(t, IR_VFROM64, size, 0, integer, IR_REF_NONE, IR_REF_NONE, 0, 0);
}

static inline ir_ref simd_zero(struct tr *t)
{
    return simd_from64(t, 3, tr_const(t, 0));
}

static inline ir_ref simd_dup(struct tr *t, unsigned size, ir_ref integer)
{
    return tr_node(t, IR_VDUP, size, 0, integer, IR_REF_NONE, IR_REF_NONE, 0, 0);
}

/* A bitwise operation of the IR on whole registers; unused operands are IR_REF_NONE. */
static inline ir_ref simd_bitwise(struct tr *t, enum ir_op op, ir_ref a, ir_ref b, ir_ref c)
{
    return tr_node(t, op, 4, 0, a, b, c, 0, 0);
}

/* Writes the 64-bit result of a narrowing: over Vd, or (Q) into its upper half, which leaves the lower one. */
static inline void simd_put_narrow(struct tr *t, uint32_t w, ir_ref low)
{
    if (simd_q(w) != 0) {
        low = tr_node(t, IR_VINSERT, 3, 0, simd_rd(t, w), tr_lane(t, low, 3, 0), IR_REF_NONE, 0, 1);
    }
    tr_put_v(t, SIMD_RD(w), low);
}

#endif
