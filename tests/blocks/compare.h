/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef TESTS_BLOCKS_COMPARE_H
#define TESTS_BLOCKS_COMPARE_H

#include <stdio.h>

#include "machine.h"

/* True: everything that a guest or a client could see is the same. */
bool compare_equal(const struct machine *a, const struct machine *b);

/* One line per difference: name, a's value, b's. */
void compare_print(FILE *out, const struct machine *a, const struct machine *b);

/* Runs a block on both until it ends or differs. */
enum outcome {
    OUTCOME_EQUAL,
    OUTCOME_DIFFERENT,
    OUTCOME_HANG,   /* both were stopped by the clock */
    OUTCOME_HANG_A, /* only one was: a difference, but nothing can be said about the state */
    OUTCOME_HANG_B,
};
enum outcome compare_run(struct machine *a, struct machine *b, const struct block *block);

static inline bool outcome_is_failure(enum outcome o)
{
    return o != OUTCOME_EQUAL && o != OUTCOME_HANG;
}

#endif
