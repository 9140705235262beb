/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* 128-bit values: moving, logic, and functions without a form of their own here, which are called. */
#include "engine/x64/emit.h"
#include "engine/x64/vop.h"

#define INT CLASS_INT
#define VEC CLASS_VEC

#define VPAND        X64_OP(PP_66, MAP_0F, 0xdb)
#define VPANDN       X64_OP(PP_66, MAP_0F, 0xdf) /* ~vvvv & rm */
#define VPOR         X64_OP(PP_66, MAP_0F, 0xeb)
#define VPXOR        X64_OP(PP_66, MAP_0F, 0xef)
#define VPSRLDQ      X64_OP(PP_66, MAP_0F, 0x73) /* /3, to the left /7 */
#define VPBLENDW     X64_OP(PP_66, MAP_0F3A, 0x0e)
#define VSHUFPD      X64_OP(PP_66, MAP_0F, 0xc6) /* a lane of vvvv, then one of rm */
#define VINSERTPS    X64_OP(PP_66, MAP_0F3A, 0x21)
#define VPINSRB      X64_OP(PP_66, MAP_0F3A, 0x20)
#define VPINSRW      X64_OP(PP_66, MAP_0F, 0xc4)
#define VPINSRD      X64_OP(PP_66, MAP_0F3A, 0x22) /* w: Q */
#define VPEXTRB      X64_OP(PP_66, MAP_0F3A, 0x14)
#define VPEXTRW      X64_OP(PP_66, MAP_0F3A, 0x15)
#define VPEXTRD      X64_OP(PP_66, MAP_0F3A, 0x16) /* w: Q */
#define VPBROADCASTB X64_OP(PP_66, MAP_0F38, 0x78)
#define VPBROADCASTW X64_OP(PP_66, MAP_0F38, 0x79)
#define VPBROADCASTD X64_OP(PP_66, MAP_0F38, 0x58)
#define VPBROADCASTQ X64_OP(PP_66, MAP_0F38, 0x59)

/* Only the low `size` (log2) bytes stay. */
void x64_keep_low(struct x64_emit *e, int to, int from, unsigned size)
{
    struct x64_asm *const a = &e->a;

    switch (size) {
    case 3:
        x64_v(a, X64_VMOVQ_LOAD, to, NOREG, from);
        break;
    case 2:
        x64_vi(a, VINSERTPS, to, from, from, 0x0e); /* all other lanes zeroed */
        break;
    default:
        x64_v(a, VPXOR, XMM_SCRATCH1, XMM_SCRATCH1, XMM_SCRATCH1);
        if (size == 1) {
            x64_vi(a, VPBLENDW, to, XMM_SCRATCH1, from, 1);
        } else {
            x64_vi(a, VPEXTRB, from, NOREG, RAX, 0);
            x64_v(a, X64_VMOVD_LOAD, to, NOREG, RAX);
        }
        break;
    }
}

static void constant(struct x64_emit *e, int rd, v128 value)
{
    if ((value.d[0] | value.d[1]) == 0) {
        x64_v(&e->a, VPXOR, rd, rd, rd);
    } else if ((value.d[0] & value.d[1]) == UINT64_MAX) {
        x64_v(&e->a, X64_VPCMPEQD, rd, rd, rd);
    } else {
        x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG, value);
    }
}

/* An integer, cut to its low bytes, as a vector. */
static void from_integer(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    unsigned lane;
    uint64_t value;

    if (x64_const(e, n->a, &value)) {
        constant(e, x64_def(e, VEC, node),
                 (v128){.d = {value & UINT64_MAX >> (64 - (8u << n->type)), 0}});
        return;
    }
    if (x64_lane_of(e, n->a, n->type, &lane)) {
        const int rx = x64_use(e, VEC, x64_node(e, n->a)->a), rd = x64_def(e, VEC, node);
        if (lane == 0) {
            x64_keep_low(e, rd, rx, n->type);
            return;
        }
        x64_vi(a, VPSRLDQ, 3, rd, rx, lane << n->type);
        if (n->type != 3) {
            x64_keep_low(e, rd, rd, n->type);
        }
        return;
    }
    if (x64_val(e, n->a)->cls == CLASS_VEC) {
        const int rx = x64_use(e, VEC, n->a);
        x64_keep_low(e, x64_def(e, VEC, node), rx, n->type);
        return;
    }
    int ra = x64_use(e, INT, n->a);
    if (n->type < 2) {
        x64_rr8(a, X64_0F(n->type == 0 ? 0xb6 : 0xb7), RAX, ra);
        ra = RAX;
    }
    x64_vw(a, n->type == 3, X64_VMOVD_LOAD, x64_def(e, VEC, node), NOREG, ra);
}

