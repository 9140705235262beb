/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The meaning of the pure integer operations, once: the interpreter executes these functions and the frontend folds constants
 * with them. Everything is defined for every operand (no shift by the width, no signed overflow).
 */
#ifndef ENGINE_IR_FOLD_H
#define ENGINE_IR_FOLD_H

#include "engine/ir/ir.h"

static inline uint64_t ir_trunc(unsigned sf, uint64_t v)
{
    return sf != 0 ? v : (uint32_t)v;
}

static inline uint64_t ir_ones(unsigned width)
{
    return width >= 64 ? ~0ull : (1ull << width) - 1;
}

static inline uint64_t ir_sext(uint64_t v, unsigned width)
{
    return width >= 64 ? v : (uint64_t)((int64_t)(v << (64 - width)) >> (64 - width));
}

/* AddWithCarry(): NZCV of a + b + carry_in. */
static inline uint64_t ir_add_flags(unsigned sf, uint64_t a, uint64_t b, unsigned carry_in)
{
    uint64_t n, z, c, v;

    if (sf != 0) {
        const unsigned __int128 wide = (unsigned __int128)a + b + carry_in;
        const uint64_t r = (uint64_t)wide;
        n = r >> 63;
        z = r == 0;
        c = (uint64_t)(wide >> 64);
        v = ((a ^ r) & (b ^ r)) >> 63;
    } else {
        const uint64_t wide = (uint64_t)(uint32_t)a + (uint32_t)b + carry_in;
        const uint32_t r = (uint32_t)wide;
        n = r >> 31;
        z = r == 0;
        c = wide >> 32;
        v = (((uint32_t)a ^ r) & ((uint32_t)b ^ r)) >> 31;
    }
    return n << 31 | z << 30 | c << 29 | v << 28;
}

static inline uint64_t ir_logic_flags(unsigned sf, uint64_t a)
{
    const uint64_t r = ir_trunc(sf, a);
    return (sf != 0 ? r >> 63 : r >> 31) << 31 | (uint64_t)(r == 0) << 30;
}

static inline unsigned ir_carry(uint64_t flags)
{
    return (unsigned)(flags >> 29) & 1u;
}

/* ConditionHolds() */
static inline uint64_t ir_cond(uint64_t flags, unsigned cond)
{
    const unsigned n = flags >> 31 & 1u, z = flags >> 30 & 1u, c = flags >> 29 & 1u,
                   v = flags >> 28 & 1u;
    unsigned r;

    switch (cond >> 1) {
    case 0:
        r = z;
        break;
    case 1:
        r = c;
        break;
    case 2:
        r = n;
        break;
    case 3:
        r = v;
        break;
    case 4:
        r = c & (z ^ 1u);
        break;
    case 5:
        r = n == v;
        break;
    case 6:
        r = (n == v) & (z ^ 1u);
        break;
    default:
        return 1;
    }
    return r ^ (cond & 1u);
}

static inline uint64_t ir_udiv(unsigned sf, uint64_t a, uint64_t b)
{
    a = ir_trunc(sf, a);
    b = ir_trunc(sf, b);
    return b == 0 ? 0 : a / b;
}

static inline uint64_t ir_sdiv(unsigned sf, uint64_t a, uint64_t b)
{
    const int64_t n = (int64_t)(sf != 0 ? a : ir_sext(a, 32));
    const int64_t d = (int64_t)(sf != 0 ? b : ir_sext(b, 32));

    if (d == 0) {
        return 0;
    }
    return ir_trunc(sf, d == -1 ? 0 - (uint64_t)n : (uint64_t)(n / d));
}

static inline uint64_t ir_asr(unsigned sf, uint64_t a, uint64_t n)
{
    return sf != 0 ? (uint64_t)((int64_t)a >> (n & 63)) : (uint32_t)((int32_t)a >> (n & 31));
}

static inline uint64_t ir_ror(unsigned sf, uint64_t a, uint64_t n)
{
    if (sf != 0) {
        n &= 63;
        return a >> n | a << (-n & 63);
    }
    n &= 31;
    return (uint32_t)((uint32_t)a >> n | (uint32_t)a << (-n & 31));
}

static inline uint64_t ir_extr(unsigned sf, uint64_t a, uint64_t b, unsigned n)
{
    if (sf != 0) {
        n &= 63;
        return n == 0 ? b : b >> n | a << (64 - n);
    }
    n &= 31;
    return (uint32_t)(n == 0 ? (uint32_t)b : (uint32_t)b >> n | (uint32_t)a << (32 - n));
}

static inline uint64_t ir_clz(unsigned sf, uint64_t a)
{
    a = ir_trunc(sf, a);
    return a == 0 ? (sf != 0 ? 64u : 32u) : (unsigned)__builtin_clzll(a) - (sf != 0 ? 0u : 32u);
}

static inline uint64_t ir_cls(unsigned sf, uint64_t a)
{
    const uint64_t x = sf != 0 ? a : ir_sext(a, 32);
    const uint64_t differing = x ^
                               (uint64_t)((int64_t)x >> 63); /* leading sign bits become zeros */
    return (differing == 0 ? 64u : (unsigned)__builtin_clzll(differing)) - 1 - (sf != 0 ? 0u : 32u);
}

static inline uint64_t ir_ctz(unsigned sf, uint64_t a)
{
    a = ir_trunc(sf, a);
    return a == 0 ? (sf != 0 ? 64u : 32u) : (unsigned)__builtin_ctzll(a);
}

static inline uint64_t ir_rbit(unsigned sf, uint64_t a)
{
    a = (a & 0x5555555555555555ull) << 1 | (a >> 1 & 0x5555555555555555ull);
    a = (a & 0x3333333333333333ull) << 2 | (a >> 2 & 0x3333333333333333ull);
    a = (a & 0x0f0f0f0f0f0f0f0full) << 4 | (a >> 4 & 0x0f0f0f0f0f0f0f0full);
    a = __builtin_bswap64(a);
    return sf != 0 ? a : a >> 32;
}

static inline uint64_t ir_rev16(unsigned sf, uint64_t a)
{
    return ir_trunc(sf, (a & 0x00ff00ff00ff00ffull) << 8 | (a >> 8 & 0x00ff00ff00ff00ffull));
}

static inline uint64_t ir_rev32(unsigned sf, uint64_t a)
{
    a = __builtin_bswap64(a);
    return ir_trunc(sf, a >> 32 | a << 32);
}

static inline int64_t ir_signed(unsigned sf, uint64_t a)
{
    return (int64_t)(sf != 0 ? a : ir_sext(a, 32));
}

static inline uint64_t ir_bitfield_insert(unsigned sf, uint64_t a, uint64_t b, uint32_t imm)
{
    const unsigned lsb = imm & 63u;
    const uint64_t mask = ir_ones(imm >> 8 & 0x7fu) << lsb;
    return ir_trunc(sf, (a & ~mask) | (b << lsb & mask));
}

/*
 * The value of a pure integer operation. Returns false when the operation is not one of them.
 * One switch serves the interpreter's rare path, the folder, and the tests of emitted code.
 */
bool ir_fold(enum ir_op op, unsigned sf, uint64_t a, uint64_t b, uint64_t c, uint32_t imm,
             uint64_t *result);

#endif
