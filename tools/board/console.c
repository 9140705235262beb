/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "console.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "panic.h"

#define ESCAPE   1 /* Ctrl-A */
#define OUT_SIZE 0x4000u
#define IN_SIZE  0x4000u
#define PANIC_NS 1000000000ll
#define FLUSH_NS 2000000000ll

struct ring {
    uint8_t *bytes;
    size_t size, start, used;
};

struct console {
    struct console_config config;
    struct console_device device;
    struct board_watch *in_watch, *out_watch;
    struct board_timer *panic_timer;
    struct board_wakeup *panic_wakeup;
    bool escaped; /* the last byte was the escape; loop's thread */
    bool in_is_tty;
    pthread_mutex_t lock;
    struct ring out, in; /* under lock, as all below */
    bool refused;        /* a write was cut short */
    bool in_full;        /* reading waits for room */
    bool lost;           /* nothing can be written any more */
    struct panic_watch panic;
    uint8_t last; /* byte of output; 0: none */
    uint8_t out_bytes[OUT_SIZE], in_bytes[IN_SIZE];
};

/* --- Rings -------------------------------------------------------------------------------------------------------------------- */

static size_t ring_put(struct ring *ring, const uint8_t *bytes, size_t size)
{
    const size_t n = size < ring->size - ring->used ? size : ring->size - ring->used;

    for (size_t i = 0; i < n; i++) {
        ring->bytes[(ring->start + ring->used + i) % ring->size] = bytes[i];
    }
    ring->used += n;
    return n;
}

/* The bytes up to the end of the storage, or all. */
static size_t ring_front(const struct ring *ring)
{
    return ring->used < ring->size - ring->start ? ring->used : ring->size - ring->start;
}

static void ring_drop(struct ring *ring, size_t n)
{
    ring->start = (ring->start + n) % ring->size;
    ring->used -= n;
}

/* --- Output ------------------------------------------------------------------------------------------------------------------- */

size_t console_write(struct console *console, const void *bytes, size_t size)
{
    pthread_mutex_lock(&console->lock);
    /* Output that nobody can read is gone, as on a serial line without a terminal. */
    const size_t n = console->lost ? size : ring_put(&console->out, bytes, size);
    if (n != 0) {
        console->last = ((const uint8_t *)bytes)[n - 1];
    }
    const bool was_ended = console->panic.ended;
    panic_watch(&console->panic, bytes, n);
    const bool ended = console->panic.ended && !was_ended;
    console->refused |= n < size;
    if (console->out.used != 0) {
        board_watch_set(console->out_watch, POLLOUT);
    }
    pthread_mutex_unlock(&console->lock);
    if (ended) {
        board_wakeup_set(console->panic_wakeup);
    }
    return n;
}

/* Writes once; false on an error that stays, with errno. Caller holds console->lock. */
static bool write_some(struct console *console)
{
    const size_t front = ring_front(&console->out);
    const ssize_t n = write(console->config.out_fd, console->out.bytes + console->out.start,
                            front < 512 ? front : 512);

    if (n >= 0) {
        ring_drop(&console->out, (size_t)n);
        return true;
    }
    return errno == EINTR || errno == EAGAIN;
}

/* poll() has said that there is room, so that up to 512 bytes do not block a terminal or a pipe. */
static void out_ready(void *opaque, int fd, short revents)
{
    struct console *const console = opaque;
    bool lost = false, writable = false;
    int error = 0;

    (void)fd;
    (void)revents;
    pthread_mutex_lock(&console->lock);
    if (console->out.used != 0 && !write_some(console)) {
        error = errno;
        lost = !console->lost;
        console->lost = true;
        console->out.used = 0;
    }
    if (console->out.used == 0) {
        board_watch_set(console->out_watch, 0);
    }
    if (console->refused && console->out.used < OUT_SIZE / 2) {
        console->refused = false;
        writable = true;
    }
    pthread_mutex_unlock(&console->lock);
    if (writable && console->device.writable != NULL) {
        console->device.writable(console->device.opaque);
    }
    if (lost) {
        errno = error;
        console->config.event(console->config.opaque, CONSOLE_LOST);
    }
}

void console_flush(struct console *console)
{
    const int64_t limit = board_now_ns() + FLUSH_NS;

    pthread_mutex_lock(&console->lock);
    while (console->out.used != 0 && !console->lost) {
        struct pollfd poll_fd = {.fd = console->config.out_fd, .events = POLLOUT};
        const int64_t left_ms = (limit - board_now_ns()) / 1000000;
        if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) == 0) {
            break;
        }
        if (!write_some(console)) {
            break;
        }
    }
    pthread_mutex_unlock(&console->lock);
}

/* --- Panic -------------------------------------------------------------------------------------------------------------------- */

static void panic_begins(void *opaque)
{
    struct console *const console = opaque;

    board_timer_set(console->panic_timer, board_now_ns() + PANIC_NS);
}

static void panic_time(void *opaque)
{
    struct console *const console = opaque;

    pthread_mutex_lock(&console->lock);
    const bool ended = console->panic.ended;
    pthread_mutex_unlock(&console->lock);
    if (ended) {
        console->config.event(console->config.opaque, CONSOLE_PANIC);
    }
}

