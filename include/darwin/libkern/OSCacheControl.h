/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Cache maintenance by virtual address. Programs call it after writing guest code from the host.
 *
 * libhypervisor's own engine sees host writes to guest code without it; on an arm64 host with KVM the
 * guest fetches through real instruction caches, and the calls matter.
 */
#ifndef DARWIN_LIBKERN_OSCACHECONTROL_H
#define DARWIN_LIBKERN_OSCACHECONTROL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Makes bytes written as data visible to instruction fetches. start has any alignment. Threads: any. */
static inline void sys_icache_invalidate(void *start, size_t len)
{
    char *first = (char *)start;

    /* A builtin of gcc and clang: nothing but a compiler barrier on x86-64, which keeps the caches coherent. */
    __builtin___clear_cache(first, first + len);
}

/** Writes data caches back to memory for observers outside the CPUs. Threads: any. */
static inline void sys_dcache_flush(void *start, size_t len)
{
#if defined(__aarch64__)
    uint64_t ctr, line;
    uint64_t address = (uint64_t)(uintptr_t)start;
    const uint64_t end = address + len;

    __asm__ volatile("mrs %0, ctr_el0" : "=r"(ctr));
    /* CTR_EL0.DminLine: log2 of the number of 4-byte words. */
    line = (uint64_t)4 << ((ctr >> 16) & 15);
    for (address &= ~(line - 1); address < end; address += line) {
        __asm__ volatile("dc civac, %0" : : "r"(address) : "memory");
    }
    __asm__ volatile("dsb sy" : : : "memory");
#else
    (void)start;
    (void)len;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#ifdef __cplusplus
}
#endif

#endif /* DARWIN_LIBKERN_OSCACHECONTROL_H */
