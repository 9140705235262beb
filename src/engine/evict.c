/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How blocks leave the code cache, and their memory is used again.
 *
 * Memory comes in chunks (chunks.h). When the last free one is half full, the oldest leaves, or one whose blocks have all been
 * retired. Who knows a block:
 *
 *     tables of the cache, links    forget it as it leaves, so that nobody comes to it anew
 *     its page, or its donor        know it until it is freed, so that it is retired when its code changes meanwhile
 *     a vCPU, by its jump cache and tables, by what it ran last, or being in it
 *                                   may run it until it has caught up with the cache's generation, which counts chunks that leave
 *
 * A vCPU catches up between blocks, and then forgets all that it remembers; a request has it leave blocks. When each vCPU has, or
 * is outside of the guest, where it will before it runs a block, the chunk is free. No link leads to its blocks, and none from
 * them to others. Copies leave with their donor at the latest. A retired block is in no table, but vCPUs may know it, and through
 * it its page: it is freed with its chunk, and a page without blocks with the first chunk that leaves after that.
 *
 * Nobody waits, unless a vCPU has not polled in all the time in which half a chunk was filled: then all are stopped.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/a64/translator.h"
#include "engine/code_cache.h"
#include "engine/x64/jumps.h"
#include "vm/vm.h"

void code_take_out(struct code_cache *cache, const struct ir_block *block)
{
    struct ir_block **link = code_bucket_of(cache, block->hva, block->pc, block->mode);

    while (*link != block) {
        link = &(*link)->next;
    }
    *link = block->next;
    block->chunk->n_living--;
}

void code_take_out_of_donors(struct code_cache *cache, const struct ir_block *block)
{
    struct ir_block **link = code_donors_of(cache, block->hva, block->mode);

    while (*link != NULL && *link != block) {
        link = &(*link)->donor_next;
    }
    if (*link != NULL) {
        *link = block->donor_next;
    }
}

void code_take_out_of_chain(const struct ir_block *block)
{
    *block->page_link = block->page_next;
    if (block->page_next != NULL) {
        block->page_next->page_link = block->page_link;
    }
}

static void free_page_list(struct code_cache *cache, struct code_page **list)
{
    while (*list != NULL) {
        struct code_page *const page = *list;
        *list = page->next;
        free(page);
        cache->n_pages--;
    }
}

/* Copies lie in memory of the chunk's. */
static void free_block(struct ir_block *block)
{
    if (block->donor == NULL) {
        x64_free_code(block);
        translator_free_block(block);
    }
}

void code_free_all(struct code_cache *cache)
{
    for (unsigned room = 0; room < X64_ROOMS; room++) {
        for (unsigned i = 0; i < cache->chunks[room].n; i++) {
            struct code_chunk *const chunk = &cache->chunks[room].list[i];
            while (chunk->blocks != NULL) {
                struct ir_block *const block = chunk->blocks;
                chunk->blocks = block->chunk_next;
                free_block(block);
            }
            free_page_list(cache, &chunk->pages);
        }
        chunks_fini(&cache->chunks[room]);
    }
    for (size_t i = 0; i < CODE_PAGE_BUCKETS; i++) {
        free_page_list(cache, &cache->pages[i]);
    }
}

/* Nobody finds the block any more, but who changes its code, or the one that it is a copy of. */
static void let_go(struct code_cache *cache, struct ir_block *block)
{
    code_take_out(cache, block);
    code_take_out_of_donors(cache, block);
    block->leaving = true;
    if (block->code != NULL) {
        x64_unlink(cache->x64, block);
    }
    cache->stats.evicted++;
}

static void let_go_with_copies(struct code_cache *cache, struct ir_block *block)
{
    let_go(cache, block);
    for (struct ir_block *copy = block->copies; copy != NULL; copy = copy->page_next) {
        if (!copy->leaving) {
            let_go(cache, copy);
        }
    }
    if (block->donor == NULL) {
        ways_forget(&cache->ways, block->hva, block->mode);
    }
}

static void note_page(uint64_t filter[CODE_FILTER_BITS / 64], uintptr_t page)
{
    const unsigned bits[] = {code_filter_bit(page), code_filter_bit(~((page << 12) / CODE_CHUNK))};

    for (unsigned i = 0; i < 2; i++) {
        filter[bits[i] / 64] |= 1ull << bits[i] % 64;
    }
}

/* Pages without blocks go with the chunk: blocks that were retired know them, and who knows such a block is waited for. */
static void take_empty_pages(struct code_cache *cache, struct code_chunk *chunk)
{
    uint64_t filter[CODE_FILTER_BITS / 64] = {0};

    for (size_t i = 0; i < CODE_PAGE_BUCKETS; i++) {
        struct code_page **link = &cache->pages[i];
        while (*link != NULL) {
            struct code_page *const page = *link;
            if (page->blocks != NULL) {
                note_page(filter, page->page);
                link = &page->next;
            } else {
                *link = page->next;
                page->next = chunk->pages;
                chunk->pages = page;
            }
        }
    }
    for (unsigned i = 0; i < CODE_FILTER_BITS / 64; i++) {
        atomic_store_explicit(&cache->may_have_code[i], filter[i], memory_order_relaxed);
    }
}

