/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Threads, with Darwin's sizes and initial values. */
#ifndef SDK_PTHREAD_H
#define SDK_PTHREAD_H

#include <sched.h>
#include <time.h>

typedef struct sdk_thread *pthread_t;
typedef unsigned long pthread_key_t;
#define SDK_OPAQUE(name, size) \
    typedef struct {           \
        long signature;        \
        char opaque[size];     \
    } name
SDK_OPAQUE(pthread_attr_t, 56);
SDK_OPAQUE(pthread_mutex_t, 56);
SDK_OPAQUE(pthread_mutexattr_t, 8);
SDK_OPAQUE(pthread_cond_t, 40);
SDK_OPAQUE(pthread_condattr_t, 8);
SDK_OPAQUE(pthread_rwlock_t, 192);
SDK_OPAQUE(pthread_rwlockattr_t, 16);
SDK_OPAQUE(pthread_once_t, 8);
/* clang-format off */
#define PTHREAD_MUTEX_INITIALIZER {0x32aaaba7, {0}}
#define PTHREAD_COND_INITIALIZER  {0x3cb0b1bb, {0}}
#define PTHREAD_ONCE_INIT         {0x30b1bcba, {0}}
/* clang-format on */

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *arg);
int pthread_join(pthread_t thread, void **result);
pthread_t pthread_self(void);
int pthread_equal(pthread_t a, pthread_t b);
int pthread_threadid_np(pthread_t thread, unsigned long long *id);
int pthread_once(pthread_once_t *once, void (*function)(void));
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int pthread_setspecific(pthread_key_t key, const void *value);
int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int pthread_mutex_destroy(pthread_mutex_t *mutex);
int pthread_mutex_lock(pthread_mutex_t *mutex);
int pthread_mutex_unlock(pthread_mutex_t *mutex);
int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int pthread_cond_destroy(pthread_cond_t *cond);
int pthread_cond_signal(pthread_cond_t *cond);
int pthread_cond_broadcast(pthread_cond_t *cond);
int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int pthread_cond_timedwait_relative_np(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                       const struct timespec *time);
int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes);
int pthread_rwlock_destroy(pthread_rwlock_t *lock);
int pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int pthread_rwlock_unlock(pthread_rwlock_t *lock);

#endif
