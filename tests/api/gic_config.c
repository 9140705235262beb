/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* hv_gic_config.h, hv_gic_parameters.h, and hv_gic_create(). */
#include "gic_check.h"

TEST(geometry_is_that_of_macs)
{
    static const struct {
        hv_return_t (*get)(size_t *);
        size_t expected;
    } sizes[] = {
        {hv_gic_get_distributor_size, 0x10000},
        {hv_gic_get_distributor_base_alignment, 0x10000},
        {hv_gic_get_redistributor_region_size, 0x2000000},
        {hv_gic_get_redistributor_size, 0x20000},
        {hv_gic_get_redistributor_base_alignment, 0x10000},
        {hv_gic_get_msi_region_size, 0x10000},
        {hv_gic_get_msi_region_base_alignment, 0x10000},
    };
    uint32_t base = 0, count = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = 0;
        OK(sizes[i].get(&size));
        EXPECT_EQ(size, sizes[i].expected);
        REFUSED(HV_BAD_ARGUMENT, sizes[i].get(NULL));
    }
    OK(hv_gic_get_spi_interrupt_range(&base, &count));
    EXPECT_EQ(base, 32);
    EXPECT_EQ(count, 988);
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_spi_interrupt_range(NULL, &count));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_spi_interrupt_range(&base, NULL));
}

TEST(reserved_intids_are_told_without_vm_and_without_el2)
{
    static const hv_gic_intid_t ids[] = {
        HV_GIC_INT_PERFORMANCE_MONITOR, HV_GIC_INT_MAINTENANCE, HV_GIC_INT_EL2_PHYSICAL_TIMER,
        HV_GIC_INT_EL1_VIRTUAL_TIMER, HV_GIC_INT_EL1_PHYSICAL_TIMER};
    uint32_t intid = 0;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        OK(hv_gic_get_intid(ids[i], &intid));
        EXPECT_EQ(intid, ids[i]);
    }
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_intid(HV_GIC_INT_MAINTENANCE, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_intid((hv_gic_intid_t)24, &intid));
}

typedef hv_return_t base_setter(hv_gic_config_t, hv_ipa_t);

static void check_base_setter(base_setter *set, uint64_t size)
{
    hv_gic_config_t config = hv_gic_config_create();

    OK(set(config, 0));
    OK(set(config, -size - 0x10000));
    REFUSED(HV_BAD_ARGUMENT, set(config, -size)); /* ends exactly at 2^64 */
    REFUSED(HV_BAD_ARGUMENT, set(config, -0x10000ull));
    REFUSED(HV_BAD_ARGUMENT, set(config, 0x8001000));
    REFUSED(HV_BAD_ARGUMENT, set(NULL, 0));
    os_release(config);
}

TEST(bases_are_aligned_and_do_not_wrap)
{
    check_base_setter(hv_gic_config_set_distributor_base, 0x10000);
    check_base_setter(hv_gic_config_set_redistributor_base, 0x2000000);
    check_base_setter(hv_gic_config_set_msi_region_base, 0x10000);
}

TEST(msi_range_lies_within_the_spis)
{
    hv_gic_config_t config = hv_gic_config_create();

    OK(hv_gic_config_set_msi_interrupt_range(config, 32, 988));
    OK(hv_gic_config_set_msi_interrupt_range(config, 1019, 1));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_config_set_msi_interrupt_range(config, 0, 0xffffffff));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_config_set_msi_interrupt_range(config, 31, 2));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_config_set_msi_interrupt_range(config, 32, 989));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_config_set_msi_interrupt_range(config, 1019, 2));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_config_set_msi_interrupt_range(config, 1020, 1));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_config_set_msi_interrupt_range(config, 40, 0));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_config_set_msi_interrupt_range(NULL, 32, 1));
    os_release(config);
}

/* hv_gic_create() in a VM of its own, which must survive it. */
static void create(hv_gic_config_t config, hv_return_t expected)
{
    OK(hv_vm_create(NULL));
    EXPECT_EQ((uint32_t)hv_gic_create(config), (uint32_t)expected);
    OK(hv_vm_destroy());
    if (config != NULL) {
        os_release(config);
    }
}

TEST(untouched_configuration_overlaps_itself)
{
    create(hv_gic_config_create(), HV_BAD_ARGUMENT);
}

TEST(one_base_is_enough)
{
    hv_gic_config_t config = hv_gic_config_create();

    OK(hv_gic_config_set_redistributor_base(config, 0x20000));
    create(config, HV_SUCCESS);
    config = hv_gic_config_create();
    OK(hv_gic_config_set_redistributor_base(config, 0x20000000));
    create(config, HV_SUCCESS);
    config = hv_gic_config_create();
    OK(hv_gic_config_set_distributor_base(config, 0x20000000));
    create(config, HV_SUCCESS);
}

