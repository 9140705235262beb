/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Stage 1 with the granules of 16 and 64 KiB: every number of levels, blocks and pages, the contiguous hint, each fault with its
 * level, maintenance, and both halves of the address space with granules of their own. HV_CHIP=max: Apple's chips have no 64 KiB.
 */
#include "lib/guest.h"

#define FRAME  0x42000000ull /* free RAM: pages are told apart by what is at their start */
#define TABLES 0x43000000ull /* 64 KiB each */

#define TCR_COMMON                         \
    (1ull << 8 | 1ull << 10 | 3ull << 12 | \
     2ull << 32) /* write-back walks, 40-bit output addresses */
#define TCR_EPD1   (1ull << 23)
#define TCR_TG0_16 (2ull << 14)
#define TCR_TG0_64 (1ull << 14)

struct granule {
    const char *name;
    unsigned log2;
    uint64_t tg0;
    unsigned block_level; /* the lowest level that has blocks */
};
static const struct granule granules[] = {{"16 KiB", 14, TCR_TG0_16, 2},
                                          {"64 KiB", 16, TCR_TG0_64, 2}};

void guest_exception(struct frame *frame)
{
    const unsigned ec = (unsigned)(frame->esr >> 26);

    print_hex("  ESR", frame->esr);
    print_hex("  FAR", frame->far);
    if (ec == 0x25) {
        frame->elr += 4;
    } else if (ec == 0x21) {
        frame->elr = frame->x[30];
    } else {
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

/* --- Tables ------------------------------------------------------------------------------------------------------------------ */

static unsigned n_tables;

static uint64_t *new_table(void)
{
    uint64_t *const table = (uint64_t *)(uintptr_t)(TABLES + (uint64_t)n_tables++ * 0x10000);

    for (unsigned i = 0; i < 0x10000 / 8; i++) {
        table[i] = 0;
    }
    return table;
}

static unsigned shift_of(const struct granule *g, unsigned level)
{
    return g->log2 + (3 - level) * (g->log2 - 3);
}

/* The entry for an address at a level; tables above it are made as needed. */
static uint64_t *entry(const struct granule *g, uint64_t *root, unsigned first, unsigned va_bits,
                       uint64_t va, unsigned level)
{
    uint64_t *table = root;

    for (unsigned l = first;; l++) {
        const unsigned bits = l == first ? va_bits - shift_of(g, l) : g->log2 - 3;
        uint64_t *const e = table + (va >> shift_of(g, l) & ((1ull << bits) - 1));
        if (l == level) {
            return e;
        }
        if (*e == 0) {
            *e = (uintptr_t)new_table() | DESC_TABLE;
        }
        table = (uint64_t *)(uintptr_t)(*e & 0xfffffffff000);
    }
}

static void synchronise(void)
{
    __asm__ volatile("dsb ishst\n tlbi vmalle1is\n dsb ish\n isb" ::: "memory");
}

static void invalidate(uint64_t va)
{
    __asm__ volatile("dsb ishst\n tlbi vaae1is, %0\n dsb ish\n isb" ::"r"(va >> 12 & 0xfffffffffff)
                     : "memory");
}

static void mmu_off(void)
{
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) & ~1ull);
    synchronise();
}

static void mmu_on(uint64_t tcr, const uint64_t *root)
{
    WRITE_SYSREG(mair_el1, 0xff04);
    WRITE_SYSREG(tcr_el1, tcr);
    WRITE_SYSREG(ttbr0_el1, (uintptr_t)root);
    synchronise();
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) | 1 | 1 << 2 | 1 << 12);
}

