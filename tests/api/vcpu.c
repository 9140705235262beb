/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* hv_vcpu.h: life, registers, runs and exits. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define MOV_X0_42 0xd2800840u /* mov x0, #0x42 */
#define BRK       0xd4200000u
#define HVC0      0xd4000002u
#define B_SELF    0x14000000u

TEST(vcpu_needs_a_vm_and_places_for_its_results)
{
    hv_vcpu_t vcpu = 77;
    hv_vcpu_exit_t *exit = NULL;
    REFUSED(HV_NO_DEVICE, hv_vcpu_create(&vcpu, &exit, NULL));
    REFUSED(HV_NO_DEVICE, hv_vcpu_run(0));
    REFUSED(HV_NO_DEVICE, hv_vcpus_exit(&vcpu, 1));
    OK(hv_vm_create(NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_create(NULL, &exit, NULL));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_create(&vcpu, NULL, NULL));
    EXPECT_EQ(vcpu, 77);
    EXPECT(exit == NULL);
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_run(0));
    OK(hv_vm_destroy());
}

TEST(second_vcpu_on_a_thread_is_busy)
{
    hv_vcpu_t vcpu, other = 77;
    hv_vcpu_exit_t *exit;
    OK(hv_vm_create(NULL));
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    EXPECT_EQ(vcpu, 0);
    REFUSED(HV_BUSY, hv_vcpu_create(&other, &exit, NULL));
    EXPECT_EQ(other, 77);
    OK(hv_vcpu_destroy(vcpu));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_destroy(vcpu));
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vm_destroy());
}

static void *use_foreign_vcpu(void *argument)
{
    const hv_vcpu_t vcpu = *(hv_vcpu_t *)argument;
    uint64_t value = 5;
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_run(vcpu));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_get_reg(vcpu, HV_REG_X0, &value));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_set_reg(vcpu, HV_REG_X0, 1));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_destroy(vcpu));
    EXPECT_EQ(value, 5);
    return NULL;
}

TEST(another_thread_may_not_use_a_vcpu)
{
    struct machine m;
    const uint32_t code[] = {MOV_X0_42, HVC0};
    pthread_t thread;
    machine_start(&m, code, 2);
    pthread_create(&thread, NULL, use_foreign_vcpu, &m.vcpu);
    pthread_join(thread, NULL);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0);
    machine_stop(&m);
}

TEST(general_registers_keep_any_value)
{
    struct machine m;
    machine_start(&m, NULL, 0);
    for (hv_reg_t r = HV_REG_X0; r <= HV_REG_PC; r++) {
        OK(hv_vcpu_set_reg(m.vcpu, r, 0xdeadbeefdeadbeef));
        EXPECT_EQ(reg(&m, r), 0xdeadbeefdeadbeef);
    }
    for (hv_reg_t r = HV_REG_FPCR; r <= HV_REG_CPSR; r++) {
        OK(hv_vcpu_set_reg(m.vcpu, r, 0xdeadbeef));
        EXPECT_EQ(reg(&m, r), 0xdeadbeef);
    }
    uint64_t value = 5;
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_get_reg(m.vcpu, 35, &value));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_set_reg(m.vcpu, 35, 1));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_get_reg(m.vcpu, HV_REG_X0, NULL));
    EXPECT_EQ(value, 5);
    /* The mode 0xf of that CPSR cannot be entered. */
    REFUSED(HV_ILLEGAL_GUEST_STATE, hv_vcpu_run(m.vcpu));
    machine_stop(&m);
}

TEST(simd_registers_keep_128_bits)
{
    struct machine m;
    machine_start(&m, NULL, 0);
    for (hv_simd_fp_reg_t r = 0; r < 32; r++) {
        hv_simd_fp_uchar16_t value, got;
        for (unsigned i = 0; i < 16; i++) {
            value[i] = (uint8_t)(r * 16 + i);
        }
        OK(hv_vcpu_set_simd_fp_reg(m.vcpu, r, value));
        OK(hv_vcpu_get_simd_fp_reg(m.vcpu, r, &got));
        EXPECT(memcmp(&value, &got, 16) == 0);
    }
    hv_simd_fp_uchar16_t zero = {0};
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_set_simd_fp_reg(m.vcpu, 32, zero));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_get_simd_fp_reg(m.vcpu, 0, NULL));
    machine_stop(&m);
}

