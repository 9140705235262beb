/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A hostile driver against all devices of a board at once: random registers, rings, chains and requests, half of them nearly right.
 *
 *   board-fuzz [SEED [ROUNDS]]
 *
 * Nothing is expected but that the board survives, that nothing is written outside RAM, the image and the folder, and that a driver that
 * keeps to the rules finds all devices in order afterwards; the sanitizers see the rest.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "disk.h"
#include "net_user.h"
#include "p9.h"
#include "rig.h"
#include "virtio_devices.h"

#define NEXT     1
#define WRITE    2
#define INDIRECT 4

#define DATA      (RIG_RAM + (4u << 20)) /* where buffers of a nearly right driver are */
#define DATA_SIZE (1u << 20)
#define TABLES    (RIG_RAM + (6u << 20))

/* In the order of their places. */
enum { BLK, SNAPSHOT, NET, CONSOLE, P9, RNG, N_DEVICES };

static const unsigned n_queues[N_DEVICES] = {1, 1, 2, 2, 1, 1};

static struct rig rig;
static struct driver drivers[N_DEVICES];
static struct console *console;
static char directory[] = "/tmp/applevisor-fuzz-XXXXXX", image[64], base[64], folder[64];
static uint64_t state;
static unsigned n_served[N_DEVICES]; /* chains that came back */

/* --- Random things ------------------------------------------------------------------------------------------------------------ */

static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % below;
}

static uint64_t any_address(void)
{
    static const uint64_t places[] = {0, RIG_RAM - 8, RIG_RAM + RIG_RAM_SIZE - 64, 0x0a000000,
                                      UINT64_MAX - 64};

    return any(12) != 0 ? DATA + any(DATA_SIZE) : places[any(5)] + any(80);
}

static uint32_t any_size(void)
{
    static const uint32_t sizes[] = {0,    1,    11,    12,         16,        512,
                                     1526, 4096, 65536, 0x7fffffff, 0xffffffff};

    return any(3) != 0 ? any(2000) : sizes[any(11)];
}

static void any_bytes(uint64_t address, unsigned size)
{
    uint8_t *const p = rig_at(&rig, address);

    for (unsigned i = 0; i < size; i++) {
        p[i] = (uint8_t)(any(3) != 0 ? 0 : any(256));
    }
}

/* The start of what the device reads: a request as the device knows them, with fields of small numbers. */
static void any_request(unsigned device, uint64_t address)
{
    static const uint8_t blk_types[] = {0, 1, 4, 8, 11, 13, 2, 99};
    static const uint8_t p9_types[] = {8,  12, 14, 16, 18, 20,  22,  24,  26,  40,  50,  52,
                                       54, 70, 72, 74, 76, 100, 104, 110, 110, 116, 118, 120};
    uint8_t *const p = rig_at(&rig, address);

    any_bytes(address, 64);
    if (device == BLK || device == SNAPSHOT) {
        const uint64_t sector = any(5) != 0 ? any(2048) : (uint64_t)any(UINT32_MAX) << any(32);
        memset(p, 0, 8);
        p[0] = blk_types[any(8)];
        memcpy(p + 8, &sector, 8);
    } else if (device == P9) {
        const uint32_t size = any(4) != 0 ? 7 + any(60) : any(UINT32_MAX);
        memcpy(p, &size, 4);
        p[4] = p9_types[any(sizeof(p9_types))];
        p[7] = (uint8_t)any(4);
    } else if (device == NET) {
        memset(p, 0, 12);
        memset(p + 12, 0xff, 6);
        p[24] = 8;
        p[25] = (uint8_t)(any(2) * 6);
    }
}

/* --- A driver ----------------------------------------------------------------------------------------------------------------- */

static void start(unsigned device, uint16_t size)
{
    for (unsigned i = 0; i < drivers[device].n_queues; i++) {
        uint16_t *const index = (uint16_t *)rig_at(&rig, drivers[device].rings[i].used) + 1;
        n_served[device] += __atomic_load_n(index, __ATOMIC_ACQUIRE);
    }
    NEED(driver_start(&drivers[device], &rig, device,
                      driver_offered(&rig, device) & (any(2) ? UINT64_MAX : ~(1ull << 29)),
                      n_queues[device], size));
}

