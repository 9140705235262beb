/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* gic.h: what a VM with a GIC offers, and that no other does. */
#include <pthread.h>
#include <stdatomic.h>

#include "av_check.h"

#if APPLEVISOR_MACOS >= 150000

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { GICD = 0x10000000, GICR = 0x20000000, GICM = 0x30000000, MSI_FIRST = 100, MSI_COUNT = 20 };

static av_gic_config *configured(void)
{
    av_gic_config *config = NULL;

    OK(av_gic_config_create(&config));
    OK(av_gic_config_set_distributor_base(config, GICD));
    OK(av_gic_config_set_redistributor_base(config, GICR));
    OK(av_gic_config_set_msi_region_base(config, GICM));
    OK(av_gic_config_set_msi_interrupt_range(config, MSI_FIRST, MSI_COUNT));
    return config;
}

static av_gic *gic_of_test(av_vm **vm)
{
    av_gic *gic = NULL;
    AV_AUTO(av_gic_config) config = configured();

    OK(av_vm_create_with_gic(vm, &gic, NULL, config));
    return gic;
}

/* --- Constants and configurations -------------------------------------------------------------------------------------------- */

TEST(constants_are_told_without_a_vm)
{
    static const struct {
        av_error (*get)(size_t *);
        size_t value;
    } constants[] = {
        {av_gic_get_distributor_size, 0x10000},
        {av_gic_get_distributor_base_alignment, 0x10000},
        {av_gic_get_redistributor_size, 0x20000},
        {av_gic_get_redistributor_region_size, 0x2000000},
        {av_gic_get_redistributor_base_alignment, 0x10000},
        {av_gic_get_msi_region_size, 0x10000},
        {av_gic_get_msi_region_base_alignment, 0x10000},
    };
    static const hv_gic_intid_t reserved[] = {
        HV_GIC_INT_PERFORMANCE_MONITOR, HV_GIC_INT_MAINTENANCE, HV_GIC_INT_EL2_PHYSICAL_TIMER,
        HV_GIC_INT_EL1_VIRTUAL_TIMER, HV_GIC_INT_EL1_PHYSICAL_TIMER};
    uint32_t base = 0, count = 0;
    for (size_t i = 0; i < COUNT(constants); i++) {
        size_t value = 0;
        OK(constants[i].get(&value));
        EXPECT_EQ(value, constants[i].value);
        EXPECT_EQ(constants[i].get(NULL), AV_ERROR_NULL_ARGUMENT);
    }
    OK(av_gic_get_spi_interrupt_range(&base, &count));
    EXPECT_EQ(base, 32);
    EXPECT_EQ(count, 988);
    for (size_t i = 0; i < COUNT(reserved); i++) {
        uint32_t intid = 0;
        OK(av_gic_get_intid(reserved[i], &intid));
        EXPECT_EQ(intid, reserved[i]);
    }
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_get_intid(24, &base));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_intid(27, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_spi_interrupt_range(NULL, &count));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_spi_interrupt_range(&base, NULL));
}

TEST(bases_have_to_be_aligned_and_may_not_reach_the_end)
{
    static const struct {
        av_error (*set)(av_gic_config *, hv_ipa_t);
        av_error (*size)(size_t *);
        av_error (*alignment)(size_t *);
    } regions[] = {
        {av_gic_config_set_distributor_base, av_gic_get_distributor_size,
         av_gic_get_distributor_base_alignment},
        {av_gic_config_set_redistributor_base, av_gic_get_redistributor_region_size,
         av_gic_get_redistributor_base_alignment},
        {av_gic_config_set_msi_region_base, av_gic_get_msi_region_size,
         av_gic_get_msi_region_base_alignment},
    };
    AV_AUTO(av_gic_config) config = NULL;
    OK(av_gic_config_create(&config));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_config_create(NULL));
    for (size_t i = 0; i < COUNT(regions); i++) {
        size_t size = 0, alignment = 0;
        OK(regions[i].size(&size));
        OK(regions[i].alignment(&alignment));
        EXPECT_EQ(regions[i].set(config, alignment / 2), AV_ERROR_MISALIGNED);
        EXPECT_EQ(regions[i].set(config, -(hv_ipa_t)size), AV_ERROR_OUT_OF_RANGE);
        EXPECT_EQ(regions[i].set(config, -(hv_ipa_t)alignment), AV_ERROR_OUT_OF_RANGE);
        EXPECT_EQ(regions[i].set(config, -(hv_ipa_t)(size + alignment)), AV_OK);
        EXPECT_EQ(regions[i].set(NULL, 0), AV_ERROR_NULL_ARGUMENT);
    }
}

