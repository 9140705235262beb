/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Each encoding function against the bytes that the GNU assembler gives for the same instruction. */
#include "engine/x64/asm.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void expect(const struct x64_asm *a, const char *hex, const char *text)
{
    char got[64] = "";

    for (const uint8_t *p = a->start; p < a->p; p++) {
        snprintf(got + 2 * (p - a->start), 3, "%02x", *p);
    }
    if (strcmp(got, hex) != 0) {
        failures++;
        fprintf(stderr, "%s: %s, expected %s\n", text, got, hex);
    }
}

static uint8_t buffer[256];

static struct x64_asm start(size_t size)
{
    return (struct x64_asm){.start = buffer, .p = buffer, .end = buffer + size};
}

/* clang-format off */
#define ROW(hex, text, call)                 \
    {                                        \
        struct x64_asm asm_ = start(32), *const a = &asm_; \
        call;                                \
        expect(a, hex, text);                \
    }

static void test_bytes(void)
{
    ROW("4903c1", "add %r9,%rax", x64_alu_rr(a, 1, ALU_ADD, RAX, R9))
    ROW("443bc7", "cmp %edi,%r8d", x64_alu_rr(a, 0, ALU_CMP, R8, RDI))
    ROW("4833542408", "xor 8(%rsp),%rdx", x64_alu_rm(a, 1, ALU_XOR, RDX, x64_at(RSP, 8)))
    ROW("4881ec00100000", "sub $0x1000,%rsp", x64_alu_ri(a, 1, ALU_SUB, RSP, 0x1000))
    ROW("4183e5ff", "and $-1,%r13d", x64_alu_ri(a, 0, ALU_AND, R13, -1))
    ROW("83f801", "cmp $1,%eax", x64_alu_ri(a, 0, ALU_CMP, RAX, 1))
    ROW("837d0000", "cmpl $0,0(%rbp)", x64_alu_mi(a, 0, ALU_CMP, x64_at(RBP, 0), 0))
    ROW("4981450045230100", "addq $0x12345,0(%r13)", x64_alu_mi(a, 1, ALU_ADD, x64_at(R13, 0), 0x12345))
    ROW("49c1ff3f", "sar $63,%r15", x64_shift_ri(a, 1, SH_SAR, R15, 63))
    ROW("c1c905", "ror $5,%ecx", x64_shift_ri(a, 0, SH_ROR, RCX, 5))
    ROW("4c8be4", "mov %rsp,%r12", x64_mov_rr(a, 1, R12, RSP))
    ROW("418bd8", "mov %r8d,%ebx", x64_mov_rr(a, 0, RBX, R8))
    ROW("b8ffffff7f", "mov $0x7fffffff,%eax", x64_mov_ri(a, RAX, 0x7fffffff))
    ROW("49c7c2ffffffff", "mov $-1,%r10", x64_mov_ri(a, R10, UINT64_MAX))
    ROW("48b99a78563412000000", "movabs $0x123456789a,%rcx", x64_mov_ri(a, RCX, 0x123456789a))
    ROW("4d8b3424", "mov 0(%r12),%r14", x64_load(a, 1, R14, x64_at(R12, 0)))
    ROW("428b74e080", "mov -128(%rax,%r12,8),%esi", x64_load(a, 0, RSI, x64_at_index(RAX, R12, 3, -128)))
    ROW("4c890c24", "mov %r9,0(%rsp)", x64_store(a, 1, R9, x64_at(RSP, 0)))
    ROW("898580000000", "mov %eax,128(%rbp)", x64_store(a, 0, RAX, x64_at(RBP, 128)))
    ROW("48c745fcfeffffff", "movq $-2,-4(%rbp)", x64_store_imm(a, 1, x64_at(RBP, -4), -2))
    ROW("4e8d2ced00000000", "lea 0(,%r13,8),%r13", x64_lea(a, 1, R13, x64_at_index(NOREG, R13, 3, 0)))
    ROW("488d7c0500", "lea 0(%rbp,%rax),%rdi", x64_lea(a, 1, RDI, x64_at_index(RBP, RAX, 0, 0)))
    ROW("4985c0", "test %rax,%r8", x64_test_rr(a, 1, R8, RAX))
    ROW("f7c30f000000", "test $15,%ebx", x64_test_ri(a, 0, RBX, 15))
    ROW("400f95c6", "setne %sil", x64_setcc(a, CC_NE, RSI))
    ROW("410f9fc1", "setg %r9b", x64_setcc(a, CC_G, R9))
    ROW("4c0f42c2", "cmovb %rdx,%r8", x64_cmov(a, 1, CC_B, R8, RDX))
    ROW("49f7db", "neg %r11", x64_unary(a, 1, 3, R11))
    ROW("f7f1", "div %ecx", x64_unary(a, 0, 6, RCX))
    ROW("4157", "push %r15", x64_push(a, R15))
    ROW("53", "push %rbx", x64_push(a, RBX))
    ROW("4158", "pop %r8", x64_pop(a, R8))
    ROW("ff648108", "jmp *8(%rcx,%rax,4)", x64_jmp_m(a, x64_at_index(RCX, RAX, 2, 8)))
    ROW("41ffe1", "jmp *%r9", x64_jmp_r(a, R9))
    ROW("b878563412ffd0", "mov $0x12345678,%eax; call *%rax", x64_call(a, 0x12345678))
    ROW("c3", "ret", x64_ret(a))
    ROW("4088f0", "mov %sil,%al", x64_rr8(a, 0x88, RSI, RAX))
    ROW("408838", "mov %dil,0(%rax)", x64_rm8(a, 0x88, RDI, x64_at(RAX, 0)))
    ROW("8818", "mov %bl,0(%rax)", x64_rm8(a, 0x88, RBX, x64_at(RAX, 0)))
    ROW("4c0fafcb", "imul %rbx,%r9", x64_rr(a, 1, X64_0F(0xaf), R9, RBX))
    ROW("410fb64001", "movzbl 1(%r8),%eax", x64_rm(a, 0, X64_0F(0xb6), RAX, x64_at(R8, 1)))
    ROW("f3490fbdc7", "lzcnt %r15,%rax", x64_rr(a, 1, X64_OP(PP_F3, MAP_0F, 0xbd), RAX, R15))
    ROW("c4c2f1f7c1", "shlx %rcx,%r9,%rax", x64_bmi_rrr(a, 1, X64_SHLX, RAX, RCX, R9))
    ROW("c46202f7c2", "sarx %r15d,%edx,%r8d", x64_bmi_rrr(a, 0, X64_SARX, R8, R15, RDX))
    ROW("c4e2cbf7df", "shrx %rsi,%rdi,%rbx", x64_bmi_rrr(a, 1, X64_SHRX, RBX, RSI, RDI))
    ROW("c4e2b0f2c3", "andn %rbx,%r9,%rax", x64_bmi_rrr(a, 1, X64_ANDN, RAX, R9, RBX))
    ROW("c4e2eaf5c6", "pext %rsi,%rdx,%rax", x64_bmi_rrr(a, 1, X64_PEXT, RAX, RDX, RSI))
    ROW("c462ebf5d6", "pdep %rsi,%rdx,%r10", x64_bmi_rrr(a, 1, X64_PDEP, R10, RDX, RSI))
    ROW("c4c2f3f6c1", "mulx %r9,%rcx,%rax", x64_bmi_rrr(a, 1, X64_MULX, RAX, RCX, R9))
    ROW("c4e2b0f24508", "andn 8(%rbp),%r9,%rax", x64_bmi_rrm(a, 1, X64_ANDN, RAX, R9, x64_at(RBP, 8)))
    ROW("c4c3fbf0c407", "rorx $7,%r12,%rax", x64_rorx(a, 1, RAX, R12, 7))
    ROW("c5e1efdb", "vpxor %xmm3,%xmm3,%xmm3", x64_v(a, X64_OP(PP_66, MAP_0F, 0xef), 3, 3, 3))
    ROW("c529feca", "vpaddd %xmm2,%xmm10,%xmm9", x64_v(a, X64_OP(PP_66, MAP_0F, 0xfe), 9, 10, 2))
    ROW("c44129fecc", "vpaddd %xmm12,%xmm10,%xmm9", x64_v(a, X64_OP(PP_66, MAP_0F, 0xfe), 9, 10, 12))
    ROW("c4c26900cb", "vpshufb %xmm11,%xmm2,%xmm1", x64_v(a, X64_OP(PP_66, MAP_0F38, 0x00), 1, 2, 11))
    ROW("c5796fc4", "vmovdqa %xmm4,%xmm8", x64_v(a, X64_VMOVDQA_RR, 8, NOREG, 4))
    ROW("c57a6f7c2410", "vmovdqu 16(%rsp),%xmm15", x64_vm(a, X64_VMOVDQU_LOAD, 15, NOREG, x64_at(RSP, 16)))
    ROW("c4c17a7f942400020000", "vmovdqu %xmm2,0x200(%r12)", x64_vm(a, X64_VMOVDQU_STORE, 2, NOREG, x64_at(R12, 0x200)))
    ROW("c5fa7e08", "vmovq 0(%rax),%xmm1", x64_vm(a, X64_VMOVQ_LOAD, 1, NOREG, x64_at(RAX, 0)))
    ROW("c579d608", "vmovq %xmm9,0(%rax)", x64_vm(a, X64_VMOVQ_STORE, 9, NOREG, x64_at(RAX, 0)))
    ROW("c4c1f96ed1", "vmovq %r9,%xmm2", x64_vw(a, 1, X64_VMOVD_LOAD, 2, NOREG, R9))
    ROW("c5797ed0", "vmovd %xmm10,%eax", x64_vw(a, 0, X64_VMOVD_STORE, 10, NOREG, RAX))
    ROW("c4e2e9984d00", "vfmadd132pd 0(%rbp),%xmm2,%xmm1", x64_vwm(a, 1, X64_OP(PP_66, MAP_0F38, 0x98), 1, 2, x64_at(RBP, 0)))
    ROW("c4c17970dc4e", "vpshufd $0x4e,%xmm12,%xmm3", x64_vi(a, X64_OP(PP_66, MAP_0F, 0x70), 3, NOREG, 12, 0x4e))
    ROW("c4e3e922c801", "vpinsrq $1,%rax,%xmm2,%xmm1", x64_vwi(a, 1, X64_OP(PP_66, MAP_0F3A, 0x22), 1, 2, RAX, 1))
    ROW("c4e379141800", "vpextrb $0,%xmm3,0(%rax)", x64_vmi(a, X64_OP(PP_66, MAP_0F3A, 0x14), 3, NOREG, x64_at(RAX, 0), 0))
    ROW("c4e3694ccbc0", "vpblendvb %xmm12,%xmm3,%xmm2,%xmm1", x64_v4(a, X64_OP(PP_66, MAP_0F3A, 0x4c), 1, 2, 3, 12))
    ROW("6273650825cb55", "vpternlogd $0x55,%xmm3,%xmm3,%xmm9", x64_ei(a, 0, X64_OP(PP_66, MAP_0F3A, 0x25), 9, 3, 3, 0x55))
    ROW("62d3ed0825ccca", "vpternlogq $0xca,%xmm12,%xmm2,%xmm1", x64_ei(a, 1, X64_OP(PP_66, MAP_0F3A, 0x25), 1, 2, 12, 0xca))
    ROW("62d1e50872e407", "vpsraq $7,%xmm12,%xmm3", x64_ei(a, 1, X64_OP(PP_66, MAP_0F, 0x72), 4, 3, 12, 7))
    ROW("6252ed0811cb", "vpsravw %xmm11,%xmm2,%xmm9", x64_e(a, 1, X64_OP(PP_66, MAP_0F38, 0x11), 9, 2, 11))
    ROW("6272fd081fc4", "vpabsq %xmm4,%xmm8", x64_e(a, 1, X64_OP(PP_66, MAP_0F38, 0x1f), 8, NOREG, 4))
    ROW("62d36d081ecc06", "vpcmpnleud %xmm12,%xmm2,%k1", x64_ei(a, 0, X64_OP(PP_66, MAP_0F3A, 0x1e), 1, 2, 12, 6))
    ROW("62727e0838c9", "vpmovm2d %k1,%xmm9", x64_e(a, 0, X64_OP(PP_F3, MAP_0F38, 0x38), 9, NOREG, 1))
    ROW("62727e0830cb", "vpmovwb %xmm9,%xmm3", x64_e(a, 0, X64_OP(PP_F3, MAP_0F38, 0x30), 9, NOREG, 3))
    ROW("6251ef087bc9", "vcvtusi2sd %r9,%xmm2,%xmm9", x64_e(a, 1, X64_OP(PP_F2, MAP_0F, 0x7b), 9, 2, R9))
    ROW("62e17e086f4d01", "vmovdqu32 16(%rbp),%xmm17", x64_vm(a, X64_VMOVDQU_LOAD, 17, NOREG, x64_at(RBP, 16)))
    ROW("62617e087fbd18000000", "{disp32} vmovdqu32 %xmm31,24(%rbp)", x64_vm(a, X64_VMOVDQU_STORE, 31, NOREG, x64_at(RBP, 24)))
    ROW("62617d086ff3", "vmovdqa32 %xmm3,%xmm30", x64_v(a, X64_VMOVDQA_RR, 30, NOREG, 3))
    ROW("62917d086fde", "vmovdqa32 %xmm30,%xmm3", x64_v(a, X64_VMOVDQA_RR, 3, NOREG, 30))
    ROW("6231fe087eca", "vmovq %xmm18,%xmm9", x64_v(a, X64_VMOVQ_LOAD, 9, NOREG, 18))
    ROW("6221fe087eac2008000000", "{disp32} vmovq 8(%rax,%r12),%xmm29", x64_vm(a, X64_VMOVQ_LOAD, 29, NOREG, x64_at_index(RAX, R12, 0, 8)))
    ROW("c5fb1208", "vmovddup 0(%rax),%xmm1", x64_vm(a, X64_VMOVDDUP, 1, NOREG, x64_at(RAX, 0)))
    ROW("c5e91208", "vmovlpd 0(%rax),%xmm2,%xmm1", x64_vm(a, X64_VMOVLPD_LOAD, 1, 2, x64_at(RAX, 0)))
    ROW("c531164c2408", "vmovhpd 8(%rsp),%xmm9,%xmm9", x64_vm(a, X64_VMOVHPD_LOAD, 9, 9, x64_at(RSP, 8)))
    ROW("6221ff0812ac2008000000", "{disp32} vmovddup 8(%rax,%r12),%xmm29", x64_vm(a, X64_VMOVDDUP, 29, NOREG, x64_at_index(RAX, R12, 0, 8)))
    ROW("62e1ed0012942410000000", "{disp32} vmovlpd 16(%rsp),%xmm18,%xmm18", x64_vm(a, X64_VMOVLPD_LOAD, 18, 18, x64_at(RSP, 16)))
    ROW("62e1ed00169008000000", "{disp32} vmovhpd 8(%rax),%xmm18,%xmm18", x64_vm(a, X64_VMOVHPD_LOAD, 18, 18, x64_at(RAX, 8)))
    ROW("6241fd086ec9", "vmovq %r9,%xmm25", x64_vw(a, 1, X64_VMOVD_LOAD, 25, NOREG, R9))
    ROW("62e17d087ee0", "vmovd %xmm20,%eax", x64_vw(a, 0, X64_VMOVD_STORE, 20, NOREG, RAX))
    ROW("62312c0858c8", "vaddps %xmm16,%xmm10,%xmm9", x64_v(a, X64_0F(0x58), 9, 10, 16))
    ROW("62f1bf0059d3", "vmulsd %xmm3,%xmm24,%xmm2", x64_v(a, X64_OP(PP_F2, MAP_0F, 0x59), 2, 24, 3))
    ROW("6261bd00597dfc", "vmulpd -64(%rbp),%xmm24,%xmm31", x64_vm(a, X64_OP(PP_66, MAP_0F, 0x59), 31, 24, x64_at(RBP, -64)))
    ROW("62126d08b8c7", "vfmadd231ps %xmm31,%xmm2,%xmm8", x64_v(a, X64_OP(PP_66, MAP_0F38, 0xb8), 8, 2, 31))
    ROW("62e2f500a9c9", "vfmadd213sd %xmm1,%xmm17,%xmm17", x64_vw(a, 1, X64_OP(PP_66, MAP_0F38, 0xa9), 17, 17, 1))
    ROW("62a1fd082edb", "vucomisd %xmm19,%xmm19", x64_v(a, X64_OP(PP_66, MAP_0F, 0x2e), 19, NOREG, 19))
    ROW("62b1750873de08", "vpsrldq $8,%xmm22,%xmm1", x64_vi(a, X64_OP(PP_66, MAP_0F, 0x73), 3, 1, 22, 8))
    ROW("6293250021c30e", "vinsertps $14,%xmm27,%xmm27,%xmm0", x64_vi(a, X64_OP(PP_66, MAP_0F3A, 0x21), 0, 27, 27, 14))
    ROW("62937d0850c20a", "vrangeps $10,%xmm26,%xmm0,%xmm0", x64_ei(a, 0, X64_OP(PP_66, MAP_0F3A, 0x50), 0, 0, 26, 10))
    ROW("62912409c2cc07", "vcmpordps %xmm28,%xmm11,%k1{%k1}", x64_compare_k(a, false, 1, true, 11, 28, 7))
    ROW("62f1dd00c255021e", "vcmpgt_oqpd 32(%rbp),%xmm20,%k2", x64_compare_km(a, true, 2, false, 20, x64_at(RBP, 32), 30))
    ROW("c5f993c2", "kmovb %k2,%eax", x64_v(a, X64_KMOVB, RAX, NOREG, 2))
    ROW("62e16d00ef1d00000000", "vpxord 0(%rip),%xmm18,%xmm19", x64_vm(a, X64_OP(PP_66, MAP_0F, 0xef), 19, 18, x64_at(X64_RIP, 0)))
}

