/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The process's VM and its memory. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hv/host_memory.h"
#include "hv/internal.h"
#include "hv/trace.h"

/* Serialises create and destroy; readers load the pointer. */
static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vm *_Atomic process_vm;

HV_THREAD struct vm *hv_selected_vm;

static struct vm *the_process_vm(void)
{
    return atomic_load_explicit(&process_vm, memory_order_acquire);
}

struct vm *hv_process_vm(void)
{
    return hv_selected_vm != NULL ? hv_selected_vm : the_process_vm();
}

HV_EXPORT hv_return_t hv_vm_get_max_vcpu_count(uint32_t *max_vcpu_count)
{
    if (max_vcpu_count == NULL) {
        return REFUSE(HV_BAD_ARGUMENT, "max_vcpu_count is NULL; expected a place for the result");
    }
    *max_vcpu_count = VM_MAX_VCPUS;
    return HV_SUCCESS;
}

static hv_return_t make_config(hv_vm_config_t config, struct vm_config *result)
{
    const struct vm_profile *const profile = hv_profile_from_environment();
    unsigned macos;
    const char *const engine = getenv("HV_ENGINE"), *const band = getenv("HV_HVC_BAND");

    if (profile == NULL) {
        return hv_refuse(HV_BAD_ARGUMENT, "hv_vm_create", "HV_CHIP is '%s'; expected m4, m1 or max",
                         getenv("HV_CHIP"));
    }
    if (!hv_macos_from_environment(&macos)) {
        return hv_refuse(HV_BAD_ARGUMENT, "hv_vm_create",
                         "HV_MACOS is '%s'; expected a version from 11.0 to 26.0",
                         getenv("HV_MACOS"));
    }
    if (engine != NULL && engine[0] != '\0' && __builtin_strcmp(engine, "soft") != 0 &&
        __builtin_strcmp(engine, "soft-interp") != 0 &&
        __builtin_strcmp(engine, "soft-eager") != 0) {
        return hv_refuse(HV_UNSUPPORTED, "hv_vm_create",
                         "HV_ENGINE is '%s'; this build has soft, soft-interp and soft-eager",
                         engine);
    }
    if (band != NULL && band[0] != '\0' && __builtin_strcmp(band, "exit") != 0) {
        return hv_refuse(HV_BAD_ARGUMENT, "hv_vm_create",
                         "HV_HVC_BAND is '%s'; expected exit, or nothing", band);
    }
    const char *const level_name = getenv("HV_HOST_LEVEL");
    unsigned level = 0;
    if (level_name != NULL && level_name[0] != '\0') {
        level = vm_host_level_by_name(level_name);
        if (level == 0) {
            return hv_refuse(HV_BAD_ARGUMENT, "hv_vm_create",
                             "HV_HOST_LEVEL is '%s'; expected v2, v3 or v4", level_name);
        }
        if (level > vm_host_level()) {
            return hv_refuse(HV_UNSUPPORTED, "hv_vm_create",
                             "HV_HOST_LEVEL is '%s'; this host has v%u at most", level_name,
                             vm_host_level());
        }
    }
    struct hv_trace trace;
    const char *const bad = hv_trace_from_environment(&trace);
    if (bad != NULL) {
        return hv_refuse(HV_BAD_ARGUMENT, "hv_vm_create",
                         "HV_TRACE has '%s'; expected 1, jit, perf, gdb or block=ADDRESS, "
                         "separated by commas",
                         bad);
    }
    *result = (struct vm_config){
        .ipa_bits = profile->default_ipa_bits,
        .granule_log2 = 14,
        .profile = profile,
        .interpreter = engine != NULL && __builtin_strcmp(engine, "soft-interp") == 0,
        .eager = engine != NULL && __builtin_strcmp(engine, "soft-eager") == 0,
        .hvc_band_exits = band != NULL && band[0] != '\0',
        .host_level = level,
        .macos = macos,
        .trace = trace.code,
    };
    if (config != NULL) {
        if (!hv_is_vm_config(config)) {
            return hv_refuse(HV_BAD_ARGUMENT, "hv_vm_create",
                             "config is not a live VM configuration");
        }
        if (config->el2_enabled) {
            return hv_refuse(
                HV_UNSUPPORTED, "hv_vm_create",
                "EL2 is enabled in the configuration, and this machine has none for guests");
        }
        if (config->ipa_size > profile->max_ipa_bits) {
            return hv_refuse(HV_UNSUPPORTED, "hv_vm_create",
                             "the IPA size is %u bits; chip %s has at most %u", config->ipa_size,
                             profile->name, profile->max_ipa_bits);
        }
        /* 0 stands for the default: the setter accepts it, and nothing could run with it (docs/quirks.md). */
        if (config->ipa_size != 0) {
            result->ipa_bits = config->ipa_size;
        }
        result->granule_log2 = config->granule == HV_IPA_GRANULE_4KB ? 12 : 14;
    }
    return HV_SUCCESS;
}

