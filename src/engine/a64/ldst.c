/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Loads and stores of one general-purpose register. Arm ARM DDI0487 J.a, C4.1.94 and the pseudocode of each class. */
#include "engine/a64/ldst.h"

#include "engine/sys/pauth.h"

/* --- Shared with the other load/store files ----------------------------------------------------------------------------------- */

ir_ref ldst_extend(struct tr *t, uint32_t w, unsigned shift)
{
    ir_ref m = tr_get_x(t, A64_FIELD(w, 20, 16));

    switch (A64_FIELD(w, 15, 13)) {
    case 2: /* UXTW */
        m = tr_op1(t, IR_ZEXT32, IR_I64, m);
        break;
    case 6: /* SXTW */
        m = tr_op1(t, IR_SEXT32, IR_I64, m);
        break;
    default: /* LSL and SXTX; options with bit 1 clear are UNDEFINED by the table */
        break;
    }
    if (A64_BIT(w, 12) != 0 && shift != 0) {
        m = tr_op2(t, IR_SHL, IR_I64, m, tr_const(t, shift));
    }
    return m;
}

void ldst_general(struct tr *t, ir_ref address, unsigned size, unsigned opc, unsigned rt,
                  unsigned flags, uint32_t iss)
{
    const bool sixty_four = opc < 2 ? size == 3 : opc == 2;

    if (iss != 0) {
        iss |= LDST_ISS_SAS(size) | LDST_ISS_SRT(rt) | (opc >= 2 ? LDST_ISS_SSE : 0) |
               (sixty_four ? LDST_ISS_SF : 0);
    }
    if (opc == 0) {
        tr_store(t, address, tr_get_x(t, rt), size, flags, size, iss);
        return;
    }
    flags |= opc == 2 ? IR_MEM_SEXT64 : opc == 3 ? IR_MEM_SEXT32 : 0u;
    tr_put_x(t, rt, tr_load(t, address, size, flags, size, iss));
}

/* --- Immediate and register offsets ------------------------------------------------------------------------------------------- */

/* PRFM and PRFUM stand where the 64-bit sign-extending load would be. A prefetch never faults and checks no SP: it is nothing. */
static bool is_prefetch(uint32_t w)
{
    return A64_FIELD(w, 31, 30) == 3 && A64_FIELD(w, 23, 22) == 2;
}

static void offset_form(struct tr *t, uint32_t w, int64_t offset, unsigned flags, uint32_t iss)
{
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));

    ldst_general(t, ldst_add(t, base, offset), A64_FIELD(w, 31, 30), A64_FIELD(w, 23, 22),
                 A64_FIELD(w, 4, 0), flags, iss);
}

/*
 * Rn == Rt is CONSTRAINED UNPREDICTABLE (WBOVERLAPLD, WBOVERLAPST); as in QEMU, a load ends with the written-back address in the
 * register and a store stores the register's old value.
 */
static void writeback_form(struct tr *t, uint32_t w, enum ldst_index index)
{
    const unsigned rn = A64_FIELD(w, 9, 5);
    const ir_ref base = ldst_base(t, rn);
    const ir_ref moved = ldst_add(t, base, ldst_simm(w, 20, 12));

    ldst_general(t, index == LDST_PRE ? moved : base, A64_FIELD(w, 31, 30), A64_FIELD(w, 23, 22),
                 A64_FIELD(w, 4, 0), 0, 0);
    tr_put_sp(t, rn, moved);
}

void a64_memory_single_general_immediate_unsigned(struct tr *t, uint32_t w)
{
    if (!is_prefetch(w)) {
        offset_form(t, w, (int64_t)A64_FIELD(w, 21, 10) << A64_FIELD(w, 31, 30), 0, LDST_ISS_ISV);
    }
}

void a64_memory_single_general_immediate_signed_offset_normal(struct tr *t, uint32_t w)
{
    if (!is_prefetch(w)) {
        offset_form(t, w, ldst_simm(w, 20, 12), 0, LDST_ISS_ISV);
    }
}

void a64_memory_single_general_immediate_signed_offset_unpriv(struct tr *t, uint32_t w)
{
    offset_form(t, w, ldst_simm(w, 20, 12), IR_MEM_UNPRIV, LDST_ISS_ISV);
}

void a64_memory_single_general_immediate_signed_pre_idx(struct tr *t, uint32_t w)
{
    writeback_form(t, w, LDST_PRE);
}

void a64_memory_single_general_immediate_signed_post_idx(struct tr *t, uint32_t w)
{
    writeback_form(t, w, LDST_POST);
}

void a64_memory_single_general_register(struct tr *t, uint32_t w)
{
    const unsigned size = A64_FIELD(w, 31, 30);

    if (is_prefetch(w)) {
        return;
    }
    const ir_ref base = ldst_base(t, A64_FIELD(w, 9, 5));
    const ir_ref address = tr_op2(t, IR_ADD, IR_I64, base, ldst_extend(t, w, size));

    ldst_general(t, address, size, A64_FIELD(w, 23, 22), A64_FIELD(w, 4, 0), 0, LDST_ISS_ISV);
}

