/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Code memory, links between blocks, and jump tables.
 *
 * Code memory is a file in memory mapped twice, so that nothing is ever writable and executable at one address. A link is one aligned
 * 32-bit store into a jump that other vCPUs may be executing.
 */
#include "engine/x64/cache.h"

#include <cpuid.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/mmu/tlb.h"
#include "engine/pages.h"
#include "engine/x64/emit.h"

/* --- Memory ---------------------------------------------------------------------------------------------------------------------- */

/* __builtin_cpu_supports() does not know these in clang 14. */
static bool has_lzcnt(void)
{
    unsigned a, b, c = 0, d;

    return __get_cpuid(0x80000001, &a, &b, &c, &d) != 0 && (c & bit_LZCNT) != 0;
}

static bool has_f16c(void)
{
    unsigned a, b, c = 0, d;

    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

/* No level has it. */
static bool has_sha(void)
{
    unsigned a, b = 0, c, d;

    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

static unsigned find_level(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("ssse3") ||
        !__builtin_cpu_supports("popcnt")) {
        return 0;
    }
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
        !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") || !has_f16c() ||
        !has_lzcnt() || !__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul")) {
        return 2;
    }
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl")) {
        return 3;
    }
    return 4;
}

/* Asked once: in a virtual machine, CPUID is an exit to its host. */
static unsigned host_level;
static bool host_has_sha;

static void ask_host(void)
{
    host_level = find_level();
    host_has_sha = has_sha();
}

unsigned x64_host_level(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, ask_host);
    return host_level;
}

