/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Execution time, by a clock and a tick that are made here: what sampling says is compared with what was executed. And the VM's tick. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../tests/expect.h"
#include "vm/internal.h"

#define US   3000ull /* stamps */
#define MS   (1000 * US)
#define TICK (4 * MS)
#define FEW  (2 * US)
#define COST 60u

static unsigned failures;

struct world {
    struct exec_time time;
    uint64_t now, executed, random;
    unsigned n_readings;
};

static uint32_t tick_of(const struct world *w)
{
    return (uint32_t)(w->now / TICK) * 2;
}

/* Reading takes its time, half of it before the clock is read. */
static uint64_t read_clock(struct world *w, bool inside)
{
    const uint64_t at = w->now + COST / 2;

    w->n_readings++;
    w->now += COST;
    w->executed += inside ? COST / 2 : COST - COST / 2;
    return at;
}

static void run(struct world *w, uint64_t stamps)
{
    if (w->time.tick != tick_of(w)) {
        exec_time_enter(&w->time, read_clock(w, false));
    }
    w->now += stamps;
    w->executed += stamps;
    w->time.runs++;
    if (w->time.tick != tick_of(w)) {
        exec_time_leave(&w->time, read_clock(w, true));
        if (exec_time_is_steady(&w->time)) {
            exec_time_sample(&w->time, tick_of(w));
        }
    }
}

static void wait(struct world *w, uint64_t stamps)
{
    exec_time_leave(&w->time, read_clock(w, true));
    w->now += stamps;
    exec_time_enter(&w->time, read_clock(w, false));
}

static uint64_t pick(struct world *w, uint64_t n)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (w->random >> 33) % n;
}

static void start(struct world *w, uint64_t random)
{
    *w = (struct world){.now = 5 * TICK + random % TICK, .random = random};
    exec_time_init(&w->time, w->now, FEW, COST);
}

/* Short runs and pauses, of these lengths in the mean. */
static void short_runs(struct world *w, unsigned n, uint64_t inside, uint64_t outside)
{
    for (unsigned i = 0; i < n; i++) {
        run(w, inside / 2 + pick(w, inside));
        w->now += outside / 2 + pick(w, outside);
    }
}

static uint64_t ask(struct world *w)
{
    return exec_time_ask(&w->time, w->now);
}

static void expect_within(struct world *w, uint64_t stamps)
{
    const uint64_t told = ask(w);
    const uint64_t wrong = told > w->executed ? told - w->executed : w->executed - told;

    EXPECT(wrong <= stamps);
    if (wrong > stamps) {
        printf("# told %llu of %llu\n", (unsigned long long)told, (unsigned long long)w->executed);
    }
}

static void test_short_runs(void)
{
    static const uint64_t lengths[][2] = {{80, 50}, {50, 400}, {3000, 60}, {700, 700}, {2, 2}};

    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct world w;
        start(&w, i);
        short_runs(&w, 2000000, lengths[i][0], lengths[i][1]);
        EXPECT(w.n_readings < 2000000 / 50);
        expect_within(&w, w.executed / 33);
    }
}

static void test_changing_runs(void)
{
    struct world w;

    start(&w, 7);
    for (unsigned i = 0; i < 400; i++) {
        short_runs(&w, 10000 + (unsigned)pick(&w, 100000), 2 + pick(&w, 1000), 2 + pick(&w, 1000));
    }
    expect_within(&w, w.executed / 33);
}

/* One of them among short ones: at most a tick is wrong, however long it is. */
static void test_one_long(bool is_run)
{
    for (uint64_t length = MS; length < 20000 * MS; length *= 3) {
        struct world w;
        start(&w, length);
        short_runs(&w, 100000 + (unsigned)pick(&w, 100000), 80, 50);
        if (is_run) {
            run(&w, length);
        } else {
            w.now += length;
        }
        short_runs(&w, 200000, 80, 50);
        expect_within(&w, TICK + w.executed / 33);
    }
}

/* Many, shorter than a tick: where they are frequent they are measured, else estimated. */
static void test_some_long(unsigned each, unsigned runs_of_8, uint64_t percent)
{
    struct world w;

    start(&w, each);
    const uint64_t begin = w.now;
    for (unsigned i = 0; i < 3000; i++) {
        short_runs(&w, each + (unsigned)pick(&w, each), 80, 50);
        if (pick(&w, 8) < runs_of_8) {
            run(&w, MS / 2 + pick(&w, MS));
        } else {
            w.now += MS / 2 + pick(&w, MS);
        }
    }
    expect_within(&w, (w.now - begin) / 100 * percent);
}

static void test_waits(void)
{
    struct world w;

    start(&w, 3);
    for (unsigned i = 0; i < 1000; i++) {
        short_runs(&w, 1000, 80, 50);
        if (w.time.tick != tick_of(&w)) {
            exec_time_enter(&w.time, read_clock(&w, false));
        }
        wait(&w, pick(&w, 10 * MS));
        exec_time_leave(&w.time, read_clock(&w, true));
    }
    expect_within(&w, w.executed / 33);
}

/* After the first question: to the stamp. */
static void test_exact(void)
{
    struct world w;

    start(&w, 11);
    short_runs(&w, 100000, 80, 50);
    const uint64_t told = ask(&w), executed = w.executed;
    for (unsigned i = 0; i < 100; i++) {
        short_runs(&w, 1000, 80, 50);
        run(&w, pick(&w, 10 * MS));
        EXPECT_EQ(ask(&w) - told, w.executed - executed);
    }
    EXPECT_EQ(w.time.tick, EXEC_MEASURED);
}

/* The VM's tick goes on while it is kept, and no longer. */
static void test_tick(void)
{
    const struct vm_config config = {
        .ipa_bits = 36, .granule_log2 = 14, .profile = vm_profile_by_name("max"), .macos = 260000};
    const struct timespec ms = {.tv_nsec = 1000000}, much = {.tv_nsec = 50000000};
    struct vm *vm = NULL;

    EXPECT(vm_create(&config, &vm) == VM_OK);
    for (unsigned round = 0; round < 2; round++) {
        const uint32_t start = vm->tick;
        for (unsigned i = 0; i < 20000 && vm->tick < start + 10; i++) {
            EXPECT(vm_tick_keep(vm));
            nanosleep(&ms, NULL);
        }
        EXPECT(vm->tick >= start + 10);
        EXPECT_EQ(vm->tick % 2, 0);
        uint32_t tick = start;
        for (unsigned i = 0; i < 400 && vm->tick != tick; i++) {
            tick = vm->tick;
            nanosleep(&much, NULL);
        }
        EXPECT_EQ(vm->tick, tick);
    }
    EXPECT(vm_destroy(vm) == VM_OK);
}

int main(void)
{
    test_tick();
    test_short_runs();
    test_changing_runs();
    test_one_long(true);
    test_one_long(false);
    for (unsigned runs_of_8 = 0; runs_of_8 <= 8; runs_of_8 += 2) {
        test_some_long(20, runs_of_8, 3);
        test_some_long(200, runs_of_8, 10);
        test_some_long(2000, runs_of_8, 20);
    }
    test_waits();
    test_exact();
    return failures != 0;
}
