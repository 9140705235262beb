/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The translator where random programs (tests/blocks) seldom come: jump tables, links, blocks that the emitter refuses, and the
 * plan's rules.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/a64/translator.h"
#include "engine/code.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/state.h"
#include "engine/x64/cache.h"
#include "engine/x64/emit.h"
#include "engine/x64/fixture.h"

/* A loop whose loads go over the end of the address space: address 0 is another page. */
#define TABLE_AT(n) (0x10000u + 0x1000u * (n)) /* levels 0 to 3 of TTBR0, then of TTBR1 */
#define LEAF(pa)    ((pa) | 3u | 3u << 8 | 1u << 10)

static void put_descriptor(uint8_t *ram, uint32_t table, unsigned index, uint64_t descriptor)
{
    memcpy(ram + table + 8 * index, &descriptor, 8);
}

static void load_wrapping(uint8_t *ram)
{
    static const uint32_t code[] = {
        0xf8408401, /* ldr x1, [x0], #8 */
        0x8b020422, /* add x2, x1, x2, lsl #1 */
        0xd1000463, /* sub x3, x3, #1 */
        0xb5ffffa3, /* cbnz x3, to the start */
        HVC(7),
    };

    memcpy(ram + START, code, sizeof(code));
    for (unsigned level = 0; level < 3; level++) {
        put_descriptor(ram, TABLE_AT(level), 0, TABLE_AT(level + 1) | 3);
        put_descriptor(ram, TABLE_AT(4 + level), 511, TABLE_AT(5 + level) | 3);
    }
    put_descriptor(ram, TABLE_AT(3), 0, LEAF(0xa000u));
    put_descriptor(ram, TABLE_AT(3), 1, LEAF(START));
    put_descriptor(ram, TABLE_AT(7), 510, LEAF(0x7000u));
    put_descriptor(ram, TABLE_AT(7), 511, LEAF(0x8000u));
    for (uint32_t at = 0x7000; at < 0xb000; at += 4) {
        *word(ram, at) = at * 0x9e3779b9u;
    }
}

static void set_wrapping(struct a64_cpu *cpu)
{
    cpu->sys[SR_MAIR_EL1] = 0xff;
    cpu->sys[SR_TCR_EL1] = 16 | 16 << 16 | 2u << 30 | 2ull << 32;
    cpu->sys[SR_TTBR0_EL1] = TABLE_AT(0);
    cpu->sys[SR_TTBR1_EL1] = TABLE_AT(4);
    cpu->sys[SR_SCTLR_EL1] |= 1 | 1 << 2 | 1 << 12;
    mmu_registers_changed(cpu);
    cpu->x[0] = -0x1800ull;
    cpu->x[3] = 0x1900 / 8;
}

static void test_wrapping(void)
{
    const struct program p = {.load = load_wrapping, .set = set_wrapping};
    const struct outcome got = run_both(&p, "over the end");

    EXPECT(got.x[0] == 0x100 && got.x[3] == 0, "x0 %llx, x3 %llx", (unsigned long long)got.x[0],
           (unsigned long long)got.x[3]);
}

/*
 * A block holds what it knows of a stretch of three pages, misses in a larger one that lies elsewhere, and then loads from behind the first: not as
 * if that were as long as the second.
 */
#define FEW_PAGES  0x400000u
#define MANY_PAGES 0x600000u

static void load_held(uint8_t *ram)
{
    static const uint32_t first[] = {
        0xf9400001, /* ldr x1, [x0] */
        0xd61f0160, /* br x11 */
    };
    static const uint32_t second[] = {
        0x8b030005, /* add x5, x0, x3 */
        0xf94000a6, /* ldr x6, [x5] */
        0x8b030047, /* add x7, x2, x3 */
        0xf94000e8, /* ldr x8, [x7] */
        0x8b030089, /* add x9, x4, x3 */
        0xf940012a, /* ldr x10, [x9] */
        HVC(7),
    };

    memcpy(ram + START, first, sizeof(first));
    memcpy(ram + START + 0x100, second, sizeof(second));
    for (unsigned level = 0; level < 3; level++) {
        put_descriptor(ram, TABLE_AT(level), 0, TABLE_AT(level + 1) | 3);
    }
    put_descriptor(ram, TABLE_AT(2), 2, TABLE_AT(4) | 3);
    put_descriptor(ram, TABLE_AT(2), 3, TABLE_AT(5) | 3);
    put_descriptor(ram, TABLE_AT(3), 0, LEAF(0u));
    put_descriptor(ram, TABLE_AT(3), 1, LEAF(START));
    for (unsigned i = 0; i < 3; i++) {
        put_descriptor(ram, TABLE_AT(4), i, LEAF(0x40000u + 0x1000 * i));
    }
    put_descriptor(ram, TABLE_AT(4), 4, LEAF(0x60000u));
    for (unsigned i = 0; i < 8; i++) {
        put_descriptor(ram, TABLE_AT(5), i, LEAF(0x80000u + 0x1000 * i));
    }
    for (uint32_t at = 0x40000; at < 0x90000; at += 4) {
        *word(ram, at) = at * 0x9e3779b9u;
    }
}

static void set_held(struct a64_cpu *cpu)
{
    set_wrapping(cpu);
    mmu_set_least_stretch(cpu, 0x3000);
    cpu->x[0] = FEW_PAGES;
    cpu->x[2] = MANY_PAGES;
    cpu->x[3] = 8;
    cpu->x[4] = FEW_PAGES + 0x4000;
    cpu->x[11] = START + 0x100;
}

static void test_held(void)
{
    const struct program p = {.load = load_held, .set = set_held};
    const struct outcome got = run_both(&p, "a stretch that is held");
    const uint32_t at = 0x60008;

    EXPECT((uint32_t)got.x[10] == at * 0x9e3779b9u, "%llx", (unsigned long long)got.x[10]);
}

/* A function in a block of 2 MiB is called, until TLBI by another address of the block says that there is no block: then the call fails. */
#define BLOCK          0x200000u
#define BLOCK_FUNCTION 0x3000u

static void load_block_of_code(uint8_t *ram)
{
    static const uint32_t code[] = {
        0xd63f0020, /* blr x1 */
        0xf1000484, /* subs x4, x4, #1 */
        0x54ffffc1, /* b.ne to the start */
        0xf900005f, /* str xzr, [x2] */
        0xd5033a9f, /* dsb ishst */
        0xd5088323, /* tlbi vae1is, x3 */
        0xd5033b9f, /* dsb ish */
        0xd5033fdf, /* isb */
        0xd63f0020, /* blr x1 */
        HVC(7),
    };
    static const uint32_t function[] = {
        0x910004a5, /* add x5, x5, #1 */
        0xd65f03c0, /* ret */
    };

    load_wrapping(ram);
    memcpy(ram + START, code, sizeof(code));
    memcpy(ram + BLOCK_FUNCTION, function, sizeof(function));
    put_descriptor(ram, TABLE_AT(2), 1, 1u | 3u << 8 | 1u << 10);
    put_descriptor(ram, TABLE_AT(3), 0, LEAF(0u)); /* the vectors */
}

