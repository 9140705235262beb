/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Making VMs, and counting who needs them. */
#include <stdlib.h>

#include <applevisor/vm.h>

#include "applevisor/internal.h"

#define DEFAULT_IPA_BITS 36u
#define PAGE_16KB        0x4000u
#define PAGE_4KB         0x1000u

/* --- What the configuration means for us ------------------------------------------------------------------------------------- */

/* The page size and IPA size that the framework will use; it has no getters for those of a VM. */
static void read_geometry(av_vm *vm, hv_vm_config_t config)
{
    hv_ipa_granule_t granule = HV_IPA_GRANULE_16KB;
    uint32_t bits = 0;

    vm->ipa_bits = DEFAULT_IPA_BITS;
    if (av_macos_version() >= 130000) {
        if (config != NULL) {
            hv_vm_config_get_ipa_size(config, &bits);
        }
        if (bits == 0) {
            hv_vm_config_get_default_ipa_size(&bits);
        }
        vm->ipa_bits = bits;
    }
    if (av_macos_version() >= 260000) {
        if (config != NULL) {
            hv_vm_config_get_ipa_granule(config, &granule);
        } else {
            hv_vm_config_get_default_ipa_granule(&granule);
        }
    }
    vm->page_size = granule == HV_IPA_GRANULE_4KB ? PAGE_4KB : PAGE_16KB;
}

/* --- Creation ---------------------------------------------------------------------------------------------------------------- */

static hv_return_t framework_create(av_vm *vm, bool independent, hv_vm_config_t config)
{
    return independent ? framework_vm_create(&vm->independent, config) : hv_vm_create(config);
}

static void framework_destroy(av_vm *vm)
{
    /* It cannot be refused: whoever has a vCPU has a reference. */
    if (vm->independent != NULL) {
        framework_vm_destroy(vm->independent);
    } else {
        hv_vm_destroy();
    }
}

static void free_vm(av_vm *vm)
{
    while (vm->orphans != NULL) {
        av_memory *const memory = vm->orphans;
        vm->orphans = memory->next_orphan;
        av_memory_release(memory);
    }
    pthread_rwlock_destroy(&vm->map_lock);
    free(vm->mappings);
    free(vm);
}

struct choices {
    bool independent;
    bool with_gic; /* a GIC is asked for, be the configuration NULL */
    const av_vm_config *config;
    const av_gic_config *gic_config;
};

static av_error create(av_vm **result, const struct choices *choices, const char *function)
{
    const hv_vm_config_t config = av_vm_config_hv(choices->config);

    if (result == NULL) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function,
                       "vm is NULL, and must point to a place for the result");
    }
    av_vm *const vm = calloc(1, sizeof(*vm));
    if (vm == NULL) {
        return av_fail(AV_ERROR_NO_MEMORY, function, "out of memory");
    }
    if (pthread_rwlock_init(&vm->map_lock, NULL) != 0) {
        free(vm);
        return av_fail(AV_ERROR_NO_MEMORY, function, "no lock to be had");
    }
    atomic_init(&vm->references, 1);
    read_geometry(vm, config);
    hv_return_t ret = framework_create(vm, choices->independent, config);
    if (ret != HV_SUCCESS) {
        free_vm(vm);
        if (ret == HV_BUSY) {
            return av_fail(
                AV_ERROR_VM_EXISTS, function,
                "this process has a VM already, and Apple's framework allows one: share it with "
                "av_vm_ref, or give up every av_vm, av_vcpu and av_memory of it first%s",
                FRAMEWORK_HAS_EXTENSIONS ? ", or use av_vm_create_independent" : "");
        }
        return av_fail_hv(ret, function);
    }
    if (choices->with_gic) {
        ret = IN_VM(vm, hv_gic_create(av_gic_config_hv(choices->gic_config)));
        if (ret != HV_SUCCESS) {
            const av_error error = av_fail_hv(ret, function);
            framework_destroy(vm);
            free_vm(vm);
            return error;
        }
        vm->gic.vm = vm;
        vm->gic.msi = av_gic_config_msi(choices->gic_config);
    }
    *result = vm;
    return AV_OK;
}

