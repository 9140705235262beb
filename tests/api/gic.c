/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* hv_gic.h: registers, interrupts, timers and waiting inside a run. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "gic_check.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- Registers --------------------------------------------------------------------------------------------------------------- */

TEST(without_a_gic_every_call_says_no_device)
{
    struct machine m;
    static const uint32_t code[] = {HVC0};
    uint64_t value;
    hv_ipa_t base;

    REFUSED(HV_NO_DEVICE, hv_gic_set_spi(40, true));
    machine_start(&m, code, 1);
    REFUSED(HV_NO_DEVICE, hv_gic_set_spi(40, true));
    REFUSED(HV_NO_DEVICE, hv_gic_send_msi(GICM_BASE + 0x40, 40));
    REFUSED(HV_NO_DEVICE, hv_gic_get_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, &value));
    REFUSED(HV_NO_DEVICE, hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 0));
    REFUSED(HV_NO_DEVICE, hv_gic_get_redistributor_base(m.vcpu, &base));
    REFUSED(HV_NO_DEVICE,
            hv_gic_get_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER, &value));
    REFUSED(HV_NO_DEVICE,
            hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, 0));
    REFUSED(HV_NO_DEVICE, hv_gic_get_icc_reg(m.vcpu, HV_GIC_ICC_REG_PMR_EL1, &value));
    REFUSED(HV_NO_DEVICE, hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_PMR_EL1, 0));
    REFUSED(HV_NO_DEVICE, hv_gic_get_ich_reg(m.vcpu, HV_GIC_ICH_REG_HCR_EL2, &value));
    REFUSED(HV_NO_DEVICE, hv_gic_get_icv_reg(m.vcpu, HV_GIC_ICV_REG_PMR_EL1, &value));
    REFUSED(HV_NO_DEVICE, hv_gic_get_msi_reg(HV_GIC_REG_GICM_TYPER, &value));
    REFUSED(HV_NO_DEVICE, hv_gic_set_msi_reg(HV_GIC_REG_GICM_SET_SPI_NSR, 0));
    REFUSED(HV_NO_DEVICE, hv_gic_reset());
    REFUSED(HV_NO_DEVICE, hv_gic_set_state(&value, sizeof(value)));
    EXPECT(hv_gic_state_create() == NULL);
    machine_stop(&m);
}

TEST(pfr0_says_that_there_is_a_gic)
{
    struct machine m;
    static const uint32_t code[] = {0xd5380400, HVC0}; /* mrs x0, id_aa64pfr0_el1 */
    uint64_t value = 0;

    gic_machine_start(&m, code, 2);
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ID_AA64PFR0_EL1, &value));
    EXPECT_EQ(value >> 24 & 15, 1);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(reg(&m, HV_REG_X0) >> 24 & 15, 1);
    machine_stop(&m);
    machine_start(&m, code, 2);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(reg(&m, HV_REG_X0) >> 24 & 15, 0);
    machine_stop(&m);
}

TEST(distributor_registers_from_the_host)
{
    vm_with_gic();
    EXPECT_EQ(gicd(0x0), 0x50);
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 0x12));
    EXPECT_EQ(gicd(0x0), 0x52);
    EXPECT_EQ(gicd(0x4) & 0x1f, 31);               /* 1020 INTIDs */
    EXPECT_EQ(gicd(0x4) >> 19 & 31, 15);           /* of 16 bits */
    EXPECT_EQ(gicd(0x4) & (1 << 10 | 1 << 17), 0); /* one security state, no LPIs */
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_ISENABLER1, 0x50));
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_ICENABLER1, 0x10));
    EXPECT_EQ(gicd(0x104), 0x40);
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_IPRIORITYR254, 0x12345678));
    EXPECT_EQ(gicd(0x400 + 4 * 254), 0x10305078); /* 5 bits each */
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_IROUTER1019, 0x10203));
    EXPECT_EQ(gicd(0x6000 + 8 * 1019), 0x10203);
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_IGROUPR31, 0xffffffff));
    EXPECT_EQ(gicd(0xfc), 0x0fffffff); /* INTID 1020 to 1023 are none */
    OK(hv_vm_destroy());
}

