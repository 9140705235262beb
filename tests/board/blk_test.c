/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The block device and its images: what a guest reads and writes, what stays in the file, and what a host's disk that is full, fails
 * or is cut does. The system calls of the disk are ours here, so that they can fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "rig.h"
#include "virtio_devices.h"

#define MIB (1u << 20)

#define F_RO           (1ull << 5)
#define F_FLUSH        (1ull << 9)
#define F_CONFIG_WCE   (1ull << 11)
#define F_DISCARD      (1ull << 13)
#define F_WRITE_ZEROES (1ull << 14)

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };
enum { S_OK, S_IOERR, S_UNSUPP };

static struct rig rig;
static struct driver driver;
static char path[] = "/tmp/applevisor-blk-XXXXXX";

/* --- The host's disk ---------------------------------------------------------------------------------------------------------- */

static atomic_uint n_syncs;
static atomic_int sync_error, write_error, read_error, fallocate_error;
static atomic_uint write_at_most; /* bytes, when not 0 */

int fdatasync(int fd)
{
    atomic_fetch_add(&n_syncs, 1);
    if (sync_error != 0) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int n, off_t offset)
{
    if (write_error != 0) {
        errno = write_error;
        return -1;
    }
    if (write_at_most != 0) {
        const size_t size = pieces[0].iov_len < write_at_most ? pieces[0].iov_len : write_at_most;
        return syscall(SYS_pwrite64, fd, pieces[0].iov_base, size, offset);
    }
    return syscall(SYS_pwritev, fd, pieces, n, offset, 0);
}