TEST(system_registers_accept_what_was_read_from_them)
{
    static const hv_sys_reg_t regs[] = {
        HV_SYS_REG_MIDR_EL1,     HV_SYS_REG_MPIDR_EL1,     HV_SYS_REG_ID_AA64PFR0_EL1,
        HV_SYS_REG_SCTLR_EL1,    HV_SYS_REG_TCR_EL1,       HV_SYS_REG_TTBR0_EL1,
        HV_SYS_REG_VBAR_EL1,     HV_SYS_REG_SP_EL0,        HV_SYS_REG_SP_EL1,
        HV_SYS_REG_MDSCR_EL1,    HV_SYS_REG_DBGBVR0_EL1,   HV_SYS_REG_DBGWCR15_EL1,
        HV_SYS_REG_TPIDR_EL0,    HV_SYS_REG_CNTV_CVAL_EL0, HV_SYS_REG_CNTKCTL_EL1,
        HV_SYS_REG_APIAKEYLO_EL1};
    struct machine m;
    machine_start(&m, NULL, 0);
    for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        uint64_t value = 0, again = 1;
        OK(hv_vcpu_get_sys_reg(m.vcpu, regs[i], &value));
        OK(hv_vcpu_set_sys_reg(m.vcpu, regs[i], value));
        OK(hv_vcpu_get_sys_reg(m.vcpu, regs[i], &again));
        EXPECT_EQ(again, value);
    }
    uint64_t value;
    REFUSED(HV_UNSUPPORTED, hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_CNTVOFF_EL2, &value));
    REFUSED(HV_UNSUPPORTED, hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_MDCR_EL2, &value));
    REFUSED(HV_UNSUPPORTED, hv_vcpu_get_sys_reg(m.vcpu, (hv_sys_reg_t)0xe019, &value));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_get_sys_reg(m.vcpu, (hv_sys_reg_t)1, &value));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_MIDR_EL1, NULL));
    machine_stop(&m);
}

TEST(state_after_create)
{
    hv_vcpu_t vcpu;
    struct machine m = {0};
    uint64_t value = 1;
    OK(hv_vm_create(NULL));
    OK(hv_vcpu_create(&vcpu, &m.exit, NULL));
    m.vcpu = vcpu;
    for (hv_reg_t r = HV_REG_X0; r <= HV_REG_PC; r++) {
        EXPECT_EQ(reg(&m, r), 0);
    }
    EXPECT_EQ(reg(&m, HV_REG_CPSR), 0x3c5);
    OK(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, &value));
    EXPECT_EQ(value, 0);
    OK(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_MIDR_EL1, &value));
    EXPECT_EQ(value, 0x610f0000);
    bool flag = true;
    OK(hv_vcpu_get_trap_debug_exceptions(vcpu, &flag));
    EXPECT(!flag);
    OK(hv_vcpu_get_trap_debug_reg_accesses(vcpu, &flag));
    EXPECT(!flag);
    OK(hv_vcpu_get_vtimer_mask(vcpu, &flag));
    EXPECT(!flag);
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vm_destroy());
}

TEST(trapped_brk_exits_on_the_brk)
{
    struct machine m;
    const uint32_t code[] = {MOV_X0_42, BRK};
    machine_start(&m, code, 2);
    OK(hv_vcpu_set_trap_debug_exceptions(m.vcpu, true));
    OK(hv_vcpu_set_trap_debug_reg_accesses(m.vcpu, true));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_EXCEPTION);
    EXPECT_EQ(m.exit->exception.syndrome, 0xf2000000);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0x42);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    machine_stop(&m);
}

TEST(untrapped_brk_goes_to_the_guest_vectors)
{
    struct machine m;
    const uint32_t code[] = {MOV_X0_42, BRK};
    machine_start(&m, code, 2);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, 0x100000));
    OK(hv_vcpu_run(m.vcpu));
    /* The vector at an unmapped IPA cannot be fetched. */
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_EXCEPTION);
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x20);
    EXPECT_EQ(m.exit->exception.physical_address, 0x100200);
    uint64_t value = 0;
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ESR_EL1, &value));
    EXPECT_EQ(value, 0xf2000000);
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_ELR_EL1, &value));
    EXPECT_EQ(value, PAGE + 4);
    machine_stop(&m);
}

