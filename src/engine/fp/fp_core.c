/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/fp/fp_core.h"

const struct fp_format fp_formats[4] = {
    [FP_BF] = {.size = 16, .exp_bits = 8, .frac_bits = 7, .half = false, .bias = 127},
    [FP_H] = {.size = 16, .exp_bits = 5, .frac_bits = 10, .half = true, .bias = 15},
    [FP_S] = {.size = 32, .exp_bits = 8, .frac_bits = 23, .half = false, .bias = 127},
    [FP_D] = {.size = 64, .exp_bits = 11, .frac_bits = 52, .half = false, .bias = 1023},
};

/* --- Unpacking --------------------------------------------------------------------------------------------------------------- */

/* True when a denormal operand counts as zero; raises Input Denormal where that is due. FPUnpackBase(). */
static bool flush_input(struct fp_env *env, const struct fp_format *f, bool fz16)
{
    if (f->half) {
        return fz16;
    }
    /* With AH, FZ flushes results only and FIZ flushes operands; FIZ never signals. */
    if ((env->fpcr & FPCR_FZ) && !fp_ah(env)) {
        env->fpsr |= FPSR_IDC;
        return true;
    }
    return (env->fpcr & FPCR_FIZ) != 0;
}

static inline struct fp_num unpack(struct fp_env *env, const struct fp_format *f, uint64_t op,
                                   bool ahp, bool fz16)
{
    const uint64_t exp_mask = (1ull << f->exp_bits) - 1;
    const uint64_t frac = op & ((1ull << f->frac_bits) - 1);
    const uint64_t exp = op >> f->frac_bits & exp_mask;
    struct fp_num n = {.sign = (op & fp_sign_bit(f)) != 0};

    if (exp == 0) {
        if (frac == 0 || flush_input(env, f, fz16)) {
            n.type = FP_TYPE_ZERO;
            return n;
        }
        const int lead = __builtin_clzll(frac);

        n.type = FP_TYPE_DENORMAL;
        n.sig = frac << lead;
        n.exp = 1 - f->bias - f->frac_bits + 63 - lead;
    } else if (exp == exp_mask && !(f->half && ahp)) {
        if (frac == 0) {
            n.type = FP_TYPE_INFINITY;
        } else {
            n.type = frac >> (f->frac_bits - 1) ? FP_TYPE_QNAN : FP_TYPE_SNAN;
        }
    } else {
        n.type = FP_TYPE_NONZERO;
        n.sig = 1ull << 63 | frac << (63 - f->frac_bits);
        n.exp = (int32_t)exp - f->bias;
    }
    return n;
}

struct fp_num fp_unpack(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    return unpack(env, f, op, false, (env->fpcr & FPCR_FZ16) != 0);
}

struct fp_num fp_unpack_cv(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    return unpack(env, f, op, (env->fpcr & FPCR_AHP) != 0, false);
}

struct fp_num fp_unpack_quiet(struct fp_env *env, const struct fp_format *f, uint64_t op)
{
    const uint32_t before = env->fpsr;
    const struct fp_num n = fp_unpack(env, f, op);

    if (fp_ah(env)) {
        env->fpsr = before;
    }
    return n;
}

/* --- Rounding ---------------------------------------------------------------------------------------------------------------- */

static inline u128 shift_right_jam(u128 value, unsigned n)
{
    if (n == 0) {
        return value;
    }
    if (n > 127) {
        return value != 0;
    }
    return value >> n | ((value & (((u128)1 << n) - 1)) != 0);
}

static inline bool rounds_up(enum fp_rounding rounding, bool sign, bool odd, u128 rest, u128 half)
{
    switch (rounding) {
    case FP_TIEEVEN:
        return rest > half || (rest == half && odd);
    case FP_POSINF:
        return rest != 0 && !sign;
    case FP_NEGINF:
        return rest != 0 && sign;
    default: /* ZERO; ODD is applied afterwards */
        return false;
    }
}

static inline bool overflows_to_infinity(enum fp_rounding rounding, bool sign)
{
    return rounding == FP_TIEEVEN || (rounding == FP_POSINF && !sign) ||
           (rounding == FP_NEGINF && sign);
}

/* True when the value, rounded as if the exponent had no lower bound, is below the least normal number: tininess after rounding. */
static bool tiny_after_rounding(const struct fp_format *f, const struct fp_real *value,
                                enum fp_rounding rounding)
{
    const unsigned shift = 127u - f->frac_bits;
    const u128 mant = value->sig >> shift;
    const u128 rest = value->sig & (((u128)1 << shift) - 1);
    const bool carries = mant + 1 == (u128)2 << f->frac_bits;
    int32_t exp = value->exp;