TEST(writes_to_read_only_and_banked_registers_are_ignored)
{
    static const uint16_t offsets[] = {0x4,   0xffe8, 0x80,  0x100, 0x180, 0x200, 0x280,
                                       0x300, 0x380,  0x400, 0x41c, 0xc00, 0xc04};
    uint64_t value = 0;

    vm_with_gic();
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        const uint64_t before = gicd(offsets[i]);
        OK(hv_gic_set_distributor_reg((hv_gic_distributor_reg_t)offsets[i], before + 1));
        EXPECT_EQ(gicd(offsets[i]), before);
    }
    OK(hv_gic_get_msi_reg(HV_GIC_REG_GICM_TYPER, &value));
    EXPECT_EQ(value, MSI_FIRST << 16 | MSI_COUNT);
    OK(hv_gic_set_msi_reg(HV_GIC_REG_GICM_TYPER, value + 1));
    OK(hv_gic_get_msi_reg(HV_GIC_REG_GICM_SET_SPI_NSR, &value));
    OK(hv_gic_set_msi_reg(HV_GIC_REG_GICM_SET_SPI_NSR, value + 1)); /* outside the range */
    OK(hv_vm_destroy());
}

TEST(what_is_no_register_is_refused)
{
    static const uint32_t gicd_offsets[] = {0x8, 0x2, 0x10, 0x800, 0xd00, 0x6000, 0x7fe0, 0x7fc};
    static const uint32_t gicr_offsets[] = {0x0, 0x4, 0x14, 0x10084, 0x10420, 0x20000};
    struct machine m;
    static const uint32_t code[] = {HVC0};
    uint64_t value;

    gic_machine_start(&m, code, 1);
    for (size_t i = 0; i < sizeof(gicd_offsets) / sizeof(gicd_offsets[0]); i++) {
        const hv_gic_distributor_reg_t r = (hv_gic_distributor_reg_t)gicd_offsets[i];
        REFUSED(HV_BAD_ARGUMENT, hv_gic_get_distributor_reg(r, &value));
        REFUSED(HV_BAD_ARGUMENT, hv_gic_set_distributor_reg(r, 0));
    }
    for (size_t i = 0; i < sizeof(gicr_offsets) / sizeof(gicr_offsets[0]); i++) {
        const hv_gic_redistributor_reg_t r = (hv_gic_redistributor_reg_t)gicr_offsets[i];
        REFUSED(HV_BAD_ARGUMENT, hv_gic_get_redistributor_reg(m.vcpu, r, &value));
        REFUSED(HV_BAD_ARGUMENT, hv_gic_set_redistributor_reg(m.vcpu, r, 0));
    }
    REFUSED(HV_BAD_ARGUMENT,
            hv_gic_get_icc_reg(m.vcpu, (hv_gic_icc_reg_t)0xc660, &value));             /* IAR1 */
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_icc_reg(m.vcpu, (hv_gic_icc_reg_t)0xc661, 0)); /* EOIR1 */
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_msi_reg((hv_gic_msi_reg_t)0xfcc, &value));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_msi_reg((hv_gic_msi_reg_t)0, 0));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, NULL));
    REFUSED(HV_BAD_ARGUMENT,
            hv_gic_get_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_icc_reg(m.vcpu, HV_GIC_ICC_REG_PMR_EL1, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_msi_reg(HV_GIC_REG_GICM_TYPER, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_redistributor_base(m.vcpu, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_get_icc_reg(m.vcpu + 1, HV_GIC_ICC_REG_PMR_EL1, &value));
    machine_stop(&m);
}

TEST(redistributor_registers_from_the_host)
{
    struct machine m;
    static const uint32_t code[] = {HVC0};

    gic_machine_start(&m, code, 1);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MPIDR_EL1, 0x8300020100ull | 0x80000004));
    EXPECT_EQ(gicr(m.vcpu, 0x8), 0x8302010400000010ull); /* affinity, Last */
    EXPECT_EQ(gicr(m.vcpu, 0xffe8), 0x3b);
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER, 0));
    EXPECT_EQ(gicr(m.vcpu, 0x8), 0x8302010400000010ull);
    EXPECT_EQ(gicr(m.vcpu, 0x10c00), 0xaaaaaaaa); /* SGIs are edges */
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ICFGR0, 0));
    EXPECT_EQ(gicr(m.vcpu, 0x10c00), 0xaaaaaaaa);
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0, 0x10020));
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ICPENDR0, 0x20));
    EXPECT_EQ(gicr(m.vcpu, 0x10200), 0x10000);
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR7, 0xffffffff));
    EXPECT_EQ(gicr(m.vcpu, 0x1041c), 0xf8f8f8f8);
    machine_stop(&m);
}

