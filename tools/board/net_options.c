/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The text form of struct net_user_config. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "net_user.h"

/* A part of the options, not terminated. */
struct text {
    const char *start;
    size_t size;
};

/* Cuts off what lies before the separator, or all. */
static struct text cut(struct text *rest, char separator)
{
    const char *const end = memchr(rest->start, separator, rest->size);
    const struct text part = {rest->start, end != NULL ? (size_t)(end - rest->start) : rest->size};
    const size_t used = part.size + (end != NULL ? 1 : 0);

    rest->start += used;
    rest->size -= used;
    return part;
}

static bool is(struct text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.start, word, text.size) == 0;
}

static bool complain(struct text option, const char *why)
{
    board_warn("net: '%.*s': %s", (int)option.size, option.start, why);
    return false;
}

static bool read_address(struct text text, const char *if_empty, struct in_addr *address)
{
    char copy[INET_ADDRSTRLEN];

    if (text.size >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.start, text.size);
    copy[text.size] = '\0';
    return inet_pton(AF_INET, text.size == 0 ? if_empty : copy, address) == 1;
}

static bool read_port(struct text text, uint16_t *port)
{
    unsigned value = 0;

    if (text.size == 0 || text.size > 5) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.start[i] < '0' || text.start[i] > '9') {
            return false;
        }
        value = value * 10 + (unsigned)(text.start[i] - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

/* [ADDRESS]:PORT */
static bool read_end(struct text text, const char *if_empty, struct in_addr *address,
                     uint16_t *port)
{
    return memchr(text.start, ':', text.size) != NULL &&
           read_address(cut(&text, ':'), if_empty, address) && read_port(text, port);
}

static bool read_forward(struct text option, struct text value, struct net_user_config *config)
{
    struct net_forward forward = {0};
    const struct text protocol = cut(&value, ':'), host = cut(&value, '-');

    if (config->n_forwards == NET_MAX_FORWARDS) {
        return complain(option, "there are too many forwards, at most 64");
    }
    forward.udp = is(protocol, "udp");
    if ((!forward.udp && !is(protocol, "tcp")) ||
        !read_end(host, "127.0.0.1", &forward.host, &forward.host_port) ||
        !read_end(value, "10.0.2.15", &forward.guest, &forward.guest_port)) {
        return complain(option,
                        "a forward is written tcp:[ADDRESS]:PORT-[ADDRESS]:PORT, host first, or "
                        "udp:...; for example hostfwd=tcp::2222-:22");
    }
    config->forwards[config->n_forwards++] = forward;
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_mac(struct text option, struct text value, struct net_user_config *config)
{
    bool ok = value.size == 17;

    for (unsigned i = 0; ok && i < 6; i++) {
        const int high = hex(value.start[3 * i]), low = hex(value.start[3 * i + 1]);
        ok = high >= 0 && low >= 0 && (i == 5 || value.start[3 * i + 2] == ':');
        config->mac[i] = (uint8_t)(high * 16 + low);
    }
    if (!ok || (config->mac[0] & 1) != 0) {
        return complain(
            option, "a MAC address of one machine is wanted, for example mac=02:00:00:00:00:01");
    }
    return true;
}

static bool read_option(struct text option, struct net_user_config *config)
{
    struct text value = option;
    const struct text name = cut(&value, '=');

    if (is(name, "hostfwd")) {
        return read_forward(option, value, config);
    }
    if (is(name, "mac")) {
        return read_mac(option, value, config);
    }
    if (is(name, "restrict") && (is(value, "on") || is(value, "off"))) {
        config->restricted = is(value, "on");
        return true;
    }
    return complain(option, "the options are hostfwd=, mac= and restrict=on|off");
}

bool net_user_parse(struct net_user_config *config, const char *options)
{
    struct text rest = {options, strlen(options)};

    memset(config, 0, sizeof(*config));
    while (rest.size != 0) {
        if (!read_option(cut(&rest, ','), config)) {
            return false;
        }
    }
    return true;
}