    if (carries && rounds_up(rounding, value->sign, mant & 1, rest, (u128)1 << (shift - 1))) {
        exp++;
    }
    return exp < 1 - f->bias;
}

/* FPRoundBase(). */
static inline uint64_t round_base(struct fp_env *env, const struct fp_format *f,
                                  struct fp_real value, enum fp_rounding rounding, bool ahp,
                                  bool fz16)
{
    const int32_t min_exp = 1 - f->bias;
    const uint64_t exp_max = (1ull << f->exp_bits) - 1;
    const bool flush = f->half ? fz16 : (env->fpcr & FPCR_FZ) != 0;
    const unsigned shift = 127u - f->frac_bits;
    uint64_t biased = 0;
    u128 sig = value.sig;

    if (value.exp < min_exp) {
        if (!fp_ah(env) && flush) {
            env->fpsr |= FPSR_UFC;
            return fp_zero(f, value.sign);
        }
        sig = shift_right_jam(sig, (unsigned)(min_exp - value.exp));
    } else {
        biased = (uint64_t)(value.exp - min_exp + 1);
    }

    uint64_t mant = (uint64_t)(sig >> shift);
    const u128 rest = sig & (((u128)1 << shift) - 1);
    bool inexact = rest != 0;

    if (biased == 0) {
        /* Tininess is detected before rounding, but after it with AH. */
        if (!fp_ah(env)) {
            if (inexact) {
                env->fpsr |= FPSR_UFC;
            }
        } else if (tiny_after_rounding(f, &value, rounding)) {
            if (flush) {
                env->fpsr |= FPSR_UFC | FPSR_IXC;
                return fp_zero(f, value.sign);
            }
            if (inexact) {
                env->fpsr |= FPSR_UFC;
            }
        }
    }
    if (rounds_up(rounding, value.sign, mant & 1, rest, (u128)1 << (shift - 1))) {
        mant++;
        if (mant == 1ull << f->frac_bits) {
            biased = 1;
        } else if (mant == 2ull << f->frac_bits) {
            biased++;
            mant >>= 1;
        }
    } else if (rounding == FP_ODD && inexact) {
        mant |= 1;
    }

    uint64_t result = fp_zero(f, value.sign) | biased << f->frac_bits |
                      (mant & ((1ull << f->frac_bits) - 1));

    if (f->half && ahp) {
        if (biased > exp_max) {
            env->fpsr |= FPSR_IOC;
            result = fp_zero(f, value.sign) | (fp_sign_bit(f) - 1);
            inexact = false;
        }
    } else if (biased >= exp_max) {
        env->fpsr |= FPSR_OFC;
        inexact = true;
        result = fp_infinity(f, value.sign) - !overflows_to_infinity(rounding, value.sign);
    }
    if (inexact) {
        env->fpsr |= FPSR_IXC;
    }
    return result;
}

uint64_t fp_round(struct fp_env *env, const struct fp_format *f, struct fp_real value,
                  enum fp_rounding rounding)
{
    return round_base(env, f, value, rounding, false, (env->fpcr & FPCR_FZ16) != 0);
}

uint64_t fp_round_cv(struct fp_env *env, const struct fp_format *f, struct fp_real value,
                     enum fp_rounding rounding)
{
    return round_base(env, f, value, rounding, (env->fpcr & FPCR_AHP) != 0, false);
}

uint64_t fp_round_sum(struct fp_env *env, const struct fp_format *f, struct fp_real value)
{
    const enum fp_rounding rounding = fp_rounding_mode(env);

    if (value.sig == 0) {
        return fp_zero(f, rounding == FP_NEGINF);
    }
    return fp_round(env, f, value, rounding);
}

/* --- NaNs and exceptions ----------------------------------------------------------------------------------------------------- */

uint64_t fp_process_nan(struct fp_env *env, const struct fp_format *f, enum fp_type type,
                        uint64_t op)
{
    if (type == FP_TYPE_SNAN) {
        env->fpsr |= FPSR_IOC;
        op |= 1ull << (f->frac_bits - 1);
    }
    return env->fpcr & FPCR_DN ? fp_default_nan(env, f) : op;
}

