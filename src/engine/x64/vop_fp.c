/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Floating point of single and double precision with the host's instructions.
 *
 * Only while FPCR has no bits but RMode, which MXCSR has as well, and DN, or these and FZ (MODE_FPCR is clear). MXCSR also collects the
 * cumulative flags; fp_flags_take() moves them to FPSR. Where the architectures differ, the result is looked at, and the function in C
 * does the operation again from its operands (a stub), which adds the flags that are missing:
 *   - a NaN: which one, its sign, and signs of default NaNs;
 *   - the least normal number, from products and narrowings: A64 finds out before rounding that a result is tiny, the host after it.
 * Operations whose flags would be wrong before anyone can look (MAX of a quiet NaN, conversions out of range) look first.
 *
 * With FZ (MODE_FLUSH) the host's flags are looked at as well: an operand that is flushed shows there, where the operation is one that
 * tells of it or a comparison has been made for it; so does a result that is flushed, by the look at it, or by Underflow if it is 0.
 */
#include "engine/x64/vop_fp.h"

#include "engine/sys/pauth.h"

bool x64_fp_is_fast(const struct x64_emit *e, const struct ir_node *n)
{
    return is_fpcr_fast(e) && IR_VIMM_LANE(n->imm) >= 2;
}

/* Where it is made with a branch or another user nobody can look at flags. */
bool x64_is_fcmp(const struct x64_emit *e, const struct ir_node *n)
{
    return n->op == IR_VOP && n->d == VOP_fcmp && x64_fp_is_fast(e, n) && !is_flushing(e);
}

bool x64_fp_is_clean(const struct x64_emit *e, ir_ref ref, unsigned lane)
{
    const struct ir_node *const n = x64_node(e, ref);

    switch (n->op) {
    case IR_LOAD:
        return n->type <= lane;
    case IR_VFROM64:
    case IR_VZEXT:
        return n->type <= lane;
    case IR_VOP:
        /* Of a product that is twice as wide, the lane is the operand's. */
        return (n->imm & IR_VIMM_SCALAR) != 0 && IR_VIMM_LANE(n->imm) <= lane &&
               n->d != VOP_sqdmull;
    default:
        return false;
    }
}

/* --- The way back to C ----------------------------------------------------------------------------------------------------------- */

/* ... of an operation whose result may be looked at later: then NULL, and it waits. */
static struct x64_stub *stub_or_wait(struct x64_emit *e, ir_ref node, int ra, int rb, int rc,
                                     int rd)
{
    if (e->fp_until[node] == 0) {
        return x64_vop_stub(e, node, ra, rb, rc, rd);
    }
    x64_fp_wait(e, node);
    return NULL;
}

#define MXCSR_ALL_BUT_PE 0x1f
enum { LDMXCSR = 2, STMXCSR = 3 };

static void mxcsr(struct x64_emit *e, int which)
{
    x64_rm(&e->a, 0, X64_OP(PP_NONE, MAP_0F, 0xae), which, FRAME(FRAME_ARGS));
}

uint32_t x64_fp_jump_if_told(struct x64_emit *e)
{
    if (!is_flushing(e)) {
        return 0;
    }
    mxcsr(e, STMXCSR);
    x64_load(&e->a, 0, RAX, FRAME(FRAME_ARGS));
    x64_test_ri(&e->a, 0, RAX, MXCSR_ALL_BUT_PE);
    return x64_jcc(&e->a, CC_NE);
}

void x64_fp_check_flags(struct x64_emit *e, struct x64_stub *stub)
{
    if (stub != NULL) {
        stub->jump3 = x64_fp_jump_if_told(e);
    }
}

void x64_fp_drop_flags(struct x64_emit *e)
{
    if (is_flushing(e)) {
        mxcsr(e, STMXCSR);
        x64_alu_mi(&e->a, 0, ALU_AND, FRAME(FRAME_ARGS), ~MXCSR_ALL_BUT_PE);
        mxcsr(e, LDMXCSR);
    }
}

void x64_fp_tell_of_operand(struct x64_emit *e, const struct ir_node *n, int ra)
{
    if (is_flushing(e) && is_scalar(n)) {
        x64_v(&e->a, packed(n, B_UCOMI), ra, NOREG, ra);
    } else if (is_flushing(e)) {
        x64_vi(&e->a, packed(n, B_CMP), X0, ra, ra, CMP_EQ_OQ);
    }
}

void x64_fp_check_masks(struct x64_emit *e, const struct ir_node *n, int rm, struct x64_stub *stub)
{
    x64_v(&e->a, packed(n, B_MOVMSK), RAX, NOREG, rm);
    x64_test_rr(&e->a, 0, RAX, RAX);
    also_from(e, stub, CC_NE);
}

