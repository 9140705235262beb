/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/a64/decode.h"

#include <stddef.h>

#include "engine/a64/classes.h"

struct match {
    uint32_t mask, value;
    bool (*see)(uint32_t w);       /* these words belong to another row */
    bool (*undefined)(uint32_t w); /* UNDEFINED although the pattern matches */
    bool (*allowed)(uint32_t w, const uint64_t features[2]);
};

#define HAS(feature) ((features[(feature) / 64] >> ((feature) % 64) & 1u) != 0)

/* DecodeBitMasks() raising UNDEFINED: no element size, or, for logical immediates, an element of all ones. */
static bool bad_bit_mask(uint32_t n, uint32_t imms, uint32_t immr, uint32_t immediate)
{
    const uint32_t v = n << 6 | (~imms & 63u);

    (void)immr;
    if (v < 2) {
        return true;
    }
    const uint32_t levels = (1u << (31 - __builtin_clz(v))) - 1;
    return immediate != 0 && (imms & levels) == levels;
}

#include "engine/a64/decode.inc"

const struct a64_row *a64_decode(uint32_t w, const uint64_t features[2])
{
    for (const uint16_t *i = &candidates[first_candidate[w >> 21]]; *i != 0xffff; i++) {
        const struct match *const m = &matches[*i];
        if ((w & m->mask) != m->value || (m->see != NULL && m->see(w))) {
            continue;
        }
        if ((m->undefined != NULL && m->undefined(w)) ||
            (m->allowed != NULL && !m->allowed(w, features))) {
            return NULL;
        }
        return &a64_rows[*i];
    }
    return NULL;
}
