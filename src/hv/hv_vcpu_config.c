/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <string.h>

#include "hv/internal.h"

HV_EXPORT hv_vcpu_config_t hv_vcpu_config_create(void)
{
    struct hv_vcpu_config_s *const config = hv_object_create(HV_OBJECT_VCPU_CONFIG,
                                                             sizeof(*config));

    if (config == NULL) {
        REFUSE(HV_NO_RESOURCES, "out of memory");
    }
    return config;
}

/* enum hv_feature_reg_t -> the ID register, and the macOS version that brought it. */
static const struct {
    hv_feature_reg_t reg;
    enum sysreg_storage id;
    unsigned macos;
} feature_regs[] = {
    {HV_FEATURE_REG_ID_AA64DFR0_EL1, SR_ID_AA64DFR0_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64DFR1_EL1, SR_ID_AA64DFR1_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64ISAR0_EL1, SR_ID_AA64ISAR0_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64ISAR1_EL1, SR_ID_AA64ISAR1_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64MMFR0_EL1, SR_ID_AA64MMFR0_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64MMFR1_EL1, SR_ID_AA64MMFR1_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64MMFR2_EL1, SR_ID_AA64MMFR2_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64PFR0_EL1, SR_ID_AA64PFR0_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64PFR1_EL1, SR_ID_AA64PFR1_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_CTR_EL0, SR_CTR_EL0, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_CLIDR_EL1, SR_CLIDR_EL1, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_DCZID_EL0, SR_DCZID_EL0, HV_VERSION(11, 0)},
    {HV_FEATURE_REG_ID_AA64SMFR0_EL1, SR_ID_AA64SMFR0_EL1, HV_VERSION(15, 2)},
    {HV_FEATURE_REG_ID_AA64ZFR0_EL1, SR_ID_AA64ZFR0_EL1, HV_VERSION(15, 2)},
};

HV_EXPORT hv_return_t hv_vcpu_config_get_feature_reg(hv_vcpu_config_t config,
                                                     hv_feature_reg_t feature_reg, uint64_t *value)
{
    if (!hv_is_vcpu_config(config)) {
        return REFUSE(HV_BAD_ARGUMENT, "config is %s; expected what hv_vcpu_config_create returned",
                      config == NULL ? "NULL" : "not a live vCPU configuration");
    }
    if (value == NULL) {
        return REFUSE(HV_BAD_ARGUMENT, "value is NULL");
    }
    for (size_t i = 0; i < sizeof(feature_regs) / sizeof(feature_regs[0]); i++) {
        if (feature_regs[i].reg == feature_reg) {
            if (hv_macos() < feature_regs[i].macos) {
                return REFUSE(HV_BAD_ARGUMENT,
                              "feature register %u needs a newer macOS than HV_MACOS acts as",
                              feature_reg);
            }
            *value = hv_profile()->id[feature_regs[i].id];
            return HV_SUCCESS;
        }
    }
    return REFUSE(HV_BAD_ARGUMENT, "feature_reg is %u, which is no hv_feature_reg_t", feature_reg);
}

/* CCSIDR_EL1 by level: values[0] is the level 1 cache of the type, values[1] the unified level 2, the others do not exist. */
HV_EXPORT hv_return_t hv_vcpu_config_get_ccsidr_el1_sys_reg_values(hv_vcpu_config_t config,
                                                                   hv_cache_type_t cache_type,
                                                                   uint64_t values[8])
{
    if (!hv_is_vcpu_config(config)) {
        return REFUSE(HV_BAD_ARGUMENT, "config is %s; expected what hv_vcpu_config_create returned",
                      config == NULL ? "NULL" : "not a live vCPU configuration");
    }
    if (cache_type != HV_CACHE_TYPE_DATA && cache_type != HV_CACHE_TYPE_INSTRUCTION) {
        return REFUSE(
            HV_BAD_ARGUMENT,
            "cache_type is %u; expected HV_CACHE_TYPE_DATA (0) or HV_CACHE_TYPE_INSTRUCTION (1)",
            cache_type);
    }
    if (values == NULL) {
        return REFUSE(HV_BAD_ARGUMENT, "values is NULL; expected room for 8 registers");
    }
    const struct vm_profile *const profile = hv_profile();
    memset(values, 0, 8 * sizeof(values[0]));
    if (cache_type == HV_CACHE_TYPE_DATA) {
        values[0] = profile->ccsidr[0];
        values[1] = profile->ccsidr[2];
    } else {
        values[0] = profile->ccsidr[1];
    }
    return HV_SUCCESS;
}
