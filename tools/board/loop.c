/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The loop of device.h: one thread in poll().
 *
 * Objects are added and removed on the loop's thread, or while it does not run; so the lists need no lock, and only what "set" changes
 * (events, deadlines, pending) has one. What is removed is marked dead and freed at the end of the round, as its callback may be the one
 * that runs. A pipe ends a poll() when another thread has set something.
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum kind { WATCH, TIMER, WAKEUP, POLLER, KINDS };

/* The start of each object. */
struct item {
    struct board_loop *loop;
    struct item *next;
    bool dead;
};

struct board_watch {
    struct item item;
    int fd;
    short events; /* under lock */
    int index;    /* in this round, or -1 */
    board_watch_fn *fn;
    void *opaque;
};

struct board_timer {
    struct item item;
    int64_t deadline_ns; /* under lock */
    void (*fn)(void *opaque);
    void *opaque;
};

struct board_wakeup {
    struct item item;
    bool pending; /* under lock */
    void (*fn)(void *opaque);
    void *opaque;
};

struct board_poller {
    struct item item;
    bool filled; /* in this round */
    board_poller_fill *fill;
    board_poller_done *done;
    void *opaque;
};

struct board_loop {
    struct item *items[KINDS];
    struct pollfd *fds;
    unsigned n_fds, room;
    int pipe[2];
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    bool stop, poked; /* under lock */
};

int64_t board_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Ends the poll() of this round, or that of the next one. Caller holds loop->lock. */
static void poke(struct board_loop *loop)
{
    if (!loop->poked && loop->running && !pthread_equal(loop->thread, pthread_self())) {
        loop->poked = true;
        /* One byte at a time is in the pipe, so it cannot be full. */
        while (write(loop->pipe[1], "", 1) < 0 && errno == EINTR) {
        }
    }
}

/* --- Objects ------------------------------------------------------------------------------------------------------------------ */

static void *add(struct board_loop *loop, enum kind kind, size_t size)
{
    struct item *const item = calloc(1, size);

    if (item != NULL) {
        item->loop = loop;
        item->next = loop->items[kind];
        loop->items[kind] = item;
    }
    return item;
}

static void free_dead(struct board_loop *loop, bool all)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct item **link = &loop->items[kind];
        while (*link != NULL) {
            struct item *const item = *link;
            if (item->dead || all) {
                *link = item->next;
                free(item);
            } else {
                link = &item->next;
            }
        }
    }
}

/* The object stays readable until the round ends. Outside a round it goes at once. */
static void remove_item(struct item *item)
{
    struct board_loop *const loop = item->loop;

    assert(!loop->running || pthread_equal(loop->thread, pthread_self()));
    item->dead = true;
    if (!loop->running) {
        free_dead(loop, false);
    }
}

struct board_watch *board_loop_add_fd(struct board_loop *loop, int fd, short events,
                                      board_watch_fn *fn, void *opaque)
{
    struct board_watch *const watch = add(loop, WATCH, sizeof(*watch));

    if (watch != NULL) {
        watch->fd = fd;
        watch->events = events;
        watch->index = -1;
        watch->fn = fn;
        watch->opaque = opaque;
    }
    return watch;
}

void board_watch_set(struct board_watch *watch, short events)
{
    struct board_loop *const loop = watch->item.loop;

    pthread_mutex_lock(&loop->lock);
    if (watch->events != events) {
        watch->events = events;
        poke(loop);
    }
    pthread_mutex_unlock(&loop->lock);
}

void board_loop_remove_fd(struct board_watch *watch)
{
    if (watch != NULL) {
        remove_item(&watch->item);
    }
}

struct board_timer *board_loop_add_timer(struct board_loop *loop, void (*fn)(void *opaque),
                                         void *opaque)
{
    struct board_timer *const timer = add(loop, TIMER, sizeof(*timer));

    if (timer != NULL) {
        timer->deadline_ns = BOARD_NEVER;
        timer->fn = fn;
        timer->opaque = opaque;
    }
    return timer;
}

