/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The IR interpreter: the oracle for emitted code and the engine where nothing can be emitted.
 *
 * Dispatch is by label address, indexed with operation and type, so that operand widths and access sizes are constants in each
 * handler. Values live in a scratch array of the vCPU, one slot per node.
 */
#include "engine/interp/interp.h"

#include <string.h>

#include "engine/a64/translator.h"
#include "engine/ir/fold.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"

#define TYPES 8 /* node.type is 0..7 */

static uint64_t extend_loaded(uint64_t value, unsigned size, unsigned flags)
{
    if ((flags & IR_MEM_SEXT64) != 0) {
        return ir_sext(value, 8u << size);
    }
    if ((flags & IR_MEM_SEXT32) != 0) {
        return (uint32_t)ir_sext(value, 8u << size);
    }
    return value;
}

static uint64_t lane(const v128 *v, unsigned size, unsigned index)
{
    switch (size) {
    case 0:
        return v->b[index & 15];
    case 1:
        return v->h[index & 7];
    case 2:
        return v->s[index & 3];
    default:
        return v->d[index & 1];
    }
}

static void set_lane(v128 *v, unsigned size, unsigned index, uint64_t value)
{
    switch (size) {
    case 0:
        v->b[index & 15] = (uint8_t)value;
        break;
    case 1:
        v->h[index & 7] = (uint16_t)value;
        break;
    case 2:
        v->s[index & 3] = (uint32_t)value;
        break;
    default:
        v->d[index & 1] = value;
        break;
    }
}

static v128 duplicate(unsigned size, uint64_t value)
{
    static const uint64_t ones[4] = {0x0101010101010101ull, 0x0001000100010001ull,
                                     0x0000000100000001ull, 1};
    const uint64_t d = (value & ir_ones(8u << size)) * ones[size & 3];
    return (v128){.d = {d, d}};
}

static bool has_changed(const struct ir_block *block)
{
    return !atomic_load_explicit(&block->valid, memory_order_relaxed) ||
           (block->passing && !translator_is_in_memory(block));
}

/* A label per (operation, type) pair; operations that do not look at the type use one label for all. */
#define ANY(name) [IR_##name] = {[0 ... TYPES - 1] = &&do_##name}

enum ir_next interp_run(struct a64_cpu *cpu, const struct ir_block *block)
{
    static const void *const labels[IR_OP_COUNT][TYPES] = {
#define PURE(name, expression) [IR_##name] = {&&do_##name##_32, &&do_##name##_64},
#include "engine/ir/pure.inc"
#undef PURE
        ANY(NONE),     ANY(CONST),    ANY(GET_X),     ANY(PUT_X),     ANY(GET_V),     ANY(PUT_V),
        ANY(GET_NZCV), ANY(PUT_NZCV), ANY(PUT_BTYPE), ANY(GET_FIELD), ANY(PUT_FIELD), ANY(VFROM64),
        ANY(VPACK),    ANY(VLANE),    ANY(VLANES),    ANY(VINSERT),   ANY(VZEXT),     ANY(VAND),
        ANY(VOR),      ANY(VXOR),     ANY(VBIC),      ANY(VORN),      ANY(VNOT),      ANY(VBSL),
        ANY(VDUP),     ANY(VOP),      ANY(IOP),       ANY(LOAD),      ANY(STORE),     ANY(ZERO),
        ANY(LDX),      ANY(STX),      ANY(ATOMIC),    ANY(CAS),       ANY(FENCE),     ANY(CLREX),
        ANY(PREFETCH), ANY(CHECK_SP), ANY(JUMP),      ANY(BRANCH_IF), ANY(JUMP_IND),  ANY(HELPER),
        ANY(SELECT),   ANY(SIDE),
    };
    v128 *const values = cpu->translator->values;
    const struct ir_node *n = block->nodes;
    v128 *out = values;

#define A      (values[n->a].d[0])
#define B      (values[n->b].d[0])
#define C      (values[n->c].d[0])
#define RESULT (out->d[0])
#define NEXT                          \
    do {                              \
        n++;                          \
        out++;                        \
        goto *labels[n->op][n->type]; \
    } while (0)

/* What writes memory may have changed this very block: go on with fresh code after the instruction. A copy made for an earlier
 * write of the same instruction goes on as it is. */
#define NEXT_UNLESS_INVALIDATED                                             \
    do {                                                                    \
        if (__builtin_expect(has_changed(block), 0) && n >= block->nodes && \
            n < block->nodes + block->n_nodes) {                            \
            goto invalidated;                                               \
        }                                                                   \
        NEXT;                                                               \
    } while (0)

