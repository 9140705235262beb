/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "rig.h"

#include <sched.h>
#include <time.h>

#include "map.h"

int failures;

int run_tests(const struct test *tests, int n, int argc, char **argv)
{
    int failed = 0;

    printf("1..%d\n", argc > 1 ? argc - 1 : n);
    for (int i = 0; i < n; i++) {
        bool wanted = argc < 2;
        for (int k = 1; k < argc; k++) {
            wanted |= strcmp(argv[k], tests[i].name) == 0;
        }
        if (!wanted) {
            continue;
        }
        failures = 0;
        tests[i].run();
        printf("%s %d - %s\n", failures == 0 ? "ok" : "not ok", i + 1, tests[i].name);
        fflush(stdout);
        failed += failures != 0;
    }
    return failed != 0;
}

bool wait_until(bool (*condition)(void *opaque), void *opaque)
{
    for (unsigned i = 0; i < 40000; i++) {
        if (condition(opaque)) {
            return true;
        }
        if (i < 100) {
            sched_yield();
        } else {
            nanosleep(&(struct timespec){.tv_nsec = i < 2000 ? 50000 : 500000}, NULL);
        }
    }
    return false;
}

/* --- The board ---------------------------------------------------------------------------------------------------------------- */

static void irq_sink(void *opaque, uint32_t intid, bool level)
{
    struct rig *const rig = opaque;

    NEED(intid >= VIRTIO_INTID && intid < VIRTIO_INTID + RIG_SLOTS);
    if (!atomic_exchange(&rig->level[intid - VIRTIO_INTID], level) && level) {
        atomic_fetch_add(&rig->n_rises, 1);
    }
}

void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->ram = aligned_alloc(4096, RIG_RAM_SIZE);
    NEED(rig->ram != NULL);
    memset(rig->ram, 0, RIG_RAM_SIZE);
    rig->next = RIG_RAM + 4096;
    rig->board = board_create(&(struct board_config){.ram_base = RIG_RAM,
                                                     .ram_size = RIG_RAM_SIZE,
                                                     .ram = rig->ram,
                                                     .irq_sink = irq_sink,
                                                     .irq_opaque = rig});
    NEED(rig->board != NULL);
}

void rig_start(struct rig *rig)
{
    board_reset_devices(rig->board);
    NEED(board_start_loop(rig->board));
}

void rig_close(struct rig *rig)
{
    board_stop_loop(rig->board);
    board_destroy(rig->board);
    free(rig->ram);
}

static uint64_t address_of(unsigned slot, unsigned offset)
{
    return VIRTIO_BASE + (uint64_t)slot * BOARD_VIRTIO_SIZE + offset;
}

uint64_t rig_read_config(struct rig *rig, unsigned slot, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    NEED(board_access(rig->board, address_of(slot, 0x100 + offset), size, false, &value));
    return value;
}

void rig_write_config(struct rig *rig, unsigned slot, unsigned offset, unsigned size,
                      uint64_t value)
{
    NEED(board_access(rig->board, address_of(slot, 0x100 + offset), size, true, &value));
}

uint32_t rig_read(struct rig *rig, unsigned slot, unsigned offset)
{
    uint64_t value = 0;

    NEED(board_access(rig->board, address_of(slot, offset), 4, false, &value));
    return (uint32_t)value;
}

void rig_write(struct rig *rig, unsigned slot, unsigned offset, uint32_t value)
{
    uint64_t v = value;

    NEED(board_access(rig->board, address_of(slot, offset), 4, true, &v));
}

uint64_t rig_alloc(struct rig *rig, size_t size)
{
    const uint64_t address = rig->next;

    rig->next += (size + 15) & ~(size_t)15;
    NEED(rig->next <= RIG_RAM + RIG_RAM_SIZE);
    memset(rig_at(rig, address), 0, size);
    return address;
}

void *rig_at(struct rig *rig, uint64_t address)
{
    NEED(address >= RIG_RAM && address <= RIG_RAM + RIG_RAM_SIZE);
    return rig->ram + (address - RIG_RAM);
}

uint64_t rig_put(struct rig *rig, const void *bytes, size_t size)
{
    const uint64_t address = rig_alloc(rig, size);

    memcpy(rig_at(rig, address), bytes, size);
    return address;
}

/* --- A driver ----------------------------------------------------------------------------------------------------------------- */

uint64_t driver_offered(struct rig *rig, unsigned slot)
{
    rig_write(rig, slot, 0x14, 1);
    const uint64_t high = rig_read(rig, slot, 0x10);
    rig_write(rig, slot, 0x14, 0);
    return high << 32 | rig_read(rig, slot, 0x10);
}

static void start_ring(struct driver *driver, unsigned queue, uint16_t size)
{
    struct rig *const rig = driver->rig;
    struct ring *const ring = &driver->rings[queue];

    *ring = (struct ring){.size = size};
    ring->descriptors = rig_alloc(rig, 16u * size);
    ring->available = rig_alloc(rig, 6 + 2u * size);
    ring->used = rig_alloc(rig, 6 + 8u * size);
    rig_write(rig, driver->slot, 0x30, queue);
    rig_write(rig, driver->slot, 0x38, size);
    const uint64_t places[3] = {ring->descriptors, ring->available, ring->used};
    for (unsigned i = 0; i < 3; i++) {
        rig_write(rig, driver->slot, 0x80 + 0x10 * i, (uint32_t)places[i]);
        rig_write(rig, driver->slot, 0x84 + 0x10 * i, (uint32_t)(places[i] >> 32));
    }
    rig_write(rig, driver->slot, 0x44, 1);
}

