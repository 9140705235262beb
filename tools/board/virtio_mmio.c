/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The registers of virtio-mmio, version 2 (virtio 1.2, 4.2.2), and the life of a device: status, reset, interrupts. */
#include <string.h>

#include "virtio_internal.h"

#define MAGIC     0x74726976u /* "virt" */
#define VERSION   2u
#define VENDOR_ID 0x4c505041u /* "APPL" */

/* A guest that resets its device and breaks it again fills no terminal. */
#define MAX_COMPLAINTS 4u

enum {
    REG_MAGIC = 0x000,
    REG_VERSION = 0x004,
    REG_DEVICE_ID = 0x008,
    REG_VENDOR_ID = 0x00c,
    REG_DEVICE_FEATURES = 0x010,
    REG_DEVICE_FEATURES_SEL = 0x014,
    REG_DRIVER_FEATURES = 0x020,
    REG_DRIVER_FEATURES_SEL = 0x024,
    REG_QUEUE_SEL = 0x030,
    REG_QUEUE_NUM_MAX = 0x034,
    REG_QUEUE_NUM = 0x038,
    REG_QUEUE_READY = 0x044,
    REG_QUEUE_NOTIFY = 0x050,
    REG_INTERRUPT_STATUS = 0x060,
    REG_INTERRUPT_ACK = 0x064,
    REG_STATUS = 0x070,
    REG_QUEUE_DESC_LOW = 0x080,
    REG_QUEUE_DESC_HIGH = 0x084,
    REG_QUEUE_DRIVER_LOW = 0x090,
    REG_QUEUE_DRIVER_HIGH = 0x094,
    REG_QUEUE_DEVICE_LOW = 0x0a0,
    REG_QUEUE_DEVICE_HIGH = 0x0a4,
    REG_SHM_LEN_LOW = 0x0b0,
    REG_SHM_LEN_HIGH = 0x0b4,
    REG_SHM_BASE_LOW = 0x0b8,
    REG_SHM_BASE_HIGH = 0x0bc,
    REG_CONFIG_GENERATION = 0x0fc,
    REG_CONFIG = 0x100,
};

static_assert(REG_CONFIG + VIRTIO_MAX_CONFIG == BOARD_VIRTIO_SIZE, "config ends the device");

/* All of these run with the device's lock held. */

/* --- Interrupts and faults ---------------------------------------------------------------------------------------------------- */

static void set_interrupts(struct virtio_device *d, uint32_t interrupts)
{
    const bool level = interrupts != 0;

    if (level != (d->interrupt_status != 0)) {
        board_irq_set(&d->board_device.irq, level);
    }
    d->interrupt_status = interrupts;
}

void virtio_interrupt(struct virtio_device *d, uint32_t why)
{
    set_interrupts(d, d->interrupt_status | why);
}

void virtio_fail(struct virtio_device *d, const char *why)
{
    if (d->n_complaints < MAX_COMPLAINTS) {
        d->n_complaints++;
        board_warn("%s: the guest's driver broke the rules (%s); the device waits for a reset",
                   d->ops->name, why);
    }
    d->status |= VIRTIO_NEEDS_RESET;
    if ((d->status & VIRTIO_DRIVER_OK) != 0) {
        virtio_interrupt(d, VIRTIO_INT_CONFIG);
    }
}

bool virtio_running(const struct virtio_device *d)
{
    return (d->status & VIRTIO_DRIVER_OK) != 0 && (d->status & VIRTIO_FEATURES_OK) != 0 &&
           (d->status & (VIRTIO_NEEDS_RESET | VIRTIO_FAILED)) == 0;
}

/* --- Status ------------------------------------------------------------------------------------------------------------------- */

void virtio_reset(struct virtio_device *d)
{
    virtio_quiesce(d);
    d->status = 0;
    d->features = 0;
    d->noticed = 0;
    d->device_features_sel = d->driver_features_sel = d->queue_sel = 0;
    memset(d->queues, 0, sizeof(d->queues));
    for (unsigned i = 0; i < d->ops->n_queues; i++) {
        d->queues[i].size = VIRTQ_MAX_SIZE;
    }
    if (d->ops->reset != NULL) {
        d->ops->reset(d);
    }
    set_interrupts(d, 0);
}

