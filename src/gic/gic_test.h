/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The tests of this folder: a GIC with CPUs that only note their lines. */
#ifndef GIC_GIC_TEST_H
#define GIC_GIC_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../../tests/expect.h"
#include "gic/internal.h"

extern unsigned failures;

#define GICD_AT   0x8000000ull
#define GICR_AT   0x80a0000ull
#define GICM_AT   0x8020000ull
#define MSI_FIRST 64u
#define MSI_COUNT 32u

/* A CPU as its owner sees it. */
struct seat {
    struct gic_cpu *cpu;
    uint32_t lines;
    unsigned changes;
};
extern struct gic *gic;
extern struct seat seats[GIC_MAX_CPUS];

/* A GIC with n CPUs of affinity 0, 1, ...; both groups on everywhere, PMR open, SPIs and private interrupts in Group 1. */
void start(unsigned n);
void stop(void);

static inline uint64_t icc(unsigned cpu, uint16_t id)
{
    uint64_t value = 0xdead;

    EXPECT(gic_icc_read(seats[cpu].cpu, id, &value));
    return value;
}

static inline void set_icc(unsigned cpu, uint16_t id, uint64_t value)
{
    EXPECT(gic_icc_write(seats[cpu].cpu, id, value));
}

static inline uint32_t gicd(uint32_t offset)
{
    return (uint32_t)gic_mmio_read(gic, GICD_AT + offset, 4);
}

static inline void set_gicd(uint32_t offset, uint32_t value)
{
    gic_mmio_write(gic, GICD_AT + offset, 4, value);
}

static inline uint32_t gicr(unsigned cpu, uint32_t offset)
{
    return (uint32_t)gic_mmio_read(gic, GICR_AT + cpu * GICR_SIZE + offset, 4);
}

static inline void set_gicr(unsigned cpu, uint32_t offset, uint32_t value)
{
    gic_mmio_write(gic, GICR_AT + cpu * GICR_SIZE + offset, 4, value);
}

static inline void set_router(unsigned intid, uint64_t value)
{
    gic_mmio_write(gic, GICD_AT + 0x6000 + 8 * intid, 8, value);
}

enum {
    IAR0 = 0xc640,
    EOIR0 = 0xc641,
    HPPIR0 = 0xc642,
    BPR0 = 0xc643,
    AP0R0 = 0xc644,
    AP1R0 = 0xc648,
    DIR = 0xc659,
    RPR = 0xc65b,
    SGI1R = 0xc65d,
    ASGI1R = 0xc65e,
    SGI0R = 0xc65f,
    IAR1 = 0xc660,
    EOIR1 = 0xc661,
    HPPIR1 = 0xc662,
    BPR1 = 0xc663,
    CTLR = 0xc664,
    SRE = 0xc665,
    IGRPEN0 = 0xc666,
    IGRPEN1 = 0xc667,
    PMR = 0xc230,
};

void test_delivery(void);
void test_frames(void);
void test_state(void);
void test_random(void);

#endif
