/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Memory objects: where their bytes come from, and mapping them into the guest. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <applevisor/memory.h>

#include "applevisor/internal.h"

/* They are passed on as they are. */
_Static_assert((int)AV_PERMS_R == (int)HV_MEMORY_READ, "av_perms are hv_memory_flags_t");
_Static_assert((int)AV_PERMS_W == (int)HV_MEMORY_WRITE, "av_perms are hv_memory_flags_t");
_Static_assert((int)AV_PERMS_X == (int)HV_MEMORY_EXEC, "av_perms are hv_memory_flags_t");

typedef unsigned long long ull;

const char *av_perms_name(av_perms perms)
{
    static const char names[][4] = {"---", "r--", "-w-", "rw-", "--x", "r-x", "-wx", "rwx"};

    return (unsigned)perms < ARRAY_LEN(names) ? names[perms] : "???";
}

/* --- Life -------------------------------------------------------------------------------------------------------------------- */

/* macOS 11 has no hv_vm_allocate; the framework takes memory of the heap as well, aligned to its page. */
static av_error allocate(av_memory *memory, const char *function)
{
    void *p = NULL;

    if (av_macos_version() >= 120100) {
        const hv_return_t ret = hv_vm_allocate(&p, memory->size, HV_ALLOCATE_DEFAULT);
        if (ret != HV_SUCCESS) {
            return av_fail_hv(ret, function);
        }
        memory->origin = MEMORY_FRAMEWORK;
    } else {
        if (posix_memalign(&p, memory->vm->page_size, memory->size) != 0) {
            return av_fail(AV_ERROR_NO_MEMORY, function, "no %zu bytes of memory to be had",
                           memory->size);
        }
        memset(p, 0, memory->size);
        memory->origin = MEMORY_HEAP;
    }
    memory->host = p;
    return AV_OK;
}

static av_memory *new_memory(av_vm *vm, size_t size, const char *function)
{
    av_memory *const memory = calloc(1, sizeof(*memory));

    if (memory == NULL) {
        av_fail(AV_ERROR_NO_MEMORY, function, "out of memory");
        return NULL;
    }
    memory->vm = vm;
    memory->size = size;
    return memory;
}

av_error av_memory_create(av_memory **memory, av_vm *vm, size_t size)
{
    NOT_NULL(memory);
    NOT_NULL(vm);
    const size_t page = vm->page_size;
    if (size == 0) {
        return FAIL(AV_ERROR_BAD_ARGUMENT, "size is 0, and must be 1 byte at least");
    }
    if (size > SIZE_MAX - (page - 1)) {
        return FAIL(AV_ERROR_OUT_OF_RANGE,
                    "size is 0x%zx, which cannot be rounded up to pages of 0x%zx bytes", size,
                    page);
    }
    av_memory *const made = new_memory(vm, (size + page - 1) / page * page, __func__);
    if (made == NULL) {
        return AV_ERROR_NO_MEMORY;
    }
    const av_error error = allocate(made, __func__);
    if (error != AV_OK) {
        free(made);
        return error;
    }
    av_vm_ref(vm);
    *memory = made;
    return AV_OK;
}

av_error av_memory_wrap(av_memory **memory, av_vm *vm, void *host, size_t size)
{
    const size_t host_page = (size_t)sysconf(_SC_PAGESIZE);

    NOT_NULL(memory);
    NOT_NULL(vm);
    NOT_NULL(host);
    if ((uintptr_t)host % host_page != 0) {
        return FAIL(AV_ERROR_MISALIGNED,
                    "host is %p, and must be a multiple of the host's page size 0x%zx: use mmap or "
                    "posix_memalign",
                    host, host_page);
    }
    if (size == 0 || size % vm->page_size != 0) {
        return FAIL(AV_ERROR_MISALIGNED,
                    "size is 0x%zx, and must be a positive multiple of the page size 0x%zx", size,
                    vm->page_size);
    }
    if (size > UINTPTR_MAX - (uintptr_t)host) {
        return FAIL(AV_ERROR_OUT_OF_RANGE, "0x%zx bytes at %p wrap around", size, host);
    }
    av_memory *const made = new_memory(vm, size, __func__);
    if (made == NULL) {
        return AV_ERROR_NO_MEMORY;
    }
    made->host = host;
    made->origin = MEMORY_CALLER;
    av_vm_ref(vm);
    *memory = made;
    return AV_OK;
}

