/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* SIMD moves: elements, immediates, bitwise logic, permutations and table lookups. */
#include "engine/a64/simd.h"

/* --- Elements ---------------------------------------------------------------------------------*/

/* imm5: the lowest set bit is the lane size, the bits above it are the lane number. */
static unsigned imm5_size(uint32_t w)
{
    return (unsigned)__builtin_ctz(A64_FIELD(w, 20, 16) | 0x10) & 3;
}

static unsigned imm5_index(uint32_t w)
{
    return A64_FIELD(w, 20, 16) >> (imm5_size(w) + 1);
}

/* DUP of an element */
void a64_vector_transfer_vector_cpy_dup_simd(struct tr *t, uint32_t w)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop1(t, VOP_dup, simd_rn(t, w), simd_form(w, imm5_size(w), imm5_index(w))));
}

void a64_vector_transfer_vector_cpy_dup_sisd(struct tr *t, uint32_t w)
{
    const unsigned size = imm5_size(w);

    tr_put_v(t, SIMD_RD(w), simd_from64(t, size, tr_lane(t, simd_rn(t, w), size, imm5_index(w))));
}

/* DUP of a general register */
void a64_vector_transfer_integer_dup(struct tr *t, uint32_t w)
{
    tr_put_vq(t, simd_q(w), SIMD_RD(w), simd_dup(t, imm5_size(w), tr_get_x(t, SIMD_RN(w))));
}

static void insert(struct tr *t, uint32_t w, ir_ref integer)
{
    tr_put_v(t, SIMD_RD(w),
             tr_node(t, IR_VINSERT, imm5_size(w), 0, simd_rd(t, w), integer, IR_REF_NONE, 0,
                     imm5_index(w)));
}

/* INS */
SIMD_CLASS(vector_transfer_integer_insert, insert(t, w, tr_get_x(t, SIMD_RN(w))))
SIMD_CLASS(vector_transfer_vector_insert,
           insert(t, w,
                  tr_lane(t, simd_rn(t, w), imm5_size(w), A64_FIELD(w, 14, 11) >> imm5_size(w))))

/* UMOV, SMOV */
void a64_vector_transfer_integer_move_unsigned(struct tr *t, uint32_t w)
{
    tr_put_x(t, SIMD_RD(w), tr_lane(t, simd_rn(t, w), imm5_size(w), imm5_index(w)));
}

void a64_vector_transfer_integer_move_signed(struct tr *t, uint32_t w)
{
    const ir_ref value = tr_node(t, IR_VLANES, imm5_size(w), 0, simd_rn(t, w), IR_REF_NONE,
                                 IR_REF_NONE, 0, imm5_index(w));

    tr_put_x(t, SIMD_RD(w), simd_q(w) != 0 ? value : tr_op1(t, IR_ZEXT32, IR_I64, value));
}

/* --- Immediates -------------------------------------------------------------------------------*/

static uint64_t replicate(uint64_t value, unsigned bits)
{
    for (; bits < 64; bits *= 2) {
        value |= value << bits;
    }
    return value;
}

/* The bits of VFPExpandImm(): sign, and an exponent of `exponent` bits whose second highest bit fills all but the ends. */
static uint64_t expand_fp(uint32_t imm8, unsigned bits, unsigned exponent)
{
    const uint64_t sign = imm8 >> 7, b = imm8 >> 6 & 1;
    const uint64_t exponent_high = (b ^ 1) << (exponent - 1) | ((1ull << (exponent - 3)) - 1) * b
                                                                   << 2;

    return sign << (bits - 1) | exponent_high << (bits - 1 - exponent) |
           (uint64_t)(imm8 & 0x3f) << (bits - 1 - exponent - 4);
}

/* AdvSIMDExpandImm() */
static uint64_t expand_imm(unsigned op, unsigned cmode, uint64_t imm8)
{
    uint64_t value = 0;

    switch (cmode >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
        return replicate(imm8 << 8 * (cmode >> 1), 32);
    case 4:
    case 5:
        return replicate(imm8 << 8 * (cmode >> 1 & 1), 16);
    case 6: /* ones are shifted in */
        return replicate((cmode & 1) != 0 ? imm8 << 16 | 0xffff : imm8 << 8 | 0xff, 32);
    default:
        break;
    }
    if ((cmode & 1) != 0) {
        return op == 0 ? replicate(expand_fp((uint32_t)imm8, 32, 8), 32)
                       : expand_fp((uint32_t)imm8, 64, 11);
    }
    if (op == 0) {
        return replicate(imm8, 8);
    }
    for (unsigned i = 0; i < 8; i++) { /* one bit for each byte */
        value |= (imm8 >> i & 1) * 0xffull << 8 * i;
    }
    return value;
}

static uint32_t modified_imm8(uint32_t w)
{
    return A64_FIELD(w, 18, 16) << 5 | A64_FIELD(w, 9, 5);
}

