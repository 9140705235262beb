/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The integer vector functions. Lane by lane: against the architecture's definitions on unbounded integers, at the edges of every
 * lane size, in every form, with FPSR.QC. Others: tables.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/simd/lanes.h"

static unsigned failures;

static void check(const char *name, uint32_t imm, v128 got, v128 expected, bool qc,
                  bool expected_qc)
{
    if (got.q != expected.q || qc != expected_qc) {
        if (failures++ < 50) {
            printf("%s imm %#x: got %016" PRIx64 "%016" PRIx64 " QC %d, expected %016" PRIx64
                   "%016" PRIx64 " QC %d\n",
                   name, imm, got.d[1], got.d[0], qc, expected.d[1], expected.d[0], expected_qc);
        }
    }
}

static v128 run(ir_vop_fn *fn, uint32_t imm, v128 a, v128 b, v128 c, bool *qc)
{
    static struct a64_cpu cpu; /* the sanitizer's stack does not align so far */
    v128 d = {.d = {0x5555555555555555, 0xaaaaaaaaaaaaaaaa}};

    cpu.fpsr = 0;
    fn(&cpu, &d, &a, &b, &c, imm);
    *qc = cpu.fpsr == FPSR_QC;
    if (cpu.fpsr != 0 && !*qc) {
        printf("FPSR %#x\n", cpu.fpsr);
        failures++;
    }
    return d;
}

/* --- Lane by lane -----------------------------------------------------------------------------*/

/* One lane's operands, as unsigned and as signed numbers. */
struct operands {
    int128 ux, uy, uz, sx, sy, sz;
    unsigned w, n; /* width; immediate shift */
    bool sat;
};

/* Floor division by 1 << by, of any size. */
static int128 shift_down(int128 v, unsigned by)
{
    return by > 126 ? (v < 0 ? -1 : 0) : v >> by;
}

static int128 clamp(struct operands *o, int128 v, int128 min, int128 max)
{
    o->sat |= v < min || v > max;
    return v < min ? min : v > max ? max : v;
}

static int128 clamp_signed(struct operands *o, int128 v)
{
    return clamp(o, v, -((int128)1 << (o->w - 1)), ((int128)1 << (o->w - 1)) - 1);
}

static int128 clamp_unsigned(struct operands *o, int128 v)
{
    return clamp(o, v, 0, ((int128)1 << o->w) - 1);
}

/* Shift by a register's low byte. Left by the width or more: a multiple of 1 << 64 that is beyond every lane. */
static int128 shifted(const struct operands *o, int128 v, bool rounding)
{
    const int by = (int8_t)o->uy;

    if (by >= (int)o->w) {
        return v == 0 ? 0 : v < 0 ? -((int128)1 << 100) : (int128)1 << 100;
    }
    if (by >= 0) {
        return v * ((int128)1 << by);
    }
    return shift_down(v + (rounding ? (int128)1 << (-by - 1 > 100 ? 100 : -by - 1) : 0),
                      (unsigned)-by);
}

static int128 ones(bool condition)
{
    return condition ? -1 : 0;
}

static int128 absolute(int128 v)
{
    return v < 0 ? -v : v;
}

/* Leading bits of v (w wide) that equal the bit `like`. */
static int128 leading(const struct operands *o, int128 v, unsigned like)
{
    unsigned n = 0;

    while (n < o->w && (v >> (o->w - 1 - n) & 1) == like) {
        n++;
    }
    return n;
}

enum { B = 1, H = 2, S = 4, D = 8, BHS = B | H | S, ALL = BHS | D, HS = H | S };

