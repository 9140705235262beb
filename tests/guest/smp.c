/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Four vCPUs: PSCI, exclusives, atomics and locks between them. */
#include "lib/guest.h"

#define ROUNDS 20000u

static uint64_t cell[2] __attribute__((aligned(64)));
static uint32_t bad[GUEST_CPUS]; /* broken promises that a vCPU saw */
static uint64_t result[GUEST_CPUS];

/* --- Exclusives -------------------------------------------------------------------------------------------------------------- */

#define EXCLUSIVE_ADD(suffix, reg, address, amount)                                            \
    do {                                                                                       \
        uint64_t value_, status_;                                                              \
        __asm__ volatile("1: ldxr" suffix " %" reg "0, [%2]\n add %" reg "0, %" reg "0, %" reg \
                         "3\n"                                                                 \
                         " stxr" suffix " %w1, %" reg "0, [%2]\n cbnz %w1, 1b"                 \
                         : "=&r"(value_), "=&r"(status_)                                       \
                         : "r"(address), "r"((uint64_t)(amount))                               \
                         : "memory");                                                          \
    } while (0)

static void exclusive_doublewords(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        EXCLUSIVE_ADD("", "x", cell, 0x100000001ull + cpu);
    }
}

static void exclusive_words(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        EXCLUSIVE_ADD("", "w", cell, cpu + 1);
    }
}

static void exclusive_halfwords(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        EXCLUSIVE_ADD("h", "w", (uintptr_t)cell + 2, cpu + 1);
    }
}

/* Neighbours in one word: nobody may put back an old byte of another. */
static void exclusive_bytes(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        EXCLUSIVE_ADD("b", "w", (uintptr_t)cell + cpu, 1);
    }
}

/* Two vCPUs use the whole, two its upper half. */
static void exclusive_mixed_sizes(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (cpu < 2) {
            EXCLUSIVE_ADD("", "x", cell, 1);
        } else {
            EXCLUSIVE_ADD("", "w", (uintptr_t)cell + 4, 1);
        }
    }
}

/* A pair that was stored is one that nobody tore: the second is always three times the first. */
static void exclusive_pairs(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t a, b, status;
        do {
            __asm__ volatile("ldaxp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(cell) : "memory");
            __asm__ volatile("stlxp %w0, %1, %2, [%3]"
                             : "=&r"(status)
                             : "r"(a + 1), "r"(b + 3), "r"(cell)
                             : "memory");
        } while (status != 0);
        bad[cpu] += b != 3 * a;
    }
}

static void exclusive_word_pairs(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t a, b, status;
        do {
            __asm__ volatile("ldxp %w0, %w1, [%2]" : "=&r"(a), "=&r"(b) : "r"(cell) : "memory");
            __asm__ volatile("stxp %w0, %w1, %w2, [%3]"
                             : "=&r"(status)
                             : "r"(a + 1), "r"(b + 5), "r"(cell)
                             : "memory");
        } while (status != 0);
        bad[cpu] += (uint32_t)b != 5 * (uint32_t)a;
    }
}

/* Without a monitor no store happens, whatever the others do. */
static void cleared_monitors(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t value, status;
        __asm__ volatile("ldaxr %0, [%2]\n clrex\n stlxr %w1, xzr, [%2]"
                         : "=&r"(value), "=&r"(status)
                         : "r"(cell)
                         : "memory");
        bad[cpu] += status != 1;
        __asm__ volatile("stxr %w0, xzr, [%1]" : "=&r"(status) : "r"(cell) : "memory");
        bad[cpu] += status != 1;
        if (cpu == 0) {
            EXCLUSIVE_ADD("", "x", cell, 1);
        }
    }
}

/* vCPUs 0 and 2 hold a monitor while 1 and 3 store to the place: the store-exclusive must fail. */
static void other_stores(unsigned cpu)
{
    static struct {
        uint64_t place, step;
    } pairs[2] __attribute__((aligned(64)));
    uint64_t *const place = &pairs[cpu / 2].place, *const step = &pairs[cpu / 2].step;

    for (uint64_t i = 0; i < 40; i++) {
        const uint64_t asked = 2 * i + 1, done = 2 * i + 2;
        if ((cpu & 1) == 0) {
            uint64_t value, status;
            __asm__ volatile("ldaxr %0, [%1]" : "=&r"(value) : "r"(place) : "memory");
            __atomic_store_n(step, asked, __ATOMIC_RELEASE);
            __asm__ volatile("dsb ish\n sev" ::: "memory");
            while (__atomic_load_n(step, __ATOMIC_ACQUIRE) != done) {
                __asm__ volatile("wfe" ::: "memory");
            }
            __asm__ volatile("stxr %w0, %1, [%2]"
                             : "=&r"(status)
                             : "r"(value + 100), "r"(place)
                             : "memory");
            bad[cpu] += status != 1;
        } else {
            while (__atomic_load_n(step, __ATOMIC_ACQUIRE) != asked) {
                __asm__ volatile("wfe" ::: "memory");
            }
            __asm__ volatile("str %0, [%1]" ::"r"(i + 1), "r"(place) : "memory");
            __atomic_store_n(step, done, __ATOMIC_RELEASE);
            __asm__ volatile("dsb ish\n sev" ::: "memory");
        }
    }
    result[cpu] = *place;
}

