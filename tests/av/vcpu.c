/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* vcpu.h on the owner's thread: life, registers, runs. Other threads are in vcpu_threads.c. */
#include <pthread.h>

#include "av_check.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- Life -------------------------------------------------------------------------------------------------------------------- */

TEST(a_vcpu_is_created_with_and_without_a_configuration)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_vcpu_config) config = NULL;
    av_vcpu *vcpu = NULL;
    OK(av_vm_create(&vm));
    OK(av_vcpu_config_create(&config));
    OK(av_vcpu_create(&vcpu, vm));
    EXPECT_EQ(av_vcpu_id(vcpu), 0);
    OK(av_vcpu_destroy(vcpu));
    OK(av_vcpu_create_with_config(&vcpu, vm, config));
    OK(av_vcpu_destroy(vcpu));
    OK(av_vcpu_create_with_config(&vcpu, vm, NULL));
    OK(av_vcpu_destroy(vcpu));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_create(NULL, vm));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_create(&vcpu, NULL));
}

TEST(a_second_vcpu_on_a_thread_is_refused_of_whatever_vm)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_vm) other_vm = NULL;
    av_vcpu *vcpu = NULL, *other = NULL;
    OK(av_vm_create(&vm));
    OK(av_vm_create_independent(&other_vm, NULL, NULL));
    OK(av_vcpu_create(&vcpu, vm));
    FAILS(AV_ERROR_VCPU_EXISTS, av_vcpu_create(&other, vm));
    FAILS(AV_ERROR_VCPU_EXISTS, av_vcpu_create(&other, other_vm));
    EXPECT(other == NULL);
    OK(av_vcpu_destroy(vcpu));
    OK(av_vcpu_create(&other, other_vm));
    OK(av_vcpu_destroy(other));
}

TEST(a_vcpu_keeps_the_vm_and_its_memory)
{
    static const uint32_t code[] = {INSN_MOVZ(0, 0x42), INSN_HVC(0)};
    struct machine m;
    machine_start(&m, code, 2);
    av_vm_unref(m.vm);
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    EXPECT_EQ(reg(m.vcpu, HV_REG_X0), 0x42);
    FAILS(AV_ERROR_VM_EXISTS, av_vm_create(&m.vm));
    av_memory_destroy(m.code);
    EXPECT(!has_no_vm());
    OK(av_vcpu_destroy(m.vcpu));
}

TEST(the_maximum_of_vcpus_is_told_without_a_vm)
{
    uint32_t count = 0;
    OK(av_vcpu_get_max_count(&count));
    EXPECT_EQ(count, 64);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_get_max_count(NULL));
}

/* --- Registers --------------------------------------------------------------------------------------------------------------- */

TEST(general_registers_keep_any_value)
{
    struct machine m;
    machine_start(&m, NULL, 0);
    for (hv_reg_t r = HV_REG_X0; r <= HV_REG_PC; r++) {
        OK(av_vcpu_set_reg(m.vcpu, r, 0xdeadbeefdeadbeef ^ r));
    }
    for (hv_reg_t r = HV_REG_X0; r <= HV_REG_PC; r++) {
        EXPECT_EQ(reg(m.vcpu, r), 0xdeadbeefdeadbeef ^ r);
    }
    for (hv_reg_t r = HV_REG_FPCR; r <= HV_REG_CPSR; r++) {
        OK(av_vcpu_set_reg(m.vcpu, r, 0xdeadbeef));
        EXPECT_EQ(reg(m.vcpu, r), 0xdeadbeef);
    }
    uint64_t value = 1;
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_get_reg(m.vcpu, HV_REG_CPSR + 1, &value));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_set_reg(m.vcpu, HV_REG_CPSR + 1, 0));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_get_reg(m.vcpu, HV_REG_X0, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_get_reg(NULL, HV_REG_X0, &value));
    EXPECT_EQ(value, 1);
    machine_stop(&m);
}

