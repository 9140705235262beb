/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Encoding of x86-64 instructions into a buffer. Intel SDM volume 2, chapter 2.
 *
 * An opcode is a number: bits 7:0 the last byte, bits 9:8 the map (0 one byte, 1 0F, 2 0F38, 3 0F3A), bits 11:10 the mandatory
 * prefix (0 none, 1 66, 2 F3, 3 F2), as VEX has them. A full buffer sets `full` and drops what comes: the caller looks at the end.
 */
#ifndef ENGINE_X64_ASM_H
#define ENGINE_X64_ASM_H

#include <stdbool.h>
#include <stdint.h>

enum x64_reg {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    NOREG = -1
};

/* Condition codes, as the low bits of Jcc, SETcc and CMOVcc. */
enum x64_cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
};

struct x64_asm {
    uint8_t *start, *p, *end;
    bool full;
    bool legacy;      /* no VEX: x86-64-v2 */
    unsigned vectors; /* registers that the host has: 16 or, from level 4 on, 32 */
};

/* A vector register that the encodings without VEX use: nobody else does then. */
#define X64_LEGACY_XMM 15

/* base of x64_mem: the address of the instruction's end. The displacement is its last four bytes, to be filled in. */
#define X64_RIP 32

struct x64_mem {
    int8_t base, index; /* NOREG: none; one of the two is there */
    uint8_t scale;      /* log2 */
    int32_t disp;
};

static inline struct x64_mem x64_at(int base, int32_t disp)
{
    return (struct x64_mem){.base = (int8_t)base, .index = NOREG, .disp = disp};
}

static inline struct x64_mem x64_at_index(int base, int index, unsigned scale, int32_t disp)
{
    return (struct x64_mem){
        .base = (int8_t)base, .index = (int8_t)index, .scale = (uint8_t)scale, .disp = disp};
}

#define X64_OP(prefix, map, byte) \
    ((uint32_t)(byte) | (uint32_t)(map) << 8 | (uint32_t)(prefix) << 10)
#define X64_0F(byte) X64_OP(0, 1, byte)
enum { PP_NONE, PP_66, PP_F3, PP_F2 };
enum { MAP_0F = 1, MAP_0F38, MAP_0F3A };

/* Bytes as they are. */
void x64_byte(struct x64_asm *a, unsigned byte);
void x64_u32(struct x64_asm *a, uint32_t value);
void x64_u64(struct x64_asm *a, uint64_t value);
static inline uint32_t x64_here(const struct x64_asm *a)
{
    return (uint32_t)(a->p - a->start);
}
/* NOPs until the offset is a multiple of `to`, when `ahead` more bytes have been written. */
void x64_align(struct x64_asm *a, unsigned to, unsigned ahead);

/* --- General purpose. w: 64-bit operation. */
void x64_rr(struct x64_asm *a, unsigned w, uint32_t op, int reg, int rm);
void x64_rm(struct x64_asm *a, unsigned w, uint32_t op, int reg, struct x64_mem m);
void x64_rr8(struct x64_asm *a, uint32_t op, int reg,
             int rm); /* byte registers: SPL and the like by REX */
void x64_rm8(struct x64_asm *a, uint32_t op, int reg, struct x64_mem m);

/* Group 1: add or adc sbb and sub xor cmp */
enum x64_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
void x64_alu_rr(struct x64_asm *a, unsigned w, enum x64_alu op, int reg, int rm); /* reg op= rm */
void x64_alu_rm(struct x64_asm *a, unsigned w, enum x64_alu op, int reg, struct x64_mem m);
void x64_alu_ri(struct x64_asm *a, unsigned w, enum x64_alu op, int reg, int32_t imm);
void x64_alu_mi(struct x64_asm *a, unsigned w, enum x64_alu op, struct x64_mem m, int32_t imm);
/* Group 2: shifts by a constant */
enum x64_shift { SH_ROL, SH_ROR, SH_RCL, SH_RCR, SH_SHL, SH_SHR, SH_SAR = 7 };
void x64_shift_ri(struct x64_asm *a, unsigned w, enum x64_shift op, int reg, unsigned count);

void x64_mov_rr(struct x64_asm *a, unsigned w, int to, int from);
void x64_mov_ri(struct x64_asm *a, int reg,
                uint64_t value); /* the shortest form that leaves the flags alone */
void x64_mov_ri64(struct x64_asm *a, int reg,
                  uint64_t value); /* the longest form: the value is the last 8 bytes */
void x64_load(struct x64_asm *a, unsigned w, int reg, struct x64_mem m);
void x64_store(struct x64_asm *a, unsigned w, int reg, struct x64_mem m);
void x64_store_imm(struct x64_asm *a, unsigned w, struct x64_mem m, int32_t imm);
void x64_lea(struct x64_asm *a, unsigned w, int reg, struct x64_mem m);
void x64_test_rr(struct x64_asm *a, unsigned w, int r1, int r2);
void x64_test_ri(struct x64_asm *a, unsigned w, int reg, int32_t imm);
void x64_setcc(struct x64_asm *a, enum x64_cc cc, int reg); /* low byte only */
void x64_cmov(struct x64_asm *a, unsigned w, enum x64_cc cc, int to, int from);
void x64_unary(struct x64_asm *a, unsigned w, unsigned ext,
               int reg); /* F7 /ext: 2 not 3 neg 4 mul 5 imul 6 div 7 idiv */
