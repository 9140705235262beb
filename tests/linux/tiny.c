/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A kernel of a few hundred bytes in the arm64 Image format, which does what the keys tell it: for tests of the board and its console that
 * need no Linux. Code that runs anywhere, with the MMU off.
 *
 *   q power off   r reset   c start vCPU 1, wait until it is off   C start it for ever   d device tree and initrd   u x load, jump where nothing is
 *   s S an unknown system register, SMC   h HVC #1   m loads and stores without a syndrome   p panic   P panic, reset   w wait for ever
 *
 * All else is shown as [hex].
 */
#include <stdbool.h>
#include <stdint.h>

/* The header of the boot protocol; x0 is the device tree's address. */
__asm__(".pushsection .head, \"ax\"\n"
        ".globl head\n"
        "head: b 1f\n"
        ".word 0\n"
        ".quad 0, 0x20000, 0xa, 0, 0, 0\n"
        ".ascii \"ARM\\x64\"\n"
        ".word 0\n"
        "1: adrp x1, stack + 0x4000\n"
        "mov sp, x1\n"
        "adrp x1, vectors\n"
        "add x1, x1, :lo12:vectors\n"
        "msr vbar_el1, x1\n"
        "b tiny\n"
        /* vCPU 1: x0 is the context. */
        "second: adrp x1, met\n"
        "add x1, x1, :lo12:met\n"
        "mrs x2, mpidr_el1\n"
        "stp x0, x2, [x1]\n"
        "mov w0, #0x84000000\n"
        "add w0, w0, #2\n"
        "hvc #0\n" /* CPU_OFF */
        "b .\n"
        "waits: wfi\n"
        "b waits\n"
        ".balign 0x800\n"
        "vectors: .rept 16\n"
        "b taken\n"
        ".balign 0x80\n"
        ".endr\n"
        "taken: adrp x10, fault\n"
        "add x10, x10, :lo12:fault\n"
        "mrs x9, esr_el1\n"
        "mrs x11, far_el1\n"
        "stp x9, x11, [x10]\n"
        "ldr x9, [x10, #16]\n"
        "msr elr_el1, x9\n"
        "eret\n"
        ".popsection\n");

uint8_t stack[0x4000] __attribute__((aligned(4096)));
volatile uint64_t met[2] __attribute__((aligned(16)));
volatile uint64_t fault[4] __attribute__((aligned(16))); /* ESR, FAR, where to go on */
void tiny(const uint8_t *dtb);

#define UART ((volatile uint32_t *)0x9000000)
#define FR   (0x18 / 4)
#define DR   0

static void put(char c)
{
    while ((UART[FR] & 0x20) != 0) {
    }
    UART[DR] = (uint8_t)c;
}

static void print(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            put('\r');
        }
        put(*text);
    }
}

static void hex(uint64_t value, int digits)
{
    for (int shift = 4 * digits - 4; shift >= 0; shift -= 4) {
        const unsigned digit = value >> shift & 15;
        put((char)(digit < 10 ? '0' + digit : 'a' + digit - 10));
    }
}

static uint64_t call(uint64_t id, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = id;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    __asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
    return x0;
}

/* An instruction that may fault; fault[0] is 0 when it did not. */
#define TRY(instruction, ...)                                                                     \
    do {                                                                                          \
        fault[0] = 0;                                                                             \
        __asm__ volatile("adr x9, 1f\n"                                                           \
                         "adrp x10, fault\n"                                                      \
                         "add x10, x10, :lo12:fault\n"                                            \
                         "str x9, [x10, #16]\n" instruction "\n"                                  \
                         "1:"                                                                     \
                         :                                                                        \
                         : __VA_ARGS__                                                            \
                         : "x0", "x1", "x2", "x3", "x4", "x9", "x10", "x11", "x12", "x13", "x14", \
                           "memory");                                                             \
    } while (0)

static void print_fault(const char *what)
{
    print(what);
    print(" esr ");
    hex(fault[0], 8);
    print(" far ");
    hex(fault[1], 8);
    print("\n");
}

