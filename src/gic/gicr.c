/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A Redistributor: RD_base and, 64 KiB above, the SGI frame. Arm IHI0069, GICR_*. There are no LPIs, so CTLR has no bits. */
#include "gic/internal.h"

#define WAKER_PROCESSOR_SLEEP 2u
#define WAKER_CHILDREN_ASLEEP 4u

static bool is_last(const struct gic *gic, const struct gic_cpu *cpu)
{
    return gic_index(cpu) + 1 == atomic_load_explicit(&gic->n_frames, memory_order_relaxed);
}

/* Affinity 63:32, Processor_Number 23:8, Last 4. */
static uint64_t read_typer(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)n;
    return (uint64_t)cpu->affinity << 32 | (uint64_t)gic_index(cpu) << 8 |
           (is_last(gic, cpu) ? 1u << 4 : 0);
}

static uint64_t read_waker(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)gic, (void)n;
    return cpu->waker;
}

/*
 * ChildrenAsleep follows at once. A sleeping Redistributor still forwards, so that a wake-up request needs no separate wire and a
 * program that never wakes it works as it does on other emulated GICs; 1 of N passes over it.
 */
static void write_waker(struct gic *gic, struct gic_cpu *cpu, unsigned n, uint64_t value,
                        uint64_t mask)
{
    (void)n, (void)mask;
    cpu->waker = (value & WAKER_PROCESSOR_SLEEP) != 0
                     ? WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP
                     : 0;
    gic_update_participants(gic);
}

// clang-format off
static const struct gic_reg regs[] = {
    {0x10100, 0x10104, 4, 4, true,  0, gic_read_enable,   gic_set_enable},     /* ISENABLER0 */
    {0x10180, 0x10184, 4, 4, true,  0, gic_read_enable,   gic_clear_enable},   /* ICENABLER0 */
    {0x10200, 0x10204, 4, 4, true,  0, gic_read_pending,  gic_set_pending},    /* ISPENDR0 */
    {0x10280, 0x10284, 4, 4, true,  0, gic_read_pending,  gic_clear_pending},  /* ICPENDR0 */
    {0x10300, 0x10304, 4, 4, true,  0, gic_read_active,   gic_set_active},     /* ISACTIVER0 */
    {0x10380, 0x10384, 4, 4, true,  0, gic_read_active,   gic_clear_active},   /* ICACTIVER0 */
    {0x10080, 0x10084, 4, 4, true,  0, gic_read_group,    gic_write_group},    /* IGROUPR0 */
    {0x10400, 0x10420, 4, 5, true,  0, gic_read_priority, gic_write_priority}, /* IPRIORITYR0 to 7 */
    {0x10c00, 0x10c08, 4, 4, true,  0, gic_read_config,   gic_write_config},   /* ICFGR0, 1 */
    {0x0008,  0x0010,  8, 12, true, 0, read_typer,        NULL},               /* TYPER */
    {0x0014,  0x0018,  4, 4, false, 0, read_waker,        write_waker},        /* WAKER */
    {0x0004,  0x0008,  4, 4, false, GIC_IIDR,  NULL, NULL},
    {0xffd0,  0xffd4,  4, 4, false, 0x44,      NULL, NULL},                    /* PIDR4 */
    {0xffe0,  0xffe4,  4, 4, false, 0x93,      NULL, NULL},                    /* PIDR0 */
    {0xffe4,  0xffe8,  4, 4, false, 0xb4,      NULL, NULL},                    /* PIDR1 */
    {0xffe8,  0xffec,  4, 4, true,  GIC_PIDR2, NULL, NULL},                    /* PIDR2 */
    {0xfff0,  0xfff4,  4, 4, false, 0x0d,      NULL, NULL},                    /* CIDR0 to 3 */
    {0xfff4,  0xfff8,  4, 4, false, 0xf0,      NULL, NULL},
    {0xfff8,  0xfffc,  4, 4, false, 0x05,      NULL, NULL},
    {0xfffc,  0x10000, 4, 4, false, 0xb1,      NULL, NULL},
};
// clang-format on

const struct gic_frame gicr_frame = {regs, sizeof(regs) / sizeof(regs[0])};

void gic_redistributor_reset(struct gic_cpu *cpu)
{
    gic_bank_reset(&cpu->bank, true);
    cpu->waker = WAKER_PROCESSOR_SLEEP | WAKER_CHILDREN_ASLEEP;
    atomic_store_explicit(&cpu->inputs, 0, memory_order_relaxed);
}

uint64_t gic_redistributor_base(const struct gic_cpu *cpu)
{
    return cpu->gic->config.gicr_base + (uint64_t)gic_index(cpu) * GICR_SIZE;
}
