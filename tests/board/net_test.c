/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The network device and user networking: the guest's side of ARP, DHCP, TCP and UDP is written here, the host's side are sockets on
 * 127.0.0.1.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net_user.h"
#include "rig.h"
#include "virtio_devices.h"

#define HEADER    12u /* of virtio-net */
#define BUFFER    1530u
#define N_BUFFERS 32u
#define GUEST     0x0a00020fu
#define ROUTER    0x0a000202u
#define FIN       1u
#define SYN       2u
#define RST       4u
#define ACK       16u
#define PSH       8u

static struct rig rig;
static struct driver driver;
static uint64_t buffers; /* of the receive queue: one per descriptor */
static const uint8_t guest_mac[6] = {0x02, 0x61, 0x76, 0x00, 0x00, 0x01};
static uint8_t router_mac[6];

/* --- Frames ------------------------------------------------------------------------------------------------------------------- */

struct packet {
    unsigned size;
    uint8_t bytes[1600];
};

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

static unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint32_t sum(uint32_t start, const uint8_t *p, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        start += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
    }
    return start;
}

static unsigned fold(uint32_t s)
{
    while (s >> 16 != 0) {
        s = (s & 0xffff) + (s >> 16);
    }
    return ~s & 0xffff;
}

static void post_buffer(unsigned index)
{
    ring_descriptor(&driver, 0, index, buffers + index * BUFFER, BUFFER, 2, 0);
    ring_available(&driver, 0, (uint16_t)index);
}

static void open_net(const char *options)
{
    static struct net_user_config config;

    NEED(net_user_parse(&config, options));
    rig_open(&rig);
    NEED(virtio_net_add_user(rig.board, &config));
    rig_start(&rig);
    NEED(driver_start(&driver, &rig, 0, 1ull << 5 | 1ull << 16 | 1ull << 29, 2, N_BUFFERS));
    buffers = rig_alloc(&rig, N_BUFFERS * BUFFER);
    for (unsigned i = 0; i < N_BUFFERS; i++) {
        post_buffer(i);
    }
    driver_notify(&driver, 0);
}

static void send_frame(const struct packet *packet)
{
    const uint64_t next = rig.next, place = rig_alloc(&rig, HEADER + packet->size);

    memcpy(rig_at(&rig, place + HEADER), packet->bytes, packet->size);
    const struct piece pieces[] = {{place, HEADER, false}, {place + HEADER, packet->size, false}};
    EXPECT_EQ(driver_request(&driver, 1, pieces, 2), 0);
    rig.next = next;
}

static bool has_frame(void *opaque)
{
    (void)opaque;
    return driver_has_used(&driver, 0);
}

/* The next frame from the device. False: none came in time. */
static bool receive_frame(struct packet *packet)
{
    uint32_t head, size;

    if (!wait_until(has_frame, NULL) || !driver_next_used(&driver, 0, &head, &size)) {
        return false;
    }
    NEED(head < N_BUFFERS && size > HEADER && size <= BUFFER);
    const uint8_t *const p = rig_at(&rig, buffers + head * BUFFER);
    EXPECT_EQ(get16(p + 10), 0x0100); /* num_buffers, little-endian */
    packet->size = size - HEADER;
    memcpy(packet->bytes, p + HEADER, packet->size);
    post_buffer(head);
    driver_notify(&driver, 0);
    return true;
}

static void start_ethernet(struct packet *packet, const uint8_t to[6], unsigned type)
{
    memcpy(packet->bytes, to, 6);
    memcpy(packet->bytes + 6, guest_mac, 6);
    put16(packet->bytes + 12, type);
    packet->size = 14;
}

/* IPv4 with a payload that lies at bytes + 34 already. */
static void finish_ip(struct packet *packet, uint32_t from, uint32_t to, unsigned protocol,
                      unsigned payload)
{
    uint8_t *const ip = packet->bytes + 14;

    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, 20 + payload);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, fold(sum(0, ip, 20)));
    packet->size = 34 + payload;
    const unsigned place = protocol == 6 ? 16 : 6;
    put16(ip + 20 + place, 0);
    put16(ip + 20 + place, fold(sum(sum(0, ip + 12, 8) + protocol + payload, ip + 20, payload)));
}

