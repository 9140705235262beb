/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* vCPU life and the run loop. */
#include <stdlib.h>

#include "engine/a64/translator.h"
#include "engine/code.h"
#include "engine/code_page.h"
#include "engine/fp/fp_flags.h"
#include "engine/mmu/mmu.h"
#include "engine/pages.h"
#include "engine/sys/exception.h"
#include "engine/x64/x64.h"
#include "vm/internal.h"

#define JUMP_CACHE_BYTES (CPU_JUMP_CACHE_ENTRIES * sizeof(struct ir_block *))

static void free_vcpu(struct vcpu *vcpu)
{
    if (vcpu->cpu.mmu != NULL) {
        mmu_destroy(&vcpu->cpu);
    }
    x64_cpu_destroy(&vcpu->cpu);
    pages_give_back(vcpu->cpu.jump_cache, JUMP_CACHE_BYTES);
    pages_give_back(vcpu->cpu.translator, sizeof(struct translator));
    free(vcpu);
}

enum vm_status vm_vcpu_create(struct vm *vm, struct vcpu **result)
{
    struct vcpu *vcpu = NULL;

    if (posix_memalign((void **)&vcpu, _Alignof(struct vcpu), sizeof(*vcpu)) != 0) {
        return VM_NO_MEMORY;
    }
    *vcpu = (struct vcpu){.vm = vm, .fences = !vm_has_fence_for_all, .timer_deadline = UINT64_MAX};
    struct a64_cpu *const cpu = &vcpu->cpu;
    cpu->vcpu = vcpu;
    vm_start_exec_time(&vcpu->exec);
    cpu->vm = vm;
    cpu->code = vm->code;
    cpu->jump_cache = pages_take(JUMP_CACHE_BYTES);
    cpu->translator = pages_take(sizeof(struct translator));
    if (cpu->jump_cache == NULL || cpu->translator == NULL || !x64_cpu_create(cpu) ||
        !mmu_create(cpu)) {
        free_vcpu(vcpu);
        return VM_NO_MEMORY;
    }
    cpu_reset(cpu);
    cpu_request(cpu, CPU_REQUEST_TIMER | CPU_REQUEST_IRQ); /* the first run looks at all */

    pthread_mutex_lock(&vm->lock);
    unsigned id = 0;
    bool second = false;
    while (id < VM_MAX_VCPUS && vm->vcpus[id] != NULL) {
        id++;
    }
    if (id < VM_MAX_VCPUS) {
        pthread_condattr_t monotonic;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&vcpu->wake, &monotonic);
        pthread_condattr_destroy(&monotonic);
        vcpu->id = id;
        vm->vcpus[id] = vcpu;
        vm->n_vcpus++;
        second = vm->n_vcpus == 2 && (atomic_fetch_or(&vm->state, VM_SMP) & VM_SMP) == 0;
        vm_gic_attach(vcpu);
    }
    pthread_mutex_unlock(&vm->lock);
    if (id == VM_MAX_VCPUS) {
        free_vcpu(vcpu);
        return VM_LIMIT;
    }
    code_join(vm->code, cpu);
    if (second) {
        /* The first learns it at the end of a block (vm_enter_guest), before this one can run. */
        vm_stop(vm, NULL);
        vm_continue(vm);
    }
    *result = vcpu;
    return VM_OK;
}

void vm_vcpu_destroy(struct vcpu *vcpu)
{
    struct vm *const vm = vcpu->vm;

    vm_timer_set(vcpu, UINT64_MAX);
    vm_gic_detach(vcpu);
    code_leave(vm->code, &vcpu->cpu);
    pthread_mutex_lock(&vm->lock);
    vm->vcpus[vcpu->id] = NULL;
    vm->n_vcpus--;
    pthread_mutex_unlock(&vm->lock);
    pthread_cond_destroy(&vcpu->wake);
    free_vcpu(vcpu);
}

void vm_vcpu_request_exit(struct vcpu *vcpu)
{
    vm_vcpu_request(vcpu, CPU_REQUEST_EXIT);
}

/* --- Running ----------------------------------------------------------------------------------------------------------------- */