TEST(cpu_interface_has_5_priority_bits_and_16_bit_intids)
{
    struct machine m;
    static const uint32_t code[] = {HVC0};

    gic_machine_start(&m, code, 1);
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_CTLR_EL1), 0x40400);
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_SRE_EL1), 7);
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_RPR_EL1), 0xff);
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_PMR_EL1), 0);
    OK(hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_PMR_EL1, 0xff));
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_PMR_EL1), 0xf8);
    OK(hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_BPR0_EL1, 0));
    OK(hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_BPR1_EL1, 0));
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_BPR0_EL1), 2);
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_BPR1_EL1), 3);
    OK(hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_AP1R0_EL1, 0x10100));
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_RPR_EL1), 0x40); /* it follows */
    machine_stop(&m);
}

TEST(cpu_interface_registers_take_what_they_gave)
{
    static const hv_gic_icc_reg_t regs[] = {
        HV_GIC_ICC_REG_PMR_EL1,   HV_GIC_ICC_REG_BPR0_EL1,    HV_GIC_ICC_REG_AP0R0_EL1,
        HV_GIC_ICC_REG_AP1R0_EL1, HV_GIC_ICC_REG_BPR1_EL1,    HV_GIC_ICC_REG_CTLR_EL1,
        HV_GIC_ICC_REG_SRE_EL1,   HV_GIC_ICC_REG_IGRPEN0_EL1, HV_GIC_ICC_REG_IGRPEN1_EL1};
    struct machine m;
    static const uint32_t code[] = {HVC0};
    uint64_t value;

    gic_machine_start(&m, code, 1);
    for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        const uint64_t before = icc(m.vcpu, regs[i]);
        OK(hv_gic_set_icc_reg(m.vcpu, regs[i], before));
        EXPECT_EQ(icc(m.vcpu, regs[i]), before);
    }
    REFUSED(HV_DENIED, hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_RPR_EL1, 0xff));
    REFUSED(HV_UNSUPPORTED, hv_gic_get_icc_reg(m.vcpu, HV_GIC_ICC_REG_SRE_EL2, &value));
    REFUSED(HV_UNSUPPORTED, hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_SRE_EL2, 7));
    machine_stop(&m);
}

TEST(virtual_interface_needs_el2)
{
    struct machine m;
    static const uint32_t code[] = {HVC0};
    uint64_t value;

    gic_machine_start(&m, code, 1);
    REFUSED(HV_UNSUPPORTED, hv_gic_get_ich_reg(m.vcpu, HV_GIC_ICH_REG_HCR_EL2, &value));
    REFUSED(HV_UNSUPPORTED, hv_gic_set_ich_reg(m.vcpu, HV_GIC_ICH_REG_LR0_EL2, 0));
    REFUSED(HV_UNSUPPORTED, hv_gic_get_icv_reg(m.vcpu, HV_GIC_ICV_REG_PMR_EL1, &value));
    REFUSED(HV_UNSUPPORTED, hv_gic_set_icv_reg(m.vcpu, HV_GIC_ICV_REG_PMR_EL1, 0));
    machine_stop(&m);
}

/* --- Frames ------------------------------------------------------------------------------------------------------------------ */