/* The next IPv4 packet of a protocol; ARP questions for the guest are answered, anything else is passed over. */
static bool receive_ip(struct packet *packet, unsigned protocol)
{
    while (receive_frame(packet)) {
        const uint8_t *const p = packet->bytes;
        if (get16(p + 12) == 0x0806 && get16(p + 20) == 1 && get32(p + 38) == GUEST) {
            struct packet answer;
            start_ethernet(&answer, p + 6, 0x0806);
            memcpy(answer.bytes + 14, p + 14, 8);
            answer.bytes[21] = 2;
            memcpy(answer.bytes + 22, guest_mac, 6);
            put32(answer.bytes + 28, GUEST);
            memcpy(answer.bytes + 32, p + 22, 10);
            answer.size = 42;
            send_frame(&answer);
        } else if (get16(p + 12) == 0x0800 && p[23] == protocol) {
            /* a correct header */
            EXPECT_EQ(fold(sum(0, p + 14, 20)), 0);
            return true;
        }
    }
    return false;
}

/* Asks who has the router's address; true: it has answered. */
static bool find_router(void)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct packet packet;

    start_ethernet(&packet, all, 0x0806);
    memset(packet.bytes + 14, 0, 28);
    put32(packet.bytes + 14, 0x00010800);
    put32(packet.bytes + 18, 0x06040001);
    memcpy(packet.bytes + 22, guest_mac, 6);
    put32(packet.bytes + 28, GUEST);
    put32(packet.bytes + 38, ROUTER);
    packet.size = 42;
    send_frame(&packet);
    while (receive_frame(&packet)) {
        if (get16(packet.bytes + 12) == 0x0806 && get16(packet.bytes + 20) == 2 &&
            get32(packet.bytes + 28) == ROUTER) {
            memcpy(router_mac, packet.bytes + 22, 6);
            return true;
        }
    }
    return false;
}

/* --- TCP ---------------------------------------------------------------------------------------------------------------------- */

struct tcp {
    uint16_t port, peer_port;
    uint32_t sent, received; /* next sequence numbers */
};

static void send_tcp(struct tcp *tcp, unsigned flags, const void *data, unsigned size)
{
    struct packet packet;
    uint8_t *const p = packet.bytes + 34;

    start_ethernet(&packet, router_mac, 0x0800);
    memset(p, 0, 20);
    put16(p, tcp->port);
    put16(p + 2, tcp->peer_port);
    put32(p + 4, tcp->sent);
    put32(p + 8, (flags & ACK) != 0 ? tcp->received : 0);
    put16(p + 12, 5u << 12 | flags);
    put16(p + 14, 32000);
    memcpy(p + 20, data, size);
    finish_ip(&packet, GUEST, ROUTER, 6, 20 + size);
    send_frame(&packet);
    tcp->sent += size + ((flags & (SYN | FIN)) != 0);
}

/* The next segment in order: its flags, data in *data. Repeated ones are passed over. 0: none came. */
static unsigned receive_tcp(struct tcp *tcp, struct packet *packet, const uint8_t **data,
                            unsigned *size)
{
    while (receive_ip(packet, 6)) {
        const uint8_t *const p = packet->bytes + 34;
        const unsigned header = (unsigned)(p[12] >> 4) * 4, flags = p[13],
                       payload = get16(packet->bytes + 16) - 20;
        if (get16(p + 2) != tcp->port || get16(p) != tcp->peer_port || (flags & RST) != 0) {
            continue;
        }
        EXPECT_EQ(fold(sum(sum(0, packet->bytes + 26, 8) + 6 + payload, p, payload)), 0);
        if ((flags & SYN) != 0) {
            tcp->received = get32(p + 4);
        } else if (get32(p + 4) != tcp->received) {
            continue;
        }
        *data = p + header;
        *size = payload - header;
        tcp->received += *size + ((flags & (SYN | FIN)) != 0);
        return flags;
    }
    return 0;
}

