/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a vCPU counts about translated code. Plain numbers of its own thread, added up when it goes; nothing is counted by emitted
 * code unless the statistics have been asked for, and then only where it calls C.
 */
#ifndef ENGINE_X64_STATS_H
#define ENGINE_X64_STATS_H

#include "engine/ir/ir.h"
#include "engine/trace.h"

/* Why emitted code went back to C. */
enum x64_left {
    X64_LEFT_POLL,     /* a request was set */
    X64_LEFT_UNLINKED, /* to a block of the same page that it does not jump to yet */
    X64_LEFT_FAR,      /* to another page, not in the jump table */
    X64_LEFT_INDIRECT, /* BR, BLR, RET: not in the jump table */
    X64_LEFT_ACCESS,   /* a load or store faulted, or changed the code that was running */
    X64_LEFT_SP,       /* SP alignment fault */
    X64_LEFT_HELPER,   /* + enum ir_helper: an exception, a change of mode, an exit */
    X64_LEFT_COUNT = X64_LEFT_HELPER + HELPER_COUNT
};

/* Why a load or store that emitted code tried itself went to C. */
enum x64_slow {
    X64_SLOW_MISS,      /* no entry in the TLB */
    X64_SLOW_FLAGGED,   /* page with code, watchpoint, or Device memory */
    X64_SLOW_CROSSES,   /* from one page to the next */
    X64_SLOW_UNALIGNED, /* where alignment is checked */
    X64_SLOW_COUNT
};

struct x64_stats {
    uint64_t copies;               /* of code, for another virtual address */
    uint64_t blocks, insns, bytes; /* translated: blocks, their guest instructions and host code */
    uint64_t interpreted;          /* blocks that have no code */
    uint64_t
        passages; /* times that code was interpreted because it was reached for the first time */
    uint64_t
        made_anew; /* of those retired: to go on behind an indirect jump, or to ask no more where it leads */
    uint64_t retired;              /* blocks dropped: their code has changed */
    uint64_t evicted;              /* blocks dropped for want of memory ... */
    uint64_t chunks_evicted;       /* ... with so many chunks */
    uint64_t copy_chunks_evicted;  /* of copies among those */
    uint64_t chunks_empty;         /* chunks freed whose blocks had all been dropped before */
    uint64_t waits;                /* times that vCPUs were stopped because no chunk was free */
    uint64_t links;                /* jumps linked */
    uint64_t left[X64_LEFT_COUNT]; /* each call of emitted code once */
    uint64_t access[IR_OP_COUNT];  /* by IR_LOAD ... IR_CAS: done in C */
    uint64_t devices[2];           /* loads and stores of the device that was accessed last */
    uint64_t rare[VOP_COUNT];      /* the inline form met a case that it leaves to C */
    uint64_t slow[X64_SLOW_COUNT];

    /* Only with code_trace.statistics: */
    uint64_t vop[VOP_COUNT]; /* calls: there is no inline form */
    uint64_t helper[HELPER_COUNT];
};

void x64_stats_add(struct x64_stats *sum, const struct x64_stats *more);
void x64_stats_print(const struct x64_stats *stats, const struct code_trace *trace);

#endif
