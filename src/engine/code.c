/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The code cache. Blocks are found by (host address, virtual address, mode); a chain per 4 KiB host page finds what a store or an
 * IC IVAU hits. One lock guards both tables; a vCPU takes it only when its jump cache misses.
 *
 * A block whose code has changed is retired: marked invalid, and taken out of all that leads to it. Other vCPUs may be inside it
 * or remember it in their jump caches. How its memory is used again, and that of others for want of room, is in evict.c.
 *
 * Code that is reached for the first time is interpreted from its words and leaves nothing behind but a number: much of a guest's code
 * runs once or twice. At the WARM_UP-th time it gets a block, and emitted code.
 *
 * A program has another virtual address in each process that runs it. The first translation of a place in memory is the donor: at
 * other addresses its code is copied, with what depends on the address changed. Copies stay and go with their donor.
 *
 * Each page keeps a copy of the guest words that its blocks were made of. They are compared with guest memory once per run epoch, so
 * that what the client wrote to guest memory takes effect at the next run without any call. Only the lines of blocks that run are: a line
 * becomes active, compared from then on, when a block of it is found. Sometimes a page's blocks are all unlinked and forgotten, so that
 * those have to be found anew that still run.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/a64/translator.h"
#include "engine/code_cache.h"
#include "engine/interp/interp.h"
#include "engine/mmu/mmu.h"
#include "engine/pages.h"
#include "engine/sys/exception.h"
#include "engine/x64/jumps.h"
#include "vm/vm.h"

#define WARM_UP 4

#define CHUNK_BYTES (4u << 20) /* of what is known about blocks, where there is no code */

/* An inactive page costs its blocks' way through code_find() once more: after so many comparisons, at first and at most. */
#define FIRST_REST   64u
#define LONGEST_REST 1024u
#define REST_BLOCKS  128u /* of a page with more it would take long */

struct code_cache *code_create(bool interpreter, bool eager, size_t code_bytes, unsigned host_level,
                               const struct code_trace *trace)
{
    /* Not the heap's memory, which may have to be cleared. */
    struct code_cache *const cache = pages_take(sizeof(*cache));

    if (cache == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&cache->lock, NULL) != 0) {
        pages_give_back(cache, sizeof(*cache));
        return NULL;
    }
    cache->trace = *trace;
    cache->eager = eager;
    cache->x64 = interpreter ? NULL : x64_cache_create(code_bytes, host_level, trace);
    chunks_init(&cache->chunks[X64_ROOM_BLOCKS], X64_BLOCK_CHUNKS);
    chunks_init(&cache->chunks[X64_ROOM_COPIES], X64_COPY_CHUNKS);
    for (unsigned room = 0; room < X64_ROOMS; room++) {
        cache->chunk_bytes[room] = cache->x64 != NULL
                                       ? x64_chunk_bytes(cache->x64, (enum x64_room)room)
                                       : CHUNK_BYTES;
    }
    cache->most_pages = X64_BLOCK_CHUNKS * cache->chunk_bytes[X64_ROOM_BLOCKS] /
                        sizeof(struct code_page);
    return cache;
}

void code_join(struct code_cache *cache, struct a64_cpu *cpu)
{
    pthread_mutex_lock(&cache->lock);
    cpu->code_next = cache->cpus;
    cpu->may_have_code = cache->may_have_code;
    if (cache->x64 != NULL) {
        x64_cpu_join(cpu, cache->x64);
    }
    cache->cpus = cpu;
    pthread_mutex_unlock(&cache->lock);
}

void code_leave(struct code_cache *cache, struct a64_cpu *cpu)
{
    pthread_mutex_lock(&cache->lock);
    struct a64_cpu **link = &cache->cpus;
    while (*link != cpu) {
        link = &(*link)->code_next;
    }
    *link = cpu->code_next;
    x64_stats_add(&cache->stats, cpu->x64.stats);
    pthread_mutex_unlock(&cache->lock);
}

static size_t size_of(const struct ir_block *block)
{
    return sizeof(*block) + block->n_nodes * sizeof(block->nodes[0]) + x64_known_bytes(block);
}