bool driver_start(struct driver *driver, struct rig *rig, unsigned slot, uint64_t features,
                  unsigned n_queues, uint16_t size)
{
    *driver = (struct driver){.rig = rig, .slot = slot, .n_queues = n_queues};
    driver->features = features | 1ull << 32;
    rig_write(rig, slot, REG_STATUS, 0);
    rig_write(rig, slot, REG_STATUS, 1);
    rig_write(rig, slot, REG_STATUS, 3);
    for (unsigned i = 0; i < 2; i++) {
        rig_write(rig, slot, 0x24, i);
        rig_write(rig, slot, 0x20, (uint32_t)(driver->features >> 32 * i));
    }
    rig_write(rig, slot, REG_STATUS, 0xb);
    if (rig_read(rig, slot, REG_STATUS) != 0xb) {
        return false;
    }
    for (unsigned i = 0; i < n_queues; i++) {
        start_ring(driver, i, size);
    }
    rig_write(rig, slot, REG_STATUS, 0xf);
    return true;
}

void ring_descriptor(struct driver *driver, unsigned queue, unsigned index, uint64_t address,
                     uint32_t size, uint16_t flags, uint16_t next)
{
    uint8_t *const d = rig_at(driver->rig, driver->rings[queue].descriptors + 16u * index);

    memcpy(d, &address, 8);
    memcpy(d + 8, &size, 4);
    memcpy(d + 12, &flags, 2);
    memcpy(d + 14, &next, 2);
}

void ring_available(struct driver *driver, unsigned queue, uint16_t head)
{
    struct ring *const ring = &driver->rings[queue];
    uint16_t *const p = rig_at(driver->rig, ring->available);

    __atomic_store_n(&p[2 + ring->next_available % ring->size], head, __ATOMIC_RELAXED);
    ring->next_available++;
    __atomic_store_n(&p[1], ring->next_available, __ATOMIC_RELEASE);
}

uint16_t driver_add(struct driver *driver, unsigned queue, const struct piece *pieces, unsigned n)
{
    struct ring *const ring = &driver->rings[queue];
    const uint16_t head = ring->next_descriptor;

    NEED(n > 0 && n <= ring->size);
    for (unsigned i = 0; i < n; i++) {
        const uint16_t index = ring->next_descriptor;
        ring->next_descriptor = (uint16_t)((index + 1) % ring->size);
        ring_descriptor(driver, queue, index, pieces[i].address, pieces[i].size,
                        (uint16_t)((i + 1 < n ? 1 : 0) | (pieces[i].write ? 2 : 0)),
                        i + 1 < n ? ring->next_descriptor : 0);
    }
    ring_available(driver, queue, head);
    return head;
}

uint16_t driver_add_indirect(struct driver *driver, unsigned queue, const struct piece *pieces,
                             unsigned n)
{
    struct ring *const ring = &driver->rings[queue];
    const uint16_t head = ring->next_descriptor;
    const uint64_t table = rig_alloc(driver->rig, 16u * n);

    for (unsigned i = 0; i < n; i++) {
        uint8_t *const d = rig_at(driver->rig, table + 16u * i);
        const uint16_t flags = (uint16_t)((i + 1 < n ? 1 : 0) | (pieces[i].write ? 2 : 0)),
                       next = (uint16_t)(i + 1);
        memcpy(d, &pieces[i].address, 8);
        memcpy(d + 8, &pieces[i].size, 4);
        memcpy(d + 12, &flags, 2);
        memcpy(d + 14, &next, 2);
    }
    ring->next_descriptor = (uint16_t)((head + 1) % ring->size);
    ring_descriptor(driver, queue, head, table, 16u * n, 4, 0);
    ring_available(driver, queue, head);
    return head;
}

void driver_notify(struct driver *driver, unsigned queue)
{
    rig_write(driver->rig, driver->slot, 0x50, queue);
}

bool driver_has_used(struct driver *driver, unsigned queue)
{
    struct ring *const ring = &driver->rings[queue];
    const uint16_t *const p = rig_at(driver->rig, ring->used);

    return __atomic_load_n(&p[1], __ATOMIC_ACQUIRE) != ring->next_used;
}

struct waiting {
    struct driver *driver;
    unsigned queue;
};

static bool used_or_broken(void *opaque)
{
    const struct waiting *const w = opaque;

    return driver_has_used(w->driver, w->queue) ||
           (rig_read(w->driver->rig, w->driver->slot, REG_STATUS) & NEEDS_RESET) != 0;
}

bool driver_next_used(struct driver *driver, unsigned queue, uint32_t *head, uint32_t *written)
{
    struct ring *const ring = &driver->rings[queue];
    uint32_t element[2];

    if (!wait_until(used_or_broken, &(struct waiting){driver, queue}) ||
        !driver_has_used(driver, queue)) {
        return false;
    }
    /* Waits for the device's lock: the interrupt that belongs to the chain has been considered then. */
    rig_read(driver->rig, driver->slot, REG_STATUS);
    memcpy(element, rig_at(driver->rig, ring->used + 4 + 8u * (ring->next_used % ring->size)),
           sizeof(element));
    ring->next_used++;
    *head = element[0];
    *written = element[1];
    return true;
}

uint32_t driver_request(struct driver *driver, unsigned queue, const struct piece *pieces,
                        unsigned n)
{
    uint32_t head = 0, written = 0;
    const uint16_t added = driver_add(driver, queue, pieces, n);

    driver_notify(driver, queue);
    return driver_next_used(driver, queue, &head, &written) && head == added ? written : UINT32_MAX;
}

static bool broken(void *opaque)
{
    struct driver *const driver = opaque;

    return (rig_read(driver->rig, driver->slot, REG_STATUS) & NEEDS_RESET) != 0;
}

bool driver_is_broken(struct driver *driver)
{
    return wait_until(broken, driver);
}
