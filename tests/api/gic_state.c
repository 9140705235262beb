/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* hv_gic_state.h, hv_gic_set_state() and hv_gic_reset(). */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "gic_check.h"

static uint8_t *take_state(size_t *size)
{
    hv_gic_state_t state = hv_gic_state_create();

    EXPECT(state != NULL);
    OK(hv_gic_state_get_size(state, size));
    uint8_t *const data = malloc(*size);
    OK(hv_gic_state_get_data(state, data));
    os_release(state);
    return data;
}

static void fill(hv_vcpu_t vcpu)
{
    enable_spi(40, true);
    enable_spi(1019, false);
    OK(hv_gic_set_spi(40, true));
    OK(hv_gic_set_spi(1019, true));
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_ISACTIVER2, 0x5));
    OK(hv_gic_set_distributor_reg(HV_GIC_DISTRIBUTOR_REG_GICD_IROUTER40, 1ull << 31));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISENABLER0, 0x8000003));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISPENDR0, 2));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_ISACTIVER0, 4));
    OK(hv_gic_set_redistributor_reg(vcpu, HV_GIC_REDISTRIBUTOR_REG_GICR_IPRIORITYR0, 0x10204080));
}

static void expect_filled(hv_vcpu_t vcpu)
{
    EXPECT_EQ(gicd(0x0), 0x52);
    EXPECT_EQ(gicd(0x104), 0x100);
    EXPECT_EQ(gicd(0x204), 0x100);
    EXPECT_EQ(gicd(0x200 + 4 * 31), 1u << 27);
    EXPECT_EQ(gicd(0x308), 5);
    EXPECT_EQ(gicd(0x6000 + 8 * 40), 1ull << 31);
    EXPECT_EQ(gicr(vcpu, 0x10100), 0x8000003);
    EXPECT_EQ(gicr(vcpu, 0x10200), 2);
    EXPECT_EQ(gicr(vcpu, 0x10300), 4);
    EXPECT_EQ(gicr(vcpu, 0x10400), 0x10204080);
}

TEST(state_of_a_gic_without_vcpus)
{
    hv_gic_state_t state;
    size_t size = 0;

    EXPECT(hv_gic_state_create() == NULL);
    vm_with_gic();
    state = hv_gic_state_create();
    EXPECT(state != NULL);
    OK(hv_gic_state_get_size(state, &size));
    EXPECT(size > 1000);
    REFUSED(HV_BAD_ARGUMENT, hv_gic_state_get_size(state, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_state_get_data(state, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_state_get_size(NULL, &size));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_state_get_data(NULL, &size));
    os_release(state);
    OK(hv_vm_destroy());
}

TEST(state_round_trip_in_a_new_vm_is_byte_identical)
{
    static const uint32_t code[] = {HVC0};
    struct machine m;
    size_t size, size2;

    gic_machine_start(&m, code, 1);
    fill(m.vcpu);
    uint8_t *const data = take_state(&size);
    machine_stop(&m);

    gic_machine_start(&m, code, 1);
    OK(hv_gic_set_state(data, size));
    expect_filled(m.vcpu);
    uint8_t *const again = take_state(&size2);
    EXPECT_EQ(size2, size);
    EXPECT(memcmp(data, again, size) == 0);
    /* The line that was high is still high for the GIC. */
    OK(hv_gic_set_spi(1019, false));
    EXPECT_EQ(gicd(0x200 + 4 * 31), 0);
    free(data);
    free(again);
    machine_stop(&m);
}

TEST(a_snapshot_does_not_change_afterwards)
{
    hv_gic_state_t state;
    size_t size = 0;

    vm_with_gic();
    state = hv_gic_state_create();
    OK(hv_gic_state_get_size(state, &size));
    uint8_t *const first = malloc(size), *const second = malloc(size);
    OK(hv_gic_state_get_data(state, first));
    OK(hv_gic_set_spi(40, true));
    OK(hv_gic_state_get_data(state, second));
    EXPECT(memcmp(first, second, size) == 0);
    free(first);
    free(second);
    os_release(state);
    OK(hv_vm_destroy());
}

TEST(state_restored_before_the_vcpus_is_kept_for_them)
{
    static const uint32_t code[] = {HVC0};
    struct machine m;
    size_t size;

    gic_machine_start(&m, code, 1);
    fill(m.vcpu);
    uint8_t *const data = take_state(&size);
    machine_stop(&m);

    vm_with_gic();
    OK(hv_gic_set_state(data, size));
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    expect_filled(vcpu);
    /* Once: the next vCPU in its place is a new one. */
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    EXPECT_EQ(gicr(vcpu, 0x10100), 0);
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vm_destroy());
    free(data);
}

