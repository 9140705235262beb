/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Units that go round: loops of other units, and those that the translator does something of its own about. */
#include "maker.h"

void unit_loop(struct maker *m)
{
    static const uint32_t steps[] = {
        0xd341ff9c, /* lsr x28, x28, #1 */
        0xd100079c, /* sub x28, x28, #1 */
    };
    static const uint32_t masks[] = {
        0x9240179c, /* and x28, x28, #0x3f */
        0x9240279c, /* and x28, x28, #0x3ff */
    };
    const bool shift = percent(m->r, 40);
    const uint32_t count = shift ? 0xffffu >> below(m->r, 16) : 1 + below(m->r, 40);

    put(m, 0xd280001c | count << 5); /* movz x28, #count */
    const unsigned top = m->b->n_words;
    m->in_loop = true;
    make_units(m, 1 + below(m->r, 6));
    m->in_loop = false;
    start_unit(m);
    put(m, steps[shift ? 0 : 1]);
    if (!shift) {
        put(m, masks[percent(m->r, 5)]);
    }
    if (percent(m->r, 60)) {
        put_to(m, 0xb500001c, FIX_19, top); /* cbnz x28 */
    } else {
        put(m, 0xf100039f);                 /* cmp x28, #0 */
        put_to(m, 0x54000001, FIX_19, top); /* b.ne */
    }
}

/* One access of a walk: with an offset, with a new base, or with an index. */
static void put_walking_access(struct maker *m, unsigned pointer, unsigned index)
{
    const uint32_t size = below(m->r, 4) << 30, load = below(m->r, 2) << 22,
                   vector = percent(m->r, 25) ? 1u << 26 : 0;
    const uint32_t registers = pointer << 5 | below(m->r, FIRST_INDEX);
    const uint32_t offset = (below(m->r, 96) - 16) & 0x1ff;

    const uint32_t still = percent(m->r, 50) ? FIRST_POINTER + below(m->r, 2)
                                             : FIRST_INDEX + LAST_INDEX - index;

    switch (below(m->r, 8)) {
    case 7: /* what is subtracted does not move, as a rule, and is added again, or is a small number */
        if (still < FIRST_POINTER) {
            const bool swapped = percent(m->r, 20);
            put(m, 0xcb00000d | (swapped ? index : still) << 16 | (swapped ? still : index) << 5);
            put(m, 0x382d6800 | size | load | vector | registers);
        } else {
            put(m, 0xcb00000d | still << 16 | pointer << 5);
            put(m, 0x382d6800 | size | load | vector | still << 5 | below(m->r, FIRST_INDEX));
        }
        break;
    case 6: /* DC ZVA */
        put(m, 0xd50b7420 | pointer);
        break;
    case 0:
    case 1: /* LDUR, STUR */
        put(m, 0x38000000 | size | load | vector | offset << 12 | registers);
        break;
    case 2: /* LDR, STR (immediate), post- and pre-index */
        put(m, 0x38000400 | size | load | vector | offset << 12 | below(m->r, 2) << 11 | registers);
        break;
    case 3: /* LDUR, STUR of Q registers */
        put(m, 0x3c800000 | load | offset << 12 | registers);
        break;
    case 4: /* LDP, STP of Q or X registers */
        put(m, (percent(m->r, 50) ? 0xad000000 : 0xa9000000) | load | (offset & 0x1f) << 15 |
                   (FIRST_INDEX - 1) << 10 | pointer << 5 | below(m->r, FIRST_INDEX - 1));
        break;
    default: /* LDR, STR (register), LSL */
        put(m, 0x38206800 | size | load | vector | index << 16 | below(m->r, 2) << 12 | registers);
        break;
    }
}

