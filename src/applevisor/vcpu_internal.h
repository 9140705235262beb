/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The part of a vCPU that other threads see. It outlives the vCPU as long as somebody has a handle.
 *
 * `lock` guards everything but `references` and what never changes. It is held while another thread kicks the vCPU through the
 * framework, and taken before the vCPU is destroyed there: the framework never sees an id that is not alive.
 */
#ifndef AV_VCPU_INTERNAL_H
#define AV_VCPU_INTERNAL_H

#include "applevisor/internal.h"

/* One av_vcpu_call() that waits, on the stack of its caller. */
struct vcpu_call {
    av_vcpu_function *function;
    void *argument;
    struct vcpu_call *next;
    enum { CALL_WAITS, CALL_DONE, CALL_GONE } state;
};

struct av_vcpu_handle {
    _Atomic uint32_t references;
    hv_vcpu_t id;
    uint64_t owner_tid;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* calls come or are done; the vCPU ends */
    av_vm *vm;              /* while it is alive: the vCPU's reference */
    bool is_alive;
    bool has_ended;       /* its thread does not touch the av_vcpu any more */
    bool is_running;      /* in hv_vcpu_run, or just about to be */
    bool is_serving;      /* in a function of av_vcpu_call */
    bool exit_wanted;     /* av_vcpu_handle_exit: not reported yet */
    bool kicked_to_serve; /* the framework was asked for an exit that is none of the client's */
    struct vcpu_call *first_call, *last_call;
};

/* The calling thread's vCPU, or NULL. */
extern AV_THREAD av_vcpu *av_own_vcpu;

/* Something that tells threads apart in messages and debuggers. */
uint64_t av_thread_id(void);

/* A handle for a live vCPU of this thread, with one reference. NULL: out of memory. */
av_vcpu_handle *av_vcpu_handle_create(hv_vcpu_t id, av_vm *vm);
/* Ends all that other threads can do with the vCPU; who waits is sent away. The owner calls it before the vCPU goes. */
void av_vcpu_handle_end(av_vcpu_handle *handle);
/* Runs the functions that wait. Caller is the owner and holds the lock, which is given up meanwhile. */
void av_vcpu_serve_locked(av_vcpu *vcpu);

#endif
