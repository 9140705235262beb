/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * AES, SHA-1, SHA-256 and SHA-512 with the host's instructions for them. Those have the same steps, cut differently: a round of AES is whole
 * where A64 has two halves of it, SHA-1 adds the round constants that A64 has added before, and SHA-256 does two rounds at a time on
 * words in another order.
 */
#include "engine/x64/vop_int.h"

#define VPADDD      0xfeu
#define VPSUBD      0xfau
#define VPSLLD_SRLD OP66(0x72) /* /6 left, /2 right */

/* Without a VEX form: the first operand is also the result. */
#define SHA1RNDS4   X64_OP(PP_NONE, MAP_0F3A, 0xcc)
#define SHA256RNDS2 X64_OP(PP_NONE, MAP_0F38, 0xcb) /* with XMM0 */
#define SHA256MSG1  X64_OP(PP_NONE, MAP_0F38, 0xcc)
#define SHA256MSG2  X64_OP(PP_NONE, MAP_0F38, 0xcd)

#define REVERSED 0x1b /* of PSHUFD: lanes 3 2 1 0 */

/* --- AES ------------------------------------------------------------------------------------------------------------------------- */

static bool aes_round(struct x64_emit *e, ir_ref node, const struct ir_node *n, uint32_t last)
{
    if (e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_v(&e->a, VPXOR, X0, ra, rb);
    x64_v(&e->a, VPXOR, X1, X1, X1);
    x64_v(&e->a, last, rd, X0, X1);
    return true;
}

static bool vop_aese(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return aes_round(e, node, n, OP38(0xdd));
}

static bool vop_aesd(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return aes_round(e, node, n, OP38(0xdf));
}

/* Both halves at once: the first was left to this one (plan.c). */
static bool whole_round(struct x64_emit *e, ir_ref node, const struct ir_node *n, uint32_t round)
{
    const struct ir_node *const first = x64_node(e, n->a);
    const int ra = x64_use(e, VEC, first->a), rb = x64_use(e, VEC, first->b),
              rd = x64_def(e, VEC, node);

    x64_v(&e->a, VPXOR, X0, ra, rb);
    x64_v(&e->a, VPXOR, X1, X1, X1);
    x64_v(&e->a, round, rd, X0, X1);
    return true;
}

/* What the inverse of a last round takes away, a whole round does again before MixColumns. */
static bool vop_aesmc(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (e->level < 3) {
        return false;
    }
    if (x64_is_half_round(e, n->a)) {
        return whole_round(e, node, n, OP38(0xdc));
    }
    const int ra = x64_use(e, VEC, n->a), rd = x64_def(e, VEC, node);
    x64_v(&e->a, VPXOR, X1, X1, X1);
    x64_v(&e->a, OP38(0xdf), X0, ra, X1);
    x64_v(&e->a, OP38(0xdc), rd, X0, X1);
    return true;
}

static bool vop_aesimc(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (e->level < 3) {
        return false;
    }
    if (x64_is_half_round(e, n->a)) {
        return whole_round(e, node, n, OP38(0xde));
    }
    const int ra = x64_use(e, VEC, n->a);
    x64_v(&e->a, OP38(0xdb), x64_def(e, VEC, node), NOREG, ra);
    return true;
}

/* --- SHA-1 ----------------------------------------------------------------------------------------------------------------------- */

/* The host has A in the highest lane, E in the lane of the first schedule word, and adds the constant of the rounds. */
static bool sha1_rounds(struct x64_emit *e, ir_ref node, const struct ir_node *n, unsigned function)
{
    static const uint32_t constants[3] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc};
    struct x64_asm *const a = &e->a;

    if (!e->has_sha) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              rd = x64_def(e, VEC, node);
    x64_v_literal(e, OP66(VPADDD), X0, rc, all_dwords(-constants[function]));
    x64_v(a, VPXOR, X1, X1, X1);
    x64_vi(a, VPBLENDD, X1, X1, rb, 1);
    x64_v(a, OP66(VPADDD), X0, X0, X1);
    x64_vi(a, VPSHUFD, X0, NOREG, X0, REVERSED);
    x64_vi(a, VPSHUFD, rd, NOREG, ra, REVERSED);
    x64_rr(a, 0, SHA1RNDS4, rd, X0);
    x64_byte(a, function);
    x64_vi(a, VPSHUFD, rd, NOREG, rd, REVERSED);
    return true;
}

