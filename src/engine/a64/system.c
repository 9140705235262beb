/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Exception generation, hints, barriers, system registers and system instructions. */
#include "engine/a64/classes.h"
#include "engine/a64/features.h"
#include "engine/sys/sysreg.h"

static void exception(struct tr *t, uint32_t w, enum ir_helper helper)
{
    tr_helper(t, helper, IR_REF_NONE, IR_REF_NONE, A64_FIELD(w, 20, 5));
    tr_end(t);
}

void a64_system_exceptions_runtime_svc(struct tr *t, uint32_t w)
{
    exception(t, w, HELPER_svc);
}

void a64_system_exceptions_runtime_hvc(struct tr *t, uint32_t w)
{
    exception(t, w, HELPER_hvc);
}

void a64_system_exceptions_runtime_smc(struct tr *t, uint32_t w)
{
    exception(t, w, HELPER_smc);
}

void a64_system_exceptions_debug_breakpoint(struct tr *t, uint32_t w)
{
    exception(t, w, HELPER_brk);
}

void a64_system_exceptions_debug_halt(struct tr *t, uint32_t w)
{
    exception(t, w, HELPER_hlt);
}

/* --- Hints ------------------------------------------------------------------------------------------------------------------- */

/* CRm:op2. What is not listed executes as NOP, BTI too: the landing is checked at block entry. */
void a64_system_hints(struct tr *t, uint32_t w)
{
    switch (A64_FIELD(w, 11, 5)) {
    case 1: /* YIELD */
        tr_helper_keeps_regs(t, HELPER_yield, IR_REF_NONE, IR_REF_NONE, 0);
        break;
    case 2: /* WFE */
    case 3: /* WFI */
        tr_helper(t, HELPER_wfx, IR_REF_NONE, tr_const(t, 31), A64_BIT(w, 5) != 0 ? 0 : 1);
        tr_end(t);
        break;
    case 4: /* SEV */
    case 5: /* SEVL */
        tr_helper_keeps_regs(t, HELPER_sev, IR_REF_NONE, IR_REF_NONE, A64_BIT(w, 5));
        break;
    case 16: /* ESB */
        if (tr_has(t, A64_FEAT_RAS)) {
            tr_helper(t, HELPER_esb, IR_REF_NONE, IR_REF_NONE, 0);
            tr_end(t);
        }
        break;
    default:
        break;
    }
}

void a64_system_sysinstwithreg_wfet(struct tr *t, uint32_t w)
{
    tr_helper(t, HELPER_wfx, tr_get_x(t, A64_FIELD(w, 4, 0)), tr_const(t, A64_FIELD(w, 4, 0)), 3);
    tr_end(t);
}

void a64_system_sysinstwithreg_wfit(struct tr *t, uint32_t w)
{
    tr_helper(t, HELPER_wfx, tr_get_x(t, A64_FIELD(w, 4, 0)), tr_const(t, A64_FIELD(w, 4, 0)), 2);
    tr_end(t);
}

/* --- Barriers ---------------------------------------------------------------------------------------------------------------- */

