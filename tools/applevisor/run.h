/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of `applevisor run` share. */
#ifndef APPLEVISOR_RUN_H
#define APPLEVISOR_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include <applevisor/applevisor.h>

#include "applevisor.h"

#define RAM_BASE     0x40000000ull
#define VECTORS_BASE 0x04000000ull /* our EL1 vectors: HVC in the slots of synchronous exceptions */
#define PAGE         0x4000u
#define HVC_VECTOR   0xf001u /* of our vectors */

struct run_options {
    const char *file;
    bool flat, trace, gic;
    uint64_t flat_address, memory, max_exits;
    unsigned cpus;
};

struct run {
    struct run_options options;
    struct image image;
    av_psci *psci; /* also says whether the run goes on */
    _Atomic uint64_t exits;
    _Atomic bool ended; /* by us, with the code; otherwise by the guest */
    _Atomic int code;
    pthread_mutex_t lock; /* guards n_created */
    pthread_cond_t created;
    unsigned n_created; /* vCPUs, with --gic */
};

struct cpu {
    struct run *run;
    unsigned number;
    hv_vcpu_t vcpu; /* while it is on */
    hv_vcpu_exit_t *exit;
};

/* Ends the run. The first reason to end counts; all vCPUs are told. */
void run_finish(struct run *run, int code);
static inline bool run_has_ended(const struct run *run)
{
    return av_psci_stopped(run->psci) != AV_PSCI_RUNNING;
}

/* run_exits.c: runs a vCPU until it is off or the run has ended. */
void run_loop(struct cpu *cpu);

/* --- semihosting.c ------------------------------------------------------------------------------------------------------------ */

#define SEMIHOSTING 0xf000u /* immediate of HLT and HVC */

/* Guest memory by virtual address; false if it is not all there. */
bool guest_read(struct cpu *cpu, uint64_t va, void *buffer, size_t size);
/* The call in X0 and X1. */
void semihosting(struct cpu *cpu);
/* A polling program's console. */
void console(const void *bytes, size_t size);
/* For the kit: RAM by physical address; the context is a struct run. */
bool ram_read(void *context, uint64_t ipa, void *buffer, size_t size);

#endif
