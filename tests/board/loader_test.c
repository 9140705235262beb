/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Kernels, good and damaged ones, and what is said about them. */
#include "loader.h"

#include <stdint.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "rig.h"

#define RAM   (64ull << 20)
#define IMAGE 0x3000u /* bytes of the image that the tests start from */

static uint8_t image[IMAGE];
static struct loader_kernel kernel;
static struct loader_error error;

static void put_le(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

/* An Image that is an EFI program of two sections, as Debian's is. */
static void make_image(void)
{
    memset(image, 0, sizeof(image));
    memcpy(image, "MZ\x40\xfa", 4);
    put_le(image + 16, 0x5000, 8);
    put_le(image + 24, 0xa, 8); /* 4 KiB pages, anywhere */
    memcpy(image + 56, "ARM\x64", 4);
    put_le(image + 60, 0x40, 4);
    memcpy(image + 0x40, "PE\0", 4);
    put_le(image + 0x46, 2, 2);
    put_le(image + 0x54, 0xa0, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *const row = image + 0x40 + 24 + 0xa0 + i * 40;
        put_le(row + 16, 0x1000, 4);
        put_le(row + 20, 0x1000 + i * 0x1000, 4);
    }
    for (unsigned i = 0x1000; i < IMAGE; i++) {
        image[i] = (uint8_t)(i * 7 ^ i >> 5);
    }
}

static struct loader_file copy(const void *bytes, size_t size)
{
    struct loader_file file = {.bytes = malloc(size == 0 ? 1 : size), .size = size};

    NEED(file.bytes != NULL);
    memcpy(file.bytes, bytes, size);
    return file;
}

static bool load(struct loader_file file, uint64_t limit)
{
    error.text[0] = '\0';
    return loader_kernel_bytes(&kernel, file, "k", limit, &error);
}

static struct loader_file gzip(const void *bytes, size_t size)
{
    struct loader_file out = {.bytes = malloc(size + 1024), .size = size + 1024};
    z_stream stream = {0};

    NEED(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)bytes;
    stream.avail_in = (unsigned)size;
    stream.next_out = out.bytes;
    stream.avail_out = (unsigned)out.size;
    NEED(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.size = stream.total_out;
    deflateEnd(&stream);
    return out;
}

static struct loader_file zstd(const void *bytes, size_t size)
{
    struct loader_file out = {.bytes = malloc(ZSTD_compressBound(size)),
                              .size = ZSTD_compressBound(size)};

    out.size = ZSTD_compress(out.bytes, out.size, bytes, size, 3);
    NEED(!ZSTD_isError(out.size));
    return out;
}

static struct loader_file zboot(const char *type, struct loader_file payload)
{
    struct loader_file out = {.bytes = calloc(1, 0x200 + payload.size + 4),
                              .size = 0x200 + payload.size + 4};

    NEED(out.bytes != NULL);
    memcpy(out.bytes, "MZ\0\0zimg", 8);
    put_le(out.bytes + 8, 0x200, 4);
    put_le(out.bytes + 12, payload.size, 4);
    memcpy(out.bytes + 24, type, strlen(type) + 1);
    memcpy(out.bytes + 0x200, payload.bytes, payload.size);
    loader_free(&payload);
    return out;
}

static void expect_image(struct loader_file file)
{
    const bool ok = load(file, RAM);

    EXPECT(ok);
    if (ok) {
        EXPECT_EQ(kernel.file.size, IMAGE);
        EXPECT(memcmp(kernel.file.bytes, image, IMAGE) == 0);
        EXPECT_EQ(kernel.image_size, 0x5000);
        EXPECT_EQ(kernel.text_offset, 0);
        EXPECT_EQ(kernel.page_bits, 12);
        loader_free(&kernel.file);
    } else {
        printf("# %s\n", error.text);
    }
}

static void expect_error(struct loader_file file, uint64_t limit, const char *text)
{
    const bool ok = load(file, limit);

    EXPECT(!ok);
    EXPECT(strstr(error.text, text) != NULL);
    if (ok) {
        loader_free(&kernel.file);
    } else if (strstr(error.text, text) == NULL) {
        printf("# \"%s\" does not say \"%s\"\n", error.text, text);
    }
}

TEST(formats)
{
    make_image();
    expect_image(copy(image, IMAGE));
    expect_image(gzip(image, IMAGE));
    expect_image(zstd(image, IMAGE));
    expect_image(zboot("gzip", gzip(image, IMAGE)));
    expect_image(zboot("zstd", zstd(image, IMAGE)));
    expect_image(zboot("zstd22", zstd(image, IMAGE)));
    struct loader_file packed = zboot("gzip", gzip(image, IMAGE));
    expect_image(zstd(packed.bytes, packed.size)); /* packed twice */
    loader_free(&packed);
}

TEST(a_signature_behind_the_image)
{
    uint8_t longer[IMAGE + 100] = {0};

    make_image();
    memcpy(longer, image, IMAGE);
    EXPECT(load(copy(longer, sizeof(longer)), RAM));
    EXPECT_EQ(kernel.image_size, 0x5000);
    EXPECT_EQ(kernel.file.size, IMAGE + 100);
    loader_free(&kernel.file);
}

TEST(fields)
{
    static const struct {
        unsigned offset, size;
        uint64_t value;
        const char *text;
    } rows[] = {
        {56, 1, 'X', "byte 56"},
        {16, 8, 0, "image_size (byte 16) is 0"},
        {16, 8, 65ull << 20, "--memory"},
        {16, 8, UINT64_MAX, "--memory"},
        {24, 8, 0xb, "big-endian"},
        {8, 8, 0x200000, "text_offset"},
        {8, 8, UINT64_MAX - 0xfff, "text_offset"},
        {8, 8, 0x801, "text_offset"},
        {60, 4, 0xffffffff, "PE header"},
        {60, 4, IMAGE - 2, "PE header"},
        {0x40, 1, 'Q', "PE header"},
        {0x46, 2, 0xffff, "section"},
        {0x54, 2, 0xffff, "section"},
        {0x40 + 24 + 0xa0 + 16, 4, 0x10000, "section 0"},
        {0x40 + 24 + 0xa0 + 40 + 20, 4, 0xfffffff0, "section 1"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make_image();
        put_le(image + rows[i].offset, rows[i].value, rows[i].size);
        expect_error(copy(image, IMAGE), RAM, rows[i].text);
    }
}

TEST(pages)
{
    static const unsigned bits[4] = {0, 12, 14, 16};

    for (unsigned i = 0; i < 4; i++) {
        make_image();
        image[24] = (uint8_t)(8 | i << 1);
        EXPECT(load(copy(image, IMAGE), RAM));
        EXPECT_EQ(kernel.page_bits, bits[i]);
        loader_free(&kernel.file);
    }
}

/* At every length: a kernel that is whole, or a sentence about what is missing. */
TEST(cut_short)
{
    struct loader_file packed[] = {gzip(image, IMAGE), zstd(image, IMAGE),
                                   zboot("gzip", gzip(image, IMAGE)),
                                   zboot("zstd", zstd(image, IMAGE))};

    make_image();
    for (size_t size = 0; size < IMAGE; size += size < 0x200 ? 1 : 61) {
        expect_error(copy(image, size), RAM, "k: ");
    }
    for (unsigned i = 0; i < 4; i++) {
        /* zboot's payload is followed by four bytes that do not matter. */
        for (size_t size = 0; size < packed[i].size - (i < 2 ? 0 : 4);
             size += size < 0x200 ? 1 : 61) {
            expect_error(copy(packed[i].bytes, size), RAM, "k: ");
        }
        loader_free(&packed[i]);
    }
}

TEST(too_large)
{
    static uint8_t zeros[1 << 20];

    make_image();
    memcpy(zeros, image, IMAGE);
    expect_error(gzip(zeros, sizeof(zeros)), 0x80000, "--memory");
    expect_error(zstd(zeros, sizeof(zeros)), 0x80000, "--memory");
    expect_error(zboot("zstd", zstd(zeros, sizeof(zeros))), 0x80000, "--memory");
    EXPECT(load(gzip(zeros, sizeof(zeros)), sizeof(zeros)));
    loader_free(&kernel.file);
}

TEST(others)
{
    static const struct {
        const char *bytes;
        unsigned size;
        const char *text;
    } rows[] = {
        {"", 0, "byte 56"},
        {"\x7f"
         "ELF",
         4, "vmlinux"},
        {"\xfd"
         "7zXZ",
         6, "xz -d"},
        {"BZh91AY", 7, "bzip2 -d"},
        {"!<arch>\ndebian", 14, "Debian package"},
        {"MZ\0\0zimg", 8, "cut short"},
        {"\x1f\x8b", 2, "gzip"},
        {"\x28\xb5\x2f\xfd", 4, "zstd"},
    };
    uint8_t bzimage[0x400] = {0};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect_error(copy(rows[i].bytes, rows[i].size), RAM, rows[i].text);
    }
    memcpy(bzimage + 0x202, "HdrS", 4);
    expect_error(copy(bzimage, sizeof(bzimage)), RAM, "x86");
    make_image();
    expect_error(zboot("lzma", gzip(image, IMAGE)), RAM, "\"lzma\"");
    expect_error(zboot("0123456789012345678901234567890123456789", gzip(image, IMAGE)), RAM,
                 "compression type");
    expect_error(zboot("gzip", zstd(image, IMAGE)), RAM, "does not begin");
}

/* Anything at all: an answer, and no access outside the bytes, which the sanitizers watch. The sequence is always the same. */
TEST(damaged)
{
    uint64_t random = 0x9e3779b97f4a7c15;
    unsigned n_ok = 0, n_refused = 0;

    make_image();
    struct loader_file starts[] = {copy(image, IMAGE), gzip(image, IMAGE), zstd(image, IMAGE),
                                   zboot("gzip", gzip(image, IMAGE)),
                                   zboot("zstd", zstd(image, IMAGE))};
    for (unsigned i = 0; i < 5000; i++) {
        struct loader_file *const start = &starts[i % 5];
        struct loader_file file = copy(start->bytes, start->size);
        for (unsigned k = 0; k < 1 + i % 7; k++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            /* Half of the damage goes to the headers. */
            const size_t at = (size_t)(random >> 8) % ((random & 1) != 0 ? 0x140 : file.size);
            file.bytes[at % file.size] = (uint8_t)(random >> 56);
        }
        if (load(file, RAM)) {
            n_ok++;
            EXPECT(kernel.image_size <= RAM && kernel.image_size >= kernel.file.size);
            loader_free(&kernel.file);
        } else {
            n_refused++;
            EXPECT(error.text[0] != '\0');
        }
    }
    for (unsigned i = 0; i < 5; i++) {
        loader_free(&starts[i]);
    }
    EXPECT(n_ok > 100 && n_refused > 100);
}

TEST(files)
{
    char path[] = "loader-test-XXXXXX";
    struct loader_file file = {0};
    const int fd = mkstemp(path);

    NEED(fd >= 0);
    EXPECT(!loader_read(&file, path, RAM, &error) && strstr(error.text, "is empty") != NULL);
    NEED(write(fd, "hello", 5) == 5);
    EXPECT(loader_read(&file, path, RAM, &error));
    EXPECT_EQ(file.size, 5);
    loader_free(&file);
    EXPECT(!loader_read(&file, path, 4, &error) && strstr(error.text, "--memory") != NULL);
    close(fd);
    unlink(path);
    EXPECT(!loader_read(&file, path, RAM, &error) && strstr(error.text, "No such file") != NULL);
    EXPECT(!loader_read(&file, "/", RAM, &error) && error.text[0] != '\0');
}

MAIN(T(formats), T(a_signature_behind_the_image), T(fields), T(pages), T(cut_short), T(too_large),
     T(others), T(damaged), T(files))
