/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The code that is made once for a code cache: the way from C into blocks and back, and calls of slow paths that keep every register.
 *
 * The frame of emitted code, from RSP up:
 *
 *     FRAME_SLOTS    values that left their registers
 *     FRAME_ARGS     four vectors: operands of C functions, and the result
 *     FRAME_VA ...   operands of slow paths
 *     FRAME_SITES    of accesses of a loop that go through memory in order: limit and addend (loop.c)
 *     FRAME_WALKS    limits of registers that such accesses move with
 *     FRAME_SAVED    registers, while a slow path runs
 */
#ifndef ENGINE_X64_THUNKS_H
#define ENGINE_X64_THUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/cpu.h"
#include "engine/ir/ir.h"
#include "engine/x64/stats.h"

#define X64_FRAME_SLOTS 192
#define X64_MAX_SITES   16
#define X64_MAX_WALKS   4
enum {
    FRAME_SLOTS = 0,
    FRAME_ARGS = FRAME_SLOTS + 16 * X64_FRAME_SLOTS,
    FRAME_VA = FRAME_ARGS + 4 * 16,
    FRAME_SCRATCH = FRAME_VA + 16,
    FRAME_SITES = FRAME_SCRATCH + 16,
    FRAME_WALKS = FRAME_SITES + 16 * X64_MAX_SITES,
    FRAME_SAVED_GPR = FRAME_WALKS + 8 * X64_MAX_WALKS,
    FRAME_SAVED_XMM = FRAME_SAVED_GPR + 16 * 8,
    FRAME_SIZE = FRAME_SAVED_XMM + 32 * 16,
};
_Static_assert(FRAME_SIZE % 16 == 0, "RSP is aligned in emitted code");

/* What NZCV are of: IR_FLAGS_ADD, IR_FLAGS_SUB, IR_FLAGS_LOGIC; its type. Not 0. */
#define X64_FLAGS(op, type) ((uint32_t)(op) << 1 | (type))
/* Puts them in cpu->nzcv. */
void x64_settle_flags(struct a64_cpu *cpu);

/* What a slow path needs to know about the access. Lies in the code, behind the jump. */
struct x64_access {
    uint64_t pc;
    const struct ir_block *block;
    uint32_t iss;
    uint8_t op, size, flags;
    uint8_t align;         /* node.d: of an atomic, enum ir_atomic */
} __attribute__((packed)); /* it lies in the code, at no alignment */
_Static_assert(sizeof(struct x64_access) == 24, "no padding goes into the code");

#define X64_PLAIN_SIZES 5u

/* True: the access has no translation, and cpu->fault says why. All vector registers are kept. */
bool x64_access_fails(struct a64_cpu *cpu, uint64_t va, const struct x64_access *access);

struct x64_thunks {
    int (*enter)(struct a64_cpu *cpu, const void *body); /* enum ir_next */
    const void *leave_poll, *leave_unlinked;             /* jump here: IR_GO */
    const void *leave_go_edx;                            /* ... EDX is enum x64_left */
    const void *leave_eax; /* jump here: EAX is the enum ir_next, EDX why */
    /* Jump here with cpu->pc set: goes on if code of it is known after all, else IR_GO. leave_indirect makes it canonical before. */
    const void *leave_far, *leave_indirect;
    const void *
        leave_noted; /* leave_indirect, with the block in RSI, of which it is noted where it leads */
    /* Jump here with cpu->pc set and no value in a register: goes on with the code of that pc in the present context, which may be
     * another than before, or leaves as leave_go_edx. go_on_eax: EAX is the enum ir_next. */
    const void *go_on, *go_on_eax;
    /* Jump here with a struct x64_access at RAX, FRAME_VA, and the operands in FRAME_ARGS. Comes back behind that structure with the
     * result in FRAME_ARGS[3] and all registers but RAX, RCX, XMM0 and XMM1 kept, or leaves. */
    const void *slow_access;
    /* The same for loads and stores of general and vector registers, by size, that are not unprivileged. */
    const void *plain_access[2][X64_PLAIN_SIZES];
    /* Call here, by MMU_REFILL_*, with the entry's offset in RAX and the tag wanted in RCX. All registers are kept. NE: the entry has
     * that tag now. */
    const void *refill[4];
    /* Call here, by AddPAC() or Auth() and key: see x64/pauth.c. */
    const void *pauth[2][4];
};

/* Emits them into a (at the address where they will stay: position independent but for rel32 inside). Offsets in out. */
struct x64_asm;
struct x64_thunk_offsets {
    uint32_t enter, leave_poll, leave_unlinked, leave_go_edx, leave_eax, seek_edx, leave_far,
        leave_indirect, leave_noted, go_on, go_on_eax, slow_access,
        plain_access[2][X64_PLAIN_SIZES], refill[4], pauth[2][4];
};
/* NE: there is a request. */
void x64_poll(struct x64_asm *a);
void x64_emit_pauth_thunks(struct x64_asm *a, uint32_t at[2][4]);
void x64_emit_thunks(struct x64_asm *a, struct x64_thunk_offsets *out);

#endif
