/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Stage 1 with the 4K granule: mapping, remapping, every kind of fault, EL0, ASIDs, TLB maintenance. */
#include "lib/guest.h"

#define VA    0x80000000ull /* what level1[2] covers */
#define FRAME 0x40200000ull /* free RAM */
#define UART  0x09000000ull

static uint64_t level2[512] __attribute__((aligned(4096)));
static uint64_t level3[512] __attribute__((aligned(4096)));

void guest_exception(struct frame *frame)
{
    const unsigned ec = (unsigned)(frame->esr >> 26);

    print_dec(" vector", frame->kind);
    print_hex("  ESR ", frame->esr);
    print_hex("  ELR ", frame->elr);
    print_hex("  SPSR", frame->spsr);
    switch (ec) {
    case 0x24:
    case 0x25:
        print_hex("  FAR ", frame->far);
        frame->elr += 4;
        break;
    case 0x20:
    case 0x21: /* fetch: return from the function that was called, or leave EL0 */
        print_hex("  FAR ", frame->far);
        frame->elr = ec == 0x21 ? frame->x[30] : (uintptr_t)leave_el0;
        frame->spsr = 0x3c5;
        break;
    case 0x15:
        print_hex("  X0  ", frame->x[0]);
        frame->elr = (uintptr_t)leave_el0;
        frame->spsr = 0x3c5;
        break;
    default:
        print("not expected\n");
        guest_exit(1);
    }
}

static uint64_t load(uint64_t va)
{
    uint64_t value = 0xbad;

    __asm__ volatile("ldr %0, [%1]" : "+r"(value) : "r"(va) : "memory");
    return value;
}

static void store(uint64_t va, uint64_t value)
{
    __asm__ volatile("str %0, [%1]" ::"r"(value), "r"(va) : "memory");
}

static void sync(void)
{
    __asm__ volatile("dsb ish\n isb" ::: "memory");
}

static void invalidate(uint64_t va)
{
    __asm__ volatile("dsb ishst\n tlbi vaae1is, %0\n dsb ish\n isb" ::"r"(va >> 12 & 0xfffffffffff)
                     : "memory");
}

static void set_page(unsigned n, uint64_t desc)
{
    level3[n] = desc;
    invalidate(VA + n * 4096ull);
}

static uint64_t at_read(uint64_t va)
{
    __asm__ volatile("at s1e1r, %0\n isb" ::"r"(va) : "memory");
    return READ_SYSREG(par_el1);
}

static void faults(void)
{
    print("translation fault, level 1\n");
    load(VA + 0x40000000);
    print("translation fault, level 2\n");
    store(VA + 0x200000, 1);
    print("translation fault, level 3\n");
    load(VA + 100 * 4096 + 8);
    print("address above T0SZ\n");
    load(1ull << 39);
    print("TTBR1 is off\n");
    load(0xffffff8000000000);

    print("read-only\n");
    set_page(2, FRAME | DESC_PAGE | DESC_MEMORY | DESC_RO);
    print_hex(" reads", load(VA + 0x2000));
    store(VA + 0x2000, 1);
    print("atomic on read-only\n");
    __asm__ volatile("ldadd %0, %0, [%1]" ::"r"(1ull), "r"(VA + 0x2010) : "memory");
    print("DC ZVA on read-only\n");
    __asm__ volatile("dc zva, %0" ::"r"(VA + 0x2040) : "memory");

    print("access flag\n");
    set_page(3, FRAME | DESC_PAGE | DESC_NORMAL | DESC_SH);
    load(VA + 0x3000);
    level3[3] |= DESC_AF; /* a fault of this kind is never in a TLB */
    sync();
    print_hex(" reads", load(VA + 0x3000));

    print("PAN\n");
    set_page(4, FRAME | DESC_PAGE | DESC_MEMORY | DESC_EL0);
    __asm__ volatile(".inst 0xd500419f"); /* msr pan, #1 */
    load(VA + 0x4008);
    __asm__ volatile("mov x9, #0x55\n ldtr x9, [%0]" ::"r"(VA + 0x4008) : "x9", "memory");
    __asm__ volatile(".inst 0xd500409f"); /* msr pan, #0 */
    print_hex(" reads", load(VA + 0x4008));

    print("unaligned over the end of a mapped page\n");
    set_page(6, FRAME | DESC_PAGE | DESC_MEMORY);
    set_page(7, 0);
    store(VA + 0x6ffc, ~0ull);

    print("output address too large\n");
    set_page(5, 1ull << 40 | DESC_PAGE | DESC_MEMORY);
    load(VA + 0x5000);
}

