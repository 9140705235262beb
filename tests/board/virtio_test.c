/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The transport and the rings, with the entropy device behind them: it fills what it is given. */
#include <unistd.h>

#include "rig.h"
#include "virtio_devices.h"

#define F_INDIRECT  (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)
#define NEXT        1
#define WRITE       2
#define INDIRECT    4

static struct rig rig;
static struct driver driver;

static void open_rng(void)
{
    rig_open(&rig);
    NEED(virtio_rng_add(rig.board));
    rig_start(&rig);
}

static void start(uint64_t features, uint16_t size)
{
    open_rng();
    NEED(driver_start(&driver, &rig, 0, features, 1, size));
}

static uint32_t get_random(unsigned size, bool indirect)
{
    const struct piece piece = {rig_alloc(&rig, size), size, true};
    uint32_t head, written;

    if (indirect) {
        driver_add_indirect(&driver, 0, &piece, 1);
    } else {
        driver_add(&driver, 0, &piece, 1);
    }
    driver_notify(&driver, 0);
    return driver_next_used(&driver, 0, &head, &written) ? written : UINT32_MAX;
}

/* --- Registers ---------------------------------------------------------------------------------------------------------------- */

TEST(identity)
{
    uint64_t value = 99;

    open_rng();
    EXPECT_EQ(rig_read(&rig, 0, 0x0), 0x74726976);
    EXPECT_EQ(rig_read(&rig, 0, 0x4), 2);
    EXPECT_EQ(rig_read(&rig, 0, 0x8), 4);
    EXPECT_EQ(driver_offered(&rig, 0), F_INDIRECT | F_EVENT_IDX | F_VERSION_1);
    rig_write(&rig, 0, 0x14, 2);
    EXPECT_EQ(rig_read(&rig, 0, 0x10), 0);
    rig_write(&rig, 0, 0x30, 0);
    EXPECT_EQ(rig_read(&rig, 0, 0x34), 256);
    rig_write(&rig, 0, 0x30, 1);
    EXPECT_EQ(rig_read(&rig, 0, 0x34), 0);
    rig_write(&rig, 0, 0x30, UINT32_MAX);
    EXPECT_EQ(rig_read(&rig, 0, 0x34), 0);
    EXPECT_EQ(rig_read(&rig, 0, 0xb0), UINT32_MAX);
    EXPECT_EQ(rig_read(&rig, 0, 0xb4), UINT32_MAX);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 8), 0);
    EXPECT_EQ(rig_read_config(&rig, 0, 0xff, 1), 0);
    /* registers are 32 bits wide, whatever else is tried */
    EXPECT(board_access(rig.board, 0x0a000000, 1, false, &value) && value == 0);
    EXPECT(board_access(rig.board, 0x0a000000, 8, false, &value) && value == 0);
    rig_close(&rig);
}

TEST(features_are_negotiated)
{
    open_rng();
    EXPECT(driver_start(&driver, &rig, 0, F_INDIRECT, 0, 0));
    /* after FEATURES_OK they stay */
    rig_write(&rig, 0, 0x20, 0);
    EXPECT(driver_start(&driver, &rig, 0, 0, 0, 0));
    EXPECT(!driver_start(&driver, &rig, 0, 1ull << 0, 0, 0));
    EXPECT(!driver_start(&driver, &rig, 0, 1ull << 33, 0, 0));
    EXPECT(!driver_start(&driver, &rig, 0, 1ull << 63, 0, 0));
    /* without VERSION_1 */
    rig_write(&rig, 0, REG_STATUS, 0);
    rig_write(&rig, 0, REG_STATUS, 3);
    rig_write(&rig, 0, REG_STATUS, 0xb);
    EXPECT_EQ(rig_read(&rig, 0, REG_STATUS), 3);
    /* bits from 64 on */
    rig_write(&rig, 0, REG_STATUS, 0);
    rig_write(&rig, 0, 0x24, 1);
    rig_write(&rig, 0, 0x20, 1);
    rig_write(&rig, 0, 0x24, 2);
    rig_write(&rig, 0, 0x20, 1);
    rig_write(&rig, 0, REG_STATUS, 0xb);
    EXPECT_EQ(rig_read(&rig, 0, REG_STATUS), 3);
    rig_close(&rig);
}

