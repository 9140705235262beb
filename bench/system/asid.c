/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Two address spaces with an ASID each: switch and read 16 pages. A unit is one switch with its 16 reads. */
#include "system.h"

#define ROUNDS 512
#define PAGES  16
#define VA     0x80000000ull

struct space {
    uint64_t level1[512], tables[1024];
    uint64_t pages[PAGES][PAGE / 8];
};

static void prepare(void *memory)
{
    struct space *const spaces = memory;

    for (unsigned s = 0; s < 2; s++) {
        for (unsigned i = 0; i < 2; i++) {
            spaces[s].level1[i] = bench_level1()[i];
        }
        for (unsigned i = 0; i < PAGES; i++) {
            spaces[s].pages[i][i * 8] = i + (s == 0 ? 1 : 1000);
        }
        map_pages(spaces[s].level1, spaces[s].tables, VA, (uintptr_t)spaces[s].pages, PAGES,
                  DESC_MEMORY | DESC_UXN | DESC_PXN | DESC_NG);
    }
}

static uint64_t run(void *memory)
{
    const struct space *const spaces = memory;
    const uint64_t before = READ_SYSREG(ttbr0_el1);
    uint64_t sum = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        const unsigned s = round & 1;
        WRITE_SYSREG(ttbr0_el1, (uintptr_t)spaces[s].level1 | (1ull + s) << 48);
        for (unsigned i = 0; i < PAGES; i++) {
            sum += *(const volatile uint64_t *)(VA + i * PAGE + i * 64ull);
        }
    }
    WRITE_SYSREG(ttbr0_el1, before);
    return sum;
}

const struct bench bench = {
    .name = "asid",
    .arena_bytes = 2 * sizeof(struct space),
    .units = ROUNDS,
    .expected = ROUNDS / 2 * (PAGES * (PAGES - 1) + PAGES * 1001ull),
    .prepare = prepare,
    .run = run,
};
