/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Add, multiply, divide, square root, fused multiply-add, minimum, maximum, compare. */
#include "engine/fp/fp_core.h"
#include "engine/fp/fp_host.h"

/* --- Addition ---------------------------------------------------------------------------------------------------------------- */

static uint64_t add(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2,
                    bool subtract)
{
    const struct fp_num n1 = fp_unpack(env, f, op1);
    struct fp_num n2 = fp_unpack(env, f, op2);
    uint64_t result;

    if (fp_process_nans(env, f, &n1, &n2, op1, op2, &result)) {
        return result;
    }
    n2.sign ^= subtract;
    if (n1.type == FP_TYPE_INFINITY || n2.type == FP_TYPE_INFINITY) {
        if (n1.type == n2.type && n1.sign != n2.sign) {
            result = fp_invalid(env, f);
        } else {
            result = fp_infinity(f, n1.type == FP_TYPE_INFINITY ? n1.sign : n2.sign);
        }
    } else if (n1.type == FP_TYPE_ZERO && n2.type == FP_TYPE_ZERO && n1.sign == n2.sign) {
        result = fp_zero(f, n1.sign);
    } else {
        result = fp_round_sum(env, f, fp_real_add(fp_num_real(&n1), fp_num_real(&n2)));
    }
    fp_process_denorm(env, f, n1.type);
    fp_process_denorm(env, f, n2.type);
    return result;
}

uint64_t fp_add(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    uint64_t fast;

    if (fp_host(env, f, FP_HOST_ADD, op1, op2, op1, &fast)) {
        return fast;
    }
    return add(env, f, op1, op2, false);
}

uint64_t fp_sub(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    uint64_t fast;

    if (fp_host(env, f, FP_HOST_SUB, op1, op2, op1, &fast)) {
        return fast;
    }
    return add(env, f, op1, op2, true);
}

/* --- Multiplication ---------------------------------------------------------------------------------------------------------- */

static uint64_t mul(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2,
                    bool extended)
{
    const struct fp_num n1 = fp_unpack(env, f, op1), n2 = fp_unpack(env, f, op2);
    const bool sign = n1.sign != n2.sign;
    const bool inf = n1.type == FP_TYPE_INFINITY || n2.type == FP_TYPE_INFINITY;
    const bool zero = n1.type == FP_TYPE_ZERO || n2.type == FP_TYPE_ZERO;
    uint64_t result;

    if (fp_process_nans(env, f, &n1, &n2, op1, op2, &result)) {
        return result;
    }
    if (inf && zero) {
        if (extended) {
            result = fp_zero(f, sign) | (uint64_t)(f->bias + 1) << f->frac_bits; /* FPTwo() */
        } else {
            result = fp_invalid(env, f);
        }
    } else if (inf) {
        result = fp_infinity(f, sign);
    } else if (zero) {
        result = fp_zero(f, sign);
    } else {
        result = fp_round(env, f, fp_real_mul(&n1, &n2), fp_rounding_mode(env));
    }
    fp_process_denorm(env, f, n1.type);
    fp_process_denorm(env, f, n2.type);
    return result;
}

uint64_t fp_mul(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    uint64_t fast;

    if (fp_host(env, f, FP_HOST_MUL, op1, op2, op1, &fast)) {
        return fast;
    }
    return mul(env, f, op1, op2, false);
}

uint64_t fp_mulx(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return mul(env, f, op1, op2, true);
}

/* --- Division and square root ------------------------------------------------------------------------------------------------ */

static struct fp_real real_div(const struct fp_num *a, const struct fp_num *b)
{
    /* The quotient is in (2^62, 2^64): at least 63 bits, and a sticky one below them. */
    const u128 dividend = (u128)a->sig << 63;
    const uint64_t quotient = (uint64_t)(dividend / b->sig);
    const bool exact = (u128)quotient * b->sig == dividend;
    struct fp_real r = fp_real_from_integer(a->sign != b->sign, quotient, a->exp - b->exp - 63);

    r.sig |= !exact;
    return r;
}