TEST(guest_accesses_to_the_frames_do_not_exit)
{
    static const uint32_t code[] = {
        0xb9400140, /* ldr w0, [x10] */
        0xf9400161, /* ldr x1, [x11] */
        0xb80045ac, /* str w12, [x13], #4: no syndrome would describe it */
        0x394001c2, /* ldrb w2, [x14] */
        0x29401143, /* ldp w3, w4, [x10] */
        0xd50b7e2a, /* dc civac, x10: nothing to do */
        HVC0,
    };
    struct machine m;

    gic_machine_start(&m, code, 7);
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 2));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X10, GICD_BASE));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X11, GICR_BASE + 8));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X12, 0x88776655));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X13, GICD_BASE + 0x420));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X14, GICD_BASE + 0x421));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0x52);
    EXPECT_EQ(reg(&m, HV_REG_X1), 0x10);
    EXPECT_EQ(reg(&m, HV_REG_X13), GICD_BASE + 0x424);
    EXPECT_EQ(gicd(0x420), 0x88706050);
    EXPECT_EQ(reg(&m, HV_REG_X2), 0x60);
    EXPECT_EQ(reg(&m, HV_REG_X3), 0x52);
    EXPECT_EQ(reg(&m, HV_REG_X4), gicd(4));
    machine_stop(&m);
}

TEST(what_a_frame_cannot_do_aborts_in_the_guest)
{
    static const uint32_t code[] = {
        0x885f7d40, /* ldxr w0, [x10] */
        0xd61f0140, /* br x10 */
    };
    struct machine m;
    uint64_t esr = 0;

    /* Both take an exception to the vector at 0x4200 + ..., which makes a call. */
    gic_machine_start(&m, code, 2);
    m.code[0x200 / 4] = HVC0;
    m.code[(0x200 + 0x800) / 4] = HVC0;
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, PAGE));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X10, GICD_BASE));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ESR_EL1, &esr));
    EXPECT_EQ(esr, 0x96000010); /* synchronous External abort */
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ESR_EL1, &esr));
    EXPECT_EQ(esr, 0x86000010);
    machine_stop(&m);
}

TEST(only_frames_of_living_vcpus_are_claimed)
{
    static const uint32_t code[] = {0xb9400140, HVC0}; /* ldr w0, [x10] */
    struct machine m;

    gic_machine_start(&m, code, 2);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X10, GICR_BASE + 0x20000));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x24);
    EXPECT_EQ(m.exit->exception.physical_address, GICR_BASE + 0x20000);
    machine_stop(&m);
}

static pthread_barrier_t meet;

static void *come_and_go(void *argument)
{
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;

    (void)argument;
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    pthread_barrier_wait(&meet);
    pthread_barrier_wait(&meet);
    OK(hv_vcpu_destroy(vcpu));
    return NULL;
}

/* Where there was nothing, often enough to be known. */
TEST(a_frame_that_comes_is_found_and_one_that_goes_is_not)
{
    static const uint32_t code[] = {0xb9400140, HVC0}; /* ldr w0, [x10] */
    const uint64_t block = 0x701;                      /* 1 GiB of Normal memory */
    struct machine m;

    gic_machine_start(&m, code, 2);
    pthread_barrier_init(&meet, NULL, 2);
    memcpy(&m.code[0x1000 / 4], &block, sizeof(block));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MAIR_EL1, 0xff));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_TCR_EL1, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_TTBR0_EL1, PAGE + 0x1000));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_SCTLR_EL1, 0x30d00800 | 1 | 1 << 2 | 1 << 12));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X10, GICR_BASE + 0x20008)); /* GICR_TYPER of another */
    for (unsigned round = 0; round < 3; round++) {
        pthread_t thread;
        for (unsigned i = 0; i < 20; i++) {
            OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
            OK(hv_vcpu_run(m.vcpu));
            EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x24);
            EXPECT_EQ(m.exit->exception.physical_address, GICR_BASE + 0x20008);
        }
        pthread_create(&thread, NULL, come_and_go, NULL);
        pthread_barrier_wait(&meet);
        for (unsigned i = 0; i < 20; i++) {
            OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
            OK(hv_vcpu_run(m.vcpu));
            EXPECT_HVC(m);
        }
        pthread_barrier_wait(&meet);
        pthread_join(thread, NULL);
    }
    pthread_barrier_destroy(&meet);
    machine_stop(&m);
}

/* --- Interrupts -------------------------------------------------------------------------------------------------------------- */