/* A driver only adds bits, or writes 0. Features that cannot be are answered by FEATURES_OK not staying set. */
static void write_status(struct virtio_device *d, uint32_t value)
{
    if (value == 0) {
        virtio_reset(d);
        return;
    }
    uint32_t added = value & ~d->status &
                     (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_DRIVER_OK | VIRTIO_FEATURES_OK |
                      VIRTIO_FAILED);
    if ((added & VIRTIO_FEATURES_OK) != 0 &&
        ((d->features & VIRTIO_F_VERSION_1) == 0 || (d->features & ~d->offered) != 0)) {
        added &= ~(uint32_t)VIRTIO_FEATURES_OK;
    }
    d->status |= added;
    if ((added & VIRTIO_DRIVER_OK) != 0) {
        if ((d->status & VIRTIO_FEATURES_OK) == 0) {
            virtio_fail(d, "DRIVER_OK without FEATURES_OK");
            return;
        }
        virtio_wake(d, UINT32_MAX);
    }
}

static void write_features(struct virtio_device *d, uint32_t value)
{
    const unsigned shift = 32 * d->driver_features_sel;

    if ((d->status & VIRTIO_FEATURES_OK) != 0) {
        return;
    }
    if (d->driver_features_sel < 2) {
        d->features = (d->features & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
    } else if (value != 0) {
        /* Bits from 64 on are never offered. Any other unoffered bit says the same to FEATURES_OK. */
        d->features |= ~d->offered;
    }
}

/* --- Queues ------------------------------------------------------------------------------------------------------------------- */

static struct virtq *selected_queue(struct virtio_device *d)
{
    return d->queue_sel < d->ops->n_queues ? &d->queues[d->queue_sel] : NULL;
}

static void set_half(uint64_t *value, bool high, uint32_t half)
{
    const unsigned shift = high ? 32 : 0;

    *value = (*value & ~(0xffffffffull << shift)) | (uint64_t)half << shift;
}

static void write_queue_ready(struct virtio_device *d, uint32_t value)
{
    struct virtq *const q = selected_queue(d);

    if (q == NULL || q->ready == ((value & 1) != 0)) {
        return;
    }
    if ((value & 1) == 0) {
        virtio_quiesce(d);
        q->ready = false;
        return;
    }
    if ((d->status & VIRTIO_FEATURES_OK) == 0 || (d->status & VIRTIO_NEEDS_RESET) != 0) {
        return;
    }
    if (!virtq_start(q, d->board, (d->features & VIRTIO_F_EVENT_IDX) != 0,
                     (d->features & VIRTIO_F_INDIRECT_DESC) != 0)) {
        virtio_fail(d, "a queue's size is not a power of two up to 256, or its place is not in RAM "
                       "or not aligned");
        return;
    }
    virtio_wake(d, 1u << d->queue_sel);
}

static void write_queue(struct virtio_device *d, uint32_t reg, uint32_t value)
{
    struct virtq *const q = selected_queue(d);

    if (q == NULL || q->ready) {
        return;
    }
    switch (reg) {
    case REG_QUEUE_NUM:
        q->size = value <= UINT16_MAX ? (uint16_t)value : 0; /* 0 never becomes ready */
        break;
    case REG_QUEUE_DESC_LOW:
    case REG_QUEUE_DESC_HIGH:
        set_half(&q->descriptors, reg == REG_QUEUE_DESC_HIGH, value);
        break;
    case REG_QUEUE_DRIVER_LOW:
    case REG_QUEUE_DRIVER_HIGH:
        set_half(&q->driver_area, reg == REG_QUEUE_DRIVER_HIGH, value);
        break;
    default:
        set_half(&q->device_area, reg == REG_QUEUE_DEVICE_HIGH, value);
        break;
    }
}

/* --- Registers ---------------------------------------------------------------------------------------------------------------- */

static uint32_t read_register(struct virtio_device *d, uint64_t offset)
{
    const struct virtq *const q = selected_queue(d);

    switch (offset) {
    case REG_MAGIC:
        return MAGIC;
    case REG_VERSION:
        return VERSION;
    case REG_DEVICE_ID:
        return d->ops->id;
    case REG_VENDOR_ID:
        return VENDOR_ID;
    case REG_DEVICE_FEATURES:
        return d->device_features_sel < 2 ? (uint32_t)(d->offered >> 32 * d->device_features_sel)
                                          : 0;
    case REG_QUEUE_NUM_MAX:
        return q != NULL ? VIRTQ_MAX_SIZE : 0;
    case REG_QUEUE_READY:
        return q != NULL && q->ready;
    case REG_INTERRUPT_STATUS:
        return d->interrupt_status;
    case REG_STATUS:
        return d->status;
    case REG_SHM_LEN_LOW: /* all ones: there is no shared memory */
    case REG_SHM_LEN_HIGH:
    case REG_SHM_BASE_LOW:
    case REG_SHM_BASE_HIGH:
        return UINT32_MAX;
    case REG_CONFIG_GENERATION:
        return d->generation;
    default:
        return 0;
    }
}

static void write_register(struct virtio_device *d, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case REG_DEVICE_FEATURES_SEL:
        d->device_features_sel = value;
        break;
    case REG_DRIVER_FEATURES_SEL:
        d->driver_features_sel = value;
        break;
    case REG_DRIVER_FEATURES:
        write_features(d, value);
        break;
    case REG_QUEUE_SEL:
        d->queue_sel = value;
        break;
    case REG_QUEUE_NUM:
    case REG_QUEUE_DESC_LOW:
    case REG_QUEUE_DESC_HIGH:
    case REG_QUEUE_DRIVER_LOW:
    case REG_QUEUE_DRIVER_HIGH:
    case REG_QUEUE_DEVICE_LOW:
    case REG_QUEUE_DEVICE_HIGH:
        write_queue(d, (uint32_t)offset, value);
        break;
    case REG_QUEUE_READY:
        write_queue_ready(d, value);
        break;
    case REG_QUEUE_NOTIFY:
        if (value < d->ops->n_queues && virtio_running(d)) {
            virtio_wake(d, 1u << value);
        }
        break;
    case REG_INTERRUPT_ACK:
        set_interrupts(d, d->interrupt_status & ~value);
        break;
    case REG_STATUS:
        write_status(d, value);
        break;
    default:
        break;
    }
}

