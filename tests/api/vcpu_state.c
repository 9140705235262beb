/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A vCPU's identity, what a guest sees of its start, and what an exit leaves behind. */
#include <pthread.h>
#include <semaphore.h>

#include "check.h"

#define HVC0    0xd4000002u
#define VECTORS 0x100000u /* not mapped: a fetch from there exits */

/* --- Ids --------------------------------------------------------------------------------------------------------------------- */

struct holder {
    hv_vcpu_t vcpu;
    sem_t created, go, gone;
};

static void *hold_a_vcpu(void *argument)
{
    struct holder *const h = argument;
    hv_vcpu_exit_t *exit;

    OK(hv_vcpu_create(&h->vcpu, &exit, NULL));
    sem_post(&h->created);
    sem_wait(&h->go);
    OK(hv_vcpu_destroy(h->vcpu));
    sem_post(&h->gone);
    return NULL;
}

TEST(vcpu_ids_start_at_0_and_the_lowest_free_one_is_next)
{
    struct holder holders[3];
    pthread_t threads[3];
    hv_vcpu_t vcpu = 77;
    hv_vcpu_exit_t *exit;

    OK(hv_vm_create(NULL));
    for (unsigned i = 0; i < 3; i++) {
        sem_init(&holders[i].created, 0, 0);
        sem_init(&holders[i].go, 0, 0);
        sem_init(&holders[i].gone, 0, 0);
        pthread_create(&threads[i], NULL, hold_a_vcpu, &holders[i]);
        sem_wait(&holders[i].created);
        EXPECT_EQ(holders[i].vcpu, i);
    }
    sem_post(&holders[1].go);
    sem_wait(&holders[1].gone);
    OK(hv_vcpu_create(&vcpu, &exit, NULL));
    EXPECT_EQ(vcpu, 1);
    OK(hv_vcpu_destroy(vcpu));
    sem_post(&holders[0].go);
    sem_post(&holders[2].go);
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    OK(hv_vm_destroy());
}

TEST(mpidr_reads_back_as_set_and_the_guest_sees_bit_31)
{
    struct machine m;
    const uint32_t code[] = {0xd53800a0, HVC0}; /* mrs x0, mpidr_el1 */
    uint64_t value = 0;

    machine_start(&m, code, 2);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MPIDR_EL1, 0x10203));
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_MPIDR_EL1, &value));
    EXPECT_EQ(value, 0x10203);
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(reg(&m, HV_REG_X0), 0x80010203);
    OK(hv_vcpu_get_sys_reg(m.vcpu, HV_SYS_REG_MPIDR_EL1, &value));
    EXPECT_EQ(value, 0x10203);
    machine_stop(&m);
}

/* --- The start --------------------------------------------------------------------------------------------------------------- */

TEST(guest_starts_at_el1_with_interrupts_masked)
{
    struct machine m = {0};
    /* mrs x0, currentel; mrs x1, spsel; mrs x2, daif */
    const uint32_t code[] = {0xd5384240, 0xd5384201, 0xd53b4222, HVC0};

    OK(hv_vm_create(NULL));
    OK(hv_vcpu_create(&m.vcpu, &m.exit, NULL));
    m.code = pages(1);
    memcpy(m.code, code, sizeof(code));
    OK(hv_vm_map(m.code, PAGE, PAGE, RWX));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(reg(&m, HV_REG_X0), 1 << 2);
    EXPECT_EQ(reg(&m, HV_REG_X1), 1);
    EXPECT_EQ(reg(&m, HV_REG_X2), 0x3c0);
    machine_stop(&m);
}

TEST(guest_starts_at_el0_where_cpsr_says_so)
{
    struct machine m;
    const uint32_t code[] = {HVC0};

    machine_start(&m, code, 1);
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_VBAR_EL1, VECTORS));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_CPSR, 0));
    OK(hv_vcpu_run(m.vcpu));
    /* HVC is UNDEFINED there, and comes from a lower EL. */
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x20);
    EXPECT_EQ(m.exit->exception.physical_address, VECTORS + 0x400);
    machine_stop(&m);
}