void board_timer_set(struct board_timer *timer, int64_t deadline_ns)
{
    struct board_loop *const loop = timer->item.loop;

    pthread_mutex_lock(&loop->lock);
    /* A later deadline costs one needless round when the old one comes, and spares a poke now. */
    const bool sooner = deadline_ns < timer->deadline_ns;
    timer->deadline_ns = deadline_ns;
    if (sooner) {
        poke(loop);
    }
    pthread_mutex_unlock(&loop->lock);
}

void board_loop_remove_timer(struct board_timer *timer)
{
    if (timer != NULL) {
        remove_item(&timer->item);
    }
}

struct board_wakeup *board_loop_add_wakeup(struct board_loop *loop, void (*fn)(void *opaque),
                                           void *opaque)
{
    struct board_wakeup *const wakeup = add(loop, WAKEUP, sizeof(*wakeup));

    if (wakeup != NULL) {
        wakeup->fn = fn;
        wakeup->opaque = opaque;
    }
    return wakeup;
}

void board_wakeup_set(struct board_wakeup *wakeup)
{
    struct board_loop *const loop = wakeup->item.loop;

    pthread_mutex_lock(&loop->lock);
    if (!wakeup->pending) {
        wakeup->pending = true;
        poke(loop);
    }
    pthread_mutex_unlock(&loop->lock);
}

void board_loop_remove_wakeup(struct board_wakeup *wakeup)
{
    if (wakeup != NULL) {
        remove_item(&wakeup->item);
    }
}

struct board_poller *board_loop_add_poller(struct board_loop *loop, board_poller_fill *fill,
                                           board_poller_done *done, void *opaque)
{
    struct board_poller *const poller = add(loop, POLLER, sizeof(*poller));

    if (poller != NULL) {
        poller->fill = fill;
        poller->done = done;
        poller->opaque = opaque;
    }
    return poller;
}

void board_loop_remove_poller(struct board_poller *poller)
{
    if (poller != NULL) {
        remove_item(&poller->item);
    }
}

/* --- A round ------------------------------------------------------------------------------------------------------------------ */

int board_loop_poll_fd(struct board_loop *loop, int fd, short events)
{
    if (loop->n_fds == loop->room) {
        const unsigned room = loop->room == 0 ? 16 : loop->room * 2;
        struct pollfd *const fds = realloc(loop->fds, room * sizeof(*fds));
        if (fds == NULL) {
            return -1;
        }
        loop->fds = fds;
        loop->room = room;
    }
    loop->fds[loop->n_fds] = (struct pollfd){.fd = fd, .events = events};
    return (int)loop->n_fds++;
}

short board_loop_poll_result(const struct board_loop *loop, int index)
{
    return index < 0 || (unsigned)index >= loop->n_fds ? 0 : loop->fds[index].revents;
}

