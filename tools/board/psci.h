/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Arm Power State Coordination Interface 1.1 (DEN0022D) of the board: which vCPUs are on, and what the calls of the guest answer.
 * Knows no hypervisor: the machine runs the vCPUs as this says.
 */
#ifndef BOARD_PSCI_H
#define BOARD_PSCI_H

#include <stdbool.h>
#include <stdint.h>

#define PSCI_MAX_CPUS 256

enum psci_power { PSCI_ON = 0, PSCI_OFF = 1, PSCI_ON_PENDING = 2 }; /* as AFFINITY_INFO answers */

struct psci_cpu {
    enum psci_power power;
    uint64_t mpidr, entry, context;
};

struct psci {
    unsigned n_cpus;
    uint64_t ram_base, ram_size; /* where an entry point can be */
    struct psci_cpu cpus[PSCI_MAX_CPUS];
};

enum psci_action {
    PSCI_RETURN,    /* X0 = *result, and on */
    PSCI_START_CPU, /* the same, and *cpu is on now: it starts at its entry */
    PSCI_STOP_CPU,  /* the caller is off */
    PSCI_SYSTEM_OFF,
    PSCI_SYSTEM_RESET
};

/* vCPU 0 is on, the others are off. */
void psci_reset(struct psci *psci);
/*
 * A call by vCPU number caller with X0 to X3 in args. Not at the same time as another: the caller locks. A vCPU to start is
 * PSCI_ON_PENDING until the machine calls psci_started().
 */
enum psci_action psci_call(struct psci *psci, unsigned caller, const uint64_t args[4],
                           uint64_t *result, unsigned *cpu);
void psci_started(struct psci *psci, unsigned cpu);

#endif