static struct code_page **page_slot(const struct code_cache *cache, uintptr_t page)
{
    struct code_page **slot =
        (struct code_page **)&cache->pages[code_hash(page) % CODE_PAGE_BUCKETS];

    while (*slot != NULL && (*slot)->page != page) {
        slot = &(*slot)->next;
    }
    return slot;
}

static void put_in_chain(struct ir_block **chain, struct ir_block *block)
{
    block->page_next = *chain;
    block->page_link = chain;
    if (block->page_next != NULL) {
        block->page_next->page_link = &block->page_next;
    }
    *chain = block;
}

/* Caller holds the lock. */
static void retire(struct code_cache *cache, struct ir_block *block)
{
    if (!block->leaving) {
        code_take_out(cache, block);
    }
    cache->stats.retired++;
    atomic_store(&block->valid, false);
    if (block->code != NULL) {
        x64_unlink(cache->x64, block);
        for (struct a64_cpu *cpu = cache->cpus; cpu != NULL; cpu = cpu->code_next) {
            x64_forget_block(cpu, block);
            if (block->loops) {
                cpu_request(cpu, CPU_REQUEST_MAILBOX); /* which may be in it for long */
            }
        }
    }
}

/* A block that is no copy. Caller holds the lock. */
static void retire_with_copies(struct code_cache *cache, struct ir_block *block)
{
    code_take_out_of_chain(block);
    code_take_out_of_donors(cache, block);
    retire(cache, block);
    for (struct ir_block *copy = block->copies; copy != NULL; copy = copy->page_next) {
        retire(cache, copy);
    }
}

/* Caller holds the lock. */
static void retire_range(struct code_cache *cache, uintptr_t first, uintptr_t last)
{
    for (uintptr_t page = first >> 12; page <= last >> 12; page++) {
        struct code_page *const found = *page_slot(cache, page);
        struct ir_block **link = found != NULL ? &found->blocks : NULL;
        while (link != NULL && *link != NULL) {
            struct ir_block *const block = *link;
            const uintptr_t start = (uintptr_t)block_start(block), end = start + block_bytes(block);
            if (start <= last && end > first) {
                ways_forget(&cache->ways, block->hva, block->mode);
                retire_with_copies(cache, block);
            } else {
                link = &block->page_next;
            }
        }
    }
}

static void retire_all(struct code_cache *cache)
{
    for (size_t i = 0; i < CODE_PAGE_BUCKETS; i++) {
        for (struct code_page *page = cache->pages[i]; page != NULL; page = page->next) {
            while (page->blocks != NULL) {
                struct ir_block *const block = page->blocks;
                ways_forget(&cache->ways, block->hva, block->mode);
                retire_with_copies(cache, block);
            }
        }
    }
}

/* --- Life, and code that changes ---------------------------------------------------------------------------------------------- */

void code_destroy(struct code_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    if (cache->trace.statistics) {
        x64_stats_print(&cache->stats, &cache->trace);
    }
    code_free_all(cache);
    x64_cache_destroy(cache->x64);
    pthread_mutex_destroy(&cache->lock);
    pages_give_back(cache, sizeof(*cache));
}

/* Asked for each page that becomes writable in a TLB: mostly there was never code, and no lock is needed to say so. */
bool code_page_has_code(const struct code_cache *cache, const uint8_t *hva)
{
    struct code_cache *const c = (struct code_cache *)cache;

    if (!code_page_may_have_code(c->may_have_code, hva)) {
        return false;
    }
    pthread_mutex_lock(&c->lock);
    const struct code_page *const found = *page_slot(c, (uintptr_t)hva >> 12);
    const bool has_code = found != NULL && found->blocks != NULL;
    pthread_mutex_unlock(&c->lock);
    return has_code;
}

void code_invalidate(struct code_cache *cache, const uint8_t *hva, uint64_t size)
{
    if (size == 0) {
        return;
    }
    pthread_mutex_lock(&cache->lock);
    retire_range(cache, (uintptr_t)hva, (uintptr_t)hva + size - 1);
    pthread_mutex_unlock(&cache->lock);
}

void code_invalidate_all(struct code_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    retire_all(cache);
    pthread_mutex_unlock(&cache->lock);
}

