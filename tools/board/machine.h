/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The board on the hypervisor: one virtual machine, its vCPUs and their run loops. One per process, as the framework has it. */
#ifndef BOARD_MACHINE_H
#define BOARD_MACHINE_H

#include <Hypervisor/Hypervisor.h>

#include "device.h"
#include "loader.h"

struct machine;

struct machine_config {
    unsigned cpus;
    uint64_t memory;
    const struct loader_kernel *kernel; /* borrowed until machine_destroy() */
    const struct loader_file *initrd;   /* borrowed; NULL: none */
    const char *command_line;           /* borrowed */
};

enum machine_end {
    MACHINE_RUNNING,
    MACHINE_OFF,       /* the guest has powered off */
    MACHINE_RESET,     /* the guest asks for a reset, or machine_finish() did */
    MACHINE_QUIT,      /* machine_finish() */
    MACHINE_SIGNAL,    /* machine_finish() */
    MACHINE_PANIC,     /* machine_finish() */
    MACHINE_IO,        /* machine_finish() */
    MACHINE_FAULT,     /* the guest did what this board cannot go on from; complained */
    MACHINE_HYPERVISOR /* the framework refused; complained */
};

/* The board with RAM and no device. NULL: complained. */
struct machine *machine_create(const struct machine_config *config);
/* Where to add devices. */
struct board *machine_board(struct machine *machine);
/*
 * Powers the board on, runs the guest until its end, and powers off: the virtual machine is gone afterwards, RAM and devices remain. Called
 * again after MACHINE_RESET, it starts the guest from the beginning.
 */
enum machine_end machine_run(struct machine *machine);
/* Ends the run; the first reason counts. Threads: any, while machine_run() runs or not. */
void machine_finish(struct machine *machine, enum machine_end end);
void machine_destroy(struct machine *machine);

#endif
