/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The device tree, written front to back with libfdt: what a kernel must be told, see docs/board.md. */
#include "device_tree.h"

#include <libfdt.h>
#include <stdio.h>
#include <string.h>

static void note(struct board_fdt *fdt, int error)
{
    if (fdt->error == 0) {
        fdt->error = error;
    }
}

void board_fdt_begin(struct board_fdt *fdt, const char *node)
{
    if (fdt->error == 0) {
        note(fdt, fdt_begin_node(fdt->blob, node));
    }
}

void board_fdt_end(struct board_fdt *fdt)
{
    if (fdt->error == 0) {
        note(fdt, fdt_end_node(fdt->blob));
    }
}

void board_fdt_bytes(struct board_fdt *fdt, const char *name, const void *bytes, size_t size)
{
    if (fdt->error == 0) {
        note(fdt,
             size > INT32_MAX ? -FDT_ERR_NOSPACE : fdt_property(fdt->blob, name, bytes, (int)size));
    }
}

void board_fdt_empty(struct board_fdt *fdt, const char *name)
{
    board_fdt_bytes(fdt, name, "", 0);
}

void board_fdt_u32s(struct board_fdt *fdt, const char *name, const uint32_t *values, size_t n)
{
    fdt32_t cells[32];

    if (n > sizeof(cells) / sizeof(cells[0])) {
        note(fdt, -FDT_ERR_NOSPACE);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        cells[i] = cpu_to_fdt32(values[i]);
    }
    board_fdt_bytes(fdt, name, cells, n * sizeof(cells[0]));
}

#define HIGH(value)          (uint32_t)((value) >> 32)
#define LOW(value)           (uint32_t)(value)
#define CELLS2(address)      HIGH(address), LOW(address)
#define REG(address, length) CELLS2(address), CELLS2(length)

uint64_t board_mpidr(unsigned n)
{
    return (uint64_t)(n / 16) << 8 | n % 16;
}

static void chosen(struct board_fdt *fdt, const struct board_fdt_config *config)
{
    board_fdt_begin(fdt, "chosen");
    board_fdt_bytes(fdt, "bootargs", config->command_line, strlen(config->command_line) + 1);
    board_fdt_bytes(fdt, "stdout-path", config->stdout_path, strlen(config->stdout_path) + 1);
    if (config->initrd_size != 0) {
        const uint64_t end = config->initrd + config->initrd_size;
        BOARD_FDT_U32S(fdt, "linux,initrd-start", CELLS2(config->initrd));
        BOARD_FDT_U32S(fdt, "linux,initrd-end", CELLS2(end));
    }
    if (config->seed != NULL) {
        /* 8 bytes for the kernel's address, the rest for its random pool: no byte has two uses. */
        board_fdt_bytes(fdt, "kaslr-seed", config->seed, 8);
        board_fdt_bytes(fdt, "rng-seed", (const uint8_t *)config->seed + 8, 56);
    }
    board_fdt_end(fdt);
}

static void memory(struct board_fdt *fdt, const struct board_fdt_config *config)
{
    char node[32];

    snprintf(node, sizeof(node), "memory@%llx", (unsigned long long)config->ram_base);
    board_fdt_begin(fdt, node);
    BOARD_FDT_STRINGS(fdt, "device_type", "memory");
    BOARD_FDT_U32S(fdt, "reg", REG(config->ram_base, config->ram_size));
    board_fdt_end(fdt);
}

static void cpus(struct board_fdt *fdt, unsigned n)
{
    char node[32];

    board_fdt_begin(fdt, "cpus");
    BOARD_FDT_U32S(fdt, "#address-cells", 1);
    BOARD_FDT_U32S(fdt, "#size-cells", 0);
    for (unsigned i = 0; i < n; i++) {
        snprintf(node, sizeof(node), "cpu@%llx", (unsigned long long)board_mpidr(i));
        board_fdt_begin(fdt, node);
        BOARD_FDT_STRINGS(fdt, "device_type", "cpu");
        BOARD_FDT_STRINGS(fdt, "compatible", "arm,armv8");
        BOARD_FDT_U32S(fdt, "reg", (uint32_t)board_mpidr(i));
        BOARD_FDT_STRINGS(fdt, "enable-method", "psci");
        board_fdt_end(fdt);
    }
    board_fdt_end(fdt);
}

static void psci_and_timer(struct board_fdt *fdt)
{
    board_fdt_begin(fdt, "psci");
    BOARD_FDT_STRINGS(fdt, "compatible", "arm,psci-1.0\0arm,psci-0.2");
    BOARD_FDT_STRINGS(fdt, "method", "hvc");
    board_fdt_end(fdt);

    /* PPIs 13, 14, 11, 10: secure physical (which nobody has), physical, virtual, hypervisor; level high. */
    board_fdt_begin(fdt, "timer");
    BOARD_FDT_STRINGS(fdt, "compatible", "arm,armv8-timer");
    BOARD_FDT_U32S(fdt, "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    board_fdt_empty(fdt, "always-on");
    board_fdt_end(fdt);
}

static void gic(struct board_fdt *fdt, const struct board_fdt_config *config)
{
    char node[48];

    snprintf(node, sizeof(node), "interrupt-controller@%llx",
             (unsigned long long)config->gicd_base);
    board_fdt_begin(fdt, node);
    BOARD_FDT_STRINGS(fdt, "compatible", "arm,gic-v3");
    board_fdt_empty(fdt, "interrupt-controller");
    BOARD_FDT_U32S(fdt, "#interrupt-cells", 3);
    BOARD_FDT_U32S(fdt, "reg", REG(config->gicd_base, 0x10000ull),
                   REG(config->gicr_base, config->gicr_size));
    BOARD_FDT_U32S(fdt, "phandle", BOARD_PHANDLE_GIC);
    board_fdt_end(fdt);
}

static void clock_node(struct board_fdt *fdt)
{
    board_fdt_begin(fdt, "clock");
    BOARD_FDT_STRINGS(fdt, "compatible", "fixed-clock");
    BOARD_FDT_U32S(fdt, "#clock-cells", 0);
    BOARD_FDT_U32S(fdt, "clock-frequency", 24000000);
    BOARD_FDT_U32S(fdt, "phandle", BOARD_PHANDLE_CLOCK);
    board_fdt_end(fdt);
}

bool board_fdt_make(struct board *board, const struct board_fdt_config *config, void *blob,
                    size_t size)
{
    struct board_fdt tree = {.blob = blob}, *const fdt = &tree;

    note(fdt, size > INT32_MAX ? -FDT_ERR_NOSPACE : fdt_create(blob, (int)size));
    if (fdt->error == 0) {
        note(fdt, fdt_finish_reservemap(blob));
    }
    board_fdt_begin(fdt, "");
    BOARD_FDT_U32S(fdt, "#address-cells", 2);
    BOARD_FDT_U32S(fdt, "#size-cells", 2);
    BOARD_FDT_U32S(fdt, "interrupt-parent", BOARD_PHANDLE_GIC);
    BOARD_FDT_STRINGS(fdt, "compatible", "applevisor,board");
    BOARD_FDT_STRINGS(fdt, "model", "Applevisor board");
    chosen(fdt, config);
    memory(fdt, config);
    cpus(fdt, config->cpus);
    psci_and_timer(fdt);
    gic(fdt, config);
    clock_node(fdt);
    board_fdt_devices(board, fdt);
    board_fdt_end(fdt);
    if (fdt->error == 0) {
        note(fdt, fdt_finish(blob));
    }
    return fdt->error == 0;
}
