/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdlib.h>

#include <applevisor/vm.h>

#include "applevisor/internal.h"

struct av_vm_config {
    hv_vm_config_t hv;
};

hv_vm_config_t av_vm_config_hv(const av_vm_config *config)
{
    return config != NULL ? config->hv : NULL;
}

av_error av_vm_config_create(av_vm_config **config)
{
    NEEDS_MACOS(130000);
    NOT_NULL(config);
    av_vm_config *const made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    made->hv = hv_vm_config_create();
    if (made->hv == NULL) {
        free(made);
        return FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    *config = made;
    return AV_OK;
}

void av_vm_config_destroy(av_vm_config *config)
{
    if (config != NULL) {
        os_release(config->hv);
        free(config);
    }
}

/* --- IPA size ---------------------------------------------------------------------------------------------------------------- */

av_error av_vm_config_get_max_ipa_size(uint32_t *bits)
{
    NEEDS_MACOS(130000);
    NOT_NULL(bits);
    return FRAMEWORK(hv_vm_config_get_max_ipa_size(bits));
}

av_error av_vm_config_get_default_ipa_size(uint32_t *bits)
{
    NEEDS_MACOS(130000);
    NOT_NULL(bits);
    return FRAMEWORK(hv_vm_config_get_default_ipa_size(bits));
}

av_error av_vm_config_get_ipa_size(const av_vm_config *config, uint32_t *bits)
{
    NEEDS_MACOS(130000);
    NOT_NULL(config);
    NOT_NULL(bits);
    return FRAMEWORK(hv_vm_config_get_ipa_size(config->hv, bits));
}

av_error av_vm_config_set_ipa_size(av_vm_config *config, uint32_t bits)
{
    uint32_t max = 0;

    NEEDS_MACOS(130000);
    NOT_NULL(config);
    const hv_return_t ret = hv_vm_config_get_max_ipa_size(&max);
    if (ret == HV_SUCCESS && bits > max) {
        return FAIL(AV_ERROR_OUT_OF_RANGE,
                    "bits is %u, and this system has guest addresses of at most %u bits", bits,
                    max);
    }
    return FRAMEWORK(hv_vm_config_set_ipa_size(config->hv, bits));
}

/* --- EL2 --------------------------------------------------------------------------------------------------------------------- */

av_error av_vm_config_get_el2_supported(bool *supported)
{
    NEEDS_MACOS(150000);
    NOT_NULL(supported);
    return FRAMEWORK(hv_vm_config_get_el2_supported(supported));
}

av_error av_vm_config_get_el2_enabled(const av_vm_config *config, bool *enabled)
{
    NEEDS_MACOS(150000);
    NOT_NULL(config);
    NOT_NULL(enabled);
    return FRAMEWORK(hv_vm_config_get_el2_enabled(config->hv, enabled));
}

av_error av_vm_config_set_el2_enabled(av_vm_config *config, bool enabled)
{
    NEEDS_MACOS(150000);
    NOT_NULL(config);
    return FRAMEWORK(hv_vm_config_set_el2_enabled(config->hv, enabled));
}

/* --- SME --------------------------------------------------------------------------------------------------------------------- */

av_error av_vm_config_get_max_svl_bytes(size_t *bytes)
{
    NEEDS_MACOS(150200);
    NOT_NULL(bytes);
    return FRAMEWORK(hv_sme_config_get_max_svl_bytes(bytes));
}

/* --- Granule ----------------------------------------------------------------------------------------------------------------- */

av_error av_vm_config_get_default_ipa_granule(hv_ipa_granule_t *granule)
{
    NEEDS_MACOS(260000);
    NOT_NULL(granule);
    return FRAMEWORK(hv_vm_config_get_default_ipa_granule(granule));
}

av_error av_vm_config_get_ipa_granule(const av_vm_config *config, hv_ipa_granule_t *granule)
{
    NEEDS_MACOS(260000);
    NOT_NULL(config);
    NOT_NULL(granule);
    return FRAMEWORK(hv_vm_config_get_ipa_granule(config->hv, granule));
}

av_error av_vm_config_set_ipa_granule(av_vm_config *config, hv_ipa_granule_t granule)
{
    NEEDS_MACOS(260000);
    NOT_NULL(config);
    return FRAMEWORK(hv_vm_config_set_ipa_granule(config->hv, granule));
}