TEST(spis_and_msis_check_their_intids)
{
    vm_with_gic();
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_spi(31, true));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_spi(1020, true));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_spi(0xffffffff, true));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_spi(MSI_FIRST, true));
    OK(hv_gic_set_spi(MSI_FIRST - 1, true));
    OK(hv_gic_set_spi(MSI_FIRST + MSI_COUNT, true));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_send_msi(GICM_BASE + 0x40, MSI_FIRST - 1));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_send_msi(GICM_BASE + 0x40, MSI_FIRST + MSI_COUNT));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_send_msi(GICM_BASE, MSI_FIRST));
    OK(hv_gic_send_msi(GICM_BASE + 0x40, MSI_FIRST));
    EXPECT_EQ(gicd(0x200 + MSI_FIRST / 32 * 4), 1u << MSI_FIRST % 32 | 1u << (MSI_FIRST - 1) % 32);
    OK(hv_vm_destroy());
}

TEST(a_level_is_followed_and_an_edge_is_kept)
{
    vm_with_gic();
    enable_spi(40, false);
    enable_spi(41, true);
    OK(hv_gic_set_spi(40, true));
    OK(hv_gic_set_spi(41, true));
    EXPECT_EQ(gicd(0x204), 0x300);
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_ICPENDR1, 0x300));
    EXPECT_EQ(gicd(0x204), 0x100); /* the level holds it */
    OK(hv_gic_set_spi(41, true));
    OK(hv_gic_set_spi(40, false));
    OK(hv_gic_set_spi(41, false));
    EXPECT_EQ(gicd(0x204), 0x200);
    OK(hv_vm_destroy());
}

TEST(spi_is_taken_as_irq)
{
    static const uint32_t code[] = {OPEN, 0xd50342ff, WFI, 0x17ffffff}; /* msr daifclr, #2; b -4 */
    struct machine m;

    gic_machine_start(&m, code, 7);
    m.code[0x280 / 4] = HVC0;
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, PAGE));
    enable_spi(40, false);
    OK(hv_gic_set_spi(40, true));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 0x284);
    machine_stop(&m);
}

static _Atomic uint64_t raised_ns;

static void *raise_later(void *argument)
{
    usleep(30000);
    atomic_store(&raised_ns, clock_ns(CLOCK_MONOTONIC));
    OK(hv_gic_set_spi(*(const uint32_t *)argument, true));
    return NULL;
}

TEST(set_spi_from_another_thread_wakes_a_parked_vcpu)
{
    static const uint32_t code[] = {OPEN, WAIT_FOR_ONE, HVC0};
    uint32_t intid = 40;
    struct machine m;
    pthread_t thread;

    gic_machine_start(&m, code, 10);
    enable_spi(intid, true);
    pthread_create(&thread, NULL, raise_later, &intid);
    OK(hv_vcpu_run(m.vcpu));
    printf("# %llu us from hv_gic_set_spi to the guest's answer\n",
           (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - atomic_load(&raised_ns)) / 1000);
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_X0), intid);
    pthread_join(thread, NULL);
    EXPECT_EQ(gicd(0x204), 0);
    EXPECT_EQ(gicd(0x304), 0);
    machine_stop(&m);
}

TEST(set_spi_from_another_thread_reaches_a_spinning_vcpu)
{
    static const uint32_t code[] = {OPEN, MRS_X0_IAR1, SUB_X1_X0_1023, CBZ_X1(-2), HVC0};
    uint32_t intid = 1019;
    struct machine m;
    pthread_t thread;

    gic_machine_start(&m, code, 8);
    enable_spi(intid, false);
    pthread_create(&thread, NULL, raise_later, &intid);
    OK(hv_vcpu_run(m.vcpu));
    printf("# %llu us from hv_gic_set_spi to the guest's answer\n",
           (unsigned long long)(clock_ns(CLOCK_MONOTONIC) - atomic_load(&raised_ns)) / 1000);
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_X0), intid);
    pthread_join(thread, NULL);
    machine_stop(&m);
}

TEST(messages_come_from_host_and_guest)
{
    static const uint32_t code[] = {
        OPEN,         WAIT_FOR_ONE, HVC0, 0xb900016c, /* str w12, [x11] */
        WAIT_FOR_ONE, HVC0,
    };
    struct machine m;

    gic_machine_start(&m, code, 17);
    enable_spi(MSI_FIRST, true);
    enable_spi(MSI_FIRST + MSI_COUNT - 1, true);
    OK(hv_gic_send_msi(GICM_BASE + 0x40, MSI_FIRST));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_X0), MSI_FIRST);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X11, GICM_BASE + 0x40));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X12, MSI_FIRST + MSI_COUNT - 1));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_X0), MSI_FIRST + MSI_COUNT - 1);
    machine_stop(&m);
}

