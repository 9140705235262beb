/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Large tables of which most is never touched: memory that is zero, and resident page by page as it is used. LeakSanitizer, which a
 * program may have, looks for pointers in no memory but the heap's: it is told, or a VM that is left when a program ends would be a leak.
 */
#ifndef ENGINE_PAGES_H
#define ENGINE_PAGES_H

#include <stddef.h>
#include <sys/mman.h>

__attribute__((weak)) void __lsan_register_root_region(const void *p, size_t size);
__attribute__((weak)) void __lsan_unregister_root_region(const void *p, size_t size);

/* NULL: there is none. */
static inline void *pages_take(size_t size)
{
    void *const p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (__lsan_register_root_region != NULL) {
        __lsan_register_root_region(p, size);
    }
    return p;
}

static inline void pages_give_back(void *p, size_t size)
{
    if (p != NULL) {
        if (__lsan_unregister_root_region != NULL) {
            __lsan_unregister_root_region(p, size);
        }
        munmap(p, size);
    }
}

#endif