/* Without VEX: what the assembler gives for these instructions, one after another. */
static void test_legacy(void)
{
#define LEGACY(hex, text, call)                                   \
    {                                                             \
        struct x64_asm asm_ = start(64), *const a = &asm_;        \
        a->legacy = true;                                         \
        call;                                                     \
        expect(a, hex, text);                                     \
    }
    LEGACY("66440ffeca", "paddd %xmm2,%xmm9",
           x64_v(a, X64_OP(PP_66, MAP_0F, 0xfe), 9, 9, 2))
    LEGACY("450f28ca66440ffeca", "movaps %xmm10,%xmm9; paddd %xmm2,%xmm9",
           x64_v(a, X64_OP(PP_66, MAP_0F, 0xfe), 9, 10, 2))
    LEGACY("450f28f9450f28ca66450ffacf", "movaps %xmm9,%xmm15; movaps %xmm10,%xmm9; psubd %xmm15,%xmm9",
           x64_v(a, X64_OP(PP_66, MAP_0F, 0xfa), 9, 10, 9))
    LEGACY("0f28d9660f73db08", "movaps %xmm1,%xmm3; psrldq $8,%xmm3",
           x64_vi(a, X64_OP(PP_66, MAP_0F, 0x73), 3, 3, 1, 8))
    LEGACY("0f28d9660f3a0eda0c", "movaps %xmm1,%xmm3; pblendw $0x0c,%xmm2,%xmm3",
           x64_vi(a, X64_OP(PP_66, MAP_0F3A, 0x02), 3, 1, 2, 2))
    LEGACY("0f28da660fc2d902", "movaps %xmm2,%xmm3; cmplepd %xmm1,%xmm3",
           x64_vi(a, X64_OP(PP_66, MAP_0F, 0xc2), 3, 1, 2, 13))
    LEGACY("440f28f9450fc2ff030f28d90fc29d0002000000410f56df", "movaps %xmm1,%xmm15; cmpunordps %xmm15,%xmm15; movaps %xmm1,%xmm3; cmpeqps 0x200(%rbp),%xmm3; orps %xmm15,%xmm3",
           x64_vmi(a, X64_0F(0xc2), 3, 1, x64_at(RBP, 0x200), 8))
    LEGACY("440f28fa410f28c166440f3810fb410f28cf", "movaps %xmm2,%xmm15; movaps %xmm9,%xmm0; pblendvb %xmm0,%xmm3,%xmm15; movaps %xmm15,%xmm1",
           x64_v4(a, X64_OP(PP_66, MAP_0F3A, 0x4c), 1, 2, 3, 9))
    LEGACY("0f28da660f60dbf20f70db00660f70db00", "movaps %xmm2,%xmm3; punpcklbw %xmm3,%xmm3; pshuflw $0,%xmm3,%xmm3; pshufd $0,%xmm3,%xmm3",
           x64_v(a, X64_OP(PP_66, MAP_0F38, 0x78), 3, NOREG, 2))
    LEGACY("660f70da44", "pshufd $0x44,%xmm2,%xmm3",
           x64_v(a, X64_OP(PP_66, MAP_0F38, 0x59), 3, NOREG, 2))
    LEGACY("440f28caf24d0f2ac9", "movaps %xmm2,%xmm9; cvtsi2sdq %r9,%xmm9",
           x64_vw(a, 1, X64_OP(PP_F2, MAP_0F, 0x2a), 9, 2, R9))
    LEGACY("f3440f6f642410", "movdqu 16(%rsp),%xmm12",
           x64_vm(a, X64_VMOVDQU_LOAD, 12, NOREG, x64_at(RSP, 16)))
    LEGACY("498bc9488bc348d3e0", "{load} mov %r9,%rcx; {load} mov %rbx,%rax; shl %cl,%rax",
           x64_bmi_rrr(a, 1, X64_SHLX, RAX, R9, RBX))
    LEGACY("418bc1f7d023c3", "mov %r9d,%eax; not %eax; and %ebx,%eax",
           x64_bmi_rrr(a, 0, X64_ANDN, RAX, R9, RBX))
    LEGACY("498bc448c1c807", "mov %r12,%rax; ror $7,%rax",
           x64_rorx(a, 1, RAX, R12, 7))
}
/* clang-format on */

