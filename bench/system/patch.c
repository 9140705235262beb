/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Writes another instruction into a function, makes it visible, and calls it. A unit is one change with its call. */
#include "system.h"

#define ROUNDS 256

static uint64_t run(void *memory)
{
    volatile uint32_t *const code = memory;
    uint64_t (*const function)(void) = (uint64_t(*)(void))(uintptr_t)memory;
    uint64_t sum = 0;

    code[1] = 0xd65f03c0; /* ret */
    for (uint32_t i = 0; i < ROUNDS; i++) {
        code[0] = 0xd2800000 | i << 5; /* mov x0, #i */
        __asm__ volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" ::"r"(code)
                         : "memory");
        sum += function();
    }
    return sum;
}

const struct bench bench = {
    .name = "patch",
    .arena_bytes = PAGE,
    .units = ROUNDS,
    .expected = ROUNDS * (ROUNDS - 1) / 2,
    .run = run,
};
