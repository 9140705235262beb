/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/mmu/mailbox.h"

#include <pthread.h>
#include <stdlib.h>

#include "engine/mmu/tlb.h"
#include "vm/vm.h"

#define RING_ENTRIES 64u

struct post {
    struct mmu_flush flush;
    const struct a64_cpu *from; /* has done it; NULL: nobody has */
};

struct mmu_bus {
    pthread_mutex_t lock;
    struct a64_cpu *cpus; /* guarded by lock */
    struct post ring[RING_ENTRIES];
    _Atomic uint64_t
        count; /* of posts ever made: post n is ring[n % RING_ENTRIES]; written under lock */
};

struct mmu_bus *mmu_bus_create(void)
{
    struct mmu_bus *const bus = calloc(1, sizeof(*bus));

    if (bus != NULL && pthread_mutex_init(&bus->lock, NULL) != 0) {
        free(bus);
        return NULL;
    }
    return bus;
}

void mmu_bus_destroy(struct mmu_bus *bus)
{
    if (bus != NULL) {
        pthread_mutex_destroy(&bus->lock);
        free(bus);
    }
}

void mmu_bus_join(struct mmu_bus *bus, struct a64_cpu *cpu)
{
    struct mmu *const mmu = cpu->mmu;

    mmu->bus = bus;
    pthread_mutex_lock(&bus->lock);
    atomic_store(&mmu->seen, atomic_load(&bus->count));
    mmu->bus_next = bus->cpus;
    bus->cpus = cpu;
    pthread_mutex_unlock(&bus->lock);
}

void mmu_bus_leave(struct mmu_bus *bus, struct a64_cpu *cpu)
{
    pthread_mutex_lock(&bus->lock);
    struct a64_cpu **link = &bus->cpus;
    while (*link != cpu) {
        link = &(*link)->mmu->bus_next;
    }
    *link = cpu->mmu->bus_next;
    pthread_mutex_unlock(&bus->lock);
}

static void post(struct mmu_bus *bus, struct a64_cpu *from, const struct mmu_flush *flush)
{
    pthread_mutex_lock(&bus->lock);
    const uint64_t n = atomic_load_explicit(&bus->count, memory_order_relaxed);
    bus->ring[n % RING_ENTRIES] = (struct post){.flush = *flush, .from = from};
    atomic_store(&bus->count, n + 1);
    if (from != NULL) {
        from->mmu->posted = n + 1;
    }
    for (struct a64_cpu *cpu = bus->cpus; cpu != NULL; cpu = cpu->mmu->bus_next) {
        if (cpu != from) {
            /* Sequentially consistent, before mmu_broadcast_done() looks at `inside`: see vm_enter_guest(). */
            cpu_request(cpu, CPU_REQUEST_MAILBOX);
        }
    }
    pthread_mutex_unlock(&bus->lock);
}

void mmu_bus_flush_all(struct mmu_bus *bus)
{
    post(bus, NULL, &(struct mmu_flush){.kind = MMU_FLUSH_ALL, .regimes = MMU_REGIME_ANY});
}

void mmu_broadcast_flush(struct a64_cpu *self, const struct mmu_flush *flush)
{
    mmu_flush(self, flush);
    if (self->smp) { /* a second vCPU begins with empty tables, after this one has been told of it */
        post(self->mmu->bus, self, flush);
    }
}

void mmu_handle_mailbox(struct a64_cpu *cpu)
{
    struct mmu *const mmu = cpu->mmu;
    struct mmu_bus *const bus = mmu->bus;
    uint64_t seen = atomic_load_explicit(&mmu->seen, memory_order_relaxed);

    if (atomic_load_explicit(&bus->count, memory_order_acquire) == seen) {
        return;
    }
    pthread_mutex_lock(&bus->lock);
    const uint64_t count = atomic_load_explicit(&bus->count, memory_order_relaxed);
    if (count - seen > RING_ENTRIES) {
        mmu_flush_all(cpu);
    } else {
        for (; seen != count; seen++) {
            const struct post *const p = &bus->ring[seen % RING_ENTRIES];
            if (p->from != cpu) {
                mmu_flush(cpu, &p->flush);
            }
        }
    }
    atomic_store(&mmu->seen, count);
    pthread_mutex_unlock(&bus->lock);
}

bool mmu_broadcast_done(struct a64_cpu *self)
{
    struct mmu_bus *const bus = self->mmu->bus;
    const uint64_t posted = self->mmu->posted;
    bool done = true;

    if (self->mmu->confirmed == posted) {
        return true;
    }
    pthread_mutex_lock(&bus->lock);
    for (const struct a64_cpu *cpu = bus->cpus; cpu != NULL && done; cpu = cpu->mmu->bus_next) {
        done = cpu == self || atomic_load(&cpu->mmu->seen) >= posted ||
               !atomic_load(&cpu->vcpu->inside);
    }
    pthread_mutex_unlock(&bus->lock);
    if (done) {
        self->mmu->confirmed = posted;
    }
    return done;
}
