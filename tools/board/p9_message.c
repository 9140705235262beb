/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Numbers, strings and qids in messages: little-endian, a string behind its length in 16 bits. */
#include <errno.h>
#include <string.h>

#include "p9_internal.h"

#define QID_DIRECTORY 0x80u
#define QID_SYMLINK   0x02u

uint64_t p9_get(struct p9_request *request, unsigned size)
{
    uint64_t value = 0;

    if (request->in_left < size) {
        request->bad = true;
        request->in_left = 0;
        return 0;
    }
    memcpy(&value, request->in, size);
    request->in += size;
    request->in_left -= size;
    return value;
}

/* A string where it lies; the size is 0 after an error. */
static const char *get_text(struct p9_request *request, size_t *size)
{
    *size = p9_get16(request);
    if (*size > request->in_left) {
        request->bad = true;
        request->in_left = *size = 0;
    }
    const char *const text = (const char *)request->in;
    request->in += *size;
    request->in_left -= *size;
    if (memchr(text, '\0', *size) != NULL) {
        request->bad = true;
        *size = 0;
    }
    return text;
}

void p9_get_string(struct p9_request *request, char *text, size_t size)
{
    size_t n;
    const char *const found = get_text(request, &n);

    if (n >= size) {
        request->bad = true;
        n = 0;
    }
    memcpy(text, found, n);
    text[n] = '\0';
}

int p9_get_name(struct p9_request *request, char name[P9_NAME])
{
    size_t n;
    const char *const found = get_text(request, &n);

    name[0] = '\0';
    if (n > NAME_MAX) {
        return ENAMETOOLONG;
    }
    if (memchr(found, '/', n) != NULL) {
        return EINVAL;
    }
    memcpy(name, found, n);
    name[n] = '\0';
    return request->bad ? EINVAL : n == 0 ? ENOENT : 0;
}

void p9_put(struct p9_request *request, uint64_t value, unsigned size)
{
    if (request->out_room - request->out_size < size) {
        request->full = true;
        return;
    }
    memcpy(request->out + request->out_size, &value, size);
    request->out_size += size;
}

void p9_put_string(struct p9_request *request, const char *text, size_t size)
{
    p9_put(request, size, 2);
    if (request->full || size > UINT16_MAX || request->out_room - request->out_size < size) {
        request->full = true;
        return;
    }
    memcpy(request->out + request->out_size, text, size);
    request->out_size += size;
}

/* Inode numbers repeat where another file system is mounted below the folder. */
static uint64_t file_number(const struct p9_server *server, const struct stat *st)
{
    const uint64_t other = st->st_dev - server->device;

    return st->st_ino ^ (other * 0x9e3779b97f4a7c15ull & 0xffffffff00000000ull);
}

void p9_put_qid(struct p9_request *request, const struct p9_server *server, const struct stat *st)
{
    const unsigned type = S_ISDIR(st->st_mode)   ? QID_DIRECTORY
                          : S_ISLNK(st->st_mode) ? QID_SYMLINK
                                                 : 0;

    p9_put(request, type, 1);
    /* The version changes with the content, as far as the host tells. */
    p9_put(request,
           (uint32_t)(st->st_mtim.tv_sec * 1000003 ^ st->st_mtim.tv_nsec ^ st->st_size * 31), 4);
    p9_put(request, file_number(server, st), 8);
}
