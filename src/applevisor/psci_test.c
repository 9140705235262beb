/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* PSCI without a hypervisor: what each call answers in each state, and many threads that switch each other on and off. */
#include <pthread.h>
#include <stdatomic.h>

#include <applevisor/psci.h>

#include "check.h"

#define VERSION       0x84000000u
#define CPU_SUSPEND   0x84000001u
#define CPU_OFF       0x84000002u
#define CPU_ON        0x84000003u
#define CPU_ON_64     0xc4000003u
#define AFFINITY      0x84000004u
#define AFFINITY_64   0xc4000004u
#define MIGRATE       0x84000005u
#define MIGRATE_TYPE  0x84000006u
#define SYSTEM_OFF    0x84000008u
#define SYSTEM_RESET  0x84000009u
#define FEATURES      0x8400000au
#define SYSTEM_RESET2 0x84000012u
#define NOT_SUPPORTED (-1ll)
#define INVALID       (-2ll)

static av_psci *make(unsigned n_cpus, const uint64_t *mpidrs)
{
    av_psci_options options;
    av_psci *psci = NULL;

    av_psci_options_init(&options);
    options.n_cpus = n_cpus;
    options.mpidrs = mpidrs;
    OK(av_psci_create(&psci, &options));
    return psci;
}

static av_psci_result call(av_psci *psci, unsigned cpu, uint64_t x0, uint64_t x1, uint64_t x2,
                           uint64_t x3)
{
    const uint64_t x[4] = {x0, x1, x2, x3};
    av_psci_result result = {0};

    OK(av_psci_call(psci, cpu, x, &result));
    return result;
}

