/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reads and writes one word in each of 4096 pages in random order: few cache lines, many translations. A unit is one page. */
#include "../lib/bench.h"

#define PAGES  4096u
#define WORDS  512u /* of 8 bytes in a page */
#define ROUNDS 8

struct arena {
    uint64_t pages[PAGES][WORDS];
    uint32_t order[PAGES];
};

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 31337;

    for (uint32_t i = 0; i < PAGES; i++) {
        arena->order[i] = i;
    }
    for (uint32_t i = PAGES - 1; i > 0; i--) {
        const uint32_t j = (uint32_t)(bench_random(&seed) % (i + 1)), t = arena->order[i];
        arena->order[i] = arena->order[j];
        arena->order[j] = t;
    }
}

/* Another line in each page, so that the words do not fall into one set of the cache. */
static uint64_t *word_of(struct arena *arena, uint32_t page)
{
    return &arena->pages[page][page * 8 % WORDS];
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < PAGES; i++) {
        *word_of(arena, i) = i;
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < PAGES; i++) {
            uint64_t *const word = word_of(arena, arena->order[i]);
            sum += *word;
            *word = sum ^ i;
        }
    }
    return sum;
}

const struct bench bench = {
    .name = "pages",
    .arena_bytes = sizeof(struct arena),
    .units = (ROUNDS + 1) * PAGES,
    .warm = true,
    .prepare = prepare,
    .run = run,
};
