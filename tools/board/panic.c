/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "panic.h"

#include <stdio.h>
#include <string.h>

/*
 * A panic begins with START, and with panic=0 on the command line (the default) the kernel then stays where it is, with END as its last
 * line. Other text with these words, such as an old log that is shown, is told apart by what follows: a prompt, or more text.
 */
static const char start[] = "Kernel panic - not syncing: ",
                  end[] = "---[ end Kernel panic - not syncing: ";

static void line_complete(struct panic_watch *watch)
{
    watch->line[watch->used] = '\0';
    watch->used = 0;
    if (strstr(watch->line, end) != NULL) {
        watch->ended = true;
        return;
    }
    const char *const found = strstr(watch->line, start);
    if (found != NULL) {
        snprintf(watch->text, sizeof(watch->text), "%s", found + sizeof(start) - 1);
    }
}

void panic_watch(struct panic_watch *watch, const void *bytes, size_t size)
{
    const unsigned char *const text = bytes;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n') {
            line_complete(watch);
        } else if (text[i] >= ' ' && text[i] < 0x7f) {
            watch->ended = false;
            if (watch->used < sizeof(watch->line) - 1) {
                watch->line[watch->used++] = (char)text[i];
            }
        }
    }
}
