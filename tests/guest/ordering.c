/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What four vCPUs may see of each other's stores. Each test has cells x and y per slot, all vCPUs go through the slots at about
 * the same time, and the outcomes that the architecture forbids are counted (Arm ARM B2.3, and its examples in K13): there are
 * none. What QEMU 7.2 gets wrong of it is in strict.c. Pairs 0, 1 and 2, 3 run the tests of two observers side by side.
 */
#include "lib/guest.h"

#define SLOTS  512u
#define PASSES 12u

struct slot {
    uint64_t x, y;
    uint64_t seen[GUEST_CPUS][2];
};
static struct slot slots[2][SLOTS] __attribute__((aligned(64)));

#define DMB(kind) __asm__ volatile("dmb " #kind ::: "memory")

static void store(uint64_t *place, uint64_t value)
{
    __asm__ volatile("str %0, [%1]" ::"r"(value), "r"(place) : "memory");
}

static void store_release(uint64_t *place, uint64_t value)
{
    __asm__ volatile("stlr %0, [%1]" ::"r"(value), "r"(place) : "memory");
}

static uint64_t load(const uint64_t *place)
{
    uint64_t value;

    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(place) : "memory");
    return value;
}

static uint64_t load_acquire(const uint64_t *place)
{
    uint64_t value;

    __asm__ volatile("ldar %0, [%1]" : "=r"(value) : "r"(place) : "memory");
    return value;
}

/* A test is what one vCPU does in a slot, and whether what all saw there is forbidden. */
typedef void (*act)(struct slot *s, unsigned cpu);

/* --- Message passing: who sees the flag y sees the data x --- */

static void message_release_acquire(struct slot *s, unsigned cpu)
{
    if ((cpu & 1) == 0) {
        store(&s->x, 1);
        store_release(&s->y, 1);
    } else {
        s->seen[cpu][0] = load_acquire(&s->y);
        s->seen[cpu][1] = load(&s->x);
    }
}

static void message_dmb(struct slot *s, unsigned cpu)
{
    if ((cpu & 1) == 0) {
        store(&s->x, 1);
        DMB(ishst);
        store(&s->y, 1);
    } else {
        s->seen[cpu][0] = load(&s->y);
        DMB(ishld);
        s->seen[cpu][1] = load(&s->x);
    }
}

/* The address of the second load comes from the first. */
static void message_dependency(struct slot *s, unsigned cpu)
{
    if ((cpu & 1) == 0) {
        store(&s->x, 1);
        DMB(ish);
        store(&s->y, 1);
    } else {
        uint64_t flag, data, zero;
        __asm__ volatile("ldr %0, [%3]\n eor %2, %0, %0\n ldr %1, [%4, %2]"
                         : "=&r"(flag), "=&r"(data), "=&r"(zero)
                         : "r"(&s->y), "r"(&s->x)
                         : "memory");
        s->seen[cpu][0] = flag;
        s->seen[cpu][1] = data;
    }
}

static bool message_lost(const struct slot *s, unsigned cpu)
{
    return (cpu & 1) == 1 && s->seen[cpu][0] == 1 && s->seen[cpu][1] == 0;
}

/* --- Store buffering: of two that store and then look at the other's place, one sees something --- */

static void buffering_dmb(struct slot *s, unsigned cpu)
{
    const bool first = (cpu & 1) == 0;

    store(first ? &s->x : &s->y, 1);
    DMB(ish);
    s->seen[cpu][0] = load(first ? &s->y : &s->x);
}

/* An atomic with acquire and release is no barrier by itself, but is itself ordered after and before LDAR and STLR. */
static void buffering_swap(struct slot *s, unsigned cpu)
{
    const bool first = (cpu & 1) == 0;

    __asm__ volatile("swpal %0, xzr, [%1]" ::"r"(1ull), "r"(first ? &s->x : &s->y) : "memory");
    s->seen[cpu][0] = load_acquire(first ? &s->y : &s->x);
}

static bool both_blind(const struct slot *s, unsigned cpu)
{
    return (cpu & 1) == 1 && s->seen[cpu][0] == 0 && s->seen[cpu - 1][0] == 0;
}

/* --- Load buffering: nobody sees a store that comes after a load that saw his own --- */

static void load_buffering(struct slot *s, unsigned cpu)
{
    const bool first = (cpu & 1) == 0;

    s->seen[cpu][0] = load_acquire(first ? &s->x : &s->y);
    store_release(first ? &s->y : &s->x, 1);
}

static bool out_of_thin_air(const struct slot *s, unsigned cpu)
{
    return (cpu & 1) == 1 && s->seen[cpu][0] == 1 && s->seen[cpu - 1][0] == 1;
}

/* --- Coherence: two loads of one place never see it go back --- */

static void coherence(struct slot *s, unsigned cpu)
{
    if ((cpu & 1) == 0) {
        store(&s->x, 1);
        store(&s->x, 2);
    } else {
        s->seen[cpu][0] = load(&s->x);
        s->seen[cpu][1] = load(&s->x);
    }
}

