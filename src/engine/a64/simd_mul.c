/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Integer SIMD multiplication: by a vector and by an element, and the dot products. */
#include "engine/a64/simd.h"

#define U(unsigned_fn, signed_fn) (SIMD_U(w) != 0 ? VOP_##unsigned_fn : VOP_##signed_fn)
/* The bit that chooses between the fn of a pair, e.g. subtracting and adding. */
#define IF_BIT(n, set_fn, clear_fn) (A64_BIT(w, n) != 0 ? VOP_##set_fn : VOP_##clear_fn)

/* The second operand of the by-element forms: the lane, in all lanes of a register. H reaches V0 to V15 only. */
static ir_ref element(struct tr *t, uint32_t w, unsigned size)
{
    const unsigned h = A64_BIT(w, 11), l = A64_BIT(w, 21), m = A64_BIT(w, 20),
                   rm = A64_FIELD(w, 19, 16);
    const unsigned index = size == 1 ? h << 2 | l << 1 | m : h << 1 | l;
    const ir_ref v = tr_get_v(t, size == 1 ? rm : m << 4 | rm);

    return simd_is_scalar(w) && index == 0 ? v : simd_vop1(t, VOP_dup, v, IR_VIMM(size, 1, index));
}

static ir_ref sized_element(struct tr *t, uint32_t w)
{
    return element(t, w, SIMD_SIZE(w));
}

/* --- Products as wide as the operands ---------------------------------------------------------*/

static void product(struct tr *t, uint32_t w, enum ir_vop fn, ir_ref m)
{
    tr_put_v(t, SIMD_RD(w), simd_vop2(t, fn, simd_rn(t, w), m, simd_form(w, SIMD_SIZE(w), 0)));
}

/* MLA, MLS */
static void product_accumulate(struct tr *t, uint32_t w, enum ir_vop accumulate, ir_ref m)
{
    const uint32_t form = simd_form(w, SIMD_SIZE(w), 0);
    /* What the form does not have is cleared in the end. */
    const ir_ref value = simd_vop2(t, VOP_mul, simd_rn(t, w), m, IR_VIMM(SIMD_SIZE(w), 1, 0));

    tr_put_v(t, SIMD_RD(w), simd_vop2(t, accumulate, simd_rd(t, w), value, form));
}

/* Functions that take the accumulator as third operand. */
static void fused(struct tr *t, uint32_t w, enum ir_vop fn, ir_ref n, ir_ref m, unsigned size)
{
    tr_put_v(t, SIMD_RD(w), tr_vop(t, fn, n, m, simd_rd(t, w), simd_form(w, size, 0)));
}

SIMD_CLASS(vector_arithmetic_binary_uniform_mul_int_product,
           product(t, w, U(pmul, mul), simd_rm(t, w)))
SIMD_CLASS(vector_arithmetic_binary_element_mul_int, product(t, w, VOP_mul, sized_element(t, w)))
SIMD_CLASS(vector_arithmetic_binary_uniform_mul_int_accum,
           product_accumulate(t, w, U(sub, add), simd_rm(t, w)))
SIMD_CLASS(vector_arithmetic_binary_element_mul_acc_int,
           product_accumulate(t, w, IF_BIT(14, sub, add), sized_element(t, w)))
SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_mul_int_doubling,
                product(t, w, U(sqrdmulh, sqdmulh), simd_rm(t, w)))
SIMD_SISD_CLASS(vector_arithmetic_binary_element_mul_high,
                product(t, w, IF_BIT(12, sqrdmulh, sqdmulh), sized_element(t, w)))
SIMD_SISD_CLASS(vector_arithmetic_binary_uniform_mul_int_doubling_accum,
                fused(t, w, IF_BIT(11, sqrdmlsh, sqrdmlah), simd_rn(t, w), simd_rm(t, w),
                      SIMD_SIZE(w)))
SIMD_SISD_CLASS(vector_arithmetic_binary_element_mul_acc_high,
                fused(t, w, IF_BIT(13, sqrdmlsh, sqrdmlah), simd_rn(t, w), sized_element(t, w),
                      SIMD_SIZE(w)))