/* RAM and the console where they are, in blocks of the lowest level that has them. */
static void map_around(const struct granule *g, uint64_t *root, unsigned first, unsigned va_bits)
{
    const uint64_t size = 1ull << shift_of(g, g->block_level);

    *entry(g, root, first, va_bits, 0x09000000, g->block_level) = (0x09000000 & -size) |
                                                                  DESC_BLOCK | DESC_DEVICE |
                                                                  DESC_AF | DESC_PXN | DESC_UXN;
    for (uint64_t a = 0x40000000; a < 0x44000000; a += size) {
        *entry(g, root, first, va_bits, a, g->block_level) = (a & -size) | DESC_BLOCK |
                                                             DESC_MEMORY | DESC_UXN;
    }
}

/* --- What is tried under each granule and size ------------------------------------------------------------------------------- */

struct space {
    const struct granule *g;
    uint64_t *root;
    unsigned first, va_bits;
};

static uint64_t *page_entry(const struct space *s, uint64_t va)
{
    return entry(s->g, s->root, s->first, s->va_bits, va, 3);
}

static void pages(const struct space *s, uint64_t va)
{
    const uint64_t size = 1ull << s->g->log2;

    *page_entry(s, va) = FRAME | DESC_PAGE | DESC_MEMORY;
    *page_entry(s, va + size) = (FRAME + 3 * size) | DESC_PAGE | DESC_MEMORY;
    synchronise();
    print_hex(" reads", load(va));
    store(va + size - 8, 0x7777);
    print_hex(" its last word", load(FRAME + size - 8));
    store(va + size - 5, 0x8877665544332211);
    print_hex(" over the end", load(va + size - 5));
    print_hex(" second frame", load(FRAME + 3 * size));

    print(" not mapped\n");
    load(va + 2 * size + 8);
    *page_entry(s, va + 2 * size) = FRAME | DESC_PAGE | DESC_NORMAL | DESC_SH;
    __asm__ volatile("dsb ish\n isb" ::: "memory");
    print(" access flag\n");
    load(va + 2 * size + 16);
    *page_entry(s, va + 2 * size) = FRAME | DESC_PAGE | DESC_MEMORY | DESC_RO | DESC_PXN;
    __asm__ volatile("dsb ish\n isb" ::: "memory");
    print_hex(" reads", load(va + 2 * size));
    print(" read-only\n");
    store(va + 2 * size + 24, 1);
    print(" not executable\n");
    ((void (*)(void))(uintptr_t)(va + 2 * size))();

    /* Changed, and only then seen to be changed. */
    *page_entry(s, va) = 0;
    invalidate(va);
    *page_entry(s, va) = (FRAME + size) | DESC_PAGE | DESC_MEMORY;
    __asm__ volatile("dsb ish\n isb" ::: "memory");
    print_hex(" remapped reads", load(va));
    print(" output address too large\n");
    *page_entry(s, va + 4 * size) = 1ull << 41 | DESC_PAGE | DESC_MEMORY;
    __asm__ volatile("dsb ish\n isb" ::: "memory");
    load(va + 4 * size);
}

static void contiguous(const struct space *s, uint64_t va)
{
    const uint64_t size = 1ull << s->g->log2, n = s->g->log2 == 14 ? 128 : 32;

    for (uint64_t i = 0; i < n; i++) {
        *page_entry(s, va + i * size) = (FRAME + i * size) | DESC_PAGE | DESC_MEMORY | 1ull << 52;
    }
    synchronise();
    print_hex(" first", load(va));
    print_hex(" third", load(va + 2 * size));
    store(va + (n - 1) * size + 8, 0x5151);
    print_hex(" last", load(FRAME + (n - 1) * size + 8));
    for (uint64_t i = 0; i < n; i++) {
        *page_entry(s, va + i * size) = 0;
    }
    invalidate(va + 5 * size);
    print(" gone\n");
    load(va + 5 * size);
}

