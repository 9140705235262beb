/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BOARD_DEVICE_TREE_H
#define BOARD_DEVICE_TREE_H

#include "device.h"

struct board_fdt {
    void *blob;
    int error; /* of libfdt: the first one */
};

struct board_fdt_config {
    unsigned cpus; /* vCPU n has MPIDR_EL1 board_mpidr(n) */
    uint64_t ram_base, ram_size;
    uint64_t gicd_base, gicr_base, gicr_size;
    uint64_t initrd, initrd_size; /* size 0: none */
    const char *command_line;
    const char *stdout_path;
    const void *seed; /* 64 random bytes for the guest; NULL: it starts without */
};

/* Affinity of vCPU n: 16 to a cluster, as one SGI register write can address them. */
uint64_t board_mpidr(unsigned n);

/* Writes the tree into size bytes at blob. False: there is not enough room. */
bool board_fdt_make(struct board *board, const struct board_fdt_config *config, void *blob,
                    size_t size);

#endif
