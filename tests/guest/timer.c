/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The virtual counter and the virtual timer's status; what depends on the speed of the machine is not printed. */
#include "lib/guest.h"

static unsigned wrong;

static void must(const char *what, bool holds)
{
    print(what);
    print(holds ? " yes\n" : " NO\n");
    wrong += !holds;
}

static uint64_t now(void)
{
    __asm__ volatile("isb" ::: "memory");
    return READ_SYSREG(cntvct_el0);
}

int guest_main(void)
{
    const uint64_t frequency = READ_SYSREG(cntfrq_el0);
    uint64_t last = now();
    const uint64_t first = last;
    bool monotonic = true;

    must("CNTFRQ_EL0 is 1 MHz to 1 GHz", frequency >= 1000000 && frequency <= 1000000000);
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t next = now();
        monotonic &= next >= last;
        last = next;
    }
    must("CNTVCT_EL0 never goes back", monotonic);
    must("CNTVCT_EL0 moves", last > first);
    must("and less than a minute", last - first < frequency * 60);

    WRITE_SYSREG(cntv_cval_el0, 0);
    WRITE_SYSREG(cntv_ctl_el0, 3);
    must("due: ISTATUS", READ_SYSREG(cntv_ctl_el0) == 7);
    WRITE_SYSREG(cntv_cval_el0, now() + frequency * 3600);
    must("in an hour: no ISTATUS", READ_SYSREG(cntv_ctl_el0) == 3);
    WRITE_SYSREG(cntv_tval_el0, 0xffffffff);
    must("TVAL is signed", READ_SYSREG(cntv_ctl_el0) == 7);
    WRITE_SYSREG(cntv_tval_el0, frequency / 100);
    const uint64_t due = READ_SYSREG(cntv_cval_el0);
    while (READ_SYSREG(cntv_ctl_el0) != 7 && now() < due + frequency * 20) {
    }
    must("10 ms passed, not fewer", now() >= due);
    must("and ISTATUS tells", READ_SYSREG(cntv_ctl_el0) == 7);
    WRITE_SYSREG(cntv_ctl_el0, 0);
    return wrong != 0;
}
