/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The virtio devices that a board can have. Each function adds one before the board runs, which the board then owns.
 *
 * False or NULL: it has complained, with the file or the field and what to do, and nothing has been added.
 */
#ifndef BOARD_VIRTIO_DEVICES_H
#define BOARD_VIRTIO_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;

/* --- Block: a disk image ------------------------------------------------------------------------------------------------------ */

struct disk_config; /* disk.h */
bool virtio_blk_add(struct board *board, const struct disk_config *config);

/* --- Console: the guest's hvc0 ------------------------------------------------------------------------------------------------ */

struct console; /* console.h; nothing else is attached to it */
struct virtio_console;
/* columns and rows 0: not known. */
struct virtio_console *virtio_console_add(struct board *board, struct console *console,
                                          uint16_t columns, uint16_t rows);
/* The terminal has a new size. Threads: any. No effect where the size was not known at first. */
void virtio_console_resize(struct virtio_console *console, uint16_t columns, uint16_t rows);

/* --- Network: the host's, through libslirp ------------------------------------------------------------------------------------ */

struct net_user_config; /* net_user.h */
bool virtio_net_add_user(struct board *board, const struct net_user_config *config);

/* --- 9P: a folder of the host ------------------------------------------------------------------------------------------------- */

struct p9_config; /* p9.h */
bool virtio_9p_add(struct board *board, const struct p9_config *config);

/* --- Entropy: the host's random numbers --------------------------------------------------------------------------------------- */

bool virtio_rng_add(struct board *board);

#endif