static void lane(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const bool is_signed = n->op == IR_VLANES;
    const int rx = x64_use(e, VEC, n->a), rd = x64_def(e, INT, node);

    switch (n->type) {
    case 0:
        x64_vi(a, VPEXTRB, rx, NOREG, rd, n->imm & 15);
        if (is_signed) {
            x64_rr(a, 1, X64_0F(0xbe), rd, rd);
        }
        break;
    case 1:
        x64_vi(a, VPEXTRW, rx, NOREG, rd, n->imm & 7);
        if (is_signed) {
            x64_rr(a, 1, X64_0F(0xbf), rd, rd);
        }
        break;
    case 2:
        if ((n->imm & 3) == 0) {
            x64_v(a, X64_VMOVD_STORE, rx, NOREG, rd);
        } else {
            x64_vi(a, VPEXTRD, rx, NOREG, rd, n->imm & 3);
        }
        if (is_signed) {
            x64_rr(a, 1, 0x63, rd, rd);
        }
        break;
    default:
        if ((n->imm & 1) == 0) {
            x64_vw(a, 1, X64_VMOVD_STORE, rx, NOREG, rd);
        } else {
            x64_vwi(a, 1, VPEXTRD, rx, NOREG, rd, 1);
        }
        break;
    }
}

/* A byte or halfword of another vector: moved to where it goes. */
static void insert_short(struct x64_emit *e, unsigned size, unsigned to, unsigned from, int rd,
                         int rx, int ry)
{
    struct x64_asm *const a = &e->a;

    if (to != from) {
        x64_vi(a, VPSRLDQ, to > from ? 7 : 3, XMM_SCRATCH0, ry,
               (to > from ? to - from : from - to) << size);
        ry = XMM_SCRATCH0;
    }
    if (size == 1) {
        x64_vi(a, VPBLENDW, rd, rx, ry, 1u << to);
        return;
    }
    v128 mask = {.d = {0, 0}};
    mask.b[to] = 0xff;
    if (e->level >= 4) {
        x64_v_literal(e, X64_VMOVDQU_LOAD, rd, NOREG, mask);
        x64_ei(a, 0, X64_VPTERNLOGD, rd, ry, rx, 0xca); /* destination ? vvvv : rm */
        return;
    }
    x64_v_literal(e, VPAND, XMM_SCRATCH0, ry, mask);
    x64_v_literal(e, VPAND, rd, rx, (v128){.d = {~mask.d[0], ~mask.d[1]}});
    x64_v(a, VPOR, rd, rd, XMM_SCRATCH0);
}

/* A lane of another vector. */
static void insert_lane(struct x64_emit *e, ir_ref node, const struct ir_node *n, unsigned from)
{
    struct x64_asm *const a = &e->a;
    const int rx = x64_use(e, VEC, n->a), ry = x64_use(e, VEC, x64_node(e, n->b)->a);
    const int rd = x64_def(e, VEC, node);

    if (n->type < 2) {
        insert_short(e, n->type, n->imm & (15u >> n->type), from & (15u >> n->type), rd, rx, ry);
    } else if (n->type == 2) {
        x64_vi(a, VINSERTPS, rd, rx, ry, (from & 3) << 6 | (n->imm & 3) << 4);
    } else if ((n->imm & 1) != 0) {
        x64_vi(a, VSHUFPD, rd, rx, ry, (from & 1) << 1);
    } else {
        x64_vi(a, VSHUFPD, rd, ry, rx, (from & 1) | 2);
    }
}