TEST(simd_registers_keep_128_bits_of_any_alignment)
{
    struct machine m;
    uint8_t in[17], out[17];
    machine_start(&m, NULL, 0);
    for (hv_simd_fp_reg_t r = HV_SIMD_FP_REG_Q0; r <= HV_SIMD_FP_REG_Q31; r++) {
        for (unsigned i = 0; i < 16; i++) {
            in[i + 1] = (uint8_t)(r * 16 + i);
        }
        OK(av_vcpu_set_simd_fp_reg(m.vcpu, r, in + 1));
        OK(av_vcpu_get_simd_fp_reg(m.vcpu, r, out + 1));
        EXPECT(memcmp(in + 1, out + 1, 16) == 0);
    }
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_get_simd_fp_reg(m.vcpu, HV_SIMD_FP_REG_Q31 + 1, out));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_set_simd_fp_reg(m.vcpu, HV_SIMD_FP_REG_Q31 + 1, in));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_get_simd_fp_reg(m.vcpu, HV_SIMD_FP_REG_Q0, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_set_simd_fp_reg(m.vcpu, HV_SIMD_FP_REG_Q0, NULL));
    machine_stop(&m);
}

TEST(byte_0_of_a_simd_register_is_the_least_significant)
{
    /* fmov x0, d1; hvc #0, with CPACR_EL1.FPEN = 3 */
    static const uint32_t code[] = {0x9e660020, INSN_HVC(0)};
    static const uint8_t value[16] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
    struct machine m;
    machine_start(&m, code, 2);
    OK(av_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CPACR_EL1, 3u << 20));
    OK(av_vcpu_set_simd_fp_reg(m.vcpu, HV_SIMD_FP_REG_Q1, value));
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    EXPECT_EQ(reg(m.vcpu, HV_REG_X0), 0x8877665544332211);
    machine_stop(&m);
}

/* Every register of the framework's list: what is read can be written again, or the register needs what this VM has not. */
TEST(system_registers_accept_what_was_read_from_them)
{
    static const struct {
        hv_sys_reg_t reg;
        uint32_t macos;
        const char *name;
    } regs[] = {
#include "sys_regs.inc"
    };
    struct machine m;
    unsigned base = 0;
    machine_start(&m, NULL, 0);
    for (size_t i = 0; i < COUNT(regs); i++) {
        uint64_t value = 0, again = 1;
        const int before = failures;
        const av_error error = av_vcpu_get_sys_reg(m.vcpu, regs[i].reg, &value);
        if (regs[i].macos > 110000 && error == AV_ERROR_UNSUPPORTED) {
            EXPECT_EQ(av_vcpu_set_sys_reg(m.vcpu, regs[i].reg, 0), AV_ERROR_UNSUPPORTED);
        } else {
            EXPECT_EQ(error, AV_OK);
            OK(av_vcpu_set_sys_reg(m.vcpu, regs[i].reg, value));
            OK(av_vcpu_get_sys_reg(m.vcpu, regs[i].reg, &again));
            EXPECT_EQ(again, value);
            base += regs[i].macos == 110000;
        }
        if (failures != before) {
            printf("# that was %s\n", regs[i].name);
        }
    }
    EXPECT_EQ(base, 112);
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_get_sys_reg(m.vcpu, 1, &(uint64_t){0}));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_set_sys_reg(m.vcpu, 1, 0));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_MIDR_EL1, NULL));
    machine_stop(&m);
}

