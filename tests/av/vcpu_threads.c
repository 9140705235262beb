/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* vcpu.h seen from other threads: whose vCPU it is, handles, exits, functions for the owner. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "av_check.h"

static void nap(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* A thread with a vCPU that spins in `b .` until it is cancelled, or serves without running. */
struct spinner {
    pthread_t thread;
    av_vm *vm;
    av_memory *code; /* may be mapped already */
    av_vcpu *vcpu;
    av_vcpu_handle *handle;
    hv_vcpu_exit_t exit;
    av_error result;
    bool serves, leaves_it_behind;
    atomic_bool is_ready, stop;
};

static void *spin(void *arg)
{
    struct spinner *const s = arg;
    av_vcpu *vcpu = NULL;

    OK(av_vcpu_create(&vcpu, s->vm));
    OK(av_vcpu_set_reg(vcpu, HV_REG_PC, PAGE));
    OK(av_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
    s->vcpu = vcpu;
    s->handle = av_vcpu_get_handle(vcpu);
    atomic_store(&s->is_ready, true);
    if (s->serves) {
        while (!atomic_load(&s->stop)) {
            av_vcpu_serve(vcpu, 50);
        }
    } else {
        s->result = av_vcpu_run(vcpu);
        OK(av_vcpu_get_exit(vcpu, &s->exit));
    }
    if (!s->leaves_it_behind) {
        OK(av_vcpu_destroy(vcpu));
    }
    return NULL;
}

static void spinner_start(struct spinner *s, av_vm *vm)
{
    s->vm = vm;
    pthread_create(&s->thread, NULL, spin, s);
    while (!atomic_load(&s->is_ready)) {
        nap(1);
    }
}

static void spinner_join(struct spinner *s)
{
    pthread_join(s->thread, NULL);
    av_vcpu_handle_unref(s->handle);
}

static av_memory *spin_code(av_vm *vm)
{
    av_memory *code = NULL;
    OK(av_memory_create(&code, vm, PAGE));
    OK(av_memory_map(code, PAGE, AV_PERMS_RX));
    OK(av_memory_write_u32(code, PAGE, INSN_B_SELF));
    return code;
}

/* --- Whose it is ------------------------------------------------------------------------------------------------------------- */

TEST(another_thread_is_refused_everywhere_and_told_both_threads)
{
    AV_AUTO(av_vm) vm = NULL;
    struct spinner s = {.serves = true};
    uint64_t value = 0;
    bool flag;
    uint8_t q[16];
    hv_vcpu_exit_t exit;
    char mine[64];
    OK(av_vm_create(&vm));
    spinner_start(&s, vm);
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_reg(s.vcpu, HV_REG_X0, &value));
    snprintf(mine, sizeof(mine), "this is thread %d", (int)gettid());
    EXPECT(strstr(av_error_message(), mine) != NULL);
    EXPECT(strstr(av_error_message(), "belongs to thread ") != NULL);
    EXPECT_EQ((uint32_t)av_error_raw(), (uint32_t)HV_BAD_ARGUMENT);
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_reg(s.vcpu, HV_REG_X0, 0));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_sys_reg(s.vcpu, HV_SYS_REG_MIDR_EL1, &value));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_sys_reg(s.vcpu, HV_SYS_REG_MIDR_EL1, 0));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_simd_fp_reg(s.vcpu, HV_SIMD_FP_REG_Q0, q));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_simd_fp_reg(s.vcpu, HV_SIMD_FP_REG_Q0, q));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_run(s.vcpu));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_serve(s.vcpu, 0));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_exit(s.vcpu, &exit));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_pending_interrupt(s.vcpu, 0, &flag));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_pending_interrupt(s.vcpu, 0, true));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_trap_debug_exceptions(s.vcpu, &flag));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_trap_debug_exceptions(s.vcpu, true));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_trap_debug_reg_accesses(s.vcpu, &flag));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_trap_debug_reg_accesses(s.vcpu, true));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_vtimer_mask(s.vcpu, &flag));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_vtimer_mask(s.vcpu, true));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_vtimer_offset(s.vcpu, &value));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_vtimer_offset(s.vcpu, 0));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_exec_time(s.vcpu, &value));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_get_exec_time_ns(s.vcpu, &value));
    FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_destroy(s.vcpu));
    EXPECT(av_vcpu_handle_is_valid(s.handle));
    atomic_store(&s.stop, true);
    spinner_join(&s);
}

