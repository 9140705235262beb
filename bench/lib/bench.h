/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a measured program is: the same source runs in a guest (guest_main.c) and as a Linux process (native_main.c). */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * run() does a piece of work that takes about a millisecond on the host itself and returns a checksum of what it computed. The
 * result is the same each time, so a program that changes its arena puts it back first. The harness calls it as often as it
 * likes; the figure is the time of one call divided by `units`.
 */
struct bench {
    const char *name;
    uint64_t arena_bytes; /* memory of 4 KiB pages, zeroed */
    uint64_t
        units; /* steps, bytes or operations of one call: docs/bench.md has the word for each row */
    uint64_t expected; /* the checksum, where there is no native program to compare with; else 0 */
    bool warm;         /* measure again after TLB flushes, see docs/bench.md */
    void (*prepare)(void *arena); /* once, not timed; may be NULL */
    uint64_t (*run)(void *arena);
};
extern const struct bench bench;

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* xorshift64*: the inputs must not depend on a library. */
static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dull;
}

static inline uint64_t bench_mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * 0x9e3779b97f4a7c15ull;
    return sum ^ sum >> 29;
}

static inline uint64_t bench_bits(double value)
{
    union {
        double d;
        uint64_t u;
    } bits = {.d = value};

    return bits.u;
}

/* As -ffast-math has it done at a program's start: denormal numbers are zeros. */
static inline void bench_flush_to_zero(void)
{
#if defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" ::"r"(1ull << 24));
#else
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
}

#endif