/* --- Indirect jumps ---------------------------------------------------------------------------------------------------------- */

#define NOTES_EAGER  2
#define LEAST_SILENT 192 /* jumps between two that are noted, and up to 127 more */

static void make_anew(struct code_cache *cache, struct ir_block *block)
{
    retire_with_copies(cache, block);
    cache->stats.made_anew++;
    atomic_store_explicit(&cache->counts[code_hash((uintptr_t)block->hva) % CODE_COUNTS],
                          WARM_UP - 1, memory_order_relaxed);
}

/* Not at regular intervals, which a loop might have as well. */
static uint32_t until_asked(struct a64_cpu *cpu)
{
    cpu->x64.draw = cpu->x64.draw * 1664525u + 1013904223u;
    return cpu->code->eager ? 1 : LEAST_SILENT + (cpu->x64.draw >> 25);
}

static int16_t way_from(const struct a64_cpu *cpu, const struct ir_block *from)
{
    const uint64_t offset = cpu->pc - from->pc;
    const int64_t to = (int64_t)offset / 4;

    return ((cpu->pc ^ from->pc) >> 12) != 0 || (offset & 3) != 0 || to < -TR_BEFORE ||
                   to >= TR_BEHIND
               ? WAYS_ELSEWHERE
               : (int16_t)to;
}

void code_note_jump(struct a64_cpu *cpu, struct ir_block *from, unsigned branch)
{
    struct code_cache *const cache = cpu->code;

    cpu->x64.until_asked = until_asked(cpu);
    pthread_mutex_lock(&cache->lock);
    struct ir_block *const block = from->donor != NULL ? from->donor : from;
    if (block->valid && ways_note(&cache->ways, block->hva, block->mode,
                                  branch != 0 ? (int16_t)branch : way_from(cpu, from),
                                  cache->eager ? NOTES_EAGER : WAYS_NOTES)) {
        make_anew(cache, block);
    }
    pthread_mutex_unlock(&cache->lock);
}

/* --- Finding and making blocks ----------------------------------------------------------------------------------------------- */

#define JUMP_CACHE_ENTRIES CPU_JUMP_CACHE_ENTRIES

static struct ir_block **jump_slot(struct a64_cpu *cpu, uint32_t mode)
{
    const uint64_t variant = (mode & MODE_EACH_CHECK) != 0 ? JUMP_CACHE_ENTRIES / 2 : 0;

    return &cpu->jump_cache[(cpu->pc >> 2 ^ cpu->pc >> 14 ^ variant) % JUMP_CACHE_ENTRIES];
}

static bool is_block(const struct ir_block *b, const struct a64_cpu *cpu, const uint8_t *hva,
                     uint32_t mode, bool guarded)
{
    return b->pc == cpu->pc && b->hva == hva && b->mode == mode && b->guarded == guarded &&
           atomic_load_explicit(&b->valid, memory_order_acquire);
}

static __attribute__((noinline)) uint64_t which_lines(const struct code_page *page, uint64_t lines)
{
    uint64_t changed = 0;

    for (; lines != 0; lines &= lines - 1) {
        changed |= code_is_zero(code_differing(page, code_first_line(lines))) ? 0 : lines & -lines;
    }
    return changed;
}

/* Lines of `lines` that differ from memory in any word, which they seldom do. */
static uint64_t changed_lines(const struct code_page *page, uint64_t lines)
{
    return code_are_unchanged(page, lines) ? 0 : which_lines(page, lines);
}

static uint64_t lines_of(const struct ir_block *block)
{
    const unsigned first = (unsigned)((uintptr_t)block_start(block) & 0xfff) / 4;
    const unsigned last = (first + block_bytes(block) / 4 - 1u) / CODE_LINE_WORDS;

    return (2ull << last) - (1ull << first / CODE_LINE_WORDS);
}

static void retire_word(struct code_cache *cache, const struct code_page *page, unsigned word)
{
    const uintptr_t at = (page->page << 12) + 4 * word;

    retire_range(cache, at, at + 3);
}