static uint64_t read_config(const struct virtio_device *d, uint32_t offset, unsigned size)
{
    uint64_t value = 0;

    /* config is zero beyond config_size. */
    memcpy(&value, d->config + offset, size);
    return value;
}

static void write_config(struct virtio_device *d, uint32_t offset, unsigned size, uint64_t value)
{
    uint8_t old[VIRTIO_MAX_CONFIG];

    if (d->ops->config_written == NULL || offset + size > d->config_size) {
        return;
    }
    memcpy(old, d->config, sizeof(old));
    memcpy(d->config + offset, &value, size);
    d->ops->config_written(d, old, offset, size);
}

uint64_t virtio_mmio_read(struct board_device *device, uint64_t offset, unsigned size)
{
    struct virtio_device *const d = (struct virtio_device *)device;
    uint64_t value = 0;

    pthread_mutex_lock(&d->lock);
    if (offset >= REG_CONFIG) {
        value = read_config(d, (uint32_t)offset - REG_CONFIG, size);
    } else if (size == 4) { /* the only size that a driver may use here */
        value = read_register(d, offset);
    }
    pthread_mutex_unlock(&d->lock);
    return value;
}

void virtio_mmio_write(struct board_device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct virtio_device *const d = (struct virtio_device *)device;

    pthread_mutex_lock(&d->lock);
    if (offset >= REG_CONFIG) {
        write_config(d, (uint32_t)offset - REG_CONFIG, size, value);
    } else if (size == 4) {
        write_register(d, offset, (uint32_t)value);
    }
    pthread_mutex_unlock(&d->lock);
}
