/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What other threads do with a vCPU: look whether it lives, stop it, and have its thread run a function. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <applevisor/vcpu.h>

#include "applevisor/vcpu_internal.h"

/* --- Handles ----------------------------------------------------------------------------------------------------------------- */

static bool init_cond(pthread_cond_t *cond)
{
#ifdef __APPLE__
    return pthread_cond_init(cond, NULL) == 0;
#else
    pthread_condattr_t monotonic;
    bool good;

    if (pthread_condattr_init(&monotonic) != 0) {
        return false;
    }
    good = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(cond, &monotonic) == 0;
    pthread_condattr_destroy(&monotonic);
    return good;
#endif
}

av_vcpu_handle *av_vcpu_handle_create(hv_vcpu_t id, av_vm *vm)
{
    av_vcpu_handle *const handle = calloc(1, sizeof(*handle));

    if (handle == NULL) {
        return NULL;
    }
    if (!init_cond(&handle->changed)) {
        free(handle);
        return NULL;
    }
    pthread_mutex_init(&handle->lock, NULL);
    atomic_init(&handle->references, 1);
    handle->id = id;
    handle->vm = vm;
    handle->owner_tid = av_thread_id();
    handle->is_alive = true;
    return handle;
}

av_vcpu_handle *av_vcpu_handle_ref(av_vcpu_handle *handle)
{
    if (handle != NULL) {
        atomic_fetch_add_explicit(&handle->references, 1, memory_order_relaxed);
    }
    return handle;
}

void av_vcpu_handle_unref(av_vcpu_handle *handle)
{
    if (handle != NULL &&
        atomic_fetch_sub_explicit(&handle->references, 1, memory_order_acq_rel) == 1) {
        pthread_cond_destroy(&handle->changed);
        pthread_mutex_destroy(&handle->lock);
        free(handle);
    }
}

av_vcpu_handle *av_vcpu_get_handle(av_vcpu *vcpu)
{
    return av_vcpu_handle_ref(vcpu->handle);
}

hv_vcpu_t av_vcpu_handle_id(const av_vcpu_handle *handle)
{
    return handle->id;
}

bool av_vcpu_handle_is_valid(const av_vcpu_handle *handle)
{
    /* The lock is no part of what the caller sees as the handle's value. */
    av_vcpu_handle *const h = (av_vcpu_handle *)(uintptr_t)handle;

    pthread_mutex_lock(&h->lock);
    const bool is_alive = h->is_alive;
    pthread_mutex_unlock(&h->lock);
    return is_alive;
}

/* --- Exits ------------------------------------------------------------------------------------------------------------------- */

/* Caller holds the lock, and the vCPU is alive. The framework remembers the request where the vCPU is not running. */
static hv_return_t kick(av_vcpu_handle *handle)
{
    hv_vcpu_t id = handle->id;

    return IN_VM(handle->vm, hv_vcpus_exit(&id, 1));
}

hvx_vm *av_vcpu_vm_of(hv_vcpu_t id)
{
    if (av_own_vcpu != NULL && av_own_vcpu->id == id) {
        return av_own_vcpu->vm->independent;
    }
    /* A client of the framework's own functions, who may have selected a VM. */
    hvx_vm *const selected = framework_select(NULL);
    framework_select(selected);
    return selected;
}

void av_vcpu_kick_in(hvx_vm *vm, hv_vcpu_t id)
{
    hvx_vm *const before = framework_select(vm);

    hv_vcpus_exit(&id, 1);
    framework_select(before);
}

/* Caller holds the lock, and the vCPU is alive. */
static hv_return_t want_exit(av_vcpu_handle *handle)
{
    handle->exit_wanted = true;
    pthread_cond_broadcast(&handle->changed); /* for av_vcpu_serve */
    return kick(handle);
}

static av_error gone(const av_vcpu_handle *handle, const char *function)
{
    return av_fail(AV_ERROR_VCPU_GONE, function, "vCPU %llu of thread %llu is destroyed",
                   (unsigned long long)handle->id, (unsigned long long)handle->owner_tid);
}

av_error av_vcpu_handle_exit(av_vcpu_handle *handle)
{
    NOT_NULL(handle);
    pthread_mutex_lock(&handle->lock);
    const av_error error = handle->is_alive ? FRAMEWORK(want_exit(handle)) : gone(handle, __func__);
    pthread_mutex_unlock(&handle->lock);
    return error;
}

/* VCPU_GONE where there is nothing to tell, which the caller passes over. */
static av_error check_vm(av_vcpu_handle *handle, const av_vm *vm, const char *function)
{
    if (handle == NULL) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function, "one of the handles is NULL");
    }
    pthread_mutex_lock(&handle->lock);
    const bool is_other = handle->is_alive && handle->vm != vm;
    pthread_mutex_unlock(&handle->lock);
    return is_other ? av_fail(AV_ERROR_WRONG_VM, function, "vCPU %llu belongs to another VM",
                              (unsigned long long)handle->id)
                    : AV_OK;
}

