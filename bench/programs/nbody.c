/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Five bodies that attract each other, leapfrog steps in double precision: division and square root. A unit is one step. */
#include "../lib/bench.h"

#define BODIES 5
#define STEPS  2000

struct body {
    double x[3], v[3], mass;
};

static const struct body start[BODIES] = {
    {{0.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, 40.0},
    {{4.75, -1.125, -0.0625}, {0.625, 2.75, -0.03125}, 0.0375},
    {{8.25, 4.0, -0.375}, {-1.0, 1.8125, 0.015625}, 0.01125},
    {{12.5, -15.0, -0.25}, {1.0625, 0.875, -0.0078125}, 0.001875},
    {{15.25, -25.75, 0.1875}, {0.96875, 0.59375, -0.03125}, 0.00203125},
};

static NOINLINE void step(struct body *b, double dt)
{
    for (size_t i = 0; i < BODIES; i++) {
        for (size_t j = i + 1; j < BODIES; j++) {
            const double dx = b[i].x[0] - b[j].x[0], dy = b[i].x[1] - b[j].x[1],
                         dz = b[i].x[2] - b[j].x[2];
            const double square = dx * dx + dy * dy + dz * dz;
            const double pull = dt / (square * __builtin_sqrt(square));
            const double pull_i = b[j].mass * pull, pull_j = b[i].mass * pull;
            b[i].v[0] -= dx * pull_i;
            b[i].v[1] -= dy * pull_i;
            b[i].v[2] -= dz * pull_i;
            b[j].v[0] += dx * pull_j;
            b[j].v[1] += dy * pull_j;
            b[j].v[2] += dz * pull_j;
        }
    }
    for (size_t i = 0; i < BODIES; i++) {
        for (size_t axis = 0; axis < 3; axis++) {
            b[i].x[axis] += dt * b[i].v[axis];
        }
    }
}

static uint64_t run(void *memory)
{
    struct body *const bodies = memory;
    uint64_t sum = 0;

    for (size_t i = 0; i < BODIES; i++) {
        bodies[i] = start[i];
    }
    for (size_t i = 0; i < STEPS; i++) {
        step(bodies, 0.0078125);
    }
    for (size_t i = 0; i < BODIES; i++) {
        for (size_t axis = 0; axis < 3; axis++) {
            sum = bench_mix(sum, bench_bits(bodies[i].x[axis]) ^ bench_bits(bodies[i].v[axis]));
        }
    }
    return sum;
}

#ifdef FLUSH
static void prepare(void *memory)
{
    (void)memory;
    bench_flush_to_zero();
}
#endif

const struct bench bench = {
    .name = NAME,
    .arena_bytes = sizeof(start),
    .units = STEPS,
#ifdef FLUSH
    .prepare = prepare,
#endif
    .run = run,
};