static bool connect_tcp(struct tcp *tcp, uint16_t port)
{
    struct packet packet;
    const uint8_t *data;
    unsigned size;

    *tcp = (struct tcp){.port = 40000, .peer_port = port, .sent = 1000};
    send_tcp(tcp, SYN, "", 0);
    const unsigned flags = receive_tcp(tcp, &packet, &data, &size);
    EXPECT_EQ(flags & (SYN | ACK), SYN | ACK);
    send_tcp(tcp, ACK, "", 0);
    return flags != 0;
}

/* --- The host's side ---------------------------------------------------------------------------------------------------------- */

static int host_socket(int type, uint16_t *port, bool listening)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    const int fd = socket(AF_INET, type, 0);

    NEED(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    NEED(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    NEED(!listening || listen(fd, 4) == 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20},
               sizeof(struct timeval));
    *port = ntohs(a.sin_port);
    return fd;
}

#define BODY 100000u

static uint8_t body_byte(unsigned i)
{
    return (uint8_t)(i * 31 + i / 251);
}

/* An HTTP server for one request. */
static void *serve_http(void *opaque)
{
    const int listener = *(int *)opaque, fd = accept(listener, NULL, NULL);
    static uint8_t answer[200 + BODY];
    char request[512] = "";
    size_t n = 0;

    while (fd >= 0 && n < sizeof(request) - 1 && strstr(request, "\r\n\r\n") == NULL) {
        const ssize_t got = read(fd, request + n, sizeof(request) - 1 - n);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        request[n] = '\0';
    }
    if (strncmp(request, "GET /file HTTP/1.0\r\n", 20) == 0) {
        const size_t header = (size_t)sprintf(
            (char *)answer, "HTTP/1.0 200 OK\r\nContent-Length: %u\r\n\r\n", BODY);
        for (unsigned i = 0; i < BODY; i++) {
            answer[header + i] = body_byte(i);
        }
        for (size_t sent = 0; sent < header + BODY;) {
            const ssize_t put = write(fd, answer + sent, header + BODY - sent);
            if (put <= 0) {
                break;
            }
            sent += (size_t)put;
        }
    }
    close(fd);
    return NULL;
}

/* --- Tests -------------------------------------------------------------------------------------------------------------------- */

TEST(configuration)
{
    open_net("mac=02:00:00:ab:cd:ef");
    EXPECT_EQ(rig_read(&rig, 0, 0x8), 1);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 4), 0xab000002);
    EXPECT_EQ(rig_read_config(&rig, 0, 4, 2), 0xefcd);
    EXPECT_EQ(rig_read_config(&rig, 0, 6, 2), 1);
    rig_close(&rig);
}

TEST(two_cards_have_two_addresses)
{
    struct net_user_config config;

    NEED(net_user_parse(&config, ""));
    rig_open(&rig);
    EXPECT(virtio_net_add_user(rig.board, &config));
    EXPECT(virtio_net_add_user(rig.board, &config));
    rig_start(&rig);
    EXPECT_EQ(rig_read_config(&rig, 0, 4, 2), 0x0100);
    EXPECT_EQ(rig_read_config(&rig, 1, 4, 2), 0x0200);
    rig_close(&rig);
}

TEST(arp)
{
    open_net("");
    EXPECT(find_router());
    rig_close(&rig);
}

TEST(dhcp_gives_an_address)
{
    static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct packet packet;
    uint8_t *const bootp = packet.bytes + 42;

    open_net("");
    start_ethernet(&packet, all, 0x0800);
    memset(packet.bytes + 34, 0, 300);
    put16(packet.bytes + 34, 68);
    put16(packet.bytes + 36, 67);
    put16(packet.bytes + 38, 8 + 252);
    put32(bootp, 0x01010600);
    put32(bootp + 4, 0x12345678);
    memcpy(bootp + 28, guest_mac, 6);
    put32(bootp + 236, 0x63825363);
    put32(bootp + 240, 0x350101ff); /* DISCOVER */
    finish_ip(&packet, 0, 0xffffffff, 17, 8 + 252);
    send_frame(&packet);
    EXPECT(receive_ip(&packet, 17));
    EXPECT_EQ(get16(packet.bytes + 36), 68);
    EXPECT_EQ(get32(bootp + 4), 0x12345678);
    EXPECT_EQ(get32(bootp + 16), GUEST);
    EXPECT_EQ(get32(bootp + 240) >> 8, 0x350102); /* OFFER */
    rig_close(&rig);
}

