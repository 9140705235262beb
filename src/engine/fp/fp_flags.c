/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/fp/fp_flags.h"

bool fp_flags_tell;

#if defined(__x86_64__)

enum { DE = 2, UE = 16 };

/* The flags of a comparison of `a` with itself, or of a product with b. */
static uint32_t flags_of(bool compare, double a, double b)
{
    const uint32_t client = _mm_getcsr();
    volatile double x = a, y = b, result; /* so that it is computed, and between the two */

    _mm_setcsr(0x1f80);
    const __m128d first = _mm_set_sd(x);
    result = compare ? _mm_ucomieq_sd(first, first)
                     : _mm_cvtsd_f64(_mm_mul_sd(first, _mm_set_sd(y)));
    const uint32_t flags = _mm_getcsr();
    (void)result;
    _mm_setcsr(client);
    return flags;
}

void fp_flags_ask_host(void)
{
    const double denormal = 0x1p-1060;

    fp_flags_tell = (flags_of(false, denormal, 1) & DE) != 0 &&
                    (flags_of(true, denormal, 0) & DE) != 0 &&
                    (flags_of(false, 0x1p-1000, 0x1p-1000) & UE) != 0;
}

#else

void fp_flags_ask_host(void) {}

#endif
