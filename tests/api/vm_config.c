/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* hv_vm_config.h */
#include "check.h"

TEST(ipa_sizes_are_known_without_a_vm)
{
    uint32_t max = 0, standard = 0;
    OK(hv_vm_config_get_max_ipa_size(&max));
    OK(hv_vm_config_get_default_ipa_size(&standard));
    EXPECT_EQ(standard, 36);
    EXPECT(standard <= max);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_config_get_max_ipa_size(NULL));
}

TEST(ipa_size_is_kept_as_set_and_refused_above_the_maximum)
{
    hv_vm_config_t config = hv_vm_config_create();
    uint32_t max = 0, standard = 0, value = 1;
    OK(hv_vm_config_get_max_ipa_size(&max));
    OK(hv_vm_config_get_default_ipa_size(&standard));
    OK(hv_vm_config_get_ipa_size(config, &value));
    EXPECT_EQ(value, standard);
    const uint32_t accepted[] = {0, standard - 1, standard, 39, max - 1, max};
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        OK(hv_vm_config_set_ipa_size(config, accepted[i]));
        OK(hv_vm_config_get_ipa_size(config, &value));
        EXPECT_EQ(value, accepted[i]);
    }
    REFUSED(HV_UNSUPPORTED, hv_vm_config_set_ipa_size(config, max + 1));
    REFUSED(HV_UNSUPPORTED, hv_vm_config_set_ipa_size(config, 0xffffffff));
    OK(hv_vm_config_get_ipa_size(config, &value));
    EXPECT_EQ(value, max);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_config_set_ipa_size(NULL, 36));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_config_get_ipa_size(config, NULL));
    OK(hv_vm_create(config));
    os_release(config);
    char *const p = pages(1);
    OK(hv_vm_map(p, (1ull << max) - PAGE, PAGE, RWX));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, PAGE));
}

TEST(ipa_size_0_is_the_default_at_create)
{
    hv_vm_config_t config = hv_vm_config_create();
    uint32_t standard = 0;
    char *const p = pages(1);
    OK(hv_vm_config_get_default_ipa_size(&standard));
    OK(hv_vm_config_set_ipa_size(config, 0));
    OK(hv_vm_create(config));
    os_release(config);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, 1ull << standard, PAGE, RWX));
    OK(hv_vm_map(p, (1ull << standard) - PAGE, PAGE, RWX));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, PAGE));
}

TEST(el2_is_recorded_and_refused_at_create)
{
    hv_vm_config_t config = hv_vm_config_create();
    bool value = true;
    OK(hv_vm_config_get_el2_enabled(config, &value));
    EXPECT(!value);
    OK(hv_vm_config_set_el2_enabled(config, true));
    OK(hv_vm_config_get_el2_enabled(config, &value));
    EXPECT(value);
    OK(hv_vm_config_get_el2_supported(&value));
    if (!value) {
        REFUSED(HV_UNSUPPORTED, hv_vm_create(config));
    }
    OK(hv_vm_config_set_el2_enabled(config, false));
    OK(hv_vm_create(config));
    OK(hv_vm_destroy());
    os_release(config);
}

TEST(granules_of_4_and_16_kib_are_kept)
{
    hv_vm_config_t config = hv_vm_config_create();
    hv_ipa_granule_t value = 7;
    OK(hv_vm_config_get_default_ipa_granule(&value));
    EXPECT_EQ(value, HV_IPA_GRANULE_16KB);
    OK(hv_vm_config_set_ipa_granule(config, HV_IPA_GRANULE_4KB));
    OK(hv_vm_config_get_ipa_granule(config, &value));
    EXPECT_EQ(value, HV_IPA_GRANULE_4KB);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_config_set_ipa_granule(config, 2));
    OK(hv_vm_config_get_ipa_granule(config, &value));
    EXPECT_EQ(value, HV_IPA_GRANULE_4KB);
    os_release(config);
}

TEST(config_counts_references)
{
    hv_vm_config_t config = hv_vm_config_create();
    EXPECT(os_retain(config) == (void *)config);
    os_release(config);
    uint32_t value = 0;
    OK(hv_vm_config_get_ipa_size(config, &value));
    os_release(config);
}

MAIN(T(ipa_sizes_are_known_without_a_vm), T(ipa_size_is_kept_as_set_and_refused_above_the_maximum),
     T(ipa_size_0_is_the_default_at_create), T(el2_is_recorded_and_refused_at_create),
     T(granules_of_4_and_16_kib_are_kept), T(config_counts_references))
