/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the engine tells on request about its blocks. Nothing below src/hv prints or opens a file: text and events go to who asked.
 * The functions are called on any thread, under the lock of the VM's code cache, and must not call the VM.
 */
#ifndef ENGINE_TRACE_H
#define ENGINE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct code_trace {
    bool
        statistics; /* as text, when the VM is destroyed; translated code counts more than it does otherwise */
    bool block; /* as text, each translation of a block that contains block_pc */
    uint64_t block_pc;
    void (*text)(const char *text); /* whole lines; not NULL when one of the above is set */
    void (*code_made)(const void *start, size_t size, const char *name); /* NULL: nobody asks */
    void (*code_gone)(const void *start, size_t size); /* all code in there; NULL: nobody asks */
};

/* One line of text to who asked, at most 255 bytes. */
void code_trace_print(const struct code_trace *trace, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct ir_block;
/* The block's guest words and IR, and the name that its code has for others. */
void code_trace_block(const struct code_trace *trace, const struct ir_block *block);
bool code_trace_wants(const struct code_trace *trace, const struct ir_block *block);
void code_trace_name(const struct ir_block *block, char *name, size_t size);

#endif
