/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Programs out of units: an instruction, or a few that belong together. Branches go forward to the start of a unit, or back in a
 * loop whose counter register ends it from any value; a return goes where the call before it came from. So a program ends wherever
 * it is entered, and each start of a unit may be a target.
 *
 * A unit inside a subroutine is no target for what is outside, because its return address would be stale. Programs whose pieces
 * are replaced by NOP (shrink.c) or that overwrite themselves may be endless all the same: the runner has a clock.
 */
#include "maker.h"

static void resolve(struct maker *m, const struct fix *f)
{
    uint16_t candidates[2 * BLOCKS_MAX_WORDS];
    unsigned n = 0;

    for (unsigned i = 0; i < m->n_units; i++) {
        if (m->unit_at[i] > f->at && (m->unit_region[i] == 0 || m->unit_region[i] == f->region)) {
            candidates[n++] = m->unit_at[i];
        }
    }
    /* Near ones are more fun: most of the program is still to run. */
    const unsigned near = n > 4 && percent(m->r, 70) ? 4 : n;
    const unsigned target = n == 0 ? m->b->n_words : candidates[below(m->r, near)];
    m->b->words[f->at] = with_offset(m->b->words[f->at], (enum fix_kind)f->kind,
                                     (int)target - f->at);
}

/* --- Units ------------------------------------------------------------------------------------------------------------------- */

static void unit_branch(struct maker *m)
{
    const unsigned reg = words_reg(&m->words);

    switch (below(m->r, 8)) {
    case 0:
    case 1:
    case 2: /* B.cond */
        put_forward(m, 0x54000000 | below(m->r, 16), FIX_19);
        break;
    case 3: /* BC.cond */
        put_forward(m, 0x54000010 | below(m->r, 16), FIX_19);
        break;
    case 4:
    case 5: /* CBZ, CBNZ */
        put_forward(m, 0x34000000 | below(m->r, 2) << 31 | below(m->r, 2) << 24 | reg, FIX_19);
        break;
    case 6: /* TBZ, TBNZ */
        put_forward(m,
                    0x36000000 | below(m->r, 2) << 31 | below(m->r, 2) << 24 |
                        below(m->r, 32) << 19 | reg,
                    FIX_14);
        break;
    default: /* B */
        put_forward(m, 0x14000000, FIX_26);
        break;
    }
}

static void unit_indirect(struct maker *m)
{
    const uint32_t reg = TARGET_REG + below(m->r, 2);
    static const uint32_t kinds[] = {
        0xd61f0000,             /* BR */
        0xd61f0000, 0xd65f0000, /* RET */
        0xd63f0000,             /* BLR; not in a subroutine, which would return to there */
    };

    put_forward(m, 0x10000000 | reg, FIX_ADR);
    if (percent(m->r, 30)) {
        put(m, words_plain(&m->words));
    }
    put(m, kinds[below(m->r, m->region == 0 ? 4 : 3)] | reg << 5);
}

/* Additions and subtractions with carry in a row, with products between them, as of big numbers; and branches. */
static void unit_carry(struct maker *m)
{
    const uint32_t size = percent(m->r, 80) ? 1u << 31 : 0;

    for (unsigned n = 2 + below(m->r, 8); n > 0; n--) {
        const uint32_t registers = below(m->r, FIRST_INDEX) << 16 | below(m->r, FIRST_INDEX) << 5 |
                                   below(m->r, 4);
        switch (below(m->r, 8)) {
        case 0: /* ADDS, SUBS */
            put(m, 0x2b000000 | below(m->r, 2) << 30 | size | registers);
            break;
        case 1: /* MUL */
            put(m, 0x1b007c00 | size | registers);
            break;
        case 2: /* ADC, SBC, of either size */
            put(m, 0x1a000000 | below(m->r, 4) << 30 | registers);
            break;
        default: /* ADCS, SBCS */
            put(m, 0x3a000000 | (percent(m->r, 30) ? 1u << 30 : 0) | size | registers);
            break;
        }
        if (percent(m->r, 10)) {
            start_unit(m);
        } else if (percent(m->r, 15)) { /* B.cond */
            put_forward(m, 0x54000000 | below(m->r, 14), FIX_19);
        }
    }
}

