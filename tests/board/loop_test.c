/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The loop of the back ends: descriptors, timers, wakeups, pollers, and what is removed while it runs. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "rig.h"

static struct board *board;
static struct board_loop *loop;
static atomic_int count;
static int fds[2];

static void open_loop(void)
{
    static uint8_t ram[4096];

    atomic_store(&count, 0);
    board = board_create(
        &(struct board_config){.ram_base = 0x40000000, .ram_size = sizeof(ram), .ram = ram});
    NEED(board != NULL && pipe(fds) == 0);
    loop = board_loop(board);
}

static void start_loop(void)
{
    NEED(board_start_loop(board));
}

static void close_loop(void)
{
    board_stop_loop(board);
    board_destroy(board);
    close(fds[0]);
    close(fds[1]);
}

static bool reached(void *opaque)
{
    return atomic_load(&count) >= *(const int *)opaque;
}

static bool wait_count(int n)
{
    return wait_until(reached, &n);
}

static void increment(void *opaque)
{
    (void)opaque;
    atomic_fetch_add(&count, 1);
}

/* --- Descriptors -------------------------------------------------------------------------------------------------------------- */

static struct board_watch *watch;

static void read_byte(void *opaque, int fd, short revents)
{
    char byte;

    (void)opaque;
    if ((revents & POLLIN) != 0 && read(fd, &byte, 1) == 1) {
        atomic_fetch_add(&count, 1);
        if (byte == 'r') {
            board_loop_remove_fd(watch);
        } else if (byte == 'o') {
            board_watch_set(watch, 0);
        }
    }
}

TEST(descriptors)
{
    open_loop();
    watch = board_loop_add_fd(loop, fds[0], POLLIN, read_byte, NULL);
    start_loop();
    NEED(write(fds[1], "abc", 3) == 3);
    EXPECT(wait_count(3));
    NEED(write(fds[1], "ox", 2) == 2);
    EXPECT(wait_count(4));
    usleep(20000);
    EXPECT_EQ(atomic_load(&count), 4); /* not watched */
    board_watch_set(watch, POLLIN);    /* from another thread */
    EXPECT(wait_count(5));
    NEED(write(fds[1], "ry", 2) == 2);
    EXPECT(wait_count(6));
    usleep(20000);
    EXPECT_EQ(atomic_load(&count), 6); /* removed in its own callback */
    close_loop();
}

/* --- Timers ------------------------------------------------------------------------------------------------------------------- */

static _Atomic int64_t fired_ns;

static void note_time(void *opaque)
{
    (void)opaque;
    atomic_store(&fired_ns, board_now_ns());
    atomic_fetch_add(&count, 1);
}

TEST(timers_are_not_early)
{
    open_loop();
    struct board_timer *const timer = board_loop_add_timer(loop, note_time, NULL);
    start_loop();
    for (int i = 0; i < 10; i++) {
        const int64_t deadline = board_now_ns() + 1000000 * i + 300000;
        board_timer_set(timer, deadline);
        EXPECT(wait_count(i + 1));
        EXPECT(atomic_load(&fired_ns) >= deadline);
    }
    close_loop();
}

TEST(timers_move_and_stop)
{
    open_loop();
    struct board_timer *const timer = board_loop_add_timer(loop, increment, NULL);
    start_loop();
    board_timer_set(timer, board_now_ns() + 20000000);
    board_timer_set(timer, BOARD_NEVER);
    usleep(40000);
    EXPECT_EQ(atomic_load(&count), 0);
    board_timer_set(timer, board_now_ns() + 3600000000000);
    board_timer_set(timer, board_now_ns() + 1000000); /* sooner: the wait under way is cut */
    EXPECT(wait_count(1));
    usleep(5000);
    EXPECT_EQ(atomic_load(&count), 1); /* once */
    board_timer_set(timer, 0);         /* past */
    EXPECT(wait_count(2));
    close_loop();
}

static struct board_timer *chain;

