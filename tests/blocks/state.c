/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The registers that a block starts with. */
#include <string.h>

#include "block.h"
#include "engine/fp/fp_flags.h"
#include "registers.h"

static uint64_t stack_pointer(const struct world *w, struct rng *r)
{
    const uint64_t p = world_pointer(w, r);

    return percent(r, 90) ? p & ~15ull : p;
}

/* FEAT_AFP's bits too, which the comparison with QEMU 7.2 leaves out. */
static uint64_t fpcr(uint64_t drawn, struct rng *r)
{
    if (percent(r, 10)) {
        drawn |= draw(r) & 7; /* FIZ, AH, NEP */
    }
    return drawn;
}

void state_make(struct block *b, struct rng *r)
{
    static uint64_t unused[DIFF_WINDOW_SIZE / 8];
    const struct diff_case c = {.seed = draw(r), .base_reg = DIFF_NO_REG, .index_reg = DIFF_NO_REG};

    case_expand(&c, &b->state, unused);
    b->state.fpcr = fpcr(b->state.fpcr, r);
    if (percent(r, 10)) { /* what emitted code flushes with */
        b->state.fpcr = (b->state.fpcr & FP_FLAGS_FAST) | FPCR_FZ;
        b->state.fpsr |= percent(r, 90) ? FPSR_IXC : 0;
    }
    for (unsigned i = FIRST_POINTER; i <= LAST_POINTER; i++) {
        b->state.x[i] = world_pointer(&b->world, r);
    }
    if (b->world.wcr != 0) {
        for (unsigned i = FIRST_POINTER; i < FIRST_POINTER + 3; i++) {
            b->state.x[i] = b->world.wvr + below(r, 40) - 20;
        }
    }
    for (unsigned i = FIRST_INDEX; i <= LAST_INDEX; i++) {
        b->state.x[i] = (uint64_t)((int64_t)below(r, 129) - 64);
    }
    b->state.x[LOOP_REG] = below(r, 256);
    b->sp[0] = stack_pointer(&b->world, r);
    b->sp[1] = stack_pointer(&b->world, r);
    b->pstate = b->world.pstate;
}