TEST(a_file_from_an_http_server_of_the_host)
{
    static const char request[] = "GET /file HTTP/1.0\r\n\r\n";
    static uint8_t answer[BODY + 512];
    struct packet packet;
    const uint8_t *data;
    unsigned size, n = 0, flags = 0;
    uint16_t port;
    pthread_t server;
    int listener = host_socket(SOCK_STREAM, &port, true);
    struct tcp tcp;

    NEED(pthread_create(&server, NULL, serve_http, &listener) == 0);
    open_net("");
    EXPECT(find_router());
    EXPECT(connect_tcp(&tcp, port));
    send_tcp(&tcp, ACK | PSH, request, sizeof(request) - 1);
    while ((flags & FIN) == 0 && (flags = receive_tcp(&tcp, &packet, &data, &size)) != 0) {
        if (n + size <= sizeof(answer)) {
            memcpy(answer + n, data, size);
            n += size;
        }
        if (size != 0 || (flags & FIN) != 0) {
            send_tcp(&tcp, ACK, "", 0);
        }
    }
    send_tcp(&tcp, FIN | ACK, "", 0);
    const uint8_t *const end = memmem(answer, n, "\r\n\r\n", 4);
    EXPECT(strncmp((char *)answer, "HTTP/1.0 200 OK\r\n", 17) == 0);
    EXPECT(end != NULL && n - (size_t)(end + 4 - answer) == BODY);
    unsigned wrong = 0;
    for (unsigned i = 0; end != NULL && i < BODY; i++) {
        wrong += end[4 + i] != body_byte(i);
    }
    EXPECT_EQ(wrong, 0);
    rig_close(&rig);
    shutdown(listener, SHUT_RDWR);
    pthread_join(server, NULL);
    close(listener);
}

TEST(nothing_leaves_a_restricted_network)
{
    uint16_t port;
    const int listener = host_socket(SOCK_STREAM, &port, true);
    struct tcp tcp = {.port = 40001, .peer_port = port, .sent = 1};

    open_net("restrict=on");
    EXPECT(find_router());
    send_tcp(&tcp, SYN, "", 0);
    /* an answer to a second question shows that the first one is over */
    EXPECT(find_router());
    setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_usec = 300000},
               sizeof(struct timeval));
    EXPECT(accept(listener, NULL, NULL) < 0);
    rig_close(&rig);
    close(listener);
}

static uint16_t free_port(int type)
{
    uint16_t port;

    close(host_socket(type, &port, false));
    return port;
}

TEST(a_tcp_forward)
{
    char options[64], text[16] = "";
    const uint16_t port = free_port(SOCK_STREAM);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct packet packet;
    const uint8_t *data;
    unsigned size;

    snprintf(options, sizeof(options), "hostfwd=tcp::%u-:22", port);
    open_net(options);
    EXPECT(find_router());
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
    EXPECT(receive_ip(&packet, 6));
    const uint8_t *const p = packet.bytes + 34;
    EXPECT_EQ(get16(p + 2), 22);
    EXPECT_EQ(p[13], SYN);
    struct tcp tcp = {
        .port = 22, .peer_port = (uint16_t)get16(p), .sent = 5000, .received = get32(p + 4) + 1};
    send_tcp(&tcp, SYN | ACK, "", 0);
    EXPECT(write(fd, "hello", 5) == 5);
    do {
        size = 0;
    } while (receive_tcp(&tcp, &packet, &data, &size) != 0 && size == 0);
    EXPECT(size == 5 && memcmp(data, "hello", 5) == 0);
    send_tcp(&tcp, ACK | PSH, "guest", 5);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20},
               sizeof(struct timeval));
    EXPECT(read(fd, text, sizeof(text)) == 5 && memcmp(text, "guest", 5) == 0);
    close(fd);
    /* the port is taken: a second network cannot have it */
    struct net_user_config config;
    struct rig other;
    NEED(net_user_parse(&config, options));
    rig_open(&other);
    EXPECT(!virtio_net_add_user(other.board, &config));
    rig_close(&other);
    rig_close(&rig);
}

