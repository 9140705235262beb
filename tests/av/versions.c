/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Functions that are newer than the system say so and name the version that they need. The library acts as what HV_MACOS says, so one
 * process sees all versions. (Which functions are declared for which version is the business of declared.py.)
 */
#include "av_check.h"

#if APPLEVISOR_MACOS >= 260000

static const uint32_t versions[] = {110000, 120100, 130000, 150000, 150200, 260000};

static void act_as(uint32_t macos)
{
    char text[16];
    snprintf(text, sizeof(text), "%u.%u", macos / 10000, macos / 100 % 100);
    setenv("HV_MACOS", text, 1);
}

/* The call is refused below `since`, with its name; from then on it answers something else. */
#define SINCE(since, call)                                                        \
    for (size_t i_ = 0; i_ < sizeof(versions) / sizeof(versions[0]); i_++) {      \
        char needed_[64];                                                         \
        act_as(versions[i_]);                                                     \
        av_error_clear();                                                         \
        snprintf(needed_, sizeof(needed_), "needs macOS %u.%u,", (since) / 10000, \
                 (since) / 100 % 100);                                            \
        const av_error error_ = (call);                                           \
        const bool is_named_ = strstr(av_error_message(), needed_) != NULL;       \
        if (versions[i_] < (since)) {                                             \
            EXPECT_EQ(error_, AV_ERROR_UNSUPPORTED);                              \
            EXPECT(is_named_);                                                    \
        } else {                                                                  \
            EXPECT(!is_named_);                                                   \
        }                                                                         \
    }

static uint32_t u32;
static uint64_t u64;
static size_t size;
static bool flag;
static hv_ipa_granule_t granule;

TEST(functions_of_macos_13)
{
    SINCE(130000, av_vm_config_create(NULL));
    SINCE(130000, av_vm_config_get_max_ipa_size(&u32));
    SINCE(130000, av_vm_config_get_default_ipa_size(&u32));
    SINCE(130000, av_vm_config_get_ipa_size(NULL, &u32));
    SINCE(130000, av_vm_config_set_ipa_size(NULL, 36));
    SINCE(130000, av_vm_create_with_config(NULL, NULL));
    SINCE(130000, (av_vm_shared() == NULL ? av_vm_config_get_ipa_size(NULL, NULL) : AV_OK));
}

TEST(functions_of_macos_15)
{
    SINCE(150000, av_vm_config_get_el2_supported(&flag));
    SINCE(150000, av_vm_config_get_el2_enabled(NULL, &flag));
    SINCE(150000, av_vm_config_set_el2_enabled(NULL, false));
    SINCE(150000, av_vm_create_with_gic(NULL, NULL, NULL, NULL));
    SINCE(150000, av_vm_shared_init_with_gic(NULL, NULL));
    SINCE(150000, av_gic_config_create(NULL));
    SINCE(150000, av_gic_config_set_distributor_base(NULL, 0));
    SINCE(150000, av_gic_config_set_redistributor_base(NULL, 0));
    SINCE(150000, av_gic_config_set_msi_region_base(NULL, 0));
    SINCE(150000, av_gic_config_set_msi_interrupt_range(NULL, 0, 0));
    SINCE(150000, av_gic_get_distributor_size(&size));
    SINCE(150000, av_gic_get_distributor_base_alignment(&size));
    SINCE(150000, av_gic_get_redistributor_region_size(&size));
    SINCE(150000, av_gic_get_redistributor_size(&size));
    SINCE(150000, av_gic_get_redistributor_base_alignment(&size));
    SINCE(150000, av_gic_get_msi_region_size(&size));
    SINCE(150000, av_gic_get_msi_region_base_alignment(&size));
    SINCE(150000, av_gic_get_spi_interrupt_range(&u32, &u32));
    SINCE(150000, av_gic_get_intid(27, &u32));
}

TEST(functions_of_macos_15_2)
{
    AV_AUTO(av_vcpu_config) config = NULL;
    hv_vcpu_sme_state_t state = {0};
    uint8_t bytes[64] = {0};
    OK(av_vcpu_config_create(&config));
    SINCE(150200, av_vm_config_get_max_svl_bytes(&size));
    SINCE(150200, av_vcpu_get_sme_state(NULL, &state));
    SINCE(150200, av_vcpu_set_sme_state(NULL, &state));
    SINCE(150200, av_vcpu_get_sme_z_reg(NULL, 0, bytes, 64));
    SINCE(150200, av_vcpu_set_sme_z_reg(NULL, 0, bytes, 64));
    SINCE(150200, av_vcpu_get_sme_p_reg(NULL, 0, bytes, 8));
    SINCE(150200, av_vcpu_set_sme_p_reg(NULL, 0, bytes, 8));
    SINCE(150200, av_vcpu_get_sme_za_reg(NULL, bytes, 64));
    SINCE(150200, av_vcpu_set_sme_za_reg(NULL, bytes, 64));
    SINCE(150200, av_vcpu_get_sme_zt0_reg(NULL, bytes));
    SINCE(150200, av_vcpu_set_sme_zt0_reg(NULL, bytes));
    SINCE(150200, av_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64SMFR0_EL1, &u64));
    SINCE(150200, av_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64ZFR0_EL1, &u64));
}

TEST(functions_of_macos_26)
{
    SINCE(260000, av_vm_config_get_default_ipa_granule(&granule));
    SINCE(260000, av_vm_config_get_ipa_granule(NULL, &granule));
    SINCE(260000, av_vm_config_set_ipa_granule(NULL, HV_IPA_GRANULE_4KB));
}

/* What is there in every version: a VM, its memory and a vCPU. */
TEST(the_base_works_in_every_version)
{
    static const uint32_t code[] = {INSN_MOVZ(0, 0x42), INSN_HVC(0)};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct machine m;
        act_as(versions[i]);
        EXPECT_EQ(av_macos_version(), versions[i]);
        machine_start(&m, code, 2);
        EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
        EXPECT_EQ(reg(m.vcpu, HV_REG_X0), 0x42);
        /* A VM keeps the version that it was made with. */
        act_as(110000);
        EXPECT_EQ(av_macos_version(), versions[i]);
        machine_stop(&m);
    }
}

MAIN(T(functions_of_macos_13), T(functions_of_macos_15), T(functions_of_macos_15_2),
     T(functions_of_macos_26), T(the_base_works_in_every_version))

#else

TEST(needs_all_declarations)
{
    SKIP("built for one older macOS; the test for 26.0 sees all");
}

MAIN(T(needs_all_declarations))

#endif
