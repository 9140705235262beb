/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The changes of a snapshot: a sparse file without a name, laid out as the image is, and a bit for each block that it holds. A block
 * that is written in part is copied from the image first.
 *
 * Dropped: mapping the image privately, as a host disk that fails or a file that is cut would then kill the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk_internal.h"

#define BLOCK 4096u

struct overlay {
    int base, fd;
    uint64_t size;
    uint64_t *present; /* bit per block */
    uint8_t copy[BLOCK];
    struct iovec some[IOV_MAX]; /* the pieces of one run of blocks */
};

static int make_file(void)
{
    const char *const tmpdir = getenv("TMPDIR"), *const directory = tmpdir != NULL &&
                                                                            *tmpdir != '\0'
                                                                        ? tmpdir
                                                                        : "/var/tmp";
    char name[PATH_MAX];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) {
        return fd;
    }
    if (snprintf(name, sizeof(name), "%s/applevisor-XXXXXX", directory) >= (int)sizeof(name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0) {
        unlink(name);
    }
    return fd;
}

struct overlay *overlay_create(int base, uint64_t size)
{
    const uint64_t n_blocks = (size + BLOCK - 1) / BLOCK;
    struct overlay *const overlay = calloc(1, sizeof(*overlay));

    if (overlay == NULL) {
        return NULL;
    }
    overlay->base = base;
    overlay->size = size;
    overlay->fd = make_file();
    if (overlay->fd >= 0 && ftruncate(overlay->fd, (off_t)size) == 0) {
        overlay->present = calloc(n_blocks / 64 + 1, sizeof(overlay->present[0]));
        if (overlay->present != NULL) {
            return overlay;
        }
        errno = ENOMEM;
    }
    const int error = errno;
    overlay_destroy(overlay);
    errno = error;
    return NULL;
}

void overlay_destroy(struct overlay *overlay)
{
    if (overlay == NULL) {
        return;
    }
    if (overlay->fd >= 0) {
        close(overlay->fd);
    }
    free(overlay->present);
    free(overlay);
}

static bool has(const struct overlay *overlay, uint64_t block)
{
    return (overlay->present[block / 64] >> block % 64 & 1) != 0;
}

static void add(struct overlay *overlay, uint64_t first, uint64_t end)
{
    for (uint64_t block = first; block < end; block++) {
        overlay->present[block / 64] |= 1ull << block % 64;
    }
}

/* The first `size` bytes of the pieces, into overlay->some; they are taken off the pieces. */
static unsigned take(struct overlay *overlay, struct iovec **pieces, unsigned *n, uint64_t size)
{
    unsigned n_some = 0;

    while (size > 0 && *n > 0) {
        struct iovec *const piece = *pieces;
        const size_t part = piece->iov_len < size ? piece->iov_len : (size_t)size;
        overlay->some[n_some++] = (struct iovec){.iov_base = piece->iov_base, .iov_len = part};
        piece->iov_base = (uint8_t *)piece->iov_base + part;
        piece->iov_len -= part;
        size -= part;
        if (piece->iov_len == 0) {
            (*pieces)++;
            (*n)--;
        }
    }
    return n_some;
}

static uint64_t size_of(const struct iovec *pieces, unsigned n)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < n; i++) {
        size += pieces[i].iov_len;
    }
    return size;
}

int overlay_read(struct overlay *overlay, struct iovec *pieces, unsigned n, uint64_t offset)
{
    const uint64_t end = offset + size_of(pieces, n);

    while (offset < end) {
        const bool here = has(overlay, offset / BLOCK);
        uint64_t run = offset / BLOCK + 1;
        while (run * BLOCK < end && has(overlay, run) == here) {
            run++;
        }
        const uint64_t size = (run * BLOCK < end ? run * BLOCK : end) - offset;
        const unsigned n_some = take(overlay, &pieces, &n, size);
        const int error = file_read(here ? overlay->fd : overlay->base, overlay->some, n_some,
                                    offset);
        if (error != 0) {
            return error;
        }
        offset += size;
    }
    return 0;
}

/* Brings a block over that is about to be changed in part. */
static int copy_up(struct overlay *overlay, uint64_t block)
{
    const uint64_t offset = block * BLOCK;
    const size_t size = overlay->size - offset < BLOCK ? (size_t)(overlay->size - offset) : BLOCK;

    if (has(overlay, block)) {
        return 0;
    }
    struct iovec piece = {.iov_base = overlay->copy, .iov_len = size};
    int error = file_read(overlay->base, &piece, 1, offset);
    if (error == 0) {
        piece = (struct iovec){.iov_base = overlay->copy, .iov_len = size};
        error = file_write(overlay->fd, &piece, 1, offset);
    }
    if (error == 0) {
        add(overlay, block, block + 1);
    }
    return error;
}

static int copy_up_edges(struct overlay *overlay, uint64_t offset, uint64_t end)
{
    int error = 0;

    if (offset % BLOCK != 0) {
        error = copy_up(overlay, offset / BLOCK);
    }
    if (error == 0 && end % BLOCK != 0 && end != overlay->size) {
        error = copy_up(overlay, end / BLOCK);
    }
    return error;
}

int overlay_write(struct overlay *overlay, struct iovec *pieces, unsigned n, uint64_t offset)
{
    const uint64_t end = offset + size_of(pieces, n);
    int error = copy_up_edges(overlay, offset, end);

    if (error == 0) {
        error = file_write(overlay->fd, pieces, n, offset);
    }
    if (error == 0) {
        add(overlay, offset / BLOCK, (end + BLOCK - 1) / BLOCK);
    }
    return error;
}

int overlay_zero(struct overlay *overlay, uint64_t offset, uint64_t size)
{
    const uint64_t end = offset + size;
    int error = copy_up_edges(overlay, offset, end);

    if (error == 0) {
        error = file_zero(overlay->fd, offset, size, true);
    }
    if (error == 0) {
        add(overlay, offset / BLOCK, (end + BLOCK - 1) / BLOCK);
    }
    return error;
}
