/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/x64/vop.h"

static x64_vop_fn *const table[VOP_COUNT] = {
    [0] = NULL,
};

bool x64_emit_vop(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];
    x64_vop_fn *const fn = table[n->d];

    return fn != NULL && fn(e, node, n);
}