static void put_constant(struct tr *t, uint32_t w, uint64_t value)
{
    const ir_ref c = tr_const(t, value);

    tr_put_v(t, SIMD_RD(w),
             simd_q(w) != 0 && value != 0 ? simd_dup(t, 3, c) : simd_from64(t, 3, c));
}

/* MOVI, MVNI, ORR, BIC, FMOV */
void a64_vector_logical(struct tr *t, uint32_t w)
{
    const unsigned op = SIMD_U(w), cmode = A64_FIELD(w, 15, 12);
    const uint64_t value = expand_imm(op, cmode, modified_imm8(w));

    if (cmode < 12 && (cmode & 1) != 0) {
        tr_put_vq(t, simd_q(w), SIMD_RD(w),
                  simd_bitwise(t, op != 0 ? IR_VBIC : IR_VOR, simd_rd(t, w),
                               simd_dup(t, 3, tr_const(t, value)), IR_REF_NONE));
    } else {
        put_constant(t, w, op != 0 && cmode < 14 ? ~value : value);
    }
}

/* FMOV of half-precision lanes */
void a64_vector_fp16_movi(struct tr *t, uint32_t w)
{
    put_constant(t, w, replicate(expand_fp(modified_imm8(w), 16, 5), 16));
}

/* --- Bitwise logic ----------------------------------------------------------------------------*/

/* AND, BIC, ORR, ORN; ORR of a register with itself is MOV. */
void a64_vector_arithmetic_binary_uniform_logical_and_orr(struct tr *t, uint32_t w)
{
    static const enum ir_op ops[4] = {IR_VAND, IR_VBIC, IR_VOR, IR_VORN};
    const enum ir_op op = ops[SIMD_SIZE(w)];
    const ir_ref n = simd_rn(t, w);

    tr_put_vq(t, simd_q(w), SIMD_RD(w),
              op == IR_VOR && SIMD_RN(w) == SIMD_RM(w)
                  ? n
                  : simd_bitwise(t, op, n, simd_rm(t, w), IR_REF_NONE));
}

/* EOR, and the choices of bits: BSL by Vd, BIT and BIF by Vm */
void a64_vector_arithmetic_binary_uniform_logical_bsl_eor(struct tr *t, uint32_t w)
{
    const ir_ref n = simd_rn(t, w), m = simd_rm(t, w);
    ir_ref result;

    switch (SIMD_SIZE(w)) {
    case 0:
        result = simd_bitwise(t, IR_VXOR, n, m, IR_REF_NONE);
        break;
    case 1:
        result = simd_bitwise(t, IR_VBSL, simd_rd(t, w), n, m);
        break;
    case 2:
        result = simd_bitwise(t, IR_VBSL, m, n, simd_rd(t, w));
        break;
    default:
        result = simd_bitwise(t, IR_VBSL, m, simd_rd(t, w), n);
        break;
    }
    tr_put_vq(t, simd_q(w), SIMD_RD(w), result);
}

/* --- Permutations -----------------------------------------------------------------------------*/

static void permute(struct tr *t, uint32_t w, enum ir_vop first, enum ir_vop second)
{
    tr_put_v(t, SIMD_RD(w),
             simd_vop2(t, A64_BIT(w, 14) != 0 ? second : first, simd_rn(t, w), simd_rm(t, w),
                       simd_form(w, SIMD_SIZE(w), 0)));
}

SIMD_CLASS(vector_transfer_vector_permute_transpose, permute(t, w, VOP_trn1, VOP_trn2))
SIMD_CLASS(vector_transfer_vector_permute_unzip, permute(t, w, VOP_uzp1, VOP_uzp2))
SIMD_CLASS(vector_transfer_vector_permute_zip, permute(t, w, VOP_zip1, VOP_zip2))

/* EXT */
void a64_vector_transfer_vector_extract(struct tr *t, uint32_t w)
{
    tr_put_v(
        t, SIMD_RD(w),
        simd_vop2(t, VOP_ext, simd_rn(t, w), simd_rm(t, w), simd_form(w, 0, A64_FIELD(w, 14, 11))));
}

/* TBL, TBX: an index beyond the table gives zero, or leaves the byte of Vd. */
void a64_vector_transfer_vector_table(struct tr *t, uint32_t w)
{
    const ir_ref indices = simd_rm(t, w);
    ir_ref result = A64_BIT(w, 12) != 0 ? simd_rd(t, w) : simd_zero(t);

    for (unsigned i = 0; i <= A64_FIELD(w, 14, 13); i++) {
        result = tr_vop(t, VOP_tbl, result, tr_get_v(t, (SIMD_RN(w) + i) % 32), indices,
                        simd_form(w, 0, i));
    }
    tr_put_v(t, SIMD_RD(w), result);
}
