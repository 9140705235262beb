/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * 16-byte atomics of the host on 16-byte aligned addresses, and plain access to guest memory. The compilers' own builtins would
 * call libatomic, which takes locks that other observers of guest memory do not know of.
 */
#ifndef ENGINE_MMU_HOST_ATOMIC_H
#define ENGINE_MMU_HOST_ATOMIC_H

#include <stdbool.h>

#include "engine/v128.h"

#if defined(__x86_64__)

/* One aligned 16-byte load is atomic on every processor with AVX (Intel SDM vol. 3, 8.1.1; AMD APM vol. 2, 7.3.2), and in practice
 * on those before. CMPXCHG16B would do for all, but writes, and guest memory may be read-only to the host. */
static inline v128 host_load16(const void *p)
{
    v128 v;

    __asm__ volatile("movdqa %1, %%xmm0\n\tmovdqa %%xmm0, %0"
                     : "=m"(v)
                     : "m"(*(const v128 *)p)
                     : "xmm0");
    return v;
}

static inline void host_store16(void *p, v128 v)
{
    __asm__ volatile("movdqa %1, %%xmm0\n\tmovdqa %%xmm0, %0" : "=m"(*(v128 *)p) : "m"(v) : "xmm0");
}

/* A full barrier, and *expected becomes what was there. */
static inline bool host_cas16(void *p, v128 *expected, v128 desired)
{
    bool done;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(*(v128 *)p), "+a"(expected->d[0]), "+d"(expected->d[1])
                     : "b"(desired.d[0]), "c"(desired.d[1])
                     : "memory");
    return done;
}

#elif defined(__aarch64__)

static inline bool host_cas16(void *p, v128 *expected, v128 desired)
{
    v128 seen;
    uint32_t failed;

    /* LDXP alone is not single-copy atomic for 16 bytes: the store of what was read proves it. */
    do {
        __asm__ volatile("ldaxp %0, %1, %2"
                         : "=&r"(seen.d[0]), "=&r"(seen.d[1])
                         : "Q"(*(v128 *)p)
                         : "memory");
        const bool same = seen.q == expected->q;
        const v128 value = same ? desired : seen;
        __asm__ volatile("stlxp %w0, %2, %3, %1"
                         : "=&r"(failed), "=Q"(*(v128 *)p)
                         : "r"(value.d[0]), "r"(value.d[1])
                         : "memory");
        if (failed == 0 && same) {
            return true;
        }
    } while (failed != 0);
    *expected = seen;
    return false;
}

static inline v128 host_load16(const void *p)
{
    v128 v = {.q = 0};

    host_cas16((void *)p, &v, v);
    return v;
}

static inline void host_store16(void *p, v128 v)
{
    v128 expected = *(const v128 *)p;

    while (!host_cas16(p, &expected, v)) {
    }
}

#else
#error "16-byte atomics are needed for this host"
#endif

#endif