void x64_fp_magnitude(struct x64_emit *e, bool is_double, int rd, int ra)
{
    x64_vm(&e->a, X64_OP(is_double ? (uint32_t)PP_66 : (uint32_t)PP_NONE, MAP_0F, B_AND), rd, ra,
           constant(is_double ? X64_K_ABS_D : X64_K_ABS_S));
}

/* Goes to the stub when a lane of ra or rb is a NaN. Uses RAX, and rd below level 4. */
static void check_ordered(struct x64_emit *e, const struct ir_node *n, int ra, int rb, int rd,
                          struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    if (e->level < 4) {
        x64_vi(a, packed(n, B_CMP), rd, ra, rb, CMP_UNORD_Q);
        x64_fp_check_masks(e, n, rd, stub);
        return;
    }
    x64_compare_k(a, is_double(n), 1, false, ra, rb, CMP_UNORD_Q);
    x64_v(a, X64_KMOVB, RAX, NOREG, 1);
    x64_test_rr(a, 0, RAX, RAX);
    also_from(e, stub, CC_NE);
}

void x64_fp_masks_of_least(struct x64_emit *e, bool is_double, int masks, int ra)
{
    x64_vmi(&e->a, X64_OP(is_double ? (uint32_t)PP_66 : (uint32_t)PP_NONE, MAP_0F, B_CMP), masks,
            ra, constant(is_double ? X64_K_TINY_D : X64_K_TINY_S), CMP_LE_OQ);
}

void x64_fp_masks(struct x64_emit *e, bool is_double, bool tiny, int masks, int ra, int rb)
{
    struct x64_asm *const a = &e->a;
    const uint32_t prefix = is_double ? PP_66 : PP_NONE;
    const uint32_t compare = X64_OP(prefix, MAP_0F, B_CMP);

    if (ra >= 16) { /* the comparison has no other form */
        x64_v(a, X64_VMOVDQA_RR, masks, NOREG, ra);
        ra = masks;
    }
    if (!tiny) {
        x64_vi(a, compare, masks, ra, rb != NOREG ? rb : ra, CMP_UNORD_Q);
        return;
    }
    if (rb != NOREG) {
        x64_v(a, X64_OP(PP_66, MAP_0F, 0x14), masks, ra, rb); /* VUNPCKLPD: the lower halves */
        ra = masks;
    }
    x64_vm(a, X64_OP(prefix, MAP_0F, B_AND), masks, ra,
           constant(is_double ? X64_K_ABS_D : X64_K_ABS_S));
    x64_vmi(a, compare, masks, masks, constant(is_double ? X64_K_TINY_D : X64_K_TINY_S), CMP_EQ_UQ);
}

void x64_fp_sure(struct x64_emit *e, bool is_double, enum x64_fp_question question, bool narrow,
                 int ra, int rb)
{
    struct x64_asm *const a = &e->a;
    const int k = is_double ? 2 : 1;
    const struct x64_mem tiny = constant(is_double ? X64_K_TINY_D : X64_K_TINY_S);

    switch (question) {
    case X64_FP_ORDERED:
        x64_compare_k(a, is_double, k, narrow, ra, rb != NOREG ? rb : ra, CMP_ORD_Q);
        break;
    case X64_FP_ABOVE_TINY:
        x64_compare_km(a, is_double, k, narrow, ra, tiny, CMP_GT_OQ);
        break;
    case X64_FP_NOT_TINY:
        x64_fp_magnitude(e, is_double, X1, ra);
        x64_compare_km(a, is_double, k, narrow, X1, tiny, CMP_NEQ_OQ);
        break;
    }
}

void x64_fp_check_result(struct x64_emit *e, const struct ir_node *n, int rd, bool tiny,
                         struct x64_stub *stub)
{
    struct x64_asm *const a = &e->a;

    if (stub == NULL) {
        return;
    }
    if (!is_scalar(n)) {
        x64_fp_masks(e, is_double(n), tiny, X0, rd, NOREG);
        x64_fp_check_masks(e, n, X0, stub);
    } else if (tiny) {
        x64_vm(a, packed(n, B_AND), X0, rd, constant(is_double(n) ? X64_K_ABS_D : X64_K_ABS_S));
        x64_vm(a, packed(n, B_UCOMI), X0, NOREG,
               constant(is_double(n) ? X64_K_TINY_D : X64_K_TINY_S));
        also_from(e, stub, CC_E); /* equal, or unordered */
    } else {
        x64_v(a, packed(n, B_UCOMI), rd, NOREG, rd);
        also_from(e, stub, CC_P);
    }
    x64_fp_check_flags(e, stub);
}

/* --- Operands -------------------------------------------------------------------------------------------------------------------- */

