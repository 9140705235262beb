/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Access to guest memory by guest address. The address arithmetic cannot overflow: ranges are compared by their last byte, and a
 * range that would wrap has none.
 */
#include <string.h>

#include <applevisor/memory.h>

#include "applevisor/internal.h"

typedef unsigned long long ull;

/* --- Where the bytes are ----------------------------------------------------------------------------------------------------- */

static bool wraps(hv_ipa_t address, size_t size)
{
    return size != 0 && (uint64_t)size - 1 > UINT64_MAX - address;
}

/* True for an address in a mapping of the memory or right behind one. Caller holds map_lock. */
static bool touches(const av_memory *memory, hv_ipa_t address)
{
    const av_vm *const vm = memory->vm;
    const size_t i = av_map_find(vm, address);

    if (i < vm->n_mappings && vm->mappings[i].memory == memory && vm->mappings[i].ipa <= address) {
        return true;
    }
    /* The mapping that ends right below. */
    return i > 0 && vm->mappings[i - 1].memory == memory &&
           vm->mappings[i - 1].ipa + vm->mappings[i - 1].size == address;
}

static av_error outside(const av_memory *memory, hv_ipa_t address, size_t size,
                        const char *function)
{
    const av_vm *const vm = memory->vm;

    for (size_t i = 0; i < vm->n_mappings; i++) {
        const struct mapping *const m = &vm->mappings[i];
        if (m->memory == memory) {
            return av_fail(AV_ERROR_OUT_OF_RANGE, function,
                           "0x%zx bytes at 0x%llx are not all in this memory, which is mapped at "
                           "0x%llx to 0x%llx",
                           size, (ull)address, (ull)m->ipa, (ull)(m->ipa + (m->size - 1)));
        }
    }
    return av_fail(AV_ERROR_NOT_MAPPED, function,
                   "this memory is not mapped, so it has no guest address: call av_memory_map "
                   "first, or use av_memory_host_address");
}

/* Caller holds map_lock. */
static av_error check(const av_memory *memory, hv_ipa_t address, size_t size, const char *function)
{
    const bool is_inside = size == 0 ? touches(memory, address)
                                     : !wraps(address, size) &&
                                           av_map_covers(memory->vm, memory, address, size);

    return is_inside ? AV_OK : outside(memory, address, size, function);
}

/* --- Copying ----------------------------------------------------------------------------------------------------------------- */

/*
 * Small aligned pieces in one access, so that a guest that stores at the same time is never seen half. The bytes of larger ones
 * are the caller's to synchronise.
 */