TEST(status_only_grows_until_reset)
{
    start(0, 8);
    rig_write(&rig, 0, REG_STATUS, 1);
    EXPECT_EQ(rig_read(&rig, 0, REG_STATUS), 0xf);
    EXPECT_EQ(get_random(16, false), 16);
    /* FAILED: the driver has given up, nothing more is served */
    rig_write(&rig, 0, REG_STATUS, 0x8f);
    EXPECT_EQ(rig_read(&rig, 0, REG_STATUS), 0x8f);
    const struct piece piece = {rig_alloc(&rig, 16), 16, true};
    driver_add(&driver, 0, &piece, 1);
    driver_notify(&driver, 0);
    /* the guest cannot set NEEDS_RESET itself */
    rig_write(&rig, 0, REG_STATUS, 0xcf);
    EXPECT_EQ(rig_read(&rig, 0, REG_STATUS), 0x8f);
    EXPECT(!driver_has_used(&driver, 0));
    rig_write(&rig, 0, REG_STATUS, 0);
    EXPECT_EQ(rig_read(&rig, 0, REG_STATUS), 0);
    EXPECT(!rig.level[0]);
    EXPECT_EQ(rig_read(&rig, 0, 0x44), 0);
    EXPECT(driver_start(&driver, &rig, 0, 0, 1, 8));
    EXPECT_EQ(get_random(16, false), 16);
    /* DRIVER_OK before FEATURES_OK */
    rig_write(&rig, 0, REG_STATUS, 0);
    rig_write(&rig, 0, REG_STATUS, 7);
    EXPECT(driver_is_broken(&driver));
    rig_close(&rig);
}

TEST(interrupts_are_levels_until_acknowledged)
{
    start(0, 8);
    EXPECT(!rig.level[0]);
    EXPECT_EQ(get_random(16, false), 16);
    EXPECT(rig.level[0]);
    EXPECT_EQ(rig_read(&rig, 0, 0x60), 1);
    rig_write(&rig, 0, 0x64, 2);
    EXPECT(rig.level[0]);
    rig_write(&rig, 0, 0x64, 1);
    EXPECT(!rig.level[0]);
    EXPECT_EQ(rig_read(&rig, 0, 0x60), 0);
    /* NO_INTERRUPT */
    *(uint16_t *)rig_at(&rig, driver.rings[0].available) = 1;
    EXPECT_EQ(get_random(16, false), 16);
    EXPECT(!rig.level[0]);
    *(uint16_t *)rig_at(&rig, driver.rings[0].available) = 0;
    EXPECT_EQ(get_random(16, false), 16);
    EXPECT(rig.level[0]);
    rig_close(&rig);
}

TEST(event_index)
{
    start(F_EVENT_IDX, 8);
    uint16_t *const used_event = rig_at(&rig, driver.rings[0].available + 4 + 16);

    /* 2 to come before the next interrupt */
    *used_event = 1;
    EXPECT_EQ(get_random(16, false), 16);
    EXPECT(!rig.level[0]);
    EXPECT_EQ(get_random(16, false), 16);
    EXPECT(rig.level[0]);
    rig_write(&rig, 0, 0x64, 1);
    EXPECT_EQ(get_random(16, false), 16);
    EXPECT(!rig.level[0]);
    /* around the ring and around 16 bits */
    for (unsigned i = 3; i < 70000; i++) {
        *used_event = (uint16_t)(i % 7 == 0 ? i : i - 1);
        rig.next = RIG_RAM + (1 << 20);
        EXPECT_EQ(get_random(4, false), 4);
        EXPECT_EQ(rig.level[0], i % 7 == 0);
        rig_write(&rig, 0, 0x64, 1);
        if (failures != 0) {
            printf("# at %u\n", i);
            break;
        }
    }
    /* the device tells which notice it wants next: that of the chain it has not seen; its thread does so behind the used chain */
    const uint16_t *const avail_event = rig_at(&rig, driver.rings[0].used + 4 + 64);
    for (unsigned ms = 0; ms < 10000 && __atomic_load_n(avail_event, __ATOMIC_ACQUIRE) !=
                                            driver.rings[0].next_available;
         ms++) {
        usleep(1000);
    }
    EXPECT_EQ(*avail_event, driver.rings[0].next_available);
    rig_close(&rig);
}