hv_return_t hv_make_vm(struct vm **vm, hv_vm_config_t config)
{
    struct vm_config vm_config;
    const hv_return_t ret = make_config(config, &vm_config);

    if (ret != HV_SUCCESS) {
        return ret;
    }
    return vm_create(&vm_config, vm) == VM_OK
               ? HV_SUCCESS
               : hv_refuse(HV_NO_RESOURCES, "hv_vm_create", "out of memory");
}

HV_EXPORT hv_return_t hv_vm_create(hv_vm_config_t config)
{
    struct vm *vm = NULL;
    hv_return_t ret;

    pthread_mutex_lock(&process_lock);
    if (the_process_vm() != NULL) {
        ret = REFUSE(HV_BUSY, "this process has a VM already; call hv_vm_destroy first");
    } else {
        ret = hv_make_vm(&vm, config);
        if (ret == HV_SUCCESS) {
            atomic_store_explicit(&process_vm, vm, memory_order_release);
        }
    }
    pthread_mutex_unlock(&process_lock);
    return ret;
}

HV_EXPORT hv_return_t hv_vm_destroy(void)
{
    hv_return_t ret = HV_SUCCESS;

    pthread_mutex_lock(&process_lock);
    struct vm *const vm = the_process_vm();
    if (vm == NULL) {
        ret = REFUSE(HV_NO_DEVICE, "this process has no VM; call hv_vm_create first");
    } else {
        /* Out of reach first, so that no call finds it while it goes. */
        atomic_store_explicit(&process_vm, NULL, memory_order_release);
        if (vm_destroy(vm) != VM_OK) {
            atomic_store_explicit(&process_vm, vm, memory_order_release);
            ret = REFUSE(HV_BUSY,
                         "the VM has live vCPUs; destroy each of them on its own thread first");
        }
    }
    pthread_mutex_unlock(&process_lock);
    return ret;
}

/* --- Memory ------------------------------------------------------------------------------------------------------------------ */

#define CHECK_VM(vm)                                                                        \
    do {                                                                                    \
        if ((vm) == NULL) {                                                                 \
            return REFUSE(HV_NO_DEVICE, "this process has no VM; call hv_vm_create first"); \
        }                                                                                   \
    } while (0)

#define HOST_PAGE 0x1000u

/* What map, unmap and protect ask of a guest range alike. */
static hv_return_t check_range(const struct vm *vm, const char *function, hv_ipa_t ipa, size_t size)
{
    const uint64_t page = 1ull << vm->config.granule_log2;

    if (ipa % page != 0) {
        return hv_refuse(HV_BAD_ARGUMENT, function,
                         "ipa is 0x%llx; expected a multiple of the page size 0x%llx",
                         (unsigned long long)ipa, (unsigned long long)page);
    }
    if (size == 0 || size % page != 0) {
        return hv_refuse(HV_BAD_ARGUMENT, function,
                         "size is 0x%zx; expected a positive multiple of the page size 0x%llx",
                         size, (unsigned long long)page);
    }
    const uint64_t limit = 1ull << vm->config.ipa_bits;
    if (ipa >= limit || size > limit - ipa) {
        return hv_refuse(HV_BAD_ARGUMENT, function,
                         "0x%llx bytes at IPA 0x%llx end beyond the VM's %u-bit IPA space",
                         (unsigned long long)size, (unsigned long long)ipa, vm->config.ipa_bits);
    }
    return HV_SUCCESS;
}

static hv_return_t check_flags(const char *function, hv_memory_flags_t flags)
{
    if ((flags & ~(uint64_t)(HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC)) != 0) {
        return hv_refuse(HV_BAD_ARGUMENT, function,
                         "flags are 0x%llx; expected HV_MEMORY_READ, WRITE and EXEC only",
                         (unsigned long long)flags);
    }
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_map(void *addr, hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
    struct vm *const vm = hv_process_vm();

    CHECK_VM(vm);
    /* The host's page, not the guest's: mmap() aligns to 16 KiB on Apple silicon and to 4 KiB here, and what it returns is mappable
     * on both (docs/quirks.md). */
    if (addr == NULL || (uintptr_t)addr % HOST_PAGE != 0) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "addr is %p; expected host memory at a multiple of the host's page size 0x%x",
                      addr, HOST_PAGE);
    }
    hv_return_t ret = check_range(vm, __func__, ipa, size);
    if (ret == HV_SUCCESS) {
        ret = check_flags(__func__, flags);
    }
    if (ret != HV_SUCCESS) {
        return ret;
    }
    if (size > UINTPTR_MAX - (uintptr_t)addr) {
        return REFUSE(HV_ERROR, "the 0x%zx bytes at %p wrap around", size, addr);
    }
    const struct host_access host = host_memory_access(addr, size);
    if (!host.mapped) {
        return REFUSE(HV_ERROR, "not all of the 0x%zx bytes at %p are memory of this process", size,
                      addr);
    }
    const unsigned denied = (host.readable ? 0u : VM_HOST_NO_READ) |
                            (host.writable ? 0u : VM_HOST_NO_WRITE);
    switch (vm_map(vm, addr, ipa, size, (unsigned)flags | denied)) {
    case VM_OK:
        return HV_SUCCESS;
    case VM_OVERLAP:
        return REFUSE(
            HV_ERROR,
            "part of the 0x%zx bytes at IPA 0x%llx is mapped already; call hv_vm_unmap first", size,
            (unsigned long long)ipa);
    case VM_NO_MEMORY:
        return REFUSE(HV_NO_RESOURCES, "out of memory");
    case VM_HOST_DENIES:
        return REFUSE(
            HV_ERROR,
            "flags are 0x%llx, and this process itself may not %s all of the 0x%zx bytes at %p; "
            "a guest's access would end it",
            (unsigned long long)flags, host.readable ? "write" : "read", size, addr);
    default:
        return REFUSE(HV_BAD_ARGUMENT, "the range at IPA 0x%llx cannot be mapped",
                      (unsigned long long)ipa);
    }
}

