/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The soft floating point against results that follow from the architecture, and against the host's arithmetic: +, -, *, /, root
 * and fma of FP32 and FP64 in all four rounding modes, with flags. The host (x86) detects tininess after rounding and Arm, without
 * FPCR.AH, before it; underflow is compared where both agree on it.
 */
#include "engine/fp/fp.h"

#include <fenv.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/cpu.h"
#include "engine/fp/fp_vops.h"
#include "engine/ir/functions.h"

static unsigned failures;

/* --- Known cases ------------------------------------------------------------------------------------------------------------- */

enum op {
    ADD,
    SUB,
    MUL,
    MULX,
    DIV,
    SQRT,
    MULADD,
    MULADDH,
    MAX,
    MIN,
    MAXNM,
    MINNM,
    CMP,
    CMPE,
    RECIPE,
    RSQRTE,
    RECIPS,
    RSQRTS,
    RECPX,
    ABS,
    NEG,
    RINTX,
    RINT32,
    TO_S32,
    TO_U32,
    TO_S64,
    FROM_S64,
    FROM_U64,
    JS,
    TO_H,
    TO_S,
    TO_D,
    TO_S_ODD,
    TO_BF,
    DOT,
    BFMLAL,
    URECPE,
    URSQRTE,
};

enum { IO = FPSR_IOC, DZ = FPSR_DZC, OF = FPSR_OFC, UF = FPSR_UFC, IX = FPSR_IXC, ID = FPSR_IDC };
enum { RP = 1 << 22, RM = 2 << 22, RZ = 3 << 22 };

struct fp_case {
    const char *name;
    uint32_t fpcr;
    enum op op;
    enum fp_format_index format;
    uint64_t a, b, c, result; /* MULADD: a * b + c */
    uint32_t flags;
};

