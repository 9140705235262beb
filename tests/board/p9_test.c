/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The shared folder: 9P2000.L messages through the device, what they do on the host, and what they must not. */
#include "p9.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rig.h"
#include "virtio_devices.h"

#define NOFID 0xffffffffu
#define MSIZE 65536u
#define ROOT  1u /* the fid of the folder, in all tests */

enum {
    LERROR = 6,
    STATFS = 8,
    LOPEN = 12,
    LCREATE = 14,
    SYMLINK = 16,
    MKNOD = 18,
    RENAME = 20,
    READLINK = 22,
    GETATTR = 24,
    SETATTR = 26,
    XATTRWALK = 30,
    READDIR = 40,
    FSYNC = 50,
    LOCK = 52,
    GETLOCK = 54,
    LINK = 70,
    MKDIR = 72,
    RENAMEAT = 74,
    UNLINKAT = 76,
    VERSION = 100,
    AUTH = 102,
    ATTACH = 104,
    FLUSH = 108,
    WALK = 110,
    READ = 116,
    WRITE = 118,
    CLUNK = 120,
    REMOVE = 122,
};

static struct rig rig;
static struct driver driver;
static char outer[64],
    folder[80]; /* folder is in outer, where there is more that must not be seen */

/* --- Messages ----------------------------------------------------------------------------------------------------------------- */

static uint8_t message[MSIZE], answer[MSIZE];
static uint32_t message_size, answer_size, at;

static void put(uint64_t value, unsigned size)
{
    memcpy(message + message_size, &value, size);
    message_size += size;
}

static void put_text(const char *text)
{
    put(strlen(text), 2);
    memcpy(message + message_size, text, strlen(text));
    message_size += (uint32_t)strlen(text);
}

static void begin(unsigned type)
{
    message_size = 4;
    put(type, 1);
    put(7, 2);
}

static uint64_t get(unsigned size)
{
    uint64_t value = 0;

    NEED(at + size <= answer_size);
    memcpy(&value, answer + at, size);
    at += size;
    return value;
}

/* Sends the message in odd pieces. 0 or the errno value that came back; 999 when nothing did. */
static unsigned talk(void)
{
    const unsigned type = message[4];

    memcpy(message, &message_size, 4);
    rig.next = RIG_RAM + (1 << 20);
    const uint64_t out = rig_put(&rig, message, message_size), in = rig_alloc(&rig, MSIZE);
    const struct piece pieces[] = {{out, 5, false},
                                   {out + 5, message_size - 5, false},
                                   {in, 9, true},
                                   {in + 9, MSIZE - 9, true}};
    answer_size = driver_request(&driver, 0, pieces, 4);
    if (answer_size == UINT32_MAX) {
        return 999;
    }
    NEED(answer_size >= 7 && answer_size <= MSIZE);
    memcpy(answer, rig_at(&rig, in), answer_size);
    at = 0;
    EXPECT_EQ(get(4), answer_size);
    const uint64_t answer_type = get(1);
    EXPECT_EQ(get(2), 7);
    if (answer_type == LERROR + 1) {
        EXPECT_EQ(answer_size, 11);
        return (unsigned)get(4);
    }
    EXPECT_EQ(answer_type, type + 1);
    return 0;
}

static unsigned version(uint32_t msize, const char *text)
{
    begin(VERSION);
    put(msize, 4);
    put_text(text);
    return talk();
}

static unsigned attach(uint32_t fid)
{
    begin(ATTACH);
    put(fid, 4);
    put(NOFID, 4);
    put_text("root");
    put_text("");
    put(0, 4);
    return talk();
}

