/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Formats: Linux, Documentation/arch/arm64/booting.rst (Image); drivers/firmware/efi/libstub, "zboot" (EFI zboot); Microsoft PE Format
 * (the section table of an Image that is an EFI program too, which tells how long the file must be).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decompress.h"

#define MIB (1u << 20)

static bool fail(struct loader_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct loader_error *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return false;
}

void loader_free(struct loader_file *file)
{
    free(file->bytes);
    *file = (struct loader_file){0};
}

/* --- Files -------------------------------------------------------------------------------------------------------------------- */

bool loader_read(struct loader_file *file, const char *path, uint64_t limit,
                 struct loader_error *error)
{
    FILE *const stream = fopen(path, "rb");
    struct loader_file read = {0};
    size_t room = 0;
    bool ok = false;

    if (stream == NULL) {
        return fail(error, "%s: %s", path, strerror(errno));
    }
    for (;;) {
        if (read.size == room) {
            room = room == 0 ? MIB : room * 2;
            uint8_t *const more = realloc(read.bytes, room);
            if (more == NULL) {
                fail(error, "%s: out of memory after %zu bytes", path, read.size);
                break;
            }
            read.bytes = more;
        }
        const size_t n = fread(read.bytes + read.size, 1, room - read.size, stream);
        read.size += n;
        if (read.size > limit) {
            fail(error, "%s: larger than the %llu MiB of RAM; --memory makes it more", path,
                 (unsigned long long)(limit / MIB));
            break;
        }
        if (n == 0) {
            ok = ferror(stream) == 0 || fail(error, "%s: %s", path, strerror(errno));
            break;
        }
    }
    fclose(stream);
    if (ok && read.size == 0) {
        ok = fail(error, "%s: the file is empty", path);
    }
    if (ok) {
        *file = read;
    } else {
        free(read.bytes);
    }
    return ok;
}

/* Little-endian fields; false outside the file. */
static bool field(const struct loader_file *file, uint64_t offset, unsigned size, uint64_t *value)
{
    if (offset > file->size || size > file->size - offset) {
        return false;
    }
    *value = 0;
    for (unsigned i = size; i-- > 0;) {
        *value = *value << 8 | file->bytes[offset + i];
    }
    return true;
}

static uint64_t get(const struct loader_file *file, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    field(file, offset, size, &value);
    return value;
}

static bool starts_with(const struct loader_file *file, uint64_t offset, const char *text)
{
    const size_t length = strlen(text);

    return offset <= file->size && length <= file->size - offset &&
           memcmp(file->bytes + offset, text, length) == 0;
}

/* --- Compressed kernels ------------------------------------------------------------------------------------------------------- */

typedef enum decompress_result decompressor(const uint8_t *in, size_t size, uint64_t limit,
                                            struct loader_file *out);

static bool explain(enum decompress_result result, const char *what, const char *path,
                    uint64_t limit, struct loader_error *error)
{
    switch (result) {
    case DECOMPRESS_OTHER:
        return fail(error, "%s: the %s data does not begin as such; fetch or make the file again",
                    path, what);
    case DECOMPRESS_CUT:
        return fail(error, "%s: the %s data ends too early: the file is cut short; fetch it again",
                    path, what);
    case DECOMPRESS_CORRUPT:
        return fail(error, "%s: the %s data is damaged; fetch or make the file again", path, what);
    case DECOMPRESS_TOO_LARGE:
        return fail(
            error,
            "%s: unpacked (%s) it is larger than the %llu MiB of RAM; --memory makes it more", path,
            what, (unsigned long long)(limit / MIB));
    default:
        return fail(error, "%s: out of memory for unpacking (%s)", path, what);
    }
}

