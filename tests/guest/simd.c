/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A walk through Advanced SIMD, floating point, their exception flags, and the cryptographic extensions. */
#include "lib/guest.h"

static uint64_t in[8] __attribute__((aligned(16))) = {
    0x0102030405060708, 0x80ff7f0090a0b0c0, 0xfff0000000000000, 0x3ff8000000000000,
    0x400921fb54442d18, 0x0000000000000001, 0x7ff4000000000001, 0xc05edd2f1a9fbe77,
};
static uint64_t out[8] __attribute__((aligned(16)));

static void show(const char *name)
{
    print(name);
    print("\n");
    print_hex(" lo  ", out[0]);
    print_hex(" hi  ", out[1]);
    print_hex(" FPSR", READ_SYSREG(fpsr));
    WRITE_SYSREG(fpsr, 0);
}

/* v0 = in[0..1], v1 = in[2..3], v2 = in[4..5], v3 = in[6..7]; the result is v0. */
#define TRY(insn)                                                                             \
    do {                                                                                      \
        __asm__ volatile("ld1 {v0.2d-v3.2d}, [%0]\n .arch armv8.5-a+crypto+fp16+sha3\n " insn \
                         "\n st1 {v0.2d}, [%1]" ::"r"(in),                                    \
                         "r"(out)                                                             \
                         : "v0", "v1", "v2", "v3", "v4", "v5", "x9", "cc", "memory");         \
        show(insn);                                                                           \
    } while (0)

static void integers(void)
{
    TRY("add v0.16b, v0.16b, v1.16b");
    TRY("sqadd v0.8h, v0.8h, v0.8h");
    TRY("uqsub v0.4s, v0.4s, v1.4s");
    TRY("mul v0.8h, v0.8h, v2.8h");
    TRY("sqdmulh v0.4s, v0.4s, v2.4s");
    TRY("umull2 v0.2d, v0.4s, v2.4s");
    TRY("smlal v0.8h, v2.8b, v3.8b");
    TRY("tbl v0.16b, {v1.16b, v2.16b}, v0.16b");
    TRY("tbx v0.16b, {v1.16b}, v2.16b");
    TRY("ext v0.16b, v0.16b, v2.16b, #5");
    TRY("zip1 v0.8h, v0.8h, v2.8h");
    TRY("trn2 v0.4s, v0.4s, v2.4s");
    TRY("addv b0, v0.16b");
    TRY("uaddlv s0, v0.8h");
    TRY("cnt v0.16b, v2.16b");
    TRY("rbit v0.16b, v2.16b");
    TRY("sshl v0.2d, v0.2d, v2.2d");
    TRY("sqrshrn2 v0.4s, v2.2d, #9");
    TRY("sri v0.4s, v2.4s, #7");
    TRY("bsl v0.16b, v1.16b, v2.16b");
    TRY("cmgt v0.16b, v0.16b, v2.16b");
    TRY("ins v0.b[13], v2.b[1]");
    TRY("sdot v0.4s, v1.16b, v2.16b");
    TRY("ld4 {v0.8b-v3.8b}, [%0]\n ushll v0.8h, v2.8b, #3");
}

static void floats(void)
{
    TRY("fadd v0.2d, v2.2d, v3.2d");
    TRY("fmul v0.4s, v0.4s, v2.4s");
    TRY("fdiv v0.2d, v1.2d, v2.2d");
    TRY("fsqrt v0.2d, v2.2d");
    TRY("fsqrt v0.2d, v1.2d");
    TRY("fmla v0.2d, v1.2d, v2.2d");
    TRY("fmadd d0, d2, d2, d1");
    TRY("fnmsub s0, s2, s1, s2");
    TRY("fmaxnm v0.2d, v3.2d, v2.2d");
    TRY("fmin v0.2d, v3.2d, v2.2d");
    TRY("frintm v0.2d, v2.2d");
    TRY("frintx v0.4s, v2.4s");
    TRY("fcvtzs v0.2d, v2.2d");
    TRY("fcvtns v0.2d, v3.2d");
    TRY("fcvtau x9, d2\n fmov d0, x9");
    TRY("scvtf v0.2d, v0.2d");
    TRY("ucvtf v0.4s, v0.4s, #4");
    TRY("fcvtn v0.2s, v2.2d");
    TRY("fcvtl v0.2d, v2.2s");
    TRY("fcvt h0, d2");
    TRY("frecpe v0.2d, v2.2d");
    TRY("frsqrts v0.2d, v2.2d, v2.2d");
    TRY("fcmgt v0.2d, v2.2d, v3.2d");
    TRY("fcmpe d2, d3\n mrs x9, nzcv\n fmov d0, x9");
    TRY("fcsel d0, d1, d2, vc");
    TRY("fadd v0.8h, v0.8h, v2.8h");
    TRY("faddp v0.4s, v2.4s, v1.4s");
    TRY("fmulx v0.2d, v1.2d, v2.2d");
    for (uint64_t mode = 0; mode < 4; mode++) {
        print_dec("rounding mode", mode);
        WRITE_SYSREG(fpcr, mode << 22);
        TRY("fdiv d0, d2, d3");
        TRY("frinti v0.2d, v3.2d");
    }
    print("flush to zero, default NaN\n");
    WRITE_SYSREG(fpcr, 3 << 24);
    TRY("fmul v0.2d, v2.2d, v2.2d");
    TRY("fadd v0.2d, v3.2d, v2.2d");
    WRITE_SYSREG(fpcr, 0);
}

static void crypto(void)
{
    TRY("aese v0.16b, v2.16b\n aesmc v0.16b, v0.16b");
    TRY("aesd v0.16b, v2.16b\n aesimc v0.16b, v0.16b");
    TRY("sha1c q0, s1, v2.4s");
    TRY("sha256h q0, q1, v2.4s");
    TRY("sha256su1 v0.4s, v1.4s, v2.4s");
    TRY("sha512h q0, q1, v2.2d");
    TRY("eor3 v0.16b, v1.16b, v2.16b, v3.16b");
    TRY("pmull v0.1q, v1.1d, v2.1d");
    TRY("pmull2 v0.8h, v1.16b, v2.16b");
    TRY("ldr x9, [%0, #32]\n crc32cx w9, wzr, x9\n fmov d0, x9");
}

int guest_main(void)
{
    map_identity();
    integers();
    floats();
    crypto();
    return 0;
}
