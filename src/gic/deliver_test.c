/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "gic/gic_test.h"

static void enable_spi(unsigned intid, unsigned priority)
{
    set_gicd(0x100 + intid / 32 * 4, 1u << intid % 32);
    gic_mmio_write(gic, GICD_AT + 0x400 + intid, 1, priority);
}

static void levels_and_edges(void)
{
    start(1);
    enable_spi(40, 0x80);
    gic_set_spi(gic, 40, true);
    EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ);
    gic_set_spi(gic, 40, false); /* withdrawn */
    EXPECT_EQ(seats[0].lines, 0);
    EXPECT_EQ(icc(0, IAR1), 1023);
    gic_set_spi(gic, 40, true);
    EXPECT_EQ(icc(0, IAR1), 40);
    EXPECT_EQ(seats[0].lines, 0);
    set_icc(0, EOIR1, 40);
    EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ); /* still high: again */
    EXPECT_EQ(icc(0, IAR1), 40);
    gic_set_spi(gic, 40, false);
    set_icc(0, EOIR1, 40);
    EXPECT_EQ(seats[0].lines, 0);

    set_gicd(0xc00 + 40 / 16 * 4, 2u << 40 % 16 * 2); /* edge */
    gic_set_spi(gic, 40, true);
    EXPECT_EQ(icc(0, IAR1), 40);
    gic_set_spi(gic, 40, true); /* while it is active: remembered */
    EXPECT_EQ(seats[0].lines, 0);
    set_icc(0, EOIR1, 40);
    EXPECT_EQ(icc(0, IAR1), 40);
    set_icc(0, EOIR1, 40);
    EXPECT_EQ(icc(0, IAR1), 1023);
    gic_set_spi(gic, 40, false);
    EXPECT_EQ(gicd(0x204), 0);

    gic_set_spi(gic, 31, true); /* none of these is an SPI */
    gic_set_spi(gic, 1020, true);
    gic_set_spi(gic, UINT32_MAX, true);
    stop();
}

static void messages(void)
{
    start(1);
    enable_spi(MSI_FIRST, 0x80);
    enable_spi(MSI_FIRST + MSI_COUNT, 0x80);
    gic_message(gic, MSI_FIRST + MSI_COUNT);
    gic_message(gic, MSI_FIRST - 1);
    gic_mmio_write(gic, GICM_AT + 0x40, 4, MSI_FIRST + MSI_COUNT);
    gic_mmio_write(gic, GICM_AT + 0x40, 4, MSI_FIRST - 1);
    gic_mmio_write(gic, GICM_AT + 0x40, 4, UINT32_MAX);
    EXPECT_EQ(seats[0].lines, 0);
    gic_message(gic, MSI_FIRST); /* level-sensitive by reset: once all the same */
    EXPECT_EQ(icc(0, IAR1), MSI_FIRST);
    set_icc(0, EOIR1, MSI_FIRST);
    EXPECT_EQ(seats[0].lines, 0);
    gic_mmio_write(gic, GICM_AT + 0x40, 2, MSI_FIRST); /* 16 bits are allowed */
    EXPECT_EQ(icc(0, IAR1), MSI_FIRST);
    EXPECT_EQ(gic_mmio_read(gic, GICM_AT + 8, 4), MSI_FIRST << 16 | MSI_COUNT);
    stop();
}

/* All 32 group priorities nest, each level preempting the one before. */
static void every_level_preempts_the_next(void)
{
    start(1);
    for (unsigned i = 0; i < 31; i++) {
        const unsigned intid = 100 + i, priority = 0xf0 - 8 * i;
        enable_spi(intid, priority);
        gic_set_spi(gic, intid, true);
        EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ);
        EXPECT_EQ(icc(0, IAR1), intid);
        EXPECT_EQ(icc(0, RPR), priority);
    }
    EXPECT_EQ(icc(0, AP1R0), 0x7fffffff);
    for (unsigned i = 31; i-- > 0;) {
        EXPECT_EQ(icc(0, RPR), 0xf0 - 8 * i);
        gic_set_spi(gic, 100 + i, false);
        set_icc(0, EOIR1, 100 + i);
    }
    EXPECT_EQ(icc(0, RPR), 0xff);
    EXPECT_EQ(icc(0, AP1R0), 0);
    stop();
}

/* What preempts what, for every BPR: Group 1 by BPR1, Group 0 by BPR0. */
static void binary_points(void)
{
    for (unsigned bpr = 0; bpr < 8; bpr++) {
        for (unsigned group = 0; group < 2; group++) {
            const unsigned least = group == 0 ? 2 : 3, n = bpr < least ? least : bpr;
            const unsigned shift = group == 0 ? n + 1 : n; /* of the group priority */
            for (unsigned running = 8; running < 0xf8; running += 8) {
                start(1);
                set_gicr(0, 0x10080, group == 0 ? 0 : 0xffffffff);
                set_icc(0, group == 0 ? BPR0 : BPR1, bpr);
                EXPECT_EQ(icc(0, group == 0 ? BPR0 : BPR1), n);
                gic_mmio_write(gic, GICR_AT + 0x10400, 1, running);
                gic_mmio_write(gic, GICR_AT + 0x10401, 1, running - 8);
                set_gicr(0, 0x10100, 3);
                set_gicr(0, 0x10200, 1);
                EXPECT_EQ(icc(0, group == 0 ? IAR0 : IAR1), 0);
                EXPECT_EQ(icc(0, RPR), running >> shift << shift & 0xff);
                set_gicr(0, 0x10200, 2);
                const bool preempts = (running - 8) >> shift < running >> shift;
                EXPECT_EQ(seats[0].lines != 0, preempts);
                EXPECT_EQ(icc(0, group == 0 ? IAR0 : IAR1), preempts ? 1 : 1023);
                stop();
            }
        }
    }
}

