/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The frontend: one A64 instruction -> IR nodes. Each semantic class of the encoding table (data/a64-encodings.tsv, column
 * "class") has one function a64_<class>(), which emits what the instruction means; that is the only place where it is written.
 *
 * Before the function is called, the word has been matched to its row: undef_when, feature requirement and FP/SIMD enable checks
 * are done. The function reads its fields with A64_FIELD.
 */
#ifndef ENGINE_A64_TRANSLATE_H
#define ENGINE_A64_TRANSLATE_H

#include "engine/a64/block.h"
#include "engine/a64/mode.h"
#include "engine/cpu.h"
#include "engine/ir/ir.h"

struct a64_row;

#define A64_FIELD(word, hi, lo) \
    ((uint32_t)(word) >> (lo) & (uint32_t)((1ull << ((hi) - (lo) + 1)) - 1))
#define A64_BIT(word, n) ((uint32_t)(word) >> (n)&1u)

#define TR_MAX_INSNS      64 /* guest instructions of one block */
#define TR_MAX_NODES      8192
#define TR_SIDE_NODES     1024 /* no more than these in a block with side lines */
#define TR_NODES_PER_INSN 256  /* no instruction emits more */
#define TR_MADE           64

/* A branch out of the main line, and what was known about guest registers there. */
struct tr_fork {
    uint64_t target;
    ir_ref node; /* IR_BRANCH_IF */
    uint64_t return_to;
    bool otherwise; /* it leads elsewhere than expected: the target is the jump */
    ir_ref x[32], v[32], nzcv;
};
#define TR_MAX_FORKS 16
#define TR_MAX_SIDES 4 /* beside those for jumps that lead elsewhere than expected */

/* The block under construction, and what is known about guest registers at this point of it. */
struct tr {
    struct ir_node *nodes;
    uint32_t n_nodes;
    uint32_t mode;               /* the mode key that the block is made for */
    uint64_t pc;                 /* address of the present instruction */
    uint8_t insn;                /* its index in the block, signed */
    bool end;                    /* the present instruction has ended the block */
    bool branched;               /* an instruction may have left the block */
    bool turned;                 /* the block goes on at: */
    uint64_t next;               /* ... instead of behind the present instruction */
    uint64_t turn_from, turn_to; /* the branch at turn_from is taken; equal: none is */
    uint64_t follow;    /* where the present B or BL leads to, if the block goes on there; else 0 */
    uint64_t return_to; /* behind that BL, until the RET to there; else 0 */
    uint64_t expected;  /* where the present BR, BLR or RET leads, likewise */
    uint64_t taken;     /* where the present branch leads, if the block goes on there; else 0 */
    bool into_leaf;     /* ... and behind it again */
    const struct block_ways *ways; /* of its indirect jumps */
    uint8_t n_ways;                /* used */
    bool asks;                     /* the last is to be noted */
    uint64_t start;                /* the block's pc */
    bool unrolls;                  /* branches of a known condition are followed back */
    uint64_t unrolling;            /* such a branch, that has not been left behind yet; 0: none */
    bool unrolled;                 /* one was */
    bool guarded;                  /* the page has the GP attribute: BR sets BTYPE accordingly */
    struct a64_cpu *cpu;           /* features; nothing else of it may be baked into the block */
    ir_ref x[32], v[32],
        nzcv; /* node that holds the register's present value; IR_REF_NONE = only memory has it */
    ir_ref carry, carry_is_of; /* the carry alone, of a flag value */
    ir_ref zero;
    ir_ref made[TR_MADE];  /* operations and constants by what they compute */
    struct tr_fork *forks; /* where side lines may begin; NULL: there are none */
    unsigned n_forks;
    bool recurs; /* BL leads to the block's start */
    const struct a64_row *row;
};

typedef void a64_class_fn(struct tr *t, uint32_t w);

/* --- Emitting ---------------------------------------------------------------------------------------------------------------- */

ir_ref tr_node(struct tr *t, enum ir_op op, unsigned type, unsigned flags, ir_ref a, ir_ref b,
               ir_ref c, unsigned d, uint32_t imm);