/* A full chunk leaves, if there is any. */
static void evict(struct code_cache *cache, enum x64_room room)
{
    struct code_chunk *const chunk = chunks_next_to_leave(&cache->chunks[room]);

    if (chunk == NULL) {
        return;
    }
    if (chunk->n_living == 0) {
        cache->stats.chunks_empty++;
    } else {
        cache->stats.chunks_evicted++;
        cache->stats.copy_chunks_evicted += room == X64_ROOM_COPIES;
    }
    for (struct ir_block *block = chunk->blocks; block != NULL; block = block->chunk_next) {
        if (block->valid && !block->leaving) {
            let_go_with_copies(cache, block);
        }
    }
    take_empty_pages(cache, chunk);
    chunk->state = CHUNK_LEAVING;
    /* The request after the generation, and both before anyone looks whether the vCPU is inside: see vm_enter_guest(). */
    chunk->generation = atomic_fetch_add(&cache->generation, 1) + 1;
    for (struct a64_cpu *cpu = cache->cpus; cpu != NULL; cpu = cpu->code_next) {
        cpu_request(cpu, CPU_REQUEST_MAILBOX);
    }
}

/* No vCPU is in what left before that generation, nor knows it when it runs next. */
static bool is_forgotten(const struct code_cache *cache, uint64_t generation)
{
    for (const struct a64_cpu *cpu = cache->cpus; cpu != NULL; cpu = cpu->code_next) {
        if (atomic_load_explicit(&cpu->code_generation, memory_order_acquire) < generation &&
            atomic_load(&cpu->vcpu->inside)) {
            return false;
        }
    }
    return true;
}

static void free_chunk(struct code_cache *cache, enum x64_room room, unsigned i)
{
    struct code_chunk *const chunk = &cache->chunks[room].list[i];

    while (chunk->blocks != NULL) {
        struct ir_block *const block = chunk->blocks;
        chunk->blocks = block->chunk_next;
        if (block->valid) {
            code_take_out_of_chain(block);
            for (struct ir_block *copy = block->copies; copy != NULL; copy = copy->page_next) {
                atomic_store(&copy->valid, false); /* it has left as well, and is in no chain */
            }
        }
        free_block(block);
    }
    free_page_list(cache, &chunk->pages);
    if (cache->x64 != NULL) {
        x64_chunk_gone(cache->x64, room, i);
    }
    chunks_free(&cache->chunks[room], chunk);
}

static void free_chunks(struct code_cache *cache, enum x64_room room)
{
    for (unsigned i = 0; i < cache->chunks[room].n; i++) {
        const struct code_chunk *const chunk = &cache->chunks[room].list[i];
        if (chunk->state == CHUNK_LEAVING && is_forgotten(cache, chunk->generation)) {
            free_chunk(cache, room, i);
        }
    }
}

bool code_next_chunk(struct code_cache *cache, enum x64_room room)
{
    struct code_chunks *const chunks = &cache->chunks[room];

    free_chunks(cache, room);
    bool found = chunks_go_on(chunks);
    if (!found && !chunks_any(chunks, CHUNK_LEAVING)) {
        evict(cache, room);
        free_chunks(cache, room);
        found = chunks_go_on(chunks);
    }
    if (found && cache->x64 != NULL) {
        x64_use_chunk(cache->x64, room, chunks->filling);
    }
    return found;
}

void code_look_ahead(struct code_cache *cache, enum x64_room room)
{
    struct code_chunks *const chunks = &cache->chunks[room];
    const bool many_pages = cache->n_pages > cache->most_pages;

    if (chunks_filling(chunks)->bytes > cache->chunk_bytes[room] && !code_next_chunk(cache, room) &&
        room == X64_ROOM_BLOCKS) {
        cache->full = true;
    }
    if (many_pages) {
        free_chunks(cache, room);
        if (!chunks_any(chunks, CHUNK_FULL)) {
            code_next_chunk(cache, room);
        }
    }
    const bool half_full = chunks_filling(chunks)->bytes > cache->chunk_bytes[room] / 2 ||
                           (cache->x64 != NULL && x64_is_half_full(cache->x64, room));
    if ((many_pages || (half_full && !chunks_any(chunks, CHUNK_FREE))) &&
        !chunks_any(chunks, CHUNK_LEAVING)) {
        evict(cache, room);
    }
}

bool code_make_room(struct a64_cpu *cpu)
{
    struct code_cache *const cache = cpu->code;

    pthread_mutex_lock(&cache->lock);
    if (cache->full && code_next_chunk(cache, X64_ROOM_BLOCKS)) {
        cache->full = false;
    }
    const bool made = !cache->full;
    pthread_mutex_unlock(&cache->lock);
    if (made) {
        return true;
    }
    vm_stop(cpu->vm, cpu->vcpu);
    pthread_mutex_lock(&cache->lock);
    if (cache->full) {
        cache->stats.waits++;
        cache->full = !code_next_chunk(cache, X64_ROOM_BLOCKS);
    }
    pthread_mutex_unlock(&cache->lock);
    vm_continue(cpu->vm);
    return false;
}

void code_catch_up(struct a64_cpu *cpu)
{
    const uint64_t generation = atomic_load_explicit(&cpu->code->generation, memory_order_acquire);

    if (__builtin_expect(
            atomic_load_explicit(&cpu->code_generation, memory_order_relaxed) == generation, 1)) {
        return;
    }
    memset(cpu->jump_cache, 0, CPU_JUMP_CACHE_ENTRIES * sizeof(cpu->jump_cache[0]));
    x64_drop_all_contexts(cpu);
    cpu->x64.from = NULL;
    atomic_store_explicit(&cpu->code_generation, generation, memory_order_release);
}
