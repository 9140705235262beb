/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Life of the GIC, and who is attached to it. */
#include "gic/gic.h"

#include <stdlib.h>
#include <string.h>

#include "gic/internal.h"

static void reset_distributor(struct gic *gic)
{
    gic->ctlr = 0;
    for (unsigned word = 0; word < GIC_WORDS; word++) {
        gic_bank_reset(&gic->spi[word], false);
        gic->any[word] = 0;
    }
    memset(gic->router, 0, sizeof(gic->router));
}

struct gic *gic_create(const struct gic_config *config, gic_lines_fn *lines)
{
    struct gic *const gic = calloc(1, sizeof(*gic));

    if (gic == NULL) {
        return NULL;
    }
    gic->config = *config;
    gic->lines = lines;
    pthread_mutex_init(&gic->lock, NULL);
    reset_distributor(gic);
    memset(gic->target, GIC_NO_CPU, sizeof(gic->target));
    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        gic->cpus[i].gic = gic;
        gic_redistributor_reset(&gic->cpus[i]);
        gic_icc_reset(&gic->cpus[i].icc);
    }
    return gic;
}

void gic_destroy(struct gic *gic)
{
    if (gic != NULL) {
        pthread_mutex_destroy(&gic->lock);
        free(gic);
    }
}

const struct gic_config *gic_config_of(const struct gic *gic)
{
    return &gic->config;
}

/* --- CPUs -------------------------------------------------------------------------------------------------------------------- */

static void count_frames(struct gic *gic)
{
    uint32_t n = GIC_MAX_CPUS;

    while (n > 0 && gic->cpus[n - 1].owner == NULL) {
        n--;
    }
    atomic_store_explicit(&gic->n_frames, n, memory_order_release);
}

struct gic_cpu *gic_attach(struct gic *gic, unsigned index, void *owner)
{
    struct gic_cpu *const cpu = &gic->cpus[index];

    pthread_mutex_lock(&gic->lock);
    if (!cpu->restored) {
        gic_redistributor_reset(cpu);
    }
    cpu->restored = false;
    gic_icc_reset(&cpu->icc);
    cpu->affinity = 0;
    cpu->lines = 0;
    cpu->owner = owner;
    count_frames(gic);
    gic_update_routes(gic);
    pthread_mutex_unlock(&gic->lock);
    return cpu;
}

void gic_detach(struct gic_cpu *cpu)
{
    if (cpu == NULL) {
        return;
    }
    struct gic *const gic = cpu->gic;
    pthread_mutex_lock(&gic->lock);
    cpu->owner = NULL;
    gic_redistributor_reset(cpu);
    count_frames(gic);
    gic_update_routes(gic);
    pthread_mutex_unlock(&gic->lock);
}

/* Two CPUs of one affinity are the client's mistake: SPIs go to the first of them, SGIs to both. */
void gic_set_affinity(struct gic_cpu *cpu, uint64_t mpidr)
{
    pthread_mutex_lock(&cpu->gic->lock);
    cpu->affinity = (uint32_t)(mpidr >> 8 & 0xff000000u) | (uint32_t)(mpidr & 0xffffffu);
    gic_update_routes(cpu->gic);
    pthread_mutex_unlock(&cpu->gic->lock);
}

void gic_reset(struct gic *gic)
{
    pthread_mutex_lock(&gic->lock);
    reset_distributor(gic);
    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        gic_redistributor_reset(&gic->cpus[i]);
        gic->cpus[i].restored = false;
    }
    gic_update_routes(gic);
    pthread_mutex_unlock(&gic->lock);
}
