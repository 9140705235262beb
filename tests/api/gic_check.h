/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A VM with a GIC, for the programs that test its headers. */
#ifndef TESTS_API_GIC_CHECK_H
#define TESTS_API_GIC_CHECK_H

#include "check.h"

#define GICD_BASE 0x8000000u
#define GICR_BASE 0x80a0000u
#define GICM_BASE 0x8020000u
#define MSI_FIRST 100u
#define MSI_COUNT 28u

/* Instructions that several tests use. */
#define HVC0           0xd4000002u
#define WFI            0xd503207fu
#define MOV_X9(n)      (0xd2800009u | (n) << 5)
#define MSR_PMR_X9     0xd5184609u
#define MSR_IGRPEN1_X9 0xd518cce9u
#define MRS_X0_IAR1    0xd538cc00u
#define MRS_X0_HPPIR1  0xd538cc40u
#define MSR_EOIR1_X0   0xd518cc20u
#define SUB_X1_X0_1023 0xd10ffc01u
#define CBZ_X1(words)  (0xb4000001u | ((uint32_t)(words)&0x7ffff) << 5)
#define OPEN           MOV_X9(0xf0), MSR_PMR_X9, MOV_X9(1), MSR_IGRPEN1_X9
/* Sleeps until there is something to acknowledge, acknowledges and ends it: its INTID is in X0. */
#define WAIT_FOR_ONE WFI, MRS_X0_IAR1, SUB_X1_X0_1023, CBZ_X1(-3), MSR_EOIR1_X0

static inline hv_gic_config_t gic_config(bool msi)
{
    hv_gic_config_t config = hv_gic_config_create();

    EXPECT(config != NULL);
    OK(hv_gic_config_set_distributor_base(config, GICD_BASE));
    OK(hv_gic_config_set_redistributor_base(config, GICR_BASE));
    if (msi) {
        OK(hv_gic_config_set_msi_region_base(config, GICM_BASE));
        OK(hv_gic_config_set_msi_interrupt_range(config, MSI_FIRST, MSI_COUNT));
    }
    return config;
}

static inline void vm_with_gic(void)
{
    hv_gic_config_t config = gic_config(true);

    OK(hv_vm_create(NULL));
    OK(hv_gic_create(config));
    os_release(config);
}

static inline void prepare(hv_vcpu_t vcpu, uint64_t mpidr)
{
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MPIDR_EL1, mpidr));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, PAGE));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
}

/* As machine_start(), with a GIC. Stop it with machine_stop(). */
static inline void gic_machine_start(struct machine *m, const uint32_t *words, size_t n)
{
    vm_with_gic();
    m->code = pages(1);
    memcpy(m->code, words, n * sizeof(words[0]));
    OK(hv_vm_map(m->code, PAGE, PAGE, RWX));
    OK(hv_vcpu_create(&m->vcpu, &m->exit, NULL));
    prepare(m->vcpu, 0);
}

/* INTID in Group 1, priority 0x80, enabled, for the vCPU with affinity 0. */
static inline void enable_spi(uint32_t intid, bool edge)
{
    const hv_gic_distributor_reg_t priority = (hv_gic_distributor_reg_t)(0x400 + intid / 4 * 4),
                                   config = (hv_gic_distributor_reg_t)(0xc00 + intid / 16 * 4);
    const uint64_t bit = 1ull << intid % 32;
    uint64_t value;

    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 0x12));
    OK(hv_gic_get_distributor_reg((hv_gic_distributor_reg_t)(0x80 + intid / 32 * 4), &value));
    OK(hv_gic_set_distributor_reg((hv_gic_distributor_reg_t)(0x80 + intid / 32 * 4), value | bit));
    OK(hv_gic_get_distributor_reg(priority, &value));
    OK(hv_gic_set_distributor_reg(priority, value | 0x80ull << intid % 4 * 8));
    OK(hv_gic_get_distributor_reg(config, &value));
    value &= ~(2ull << intid % 16 * 2);
    OK(hv_gic_set_distributor_reg(config, edge ? value | 2ull << intid % 16 * 2 : value));
    OK(hv_gic_set_distributor_reg((hv_gic_distributor_reg_t)(0x100 + intid / 32 * 4), bit));
}

static inline uint64_t gicd(uint32_t offset)
{
    uint64_t value = 0xdeadbeef;

    OK(hv_gic_get_distributor_reg((hv_gic_distributor_reg_t)offset, &value));
    return value;
}

static inline uint64_t gicr(hv_vcpu_t vcpu, uint32_t offset)
{
    uint64_t value = 0xdeadbeef;

    OK(hv_gic_get_redistributor_reg(vcpu, (hv_gic_redistributor_reg_t)offset, &value));
    return value;
}

static inline uint64_t icc(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg)
{
    uint64_t value = 0xdeadbeef;

    OK(hv_gic_get_icc_reg(vcpu, reg, &value));
    return value;
}

#define EXPECT_HVC(m)                                          \
    do {                                                       \
        EXPECT_EQ((m).exit->reason, HV_EXIT_REASON_EXCEPTION); \
        EXPECT_EQ((m).exit->exception.syndrome >> 26, 0x16);   \
    } while (0)

#endif