av_error av_vm_create(av_vm **vm)
{
    return create(vm, &(struct choices){0}, __func__);
}

av_error av_vm_create_with_config(av_vm **vm, const av_vm_config *config)
{
    NEEDS_MACOS(130000);
    return create(vm, &(struct choices){.config = config}, __func__);
}

av_error av_vm_create_with_gic(av_vm **vm, av_gic **gic, const av_vm_config *config,
                               const av_gic_config *gic_config)
{
    NEEDS_MACOS(150000);
    NOT_NULL(gic_config);
    const av_error error = create(
        vm, &(struct choices){.with_gic = true, .config = config, .gic_config = gic_config},
        __func__);
    if (error == AV_OK && gic != NULL) {
        *gic = &(*vm)->gic;
    }
    return error;
}

bool av_vm_independent_supported(void)
{
    return FRAMEWORK_HAS_EXTENSIONS != 0;
}

av_error av_vm_create_independent(av_vm **vm, const av_vm_config *config,
                                  const av_gic_config *gic_config)
{
    if (!av_vm_independent_supported()) {
        return FAIL(AV_ERROR_UNSUPPORTED,
                    "Apple's framework has one VM per process: start a process per VM");
    }
    if (config != NULL) {
        NEEDS_MACOS(130000);
    }
    if (gic_config != NULL) {
        NEEDS_MACOS(150000);
    }
    return create(vm,
                  &(struct choices){.independent = true,
                                    .with_gic = gic_config != NULL,
                                    .config = config,
                                    .gic_config = gic_config},
                  __func__);
}

/* --- References -------------------------------------------------------------------------------------------------------------- */

av_vm *av_vm_ref(av_vm *vm)
{
    if (vm != NULL && !vm->is_shared) {
        atomic_fetch_add_explicit(&vm->references, 1, memory_order_relaxed);
    }
    return vm;
}

void av_vm_unref(av_vm *vm)
{
    if (vm == NULL || vm->is_shared ||
        atomic_fetch_sub_explicit(&vm->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    framework_destroy(vm);
    free_vm(vm);
}

/* --- The shared instance ----------------------------------------------------------------------------------------------------- */

static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static av_vm *_Atomic shared_vm;

static av_error shared_init(const struct choices *choices, const char *function)
{
    av_error error = AV_OK;
    av_vm *vm = NULL;

    if (av_vm_shared() != NULL) {
        return AV_OK;
    }
    pthread_mutex_lock(&shared_lock);
    if (av_vm_shared() == NULL) {
        error = create(&vm, choices, function);
        if (error == AV_OK) {
            vm->is_shared = true;
            atomic_store_explicit(&shared_vm, vm, memory_order_release);
        }
    }
    pthread_mutex_unlock(&shared_lock);
    return error;
}

av_error av_vm_shared_init(void)
{
    return shared_init(&(struct choices){0}, __func__);
}

av_error av_vm_shared_init_with_config(const av_vm_config *config)
{
    NEEDS_MACOS(130000);
    return shared_init(&(struct choices){.config = config}, __func__);
}

av_error av_vm_shared_init_with_gic(const av_vm_config *config, const av_gic_config *gic_config)
{
    NEEDS_MACOS(150000);
    NOT_NULL(gic_config);
    return shared_init(
        &(struct choices){.with_gic = true, .config = config, .gic_config = gic_config}, __func__);
}

av_vm *av_vm_shared(void)
{
    return atomic_load_explicit(&shared_vm, memory_order_acquire);
}

av_gic *av_vm_shared_gic(void)
{
    av_vm *const vm = av_vm_shared();

    return vm != NULL && vm->gic.vm != NULL ? &vm->gic : NULL;
}

/* --- Properties -------------------------------------------------------------------------------------------------------------- */

size_t av_vm_page_size(const av_vm *vm)
{
    return vm->page_size;
}

uint32_t av_vm_ipa_size(const av_vm *vm)
{
    return vm->ipa_bits;
}