TEST(hvc_exits_with_pc_behind_it)
{
    struct machine m;
    const uint32_t code[] = {HVC0 | 0x1234 << 5, B_SELF};
    machine_start(&m, code, 2);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_EXCEPTION);
    EXPECT_EQ(m.exit->exception.syndrome, 0x5a001234);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    machine_stop(&m);
}

TEST(hvc_band_of_the_framework_does_not_exit)
{
    struct machine m;
    const uint32_t code[] = {HVC0, HVC0 | 1 << 5};
    machine_start(&m, code, 2);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 0xc1000042));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome, 0x5a000001);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0xffffffff);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 0xc2000042));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome, 0x5a000000);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0xc2000042);
    machine_stop(&m);
}

TEST(smc_and_wfi_exit_on_the_instruction)
{
    struct machine m;
    const uint32_t code[] = {0xd4000003 | 5 << 5, 0xd503207f};
    machine_start(&m, code, 2);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome, 0x5e000005);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome, 0x07e00000);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    machine_stop(&m);
}

TEST(mmio_store_and_load_carry_the_access_in_the_syndrome)
{
    struct machine m;
    /* str w3, [x1]; ldrsh x2, [x1, #2]; stp x2, x3, [x1] */
    const uint32_t code[] = {0xb9000023, 0x79800422, 0xa9000c22};
    machine_start(&m, code, 3);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 0x9000000));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x24);
    EXPECT_EQ(m.exit->exception.syndrome >> 24 & 1, 1);    /* ISV */
    EXPECT_EQ(m.exit->exception.syndrome >> 22 & 3, 2);    /* SAS */
    EXPECT_EQ(m.exit->exception.syndrome >> 16 & 0x1f, 3); /* SRT */
    EXPECT_EQ(m.exit->exception.syndrome >> 6 & 1, 1);     /* WnR */
    EXPECT_EQ(m.exit->exception.virtual_address, 0x9000000);
    EXPECT_EQ(m.exit->exception.physical_address, 0x9000000);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 22 & 7, 5); /* ISV, halfword */
    EXPECT_EQ(m.exit->exception.syndrome >> 21 & 1, 1); /* SSE */
    EXPECT_EQ(m.exit->exception.syndrome >> 15 & 1, 1); /* SF */
    EXPECT_EQ(m.exit->exception.physical_address, 0x9000002);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 8));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x24);
    EXPECT_EQ(m.exit->exception.syndrome >> 24 & 1, 0); /* no ISV for a pair */
    EXPECT_EQ(m.exit->exception.physical_address, 0x9000000);
    machine_stop(&m);
}

TEST(write_to_a_read_only_page_is_a_permission_fault_and_can_be_retried)
{
    struct machine m;
    const uint32_t code[] = {0xf9000020, HVC0}; /* str x0, [x1] */
    machine_start(&m, code, 2);
    uint64_t *const data = pages(1);
    OK(hv_vm_map(data, 8 * PAGE, PAGE, HV_MEMORY_READ));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 99));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 8 * PAGE));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x24);
    EXPECT_EQ(m.exit->exception.syndrome & 0x3f, 0x0f);
    EXPECT_EQ(data[0], 0);
    OK(hv_vm_protect(8 * PAGE, PAGE, HV_MEMORY_READ | HV_MEMORY_WRITE));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x16);
    EXPECT_EQ(data[0], 99);
    OK(hv_vm_unmap(8 * PAGE, PAGE));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome & 0x3c, 0x04); /* translation fault */
    OK(hv_vm_deallocate(data, PAGE));
    machine_stop(&m);
}

TEST(host_writes_to_code_take_effect_at_the_next_run)
{
    struct machine m;
    const uint32_t code[] = {MOV_X0_42, HVC0};
    machine_start(&m, code, 2);
    for (uint32_t i = 0; i < 50; i++) {
        m.code[0] = 0xd2800000 | i << 5; /* mov x0, #i */
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(reg(&m, HV_REG_X0), i);
    }
    machine_stop(&m);
}