av_error av_vm_vcpus_exit(av_vm *vm, av_vcpu_handle *const *handles, size_t count)
{
    av_error error = AV_OK;

    NOT_NULL(vm);
    if (count == 0) {
        return AV_OK;
    }
    NOT_NULL(handles);
    for (size_t i = 0; i < count && error == AV_OK; i++) {
        error = check_vm(handles[i], vm, __func__);
    }
    for (size_t i = 0; i < count && error == AV_OK; i++) {
        pthread_mutex_lock(&handles[i]->lock);
        if (handles[i]->is_alive) {
            error = FRAMEWORK(want_exit(handles[i]));
        }
        pthread_mutex_unlock(&handles[i]->lock);
    }
    return error;
}

/* --- Functions for the owner ------------------------------------------------------------------------------------------------- */

static struct vcpu_call *take_call(av_vcpu_handle *handle)
{
    struct vcpu_call *const call = handle->first_call;

    if (call != NULL) {
        handle->first_call = call->next;
        if (handle->first_call == NULL) {
            handle->last_call = NULL;
        }
    }
    return call;
}

static void queue_call(av_vcpu_handle *handle, struct vcpu_call *call)
{
    if (handle->last_call != NULL) {
        handle->last_call->next = call;
    } else {
        handle->first_call = call;
    }
    handle->last_call = call;
}

void av_vcpu_serve_locked(av_vcpu *vcpu)
{
    av_vcpu_handle *const handle = vcpu->handle;
    struct vcpu_call *call;

    while ((call = take_call(handle)) != NULL) {
        handle->is_serving = true;
        pthread_mutex_unlock(&handle->lock);
        call->function(vcpu, call->argument);
        pthread_mutex_lock(&handle->lock);
        handle->is_serving = false;
        call->state = CALL_DONE; /* its caller may return now: the record is not touched again */
        pthread_cond_broadcast(&handle->changed);
    }
}

void av_vcpu_handle_end(av_vcpu_handle *handle)
{
    struct vcpu_call *call;

    pthread_mutex_lock(&handle->lock);
    handle->is_alive = false;
    handle->vm = NULL;
    while ((call = take_call(handle)) != NULL) {
        call->state = CALL_GONE;
    }
    pthread_cond_broadcast(&handle->changed);
    pthread_mutex_unlock(&handle->lock);
}

av_error av_vcpu_call(av_vcpu_handle *handle, av_vcpu_function *function, void *argument)
{
    struct vcpu_call call = {.function = function, .argument = argument, .state = CALL_WAITS};

    NOT_NULL(handle);
    NOT_NULL(function);
    if (av_own_vcpu != NULL && av_own_vcpu->handle == handle) {
        function(av_own_vcpu, argument);
        return AV_OK;
    }
    pthread_mutex_lock(&handle->lock);
    if (!handle->is_alive) {
        call.state = CALL_GONE;
    } else {
        queue_call(handle, &call);
        pthread_cond_broadcast(&handle->changed);
        if (handle->is_running && !handle->kicked_to_serve) {
            handle->kicked_to_serve = kick(handle) == HV_SUCCESS;
        }
    }
    while (call.state == CALL_WAITS) {
        pthread_cond_wait(&handle->changed, &handle->lock);
    }
    pthread_mutex_unlock(&handle->lock);
    return call.state == CALL_DONE ? AV_OK : gone(handle, __func__);
}

/* --- Serving ----------------------------------------------------------------------------------------------------------------- */

#define NS_PER_MS 1000000ll
#define NS_PER_S  1000000000ll

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* False: the deadline has passed. Caller holds the lock. */
static bool wait_until(av_vcpu_handle *handle, int64_t deadline_ns)
{
    struct timespec time;

#ifdef __APPLE__
    const int64_t left = deadline_ns - now_ns();
    if (left <= 0) {
        return false;
    }
    time = (struct timespec){.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    return pthread_cond_timedwait_relative_np(&handle->changed, &handle->lock, &time) != ETIMEDOUT;
#else
    time = (struct timespec){.tv_sec = deadline_ns / NS_PER_S, .tv_nsec = deadline_ns % NS_PER_S};
    return pthread_cond_timedwait(&handle->changed, &handle->lock, &time) != ETIMEDOUT;
#endif
}

av_error av_vcpu_serve(av_vcpu *vcpu, int64_t timeout_ms)
{
    OWNER(vcpu);
    av_vcpu_handle *const handle = vcpu->handle;
    if (handle->is_serving) {
        return FAIL(
            AV_ERROR_RUNNING,
            "vCPU %llu serves already: av_vcpu_serve was called in a function of av_vcpu_call",
            (unsigned long long)vcpu->id);
    }
    /* So long a time is no deadline. */
    const bool for_ever = timeout_ms < 0 || timeout_ms > INT64_MAX / NS_PER_MS / 2;
    const int64_t deadline = for_ever ? 0 : now_ns() + timeout_ms * NS_PER_MS;
    bool in_time = true;

    pthread_mutex_lock(&handle->lock);
    while (handle->first_call == NULL && !handle->exit_wanted && in_time) {
        if (for_ever) {
            pthread_cond_wait(&handle->changed, &handle->lock);
        } else {
            in_time = wait_until(handle, deadline);
        }
    }
    const bool has_news = handle->first_call != NULL || handle->exit_wanted;
    av_vcpu_serve_locked(vcpu);
    pthread_mutex_unlock(&handle->lock);
    return has_news ? AV_OK
                    : FAIL(AV_ERROR_TIMED_OUT, "nobody called a function in %lld milliseconds",
                           (long long)timeout_ms);
}
