/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The network device (virtio 1.2, 5.1): queue 0 brings frames, queue 1 takes them. No offloads: a frame is one Ethernet frame.
 *
 * All but the registers happens on the loop's thread. Frames that come while the guest has no buffer wait in a short row; what does
 * not fit is lost, as on a wire, and TCP sends it again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "map.h"
#include "net_user.h"
#include "virtio.h"
#include "virtio_devices.h"

#define F_MAC    (1ull << 5)
#define F_STATUS (1ull << 16)

#define LINK_UP 1u
#define WAITING 256u /* frames */

enum { RX, TX };

struct config {
    uint8_t mac[6];
    uint16_t status;
};
static_assert(sizeof(struct config) == 8, "virtio 1.2, 5.1.4");

/* Before each frame. */
struct header {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
static_assert(sizeof(struct header) == 12, "virtio 1.2, 5.1.6");

struct frame {
    uint16_t size;
    uint8_t bytes[NET_MAX_FRAME];
};

struct net {
    struct virtio_device device; /* first */
    struct net_user *user;
    /* The loop's thread. */
    struct virtq_chain chain;
    struct frame waiting[WAITING];
    unsigned first, n_waiting;
    uint8_t out[NET_MAX_FRAME];
};

/* False: the guest has no buffer. */
static bool give(struct net *net, const void *bytes, size_t size)
{
    const struct header header = {.num_buffers = 1};
    const size_t whole = sizeof(header) + size;

    if (!virtio_pop(&net->device, RX, &net->chain)) {
        return false;
    }
    if (net->chain.writable_bytes < whole) {
        virtio_refuse(&net->device, &net->chain, "a receive buffer is smaller than a frame");
        return false;
    }
    virtq_write(&net->chain, 0, &header, sizeof(header));
    virtq_write(&net->chain, sizeof(header), bytes, size);
    virtio_push(&net->device, &net->chain, (uint32_t)whole);
    return true;
}

static void received(void *opaque, const void *bytes, size_t size)
{
    struct net *const net = opaque;

    if (size > NET_MAX_FRAME || (net->n_waiting == 0 && give(net, bytes, size)) ||
        net->n_waiting == WAITING) {
        return;
    }
    struct frame *const frame = &net->waiting[(net->first + net->n_waiting++) % WAITING];
    frame->size = (uint16_t)size;
    memcpy(frame->bytes, bytes, size);
}

static void serve_rx(struct net *net)
{
    while (net->n_waiting != 0) {
        const struct frame *const frame = &net->waiting[net->first];
        if (!give(net, frame->bytes, frame->size)) {
            return;
        }
        net->first = (net->first + 1) % WAITING;
        net->n_waiting--;
    }
}

static void serve_tx(struct net *net)
{
    while (virtio_pop(&net->device, TX, &net->chain)) {
        const struct virtq_chain *const chain = &net->chain;
        size_t size = 0;
        if (chain->readable_bytes < sizeof(struct header)) {
            virtio_refuse(&net->device, chain, "a frame without its header");
            return;
        }
        if (chain->readable_bytes - sizeof(struct header) <= sizeof(net->out)) {
            size = virtq_read(chain, sizeof(struct header), net->out, sizeof(net->out));
        }
        /* Before it is given on: an answer may need net->chain. */
        virtio_push(&net->device, chain, 0);
        net_user_send(net->user, net->out, size);
    }
}

static void serve(struct virtio_device *device, unsigned queue)
{
    struct net *const net = (struct net *)device;

    if (queue == RX) {
        serve_rx(net);
    } else {
        serve_tx(net);
    }
}

static void destroy(struct virtio_device *device)
{
    net_user_destroy(((struct net *)device)->user);
}

static const struct virtio_ops ops = {
    .name = "virtio-net",
    .id = VIRTIO_ID_NET,
    .n_queues = 2,
    .serve = serve,
    .destroy = destroy,
};

bool virtio_net_add_user(struct board *board, const struct net_user_config *user_config)
{
    /* Locally administered; the last byte is the device's place on the board. */
    static const uint8_t none[6], chosen[6] = {0x02, 0x61, 0x76, 0x00, 0x00, 0x00};
    const bool choose = memcmp(user_config->mac, none, sizeof(none)) == 0;
    struct net *const net = calloc(1, sizeof(*net));
    struct config config = {.status = LINK_UP};

    if (net == NULL) {
        board_warn("net: out of memory");
        return false;
    }
    memcpy(config.mac, choose ? chosen : user_config->mac, sizeof(config.mac));
    net->user = net_user_create(board, user_config, received, net);
    if (net->user == NULL ||
        !virtio_add(board, &net->device, &ops, F_MAC | F_STATUS, &config, sizeof(config))) {
        net_user_destroy(net->user);
        free(net);
        return false;
    }
    if (choose) {
        net->device.config[5] = (uint8_t)(net->device.board_device.intid - VIRTIO_INTID + 1);
    }
    return true;
}
