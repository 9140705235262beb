/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* hv_vcpu_config.h */
#include "check.h"

TEST(feature_registers_are_readable_without_a_vm)
{
    hv_vcpu_config_t config = hv_vcpu_config_create();
    uint64_t value = 0;
    for (hv_feature_reg_t r = 0; r <= 13; r++) {
        OK(hv_vcpu_config_get_feature_reg(config, r, &value));
    }
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_config_get_feature_reg(config, 14, &value));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_CTR_EL0, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_config_get_feature_reg(NULL, HV_FEATURE_REG_CTR_EL0, &value));
    OK(hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_CTR_EL0, &value));
    EXPECT_EQ(value >> 29 & 1, 0); /* DIC: instruction caches do need IC IVAU */
    os_release(config);
}

TEST(vcpu_starts_with_the_feature_registers_of_a_fresh_config)
{
    static const struct {
        hv_feature_reg_t feature;
        hv_sys_reg_t reg;
    } pairs[] = {
        {HV_FEATURE_REG_ID_AA64PFR0_EL1, HV_SYS_REG_ID_AA64PFR0_EL1},
        {HV_FEATURE_REG_ID_AA64PFR1_EL1, HV_SYS_REG_ID_AA64PFR1_EL1},
        {HV_FEATURE_REG_ID_AA64DFR0_EL1, HV_SYS_REG_ID_AA64DFR0_EL1},
        {HV_FEATURE_REG_ID_AA64ISAR0_EL1, HV_SYS_REG_ID_AA64ISAR0_EL1},
        {HV_FEATURE_REG_ID_AA64ISAR1_EL1, HV_SYS_REG_ID_AA64ISAR1_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR0_EL1, HV_SYS_REG_ID_AA64MMFR0_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR1_EL1, HV_SYS_REG_ID_AA64MMFR1_EL1},
        {HV_FEATURE_REG_ID_AA64MMFR2_EL1, HV_SYS_REG_ID_AA64MMFR2_EL1},
    };
    hv_vcpu_config_t config = hv_vcpu_config_create();
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
    OK(hv_vm_create(NULL));
    OK(hv_vcpu_create(&vcpu, &exit, config));
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        uint64_t feature = 1, value = 2;
        OK(hv_vcpu_config_get_feature_reg(config, pairs[i].feature, &feature));
        OK(hv_vcpu_get_sys_reg(vcpu, pairs[i].reg, &value));
        EXPECT_EQ(value, feature);
    }
    os_release(config);
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vm_destroy());
}

TEST(ccsidr_getter_writes_eight_values)
{
    hv_vcpu_config_t config = hv_vcpu_config_create();
    uint64_t values[9];
    memset(values, 0xa5, sizeof(values));
    OK(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config, HV_CACHE_TYPE_DATA, values));
    EXPECT(values[0] != 0 && values[0] != 0xa5a5a5a5a5a5a5a5);
    for (int i = 2; i < 8; i++) {
        EXPECT_EQ(values[i], 0);
    }
    EXPECT_EQ(values[8], 0xa5a5a5a5a5a5a5a5);
    OK(hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config, HV_CACHE_TYPE_INSTRUCTION, values));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config, 2, values));
    REFUSED(HV_BAD_ARGUMENT,
            hv_vcpu_config_get_ccsidr_el1_sys_reg_values(config, HV_CACHE_TYPE_DATA, NULL));
    os_release(config);
}

MAIN(T(feature_registers_are_readable_without_a_vm),
     T(vcpu_starts_with_the_feature_registers_of_a_fresh_config),
     T(ccsidr_getter_writes_eight_values))