const char *console_panic(const struct console *console)
{
    return console->panic.text[0] == '\0' ? NULL : console->panic.text;
}

bool console_in_line(const struct console *console)
{
    return console->last != 0 && console->last != '\n';
}

void console_forget(struct console *console)
{
    console->panic = (struct panic_watch){0};
}

/* --- Input -------------------------------------------------------------------------------------------------------------------- */

static void help(void)
{
    static const char text[] = "\r\n"
                               "Ctrl-A x  quit: end the virtual machine at once\r\n"
                               "Ctrl-A r  reset it\r\n"
                               "Ctrl-A b  send a break (Linux: then a key for the magic SysRq)\r\n"
                               "Ctrl-A a  send Ctrl-A\r\n"
                               "Ctrl-A h  this help\r\n";

    if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0) {
        /* Nothing can be done about a help that cannot be shown. */
    }
}

/* What follows the escape. True: the byte is for the guest. */
static bool command(struct console *console, uint8_t *byte)
{
    switch (*byte) {
    case 'x':
        console->config.event(console->config.opaque, CONSOLE_QUIT);
        return false;
    case 'r':
        console->config.event(console->config.opaque, CONSOLE_RESET);
        return false;
    case 'b':
        if (console->device.line_break != NULL) {
            console->device.line_break(console->device.opaque);
        }
        return false;
    case 'h':
    case '?':
        help();
        return false;
    case 'a':
    case ESCAPE:
        *byte = ESCAPE;
        return true;
    default: /* no command: nothing is sent, as a mistyped quit should not reach the guest */
        return false;
    }
}

static void in_ready(void *opaque, int fd, short revents)
{
    struct console *const console = opaque;
    uint8_t bytes[256];

    (void)revents;
    pthread_mutex_lock(&console->lock);
    /* A terminal is read even when the guest takes nothing, or its user could not quit; what does not fit is lost, as on a real line. A
     * file or a pipe can wait. */
    console->in_full = !console->in_is_tty && IN_SIZE - console->in.used < sizeof(bytes);
    if (console->in_full) {
        board_watch_set(console->in_watch, 0);
    }
    const bool full = console->in_full;
    pthread_mutex_unlock(&console->lock);
    if (full) {
        return;
    }
    const ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (n <= 0) {
        board_watch_set(console->in_watch, 0);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        uint8_t byte = bytes[i];
        if (console->escaped) {
            console->escaped = false;
            if (!command(console, &byte)) {
                continue;
            }
        } else if (console->config.escape && byte == ESCAPE) {
            console->escaped = true;
            continue;
        }
        pthread_mutex_lock(&console->lock);
        ring_put(&console->in, &byte, 1);
        pthread_mutex_unlock(&console->lock);
    }
    if (console->device.readable != NULL) {
        console->device.readable(console->device.opaque);
    }
}

size_t console_read(struct console *console, void *bytes, size_t size)
{
    size_t n = 0;

    pthread_mutex_lock(&console->lock);
    while (n < size && console->in.used != 0) {
        ((uint8_t *)bytes)[n++] = console->in.bytes[console->in.start];
        ring_drop(&console->in, 1);
    }
    if (console->in_full && console->in.used < IN_SIZE / 2) {
        console->in_full = false;
        board_watch_set(console->in_watch, POLLIN);
    }
    pthread_mutex_unlock(&console->lock);
    return n;
}

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

struct console *console_create(struct board *board, const struct console_config *config)
{
    struct console *const console = calloc(1, sizeof(*console));
    struct board_loop *const loop = board_loop(board);

    if (console == NULL) {
        return NULL;
    }
    console->config = *config;
    console->out = (struct ring){.bytes = console->out_bytes, .size = OUT_SIZE};
    console->in = (struct ring){.bytes = console->in_bytes, .size = IN_SIZE};
    pthread_mutex_init(&console->lock, NULL);
    console->out_watch = board_loop_add_fd(loop, config->out_fd, 0, out_ready, console);
    console->panic_timer = board_loop_add_timer(loop, panic_time, console);
    console->panic_wakeup = board_loop_add_wakeup(loop, panic_begins, console);
    if (config->in_fd >= 0) {
        console->in_is_tty = isatty(config->in_fd) == 1;
        console->in_watch = board_loop_add_fd(loop, config->in_fd, POLLIN, in_ready, console);
    }
    if (console->out_watch == NULL || console->panic_timer == NULL ||
        console->panic_wakeup == NULL || (config->in_fd >= 0 && console->in_watch == NULL)) {
        console_destroy(console);
        return NULL;
    }
    return console;
}

void console_attach(struct console *console, const struct console_device *device)
{
    console->device = *device;
}

void console_destroy(struct console *console)
{
    if (console == NULL) {
        return;
    }
    console_flush(console);
    board_loop_remove_fd(console->in_watch);
    board_loop_remove_fd(console->out_watch);
    board_loop_remove_timer(console->panic_timer);
    board_loop_remove_wakeup(console->panic_wakeup);
    pthread_mutex_destroy(&console->lock);
    free(console);
}
