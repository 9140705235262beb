/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* vm.h: creation, references, configurations. The shared instance has a program of its own, as it never goes. */
#include <pthread.h>

#include "av_check.h"

TEST(a_vm_is_created_and_goes_with_its_last_reference)
{
    av_vm *vm = NULL;
    OK(av_vm_create(&vm));
    EXPECT(av_vm_ref(vm) == vm);
    av_vm_unref(vm);
    FAILS(AV_ERROR_VM_EXISTS, av_vm_create(&vm));
    av_vm_unref(vm);
    OK(av_vm_create(&vm));
    av_vm_unref(vm);
}

TEST(a_second_vm_is_refused_repeatedly_and_written_nowhere)
{
    av_vm *vm = NULL, *other = NULL;
    OK(av_vm_create(&vm));
    for (int i = 0; i < 3; i++) {
        FAILS(AV_ERROR_VM_EXISTS, av_vm_create(&other));
        EXPECT_EQ((uint32_t)av_error_raw(), (uint32_t)HV_BUSY);
        EXPECT(other == NULL);
    }
    av_vm_unref(vm);
}

TEST(null_is_allowed_where_an_object_is_given_up)
{
    av_vm_unref(NULL);
    EXPECT(av_vm_ref(NULL) == NULL);
    av_memory_destroy(NULL);
    OK(av_vcpu_destroy(NULL));
    av_vcpu_handle_unref(NULL);
    av_vcpu_config_destroy(NULL);
#if APPLEVISOR_MACOS >= 130000
    av_vm_config_destroy(NULL);
#endif
#if APPLEVISOR_MACOS >= 150000
    av_gic_config_destroy(NULL);
    av_gic_state_destroy(NULL);
#endif
}

TEST(av_auto_gives_up_what_goes_out_of_scope_in_any_order)
{
    for (int i = 0; i < 2; i++) {
        AV_AUTO(av_memory) memory = NULL;
        AV_AUTO(av_vcpu) vcpu = NULL;
        AV_AUTO(av_vcpu_handle) handle = NULL;
        AV_AUTO(av_vcpu_config) config = NULL;
        AV_AUTO(av_vm) vm = NULL;
        OK(av_vm_create(&vm));
        OK(av_vcpu_config_create(&config));
        OK(av_vcpu_create_with_config(&vcpu, vm, config));
        handle = av_vcpu_get_handle(vcpu);
        OK(av_memory_create(&memory, vm, 1));
        OK(av_memory_map(memory, PAGE, AV_PERMS_R));
    }
}

static void *unref_elsewhere(void *vm)
{
    av_vm_unref(vm);
    return NULL;
}

TEST(the_last_reference_may_go_on_another_thread)
{
    av_vm *vm = NULL;
    pthread_t thread;
    OK(av_vm_create(&vm));
    pthread_create(&thread, NULL, unref_elsewhere, vm);
    pthread_join(thread, NULL);
    OK(av_vm_create(&vm));
    av_vm_unref(vm);
}

TEST(a_vm_tells_its_page_size_and_ipa_size)
{
    av_vm *vm = NULL;
    OK(av_vm_create(&vm));
    EXPECT_EQ(av_vm_page_size(vm), PAGE);
    EXPECT_EQ(av_vm_ipa_size(vm), 36);
    av_vm_unref(vm);
}

/* --- Several VMs ------------------------------------------------------------------------------------------------------------- */

TEST(independent_vms_live_beside_the_process_s_own)
{
    av_vm *own = NULL, *vms[3] = {NULL};
    EXPECT(av_vm_independent_supported());
    OK(av_vm_create(&own));
    for (int i = 0; i < 3; i++) {
        OK(av_vm_create_independent(&vms[i], NULL, NULL));
    }
    /* The same address in each of them, with other contents. */
    av_memory *memory[3] = {NULL};
    for (unsigned i = 0; i < 3; i++) {
        uint32_t value = 0;
        OK(av_memory_create(&memory[i], vms[i], PAGE));
        OK(av_memory_map(memory[i], PAGE, AV_PERMS_RW));
        OK(av_memory_write_u32(memory[i], PAGE, 100 + i));
        OK(av_vm_read(vms[i], PAGE, &value, sizeof(value)));
        EXPECT_EQ(value, 100 + i);
    }
    FAILS(AV_ERROR_OUT_OF_RANGE, av_vm_read(own, PAGE, &(uint32_t){0}, 4));
    for (int i = 0; i < 3; i++) {
        av_vm_unref(vms[i]);
        av_memory_destroy(memory[i]);
    }
    av_vm_unref(own);
}

