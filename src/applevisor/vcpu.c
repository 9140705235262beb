/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vCPUs: life and running. A vCPU belongs to a thread; the thread's own is in a thread-local, so that the check costs one
 * comparison. A pthread key sees to it that a thread which ends takes its vCPU along: nobody else could destroy it.
 */
#include <stdlib.h>

#include <applevisor/vcpu.h>

#include "applevisor/vcpu_internal.h"

#ifndef __APPLE__
#include <unistd.h>
#endif

AV_THREAD av_vcpu *av_own_vcpu;

uint64_t av_thread_id(void)
{
#ifdef __APPLE__
    uint64_t id = 0;
    pthread_threadid_np(NULL, &id);
    return id;
#else
    return (uint64_t)gettid();
#endif
}

/* --- Threads ----------------------------------------------------------------------------------------------------------------- */

av_error av_vcpu_check(const av_vcpu *vcpu, const char *function)
{
    if (__builtin_expect(vcpu != NULL && vcpu == av_own_vcpu, 1)) {
        return AV_OK;
    }
    if (vcpu == NULL) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function,
                       "vcpu is NULL, and must point to something");
    }
    av_vcpu_handle *const handle = vcpu->handle;
    pthread_mutex_lock(&handle->lock);
    const bool is_alive = handle->is_alive, is_running = handle->is_running;
    pthread_mutex_unlock(&handle->lock);
    if (!is_alive) {
        return av_fail(
            AV_ERROR_VCPU_GONE, function,
            "vCPU %llu ended together with its thread %llu; only av_vcpu_destroy is left",
            (unsigned long long)vcpu->id, (unsigned long long)handle->owner_tid);
    }
    return av_fail(AV_ERROR_WRONG_THREAD, function,
                   "vCPU %llu belongs to thread %llu%s, and this is thread %llu: run the function "
                   "there with av_vcpu_call",
                   (unsigned long long)vcpu->id, (unsigned long long)handle->owner_tid,
                   is_running ? " (where it is running)" : "", (unsigned long long)av_thread_id());
}

/* --- Life -------------------------------------------------------------------------------------------------------------------- */

/* The vCPU goes, on its own thread. The object stays. */
static void end_vcpu(av_vcpu *vcpu)
{
    av_vm *const vm = vcpu->vm;
    av_vcpu_handle *const handle = av_vcpu_handle_ref(vcpu->handle);

    av_vcpu_handle_end(handle);
    IN_VM(vm, hv_vcpu_destroy(vcpu->id));
    av_own_vcpu = NULL;
    vcpu->vm = NULL;
    vcpu->exit = NULL;
    /* From here on another thread may free the object. */
    pthread_mutex_lock(&handle->lock);
    handle->has_ended = true;
    pthread_cond_broadcast(&handle->changed);
    pthread_mutex_unlock(&handle->lock);
    av_vcpu_handle_unref(handle);
    av_vm_unref(vm);
}

static pthread_key_t end_key;
static bool has_end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;

static void thread_ends(void *vcpu)
{
    end_vcpu(vcpu);
}

static void make_end_key(void)
{
    has_end_key = pthread_key_create(&end_key, thread_ends) == 0;
}

static av_error create(av_vcpu **result, av_vm *vm, hv_vcpu_config_t config, const char *function)
{
    if (result == NULL || vm == NULL) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function, "%s is NULL, and must point to something",
                       result == NULL ? "vcpu" : "vm");
    }
    if (av_own_vcpu != NULL) {
        return av_fail(AV_ERROR_VCPU_EXISTS, function,
                       "this thread has vCPU %llu already: create each vCPU on a thread of its own",
                       (unsigned long long)av_own_vcpu->id);
    }
    pthread_once(&end_key_once, make_end_key);
    av_vcpu *const vcpu = calloc(1, sizeof(*vcpu));
    if (vcpu == NULL || !has_end_key || pthread_setspecific(end_key, vcpu) != 0) {
        free(vcpu);
        return av_fail(AV_ERROR_NO_MEMORY, function, "out of memory");
    }
    hv_return_t ret = IN_VM(vm, hv_vcpu_create(&vcpu->id, &vcpu->exit, config));
    if (ret == HV_SUCCESS) {
        vcpu->handle = av_vcpu_handle_create(vcpu->id, vm);
        if (vcpu->handle == NULL) {
            IN_VM(vm, hv_vcpu_destroy(vcpu->id));
        }
    }
    if (ret != HV_SUCCESS || vcpu->handle == NULL) {
        pthread_setspecific(end_key, NULL);
        free(vcpu);
        if (ret == HV_SUCCESS) {
            return av_fail(AV_ERROR_NO_MEMORY, function, "out of memory");
        }
        return av_fail_hv_as(ret == HV_BUSY ? AV_ERROR_VCPU_EXISTS : av_error_from_hv(ret), ret,
                             function, "the framework answered 0x%08x: %s", (unsigned)ret,
                             av_error_description(av_error_from_hv(ret)));
    }
    vcpu->vm = av_vm_ref(vm);
    av_own_vcpu = vcpu;
    *result = vcpu;
    return AV_OK;
}