/* names are separated by '/'; the number of steps is left in *steps. */
static unsigned walk_steps(uint32_t fid, uint32_t new_fid, const char *names, unsigned *steps)
{
    char copy[5000], *name = copy, *slash;
    unsigned n = 0;

    snprintf(copy, sizeof(copy), "%s", names);
    begin(WALK);
    put(fid, 4);
    put(new_fid, 4);
    const uint32_t place = message_size;
    put(0, 2);
    while (*names != '\0' && name != NULL) {
        slash = strchr(name, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        put_text(name);
        n++;
        name = slash != NULL ? slash + 1 : NULL;
    }
    message[place] = (uint8_t)n;
    const unsigned error = talk();
    *steps = error == 0 ? (unsigned)get(2) : 0;
    return error;
}

/* 0 only when all steps were taken. */
static unsigned walk(uint32_t fid, uint32_t new_fid, const char *names)
{
    unsigned steps, n = *names != '\0';
    const unsigned error = walk_steps(fid, new_fid, names, &steps);

    for (const char *p = names; *p != '\0'; p++) {
        n += *p == '/';
    }
    return error != 0 ? error : steps == n ? 0 : 998;
}

static unsigned clunk(uint32_t fid)
{
    begin(CLUNK);
    put(fid, 4);
    return talk();
}

static unsigned lopen(uint32_t fid, uint32_t flags)
{
    begin(LOPEN);
    put(fid, 4);
    put(flags, 4);
    return talk();
}

static unsigned lcreate(uint32_t fid, const char *name, uint32_t flags, uint32_t mode)
{
    begin(LCREATE);
    put(fid, 4);
    put_text(name);
    put(flags, 4);
    put(mode, 4);
    put(0, 4);
    return talk();
}

static unsigned read_fid(uint32_t fid, uint64_t offset, uint32_t count)
{
    begin(READ);
    put(fid, 4);
    put(offset, 8);
    put(count, 4);
    return talk();
}

static unsigned write_fid(uint32_t fid, uint64_t offset, const void *bytes, uint32_t count)
{
    begin(WRITE);
    put(fid, 4);
    put(offset, 8);
    put(count, 4);
    memcpy(message + message_size, bytes, count);
    message_size += count;
    return talk();
}

static unsigned symlink_to(uint32_t fid, const char *name, const char *target)
{
    begin(SYMLINK);
    put(fid, 4);
    put_text(name);
    put_text(target);
    put(0, 4);
    return talk();
}

static unsigned make_dir(uint32_t fid, const char *name, uint32_t mode)
{
    begin(MKDIR);
    put(fid, 4);
    put_text(name);
    put(mode, 4);
    put(0, 4);
    return talk();
}

static unsigned make_node(uint32_t fid, const char *name, uint32_t mode)
{
    begin(MKNOD);
    put(fid, 4);
    put_text(name);
    put(mode, 4);
    put(1, 4);
    put(3, 4);
    put(0, 4);
    return talk();
}

static unsigned link_to(uint32_t directory, uint32_t fid, const char *name)
{
    begin(LINK);
    put(directory, 4);
    put(fid, 4);
    put_text(name);
    return talk();
}

static unsigned unlink_at(uint32_t fid, const char *name, uint32_t flags)
{
    begin(UNLINKAT);
    put(fid, 4);
    put_text(name);
    put(flags, 4);
    return talk();
}

static unsigned rename_at(uint32_t from, const char *old, uint32_t to, const char *new)
{
    begin(RENAMEAT);
    put(from, 4);
    put_text(old);
    put(to, 4);
    put_text(new);
    return talk();
}

static unsigned getattr(uint32_t fid)
{
    begin(GETATTR);
    put(fid, 4);
    put(0x7ff, 8);
    const unsigned error = talk();
    if (error == 0) {
        EXPECT_EQ(get(8), 0x7ff);
        at += 13; /* qid */
    }
    return error;
}

static unsigned setattr(uint32_t fid, uint32_t valid, uint32_t mode, uint32_t uid, uint64_t size,
                        uint64_t mtime)
{
    begin(SETATTR);
    put(fid, 4);
    put(valid, 4);
    put(mode, 4);
    put(uid, 4);
    put(0, 4);
    put(size, 8);
    put(0, 8);
    put(0, 8);
    put(mtime, 8);
    put(500, 8);
    return talk();
}

/* --- The host's side ---------------------------------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[4][300];
    static unsigned turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof(path[0]), "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *path, const char *text)
{
    FILE *const file = fopen(path, "w");

    NEED(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static bool has_text(const char *path, const char *text)
{
    char found[300] = "";
    FILE *const file = fopen(path, "r");

    if (file == NULL) {
        return false;
    }
    const size_t n = fread(found, 1, sizeof(found) - 1, file);
    fclose(file);
    return n == strlen(text) && strcmp(found, text) == 0;
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static void open_share(bool read_only)
{
    strcpy(outer, "/tmp/applevisor-9p-XXXXXX");
    NEED(mkdtemp(outer) != NULL);
    snprintf(folder, sizeof(folder), "%s/share", outer);
    NEED(mkdir(folder, 0755) == 0 && mkdir(path_of("dir"), 0755) == 0);
    char secret[100];
    snprintf(secret, sizeof(secret), "%s/secret", outer);
    write_file(secret, "secret");
    write_file(path_of("file"), "hello");
    write_file(path_of("dir/inner"), "inside");
    rig_open(&rig);
    NEED(virtio_9p_add(
        rig.board, &(struct p9_config){.path = folder, .tag = "share", .read_only = read_only}));
    rig_start(&rig);
    NEED(driver_start(&driver, &rig, 0, 1, 1, 16));
    NEED(version(MSIZE, "9P2000.L") == 0);
    NEED(attach(ROOT) == 0);
}

static void close_share(void)
{
    char command[128];

    rig_close(&rig);
    snprintf(command, sizeof(command), "rm -rf '%s'", outer);
    NEED(system(command) == 0);
}

/* --- Tests -------------------------------------------------------------------------------------------------------------------- */

TEST(configuration)
{
    open_share(false);
    EXPECT_EQ(rig_read(&rig, 0, 0x8), 9);
    EXPECT_EQ(driver_offered(&rig, 0) & 1, 1);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 2), 5);
    EXPECT_EQ(rig_read_config(&rig, 0, 2, 2), 's' | 'h' << 8);
    close_share();
}

TEST(versions)
{
    open_share(false);
    EXPECT_EQ(version(8192, "9P2000.L"), 0);
    EXPECT_EQ(get(4), 8192);
    EXPECT_EQ(get(2), 8);
    EXPECT_EQ(getattr(ROOT), EBADF); /* a new session */
    EXPECT_EQ(version(1 << 30, "9P2000.L"), 0);
    EXPECT_EQ(get(4), 512 << 10);
    EXPECT_EQ(version(4095, "9P2000.L"), EINVAL);
    EXPECT_EQ(version(8192, "9P2000.u"), 0);
    EXPECT_EQ(get(4), 8192);
    EXPECT_EQ(get(2), 7);
    EXPECT(memcmp(answer + at, "unknown", 7) == 0);
    EXPECT_EQ(attach(ROOT), EPROTO); /* no version agreed on */
    close_share();
}

