/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The console: two buffers between one serial device of the guest and two file descriptors of the host, and the escape commands of
 * its user. Threads: write and read any; everything else as for devices.
 */
#ifndef BOARD_CONSOLE_H
#define BOARD_CONSOLE_H

#include "device.h"

struct console;

/* What the device at the guest's end is told, on the loop's thread and without a lock of the console. */
struct console_device {
    void (*readable)(void *opaque); /* there is input that has not been read yet */
    void (*writable)(void *opaque); /* there is room again after a write that was cut short */
    void (*line_break)(void *opaque);
    void *opaque;
};

enum console_event {
    CONSOLE_QUIT,  /* the user asks for the end */
    CONSOLE_RESET, /* the user asks for a reset */
    CONSOLE_LOST,  /* the output cannot be written any more: errno is set */
    CONSOLE_PANIC  /* the guest's kernel has printed the last line of a panic, and nothing since */
};

struct console_config {
    int in_fd, out_fd; /* the caller's; in_fd -1: no input */
    bool escape;       /* Ctrl-A begins a command */
    /* On the loop's thread. */
    void (*event)(void *opaque, enum console_event event);
    void *opaque;
};

/* NULL: out of memory. */
struct console *console_create(struct board *board, const struct console_config *config);
/* After the loop has ended. Writes what is left, for at most two seconds. */
void console_destroy(struct console *console);
/* Two seconds for the rest of the output; the loop does not run. */
void console_flush(struct console *console);
/* Before the board runs; one device. */
void console_attach(struct console *console, const struct console_device *device);

/* Takes up to size bytes of output; returns how many. Fewer: the rest when writable is called. */
size_t console_write(struct console *console, const void *bytes, size_t size);
/* Gives up to size bytes of input; returns how many. */
size_t console_read(struct console *console, void *bytes, size_t size);

/* The text behind "Kernel panic - not syncing: ", when the guest has printed such a line since the last call of console_forget();
 * else NULL. While the loop does not run. */
const char *console_panic(const struct console *console);
void console_forget(struct console *console);
/* Whether the last output was no end of a line. While the loop does not run. */
bool console_in_line(const struct console *console);

#endif