ssize_t preadv(int fd, const struct iovec *pieces, int n, off_t offset)
{
    if (read_error != 0) {
        errno = read_error;
        return -1;
    }
    return syscall(SYS_preadv, fd, pieces, n, offset, 0);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (fallocate_error != 0) {
        errno = fallocate_error;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

/* --- Requests ----------------------------------------------------------------------------------------------------------------- */

static uint8_t pattern(uint64_t offset)
{
    return (uint8_t)(offset * 7 + offset / 512 + 1);
}

static void make_image(size_t size)
{
    uint8_t *const bytes = malloc(size);

    NEED(bytes != NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = pattern(i);
    }
    strcpy(path, "/tmp/applevisor-blk-XXXXXX");
    const int fd = mkstemp(path);
    NEED(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    free(bytes);
}

static uint8_t file_byte(uint64_t offset)
{
    uint8_t byte = 0;
    const int fd = open(path, O_RDONLY);

    NEED(fd >= 0 && pread(fd, &byte, 1, (off_t)offset) == 1);
    close(fd);
    return byte;
}

/* Is the file as make_image() left it? */
static bool is_untouched(size_t size)
{
    uint8_t *const bytes = malloc(size + 1);
    const int fd = open(path, O_RDONLY);
    bool same = true;

    NEED(bytes != NULL && fd >= 0);
    same = read(fd, bytes, size + 1) == (ssize_t)size;
    for (size_t i = 0; i < size && same; i++) {
        same = bytes[i] == pattern(i);
    }
    close(fd);
    free(bytes);
    return same;
}

static void open_disk(const char *options, uint64_t features)
{
    const struct disk_config config = {.path = path,
                                       .read_only = strstr(options, "ro") != NULL,
                                       .snapshot = strstr(options, "snapshot") != NULL};

    n_syncs = 0;
    sync_error = write_error = read_error = fallocate_error = 0;
    write_at_most = 0;
    rig_open(&rig);
    NEED(virtio_blk_add(rig.board, &config));
    rig_start(&rig);
    NEED(driver_start(&driver, &rig, 0, features, 1, 64));
}

static void close_disk(void)
{
    rig_close(&rig);
    unlink(path);
}

/* The status; 99 when the request did not come back. */
static unsigned request(uint32_t type, uint64_t sector, uint64_t data, uint32_t size,
                        bool data_is_written)
{
    const struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header = {type, 0, sector};
    const uint8_t none = 0xee;
    const uint64_t status = rig_put(&rig, &none, 1);
    const struct piece pieces[] = {
        {rig_put(&rig, &header, 16), 16, false}, {data, size, data_is_written}, {status, 1, true}};
    const uint32_t written = driver_request(&driver, 0, pieces, 3);

    if (written == UINT32_MAX) {
        return 99;
    }
    EXPECT_EQ(written, (data_is_written ? size : 0) + 1);
    return *(uint8_t *)rig_at(&rig, status);
}

static unsigned read_sectors(uint64_t sector, uint64_t to, uint32_t n)
{
    return request(IN, sector, to, n * 512, true);
}

static unsigned write_byte(uint64_t sector, uint32_t n, uint8_t byte)
{
    const uint64_t data = rig_alloc(&rig, n * 512);

    memset(rig_at(&rig, data), byte, n * 512);
    return request(OUT, sector, data, n * 512, false);
}

static unsigned change(uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
    const struct {
        uint64_t sector;
        uint32_t n, flags;
    } range = {sector, n, flags};

    return request(type, 0, rig_put(&rig, &range, 16), 16, false);
}

/* What the guest reads at a place. */
static int guest_byte(uint64_t offset)
{
    const uint64_t data = rig_alloc(&rig, 512);

    return read_sectors(offset / 512, data, 1) == S_OK
               ? *((uint8_t *)rig_at(&rig, data) + offset % 512)
               : -1;
}

/* --- Tests -------------------------------------------------------------------------------------------------------------------- */

TEST(reads_and_writes)
{
    make_image(MIB);
    open_disk("", F_FLUSH);
    EXPECT_EQ(rig_read(&rig, 0, 0x8), 2);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 8), MIB / 512);
    EXPECT_EQ(rig_read_config(&rig, 0, 12, 4), 254);
    EXPECT_EQ(rig_read_config(&rig, 0, 20, 4), 512);
    const uint64_t data = rig_alloc(&rig, 64 * 512);
    EXPECT_EQ(read_sectors(7, data, 64), S_OK);
    unsigned wrong = 0;
    for (unsigned i = 0; i < 64 * 512; i++) {
        wrong += *((uint8_t *)rig_at(&rig, data) + i) != pattern(7 * 512 + i);
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(write_byte(2047, 1, 0x5a), S_OK);
    EXPECT_EQ(file_byte(MIB - 1), 0x5a);
    EXPECT_EQ(file_byte(MIB - 513), pattern(MIB - 513));
    EXPECT_EQ(request(OUT, 5, data, 0, false), S_OK);
    EXPECT_EQ(n_syncs, 0);
    EXPECT_EQ(request(FLUSH, 0, data, 0, false), S_OK);
    EXPECT_EQ(n_syncs, 1);
    EXPECT_EQ(request(GET_ID, 0, data, 20, true), S_OK);
    EXPECT(strcmp(rig_at(&rig, data), "applevisor") == 0);
    EXPECT_EQ(request(GET_ID, 0, data, 5, true), S_OK);
    EXPECT_EQ(request(77, 0, data, 512, true), S_UNSUPP);
    close_disk();
}

TEST(data_in_many_pieces)
{
    struct piece pieces[40];
    const struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header = {IN, 0, 3};

    make_image(MIB);
    open_disk("", F_FLUSH);
    write_at_most = 100; /* and short writes of the host */
    const uint64_t place = rig_put(&rig, &header, 16), data = rig_alloc(&rig, 4096);
    /* a header in two pieces; data of odd sizes; the status shares a buffer with data */
    pieces[0] = (struct piece){place, 5, false};
    pieces[1] = (struct piece){place + 5, 11, false};
    for (unsigned i = 0; i < 36; i++) {
        pieces[2 + i] = (struct piece){data + 100 * i, 14, true};
    }
    pieces[38] = (struct piece){data + 3900, 9, true};
    EXPECT_EQ(driver_request(&driver, 0, pieces, 39), 513);
    EXPECT_EQ(*(uint8_t *)rig_at(&rig, data + 3908), S_OK);
    EXPECT_EQ(*(uint8_t *)rig_at(&rig, data + 3907), pattern(4 * 512 - 1));
    EXPECT_EQ(*(uint8_t *)rig_at(&rig, data + 101), pattern(3 * 512 + 15));
    EXPECT_EQ(write_byte(0, 9, 0x77), S_OK);
    EXPECT_EQ(file_byte(9 * 512 - 1), 0x77);
    EXPECT_EQ(file_byte(9 * 512), pattern(9 * 512));
    close_disk();
}

TEST(requests_beyond_the_end)
{
    make_image(MIB);
    open_disk("", F_FLUSH | F_DISCARD | F_WRITE_ZEROES);
    const uint64_t data = rig_alloc(&rig, 4096);
    EXPECT_EQ(read_sectors(2048, data, 1), S_IOERR);
    EXPECT_EQ(read_sectors(2047, data, 2), S_IOERR);
    EXPECT_EQ(read_sectors(UINT64_MAX, data, 1), S_IOERR);
    EXPECT_EQ(read_sectors(UINT64_MAX / 512 + 1, data, 1), S_IOERR);
    EXPECT_EQ(request(IN, 0, data, 100, true), S_IOERR);
    EXPECT_EQ(write_byte(2048, 1, 1), S_IOERR);
    EXPECT_EQ(change(DISCARD, 2047, 2, 0), S_IOERR);
    EXPECT_EQ(change(DISCARD, UINT64_MAX, 2, 0), S_IOERR);
    EXPECT_EQ(change(ZEROES, 0, 0x10001, 0), S_IOERR);
    EXPECT_EQ(change(DISCARD, 0, 0xffffffff, 0), S_IOERR);
    EXPECT_EQ(change(DISCARD, 0, 1, 1), S_UNSUPP);
    EXPECT_EQ(change(ZEROES, 0, 1, 2), S_UNSUPP);
    EXPECT_EQ(request(DISCARD, 0, data, 0, false), S_IOERR);
    EXPECT_EQ(request(DISCARD, 0, data, 15, false), S_IOERR);
    EXPECT_EQ(request(DISCARD, 0, data, 16 * 33, false), S_IOERR);
    EXPECT_EQ(request(ZEROES, 0, data, 32, false), S_IOERR);
    EXPECT(is_untouched(MIB));
    close_disk();
}

TEST(requests_without_header_or_status)
{
    make_image(MIB);
    open_disk("", F_FLUSH);
    const uint64_t place = rig_alloc(&rig, 64);
    const struct piece short_header[] = {{place, 15, false}, {place, 1, true}};
    const struct piece no_status = {place, 16, false};
    EXPECT_EQ(driver_request(&driver, 0, short_header, 2), UINT32_MAX);
    EXPECT(driver_is_broken(&driver));
    NEED(driver_start(&driver, &rig, 0, F_FLUSH, 1, 64));
    EXPECT_EQ(driver_request(&driver, 0, &no_status, 1), UINT32_MAX);
    EXPECT(driver_is_broken(&driver));
    NEED(driver_start(&driver, &rig, 0, F_FLUSH, 1, 64));
    EXPECT_EQ(guest_byte(513), pattern(513));
    close_disk();
}

static uint64_t blocks_of_file(void)
{
    struct stat st;

    NEED(stat(path, &st) == 0);
    return (uint64_t)st.st_blocks;
}

TEST(discard_and_write_zeroes)
{
    make_image(MIB);
    open_disk("", F_FLUSH | F_DISCARD | F_WRITE_ZEROES);
    const uint64_t before = blocks_of_file();
    EXPECT_EQ(change(DISCARD, 8, 512, 0), S_OK);
    EXPECT_EQ(blocks_of_file(), before - 512);
    EXPECT_EQ(guest_byte(8 * 512), 0);
    EXPECT_EQ(guest_byte(8 * 512 - 1), pattern(8 * 512 - 1));
    EXPECT_EQ(guest_byte(520 * 512), pattern(520 * 512));
    EXPECT_EQ(change(ZEROES, 1025, 3, 0), S_OK);
    EXPECT_EQ(guest_byte(1025 * 512 - 1), pattern(1025 * 512 - 1));
    EXPECT_EQ(guest_byte(1025 * 512), 0);
    EXPECT_EQ(guest_byte(1028 * 512 - 1), 0);
    EXPECT_EQ(guest_byte(1028 * 512), pattern(1028 * 512));
    EXPECT_EQ(change(ZEROES, 1032, 8, 1), S_OK);
    EXPECT_EQ(guest_byte(1032 * 512), 0);
    /* a host that can do neither */
    fallocate_error = EOPNOTSUPP;
    EXPECT_EQ(change(ZEROES, 1536, 300, 1), S_OK);
    EXPECT_EQ(guest_byte(1836 * 512 - 1), 0);
    EXPECT_EQ(guest_byte(1836 * 512), pattern(1836 * 512));
    EXPECT_EQ(change(DISCARD, 1900, 4, 0), S_OK);
    EXPECT_EQ(guest_byte(1900 * 512), pattern(1900 * 512));
    /* and one that fails */
    fallocate_error = EIO;
    EXPECT_EQ(change(ZEROES, 1900, 4, 1), S_IOERR);
    EXPECT_EQ(change(DISCARD, 1900, 4, 0), S_IOERR);
    close_disk();
}

TEST(the_hosts_errors_reach_the_guest)
{
    make_image(MIB);
    open_disk("", F_FLUSH);
    const uint64_t data = rig_alloc(&rig, 512);
    write_error = ENOSPC;
    EXPECT_EQ(write_byte(0, 1, 1), S_IOERR);
    write_error = 0;
    EXPECT_EQ(write_byte(0, 1, 1), S_OK);
    read_error = EIO;
    EXPECT_EQ(read_sectors(0, data, 1), S_IOERR);
    read_error = 0;
    EXPECT_EQ(read_sectors(0, data, 1), S_OK);
    /* the file is cut under the guest */
    NEED(truncate(path, 1024) == 0);
    EXPECT_EQ(read_sectors(1, data, 1), S_OK);
    EXPECT_EQ(read_sectors(2, data, 1), S_IOERR);
    /* after a failed flush none succeeds, though the host would say so */
    sync_error = EIO;
    EXPECT_EQ(request(FLUSH, 0, data, 0, false), S_IOERR);
    sync_error = 0;
    EXPECT_EQ(request(FLUSH, 0, data, 0, false), S_IOERR);
    close_disk();
}

/* A real limit of the host, and its signal SIGXFSZ. */
TEST(a_full_host)
{
    struct rlimit old;

    make_image(MIB);
    NEED(truncate(path, 2 * MIB) == 0);
    open_disk("", F_FLUSH);
    NEED(getrlimit(RLIMIT_FSIZE, &old) == 0);
    NEED(setrlimit(RLIMIT_FSIZE, &(struct rlimit){MIB + MIB / 2, old.rlim_max}) == 0);
    const unsigned below = write_byte(3071, 1, 0x11), above = write_byte(3072, 1, 0x22);
    NEED(setrlimit(RLIMIT_FSIZE, &old) == 0);
    EXPECT_EQ(below, S_OK);
    EXPECT_EQ(above, S_IOERR);
    EXPECT_EQ(file_byte(3071 * 512), 0x11);
    EXPECT_EQ(file_byte(3072 * 512), 0);
    close_disk();
}

TEST(the_write_cache)
{
    make_image(MIB);
    /* no flush command: each write lasts */
    open_disk("", 0);
    EXPECT_EQ(write_byte(0, 1, 1), S_OK);
    EXPECT_EQ(n_syncs, 1);
    rig_close(&rig);
    open_disk("", F_FLUSH | F_CONFIG_WCE | F_WRITE_ZEROES);
    EXPECT_EQ(rig_read_config(&rig, 0, 32, 1), 1);
    EXPECT_EQ(write_byte(0, 1, 1), S_OK);
    EXPECT_EQ(n_syncs, 0);
    rig_write_config(&rig, 0, 32, 1, 0);
    EXPECT_EQ(rig_read_config(&rig, 0, 32, 1), 0);
    EXPECT_EQ(write_byte(0, 1, 1), S_OK);
    EXPECT_EQ(change(ZEROES, 0, 1, 0), S_OK);
    EXPECT_EQ(n_syncs, 2);
    sync_error = EIO;
    EXPECT_EQ(write_byte(0, 1, 1), S_IOERR);
    /* nothing else can be written, and no other value */
    rig_write_config(&rig, 0, 32, 1, 2);
    rig_write_config(&rig, 0, 0, 8, 99);
    rig_write_config(&rig, 0, 248, 8, UINT64_MAX);
    EXPECT_EQ(rig_read_config(&rig, 0, 32, 1), 0);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 8), MIB / 512);
    EXPECT_EQ(rig_read_config(&rig, 0, 248, 8), 0);
    /* a reset switches it on again */
    NEED(driver_start(&driver, &rig, 0, F_FLUSH, 1, 64));
    EXPECT_EQ(rig_read_config(&rig, 0, 32, 1), 1);
    rig_write_config(&rig, 0, 32, 1, 0); /* not negotiated */
    EXPECT_EQ(rig_read_config(&rig, 0, 32, 1), 1);
    close_disk();
}

