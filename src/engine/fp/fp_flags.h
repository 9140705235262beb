/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The host's floating-point control while a guest runs: emitted code computes with the host's instructions, which round as MXCSR says
 * and collect in it what A64 collects in FPSR. The client's MXCSR is put aside for the run.
 */
#ifndef ENGINE_FP_FP_FLAGS_H
#define ENGINE_FP_FP_FLAGS_H

#include "engine/cpu.h"
#include "engine/fp/fp.h"

/* The bits of FPCR with which emitted code may compute: RMode stands in MXCSR, and results that are NaNs are made in C. */
#define FP_FLAGS_FAST (FPCR_RMODE | FPCR_DN)

/* The host tells of denormal operands and of underflow, as emulated ones may not. Written once, before there is a VM. */
extern bool fp_flags_tell;
void fp_flags_ask_host(void);

/*
 * With FZ and no other bit more, the host computes without flushing, and tells of every denormal operand. So it does of the result, when
 * that is looked at. When it tells of anything but Inexact the function in C makes the operation again, and what the host has told is
 * dropped (MODE_FLUSH). Of Inexact alone nobody knows then whether it was for nothing; so FPSR.IXC has to be set before, which it soon is.
 * Who sets it asks for another mode (CPU_REQUEST_MODE).
 */
static inline bool fp_flags_flush(const struct a64_cpu *cpu)
{
    return (cpu->fpcr & ~FP_FLAGS_FAST) == FPCR_FZ && fp_flags_tell;
}

#if defined(__x86_64__)

#include <emmintrin.h>

/* Nothing trapped, no flag, rounding as FPCR says while emitted code uses it: to nearest, up, down, to zero. */
static inline uint32_t fp_flags_mxcsr(const struct a64_cpu *cpu)
{
    static const uint16_t rounding[4] = {0x0000, 0x4000, 0x2000, 0x6000};
    if (__builtin_expect(cpu->fpcr == 0, 1)) {
        return 0x1f80;
    }
    const bool fast = (cpu->fpcr & ~FP_FLAGS_FAST) == 0 || fp_flags_flush(cpu);

    return 0x1f80u | (fast ? rounding[cpu->fpcr >> FPCR_RMODE_SHIFT & 3u] : 0);
}

/* IE, DE, ZE, OE, UE, PE to IOC, -, DZC, OFC, UFC, IXC */
static inline void fp_flags_collect(struct a64_cpu *cpu, uint32_t mxcsr)
{
    cpu->fpsr |= (mxcsr & 1) | (mxcsr >> 1 & 0x1e);
}

/* What the host has collected goes to FPSR. */
static inline void fp_flags_take(struct a64_cpu *cpu)
{
    const uint32_t mxcsr = _mm_getcsr();

    if ((mxcsr & 0x3f) != 0) {
        fp_flags_collect(cpu, mxcsr);
        _mm_setcsr(mxcsr & ~0x3fu);
    }
}

/* FPCR has been written. */
static inline void fp_flags_control(struct a64_cpu *cpu)
{
    if (atomic_load_explicit(&cpu->running, memory_order_relaxed)) {
        fp_flags_take(cpu);
        _mm_setcsr(fp_flags_mxcsr(cpu));
    }
}

static inline uint32_t fp_flags_enter(const struct a64_cpu *cpu)
{
    const uint32_t client = _mm_getcsr(), guest = fp_flags_mxcsr(cpu);

    if (client != guest) {
        _mm_setcsr(guest);
    }
    return client;
}

static inline void fp_flags_leave(struct a64_cpu *cpu, uint32_t client)
{
    const uint32_t guest = _mm_getcsr();

    if ((guest & 0x3f) != 0) {
        fp_flags_collect(cpu, guest);
    }
    if (guest != client) {
        _mm_setcsr(client);
    }
}

#else

static inline void fp_flags_take(struct a64_cpu *cpu)
{
    (void)cpu;
}

static inline void fp_flags_control(struct a64_cpu *cpu)
{
    (void)cpu;
}

static inline uint32_t fp_flags_enter(const struct a64_cpu *cpu)
{
    (void)cpu;
    return 0;
}

static inline void fp_flags_leave(struct a64_cpu *cpu, uint32_t client)
{
    (void)cpu, (void)client;
}

#endif

#endif
