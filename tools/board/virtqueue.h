/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A split virtqueue as the device sees it (virtio 1.2, 2.7).
 *
 * Everything in the rings is the guest's and may change at any time: each value is read once, checked, and the copy is used. No
 * chain takes more steps than VIRTQ_MAX_SEGMENTS, whatever its links say.
 *
 * Threads: the caller serializes all calls for one queue (the transport does, with the device's lock). The segments of a chain are
 * guest memory and may be read and written without a lock.
 */
#ifndef BOARD_VIRTQUEUE_H
#define BOARD_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct board;

#define VIRTQ_MAX_SIZE     256u
#define VIRTQ_MAX_SEGMENTS 1024u /* IOV_MAX: a chain goes into one preadv() */

struct virtq {
    /* What the driver sets through the registers. */
    uint16_t size;
    bool ready;
    uint64_t descriptors, driver_area, device_area; /* guest addresses */

    /* Valid while ready. */
    bool event_idx, indirect;
    uint16_t next_available; /* index of the next entry of the available ring to be taken */
    uint16_t next_used;
    uint16_t signalled; /* next_used when an interrupt was last considered */
    const uint8_t *descriptors_hva;
    uint16_t *driver_hva; /* flags, idx, ring[size], used_event */
    uint16_t *device_hva; /* flags, idx, {id32, len32}[size], avail_event */
};

/* One request: first what the device reads, then what it writes. */
struct virtq_chain {
    unsigned queue; /* for the transport */
    uint16_t head;
    unsigned n_readable, n_writable;
    uint32_t readable_bytes, writable_bytes;
    struct iovec segments[VIRTQ_MAX_SEGMENTS]; /* none of size 0 */
};

enum virtq_result { VIRTQ_EMPTY, VIRTQ_CHAIN, VIRTQ_BROKEN };

/* Makes the queue ready. False: the size or an address is not one that a driver may set; the queue is not ready then. */
bool virtq_start(struct virtq *q, const struct board *board, bool event_idx, bool indirect);

/* Takes the next chain. After VIRTQ_BROKEN, *why says what the driver did; the queue must not be used until it is started again. */
enum virtq_result virtq_pop(struct virtq *q, const struct board *board, struct virtq_chain *chain,
                            const char **why);

/* Gives a chain back, with the number of bytes written from the start of its writable part. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);

/* Does the driver want an interrupt for what was pushed since the last call? */
bool virtq_wants_interrupt(struct virtq *q);

/* Tells the driver whether to notify about new chains. Where chains had come before it could see this, the answer is true: look
 * again. */
bool virtq_ask_for_notices(struct virtq *q, bool wanted);

/* The readable and the writable part as a sequence of bytes. What lies beyond its end is not copied; the number of bytes that were
 * is returned. */
size_t virtq_read(const struct virtq_chain *chain, size_t offset, void *to, size_t size);
size_t virtq_write(const struct virtq_chain *chain, size_t offset, const void *from, size_t size);

/* The pieces of size bytes from offset of the readable or the writable part; they must be inside it. Returns their number, at most
 * VIRTQ_MAX_SEGMENTS. */
unsigned virtq_slice(const struct virtq_chain *chain, bool writable, size_t offset, size_t size,
                     struct iovec *pieces);

#endif