static void execution(void)
{
    uint32_t *const code = (uint32_t *)(FRAME + 0x8000);

    code[0] = 0xd2800540; /* mov x0, #42 */
    code[1] = 0xd65f03c0; /* ret */
    code[2] = 0xf9400001; /* ldr x1, [x0] */
    code[3] = 0x8b000400; /* add x0, x0, x0, lsl #1 */
    code[4] = 0xd40000e1; /* svc #7 */
    sync();
    __asm__ volatile("ic iallu\n dsb ish\n isb" ::: "memory");

    print("executable\n");
    set_page(8, (FRAME + 0x8000) | DESC_PAGE | DESC_MEMORY);
    print_dec(" returns", ((uint64_t(*)(void))(VA + 0x8000))());
    print("PXN\n");
    set_page(8, (FRAME + 0x8000) | DESC_PAGE | DESC_MEMORY | DESC_PXN);
    ((void (*)(void))(VA + 0x8000))();
    print("not mapped\n");
    ((void (*)(void))(VA + 0x9000))();

    print("EL0 without permission to execute\n");
    set_page(8, (FRAME + 0x8000) | DESC_PAGE | DESC_MEMORY | DESC_EL0 | DESC_UXN);
    enter_el0(VA + 0x8008, 0);
    print("EL0 reads memory of EL1\n");
    set_page(8, (FRAME + 0x8000) | DESC_PAGE | DESC_MEMORY | DESC_EL0 | DESC_RO | DESC_PXN);
    enter_el0(VA + 0x8008, FRAME);
    print("EL0 reads its own\n");
    enter_el0(VA + 0x8008, VA + 0x8000);
}

/* Two pages of code that hash where they are, and load from X0. */
extern const char moved[], moved_near[], moved_far[], moved_end[];
__asm__(".pushsection .rodata\n"
        ".balign 4096\n"
        "moved:\n"
        "    adr x1, moved\n"
        "    mov x19, #0\n"
        "    mov x20, #5\n"
        "1:  adrp x2, moved_far\n"
        "    add x3, x2, #0x18\n"
        "    ldr x4, 2f\n"
        "    add x19, x19, x3\n"
        "    add x19, x19, x4\n"
        "    bl moved_near\n"
        "    bl moved_far\n"
        "    subs x20, x20, #1\n"
        "    b.ne 1b\n"
        "    ldr x5, [x0]\n"
        "    eor x0, x19, x1\n"
        "    svc #0\n"
        "moved_near:\n"
        "    eor x19, x30, x19, ror #7\n"
        "    ret\n"
        ".balign 8\n"
        "2:  .quad 0x0123456789abcdef\n"
        ".balign 4096\n"
        "moved_far:\n"
        "    adr x6, moved_near\n"
        "    eor x19, x6, x19, ror #9\n"
        "    eor x19, x30, x19\n"
        "    ret\n"
        "moved_end:\n"
        ".popsection\n");

static void run_moved(unsigned n, uint64_t x0)
{
    print_dec("at place", n);
    enter_el0(VA + 0x40000 + n * 0x2000ull, x0);
}

/* As a program that several processes have at different addresses. */
static void one_code_at_four_addresses(void)
{
    uint32_t *const code = (uint32_t *)(FRAME + 0xa000), *const near = code +
                                                                       (moved_near - moved) / 4;

    for (unsigned i = 0; i < (unsigned)(moved_end - moved) / 4; i++) {
        code[i] = ((const uint32_t *)(const void *)moved)[i];
    }
    __asm__ volatile("dsb ish\n ic iallu\n dsb ish\n isb" ::: "memory");
    for (unsigned i = 0; i < 8; i++) {
        set_page(0x40 + i, (FRAME + 0xa000 + (i & 1) * 0x1000ull) | DESC_PAGE | DESC_MEMORY |
                               DESC_EL0 | DESC_RO | DESC_PXN);
    }
    print("one code at four addresses\n");
    for (unsigned i = 0; i < 8; i++) {
        run_moved(i & 3, VA + 0x40000);
    }
    print("a fault in it\n");
    for (unsigned i = 0; i < 4; i++) {
        run_moved(i, VA + 0x200000 + i);
    }
    print("changed\n");
    *near = 0xca131fd3; /* eor x19, x30, x19, lsl #7 */
    __asm__ volatile("dc cvau, %0\n dsb ish\n ic ivau, %0\n dsb ish\n isb" ::"r"(near) : "memory");
    for (unsigned i = 0; i < 8; i++) {
        run_moved(i & 3, VA + 0x40000);
    }
}

static void zero_block(uint64_t va)
{
    __asm__ volatile("dc zva, %0" ::"r"(va) : "memory");
}

static uint64_t sum_of_page(uint64_t va)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 512; i++) {
        sum = sum * 31 + load(va + 8 * i);
    }
    return sum;
}

/* DC ZVA: 64 bytes, from any address in them; faults; code; a page in a loop. */
static void zeroing(void)
{
    const uint64_t page = VA + 0xb000;

    print("DC ZVA\n");
    set_page(11, (FRAME + 0xc000) | DESC_PAGE | DESC_MEMORY);
    for (unsigned i = 0; i < 512; i++) {
        store(page + 8 * i, 0x0101010101010101ull * i);
    }
    for (unsigned i = 0; i < 6; i++) {
        zero_block(page + 0x140 * i + 0x3f * (i & 1));
        print_hex(" page", sum_of_page(page));
    }
    zero_block(page + 0xfff);
    print_hex(" page", sum_of_page(page));
    set_page(11, (FRAME + 0xc000) | DESC_PAGE | DESC_MEMORY | DESC_RO);
    zero_block(page + 0x7f);
    zero_block(VA + 0x200123);
    print_hex(" page", sum_of_page(page));
    set_page(11, (FRAME + 0xc000) | DESC_PAGE | DESC_MEMORY);
    for (unsigned i = 0; i < 4096; i += 64) {
        zero_block(page + i);
    }
    print_hex(" page", sum_of_page(page));
}

