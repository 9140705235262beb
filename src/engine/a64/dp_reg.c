/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Data processing (register). Arm ARM DDI0487, C4.1.95. */
#include "engine/a64/classes.h"
#include "engine/a64/dp.h"
#include "engine/ir/fold.h"

#define SF(w) A64_BIT(w, 31)
#define RM(w) A64_FIELD(w, 20, 16)
#define RN(w) A64_FIELD(w, 9, 5)
#define RD(w) A64_FIELD(w, 4, 0)

/* ShiftReg() by an immediate */
static ir_ref shifted(struct tr *t, unsigned sf, unsigned r, unsigned type, unsigned amount)
{
    static const enum ir_op ops[4] = {IR_SHL, IR_LSR, IR_ASR, IR_ROR};
    const ir_ref value = tr_get_x(t, r);

    return amount == 0 ? value : tr_op2(t, ops[type], sf, value, tr_const(t, amount));
}

void a64_integer_logical_shiftedreg(struct tr *t, uint32_t w)
{
    static const enum ir_op ops[2][4] = {{IR_AND, IR_OR, IR_XOR, IR_AND},
                                         {IR_BIC, IR_ORN, IR_EON, IR_BIC}};
    const unsigned sf = SF(w), opc = A64_FIELD(w, 30, 29);
    const ir_ref operand = shifted(t, sf, RM(w), A64_FIELD(w, 23, 22), A64_FIELD(w, 15, 10));
    ir_ref result;

    if (RN(w) == 31 && ops[A64_BIT(w, 21)][opc] == IR_OR) { /* MOV */
        result = sf != 0 ? operand : tr_op1(t, IR_ZEXT32, IR_I64, operand);
    } else {
        result = tr_op2(t, ops[A64_BIT(w, 21)][opc], sf, tr_get_x(t, RN(w)), operand);
    }
    if (opc == 3) {
        tr_put_nzcv(t, tr_op1(t, IR_FLAGS_LOGIC, sf, result));
    }
    tr_put_x(t, RD(w), result);
}

void a64_integer_arithmetic_add_sub_shiftedreg(struct tr *t, uint32_t w)
{
    const unsigned sf = SF(w), is_sub = A64_BIT(w, 30);
    const ir_ref a = tr_get_x(t, RN(w)),
                 b = shifted(t, sf, RM(w), A64_FIELD(w, 23, 22), A64_FIELD(w, 15, 10));
    const ir_ref result = tr_op2(t, is_sub != 0 ? IR_SUB : IR_ADD, sf, a, b);

    if (A64_BIT(w, 29) != 0) {
        tr_put_nzcv(t, tr_op2(t, is_sub != 0 ? IR_FLAGS_SUB : IR_FLAGS_ADD, sf, a, b));
    }
    tr_put_x(t, RD(w), result);
}

/* ExtendReg() */
static ir_ref extended(struct tr *t, unsigned r, unsigned option, unsigned shift)
{
    static const enum ir_op ops[8] = {IR_ZEXT8, IR_ZEXT16, IR_ZEXT32, IR_NONE,
                                      IR_SEXT8, IR_SEXT16, IR_SEXT32, IR_NONE};
    ir_ref value = tr_get_x(t, r);

    if (ops[option] != IR_NONE) {
        value = tr_op1(t, ops[option], IR_I64, value);
    }
    return shift == 0 ? value : tr_op2(t, IR_SHL, IR_I64, value, tr_const(t, shift));
}

void a64_integer_arithmetic_add_sub_extendedreg(struct tr *t, uint32_t w)
{
    dp_add_sub(t, SF(w), A64_BIT(w, 30) != 0, A64_BIT(w, 29) != 0, RD(w), tr_get_sp(t, RN(w)),
               extended(t, RM(w), A64_FIELD(w, 15, 13), A64_FIELD(w, 12, 10)));
}