void x64_fp_broadcast(struct x64_emit *e, const struct ir_node *n, int to, int from, unsigned index)
{
    const unsigned imm = is_double(n) ? (index & 1 ? 0xeeu : 0x44u) : (index & 3) * 0x55u;

    x64_vi(&e->a, VPSHUFD, to, NOREG, from, imm);
}

/* The operands of a two-operand form, as the mode (FP_VMODE) wants them: in *ra and *rb themselves, or copies in scratch. */
static bool prepare(struct x64_emit *e, const struct ir_node *n, int *ra, int *rb)
{
    struct x64_asm *const a = &e->a;
    const int a0 = *ra, b0 = *rb;

    switch (FP_VMODE(n->imm)) {
    case FP_VMODE_PLAIN:
        break;
    case FP_VMODE_ELEM:
        x64_fp_broadcast(e, n, X1, b0, FP_VELEM_INDEX(n->imm));
        *rb = X1;
        break;
    case FP_VMODE_PAIR:
        if (is_scalar(n)) {
            x64_vi(a, VPSHIFT_DQ, 3, X1, a0, is_double(n) ? 8 : 4);
            if (is_double(n)) {
                x64_v(a, X64_VMOVQ_LOAD, X0, NOREG, a0);
            } else {
                x64_keep_low(e, X0, a0, 2);
            }
        } else if (is_double(n)) {
            x64_v(a, packed(n, 0x14), X0, a0, b0); /* UNPCKL */
            x64_v(a, packed(n, 0x15), X1, a0, b0);
        } else if (is_half(n)) {
            x64_v(a, packed(n, 0x14), X0, a0, b0);
            x64_vi(a, VPSHIFT_DQ, 3, X1, X0, 8);
            x64_v(a, X64_VMOVQ_LOAD, X0, NOREG, X0);
        } else {
            x64_vi(a, packed(n, 0xc6), X0, a0, b0, 0x88); /* SHUFPS */
            x64_vi(a, packed(n, 0xc6), X1, a0, b0, 0xdd);
        }
        *ra = X0;
        *rb = X1;
        return true;
    default:
        return false;
    }
    if (is_half(n)) { /* lanes that are not there raise no flags */
        x64_v(a, X64_VMOVQ_LOAD, X0, NOREG, *ra);
        x64_v(a, X64_VMOVQ_LOAD, X1, NOREG, *rb);
        *ra = X0;
        *rb = X1;
    }
    return true;
}

static bool may_prepare(const struct ir_node *n)
{
    return FP_VMODE(n->imm) != FP_VMODE_REDUCE;
}

/* --- Results that are looked at later (fp_run.c) ---------------------------------------------------------------------------------- */

bool x64_fp_is_plain(const struct ir_node *n)
{
    return FP_VMODE(n->imm) == FP_VMODE_PLAIN;
}

bool x64_fp_is_pairwise(const struct ir_node *n)
{
    return FP_VMODE(n->imm) == FP_VMODE_PAIR;
}

bool x64_fp_is_max_min(const struct ir_node *n)
{
    return n->op == IR_VOP &&
           (n->d == VOP_fmax || n->d == VOP_fmaxnm || n->d == VOP_fmin || n->d == VOP_fminnm);
}

bool x64_fp_can_wait(const struct x64_emit *e, const struct ir_node *n, bool *tiny)
{
    *tiny = false;
    if (n->op != IR_VOP) {
        return false;
    }
    switch (n->d) {
    case VOP_fmax: /* a signaling NaN is one for VRANGE as well, a quiet one is none for anybody */
    case VOP_fmaxnm:
    case VOP_fmin:
    case VOP_fminnm:
        if (e->level < 4 || is_scalar(n) || is_half(n) || !x64_fp_is_plain(n)) {
            return false;
        }
        break;
    case VOP_fadd:
    case VOP_fsub:
    case VOP_fabd:
    case VOP_fsqrt:
        break;
    case VOP_fmul:
    case VOP_fnmul:
    case VOP_fdiv:
        *tiny = true;
        break;
    case VOP_fmla:
        *tiny = true;
        if (e->level < 3) {
            return false;
        }
        break;
    default:
        return false;
    }
    return x64_fp_is_fast(e, n) && may_prepare(n);
}

bool x64_fp_takes_any(const struct x64_emit *e, const struct ir_node *n)
{
    bool tiny;

    return x64_fp_is_max_min(n) ? x64_fp_is_fast(e, n) && may_prepare(n)
                                : x64_fp_can_wait(e, n, &tiny);
}

static bool is_in_memory(const struct x64_emit *e, ir_ref ref)
{
    const ir_ref r = x64_resolve(e, ref);

    return e->nodes[r].op == IR_GET_V && e->val[r].reg == NOREG && e->val[r].slot < 0 &&
           e->val[r].couple == 0;
}