/* BR to where no code is. */
static void unit_wild(struct maker *m)
{
    if (!m->b->world.mmu) { /* everything may be executed */
        return;
    }
    put(m, 0xd61f0000 | (FIRST_POINTER + below(m->r, 10)) << 5);
}
/* The halves of an AES round, as compilers put them; now and then not on the same register. */
static void unit_aes(struct maker *m)
{
    const uint32_t inverse = below(m->r, 2) << 12, vd = below(m->r, 8), vn = below(m->r, 8);
    const uint32_t to = percent(m->r, 85) ? vd : below(m->r, 8);

    put(m, 0x4e284800 | inverse | vn << 5 | vd);
    put(m, 0x4e286800 | inverse | vd << 5 | to);
}

/* Registers are saved, and restored on one of two ways, between which something may be stored in the same place. */
static void unit_save(struct maker *m)
{
    const uint32_t base = percent(m->r, 50)
                              ? 31
                              : FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    const uint32_t a = words_reg(&m->words), b = words_reg(&m->words);
    const uint32_t at = below(m->r, 4) << 15; /* of LDP and STP, by two registers */

    put(m, 0x91000000 | below(m->r, 80) << 10 | base << 5 | OTHER_REG); /* add x17, base, #number */
    put(m, 0xa9000000 | at << 1 | b << 10 | base << 5 | a);             /* stp a, b, [base, #at] */
    if (percent(m->r, 50)) {
        put(m, 0xf9000000 | below(m->r, 10) << 10 | base << 5 | words_reg(&m->words)); /* str */
    }
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, percent(m->r, 20) ? words_any(&m->words) : words_plain(&m->words));
    }
    if (percent(m->r, 40)) { /* str w, [x17]; of x or b; stp */
        static const uint32_t stores[] = {0xb9000000, 0xf9000000, 0x39000000, 0xa9000000};
        put(m, stores[below(m->r, 4)] | OTHER_REG << 5 | words_reg(&m->words));
    }
    const uint32_t load = 0xa9400000 | at << 1 | b << 10 | base << 5 |
                          a; /* ldp a, b, [base, #at] */
    const unsigned branch = m->b->n_words;
    put(m, 0);
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, words_plain(&m->words));
    }
    if (percent(m->r, 30)) {
        put(m, 0xf9000000 | OTHER_REG << 5 | words_reg(&m->words)); /* str x, [x17] */
    }
    put(m, percent(m->r, 70) ? load : 0xf9400000 | below(m->r, 10) << 10 | base << 5 | a);
    const unsigned over = m->b->n_words;
    put(m, 0);
    m->b->words[branch] = with_offset(0x54000000 | below(m->r, 14), FIX_19,
                                      (int)m->b->n_words - (int)branch);
    put(m, load);
    put(m, words_plain(&m->words));
    m->b->words[over] = with_offset(0x14000000, FIX_26, (int)m->b->n_words - (int)over);
}

/*
 * A function that calls itself once or twice, until nothing is left of X28. Where its stack is not accessible it would return to itself for
 * ever: X17 counts how often it has returned.
 */
static void unit_recursion(struct maker *m)
{
    put(m, 0xd280001c | (1 + below(m->r, 127)) << 5); /* movz x28, #count */
    put(m, 0x92800011);                               /* movn x17, #0 */
    put(m, 0x94000002);                               /* bl f */
    const unsigned over = m->b->n_words;
    put(m, 0x14000000); /* b behind */
    m->region = ++m->n_regions;
    const unsigned f = m->b->n_words;
    put(m, 0xa9bf7bfd);                   /* f: stp x29, x30, [sp, #-16]! */
    put(m, percent(m->r, 50) ? 0xd341ff9c /* lsr x28, x28, #1 */
                             : 0xd342ff9c /* lsr x28, x28, #2 */);
    const unsigned branch = m->b->n_words;
    put(m, 0);
    for (unsigned calls = 1 + below(m->r, 2); calls > 0; calls--) {
        for (unsigned n = below(m->r, 3); n > 0; n--) {
            put(m, words_plain(&m->words));
        }
        put_to(m, 0x94000000, FIX_26, f);
        put(m, 0xd341fe31); /* lsr x17, x17, #1 */
        put_to(m, 0xb4000011, FIX_19, over);
    }
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, words_plain(&m->words));
    }
    m->b->words[branch] = with_offset(0xb400001c, FIX_19,
                                      (int)m->b->n_words - (int)branch); /* cbz x28 */
    put(m, 0xa8c17bfd); /* ldp x29, x30, [sp], #16 */
    start_unit(m);
    put(m, 0xd65f03c0); /* ret */
    m->region = 0;
    m->b->words[over] = with_offset(0x14000000, FIX_26, (int)m->b->n_words - (int)over);
}