static void again(void *opaque)
{
    (void)opaque;
    if (atomic_fetch_add(&count, 1) < 99) {
        board_timer_set(chain, board_now_ns());
    } else {
        board_loop_remove_timer(chain);
    }
}

TEST(timers_set_themselves)
{
    open_loop();
    chain = board_loop_add_timer(loop, again, NULL);
    start_loop();
    board_timer_set(chain, 0);
    EXPECT(wait_count(100));
    usleep(5000);
    EXPECT_EQ(atomic_load(&count), 100);
    close_loop();
}

/* --- Wakeups ------------------------------------------------------------------------------------------------------------------ */

static atomic_uint asked, seen;

static void see(void *opaque)
{
    (void)opaque;
    atomic_store(&seen, atomic_load(&asked));
}

static void *ask(void *opaque)
{
    for (unsigned i = 0; i < 20000; i++) {
        atomic_fetch_add(&asked, 1);
        board_wakeup_set(opaque);
    }
    return NULL;
}

static bool all_seen(void *opaque)
{
    (void)opaque;
    return atomic_load(&seen) == 40000;
}

/* Many settings may share a run, but the last one is never lost. */
TEST(wakeups_from_two_threads)
{
    pthread_t threads[2];

    open_loop();
    atomic_store(&asked, 0);
    struct board_wakeup *const wakeup = board_loop_add_wakeup(loop, see, NULL);
    start_loop();
    for (int i = 0; i < 2; i++) {
        NEED(pthread_create(&threads[i], NULL, ask, wakeup) == 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT(wait_until(all_seen, NULL));
    close_loop();
}

TEST(a_wakeup_before_the_start)
{
    open_loop();
    struct board_wakeup *const wakeup = board_loop_add_wakeup(loop, increment, NULL);
    board_wakeup_set(wakeup);
    start_loop();
    EXPECT(wait_count(1));
    close_loop();
}

TEST(stop_and_start)
{
    open_loop();
    struct board_wakeup *const wakeup = board_loop_add_wakeup(loop, increment, NULL);
    for (int i = 0; i < 50; i++) {
        start_loop();
        board_wakeup_set(wakeup);
        EXPECT(wait_count(i + 1));
        board_stop_loop(board);
    }
    board_stop_loop(board); /* not running: nothing happens */
    board_loop_remove_wakeup(wakeup);
    close_loop();
}

/* --- Pollers ------------------------------------------------------------------------------------------------------------------ */

static int poll_index;

static void fill(void *opaque, struct board_loop *of, int *timeout_ms)
{
    (void)opaque;
    poll_index = board_loop_poll_fd(of, fds[0], POLLIN);
    if (*timeout_ms < 0 || *timeout_ms > 5) {
        *timeout_ms = 5;
    }
}

static atomic_int rounds;

static void done(void *opaque, struct board_loop *of)
{
    char byte;

    (void)opaque;
    atomic_fetch_add(&rounds, 1);
    if ((board_loop_poll_result(of, poll_index) & POLLIN) != 0 && read(fds[0], &byte, 1) == 1) {
        atomic_fetch_add(&count, 1);
    }
    EXPECT_EQ(board_loop_poll_result(of, -1), 0);
}

static bool has_rounds(void *opaque)
{
    return atomic_load(&rounds) >= *(const int *)opaque;
}

TEST(pollers)
{
    int n = 5;

    open_loop();
    NEED(board_loop_add_poller(loop, fill, done, NULL) != NULL);
    start_loop();
    NEED(write(fds[1], "xyz", 3) == 3);
    EXPECT(wait_count(3));
    EXPECT(wait_until(has_rounds, &n)); /* its time limit, without anything to read */
    close_loop();
}

MAIN(T(descriptors), T(timers_are_not_early), T(timers_move_and_stop), T(timers_set_themselves),
     T(wakeups_from_two_threads), T(a_wakeup_before_the_start), T(stop_and_start), T(pollers))