/* --- Products of twice the width --------------------------------------------------------------*/

/* Q chooses the half of Vn, and of Vm; of an element all lanes are alike. */
static ir_ref long_product(struct tr *t, uint32_t w, enum ir_vop fn, ir_ref m)
{
    return simd_vop2(t, fn, simd_rn(t, w), m, simd_wide_form(w, SIMD_SIZE(w), simd_q(w)));
}

static void put_long_product(struct tr *t, uint32_t w, enum ir_vop fn, ir_ref m)
{
    tr_put_v(t, SIMD_RD(w), long_product(t, w, fn, m));
}

static void long_accumulate(struct tr *t, uint32_t w, enum ir_vop fn, enum ir_vop accumulate,
                            ir_ref m)
{
    const ir_ref value = long_product(t, w, fn, m);

    tr_put_v(
        t, SIMD_RD(w),
        simd_vop2(t, accumulate, simd_rd(t, w), value, simd_wide_form(w, SIMD_SIZE(w) + 1, 0)));
}

SIMD_CLASS(vector_arithmetic_binary_disparate_mul_product,
           put_long_product(t, w, U(umull, smull), simd_rm(t, w)))
SIMD_CLASS(vector_arithmetic_binary_disparate_mul_poly,
           put_long_product(t, w, VOP_pmull, simd_rm(t, w)))
SIMD_CLASS(vector_arithmetic_binary_element_mul_long,
           put_long_product(t, w, U(umull, smull), sized_element(t, w)))
SIMD_SISD_CLASS(vector_arithmetic_binary_disparate_mul_double,
                put_long_product(t, w, VOP_sqdmull, simd_rm(t, w)))
SIMD_SISD_CLASS(vector_arithmetic_binary_element_mul_double,
                put_long_product(t, w, VOP_sqdmull, sized_element(t, w)))
SIMD_CLASS(vector_arithmetic_binary_disparate_mul_accum,
           long_accumulate(t, w, U(umull, smull), IF_BIT(13, sub, add), simd_rm(t, w)))
SIMD_CLASS(vector_arithmetic_binary_element_mul_acc_long,
           long_accumulate(t, w, U(umull, smull), IF_BIT(14, sub, add), sized_element(t, w)))
/* The product saturates, then the sum does. */
SIMD_SISD_CLASS(vector_arithmetic_binary_disparate_mul_dmacc,
                long_accumulate(t, w, VOP_sqdmull, IF_BIT(13, sqsub, sqadd), simd_rm(t, w)))
SIMD_SISD_CLASS(vector_arithmetic_binary_element_mul_acc_double,
                long_accumulate(t, w, VOP_sqdmull, IF_BIT(14, sqsub, sqadd), sized_element(t, w)))

/* --- Dot products and matrices of bytes -------------------------------------------------------*/

SIMD_CLASS(vector_arithmetic_binary_uniform_mul_int_dotp,
           fused(t, w, U(udot, sdot), simd_rn(t, w), simd_rm(t, w), 2))
SIMD_CLASS(vector_arithmetic_binary_element_dotp,
           fused(t, w, U(udot, sdot), simd_rn(t, w), element(t, w, 2), 2))
SIMD_CLASS(vector_arithmetic_binary_uniform_mat_mul_int_usdot,
           fused(t, w, VOP_usdot, simd_rn(t, w), simd_rm(t, w), 2))

/* USDOT, SUDOT by element */
void a64_vector_arithmetic_binary_element_mat_mul_int_dotp(struct tr *t, uint32_t w)
{
    const ir_ref n = simd_rn(t, w), m = element(t, w, 2);

    if (A64_BIT(w, 23) != 0) {
        fused(t, w, VOP_usdot, n, m, 2);
    } else {
        fused(t, w, VOP_usdot, m, n, 2);
    }
}

SIMD_CLASS(vector_arithmetic_binary_uniform_mat_mul_int_mla,
           fused(t, w, A64_BIT(w, 11) != 0 ? VOP_usmmla : U(ummla, smmla), simd_rn(t, w),
                 simd_rm(t, w), 2))
