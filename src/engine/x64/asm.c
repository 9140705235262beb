/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/x64/asm.h"

#include <assert.h>
#include <string.h>

#define LONGEST 16

/* At the start of each instruction: then no byte needs a check of its own. */
static void room(struct x64_asm *a)
{
    if (__builtin_expect(a->end - a->p < LONGEST, 0)) {
        a->full = true;
        a->p = a->start;
    }
}

static void put(struct x64_asm *a, unsigned byte)
{
    *a->p++ = (uint8_t)byte;
}

static void put32(struct x64_asm *a, uint32_t value)
{
    memcpy(a->p, &value, 4);
    a->p += 4;
}

void x64_byte(struct x64_asm *a, unsigned byte)
{
    room(a);
    put(a, byte);
}

void x64_u32(struct x64_asm *a, uint32_t value)
{
    room(a);
    put32(a, value);
}

void x64_u64(struct x64_asm *a, uint64_t value)
{
    room(a);
    memcpy(a->p, &value, 8);
    a->p += 8;
}

void x64_align(struct x64_asm *a, unsigned to, unsigned ahead)
{
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    unsigned n = -(x64_here(a) + ahead) & (to - 1);

    while (n != 0) {
        const unsigned length = n < 9 ? n : 9;
        room(a);
        memcpy(a->p, nops[length - 1], length);
        a->p += length;
        n -= length;
    }
}

/* --- Pieces of an instruction ---------------------------------------------------------------------------------------------------- */

static void modrm_reg(struct x64_asm *a, int reg, int rm)
{
    put(a, 0xc0u | (unsigned)(reg & 7) << 3 | (unsigned)(rm & 7));
}

/* unit: what EVEX multiplies a short displacement by; 0: it has none. */
static void modrm_mem_of(struct x64_asm *a, int reg, struct x64_mem m, int32_t unit)
{
    const unsigned r = (unsigned)(reg & 7) << 3, b = (unsigned)(m.base & 7);
    const bool sib = m.index != NOREG || b == RSP;
    unsigned mod;

    if (m.base == X64_RIP) {
        put(a, r | RBP);
        put32(a, 0);
        return;
    }
    if (m.base == NOREG) { /* the index alone: always with 32 bits */
        put(a, r | RSP);
        put(a, (unsigned)m.scale << 6 | (unsigned)(m.index & 7) << 3 | RBP);
        put32(a, (uint32_t)m.disp);
        return;
    }
    if (m.disp == 0 && b != RBP) {
        mod = 0;
    } else if (unit != 0 && m.disp % unit == 0 && m.disp / unit >= -128 && m.disp / unit <= 127) {
        mod = 1;
    } else {
        mod = 2;
    }
    put(a, mod << 6 | r | (sib ? (unsigned)RSP : b));
    if (sib) {
        const unsigned index = m.index == NOREG ? (unsigned)RSP : (unsigned)(m.index & 7);
        put(a, (unsigned)m.scale << 6 | index << 3 | b);
    }
    if (mod == 1) {
        put(a, (uint8_t)(m.disp / unit));
    } else if (mod == 2) {
        put32(a, (uint32_t)m.disp);
    }
}

static void modrm_mem(struct x64_asm *a, int reg, struct x64_mem m)
{
    modrm_mem_of(a, reg, m, 1);
}

static unsigned op_prefix(uint32_t op)
{
    return op >> 10 & 3;
}

static unsigned op_map(uint32_t op)
{
    return op >> 8 & 3;
}

static void legacy(struct x64_asm *a, unsigned rex, uint32_t op)
{
    static const uint8_t prefixes[4] = {0, 0x66, 0xf3, 0xf2};

    if (op_prefix(op) != 0) {
        put(a, prefixes[op_prefix(op)]);
    }
    if (rex != 0) {
        put(a, 0x40u | rex);
    }
    if (op_map(op) != 0) {
        put(a, 0x0f);
        if (op_map(op) > MAP_0F) {
            put(a, op_map(op) == MAP_0F38 ? 0x38 : 0x3a);
        }
    }
    put(a, op & 0xff);
}

