/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Fids, and the way from a path to a directory that is open. The confinement to the folder is in p9_find_place(). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "p9_internal.h"

/* What a guest may make us remember. A Linux that keeps its cache has a fid per file that it has seen. */
#define MAX_FIDS       65536u
#define MAX_PATH_BYTES (32u << 20)

/* --- Fids --------------------------------------------------------------------------------------------------------------------- */

static struct p9_fid **bucket(struct p9_server *server, uint32_t number)
{
    return &server->buckets[(number * 0x9e3779b9u >> 16) % P9_BUCKETS];
}

struct p9_fid *p9_find(struct p9_server *server, uint32_t number)
{
    struct p9_fid *fid = *bucket(server, number);

    while (fid != NULL && fid->number != number) {
        fid = fid->next;
    }
    return fid;
}

int p9_set_path(struct p9_server *server, struct p9_fid *fid, const char *path)
{
    const size_t size = strlen(path) + 1, old_size = fid->path != NULL ? strlen(fid->path) + 1 : 0;

    if (server->path_bytes - old_size + size > MAX_PATH_BYTES) {
        return ENFILE;
    }
    char *const copy = strdup(path);
    if (copy == NULL) {
        return ENOMEM;
    }
    free(fid->path);
    fid->path = copy;
    server->path_bytes += size - old_size;
    return 0;
}

int p9_add(struct p9_server *server, uint32_t number, const char *path, struct p9_fid **fid)
{
    if (server->n_fids >= MAX_FIDS) {
        return ENFILE;
    }
    struct p9_fid *const new = calloc(1, sizeof(*new));
    if (new == NULL) {
        return ENOMEM;
    }
    new->number = number;
    new->fd = -1;
    const int error = p9_set_path(server, new, path);
    if (error != 0) {
        free(new);
        return error;
    }
    struct p9_fid **const head = bucket(server, number);
    new->next = *head;
    *head = new;
    server->n_fids++;
    *fid = new;
    return 0;
}

static void release(struct p9_server *server, struct p9_fid *fid)
{
    if (fid->fd >= 0) {
        close(fid->fd);
        server->n_open--;
    }
    server->path_bytes -= strlen(fid->path) + 1;
    server->n_fids--;
    free(fid->path);
    free(fid);
}

void p9_forget(struct p9_server *server, struct p9_fid *fid)
{
    struct p9_fid **link = bucket(server, fid->number);

    while (*link != fid) {
        link = &(*link)->next;
    }
    *link = fid->next;
    release(server, fid);
}

void p9_forget_all(struct p9_server *server)
{
    for (unsigned i = 0; i < P9_BUCKETS; i++) {
        while (server->buckets[i] != NULL) {
            struct p9_fid *const fid = server->buckets[i];
            server->buckets[i] = fid->next;
            release(server, fid);
        }
    }
}

int p9_set_open(struct p9_server *server, struct p9_fid *fid, int fd)
{
    if (server->n_open >= server->max_open) {
        close(fd);
        return EMFILE;
    }
    fid->fd = fd;
    server->n_open++;
    return 0;
}

void p9_moved(struct p9_server *server, const char *from, const char *to)
{
    const size_t size = strlen(from);
    char path[2 * PATH_MAX];

    for (unsigned i = 0; i < P9_BUCKETS; i++) {
        for (struct p9_fid *fid = server->buckets[i]; fid != NULL; fid = fid->next) {
            if (strncmp(fid->path, from, size) != 0 ||
                (fid->path[size] != '\0' && fid->path[size] != '/')) {
                continue;
            }
            snprintf(path, sizeof(path), "%s%s", to, fid->path + size);
            /* One that is too long now, or that there is no memory for, is not found any more. */
            if (strlen(path) < PATH_MAX) {
                p9_set_path(server, fid, path);
            }
        }
    }
}

/* --- Places ------------------------------------------------------------------------------------------------------------------- */

int p9_join(char joined[PATH_MAX], const char *path, const char *name)
{
    const bool both = name != NULL && *path != '\0';
    const int n = snprintf(joined, PATH_MAX, "%s%s%s", path, both ? "/" : "",
                           name != NULL ? name : "");

    return n < PATH_MAX ? 0 : ENAMETOOLONG;
}

void p9_parent(char *path)
{
    char *const slash = strrchr(path, '/');

    *(slash != NULL ? slash : path) = '\0';
}

void p9_leave(const struct p9_server *server, struct p9_place *place)
{
    if (place->directory != server->root) {
        close(place->directory);
    }
}

int p9_find_place(const struct p9_server *server, const char *path, struct p9_place *place)
{
    const char *end;

    place->directory = server->root;
    /* One step per name. O_NOFOLLOW with O_DIRECTORY makes a symbolic link ENOTDIR, and no name is "..": no step leads out. */
    for (; (end = strchr(path, '/')) != NULL; path = end + 1) {
        snprintf(place->name, sizeof(place->name), "%.*s", (int)(end - path), path);
        const int next = openat(place->directory, place->name,
                                O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        const int error = errno;
        p9_leave(server, place);
        if (next < 0) {
            return error;
        }
        place->directory = next;
    }
    snprintf(place->name, sizeof(place->name), "%s", *path != '\0' ? path : ".");
    return 0;
}

int p9_find_child(struct p9_server *server, uint32_t number, const char *name,
                  struct p9_place *place)
{
    const struct p9_fid *const fid = p9_find(server, number);
    char path[PATH_MAX];

    if (fid == NULL) {
        return EBADF;
    }
    /* Neither can be made, removed or renamed. */
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return EINVAL;
    }
    const int error = p9_join(path, fid->path, name);
    return error != 0 ? error : p9_find_place(server, path, place);
}

int p9_stat_path(const struct p9_server *server, const char *path, struct stat *st)
{
    struct p9_place place;
    int error = p9_find_place(server, path, &place);

    if (error == 0) {
        error = fstatat(place.directory, place.name, st, AT_SYMLINK_NOFOLLOW) != 0 ? errno : 0;
        p9_leave(server, &place);
    }
    return error;
}

int p9_stat(const struct p9_server *server, const struct p9_fid *fid, struct stat *st)
{
    if (fid->fd >= 0) {
        return fstat(fid->fd, st) != 0 ? errno : 0;
    }
    return p9_stat_path(server, fid->path, st);
}