TEST(read_only)
{
    make_image(MIB);
    NEED(chmod(path, 0444) == 0);
    open_disk("ro", F_RO | F_FLUSH);
    EXPECT_EQ(driver_offered(&rig, 0) & (F_RO | F_DISCARD | F_WRITE_ZEROES), F_RO);
    EXPECT_EQ(guest_byte(1000), pattern(1000));
    EXPECT_EQ(write_byte(0, 1, 1), S_IOERR);
    EXPECT_EQ(change(DISCARD, 0, 8, 0), S_UNSUPP);
    EXPECT_EQ(change(ZEROES, 0, 8, 0), S_UNSUPP);
    EXPECT_EQ(request(FLUSH, 0, RIG_RAM, 0, false), S_OK);
    EXPECT(is_untouched(MIB));
    close_disk();
}

/* Against a copy in memory. The size is no multiple of the overlay's block. */
TEST(a_snapshot_leaves_the_file_untouched)
{
    enum { SECTORS = 1021 };
    static uint8_t model[SECTORS * 512];
    uint64_t seed = 12345;

    make_image(sizeof(model));
    for (size_t i = 0; i < sizeof(model); i++) {
        model[i] = pattern(i);
    }
    open_disk("snapshot", F_FLUSH | F_DISCARD | F_WRITE_ZEROES);
    for (unsigned round = 0; round < 1500; round++) {
        rig.next = RIG_RAM + MIB;
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        const uint32_t n = 1 + (uint32_t)(seed >> 33) % 40,
                       sector = (uint32_t)(seed >> 20) % (SECTORS - n + 1);
        const unsigned what = (unsigned)(seed >> 60);
        if (what < 5) {
            EXPECT_EQ(write_byte(sector, n, (uint8_t)round), S_OK);
            memset(model + sector * 512, (uint8_t)round, n * 512);
        } else if (what < 7) {
            EXPECT_EQ(change(what == 5 ? DISCARD : ZEROES, sector, n, 0), S_OK);
            memset(model + sector * 512, 0, n * 512);
        } else {
            const uint64_t data = rig_alloc(&rig, n * 512);
            EXPECT_EQ(read_sectors(sector, data, n), S_OK);
            EXPECT(memcmp(rig_at(&rig, data), model + sector * 512, n * 512) == 0);
        }
        if (failures != 0) {
            printf("# round %u: %u sectors from %u\n", round, n, sector);
            break;
        }
    }
    EXPECT_EQ(request(FLUSH, 0, RIG_RAM, 0, false), S_OK);
    EXPECT(is_untouched(sizeof(model)));
    rig_close(&rig);
    EXPECT(is_untouched(sizeof(model)));
    open_disk("snapshot", F_FLUSH);
    EXPECT_EQ(guest_byte(600), pattern(600));
    /* a full disk for the changes */
    write_error = ENOSPC;
    EXPECT_EQ(write_byte(0, 1, 1), S_IOERR);
    write_error = 0;
    EXPECT_EQ(guest_byte(0), pattern(0));
    close_disk();
}

