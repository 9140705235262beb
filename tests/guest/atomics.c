/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Each LSE operation at each size, compare and swap, and exclusives, by one vCPU. */
#include "lib/guest.h"

static uint64_t cell[4] __attribute__((aligned(32)));

#define LSE(insn, reg)                                      \
    do {                                                    \
        uint64_t old_ = 0;                                  \
        cell[0] = 0x80017fff80ff7f01;                       \
        __asm__ volatile(insn " %" reg "1, %" reg "0, [%2]" \
                         : "=&r"(old_)                      \
                         : "r"(operand), "r"(cell)          \
                         : "memory");                       \
        print_hex(insn " old", old_);                       \
        print_hex(insn " new", cell[0]);                    \
    } while (0)

#define LSE_SIZES(insn)      \
    do {                     \
        LSE(insn, "x");      \
        LSE(insn "al", "w"); \
        LSE(insn "ah", "w"); \
        LSE(insn "lb", "w"); \
    } while (0)

static void compare_and_swap(void)
{
    uint64_t expected = 5;

    cell[0] = 5;
    __asm__ volatile("casal %0, %1, [%2]" : "+r"(expected) : "r"(9ull), "r"(cell) : "memory");
    print_hex("cas equal", expected);
    print_hex("cas memory", cell[0]);
    __asm__ volatile("cas %0, %1, [%2]" : "+r"(expected) : "r"(77ull), "r"(cell) : "memory");
    print_hex("cas other", expected);
    print_hex("cas memory", cell[0]);
    expected = 0xffffffffffffff09;
    __asm__ volatile("casb %w0, %w1, [%2]" : "+r"(expected) : "r"(0x1234ull), "r"(cell) : "memory");
    print_hex("casb", expected);
    print_hex("casb memory", cell[0]);

    register uint64_t x4 __asm__("x4") = 0x34;
    register uint64_t x5 __asm__("x5") = 2;
    register uint64_t x6 __asm__("x6") = 0xa;
    register uint64_t x7 __asm__("x7") = 0xb;
    cell[1] = 2;
    __asm__ volatile("caspal x4, x5, x6, x7, [%4]"
                     : "+r"(x4), "+r"(x5)
                     : "r"(x6), "r"(x7), "r"(cell)
                     : "memory");
    print_hex("casp 0", x4);
    print_hex("casp 1", x5);
    print_hex("casp memory", cell[0] << 8 | cell[1]);
    __asm__ volatile("casp x4, x5, x6, x7, [%4]"
                     : "+r"(x4), "+r"(x5)
                     : "r"(x7), "r"(x6), "r"(cell)
                     : "memory");
    print_hex("casp differs 0", x4);
    print_hex("casp differs 1", x5);
}

static void exclusives(void)
{
    uint64_t value, status = 7, status2 = 7;

    cell[0] = 100;
    __asm__ volatile("ldxr %0, [%3]\n add %0, %0, #1\n stxr %w1, %0, [%3]\n stxr %w2, xzr, [%3]"
                     : "=&r"(value), "=&r"(status), "=&r"(status2)
                     : "r"(cell)
                     : "memory");
    print_dec("stxr", status);
    print_dec("stxr again", status2);
    print_dec("memory", cell[0]);
    __asm__ volatile("ldaxr %0, [%2]\n clrex\n stlxr %w1, xzr, [%2]"
                     : "=&r"(value), "=&r"(status)
                     : "r"(cell)
                     : "memory");
    print_dec("stlxr after clrex", status);
    __asm__ volatile("ldaxp %0, %1, [%3]\n stlxp %w2, %1, %0, [%3]"
                     : "=&r"(value), "=&r"(status2), "=&r"(status)
                     : "r"(cell)
                     : "memory");
    print_dec("stlxp", status);
    print_hex("memory", cell[0]);
    print_hex("memory", cell[1]);
    __asm__ volatile("ldxrb %w0, [%2]\n mov %w0, #0xee\n stxrb %w1, %w0, [%2]"
                     : "=&r"(value), "=&r"(status)
                     : "r"((uintptr_t)cell + 3)
                     : "memory");
    print_dec("stxrb", status);
    print_hex("memory", cell[0]);

    /* An exception return clears the monitor. */
    __asm__ volatile(
        "ldxr %0, [%2]\n adr x9, 1f\n msr elr_el1, x9\n mov x9, #0x3c5\n msr spsr_el1, x9\n eret\n"
        "1: stxr %w1, %0, [%2]"
        : "=&r"(value), "=&r"(status)
        : "r"(cell)
        : "x9", "memory");
    print_dec("stxr after eret", status);

    uint64_t sum = 0;
    cell[2] = 0;
    for (unsigned i = 0; i < 10000; i++) {
        __asm__ volatile("1: ldaxr %0, [%2]\n add %0, %0, %3\n stlxr %w1, %0, [%2]\n cbnz %w1, 1b"
                         : "=&r"(value), "=&r"(status)
                         : "r"(cell + 2), "r"((uint64_t)i)
                         : "memory");
        sum += i;
    }
    print_dec("loop", cell[2]);
    print_dec("expected", sum);
}

int guest_main(void)
{
    static const uint64_t operands[] = {0x0123456789abcdef, 0xffffffffffffff80, 0x7f};

    map_identity(); /* atomics are for Normal memory */
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t operand = operands[i];
        print_hex("operand", operand);
        LSE_SIZES("ldadd");
        LSE_SIZES("ldclr");
        LSE_SIZES("ldeor");
        LSE_SIZES("ldset");
        LSE_SIZES("ldsmax");
        LSE_SIZES("ldsmin");
        LSE_SIZES("ldumax");
        LSE_SIZES("ldumin");
        LSE_SIZES("swp");
    }
    compare_and_swap();
    exclusives();
    return cell[2] == 49995000 ? 0 : 1;
}
