/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads and stores of register pairs.
 *
 * A pair is one access of twice the size, which FEAT_LSE2 makes single-copy atomic when it is aligned to its whole size; the
 * alignment that SCTLR_ELx.A checks is that of one register (Mem[] with ispair). Pairs give no instruction syndrome.
 *
 * While a VM has one vCPU, nothing can tell a pair of 64-bit registers from two accesses of 8 bytes, the order of which is that of
 * the addresses. These are what hosts are good at: a load of 16 bytes waits for two stores of 8 to leave the store buffer.
 */
#include "engine/a64/ldst.h"

/* The low and the high half of a value of 2 << size bytes. */
static void split(struct tr *t, ir_ref value, unsigned size, ir_ref half[2])
{
    if (size == 3) {
        half[0] = tr_lane(t, value, 3, 0);
        half[1] = tr_lane(t, value, 3, 1);
    } else {
        half[0] = tr_op1(t, IR_ZEXT32, IR_I64, value);
        half[1] = tr_op2(t, IR_LSR, IR_I64, value, tr_const(t, 32));
    }
}

static bool is_two_accesses(const struct tr *t, unsigned size, unsigned flags)
{
    return size == 3 && flags == 0 && (t->mode & MODE_SMP) == 0;
}

static ir_ref join(struct tr *t, unsigned size, ir_ref low, ir_ref high)
{
    if (size == 3) {
        return tr_node(t, IR_VPACK, IR_I64, 0, low, high, IR_REF_NONE, 0, 0);
    }
    return tr_op2i(t, IR_BFI, IR_I64, tr_op1(t, IR_ZEXT32, IR_I64, low), high, 32u | 32u << 8);
}

static void load_pair(struct tr *t, ir_ref address, unsigned size, unsigned flags, ir_ref half[2])
{
    if (is_two_accesses(t, size, flags)) {
        half[0] = tr_load(t, address, size, flags, size, 0);
        half[1] = tr_load(t, ldst_add(t, address, 8), size, flags, size, 0);
    } else {
        split(t, tr_load(t, address, size + 1, flags, size, 0), size, half);
    }
}

static void store_pair(struct tr *t, ir_ref address, unsigned size, unsigned flags, ir_ref low,
                       ir_ref high)
{
    if (is_two_accesses(t, size, flags)) {
        tr_store(t, address, low, size, flags, size, 0);
        tr_store(t, ldst_add(t, address, 8), high, size, flags, size, 0);
    } else {
        tr_store(t, address, join(t, size, low, high), size + 1, flags, size, 0);
    }
}

/*
 * Overlaps are CONSTRAINED UNPREDICTABLE (LDPOVERLAP, WBOVERLAPLD, WBOVERLAPST) and end as in QEMU: of Rt == Rt2 the first value
 * stays, the written-back address wins over both, and a store stores the old values.
 */
static void general_at(struct tr *t, uint32_t w, ir_ref address, unsigned size, bool is_signed,
                       unsigned flags, unsigned rt2)
{
    const unsigned rt = A64_FIELD(w, 4, 0);

    if (A64_BIT(w, 22) == 0) {
        store_pair(t, address, size, flags, tr_get_x(t, rt), tr_get_x(t, rt2));
        return;
    }
    ir_ref half[2];

    load_pair(t, address, size, flags, half);
    for (unsigned i = 0; i < 2 && is_signed; i++) {
        half[i] = tr_op1(t, IR_SEXT32, IR_I64, half[i]);
    }
    tr_put_x(t, rt2, half[1]);
    tr_put_x(t, rt, half[0]);
}

static void general(struct tr *t, uint32_t w, enum ldst_index index)
{
    const unsigned opc = A64_FIELD(w, 31, 30), rn = A64_FIELD(w, 9, 5);
    const unsigned size = opc == 2 ? 3 : 2; /* opc 1 is LDPSW */
    const ir_ref base = ldst_base(t, rn);
    const ir_ref moved = ldst_add(t, base, ldst_simm(w, 21, 15) * (1 << size));

    general_at(t, w, index == LDST_POST ? base : moved, size, opc == 1, 0, A64_FIELD(w, 14, 10));
    if (index != LDST_OFFSET) {
        tr_put_sp(t, rn, moved);
    }
}

