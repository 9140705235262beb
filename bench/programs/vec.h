/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The few vector operations of the convolutions: NEON intrinsics in a guest, SSE2 (and FMA) natively, with the same results. */
#ifndef VEC_H
#define VEC_H

#include <stdint.h>

#ifdef __aarch64__
#include <arm_neon.h>

typedef float32x4_t vec_f32;
typedef uint16x8_t vec_u16;

static inline vec_f32 vec_load_f32(const float *p)
{
    return vld1q_f32(p);
}
static inline void vec_store_f32(float *p, vec_f32 v)
{
    vst1q_f32(p, v);
}
static inline vec_f32 vec_all_f32(float x)
{
    return vdupq_n_f32(x);
}
static inline vec_f32 vec_multiply_f32(vec_f32 a, vec_f32 b)
{
    return vmulq_f32(a, b);
}
static inline vec_f32 vec_add_f32(vec_f32 a, vec_f32 b)
{
    return vaddq_f32(a, b);
}
static inline vec_f32 vec_min_f32(vec_f32 a, vec_f32 b)
{
    return vminq_f32(a, b);
}
static inline vec_f32 vec_fused_f32(vec_f32 sum, vec_f32 a, vec_f32 b)
{
    return vfmaq_f32(sum, a, b);
}

/* Eight bytes, widened. */
static inline vec_u16 vec_load_u8(const uint8_t *p)
{
    return vmovl_u8(vld1_u8(p));
}
static inline vec_u16 vec_all_u16(uint16_t x)
{
    return vdupq_n_u16(x);
}
static inline vec_u16 vec_multiply_add_u16(vec_u16 sum, vec_u16 a, vec_u16 b)
{
    return vmlaq_u16(sum, a, b);
}
/* Signed sums, shifted right by 4 and saturated to a byte. */
static inline void vec_store_narrow(uint8_t *p, vec_u16 v)
{
    vst1_u8(p, vqshrun_n_s16(vreinterpretq_s16_u16(v), 4));
}
#else
#include <immintrin.h>

typedef __m128 vec_f32;
typedef __m128i vec_u16;

static inline vec_f32 vec_load_f32(const float *p)
{
    return _mm_loadu_ps(p);
}
static inline void vec_store_f32(float *p, vec_f32 v)
{
    _mm_storeu_ps(p, v);
}
static inline vec_f32 vec_all_f32(float x)
{
    return _mm_set1_ps(x);
}
static inline vec_f32 vec_multiply_f32(vec_f32 a, vec_f32 b)
{
    return _mm_mul_ps(a, b);
}
static inline vec_f32 vec_add_f32(vec_f32 a, vec_f32 b)
{
    return _mm_add_ps(a, b);
}
/* No NaN and no zeros of both signs come here: the two differ on those. */
static inline vec_f32 vec_min_f32(vec_f32 a, vec_f32 b)
{
    return _mm_min_ps(a, b);
}
#ifdef __FMA__
static inline vec_f32 vec_fused_f32(vec_f32 sum, vec_f32 a, vec_f32 b)
{
    return _mm_fmadd_ps(a, b, sum);
}
#endif

static inline vec_u16 vec_load_u8(const uint8_t *p)
{
    return _mm_unpacklo_epi8(_mm_loadl_epi64((const void *)p), _mm_setzero_si128());
}
static inline vec_u16 vec_all_u16(uint16_t x)
{
    return _mm_set1_epi16((short)x);
}
static inline vec_u16 vec_multiply_add_u16(vec_u16 sum, vec_u16 a, vec_u16 b)
{
    return _mm_add_epi16(sum, _mm_mullo_epi16(a, b));
}
static inline void vec_store_narrow(uint8_t *p, vec_u16 v)
{
    _mm_storel_epi64((void *)p, _mm_packus_epi16(_mm_srai_epi16(v, 4), _mm_setzero_si128()));
}
#endif

#endif