static bool went_back(const struct slot *s, unsigned cpu)
{
    return (cpu & 1) == 1 && s->seen[cpu][1] < s->seen[cpu][0];
}

/* --- Independent reads of independent writes, by all four: both readers see them in one order --- */

static void independent_acquire(struct slot *s, unsigned cpu)
{
    if (cpu < 2) {
        store_release(cpu == 0 ? &s->x : &s->y, 1);
    } else {
        s->seen[cpu][0] = load_acquire(cpu == 2 ? &s->x : &s->y);
        s->seen[cpu][1] = load_acquire(cpu == 2 ? &s->y : &s->x);
    }
}

static void independent_dmb(struct slot *s, unsigned cpu)
{
    if (cpu < 2) {
        store(cpu == 0 ? &s->x : &s->y, 1);
    } else {
        s->seen[cpu][0] = load(cpu == 2 ? &s->x : &s->y);
        DMB(ish);
        s->seen[cpu][1] = load(cpu == 2 ? &s->y : &s->x);
    }
}

static bool two_orders(const struct slot *s, unsigned cpu)
{
    return cpu == 3 && s->seen[2][0] == 1 && s->seen[2][1] == 0 && s->seen[3][0] == 1 &&
           s->seen[3][1] == 0;
}

static const struct {
    const char *name;
    act act;
    bool (*forbidden)(const struct slot *s, unsigned cpu);
    bool all_four; /* on the same cells */
} tests[] = {
    {"message passing, stlr and ldar", message_release_acquire, message_lost, false},
    {"message passing, dmb ishst and ishld", message_dmb, message_lost, false},
    {"message passing, dmb ish and an address", message_dependency, message_lost, false},
    {"store buffering, dmb ish", buffering_dmb, both_blind, false},
    {"store buffering, swpal and ldar", buffering_swap, both_blind, false},
    {"load buffering, ldar and stlr", load_buffering, out_of_thin_air, false},
    {"coherence", coherence, went_back, false},
    {"independent reads, ldar", independent_acquire, two_orders, true},
    {"independent reads, dmb ish", independent_dmb, two_orders, true},
};
#define N_TESTS (sizeof(tests) / sizeof(tests[0]))

static uint32_t forbidden[N_TESTS];

static void clear(void)
{
    uint64_t *const words = (uint64_t *)slots;

    for (unsigned i = 0; i < sizeof(slots) / sizeof(words[0]); i++) {
        words[i] = 0;
    }
}

static void run_tests(unsigned cpu)
{
    uint64_t turn = 0;

    for (unsigned t = 0; t < N_TESTS; t++) {
        struct slot *const mine = slots[tests[t].all_four ? 0 : cpu / 2];
        for (unsigned pass = 0; pass < PASSES; pass++) {
            if (cpu == 0) {
                clear();
            }
            barrier();
            for (unsigned i = 0; i < SLOTS; i++) {
                if (i % 8 == 0) {
                    meet(cpu, ++turn);
                }
                tests[t].act(&mine[i], cpu);
            }
            barrier();
            for (unsigned i = 0; i < SLOTS; i++) {
                if (tests[t].forbidden(&mine[i], cpu)) {
                    __atomic_fetch_add(&forbidden[t], 1, __ATOMIC_RELAXED);
                }
            }
            barrier();
        }
    }
}

/* --- A ring: messages of several words, each of which must be whole when its number is there --- */

#define RING     8u
#define MESSAGES 4000u

static struct {
    uint64_t produced, consumed;
    uint64_t message[RING][4];
} rings[2] __attribute__((aligned(64)));
static uint64_t ring_sum[2];

static void ring(unsigned cpu)
{
    const unsigned pair = cpu / 2;

    for (uint64_t n = 0; n < MESSAGES; n++) {
        uint64_t *const m = rings[pair].message[n % RING];
        if ((cpu & 1) == 0) {
            while (n - load_acquire(&rings[pair].consumed) >= RING) {
                __asm__ volatile("yield" ::: "memory");
            }
            for (unsigned i = 0; i < 4; i++) {
                store(m + i, n * 4 + i);
            }
            store_release(&rings[pair].produced, n + 1);
        } else {
            while (load_acquire(&rings[pair].produced) <= n) {
                __asm__ volatile("yield" ::: "memory");
            }
            for (unsigned i = 0; i < 4; i++) {
                ring_sum[pair] += load(m + i) * (i + 1);
            }
            store_release(&rings[pair].consumed, n + 1);
        }
    }
}

static void program(unsigned cpu)
{
    run_tests(cpu);
    ring(cpu);
    barrier();
}

int guest_main(void)
{
    uint32_t n = 0;

    map_identity();
    for (unsigned i = 1; i < GUEST_CPUS; i++) {
        start_cpu(i, program);
    }
    program(0);
    for (unsigned t = 0; t < N_TESTS; t++) {
        print(tests[t].name);
        print_dec(": forbidden", forbidden[t]);
        n += forbidden[t];
    }
    for (unsigned pair = 0; pair < 2; pair++) {
        print_dec("ring", ring_sum[pair]);
    }
    return n == 0 ? 0 : 1;
}
