/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every order in which the objects of a VM can be given up: the VM goes with the last of them, and a new one can be made. */
#include <pthread.h>
#include <sys/mman.h>

#include "av_check.h"

enum kind { VM, SECOND_REFERENCE, VCPU, MAPPED, UNMAPPED, WRAPPED, HANDLE, KINDS };

struct objects {
    av_vm *vm, *second;
    av_vcpu *vcpu;
    av_memory *mapped, *unmapped, *wrapped;
    av_vcpu_handle *handle;
    void *host;
};

static void make(struct objects *o, bool independent)
{
    o->host = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    OK(independent ? av_vm_create_independent(&o->vm, NULL, NULL) : av_vm_create(&o->vm));
    o->second = av_vm_ref(o->vm);
    OK(av_vcpu_create(&o->vcpu, o->vm));
    OK(av_memory_create(&o->mapped, o->vm, 2 * PAGE));
    OK(av_memory_create(&o->unmapped, o->vm, PAGE));
    OK(av_memory_wrap(&o->wrapped, o->vm, o->host, PAGE));
    OK(av_memory_map(o->mapped, PAGE, AV_PERMS_RWX));
    OK(av_memory_map(o->wrapped, 8 * PAGE, AV_PERMS_RWX));
    o->handle = av_vcpu_get_handle(o->vcpu);
}

static void give_up(struct objects *o, enum kind kind)
{
    switch (kind) {
    case VM:
        av_vm_unref(o->vm);
        break;
    case SECOND_REFERENCE:
        av_vm_unref(o->second);
        break;
    case VCPU:
        OK(av_vcpu_destroy(o->vcpu));
        break;
    case MAPPED:
        av_memory_destroy(o->mapped);
        break;
    case UNMAPPED:
        av_memory_destroy(o->unmapped);
        break;
    case WRAPPED:
        av_memory_destroy(o->wrapped);
        munmap(o->host, PAGE);
        break;
    default:
        av_vcpu_handle_unref(o->handle);
        break;
    }
}

/* The handle is weak; all the others keep the VM. */
static bool keeps_the_vm(unsigned left)
{
    return (left & ~(1u << HANDLE)) != 0;
}

static unsigned n_orders;

static void try_order(const enum kind *order, bool independent)
{
    struct objects o = {0};
    unsigned left = (1u << KINDS) - 1;

    make(&o, independent);
    for (int i = 0; i < KINDS; i++) {
        if (!independent) {
            EXPECT_EQ(has_no_vm(), !keeps_the_vm(left));
        }
        give_up(&o, order[i]);
        left &= ~(1u << order[i]);
    }
    EXPECT(has_no_vm());
    n_orders++;
}

static void try_all(enum kind *order, int at, bool independent)
{
    if (at == KINDS) {
        try_order(order, independent);
        return;
    }
    for (int i = at; i < KINDS; i++) {
        const enum kind swapped = order[at];
        order[at] = order[i];
        order[i] = swapped;
        try_all(order, at + 1, independent);
        order[i] = order[at];
        order[at] = swapped;
    }
}

static void try_orders(bool independent)
{
    enum kind order[KINDS] = {VM, SECOND_REFERENCE, VCPU, MAPPED, UNMAPPED, WRAPPED, HANDLE};

    n_orders = 0;
    try_all(order, 0, independent);
    EXPECT_EQ(n_orders, 5040); /* 7! */
}

TEST(every_order_of_giving_up_the_process_s_vm)
{
    try_orders(false);
}

TEST(every_order_of_giving_up_an_independent_vm)
{
    try_orders(true);
}

/* --- The last one on another thread ------------------------------------------------------------------------------------------ */

static void *destroy_memory(void *memory)
{
    av_memory_destroy(memory);
    return NULL;
}

static void *leave_vcpu_behind(void *vm)
{
    static av_vcpu *vcpu;
    OK(av_vcpu_create(&vcpu, vm));
    return vcpu;
}

TEST(the_last_object_may_go_on_another_thread)
{
    av_vm *vm = NULL;
    av_memory *memory = NULL;
    pthread_t thread;
    void *vcpu = NULL;
    OK(av_vm_create(&vm));
    OK(av_memory_create(&memory, vm, PAGE));
    OK(av_memory_map(memory, 0, AV_PERMS_R));
    av_vm_unref(vm);
    pthread_create(&thread, NULL, destroy_memory, memory);
    pthread_join(thread, NULL);
    EXPECT(has_no_vm());

    OK(av_vm_create(&vm));
    pthread_create(&thread, NULL, leave_vcpu_behind, vm);
    av_vm *const own = vm;
    pthread_join(thread, &vcpu);
    av_vm_unref(own);
    EXPECT(has_no_vm());
    OK(av_vcpu_destroy(vcpu));
}

/* The framework's own functions may be mixed in; a VM that is gone behind the library's back harms nobody. */
TEST(a_vm_that_was_destroyed_underneath_is_given_up_without_harm)
{
    av_vm *vm = NULL;
    av_memory *memory = NULL;
    OK(av_vm_create(&vm));
    OK(av_memory_create(&memory, vm, PAGE));
    OK(av_memory_map(memory, PAGE, AV_PERMS_RW));
    EXPECT_EQ(hv_vm_destroy(), HV_SUCCESS);
    FAILS(AV_ERROR_NO_DEVICE, av_memory_unmap(memory));
    av_vcpu *vcpu = NULL;
    FAILS(AV_ERROR_NO_DEVICE, av_vcpu_create(&vcpu, vm));
    av_memory_destroy(memory);
    av_vm_unref(vm);
}

MAIN(T(every_order_of_giving_up_the_process_s_vm), T(every_order_of_giving_up_an_independent_vm),
     T(the_last_object_may_go_on_another_thread),
     T(a_vm_that_was_destroyed_underneath_is_given_up_without_harm))
