/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A vCPU's registers and switches. Each function checks the thread and the pointers, and asks the framework. */
#include <string.h>

#include <applevisor/vcpu.h>

#include "applevisor/internal.h"

/* --- Registers --------------------------------------------------------------------------------------------------------------- */

av_error av_vcpu_get_reg(const av_vcpu *vcpu, hv_reg_t reg, uint64_t *value)
{
    OWNER(vcpu);
    NOT_NULL(value);
    return FRAMEWORK(hv_vcpu_get_reg(vcpu->id, reg, value));
}

av_error av_vcpu_set_reg(av_vcpu *vcpu, hv_reg_t reg, uint64_t value)
{
    OWNER(vcpu);
    return FRAMEWORK(hv_vcpu_set_reg(vcpu->id, reg, value));
}

static const struct {
    hv_sys_reg_t reg;
    uint32_t macos;
    const char *name;
} sys_regs[] = {
#include "sys_regs.inc"
};

/* To an older framework a newer register is no register at all. */
static av_error sys_reg_result(hv_return_t ret, hv_sys_reg_t reg, const char *function)
{
    if (ret != HV_SUCCESS) {
        for (size_t i = 0; i < ARRAY_LEN(sys_regs); i++) {
            if (sys_regs[i].reg == reg && !av_macos_has(sys_regs[i].macos)) {
                return av_need_macos(sys_regs[i].macos, function);
            }
        }
    }
    return av_fail_hv(ret, function);
}

av_error av_vcpu_get_sys_reg(const av_vcpu *vcpu, hv_sys_reg_t reg, uint64_t *value)
{
    OWNER(vcpu);
    NOT_NULL(value);
    return sys_reg_result(IN_VM(vcpu->vm, hv_vcpu_get_sys_reg(vcpu->id, reg, value)), reg,
                          __func__);
}

av_error av_vcpu_set_sys_reg(av_vcpu *vcpu, hv_sys_reg_t reg, uint64_t value)
{
    OWNER(vcpu);
    return sys_reg_result(IN_VM(vcpu->vm, hv_vcpu_set_sys_reg(vcpu->id, reg, value)), reg,
                          __func__);
}

/* The framework passes the register in a vector register, which other languages cannot. */
av_error av_vcpu_get_simd_fp_reg(const av_vcpu *vcpu, hv_simd_fp_reg_t reg, uint8_t value[16])
{
    hv_simd_fp_uchar16_t vector;

    OWNER(vcpu);
    NOT_NULL(value);
    const av_error error = FRAMEWORK(hv_vcpu_get_simd_fp_reg(vcpu->id, reg, &vector));
    if (error == AV_OK) {
        memcpy(value, &vector, sizeof(vector));
    }
    return error;
}

av_error av_vcpu_set_simd_fp_reg(av_vcpu *vcpu, hv_simd_fp_reg_t reg, const uint8_t value[16])
{
    hv_simd_fp_uchar16_t vector;

    OWNER(vcpu);
    NOT_NULL(value);
    memcpy(&vector, value, sizeof(vector));
    return FRAMEWORK(hv_vcpu_set_simd_fp_reg(vcpu->id, reg, vector));
}

/* --- Interrupts, debug traps, time ------------------------------------------------------------------------------------------- */

av_error av_vcpu_get_pending_interrupt(const av_vcpu *vcpu, hv_interrupt_type_t type, bool *pending)
{
    OWNER(vcpu);
    NOT_NULL(pending);
    return FRAMEWORK(hv_vcpu_get_pending_interrupt(vcpu->id, type, pending));
}

av_error av_vcpu_set_pending_interrupt(av_vcpu *vcpu, hv_interrupt_type_t type, bool pending)
{
    OWNER(vcpu);
    return FRAMEWORK(hv_vcpu_set_pending_interrupt(vcpu->id, type, pending));
}

