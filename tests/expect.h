/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a test expects. Who includes it has a counter `failures`. Lines begin as comments of TAP do, for tests of either kind. */
#ifndef TESTS_EXPECT_H
#define TESTS_EXPECT_H

#include <stdio.h>

#define EXPECT(condition)                                            \
    do {                                                             \
        if (!(condition)) {                                          \
            failures++;                                              \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
        }                                                            \
    } while (0)

#define EXPECT_EQ(a, b)                                                                         \
    do {                                                                                        \
        const unsigned long long a_ = (unsigned long long)(a), b_ = (unsigned long long)(b);    \
        if (a_ != b_) {                                                                         \
            failures++;                                                                         \
            printf("# %s:%d: %s is 0x%llx, expected %s = 0x%llx\n", __FILE__, __LINE__, #a, a_, \
                   #b, b_);                                                                     \
        }                                                                                       \
    } while (0)

#endif
