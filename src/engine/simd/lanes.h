/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How the functions of vops_int.inc are written: one expression, instantiated for each lane size.
 *
 * In the expression, x, y and z are the lanes of a, b and c as unsigned numbers; U and S are the unsigned and signed type of a
 * lane, W its width in bits. L is a signed type that holds sums and products of two lanes. The loops run over all 16 bytes, so
 * that the compiler vectorises them; what the form does not have is cleared afterwards. Only functions with VOP_QC stop at the
 * last lane of the form, because lanes that are not there must not set FPSR.QC.
 */
#ifndef ENGINE_SIMD_LANES_H
#define ENGINE_SIMD_LANES_H

#include "engine/cpu.h"
#include "engine/ir/functions.h"

#define LANES_UNUSED __attribute__((unused))

#define VOP_ARGS                                                           \
    struct a64_cpu LANES_UNUSED *cpu, v128 *d, const v128 LANES_UNUSED *a, \
        const v128 LANES_UNUSED *b, const v128 LANES_UNUSED *c, uint32_t LANES_UNUSED imm

#define FPSR_QC (1u << 27)

__extension__ typedef __int128 int128;

static inline unsigned lanes_of(uint32_t imm)
{
    if ((imm & IR_VIMM_SCALAR) != 0) {
        return 1;
    }
    return (8u << IR_VIMM_Q(imm)) >> IR_VIMM_LANE(imm);
}

/* Zero above the lanes of the form. */
static inline void lanes_trim(v128 *d, uint32_t imm)
{
    if ((imm & IR_VIMM_SCALAR) != 0) {
        d->d[0] &= UINT64_MAX >> (64 - (8u << (IR_VIMM_LANE(imm) & 3)));
        d->d[1] = 0;
    } else if (IR_VIMM_Q(imm) == 0) {
        d->d[1] = 0;
    }
}

#define LANES_TYPES(bits, wide)            \
    typedef uint##bits##_t LANES_UNUSED U; \
    typedef int##bits##_t LANES_UNUSED S;  \
    typedef wide LANES_UNUSED L;           \
    enum { W = bits };

#define LANES_OPERANDS(field)                                           \
    const U LANES_UNUSED x = a->field[i], LANES_UNUSED y = b->field[i], \
                         LANES_UNUSED z = c->field[i];

/* LOOP(bits, field, wide, expr) for the lane size of imm. */
#define LANES_SWITCH(LOOP, expr)   \
    switch (IR_VIMM_LANE(imm)) {   \
    case 0:                        \
        LOOP(8, b, int32_t, expr)  \
        break;                     \
    case 1:                        \
        LOOP(16, h, int64_t, expr) \
        break;                     \
    case 2:                        \
        LOOP(32, s, int64_t, expr) \
        break;                     \
    default:                       \
        LOOP(64, d, int128, expr)  \
        break;                     \
    }

#define LANES_LOOP(bits, field, wide, expr)         \
    {                                               \
        LANES_TYPES(bits, wide)                     \
        for (unsigned i = 0; i < 128 / bits; i++) { \
            LANES_OPERANDS(field)                   \
            d->field[i] = (U)(expr);                \
        }                                           \
    }

#define VOP_LANES(name, expr)          \
    void vop_##name(VOP_ARGS)          \
    {                                  \
        LANES_SWITCH(LANES_LOOP, expr) \
        lanes_trim(d, imm);            \
    }

/* The same where expr may set `sat`. */
#define LANES_LOOP_QC(bits, field, wide, expr) \
    {                                          \
        LANES_TYPES(bits, wide)                \
        for (unsigned i = 0; i < n; i++) {     \
            LANES_OPERANDS(field)              \
            d->field[i] = (U)(expr);           \
        }                                      \
    }

#define VOP_LANES_QC(name, expr)          \
    void vop_##name(VOP_ARGS)             \
    {                                     \
        const unsigned n = lanes_of(imm); \
        bool sat = false;                 \
                                          \
        *d = (v128){.d = {0, 0}};         \
        LANES_SWITCH(LANES_LOOP_QC, expr) \
        lanes_set_qc(cpu, sat);           \
    }

static inline void lanes_set_qc(struct a64_cpu *cpu, bool sat)
{
    if (sat) {
        cpu->fpsr |= FPSR_QC;
    }
}

/* SignedSatQ() and UnsignedSatQ() to the lane's width; v is of type L. */
#define SATS(v)                                                  \
    __extension__({                                              \
        const L v_ = (v), max_ = (L)(((L)1 << (W - 1)) - 1);     \
        sat |= v_ > max_ || v_ < -max_ - 1;                      \
        (U)(v_ > max_ ? max_ : v_ < -max_ - 1 ? -max_ - 1 : v_); \
    })
#define SATU(v)                                        \
    __extension__({                                    \
        const L v_ = (v), max_ = (L)(((L)1 << W) - 1); \
        sat |= v_ > max_ || v_ < 0;                    \
        (U)(v_ > max_ ? max_ : v_ < 0 ? 0 : v_);       \
    })

#endif
