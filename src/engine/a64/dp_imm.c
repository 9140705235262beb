/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Data processing (immediate). Arm ARM DDI0487, C4.1.92. */
#include "engine/a64/classes.h"
#include "engine/a64/dp.h"
#include "engine/ir/fold.h"

void a64_integer_arithmetic_address_pc_rel(struct tr *t, uint32_t w)
{
    const uint64_t imm = ir_sext(A64_FIELD(w, 23, 5) << 2 | A64_FIELD(w, 30, 29), 21);
    const uint64_t value = A64_BIT(w, 31) != 0 ? (t->pc & ~0xfffull) + (imm << 12) : t->pc + imm;

    tr_put_x(t, A64_FIELD(w, 4, 0), tr_address(t, value));
}

void dp_add_sub(struct tr *t, unsigned sf, bool is_sub, bool set_flags, unsigned rd, ir_ref a,
                ir_ref b)
{
    const ir_ref result = tr_op2(t, is_sub ? IR_SUB : IR_ADD, sf, a, b);

    if (set_flags) {
        tr_put_nzcv(t, tr_op2(t, is_sub ? IR_FLAGS_SUB : IR_FLAGS_ADD, sf, a, b));
        tr_put_x(t, rd, result);
    } else {
        tr_put_sp(t, rd, result);
    }
}

void a64_integer_arithmetic_add_sub_immediate(struct tr *t, uint32_t w)
{
    const uint64_t imm = (uint64_t)A64_FIELD(w, 21, 10) << (A64_BIT(w, 22) != 0 ? 12 : 0);

    dp_add_sub(t, A64_BIT(w, 31), A64_BIT(w, 30) != 0, A64_BIT(w, 29) != 0, A64_FIELD(w, 4, 0),
               tr_get_sp(t, A64_FIELD(w, 9, 5)), tr_const(t, imm));
}

static void min_max_imm(struct tr *t, uint32_t w, enum ir_op op, bool is_signed)
{
    const unsigned sf = A64_BIT(w, 31);
    const uint64_t imm8 = A64_FIELD(w, 17, 10);

    tr_put_x(t, A64_FIELD(w, 4, 0),
             tr_op2(t, op, sf, tr_get_x(t, A64_FIELD(w, 9, 5)),
                    tr_const(t, is_signed ? ir_trunc(sf, ir_sext(imm8, 8)) : imm8)));
}

void a64_integer_arithmetic_max_min_smax_imm(struct tr *t, uint32_t w)
{
    min_max_imm(t, w, IR_SMAX, true);
}

void a64_integer_arithmetic_max_min_umax_imm(struct tr *t, uint32_t w)
{
    min_max_imm(t, w, IR_UMAX, false);
}

void a64_integer_arithmetic_max_min_smin_imm(struct tr *t, uint32_t w)
{
    min_max_imm(t, w, IR_SMIN, true);
}

void a64_integer_arithmetic_max_min_umin_imm(struct tr *t, uint32_t w)
{
    min_max_imm(t, w, IR_UMIN, false);
}

/* The wmask of DecodeBitMasks(); the decoder has refused the reserved values. */
static uint64_t bit_mask(unsigned n, unsigned imms, unsigned immr)
{
    const unsigned length = 31 - (unsigned)__builtin_clz(n << 6 | (~imms & 63u));
    const unsigned size = 1u << length;
    const unsigned ones = (imms & (size - 1)) + 1, rotate = immr & (size - 1);
    uint64_t element = ir_ones(ones);

    if (rotate != 0) {
        element = (element >> rotate | element << (size - rotate)) & ir_ones(size);
    }
    for (unsigned width = size; width < 64; width *= 2) {
        element |= element << width;
    }
    return element;
}

void a64_integer_logical_immediate(struct tr *t, uint32_t w)
{
    static const enum ir_op ops[4] = {IR_AND, IR_OR, IR_XOR, IR_AND};
    const unsigned sf = A64_BIT(w, 31), opc = A64_FIELD(w, 30, 29), rd = A64_FIELD(w, 4, 0);
    const uint64_t imm = ir_trunc(
        sf, bit_mask(A64_BIT(w, 22), A64_FIELD(w, 15, 10), A64_FIELD(w, 21, 16)));
    const ir_ref result = tr_op2(t, ops[opc], sf, tr_get_x(t, A64_FIELD(w, 9, 5)),
                                 tr_const(t, imm));

    if (opc == 3) {
        tr_put_nzcv(t, tr_op1(t, IR_FLAGS_LOGIC, sf, result));
        tr_put_x(t, rd, result);
    } else {
        tr_put_sp(t, rd, result);
    }
}

