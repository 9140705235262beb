/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Run-loop kit: interrupts, the virtual timer and WFI, for a VMM that has an interrupt controller of its own instead of hv_gic.
 *
 * The framework forgets a pending interrupt with every exit, reports the expiry of the virtual timer once and masks it, and exits at
 * WFI. An av_irq, one per vCPU, turns that into two level-sensitive lines, a timer line and a sleep:
 *
 *     for (;;) {
 *         av_vtimer_sync(vcpu, &level);          the timer's line: PPI 27 of the interrupt controller
 *         controller_set_ppi(27, level);
 *         av_irq_enter(irq);                     the lines that the controller has raised with av_irq_set()
 *         hv_vcpu_run(vcpu); ...
 *         case AV_EXIT_VTIMER: break;            the next av_vtimer_sync() says so
 *         case AV_EXIT_WAIT: av_irq_wait(irq, &event);
 *     }
 *
 * Any thread raises a line or kicks the vCPU, whether it runs, sleeps, or does neither.
 */
#ifndef APPLEVISOR_IRQ_H
#define APPLEVISOR_IRQ_H

#include <applevisor/exit.h>

AV_BEGIN_DECLS

/* --- Time --------------------------------------------------------------------------------------------------------------------- */

/** A deadline that never comes. */
#define AV_NEVER UINT64_MAX

/** The private interrupt of the virtual timer, as every Arm system wires it. */
#define AV_VTIMER_INTID 27

/** Host time in the unit of the guest's counter: mach_absolute_time() on a Mac, the same at 24 MHz here. Threads: any. Since: 0.1. */
AV_API uint64_t av_host_ticks(void);

/** The registers of a virtual timer. CNTVCT_EL0 is the host's ticks minus offset. */
typedef struct av_vtimer {
    uint64_t ctl;    /**< CNTV_CTL_EL0; bit 2, ISTATUS, is not looked at */
    uint64_t cval;   /**< CNTV_CVAL_EL0 */
    uint64_t offset; /**< hv_vcpu_get_vtimer_offset() */
} av_vtimer;

/** Whether the timer asserts its interrupt at a host time: enabled, not masked by IMASK, and expired. Threads: any. Since: 0.1. */
AV_API bool av_vtimer_is_asserted(const av_vtimer *timer, uint64_t now);

/**
 * The host time at which the timer asserts its interrupt next.
 *
 * @param timer Its registers.
 * @param now  av_host_ticks()
 * @return now if it does already; AV_NEVER if it is disabled or masked by IMASK, or expires after the end of time.
 * Threads: any. Since: 0.1.
 */
AV_API uint64_t av_vtimer_deadline(const av_vtimer *timer, uint64_t now);

/**
 * Reads the virtual timer of a vCPU.
 *
 * @param vcpu The vCPU.
 * @param timer  Out. Written on AV_OK only.
 * @retval AV_ERROR_NULL_ARGUMENT  timer is NULL.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_vtimer_read(hv_vcpu_t vcpu, av_vtimer *timer);

/**
 * The level of the timer's interrupt before a run. While it is low the timer's mask is taken off, so that the next expiry exits;
 * while it is high the mask stays, or the timer would exit at once.
 *
 * @param vcpu The vCPU.
 * @param level  Out: true while the guest has an expired timer that it has not stopped, moved or masked. Written on AV_OK only.
 * @retval AV_ERROR_NULL_ARGUMENT  level is NULL.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_vtimer_sync(hv_vcpu_t vcpu, bool *level);

/* --- Lines and sleep ---------------------------------------------------------------------------------------------------------- */

/** The interrupt lines and the sleep of one vCPU. */
typedef struct av_irq av_irq;

/**
 * Creates the lines of a vCPU, both low.
 *
 * @param irq   Out: the caller's until av_irq_destroy(). Written on AV_OK only.
 * @param vcpu  Its thread is the calling one.
 * @retval AV_ERROR_NULL_ARGUMENT  irq is NULL.
 * @retval AV_ERROR_NO_MEMORY      Out of memory.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_irq_create(av_irq **irq, hv_vcpu_t vcpu);

/** Frees the lines, before hv_vcpu_destroy(). NULL does nothing. No other thread may use them any more. Threads: any. Since: 0.1. */
AV_API void av_irq_destroy(av_irq *irq);

/** For AV_AUTO(av_irq). */
static inline void av_irq_auto(av_irq **irq)
{
    av_irq_destroy(*irq);
}

/**
 * Sets the level of a line. A line that rises ends the vCPU's sleep, or takes it out of the guest to be told.
 *
 * @param irq The lines of a vCPU.
 * @param type HV_INTERRUPT_TYPE_IRQ or HV_INTERRUPT_TYPE_FIQ.
 * @param level True: asserted.
 * @retval AV_ERROR_NULL_ARGUMENT  irq is NULL.
 * @retval AV_ERROR_BAD_ARGUMENT   type is neither.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_irq_set(av_irq *irq, hv_interrupt_type_t type, bool level);

/**
 * Ends the vCPU's sleep, or takes it out of the guest with HV_EXIT_REASON_CANCELED; if it does neither now, the next sleep or run
 * ends at once.
 *
 * Threads: any. Since: 0.1.
 */
AV_API void av_irq_kick(av_irq *irq);

/**
 * Asserts the lines that are high for the coming hv_vcpu_run(): before each run, since the framework clears them with every exit.
 *
 * @retval AV_ERROR_NULL_ARGUMENT  irq is NULL.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_irq_enter(av_irq *irq);

/**
 * Sleeps until a line is high, somebody kicks, or a time comes.
 *
 * @param irq The lines of a vCPU.
 * @param deadline  Host ticks; AV_NEVER.
 * @retval AV_OK                   For whatever reason; also for none.
 * @retval AV_ERROR_NULL_ARGUMENT  irq is NULL.
 * Threads: the vCPU's; blocks. Since: 0.1.
 */
AV_API av_error av_irq_sleep(av_irq *irq, uint64_t deadline);

/**
 * Waits as the guest asked to, and goes on behind the instruction: WFI and WFIT sleep, with the expiry of the virtual timer and, for
 * WFIT, its own as deadline. WFE and WFET give another thread a turn, as the events they wait for cannot be seen from here.
 *
 * @param irq The lines of a vCPU.
 * @param event  AV_EXIT_WAIT.
 * @retval AV_ERROR_NULL_ARGUMENT  irq or event is NULL.
 * @retval AV_ERROR_BAD_ARGUMENT   The event is of another kind.
 * Threads: the vCPU's; blocks. Since: 0.1.
 */
AV_API av_error av_irq_wait(av_irq *irq, const av_exit_event *event);

AV_END_DECLS

#endif
