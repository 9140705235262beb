/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdio.h>

#include "device.h"

void board_warn(const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    /* One write, so that messages of several threads do not mix; \r, as the terminal may be raw. */
    fprintf(stderr, "applevisor: %s\r\n", text);
}