static void unit_call(struct maker *m)
{
    if (m->region != 0) {
        put(m, words_any(&m->words));
        return;
    }
    const unsigned kind = below(m->r, 10);
    const bool pac = kind == 0;

    if (kind < 7) {
        put(m, 0x94000002); /* bl sub */
    } else {
        const uint32_t reg = TARGET_REG + below(m->r, 2);
        put(m, 0x10000060 | reg); /* adr reg, sub */
        put(m, 0xd63f0000 | reg << 5);
    }
    const unsigned over = m->b->n_words;
    put(m, 0x14000000); /* b behind */
    m->region = ++m->n_regions;
    if (pac) {
        put(m, 0xd503233f); /* paciasp */
    }
    make_units(m, below(m->r, 5));
    start_unit(m);
    put(m, pac ? 0xd65f0bff /* retaa */ : 0xd65f03c0 /* ret */);
    m->region = 0;
    m->b->words[over] = with_offset(0x14000000, FIX_26, (int)m->b->n_words - (int)over);
}

static void unit_exclusive(struct maker *m)
{
    const bool pair = percent(m->r, 25);
    const uint32_t size = pair ? 2 + below(m->r, 2) : below(m->r, 4);
    const uint32_t rn = words_base(&m->words), rt = words_reg(&m->words),
                   rt2 = words_reg(&m->words);
    const uint32_t common = size << 30 | rn << 5 | (pair ? 0x200000 | rt2 << 10 : 0x7c00);
    /* Beside the base register, so that the store is not CONSTRAINED UNPREDICTABLE most of the time. */
    const uint32_t rs = below(m->r, 6);

    if (percent(m->r, 15)) { /* STLR */
        put(m, 0x089ffc00 | size << 30 | rn << 5 | words_reg(&m->words));
    }
    put(m, 0x08400000 | 0x1f0000 | common | below(m->r, 2) << 15 | rt);
    if (!pair && percent(m->r, 40)) { /* read, modify, write, as builtins of compilers */
        static const uint32_t changes[] = {0x0b000000 /* add */,      0x4b000000 /* sub */,
                                           0x11000000 /* add #imm */, 0x51000000 /* sub #imm */,
                                           0x2a000000 /* orr */,      0x4a000000 /* eor */};
        const uint32_t change = changes[below(m->r, 6)];
        const uint32_t other = (change & 0x1f000000) == 0x11000000 ? below(m->r, 4096) << 10
                                                                   : words_reg(&m->words) << 16;
        const uint32_t to = percent(m->r, 90) ? 6 : rt;
        const bool wide = (size == 3) == percent(m->r, 70); /* or of the other width */
        put(m, change | (wide ? 1u << 31 : 0) | other | rt << 5 | to);
        put(m, 0x08000000 | rs << 16 | common | below(m->r, 2) << 15 |
                   (percent(m->r, 80) ? to : words_reg(&m->words)));
        return;
    }
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, percent(m->r, 80) ? words_plain(&m->words) : words_any(&m->words));
    }
    put(m, 0x08000000 | rs << 16 | common | below(m->r, 2) << 15 | words_reg(&m->words));
}

static void unit_copy(struct maker *m)
{
    uint32_t middle, end;
    const uint32_t start = words_copy(&m->words, &middle, &end);
    const uint32_t size_reg = start >> 5 & 31;

    if (percent(m->r, 90) && size_reg < 31) { /* a size that ends */
        put(m, 0xd2800000 | below(m->r, percent(m->r, 80) ? 96 : 8192) << 5 | size_reg);
    }
    put(m, start);
    put(m, middle);
    put(m, end);
}

static void unit_exception(struct maker *m)
{
    const uint32_t imm = (2 + below(m->r, 1000)) << 5; /* 0 and 1 have a meaning here */

    switch (below(m->r, 8)) {
    case 0:
    case 1:
    case 2:
        put(m, 0xd4000001 | imm); /* SVC */
        break;
    case 3:
        put(m, 0xd4000002 | imm); /* HVC */
        break;
    case 4:
        put(m, 0xd4000003 | imm); /* SMC */
        break;
    case 5:
        put(m, 0xd4200000 | imm); /* BRK */
        break;
    case 6:
        put(m, 0xd4400000 | imm); /* HLT */
        break;
    default:
        put(m, words_undefined(&m->words));
        break;
    }
}

