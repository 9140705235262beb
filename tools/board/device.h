/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a device of the board is, and what the board gives it: an interrupt line, guest memory, the loop, a device tree node.
 *
 * A device is a struct that has struct board_device as its first member. Its creator fills the fields marked "creator" and calls
 * board_add_device(), which takes it. The board calls reset once before the guest starts and again at each reset of the guest, and
 * destroy once at the end.
 *
 * Threads: read and write run on vCPU threads, several at once; back ends run on the loop's thread. A device therefore has its own
 * lock. No callback may block for long: a vCPU that waits in one does not answer interrupts. Creation, reset and destroy happen
 * while neither vCPUs nor the loop run, so there is one thread then. The loop is stopped and started again for a reset of the guest:
 * watches and timers stay, and what they bring from before the reset must not disturb.
 *
 * None of this uses a hypervisor: tests make a board without one (struct board_config.irq_sink).
 */
#ifndef BOARD_DEVICE_H
#define BOARD_DEVICE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;
struct board_device;
struct board_fdt;
struct board_loop;

/* --- Devices ------------------------------------------------------------------------------------------------------------------ */

/* A line into the interrupt controller. Of a device, or of its own. */
struct board_irq {
    struct board *board;
    uint32_t intid; /* 32 + n for SPI n; 0: the device has no line */
};

/* Sets the line's level. An edge-triggered line takes an interrupt when the level rises, so set it back to false afterwards.
 * Threads: any; a lock of the device may be held. */
void board_irq_set(const struct board_irq *irq, bool level);

struct board_device_ops {
    /* size is 1, 2, 4 or 8; offset is a multiple of it, and offset + size is within the device. What a device does not have reads as
     * zero and ignores writes: the guest must not be able to stop the board with a wrong access. */
    uint64_t (*read)(struct board_device *device, uint64_t offset, unsigned size);
    void (*write)(struct board_device *device, uint64_t offset, unsigned size, uint64_t value);
    /* As after power on; the line is low afterwards. */
    void (*reset)(struct board_device *device);
    /* Properties of the device's node, which is open; the board has written reg, and interrupts where there is a line. */
    void (*fdt)(struct board_device *device, struct board_fdt *fdt);
    /* Frees the device. */
    void (*destroy)(struct board_device *device);
};

struct board_device {
    const struct board_device_ops *ops; /* creator */
    const char *name;     /* creator: the node is NAME@BASE; lives as long as the device */
    uint64_t base, size;  /* creator */
    uint32_t intid;       /* creator: 32 + n for SPI n, or 0 */
    bool irq_is_edge;     /* creator: else active high level */
    struct board_irq irq; /* board */
};

/* Adds a device, before the board runs; takes it. False: it overlaps RAM or another device, or the board is full; it is still the
 * caller's then. */
bool board_add_device(struct board *board, struct board_device *device);

/* The next free place for a virtio-mmio device: BOARD_VIRTIO_SIZE bytes at *base, its own interrupt. False: all are taken. */
#define BOARD_VIRTIO_SIZE 0x200u
bool board_next_virtio(struct board *board, uint64_t *base, uint32_t *intid);

/* --- Guest memory ------------------------------------------------------------------------------------------------------------- */

/* Host address of size bytes of RAM from ipa; NULL when they are not all inside RAM. Guest and host change it at the same time, so
 * read a value once and check that copy. Valid as long as the board. Threads: any. */
void *board_ram(const struct board *board, uint64_t ipa, uint64_t size);

/* --- The loop ----------------------------------------------------------------------------------------------------------------- */

/*
 * One thread waits with poll() and calls back ends. add and remove: on the loop's thread, or while it does not run. set: any thread.
 * Callbacks run on the loop's thread without a lock of the loop. Removing inside one's own callback is allowed. NULL from add: out of
 * memory.
 */
struct board_loop *board_loop(struct board *board);

struct board_watch;
/* events, revents: POLLIN, POLLOUT; revents also POLLHUP, POLLERR. The file descriptor remains the caller's. */
typedef void board_watch_fn(void *opaque, int fd, short revents);
struct board_watch *board_loop_add_fd(struct board_loop *loop, int fd, short events,
                                      board_watch_fn *fn, void *opaque);
