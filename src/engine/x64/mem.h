/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Inside src/engine/x64: the comparison with the TLB, for all kinds of accesses. */
#ifndef ENGINE_X64_MEM_H
#define ENGINE_X64_MEM_H

#include "engine/x64/emit.h"

/*
 * One access of 1 << size bytes, or several, in `span` bytes from base + disp on; table: the register that holds the TLB's entries;
 * addend: that which gets the page's.
 */
struct x64_place {
    int base, table, addend;
    int32_t disp;
    unsigned size, flags, align, span;
    ir_ref guess; /* a load's node that guesses the addend; IR_REF_NONE: none */
    bool is_store;
};

/* Compares, with a jump to the stub. After it [addend + base + disp] is the byte; RAX and RCX have been used. */
void x64_check_place(struct x64_emit *e, const struct x64_place *p, struct x64_stub *stub);

/* What is to be checked for a load or store, whose base is in a register: it alone, or its group. */
struct x64_place x64_place_of(const struct x64_emit *e, ir_ref node, int base);

/* False: nothing was emitted, call the function in C. */
bool x64_emit_atomic(struct x64_emit *e, ir_ref node);

#endif
