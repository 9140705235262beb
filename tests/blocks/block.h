/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A random program and the state it starts from. Everything follows from a seed and a number, so that two numbers replay a case.
 *
 * Guest memory. With the MMU on, stage 1 puts the pages of "window" and "alias" over data and code in an order of the world's own;
 * with the MMU off, programs use the addresses of the first column.
 *
 *   IPA page    what                               with the MMU on
 *   0..3        code                               code, in another order, at BLOCKS_CODE, read and execute, all ELs
 *   16..31      data                               behind the window
 *   32          data that the VM's map has read-only
 *   64          vectors and the skipping handler   the same place, EL1
 *   65          log of the handler                 the same place, EL1
 *   72..75      translation tables                 nowhere
 *
 *   BLOCKS_WINDOW, 32 pages: data, read-only, device and other memory, holes, and pages that the VM's map does not have
 *   BLOCKS_ALIAS, 4 pages: the code once more, in the order of BLOCKS_CODE, read and write
 */
#ifndef TESTS_BLOCKS_BLOCK_H
#define TESTS_BLOCKS_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "../diff/case.h"
#include "random.h"

#define BLOCKS_RAM     0x40000000ull
#define BLOCKS_PAGE    0x1000ull
#define BLOCKS_CODE    BLOCKS_RAM
#define CODE_PAGES     4u
#define DATA_PAGE      16u
#define DATA_PAGES     16u
#define READ_ONLY_PAGE 32u
#define ABSENT_PAGE    33u /* the VM's map does not have it */
#define VECTOR_PAGE    64u
#define LOG_PAGE       65u
#define TABLE_PAGE     72u
#define TABLE_PAGES    4u
#define RAM_PAGES      76u
#define BLOCKS_WINDOW  (BLOCKS_RAM + 128 * BLOCKS_PAGE)
#define WINDOW_PAGES   32u
/* Far from the window: pointers that a loop moves on rarely come there. */
#define BLOCKS_ALIAS_PAGE 448u
#define BLOCKS_UPPER      0xffffff8000000000ull /* TTBR1's range: the same tables */

#define BLOCKS_PER_WORLD 16
#define BLOCKS_MAX_WORDS 256
#define BLOCKS_END       0xd4200020u /* BRK #1 */
#define BLOCKS_NOP       0xd503201fu

/* What several cases in a row have in common: configuring it costs more than a case. */
struct world {
    uint64_t seed, number;
    bool mmu, skip_faults; /* skip_faults: the handler logs and goes on behind the instruction */
    bool upper;            /* code runs in TTBR1's range */
    bool tagged;           /* TBI: pointers get tags */
    uint32_t pstate;
    uint64_t sctlr, tcr, ttbr[2], cpacr, mair;
    uint64_t keys[10];
    uint64_t wcr, wvr; /* a watchpoint when wcr is not 0 */
    uint8_t code_order[CODE_PAGES];
    uint64_t leaf[WINDOW_PAGES]; /* descriptors of the window */
    uint64_t code_attributes;
};

struct block {
    uint64_t seed, number;
    struct world world;
    uint32_t start; /* offset of words[0] from the start of the code */
    unsigned n_words;
    uint32_t words[BLOCKS_MAX_WORDS];
    struct diff_state state;
    uint64_t sp[2]; /* SP_EL0, SP_EL1 */
    uint32_t pstate;
};

struct block_options {
    const char *rows; /* a regular expression; NULL: all */
    bool
        no_lazy_code; /* code is not written without the maintenance that the architecture asks for */
};

/* False: no row matches. Called once, before blocks are made. */
bool block_setup(const struct block_options *options);

void block_make(struct block *b, uint64_t seed, uint64_t number);

/* For the report: the row of a word, or NULL. */
const char *block_row_name(uint32_t word);

/* The class of a word that executor and oracle are made to disagree about, to see that this is found. */
bool block_is_add_sub(uint32_t word);

/* world.c */
void world_make(struct world *w, uint64_t seed, uint64_t number);
/* A pointer that is interesting to load from and store to. */
uint64_t world_pointer(const struct world *w, struct rng *r);

/* state.c: registers */
void state_make(struct block *b, struct rng *r);

#endif