/* --- Queues ------------------------------------------------------------------------------------------------------------------- */

TEST(chains_of_many_pieces)
{
    struct piece pieces[256];

    for (unsigned indirect = 0; indirect < 2; indirect++) {
        start(indirect ? F_INDIRECT : 0, 256);
        const uint64_t guard = rig_alloc(&rig, 4096);
        for (unsigned i = 0; i < 256; i++) {
            pieces[i] = (struct piece){guard + 64 + 8 * i, i % 3 == 2 ? 0 : 4, true};
        }
        uint32_t head, written;
        const uint16_t added = indirect ? driver_add_indirect(&driver, 0, pieces, 256)
                                        : driver_add(&driver, 0, pieces, 256);
        driver_notify(&driver, 0);
        EXPECT(driver_next_used(&driver, 0, &head, &written));
        EXPECT_EQ(head, added);
        EXPECT_EQ(written, 171 * 4); /* those of size 0 take nothing */
        const uint8_t *const bytes = rig_at(&rig, guard);
        unsigned gaps = 0, zeros = 0;
        for (unsigned i = 0; i < 4096; i++) {
            const bool inside = i >= 64 && i < 64 + 8 * 256 && (i - 64) % 8 < 4 &&
                                (i - 64) / 8 % 3 != 2;
            gaps += !inside && bytes[i] != 0;
            zeros += inside && bytes[i] == 0;
        }
        EXPECT_EQ(gaps, 0);
        EXPECT(zeros < 30);
        rig_close(&rig);
    }
}

TEST(a_readable_chain_is_given_back)
{
    start(0, 8);
    const struct piece piece = {rig_alloc(&rig, 16), 16, false};
    EXPECT_EQ(driver_request(&driver, 0, &piece, 1), 0);
    rig_close(&rig);
}

TEST(a_queue_can_be_stopped_and_set_up_again)
{
    start(0, 8);
    EXPECT_EQ(get_random(16, false), 16);
    rig_write(&rig, 0, 0x30, 0);
    rig_write(&rig, 0, 0x38, 4); /* not while it is ready */
    EXPECT_EQ(get_random(16, false), 16);
    rig_write(&rig, 0, 0x44, 0);
    EXPECT_EQ(rig_read(&rig, 0, 0x44), 0);
    const struct piece piece = {rig_alloc(&rig, 16), 16, true};
    driver_add(&driver, 0, &piece, 1);
    driver_notify(&driver, 0);
    EXPECT(!driver_has_used(&driver, 0));
    /* from a used index of 0 again */
    memset(rig_at(&rig, driver.rings[0].used), 0, 4);
    memset(rig_at(&rig, driver.rings[0].available), 0, 4);
    driver.rings[0].next_available = driver.rings[0].next_used = 0;
    rig_write(&rig, 0, 0x44, 1);
    EXPECT_EQ(rig_read(&rig, 0, 0x44), 1);
    EXPECT_EQ(get_random(16, false), 16);
    rig_close(&rig);
}

