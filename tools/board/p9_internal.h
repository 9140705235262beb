/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Between the files of the 9P server. A handler answers 0 or an errno value of Linux, which is what the protocol carries. */
#ifndef BOARD_P9_INTERNAL_H
#define BOARD_P9_INTERNAL_H

#include <limits.h>
#include <stddef.h>
#include <sys/stat.h>

#include "p9.h"
#include "virtqueue.h"

#define P9_HEADER    7u
#define P9_MIN_MSIZE 4096u
#define P9_MAX_MSIZE (512u << 10)
#define P9_NOFID     UINT32_MAX
#define P9_NOTAG     UINT16_MAX
#define P9_MAX_WALK  16u
#define P9_NAME      (NAME_MAX + 1)

#define P9_IN_SIZE \
    16384u /* of a message without the data of a write: 16 names, or a name and a target */
#define P9_OUT_SIZE 65536u /* of an answer without the data of a read */

/* --- Fids --------------------------------------------------------------------------------------------------------------------- */

/* A file of the session, by the guest's number. */
struct p9_fid {
    uint32_t number;
    struct p9_fid *next;
    char *path; /* names under the folder, with '/' between them; "" is the folder */
    int fd;     /* of an open one, else -1 */
};

#define P9_BUCKETS 1024u

struct p9_server {
    int root; /* O_PATH */
    dev_t device;
    bool read_only;
    uint32_t msize; /* 0: no version agreed on yet */
    unsigned n_fids, n_open, max_open;
    size_t path_bytes;
    struct p9_fid *buckets[P9_BUCKETS];
    uint8_t in[P9_IN_SIZE], out[P9_OUT_SIZE];
    uint8_t entries[32768] __attribute__((aligned(8))); /* of a directory */
    struct iovec pieces[VIRTQ_MAX_SEGMENTS];
};

struct p9_fid *p9_find(struct p9_server *server, uint32_t number);
/* A new fid; path is copied. */
int p9_add(struct p9_server *server, uint32_t number, const char *path, struct p9_fid **fid);
int p9_set_path(struct p9_server *server, struct p9_fid *fid, const char *path);
void p9_forget(struct p9_server *server, struct p9_fid *fid);
void p9_forget_all(struct p9_server *server);
/* The fid takes fd, which is closed after an error. */
int p9_set_open(struct p9_server *server, struct p9_fid *fid, int fd);
/* What was at `from`, or below, is now at `to`. */
void p9_moved(struct p9_server *server, const char *from, const char *to);

/* --- Places ------------------------------------------------------------------------------------------------------------------- */

/* A name in an open directory, for the ...at() functions. The folder itself is "." in itself. */
struct p9_place {
    int directory; /* O_PATH */
    char name[P9_NAME];
};

/* path and, unless NULL, name below it, as one path. */
int p9_join(char joined[PATH_MAX], const char *path, const char *name);
/* The directory above: "" stays "". */
void p9_parent(char *path);
int p9_find_place(const struct p9_server *server, const char *path, struct p9_place *place);
/* The same for `name` in the directory of a fid. */
int p9_find_child(struct p9_server *server, uint32_t fid, const char *name, struct p9_place *place);
void p9_leave(const struct p9_server *server, struct p9_place *place);
int p9_stat_path(const struct p9_server *server, const char *path, struct stat *st);
/* Of an open fid the open file, which may have no name any more. */
int p9_stat(const struct p9_server *server, const struct p9_fid *fid, struct stat *st);

/* --- Messages ----------------------------------------------------------------------------------------------------------------- */

struct p9_request {
    const struct virtq_chain *chain;
    uint8_t type;
    uint16_t tag;
    uint32_t size; /* as the message says */
    const uint8_t *in;
    size_t in_left;
    bool bad; /* something was missing or no string */
    uint8_t *out;
    size_t out_size, out_room; /* the answer behind its header */
    bool full;                 /* it did not fit */
    uint32_t data_size;        /* of a read: already in the chain, behind `out` */
};

uint64_t p9_get(struct p9_request *request, unsigned size);
static inline uint8_t p9_get8(struct p9_request *request)
{
    return (uint8_t)p9_get(request, 1);
}
static inline uint16_t p9_get16(struct p9_request *request)
{
    return (uint16_t)p9_get(request, 2);
}
static inline uint32_t p9_get32(struct p9_request *request)
{
    return (uint32_t)p9_get(request, 4);
}
static inline uint64_t p9_get64(struct p9_request *request)
{
    return p9_get(request, 8);
}
/* A string of at most size - 1 bytes without NUL. */
void p9_get_string(struct p9_request *request, char *text, size_t size);
/* A name in a directory. Its error is not the message's: ENAMETOOLONG, EINVAL or, when nothing can have such a name, ENOENT. */
int p9_get_name(struct p9_request *request, char name[P9_NAME]);

void p9_put(struct p9_request *request, uint64_t value, unsigned size);
void p9_put_string(struct p9_request *request, const char *text, size_t size);
void p9_put_qid(struct p9_request *request, const struct p9_server *server, const struct stat *st);

/* --- Handlers ----------------------------------------------------------------------------------------------------------------- */

typedef int p9_handler(struct p9_server *server, struct p9_request *request);

p9_handler p9_lopen, p9_lcreate, p9_read, p9_write, p9_readdir, p9_fsync, p9_lock, p9_getlock;
p9_handler p9_statfs, p9_symlink, p9_mknod, p9_rename, p9_readlink, p9_getattr, p9_setattr, p9_link,
    p9_mkdir, p9_renameat, p9_unlinkat, p9_remove;

#endif