TEST(a_stray_end_of_interrupt_is_ignored)
{
    static const uint32_t code[] = {OPEN, MSR_EOIR1_X0, HVC0};
    static const uint64_t intids[] = {0, 27, 40, 1019, 1020, 1023, 5000, UINT64_MAX};
    struct machine m;

    gic_machine_start(&m, code, 6);
    for (size_t i = 0; i < sizeof(intids) / sizeof(intids[0]); i++) {
        prepare(m.vcpu, 0);
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, intids[i]));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_HVC(m);
        EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_RPR_EL1), 0xff);
    }
    machine_stop(&m);
}

/* --- Waiting and time -------------------------------------------------------------------------------------------------------- */

static hv_vcpu_t parked;

static void *kick_later(void *argument)
{
    (void)argument;
    usleep(300000);
    OK(hv_vcpus_exit(&parked, 1));
    return NULL;
}

TEST(a_parked_vcpu_is_cancelled_and_costs_nothing)
{
    static const uint32_t code[] = {WFI, 0x17ffffff};
    struct machine m;
    pthread_t thread;

    gic_machine_start(&m, code, 2);
    parked = m.vcpu;
    pthread_create(&thread, NULL, kick_later, NULL);
    const uint64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID), start = clock_ns(CLOCK_MONOTONIC);
    OK(hv_vcpu_run(m.vcpu));
    const uint64_t used = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before,
                   passed = clock_ns(CLOCK_MONOTONIC) - start;
    pthread_join(thread, NULL);
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_CANCELED);
    EXPECT_EQ(m.exit->exception.syndrome, 0);
    EXPECT(passed >= 200000000);
    EXPECT(used * 100 < passed);
    uint64_t ticks = UINT64_MAX;
    OK(hv_vcpu_get_exec_time(m.vcpu, &ticks));
    EXPECT(ticks < 24000 * 150); /* waiting is no execution */
    printf("# %llu us of CPU time in %llu us\n", (unsigned long long)used / 1000,
           (unsigned long long)passed / 1000);
    machine_stop(&m);
}

static void timer_in_wfi(const uint32_t *code, size_t n, unsigned intid, uint64_t delay)
{
    struct machine m;

    gic_machine_start(&m, code, n);
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 2));
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0, 0xffffffff));
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, 1u << intid));
    OK(hv_vcpu_set_vtimer_offset(m.vcpu, 123456789));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X10, delay));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m); /* never VTIMER_ACTIVATED */
    EXPECT_EQ(reg(&m, HV_REG_X0), intid);
    EXPECT_EQ(gicr(m.vcpu, 0x10200), 1u << intid); /* a level: still there */
    EXPECT(reg(&m, HV_REG_X1) >= reg(&m, HV_REG_X2));
    printf("# %llu ticks of 41.7 ns late\n",
           (unsigned long long)(reg(&m, HV_REG_X1) - reg(&m, HV_REG_X2)));
    machine_stop(&m);
}

TEST(virtual_timer_is_injected_inside)
{
    static const uint32_t code[] = {
        OPEN,       0xd53be049,    0x8b0a0129, /* mrs x9, cntvct_el0; add x9, x9, x10 */
        0xd51be349, MOV_X9(1),     0xd51be329, /* cntv_cval_el0, cntv_ctl_el0 */
        WFI,        MRS_X0_HPPIR1, SUB_X1_X0_1023, CBZ_X1(-3),
        0xd53be041, 0xd53be342,    HVC0, /* mrs x1, cntvct_el0; mrs x2, cntv_cval_el0 */
    };
    timer_in_wfi(code, sizeof(code) / sizeof(code[0]), 27, 24000);
    timer_in_wfi(code, sizeof(code) / sizeof(code[0]), 27, 0);
}

