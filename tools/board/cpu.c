/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vCPUs: a thread each, as the framework asks for, which owns its vCPU from before the run until after it. A vCPU that is off waits here
 * until PSCI turns it on. No vCPU is destroyed before all have left the guest.
 */
#include <string.h>

#include "device_tree.h"
#include "machine_internal.h"

#define EL1H_MASKED 0x3c5 /* EL1h with D, A, I and F masked */

/* --- On its thread ------------------------------------------------------------------------------------------------------------ */

static bool create(struct cpu *cpu)
{
    struct machine *const machine = cpu->machine;
    hv_return_t ret = hv_vcpu_create(&cpu->vcpu, &cpu->exit, NULL);

    if (ret != HV_SUCCESS) {
        return machine_refused(machine, "hv_vcpu_create", ret);
    }
    ret = hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_MPIDR_EL1, board_mpidr(cpu->number));
    if (ret == HV_SUCCESS) {
        ret = hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_SCTLR_EL1, &cpu->sctlr);
    }
    if (ret != HV_SUCCESS) {
        machine_refused(machine, "hv_vcpu_set_sys_reg", ret);
        hv_vcpu_destroy(cpu->vcpu);
        return false;
    }
    return true;
}

/* True: PSCI has turned it on, and *start tells where it starts. False: the run has ended. */
static bool wait_for_power(struct cpu *cpu, av_psci_start *start)
{
    return av_psci_wait(cpu->machine->psci, cpu->number, start) == AV_OK &&
           start->stop == AV_PSCI_RUNNING;
}

/* DEN0022D, 6.4: the state that a vCPU starts in. General registers are zero so that nothing of the last time shows. */
static bool reset(struct cpu *cpu, const av_psci_start *start)
{
    hv_return_t ret = HV_SUCCESS;

    for (unsigned i = 0; i < 31 && ret == HV_SUCCESS; i++) {
        ret = hv_vcpu_set_reg(cpu->vcpu, (hv_reg_t)(HV_REG_X0 + i), i == 0 ? start->context : 0);
    }
    if (ret == HV_SUCCESS) {
        ret = hv_vcpu_set_reg(cpu->vcpu, HV_REG_PC, start->entry);
    }
    if (ret == HV_SUCCESS) {
        ret = hv_vcpu_set_reg(cpu->vcpu, HV_REG_CPSR, EL1H_MASKED);
    }
    if (ret == HV_SUCCESS) {
        ret = hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_SCTLR_EL1, cpu->sctlr);
    }
    if (ret == HV_SUCCESS) {
        ret = hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_CNTV_CTL_EL0, 0);
    }
    return ret == HV_SUCCESS || machine_refused(cpu->machine, "hv_vcpu_set_reg", ret);
}

static void run(struct cpu *cpu)
{
    cpu->powered = true;
    /* PSCI has stopped before the machine's end is set, and its request to leave the guest is good for one exit. */
    while (cpu->powered && !machine_ended(cpu->machine) &&
           av_psci_stopped(cpu->machine->psci) == AV_PSCI_RUNNING) {
        const hv_return_t ret = hv_vcpu_run(cpu->vcpu);
        if (ret != HV_SUCCESS) {
            machine_refused(cpu->machine, "hv_vcpu_run", ret);
            return;
        }
        cpu_handle_exit(cpu);
    }
}

static void *cpu_thread(void *opaque)
{
    struct cpu *const cpu = opaque;
    struct machine *const machine = cpu->machine;
    av_psci_start start;
    const bool created = create(cpu);

    pthread_mutex_lock(&machine->lock);
    cpu->created = created;
    cpu->answered = true;
    pthread_cond_broadcast(&machine->changed);
    pthread_mutex_unlock(&machine->lock);
    if (!created) {
        return NULL;
    }
    av_psci_attach(machine->psci, cpu->number, cpu->vcpu);
    while (wait_for_power(cpu, &start) && reset(cpu, &start)) {
        run(cpu);
    }
    av_psci_detach(machine->psci, cpu->number);
    pthread_mutex_lock(&machine->lock);
    while (!machine->kicked) {
        pthread_cond_wait(&machine->changed, &machine->lock);
    }
    pthread_mutex_unlock(&machine->lock);
    hv_vcpu_destroy(cpu->vcpu);
    return NULL;
}

/* --- On the main thread ------------------------------------------------------------------------------------------------------- */

bool machine_start_cpus(struct machine *machine)
{
    machine->kicked = false;
    for (unsigned i = 0; i < machine->config.cpus; i++) {
        struct cpu *const cpu = &machine->cpus[i];
        cpu->created = cpu->answered = false;
        const int error = pthread_create(&cpu->thread, NULL, cpu_thread, cpu);
        if (error != 0) {
            board_warn("cannot start a thread for vCPU %u: %s", i, strerror(error));
            machine_finish(machine, MACHINE_HYPERVISOR);
            return false;
        }
        cpu->thread_runs = true;
        /* One after the other: Redistributors lie in the order in which vCPUs are created. */
        pthread_mutex_lock(&machine->lock);
        while (!cpu->answered) {
            pthread_cond_wait(&machine->changed, &machine->lock);
        }
        const bool created = cpu->created;
        pthread_mutex_unlock(&machine->lock);
        if (!created) {
            return false;
        }
    }
    return true;
}

void machine_let_go(struct machine *machine)
{
    /* Refused where the run has ended already. */
    av_psci_boot(machine->psci, 0, machine->entry, machine->dtb);
}

void machine_join_cpus(struct machine *machine)
{
    /* Those that are off return from their wait, those that are on from the guest. */
    av_psci_request_stop(machine->psci);
    pthread_mutex_lock(&machine->lock);
    machine->kicked = true;
    pthread_cond_broadcast(&machine->changed);
    pthread_mutex_unlock(&machine->lock);
    for (unsigned i = 0; i < machine->config.cpus; i++) {
        if (machine->cpus[i].thread_runs) {
            pthread_join(machine->cpus[i].thread, NULL);
            machine->cpus[i].thread_runs = false;
        }
    }
}