TEST(every_corruption_is_refused_and_changes_nothing)
{
    static const uint32_t code[] = {HVC0};
    struct machine m;
    size_t size, now_size;
    unsigned accepted = 0;

    gic_machine_start(&m, code, 1);
    uint8_t *const good = take_state(&size);
    uint8_t *const bad = malloc(size + 64);
    OK(hv_gic_set_state(good, size));
    fill(m.vcpu);
    uint8_t *const before = take_state(&now_size);

    /* Every single bit of the first KiB, one bit of every 13th byte behind. */
    for (size_t i = 0; i < size; i += i < 1024 ? 1 : 13) {
        for (unsigned bit = 0; bit < (i < 1024 ? 8 : 1); bit++) {
            memcpy(bad, good, size);
            bad[i] ^= (uint8_t)(1u << bit);
            accepted += hv_gic_set_state(bad, size) != HV_BAD_ARGUMENT;
        }
    }
    EXPECT_EQ(accepted, 0);
    for (size_t n = 0; n < size; n += n < 256 ? 1 : 97) {
        accepted += hv_gic_set_state(good, n) != HV_BAD_ARGUMENT;
    }
    EXPECT_EQ(accepted, 0);
    memset(bad, 0, size + 64);
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_state(bad, size));
    memcpy(bad, good, size);
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_state(bad, size + 1));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_state(bad, size - 0x10));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_state(NULL, size));
    uint8_t *const after = take_state(&now_size);
    EXPECT(memcmp(before, after, now_size) == 0);
    free(good);
    free(bad);
    free(before);
    free(after);
    machine_stop(&m);
}

TEST(state_of_another_layout_is_refused)
{
    size_t size;

    vm_with_gic();
    uint8_t *const data = take_state(&size);
    OK(hv_vm_destroy());

    hv_gic_config_t config = gic_config(false);
    OK(hv_vm_create(NULL));
    OK(hv_gic_create(config));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_state(data, size)); /* it has MSIs */
    OK(hv_vm_destroy());
    OK(hv_gic_config_set_msi_region_base(config, GICM_BASE));
    OK(hv_gic_config_set_msi_interrupt_range(config, MSI_FIRST, MSI_COUNT));
    OK(hv_gic_config_set_redistributor_base(config, 0x10000000));
    OK(hv_vm_create(NULL));
    OK(hv_gic_create(config));
    REFUSED(HV_BAD_ARGUMENT, hv_gic_set_state(data, size));
    OK(hv_vm_destroy());
    os_release(config);
    free(data);
}

TEST(state_is_restored_before_anything_runs)
{
    static const uint32_t code[] = {HVC0};
    struct machine m;
    size_t size;

    gic_machine_start(&m, code, 1);
    uint8_t *const data = take_state(&size);
    OK(hv_vcpu_run(m.vcpu));
    REFUSED(HV_ILLEGAL_GUEST_STATE, hv_gic_set_state(data, size));
    free(data);
    machine_stop(&m);
}

static _Atomic bool is_running;
static hv_vcpu_t sleeper;

static void *sleep_in_guest(void *argument)
{
    hv_vcpu_exit_t *exit;

    (void)argument;
    OK(hv_vcpu_create(&sleeper, &exit, NULL));
    prepare(sleeper, 0);
    atomic_store(&is_running, true);
    OK(hv_vcpu_run(sleeper));
    EXPECT_EQ(exit->reason, HV_EXIT_REASON_CANCELED);
    OK(hv_vcpu_destroy(sleeper));
    return NULL;
}

TEST(neither_snapshot_nor_reset_while_a_vcpu_runs)
{
    static const uint32_t code[] = {WFI, 0x17ffffff};
    uint32_t *const p = pages(1);
    pthread_t thread;

    memcpy(p, code, sizeof(code));
    vm_with_gic();
    OK(hv_vm_map(p, PAGE, PAGE, RWX));
    atomic_store(&is_running, false);
    pthread_create(&thread, NULL, sleep_in_guest, NULL);
    while (!atomic_load(&is_running)) {
        usleep(1000);
    }
    usleep(50000);
    EXPECT(hv_gic_state_create() == NULL);
    REFUSED(HV_BUSY, hv_gic_reset());
    OK(hv_vcpus_exit(&sleeper, 1));
    pthread_join(thread, NULL);
    OK(hv_gic_reset());
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(p, PAGE));
}