ir_ref tr_const(struct tr *t, uint64_t value);
ir_ref tr_address(struct tr *t, uint64_t value); /* a constant that moves with the block's pc */

/* Pure integer operations; constants are folded. sf: 0 = 32-bit, 1 = 64-bit. */
ir_ref tr_op1(struct tr *t, enum ir_op op, unsigned sf, ir_ref a);
ir_ref tr_op1i(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, uint32_t imm);
ir_ref tr_op2(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, ir_ref b);
ir_ref tr_op2i(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, ir_ref b, uint32_t imm);
ir_ref tr_op3(struct tr *t, enum ir_op op, unsigned sf, ir_ref a, ir_ref b, ir_ref c);

/* Guest registers. Register 31 is zero for tr_get_x/tr_put_x and SP for the _sp forms. 32-bit writes: pass a zero-extended value
 * (every I32 operation makes one). tr_get_w zero-extends the low half. */
ir_ref tr_get_x(struct tr *t, unsigned r);
ir_ref tr_get_w(struct tr *t, unsigned r);
ir_ref tr_get_xw(struct tr *t, unsigned sf, unsigned r); /* sf ? tr_get_x : tr_get_w */
ir_ref tr_get_sp(struct tr *t, unsigned r);
void tr_put_x(struct tr *t, unsigned r, ir_ref value);
void tr_put_sp(struct tr *t, unsigned r, ir_ref value);
ir_ref tr_get_v(struct tr *t, unsigned r);
void tr_put_v(struct tr *t, unsigned r, ir_ref value); /* all 128 bits */
ir_ref tr_get_nzcv(struct tr *t);
void tr_put_nzcv(struct tr *t, ir_ref flags);
ir_ref tr_cond(struct tr *t, unsigned cond); /* 0/1; cond 14 and 15: constant 1 */

/* Vectors. tr_put_vq stores value with the upper half zeroed when q is 0. */
ir_ref tr_vop(struct tr *t, enum ir_vop fn, ir_ref a, ir_ref b, ir_ref c, uint32_t imm);
void tr_put_vq(struct tr *t, unsigned q, unsigned r, ir_ref value);
ir_ref tr_lane(struct tr *t, ir_ref v, unsigned size, unsigned index);

ir_ref tr_iop(struct tr *t, enum ir_iop fn, ir_ref a, ir_ref b, uint32_t imm);

/* Helpers may change any register: the known values are forgotten, unless the helper is known to leave registers alone
 * (tr_helper_pure_regs). */
ir_ref tr_helper(struct tr *t, enum ir_helper fn, ir_ref a, ir_ref b, uint32_t imm);
ir_ref tr_helper_keeps_regs(struct tr *t, enum ir_helper fn, ir_ref a, ir_ref b, uint32_t imm);

/* Memory. iss: bits 24:14 of a Data Abort's ISS (ISV, SAS, SSE, SRT, SF, AR) at their places, 0 when the form gives none.
 * sp_base: the base register is SP, which is checked when the mode says so: call tr_check_sp first. */
ir_ref tr_load(struct tr *t, ir_ref addr, unsigned size, unsigned flags, unsigned align,
               uint32_t iss);
void tr_store(struct tr *t, ir_ref addr, ir_ref value, unsigned size, unsigned flags,
              unsigned align, uint32_t iss);
void tr_check_sp(struct tr *t, unsigned rn);

/* Control. All but tr_branch_if end the block. */
void tr_jump(struct tr *t, uint64_t target);
void tr_branch_if(struct tr *t, ir_ref cond, uint64_t target);
void tr_jump_ind(struct tr *t, ir_ref target, enum ir_jump_kind kind);
/* True: the block goes on where the present BR, BLR or RET is expected to lead; else it is left there, by tr_jump_ind(). */
bool tr_expects(struct tr *t, ir_ref target);
void tr_undefined(struct tr *t);
void tr_end(struct tr *t); /* end the block after this instruction: JUMP to the next one */

bool tr_has(const struct tr *t, unsigned feature); /* enum a64_feature */

#endif
