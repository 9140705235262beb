/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The setting of a block: translation, controls, and where pointers may point. */
#include <string.h>

#include "block.h"
#include "engine/cpu.h"

#define DESC_PAGE      (3ull | 3ull << 8 /* inner shareable */)
#define DESC_AF        (1ull << 10)
#define DESC_ATTR(n)   ((uint64_t)(n) << 2)
#define DESC_EL0       (1ull << 6)
#define DESC_READ_ONLY (2ull << 6)
#define DESC_NG        (1ull << 11)
#define DESC_GP        (1ull << 50)
#define DESC_XN        (3ull << 53)

/* Bits that are 1 in every world: RES1, caches, and what lets EL0 use DC ZVA, CTR_EL0 and cache maintenance. */
#define SCTLR_BASE                                                                              \
    (1ull << 11 | 1ull << 12 | 1ull << 16 | 1ull << 18 | 1ull << 20 | 1ull << 22 | 1ull << 28 | \
     1ull << 29)

static uint64_t chance(struct rng *r, unsigned n, uint64_t bit)
{
    return percent(r, n) ? bit : 0;
}

static void make_sctlr(struct world *w, struct rng *r)
{
    uint64_t v = SCTLR_BASE | (w->mmu ? 1 : 0);

    v |= chance(r, 8, 1ull << 1);                             /* A */
    v |= chance(r, 96, 1ull << 2);                            /* C */
    v |= chance(r, 70, 1ull << 3) | chance(r, 70, 1ull << 4); /* SA, SA0 */
    v |= chance(r, 50, 1ull << 6);                            /* nAA */
    v |= chance(r, 50, 1ull << 9);                            /* UMA */
    v |= chance(r, 90, 1ull << 14);                           /* DZE */
    v |= chance(r, 90, 1ull << 15);                           /* UCT */
    v |= chance(r, 50, 1ull << 23);                           /* SPAN */
    v |= chance(r, 90, 1ull << 26);                           /* UCI */
    v |= chance(r, 90, 1ull << 33);                           /* MSCEn */
    if (percent(r, 40)) {                                     /* EnIA, EnIB, EnDA, EnDB */
        v |= draw(r) & (1ull << 31 | 1ull << 30 | 1ull << 27 | 1ull << 13);
    }
    v |= chance(r, 50, 1ull << 35) | chance(r, 50, 1ull << 36); /* BT0, BT1 */
    v |= chance(r, 50, 1ull << 44);                             /* DSSBS */
    w->sctlr = v;
}

static uint64_t data_page(struct rng *r)
{
    return BLOCKS_RAM + (DATA_PAGE + below(r, DATA_PAGES)) * BLOCKS_PAGE;
}

/* A page of the window. */
static uint64_t make_leaf(const struct world *w, struct rng *r)
{
    const bool el0 = (w->pstate & PSTATE_EL_MASK) == 0;
    uint64_t d = DESC_PAGE | DESC_AF | DESC_XN | (percent(r, 60) ? DESC_NG : 0);
    const unsigned kind = below(r, 100);

    if (percent(r, el0 ? 96 : 15)) {
        d |= DESC_EL0;
    }
    if (kind < 7) {
        return 0;
    }
    if (kind < 10) {
        return d | (BLOCKS_RAM + ABSENT_PAGE * BLOCKS_PAGE);
    }
    if (kind < 13) {
        return d | (BLOCKS_RAM + READ_ONLY_PAGE * BLOCKS_PAGE);
    }
    d |= data_page(r);
    if (kind < 20) {
        d |= DESC_READ_ONLY;
    } else if (kind < 23) {
        d |= DESC_ATTR(1);
    } else if (kind < 26) {
        d |= DESC_ATTR(2);
    } else if (kind < 28) {
        d &= ~DESC_AF;
    } else if (kind < 30) {
        d ^= DESC_EL0;
    }
    return d;
}

static bool is_data(uint64_t page)
{
    return page >= BLOCKS_RAM + DATA_PAGE * BLOCKS_PAGE &&
           page < BLOCKS_RAM + (DATA_PAGE + DATA_PAGES) * BLOCKS_PAGE;
}

/* The page lies behind that of the leaf before, whatever its attributes. */
static uint64_t behind(uint64_t leaf, uint64_t before)
{
    const uint64_t page = 0xffffff000ull, next = (before & page) + BLOCKS_PAGE;

    return is_data(leaf & page) && is_data(next) ? (leaf & ~page) | next : leaf;
}

