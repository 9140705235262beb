/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "decompress.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

/* Room for more output: doubled, up to limit and one byte, which shows that there is more than limit. */
static enum decompress_result grow(struct loader_file *out, size_t *room, uint64_t limit)
{
    size_t more = *room == 0 ? 1u << 20 : *room * 2;

    if (*room > limit) {
        return DECOMPRESS_TOO_LARGE;
    }
    if (more > limit) {
        more = (size_t)limit + 1;
    }
    uint8_t *const bytes = realloc(out->bytes, more);
    if (bytes == NULL) {
        return DECOMPRESS_NO_MEMORY;
    }
    out->bytes = bytes;
    *room = more;
    return DECOMPRESS_OK;
}

static enum decompress_result finish(enum decompress_result result, struct loader_file *from,
                                     uint64_t limit, struct loader_file *out)
{
    if (result == DECOMPRESS_OK && from->size > limit) {
        result = DECOMPRESS_TOO_LARGE;
    }
    if (result == DECOMPRESS_OK) {
        *out = *from;
    } else {
        free(from->bytes);
    }
    return result;
}

static unsigned at_most(size_t n)
{
    return n > INT_MAX ? INT_MAX : (unsigned)n;
}

enum decompress_result decompress_gzip(const uint8_t *in, size_t size, uint64_t limit,
                                       struct loader_file *out)
{
    struct loader_file made = {0};
    z_stream stream = {0};
    size_t room = 0, used = 0;
    enum decompress_result result = DECOMPRESS_OK;

    if (size < 3 || in[0] != 0x1f || in[1] != 0x8b) {
        return DECOMPRESS_OTHER;
    }
    if (inflateInit2(&stream, 15 + 16) != Z_OK) {
        return DECOMPRESS_NO_MEMORY;
    }
    for (;;) {
        if (made.size == room) {
            result = grow(&made, &room, limit);
            if (result != DECOMPRESS_OK) {
                break;
            }
        }
        const unsigned given = at_most(size - used), asked = at_most(room - made.size);
        stream.next_in = (Bytef *)(uintptr_t)(in + used); /* zlib only reads it */
        stream.avail_in = given;
        stream.next_out = made.bytes + made.size;
        stream.avail_out = asked;
        const int status = inflate(&stream, Z_NO_FLUSH);
        used += given - stream.avail_in;
        made.size += asked - stream.avail_out;
        if (status == Z_STREAM_END) {
            break;
        }
        if (status != Z_OK && status != Z_BUF_ERROR) {
            result = status == Z_MEM_ERROR ? DECOMPRESS_NO_MEMORY : DECOMPRESS_CORRUPT;
            break;
        }
        if (used == size && stream.avail_out != 0) {
            result = DECOMPRESS_CUT;
            break;
        }
    }
    inflateEnd(&stream);
    return finish(result, &made, limit, out);
}

enum decompress_result decompress_zstd(const uint8_t *in, size_t size, uint64_t limit,
                                       struct loader_file *out)
{
    static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    struct loader_file made = {0};
    ZSTD_inBuffer input = {.src = in, .size = size};
    size_t room = 0;
    enum decompress_result result = DECOMPRESS_OK;

    if (size < sizeof(magic) || memcmp(in, magic, sizeof(magic)) != 0) {
        return DECOMPRESS_OTHER;
    }
    ZSTD_DCtx *const context = ZSTD_createDCtx();
    if (context == NULL) {
        return DECOMPRESS_NO_MEMORY;
    }
    /* What kernels are made with (zstd -22) has windows of 128 MiB. */
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27);
    for (;;) {
        if (made.size == room) {
            result = grow(&made, &room, limit);
            if (result != DECOMPRESS_OK) {
                break;
            }
        }
        ZSTD_outBuffer output = {.dst = made.bytes, .size = room, .pos = made.size};
        const size_t status = ZSTD_decompressStream(context, &output, &input);
        made.size = output.pos;
        if (ZSTD_isError(status)) {
            result = DECOMPRESS_CORRUPT;
            break;
        }
        if (status == 0) {
            break;
        }
        if (input.pos == size && made.size < room) {
            result = DECOMPRESS_CUT;
            break;
        }
    }
    ZSTD_freeDCtx(context);
    return finish(result, &made, limit, out);
}