struct independent {
    unsigned number;
    uint64_t result;
};

static void *run_independent(void *arg)
{
    struct independent *const job = arg;
    const uint32_t code[] = {INSN_MOVZ(0, job->number), INSN_HVC(0)};
    struct machine m;
    av_vm *vm = NULL;

    OK(av_vm_create_independent(&vm, NULL, NULL));
    machine_start_in(&m, vm, code, 2);
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    job->result = reg(m.vcpu, HV_REG_X0);
    machine_stop(&m);
    return NULL;
}

TEST(independent_vms_run_at_the_same_time)
{
    pthread_t threads[4];
    struct independent jobs[4];
    for (unsigned i = 0; i < 4; i++) {
        jobs[i] = (struct independent){.number = 1000 + i};
        pthread_create(&threads[i], NULL, run_independent, &jobs[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_EQ(jobs[i].result, 1000 + i);
    }
}

/* --- Configurations ---------------------------------------------------------------------------------------------------------- */

#if APPLEVISOR_MACOS >= 130000
TEST(ipa_sizes_up_to_the_maximum_are_read_back)
{
    uint32_t max = 0, standard = 0, bits = 99;
    AV_AUTO(av_vm_config) config = NULL;
    OK(av_vm_config_get_max_ipa_size(&max));
    OK(av_vm_config_get_default_ipa_size(&standard));
    EXPECT(standard <= max);
    OK(av_vm_config_create(&config));
    OK(av_vm_config_get_ipa_size(config, &bits));
    EXPECT_EQ(bits, standard);
    const uint32_t good[] = {0, standard - 1, standard, max - 1, max};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        OK(av_vm_config_set_ipa_size(config, good[i]));
        OK(av_vm_config_get_ipa_size(config, &bits));
        EXPECT_EQ(bits, good[i]);
    }
    FAILS(AV_ERROR_OUT_OF_RANGE, av_vm_config_set_ipa_size(config, max + 1));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_vm_config_set_ipa_size(config, UINT32_MAX));
    OK(av_vm_config_get_ipa_size(config, &bits));
    EXPECT_EQ(bits, max);
}

TEST(a_vm_has_the_ipa_size_of_its_configuration)
{
    av_vm *vm = NULL;
    uint32_t max = 0;
    AV_AUTO(av_vm_config) config = NULL;
    OK(av_vm_config_create(&config));
    OK(av_vm_config_get_max_ipa_size(&max));
    OK(av_vm_config_set_ipa_size(config, max));
    OK(av_vm_create_with_config(&vm, config));
    EXPECT_EQ(av_vm_ipa_size(vm), max);
    av_vm_unref(vm);
    OK(av_vm_config_set_ipa_size(config, 0));
    OK(av_vm_create_with_config(&vm, config));
    EXPECT_EQ(av_vm_ipa_size(vm), 36);
    av_vm_unref(vm);
    OK(av_vm_create_with_config(&vm, NULL));
    av_vm_unref(vm);
}

