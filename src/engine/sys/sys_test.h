/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The tests of this folder: one vCPU, and a machine around it whose clock and memory the test holds. */
#ifndef ENGINE_SYS_SYS_TEST_H
#define ENGINE_SYS_SYS_TEST_H

#include <inttypes.h>
#include <stdio.h>

#include "../../../tests/expect.h"
#include "engine/ir/functions.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"
#include "engine/sys/sysreg.h"

extern unsigned failures;

/* The machine. */
extern struct vm vm;
extern struct a64_cpu *const cpu;

/* What the engine asked of its neighbours since start(). */
extern struct asked {
    uint64_t counter;  /* what vm_counter() says */
    uint64_t deadline; /* of vm_timer_set() */
    unsigned local_flushes, broadcasts, registers_changed, invalidated;
    struct mmu_flush flush;
    bool memory_fails; /* mmu_cache_op(), mmu_zero() and mmu_translate() fail with `fault` */
    bool dsb_waits;    /* mmu_broadcast_done() */
    struct fault fault;
    struct mmu_walk walk;
    enum mmu_index index; /* of mmu_translate() */
} asked;

/* A fresh vCPU of the profile at EL1h with everything masked. */
void start(const char *profile, bool el2);
/* At an EL with SP_ELx (EL0: SP_EL0) and no masks. */
void at_el(unsigned el);

enum ir_next mrs(uint32_t id, uint64_t *value);
enum ir_next msr(uint32_t id, uint64_t value);

void test_exceptions(void);
void test_debug(void);
void test_sysregs(void);
void test_sysops(void);
void test_pauth(void);
void test_timers(void);

#endif
