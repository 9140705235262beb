/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A hash table of strings with open addressing: insert, find, count, remove. A unit is one operation on the table. */
#include "../lib/bench.h"

#define KEYS    2048
#define SLOTS   8192 /* a power of two */
#define LOOKUPS (4 * KEYS)

struct slot {
    uint64_t hash;   /* 0: never used */
    const char *key; /* NULL: removed */
    uint64_t count;
};

struct arena {
    struct slot slots[SLOTS];
    char text[KEYS][32];
    uint16_t order[LOOKUPS];
};

static uint64_t hash_of(const char *key)
{
    uint64_t h = 0xcbf29ce484222325ull;

    for (; *key != '\0'; key++) {
        h = (h ^ (uint8_t)*key) * 0x100000001b3ull;
    }
    return h | 1;
}

static bool same_text(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    return *a == *b;
}

static NOINLINE struct slot *find(struct slot *slots, const char *key, bool insert)
{
    const uint64_t hash = hash_of(key);
    struct slot *free_slot = NULL;

    for (size_t at = (hash >> 32) % SLOTS;; at = (at + 1) % SLOTS) {
        struct slot *const slot = &slots[at];
        if (slot->hash == hash && slot->key != NULL && same_text(slot->key, key)) {
            return slot;
        }
        if (slot->key == NULL && free_slot == NULL) {
            free_slot = slot;
        }
        if (slot->hash == 0) {
            break;
        }
    }
    if (insert) {
        *free_slot = (struct slot){hash, key, 0};
        return free_slot;
    }
    return NULL;
}

static void prepare(void *memory)
{
    struct arena *const arena = memory;
    uint64_t seed = 777;

    for (size_t i = 0; i < KEYS; i++) {
        const size_t length = 6 + bench_random(&seed) % 18;
        for (size_t j = 0; j < length; j++) {
            arena->text[i][j] = (char)('a' + bench_random(&seed) % 26);
        }
    }
    for (size_t i = 0; i < LOOKUPS; i++) {
        arena->order[i] = (uint16_t)(bench_random(&seed) % KEYS);
    }
}

static uint64_t run(void *memory)
{
    struct arena *const arena = memory;
    uint64_t sum = 0;

    for (size_t i = 0; i < SLOTS; i++) {
        arena->slots[i] = (struct slot){0};
    }
    for (size_t i = 0; i < KEYS; i++) {
        find(arena->slots, arena->text[i], true)->count = i;
    }
    for (size_t i = 0; i < KEYS; i += 2) {
        find(arena->slots, arena->text[i], false)->key = NULL;
    }
    for (size_t i = 0; i < LOOKUPS; i++) {
        struct slot *const slot = find(arena->slots, arena->text[arena->order[i]], false);
        if (slot != NULL) {
            slot->count += i;
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (arena->slots[i].key != NULL) {
            sum = bench_mix(sum, arena->slots[i].hash + arena->slots[i].count);
        }
    }
    return sum;
}

const struct bench bench = {
    .name = "hash",
    .arena_bytes = sizeof(struct arena),
    .units = KEYS + KEYS / 2 + LOOKUPS,
    .prepare = prepare,
    .run = run,
};