    goto *labels[n->op][n->type];

#define PURE(name, expression)                          \
    do_##name##_32:                                     \
    {                                                   \
        const unsigned sf = 0;                          \
        const uint64_t a = A, b = B, c = C;             \
        const uint32_t imm = n->imm;                    \
        (void)sf, (void)a, (void)b, (void)c, (void)imm; \
        RESULT = (expression);                          \
        NEXT;                                           \
    }                                                   \
    do_##name##_64:                                     \
    {                                                   \
        const unsigned sf = 1;                          \
        const uint64_t a = A, b = B, c = C;             \
        const uint32_t imm = n->imm;                    \
        (void)sf, (void)a, (void)b, (void)c, (void)imm; \
        RESULT = (expression);                          \
        NEXT;                                           \
    }
#include "engine/ir/pure.inc"
#undef PURE

do_NONE:
do_PREFETCH:
do_SIDE:
    NEXT;
do_CONST:
    RESULT = n->imm64;
    NEXT;
do_SELECT:
    *out = A != 0 ? values[n->b] : values[n->c];
    NEXT;

do_GET_X:
    RESULT = cpu->x[n->imm];
    NEXT;
do_PUT_X:
    cpu->x[n->imm] = A;
    NEXT;
do_GET_V:
    *out = cpu->v[n->imm];
    NEXT;
do_PUT_V:
    cpu->v[n->imm] = values[n->a];
    NEXT;
do_GET_NZCV:
    RESULT = cpu->nzcv;
    NEXT;
do_PUT_NZCV:
    cpu->nzcv = (uint32_t)A;
    NEXT;
do_PUT_BTYPE:
    cpu->btype = (uint8_t)n->imm;
    NEXT;
do_GET_FIELD:
    memcpy(out, (const char *)cpu + n->imm, sizeof(uint64_t));
    NEXT;
do_PUT_FIELD:
    memcpy((char *)cpu + n->imm, &values[n->a], sizeof(uint64_t));
    NEXT;

do_VFROM64:
    *out = (v128){.d = {A & ir_ones(8u << n->type), 0}};
    NEXT;
do_VPACK:
    *out = (v128){.d = {A, B}};
    NEXT;
do_VLANE:
    RESULT = lane(&values[n->a], n->type, n->imm);
    NEXT;
do_VLANES:
    RESULT = ir_sext(lane(&values[n->a], n->type, n->imm), 8u << n->type);
    NEXT;
do_VINSERT:
    *out = values[n->a];
    set_lane(out, n->type, n->imm, B);
    NEXT;
do_VZEXT:
    *out = (v128){.d = {A & ir_ones(8u << n->type), 0}};
    NEXT;
do_VAND:
    out->q = values[n->a].q & values[n->b].q;
    NEXT;
do_VOR:
    out->q = values[n->a].q | values[n->b].q;
    NEXT;
do_VXOR:
    out->q = values[n->a].q ^ values[n->b].q;
    NEXT;
do_VBIC:
    out->q = values[n->a].q & ~values[n->b].q;
    NEXT;
do_VORN:
    out->q = values[n->a].q | ~values[n->b].q;
    NEXT;
do_VNOT:
    out->q = ~values[n->a].q;
    NEXT;
do_VBSL:
    out->q = (values[n->b].q & values[n->a].q) | (values[n->c].q & ~values[n->a].q);
    NEXT;
do_VDUP:
    *out = duplicate(n->type, A);
    NEXT;
do_VOP:
    ir_vops[n->d].fn(cpu, out, &values[n->a], &values[n->b], &values[n->c], n->imm);
    NEXT;
do_IOP:
    RESULT = ir_iops[n->d].fn(A, B, n->imm);
    NEXT;

do_LOAD:
    if (__builtin_expect(!mmu_load(cpu, A, n->type, n->flags, n->d, out), 0)) {
        goto fault;
    }
    if (block->passing) {
        mmu_note_place(cpu, A, false, block->pc + 4ull * n->insn);
    }
    if ((n->flags & (IR_MEM_SEXT32 | IR_MEM_SEXT64)) != 0) {
        RESULT = extend_loaded(RESULT, n->type, n->flags);
    }
    NEXT;
do_STORE:
    if (__builtin_expect(!mmu_store(cpu, A, n->type, n->flags, n->d, &values[n->b]), 0)) {
        goto fault;
    }
    if (block->passing) {
        mmu_note_place(cpu, A, true, block->pc + 4ull * n->insn);
    }
    NEXT_UNLESS_INVALIDATED;
do_ZERO:
    if (!mmu_zero(cpu, A, 1u << n->type)) {
        goto fault;
    }
    NEXT_UNLESS_INVALIDATED;
do_LDX:
    if (!mmu_load_exclusive(cpu, A, n->type, n->flags, out)) {
        goto fault;
    }
    NEXT;
do_STX:
    if (!mmu_store_exclusive(cpu, A, n->type, n->flags, &values[n->b], &RESULT)) {
        goto fault;
    }
    NEXT_UNLESS_INVALIDATED;
do_ATOMIC:
    if (!mmu_atomic(cpu, A, n->type, n->d, B, &RESULT)) {
        goto fault;
    }
    NEXT_UNLESS_INVALIDATED;
do_CAS:
    if (!mmu_cas(cpu, A, n->type, &values[n->b], &values[n->c], out)) {
        goto fault;
    }
    NEXT_UNLESS_INVALIDATED;
do_FENCE:
    atomic_thread_fence(n->imm == IR_FENCE_FULL ? memory_order_seq_cst : memory_order_acq_rel);
    NEXT;
do_CLREX:
    cpu->excl_valid = false;
    NEXT;

do_CHECK_SP:
    if (__builtin_expect((A & 15) != 0, 0)) {
        cpu->pc = block_pc_of(block, n->insn);
        return exc_take_default(cpu, EC_SP_ALIGN, true, 0, false, 0);
    }
    NEXT;
do_JUMP:
    cpu->pc = n->imm64;
    return IR_GO;
do_BRANCH_IF:
    if (A != 0) {
        cpu->pc = n->imm64;
        return IR_GO;
    }
    NEXT;
do_JUMP_IND : {
    const uint64_t target = A;
    cpu->pc = __builtin_expect(ir_sext(target, 56) == target, 1) ? target
                                                                 : cpu_branch_address(cpu, target);
    return IR_GO;
}
do_HELPER : {
    cpu->pc = block_pc_of(block, n->insn);
    const enum ir_next next = ir_helpers[n->d].fn(cpu, &RESULT, A, B, n->imm);
    if (next == IR_NEXT) {
        NEXT;
    }
    if (next == IR_END) {
        cpu->pc = block_pc_of(block, n->insn) + 4;
        return IR_GO;
    }
    return next;
}

fault:
    cpu->pc = block_pc_of(block, n->insn);
    return exc_abort(cpu, n->imm);

invalidated : {
    /* The rest of this instruction still runs, whatever became of the code behind it: from a private copy that ends with it. Values
     * stay where they are, so `out` goes on as before. */
    struct ir_node *const copy = cpu->translator->nodes;
    const struct ir_node *const end = block->nodes + block->n_nodes;
    const uint8_t insn = n->insn;
    size_t count = 0;
    for (const struct ir_node *rest = n + 1; rest < end && rest->insn == insn; rest++) {
        copy[count++] = *rest;
    }
    copy[count] = (struct ir_node){
        .op = IR_JUMP, .insn = insn, .imm64 = block_pc_of(block, insn) + 4};
    n = copy;
    out++;
    goto *labels[n->op][n->type];
}
}