void a64_system_monitors(struct tr *t, uint32_t w)
{
    (void)w;
    tr_node(t, IR_CLREX, IR_I64, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
}

void a64_system_barriers_dmb(struct tr *t, uint32_t w)
{
    static const enum ir_fence fences[4] = {IR_FENCE_FULL, IR_FENCE_LOAD, IR_FENCE_STORE,
                                            IR_FENCE_FULL};

    tr_node(t, IR_FENCE, IR_I64, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0,
            fences[A64_FIELD(w, 9, 8)]);
}

void a64_system_barriers_dsb(struct tr *t, uint32_t w)
{
    (void)w;
    tr_helper_keeps_regs(t, HELPER_barrier, IR_REF_NONE, IR_REF_NONE, 0);
}

void a64_system_barriers_dsb_nxs(struct tr *t, uint32_t w)
{
    a64_system_barriers_dsb(t, w);
}

/* What writes system registers acts at once and ends its block. What is left is to show what other vCPUs have changed: the poll
 * before the next block does. */
void a64_system_barriers_isb(struct tr *t, uint32_t w)
{
    (void)w;
    tr_end(t);
}

/* Nothing is speculated. */
void a64_system_barriers_sb(struct tr *t, uint32_t w)
{
    (void)t, (void)w;
}

/* --- System registers -------------------------------------------------------------------------------------------------------- */

/* op0:op1:CRn:CRm:op2 as the framework numbers registers: exactly bits 20:5 of the word. */
static uint32_t register_id(uint32_t w)
{
    return A64_FIELD(w, 20, 5);
}
#define ID_NZCV 0xda10u /* S3_3_C4_C2_0 */

static ir_ref field(struct tr *t, const struct sysreg_plain *plain)
{
    ir_ref value = tr_node(t, IR_GET_FIELD, IR_I64, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0,
                           plain->offset);

    value = tr_op2(t, IR_LSR, IR_I64, value, tr_const(t, plain->shift));
    return plain->mask == UINT64_MAX ? value
                                     : tr_op2(t, IR_AND, IR_I64, value, tr_const(t, plain->mask));
}

static void put_field(struct tr *t, const struct sysreg_plain *plain, ir_ref value)
{
    if (plain->mask != UINT64_MAX) {
        value = tr_op2(t, IR_AND, IR_I64, value, tr_const(t, plain->mask));
    }
    tr_node(t, IR_PUT_FIELD, IR_I64, 0, value, IR_REF_NONE, IR_REF_NONE, 0, plain->offset);
}

void a64_system_register_system(struct tr *t, uint32_t w)
{
    const unsigned rt = A64_FIELD(w, 4, 0);
    struct sysreg_plain plain;

    if (A64_BIT(w, 21) != 0) { /* MRS */
        if (register_id(w) == ID_NZCV) {
            tr_put_x(t, rt, tr_get_nzcv(t));
        } else if (sysreg_is_plain(t->cpu, t->mode, register_id(w), true, &plain)) {
            tr_put_x(t, rt, field(t, &plain));
        } else {
            tr_put_x(
                t, rt,
                tr_helper_keeps_regs(t, HELPER_mrs, IR_REF_NONE, tr_const(t, rt), register_id(w)));
        }
    } else if (register_id(w) == ID_NZCV) {
        tr_put_nzcv(t, tr_op2(t, IR_AND, IR_I64, tr_get_x(t, rt), tr_const(t, 0xf0000000u)));
    } else if (sysreg_is_plain(t->cpu, t->mode, register_id(w), false, &plain)) {
        put_field(t, &plain, tr_get_x(t, rt));
    } else {
        tr_helper(t, HELPER_msr, tr_get_x(t, rt), tr_const(t, rt), register_id(w));
        tr_end(t);
    }
}

void a64_system_register_cpsr(struct tr *t, uint32_t w)
{
    tr_helper(t, HELPER_msr_imm, IR_REF_NONE, IR_REF_NONE,
              A64_FIELD(w, 18, 16) << 8 | A64_FIELD(w, 7, 5) << 4 | A64_FIELD(w, 11, 8));
    tr_end(t);
}

#define ID_DC_ZVA 0x5ba1u /* S1_3_C7_C4_1 */
#define LOG2_ZVA  6       /* DCZID_EL0.BS of all profiles, in bytes */

void a64_system_sysops(struct tr *t, uint32_t w)
{
    const unsigned rt = A64_FIELD(w, 4, 0);

    if (A64_BIT(w, 21) != 0) {
        tr_put_x(
            t, rt,
            tr_helper_keeps_regs(t, HELPER_sysl, IR_REF_NONE, tr_const(t, rt), register_id(w)));
        tr_end(t);
    } else if (register_id(w) == ID_DC_ZVA && (t->mode & MODE_ZVA) != 0) {
        tr_node(t, IR_ZERO, LOG2_ZVA, 0, tr_get_x(t, rt), IR_REF_NONE, IR_REF_NONE, 0, 0);
    } else {
        tr_helper(t, HELPER_sys, tr_get_x(t, rt), tr_const(t, rt), register_id(w));
        tr_end(t);
    }
}
