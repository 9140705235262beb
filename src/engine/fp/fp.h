/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Arm floating point in software, bit for bit with all its FPSR flags: FP16, BF16, FP32, FP64.
 *
 * Functions carry the names of the pseudocode in Arm ARM DDI0487, "Shared pseudocode, functions/float": fp_add is FPAdd(). An
 * operand or result is the bit pattern of the format, zero-extended to 64 bits. All formats go through one decomposed form
 * (struct fp_num for operands, struct fp_real for results), so that each rule is written once.
 *
 * Everything here is a pure function of its arguments and of struct fp_env; any thread.
 */
#ifndef ENGINE_FP_FP_H
#define ENGINE_FP_FP_H

#include <stdbool.h>
#include <stdint.h>

#define FPCR_AHP         (1u << 26)
#define FPCR_DN          (1u << 25)
#define FPCR_FZ          (1u << 24)
#define FPCR_RMODE_SHIFT 22
#define FPCR_RMODE       (3u << FPCR_RMODE_SHIFT)
#define FPCR_FZ16        (1u << 19)
#define FPCR_EBF         (1u << 13)
#define FPCR_NEP         (1u << 2)
#define FPCR_AH          (1u << 1)
#define FPCR_FIZ         (1u << 0)

#define FPSR_IOC (1u << 0)
#define FPSR_DZC (1u << 1)
#define FPSR_OFC (1u << 2)
#define FPSR_UFC (1u << 3)
#define FPSR_IXC (1u << 4)
#define FPSR_IDC (1u << 7)

/*
 * What an operation reads and accumulates. The bits of FPCR that belong to an optional feature (FZ16, EBF, NEP, AH, FIZ) are
 * taken at their word: they are RES0, and so never set, on a machine without the feature. AH = 1 implies FEAT_RPRES: all
 * profiles that have FEAT_AFP have both.
 */
struct fp_env {
    uint32_t fpcr;
    uint32_t fpsr; /* cumulative flags, ORed by operations */
};

/* FPRounding; the first four are FPCR.RMode. */
enum fp_rounding {
    FP_TIEEVEN = 0,
    FP_POSINF = 1,
    FP_NEGINF = 2,
    FP_TOZERO = 3,
    FP_TIEAWAY = 4,
    FP_ODD = 5,
    FP_FROM_FPCR = 7, /* as an argument of the vector functions only */
};

struct fp_format {
    uint8_t size; /* bits of the format */
    uint8_t exp_bits;
    uint8_t frac_bits;
    bool half;    /* FP16: flushing obeys FZ16 in place of FZ, and no Input Denormal exception */
    int16_t bias; /* the least normal exponent is 1 - bias */
};

/* Indexed by log2 of the size in bytes: FP_H, FP_S, FP_D; a byte-sized format does not exist and its place is BF16's. */
enum fp_format_index { FP_BF = 0, FP_H = 1, FP_S = 2, FP_D = 3 };
extern const struct fp_format fp_formats[4];

/* --- Values ------------------------------------------------------------------------------------------------------------------ */

static inline enum fp_rounding fp_rounding_mode(const struct fp_env *env)
{
    return (enum fp_rounding)(env->fpcr >> FPCR_RMODE_SHIFT & 3u);
}

static inline uint64_t fp_sign_bit(const struct fp_format *f)
{
    return 1ull << (f->size - 1);
}

static inline uint64_t fp_zero(const struct fp_format *f, bool sign)
{
    return sign ? fp_sign_bit(f) : 0;
}

static inline uint64_t fp_infinity(const struct fp_format *f, bool sign)
{
    return fp_zero(f, sign) | ((1ull << f->exp_bits) - 1) << f->frac_bits;
}

static inline uint64_t fp_default_nan(const struct fp_env *env, const struct fp_format *f)
{
    return fp_infinity(f, (env->fpcr & FPCR_AH) != 0) | 1ull << (f->frac_bits - 1);
}

static inline bool fp_is_nan(const struct fp_format *f, uint64_t op)
{
    return (op & ~fp_sign_bit(f)) > fp_infinity(f, false);
}

