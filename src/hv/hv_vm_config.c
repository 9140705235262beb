/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "hv/internal.h"

HV_EXPORT hv_vm_config_t hv_vm_config_create(void)
{
    struct hv_vm_config_s *const config = hv_object_create(HV_OBJECT_VM_CONFIG, sizeof(*config));

    if (config == NULL) {
        REFUSE(HV_NO_RESOURCES, "out of memory");
        return NULL;
    }
    config->ipa_size = hv_profile()->default_ipa_bits;
    config->granule = HV_IPA_GRANULE_16KB;
    return config;
}

#define CHECK_CONFIG(config)                                                          \
    do {                                                                              \
        if (!hv_is_vm_config(config)) {                                               \
            return REFUSE(HV_BAD_ARGUMENT,                                            \
                          "config is %s; expected what hv_vm_config_create returned", \
                          (config) == NULL ? "NULL" : "not a live VM configuration"); \
        }                                                                             \
    } while (0)
#define CHECK_OUT(pointer)                                                                \
    do {                                                                                  \
        if ((pointer) == NULL) {                                                          \
            return REFUSE(HV_BAD_ARGUMENT, "%s is NULL; expected a place for the result", \
                          #pointer);                                                      \
        }                                                                                 \
    } while (0)

HV_EXPORT hv_return_t hv_vm_config_get_max_ipa_size(uint32_t *ipa_bit_length)
{
    NEEDS_MACOS(13, 0);
    CHECK_OUT(ipa_bit_length);
    *ipa_bit_length = hv_profile()->max_ipa_bits;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_config_get_default_ipa_size(uint32_t *ipa_bit_length)
{
    NEEDS_MACOS(13, 0);
    CHECK_OUT(ipa_bit_length);
    *ipa_bit_length = hv_profile()->default_ipa_bits;
    return HV_SUCCESS;
}

/* 0 and every size up to the maximum are accepted and read back (hv-api.md 5.1: facts 2 to 4). */
HV_EXPORT hv_return_t hv_vm_config_set_ipa_size(hv_vm_config_t config, uint32_t ipa_bit_length)
{
    NEEDS_MACOS(13, 0);
    CHECK_CONFIG(config);
    if (ipa_bit_length > hv_profile()->max_ipa_bits) {
        return REFUSE(HV_UNSUPPORTED, "ipa_bit_length is %u; this machine has at most %u",
                      ipa_bit_length, hv_profile()->max_ipa_bits);
    }
    config->ipa_size = ipa_bit_length;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_config_get_ipa_size(hv_vm_config_t config, uint32_t *ipa_bit_length)
{
    NEEDS_MACOS(13, 0);
    CHECK_CONFIG(config);
    CHECK_OUT(ipa_bit_length);
    *ipa_bit_length = config->ipa_size;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_config_get_el2_supported(bool *el2_supported)
{
    NEEDS_MACOS(15, 0);
    CHECK_OUT(el2_supported);
    *el2_supported = false; /* docs/status.md: EL2 for guests is not built yet */
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_config_get_el2_enabled(hv_vm_config_t config, bool *el2_enabled)
{
    NEEDS_MACOS(15, 0);
    CHECK_CONFIG(config);
    CHECK_OUT(el2_enabled);
    *el2_enabled = config->el2_enabled;
    return HV_SUCCESS;
}

/* The setter records true everywhere; hv_vm_create refuses where EL2 is not supported (hv-behaviour.md 8). */
HV_EXPORT hv_return_t hv_vm_config_set_el2_enabled(hv_vm_config_t config, bool el2_enabled)
{
    NEEDS_MACOS(15, 0);
    CHECK_CONFIG(config);
    config->el2_enabled = el2_enabled;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_config_get_default_ipa_granule(hv_ipa_granule_t *granule)
{
    NEEDS_MACOS(26, 0);
    CHECK_OUT(granule);
    *granule = HV_IPA_GRANULE_16KB;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_config_get_ipa_granule(hv_vm_config_t config, hv_ipa_granule_t *granule)
{
    NEEDS_MACOS(26, 0);
    CHECK_CONFIG(config);
    CHECK_OUT(granule);
    *granule = config->granule;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_config_set_ipa_granule(hv_vm_config_t config, hv_ipa_granule_t granule)
{
    NEEDS_MACOS(26, 0);
    CHECK_CONFIG(config);
    if (granule != HV_IPA_GRANULE_4KB && granule != HV_IPA_GRANULE_16KB) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "granule is %u; expected HV_IPA_GRANULE_4KB (0) or HV_IPA_GRANULE_16KB (1)",
                      granule);
    }
    config->granule = granule;
    return HV_SUCCESS;
}
