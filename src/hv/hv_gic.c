/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The VM's interrupt controller: creation, interrupts, the registers that belong to no vCPU. */
#include "hv/hv_gic.h"

#include "gic/gic.h"

struct gic *hv_find_gic(const char *function)
{
    struct vm *const vm = hv_process_vm();

    if (vm == NULL) {
        hv_refuse(HV_NO_DEVICE, function, "this process has no VM; call hv_vm_create first");
        return NULL;
    }
    if (vm->gic_device == NULL) {
        hv_refuse(HV_NO_DEVICE, function,
                  "the VM has no GIC; call hv_gic_create before the first vCPU");
    }
    return vm->gic_device;
}

/* --- Creation ---------------------------------------------------------------------------------------------------------------- */

struct region {
    const char *name;
    uint64_t base, size;
    bool present;
};

/*
 * Redistributors take as much room as a VM with the most vCPUs gives them, not all of hv_gic_get_redistributor_region_size():
 * clients that leave less are known to work on a Mac.
 */
static hv_return_t check_regions(const struct vm *vm, const struct gic_config *c)
{
    const struct region regions[] = {
        {"Distributor", c->gicd_base, GICD_SIZE, true},
        {"Redistributors", c->gicr_base, (uint64_t)GIC_MAX_CPUS * GICR_SIZE, true},
        {"MSI frame", c->gicm_base, GICM_SIZE, c->msi_count != 0},
    };
    const uint64_t limit = 1ull << vm->config.ipa_bits;

    for (unsigned i = 0; i < 3; i++) {
        const struct region *const a = &regions[i];
        if (!a->present) {
            continue;
        }
        if (a->base >= limit || a->size > limit - a->base) {
            return hv_refuse(HV_BAD_ARGUMENT, "hv_gic_create",
                             "%s: 0x%llx bytes at 0x%llx end beyond the VM's %u-bit IPA space",
                             a->name, (unsigned long long)a->size, (unsigned long long)a->base,
                             vm->config.ipa_bits);
        }
        for (unsigned j = 0; j < i; j++) {
            const struct region *const b = &regions[j];
            if (b->present && a->base < b->base + b->size && b->base < a->base + a->size) {
                return hv_refuse(HV_BAD_ARGUMENT, "hv_gic_create",
                                 "%s (0x%llx bytes at 0x%llx) and %s (0x%llx bytes at 0x%llx) "
                                 "overlap; set their bases apart",
                                 b->name, (unsigned long long)b->size, (unsigned long long)b->base,
                                 a->name, (unsigned long long)a->size, (unsigned long long)a->base);
            }
        }
    }
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_gic_create(hv_gic_config_t gic_config)
{
    struct vm *const vm = hv_process_vm();

    NEEDS_MACOS(15, 0);
    if (vm == NULL) {
        return REFUSE(HV_NO_DEVICE, "this process has no VM; call hv_vm_create first");
    }
    if (!hv_is_gic_config(gic_config)) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "gic_config is %s; expected what hv_gic_config_create returned",
                      gic_config == NULL ? "NULL" : "not a live GIC configuration");
    }
    if (gic_config->msi_intid_count != 0 && !gic_config->has_msi_base) {
        return REFUSE(
            HV_BAD_ARGUMENT,
            "an MSI range is set, and no MSI base; call hv_gic_config_set_msi_region_base");
    }
    const struct gic_config config = {
        .gicd_base = gic_config->distributor_base,
        .gicr_base = gic_config->redistributor_base,
        .gicm_base = gic_config->msi_base,
        .msi_base = gic_config->msi_intid_base,
        .msi_count = gic_config->msi_intid_count,
    };
    const hv_return_t ret = check_regions(vm, &config);
    if (ret != HV_SUCCESS) {
        return ret;
    }
    switch (vm_gic_create(vm, &config)) {
    case VM_OK:
        return HV_SUCCESS;
    case VM_BUSY:
        return REFUSE(HV_BUSY, "the VM has a GIC already");
    case VM_TOO_LATE:
        return REFUSE(HV_ILLEGAL_GUEST_STATE,
                      "the VM has vCPUs already; create the GIC before the first of them");
    default:
        return REFUSE(HV_NO_RESOURCES, "out of memory");
    }
}

