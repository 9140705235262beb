/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Prototypes of all functions that the IR can call, from the lists. */
#ifndef ENGINE_IR_FUNCTIONS_H
#define ENGINE_IR_FUNCTIONS_H

#include "engine/ir/ir.h"

#define VOP(name, effects) ir_vop_fn vop_##name;
#include "engine/simd/vops.inc"
#undef VOP

#define IOP(name) ir_iop_fn iop_##name;
#include "engine/ir/iops.inc"
#undef IOP

#define HELPER(name) ir_helper_fn helper_##name;
#include "engine/ir/helpers.inc"
#undef HELPER

#endif