/* What has not run for long is not compared in each run, but is when it is reached. */
TEST(host_writes_to_code_that_has_not_run_for_long_take_effect)
{
    struct machine m;
    const uint32_t code[130] = {
        [0] = MOV_X0_42,   [1] = 0xb4000401,  /* cbz x1, 1f */
        [2] = HVC0,        [33] = 0xd2800022, /* 1: mov x2, #1 */
        [34] = 0x14000026, [72] = HVC0,       /* b 2f; 2: */
        [96] = HVC0,
    };
    machine_start(&m, code, 130);
    for (uint32_t i = 0; i < 40; i++) {
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, i % 2));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4 * 96));
        for (uint32_t runs = 0; runs < 300; runs++) {
            OK(hv_vcpu_run(m.vcpu));
            OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4 * 96));
        }
        m.code[i % 3 == 0 ? 0 : 33] = 0xd2800000 | i << 5 | (i % 3 == 0 ? 0 : 2);
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 0));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4 * 73);
        EXPECT_EQ(reg(&m, i % 3 == 0 ? HV_REG_X0 : HV_REG_X2), i);
    }
    machine_stop(&m);
}

/* Through jumps between pages, which are remembered from run to run. */
TEST(host_writes_to_code_of_other_pages_take_effect)
{
    enum { SECOND = 0x1000 / 4, THIRD = 0x2000 / 4 };
    struct machine m;
    const uint32_t code[] = {0x14000000 | SECOND}; /* b SECOND */
    machine_start(&m, code, 1);
    m.code[SECOND] = 0xd2800000;     /* mov x0, #0 */
    m.code[SECOND + 1] = 0xd61f0120; /* br x9 */
    m.code[THIRD] = 0xd2800001;      /* mov x1, #0 */
    m.code[THIRD + 1] = HVC0;
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X9, PAGE + 4 * THIRD));
    for (uint32_t i = 0; i < 300; i++) {
        m.code[SECOND] = 0xd2800000 | i / 7 << 5;
        m.code[THIRD] = 0xd2800001 | i / 5 << 5;
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(reg(&m, HV_REG_X0), i / 7);
        EXPECT_EQ(reg(&m, HV_REG_X1), i / 5);
        EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4 * (THIRD + 2));
    }
    machine_stop(&m);
}

TEST(host_writes_between_code_that_runs_often_take_effect)
{
    struct machine m;
    const uint32_t code[64] = {
        [0] = MOV_X0_42,   [1] = 0x14000027, /* b 1f */
        [40] = 0xd2800001, [41] = HVC0,      /* 1: mov x1, #0 */
        [50] = 0xd2800002, [51] = HVC0,      /* mov x2, #0 */
    };
    machine_start(&m, code, 64);
    for (uint32_t i = 0; i < 1000; i++) {
        m.code[0] = 0xd2800000 | i / 100 << 5;
        m.code[20] = i < 300 ? 0 : i / 3; /* data */
        m.code[40] = 0xd2800001 | i / 70 << 5;
        m.code[50] = 0xd2800002 | i / 8 << 5;
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(reg(&m, HV_REG_X0), i / 100);
        EXPECT_EQ(reg(&m, HV_REG_X1), i / 70);
        if (i > 200) { /* code that comes late */
            OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 50 * sizeof(code[0])));
            OK(hv_vcpu_run(m.vcpu));
            EXPECT_EQ(reg(&m, HV_REG_X2), i / 8);
        }
    }
    machine_stop(&m);
}

/* The same code at the same address, often; then each of its words changed. */
TEST(host_writes_to_any_word_take_effect_where_runs_begin_again)
{
    enum { N = 40 };
    struct machine m;
    uint32_t code[N + 1];
    for (uint32_t i = 0; i < N; i++) {
        code[i] = 0x91000400; /* add x0, x0, #1 */
    }
    code[N] = HVC0;
    machine_start(&m, code, N + 1);
    for (uint32_t i = 0; i < 8 * N; i++) {
        const uint32_t changed = i / 4 % N, amount = i % 4 == 3 ? 100 : 1;
        m.code[changed] = 0x91000000 | amount << 10;
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 0));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(reg(&m, HV_REG_X0), N - 1 + amount);
        m.code[changed] = 0x91000400;
    }
    machine_stop(&m);
}

