/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Inside the code cache: what code.c, which finds and makes blocks, shares with evict.c, by which they leave. All is under the cache's lock. */
#ifndef ENGINE_CODE_CACHE_H
#define ENGINE_CODE_CACHE_H

#include <pthread.h>

#include "engine/chunks.h"
#include "engine/code.h"
#include "engine/code_page.h"
#include "engine/ways.h"
#include "engine/x64/x64.h"

#define CODE_BUCKETS      (1u << 17)
#define CODE_PAGE_BUCKETS (1u << 12)
#define CODE_COUNTS       (1u << 16)

struct code_cache {
    pthread_mutex_t lock;
    struct ir_block *buckets[CODE_BUCKETS];
    struct ir_block *donors[CODE_BUCKETS];
    struct code_page *pages[CODE_PAGE_BUCKETS];
    _Atomic uint64_t
        may_have_code[CODE_FILTER_BITS / 64]; /* by hash of the host page; written under the lock */
    struct code_chunks chunks[X64_ROOMS];
    size_t chunk_bytes[X64_ROOMS]; /* of what is known about blocks: as many as of code */
    size_t n_pages, most_pages;
    struct x64_cache *x64; /* emitted code; NULL: all blocks are interpreted */
    bool eager;            /* there is no first time: everything is translated at once */
    _Atomic bool full;     /* a chunk is wanted for blocks, and none was free */
    struct a64_cpu *cpus;  /* the VM's, by code_next */
    struct code_trace trace;
    struct x64_stats stats;      /* of vCPUs that have gone, and what is counted under the lock */
    _Atomic uint64_t generation; /* counts chunks that have left */
    _Atomic uint8_t counts
        [CODE_COUNTS]; /* of passages through the interpreter, by address; a hint, without lock */
    struct ways ways;  /* of blocks that end in indirect jumps; under the lock */
    _Atomic uint32_t passages; /* the counts are forgotten when this is many */
};

static inline uint32_t code_hash(uint64_t v)
{
    return (uint32_t)(v * 0x9e3779b97f4a7c15ull >> 40);
}

static inline struct ir_block **code_bucket_of(struct code_cache *cache, const uint8_t *hva,
                                               uint64_t pc, uint32_t mode)
{
    return &cache->buckets[code_hash((uintptr_t)hva ^ pc << 7 ^ (uint64_t)mode << 43) %
                           CODE_BUCKETS];
}

static inline struct ir_block **code_donors_of(struct code_cache *cache, const uint8_t *hva,
                                               uint32_t mode)
{
    return &cache->donors[code_hash((uintptr_t)hva ^ (uint64_t)mode << 43) % CODE_BUCKETS];
}

/* --- evict.c */
/* Of its bucket: the block is found no more. */
void code_take_out(struct code_cache *cache, const struct ir_block *block);
void code_take_out_of_donors(struct code_cache *cache, const struct ir_block *block);
/* Of its page's blocks, or of the copies of its donor. */
void code_take_out_of_chain(const struct ir_block *block);

/* The present chunk is full, and another is to be filled. False: there will be one when vCPUs have looked. */
bool code_next_chunk(struct code_cache *cache, enum x64_room room);
/* When a block has been made: so that there is a free chunk when one is wanted. */
void code_look_ahead(struct code_cache *cache, enum x64_room room);
/*
 * Without the lock: goes on to another chunk, for blocks; with all vCPUs stopped when one of them has not looked yet. The vCPU is between
 * blocks. False: the stop may have changed the map.
 */
bool code_make_room(struct a64_cpu *cpu);
/* The VM has no vCPU. */
void code_free_all(struct code_cache *cache);

#endif
