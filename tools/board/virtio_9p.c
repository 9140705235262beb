/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The 9P device: one queue of messages, each with room for its answer; served by a thread, as files may be slow. */
#include <stdlib.h>
#include <string.h>

#include "p9.h"
#include "virtio.h"
#include "virtio_devices.h"

#define F_MOUNT_TAG (1ull << 0)

struct p9_device {
    struct virtio_device device; /* first */
    struct p9_server *server;
    struct virtq_chain chain;
};

static void serve(struct virtio_device *device, unsigned queue)
{
    struct p9_device *const p9 = (struct p9_device *)device;

    while (virtio_pop(device, queue, &p9->chain)) {
        const uint32_t size = p9_serve(p9->server, &p9->chain);
        if (size == 0) {
            virtio_refuse(device, &p9->chain,
                          "a message without its header or without room for the answer");
            return;
        }
        virtio_push(device, &p9->chain, size);
    }
}

static void reset(struct virtio_device *device)
{
    p9_reset(((struct p9_device *)device)->server);
}

static void destroy(struct virtio_device *device)
{
    p9_destroy(((struct p9_device *)device)->server);
}

static const struct virtio_ops ops = {
    .name = "virtio-9p",
    .id = VIRTIO_ID_9P,
    .n_queues = 1,
    .own_thread = true,
    .serve = serve,
    .reset = reset,
    .destroy = destroy,
};

bool virtio_9p_add(struct board *board, const struct p9_config *config)
{
    struct p9_device *const p9 = calloc(1, sizeof(*p9));
    uint8_t tag[2 + 32] = {0}; /* its length, and it */

    if (p9 == NULL) {
        board_warn("share '%s': out of memory", config->path);
        return false;
    }
    p9->server = p9_create(config);
    if (p9->server != NULL) {
        const size_t size = strlen(config->tag);
        tag[0] = (uint8_t)size;
        memcpy(tag + 2, config->tag, size);
        if (virtio_add(board, &p9->device, &ops, F_MOUNT_TAG, tag, (uint32_t)(2 + size))) {
            return true;
        }
    }
    p9_destroy(p9->server);
    free(p9);
    return false;
}
