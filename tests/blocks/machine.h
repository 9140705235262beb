/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One executor: a VM with one vCPU, set up for a block's world, and what is to be compared with the other executor's. */
#ifndef TESTS_BLOCKS_MACHINE_H
#define TESTS_BLOCKS_MACHINE_H

#include <stdatomic.h>

#include "block.h"
#include "vm/vm.h"

enum executor {
    EXECUTOR_DEFAULT,     /* the translator, from each program's first instruction on */
    EXECUTOR_INTERPRETER, /* the IR interpreter */
    EXECUTOR_STEPPED,     /* the interpreter with blocks of one instruction */
    EXECUTOR_BROKEN, /* the interpreter with ADD and SUB (shifted register) exchanged: has to be found */
    EXECUTOR_WARMING, /* what a VM gets by itself: the translator for what runs again and again */
};

struct machine {
    enum executor executor;
    struct vm *vm;
    struct vcpu *vcpu;
    uint8_t *ram;
    struct world world; /* that the vCPU is set up for */
    uint64_t sys[SR_COUNT];
    uint8_t vectors[BLOCKS_PAGE], tables[TABLE_PAGES * BLOCKS_PAGE]; /* of the world */
    bool has_world;
    uint32_t mxcsr;       /* after the last run */
    uint64_t n_cancelled; /* runs that went on after a request to exit */
    bool disturbed;       /* exits are requested all the time, and the run goes on after them */
};

/* Of machines that are opened from now on; 0: as usual. */
void machine_set_code_bytes(size_t code_bytes);
/* False: no memory. */
bool machine_open(struct machine *m, enum executor executor);
void machine_close(struct machine *m);

/* Memory and registers as the block wants them at its start. */
void machine_load(struct machine *m, const struct block *b);

/* Runs until the vCPU leaves the guest. False: it had to be cancelled after the time limit. */
bool machine_run(struct machine *m);

/* After an exit: true when the block goes on, and then the vCPU is ready for that. */
bool machine_continue(struct machine *m);

/* Pages of the guest's memory that the VM's map has; false beyond the last. */
bool machine_ram_range(unsigned n, uint32_t *offset, uint32_t *size);

/* The clock of a process that runs machines: `running` is the vCPU in the guest, cancelled when it is there for too long. */
void machine_start_clock(void);
void machine_set_limit_ms(unsigned ms);

/* Another thread that asks disturbed machines to exit. */
void machine_start_disturbing(void);

#endif
