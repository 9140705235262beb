/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BOARD_PL031_H
#define BOARD_PL031_H

#include "device.h"

/* A real-time clock at base that shows the host's time (UTC). NULL: out of memory. */
struct board_device *pl031_create(struct board *board, uint64_t base, uint32_t intid);

#endif
