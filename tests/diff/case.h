/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A differential test case: one A64 instruction and the seed of the state it starts from. The same file is read by the oracle (a
 * static AArch64 program under qemu-aarch64) and by the driver of our engine; both make the same state from it with case_expand().
 *
 * Both put the same things at the same virtual addresses:
 *
 *   DIFF_WINDOW  two data pages, read-write, no execution; nothing is mapped around them
 *   DIFF_CODE    one page full of BRK #0 with the instruction at DIFF_PC; wherever it goes, a BRK, a fault or the instruction's own
 *                exception ends the case
 */
#ifndef TESTS_DIFF_CASE_H
#define TESTS_DIFF_CASE_H

#include <stdint.h>

#define DIFF_WINDOW      0x10010000ull
#define DIFF_WINDOW_SIZE 0x2000ull
#define DIFF_CODE        0x10020000ull
#define DIFF_CODE_SIZE   0x1000ull
#define DIFF_PC          (DIFF_CODE + 0x800)
#define DIFF_START       (DIFF_PC - 4)
#define DIFF_BRK         0xd4200000u
#define DIFF_NO_REG      0xff

enum diff_flags {
    DIFF_ALIGNED =
        1 << 0, /* the access is naturally aligned (ordered accesses, exclusives, atomics) */
    DIFF_MATCH = 1 << 1, /* `match_reg` holds what memory holds: a compare and swap that swaps */
    DIFF_MATCH_PAIR = 1 << 2, /* match_reg + 1 as well */
    DIFF_BRANCH = 1 << 3,     /* base_reg is a branch target */
};

/* The file is an array of these. Written by cases.py (struct format "<IIIIQqBBBBBBBB"). */
struct diff_case {
    uint32_t word; /* at DIFF_PC */
    uint32_t
        pre; /* at DIFF_PC - 4, executed first: a NOP, or the load-exclusive of a store-exclusive */
    uint32_t row; /* for the report */
    uint32_t
        oracle_word; /* what the oracle runs: the same, or an older instruction that does the same to registers and memory */
    uint64_t seed;
    int64_t
        offset; /* what the instruction adds to its base register for the address of the access */
    uint8_t
        base_reg; /* 0..30, 31 = SP: points at (or with offset: near) the access; DIFF_NO_REG: no memory operand */
    uint8_t index_reg;    /* register offset: kept small */
    uint8_t index_extend; /* option field of a register offset */
    uint8_t index_shift;
    uint8_t bytes; /* of the whole access */
    uint8_t align; /* log2 for DIFF_ALIGNED */
    uint8_t match_reg;
    uint8_t flags;
};
_Static_assert(sizeof(struct diff_case) == 40, "written by cases.py");

struct diff_state {
    uint64_t x[31], sp, pc, nzcv, fpcr, fpsr;
    uint64_t v[32][2];
};

enum diff_outcome {
    DIFF_STOPPED, /* reached a BRK; pc says which */
    DIFF_UNDEFINED,
    DIFF_DATA_FAULT,  /* fault_address */
    DIFF_ALIGN_FAULT, /* of data: fault_address */
    DIFF_FETCH_FAULT, /* pc */
    DIFF_OTHER,
};

#define DIFF_MAX_CHANGES 16

struct diff_change {
    uint64_t offset, value; /* doubleword of the window */
};

struct diff_result {
    struct diff_state state;
    uint64_t outcome, fault_address, n_changes;
    struct diff_change changes[DIFF_MAX_CHANGES];
};

/* The state before the instruction (pc = where it starts), and the window's contents. */
void case_expand(const struct diff_case *c, struct diff_state *state,
                 uint64_t window[DIFF_WINDOW_SIZE / 8]);

/* Compares the window with what case_expand() has put there. */
void case_changes(const struct diff_case *c, const uint64_t window[DIFF_WINDOW_SIZE / 8],
                  struct diff_result *result);

#endif