TEST(the_msi_range_has_to_lie_in_the_spis)
{
    AV_AUTO(av_gic_config) config = NULL;
    uint32_t base = 0, count = 0;
    OK(av_gic_config_create(&config));
    OK(av_gic_get_spi_interrupt_range(&base, &count));
    OK(av_gic_config_set_msi_interrupt_range(config, base, count));
    OK(av_gic_config_set_msi_interrupt_range(config, base + count - 1, 1));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_config_set_msi_interrupt_range(config, 0, UINT32_MAX));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_config_set_msi_interrupt_range(config, base - 1, 2));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_config_set_msi_interrupt_range(config, base, count + 1));
    FAILS(AV_ERROR_OUT_OF_RANGE,
          av_gic_config_set_msi_interrupt_range(config, base + 1, UINT32_MAX));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_config_set_msi_interrupt_range(config, UINT32_MAX, 2));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_config_set_msi_interrupt_range(NULL, base, 1));
}

/* --- VMs ---------------------------------------------------------------------------------------------------------------------- */

TEST(an_untouched_configuration_is_refused_and_leaves_no_vm)
{
    AV_AUTO(av_gic_config) config = NULL;
    av_vm *vm = NULL;
    av_gic *gic = NULL;
    OK(av_gic_config_create(&config));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vm_create_with_gic(&vm, &gic, NULL, config));
    EXPECT(vm == NULL && gic == NULL);
    EXPECT(has_no_vm());
    OK(av_gic_config_set_redistributor_base(config, 0x20000));
    OK(av_vm_create_with_gic(&vm, &gic, NULL, config));
    EXPECT(av_gic_vm(gic) == vm);
    av_vm_unref(vm);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_create_with_gic(&vm, &gic, NULL, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_create_with_gic(NULL, &gic, NULL, config));
}

TEST(only_a_vm_with_a_gic_gives_one_out)
{
    av_vm *vm = NULL;
    av_gic *gic = NULL;
    OK(av_vm_create(&vm));
    FAILS(AV_ERROR_NO_GIC, av_vm_get_gic(vm, &gic));
    EXPECT_EQ((uint32_t)av_error_raw(), (uint32_t)HV_NO_DEVICE);
    EXPECT(gic == NULL);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_get_gic(NULL, &gic));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_get_gic(vm, NULL));
    av_vm_unref(vm);
    av_gic *const created = gic_of_test(&vm);
    OK(av_vm_get_gic(vm, &gic));
    EXPECT(gic == created && gic != NULL);
    av_vm_unref(vm);
    AV_AUTO(av_gic_config) config = configured();
    OK(av_vm_create_with_gic(&vm, NULL, NULL, config));
    av_vm_unref(vm);
}

/* --- Interrupts -------------------------------------------------------------------------------------------------------------- */

TEST(spis_and_msis_are_checked)
{
    AV_AUTO(av_vm) vm = NULL;
    av_gic *const gic = gic_of_test(&vm);
    OK(av_gic_reset(gic));
    for (uint32_t intid = 0; intid < 1024; intid++) {
        const bool is_spi = intid >= 32 && intid < 1020;
        const bool is_msi = intid >= MSI_FIRST && intid < MSI_FIRST + MSI_COUNT;
        EXPECT_EQ(av_gic_set_spi(gic, intid, false),
                  is_spi && !is_msi ? AV_OK : AV_ERROR_OUT_OF_RANGE);
        EXPECT_EQ(av_gic_send_msi(gic, GICM + 0x40, intid), is_msi ? AV_OK : AV_ERROR_OUT_OF_RANGE);
    }
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_send_msi(gic, GICM + 0x40, MSI_FIRST - 1));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_send_msi(gic, GICM + 0x44, MSI_FIRST));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_set_spi(gic, MSI_FIRST, true));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_set_spi(gic, UINT32_MAX, true));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_set_spi(NULL, 50, true));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_send_msi(NULL, GICM + 0x40, MSI_FIRST));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_reset(NULL));
}