av_error av_vcpu_create(av_vcpu **vcpu, av_vm *vm)
{
    return create(vcpu, vm, NULL, __func__);
}

av_error av_vcpu_create_with_config(av_vcpu **vcpu, av_vm *vm, const av_vcpu_config *config)
{
    return create(vcpu, vm, av_vcpu_config_hv(config), __func__);
}

/* Of a vCPU whose thread has ended, or is just ending. */
static void wait_for_the_end(av_vcpu_handle *handle)
{
    pthread_mutex_lock(&handle->lock);
    while (!handle->has_ended) {
        pthread_cond_wait(&handle->changed, &handle->lock);
    }
    pthread_mutex_unlock(&handle->lock);
}

av_error av_vcpu_destroy(av_vcpu *vcpu)
{
    if (vcpu == NULL) {
        return AV_OK;
    }
    const av_error error = av_vcpu_check(vcpu, __func__);
    if (error == AV_OK) {
        if (vcpu->handle->is_serving) { /* only this thread changes it */
            return FAIL(AV_ERROR_RUNNING,
                        "vCPU %llu cannot be destroyed in a function of av_vcpu_call: return first",
                        (unsigned long long)vcpu->id);
        }
        pthread_setspecific(end_key, NULL);
        end_vcpu(vcpu);
    } else if (error == AV_ERROR_VCPU_GONE) {
        wait_for_the_end(vcpu->handle);
    } else {
        return error;
    }
    av_vcpu_handle_unref(vcpu->handle);
    free(vcpu);
    return AV_OK;
}

av_error av_vcpu_get_max_count(uint32_t *count)
{
    NOT_NULL(count);
    return FRAMEWORK(hv_vm_get_max_vcpu_count(count));
}

hv_vcpu_t av_vcpu_id(const av_vcpu *vcpu)
{
    return vcpu->id;
}

/* --- Running ----------------------------------------------------------------------------------------------------------------- */

/*
 * Whether a cancelled run goes on: the exit was asked for on behalf of av_vcpu_call alone. Where nobody of ours asked, a client did
 * with hv_vcpus_exit, or a request was seen twice; then it is reported, as no request may be lost. Caller holds the lock.
 */
static bool goes_on(av_vcpu_handle *handle, const hv_vcpu_exit_t *exit)
{
    if (exit->reason != HV_EXIT_REASON_CANCELED) {
        return false;
    }
    const bool is_ours = handle->kicked_to_serve && !handle->exit_wanted;
    handle->kicked_to_serve = false;
    handle->exit_wanted = false;
    return is_ours;
}

av_error av_vcpu_run(av_vcpu *vcpu)
{
    hv_return_t ret;
    bool again;

    OWNER(vcpu);
    av_vcpu_handle *const handle = vcpu->handle;
    if (handle->is_serving) {
        return FAIL(AV_ERROR_RUNNING,
                    "vCPU %llu cannot be run in a function of av_vcpu_call: return first",
                    (unsigned long long)vcpu->id);
    }
    pthread_mutex_lock(&handle->lock);
    do {
        av_vcpu_serve_locked(vcpu);
        handle->is_running = true;
        pthread_mutex_unlock(&handle->lock);
        ret = IN_VM(vcpu->vm, hv_vcpu_run(vcpu->id));
        pthread_mutex_lock(&handle->lock);
        handle->is_running = false;
        again = ret == HV_SUCCESS && goes_on(handle, vcpu->exit);
    } while (again);
    av_vcpu_serve_locked(vcpu);
    pthread_mutex_unlock(&handle->lock);
    return FRAMEWORK(ret);
}

av_error av_vcpu_get_exit(const av_vcpu *vcpu, hv_vcpu_exit_t *exit)
{
    OWNER(vcpu);
    NOT_NULL(exit);
    *exit = *vcpu->exit;
    return AV_OK;
}
