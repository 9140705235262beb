/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "hv/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print(const char *text)
{
    fputs(text, stderr);
}

static void both_made(const void *start, size_t size, const char *name)
{
    hv_perf_code_made(start, size, name);
    hv_gdb_code_made(start, size, name);
}

static bool is(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

static bool parse_block(const char *word, size_t length, struct code_trace *code)
{
    static const char prefix[] = "block=";
    const size_t n = sizeof(prefix) - 1;
    char *end;

    /* strtoull() would take a sign and blanks. */
    if (length <= n || memcmp(word, prefix, n) != 0 || word[n] < '0' || word[n] > '9') {
        return false;
    }
    code->block_pc = strtoull(word + n, &end, 0);
    code->block = end == word + length;
    return code->block;
}

static bool parse_word(const char *word, size_t length, struct hv_trace *trace)
{
    if (length == 0 || is(word, length, "0")) {
        return true;
    }
    if (is(word, length, "1")) {
        trace->refusals = true;
    } else if (is(word, length, "jit")) {
        trace->code.statistics = true;
    } else if (is(word, length, "perf")) {
        trace->perf = true;
    } else if (is(word, length, "gdb")) {
        trace->gdb = true;
    } else {
        return parse_block(word, length, &trace->code);
    }
    return true;
}

const char *hv_trace_from_environment(struct hv_trace *trace)
{
    const char *word = getenv("HV_TRACE");
    const char *bad = NULL;

    *trace = (struct hv_trace){.code = {.text = print}};
    while (word != NULL) {
        const size_t length = strcspn(word, ",");
        if (!parse_word(word, length, trace) && bad == NULL) {
            bad = word;
            trace->refusals = true;
        }
        word = word[length] == ',' ? word + length + 1 : NULL;
    }
    if (trace->perf || trace->gdb) {
        trace->code.code_made = !trace->gdb    ? hv_perf_code_made
                                : !trace->perf ? hv_gdb_code_made
                                               : both_made;
        trace->code.code_gone = trace->gdb ? hv_gdb_code_gone : NULL;
    }
    return bad;
}
