/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Saved state that is wrong but has a right checksum: each mistake is found and named. */
#include <stdlib.h>

#include "gic/gic_test.h"

static uint32_t sum(const uint8_t *p, size_t n)
{
    uint32_t value = 0x811c9dc5u;

    for (size_t i = 0; i < n; i++) {
        value = (value ^ p[i]) * 0x01000193u;
    }
    return value;
}

static void seal(uint8_t *data, size_t size)
{
    const uint32_t value = sum(data + 24, size - 24);

    memcpy(data + 20, &value, 4);
}

static const char *restore(const uint8_t *data, size_t size)
{
    static char why[160];

    why[0] = '\0';
    return gic_state_restore(gic, data, size, why, sizeof(why)) ? "restored" : why;
}

/* The record of this name and Redistributor (0xffff: Distributor): where its data begin. */
static size_t record(const uint8_t *data, size_t size, const char *name, unsigned index)
{
    size_t at = 24;

    while (at < size) {
        const size_t length = (size_t)(data[at + 14] | data[at + 15] << 8) *
                              (size_t)(data[at + 16] | data[at + 17] << 8);
        if (strcmp((const char *)data + at, name) == 0 &&
            (unsigned)(data[at + 12] | data[at + 13] << 8) == index) {
            return at + 20;
        }
        at += 20 + length;
    }
    EXPECT(at < size); /* the record exists */
    return 24;
}

#define EXPECT_WHY(call, part)                                                            \
    do {                                                                                  \
        const char *const why_ = (call);                                                  \
        if (strstr(why_, (part)) == NULL) {                                               \
            printf("%s:%d: '%s' says nothing of '%s'\n", __FILE__, __LINE__, why_, part); \
            failures++;                                                                   \
        }                                                                                 \
    } while (0)

static void each_mistake_is_named(void)
{
    static const struct {
        const char *record;
        unsigned index, byte;
        uint8_t value;
        const char *why;
    } cases[] = {
        {"config", 0xffff, 2, 0x77, "Distributor base"},
        {"config", 0xffff, 32, 0x77, "number of MSI"},
        {"ctlr", 0xffff, 0, 0x4, "'ctlr'"},
        {"enable", 0xffff, 0, 1, "element 0 of record 'enable'"},
        {"active", 0xffff, 127, 0xf0, "element 31 of record 'active'"},
        {"priority", 0xffff, 32, 0x81, "element 32 of record 'priority'"},
        {"priority", 0xffff, 31, 0x80, "element 31 of record 'priority'"},
        {"router", 0xffff, 8 * 40 + 5, 1, "element 40 of record 'router'"},
        {"router", 0xffff, 8 * 31, 1, "element 31 of record 'router'"},
        {"waker", 63, 0, 1, "'waker'"},
        {"level", 5, 0, 1, "'level'"},
        {"priority", 0, 3, 7, "element 3 of record 'priority'"},
    };
    const size_t size = gic_state_size();
    uint8_t *const good = malloc(size), *const bad = malloc(size);

    start(2);
    gic_state_save(gic, good);
    EXPECT_WHY(restore(good, size), "restored");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(bad, good, size);
        bad[record(good, size, cases[i].record, cases[i].index) + cases[i].byte] = cases[i].value;
        seal(bad, size);
        EXPECT_WHY(restore(bad, size), cases[i].why);
    }
    memcpy(bad, good, size);
    bad[record(good, size, "router", 0xffff)]++;
    EXPECT_WHY(restore(bad, size), "checksum");
    memcpy(bad, good, size);
    bad[8] = 2;
    EXPECT_WHY(restore(bad, size), "version 2");
    bad[8] = 1;
    bad[16]++;
    EXPECT_WHY(restore(bad, size), "records");
    EXPECT_WHY(restore(good, size - 1), "bytes");
    EXPECT_WHY(restore(good, 23), "header");
    EXPECT_WHY(restore(good, 0), "header");
    /* Names, indices, widths and counts: any change is found. */
    for (unsigned i = 0; i < 20; i++) {
        memcpy(bad, good, size);
        bad[record(good, size, "group", 7) - 20 + i] ^= 0x40;
        seal(bad, size);
        EXPECT_WHY(restore(bad, size), "is not 'group'");
    }
    memcpy(bad, good, size);
    gic_state_save(gic, bad);
    EXPECT(memcmp(good, bad, size) == 0); /* nothing of it was taken */
    free(good);
    free(bad);
    stop();
}

/* Random bytes in records: refused, or restored and saved as they were. */
static void random_records(void)
{
    const size_t size = gic_state_size();
    uint8_t *const data = malloc(size), *const again = malloc(size);
    uint64_t seed = 1;

    start(3);
    for (unsigned round = 0; round < 300; round++) {
        gic_state_save(gic, data);
        for (unsigned i = 0; i < 1 + round % 8; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            data[24 + (seed >> 33) % (size - 24)] = (uint8_t)(seed >> 24);
        }
        seal(data, size);
        if (strcmp(restore(data, size), "restored") == 0) {
            gic_state_save(gic, again);
            EXPECT(memcmp(data, again, size) == 0);
        }
    }
    free(data);
    free(again);
    stop();
}

void test_state(void)
{
    each_mistake_is_named();
    random_records();
}