size_t av_memory_size(const av_memory *memory)
{
    return memory->size;
}

void *av_memory_host_address(const av_memory *memory)
{
    return memory->host;
}

av_error av_memory_guest_address(const av_memory *memory, hv_ipa_t *address)
{
    av_error error = AV_ERROR_NOT_MAPPED;

    NOT_NULL(memory);
    NOT_NULL(address);
    av_vm *const vm = memory->vm;
    pthread_rwlock_rdlock(&vm->map_lock);
    for (size_t i = 0; i < vm->n_mappings; i++) {
        if (vm->mappings[i].memory == memory && vm->mappings[i].offset == 0) {
            *address = vm->mappings[i].ipa;
            error = AV_OK;
            break;
        }
    }
    pthread_rwlock_unlock(&vm->map_lock);
    return error == AV_OK ? AV_OK
                          : FAIL(error, "byte 0 of this memory is not mapped: call av_memory_map");
}

/* --- Checks ------------------------------------------------------------------------------------------------------------------ */

static av_error check_perms(av_perms perms, const char *function)
{
    if ((unsigned)perms > AV_PERMS_RWX) {
        return av_fail(AV_ERROR_BAD_ARGUMENT, function,
                       "perms is 0x%x, and must be a combination of AV_PERMS_R, W and X",
                       (unsigned)perms);
    }
    return AV_OK;
}

static av_error check_guest_range(const av_vm *vm, hv_ipa_t address, uint64_t size,
                                  const char *function)
{
    const uint64_t page = vm->page_size;

    if (address % page != 0) {
        return av_fail(AV_ERROR_MISALIGNED, function,
                       "address is 0x%llx, and must be a multiple of the page size 0x%llx: 0x%llx "
                       "is the page around it",
                       (ull)address, (ull)page, (ull)(address / page * page));
    }
    if (size == 0 || size % page != 0) {
        return av_fail(AV_ERROR_MISALIGNED, function,
                       "size is 0x%llx, and must be a positive multiple of the page size 0x%llx",
                       (ull)size, (ull)page);
    }
    const uint64_t limit = vm->ipa_bits < 64 ? 1ull << vm->ipa_bits : UINT64_MAX;
    if (address >= limit || size > limit - address) {
        return av_fail(AV_ERROR_OUT_OF_RANGE, function,
                       "0x%llx bytes at 0x%llx end beyond this VM's %u-bit guest addresses",
                       (ull)size, (ull)address, vm->ipa_bits);
    }
    return AV_OK;
}

/* Caller holds map_lock. */
static bool is_mapped(const av_memory *memory)
{
    const av_vm *const vm = memory->vm;

    for (size_t i = 0; i < vm->n_mappings; i++) {
        if (vm->mappings[i].memory == memory) {
            return true;
        }
    }
    return false;
}

/* --- Mapping ----------------------------------------------------------------------------------------------------------------- */

