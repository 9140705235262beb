/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The VM's map: which IPA ranges are which host memory, with which permissions.
 *
 *      chunks[ipa >> 30] -> sorted array of ranges {start, end, host, permissions}, none crossing its 1 GiB chunk
 *
 * A change touches the chunks of its range only, so that mapping 8 GiB writes 8 entries, and a map that is cut into many small
 * pieces moves at most one chunk's entries. Neighbours that continue each other are one range.
 *
 * Writers hold `lock`. Readers hold nothing: `sequence` is odd while a writer is at work, and a reader that saw it odd or
 * changed looks again. Arrays that have grown stay allocated until the VM goes (together they are smaller than their
 * successors), so a late reader reads old numbers, never freed memory. What a vCPU makes of an answer holds until its next poll:
 * vm_unmap() and vm_protect() change the map between vm_stop() and vm_continue() and have every TLB emptied.
 */
#include "vm/memory.h"

#include <sched.h>
#include <stdlib.h>

#include "engine/code.h"
#include "engine/mmu/mailbox.h"
#include "vm/internal.h"

#define PERMISSIONS (unsigned)(VM_READ | VM_WRITE | VM_EXEC)
#define HOST_FLAGS  (unsigned)(VM_HOST_NO_READ | VM_HOST_NO_WRITE)

#define PAGE_LOG2  12
#define CHUNK_LOG2 30
#define CHUNK_SIZE (1ull << CHUNK_LOG2)
/* Beyond this many bytes a walk over the pages costs more than dropping all translated code. */
#define CODE_WALK_LIMIT (64ull << 20)

/* Atomic only because readers look while a writer changes them; the sequence tells whether what they saw belongs together. */
struct range {
    _Atomic uint64_t start, end;
    _Atomic uintptr_t host;
    _Atomic uint64_t permissions; /* and HOST_FLAGS */
};

struct range_array {
    struct range_array *retired_next;
    uint32_t capacity;
    struct range ranges[];
};

struct chunk {
    _Atomic(struct range_array *) array;
    _Atomic uint32_t count;
};

struct vm_memory {
    pthread_mutex_t lock;
    unsigned ipa_bits;
    size_t n_chunks;
    struct chunk *chunks;
    struct range_array *retired; /* guarded by lock */
    struct mmu_bus *bus;
    _Atomic uint32_t sequence;
};

/* A range by value. */
struct piece {
    uint64_t start, end;
    uintptr_t host;
    unsigned permissions;
};

struct vm_memory *vm_memory_create(unsigned ipa_bits)
{
    struct vm_memory *const m = calloc(1, sizeof(*m));

    if (m == NULL) {
        return NULL;
    }
    m->ipa_bits = ipa_bits < 48 ? ipa_bits : 48;
    m->n_chunks = m->ipa_bits > CHUNK_LOG2 ? (size_t)1 << (m->ipa_bits - CHUNK_LOG2) : 1;
    m->chunks = calloc(m->n_chunks, sizeof(*m->chunks));
    m->bus = mmu_bus_create();
    if (m->chunks == NULL || m->bus == NULL || pthread_mutex_init(&m->lock, NULL) != 0) {
        mmu_bus_destroy(m->bus);
        free(m->chunks);
        free(m);
        return NULL;
    }
    return m;
}

void vm_memory_destroy(struct vm_memory *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->n_chunks; i++) {
        free(atomic_load_explicit(&m->chunks[i].array, memory_order_relaxed));
    }
    while (m->retired != NULL) {
        struct range_array *const next = m->retired->retired_next;
        free(m->retired);
        m->retired = next;
    }
    pthread_mutex_destroy(&m->lock);
    mmu_bus_destroy(m->bus);
    free(m->chunks);
    free(m);
}

struct mmu_bus *vm_memory_bus(const struct vm *vm)
{
    return vm->memory->bus;
}

/* --- One chunk ---------------------------------------------------------------------------------------------------------------- */

static struct piece get(const struct range *r)
{
    return (struct piece){
        .start = atomic_load_explicit(&r->start, memory_order_relaxed),
        .end = atomic_load_explicit(&r->end, memory_order_relaxed),
        .host = atomic_load_explicit(&r->host, memory_order_relaxed),
        .permissions = (unsigned)atomic_load_explicit(&r->permissions, memory_order_relaxed),
    };
}