HV_EXPORT hv_return_t hv_vm_unmap(hv_ipa_t ipa, size_t size)
{
    struct vm *const vm = hv_process_vm();

    CHECK_VM(vm);
    const hv_return_t ret = check_range(vm, __func__, ipa, size);
    if (ret != HV_SUCCESS) {
        return ret;
    }
    if (vm_unmap(vm, ipa, size) != VM_OK) {
        return REFUSE(HV_NO_RESOURCES, "out of memory");
    }
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_protect(hv_ipa_t ipa, size_t size, hv_memory_flags_t flags)
{
    struct vm *const vm = hv_process_vm();

    CHECK_VM(vm);
    hv_return_t ret = check_range(vm, __func__, ipa, size);
    if (ret == HV_SUCCESS) {
        ret = check_flags(__func__, flags);
    }
    if (ret != HV_SUCCESS) {
        return ret;
    }
    switch (vm_protect(vm, ipa, size, (unsigned)flags)) {
    case VM_OK:
        return HV_SUCCESS;
    case VM_NOT_MAPPED:
        return REFUSE(HV_ERROR, "part of the 0x%zx bytes at IPA 0x%llx is not mapped", size,
                      (unsigned long long)ipa);
    case VM_HOST_DENIES:
        return REFUSE(
            HV_ERROR,
            "flags are 0x%llx, and this process itself was not allowed as much of the memory at "
            "IPA 0x%llx when it was mapped; unmap it and map it again",
            (unsigned long long)flags, (unsigned long long)ipa);
    default:
        return REFUSE(HV_NO_RESOURCES, "out of memory");
    }
}

/*
 * 16 KiB aligned, so that the memory can be mapped under either granule. What is large enough is aligned for the host's huge pages,
 * and asks for them: a guest's accesses go through the host's TLB as well.
 */
#define ALLOCATE_ALIGNMENT 0x4000u
#define HUGE_PAGE          0x200000u

HV_EXPORT hv_return_t hv_vm_allocate(void **uvap, size_t size, hv_allocate_flags_t flags)
{
    NEEDS_MACOS(12, 1);
    if (uvap == NULL) {
        return REFUSE(HV_BAD_ARGUMENT, "uvap is NULL; expected a place for the address");
    }
    if (size == 0 || size % 0x1000 != 0 || size > SIZE_MAX / 2) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "size is 0x%zx; expected a positive multiple of the page size", size);
    }
    if (flags != HV_ALLOCATE_DEFAULT) {
        return REFUSE(HV_BAD_ARGUMENT, "flags are 0x%llx; expected HV_ALLOCATE_DEFAULT",
                      (unsigned long long)flags);
    }
    const size_t alignment = size >= HUGE_PAGE ? HUGE_PAGE : ALLOCATE_ALIGNMENT;
    char *const p = mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return REFUSE(HV_NO_RESOURCES, "no 0x%zx bytes of memory to be had", size);
    }
    const size_t before = -(uintptr_t)p % alignment;
    if (before != 0) {
        munmap(p, before);
    }
    munmap(p + before + size, alignment - before);
    if (alignment == HUGE_PAGE) {
        madvise(p + before, size, MADV_HUGEPAGE);
    }
    *uvap = p + before;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vm_deallocate(void *uva, size_t size)
{
    NEEDS_MACOS(12, 1);
    if (uva == NULL || (uintptr_t)uva % 0x1000 != 0 || size == 0 || size % 0x1000 != 0) {
        return REFUSE(HV_BAD_ARGUMENT, "0x%zx bytes at %p are not a range from hv_vm_allocate",
                      size, uva);
    }
    return munmap(uva, size) == 0
               ? HV_SUCCESS
               : REFUSE(HV_BAD_ARGUMENT, "0x%zx bytes at %p cannot be freed", size, uva);
}
