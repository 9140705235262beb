/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* HV_TRACE: what the library tells about itself, and to whom. */
#ifndef HV_TRACE_H
#define HV_TRACE_H

#include <stdbool.h>

#include "engine/trace.h"

/*
 * A list of words, separated by commas:
 *
 *     1            refused calls, on standard error
 *     jit          statistics of the translator when a VM is destroyed, on standard error
 *     block=ADDR   translations of the blocks that contain the virtual address, on standard error
 *     perf         symbols of translated code for perf: perf-PID.map in its directory
 *     gdb          the same for a debugger in the process: GDB's JIT interface
 */
struct hv_trace {
    bool refusals;
    bool perf, gdb;
    struct code_trace code;
};

/* Reads the environment now. NULL, or the first word that is none of those; refusals is set then, so that somebody hears of it. */
const char *hv_trace_from_environment(struct hv_trace *trace);

/* --- jit_symbols.c: struct code_trace's functions for perf and GDB. */
void hv_perf_code_made(const void *start, size_t size, const char *name);
void hv_gdb_code_made(const void *start, size_t size, const char *name);
void hv_gdb_code_gone(const void *start, size_t size);

#endif