/* Of what a loop of floating point consists: its operands are what the walk loads, and what it has carried from round to round. */
static void put_arithmetic(struct maker *m)
{
    static const uint32_t kinds[] = {
        0x4e20d400, /* FADD .4S */
        0x4e60d400, /* FADD .2D */
        0x4ee0d400, /* FSUB .2D */
        0x6e20dc00, /* FMUL .4S */
        0x6e60dc00, /* FMUL .2D */
        0x4e20cc00, /* FMLA .4S */
        0x4ee0f400, /* FMIN .2D */
        0x1e602800, /* FADD D */
        0x1e600800, /* FMUL D */
        0x1f400000, /* FMADD D; ra is v0 */
    };
    const uint32_t registers = below(m->r, FIRST_INDEX) << 16 | below(m->r, FIRST_INDEX) << 5;

    put(m, kinds[below(m->r, 10)] | registers | below(m->r, FIRST_INDEX));
}

/* A loop through memory, across pages. */
void unit_walk(struct maker *m)
{
    const unsigned pointer = FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    const unsigned index = FIRST_INDEX + below(m->r, LAST_INDEX - FIRST_INDEX + 1);
    const uint32_t step = percent(m->r, 70) ? 1u << below(m->r, 8) : below(m->r, 2500);
    const bool up = percent(m->r, 85);
    const unsigned moved = percent(m->r, 70) ? pointer : index;

    put(m, 0xd280001c | (8 + below(m->r, 120)) << 5); /* movz x28, #count */
    const unsigned top = m->b->n_words;
    const bool computes = percent(m->r, 30);
    for (unsigned n = 1 + below(m->r, 6); n > 0; n--) {
        /* mostly from one base; else another register is added to the one that moves */
        const bool other = moved == index && percent(m->r, 30);
        put_walking_access(m, other ? FIRST_POINTER + below(m->r, 2) : pointer, index);
        for (unsigned k = computes ? below(m->r, 4) : 0; k > 0; k--) {
            put_arithmetic(m);
        }
    }
    put(m, (up ? 0x91000000 : 0xd1000000) | step << 10 | moved << 5 | moved);
    if (percent(m->r, 30)) {
        put_walking_access(m, pointer, index);
    }
    start_unit(m);
    switch (below(m->r, 4)) {
    case 0:
        put(m, 0x92401b9c);                 /* and x28, x28, #0x7f */
        put(m, 0xf100079c);                 /* subs x28, x28, #1 */
        put_to(m, 0x5400000c, FIX_19, top); /* b.gt */
        return;
    case 1:
        put(m, 0x51000400 | LOOP_REG << 5 | LOOP_REG);    /* sub w28, w28, #1 */
        put(m, 0x12001b9c);                               /* and w28, w28, #0x7f */
        put(m, 0x6b00001f | index << 16 | LOOP_REG << 5); /* cmp w28, index */
        put_to(m, 0x54000008, FIX_19, top);               /* b.hi */
        return;
    case 2:
        put(m, 0xd100079c);                 /* sub x28, x28, #1 */
        put(m, 0x92401b9c);                 /* and x28, x28, #0x7f */
        put(m, 0xf100039f);                 /* cmp x28, #0 */
        put_to(m, 0x54000001, FIX_19, top); /* b.ne */
        return;
    default:
        put(m, 0xd100079c);                 /* sub x28, x28, #1 */
        put(m, 0x92401b9c);                 /* and x28, x28, #0x7f */
        put_to(m, 0xb500001c, FIX_19, top); /* cbnz x28 */
    }
}