static void second_cpu(void)
{
    uint64_t entry;

    __asm__("adr %0, second" : "=r"(entry));
    print("on ");
    hex(call(0xc4000003, 1, entry, 0x123456789abc), 8);
    while (call(0xc4000004, 1, 0, 0) != 1) {
    }
    print(" context ");
    hex(met[0], 16);
    print(" mpidr ");
    hex(met[1], 8);
    print(" off, nobody ");
    hex(call(0xc4000003, 99, entry, 0), 8);
    print("\n");
}

static void start_waiting_cpu(void)
{
    uint64_t entry;

    __asm__("adr %0, waits" : "=r"(entry));
    print("on ");
    hex(call(0xc4000003, 1, entry, 0), 8);
    print("\n");
}

/* Pairs and writeback: the framework cannot say which registers they mean. */
static void forms(void)
{
    uint64_t base, pair;

    __asm__ volatile("mov x9, #0x9000000\n"
                     "mov w10, #'<'\n"
                     "str w10, [x9], #4\n"     /* DR; reading it would take a key */
                     "ldr w11, [x9, #0x14]!\n" /* FR */
                     "mov %0, x9\n"
                     "add x9, x9, #0xfe0 - 0x18\n"
                     "ldp w11, w12, [x9]\n" /* PeriphID0, 1 */
                     "orr %1, x11, x12, lsl #8\n"
                     : "=r"(base), "=r"(pair)
                     :
                     : "x9", "x10", "x11", "x12", "memory");
    print("> base ");
    hex(base, 8);
    print(" pair ");
    hex(pair, 8);
    print("\n");
}

static uint32_t be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The tree's magic and size, and the first bytes behind the kernel, on the next 2 MiB border. */
static void tree(const uint8_t *dtb)
{
    const volatile uint8_t *initrd;

    __asm__("adrp %0, head" : "=r"(initrd));
    print("dtb ");
    hex(be32(dtb), 8);
    print(be32(dtb + 4) > 256 && be32(dtb + 4) < 0x100000 ? " fits" : " does not fit");
    print(" initrd ");
    for (int i = 0; i < 6; i++) {
        put((char)initrd[0x200000 + i]);
    }
    print("\n");
}

static void key(uint32_t data, const uint8_t *dtb)
{
    switch (data) {
    case 'q':
        call(0x84000008, 0, 0, 0);
        break;
    case 'r':
        call(0x84000009, 0, 0, 0);
        break;
    case 'c':
        second_cpu();
        break;
    case 'C':
        start_waiting_cpu();
        break;
    case 'd':
        tree(dtb);
        break;
    case 'u':
        TRY("ldr w11, [%0]", "r"(0x30000040ull));
        print_fault("load");
        break;
    case 'x':
        TRY("br %0", "r"(0x30000040ull));
        print_fault("jump");
        break;
    case 's':
        TRY("mrs x11, s3_0_c15_c7_6", "r"(0ull));
        print_fault("register");
        break;
    case 'S':
        TRY("smc #0", "r"(0ull));
        print_fault("smc");
        break;
    case 'h':
        TRY("mov x0, #0x84000000\nhvc #1\nadrp x1, met\nadd x1, x1, :lo12:met\nstr x0, [x1]",
            "r"(0ull));
        print("hvc 1: ");
        hex(met[0], 16);
        print("\n");
        break;
    case 'm':
        forms();
        break;
    case 'p':
        print(
            "[    1.0] Kernel panic - not syncing: tiny\n[    1.0] ---[ end Kernel panic - not syncing: tiny ]---\n");
        __asm__ volatile("1: wfi\nb 1b");
        break;
    case 'P':
        print("[    1.0] Kernel panic - not syncing: tiny resets\n");
        call(0x84000009, 0, 0, 0);
        break;
    case 'w':
        __asm__ volatile("1: wfi\nb 1b");
        break;
    default:
        print("[");
        hex(data, data > 0xff ? 3 : 2);
        print("]");
        break;
    }
}

void tiny(const uint8_t *dtb)
{
    UART[0x2c / 4] = 0x70; /* LCR_H: FIFOs */
    print("tiny: ready\n");
    for (;;) {
        while ((UART[FR] & 0x10) != 0) {
        }
        key(UART[DR], dtb);
    }
}