void a64_integer_arithmetic_add_sub_carry(struct tr *t, uint32_t w)
{
    const unsigned sf = SF(w), is_sub = A64_BIT(w, 30);
    const ir_ref a = tr_get_x(t, RN(w)), b = tr_get_x(t, RM(w)), flags = tr_get_nzcv(t);
    /* In a row of them what follows takes only the carry, and not all flags have to be made. */
    const ir_ref carry = flags == t->carry_is_of ? t->carry : flags;
    const ir_ref result = tr_op3(t, is_sub != 0 ? IR_SBC : IR_ADC, sf, a, b, carry);

    if (A64_BIT(w, 29) != 0) {
        t->carry = tr_op3(t, is_sub != 0 ? IR_CARRY_SBC : IR_CARRY_ADC, sf, a, b, carry);
        t->carry_is_of = tr_op3(t, is_sub != 0 ? IR_FLAGS_SBC : IR_FLAGS_ADC, sf, a, b, carry);
        tr_put_nzcv(t, t->carry_is_of);
    }
    tr_put_x(t, RD(w), result);
}

void a64_integer_conditional_select(struct tr *t, uint32_t w)
{
    const unsigned sf = SF(w), op = A64_BIT(w, 30), o2 = A64_BIT(w, 10);
    const ir_ref a = tr_get_xw(t, sf, RN(w));
    ir_ref b = tr_get_xw(t, sf, RM(w));

    if (op != 0) {
        b = tr_op1(t, o2 != 0 ? IR_NEG : IR_NOT, sf, b);
    } else if (o2 != 0) {
        b = tr_op2(t, IR_ADD, sf, b, tr_const(t, 1));
    }
    tr_put_x(t, RD(w), tr_op3(t, IR_SELECT, sf, tr_cond(t, A64_FIELD(w, 15, 12)), a, b));
}

static void two_sources(struct tr *t, uint32_t w, enum ir_op op)
{
    tr_put_x(t, RD(w), tr_op2(t, op, SF(w), tr_get_x(t, RN(w)), tr_get_x(t, RM(w))));
}

static void one_source(struct tr *t, uint32_t w, enum ir_op op)
{
    tr_put_x(t, RD(w), tr_op1(t, op, SF(w), tr_get_x(t, RN(w))));
}

void a64_integer_arithmetic_div(struct tr *t, uint32_t w)
{
    two_sources(t, w, A64_BIT(w, 10) != 0 ? IR_SDIV : IR_UDIV);
}

void a64_integer_shift_variable(struct tr *t, uint32_t w)
{
    static const enum ir_op ops[4] = {IR_SHL, IR_LSR, IR_ASR, IR_ROR};

    two_sources(t, w, ops[A64_FIELD(w, 11, 10)]);
}

void a64_integer_crc(struct tr *t, uint32_t w)
{
    tr_put_x(t, RD(w),
             tr_iop(t, A64_BIT(w, 12) != 0 ? IOP_crc32c : IOP_crc32, tr_get_x(t, RN(w)),
                    tr_get_x(t, RM(w)), A64_FIELD(w, 11, 10)));
}

void a64_integer_arithmetic_max_min_smax_reg(struct tr *t, uint32_t w)
{
    two_sources(t, w, IR_SMAX);
}

void a64_integer_arithmetic_max_min_umax_reg(struct tr *t, uint32_t w)
{
    two_sources(t, w, IR_UMAX);
}

void a64_integer_arithmetic_max_min_smin_reg(struct tr *t, uint32_t w)
{
    two_sources(t, w, IR_SMIN);
}

void a64_integer_arithmetic_max_min_umin_reg(struct tr *t, uint32_t w)
{
    two_sources(t, w, IR_UMIN);
}