static void set_block_of_code(struct a64_cpu *cpu)
{
    set_wrapping(cpu);
    cpu->x[1] = BLOCK + BLOCK_FUNCTION;
    cpu->x[2] = BLOCK + TABLE_AT(2) + 8;
    cpu->x[3] = (BLOCK + 0xab000) >> 12;
    cpu->x[4] = 4;
}

static void test_block_of_code(void)
{
    const struct program p = {.load = load_block_of_code, .set = set_block_of_code};
    const struct outcome got = run_both(&p, "a block's code");

    EXPECT(got.esr >> 26 == 0x21 && got.far_ == BLOCK + BLOCK_FUNCTION && got.x[5] == 4,
           "ESR %llx, FAR %llx, x5 %llu", (unsigned long long)got.esr, (unsigned long long)got.far_,
           (unsigned long long)got.x[5]);
}

/*
 * Operations with FPCR.FZ: each with many pairs of operands around what is flushed, FPSR.IXC set before or not by turns, and everything
 * that comes of it in X11.
 */
static const struct {
    uint32_t word;
    const char *text;
} flushing[] = {
    // clang-format off
    {0x1e612802, "fadd d2, d0, d1"},
    {0x1e613802, "fsub d2, d0, d1"},
    {0x1e610802, "fmul d2, d0, d1"},
    {0x1e611802, "fdiv d2, d0, d1"},
    {0x1e61c002, "fsqrt d2, d0"},
    {0x1f410002, "fmadd d2, d0, d1, d0"},
    {0x1e618802, "fnmul d2, d0, d1"},
    {0x7ee1d402, "fabd d2, d0, d1"},
    {0x1e614802, "fmax d2, d0, d1"},
    {0x1e617802, "fminnm d2, d0, d1"},
    {0x5e61e402, "fcmeq d2, d0, d1"},
    {0x7ee1ec02, "facgt d2, d0, d1"},
    {0x1e624002, "fcvt s2, d0"},
    {0x9e780003, "fcvtzs x3, d0"},
    {0x1e780003, "fcvtzs w3, d0"},
    {0x9e790003, "fcvtzu x3, d0"},
    {0x9e680003, "fcvtps x3, d0"},
    {0x1e674002, "frintx d2, d0"},
    {0x1e64c002, "frintp d2, d0"},
    {0x1e612000, "fcmp d0, d1"},
    {0x1e612010, "fcmpe d0, d1"},
    {0x1e212802, "fadd s2, s0, s1"},
    {0x1e213802, "fsub s2, s0, s1"},
    {0x1e210802, "fmul s2, s0, s1"},
    {0x1e211802, "fdiv s2, s0, s1"},
    {0x1e21c002, "fsqrt s2, s0"},
    {0x1f010002, "fmadd s2, s0, s1, s0"},
    {0x1e216802, "fmaxnm s2, s0, s1"},
    {0x7e21e402, "fcmge s2, s0, s1"},
    {0x1e22c002, "fcvt d2, s0"},
    {0x1e380003, "fcvtzs w3, s0"},
    {0x1e390003, "fcvtzu w3, s0"},
    {0x1e254002, "frintm s2, s0"},
    {0x1e212000, "fcmp s0, s1"},
    {0x4e61d402, "fadd v2.2d, v0.2d, v1.2d"},
    {0x6e61dc02, "fmul v2.2d, v0.2d, v1.2d"},
    {0x4e61cc02, "fmla v2.2d, v0.2d, v1.2d"},
    {0x4ee1b802, "fcvtzs v2.2d, v0.2d"},
    {0x4ee18802, "frintp v2.2d, v0.2d"},
    {0x6ee1e402, "fcmgt v2.2d, v0.2d, v1.2d"},
    {0x0e616802, "fcvtn v2.2s, v0.2d"},
    {0x4e21d402, "fadd v2.4s, v0.4s, v1.4s"},
    {0x4ea1d402, "fsub v2.4s, v0.4s, v1.4s"},
    {0x6e21dc02, "fmul v2.4s, v0.4s, v1.4s"},
    {0x6e21fc02, "fdiv v2.4s, v0.4s, v1.4s"},
    {0x4ea1cc02, "fmls v2.4s, v0.4s, v1.4s"},
    {0x4e21f402, "fmax v2.4s, v0.4s, v1.4s"},
    {0x4e21e402, "fcmeq v2.4s, v0.4s, v1.4s"},
    {0x6e21ec02, "facge v2.4s, v0.4s, v1.4s"},
    {0x4ea1b802, "fcvtzs v2.4s, v0.4s"},
    {0x4ea1a802, "fcvtps v2.4s, v0.4s"},
    {0x6e219802, "frintx v2.4s, v0.4s"},
    {0x0e617802, "fcvtl v2.2d, v0.2s"},
    {0x2e21dc02, "fmul v2.2s, v0.2s, v1.2s"},
    {0x6e21d402, "faddp v2.4s, v0.4s, v1.4s"},
    // clang-format on
};

static uint64_t flushing_ixc;
static uint32_t flushing_word, flushing_fpcr;

#define PAIRS_AT 0x20000u

static uint32_t single_of(unsigned i)
{
    static const uint32_t singles[16] = {
        0,          0x80000000, 1,          0x807fffff, 0x00800000, 0x80800001,
        0x00c00000, 0x00400000, 0x1f800000, 0x20000001, 0x3f800000, 0xbfc00000,
        0x7f7fffff, 0x7f800000, 0x7fc00001, 0x7f800001,
    };

    return singles[i % 16];
}

static uint64_t double_of(unsigned i)
{
    static const uint64_t doubles[16] = {
        0,
        1ull << 63,
        1,
        0x800fffffffffffff,
        0x0010000000000000,
        0x8010000000000001,
        0x0018000000000000,
        0x0008000000000000,
        0x1ff0000000000000,
        0x2000000000000001,
        0x3ff0000000000000,
        0xbff8000000000000,
        0x7fefffffffffffff,
        0x7ff0000000000000,
        0x7ff8000000000001,
        0x7ff0000000000001,
    };

    return doubles[i % 16];
}

static v128 operand_of(unsigned i, bool is_double)
{
    if (is_double) {
        return (v128){.d = {double_of(i), double_of(i + 7)}};
    }
    return (v128){.s = {single_of(i), single_of(i + 5), single_of(i + 10), single_of(i + 12)}};
}