TEST(reset_gives_the_state_after_create_and_keeps_the_cpu_interface)
{
    static const uint32_t code[] = {HVC0};
    struct machine m;
    size_t size, size2;

    gic_machine_start(&m, code, 1);
    uint8_t *const fresh = take_state(&size);
    fill(m.vcpu);
    OK(hv_gic_set_icc_reg(m.vcpu, HV_GIC_ICC_REG_PMR_EL1, 0x80));
    OK(hv_gic_reset());
    uint8_t *const reset = take_state(&size2);
    EXPECT_EQ(size2, size);
    EXPECT(memcmp(fresh, reset, size) == 0);
    EXPECT_EQ(icc(m.vcpu, HV_GIC_ICC_REG_PMR_EL1), 0x80);
    free(fresh);
    free(reset);
    machine_stop(&m);
}

/* The timer's input is a level, which a reset does not end. */
TEST(a_timer_that_has_expired_is_pending_again_after_a_reset)
{
    static const uint32_t code[] = {HVC0, 0x17ffffff}; /* b -4 */
    const uint64_t timer = 1u << 27;
    struct machine m;

    gic_machine_start(&m, code, 2);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(gicr(m.vcpu, 0x10200) & timer, 0);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CVAL_EL0, 1));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CTL_EL0, 1));
    for (unsigned i = 0; i < 3; i++) {
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(gicr(m.vcpu, 0x10200) & timer, timer);
    }
    OK(hv_gic_reset());
    EXPECT_EQ(gicr(m.vcpu, 0x10200) & timer, 0);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(gicr(m.vcpu, 0x10200) & timer, timer);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CVAL_EL0, 1ull << 60));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(gicr(m.vcpu, 0x10200) & timer, 0);
    machine_stop(&m);
}

/* A guest that waits with an interrupt pending behind its mask goes on in another VM. */
TEST(a_guest_continues_from_saved_state)
{
    static const uint32_t code[] = {OPEN, HVC0, WAIT_FOR_ONE, HVC0};
    static const hv_gic_icc_reg_t regs[] = {
        HV_GIC_ICC_REG_PMR_EL1,   HV_GIC_ICC_REG_BPR0_EL1,    HV_GIC_ICC_REG_AP0R0_EL1,
        HV_GIC_ICC_REG_AP1R0_EL1, HV_GIC_ICC_REG_BPR1_EL1,    HV_GIC_ICC_REG_CTLR_EL1,
        HV_GIC_ICC_REG_SRE_EL1,   HV_GIC_ICC_REG_IGRPEN0_EL1, HV_GIC_ICC_REG_IGRPEN1_EL1};
    uint64_t saved[9], pc;
    struct machine m;
    size_t size;

    gic_machine_start(&m, code, 11);
    enable_spi(77, true);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    OK(hv_gic_set_spi(77, true));
    pc = reg(&m, HV_REG_PC);
    for (unsigned i = 0; i < 9; i++) {
        saved[i] = icc(m.vcpu, regs[i]);
    }
    uint8_t *const data = take_state(&size);
    machine_stop(&m);

    gic_machine_start(&m, code, 11);
    OK(hv_gic_set_state(data, size));
    for (unsigned i = 0; i < 9; i++) {
        OK(hv_gic_set_icc_reg(m.vcpu, regs[i], saved[i]));
    }
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, pc));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_HVC(m);
    EXPECT_EQ(reg(&m, HV_REG_X0), 77);
    free(data);
    machine_stop(&m);
}

MAIN(T(state_of_a_gic_without_vcpus), T(state_round_trip_in_a_new_vm_is_byte_identical),
     T(a_snapshot_does_not_change_afterwards), T(state_restored_before_the_vcpus_is_kept_for_them),
     T(every_corruption_is_refused_and_changes_nothing), T(state_of_another_layout_is_refused),
     T(state_is_restored_before_anything_runs), T(neither_snapshot_nor_reset_while_a_vcpu_runs),
     T(reset_gives_the_state_after_create_and_keeps_the_cpu_interface),
     T(a_timer_that_has_expired_is_pending_again_after_a_reset),
     T(a_guest_continues_from_saved_state))
