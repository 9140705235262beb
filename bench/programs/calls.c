/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Calls through tables of functions, as of objects of four classes, and callbacks. A unit is one indirect call. */
#include "../lib/bench.h"

#define OBJECTS 1024
#define ROUNDS  8

struct object;
struct class
{
    uint64_t (*area)(const struct object *);
    void (*grow)(struct object *, uint64_t);
};
struct object {
    const struct class *class;
    uint64_t a, b;
};

static NOINLINE uint64_t square_area(const struct object *o)
{
    return o->a * o->a;
}

static NOINLINE uint64_t box_area(const struct object *o)
{
    return o->a * o->b;
}

static NOINLINE uint64_t triangle_area(const struct object *o)
{
    return o->a * o->b / 2;
}

static NOINLINE uint64_t nested_area(const struct object *o)
{
    return box_area(o) - square_area(o);
}

static NOINLINE void grow_a(struct object *o, uint64_t by)
{
    o->a += by;
}

static NOINLINE void grow_both(struct object *o, uint64_t by)
{
    grow_a(o, by);
    o->b ^= by;
}

static const struct class classes[] = {{square_area, grow_a},
                                       {box_area, grow_both},
                                       {triangle_area, grow_both},
                                       {nested_area, grow_a}};

static NOINLINE uint64_t each(struct object *objects, uint64_t (*visit)(struct object *, uint64_t),
                              uint64_t sum)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        sum = visit(&objects[i], sum);
    }
    return sum;
}

static NOINLINE uint64_t visit(struct object *o, uint64_t sum)
{
    o->class->grow(o, sum & 7);
    return sum + o->class->area(o);
}

static uint64_t run(void *memory)
{
    struct object *const objects = memory;
    uint64_t seed = 5, sum = 0;

    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = (struct object){&classes[bench_random(&seed) >> 62], i, i ^ 21};
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        sum = each(objects, visit, sum);
    }
    return sum;
}

const struct bench bench = {
    .name = "calls",
    .arena_bytes = OBJECTS * sizeof(struct object),
    .units = 3 * OBJECTS * ROUNDS,
    .run = run,
};