TEST(feature_registers_and_cache_sizes_are_readable_without_a_vm)
{
    AV_AUTO(av_vcpu_config) config = NULL;
    OK(av_vcpu_config_create(&config));
    for (hv_feature_reg_t r = HV_FEATURE_REG_ID_AA64DFR0_EL1; r <= HV_FEATURE_REG_DCZID_EL0; r++) {
        uint64_t value = 0;
        OK(av_vcpu_config_get_feature_reg(config, r, &value));
        EXPECT(r != HV_FEATURE_REG_CTR_EL0 || value != 0);
    }
    uint64_t value = 0;
    if (av_macos_has(150200)) {
        OK(av_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64SMFR0_EL1, &value));
        OK(av_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64ZFR0_EL1, &value));
    } else {
        FAILS(AV_ERROR_UNSUPPORTED,
              av_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64SMFR0_EL1, &value));
        EXPECT(strstr(av_error_message(), "macOS 15.2") != NULL);
    }
    uint64_t values[9];
    values[8] = 0x5a5a;
    for (hv_cache_type_t t = HV_CACHE_TYPE_DATA; t <= HV_CACHE_TYPE_INSTRUCTION; t++) {
        memset(values, 0xff, 8 * sizeof(values[0]));
        OK(av_vcpu_config_get_ccsidr_el1_sys_reg_values(config, t, values));
        EXPECT(values[0] != 0 && values[0] != UINT64_MAX);
        EXPECT_EQ(values[8], 0x5a5a);
    }
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_config_get_feature_reg(config, 99, &value));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_config_get_ccsidr_el1_sys_reg_values(config, 2, values));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_config_get_feature_reg(NULL, 0, &value));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_config_get_feature_reg(config, 0, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_config_get_ccsidr_el1_sys_reg_values(NULL, 0, values));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_config_get_ccsidr_el1_sys_reg_values(config, 0, NULL));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_config_create(NULL));
}

/* --- Switches ---------------------------------------------------------------------------------------------------------------- */

TEST(switches_are_false_at_first_and_read_back)
{
    static const struct {
        av_error (*get)(const av_vcpu *, bool *);
        av_error (*set)(av_vcpu *, bool);
    } switches[] = {
        {av_vcpu_get_trap_debug_exceptions, av_vcpu_set_trap_debug_exceptions},
        {av_vcpu_get_trap_debug_reg_accesses, av_vcpu_set_trap_debug_reg_accesses},
        {av_vcpu_get_vtimer_mask, av_vcpu_set_vtimer_mask},
    };
    struct machine m;
    machine_start(&m, NULL, 0);
    for (size_t i = 0; i < COUNT(switches); i++) {
        bool value = true;
        OK(switches[i].get(m.vcpu, &value));
        EXPECT_EQ(value, false);
        OK(switches[i].set(m.vcpu, true));
        OK(switches[i].get(m.vcpu, &value));
        EXPECT_EQ(value, true);
        OK(switches[i].set(m.vcpu, false));
        OK(switches[i].get(m.vcpu, &value));
        EXPECT_EQ(value, false);
        EXPECT_EQ(switches[i].get(m.vcpu, NULL), AV_ERROR_NULL_ARGUMENT);
        EXPECT_EQ(switches[i].set(NULL, true), AV_ERROR_NULL_ARGUMENT);
    }
    machine_stop(&m);
}

TEST(pending_interrupts_read_back_and_clear_when_a_run_returns)
{
    static const uint32_t code[] = {INSN_HVC(0)};
    struct machine m;
    machine_start(&m, code, 1);
    for (hv_interrupt_type_t t = HV_INTERRUPT_TYPE_IRQ; t <= HV_INTERRUPT_TYPE_FIQ; t++) {
        bool pending = true;
        OK(av_vcpu_get_pending_interrupt(m.vcpu, t, &pending));
        EXPECT_EQ(pending, false);
        OK(av_vcpu_set_pending_interrupt(m.vcpu, t, true));
        OK(av_vcpu_get_pending_interrupt(m.vcpu, t, &pending));
        EXPECT_EQ(pending, true);
        OK(av_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
        OK(av_vcpu_get_pending_interrupt(m.vcpu, t, &pending));
        EXPECT_EQ(pending, false);
    }
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_set_pending_interrupt(m.vcpu, 2, true));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_vcpu_get_pending_interrupt(m.vcpu, 2, &(bool){0}));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_get_pending_interrupt(m.vcpu, 0, NULL));
    machine_stop(&m);
}

TEST(vtimer_offset_keeps_any_value)
{
    struct machine m;
    uint64_t offset = 1;
    machine_start(&m, NULL, 0);
    OK(av_vcpu_set_vtimer_offset(m.vcpu, 0xdeadbeefdeadbeef));
    OK(av_vcpu_get_vtimer_offset(m.vcpu, &offset));
    EXPECT_EQ(offset, 0xdeadbeefdeadbeef);
    machine_stop(&m);
}