/* Ra +- product, or the product alone for MUL and its like. */
static void accumulate(struct tr *t, uint32_t w, unsigned sf, ir_ref product)
{
    const unsigned ra = A64_FIELD(w, 14, 10);

    if (A64_BIT(w, 15) != 0) {
        product = tr_op2(t, IR_SUB, sf, tr_get_x(t, ra), product);
    } else if (ra != 31) {
        product = tr_op2(t, IR_ADD, sf, tr_get_x(t, ra), product);
    }
    tr_put_x(t, RD(w), product);
}

void a64_integer_arithmetic_mul_uniform_add_sub(struct tr *t, uint32_t w)
{
    accumulate(t, w, SF(w), tr_op2(t, IR_MUL, SF(w), tr_get_x(t, RN(w)), tr_get_x(t, RM(w))));
}

void a64_integer_arithmetic_mul_widening_32_64(struct tr *t, uint32_t w)
{
    const enum ir_op extend = A64_BIT(w, 23) != 0 ? IR_ZEXT32 : IR_SEXT32;

    accumulate(t, w, IR_I64,
               tr_op2(t, IR_MUL, IR_I64, tr_op1(t, extend, IR_I64, tr_get_x(t, RN(w))),
                      tr_op1(t, extend, IR_I64, tr_get_x(t, RM(w)))));
}

void a64_integer_arithmetic_mul_widening_64_128hi(struct tr *t, uint32_t w)
{
    tr_put_x(t, RD(w),
             tr_op2(t, A64_BIT(w, 23) != 0 ? IR_UMULH : IR_SMULH, IR_I64, tr_get_x(t, RN(w)),
                    tr_get_x(t, RM(w))));
}

/* --- Flags ------------------------------------------------------------------------------------------------------------------- */

static void conditional_compare(struct tr *t, uint32_t w, ir_ref operand)
{
    const ir_ref compared = tr_op2(t, A64_BIT(w, 30) != 0 ? IR_FLAGS_SUB : IR_FLAGS_ADD, SF(w),
                                   tr_get_x(t, RN(w)), operand);

    tr_put_nzcv(t, tr_op3(t, IR_SELECT, IR_I64, tr_cond(t, A64_FIELD(w, 15, 12)), compared,
                          tr_const(t, (uint64_t)A64_FIELD(w, 3, 0) << 28)));
}

void a64_integer_conditional_compare_register(struct tr *t, uint32_t w)
{
    conditional_compare(t, w, tr_get_x(t, RM(w)));
}

void a64_integer_conditional_compare_immediate(struct tr *t, uint32_t w)
{
    conditional_compare(t, w, tr_const(t, A64_FIELD(w, 20, 16)));
}

/* Of flag values. */
static ir_ref and32(struct tr *t, ir_ref a, uint32_t mask)
{
    return tr_op2(t, IR_AND, IR_I32, a, tr_const(t, mask));
}

static ir_ref or32(struct tr *t, ir_ref a, ir_ref b)
{
    return tr_op2(t, IR_OR, IR_I32, a, b);
}

static ir_ref shl32(struct tr *t, ir_ref a, unsigned count)
{
    return tr_op2(t, IR_SHL, IR_I32, a, tr_const(t, count));
}

/* SETF8, SETF16: N and Z of the low byte or halfword, V from the two bits above its sign; C stays. */
void a64_integer_flags_setf(struct tr *t, uint32_t w)
{
    const unsigned msb = A64_BIT(w, 14) != 0 ? 15 : 7;
    const ir_ref value = tr_get_x(t, RN(w));
    const ir_ref top = shl32(t, value, 31 - msb);
    const ir_ref n = and32(t, top, NZCV_N);
    const ir_ref z = shl32(t, tr_op1(t, IR_EQZ, IR_I32, top), 30);
    const ir_ref differ = tr_op2(t, IR_XOR, IR_I32, value,
                                 tr_op2(t, IR_LSR, IR_I32, value, tr_const(t, 1)));
    const ir_ref v = and32(t, shl32(t, differ, 28 - msb), NZCV_V);

    tr_put_nzcv(t, or32(t, or32(t, or32(t, n, z), v), and32(t, tr_get_nzcv(t), NZCV_C)));
}

