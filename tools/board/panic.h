/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Looks for the panic of a Linux kernel in what it prints: nothing else tells the outside of one. */
#ifndef BOARD_PANIC_H
#define BOARD_PANIC_H

#include <stdbool.h>
#include <stddef.h>

struct panic_watch {
    char line[160]; /* the line so far, without control characters; what is longer is cut */
    size_t used;
    char text[128]; /* of the panic; "": none yet */
    bool
        ended; /* the last complete line was that of a kernel that stays where it is, and nothing has followed */
};

void panic_watch(struct panic_watch *watch, const void *bytes, size_t size);

#endif
