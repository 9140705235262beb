/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Permutations of lanes and bytes. */
#include "engine/simd/lanes.h"

/* Lane i of the result is lane `from` of a, or of b when the number goes on behind the n lanes of the form. */
#define PERMUTE_LOOP(bits, field, wide, from)                \
    for (unsigned i = 0; i < n; i++) {                       \
        const unsigned f = (from);                           \
        d->field[i] = f < n ? a->field[f] : b->field[f - n]; \
    }

#define VOP_PERMUTE(name, from)                             \
    void vop_##name(VOP_ARGS)                               \
    {                                                       \
        const unsigned n = lanes_of(imm & ~IR_VIMM_SCALAR); \
                                                            \
        *d = (v128){.d = {0, 0}};                           \
        LANES_SWITCH(PERMUTE_LOOP, from)                    \
    }

VOP_PERMUTE(zip1, i / 2 + (i % 2) * n)
VOP_PERMUTE(zip2, i / 2 + (i % 2) * n + n / 2)
VOP_PERMUTE(uzp1, 2 * i)
VOP_PERMUTE(uzp2, 2 * i + 1)
VOP_PERMUTE(trn1, (i & ~1u) + (i % 2) * n)
VOP_PERMUTE(trn2, (i | 1u) + (i % 2) * n)

#define GROUP_MASK ((1u << (IR_VIMM_EXTRA(imm) & 3) >> IR_VIMM_LANE(imm)) - 1)
VOP_PERMUTE(rev, (i ^ GROUP_MASK) & (n - 1))

/* The lane number is of the whole register, whatever the form. */
#define DUP_LOOP(bits, field, wide, expr)                \
    for (unsigned i = 0; i < n; i++) {                   \
        d->field[i] = a->field[expr & (128 / bits - 1)]; \
    }

void vop_dup(VOP_ARGS)
{
    const unsigned n = lanes_of(imm);

    *d = (v128){.d = {0, 0}};
    LANES_SWITCH(DUP_LOOP, IR_VIMM_EXTRA(imm))
}

void vop_ext(VOP_ARGS)
{
    const unsigned n = 8u << IR_VIMM_Q(imm), first = IR_VIMM_EXTRA(imm) & (n - 1);

    *d = (v128){.d = {0, 0}};
    for (unsigned i = 0; i < n; i++) {
        d->b[i] = first + i < n ? a->b[first + i] : b->b[first + i - n];
    }
}

void vop_tbl(VOP_ARGS)
{
    const unsigned base = 16 * IR_VIMM_EXTRA(imm);

    for (unsigned i = 0; i < 16; i++) {
        const unsigned index = c->b[i] - base;

        d->b[i] = index < 16 ? b->b[index] : a->b[i];
    }
    lanes_trim(d, imm & ~IR_VIMM_SCALAR);
}
