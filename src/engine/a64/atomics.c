/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Exclusives, compare and swap, and the LSE atomic operations.
 *
 * All are single-copy atomic: misaligned ones fault unless FEAT_LSE2 allows them (IR_MEM_ATOMIC); a 16-byte one must be aligned.
 * None gives an instruction syndrome.
 */
#include "engine/a64/ldst.h"

static unsigned exclusive_flags(unsigned size, bool acquire, bool release)
{
    return IR_MEM_ATOMIC | (acquire ? IR_MEM_ACQUIRE : 0u) | (release ? IR_MEM_RELEASE : 0u) |
           (size == 4 ? IR_MEM_ALIGNED : 0u);
}

/* A pair of registers as one value: two words in 64 bits, or two doublewords in 128. sz: 0 = words. */
static ir_ref join(struct tr *t, unsigned sz, unsigned r1, unsigned r2)
{
    if (sz != 0) {
        return tr_node(t, IR_VPACK, IR_I64, 0, tr_get_x(t, r1), tr_get_x(t, r2), IR_REF_NONE, 0, 0);
    }
    return tr_op2i(t, IR_BFI, IR_I64, tr_get_w(t, r1), tr_get_x(t, r2), 32u | 32u << 8);
}

static void put_pair(struct tr *t, unsigned sz, unsigned r1, unsigned r2, ir_ref value)
{
    ir_ref low, high;

    if (sz != 0) {
        low = tr_lane(t, value, 3, 0);
        high = tr_lane(t, value, 3, 1);
    } else {
        low = tr_op1(t, IR_ZEXT32, IR_I64, value);
        high = tr_op2(t, IR_LSR, IR_I64, value, tr_const(t, 32));
    }
    tr_put_x(t, r1, low);
    tr_put_x(t, r2, high);
}

/* --- Load-exclusive, store-exclusive ------------------------------------------------------------------------------------------ */

static ir_ref load_exclusive(struct tr *t, ir_ref address, unsigned size, bool acquire)
{
    return tr_node(t, IR_LDX, size, exclusive_flags(size, acquire, false), address, IR_REF_NONE,
                   IR_REF_NONE, size, 0);
}

/* Rs == Rt and Rs == Rn are CONSTRAINED UNPREDICTABLE (DATAOVERLAP, BASEOVERLAP): the old values are used, the status is last. */
static void store_exclusive(struct tr *t, ir_ref address, unsigned size, bool release, unsigned rs,
                            ir_ref value)
{
    tr_put_x(t, rs,
             tr_node(t, IR_STX, size, exclusive_flags(size, false, release), address, value,
                     IR_REF_NONE, size, 0));
}

void a64_memory_exclusive_single(struct tr *t, uint32_t w)
{
    const unsigned size = A64_FIELD(w, 31, 30), rt = A64_FIELD(w, 4, 0);
    const bool ordered = A64_BIT(w, 15) != 0;
    const ir_ref address = ldst_base(t, A64_FIELD(w, 9, 5));

    if (A64_BIT(w, 22) != 0) {
        tr_put_x(t, rt, load_exclusive(t, address, size, ordered));
    } else {
        store_exclusive(t, address, size, ordered, A64_FIELD(w, 20, 16), tr_get_x(t, rt));
    }
}

void a64_memory_exclusive_pair(struct tr *t, uint32_t w)
{
    const unsigned sz = A64_BIT(w, 30), size = 3 + sz, rt = A64_FIELD(w, 4, 0),
                   rt2 = A64_FIELD(w, 14, 10);
    const bool ordered = A64_BIT(w, 15) != 0;
    const ir_ref address = ldst_base(t, A64_FIELD(w, 9, 5));

    if (A64_BIT(w, 22) != 0) {
        put_pair(t, sz, rt, rt2, load_exclusive(t, address, size, ordered));
    } else {
        store_exclusive(t, address, size, ordered, A64_FIELD(w, 20, 16), join(t, sz, rt, rt2));
    }
}

/* --- Compare and swap --------------------------------------------------------------------------------------------------------- */

static ir_ref compare_and_swap(struct tr *t, uint32_t w, unsigned size, ir_ref address,
                               ir_ref expected, ir_ref desired)
{
    const unsigned flags = exclusive_flags(size, A64_BIT(w, 22) != 0, A64_BIT(w, 15) != 0);

    return tr_node(t, IR_CAS, size, flags, address, expected, desired, size, 0);
}

void a64_memory_atomicops_cas_single(struct tr *t, uint32_t w)
{
    const unsigned size = A64_FIELD(w, 31, 30), rs = A64_FIELD(w, 20, 16);
    const ir_ref address = ldst_base(t, A64_FIELD(w, 9, 5));

    tr_put_x(
        t, rs,
        compare_and_swap(t, w, size, address, tr_get_x(t, rs), tr_get_x(t, A64_FIELD(w, 4, 0))));
}

/* Odd register numbers are UNDEFINED by the table, so that r + 1 is 31 at most: then it is XZR. */
void a64_memory_atomicops_cas_pair(struct tr *t, uint32_t w)
{
    const unsigned sz = A64_BIT(w, 30), rs = A64_FIELD(w, 20, 16), rt = A64_FIELD(w, 4, 0);
    const ir_ref address = ldst_base(t, A64_FIELD(w, 9, 5));
    const ir_ref expected = join(t, sz, rs, rs + 1);

    put_pair(t, sz, rs, rs + 1,
             compare_and_swap(t, w, 3 + sz, address, expected, join(t, sz, rt, rt + 1)));
}

/* --- LDADD and its kind, SWP --------------------------------------------------------------------------------------------------- */

/* The order of the opc field. */
_Static_assert(IR_ATOMIC_ADD == 0 && IR_ATOMIC_CLR == 1 && IR_ATOMIC_EOR == 2 &&
                   IR_ATOMIC_SET == 3 && IR_ATOMIC_SMAX == 4 && IR_ATOMIC_SMIN == 5 &&
                   IR_ATOMIC_UMAX == 6 && IR_ATOMIC_UMIN == 7,
               "opc is used as the operation");

static void atomic(struct tr *t, uint32_t w, enum ir_atomic op, bool acquire)
{
    const unsigned size = A64_FIELD(w, 31, 30);
    const ir_ref address = ldst_base(t, A64_FIELD(w, 9, 5));

    tr_put_x(t, A64_FIELD(w, 4, 0),
             tr_node(t, IR_ATOMIC, size, exclusive_flags(size, acquire, A64_BIT(w, 22) != 0),
                     address, tr_get_x(t, A64_FIELD(w, 20, 16)), IR_REF_NONE, (unsigned)op, 0));
}

/* With Rt = 31 (the ST forms) nothing is loaded, and the acquire bit has no effect. */
void a64_memory_atomicops_ld(struct tr *t, uint32_t w)
{
    atomic(t, w, (enum ir_atomic)A64_FIELD(w, 14, 12),
           A64_BIT(w, 23) != 0 && A64_FIELD(w, 4, 0) != 31);
}

void a64_memory_atomicops_swp(struct tr *t, uint32_t w)
{
    atomic(t, w, IR_ATOMIC_SWP, A64_BIT(w, 23) != 0);
}