/* more: what is looked at beside what was requested. */
static __attribute__((noinline)) enum ir_next handle_requests(struct vcpu *vcpu, uint32_t more)
{
    struct a64_cpu *const cpu = &vcpu->cpu;
    /* Sequentially consistent, as the mailbox's `seen` and `inside` are: mmu_broadcast_done() relies on their order. */
    uint32_t requests = atomic_exchange(&cpu->requests, 0) | more;

    /* The first run, to which vm_vcpu_create() has requests. Later changes of registers say so themselves. */
    if (!atomic_load_explicit(&vcpu->started, memory_order_relaxed)) {
        cpu_update_mode(cpu);
        atomic_store_explicit(&vcpu->started, true, memory_order_relaxed);
    }
    if ((requests & CPU_REQUEST_WAIT) != 0) {
        if (requests == (CPU_REQUEST_WAIT | CPU_REQUEST_ANY)) { /* any other ends it */
            vm_vcpu_wait(vcpu, cpu->wait_deadline);
            requests |= atomic_exchange(&cpu->requests, 0);
        }
        requests |= CPU_REQUEST_TIMER | CPU_REQUEST_IRQ;
    }
    if ((requests & CPU_REQUEST_PAUSE) != 0) {
        vm_leave_guest(vcpu);
        vm_enter_guest(vcpu);
    }
    /* Also without the bit: a stop that this vCPU has just sat out may have left work behind. */
    mmu_handle_mailbox(cpu);
    code_catch_up(cpu);
    mmu_look_for_stretch(cpu);
    if ((requests & CPU_REQUEST_MODE) != 0) {
        cpu_update_mode(cpu);
    }
    if ((requests & CPU_REQUEST_EXIT) != 0) {
        /* The rest stays to be looked at in the next run. */
        const uint32_t rest = requests & (CPU_REQUEST_TIMER | CPU_REQUEST_IRQ);
        if (rest != 0) {
            cpu_request(cpu, rest);
        }
        cpu->exit = (struct cpu_exit){.reason = CPU_EXIT_CANCELED};
        return IR_LEAVE;
    }
    if ((requests & CPU_REQUEST_TIMER) != 0) {
        const enum ir_next next = timer_poll(cpu);
        if (next == IR_LEAVE) {
            return next;
        }
    }
    exc_take_pending_interrupt(cpu);
    return IR_NEXT;
}

static bool wants_check(const struct a64_cpu *cpu)
{
    return (cpu->pc & 3) != 0 || (cpu->mode_key & (MODE_IL | MODE_STEP | MODE_BREAKPOINTS)) != 0;
}

static __attribute__((noinline)) enum ir_next run_found(struct a64_cpu *cpu)
{
    enum ir_next next = IR_NEXT;
    struct ir_block *const block = code_find(cpu, &next);

    if (block == NULL) {
        cpu->x64.from = NULL;
        return next;
    }
    const unsigned btype = cpu->btype;
    if (btype != 0) {
        next = exc_before_block(cpu, block);
        if (next != IR_NEXT) {
            return next;
        }
    }
    return code_run(cpu, block, btype);
}

static inline bool is_requested(const struct a64_cpu *cpu)
{
    return __builtin_expect(atomic_load_explicit(&cpu->requests, memory_order_relaxed) != 0, 0);
}

/* next: what has come of the run so far. */
static __attribute__((noinline)) void run_on(struct vcpu *vcpu, enum ir_next next)
{
    struct a64_cpu *const cpu = &vcpu->cpu;

    while (next != IR_LEAVE) {
        if (is_requested(cpu)) {
            cpu->x64.from =
                NULL; /* a stop may have freed it, an interrupt have taken the PC elsewhere */
            next = handle_requests(vcpu, 0);
            if (next == IR_LEAVE) {
                return;
            }
        }
        if (__builtin_expect(wants_check(cpu), 0)) {
            next = exc_before_block(cpu, NULL);
            if (next != IR_NEXT) {
                continue;
            }
        }
        next = code_run_known(cpu);
        if (next == IR_NEXT) {
            next = run_found(cpu);
        }
    }
}