uint64_t fp_div(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    uint64_t fast;

    if (fp_host(env, f, FP_HOST_DIV, op1, op2, op1, &fast)) {
        return fast;
    }

    const struct fp_num n1 = fp_unpack(env, f, op1), n2 = fp_unpack(env, f, op2);
    const bool sign = n1.sign != n2.sign;
    const bool inf1 = n1.type == FP_TYPE_INFINITY, inf2 = n2.type == FP_TYPE_INFINITY;
    const bool zero1 = n1.type == FP_TYPE_ZERO, zero2 = n2.type == FP_TYPE_ZERO;
    uint64_t result;

    if (fp_process_nans(env, f, &n1, &n2, op1, op2, &result)) {
        return result;
    }
    if ((inf1 && inf2) || (zero1 && zero2)) {
        result = fp_invalid(env, f);
    } else if (inf1 || zero2) {
        if (!inf1) {
            env->fpsr |= FPSR_DZC;
        }
        result = fp_infinity(f, sign);
    } else if (zero1 || inf2) {
        result = fp_zero(f, sign);
    } else {
        result = fp_round(env, f, real_div(&n1, &n2), fp_rounding_mode(env));
    }
    if (!zero2) {
        fp_process_denorm(env, f, n1.type);
        fp_process_denorm(env, f, n2.type);
    }
    return result;
}

static struct fp_real real_sqrt(const struct fp_format *f, const struct fp_num *n)
{
    /* The value is x / 2^126 * 2^exp with exp even and 2^126 <= x < 2^128; its root is root(x) / 2^63 * 2^(exp / 2). */
    const int32_t odd = n->exp & 1;
    const u128 x = (u128)n->sig << (63 + odd);
    const unsigned lowest = 63u - (f->frac_bits +
                                   2u); /* the fraction and two bits below it; the rest is sticky */
    uint64_t root = 1ull << 63;
    u128 square = (u128)1 << 126; /* of root */

    for (unsigned bit = 62; bit >= lowest; bit--) {
        const u128 step = ((u128)root << (bit + 1)) +
                          ((u128)1 << (2 * bit)); /* (root + 2^bit)^2 - root^2 */

        if (x - square >= step) {
            square += step;
            root |= 1ull << bit;
        }
    }
    return (struct fp_real){.sig = (u128)root << 64 | (square != x), .exp = (n->exp - odd) / 2};
}

uint64_t fp_sqrt(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    uint64_t fast;

    if (fp_host(env, f, FP_HOST_SQRT, op, op, op, &fast)) {
        return fast;
    }

    const struct fp_num n = fp_unpack(env, f, op);
    uint64_t result;

    if (fp_num_nan(&n)) {
        return fp_process_nan(env, f, n.type, op);
    }
    if (n.type == FP_TYPE_ZERO) {
        return fp_zero(f, n.sign);
    }
    if (n.sign) {
        return fp_invalid(env, f);
    }
    if (n.type == FP_TYPE_INFINITY) {
        return fp_infinity(f, false);
    }
    result = fp_round(env, f, real_sqrt(f, &n), fp_rounding_mode(env));
    fp_process_denorm(env, f, n.type);
    return result;
}

/* --- Fused multiply-add ------------------------------------------------------------------------------------------------------ */

uint64_t fp_muladd_numbers(struct fp_env *env, const struct fp_format *f,
                           const struct fp_num *addend, const struct fp_num *n1,
                           const struct fp_num *n2, bool *invalid)
{
    const bool sign = n1->sign != n2->sign;
    const bool inf = n1->type == FP_TYPE_INFINITY || n2->type == FP_TYPE_INFINITY;
    const bool zero = n1->type == FP_TYPE_ZERO || n2->type == FP_TYPE_ZERO;
    const bool inf_addend = addend->type == FP_TYPE_INFINITY;

    *invalid = (inf && zero) || (inf_addend && inf && addend->sign != sign);
    if (*invalid) {
        return fp_invalid(env, f);
    }
    if (inf_addend || inf) {
        return fp_infinity(f, inf_addend ? addend->sign : sign);
    }
    if (zero && addend->type == FP_TYPE_ZERO && addend->sign == sign) {
        return fp_zero(f, sign);
    }
    return fp_round_sum(env, f, fp_real_add(fp_num_real(addend), fp_real_mul(n1, n2)));
}

