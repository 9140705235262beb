/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "guest.h"

#define UART_DR         (*(volatile uint32_t *)0x09000000)
#define UART_FR         (*(volatile uint32_t *)0x09000018)
#define UART_FR_TXFF    (1u << 5)
#define PSCI_SYSTEM_OFF 0x84000008u

static uint64_t level1[512] __attribute__((aligned(4096)));

int64_t psci(uint32_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
    return (int64_t)x0;
}

static void print_char(char c)
{
    while ((UART_FR & UART_FR_TXFF) != 0) {
    }
    UART_DR = (uint8_t)c;
}

void print(const char *text)
{
    while (*text != '\0') {
        print_char(*text++);
    }
}

void print_hex(const char *name, uint64_t value)
{
    print(name);
    print(" 0x");
    for (int shift = 60; shift >= 0; shift -= 4) {
        print_char("0123456789abcdef"[value >> shift & 15]);
    }
    print("\n");
}

static void print_number(uint64_t value)
{
    char digits[21];
    unsigned at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    print(digits + at);
}

void print_dec(const char *name, uint64_t value)
{
    print(name);
    print(" ");
    print_number(value);
    print("\n");
}

void guest_exit(int code)
{
    print_dec("exit", (unsigned)code & 0xff);
    psci(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;) {
        __asm__ volatile("wfi");
    }
}

__attribute__((weak)) void guest_exception(struct frame *frame)
{
    print("unexpected exception\n");
    print_hex("  vector", frame->kind);
    print_hex("  ESR ", frame->esr);
    print_hex("  ELR ", frame->elr);
    print_hex("  FAR ", frame->far);
    print_hex("  SPSR", frame->spsr);
    guest_exit(99);
}

void map_identity_again(void)
{
    WRITE_SYSREG(mair_el1, 0xff04); /* 0: Device-nGnRE, 1: Normal, write-back */
    /* T0SZ 25, write-back inner shareable walks, 4K, EPD1, 36-bit output addresses. */
    WRITE_SYSREG(tcr_el1, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 1ull << 32);
    WRITE_SYSREG(ttbr0_el1, (uintptr_t)level1);
    __asm__ volatile("dsb ish\n tlbi vmalle1\n dsb ish\n isb" ::: "memory");
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) | 1 | 1 << 2 | 1 << 12); /* M, C, I */
}

uint64_t *map_identity(void)
{
    level1[0] = DESC_BLOCK | DESC_DEVICE | DESC_AF | DESC_PXN | DESC_UXN;
    level1[1] = 0x40000000 | DESC_BLOCK | DESC_MEMORY | DESC_UXN;
    map_identity_again();
    return level1;
}