static void load_flushing(uint8_t *ram)
{
    static const uint32_t code[] = {
        0xacc10400, /* ldp q0, q1, [x0], #32 */
        0x93c504a5, /* ror x5, x5, #1 */
        0x927c00a9, /* and x9, x5, #16 */
        0xd51b4429, /* msr fpsr, x9 */
        0x6f00e402, /* movi v2.2d, #0 */
        0xd503201f, /* the operation */
        0xd53b442a, /* mrs x10, fpsr */
        0xd53b420c, /* mrs x12, nzcv */
        0xcacb1d4b, /* eor x11, x10, x11, ror #7 */
        0xca0c016b, /* eor x11, x11, x12 */
        0x9e66004d, /* fmov x13, d2 */
        0x9eae004e, /* fmov x14, v2.d[1] */
        0xcacd0d6b, /* eor x11, x11, x13, ror #3 */
        0xcace2d6b, /* eor x11, x11, x14, ror #11 */
        0xcac34d6b, /* eor x11, x11, x3, ror #19 */
        0xf1000484, /* subs x4, x4, #1 */
        0x54fffe01, /* b.ne #-64 */
        HVC(7),
    };
    /* Of double precision, or from it. */
    const bool is_double = (flushing_word >> 22 & 1) != 0;

    memcpy(ram + START, code, sizeof(code));
    *word(ram, START + 4 * 5) = flushing_word;
    for (unsigned i = 0; i < 256; i++) {
        const v128 a = operand_of(i / 16, is_double), b = operand_of(i, is_double);
        memcpy(ram + PAIRS_AT + i * 32, &a, 16);
        memcpy(ram + PAIRS_AT + i * 32 + 16, &b, 16);
    }
}

static void set_flushing(struct a64_cpu *cpu)
{
    cpu->fpcr = flushing_fpcr;
    cpu->x[0] = PAIRS_AT;
    cpu->x[4] = 256;
    cpu->x[5] = flushing_ixc;
}

static void test_flushing(void)
{
    static const uint64_t ixc[] = {UINT64_MAX, 0xfff7ff3fffe7efff, 0};
    static const uint32_t fpcr[] = {1u << 24, 1u << 24 | 1u << 25, 1u << 24 | 1u << 22,
                                    1u << 24 | 3u << 22};
    const struct program p = {.load = load_flushing, .set = set_flushing};
    char name[64];

    for (unsigned i = 0; i < sizeof(flushing) / sizeof(flushing[0]) * 12; i++) {
        flushing_word = flushing[i / 12].word;
        flushing_ixc = ixc[i % 3];
        flushing_fpcr = fpcr[i / 3 % 4];
        snprintf(name, sizeof(name), "%s, FPCR %x, IXC %u", flushing[i / 12].text, flushing_fpcr,
                 i % 3);
        const struct outcome got = run_both(&p, name);
        EXPECT(got.pc == START + 4 * 18 && got.x[4] == 0, "%s: pc %llx", name,
               (unsigned long long)got.pc);
    }
}

/* BR to addresses that the entries of empty slots hold, or nearly: none may be taken for a block. */
static uint64_t branch_target;

static void load_branch(uint8_t *ram)
{
    *word(ram, 0) = HVC(7);
    *word(ram, 4) = HVC(8);
    *word(ram, START) = 0xd61f0000; /* br x0 */
}

static void set_branch(struct a64_cpu *cpu)
{
    cpu->x[0] = branch_target;
}

static void test_sentinels(void)
{
    static const uint64_t targets[] = {
        0,          1,          2,
        3,          4,          5,
        0x4000,     0x4004,     UINT64_MAX - 3,
        UINT64_MAX, 1ull << 55, 0x0100000000000004,
    };
    const struct program p = {.load = load_branch, .set = set_branch};
    char name[40];

    for (unsigned i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        branch_target = targets[i];
        snprintf(name, sizeof(name), "br %#llx", (unsigned long long)targets[i]);
        run_both(&p, name);
    }
}

/* Two functions whose addresses share a slot of the jump table, called in turn; each call finds its own. */
#define FAR_APART (X64_JUMP_ENTRIES * 4)

static void load_colliding(uint8_t *ram)
{
    static const uint32_t loop[] = {0xd63f0020 /* blr x1 */, 0xd63f0040 /* blr x2 */,
                                    0xf1000463 /* subs x3, x3, #1 */, 0x54ffffa1 /* b.ne loop */,
                                    HVC(1)};

    memcpy(ram + START, loop, sizeof(loop));
    *word(ram, 0x2000) = 0x91000484;             /* add x4, x4, #1 */
    *word(ram, 0x2004) = 0xd65f03c0;             /* ret */
    *word(ram, 0x2000 + FAR_APART) = 0x91000ca5; /* add x5, x5, #3 */
    *word(ram, 0x2004 + FAR_APART) = 0xd65f03c0;
}

static void set_colliding(struct a64_cpu *cpu)
{
    cpu->x[1] = 0x2000;
    cpu->x[2] = 0x2000 + FAR_APART;
    cpu->x[3] = 1000;
}

static void test_colliding(void)
{
    const struct program p = {.load = load_colliding, .set = set_colliding};
    const struct outcome got = run_both(&p, "colliding");

    EXPECT(got.x[4] == 1000 && got.x[5] == 3000, "%llu %llu", (unsigned long long)got.x[4],
           (unsigned long long)got.x[5]);
}

/* A loop of linked blocks that changes its own first instruction half way, without cache maintenance. */
static void load_patching(uint8_t *ram)
{
    static const uint32_t loop[] = {
        0x91000484, /* loop: add x4, x4, #1; later #2 */
        0xf1000463, /* subs x3, x3, #1 */
        0xeb06007f, /* cmp x3, x6 */
        0x54000041, /* b.ne over */
        0xb9000107, /* str w7, [x8] */
        0x14000001, /* over: b next */
        0xb5ffff43, /* next: cbnz x3, loop */
        HVC(1),
    };

    memcpy(ram + START, loop, sizeof(loop));
}

static void set_patching(struct a64_cpu *cpu)
{
    cpu->x[3] = 100;
    cpu->x[6] = 50;
    cpu->x[7] = 0x91000884; /* add x4, x4, #2 */
    cpu->x[8] = START;
}

static void test_patching(void)
{
    const struct program p = {.load = load_patching, .set = set_patching};
    const struct outcome got = run_both(&p, "patching");

    EXPECT(got.x[4] == 150, "%llu", (unsigned long long)got.x[4]);
    EXPECT(number_before(" links made") >= 4, "blocks were linked, and again after the change\n%s",
           text);
    EXPECT(number_before(" blocks retired") >= 1, "%s", text);
}

/* The block goes on before its start, and changes what is there. */
static void load_turning(uint8_t *ram)
{
    static const uint32_t loop[] = {
        0x14000002, /* b start */
        0x91000484, /* loop: add x4, x4, #1; later #2 */
        0xf1000463, /* start: subs x3, x3, #1 */
        0xeb06007f, /* cmp x3, x6 */
        0x9a89010a, /* csel x10, x8, x9, eq */
        0xb9000147, /* str w7, [x10] */
        0xb5ffff63, /* cbnz x3, loop */
        HVC(1),
    };

    memcpy(ram + START, loop, sizeof(loop));
}

static void set_turning(struct a64_cpu *cpu)
{
    set_patching(cpu);
    cpu->x[8] = START + 4;
    cpu->x[9] = START + 0x1000;
}