TEST(attach_and_clunk)
{
    open_share(false);
    EXPECT_EQ(attach(ROOT), EBADF);
    EXPECT_EQ(attach(2), 0);
    EXPECT_EQ(get(1), 0x80);
    EXPECT_EQ(clunk(2), 0);
    EXPECT_EQ(clunk(2), EBADF);
    begin(AUTH);
    put(5, 4);
    EXPECT_EQ(talk(), EOPNOTSUPP);
    begin(XATTRWALK);
    put(ROOT, 4);
    put(9, 4);
    put_text("security.capability");
    EXPECT_EQ(talk(), EOPNOTSUPP);
    begin(32);
    EXPECT_EQ(talk(), EOPNOTSUPP);
    begin(FLUSH);
    put(1, 2);
    EXPECT_EQ(talk(), 0);
    EXPECT_EQ(answer_size, 7);
    begin(99);
    EXPECT_EQ(talk(), EOPNOTSUPP);
    begin(255);
    EXPECT_EQ(talk(), EOPNOTSUPP);
    close_share();
}

TEST(walks)
{
    unsigned steps;

    open_share(false);
    EXPECT_EQ(walk(ROOT, 2, ""), 0);
    EXPECT_EQ(walk(ROOT, 2, ""), EBADF); /* in use */
    EXPECT_EQ(walk(ROOT, 3, "dir/inner"), 0);
    EXPECT_EQ(getattr(3), 0);
    EXPECT_EQ(walk(2, 2, "dir"), 0); /* moves the fid itself */
    EXPECT_EQ(walk(2, 4, "inner"), 0);
    EXPECT_EQ(walk(2, 5, "nothing"), ENOENT);
    EXPECT_EQ(walk(5, 6, ""), EBADF);
    EXPECT_EQ(walk_steps(ROOT, 5, "dir/nothing/more", &steps), 0);
    EXPECT_EQ(steps, 1);
    EXPECT_EQ(getattr(5), EBADF); /* not made */
    EXPECT_EQ(walk_steps(ROOT, 5, "file/x", &steps), 0);
    EXPECT_EQ(steps, 1);
    EXPECT_EQ(walk(3, 5, "x"), ENOTDIR);
    EXPECT_EQ(walk(ROOT, NOFID, "dir"), EBADF);
    EXPECT_EQ(walk(ROOT, 5, "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"), EINVAL);
    EXPECT_EQ(lopen(4, 0), 0);
    EXPECT_EQ(walk(4, 4, ""), EBUSY);
    close_share();
}

TEST(reading_and_writing)
{
    static char bytes[20000];

    open_share(false);
    EXPECT_EQ(walk(ROOT, 2, "file"), 0);
    EXPECT_EQ(read_fid(2, 0, 10), EBADF);
    EXPECT_EQ(lopen(2, 2), 0);
    EXPECT_EQ(lopen(2, 2), EBADF);
    EXPECT_EQ(read_fid(2, 1, 100), 0);
    EXPECT_EQ(get(4), 4);
    EXPECT(memcmp(answer + 11, "ello", 4) == 0);
    EXPECT_EQ(read_fid(2, 5, 100), 0);
    EXPECT_EQ(get(4), 0);
    EXPECT_EQ(write_fid(2, 5, ", world", 7), 0);
    EXPECT_EQ(get(4), 7);
    EXPECT(has_text(path_of("file"), "hello, world"));
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i % 251);
    }
    EXPECT_EQ(write_fid(2, 100, bytes, sizeof(bytes)), 0);
    EXPECT_EQ(get(4), sizeof(bytes));
    EXPECT_EQ(read_fid(2, 100, UINT32_MAX), 0);
    EXPECT_EQ(get(4), sizeof(bytes));
    EXPECT(memcmp(answer + 11, bytes, sizeof(bytes)) == 0);
    EXPECT_EQ(read_fid(2, UINT64_MAX, 10), EINVAL);
    EXPECT_EQ(write_fid(2, UINT64_MAX, "x", 1), EINVAL);
    begin(FSYNC);
    put(2, 4);
    put(0, 4);
    EXPECT_EQ(talk(), 0);
    /* the count says more than there is */
    begin(WRITE);
    put(2, 4);
    put(0, 8);
    put(100, 4);
    put(0, 8);
    EXPECT_EQ(talk(), EINVAL);
    /* flags */
    EXPECT_EQ(walk(ROOT, 3, "file"), 0);
    EXPECT_EQ(lopen(3, 3), EINVAL);
    EXPECT_EQ(lopen(3, 0200000), ENOTDIR);
    EXPECT_EQ(lopen(3, 01001), 0);
    EXPECT(has_text(path_of("file"), ""));
    EXPECT_EQ(read_fid(3, 0, 1), EBADF);
    EXPECT_EQ(walk(ROOT, 4, "dir"), 0);
    EXPECT_EQ(lopen(4, 1), EISDIR);
    EXPECT_EQ(lopen(4, 0), 0);
    EXPECT_EQ(read_fid(4, 0, 1), EISDIR);
    close_share();
}

TEST(a_full_host)
{
    struct rlimit old;

    open_share(false);
    EXPECT_EQ(walk(ROOT, 2, "file"), 0);
    EXPECT_EQ(lopen(2, 1), 0);
    NEED(getrlimit(RLIMIT_FSIZE, &old) == 0);
    NEED(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, old.rlim_max}) == 0);
    const unsigned error = write_fid(2, 8192, "x", 1);
    NEED(setrlimit(RLIMIT_FSIZE, &old) == 0);
    EXPECT_EQ(error, EFBIG);
    EXPECT_EQ(write_fid(2, 8192, "x", 1), 0);
    close_share();
}