/* Calls that change nothing. */
TEST(answers)
{
    // clang-format off
    static const struct {
        uint64_t x0, x1, x2, x3;
        av_psci_action action;
        int64_t result;
    } cases[] = {
        {VERSION, 0, 0, 0, AV_PSCI_RETURN, 0x10001},
        {0xffffffff00000000 | VERSION, 0, 0, 0, AV_PSCI_RETURN, 0x10001}, /* the identifier is W0 */
        {0xc4000000, 0, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED}, /* no SMC64 form */
        {MIGRATE_TYPE, 0, 0, 0, AV_PSCI_RETURN, 2},
        {MIGRATE, 0, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED},
        {0xc4000005, 0, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED},
        {0x84000007, 0, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED}, /* MIGRATE_INFO_UP_CPU */
        {0x8400000b, 0, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED}, /* CPU_FREEZE */
        {0x8400000e, 0, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED}, /* SYSTEM_SUSPEND */
        {0xc400001f, 0, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED},
        {0x84000020, 0, 0, 0, AV_PSCI_NONE, NOT_SUPPORTED},
        {0xc1000000, 0, 0, 0, AV_PSCI_NONE, NOT_SUPPORTED},
        {0x04000000, 0, 0, 0, AV_PSCI_NONE, NOT_SUPPORTED}, /* a yielding call */
        {0, 0, 0, 0, AV_PSCI_NONE, NOT_SUPPORTED},
        /* CPU_SUSPEND: standby, powerdown, level 3, reserved bits */
        {CPU_SUSPEND, 0, 0, 0, AV_PSCI_SUSPEND, 0},
        {0xc4000001, 0x1ffff, 0x80000, 7, AV_PSCI_SUSPEND, 0},
        {CPU_SUSPEND, 0x3000000, 0, 0, AV_PSCI_SUSPEND, 0},
        {CPU_SUSPEND, 0x20000, 0, 0, AV_PSCI_RETURN, INVALID},
        {CPU_SUSPEND, 0x4000000, 0, 0, AV_PSCI_RETURN, INVALID},
        {CPU_SUSPEND, 0x100000000, 0, 0, AV_PSCI_SUSPEND, 0}, /* 32-bit call */
        {0xc4000001, 0x100000000, 0, 0, AV_PSCI_RETURN, INVALID},
        /* CPU_ON */
        {CPU_ON, 0x100, 0x40000000, 0, AV_PSCI_RETURN, -4}, /* the caller */
        {CPU_ON, 0x102, 0x40000000, 0, AV_PSCI_RETURN, INVALID},
        {CPU_ON, 0x101, 0x40000002, 0, AV_PSCI_RETURN, -9},
        {CPU_ON_64, 0x80000101, 0x40000000, 0, AV_PSCI_RETURN, INVALID}, /* bit 31 of MPIDR_EL1 is no affinity */
        {CPU_ON_64, 0x500000101, 0x40000000, 0, AV_PSCI_RETURN, INVALID},
        /* AFFINITY_INFO by level */
        {AFFINITY, 0x100, 0, 0, AV_PSCI_RETURN, 0},
        {AFFINITY, 0x101, 0, 0, AV_PSCI_RETURN, 1},
        {AFFINITY, 0x102, 0, 0, AV_PSCI_RETURN, INVALID},
        {AFFINITY, 0x1ff, 1, 0, AV_PSCI_RETURN, 0},
        {AFFINITY, 0x200, 1, 0, AV_PSCI_RETURN, 1},
        {AFFINITY, 0x300, 1, 0, AV_PSCI_RETURN, INVALID},
        {AFFINITY, 0x0, 2, 0, AV_PSCI_RETURN, 0},
        {AFFINITY, 0x10000, 2, 0, AV_PSCI_RETURN, INVALID},
        {AFFINITY, 0x0, 3, 0, AV_PSCI_RETURN, 0},
        {AFFINITY_64, 0x700000000, 3, 0, AV_PSCI_RETURN, 1},
        {AFFINITY_64, 0x700000001, 0, 0, AV_PSCI_RETURN, 1},
        {AFFINITY_64, 0x800000000, 3, 0, AV_PSCI_RETURN, INVALID},
        {AFFINITY, 0x100, 4, 0, AV_PSCI_RETURN, INVALID},
        {AFFINITY_64, 0x80000100, 0, 0, AV_PSCI_RETURN, INVALID},
        /* PSCI_FEATURES */
        {FEATURES, VERSION, 0, 0, AV_PSCI_RETURN, 0},
        {FEATURES, CPU_SUSPEND, 0, 0, AV_PSCI_RETURN, 0},
        {FEATURES, CPU_ON_64, 0, 0, AV_PSCI_RETURN, 0},
        {FEATURES, SYSTEM_RESET2, 0, 0, AV_PSCI_RETURN, 0},
        {FEATURES, 0xc4000012, 0, 0, AV_PSCI_RETURN, 0},
        {FEATURES, FEATURES, 0, 0, AV_PSCI_RETURN, 0},
        {FEATURES, 0x80000000, 0, 0, AV_PSCI_RETURN, 0}, /* SMCCC_VERSION */
        {FEATURES, 0x80000001, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED},
        {FEATURES, MIGRATE, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED},
        {FEATURES, 0xc4000002, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED},
        {FEATURES, 0x12345678, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED},
        /* SMCCC */
        {0x80000000, 0, 0, 0, AV_PSCI_RETURN, 0x10001},
        {0x80000001, 0x80000000, 0, 0, AV_PSCI_RETURN, 0},
        {0x80000001, 0x80008000, 0, 0, AV_PSCI_RETURN, NOT_SUPPORTED}, /* SMCCC_ARCH_WORKAROUND_1 */
        /* SYSTEM_RESET2 of an unknown type */
        {SYSTEM_RESET2, 1, 0, 0, AV_PSCI_RETURN, INVALID},
        {0xc4000012, 0x80000000, 0, 0, AV_PSCI_RETURN, INVALID},
    };
    // clang-format on
    static const uint64_t mpidrs[] = {0x100, 0x101, 0x200, 0x700000001};
    av_psci *const psci = make(4, mpidrs);
    av_psci_start start;

    OK(av_psci_boot(psci, 0, 0x40000000, 0));
    OK(av_psci_wait(psci, 0, &start));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const av_psci_result got = call(psci, 0, cases[i].x0, cases[i].x1, cases[i].x2,
                                        cases[i].x3);
        if (got.action != cases[i].action || got.x0 != (uint64_t)cases[i].result) {
            printf("# 0x%llx(0x%llx, 0x%llx): action %d, 0x%llx; expected %d, 0x%llx\n",
                   (unsigned long long)cases[i].x0, (unsigned long long)cases[i].x1,
                   (unsigned long long)cases[i].x2, (int)got.action, (unsigned long long)got.x0,
                   (int)cases[i].action, (unsigned long long)cases[i].result);
            failures++;
        }
        EXPECT_EQ(av_psci_stopped(psci), AV_PSCI_RUNNING);
    }
    av_psci_destroy(psci);
}