/* What was made of words that memory holds no more goes. Caller holds the lock. */
static void renew_lines(struct code_cache *cache, struct code_page *page, uint64_t lines)
{
    const uint32_t *const now = (const uint32_t *)(page->page << 12);

    for (; lines != 0; lines &= lines - 1) {
        const unsigned first = (unsigned)__builtin_ctzll(lines) * CODE_LINE_WORDS;
        for (unsigned i = first; i < first + CODE_LINE_WORDS; i++) {
            const uint32_t word = __atomic_load_n(&now[i], __ATOMIC_RELAXED);
            if (word != page->words[i] && (page->covered[i / 64] >> i % 64 & 1) != 0) {
                retire_word(cache, page, i);
            }
            page->words[i] = word;
        }
    }
}

static uint64_t active_lines(const struct code_page *page)
{
    return atomic_load_explicit(&page->active, memory_order_acquire);
}

/* Caller holds the lock. */
static void activate(struct code_cache *cache, struct code_page *page, uint64_t lines)
{
    const uint64_t more = lines & ~active_lines(page);

    if (more != 0) {
        renew_lines(cache, page, changed_lines(page, more));
        atomic_fetch_or_explicit(&page->active, more, memory_order_release);
    }
}

static void forget(struct code_cache *cache, struct ir_block *block)
{
    if (block->code != NULL) {
        x64_unlink(cache->x64, block);
        for (struct a64_cpu *cpu = cache->cpus; cpu != NULL; cpu = cpu->code_next) {
            x64_forget_block(cpu, block);
        }
    }
}

/* How many blocks of the page have active lines; those are forgotten if that is wanted. Caller holds the lock. */
static unsigned active_blocks(struct code_cache *cache, struct code_page *page, bool forgotten)
{
    const uint64_t active = active_lines(page);
    unsigned n = 0;

    for (struct ir_block *b = page->blocks; b != NULL; b = b->page_next) {
        if ((b->lines & active) == 0) {
            continue;
        }
        for (struct ir_block *copy = b; copy != NULL;
             copy = copy == b ? b->copies : copy->page_next) {
            n++;
            if (forgotten) {
                forget(cache, copy);
            }
        }
    }
    return n;
}

/* Nothing of the page is active. A vCPU that is in a block of it stays there: in the present run that is right. Caller holds the lock. */
static void let_rest(struct code_cache *cache, struct code_page *page)
{
    page->rest = page->rest < LONGEST_REST ? 2 * page->rest : LONGEST_REST;
    page->until_rest = page->rest;
    if (active_blocks(cache, page, false) <= REST_BLOCKS) {
        active_blocks(cache, page, true);
        atomic_store_explicit(&page->active, 0, memory_order_release);
    }
}

/*
 * Compares a page's active lines with memory, all at once: emitted code goes from one block to another of the same page without
 * asking. Caller holds the lock.
 */
static void verify_page(struct a64_cpu *cpu, struct code_page *page)
{
    struct code_cache *const cache = cpu->code;

    renew_lines(cache, page, changed_lines(page, active_lines(page)));
    atomic_store_explicit(&page->verified, cpu->run_epoch, memory_order_release);
    if (page->until_rest == 0) {
        let_rest(cache, page);
    } else {
        page->until_rest--;
    }
}

/* A new block's words become the page's. What was made of others there is not what memory holds any more. */
static void cover(struct code_cache *cache, struct code_page *page, struct ir_block *block)
{
    const unsigned first = (unsigned)((uintptr_t)block_start(block) & 0xfff) / 4;
    const uint32_t *const words = block->words - block->n_before;

    for (unsigned i = 0; i < block_bytes(block) / 4; i++) {
        const unsigned word = first + i;
        if ((page->covered[word / 64] >> word % 64 & 1) != 0 && page->words[word] != words[i]) {
            retire_word(cache, page, word);
        }
        page->words[word] = words[i];
        page->covered[word / 64] |= 1ull << word % 64;
    }
    block->words = &page->words[first + block->n_before];
}

static bool verified_in_run(const struct a64_cpu *cpu, const struct code_page *page)
{
    return atomic_load_explicit(&page->verified, memory_order_acquire) >= cpu->run_epoch;
}

static bool is_active(const struct ir_block *block)
{
    return (block->lines & ~active_lines(block->page)) == 0;
}