// clang-format off
static const struct fp_case cases[] = {
    /* sums */
    {"1 + 1",                        0, ADD, FP_S, 0x3f800000, 0x3f800000, 0, 0x40000000, 0},
    {"1 + 2^-24: tie to even",       0, ADD, FP_S, 0x3f800000, 0x33800000, 0, 0x3f800000, IX},
    {"1 + 2^-24 upwards",           RP, ADD, FP_S, 0x3f800000, 0x33800000, 0, 0x3f800001, IX},
    {"1 - least denormal, to zero", RZ, SUB, FP_D, 0x3ff0000000000000, 1, 0, 0x3fefffffffffffff, IX},
    {"1 - 1",                        0, SUB, FP_D, 0x3ff0000000000000, 0x3ff0000000000000, 0, 0, 0},
    {"1 - 1 downwards",             RM, SUB, FP_D, 0x3ff0000000000000, 0x3ff0000000000000, 0, 1ull << 63, 0},
    {"-0 + -0",                      0, ADD, FP_H, 0x8000, 0x8000, 0, 0x8000, 0},
    {"inf - inf",                    0, SUB, FP_S, 0x7f800000, 0x7f800000, 0, 0x7fc00000, IO},
    {"inf - inf with AH",      FPCR_AH, SUB, FP_S, 0x7f800000, 0x7f800000, 0, 0xffc00000, IO},
    {"greatest + greatest",          0, ADD, FP_S, 0x7f7fffff, 0x7f7fffff, 0, 0x7f800000, OF | IX},
    {"greatest + greatest to zero", RZ, ADD, FP_S, 0x7f7fffff, 0x7f7fffff, 0, 0x7f7fffff, OF | IX},
    /* NaNs */
    {"quiet before number",          0, ADD, FP_S, 0x3f800000, 0xffc00123, 0, 0xffc00123, 0},
    {"signaling second first",       0, ADD, FP_S, 0x7fc00001, 0x7f800002, 0, 0x7fc00002, IO},
    {"with AH the first operand", FPCR_AH, ADD, FP_S, 0x7fc00001, 0x7f800002, 0, 0x7fc00001, IO},
    {"DN",                     FPCR_DN, ADD, FP_S, 0xffc00001, 0x3f800000, 0, 0x7fc00000, 0},
    {"addend first",                 0, MULADD, FP_S, 0x7fc00001, 0x7fc00002, 0x7fc00003, 0x7fc00003, 0},
    {"signaling factor before quiet addend", 0, MULADD, FP_S, 0x7fc00001, 0x7f800002, 0x7fc00003, 0x7fc00002, IO},
    {"inf * 0 + quiet NaN",          0, MULADD, FP_S, 0x7f800000, 0, 0x7fc00003, 0x7fc00000, IO},
    {"inf * 0 + quiet NaN, AH", FPCR_AH, MULADD, FP_S, 0x7f800000, 0, 0x7fc00003, 0x7fc00003, 0},
    {"factor before addend, AH", FPCR_AH, MULADD, FP_S, 0x3f800000, 0x7fc00002, 0x7f800003, 0x7fc00002, IO},
    /* products and quotients */
    {"inf * 0",                      0, MUL, FP_D, 0x7ff0000000000000, 0, 0, 0x7ff8000000000000, IO},
    {"FMULX inf * -0",               0, MULX, FP_D, 0x7ff0000000000000, 1ull << 63, 0, 0xc000000000000000, 0},
    {"FMULX 0 * inf, half",          0, MULX, FP_H, 0, 0x7c00, 0, 0x4000, 0},
    {"1 / 0",                        0, DIV, FP_S, 0xbf800000, 0, 0, 0xff800000, DZ},
    {"0 / 0",                        0, DIV, FP_S, 0, 0, 0, 0x7fc00000, IO},
    {"1 / 3",                        0, DIV, FP_D, 0x3ff0000000000000, 0x4008000000000000, 0, 0x3fd5555555555555, IX},
    {"root of 2",                    0, SQRT, FP_D, 0x4000000000000000, 0, 0, 0x3ff6a09e667f3bcd, IX},
    {"root of -1",                   0, SQRT, FP_H, 0xbc00, 0, 0, 0x7e00, IO},
    {"root of -0",                   0, SQRT, FP_S, 0x80000000, 0, 0, 0x80000000, 0},
    {"root of a denormal",           0, SQRT, FP_D, 1, 0, 0, 0x1e60000000000000, 0},
    {"fma is not rounded twice",     0, MULADD, FP_S, 0x3f800001, 0x3f800001, 0xbf800002, 0x28800000, 0},
    {"fma cancels far",              0, MULADD, FP_D, 0x3ff0000000000001, 0x3ff0000000000001, 0xbff0000000000002, 0x3970000000000000, 0},
    {"FMLAL",                        0, MULADDH, FP_S, 0x3c01, 0x3c01, 0xbf804000, 0x35800000, 0},
    /* tininess, flushing */
    {"tiny before rounding",         0, MUL, FP_S, 0x00800000, 0x3f7fffff, 0, 0x00800000, UF | IX},
    {"not tiny after it, AH",  FPCR_AH, MUL, FP_S, 0x00ffffff, 0x3f000000, 0, 0x00800000, UF | IX},
    {"exact denormal",               0, MUL, FP_S, 0x00800000, 0x3f000000, 0, 0x00400000, 0},
    {"exact denormal flushed", FPCR_FZ, MUL, FP_S, 0x80800000, 0x3f000000, 0, 0x80000000, UF},
    {"flushed with AH: inexact", FPCR_FZ | FPCR_AH, MUL, FP_S, 0x80800000, 0x3f000000, 0, 0x80000000, UF | IX},
    {"denormal operand flushed", FPCR_FZ, ADD, FP_S, 1, 0x3f800000, 0, 0x3f800000, ID},
    {"denormal operand, FIZ",  FPCR_FIZ, ADD, FP_S, 1, 0x3f800000, 0, 0x3f800000, 0},
    {"denormal operand, AH",    FPCR_AH, ADD, FP_S, 1, 0x3f800000, 0, 0x3f800000, ID | IX},
    {"half: FZ does not flush", FPCR_FZ, ADD, FP_H, 1, 1, 0, 2, 0},
    {"half: FZ16, no IDC",    FPCR_FZ16, ADD, FP_H, 1, 0x3c00, 0, 0x3c00, 0},
    {"half: FZ16 result",     FPCR_FZ16, MUL, FP_H, 0x0400, 0x3800, 0, 0, UF},
    /* least and greatest */
    {"max of zeros",                 0, MAX, FP_S, 0x80000000, 0, 0, 0, 0},
    {"min of zeros",                 0, MIN, FP_S, 0, 0x80000000, 0, 0x80000000, 0},
    {"max of zeros, AH",       FPCR_AH, MAX, FP_S, 0, 0x80000000, 0, 0x80000000, 0},
    {"max with NaN",                 0, MAX, FP_S, 0x7fc00001, 0x3f800000, 0, 0x7fc00001, 0},
    {"max with NaN, AH",       FPCR_AH, MAX, FP_S, 0x7fc00001, 0x3f800000, 0, 0x3f800000, IO},
    {"maxnm with quiet NaN",         0, MAXNM, FP_S, 0x7fc00001, 0xbf800000, 0, 0xbf800000, 0},
    {"maxnm with signaling NaN",     0, MAXNM, FP_S, 0x7f800001, 0xbf800000, 0, 0x7fc00001, IO},
    {"minnm of two quiet NaNs",      0, MINNM, FP_S, 0xffc00001, 0x7fc00002, 0, 0xffc00001, 0},
    {"max keeps denormal, AH FZ", FPCR_AH | FPCR_FZ, MAX, FP_S, 5, 3, 0, 5, ID},
    {"compare with NaN",             0, CMP, FP_D, 0x7ff8000000000000, 0, 0, 3, 0},
    {"compare with NaN, E",          0, CMPE, FP_D, 0x7ff8000000000000, 0, 0, 3, IO},
    {"compare zeros",                0, CMPE, FP_D, 1ull << 63, 0, 0, 6, 0},
    {"compare -inf 1",               0, CMP, FP_H, 0xfc00, 0x3c00, 0, 8, 0},
    {"compare flushed denormals", FPCR_FZ, CMP, FP_D, 5, 3, 0, 6, ID},
    /* estimates: 1.0 -> 0x1ff/0x200 */
    {"frecpe 1",                     0, RECIPE, FP_S, 0x3f800000, 0, 0, 0x3f7f8000, 0},
    {"frecpe 0",                     0, RECIPE, FP_S, 0x80000000, 0, 0, 0xff800000, DZ},
    {"frecpe overflow",              0, RECIPE, FP_S, 0x001fffff, 0, 0, 0x7f800000, OF | IX},
    {"frecpe overflow to zero",     RZ, RECIPE, FP_S, 0x001fffff, 0, 0, 0x7f7fffff, OF | IX},
    {"frecpe denormal result",       0, RECIPE, FP_S, 0x7f000000, 0, 0, 0x003fe000, 0},
    {"frecpe flushed result",  FPCR_FZ, RECIPE, FP_S, 0x7f000000, 0, 0, 0, UF},
    {"frecpe 1, RPRES",        FPCR_AH, RECIPE, FP_S, 0x3f800000, 0, 0, 0x3f7ff000, 0},
    {"frsqrte 1",                    0, RSQRTE, FP_S, 0x3f800000, 0, 0, 0x3f7f8000, 0},
    {"frsqrte 1, RPRES",       FPCR_AH, RSQRTE, FP_S, 0x3f800000, 0, 0, 0x3f7ff000, 0},
    {"frsqrte 4",                    0, RSQRTE, FP_D, 0x4010000000000000, 0, 0, 0x3fdff00000000000, 0},
    {"frsqrte -1",                   0, RSQRTE, FP_D, 0xbff0000000000000, 0, 0, 0x7ff8000000000000, IO},
    {"frsqrte -1, AH",         FPCR_AH, RSQRTE, FP_D, 0xbff0000000000000, 0, 0, 0xfff8000000000000, 0},
    {"frecps inf 0",                 0, RECIPS, FP_S, 0x7f800000, 0, 0, 0x40000000, 0},
    {"frsqrts inf 0",                0, RSQRTS, FP_S, 0x7f800000, 0x80000000, 0, 0x3fc00000, 0},
    {"frsqrts 1 1",                  0, RSQRTS, FP_S, 0x3f800000, 0x3f800000, 0, 0x3f800000, 0},
    {"frecps keeps NaN, negated",    0, RECIPS, FP_S, 0x7fc00001, 0, 0, 0xffc00001, 0},
    {"frecps keeps NaN, AH",   FPCR_AH, RECIPS, FP_S, 0x7fc00001, 0, 0, 0x7fc00001, 0},
    {"frecpx",                       0, RECPX, FP_S, 0x3f812345, 0, 0, 0x40000000, 0},
    {"frecpx 0",                     0, RECPX, FP_H, 0, 0, 0, 0x7800, 0},
    {"urecpe",                       0, URECPE, FP_S, 0x80000000, 0, 0, 0xff800000, 0},
    {"urecpe small",                 0, URECPE, FP_S, 0x7fffffff, 0, 0, 0xffffffff, 0},
    {"ursqrte",                      0, URSQRTE, FP_S, 0x40000000, 0, 0, 0xff800000, 0},
    {"fneg of NaN, AH",        FPCR_AH, NEG, FP_S, 0x7fc00000, 0, 0, 0x7fc00000, 0},
    {"fabs of NaN",                  0, ABS, FP_S, 0xffc00000, 0, 0, 0x7fc00000, 0},
    /* integers */
    {"frintx 2.5",                   0, RINTX, FP_S, 0x40200000, 0, 0, 0x40000000, IX},
    {"frintx -0.5",                  0, RINTX, FP_S, 0xbf000000, 0, 0, 0x80000000, IX},
    {"frint32 2^31",                 0, RINT32, FP_S, 0x4f000000, 0, 0, 0xcf000000, IO},
    {"frint32 -2^31",                0, RINT32, FP_S, 0xcf000000, 0, 0, 0xcf000000, 0},
    {"frint32 NaN",                  0, RINT32, FP_D, 0x7ff8000000000000, 0, 0, 0xc1e0000000000000, IO},
    {"2^31 to int32",                0, TO_S32, FP_S, 0x4f000000, 0, 0, 0x7fffffff, IO},
    {"-1.5 to int32",                0, TO_S32, FP_S, 0xbfc00000, 0, 0, 0xffffffff, IX},
    {"NaN to int32",                 0, TO_S32, FP_S, 0x7fc00000, 0, 0, 0, IO},
    {"-0.5 to uint32",               0, TO_U32, FP_S, 0xbf000000, 0, 0, 0, IX},
    {"-1 to uint32",                 0, TO_U32, FP_S, 0xbf800000, 0, 0, 0, IO},
    {"denormal to int, AH FZ", FPCR_AH | FPCR_FZ, TO_S32, FP_S, 1, 0, 0, 0, IX},
    {"-inf to int64",                0, TO_S64, FP_D, 0xfff0000000000000, 0, 0, 1ull << 63, IO},
    {"INT64_MIN",                    0, FROM_S64, FP_D, 1ull << 63, 0, 0, 0xc3e0000000000000, 0},
    {"UINT64_MAX",                   0, FROM_U64, FP_S, UINT64_MAX, 0, 0, 0x5f800000, IX},
    {"UINT64_MAX to zero",          RZ, FROM_U64, FP_S, UINT64_MAX, 0, 0, 0x5f7fffff, IX},
    {"70000 to half",                0, FROM_S64, FP_H, 70000, 0, 0, 0x7c00, OF | IX},
    {"JS 2^32 + 5",                  0, JS, FP_D, 0x41f0000000500000, 0, 0, 5, IO},
    {"JS -1",                        0, JS, FP_D, 0xbff0000000000000, 0, 0, 0x1ffffffff, 0},
    {"JS -0",                        0, JS, FP_D, 1ull << 63, 0, 0, 0, 0},
    {"JS flushed denormal",    FPCR_FZ, JS, FP_D, 1, 0, 0, 0, ID},
    /* formats */
    {"half signaling NaN to single", 0, TO_S, FP_H, 0x7c01, 0, 0, 0x7fc02000, IO},
    {"half infinity to single",      0, TO_S, FP_H, 0xfc00, 0, 0, 0xff800000, 0},
    {"AHP has no infinity",   FPCR_AHP, TO_S, FP_H, 0xfc00, 0, 0, 0xc7800000, 0},
    {"AHP overflow",          FPCR_AHP, TO_H, FP_S, 0x48000000, 0, 0, 0x7fff, IO},
    {"AHP NaN",               FPCR_AHP, TO_H, FP_S, 0xffc00000, 0, 0, 0x8000, IO},
    {"65520 to half",                0, TO_H, FP_S, 0x477ff000, 0, 0, 0x7c00, OF | IX},
    {"FZ16 does not apply",   FPCR_FZ16, TO_S, FP_H, 1, 0, 0, 0x33800000, 0},
    {"double to half, once",         0, TO_H, FP_D, 0x3ff0020000000001, 0, 0, 0x3c01, IX},
    {"round to odd",                 0, TO_S_ODD, FP_D, 0x3ff0000000000001, 0, 0, 0x3f800001, IX},
    {"round to odd, overflow",       0, TO_S_ODD, FP_D, 0x7fe0000000000000, 0, 0, 0x7f7fffff, OF | IX},
    {"NaN to double",                0, TO_D, FP_S, 0xff800001, 0, 0, 0xfff8000020000000, IO},
    {"to BF16, tie",                 0, TO_BF, FP_S, 0x3f808000, 0, 0, 0x3f80, IX},
    {"to BF16, up",                  0, TO_BF, FP_S, 0x3f818000, 0, 0, 0x3f82, IX},
    {"to BF16, NaN",                 0, TO_BF, FP_S, 0xff80ffff, 0, 0, 0xffc0, IO},
    {"to BF16, AH: no flags", FPCR_AH | RZ, TO_BF, FP_S, 0x3f818000, 0, 0, 0x3f82, 0},
    /* DOT: (a.lo * b.lo + a.hi * b.hi) + c */
    {"BF dot 1*1 + 2*2 + 3",         0, DOT, FP_S, 0x40003f80, 0x40003f80, 0x40400000, 0x41000000, 0},
    {"BF dot rounds to odd",         0, DOT, FP_S, 0x00003f80, 0x00003f80, 0x33000000, 0x3f800001, 0},
    {"BF dot flushes",               0, DOT, FP_S, 0x00003f80, 0x00000001, 0x00000001, 0, 0},
    {"BF dot with EBF",       FPCR_EBF, DOT, FP_S, 0x00003f80, 0x00003f80, 0x33000000, 0x3f800000, 0},
    {"BFMLAL",                       0, BFMLAL, FP_S, 0x3f80, 0x4000, 0x3f800000, 0x40400000, 0},
};
// clang-format on