HV_EXPORT hv_return_t hv_gic_reset(void)
{
    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    if (vm_any_vcpu(hv_process_vm(), vm_vcpu_is_running)) {
        return REFUSE(HV_BUSY, "a vCPU is running; stop all of them first");
    }
    gic_reset(gic);
    vm_look_anew(hv_process_vm());
    return HV_SUCCESS;
}

/* --- Interrupts -------------------------------------------------------------------------------------------------------------- */

static bool is_msi(const struct gic_config *config, uint32_t intid)
{
    return config->msi_count != 0 && intid >= config->msi_base &&
           intid - config->msi_base < config->msi_count;
}

HV_EXPORT hv_return_t hv_gic_set_spi(uint32_t intid, bool level)
{
    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    if (intid < GIC_SPI_BASE || intid >= GIC_INTIDS) {
        return REFUSE(HV_BAD_ARGUMENT, "intid is %u; SPIs are %u to %u", intid, GIC_SPI_BASE,
                      GIC_INTIDS - 1);
    }
    if (is_msi(gic_config_of(gic), intid)) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "intid %u is in the MSI range; such interrupts come by hv_gic_send_msi",
                      intid);
    }
    gic_set_spi(gic, intid, level);
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_gic_send_msi(hv_ipa_t address, uint32_t intid)
{
    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    const struct gic_config *const config = gic_config_of(gic);
    if (config->msi_count == 0) {
        return REFUSE(HV_BAD_ARGUMENT, "the GIC has no MSIs: set their base and range before");
    }
    if (address != config->gicm_base + HV_GIC_REG_GICM_SET_SPI_NSR) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "address is 0x%llx; HV_GIC_REG_GICM_SET_SPI_NSR is at 0x%llx",
                      (unsigned long long)address,
                      (unsigned long long)(config->gicm_base + HV_GIC_REG_GICM_SET_SPI_NSR));
    }
    if (!is_msi(config, intid)) {
        return REFUSE(HV_BAD_ARGUMENT, "intid is %u; the MSI range is %u to %u", intid,
                      config->msi_base, config->msi_base + config->msi_count - 1);
    }
    gic_message(gic, intid);
    return HV_SUCCESS;
}

/* --- Registers --------------------------------------------------------------------------------------------------------------- */

HV_EXPORT hv_return_t hv_gic_get_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t *value)
{
    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    NOT_NULL(value);
    return gic_gicd_get(gic, reg, value)
               ? HV_SUCCESS
               : REFUSE(HV_BAD_ARGUMENT, "reg is 0x%x, which is no hv_gic_distributor_reg_t",
                        (unsigned)reg);
}

HV_EXPORT hv_return_t hv_gic_set_distributor_reg(hv_gic_distributor_reg_t reg, uint64_t value)
{
    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    return gic_gicd_set(gic, reg, value)
               ? HV_SUCCESS
               : REFUSE(HV_BAD_ARGUMENT, "reg is 0x%x, which is no hv_gic_distributor_reg_t",
                        (unsigned)reg);
}

static hv_return_t no_msi_reg(const struct gic *gic, const char *function, hv_gic_msi_reg_t reg)
{
    return gic_config_of(gic)->msi_count == 0
               ? hv_refuse(HV_BAD_ARGUMENT, function,
                           "the GIC has no MSIs: set their base and range before")
               : hv_refuse(HV_BAD_ARGUMENT, function, "reg is 0x%x, which is no hv_gic_msi_reg_t",
                           (unsigned)reg);
}

HV_EXPORT hv_return_t hv_gic_get_msi_reg(hv_gic_msi_reg_t reg, uint64_t *value)
{
    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    NOT_NULL(value);
    return gic_gicm_get(gic, reg, value) ? HV_SUCCESS : no_msi_reg(gic, __func__, reg);
}

HV_EXPORT hv_return_t hv_gic_set_msi_reg(hv_gic_msi_reg_t reg, uint64_t value)
{
    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    return gic_gicm_set(gic, reg, value) ? HV_SUCCESS : no_msi_reg(gic, __func__, reg);
}
