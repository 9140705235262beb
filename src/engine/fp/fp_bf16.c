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

/* --- Four at a time --------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#include <emmintrin.h>

/* Nothing trapped, to nearest, denormals are 0 and become 0; the flags are forgotten. */
#define HOST_MXCSR 0x9fc0u

/*
 * Two sums of singles, as doubles rounded to odd: what the sum lacks is found exactly, and where it is not 0 an even sum goes by its
 * last bit to that side. Of infinities and NaNs it is a NaN, which is not greater than 0.
 */
static inline __m128d host_sum_to_odd(__m128d a, __m128d b)
{
    const __m128d sum = _mm_add_pd(a, b), b1 = _mm_sub_pd(sum, a);
    const __m128d rest = _mm_add_pd(_mm_sub_pd(a, _mm_sub_pd(sum, b1)), _mm_sub_pd(b, b1));
    const __m128d magnitude = _mm_andnot_pd(_mm_set1_pd(-0.0), rest);
    const __m128i lacks = _mm_castpd_si128(_mm_cmpgt_pd(magnitude, _mm_setzero_pd()));
    const __m128i bits = _mm_castpd_si128(sum);
    const __m128i step = _mm_and_si128(_mm_andnot_si128(bits, _mm_set1_epi64x(1)), lacks);
    const __m128i differ = _mm_srai_epi32(_mm_xor_si128(_mm_castpd_si128(rest), bits), 31);
    const __m128i down = _mm_shuffle_epi32(differ, 0xf5);

    return _mm_castsi128_pd(_mm_add_epi64(bits, _mm_sub_epi64(_mm_xor_si128(step, down), down)));
}

/* ... as singles: rounding to odd twice is rounding to odd. What is left has the bits of a single. */
static inline __m128 host_to_single(__m128d value)
{
    const __m128i bits = _mm_castpd_si128(value), below = _mm_set1_epi64x(0x1fffffff);
    const __m128i sticky = _mm_add_epi64(_mm_and_si128(bits, below), below);

    return _mm_cvtpd_ps(_mm_castsi128_pd(_mm_andnot_si128(below, _mm_or_si128(bits, sticky))));
}

/* FPAdd_BF16(), but for the sign of NaNs. */
static inline __m128 host_add(__m128 a, __m128 b)
{
    const __m128d low = host_sum_to_odd(_mm_cvtps_pd(a), _mm_cvtps_pd(b));
    const __m128d high = host_sum_to_odd(_mm_cvtps_pd(_mm_movehl_ps(a, a)),
                                         _mm_cvtps_pd(_mm_movehl_ps(b, b)));

    return _mm_movelh_ps(host_to_single(low), host_to_single(high));
}

static bool host_dot_add4(uint32_t sums[4], const uint32_t a[4], const uint32_t b[4])
{
    const __m128i upper = _mm_set1_epi32((int)0xffff0000u);
    __m128i va = _mm_loadu_si128((const __m128i *)(const void *)a),
            vb = _mm_loadu_si128((const __m128i *)(const void *)b);
    __m128 sum = _mm_loadu_ps((const float *)(const void *)sums);
    const uint32_t mxcsr = _mm_getcsr();

    _mm_setcsr(HOST_MXCSR);
    __asm__ volatile("" : "+x"(va), "+x"(vb), "+x"(sum)); /* no arithmetic moves to before */
    /* Products have 16 bits: they are exact, or they overflow or are flushed as BFMulH() says. */
    const __m128 first = _mm_mul_ps(_mm_castsi128_ps(_mm_slli_epi32(va, 16)),
                                    _mm_castsi128_ps(_mm_slli_epi32(vb, 16))),
                 second = _mm_mul_ps(_mm_castsi128_ps(_mm_and_si128(va, upper)),
                                     _mm_castsi128_ps(_mm_and_si128(vb, upper)));
    __m128 result = host_add(sum, host_add(first, second));
    const __m128 nan = _mm_cmpunord_ps(result, result);
    result = _mm_or_ps(_mm_andnot_ps(nan, result),
                       _mm_and_ps(nan, _mm_castsi128_ps(_mm_set1_epi32(0x7fc00000))));
    __asm__ volatile("" : "+x"(result)); /* nor to behind */
    _mm_setcsr(mxcsr);
    _mm_storeu_ps((float *)(void *)sums, result);
    return true;
}

#else

static bool host_dot_add4(uint32_t sums[4], const uint32_t a[4], const uint32_t b[4])
{
    (void)sums, (void)a, (void)b;
    return false;
}

#endif

void fp_bf_dot_add4(const struct fp_env *env, uint32_t sums[4], const uint32_t a[4],
                    const uint32_t b[4])
{
    if ((env->fpcr & (FPCR_EBF | FPCR_AH)) == 0 && host_dot_add4(sums, a, b)) {
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        sums[i] = fp_bf_dot_add(env, sums[i], (uint16_t)a[i], (uint16_t)(a[i] >> 16),
                                (uint16_t)b[i], (uint16_t)(b[i] >> 16));
    }
}

uint32_t fp_bf_muladdh(struct fp_env *env, uint32_t addend, uint16_t op1, uint16_t op2)
{
    struct fp_env e = fp_env_estimate(env);
    const uint32_t result = (uint32_t)fp_muladd(&e, &fp_formats[FP_S], addend, (uint32_t)op1 << 16,
                                                (uint32_t)op2 << 16);

    fp_env_estimate_done(env, &e);
    return result;
}
