/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "engine/a64/block.h"
#include "engine/a64/mode.h"
#include "engine/ir/print.h"

void code_trace_print(const struct code_trace *trace, const char *format, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    trace->text(line);
}

bool code_trace_wants(const struct code_trace *trace, const struct ir_block *block)
{
    return trace->block &&
           trace->block_pc - (block->pc - 4ull * block->n_before) < block_bytes(block);
}

void code_trace_name(const struct ir_block *block, char *name, size_t size)
{
    snprintf(name, size, "a64_el%u_0x%" PRIx64, MODE_EL(block->mode), block->pc);
}

void code_trace_block(const struct code_trace *trace, const struct ir_block *block)
{
    char node[160];
    int insn = -1;

    code_trace_print(trace, "block 0x%" PRIx64 ": %u instructions, %u nodes, mode 0x%x, EL%u%s\n",
                     block->pc, block_bytes(block) / 4, block->n_nodes, block->mode,
                     MODE_EL(block->mode), block->guarded ? ", guarded page" : "");
    for (unsigned i = 1; i < block->n_nodes; i++) {
        const int of = (int8_t)block->nodes[i].insn;
        if (of < insn) {
            insn = -1 - block->n_before;
        }
        while (insn < of) {
            insn++;
            code_trace_print(trace, "  0x%" PRIx64 ": %08x\n", block_pc_of(block, (unsigned)insn),
                             block->words[insn]);
        }
        ir_print_node(node, sizeof(node), block->nodes, i);
        code_trace_print(trace, "      %s\n", node);
    }
}