TEST(places_of_queues_are_checked)
{
    static const struct {
        uint32_t size;
        uint64_t descriptors, driver, device;
    } cases[] = {
        {0, RIG_RAM, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {3, RIG_RAM, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {512, RIG_RAM, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {0x10008, RIG_RAM, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {8, RIG_RAM + 8, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {8, RIG_RAM, RIG_RAM + 0x1001, RIG_RAM + 0x2000},
        {8, RIG_RAM, RIG_RAM + 0x1000, RIG_RAM + 0x2002},
        {8, RIG_RAM - 16, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {8, RIG_RAM + RIG_RAM_SIZE - 112, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {8, RIG_RAM, RIG_RAM + RIG_RAM_SIZE - 20, RIG_RAM + 0x2000},
        {8, RIG_RAM, RIG_RAM + 0x1000, RIG_RAM + RIG_RAM_SIZE - 68},
        {8, 0xfffffffffffffff0ull, RIG_RAM + 0x1000, RIG_RAM + 0x2000},
        {8, RIG_RAM, 0, RIG_RAM + 0x2000},
        {8, RIG_RAM, RIG_RAM + 0x1000, 0x0a000000},
    };

    open_rng();
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        NEED(driver_start(&driver, &rig, 0, 0, 0, 0));
        const uint64_t places[3] = {cases[i].descriptors, cases[i].driver, cases[i].device};
        rig_write(&rig, 0, 0x30, 0);
        rig_write(&rig, 0, 0x38, cases[i].size);
        for (unsigned k = 0; k < 3; k++) {
            rig_write(&rig, 0, 0x80 + 0x10 * k, (uint32_t)places[k]);
            rig_write(&rig, 0, 0x84 + 0x10 * k, (uint32_t)(places[k] >> 32));
        }
        rig_write(&rig, 0, 0x44, 1);
        EXPECT_EQ(rig_read(&rig, 0, 0x44), 0);
        EXPECT((rig_read(&rig, 0, REG_STATUS) & NEEDS_RESET) != 0);
        EXPECT_EQ(rig_read(&rig, 0, 0x60), 2);
        if (failures != 0) {
            printf("# case %u\n", i);
            break;
        }
    }
    /* the last places that fit */
    NEED(driver_start(&driver, &rig, 0, 0, 0, 0));
    rig_write(&rig, 0, 0x38, 8);
    rig_write(&rig, 0, 0x80, (uint32_t)RIG_RAM + RIG_RAM_SIZE - 128);
    rig_write(&rig, 0, 0x90, (uint32_t)RIG_RAM + RIG_RAM_SIZE - 22);
    rig_write(&rig, 0, 0xa0, (uint32_t)RIG_RAM + RIG_RAM_SIZE - 72);
    rig_write(&rig, 0, 0x44, 1);
    EXPECT_EQ(rig_read(&rig, 0, 0x44), 1);
    rig_close(&rig);
}

/* --- Drivers that break the rules --------------------------------------------------------------------------------------------- */

enum where { DIRECT, IN_TABLE };

static const struct {
    const char *name;
    enum where where;
    uint16_t head;
    struct {
        uint64_t address;
        uint32_t size;
        uint16_t flags, next;
    } descriptors[3];
} hostile[] = {
    {"a loop of one", DIRECT, 0, {{RIG_RAM, 4, NEXT | WRITE, 0}}},
    {"a loop of two", DIRECT, 0, {{RIG_RAM, 4, NEXT | WRITE, 1}, {RIG_RAM, 4, NEXT | WRITE, 0}}},
    {"a loop of nothing", DIRECT, 0, {{RIG_RAM, 0, NEXT | WRITE, 1}, {RIG_RAM, 0, NEXT, 0}}},
    {"a head beyond the table", DIRECT, 8, {{RIG_RAM, 4, WRITE, 0}}},
    {"a head far beyond", DIRECT, 0xffff, {{RIG_RAM, 4, WRITE, 0}}},
    {"a link beyond the table", DIRECT, 0, {{RIG_RAM, 4, NEXT | WRITE, 8}}},
    {"below RAM", DIRECT, 0, {{RIG_RAM - 1, 4, WRITE, 0}}},
    {"address 0", DIRECT, 0, {{0, 4, WRITE, 0}}},
    {"across the end of RAM", DIRECT, 0, {{RIG_RAM + RIG_RAM_SIZE - 3, 4, WRITE, 0}}},
    {"beyond RAM", DIRECT, 0, {{RIG_RAM + RIG_RAM_SIZE, 1, WRITE, 0}}},
    {"a length that wraps", DIRECT, 0, {{UINT64_MAX - 3, 8, WRITE, 0}}},
    {"4 GiB", DIRECT, 0, {{RIG_RAM, 0xffffffff, WRITE, 0}}},
    {"a device", DIRECT, 0, {{0x0a000000, 4, WRITE, 0}}},
    {"readable after writable", DIRECT, 0, {{RIG_RAM, 4, NEXT | WRITE, 1}, {RIG_RAM, 4, 0, 0}}},
    {"an empty table", DIRECT, 0, {{RIG_RAM, 0, INDIRECT, 0}}},
    {"half a descriptor", DIRECT, 0, {{RIG_RAM, 24, INDIRECT, 0}}},
    {"a table and a link", DIRECT, 0, {{RIG_RAM, 16, INDIRECT | NEXT, 1}, {RIG_RAM, 4, WRITE, 0}}},
    {"a table outside RAM", DIRECT, 0, {{RIG_RAM - 16, 32, INDIRECT, 0}}},
    {"a table across the end", DIRECT, 0, {{RIG_RAM + RIG_RAM_SIZE - 16, 32, INDIRECT, 0}}},
    {"a table in a table", IN_TABLE, 0, {{RIG_RAM, 16, INDIRECT, 0}}},
    {"a loop in a table",
     IN_TABLE,
     0,
     {{RIG_RAM, 4, NEXT | WRITE, 1}, {RIG_RAM, 4, NEXT | WRITE, 0}}},
    {"a link beyond a table", IN_TABLE, 0, {{RIG_RAM, 4, NEXT | WRITE, 3}}},
    {"outside RAM in a table", IN_TABLE, 0, {{RIG_RAM - 4, 4, WRITE, 0}}},
    {"order in a table", IN_TABLE, 0, {{RIG_RAM, 4, NEXT | WRITE, 1}, {RIG_RAM, 4, 0, 0}}},
};

static void lay_out(unsigned i)
{
    const uint64_t table = rig_alloc(&rig, 48);

    for (unsigned k = 0; k < 3; k++) {
        ring_descriptor(&driver, 0, k, hostile[i].descriptors[k].address,
                        hostile[i].descriptors[k].size, hostile[i].descriptors[k].flags,
                        hostile[i].descriptors[k].next);
    }
    if (hostile[i].where == IN_TABLE) {
        memcpy(rig_at(&rig, table), rig_at(&rig, driver.rings[0].descriptors), 48);
        ring_descriptor(&driver, 0, 0, table, 48, INDIRECT, 0);
    }
    ring_available(&driver, 0, hostile[i].head);
    driver_notify(&driver, 0);
}

TEST(hostile_chains_need_a_reset)
{
    open_rng();
    for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        const int before = failures;
        rig.next = RIG_RAM + 4096;
        NEED(driver_start(&driver, &rig, 0, F_INDIRECT, 1, 8));
        lay_out(i);
        EXPECT(driver_is_broken(&driver));
        EXPECT(rig.level[0]);
        EXPECT_EQ(rig_read(&rig, 0, 0x60), 2);
        EXPECT(!driver_has_used(&driver, 0));
        /* it stands still, and a reset makes it work again */
        driver_notify(&driver, 0);
        NEED(driver_start(&driver, &rig, 0, F_INDIRECT, 1, 8));
        EXPECT_EQ(get_random(16, true), 16);
        if (failures != before) {
            printf("# %s\n", hostile[i].name);
        }
    }
    rig_close(&rig);
}

TEST(an_indirect_table_that_was_not_negotiated)
{
    start(0, 8);
    EXPECT_EQ(get_random(16, true), UINT32_MAX);
    EXPECT(driver_is_broken(&driver));
    rig_close(&rig);
}

TEST(an_index_that_jumps)
{
    start(0, 8);
    uint16_t *const index = (uint16_t *)rig_at(&rig, driver.rings[0].available) + 1;

    __atomic_store_n(index, 9, __ATOMIC_RELEASE);
    driver_notify(&driver, 0);
    EXPECT(driver_is_broken(&driver));
    NEED(driver_start(&driver, &rig, 0, 0, 1, 8));
    EXPECT_EQ(get_random(16, false), 16);
    uint16_t *const again = (uint16_t *)rig_at(&rig, driver.rings[0].available) + 1;
    __atomic_store_n(again, 0, __ATOMIC_RELEASE); /* backwards */
    driver_notify(&driver, 0);
    EXPECT(driver_is_broken(&driver));
    rig_close(&rig);
}

TEST(a_table_longer_than_a_chain_may_be)
{
    enum { N = 1200 };
    struct piece pieces[N];

    start(F_INDIRECT, 8);
    const uint64_t buffer = rig_alloc(&rig, 16);
    for (unsigned i = 0; i < N; i++) {
        pieces[i] = (struct piece){buffer, 1, true};
    }
    driver_add_indirect(&driver, 0, pieces, 1024);
    driver_notify(&driver, 0);
    uint32_t head, written = 0;
    EXPECT(driver_next_used(&driver, 0, &head, &written));
    EXPECT_EQ(written, 1024);
    driver_add_indirect(&driver, 0, pieces, N);
    driver_notify(&driver, 0);
    EXPECT(driver_is_broken(&driver));
    rig_close(&rig);
}

/* --- Random rings ------------------------------------------------------------------------------------------------------------- */

static uint64_t state;

static uint32_t random_number(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % below;
}

static uint64_t random_address(void)
{
    static const uint64_t places[] = {0, RIG_RAM - 8, RIG_RAM + RIG_RAM_SIZE - 64, 0x0a000000,
                                      UINT64_MAX - 64};

    return random_number(8) != 0 ? RIG_RAM + random_number(RIG_RAM_SIZE - 8192)
                                 : places[random_number(5)] + random_number(80);
}

static uint32_t random_size(void)
{
    static const uint32_t sizes[] = {0, 1, 16, 48, 4096, 0x7fffffff, 0x80000000, 0xffffffff};

    return random_number(4) != 0 ? random_number(300) : sizes[random_number(8)];
}

static void random_registers(void)
{
    static const unsigned registers[] = {0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x64,
                                         0x70, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4, 0x100};

    const unsigned reg = registers[random_number(16)];
    const uint32_t value = reg == 0x70             ? random_number(256) | random_number(3) * 4
                           : random_number(3) == 0 ? (uint32_t)random_address()
                                                   : random_number(300);
    rig_write(&rig, 0, reg, value);
    rig_read(&rig, 0, registers[random_number(16)]);
}

static void random_ring(void)
{
    struct ring *const ring = &driver.rings[0];

    for (unsigned i = 0; i < ring->size; i++) {
        const bool sane = random_number(4) != 0;
        ring_descriptor(
            &driver, 0, i, sane ? RIG_RAM + (7u << 20) + random_number(4096) : random_address(),
            sane ? random_number(64) : random_size(),
            (uint16_t)(sane ? WRITE | (random_number(3) == 0 ? NEXT : 0) : random_number(9)),
            (uint16_t)(random_number(10) == 0 ? random_number(65536) : random_number(ring->size)));
    }
    uint8_t *const table = rig_at(&rig, RIG_RAM + (6u << 20));
    for (unsigned i = 0; i < 64; i++) {
        table[random_number(4096)] = (uint8_t)random_number(256);
    }
    if (random_number(3) == 0) {
        ring_descriptor(&driver, 0, random_number(ring->size),
                        RIG_RAM + (6u << 20) + random_number(512), 16 * random_number(40), INDIRECT,
                        0);
    }
    for (unsigned i = random_number(6); i > 0; i--) {
        ring_available(
            &driver, 0,
            (uint16_t)(random_number(20) == 0 ? random_number(65536) : random_number(ring->size)));
    }
    if (random_number(40) == 0) {
        ((uint16_t *)rig_at(&rig, ring->available))[1] = (uint16_t)random_number(65536);
    }
    driver_notify(&driver, 0);
}

/* Nothing is expected but that the board survives and a reset helps; the sanitizer looks for the rest. */
TEST(random_rings)
{
#ifdef __SANITIZE_THREAD__
    /* A guest that changes its rings under the device's eyes is a data race by design. */
    return;
#endif
    state = 0x9e3779b97f4a7c15ull;
    open_rng();
    for (unsigned round = 0; round < 3000; round++) {
        rig.next = RIG_RAM + 4096;
        NEED(driver_start(&driver, &rig, 0,
                          random_number(2) ? F_INDIRECT | F_EVENT_IDX : F_INDIRECT, 1,
                          (uint16_t)(1u << random_number(9))));
        for (unsigned i = random_number(8); i > 0; i--) {
            random_ring();
            if (random_number(4) == 0) {
                random_registers();
            }
        }
    }
    rig.next = RIG_RAM + 4096;
    NEED(driver_start(&driver, &rig, 0, 0, 1, 8));
    EXPECT_EQ(get_random(16, false), 16);
    rig_close(&rig);
}

MAIN(T(identity), T(features_are_negotiated), T(status_only_grows_until_reset),
     T(interrupts_are_levels_until_acknowledged), T(event_index), T(chains_of_many_pieces),
     T(a_readable_chain_is_given_back), T(a_queue_can_be_stopped_and_set_up_again),
     T(places_of_queues_are_checked), T(hostile_chains_need_a_reset),
     T(an_indirect_table_that_was_not_negotiated), T(an_index_that_jumps),
     T(a_table_longer_than_a_chain_may_be), T(random_rings))
