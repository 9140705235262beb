/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Random sequences of everything that can happen. After each step, looking through all state anew must find the very lines that the
 * incremental updates left: no change was missed, and none was invented.
 */
#include "gic/gic_test.h"

static uint64_t seed;

static uint32_t pick(uint32_t n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % n;
}

static const uint16_t icc_ids[] = {IAR0, EOIR0, HPPIR0,  BPR0,    AP0R0, AP1R0, DIR,
                                   RPR,  SGI1R, SGI0R,   ASGI1R,  IAR1,  EOIR1, HPPIR1,
                                   BPR1, CTLR,  IGRPEN0, IGRPEN1, PMR};

/* Few interrupts and priorities, so that they meet. */
static unsigned an_intid(void)
{
    static const unsigned intids[] = {0, 1, 15, 16, 27, 30, 32, 33, 63, 64, 500, 1018, 1019, 1023};

    return intids[pick(sizeof(intids) / sizeof(intids[0]))];
}

static void step(unsigned n)
{
    static const uint32_t banks[] = {0x80, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380};
    const unsigned cpu = pick(n), intid = an_intid();
    const uint32_t bank = banks[pick(7)];
    uint64_t value;

    switch (pick(12)) {
    case 0:
    case 1:
        gic_set_spi(gic, intid, pick(2) != 0);
        break;
    case 2:
        gic_set_ppi(seats[cpu].cpu, 16 + pick(16), pick(2) != 0);
        break;
    case 3:
        set_gicd(bank + intid / 32 * 4, 1u << intid % 32);
        break;
    case 4:
        set_gicr(cpu, 0x10000 + bank, 1u << pick(32) | 1u << pick(32));
        break;
    case 5:
        gic_mmio_write(gic, GICD_AT + 0x400 + intid, 1, pick(8) << 5);
        gic_mmio_write(gic, GICR_AT + cpu * GICR_SIZE + 0x10400 + pick(32), 1, pick(8) << 5);
        break;
    case 6:
        if (intid >= 32 && intid < 1020) {
            set_router(intid, pick(3) == 0 ? 1ull << 31 : pick(n + 1));
        }
        break;
    case 7:
        set_gicd(0xc00 + intid / 16 * 4, pick(2) != 0 ? 0xffffffff : 0);
        set_gicr(cpu, 0x10c04, pick(2) != 0 ? 0xffffffff : 0);
        break;
    case 8:
        set_icc(cpu, pick(2) != 0 ? EOIR1 : EOIR0, intid);
        break;
    case 9:
        gic_message(gic, MSI_FIRST);
        (void)icc(cpu, pick(2) != 0 ? IAR1 : IAR0);
        break;
    case 10: {
        const uint16_t id = icc_ids[pick(sizeof(icc_ids) / sizeof(icc_ids[0]))];
        if (pick(2) != 0) {
            gic_icc_read(seats[cpu].cpu, id, &value);
        } else {
            gic_icc_write(seats[cpu].cpu, id,
                          id == PMR                        ? 0xff
                          : id == IGRPEN0 || id == IGRPEN1 ? pick(4) != 0
                                                           : pick(1u << 31));
        }
        break;
    }
    default:
        if (pick(16) == 0) {
            set_gicd(0, pick(4) | (pick(3) != 0 ? 3u : 0));
            set_gicr(cpu, 0x14, pick(2) << 1);
        }
        if (pick(64) == 0) {
            gic_set_affinity(seats[cpu].cpu, pick(n));
            gic_set_affinity(seats[cpu].cpu, cpu);
        }
        if (pick(256) == 0) {
            gic_reset(gic);
            set_gicd(0, 3);
        }
        break;
    }
}

static void check(unsigned n, unsigned round)
{
    unsigned before[GIC_MAX_CPUS];

    for (unsigned i = 0; i < n; i++) {
        before[i] = seats[i].changes;
        EXPECT_EQ(seats[i].lines, seats[i].cpu->lines);
    }
    for (unsigned word = 1; word < GIC_WORDS; word++) {
        EXPECT(gic_ready(&gic->spi[word]) == 0 || (gic->ready >> word & 1) != 0);
    }
    pthread_mutex_lock(&gic->lock);
    gic_update_all(gic);
    pthread_mutex_unlock(&gic->lock);
    for (unsigned i = 0; i < n; i++) {
        if (seats[i].changes != before[i]) {
            printf("step %u: the lines of CPU %u were not up to date\n", round, i);
            failures++;
        }
    }
}

void test_random(void)
{
    for (unsigned n = 1; n <= 5; n += 2) {
        start(n);
        seed = n;
        for (unsigned round = 0; round < 40000 && failures == 0; round++) {
            step(n);
            check(n, round);
        }
        stop();
    }
}