static uint64_t run(const struct fp_case *k, struct fp_env *env)
{
    const struct fp_format *const f = &fp_formats[k->format];
    const uint64_t a = k->a, b = k->b, c = k->c;
    const enum fp_rounding mode = fp_rounding_mode(env);
    uint32_t js;
    bool z;

    switch (k->op) {
    case ADD:
        return fp_add(env, f, a, b);
    case SUB:
        return fp_sub(env, f, a, b);
    case MUL:
        return fp_mul(env, f, a, b);
    case MULX:
        return fp_mulx(env, f, a, b);
    case DIV:
        return fp_div(env, f, a, b);
    case SQRT:
        return fp_sqrt(env, f, a);
    case MULADD:
        return fp_muladd(env, f, c, a, b);
    case MULADDH:
        return fp_muladdh(env, c, a, b);
    case MAX:
        return fp_max(env, f, a, b);
    case MIN:
        return fp_min(env, f, a, b);
    case MAXNM:
        return fp_maxnum(env, f, a, b);
    case MINNM:
        return fp_minnum(env, f, a, b);
    case CMP:
        return fp_compare(env, f, a, b, false);
    case CMPE:
        return fp_compare(env, f, a, b, true);
    case RECIPE:
        return fp_recip_estimate(env, f, a);
    case RSQRTE:
        return fp_rsqrt_estimate(env, f, a);
    case RECIPS:
        return fp_recip_step_fused(env, f, a, b);
    case RSQRTS:
        return fp_rsqrt_step_fused(env, f, a, b);
    case RECPX:
        return fp_recpx(env, f, a);
    case ABS:
        return fp_abs(env, f, a);
    case NEG:
        return fp_neg(env, f, a);
    case RINTX:
        return fp_round_int(env, f, a, mode, true);
    case RINT32:
        return fp_round_int_n(env, f, a, FP_TOZERO, 32);
    case TO_S32:
        return fp_to_fixed(env, f, a, 0, false, FP_TOZERO, 32);
    case TO_U32:
        return fp_to_fixed(env, f, a, 0, true, FP_TOZERO, 32);
    case TO_S64:
        return fp_to_fixed(env, f, a, 0, false, FP_TOZERO, 64);
    case FROM_S64:
        return fp_from_fixed(env, f, a, 0, false, mode, 64);
    case FROM_U64:
        return fp_from_fixed(env, f, a, 0, true, mode, 64);
    case JS:
        js = fp_to_fixed_js(env, a, &z);
        return js | (uint64_t)z << 32;
    case TO_H:
        return fp_convert(env, &fp_formats[FP_H], f, a, mode);
    case TO_S:
        return fp_convert(env, &fp_formats[FP_S], f, a, mode);
    case TO_D:
        return fp_convert(env, &fp_formats[FP_D], f, a, mode);
    case TO_S_ODD:
        return fp_convert(env, &fp_formats[FP_S], f, a, FP_ODD);
    case TO_BF:
        return fp_convert_bf(env, a);
    case DOT:
        return fp_bf_dot_add(env, (uint32_t)c, (uint16_t)a, (uint16_t)(a >> 16), (uint16_t)b,
                             (uint16_t)(b >> 16));
    case BFMLAL:
        return fp_bf_muladdh(env, (uint32_t)c, (uint16_t)a, (uint16_t)b);
    case URECPE:
        return fp_unsigned_recip_estimate((uint32_t)a);
    case URSQRTE:
        return fp_unsigned_rsqrt_estimate((uint32_t)a);
    }
    return ~0ull;
}