static void put(struct range *r, struct piece p)
{
    atomic_store_explicit(&r->start, p.start, memory_order_relaxed);
    atomic_store_explicit(&r->end, p.end, memory_order_relaxed);
    atomic_store_explicit(&r->host, p.host, memory_order_relaxed);
    atomic_store_explicit(&r->permissions, p.permissions, memory_order_relaxed);
}

/* The entries that may be looked at: a reader can meet the old array with the new count. */
static struct range *entries_of(const struct chunk *chunk, uint32_t *count)
{
    struct range_array *const array = atomic_load_explicit(&chunk->array, memory_order_acquire);
    const uint32_t n = atomic_load_explicit(&chunk->count, memory_order_relaxed);

    if (array == NULL) {
        *count = 0;
        return NULL;
    }
    *count = n < array->capacity ? n : array->capacity;
    return array->ranges;
}

/* Index of the first range that ends above ipa. */
static uint32_t first_above(const struct range *ranges, uint32_t count, uint64_t ipa)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (atomic_load_explicit(&ranges[middle].end, memory_order_relaxed) > ipa) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Makes room for two more ranges, the most that one change adds to a chunk. Caller holds the lock. */
static bool reserve(struct vm_memory *m, struct chunk *chunk)
{
    uint32_t count;
    struct range *const old = entries_of(chunk, &count);
    struct range_array *const old_array = atomic_load_explicit(&chunk->array, memory_order_relaxed);

    if (old_array != NULL && count + 2 <= old_array->capacity) {
        return true;
    }
    const uint32_t capacity = count < 4 ? 8 : 2 * count;
    struct range_array *const array = malloc(sizeof(*array) + capacity * sizeof(array->ranges[0]));
    if (array == NULL) {
        return false;
    }
    array->capacity = capacity;
    for (uint32_t i = 0; i < capacity; i++) {
        put(&array->ranges[i], i < count ? get(&old[i]) : (struct piece){0});
    }
    atomic_store_explicit(&chunk->array, array, memory_order_release);
    if (old_array != NULL) {
        old_array->retired_next = m->retired;
        m->retired = old_array;
    }
    return true;
}

/* Caller has reserved. */
static void insert(struct chunk *chunk, uint32_t at, struct piece piece)
{
    uint32_t count;
    struct range *const ranges = entries_of(chunk, &count);

    for (uint32_t i = count; i > at; i--) {
        put(&ranges[i], get(&ranges[i - 1]));
    }
    put(&ranges[at], piece);
    atomic_store_explicit(&chunk->count, count + 1, memory_order_relaxed);
}

static void erase(struct chunk *chunk, uint32_t at, uint32_t n)
{
    uint32_t count;
    struct range *const ranges = entries_of(chunk, &count);

    for (uint32_t i = at; i + n < count; i++) {
        put(&ranges[i], get(&ranges[i + n]));
    }
    atomic_store_explicit(&chunk->count, count - n, memory_order_relaxed);
}

/* Makes ipa a boundary between ranges if it lies inside one. */
static void split(struct chunk *chunk, uint64_t ipa)
{
    uint32_t count;
    struct range *const ranges = entries_of(chunk, &count);
    const uint32_t i = first_above(ranges, count, ipa);

    if (i == count) {
        return;
    }
    struct piece low = get(&ranges[i]), high = low;
    if (low.start >= ipa) {
        return;
    }
    low.end = ipa;
    high.start = ipa;
    high.host += ipa - low.start;
    put(&ranges[i], low);
    insert(chunk, i + 1, high);
}

/* Joins what continues each other among the ranges from first to last, both included. */
static void join(struct chunk *chunk, uint32_t first, uint32_t last)
{
    uint32_t count;
    struct range *const ranges = entries_of(chunk, &count);
    uint32_t kept = first;

    if (count == 0 || first >= count) {
        return;
    }
    last = last < count ? last : count - 1;
    for (uint32_t i = first + 1; i <= last; i++) {
        struct piece a = get(&ranges[kept]);
        const struct piece b = get(&ranges[i]);
        if (a.end == b.start && a.host + (a.end - a.start) == b.host &&
            a.permissions == b.permissions) {
            a.end = b.end;
            put(&ranges[kept], a);
        } else {
            put(&ranges[++kept], b);
        }
    }
    if (kept < last) {
        erase(chunk, kept + 1, last - kept);
    }
}

