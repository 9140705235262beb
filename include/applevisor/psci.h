/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Run-loop kit: Arm Power State Coordination Interface 1.1 (DEN0022), by which a guest switches its vCPUs and itself on and off.
 *
 * One av_psci holds the power state of all vCPUs of a VM. It runs nothing: the thread of each vCPU asks it when to start, and hands it
 * the guest's calls.
 *
 *     for (;;) {
 *         av_psci_wait(psci, cpu, &start);                          blocks while this vCPU is off
 *         if (start.stop != AV_PSCI_RUNNING) break;
 *         av_psci_enter(vcpu, start.entry, start.context);
 *         while (av_psci_stopped(psci) == AV_PSCI_RUNNING && result.action != AV_PSCI_CPU_OFF) {
 *             hv_vcpu_run(vcpu); ...
 *             av_psci_exit(psci, cpu, vcpu, &event, &result);       HVC #0 and SMC #0
 *         }
 *     }
 *
 * Functions, with their SMC32 and SMC64 identifiers: PSCI_VERSION, CPU_SUSPEND, CPU_OFF, CPU_ON, AFFINITY_INFO, MIGRATE_INFO_TYPE,
 * SYSTEM_OFF, SYSTEM_RESET, SYSTEM_RESET2, PSCI_FEATURES, and of the SMC Calling Convention (DEN0028) SMCCC_VERSION and
 * SMCCC_ARCH_FEATURES. The other PSCI functions answer NOT_SUPPORTED, as their optional status allows.
 */
#ifndef APPLEVISOR_PSCI_H
#define APPLEVISOR_PSCI_H

#include <applevisor/exit.h>
#include <applevisor/irq.h>

AV_BEGIN_DECLS

/** The power state of the vCPUs of one VM. */
typedef struct av_psci av_psci;

/** Whether the machine runs, or why not. */
typedef enum av_psci_stop {
    AV_PSCI_RUNNING,
    AV_PSCI_SYSTEM_OFF,   /**< the guest called SYSTEM_OFF */
    AV_PSCI_SYSTEM_RESET, /**< the guest called SYSTEM_RESET or SYSTEM_RESET2 */
    AV_PSCI_ALL_OFF,      /**< every vCPU is off, so that none can switch another on */
    AV_PSCI_STOPPED,      /**< av_psci_request_stop() */
} av_psci_stop;

/** Answers of AFFINITY_INFO, so the values are the specification's. */
typedef enum av_psci_power {
    AV_PSCI_ON = 0,
    AV_PSCI_OFF = 1,
    AV_PSCI_ON_PENDING = 2, /**< switched on; its thread has not come to av_psci_wait() yet */
} av_psci_power;

/** How a machine is made. Fill it with av_psci_options_init(), then change what is to be different. */
typedef struct av_psci_options {
    size_t size;     /**< of this struct, set by av_psci_options_init() */
    unsigned n_cpus; /**< 1 to 512; 1 by default */
    const uint64_t *
        mpidrs; /**< n_cpus affinities (MPIDR_EL1 with bits 39:32 and 23:0 only), copied. NULL: vCPU n has affinity n */
    /** Says whether a vCPU may start at an address, a multiple of 4. NULL: everywhere. Called with a lock held: no av_psci_ calls. */
    bool (*entry_is_valid)(void *context, uint64_t entry);
    void *context; /**< of entry_is_valid */
} av_psci_options;

/** What the thread of a vCPU has to do after a call. */
typedef enum av_psci_action {
    AV_PSCI_NONE, /**< no call of PSCI: nothing has been done, the guest still waits for an answer */
    AV_PSCI_RETURN,  /**< X0 = x0, and on */
    AV_PSCI_SUSPEND, /**< X0 = x0, wait as for WFI, and on */
    AV_PSCI_CPU_OFF, /**< this vCPU is off: av_psci_wait() */
    AV_PSCI_STOP,    /**< the machine does not run any more: av_psci_stopped() says why */
} av_psci_action;

/** The answer to a call. */
typedef struct av_psci_result {
    av_psci_action action; /**< what to do */
    uint64_t x0;           /**< for AV_PSCI_RETURN and AV_PSCI_SUSPEND */
} av_psci_result;

/** What av_psci_wait() waited for. */
typedef struct av_psci_start {
    av_psci_stop stop; /**< AV_PSCI_RUNNING: start at entry with context in X0 */
    uint64_t entry;    /**< for the PC */
    uint64_t context;  /**< for X0 */
} av_psci_start;

/** Fills in the defaults. Threads: any. Since: 0.1. */
AV_API void av_psci_options_init(av_psci_options *options);

/**
 * Creates the state: every vCPU is off, the machine runs. av_psci_boot() switches the first one on.
 *
 * @param psci     Out: the caller's until av_psci_destroy(). Written on AV_OK only.
 * @param options  NULL: the defaults.
 * @retval AV_ERROR_NULL_ARGUMENT  psci is NULL.
 * @retval AV_ERROR_BAD_ARGUMENT   n_cpus is out of range, two affinities are equal or one has other bits, or size is not one that this
 *                                 library knows.
 * @retval AV_ERROR_NO_MEMORY      Out of memory.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_psci_create(av_psci **psci, const av_psci_options *options);

/** Frees the state. NULL does nothing. No thread may be in a call on it, av_psci_wait() included. Threads: any. Since: 0.1. */
AV_API void av_psci_destroy(av_psci *psci);

/** For AV_AUTO(av_psci). */
static inline void av_psci_auto(av_psci **psci)
{
    av_psci_destroy(*psci);
}

