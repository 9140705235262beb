/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Synchronous exceptions at EL1 with the MMU off: the syndrome registers of each. */
#include "lib/guest.h"

static unsigned taken;

void guest_exception(struct frame *frame)
{
    const unsigned ec = (unsigned)(frame->esr >> 26);

    taken++;
    print_dec(" vector", frame->kind);
    print_hex("  ESR ", frame->esr);
    print_hex("  ELR ", frame->elr);
    print_hex("  SPSR", frame->spsr);
    switch (ec) {
    case 0x15: /* SVC: ELR is the next instruction already */
        frame->x[0] += 1;
        break;
    case 0x22: /* PC alignment: go on where the branch would have returned to */
        print_hex("  FAR ", frame->far);
        frame->elr = frame->x[30];
        break;
    case 0x0e: /* Illegal Execution state */
        frame->spsr &= ~(1ull << 20);
        break;
    case 0x07:
        frame->elr += 4;
        WRITE_SYSREG(cpacr_el1, 3 << 20);
        break;
    case 0x25:
        print_hex("  FAR ", frame->far);
        frame->elr += 4;
        break;
    case 0x00:
    case 0x18:
    case 0x3c:
        frame->elr += 4;
        break;
    default:
        print("not expected\n");
        guest_exit(1);
    }
}

int guest_main(void)
{
    static uint64_t data[4] = {0x0123456789abcdef, 0xfedcba9876543210, 0, 0};
    uint64_t value;

    print("svc\n");
    register uint64_t x0 __asm__("x0") = 41;
    __asm__ volatile("cmp xzr, xzr\n svc #0x123" : "+r"(x0)::"cc", "memory");
    print_dec(" x0", x0);

    print("brk\n");
    __asm__ volatile("mov x9, #0xa0000000\n msr nzcv, x9\n brk #0x456" ::: "x9", "cc", "memory");
    print("udf\n");
    __asm__ volatile(".inst 0x00001234" ::: "memory");
    print("unallocated\n");
    __asm__ volatile(".inst 0xffffffff" ::: "memory");
    print("write to MIDR_EL1\n");
    __asm__ volatile(".inst 0xd5180000" ::: "memory"); /* msr midr_el1, x0 */
    print("read of SCTLR_EL2\n");
    __asm__ volatile(".inst 0xd53c1000" ::: "x0", "memory"); /* mrs x0, sctlr_el2 */
    print("SMC and HVC are not tried: what answers them differs\n");

    print("FP with CPACR_EL1.FPEN 0\n");
    WRITE_SYSREG(cpacr_el1, 0);
    __asm__ volatile("fmov d0, xzr" ::: "memory");
    __asm__ volatile("fmov d0, xzr" ::: "memory");

    print("SCTLR_EL1.A\n");
    const uint64_t sctlr = READ_SYSREG(sctlr_el1);
    WRITE_SYSREG(sctlr_el1, sctlr | 1 << 1);
    __asm__ volatile("mov %0, #7\n ldr %0, [%1, #1]" : "=&r"(value) : "r"(data) : "memory");
    print_dec(" value", value);
    __asm__ volatile("strh %w0, [%1, #3]" ::"r"(value), "r"(data) : "memory");
    __asm__ volatile("ldp %w0, wzr, [%1]" : "=r"(value) : "r"((uintptr_t)data + 2) : "memory");
    WRITE_SYSREG(sctlr_el1, sctlr & ~(1ull << 1));
    print_hex(" data", data[0]);

    print("exclusives are always aligned\n");
    __asm__ volatile("ldxr %0, [%1]" : "=r"(value) : "r"((uintptr_t)data + 1) : "memory");

    print("PC alignment\n");
    __asm__ volatile("adr x9, 1f\n add x9, x9, #2\n adr x30, 1f\n ret x9\n1:" ::
                         : "x9", "x30", "memory");

    print("illegal exception return\n");
    __asm__ volatile(
        "adr x9, 1f\n msr elr_el1, x9\n mov x9, #0x3c3\n msr spsr_el1, x9\n eret\n1: nop" ::
            : "x9", "memory");

    print_dec("taken", taken);
    return taken == 13 ? 0 : 1;
}