/* LDNP and STNP differ in a hint only. */
void a64_memory_pair_general_no_alloc(struct tr *t, uint32_t w)
{
    general(t, w, LDST_OFFSET);
}

void a64_memory_pair_general_offset(struct tr *t, uint32_t w)
{
    general(t, w, LDST_OFFSET);
}

void a64_memory_pair_general_pre_idx(struct tr *t, uint32_t w)
{
    general(t, w, LDST_PRE);
}

void a64_memory_pair_general_post_idx(struct tr *t, uint32_t w)
{
    general(t, w, LDST_POST);
}

/* --- LDIAPP, STILP ------------------------------------------------------------------------------------------------------------ */

static void ordered(struct tr *t, uint32_t w, int sign, enum ldst_index index, unsigned flags)
{
    const unsigned size = 2 + A64_BIT(w, 30), rn = A64_FIELD(w, 9, 5);
    const bool wback = A64_BIT(w, 12) == 0;
    const ir_ref base = ldst_base(t, rn);
    const ir_ref moved = wback ? ldst_add(t, base, sign * (2 << size)) : base;

    general_at(t, w, index == LDST_POST ? base : moved, size, false, flags, A64_FIELD(w, 20, 16));
    if (wback) {
        tr_put_sp(t, rn, moved);
    }
}

void a64_memory_ordered_pair_ldiapp(struct tr *t, uint32_t w)
{
    ordered(t, w, 1, LDST_POST, IR_MEM_ACQUIRE);
}

void a64_memory_ordered_pair_stilp(struct tr *t, uint32_t w)
{
    ordered(t, w, -1, LDST_PRE, IR_MEM_RELEASE);
}

/* --- SIMD and FP -------------------------------------------------------------------------------------------------------------- */

static void simdfp(struct tr *t, uint32_t w, enum ldst_index index)
{
    const unsigned size = 2 + A64_FIELD(w, 31, 30), rn = A64_FIELD(w, 9, 5);
    const unsigned rt = A64_FIELD(w, 4, 0), rt2 = A64_FIELD(w, 14, 10);
    const bool load = A64_BIT(w, 22) != 0;
    const ir_ref base = ldst_base(t, rn);
    const ir_ref moved = ldst_add(t, base, ldst_simm(w, 21, 15) * (1 << size));
    const ir_ref address = index == LDST_POST ? base : moved;
    ir_ref half[2];

    if (load) {
        if (size == 4) {
            half[0] = tr_load(t, address, 4, 0, 4, 0);
            half[1] = tr_load(t, ldst_add(t, address, 16), 4, 0, 4, 0);
        } else {
            load_pair(t, address, size, 0, half);
            half[0] = tr_node(t, IR_VFROM64, size, 0, half[0], IR_REF_NONE, IR_REF_NONE, 0, 0);
            half[1] = tr_node(t, IR_VFROM64, size, 0, half[1], IR_REF_NONE, IR_REF_NONE, 0, 0);
        }
        tr_put_v(t, rt, half[0]);
        tr_put_v(t, rt2, half[1]);
    } else if (size == 4) {
        tr_store(t, address, tr_get_v(t, rt), 4, 0, 4, 0);
        tr_store(t, ldst_add(t, address, 16), tr_get_v(t, rt2), 4, 0, 4, 0);
    } else {
        half[0] = tr_lane(t, tr_get_v(t, rt), size, 0);
        half[1] = tr_lane(t, tr_get_v(t, rt2), size, 0);
        store_pair(t, address, size, 0, half[0], half[1]);
    }
    if (index != LDST_OFFSET) {
        tr_put_sp(t, rn, moved);
    }
}

void a64_memory_pair_simdfp_no_alloc(struct tr *t, uint32_t w)
{
    simdfp(t, w, LDST_OFFSET);
}

void a64_memory_pair_simdfp_offset(struct tr *t, uint32_t w)
{
    simdfp(t, w, LDST_OFFSET);
}

void a64_memory_pair_simdfp_pre_idx(struct tr *t, uint32_t w)
{
    simdfp(t, w, LDST_PRE);
}

void a64_memory_pair_simdfp_post_idx(struct tr *t, uint32_t w)
{
    simdfp(t, w, LDST_POST);
}
