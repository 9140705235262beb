/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Several vCPUs at once: real atomics, exit latency, a map that changes under running guests. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define VCPUS  4
#define ROUNDS 20000u
#define HVC0   0xd4000002u

/* Guest memory: code at 0x4000, a level 1 table at 0x8000, counters at 0xc000. */
#define TABLE 0x8000u
#define DATA  0xc000u

static uint8_t *memory;
static uint32_t start_offset;

static void *count(void *argument)
{
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;

    (void)argument;
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    /* 39-bit addresses, 4 KiB granule, one block of 1 GiB of Normal memory, both caches on. */
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MAIR_EL1, 0xff));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, TABLE));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, 0x30d00800 | 1 | 1 << 2 | 1 << 12));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, PAGE + start_offset));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_X0, DATA));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_X3, ROUNDS));
    OK(hv_vcpu_run(vcpu));
    EXPECT_EQ(exit->exception.syndrome >> 26, 0x16);
    OK(hv_vcpu_destroy(vcpu));
    return NULL;
}

static uint64_t count_with(const uint32_t *code, size_t n)
{
    pthread_t threads[VCPUS];
    uint64_t result;

    memory = pages(3);
    memcpy(memory, code, n * sizeof(code[0]));
    const uint64_t block = 0x701; /* AF, inner shareable, AttrIndx 0, block */
    memcpy(memory + (TABLE - PAGE), &block, sizeof(block));
    start_offset = 0;
    OK(hv_vm_create(NULL));
    OK(hv_vm_map(memory, PAGE, 3 * PAGE, RWX));
    for (unsigned i = 0; i < VCPUS; i++) {
        pthread_create(&threads[i], NULL, count, NULL);
    }
    for (unsigned i = 0; i < VCPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    memcpy(&result, memory + (DATA - PAGE), sizeof(result));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(memory, 3 * PAGE));
    return result;
}

TEST(exclusives_between_vcpus_lose_no_update)
{
    static const uint32_t code[] = {
        0xc85f7c01, /* ldxr x1, [x0] */
        0x91000421, /* add x1, x1, #1 */
        0xc8027c01, /* stxr w2, x1, [x0] */
        0x35ffffa2, /* cbnz w2, -12 */
        0xf1000463, /* subs x3, x3, #1 */
        0x54ffff61, /* b.ne -20 */
        HVC0,
    };
    EXPECT_EQ(count_with(code, 7), (uint64_t)VCPUS * ROUNDS);
}

TEST(atomics_between_vcpus_lose_no_update)
{
    static const uint32_t code[] = {
        0xd2800021, /* mov x1, #1 */
        0xf8e10002, /* ldaddal x1, x2, [x0] */
        0xf1000463, /* subs x3, x3, #1 */
        0x54ffffc1, /* b.ne -8 */
        HVC0,
    };
    EXPECT_EQ(count_with(code, 5), (uint64_t)VCPUS * ROUNDS);
}

static hv_vcpu_t spinner;
static _Atomic int ready;
static _Atomic uint64_t returned_ns;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *spin(void *argument)
{
    hv_vcpu_exit_t *exit;

    (void)argument;
    OK(hv_vcpu_create(&spinner, &exit, NULL));
    OK(hv_vcpu_set_reg(spinner, HV_REG_PC, PAGE));
    OK(hv_vcpu_set_reg(spinner, HV_REG_CPSR, 0x3c5));
    OK(hv_vcpu_set_reg(spinner, HV_REG_X1, 2 * PAGE));
    atomic_store(&ready, 1);
    OK(hv_vcpu_run(spinner));
    atomic_store(&returned_ns, now_ns());
    /* Canceled, or stopped by the page that went away. */
    EXPECT(exit->reason == HV_EXIT_REASON_CANCELED || exit->exception.physical_address == 2 * PAGE);
    OK(hv_vcpu_destroy(spinner));
    return NULL;
}

static void spin_until(void (*act)(void))
{
    pthread_t thread;
    uint8_t *const p = pages(2);
    const uint32_t code[] = {0xf9400020, 0x17ffffff}; /* ldr x0, [x1]; b -4 */

    memcpy(p, code, sizeof(code));
    OK(hv_vm_create(NULL));
    OK(hv_vm_map(p, PAGE, 2 * PAGE, RWX));
    atomic_store(&ready, 0);
    pthread_create(&thread, NULL, spin, NULL);
    while (atomic_load(&ready) == 0) {
        usleep(100);
    }
    usleep(20000);
    act();
    pthread_join(thread, NULL);
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, 2 * PAGE));
}

static void cancel(void)
{
    const uint64_t start = now_ns();
    OK(hv_vcpus_exit(&spinner, 1));
    while (atomic_load(&returned_ns) < start) {
    }
    printf("# hv_vcpus_exit to return: %llu ns\n",
           (unsigned long long)(atomic_load(&returned_ns) - start));
}

TEST(spinning_guest_is_cancelled)
{
    spin_until(cancel);
}

static void unmap(void)
{
    OK(hv_vm_unmap(2 * PAGE, PAGE));
}

TEST(unmap_takes_a_page_from_a_running_guest)
{
    spin_until(unmap);
}

MAIN(T(exclusives_between_vcpus_lose_no_update), T(atomics_between_vcpus_lose_no_update),
     T(spinning_guest_is_cancelled), T(unmap_takes_a_page_from_a_running_guest))