static void check_cases(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fp_case *const k = &cases[i];
        struct fp_env env = {.fpcr = k->fpcr};
        const uint64_t result = run(k, &env);

        if (result != k->result || env.fpsr != k->flags) {
            printf("%s: result %#" PRIx64 " flags %#x, expected %#" PRIx64 " %#x\n", k->name,
                   result, env.fpsr, k->result, k->flags);
            failures++;
        }
    }
}

/* --- FPCR.NEP ---------------------------------------------------------------------------------------------------------------- */

static const struct nep_case {
    const char *name;
    ir_vop_fn *fn;
    uint32_t imm;
    unsigned from; /* operand whose upper lanes the result keeps; 3 = none */
    uint32_t lane0;
} nep_cases[] = {
    {"FADD keeps Vn", vop_fadd, FP_S | IR_VIMM_SCALAR | FP_VMERGE_A, 0, 0x40400000},
    {"FCMEQ keeps Vm", vop_fcmeq, FP_S | IR_VIMM_SCALAR | FP_VMERGE_B, 1, 0},
    {"FMADD keeps Va", vop_fmla, FP_S | IR_VIMM_SCALAR | FP_VMERGE_C, 2, 0x40c00000},
    {"FSQRT keeps Vd", vop_fsqrt, FP_S | IR_VIMM_SCALAR | FP_VMERGE_B, 1, 0x3f800000},
    {"FADDP keeps nothing", vop_fadd, FP_S | IR_VIMM_SCALAR | FP_VMODE_PAIR, 3, 0x40000000},
};

