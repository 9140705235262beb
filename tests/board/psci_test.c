/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "psci.h"

#include "rig.h"

#define OFF ((uint64_t)-2)

static struct psci psci;

static void start(void)
{
    psci = (struct psci){.n_cpus = 3, .ram_base = 0x40000000, .ram_size = 0x100000};
    psci.cpus[1].mpidr = 1;
    psci.cpus[2].mpidr = 0x100;
    psci_reset(&psci);
}

static enum psci_action call(unsigned caller, uint64_t id, uint64_t x1, uint64_t x2, uint64_t x3,
                             uint64_t *result, unsigned *cpu)
{
    return psci_call(&psci, caller, (uint64_t[]){id, x1, x2, x3}, result, cpu);
}

/* The answer of a call that returns. */
static uint64_t answer(uint64_t id, uint64_t x1, uint64_t x2, uint64_t x3)
{
    uint64_t result = 0;
    unsigned cpu = 0;

    EXPECT_EQ(call(0, id, x1, x2, x3, &result, &cpu), PSCI_RETURN);
    return result;
}

TEST(answers)
{
    static const struct {
        uint64_t id, x1, x2, x3, result;
    } rows[] = {
        {0x84000000, 0, 0, 0, 0x10001},         /* VERSION 1.1 */
        {0xffffffff84000000, 0, 0, 0, 0x10001}, /* the identifier is W0 */
        {0xc4000000, 0, 0, 0, ~0ull},           /* VERSION has no 64-bit form */
        {0x84000006, 0, 0, 0, 2},               /* MIGRATE_INFO_TYPE */
        {0x84000005, 0, 0, 0, ~0ull},           /* MIGRATE */
        {0x8400000a, 0x84000003, 0, 0, 0},      /* FEATURES(CPU_ON) */
        {0x8400000a, 0xc4000003, 0, 0, 0},
        {0x8400000a, 0xc4000001, 0, 0, 0},             /* CPU_SUSPEND */
        {0x8400000a, 0x80000000, 0, 0, ~0ull},         /* SMCCC_VERSION */
        {0x8400000a, 0xc400000e, 0, 0, ~0ull},         /* SYSTEM_SUSPEND */
        {0x8400000a, 0xc4000012, 0, 0, ~0ull},         /* SYSTEM_RESET2 */
        {0x84000004, 0, 0, 0, 0},                      /* AFFINITY_INFO: on */
        {0xc4000004, 1, 0, 0, 1},                      /* off */
        {0xc4000004, 1, 1, 0, OFF},                    /* level 1 */
        {0xc4000004, 7, 0, 0, OFF},                    /* nobody */
        {0xc4000003, 0, 0x40000000, 0, (uint64_t)-4},  /* CPU_ON: on already */
        {0xc4000003, 7, 0x40000000, 0, OFF},           /* nobody */
        {0xc4000003, 0x100000001, 0x40000000, 0, OFF}, /* Aff3 counts */
        {0xc4000003, 1, 0x3ffffffc, 0, (uint64_t)-9},  /* entry below RAM */
        {0xc4000003, 1, 0x40100000, 0, (uint64_t)-9},  /* behind it */
        {0xc4000003, 1, 0x40000002, 0, (uint64_t)-9},  /* no instruction can be there */
        {0xc4000001, 0, 0, 0, 0},                      /* CPU_SUSPEND: standby */
        {0xc4000001, 0x10000, 0, 0, OFF},              /* power down: no such state */
        {0x84000050, 0, 0, 0, ~0ull},                  /* TRNG_VERSION */
        {0x8600ff01, 0, 0, 0, ~0ull},                  /* vendor UID */
        {0, 0, 0, 0, ~0ull},
    };

    start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint64_t result = answer(rows[i].id, rows[i].x1, rows[i].x2, rows[i].x3);
        if (result != rows[i].result) {
            printf("# row %zu\n", i);
        }
        EXPECT_EQ(result, rows[i].result);
    }
}

TEST(on_and_off)
{
    uint64_t result = 99;
    unsigned cpu = 99;

    start();
    EXPECT_EQ(call(0, 0xc4000003, 0x100, 0x40001000, 0x123456789a, &result, &cpu), PSCI_START_CPU);
    EXPECT_EQ(result, 0);
    EXPECT_EQ(cpu, 2);
    EXPECT_EQ(psci.cpus[2].entry, 0x40001000);
    EXPECT_EQ(psci.cpus[2].context, 0x123456789a);
    EXPECT_EQ(answer(0xc4000004, 0x100, 0, 0), 2);
    EXPECT_EQ(answer(0xc4000003, 0x100, 0x40001000, 0), (uint64_t)-5); /* on its way */
    psci_started(&psci, 2);
    EXPECT_EQ(answer(0xc4000004, 0x100, 0, 0), 0);
    EXPECT_EQ(answer(0xc4000003, 0x100, 0x40001000, 0), (uint64_t)-4);
    EXPECT_EQ(call(2, 0x84000002, 0, 0, 0, &result, &cpu), PSCI_STOP_CPU);
    EXPECT_EQ(answer(0xc4000004, 0x100, 0, 0), 1);
    /* 32 bits of each argument */
    EXPECT_EQ(call(0, 0x84000003, 0xf00000100, 0xf40001000, 0xf23456789, &result, &cpu),
              PSCI_START_CPU);
    EXPECT_EQ(psci.cpus[2].entry, 0x40001000);
    EXPECT_EQ(psci.cpus[2].context, 0x23456789);
    psci_reset(&psci);
    EXPECT_EQ(answer(0xc4000004, 0x100, 0, 0), 1);
}

TEST(system_calls)
{
    uint64_t result;
    unsigned cpu;

    start();
    EXPECT_EQ(call(1, 0x84000008, 0, 0, 0, &result, &cpu), PSCI_SYSTEM_OFF);
    EXPECT_EQ(call(1, 0x84000009, 0, 0, 0, &result, &cpu), PSCI_SYSTEM_RESET);
}

MAIN(T(answers), T(on_and_off), T(system_calls))
