/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "vm/vm.h"

#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "engine/code.h"
#include "engine/fp/fp_flags.h"
#include "engine/x64/x64.h"
#include "gic/gic.h"
#include "vm/internal.h"

unsigned vm_host_level(void)
{
    return x64_host_level();
}

unsigned vm_host_level_by_name(const char *name)
{
    static const char *const names[] = {"v2", "v3", "v4"};

    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            return i + 2;
        }
    }
    return 0;
}

/* --- Fences for all threads ---------------------------------------------------------------------------------------------------- */

bool vm_has_fence_for_all;

static void ask_host(void)
{
    fp_flags_ask_host();
    vm_has_fence_for_all = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
                                   0) == 0;
}

static void fence_for_all(void)
{
    if (vm_has_fence_for_all) {
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    }
}

/* --- Life ------------------------------------------------------------------------------------------------------------------- */

enum vm_status vm_create(const struct vm_config *config, struct vm **result)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct vm *const vm = calloc(1, sizeof(*vm));

    if (vm == NULL) {
        return VM_NO_MEMORY;
    }
    pthread_once(&once, ask_host);
    vm->config = *config;
    vm->memory = vm_memory_create(config->ipa_bits);
    vm->code = code_create(config->interpreter, config->eager, config->code_bytes,
                           config->host_level, &config->trace);
    vm->timer = vm_timer_create(vm);
    if (vm->memory == NULL || vm->code == NULL || vm->timer == NULL) {
        vm_timer_destroy(vm->timer);
        code_destroy(vm->code);
        vm_memory_destroy(vm->memory);
        free(vm);
        return VM_NO_MEMORY;
    }
    vm_start_stamps(vm);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&vm->lock, NULL);
    pthread_mutex_init(&vm->stopper, NULL);
    pthread_mutex_init(&vm->gate, NULL);
    pthread_cond_init(&vm->gate_open, &monotonic);
    pthread_cond_init(&vm->all_outside, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *result = vm;
    return VM_OK;
}

enum vm_status vm_destroy(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    const unsigned alive = vm->n_vcpus;
    pthread_mutex_unlock(&vm->lock);
    if (alive != 0) {
        return VM_BUSY;
    }
    vm_timer_destroy(vm->timer);
    gic_destroy(vm->gic_device);
    code_destroy(vm->code);
    vm_memory_destroy(vm->memory);
    pthread_cond_destroy(&vm->all_outside);
    pthread_cond_destroy(&vm->gate_open);
    pthread_mutex_destroy(&vm->gate);
    pthread_mutex_destroy(&vm->stopper);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
    return VM_OK;
}

/* --- Stopping ---------------------------------------------------------------------------------------------------------------- */

void vm_set_inside_with_fence(struct vcpu *vcpu, bool inside)
{
    atomic_store(&vcpu->inside, inside);
}

/* `inside` is set, and there may be somebody who stops, or another vCPU for the first time. */
void vm_enter_guest_slowly(struct vcpu *vcpu)
{
    struct vm *const vm = vcpu->vm;

    while ((atomic_load(&vm->state) & VM_STOPPING) != 0) {
        vm_leave_guest(vcpu);
        pthread_mutex_lock(&vm->gate);
        while ((atomic_load(&vm->state) & VM_STOPPING) != 0) {
            pthread_cond_wait(&vm->gate_open, &vm->gate);
        }
        pthread_mutex_unlock(&vm->gate);
        vm_set_inside(vcpu, true);
    }
    if (!vcpu->cpu.smp && (atomic_load(&vm->state) & VM_SMP) != 0) {
        vcpu->vm_state = VM_SMP;
        vcpu->cpu.smp = true;
        vcpu->fences = true;
        vm_set_inside(vcpu, true);
        cpu_update_mode(&vcpu->cpu);
    }
}

void vm_let_stopper_know(struct vm *vm)
{
    pthread_mutex_lock(&vm->gate);
    pthread_cond_broadcast(&vm->all_outside);
    pthread_mutex_unlock(&vm->gate);
}

void vm_stop(struct vm *vm, struct vcpu *self)
{
    const bool was_inside = self != NULL && atomic_load(&self->inside);

    /* Another stopper may be waiting for this vCPU. */
    if (was_inside) {
        vm_leave_guest(self);
    }
    pthread_mutex_lock(&vm->stopper);
    atomic_fetch_or(&vm->state, VM_STOPPING);
    fence_for_all();
    pthread_mutex_lock(&vm->lock); /* kept until vm_continue: no vCPU comes or goes meanwhile */
    for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
        struct vcpu *const vcpu = vm->vcpus[i];
        if (vcpu == NULL) {
            continue;
        }
        pthread_mutex_lock(&vm->gate);
        while (atomic_load(&vcpu->inside)) {
            cpu_request(&vcpu->cpu, CPU_REQUEST_PAUSE);
            pthread_cond_wait(&vm->all_outside, &vm->gate);
        }
        pthread_mutex_unlock(&vm->gate);
    }
    vm->stopper_inside = was_inside ? self : NULL;
}

void vm_continue(struct vm *vm)
{
    struct vcpu *const self = vm->stopper_inside;

    vm->stopper_inside = NULL;
    pthread_mutex_unlock(&vm->lock);
    pthread_mutex_lock(&vm->gate);
    atomic_fetch_and(&vm->state, ~(unsigned)VM_STOPPING);
    pthread_cond_broadcast(&vm->gate_open);
    pthread_mutex_unlock(&vm->gate);
    pthread_mutex_unlock(&vm->stopper);
    if (self != NULL) {
        vm_enter_guest(self);
    }
}

/* --- Parking ----------------------------------------------------------------------------------------------------------------- */

void vm_vcpu_request(struct vcpu *vcpu, uint32_t bits)
{
    /* The request before the look at `parked`: with the opposite order in vm_vcpu_wait(), one of the two sees the other. */
    cpu_request(&vcpu->cpu, bits);
    if (atomic_load(&vcpu->parked)) {
        pthread_mutex_lock(&vcpu->vm->gate);
        pthread_cond_signal(&vcpu->wake);
        pthread_mutex_unlock(&vcpu->vm->gate);
    }
}

void vm_vcpu_wait(struct vcpu *vcpu, uint64_t deadline)
{
    struct vm *const vm = vcpu->vm;

    exec_time_leave(&vcpu->exec, vm_stamp());
    vm_leave_guest(vcpu);
    pthread_mutex_lock(&vm->gate);
    /* `parked` before `requests`: whoever sets a request after this look sees that it has to wake us. */
    atomic_store(&vcpu->parked, true);
    while (atomic_load(&vcpu->cpu.requests) == 0) {
        if (deadline == UINT64_MAX) {
            pthread_cond_wait(&vcpu->wake, &vm->gate);
            continue;
        }
        if (vm_counter() >= deadline) {
            break;
        }
        const struct timespec until = vm_counter_to_timespec(deadline);
        pthread_cond_timedwait(&vcpu->wake, &vm->gate, &until);
    }
    atomic_store(&vcpu->parked, false);
    pthread_mutex_unlock(&vm->gate);
    vm_enter_guest(vcpu);
    exec_time_enter(&vcpu->exec, vm_stamp());
}
