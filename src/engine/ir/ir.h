/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The intermediate representation of one block of guest code.
 *
 * A block is a linear array of nodes in static single assignment; node i's value is named by the reference i. There are no phi
 * nodes: a block has one entry, leaves at its end or through BRANCH_IF, and guest registers carry values between blocks.
 * Guest state is written by PUT_* in program order and completely before anything that can fault or leave, so that the state is
 * exact at every node; an emitter may delay the stores as long as it keeps that promise.
 * Behind the end there may be side lines: SIDE, and the code that a BRANCH_IF of the main line leads to, up to an end of its own. It uses the
 * values that were made before the branch. Who leaves at the branch instead does the same.
 * node.insn is the index of the guest instruction in the block, as a signed number: PC = block.pc + 4 * insn.
 */
#ifndef ENGINE_IR_H
#define ENGINE_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/v128.h"

struct a64_cpu;

typedef uint16_t ir_ref; /* index of the node that makes the value; IR_REF_NONE = no operand */
#define IR_REF_NONE 0

enum ir_op {
#define OP(name, result, effect) IR_##name,
#include "engine/ir/ir_ops.inc"
#undef OP
    IR_OP_COUNT
};

enum ir_type {
    IR_I32 = 0,
    IR_I64 = 1
}; /* of integer operations; memory and lane operations use log2 of the size */

enum {
    IR_MEM_ACQUIRE = 1 << 0, /* LDAR and LDAPR alike: x86 and the interpreter give both RCsc */
    IR_MEM_RELEASE = 1 << 1,
    IR_MEM_UNPRIV = 1 << 2, /* LDTR, STTR: as if from EL0 */
    IR_MEM_SEXT32 = 1 << 3, /* sign-extend the loaded value to 32 bits, zero above */
    IR_MEM_SEXT64 = 1 << 4,
    IR_MEM_ATOMIC =
        1
        << 5, /* must be single-copy atomic for the whole size; misaligned where LSE2 does not allow it: Alignment fault */
    IR_MEM_ALIGNED =
        1
        << 6, /* Alignment fault when not aligned to d, whatever SCTLR.A says (exclusives, atomics across 16 bytes) */
};

enum {
    IR_CONST_PC = 1 << 0, /* of CONST: its distance from the block's pc is what is constant */
};

enum ir_atomic {
    IR_ATOMIC_ADD,
    IR_ATOMIC_CLR,
    IR_ATOMIC_EOR,
    IR_ATOMIC_SET,
    IR_ATOMIC_SMAX,
    IR_ATOMIC_SMIN,
    IR_ATOMIC_UMAX,
    IR_ATOMIC_UMIN,
    IR_ATOMIC_SWP,
};

enum ir_fence { IR_FENCE_LOAD, IR_FENCE_STORE, IR_FENCE_FULL };
enum ir_jump_kind { IR_JUMP_BRANCH, IR_JUMP_CALL, IR_JUMP_RETURN };

struct ir_node {
    uint8_t op;
    uint8_t type;
    uint8_t flags;
    uint8_t insn;
    ir_ref a, b;
    union {
        struct {
            ir_ref c;
            uint16_t d;
            uint32_t imm;
        };
        uint64_t imm64;
    };
};
_Static_assert(sizeof(struct ir_node) == 16, "two nodes of a translation share a 32-byte fetch");

/* --- Functions called from the IR ------------------------------------------------------------------------------------------- */

/*
 * VOP: a pure function of vectors (and of integers in d[0]), with access to FPCR/FPSR only. *d does not alias an operand and is
 * written completely. Convention for imm: IR_VIMM below; more bits as the row documents.
 */
typedef void ir_vop_fn(struct a64_cpu *cpu, v128 *d, const v128 *a, const v128 *b, const v128 *c,
                       uint32_t imm);

#define IR_VIMM(lane, q, extra) ((uint32_t)(lane) | (uint32_t)(q) << 3 | (uint32_t)(extra) << 8)
#define IR_VIMM_LANE(imm)       ((imm)&7u) /* log2 of the lane size in bytes: 0 B, 1 H, 2 S, 3 D */
#define IR_VIMM_Q(imm) \
    ((imm) >> 3 & 1u)                /* 128-bit form; else the upper half of the result is zero */
#define IR_VIMM_SCALAR     (1u << 4) /* one lane; the rest of the result is zero */
#define IR_VIMM_EXTRA(imm) ((imm) >> 8)

enum ir_vop {
#define VOP(name, effects) VOP_##name,
#include "engine/simd/vops.inc"
#undef VOP
    VOP_COUNT
};
enum {
    VOP_PURE = 0,
    VOP_FP = 1 /* reads FPCR, accumulates FPSR */,
    VOP_QC = 2 /* may set FPSR.QC */
};
struct ir_vop_info {
    const char *name;
    ir_vop_fn *fn;
    unsigned effects;
};
extern const struct ir_vop_info ir_vops[VOP_COUNT];

/* IOP: a pure function of integers. */
typedef uint64_t ir_iop_fn(uint64_t a, uint64_t b, uint32_t imm);
enum ir_iop {
#define IOP(name) IOP_##name,
#include "engine/ir/iops.inc"
#undef IOP
    IOP_COUNT
};
struct ir_iop_info {
    const char *name;
    ir_iop_fn *fn;
};
extern const struct ir_iop_info ir_iops[IOP_COUNT];

/*
 * HELPER: may read and write everything of this vCPU. cpu->pc is the address of the instruction while it runs, and all guest
 * registers are up to date. *result is the node's value.
 */
enum ir_next {
    IR_NEXT = 0, /* go on with the next node */
    IR_END, /* done, but what was decoded under no longer holds (mode, translation, step): leave the block, PC = next instruction */
    IR_GO,  /* cpu->pc has been set (exception taken, ERET, retry): leave the block */
    IR_LEAVE, /* cpu->exit and cpu->pc have been set: leave hv_vcpu_run */
};
typedef enum ir_next ir_helper_fn(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                                  uint32_t imm);
enum ir_helper {
#define HELPER(name) HELPER_##name,
#include "engine/ir/helpers.inc"
#undef HELPER
    HELPER_COUNT
};
struct ir_helper_info {
    const char *name;
    ir_helper_fn *fn;
};
extern const struct ir_helper_info ir_helpers[HELPER_COUNT];

extern const char *const ir_op_names[IR_OP_COUNT];

#endif