TEST(without_an_msi_region_there_are_no_msis)
{
    AV_AUTO(av_gic_config) config = NULL;
    AV_AUTO(av_vm) vm = NULL;
    av_gic *gic = NULL;
    OK(av_gic_config_create(&config));
    OK(av_gic_config_set_redistributor_base(config, GICR));
    OK(av_vm_create_with_gic(&vm, &gic, NULL, config));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_gic_send_msi(gic, 0x40, 40));
}

static unsigned pending_spis(const av_gic *gic)
{
    uint64_t value = 0;
    OK(av_gic_get_distributor_reg(gic, HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR1, &value));
    return (unsigned)value;
}

TEST(each_vm_has_a_gic_of_its_own)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_vm) other_vm = NULL;
    AV_AUTO(av_vm) plain = NULL;
    AV_AUTO(av_gic_config) config = configured();
    av_gic *other = NULL;
    av_gic *const gic = gic_of_test(&vm);
    OK(av_vm_create_independent(&other_vm, NULL, config));
    OK(av_vm_get_gic(other_vm, &other));
    EXPECT(other != gic);
    OK(av_gic_set_spi(gic, 33, true));
    EXPECT_EQ(pending_spis(gic), 1u << 1);
    EXPECT_EQ(pending_spis(other), 0);
    OK(av_gic_set_spi(other, 34, true));
    EXPECT_EQ(pending_spis(gic), 1u << 1);
    EXPECT_EQ(pending_spis(other), 1u << 2);
    OK(av_vm_create_independent(&plain, NULL, NULL));
    FAILS(AV_ERROR_NO_GIC, av_vm_get_gic(plain, &other));
}

/* --- Registers --------------------------------------------------------------------------------------------------------------- */

TEST(distributor_and_msi_registers_accept_writes_where_they_are_read_only)
{
    static const hv_gic_distributor_reg_t regs[] = {
        HV_GIC_DISTRIBUTOR_REG_GICD_TYPER,       HV_GIC_DISTRIBUTOR_REG_GICD_PIDR2,
        HV_GIC_DISTRIBUTOR_REG_GICD_IGROUPR0,    HV_GIC_DISTRIBUTOR_REG_GICD_ISENABLER0,
        HV_GIC_DISTRIBUTOR_REG_GICD_ICENABLER0,  HV_GIC_DISTRIBUTOR_REG_GICD_ISPENDR0,
        HV_GIC_DISTRIBUTOR_REG_GICD_ICPENDR0,    HV_GIC_DISTRIBUTOR_REG_GICD_ISACTIVER0,
        HV_GIC_DISTRIBUTOR_REG_GICD_ICACTIVER0,  HV_GIC_DISTRIBUTOR_REG_GICD_IPRIORITYR0,
        HV_GIC_DISTRIBUTOR_REG_GICD_IPRIORITYR7, HV_GIC_DISTRIBUTOR_REG_GICD_ICFGR0,
        HV_GIC_DISTRIBUTOR_REG_GICD_ICFGR1};
    static const hv_gic_msi_reg_t msi_regs[] = {HV_GIC_REG_GICM_TYPER, HV_GIC_REG_GICM_SET_SPI_NSR};
    AV_AUTO(av_vm) vm = NULL;
    av_gic *const gic = gic_of_test(&vm);
    uint64_t value = 0;
    for (size_t i = 0; i < COUNT(regs); i++) {
        OK(av_gic_get_distributor_reg(gic, regs[i], &value));
        OK(av_gic_set_distributor_reg(gic, regs[i], value + 1));
    }
    for (size_t i = 0; i < COUNT(msi_regs); i++) {
        OK(av_gic_get_msi_reg(gic, msi_regs[i], &value));
        OK(av_gic_set_msi_reg(gic, msi_regs[i], value + 1));
    }
    OK(av_gic_get_msi_reg(gic, HV_GIC_REG_GICM_TYPER, &value));
    EXPECT_EQ(value, (uint64_t)MSI_FIRST << 16 | MSI_COUNT);
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_get_distributor_reg(gic, 0x0c, &value));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_set_distributor_reg(gic, 0x0c, 0));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_get_msi_reg(gic, 0x0c, &value));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_set_msi_reg(gic, 0x0c, 0));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_distributor_reg(NULL, 0, &value));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_distributor_reg(gic, 0, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_msi_reg(gic, 8, NULL));
}

