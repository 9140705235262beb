/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BOARD_MACHINE_INTERNAL_H
#define BOARD_MACHINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <applevisor/psci.h>

#include "machine.h"

struct cpu {
    struct machine *machine;
    unsigned number;
    pthread_t thread;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
    uint64_t sctlr; /* as the vCPU had it when it was new */
    bool powered;   /* its run loop goes on; its own thread's */
    /* Under machine->lock. */
    bool answered, created; /* its thread has tried to create its vCPU; and has it */
    bool thread_runs;       /* the main thread's */
};

struct machine {
    struct machine_config config;
    struct board *board;
    uint8_t *ram;
    uint64_t entry, dtb, initrd; /* where they are in the guest */
    struct cpu *cpus;
    _Atomic int end; /* enum machine_end */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* end, or a field of a vCPU */
    av_psci *psci;          /* which vCPUs are on; stopped when the run ends */
    bool kicked;            /* under lock: all vCPUs have been told to stop */
};

/* cpu.c: starts the vCPUs' threads, in order of their numbers; each waits for the run. False: complained, and the end is set. */
bool machine_start_cpus(struct machine *machine);
/* Lets vCPU 0 run. */
void machine_let_go(struct machine *machine);
/* Ends the threads; the end is set. */
void machine_join_cpus(struct machine *machine);
static inline bool machine_ended(const struct machine *machine)
{
    return atomic_load(&machine->end) != MACHINE_RUNNING;
}
/* Complains about a refusal and ends the run; returns false. */
bool machine_refused(struct machine *machine, const char *call, hv_return_t ret);

/* exits.c: deals with the exit of a run. */
void cpu_handle_exit(struct cpu *cpu);

#endif
