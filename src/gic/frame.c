/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Finding a register by its offset, and cutting accesses to its parts. Reserved offsets and wrong sizes are RAZ/WI. */
#include "gic/internal.h"

/* Rows are few and the ones that guests use at run time come first. */
static const struct gic_reg *find(const struct gic_frame *frame, uint32_t offset)
{
    for (unsigned i = 0; i < frame->n_regs; i++) {
        if (offset >= frame->regs[i].start && offset < frame->regs[i].end) {
            return &frame->regs[i];
        }
    }
    return NULL;
}

static uint64_t ones(unsigned bytes)
{
    return bytes >= 8 ? UINT64_MAX : (1ull << 8 * bytes) - 1;
}

static bool is_access(const struct gic_reg *reg, uint32_t offset, unsigned size)
{
    return reg != NULL && (reg->sizes & size) != 0 && offset % size == 0;
}

uint64_t gic_frame_read(const struct gic_frame *frame, struct gic *gic, struct gic_cpu *cpu,
                        uint32_t offset, unsigned size)
{
    const struct gic_reg *const reg = find(frame, offset);

    if (!is_access(reg, offset, size)) {
        return 0;
    }
    const uint32_t at = offset - reg->start;
    const uint64_t value = reg->read != NULL ? reg->read(gic, cpu, at / reg->unit) : reg->fixed;
    return value >> 8 * (at % reg->unit) & ones(size);
}

void gic_frame_write(const struct gic_frame *frame, struct gic *gic, struct gic_cpu *cpu,
                     uint32_t offset, unsigned size, uint64_t value)
{
    const struct gic_reg *const reg = find(frame, offset);

    if (!is_access(reg, offset, size) || reg->write == NULL) {
        return;
    }
    const uint32_t at = offset - reg->start;
    const unsigned shift = 8 * (at % reg->unit);
    reg->write(gic, cpu, at / reg->unit, (value & ones(size)) << shift, ones(size) << shift);
}

/* --- By guest physical address ----------------------------------------------------------------------------------------------- */

/* Which frame, with the offset in it; NULL: none. For any thread. */
static const struct gic_frame *frame_at(const struct gic *gic, uint64_t ipa, uint32_t *offset,
                                        unsigned *index)
{
    const struct gic_config *const c = &gic->config;
    const uint64_t n = atomic_load_explicit(&gic->n_frames, memory_order_acquire);

    *index = GIC_MAX_CPUS;
    if (ipa - c->gicd_base < GICD_SIZE) {
        *offset = (uint32_t)(ipa - c->gicd_base);
        return &gicd_frame;
    }
    if (ipa - c->gicr_base < n * GICR_SIZE) {
        *index = (unsigned)((ipa - c->gicr_base) / GICR_SIZE);
        *offset = (uint32_t)((ipa - c->gicr_base) % GICR_SIZE);
        return &gicr_frame;
    }
    if (c->msi_count != 0 && ipa - c->gicm_base < GICM_SIZE) {
        *offset = (uint32_t)(ipa - c->gicm_base);
        return &gicm_frame;
    }
    return NULL;
}

bool gic_claims(const struct gic *gic, uint64_t ipa)
{
    uint32_t offset;
    unsigned index;

    return frame_at(gic, ipa, &offset, &index) != NULL;
}

/* The place of a vCPU that has been destroyed, between living ones. */
static bool is_gap(const struct gic *gic, unsigned index)
{
    return index < GIC_MAX_CPUS && gic->cpus[index].owner == NULL;
}

uint64_t gic_mmio_read(struct gic *gic, uint64_t ipa, unsigned size)
{
    uint32_t offset;
    unsigned index;
    const struct gic_frame *const frame = frame_at(gic, ipa, &offset, &index);
    uint64_t value = 0;

    if (frame == NULL) {
        return 0;
    }
    pthread_mutex_lock(&gic->lock);
    if (!is_gap(gic, index)) {
        value = gic_frame_read(frame, gic, index < GIC_MAX_CPUS ? &gic->cpus[index] : NULL, offset,
                               size);
    }
    pthread_mutex_unlock(&gic->lock);
    return value;
}

void gic_mmio_write(struct gic *gic, uint64_t ipa, unsigned size, uint64_t value)
{
    uint32_t offset;
    unsigned index;
    const struct gic_frame *const frame = frame_at(gic, ipa, &offset, &index);

    if (frame == NULL) {
        return;
    }
    pthread_mutex_lock(&gic->lock);
    if (!is_gap(gic, index)) {
        gic_frame_write(frame, gic, index < GIC_MAX_CPUS ? &gic->cpus[index] : NULL, offset, size,
                        value);
    }
    pthread_mutex_unlock(&gic->lock);
}

/* --- By the framework's register numbers ------------------------------------------------------------------------------------- */

static bool host_get(const struct gic_frame *frame, struct gic *gic, struct gic_cpu *cpu,
                     uint32_t offset, uint64_t *value)
{
    const struct gic_reg *const reg = find(frame, offset);

    if (reg == NULL || !reg->host || (offset - reg->start) % reg->unit != 0) {
        return false;
    }
    pthread_mutex_lock(&gic->lock);
    *value = gic_frame_read(frame, gic, cpu, offset, reg->unit);
    pthread_mutex_unlock(&gic->lock);
    return true;
}

static bool host_set(const struct gic_frame *frame, struct gic *gic, struct gic_cpu *cpu,
                     uint32_t offset, uint64_t value)
{
    const struct gic_reg *const reg = find(frame, offset);

    if (reg == NULL || !reg->host || (offset - reg->start) % reg->unit != 0) {
        return false;
    }
    pthread_mutex_lock(&gic->lock);
    gic_frame_write(frame, gic, cpu, offset, reg->unit, value);
    pthread_mutex_unlock(&gic->lock);
    return true;
}

bool gic_gicd_get(struct gic *gic, uint32_t offset, uint64_t *value)
{
    return host_get(&gicd_frame, gic, NULL, offset, value);
}

bool gic_gicd_set(struct gic *gic, uint32_t offset, uint64_t value)
{
    return host_set(&gicd_frame, gic, NULL, offset, value);
}

bool gic_gicr_get(struct gic_cpu *cpu, uint32_t offset, uint64_t *value)
{
    return host_get(&gicr_frame, cpu->gic, cpu, offset, value);
}

bool gic_gicr_set(struct gic_cpu *cpu, uint32_t offset, uint64_t value)
{
    return host_set(&gicr_frame, cpu->gic, cpu, offset, value);
}

bool gic_gicm_get(struct gic *gic, uint32_t offset, uint64_t *value)
{
    return gic->config.msi_count != 0 && host_get(&gicm_frame, gic, NULL, offset, value);
}

bool gic_gicm_set(struct gic *gic, uint32_t offset, uint64_t value)
{
    return gic->config.msi_count != 0 && host_set(&gicm_frame, gic, NULL, offset, value);
}
