/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Self-hosted debug: routing, breakpoints, software step. Watchpoints are matched in mmu/. Arm ARM DDI0487 J.a, D2. */
#ifndef ENGINE_SYS_DEBUG_H
#define ENGINE_SYS_DEBUG_H

#include "engine/sys/exception.h"

/* cpu->step */
enum {
    STEP_ARMED =
        1, /* the stepped instruction is being executed; PSTATE.SS has been cleared ahead of its end */
    STEP_DONE = 2,    /* an instruction was stepped since the last step exception: ISV */
    STEP_MONITOR = 4, /* the exclusives monitor was already set before it */
};

/* MODE_STEP and MODE_BREAKPOINTS for the present state. Without either, forgets a step under way. */
uint32_t debug_mode(struct a64_cpu *cpu);

/* Debug exceptions are enabled from el with PSTATE.D = masked [AArch64.GenerateDebugExceptionsFrom()]. */
bool debug_enabled_from(const struct a64_cpu *cpu, unsigned el, bool masked);

/* PSTATE.SS after a return to el with SPSR value spsr [DebugExceptionReturnSS()]. */
bool debug_return_ss(const struct a64_cpu *cpu, unsigned el, uint32_t spsr);

/* Takes a debug exception to where it is routed: the host, EL2 or EL1. ec: the LOWER variant. */
enum ir_next debug_take(struct a64_cpu *cpu, enum ec ec, uint32_t iss, bool has_far, uint64_t far);

/* The part of exc_before_block() that lies before the fetch: software step, and arming it. IR_NEXT: go on. */
enum ir_next debug_step(struct a64_cpu *cpu);
enum ir_next debug_breakpoint(struct a64_cpu *cpu);

/* A system call completes the stepped instruction [SSAdvance()]. */
static inline void debug_step_advance(struct a64_cpu *cpu)
{
    cpu->step &= (uint8_t)~STEP_ARMED;
}

#endif
