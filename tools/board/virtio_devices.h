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

/* --- Entropy: the host's random numbers --------------------------------------------------------------------------------------- */

bool virtio_rng_add(struct board *board);

#endif