/* --- Atomics ----------------------------------------------------------------------------------------------------------------- */

#define ATOMIC(insn, reg, operand, address)                       \
    __extension__({                                               \
        uint64_t old_;                                            \
        __asm__ volatile(insn " %" reg "1, %" reg "0, [%2]"       \
                         : "=&r"(old_)                            \
                         : "r"((uint64_t)(operand)), "r"(address) \
                         : "memory");                             \
        old_;                                                     \
    })

static void atomic_adds(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        ATOMIC("ldadd", "x", 0x100000001ull + cpu, cell);
        ATOMIC("ldaddal", "w", 3, cell + 1);
        ATOMIC("ldaddlh", "w", cpu, (uintptr_t)cell + 12);
        ATOMIC("ldaddab", "w", 1, (uintptr_t)cell + 14);
        __asm__ volatile("stadd %w0, [%1]" ::"r"(1), "r"(cell + 1) : "memory");
    }
}

/* Each vCPU has a bit of its own, which it alone turns on and off. */
static void atomic_bits(unsigned cpu)
{
    const uint64_t bit = 1ull << (cpu * 9);

    for (unsigned i = 0; i < ROUNDS; i++) {
        bad[cpu] += (ATOMIC("ldset", "x", bit, cell) & bit) != 0;
        bad[cpu] += (ATOMIC("ldclral", "x", bit, cell) & bit) == 0;
        bad[cpu] += (ATOMIC("ldeora", "x", bit, cell) & bit) != 0;
        bad[cpu] += (ATOMIC("ldeorl", "x", bit, cell) & bit) == 0;
    }
    ATOMIC("ldset", "x", bit, cell);
}

/* Values change hands, and none is lost or doubled. */
static void atomic_swaps(unsigned cpu)
{
    uint64_t mine = 1ull << (8 * cpu);

    for (unsigned i = 0; i < ROUNDS; i++) {
        mine = ATOMIC("swpal", "x", mine, cell);
    }
    barrier();
    result[cpu] = mine;
    if (cpu == 0) {
        result[0] += cell[0];
        cell[0] = 0;
    }
}

static void atomic_extremes(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        const uint64_t v = (uint64_t)i * 4 + cpu;
        ATOMIC("ldsmax", "w", v, cell);
        ATOMIC("ldumin", "w", -v - 1, (uintptr_t)cell + 4);
        ATOMIC("ldumaxh", "w", v, cell + 1);
        ATOMIC("ldsmin", "w", -v, (uintptr_t)cell + 12);
    }
}

static void atomic_compare_and_swap(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t seen = __atomic_load_n(cell, __ATOMIC_RELAXED), expected;
        do {
            expected = seen;
            __asm__ volatile("casal %0, %1, [%2]"
                             : "+r"(seen)
                             : "r"(expected + cpu + 1), "r"(cell)
                             : "memory");
        } while (seen != expected);
    }
}

static void atomic_compare_and_swap_pair(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        register uint64_t a __asm__("x4") = 0;
        register uint64_t b __asm__("x5") = 0;
        uint64_t old_a, old_b;
        do {
            old_a = a;
            old_b = b;
            register uint64_t new_a __asm__("x6") = a + 1;
            register uint64_t new_b __asm__("x7") = b + 7;
            __asm__ volatile("caspal %0, %1, %2, %3, [%4]"
                             : "+r"(a), "+r"(b)
                             : "r"(new_a), "r"(new_b), "r"(cell)
                             : "memory");
        } while (a != old_a || b != old_b);
        bad[cpu] += b != 7 * a;
    }
}

/* --- Locks ------------------------------------------------------------------------------------------------------------------- */

static struct {
    uint32_t lock, next, owner;
    volatile uint64_t first, second;
} locked __attribute__((aligned(64)));

static void in_lock(unsigned cpu)
{
    bad[cpu] += locked.first != locked.second;
    locked.first++;
    locked.second++;
}

static void spin_lock(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t value;
        __asm__ volatile(
            " sevl\n1: wfe\n2: ldaxr %w0, [%1]\n cbnz %w0, 1b\n stxr %w0, %w2, [%1]\n cbnz %w0, 2b"
            : "=&r"(value)
            : "r"(&locked.lock), "r"(1)
            : "memory");
        in_lock(cpu);
        __asm__ volatile("stlr wzr, [%0]\n dsb ish\n sev" ::"r"(&locked.lock) : "memory");
    }
}

