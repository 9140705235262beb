/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Large tables of which most is never touched: memory that is zero, and resident page by page as it is used. */
#ifndef ENGINE_PAGES_H
#define ENGINE_PAGES_H

#include <stddef.h>
#include <sys/mman.h>

/* NULL: there is none. */
static inline void *pages_take(size_t size)
{
    void *const p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static inline void pages_give_back(void *p, size_t size)
{
    if (p != NULL) {
        munmap(p, size);
    }
}

#endif