/* A run begins with what the one before came to last, and then comes to what that began with. */
TEST(host_writes_take_effect_where_runs_begin_with_the_last_code)
{
    enum { SECOND = 0x1000 / 4, N = 60 };
    struct machine m;
    const uint32_t code[] = {0xd2800000 /* mov x0, #0 */, 0x14000000 | (SECOND - 1) /* b */};
    machine_start(&m, code, 2);
    m.code[SECOND] = 0xb4000041;                                  /* cbz x1, 1f */
    m.code[SECOND + 1] = HVC0;                                    /**/
    m.code[SECOND + 2] = 0xd2800021;                              /* 1: mov x1, #1 */
    m.code[SECOND + 3] = 0x14000000 | (0x4000000 - (SECOND + 3)); /* b to the first page */
    for (uint32_t i = 0; i < N; i++) {
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 1));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(reg(&m, HV_REG_X0), i == 0 ? 0 : i - 1);
        m.code[0] = 0xd2800000 | i << 5;
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 0));
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4 * SECOND));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(reg(&m, HV_REG_X0), i);
    }
    machine_stop(&m);
}

static void run_at(struct machine *m, uint64_t pc, uint64_t cpsr)
{
    OK(hv_vcpu_set_reg(m->vcpu, HV_REG_CPSR, cpsr));
    OK(hv_vcpu_set_reg(m->vcpu, HV_REG_PC, pc));
    OK(hv_vcpu_run(m->vcpu));
}

/* What decides about the code that a run begins with. */
TEST(runs_that_begin_again_follow_address_and_state)
{
    enum { EL1H = 0x3c5, EL0 = 0x3c0, BTYPE = 3 << 10, IL = 1 << 20, SS = 1 << 21 };
    struct machine m;
    const uint32_t code[] = {0xd5384240 /* mrs x0, currentel */, HVC0};
    machine_start(&m, code, 2);
    uint32_t *const other = pages(1);
    other[0] = MOV_X0_42;
    other[1] = HVC0;
    OK(hv_vm_map(other, PAGE + 0x10000, PAGE, RWX)); /* where addresses look alike */
    OK(hv_vcpu_set_trap_debug_exceptions(m.vcpu, true));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, PAGE + 0x1000));
    m.code[0x1400 / 4] = 0xd4000022; /* hvc #1 where exceptions of EL0 go */
    m.code[0x1200 / 4] = 0xd4000042; /* hvc #2 where those of EL1 go */
    for (int i = 0; i < 100; i++) {
        run_at(&m, PAGE, EL1H);
        EXPECT_EQ(reg(&m, HV_REG_X0), 1 << 2);
        EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 8);
        switch (i < 40 ? -1 : i % 6) {
        case 0: /* MRS is UNDEFINED there */
            run_at(&m, PAGE, EL0);
            EXPECT_EQ(m.exit->exception.syndrome & 0xffff, 1);
            break;
        case 1: /* the first instruction that runs takes it away */
            run_at(&m, PAGE, EL1H | BTYPE);
            EXPECT_EQ(reg(&m, HV_REG_CPSR) & BTYPE, 0);
            break;
        case 2:
            run_at(&m, PAGE, EL1H | IL);
            EXPECT_EQ(m.exit->exception.syndrome & 0xffff, 2);
            break;
        case 3:
            OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MDSCR_EL1, 1));
            run_at(&m, PAGE, EL1H | SS);
            EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x32);
            EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
            OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MDSCR_EL1, 0));
            break;
        case 4:
            OK(hv_vm_unmap(PAGE, PAGE));
            OK(hv_vm_map(other, PAGE, PAGE, RWX));
            run_at(&m, PAGE, EL1H);
            EXPECT_EQ(reg(&m, HV_REG_X0), 0x42);
            OK(hv_vm_unmap(PAGE, PAGE));
            OK(hv_vm_map(m.code, PAGE, PAGE, RWX));
            break;
        case 5:
            run_at(&m, PAGE + 0x10000, EL1H);
            EXPECT_EQ(reg(&m, HV_REG_X0), 0x42);
            break;
        default:
            break;
        }
    }
    OK(hv_vcpu_destroy(m.vcpu));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(m.code, PAGE));
    OK(hv_vm_deallocate(other, PAGE));
}