static bool vop_sha1c(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return sha1_rounds(e, node, n, 0);
}

static bool vop_sha1p(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return sha1_rounds(e, node, n, 1);
}

static bool vop_sha1m(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return sha1_rounds(e, node, n, 2);
}

static bool vop_sha1su0(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              rd = x64_def(e, VEC, node);
    x64_vi(&e->a, VPALIGNR, X0, rb, ra, 8);
    x64_v(&e->a, VPXOR, X0, X0, ra);
    x64_v(&e->a, VPXOR, rd, X0, rc);
    return true;
}

/* to = from rotated left by one in each lane; X1 is used. */
static void rotate_by_one(struct x64_emit *e, int to, int from)
{
    x64_vi(&e->a, VPSLLD_SRLD, 2, X1, from, 31);
    x64_vi(&e->a, VPSLLD_SRLD, 6, to, from, 1);
    x64_v(&e->a, VPOR, to, to, X1);
}

static bool vop_sha1su1(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (e->level < 3) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_vi(&e->a, VPSHIFT_DQ, 3, X0, rb, 4);
    x64_v(&e->a, VPXOR, X0, X0, ra);
    rotate_by_one(e, rd, X0);
    rotate_by_one(e, X0, rd);
    x64_vi(&e->a, VPSHIFT_DQ, 7, X0, X0, 12); /* the first word to the last lane */
    x64_v(&e->a, VPXOR, rd, rd, X0);
    return true;
}

/* --- SHA-256 --------------------------------------------------------------------------------------------------------------------- */

/* Of VSHUFPS: the upper two lanes of both, or the lower two, exchanged. */
#define UPPER_LANES 0xbb
#define LOWER_LANES 0x11

/* Four rounds on A to D and E to H. The host has F E B A and H G D C from the lowest lane up. */
static bool sha256_rounds(struct x64_emit *e, ir_ref node, const struct ir_node *n, ir_ref abcd,
                          ir_ref efgh, unsigned lanes)
{
    struct x64_asm *const a = &e->a;

    if (!e->has_sha) {
        return false;
    }
    const int ra = x64_use(e, VEC, abcd), rb = x64_use(e, VEC, efgh), rc = x64_use(e, VEC, n->c),
              cdgh = x64_temp(e, VEC), abef = x64_temp(e, VEC), rd = x64_def(e, VEC, node);
    x64_vi(a, VSHUFPS, cdgh, rb, ra, UPPER_LANES);
    x64_vi(a, VSHUFPS, abef, rb, ra, LOWER_LANES);
    x64_v(a, X64_VMOVDQA_RR, X0, NOREG, rc);
    x64_rr(a, 0, SHA256RNDS2, cdgh, abef); /* the new A B E F; C D G H are the old ones */
    x64_vi(a, VPSHUFD, X0, NOREG, rc, 0x0e);
    x64_rr(a, 0, SHA256RNDS2, abef, cdgh);
    x64_vi(a, VSHUFPS, rd, abef, cdgh, lanes);
    return true;
}

static bool vop_sha256h(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return sha256_rounds(e, node, n, n->a, n->b, UPPER_LANES);
}

static bool vop_sha256h2(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    return sha256_rounds(e, node, n, n->b, n->a, LOWER_LANES);
}

static bool vop_sha256su0(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!e->has_sha) {
        return false;
    }
    const int rb = x64_use(e, VEC, n->b), rd = x64_def_from(e, VEC, node, n->a);
    x64_rr(&e->a, 0, SHA256MSG1, rd, rb);
    return true;
}

static bool vop_sha256su1(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (!e->has_sha) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              rd = x64_def(e, VEC, node);
    x64_vi(&e->a, VPALIGNR, X0, rc, rb, 4);
    x64_v(&e->a, OP66(VPADDD), rd, ra, X0);
    x64_rr(&e->a, 0, SHA256MSG2, rd, rc);
    return true;
}

/* --- SHA-512: level 4 has rotations ---------------------------------------------------------------------------------------------- */

#define XOR_ALL  0x96 /* of VPTERNLOG */
#define CHOOSE   0xca /* destination ? vvvv : rm */
#define MAJORITY 0xe8