static void test_turning(void)
{
    const struct program p = {.load = load_turning, .set = set_turning};
    const struct outcome got = run_both(&p, "turning");

    EXPECT(got.x[4] == 149, "%llu", (unsigned long long)got.x[4]);
    EXPECT(number_before(" blocks retired") >= 1, "%s", text);
}

/*
 * Two pieces that jump to each other, and to themselves, through registers: blocks are made anew to go on there. Half way the first changes the
 * second, which it goes on to.
 */
static void load_expecting(uint8_t *ram)
{
    static const uint32_t pieces[] = {
        0x91000484, /* first: add x4, x4, #1 */
        0xf1000463, /* subs x3, x3, #1 */
        0x54000140, /* b.eq out */
        0xeb07007f, /* cmp x3, x7 */
        0x540000c0, /* b.eq change */
        0xf240007f, /* over: tst x3, #1 */
        0x9a820025, /* csel x5, x1, x2, eq */
        0xd61f00a0, /* br x5 */
        0x910004c6, /* second: add x6, x6, #1; later #2 */
        0xd61f0020, /* br x1 */
        0xb9000109, /* change: str w9, [x8] */
        0x17fffffa, /* b over */
        HVC(1),     /* out */
    };

    memcpy(ram + START, pieces, sizeof(pieces));
}

static void set_expecting(struct a64_cpu *cpu)
{
    cpu->x[1] = START;
    cpu->x[2] = cpu->x[8] = START + 32;
    cpu->x[3] = 100;
    cpu->x[7] = 50;
    cpu->x[9] = 0x910008c6; /* add x6, x6, #2 */
}

static void test_expecting(void)
{
    const struct program p = {.load = load_expecting, .set = set_expecting};
    const struct outcome got = run_both(&p, "expecting");

    EXPECT(got.x[4] == 100 && got.x[6] == 75, "%llu %llu", (unsigned long long)got.x[4],
           (unsigned long long)got.x[6]);
    EXPECT(number_before(" blocks made anew") >= 4, "they were, and again after the change\n%s",
           text);
}

/* A function of another page, found through the jump table, which its caller changes half way. */
#define FUNCTION 0x2000u

static void load_calling(uint8_t *ram)
{
    static const uint32_t loop[] = {
        0xd63f0020, /* loop: blr x1 */
        0xf1000463, /* subs x3, x3, #1 */
        0xeb06007f, /* cmp x3, x6 */
        0x54000041, /* b.ne over */
        0xb9000107, /* str w7, [x8] */
        0xb5ffff63, /* over: cbnz x3, loop */
        HVC(1),
    };

    memcpy(ram + START, loop, sizeof(loop));
    *word(ram, FUNCTION) = 0x91000484;     /* add x4, x4, #1; later #2 */
    *word(ram, FUNCTION + 4) = 0xd65f03c0; /* ret */
}

static void set_calling(struct a64_cpu *cpu)
{
    set_patching(cpu);
    cpu->x[1] = cpu->x[8] = FUNCTION;
}

static void test_calling(void)
{
    const struct program p = {.load = load_calling, .set = set_calling};
    const struct outcome got = run_both(&p, "calling");

    EXPECT(got.x[4] == 150, "%llu", (unsigned long long)got.x[4]);
}

/* A function that calls itself, and half of the times returns behind the instruction after the call: blocks go into it. */
static void load_recursing(uint8_t *ram)
{
    static const uint32_t code[] = {
        0xd28000a0, /* loop: mov x0, #5 */
        0x94000005, /* bl f */
        0x91004084, /* add x4, x4, #16 */
        0xf1000463, /* subs x3, x3, #1 */
        0x54ffff81, /* b.ne loop */
        HVC(1),     /**/
        0xa9bf7bfd, /* f: stp x29, x30, [sp, #-16]! */
        0xd1000400, /* sub x0, x0, #1 */
        0xb4000080, /* cbz x0, out */
        0x97fffffd, /* bl f */
        0x91000484, /* add x4, x4, #1 */
        0x91400484, /* add x4, x4, #0x1000 */
        0xa8c17bfd, /* out: ldp x29, x30, [sp], #16 */
        0x927e0069, /* and x9, x3, #4 */
        0x8b0903de, /* add x30, x30, x9 */
        0xd65f03c0, /* ret */
    };

    memcpy(ram + START, code, sizeof(code));
}

static void set_recursing(struct a64_cpu *cpu)
{
    set_patching(cpu);
    cpu->x[31] = 0x8000;
}

static void test_recursing(void)
{
    const struct program p = {.load = load_recursing, .set = set_recursing};
    const struct outcome got = run_both(&p, "recursing");
    uint64_t sum = 0;

    for (unsigned n = 100; n > 0; n--) {
        sum += 4u * 0x1000u + ((n & 4) != 0 ? 0u : 4u + 16u);
    }
    EXPECT(got.x[4] == sum, "%llu", (unsigned long long)got.x[4]);
}

/* A copy over what lies behind it in the block. */
static void load_copying(uint8_t *ram)
{
    static const uint32_t code[] = {
        0xd2800108, /* mov x8, #8 */
        0x100000a0, /* adr x0, here */
        0x100000e1, /* adr x1, others */
        0x1d010500, /* cpyp [x0]!, [x1]!, x8! */
        0x1d410500, /* cpym */
        0x1d810500, /* cpye */
        0x91000484, /* here: add x4, x4, #1 */
        0x91000484, /* add x4, x4, #1 */
        HVC(1),     /**/
        0x91000884, /* others: add x4, x4, #2 */
        0x91001084, /* add x4, x4, #4 */
    };

    memcpy(ram + START, code, sizeof(code));
}

static void test_copying(void)
{
    const struct program p = {.load = load_copying, .set = set_patching};
    const struct outcome got = run_both(&p, "copying");

    EXPECT(got.x[4] == 6, "%llu", (unsigned long long)got.x[4]);
}

/* A block ends at its most instructions, at a jump that it might follow as well. */
static void load_forward(uint8_t *ram)
{
    for (uint32_t i = 0; i < 2 * TR_MAX_INSNS; i++) {
        *word(ram, START + 4 * i) = i % 2 == 0 ? 0x91000484 /* add x4, x4, #1 */
                                               : 0x14000001 /* b next */;
    }
    *word(ram, START + 8 * TR_MAX_INSNS) = HVC(1);
}

static void test_forward(void)
{
    const struct program p = {.load = load_forward, .set = set_patching};
    const struct outcome got = run_both(&p, "forward");

    EXPECT(got.x[4] == TR_MAX_INSNS, "%llu", (unsigned long long)got.x[4]);
}

