/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/chunks.h"

#include <assert.h>
#include <stdlib.h>

#include "engine/a64/block.h"

#define ARENA_BYTES (256u << 10)

struct arena {
    struct arena *next;
    size_t used;
    _Alignas(64) uint8_t bytes[ARENA_BYTES];
};

void chunks_init(struct code_chunks *chunks, unsigned n)
{
    assert(n >= 3 && n <= CHUNKS_MOST); /* one is filled, one leaves, one is read */
    chunks->n = n;
    chunks->list[0].state = CHUNK_FILLING;
}

static void free_arenas(struct arena *arena)
{
    while (arena != NULL) {
        struct arena *const next = arena->next;
        free(arena);
        arena = next;
    }
}

void chunks_fini(struct code_chunks *chunks)
{
    for (unsigned i = 0; i < chunks->n; i++) {
        assert(chunks->list[i].blocks == NULL && chunks->list[i].pages == NULL);
        free_arenas(chunks->list[i].arenas);
    }
    free_arenas(chunks->spare);
}

bool chunks_any(const struct code_chunks *chunks, enum chunk_state state)
{
    for (unsigned i = 0; i < chunks->n; i++) {
        if (chunks->list[i].state == state) {
            return true;
        }
    }
    return false;
}

bool chunks_go_on(struct code_chunks *chunks)
{
    for (unsigned i = 0; i < chunks->n; i++) {
        struct code_chunk *const old = chunks_filling(chunks);
        if (chunks->list[i].state == CHUNK_FREE) {
            old->state = CHUNK_FULL;
            old->filled = ++chunks->clock;
            chunks->filling = i;
            chunks->list[i].state = CHUNK_FILLING;
            return true;
        }
    }
    return false;
}

struct code_chunk *chunks_next_to_leave(struct code_chunks *chunks)
{
    struct code_chunk *found = NULL;

    for (unsigned i = 0; i < chunks->n; i++) {
        struct code_chunk *const chunk = &chunks->list[i];
        if (chunk->state != CHUNK_FULL) {
            continue;
        }
        if (chunk->n_living == 0) {
            return chunk;
        }
        if (found == NULL || chunk->filled < found->filled) {
            found = chunk;
        }
    }
    return found;
}

void *chunks_take(struct code_chunks *chunks, size_t size)
{
    struct code_chunk *const chunk = chunks_filling(chunks);
    const size_t rounded = (size + 63) & ~(size_t)63;

    if (rounded > ARENA_BYTES) {
        return NULL;
    }
    if (chunk->arenas == NULL || ARENA_BYTES - chunk->arenas->used < rounded) {
        struct arena *arena = chunks->spare;
        if (arena != NULL) {
            chunks->spare = arena->next;
        } else {
            arena = aligned_alloc(64, sizeof(*arena));
            if (arena == NULL) {
                return NULL;
            }
        }
        arena->used = 0;
        arena->next = chunk->arenas;
        chunk->arenas = arena;
    }
    void *const p = &chunk->arenas->bytes[chunk->arenas->used];
    chunk->arenas->used += rounded;
    chunk->bytes += rounded;
    return p;
}

void chunks_add(struct code_chunks *chunks, struct ir_block *block, size_t size)
{
    struct code_chunk *const chunk = chunks_filling(chunks);

    block->chunk = chunk;
    block->chunk_next = chunk->blocks;
    chunk->blocks = block;
    chunk->n_living++;
    chunk->bytes += size;
}

void chunks_free(struct code_chunks *chunks, struct code_chunk *chunk)
{
    assert(chunk->n_living == 0 && chunk->pages == NULL);
    while (chunk->arenas != NULL) {
        struct arena *const arena = chunk->arenas;
        chunk->arenas = arena->next;
        arena->next = chunks->spare;
        chunks->spare = arena;
    }
    *chunk = (struct code_chunk){.state = CHUNK_FREE};
}