TEST(regions_that_overlap_or_pass_the_ipa_size_are_refused)
{
    hv_gic_config_t config = hv_gic_config_create();

    OK(hv_gic_config_set_distributor_base(config, 0x10000));
    create(config, HV_BAD_ARGUMENT); /* within the Redistributors at 0 */
    config = gic_config(true);
    OK(hv_gic_config_set_msi_region_base(config, GICD_BASE));
    create(config, HV_BAD_ARGUMENT);
    config = gic_config(false);
    OK(hv_gic_config_set_distributor_base(config, 1ull << 36));
    create(config, HV_BAD_ARGUMENT);
    config = gic_config(false);
    OK(hv_gic_config_set_redistributor_base(config, (1ull << 36) - 0x10000));
    create(config, HV_BAD_ARGUMENT);
    config = gic_config(false);
    OK(hv_gic_config_set_distributor_base(config, (1ull << 36) - 0x10000));
    create(config, HV_SUCCESS);
}

TEST(msi_range_needs_an_msi_base)
{
    hv_gic_config_t config = gic_config(false);

    OK(hv_gic_config_set_msi_interrupt_range(config, 64, 32));
    create(config, HV_BAD_ARGUMENT);
    config = gic_config(false);
    OK(hv_gic_config_set_msi_region_base(config, GICM_BASE));
    create(config, HV_SUCCESS); /* but there are no MSIs */
    create(gic_config(true), HV_SUCCESS);
}

TEST(something_else_is_no_configuration)
{
    hv_vm_config_t other = hv_vm_config_create();

    create(NULL, HV_BAD_ARGUMENT);
    OK(hv_vm_create(NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_create((hv_gic_config_t)(void *)other));
    OK(hv_vm_destroy());
    os_release(other);
}

TEST(gic_comes_after_the_vm_and_before_the_vcpus_once)
{
    hv_gic_config_t config = gic_config(false);
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;

    REFUSED(HV_NO_DEVICE, hv_gic_create(config));
    OK(hv_vm_create(NULL));
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    REFUSED(HV_ILLEGAL_GUEST_STATE, hv_gic_create(config));
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_gic_create(config));
    REFUSED(HV_BUSY, hv_gic_create(config));
    OK(hv_vm_destroy());
    /* A new VM has none. */
    OK(hv_vm_create(NULL));
    REFUSED(HV_NO_DEVICE, hv_gic_reset());
    OK(hv_gic_create(config));
    OK(hv_vm_destroy());
    os_release(config);
}

TEST(configuration_may_be_released_after_create)
{
    hv_gic_config_t config = gic_config(false);

    OK(hv_vm_create(NULL));
    OK(hv_gic_create(config));
    os_release(config);
    EXPECT_EQ(gicd(0xffe8) >> 4 & 15, 3);
    OK(hv_vm_destroy());
}

TEST(nothing_of_it_exists_before_macos_15)
{
    size_t size;
    uint32_t number = 0;

    setenv("HV_MACOS", "14.4", 1);
    EXPECT(hv_gic_config_create() == NULL);
    REFUSED(HV_UNSUPPORTED, hv_gic_get_distributor_size(&size));
    REFUSED(HV_UNSUPPORTED, hv_gic_get_intid(HV_GIC_INT_MAINTENANCE, &number));
    OK(hv_vm_create(NULL));
    REFUSED(HV_UNSUPPORTED, hv_gic_create(NULL));
    REFUSED(HV_UNSUPPORTED, hv_gic_set_spi(40, true));
    REFUSED(HV_UNSUPPORTED, hv_gic_reset());
    EXPECT(hv_gic_state_create() == NULL);
    OK(hv_vm_destroy());
    unsetenv("HV_MACOS");
}

MAIN(T(geometry_is_that_of_macs), T(reserved_intids_are_told_without_vm_and_without_el2),
     T(bases_are_aligned_and_do_not_wrap), T(msi_range_lies_within_the_spis),
     T(untouched_configuration_overlaps_itself), T(one_base_is_enough),
     T(regions_that_overlap_or_pass_the_ipa_size_are_refused), T(msi_range_needs_an_msi_base),
     T(something_else_is_no_configuration), T(gic_comes_after_the_vm_and_before_the_vcpus_once),
     T(configuration_may_be_released_after_create), T(nothing_of_it_exists_before_macos_15))
