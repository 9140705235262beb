/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What general registers are for in a block. */
#ifndef TESTS_BLOCKS_REGISTERS_H
#define TESTS_BLOCKS_REGISTERS_H

#define FIRST_INDEX   14 /* small numbers */
#define LAST_INDEX    15
#define TARGET_REG    16 /* where BR and RET go, set up right before; also 17 */
#define OTHER_REG     17
#define FIRST_POINTER 18
#define LAST_POINTER  27
#define LOOP_REG      28 /* bits left to shift out: no loop is endless, wherever it is entered */
#define LINK_REG      30

#endif
