/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BOARD_PL011_H
#define BOARD_PL011_H

#include "console.h"

/* A serial port at base. console may be NULL: nobody is at the other end. Add it with board_add_device(). NULL: out of memory. */
struct board_device *pl011_create(uint64_t base, uint32_t intid, struct console *console);

#endif