void a64_memory_single_general_range(struct tr *t, uint32_t w)
{
    (void)t; /* RPRFM: a hint */
    (void)w;
}

/* No instruction syndrome: the pseudocode of the literal class does not call AArch64.SetLSInstructionSyndrome(). */
void a64_memory_literal_general(struct tr *t, uint32_t w)
{
    const unsigned opc = A64_FIELD(w, 31, 30);

    if (opc == 3) {
        return; /* PRFM */
    }
    const ir_ref address = tr_address(t, t->pc + (uint64_t)(ldst_simm(w, 23, 5) * 4));

    ldst_general(t, address, opc == 1 ? 3 : 2, opc == 2 ? 2 : 1, A64_FIELD(w, 4, 0), 0, 0);
}

/* --- Ordered: LDAR, STLR, LDLAR, STLLR, LDAPR, LDAPUR, STLUR ------------------------------------------------------------------- */

/*
 * Misaligned is an Alignment fault unless all bytes lie within 16 (FEAT_LSE2, AArch64.UnalignedAccessFaults()): IR_MEM_ATOMIC.
 * The syndrome is valid with AR set, as the definition of ISV includes "those with Acquire/Release semantics".
 */
#define ACQUIRE (IR_MEM_ACQUIRE | IR_MEM_ATOMIC)
#define RELEASE (IR_MEM_RELEASE | IR_MEM_ATOMIC)

void a64_memory_single_general_immediate_signed_offset_lda_stl(struct tr *t, uint32_t w)
{
    offset_form(t, w, ldst_simm(w, 20, 12), A64_FIELD(w, 23, 22) == 0 ? RELEASE : ACQUIRE,
                LDST_ISS_ISV | LDST_ISS_AR);
}

/* LDLAR and STLLR (o0 = 0) order less; treating them as LDAR and STLR is what an implementation without LORegions does. */
void a64_memory_ordered(struct tr *t, uint32_t w)
{
    const unsigned load = A64_BIT(w, 22);

    ldst_general(t, ldst_base(t, A64_FIELD(w, 9, 5)), A64_FIELD(w, 31, 30), load,
                 A64_FIELD(w, 4, 0), load ? ACQUIRE : RELEASE, LDST_ISS_ISV | LDST_ISS_AR);
}

void a64_memory_ordered_writeback(struct tr *t, uint32_t w)
{
    const unsigned size = A64_FIELD(w, 31, 30), rn = A64_FIELD(w, 9, 5);
    const ir_ref address = ldst_add(t, ldst_base(t, rn), -(int64_t)(1u << size));

    ldst_general(t, address, size, 0, A64_FIELD(w, 4, 0), RELEASE, 0);
    tr_put_sp(t, rn, address);
}

void a64_memory_ordered_rcpc(struct tr *t, uint32_t w)
{
    ldst_general(t, ldst_base(t, A64_FIELD(w, 9, 5)), A64_FIELD(w, 31, 30), 1, A64_FIELD(w, 4, 0),
                 ACQUIRE, LDST_ISS_ISV | LDST_ISS_AR);
}

void a64_memory_ordered_rcpc_writeback(struct tr *t, uint32_t w)
{
    const unsigned size = A64_FIELD(w, 31, 30), rn = A64_FIELD(w, 9, 5);
    const ir_ref base = ldst_base(t, rn);

    ldst_general(t, base, size, 1, A64_FIELD(w, 4, 0), ACQUIRE, 0);
    tr_put_sp(t, rn, ldst_add(t, base, (int64_t)(1u << size)));
}

/* --- LDRAA, LDRAB ------------------------------------------------------------------------------------------------------------- */

/*
 * The base is authenticated with zero as modifier, and the pre-indexed form writes back the authenticated address. The stack
 * alignment check comes after the authentication, unlike everywhere else.
 */
void a64_memory_single_general_immediate_signed_pac(struct tr *t, uint32_t w)
{
    const enum pauth_key key = A64_BIT(w, 23) != 0 ? PAUTH_DB : PAUTH_DA;
    const unsigned rn = A64_FIELD(w, 9, 5), rt = A64_FIELD(w, 4, 0);
    const bool wback = A64_BIT(w, 11) != 0;
    const int64_t offset = (ldst_simm(w, 22, 22) * 512 + (int64_t)A64_FIELD(w, 20, 12)) * 8;
    ir_ref address = tr_get_sp(t, rn);

    if ((t->mode & (key == PAUTH_DB ? MODE_PAC_DB : MODE_PAC_DA)) != 0) {
        address = tr_helper_keeps_regs(t, HELPER_aut, address, tr_const(t, 0),
                                       (uint32_t)key | PAUTH_COMBINED);
    }
    tr_check_sp(t, rn);
    address = ldst_add(t, address, offset);
    ldst_general(t, address, 3, 1, rt, 0, wback ? 0 : LDST_ISS_ISV);
    if (wback) {
        tr_put_sp(t, rn, address);
    }
}
