/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The device tree, read back with libfdt. */
#include <libfdt.h>

#include "device_tree.h"
#include "pl011.h"
#include "rig.h"

static uint8_t blob[0x10000];

static struct board *make_board(void)
{
    static uint8_t ram[4096];
    struct board *const board = board_create(
        &(struct board_config){.ram_base = 0x40000000, .ram_size = sizeof(ram), .ram = ram});

    NEED(board != NULL && board_add_device(board, pl011_create(0x9000000, 33, NULL)));
    return board;
}

static struct board_fdt_config config(void)
{
    static const uint8_t seed[64] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

    return (struct board_fdt_config){.cpus = 20,
                                     .ram_base = 0x40000000,
                                     .ram_size = 0x180000000,
                                     .gicd_base = 0x8000000,
                                     .gicr_base = 0x10000000,
                                     .gicr_size = 0x280000,
                                     .initrd = 0x44000000,
                                     .initrd_size = 0x1234,
                                     .command_line = "console=ttyAMA0",
                                     .stdout_path = "/uart@9000000",
                                     .seed = seed};
}

/* A property's cell, or ~0. */
static uint32_t cell(const char *path, const char *name, unsigned i)
{
    int size = 0;
    const void *const value = fdt_getprop(blob, fdt_path_offset(blob, path), name, &size);
    fdt32_t word;

    if (value == NULL || size < (int)(4 * i + 4)) {
        return UINT32_MAX;
    }
    memcpy(&word, (const uint8_t *)value + 4 * i, sizeof(word));
    return fdt32_to_cpu(word);
}

static bool is_string(const char *path, const char *name, const char *text)
{
    const char *const value = fdt_getprop(blob, fdt_path_offset(blob, path), name, NULL);

    return value != NULL && strcmp(value, text) == 0;
}

TEST(contents)
{
    struct board *const board = make_board();
    const struct board_fdt_config c = config();

    NEED(board_fdt_make(board, &c, blob, sizeof(blob)));
    EXPECT_EQ(fdt_check_full(blob, sizeof(blob)), 0);
    EXPECT(is_string("/chosen", "bootargs", "console=ttyAMA0"));
    EXPECT(is_string("/chosen", "stdout-path", "/uart@9000000"));
    EXPECT_EQ(cell("/chosen", "linux,initrd-start", 1), 0x44000000);
    EXPECT_EQ(cell("/chosen", "linux,initrd-end", 1), 0x44001234);
    EXPECT_EQ(cell("/chosen", "kaslr-seed", 0), 0x01020304);
    EXPECT_EQ(cell("/chosen", "rng-seed", 0), 0x09000000);
    EXPECT_EQ(cell("/memory@40000000", "reg", 1), 0x40000000);
    EXPECT_EQ(cell("/memory@40000000", "reg", 2), 1);
    EXPECT_EQ(cell("/memory@40000000", "reg", 3), 0x80000000);
    EXPECT_EQ(cell("/cpus/cpu@0", "reg", 0), 0);
    EXPECT_EQ(cell("/cpus/cpu@103", "reg", 0),
              0x103); /* number 19: the fourth of the second cluster */
    EXPECT(is_string("/cpus/cpu@103", "enable-method", "psci"));
    EXPECT(fdt_path_offset(blob, "/cpus/cpu@104") < 0);
    EXPECT(is_string("/psci", "method", "hvc"));
    EXPECT_EQ(cell("/timer", "interrupts", 7), 11); /* the third: the virtual timer's PPI */
    EXPECT_EQ(cell("/interrupt-controller@8000000", "reg", 5), 0x10000000);
    EXPECT_EQ(cell("/interrupt-controller@8000000", "reg", 7), 0x280000);
    EXPECT_EQ(cell("/", "interrupt-parent", 0),
              cell("/interrupt-controller@8000000", "phandle", 0));
    EXPECT_EQ(cell("/uart@9000000", "reg", 1), 0x9000000);
    EXPECT_EQ(cell("/uart@9000000", "reg", 3), 0x1000);
    EXPECT_EQ(cell("/uart@9000000", "interrupts", 0), 0);
    EXPECT_EQ(cell("/uart@9000000", "interrupts", 1), 1);
    EXPECT_EQ(cell("/uart@9000000", "interrupts", 2), 4);
    EXPECT(is_string("/uart@9000000", "compatible", "arm,pl011"));
    board_destroy(board);
}

TEST(without_what_is_optional)
{
    struct board *const board = make_board();
    struct board_fdt_config c = config();

    c.initrd_size = 0;
    c.seed = NULL;
    NEED(board_fdt_make(board, &c, blob, sizeof(blob)));
    EXPECT_EQ(cell("/chosen", "linux,initrd-start", 0), UINT32_MAX);
    EXPECT_EQ(cell("/chosen", "rng-seed", 0), UINT32_MAX);
    board_destroy(board);
}

/* However little room there is, it is a refusal; what lies behind the room is left alone. */
TEST(over_size)
{
    struct board *const board = make_board();
    const struct board_fdt_config c = config();
    unsigned n_refused = 0;

    for (size_t size = 0; size < 8192; size += size < 512 ? 1 : 53) {
        memset(blob, 0xa5, sizeof(blob));
        n_refused += !board_fdt_make(board, &c, blob, size);
        for (size_t i = size; i < sizeof(blob); i++) {
            if (blob[i] != 0xa5) {
                EXPECT_EQ(blob[i], 0xa5);
                break;
            }
        }
    }
    EXPECT(n_refused > 512);
    board_destroy(board);
}

TEST(devices_may_not_overlap)
{
    struct board *const board = make_board();
    struct board_device *const other = pl011_create(0x9000800, 34, NULL),
                               *const in_ram = pl011_create(0x40000000, 34, NULL);

    EXPECT(!board_add_device(board, other));
    EXPECT(!board_add_device(board, in_ram));
    other->base = 0x9001000;
    EXPECT(board_add_device(board, other));
    in_ram->ops->destroy(in_ram);
    board_destroy(board);
}

TEST(ram_is_bounded)
{
    struct board *const board = make_board();

    EXPECT(board_ram(board, 0x40000000, 4096) != NULL);
    EXPECT(board_ram(board, 0x40000000, 4097) == NULL);
    EXPECT(board_ram(board, 0x40000fff, 1) != NULL);
    EXPECT(board_ram(board, 0x40001000, 1) == NULL);
    EXPECT(board_ram(board, 0x3fffffff, 2) == NULL);
    EXPECT(board_ram(board, 0x40000ffe, UINT64_MAX) == NULL);
    EXPECT(board_ram(board, UINT64_MAX, 2) == NULL);
    board_destroy(board);
}

MAIN(T(contents), T(without_what_is_optional), T(over_size), T(devices_may_not_overlap),
     T(ram_is_bounded))