TEST(no_chip_shows_sme_unasked)
{
    static const char *const chips[] = {"m1", "m4", "max"};

    for (size_t i = 0; i < sizeof(chips) / sizeof(chips[0]); i++) {
        hv_vcpu_t vcpu;
        hv_vcpu_exit_t *exit;
        uint64_t value = ~0ull;
        setenv("HV_CHIP", chips[i], 1);
        OK(hv_vm_create(NULL));
        OK(hv_vcpu_create(&vcpu, &exit, NULL));
        OK(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ID_AA64PFR1_EL1, &value));
        EXPECT_EQ(value >> 24 & 15, 0);
        OK(hv_vcpu_destroy(vcpu));
        OK(hv_vm_destroy());
    }
    unsetenv("HV_CHIP");
}

/* --- The exit ---------------------------------------------------------------------------------------------------------------- */

TEST(addresses_are_0_where_the_exit_is_no_abort)
{
    struct machine m;
    static const struct {
        uint32_t word;
        unsigned class;
    } exits[] = {
        {HVC0, 0x16},       {0xd4000003, 0x17}, /* smc #0 */
        {0xd503207f, 0x01},                     /* wfi */
        {0xd5300240, 0x18},                     /* mrs x0, mdscr_el1 */
        {0xd4200000, 0x3c},                     /* brk #0 */
    };

    machine_start(&m, NULL, 0);
    OK(hv_vcpu_set_trap_debug_exceptions(m.vcpu, true));
    OK(hv_vcpu_set_trap_debug_reg_accesses(m.vcpu, true));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, 0x9000010));
    for (size_t i = 0; i <= sizeof(exits) / sizeof(exits[0]); i++) {
        /* First an abort, whose addresses must not stay. */
        m.code[0] = 0xf9400020; /* ldr x0, [x1] */
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
        OK(hv_vcpu_run(m.vcpu));
        EXPECT_EQ(m.exit->exception.virtual_address, 0x9000010);
        EXPECT_EQ(m.exit->exception.physical_address, 0x9000010);
        if (i < sizeof(exits) / sizeof(exits[0])) {
            m.code[0] = exits[i].word;
            OK(hv_vcpu_run(m.vcpu));
            EXPECT_EQ(m.exit->exception.syndrome >> 26, exits[i].class);
        } else {
            OK(hv_vcpus_exit(&m.vcpu, 1));
            OK(hv_vcpu_run(m.vcpu));
            EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_CANCELED);
        }
        EXPECT_EQ(m.exit->exception.virtual_address, 0);
        EXPECT_EQ(m.exit->exception.physical_address, 0);
    }
    machine_stop(&m);
}

TEST(trapped_system_register_exits_on_the_instruction)
{
    struct machine m;
    /* mrs x3, mdscr_el1; msr mdscr_el1, x4 */
    const uint32_t code[] = {0xd5300243, 0xd5100244};

    machine_start(&m, code, 2);
    OK(hv_vcpu_set_trap_debug_reg_accesses(m.vcpu, true));
    OK(hv_vcpu_run(m.vcpu));
    /* Op0 2, Op2 2, Op1 0, CRn 0, Rt 3, CRm 2, read */
    EXPECT_EQ(m.exit->exception.syndrome, 0x62000000 | 2 << 20 | 2 << 17 | 3 << 5 | 2 << 1 | 1);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->exception.syndrome, 0x62000000 | 2 << 20 | 2 << 17 | 4 << 5 | 2 << 1);
    EXPECT_EQ(reg(&m, HV_REG_PC), PAGE + 4);
    machine_stop(&m);
}

MAIN(T(vcpu_ids_start_at_0_and_the_lowest_free_one_is_next),
     T(mpidr_reads_back_as_set_and_the_guest_sees_bit_31),
     T(guest_starts_at_el1_with_interrupts_masked), T(guest_starts_at_el0_where_cpsr_says_so),
     T(no_chip_shows_sme_unasked), T(addresses_are_0_where_the_exit_is_no_abort),
     T(trapped_system_register_exits_on_the_instruction))