TEST(on_pending_off)
{
    av_psci *const psci = make(2, NULL);
    av_psci_start start;

    OK(av_psci_boot(psci, 0, 0x1000, 7));
    EXPECT_EQ(av_psci_get_power(psci, 0), AV_PSCI_ON_PENDING);
    REFUSED(AV_ERROR_BUSY, av_psci_boot(psci, 0, 0x1000, 7));
    OK(av_psci_wait(psci, 0, &start));
    EXPECT_EQ(start.stop, AV_PSCI_RUNNING);
    EXPECT_EQ(start.entry, 0x1000);
    EXPECT_EQ(start.context, 7);
    EXPECT_EQ(av_psci_get_power(psci, 0), AV_PSCI_ON);
    REFUSED(AV_ERROR_BUSY, av_psci_wait(psci, 0, &start));

    /* A 32-bit call has 32-bit arguments, a 64-bit one all of them. */
    EXPECT_EQ(call(psci, 0, CPU_ON, 0xff00000001, 0xff00002000, 0xff00000003).x0, 0);
    EXPECT_EQ((int64_t)call(psci, 0, CPU_ON, 1, 0x2000, 3).x0, -5);
    EXPECT_EQ(call(psci, 0, AFFINITY, 1, 0, 0).x0, 2);
    OK(av_psci_wait(psci, 1, &start));
    EXPECT_EQ(start.entry, 0x2000);
    EXPECT_EQ(start.context, 3);
    EXPECT_EQ((int64_t)call(psci, 0, CPU_ON, 1, 0x2000, 3).x0, -4);
    EXPECT_EQ(call(psci, 1, CPU_OFF, 0, 0, 0).action, AV_PSCI_CPU_OFF);
    EXPECT_EQ(call(psci, 0, AFFINITY, 1, 0, 0).x0, 1);
    EXPECT_EQ(call(psci, 0, CPU_ON_64, 1, 0x8000000000, 0xff00000003).x0, 0);
    OK(av_psci_wait(psci, 1, &start));
    EXPECT_EQ(start.entry, 0x8000000000);
    EXPECT_EQ(start.context, 0xff00000003);

    /* The last one off ends the machine. */
    EXPECT_EQ(call(psci, 0, CPU_OFF, 0, 0, 0).action, AV_PSCI_CPU_OFF);
    EXPECT_EQ(call(psci, 1, CPU_OFF, 0, 0, 0).action, AV_PSCI_STOP);
    EXPECT_EQ(av_psci_stopped(psci), AV_PSCI_ALL_OFF);
    OK(av_psci_wait(psci, 1, &start));
    EXPECT_EQ(start.stop, AV_PSCI_ALL_OFF);
    EXPECT_EQ(start.entry, 0);
    av_psci_destroy(psci);
}

