/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Random instructions that go to the next one. */
#ifndef TESTS_BLOCKS_WORDS_H
#define TESTS_BLOCKS_WORDS_H

#include "random.h"

#define HOT_REGS 6

/* Few registers take most of the parts, so that results flow on. */
struct word_maker {
    struct rng *r;
    uint8_t hot[HOT_REGS], hot_v[HOT_REGS];
    bool maintained; /* block_options.no_lazy_code */
};

void words_start(struct word_maker *m, struct rng *r);

/* One instruction of a random row (most of them of the chosen rows). */
uint32_t words_any(struct word_maker *m);

/* The same without memory and system instructions. */
uint32_t words_plain(struct word_maker *m);

/* A prologue of a memory copy or set; *middle and *end are the two instructions that have to follow. */
uint32_t words_copy(struct word_maker *m, uint32_t *middle, uint32_t *end);

/* An unallocated word. */
uint32_t words_undefined(struct word_maker *m);

/* MRS, MSR and system instructions that are the same on every run. */
uint32_t words_system(struct word_maker *m);

unsigned words_reg(struct word_maker *m); /* one that may be written */
unsigned words_base(struct word_maker *m);

#endif