TEST(a_vcpu_has_its_redistributor_and_cpu_interface)
{
    static const hv_gic_icc_reg_t icc[] = {
        HV_GIC_ICC_REG_PMR_EL1,   HV_GIC_ICC_REG_BPR0_EL1,    HV_GIC_ICC_REG_AP0R0_EL1,
        HV_GIC_ICC_REG_AP1R0_EL1, HV_GIC_ICC_REG_BPR1_EL1,    HV_GIC_ICC_REG_CTLR_EL1,
        HV_GIC_ICC_REG_SRE_EL1,   HV_GIC_ICC_REG_IGRPEN0_EL1, HV_GIC_ICC_REG_IGRPEN1_EL1};
    AV_AUTO(av_vm) vm = NULL;
    av_vcpu *vcpu = NULL;
    av_gic *const gic = gic_of_test(&vm);
    hv_ipa_t base = 0;
    uint64_t value = 0;
    OK(av_vcpu_create(&vcpu, vm));
    OK(av_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MPIDR_EL1, 1));
    OK(av_gic_get_redistributor_base(gic, vcpu, &base));
    EXPECT_EQ(base, GICR);
    for (size_t i = 0; i < COUNT(icc); i++) {
        OK(av_gic_get_icc_reg(gic, vcpu, icc[i], &value));
        OK(av_gic_set_icc_reg(gic, vcpu, icc[i], value));
    }
    OK(av_gic_set_redistributor_reg(gic, vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0, 1u << 20));
    OK(av_gic_get_redistributor_reg(gic, vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0, &value));
    EXPECT_EQ(value, 1u << 20);
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_get_redistributor_reg(gic, vcpu, 0xc, &value));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_set_redistributor_reg(gic, vcpu, 0xc, 0));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_get_icc_reg(gic, vcpu, 1, &value));
    /* This VM has no EL2. */
    FAILS(AV_ERROR_UNSUPPORTED, av_gic_get_ich_reg(gic, vcpu, HV_GIC_ICH_REG_HCR_EL2, &value));
    FAILS(AV_ERROR_UNSUPPORTED, av_gic_set_ich_reg(gic, vcpu, HV_GIC_ICH_REG_HCR_EL2, 0));
    FAILS(AV_ERROR_UNSUPPORTED, av_gic_get_icv_reg(gic, vcpu, HV_GIC_ICV_REG_PMR_EL1, &value));
    FAILS(AV_ERROR_UNSUPPORTED, av_gic_set_icv_reg(gic, vcpu, HV_GIC_ICV_REG_PMR_EL1, 0));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_icc_reg(NULL, vcpu, icc[0], &value));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_icc_reg(gic, NULL, icc[0], &value));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_icc_reg(gic, vcpu, icc[0], NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_get_redistributor_base(gic, vcpu, NULL));
    OK(av_vcpu_destroy(vcpu));
}

TEST(a_vcpu_of_another_vm_is_refused)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_vm) other = NULL;
    AV_AUTO(av_gic_config) config = configured();
    av_vcpu *vcpu = NULL;
    av_gic *const gic = gic_of_test(&vm);
    uint64_t value;
    OK(av_vm_create_independent(&other, NULL, config));
    OK(av_vcpu_create(&vcpu, other));
    FAILS(AV_ERROR_WRONG_VM, av_gic_get_icc_reg(gic, vcpu, HV_GIC_ICC_REG_PMR_EL1, &value));
    FAILS(AV_ERROR_WRONG_VM, av_gic_set_icc_reg(gic, vcpu, HV_GIC_ICC_REG_PMR_EL1, 0));
    OK(av_vcpu_destroy(vcpu));
}