ir_ref x64_fp_memory_operand(const struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];

    if (e->fp_until[node] == 0 || is_scalar(n) || is_half(n) || !x64_fp_is_plain(n) ||
        n->d == VOP_fsqrt || x64_fp_is_max_min(n)) {
        return IR_REF_NONE;
    }
    if (is_in_memory(e, n->b)) {
        return x64_resolve(e, n->b);
    }
    const bool commutes = n->d == VOP_fadd || n->d == VOP_fmul || n->d == VOP_fmla;
    return commutes && is_in_memory(e, n->a) ? x64_resolve(e, n->a) : IR_REF_NONE;
}

/* --- Arithmetic ------------------------------------------------------------------------------------------------------------------ */

/* Rounding down, 0 - 0 is -0, also in the lanes that a vector of 64 bits does not have. */
static void zero_difference(struct x64_emit *e, int rd)
{
    x64_v(&e->a, X64_VMOVQ_LOAD, rd, NOREG, rd);
}

static bool arithmetic(struct x64_emit *e, ir_ref node, const struct ir_node *n, unsigned byte,
                       bool tiny)
{
    const unsigned lane = IR_VIMM_LANE(n->imm);

    if (!x64_fp_is_fast(e, n) || !may_prepare(n)) {
        return false;
    }
    const ir_ref memory = x64_fp_memory_operand(e, node);
    if (memory != IR_REF_NONE) {
        const int first = x64_use(e, VEC, memory == x64_resolve(e, n->b) ? n->a : n->b),
                  result = x64_def(e, VEC, node);
        x64_vm(&e->a, form(n, byte), result, first, CPU_V(e->val[memory].guest));
        if (n->d == VOP_fabd) {
            x64_vm(&e->a, VPAND, result, result,
                   constant(is_double(n) ? X64_K_ABS_D : X64_K_ABS_S));
        }
        x64_fp_wait(e, node);
        return true;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = stub_or_wait(e, node, ra, rb, NOREG, rd);
    bool clean = x64_fp_is_clean(e, n->a, lane);

    if (is_scalar(n) && !clean && (byte == B_ADD || byte == B_MUL) &&
        FP_VMODE(n->imm) == FP_VMODE_PLAIN && x64_fp_is_clean(e, n->b, lane)) {
        const int swap = ra; /* the bits above the scalar are the first operand's */
        ra = rb;
        rb = swap;
        clean = true;
    }
    prepare(e, n, &ra, &rb);
    if (byte == B_DIV && is_half(n)) { /* by 1 where there are no lanes */
        x64_v_literal(e, VPOR, rb, rb, (v128){.d = {0, 0x3f8000003f800000}});
    }
    if (is_scalar(n) && ra != X0 && !clean) { /* earlier than the result is there */
        x64_keep_low(e, X0, ra, lane);
        ra = X0;
    }
    if (n->d == VOP_fmulx) { /* infinity times zero is not Invalid */
        x64_fp_check_below(e, n, ra, rb, fp_infinity(&fp_formats[lane], false), rd,
                           x64_temp(e, VEC), stub);
    }
    x64_v(&e->a, form(n, byte), rd, ra, rb);
    if (is_half(n) && byte == B_SUB) {
        zero_difference(e, rd);
    }
    x64_fp_check_result(e, n, rd, tiny, stub);
    if (n->d == VOP_fabd) {
        x64_vm(&e->a, VPAND, rd, rd, constant(is_double(n) ? X64_K_ABS_D : X64_K_ABS_S));
    } else if (n->d == VOP_fnmul) {
        x64_v_literal(e, VPXOR, rd, rd, of_form(n, 1u << 31, 1ull << 63));
    }
    resume_here(e, stub);
    return true;
}

bool x64_vop_fadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, B_ADD, false);
}

bool x64_vop_fsub(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, B_SUB, false);
}

/* Also FNMUL and FMULX. */
bool x64_vop_fmul(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, B_MUL, true);
}

bool x64_vop_fdiv(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return arithmetic(e, node, n, B_DIV, true);
}

