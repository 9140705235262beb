/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef BOARD_LOOP_H
#define BOARD_LOOP_H

#include "device.h"

/* NULL: out of memory or file descriptors. */
struct board_loop *board_loop_create(void);
bool board_loop_start(struct board_loop *loop);
/* Returns when the thread has ended. Not on the loop's thread. */
void board_loop_stop(struct board_loop *loop);
void board_loop_destroy(struct board_loop *loop);

#endif