static void swap_lock(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        while ((uint32_t)ATOMIC("swpa", "w", 1, &locked.lock) != 0) {
            __asm__ volatile("yield" ::: "memory");
        }
        in_lock(cpu);
        __asm__ volatile("swpl wzr, wzr, [%0]" ::"r"(&locked.lock) : "memory");
    }
}

static void ticket_lock(unsigned cpu)
{
    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        const uint32_t ticket = (uint32_t)ATOMIC("ldadda", "w", 1, &locked.next);
        while (__atomic_load_n(&locked.owner, __ATOMIC_ACQUIRE) != ticket) {
            __asm__ volatile("wfe" ::: "memory");
        }
        in_lock(cpu);
        __atomic_store_n(&locked.owner, ticket + 1, __ATOMIC_RELEASE);
        __asm__ volatile("dsb ish\n sev" ::: "memory");
    }
}

/* ----------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(unsigned cpu);
} tests[] = {
    {"ldxr, stxr: doublewords", exclusive_doublewords},
    {"ldxr, stxr: words", exclusive_words},
    {"ldxrh, stxrh", exclusive_halfwords},
    {"ldxrb, stxrb: neighbours", exclusive_bytes},
    {"ldxr, stxr: mixed sizes", exclusive_mixed_sizes},
    {"ldaxp, stlxp", exclusive_pairs},
    {"ldxp, stxp: words", exclusive_word_pairs},
    {"clrex", cleared_monitors},
    {"another's store", other_stores},
    {"ldadd", atomic_adds},
    {"ldset, ldclr, ldeor", atomic_bits},
    {"swp", atomic_swaps},
    {"ldsmax, ldsmin, ldumax, ldumin", atomic_extremes},
    {"cas", atomic_compare_and_swap},
    {"casp", atomic_compare_and_swap_pair},
    {"lock by exclusives", spin_lock},
    {"lock by swap", swap_lock},
    {"lock by tickets", ticket_lock},
};
#define N_TESTS (sizeof(tests) / sizeof(tests[0]))

static uint32_t n_bad;

static void report(const char *name)
{
    uint64_t sum = 0, failures = 0;

    for (unsigned i = 0; i < GUEST_CPUS; i++) {
        sum += result[i];
        failures += bad[i];
        result[i] = bad[i] = 0;
    }
    print(name);
    print_hex("\n  memory ", cell[0]);
    print_hex("  memory ", cell[1]);
    print_hex("  results", sum);
    print_dec("  guarded", locked.first);
    print_dec("  broken promises", failures);
    n_bad += (uint32_t)failures;
    cell[0] = cell[1] = 0;
    locked.first = locked.second = 0;
}

static void all_tests(unsigned cpu)
{
    for (unsigned i = 0; i < N_TESTS; i++) {
        barrier();
        tests[i].run(cpu);
        barrier();
        if (cpu == 0) {
            report(tests[i].name);
        }
    }
}

/* --- PSCI -------------------------------------------------------------------------------------------------------------------- */

static uint64_t mpidr[GUEST_CPUS];

static void say_who(unsigned cpu)
{
    mpidr[cpu] = READ_SYSREG(mpidr_el1) & 0xff00ffffff;
    barrier();
}

static void start_others(void (*program)(unsigned cpu))
{
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        print_dec(" start", (uint64_t)start_cpu(i, program));
    }
}

static void wait_until_off(void)
{
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        while (psci(PSCI_AFFINITY_INFO, i, 0, 0) != 1) {
            __asm__ volatile("yield" ::: "memory");
        }
    }
}

int guest_main(void)
{
    map_identity();
    print_hex("affinity of 0", (uint64_t)psci(PSCI_AFFINITY_INFO, 0, 0, 0));
    print_hex("affinity of 1", (uint64_t)psci(PSCI_AFFINITY_INFO, 1, 0, 0));
    print_hex("affinity of 77", (uint64_t)psci(PSCI_AFFINITY_INFO, 77, 0, 0));
    print_hex("start of 0", (uint64_t)psci(PSCI_CPU_ON, 0, 0x40080000, 0));
    print_hex("start of 77", (uint64_t)psci(PSCI_CPU_ON, 77, 0x40080000, 0));
    start_others(say_who);
    barrier();
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        print_hex("MPIDR", mpidr[i]);
    }
    wait_until_off();
    print("all off; again\n");
    start_others(all_tests);
    all_tests(0);
    wait_until_off();
    print_hex("affinity of 1", (uint64_t)psci(PSCI_AFFINITY_INFO, 1, 0, 0));
    return n_bad == 0 ? 0 : 1;
}