#define GETTER(name, type)                                      \
    av_error av_vcpu_get_##name(const av_vcpu *vcpu, type *out) \
    {                                                           \
        OWNER(vcpu);                                            \
        NOT_NULL(out);                                          \
        return FRAMEWORK(hv_vcpu_get_##name(vcpu->id, out));    \
    }
#define PROPERTY(name, type)                                   \
    GETTER(name, type)                                         \
    av_error av_vcpu_set_##name(av_vcpu *vcpu, type value)     \
    {                                                          \
        OWNER(vcpu);                                           \
        return FRAMEWORK(hv_vcpu_set_##name(vcpu->id, value)); \
    }

PROPERTY(trap_debug_exceptions, bool)
PROPERTY(trap_debug_reg_accesses, bool)
PROPERTY(vtimer_mask, bool)
PROPERTY(vtimer_offset, uint64_t)
GETTER(exec_time, uint64_t)

av_error av_vcpu_get_exec_time_ns(const av_vcpu *vcpu, uint64_t *nanoseconds)
{
    uint64_t ticks = 0;

    OWNER(vcpu);
    NOT_NULL(nanoseconds);
    const av_error error = FRAMEWORK(hv_vcpu_get_exec_time(vcpu->id, &ticks));
    if (error == AV_OK) {
        *nanoseconds = av_framework_ticks_to_ns(ticks);
    }
    return error;
}

/* --- SME --------------------------------------------------------------------------------------------------------------------- */

/* The framework's own answer to a wrong length is not documented: it is not asked. */
static av_error check_length(size_t size, size_t (*of)(size_t svl), const char *function)
{
    size_t svl = 0;
    const av_error error = av_fail_hv(hv_sme_config_get_max_svl_bytes(&svl), function);

    if (error == AV_OK && size != of(svl)) {
        return av_fail(AV_ERROR_BUFFER_SIZE, function,
                       "size is %zu, and must be %zu: vectors have %zu bytes here", size, of(svl),
                       svl);
    }
    return error;
}

static size_t length_of_z(size_t svl)
{
    return svl;
}

static size_t length_of_p(size_t svl)
{
    return svl / 8;
}

static size_t length_of_za(size_t svl)
{
    return svl * svl;
}

#define CHECK_SME(vcpu, value) \
    NEEDS_MACOS(150200);       \
    OWNER(vcpu);               \
    NOT_NULL(value)

#define CHECK_LENGTH(size, kind)                                                         \
    do {                                                                                 \
        const av_error length_error_ = check_length((size), length_of_##kind, __func__); \
        if (length_error_ != AV_OK) {                                                    \
            return length_error_;                                                        \
        }                                                                                \
    } while (0)

av_error av_vcpu_get_sme_state(const av_vcpu *vcpu, hv_vcpu_sme_state_t *state)
{
    CHECK_SME(vcpu, state);
    return FRAMEWORK(hv_vcpu_get_sme_state(vcpu->id, state));
}

av_error av_vcpu_set_sme_state(av_vcpu *vcpu, const hv_vcpu_sme_state_t *state)
{
    CHECK_SME(vcpu, state);
    return FRAMEWORK(hv_vcpu_set_sme_state(vcpu->id, state));
}

av_error av_vcpu_get_sme_z_reg(const av_vcpu *vcpu, hv_sme_z_reg_t reg, void *value, size_t size)
{
    CHECK_SME(vcpu, value);
    CHECK_LENGTH(size, z);
    return FRAMEWORK(hv_vcpu_get_sme_z_reg(vcpu->id, reg, value, size));
}

av_error av_vcpu_set_sme_z_reg(av_vcpu *vcpu, hv_sme_z_reg_t reg, const void *value, size_t size)
{
    CHECK_SME(vcpu, value);
    CHECK_LENGTH(size, z);
    return FRAMEWORK(hv_vcpu_set_sme_z_reg(vcpu->id, reg, value, size));
}

av_error av_vcpu_get_sme_p_reg(const av_vcpu *vcpu, hv_sme_p_reg_t reg, void *value, size_t size)
{
    CHECK_SME(vcpu, value);
    CHECK_LENGTH(size, p);
    return FRAMEWORK(hv_vcpu_get_sme_p_reg(vcpu->id, reg, value, size));
}

av_error av_vcpu_set_sme_p_reg(av_vcpu *vcpu, hv_sme_p_reg_t reg, const void *value, size_t size)
{
    CHECK_SME(vcpu, value);
    CHECK_LENGTH(size, p);
    return FRAMEWORK(hv_vcpu_set_sme_p_reg(vcpu->id, reg, value, size));
}

av_error av_vcpu_get_sme_za_reg(const av_vcpu *vcpu, void *value, size_t size)
{
    CHECK_SME(vcpu, value);
    CHECK_LENGTH(size, za);
    return FRAMEWORK(hv_vcpu_get_sme_za_reg(vcpu->id, value, size));
}

av_error av_vcpu_set_sme_za_reg(av_vcpu *vcpu, const void *value, size_t size)
{
    CHECK_SME(vcpu, value);
    CHECK_LENGTH(size, za);
    return FRAMEWORK(hv_vcpu_set_sme_za_reg(vcpu->id, value, size));
}

/* Through a copy: the caller's bytes need not be aligned as the framework's type is. */
av_error av_vcpu_get_sme_zt0_reg(const av_vcpu *vcpu, uint8_t value[64])
{
    hv_sme_zt0_uchar64_t zt0;

    CHECK_SME(vcpu, value);
    const av_error error = FRAMEWORK(hv_vcpu_get_sme_zt0_reg(vcpu->id, &zt0));
    if (error == AV_OK) {
        memcpy(value, &zt0, sizeof(zt0));
    }
    return error;
}

av_error av_vcpu_set_sme_zt0_reg(av_vcpu *vcpu, const uint8_t value[64])
{
    hv_sme_zt0_uchar64_t zt0;

    CHECK_SME(vcpu, value);
    memcpy(&zt0, value, sizeof(zt0));
    return FRAMEWORK(hv_vcpu_set_sme_zt0_reg(vcpu->id, &zt0));
}