static __attribute__((noinline)) void freshen(struct a64_cpu *cpu, struct ir_block *block)
{
    struct code_cache *const cache = cpu->code;
    struct code_page *const page = block->page;

    pthread_mutex_lock(&cache->lock);
    if (!verified_in_run(cpu, page)) {
        verify_page(cpu, page);
    }
    activate(cache, page, block->lines);
    pthread_mutex_unlock(&cache->lock);
}

/*
 * What mostly is so, found without a call: the block's page has been compared since the present run began, or is now, and nothing has
 * changed. The VM's only vCPU needs no lock for that.
 */
static inline bool is_as_before(struct a64_cpu *cpu, const struct ir_block *block)
{
    struct code_page *const page = block->page;
    const bool verified = verified_in_run(cpu, page);
    const uint64_t active = active_lines(page);

    if ((block->lines & ~active) != 0) {
        return false;
    }
    if (!verified) {
        if (cpu->smp || page->until_rest == 0 || !code_are_unchanged(page, active)) {
            return false;
        }
        page->until_rest--;
        atomic_store_explicit(&page->verified, cpu->run_epoch, memory_order_release);
    }
    return true;
}

/* A block that is valid has been compared since the present run began, or is now, with all that it goes on to in its page. */
static bool is_fresh(struct a64_cpu *cpu, struct ir_block *block)
{
    if (__builtin_expect(!is_as_before(cpu, block), 0)) {
        freshen(cpu, block);
    }
    return atomic_load_explicit(&block->valid, memory_order_acquire);
}

static struct code_page *get_page(struct code_cache *cache, const uint8_t *hva, uint64_t epoch)
{
    struct code_page **const slot = page_slot(cache, (uintptr_t)hva >> 12);

    if (*slot == NULL) {
        struct code_page *const page = aligned_alloc(64, sizeof(*page));
        if (page != NULL) {
            memset(page, 0, sizeof(*page));
            page->page = (uintptr_t)hva >> 12;
            page->verified = epoch;
            page->rest = page->until_rest = FIRST_REST;
            *slot = page;
            cache->n_pages++;
            const unsigned bits[] = {code_filter_bit(page->page),
                                     code_filter_bit(~((uintptr_t)hva / CODE_CHUNK))};
            for (unsigned i = 0; i < 2; i++) {
                atomic_fetch_or_explicit(&cache->may_have_code[bits[i] / 64], 1ull << bits[i] % 64,
                                         memory_order_relaxed);
            }
        }
    }
    return *slot;
}

/*
 * Caller holds the lock. False: out of memory. *watch: stores of this vCPU to the page are to go through code_invalidate() from now
 * on, which they do until the page has no block any more.
 */
static bool insert(struct code_cache *cache, const struct a64_cpu *cpu, struct ir_block *block,
                   bool *watch)
{
    struct ir_block *const donor = block->donor;
    struct code_page *const page = get_page(cache, block->hva, cpu->run_epoch);
    const uint64_t self = 1ull << cpu->vcpu->id;

    *watch = false;
    if (page == NULL) {
        return false;
    }
    if (page->blocks == NULL) {
        page->watched = 0;
        memset(page->covered, 0, sizeof(page->covered));
        atomic_store_explicit(&page->active, 0, memory_order_release);
    }
    *watch = (page->watched & self) == 0;
    page->watched |= self;
    block->lines = lines_of(block);
    if (donor == NULL) {
        activate(cache, page, block->lines); /* with what was made of them before */
        cover(cache, page, block);
    }
    block->page = page;
    put_in_chain(donor != NULL ? &donor->copies : &page->blocks, block);
    if (donor != NULL) { /* its memory has been counted */
        chunks_add(&cache->chunks[X64_ROOM_COPIES], block, 0);
    } else {
        chunks_add(&cache->chunks[X64_ROOM_BLOCKS], block, size_of(block));
    }
    if (x64_can_copy(block)) {
        struct ir_block **const donors = code_donors_of(cache, block->hva, block->mode);
        block->donor_next = *donors;
        *donors = block;
    }
    struct ir_block **const bucket = code_bucket_of(cache, block->hva, block->pc, block->mode);
    block->next = *bucket;
    *bucket = block;
    /* Between reading the words and now another vCPU may have compared the page for a later run than this one's, or invalidated. A
     * donor that is still valid has seen either. */
    if (donor == NULL && !translator_is_in_memory(block)) {
        const uintptr_t start = (uintptr_t)block_start(block);
        retire_range(cache, start, start + block_bytes(block) - 1);
    }
    return true;
}