/* Two loops. The inner one's counter is set in each round of the outer: bits 2:0 of the outer's, or a register of its own. */
void unit_nest(struct maker *m)
{
    const unsigned pointer = FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    const unsigned index = FIRST_INDEX + below(m->r, LAST_INDEX - FIRST_INDEX + 1);
    const uint32_t step = below(m->r, 100);
    const unsigned moved = percent(m->r, 50) ? pointer : index;
    const bool bits = percent(m->r, 50);

    put(m, 0xd280001c | below(m->r, bits ? 128 : 16) << 5); /* movz x28, #count */
    const unsigned outer = m->b->n_words;
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, words_plain(&m->words));
    }
    if (percent(m->r, 50)) {
        put(m, 0xd2800000 | below(m->r, 64) << 5 | index); /* movz index, #number */
    }
    if (percent(m->r, 30)) {
        put(m, 0x91400400 | pointer << 5 | pointer); /* add pointer, pointer, #1, lsl #12 */
    }
    put(m, bits ? 0xb2400b9c /* orr x28, x28, #7 */
                : 0xd2800011 | below(m->r, 32) << 5 /* movz x17, #count */);
    const unsigned inner = m->b->n_words;
    for (unsigned n = below(m->r, 4); n > 0; n--) {
        put_walking_access(m, pointer, index);
    }
    put(m, 0x91000000 | step << 10 | moved << 5 | moved);
    if (bits) {
        put(m, 0xd100079c);                   /* sub x28, x28, #1 */
        put(m, 0xf2400b9f);                   /* tst x28, #7 */
        put_to(m, 0x54000001, FIX_19, inner); /* b.ne */
    } else {
        put(m, 0x92400e31);                   /* and x17, x17, #0xf */
        put(m, 0xf1000631);                   /* subs x17, x17, #1 */
        put_to(m, 0x5400000c, FIX_19, inner); /* b.gt */
    }
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, percent(m->r, 30) ? words_any(&m->words) : words_plain(&m->words));
    }
    start_unit(m);
    put(m, bits ? 0xd100239c : 0xd100079c); /* sub x28, x28, #8, or #1 */
    put(m, 0x92401b9c);                     /* and x28, x28, #0x7f */
    switch (below(m->r, 3)) {
    case 0:
        put_to(m, 0xb500001c, FIX_19, outer); /* cbnz x28 */
        break;
    case 1:
        put(m, 0xf100039f);                   /* cmp x28, #0 */
        put_to(m, 0x54000001, FIX_19, outer); /* b.ne */
        break;
    default:
        put(m, 0xb400005c); /* cbz x28, behind */
        put_to(m, 0x14000000, FIX_26, outer);
        break;
    }
}

/* The end of a round of a loop with two ways through: the same comparison at both ends, or another. */
static void put_round_end(struct maker *m, unsigned kind, unsigned index, unsigned top)
{
    put(m, 0xd100079c); /* sub x28, x28, #1 */
    put(m, 0x92401b9c); /* and x28, x28, #0x7f */
    switch (kind) {
    case 0:
        put(m, 0xf100039f);                 /* cmp x28, #0 */
        put_to(m, 0x54000001, FIX_19, top); /* b.ne */
        break;
    case 1:
        put(m, 0x6b00001f | index << 16 | LOOP_REG << 5); /* cmp w28, index */
        put_to(m, 0x54000008, FIX_19, top);               /* b.hi */
        break;
    case 2:
        put(m, 0xeb1f039f);                 /* cmp x28, xzr */
        put_to(m, 0x5400000c, FIX_19, top); /* b.gt */
        break;
    default:
        put_to(m, 0xb500001c, FIX_19, top); /* cbnz x28 */
        break;
    }
}

/* What one way does: accesses that move, or not, and registers that the other way has written, or not. */
static void put_way(struct maker *m, unsigned pointer, unsigned index)
{
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put_walking_access(m, pointer, index);
    }
    for (unsigned n = below(m->r, 4); n > 0; n--) {
        put(m, percent(m->r, 10) ? words_any(&m->words) : words_plain(&m->words));
    }
    if (percent(m->r, 60)) {
        const unsigned moved = percent(m->r, 60) ? pointer : index;
        put(m, 0x91000000 | below(m->r, 100) << 10 | moved << 5 | moved);
    }
}

/* A loop whose rounds go one of two ways. */
void unit_ways(struct maker *m)
{
    const unsigned pointer = FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    const unsigned index = FIRST_INDEX + below(m->r, LAST_INDEX - FIRST_INDEX + 1);
    const unsigned kind = below(m->r, 4);
    const bool known = percent(m->r, 50);

    put(m, 0xd280001c | (1 + below(m->r, 60)) << 5); /* movz x28, #count */
    const unsigned top = m->b->n_words;
    put_way(m, pointer, index);
    if (known) {
        put(m, 0xf100039f | (8 + below(m->r, 30)) << 10); /* cmp x28, #number */
    }
    const unsigned branch = m->b->n_words, bit = below(m->r, 3);
    const uint32_t cond = below(m->r, 14);
    put(m, 0);
    put_way(m, pointer, index);
    put_round_end(m, kind, index, top);
    const unsigned over = m->b->n_words;
    put(m, 0);
    const int way = (int)m->b->n_words - (int)branch;
    m->b->words[branch] = known ? with_offset(0x54000000 | cond, FIX_19, way)
                                : with_offset(0x3600001c | bit << 19, FIX_14, way); /* tbz x28 */
    put_way(m, pointer, index);
    put_round_end(m, percent(m->r, 60) ? kind : below(m->r, 4), index, top);
    m->b->words[over] = with_offset(0x14000000, FIX_26, (int)m->b->n_words - (int)over);
}

