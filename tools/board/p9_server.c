/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The session: version, attach, walk, clunk; which message goes to which handler, and the frame of the answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "device.h"
#include "p9.h"
#include "p9_internal.h"

#define RLERROR 7u

#define MAX_OPEN 4096u
#define MAX_TAG  31u

/* --- The session -------------------------------------------------------------------------------------------------------------- */

static int do_version(struct p9_server *server, struct p9_request *request)
{
    static const char ours[] = "9P2000.L", unknown[] = "unknown";
    char version[32];
    const uint32_t msize = p9_get32(request);

    p9_get_string(request, version, sizeof(version));
    if (request->bad || msize < P9_MIN_MSIZE) {
        return EINVAL;
    }
    p9_forget_all(server);
    const bool known = strcmp(version, ours) == 0;
    server->msize = !known ? 0 : msize < P9_MAX_MSIZE ? msize : P9_MAX_MSIZE;
    p9_put(request, known ? server->msize : msize, 4);
    p9_put_string(request, known ? ours : unknown, strlen(known ? ours : unknown));
    return 0;
}

static int do_attach(struct p9_server *server, struct p9_request *request)
{
    const uint32_t number = p9_get32(request), auth = p9_get32(request);
    char user[256], name[256];
    struct p9_fid *fid;
    struct stat st;

    p9_get_string(request, user, sizeof(user));
    p9_get_string(request, name, sizeof(name));
    p9_get32(request); /* the guest's user: all act as ours */
    if (request->bad || auth != P9_NOFID) {
        return EINVAL;
    }
    if (name[0] != '\0' && strcmp(name, "/") != 0) {
        return ENOENT; /* there is one tree */
    }
    if (number == P9_NOFID || p9_find(server, number) != NULL) {
        return EBADF;
    }
    int error = p9_stat_path(server, "", &st);
    if (error == 0) {
        error = p9_add(server, number, "", &fid);
    }
    if (error == 0) {
        p9_put_qid(request, server, &st);
    }
    return error;
}

static int do_nothing(struct p9_server *server, struct p9_request *request)
{
    /* Tflush: messages are answered one after the other, so the old one has been. */
    (void)server;
    (void)request;
    return 0;
}

static int not_supported(struct p9_server *server, struct p9_request *request)
{
    (void)server;
    (void)request;
    return EOPNOTSUPP;
}

/* One step. "." is none, and ".." of the folder is the folder. */
static int step(const struct p9_server *server, char path[PATH_MAX], const char *name,
                struct stat *st)
{
    char next[PATH_MAX];
    int error = p9_stat_path(server, path, st);

    if (error != 0 || strcmp(name, ".") == 0) {
        return error;
    }
    if (!S_ISDIR(st->st_mode)) {
        return ENOTDIR;
    }
    if (strcmp(name, "..") == 0) {
        p9_parent(path);
        return p9_stat_path(server, path, st);
    }
    error = p9_join(next, path, name);
    if (error == 0) {
        error = p9_stat_path(server, next, st);
    }
    if (error == 0) {
        strcpy(path, next);
    }
    return error;
}

/* The end of a walk gets the number: the old fid itself, or a new one. */
static int arrive(struct p9_server *server, struct p9_fid *fid, uint32_t number, const char *path)
{
    struct p9_fid *new;

    if (fid->number != number) {
        return p9_add(server, number, path, &new);
    }
    return fid->fd >= 0 ? EBUSY : p9_set_path(server, fid, path);
}

static int do_walk(struct p9_server *server, struct p9_request *request)
{
    struct p9_fid *const fid = p9_find(server, p9_get32(request));
    const uint32_t number = p9_get32(request);
    const unsigned n = p9_get16(request);
    char path[PATH_MAX], name[P9_NAME];
    struct stat st;
    unsigned done = 0;

    if (request->bad || n > P9_MAX_WALK) {
        return EINVAL;
    }
    if (fid == NULL || number == P9_NOFID ||
        (number != fid->number && p9_find(server, number) != NULL)) {
        return EBADF;
    }
    strcpy(path, fid->path);
    p9_put(request, 0, 2);
    for (; done < n; done++) {
        int error = p9_get_name(request, name);
        if (error == 0) {
            error = step(server, path, name, &st);
        }
        if (error != 0 && done == 0) {
            return error;
        }
        if (error != 0) {
            break;
        }
        p9_put_qid(request, server, &st);
    }
    request->out[0] = (uint8_t)done;
    /* A walk that ends early changes nothing. */
    return done == n ? arrive(server, fid, number, path) : 0;
}

static int do_clunk(struct p9_server *server, struct p9_request *request)
{
    struct p9_fid *const fid = p9_find(server, p9_get32(request));

    if (fid == NULL) {
        return EBADF;
    }
    p9_forget(server, fid);
    return 0;
}

/* --- Messages ----------------------------------------------------------------------------------------------------------------- */

struct message {
    p9_handler *handler;
    bool changes; /* refused when the share is read-only; lopen and lcreate look themselves */
};

#define TVERSION 100
#define TWRITE   118
#define WRITE_IN 16u /* what lies before the data */