TEST(physical_timer_is_injected_inside)
{
    static const uint32_t code[] = {
        OPEN,       0xd53be029,    0x8b0a0129, /* mrs x9, cntpct_el0; add x9, x9, x10 */
        0xd51be249, MOV_X9(1),     0xd51be229, /* cntp_cval_el0, cntp_ctl_el0 */
        WFI,        MRS_X0_HPPIR1, SUB_X1_X0_1023, CBZ_X1(-3),
        0xd53be021, 0xd53be242,    HVC0, /* mrs x1, cntpct_el0; mrs x2, cntp_cval_el0 */
    };
    timer_in_wfi(code, sizeof(code) / sizeof(code[0]), 30, 24000);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* How late is said, not judged: that is the machine's load. Early would be wrong. */
TEST(a_millisecond_timer_comes_in_time)
{
    static const uint32_t code[] = {
        OPEN,       0xd53be049,   0x8b0a0129, /* mrs x9, cntvct_el0; add x9, x9, x10 */
        0xd51be349, MOV_X9(1),    0xd51be329, /* cntv_cval_el0, cntv_ctl_el0 */
        WFI,        MRS_X0_IAR1,  SUB_X1_X0_1023,
        CBZ_X1(-3), 0xd53be041,   0xd53be342, /* mrs x1, cntvct_el0; mrs x2, cntv_cval_el0 */
        0xd51be33f, MSR_EOIR1_X0,             /* msr cntv_ctl_el0, xzr */
        0xcb020021, 0xf8008561,               /* sub x1, x1, x2; str x1, [x11], #8 */
        0xd100058c, 0xb5fffe0c,   HVC0,       /* sub x12, x12, #1; cbnz x12, -16 instructions */
    };
    enum { TIMES = 201 };
    struct machine m;
    uint64_t late[TIMES];
    uint8_t *const data = pages(1);

    gic_machine_start(&m, code, sizeof(code) / sizeof(code[0]));
    OK(hv_vm_map(data, 2 * PAGE, PAGE, RWX));
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 2));
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0, 0xffffffff));
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, 1u << 27));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X10, 24000));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X11, 2 * PAGE));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X12, TIMES));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    memcpy(late, data, sizeof(late));
    qsort(late, TIMES, sizeof(late[0]), by_value);
    EXPECT(late[TIMES - 1] < 1ull << 63); /* negative: early */
    printf("# late by %llu us (median), %llu us (most)\n", (unsigned long long)late[TIMES / 2] / 24,
           (unsigned long long)late[TIMES - 1] / 24);
    machine_stop(&m);
    OK(hv_vm_deallocate(data, PAGE));
}

TEST(timer_registers_from_the_host_with_a_gic)
{
    static const uint32_t code[] = {OPEN, WAIT_FOR_ONE, HVC0};
    struct machine m;

    gic_machine_start(&m, code, 10);
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 2));
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0, 0xffffffff));
    OK(hv_gic_set_redistributor_reg(m.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, 1u << 30));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTP_CVAL_EL0, 0));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTP_CTL_EL0, 1));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_X0), 30);
    machine_stop(&m);
}

/* --- Many vCPUs -------------------------------------------------------------------------------------------------------------- */

#define MANY 64

static _Atomic unsigned created, woken, waiting;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;

/* In turn, so that the order of creation is known; affinities in the opposite order. */
static void *one_of_many(void *argument)
{
    const unsigned n = (unsigned)(uintptr_t)argument;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
    hv_ipa_t base = 0;
    uint64_t x0 = 0;

    pthread_mutex_lock(&turn);
    while (atomic_load(&created) != n) {
        pthread_cond_wait(&turned, &turn);
    }
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    prepare(vcpu, (MANY - 1 - n) / 16 << 8 | (MANY - 1 - n) % 16);
    OK(hv_gic_get_redistributor_base(vcpu, &base));
    EXPECT_EQ(base, GICR_BASE + n * 0x20000ull);
    EXPECT_EQ(gicr(vcpu, 0x8) >> 8 & 0xffff, n);
    EXPECT_EQ(gicr(vcpu, 0x8) >> 4 & 1, 1); /* the last so far */
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IGROUPR0, 0xffffffff));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, 0xffff));
    atomic_fetch_add(&created, 1);
    pthread_cond_broadcast(&turned);
    while (atomic_load(&created) != MANY) {
        pthread_cond_wait(&turned, &turn);
    }
    pthread_mutex_unlock(&turn);
    EXPECT_EQ(gicr(vcpu, 0x8) >> 4 & 1, n == MANY - 1);
    if (n == 0) {
        /* All others first. SGI 5, to all others. */
        while (atomic_load(&waiting) != MANY - 1) {
            usleep(1000);
        }
        OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, PAGE + 0x100));
        OK(hv_vcpu_set_reg(vcpu, HV_REG_X10, 5u << 24 | 1ull << 40));
        OK(hv_vcpu_run(vcpu));
        EXPECT_EQ(exit->exception.syndrome >> 26, 0x16);
        EXPECT_EQ(gicr(vcpu, 0x10200), 0);
    } else {
        atomic_fetch_add(&waiting, 1);
        OK(hv_vcpu_run(vcpu));
        EXPECT_EQ(exit->exception.syndrome >> 26, 0x16);
        OK(hv_vcpu_get_reg(vcpu, HV_REG_X0, &x0));
        EXPECT_EQ(x0, 5);
    }
    atomic_fetch_add(&woken, 1);
    OK(hv_vcpu_destroy(vcpu));
    return NULL;
}