/*
 * A loop as of a merge of two lists: its start parts to two ways, the first may go over to the second, and both lead back. It is entered at
 * its start, which lies between the two.
 */
void unit_merge(struct maker *m)
{
    const unsigned pointer = FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    const unsigned index = FIRST_INDEX + below(m->r, LAST_INDEX - FIRST_INDEX + 1);

    put(m, 0xd280001c | (1 + below(m->r, 60)) << 5); /* movz x28, #count */
    const unsigned entry = m->b->n_words;
    put(m, 0);
    const unsigned first = m->b->n_words;
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put_walking_access(m, pointer, index);
    }
    const unsigned over = m->b->n_words, bit = below(m->r, 3);
    put(m, 0);
    put(m, words_plain(&m->words));
    put_walking_access(m, pointer, index);
    put(m, 0xd100079c); /* sub x28, x28, #1 */
    put(m, 0x92401b9c); /* and x28, x28, #0x7f */
    const unsigned out = m->b->n_words;
    put(m, 0);
    start_unit(m);
    const unsigned top = m->b->n_words;
    m->b->words[entry] = with_offset(0x14000000, FIX_26, (int)top - (int)entry);
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, percent(m->r, 10) ? words_any(&m->words) : words_plain(&m->words));
    }
    if (percent(m->r, 50)) {
        put(m, 0xf100039f | below(m->r, 60) << 10); /* cmp x28, #number */
        put_to(m, 0x54000000 | below(m->r, 14), FIX_19, first);
    } else {
        put_to(m, 0x3600001c | below(m->r, 3) << 19, FIX_14, first); /* tbz x28 */
    }
    m->b->words[over] = with_offset(0x3600001c | bit << 19, FIX_14,
                                    (int)m->b->n_words - (int)over); /* tbz x28 */
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put(m, words_plain(&m->words));
    }
    if (percent(m->r, 60)) {
        put_walking_access(m, pointer, index);
    }
    put_round_end(m, below(m->r, 4), index, top);
    m->b->words[out] = with_offset(0xb400001c, FIX_19, (int)m->b->n_words - (int)out); /* cbz x28 */
}

/*
 * Pieces of 16 words, each of which ends in an indirect jump to one of them: which one, bits of X28 say, that change in each round or stay for
 * several. In a guarded page some begin with what the jump may land on.
 */
