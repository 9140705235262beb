/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef ENGINE_A64_LDST_TEST_H
#define ENGINE_A64_LDST_TEST_H

#include <stdio.h>

#include "engine/a64/ldst.h"

extern int test_failures;

#define FAIL(...)                     \
    do {                              \
        fprintf(stderr, __VA_ARGS__); \
        fputc('\n', stderr);          \
        test_failures++;              \
    } while (0)

const char *ir_name(unsigned op);
void test_mops(void);

#endif