bool x64_vop_fmla(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned lane = IR_VIMM_LANE(n->imm), kind = ((n->imm & FP_VNEG_PRODUCT) != 0 ? 2u : 0) +
                                                       ((n->imm & FP_VNEG_ADDEND) != 0 ? 1u : 0);

    if (!x64_fp_is_fast(e, n) || e->level < 3 ||
        (FP_VMODE(n->imm) != FP_VMODE_PLAIN && FP_VMODE(n->imm) != FP_VMODE_ELEM)) {
        return false;
    }
    const ir_ref memory = x64_fp_memory_operand(e, node);
    if (memory != IR_REF_NONE) {
        const int factor = x64_use(e, VEC, memory == x64_resolve(e, n->b) ? n->a : n->b),
                  addend = x64_use(e, VEC, n->c), result = x64_def(e, VEC, node);
        x64_v(a, X64_VMOVDQA_RR, result, NOREG, addend);
        x64_vwm(a, is_double(n), X64_OP(PP_66, MAP_0F38, 0xb8u + 2 * kind), result, factor,
                CPU_V(e->val[memory].guest));
        x64_fp_wait(e, node);
        return true;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rc = x64_use(e, VEC, n->c), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = stub_or_wait(e, node, ra, rb, rc, rd);

    prepare(e, n, &ra, &rb);
    /* VFMADD, VFMSUB, VFNMADD, VFNMSUB: 213 multiplies the destination, 231 adds to it */
    const uint32_t op213 = X64_OP(PP_66, MAP_0F38, 0xa8u + 2 * kind + is_scalar(n)),
                   op231 = X64_OP(PP_66, MAP_0F38, 0xb8u + 2 * kind + is_scalar(n));
    if (is_scalar(n) && !x64_fp_is_clean(e, n->c, lane) && x64_fp_is_clean(e, n->a, lane)) {
        x64_v(a, X64_VMOVDQA_RR, rd, NOREG, ra);
        x64_vw(a, is_double(n), op213, rd, rb, rc);
    } else {
        if (is_scalar(n) && !x64_fp_is_clean(e, n->c, lane)) {
            x64_keep_low(e, rd, rc, lane);
        } else {
            x64_v(a, is_half(n) ? X64_VMOVQ_LOAD : X64_VMOVDQA_RR, rd, NOREG, rc);
        }
        x64_vw(a, is_double(n), op231, rd, ra, rb);
        if (is_half(n) && kind != 0) {
            zero_difference(e, rd);
        }
    }
    x64_fp_check_result(e, n, rd, true, stub);
    resume_here(e, stub);
    return true;
}

/* Halves or BFloat16 times each other, exact, and added to singles. */
static bool widening(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool bfloat)
{
    struct x64_asm *const a = &e->a;
    const bool upper = (n->imm & FP_VUPPER) != 0, by_element = FP_VMODE(n->imm) == FP_VMODE_ELEM;

    if (!x64_fp_is_fast(e, n) || e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, rc, rd);
    for (unsigned i = 0; i < 2; i++) {
        const int to = i == 0 ? X0 : X1;
        int from = i == 0 ? ra : rb;
        if (i == 1 && by_element) {
            x64_vi(a, VPSHIFT_DQ, 3, to, from, 2 * FP_VELEM_INDEX(n->imm));
            x64_v(a, x64_op_broadcast[1], to, NOREG, to);
            from = to;
        } else if (!bfloat && upper) {
            x64_vi(a, VPSHIFT_DQ, 3, to, from, is_half(n) ? 4 : 8);
            from = to;
        }
        if (is_half(n)) { /* lanes that are not there raise no flags */
            x64_keep_low(e, to, from, 2);
            from = to;
        }
        if (!bfloat) {
            x64_v(a, CVTPH2PS, to, NOREG, from);
        } else if (upper) {
            x64_v_literal(e, VPAND, to, from, all_dwords(0xffff0000u));
        } else {
            x64_vi(a, OP66(0x72), 6, to, from, 16); /* left */
        }
    }
    x64_v(a, is_half(n) ? X64_VMOVQ_LOAD : X64_VMOVDQA_RR, rd, NOREG, rc);
    x64_v(a, OP38((n->imm & FP_VNEG_PRODUCT) != 0 ? 0xbc : 0xb8), rd, X0, X1);
    if (is_half(n)) {
        zero_difference(e, rd);
    }
    x64_fp_check_result(e, n, rd, true, stub);
    resume_here(e, stub);
    return true;
}

bool x64_vop_fmlal(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return widening(e, node, n, false);
}

bool x64_vop_bfmlal(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return widening(e, node, n, true);
}

/* The sign bits of both parts of a number, in all lanes. */
static v128 signs_of(const struct ir_node *n, bool real, bool imaginary)
{
    const uint64_t sign = 1ull << 63, s = (real ? 1u << 31 : 0) | (imaginary ? sign : 0);

    return is_double(n) ? (v128){.d = {real ? sign : 0, imaginary ? sign : 0}}
                        : (v128){.d = {s, s}};
}

/* Two lanes of each number of `from`: the parts, exchanged, or one of them twice. */
static void parts_of(struct x64_emit *e, const struct ir_node *n, int to, int from, unsigned first,
                     unsigned second)
{
    const unsigned low = is_double(n) ? (first != 0 ? 0xeu : 0x4u) : first | second << 2,
                   high = is_double(n) ? (second != 0 ? 0xeu : 0x4u) : low | 0xau;

    x64_vi(&e->a, VPSHUFD, to, NOREG, from, low | high << 4);
}

bool x64_vop_fcadd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const bool quarter = FP_VROT_OF(n->imm) == 1;

    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, NOREG, rd);
    parts_of(e, n, X1, rb, 1, 0);
    x64_v_literal(e, VPXOR, X1, X1, signs_of(n, quarter, !quarter));
    int first = ra;
    if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, X0, NOREG, ra);
        x64_v(&e->a, X64_VMOVQ_LOAD, X1, NOREG, X1);
        first = X0;
    }
    x64_v(&e->a, packed(n, B_ADD), rd, first, X1);
    x64_fp_check_result(e, n, rd, false, stub);
    resume_here(e, stub);
    return true;
}

