/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The virtual timer as a line. Arm ARM DDI0487 J.a, D11.2.4: the condition is CNTVCT_EL0 >= CNTV_CVAL_EL0, unsigned. */
#include <time.h>

#include <applevisor/irq.h>

#ifdef __APPLE__
#include <mach/mach_time.h>
#endif

#include "applevisor/kit.h"

#define CTL_ENABLE 1ull
#define CTL_IMASK  2ull

uint64_t av_host_ticks(void)
{
#ifdef __APPLE__
    return mach_absolute_time();
#else
    struct timespec now;

    /* libhypervisor's formula, to the tick; the clock exists on every Linux. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 24000000u + (uint64_t)now.tv_nsec * 24 / 1000;
#endif
}

bool av_vtimer_is_asserted(const av_vtimer *timer, uint64_t now)
{
    return timer != NULL && (timer->ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE &&
           now - timer->offset >= timer->cval;
}

uint64_t av_vtimer_deadline(const av_vtimer *timer, uint64_t now)
{
    if (timer == NULL || (timer->ctl & (CTL_ENABLE | CTL_IMASK)) != CTL_ENABLE) {
        return AV_NEVER;
    }
    const uint64_t count = now - timer->offset;
    if (count >= timer->cval) {
        return now;
    }
    /* What is left, counted from now: CVAL + offset can wrap, this cannot. */
    const uint64_t left = timer->cval - count;
    return left > AV_NEVER - now ? AV_NEVER : now + left;
}

av_error av_vtimer_read(hv_vcpu_t vcpu, av_vtimer *timer)
{
    av_vtimer read;

    NOT_NULL(timer);
    TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_CNTV_CTL_EL0, &read.ctl));
    TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_CNTV_CVAL_EL0, &read.cval));
    TRY_HV(hv_vcpu_get_vtimer_offset(vcpu, &read.offset));
    *timer = read;
    return AV_OK;
}

av_error av_vtimer_sync(hv_vcpu_t vcpu, bool *level)
{
    av_vtimer timer;
    bool masked;

    NOT_NULL(level);
    TRY(av_vtimer_read(vcpu, &timer));
    const bool asserted = av_vtimer_is_asserted(&timer, av_host_ticks());
    TRY_HV(hv_vcpu_get_vtimer_mask(vcpu, &masked));
    if (masked != asserted) {
        TRY_HV(hv_vcpu_set_vtimer_mask(vcpu, asserted));
    }
    *level = asserted;
    return AV_OK;
}