TEST(making_files)
{
    struct stat st;

    open_share(false);
    umask(077); /* ours is no concern of the guest's */
    EXPECT_EQ(walk(ROOT, 2, ""), 0);
    EXPECT_EQ(lcreate(2, "new", 0102, 0666), 0);
    EXPECT_EQ(write_fid(2, 0, "text", 4), 0);
    EXPECT(has_text(path_of("new"), "text"));
    EXPECT(stat(path_of("new"), &st) == 0 && (st.st_mode & 07777) == 0666);
    EXPECT_EQ(lcreate(2, "other", 0102, 0666), EBADF); /* it is the file's now */
    EXPECT_EQ(walk(ROOT, 3, ""), 0);
    EXPECT_EQ(lcreate(3, "new", 0302, 0600), EEXIST); /* O_EXCL */
    EXPECT_EQ(lcreate(3, "", 0102, 0666), ENOENT);
    EXPECT_EQ(lcreate(3, "a/b", 0102, 0666), EINVAL);
    EXPECT_EQ(lcreate(3, "..", 0102, 0666), EINVAL);
    EXPECT_EQ(lcreate(3, "setuid", 0102, 06755), 0);
    EXPECT(stat(path_of("setuid"), &st) == 0 && (st.st_mode & 07777) == 0755);
    EXPECT_EQ(walk(ROOT, 4, ""), 0);
    EXPECT_EQ(lcreate(4, "new", 0102, 0600), 0); /* there, without O_EXCL: opened */
    EXPECT_EQ(read_fid(4, 0, 9), 0);
    EXPECT_EQ(get(4), 4);
    EXPECT_EQ(make_dir(ROOT, "folder", 0777), 0);
    EXPECT_EQ(get(1), 0x80);
    EXPECT(stat(path_of("folder"), &st) == 0 && (st.st_mode & 07777) == 0777);
    EXPECT_EQ(make_dir(ROOT, "folder", 0777), EEXIST);
    EXPECT_EQ(make_node(ROOT, "fifo", S_IFIFO | 0644), 0);
    EXPECT_EQ(make_node(ROOT, "device", S_IFCHR | 0644), EPERM);
    EXPECT_EQ(make_node(ROOT, "device", S_IFBLK | 0644), EPERM);
    EXPECT(!is_there(path_of("device")));
    /* a FIFO is not opened: nobody waits */
    EXPECT_EQ(walk(ROOT, 5, "fifo"), 0);
    EXPECT_EQ(lopen(5, 0), EACCES);
    umask(022);
    close_share();
}

TEST(names)
{
    char long_name[300];

    open_share(false);
    EXPECT_EQ(walk(ROOT, 2, "dir"), 0);
    EXPECT_EQ(walk(ROOT, 3, "dir/inner"), 0);
    EXPECT_EQ(walk(ROOT, 4, "file"), 0);
    EXPECT_EQ(link_to(ROOT, 4, "second"), 0);
    EXPECT(has_text(path_of("second"), "hello"));
    EXPECT_EQ(link_to(ROOT, 4, "second"), EEXIST);
    /* fids below a directory move with it */
    EXPECT_EQ(make_dir(ROOT, "deep", 0755), 0);
    EXPECT_EQ(walk(ROOT, 5, "deep"), 0);
    EXPECT_EQ(rename_at(ROOT, "dir", 5, "moved"), 0);
    EXPECT_EQ(lopen(3, 0), 0);
    EXPECT_EQ(read_fid(3, 0, 10), 0);
    EXPECT_EQ(get(4), 6);
    EXPECT_EQ(walk(2, 6, "inner"), 0);
    begin(RENAME);
    put(2, 4);
    put(ROOT, 4);
    put_text("dir");
    EXPECT_EQ(talk(), 0);
    EXPECT(has_text(path_of("dir/inner"), "inside"));
    EXPECT_EQ(getattr(6), 0);
    EXPECT_EQ(rename_at(ROOT, "nothing", ROOT, "x"), ENOENT);
    EXPECT_EQ(rename_at(ROOT, "dir", 2, "x"), EINVAL); /* into itself */
    begin(RENAME);                                     /* the folder itself */
    put(ROOT, 4);
    put(5, 4);
    put_text("x");
    EXPECT_EQ(talk(), EBUSY);
    EXPECT_EQ(unlink_at(ROOT, "dir", 0), EISDIR);
    EXPECT_EQ(unlink_at(ROOT, "dir", 0x200), ENOTEMPTY);
    EXPECT_EQ(unlink_at(ROOT, "second", 0x200), ENOTDIR);
    EXPECT_EQ(unlink_at(ROOT, "second", 1), EINVAL);
    EXPECT_EQ(unlink_at(ROOT, "second", 0), 0);
    EXPECT(!is_there(path_of("second")));
    /* an open file outlives its name */
    EXPECT_EQ(unlink_at(2, "inner", 0), 0);
    EXPECT_EQ(read_fid(3, 0, 10), 0);
    EXPECT_EQ(get(4), 6);
    EXPECT_EQ(getattr(3), 0);
    EXPECT_EQ(getattr(6), ENOENT);
    begin(REMOVE);
    put(2, 4);
    EXPECT_EQ(talk(), 0);
    EXPECT_EQ(clunk(2), EBADF);
    EXPECT(!is_there(path_of("dir")));
    EXPECT_EQ(walk(ROOT, 7, ""), 0);
    begin(REMOVE);
    put(7, 4);
    EXPECT_EQ(talk(), EBUSY);
    EXPECT_EQ(clunk(7), EBADF);
    memset(long_name, 'x', 255);
    long_name[255] = '\0';
    EXPECT_EQ(make_dir(ROOT, long_name, 0755), 0);
    strcat(long_name, "x");
    EXPECT_EQ(make_dir(ROOT, long_name, 0755), ENAMETOOLONG);
    close_share();
}