/* --- A range over all its chunks ---------------------------------------------------------------------------------------------- */

/* The part of [ipa, end) in the chunk that holds ipa. */
static uint64_t end_in_chunk(uint64_t ipa, uint64_t end)
{
    const uint64_t chunk_end = (ipa | (CHUNK_SIZE - 1)) + 1;

    return chunk_end < end ? chunk_end : end;
}

static struct chunk *chunk_of(const struct vm_memory *m, uint64_t ipa)
{
    return &m->chunks[ipa >> CHUNK_LOG2];
}

static bool is_valid_range(const struct vm_memory *m, uint64_t ipa, uint64_t size)
{
    const uint64_t mask = (1ull << PAGE_LOG2) - 1, limit = 1ull << m->ipa_bits;

    return size != 0 && ((ipa | size) & mask) == 0 && ipa < limit && size <= limit - ipa;
}

static bool any_mapped(const struct vm_memory *m, uint64_t ipa, uint64_t limit)
{
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        struct chunk *const chunk = chunk_of(m, a);
        uint32_t count;
        const struct range *const ranges = entries_of(chunk, &count);
        const uint32_t i = first_above(ranges, count, a);
        if (i < count && atomic_load_explicit(&ranges[i].start, memory_order_relaxed) < b) {
            return true;
        }
    }
    return false;
}

static bool all_mapped(const struct vm_memory *m, uint64_t ipa, uint64_t limit)
{
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        struct chunk *const chunk = chunk_of(m, a);
        uint32_t count;
        const struct range *const ranges = entries_of(chunk, &count);
        uint64_t reached = a;
        for (uint32_t i = first_above(ranges, count, a); i < count && reached < b; i++) {
            const struct piece p = get(&ranges[i]);
            if (p.start > reached) {
                return false;
            }
            reached = p.end;
        }
        if (reached < b) {
            return false;
        }
    }
    return true;
}

static bool reserve_all(struct vm_memory *m, uint64_t ipa, uint64_t limit)
{
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        struct chunk *const chunk = chunk_of(m, a);
        if (!reserve(m, chunk)) {
            return false;
        }
    }
    return true;
}

