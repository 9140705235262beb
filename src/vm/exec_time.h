/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * For how long a vCPU executes guest code. Reading a clock at both ends of a run takes longer than the rest of a short run, and few clients
 * ask. So runs are measured at first, then, when all are short, sampled: a row of measured ones says how time is divided, and for the rest only
 * where the VM's tick finds the vCPU, so that a long run or a long pause among them is found and counted as what it was. From the first
 * question on each run is measured: two answers differ by exactly what was executed between them. The first is an estimate where runs were sampled.
 *
 * All of the vCPU's own thread. `now` is a vm_stamp(), or in tests anything that grows.
 */
#ifndef VM_EXEC_TIME_H
#define VM_EXEC_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define EXEC_MEASURED 1u  /* no tick: they are even */
#define EXEC_ROW      32u /* runs, to know the others by */

struct exec_time {
    uint32_t tick; /* of the VM when it was last looked at; EXEC_MEASURED: each run is measured */
    uint32_t runs; /* since then */
    uint64_t
        since; /* measured: when the run began, or the pause. Sampled: when sampling began, at the end of a run */
    uint64_t executed; /* in stamps */
    uint64_t inside,
        outside; /* of the last n_measured pauses and the runs after them, less what reading the clock takes */
    bool has_pause; /* of the next run as well */
    uint32_t n_measured;
    uint32_t few, cost; /* stamps: what a short run or pause takes at most, and a reading */
    bool exact;         /* somebody has asked, or there is no tick: runs are never sampled */
};

void exec_time_init(struct exec_time *time, uint64_t now, uint32_t few, uint32_t cost);

/* A run begins or ends, or a wait in it. Runs that are sampled need not tell unless the tick is another. */
void exec_time_enter(struct exec_time *time, uint64_t now);
void exec_time_leave(struct exec_time *time, uint64_t now);

/* After a run: the last ones were all short and many enough. */
static inline bool exec_time_is_steady(const struct exec_time *time)
{
    return time->n_measured >= EXEC_ROW && !time->exact;
}

/* From now on they are sampled; the tick runs. */
void exec_time_sample(struct exec_time *time, uint32_t tick);

/* Between runs. The stamps so far; each run is measured from now on. */
uint64_t exec_time_ask(struct exec_time *time, uint64_t now);

#endif
