/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "vm/exec_time.h"

void exec_time_init(struct exec_time *time, uint64_t now, uint32_t few, uint32_t cost)
{
    *time = (struct exec_time){.tick = EXEC_MEASURED, .since = now, .few = few, .cost = cost};
}

static void begin_row(struct exec_time *time)
{
    time->n_measured = 0;
    time->has_pause = false;
    time->inside = 0;
    time->outside = 0;
}

static uint64_t without_reading(const struct exec_time *time, uint64_t stamps)
{
    return stamps > time->cost ? stamps - time->cost : 0;
}

/* What has passed since sampling began is divided as the row says. If it is more than so many runs can have taken, this was where it is
 * found to have ended, in a run or a pause. */
static void end_sampling(struct exec_time *time, uint64_t now, bool in_run)
{
    const uint64_t passed = now - time->since, row = time->inside + time->outside;
    const uint64_t expected = (uint64_t)((unsigned __int128)time->runs * row / time->n_measured);
    const bool has_long = passed - passed / 4 > expected; /* the row is a sample, too */
    const uint64_t surplus = has_long ? passed - expected : 0;

    if (row != 0) {
        time->executed += (uint64_t)((unsigned __int128)(passed - surplus) * time->inside / row);
    }
    if (in_run) {
        time->executed += surplus;
    }
    time->tick = EXEC_MEASURED;
    time->since = now;
    begin_row(time);
}

void exec_time_enter(struct exec_time *time, uint64_t now)
{
    if (time->tick != EXEC_MEASURED) {
        end_sampling(time, now, false);
        return;
    }
    const uint64_t pause = now - time->since;
    time->since = now;
    if (pause > time->few) {
        begin_row(time);
    } else {
        time->outside += without_reading(time, pause);
        time->has_pause = true;
    }
}

void exec_time_leave(struct exec_time *time, uint64_t now)
{
    if (time->tick != EXEC_MEASURED) {
        end_sampling(time, now, true);
        return;
    }
    const uint64_t run = now - time->since;
    time->since = now;
    time->executed += run;
    if (run > time->few) {
        begin_row(time);
    } else if (time->has_pause) {
        time->inside += without_reading(time, run);
        time->n_measured++;
        time->has_pause = false;
    }
}

void exec_time_sample(struct exec_time *time, uint32_t tick)
{
    time->tick = tick;
    time->runs = 0;
}

uint64_t exec_time_ask(struct exec_time *time, uint64_t now)
{
    if (time->tick != EXEC_MEASURED) {
        end_sampling(time, now, false);
    }
    time->exact = true;
    return time->executed;
}