TEST(a_running_vcpu_is_said_to_run)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_memory) code = NULL;
    struct spinner s = {0};
    bool said = false;
    OK(av_vm_create(&vm));
    code = spin_code(vm);
    spinner_start(&s, vm);
    for (int i = 0; i < 2000 && !said; i++) {
        FAILS(AV_ERROR_WRONG_THREAD, av_vcpu_set_reg(s.vcpu, HV_REG_X0, 0));
        said = strstr(av_error_message(), "where it is running") != NULL;
        nap(1);
    }
    EXPECT(said);
    OK(av_vcpu_handle_exit(s.handle));
    spinner_join(&s);
    EXPECT_EQ(s.exit.reason, HV_EXIT_REASON_CANCELED);
}

TEST(a_thread_that_ends_takes_its_vcpu_along)
{
    av_vm *vm = NULL;
    struct spinner s = {.serves = true, .leaves_it_behind = true};
    uint64_t value;
    OK(av_vm_create(&vm));
    spinner_start(&s, vm);
    const hv_vcpu_t id = av_vcpu_id(s.vcpu);
    atomic_store(&s.stop, true);
    pthread_join(s.thread, NULL);
    EXPECT(!av_vcpu_handle_is_valid(s.handle));
    FAILS(AV_ERROR_VCPU_GONE, av_vcpu_get_reg(s.vcpu, HV_REG_X0, &value));
    EXPECT_EQ((uint32_t)av_error_raw(), (uint32_t)HV_NO_DEVICE);
    FAILS(AV_ERROR_VCPU_GONE, av_vcpu_run(s.vcpu));
    EXPECT_EQ(av_vcpu_id(s.vcpu), id);
    /* The VM does not wait for the object. */
    av_vm_unref(vm);
    EXPECT(has_no_vm());
    OK(av_vcpu_destroy(s.vcpu));
    EXPECT_EQ(av_vcpu_handle_id(s.handle), id);
    av_vcpu_handle_unref(s.handle);
}

/* --- Handles and exits ------------------------------------------------------------------------------------------------------- */

TEST(a_handle_outlives_its_vcpu_and_the_vm)
{
    av_vm *vm = NULL;
    av_vcpu *vcpu = NULL;
    OK(av_vm_create(&vm));
    OK(av_vcpu_create(&vcpu, vm));
    av_vcpu_handle *const handle = av_vcpu_get_handle(vcpu);
    av_vcpu_handle *const second = av_vcpu_handle_ref(handle);
    EXPECT(second == handle);
    EXPECT(av_vcpu_handle_is_valid(handle));
    OK(av_vcpu_handle_exit(handle));
    OK(av_vcpu_destroy(vcpu));
    EXPECT(!av_vcpu_handle_is_valid(handle));
    FAILS(AV_ERROR_VCPU_GONE, av_vcpu_handle_exit(handle));
    OK(av_vm_vcpus_exit(vm, &handle, 1));
    av_vm_unref(vm);
    EXPECT(has_no_vm());
    EXPECT_EQ(av_vcpu_handle_id(handle), 0);
    av_vcpu_handle_unref(handle);
    EXPECT(!av_vcpu_handle_is_valid(second));
    av_vcpu_handle_unref(second);
}

TEST(an_exit_before_the_run_is_kept_and_counts_once)
{
    static const uint32_t code[] = {INSN_HVC(0)};
    struct machine m;
    hv_vcpu_exit_t exit = {0};
    machine_start(&m, code, 1);
    AV_AUTO(av_vcpu_handle) handle = av_vcpu_get_handle(m.vcpu);
    OK(av_vcpu_handle_exit(handle));
    OK(av_vcpu_handle_exit(handle));
    OK(av_vcpu_run(m.vcpu));
    OK(av_vcpu_get_exit(m.vcpu, &exit));
    EXPECT_EQ(exit.reason, HV_EXIT_REASON_CANCELED);
    EXPECT_EQ(reg(m.vcpu, HV_REG_PC), PAGE);
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    machine_stop(&m);
}

TEST(four_running_vcpus_are_stopped_by_one_call)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_memory) code = NULL;
    struct spinner s[4] = {{0}};
    av_vcpu_handle *handles[4];
    OK(av_vm_create(&vm));
    code = spin_code(vm);
    for (int i = 0; i < 4; i++) {
        spinner_start(&s[i], vm);
        handles[i] = s[i].handle;
    }
    OK(av_vm_vcpus_exit(vm, handles, 4));
    for (int i = 0; i < 4; i++) {
        spinner_join(&s[i]);
        EXPECT_EQ(s[i].result, AV_OK);
        EXPECT_EQ(s[i].exit.reason, HV_EXIT_REASON_CANCELED);
    }
}