/* --- A guest that takes interrupts ------------------------------------------------------------------------------------------- */

/* wfi; hvc #0; its IRQ vector is at 0x4280 + ...: VBAR_EL1 = 0x4800, so IRQ of EL1h at 0x4a80: hvc #7 */
static void guest_with_interrupts(struct machine *m, av_gic *gic, av_vm *vm)
{
    static const uint32_t code[] = {0xd503207f /* wfi */, INSN_HVC(0)};
    machine_start_in(m, vm, code, 2);
    OK(av_memory_write_u32(m->code, 0x4a80, INSN_HVC(7)));
    OK(av_vcpu_set_sys_reg(m->vcpu, HV_SYS_REG_VBAR_EL1, 0x4800));
    OK(av_vcpu_set_reg(m->vcpu, HV_REG_CPSR, 0x345)); /* EL1h, IRQ open */
    OK(av_vcpu_set_sys_reg(m->vcpu, HV_SYS_REG_MPIDR_EL1, 0));
    OK(av_gic_set_icc_reg(gic, m->vcpu, HV_GIC_ICC_REG_PMR_EL1, 0xff));
    OK(av_gic_set_icc_reg(gic, m->vcpu, HV_GIC_ICC_REG_IGRPEN1_EL1, 1));
    OK(av_gic_set_distributor_reg(gic, HV_GIC_DISTRIBUTOR_REG_GICD_CTLR, 0x12));
    OK(av_gic_set_distributor_reg(gic, HV_GIC_DISTRIBUTOR_REG_GICD_IGROUPR1, 0xffffffff));
    OK(av_gic_set_distributor_reg(gic, HV_GIC_DISTRIBUTOR_REG_GICD_ISENABLER1, 0xffffffff));
}

static void *raise_spi(void *gic)
{
    OK(av_gic_set_spi(gic, 40, true));
    return NULL;
}

TEST(an_spi_of_another_thread_is_taken_by_a_sleeping_guest)
{
    struct machine m;
    av_vm *vm = NULL;
    pthread_t thread;
    hv_vcpu_exit_t exit = {0};
    av_gic *const gic = gic_of_test(&vm);
    guest_with_interrupts(&m, gic, vm);
    pthread_create(&thread, NULL, raise_spi, gic);
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    OK(av_vcpu_get_exit(m.vcpu, &exit));
    EXPECT_EQ(exit.exception.syndrome & 0xffff, 7);
    pthread_join(thread, NULL);
    machine_stop(&m);
}

static void raise_in_the_vcpu_s_thread(av_vcpu *vcpu, void *gic)
{
    (void)vcpu;
    raise_spi(gic);
}

static void *raise_by_call(void *arg)
{
    void **const both = arg;
    OK(av_vcpu_call(both[0], raise_in_the_vcpu_s_thread, both[1]));
    return NULL;
}

TEST(a_sleeping_guest_serves_calls)
{
    struct machine m;
    av_vm *vm = NULL;
    pthread_t thread;
    hv_vcpu_exit_t exit = {0};
    av_gic *const gic = gic_of_test(&vm);
    guest_with_interrupts(&m, gic, vm);
    AV_AUTO(av_vcpu_handle) handle = av_vcpu_get_handle(m.vcpu);
    void *both[] = {handle, gic};
    pthread_create(&thread, NULL, raise_by_call, both);
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    OK(av_vcpu_get_exit(m.vcpu, &exit));
    EXPECT_EQ(exit.exception.syndrome & 0xffff, 7);
    pthread_join(thread, NULL);
    machine_stop(&m);
}

/* --- Saved state ------------------------------------------------------------------------------------------------------------- */