/*
 * FPProcessNaNs3() and FPProcessNaNs3H(), with what FPMulAdd() adds to them: a quiet NaN as addend of infinity times zero gives
 * the default NaN and an Invalid Operation exception, unless AH is set. f: of the addend and the result; g: of the factors.
 */
static bool process_nans3(struct fp_env *env, const struct fp_format *f, const struct fp_format *g,
                          const struct fp_num n[3], const uint64_t op[3], uint64_t *result)
{
    const bool nan[3] = {fp_num_nan(&n[0]), fp_num_nan(&n[1]), fp_num_nan(&n[2])};
    bool snan = false;
    unsigned from = 3;

    if (!nan[0] && !nan[1] && !nan[2]) {
        return false;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (n[i].type == FP_TYPE_SNAN && !snan) {
            snan = true;
            from = i;
        }
    }
    if (fp_ah(env)) {
        /* By position, the factors before the addend. */
        from = nan[1] ? 1 : nan[2] ? 2 : 0;
    } else if (!snan) {
        from = nan[0] ? 0 : nan[1] ? 1 : 2;
    }
    if (from == 0) {
        *result = fp_process_nan(env, f, snan ? FP_TYPE_SNAN : FP_TYPE_QNAN, op[0]);
    } else {
        *result = fp_process_nan(env, g, snan ? FP_TYPE_SNAN : FP_TYPE_QNAN, op[from]);
        if (f != g) {
            *result = fp_convert_nan(f, g, *result);
        }
    }
    if (!fp_ah(env) && n[0].type == FP_TYPE_QNAN &&
        ((n[1].type == FP_TYPE_INFINITY && n[2].type == FP_TYPE_ZERO) ||
         (n[1].type == FP_TYPE_ZERO && n[2].type == FP_TYPE_INFINITY))) {
        *result = fp_invalid(env, f);
    }
    return true;
}

static inline uint64_t muladd(struct fp_env *env, const struct fp_format *f,
                              const struct fp_format *g, uint64_t addend, uint64_t op1,
                              uint64_t op2)
{
    const uint64_t op[3] = {addend, op1, op2};
    const struct fp_num n[3] = {fp_unpack(env, f, addend), fp_unpack(env, g, op1),
                                fp_unpack(env, g, op2)};
    uint64_t result;
    bool invalid;

    if (process_nans3(env, f, g, n, op, &result)) {
        return result;
    }
    result = fp_muladd_numbers(env, f, &n[0], &n[1], &n[2], &invalid);
    if (!invalid) {
        fp_process_denorm(env, f, n[0].type);
        fp_process_denorm(env, g, n[1].type);
        fp_process_denorm(env, g, n[2].type);
    }
    return result;
}

uint64_t fp_muladd(struct fp_env *env, const struct fp_format *f, uint64_t addend, uint64_t op1,
                   uint64_t op2)
{
    uint64_t fast;

    if (fp_host(env, f, FP_HOST_MULADD, op1, op2, addend, &fast)) {
        return fast;
    }
    return muladd(env, f, f, addend, op1, op2);
}

uint64_t fp_muladdh(struct fp_env *env, uint64_t addend, uint64_t op1, uint64_t op2)
{
    return muladd(env, &fp_formats[FP_S], &fp_formats[FP_H], addend, op1, op2);
}

/* --- Minimum and maximum ----------------------------------------------------------------------------------------------------- */