/* FPAbs() and FPNeg(): with FPCR.AH the sign of a NaN stays. */
static inline uint64_t fp_abs(const struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    return (env->fpcr & FPCR_AH) && fp_is_nan(f, op) ? op : op & ~fp_sign_bit(f);
}

static inline uint64_t fp_neg(const struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    return (env->fpcr & FPCR_AH) && fp_is_nan(f, op) ? op : op ^ fp_sign_bit(f);
}

/* --- Arithmetic -------------------------------------------------------------------------------------------------------------- */

uint64_t fp_add(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_sub(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_mul(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_mulx(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_div(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_sqrt(struct fp_env *env, const struct fp_format *f, uint64_t op);
uint64_t fp_muladd(struct fp_env *env, const struct fp_format *f, uint64_t addend, uint64_t op1,
                   uint64_t op2);
uint64_t fp_muladdh(struct fp_env *env, uint64_t addend, uint64_t op1,
                    uint64_t op2); /* FP32 += FP16 * FP16, one rounding */

uint64_t fp_max(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_min(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_maxnum(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
uint64_t fp_minnum(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);

/* NZCV as a 4-bit number. */
unsigned fp_compare(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2,
                    bool signal_nans);
bool fp_compare_eq(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
bool fp_compare_ge(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);
bool fp_compare_gt(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2);

/* --- Conversions ------------------------------------------------------------------------------------------------------------- */

uint64_t fp_convert(struct fp_env *env, const struct fp_format *to, const struct fp_format *from,
                    uint64_t op, enum fp_rounding rounding);
uint64_t fp_convert_bf(struct fp_env *env, uint64_t op); /* FP32 to BF16 */
/* int_bits: 16, 32, 64. The result is zero-extended from int_bits; the operand counts its low int_bits. */
uint64_t fp_to_fixed(struct fp_env *env, const struct fp_format *f, uint64_t op, unsigned fbits,
                     bool is_unsigned, enum fp_rounding rounding, unsigned int_bits);
uint64_t fp_from_fixed(struct fp_env *env, const struct fp_format *f, uint64_t op, unsigned fbits,
                       bool is_unsigned, enum fp_rounding rounding, unsigned int_bits);
uint32_t fp_to_fixed_js(struct fp_env *env, uint64_t op, bool *z);
uint64_t fp_round_int(struct fp_env *env, const struct fp_format *f, uint64_t op,
                      enum fp_rounding rounding, bool exact);
uint64_t fp_round_int_n(struct fp_env *env, const struct fp_format *f, uint64_t op,
                        enum fp_rounding rounding, unsigned int_bits);

/* --- Estimates and steps ----------------------------------------------------------------------------------------------------- */

uint64_t fp_recip_estimate(struct fp_env *env, const struct fp_format *f, uint64_t op);
uint64_t fp_rsqrt_estimate(struct fp_env *env, const struct fp_format *f, uint64_t op);
uint64_t fp_recip_step_fused(struct fp_env *env, const struct fp_format *f, uint64_t op1,
                             uint64_t op2);
uint64_t fp_rsqrt_step_fused(struct fp_env *env, const struct fp_format *f, uint64_t op1,
                             uint64_t op2);
uint64_t fp_recpx(struct fp_env *env, const struct fp_format *f, uint64_t op);
uint32_t fp_unsigned_recip_estimate(uint32_t op);
uint32_t fp_unsigned_rsqrt_estimate(uint32_t op);

/* --- BFloat16 ---------------------------------------------------------------------------------------------------------------- */

uint32_t fp_bf_dot_add(const struct fp_env *env, uint32_t addend, uint16_t op1_a, uint16_t op1_b,
                       uint16_t op2_a, uint16_t op2_b);
/* Of four sums, each with a pair of numbers (the first one low) in a and in b. */
void fp_bf_dot_add4(const struct fp_env *env, uint32_t sums[4], const uint32_t a[4],
                    const uint32_t b[4]);
uint32_t fp_bf_muladdh(struct fp_env *env, uint32_t addend, uint16_t op1, uint16_t op2);

#endif
