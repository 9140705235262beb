/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reciprocal and reciprocal square root: estimates, computed as the pseudocode defines them, and refinement steps. */
#include "engine/fp/fp_core.h"

/* --- The estimates of the significand ---------------------------------------------------------------------------------------- */

/* RecipEstimate(): a in [256, 512) to [256, 512), or with increased precision [2048, 4096) to [4096, 8192). */
static uint32_t recip_estimate(uint32_t a, bool increased)
{
    const uint32_t divisor =
        a * 2 +
        1; /* the middle of the interval that a stands for; odd, so the quotient is never a tie */

    if (!increased) {
        return ((1u << 19) / divisor + 1) / 2;
    }
    return ((1u << 26) / divisor + 1) / 2;
}

static uint64_t integer_root(u128 x)
{
    uint64_t root = 0;

    for (unsigned bit = 64; bit-- > 0;) {
        const uint64_t next = root | 1ull << bit;

        if ((u128)next * next <= x) {
            root = next;
        }
    }
    return root;
}

/* RecipSqrtEstimate(): a in [128, 512) to [256, 512), or with increased precision [1024, 4096) to [4096, 8192). */
static uint32_t rsqrt_estimate(uint32_t a, bool increased)
{
    if (!increased) {
        a = a < 256 ? a * 2 + 1 : (a | 1) * 2;

        /* The largest b with a * b * b < 2^28; a has 8 bits or more, so b is below 1024. */
        uint32_t b = 512;

        for (uint32_t bit = 256; bit != 0; bit /= 2) {
            if (a * (b + bit) * (b + bit) < 1u << 28) {
                b += bit;
            }
        }
        return (b + 1) / 2;
    }

    /* x is twice the middle of the interval; the root of x/2, in units of 2^-47, rounded. */
    const uint32_t x = a < 2048 ? a * 2 + 1 : (a | 1) * 2;
    const u128 squared = (u128)x << 93;
    uint64_t root = integer_root(squared);

    root += squared - (u128)root * root >
            root; /* the part above root^2 is more than root + 1/4: rounds up */

    /* 2^65 / root, to nearest, ties to even. */
    const u128 dividend = (u128)1 << 65;
    uint64_t estimate = (uint64_t)(dividend / root);
    const uint64_t rest = (uint64_t)(dividend - (u128)estimate * root);

    estimate += rest * 2 > root || (rest * 2 == root && (estimate & 1) != 0);
    return (uint32_t)estimate;
}

uint32_t fp_unsigned_recip_estimate(uint32_t op)
{
    return op >> 31 == 0 ? UINT32_MAX : recip_estimate(op >> 23, false) << 23;
}

uint32_t fp_unsigned_rsqrt_estimate(uint32_t op)
{
    return op >> 30 == 0 ? UINT32_MAX : rsqrt_estimate(op >> 23, false) << 23;
}

/* --- FPRecipEstimate, FPRSqrtEstimate, FPRecpX ------------------------------------------------------------------------------- */

/* FEAT_RPRES: 12 bits in place of 8, of FP32 only and with AH only. */
static bool increased_precision(const struct fp_env *env, const struct fp_format *f)
{
    return fp_ah(env) && f->size == 32;
}

static uint64_t recip(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    const struct fp_num n = fp_unpack(env, f, op);
    const enum fp_rounding rounding = fp_rounding_mode(env);

    if (fp_num_nan(&n)) {
        return fp_process_nan(env, f, n.type, op);
    }
    if (n.type == FP_TYPE_INFINITY) {
        return fp_zero(f, n.sign);
    }
    if (n.type == FP_TYPE_ZERO) {
        env->fpsr |= FPSR_DZC;
        return fp_infinity(f, n.sign);
    }
    if (n.exp < -f->bias - 1) {
        const bool infinity = rounding == FP_TIEEVEN ||
                              rounding == (n.sign ? FP_NEGINF : FP_POSINF);

        env->fpsr |= FPSR_OFC | FPSR_IXC;
        return fp_infinity(f, n.sign) - !infinity;
    }
    if ((env->fpcr & (f->half ? FPCR_FZ16 : FPCR_FZ)) != 0 && n.exp >= f->bias - 1) {
        env->fpsr |= FPSR_UFC;
        return fp_zero(f, n.sign);
    }

    const bool increased = increased_precision(env, f);
    const unsigned bits = increased ? 12 : 8;
    const uint32_t estimate = recip_estimate((uint32_t)(n.sig >> (63 - (increased ? 11 : 8))),
                                             increased);
    uint64_t mant = (uint64_t)estimate << (f->frac_bits - bits); /* with the leading one */
    int32_t exp = f->bias - 1 - n.exp;

    if (exp <= 0) {
        mant >>= 1 - exp; /* exact: the least result is the estimate at 2^(-bias - 1) */
        exp = 0;
    }
    return fp_zero(f, n.sign) | (uint64_t)exp << f->frac_bits |
           (mant & ((1ull << f->frac_bits) - 1));
}

