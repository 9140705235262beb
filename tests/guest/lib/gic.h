/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A GICv3 where QEMU's virt machine and `applevisor run --gic` have it. */
#ifndef GUEST_GIC_H
#define GUEST_GIC_H

#include "guest.h"

#define GICD          0x08000000ull
#define GICR(cpu)     (0x080a0000ull + (cpu)*0x20000ull)
#define GICR_SGI(cpu) (GICR(cpu) + 0x10000)

#define REG8(address)  (*(volatile uint8_t *)(uintptr_t)(address))
#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG64(address) (*(volatile uint64_t *)(uintptr_t)(address))

/* Offsets that Distributor and SGI frame share. */
enum {
    IGROUPR = 0x80,
    ISENABLER = 0x100,
    ICENABLER = 0x180,
    ISPENDR = 0x200,
    ICPENDR = 0x280,
    ISACTIVER = 0x300,
    ICACTIVER = 0x380,
    IPRIORITYR = 0x400,
    ICFGR = 0xc00,
    IROUTER = 0x6000,
};

#define IRQ_OFF() __asm__ volatile("msr daifset, #3" ::: "memory")
#define IRQ_ON()  __asm__ volatile("msr daifclr, #3\n isb" ::: "memory")

static inline void gic_sync(void)
{
    __asm__ volatile("dsb sy\n isb" ::: "memory");
}

/* Enables both groups in the Distributor. */
static inline void gicd_on(void)
{
    REG32(GICD) = 3 | 1 << 4;
    gic_sync();
}

/* Wakes a vCPU's own Redistributor, opens its CPU interface; all its interrupts in Group 1 at priority 0x80, enabled. */
static inline void gicr_on(unsigned cpu)
{
    REG32(GICR(cpu) + 0x14) &= ~2u;
    while ((REG32(GICR(cpu) + 0x14) & 4) != 0) {
    }
    REG32(GICR_SGI(cpu) + IGROUPR) = 0xffffffff;
    for (unsigned i = 0; i < 32; i++) {
        REG8(GICR_SGI(cpu) + IPRIORITYR + i) = 0x80;
    }
    REG32(GICR_SGI(cpu) + ISENABLER) = 0xffffffff;
    WRITE_SYSREG(icc_sre_el1, 7);
    WRITE_SYSREG(icc_pmr_el1, 0xff);
    WRITE_SYSREG(icc_bpr1_el1, 0);
    WRITE_SYSREG(icc_ctlr_el1, 0);
    WRITE_SYSREG(icc_igrpen1_el1, 1);
    gic_sync();
}

/* Aff0 of the targets, one bit each. */
static inline void send_sgi(unsigned sgi, unsigned targets)
{
    __asm__ volatile("dsb ishst" ::: "memory");
    WRITE_SYSREG(icc_sgi1r_el1, (uint64_t)sgi << 24 | targets);
}

static inline void send_sgi_to_others(unsigned sgi)
{
    __asm__ volatile("dsb ishst" ::: "memory");
    WRITE_SYSREG(icc_sgi1r_el1, (uint64_t)sgi << 24 | 1ull << 40);
}

static inline unsigned acknowledge(void)
{
    const unsigned intid = (unsigned)READ_SYSREG(icc_iar1_el1);

    __asm__ volatile("dsb sy" ::: "memory");
    return intid;
}

#define END(intid) WRITE_SYSREG(icc_eoir1_el1, intid)

#endif