TEST(stores_to_the_code_ahead_take_effect_without_cache_maintenance)
{
    struct machine m;
    /* The store writes back its base and replaces the instruction behind it, in the same block. */
    const uint32_t code[] = {
        0xb8004420, /* str w0, [x1], #4 */
        0x52800002, /* mov w2, #0: replaced */
        HVC0,
    };
    machine_start(&m, code, 3);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 0x52800022)); /* mov w2, #1 */
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, PAGE + 4));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x16);
    EXPECT_EQ(reg(&m, HV_REG_X1), PAGE + 8);
    EXPECT_EQ(reg(&m, HV_REG_X2), 1);
    machine_stop(&m);
}

TEST(exit_request_is_sticky_and_once)
{
    struct machine m;
    const uint32_t code[] = {MOV_X0_42, HVC0};
    machine_start(&m, code, 2);
    OK(hv_vcpus_exit(&m.vcpu, 1));
    OK(hv_vcpus_exit(&m.vcpu, 1));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_CANCELED);
    EXPECT_EQ(m.exit->exception.syndrome, 0);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_EXCEPTION);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0x42);
    hv_vcpu_t list[2] = {m.vcpu, 40};
    OK(hv_vcpus_exit(NULL, 0));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpus_exit(NULL, 1));
    REFUSED(HV_BAD_ARGUMENT, hv_vcpus_exit(list, 2));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_CANCELED);
    machine_stop(&m);
}

static atomic_int spinning;
static hv_vcpu_t spinners[64];

static void *spin(void *argument)
{
    const unsigned i = (unsigned)(uintptr_t)argument;
    hv_vcpu_exit_t *exit;
    OK(hv_vcpu_create(&spinners[i], &exit, NULL));
    OK(hv_vcpu_set_reg(spinners[i], HV_REG_PC, PAGE));
    OK(hv_vcpu_set_reg(spinners[i], HV_REG_CPSR, 0x3c5));
    OK(hv_vcpu_set_reg(spinners[i], HV_REG_X0, spinners[i]));
    atomic_fetch_add(&spinning, 1);
    OK(hv_vcpu_run(spinners[i]));
    EXPECT_EQ(exit->reason, HV_EXIT_REASON_CANCELED);
    uint64_t value = 0;
    OK(hv_vcpu_get_reg(spinners[i], HV_REG_X0, &value));
    EXPECT_EQ(value, spinners[i]);
    OK(hv_vcpu_destroy(spinners[i]));
    return NULL;
}

TEST(sixty_four_vcpus_run_at_once_and_the_65th_has_no_resources)
{
    const uint32_t code[] = {B_SELF};
    pthread_t threads[64];
    uint32_t *const memory = pages(1);
    memory[0] = code[0];
    OK(hv_vm_create(NULL));
    OK(hv_vm_map(memory, PAGE, PAGE, RWX));
    atomic_store(&spinning, 0);
    for (uintptr_t i = 0; i < 64; i++) {
        pthread_create(&threads[i], NULL, spin, (void *)i);
    }
    while (atomic_load(&spinning) < 64) {
        usleep(1000);
    }
    hv_vcpu_t extra;
    hv_vcpu_exit_t *exit;
    REFUSED(HV_NO_RESOURCES, hv_vcpu_create(&extra, &exit, NULL));
    OK(hv_vcpus_exit(spinners, 64));
    for (unsigned i = 0; i < 64; i++) {
        pthread_join(threads[i], NULL);
    }
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(memory, PAGE));
}

TEST(pending_interrupt_reads_back_and_clears_when_a_run_returns)
{
    struct machine m;
    const uint32_t code[] = {HVC0};
    bool pending = true;
    machine_start(&m, code, 1);
    for (hv_interrupt_type_t type = HV_INTERRUPT_TYPE_IRQ; type <= HV_INTERRUPT_TYPE_FIQ; type++) {
        OK(hv_vcpu_get_pending_interrupt(m.vcpu, type, &pending));
        EXPECT(!pending);
        OK(hv_vcpu_set_pending_interrupt(m.vcpu, type, true));
        OK(hv_vcpu_get_pending_interrupt(m.vcpu, type, &pending));
        EXPECT(pending);
    }
    REFUSED(HV_BAD_ARGUMENT, hv_vcpu_set_pending_interrupt(m.vcpu, 2, true));
    OK(hv_vcpu_run(m.vcpu)); /* masked by the CPSR of the start */
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x16);
    OK(hv_vcpu_get_pending_interrupt(m.vcpu, HV_INTERRUPT_TYPE_IRQ, &pending));
    EXPECT(!pending);
    machine_stop(&m);
}

