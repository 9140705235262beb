/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pointer authentication. The codes themselves are IMPLEMENTATION DEFINED, so only what must hold of them is printed. */
#include "lib/guest.h"

static unsigned wrong;

static void must(const char *what, bool holds)
{
    print(what);
    print(holds ? " yes\n" : " NO\n");
    wrong += !holds;
}

#define SIGN(insn, pointer, modifier)                        \
    __extension__({                                          \
        uint64_t p_ = (pointer);                             \
        __asm__ volatile(".arch armv8.3-a\n " insn " %0, %1" \
                         : "+r"(p_)                          \
                         : "r"((uint64_t)(modifier))         \
                         : "memory");                        \
        p_;                                                  \
    })

#define ROUND_TRIP(key)                                                                 \
    do {                                                                                \
        bool same = true, stripped = true;                                              \
        unsigned n_signed = 0;                                                          \
        for (uint64_t i = 0; i < 64; i++) {                                             \
            const uint64_t pointer = (i & 1 ? 0xffffff8000000000 : 0) | i * 0x11223344; \
            const uint64_t code = SIGN("pac" key, pointer, i * 0x123456789);            \
            uint64_t strip = code;                                                      \
            __asm__ volatile(".arch armv8.3-a\n xpaci %0" : "+r"(strip));               \
            same &= SIGN("aut" key, code, i * 0x123456789) == pointer;                  \
            stripped &= strip == pointer;                                               \
            n_signed += code != pointer;                                                \
        }                                                                               \
        must(key " aut(pac(x)) == x", same);                                            \
        must(key " xpac(pac(x)) == x", stripped);                                       \
        must(key " pac(x) != x, mostly", n_signed > 48);                                \
    } while (0)

int guest_main(void)
{
    map_identity();
    const uint64_t isar1 = READ_SYSREG(id_aa64isar1_el1), isar2 = READ_SYSREG(id_aa64isar2_el1);
    must("the CPU has FEAT_PAuth", (isar1 >> 4 & 0xff) != 0 || (isar2 >> 12 & 15) != 0);
    __asm__ volatile(
        ".arch armv8.3-a\n"
        "msr apiakeylo_el1, %0\n msr apiakeyhi_el1, %1\n msr apibkeylo_el1, %1\n msr apibkeyhi_el1, %0\n"
        "msr apdakeylo_el1, %0\n msr apdakeyhi_el1, %0\n msr apdbkeylo_el1, %1\n msr apdbkeyhi_el1, %1\n"
        "msr apgakeylo_el1, %1\n msr apgakeyhi_el1, %0\n isb" ::"r"(0x0123456789abcdef),
        "r"(0xfedcba9876543210)
        : "memory");
    /* Off: nothing is signed. */
    WRITE_SYSREG(sctlr_el1,
                 READ_SYSREG(sctlr_el1) & ~(1ull << 31 | 1ull << 30 | 1ull << 27 | 1ull << 13));
    must("off: pacia", SIGN("pacia", 0x1234, 5) == 0x1234);
    WRITE_SYSREG(sctlr_el1,
                 READ_SYSREG(sctlr_el1) | 1ull << 31 | 1ull << 30 | 1ull << 27 | 1ull << 13);
    ROUND_TRIP("ia");
    ROUND_TRIP("ib");
    ROUND_TRIP("da");
    ROUND_TRIP("db");

    uint64_t back, code;
    __asm__ volatile(
        ".arch armv8.3-a\n adr x30, 1f\n 1: mov x9, x30\n paciasp\n mov %1, x30\n autiasp\n sub %0, x30, x9"
        : "=&r"(back), "=&r"(code)::"x9", "x30");
    must("paciasp, autiasp", back == 0);
    must("retaa", SIGN("pacia", 0x40080000, 1) != 0x40080000);
    __asm__ volatile(
        ".arch armv8.3-a\n mov x9, x30\n bl 1f\n b 2f\n1: paciasp\n retaa\n2: mov x30, x9" ::
            : "x9", "memory");
    uint64_t generic = SIGN("pacga %0,", 0x1234, 5);
    must("pacga has a zero low half", (generic & 0xffffffff) == 0 && generic != 0);
    return wrong != 0;
}