// clang-format off
static const struct message messages[128] = {
    [8]   = {p9_statfs,     false},
    [12]  = {p9_lopen,      false},
    [14]  = {p9_lcreate,    true},
    [16]  = {p9_symlink,    true},
    [18]  = {p9_mknod,      true},
    [20]  = {p9_rename,     true},
    [22]  = {p9_readlink,   false},
    [24]  = {p9_getattr,    false},
    [26]  = {p9_setattr,    true},
    [30]  = {not_supported, false}, /* xattrwalk */
    [32]  = {not_supported, false}, /* xattrcreate */
    [40]  = {p9_readdir,    false},
    [50]  = {p9_fsync,      false},
    [52]  = {p9_lock,       false},
    [54]  = {p9_getlock,    false},
    [70]  = {p9_link,       true},
    [72]  = {p9_mkdir,      true},
    [74]  = {p9_renameat,   true},
    [76]  = {p9_unlinkat,   true},
    [TVERSION] = {do_version, false},
    [102] = {not_supported, false}, /* auth: none is needed */
    [104] = {do_attach,     false},
    [108] = {do_nothing,    false}, /* flush */
    [110] = {do_walk,       false},
    [116] = {p9_read,       false},
    [TWRITE] = {p9_write,   true},
    [120] = {do_clunk,      false},
    [122] = {p9_remove,     false}, /* its fid goes even when it fails: it looks itself */
};
// clang-format on

static int handle(struct p9_server *server, struct p9_request *request)
{
    const struct message *const message = request->type < 128 ? &messages[request->type]
                                                              : &messages[0];

    if (message->handler == NULL) {
        return EOPNOTSUPP;
    }
    if (server->msize == 0 && request->type != TVERSION) {
        return EPROTO;
    }
    if (message->changes && server->read_only) {
        return EROFS;
    }
    if (request->size > (server->msize != 0 ? server->msize : P9_MIN_MSIZE)) {
        return EMSGSIZE;
    }
    const uint32_t in_size = request->type == TWRITE && request->size > P9_HEADER + WRITE_IN
                                 ? WRITE_IN
                                 : request->size - P9_HEADER;
    if (in_size > sizeof(server->in)) {
        return EMSGSIZE;
    }
    virtq_read(request->chain, P9_HEADER, server->in, in_size);
    request->in_left = in_size;
    const int error = message->handler(server, request);
    return error != 0 ? error : request->full ? EMSGSIZE : 0;
}

/* The frame around it: size, type, tag. */
static uint32_t answer(const struct p9_request *request, uint8_t type)
{
    const uint32_t size = P9_HEADER + (uint32_t)request->out_size + request->data_size;
    uint8_t header[P9_HEADER];

    memcpy(header, &size, 4);
    header[4] = type;
    memcpy(header + 5, &request->tag, 2);
    virtq_write(request->chain, 0, header, sizeof(header));
    virtq_write(request->chain, P9_HEADER, request->out, request->out_size);
    return size;
}

uint32_t p9_serve(struct p9_server *server, const struct virtq_chain *chain)
{
    struct p9_request request = {.chain = chain, .in = server->in, .out = server->out};
    uint8_t header[P9_HEADER];

    if (virtq_read(chain, 0, header, sizeof(header)) != sizeof(header) ||
        chain->writable_bytes < P9_HEADER + 4) {
        return 0;
    }
    memcpy(&request.size, header, 4);
    request.type = header[4];
    memcpy(&request.tag, header + 5, 2);
    if (request.size < P9_HEADER || request.size > chain->readable_bytes) {
        return 0;
    }
    const uint32_t msize = server->msize != 0 ? server->msize : P9_MIN_MSIZE,
                   room = (chain->writable_bytes < msize ? chain->writable_bytes : msize) -
                          P9_HEADER;
    request.out_room = room < sizeof(server->out) ? room : sizeof(server->out);
    const int error = handle(server, &request);
    if (error != 0) {
        request.out_size = request.data_size = 0;
        request.full = false;
        p9_put(&request, (uint32_t)error, 4);
        return answer(&request, RLERROR);
    }
    return answer(&request, (uint8_t)(request.type + 1));
}

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

/* Others need descriptors too. */
static unsigned max_open(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 2 >= MAX_OPEN) {
        return MAX_OPEN;
    }
    return (unsigned)limit.rlim_cur / 2;
}

static bool check_tag(const struct p9_config *config)
{
    const size_t size = strlen(config->tag);
    bool ok = size >= 1 && size <= MAX_TAG;

    for (size_t i = 0; ok && i < size; i++) {
        ok = config->tag[i] > ' ' && config->tag[i] < 127 && config->tag[i] != ',';
    }
    if (!ok) {
        board_warn("share '%s': the tag '%s' is not 1 to %u visible characters without a comma",
                   config->path, config->tag, MAX_TAG);
    }
    return ok;
}

struct p9_server *p9_create(const struct p9_config *config)
{
    struct stat st;

    if (!check_tag(config)) {
        return NULL;
    }
    const int root = open(config->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || fstat(root, &st) != 0 || faccessat(root, ".", R_OK | X_OK, 0) != 0) {
        board_warn("share '%s': %s; a directory that can be read is wanted", config->path,
                   strerror(errno));
        if (root >= 0) {
            close(root);
        }
        return NULL;
    }
    struct p9_server *const server = calloc(1, sizeof(*server));
    if (server == NULL) {
        board_warn("share '%s': %s", config->path, strerror(ENOMEM));
        close(root);
        return NULL;
    }
    server->root = root;
    server->device = st.st_dev;
    server->read_only = config->read_only;
    server->max_open = max_open();
    return server;
}

void p9_reset(struct p9_server *server)
{
    p9_forget_all(server);
    server->msize = 0;
}

void p9_destroy(struct p9_server *server)
{
    if (server != NULL) {
        p9_forget_all(server);
        close(server->root);
        free(server);
    }
}
