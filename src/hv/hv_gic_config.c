/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "gic/gic.h"
#include "hv/hv_gic.h"
#include "hv/hv_gic_sizes.h"

HV_EXPORT hv_gic_config_t hv_gic_config_create(void)
{
    if (hv_macos() < HV_VERSION(15, 0)) {
        REFUSE(HV_UNSUPPORTED, "this function needs macOS 15.0; HV_MACOS acts as an older one");
        return NULL;
    }
    struct hv_gic_config_s *const config = hv_object_create(HV_OBJECT_GIC_CONFIG, sizeof(*config));
    if (config == NULL) {
        REFUSE(HV_NO_RESOURCES, "out of memory");
    }
    return config;
}

static hv_return_t check_config(const char *function, hv_gic_config_t config)
{
    if (!hv_is_gic_config(config)) {
        return hv_refuse(HV_BAD_ARGUMENT, function,
                         "config is %s; expected what hv_gic_config_create returned",
                         config == NULL ? "NULL" : "not a live GIC configuration");
    }
    return HV_SUCCESS;
}

/* A region may not end at 2^64 either, as observed. */
static hv_return_t check_base(const char *function, hv_ipa_t base, uint64_t size)
{
    if (base % HV_GIC_ALIGNMENT != 0) {
        return hv_refuse(HV_BAD_ARGUMENT, function,
                         "the base is 0x%llx; expected a multiple of 0x%x",
                         (unsigned long long)base, HV_GIC_ALIGNMENT);
    }
    if (base > UINT64_MAX - size) {
        return hv_refuse(HV_BAD_ARGUMENT, function, "a region of 0x%llx bytes at 0x%llx would wrap",
                         (unsigned long long)size, (unsigned long long)base);
    }
    return HV_SUCCESS;
}

/* What the three setters of a base have in common; `store` runs when all is well. */
#define SET_BASE(config, base, size, store)                  \
    do {                                                     \
        NEEDS_MACOS(15, 0);                                  \
        hv_return_t ret_ = check_config(__func__, (config)); \
        if (ret_ == HV_SUCCESS) {                            \
            ret_ = check_base(__func__, (base), (size));     \
        }                                                    \
        if (ret_ != HV_SUCCESS) {                            \
            return ret_;                                     \
        }                                                    \
        store;                                               \
        return HV_SUCCESS;                                   \
    } while (0)

HV_EXPORT hv_return_t hv_gic_config_set_distributor_base(hv_gic_config_t config,
                                                         hv_ipa_t distributor_base_address)
{
    SET_BASE(config, distributor_base_address, GICD_SIZE,
             config->distributor_base = distributor_base_address);
}

HV_EXPORT hv_return_t hv_gic_config_set_redistributor_base(hv_gic_config_t config,
                                                           hv_ipa_t redistributor_base_address)
{
    SET_BASE(config, redistributor_base_address, HV_GIC_REDISTRIBUTOR_REGION,
             config->redistributor_base = redistributor_base_address);
}

HV_EXPORT hv_return_t hv_gic_config_set_msi_region_base(hv_gic_config_t config,
                                                        hv_ipa_t msi_region_base_address)
{
    SET_BASE(config, msi_region_base_address, GICM_SIZE, {
        config->msi_base = msi_region_base_address;
        config->has_msi_base = true;
    });
}

HV_EXPORT hv_return_t hv_gic_config_set_msi_interrupt_range(hv_gic_config_t config,
                                                            uint32_t msi_intid_base,
                                                            uint32_t msi_intid_count)
{
    NEEDS_MACOS(15, 0);
    const hv_return_t ret = check_config(__func__, config);
    if (ret != HV_SUCCESS) {
        return ret;
    }
    if (msi_intid_count == 0 || msi_intid_base < GIC_SPI_BASE || msi_intid_base >= GIC_INTIDS ||
        msi_intid_count > GIC_INTIDS - msi_intid_base) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "%u INTIDs from %u on are not a range of SPIs, which are %u to %u",
                      msi_intid_count, msi_intid_base, GIC_SPI_BASE, GIC_INTIDS - 1);
    }
    config->msi_intid_base = msi_intid_base;
    config->msi_intid_count = msi_intid_count;
    return HV_SUCCESS;
}