void a64_integer_flags_rmif(struct tr *t, uint32_t w)
{
    const ir_ref rotated = tr_op2(t, IR_ROR, IR_I64, tr_get_x(t, RN(w)),
                                  tr_const(t, A64_FIELD(w, 20, 15)));
    const uint32_t mask = A64_FIELD(w, 3, 0) << 28;

    tr_put_nzcv(t, or32(t, and32(t, tr_get_nzcv(t), ~mask), and32(t, shl32(t, rotated, 28), mask)));
}

void a64_integer_flags_cfinv(struct tr *t, uint32_t w)
{
    (void)w;
    tr_put_nzcv(t, tr_op2(t, IR_XOR, IR_I64, tr_get_nzcv(t), tr_const(t, NZCV_C)));
}

/* NZCV from a table of four bits for each NZCV; what is above them is shifted out. */
static void convert_flags(struct tr *t, uint64_t table)
{
    const ir_ref by = tr_op2(t, IR_LSR, IR_I64, tr_get_nzcv(t), tr_const(t, 26));

    tr_put_nzcv(t, shl32(t, tr_op2(t, IR_LSR, IR_I64, tr_const(t, table), by), 28));
}

/* From the external format of FP comparisons: N = !C & !Z, Z = Z & C, C = C | Z, V = !C & Z. */
void a64_integer_flags_xaflag(struct tr *t, uint32_t w)
{
    uint64_t table = 0;

    (void)w;
    for (unsigned nzcv = 0; nzcv < 16; nzcv++) {
        const unsigned z = nzcv >> 2 & 1, c = nzcv >> 1 & 1;
        const unsigned to = (~(c | z) & 1) << 3 | (z & c) << 2 | (c | z) << 1 | (~c & z);
        table |= (uint64_t)to << 4 * nzcv;
    }
    convert_flags(t, table);
}

/* To it: Z = Z | V, C = C & !V, N = V = 0. */
void a64_integer_flags_axflag(struct tr *t, uint32_t w)
{
    uint64_t table = 0;

    (void)w;
    for (unsigned nzcv = 0; nzcv < 16; nzcv++) {
        const unsigned z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1;
        table |= (uint64_t)((z | v) << 2 | (c & ~v) << 1) << 4 * nzcv;
    }
    convert_flags(t, table);
}

/* --- One source -------------------------------------------------------------------------------------------------------------- */

void a64_integer_arithmetic_rbit(struct tr *t, uint32_t w)
{
    one_source(t, w, IR_RBIT);
}

void a64_integer_arithmetic_rev(struct tr *t, uint32_t w)
{
    static const enum ir_op ops[4] = {IR_NONE, IR_REV16, IR_REV32, IR_REV64};

    one_source(t, w, ops[A64_FIELD(w, 11, 10)]);
}

void a64_integer_arithmetic_cnt(struct tr *t, uint32_t w)
{
    one_source(t, w, A64_BIT(w, 10) != 0 ? IR_CLS : IR_CLZ);
}

void a64_integer_arithmetic_unary_ctz(struct tr *t, uint32_t w)
{
    one_source(t, w, IR_CTZ);
}

void a64_integer_arithmetic_unary_cnt(struct tr *t, uint32_t w)
{
    one_source(t, w, IR_CNT);
}

void a64_integer_arithmetic_unary_abs(struct tr *t, uint32_t w)
{
    const unsigned sf = SF(w);
    const ir_ref value = tr_get_xw(t, sf, RN(w));
    const ir_ref negative = tr_op1i(t, IR_BIT, IR_I64, value, sf != 0 ? 63 : 31);

    tr_put_x(t, RD(w), tr_op3(t, IR_SELECT, sf, negative, tr_op1(t, IR_NEG, sf, value), value));
}

