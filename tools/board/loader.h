/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reads what a guest starts from. Files come from anywhere: every field is checked before it is used. */
#ifndef BOARD_LOADER_H
#define BOARD_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why something could not be loaded: the file, the field, the remedy. */
struct loader_error {
    char text[512];
};

struct loader_file {
    uint8_t *bytes; /* free with loader_free() */
    size_t size;
};

/* An uncompressed arm64 Image. */
struct loader_kernel {
    struct loader_file file;
    uint64_t text_offset; /* from a place aligned to 2 MiB */
    uint64_t image_size;  /* memory it needs from there on, more than the file */
    unsigned page_bits;   /* 12, 14, 16; 0: the header does not say */
};

/* The bytes of a file of at most limit bytes. False: *error says why. */
bool loader_read(struct loader_file *file, const char *path, uint64_t limit,
                 struct loader_error *error);
/* A kernel: an Image as it is, in gzip or zstd, or in an EFI zboot image with one of the two. limit: the guest's RAM. */
bool loader_kernel(struct loader_kernel *kernel, const char *path, uint64_t limit,
                   struct loader_error *error);
/* The same of bytes in memory, which it takes; path is for messages. */
bool loader_kernel_bytes(struct loader_kernel *kernel, struct loader_file file, const char *path,
                         uint64_t limit, struct loader_error *error);
void loader_free(struct loader_file *file);

#endif
