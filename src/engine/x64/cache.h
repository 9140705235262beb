/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Inside src/engine/x64: what a block's code looks like to the cache, and the jump tables. */
#ifndef ENGINE_X64_CACHE_H
#define ENGINE_X64_CACHE_H

#include "engine/x64/jumps.h"
#include "engine/x64/thunks.h"
#include "engine/x64/x64.h"

/* One exit to code of the same page. */
struct x64_link {
    uint8_t *rel32; /* in the executable mapping; jumps to what follows it while it is not linked */
    uint64_t pc;
    uint32_t variant;      /* of the block's mode */
    struct ir_block *to;   /* NULL: not linked */
    struct x64_link *next; /* of those that jump to the same block */
};

struct x64_code {
    const void *entry; /* the poll; block->code is behind it */
    struct x64_link *incoming;
    uint32_t size, body;            /* bytes; where block->code is */
    unsigned n_fixups;              /* 0: there can be no copy */
    const struct x64_fixup *fixups; /* behind the links */
    unsigned n_links;
    struct x64_link links[];
};

/*
 * Jumps from block to block poll where they may close a circle: not where it is known that they lead to a higher address, of which a
 * circle cannot consist.
 */
static inline bool x64_jump_polls(uint64_t block_pc, uint64_t to)
{
    return to <= block_pc;
}

struct x64_cache {
    uint8_t *rx, *rw; /* the same memory, executable and writable */
    size_t size;
    unsigned level; /* of the host (x64.h) that code is made for */
    bool has_sha;
    size_t fixed; /* the thunks, which are at its start */
    struct {
        size_t start, chunk_bytes; /* of all its chunks, and of each */
        size_t used, end;          /* of the present one: up to where it is used, where it ends */
    } rooms[X64_ROOMS];            /* behind that */
    struct x64_thunks thunks;
    struct code_trace trace;
};

#define X64_CODE_BYTES ((size_t)96 << 20)
/* One part of this many is for copies. */
#define X64_COPIES_PART 3

/* --- dump.c: what is told to who asked. */
struct x64_emit;
void x64_trace_made(const struct x64_cache *cache, const struct x64_emit *e);
void x64_trace_gone(const struct x64_cache *cache, size_t start,
                    size_t end); /* all code of blocks there */

struct x64_contexts *x64_contexts_create(void);
void x64_contexts_destroy(struct x64_contexts *contexts);

#endif