TEST(stops)
{
    static const struct {
        uint32_t function;
        av_psci_stop stop;
    } cases[] = {{SYSTEM_OFF, AV_PSCI_SYSTEM_OFF},
                 {SYSTEM_RESET, AV_PSCI_SYSTEM_RESET},
                 {SYSTEM_RESET2, AV_PSCI_SYSTEM_RESET},
                 {0, AV_PSCI_STOPPED}};
    av_psci *const psci = make(2, NULL);
    av_psci_start start;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OK(av_psci_boot(psci, 0, 0x1000, 0));
        OK(av_psci_wait(psci, 0, &start));
        REFUSED(AV_ERROR_BUSY, av_psci_reset(psci));
        if (cases[i].function != 0) {
            EXPECT_EQ(call(psci, 0, cases[i].function, 0, 0, 0).action, AV_PSCI_STOP);
        } else {
            av_psci_request_stop(psci);
        }
        av_psci_request_stop(psci); /* the first reason stays */
        EXPECT_EQ(av_psci_stopped(psci), cases[i].stop);
        /* Nothing goes on: neither calls nor starts. */
        EXPECT_EQ(call(psci, 1, CPU_ON, 1, 0x1000, 0).action, AV_PSCI_STOP);
        REFUSED(AV_ERROR_BUSY, av_psci_boot(psci, 1, 0x1000, 0));
        OK(av_psci_wait(psci, 0, &start));
        EXPECT_EQ(start.stop, cases[i].stop);
        OK(av_psci_reset(psci));
        EXPECT_EQ(av_psci_stopped(psci), AV_PSCI_RUNNING);
        EXPECT_EQ(av_psci_get_power(psci, 0), AV_PSCI_OFF);
    }
    av_psci_destroy(psci);
}

static bool only_ram(void *context, uint64_t entry)
{
    return entry >= *(uint64_t *)context;
}

TEST(options_and_arguments)
{
    static const uint64_t equal[] = {1, 2, 1}, wide[] = {0x80000000};
    uint64_t ram = 0x40000000;
    av_psci_options options;
    av_psci *psci = NULL;
    av_psci_result result;
    av_psci_start start;
    const uint64_t x[4] = {0};

    av_psci_options_init(&options);
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_create(NULL, &options));
    options.n_cpus = 0;
    REFUSED(AV_ERROR_BAD_ARGUMENT, av_psci_create(&psci, &options));
    options.n_cpus = 513;
    REFUSED(AV_ERROR_BAD_ARGUMENT, av_psci_create(&psci, &options));
    options.n_cpus = 3;
    options.mpidrs = equal;
    REFUSED(AV_ERROR_BAD_ARGUMENT, av_psci_create(&psci, &options));
    options.n_cpus = 1;
    options.mpidrs = wide;
    REFUSED(AV_ERROR_BAD_ARGUMENT, av_psci_create(&psci, &options));
    options.mpidrs = NULL;
    options.size = 0;
    REFUSED(AV_ERROR_BAD_ARGUMENT, av_psci_create(&psci, &options));
    EXPECT(psci == NULL);
    av_psci_options_init(&options);
    options.n_cpus = 300;
    options.entry_is_valid = only_ram;
    options.context = &ram;
    OK(av_psci_create(&psci, &options));
    OK(av_psci_boot(psci, 0, 0, 0));
    OK(av_psci_wait(psci, 0, &start));
    EXPECT_EQ((int64_t)call(psci, 0, CPU_ON, 1, 0x3ffffffc, 0).x0, -9);
    EXPECT_EQ(call(psci, 0, CPU_ON, 1, 0x40000000, 0).x0, 0);
    EXPECT_EQ(call(psci, 0, CPU_ON, 0x12b, 0x40000000, 0).x0, 0); /* number 299 */
    EXPECT_EQ((int64_t)call(psci, 0, CPU_ON, 0x12c, 0x40000000, 0).x0, INVALID);

    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_boot(NULL, 0, 0, 0));
    REFUSED(AV_ERROR_OUT_OF_RANGE, av_psci_boot(psci, 300, 0, 0));
    REFUSED(AV_ERROR_MISALIGNED, av_psci_boot(psci, 2, 2, 0));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_wait(psci, 0, NULL));
    REFUSED(AV_ERROR_OUT_OF_RANGE, av_psci_wait(psci, 300, &start));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_call(NULL, 0, x, &result));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_call(psci, 0, NULL, &result));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_call(psci, 0, x, NULL));
    REFUSED(AV_ERROR_OUT_OF_RANGE, av_psci_call(psci, 300, x, &result));
    REFUSED(AV_ERROR_OUT_OF_RANGE, av_psci_attach(psci, 300, 0));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_detach(NULL, 0));
    REFUSED(AV_ERROR_NULL_ARGUMENT, av_psci_reset(NULL));
    EXPECT_EQ(av_psci_get_power(psci, 300), AV_PSCI_OFF);
    EXPECT_EQ(av_psci_stopped(NULL), AV_PSCI_STOPPED);
    av_psci_request_stop(NULL);
    av_psci_destroy(psci);
    av_psci_destroy(NULL);
}