/* Caller holds the lock from here to end_change(). */
static void begin_change(struct vm_memory *m)
{
    atomic_store_explicit(&m->sequence,
                          atomic_load_explicit(&m->sequence, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void end_change(struct vm_memory *m)
{
    atomic_store_explicit(&m->sequence,
                          atomic_load_explicit(&m->sequence, memory_order_relaxed) + 1,
                          memory_order_release);
}

/* A guest's access that the host memory does not allow would be a fault of this process. */
static bool host_denies(unsigned flags, unsigned permissions)
{
    return ((flags & VM_HOST_NO_READ) != 0 && (permissions & (VM_READ | VM_EXEC)) != 0) ||
           ((flags & VM_HOST_NO_WRITE) != 0 && (permissions & VM_WRITE) != 0);
}

/* Whether any host memory of [ipa, limit), all of which is mapped, denies these permissions. */
static bool any_denies(const struct vm_memory *m, uint64_t ipa, uint64_t limit,
                       unsigned permissions)
{
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        uint32_t count;
        const struct range *const ranges = entries_of(chunk_of(m, a), &count);
        for (uint32_t i = first_above(ranges, count, a); i < count; i++) {
            const struct piece p = get(&ranges[i]);
            if (p.start >= b) {
                break;
            }
            if (host_denies(p.permissions, permissions)) {
                return true;
            }
        }
    }
    return false;
}

/* --- The calls ---------------------------------------------------------------------------------------------------------------- */

enum vm_status vm_map(struct vm *vm, void *host, uint64_t ipa, uint64_t size, unsigned permissions)
{
    struct vm_memory *const m = vm->memory;
    enum vm_status status = VM_OK;

    if (!is_valid_range(m, ipa, size) || host == NULL ||
        ((uintptr_t)host & ((1u << PAGE_LOG2) - 1)) != 0 || (uintptr_t)host > UINTPTR_MAX - size) {
        return VM_BAD_RANGE;
    }
    permissions &= PERMISSIONS | HOST_FLAGS;
    if (host_denies(permissions, permissions)) {
        return VM_HOST_DENIES;
    }
    pthread_mutex_lock(&m->lock);
    if (any_mapped(m, ipa, ipa + size)) {
        status = VM_OVERLAP;
        goto out;
    }
    if (!reserve_all(m, ipa, ipa + size)) {
        status = VM_NO_MEMORY;
        goto out;
    }
    begin_change(m);
    for (uint64_t a = ipa, b; a < ipa + size; a = b) {
        b = end_in_chunk(a, ipa + size);
        struct chunk *const chunk = chunk_of(m, a);
        uint32_t count;
        const struct range *const ranges = entries_of(chunk, &count);
        const uint32_t i = first_above(ranges, count, a);
        insert(chunk, i, (struct piece){a, b, (uintptr_t)host + (a - ipa), permissions});
        join(chunk, i != 0 ? i - 1 : 0, i + 1);
    }
    end_change(m);
out:
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* Translated code is found by host address: what leaves the map may be other memory when it comes back. */
static void drop_code(struct vm *vm, const struct vm_memory *m, uint64_t ipa, uint64_t limit)
{
    if (vm->code == NULL) {
        return;
    }
    if (limit - ipa > CODE_WALK_LIMIT) {
        code_invalidate_all(vm->code);
        return;
    }
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        struct chunk *const chunk = chunk_of(m, a);
        uint32_t count;
        const struct range *const ranges = entries_of(chunk, &count);
        for (uint32_t i = first_above(ranges, count, a); i < count; i++) {
            const struct piece p = get(&ranges[i]);
            if (p.start >= b) {
                break;
            }
            code_invalidate(vm->code, (const uint8_t *)p.host, p.end - p.start);
        }
    }
}

enum vm_status vm_unmap(struct vm *vm, uint64_t ipa, uint64_t size)
{
    struct vm_memory *const m = vm->memory;
    enum vm_status status = VM_OK;

    if (!is_valid_range(m, ipa, size)) {
        return VM_BAD_RANGE;
    }
    const uint64_t limit = ipa + size;
    pthread_mutex_lock(&m->lock);
    const bool found = any_mapped(m, ipa, limit);
    pthread_mutex_unlock(&m->lock);
    if (!found) {
        return VM_OK;
    }
    vm_stop(vm, NULL);
    pthread_mutex_lock(&m->lock);
    if (!reserve_all(m, ipa, limit)) {
        status = VM_NO_MEMORY;
        goto out;
    }
    begin_change(m);
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        struct chunk *const chunk = chunk_of(m, a);
        split(chunk, a);
        split(chunk, b);
    }
    drop_code(vm, m, ipa, limit);
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        struct chunk *const chunk = chunk_of(m, a);
        uint32_t count;
        const struct range *const ranges = entries_of(chunk, &count);
        const uint32_t first = first_above(ranges, count, a);
        const uint32_t last = first_above(
            ranges, count, b); /* b is a boundary: the first that starts at or above b */
        erase(chunk, first, last - first);
    }
    end_change(m);
    mmu_bus_flush_all(m->bus);
out:
    pthread_mutex_unlock(&m->lock);
    vm_continue(vm);
    return status;
}

enum vm_status vm_protect(struct vm *vm, uint64_t ipa, uint64_t size, unsigned permissions)
{
    struct vm_memory *const m = vm->memory;
    enum vm_status status = VM_OK;

    if (!is_valid_range(m, ipa, size)) {
        return VM_BAD_RANGE;
    }
    const uint64_t limit = ipa + size;
    permissions &= PERMISSIONS;
    vm_stop(vm, NULL);
    pthread_mutex_lock(&m->lock);
    if (!all_mapped(m, ipa, limit)) {
        status = VM_NOT_MAPPED;
        goto out;
    }
    if (any_denies(m, ipa, limit, permissions)) {
        status = VM_HOST_DENIES;
        goto out;
    }
    if (!reserve_all(m, ipa, limit)) {
        status = VM_NO_MEMORY;
        goto out;
    }
    begin_change(m);
    for (uint64_t a = ipa, b; a < limit; a = b) {
        b = end_in_chunk(a, limit);
        struct chunk *const chunk = chunk_of(m, a);
        split(chunk, a);
        split(chunk, b);
        uint32_t count;
        struct range *const ranges = entries_of(chunk, &count);
        const uint32_t first = first_above(ranges, count, a), last = first_above(ranges, count, b);
        for (uint32_t i = first; i < last; i++) {
            const uint64_t host = atomic_load_explicit(&ranges[i].permissions,
                                                       memory_order_relaxed) &
                                  HOST_FLAGS;
            atomic_store_explicit(&ranges[i].permissions, host | permissions, memory_order_relaxed);
        }
        join(chunk, first != 0 ? first - 1 : 0, last);
    }
    end_change(m);
    mmu_bus_flush_all(m->bus);
out:
    pthread_mutex_unlock(&m->lock);
    vm_continue(vm);
    return status;
}

