/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A spin lock, counters, exchanges and a stack by compare and swap, not contended. Compiled twice: -march=armv8.1-a makes LSE
 * instructions of the builtins, armv8-a makes loops of exclusives. A unit is one atomic operation.
 */
#include "../lib/bench.h"

#define ROUNDS 8192

struct arena {
    uint32_t lock, unused[15];
    uint64_t counter, flags, top, swapped, unused2[4];
    uint64_t guarded;
};

static void acquire(uint32_t *lock)
{
    while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0) {
    }
}

static void release(uint32_t *lock)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static NOINLINE void push(uint64_t *top, uint64_t value)
{
    uint64_t old = __atomic_load_n(top, __ATOMIC_RELAXED);

    while (!__atomic_compare_exchange_n(top, &old, old * 3 + value, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
    }
}

static uint64_t run(void *memory)
{
    struct arena *const a = memory;
    uint64_t sum = 0;

    *a = (struct arena){0};
    for (uint64_t i = 0; i < ROUNDS; i++) {
        acquire(&a->lock);
        a->guarded += i;
        release(&a->lock);
        sum += __atomic_fetch_add(&a->counter, i, __ATOMIC_SEQ_CST);
        sum ^= __atomic_fetch_or(&a->flags, i << (i & 31), __ATOMIC_RELAXED);
        sum += __atomic_exchange_n(&a->swapped, sum, __ATOMIC_ACQ_REL);
        push(&a->top, i);
    }
    return bench_mix(bench_mix(sum, a->guarded), a->top);
}

const struct bench bench = {
    .name = NAME,
    .arena_bytes = sizeof(struct arena),
    .units = 6 * ROUNDS,
    .run = run,
};