/* Circles of code that nothing but a request ends, by the ways from block to block. Registers: X0 is START, X9 is 0. */
static const struct circle {
    const char *name;
    struct {
        uint32_t at, word;
    } code[3];
} circles[] = {
    {"a block's loop", {{START, 0x91000421 /* add x1, x1, #1 */}, {START + 4, 0x17ffffff /* b */}}},
    {"in a page",
     {{START, 0xb4000209 /* cbz x9, + 0x40 */}, {START + 0x40, 0xb4fffe09 /* back */}}},
    {"to itself behind a helper",
     {{START, 0xd5033f9f /* dsb sy */}, {START + 4, 0x17ffffff /* b back */}}},
    {"to itself in a page", {{START, 0xb4000009 /* cbz x9, here */}}},
    {"between pages",
     {{START, 0x14000400 /* b + 0x1000 */}, {START + 0x1000, 0x17fffc00 /* b back */}}},
    {"BR to itself", {{START, 0xd61f0000 /* br x0 */}}},
    {"RET to itself", {{START, 0xd65f0000 /* ret x0 */}}},
    {"BR back", {{START, 0x14000400 /* b + 0x1000 */}, {START + 0x1000, 0xd61f0000 /* br x0 */}}},
    {"BL and RET",
     {{START, 0x94000400 /* bl + 0x1000 */},
      {START + 4, 0x17ffffff /* b back */},
      {START + 0x1000, 0xd65f03c0 /* ret */}}},
    {"ERET to itself", {{START, 0xd69f03e0 /* eret */}}},
};

static _Atomic bool run_is_over;

static void *run_in_circle(void *vcpu)
{
    vm_vcpu_run(vcpu);
    atomic_store(&run_is_over, true);
    return NULL;
}

static void test_circle(const struct circle *c)
{
    const struct vm_config config = {
        .ipa_bits = 40,
        .granule_log2 = 12,
        .eager = true,
        .host_level = test_host_level(),
        .profile = vm_profile_by_name("max"),
        .macos = 260000,
    };
    uint8_t *const ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                              -1, 0);
    struct vm *vm = NULL;
    struct vcpu *vcpu = NULL;
    pthread_t thread;

    if (ram == MAP_FAILED || vm_create(&config, &vm) != VM_OK ||
        vm_map(vm, ram, 0, RAM_SIZE, VM_READ | VM_WRITE | VM_EXEC) != VM_OK ||
        vm_vcpu_create(vm, &vcpu) != VM_OK) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    for (unsigned i = 0; i < 3; i++) {
        *word(ram, c->code[i].at) = c->code[i].word;
    }
    struct a64_cpu *const cpu = &vcpu->cpu;
    cpu->pc = cpu->x[0] = cpu->sys[SR_ELR_EL1] = START;
    cpu->x[9] = 0;
    cpu->sys[SR_SPSR_EL1] = PSTATE_EL(1) | PSTATE_SP;
    atomic_store(&run_is_over, false);
    if (pthread_create(&thread, NULL, run_in_circle, vcpu) != 0) {
        fprintf(stderr, "no thread\n");
        exit(1);
    }
    usleep(5000); /* it is in emitted code by then */
    EXPECT(!atomic_load(&run_is_over), "%s: it ends by itself", c->name);
    vm_vcpu_request_exit(vcpu);
    for (unsigned i = 0; i < 10000 && !atomic_load(&run_is_over); i++) {
        usleep(1000);
    }
    if (!atomic_load(&run_is_over)) {
        fprintf(stderr, "%s: a request to exit is not seen\n", c->name);
        exit(1);
    }
    pthread_join(thread, NULL);
    EXPECT(cpu->exit.reason == CPU_EXIT_CANCELED, "%s", c->name);
    bool inside = false;
    for (unsigned i = 0; i < 3; i++) {
        inside = inside || cpu->pc == c->code[i].at;
    }
    EXPECT(inside && cpu->pc != 0, "%s: pc %llx", c->name, (unsigned long long)cpu->pc);
    vm_vcpu_destroy(vcpu);
    vm_destroy(vm);
    munmap(ram, RAM_SIZE);
}

static void test_circles(void)
{
    for (unsigned i = 0; i < sizeof(circles) / sizeof(circles[0]); i++) {
        test_circle(&circles[i]);
    }
}

/* All vector registers are wanted at once, and the results are NaNs, which are made again in C. */
static void load_vectors(uint8_t *ram)
{
    uint32_t at = START;

    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 31;
             i++, at += 4) { /* fadd v[i].2d, v[i].2d, v[i + 1 + round].2d */
            *word(ram, at) = 0x4e60d400 | i | i << 5 | ((i + 1 + round) % 32) << 16;
        }
    }
    *word(ram, at) = HVC(1);
}

static void set_vectors(struct a64_cpu *cpu)
{
    for (unsigned i = 0; i < 32; i++) {
        cpu->v[i].d[0] = i % 3 == 0 ? 0x7ff0000000000001u + i : 0x3ff0000000000000u + i;
        cpu->v[i].d[1] = i % 5 == 0 ? 0xfff8000000000000u + i : 0x7fe0000000000000u + i;
    }
}

static void test_vectors(void)
{
    const struct program p = {.load = load_vectors, .set = set_vectors};

    run_both(&p, "vectors");
    EXPECT(strstr(text, "rare case of vop fadd") != NULL, "%s", text);
}

/* The last operand of a function in C is in the frame, and a value that no guest register holds has to go there before the call. */
static void load_spilling(uint8_t *ram)
{
    static const uint32_t code[] = {
        0x4e351ea1, /* and v1.16b, v21.16b, v21.16b */
        0xd53800a2, /* mrs x2, mpidr_el1: a helper, for which v21 goes to the frame */
        0x4eb586a5, /* add v5.4s, v21.4s, v21.4s: and comes back */
        0x1e2728c3, /* fadd s3, s6, s7 */
        0x1e272060, /* fcmp s3, s7: the flags need s3 */
        0x4f000403, /* movi v3.4s, #0 */
        0x4ea1daa0, /* frecpe v0.4s, v21.4s */
        HVC(1),
    };

    memcpy(ram + START, code, sizeof(code));
}

static void test_spilling(void)
{
    const struct program p = {.load = load_spilling, .set = set_vectors};

    run_both(&p, "spilling");
}

/* Each key signs, authenticates and is stripped, for both halves of the address space, with codes at different places. The last word
 * fails. */
static uint64_t pauth_tcr, pauth_pointer;

static void load_pauth(uint8_t *ram)
{
    static const uint32_t code[] = {
        0xdac10020, /* pacia x0, x1 */
        0xaa0003ea, /* mov x10, x0 */
        0xdac11020, /* autia x0, x1 */
        0xdac10462, /* pacib x2, x3 */
        0xaa0203eb, /* mov x11, x2 */
        0xdac11462, /* autib x2, x3 */
        0xdac108a4, /* pacda x4, x5 */
        0xaa0403ec, /* mov x12, x4 */
        0xdac118a4, /* autda x4, x5 */
        0xdac10ce6, /* pacdb x6, x7 */
        0xaa0603ed, /* mov x13, x6 */
        0xdac11ce6, /* autdb x6, x7 */
        0xdac123e8, /* paciza x8 */
        0xaa0803ee, /* mov x14, x8 */
        0xdac133e8, /* autiza x8 */
        0xaa0a03ef, /* mov x15, x10 */
        0xdac143ef, /* xpaci x15 */
        0xaa0c03f0, /* mov x16, x12 */
        0xdac147f0, /* xpacd x16 */
        0xaa0903f1, /* mov x17, x9 */
        0xdac143f1, /* xpaci x17 */
        0x9ac23152, /* pacga x18, x10, x2 */
        0xdac11029, /* autia x9, x1 */
    };

    memcpy(ram + START, code, sizeof(code));
}