TEST(unmasked_interrupt_takes_the_irq_vector)
{
    struct machine m;
    const uint32_t code[] = {B_SELF};
    machine_start(&m, code, 1);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, 0x100000));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x5));
    OK(hv_vcpu_set_pending_interrupt(m.vcpu, HV_INTERRUPT_TYPE_IRQ, true));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x20);
    EXPECT_EQ(m.exit->exception.physical_address, 0x100280);
    machine_stop(&m);
}

TEST(virtual_timer_exits_once_and_masks_itself)
{
    struct machine m;
    const uint32_t code[] = {B_SELF};
    bool masked = false;
    machine_start(&m, code, 1);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CVAL_EL0, 1));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_CNTV_CTL_EL0, 1));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    EXPECT_EQ(m.exit->exception.syndrome, 0);
    OK(hv_vcpu_get_vtimer_mask(m.vcpu, &masked));
    EXPECT(masked);
    OK(hv_vcpu_set_vtimer_mask(m.vcpu, false));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    machine_stop(&m);
}

TEST(virtual_timer_fires_while_the_guest_runs)
{
    struct machine m;
    /* mrs x0, cntvct_el0; add x0, x0, #0x1000; msr cntv_cval_el0, x0; mov x1, #1; msr cntv_ctl_el0, x1; b . */
    const uint32_t code[] = {0xd53be040, 0x91400400, 0xd51be340, 0xd2800021, 0xd51be321, B_SELF};
    machine_start(&m, code, 6);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_VTIMER_ACTIVATED);
    machine_stop(&m);
}

TEST(vtimer_mask_and_offset_read_back)
{
    struct machine m;
    bool masked = false;
    uint64_t offset = 0;
    machine_start(&m, NULL, 0);
    OK(hv_vcpu_set_vtimer_mask(m.vcpu, true));
    OK(hv_vcpu_get_vtimer_mask(m.vcpu, &masked));
    EXPECT(masked);
    OK(hv_vcpu_set_vtimer_offset(m.vcpu, 0xdeadbeefdeadbeef));
    OK(hv_vcpu_get_vtimer_offset(m.vcpu, &offset));
    EXPECT_EQ(offset, 0xdeadbeefdeadbeef);
    machine_stop(&m);
}

TEST(execution_time_grows_with_a_loop)
{
    struct machine m;
    /* mov x0, #0x10000; subs x0, x0, #1; b.ne -4; hvc #0 */
    const uint32_t code[] = {0xd2a00020, 0xf1000400, 0x54ffffe1, HVC0};
    uint64_t time = 0;
    machine_start(&m, code, 4);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x16);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0);
    OK(hv_vcpu_get_exec_time(m.vcpu, &time));
    EXPECT(time > 0);
    machine_stop(&m);
}

