/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of the run-loop kit share. */
#ifndef AV_KIT_H
#define AV_KIT_H

#include "applevisor/internal.h"

/* Leave the function with what a call of ours, or of the framework, refused. */
#define TRY(call)                     \
    do {                              \
        const av_error try_ = (call); \
        if (try_ != AV_OK) {          \
            return try_;              \
        }                             \
    } while (0)
#define TRY_HV(call)                          \
    do {                                      \
        const hv_return_t hv_ = (call);       \
        if (hv_ != HV_SUCCESS) {              \
            return av_fail_hv(hv_, __func__); \
        }                                     \
    } while (0)

#define ZERO_REGISTER 31u

/* CPSR as hv_vcpu_get_reg() gives it: the layout of SPSR_EL1. */
#define CPSR_SPSEL    1ull
#define CPSR_EL(cpsr) ((cpsr) >> 2 & 3u)
#define CPSR_BTYPE    (3ull << 10)
#define CPSR_SSBS     (1ull << 12)
#define CPSR_SS       (1ull << 21)
#define CPSR_PAN      (1ull << 22)
#define CPSR_DIT      (1ull << 24)
#define CPSR_DAIF     (15ull << 6)
#define CPSR_EL1H     0x5ull

#endif
