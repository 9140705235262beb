/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BOARD_DECOMPRESS_H
#define BOARD_DECOMPRESS_H

#include "loader.h"

enum decompress_result {
    DECOMPRESS_OK,
    DECOMPRESS_OTHER, /* not this format */
    DECOMPRESS_CUT,   /* the input ends too early */
    DECOMPRESS_CORRUPT,
    DECOMPRESS_TOO_LARGE, /* more than limit bytes */
    DECOMPRESS_NO_MEMORY
};

/* The first gzip member or zstd frame of in; what follows it is ignored. *out is written on DECOMPRESS_OK only. */
enum decompress_result decompress_gzip(const uint8_t *in, size_t size, uint64_t limit,
                                       struct loader_file *out);
enum decompress_result decompress_zstd(const uint8_t *in, size_t size, uint64_t limit,
                                       struct loader_file *out);

#endif