/* --- Pointer authentication -------------------------------------------------------------------------------------------------- */

static const uint32_t key_enabled[4] = {MODE_PAC_IA, MODE_PAC_IB, MODE_PAC_DA, MODE_PAC_DB};

/* rn 31 is SP for the modifier; Z: the modifier is zero. A key that SCTLR_ELx switches off leaves the pointer alone. */
static void pointer_auth(struct tr *t, enum ir_helper helper, unsigned key, unsigned rd,
                         ir_ref modifier)
{
    if ((t->mode & key_enabled[key]) != 0 && rd != 31) {
        tr_put_x(t, rd, tr_helper_keeps_regs(t, helper, tr_get_x(t, rd), modifier, key));
    } else if ((t->mode & key_enabled[key]) != 0 && helper == HELPER_aut) {
        /* AUT of XZR can still fail. */
        tr_helper_keeps_regs(t, helper, tr_const(t, 0), modifier, key);
    }
}

static void pointer_auth_dp(struct tr *t, uint32_t w, enum ir_helper helper, unsigned key)
{
    pointer_auth(t, helper, key, RD(w), A64_BIT(w, 13) != 0 ? tr_const(t, 0) : tr_get_sp(t, RN(w)));
}

/* Hints: CRm 1 works on X17 with X16, CRm 3 on X30 with zero (op2 even) or SP (odd). */
static void pointer_auth_hint(struct tr *t, uint32_t w, enum ir_helper helper, unsigned key)
{
    if (A64_FIELD(w, 11, 8) == 1) {
        pointer_auth(t, helper, key, 17, tr_get_x(t, 16));
    } else {
        pointer_auth(t, helper, key, 30, A64_BIT(w, 5) != 0 ? tr_get_sp(t, 31) : tr_const(t, 0));
    }
}

#define POINTER_AUTH(class, form, helper, key)           \
    void a64_##class(struct tr * t, uint32_t w)          \
    {                                                    \
        pointer_auth_##form(t, w, HELPER_##helper, key); \
    }
POINTER_AUTH(integer_pac_pacia_dp_1src, dp, pac, 0)
POINTER_AUTH(integer_pac_pacib_dp_1src, dp, pac, 1)
POINTER_AUTH(integer_pac_pacda_dp_1src, dp, pac, 2)
POINTER_AUTH(integer_pac_pacdb_dp_1src, dp, pac, 3)
POINTER_AUTH(integer_pac_autia_dp_1src, dp, aut, 0)
POINTER_AUTH(integer_pac_autib_dp_1src, dp, aut, 1)
POINTER_AUTH(integer_pac_autda_dp_1src, dp, aut, 2)
POINTER_AUTH(integer_pac_autdb_dp_1src, dp, aut, 3)
POINTER_AUTH(integer_pac_pacia_hint, hint, pac, 0)
POINTER_AUTH(integer_pac_pacib_hint, hint, pac, 1)
POINTER_AUTH(integer_pac_autia_hint, hint, aut, 0)
POINTER_AUTH(integer_pac_autib_hint, hint, aut, 1)

void a64_integer_pac_pacga_dp_2src(struct tr *t, uint32_t w)
{
    tr_put_x(t, RD(w),
             tr_helper_keeps_regs(t, HELPER_pacga, tr_get_x(t, RN(w)), tr_get_sp(t, RM(w)), 0));
}

void a64_integer_pac_strip_dp_1src(struct tr *t, uint32_t w)
{
    tr_put_x(t, RD(w),
             tr_helper_keeps_regs(t, HELPER_xpac, tr_get_x(t, RD(w)), IR_REF_NONE, A64_BIT(w, 10)));
}

void a64_integer_pac_strip_hint(struct tr *t, uint32_t w)
{
    (void)w;
    tr_put_x(t, 30, tr_helper_keeps_regs(t, HELPER_xpac, tr_get_x(t, 30), IR_REF_NONE, 0));
}
