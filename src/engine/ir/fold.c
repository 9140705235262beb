/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/ir/fold.h"

bool ir_fold(enum ir_op op, unsigned sf, uint64_t a, uint64_t b, uint64_t c, uint32_t imm,
             uint64_t *result)
{
    switch (op) {
    case IR_SELECT: /* of any type; constants are integers */
        *result = a != 0 ? b : c;
        return true;
#define PURE(name, expression)  \
    case IR_##name:             \
        *result = (expression); \
        return true;
#include "engine/ir/pure.inc"
#undef PURE
    default:
        return false;
    }
}