static unsigned rex_of(unsigned w, int reg, int index, int base)
{
    return w << 3 | (reg > 7 ? 4u : 0) | (index > 7 ? 2u : 0) | (base > 7 ? 1u : 0);
}

/* --- General purpose ------------------------------------------------------------------------------------------------------------- */

void x64_rr(struct x64_asm *a, unsigned w, uint32_t op, int reg, int rm)
{
    room(a);
    legacy(a, rex_of(w, reg, NOREG, rm), op);
    modrm_reg(a, reg, rm);
}

void x64_rm(struct x64_asm *a, unsigned w, uint32_t op, int reg, struct x64_mem m)
{
    room(a);
    legacy(a, rex_of(w, reg, m.index, m.base), op);
    modrm_mem(a, reg, m);
}

void x64_rr8(struct x64_asm *a, uint32_t op, int reg, int rm)
{
    const unsigned rex = rex_of(0, reg, NOREG, rm) | (reg > 3 || rm > 3 ? 0x40u : 0);

    room(a);
    legacy(a, rex, op);
    modrm_reg(a, reg, rm);
}

void x64_rm8(struct x64_asm *a, uint32_t op, int reg, struct x64_mem m)
{
    room(a);
    legacy(a, rex_of(0, reg, m.index, m.base) | (reg > 3 ? 0x40u : 0), op);
    modrm_mem(a, reg, m);
}

void x64_alu_rr(struct x64_asm *a, unsigned w, enum x64_alu op, int reg, int rm)
{
    x64_rr(a, w, (uint32_t)op << 3 | 3, reg, rm);
}

void x64_alu_rm(struct x64_asm *a, unsigned w, enum x64_alu op, int reg, struct x64_mem m)
{
    x64_rm(a, w, (uint32_t)op << 3 | 3, reg, m);
}

void x64_alu_ri(struct x64_asm *a, unsigned w, enum x64_alu op, int reg, int32_t imm)
{
    const bool small = imm >= -128 && imm <= 127;

    x64_rr(a, w, small ? 0x83 : 0x81, (int)op, reg);
    if (small) {
        put(a, (uint8_t)imm);
    } else {
        put32(a, (uint32_t)imm);
    }
}

void x64_alu_mi(struct x64_asm *a, unsigned w, enum x64_alu op, struct x64_mem m, int32_t imm)
{
    const bool small = imm >= -128 && imm <= 127;

    x64_rm(a, w, small ? 0x83 : 0x81, (int)op, m);
    if (small) {
        put(a, (uint8_t)imm);
    } else {
        put32(a, (uint32_t)imm);
    }
}

void x64_shift_ri(struct x64_asm *a, unsigned w, enum x64_shift op, int reg, unsigned count)
{
    x64_rr(a, w, 0xc1, (int)op, reg);
    put(a, count);
}

void x64_mov_rr(struct x64_asm *a, unsigned w, int to, int from)
{
    if (to != from || w == 0) {
        x64_rr(a, w, 0x8b, to, from);
    }
}

