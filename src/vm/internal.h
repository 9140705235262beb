/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of src/vm/ share and nobody else needs. */
#ifndef VM_INTERNAL_H
#define VM_INTERNAL_H

#include <time.h>

#include "vm/vm.h"

struct vm_memory *vm_memory_create(unsigned ipa_bits); /* NULL: out of memory */
void vm_memory_destroy(struct vm_memory *memory);      /* NULL is fine */

/* The timer thread starts with the first deadline. */
struct vm_timer *vm_timer_create(struct vm *vm);
void vm_timer_destroy(struct vm_timer *timer); /* NULL is fine */

/* On the vCPU's thread, around guest execution; between them it may hold host addresses of guest memory. */
void vm_enter_guest(struct vcpu *vcpu);
void vm_leave_guest(struct vcpu *vcpu);

/* A vCPU comes or goes: its Redistributor too. Nothing without a GIC. Caller of attach holds vm->lock. */
void vm_gic_attach(struct vcpu *vcpu);
void vm_gic_detach(struct vcpu *vcpu);

/* When the VM is made. */
void vm_start_stamps(struct vm *vm);

/* The CLOCK_MONOTONIC time at which vm_counter() reaches a value. */
struct timespec vm_counter_to_timespec(uint64_t counter);

#endif