static void block(const struct space *s, uint64_t va)
{
    const uint64_t size = 1ull << shift_of(s->g, s->g->block_level);
    uint64_t *const e = entry(s->g, s->root, s->first, s->va_bits, va, s->g->block_level);

    *e = (FRAME & -size) | DESC_BLOCK | DESC_MEMORY | DESC_RO;
    synchronise();
    print_hex(" reads", load(va + (FRAME & (size - 1))));
    print(" read-only\n");
    store(va + 8, 1);
    *e = 0;
    invalidate(va + 0x123000);
    print(" gone\n");
    load(va + 16);
    *e = (FRAME & -size) | DESC_BLOCK | DESC_NORMAL | DESC_SH;
    __asm__ volatile("dsb ish\n isb" ::: "memory");
    print(" access flag\n");
    load(va + 24);
    *e = 0;
}

static void one_space(const struct granule *g, unsigned va_bits)
{
    unsigned first = 3;

    while (va_bits > shift_of(g, first) + g->log2 - 3) {
        first--;
    }
    n_tables = 0;
    const struct space s = {.g = g, .root = new_table(), .first = first, .va_bits = va_bits};
    const uint64_t top = 1ull << va_bits, page = 1ull << g->log2;

    print(g->name);
    print_dec(", bits of address", va_bits);
    for (unsigned i = 0; i < 8; i++) {
        store(FRAME + i * page, 0x1111 * (i + 1));
    }
    map_around(g, s.root, first, va_bits);
    mmu_on(TCR_COMMON | TCR_EPD1 | g->tg0 | (64 - va_bits), s.root);
    print("pages\n");
    pages(&s, 0xa0000000 + 8 * page);
    print("pages at the top\n");
    pages(&s, top - 8 * page);
    print("contiguous\n");
    contiguous(&s, 0xc0000000);
    print("block\n");
    block(&s, 0x80000000);
    print("above the top\n");
    load(top);
    print("levels\n");
    for (unsigned level = first; level <= 3; level++) {
        /* The neighbour of the entry, at each level, of a page that is there. */
        const uint64_t va = (0xa0000000 + 8 * page) ^ (level == 3 ? 6 : 1ull) << shift_of(g, level);
        load(va == (va & (top - 1)) ? va : top - 1);
    }
    mmu_off();
}

/* TTBR0 with one granule, TTBR1 with another. */
static void both_halves(void)
{
    const struct granule *const low = &granules[0], *const high = &granules[1];

    n_tables = 0;
    uint64_t *const root0 = new_table(), *const root1 = new_table();
    print("16 KiB below, 64 KiB above\n");
    store(FRAME, 0x1111);
    map_around(low, root0, 2, 36);
    *entry(high, root1, 2, 42, 0x10000, 3) = FRAME | DESC_PAGE | DESC_MEMORY;
    *entry(low, root0, 2, 36, 0xa0000000, 3) = FRAME | DESC_PAGE | DESC_MEMORY;
    WRITE_SYSREG(ttbr1_el1, (uintptr_t)root1);
    /* TG1: 3 is 64 KiB */
    mmu_on(TCR_COMMON | low->tg0 | (64 - 36) | 3ull << 30 | 3ull << 28 | 1ull << 26 | 1ull << 24 |
               (64ull - 42) << 16,
           root0);
    print_hex(" high", load(-(1ull << 42) + 0x10000));
    store(-(1ull << 42) + 0x1fff8, 0x2222);
    print_hex(" in the frame", load(FRAME + 0xfff8));
    print_hex(" low", load(0xa0000000));
    print(" high, not mapped\n");
    load(-(1ull << 42) + 0x20000);
    print(" below the high half\n");
    load(-(1ull << 42) - 8);
    print(" low, not mapped\n");
    load(0xa0004000);
    mmu_off();
}

int guest_main(void)
{
    static const struct {
        unsigned granule, bits;
    } spaces[] = {{0, 36}, {0, 39}, {0, 47}, {0, 48}, {1, 36}, {1, 42}, {1, 47}, {1, 48}};

    for (unsigned i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        one_space(&granules[spaces[i].granule], spaces[i].bits);
    }
    both_halves();
    return 0;
}