TEST(a_udp_forward)
{
    char options[64], text[16] = "";
    uint16_t port = free_port(SOCK_DGRAM), own;
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct packet packet;

    snprintf(options, sizeof(options), "hostfwd=udp:127.0.0.1:%u-10.0.2.15:53", port);
    open_net(options);
    EXPECT(find_router());
    const int fd = host_socket(SOCK_DGRAM, &own, false);
    EXPECT(sendto(fd, "question", 8, 0, (struct sockaddr *)&a, sizeof(a)) == 8);
    EXPECT(receive_ip(&packet, 17));
    uint8_t *const p = packet.bytes + 34;
    EXPECT_EQ(get16(p + 2), 53);
    EXPECT(memcmp(p + 8, "question", 8) == 0);
    const uint16_t peer = (uint16_t)get16(p);
    start_ethernet(&packet, router_mac, 0x0800);
    put16(p, 53);
    put16(p + 2, peer);
    put16(p + 4, 8 + 6);
    memcpy(p + 8, "answer", 6);
    finish_ip(&packet, GUEST, ROUTER, 17, 8 + 6);
    send_frame(&packet);
    EXPECT(recv(fd, text, sizeof(text), 0) == 6 && memcmp(text, "answer", 6) == 0);
    close(fd);
    rig_close(&rig);
}

/* Frames of all sizes and contents: the guest's trouble, never ours. */
TEST(odd_frames)
{
    static uint8_t bytes[3000];
    uint64_t seed = 77;

    open_net("restrict=on");
    EXPECT(find_router());
    for (unsigned round = 0; round < 4000; round++) {
        rig.next = buffers + N_BUFFERS * BUFFER;
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        const unsigned size = (unsigned)(seed >> 33) % (round % 2 == 0 ? 80 : 1530);
        for (unsigned i = 0; i < size; i++) {
            bytes[HEADER + i] = (uint8_t)(seed >> (i % 56));
        }
        memcpy(bytes + HEADER, router_mac, 6);
        static const unsigned types[] = {0x0800, 0x0806, 0x86dd, 0x8100};
        put16(bytes + HEADER + 12, types[round % 4]);
        bytes[HEADER + 14] = round % 4 == 0 ? 0x45 : 0x60;
        bytes[HEADER + 23] = (uint8_t)(round / 4 % 3 == 0 ? 1 : round / 4 % 3 == 1 ? 6 : 17);
        const struct piece piece = {rig_put(&rig, bytes, HEADER + size), HEADER + size, false};
        EXPECT_EQ(driver_request(&driver, 1, &piece, 1), 0);
        while (driver_has_used(&driver, 0)) {
            struct packet packet;
            NEED(receive_frame(&packet));
        }
    }
    const struct piece large = {RIG_RAM, 1 << 20, false};
    EXPECT_EQ(driver_request(&driver, 1, &large, 1), 0);
    EXPECT(find_router());
    rig_close(&rig);
}