/* The process dies without a chance to do anything; the last request was not flushed and may be lost or not. */
TEST(what_was_flushed_outlives_the_process)
{
    int told[2];
    char byte;

    make_image(MIB);
    NEED(pipe(told) == 0);
    fflush(stdout);
    const pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        open_disk("", F_FLUSH);
        for (uint32_t i = 0; i < 64; i++) {
            if (write_byte(i * 8, 8, (uint8_t)(0x80 + i)) != S_OK) {
                _exit(1);
            }
        }
        if (request(FLUSH, 0, RIG_RAM, 0, false) != S_OK || n_syncs != 1 ||
            write(told[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    close(told[1]);
    EXPECT_EQ(read(told[0], &byte, 1), 1);
    close(told[0]);
    EXPECT(kill(child, SIGKILL) == 0);
    NEED(waitpid(child, NULL, 0) == child);
    for (uint32_t i = 0; i < 64; i++) {
        EXPECT_EQ(file_byte(i * 4096), 0x80 + i);
        EXPECT_EQ(file_byte(i * 4096 + 4095), 0x80 + i);
    }
    /* nobody holds the image any more */
    open_disk("", F_FLUSH);
    EXPECT_EQ(guest_byte(0), 0x80);
    close_disk();
}

TEST(images_that_are_refused)
{
    char name[64];
    struct disk_config config = {.path = "/tmp/applevisor-blk-is-not-there"};

    rig_open(&rig);
    EXPECT(!virtio_blk_add(rig.board, &config));
    config.path = "/tmp";
    EXPECT(!virtio_blk_add(rig.board, &config));
    config.read_only = true;
    EXPECT(!virtio_blk_add(rig.board, &config));
    config.path = "/dev/null";
    EXPECT(!virtio_blk_add(rig.board, &config));
    config = (struct disk_config){.path = path};
    make_image(513);
    EXPECT(!virtio_blk_add(rig.board, &config));
    NEED(truncate(path, 0) == 0);
    EXPECT(!virtio_blk_add(rig.board, &config));
    unlink(path);
    snprintf(name, sizeof(name), "/tmp/applevisor-blk-%d", (int)getpid());
    NEED(mkfifo(name, 0600) == 0);
    config.path = name;
    EXPECT(!virtio_blk_add(rig.board, &config));
    unlink(name);
    rig_close(&rig);
}

TEST(an_image_has_one_writer)
{
    make_image(MIB);
    const struct disk_config plain = {.path = path}, snapshot = {.path = path, .snapshot = true},
                             read_only = {.path = path, .read_only = true};
    rig_open(&rig);
    EXPECT(virtio_blk_add(rig.board, &plain));
    EXPECT(!virtio_blk_add(rig.board, &plain));
    EXPECT(!virtio_blk_add(rig.board, &snapshot));
    EXPECT(!virtio_blk_add(rig.board, &read_only));
    rig_close(&rig);
    rig_open(&rig);
    EXPECT(virtio_blk_add(rig.board, &snapshot));
    EXPECT(virtio_blk_add(rig.board, &read_only));
    EXPECT(virtio_blk_add(rig.board, &snapshot));
    EXPECT(!virtio_blk_add(rig.board, &plain));
    close_disk();
}

/* A reset while requests are on their way waits for the one that runs, and takes the rest away. */
TEST(reset_under_load)
{
    make_image(MIB);
    open_disk("", F_FLUSH);
    for (unsigned round = 0; round < 300; round++) {
        rig.next = RIG_RAM + 4096;
        NEED(driver_start(&driver, &rig, 0, F_FLUSH, 1, 64));
        const uint32_t header[4] = {OUT, 0, 0, 0};
        const uint64_t place = rig_put(&rig, header, 16), data = rig_alloc(&rig, 65536);
        for (unsigned i = 0; i < 20; i++) {
            const struct piece pieces[] = {
                {place, 16, false}, {data, 65536, false}, {data, 1, true}};
            driver_add(&driver, 0, pieces, 3);
        }
        driver_notify(&driver, 0);
        if (round % 3 == 0) {
            rig_write(&rig, 0, 0x30, 0);
            rig_write(&rig, 0, 0x44, 0);
            memset(rig_at(&rig, driver.rings[0].used), 0, 4);
            EXPECT(!driver_has_used(&driver, 0));
        }
        rig_write(&rig, 0, REG_STATUS, 0);
        EXPECT(!rig.level[0]);
        memset(rig.ram, 0, MIB);
    }
    rig.next = RIG_RAM + 4096;
    NEED(driver_start(&driver, &rig, 0, F_FLUSH, 1, 64));
    EXPECT_EQ(guest_byte(200000), pattern(200000));
    close_disk();
}

MAIN(T(reads_and_writes), T(data_in_many_pieces), T(requests_beyond_the_end),
     T(requests_without_header_or_status), T(discard_and_write_zeroes),
     T(the_hosts_errors_reach_the_guest), T(a_full_host), T(the_write_cache), T(read_only),
     T(a_snapshot_leaves_the_file_untouched), T(what_was_flushed_outlives_the_process),
     T(images_that_are_refused), T(an_image_has_one_writer), T(reset_under_load))