static void make_tables(struct world *w, struct rng *r)
{
    const bool in_rows = percent(r, 40);

    w->mair = 0xff | 0x04 << 8 | 0x44 << 16; /* write-back, Device-nGnRE, non-cacheable */
    /* 39 bits each, 4 KiB granule, write-back inner shareable tables, 36-bit output, 16-bit ASID. */
    w->tcr = 25 | 1ull << 8 | 1ull << 10 | 3ull << 12 | 25ull << 16 | 1ull << 24 | 1ull << 26 |
             3ull << 28 | 2ull << 30 | 1ull << 32 | 1ull << 36;
    if (w->tagged) {
        w->tcr |= 3ull << 37 | (percent(r, 30) ? 3ull << 51 : 0); /* TBI, TBID */
    }
    const uint64_t asid = draw(r) & 0xffff;
    w->ttbr[0] = (BLOCKS_RAM + TABLE_PAGE * BLOCKS_PAGE) | asid << 48;
    w->ttbr[1] = w->ttbr[0];
    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        w->leaf[i] = make_leaf(w, r);
        if (in_rows && i != 0 && percent(r, 80)) {
            w->leaf[i] = behind(w->leaf[i], w->leaf[i - 1]);
        }
    }
    for (unsigned i = 0; i < CODE_PAGES; i++) {
        w->code_order[i] = (uint8_t)i;
    }
    for (unsigned i = CODE_PAGES - 1; i > 0; i--) {
        const unsigned j = below(r, i + 1);
        const uint8_t other = w->code_order[j];
        w->code_order[j] = w->code_order[i];
        w->code_order[i] = other;
    }
    w->code_attributes = DESC_PAGE | DESC_AF | DESC_READ_ONLY | DESC_EL0 |
                         (percent(r, 60) ? DESC_NG : 0) | (percent(r, 15) ? DESC_GP : 0);
}

static void make_pstate(struct world *w, struct rng *r)
{
    uint32_t p = percent(r, 40) ? 0 : PSTATE_EL(1) | (percent(r, 70) ? PSTATE_SP : 0);

    p |= (uint32_t)(chance(r, 15, PSTATE_PAN) | chance(r, 15, PSTATE_UAO) |
                    chance(r, 20, PSTATE_DIT) | chance(r, 20, PSTATE_SSBS));
    p |= (uint32_t)draw(r) & (PSTATE_A | PSTATE_I | PSTATE_F);
    p |= (uint32_t)chance(r, 10, PSTATE_D);
    w->pstate = p;
}

void world_make(struct world *w, uint64_t seed, uint64_t number)
{
    struct rng rng = rng_for(seed, number, 1), *const r = &rng;

    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->number = number;
    w->mmu = !percent(r, 12);
    w->skip_faults = percent(r, 60);
    w->upper = w->mmu && percent(r, 15);
    w->tagged = w->mmu && percent(r, 30);
    make_pstate(w, r);
    make_sctlr(w, r);
    make_tables(w, r);
    w->cpacr = percent(r, 95) ? 3ull << 20 : (draw(r) & 3) << 20;
    for (unsigned i = 0; i < 10; i++) {
        w->keys[i] = draw(r);
    }
    if (percent(r, 4)) {
        w->wvr = world_pointer(w, r) & 0x0000007ffffffff8ull;
        /* Enabled, EL1 and EL0, loads and stores, all eight bytes. */
        w->wcr = 1 | 3u << 1 | (1 + draw(r) % 3) << 3 | 0xffu << 5;
    }
}

static uint64_t in_page(struct rng *r)
{
    const unsigned kind = below(r, 100);

    if (kind < 35) {
        return draw(r) & 0xff0;
    }
    if (kind < 60) { /* so that an access crosses the end */
        return (0x1000 - below(r, 33)) & 0xfff;
    }
    if (kind < 70) {
        return below(r, 32);
    }
    return kind < 80 ? draw(r) & 0xfc0 : draw(r) & 0xfff;
}

uint64_t world_pointer(const struct world *w, struct rng *r)
{
    const uint64_t offset = in_page(r);

    if (percent(r, 2)) {
        return draw(r);
    }
    if (!w->mmu) {
        return BLOCKS_RAM + (DATA_PAGE + below(r, DATA_PAGES + 2)) * BLOCKS_PAGE + offset;
    }
    uint64_t p = BLOCKS_WINDOW + below(r, WINDOW_PAGES) * BLOCKS_PAGE + offset;
    if (percent(r, w->upper ? 60 : 10)) {
        p |= BLOCKS_UPPER;
    }
    if (percent(r, w->tagged ? 40 : 1)) {
        p ^= (draw(r) & 0xff) << 56;
    }
    return p;
}
