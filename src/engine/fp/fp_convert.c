/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Conversions between formats, to and from integers and fixed point, and to integral values. */
#include "engine/fp/fp_core.h"

/* --- Between formats --------------------------------------------------------------------------------------------------------- */

uint64_t fp_convert(struct fp_env *env, const struct fp_format *to, const struct fp_format *from,
                    uint64_t op, enum fp_rounding rounding)
{
    const struct fp_num n = fp_unpack_cv(env, from, op);
    const bool to_ahp = to->half && (env->fpcr & FPCR_AHP) !=
                                        0; /* that format has neither infinities nor NaNs */
    uint64_t result;

    switch (n.type) {
    case FP_TYPE_QNAN:
    case FP_TYPE_SNAN:
        if (n.type == FP_TYPE_SNAN || to_ahp) {
            env->fpsr |= FPSR_IOC;
        }
        if (to_ahp) {
            return fp_zero(to, n.sign);
        }
        return env->fpcr & FPCR_DN ? fp_default_nan(env, to) : fp_convert_nan(to, from, op);
    case FP_TYPE_INFINITY:
        if (to_ahp) {
            env->fpsr |= FPSR_IOC;
            return fp_zero(to, n.sign) | (fp_sign_bit(to) - 1);
        }
        return fp_infinity(to, n.sign);
    case FP_TYPE_ZERO:
        return fp_zero(to, n.sign);
    default:
        result = fp_round_cv(env, to, fp_num_real(&n), rounding);
        fp_process_denorm(env, from, n.type);
        return result;
    }
}

uint64_t fp_convert_bf(struct fp_env *env, uint64_t op)
{
    const struct fp_format *const from = &fp_formats[FP_S], *const to = &fp_formats[FP_BF];
    struct fp_env e = fp_env_estimate(env);
    const struct fp_num n = fp_unpack(&e, from, op);
    uint64_t result;

    switch (n.type) {
    case FP_TYPE_QNAN:
    case FP_TYPE_SNAN:
        if (n.type == FP_TYPE_SNAN) {
            e.fpsr |= FPSR_IOC;
        }
        result = e.fpcr & FPCR_DN ? fp_default_nan(&e, to) : fp_convert_nan(to, from, op);
        break;
    case FP_TYPE_INFINITY:
        result = fp_infinity(to, n.sign);
        break;
    case FP_TYPE_ZERO:
        result = fp_zero(to, n.sign);
        break;
    default:
        result = fp_round(&e, to, fp_num_real(&n), fp_rounding_mode(&e));
        break;
    }
    fp_env_estimate_done(env, &e);
    return result;
}

/* --- Integers ---------------------------------------------------------------------------------------------------------------- */

/* The magnitude of n * 2^fbits rounded to an integer; UINT64_MAX + 1 stands for all that is larger. n is not a NaN. */
static u128 round_magnitude(const struct fp_num *n, unsigned fbits, enum fp_rounding rounding,
                            bool *inexact)
{
    const int32_t exp = n->exp + (int32_t)fbits;
    u128 integer = 0;
    uint64_t rest; /* what is below the integer, in units of 2^-64, sticky */
    bool up;

    *inexact = false;
    if (n->type == FP_TYPE_INFINITY || (n->sig != 0 && exp > 63)) {
        return (u128)1 << 64;
    }
    if (n->sig == 0) {
        return 0;
    }
    if (exp >= 0) {
        integer = n->sig >> (63 - exp);
        rest = exp == 63 ? 0 : n->sig << (exp + 1);
    } else if (exp == -1) {
        rest = n->sig;
    } else {
        rest = 1;
    }

    const uint64_t half = 1ull << 63;

    *inexact = rest != 0;
    switch (rounding) {
    case FP_TIEEVEN:
        up = rest > half || (rest == half && (integer & 1) != 0);
        break;
    case FP_POSINF:
        up = rest != 0 && !n->sign;
        break;
    case FP_NEGINF:
        up = rest != 0 && n->sign;
        break;
    case FP_TIEAWAY:
        up = rest >= half;
        break;
    default:
        up = false;
        break;
    }
    return integer + up;
}

uint64_t fp_to_fixed(struct fp_env *env, const struct fp_format *f, uint64_t op, unsigned fbits,
                     bool is_unsigned, enum fp_rounding rounding, unsigned int_bits)
{
    const struct fp_num n = fp_unpack_quiet(env, f, op);
    const uint64_t mask = int_bits == 64 ? ~0ull : (1ull << int_bits) - 1;
    const uint64_t sign_bit = 1ull << (int_bits - 1);
    bool inexact;
    u128 max;

    if (fp_num_nan(&n)) {
        env->fpsr |= FPSR_IOC;
        return 0;
    }

    const u128 magnitude = round_magnitude(&n, fbits, rounding, &inexact);

    if (is_unsigned) {
        max = n.sign ? 0 : mask;
    } else {
        max = n.sign ? sign_bit : sign_bit - 1;
    }
    if (magnitude > max) {
        env->fpsr |= FPSR_IOC;
    } else if (inexact) {
        env->fpsr |= FPSR_IXC;
    }

    const uint64_t value = (uint64_t)(magnitude > max ? max : magnitude);

    return (n.sign ? 0 - value : value) & mask;
}

