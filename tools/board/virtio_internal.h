/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Between virtio.c, which serves queues, and virtio_mmio.c, the registers. Caller holds the device's lock, unless said. */
#ifndef BOARD_VIRTIO_INTERNAL_H
#define BOARD_VIRTIO_INTERNAL_H

#include <assert.h>

#include "virtio.h"

/* Device status (virtio 1.2, 2.1). */
#define VIRTIO_ACKNOWLEDGE 1u
#define VIRTIO_DRIVER      2u
#define VIRTIO_DRIVER_OK   4u
#define VIRTIO_FEATURES_OK 8u
#define VIRTIO_NEEDS_RESET 0x40u
#define VIRTIO_FAILED      0x80u

/* Interrupt status. */
#define VIRTIO_INT_USED   1u
#define VIRTIO_INT_CONFIG 2u

/* Not with the lock held. */
uint64_t virtio_mmio_read(struct board_device *device, uint64_t offset, unsigned size);
void virtio_mmio_write(struct board_device *device, uint64_t offset, unsigned size, uint64_t value);

void virtio_interrupt(struct virtio_device *device, uint32_t why);
/* DEVICE_NEEDS_RESET. */
void virtio_fail(struct virtio_device *device, const char *why);
bool virtio_running(const struct virtio_device *device);
void virtio_reset(struct virtio_device *device);

/* Has the serving thread look at these queues. */
void virtio_wake(struct virtio_device *device, uint32_t queues);
/* Returns when no chain is out; the lock is released meanwhile. */
void virtio_quiesce(struct virtio_device *device);

#endif
