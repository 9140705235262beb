/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The block device (virtio 1.2, 5.2): one queue, served by a thread of its own, as a host's disk may take its time.
 *
 * A request is a header (readable), data, and a status byte, the last that is writable; how they lie in buffers is the driver's
 * affair. Only a request without room for header or status breaks the rules: all else is answered in the status.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "virtio.h"
#include "virtio_devices.h"

#define F_SEG_MAX      (1ull << 2)
#define F_RO           (1ull << 5)
#define F_BLK_SIZE     (1ull << 6)
#define F_FLUSH        (1ull << 9)
#define F_TOPOLOGY     (1ull << 10)
#define F_CONFIG_WCE   (1ull << 11)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };

#define ID_BYTES    20u
#define UNMAP       1u        /* flag of a range */
#define MAX_RANGES  32u       /* of one discard */
#define MAX_DISCARD 0x400000u /* sectors in a range: 2 GiB */
#define MAX_ZEROES  0x10000u  /* 32 MiB: where the host cannot do it by itself, they are written */

struct config {
    uint64_t capacity; /* in sectors, as all that follows unless said */
    uint32_t size_max, seg_max;
    uint8_t geometry[4];
    uint32_t blk_size; /* bytes */
    uint8_t physical_block_exp, alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback, unused;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused2[3];
};
static_assert(offsetof(struct config, writeback) == 32, "virtio 1.2, 5.2.4");
static_assert(offsetof(struct config, write_zeroes_may_unmap) == 56, "virtio 1.2, 5.2.4");

#define CONFIG_SIZE 60u

struct header {
    uint32_t type, reserved;
    uint64_t sector;
};

struct range {
    uint64_t sector;
    uint32_t n_sectors, flags;
};

struct blk {
    struct virtio_device device; /* first */
    struct disk *disk;
    /* The serving thread's. */
    struct virtq_chain chain;
    struct iovec pieces[VIRTQ_MAX_SEGMENTS];
    int complained_error; /* the last one told to the user */
};

/* --- Requests ----------------------------------------------------------------------------------------------------------------- */

/* Tells the user once what happened to the host's disk: the guest only sees that something has. */
static uint8_t status_of(struct blk *blk, const char *what, int error)
{
    if (error == 0) {
        return S_OK;
    }
    if (error != blk->complained_error) {
        blk->complained_error = error;
        board_warn("disk '%s': cannot %s: %s; the guest gets an I/O error", disk_path(blk->disk),
                   what, strerror(error));
    }
    return S_IOERR;
}

static bool is_inside(const struct blk *blk, uint64_t sector, uint64_t size)
{
    const uint64_t capacity = disk_size(blk->disk) / DISK_SECTOR;

    return size % DISK_SECTOR == 0 && sector <= capacity && size / DISK_SECTOR <= capacity - sector;
}

/* Without a flush command, or with the cache switched off, each write is to last. */
static bool is_write_through(struct blk *blk)
{
    pthread_mutex_lock(&blk->device.lock);
    const bool write_through = (blk->device.features & F_FLUSH) == 0 ||
                               blk->device.config[offsetof(struct config, writeback)] == 0;
    pthread_mutex_unlock(&blk->device.lock);
    return write_through;
}

static uint8_t flush(struct blk *blk)
{
    return status_of(blk, "flush", disk_flush(blk->disk));
}

static uint8_t flush_if_write_through(struct blk *blk, uint8_t status)
{
    return status == S_OK && is_write_through(blk) ? flush(blk) : status;
}

static uint8_t transfer(struct blk *blk, const struct header *header, bool write)
{
    const uint32_t size = write ? blk->chain.readable_bytes - (uint32_t)sizeof(*header)
                                : blk->chain.writable_bytes - 1;

    if (!is_inside(blk, header->sector, size) || (write && disk_is_read_only(blk->disk))) {
        return S_IOERR;
    }
    const unsigned n = virtq_slice(&blk->chain, !write, write ? sizeof(*header) : 0, size,
                                   blk->pieces);
    const uint64_t offset = header->sector * DISK_SECTOR;
    if (!write) {
        return status_of(blk, "read", disk_read(blk->disk, blk->pieces, n, offset));
    }
    return flush_if_write_through(
        blk, status_of(blk, "write", disk_write(blk->disk, blk->pieces, n, offset)));
}

static uint8_t change_range(struct blk *blk, const struct range *range, bool zero)
{
    const uint64_t size = (uint64_t)range->n_sectors * DISK_SECTOR,
                   offset = range->sector * DISK_SECTOR;

    if ((range->flags & ~(zero ? UNMAP : 0)) != 0) {
        return S_UNSUPP;
    }
    if (!is_inside(blk, range->sector, size) ||
        range->n_sectors > (zero ? MAX_ZEROES : MAX_DISCARD)) {
        return S_IOERR;
    }
    if (size == 0) {
        return S_OK;
    }
    return zero ? status_of(blk, "write zeros",
                            disk_zero(blk->disk, offset, size, (range->flags & UNMAP) != 0))
                : status_of(blk, "discard", disk_discard(blk->disk, offset, size));
}

