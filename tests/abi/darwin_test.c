/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The few functions of include/darwin do what the framework's users expect of them. */
#include <inttypes.h>
#include <libkern/OSCacheControl.h>
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <stdio.h>
#include <string.h>

#include <Hypervisor/Hypervisor.h>

#include "../expect.h"

static int failures;

/* The formula of libhypervisor's CNTVCT_EL0, in arithmetic that cannot overflow. */
static uint64_t ticks_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    const unsigned __int128 ns = (unsigned __int128)now.tv_sec * 1000000000u +
                                 (unsigned)now.tv_nsec;
    return (uint64_t)(ns * 24 / 1000);
}

/* Between two readings of the formula lies the function's: a wrong scale or rounding falls outside. */
static void test_absolute_time(void)
{
    for (int i = 0; i < 100000; i++) {
        const uint64_t before = ticks_now();
        const uint64_t t = mach_absolute_time();
        const uint64_t after = ticks_now();

        if (t < before || t > after) {
            printf("mach_absolute_time() is %" PRIu64 ", not in [%" PRIu64 ", %" PRIu64 "]\n", t,
                   before, after);
            failures++;
            return;
        }
    }
}

static void test_timebase(void)
{
    mach_timebase_info_data_t info = {0, 0};

    EXPECT(mach_timebase_info(&info) == KERN_SUCCESS);
    EXPECT(info.numer == 125 && info.denom == 3);
    EXPECT(mach_timebase_info(NULL) == KERN_INVALID_ARGUMENT);
}

static void test_wait_until(void)
{
    /* 5 ms; odd distances, so that all remainders of the conversion to nanoseconds are met. */
    for (uint64_t i = 0; i < 3; i++) {
        const uint64_t deadline = mach_absolute_time() + 24000 * 5 + i;

        EXPECT(mach_wait_until(deadline) == KERN_SUCCESS);
        EXPECT(mach_absolute_time() >= deadline);
        /* Generous, as the host may be busy; a wrong unit would be off by a factor of 24 or 1000. */
        EXPECT(mach_absolute_time() - deadline < 24000000u);
    }
    const uint64_t before = mach_absolute_time();
    EXPECT(mach_wait_until(0) == KERN_SUCCESS);
    EXPECT(mach_wait_until(before) == KERN_SUCCESS);
    EXPECT(mach_absolute_time() - before < 24000000u);
}

static void test_vm_allocate(void)
{
    static const uint8_t zero[0x8000];

    for (int i = 0; i < 20; i++) {
        mach_vm_address_t address = 1;

        EXPECT(mach_vm_allocate(mach_task_self(), &address, 0x4001, VM_FLAGS_ANYWHERE) ==
               KERN_SUCCESS);
        EXPECT(address % 0x4000 == 0);
        uint8_t *const memory = (uint8_t *)(uintptr_t)address;
        EXPECT(memcmp(memory, zero, sizeof(zero)) == 0);
        memset(memory, 0xff, sizeof(zero));
        sys_icache_invalidate(memory, sizeof(zero));
        sys_dcache_flush(memory, sizeof(zero));
        EXPECT(memory[0] == 0xff && memory[0x7fff] == 0xff);
        /* Every other one stays, so that the next search for room begins elsewhere. */
        if (i % 2 == 0) {
            EXPECT(mach_vm_deallocate(mach_task_self(), address, 0x4001) == KERN_SUCCESS);
            EXPECT(msync(memory, 0x8000, MS_ASYNC) == -1 && errno == ENOMEM);
        }
    }

    mach_vm_address_t untouched = 7;
    EXPECT(mach_vm_allocate(mach_task_self(), &untouched, 0, VM_FLAGS_ANYWHERE) ==
           KERN_INVALID_ARGUMENT);
    EXPECT(mach_vm_allocate(mach_task_self(), &untouched, 0x4000, VM_FLAGS_FIXED) ==
           KERN_INVALID_ARGUMENT);
    EXPECT(mach_vm_allocate(0, &untouched, 0x4000, VM_FLAGS_ANYWHERE) == KERN_INVALID_ARGUMENT);
    EXPECT(mach_vm_allocate(mach_task_self(), NULL, 0x4000, VM_FLAGS_ANYWHERE) ==
           KERN_INVALID_ARGUMENT);
    EXPECT(mach_vm_allocate(mach_task_self(), &untouched, UINT64_MAX, VM_FLAGS_ANYWHERE) ==
           KERN_NO_SPACE);
    EXPECT(untouched == 7);
    EXPECT(mach_vm_deallocate(mach_task_self(), 1, 0x4000) == KERN_INVALID_ARGUMENT);
    EXPECT(mach_vm_deallocate(mach_task_self(), 0x4000, UINT64_MAX) == KERN_INVALID_ARGUMENT);
}

static void test_errors(void)
{
    EXPECT(HV_ERROR == (err_local | err_sub(0xba5) | 1));
    EXPECT(err_common_hypervisor == (err_local | err_sub_hypervisor));
    EXPECT(err_sub(0xba5) == err_sub_hypervisor);
    EXPECT(err_get_system(HV_UNSUPPORTED) == 0x3e);
    EXPECT(err_get_sub(HV_UNSUPPORTED) == 0xba5);
    EXPECT(err_get_code(HV_UNSUPPORTED) == 0xf);

    static const struct {
        mach_error_t error;
        const char *name;
    } names[] = {
        {HV_ERROR, "HV_ERROR"},
        {HV_BUSY, "HV_BUSY"},
        {HV_BAD_ARGUMENT, "HV_BAD_ARGUMENT"},
        {HV_ILLEGAL_GUEST_STATE, "HV_ILLEGAL_GUEST_STATE"},
        {HV_NO_RESOURCES, "HV_NO_RESOURCES"},
        {HV_NO_DEVICE, "HV_NO_DEVICE"},
        {HV_DENIED, "HV_DENIED"},
        {HV_EXISTS, "HV_EXISTS"},
        {HV_UNSUPPORTED, "HV_UNSUPPORTED"},
        {KERN_SUCCESS, "KERN_SUCCESS"},
        {KERN_ABORTED, "KERN_ABORTED"},
        {-1, "unknown error code"},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(mach_error_string(names[i].error), names[i].name) != 0) {
            printf("0x%x is called %s, expected %s\n", (unsigned)names[i].error,
                   mach_error_string(names[i].error), names[i].name);
            failures++;
        }
    }
}

int main(void)
{
    test_absolute_time();
    test_timebase();
    test_wait_until();
    test_vm_allocate();
    test_errors();
    return failures != 0;
}