/* *donor: a block whose code can be copied, when there is none for this address. */
static struct ir_block *find_slow(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                  bool guarded, struct ir_block **donor)
{
    struct code_cache *const cache = cpu->code;

    *donor = NULL;
    pthread_mutex_lock(&cache->lock);
    struct ir_block *block = *code_bucket_of(cache, hva, cpu->pc, mode);
    while (block != NULL && !is_block(block, cpu, hva, mode, guarded)) {
        block = block->next;
    }
    if (block == NULL) {
        *donor = *code_donors_of(cache, hva, mode);
        while (*donor != NULL &&
               ((*donor)->hva != hva || (*donor)->mode != mode || (*donor)->guarded != guarded)) {
            *donor = (*donor)->donor_next;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    if (*donor != NULL && !is_fresh(cpu, *donor)) {
        *donor = NULL;
    }
    return block != NULL && is_fresh(cpu, block) ? block : NULL;
}

/* Counts one more time that there is no block here. */
static bool is_cold(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode)
{
    struct code_cache *const cache = cpu->code;

    if (cache->x64 == NULL || cache->eager || (mode & (MODE_IL | MODE_ONE_INSN)) != 0) {
        return false;
    }
    _Atomic uint8_t *const count = &cache->counts[code_hash((uintptr_t)hva) % CODE_COUNTS];
    const uint8_t times = atomic_load_explicit(count, memory_order_relaxed);
    if (times + 1u >= WARM_UP) {
        atomic_store_explicit(count, 0, memory_order_relaxed);
        return false;
    }
    atomic_store_explicit(count, (uint8_t)(times + 1), memory_order_relaxed);
    /* What ran long ago and not again must not make what shares its count warm. */
    const uint32_t passages = atomic_load_explicit(&cache->passages, memory_order_relaxed) + 1;
    atomic_store_explicit(&cache->passages, passages, memory_order_relaxed);
    for (unsigned i = 0; passages % CODE_COUNTS == 0 && i < CODE_COUNTS; i++) {
        atomic_store_explicit(&cache->counts[i], 0, memory_order_relaxed);
    }
    return true;
}

/* What is known of a block in the present page. hva: of cpu->pc. */
static bool has_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t pc,
                      bool *recurs)
{
    struct code_cache *const cache = cpu->code;
    const uint8_t *const at = hva + (int64_t)(pc - cpu->pc);
    bool found = false;

    *recurs = false;
    pthread_mutex_lock(&cache->lock);
    for (const struct ir_block *b = *code_bucket_of(cache, at, pc, mode); b != NULL; b = b->next) {
        if (b->pc == pc && b->hva == at && b->mode == mode) {
            found = true;
            *recurs |= b->recurs;
        }
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* How often code at pc has been reached, up to WARM_UP. */
static unsigned warmth(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t pc)
{
    const uint8_t *const at = hva + (int64_t)(pc - cpu->pc);
    bool recurs;

    return has_block(cpu, hva, mode, pc, &recurs)
               ? WARM_UP
               : atomic_load_explicit(&cpu->code->counts[code_hash((uintptr_t)at) % CODE_COUNTS],
                                      memory_order_relaxed);
}

bool code_recurs(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t pc)
{
    bool recurs;

    return has_block(cpu, hva, mode, pc, &recurs) && recurs;
}

bool code_is_warmer(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t a, uint64_t b)
{
    return cpu->code->eager || cpu->code->x64 == NULL ||
           warmth(cpu, hva, mode, a) > warmth(cpu, hva, mode, b);
}

bool code_is_as_warm(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t a, uint64_t b)
{
    return cpu->code->eager || cpu->code->x64 == NULL ||
           warmth(cpu, hva, mode, a) >= warmth(cpu, hva, mode, b);
}

bool code_is_warm(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint64_t pc)
{
    return cpu->code->x64 != NULL && (cpu->code->eager || warmth(cpu, hva, mode, pc) != 0);
}

/* NULL: out of memory; or *full, there will be room later. */
static struct ir_block *make_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                   bool guarded, bool *full)
{
    struct code_cache *const cache = cpu->code;
    struct block_ways ways = {.open = cache->x64 != NULL};

    *full = false;
    pthread_mutex_lock(&cache->lock);
    ways_find(&cache->ways, hva, mode, &ways);
    pthread_mutex_unlock(&cache->lock);
    struct ir_block *block = translator_make_block(cpu, hva, mode, guarded, TR_MAX_INSNS, &ways);
    if (block == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&cache->lock);
    if (code_trace_wants(&cache->trace, block)) {
        code_trace_block(&cache->trace, block);
    }
    if (cache->x64 != NULL && (block->mode & (MODE_IL | MODE_ONE_INSN)) == 0) {
        x64_compile(cache->x64, cpu, block, full);
        if (*full && code_next_chunk(cache, X64_ROOM_BLOCKS)) {
            x64_compile(cache->x64, cpu, block, full);
        }
        cache->full |= *full;
    }
    cache->stats.interpreted += block->code == NULL && !*full;
    bool made = !*full, watch = false;
    if (block->code != NULL) {
        translator_drop_nodes(block);
    } else if (made) {
        made = translator_keep_nodes(block);
    }
    if (!made || !insert(cache, cpu, block, &watch)) {
        x64_free_code(block);
        if (!made) {
            translator_drop_nodes(block);
        }
        translator_free_block(block);
        block = NULL;
    } else {
        code_look_ahead(cache, X64_ROOM_BLOCKS);
    }
    pthread_mutex_unlock(&cache->lock);
    if (watch) {
        mmu_drop_write(cpu, hva);
    }
    return block;
}

/* NULL: it is not valid any more, or there is no room in the chunk. Caller holds the lock. */
static struct ir_block *copy(struct a64_cpu *cpu, struct ir_block *donor)
{
    struct code_cache *const cache = cpu->code;
    struct ir_block *const block = donor->valid && !donor->leaving
                                       ? chunks_take(&cache->chunks[X64_ROOM_COPIES],
                                                     sizeof(*block) + x64_copy_bytes(donor))
                                       : NULL;

    if (block != NULL) {
        *block = (struct ir_block){
            .pc = cpu->pc,
            .mode = donor->mode,
            .n_insns = donor->n_insns,
            .n_before = donor->n_before,
            .hva = donor->hva,
            .valid = true,
            .guarded = donor->guarded,
            .bti_ok = donor->bti_ok,
            .loops = donor->loops,
            .recurs = donor->recurs,
            .donor = donor,
            .words = donor->words,
        };
    }
    return block != NULL && x64_copy(cache->x64, cpu, donor, block, block + 1) ? block : NULL;
}

/* NULL: it is to be made anew. */
static struct ir_block *copy_block(struct a64_cpu *cpu, struct ir_block *donor)
{
    struct code_cache *const cache = cpu->code;
    bool watch = false;

    pthread_mutex_lock(&cache->lock);
    if (donor->valid) {
        activate(cache, donor->page, donor->lines); /* another vCPU may have let the page rest */
    }
    struct ir_block *block = copy(cpu, donor);
    if (block == NULL && code_next_chunk(cache, X64_ROOM_COPIES)) {
        block = copy(cpu, donor);
    }
    if (block != NULL && insert(cache, cpu, block, &watch)) {
        code_look_ahead(cache, X64_ROOM_COPIES);
    } else {
        block = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    if (watch) {
        mmu_drop_write(cpu, donor->hva);
    }
    return block;
}

struct ir_block *code_find(struct a64_cpu *cpu, enum ir_next *next)
{
    bool guarded = false;
    const uint8_t *const hva = mmu_fetch(cpu, cpu->pc, &guarded);
    /* The variant says how, not what: it is right wherever the PC has gone meanwhile. */
    const uint32_t mode = cpu->mode_key | cpu->x64.variant;

    cpu->x64.variant = 0;
    if (hva == NULL) {
        *next = exc_abort(cpu, 0);
        return NULL;
    }

    struct code_cache *const cache = cpu->code;
    code_catch_up(cpu);
    struct ir_block **const slot = jump_slot(cpu, mode);
    if (*slot != NULL && is_block(*slot, cpu, hva, mode, guarded) && is_fresh(cpu, *slot)) {
        return *slot;
    }
    if (__builtin_expect(cache->full, 0) && !code_make_room(cpu)) {
        *next = IR_GO; /* look again */
        return NULL;
    }
    struct ir_block *donor, *block = find_slow(cpu, hva, mode, guarded, &donor);
    if (donor != NULL) {
        block = copy_block(cpu, donor);
    }
    if (block == NULL && is_cold(cpu, hva, mode)) {
        cpu->x64.stats->passages++;
        return translator_passing_block(cpu, hva, mode, guarded);
    }
    bool full = false;
    *slot = block != NULL ? block : make_block(cpu, hva, mode, guarded, &full);
    if (full) {
        *next = IR_GO;
    } else if (*slot == NULL) {
        cpu->exit = (struct cpu_exit){.reason = CPU_EXIT_UNKNOWN};
        *next = IR_LEAVE;
    }
    return *slot;
}

/* --- Running ----------------------------------------------------------------------------------------------------------------- */

enum ir_next code_run(struct a64_cpu *cpu, struct ir_block *block, unsigned btype)
{
    struct code_cache *const cache = cpu->code;

    if (block->code == NULL) {
        cpu->x64.from = NULL;
        return interp_run(cpu, block);
    }
    x64_begin_run(cpu);
    if (cpu->x64.from != NULL) {
        pthread_mutex_lock(&cache->lock);
        if (is_active(block)) { /* another vCPU may have let the page rest */
            cache->stats.links += x64_link(cache->x64, cpu->x64.from, cpu->x64.from_exit, block);
        }
        pthread_mutex_unlock(&cache->lock);
        cpu->x64.from = NULL;
    } else if ((block->mode & MODE_EACH_CHECK) == 0) {
        x64_remember(cpu, block, btype, mmu_fetch_is_global(cpu, block->pc));
    }
    return x64_run(cpu, block->code);
}

static inline const void *known(struct a64_cpu *cpu)
{
    const uint64_t pc = cpu->pc;
    const unsigned slot = x64_slot_in(cpu->btype, pc);
    bool holds = false;
    struct ir_block *const block = x64_known_block(cpu, pc, slot, &holds);

    if (block == NULL || (!holds && !is_fresh(cpu, block))) {
        return NULL;
    }
    if (!holds) {
        x64_hold(cpu, block, slot);
    }
    cpu->btype = 0;
    return block->code;
}

const void *code_known(struct a64_cpu *cpu)
{
    return known(cpu);
}

static __attribute__((noinline)) enum ir_next run_compared(struct a64_cpu *cpu,
                                                           struct ir_block *block)
{
    if (!is_fresh(cpu, block)) {
        return IR_NEXT;
    }
    x64_go_on_holding(cpu);
    return x64_run(cpu, block->code);
}

enum ir_next code_run_again(struct a64_cpu *cpu)
{
    struct ir_block *const block = x64_block_alone(cpu);

    if (block == NULL) {
        return IR_NEXT;
    }
    if (__builtin_expect(!is_as_before(cpu, block) ||
                             !atomic_load_explicit(&block->valid, memory_order_acquire),
                         0)) {
        return run_compared(cpu, block);
    }
    x64_go_on_holding(cpu);
    return x64_run(cpu, block->code);
}

enum ir_next code_run_known(struct a64_cpu *cpu)
{
    struct code_cache *const cache = cpu->code;

    /* Who comes from a jump that can be linked wants to have that done. */
    if (cpu->x64.from != NULL || cpu->x64.variant != 0 ||
        atomic_load_explicit(&cpu->code_generation, memory_order_relaxed) !=
            atomic_load_explicit(&cache->generation, memory_order_acquire)) {
        return IR_NEXT;
    }
    x64_begin_run(cpu);
    const void *const code = known(cpu);
    return code != NULL ? x64_run(cpu, code) : IR_NEXT;
}