static void check_nep(void)
{
    /* 1, 2, 4 in lane 0; 1 and other marks above */
    static const v128 in[3] = {{.s = {0x3f800000, 0x3f800000, 0xa2, 0xa3}},
                               {.s = {0x40000000, 0xb1, 0xb2, 0xb3}},
                               {.s = {0x40800000, 0xc1, 0xc2, 0xc3}}};
    static struct a64_cpu cpu;

    for (size_t i = 0; i < 2 * sizeof(nep_cases) / sizeof(nep_cases[0]); i++) {
        const struct nep_case *const k = &nep_cases[i / 2];
        const bool keeps = i % 2 != 0 && k->from < 3;
        v128 expected = keeps ? in[k->from] : (v128){.d = {0, 0}}, result;

        expected.s[0] = k->lane0;
        cpu.fpcr = i % 2 != 0 ? FPCR_NEP : 0;
        k->fn(&cpu, &result, &in[0], &in[1], &in[2], k->imm);
        if (memcmp(&result, &expected, sizeof(result)) != 0) {
            printf("%s, NEP %zu: %#" PRIx64 "%016" PRIx64 "\n", k->name, i % 2, result.d[1],
                   result.d[0]);
            failures++;
        }
    }
}

/* --- The host ---------------------------------------------------------------------------------------------------------------- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * 0x2545f4914f6cdd1d;
}

/* Not a NaN; exponents close to each other and to the ends more often than chance would have it. */
static uint64_t random_operand(const struct fp_format *f)
{
    const uint64_t exp_mask = (1ull << f->exp_bits) - 1, frac_mask = (1ull << f->frac_bits) - 1;
    const uint64_t r = random64();
    uint64_t frac = random64() & frac_mask, exp;

    switch (r & 7) {
    case 0:
        exp = r >> 8 & 3;
        break;
    case 1:
        exp = exp_mask - 1 - (r >> 8 & 3);
        break;
    case 2:
        exp = r >> 8 & exp_mask;
        break;
    case 3:
        exp = (uint64_t)f->bias / 2 + (r >> 8 & 7);
        break;
    default:
        exp = (uint64_t)f->bias - 3 + (r >> 8 & 7);
        break;
    }
    if (r >> 16 & 1) {
        frac &= frac_mask << (r >> 20 & 15);
    }
    if (exp == exp_mask) {
        frac = 0;
    }
    return (r >> 63) << (f->size - 1) | exp << f->frac_bits | frac;
}

