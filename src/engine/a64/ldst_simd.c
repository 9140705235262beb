/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Loads and stores of SIMD&FP registers: single registers, and the structures of LD1 to LD4. No instruction syndrome in any. */
#include "engine/a64/ldst.h"

/* --- Single registers --------------------------------------------------------------------------------------------------------- */

static ir_ref vfrom64(struct tr *t, ir_ref value, unsigned size)
{
    return tr_node(t, IR_VFROM64, size, 0, value, IR_REF_NONE, IR_REF_NONE, 0, 0);
}

static ir_ref load_part(struct tr *t, ir_ref address, unsigned size, unsigned flags, unsigned align)
{
    const ir_ref value = tr_load(t, address, size, flags, align, 0);

    return size == 4 ? value : vfrom64(t, value, size);
}

static void store_part(struct tr *t, ir_ref address, ir_ref v, unsigned size, unsigned flags,
                       unsigned align)
{
    tr_store(t, address, size == 4 ? v : tr_lane(t, v, size, 0), size, flags, align, 0);
}

static void single(struct tr *t, uint32_t w, ir_ref address, unsigned size, unsigned flags)
{
    const unsigned rt = A64_FIELD(w, 4, 0);

    if (A64_BIT(w, 22) != 0) {
        tr_put_v(t, rt, load_part(t, address, size, flags, size));
    } else {
        store_part(t, address, tr_get_v(t, rt), size, flags, size);
    }
}

static unsigned single_size(uint32_t w)
{
    return A64_BIT(w, 23) << 2 | A64_FIELD(w, 31, 30);
}

void a64_memory_single_simdfp_immediate_unsigned(struct tr *t, uint32_t w)
{
    const unsigned size = single_size(w);
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));

    single(t, w, ldst_add(t, base, (int64_t)A64_FIELD(w, 21, 10) << size), size, 0);
}

void a64_memory_single_simdfp_immediate_signed_offset_normal(struct tr *t, uint32_t w)
{
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));

    single(t, w, ldst_add(t, base, ldst_simm(w, 20, 12)), single_size(w), 0);
}

void a64_memory_single_simdfp_immediate_signed_offset_ordered(struct tr *t, uint32_t w)
{
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));

    single(t, w, ldst_add(t, base, ldst_simm(w, 20, 12)), single_size(w),
           IR_MEM_ATOMIC | (A64_BIT(w, 22) != 0 ? IR_MEM_ACQUIRE : IR_MEM_RELEASE));
}

static void single_writeback(struct tr *t, uint32_t w, enum ldst_index index)
{
    const unsigned rn = A64_FIELD(w, 9, 5);
    const ir_ref base = ldst_base(t, rn);
    const ir_ref moved = ldst_add(t, base, ldst_simm(w, 20, 12));

    single(t, w, index == LDST_PRE ? moved : base, single_size(w), 0);
    tr_put_sp(t, rn, moved);
}

void a64_memory_single_simdfp_immediate_signed_pre_idx(struct tr *t, uint32_t w)
{
    single_writeback(t, w, LDST_PRE);
}

void a64_memory_single_simdfp_immediate_signed_post_idx(struct tr *t, uint32_t w)
{
    single_writeback(t, w, LDST_POST);
}

void a64_memory_single_simdfp_register(struct tr *t, uint32_t w)
{
    const unsigned size = single_size(w);
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));

    single(t, w, tr_op2(t, IR_ADD, IR_I64, base, ldst_extend(t, w, size)), size, 0);
}

void a64_memory_literal_simdfp(struct tr *t, uint32_t w)
{
    const unsigned size = 2 + A64_FIELD(w, 31, 30);
    const ir_ref address = tr_address(t, t->pc + (uint64_t)(ldst_simm(w, 23, 5) * 4));

    tr_put_v(t, A64_FIELD(w, 4, 0), load_part(t, address, size, 0, size));
}

/* --- Structures --------------------------------------------------------------------------------------------------------------- */

/* Post-index: the base moves by Xm, or by the number of bytes when Rm is 31. */
static void post_index(struct tr *t, uint32_t w, ir_ref base, unsigned bytes)
{
    const unsigned rm = A64_FIELD(w, 20, 16);
    const ir_ref offset = rm == 31 ? tr_const(t, bytes) : tr_get_x(t, rm);

    tr_put_sp(t, A64_FIELD(w, 9, 5), tr_op2(t, IR_ADD, IR_I64, base, offset));
}