uint64_t fp_convert_nan(const struct fp_format *to, const struct fp_format *from, uint64_t op)
{
    /* The fraction below the quiet bit keeps its place from the top. */
    uint64_t frac = op & ((1ull << (from->frac_bits - 1)) - 1);

    if (to->frac_bits >= from->frac_bits) {
        frac <<= to->frac_bits - from->frac_bits;
    } else {
        frac >>= from->frac_bits - to->frac_bits;
    }
    return fp_infinity(to, (op & fp_sign_bit(from)) != 0) | 1ull << (to->frac_bits - 1) | frac;
}

bool fp_process_nans(struct fp_env *env, const struct fp_format *f, const struct fp_num *n1,
                     const struct fp_num *n2, uint64_t op1, uint64_t op2, uint64_t *result)
{
    if (!fp_num_nan(n1) && !fp_num_nan(n2)) {
        return false;
    }

    const enum fp_type type = n1->type == FP_TYPE_SNAN || n2->type == FP_TYPE_SNAN ? FP_TYPE_SNAN
                                                                                   : FP_TYPE_QNAN;
    bool first;

    if (fp_ah(env)) {
        first = fp_num_nan(n1); /* by position alone */
    } else {
        first = n1->type == type; /* signaling before quiet, then by position */
    }
    *result = fp_process_nan(env, f, type, first ? op1 : op2);
    return true;
}

void fp_process_denorm(struct fp_env *env, const struct fp_format *f, enum fp_type type)
{
    if (type == FP_TYPE_DENORMAL && fp_ah(env) && !f->half) {
        env->fpsr |= FPSR_IDC;
    }
}

uint64_t fp_invalid(struct fp_env *env, const struct fp_format *f)
{
    env->fpsr |= FPSR_IOC;
    return fp_default_nan(env, f);
}

/* --- Exact arithmetic -------------------------------------------------------------------------------------------------------- */

static inline struct fp_real normalize(bool sign, u128 sig, int32_t exp)
{
    if (sig == 0) {
        return (struct fp_real){0};
    }
    const uint64_t high = (uint64_t)(sig >> 64);
    const int lead = high ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)sig);

    return (struct fp_real){.sig = sig << lead, .exp = exp - lead, .sign = sign};
}

struct fp_real fp_num_real(const struct fp_num *n)
{
    return (struct fp_real){.sig = (u128)n->sig << 64, .exp = n->exp, .sign = n->sign};
}

struct fp_real fp_real_mul(const struct fp_num *a, const struct fp_num *b)
{
    return normalize(a->sign != b->sign, (u128)a->sig * b->sig, a->exp + b->exp + 1);
}

struct fp_real fp_real_add(struct fp_real a, struct fp_real b)
{
    if (b.sig == 0) {
        return a;
    }
    if (a.sig == 0) {
        return b;
    }
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        const struct fp_real swap = a;

        a = b;
        b = swap;
    }

    /*
     * One bit of room for the carry: nothing of a is lost. Of b bits are lost only when a.exp - b.exp is large; then the
     * difference has at most one leading zero, and the sticky bit stays below all bits that rounding looks at.
     */
    const u128 high = a.sig >> 1;
    const u128 low = shift_right_jam(b.sig, (unsigned)(a.exp - b.exp) + 1);

    return normalize(a.sign, a.sign == b.sign ? high + low : high - low, a.exp + 1);
}

struct fp_real fp_real_from_integer(bool sign, uint64_t magnitude, int32_t exp)
{
    return normalize(sign, (u128)magnitude << 64, exp + 63);
}

int fp_num_compare(const struct fp_num *a, const struct fp_num *b)
{
    const bool zero_a = a->type == FP_TYPE_ZERO, zero_b = b->type == FP_TYPE_ZERO;
    int magnitude;

    if (zero_a || zero_b) {
        if (zero_a && zero_b) {
            return 0;
        }
        return zero_a ? (b->sign ? 1 : -1) : (a->sign ? -1 : 1);
    }
    if (a->sign != b->sign) {
        return a->sign ? -1 : 1;
    }
    if (a->type == FP_TYPE_INFINITY || b->type == FP_TYPE_INFINITY) {
        magnitude = (a->type == FP_TYPE_INFINITY) - (b->type == FP_TYPE_INFINITY);
    } else if (a->exp != b->exp) {
        magnitude = a->exp > b->exp ? 1 : -1;
    } else {
        magnitude = (a->sig > b->sig) - (a->sig < b->sig);
    }
    return a->sign ? -magnitude : magnitude;
}