/**
 * Switches a vCPU on from outside, as CPU_ON would.
 *
 * @param psci The machine.
 * @param cpu      Number of the vCPU, from 0.
 * @param entry    Where it starts, a multiple of 4. entry_is_valid is not asked.
 * @param context  For its X0.
 * @retval AV_ERROR_NULL_ARGUMENT  psci is NULL.
 * @retval AV_ERROR_OUT_OF_RANGE   There is no such vCPU.
 * @retval AV_ERROR_MISALIGNED     entry is not a multiple of 4.
 * @retval AV_ERROR_BUSY           The vCPU is not off, or the machine does not run.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_psci_boot(av_psci *psci, unsigned cpu, uint64_t entry, uint64_t context);

/**
 * Waits until a vCPU is switched on, or the machine stops. The vCPU is then AV_PSCI_ON.
 *
 * @param psci The machine.
 * @param cpu Number of the vCPU, from 0.
 * @param start  Out. Written on AV_OK only.
 * @retval AV_ERROR_NULL_ARGUMENT  psci or start is NULL.
 * @retval AV_ERROR_OUT_OF_RANGE   There is no such vCPU.
 * @retval AV_ERROR_BUSY           The vCPU is on: CPU_OFF has not been called since the last av_psci_wait().
 * Threads: any, one per vCPU; blocks. Since: 0.1.
 */
AV_API av_error av_psci_wait(av_psci *psci, unsigned cpu, av_psci_start *start);

/**
 * Names the vCPU that a stop of the machine has to take out of hv_vcpu_run(). It does so once, when av_psci_stopped() says so already:
 * a loop asks that, and nothing that becomes true later, before each run, or it can go back into the guest and stay there.
 *
 * @param psci The machine.
 * @param cpu   Number of the vCPU.
 * @param vcpu  Its id, from now until av_psci_detach(), which comes before hv_vcpu_destroy().
 * @retval AV_ERROR_NULL_ARGUMENT  psci is NULL.
 * @retval AV_ERROR_OUT_OF_RANGE   There is no such vCPU.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_psci_attach(av_psci *psci, unsigned cpu, hv_vcpu_t vcpu);

/**
 * As av_psci_attach(), for a vCPU that sleeps in av_irq_wait() or av_irq_sleep(): a stop ends that as well.
 *
 * @param psci The machine.
 * @param cpu Number of the vCPU.
 * @param irq Its lines, from now until av_psci_detach(), which comes before av_irq_destroy().
 * @retval AV_ERROR_NULL_ARGUMENT psci or irq is NULL.
 * @retval AV_ERROR_OUT_OF_RANGE There is no such vCPU.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_psci_attach_irq(av_psci *psci, unsigned cpu, av_irq *irq);

/** Undoes av_psci_attach() and av_psci_attach_irq(); after it, no stop touches the vCPU any more. Errors and threads as there. Since: 0.1. */
AV_API av_error av_psci_detach(av_psci *psci, unsigned cpu);

/**
 * Makes a call of the guest.
 *
 * @param psci The machine.
 * @param cpu     Number of the vCPU that calls, which is on.
 * @param x       X0 to X3 of the caller. A call with a 32-bit identifier has 32-bit arguments, whatever is above them.
 * @param result  Out. Written on AV_OK only.
 * @retval AV_OK                   Do what result->action says.
 * @retval AV_ERROR_NULL_ARGUMENT  A pointer is NULL.
 * @retval AV_ERROR_OUT_OF_RANGE   There is no such vCPU.
 * Threads: any; calls of several vCPUs at the same time are in order. Since: 0.1.
 */
AV_API av_error av_psci_call(av_psci *psci, unsigned cpu, const uint64_t x[4],
                             av_psci_result *result);

/**
 * Makes the call of an exit and answers it: reads X0 to X3, writes X0, and goes on behind an SMC.
 *
 * @param psci The machine.
 * @param cpu Number of the vCPU.
 * @param vcpu Its id.
 * @param event   Any; what is not HVC #0 or SMC #0 gives AV_PSCI_NONE, and so does an identifier that is not of PSCI.
 * @param result  Out. Written on AV_OK only.
 * Errors as for av_psci_call(), and what hv_vcpu_* answers. Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_psci_exit(av_psci *psci, unsigned cpu, hv_vcpu_t vcpu,
                             const av_exit_event *event, av_psci_result *result);

/**
 * Gives a vCPU the state that a started vCPU has: EL1h, interrupts masked, MMU and caches and the virtual timer off, entry in the PC,
 * context in X0. What PSCI leaves open keeps its value.
 *
 * @return what hv_vcpu_* answered.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_psci_enter(hv_vcpu_t vcpu, uint64_t entry, uint64_t context);

/** The power state of a vCPU; AV_PSCI_OFF for one that does not exist. Threads: any. Since: 0.1. */
AV_API av_psci_power av_psci_get_power(av_psci *psci, unsigned cpu);

/** Why the machine does not run; AV_PSCI_RUNNING if it does. Cheap. Threads: any. Since: 0.1. */
AV_API av_psci_stop av_psci_stopped(av_psci *psci);

/**
 * Stops the machine from outside: whoever waits returns, and attached vCPUs leave the guest. The first reason to stop stays.
 *
 * Threads: any. Since: 0.1.
 */
AV_API void av_psci_request_stop(av_psci *psci);

/**
 * Makes the machine as av_psci_create() left it, for a reboot: all vCPUs off, running.
 *
 * @retval AV_ERROR_NULL_ARGUMENT  psci is NULL.
 * @retval AV_ERROR_BUSY           The machine has not stopped.
 * Threads: any, while none is in av_psci_wait() or runs a vCPU. Since: 0.1.
 */
AV_API av_error av_psci_reset(av_psci *psci);

AV_END_DECLS

#endif
