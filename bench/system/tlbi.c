/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Invalidates the translation of one page of 64 and reads it; with ALL, of everything, and reads all 64. A unit is one such
 * turn.
 */
#include "system.h"

#define PAGES 64
#define VA    0x80000000ull
#ifdef ALL
#define ROUNDS 64
#else
#define ROUNDS 1024
#endif

struct arena {
    uint64_t tables[1024];
    uint64_t pages[PAGES][PAGE / 8];
};

static uint64_t read_page(unsigned i)
{
    return *(const volatile uint64_t *)(VA + i * PAGE + i * 64ull);
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;

    for (unsigned i = 0; i < PAGES; i++) {
        arena->pages[i][i * 8] = i;
    }
    map_pages(bench_level1(), arena->tables, VA, (uintptr_t)arena->pages, PAGES,
              DESC_MEMORY | DESC_UXN | DESC_PXN | DESC_NG);
}

static uint64_t run(void *memory)
{
    uint64_t sum = 0;

    (void)memory;
    for (unsigned round = 0; round < ROUNDS; round++) {
#ifdef ALL
        __asm__ volatile("tlbi vmalle1is\n dsb ish\n isb" ::: "memory");
        for (unsigned i = 0; i < PAGES; i++) {
            sum += read_page(i);
        }
#else
        const unsigned i = round % PAGES;
        __asm__ volatile("tlbi vae1is, %0\n dsb ish\n isb" ::"r"((VA + i * PAGE) >> 12) : "memory");
        sum += read_page(i);
#endif
    }
    return sum;
}

const struct bench bench = {
    .name = NAME,
    .arena_bytes = sizeof(struct arena),
    .units = ROUNDS,
#ifdef ALL
    .expected = ROUNDS * (PAGES * (PAGES - 1) / 2),
#else
    .expected = ROUNDS / PAGES * (PAGES * (PAGES - 1) / 2),
#endif
    .prepare = prepare,
    .run = run,
};
