/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* IR as text, for people. */
#ifndef ENGINE_IR_PRINT_H
#define ENGINE_IR_PRINT_H

#include "engine/ir/ir.h"

/* Node i on one line without its end: "%7 = ADD.64 %5 %6". */
void ir_print_node(char *text, size_t size, const struct ir_node *nodes, unsigned i);

#endif