TEST(a_path_that_grows_too_long)
{
    char name[200];

    open_share(false);
    memset(name, 'd', 199);
    name[199] = '\0';
    EXPECT_EQ(walk(ROOT, 2, ""), 0);
    unsigned error = 0, depth = 0;
    for (; error == 0 && depth < 40; depth++) {
        error = make_dir(2, name, 0755);
        if (error == 0) {
            error = walk(2, 2, name);
        }
    }
    EXPECT_EQ(error, ENAMETOOLONG);
    EXPECT_EQ(depth, 21);
    EXPECT_EQ(getattr(2), 0);
    close_share();
}

TEST(attributes)
{
    struct stat st;

    open_share(false);
    EXPECT_EQ(walk(ROOT, 2, "file"), 0);
    EXPECT_EQ(getattr(2), 0);
    NEED(stat(path_of("file"), &st) == 0);
    EXPECT_EQ(get(4), st.st_mode);
    EXPECT_EQ(get(4), st.st_uid);
    EXPECT_EQ(get(4), st.st_gid);
    EXPECT_EQ(get(8), 1);
    EXPECT_EQ(get(8), 0);
    EXPECT_EQ(get(8), 5);
    EXPECT_EQ(answer_size, 160);
    EXPECT_EQ(setattr(2, 1 | 8 | 0x20 | 0x100, 0640, 0, 3, 1234567890), 0);
    NEED(stat(path_of("file"), &st) == 0);
    EXPECT_EQ(st.st_mode & 07777, 0640);
    EXPECT_EQ(st.st_size, 3);
    EXPECT_EQ(st.st_mtim.tv_sec, 1234567890);
    EXPECT_EQ(st.st_mtim.tv_nsec, 500);
    EXPECT_EQ(setattr(2, 0x20, 0, 0, 0, 0), 0); /* now */
    NEED(stat(path_of("file"), &st) == 0);
    EXPECT(st.st_mtim.tv_sec > 1700000000);
    EXPECT_EQ(setattr(2, 1, 04755, 0, 0, 0), EPERM);
    EXPECT_EQ(setattr(2, 2, 0, st.st_uid + 1, 0, 0), EPERM);
    EXPECT_EQ(setattr(2, 2, 0, st.st_uid, 0, 0), 0);
    EXPECT_EQ(setattr(2, 8, 0, 0, UINT64_MAX, 0), EINVAL);
    EXPECT_EQ(setattr(ROOT, 8, 0, 0, 0, 0), EINVAL);
    /* an open fid, for reading: its size changes all the same */
    EXPECT_EQ(lopen(2, 0), 0);
    EXPECT_EQ(setattr(2, 8 | 1, 0600, 0, 10, 0), 0);
    NEED(stat(path_of("file"), &st) == 0);
    EXPECT(st.st_size == 10 && (st.st_mode & 0777) == 0600);
    begin(STATFS);
    put(ROOT, 4);
    EXPECT_EQ(talk(), 0);
    EXPECT_EQ(answer_size, 7 + 4 + 4 + 6 * 8 + 4);
    close_share();
}

TEST(directories)
{
    char name[64];
    bool seen[300] = {false};
    unsigned n = 0, rounds = 0;
    uint64_t offset = 0;

    open_share(false);
    EXPECT_EQ(make_dir(ROOT, "many", 0755), 0);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "many/f%u", i);
        write_file(path_of(name), "");
    }
    EXPECT_EQ(walk(ROOT, 2, "many"), 0);
    EXPECT_EQ(lopen(2, 0), 0);
    for (; rounds < 400; rounds++) {
        begin(READDIR);
        put(2, 4);
        put(offset, 8);
        put(500, 4);
        EXPECT_EQ(talk(), 0);
        const uint64_t size = get(4);
        EXPECT(size <= 500 && answer_size == 11 + size);
        if (size == 0) {
            break;
        }
        while (at < answer_size) {
            at += 13;
            offset = get(8);
            const uint64_t type = get(1), length = get(2);
            snprintf(name, sizeof(name), "%.*s", (int)length, (char *)answer + at);
            at += (uint32_t)length;
            if (name[0] == '.') {
                EXPECT_EQ(type, 4);
            } else {
                const unsigned i = (unsigned)atoi(name + 1);
                EXPECT(type == 8 && i < 300 && !seen[i]);
                seen[i] = true;
            }
            n++;
        }
    }
    EXPECT_EQ(n, 302);
    EXPECT(rounds > 10);
    begin(READDIR);
    put(2, 4);
    put(0, 8);
    put(20, 4);
    EXPECT_EQ(talk(), EINVAL); /* no room for one */
    begin(READDIR);
    put(2, 4);
    put(0x7fffffffffffff00ull, 8);
    put(500, 4);
    const unsigned error = talk(); /* the host's affair, but an answer */
    EXPECT(error == 0 || error == EINVAL);
    EXPECT_EQ(walk(ROOT, 3, "file"), 0);
    EXPECT_EQ(lopen(3, 0), 0);
    begin(READDIR);
    put(3, 4);
    put(0, 8);
    put(500, 4);
    EXPECT_EQ(talk(), ENOTDIR);
    close_share();
}

