/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The tables behind the X-macro lists of the IR. */
#include "engine/ir/functions.h"
#include "engine/ir/ir.h"

const char *const ir_op_names[IR_OP_COUNT] = {
#define OP(name, result, effect) [IR_##name] = #name,
#include "engine/ir/ir_ops.inc"
#undef OP
};

const struct ir_vop_info ir_vops[VOP_COUNT] = {
#define VOP(name, effects) [VOP_##name] = {#name, vop_##name, effects},
#include "engine/simd/vops.inc"
#undef VOP
};

const struct ir_iop_info ir_iops[IOP_COUNT] = {
#define IOP(name) [IOP_##name] = {#name, iop_##name},
#include "engine/ir/iops.inc"
#undef IOP
};

const struct ir_helper_info ir_helpers[HELPER_COUNT] = {
#define HELPER(name) [HELPER_##name] = {#name, helper_##name},
#include "engine/ir/helpers.inc"
#undef HELPER
};