static void insert(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    unsigned from;

    if (x64_lane_of(e, n->b, n->type, &from)) {
        insert_lane(e, node, n, from);
        return;
    }
    const int rx = x64_use(e, VEC, n->a), rb = x64_use(e, INT, n->b);
    const int rd = x64_def(e, VEC, node);

    switch (n->type) {
    case 0:
        x64_vi(a, VPINSRB, rd, rx, rb, n->imm & 15);
        break;
    case 1:
        x64_vi(a, VPINSRW, rd, rx, rb, n->imm & 7);
        break;
    default:
        x64_vwi(a, n->type == 3, VPINSRD, rd, rx, rb, n->imm & (n->type == 3 ? 1 : 3));
        break;
    }
}

static void duplicate(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    static const uint32_t ops[4] = {VPBROADCASTB, VPBROADCASTW, VPBROADCASTD, VPBROADCASTQ};
    struct x64_asm *const a = &e->a;
    uint64_t value;

    if (x64_const(e, n->a, &value)) {
        const unsigned bits = 8u << (n->type & 3);
        value &= UINT64_MAX >> (64 - bits);
        for (unsigned i = bits; i < 64; i *= 2) {
            value |= value << i;
        }
        constant(e, x64_def(e, VEC, node), (v128){.d = {value, value}});
        return;
    }
    const int ra = x64_use(e, INT, n->a), rd = x64_def(e, VEC, node);
    x64_vw(a, 1, X64_VMOVD_LOAD, rd, NOREG, ra);
    x64_v(a, ops[n->type & 3], rd, NOREG, rd);
}

static void pack(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    unsigned low, high;

    if (x64_lane_of(e, n->a, 3, &low) && x64_lane_of(e, n->b, 3, &high)) {
        const int rx = x64_use(e, VEC, x64_node(e, n->a)->a),
                  ry = x64_use(e, VEC, x64_node(e, n->b)->a);
        x64_vi(&e->a, VSHUFPD, x64_def(e, VEC, node), rx, ry, (low & 1) | (high & 1) << 1);
        return;
    }
    const int ra = x64_use(e, INT, n->a), rb = x64_use(e, INT, n->b);
    const int rd = x64_def(e, VEC, node);

    x64_vw(&e->a, 1, X64_VMOVD_LOAD, rd, NOREG, ra);
    x64_vwi(&e->a, 1, VPINSRD, rd, rd, rb, 1);
}

static void binary(struct x64_emit *e, ir_ref node, uint32_t op, ir_ref a, ir_ref b)
{
    const int ra = x64_use(e, VEC, a), rb = x64_use(e, VEC, b);

    x64_v(&e->a, op, x64_def_over(e, VEC, node), ra, rb);
}

static void all_ones(struct x64_emit *e, int reg)
{
    x64_v(&e->a, X64_VPCMPEQD, reg, reg, reg);
}

/* a | ~b, or ~a with b = a */
static void or_not(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rb = n->op == IR_VNOT ? ra : x64_use(e, VEC, n->b);
    const int rd = x64_def(e, VEC, node);

    if (e->level >= 4) { /* vvvv | ~rm, ~rm */
        x64_ei(&e->a, 0, X64_VPTERNLOGD, rd, ra, rb, n->op == IR_VNOT ? 0x55 : 0xdd);
        return;
    }
    all_ones(e, XMM_SCRATCH0);
    x64_v(&e->a, VPXOR, XMM_SCRATCH0, XMM_SCRATCH0, rb);
    if (n->op == IR_VNOT) {
        x64_v(&e->a, X64_VMOVDQA_RR, rd, NOREG, XMM_SCRATCH0);
    } else {
        x64_v(&e->a, VPOR, rd, ra, XMM_SCRATCH0);
    }
}

/* (b & a) | (c & ~a) */
static void bit_select(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int ra = x64_use(e, VEC, n->a), rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c);
    const int rd = x64_def(e, VEC, node);

    if (e->level >= 4) {
        x64_v(&e->a, X64_VMOVDQA_RR, rd, NOREG, ra);
        x64_ei(&e->a, 0, X64_VPTERNLOGD, rd, rb, rc, 0xca); /* destination ? vvvv : rm */
        return;
    }
    x64_v(&e->a, VPAND, XMM_SCRATCH0, ra, rb);
    x64_v(&e->a, VPANDN, XMM_SCRATCH1, ra, rc);
    x64_v(&e->a, VPOR, rd, XMM_SCRATCH0, XMM_SCRATCH1);
}

