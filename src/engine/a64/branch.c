/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Branches. */
#include "engine/a64/classes.h"
#include "engine/a64/features.h"
#include "engine/ir/fold.h"

static uint64_t target(const struct tr *t, uint32_t imm, unsigned width)
{
    return t->pc + (ir_sext(imm, width) << 2);
}

void a64_branch_unconditional_immediate(struct tr *t, uint32_t w)
{
    if (A64_BIT(w, 31) != 0) {
        tr_put_x(t, 30, tr_address(t, t->pc + 4));
        t->recurs |= target(t, A64_FIELD(w, 25, 0), 26) == t->start;
    }
    tr_jump(t, target(t, A64_FIELD(w, 25, 0), 26));
}

void a64_branch_conditional_compare(struct tr *t, uint32_t w)
{
    const ir_ref value = tr_get_x(t, A64_FIELD(w, 4, 0));

    tr_branch_if(t, tr_op1(t, A64_BIT(w, 24) != 0 ? IR_NEZ : IR_EQZ, A64_BIT(w, 31), value),
                 target(t, A64_FIELD(w, 23, 5), 19));
}

void a64_branch_conditional_test(struct tr *t, uint32_t w)
{
    const unsigned bit = A64_BIT(w, 31) << 5 | A64_FIELD(w, 23, 19);
    ir_ref condition = tr_op1i(t, IR_BIT, IR_I64, tr_get_x(t, A64_FIELD(w, 4, 0)), bit);

    if (A64_BIT(w, 24) == 0) {
        condition = tr_op1(t, IR_EQZ, IR_I64, condition);
    }
    tr_branch_if(t, condition, target(t, A64_FIELD(w, 18, 5), 14));
}

void a64_branch_conditional_cond(struct tr *t, uint32_t w)
{
    const unsigned cond = A64_FIELD(w, 3, 0);

    if (cond >= 14) {
        tr_jump(t, target(t, A64_FIELD(w, 23, 5), 19));
    } else {
        tr_branch_if(t, tr_cond(t, cond), target(t, A64_FIELD(w, 23, 5), 19));
    }
}

void a64_branch_conditional_hinted(struct tr *t, uint32_t w)
{
    a64_branch_conditional_cond(t, w);
}

/* Authenticates with the key in bit 10 when the mode has it enabled; Z: modifier in Rm (31 = SP), else zero. */
static ir_ref authenticated(struct tr *t, uint32_t w, ir_ref pointer, ir_ref modifier)
{
    const unsigned key = A64_BIT(w, 10);

    if ((t->mode & (key != 0 ? MODE_PAC_IB : MODE_PAC_IA)) == 0) {
        return pointer;
    }
    return tr_helper_keeps_regs(t, HELPER_aut, pointer, modifier, key | 1u << 4);
}

void a64_branch_unconditional_register(struct tr *t, uint32_t w)
{
    const unsigned op = A64_FIELD(w, 22, 21), rn = A64_FIELD(w, 9, 5); /* 0 BR, 1 BLR, 2 RET */
    ir_ref destination = tr_get_x(t, op == 2 && A64_BIT(w, 11) != 0 ? 30 : rn);

    if (A64_BIT(w, 11) != 0) {
        ir_ref modifier = tr_const(t, 0);
        if (op == 2) {
            modifier = tr_get_sp(t, 31);
        } else if (A64_BIT(w, 24) != 0) {
            modifier = tr_get_sp(t, A64_FIELD(w, 4, 0));
        }
        destination = authenticated(t, w, destination, modifier);
    }
    const bool goes_on = tr_expects(t, destination);
    if (op == 1) {
        tr_put_x(t, 30, tr_address(t, t->pc + 4));
    }
    if (goes_on) {
        return;
    }
    /*
     * SetBTypeNext(): BLR 2; BR 1 through X16 or X17 or from a page that is not guarded, else 3; RET 0. Without FEAT_BTI
     * PSTATE.BTYPE does not exist, and an exception taken at the destination must not show it in SPSR_ELx.
     */
    if (op != 2 && tr_has(t, A64_FEAT_BTI)) {
        const unsigned btype = op == 1 ? 2 : rn == 16 || rn == 17 || !t->guarded ? 1 : 3;
        tr_node(t, IR_PUT_BTYPE, IR_I64, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, btype);
    }
    tr_jump_ind(t, destination, op == 0 ? IR_JUMP_BRANCH : op == 1 ? IR_JUMP_CALL : IR_JUMP_RETURN);
}

void a64_branch_unconditional_eret(struct tr *t, uint32_t w)
{
    tr_helper(t, HELPER_eret, IR_REF_NONE, IR_REF_NONE,
              A64_BIT(w, 11) == 0 ? 0 : 1 + A64_BIT(w, 10));
    tr_end(t);
}
