/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Many threads at once: vCPUs are created, run, stopped, asked and destroyed, while memory comes and goes. Nothing may be lost: every
 * run ends with an exit that somebody asked for, every call is answered, and in the end the VM is gone.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "av_check.h"

enum { WORKERS = 64, KICKERS = 4, ROUNDS = 4 };

struct slot {
    pthread_mutex_t lock;
    av_vcpu_handle *handle; /* of the vCPU that lives now; one reference */
};

static struct slot slots[WORKERS];
static av_vm *vm_of_all;
static atomic_uint n_workers_left, n_calls, n_exits, n_runs;

static void publish(struct slot *slot, av_vcpu_handle *handle)
{
    pthread_mutex_lock(&slot->lock);
    av_vcpu_handle *const old = slot->handle;
    slot->handle = handle;
    pthread_mutex_unlock(&slot->lock);
    av_vcpu_handle_unref(old);
}

static av_vcpu_handle *look(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    av_vcpu_handle *const handle = av_vcpu_handle_ref(slot->handle);
    pthread_mutex_unlock(&slot->lock);
    return handle;
}

static void *work(void *arg)
{
    struct slot *const slot = arg;

    for (int round = 0; round < ROUNDS; round++) {
        av_vcpu *vcpu = NULL;
        hv_vcpu_exit_t exit = {0};
        OK(av_vcpu_create(&vcpu, vm_of_all));
        if (vcpu == NULL) {
            break;
        }
        OK(av_vcpu_set_reg(vcpu, HV_REG_PC, PAGE));
        OK(av_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
        publish(slot, av_vcpu_get_handle(vcpu));
        OK(av_vcpu_run(vcpu));
        OK(av_vcpu_get_exit(vcpu, &exit));
        EXPECT_EQ(exit.reason, HV_EXIT_REASON_CANCELED);
        atomic_fetch_add(&n_runs, 1);
        OK(av_vcpu_destroy(vcpu));
    }
    publish(slot, NULL);
    atomic_fetch_sub(&n_workers_left, 1);
    return NULL;
}

static void count(av_vcpu *vcpu, void *argument)
{
    EXPECT_EQ(reg(vcpu, HV_REG_PC), PAGE);
    ++*(unsigned *)argument;
}

static void *kick(void *arg)
{
    uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u + 1;

    while (atomic_load(&n_workers_left) != 0) {
        random = random * 1664525 + 1013904223;
        av_vcpu_handle *const handle = look(&slots[random >> 16 & (WORKERS - 1)]);
        if (handle == NULL) {
            continue;
        }
        unsigned calls = 0;
        av_error error = AV_OK;
        /* A call waits for its turn among 64 threads that spin: a few do. */
        if ((random >> 8 & 63) == 0) {
            error = av_vcpu_call(handle, count, &calls);
            EXPECT_EQ(calls, error == AV_OK);
            atomic_fetch_add(&n_calls, calls);
        } else {
            error = av_vcpu_handle_exit(handle);
            atomic_fetch_add(&n_exits, error == AV_OK);
        }
        EXPECT(error == AV_OK || error == AV_ERROR_VCPU_GONE);
        EXPECT(error != AV_ERROR_VCPU_GONE || !av_vcpu_handle_is_valid(handle));
        av_vcpu_handle_unref(handle);
    }
    return NULL;
}

static void *map_and_unmap(void *arg)
{
    (void)arg;
    while (atomic_load(&n_workers_left) != 0) {
        AV_AUTO(av_memory) memory = NULL;
        uint64_t value = 1;
        OK(av_memory_create(&memory, vm_of_all, 4 * PAGE));
        OK(av_memory_map(memory, 100 * PAGE, AV_PERMS_RW));
        OK(av_vm_write(vm_of_all, 101 * PAGE, &value, sizeof(value)));
        OK(av_memory_unmap_range(memory, 101 * PAGE, PAGE));
        FAILS(AV_ERROR_OUT_OF_RANGE, av_vm_read(vm_of_all, 101 * PAGE, &value, sizeof(value)));
    }
    return NULL;
}

TEST(sixty_four_vcpus_are_created_run_kicked_and_destroyed)
{
    pthread_t workers[WORKERS], kickers[KICKERS], mapper;
    av_memory *code = NULL;

    OK(av_vm_create(&vm_of_all));
    OK(av_memory_create(&code, vm_of_all, PAGE));
    OK(av_memory_map(code, PAGE, AV_PERMS_RX));
    OK(av_memory_write_u32(code, PAGE, INSN_B_SELF));
    atomic_store(&n_workers_left, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        pthread_mutex_init(&slots[i].lock, NULL);
        EXPECT_EQ(pthread_create(&workers[i], NULL, work, &slots[i]), 0);
    }
    for (uintptr_t i = 0; i < KICKERS; i++) {
        EXPECT_EQ(pthread_create(&kickers[i], NULL, kick, (void *)i), 0);
    }
    EXPECT_EQ(pthread_create(&mapper, NULL, map_and_unmap, NULL), 0);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], NULL);
    }
    for (int i = 0; i < KICKERS; i++) {
        pthread_join(kickers[i], NULL);
    }
    pthread_join(mapper, NULL);
    printf("# %u runs, %u exits asked for, %u calls\n", n_runs, n_exits, n_calls);
    EXPECT_EQ(n_runs, WORKERS * ROUNDS);
    EXPECT(n_exits >= n_runs);
    av_memory_destroy(code);
    av_vm_unref(vm_of_all);
}

MAIN(T(sixty_four_vcpus_are_created_run_kicked_and_destroyed))