void a64_integer_ins_ext_insert_movewide(struct tr *t, uint32_t w)
{
    const unsigned sf = A64_BIT(w, 31), opc = A64_FIELD(w, 30, 29),
                   shift = A64_FIELD(w, 22, 21) * 16, rd = A64_FIELD(w, 4, 0);
    const uint64_t imm = A64_FIELD(w, 20, 5);

    if (opc == 3) { /* MOVK */
        tr_put_x(t, rd,
                 tr_op2i(t, IR_BFI, sf, tr_get_x(t, rd), tr_const(t, imm), shift | 16u << 8));
    } else {
        const uint64_t value = imm << shift;
        tr_put_x(t, rd, tr_const(t, ir_trunc(sf, opc == 0 ? ~value : value)));
    }
}

/* The low `width` bits, or those from lsb up to the top. */
static ir_ref extract_field(struct tr *t, unsigned sf, bool is_signed, ir_ref source, unsigned lsb,
                            unsigned width)
{
    const unsigned size = sf != 0 ? 64 : 32;

    if (lsb + width == size) {
        return width < size ? tr_op2(t, is_signed ? IR_ASR : IR_LSR, sf, source, tr_const(t, lsb))
               : sf != 0    ? source
                            : tr_op1(t, IR_ZEXT32, IR_I64, source);
    }
    if (lsb == 0 && (width == 8 || width == 16 || width == 32)) {
        const enum ir_op op = width == 8    ? is_signed ? IR_SEXT8 : IR_ZEXT8
                              : width == 16 ? is_signed ? IR_SEXT16 : IR_ZEXT16
                              : is_signed   ? IR_SEXT32
                                            : IR_ZEXT32;
        return tr_op1(t, op, is_signed ? sf : IR_I64, source);
    }
    return tr_op1i(t, is_signed ? IR_SBFX : IR_UBFX, sf, source, lsb | width << 8);
}

/* The low `width` bits, moved up to lsb: SHL last where it may become part of an address. */
static ir_ref lift_field(struct tr *t, unsigned sf, bool is_signed, ir_ref source, unsigned lsb,
                         unsigned width)
{
    const unsigned above = (sf != 0 ? 64 : 32) - lsb - width;

    if (above != 0 && width != 8 && width != 16 && (width > 32 || (is_signed && width != 32))) {
        const ir_ref top = tr_op2(t, IR_SHL, sf, source, tr_const(t, above + lsb));
        return tr_op2(t, is_signed ? IR_ASR : IR_LSR, sf, top, tr_const(t, above));
    }
    return tr_op2(t, IR_SHL, sf,
                  above != 0 ? extract_field(t, sf, is_signed, source, 0, width) : source,
                  tr_const(t, lsb));
}

/*
 * SBFM, BFM, UBFM: with imms >= immr a field is extracted to the bottom, else the low imms + 1 bits move up. LSL, LSR, ASR, SXTB,
 * UXTH and others are names of these.
 */
void a64_integer_bitfield(struct tr *t, uint32_t w)
{
    const unsigned sf = A64_BIT(w, 31), opc = A64_FIELD(w, 30, 29), rd = A64_FIELD(w, 4, 0);
    const unsigned immr = A64_FIELD(w, 21, 16), imms = A64_FIELD(w, 15, 10),
                   size = sf != 0 ? 64 : 32;
    const bool extract = imms >= immr;
    const unsigned width = extract ? imms - immr + 1 : imms + 1;
    const unsigned up = extract ? 0 : size - immr;
    const ir_ref source = tr_get_x(t, A64_FIELD(w, 9, 5));
    ir_ref result;

    if (opc == 1) { /* BFM */
        const ir_ref field = extract ? tr_op1i(t, IR_UBFX, sf, source, immr | width << 8) : source;
        result = tr_op2i(t, IR_BFI, sf, tr_get_x(t, rd), field, up | width << 8);
    } else if (extract) {
        result = extract_field(t, sf, opc == 0, source, immr, width);
    } else {
        result = lift_field(t, sf, opc == 0, source, up, width);
    }
    tr_put_x(t, rd, result);
}

void a64_integer_ins_ext_extract_immediate(struct tr *t, uint32_t w)
{
    tr_put_x(t, A64_FIELD(w, 4, 0),
             tr_op2i(t, IR_EXTR, A64_BIT(w, 31), tr_get_x(t, A64_FIELD(w, 9, 5)),
                     tr_get_x(t, A64_FIELD(w, 20, 16)), A64_FIELD(w, 15, 10)));
}
