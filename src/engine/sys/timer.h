/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The generic timers of one vCPU. Arm ARM DDI0487 J.a, D11. All for the vCPU's own thread. */
#ifndef ENGINE_SYS_TIMER_H
#define ENGINE_SYS_TIMER_H

#include "engine/cpu.h"

enum timer { TIMER_V, TIMER_P, TIMER_HP, TIMER_HV, TIMER_COUNT };

/* Physical count, and the virtual count as an instruction at the present EL reads it. */
uint64_t timer_cntpct(const struct a64_cpu *cpu);
uint64_t timer_cntvct(const struct a64_cpu *cpu);

/* CTL with ISTATUS; TVAL. */
uint64_t timer_read_ctl(struct a64_cpu *cpu, enum timer timer);
uint64_t timer_read_tval(const struct a64_cpu *cpu, enum timer timer);

/* After any change of a timer's registers or offset: has the timers looked at at the next poll. */
void timer_write_ctl(struct a64_cpu *cpu, enum timer timer, uint64_t value);
void timer_write_cval(struct a64_cpu *cpu, enum timer timer, uint64_t value);
void timer_write_tval(struct a64_cpu *cpu, enum timer timer, uint64_t value);
void timer_changed(struct a64_cpu *cpu);

/* When the next enabled timer expires, in vm_counter() ticks; UINT64_MAX: never. */
uint64_t timer_next_deadline(const struct a64_cpu *cpu);

#endif