static void set_pauth(struct a64_cpu *cpu)
{
    cpu->sys[SR_SCTLR_EL1] |= SCTLR_ENIA | SCTLR_ENIB | SCTLR_ENDA | SCTLR_ENDB;
    cpu->sys[SR_TCR_EL1] = pauth_tcr;
    for (unsigned i = 0; i < 10; i++) {
        cpu->sys[SR_APIAKEYLO_EL1 + i] = 0x0123456789abcdef * (2 * i + 1);
    }
    for (unsigned i = 0; i < 10; i++) {
        cpu->x[i] = i % 2 == 0 ? pauth_pointer + i : i * 0x1111111111111111ull;
    }
    cpu->x[9] = pauth_pointer ^ 1ull << 54;
}

static void test_pauth(void)
{
    static const uint64_t tcr[] = {16 | 16 << 16,
                                   25 | 28 << 16,
                                   16 | 25 << 16 | 1ull << 37,
                                   20 | 16 << 16 | 1ull << 38 | 1ull << 52,
                                   25 | 25 << 16 | 3ull << 37,
                                   25 | 25 << 16 | 3ull << 37 | 3ull << 51};
    static const uint64_t pointers[] = {0x0000000012345678, 0xffffffff87654320, 0xab00000012345678,
                                        0xab80000012345678, 0x0123456789abcdef};
    const struct program p = {.load = load_pauth, .set = set_pauth};

    for (unsigned i = 0; i < sizeof(tcr) / sizeof(tcr[0]); i++) {
        for (unsigned j = 0; j < sizeof(pointers) / sizeof(pointers[0]); j++) {
            pauth_tcr = tcr[i];
            pauth_pointer = pointers[j];
            const struct outcome got = run_both(&p, "pointer authentication");
            EXPECT(strstr(text, "helper pac") == NULL && strstr(text, "helper aut") == NULL &&
                       strstr(text, "helper xpac") == NULL && strstr(text, "helper pacga") == NULL,
                   "%s", text);
            EXPECT(got.x[10] != pauth_pointer, "TCR %u, pointer %u: is signed", i, j);
            EXPECT(j > 1 || (got.x[0] == pauth_pointer && got.x[8] == pauth_pointer + 8 &&
                             got.x[15] == pauth_pointer && got.x[16] == pauth_pointer + 4),
                   "TCR %u, pointer %u: comes back", i, j);
        }
    }
}

/* Infinity less infinity, a NaN of single precision that is negative on the host alone, is then the upper half of a double: less the
 * greatest double, which overflows for the wrong sign only. */
static void load_precisions(uint8_t *ram)
{
    static const uint32_t code[] = {
        0x4e22d425, /* fadd v5.4s, v1.4s, v2.4s */
        0x1e6428a3, /* fadd d3, d5, d4 */
        HVC(1),
    };

    memcpy(ram + START, code, sizeof(code));
}

static void set_precisions(struct a64_cpu *cpu)
{
    cpu->v[1] = (v128){.d = {0x7f80000000000000, 0}};
    cpu->v[2] = (v128){.d = {0xff80000000000000, 0}};
    cpu->v[4] = (v128){.d = {0xffefffffffffffff, 0}};
}

static void test_precisions(void)
{
    const struct program p = {.load = load_precisions, .set = set_precisions};

    run_both(&p, "precisions");
}

/* A sum of halves just below the middle between the greatest half and infinity, and the middle itself in single precision. */
static void load_halves(uint8_t *ram)
{
    static const uint32_t code[] = {
        0x1ffeb400, /* fnmsub h0, h0, h30, h13 */
        0x0e460ca7, /* fmla v7.4h, v5.4h, v6.4h */
        HVC(1),
    };

    memcpy(ram + START, code, sizeof(code));
}

static void set_halves(struct a64_cpu *cpu)
{
    cpu->v[0] = (v128){.d = {0xbf1c, 0}};
    cpu->v[30] = (v128){.d = {0xf880, 0}};
    cpu->v[13] = (v128){.d = {0x0400, 0}};
    cpu->v[5] = (v128){.d = {0x3f1c3c003f1c3c00, 0}};
    cpu->v[6] = (v128){.d = {0x78803c0078803c00, 0}};
    cpu->v[7] = (v128){.d = {0x8400000084000000, 0}};
}

static void test_halves(void)
{
    const struct program p = {.load = load_halves, .set = set_halves};

    run_both(&p, "halves");
}

/* The host's minimum of a quiet NaN and a number is the number, with which the next operation would signal. */
static void load_minimum(uint8_t *ram)
{
    static const uint32_t code[] = {
        0x4ee4f420, /* fmin v0.2d, v1.2d, v4.2d */
        0x6e62dc03, /* fmul v3.2d, v0.2d, v2.2d */
        HVC(1),
    };

    memcpy(ram + START, code, sizeof(code));
}

static void set_minimum(struct a64_cpu *cpu)
{
    cpu->v[1] = (v128){.d = {0x7ff8000000000001, 0x7ff8000000000002}};
    cpu->v[4] = (v128){.d = {0x7fe0000000000000, 0x7fe0000000000000}};
    cpu->v[2] = cpu->v[4];
}

static void test_minimum(void)
{
    const struct program p = {.load = load_minimum, .set = set_minimum};

    run_both(&p, "minimum");
}

/* --- One block by hand ----------------------------------------------------------------------------------------------------------- */

static struct a64_cpu hand_cpu;
static struct ir_node nodes[2000];
static unsigned n_nodes;

static ir_ref node(enum ir_op op, ir_ref a, ir_ref b, uint64_t imm)
{
    nodes[n_nodes] = (struct ir_node){.op = (uint8_t)op, .type = IR_I64, .a = a, .b = b};
    if (op == IR_CONST || op == IR_JUMP || op == IR_BRANCH_IF) {
        nodes[n_nodes].imm64 = imm;
    } else {
        nodes[n_nodes].imm = (uint32_t)imm;
    }
    return (ir_ref)n_nodes++;
}

static void begin(void)
{
    n_nodes = 0;
    node(IR_NONE, 0, 0, 0);
}

static bool compile(struct x64_cache *cache, bool *full)
{
    struct ir_block block = {
        .pc = 0x1000, .n_insns = 1, .n_nodes = (uint16_t)n_nodes, .valid = true, .nodes = nodes};

    x64_compile(cache, &hand_cpu, &block, full);
    const bool made = block.code != NULL;
    x64_free_code(&block);
    return made;
}

static void many_exits(unsigned n)
{
    begin();
    const ir_ref x0 = node(IR_GET_X, 0, 0, 0);
    for (unsigned i = 0; i < n; i++) {
        node(IR_BRANCH_IF, x0, 0, 0x1000 + 4 * (i % 64));
    }
    node(IR_JUMP, 0, 0, 0x1004);
}

