/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/fp/fp_flags.h"

bool fp_flags_tell;

#if defined(__x86_64__)

enum { DE = 2, UE = 16 };

/* The flags of a product, and of a comparison that takes its first operand as well. */
static uint32_t flags_of(double a, double b)
{
    const uint32_t client = _mm_getcsr();
    volatile double x = a, y = b;

    _mm_setcsr(0x1f80);
    const __m128d first = _mm_set_sd(x);
    volatile double product = _mm_cvtsd_f64(_mm_mul_sd(first, _mm_set_sd(y)));
    const uint32_t flags = _mm_getcsr();
    (void)product;
    _mm_setcsr(client);
    return flags;
}

static uint32_t flags_of_comparison(double a)
{
    const uint32_t client = _mm_getcsr();
    volatile double x = a;

    _mm_setcsr(0x1f80);
    volatile int equal = _mm_ucomieq_sd(_mm_set_sd(x), _mm_set_sd(x));
    const uint32_t flags = _mm_getcsr();
    (void)equal;
    _mm_setcsr(client);
    return flags;
}

void fp_flags_ask_host(void)
{
    const double denormal = 0x1p-1060;

    fp_flags_tell = (flags_of(denormal, 1) & DE) != 0 &&
                    (flags_of_comparison(denormal) & DE) != 0 &&
                    (flags_of(0x1p-1000, 0x1p-1000) & UE) != 0;
}

#else

void fp_flags_ask_host(void) {}

#endif