TEST(locks)
{
    open_share(false);
    const int fd = open(path_of("file"), O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 2};
    NEED(fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0);
    EXPECT_EQ(walk(ROOT, 2, "file"), 0);
    EXPECT_EQ(lopen(2, 2), 0);
    for (unsigned start = 0; start < 3; start++) {
        begin(LOCK);
        put(2, 4);
        put(1, 1);
        put(0, 4);
        put(start, 8);
        put(1, 8);
        put(99, 4);
        put_text("guest");
        EXPECT_EQ(talk(), 0);
        EXPECT_EQ(get(1), start == 2); /* blocked */
    }
    begin(GETLOCK);
    put(2, 4);
    put(0, 1);
    put(0, 8);
    put(0, 8);
    put(99, 4);
    put_text("guest");
    EXPECT_EQ(talk(), 0);
    EXPECT_EQ(get(1), 1);
    EXPECT_EQ(get(8), 2);
    EXPECT_EQ(get(8), 2);
    lock.l_start = 0;
    EXPECT(fcntl(fd, F_OFD_SETLK, &lock) != 0 && errno == EAGAIN);
    EXPECT_EQ(clunk(2), 0);
    EXPECT(fcntl(fd, F_OFD_SETLK, &lock) == 0);
    close(fd);
    close_share();
}

/* Everything that could lead out of the folder. */
TEST(nothing_outside_is_reached)
{
    unsigned steps;
    char target[100];

    open_share(false);
    /* ".." stops at the folder */
    EXPECT_EQ(walk_steps(ROOT, 2, "../../../secret", &steps), 0);
    EXPECT_EQ(steps, 3);
    EXPECT_EQ(walk(ROOT, 2, ".."), 0);
    EXPECT_EQ(walk(2, 3, "secret"), ENOENT);
    EXPECT_EQ(walk(2, 3, "dir/../../file"), 0);
    EXPECT_EQ(walk(ROOT, 4, "../secret/.."), 998);
    /* names that are paths */
    begin(WALK);
    put(ROOT, 4);
    put(5, 4);
    put(1, 2);
    put_text("../secret");
    EXPECT_EQ(talk(), EINVAL);
    begin(WALK);
    put(ROOT, 4);
    put(5, 4);
    put(1, 2);
    put_text("/etc/passwd");
    EXPECT_EQ(talk(), EINVAL);
    begin(WALK);
    put(ROOT, 4);
    put(5, 4);
    put(1, 2);
    put(7, 2);
    put(0x00006e69002e2eull, 7); /* "..\0in\0\0" */
    EXPECT_EQ(talk(), EINVAL);
    EXPECT_EQ(lcreate(2, "../out", 0102, 0644), EINVAL);
    EXPECT_EQ(make_dir(ROOT, "../out", 0755), EINVAL);
    EXPECT_EQ(make_dir(ROOT, "..", 0755), EINVAL);
    EXPECT_EQ(unlink_at(ROOT, "../secret", 0), EINVAL);
    EXPECT_EQ(unlink_at(ROOT, "..", 0x200), EINVAL);
    EXPECT_EQ(unlink_at(ROOT, ".", 0x200), EINVAL);
    EXPECT_EQ(rename_at(ROOT, "file", ROOT, "../file"), EINVAL);
    EXPECT_EQ(rename_at(ROOT, "file", ROOT, ".."), EINVAL);
    EXPECT_EQ(rename_at(ROOT, "..", ROOT, "x"), EINVAL);
    EXPECT_EQ(rename_at(ROOT, "../secret", ROOT, "x"), EINVAL);
    /* symbolic links of the guest's making: text, never followed */
    EXPECT_EQ(symlink_to(ROOT, "up", ".."), 0);
    EXPECT_EQ(symlink_to(ROOT, "etc", "/etc"), 0);
    snprintf(target, sizeof(target), "%s/secret", outer);
    EXPECT_EQ(symlink_to(ROOT, "link", target), 0);
    EXPECT_EQ(walk(ROOT, 10, "link"), 0);
    EXPECT_EQ(lopen(10, 0), ELOOP);
    EXPECT_EQ(lopen(10, 01002), ELOOP);
    EXPECT_EQ(setattr(10, 8, 0, 0, 0, 0), EINVAL);
    EXPECT(setattr(10, 1, 0777, 0, 0, 0) != 0);
    EXPECT_EQ(setattr(10, 0x20 | 0x100, 0, 0, 0, 1), 0); /* the link's own time */
    begin(READLINK);
    put(10, 4);
    EXPECT_EQ(talk(), 0);
    EXPECT_EQ(get(2), strlen(target));
    EXPECT(memcmp(answer + at, target, strlen(target)) == 0);
    EXPECT_EQ(getattr(10), 0);
    EXPECT_EQ(get(4) & S_IFMT, S_IFLNK);
    EXPECT_EQ(walk(ROOT, 11, ""), 0);
    EXPECT_EQ(lcreate(11, "link", 0102, 0644), ELOOP);
    EXPECT_EQ(lcreate(11, "link", 0302, 0644), EEXIST);
    EXPECT_EQ(walk(ROOT, 12, "etc"), 0);
    EXPECT_EQ(walk(12, 13, "passwd"), ENOTDIR);
    EXPECT_EQ(walk_steps(ROOT, 13, "etc/passwd", &steps), 0);
    EXPECT_EQ(steps, 1);
    EXPECT_EQ(make_dir(12, "x", 0755), ENOTDIR);
    EXPECT_EQ(lcreate(12, "x", 0102, 0644), ENOTDIR);
    EXPECT_EQ(walk(ROOT, 14, "up"), 0);
    EXPECT_EQ(unlink_at(14, "secret", 0), ENOTDIR);
    EXPECT_EQ(rename_at(14, "secret", ROOT, "x"), ENOTDIR);
    EXPECT_EQ(rename_at(ROOT, "file", 14, "x"), ENOTDIR);
    EXPECT_EQ(symlink_to(14, "x", "y"), ENOTDIR);
    EXPECT_EQ(make_node(14, "x", S_IFIFO | 0644), ENOTDIR);
    EXPECT_EQ(link_to(14, 10, "x"), ENOTDIR);
    /* a hard link to a symbolic link is one to the link */
    EXPECT_EQ(link_to(ROOT, 10, "link2"), 0);
    EXPECT_EQ(walk(ROOT, 15, "link2"), 0);
    EXPECT_EQ(lopen(15, 0), ELOOP);
    /* a directory that is replaced by a link under the fids below it */
    EXPECT_EQ(walk(ROOT, 16, "dir"), 0);
    EXPECT_EQ(walk(ROOT, 17, "dir/inner"), 0);
    EXPECT_EQ(rename_at(ROOT, "dir", ROOT, "dir2"), 0);
    EXPECT_EQ(rename_at(ROOT, "up", ROOT, "dir"), 0);
    EXPECT_EQ(walk(ROOT, 18, "dir2/inner"), 0);
    NEED(rename(path_of("dir2"), path_of("dir3")) == 0 && symlink("..", path_of("dir2")) == 0);
    EXPECT_EQ(lopen(18, 0), ENOTDIR);
    EXPECT_EQ(getattr(17), ENOTDIR);
    EXPECT_EQ(make_dir(16, "x", 0755), ENOTDIR);
    EXPECT(has_text(target, "secret"));
    snprintf(target, sizeof(target), "%s/x", outer);
    EXPECT(!is_there(target));
    snprintf(target, sizeof(target), "%s/out", outer);
    EXPECT(!is_there(target));
    close_share();
}

