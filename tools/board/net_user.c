/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "net_user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

#define ETHERNET_HEADER 14u

struct net_user {
    Slirp *slirp;
    struct board_loop *loop;
    struct board_poller *poller;
    void (*received)(void *opaque, const void *frame, size_t size);
    void *opaque;
};

/* --- What libslirp asks for --------------------------------------------------------------------------------------------------- */

static ssize_t send_packet(const void *frame, size_t size, void *opaque)
{
    struct net_user *const net = opaque;

    net->received(net->opaque, frame, size);
    return (ssize_t)size;
}

/* A guest's odd packets are its own affair. */
static void guest_error(const char *message, void *opaque)
{
    (void)message;
    (void)opaque;
}

static int64_t clock_get_ns(void *opaque)
{
    (void)opaque;
    return board_now_ns();
}

struct timer {
    struct board_timer *timer;
    struct net_user *net;
    SlirpTimerId id;
    void *argument;
};

static void timer_fired(void *opaque)
{
    const struct timer *const timer = opaque;

    slirp_handle_timer(timer->net->slirp, timer->id, timer->argument);
}

static void *timer_new(SlirpTimerId id, void *argument, void *opaque)
{
    struct net_user *const net = opaque;
    struct timer *const timer = calloc(1, sizeof(*timer));

    if (timer == NULL) {
        return NULL;
    }
    *timer = (struct timer){.net = net, .id = id, .argument = argument};
    timer->timer = board_loop_add_timer(net->loop, timer_fired, timer);
    if (timer->timer == NULL) {
        free(timer);
        return NULL;
    }
    return timer;
}

static void timer_free(void *timer, void *opaque)
{
    (void)opaque;
    if (timer != NULL) {
        board_loop_remove_timer(((struct timer *)timer)->timer);
        free(timer);
    }
}

static void timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    (void)opaque;
    /* Without memory for the timer, router advertisements are not repeated. */
    if (timer != NULL) {
        board_timer_set(((struct timer *)timer)->timer, expire_ms * 1000000);
    }
}

/* The loop asks for all descriptors in every round. */
static void poll_fd_changed(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void notify(void *opaque)
{
    (void)opaque; /* we are on the loop's thread, and its next round asks again */
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = clock_get_ns,
    .timer_new_opaque = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = poll_fd_changed,
    .unregister_poll_fd = poll_fd_changed,
    .notify = notify,
};

/* --- The loop ----------------------------------------------------------------------------------------------------------------- */

static const struct {
    int slirp;
    short poll;
} events[] = {{SLIRP_POLL_IN, POLLIN},
              {SLIRP_POLL_OUT, POLLOUT},
              {SLIRP_POLL_PRI, POLLPRI},
              {SLIRP_POLL_ERR, POLLERR},
              {SLIRP_POLL_HUP, POLLHUP}};

#define N_EVENTS (sizeof(events) / sizeof(events[0]))

static int add_poll(int fd, int wanted, void *opaque)
{
    const struct net_user *const net = opaque;
    short poll = 0;

    for (size_t i = 0; i < N_EVENTS; i++) {
        poll = (short)(poll | ((wanted & events[i].slirp) != 0 ? events[i].poll : 0));
    }
    return board_loop_poll_fd(net->loop, fd, poll);
}

static int get_revents(int index, void *opaque)
{
    const struct net_user *const net = opaque;
    const short poll = board_loop_poll_result(net->loop, index);
    int result = 0;

    for (size_t i = 0; i < N_EVENTS; i++) {
        result |= (poll & events[i].poll) != 0 ? events[i].slirp : 0;
    }
    return result;
}

static void fill(void *opaque, struct board_loop *loop, int *timeout_ms)
{
    struct net_user *const net = opaque;
    uint32_t timeout = *timeout_ms < 0 ? UINT32_MAX : (uint32_t)*timeout_ms;

    (void)loop;
    slirp_pollfds_fill(net->slirp, &timeout, add_poll, net);
    *timeout_ms = timeout > INT_MAX ? -1 : (int)timeout;
}

static void done(void *opaque, struct board_loop *loop)
{
    struct net_user *const net = opaque;

    (void)loop;
    slirp_pollfds_poll(net->slirp, 0, get_revents, net);
}

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

static struct in_addr address(const char *text)
{
    struct in_addr a = {0};

    inet_pton(AF_INET, text, &a);
    return a;
}

static SlirpConfig slirp_config(const struct net_user_config *config)
{
    SlirpConfig c = {
        .version = 4,
        .restricted = config->restricted,
        .in_enabled = true,
        .vnetwork = address("10.0.2.0"),
        .vnetmask = address("255.255.255.0"),
        .vhost = address("10.0.2.2"),
        .vdhcp_start = address("10.0.2.15"),
        .vnameserver = address("10.0.2.3"),
        .vhostname = "applevisor",
        .in6_enabled = true,
        .vprefix_len = 64,
    };

    inet_pton(AF_INET6, "fec0::", &c.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &c.vhost6);
    inet_pton(AF_INET6, "fec0::3", &c.vnameserver6);
    return c;
}

static bool add_forward(struct net_user *net, const struct net_forward *forward)
{
    char host[INET_ADDRSTRLEN];

    if (slirp_add_hostfwd(net->slirp, forward->udp, forward->host, forward->host_port,
                          forward->guest, forward->guest_port) == 0) {
        return true;
    }
    const int error = errno;
    inet_ntop(AF_INET, &forward->host, host, sizeof(host));
    board_warn("net: cannot listen on %s port %s:%u: %s; choose another port in hostfwd=",
               forward->udp ? "UDP" : "TCP", host, forward->host_port, strerror(error));
    return false;
}

struct net_user *net_user_create(struct board *board, const struct net_user_config *config,
                                 void (*received)(void *opaque, const void *frame, size_t size),
                                 void *opaque)
{
    struct net_user *const net = calloc(1, sizeof(*net));
    const SlirpConfig c = slirp_config(config);
    bool ok = net != NULL;

    if (ok) {
        net->loop = board_loop(board);
        net->received = received;
        net->opaque = opaque;
        net->slirp = slirp_new(&c, &callbacks, net);
        net->poller = net->slirp == NULL ? NULL : board_loop_add_poller(net->loop, fill, done, net);
        ok = net->poller != NULL;
    }
    if (!ok) {
        board_warn("net: user networking cannot be started: out of memory");
    }
    for (unsigned i = 0; ok && i < config->n_forwards; i++) {
        ok = add_forward(net, &config->forwards[i]);
    }
    if (!ok) {
        net_user_destroy(net);
        return NULL;
    }
    return net;
}

void net_user_destroy(struct net_user *net)
{
    if (net == NULL) {
        return;
    }
    board_loop_remove_poller(net->poller);
    if (net->slirp != NULL) {
        slirp_cleanup(net->slirp);
    }
    free(net);
}

void net_user_send(struct net_user *net, const uint8_t *frame, size_t size)
{
    if (size >= ETHERNET_HEADER && size <= NET_MAX_FRAME) {
        slirp_input(net->slirp, frame, (int)size);
    }
}