/* Caller holds map_lock for writing and has checked the arguments. */
static av_error map_locked(av_memory *memory, const struct mapping *new, av_perms perms,
                           const char *function)
{
    av_vm *const vm = memory->vm;
    const size_t i = av_map_find(vm, new->ipa);

    if (i < vm->n_mappings && vm->mappings[i].ipa <= new->ipa + (new->size - 1)) {
        const struct mapping *const old = &vm->mappings[i];
        return av_fail(AV_ERROR_OVERLAP, function,
                       "0x%llx bytes at 0x%llx overlap what is mapped at 0x%llx to 0x%llx: unmap "
                       "that first, or choose another address",
                       (ull) new->size, (ull) new->ipa, (ull)old->ipa,
                       (ull)(old->ipa + (old->size - 1)));
    }
    if (!av_map_reserve(vm, 1)) {
        return av_fail(AV_ERROR_NO_MEMORY, function, "out of memory");
    }
    const hv_return_t ret = IN_VM(vm, hv_vm_map(memory->host + new->offset, new->ipa,
                                                (size_t) new->size, (hv_memory_flags_t)perms));
    if (ret != HV_SUCCESS) {
        return av_fail_hv(ret, function);
    }
    av_map_add(vm, new);
    return AV_OK;
}

av_error av_memory_map(av_memory *memory, hv_ipa_t address, av_perms perms)
{
    NOT_NULL(memory);
    av_vm *const vm = memory->vm;
    av_error error = check_perms(perms, __func__);
    if (error != AV_OK) {
        return error;
    }
    pthread_rwlock_wrlock(&vm->map_lock);
    /* Before the address is looked at: mapping twice is the mistake then, whatever the address. */
    if (is_mapped(memory)) {
        error = FAIL(AV_ERROR_MAPPED,
                     "this memory is mapped already: call av_memory_unmap first, or map a part of "
                     "it with av_memory_map_range");
    } else {
        error = check_guest_range(vm, address, memory->size, __func__);
    }
    if (error == AV_OK) {
        error = map_locked(
            memory,
            &(struct mapping){.ipa = address, .size = memory->size, .memory = memory, .offset = 0},
            perms, __func__);
    }
    pthread_rwlock_unlock(&vm->map_lock);
    return error;
}

av_error av_memory_map_range(av_memory *memory, size_t offset, size_t size, hv_ipa_t address,
                             av_perms perms)
{
    NOT_NULL(memory);
    av_vm *const vm = memory->vm;
    av_error error = check_perms(perms, __func__);
    if (error == AV_OK) {
        error = check_guest_range(vm, address, size, __func__);
    }
    if (error != AV_OK) {
        return error;
    }
    if (offset % vm->page_size != 0) {
        return FAIL(AV_ERROR_MISALIGNED,
                    "offset is 0x%zx, and must be a multiple of the page size 0x%zx", offset,
                    vm->page_size);
    }
    if (offset > memory->size || size > memory->size - offset) {
        return FAIL(AV_ERROR_OUT_OF_RANGE,
                    "0x%zx bytes at offset 0x%zx end beyond the 0x%zx bytes of this memory", size,
                    offset, memory->size);
    }
    pthread_rwlock_wrlock(&vm->map_lock);
    error = map_locked(
        memory, &(struct mapping){.ipa = address, .size = size, .memory = memory, .offset = offset},
        perms, __func__);
    pthread_rwlock_unlock(&vm->map_lock);
    return error;
}

/* --- Unmapping and permissions ----------------------------------------------------------------------------------------------- */

static av_error not_mapped(const char *function)
{
    return av_fail(AV_ERROR_NOT_MAPPED, function,
                   "this memory is not mapped: call av_memory_map first");
}

/* Unmaps from the back, so that what is erased moves nothing that is still to come. Caller holds map_lock for writing. */
static hv_return_t unmap_all_locked(av_memory *memory)
{
    av_vm *const vm = memory->vm;

    for (size_t i = vm->n_mappings; i-- > 0;) {
        const struct mapping m = vm->mappings[i];
        if (m.memory != memory) {
            continue;
        }
        const hv_return_t ret = IN_VM(vm, hv_vm_unmap(m.ipa, (size_t)m.size));
        if (ret != HV_SUCCESS) {
            return ret;
        }
        av_map_cut(vm, m.ipa, m.size);
    }
    return HV_SUCCESS;
}

