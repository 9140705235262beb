/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of the run-loop kit share. */
#ifndef AV_KIT_H
#define AV_KIT_H

#include <applevisor/exit.h>

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

/* What av_exit_set_x(), av_access_extend() and av_exit_skip() do, for what exits do most. */
static inline av_error kit_set_x(hv_vcpu_t vcpu, unsigned reg, uint64_t value)
{
    return reg == ZERO_REGISTER
               ? AV_OK
               : av_fail_hv(hv_vcpu_set_reg(vcpu, (hv_reg_t)(HV_REG_X0 + reg), value),
                            "av_exit_set_x");
}

static inline uint64_t kit_extend(const av_access *access, uint64_t value)
{
    const unsigned bits = access->size_bytes * 8u;

    if (bits < 64) {
        value &= (1ull << bits) - 1;
        if (access->sign_extend) {
            const uint64_t sign = 1ull << (bits - 1);
            value = (value ^ sign) - sign;
        }
    }
    return access->is_64_bit ? value : (uint32_t)value;
}

#define INSTRUCTION 4u /* bytes */

static inline av_error kit_skip(hv_vcpu_t vcpu)
{
    uint64_t pc, cpsr;
    hv_return_t ret;

    if ((ret = hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc)) == HV_SUCCESS &&
        (ret = hv_vcpu_get_reg(vcpu, HV_REG_CPSR, &cpsr)) == HV_SUCCESS &&
        /* The instruction is done: BTYPE speaks of the next one, and a step that was armed (SS = 1) is now pending (SS = 0). */
        ((cpsr & (CPSR_SS | CPSR_BTYPE)) == 0 ||
         (ret = hv_vcpu_set_reg(vcpu, HV_REG_CPSR, cpsr & ~(CPSR_SS | CPSR_BTYPE))) ==
             HV_SUCCESS)) {
        ret = hv_vcpu_set_reg(vcpu, HV_REG_PC, pc + INSTRUCTION);
    }
    return av_fail_hv(ret, "av_exit_skip");
}

#endif