void unit_dispatch(struct maker *m)
{
    static const uint32_t landings[] = {BLOCKS_NOP, 0xd503245f, 0xd503249f, 0xd50324df}; /* BTI */
    static const uint8_t registers[] = {TARGET_REG, OTHER_REG, FIRST_INDEX};
    const unsigned log2_pieces = 1 + below(m->r, 2), pieces = 1u << log2_pieces, words = 16;
    const uint32_t bit = below(m->r, 5), reg = registers[below(m->r, 3)];
    static const uint32_t jumps[] = {0xd61f0000 /* br */, 0xd61f0000, 0xd61f0000,
                                     0xd63f0000 /* blr */, 0xd65f0000 /* ret */};
    const uint32_t jump = jumps[below(m->r, 5)];
    const uint32_t landing = landings[percent(m->r, 50) ? 3 : below(m->r, 4)];

    if (m->b->n_words + pieces * words > BLOCKS_MAX_WORDS - 48) {
        put(m, words_any(&m->words));
        return;
    }
    put(m, 0xd280001c | (1 + below(m->r, 127)) << 5); /* movz x28, #count */
    const unsigned first = m->b->n_words, behind = first + pieces * words;
    for (unsigned i = 0; i < pieces; i++) {
        const unsigned end = first + (i + 1) * words;
        put(m, percent(m->r, 80) ? landing : landings[below(m->r, 4)]);
        while (m->b->n_words < end - 11) {
            put(m, percent(m->r, 15) ? words_any(&m->words) : words_plain(&m->words));
        }
        put(m, 0xd100079c);                                             /* sub x28, x28, #1 */
        put(m, 0x92401b9c);                                             /* and x28, x28, #0x7f */
        put_to(m, 0xb400001c, FIX_19, behind);                          /* cbz x28 */
        put(m, 0xd340038c | bit << 16 | (bit + log2_pieces - 1) << 10); /* ubfx x12, x28, #bit, # */
        put_to(m, 0x10000000 | reg, FIX_ADR, first);
        put(m, 0x8b0c1800 | reg << 5 | reg); /* add reg, reg, x12, lsl #6 */
        /* By another way to another jump, or past all, where an index may be anything. */
        put_to(m,
               percent(m->r, 50) ? 0x36000000 | below(m->r, 5) << 19 | LOOP_REG /* tbz x28 */
                                 : 0x54000000 | below(m->r, 14),
               FIX_19, percent(m->r, 80) ? end - 2 : end);
        put(m, percent(m->r, 30) ? words_any(&m->words)
                                 : BLOCKS_NOP); /* a block may begin behind it */
        put(m, jump | reg << 5);
        put(m, words_plain(&m->words));
        put(m, jump | reg << 5);
    }
    start_unit(m);
    put(m, words_plain(&m->words));
}

/* Numbers in memory from the pointer on, and some of what registers have among them, which may be NaNs and the like. */
static void put_numbers(struct maker *m, unsigned pointer, unsigned vector)
{
    put(m, 0x1e601000 | below(m->r, 256) << 13 | vector); /* fmov vector, #number */
    put(m, 0x4e080400 | vector << 5 | vector);            /* dup vector.2d, vector.d[0] */
    for (unsigned i = 0; i < 5; i++) {
        put(m, 0xad000000 | i << 16 | vector << 10 | pointer << 5 | vector); /* stp q */
    }
    for (unsigned n = below(m->r, 3); n > 0; n--) { /* str d */
        put(m, 0xfd000000 | below(m->r, 20) << 10 | pointer << 5 | below(m->r, 32));
    }
}

enum { PRODUCT = 1, SUM = 2 };

/* The product of rn and rm, if the kind has one, and the sum of that, or of rn. */
static void put_sum(struct maker *m, unsigned kind, unsigned what, unsigned product, unsigned sum,
                    unsigned rn, unsigned rm)
{
    static const struct {
        uint32_t product, sum;
        bool fused;
    } kinds[] = {
        {0x1e600800, 0x1e602800, false}, {0x1e600800, 0x1e602800, false}, /* FMUL, FADD */
        {0x1e600800, 0x1e603800, false},                                  /* FMUL, FSUB */
        {0x1e601800, 0x1e602800, false},                                  /* FDIV, FADD */
        {0x1e608800, 0x1e602800, false},                                  /* FNMUL, FADD */
        {0, 0x1f400000, true},           {0, 0x1f600000, true},           /* FMADD, FNMADD */
        {0, 0x1f408000, true},                                            /* FMSUB */
        {0, 0x1e602800, false},          {0, 0x1e600800, false},          /* FADD, FMUL */
    };
    const bool swapped = percent(m->r, 10);

    if (kinds[kind].product != 0) {
        if ((what & PRODUCT) != 0) {
            put(m, kinds[kind].product | rm << 16 | rn << 5 | product);
        }
        rn = product;
    }
    if ((what & SUM) == 0) {
        return;
    }
    if (kinds[kind].fused) {
        put(m, kinds[kind].sum | rm << 16 | sum << 10 | rn << 5 | sum);
    } else {
        put(m, kinds[kind].sum | (swapped ? sum << 5 | rn << 16 : rn << 5 | sum << 16) | sum);
    }
}