/* One in so many things that the driver does with the ring of a device is wrong; 0: none, only its requests are odd. */
static unsigned wildness[N_DEVICES];

static bool wild(unsigned device)
{
    return wildness[device] != 0 && any(wildness[device]) == 0;
}

static void descriptor(unsigned device, unsigned queue, unsigned index, bool write, bool last)
{
    const struct ring *const ring = &drivers[device].rings[queue];
    const uint16_t flags = (uint16_t)((write ? WRITE : 0) | (last ? 0 : NEXT));

    ring_descriptor(&drivers[device], queue, index,
                    wild(device) ? any_address() : DATA + any(DATA_SIZE - 4096),
                    wild(device) ? any_size() : any(2000), wild(device) ? (uint16_t)any(8) : flags,
                    (uint16_t)(wild(device) ? any(65536) : (index + 1) % ring->size));
}

/* A chain of up to eight pieces, the first of which begins a request, the rest of which can be written. */
static void chain(unsigned device, unsigned queue)
{
    struct driver *const driver = &drivers[device];
    struct ring *const ring = &driver->rings[queue];
    const unsigned most = ring->size < 8 ? ring->size : 8, n = 1 + any(most),
                   head = ring->next_descriptor, n_readable = any(n + 1);
    const uint64_t request = DATA + any(1024) * 64;

    ring->next_descriptor = (uint16_t)((head + n) % ring->size);
    for (unsigned i = 0; i < n; i++) {
        descriptor(device, queue, (head + i) % ring->size, i >= n_readable, i + 1 == n);
    }
    if (n_readable != 0 && !wild(device)) {
        any_request(device, request);
        ring_descriptor(driver, queue, head, request, 16 + any(100), n > 1 ? NEXT : 0,
                        (uint16_t)((head + 1) % ring->size));
    }
    if (any(4) == 0 && head + n <= ring->size) { /* all that in a table */
        memcpy(rig_at(&rig, TABLES), rig_at(&rig, ring->descriptors + 16 * head), 16u * n);
        for (unsigned i = 0; i < n; i++) {
            const uint16_t next = (uint16_t)(i + 1);
            memcpy(rig_at(&rig, TABLES + 16 * i + 14), &next, 2);
        }
        ring_descriptor(driver, queue, head, TABLES, wild(device) ? any_size() : 16 * n, INDIRECT,
                        0);
    }
    ring_available(driver, queue, (uint16_t)(wild(device) ? any(65536) : head));
    if (wild(device)) {
        ring->next_available = (uint16_t)(ring->next_available + any(1000));
    }
}

static void registers(unsigned device)
{
    static const unsigned places[] = {0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50,
                                      0x64, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4};

    rig_write(&rig, device, places[any(14)], any(3) == 0 ? (uint32_t)any_address() : any(300));
    rig_write_config(&rig, device, any(32) * 8, 8, state);
    rig_read_config(&rig, device, any(32) * 8, 8);
    if (any(10) == 0) {
        rig_write(&rig, device, REG_STATUS, any(256));
    }
}

/* Gives the device a moment, mostly. */
static void let_it_work(unsigned device, unsigned queue)
{
    for (unsigned i = any(60); i > 0 && !driver_has_used(&drivers[device], queue); i--) {
        sched_yield();
    }
    drivers[device].rings[queue].next_used = ((uint16_t *)rig_at(
        &rig, drivers[device].rings[queue].used))[1];
}

static void play(unsigned rounds)
{
    static const unsigned choices[] = {0, 0, 200, 40};

    for (unsigned round = 0; round < rounds; round++) {
        const unsigned device = any(N_DEVICES), queue = any(n_queues[device]);
        if (drivers[device].rig == NULL || rig_read(&rig, device, REG_STATUS) != 0xf ||
            any(100) == 0) {
            rig.next = RIG_RAM + 4096 + device * 65536;
            start(device, (uint16_t)(1u << any(9)));
            wildness[device] = choices[any(4)];
        }
        for (unsigned i = 1 + any(3); i > 0; i--) {
            chain(device, queue);
        }
        driver_notify(&drivers[device], queue);
        if (any(100) == 0) {
            registers(device);
        }
        let_it_work(device, queue);
    }
}

/* --- The board ---------------------------------------------------------------------------------------------------------------- */