static void run_until_exit(struct vcpu *vcpu)
{
    struct a64_cpu *const cpu = &vcpu->cpu;
    enum ir_next next = IR_NEXT;

    cpu->x64.from = NULL; /* of the run before */
    /* Who changes between the runs what is looked at says so. But a deadline may have passed, and its thread be late. */
    if (vcpu->timer_deadline != UINT64_MAX) {
        next = handle_requests(vcpu, CPU_REQUEST_TIMER);
    }
    if (next == IR_NEXT && !is_requested(cpu)) {
        next = code_run_again(cpu);
    }
    run_on(vcpu, next);
}

/* A vCPU that is alone needs no atomic operation: inside the guest it stays alone (vm_vcpu_create). */
static inline uint64_t next_epoch_alone(struct vm *vm)
{
    const uint64_t next = atomic_load_explicit(&vm->run_epoch, memory_order_relaxed) + 1;

    atomic_store_explicit(&vm->run_epoch, next, memory_order_relaxed);
    return next;
}

static uint64_t next_epoch(struct vcpu *vcpu)
{
    return vcpu->cpu.smp
               ? atomic_fetch_add_explicit(&vcpu->vm->run_epoch, 1, memory_order_relaxed) + 1
               : next_epoch_alone(vcpu->vm);
}

/*
 * Most runs of a vCPU that is alone, which is one without fences of its own: nothing is requested, and it begins where the one before did. False:
 * nothing has happened.
 */
static inline bool run_again(struct vcpu *vcpu)
{
    struct a64_cpu *const cpu = &vcpu->cpu;

    if (__builtin_expect(vcpu->fences || vcpu->timer_deadline != UINT64_MAX, 0) ||
        is_requested(cpu)) {
        return false;
    }
    const uint64_t epoch = next_epoch_alone(vcpu->vm);
    const void *const code = code_again(cpu, epoch);
    if (__builtin_expect(code == NULL, 0)) {
        return false;
    }
    cpu->run_epoch = epoch;
    cpu->x64.from = NULL; /* of the run before */
    const enum ir_next next = x64_run(cpu, code);
    if (__builtin_expect(next != IR_LEAVE, 0)) {
        run_on(vcpu, next);
    }
    return true;
}

static __attribute__((noinline)) void tell_enter(struct exec_time *time)
{
    exec_time_enter(time, vm_stamp());
}

static __attribute__((noinline)) void tell_leave(struct vcpu *vcpu)
{
    struct exec_time *const time = &vcpu->exec;

    exec_time_leave(time, vm_stamp());
    if (exec_time_is_steady(time)) {
        if (vm_tick_keep(vcpu->vm)) {
            exec_time_sample(time, atomic_load_explicit(&vcpu->vm->tick, memory_order_relaxed));
        } else {
            time->exact = true;
        }
    }
}

/* Sampled, and nothing to tell. */
static inline bool same_tick(const struct vcpu *vcpu)
{
    return __builtin_expect(
        atomic_load_explicit(&vcpu->vm->tick, memory_order_relaxed) == vcpu->exec.tick, 1);
}

enum vm_status vm_vcpu_run(struct vcpu *vcpu)
{
    struct a64_cpu *const cpu = &vcpu->cpu;

    if (!same_tick(vcpu)) {
        tell_enter(&vcpu->exec);
    }
    atomic_store_explicit(&cpu->running, true, memory_order_relaxed);
    const uint32_t client_mxcsr = fp_flags_enter(cpu);
    vm_enter_guest(vcpu);
    if (!run_again(vcpu)) {
        cpu->run_epoch = next_epoch(vcpu);
        run_until_exit(vcpu);
    }
    vm_leave_guest(vcpu);
    cpu->irq_pending = false;
    cpu->fiq_pending = false;
    vcpu->exec.runs++;
    if (!same_tick(vcpu)) {
        tell_leave(vcpu);
    }
    fp_flags_leave(cpu, client_mxcsr);
    atomic_store_explicit(&cpu->running, false, memory_order_release);
    return VM_OK;
}