TEST(a_driver_that_breaks_the_rules)
{
    struct packet packet;

    open_net("");
    const struct piece piece = {RIG_RAM, HEADER - 1, false};
    EXPECT_EQ(driver_request(&driver, 1, &piece, 1), UINT32_MAX);
    EXPECT(driver_is_broken(&driver));
    /* a receive buffer that holds no frame */
    NEED(driver_start(&driver, &rig, 0, 0, 2, N_BUFFERS));
    const struct piece tiny = {RIG_RAM, 20, true};
    driver_add(&driver, 0, &tiny, 1);
    driver_notify(&driver, 0);
    start_ethernet(&packet, (const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x0806);
    put32(packet.bytes + 14, 0x00010800);
    put32(packet.bytes + 18, 0x06040001);
    put32(packet.bytes + 28, GUEST);
    put32(packet.bytes + 38, ROUTER);
    packet.size = 42;
    send_frame(&packet);
    EXPECT(driver_is_broken(&driver));
    rig_close(&rig);
}

TEST(frames_wait_for_buffers)
{
    struct packet packet;

    open_net("");
    NEED(driver_start(&driver, &rig, 0, 0, 2, N_BUFFERS));
    start_ethernet(&packet, (const uint8_t[6]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x0806);
    put32(packet.bytes + 14, 0x00010800);
    put32(packet.bytes + 18, 0x06040001);
    memcpy(packet.bytes + 22, guest_mac, 6);
    put32(packet.bytes + 28, GUEST);
    put32(packet.bytes + 38, ROUTER);
    packet.size = 42;
    for (unsigned i = 0; i < 300; i++) { /* more than may wait */
        send_frame(&packet);
    }
    unsigned n = 0;
    for (unsigned i = 0; i < 200; i++) {
        post_buffer(i % N_BUFFERS);
        driver_notify(&driver, 0);
        uint32_t head, size;
        n += driver_next_used(&driver, 0, &head, &size);
    }
    EXPECT_EQ(n, 200);
    rig_close(&rig);
}

TEST(options)
{
    static const char *const good[] = {
        "", "hostfwd=tcp::2222-:22", "hostfwd=udp:0.0.0.0:53-10.0.2.16:5353",
        "mac=02:00:00:00:00:01,restrict=on,hostfwd=tcp::1-:65535", "restrict=off"};
    static const char *const bad[] = {"hostfwd",
                                      "hostfwd=",
                                      "hostfwd=tcp",
                                      "hostfwd=tcp::2222",
                                      "hostfwd=tcp::2222-22",
                                      "hostfwd=tcp::0-:22",
                                      "hostfwd=tcp::65536-:22",
                                      "hostfwd=tcp::99999999999-:22",
                                      "hostfwd=sctp::1-:2",
                                      "hostfwd=tcp:1.2.3:1-:2",
                                      "hostfwd=tcp:host:1-:2",
                                      "hostfwd=tcp::-1-:2",
                                      "hostfwd=tcp::1-:2x",
                                      "hostfwd=tcp:1.2.3.4.5.6.7.8.9.10:1-:2",
                                      "mac=",
                                      "mac=02:00:00:00:00",
                                      "mac=02:00:00:00:00:0g",
                                      "mac=03:00:00:00:00:01",
                                      "mac=02-00-00-00-00-01",
                                      "restrict",
                                      "restrict=maybe",
                                      "bridge=br0",
                                      ",x"};
    struct net_user_config config;

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        EXPECT(net_user_parse(&config, good[i]));
    }
    EXPECT(net_user_parse(&config, "hostfwd=udp:0.0.0.0:53-10.0.2.16:5353,hostfwd=tcp::2222-:22"));
    EXPECT(config.n_forwards == 2 && config.forwards[0].udp &&
           config.forwards[0].host.s_addr == 0 &&
           config.forwards[0].guest.s_addr == htonl(0x0a000210) &&
           config.forwards[0].guest_port == 5353 && !config.forwards[1].udp &&
           config.forwards[1].host.s_addr == htonl(INADDR_LOOPBACK) &&
           config.forwards[1].guest.s_addr == htonl(GUEST) && config.forwards[1].host_port == 2222);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (net_user_parse(&config, bad[i])) {
            failures++;
            printf("# taken: %s\n", bad[i]);
        }
    }
}

MAIN(T(configuration), T(two_cards_have_two_addresses), T(arp), T(dhcp_gives_an_address),
     T(a_file_from_an_http_server_of_the_host), T(nothing_leaves_a_restricted_network),
     T(a_tcp_forward), T(a_udp_forward), T(odd_frames), T(a_driver_that_breaks_the_rules),
     T(frames_wait_for_buffers), T(options))
