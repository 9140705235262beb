/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Programs of several vCPUs: switching them on, and waiting for each other. */
#include "guest.h"

#define STACK_WORDS 1024

void secondary_start(void);
void secondary_main(unsigned cpu) __attribute__((noreturn));

static struct {
    void (*program)(unsigned cpu);
    uint64_t stack[STACK_WORDS] __attribute__((aligned(16)));
} cpus[GUEST_CPUS];

static uint32_t barrier_count, barrier_turn;

int64_t start_cpu(unsigned cpu, void (*program)(unsigned cpu))
{
    /* Two words stay above the stack: its pointer must be a multiple of 16. */
    uint64_t *const top = cpus[cpu].stack + STACK_WORDS - 2;

    cpus[cpu].program = program;
    top[0] = cpu;
    __asm__ volatile("dsb ish" ::: "memory");
    return psci(PSCI_CPU_ON, cpu, (uintptr_t)secondary_start, (uintptr_t)top);
}

void secondary_main(unsigned cpu)
{
    map_identity_again();
    cpus[cpu].program(cpu);
    psci(PSCI_CPU_OFF, 0, 0, 0);
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void barrier(void)
{
    const uint32_t turn = __atomic_load_n(&barrier_turn, __ATOMIC_ACQUIRE);

    if (__atomic_fetch_add(&barrier_count, 1, __ATOMIC_ACQ_REL) == GUEST_CPUS - 1) {
        barrier_count = 0;
        __atomic_store_n(&barrier_turn, turn + 1, __ATOMIC_RELEASE);
        __asm__ volatile("dsb ish\n sev" ::: "memory");
        return;
    }
    while (__atomic_load_n(&barrier_turn, __ATOMIC_ACQUIRE) == turn) {
        __asm__ volatile("wfe" ::: "memory");
    }
}

void meet(unsigned cpu, uint64_t turn)
{
    static uint64_t turns[GUEST_CPUS];

    __atomic_store_n(&turns[cpu], turn, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 1000 && __atomic_load_n(&turns[cpu ^ 1], __ATOMIC_RELAXED) < turn;
         i++) {
    }
}
