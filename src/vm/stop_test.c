/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Between vm_stop() and vm_continue() no vCPU is in the guest, however late a processor's stores are seen: a vCPU stores to many lines
 * that no cache has, right before it enters, so that what it says of itself waits behind them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../tests/expect.h"
#include "vm/internal.h"

#define MAX_VCPUS    2u
#define FAR_BYTES    (64u << 20)
#define FAR_STORES   24u
#define ENOUGH_STOPS 200000u
#define SECONDS      2

static unsigned failures;
static struct vm *vm;
static _Atomic bool stopped, done;
static _Atomic uint64_t n_entries, n_seen;

static uint64_t now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

static void *run_vcpu(void *unused)
{
    volatile uint8_t *const far = calloc(1, FAR_BYTES);
    struct vcpu *vcpu = NULL;
    uint64_t seen = 0, random = 88172645463325252;

    EXPECT(far != NULL && vm_vcpu_create(vm, &vcpu) == VM_OK);
    while (vcpu != NULL && !atomic_load_explicit(&done, memory_order_relaxed)) {
        for (unsigned i = 0; i < FAR_STORES; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            far[random % FAR_BYTES] = 1;
        }
        vm_enter_guest(vcpu);
        for (unsigned i = 0; i < 16; i++) {
            seen += atomic_load_explicit(&stopped, memory_order_relaxed);
        }
        vm_leave_guest(vcpu);
        atomic_fetch_add_explicit(&n_entries, 1, memory_order_relaxed);
    }
    atomic_fetch_add(&n_seen, seen);
    if (vcpu != NULL) {
        vm_vcpu_destroy(vcpu);
    }
    free((void *)far);
    return unused;
}

static void test_vcpus(unsigned n)
{
    const struct vm_config config = {
        .ipa_bits = 36, .granule_log2 = 14, .profile = vm_profile_by_name("max"), .macos = 260000};
    pthread_t threads[MAX_VCPUS];
    unsigned stops = 0;

    EXPECT(vm_create(&config, &vm) == VM_OK);
    done = false;
    n_entries = 0;
    n_seen = 0;
    for (unsigned i = 0; i < n; i++) {
        EXPECT(pthread_create(&threads[i], NULL, run_vcpu, NULL) == 0);
    }
    for (const uint64_t end = now_s() + SECONDS; stops < ENOUGH_STOPS && now_s() < end; stops++) {
        vm_stop(vm, NULL);
        atomic_store_explicit(&stopped, true, memory_order_relaxed);
        for (unsigned i = 0; i < 200; i++) {
            __asm__ volatile("" ::: "memory");
        }
        atomic_store_explicit(&stopped, false, memory_order_release);
        vm_continue(vm);
        const uint64_t wanted = n_entries + 1 + stops % 4; /* the next stop comes when they run */
        while (n_entries < wanted) {
            __asm__ volatile("" ::: "memory");
        }
        for (unsigned i = 0; i < 16 * (stops % 64); i++) {
            __asm__ volatile("" ::: "memory");
        }
    }
    done = true;
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_EQ(n_seen, 0);
    EXPECT(n_entries > 0 && stops > 0);
    printf("%u vCPUs: %u stops, %llu entries\n", n, stops, (unsigned long long)n_entries);
    EXPECT(vm_destroy(vm) == VM_OK);
}

int main(void)
{
    test_vcpus(1);
    test_vcpus(MAX_VCPUS);
    vm_has_fence_for_all = false; /* as on a host that cannot: then each vCPU has its own */
    test_vcpus(1);
    return failures != 0;
}
