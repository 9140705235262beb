/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The entropy device (virtio 1.2, 5.4): one queue of buffers to fill. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "virtio.h"
#include "virtio_devices.h"

/* A guest may ask for gigabytes in one request, and the loop serves others too: the device may give less. */
#define MAX_BYTES 65536u

struct rng {
    struct virtio_device device; /* first */
    struct virtq_chain chain;
};

static uint32_t fill(const struct virtq_chain *chain)
{
    uint32_t done = 0;

    for (unsigned i = 0; i < chain->n_writable && done < MAX_BYTES; i++) {
        const struct iovec *const segment = &chain->segments[chain->n_readable + i];
        size_t size = segment->iov_len;
        if (size > MAX_BYTES - done) {
            size = MAX_BYTES - done;
        }
        for (size_t filled = 0; filled < size;) {
            const ssize_t n = getrandom((uint8_t *)segment->iov_base + filled, size - filled,
                                        GRND_NONBLOCK);
            if (n < 0 && errno != EINTR) {
                return done + (uint32_t)filled;
            }
            filled += n > 0 ? (size_t)n : 0;
        }
        done += (uint32_t)size;
    }
    return done;
}

static void serve(struct virtio_device *device, unsigned queue)
{
    struct rng *const rng = (struct rng *)device;

    while (virtio_pop(device, queue, &rng->chain)) {
        virtio_push(device, &rng->chain, fill(&rng->chain));
    }
}

static const struct virtio_ops ops = {
    .name = "virtio-rng",
    .id = VIRTIO_ID_ENTROPY,
    .n_queues = 1,
    .serve = serve,
};

bool virtio_rng_add(struct board *board)
{
    struct rng *const rng = calloc(1, sizeof(*rng));

    if (rng == NULL || !virtio_add(board, &rng->device, &ops, 0, NULL, 0)) {
        free(rng);
        return false;
    }
    return true;
}