TEST(configurations_want_their_pointers)
{
    AV_AUTO(av_vm_config) config = NULL;
    uint32_t bits;
    OK(av_vm_config_create(&config));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_config_create(NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_config_get_max_ipa_size(NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_config_get_default_ipa_size(NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_config_get_ipa_size(NULL, &bits));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_config_get_ipa_size(config, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_config_set_ipa_size(NULL, 36));
}
#endif

#if APPLEVISOR_MACOS >= 150000
TEST(el2_is_read_back_and_refused_where_there_is_none)
{
    av_vm *vm = NULL;
    bool supported = true, enabled = true;
    AV_AUTO(av_vm_config) config = NULL;
    OK(av_vm_config_get_el2_supported(&supported));
    OK(av_vm_config_create(&config));
    OK(av_vm_config_get_el2_enabled(config, &enabled));
    EXPECT_EQ(enabled, false);
    OK(av_vm_config_set_el2_enabled(config, true));
    OK(av_vm_config_get_el2_enabled(config, &enabled));
    EXPECT_EQ(enabled, true);
    if (supported) {
        OK(av_vm_create_with_config(&vm, config));
        av_vm_unref(vm);
    } else {
        FAILS(AV_ERROR_UNSUPPORTED, av_vm_create_with_config(&vm, config));
        EXPECT(strstr(av_error_message(), "EL2") != NULL);
    }
    OK(av_vm_config_set_el2_enabled(config, false));
    OK(av_vm_config_get_el2_enabled(config, &enabled));
    EXPECT_EQ(enabled, false);
}
#endif

#if APPLEVISOR_MACOS >= 150200
TEST(max_svl_is_a_value_or_unsupported)
{
    size_t bytes = 0;
    const av_error error = av_vm_config_get_max_svl_bytes(&bytes);
    EXPECT(error == AV_ERROR_UNSUPPORTED || (error == AV_OK && bytes >= 16 && bytes <= 256));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_config_get_max_svl_bytes(NULL));
}
#endif

#if APPLEVISOR_MACOS >= 260000
TEST(both_granules_are_read_back_and_are_the_page_size)
{
    static const struct {
        hv_ipa_granule_t granule;
        size_t page;
    } cases[] = {{HV_IPA_GRANULE_4KB, 0x1000}, {HV_IPA_GRANULE_16KB, 0x4000}};
    hv_ipa_granule_t granule = 99;
    AV_AUTO(av_vm_config) config = NULL;
    OK(av_vm_config_get_default_ipa_granule(&granule));
    EXPECT_EQ(granule, HV_IPA_GRANULE_16KB);
    OK(av_vm_config_create(&config));
    for (int i = 0; i < 2; i++) {
        av_vm *vm = NULL;
        av_memory *memory = NULL;
        OK(av_vm_config_set_ipa_granule(config, cases[i].granule));
        OK(av_vm_config_get_ipa_granule(config, &granule));
        EXPECT_EQ(granule, cases[i].granule);
        OK(av_vm_create_with_config(&vm, config));
        EXPECT_EQ(av_vm_page_size(vm), cases[i].page);
        OK(av_memory_create(&memory, vm, 1));
        EXPECT_EQ(av_memory_size(memory), cases[i].page);
        OK(av_memory_map(memory, 3 * cases[i].page, AV_PERMS_RW));
        av_memory_destroy(memory);
        av_vm_unref(vm);
    }
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vm_config_set_ipa_granule(config, 2));
}
#endif

static const struct test tests[] = {
    // clang-format off
    T(a_vm_is_created_and_goes_with_its_last_reference),
    T(a_second_vm_is_refused_repeatedly_and_written_nowhere),
    T(null_is_allowed_where_an_object_is_given_up),
    T(av_auto_gives_up_what_goes_out_of_scope_in_any_order),
    T(the_last_reference_may_go_on_another_thread), T(a_vm_tells_its_page_size_and_ipa_size),
    T(independent_vms_live_beside_the_process_s_own), T(independent_vms_run_at_the_same_time),
#if APPLEVISOR_MACOS >= 130000
    T(ipa_sizes_up_to_the_maximum_are_read_back), T(a_vm_has_the_ipa_size_of_its_configuration),
    T(configurations_want_their_pointers),
#endif
#if APPLEVISOR_MACOS >= 150000
    T(el2_is_read_back_and_refused_where_there_is_none),
#endif
#if APPLEVISOR_MACOS >= 150200
    T(max_svl_is_a_value_or_unsupported),
#endif
#if APPLEVISOR_MACOS >= 260000
    T(both_granules_are_read_back_and_are_the_page_size),
#endif
    // clang-format on
};
MAIN_OF(tests)
