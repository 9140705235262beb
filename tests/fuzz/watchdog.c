/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "watchdog.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

/* One run. The lock makes the request reach this run and no later one. */
static struct slot {
    pthread_mutex_t lock;
    bool running, asked;
    hv_vcpu_t vcpu;
    clockid_t cpu_clock; /* of the vCPU's thread */
    uint64_t started_ms, asked_ms, asked_cpu_ms;
} slots[WATCHDOG_VCPUS];

static uint64_t now_ms(clockid_t clock)
{
    struct timespec t = {0};

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void look_at(struct slot *s)
{
    const uint64_t now = now_ms(CLOCK_MONOTONIC);

    if (!s->asked) {
        if (now - s->started_ms > WATCHDOG_ASK_MS) {
            s->asked = true;
            s->asked_ms = now;
            s->asked_cpu_ms = now_ms(s->cpu_clock);
            if (hv_vcpus_exit(&s->vcpu, 1) != HV_SUCCESS) {
                watchdog_finding("hv_vcpus_exit refused a vCPU that runs");
            }
        }
    } else if (now_ms(s->cpu_clock) - s->asked_cpu_ms > WATCHDOG_CPU_MS) {
        watchdog_finding("a run goes on after hv_vcpus_exit");
    } else if (now - s->asked_ms > WATCHDOG_CLOCK_MS) {
        watchdog_finding("a run waits for ever after hv_vcpus_exit");
    }
}

static void *watch(void *argument)
{
    (void)argument;
    for (;;) {
        usleep(500);
        for (unsigned i = 0; i < WATCHDOG_VCPUS; i++) {
            pthread_mutex_lock(&slots[i].lock);
            if (slots[i].running) {
                look_at(&slots[i]);
            }
            pthread_mutex_unlock(&slots[i].lock);
        }
    }
    return NULL;
}

bool watchdog_start(void)
{
    pthread_t thread;

    for (unsigned i = 0; i < WATCHDOG_VCPUS; i++) {
        pthread_mutex_init(&slots[i].lock, NULL);
    }
    return pthread_create(&thread, NULL, watch, NULL) == 0;
}

hv_return_t watchdog_run(unsigned slot, hv_vcpu_t vcpu, bool *asked)
{
    struct slot *const s = &slots[slot];

    pthread_mutex_lock(&s->lock);
    s->running = true;
    s->asked = false;
    s->vcpu = vcpu;
    s->started_ms = now_ms(CLOCK_MONOTONIC);
    pthread_getcpuclockid(pthread_self(), &s->cpu_clock);
    pthread_mutex_unlock(&s->lock);
    const hv_return_t ret = hv_vcpu_run(vcpu);
    pthread_mutex_lock(&s->lock);
    s->running = false;
    *asked = s->asked;
    pthread_mutex_unlock(&s->lock);
    return ret;
}