/* 0: not watched at all for now, not even for POLLHUP. */
void board_watch_set(struct board_watch *watch, short events);
void board_loop_remove_fd(struct board_watch *watch);

struct board_timer;
/* A timer that is not set. */
struct board_timer *board_loop_add_timer(struct board_loop *loop, void (*fn)(void *opaque),
                                         void *opaque);
/* Calls fn once at or after deadline_ns of board_now_ns(). Setting again moves it; BOARD_NEVER stops it (a call that has begun
 * continues). */
#define BOARD_NEVER INT64_MAX
void board_timer_set(struct board_timer *timer, int64_t deadline_ns);
void board_loop_remove_timer(struct board_timer *timer);
int64_t board_now_ns(void); /* CLOCK_MONOTONIC */

struct board_wakeup;
/* Something that any thread can ask for: after board_wakeup_set() fn runs at least once, several settings may share a run. */
struct board_wakeup *board_loop_add_wakeup(struct board_loop *loop, void (*fn)(void *opaque),
                                           void *opaque);
void board_wakeup_set(struct board_wakeup *wakeup);
void board_loop_remove_wakeup(struct board_wakeup *wakeup);

/*
 * For a back end with a poll loop of its own idea, such as libslirp: fill adds the file descriptors of one round and lowers
 * *timeout_ms (-1: no limit) at will; done looks at the results by the index that board_loop_poll_fd() gave.
 */
struct board_poller;
typedef void board_poller_fill(void *opaque, struct board_loop *loop, int *timeout_ms);
typedef void board_poller_done(void *opaque, struct board_loop *loop);
struct board_poller *board_loop_add_poller(struct board_loop *loop, board_poller_fill *fill,
                                           board_poller_done *done, void *opaque);
void board_loop_remove_poller(struct board_poller *poller);
int board_loop_poll_fd(struct board_loop *loop, int fd,
                       short events); /* inside fill only; -1: out of memory */
short board_loop_poll_result(const struct board_loop *loop,
                             int index); /* inside done only; 0 for index -1 */

/* --- Device tree -------------------------------------------------------------------------------------------------------------- */

/* The tree as it is written, from front to back. The first error stays, and the calls after it do nothing. */
void board_fdt_begin(struct board_fdt *fdt, const char *node);
void board_fdt_end(struct board_fdt *fdt);
void board_fdt_empty(struct board_fdt *fdt, const char *name);
void board_fdt_bytes(struct board_fdt *fdt, const char *name, const void *bytes, size_t size);
void board_fdt_u32s(struct board_fdt *fdt, const char *name, const uint32_t *values, size_t n);
/* One string, or a list with "\0" between its strings when given as a literal. */
#define BOARD_FDT_STRINGS(fdt, name, literal) \
    board_fdt_bytes((fdt), (name), ("" literal), sizeof(literal))
#define BOARD_FDT_U32S(fdt, name, ...)                             \
    board_fdt_u32s((fdt), (name), (const uint32_t[]){__VA_ARGS__}, \
                   sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* phandles that a device may refer to. */
enum { BOARD_PHANDLE_GIC = 1, BOARD_PHANDLE_CLOCK = 2 };

/* --- Messages and ends -------------------------------------------------------------------------------------------------------- */

/* "applevisor: ..." on standard error, in a form that fits a raw terminal too. Threads: any. For the user's attention: never at a
 * guest's every request. */
void board_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- A board without a hypervisor --------------------------------------------------------------------------------------------- */

struct board_config {
    uint64_t ram_base, ram_size;
    void *ram; /* the caller's, for as long as the board */
    void (*irq_sink)(void *opaque, uint32_t intid, bool level);
    void *irq_opaque;
};

/* NULL: out of memory or file descriptors. */
struct board *board_create(const struct board_config *config);
/* Destroys the devices, then the loop. It must not be running. */
void board_destroy(struct board *board);
/* The loop's thread. False: complained. */
bool board_start_loop(struct board *board);
void board_stop_loop(struct board *board);
/* A guest's access. False: no device is there, or the access crosses a device's end. Threads: any. */
bool board_access(struct board *board, uint64_t ipa, unsigned size, bool is_write, uint64_t *value);
void board_reset_devices(struct board *board);
/* The nodes of all devices, into the open node. */
void board_fdt_devices(struct board *board, struct board_fdt *fdt);

#endif