/* The second mapping is a copy of the first. */
static bool map_anonymous_twice(struct x64_cache *cache)
{
    void *const rw = mmap(NULL, cache->size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (rw == MAP_FAILED) {
        return false;
    }
    void *const rx = mremap(rw, 0, cache->size, MREMAP_MAYMOVE);
    if (rx == MAP_FAILED || mprotect(rx, cache->size, PROT_READ | PROT_EXEC) != 0) {
        munmap(rw, cache->size);
        if (rx != MAP_FAILED) {
            munmap(rx, cache->size);
        }
        return false;
    }
    cache->rx = rx;
    cache->rw = rw;
    return true;
}

static bool map_twice(struct x64_cache *cache)
{
    const int fd = memfd_create("a64-code", MFD_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    void *rx = MAP_FAILED, *rw = MAP_FAILED;
    if (ftruncate(fd, (off_t)cache->size) == 0) {
        rw = mmap(NULL, cache->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        rx = mmap(NULL, cache->size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd, 0);
    }
    close(fd);
    if (rx == MAP_FAILED || rw == MAP_FAILED) {
        if (rx != MAP_FAILED) {
            munmap(rx, cache->size);
        }
        if (rw != MAP_FAILED) {
            munmap(rw, cache->size);
        }
        return false;
    }
    cache->rx = rx;
    cache->rw = rw;
    return true;
}

/*
 * perf looks a name up in its map for memory without a file alone. A limit of files' sizes, which holds for files in memory as well, would
 * end the process.
 */
static bool prefers_anonymous(const struct x64_cache *cache)
{
    struct rlimit limit;

    return cache->trace.code_made != NULL ||
           (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < cache->size);
}

static void make_thunks(struct x64_cache *cache)
{
    struct x64_asm a = {.start = cache->rw,
                        .p = cache->rw,
                        .end = cache->rw + 8192,
                        .legacy = cache->level == 2,
                        .vectors = cache->level >= 4 ? 32 : 16};
    struct x64_thunk_offsets at;

    x64_emit_thunks(&a, &at);
    assert(!a.full);
    const uint8_t *const enter = cache->rx + at.enter;
    memcpy(&cache->thunks.enter, &enter,
           sizeof(enter)); /* ISO C has no cast from data to function */
    cache->thunks.leave_poll = cache->rx + at.leave_poll;
    cache->thunks.leave_unlinked = cache->rx + at.leave_unlinked;
    cache->thunks.leave_far = cache->rx + at.leave_far;
    cache->thunks.leave_go_edx = cache->rx + at.leave_go_edx;
    cache->thunks.leave_eax = cache->rx + at.leave_eax;
    cache->thunks.go_on = cache->rx + at.go_on;
    cache->thunks.go_on_eax = cache->rx + at.go_on_eax;
    cache->thunks.leave_noted = cache->rx + at.leave_noted;
    cache->thunks.leave_indirect = cache->rx + at.leave_indirect;
    cache->thunks.slow_access = cache->rx + at.slow_access;
    for (unsigned size = 0; size < X64_PLAIN_SIZES; size++) {
        cache->thunks.plain_access[0][size] = cache->rx + at.plain_access[0][size];
        cache->thunks.plain_access[1][size] = cache->rx + at.plain_access[1][size];
    }
    for (unsigned how = 0; how < 4; how++) {
        cache->thunks.refill[how] = cache->rx + at.refill[how];
    }
    for (unsigned i = 0; i < 8; i++) {
        cache->thunks.pauth[i / 4][i % 4] = cache->rx + at.pauth[i / 4][i % 4];
    }
    cache->fixed = (x64_here(&a) + 63u) & ~63u;
}

static void divide(struct x64_cache *cache, enum x64_room room, size_t start, size_t end,
                   unsigned n_chunks)
{
    cache->rooms[room].start = start;
    cache->rooms[room].chunk_bytes = (end - start) / n_chunks & ~(size_t)63u;
    x64_use_chunk(cache, room, 0);
}

struct x64_cache *x64_cache_create(size_t bytes, unsigned level, const struct code_trace *trace)
{
    const unsigned host = x64_host_level();

    if (host == 0 || level > host) {
        return NULL;
    }
    struct x64_cache *const cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return NULL;
    }
    cache->size = bytes != 0 ? bytes : X64_CODE_BYTES;
    cache->level = level != 0 ? level : host;
    cache->has_sha = cache->level >= 3 && host_has_sha;
    cache->trace = *trace;
    if (!(prefers_anonymous(cache) ? map_anonymous_twice(cache) : map_twice(cache))) {
        free(cache);
        return NULL;
    }
    make_thunks(cache);
    const size_t copies = (cache->size - cache->size / X64_COPIES_PART + 63u) & ~(size_t)63u;
    divide(cache, X64_ROOM_BLOCKS, cache->fixed, copies, X64_BLOCK_CHUNKS);
    divide(cache, X64_ROOM_COPIES, copies, cache->size, X64_COPY_CHUNKS);
    return cache;
}

void x64_cache_destroy(struct x64_cache *cache)
{
    if (cache != NULL) {
        x64_trace_gone(cache, cache->fixed, cache->size);
        munmap(cache->rx, cache->size);
        munmap(cache->rw, cache->size);
        free(cache);
    }
}

static size_t chunk_start(const struct x64_cache *cache, enum x64_room room, unsigned chunk)
{
    return cache->rooms[room].start + chunk * cache->rooms[room].chunk_bytes;
}

void x64_use_chunk(struct x64_cache *cache, enum x64_room room, unsigned chunk)
{
    cache->rooms[room].used = chunk_start(cache, room, chunk);
    cache->rooms[room].end = chunk_start(cache, room, chunk + 1);
}

#define INT3 0xcc

/* A way into it that has been forgotten ends there, and not in something else's code. */
void x64_chunk_gone(struct x64_cache *cache, enum x64_room room, unsigned chunk)
{
    const size_t start = chunk_start(cache, room, chunk);

    x64_trace_gone(cache, start, start + cache->rooms[room].chunk_bytes);
    memset(cache->rw + start, INT3, cache->rooms[room].chunk_bytes);
}

size_t x64_chunk_bytes(const struct x64_cache *cache, enum x64_room room)
{
    return cache->rooms[room].chunk_bytes;
}

bool x64_is_half_full(const struct x64_cache *cache, enum x64_room room)
{
    return cache->rooms[room].end - cache->rooms[room].used < cache->rooms[room].chunk_bytes / 2;
}

/* --- One block's code ------------------------------------------------------------------------------------------------------------ */

static void emit_block(struct x64_emit *e, bool sides)
{
    e->n_stubs = e->n_saved = e->n_relocs = e->n_exits = e->n_helper_exits = e->n_redos = 0;
    e->n_fp_waiting = e->n_fp_looked = 0;
    e->failed = false;
    e->n_literals = 0;
    /* A program has many places, the kernel one. What lies low has short forms instead. */
    e->movable = MODE_EL(e->block->mode) == 0 && e->block->pc >> 31 != 0;
    e->n_fixups = 0;
    e->btype = 0;
    e->owes_barrier = IR_REF_NONE;
    e->flags = IR_REF_NONE;
    e->dirty_flags = false;
    memset(e->held, 0, sizeof(e->held));
    memset(e->locked, 0, sizeof(e->locked));
    memset(e->guest, 0, sizeof(e->guest));
    memset(e->dirty, 0, sizeof(e->dirty));
    memset(e->memory, 0, sizeof(e->memory));
    memset(e->slots, 0, sizeof(e->slots));
    e->now = 0;
    e->carry_of = IR_REF_NONE;
    x64_find_sides(e, sides);
    x64_plan(e);

    struct x64_stub *const poll = x64_new_stub(e, STUB_POLL, 0);
    x64_poll(&e->a);
    poll->jump = x64_jcc(&e->a, CC_NE);
    e->body = x64_here(&e->a);
    if (e->back_edge != 0) {
        x64_emit_head(e);
    }
    for (unsigned i = 1; i < e->main_end && !e->failed && !e->a.full; i++) {
        e->now = i;
        e->node_at[i] = x64_here(&e->a);
        x64_emit_node(e, (ir_ref)i);
    }
    x64_emit_sides(e);
    x64_emit_stubs(e);
    x64_emit_literals(e);
}

/* Of code, in a chunk. */
static size_t rounded(size_t size)
{
    return (size + 31u) & ~(size_t)31u;
}

static bool fits(const struct x64_cache *cache, enum x64_room room, size_t size)
{
    return cache->rooms[room].end - cache->rooms[room].used >= rounded(size);
}

static void place_code(struct x64_cache *cache, struct x64_emit *e, struct x64_code *code)
{
    const size_t size = x64_here(&e->a);
    const size_t at = cache->rooms[X64_ROOM_BLOCKS].used;
    uint8_t *const rx = cache->rx + at, *const rw = cache->rw + at;

    memcpy(rw, e->a.start, size);
    for (unsigned i = 0; i < e->n_relocs; i++) {
        const int64_t distance = (const uint8_t *)e->relocs[i].to - (rx + e->relocs[i].at + 4);
        const int32_t rel32 = (int32_t)distance;
        memcpy(rw + e->relocs[i].at, &rel32, 4);
    }
    for (unsigned i = 0; i < e->n_exits; i++) {
        code->links[i] = (struct x64_link){
            .rel32 = rx + e->exits[i].rel32, .pc = e->exits[i].pc, .variant = e->exits[i].variant};
    }
    code->n_links = e->n_exits;
    code->entry = rx;
    code->size = (uint32_t)size;
    code->body = e->body;
    cache->rooms[X64_ROOM_BLOCKS].used += rounded(size);
    e->block->x64 = code;
    e->block->loops = e->back_edge != 0;
    /* Another vCPU that sees the pointer sees the code. */
    __atomic_store_n(&e->block->code, (const void *)(rx + e->body), __ATOMIC_RELEASE);
}

void x64_compile(struct x64_cache *cache, struct a64_cpu *cpu, struct ir_block *block, bool *full)
{
    struct x64_emit *const e = cpu->x64.emit;

    e->a = (struct x64_asm){.start = e->buffer,
                            .p = e->buffer,
                            .end = e->buffer + sizeof(e->buffer),
                            .legacy = cache->level == 2,
                            .vectors = cache->level >= 4 ? 32 : 16};
    e->level = cache->level;
    e->has_sha = cache->has_sha;
    e->cpu = cpu;
    e->thunks = &cache->thunks;
    e->trace = &cache->trace;
    e->block = block;
    e->nodes = block->nodes;
    e->n_nodes = block->n_nodes;
    emit_block(e, true);
    if ((e->failed || e->a.full) && e->n_sides != 0) {
        e->a.p = e->a.start;
        e->a.full = false;
        emit_block(e, false);
    }
    *full = false;
    if (e->failed || e->a.full ||
        rounded(x64_here(&e->a)) > cache->rooms[X64_ROOM_BLOCKS].chunk_bytes) {
        return;
    }
    if (!fits(cache, X64_ROOM_BLOCKS, x64_here(&e->a))) {
        *full = true;
        return;
    }
    for (unsigned i = 0; i < e->n_relocs; i++) {
        x64_fixup(e, FIXUP_OUTSIDE, e->relocs[i].at);
    }
    /* Who asks for names or listings is told about each piece of code where it is made. */
    const bool told = cache->trace.code_made != NULL || cache->trace.block;
    const unsigned n_fixups = e->movable && !told ? e->n_fixups : 0;
    struct x64_code *const code = malloc(sizeof(*code) + e->n_exits * sizeof(code->links[0]) +
                                         n_fixups * sizeof(code->fixups[0]));
    if (code == NULL) {
        return;
    }
    struct x64_fixup *const fixups = (struct x64_fixup *)&code->links[e->n_exits];
    *code = (struct x64_code){.n_fixups = n_fixups, .fixups = fixups};
    memcpy(fixups, e->fixups, n_fixups * sizeof(fixups[0]));
    place_code(cache, e, code);
    x64_trace_made(cache, e);
}

/* --- Copies ---------------------------------------------------------------------------------------------------------------------- */

bool x64_can_copy(const struct ir_block *from)
{
    return from->x64 != NULL && from->x64->n_fixups != 0;
}

/* The 64 bits there, which may lie at any address. */
static uint64_t word_at(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static void fix(uint8_t *p, enum x64_fixup_kind kind, const struct ir_block *to, uint64_t moved,
                ptrdiff_t code_moved)
{
    uint64_t v = word_at(p);
    int32_t v32;

    switch (kind) {
    case FIXUP_PC:
        v += moved;
        memcpy(p, &v, sizeof(v));
        break;
    case FIXUP_BLOCK:
        memcpy(p, &to, sizeof(to));
        break;
    case FIXUP_SLOT: {
        const uint32_t field = (uint32_t)v % sizeof(struct x64_jump),
                       slot = (uint32_t)v / sizeof(struct x64_jump);
        v32 = (int32_t)(X64_JUMP_SLOT(((uint64_t)slot << 2) + moved) * sizeof(struct x64_jump) +
                        field);
        memcpy(p, &v32, sizeof(v32));
        break;
    }
    case FIXUP_OUTSIDE:
        v32 = (int32_t)((uint32_t)v - (uint32_t)code_moved);
        memcpy(p, &v32, sizeof(v32));
        break;
    }
}

size_t x64_known_bytes(const struct ir_block *block)
{
    const struct x64_code *const code = block->x64;

    return code == NULL ? 0
                        : sizeof(*code) + code->n_links * sizeof(code->links[0]) +
                              code->n_fixups * sizeof(code->fixups[0]);
}

size_t x64_copy_bytes(const struct ir_block *from)
{
    return sizeof(struct x64_code) + from->x64->n_links * sizeof(struct x64_link);
}

bool x64_copy(struct x64_cache *cache, struct a64_cpu *cpu, const struct ir_block *from,
              struct ir_block *to, void *memory)
{
    const struct x64_code *const old = from->x64;
    const uint8_t *const old_rx = old->entry;
    const size_t room = cache->rooms[X64_ROOM_COPIES].used;
    uint8_t *const rx = cache->rx + room, *const rw = cache->rw + room;
    const uint64_t moved = to->pc - from->pc;
    struct x64_code *const code = memory;

    if (!fits(cache, X64_ROOM_COPIES, old->size)) {
        return false;
    }
    *code = (struct x64_code){
        .entry = rx, .size = old->size, .body = old->body, .n_links = old->n_links};
    memcpy(rw, cache->rw + (old_rx - cache->rx), old->size);
    for (unsigned i = 0; i < old->n_fixups; i++) {
        const struct x64_fixup f = old->fixups[i];
        fix(rw + f.at, (enum x64_fixup_kind)f.kind, to, moved, rx - old_rx);
    }
    for (unsigned i = 0; i < old->n_links; i++) {
        const ptrdiff_t at = old->links[i].rel32 - old_rx;
        code->links[i] = (struct x64_link){
            .rel32 = rx + at, .pc = old->links[i].pc + moved, .variant = old->links[i].variant};
        memset(rw + at, 0, 4); /* the old one may be linked */
    }
    cache->rooms[X64_ROOM_COPIES].used += rounded(old->size);
    cpu->x64.stats->copies++;
    to->x64 = code;
    __atomic_store_n(&to->code, (const void *)(rx + old->body), __ATOMIC_RELEASE);
    return true;
}

/* --- Links ----------------------------------------------------------------------------------------------------------------------- */

static void patch(struct x64_cache *cache, const struct x64_link *link, const void *to)
{
    uint8_t *const rw = cache->rw + (link->rel32 - cache->rx);
    const int32_t distance = (int32_t)((const uint8_t *)to - (link->rel32 + 4));

    __atomic_store_n((int32_t *)(void *)rw, distance, __ATOMIC_RELAXED);
}

bool x64_link(struct x64_cache *cache, struct ir_block *from, unsigned exit, struct ir_block *to)
{
    struct x64_code *const code = from->x64;

    if (code == NULL || to->x64 == NULL || exit >= code->n_links || !from->valid || !to->valid ||
        from->leaving || to->leaving) {
        return false;
    }
    struct x64_link *const link = &code->links[exit];
    const uintptr_t page = ~(uintptr_t)0xfff;
    if (link->to != NULL || link->pc != to->pc ||
        ((from->mode & ~MODE_EACH_CHECK) | link->variant) != to->mode ||
        from->guarded != to->guarded ||
        ((uintptr_t)from->hva & page) != ((uintptr_t)to->hva & page)) {
        return false;
    }
    link->to = to;
    link->next = to->x64->incoming;
    to->x64->incoming = link;
    patch(cache, link, x64_jump_polls(from->pc, to->pc) ? to->x64->entry : to->code);
    return true;
}

void x64_unlink(struct x64_cache *cache, struct ir_block *block)
{
    struct x64_code *const code = block->x64;

    if (code == NULL) {
        return;
    }
    for (struct x64_link *link = code->incoming; link != NULL; link = link->next) {
        patch(cache, link, link->rel32 + 4);
        link->to = NULL;
    }
    code->incoming = NULL;
    for (unsigned i = 0; i < code->n_links; i++) {
        struct x64_link *const link = &code->links[i];
        if (link->to == NULL) {
            continue;
        }
        struct x64_link **at = &link->to->x64->incoming;
        while (*at != link) {
            at = &(*at)->next;
        }
        *at = link->next;
        patch(cache, link, link->rel32 + 4);
        link->to = NULL;
    }
}

void x64_free_code(struct ir_block *block)
{
    free(block->x64);
    block->x64 = NULL;
}

/* --- vCPUs ----------------------------------------------------------------------------------------------------------------------- */

bool x64_cpu_create(struct a64_cpu *cpu)
{
    cpu->x64.emit = pages_take(sizeof(struct x64_emit));
    cpu->x64.contexts = x64_contexts_create();
    cpu->x64.stats = calloc(1, sizeof(*cpu->x64.stats));
    if (cpu->x64.emit == NULL || cpu->x64.stats == NULL || cpu->x64.contexts == NULL) {
        x64_cpu_destroy(cpu);
        return false;
    }
    cpu->x64.until_asked = 1;
    x64_fp_constants(cpu);
    return true;
}

void x64_cpu_destroy(struct a64_cpu *cpu)
{
    pages_give_back(cpu->x64.emit, sizeof(struct x64_emit));
    x64_contexts_destroy(cpu->x64.contexts);
    free(cpu->x64.stats);
    cpu->x64.stats = NULL;
    cpu->x64.emit = NULL;
    cpu->x64.contexts = NULL;
}

void x64_cpu_join(struct a64_cpu *cpu, const struct x64_cache *cache)
{
    cpu->x64.enter = cache->thunks.enter;
}