static void test_refused(struct x64_cache *cache)
{
    static const struct code_trace none;
    bool full;

    many_exits(100);
    EXPECT(compile(cache, &full) && !full, "100 exits");
    const size_t used = cache->rooms[X64_ROOM_BLOCKS].used;
    many_exits(X64_MAX_STUBS + 10);
    EXPECT(!compile(cache, &full) && !full && cache->rooms[X64_ROOM_BLOCKS].used == used,
           "more exits than the table holds");
    many_exits(100);
    EXPECT(compile(cache, &full) && !full, "a refusal leaves nothing behind");

    struct x64_cache *const small = x64_cache_create(64 << 10, test_host_level(), &none);
    EXPECT(small != NULL, "a small cache");
    EXPECT(!compile(small, &full) && !full, "it is larger than any chunk");
    x64_cache_destroy(small);
    struct x64_cache *const larger = x64_cache_create(512 << 10, test_host_level(), &none);
    EXPECT(larger != NULL, "a larger cache");
    unsigned n = 0;
    while (compile(larger, &full)) {
        n++;
    }
    EXPECT(full && n != 0 && n < 100, "no room after %u", n);
    x64_use_chunk(larger, X64_ROOM_BLOCKS, 1);
    EXPECT(compile(larger, &full) && !full, "room in the next chunk");
    x64_cache_destroy(larger);
}

/* The rules of plan.c: how long a value is needed. */
static void test_plan(struct x64_cache *cache)
{
    const struct x64_emit *const e = hand_cpu.x64.emit;
    bool full;

    begin();
    const ir_ref x0 = node(IR_GET_X, 0, 0, 0), x1 = node(IR_GET_X, 0, 0, 1);
    const ir_ref sum = node(IR_ADD, x0, x1, 0);
    node(IR_PUT_X, sum, 0, 2);
    const ir_ref difference = node(IR_SUB, x0, x1, 0);
    node(IR_PUT_X, difference, 0, 2);
    const ir_ref jump = node(IR_JUMP, 0, 0, 0x2000);
    EXPECT(compile(cache, &full), "compiles");
    EXPECT(e->val[sum].last == 0 && x64_is_dead(e, sum), "overwritten before anyone looks");
    EXPECT(e->val[difference].last == jump, "needed at the end: %u", e->val[difference].last);

    begin();
    const ir_ref y0 = node(IR_GET_X, 0, 0, 0);
    const ir_ref doubled = node(IR_ADD, y0, y0, 0);
    node(IR_PUT_X, doubled, 0, 2);
    const ir_ref load = node(IR_LOAD, y0, 0, 0);
    nodes[load].type = 3;
    node(IR_PUT_X, load, 0, 2);
    node(IR_JUMP, 0, 0, 0x2000);
    EXPECT(compile(cache, &full), "compiles");
    EXPECT(e->val[doubled].last == load, "a load may fault, and shows what was written before: %u",
           e->val[doubled].last);

    begin();
    const ir_ref z0 = node(IR_GET_X, 0, 0, 0), z1 = node(IR_GET_X, 0, 0, 1);
    const ir_ref flags = node(IR_FLAGS_SUB, z0, z1, 0);
    const ir_ref less = node(IR_COND, flags, 0, 11);
    const ir_ref branch = node(IR_BRANCH_IF, less, 0, 0x1000);
    node(IR_JUMP, 0, 0, 0x2000);
    EXPECT(compile(cache, &full), "compiles");
    EXPECT(e->val[flags].lazy && e->val[less].lazy && e->node_at[flags] == e->node_at[branch],
           "flags and condition have no code but the branch's");
    EXPECT(e->val[z1].last == branch, "their operands live as long: %u", e->val[z1].last);
}

/* --- Copies for other addresses -------------------------------------------------------------------------------------------------- */

static uint64_t random_state = 1;

static uint32_t random32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

/* Anything, and often what depends on its address. */
static uint32_t random_word(void)
{
    static const struct {
        uint32_t fixed, free;
    } forms[] = {
        {0x10000000, 0x60ffffff}, /* ADR */
        {0x90000000, 0x60ffffff}, /* ADRP */
        {0x91000000, 0x003fffff}, /* ADD */
        {0x58000000, 0x44ffffff}, /* LDR literal */
        {0xf9400000, 0x003fffff}, /* LDR */
        {0xf9000000, 0x003fffff}, /* STR */
        {0xa9000000, 0x007fffff}, /* LDP, STP */
        {0xeb000000, 0x001fffff}, /* SUBS */
        {0x54000000, 0x00ffffef}, /* B.cond */
        {0xb4000000, 0x017fffff}, /* CBZ, CBNZ */
        {0x94000000, 0x03ffffff}, /* BL */
        {0xd63f0000, 0x000003e0}, /* BLR */
        {0xc85f7c00, 0x000003ff}, /* LDXR */
        {0xd53bd040, 0x0000001f}, /* MRS TPIDR_EL0 */
    };
    const unsigned form = random32() % 28;

    return form < sizeof(forms) / sizeof(forms[0])
               ? forms[form].fixed | (random32() & forms[form].free)
               : random32();
}

static uint64_t value_at(const uint8_t *p, size_t size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return v;
}

/* A copy, and what is emitted for its address, differ in what leads out of them alone. */
static void expect_same(const struct ir_block *donor, const struct ir_block *copy,
                        const struct ir_block *made, unsigned n)
{
    const struct x64_code *const old = donor->x64;
    const uint8_t *const c = copy->x64->entry, *const m = made->x64->entry;
    static uint8_t differing[128 << 10];

    EXPECT(copy->x64->size == made->x64->size, "case %u: %u bytes", n, made->x64->size);
    if (copy->x64->size != made->x64->size) {
        return;
    }
    for (uint32_t i = 0; i < made->x64->size; i++) {
        differing[i] = c[i] ^ m[i];
    }
    for (unsigned i = 0; i < old->n_fixups; i++) {
        const uint32_t at = old->fixups[i].at;
        if (old->fixups[i].kind == FIXUP_BLOCK) {
            EXPECT(value_at(c + at, 8) == (uintptr_t)copy && value_at(m + at, 8) == (uintptr_t)made,
                   "case %u: the block at %x", n, at);
            memset(&differing[at], 0, 8);
        } else if (old->fixups[i].kind == FIXUP_OUTSIDE) {
            EXPECT(c + at + (int32_t)value_at(c + at, 4) == m + at + (int32_t)value_at(m + at, 4),
                   "case %u: a jump at %x", n, at);
            memset(&differing[at], 0, 4);
        }
    }
    for (uint32_t i = 0; i < made->x64->size; i++) {
        EXPECT(differing[i] == 0, "case %u: byte %x", n, i);
    }
    EXPECT(copy->x64->n_links == made->x64->n_links, "case %u: links", n);
    for (unsigned i = 0; i < copy->x64->n_links && i < made->x64->n_links; i++) {
        EXPECT(copy->x64->links[i].pc == made->x64->links[i].pc &&
                   copy->x64->links[i].variant == made->x64->links[i].variant,
               "case %u: link %u", n, i);
    }
}