TEST(a_list_of_exits_is_checked_before_anybody_is_told)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_vm) other = NULL;
    struct spinner s = {.serves = true};
    OK(av_vm_create(&vm));
    OK(av_vm_create_independent(&other, NULL, NULL));
    spinner_start(&s, other);
    av_vcpu_handle *const none = NULL;
    FAILS(AV_ERROR_WRONG_VM, av_vm_vcpus_exit(vm, &s.handle, 1));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_vcpus_exit(vm, NULL, 1));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_vcpus_exit(vm, &none, 1));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_vcpus_exit(NULL, &s.handle, 1));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_handle_exit(NULL));
    OK(av_vm_vcpus_exit(vm, NULL, 0));
    OK(av_vm_vcpus_exit(other, &s.handle, 1));
    atomic_store(&s.stop, true);
    spinner_join(&s);
}

/* --- Functions for the owner ------------------------------------------------------------------------------------------------- */

struct question {
    pthread_t ran_on;
    uint64_t answer;
    unsigned calls;
};

static void ask(av_vcpu *vcpu, void *argument)
{
    struct question *const q = argument;
    q->ran_on = pthread_self();
    q->answer = reg(vcpu, HV_REG_PC);
    q->calls++;
}

TEST(a_running_vcpu_serves_calls_without_an_exit)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_memory) code = NULL;
    struct spinner s = {0};
    struct question q = {0};
    OK(av_vm_create(&vm));
    code = spin_code(vm);
    spinner_start(&s, vm);
    for (int i = 0; i < 200; i++) {
        OK(av_vcpu_call(s.handle, ask, &q));
        EXPECT(pthread_equal(q.ran_on, s.thread));
        EXPECT_EQ(q.answer, PAGE);
    }
    EXPECT_EQ(q.calls, 200);
    OK(av_vcpu_handle_exit(s.handle));
    spinner_join(&s);
    EXPECT_EQ(s.exit.reason, HV_EXIT_REASON_CANCELED);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_call(NULL, ask, &q));
}

TEST(a_vcpu_that_does_not_run_serves_calls)
{
    AV_AUTO(av_vm) vm = NULL;
    struct spinner s = {.serves = true};
    struct question q = {0};
    OK(av_vm_create(&vm));
    spinner_start(&s, vm);
    for (int i = 0; i < 50; i++) {
        OK(av_vcpu_call(s.handle, ask, &q));
        EXPECT(pthread_equal(q.ran_on, s.thread));
    }
    EXPECT_EQ(q.calls, 50);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_call(s.handle, NULL, &q));
    atomic_store(&s.stop, true);
    spinner_join(&s);
}

TEST(the_owner_s_own_call_is_a_plain_call)
{
    struct machine m;
    struct question q = {0};
    machine_start(&m, NULL, 0);
    AV_AUTO(av_vcpu_handle) handle = av_vcpu_get_handle(m.vcpu);
    OK(av_vcpu_call(handle, ask, &q));
    EXPECT_EQ(q.answer, PAGE);
    EXPECT(pthread_equal(q.ran_on, pthread_self()));
    machine_stop(&m);
}

static void misbehave(av_vcpu *vcpu, void *argument)
{
    (void)argument;
    FAILS(AV_ERROR_RUNNING, av_vcpu_run(vcpu));
    FAILS(AV_ERROR_RUNNING, av_vcpu_serve(vcpu, 0));
    FAILS(AV_ERROR_RUNNING, av_vcpu_destroy(vcpu));
}

TEST(a_called_function_may_not_run_serve_or_destroy)
{
    AV_AUTO(av_vm) vm = NULL;
    struct spinner s = {.serves = true};
    OK(av_vm_create(&vm));
    spinner_start(&s, vm);
    OK(av_vcpu_call(s.handle, misbehave, NULL));
    atomic_store(&s.stop, true);
    spinner_join(&s);
}

static void *call_and_keep(void *handle)
{
    struct question q = {0};
    return (void *)(uintptr_t)av_vcpu_call(handle, ask, &q);
}

TEST(who_waits_for_a_vcpu_that_goes_is_sent_away)
{
    AV_AUTO(av_vm) vm = NULL;
    av_vcpu *vcpu = NULL;
    pthread_t threads[3];
    struct question q = {0};
    OK(av_vm_create(&vm));
    OK(av_vcpu_create(&vcpu, vm));
    AV_AUTO(av_vcpu_handle) handle = av_vcpu_get_handle(vcpu);
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, call_and_keep, handle);
    }
    nap(30); /* nothing serves: they wait, or come too late, which is the same to them */
    OK(av_vcpu_destroy(vcpu));
    for (int i = 0; i < 3; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        EXPECT_EQ((uintptr_t)result, AV_ERROR_VCPU_GONE);
    }
    FAILS(AV_ERROR_VCPU_GONE, av_vcpu_call(handle, ask, &q));
    EXPECT_EQ(q.calls, 0);
}