struct lanes {
    unsigned esize;    /* log2 of the element size */
    unsigned elements; /* of one register */
    unsigned n;        /* registers */
};

/* Both halves of an unzip or zip of two registers or chunks; see vop_uzp1() and its kin. */
static void both(struct tr *t, const struct lanes *l, enum ir_vop low, enum ir_vop high, ir_ref a,
                 ir_ref b, ir_ref *out_low, ir_ref *out_high)
{
    const uint32_t imm = IR_VIMM(l->esize, l->elements << l->esize == 16, 0);

    *out_low = tr_vop(t, low, a, b, IR_REF_NONE, imm);
    *out_high = tr_vop(t, high, a, b, IR_REF_NONE, imm);
}

/* Two or four registers: unzipping once gives every second element, twice every fourth. */
static void unzip(struct tr *t, const struct lanes *l, const ir_ref chunks[4], ir_ref regs[4])
{
    ir_ref even[2], odd[2];

    if (l->n == 2) {
        both(t, l, VOP_uzp1, VOP_uzp2, chunks[0], chunks[1], &regs[0], &regs[1]);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        both(t, l, VOP_uzp1, VOP_uzp2, chunks[2 * i], chunks[2 * i + 1], &even[i], &odd[i]);
    }
    both(t, l, VOP_uzp1, VOP_uzp2, even[0], even[1], &regs[0], &regs[2]);
    both(t, l, VOP_uzp1, VOP_uzp2, odd[0], odd[1], &regs[1], &regs[3]);
}

static void zip(struct tr *t, const struct lanes *l, const ir_ref regs[4], ir_ref chunks[4])
{
    ir_ref even[2], odd[2];

    if (l->n == 2) {
        both(t, l, VOP_zip1, VOP_zip2, regs[0], regs[1], &chunks[0], &chunks[1]);
        return;
    }
    both(t, l, VOP_zip1, VOP_zip2, regs[0], regs[2], &even[0], &even[1]);
    both(t, l, VOP_zip1, VOP_zip2, regs[1], regs[3], &odd[0], &odd[1]);
    for (unsigned i = 0; i < 2; i++) {
        both(t, l, VOP_zip1, VOP_zip2, even[i], odd[i], &chunks[2 * i], &chunks[2 * i + 1]);
    }
}

/*
 * Three registers go lane by lane. Element e of the structure in memory order lies in register
 * e % n, lane e / n, and in lane e % elements of memory chunk e / elements (a chunk is as long as a
 * register). Both directions are this permutation or its inverse.
 */
static void permute(struct tr *t, const struct lanes *l, const ir_ref from[4], ir_ref to[4],
                    bool deinterleave)
{
    if (l->n != 3) {
        (deinterleave ? unzip : zip)(t, l, from, to);
        return;
    }
    for (unsigned r = 0; r < l->n; r++) {
        for (unsigned lane = 0; lane < l->elements; lane++) {
            const unsigned e = deinterleave ? lane * l->n + r : r * l->elements + lane;
            const unsigned source = deinterleave ? e / l->elements : e % l->n;
            const unsigned source_lane = deinterleave ? e % l->elements : e / l->n;
            const ir_ref element = tr_lane(t, from[source], l->esize, source_lane);

            to[r] = lane == 0
                        ? vfrom64(t, element, l->esize)
                        : tr_node(t, IR_VINSERT, l->esize, 0, to[r], element, IR_REF_NONE, 0, lane);
        }
    }
}

/*
 * The elements are contiguous, so memory is accessed in chunks of a register's length, with the alignment check of one element.
 * The architecture lets a store that faults have written any of its elements.
 */