#define HOST(name, type, bits_type, root, fused)                                          \
    static uint64_t name(unsigned op, const uint64_t in[3])                               \
    {                                                                                     \
        const bits_type bits[3] = {(bits_type)in[0], (bits_type)in[1], (bits_type)in[2]}; \
        volatile type v[3], result;                                                       \
        bits_type out;                                                                    \
                                                                                          \
        memcpy((void *)v, bits, sizeof(bits));                                            \
        switch (op) {                                                                     \
        case 0:                                                                           \
            result = v[0] + v[1];                                                         \
            break;                                                                        \
        case 1:                                                                           \
            result = v[0] - v[1];                                                         \
            break;                                                                        \
        case 2:                                                                           \
            result = v[0] * v[1];                                                         \
            break;                                                                        \
        case 3:                                                                           \
            result = v[0] / v[1];                                                         \
            break;                                                                        \
        case 4:                                                                           \
            result = root(v[0]);                                                          \
            break;                                                                        \
        default:                                                                          \
            result = fused(v[0], v[1], v[2]);                                             \
            break;                                                                        \
        }                                                                                 \
        memcpy(&out, (const void *)&result, sizeof(out));                                 \
        return out;                                                                       \
    }

HOST(host32, float, uint32_t, sqrtf, fmaf)
HOST(host64, double, uint64_t, sqrt, fma)

