/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Primes below a quarter million by striking out bytes. A unit is one number. */
#include "../lib/bench.h"

#define LIMIT (1u << 18)

static uint64_t run(void *memory)
{
    uint8_t *const composite = memory;
    uint64_t sum = 0;

    for (uint32_t i = 0; i < LIMIT; i++) {
        composite[i] = 0;
    }
    for (uint32_t i = 2; i * i < LIMIT; i++) {
        if (composite[i] == 0) {
            for (uint32_t j = i * i; j < LIMIT; j += i) {
                composite[j] = 1;
            }
        }
    }
    for (uint32_t i = 2; i < LIMIT; i++) {
        if (composite[i] == 0) {
            sum = sum * 31 + i;
        }
    }
    return sum;
}

const struct bench bench = {
    .name = "sieve",
    .arena_bytes = LIMIT,
    .units = LIMIT,
    .run = run,
};
