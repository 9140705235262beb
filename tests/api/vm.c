/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* hv_vm.h and hv_vm_allocate.h. Facts: docs/quirks.md names the chosen ones; the others were observed on hardware. */
#include <sys/mman.h>

#include "check.h"

TEST(max_vcpu_count_is_64_without_a_vm)
{
    uint32_t n = 0;
    OK(hv_vm_get_max_vcpu_count(&n));
    EXPECT_EQ(n, 64);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_get_max_vcpu_count(NULL));
}

TEST(second_vm_is_busy)
{
    OK(hv_vm_create(NULL));
    REFUSED(HV_BUSY, hv_vm_create(NULL));
    REFUSED(HV_BUSY, hv_vm_create(NULL));
    OK(hv_vm_destroy());
}

TEST(vm_can_be_created_again_after_destroy)
{
    for (int i = 0; i < 20; i++) {
        OK(hv_vm_create(NULL));
        OK(hv_vm_destroy());
    }
    REFUSED(HV_NO_DEVICE, hv_vm_destroy());
}

TEST(destroy_with_a_live_vcpu_is_busy)
{
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
    OK(hv_vm_create(NULL));
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    REFUSED(HV_BUSY, hv_vm_destroy());
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vm_destroy());
}

TEST(memory_calls_without_a_vm_have_no_device)
{
    char *const p = pages(1);
    REFUSED(HV_NO_DEVICE, hv_vm_map(p, PAGE, PAGE, RWX));
    REFUSED(HV_NO_DEVICE, hv_vm_unmap(PAGE, PAGE));
    REFUSED(HV_NO_DEVICE, hv_vm_protect(PAGE, PAGE, RWX));
    OK(hv_vm_deallocate(p, PAGE));
}

TEST(map_refuses_what_is_not_page_aligned)
{
    char *const p = pages(2);
    OK(hv_vm_create(NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, 0x1000, PAGE, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p + 0x800, PAGE, PAGE, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, PAGE, 0x1000, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, PAGE, 0x2000, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, PAGE, 0, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(NULL, PAGE, PAGE, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, PAGE, PAGE, 8));
    OK(hv_vm_map(p, PAGE, PAGE, RWX));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, 2 * PAGE));
}

TEST(map_beyond_the_ipa_size_is_a_bad_argument)
{
    char *const p = pages(2);
    OK(hv_vm_create(NULL)); /* 36 bits */
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, 1ull << 36, PAGE, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, (1ull << 36) - PAGE, 2 * PAGE, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, -(uint64_t)PAGE, 2 * PAGE, RWX));
    OK(hv_vm_map(p, (1ull << 36) - PAGE, PAGE, RWX));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, 2 * PAGE));
}

TEST(map_over_a_live_mapping_is_an_error_and_changes_nothing)
{
    char *const p = pages(4);
    OK(hv_vm_create(NULL));
    OK(hv_vm_map(p, 4 * PAGE, PAGE, RWX));
    REFUSED(HV_ERROR, hv_vm_map(p, 4 * PAGE, PAGE, RWX));
    REFUSED(HV_ERROR, hv_vm_map(p, 3 * PAGE, 2 * PAGE, RWX));
    REFUSED(HV_ERROR, hv_vm_map(p, 3 * PAGE, 4 * PAGE, RWX));
    /* Nothing of the refused ranges was mapped. */
    OK(hv_vm_map(p, 3 * PAGE, PAGE, RWX));
    OK(hv_vm_map(p, 5 * PAGE, 2 * PAGE, RWX));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, 4 * PAGE));
}

TEST(map_of_the_hole_left_by_an_unmap_succeeds)
{
    char *const p = pages(4);
    OK(hv_vm_create(NULL));
    OK(hv_vm_map(p, 0, 4 * PAGE, RWX));
    OK(hv_vm_unmap(PAGE, 2 * PAGE));
    REFUSED(HV_ERROR, hv_vm_map(p, PAGE, 3 * PAGE, RWX));
    OK(hv_vm_map(p, PAGE, 2 * PAGE, RWX));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, 4 * PAGE));
}

TEST(unmap_of_what_is_not_mapped_succeeds)
{
    char *const p = pages(2);
    OK(hv_vm_create(NULL));
    OK(hv_vm_unmap(PAGE, 16 * PAGE));
    OK(hv_vm_map(p, 2 * PAGE, PAGE, RWX));
    OK(hv_vm_unmap(PAGE, 16 * PAGE));
    OK(hv_vm_unmap(2 * PAGE, PAGE));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_unmap(0x1000, PAGE));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_unmap(PAGE, 0x1000));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_unmap(PAGE, 0));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, 2 * PAGE));
}

TEST(protect_works_on_a_part_of_a_mapping)
{
    char *const p = pages(4);
    OK(hv_vm_create(NULL));
    OK(hv_vm_map(p, 0, 4 * PAGE, RWX));
    OK(hv_vm_protect(PAGE, PAGE, HV_MEMORY_READ));
    OK(hv_vm_protect(PAGE, 2 * PAGE, 0));
    OK(hv_vm_protect(0, 4 * PAGE, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_protect(0x1000, PAGE, RWX));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_protect(PAGE, PAGE, 0x10));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_protect(PAGE, 0, RWX));
    REFUSED(HV_ERROR, hv_vm_protect(3 * PAGE, 2 * PAGE, HV_MEMORY_READ));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, 4 * PAGE));
}