uint64_t fp_recip_estimate(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    struct fp_env e = fp_env_estimate(env);
    const uint64_t result = recip(&e, f, op);

    fp_env_estimate_done(env, &e);
    return result;
}

static uint64_t rsqrt(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    const struct fp_num n = fp_unpack(env, f, op);

    if (fp_num_nan(&n)) {
        return fp_process_nan(env, f, n.type, op);
    }
    if (n.type == FP_TYPE_ZERO) {
        env->fpsr |= FPSR_DZC;
        return fp_infinity(f, n.sign);
    }
    if (n.sign) {
        return fp_invalid(env, f);
    }
    if (n.type == FP_TYPE_INFINITY) {
        return fp_zero(f, false);
    }

    const bool increased = increased_precision(env, f);
    const int32_t exp = n.exp + f->bias;
    /* An even exponent field means an odd power of two: one bit more of the significand. */
    const unsigned scaled_bits = (increased ? 11u : 8u) - (exp & 1);
    const uint32_t estimate = rsqrt_estimate((uint32_t)(n.sig >> (63 - scaled_bits)), increased);
    const unsigned bits = increased ? 12 : 8;
    const uint64_t frac = estimate & ((1u << bits) - 1);

    return (uint64_t)((3 * f->bias - 1 - exp) / 2) << f->frac_bits | frac << (f->frac_bits - bits);
}

uint64_t fp_rsqrt_estimate(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    struct fp_env e = fp_env_estimate(env);
    const uint64_t result = rsqrt(&e, f, op);

    fp_env_estimate_done(env, &e);
    return result;
}

uint64_t fp_recpx(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    struct fp_env e = fp_env_estimate(env);
    const struct fp_num n = fp_unpack(&e, f, op);
    const uint64_t exp_mask = (1ull << f->exp_bits) - 1;
    const uint64_t exp = op >> f->frac_bits & exp_mask;
    uint64_t result;

    if (fp_num_nan(&n)) {
        result = fp_process_nan(&e, f, n.type, op);
    } else {
        result = fp_zero(f, n.sign) | (exp == 0 ? exp_mask - 1 : exp ^ exp_mask) << f->frac_bits;
    }
    fp_env_estimate_done(env, &e);
    return result;
}

/* --- Steps ------------------------------------------------------------------------------------------------------------------- */

/* (constant - op1 * op2) * 2^scale, where infinity times zero counts as zero. */
static uint64_t step(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2,
                     uint64_t constant, int32_t scale)
{
    struct fp_env e = fp_env_estimate(env);
    uint64_t result;

    op1 = fp_neg(&e, f, op1);

    const struct fp_num n1 = fp_unpack(&e, f, op1), n2 = fp_unpack(&e, f, op2);
    const bool inf = n1.type == FP_TYPE_INFINITY || n2.type == FP_TYPE_INFINITY;
    const bool zero = n1.type == FP_TYPE_ZERO || n2.type == FP_TYPE_ZERO;

    if (!fp_process_nans(&e, f, &n1, &n2, op1, op2, &result)) {
        struct fp_real sum = fp_real_from_integer(false, constant, 0);

        if (inf && !zero) {
            result = fp_infinity(f, n1.sign != n2.sign);
        } else {
            if (!inf) {
                sum = fp_real_add(sum, fp_real_mul(&n1, &n2));
            }
            sum.exp += scale;
            result = fp_round_sum(&e, f, sum);
        }
    }
    fp_env_estimate_done(env, &e);
    return result;
}

uint64_t fp_recip_step_fused(struct fp_env *env, const struct fp_format *f, uint64_t op1,
                             uint64_t op2)
{
    return step(env, f, op1, op2, 2, 0);
}

uint64_t fp_rsqrt_step_fused(struct fp_env *env, const struct fp_format *f, uint64_t op1,
                             uint64_t op2)
{
    return step(env, f, op1, op2, 3, -1);
}