TEST(read_only)
{
    open_share(true);
    EXPECT_EQ(walk(ROOT, 2, "file"), 0);
    EXPECT_EQ(lopen(2, 1), EROFS);
    EXPECT_EQ(lopen(2, 2), EROFS);
    EXPECT_EQ(lopen(2, 01000), EROFS);
    EXPECT_EQ(lopen(2, 0), 0);
    EXPECT_EQ(read_fid(2, 0, 10), 0);
    EXPECT_EQ(get(4), 5);
    EXPECT_EQ(write_fid(2, 0, "x", 1), EROFS);
    EXPECT_EQ(walk(ROOT, 3, ""), 0);
    EXPECT_EQ(lcreate(3, "x", 0102, 0644), EROFS);
    EXPECT_EQ(make_dir(ROOT, "x", 0755), EROFS);
    EXPECT_EQ(symlink_to(ROOT, "x", "y"), EROFS);
    EXPECT_EQ(make_node(ROOT, "x", S_IFIFO), EROFS);
    EXPECT_EQ(link_to(ROOT, 2, "x"), EROFS);
    EXPECT_EQ(unlink_at(ROOT, "file", 0), EROFS);
    EXPECT_EQ(rename_at(ROOT, "file", ROOT, "x"), EROFS);
    EXPECT_EQ(setattr(2, 1, 0777, 0, 0, 0), EROFS);
    begin(REMOVE);
    put(2, 4);
    EXPECT_EQ(talk(), EROFS);
    EXPECT_EQ(clunk(2), EBADF); /* Tremove clunks all the same */
    EXPECT(has_text(path_of("file"), "hello"));
    close_share();
}

