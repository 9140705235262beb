/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Chunks of the memory for blocks. They are filled one after the other, and each is emptied as a whole:
 *
 *     free -> filling -> full -> leaving -> free
 *
 * A chunk leaves when there is none to fill after the present one: its blocks are found by nobody any more. It is free when no
 * vCPU can be in them, or remember them. Who decides both is evict.c. Callers hold the code cache's lock.
 */
#ifndef ENGINE_CHUNKS_H
#define ENGINE_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ir_block;
struct code_page;
struct arena;

enum chunk_state { CHUNK_FREE, CHUNK_FILLING, CHUNK_FULL, CHUNK_LEAVING };

struct code_chunk {
    enum chunk_state state;
    uint64_t filled;     /* by this all that are full have an order */
    uint64_t generation; /* of the code cache, since it is leaving: what a vCPU has to have seen */
    struct ir_block *blocks; /* all that were made in it and not freed, by chunk_next */
    unsigned n_living;       /* of those: that can be found */
    size_t bytes;            /* of what is known about its blocks; code is not among it */
    struct code_page *pages; /* that are freed with it */
    struct arena *arenas;    /* of chunks_take() */
};

#define CHUNKS_MOST 16u

/* One kind of blocks has these. */
struct code_chunks {
    unsigned n;
    unsigned filling; /* the number of the one */
    uint64_t clock;
    struct code_chunk list[CHUNKS_MOST];
    struct arena *spare;
};

void chunks_init(struct code_chunks *chunks, unsigned n);
void chunks_fini(struct code_chunks *chunks); /* no chunk has blocks or pages */

static inline struct code_chunk *chunks_filling(struct code_chunks *chunks)
{
    return &chunks->list[chunks->filling];
}

bool chunks_any(const struct code_chunks *chunks, enum chunk_state state);
/* The present one is full, and a free one takes its place. False: none is free, and nothing is changed. */
bool chunks_go_on(struct code_chunks *chunks);
/* The full one that is to leave: with no living blocks, or the oldest. NULL: none is full. */
struct code_chunk *chunks_next_to_leave(struct code_chunks *chunks);

/* Memory that goes with the chunk that is being filled, counted in its bytes; at a multiple of 64. NULL: out of memory. */
void *chunks_take(struct code_chunks *chunks, size_t size);
/* A block has been made in the chunk that is being filled. */
void chunks_add(struct code_chunks *chunks, struct ir_block *block, size_t size);
/* It has neither blocks nor pages any more. */
void chunks_free(struct code_chunks *chunks, struct code_chunk *chunk);

#endif