TEST(state_is_saved_and_restored_in_another_vm)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_vm) copy_vm = NULL;
    AV_AUTO(av_gic_config) config = configured();
    av_gic_state *state = NULL;
    av_gic *copy = NULL;
    size_t size = 0;
    av_gic *const gic = gic_of_test(&vm);
    OK(av_gic_set_spi(gic, 35, true));
    OK(av_gic_state_create(&state, gic));
    OK(av_gic_state_get_size(state, &size));
    uint8_t *const data = malloc(size + 1);
    data[size] = 0x5a;
    FAILS(AV_ERROR_BUFFER_SIZE, av_gic_state_get_data(state, data, size - 1));
    OK(av_gic_state_get_data(state, data, size + 1));
    EXPECT_EQ(data[size], 0x5a);
    OK(av_gic_set_state(gic, data, size));
    OK(av_vm_create_independent(&copy_vm, NULL, config));
    OK(av_vm_get_gic(copy_vm, &copy));
    EXPECT_EQ(pending_spis(copy), 0);
    OK(av_gic_set_state(copy, data, size));
    EXPECT_EQ(pending_spis(copy), 1u << 3);
    const uint8_t first = data[0];
    data[0] = 0;
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_set_state(copy, data, size));
    data[0] = first;
    FAILS(AV_ERROR_BAD_ARGUMENT, av_gic_set_state(copy, data, size - 0x10));
    EXPECT_EQ(pending_spis(copy), 1u << 3);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_set_state(copy, NULL, size));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_set_state(NULL, data, size));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_state_get_data(state, NULL, size));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_state_get_data(NULL, data, size));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_state_get_size(state, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_state_create(NULL, gic));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_gic_state_create(&state, NULL));
    free(data);
    av_gic_state_destroy(state);
}

TEST(a_saved_state_keeps_its_vm)
{
    av_vm *vm = NULL;
    av_gic_state *state = NULL;
    size_t size = 0;
    av_gic *const gic = gic_of_test(&vm);
    OK(av_gic_state_create(&state, gic));
    av_vm_unref(vm);
    EXPECT(!has_no_vm());
    OK(av_gic_state_get_size(state, &size));
    EXPECT(size > 0);
    av_gic_state_destroy(state);
}

/* A guest that sleeps runs: neither snapshot nor reset. */
static void save_and_reset(av_gic *gic)
{
    av_gic_state *state = NULL;
    /* The vCPU is on its way into the guest. */
    while (av_gic_state_create(&state, gic) == AV_OK) {
        av_gic_state_destroy(state);
    }
    EXPECT_EQ(av_error_last(), AV_ERROR_RUNNING);
    FAILS(AV_ERROR_RUNNING, av_gic_reset(gic));
}

static void *disturb(void *gic)
{
    save_and_reset(gic);
    OK(av_gic_set_spi(gic, 40, true));
    return NULL;
}

TEST(neither_saved_nor_reset_while_a_vcpu_runs)
{
    struct machine m;
    av_vm *vm = NULL;
    pthread_t thread;
    av_gic *const gic = gic_of_test(&vm);
    guest_with_interrupts(&m, gic, vm);
    pthread_create(&thread, NULL, disturb, gic);
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    pthread_join(thread, NULL);
    FAILS(AV_ERROR_ILLEGAL_GUEST_STATE, av_gic_set_state(gic, "x", 1));
    OK(av_gic_reset(gic));
    machine_stop(&m);
}

MAIN(T(constants_are_told_without_a_vm), T(bases_have_to_be_aligned_and_may_not_reach_the_end),
     T(the_msi_range_has_to_lie_in_the_spis),
     T(an_untouched_configuration_is_refused_and_leaves_no_vm),
     T(only_a_vm_with_a_gic_gives_one_out), T(spis_and_msis_are_checked),
     T(without_an_msi_region_there_are_no_msis), T(each_vm_has_a_gic_of_its_own),
     T(distributor_and_msi_registers_accept_writes_where_they_are_read_only),
     T(a_vcpu_has_its_redistributor_and_cpu_interface), T(a_vcpu_of_another_vm_is_refused),
     T(an_spi_of_another_thread_is_taken_by_a_sleeping_guest), T(a_sleeping_guest_serves_calls),
     T(state_is_saved_and_restored_in_another_vm), T(a_saved_state_keeps_its_vm),
     T(neither_saved_nor_reset_while_a_vcpu_runs))

#else

TEST(a_gic_needs_macos_15)
{
    SKIP("built for a macOS that has no GIC");
}

MAIN(T(a_gic_needs_macos_15))

#endif
