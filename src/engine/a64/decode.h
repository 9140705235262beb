/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The decoder, generated from data/a64-encodings.tsv by tools/gen/decoder.py. */
#ifndef ENGINE_A64_DECODE_H
#define ENGINE_A64_DECODE_H

#include "engine/a64/translate.h"

enum a64_check {
    A64_CHECK_NONE,
    A64_CHECK_FP /* CheckFPEnabled64 and the AdvSIMD variants: one trap rule without streaming mode */
};

struct a64_row {
    const char *name; /* of the encoding, as in Arm's XML */
    const char *class_name;
    a64_class_fn *translate; /* NULL: this engine does not implement it; the word is UNDEFINED */
    uint8_t check;           /* enum a64_check */
};

/* The row that owns the word, or NULL when it is unallocated, UNDEFINED by its fields, or needs a feature that is not there.
 * features: bit set of enum a64_feature. */
const struct a64_row *a64_decode(uint32_t w, const uint64_t features[2]);

extern const struct a64_row a64_rows[];
extern const unsigned a64_n_rows;

#include "engine/a64/features.h" /* enum a64_feature, generated: one per FEAT_ name of the table's base and simd groups */

#endif
