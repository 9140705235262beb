/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is chosen for a GIC, and the constants that the choices have to fit. */
#include <stdlib.h>

#include <applevisor/gic.h>

#include "applevisor/internal.h"

typedef unsigned long long ull;

struct av_gic_config {
    hv_gic_config_t hv;
    struct msi_range msi;
};

hv_gic_config_t av_gic_config_hv(const av_gic_config *config)
{
    return config != NULL ? config->hv : NULL;
}

struct msi_range av_gic_config_msi(const av_gic_config *config)
{
    return config->msi;
}

av_error av_gic_config_create(av_gic_config **config)
{
    NEEDS_MACOS(150000);
    NOT_NULL(config);
    av_gic_config *const made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    made->hv = hv_gic_config_create();
    if (made->hv == NULL) {
        free(made);
        return FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    *config = made;
    return AV_OK;
}

void av_gic_config_destroy(av_gic_config *config)
{
    if (config != NULL) {
        os_release(config->hv);
        free(config);
    }
}

/* --- Choices ----------------------------------------------------------------------------------------------------------------- */

struct region {
    const char *name;
    hv_return_t (*get_size)(size_t *);
    hv_return_t (*get_alignment)(size_t *);
    hv_return_t (*set_base)(hv_gic_config_t, hv_ipa_t);
};

/* The framework says only that something is wrong with the address; this says what. */
static av_error set_base(av_gic_config *config, hv_ipa_t address, const struct region *region,
                         const char *function)
{
    size_t size = 0, alignment = 0;
    hv_return_t ret = region->get_size(&size);

    if (ret == HV_SUCCESS) {
        ret = region->get_alignment(&alignment);
    }
    if (ret != HV_SUCCESS) {
        return av_fail_hv(ret, function);
    }
    if (address % alignment != 0) {
        return av_fail(AV_ERROR_MISALIGNED, function,
                       "address is 0x%llx, and must be a multiple of 0x%zx for the %s",
                       (ull)address, alignment, region->name);
    }
    if (address > UINT64_MAX - size) {
        return av_fail(AV_ERROR_OUT_OF_RANGE, function,
                       "the 0x%zx bytes of the %s at 0x%llx reach the end of the address space",
                       size, region->name, (ull)address);
    }
    return av_fail_hv(region->set_base(config->hv, address), function);
}

av_error av_gic_config_set_distributor_base(av_gic_config *config, hv_ipa_t address)
{
    NEEDS_MACOS(150000);
    NOT_NULL(config);
    return set_base(config, address,
                    &(struct region){"Distributor", hv_gic_get_distributor_size,
                                     hv_gic_get_distributor_base_alignment,
                                     hv_gic_config_set_distributor_base},
                    __func__);
}

av_error av_gic_config_set_redistributor_base(av_gic_config *config, hv_ipa_t address)
{
    NEEDS_MACOS(150000);
    NOT_NULL(config);
    return set_base(config, address,
                    &(struct region){"Redistributors", hv_gic_get_redistributor_region_size,
                                     hv_gic_get_redistributor_base_alignment,
                                     hv_gic_config_set_redistributor_base},
                    __func__);
}

av_error av_gic_config_set_msi_region_base(av_gic_config *config, hv_ipa_t address)
{
    NEEDS_MACOS(150000);
    NOT_NULL(config);
    const av_error error = set_base(config, address,
                                    &(struct region){"MSI frame", hv_gic_get_msi_region_size,
                                                     hv_gic_get_msi_region_base_alignment,
                                                     hv_gic_config_set_msi_region_base},
                                    __func__);
    if (error == AV_OK) {
        config->msi.has_base = true;
        config->msi.base = address;
    }
    return error;
}

av_error av_gic_config_set_msi_interrupt_range(av_gic_config *config, uint32_t base, uint32_t count)
{
    uint32_t spi_base = 0, spi_count = 0;

    NEEDS_MACOS(150000);
    NOT_NULL(config);
    av_error error = FRAMEWORK(hv_gic_get_spi_interrupt_range(&spi_base, &spi_count));
    if (error != AV_OK) {
        return error;
    }
    if (base < spi_base || base - spi_base > spi_count || count > spi_count - (base - spi_base)) {
        return FAIL(AV_ERROR_OUT_OF_RANGE,
                    "%u INTIDs from %u on are not all SPIs, which are %u to %u", count, base,
                    spi_base, spi_base + spi_count - 1);
    }
    error = FRAMEWORK(hv_gic_config_set_msi_interrupt_range(config->hv, base, count));
    if (error == AV_OK) {
        config->msi.first = base;
        config->msi.count = count;
    }
    return error;
}

/* --- Constants --------------------------------------------------------------------------------------------------------------- */

#define CONSTANT(name)                              \
    av_error av_gic_get_##name(size_t *bytes)       \
    {                                               \
        NEEDS_MACOS(150000);                        \
        NOT_NULL(bytes);                            \
        return FRAMEWORK(hv_gic_get_##name(bytes)); \
    }

CONSTANT(distributor_size)
CONSTANT(distributor_base_alignment)
CONSTANT(redistributor_region_size)
CONSTANT(redistributor_size)
CONSTANT(redistributor_base_alignment)
CONSTANT(msi_region_size)
CONSTANT(msi_region_base_alignment)

av_error av_gic_get_spi_interrupt_range(uint32_t *base, uint32_t *count)
{
    NEEDS_MACOS(150000);
    NOT_NULL(base);
    NOT_NULL(count);
    return FRAMEWORK(hv_gic_get_spi_interrupt_range(base, count));
}

av_error av_gic_get_intid(hv_gic_intid_t interrupt, uint32_t *intid)
{
    NEEDS_MACOS(150000);
    NOT_NULL(intid);
    return FRAMEWORK(hv_gic_get_intid(interrupt, intid));
}