#define LANEWISE(X)                                                                               \
    X(add, ALL, o->ux + o->uy)                                                                    \
    X(sub, ALL, o->ux - o->uy)                                                                    \
    X(mul, BHS, o->ux * o->uy)                                                                    \
    X(abs, ALL, absolute(o->sx))                                                                  \
    X(smax, BHS, o->sx > o->sy ? o->sx : o->sy)                                                   \
    X(smin, BHS, o->sx < o->sy ? o->sx : o->sy)                                                   \
    X(umax, BHS, o->ux > o->uy ? o->ux : o->uy)                                                   \
    X(umin, BHS, o->ux < o->uy ? o->ux : o->uy)                                                   \
    X(sabd, BHS, absolute(o->sx - o->sy))                                                         \
    X(uabd, BHS, absolute(o->ux - o->uy))                                                         \
    X(shadd, BHS, (o->sx + o->sy) >> 1)                                                           \
    X(uhadd, BHS, (o->ux + o->uy) >> 1)                                                           \
    X(srhadd, BHS, (o->sx + o->sy + 1) >> 1)                                                      \
    X(urhadd, BHS, (o->ux + o->uy + 1) >> 1)                                                      \
    X(shsub, BHS, (o->sx - o->sy) >> 1)                                                           \
    X(uhsub, BHS, (o->ux - o->uy) >> 1)                                                           \
    X(cmeq, ALL, ones(o->ux == o->uy))                                                            \
    X(cmgt, ALL, ones(o->sx > o->sy))                                                             \
    X(cmge, ALL, ones(o->sx >= o->sy))                                                            \
    X(cmhi, ALL, ones(o->ux > o->uy))                                                             \
    X(cmhs, ALL, ones(o->ux >= o->uy))                                                            \
    X(cmtst, ALL, ones((o->ux & o->uy) != 0))                                                     \
    X(clz, BHS, leading(o, o->ux, 0))                                                             \
    X(cls, BHS, leading(o, o->ux, o->sx < 0) - 1)                                                 \
    X(shl, ALL, o->ux *((int128)1 << (o->n - 1)))                                                 \
    X(sshr, ALL, o->sx >> o->n)                                                                   \
    X(ushr, ALL, o->ux >> o->n)                                                                   \
    X(srshr, ALL, (o->sx + ((int128)1 << (o->n - 1))) >> o->n)                                    \
    X(urshr, ALL, (o->ux + ((int128)1 << (o->n - 1))) >> o->n)                                    \
    X(ror, S | D, o->ux >> (o->n - 1) | (int128)((unsigned __int128)o->ux << (o->w - o->n + 1)))  \
    X(sshl, ALL, shifted(o, o->sx, false))                                                        \
    X(ushl, ALL, shifted(o, o->ux, false))                                                        \
    X(srshl, ALL, shifted(o, o->sx, true))                                                        \
    X(urshl, ALL, shifted(o, o->ux, true))                                                        \
    X(sqshl, ALL, clamp_signed(o, shifted(o, o->sx, false)))                                      \
    X(uqshl, ALL, clamp_unsigned(o, shifted(o, o->ux, false)))                                    \
    X(sqrshl, ALL, clamp_signed(o, shifted(o, o->sx, true)))                                      \
    X(uqrshl, ALL, clamp_unsigned(o, shifted(o, o->ux, true)))                                    \
    X(sqadd, ALL, clamp_signed(o, o->sx + o->sy))                                                 \
    X(uqadd, ALL, clamp_unsigned(o, o->ux + o->uy))                                               \
    X(sqsub, ALL, clamp_signed(o, o->sx - o->sy))                                                 \
    X(uqsub, ALL, clamp_unsigned(o, o->ux - o->uy))                                               \
    X(suqadd, ALL, clamp_signed(o, o->sx + o->uy))                                                \
    X(usqadd, ALL, clamp_unsigned(o, o->ux + o->sy))                                              \
    X(sqabs, ALL, clamp_signed(o, absolute(o->sx)))                                               \
    X(sqneg, ALL, clamp_signed(o, -o->sx))                                                        \
    X(sqdmulh, HS, clamp_signed(o, 2 * o->sx * o->sy >> o->w))                                    \
    X(sqrdmulh, HS, clamp_signed(o, (2 * o->sx * o->sy + ((int128)1 << (o->w - 1))) >> o->w))     \
    X(sqrdmlah, HS,                                                                               \
      clamp_signed(                                                                               \
          o,                                                                                      \
          (o->sz * ((int128)1 << o->w) + 2 * o->sx * o->sy + ((int128)1 << (o->w - 1))) >> o->w)) \
    X(sqrdmlsh, HS,                                                                               \
      clamp_signed(                                                                               \
          o,                                                                                      \
          (o->sz * ((int128)1 << o->w) - 2 * o->sx * o->sy + ((int128)1 << (o->w - 1))) >> o->w))

