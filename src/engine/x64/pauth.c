/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pointer authentication (sys/pauth.c) without leaving emitted code: a kernel signs and authenticates a pointer in each function. The
 * code of AddPAC() and Auth() is made once for each key and called with every register kept; where the code ends in a pointer has
 * been worked out when the translation registers were written (pauth_update()). What fails goes to the function in C.
 */
#include "engine/sys/pauth.h"

#include "engine/x64/emit.h"

#define INT CLASS_INT

bool x64_is_pauth(const struct x64_emit *e, const struct ir_node *n)
{
    return n->op == IR_HELPER &&
           (n->d == HELPER_pac || n->d == HELPER_aut || n->d == HELPER_xpac ||
            n->d == HELPER_pacga) &&
           pauth_is_plain(e->cpu);
}

bool x64_is_helper(const struct x64_emit *e, const struct ir_node *n)
{
    return n->op == IR_HELPER && !x64_is_pauth(e, n);
}

static struct x64_mem constant(unsigned n)
{
    return CPU_OFFSET(offsetof(struct a64_cpu, x64.k[X64_K_PAUTH].d[0]) + 8 * n);
}

/* [ComputePACIMPDEF()] of RDX with the modifier in RCX and the key in this register and the next, to RDX. Uses RAX. */
static void emit_compute(struct x64_asm *a, unsigned key_register)
{
    const unsigned lo = (unsigned)offsetof(struct a64_cpu, sys[0]) + 8u * key_register;

    x64_alu_rm(a, 1, ALU_XOR, RDX, CPU_OFFSET(lo));
    x64_alu_rm(a, 1, ALU_XOR, RCX, CPU_OFFSET(lo + 8));
    for (unsigned round = 0; round < PAUTH_ROUNDS; round++) {
        x64_mov_rr(a, 1, RAX, RDX);
        x64_shift_ri(a, 1, SH_SHR, RAX, 32);
        x64_alu_rr(a, 1, ALU_XOR, RDX, RAX);
        x64_rm(a, 1, X64_0F(0xaf), RDX, constant(0)); /* IMUL */
        x64_alu_rr(a, 1, ALU_ADD, RDX, RCX);
        x64_mov_rr(a, 1, RAX, RCX);
        x64_shift_ri(a, 1, SH_SHR, RAX, 29);
        x64_alu_rr(a, 1, ALU_XOR, RCX, RAX);
        x64_rm(a, 1, X64_0F(0xaf), RCX, constant(1));
        x64_rorx(a, 1, RAX, RDX, 64 - 17);
        x64_alu_rr(a, 1, ALU_ADD, RCX, RAX);
    }
    x64_alu_rr(a, 1, ALU_XOR, RDX, RCX);
    x64_mov_rr(a, 1, RAX, RDX);
    x64_shift_ri(a, 1, SH_SHR, RAX, 31);
    x64_alu_rr(a, 1, ALU_XOR, RDX, RAX);
}

/* RAX: the pointer, then the result; RCX: the modifier. aut: ZF when the authentication has not failed. */
static void emit_thunk(struct x64_asm *a, bool aut, unsigned key)
{
    static const uint8_t used[] = {RDX, RSI, RDI, R8};
    const unsigned data = key >> 1;

    for (unsigned i = 0; i < sizeof(used); i++) {
        x64_push(a, used[i]);
    }
    x64_mov_rr(a, 1, R8, RAX);
    /* CF, and all of RSI: the upper half of the address space. RDI: the bits that are the code, and bit 55. */
    if (aut) {
        x64_rr(a, 1, X64_0F(0xba), 4, RAX); /* BT */
        x64_byte(a, 55);
    } else {
        x64_load(a, 0, RDX, CPU_FIELD(x64.pauth_sign[data]));
        x64_rr(a, 1, X64_0F(0xa3), RDX, RAX);
    }
    x64_load(a, 1, RDI, CPU_FIELD(x64.pauth_top[data][0]));
    x64_rm(a, 1, X64_0F(0x42), RDI, CPU_FIELD(x64.pauth_top[data][1])); /* CMOVC */
    x64_alu_rr(a, 1, ALU_SBB, RSI, RSI);
    /* RDX: the pointer without code. */
    x64_mov_rr(a, 1, RDX, RAX);
    x64_alu_rr(a, 1, ALU_XOR, RDX, RSI);
    x64_alu_rr(a, 1, ALU_AND, RDX, RDI);
    x64_alu_rr(a, 1, ALU_XOR, RDX, RAX);
    if (aut) {
        x64_mov_rr(a, 1, RSI, RDX);
    }
    emit_compute(a, pauth_key_registers[key]);
    x64_alu_rr(a, 1, ALU_AND, RDX, RDI);
    x64_rr(a, 1, X64_0F(0xba), 6, RDX); /* BTR: bit 55 is no part of the code */
    x64_byte(a, 55);
    x64_alu_rr(a, 1, ALU_XOR, RDX, R8);
    if (aut) {
        x64_alu_rr(a, 1, ALU_CMP, RDX, RSI);
    } else {
        x64_rr(a, 1, X64_0F(0xba), 6, RDX);
        x64_byte(a, 55);
        x64_shift_ri(a, 1, SH_SHR, RSI, 63);
        x64_shift_ri(a, 1, SH_SHL, RSI, 55);
        x64_alu_rr(a, 1, ALU_OR, RDX, RSI);
    }
    x64_mov_rr(a, 1, RAX, RDX);
    for (unsigned i = sizeof(used); i-- > 0;) {
        x64_pop(a, used[i]);
    }
    x64_ret(a);
}

