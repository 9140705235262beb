/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Names and attributes: everything that needs no open file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "p9_internal.h"

#define ALL_BASIC    0x7ffu /* what getattr knows: mode to blocks */
#define NSEC_PER_SEC 1000000000u

#define L_REMOVEDIR 0x200u

/* setattr: which fields count */
enum {
    SET_MODE = 1,
    SET_UID = 2,
    SET_GID = 4,
    SET_SIZE = 8,
    SET_ATIME = 0x10,
    SET_MTIME = 0x20,
    SET_ATIME_TO = 0x80, /* else to now */
    SET_MTIME_TO = 0x100
};

/* --- Attributes --------------------------------------------------------------------------------------------------------------- */

static void put_time(struct p9_request *request, const struct timespec *time)
{
    p9_put(request, (uint64_t)time->tv_sec, 8);
    p9_put(request, (uint64_t)time->tv_nsec, 8);
}

int p9_getattr(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = p9_find(server, p9_get32(request));
    struct stat st;

    if (fid == NULL) {
        return EBADF;
    }
    const int error = p9_stat(server, fid, &st);
    if (error != 0) {
        return error;
    }
    p9_put(request, ALL_BASIC, 8);
    p9_put_qid(request, server, &st);
    p9_put(request, st.st_mode, 4);
    p9_put(request, st.st_uid, 4);
    p9_put(request, st.st_gid, 4);
    p9_put(request, st.st_nlink, 8);
    p9_put(request, st.st_rdev, 8);
    p9_put(request, (uint64_t)st.st_size, 8);
    p9_put(request, (uint64_t)st.st_blksize, 8);
    p9_put(request, (uint64_t)st.st_blocks, 8);
    put_time(request, &st.st_atim);
    put_time(request, &st.st_mtim);
    put_time(request, &st.st_ctim);
    for (unsigned i = 0; i < 4; i++) { /* birth, generation, data version: not known */
        p9_put(request, 0, 8);
    }
    return 0;
}

struct attributes {
    uint32_t valid, mode, uid, gid;
    uint64_t size;
    struct timespec times[2];
};

static bool get_time(struct p9_request *request, bool counts, bool given, struct timespec *time)
{
    const uint64_t seconds = p9_get64(request), nanoseconds = p9_get64(request);

    *time = (struct timespec){.tv_sec = (time_t)seconds,
                              .tv_nsec = !counts  ? UTIME_OMIT
                                         : !given ? UTIME_NOW
                                                  : (long)nanoseconds};
    return !counts || !given || nanoseconds < NSEC_PER_SEC;
}

static int get_attributes(struct p9_request *request, struct attributes *a)
{
    a->valid = p9_get32(request);
    a->mode = p9_get32(request);
    a->uid = p9_get32(request);
    a->gid = p9_get32(request);
    a->size = p9_get64(request);
    const bool atime_ok = get_time(request, (a->valid & SET_ATIME) != 0,
                                   (a->valid & SET_ATIME_TO) != 0, &a->times[0]),
               mtime_ok = get_time(request, (a->valid & SET_MTIME) != 0,
                                   (a->valid & SET_MTIME_TO) != 0, &a->times[1]);
    return request->bad || !atime_ok || !mtime_ok || a->size > INT64_MAX ? EINVAL : 0;
}

/* What we never do, whoever runs us. */
static int check_attributes(const struct attributes *a, const struct stat *st)
{
    if ((a->valid & SET_UID) != 0 && a->uid != st->st_uid) {
        return EPERM;
    }
    if ((a->valid & SET_GID) != 0 && a->gid != st->st_gid) {
        return EPERM;
    }
    if ((a->valid & SET_MODE) != 0 && (a->mode & (S_ISUID | S_ISGID) & ~st->st_mode) != 0) {
        return EPERM;
    }
    return 0;
}