/* --- Looking up --------------------------------------------------------------------------------------------------------------- */

/*
 * The level at which a stage 2 table of the VM's granule would stop for an IPA that is not mapped: tables exist only where
 * something below them is mapped.
 */
static int missing_level(const struct vm *vm, uint64_t ipa)
{
    const struct vm_memory *const m = vm->memory;
    const unsigned granule = vm->config.granule_log2 == 12 ? 12 : 14, stride = granule - 3;

    if (m->ipa_bits <= granule) {
        return 3;
    }
    const int levels = (int)((m->ipa_bits - 1 - granule) / stride);
    for (int level = levels < 3 ? 3 - levels : 0; level < 3; level++) {
        const unsigned shift = granule + stride * (unsigned)(3 - level);
        const uint64_t size = 1ull << shift, start = ipa & ~(size - 1), end = 1ull << m->ipa_bits;
        if (!any_mapped(m, start, start + size < end ? start + size : end)) {
            return level;
        }
    }
    return 3;
}

/* One look; what it saw counts only if the sequence stood still. False: *level. */
static bool look(const struct vm *vm, uint64_t page, struct piece *found, int *level)
{
    const struct vm_memory *const m = vm->memory;
    const struct chunk *const chunk = &m->chunks[page >> CHUNK_LOG2];
    uint32_t count;
    const struct range *const ranges = entries_of(chunk, &count);
    const uint32_t i = first_above(ranges, count, page);

    if (i < count) {
        *found = get(&ranges[i]);
        if (found->start <= page) {
            return true;
        }
    }
    *level = missing_level(vm, page);
    return false;
}

static bool find(struct vm *vm, uint64_t page, struct piece *found, int *level)
{
    struct vm_memory *const m = vm->memory;

    if (page >> m->ipa_bits != 0) {
        *level = 0; /* AArch64.IPAIsOutOfRange() */
        return false;
    }
    for (unsigned tries = 0;; tries++) {
        const uint32_t before = atomic_load_explicit(&m->sequence, memory_order_acquire);
        if ((before & 1) == 0) {
            struct piece p = {0};
            int l = 3;
            const bool there = look(vm, page, &p, &l);
            atomic_thread_fence(memory_order_acquire);
            if (atomic_load_explicit(&m->sequence, memory_order_relaxed) == before) {
                *found = p;
                *level = l;
                return there;
            }
        }
        if (tries > 100) {
            sched_yield(); /* the writer may need this processor */
        }
    }
}

uint8_t *vm_lookup(struct vm *vm, uint64_t ipa, unsigned *permissions, int *level)
{
    const uint64_t page = ipa & ~((1ull << PAGE_LOG2) - 1);
    struct piece p;

    if (!find(vm, page, &p, level)) {
        return NULL;
    }
    *permissions = p.permissions & PERMISSIONS;
    return (uint8_t *)(p.host + (page - p.start));
}

bool vm_lookup_range(struct vm *vm, uint64_t ipa, struct vm_range *range, int *level)
{
    struct piece p;

    if (!find(vm, ipa & ~((1ull << PAGE_LOG2) - 1), &p, level)) {
        return false;
    }
    *range = (struct vm_range){
        .start = p.start,
        .end = p.end,
        .host = (uint8_t *)p.host,
        .permissions = p.permissions & PERMISSIONS,
    };
    return true;
}

void vm_devices_changed(struct vm *vm)
{
    struct vm_memory *const m = vm->memory;

    pthread_mutex_lock(&m->lock);
    begin_change(m);
    end_change(m);
    pthread_mutex_unlock(&m->lock);
}

const _Atomic uint32_t *vm_map_version(const struct vm *vm)
{
    return &vm->memory->sequence;
}