static void put_constant(struct maker *m, uint32_t reg, uint32_t value)
{
    put(m, 0x52800000 | (value & 0xffff) << 5 | reg);
    put(m, 0x72a00000 | (value >> 16) << 5 | reg);
}

/* Replaces an instruction that comes soon, or two. */
static void unit_patch(struct maker *m)
{
    static const uint32_t stores[] = {
        0xb9000211,             /* str w17, [x16] */
        0xb9000211, 0xb8004611, /* str w17, [x16], #4: there is more to do after the store */
        0x29004611,             /* stp w17, w17, [x16] */
        0x28804611,             /* stp w17, w17, [x16], #0 */
        0xb8318211,             /* swp w17, w17, [x16] */
        0x889ffe11,             /* stlr w17, [x16] */
    };
    const bool maintained = m->words.maintained || percent(m->r, 70);

    put_constant(m, OTHER_REG, words_plain(&m->words));
    const unsigned adr = m->b->n_words;
    put(m, 0);
    if (m->b->world.mmu) {
        /* add x16, x16, #BLOCKS_ALIAS_PAGE, lsl #12: there it may be written */
        put(m, 0x91400210 | BLOCKS_ALIAS_PAGE << 10);
    }
    put(m, stores[below(m->r, sizeof(stores) / sizeof(stores[0]))]);
    if (maintained) {
        put(m, 0xd50b7b30); /* dc cvau, x16 */
        put(m, 0xd5033b9f); /* dsb ish */
        put(m, 0xd50b7530); /* ic ivau, x16 */
        put(m, 0xd5033b9f); /* dsb ish */
        put(m, 0xd5033fdf); /* isb */
    }
    for (unsigned n = below(m->r, 4); n > 0; n--) {
        put(m, words_any(&m->words));
    }
    m->b->words[adr] = with_offset(0x10000000 | TARGET_REG, FIX_ADR, (int)m->b->n_words - (int)adr);
    put(m, BLOCKS_NOP);
    put(m, BLOCKS_NOP);
}

/* To EL0, to EL1 again with other masks, now and then to a state that does not exist. */
static void unit_eret(struct maker *m)
{
    uint32_t spsr = percent(m->r, 60) ? m->b->pstate : 0;

    spsr ^= (uint32_t)draw(m->r) & 0xf0400000; /* NZCV, PAN */
    if (percent(m->r, 5)) {
        spsr |= 1u << below(m->r, 32);
    }
    put_forward(m, 0x10000000 | TARGET_REG, FIX_ADR);
    put(m, 0xd5184030); /* msr elr_el1, x16 */
    put_constant(m, OTHER_REG, spsr);
    put(m, 0xd5184011); /* msr spsr_el1, x17 */
    put(m, 0xd69f03e0);
}

/* Another value of SCTLR_EL1.A or SA. */
static void unit_sctlr(struct maker *m)
{
    put(m, 0xd5381010);                                  /* mrs x16, sctlr_el1 */
    put(m, percent(m->r, 50) ? 0xd27f0210 : 0xd27d0210); /* eor x16, x16, #2 or #8 */
    put(m, 0xd5181010);                                  /* msr sctlr_el1, x16 */
    put(m, 0xd5033fdf);
}

static void unit_literal(struct maker *m)
{
    static const uint32_t kinds[] = {
        0x18000000, /* LDR W */
        0x58000000, /* LDR X */
        0x98000000, /* LDRSW */
        0xd8000000, /* PRFM */
        0x1c000000, /* LDR S */
        0x5c000000, /* LDR D */
        0x9c000000, /* LDR Q */
    };
    const uint64_t pc = BLOCKS_CODE + m->b->start + 4ull * m->b->n_words;
    uint64_t target = pc + 4 * below(m->r, 64);

    if (m->b->world.mmu && percent(m->r, 70)) {
        target = BLOCKS_WINDOW + below(m->r, WINDOW_PAGES) * BLOCKS_PAGE;
        target += percent(m->r, 40) ? BLOCKS_PAGE - 4 * below(m->r, 5) : draw(m->r) & 0xffc;
    }
    put(m, with_offset(kinds[below(m->r, 7)] | words_reg(&m->words), FIX_19,
                       (int)((int64_t)(target - pc) / 4)));
}