static int set_size(const struct p9_place *place, uint64_t size)
{
    const int fd = openat(place->directory, place->name,
                          O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0) {
        return errno;
    }
    const int error = ftruncate(fd, (off_t)size) != 0 ? errno : 0;
    close(fd);
    return error;
}

static int set_at(const struct p9_place *place, const struct attributes *a, const struct stat *st)
{
    int error = 0;

    if ((a->valid & SET_SIZE) != 0) {
        error = !S_ISREG(st->st_mode) ? EINVAL : set_size(place, a->size);
    }
    if (error == 0 && (a->valid & SET_MODE) != 0 &&
        fchmodat(place->directory, place->name, a->mode & 07777, AT_SYMLINK_NOFOLLOW) != 0) {
        error = errno;
    }
    if (error == 0 && (a->valid & (SET_ATIME | SET_MTIME)) != 0 &&
        utimensat(place->directory, place->name, a->times, AT_SYMLINK_NOFOLLOW) != 0) {
        error = errno;
    }
    return error;
}

/* The open file may have lost its name; one that is open for reading alone is cut by its name. */
static int set_open(const struct p9_server *server, const struct p9_fid *fid,
                    const struct attributes *a)
{
    int error = 0;

    if ((a->valid & SET_SIZE) != 0 && ftruncate(fid->fd, (off_t)a->size) != 0) {
        struct p9_place place;
        error = errno == EINVAL || errno == EBADF ? p9_find_place(server, fid->path, &place)
                                                  : errno;
        if (error == 0) {
            error = set_size(&place, a->size);
            p9_leave(server, &place);
        }
    }
    if (error == 0 && (a->valid & SET_MODE) != 0 && fchmod(fid->fd, a->mode & 07777) != 0) {
        error = errno;
    }
    if (error == 0 && (a->valid & (SET_ATIME | SET_MTIME)) != 0 &&
        futimens(fid->fd, a->times) != 0) {
        error = errno;
    }
    return error;
}

int p9_setattr(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = p9_find(server, p9_get32(request));
    struct attributes a;
    struct p9_place place;
    struct stat st;
    int error = get_attributes(request, &a);

    if (error == 0) {
        error = fid == NULL ? EBADF : p9_stat(server, fid, &st);
    }
    if (error == 0) {
        error = check_attributes(&a, &st);
    }
    if (error != 0) {
        return error;
    }
    if (fid->fd >= 0) {
        return set_open(server, fid, &a);
    }
    error = p9_find_place(server, fid->path, &place);
    if (error == 0) {
        error = set_at(&place, &a, &st);
        p9_leave(server, &place);
    }
    return error;
}

int p9_statfs(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = p9_find(server, p9_get32(request));
    struct statfs st;

    if (fid == NULL) {
        return EBADF;
    }
    if (fstatfs(fid->fd >= 0 ? fid->fd : server->root, &st) != 0) {
        return errno;
    }
    uint64_t id = 0;
    memcpy(&id, &st.f_fsid, sizeof(st.f_fsid) < sizeof(id) ? sizeof(st.f_fsid) : sizeof(id));
    p9_put(request, (uint32_t)st.f_type, 4);
    p9_put(request, (uint32_t)st.f_bsize, 4);
    p9_put(request, st.f_blocks, 8);
    p9_put(request, st.f_bfree, 8);
    p9_put(request, st.f_bavail, 8);
    p9_put(request, st.f_files, 8);
    p9_put(request, st.f_ffree, 8);
    p9_put(request, id, 8);
    p9_put(request, (uint32_t)st.f_namelen, 4);
    return 0;
}

/* --- New names ---------------------------------------------------------------------------------------------------------------- */