/* Something else in a loop of sums: who takes one of them, another way out, another operation. */
static void put_among_sums(struct maker *m, unsigned pointer, unsigned sum, unsigned other)
{
    switch (below(m->r, 7)) {
    case 0:
        put(m, 0xfd000000 | below(m->r, 20) << 10 | pointer << 5 | sum); /* str d */
        break;
    case 1:
        put(m, 0x9e660000 | sum << 5 | below(m->r, 8)); /* fmov x, d */
        break;
    case 2:
        put(m, 0x1e602800 | other << 16 | sum << 5 | other); /* fadd other, sum, other */
        break;
    case 3:
        put(m, 0x4e60d400 | sum << 16 | sum << 5 | other); /* fadd other.2d, sum.2d, sum.2d */
        break;
    case 4:
        put(m, 0x1e604000 | sum << 5 | other); /* fmov other, sum */
        break;
    case 5:
        put_forward(m, 0x54000000 | below(m->r, 14), FIX_19);
        break;
    default:
        put(m, words_plain(&m->words));
        break;
    }
}

struct sums {
    unsigned pointers[2], index, counter, n;
    bool nested;
    unsigned branch; /* the word that leads to the other way through a round; 0: there is none */
    unsigned v[16];  /* four sums, four loads, four products, and others */
};

static struct sums draw_sums(struct maker *m)
{
    struct sums s = {.n = 2 + 2 * below(m->r, 2), .nested = percent(m->r, 40)};

    s.counter = s.nested ? OTHER_REG : LOOP_REG;
    s.pointers[0] = FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    s.pointers[1] = percent(m->r, 60)
                        ? s.pointers[0]
                        : FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    s.index = FIRST_INDEX + below(m->r, LAST_INDEX - FIRST_INDEX + 1);
    for (unsigned i = 0; i < 16; i++) {
        s.v[i] = below(m->r, 2) + 2 * i;
    }
    for (unsigned i = 15; i > 0; i--) {
        const unsigned j = below(m->r, i + 1), swap = s.v[i];
        s.v[i] = s.v[j];
        s.v[j] = swap;
    }
    return s;
}

/* What the sums begin with: mostly scalars. */
static void put_first_sums(struct maker *m, const struct sums *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        const uint32_t kinds[] = {
            0x9e6703e0, /* fmov d, xzr */
            0x9e6703e0,
            0x1e601000 | below(m->r, 256) << 13,        /* fmov d, #number */
            0x1e604000 | s->v[i == 0 ? 1 : i - 1] << 5, /* fmov d, d */
            0x4e080400 | s->v[14] << 5,                 /* dup v.2d, v.d[0] */
        };
        if (percent(m->r, 60)) {
            put(m, kinds[below(m->r, percent(m->r, 40) ? 5 : 4)] | s->v[i]);
        }
    }
}

/* A round: loads, one of them now and then only where it is needed, and sums in the same way, or not quite. */
static void put_sums(struct maker *m, struct sums *s)
{
    const unsigned kind = below(m->r, 10), late = percent(m->r, 25) ? 1 : 4;
    const unsigned among = percent(m->r, 40) ? below(m->r, s->n) : 4;
    const unsigned way = percent(m->r, 20) ? below(m->r, 2) : 4;
    const bool same = percent(m->r, 70), products_first = percent(m->r, 30);
    unsigned a[4], b[4];

    for (unsigned i = 0; i < 4; i++) {
        const uint32_t load = 0xfc606800 | s->index << 16 | s->pointers[i >> 1] << 5; /* ldr d */
        if (i != late) {
            put(m, load | s->v[4 + i]);
        }
        if (i == 0) {
            put(m, 0x91002000 | s->index << 5 | s->index); /* add index, index, #8 */
        }
        a[i] = s->v[4 + (same ? i & 1 : below(m->r, 4))];
        b[i] = s->v[4 + (same ? 2 + (i >> 1) : below(m->r, 4))];
    }
    if (percent(m->r, 10)) { /* a way out before anything is added */
        put_forward(m, 0x36000000 | below(m->r, 2) << 24 | below(m->r, 3) << 19 | s->counter,
                    FIX_14); /* tbz, tbnz */
    }
    for (unsigned i = s->n; i > 0 && products_first; i--) { /* the other way round */
        put_sum(m, kind, PRODUCT, s->v[7 + i], s->v[i - 1], a[i - 1], b[i - 1]);
    }
    for (unsigned i = 0; i < s->n; i++) {
        put_sum(m, products_first || percent(m->r, 95) ? kind : below(m->r, 10),
                products_first ? SUM : PRODUCT | SUM,
                s->v[(products_first || percent(m->r, 70) ? 8 : 4) + i], s->v[i], a[i], b[i]);
        if (i == 0 && late == 1) {
            put(m, 0xfc606800 | s->index << 16 | s->pointers[0] << 5 | s->v[5]);
        }
        if (i == way) {
            s->branch = m->b->n_words;
            put(m, 0);
        }
        if (i == among) {
            put_among_sums(m, s->pointers[0], s->v[below(m->r, s->n)], s->v[12]);
        }
    }
}