TEST(sixty_four_vcpus_lie_in_the_order_of_creation_and_get_a_broadcast)
{
    static const uint32_t code[] = {OPEN, WAIT_FOR_ONE, HVC0};
    static const uint32_t send[] = {0xd518cbaa, HVC0}; /* msr icc_sgi1r_el1, x10 */
    pthread_t threads[MANY];
    uint32_t *const p = pages(1);

    atomic_store(&created, 0);
    atomic_store(&waiting, 0);
    atomic_store(&woken, 0);
    memcpy(p, code, sizeof(code));
    memcpy(p + 0x100 / 4, send, sizeof(send));
    vm_with_gic();
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 2));
    OK(hv_vm_map(p, PAGE, PAGE, RWX));
    for (uintptr_t i = 0; i < MANY; i++) {
        EXPECT_EQ(pthread_create(&threads[i], NULL, one_of_many, (void *)i), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_EQ(atomic_load(&woken), MANY);
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, PAGE));
}

static struct machine shared;
static hv_return_t from_elsewhere;

static void *touch(void *argument)
{
    uint64_t value;

    (void)argument;
    from_elsewhere = hv_gic_get_redistributor_reg(shared.vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_TYPER,
                                                  &value);
    return NULL;
}

TEST(a_vcpus_registers_are_for_its_own_thread)
{
    static const uint32_t code[] = {HVC0};
    pthread_t thread;

    gic_machine_start(&shared, code, 1);
    pthread_create(&thread, NULL, touch, NULL);
    pthread_join(thread, NULL);
    REFUSED(HV_BAD_ARGUMENT, from_elsewhere);
    machine_stop(&shared);
}

MAIN(T(without_a_gic_every_call_says_no_device), T(pfr0_says_that_there_is_a_gic),
     T(distributor_registers_from_the_host),
     T(writes_to_read_only_and_banked_registers_are_ignored), T(what_is_no_register_is_refused),
     T(redistributor_registers_from_the_host),
     T(cpu_interface_has_5_priority_bits_and_16_bit_intids),
     T(cpu_interface_registers_take_what_they_gave), T(virtual_interface_needs_el2),
     T(guest_accesses_to_the_frames_do_not_exit), T(what_a_frame_cannot_do_aborts_in_the_guest),
     T(only_frames_of_living_vcpus_are_claimed),
     T(a_frame_that_comes_is_found_and_one_that_goes_is_not), T(spis_and_msis_check_their_intids),
     T(a_level_is_followed_and_an_edge_is_kept), T(spi_is_taken_as_irq),
     T(set_spi_from_another_thread_wakes_a_parked_vcpu),
     T(set_spi_from_another_thread_reaches_a_spinning_vcpu), T(messages_come_from_host_and_guest),
     T(a_stray_end_of_interrupt_is_ignored), T(a_parked_vcpu_is_cancelled_and_costs_nothing),
     T(virtual_timer_is_injected_inside), T(physical_timer_is_injected_inside),
     T(a_millisecond_timer_comes_in_time), T(timer_registers_from_the_host_with_a_gic),
     T(sixty_four_vcpus_lie_in_the_order_of_creation_and_get_a_broadcast),
     T(a_vcpus_registers_are_for_its_own_thread))