#define DEFINE_REFERENCE(name, lanes, expression) \
    static int128 ref_##name(struct operands *o)  \
    {                                             \
        return (expression);                      \
    }
LANEWISE(DEFINE_REFERENCE)

struct lanewise {
    const char *name;
    ir_vop_fn *fn;
    int128 (*reference)(struct operands *);
    unsigned lanes;
};
#define LANEWISE_ROW(name, lanes, expression) {#name, vop_##name, ref_##name, lanes},
static const struct lanewise lanewise_rows[] = {LANEWISE(LANEWISE_ROW)};

static void set_lane(v128 *v, unsigned size, unsigned i, uint64_t value)
{
    const unsigned width = 8u << size, shift = i * width;
    const unsigned __int128 mask = (unsigned __int128)(UINT64_MAX >> (64 - width)) << shift;

    v->q = (v->q & ~mask) | ((unsigned __int128)value << shift & mask);
}

static int128 sign_extend(uint64_t value, unsigned width)
{
    return (int64_t)(value << (64 - width)) >> (64 - width);
}

/* Edges of a lane, and for the register shifts the amounts at which something changes, with other bits above the low byte. */
static unsigned corners(unsigned width, uint64_t *out)
{
    const uint64_t max = UINT64_MAX >> (65 - width), all = UINT64_MAX >> (64 - width);
    const uint64_t values[] = {0,
                               1,
                               2,
                               3,
                               max,
                               max - 1,
                               max + 1,
                               max + 2,
                               all,
                               all - 1,
                               all / 3,
                               all / 5,
                               max / 2 + 1,
                               width - 1,
                               width,
                               width + 1,
                               0x7f,
                               0x80,
                               0x100u - width,
                               0x101u - width,
                               0xffu - width};

    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        out[i] = values[i] & all;
    }
    return sizeof(values) / sizeof(values[0]);
}

static struct operands operands_of(unsigned width, unsigned n, uint64_t x, uint64_t y, uint64_t z)
{
    return (struct operands){.ux = x,
                             .uy = y,
                             .uz = z,
                             .sx = sign_extend(x, width),
                             .sy = sign_extend(y, width),
                             .sz = sign_extend(z, width),
                             .w = width,
                             .n = n};
}

static void test_lanewise(const struct lanewise *row, unsigned size, uint32_t form)
{
    const unsigned width = 8u << size;
    uint64_t values[32];
    const unsigned n = corners(width, values);
    const bool left = strcmp(row->name, "shl") == 0 || strcmp(row->name, "ror") == 0;

    for (unsigned first = 0; first < n * n * 3; first++) {
        const unsigned amount = first % width + 1; /* of shifts to the right */
        const uint32_t imm = form | IR_VIMM(size, 0, left ? amount - 1 : amount);
        v128 a = {.q = 0}, b = a, c = a, expected = a;
        bool expected_qc = false, qc;

        for (unsigned i = 0; i < 128 / width; i++) {
            const unsigned k = first + i * 37;
            const uint64_t x = values[k % n], y = values[k / n % n], z = values[(k * 5 + 1) % n];
            struct operands o = operands_of(width, amount, x, y, z);

            set_lane(&a, size, i, x);
            set_lane(&b, size, i, y);
            set_lane(&c, size, i, z);
            if (i < lanes_of(imm)) {
                set_lane(&expected, size, i, (uint64_t)row->reference(&o));
                expected_qc |= o.sat;
            }
        }
        const v128 got = run(row->fn, imm, a, b, c, &qc);
        check(row->name, imm, got, expected, qc, expected_qc);
    }
}