static void select(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    const int rb = x64_use(e, VEC, n->b), rc = x64_use(e, VEC, n->c);
    const int rd = x64_def(e, VEC, node);
    const enum x64_cc cc = x64_condition(e, n->a);

    x64_v(&e->a, X64_VMOVDQA_RR, rd, NOREG, rb);
    const uint32_t taken = x64_jcc(&e->a, cc);
    x64_v(&e->a, X64_VMOVDQA_RR, rd, NOREG, rc);
    x64_patch_here(&e->a, taken);
}

/* A memory operand that holds ref's 128 bits, for a C function. */
static struct x64_mem in_memory(struct x64_emit *e, ir_ref ref, unsigned n)
{
    const ir_ref r = x64_resolve(e, ref);
    const struct x64_val *const v = &e->val[r];
    const struct x64_mem area = FRAME(FRAME_ARGS + 16 * n);

    if (r == IR_REF_NONE) {
        return area;
    }
    if (v->cls == CLASS_VEC && v->slot >= 0) {
        return FRAME_SLOT(v->slot);
    }
    if (v->cls == CLASS_VEC && v->guest >= 0) {
        return CPU_V(v->guest);
    }
    x64_vm(&e->a, X64_VMOVDQU_STORE, x64_use(e, VEC, r), NOREG, area);
    return area;
}

static void call_vop(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    const struct x64_mem ma = in_memory(e, n->a, 0), mb = in_memory(e, n->b, 1),
                         mc = in_memory(e, n->c, 2);
    x64_spill_for_call(e);
    x64_lea(a, 1, RDI, CPU_OFFSET(0));
    x64_lea(a, 1, RSI, FRAME(FRAME_ARGS + 48));
    x64_lea(a, 1, RDX, ma);
    x64_lea(a, 1, RCX, mb);
    x64_lea(a, 1, R8, mc);
    x64_mov_ri(a, R9, n->imm);
    x64_count(e, offsetof(struct x64_stats, vop[n->d]));
    x64_call(a, (uintptr_t)ir_vops[n->d].fn);
    e->locked[INT] = 0;
    e->locked[VEC] = 0;
    if (e->val[node].last > e->now && e->val[node].cls == CLASS_INT) {
        x64_load(a, 1, x64_def(e, INT, node), FRAME(FRAME_ARGS + 48));
    } else if (e->val[node].last > e->now) {
        x64_vm(a, X64_VMOVDQU_LOAD, x64_def(e, VEC, node), NOREG, FRAME(FRAME_ARGS + 48));
    }
}

void x64_emit_vec(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];

    switch ((enum ir_op)n->op) {
    case IR_VFROM64:
        from_integer(e, node, n);
        break;
    case IR_VPACK:
        pack(e, node, n);
        break;
    case IR_VLANE:
    case IR_VLANES:
        lane(e, node, n);
        break;
    case IR_VINSERT:
        insert(e, node, n);
        break;
    case IR_VZEXT: {
        const int rx = x64_use(e, VEC, n->a);
        x64_keep_low(e, x64_def(e, VEC, node), rx, n->type);
        break;
    }
    case IR_VAND:
        binary(e, node, VPAND, n->a, n->b);
        break;
    case IR_VOR:
        binary(e, node, VPOR, n->a, n->b);
        break;
    case IR_VXOR:
        binary(e, node, VPXOR, n->a, n->b);
        break;
    case IR_VBIC:
        binary(e, node, VPANDN, n->b, n->a);
        break;
    case IR_VORN:
    case IR_VNOT:
        or_not(e, node, n);
        break;
    case IR_VBSL:
        bit_select(e, node, n);
        break;
    case IR_VDUP:
        duplicate(e, node, n);
        break;
    case IR_SELECT:
        select(e, node, n);
        break;
    case IR_VOP:
        if (!x64_emit_vop(e, node)) {
            call_vop(e, node, n);
        }
        break;
    default:
        e->failed = true;
        break;
    }
}
