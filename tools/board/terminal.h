/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The user's terminal: raw while the guest has it, and as it was on every way out, by a signal or by a fault of ours too. One per
 * process, as signals are.
 */
#ifndef BOARD_TERMINAL_H
#define BOARD_TERMINAL_H

#include <stdbool.h>

/*
 * Has SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGWINCH written, one byte each, into the descriptor that terminal_signal_fd() gives, and SIGTSTP give
 * the terminal back until SIGCONT. False: out of descriptors.
 */
bool terminal_open(int fd);
int terminal_signal_fd(void);
/* Makes the descriptor of terminal_open() raw, if it is a terminal. */
void terminal_make_raw(void);
/* As it was. Any number of times, from any thread or signal handler. */
void terminal_restore(void);
/* Restores, and gives the signals back. */
void terminal_close(void);

#endif
