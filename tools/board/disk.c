/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "disk_internal.h"

struct disk {
    int fd;
    char *path;
    uint64_t size;
    bool read_only;
    int flush_error;         /* stays */
    struct overlay *overlay; /* of a snapshot */
};

/* --- Files -------------------------------------------------------------------------------------------------------------------- */

static void advance(struct iovec **pieces, unsigned *n, size_t done)
{
    while (*n > 0 && done >= (*pieces)->iov_len) {
        done -= (*pieces)->iov_len;
        (*pieces)++;
        (*n)--;
    }
    if (done > 0) {
        (*pieces)->iov_base = (uint8_t *)(*pieces)->iov_base + done;
        (*pieces)->iov_len -= done;
    }
}

static int transfer(int fd, struct iovec *pieces, unsigned n, uint64_t offset, bool write)
{
    advance(&pieces, &n, 0);
    while (n > 0) {
        const ssize_t done = write ? pwritev(fd, pieces, (int)n, (off_t)offset)
                                   : preadv(fd, pieces, (int)n, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done < 0 ? errno : EIO;
        }
        offset += (uint64_t)done;
        advance(&pieces, &n, (size_t)done);
    }
    return 0;
}

int file_read(int fd, struct iovec *pieces, unsigned n, uint64_t offset)
{
    return transfer(fd, pieces, n, offset, false);
}

int file_write(int fd, struct iovec *pieces, unsigned n, uint64_t offset)
{
    return transfer(fd, pieces, n, offset, true);
}