/* Stores next to each other, or loads: what a translator may check once. */
static void unit_run(struct maker *m)
{
    const uint32_t rn = words_base(&m->words), size = below(m->r, 4), load = below(m->r, 2) << 22;
    uint32_t imm = below(m->r, 8);

    for (unsigned n = 2 + below(m->r, 4); n > 0; n--) {
        const uint32_t rt = words_reg(&m->words);
        if (percent(m->r, 50)) { /* LDR, STR */
            put(m, 0x39000000 | size << 30 | load | (imm++ & 0xfff) << 10 | rn << 5 | rt);
        } else if (percent(m->r, 50)) { /* LDP, STP of X registers */
            put(m, 0xa9000000 | load | (imm++ & 0x3f) << 15 | words_reg(&m->words) << 10 | rn << 5 |
                       rt);
        } else { /* LDUR, STUR of a Q register */
            put(m, 0x3c800000 | load | (imm++ & 0xff) << 12 | rn << 5 | rt);
        }
    }
}

static void unit_words(struct maker *m)
{
    put(m, words_any(&m->words));
}

static void unit_system(struct maker *m)
{
    put(m, words_system(&m->words));
}

static const struct {
    uint8_t weight;
    void (*make)(struct maker *m);
    bool outermost; /* in no loop and no subroutine */
} units[] = {
    {140, unit_words, false},   {16, unit_branch, false}, {5, unit_indirect, false},
    {1, unit_wild, false},      {6, unit_loop, true},     {5, unit_call, false},
    {4, unit_exclusive, false}, {2, unit_copy, false},    {4, unit_exception, false},
    {2, unit_patch, false},     {2, unit_eret, false},    {1, unit_sctlr, false},
    {3, unit_literal, false},   {8, unit_run, false},     {9, unit_system, false},
    {5, unit_walk, true},       {2, unit_aes, false},     {4, unit_nest, true},
    {4, unit_ways, true},       {3, unit_save, false},    {2, unit_recursion, true},
    {3, unit_dispatch, true},   {8, unit_sums, true},     {4, unit_merge, true},
    {4, unit_carry, false},
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

void make_units(struct maker *m, unsigned n)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < N_UNITS; i++) {
        sum += units[i].weight;
    }
    for (; n > 0 && !full(m); n--) {
        unsigned at = below(m->r, sum), i = 0;
        if (m->straight && percent(m->r, 95)) {
            at = 0; /* unit_words */
        }
        while (at >= units[i].weight) {
            at -= units[i++].weight;
        }
        start_unit(m);
        if (units[i].outermost && (m->in_loop || m->region != 0)) {
            put(m, words_any(&m->words));
        } else {
            units[i].make(m);
        }
    }
}

/* Each fourth case runs the program of the one before it from another state: then its code is there and linked. */
static uint64_t program_of(uint64_t number)
{
    return number % 4 == 3 ? number - 1 : number;
}

static void make_program(struct block *b)
{
    struct rng rng = rng_for(b->seed, program_of(b->number), 2);
    struct maker m = {.b = b, .r = &rng, .straight = percent(&rng, 12)};

    b->n_words = 0;
    words_start(&m.words, &rng);
    /* Most programs cross the end of a page; the last ones are cut so that they stay in the code. */
    const unsigned size = 3 + below(&rng, m.straight ? 120 : percent(&rng, 80) ? 24 : 60);
    const uint32_t back = 4 * below(&rng, 2 * size);
    b->start = percent(&rng, 50)
                   ? (1 + below(&rng, CODE_PAGES - 1)) * (uint32_t)BLOCKS_PAGE - back
                   : (uint32_t)draw(&rng) % ((CODE_PAGES - 1) * (uint32_t)BLOCKS_PAGE) & ~3u;
    make_units(&m, size);
    for (unsigned i = 0; i < m.n_fixes; i++) {
        resolve(&m, &m.fixes[i]);
    }
    put(&m, BLOCKS_END);
}

void block_make(struct block *b, uint64_t seed, uint64_t number)
{
    struct rng rng = rng_for(seed, number, 3);

    b->seed = seed;
    b->number = number;
    if (b->world.seed != seed || b->world.number != number / BLOCKS_PER_WORLD ||
        b->world.sctlr == 0) {
        world_make(&b->world, seed, number / BLOCKS_PER_WORLD);
    }
    state_make(b, &rng);
    make_program(b);
}