void x64_push(struct x64_asm *a, int reg);
void x64_pop(struct x64_asm *a, int reg);

/* Jumps. The returned offset is that of the rel32, for x64_patch. */
uint32_t x64_jcc(struct x64_asm *a, enum x64_cc cc);
uint32_t x64_jmp(struct x64_asm *a);
void x64_jmp_to(struct x64_asm *a, uint32_t offset); /* backwards, in this buffer */
void x64_jcc_to(struct x64_asm *a, enum x64_cc cc, uint32_t offset);
void x64_jmp_m(struct x64_asm *a, struct x64_mem m);
void x64_jmp_r(struct x64_asm *a, int reg);
void x64_call(struct x64_asm *a, uintptr_t function); /* in C; through RAX */
void x64_call_general(struct x64_asm *a,
                      uintptr_t function); /* one that knows no vector registers */
extern bool x64_calls_destroy; /* for tests: all that a function in C may change is changed */
void x64_ret(struct x64_asm *a);
void x64_patch(struct x64_asm *a, uint32_t rel32, uint32_t target);
static inline void x64_patch_here(struct x64_asm *a, uint32_t rel32)
{
    x64_patch(a, rel32, x64_here(a));
}

/* BMI: three operands. The flags are lost, and so is RCX: without VEX, they are made of older instructions. */
void x64_bmi_rrr(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm);
#define X64_SHLX X64_OP(PP_66, MAP_0F38, 0xf7) /* reg = rm << vvvv */
#define X64_SARX X64_OP(PP_F3, MAP_0F38, 0xf7)
#define X64_SHRX X64_OP(PP_F2, MAP_0F38, 0xf7)
#define X64_ANDN X64_OP(PP_NONE, MAP_0F38, 0xf2) /* reg = ~vvvv & rm */
#define X64_PEXT \
    X64_OP(PP_F3, MAP_0F38, 0xf5) /* reg = vvvv at the bits of rm; with VEX only, as the next */
#define X64_PDEP X64_OP(PP_F2, MAP_0F38, 0xf5)
#define X64_MULX X64_OP(PP_F2, MAP_0F38, 0xf6) /* reg:vvvv = RDX * rm */
void x64_rorx(struct x64_asm *a, unsigned w, int reg, int rm, unsigned count);
void x64_bmi_rrm(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, struct x64_mem m);

/*
 * --- Vectors: VEX, 128 bits. vvvv NOREG: not used. With one of the upper 16 registers it is EVEX, which asm.c does for what may have them:
 * moves, and the arithmetic that node.c lists.
 * Without VEX they are made of SSE4.2 instructions, whose first operand is the result, and of moves; so memory has to be aligned where
 * it is 128 bits of an operand. There is no such form of fused operations, shifts by lanes and half precision.
 */
void x64_v(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm);
void x64_vw(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm);
void x64_vm(struct x64_asm *a, uint32_t op, int reg, int vvvv, struct x64_mem m);
void x64_vwm(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, struct x64_mem m);
void x64_vi(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm, unsigned imm);
void x64_vwi(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm, unsigned imm);
void x64_vmi(struct x64_asm *a, uint32_t op, int reg, int vvvv, struct x64_mem m, unsigned imm);
/* With a fourth register in the immediate (VPBLENDVB). */
void x64_v4(struct x64_asm *a, uint32_t op, int reg, int vvvv, int rm, int r4);

/* --- EVEX, 128 bits, no masking. Comparisons give a mask register, which is reg. */
void x64_e(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm);
void x64_ei(struct x64_asm *a, unsigned w, uint32_t op, int reg, int vvvv, int rm, unsigned imm);

/* A comparison of lanes to mask register k; narrow: k & the result. */
void x64_compare_k(struct x64_asm *a, bool is_double, int k, bool narrow, int ra, int rb,
                   unsigned imm);
void x64_compare_km(struct x64_asm *a, bool is_double, int k, bool narrow, int ra, struct x64_mem m,
                    unsigned imm);
#define X64_KMOVB X64_OP(PP_66, MAP_0F, 0x93) /* from a mask register, rm */

#define X64_VPCMPEQD      X64_OP(PP_66, MAP_0F, 0x76)
#define X64_VPTERNLOGD    X64_OP(PP_66, MAP_0F3A, 0x25)
#define X64_VMOVDQA_RR    X64_OP(PP_66, MAP_0F, 0x6f)
#define X64_VMOVDQU_LOAD  X64_OP(PP_F3, MAP_0F, 0x6f)
#define X64_VMOVDQU_STORE X64_OP(PP_F3, MAP_0F, 0x7f)
#define X64_VMOVQ_LOAD    X64_OP(PP_F3, MAP_0F, 0x7e) /* xmm or m64, upper half zero */
#define X64_VMOVQ_STORE   X64_OP(PP_66, MAP_0F, 0xd6)
#define X64_VMOVDDUP      X64_OP(PP_F2, MAP_0F, 0x12) /* from m64, to both halves */
#define X64_VMOVLPD_LOAD  X64_OP(PP_66, MAP_0F, 0x12) /* from m64, the other half is vvvv's */
#define X64_VMOVHPD_LOAD  X64_OP(PP_66, MAP_0F, 0x16)
#define X64_VMOVD_LOAD    X64_OP(PP_66, MAP_0F, 0x6e) /* from r or m, w: 64 bits */
#define X64_VMOVD_STORE   X64_OP(PP_66, MAP_0F, 0x7e) /* to r or m */

#endif
