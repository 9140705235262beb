/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Inside src/engine/fp: the decomposed form. */
#ifndef ENGINE_FP_FP_CORE_H
#define ENGINE_FP_FP_CORE_H

#include "engine/fp/fp.h"

typedef unsigned __int128 u128;

/* FPType. Order counts: everything from FP_TYPE_QNAN on is a NaN. */
enum fp_type {
    FP_TYPE_ZERO,
    FP_TYPE_DENORMAL,
    FP_TYPE_NONZERO,
    FP_TYPE_INFINITY,
    FP_TYPE_QNAN,
    FP_TYPE_SNAN
};

/* An unpacked operand. Of a nonzero finite one the value is sig / 2^63 * 2^exp, bit 63 of sig being set. */
struct fp_num {
    enum fp_type type;
    bool sign;
    int32_t exp;
    uint64_t sig; /* 0 unless nonzero and finite */
};

/*
 * The value of a result before rounding: sig / 2^127 * 2^exp, bit 127 of sig being set, or zero when sig is 0. Bit 0 is sticky:
 * it is also set when bits below it were lost. All formats round far above bit 2.
 */
struct fp_real {
    u128 sig;
    int32_t exp;
    bool sign;
};

static inline bool fp_num_nan(const struct fp_num *n)
{
    return n->type >= FP_TYPE_QNAN;
}

static inline bool fp_ah(const struct fp_env *env)
{
    return (env->fpcr & FPCR_AH) != 0;
}

/*
 * Several operations with FPCR.AH = 1 raise no exceptions, flush denormals both ways, and round to nearest: they run on a copy
 * of the environment made here, whose flags are dropped when AH is set.
 */
static inline struct fp_env fp_env_estimate(const struct fp_env *env)
{
    struct fp_env e = *env;

    if (fp_ah(env)) {
        e.fpcr = (e.fpcr & ~FPCR_RMODE) | FPCR_FIZ | FPCR_FZ;
    }
    return e;
}

static inline void fp_env_estimate_done(struct fp_env *env, const struct fp_env *e)
{
    if (!fp_ah(env)) {
        env->fpsr |= e->fpsr;
    }
}

/* FPUnpack(): AHP is ignored. fp_unpack_cv: FPUnpackCV(), with AHP and without FZ16. */
struct fp_num fp_unpack(struct fp_env *env, const struct fp_format *f, uint64_t op);
struct fp_num fp_unpack_cv(struct fp_env *env, const struct fp_format *f, uint64_t op);

/* FPUnpack() of the operations that, with AH, raise no Input Denormal exception: conversions to integer and integral values. */
struct fp_num fp_unpack_quiet(struct fp_env *env, const struct fp_format *f, uint64_t op);

/* FPRound() of a nonzero value; rounding is not TIEAWAY. fp_round_cv: FPRoundCV(). */
uint64_t fp_round(struct fp_env *env, const struct fp_format *f, struct fp_real value,
                  enum fp_rounding rounding);
uint64_t fp_round_cv(struct fp_env *env, const struct fp_format *f, struct fp_real value,
                     enum fp_rounding rounding);

/* fp_round, and the zero of the right sign for a sum that is exactly zero. */
uint64_t fp_round_sum(struct fp_env *env, const struct fp_format *f, struct fp_real value);

/* FPProcessNaN(), FPConvertNaN(). */
uint64_t fp_process_nan(struct fp_env *env, const struct fp_format *f, enum fp_type type,
                        uint64_t op);
uint64_t fp_convert_nan(const struct fp_format *to, const struct fp_format *from, uint64_t op);

/* FPProcessNaNs(): true when an operand is a NaN, and *result its outcome. */
bool fp_process_nans(struct fp_env *env, const struct fp_format *f, const struct fp_num *n1,
                     const struct fp_num *n2, uint64_t op1, uint64_t op2, uint64_t *result);

/* FPProcessDenorm() and its relatives: Input Denormal of denormals that were used, when AH is set. */
void fp_process_denorm(struct fp_env *env, const struct fp_format *f, enum fp_type type);

/* Default NaN, with the Invalid Operation exception. */
uint64_t fp_invalid(struct fp_env *env, const struct fp_format *f);

struct fp_real fp_num_real(const struct fp_num *n);                         /* finite */
struct fp_real fp_real_mul(const struct fp_num *a, const struct fp_num *b); /* finite, exact */
/* Both operands have at least two zero bits at the low end; true of every fp_num_real and fp_real_mul. */
struct fp_real fp_real_add(struct fp_real a, struct fp_real b);
struct fp_real fp_real_from_integer(bool sign, uint64_t magnitude,
                                    int32_t exp); /* magnitude * 2^exp */

/* The sum of addend and n1 * n2 in FPMulAdd() and FPMulAddH(), after NaNs are out of the way. */
uint64_t fp_muladd_numbers(struct fp_env *env, const struct fp_format *f,
                           const struct fp_num *addend, const struct fp_num *n1,
                           const struct fp_num *n2, bool *invalid);

/* -1, 0, 1 for less, equal, greater; neither is a NaN. */
int fp_num_compare(const struct fp_num *a, const struct fp_num *b);

#endif