/* Replaces *file with what size bytes at offset unpack to. */
static bool unpack(struct loader_file *file, decompressor *function, uint64_t offset, uint64_t size,
                   const char *what, const char *path, uint64_t limit, struct loader_error *error)
{
    struct loader_file out;
    const enum decompress_result result = function(file->bytes + offset, (size_t)size, limit, &out);

    if (result != DECOMPRESS_OK) {
        return explain(result, what, path, limit, error);
    }
    loader_free(file);
    *file = out;
    return true;
}

static bool unpack_zboot(struct loader_file *file, const char *path, uint64_t limit,
                         struct loader_error *error)
{
    const uint64_t offset = get(file, 8, 4), size = get(file, 12, 4);
    char type[33] = "";

    if (file->size < 64) {
        return fail(
            error,
            "%s: an EFI zboot image of %zu bytes, shorter than its header: cut short; fetch it again",
            path, file->size);
    }
    memcpy(type, file->bytes + 24, 32);
    for (char *c = type; *c != '\0'; c++) {
        *c = *c >= ' ' && *c <= '~' ? *c : '?';
    }
    if (offset > file->size || size > file->size - offset) {
        return fail(
            error,
            "%s: EFI zboot: the payload (offset 0x%llx, size 0x%llx) is not inside the file of 0x%zx bytes: cut short; fetch it again",
            path, (unsigned long long)offset, (unsigned long long)size, file->size);
    }
    if (strcmp(type, "gzip") == 0) {
        return unpack(file, decompress_gzip, offset, size, "EFI zboot, gzip", path, limit, error);
    }
    if (strncmp(type, "zstd", 4) == 0) {
        return unpack(file, decompress_zstd, offset, size, "EFI zboot, zstd", path, limit, error);
    }
    return fail(
        error,
        "%s: EFI zboot: the compression type is \"%s\"; gzip and zstd are understood: unpack it to an Image",
        path, type);
}

/* --- Image -------------------------------------------------------------------------------------------------------------------- */

/* What a file is that is no Image, as people do give. */
static bool fail_format(const struct loader_file *file, const char *path,
                        struct loader_error *error)
{
    static const struct {
        uint64_t offset;
        const char *magic, *text;
    } known[] = {
        {0,
         "\x7f"
         "ELF",
         "an ELF file (vmlinux); give the Image made from it, arch/arm64/boot/Image"},
        {0x202, "HdrS", "an x86 kernel (bzImage); give an arm64 one"},
        {0, "\x27\x05\x19\x56", "a U-Boot uImage; give the plain Image"},
        {0, "\xd0\x0d\xfe\xed", "a device tree or FIT image; give the plain Image"},
        {0,
         "\xfd"
         "7zXZ",
         "compressed with xz; unpack it with xz -d"},
        {0, "BZh", "compressed with bzip2; unpack it with bzip2 -d"},
        {0, "\x02\x21\x4c\x18", "compressed with lz4; unpack it with lz4 -d"},
        {0, "!<arch>", "a Debian package; give the kernel in it, see `make linux`"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (starts_with(file, known[i].offset, known[i].magic)) {
            return fail(error, "%s: not an arm64 kernel Image but %s", path, known[i].text);
        }
    }
    return fail(
        error,
        "%s: not an arm64 kernel Image: byte 56 is not \"ARM\\x64\" (magic); give an Image, plain, in gzip or zstd, or an EFI zboot image",
        path);
}

/* An Image that is an EFI program has a table of what must be in the file. */
static bool check_sections(const struct loader_file *file, const char *path,
                           struct loader_error *error)
{
    const uint64_t pe = get(file, 60, 4);
    uint64_t sections, optional;

