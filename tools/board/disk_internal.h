/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Between disk.c, which opens images and works on files, and disk_overlay.c, which keeps a snapshot's changes. */
#ifndef BOARD_DISK_INTERNAL_H
#define BOARD_DISK_INTERNAL_H

#include "disk.h"

/* Whole transfers on a file. Reading beyond its end is EIO: somebody has cut it. */
int file_read(int fd, struct iovec *pieces, unsigned n, uint64_t offset);
int file_write(int fd, struct iovec *pieces, unsigned n, uint64_t offset);
int file_punch(int fd, uint64_t offset, uint64_t size);
int file_zero(int fd, uint64_t offset, uint64_t size, bool may_unmap);

struct overlay;
/* On a base of size bytes, which the caller closes later. NULL: errno. */
struct overlay *overlay_create(int base, uint64_t size);
void overlay_destroy(struct overlay *overlay);
int overlay_read(struct overlay *overlay, struct iovec *pieces, unsigned n, uint64_t offset);
int overlay_write(struct overlay *overlay, struct iovec *pieces, unsigned n, uint64_t offset);
/* Discard is the same: an overlay that forgot blocks would show the base's again. */
int overlay_zero(struct overlay *overlay, uint64_t offset, uint64_t size);

#endif