static void test_all_lanewise(void)
{
    for (size_t i = 0; i < sizeof(lanewise_rows) / sizeof(lanewise_rows[0]); i++) {
        for (unsigned size = 0; size < 4; size++) {
            if ((lanewise_rows[i].lanes >> size & 1) != 0) {
                test_lanewise(&lanewise_rows[i], size, IR_VIMM(0, 1, 0));
                test_lanewise(&lanewise_rows[i], size, IR_VIMM(0, 0, 0));
                test_lanewise(&lanewise_rows[i], size, IR_VIMM_SCALAR);
            }
        }
    }
}

/* --- Tables -----------------------------------------------------------------------------------*/

struct table_row {
    const char *name;
    ir_vop_fn *fn;
    uint32_t imm;
    v128 a, b, c, expected;
    bool qc;
};

#define V(high, low)       \
    {                      \
        .d = { low, high } \
    }
#define F(name) #name, vop_##name
#define SCALAR  IR_VIMM_SCALAR
#define COUNT_A V(0x0f0e0d0c0b0a0908, 0x0706050403020100)
#define COUNT_B V(0x1f1e1d1c1b1a1918, 0x1716151413121110)
#define ZERO    V(0, 0)

// clang-format off
static const struct table_row table[] = {
    /* permutations */
    {F(zip1), IR_VIMM(0, 1, 0), COUNT_A, COUNT_B, ZERO, V(0x1707160615051404, 0x1303120211011000), 0},
    {F(zip2), IR_VIMM(0, 1, 0), COUNT_A, COUNT_B, ZERO, V(0x1f0f1e0e1d0d1c0c, 0x1b0b1a0a19091808), 0},
    {F(zip1), IR_VIMM(1, 0, 0), COUNT_A, COUNT_B, ZERO, V(0, 0x1312030211100100), 0},
    {F(zip2), IR_VIMM(2, 0, 0), COUNT_A, COUNT_B, ZERO, V(0, 0x1716151407060504), 0},
    {F(uzp1), IR_VIMM(0, 1, 0), COUNT_A, COUNT_B, ZERO, V(0x1e1c1a1816141210, 0x0e0c0a0806040200), 0},
    {F(uzp2), IR_VIMM(1, 0, 0), COUNT_A, COUNT_B, ZERO, V(0, 0x1716131207060302), 0},
    {F(uzp2), IR_VIMM(3, 1, 0), COUNT_A, COUNT_B, ZERO, V(0x1f1e1d1c1b1a1918, 0x0f0e0d0c0b0a0908), 0},
    {F(trn1), IR_VIMM(0, 1, 0), COUNT_A, COUNT_B, ZERO, V(0x1e0e1c0c1a0a1808, 0x1606140412021000), 0},
    {F(trn2), IR_VIMM(2, 1, 0), COUNT_A, COUNT_B, ZERO, V(0x1f1e1d1c0f0e0d0c, 0x1716151407060504), 0},
    {F(rev), IR_VIMM(0, 1, 3), COUNT_A, ZERO, ZERO, V(0x08090a0b0c0d0e0f, 0x0001020304050607), 0},
    {F(rev), IR_VIMM(1, 0, 3), COUNT_A, ZERO, ZERO, V(0, 0x0100030205040706), 0},
    {F(rev), IR_VIMM(0, 1, 1), COUNT_A, ZERO, ZERO, V(0x0e0f0c0d0a0b0809, 0x0607040502030001), 0},
    {F(rev), IR_VIMM(1, 1, 2), COUNT_A, ZERO, ZERO, V(0x0d0c0f0e09080b0a, 0x0504070601000302), 0},
    {F(dup), IR_VIMM(1, 1, 7), COUNT_A, ZERO, ZERO, V(0x0f0e0f0e0f0e0f0e, 0x0f0e0f0e0f0e0f0e), 0},
    {F(dup), IR_VIMM(0, 0, 9), COUNT_A, ZERO, ZERO, V(0, 0x0909090909090909), 0},
    {F(ext), IR_VIMM(0, 1, 5), COUNT_A, COUNT_B, ZERO, V(0x14131211100f0e0d, 0x0c0b0a0908070605), 0},
    {F(ext), IR_VIMM(0, 0, 7), COUNT_A, COUNT_B, ZERO, V(0, 0x1615141312111007), 0},
    {F(tbl), IR_VIMM(0, 1, 1), COUNT_A, COUNT_B, V(0xff001f2010203011, 0x1213141516171819),
     V(0x0f0e1f0c100a0911, 0x1213141516171819), 0},
    {F(tbl), IR_VIMM(0, 0, 0), COUNT_A, COUNT_B, V(0x0000000000000000, 0xff10000f80017f02), V(0, 0x0706101f03110112), 0},
    /* widening, narrowing */
    {F(sxtl), IR_VIMM(0, 1, 0), V(0, 0x807fff0100fe8001), ZERO, ZERO, V(0xff80007fffff0001, 0x0000fffeff800001), 0},
    {F(uxtl), IR_VIMM(1, 1, 1), V(0x8000ffff00017fff, 0), ZERO, ZERO, V(0x000080000000ffff, 0x0000000100007fff), 0},
    {F(smull), IR_VIMM(2, 1, 0), V(0, 0x80000000ffffffff), V(0, 0x8000000080000000), ZERO, V(0x4000000000000000, 0x0000000080000000), 0},
    {F(umull), IR_VIMM(2, 1, 1), V(0xffffffff80000000, 0), V(0xffffffff00000002, 0), ZERO, V(0xfffffffe00000001, 0x0000000100000000), 0},
    {F(pmull), IR_VIMM(3, 1, 0), V(0, 0xffffffffffffffff), V(0, 0xffffffffffffffff), ZERO, V(0x5555555555555555, 0x5555555555555555), 0},
    {F(pmull), IR_VIMM(3, 1, 1), V(0x8000000000000000, 0), V(3, 0), ZERO, V(1, 0x8000000000000000), 0},
    {F(pmull), IR_VIMM(0, 1, 0), V(0, 0x00000000000080ff), V(0, 0x00000000000003ff), ZERO, V(0, 0x0000000001805555), 0},
    {F(pmul), IR_VIMM(0, 0, 0), V(~0ull, 0x00000000000080ff), V(~0ull, 0x00000000000003ff), ZERO, V(0, 0x0000000000008055), 0},
    {F(sqdmull), IR_VIMM(1, 1, 0), V(0, 0x80007fff80000001), V(0, 0x80007fff7fffffff), ZERO, V(0x7fffffff7ffe0002, 0x80010000fffffffe), 1},
    {F(sqdmull), IR_VIMM(1, 1, 0) | SCALAR, V(0, 0x8000000000008000), V(0, 0x8000000000007fff), ZERO, V(0, 0x0000000080010000), 0},
    {F(sqdmull), IR_VIMM(2, 1, 1), V(0x8000000000000001, 0), V(0x8000000000000003, 0), ZERO, V(0x7fffffffffffffff, 6), 1},
    {F(saddlp), IR_VIMM(0, 1, 0), V(0, 0x8080ff017fff0102), ZERO, ZERO, V(0, 0xff000000007e0003), 0},
    {F(uaddlp), IR_VIMM(0, 0, 0), V(~0ull, 0xffff000000000102), ZERO, ZERO, V(0, 0x01fe000000000003), 0},
    {F(uaddlp), IR_VIMM(2, 1, 0), V(~0ull, 0xffffffff00000001), ZERO, ZERO, V(0x1fffffffe, 0x100000000), 0},
    {F(xtn), IR_VIMM(0, 0, 0), V(0x1234ff00ff80ffff, 0x00ff0180007f8001), ZERO, ZERO, V(0, 0x340080ffff807f01), 0},
    {F(sqxtn), IR_VIMM(0, 0, 0), V(0x1234ff00ff80ffff, 0x00ff0180007f8001), ZERO, ZERO, V(0, 0x7f8080ff7f7f7f80), 1},
    {F(uqxtn), IR_VIMM(0, 0, 0), V(0x1234ff00ff80ffff, 0x00ff0180007f8001), ZERO, ZERO, V(0, 0xffffffffffff7fff), 1},
    {F(sqxtun), IR_VIMM(0, 0, 0), V(0x1234ff00ff80ffff, 0x00ff0180007f8001), ZERO, ZERO, V(0, 0xff000000ffff7f00), 1},
    {F(sqxtn), IR_VIMM(2, 0, 0), V(0x000000007fffffff, 0xffffffff80000000), ZERO, ZERO, V(0, 0x7fffffff80000000), 0},
    {F(sqxtun), IR_VIMM(2, 0, 0) | SCALAR, V(~0ull, 0x0000000100000000), ZERO, ZERO, V(0, 0xffffffff), 1},
    {F(uqxtn), IR_VIMM(1, 0, 0) | SCALAR, V(~0ull, 0xffffffff0000ffff), ZERO, ZERO, V(0, 0xffff), 0},
    /* SQSHLU: negative numbers become zero */
    {F(sqshlu), IR_VIMM(0, 0, 0), V(0, 0x8001ff7f403f0200), V(0, 0x0202020202020202), ZERO, V(0, 0x000400fffffc0800), 1},
    {F(sqshlu), IR_VIMM(3, 1, 0), V(1, 0x0fffffffffffffff), V(63, 4), ZERO, V(0x8000000000000000, 0xfffffffffffffff0), 0},
    /* bytes */
    {F(cnt), IR_VIMM(0, 1, 0), V(0xff80010200aa7ffe, 0), ZERO, ZERO, V(0x0801010100040707, 0), 0},
    {F(rbit), IR_VIMM(0, 0, 0), V(~0ull, 0x0102040810204080), ZERO, ZERO, V(0, 0x8040201008040201), 0},
    {F(rbit), IR_VIMM(0, 1, 0), V(0x12f0e10000000000, 0), ZERO, ZERO, V(0x480f870000000000, 0), 0},
    /* pairs, all lanes */
    {F(addp), IR_VIMM(0, 1, 0), COUNT_A, COUNT_B, ZERO, V(0x3d3935312d292521, 0x1d1915110d090501), 0},
    {F(addp), IR_VIMM(2, 0, 0), COUNT_A, COUNT_B, ZERO, V(0, 0x2a2826240a080604), 0},
    {F(addp), IR_VIMM(3, 1, 0), V(1, 2), V(~0ull, 3), ZERO, V(2, 3), 0},
    {F(smaxp), IR_VIMM(1, 0, 0), V(0, 0x8000ffff7fff0000), V(0, 0x0001000280007fff), ZERO, V(0, 0x00027fffffff7fff), 0},
    {F(uminp), IR_VIMM(1, 0, 0), V(0, 0x8000ffff7fff0000), V(0, 0x0001000280007fff), ZERO, V(0, 0x00017fff80000000), 0},
    {F(umaxp), IR_VIMM(0, 1, 0), COUNT_A, V(0, 0xff00), ZERO, V(0x00000000000000ff, 0x0f0d0b0907050301), 0},
    {F(sminp), IR_VIMM(0, 1, 0), COUNT_A, V(0, 0xff00), ZERO, V(0x00000000000000ff, 0x0e0c0a0806040200), 0},
    {F(addv), IR_VIMM(0, 1, 0), V(0xffffffffffffffff, 0x0102030405060708), ZERO, ZERO, V(0, 0x1c), 0},
    {F(addv), IR_VIMM(0, 0, 0), V(0xffffffffffffffff, 0x0102030405060708), ZERO, ZERO, V(0, 0x24), 0},
    {F(addv), IR_VIMM(2, 1, 0), V(0x80000000, 0x8000000000000005), ZERO, ZERO, V(0, 5), 0},
    {F(smaxv), IR_VIMM(1, 1, 0), V(0x8000ffff80008000, 0x8000fffe80008000), ZERO, ZERO, V(0, 0xffff), 0},
    {F(sminv), IR_VIMM(0, 0, 0), V(0x8080808080808080, 0x0102037f04ff0506), ZERO, ZERO, V(0, 0xff), 0},
    {F(umaxv), IR_VIMM(0, 0, 0), V(0xffffffffffffffff, 0x0102037f04fe0506), ZERO, ZERO, V(0, 0xfe), 0},
    {F(uminv), IR_VIMM(2, 1, 0), V(0x8000000080000001, 0xffffffff90000000), ZERO, ZERO, V(0, 0x80000000), 0},
    {F(saddlv), IR_VIMM(0, 1, 0), V(0x8080808080808080, 0x8080808080808080), ZERO, ZERO, V(0, 0xf800), 0},
    {F(saddlv), IR_VIMM(2, 1, 0), V(0x8000000080000000, 0x8000000080000000), ZERO, ZERO, V(0, 0xfffffffe00000000), 0},
    {F(uaddlv), IR_VIMM(1, 0, 0), V(~0ull, 0xffffffffffffffff), ZERO, ZERO, V(0, 0x3fffc), 0},
    /* dot products: 4 * 0x80 * 0x80 */
    {F(sdot), IR_VIMM(2, 1, 0), V(0x8080808001010101, 0xff0000017f000000), V(0x80808080010203ff, 0x0100000280000000), V(0, 0xffffffff00000000),
     V(0x0001000000000005, 0x00000000ffffc080), 0},
    {F(udot), IR_VIMM(2, 0, 0), V(~0ull, 0xffffffff80808080), V(~0ull, 0xffffffff80808080), V(1, 0x0000000100000000), V(0, 0x0003f80500010000), 0},
    {F(usdot), IR_VIMM(2, 0, 0), V(0, 0xff000000000000ff), V(0, 0xff000000000000ff), ZERO, V(0, 0xffffff01ffffff01), 0},
    {F(smmla), IR_VIMM(2, 1, 0), V(0xff, 0x0100000000000002), V(0x0300000000000005, 0x0400000000000006), V(1, 0),
     V(0xfffffffbfffffffb, 0x0000000d00000010), 0},
    {F(ummla), IR_VIMM(2, 1, 0), V(0xff, 0x0100000000000002), V(0x0300000000000005, 0x0400000000000006), V(1, 0),
     V(0x000004fb000005fb, 0x0000000d00000010), 0},
    {F(usmmla), IR_VIMM(2, 1, 0), V(0xff, 0), V(0, 0xff), ZERO, V(0x00000000ffffff01, 0), 0},
};
// clang-format on

static void test_tables(void)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct table_row *const r = &table[i];
        bool qc;
        const v128 got = run(r->fn, r->imm, r->a, r->b, r->c, &qc);

        check(r->name, r->imm, got, r->expected, qc, r->qc);
    }
}

int main(void)
{
    test_all_lanewise();
    test_tables();
    if (failures != 0) {
        printf("%u failures\n", failures);
    }
    return failures != 0;
}