static void move(void *to, const void *from, size_t size)
{
    const uintptr_t both = (uintptr_t)to | (uintptr_t)from;

    if (size == 8 && both % 8 == 0) {
        __atomic_store_n((uint64_t *)to, __atomic_load_n((const uint64_t *)from, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    } else if (size == 4 && both % 4 == 0) {
        __atomic_store_n((uint32_t *)to, __atomic_load_n((const uint32_t *)from, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    } else if (size == 2 && both % 2 == 0) {
        __atomic_store_n((uint16_t *)to, __atomic_load_n((const uint16_t *)from, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    } else if (size == 1) {
        __atomic_store_n((uint8_t *)to, __atomic_load_n((const uint8_t *)from, __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    } else {
        memcpy(to, from, size);
    }
}

/* Copies what av_map_covers() has found to be there. Exactly one of `out` and `in` is given. Caller holds map_lock. */
static void copy(const av_vm *vm, hv_ipa_t address, char *out, const char *in, size_t size)
{
    for (size_t i = av_map_find(vm, address); size != 0; i++) {
        const struct mapping *const m = &vm->mappings[i];
        const uint64_t skip = address - m->ipa;
        const size_t n = size < m->size - skip ? size : (size_t)(m->size - skip);
        char *const hva = m->memory->host + m->offset + skip;

        if (out != NULL) {
            move(out, hva, n);
            out += n;
        } else {
            move(hva, in, n);
            in += n;
        }
        address += n;
        size -= n;
    }
}

static av_error transfer(const av_memory *memory, hv_ipa_t address, void *out, const void *in,
                         size_t size, const char *function)
{
    if (memory == NULL) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function,
                       "memory is NULL, and must point to something");
    }
    if (out == NULL && in == NULL && size != 0) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function,
                       "data is NULL, and must point to 0x%zx bytes", size);
    }
    av_vm *const vm = memory->vm;
    pthread_rwlock_rdlock(&vm->map_lock);
    const av_error error = check(memory, address, size, function);
    if (error == AV_OK) {
        copy(vm, address, out, in, size);
    }
    pthread_rwlock_unlock(&vm->map_lock);
    return error;
}

av_error av_memory_read(const av_memory *memory, hv_ipa_t address, void *data, size_t size)
{
    return transfer(memory, address, data, NULL, size, __func__);
}

av_error av_memory_write(av_memory *memory, hv_ipa_t address, const void *data, size_t size)
{
    return transfer(memory, address, NULL, data, size, __func__);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "guest memory is little-endian; this host is not"
#endif

#define TYPED_ACCESS(name, type)                                                           \
    av_error av_memory_read_##name(const av_memory *memory, hv_ipa_t address, type *value) \
    {                                                                                      \
        NOT_NULL(value);                                                                   \
        return transfer(memory, address, value, NULL, sizeof(*value), __func__);           \
    }                                                                                      \
    av_error av_memory_write_##name(av_memory *memory, hv_ipa_t address, type value)       \
    {                                                                                      \
        return transfer(memory, address, NULL, &value, sizeof(value), __func__);           \
    }

TYPED_ACCESS(u8, uint8_t)
TYPED_ACCESS(u16, uint16_t)
TYPED_ACCESS(u32, uint32_t)
TYPED_ACCESS(u64, uint64_t)

av_error av_memory_host_range(const av_memory *memory, hv_ipa_t address, size_t size, void **host)
{
    char *found = NULL;

    NOT_NULL(memory);
    NOT_NULL(host);
    if (size == 0) {
        return FAIL(AV_ERROR_BAD_ARGUMENT, "size is 0, and must be 1 byte at least");
    }
    av_vm *const vm = memory->vm;
    pthread_rwlock_rdlock(&vm->map_lock);
    av_error error = check(memory, address, size, __func__);
    if (error == AV_OK) {
        const struct mapping *const m = &vm->mappings[av_map_find(vm, address)];
        const uint64_t skip = address - m->ipa;
        /* Mappings that follow each other in the guest need not do so in the host. */
        uint64_t there = m->size - skip;
        for (const struct mapping *next = m; there < size; there += next->size) {
            next++;
            if (next->offset != m->offset + (skip + there)) {
                break;
            }
        }
        found = m->memory->host + m->offset + skip;
        if (there < size) {
            error = FAIL(AV_ERROR_OUT_OF_RANGE,
                         "only 0x%llx of the 0x%zx bytes at 0x%llx follow each other in the host: "
                         "use av_memory_read and av_memory_write",
                         (ull)there, size, (ull)address);
        }
    }
    pthread_rwlock_unlock(&vm->map_lock);
    if (error == AV_OK) {
        *host = found;
    }
    return error;
}

/* --- A VM's memory ----------------------------------------------------------------------------------------------------------- */

static av_error vm_transfer(av_vm *vm, hv_ipa_t address, void *out, const void *in, size_t size,
                            const char *function)
{
    if (vm == NULL || (out == NULL && in == NULL && size != 0)) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function, "%s is NULL, and must point to something",
                       vm == NULL ? "vm" : "data");
    }
    pthread_rwlock_rdlock(&vm->map_lock);
    const bool is_there = size == 0 ||
                          (!wraps(address, size) && av_map_covers(vm, NULL, address, size));
    if (is_there) {
        copy(vm, address, out, in, size);
    }
    pthread_rwlock_unlock(&vm->map_lock);
    return is_there
               ? AV_OK
               : av_fail(AV_ERROR_OUT_OF_RANGE, function,
                         "0x%zx bytes at 0x%llx are not all mapped in this VM", size, (ull)address);
}

av_error av_vm_read(av_vm *vm, hv_ipa_t address, void *data, size_t size)
{
    return vm_transfer(vm, address, data, NULL, size, __func__);
}

av_error av_vm_write(av_vm *vm, hv_ipa_t address, const void *data, size_t size)
{
    return vm_transfer(vm, address, NULL, data, size, __func__);
}