static void test_jumps(void)
{
    struct x64_asm a = start(sizeof(buffer));

    x64_patch_here(&a, x64_jcc(&a, CC_NE));
    x64_patch_here(&a, x64_jmp(&a));
    x64_jmp_to(&a, 0);
    x64_jcc_to(&a, CC_B, 0);
    expect(&a, "0f8500000000e900000000e9f0ffffff0f82eaffffff", "jumps");

    a = start(sizeof(buffer));
    x64_vm(&a, X64_VMOVDQU_LOAD, 1, NOREG, x64_at(X64_RIP, 0));
    x64_patch(&a, x64_here(&a) - 4, 0x20);
    expect(&a, "c5fa6f0d18000000", "vmovdqu 24(%rip),%xmm1");

    for (unsigned n = 0; n < 16; n++) { /* whatever the NOPs are, they end there */
        a = start(sizeof(buffer));
        for (unsigned i = 0; i < n; i++) {
            x64_byte(&a, 0x90);
        }
        x64_align(&a, 16, 1);
        if ((x64_here(&a) + 1) % 16 != 0 || x64_here(&a) > n + 16) {
            failures++;
            fprintf(stderr, "align from %u: %u\n", n, x64_here(&a));
        }
    }
}

/* A full buffer says so, and nothing is written behind its end. */
static void test_full(void)
{
    for (size_t size = 16; size < 64; size++) { /* 16: an instruction fits */
        struct x64_asm a = start(size);
        memset(buffer, 0xcc, sizeof(buffer));
        for (unsigned i = 0; i < 20; i++) {
            x64_mov_ri(&a, R9, 0x123456789abcdef0);
        }
        for (size_t i = size; i < sizeof(buffer); i++) {
            if (buffer[i] != 0xcc || !a.full) {
                failures++;
                fprintf(stderr, "size %zu: byte %zu was written, or it is not full\n", size, i);
                break;
            }
        }
    }
}

int main(void)
{
    test_bytes();
    test_legacy();
    test_jumps();
    test_full();
    return failures != 0;
}