/* Answers with the qid of what was made, or with errno where `made` is false. */
static int finish(struct p9_server *server, struct p9_request *request, struct p9_place *place,
                  bool made)
{
    struct stat st;
    int error = made ? 0 : errno;

    if (error == 0 && fstatat(place->directory, place->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        error = errno;
    }
    p9_leave(server, place);
    if (error == 0) {
        p9_put_qid(request, server, &st);
    }
    return error;
}

int p9_symlink(struct p9_server *server, struct p9_request *request)
{
    const uint32_t directory = p9_get32(request);
    char name[P9_NAME], target[PATH_MAX];
    struct p9_place place;
    int error = p9_get_name(request, name);

    p9_get_string(request, target, sizeof(target));
    p9_get32(request); /* the group is ours, here and below */
    if (error == 0) {
        error = request->bad ? EINVAL : p9_find_child(server, directory, name, &place);
    }
    if (error != 0) {
        return error;
    }
    return finish(server, request, &place, symlinkat(target, place.directory, place.name) == 0);
}

/* With exactly this mode: the guest has applied its own umask. */
static bool make_directory(const struct p9_place *place, mode_t mode)
{
    if (mkdirat(place->directory, place->name, 0700) != 0) {
        return false;
    }
    const int fd = openat(place->directory, place->name,
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const bool ok = fd >= 0 && fchmod(fd, mode) == 0;
    const int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return ok;
}

int p9_mkdir(struct p9_server *server, struct p9_request *request)
{
    const uint32_t directory = p9_get32(request);
    char name[P9_NAME];
    struct p9_place place;
    int error = p9_get_name(request, name);
    const mode_t mode = p9_get32(request) & 01777;

    p9_get32(request);
    if (error == 0) {
        error = request->bad ? EINVAL : p9_find_child(server, directory, name, &place);
    }
    if (error != 0) {
        return error;
    }
    const bool made = make_directory(&place, mode);
    return finish(server, request, &place, made);
}

int p9_mknod(struct p9_server *server, struct p9_request *request)
{
    const uint32_t directory = p9_get32(request);
    char name[P9_NAME];
    struct p9_place place;
    int error = p9_get_name(request, name);
    const mode_t mode = p9_get32(request), type = mode & S_IFMT;

    p9_get32(request); /* major, minor */
    p9_get32(request);
    p9_get32(request);
    if (error == 0 && request->bad) {
        error = EINVAL;
    }
    if (error == 0 && type != S_IFIFO && type != S_IFSOCK && type != S_IFREG) {
        error = EPERM;
    }
    if (error == 0) {
        error = p9_find_child(server, directory, name, &place);
    }
    if (error != 0) {
        return error;
    }
    const bool made = mknodat(place.directory, place.name, type | (mode & 0777), 0) == 0;
    return finish(server, request, &place, made);
}

int p9_link(struct p9_server *server, struct p9_request *request)
{
    const uint32_t directory = p9_get32(request);
    const struct p9_fid *const fid = p9_find(server, p9_get32(request));
    char name[P9_NAME];
    struct p9_place from, to;
    int error = p9_get_name(request, name);

    if (error == 0 && fid == NULL) {
        error = EBADF;
    }
    if (error == 0) {
        error = p9_find_place(server, fid->path, &from);
    }
    if (error != 0) {
        return error;
    }
    error = p9_find_child(server, directory, name, &to);
    if (error == 0) {
        error = linkat(from.directory, from.name, to.directory, to.name, 0) != 0 ? errno : 0;
        p9_leave(server, &to);
    }
    p9_leave(server, &from);
    return error;
}

int p9_readlink(struct p9_server *server, struct p9_request *request)
{
    const struct p9_fid *const fid = p9_find(server, p9_get32(request));
    char target[PATH_MAX];
    struct p9_place place;

    if (fid == NULL) {
        return EBADF;
    }
    int error = p9_find_place(server, fid->path, &place);
    if (error != 0) {
        return error;
    }
    const ssize_t size = readlinkat(place.directory, place.name, target, sizeof(target));
    error = size < 0 ? errno : 0;
    p9_leave(server, &place);
    if (error == 0) {
        p9_put_string(request, target, (size_t)size);
    }
    return error;
}

/* --- Names that go ------------------------------------------------------------------------------------------------------------ */

int p9_unlinkat(struct p9_server *server, struct p9_request *request)
{
    const uint32_t directory = p9_get32(request);
    char name[P9_NAME];
    struct p9_place place;
    int error = p9_get_name(request, name);
    const uint32_t flags = p9_get32(request);

    if (error == 0) {
        error = request->bad || (flags & ~L_REMOVEDIR) != 0
                    ? EINVAL
                    : p9_find_child(server, directory, name, &place);
    }
    if (error != 0) {
        return error;
    }
    if (unlinkat(place.directory, place.name, (flags & L_REMOVEDIR) != 0 ? AT_REMOVEDIR : 0) != 0) {
        error = errno;
    }
    p9_leave(server, &place);
    return error;
}

static int remove_fid(struct p9_server *server, const struct p9_fid *fid)
{
    struct p9_place place;
    struct stat st;
    int error = server->read_only ? EROFS : *fid->path == '\0' ? EBUSY : 0;

    if (error == 0) {
        error = p9_find_place(server, fid->path, &place);
    }
    if (error != 0) {
        return error;
    }
    if (fstatat(place.directory, place.name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        unlinkat(place.directory, place.name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0) {
        error = errno;
    }
    p9_leave(server, &place);
    return error;
}

int p9_remove(struct p9_server *server, struct p9_request *request)
{
    struct p9_fid *const fid = p9_find(server, p9_get32(request));

    if (fid == NULL) {
        return EBADF;
    }
    const int error = remove_fid(server, fid);
    p9_forget(server, fid);
    return error;
}

static int move(struct p9_server *server, const char *old_path, const char *new_path)
{
    struct p9_place from, to;
    int error = *old_path == '\0' || *new_path == '\0' ? EBUSY
                                                       : p9_find_place(server, old_path, &from);

    if (error != 0) {
        return error;
    }
    error = p9_find_place(server, new_path, &to);
    if (error == 0) {
        error = renameat(from.directory, from.name, to.directory, to.name) != 0 ? errno : 0;
        p9_leave(server, &to);
    }
    p9_leave(server, &from);
    if (error == 0) {
        p9_moved(server, old_path, new_path);
    }
    return error;
}

/* The path of a name in a directory's fid. */
static int child_path(struct p9_server *server, uint32_t directory, const char *name,
                      char path[PATH_MAX])
{
    const struct p9_fid *const fid = p9_find(server, directory);

    if (fid == NULL) {
        return EBADF;
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return EINVAL;
    }
    return p9_join(path, fid->path, name);
}

int p9_renameat(struct p9_server *server, struct p9_request *request)
{
    char name[P9_NAME], old_path[PATH_MAX], new_path[PATH_MAX];
    const uint32_t old_directory = p9_get32(request);
    int error = p9_get_name(request, name);

    if (error == 0) {
        error = child_path(server, old_directory, name, old_path);
    }
    if (error != 0) {
        return error;
    }
    const uint32_t new_directory = p9_get32(request);
    error = p9_get_name(request, name);
    if (error == 0) {
        error = child_path(server, new_directory, name, new_path);
    }
    return error != 0 ? error : move(server, old_path, new_path);
}

int p9_rename(struct p9_server *server, struct p9_request *request)
{
    char name[P9_NAME], old_path[PATH_MAX], new_path[PATH_MAX];
    const struct p9_fid *const fid = p9_find(server, p9_get32(request));
    const uint32_t directory = p9_get32(request);
    int error = p9_get_name(request, name);

    if (error == 0) {
        error = fid == NULL ? EBADF : child_path(server, directory, name, new_path);
    }
    if (error != 0) {
        return error;
    }
    strcpy(old_path, fid->path); /* it changes with the move */
    return move(server, old_path, new_path);
}
