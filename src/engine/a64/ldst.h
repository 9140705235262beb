/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the load/store classes have in common.
 *
 * All of them keep one promise: an instruction that faults leaves every register as it was, the destination and the written-back
 * base included. So all accesses are emitted before the first PUT.
 */
#ifndef ENGINE_A64_LDST_H
#define ENGINE_A64_LDST_H

#include "engine/a64/translate.h"

enum ldst_index { LDST_OFFSET, LDST_PRE, LDST_POST };

/* Data Abort ISS, bits 24:14. */
#define LDST_ISS_ISV            (1u << 24)
#define LDST_ISS_SAS(size_log2) ((uint32_t)(size_log2) << 22)
#define LDST_ISS_SSE            (1u << 21)
#define LDST_ISS_SRT(rt)        ((uint32_t)(rt) << 16)
#define LDST_ISS_SF             (1u << 15)
#define LDST_ISS_AR             (1u << 14)

/* The base register Xn or SP, with the stack alignment check. */
static inline ir_ref ldst_base(struct tr *t, unsigned rn)
{
    tr_check_sp(t, rn);
    return tr_get_sp(t, rn);
}

static inline ir_ref ldst_add(struct tr *t, ir_ref address, int64_t offset)
{
    return offset == 0 ? address
                       : tr_op2(t, IR_ADD, IR_I64, address, tr_const(t, (uint64_t)offset));
}

/* The field [hi:lo] as a signed number. */
static inline int64_t ldst_simm(uint32_t w, unsigned hi, unsigned lo)
{
    const uint64_t sign = 1ull << (hi - lo);

    return (int64_t)((A64_FIELD(w, hi, lo) ^ sign) - sign);
}

/* ExtendReg() of Rm by option (bits 15:13), shifted by `shift` when S (bit 12) is set. */
ir_ref ldst_extend(struct tr *t, uint32_t w, unsigned shift);

/*
 * One access of a general-purpose register: opc 0 stores, 1 loads, 2 loads and sign-extends to 64 bits, 3 to 32 bits.
 * iss: LDST_ISS_ISV, with LDST_ISS_AR or not, when the form gives a valid instruction syndrome; else 0.
 */
void ldst_general(struct tr *t, ir_ref address, unsigned size, unsigned opc, unsigned rt,
                  unsigned flags, uint32_t iss);

/* The functions of the classes. */
a64_class_fn a64_memory_single_general_immediate_unsigned;
a64_class_fn a64_memory_single_general_immediate_signed_offset_normal;
a64_class_fn a64_memory_single_general_immediate_signed_offset_unpriv;
a64_class_fn a64_memory_single_general_immediate_signed_offset_lda_stl;
a64_class_fn a64_memory_single_general_immediate_signed_pre_idx;
a64_class_fn a64_memory_single_general_immediate_signed_post_idx;
a64_class_fn a64_memory_single_general_immediate_signed_pac;
a64_class_fn a64_memory_single_general_register;
a64_class_fn a64_memory_single_general_range;
a64_class_fn a64_memory_literal_general;
a64_class_fn a64_memory_ordered;
a64_class_fn a64_memory_ordered_writeback;
a64_class_fn a64_memory_ordered_rcpc;
a64_class_fn a64_memory_ordered_rcpc_writeback;

a64_class_fn a64_memory_pair_general_no_alloc;
a64_class_fn a64_memory_pair_general_offset;
a64_class_fn a64_memory_pair_general_pre_idx;
a64_class_fn a64_memory_pair_general_post_idx;
a64_class_fn a64_memory_pair_simdfp_no_alloc;
a64_class_fn a64_memory_pair_simdfp_offset;
a64_class_fn a64_memory_pair_simdfp_pre_idx;
a64_class_fn a64_memory_pair_simdfp_post_idx;
a64_class_fn a64_memory_ordered_pair_ldiapp;
a64_class_fn a64_memory_ordered_pair_stilp;

a64_class_fn a64_memory_single_simdfp_immediate_unsigned;
a64_class_fn a64_memory_single_simdfp_immediate_signed_offset_normal;
a64_class_fn a64_memory_single_simdfp_immediate_signed_offset_ordered;
a64_class_fn a64_memory_single_simdfp_immediate_signed_pre_idx;
a64_class_fn a64_memory_single_simdfp_immediate_signed_post_idx;
a64_class_fn a64_memory_single_simdfp_register;
a64_class_fn a64_memory_literal_simdfp;
a64_class_fn a64_memory_vector_multiple_no_wb;
a64_class_fn a64_memory_vector_multiple_post_inc;
a64_class_fn a64_memory_vector_single_no_wb;
a64_class_fn a64_memory_vector_single_no_wb_ordered;
a64_class_fn a64_memory_vector_single_post_inc;

a64_class_fn a64_memory_exclusive_single;
a64_class_fn a64_memory_exclusive_pair;
a64_class_fn a64_memory_atomicops_cas_single;
a64_class_fn a64_memory_atomicops_cas_pair;
a64_class_fn a64_memory_atomicops_ld;
a64_class_fn a64_memory_atomicops_swp;

a64_class_fn a64_memory_mcpymset_cpy;
a64_class_fn a64_memory_mcpymset_cpyf;
a64_class_fn a64_memory_mcpymset_set;

#endif