void x64_mov_ri(struct x64_asm *a, int reg, uint64_t value)
{
    room(a);
    if (value <= UINT32_MAX) {
        const unsigned rex = rex_of(0, NOREG, NOREG, reg);
        if (rex != 0) {
            put(a, 0x40u | rex);
        }
        put(a, 0xb8u | (unsigned)(reg & 7));
        put32(a, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        x64_rr(a, 1, 0xc7, 0, reg);
        put32(a, (uint32_t)value);
    } else {
        x64_mov_ri64(a, reg, value);
    }
}

void x64_mov_ri64(struct x64_asm *a, int reg, uint64_t value)
{
    room(a);
    put(a, 0x40u | rex_of(1, NOREG, NOREG, reg));
    put(a, 0xb8u | (unsigned)(reg & 7));
    memcpy(a->p, &value, 8);
    a->p += 8;
}

void x64_load(struct x64_asm *a, unsigned w, int reg, struct x64_mem m)
{
    x64_rm(a, w, 0x8b, reg, m);
}

void x64_store(struct x64_asm *a, unsigned w, int reg, struct x64_mem m)
{
    x64_rm(a, w, 0x89, reg, m);
}

void x64_store_imm(struct x64_asm *a, unsigned w, struct x64_mem m, int32_t imm)
{
    x64_rm(a, w, 0xc7, 0, m);
    put32(a, (uint32_t)imm);
}

void x64_lea(struct x64_asm *a, unsigned w, int reg, struct x64_mem m)
{
    x64_rm(a, w, 0x8d, reg, m);
}

void x64_test_rr(struct x64_asm *a, unsigned w, int r1, int r2)
{
    x64_rr(a, w, 0x85, r2, r1);
}

void x64_test_ri(struct x64_asm *a, unsigned w, int reg, int32_t imm)
{
    x64_rr(a, w, 0xf7, 0, reg);
    put32(a, (uint32_t)imm);
}

void x64_setcc(struct x64_asm *a, enum x64_cc cc, int reg)
{
    x64_rr8(a, X64_0F(0x90u | (unsigned)cc), 0, reg);
}

void x64_cmov(struct x64_asm *a, unsigned w, enum x64_cc cc, int to, int from)
{
    x64_rr(a, w, X64_0F(0x40u | (unsigned)cc), to, from);
}

void x64_unary(struct x64_asm *a, unsigned w, unsigned ext, int reg)
{
    x64_rr(a, w, 0xf7, (int)ext, reg);
}

void x64_push(struct x64_asm *a, int reg)
{
    room(a);
    if (reg > 7) {
        put(a, 0x41);
    }
    put(a, 0x50u | (unsigned)(reg & 7));
}

void x64_pop(struct x64_asm *a, int reg)
{
    room(a);
    if (reg > 7) {
        put(a, 0x41);
    }
    put(a, 0x58u | (unsigned)(reg & 7));
}

/* --- Jumps ----------------------------------------------------------------------------------------------------------------------- */

uint32_t x64_jcc(struct x64_asm *a, enum x64_cc cc)
{
    room(a);
    put(a, 0x0f);
    put(a, 0x80u | (unsigned)cc);
    put32(a, 0);
    return x64_here(a) - 4;
}

uint32_t x64_jmp(struct x64_asm *a)
{
    room(a);
    put(a, 0xe9);
    put32(a, 0);
    return x64_here(a) - 4;
}

void x64_jmp_to(struct x64_asm *a, uint32_t offset)
{
    x64_patch(a, x64_jmp(a), offset);
}

void x64_jcc_to(struct x64_asm *a, enum x64_cc cc, uint32_t offset)
{
    x64_patch(a, x64_jcc(a, cc), offset);
}

void x64_jmp_m(struct x64_asm *a, struct x64_mem m)
{
    x64_rm(a, 0, 0xff, 4, m);
}

void x64_jmp_r(struct x64_asm *a, int reg)
{
    x64_rr(a, 0, 0xff, 4, reg);
}

bool x64_calls_destroy;

void x64_call_general(struct x64_asm *a, uintptr_t function)
{
    static const uint8_t lost[] = {RCX, RDX, RSI, RDI, R8, R9, R10, R11};

    x64_mov_ri(a, RAX, function);
    x64_rr(a, 0, 0xff, 2, RAX);
    if (x64_calls_destroy) {
        for (unsigned i = 0; i < sizeof(lost); i++) {
            x64_alu_ri(a, 1, ALU_OR, lost[i], -1); /* and the flags */
        }
    }
}

void x64_call(struct x64_asm *a, uintptr_t function)
{
    x64_call_general(a, function);
    if (x64_calls_destroy) {
        for (int i = 0; i < (int)a->vectors; i++) { /* to a NaN in each lane */
            if (i < 16) {
                x64_v(a, X64_VPCMPEQD, i, i, i);
            } else {
                x64_ei(a, 0, X64_VPTERNLOGD, i, i, i, 0xff);
            }
        }
    }
}

void x64_ret(struct x64_asm *a)
{
    x64_byte(a, 0xc3);
}

void x64_patch(struct x64_asm *a, uint32_t rel32, uint32_t target)
{
    const uint32_t distance = target - (rel32 + 4);

    if (!a->full) {
        memcpy(a->start + rel32, &distance, 4);
    }
}

/* --- VEX ------------------------------------------------------------------------------------------------------------------------- */

static void vex(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int index, int base)
{
    const unsigned pp = op_prefix(op), map = op_map(op);
    const unsigned r = reg > 7 ? 0 : 0x80, x = index > 7 ? 0 : 0x40;
    const unsigned b = base > 7 && base != X64_RIP ? 0 : 0x20;
    const unsigned v = (vvvv == NOREG ? 15u : ~(unsigned)vvvv & 15u) << 3;

    room(a);
    if (x != 0 && b != 0 && w == 0 && map == MAP_0F) {
        put(a, 0xc5);
        put(a, r | v | pp);
    } else {
        put(a, 0xc4);
        put(a, r | x | b | map);
        put(a, w << 7 | v | pp);
    }
    put(a, op & 0xff);
}

/* --- EVEX ------------------------------------------------------------------------------------------------------------------------ */

static bool is_high(int reg)
{
    return reg != NOREG && (reg & 16) != 0;
}

/* rm, or the base: bits 4 and 3 of a vector register; index: NOREG unless it is memory. mask: 0 for none. */
static void evex(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int index, int rm,
                 unsigned mask)
{
    const unsigned r = (reg & 8) != 0 ? 0 : 0x80, r4 = (reg & 16) != 0 ? 0 : 0x10;
    const unsigned x = (index != NOREG ? index & 8 : rm != X64_RIP ? rm & 16 : 0) != 0 ? 0 : 0x40;
    const unsigned b = rm != X64_RIP && (rm & 8) != 0 ? 0 : 0x20;
    const unsigned v = vvvv == NOREG ? 31u : ~(unsigned)vvvv & 31u;

    room(a);
    put(a, 0x62);
    put(a, r | x | b | r4 | op_map(op));
    put(a, w << 7 | (v & 15) << 3 | 4 | op_prefix(op));
    put(a, (v & 16) >> 1 | mask);
    put(a, op & 0xff);
}

/* The operations of XMM16 to XMM31: what EVEX has in the bit that VEX ignores. */
static unsigned evex_w(uint32_t op, unsigned w)
{
    switch (op) {
    case X64_VMOVQ_LOAD:
    case X64_VMOVQ_STORE:
        return 1;
    case X64_VMOVDQA_RR:
    case X64_VMOVDQU_LOAD:
    case X64_VMOVDQU_STORE:
    case X64_OP(PP_66, MAP_0F, 0x70):   /* VPSHUFD */
    case X64_OP(PP_66, MAP_0F, 0x73):   /* VPSRLDQ */
    case X64_OP(PP_66, MAP_0F, 0xdb):   /* VPANDD */
    case X64_OP(PP_66, MAP_0F, 0xeb):   /* VPORD */
    case X64_OP(PP_66, MAP_0F, 0xef):   /* VPXORD */
    case X64_OP(PP_66, MAP_0F3A, 0x14): /* VPEXTRB */
    case X64_OP(PP_66, MAP_0F3A, 0x15): /* VPEXTRW */
    case X64_OP(PP_66, MAP_0F3A, 0x21): /* VINSERTPS */
        return 0;
    case X64_VMOVD_LOAD:
    case X64_VMOVD_STORE:
        return w;
    default:
        break;
    }
    const unsigned byte = op & 0xff;
    if (op_map(op) == MAP_0F38) {
        assert(byte >= 0x96 && byte <= 0xbf); /* fused */
        return w;
    }
    assert(op_map(op) == MAP_0F);
    assert(byte == 0x12 || byte == 0x14 || byte == 0x15 || byte == 0x16 || byte == 0x2e ||
           byte == 0x2f || byte == 0x51 || (byte >= 0x54 && byte <= 0x5f) || byte == 0xc6);
    return op_prefix(op) & 1; /* 66 and F2: double precision */
}

/* What a short displacement is multiplied by, where all 128 bits are in memory. */
static int32_t evex_unit(uint32_t op)
{
    return op == X64_VMOVDQU_LOAD || op == X64_VMOVDQU_STORE ||
                   (op_map(op) == MAP_0F && op_prefix(op) <= PP_66 && op != X64_VMOVQ_STORE &&
                    (op & 0xff) >= 0x51 && (op & 0xff) <= 0x5f)
               ? 16
               : 0;
}

/* --- The same without VEX --------------------------------------------------------------------------------------------------------- */

#define LEGACY_MOVE X64_0F(0x28) /* MOVAPS */
#define BLENDD      X64_OP(PP_66, MAP_0F3A, 0x02)
#define BLENDW      X64_OP(PP_66, MAP_0F3A, 0x0e)
#define CMP_BYTE    0xc2u
enum { CMP_EQ = 0, CMP_LT = 1, CMP_LE = 2, CMP_UNORD = 3, CMP_EQ_UQ = 8, CMP_GE = 13, CMP_GT = 14 };

static void legacy_move(struct x64_asm *a, int to, int from)
{
    if (to != from) {
        x64_rr(a, 0, LEGACY_MOVE, to, from);
    }
}

/* rm is a general-purpose register, while vvvv is a vector. */
static bool inserts_gpr(uint32_t op)
{
    switch (op) {
    case X64_OP(PP_F3, MAP_0F, 0x2a): /* CVTSI2SS */
    case X64_OP(PP_F2, MAP_0F, 0x2a):
    case X64_OP(PP_66, MAP_0F, 0xc4): /* PINSRW */
    case X64_OP(PP_66, MAP_0F3A, 0x20):
    case X64_OP(PP_66, MAP_0F3A, 0x22):
        return true;
    default:
        return false;
    }
}

static bool legacy_broadcast(struct x64_asm *a, uint32_t op, int reg, int rm)
{
    switch (op) {
    case X64_OP(PP_66, MAP_0F38, 0x78): /* bytes: two of them, as a halfword */
        legacy_move(a, reg, rm);
        x64_rr(a, 0, X64_OP(PP_66, MAP_0F, 0x60), reg, reg);
        rm = reg;
        /* fallthrough */
    case X64_OP(PP_66, MAP_0F38, 0x79):
        x64_rr(a, 0, X64_OP(PP_F2, MAP_0F, 0x70), reg, rm); /* PSHUFLW */
        put(a, 0);
        rm = reg;
        /* fallthrough */
    case X64_OP(PP_66, MAP_0F38, 0x58):
        x64_rr(a, 0, X64_OP(PP_66, MAP_0F, 0x70), reg, rm); /* PSHUFD */
        put(a, 0);
        return true;
    case X64_OP(PP_66, MAP_0F38, 0x59):
        x64_rr(a, 0, X64_OP(PP_66, MAP_0F, 0x70), reg, rm);
        put(a, 0x44);
        return true;
    default:
        return false;
    }
}

/* reg = vvvv; what is left to do takes reg and *rm. */
static void legacy_first(struct x64_asm *a, uint32_t op, int reg, int vvvv, int *rm)
{
    if (vvvv == NOREG || vvvv == reg) {
        return;
    }
    if (rm != NULL && *rm == reg && !inserts_gpr(op)) {
        legacy_move(a, X64_LEGACY_XMM, *rm);
        *rm = X64_LEGACY_XMM;
    }
    legacy_move(a, reg, vvvv);
}

static void legacy_v(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm)
{
    if (vvvv == NOREG && legacy_broadcast(a, op, reg, rm)) {
        return;
    }
    legacy_first(a, op, reg, vvvv, &rm);
    x64_rr(a, w, op, reg, rm);
}

static void legacy_vm(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv,
                      struct x64_mem m)
{
    legacy_first(a, op, reg, vvvv, NULL);
    x64_rm(a, w, op, reg, m);
}

static bool is_compare(uint32_t op)
{
    return (op & 0x3ff) == X64_0F(CMP_BYTE);
}

/* The comparisons that only VEX has: by exchanging the operands. */
static void legacy_compare(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm, unsigned imm)
{
    if (imm == CMP_GE || imm == CMP_GT) {
        legacy_v(a, 0, op, reg, rm, vvvv);
        put(a, imm == CMP_GE ? CMP_LE : CMP_LT);
    } else {
        legacy_v(a, 0, op, reg, vvvv, rm);
        put(a, imm);
    }
}

static void legacy_vi(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm,
                      unsigned imm)
{
    static const uint8_t pairs[16] = {0x00, 0x03, 0x0c, 0x0f, 0x30, 0x33, 0x3c, 0x3f,
                                      0xc0, 0xc3, 0xcc, 0xcf, 0xf0, 0xf3, 0xfc, 0xff};

    switch (op) {
    case X64_OP(PP_66, MAP_0F, 0x71): /* shifts by a constant: vvvv = rm shifted */
    case X64_OP(PP_66, MAP_0F, 0x72):
    case X64_OP(PP_66, MAP_0F, 0x73):
        legacy_move(a, vvvv, rm);
        x64_rr(a, 0, op, reg, vvvv);
        put(a, imm);
        return;
    case BLENDD:
        legacy_v(a, 0, BLENDW, reg, vvvv, rm);
        put(a, pairs[imm & 15]);
        return;
    default:
        if (is_compare(op)) {
            legacy_compare(a, op, reg, vvvv, rm, imm);
            return;
        }
        legacy_v(a, w, op, reg, vvvv, rm);
        put(a, imm);
        return;
    }
}

static void legacy_vmi(struct x64_asm *a, uint32_t op, int reg, int vvvv, struct x64_mem m,
                       unsigned imm)
{
    const bool or_unordered = is_compare(op) && imm == CMP_EQ_UQ;

    if (or_unordered) {
        legacy_move(a, X64_LEGACY_XMM, vvvv);
        x64_rr(a, 0, op, X64_LEGACY_XMM, X64_LEGACY_XMM);
        put(a, CMP_UNORD);
    }
    legacy_vm(a, 0, op, reg, vvvv, m);
    put(a, or_unordered ? CMP_EQ : imm);
    if (or_unordered) {
        x64_rr(a, 0, X64_0F(0x56), reg, X64_LEGACY_XMM); /* ORPS */
    }
}

/* The mask is in XMM0, which no operand may be but the first, and which is lost. */
static void legacy_blend(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm, int mask)
{
    /* VBLENDVPS, VBLENDVPD, VPBLENDVB */
    static const uint8_t bytes[3] = {0x14, 0x15, 0x10};
    const unsigned which = (op & 0xff) - 0x4au;

    legacy_move(a, X64_LEGACY_XMM, vvvv);
    legacy_move(a, 0, mask);
    x64_rr(a, 0, X64_OP(PP_66, MAP_0F38, bytes[which]), X64_LEGACY_XMM, rm);
    legacy_move(a, reg, X64_LEGACY_XMM);
}

static void legacy_bmi(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm)
{
    if (op == X64_ANDN) {
        x64_mov_rr(a, w, reg, vvvv);
        x64_unary(a, w, 2, reg);
        x64_alu_rr(a, w, ALU_AND, reg, rm);
        return;
    }
    const enum x64_shift shift = op == X64_SHLX ? SH_SHL : op == X64_SHRX ? SH_SHR : SH_SAR;
    if (vvvv != RCX) {
        x64_mov_rr(a, 1, RCX, vvvv);
    }
    x64_mov_rr(a, w, reg, rm);
    x64_rr(a, w, 0xd3, (int)shift, reg);
}

/* --- BMI and vectors -------------------------------------------------------------------------------------------------------------- */

void x64_bmi_rrr(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm)
{
    if (a->legacy) {
        legacy_bmi(a, w, op, reg, vvvv, rm);
        return;
    }
    vex(a, w, op, reg, vvvv, NOREG, rm);
    modrm_reg(a, reg, rm);
}

void x64_bmi_rrm(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, struct x64_mem m)
{
    vex(a, w, op, reg, vvvv, m.index, m.base);
    modrm_mem(a, reg, m);
}

void x64_rorx(struct x64_asm *a, unsigned w, int reg, int rm, unsigned count)
{
    if (a->legacy) {
        x64_mov_rr(a, w, reg, rm);
        x64_shift_ri(a, w, SH_ROR, reg, count);
        return;
    }
    vex(a, w, X64_OP(PP_F2, MAP_0F3A, 0xf0), reg, NOREG, NOREG, rm);
    modrm_reg(a, reg, rm);
    put(a, count);
}

void x64_vw(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm)
{
    if (a->legacy) {
        legacy_v(a, w, op, reg, vvvv, rm);
        return;
    }
    if (is_high(reg) || is_high(vvvv) || is_high(rm)) {
        evex(a, evex_w(op, w), op, reg, vvvv, NOREG, rm, 0);
    } else {
        vex(a, w, op, reg, vvvv, NOREG, rm);
    }
    modrm_reg(a, reg, rm);
}

void x64_v(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm)
{
    x64_vw(a, 0, op, reg, vvvv, rm);
}

void x64_vwm(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, struct x64_mem m)
{
    if (a->legacy) {
        legacy_vm(a, w, op, reg, vvvv, m);
        return;
    }
    if (is_high(reg) || is_high(vvvv)) {
        evex(a, evex_w(op, w), op, reg, vvvv, m.index, m.base, 0);
        modrm_mem_of(a, reg, m, evex_unit(op));
        return;
    }
    vex(a, w, op, reg, vvvv, m.index, m.base);
    modrm_mem(a, reg, m);
}

void x64_vm(struct x64_asm *a, uint32_t op, int reg, int vvvv, struct x64_mem m)
{
    x64_vwm(a, 0, op, reg, vvvv, m);
}

void x64_vwi(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm, unsigned imm)
{
    if (a->legacy) {
        legacy_vi(a, w, op, reg, vvvv, rm, imm);
        return;
    }
    x64_vw(a, w, op, reg, vvvv, rm);
    put(a, imm);
}

void x64_vi(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm, unsigned imm)
{
    x64_vwi(a, 0, op, reg, vvvv, rm, imm);
}

void x64_vmi(struct x64_asm *a, uint32_t op, int reg, int vvvv, struct x64_mem m, unsigned imm)
{
    if (a->legacy) {
        legacy_vmi(a, op, reg, vvvv, m, imm);
        return;
    }
    x64_vm(a, op, reg, vvvv, m);
    put(a, imm);
}

void x64_v4(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm, int r4)
{
    if (a->legacy) {
        legacy_blend(a, op, reg, vvvv, rm, r4);
        return;
    }
    x64_vi(a, op, reg, vvvv, rm, (unsigned)r4 << 4);
}

/* --- EVEX ------------------------------------------------------------------------------------------------------------------------ */

void x64_e(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm)
{
    evex(a, w, op, reg, vvvv, NOREG, rm, 0);
    modrm_reg(a, reg, rm);
}

void x64_ei(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm, unsigned imm)
{
    x64_e(a, w, op, reg, vvvv, rm);
    put(a, imm);
}

void x64_compare_k(struct x64_asm *a, bool is_double, int k, bool narrow, int ra, int rb,
                   unsigned imm)
{
    const uint32_t op = X64_OP(is_double ? (uint32_t)PP_66 : (uint32_t)PP_NONE, MAP_0F, CMP_BYTE);

    evex(a, is_double, op, k, ra, NOREG, rb, narrow ? (unsigned)k : 0);
    modrm_reg(a, k, rb);
    put(a, imm);
}

void x64_compare_km(struct x64_asm *a, bool is_double, int k, bool narrow, int ra, struct x64_mem m,
                    unsigned imm)
{
    const uint32_t op = X64_OP(is_double ? (uint32_t)PP_66 : (uint32_t)PP_NONE, MAP_0F, CMP_BYTE);

    evex(a, is_double, op, k, ra, m.index, m.base, narrow ? (unsigned)k : 0);
    modrm_mem_of(a, k, m, 16);
    put(a, imm);
}