static void groups_nest_into_each_other(void)
{
    start(1);
    set_gicr(0, 0x10080, 1); /* INTID 0 in Group 1, 1 in Group 0 */
    gic_mmio_write(gic, GICR_AT + 0x10400, 1, 0x80);
    gic_mmio_write(gic, GICR_AT + 0x10401, 1, 0x40);
    set_gicr(0, 0x10100, 3);
    set_gicr(0, 0x10200, 1);
    EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ);
    EXPECT_EQ(icc(0, IAR0), 1023); /* not of this group */
    EXPECT_EQ(icc(0, IAR1), 0);
    set_gicr(0, 0x10200, 2);
    EXPECT_EQ(seats[0].lines, GIC_LINE_FIQ);
    EXPECT_EQ(icc(0, HPPIR0), 1);
    EXPECT_EQ(icc(0, HPPIR1), 1023);
    EXPECT_EQ(icc(0, IAR0), 1);
    set_icc(0, EOIR1, 0); /* the wrong one first: Group 0 runs, so nothing happens */
    EXPECT_EQ(icc(0, RPR), 0x40);
    EXPECT_EQ(gicr(0, 0x10300), 3);
    set_icc(0, EOIR0, 1);
    EXPECT_EQ(icc(0, RPR), 0x80);
    set_icc(0, EOIR1, 0);
    EXPECT_EQ(icc(0, RPR), 0xff);
    EXPECT_EQ(gicr(0, 0x10300), 0);

    /* A group that the CPU interface does not take hides nothing. */
    set_icc(0, IGRPEN0, 0);
    set_gicr(0, 0x10200, 3);
    EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ);
    EXPECT_EQ(icc(0, IAR1), 0);
    stop();
}

static void sgis_by_affinity(void)
{
    start(4);
    gic_set_affinity(seats[1].cpu, 0x0700050300ull | 0x12);
    gic_set_affinity(seats[2].cpu, 0x0700050300ull | 0xf0);
    gic_set_affinity(seats[3].cpu, 0x0000050300ull | 0x12); /* another Aff3 */
    for (unsigned i = 0; i < 4; i++) {
        set_gicr(i, 0x10100, 0xffff);
    }
    const uint64_t cluster = 7ull << 48 | 5ull << 32 | 3ull << 16 | 9ull << 24;
    set_icc(0, SGI1R, cluster | 1ull << 44 | 1 << 2); /* Aff0 16 + 2 */
    EXPECT_EQ(seats[1].lines, GIC_LINE_IRQ);
    EXPECT_EQ(seats[2].lines | seats[3].lines | seats[0].lines, 0);
    EXPECT_EQ(icc(1, IAR1), 9);
    set_icc(0, SGI1R, cluster | 15ull << 44 | 1); /* Aff0 0xf0 */
    EXPECT_EQ(seats[2].lines, GIC_LINE_IRQ);
    set_icc(0, SGI1R, cluster | 0xffff); /* Aff0 0 to 15: nobody there */
    EXPECT_EQ(seats[0].lines | seats[1].lines | seats[3].lines, 0);
    set_icc(3, SGI1R, 1ull << 40 | 9ull << 24); /* all but itself */
    EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ);
    EXPECT_EQ(seats[3].lines, 0);
    stop();

    /* Which register makes SGIs of which group. */
    start(1);
    set_gicr(0, 0x10100, 0xffff);
    set_gicr(0, 0x10080, 0xffff0002); /* 1 in Group 1, the others in Group 0 */
    set_icc(0, SGI1R, 0ull << 24 | 1);
    set_icc(0, SGI0R, 1ull << 24 | 1);
    set_icc(0, ASGI1R, 1ull << 24 | 1);
    EXPECT_EQ(gicr(0, 0x10200), 0);
    set_icc(0, SGI1R, 1ull << 24 | 1);
    set_icc(0, SGI0R, 2ull << 24 | 1);
    set_icc(0, ASGI1R, 3ull << 24 | 1);
    EXPECT_EQ(gicr(0, 0x10200), 0xe);
    stop();
}

