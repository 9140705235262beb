/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The MSI frame: Arm's GICv2m, which is a register that makes SPIs of a range pending. */
#include "gic/internal.h"

static uint64_t read_typer(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)cpu, (void)n;
    return (uint64_t)gic->config.msi_base << 16 | gic->config.msi_count;
}

static void write_setspi(struct gic *gic, struct gic_cpu *cpu, unsigned n, uint64_t value,
                         uint64_t mask)
{
    const struct gic_config *const c = &gic->config;
    const uint32_t intid = (uint32_t)value & 0x3ff;

    (void)cpu, (void)n, (void)mask;
    if (intid >= c->msi_base && intid - c->msi_base < c->msi_count) {
        gic->spi[intid / 32].latched |= 1u << (intid % 32);
        gic_update_spis(gic, intid / 32, 1u << (intid % 32));
    }
}

// clang-format off
static const struct gic_reg regs[] = {
    {0x0040, 0x0044, 4, 6, true,  0, NULL,       write_setspi}, /* SET_SPI_NSR; reads as zero */
    {0x0008, 0x000c, 4, 4, true,  0, read_typer, NULL},         /* TYPER */
    {0x0fcc, 0x0fd0, 4, 4, false, GIC_IIDR,  NULL, NULL},
    {0x0fe8, 0x0fec, 4, 4, false, 0x2b,      NULL, NULL},       /* PIDR2: GICv2m has ArchRev 2 */
};
// clang-format on

const struct gic_frame gicm_frame = {regs, sizeof(regs) / sizeof(regs[0])};
