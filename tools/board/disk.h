/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A disk image: a raw file or a block device of the host, or either with all changes kept aside and forgotten at the end (snapshot).
 *
 * What disk_flush() has answered 0 for is on the host's disk. After a failed flush no later one succeeds: the host may have dropped
 * what it could not write, and would not say so twice.
 *
 * Threads: one at a time. Results are 0 or an errno value.
 */
#ifndef BOARD_DISK_H
#define BOARD_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define DISK_SECTOR 512u

struct disk;

struct disk_config {
    const char *path;
    bool read_only; /* the image is opened for reading, and disk_write() answers EROFS */
    bool snapshot;  /* the image is opened for reading; with read_only, that prevails */
};

/* NULL: complained. */
struct disk *disk_open(const struct disk_config *config);
void disk_close(struct disk *disk);

uint64_t disk_size(const struct disk *disk); /* in bytes; a multiple of DISK_SECTOR, not 0 */
bool disk_is_read_only(const struct disk *disk);
const char *disk_path(const struct disk *disk);

/* Offset and size are multiples of DISK_SECTOR and inside the disk. At most IOV_MAX pieces, which are used up. */
int disk_read(struct disk *disk, struct iovec *pieces, unsigned n, uint64_t offset);
int disk_write(struct disk *disk, struct iovec *pieces, unsigned n, uint64_t offset);
int disk_flush(struct disk *disk);
/* The content is not needed any more. */
int disk_discard(struct disk *disk, uint64_t offset, uint64_t size);
/* Reads as zeros from now on; the space is given back where may_unmap allows it. */
int disk_zero(struct disk *disk, uint64_t offset, uint64_t size, bool may_unmap);

#endif