/* --- Threads ------------------------------------------------------------------------------------------------------------------ */

#define N_CPUS   16u
#define N_STARTS 200u

static struct {
    av_psci *psci;
    _Atomic unsigned starts[N_CPUS], accepted[N_CPUS], total;
    _Atomic bool wrong;
} shared;

struct worker {
    unsigned number;
    uint64_t seed;
};

/* A vCPU: started, it switches a few others on, and itself off, until there were enough starts; vCPU 0 never goes off. */
static void *run_worker(void *argument)
{
    struct worker *const w = argument;
    av_psci *const psci = shared.psci;
    av_psci_start start;

    for (;;) {
        if (av_psci_wait(psci, w->number, &start) != AV_OK) {
            shared.wrong = true;
            return NULL;
        }
        if (start.stop != AV_PSCI_RUNNING) {
            return NULL;
        }
        shared.starts[w->number]++;
        /* Entry and context of one CPU_ON belong together. */
        if (start.entry != 0x1000 + 4 * start.context) {
            shared.wrong = true;
        }
        do {
            w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
            const unsigned target = (unsigned)(w->seed >> 40) % N_CPUS;
            const uint64_t context = w->seed >> 50;
            const uint64_t x[4] = {CPU_ON_64, target, 0x1000 + 4 * context, context};
            av_psci_result result;
            av_psci_call(psci, w->number, x, &result);
            if (result.action == AV_PSCI_STOP) {
                return NULL;
            }
            if (result.x0 == 0) {
                shared.accepted[target]++;
                shared.total++;
            }
            if (shared.total >= N_CPUS * N_STARTS) {
                const uint64_t off[4] = {SYSTEM_OFF};
                av_psci_call(psci, w->number, off, &result);
                return NULL;
            }
        } while (w->number == 0);
        const uint64_t off[4] = {CPU_OFF};
        av_psci_result result;
        av_psci_call(psci, w->number, off, &result);
        if (result.action == AV_PSCI_STOP) {
            return NULL;
        }
    }
}

TEST(sixteen_threads_switch_each_other)
{
    pthread_t threads[N_CPUS];
    struct worker workers[N_CPUS];

    memset(&shared, 0, sizeof(shared));
    shared.psci = make(N_CPUS, NULL);
    for (unsigned i = 0; i < N_CPUS; i++) {
        workers[i] = (struct worker){.number = i, .seed = i + 1};
        EXPECT_EQ(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
    }
    OK(av_psci_boot(shared.psci, 0, 0x1000, 0));
    shared.accepted[0]++;
    for (unsigned i = 0; i < N_CPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT(!shared.wrong);
    EXPECT_EQ(av_psci_stopped(shared.psci), AV_PSCI_SYSTEM_OFF);
    for (unsigned i = 0; i < N_CPUS; i++) {
        /* Each accepted CPU_ON is one start; the last can come too late for the stop. */
        EXPECT(shared.starts[i] == shared.accepted[i] ||
               shared.starts[i] + 1 == shared.accepted[i]);
    }
    EXPECT(shared.total >= N_CPUS * N_STARTS);
    av_psci_destroy(shared.psci);
}

MAIN(T(answers), T(on_pending_off), T(stops), T(options_and_arguments),
     T(sixteen_threads_switch_each_other))
