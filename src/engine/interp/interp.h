/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef ENGINE_INTERP_H
#define ENGINE_INTERP_H

#include "engine/a64/block.h"
#include "engine/cpu.h"

/* Executes one block from its start. IR_GO: cpu->pc is where to go on; IR_LEAVE: cpu->exit is set. Never IR_NEXT or IR_END. */
enum ir_next interp_run(struct a64_cpu *cpu, const struct ir_block *block);

#endif
