/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Saturating arithmetic, lane by lane. */
#include "engine/simd/lanes.h"

VOP_LANES_QC(sqadd, SATS((L)(S)x + (S)y))
VOP_LANES_QC(uqadd, SATU((L)x + y))
VOP_LANES_QC(sqsub, SATS((L)(S)x - (S)y))
VOP_LANES_QC(uqsub, SATU((L)x - y))
VOP_LANES_QC(suqadd, SATS((L)(S)x + y))
VOP_LANES_QC(usqadd, SATU((L)x + (S)y))
VOP_LANES_QC(sqabs, SATS((S)x < 0 ? -(L)(S)x : (L)(S)x))
VOP_LANES_QC(sqneg, SATS(-(L)(S)x))

/*
 * High halves of doubled products. 2ab >> W is ab >> (W - 1), which keeps everything within L for the lanes that these
 * instructions have (H and S); the rounding constant is halved with it. In VOP_LANES_QC the other sizes are instantiated too;
 * nothing calls them.
 */
#define HALF       ((L)1 << (W - 2))
#define PRODUCT    ((L)(S)x * (S)y)
#define ADDEND     ((L)(S)z * ((L)1 << (W - 1)))
#define HIGH(prod) ((L)(prod) >> (W - 1))
VOP_LANES_QC(sqdmulh, SATS(HIGH(PRODUCT)))
VOP_LANES_QC(sqrdmulh, SATS(HIGH(PRODUCT + HALF)))
VOP_LANES_QC(sqrdmlah, SATS(HIGH(ADDEND + PRODUCT + HALF)))
VOP_LANES_QC(sqrdmlsh, SATS(HIGH(ADDEND - PRODUCT + HALF)))