static int allocate(int fd, int mode, uint64_t offset, uint64_t size)
{
    while (fallocate(fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size) != 0) {
        if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

int file_punch(int fd, uint64_t offset, uint64_t size)
{
    return allocate(fd, FALLOC_FL_PUNCH_HOLE, offset, size);
}

static bool is_not_there(int error)
{
    return error == EOPNOTSUPP || error == ENOSYS || error == ENODEV || error == EINVAL;
}

int file_zero(int fd, uint64_t offset, uint64_t size, bool may_unmap)
{
    static const uint8_t zeros[65536];
    const int error = may_unmap ? file_punch(fd, offset, size)
                                : allocate(fd, FALLOC_FL_ZERO_RANGE, offset, size);

    if (!is_not_there(error)) {
        return error;
    }
    while (size > 0) {
        const size_t n = size < sizeof(zeros) ? (size_t)size : sizeof(zeros);
        struct iovec piece = {.iov_base = (void *)(uintptr_t)zeros, .iov_len = n};
        const int write_error = file_write(fd, &piece, 1, offset);
        if (write_error != 0) {
            return write_error;
        }
        offset += n;
        size -= n;
    }
    return 0;
}

/* --- Opening ------------------------------------------------------------------------------------------------------------------ */

static void complain_open(const struct disk_config *config, int error, bool write)
{
    const char *remedy = "";

    if (error == ENOENT) {
        remedy = "; an empty one is made with: truncate -s 8G FILE";
    } else if (write && (error == EACCES || error == EROFS || error == EPERM)) {
        remedy = "; with ,ro or ,snapshot behind its name it is only read";
    } else if (error == EISDIR) {
        remedy = "; a directory is given to the guest with --share";
    }
    board_warn("disk '%s': %s%s", config->path, strerror(error), remedy);
}

/* An image that two machines write is soon no file system any more. */
static bool lock(const struct disk_config *config, int fd, bool write)
{
    if (flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
        return true; /* or a file system without locks */
    }
    board_warn("disk '%s': another process %s it; stop that one%s", config->path,
               write ? "uses" : "writes",
               write ? ", or put ,snapshot behind the name of both" : " first");
    return false;
}

static bool check_size(const struct disk_config *config, off_t size)
{
    if (size > 0 && size % DISK_SECTOR == 0) {
        return true;
    }
    if (size <= 0) {
        board_warn("disk '%s': it is empty; give it a size with: truncate -s 8G FILE",
                   config->path);
    } else {
        board_warn(
            "disk '%s': its size, %lld bytes, is not a multiple of %u; is the file complete? "
            "It is rounded up by: truncate -s %%%u FILE",
            config->path, (long long)size, DISK_SECTOR, DISK_SECTOR);
    }
    return false;
}

static void warn_of_formats(const struct disk_config *config, int fd)
{
    static const struct {
        const char magic[9];
        const char *name;
    } formats[] = {
        {"QFI\xfb", "qcow2"}, {"KDMV", "VMDK"}, {"vhdxfile", "VHDX"}, {"conectix", "VHD"}};
    char start[8];

    if (pread(fd, start, sizeof(start), 0) != sizeof(start)) {
        return;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (memcmp(start, formats[i].magic, strlen(formats[i].magic)) == 0) {
            board_warn(
                "disk '%s': this looks like a %s image, and only raw ones are known; to get one: "
                "qemu-img convert -O raw",
                config->path, formats[i].name);
        }
    }
}

static int open_image(const struct disk_config *config, bool write)
{
    /* O_NONBLOCK: not to wait for the other end of a pipe. */
    const int fd = open(config->path,
                        (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        complain_open(config, errno, write);
        return -1;
    }
    if (fstat(fd, &st) != 0) {
        complain_open(config, errno, write);
    } else if (S_ISDIR(st.st_mode)) {
        complain_open(config, EISDIR, write);
    } else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        board_warn("disk '%s': it is neither a file nor a block device", config->path);
    } else if (lock(config, fd, write)) {
        return fd;
    }
    close(fd);
    return -1;
}

struct disk *disk_open(const struct disk_config *config)
{
    const bool write = !config->read_only && !config->snapshot;
    struct disk *const disk = calloc(1, sizeof(*disk));

    if (disk == NULL) {
        board_warn("disk '%s': %s", config->path, strerror(ENOMEM));
        return NULL;
    }
    disk->read_only = config->read_only;
    disk->path = strdup(config->path);
    disk->fd = open_image(config, write);
    if (disk->fd < 0) {
        goto out;
    }
    /* The size of a block device is where its end is. */
    const off_t size = lseek(disk->fd, 0, SEEK_END);
    if (!check_size(config, size)) {
        goto out;
    }
    disk->size = (uint64_t)size;
    warn_of_formats(config, disk->fd);
    if (config->snapshot && !config->read_only) {
        disk->overlay = overlay_create(disk->fd, disk->size);
        if (disk->overlay == NULL) {
            board_warn(
                "disk '%s': no place for the snapshot's changes: %s; TMPDIR names the directory",
                config->path, strerror(errno));
            goto out;
        }
    }
    return disk;

out:
    disk_close(disk);
    return NULL;
}

void disk_close(struct disk *disk)
{
    if (disk == NULL) {
        return;
    }
    overlay_destroy(disk->overlay);
    if (disk->fd >= 0) {
        close(disk->fd);
    }
    free(disk->path);
    free(disk);
}

uint64_t disk_size(const struct disk *disk)
{
    return disk->size;
}

bool disk_is_read_only(const struct disk *disk)
{
    return disk->read_only;
}

const char *disk_path(const struct disk *disk)
{
    return disk->path != NULL ? disk->path : "";
}

/* --- Requests ----------------------------------------------------------------------------------------------------------------- */

int disk_read(struct disk *disk, struct iovec *pieces, unsigned n, uint64_t offset)
{
    return disk->overlay != NULL ? overlay_read(disk->overlay, pieces, n, offset)
                                 : file_read(disk->fd, pieces, n, offset);
}

int disk_write(struct disk *disk, struct iovec *pieces, unsigned n, uint64_t offset)
{
    if (disk->read_only) {
        return EROFS;
    }
    return disk->overlay != NULL ? overlay_write(disk->overlay, pieces, n, offset)
                                 : file_write(disk->fd, pieces, n, offset);
}

int disk_flush(struct disk *disk)
{
    if (disk->read_only || disk->overlay != NULL) {
        return 0; /* nothing that is to last */
    }
    if (disk->flush_error == 0) {
        while (fdatasync(disk->fd) != 0) {
            if (errno != EINTR) {
                disk->flush_error = errno;
                break;
            }
        }
    }
    return disk->flush_error;
}

int disk_discard(struct disk *disk, uint64_t offset, uint64_t size)
{
    if (disk->read_only) {
        return EROFS;
    }
    if (disk->overlay != NULL) {
        return overlay_zero(disk->overlay, offset, size);
    }
    const int error = file_punch(disk->fd, offset, size);
    /* A host that cannot give space back keeps it; the guest has lost nothing. */
    return is_not_there(error) ? 0 : error;
}

int disk_zero(struct disk *disk, uint64_t offset, uint64_t size, bool may_unmap)
{
    if (disk->read_only) {
        return EROFS;
    }
    return disk->overlay != NULL ? overlay_zero(disk->overlay, offset, size)
                                 : file_zero(disk->fd, offset, size, may_unmap);
}
