/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the virtio devices have in common: the virtio-mmio transport, version 2 (virtio 1.2, 4.2), and a thread that serves queues.
 *
 * A device kind is a struct with struct virtio_device as its first member and a struct virtio_ops. Its serve() takes chains with
 * virtio_pop() and gives each one back with virtio_push(), on one thread: the board's loop, or a thread of the device where a
 * request may wait for a disk. A vCPU's notice only wakes that thread.
 *
 * A driver that breaks the rules of the rings gets DEVICE_NEEDS_RESET: the device stands still until it is reset.
 *
 * The lock guards everything below it in struct virtio_device. It is never held during a request; between virtio_pop() and
 * virtio_push() a chain's memory belongs to the back end, and a reset waits for that to end.
 */
#ifndef BOARD_VIRTIO_H
#define BOARD_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"
#include "virtqueue.h"

#define VIRTIO_MAX_QUEUES 4u
#define VIRTIO_MAX_CONFIG 0x100u

/* Device types (virtio 1.2, 5). */
enum virtio_id {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_ENTROPY = 4,
    VIRTIO_ID_9P = 9,
};

/* Feature bits of no special device (virtio 1.2, 6). */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)
#define VIRTIO_F_VERSION_1     (1ull << 32)

struct virtio_device;

struct virtio_ops {
    const char *name; /* for messages */
    enum virtio_id id;
    unsigned n_queues;
    bool own_thread;
    /* Chains may have come to this queue, or the driver has just started. Serves what is there, on the serving thread. */
    void (*serve)(struct virtio_device *device, unsigned queue);
    /* The driver has written size bytes of config at offset; takes back what a driver may not change. May be NULL: nothing may be
     * changed. Caller holds the lock. */
    void (*config_written)(struct virtio_device *device, const uint8_t *old, uint32_t offset,
                           unsigned size);
    /* State of a session with a driver ends. No chain is out. May be NULL. Caller holds the lock. */
    void (*reset)(struct virtio_device *device);
    /* Frees the device's own things; the struct is freed by the caller. May be NULL. */
    void (*destroy)(struct virtio_device *device);
};

struct virtio_device {
    struct board_device board_device; /* first */
    const struct virtio_ops *ops;
    struct board *board;
    uint64_t offered;     /* features */
    uint32_t config_size; /* of config */

    /* The serving thread. */
    struct board_wakeup *wakeup; /* without own_thread */
    pthread_t thread;
    unsigned budget; /* chains before others get their turn; the serving thread's */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* work for the thread, or n_out has become 0 */
    bool thread_runs, stop;
    unsigned n_out;     /* chains between pop and push */
    unsigned n_waiting; /* threads in quiesce(): no chain goes out */
    uint32_t noticed;   /* bit per queue */
    uint8_t config[VIRTIO_MAX_CONFIG];
    uint32_t generation; /* of config */
    uint32_t status, interrupt_status;
    uint64_t features; /* what the driver has accepted */
    uint32_t device_features_sel, driver_features_sel, queue_sel;
    struct virtq queues[VIRTIO_MAX_QUEUES];
    unsigned n_complaints; /* about the driver */
};

/* --- For device kinds --------------------------------------------------------------------------------------------------------- */

/*
 * Initializes *device, whose memory is zero, and adds it to the board; from success on the board frees it, with free(). `features`
 * are those of the kind. False: complained; nothing is left, and destroy was not called.
 */
bool virtio_add(struct board *board, struct virtio_device *device, const struct virtio_ops *ops,
                uint64_t features, const void *config, uint32_t config_size);

/* The next chain of a queue, on the serving thread. False: none, or the device does not run; serve() then returns. */
bool virtio_pop(struct virtio_device *device, unsigned queue, struct virtq_chain *chain);
/* Gives it back: `written` bytes at the start of its writable part are the device's. */
void virtio_push(struct virtio_device *device, const struct virtq_chain *chain, uint32_t written);
/* As if it, the last one popped, had not been: it is the next to come. For a back end that has no use for it now. */
void virtio_put_back(struct virtio_device *device, const struct virtq_chain *chain);
/* The chain, which has been popped, makes no sense to this kind of device: back to the driver never, DEVICE_NEEDS_RESET. */
void virtio_refuse(struct virtio_device *device, const struct virtq_chain *chain, const char *why);
/* Has serve() called for the queue on the serving thread. Threads: any. */
void virtio_serve_later(struct virtio_device *device, unsigned queue);
/* Has the driver accepted all of these features? Threads: any. */
bool virtio_has(struct virtio_device *device, uint64_t features);
/* Changes bytes of config and tells the driver. Threads: any. */
void virtio_set_config(struct virtio_device *device, uint32_t offset, const void *bytes,
                       uint32_t size);

#endif
