/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Open files: lopen, lcreate, read, write, readdir, fsync, lock. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "p9_internal.h"

/* Open flags on the wire are Linux's for most architectures, whatever this host's are. */
#define L_ACCESS 3u
#define L_EXCL   0200u

static const struct {
    uint32_t wire;
    int host;
} open_flags[] = {
    {01000, O_TRUNC},   {02000, O_APPEND},      {010000, O_DSYNC},
    {04000000, O_SYNC}, {0200000, O_DIRECTORY},
};

static int host_flags(uint32_t wire, int *flags)
{
    static const int access[4] = {O_RDONLY, O_WRONLY, O_RDWR, -1};

    /* O_NONBLOCK: should a FIFO have taken the file's place. */
    *flags = access[wire & L_ACCESS];
    if (*flags < 0) {
        return EINVAL;
    }
    *flags |= O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    for (size_t i = 0; i < sizeof(open_flags) / sizeof(open_flags[0]); i++) {
        if ((wire & open_flags[i].wire) != 0) {
            *flags |= open_flags[i].host;
        }
    }
    return 0;
}

static bool is_writing(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

/* Opening something else can have effects of its own, so it is looked at before. */
static int open_existing(const struct p9_place *place, int flags, int *fd, struct stat *st)
{
    if (fstatat(place->directory, place->name, st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    if (S_ISLNK(st->st_mode)) {
        return ELOOP;
    }
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
        return EACCES;
    }
    *fd = openat(place->directory, place->name, flags);
    if (*fd < 0) {
        return errno;
    }
    const int error = fstat(*fd, st) != 0                              ? errno
                      : !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode) ? EACCES
                                                                       : 0;
    if (error != 0) {
        close(*fd);
    }
    return error;
}

/* Makes the file with exactly this mode: the guest has applied its own umask. */
static int create(const struct p9_place *place, int flags, mode_t mode, bool must_be_new, int *fd,
                  struct stat *st)
{
    *fd = openat(place->directory, place->name, flags | O_CREAT | O_EXCL, mode);
    if (*fd < 0) {
        return errno == EEXIST && !must_be_new ? open_existing(place, flags, fd, st) : errno;
    }
    fchmod(*fd, mode);
    if (fstat(*fd, st) != 0) {
        const int error = errno;
        close(*fd);
        return error;
    }
    return 0;
}

static void put_opened(struct p9_server *server, struct p9_request *request, const struct stat *st)
{
    p9_put_qid(request, server, st);
    p9_put(request, 0, 4); /* iounit: what fits into a message */
}

int p9_lopen(struct p9_server *server, struct p9_request *request)
{
    struct p9_fid *const fid = p9_find(server, p9_get32(request));
    const uint32_t wire = p9_get32(request);
    struct p9_place place;
    struct stat st;
    int flags, fd;

    if (request->bad) {
        return EINVAL;
    }
    if (fid == NULL || fid->fd >= 0) {
        return EBADF;
    }
    int error = host_flags(wire, &flags);
    if (error == 0 && server->read_only && is_writing(flags)) {
        error = EROFS;
    }
    if (error == 0) {
        error = p9_find_place(server, fid->path, &place);
    }
    if (error != 0) {
        return error;
    }
    error = open_existing(&place, flags, &fd, &st);
    p9_leave(server, &place);
    if (error == 0) {
        error = p9_set_open(server, fid, fd);
    }
    if (error == 0) {
        put_opened(server, request, &st);
    }
    return error;
}

int p9_lcreate(struct p9_server *server, struct p9_request *request)
{
    const uint32_t number = p9_get32(request);
    struct p9_fid *const fid = p9_find(server, number);
    char name[P9_NAME], path[PATH_MAX];
    struct p9_place place;
    struct stat st;
    int flags, fd, error = p9_get_name(request, name);
    const uint32_t wire = p9_get32(request), mode = p9_get32(request);

    p9_get32(request); /* the group is ours */
    if (error != 0 || request->bad) {
        return error != 0 ? error : EINVAL;
    }
    if (fid == NULL || fid->fd >= 0) {
        return EBADF;
    }
    error = server->n_open >= server->max_open ? EMFILE : host_flags(wire, &flags);
    if (error == 0) {
        error = p9_join(path, fid->path, name);
    }
    if (error == 0) {
        error = p9_find_child(server, number, name, &place);
    }
    if (error != 0) {
        return error;
    }
    error = create(&place, flags, mode & 01777, (wire & L_EXCL) != 0, &fd, &st);
    p9_leave(server, &place);
    if (error != 0) {
        return error;
    }
    /* The fid is the file's from now on. */
    error = p9_set_path(server, fid, path);
    if (error != 0) {
        close(fd);
        return error;
    }
    error = p9_set_open(server, fid, fd);
    if (error == 0) {
        put_opened(server, request, &st);
    }
    return error;
}

/* --- Content ------------------------------------------------------------------------------------------------------------------ */

static struct p9_fid *find_open(struct p9_server *server, struct p9_request *request)
{
    struct p9_fid *const fid = p9_find(server, p9_get32(request));

    return fid != NULL && fid->fd >= 0 ? fid : NULL;
}

int p9_read(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = find_open(server, request);
    const uint64_t offset = p9_get64(request);
    uint32_t count = p9_get32(request);
    const uint32_t before = P9_HEADER + 4, whole = request->chain->writable_bytes < server->msize
                                                       ? request->chain->writable_bytes
                                                       : server->msize;

    if (request->bad) {
        return EINVAL;
    }
    if (fid == NULL) {
        return EBADF;
    }
    if (count > whole - before) {
        count = whole - before;
    }
    const unsigned n = virtq_slice(request->chain, true, before, count, server->pieces);
    ssize_t got;
    do {
        got = preadv(fid->fd, server->pieces, (int)n, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return errno;
    }
    request->data_size = (uint32_t)got;
    p9_put(request, (uint32_t)got, 4);
    return 0;
}

int p9_write(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = find_open(server, request);
    const uint64_t offset = p9_get64(request);
    const uint32_t count = p9_get32(request), before = P9_HEADER + 16;

    if (request->bad || request->size < before || count > request->size - before) {
        return EINVAL;
    }
    if (fid == NULL) {
        return EBADF;
    }
    const unsigned n = virtq_slice(request->chain, false, before, count, server->pieces);
    ssize_t put;
    do {
        put = pwritev(fid->fd, server->pieces, (int)n, (off_t)offset);
    } while (put < 0 && errno == EINTR);
    if (put < 0) {
        return errno;
    }
    p9_put(request, (uint32_t)put, 4);
    return 0;
}

/* What a directory says about a name is enough for its qid, mostly. Above the folder there is nothing: its ".." is itself. */
static int entry_stat(const struct p9_fid *fid, const struct dirent64 *entry,
                      const struct stat *own, struct stat *st)
{
    const bool is_parent = strcmp(entry->d_name, "..") == 0;

    if (strcmp(entry->d_name, ".") == 0 || (is_parent && *fid->path == '\0')) {
        *st = *own;
        return 0;
    }
    if (entry->d_type == DT_UNKNOWN && !is_parent) {
        return fstatat(fid->fd, entry->d_name, st, AT_SYMLINK_NOFOLLOW) != 0 ? errno : 0;
    }
    *st = (struct stat){.st_dev = own->st_dev,
                        .st_ino = entry->d_ino,
                        .st_mode = is_parent ? S_IFDIR : (mode_t)DTTOIF(entry->d_type)};
    return 0;
}

/* False: there is no room for it. */
static bool put_entry(struct p9_server *server, struct p9_request *request,
                      const struct p9_fid *fid, const struct dirent64 *entry,
                      const struct stat *own, size_t limit)
{
    const size_t name_size = strlen(entry->d_name);
    struct stat st;

    if (request->out_size + 13 + 8 + 1 + 2 + name_size > limit) {
        return false;
    }
    if (entry_stat(fid, entry, own, &st) == 0) { /* else it has just gone */
        p9_put_qid(request, server, &st);
        p9_put(request, (uint64_t)entry->d_off, 8);
        p9_put(request, IFTODT(st.st_mode), 1);
        p9_put_string(request, entry->d_name, name_size);
    }
    return true;
}

int p9_readdir(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = find_open(server, request);
    const uint64_t offset = p9_get64(request);
    const uint32_t count = p9_get32(request);
    struct stat own;

    if (request->bad) {
        return EINVAL;
    }
    if (fid == NULL) {
        return EBADF;
    }
    if (fstat(fid->fd, &own) != 0) {
        return errno;
    }
    if (!S_ISDIR(own.st_mode)) {
        return ENOTDIR;
    }
    /* Offsets are the host's cookies, each that of the next entry. */
    if (lseek(fid->fd, (off_t)offset, SEEK_SET) < 0) {
        return errno;
    }
    const ssize_t size = getdents64(fid->fd, server->entries, sizeof(server->entries));
    if (size < 0) {
        return errno;
    }
    p9_put(request, 0, 4);
    const size_t limit = count < request->out_room - 4 ? 4 + count : request->out_room;
    for (ssize_t at = 0; at < size;) {
        const struct dirent64 *const entry = (const void *)(server->entries + at);
        if (!put_entry(server, request, fid, entry, &own, limit)) {
            break;
        }
        at += entry->d_reclen;
    }
    const uint32_t used = (uint32_t)request->out_size - 4;
    if (used == 0 && size > 0) {
        return EINVAL; /* no room for a single name: 0 would mean the end */
    }
    memcpy(request->out, &used, 4);
    return 0;
}

int p9_fsync(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = find_open(server, request);
    const bool data_only = request->in_left >= 4 && p9_get32(request) != 0;

    if (fid == NULL) {
        return EBADF;
    }
    return (data_only ? fdatasync(fid->fd) : fsync(fid->fd)) != 0 ? errno : 0;
}

/* --- Locks -------------------------------------------------------------------------------------------------------------------- */

/*
 * The guest's kernel keeps its processes apart; a lock here keeps others on the host out, and other guests. It belongs to the open
 * file, so that a process of the guest that opens a file twice can meet itself.
 */
enum { L_RDLCK, L_WRLCK, L_UNLCK };
enum { STATUS_SUCCESS, STATUS_BLOCKED };

static const short lock_types[] = {F_RDLCK, F_WRLCK, F_UNLCK};

static int read_range(struct p9_request *request, uint8_t type, struct flock *lock)
{
    const uint64_t start = p9_get64(request), length = p9_get64(request);

    if (request->bad || type > L_UNLCK || start > INT64_MAX || length > INT64_MAX) {
        return EINVAL;
    }
    *lock = (struct flock){.l_type = lock_types[type],
                           .l_whence = SEEK_SET,
                           .l_start = (off_t)start,
                           .l_len = (off_t)length};
    return 0;
}

int p9_lock(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = find_open(server, request);
    const uint8_t type = p9_get8(request);
    struct flock lock;

    p9_get32(request); /* whether the client would wait: it asks again by itself */
    const int error = read_range(request, type, &lock);
    if (error != 0) {
        return error;
    }
    if (fid == NULL) {
        return EBADF;
    }
    uint8_t status = STATUS_SUCCESS;
    if (fcntl(fid->fd, F_OFD_SETLK, &lock) != 0) {
        if (errno != EAGAIN && errno != EACCES) {
            return errno;
        }
        status = STATUS_BLOCKED;
    }
    p9_put(request, status, 1);
    return 0;
}

int p9_getlock(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = find_open(server, request);
    const uint8_t type = p9_get8(request);
    struct flock lock;
    char client[256];
    const int error = read_range(request, type, &lock);
    const uint32_t process = p9_get32(request);

    p9_get_string(request, client, sizeof(client));
    if (error != 0 || request->bad || type == L_UNLCK) {
        return error != 0 ? error : EINVAL;
    }
    if (fid == NULL) {
        return EBADF;
    }
    if (fcntl(fid->fd, F_OFD_GETLK, &lock) != 0) {
        return errno;
    }
    p9_put(request,
           lock.l_type == F_RDLCK   ? L_RDLCK
           : lock.l_type == F_WRLCK ? L_WRLCK
                                    : L_UNLCK,
           1);
    p9_put(request, (uint64_t)lock.l_start, 8);
    p9_put(request, (uint64_t)lock.l_len, 8);
    p9_put(request, process, 4);
    p9_put_string(request, client, strlen(client));
    return 0;
}