static uint8_t change_ranges(struct blk *blk, bool zero)
{
    struct range ranges[MAX_RANGES];
    const uint32_t size = blk->chain.readable_bytes - (uint32_t)sizeof(struct header);

    if (disk_is_read_only(blk->disk)) {
        return S_UNSUPP; /* it was not offered */
    }
    if (size == 0 || size % sizeof(ranges[0]) != 0 ||
        size > (zero ? sizeof(ranges[0]) : sizeof(ranges))) {
        return S_IOERR;
    }
    virtq_read(&blk->chain, sizeof(struct header), ranges, size);
    uint8_t status = S_OK;
    for (uint32_t i = 0; i < size / sizeof(ranges[0]) && status == S_OK; i++) {
        status = change_range(blk, &ranges[i], zero);
    }
    return flush_if_write_through(blk, status);
}

static uint8_t get_id(struct blk *blk)
{
    static const char id[ID_BYTES] = "applevisor";
    const uint32_t room = blk->chain.writable_bytes - 1;

    virtq_write(&blk->chain, 0, id, room < ID_BYTES ? room : ID_BYTES);
    return S_OK;
}

static uint8_t handle(struct blk *blk, const struct header *header)
{
    switch (header->type) {
    case T_IN:
        return transfer(blk, header, false);
    case T_OUT:
        return transfer(blk, header, true);
    case T_FLUSH:
        return flush(blk);
    case T_GET_ID:
        return get_id(blk);
    case T_DISCARD:
        return change_ranges(blk, false);
    case T_WRITE_ZEROES:
        return change_ranges(blk, true);
    default:
        return S_UNSUPP;
    }
}

static void serve(struct virtio_device *device, unsigned queue)
{
    struct blk *const blk = (struct blk *)device;
    struct virtq_chain *const chain = &blk->chain;
    struct header header;

    while (virtio_pop(device, queue, chain)) {
        if (virtq_read(chain, 0, &header, sizeof(header)) != sizeof(header) ||
            chain->writable_bytes == 0) {
            virtio_refuse(device, chain, "a request without header or status");
            return;
        }
        const uint8_t status = handle(blk, &header);
        virtq_write(chain, chain->writable_bytes - 1, &status, 1);
        virtio_push(device, chain, chain->writable_bytes);
    }
}

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

/* The driver may switch the write cache on and off, and nothing else. */
static void config_written(struct virtio_device *device, const uint8_t *old, uint32_t offset,
                           unsigned size)
{
    const uint32_t place = offsetof(struct config, writeback);
    const uint8_t value = device->config[place];

    (void)offset;
    (void)size;
    memcpy(device->config, old, CONFIG_SIZE);
    if ((device->features & F_CONFIG_WCE) != 0 && value <= 1) {
        device->config[place] = value;
    }
}

static void reset(struct virtio_device *device)
{
    device->config[offsetof(struct config, writeback)] = 1;
}

static void destroy(struct virtio_device *device)
{
    disk_close(((struct blk *)device)->disk);
}

static const struct virtio_ops ops = {
    .name = "virtio-blk",
    .id = VIRTIO_ID_BLOCK,
    .n_queues = 1,
    .own_thread = true,
    .serve = serve,
    .config_written = config_written,
    .reset = reset,
    .destroy = destroy,
};

bool virtio_blk_add(struct board *board, const struct disk_config *disk_config)
{
    struct blk *const blk = calloc(1, sizeof(*blk));
    uint64_t features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE;

    if (blk == NULL) {
        board_warn("disk '%s': %s", disk_config->path, strerror(ENOMEM));
        return false;
    }
    blk->disk = disk_open(disk_config);
    if (blk->disk == NULL) {
        free(blk);
        return false;
    }
    features |= disk_is_read_only(blk->disk) ? F_RO : F_DISCARD | F_WRITE_ZEROES;
    const struct config config = {
        .capacity = disk_size(blk->disk) / DISK_SECTOR,
        .seg_max = VIRTQ_MAX_SIZE - 2, /* beside header and status */
        .blk_size = DISK_SECTOR,
        .physical_block_exp = 3, /* the host's page cache works in 4 KiB */
        .min_io_size = 8,
        .writeback = 1,
        .num_queues = 1,
        .max_discard_sectors = MAX_DISCARD,
        .max_discard_seg = MAX_RANGES,
        .discard_sector_alignment = 8,
        .max_write_zeroes_sectors = MAX_ZEROES,
        .max_write_zeroes_seg = 1,
        .write_zeroes_may_unmap = 1,
    };
    if (!virtio_add(board, &blk->device, &ops, features, &config, CONFIG_SIZE)) {
        disk_close(blk->disk);
        free(blk);
        return false;
    }
    return true;
}
