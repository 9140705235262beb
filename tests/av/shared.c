/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The shared instance of vm.h: once made it stays, so the facts follow each other. */
#include <pthread.h>

#include "av_check.h"

TEST(there_is_none_before_init)
{
    EXPECT(av_vm_shared() == NULL);
#if APPLEVISOR_MACOS >= 150000
    EXPECT(av_vm_shared_gic() == NULL);
#endif
}

TEST(a_failed_init_leaves_none_and_can_be_repeated)
{
    av_vm *vm = NULL;
    OK(av_vm_create(&vm));
    FAILS(AV_ERROR_VM_EXISTS, av_vm_shared_init());
    EXPECT(av_vm_shared() == NULL);
    av_vm_unref(vm);
}

static av_vm *found[8];

static void *init_and_look(void *place)
{
    OK(av_vm_shared_init());
    *(av_vm **)place = av_vm_shared();
    return NULL;
}

TEST(concurrent_inits_make_one)
{
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, init_and_look, &found[i]);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        EXPECT(found[i] != NULL && found[i] == found[0]);
    }
}

TEST(every_later_init_succeeds_and_changes_nothing)
{
    av_vm *const vm = av_vm_shared();
    OK(av_vm_shared_init());
#if APPLEVISOR_MACOS >= 130000
    AV_AUTO(av_vm_config) config = NULL;
    OK(av_vm_config_create(&config));
    OK(av_vm_shared_init_with_config(config));
#endif
    EXPECT(av_vm_shared() == vm);
}

TEST(it_is_never_destroyed_and_is_the_process_s_vm)
{
    av_vm *other = NULL;
    for (int i = 0; i < 5; i++) {
        av_vm_unref(av_vm_shared());
    }
    FAILS(AV_ERROR_VM_EXISTS, av_vm_create(&other));
    AV_AUTO(av_memory) memory = NULL;
    OK(av_memory_create(&memory, av_vm_shared(), 1));
    OK(av_memory_map(memory, PAGE, AV_PERMS_RW));
}

MAIN(T(there_is_none_before_init), T(a_failed_init_leaves_none_and_can_be_repeated),
     T(concurrent_inits_make_one), T(every_later_init_succeeds_and_changes_nothing),
     T(it_is_never_destroyed_and_is_the_process_s_vm))
