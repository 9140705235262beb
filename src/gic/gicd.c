/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The Distributor's registers. Arm IHI0069, GICD_*. */
#include "gic/internal.h"

#define CTLR_ENABLES 3u /* EnableGrp0, EnableGrp1 */
#define CTLR_FIXED \
    (1u << 4 | 1u << 6) /* ARE and DS: RAO/WI. RWP is never set: writes act at once. */

/* ITLinesNumber 31, IDbits 16 - 1, RSS; no LPIs, no message registers, 1 of N supported. */
#define TYPER (31u | 15u << 19 | 1u << 26)

#define ROUTER_BITS 0xff80ffffffull /* Aff3, Interrupt_Routing_Mode, Aff2, Aff1, Aff0 */

static uint64_t read_ctlr(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)cpu, (void)n;
    return gic->ctlr | CTLR_FIXED;
}

static void write_ctlr(struct gic *gic, struct gic_cpu *cpu, unsigned n, uint64_t value,
                       uint64_t mask)
{
    (void)cpu, (void)n, (void)mask;
    gic->ctlr = (uint32_t)value & CTLR_ENABLES;
    gic_update_all(gic);
}

static uint64_t read_router(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)cpu;
    return gic->router[GIC_SPI_BASE + n];
}

static void write_router(struct gic *gic, struct gic_cpu *cpu, unsigned n, uint64_t value,
                         uint64_t mask)
{
    uint64_t *const router = &gic->router[GIC_SPI_BASE + n];

    (void)cpu;
    *router = ((*router & ~mask) | (value & mask)) & ROUTER_BITS;
    gic_route_spi(gic, GIC_SPI_BASE + n);
}

/* Not there, that is RAZ/WI: TYPER2, STATUSR, SETSPI and CLRSPI, ITARGETSR, IGRPMODR, NSACR, SGIR, CPENDSGIR, SPENDSGIR. */
// clang-format off
static const struct gic_reg regs[] = {
    {0x0100, 0x0180, 4, 4, true,  0, gic_read_enable,   gic_set_enable},      /* ISENABLER */
    {0x0180, 0x0200, 4, 4, true,  0, gic_read_enable,   gic_clear_enable},    /* ICENABLER */
    {0x0200, 0x0280, 4, 4, true,  0, gic_read_pending,  gic_set_pending},     /* ISPENDR */
    {0x0280, 0x0300, 4, 4, true,  0, gic_read_pending,  gic_clear_pending},   /* ICPENDR */
    {0x0300, 0x0380, 4, 4, true,  0, gic_read_active,   gic_set_active},      /* ISACTIVER */
    {0x0380, 0x0400, 4, 4, true,  0, gic_read_active,   gic_clear_active},    /* ICACTIVER */
    {0x6100, 0x7fe0, 8, 12, true, 0, read_router,       write_router},        /* IROUTER32 to 1019 */
    {0x0080, 0x0100, 4, 4, true,  0, gic_read_group,    gic_write_group},     /* IGROUPR */
    {0x0400, 0x07fc, 4, 5, true,  0, gic_read_priority, gic_write_priority},  /* IPRIORITYR0 to 254 */
    {0x0c00, 0x0d00, 4, 4, true,  0, gic_read_config,   gic_write_config},    /* ICFGR */
    {0x0000, 0x0004, 4, 4, true,  0, read_ctlr,         write_ctlr},          /* CTLR */
    {0x0004, 0x0008, 4, 4, true,  TYPER,     NULL, NULL},
    {0x0008, 0x000c, 4, 4, false, GIC_IIDR,  NULL, NULL},
    {0xffd0, 0xffd4, 4, 4, false, 0x44,      NULL, NULL},                     /* PIDR4 */
    {0xffe0, 0xffe4, 4, 4, false, 0x92,      NULL, NULL},                     /* PIDR0 */
    {0xffe4, 0xffe8, 4, 4, false, 0xb4,      NULL, NULL},                     /* PIDR1 */
    {0xffe8, 0xffec, 4, 4, true,  GIC_PIDR2, NULL, NULL},                     /* PIDR2 */
    {0xfff0, 0xfff4, 4, 4, false, 0x0d,      NULL, NULL},                     /* CIDR0 to 3 */
    {0xfff4, 0xfff8, 4, 4, false, 0xf0,      NULL, NULL},
    {0xfff8, 0xfffc, 4, 4, false, 0x05,      NULL, NULL},
    {0xfffc, 0x10000, 4, 4, false, 0xb1,     NULL, NULL},
};
// clang-format on

const struct gic_frame gicd_frame = {regs, sizeof(regs) / sizeof(regs[0])};
