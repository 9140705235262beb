/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef APPLEVISOR_BOOT_H
#define APPLEVISOR_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "disk.h"
#include "net_user.h"
#include "p9.h"

#define BOOT_MAX_DISKS  8u
#define BOOT_MAX_NETS   4u
#define BOOT_MAX_SHARES 4u

struct boot_options {
    const char *kernel, *initrd, *append; /* initrd NULL: none */
    unsigned cpus;
    uint64_t memory;
    bool escape;
    unsigned n_disks, n_nets, n_shares;
    struct disk_config disks[BOOT_MAX_DISKS];
    struct net_user_config nets[BOOT_MAX_NETS];
    struct p9_config shares[BOOT_MAX_SHARES];
};

/* Whether the guest's console is virtio's hvc0 and not the serial port, as its command line says. */
bool boot_console_is_virtio(const struct boot_options *options);

/* 0, or an exit code after a complaint; -1: --help was asked for. Changes argv: flags of --disk are cut off. */
int boot_options_parse(struct boot_options *options, int argc, char **argv);

#endif
