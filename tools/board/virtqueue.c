/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "virtqueue.h"

#include <assert.h>
#include <string.h>

#include "device.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the rings are little-endian");

/* Flags of a descriptor. */
#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY     ((uint16_t)1)

/* Places in the rings, in 16-bit units. */
#define RING_FLAGS 0
#define RING_IDX   1
#define RING_FIRST 2
#define USED_UNITS 4 /* of a used element */

struct descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags, next;
};
static_assert(sizeof(struct descriptor) == 16, "virtio 1.2, 2.7.5");

static uint16_t load(const uint16_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void store(uint16_t *p, uint16_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static uint16_t *used_event(const struct virtq *q)
{
    return q->driver_hva + RING_FIRST + q->size;
}

static uint16_t *avail_event(const struct virtq *q)
{
    return q->device_hva + RING_FIRST + USED_UNITS * q->size;
}

static void *area(const struct board *board, uint64_t address, uint64_t size, uint64_t alignment)
{
    return address % alignment == 0 ? board_ram(board, address, size) : NULL;
}

bool virtq_start(struct virtq *q, const struct board *board, bool event_idx, bool indirect)
{
    q->ready = false;
    if (q->size == 0 || q->size > VIRTQ_MAX_SIZE || (q->size & (q->size - 1)) != 0) {
        return false;
    }
    /* Both event fields are there whether they are in use or not. */
    q->descriptors_hva = area(board, q->descriptors, 16u * q->size, 16);
    q->driver_hva = area(board, q->driver_area, 2u * q->size + 6, 2);
    q->device_hva = area(board, q->device_area, 8u * q->size + 6, 4);
    if (q->descriptors_hva == NULL || q->driver_hva == NULL || q->device_hva == NULL) {
        return false;
    }
    q->event_idx = event_idx;
    q->indirect = indirect;
    q->next_available = q->next_used = q->signalled = 0;
    q->ready = true;
    return true;
}

/* --- Taking a chain ----------------------------------------------------------------------------------------------------------- */

static struct descriptor fetch(const uint8_t *table, unsigned index)
{
    struct descriptor d;

    memcpy(&d, table + 16u * (size_t)index, sizeof(d));
    /* The compiler may not read the table again where the copy is used. */
    __asm__ volatile("" : "+m"(d));
    return d;
}

static const char *add_segment(const struct board *board, const struct descriptor *d,
                               struct virtq_chain *chain)
{
    const bool writable = (d->flags & DESC_WRITE) != 0;
    uint32_t *const bytes = writable ? &chain->writable_bytes : &chain->readable_bytes;

    if (!writable && chain->n_writable != 0) {
        return "a readable buffer follows a writable one";
    }
    if (d->size == 0) {
        return NULL;
    }
    void *const hva = board_ram(board, d->address, d->size);
    if (hva == NULL) {
        return "a buffer is not in RAM";
    }
    if (__builtin_add_overflow(*bytes, d->size, bytes)) {
        return "a chain is longer than 4 GiB";
    }
    chain->segments[chain->n_readable + chain->n_writable] = (struct iovec){.iov_base = hva,
                                                                            .iov_len = d->size};
    if (writable) {
        chain->n_writable++;
    } else {
        chain->n_readable++;
    }
    return NULL;
}

/* One descriptor table from its entry `index`; the first descriptor found to be indirect is left in *indirect. */
static const char *follow(const struct board *board, const uint8_t *table, unsigned size,
                          unsigned index, unsigned max_steps, struct virtq_chain *chain,
                          struct descriptor *indirect)
{
    for (unsigned step = 0;; step++) {
        if (index >= size) {
            return "a descriptor's number is beyond its table";
        }
        if (step >= max_steps) {
            return "a chain is too long, or a loop";
        }
        const struct descriptor d = fetch(table, index);
        if ((d.flags & DESC_INDIRECT) != 0) {
            if (indirect == NULL) {
                return "an indirect descriptor is not allowed here";
            }
            if ((d.flags & DESC_NEXT) != 0) {
                return "a chain goes on after an indirect descriptor";
            }
            *indirect = d;
            return NULL;
        }
        const char *const error = add_segment(board, &d, chain);
        if (error != NULL) {
            return error;
        }
        if ((d.flags & DESC_NEXT) == 0) {
            return NULL;
        }
        index = d.next;
    }
}

static const char *read_chain(const struct virtq *q, const struct board *board,
                              struct virtq_chain *chain)
{
    struct descriptor indirect = {.size = 0, .flags = 0};
    const char *const error = follow(board, q->descriptors_hva, q->size, chain->head, q->size,
                                     chain, q->indirect ? &indirect : NULL);

    if (error != NULL || indirect.flags == 0) {
        return error;
    }
    if (indirect.size == 0 || indirect.size % sizeof(struct descriptor) != 0) {
        return "an indirect table's size is not one of whole descriptors";
    }
    const uint8_t *const table = board_ram(board, indirect.address, indirect.size);
    if (table == NULL) {
        return "an indirect table is not in RAM";
    }
    /* Up to q->size - 1 direct segments may lie before the table. */
    const unsigned room = VIRTQ_MAX_SEGMENTS - chain->n_readable - chain->n_writable;
    return follow(board, table, indirect.size / (uint32_t)sizeof(struct descriptor), 0, room, chain,
                  NULL);
}

enum virtq_result virtq_pop(struct virtq *q, const struct board *board, struct virtq_chain *chain,
                            const char **why)
{
    const uint16_t available = (uint16_t)(load(q->driver_hva + RING_IDX) - q->next_available);

    if (available == 0) {
        return VIRTQ_EMPTY;
    }
    if (available > q->size) {
        *why = "the available ring's index has jumped";
        return VIRTQ_BROKEN;
    }
    chain->head = load(q->driver_hva + RING_FIRST + (q->next_available & (q->size - 1)));
    chain->n_readable = chain->n_writable = 0;
    chain->readable_bytes = chain->writable_bytes = 0;
    *why = read_chain(q, board, chain);
    if (*why != NULL) {
        return VIRTQ_BROKEN;
    }
    q->next_available++;
    return VIRTQ_CHAIN;
}

/* --- Giving it back ----------------------------------------------------------------------------------------------------------- */

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
    const uint32_t element[2] = {head, written};

    memcpy(q->device_hva + RING_FIRST + USED_UNITS * (q->next_used & (q->size - 1)), element,
           sizeof(element));
    q->next_used++;
    store(q->device_hva + RING_IDX, q->next_used);
}

bool virtq_wants_interrupt(struct virtq *q)
{
    const uint16_t old = q->signalled;

    /* The driver writes its wish and then looks at the used index; we do it the other way round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    q->signalled = q->next_used;
    if (!q->event_idx) {
        return old != q->next_used && (load(q->driver_hva + RING_FLAGS) & AVAIL_NO_INTERRUPT) == 0;
    }
    /* Has used_event been passed on the way from old to now? */
    return (uint16_t)(q->next_used - load(used_event(q)) - 1) < (uint16_t)(q->next_used - old);
}

bool virtq_ask_for_notices(struct virtq *q, bool wanted)
{
    if (!q->event_idx) {
        store(q->device_hva + RING_FLAGS, wanted ? 0 : USED_NO_NOTIFY);
    } else if (wanted) {
        store(avail_event(q), q->next_available);
    }
    if (!wanted) {
        return false;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return load(q->driver_hva + RING_IDX) != q->next_available;
}

/* --- Bytes of a chain --------------------------------------------------------------------------------------------------------- */

static void find_part(const struct virtq_chain *chain, bool writable, const struct iovec **first,
                      unsigned *n)
{
    *first = chain->segments + (writable ? chain->n_readable : 0);
    *n = writable ? chain->n_writable : chain->n_readable;
}

/* Calls nothing: gives the pieces one after the other. State: index of the segment, bytes of it to skip. */
static bool next_piece(const struct iovec *segments, unsigned n, unsigned *index, size_t *skip,
                       size_t wanted, struct iovec *piece)
{
    while (*index < n && *skip >= segments[*index].iov_len) {
        *skip -= segments[*index].iov_len;
        (*index)++;
    }
    if (*index == n || wanted == 0) {
        return false;
    }
    const struct iovec *const s = &segments[*index];
    piece->iov_base = (uint8_t *)s->iov_base + *skip;
    piece->iov_len = s->iov_len - *skip < wanted ? s->iov_len - *skip : wanted;
    *skip += piece->iov_len;
    return true;
}

size_t virtq_read(const struct virtq_chain *chain, size_t offset, void *to, size_t size)
{
    const struct iovec *segments;
    struct iovec piece;
    unsigned n, index = 0;
    size_t done = 0;

    find_part(chain, false, &segments, &n);
    while (next_piece(segments, n, &index, &offset, size - done, &piece)) {
        memcpy((uint8_t *)to + done, piece.iov_base, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

size_t virtq_write(const struct virtq_chain *chain, size_t offset, const void *from, size_t size)
{
    const struct iovec *segments;
    struct iovec piece;
    unsigned n, index = 0;
    size_t done = 0;

    find_part(chain, true, &segments, &n);
    while (next_piece(segments, n, &index, &offset, size - done, &piece)) {
        memcpy(piece.iov_base, (const uint8_t *)from + done, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

unsigned virtq_slice(const struct virtq_chain *chain, bool writable, size_t offset, size_t size,
                     struct iovec *pieces)
{
    const struct iovec *segments;
    unsigned n, index = 0, n_pieces = 0;

    find_part(chain, writable, &segments, &n);
    while (next_piece(segments, n, &index, &offset, size, &pieces[n_pieces])) {
        size -= pieces[n_pieces++].iov_len;
    }
    assert(size == 0);
    return n_pieces;
}