/* Even quarter turns take the real part of a, odd ones the imaginary part, which exchanges the parts of b. */
bool x64_vop_fcmla(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned rot = FP_VROT_OF(n->imm), odd = rot & 1;

    if (!x64_fp_is_fast(e, n) || e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rc = x64_use(e, VEC, n->c);
    int rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, rb, rc, rd);
    if (FP_VMODE(n->imm) == FP_VMODE_ELEM && !is_double(n)) { /* of doubles there is one number */
        x64_vi(a, VPSHUFD, X1, NOREG, rb, (FP_VELEM_INDEX(n->imm) & 1) != 0 ? 0xee : 0x44);
        rb = X1;
    }
    parts_of(e, n, X0, ra, odd, odd);
    parts_of(e, n, X1, rb, odd, 1 - odd);
    if (rot != 0) {
        x64_v_literal(e, VPXOR, X1, X1, signs_of(n, rot != 3, rot != 1));
    }
    if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, X0, NOREG, X0);
        x64_v(a, X64_VMOVQ_LOAD, X1, NOREG, X1);
    }
    x64_v(a, is_half(n) ? X64_VMOVQ_LOAD : X64_VMOVDQA_RR, rd, NOREG, rc);
    x64_vw(a, is_double(n), OP38(0xb8), rd, X0, X1);
    if (is_half(n)) {
        zero_difference(e, rd);
    }
    x64_fp_check_result(e, n, rd, true, stub);
    resume_here(e, stub);
    return true;
}

bool x64_vop_fsqrt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = stub_or_wait(e, node, ra, NOREG, NOREG, rd);

    if (is_scalar(n)) {
        zero(e, X0);
        x64_v(&e->a, form(n, B_SQRT), rd, X0, ra);
    } else if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, X0, NOREG, ra);
        x64_v(&e->a, form(n, B_SQRT), rd, NOREG, X0);
    } else {
        x64_v(&e->a, form(n, B_SQRT), rd, NOREG, ra);
    }
    x64_fp_check_result(e, n, rd, false, stub);
    resume_here(e, stub);
    return true;
}

/* The greatest or least of four singles, when none is a NaN. */
static void reduce(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_max)
{
    struct x64_asm *const a = &e->a;
    const uint32_t op = packed(n, is_max ? B_MAX : B_MIN);
    static const uint8_t shuffles[2] = {0x4e, 0xb1};
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = x64_vop_stub(e, node, ra, NOREG, NOREG, rd);
    int from = ra;

    check_ordered(e, n, ra, ra, rd, stub);
    for (unsigned i = 0; i < 2; i++) {
        x64_vi(a, VPSHUFD, X0, NOREG, from, shuffles[i]);
        x64_v(a, op, X1, from, X0);
        x64_v(a, op, X0, X0, from);
        x64_v(a, is_max ? VPAND : VPOR, rd, X0, X1);
        from = rd;
    }
    x64_keep_low(e, rd, rd, lane_of(n));
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
}

/* The host's MAX and MIN give the second operand for a NaN and for zeros of either sign, and signal for quiet NaNs. */
static bool max_min(struct x64_emit *e, ir_ref node, const struct ir_node *n, bool is_max)
{
    struct x64_asm *const a = &e->a;

    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    if (!may_prepare(n)) {
        reduce(e, node, n, is_max);
        return true;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = stub_or_wait(e, node, ra, rb, NOREG, rd);

    prepare(e, n, &ra, &rb);
    if (is_scalar(n)) {
        x64_v(a, packed(n, B_UCOMI), ra, NOREG, rb);
        also_from(e, stub, CC_P);
    } else if (stub != NULL) {
        check_ordered(e, n, ra, rb, rd, stub);
    }
    if (e->level >= 4) { /* VRANGE, with the sign of the result of the comparison */
        x64_ei(a, is_double(n), X64_OP(PP_66, MAP_0F3A, is_scalar(n) ? 0x51 : 0x50), rd, ra, rb,
               is_max ? 5 : 4);
    } else {
        x64_v(a, form(n, is_max ? B_MAX : B_MIN), rd, ra, rb);
        x64_v(a, form(n, is_max ? B_MAX : B_MIN), X1, rb, ra);
        x64_v(a, is_max ? VPAND : VPOR, rd, rd, X1);
    }
    if (is_scalar(n)) {
        x64_keep_low(e, rd, rd, IR_VIMM_LANE(n->imm));
    }
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

bool x64_vop_fmax(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return max_min(e, node, n, true);
}

bool x64_vop_fmin(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return max_min(e, node, n, false);
}

bool x64_vop_fabs(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a);
    x64_v_literal(e, VPAND, x64_def(e, VEC, node), ra, of_form(n, INT32_MAX, INT64_MAX));
    return true;
}

bool x64_vop_fneg(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a);
    const int rd = x64_def(e, VEC, node);
    if (is_half(n)) {
        x64_v(&e->a, X64_VMOVQ_LOAD, rd, NOREG, ra);
        ra = rd;
    } else if (is_scalar(n) && !x64_fp_is_clean(e, n->a, IR_VIMM_LANE(n->imm))) {
        x64_keep_low(e, rd, ra, IR_VIMM_LANE(n->imm));
        ra = rd;
    }
    x64_v_literal(e, VPXOR, rd, ra, of_form(n, 1u << 31, 1ull << 63));
    return true;
}