static void event(void *opaque, enum console_event what)
{
    (void)opaque;
    (void)what;
}

static void make_file(char path[64], const char *name, uint8_t byte)
{
    uint8_t bytes[4096];

    snprintf(path, 64, "%s/%s", directory, name);
    const int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    NEED(fd >= 0);
    memset(bytes, byte, sizeof(bytes));
    for (unsigned i = 0; i < 256; i++) {
        NEED(write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
    }
    close(fd);
}

static void open_all(void)
{
    struct net_user_config net;
    const int null_out = open("/dev/null", O_WRONLY);

    NEED(mkdtemp(directory) != NULL);
    make_file(image, "image", 0x11);
    make_file(base, "base", 0x22);
    snprintf(folder, sizeof(folder), "%s/folder", directory);
    NEED(mkdir(folder, 0755) == 0 && null_out >= 0);
    NEED(net_user_parse(&net, "restrict=on"));
    rig_open(&rig);
    console = console_create(
        rig.board, &(struct console_config){.in_fd = -1, .out_fd = null_out, .event = event});
    NEED(console != NULL);
    NEED(virtio_blk_add(rig.board, &(struct disk_config){.path = image}));
    NEED(virtio_blk_add(rig.board, &(struct disk_config){.path = base, .snapshot = true}));
    NEED(virtio_net_add_user(rig.board, &net));
    NEED(virtio_console_add(rig.board, console, 80, 25) != NULL);
    NEED(virtio_9p_add(rig.board, &(struct p9_config){.path = folder, .tag = "share"}));
    NEED(virtio_rng_add(rig.board));
    rig_start(&rig);
}

static void expect_in_order(void)
{
    for (unsigned device = 0; device < N_DEVICES; device++) {
        rig.next = RIG_RAM + 4096 + device * 65536;
        start(device, 16);
        EXPECT_EQ(rig_read(&rig, device, REG_STATUS), 0xf);
    }
    const uint32_t header[4] = {0, 0, 2047, 0};
    const uint64_t place = rig_put(&rig, header, 16), data = rig_alloc(&rig, 1024);
    const struct piece pieces[] = {{place, 16, false}, {data, 513, true}};
    EXPECT_EQ(driver_request(&drivers[SNAPSHOT], 0, pieces, 2), 513);
    EXPECT_EQ(*(uint8_t *)rig_at(&rig, data + 512), 0);
    EXPECT_EQ(driver_request(&drivers[RNG], 0, &pieces[1], 1), 513);
}

static void expect_untouched(void)
{
    uint8_t bytes[4096];
    unsigned n = 0, wrong = 0;
    const int fd = open(base, O_RDONLY);
    DIR *const entries = opendir(directory);

    while (read(fd, bytes, sizeof(bytes)) == sizeof(bytes)) {
        for (unsigned i = 0; i < sizeof(bytes); i++) {
            wrong += bytes[i] != 0x22;
        }
        n++;
    }
    EXPECT_EQ(n, 256);
    EXPECT_EQ(wrong, 0);
    close(fd);
    n = 0;
    while (entries != NULL && readdir(entries) != NULL) {
        n++;
    }
    EXPECT_EQ(n, 5); /* ., .., image, base, folder */
    closedir(entries);
}

int main(int argc, char **argv)
{
#ifdef __SANITIZE_THREAD__
    /* A guest that changes its rings under the device's eyes is a data race by design. */
    printf("1..1\nok 1 - random_drivers # SKIP\n");
    return 0;
#endif
    char command[128];
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    const unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 20000;

    printf("1..1\n# seed %llu, %u rounds\n", (unsigned long long)seed, rounds);
    fflush(stdout);
    state = seed * 0x9e3779b97f4a7c15ull | 1;
    open_all();
    play(rounds);
    expect_in_order();
    board_stop_loop(rig.board);
    console_destroy(console);
    rig_close(&rig);
    expect_untouched();
    /* or it has not tried anything */
    for (unsigned device = 0; device < N_DEVICES; device++) {
        printf("# device %u: %u chains served\n", device, n_served[device]);
        EXPECT(n_served[device] >= rounds / 100);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    NEED(system(command) == 0);
    printf("%s 1 - random_drivers\n", failures == 0 ? "ok" : "not ok");
    return failures != 0;
}
