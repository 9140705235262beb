/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Inside src/engine/fp: the host's arithmetic in place of ours, where its result is the architected one for certain.
 *
 * That is so for operands that are normal numbers, rounding to nearest in guest and host, and a result above the least normal
 * number and finite: such a result is correctly rounded, no bit of FPCR but RMode plays a part in it, and the only flag that it
 * can raise is IXC. It is used when IXC is set already, which in real programs is nearly always. All else takes the long way.
 */
#ifndef ENGINE_FP_FP_HOST_H
#define ENGINE_FP_FP_HOST_H

#include "engine/fp/fp.h"

enum fp_host_op {
    FP_HOST_ADD,
    FP_HOST_SUB,
    FP_HOST_MUL,
    FP_HOST_DIV,
    FP_HOST_SQRT,
    FP_HOST_MULADD
};

#if defined(__x86_64__)

#include <emmintrin.h>
#include <string.h>

/* MXCSR belongs to the client's thread: round to nearest, and no exception unmasked. DAZ and FTZ concern denormals only. */
#define FP_HOST_MXCSR_MASK    0x7f80u
#define FP_HOST_MXCSR_DEFAULT 0x1f80u

static inline bool fp_host_normal(const struct fp_format *f, uint64_t op)
{
    return (((op >> f->frac_bits) + 1) & ((1ull << f->exp_bits) - 1)) > 1;
}

static inline float fp_host_float(uint64_t op)
{
    const uint32_t bits = (uint32_t)op;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline double fp_host_double(uint64_t op)
{
    double value;

    memcpy(&value, &op, sizeof(value));
    return value;
}

static inline __attribute__((target("fma"))) __m128 fp_host_fmaf(float a, float b, float c)
{
    return _mm_set_ss(__builtin_fmaf(a, b, c));
}

static inline __attribute__((target("fma"))) __m128d fp_host_fma(double a, double b, double c)
{
    return _mm_set_sd(__builtin_fma(a, b, c));
}

static inline uint64_t fp_host_compute32(enum fp_host_op op, uint64_t op1, uint64_t op2,
                                         uint64_t op3)
{
    const __m128 a = _mm_set_ss(fp_host_float(op1)), b = _mm_set_ss(fp_host_float(op2));
    __m128 r;

    switch (op) {
    case FP_HOST_ADD:
        r = _mm_add_ss(a, b);
        break;
    case FP_HOST_SUB:
        r = _mm_sub_ss(a, b);
        break;
    case FP_HOST_MUL:
        r = _mm_mul_ss(a, b);
        break;
    case FP_HOST_DIV:
        r = _mm_div_ss(a, b);
        break;
    case FP_HOST_SQRT:
        r = _mm_sqrt_ss(a);
        break;
    default:
        r = fp_host_fmaf(fp_host_float(op1), fp_host_float(op2), fp_host_float(op3));
        break;
    }
    return (uint32_t)_mm_cvtsi128_si32(_mm_castps_si128(r));
}

static inline uint64_t fp_host_compute64(enum fp_host_op op, uint64_t op1, uint64_t op2,
                                         uint64_t op3)
{
    const __m128d a = _mm_set_sd(fp_host_double(op1)), b = _mm_set_sd(fp_host_double(op2));
    __m128d r;

    switch (op) {
    case FP_HOST_ADD:
        r = _mm_add_sd(a, b);
        break;
    case FP_HOST_SUB:
        r = _mm_sub_sd(a, b);
        break;
    case FP_HOST_MUL:
        r = _mm_mul_sd(a, b);
        break;
    case FP_HOST_DIV:
        r = _mm_div_sd(a, b);
        break;
    case FP_HOST_SQRT:
        r = _mm_sqrt_sd(a, a);
        break;
    default:
        r = fp_host_fma(fp_host_double(op1), fp_host_double(op2), fp_host_double(op3));
        break;
    }
    return (uint64_t)_mm_cvtsi128_si64(_mm_castpd_si128(r));
}

/* True when *result is the result and env has all its flags. FP_HOST_MULADD: op1 * op2 + op3; operands not used repeat op1. */
static inline __attribute__((always_inline)) bool fp_host(const struct fp_env *env,
                                                          const struct fp_format *f,
                                                          enum fp_host_op op, uint64_t op1,
                                                          uint64_t op2, uint64_t op3,
                                                          uint64_t *result)
{
    if ((env->fpcr & FPCR_RMODE) != 0 || (env->fpsr & FPSR_IXC) == 0 || f->size < 32 ||
        !fp_host_normal(f, op1) || !fp_host_normal(f, op2) || !fp_host_normal(f, op3) ||
        (_mm_getcsr() & FP_HOST_MXCSR_MASK) != FP_HOST_MXCSR_DEFAULT ||
        (op == FP_HOST_MULADD && !__builtin_cpu_supports("fma"))) {
        return false;
    }
    *result = f->size == 32 ? fp_host_compute32(op, op1, op2, op3)
                            : fp_host_compute64(op, op1, op2, op3);

    const uint64_t magnitude = *result & ~fp_sign_bit(f);

    return magnitude > 1ull << f->frac_bits && magnitude < fp_infinity(f, false);
}

#else

static inline bool fp_host(const struct fp_env *env, const struct fp_format *f, enum fp_host_op op,
                           uint64_t op1, uint64_t op2, uint64_t op3, uint64_t *result)
{
    (void)env, (void)f, (void)op, (void)op1, (void)op2, (void)op3, (void)result;
    return false;
}

#endif

#endif
