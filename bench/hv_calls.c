/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What calls of the framework cost: exits by HVC beside a system call of the host, creation of VMs and vCPUs, memory per vCPU.
 * Prints `name value` lines.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <Hypervisor/Hypervisor.h>

#include "lib/now.h"

#define BASE       0x40000000ull
#define PAGE       0x4000u
#define ROUNDTRIPS 1000 /* of one sample: reading the clock takes as long as one of them */
#define SAMPLES    51
#define VCPUS      64

static uint64_t samples[SAMPLES];

static void check(hv_return_t ret, const char *call)
{
    if (ret != HV_SUCCESS) {
        fprintf(stderr, "hv_calls: %s: 0x%08x\n", call, (unsigned)ret);
        exit(1);
    }
}
#define CHECK(call) check((call), #call)

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The median of the samples, each of which is the time of n calls. */
static double report(const char *name, double n)
{
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    const double ns = (double)samples[SAMPLES / 2] / n;
    printf("%s %.1f\n", name, ns);
    return ns;
}

static void *map_code(void)
{
    void *memory = NULL;

    CHECK(hv_vm_allocate(&memory, PAGE, HV_ALLOCATE_DEFAULT));
    uint32_t *const code = memory;
    code[0] = 0xd4000002; /* hvc #0 */
    code[1] = 0x17ffffff; /* b .-4 */
    CHECK(hv_vm_map(memory, BASE, PAGE, HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));
    return memory;
}

static void unmap_code(void *memory)
{
    CHECK(hv_vm_unmap(BASE, PAGE));
    CHECK(hv_vm_deallocate(memory, PAGE));
}

static void start(hv_vcpu_t vcpu)
{
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_PC, BASE));
    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
}

static void run_to_hvc(hv_vcpu_t vcpu, const hv_vcpu_exit_t *exit_info)
{
    CHECK(hv_vcpu_run(vcpu));
    if (exit_info->reason != HV_EXIT_REASON_EXCEPTION ||
        exit_info->exception.syndrome >> 26 != 0x16) {
        fprintf(stderr, "hv_calls: the exit is not an HVC\n");
        exit(1);
    }
}

static void round_trip(void)
{
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit_info;

    CHECK(hv_vm_create(NULL));
    void *const memory = map_code();
    CHECK(hv_vcpu_create(&vcpu, &exit_info, NULL));
    start(vcpu);
    for (unsigned i = 0; i < 1000; i++) {
        run_to_hvc(vcpu, exit_info);
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        const uint64_t t = now_ns();
        for (size_t j = 0; j < ROUNDTRIPS; j++) {
            run_to_hvc(vcpu, exit_info);
        }
        samples[i] = now_ns() - t;
    }
    const double hvc = report("hvc_round_trip_ns", ROUNDTRIPS);
    for (size_t i = 0; i < SAMPLES; i++) {
        const uint64_t t = now_ns();
        for (size_t j = 0; j < ROUNDTRIPS; j++) {
            syscall(SYS_getpid);
        }
        samples[i] = now_ns() - t;
    }
    printf("hvc_round_trip_getpids %.2f\n", hvc / report("getpid_ns", ROUNDTRIPS));
    CHECK(hv_vcpu_destroy(vcpu));
    unmap_code(memory);
    CHECK(hv_vm_destroy());
}

static void creations(void)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        const uint64_t t = now_ns();
        CHECK(hv_vm_create(NULL));
        CHECK(hv_vm_destroy());
        samples[i] = now_ns() - t;
    }
    report("vm_create_destroy_ns", 1);
    CHECK(hv_vm_create(NULL));
    for (size_t i = 0; i < SAMPLES; i++) {
        hv_vcpu_t vcpu;
        hv_vcpu_exit_t *exit_info;
        const uint64_t t = now_ns();
        CHECK(hv_vcpu_create(&vcpu, &exit_info, NULL));
        samples[i] = now_ns() - t;
        CHECK(hv_vcpu_destroy(vcpu));
    }
    report("vcpu_create_ns", 1);
    CHECK(hv_vm_destroy());
}

static pthread_barrier_t barrier;

static void *vcpu_thread(void *argument)
{
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit_info;

    (void)argument;
    pthread_barrier_wait(&barrier); /* all threads exist: their stacks do not count */
    pthread_barrier_wait(&barrier);
    CHECK(hv_vcpu_create(&vcpu, &exit_info, NULL));
    start(vcpu);
    run_to_hvc(vcpu, exit_info);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    CHECK(hv_vcpu_destroy(vcpu));
    return NULL;
}

static uint64_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *const file = fopen("/proc/self/statm", "r");

    if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2) {
        fprintf(stderr, "hv_calls: cannot read /proc/self/statm\n");
        exit(1);
    }
    fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void memory_per_vcpu(void)
{
    pthread_t threads[VCPUS];

    CHECK(hv_vm_create(NULL));
    void *const memory = map_code();
    pthread_barrier_init(&barrier, NULL, VCPUS + 1);
    for (unsigned i = 0; i < VCPUS; i++) {
        if (pthread_create(&threads[i], NULL, vcpu_thread, NULL) != 0) {
            fprintf(stderr, "hv_calls: pthread_create failed\n");
            exit(1);
        }
    }
    pthread_barrier_wait(&barrier);
    const uint64_t before = resident_bytes();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    const uint64_t after = resident_bytes();
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < VCPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("resident_bytes_per_vcpu %llu\n",
           (unsigned long long)(after > before ? (after - before) / VCPUS : 0));
    unmap_code(memory);
    CHECK(hv_vm_destroy());
}

int main(void)
{
    memory_per_vcpu(); /* first, while no freed memory is there for reuse */
    round_trip();
    creations();
    return 0;
}
