/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A program that is being made: generate.c, and loops.c for what goes round. */
#ifndef TESTS_BLOCKS_MAKER_H
#define TESTS_BLOCKS_MAKER_H

#include "block.h"
#include "registers.h"
#include "words.h"

enum fix_kind { FIX_19, FIX_14, FIX_26, FIX_ADR };

struct fix {
    uint16_t at;
    uint8_t kind, region;
};

struct maker {
    struct block *b;
    struct rng *r;
    struct word_maker words;
    unsigned n_units, n_fixes;
    uint16_t unit_at[2 * BLOCKS_MAX_WORDS];
    uint8_t unit_region[2 * BLOCKS_MAX_WORDS];
    struct fix fixes[BLOCKS_MAX_WORDS];
    uint8_t region, n_regions; /* 0: main line */
    bool in_loop;
    bool straight; /* hardly any branch: long blocks, in which registers run out */
};

static inline void put(struct maker *m, uint32_t w)
{
    m->b->words[m->b->n_words++] = w;
}

static inline bool full(const struct maker *m)
{
    return m->b->n_words > BLOCKS_MAX_WORDS - 48;
}

static inline void start_unit(struct maker *m)
{
    m->unit_at[m->n_units] = (uint16_t)m->b->n_words;
    m->unit_region[m->n_units++] = m->region;
}

static inline uint32_t with_offset(uint32_t w, enum fix_kind kind, int words)
{
    const uint32_t v = (uint32_t)words;

    switch (kind) {
    case FIX_19:
        return w | (v & 0x7ffff) << 5;
    case FIX_14:
        return w | (v & 0x3fff) << 5;
    case FIX_26:
        return w | (v & 0x3ffffff);
    default: /* the offset of ADR is in bytes */
        return w | (v & 0x7ffff) << 5;
    }
}

static inline void put_to(struct maker *m, uint32_t w, enum fix_kind kind, unsigned target)
{
    put(m, with_offset(w, kind, (int)target - (int)m->b->n_words));
}

/* To a unit behind, chosen when all are known. */
static inline void put_forward(struct maker *m, uint32_t w, enum fix_kind kind)
{
    m->fixes[m->n_fixes++] = (struct fix){(uint16_t)m->b->n_words, (uint8_t)kind, m->region};
    put(m, w);
}

/* generate.c */
void make_units(struct maker *m, unsigned n);

/* loops.c */
void unit_loop(struct maker *m);
void unit_walk(struct maker *m);
void unit_nest(struct maker *m);
void unit_ways(struct maker *m);
void unit_merge(struct maker *m);
void unit_dispatch(struct maker *m);
void unit_sums(struct maker *m);

#endif
