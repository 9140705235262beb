/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Anonymous memory for guests by Mach's names. Pages are 16 KiB, as on Apple silicon, whatever the host's
 * are: hv_vm_map() wants that alignment, and mmap() on Linux does not give it.
 */
#ifndef DARWIN_MACH_MACH_VM_H
#define DARWIN_MACH_MACH_VM_H

#include <mach/kern_return.h>
#include <mach/vm_types.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VM_FLAGS_FIXED    0x0
#define VM_FLAGS_ANYWHERE 0x1

/* Hidden by <sys/mman.h> with -std=c11; the value is that of x86-64 and arm64. */
#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS 0x20
#endif

/** The calling task: the only value that the functions below take. */
static inline vm_map_t mach_task_self(void)
{
    return 1;
}

/**
 * Allocates zero-filled, read-write memory, aligned to 16 KiB.
 *
 * @param address Out: the start. The caller's, until mach_vm_deallocate().
 * @param size Bytes, not 0; rounded up to 16 KiB.
 * @param flags VM_FLAGS_ANYWHERE. Placement at a chosen address is not offered.
 * @retval KERN_INVALID_ARGUMENT task, address, size or flags is none of the above.
 * @retval KERN_NO_SPACE Out of address space or memory.
 * Threads: any.
 */
static inline kern_return_t mach_vm_allocate(vm_map_t task, mach_vm_address_t *address,
                                             mach_vm_size_t size, int flags)
{
    const size_t page = 0x4000;
    size_t bytes, lead;
    char *memory;

    if (task != mach_task_self() || !address || size == 0 || !(flags & VM_FLAGS_ANYWHERE)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (size > SIZE_MAX - 2 * page) {
        return KERN_NO_SPACE;
    }
    bytes = ((size_t)size + page - 1) & ~(page - 1);
    /* One page more than needed; what lies before and after the aligned part goes back. */
    memory = (char *)mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0);
    if (memory == (char *)MAP_FAILED) {
        return KERN_NO_SPACE;
    }
    lead = (page - ((size_t)(uintptr_t)memory & (page - 1))) & (page - 1);
    if (lead > 0) {
        (void)munmap(memory, lead);
    }
    (void)munmap(memory + lead + bytes, page - lead);
    *address = (mach_vm_address_t)(uintptr_t)(memory + lead);
    return KERN_SUCCESS;
}

/**
 * Frees memory of mach_vm_allocate().
 *
 * @param size As given to mach_vm_allocate(); 0 does nothing.
 * @retval KERN_INVALID_ARGUMENT task is another, or the range is no range of pages.
 * Threads: any.
 */
static inline kern_return_t mach_vm_deallocate(vm_map_t task, mach_vm_address_t address,
                                               mach_vm_size_t size)
{
    const mach_vm_size_t page = 0x4000;

    if (task != mach_task_self() || (address & (page - 1)) != 0 || size > UINT64_MAX - page) {
        return KERN_INVALID_ARGUMENT;
    }
    if (size == 0) {
        return KERN_SUCCESS;
    }
    size = (size + page - 1) & ~(page - 1);
    return munmap((void *)(uintptr_t)address, (size_t)size) == 0 ? KERN_SUCCESS
                                                                 : KERN_INVALID_ARGUMENT;
}

#ifdef __cplusplus
}
#endif

#endif /* DARWIN_MACH_MACH_VM_H */