static void put_end_of_sums(struct maker *m, const struct sums *s, unsigned top)
{
    if (s->nested) {
        put(m, 0x92401231);                 /* and x17, x17, #0x1f */
        put(m, 0xf1000631);                 /* subs x17, x17, #1 */
        put_to(m, 0x5400000c, FIX_19, top); /* b.gt */
    } else {
        put_round_end(m, below(m->r, 4), s->index, top);
    }
}

/* The other way does some of it. */
static void put_way_of_sums(struct maker *m, const struct sums *s, unsigned top)
{
    const unsigned over = m->b->n_words;

    put(m, 0);
    m->b->words[s->branch] = with_offset(0x36000000 | below(m->r, 3) << 19 | s->counter, FIX_14,
                                         (int)m->b->n_words - (int)s->branch); /* tbz */
    for (unsigned n = below(m->r, 3); n > 0; n--) {
        put_sum(m, below(m->r, 10), PRODUCT | SUM, s->v[8], s->v[below(m->r, 2)], s->v[4], s->v[6]);
    }
    if (percent(m->r, 20)) {
        put(m, 0x4e080400 | s->v[14] << 5 | s->v[below(m->r, 2)]); /* dup v.2d, v.d[0] */
    }
    put_end_of_sums(m, s, top);
    m->b->words[over] = with_offset(0x14000000, FIX_26, (int)m->b->n_words - (int)over);
}

/* Several sums in a loop, and what becomes of them. With an outer loop it begins anew. */
void unit_sums(struct maker *m)
{
    struct sums s = draw_sums(m);

    if (percent(m->r, 70)) {
        put_numbers(m, s.pointers[0], s.v[15]);
    }
    if (s.nested) {
        put(m, 0xd280001c | (1 + below(m->r, 6)) << 5); /* movz x28, #count */
    }
    const unsigned outer = m->b->n_words;
    put_first_sums(m, &s);
    put(m, 0xd2800000 | below(m->r, 3) << 8 | s.index);    /* movz index, #0, #8 or #16 */
    put(m, 0xd2800000 | below(m->r, 21) << 5 | s.counter); /* movz, #count */
    const unsigned top = m->b->n_words;
    put_sums(m, &s);
    start_unit(m);
    put_end_of_sums(m, &s, top);
    if (s.branch != 0) {
        put_way_of_sums(m, &s, top);
    }
    if (!s.nested) {
        return;
    }
    if (percent(m->r, 60)) { /* str d */
        put(m, 0xfd000000 | below(m->r, 20) << 10 | s.pointers[1] << 5 | s.v[below(m->r, s.n)]);
    }
    if (percent(m->r, 20)) {
        put_among_sums(m, s.pointers[0], s.v[below(m->r, s.n)], s.v[below(m->r, s.n)]);
    }
    if (percent(m->r, 20) && s.branch == 0) { /* two sums are exchanged: mov v.16b */
        put(m, 0x4ea01c00 | s.v[0] << 16 | s.v[0] << 5 | s.v[13]);
        put(m, 0x4ea01c00 | s.v[1] << 16 | s.v[1] << 5 | s.v[0]);
        put(m, 0x4ea01c00 | s.v[13] << 16 | s.v[13] << 5 | s.v[1]);
    }
    start_unit(m);
    put_round_end(m, 3, s.index, outer);
}
