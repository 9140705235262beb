/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Ends runs that last, and the process when one does not end: a guest may loop for ever, but not past hv_vcpus_exit.
 *
 * What is measured is the processor time of the vCPU's thread from the request on, so that a busy machine is no finding; a
 * thread that waits for something that does not come uses none, and is found by the clock.
 */
#ifndef TESTS_FUZZ_WATCHDOG_H
#define TESTS_FUZZ_WATCHDOG_H

#include <stdbool.h>

#include <Hypervisor/Hypervisor.h>

#define WATCHDOG_VCPUS 2

#define WATCHDOG_ASK_MS 1 /* a run is asked to end after this */
#define WATCHDOG_CPU_MS \
    100 /* the bound on processor time after that: sanitizers are slow, and the bound is not the promise */
#define WATCHDOG_CLOCK_MS 20000 /* and by the clock */

/* Starts its thread. False: there is none to be had. */
bool watchdog_start(void);

/* hv_vcpu_run, watched. *asked: the run was asked to end, so that a later one may be CANCELED. */
hv_return_t watchdog_run(unsigned slot, hv_vcpu_t vcpu, bool *asked);

/* Called with the reason, on the watchdog's thread, when a run does not end; does not return. */
extern void watchdog_finding(const char *what) __attribute__((noreturn));

#endif