    if (!starts_with(file, 0, "MZ")) {
        return true;
    }
    if (!field(file, pe + 6, 2, &sections) || !field(file, pe + 20, 2, &optional) ||
        memcmp(file->bytes + pe, "PE\0", 4) != 0) {
        return fail(
            error,
            "%s: no PE header at 0x%llx, where the EFI program's header says: damaged; fetch or make the file again",
            path, (unsigned long long)pe);
    }
    for (uint64_t i = 0; i < sections; i++) {
        const uint64_t row = pe + 24 + optional + i * 40;
        uint64_t size, start;
        if (!field(file, row + 16, 4, &size) || !field(file, row + 20, 4, &start) ||
            start + size > file->size) {
            return fail(
                error,
                "%s: section %llu of the EFI program is not inside the file of 0x%zx bytes: cut short; fetch it again",
                path, (unsigned long long)i, file->size);
        }
    }
    return true;
}

static bool check_image(struct loader_kernel *kernel, const char *path, uint64_t limit,
                        struct loader_error *error)
{
    const struct loader_file *const file = &kernel->file;
    const uint64_t text_offset = get(file, 8, 8), image_size = get(file, 16, 8),
                   flags = get(file, 24, 8);

    if (!starts_with(file, 56, "ARM\x64") || file->size < 64) {
        return fail_format(file, path, error);
    }
    if (image_size == 0) {
        return fail(
            error,
            "%s: image_size (byte 16) is 0: a kernel before Linux 3.17, which cannot be placed; give a later one",
            path);
    }
    if ((flags & 1) != 0) {
        return fail(
            error,
            "%s: flags (byte 24) say big-endian; build the kernel with CONFIG_CPU_LITTLE_ENDIAN",
            path);
    }
    if (text_offset >= 2 * MIB || text_offset % 4096 != 0) {
        return fail(
            error,
            "%s: text_offset (byte 8) is 0x%llx, not a multiple of 4 KiB below 2 MiB: damaged; fetch or make the file again",
            path, (unsigned long long)text_offset);
    }
    if (!check_sections(file, path, error)) {
        return false;
    }
    kernel->text_offset = text_offset;
    /* What follows the Image, such as a signature, is loaded too: it does no harm. */
    kernel->image_size = image_size > file->size ? image_size : file->size;
    kernel->page_bits = (flags >> 1 & 3) == 0 ? 0 : 10 + 2 * (unsigned)(flags >> 1 & 3);
    if (kernel->image_size > limit) {
        return fail(
            error,
            "%s: image_size (byte 16) is %llu MiB, more than the %llu MiB of RAM; --memory makes it more",
            path, (unsigned long long)(kernel->image_size / MIB),
            (unsigned long long)(limit / MIB));
    }
    return true;
}

static bool unpack_kernel(struct loader_file *file, const char *path, uint64_t limit,
                          struct loader_error *error)
{
    /* A zboot image or a gzip'd Image; once more, as people gzip what is packed already. */
    for (int level = 0; level < 2; level++) {
        if (starts_with(file, 0, "\x1f\x8b")) {
            if (!unpack(file, decompress_gzip, 0, file->size, "gzip", path, limit, error)) {
                return false;
            }
        } else if (starts_with(file, 0, "\x28\xb5\x2f\xfd")) {
            if (!unpack(file, decompress_zstd, 0, file->size, "zstd", path, limit, error)) {
                return false;
            }
        } else if (starts_with(file, 0, "MZ") && starts_with(file, 4, "zimg")) {
            if (!unpack_zboot(file, path, limit, error)) {
                return false;
            }
        } else {
            break;
        }
    }
    return true;
}

bool loader_kernel_bytes(struct loader_kernel *kernel, struct loader_file file, const char *path,
                         uint64_t limit, struct loader_error *error)
{
    *kernel = (struct loader_kernel){.file = file};
    if (!unpack_kernel(&kernel->file, path, limit, error) ||
        !check_image(kernel, path, limit, error)) {
        loader_free(&kernel->file);
        return false;
    }
    return true;
}

bool loader_kernel(struct loader_kernel *kernel, const char *path, uint64_t limit,
                   struct loader_error *error)
{
    struct loader_file file;

    return loader_read(&file, path, limit, error) &&
           loader_kernel_bytes(kernel, file, path, limit, error);
}
