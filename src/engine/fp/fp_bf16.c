/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * BFloat16 dot product and multiply-add. BFDOT and BFMMLA have arithmetic of their own: denormals are zero, all NaNs become the
 * default NaN, rounding is to odd, no flags. With FPCR.EBF they follow FPCR instead, and round once per pair of products.
 */
#include "engine/fp/fp_core.h"

static struct fp_num bf_unpack(const struct fp_format *f, uint64_t op)
{
    struct fp_env env = {.fpcr = FPCR_FZ}; /* the flags that flushing raises are dropped */

    return fp_unpack(&env, f, op);
}

/* BFRound(). */
static uint32_t bf_round(struct fp_real value)
{
    const struct fp_format *const f = &fp_formats[FP_S];
    struct fp_env env = {.fpcr = FPCR_FZ};

    if (value.exp > f->bias) {
        return (uint32_t)fp_infinity(
            f, value.sign); /* rounding to odd as such would stop at the greatest number */
    }
    return (uint32_t)fp_round(&env, f, value, FP_ODD);
}

/* BFMulH(). */
static uint32_t bf_mulh(const struct fp_env *env, uint16_t op1, uint16_t op2)
{
    const struct fp_format *const f = &fp_formats[FP_S];
    const struct fp_num n1 = bf_unpack(&fp_formats[FP_BF], op1),
                        n2 = bf_unpack(&fp_formats[FP_BF], op2);
    const bool sign = n1.sign != n2.sign;
    const bool inf = n1.type == FP_TYPE_INFINITY || n2.type == FP_TYPE_INFINITY;
    const bool zero = n1.type == FP_TYPE_ZERO || n2.type == FP_TYPE_ZERO;

    if (fp_num_nan(&n1) || fp_num_nan(&n2) || (inf && zero)) {
        return (uint32_t)fp_default_nan(env, f);
    }
    if (inf) {
        return (uint32_t)fp_infinity(f, sign);
    }
    if (zero) {
        return (uint32_t)fp_zero(f, sign);
    }
    return bf_round(fp_real_mul(&n1, &n2));
}

/* FPAdd_BF16(). */
static uint32_t bf_add(const struct fp_env *env, uint32_t op1, uint32_t op2)
{
    const struct fp_format *const f = &fp_formats[FP_S];
    const struct fp_num n1 = bf_unpack(f, op1), n2 = bf_unpack(f, op2);
    const bool inf1 = n1.type == FP_TYPE_INFINITY, inf2 = n2.type == FP_TYPE_INFINITY;

    if (fp_num_nan(&n1) || fp_num_nan(&n2) || (inf1 && inf2 && n1.sign != n2.sign)) {
        return (uint32_t)fp_default_nan(env, f);
    }
    if (inf1 || inf2) {
        return (uint32_t)fp_infinity(f, inf1 ? n1.sign : n2.sign);
    }
    if (n1.type == FP_TYPE_ZERO && n2.type == FP_TYPE_ZERO) {
        return (uint32_t)fp_zero(f, n1.sign && n2.sign);
    }

    const struct fp_real sum = fp_real_add(fp_num_real(&n1), fp_num_real(&n2));

    return sum.sig == 0 ? 0 : bf_round(sum);
}

/* FPDot() of BFloat16 pairs. */
static uint32_t bf_dot(struct fp_env *env, const uint16_t op1[2], const uint16_t op2[2])
{
    const struct fp_format *const f = &fp_formats[FP_S], *const g = &fp_formats[FP_BF];
    bool sign[2], inf[2], zero[2], invalid = false, nan = false;
    struct fp_real product[2];

    for (unsigned i = 0; i < 2; i++) {
        const struct fp_num n1 = fp_unpack(env, g, op1[i]), n2 = fp_unpack(env, g, op2[i]);

        sign[i] = n1.sign != n2.sign;
        inf[i] = n1.type == FP_TYPE_INFINITY || n2.type == FP_TYPE_INFINITY;
        zero[i] = n1.type == FP_TYPE_ZERO || n2.type == FP_TYPE_ZERO;
        invalid |= inf[i] && zero[i];
        nan |= fp_num_nan(&n1) || fp_num_nan(&n2);
        product[i] = fp_real_mul(&n1, &n2);
    }
    if (nan || invalid || (inf[0] && inf[1] && sign[0] != sign[1])) {
        return (uint32_t)fp_default_nan(env, f); /* DN is set, so which NaN does not matter */
    }
    if (inf[0] || inf[1]) {
        return (uint32_t)fp_infinity(f, inf[0] ? sign[0] : sign[1]);
    }
    if (zero[0] && zero[1] && sign[0] == sign[1]) {
        return (uint32_t)fp_zero(f, sign[0]);
    }
    return (uint32_t)fp_round_sum(env, f, fp_real_add(product[0], product[1]));
}

uint32_t fp_bf_dot_add(const struct fp_env *env, uint32_t addend, uint16_t op1_a, uint16_t op1_b,
                       uint16_t op2_a, uint16_t op2_b)
{
    if (!(env->fpcr & FPCR_EBF)) {
        return bf_add(env, addend,
                      bf_add(env, bf_mulh(env, op1_a, op2_a), bf_mulh(env, op1_b, op2_b)));
    }

    struct fp_env e = {.fpcr = env->fpcr | FPCR_DN};
    const uint32_t dot = bf_dot(&e, (const uint16_t[]){op1_a, op1_b},
                                (const uint16_t[]){op2_a, op2_b});

    return (uint32_t)fp_add(&e, &fp_formats[FP_S], addend, dot);
}

uint32_t fp_bf_muladdh(struct fp_env *env, uint32_t addend, uint16_t op1, uint16_t op2)
{
    struct fp_env e = fp_env_estimate(env);
    const uint32_t result = (uint32_t)fp_muladd(&e, &fp_formats[FP_S], addend, (uint32_t)op1 << 16,
                                                (uint32_t)op2 << 16);

    fp_env_estimate_done(env, &e);
    return result;
}