static uint32_t load_word(uint64_t va)
{
    uint32_t value = 0xbad;

    __asm__ volatile("ldr %w0, [%1]" : "+r"(value) : "r"(va) : "memory");
    return value;
}

static void store_word(uint64_t va, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(va) : "memory");
}

static uint64_t sum_of_words(uint64_t va)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 100; i++) {
        sum = sum * 3 + load_word(va);
    }
    return sum;
}

/*
 * A page that is now the UART, which the host has not mapped, and now memory; and what may not be done there. Nothing else is printed,
 * which is an access of the UART by another address.
 */
static void device(void)
{
    const uint64_t va = VA + 0xc018, uart = UART | DESC_PAGE | DESC_DEVICE | DESC_AF | DESC_PXN;

    print("a device\n");
    store_word(FRAME + 0x18, 77);
    for (unsigned turn = 0; turn < 12; turn++) {
        set_page(12, uart | ((turn & 1) != 0 ? DESC_RO : 0));
        const uint64_t flags = sum_of_words(va);
        store_word(va, 0);
        __asm__ volatile("mov x9, #0x55\n ldtr w9, [%0]" ::"r"(va) : "x9", "memory");
        const uint64_t again = sum_of_words(va);
        set_page(12, FRAME | DESC_PAGE | DESC_MEMORY);
        const uint64_t memory = sum_of_words(va);
        set_page(12, uart);
        store_word(va, sum_of_words(va) != again);
        set_page(12, FRAME | DESC_PAGE | DESC_MEMORY);
        store_word(va, load_word(va) + 1);
        print_hex(" flags", flags);
        print_hex(" again", again);
        print_hex(" memory", memory);
        print_hex(" memory", load_word(FRAME + 0x18));
    }
}

static void asids(void)
{
    const uint64_t table = READ_SYSREG(ttbr0_el1);

    print("ASID\n");
    WRITE_SYSREG(ttbr0_el1, table | 1ull << 48);
    set_page(10, FRAME | DESC_PAGE | DESC_MEMORY | DESC_NG);
    print_hex(" 1 reads", load(VA + 0xa000));
    level3[10] = (FRAME + 0x1000) | DESC_PAGE | DESC_MEMORY | DESC_NG;
    sync();
    WRITE_SYSREG(ttbr0_el1, table | 2ull << 48);
    print_hex(" 2 reads", load(VA + 0xa000));
    __asm__ volatile("tlbi aside1is, %0\n dsb ish\n isb" ::"r"(1ull << 48) : "memory");
    WRITE_SYSREG(ttbr0_el1, table | 1ull << 48);
    print_hex(" 1 reads", load(VA + 0xa000));
    WRITE_SYSREG(ttbr0_el1, table);
}

int guest_main(void)
{
    uint64_t *const level1 = map_identity();

    print("MMU on\n");
    store(FRAME, 0x1111111111111111);
    store(FRAME + 0x1000, 0x2222222222222222);
    level2[0] = (uintptr_t)level3 | DESC_TABLE;
    level3[0] = FRAME | DESC_PAGE | DESC_MEMORY;
    level3[1] = (FRAME + 0x3000) | DESC_PAGE | DESC_MEMORY;
    level1[2] = (uintptr_t)level2 | DESC_TABLE;
    sync();

    print_hex("alias reads", load(VA));
    store(VA + 8, 0x3333333333333333);
    print_hex("identity reads", load(FRAME + 8));

    /* Two pages that are neighbours only by VA. */
    store(VA + 0xffb, 0x8877665544332211);
    print_hex("unaligned", load(VA + 0xffb));
    print_hex("first page", load(FRAME + 0xff8));
    print_hex("second page", load(FRAME + 0x3000));

    set_page(0, (FRAME + 0x1000) | DESC_PAGE | DESC_MEMORY);
    print_hex("remapped reads", load(VA));
    level3[0] = FRAME | DESC_PAGE | DESC_MEMORY;
    __asm__ volatile("dsb ishst\n tlbi vmalle1\n dsb ish\n isb" ::: "memory");
    print_hex("remapped back", load(VA));

    print_hex("AT of a page",
              at_read(VA + 0x18) & ~0xf80ull); /* but for SH, NS and IMPLEMENTATION DEFINED bits */
    print_hex("AT of none", at_read(VA + 0x200000));

    faults();
    execution();
    one_code_at_four_addresses();
    zeroing();
    device();
    asids();

    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) & ~1ull);
    print_hex("MMU off", load(FRAME + 8));
    return 0;
}