TEST(every_flag_combination_seen_on_hardware_is_accepted)
{
    static const hv_memory_flags_t seen[] = {1, 3, 4, 5, 7};
    char *const p = pages(1);
    OK(hv_vm_create(NULL));
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        OK(hv_vm_map(p, i * PAGE, PAGE, seen[i]));
    }
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, PAGE));
}

TEST(map_of_a_host_range_with_a_hole_is_an_error)
{
    char *const p = pages(4);
    munmap(p + 2 * PAGE, PAGE);
    OK(hv_vm_create(NULL));
    REFUSED(HV_ERROR, hv_vm_map(p, 0, 4 * PAGE, RWX));
    OK(hv_vm_map(p, 0, 2 * PAGE, RWX));
    OK(hv_vm_destroy());
    munmap(p, 4 * PAGE);
}

TEST(four_kib_granule_allows_four_kib_ranges)
{
    char *const p = pages(1);
    hv_vm_config_t config = hv_vm_config_create();
    OK(hv_vm_config_set_ipa_granule(config, HV_IPA_GRANULE_4KB));
    OK(hv_vm_create(config));
    os_release(config);
    OK(hv_vm_map(p + 0x1000, 0x1000, 0x1000, RWX));
    OK(hv_vm_protect(0x1000, 0x1000, HV_MEMORY_READ));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_map(p, 0x800, 0x1000, RWX));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, PAGE));
}

TEST(allocated_memory_is_zero_and_16_kib_aligned)
{
    char *const p = pages(3);
    static const char zeros[3 * PAGE];
    EXPECT_EQ((uintptr_t)p % PAGE, 0);
    EXPECT(memcmp(p, zeros, sizeof(zeros)) == 0);
    OK(hv_vm_deallocate(p, 3 * PAGE));
    void *q = NULL;
    REFUSED(HV_BAD_ARGUMENT, hv_vm_allocate(&q, 0, HV_ALLOCATE_DEFAULT));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_allocate(&q, 100, HV_ALLOCATE_DEFAULT));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_allocate(NULL, PAGE, HV_ALLOCATE_DEFAULT));
    REFUSED(HV_BAD_ARGUMENT, hv_vm_allocate(&q, PAGE, 1));
    EXPECT(q == NULL);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_deallocate(NULL, PAGE));
}

TEST(environment_chooses_version_and_chip)
{
    void *p = NULL;
    uint32_t bits = 0;
    setenv("HV_MACOS", "11.0", 1);
    REFUSED(HV_UNSUPPORTED, hv_vm_allocate(&p, PAGE, HV_ALLOCATE_DEFAULT));
    REFUSED(HV_UNSUPPORTED, hv_vm_config_get_max_ipa_size(&bits));
    setenv("HV_MACOS", "12.1", 1);
    OK(hv_vm_allocate(&p, PAGE, HV_ALLOCATE_DEFAULT));
    OK(hv_vm_deallocate(p, PAGE));
    setenv("HV_MACOS", "yesterday", 1);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_create(NULL));
    unsetenv("HV_MACOS");
    setenv("HV_CHIP", "z80", 1);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_create(NULL));
    setenv("HV_CHIP", "m1", 1);
    OK(hv_vm_config_get_max_ipa_size(&bits));
    EXPECT_EQ(bits, 36);
    OK(hv_vm_create(NULL));
    OK(hv_vm_destroy());
    unsetenv("HV_CHIP");
    OK(hv_vm_config_get_max_ipa_size(&bits));
    EXPECT_EQ(bits, 40);
    setenv("HV_HOST_LEVEL", "v1", 1);
    REFUSED(HV_BAD_ARGUMENT, hv_vm_create(NULL));
    unsetenv("HV_HOST_LEVEL");
}

TEST(os_release_of_null_is_harmless)
{
    os_release(NULL);
    EXPECT(os_retain(NULL) == NULL);
}

MAIN(T(max_vcpu_count_is_64_without_a_vm), T(second_vm_is_busy),
     T(vm_can_be_created_again_after_destroy), T(destroy_with_a_live_vcpu_is_busy),
     T(memory_calls_without_a_vm_have_no_device), T(map_refuses_what_is_not_page_aligned),
     T(map_beyond_the_ipa_size_is_a_bad_argument),
     T(map_over_a_live_mapping_is_an_error_and_changes_nothing),
     T(map_of_the_hole_left_by_an_unmap_succeeds), T(unmap_of_what_is_not_mapped_succeeds),
     T(protect_works_on_a_part_of_a_mapping),
     T(every_flag_combination_seen_on_hardware_is_accepted),
     T(map_of_a_host_range_with_a_hole_is_an_error), T(four_kib_granule_allows_four_kib_ranges),
     T(allocated_memory_is_zero_and_16_kib_aligned), T(environment_chooses_version_and_chip),
     T(os_release_of_null_is_harmless))
