/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The console device (virtio 1.2, 5.3) with one port: queue 0 brings input, queue 1 takes output. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "virtio.h"
#include "virtio_devices.h"

#define F_SIZE        (1ull << 0)
#define F_EMERG_WRITE (1ull << 2)

enum { RX, TX };

struct config {
    uint16_t columns, rows;
    uint32_t max_nr_ports, emerg_wr;
};
static_assert(sizeof(struct config) == 12, "virtio 1.2, 5.3.4");

struct virtio_console {
    struct virtio_device device; /* first */
    struct console *console;
    struct virtq_chain chain;
    size_t
        tx_done; /* bytes of the next chain of TX that are written: the console was full then. Changes while that chain is out */
};

static void serve_rx(struct virtio_console *c)
{
    struct virtq_chain *const chain = &c->chain;

    while (virtio_pop(&c->device, RX, chain)) {
        uint32_t done = 0;
        for (unsigned i = 0; i < chain->n_writable; i++) {
            const struct iovec *const segment = &chain->segments[chain->n_readable + i];
            const size_t n = console_read(c->console, segment->iov_base, segment->iov_len);
            done += (uint32_t)n;
            if (n < segment->iov_len) {
                break;
            }
        }
        if (done == 0 && chain->n_writable != 0) {
            virtio_put_back(&c->device, chain);
            return;
        }
        virtio_push(&c->device, chain, done);
    }
}

/* False: the console is full. */
static bool write_chain(struct virtio_console *c)
{
    size_t skip = c->tx_done;

    for (unsigned i = 0; i < c->chain.n_readable; i++) {
        const struct iovec *const segment = &c->chain.segments[i];
        if (skip >= segment->iov_len) {
            skip -= segment->iov_len;
            continue;
        }
        const size_t size = segment->iov_len - skip,
                     n = console_write(c->console, (const uint8_t *)segment->iov_base + skip, size);
        c->tx_done += n;
        if (n < size) {
            return false;
        }
        skip = 0;
    }
    return true;
}

static void serve_tx(struct virtio_console *c)
{
    while (virtio_pop(&c->device, TX, &c->chain)) {
        if (!write_chain(c)) {
            virtio_put_back(&c->device, &c->chain);
            return;
        }
        c->tx_done = 0;
        virtio_push(&c->device, &c->chain, 0);
    }
}

static void serve(struct virtio_device *device, unsigned queue)
{
    struct virtio_console *const c = (struct virtio_console *)device;

    if (queue == RX) {
        serve_rx(c);
    } else {
        serve_tx(c);
    }
}

static void readable(void *opaque)
{
    virtio_serve_later(&((struct virtio_console *)opaque)->device, RX);
}

static void writable(void *opaque)
{
    virtio_serve_later(&((struct virtio_console *)opaque)->device, TX);
}

/* A character in the hour of need goes to emerg_wr, without a queue. */
static void config_written(struct virtio_device *device, const uint8_t *old, uint32_t offset,
                           unsigned size)
{
    struct virtio_console *const c = (struct virtio_console *)device;
    const uint32_t place = offsetof(struct config, emerg_wr);
    const uint8_t character = device->config[place];

    memcpy(device->config, old, sizeof(struct config));
    if (offset <= place && offset + size > place) {
        console_write(c->console, &character, 1);
    }
}

static void reset(struct virtio_device *device)
{
    ((struct virtio_console *)device)->tx_done = 0;
}

static const struct virtio_ops ops = {
    .name = "virtio-console",
    .id = VIRTIO_ID_CONSOLE,
    .n_queues = 2,
    .serve = serve,
    .config_written = config_written,
    .reset = reset,
};

struct virtio_console *virtio_console_add(struct board *board, struct console *console,
                                          uint16_t columns, uint16_t rows)
{
    struct virtio_console *const c = calloc(1, sizeof(*c));
    const struct config config = {.columns = columns, .rows = rows, .max_nr_ports = 1};
    const uint64_t features = F_EMERG_WRITE | (columns != 0 && rows != 0 ? F_SIZE : 0);

    if (c == NULL || !virtio_add(board, &c->device, &ops, features, &config, sizeof(config))) {
        free(c);
        return NULL;
    }
    c->console = console;
    console_attach(
        console, &(struct console_device){.readable = readable, .writable = writable, .opaque = c});
    return c;
}

void virtio_console_resize(struct virtio_console *c, uint16_t columns, uint16_t rows)
{
    const uint16_t size[2] = {columns, rows};

    if ((c->device.offered & F_SIZE) != 0 && columns != 0 && rows != 0) {
        virtio_set_config(&c->device, offsetof(struct config, columns), size, sizeof(size));
    }
}
