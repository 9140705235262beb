/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APPLEVISOR_TOOL_H
#define APPLEVISOR_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <Hypervisor/Hypervisor.h>

/* Exit codes of the command; a guest's own exit code is passed on. */
enum {
    EXIT_USAGE = 2,
    EXIT_FILE = 3,
    EXIT_HYPERVISOR = 4,
    EXIT_GUEST_FAULT = 5,
    EXIT_MAX_EXITS = 6,
    EXIT_PANIC = 7,
    EXIT_QUIT = 8
};

int command_run(int argc, char **argv);
int command_info(int argc, char **argv);
int command_boot(int argc, char **argv); /* -1: --help was asked for */

/* "applevisor: ..." on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *hv_name(hv_return_t ret);

/* --- image.c: what the guest is made of --------------------------------------------------------------------------------------- */

struct image {
    uint64_t ram_base, ram_size;
    uint8_t *ram;
    uint64_t entry;
};

/* Loads a file into ram: an ELF64 little-endian AArch64 executable, or, with flat, its bytes at flat_address. False: complained. */
bool image_load(struct image *image, const char *path, bool flat, uint64_t flat_address);

#endif