/* to = from rotated by r1, r2 and r3, or shifted by r3, and added up without carries. Uses X1. */
static void rotations(struct x64_emit *e, int to, int from, const uint8_t r[3], bool shift)
{
    struct x64_asm *const a = &e->a;
    const int other = x64_temp(e, VEC);

    x64_ei(a, 1, OP66(0x72), 0, to, from, r[0]); /* VPROR */
    x64_ei(a, 1, OP66(0x72), 0, X1, from, r[1]);
    if (shift) {
        x64_vi(a, OP66(0x73), 2, other, from, r[2]);
    } else {
        x64_ei(a, 1, OP66(0x72), 0, other, from, r[2]);
    }
    x64_ei(a, 0, X64_VPTERNLOGD, to, X1, other, XOR_ALL);
}

/*
 * Two rounds, the upper doubleword first, each in the lower half of registers: `sum` goes to a's doubleword, together with a function of x,
 * y and z and rotations of x.
 */
static void sha512_round(struct x64_emit *e, int to, int sum, int x, int y, int z,
                         unsigned function, const uint8_t r[3])
{
    struct x64_asm *const a = &e->a;

    rotations(e, to, x, r, false);
    x64_v(a, X64_VMOVDQA_RR, X1, NOREG, x);
    x64_ei(a, 0, X64_VPTERNLOGD, X1, y, z, function);
    x64_v(a, x64_op_add[3], to, to, X1);
    x64_v(a, x64_op_add[3], to, to, sum);
}

static const uint8_t sha512_upper1[3] = {14, 18, 41}, sha512_upper0[3] = {28, 34, 39},
                     sha512_lower0[3] = {1, 8, 7}, sha512_lower1[3] = {19, 61, 6};

static bool vop_sha512h(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (e->level < 4) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              high = x64_temp(e, VEC), c1 = x64_temp(e, VEC), rd = x64_def(e, VEC, node);
    x64_v(a, VPUNPCKHQDQ, c1, rc, rc);
    x64_v(a, VPUNPCKHQDQ, X0, rb, rb);
    x64_v(a, VPUNPCKHQDQ, rd, ra, ra);
    sha512_round(e, high, rd, c1, rb, X0, CHOOSE, sha512_upper1);
    x64_v(a, x64_op_add[3], X0, high, rc);
    sha512_round(e, rd, ra, X0, c1, rb, CHOOSE, sha512_upper1);
    x64_v(a, VPUNPCKLQDQ, rd, rd, high);
    return true;
}

static bool vop_sha512h2(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    if (e->level < 4) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              high = x64_temp(e, VEC), rd = x64_def(e, VEC, node);
    x64_v(a, VPUNPCKHQDQ, X0, rc, rc);
    x64_v(a, VPUNPCKHQDQ, rd, ra, ra);
    sha512_round(e, high, rd, rc, X0, rb, MAJORITY, sha512_upper0);
    sha512_round(e, rd, ra, high, rc, X0, MAJORITY, sha512_upper0);
    x64_v(a, VPUNPCKLQDQ, rd, rd, high);
    return true;
}

static bool vop_sha512su0(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (e->level < 4) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rd = x64_def(e, VEC, node);
    x64_vi(&e->a, VPALIGNR, X0, rb, ra, 8);
    rotations(e, rd, X0, sha512_lower0, true);
    x64_v(&e->a, x64_op_add[3], rd, rd, ra);
    return true;
}

static bool vop_sha512su1(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    if (e->level < 4) {
        return false;
    }
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c),
              rd = x64_def(e, VEC, node);
    rotations(e, rd, rb, sha512_lower1, true);
    x64_v(&e->a, x64_op_add[3], rd, rd, rc);
    x64_v(&e->a, x64_op_add[3], rd, rd, ra);
    return true;
}

x64_vop_fn *const x64_vop_crypto[VOP_COUNT] = {
#define ROW(name) [VOP_##name] = vop_##name
    ROW(aese),      ROW(aesd),    ROW(aesmc),    ROW(aesimc),    ROW(sha1c),     ROW(sha1p),
    ROW(sha1m),     ROW(sha1su0), ROW(sha1su1),  ROW(sha256h),   ROW(sha256h2),  ROW(sha256su0),
    ROW(sha256su1), ROW(sha512h), ROW(sha512h2), ROW(sha512su0), ROW(sha512su1),
#undef ROW
};
