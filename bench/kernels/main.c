/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Times one kernel of kernels.S: doubles the iterations until they take 150 ms, and reports the last round. */
#include "../../tests/guest/lib/guest.h"

extern void kernel_run(uint64_t iterations);
extern const uint64_t kernel_insns;
extern const char kernel_name[];

static uint64_t now(void)
{
    __asm__ volatile("isb" ::: "memory");
    return READ_SYSREG(cntvct_el0);
}

int guest_main(void)
{
    const uint64_t frequency = READ_SYSREG(cntfrq_el0);
    uint64_t iterations = 1024, ticks;

    map_identity();
    for (;;) {
        const uint64_t start = now();
        kernel_run(iterations);
        ticks = now() - start;
        if (ticks >= frequency * 15 / 100) {
            break;
        }
        iterations *= 2;
    }
    print(kernel_name);
    print("\n");
    print_dec("frequency", frequency);
    print_dec("iterations", iterations);
    print_dec("ticks", ticks);
    print_dec("instructions_per_iteration", kernel_insns);
    /* 150 ms to some seconds of ticks: far from 2^64 / 10^9. */
    print_dec("ps_per_iteration", ticks * 1000000000 / frequency * 1000 / iterations);
    return 0;
}