static uint32_t host_flags(void)
{
    const int e = fetestexcept(FE_ALL_EXCEPT);

    return (e & FE_INVALID ? IO : 0u) | (e & FE_DIVBYZERO ? DZ : 0u) | (e & FE_OVERFLOW ? OF : 0u) |
           (e & FE_UNDERFLOW ? UF : 0u) | (e & FE_INEXACT ? IX : 0u);
}

static void check_host(enum fp_format_index index, unsigned op, unsigned rmode)
{
    static const int host_modes[4] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    static const enum op ops[6] = {ADD, SUB, MUL, DIV, SQRT, MULADD};
    const struct fp_format *const f = &fp_formats[index];

    for (unsigned i = 0; i < 10000; i++) {
        const uint64_t in[3] = {random_operand(f), random_operand(f), random_operand(f)};
        const struct fp_case k = {
            .op = ops[op], .format = index, .a = in[0], .b = in[1], .c = in[2]};
        struct fp_env env = {.fpcr = rmode << FPCR_RMODE_SHIFT},
                      env_host = {.fpcr = env.fpcr, .fpsr = FPSR_IXC};
        const uint64_t ours = run(&k, &env);
        const uint64_t by_host = run(&k,
                                     &env_host); /* takes the shortcut of fp_host.h where it may */
        uint32_t flags = env.fpsr;

        if (by_host != ours || env_host.fpsr != (flags | FPSR_IXC)) {
            printf("FP%u op %u rmode %u: %#" PRIx64 " %#" PRIx64 " %#" PRIx64 ": %#" PRIx64
                   " flags %#x, shortcut %#" PRIx64 " %#x\n",
                   f->size, op, rmode, in[0], in[1], in[2], ours, flags, by_host, env_host.fpsr);
            failures++;
            return;
        }

        fesetround(host_modes[rmode]);
        feclearexcept(FE_ALL_EXCEPT);
        const uint64_t host = index == FP_S ? host32(op, in) : host64(op, in);
        uint32_t expected = host_flags();

        fesetround(FE_TONEAREST);
        /* The least normal number may be tiny before and not after rounding. */
        if ((ours & ~fp_sign_bit(f)) == 1ull << f->frac_bits) {
            flags &= ~(uint32_t)UF;
            expected &= ~(uint32_t)UF;
        }
        if (flags != expected || (ours != host && !(fp_is_nan(f, ours) && fp_is_nan(f, host)))) {
            printf("host, FP%u op %u rmode %u: %#" PRIx64 " %#" PRIx64 " %#" PRIx64 ": %#" PRIx64
                   " flags %#x, host %#" PRIx64 " %#x\n",
                   f->size, op, rmode, in[0], in[1], in[2], ours, flags, host, expected);
            failures++;
            return;
        }
    }
}

