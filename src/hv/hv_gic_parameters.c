/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "gic/gic.h"
#include "hv/hv_gic.h"
#include "hv/hv_gic_sizes.h"

#define CONSTANT(function, parameter, value)          \
    HV_EXPORT hv_return_t function(size_t *parameter) \
    {                                                 \
        NEEDS_MACOS(15, 0);                           \
        NOT_NULL(parameter);                          \
        *parameter = (value);                         \
        return HV_SUCCESS;                            \
    }

CONSTANT(hv_gic_get_distributor_size, distributor_size, GICD_SIZE)
CONSTANT(hv_gic_get_distributor_base_alignment, distributor_base_alignment, HV_GIC_ALIGNMENT)
CONSTANT(hv_gic_get_redistributor_region_size, redistributor_region_size,
         HV_GIC_REDISTRIBUTOR_REGION)
CONSTANT(hv_gic_get_redistributor_size, redistributor_size, GICR_SIZE)
CONSTANT(hv_gic_get_redistributor_base_alignment, redistributor_base_alignment, HV_GIC_ALIGNMENT)
CONSTANT(hv_gic_get_msi_region_size, msi_region_size, GICM_SIZE)
CONSTANT(hv_gic_get_msi_region_base_alignment, msi_region_base_alignment, HV_GIC_ALIGNMENT)

HV_EXPORT hv_return_t hv_gic_get_spi_interrupt_range(uint32_t *spi_intid_base,
                                                     uint32_t *spi_intid_count)
{
    NEEDS_MACOS(15, 0);
    NOT_NULL(spi_intid_base);
    NOT_NULL(spi_intid_count);
    *spi_intid_base = GIC_SPI_BASE;
    *spi_intid_count = GIC_SPI_COUNT;
    return HV_SUCCESS;
}

/* An enumerator's value is its INTID. */
HV_EXPORT hv_return_t hv_gic_get_intid(hv_gic_intid_t interrupt, uint32_t *intid)
{
    NEEDS_MACOS(15, 0);
    NOT_NULL(intid);
    switch (interrupt) {
    case HV_GIC_INT_PERFORMANCE_MONITOR:
    case HV_GIC_INT_MAINTENANCE:
    case HV_GIC_INT_EL2_PHYSICAL_TIMER:
    case HV_GIC_INT_EL1_VIRTUAL_TIMER:
    case HV_GIC_INT_EL1_PHYSICAL_TIMER:
        *intid = interrupt;
        return HV_SUCCESS;
    default:
        return REFUSE(HV_BAD_ARGUMENT, "interrupt is %u, which is no hv_gic_intid_t",
                      (unsigned)interrupt);
    }
}
