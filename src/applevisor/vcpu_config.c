/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include <applevisor/vcpu.h>

#include "applevisor/internal.h"

struct av_vcpu_config {
    hv_vcpu_config_t hv;
};

hv_vcpu_config_t av_vcpu_config_hv(const av_vcpu_config *config)
{
    return config != NULL ? config->hv : NULL;
}

av_error av_vcpu_config_create(av_vcpu_config **config)
{
    NOT_NULL(config);
    av_vcpu_config *const made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    made->hv = hv_vcpu_config_create();
    if (made->hv == NULL) {
        free(made);
        return FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    *config = made;
    return AV_OK;
}

void av_vcpu_config_destroy(av_vcpu_config *config)
{
    if (config != NULL) {
        os_release(config->hv);
        free(config);
    }
}

av_error av_vcpu_config_get_feature_reg(const av_vcpu_config *config, hv_feature_reg_t reg,
                                        uint64_t *value)
{
    NOT_NULL(config);
    NOT_NULL(value);
    if (reg == HV_FEATURE_REG_ID_AA64SMFR0_EL1 || reg == HV_FEATURE_REG_ID_AA64ZFR0_EL1) {
        NEEDS_MACOS(150200);
    }
    return FRAMEWORK(hv_vcpu_config_get_feature_reg(config->hv, reg, value));
}

av_error av_vcpu_config_get_ccsidr_el1_sys_reg_values(const av_vcpu_config *config,
                                                      hv_cache_type_t type, uint64_t values[8])
{
    NOT_NULL(config);
    NOT_NULL(values);
    return FRAMEWORK(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config->hv, type, values));
}