av_error av_memory_unmap(av_memory *memory)
{
    NOT_NULL(memory);
    av_vm *const vm = memory->vm;
    pthread_rwlock_wrlock(&vm->map_lock);
    const av_error error = !is_mapped(memory) ? not_mapped(__func__)
                                              : FRAMEWORK(unmap_all_locked(memory));
    pthread_rwlock_unlock(&vm->map_lock);
    return error;
}

av_error av_memory_protect(av_memory *memory, av_perms perms)
{
    NOT_NULL(memory);
    av_vm *const vm = memory->vm;
    av_error error = check_perms(perms, __func__);
    if (error != AV_OK) {
        return error;
    }
    pthread_rwlock_rdlock(&vm->map_lock);
    if (!is_mapped(memory)) {
        error = not_mapped(__func__);
    }
    for (size_t i = 0; i < vm->n_mappings && error == AV_OK; i++) {
        const struct mapping *const m = &vm->mappings[i];
        if (m->memory == memory) {
            error = FRAMEWORK(
                IN_VM(vm, hv_vm_protect(m->ipa, (size_t)m->size, (hv_memory_flags_t)perms)));
        }
    }
    pthread_rwlock_unlock(&vm->map_lock);
    return error;
}

/* Caller holds map_lock. */
static av_error check_covered(const av_memory *memory, hv_ipa_t address, size_t size,
                              const char *function)
{
    const av_error error = check_guest_range(memory->vm, address, size, function);

    if (error != AV_OK) {
        return error;
    }
    if (!av_map_covers(memory->vm, memory, address, size)) {
        return av_fail(AV_ERROR_NOT_MAPPED, function,
                       "this memory is not mapped at all of the 0x%zx bytes at 0x%llx", size,
                       (ull)address);
    }
    return AV_OK;
}

av_error av_memory_unmap_range(av_memory *memory, hv_ipa_t address, size_t size)
{
    NOT_NULL(memory);
    av_vm *const vm = memory->vm;
    pthread_rwlock_wrlock(&vm->map_lock);
    av_error error = check_covered(memory, address, size, __func__);
    if (error == AV_OK && !av_map_reserve(vm, 1)) {
        error = FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    if (error == AV_OK) {
        error = FRAMEWORK(IN_VM(vm, hv_vm_unmap(address, size)));
    }
    if (error == AV_OK) {
        av_map_cut(vm, address, size);
    }
    pthread_rwlock_unlock(&vm->map_lock);
    return error;
}

av_error av_memory_protect_range(av_memory *memory, hv_ipa_t address, size_t size, av_perms perms)
{
    NOT_NULL(memory);
    av_vm *const vm = memory->vm;
    av_error error = check_perms(perms, __func__);
    if (error != AV_OK) {
        return error;
    }
    pthread_rwlock_rdlock(&vm->map_lock);
    error = check_covered(memory, address, size, __func__);
    if (error == AV_OK) {
        error = FRAMEWORK(IN_VM(vm, hv_vm_protect(address, size, (hv_memory_flags_t)perms)));
    }
    pthread_rwlock_unlock(&vm->map_lock);
    return error;
}

void av_memory_release(av_memory *memory)
{
    if (memory->origin == MEMORY_FRAMEWORK) {
        hv_vm_deallocate(memory->host, memory->size);
    } else if (memory->origin == MEMORY_HEAP) {
        free(memory->host);
    }
    free(memory);
}

void av_memory_destroy(av_memory *memory)
{
    if (memory == NULL) {
        return;
    }
    av_vm *const vm = memory->vm;
    pthread_rwlock_wrlock(&vm->map_lock);
    const bool is_out = unmap_all_locked(memory) == HV_SUCCESS;
    if (!is_out) {
        /* For want of memory the framework can refuse to unmap. The guest has the bytes then, and keeps them as long as it lives. */
        memory->next_orphan = vm->orphans;
        vm->orphans = memory;
    }
    pthread_rwlock_unlock(&vm->map_lock);
    if (is_out) {
        av_memory_release(memory);
    }
    av_vm_unref(vm);
}
