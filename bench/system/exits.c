/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What leaves the guest: a read of a register of the PL011, or with HVC the call PSCI_VERSION. A unit is one of them. */
#include "system.h"

#define ROUNDS 1024

#ifdef HVC
static uint64_t one(void)
{
    register uint64_t x0 __asm__("x0") = 0x84000000;

    __asm__ volatile("hvc #0" : "+r"(x0)::"x1", "x2", "x3", "memory");
    return x0 == 0x10001;
}
#else
#define UART_FR (*(volatile uint32_t *)0x09000018)

static uint64_t one(void)
{
    return (UART_FR & 1u << 5) == 0; /* TXFF: there is room to transmit */
}
#endif

static uint64_t run(void *memory)
{
    uint64_t sum = 0;

    (void)memory;
    for (unsigned i = 0; i < ROUNDS; i++) {
        sum += one();
    }
    return sum;
}

const struct bench bench = {
    .name = NAME,
    .arena_bytes = PAGE,
    .units = ROUNDS,
    .expected = ROUNDS,
    .run = run,
};
