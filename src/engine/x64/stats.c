/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/x64/stats.h"

#include <inttypes.h>
#include <stdio.h>

_Static_assert(sizeof(struct x64_stats) % sizeof(uint64_t) == 0, "x64_stats_add() adds words");

void x64_stats_add(struct x64_stats *sum, const struct x64_stats *more)
{
    uint64_t *const to = (uint64_t *)(void *)sum;
    const uint64_t *const from = (const uint64_t *)(const void *)more;

    for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++) {
        to[i] += from[i];
    }
}

static void line(const struct code_trace *trace, const char *what, const char *name, uint64_t n)
{
    if (n != 0) {
        code_trace_print(trace, "jit:   %s%-24s %14" PRIu64 "\n", what, name, n);
    }
}

static const char *helper_name(unsigned i)
{
    return ir_helpers[i].name;
}

static const char *vop_name(unsigned i)
{
    return ir_vops[i].name;
}

/* The largest first. */
static void sorted(const struct code_trace *trace, const char *what, const uint64_t *counts,
                   unsigned n, const char *(*name)(unsigned))
{
    uint64_t above = UINT64_MAX;

    for (;;) {
        uint64_t most = 0;
        for (unsigned i = 0; i < n; i++) {
            if (counts[i] < above && counts[i] > most) {
                most = counts[i];
            }
        }
        if (most == 0) {
            return;
        }
        for (unsigned i = 0; i < n; i++) {
            if (counts[i] == most) {
                line(trace, what, name(i), most);
            }
        }
        above = most;
    }
}

void x64_stats_print(const struct x64_stats *s, const struct code_trace *trace)
{
    static const char *const left[X64_LEFT_HELPER] = {
        [X64_LEFT_POLL] = "request",       [X64_LEFT_UNLINKED] = "same page, not linked",
        [X64_LEFT_FAR] = "other page",     [X64_LEFT_INDIRECT] = "indirect branch",
        [X64_LEFT_ACCESS] = "load, store", [X64_LEFT_SP] = "SP alignment",
    };
    static const char *const slow[X64_SLOW_COUNT] = {
        [X64_SLOW_MISS] = "TLB miss",
        [X64_SLOW_FLAGGED] = "code, watchpoint, Device",
        [X64_SLOW_CROSSES] = "crosses pages",
        [X64_SLOW_UNALIGNED] = "not aligned",
    };

    code_trace_print(trace,
                     "jit: %" PRIu64 " blocks of %" PRIu64 " instructions, %" PRIu64
                     " bytes of code; %" PRIu64 " blocks interpreted\n",
                     s->blocks, s->insns, s->bytes, s->interpreted);
    code_trace_print(trace,
                     "jit: %" PRIu64 " blocks retired, %" PRIu64 " evicted with %" PRIu64
                     " chunks, %" PRIu64 " of them of copies; %" PRIu64
                     " chunks had none left, %" PRIu64 " waits for one; %" PRIu64 " links made\n",
                     s->retired, s->evicted, s->chunks_evicted, s->copy_chunks_evicted,
                     s->chunks_empty, s->waits, s->links);
    code_trace_print(trace,
                     "jit: %" PRIu64 " times code interpreted because it was new, %" PRIu64
                     " copies for other addresses\n",
                     s->passages, s->copies);
    code_trace_print(trace, "jit: %" PRIu64 " blocks made anew for where their jumps lead\n",
                     s->made_anew);
    uint64_t entries = 0;
    for (unsigned i = 0; i < X64_LEFT_COUNT; i++) {
        entries += s->left[i];
    }
    code_trace_print(trace, "jit: code entered %" PRIu64 " times; left for\n", entries);
    for (unsigned i = 0; i < X64_LEFT_HELPER; i++) {
        line(trace, "", left[i], s->left[i]);
    }
    sorted(trace, "helper ", &s->left[X64_LEFT_HELPER], HELPER_COUNT, helper_name);
    code_trace_print(trace, "jit: accesses done in C\n");
    for (unsigned op = 0; op < IR_OP_COUNT; op++) {
        const uint64_t devices = op == IR_LOAD ? s->devices[0] : op == IR_STORE ? s->devices[1] : 0;
        line(trace, "", ir_op_names[op], s->access[op] + devices);
    }
    for (unsigned i = 0; i < X64_SLOW_COUNT; i++) {
        line(trace, "because ", slow[i], s->slow[i]);
    }
    line(trace, "because ", "the device of before", s->devices[0] + s->devices[1]);
    code_trace_print(trace, "jit: functions called\n");
    sorted(trace, "helper ", s->helper, HELPER_COUNT, helper_name);
    sorted(trace, "vop ", s->vop, VOP_COUNT, vop_name);
    sorted(trace, "rare case of vop ", s->rare, VOP_COUNT, vop_name);
}
