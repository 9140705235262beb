/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Taking and returning from exceptions. All for the vCPU's own thread, between or inside instructions; cpu->pc is the preferred
 * return address that the exception records (for an abort: the instruction; for SVC and HVC: the next one, set by the caller). */
#ifndef ENGINE_SYS_EXCEPTION_H
#define ENGINE_SYS_EXCEPTION_H

#include "engine/cpu.h"
#include "engine/ir/ir.h"

enum ec {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP_TRAP = 0x07,
    EC_PAC_TRAP = 0x09,
    EC_BTI = 0x0d,
    EC_ILLEGAL_STATE = 0x0e,
    EC_SVC = 0x15,
    EC_HVC = 0x16,
    EC_SMC = 0x17,
    EC_SYSREG = 0x18,
    EC_ERET_TRAP = 0x1a,
    EC_PAC_FAIL = 0x1c,
    EC_IABT_LOWER = 0x20,
    EC_IABT_SAME = 0x21,
    EC_PC_ALIGN = 0x22,
    EC_DABT_LOWER = 0x24,
    EC_DABT_SAME = 0x25,
    EC_SP_ALIGN = 0x26,
    EC_MOPS = 0x27,
    EC_SERROR = 0x2f,
    EC_BREAKPOINT_LOWER = 0x30,
    EC_BREAKPOINT_SAME = 0x31,
    EC_STEP_LOWER = 0x32,
    EC_STEP_SAME = 0x33,
    EC_WATCHPOINT_LOWER = 0x34,
    EC_WATCHPOINT_SAME = 0x35,
    EC_BRK = 0x3c,
};

/* Takes a synchronous exception to target_el (1 or 2): ESR, FAR when has_far, ELR, SPSR, PSTATE, PC = vector. iss without EC and IL. */
enum ir_next exc_take(struct a64_cpu *cpu, unsigned target_el, enum ec ec, bool il, uint32_t iss,
                      bool has_far, uint64_t far);

/* Takes it to where the architecture routes an exception from the present EL that is not otherwise trapped (EL1, or EL2 with TGE). */
enum ir_next exc_take_default(struct a64_cpu *cpu, enum ec ec, bool il, uint32_t iss, bool has_far,
                              uint64_t far);

/* Leaves the run with EXCEPTION: to the host, which stands where EL2 (without guest EL2) or EL3 would. */
enum ir_next exc_leave(struct a64_cpu *cpu, enum ec ec, bool il, uint32_t iss, uint64_t far,
                       uint64_t ipa);

/* Turns cpu->fault into an exception or an exit. iss: the node's ISS template (bits 24:14) for data aborts. */
enum ir_next exc_abort(struct a64_cpu *cpu, uint32_t iss);
/* The same for a load or store at va, of what is not in the VM's map and no device of its own. */
enum ir_next exc_unmapped(struct a64_cpu *cpu, uint64_t va, uint64_t ipa, int level, bool is_write,
                          uint32_t iss);

enum ir_next exc_undefined(struct a64_cpu *cpu);

/* At block entry with cpu->requests set, or after DAIF changed: takes a pending interrupt if one may be taken. */
bool exc_take_pending_interrupt(struct a64_cpu *cpu);

/*
 * Before the first instruction of a block; IR_NEXT = go on. Called with block NULL before the fetch, when PC is misaligned or the
 * mode has IL, STEP or BREAKPOINTS: PC alignment, Illegal state, software step, breakpoints, in the architecture's order. Called
 * with the block after the fetch when cpu->btype is not 0: Branch Target exception, else clears btype.
 */
enum ir_next exc_before_block(struct a64_cpu *cpu, const struct ir_block *block);

/* An interrupt is pending, masked or not: WFI does not wait. */
bool exc_interrupt_wakes(struct a64_cpu *cpu);

/* What ISR_EL1 shows. */
uint64_t exc_isr(struct a64_cpu *cpu);

/* DFSC, IFSC or PAR_EL1.FST of a fault. */
unsigned exc_fault_status(const struct fault *fault);

/* sys/timer.c: looks at the timers after a request or a change, and sets the next deadline. IR_LEAVE: VTIMER_ACTIVATED. */
enum ir_next timer_poll(struct a64_cpu *cpu);

#endif