/* The library has a thread of its own for them then. */
TEST(signals_are_the_clients_after_many_runs)
{
    struct machine m;
    const uint32_t code[] = {HVC0, 0x17ffffff}; /* hvc #0; b -4 */
    const struct timespec second = {.tv_sec = 1}, while_another_takes_it = {.tv_nsec = 20000000};
    sigset_t set, before;
    machine_start(&m, code, 2);
    for (unsigned i = 0; i < 1000; i++) {
        OK(hv_vcpu_run(m.vcpu));
    }
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    kill(getpid(), SIGUSR1); /* whose default is to end the process */
    nanosleep(&while_another_takes_it, NULL);
    EXPECT_EQ(sigtimedwait(&set, NULL, &second), SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    machine_stop(&m);
}

/* As many short runs as are no longer measured each. */
TEST(execution_time_of_short_runs_is_within_what_has_passed)
{
    struct machine m;
    const uint32_t code[] = {HVC0, 0x17ffffff}; /* hvc #0; b -4 */
    struct timespec start, end;
    uint64_t first = 0, time = 0;
    machine_start(&m, code, 2);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned i = 0; i < 300000; i++) {
        OK(hv_vcpu_run(m.vcpu));
    }
    OK(hv_vcpu_get_exec_time(m.vcpu, &first));
    clock_gettime(CLOCK_MONOTONIC, &end);
    const uint64_t passed = (uint64_t)(end.tv_sec - start.tv_sec) * 24000000 +
                            (uint64_t)end.tv_nsec * 24 / 1000 - (uint64_t)start.tv_nsec * 24 / 1000;
    EXPECT(first > 0);
    EXPECT(first <= passed + 1);
    OK(hv_vcpu_run(m.vcpu));
    OK(hv_vcpu_get_exec_time(m.vcpu, &time));
    EXPECT(time >= first);
    machine_stop(&m);
}

TEST(single_step_stops_after_each_instruction)
{
    struct machine m;
    const uint32_t code[] = {MOV_X0_42, 0x91000400, 0x91000400}; /* add x0, x0, #1 */
    machine_start(&m, code, 3);
    OK(hv_vcpu_set_trap_debug_exceptions(m.vcpu, true));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MDSCR_EL1, 1));
    for (uint64_t i = 0; i < 3; i++) {
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0x3c5 | 1 << 21));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x32);
        EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4 * (i + 1));
        EXPECT_EQ(reg(&m, HV_REG_X0), 0x42 + i);
    }
    machine_stop(&m);
}

TEST(trapped_breakpoint_stops_on_its_instruction)
{
    struct machine m;
    const uint32_t code[] = {MOV_X0_42, 0x91000400, HVC0};
    machine_start(&m, code, 3);
    OK(hv_vcpu_set_trap_debug_exceptions(m.vcpu, true));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_DBGBVR0_EL1, PAGE + 4));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_DBGBCR0_EL1, 0x1e7)); /* E, EL0 and EL1, all bytes */
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MDSCR_EL1, 1 << 15));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x30);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0x42);
    machine_stop(&m);
}

MAIN(T(vcpu_needs_a_vm_and_places_for_its_results), T(second_vcpu_on_a_thread_is_busy),
     T(another_thread_may_not_use_a_vcpu), T(general_registers_keep_any_value),
     T(simd_registers_keep_128_bits), T(system_registers_accept_what_was_read_from_them),
     T(state_after_create), T(trapped_brk_exits_on_the_brk),
     T(untrapped_brk_goes_to_the_guest_vectors), T(hvc_exits_with_pc_behind_it),
     T(hvc_band_of_the_framework_does_not_exit), T(smc_and_wfi_exit_on_the_instruction),
     T(mmio_store_and_load_carry_the_access_in_the_syndrome),
     T(write_to_a_read_only_page_is_a_permission_fault_and_can_be_retried),
     T(host_writes_to_code_take_effect_at_the_next_run),
     T(host_writes_to_code_that_has_not_run_for_long_take_effect),
     T(host_writes_to_code_of_other_pages_take_effect),
     T(host_writes_between_code_that_runs_often_take_effect),
     T(host_writes_to_any_word_take_effect_where_runs_begin_again),
     T(host_writes_take_effect_where_runs_begin_with_the_last_code),
     T(runs_that_begin_again_follow_address_and_state),
     T(stores_to_the_code_ahead_take_effect_without_cache_maintenance),
     T(exit_request_is_sticky_and_once),
     T(sixty_four_vcpus_run_at_once_and_the_65th_has_no_resources),
     T(pending_interrupt_reads_back_and_clears_when_a_run_returns),
     T(unmasked_interrupt_takes_the_irq_vector), T(virtual_timer_exits_once_and_masks_itself),
     T(virtual_timer_fires_while_the_guest_runs), T(vtimer_mask_and_offset_read_back),
     T(execution_time_grows_with_a_loop), T(execution_time_of_short_runs_is_within_what_has_passed),
     T(signals_are_the_clients_after_many_runs), T(single_step_stops_after_each_instruction),
     T(trapped_breakpoint_stops_on_its_instruction))
