/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a kernel for the machine itself, not for a process, has beside bench.h: tables of the guest, and short pieces of code. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "../../tests/guest/lib/guest.h"
#include "../lib/bench.h"

#define PAGE 4096ull

/* The level 1 table in use, with 1 GiB an entry: 0 is Device, 1 is RAM, the others are the program's. */
uint64_t *bench_level1(void);

static inline void dsb_isb(void)
{
    __asm__ volatile("dsb ish\n isb" ::: "memory");
}

/* Maps n pages from va on to pa, by a level 2 and a level 3 table in the memory at tables (8 KiB). va is a multiple of 2 MiB. */
static inline void map_pages(uint64_t *level1, uint64_t *tables, uint64_t va, uint64_t pa,
                             unsigned n, uint64_t attributes)
{
    uint64_t *const level3 = tables + 512;

    for (unsigned i = 0; i < n; i++) {
        level3[i] = (pa + i * PAGE) | DESC_PAGE | attributes;
    }
    tables[va >> 21 & 511] = (uintptr_t)level3 | DESC_TABLE;
    level1[va >> 30] = (uintptr_t)tables | DESC_TABLE;
    dsb_isb();
}

#endif