/* FPMax() and FPMin(). alternate: the rules of FPCR.AH, which FPMaxNum() and FPMinNum() do not follow. */
static uint64_t max_min(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2,
                        bool max, bool alternate)
{
    const struct fp_num n1 = fp_unpack(env, f, op1), n2 = fp_unpack(env, f, op2);
    uint64_t result;

    if (alternate) {
        /* Like the x86 instructions: the second operand when the two do not compare as less or greater. */
        if (n1.type == FP_TYPE_ZERO && n2.type == FP_TYPE_ZERO && n1.sign != n2.sign) {
            return fp_zero(f, n2.sign);
        }
        if (fp_num_nan(&n1) || fp_num_nan(&n2)) {
            env->fpsr |= FPSR_IOC;
            return n2.type == FP_TYPE_ZERO ? fp_zero(f, n2.sign) : op2;
        }
    }
    if (fp_process_nans(env, f, &n1, &n2, op1, op2, &result)) {
        return result;
    }

    const int order = fp_num_compare(&n1, &n2);
    const struct fp_num *const n = (max ? order > 0 : order < 0) ? &n1 : &n2;

    if (n->type == FP_TYPE_INFINITY) {
        result = fp_infinity(f, n->sign);
    } else if (n->type == FP_TYPE_ZERO) {
        result = fp_zero(f, max ? n1.sign && n2.sign : n1.sign || n2.sign);
    } else {
        const uint32_t fpcr = env->fpcr;

        if (alternate) {
            env->fpcr &= ~(FPCR_FZ | FPCR_FZ16);
        }
        result = fp_round(env, f, fp_num_real(n), fp_rounding_mode(env));
        env->fpcr = fpcr;
    }
    fp_process_denorm(env, f, n1.type);
    fp_process_denorm(env, f, n2.type);
    return result;
}

uint64_t fp_max(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return max_min(env, f, op1, op2, true, fp_ah(env));
}

uint64_t fp_min(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return max_min(env, f, op1, op2, false, fp_ah(env));
}

static inline bool quiet_nan(const struct fp_format *f, uint64_t op)
{
    return fp_is_nan(f, op) && (op >> (f->frac_bits - 1) & 1u) != 0;
}

/* FPMaxNum() and FPMinNum(): a quiet NaN loses against a number. */
static uint64_t max_min_num(struct fp_env *env, const struct fp_format *f, uint64_t op1,
                            uint64_t op2, bool max)
{
    if (!fp_ah(env) || !fp_is_nan(f, op1) || !fp_is_nan(f, op2)) {
        const bool quiet1 = quiet_nan(f, op1), quiet2 = quiet_nan(f, op2);

        if (quiet1 && !quiet2) {
            op1 = fp_infinity(f, max);
        } else if (!quiet1 && quiet2) {
            op2 = fp_infinity(f, max);
        }
    }
    return max_min(env, f, op1, op2, max, false);
}

uint64_t fp_maxnum(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return max_min_num(env, f, op1, op2, true);
}

uint64_t fp_minnum(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    return max_min_num(env, f, op1, op2, false);
}

/* --- Comparison -------------------------------------------------------------------------------------------------------------- */

/* True when the operands compare: *order is -1, 0 or 1. Else one of them is a NaN. */
static bool compare(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2,
                    bool signal_nans, int *order)
{
    const struct fp_num n1 = fp_unpack(env, f, op1), n2 = fp_unpack(env, f, op2);

    if (fp_num_nan(&n1) || fp_num_nan(&n2)) {
        if (signal_nans || n1.type == FP_TYPE_SNAN || n2.type == FP_TYPE_SNAN) {
            env->fpsr |= FPSR_IOC;
        }
        return false;
    }
    *order = fp_num_compare(&n1, &n2);
    fp_process_denorm(env, f, n1.type);
    fp_process_denorm(env, f, n2.type);
    return true;
}

unsigned fp_compare(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2,
                    bool signal_nans)
{
    int order;

    if (!compare(env, f, op1, op2, signal_nans, &order)) {
        return 0x3;
    }
    return order == 0 ? 0x6 : order < 0 ? 0x8 : 0x2;
}

bool fp_compare_eq(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    int order;

    return compare(env, f, op1, op2, false, &order) && order == 0;
}

bool fp_compare_ge(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    int order;

    return compare(env, f, op1, op2, true, &order) && order >= 0;
}

bool fp_compare_gt(struct fp_env *env, const struct fp_format *f, uint64_t op1, uint64_t op2)
{
    int order;

    return compare(env, f, op1, op2, true, &order) && order > 0;
}