static void test_copies(void)
{
    static const struct code_trace none;
    static const uint32_t modes[] = {0, MODE_SP_CHECK | MODE_FPCR, MODE_EACH_CHECK, MODE_SMP};
    const struct vm_config config = {.ipa_bits = 40,
                                     .granule_log2 = 12,
                                     .eager = true,
                                     .profile = vm_profile_by_name("max"),
                                     .macos = 260000};
    struct x64_cache *const cache = x64_cache_create(16 << 20, test_host_level(), &none);
    static uint32_t page[1024];
    struct vm *vm = NULL;
    struct vcpu *vcpu = NULL;
    unsigned n_copies = 0;
    bool full;

    if (cache == NULL || vm_create(&config, &vm) != VM_OK || vm_vcpu_create(vm, &vcpu) != VM_OK) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    for (unsigned n = 0; n < 3000; n++) {
        const unsigned first = random32() % 1024;
        const uint8_t *const hva = (const uint8_t *)&page[first];
        const uint64_t at[2] = {0xaaaac0000000ull + (random32() & 0xffff000u) + 4 * first,
                                0xffff00000000ull + (random32() & ~0xfffu) + 4 * first};
        struct ir_block *blocks[3];
        for (unsigned i = first; i < 1024 && i < first + TR_MAX_INSNS; i++) {
            page[i] = random_word();
        }
        x64_use_chunk(cache, X64_ROOM_BLOCKS, 0);
        x64_use_chunk(cache, X64_ROOM_COPIES, 0);
        for (unsigned i = 0; i < 3; i++) {
            vcpu->cpu.pc = at[i != 0];
            blocks[i] = translator_make_block(&vcpu->cpu, hva, modes[n % 4], false, TR_MAX_INSNS,
                                              &(struct block_ways){.n = 0});
            if (i == 1) {
                if (blocks[0]->x64 != NULL && x64_can_copy(blocks[0])) {
                    n_copies++;
                    EXPECT(x64_copy(cache, &vcpu->cpu, blocks[0], blocks[1],
                                    malloc(x64_copy_bytes(blocks[0]))),
                           "case %u", n);
                }
            } else {
                x64_compile(cache, &vcpu->cpu, blocks[i], &full);
            }
            translator_drop_nodes(blocks[i]);
        }
        /* One that cannot be copied has shorter forms. */
        if (blocks[1]->x64 != NULL && x64_can_copy(blocks[2])) {
            expect_same(blocks[0], blocks[1], blocks[2], n);
        }
        for (unsigned i = 0; i < 3; i++) {
            x64_free_code(blocks[i]);
            translator_free_block(blocks[i]);
        }
    }
    EXPECT(n_copies > 2800, "%u copies", n_copies);
    vm_vcpu_destroy(vcpu);
    vm_destroy(vm);
    x64_cache_destroy(cache);
}

/*
 * Loops that end with CCMP or CCMN and a branch: whether NZCV are of the comparison or the constant is told where they are used, and
 * where the loop's load has no memory any more and shows them.
 */
static uint32_t conditional[7], conditional_memory;

static void load_conditional(uint8_t *ram)
{
    memcpy(ram + START, conditional, sizeof(conditional));
    for (uint32_t at = RAM_SIZE - 64; at < RAM_SIZE; at += 8) {
        *word(ram, at) = (conditional_memory >> at / 4 % 32 & 3) % 3;
    }
}

static void set_conditional(struct a64_cpu *cpu)
{
    cpu->x[0] = RAM_SIZE - 64;
    cpu->x[1] = 2;
    cpu->x[2] = 7;
    cpu->x[6] = 1;
    cpu->nzcv = 0x60000000;
}

static void test_conditional(void)
{
    static const uint32_t asked[] = {
        0xf100009f, /* cmp x4, #0 */
        0xeb06009f, /* cmp x4, x6 */
        0x6a06009f, /* tst w4, w6 */
        0xb100089f, /* cmn x4, #2 */
        0xd503201f, /* nop: what the round before has left */
    };
    const struct program p = {.load = load_conditional, .set = set_conditional};
    unsigned n_shown = 0;

    for (unsigned n = 0; n < 600; n++) {
        const uint32_t operand = n % 2 != 0 ? 2u << 16 : (random32() % 32) << 16 | 1u << 11;
        const uint32_t loop[] = {
            0xf8408404, /* ldr x4, [x0], #8 */
            0x11000421, /* add w1, w1, #1 */
            asked[random32() % 5],
            /* CCMP, CCMN: any size, constant and condition */
            0x3a400020 | operand | (random32() & 0xc000f00f),
            0x9a9f07e5 | (random32() & 0xe) << 12, /* cset x5, cond */
            0x54ffff60 | random32() % 14,          /* b.cond */
            HVC(1),
        };
        memcpy(conditional, loop, sizeof(loop));
        conditional_memory = random32();
        char name[32];
        snprintf(name, sizeof(name), "conditional %u", n);
        n_shown += run_both(&p, name).pc == START;
    }
    EXPECT(n_shown > 100, "%u loops have come to the end of memory", n_shown);
}

static void test_nothing_writable_and_executable(void)
{
    char line[512];
    FILE *const maps = fopen("/proc/self/maps", "r");

    EXPECT(maps != NULL, "/proc/self/maps");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        EXPECT(strstr(line, " rwx") == NULL, "%s", line);
    }
    if (maps != NULL) {
        fclose(maps);
    }
}

/* Neither does it end the process nor is code interpreted. */
static void test_limit_of_file_size(void)
{
    static const struct code_trace none;
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    const struct rlimit small = {.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    struct x64_cache *const cache = x64_cache_create(1 << 20, test_host_level(), &none);
    setrlimit(RLIMIT_FSIZE, &limit);
    EXPECT(cache != NULL, "no cache");
    x64_cache_destroy(cache);
}

int main(void)
{
    static const struct code_trace none;
    struct x64_cache *const cache = x64_cache_create(1 << 20, test_host_level(), &none);

    if (cache == NULL) {
        fprintf(stderr, "this host cannot run emitted code\n");
        return 77; /* skipped */
    }
    if (!x64_cpu_create(&hand_cpu)) {
        return 1;
    }
    test_refused(cache);
    test_plan(cache);
    test_nothing_writable_and_executable();
    test_limit_of_file_size();
    x64_cpu_destroy(&hand_cpu);
    x64_cache_destroy(cache);
    test_wrapping();
    test_held();
    test_block_of_code();
    test_flushing();
    test_sentinels();
    test_colliding();
    test_patching();
    test_turning();
    test_expecting();
    test_calling();
    test_circles();
    test_recursing();
    test_copying();
    test_forward();
    test_vectors();
    test_spilling();
    test_precisions();
    test_halves();
    test_minimum();
    test_pauth();
    test_copies();
    test_conditional();
    return failures != 0;
}