static void multiple(struct tr *t, uint32_t w, bool wback)
{
    const unsigned opcode = A64_FIELD(w, 15, 12), q = A64_BIT(w, 30), esize = A64_FIELD(w, 11, 10),
                   rt = A64_FIELD(w, 4, 0);
    const bool load = A64_BIT(w, 22) != 0;
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));
    const unsigned chunk = 3 + q; /* log2 */
    bool structured = false;      /* LD2 to LD4 */
    unsigned n;

    switch (opcode) {
    case 0: /* LD4 */
        structured = true;
        n = 4;
        break;
    case 4: /* LD3 */
        structured = true;
        n = 3;
        break;
    case 8: /* LD2 */
        structured = true;
        n = 2;
        break;
    case 2: /* LD1, four registers */
        n = 4;
        break;
    case 6:
        n = 3;
        break;
    case 10:
        n = 2;
        break;
    default: /* 7; the table has no other */
        n = 1;
        break;
    }

    const struct lanes lanes = {.esize = esize, .elements = (8u << q) >> esize, .n = n};
    ir_ref regs[4] = {IR_REF_NONE}, chunks[4] = {IR_REF_NONE};

    if (load) {
        for (unsigned i = 0; i < n; i++) {
            chunks[i] = load_part(t, ldst_add(t, base, (int64_t)(i << chunk)), chunk, 0, esize);
        }
        if (structured) {
            permute(t, &lanes, chunks, regs, true);
        }
        for (unsigned i = 0; i < n; i++) {
            tr_put_v(t, (rt + i) % 32, structured ? regs[i] : chunks[i]);
        }
    } else {
        for (unsigned i = 0; i < n; i++) {
            regs[i] = tr_get_v(t, (rt + i) % 32);
        }
        if (structured) {
            permute(t, &lanes, regs, chunks, false);
        }
        for (unsigned i = 0; i < n; i++) {
            store_part(t, ldst_add(t, base, (int64_t)(i << chunk)),
                       structured ? chunks[i] : regs[i], chunk, 0, esize);
        }
    }
    if (wback) {
        post_index(t, w, base, n << chunk);
    }
}

void a64_memory_vector_multiple_no_wb(struct tr *t, uint32_t w)
{
    multiple(t, w, false);
}

void a64_memory_vector_multiple_post_inc(struct tr *t, uint32_t w)
{
    multiple(t, w, true);
}

/* One lane of each register, or (opcode 11x, LD1R to LD4R) one element to all lanes. */
static void lane(struct tr *t, uint32_t w, unsigned flags, bool wback)
{
    const unsigned q = A64_BIT(w, 30), s = A64_BIT(w, 12), size = A64_FIELD(w, 11, 10),
                   rt = A64_FIELD(w, 4, 0);
    const unsigned n = (A64_BIT(w, 13) << 1 | A64_BIT(w, 21)) + 1;
    const bool load = A64_BIT(w, 22) != 0;
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));
    unsigned scale = A64_FIELD(w, 15, 14), index = 0;
    bool replicate = false;
    ir_ref value[4];

    switch (scale) {
    case 0:
        index = q << 3 | s << 2 | size;
        break;
    case 1:
        index = q << 2 | s << 1 | size >> 1;
        break;
    case 2:
        if ((size & 1) == 0) {
            index = q << 1 | s;
        } else {
            index = q;
            scale = 3;
        }
        break;
    default:
        replicate = true;
        scale = size;
        break;
    }

    if (load) {
        for (unsigned i = 0; i < n; i++) {
            value[i] = tr_load(t, ldst_add(t, base, (int64_t)(i << scale)), scale, flags, scale, 0);
        }
        for (unsigned i = 0; i < n; i++) {
            const unsigned r = (rt + i) % 32;

            if (replicate) {
                tr_put_vq(t, q, r,
                          tr_node(t, IR_VDUP, scale, 0, value[i], IR_REF_NONE, IR_REF_NONE, 0, 0));
            } else {
                tr_put_v(t, r,
                         tr_node(t, IR_VINSERT, scale, 0, tr_get_v(t, r), value[i], IR_REF_NONE, 0,
                                 index));
            }
        }
    } else {
        for (unsigned i = 0; i < n; i++) {
            const ir_ref element = tr_lane(t, tr_get_v(t, (rt + i) % 32), scale, index);

            tr_store(t, ldst_add(t, base, (int64_t)(i << scale)), element, scale, flags, scale, 0);
        }
    }
    if (wback) {
        post_index(t, w, base, n << scale);
    }
}

void a64_memory_vector_single_no_wb(struct tr *t, uint32_t w)
{
    lane(t, w, 0, false);
}

void a64_memory_vector_single_post_inc(struct tr *t, uint32_t w)
{
    lane(t, w, 0, true);
}

/* LDAP1, STL1 */
void a64_memory_vector_single_no_wb_ordered(struct tr *t, uint32_t w)
{
    lane(t, w, IR_MEM_ATOMIC | (A64_BIT(w, 22) != 0 ? IR_MEM_ACQUIRE : IR_MEM_RELEASE), false);
}