TEST(execution_time_grows_in_both_units)
{
    /* mov x0, #0x10000; subs x0, x0, #1; b.ne -4; hvc #0 */
    static const uint32_t code[] = {0xd2a00020, 0xf1000400, 0x54ffffe1, INSN_HVC(0)};
    struct machine m;
    uint64_t ticks = 0, ns = 0;
    machine_start(&m, code, COUNT(code));
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    OK(av_vcpu_get_exec_time(m.vcpu, &ticks));
    OK(av_vcpu_get_exec_time_ns(m.vcpu, &ns));
    EXPECT(ticks > 0);
    EXPECT_EQ(ns, ticks * 125 / 3); /* 24 MHz */
    machine_stop(&m);
}

/* --- Running ----------------------------------------------------------------------------------------------------------------- */

TEST(the_example_of_the_rust_library_runs)
{
    static const uint32_t code[] = {INSN_MOVZ(0, 0x42), INSN_BRK(0)};
    struct machine m;
    hv_vcpu_exit_t exit = {0};
    machine_start(&m, code, 2);
    OK(av_vcpu_set_trap_debug_exceptions(m.vcpu, true));
    OK(av_vcpu_set_trap_debug_reg_accesses(m.vcpu, true));
    EXPECT_EQ(run_to_exception(m.vcpu), EC_BRK);
    OK(av_vcpu_get_exit(m.vcpu, &exit));
    EXPECT_EQ(exit.exception.syndrome, 0xf2000000);
    EXPECT_EQ(reg(m.vcpu, HV_REG_X0), 0x42);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vcpu_get_exit(m.vcpu, NULL));
    machine_stop(&m);
}

TEST(a_mode_that_the_vm_has_not_is_an_illegal_guest_state)
{
    static const uint32_t code[] = {INSN_HVC(0)};
    struct machine m;
    machine_start(&m, code, 1);
    OK(av_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x3c9)); /* EL2h */
    FAILS(AV_ERROR_ILLEGAL_GUEST_STATE, av_vcpu_run(m.vcpu));
    OK(av_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x3c5));
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    machine_stop(&m);
}

TEST(an_independent_vm_runs_beside_another_on_one_thread)
{
    static const uint32_t code[] = {INSN_MOVZ(0, 7), INSN_HVC(0)};
    AV_AUTO(av_vm) process_vm = NULL;
    OK(av_vm_create(&process_vm));
    for (int i = 0; i < 3; i++) {
        av_vm *vm = NULL;
        struct machine m;
        OK(av_vm_create_independent(&vm, NULL, NULL));
        machine_start_in(&m, vm, code, 2);
        EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
        EXPECT_EQ(reg(m.vcpu, HV_REG_X0), 7);
        machine_stop(&m);
    }
}

/* --- SME --------------------------------------------------------------------------------------------------------------------- */