void x64_emit_pauth_thunks(struct x64_asm *a, uint32_t at[2][4])
{
    for (unsigned aut = 0; aut < 2; aut++) {
        for (unsigned key = 0; key < 4; key++) {
            at[aut][key] = x64_here(a);
            emit_thunk(a, aut != 0, key);
        }
    }
}

/* Strip(): the bits that are the code, and bit 55, become copies of bit 55. */
static void emit_strip(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;
    const unsigned data = n->imm == 1;
    const int pointer = x64_use(e, INT, n->a), rd = x64_def(e, INT, node);

    x64_load(a, 1, RAX, CPU_FIELD(x64.pauth_top[data][0]));
    x64_unary(a, 1, 2, RAX); /* NOT */
    x64_alu_rr(a, 1, ALU_AND, RAX, pointer);
    x64_load(a, 1, rd, CPU_FIELD(x64.pauth_top[data][1]));
    x64_alu_rr(a, 1, ALU_OR, rd, pointer);
    x64_rr(a, 1, X64_0F(0xba), 4, pointer); /* BT */
    x64_byte(a, 55);
    x64_cmov(a, 1, CC_AE, rd, RAX);
}

/* PACGA: the upper half of a code is all of it. */
static void emit_generic(struct x64_emit *e, ir_ref node, const struct ir_node *n)
{
    struct x64_asm *const a = &e->a;

    x64_take(e, RDX);
    const int data = x64_use(e, INT, n->a), modifier = x64_use(e, INT, n->b);
    x64_mov_rr(a, 1, RDX, data);
    x64_mov_rr(a, 1, RCX, modifier);
    emit_compute(a, SR_APGAKEYLO_EL1);
    x64_shift_ri(a, 1, SH_SHR, RDX, 32);
    x64_shift_ri(a, 1, SH_SHL, RDX, 32);
    x64_bind(e, INT, node, RDX);
}

void x64_emit_pauth(struct x64_emit *e, ir_ref node)
{
    const struct ir_node *const n = &e->nodes[node];

    if (n->d == HELPER_xpac) {
        emit_strip(e, node, n);
        return;
    }
    if (n->d == HELPER_pacga) {
        emit_generic(e, node, n);
        return;
    }
    const bool aut = n->d == HELPER_aut;
    struct x64_asm *const a = &e->a;
    const int pointer = x64_use(e, INT, n->a), modifier = x64_use(e, INT, n->b);
    const int result = x64_def(e, INT, node);
    struct x64_stub *stub = NULL;

    if (aut) {
        stub = x64_new_stub(e, STUB_ATOMIC, node);
        stub->base = (int8_t)pointer;
        stub->operands[0] = (int8_t)modifier;
        stub->operands[1] = NOREG;
        stub->reg = (int8_t)result;
    }
    x64_mov_rr(a, 1, RAX, pointer);
    x64_mov_rr(a, 1, RCX, modifier);
    x64_byte(a, 0xe8); /* CALL */
    x64_u32(a, 0);
    x64_reloc(e, x64_here(a) - 4, e->thunks->pauth[aut][n->imm & 3]);
    if (aut) {
        stub->jump = x64_jcc(a, CC_NE);
    }
    x64_mov_rr(a, 1, result, RAX);
    if (aut) {
        stub->resume = x64_here(a);
    }
}
