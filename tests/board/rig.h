/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A board without a hypervisor, and a virtio driver for it: what a guest does, done by the test through the same registers and
 * rings. RAM is one allocation of its exact size, so that a sanitizer sees what leaves it.
 */
#ifndef TESTS_BOARD_RIG_H
#define TESTS_BOARD_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../expect.h"
#include "device.h"

/* --- TAP ---------------------------------------------------------------------------------------------------------------------- */

extern int failures;

/* What the test itself needs. */
#define NEED(condition)                                                      \
    do {                                                                     \
        if (!(condition)) {                                                  \
            printf("Bail out! %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            fflush(stdout);                                                  \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

#define TEST(name) static void name(void)

struct test {
    const char *name;
    void (*run)(void);
};
// clang-format off
#define T(name) {#name, name}
// clang-format on

/* Runs those whose name is given on the command line, or all. */
int run_tests(const struct test *tests, int n, int argc, char **argv);
#define MAIN(...)                                                                     \
    int main(int argc, char **argv)                                                   \
    {                                                                                 \
        static const struct test tests[] = {__VA_ARGS__};                             \
        return run_tests(tests, (int)(sizeof(tests) / sizeof(tests[0])), argc, argv); \
    }

/* --- The board ---------------------------------------------------------------------------------------------------------------- */

#define RIG_RAM      0x40000000ull
#define RIG_RAM_SIZE (8u << 20)
#define RIG_SLOTS    8u

struct rig {
    struct board *board;
    uint8_t *ram;
    uint64_t next; /* free RAM */
    atomic_uint n_rises;
    atomic_bool level[RIG_SLOTS];
};

/* open; add devices; start; ...; close. */
void rig_open(struct rig *rig);
void rig_start(struct rig *rig); /* resets the devices and starts the loop */
void rig_close(struct rig *rig);

uint32_t rig_read(struct rig *rig, unsigned slot, unsigned offset);
void rig_write(struct rig *rig, unsigned slot, unsigned offset, uint32_t value);
uint64_t rig_read_config(struct rig *rig, unsigned slot, unsigned offset, unsigned size);
void rig_write_config(struct rig *rig, unsigned slot, unsigned offset, unsigned size,
                      uint64_t value);

/* Guest address of fresh, zero RAM, 16-byte aligned; where it is for us. */
uint64_t rig_alloc(struct rig *rig, size_t size);
void *rig_at(struct rig *rig, uint64_t address);
uint64_t rig_put(struct rig *rig, const void *bytes, size_t size);

/* --- A driver ----------------------------------------------------------------------------------------------------------------- */

#define REG_STATUS  0x70u
#define NEEDS_RESET 0x40u

struct ring {
    uint16_t size, next_descriptor, next_available, next_used;
    uint64_t descriptors, available, used; /* guest addresses */
};

struct driver {
    struct rig *rig;
    unsigned slot, n_queues;
    uint64_t features;
    struct ring rings[4];
};

struct piece {
    uint64_t address;
    uint32_t size;
    bool write;
};

/* Reset, negotiation of `features` (VERSION_1 is added), queues of `size`, DRIVER_OK. False: FEATURES_OK did not stay. */
bool driver_start(struct driver *driver, struct rig *rig, unsigned slot, uint64_t features,
                  unsigned n_queues, uint16_t size);
uint64_t driver_offered(struct rig *rig, unsigned slot);

/* Lays out a chain, without (direct) or with a table of its own, and makes it available. The head. */
uint16_t driver_add(struct driver *driver, unsigned queue, const struct piece *pieces, unsigned n);
uint16_t driver_add_indirect(struct driver *driver, unsigned queue, const struct piece *pieces,
                             unsigned n);
void driver_notify(struct driver *driver, unsigned queue);
/* Waits for the next used chain, at most 20 s. False: none came, or the device wants a reset. */
bool driver_next_used(struct driver *driver, unsigned queue, uint32_t *head, uint32_t *written);
bool driver_has_used(struct driver *driver, unsigned queue);
/* add, notify, wait; the number of bytes written, UINT32_MAX when it did not come back. */
uint32_t driver_request(struct driver *driver, unsigned queue, const struct piece *pieces,
                        unsigned n);

/* Raw access for those who break the rules. */
void ring_descriptor(struct driver *driver, unsigned queue, unsigned index, uint64_t address,
                     uint32_t size, uint16_t flags, uint16_t next);
void ring_available(struct driver *driver, unsigned queue, uint16_t head);

bool wait_until(bool (*condition)(void *opaque), void *opaque);
/* Waits for DEVICE_NEEDS_RESET. */
bool driver_is_broken(struct driver *driver);

#endif
