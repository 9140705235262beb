/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of src/vm/ share and nobody else needs. */
#ifndef VM_INTERNAL_H
#define VM_INTERNAL_H

#include <time.h>

#include "vm/vm.h"

struct vm_memory *vm_memory_create(unsigned ipa_bits); /* NULL: out of memory */
void vm_memory_destroy(struct vm_memory *memory);      /* NULL is fine */
void vm_devices_changed(
    struct vm
        *vm); /* a new version of the map, of which what the VM's own devices answer is part */

/* The timer thread starts with the first deadline or tick. */
struct vm_timer *vm_timer_create(struct vm *vm);
void vm_timer_destroy(struct vm_timer *timer); /* NULL is fine */

/* On the vCPU's thread, around guest execution; between them it may hold host addresses of guest memory. */
void vm_enter_guest_slowly(struct vcpu *vcpu);
void vm_let_stopper_know(struct vm *vm);

extern bool vm_has_fence_for_all; /* written once, before there is a VM */

/*
 * A vCPU enters guest code by setting `inside` and then looking at VM_STOPPING; the stopper sets that and then looks at
 * `inside`. A fence between the two, on either side, makes at least one see the other. The host can make a fence for all threads of the
 * process: so the stopper does it for a vCPU that is alone, which enters and leaves often. Of several each has its own, because
 * mmu_broadcast_done() looks at `inside` as well, and often.
 */
void vm_set_inside_with_fence(struct vcpu *vcpu, bool inside);

static inline void vm_set_inside(struct vcpu *vcpu, bool inside)
{
    if (__builtin_expect(vcpu->fences, 0)) {
        vm_set_inside_with_fence(vcpu, inside);
    } else {
        atomic_store_explicit(&vcpu->inside, inside, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
    }
}

static inline void vm_enter_guest(struct vcpu *vcpu)
{
    vm_set_inside(vcpu, true);
    if (__builtin_expect(atomic_load(&vcpu->vm->state) != vcpu->vm_state, 0)) {
        vm_enter_guest_slowly(vcpu);
    }
}

static inline void vm_leave_guest(struct vcpu *vcpu)
{
    vm_set_inside(vcpu, false);
    if (__builtin_expect((atomic_load(&vcpu->vm->state) & VM_STOPPING) != 0, 0)) {
        vm_let_stopper_know(vcpu->vm);
    }
}

/* A vCPU comes or goes: its Redistributor too. Nothing without a GIC. Caller of attach holds vm->lock. */
void vm_gic_attach(struct vcpu *vcpu);
void vm_gic_detach(struct vcpu *vcpu);

extern bool vm_has_tsc; /* the same: the host's TSC has one rate */

/*
 * A clock for the length of runs, which are as short as reading the counter. Hosts read the TSC when everything before has come to an
 * end: nothing that takes long should stand right before it.
 */
static inline uint64_t vm_stamp(void)
{
#if defined(__x86_64__)
    if (__builtin_expect(vm_has_tsc, 1)) {
        return __builtin_ia32_rdtsc();
    }
#endif
    return vm_counter();
}

/* When the VM is made. */
void vm_start_stamps(struct vm *vm);
void vm_start_exec_time(struct exec_time *time);

/* For the next few milliseconds vm->tick goes on. False: there is no thread for it. */
bool vm_tick_keep(struct vm *vm);

/* The CLOCK_MONOTONIC time at which vm_counter() reaches a value. */
struct timespec vm_counter_to_timespec(uint64_t counter);

#endif