#if APPLEVISOR_MACOS >= 150200
TEST(sme_registers_read_back)
{
    struct machine m;
    size_t svl = 0;
    hv_vcpu_sme_state_t state = {0};
    uint8_t zt0[64];
    machine_start(&m, NULL, 0);
    if (av_vm_config_get_max_svl_bytes(&svl) == AV_ERROR_UNSUPPORTED) {
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_get_sme_state(m.vcpu, &state));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_set_sme_state(m.vcpu, &state));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_get_sme_z_reg(m.vcpu, HV_SME_Z_REG_0, zt0, 64));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_set_sme_z_reg(m.vcpu, HV_SME_Z_REG_0, zt0, 64));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_get_sme_p_reg(m.vcpu, HV_SME_P_REG_0, zt0, 8));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_set_sme_p_reg(m.vcpu, HV_SME_P_REG_0, zt0, 8));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_get_sme_za_reg(m.vcpu, zt0, 64));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_set_sme_za_reg(m.vcpu, zt0, 64));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_get_sme_zt0_reg(m.vcpu, zt0));
        FAILS(AV_ERROR_UNSUPPORTED, av_vcpu_set_sme_zt0_reg(m.vcpu, zt0));
        machine_stop(&m);
        SKIP("guests have no SME here: that every call says so is what was checked");
    }
    state = (hv_vcpu_sme_state_t){true, true};
    OK(av_vcpu_set_sme_state(m.vcpu, &state));
    OK(av_vcpu_get_sme_state(m.vcpu, &state));
    EXPECT(state.streaming_sve_mode_enabled && state.za_storage_enabled);
    uint8_t *const in = malloc(svl * svl), *const out = malloc(svl * svl);
    for (size_t i = 0; i < svl * svl; i++) {
        in[i] = (uint8_t)(i * 7 + 1);
    }
    OK(av_vcpu_set_sme_z_reg(m.vcpu, HV_SME_Z_REG_0, in, svl));
    OK(av_vcpu_get_sme_z_reg(m.vcpu, HV_SME_Z_REG_0, out, svl));
    EXPECT(memcmp(in, out, svl) == 0);
    OK(av_vcpu_set_sme_p_reg(m.vcpu, HV_SME_P_REG_0, in, svl / 8));
    OK(av_vcpu_get_sme_p_reg(m.vcpu, HV_SME_P_REG_0, out, svl / 8));
    EXPECT(memcmp(in, out, svl / 8) == 0);
    OK(av_vcpu_set_sme_za_reg(m.vcpu, in, svl * svl));
    OK(av_vcpu_get_sme_za_reg(m.vcpu, out, svl * svl));
    EXPECT(memcmp(in, out, svl * svl) == 0);
    OK(av_vcpu_set_sme_zt0_reg(m.vcpu, in));
    OK(av_vcpu_get_sme_zt0_reg(m.vcpu, out));
    EXPECT(memcmp(in, out, 64) == 0);
    FAILS(AV_ERROR_BUFFER_SIZE, av_vcpu_get_sme_z_reg(m.vcpu, HV_SME_Z_REG_0, out, svl - 1));
    FAILS(AV_ERROR_BUFFER_SIZE, av_vcpu_set_sme_z_reg(m.vcpu, HV_SME_Z_REG_0, in, svl + 1));
    FAILS(AV_ERROR_BUFFER_SIZE, av_vcpu_get_sme_p_reg(m.vcpu, HV_SME_P_REG_0, out, svl));
    FAILS(AV_ERROR_BUFFER_SIZE, av_vcpu_set_sme_p_reg(m.vcpu, HV_SME_P_REG_0, in, svl));
    FAILS(AV_ERROR_BUFFER_SIZE, av_vcpu_get_sme_za_reg(m.vcpu, out, svl));
    FAILS(AV_ERROR_BUFFER_SIZE, av_vcpu_set_sme_za_reg(m.vcpu, in, svl));
    free(in);
    free(out);
    machine_stop(&m);
}
#endif

static const struct test tests[] = {
    // clang-format off
    T(a_vcpu_is_created_with_and_without_a_configuration),
    T(a_second_vcpu_on_a_thread_is_refused_of_whatever_vm),
    T(a_vcpu_keeps_the_vm_and_its_memory),
    T(the_maximum_of_vcpus_is_told_without_a_vm),
    T(general_registers_keep_any_value),
    T(simd_registers_keep_128_bits_of_any_alignment),
    T(byte_0_of_a_simd_register_is_the_least_significant),
    T(system_registers_accept_what_was_read_from_them),
    T(feature_registers_and_cache_sizes_are_readable_without_a_vm),
    T(switches_are_false_at_first_and_read_back),
    T(pending_interrupts_read_back_and_clear_when_a_run_returns),
    T(vtimer_offset_keeps_any_value),
    T(execution_time_grows_in_both_units),
    T(the_example_of_the_rust_library_runs),
    T(a_mode_that_the_vm_has_not_is_an_illegal_guest_state),
    T(an_independent_vm_runs_beside_another_on_one_thread),
#if APPLEVISOR_MACOS >= 150200
    T(sme_registers_read_back),
#endif
    // clang-format on
};
MAIN_OF(tests)
