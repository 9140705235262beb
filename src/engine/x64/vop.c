/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/x64/vop.h"

static x64_vop_fn *const table[VOP_COUNT] = {
    [VOP_fadd] = x64_vop_fadd,         [VOP_fsub] = x64_vop_fsub,
    [VOP_fabd] = x64_vop_fsub,         [VOP_fmul] = x64_vop_fmul,
    [VOP_fdiv] = x64_vop_fdiv,         [VOP_fmla] = x64_vop_fmla,
    [VOP_fsqrt] = x64_vop_fsqrt,       [VOP_fmax] = x64_vop_fmax,
    [VOP_fmaxnm] = x64_vop_fmax,       [VOP_fmin] = x64_vop_fmin,
    [VOP_fminnm] = x64_vop_fmin,       [VOP_fabs] = x64_vop_fabs,
    [VOP_fneg] = x64_vop_fneg,         [VOP_fcmeq] = x64_vop_fcmeq,
    [VOP_fcmge] = x64_vop_fcmge,       [VOP_facge] = x64_vop_fcmge,
    [VOP_fcmgt] = x64_vop_fcmgt,       [VOP_facgt] = x64_vop_fcmgt,
    [VOP_fcmp] = x64_vop_fcmp,         [VOP_fccmp] = x64_vop_fccmp,
    [VOP_fcvt] = x64_vop_fcvt,         [VOP_fcvt_int] = x64_vop_fcvt_int,
    [VOP_cvtf_int] = x64_vop_cvtf_int, [VOP_frint] = x64_vop_frint,
    [VOP_fcvtl] = x64_vop_fcvtl,       [VOP_fcvtn] = x64_vop_fcvtn,
    [VOP_fnmul] = x64_vop_fmul,        [VOP_fjcvtzs] = x64_vop_fjcvtzs,
    [VOP_frint_n] = x64_vop_frint_n,   [VOP_bfcvt] = x64_vop_bfcvtn,
    [VOP_bfcvtn] = x64_vop_bfcvtn,     [VOP_frecpe] = x64_vop_frecpe,
    [VOP_frsqrte] = x64_vop_frsqrte,   [VOP_frecpx] = x64_vop_frecpx,
    [VOP_frecps] = x64_vop_frecps,     [VOP_frsqrts] = x64_vop_frsqrts,
    [VOP_fmulx] = x64_vop_fmul,        [VOP_fmlal] = x64_vop_fmlal,
    [VOP_bfmlal] = x64_vop_bfmlal,     [VOP_fcadd] = x64_vop_fcadd,
    [VOP_fcmla] = x64_vop_fcmla,
};

bool x64_emit_vop(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];
    if (e->level >= 4 && x64_vop_512[n->d] != NULL && x64_vop_512[n->d](e, node, n)) {
        return true;
    }
    if (IR_VIMM_LANE(n->imm) == 1 && x64_vop_half[n->d] != NULL) {
        return x64_vop_half[n->d](e, node, n);
    }
    x64_vop_fn *const fns[] = {table[n->d], x64_vop_int[n->d], x64_vop_saturate[n->d],
                               x64_vop_permute[n->d], x64_vop_crypto[n->d]};

    for (unsigned i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
        if (fns[i] != NULL) {
            return fns[i](e, node, n);
        }
    }
    return false;
}

struct x64_stub *x64_vop_stub(struct x64_emit *e, ir_ref node, int ra, int rb, int rc, int rd)
{
    struct x64_stub *const stub = x64_new_stub(e, STUB_VOP, node);

    stub->operands[0] = (int8_t)ra;
    stub->operands[1] = (int8_t)rb;
    stub->operands[2] = (int8_t)rc;
    stub->reg = (int8_t)rd;
    return stub;
}