/* A number of BFloat16, or with more below it of FP32, whose exponent is one of few. */
static uint32_t random_float(uint32_t mask)
{
    static const uint8_t exponents[] = {0,   0,   1,   2,   63,  64,  100, 126,
                                        127, 128, 190, 191, 253, 254, 255};
    const uint64_t r = random64();
    const uint32_t fraction = (r >> 60 & 3) == 0 ? 0 : (uint32_t)r & 0x7fffff;

    return ((uint32_t)exponents[(r >> 32) % sizeof(exponents)] << 23 | fraction |
            (r >> 63 != 0 ? 1u << 31 : 0)) &
           mask;
}

/* Four dot products with the host's arithmetic against one after the other without. */
static void check_dots(void)
{
    const struct fp_env env = {0};

    for (unsigned n = 0; n < 300000; n++) {
        uint32_t sums[4], a[4], b[4], expected[4];

        for (unsigned i = 0; i < 4; i++) {
            a[i] = random_float(0xffff0000u) | random_float(0xffff0000u) >> 16;
            b[i] = random_float(0xffff0000u) | random_float(0xffff0000u) >> 16;
            sums[i] = random_float(UINT32_MAX);
            expected[i] = fp_bf_dot_add(&env, sums[i], (uint16_t)a[i], (uint16_t)(a[i] >> 16),
                                        (uint16_t)b[i], (uint16_t)(b[i] >> 16));
            if ((n & 1) != 0) { /* near to cancelling the products */
                sums[i] = expected[i] ^ 1u << 31 ^ (uint32_t)(random64() & 3);
                expected[i] = fp_bf_dot_add(&env, sums[i], (uint16_t)a[i], (uint16_t)(a[i] >> 16),
                                            (uint16_t)b[i], (uint16_t)(b[i] >> 16));
            }
        }
        const uint32_t addend = sums[0];
        feclearexcept(FE_ALL_EXCEPT);
        fp_bf_dot_add4(&env, sums, a, b);
        if (memcmp(sums, expected, sizeof(sums)) != 0 || fetestexcept(FE_ALL_EXCEPT) != 0) {
            printf("dots: %08x * %08x + %08x: %08x, not %08x (the first of four)\n", a[0], b[0],
                   addend, sums[0], expected[0]);
            failures++;
            return;
        }
    }
}

int main(void)
{
    check_cases();
    check_nep();
    check_dots();
    for (unsigned op = 0; op < 6; op++) {
        for (unsigned rmode = 0; rmode < 4; rmode++) {
            check_host(FP_S, op, rmode);
            check_host(FP_D, op, rmode);
        }
    }
    if (failures != 0) {
        printf("%u failures\n", failures);
    }
    return failures != 0;
}
