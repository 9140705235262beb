/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Replaying, shrinking and printing a case that failed. Each trial is a process of its own, because a case may crash. */
#ifndef TESTS_BLOCKS_REPORT_H
#define TESTS_BLOCKS_REPORT_H

#include "compare.h"

/* SEED:NUMBER, SEED:FIRST-NUMBER, each with /I,J,K: all other instructions are replaced by NOP. */
struct case_id {
    uint64_t seed, first, number; /* the cases from first on run before it, in the same VMs */
    bool keep_all;
    bool keep[BLOCKS_MAX_WORDS];
};
bool case_parse(const char *text, struct case_id *id);

struct pairing {
    enum executor a, b;
};

/* Runs one case in a process of its own and prints what differs. True: it failed. */
bool report_replay(const struct pairing *pairing, const struct case_id *id, bool verbose);

/* Shrinks and prints a case that failed with the `n_before` cases before it in its VMs. Returns how many instructions are left, or
 * 0 when it does not fail again. */
unsigned report_failure(const struct pairing *pairing, uint64_t seed, uint64_t number,
                        const char *how);

#endif