/* --- Comparisons ----------------------------------------------------------------------------------------------------------------- */

/* With FZ: beside a NaN the host does not tell of the other operand. */
static struct x64_stub *flags_stub(struct x64_emit *e, ir_ref node, int ra, int rb, int rd)
{
    return is_flushing(e) ? x64_vop_stub(e, node, ra, rb, NOREG, rd) : NULL;
}

/* Masks: the predicates EQ_OQ, GE_OS and GT_OS signal as FCMEQ, FCMGE and FCMGT do. */
static bool compare(struct x64_emit *e, ir_ref node, const struct ir_node *n, unsigned predicate,
                    bool absolute)
{
    struct x64_asm *const a = &e->a;

    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);
    struct x64_stub *const stub = flags_stub(e, node, ra, rb, rd);
    if (absolute) {
        const v128 magnitude = of_form(n, INT32_MAX, INT64_MAX);
        x64_v_literal(e, VPAND, X0, ra, magnitude);
        x64_v_literal(e, VPAND, X1, rb, magnitude);
        ra = X0;
        rb = X1;
    } else {
        prepare(e, n, &ra, &rb); /* lanes that are not there raise no flags */
    }
    if (stub != NULL && is_scalar(n)) {
        x64_v(a, packed(n, B_UCOMI), ra, NOREG, rb);
        also_from(e, stub, CC_P);
    } else if (stub != NULL) {
        check_ordered(e, n, ra, rb, rd, stub);
    }
    x64_vi(a, form(n, B_CMP), rd, ra, rb, predicate);
    if (is_scalar(n)) {
        x64_keep_low(e, rd, rd, IR_VIMM_LANE(n->imm));
    } else if (is_half(n)) {
        x64_v(a, X64_VMOVQ_LOAD, rd, NOREG, rd);
    }
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

bool x64_vop_fcmeq(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, CMP_EQ_OQ, false);
}

bool x64_vop_fcmge(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, CMP_GE_OS, n->d == VOP_facge);
}

bool x64_vop_fcmgt(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return compare(e, node, n, CMP_GT_OS, n->d == VOP_facgt);
}

/* UCOMIS, or COMIS for FCMPE. */
void x64_fcmp(struct x64_emit *e, const struct ir_node *n, int ra, int rb)
{
    x64_v(&e->a, packed(n, (n->imm & FP_VSIGNAL) != 0 ? B_UCOMI + 1 : B_UCOMI), ra, NOREG, rb);
}

void x64_pack_fcmp(struct x64_emit *e)
{
    static const struct {
        enum x64_cc cc;
        uint32_t nzcv;
    } results[] = {{CC_E, 0x60000000}, {CC_B, 0x80000000}, {CC_P, 0x30000000}};
    struct x64_asm *const a = &e->a;

    x64_mov_ri(a, RAX, 0x20000000); /* greater */
    for (unsigned i = 0; i < 3; i++) {
        /* less and equal, unless it is unordered, which comes last */
        x64_mov_ri(a, RCX, results[i].nzcv);
        x64_cmov(a, 0, results[i].cc, RAX, RCX);
    }
}