uint64_t fp_from_fixed(struct fp_env *env, const struct fp_format *f, uint64_t op, unsigned fbits,
                       bool is_unsigned, enum fp_rounding rounding, unsigned int_bits)
{
    const uint64_t mask = int_bits == 64 ? ~0ull : (1ull << int_bits) - 1;
    const bool sign = !is_unsigned && (op >> (int_bits - 1) & 1u) != 0;
    const uint64_t magnitude = (sign ? 0 - op : op) & mask;

    if (magnitude == 0) {
        return fp_zero(f, false);
    }
    return fp_round(env, f, fp_real_from_integer(sign, magnitude, -(int32_t)fbits), rounding);
}

uint32_t fp_to_fixed_js(struct fp_env *env, uint64_t op, bool *z)
{
    const struct fp_format *const f = &fp_formats[FP_D];
    const struct fp_num n = fp_unpack_quiet(env, f, op);
    uint64_t integer = 0; /* the truncated magnitude, modulo 2^64 */
    bool in_range = false, exact = true;

    switch (n.type) {
    case FP_TYPE_QNAN:
    case FP_TYPE_SNAN:
    case FP_TYPE_INFINITY:
        break;
    case FP_TYPE_ZERO:
        in_range = true;
        break;
    default:
        if (n.exp < 64) {
            bool inexact;

            integer = (uint64_t)round_magnitude(&n, 0, FP_TOZERO, &inexact);
            exact = !inexact;
            in_range = integer <= 0x7fffffffull + n.sign;
        } else if (n.exp < 127) {
            integer = n.sig << (n.exp - 63);
        }
        break;
    }
    if (!in_range) {
        env->fpsr |= FPSR_IOC;
    } else if (!exact) {
        env->fpsr |= FPSR_IXC;
    }
    /* Z says that the conversion was exact; minus zero, and a denormal flushed to zero, are not. */
    *z = in_range && exact && (op == 0 || n.type != FP_TYPE_ZERO);
    return (uint32_t)(n.sign ? 0 - integer : integer);
}

/* --- Integral values --------------------------------------------------------------------------------------------------------- */

uint64_t fp_round_int(struct fp_env *env, const struct fp_format *f, uint64_t op,
                      enum fp_rounding rounding, bool exact)
{
    const struct fp_num n = fp_unpack_quiet(env, f, op);
    bool inexact;

    if (fp_num_nan(&n)) {
        return fp_process_nan(env, f, n.type, op);
    }
    if (n.type == FP_TYPE_ZERO) {
        return fp_zero(f, n.sign);
    }
    if (n.type == FP_TYPE_INFINITY || n.exp >= f->frac_bits) {
        return op; /* has no fraction */
    }

    const uint64_t magnitude = (uint64_t)round_magnitude(&n, 0, rounding, &inexact);

    if (inexact && exact) {
        env->fpsr |= FPSR_IXC;
    }
    if (magnitude == 0) {
        return fp_zero(f, n.sign);
    }
    return fp_round(env, f, fp_real_from_integer(n.sign, magnitude, 0), FP_TOZERO);
}

uint64_t fp_round_int_n(struct fp_env *env, const struct fp_format *f, uint64_t op,
                        enum fp_rounding rounding, unsigned int_bits)
{
    const struct fp_num n = fp_unpack_quiet(env, f, op);
    /* What is out of range becomes the most negative integer. */
    const uint64_t out_of_range = fp_zero(f, true) | (uint64_t)(f->bias + (int)int_bits - 1)
                                                         << f->frac_bits;
    bool inexact;

    if (fp_num_nan(&n)) {
        env->fpsr |= FPSR_IOC;
        return out_of_range;
    }
    if (n.type == FP_TYPE_ZERO) {
        return fp_zero(f, n.sign);
    }

    const u128 magnitude = round_magnitude(&n, 0, rounding, &inexact);
    const uint64_t limit = 1ull << (int_bits - 1);

    if (magnitude > (n.sign ? limit : limit - 1)) {
        env->fpsr |= FPSR_IOC;
        return out_of_range;
    }
    if (inexact) {
        env->fpsr |= FPSR_IXC;
    }
    if (magnitude == 0) {
        return fp_zero(f, n.sign);
    }
    return fp_round(env, f, fp_real_from_integer(n.sign, (uint64_t)magnitude, 0), FP_TOZERO);
}
