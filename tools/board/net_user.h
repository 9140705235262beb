/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * User networking: libslirp plays a router, a DHCP and a DNS server for one guest, and carries its TCP and UDP over sockets of this
 * process. No privilege is needed, and nothing of the host's network is changed.
 *
 * The guest: 10.0.2.15 by DHCP; the host: 10.0.2.2, where the host's own 127.0.0.1 is reached too; DNS: 10.0.2.3. IPv6: fec0::/64.
 *
 * Threads: the loop's, or before the board runs.
 */
#ifndef BOARD_NET_USER_H
#define BOARD_NET_USER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;
struct net_user;

#define NET_MAX_FORWARDS 64u
#define NET_MAX_FRAME    1518u /* an Ethernet frame with a VLAN tag */

/* Connections to a port of the host that go to one of the guest. */
struct net_forward {
    bool udp;
    struct in_addr host, guest;
    uint16_t host_port, guest_port;
};

struct net_user_config {
    uint8_t mac[6];  /* of the guest; all zero: one is chosen */
    bool restricted; /* nothing but the forwards: no connection leaves */
    unsigned n_forwards;
    struct net_forward forwards[NET_MAX_FORWARDS];
};

/*
 * Reads "", or options separated by commas: hostfwd=tcp|udp:[ADDRESS]:PORT-[ADDRESS]:PORT, mac=XX:XX:XX:XX:XX:XX, restrict=on|off.
 * Addresses are IPv4; the host's is 127.0.0.1 when it is left out, the guest's 10.0.2.15. False: complained, *config is undefined.
 */
bool net_user_parse(struct net_user_config *config, const char *options);

/* received: a frame for the guest, on the loop's thread. NULL: complained. */
struct net_user *net_user_create(struct board *board, const struct net_user_config *config,
                                 void (*received)(void *opaque, const void *frame, size_t size),
                                 void *opaque);
void net_user_destroy(struct net_user *net);
/* A frame of the guest. One that is no Ethernet frame is dropped. */
void net_user_send(struct net_user *net, const uint8_t *frame, size_t size);

#endif