#define EACH(type, kind)                                                                 \
    (struct board_##type *type = (struct board_##type *)loop->items[kind]; type != NULL; \
     type = (struct board_##type *)type->item.next)

/* Fills loop->fds; the milliseconds that poll() may wait. Rounded up: a timer never runs early. */
static int fill(struct board_loop *loop)
{
    int64_t deadline = BOARD_NEVER;
    int timeout = -1;
    bool pending = false;

    loop->n_fds = 0;
    board_loop_poll_fd(loop, loop->pipe[0], POLLIN);
    for
        EACH(poller, POLLER)
        {
            poller->filled = !poller->item.dead;
            if (poller->filled) {
                poller->fill(poller->opaque, loop, &timeout);
            }
        }
    pthread_mutex_lock(&loop->lock);
    for
        EACH(watch, WATCH)
        {
            watch->index = watch->events == 0 || watch->item.dead
                               ? -1
                               : board_loop_poll_fd(loop, watch->fd, watch->events);
        }
    for
        EACH(timer, TIMER)
        {
            if (!timer->item.dead && timer->deadline_ns < deadline) {
                deadline = timer->deadline_ns;
            }
        }
    for
        EACH(wakeup, WAKEUP)
        {
            pending |= wakeup->pending && !wakeup->item.dead;
        }
    pthread_mutex_unlock(&loop->lock);
    if (pending) {
        return 0;
    }
    if (deadline != BOARD_NEVER) {
        const int64_t now = board_now_ns(),
                      wait_ms = deadline <= now ? 0 : (deadline - now + 999999) / 1000000;
        if (timeout < 0 || wait_ms < timeout) {
            timeout = wait_ms > 3600000 ? 3600000 : (int)wait_ms;
        }
    }
    return timeout;
}

static void run_wakeups(struct board_loop *loop)
{
    for
        EACH(wakeup, WAKEUP)
        {
            pthread_mutex_lock(&loop->lock);
            const bool run = wakeup->pending && !wakeup->item.dead;
            wakeup->pending = false;
            pthread_mutex_unlock(&loop->lock);
            if (run) {
                wakeup->fn(wakeup->opaque);
            }
        }
}

static void run_timers(struct board_loop *loop)
{
    const int64_t now = board_now_ns();

    for
        EACH(timer, TIMER)
        {
            pthread_mutex_lock(&loop->lock);
            const bool run = timer->deadline_ns <= now && !timer->item.dead;
            if (run) {
                timer->deadline_ns = BOARD_NEVER;
            }
            pthread_mutex_unlock(&loop->lock);
            if (run) {
                timer->fn(timer->opaque);
            }
        }
}

static void run_watches(struct board_loop *loop)
{
    for
        EACH(watch, WATCH)
        {
            const short revents = board_loop_poll_result(loop, watch->index);
            if (revents != 0 && !watch->item.dead) {
                watch->fn(watch->opaque, watch->fd, revents);
            }
        }
    for
        EACH(poller, POLLER)
        {
            if (poller->filled && !poller->item.dead) {
                poller->done(poller->opaque, loop);
            }
        }
}

/* False: the loop is to end. */
static bool round_trip(struct board_loop *loop)
{
    const int timeout = fill(loop);

    if (poll(loop->fds, loop->n_fds, timeout) < 0) {
        /* EINTR, or no memory for a moment: nothing is known about any descriptor. */
        for (unsigned i = 0; i < loop->n_fds; i++) {
            loop->fds[i].revents = 0;
        }
    }
    pthread_mutex_lock(&loop->lock);
    const bool stop = loop->stop;
    if (loop->poked) {
        char byte;
        while (read(loop->pipe[0], &byte, 1) < 0 && errno == EINTR) {
        }
        loop->poked = false;
    }
    pthread_mutex_unlock(&loop->lock);
    if (stop) {
        return false;
    }
    run_watches(loop);
    run_timers(loop);
    run_wakeups(loop);
    free_dead(loop, false);
    return true;
}

static void *loop_thread(void *opaque)
{
    struct board_loop *const loop = opaque;

    /* Taken once: the creator writes loop->thread and running under it. */
    pthread_mutex_lock(&loop->lock);
    pthread_mutex_unlock(&loop->lock);
    while (round_trip(loop)) {
    }
    return NULL;
}

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

struct board_loop *board_loop_create(void)
{
    struct board_loop *const loop = calloc(1, sizeof(*loop));

    if (loop == NULL) {
        return NULL;
    }
    if (pipe(loop->pipe) != 0) {
        free(loop);
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(loop->pipe[i], F_SETFD, FD_CLOEXEC);
    }
    pthread_mutex_init(&loop->lock, NULL);
    return loop;
}

bool board_loop_start(struct board_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->stop = false;
    const int error = pthread_create(&loop->thread, NULL, loop_thread, loop);
    loop->running = error == 0;
    pthread_mutex_unlock(&loop->lock);
    if (error != 0) {
        board_warn("cannot start a thread for the devices: %s", strerror(error));
    }
    return error == 0;
}

void board_loop_stop(struct board_loop *loop)
{
    if (!loop->running) {
        return;
    }
    pthread_mutex_lock(&loop->lock);
    loop->stop = true;
    poke(loop);
    pthread_mutex_unlock(&loop->lock);
    pthread_join(loop->thread, NULL);
    pthread_mutex_lock(&loop->lock); /* poke() reads it on any thread */
    loop->running = false;
    pthread_mutex_unlock(&loop->lock);
}

void board_loop_destroy(struct board_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    free_dead(loop, true);
    close(loop->pipe[0]);
    close(loop->pipe[1]);
    pthread_mutex_destroy(&loop->lock);
    free(loop->fds);
    free(loop);
}
