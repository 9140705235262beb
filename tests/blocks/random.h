/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* splitmix64: what is drawn depends on the seed and the number of draws only, on every machine. */
#ifndef TESTS_BLOCKS_RANDOM_H
#define TESTS_BLOCKS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t s;
};

static inline uint64_t draw(struct rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline unsigned below(struct rng *r, unsigned n)
{
    return (unsigned)((draw(r) >> 32) * n >> 32);
}

static inline bool percent(struct rng *r, unsigned n)
{
    return below(r, 100) < n;
}

/* An independent sequence for each number and purpose of a seed. */
static inline struct rng rng_for(uint64_t seed, uint64_t number, uint64_t purpose)
{
    struct rng r = {seed * 0xd1342543de82ef95ull + purpose};

    r.s = draw(&r) ^ number;
    r.s = draw(&r);
    return r;
}

#endif