TEST(limits)
{
    struct rlimit limit;

    open_share(false);
    unsigned error = 0, n = 0;
    for (; error == 0 && n < 70000; n++) {
        begin(WALK);
        put(ROOT, 4);
        put(1000 + n, 4);
        put(0, 2);
        error = talk();
    }
    EXPECT_EQ(error, ENFILE);
    EXPECT_EQ(n, 65536);
    EXPECT_EQ(clunk(1000), 0);
    EXPECT_EQ(walk(ROOT, 1000, ""), 0);
    /* open files: at most half of the process's, or 4096 */
    NEED(version(MSIZE, "9P2000.L") == 0 && attach(ROOT) == 0);
    NEED(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const unsigned most = limit.rlim_cur / 2 < 4096 ? (unsigned)limit.rlim_cur / 2 : 4096;
    for (n = 0, error = 0; error == 0 && n < 5000; n++) {
        EXPECT_EQ(walk(ROOT, 1000 + n, "file"), 0);
        error = lopen(1000 + n, 0);
    }
    EXPECT_EQ(error, EMFILE);
    EXPECT_EQ(n, most + 1);
    /* a reset of the device closes them */
    NEED(driver_start(&driver, &rig, 0, 1, 1, 16));
    EXPECT_EQ(attach(ROOT), EPROTO);
    NEED(version(MSIZE, "9P2000.L") == 0 && attach(ROOT) == 0);
    EXPECT_EQ(walk(ROOT, 1000, "file"), 0);
    EXPECT_EQ(lopen(1000, 0), 0);
    close_share();
}

TEST(messages_that_are_none)
{
    open_share(false);
    const uint64_t place = rig_alloc(&rig, 4096);
    const struct {
        uint32_t size, readable, writable;
        bool refused;
    } cases[] = {{7, 6, 100, true},           {6, 7, 100, true},  {100, 50, 100, true},
                 {UINT32_MAX, 50, 100, true}, {11, 11, 10, true}, {11, 11, 0, true},
                 {11, 11, 11, false}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        NEED(driver_start(&driver, &rig, 0, 1, 1, 16));
        memset(rig_at(&rig, place), 0, 64);
        memcpy(rig_at(&rig, place), &cases[i].size, 4);
        *((uint8_t *)rig_at(&rig, place) + 4) = CLUNK;
        const struct piece pieces[] = {{place, cases[i].readable, false},
                                       {place + 1024, cases[i].writable, true}};
        EXPECT_EQ(driver_request(&driver, 0, pieces, 2) == UINT32_MAX, cases[i].refused);
        EXPECT_EQ((rig_read(&rig, 0, REG_STATUS) & NEEDS_RESET) != 0, cases[i].refused);
    }
    /* cut in the middle: each message with each number of its bytes */
    NEED(driver_start(&driver, &rig, 0, 1, 1, 16));
    NEED(version(MSIZE, "9P2000.L") == 0 && attach(ROOT) == 0);
    for (unsigned type = 0; type < 128; type += 2) {
        for (unsigned size = 0; size < 40; size++) {
            begin(type);
            for (unsigned i = 0; i < size; i++) {
                put(i == 0 ? ROOT : i < 4 ? 0 : 0x61 + i % 3, 1);
            }
            EXPECT(talk() != 999);
        }
    }
    close_share();
}

/* Messages of random fields; the folder's neighbours are looked at afterwards. */
TEST(random_messages)
{
    static const unsigned types[] = {STATFS,  LOPEN,    LCREATE,  SYMLINK, MKNOD, RENAME,  READLINK,
                                     GETATTR, SETATTR,  READDIR,  FSYNC,   LOCK,  GETLOCK, LINK,
                                     MKDIR,   RENAMEAT, UNLINKAT, WALK,    WALK,  WALK,    READ,
                                     WRITE,   CLUNK,    REMOVE,   ATTACH};
    static const char *const names[] = {"a",   "b",     "c",         "..", ".",   "file",
                                        "dir", "inner", "../secret", "",   "/tmp"};
    uint64_t seed = 4711;
    char path[100];

    open_share(false);
    for (unsigned round = 0; round < 20000; round++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        uint64_t bits = seed >> 8;
        const unsigned type = types[bits % 25];
        begin(type);
        put(type == ATTACH ? 1 + bits / 64 % 8 : bits / 64 % 8, 4);
        for (unsigned i = 0; i < 6; i++) {
            bits ^= bits << 7 ^ bits >> 9;
            switch (bits % 4) {
            case 0:
                put_text(names[bits / 8 % 11]);
                break;
            case 1:
                put(bits / 8 % 8, 4);
                break;
            case 2:
                put(bits / 16 % 5, 2);
                break;
            default:
                put(bits / 8, 8);
                break;
            }
        }
        EXPECT(talk() != 999);
        if (failures != 0) {
            printf("# round %u\n", round);
            break;
        }
    }
    snprintf(path, sizeof(path), "%s/secret", outer);
    EXPECT(has_text(path, "secret"));
    /* and nothing has come to it */
    DIR *const directory = opendir(outer);
    unsigned n = 0;
    NEED(directory != NULL);
    while (readdir(directory) != NULL) {
        n++;
    }
    closedir(directory);
    EXPECT_EQ(n, 4);
    close_share();
}

TEST(shares_that_are_refused)
{
    rig_open(&rig);
    EXPECT(
        !virtio_9p_add(rig.board, &(struct p9_config){.path = "/nothing/there", .tag = "share"}));
    EXPECT(!virtio_9p_add(rig.board, &(struct p9_config){.path = "/etc/passwd", .tag = "share"}));
    EXPECT(!virtio_9p_add(rig.board, &(struct p9_config){.path = "/tmp", .tag = ""}));
    EXPECT(!virtio_9p_add(rig.board, &(struct p9_config){.path = "/tmp", .tag = "with blank"}));
    EXPECT(!virtio_9p_add(
        rig.board, &(struct p9_config){.path = "/tmp", .tag = "01234567890123456789012345678901"}));
    EXPECT(virtio_9p_add(
        rig.board, &(struct p9_config){.path = "/tmp", .tag = "0123456789012345678901234567890"}));
    rig_close(&rig);
}

MAIN(T(configuration), T(versions), T(attach_and_clunk), T(walks), T(reading_and_writing),
     T(a_full_host), T(making_files), T(names), T(a_path_that_grows_too_long), T(attributes),
     T(directories), T(locks), T(nothing_outside_is_reached), T(read_only), T(limits),
     T(messages_that_are_none), T(random_messages), T(shares_that_are_refused))