enum x64_cc x64_fcmp_cc(struct x64_emit *e, const struct ir_node *n, unsigned cond)
{
    /* By cond / 2, with the operands swapped or not; odd conditions are the inverse. EQ needs two flags. */
    static const struct {
        bool swapped;
        uint8_t cc;
    } codes[7] = {{false, 0},   {true, CC_BE},  {true, CC_A}, {false, CC_P},
                  {true, CC_B}, {false, CC_AE}, {false, CC_A}};
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);

    if (cond >> 1 == 0) {
        x64_fcmp(e, n, ra, rb);
        x64_setcc(&e->a, CC_NP, RAX);
        x64_setcc(&e->a, CC_E, RCX);
        x64_rr8(&e->a, 0x84, RCX, RAX); /* TEST */
        return (enum x64_cc)(CC_NE ^ (cond & 1));
    }
    if (codes[cond >> 1].swapped) {
        x64_fcmp(e, n, rb, ra);
    } else {
        x64_fcmp(e, n, ra, rb);
    }
    return (enum x64_cc)(codes[cond >> 1].cc ^ (cond & 1));
}

/* As a node of its own: nobody asks for its result, but it may signal. Or with FZ. */
bool x64_vop_fcmp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!x64_fp_is_fast(e, n)) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b);
    if (!is_flushing(e)) {
        x64_fcmp(e, n, ra, rb);
        return true;
    }
    const int rd = x64_def(e, INT, node);
    struct x64_stub *const stub = flags_stub(e, node, ra, rb, rd);
    x64_fcmp(e, n, ra, rb);
    also_from(e, stub, CC_P);
    x64_pack_fcmp(e);
    x64_mov_rr(&e->a, 1, rd, RAX);
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    return true;
}

bool x64_fp_conditional(struct x64_emit *e, ir_ref node, const struct ir_node *n,
                        void (*compare)(struct x64_emit *e, const struct ir_node *n, int ra,
                                        int rb))
{
    struct x64_asm *const a = &e->a;

    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, INT, node);
    uint64_t always;
    uint32_t skip = 0;
    const uint32_t otherwise = FP_VNZCV_OF(n->imm) << 28;
    const int yes = is_flushing(e) ? x64_temp(e, VEC) : NOREG; /* the condition, for the stub */

    if (!x64_const(e, n->c, &always)) {
        const enum x64_cc cc = x64_condition(e, n->c);
        x64_mov_ri(a, rd, otherwise);
        skip = x64_jcc(a, (enum x64_cc)(cc ^ 1));
    } else if (always == 0) {
        x64_mov_ri(a, rd, otherwise);
        return true;
    }
    struct x64_stub *stub = NULL;
    if (yes != NOREG) { /* beside a NaN the host does not tell of the other operand */
        x64_v(a, X64_VPCMPEQD, yes, yes, yes);
        stub = x64_vop_stub(e, node, ra, rb, yes, rd);
        if (lane_of(n) == 1) {
            x64_fp_check_below(e, n, ra, rb, 0x7c01, X0, X1, stub);
        } else {
            x64_v(a, packed(n, B_UCOMI), ra, NOREG, rb);
            also_from(e, stub, CC_P);
        }
    }
    compare(e, n, ra, rb);
    x64_mov_rr(a, 1, rd, RAX);
    x64_fp_check_flags(e, stub);
    resume_here(e, stub);
    if (skip != 0) {
        x64_patch_here(a, skip);
    }
    return true;
}

static void compare_scalars(struct x64_emit *e, const struct ir_node *n, int ra, int rb)
{
    x64_fcmp(e, n, ra, rb);
    x64_pack_fcmp(e);
}

bool x64_vop_fccmp(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return x64_fp_is_fast(e, n) && x64_fp_conditional(e, node, n, compare_scalars);
}

/* --- Constants ------------------------------------------------------------------------------------------------------------------- */

void x64_fp_constants(struct a64_cpu *cpu)
{
    const uint64_t s = 0x8000000080000000ull, d = 1ull << 63;
    const v128 k[X64_K_COUNT] = {
        [X64_K_ABS_S] = {.d = {~s, ~s}},
        [X64_K_ABS_D] = {.d = {~d, ~d}},
        [X64_K_TINY_S] = {.d = {0x0080000000800000ull, 0x0080000000800000ull}},
        [X64_K_TINY_D] = {.d = {1ull << 52, 1ull << 52}},
        [X64_K_2P63_S] = {.d = {0x5f000000, 0}},
        [X64_K_2P63_D] = {.d = {0x43e0000000000000ull, 0}},
        [X64_K_PAUTH] = {.d = {PAUTH_MIX1, PAUTH_MIX2}},
    };

    for (unsigned i = 0; i < X64_K_COUNT; i++) {
        cpu->x64.k[i] = k[i];
    }
    for (uint32_t i = 0; i < 256; i++) {
        /* By 8 bits of the fraction; of the root by the exponent's lowest bit and 7, as many as the function has in the odd half. */
        const uint32_t scaled = i >= 128 ? i : 256 + 2 * i;
        cpu->x64.recip[i] = (uint8_t)(fp_unsigned_recip_estimate((256 + i) << 23) >> 23);
        cpu->x64.rsqrt[i] = (uint8_t)(fp_unsigned_rsqrt_estimate(scaled << 23) >> 23);
    }
}