static void routing(void)
{
    start(3);
    enable_spi(50, 0x80);
    gic_set_spi(gic, 50, true);
    EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ); /* affinity 0 by reset */
    set_router(50, 2);
    EXPECT_EQ(seats[0].lines, 0);
    EXPECT_EQ(seats[2].lines, GIC_LINE_IRQ);
    set_router(50, 1ull << 32); /* Aff3 */
    EXPECT_EQ(seats[0].lines | seats[1].lines | seats[2].lines, 0);
    gic_set_affinity(seats[1].cpu, 1ull << 32);
    EXPECT_EQ(seats[1].lines, GIC_LINE_IRQ);
    gic_detach(seats[1].cpu);
    seats[1].cpu = NULL;
    set_router(50, 1ull << 31);
    EXPECT_EQ((seats[0].lines != 0) + (seats[2].lines != 0), 1);
    stop();
}

/* Only those who take part are chosen, those who are idle first. */
static void one_of_n(void)
{
    start(3);
    enable_spi(60, 0x80);
    enable_spi(61, 0x40);
    set_router(60, 1ull << 31);
    set_router(61, 1ull << 31);
    gic_set_spi(gic, 60, true);
    EXPECT_EQ((seats[0].lines != 0) + (seats[1].lines != 0) + (seats[2].lines != 0), 1);
    unsigned first = 0;
    while (seats[first].lines == 0) {
        first++;
    }
    set_icc(first, IGRPEN1, 0); /* it leaves */
    EXPECT_EQ(seats[first].lines, 0);
    EXPECT_EQ((seats[0].lines != 0) + (seats[1].lines != 0) + (seats[2].lines != 0), 1);
    unsigned second = 0;
    while (seats[second].lines == 0) {
        second++;
    }
    set_gicr(second, 0x14, 2); /* it sleeps */
    EXPECT_EQ(gicr(second, 0x14), 6);
    EXPECT_EQ(seats[second].lines, 0);
    const unsigned third = 3 - first - second;
    EXPECT_EQ(seats[third].lines, GIC_LINE_IRQ);
    EXPECT_EQ(icc(third, IAR1), 60);
    set_gicr(second, 0x14, 0);
    gic_set_spi(gic, 61, true); /* of higher priority, and yet: to the idle one */
    EXPECT_EQ(seats[second].lines, GIC_LINE_IRQ);
    EXPECT_EQ(icc(second, IAR1), 61);
    set_icc(second, EOIR1, 61);
    set_icc(third, EOIR1, 60);
    stop();
}

static void a_sleeping_redistributor_forwards(void)
{
    start(1);
    set_gicr(0, 0x14, 2);
    set_gicr(0, 0x10100, 1);
    set_gicr(0, 0x10200, 1);
    EXPECT_EQ(seats[0].lines, GIC_LINE_IRQ);
    stop();
}

static void private_inputs(void)
{
    start(2);
    set_gicr(1, 0x10100, 1u << 27);
    gic_set_ppi(seats[1].cpu, 27, true);
    EXPECT_EQ(seats[1].lines, GIC_LINE_IRQ);
    EXPECT_EQ(seats[0].lines, 0);
    const unsigned changes = seats[1].changes;
    gic_set_ppi(seats[1].cpu, 27, true);
    EXPECT_EQ(seats[1].changes, changes);
    gic_set_ppi(seats[1].cpu, 27, false);
    EXPECT_EQ(seats[1].lines, 0);
    set_gicr(1, 0x10c04, 2u << (27 - 16) * 2); /* an edge, if the guest says so */
    gic_set_ppi(seats[1].cpu, 27, true);
    EXPECT_EQ(icc(1, IAR1), 27);
    set_icc(1, EOIR1, 27);
    EXPECT_EQ(seats[1].lines, 0);
    gic_reset(gic);
    gic_set_ppi(seats[1].cpu, 27, true); /* after a reset it is looked at anew */
    EXPECT_EQ(gicr(1, 0x10200), 1u << 27);
    stop();
}

static void places_are_reused(void)
{
    start(3);
    EXPECT(gic_claims(gic, GICR_AT + 3 * GICR_SIZE - 1));
    EXPECT(!gic_claims(gic, GICR_AT + 3 * GICR_SIZE));
    EXPECT_EQ(gicr(2, 8), 2u << 8 | 1u << 4);
    gic_detach(seats[1].cpu); /* a gap: RAZ/WI */
    EXPECT_EQ(gicr(1, 0xffe8), 0);
    set_gicr(1, 0x10100, 1);
    EXPECT(gic_claims(gic, GICR_AT + GICR_SIZE));
    seats[1].cpu = gic_attach(gic, 1, &seats[1]);
    EXPECT_EQ(gicr(1, 0x10100), 0);
    EXPECT_EQ(gicr(1, 0xffe8), 0x3b);
    gic_detach(seats[2].cpu);
    seats[2].cpu = NULL;
    EXPECT(!gic_claims(gic, GICR_AT + 2 * GICR_SIZE));
    EXPECT_EQ(gicr(1, 8) >> 4 & 1, 1);
    stop();
}

void test_delivery(void)
{
    levels_and_edges();
    messages();
    every_level_preempts_the_next();
    binary_points();
    groups_nest_into_each_other();
    sgis_by_affinity();
    routing();
    one_of_n();
    a_sleeping_redistributor_forwards();
    private_inputs();
    places_are_reused();
}
