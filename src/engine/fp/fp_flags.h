/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The host's cumulative floating-point flags while a guest runs: emitted code computes with the host's instructions, which collect
 * in MXCSR what A64 collects in FPSR. The client's MXCSR is put aside for the run.
 */
#ifndef ENGINE_FP_FP_FLAGS_H
#define ENGINE_FP_FP_FLAGS_H

#include "engine/cpu.h"

#if defined(__x86_64__)

#include <emmintrin.h>

#define FP_FLAGS_MXCSR 0x1f80u /* round to nearest, nothing trapped, no flag */

/* What the host has collected goes to FPSR. */
static inline void fp_flags_take(struct a64_cpu *cpu)
{
    const uint32_t mxcsr = _mm_getcsr();

    if ((mxcsr & 0x3f) != 0) {
        /* IE, DE, ZE, OE, UE, PE to IOC, -, DZC, OFC, UFC, IXC */
        cpu->fpsr |= (mxcsr & 1) | (mxcsr >> 1 & 0x1e);
        _mm_setcsr(FP_FLAGS_MXCSR);
    }
}

static inline uint32_t fp_flags_enter(void)
{
    const uint32_t client = _mm_getcsr();

    if (client != FP_FLAGS_MXCSR) {
        _mm_setcsr(FP_FLAGS_MXCSR);
    }
    return client;
}

static inline void fp_flags_leave(struct a64_cpu *cpu, uint32_t client)
{
    fp_flags_take(cpu);
    if (client != FP_FLAGS_MXCSR) {
        _mm_setcsr(client);
    }
}

#else

static inline void fp_flags_take(struct a64_cpu *cpu)
{
    (void)cpu;
}

static inline uint32_t fp_flags_enter(void)
{
    return 0;
}

static inline void fp_flags_leave(struct a64_cpu *cpu, uint32_t client)
{
    (void)cpu, (void)client;
}

#endif

#endif