TEST(serving_ends_with_time_or_with_an_exit_request)
{
    static const uint32_t code[] = {INSN_HVC(0)};
    struct machine m;
    hv_vcpu_exit_t exit = {0};
    machine_start(&m, code, 1);
    FAILS(AV_ERROR_TIMED_OUT, av_vcpu_serve(m.vcpu, 0));
    FAILS(AV_ERROR_TIMED_OUT, av_vcpu_serve(m.vcpu, 5));
    AV_AUTO(av_vcpu_handle) handle = av_vcpu_get_handle(m.vcpu);
    OK(av_vcpu_handle_exit(handle));
    OK(av_vcpu_serve(m.vcpu, -1));
    OK(av_vcpu_run(m.vcpu));
    OK(av_vcpu_get_exit(m.vcpu, &exit));
    EXPECT_EQ(exit.reason, HV_EXIT_REASON_CANCELED);
    machine_stop(&m);
}

/* --- The kit, which takes plain ids ------------------------------------------------------------------------------------------ */

struct kit_user {
    av_vm *vm;
    av_irq *irq;
    hv_vcpu_exit_t exit;
    atomic_bool is_ready;
};

static void *run_with_irq(void *arg)
{
    struct kit_user *const u = arg;
    av_vcpu *vcpu = NULL;

    OK(av_vcpu_create(&vcpu, u->vm));
    OK(av_vcpu_set_reg(vcpu, HV_REG_PC, PAGE));
    OK(av_irq_create(&u->irq, av_vcpu_id(vcpu)));
    atomic_store(&u->is_ready, true);
    OK(av_vcpu_run(vcpu));
    OK(av_vcpu_get_exit(vcpu, &u->exit));
    av_irq_destroy(u->irq);
    OK(av_vcpu_destroy(vcpu));
    return NULL;
}

TEST(a_kick_of_the_kit_reaches_a_vcpu_of_an_independent_vm)
{
    AV_AUTO(av_vm) process_vm = NULL;
    AV_AUTO(av_memory) code = NULL;
    struct kit_user u = {0};
    pthread_t thread;
    OK(av_vm_create(&process_vm));
    OK(av_vm_create_independent(&u.vm, NULL, NULL));
    code = spin_code(u.vm);
    pthread_create(&thread, NULL, run_with_irq, &u);
    while (!atomic_load(&u.is_ready)) {
        nap(1);
    }
    av_irq_kick(u.irq);
    pthread_join(thread, NULL);
    EXPECT_EQ(u.exit.reason, HV_EXIT_REASON_CANCELED);
    av_vm_unref(u.vm);
}

/* --- Many -------------------------------------------------------------------------------------------------------------------- */

TEST(as_many_vcpus_as_the_maximum_run_at_once)
{
    enum { MAX = 64 };
    static struct spinner s[MAX];
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_memory) code = NULL;
    uint32_t max = 0;
    av_vcpu *one_more = NULL;
    OK(av_vcpu_get_max_count(&max));
    EXPECT_EQ(max, MAX);
    OK(av_vm_create(&vm));
    code = spin_code(vm);
    for (int i = 0; i < MAX; i++) {
        s[i] = (struct spinner){0};
        spinner_start(&s[i], vm);
    }
    FAILS(AV_ERROR_NO_RESOURCES, av_vcpu_create(&one_more, vm));
    EXPECT(one_more == NULL);
    for (int i = 0; i < MAX; i++) {
        OK(av_vcpu_handle_exit(s[i].handle));
    }
    for (int i = 0; i < MAX; i++) {
        spinner_join(&s[i]);
        EXPECT_EQ(s[i].exit.reason, HV_EXIT_REASON_CANCELED);
    }
}

MAIN(T(another_thread_is_refused_everywhere_and_told_both_threads),
     T(a_running_vcpu_is_said_to_run), T(a_thread_that_ends_takes_its_vcpu_along),
     T(a_handle_outlives_its_vcpu_and_the_vm), T(an_exit_before_the_run_is_kept_and_counts_once),
     T(four_running_vcpus_are_stopped_by_one_call),
     T(a_list_of_exits_is_checked_before_anybody_is_told),
     T(a_running_vcpu_serves_calls_without_an_exit), T(a_vcpu_that_does_not_run_serves_calls),
     T(the_owner_s_own_call_is_a_plain_call), T(a_called_function_may_not_run_serve_or_destroy),
     T(who_waits_for_a_vcpu_that_goes_is_sent_away),
     T(serving_ends_with_time_or_with_an_exit_request),
     T(a_kick_of_the_kit_reaches_a_vcpu_of_an_independent_vm),
     T(as_many_vcpus_as_the_maximum_run_at_once))
