/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* PrimeCell Real Time Clock (PL031), Arm DDI0224C. Setting the time moves an offset to the host's; it survives a reset. */
#include "pl031.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "primecell.h"

enum {
    DR = 0x00,
    MR = 0x04,
    LR = 0x08,
    CR = 0x0c,
    IMSC = 0x10,
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c,
    PERIPH_ID = 0xfe0
};

struct pl031 {
    struct board_device device;
    struct board_timer *alarm;
    pthread_mutex_t lock; /* guards all below */
    uint32_t offset;      /* seconds that the guest is ahead of the host */
    uint32_t match, load, imsc, ris;
};

static void update_irq(struct pl031 *rtc)
{
    board_irq_set(&rtc->device.irq, (rtc->ris & rtc->imsc) != 0);
}

static uint32_t seconds(const struct pl031 *rtc, int64_t *to_next_ns)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (to_next_ns != NULL) {
        *to_next_ns = 1000000000 - now.tv_nsec;
    }
    return (uint32_t)now.tv_sec + rtc->offset;
}

/* The match is with equality, so one that is in the past comes after 2^32 seconds. */
static void set_alarm(struct pl031 *rtc)
{
    int64_t to_next_ns;
    const uint32_t distance = rtc->match - seconds(rtc, &to_next_ns);

    board_timer_set(rtc->alarm, distance == 0 ? board_now_ns()
                                              : board_now_ns() + to_next_ns +
                                                    (int64_t)(distance - 1) * 1000000000);
}

static void alarm_time(void *opaque)
{
    struct pl031 *const rtc = opaque;

    pthread_mutex_lock(&rtc->lock);
    const uint32_t past = seconds(rtc, NULL) - rtc->match;
    /* The host's clock can have been set meanwhile. */
    if (past < 0x80000000u) {
        rtc->ris = 1;
        update_irq(rtc);
    } else {
        set_alarm(rtc);
    }
    pthread_mutex_unlock(&rtc->lock);
}

static uint64_t read_pl031(struct board_device *device, uint64_t offset, unsigned size)
{
    struct pl031 *const rtc = (struct pl031 *)device;
    uint32_t value = 0;

    (void)size;
    pthread_mutex_lock(&rtc->lock);
    switch (offset) {
    case DR:
        value = seconds(rtc, NULL);
        break;
    case MR:
        value = rtc->match;
        break;
    case LR:
        value = rtc->load;
        break;
    case CR: /* started, and cannot be stopped */
        value = 1;
        break;
    case IMSC:
        value = rtc->imsc;
        break;
    case RIS:
        value = rtc->ris;
        break;
    case MIS:
        value = rtc->ris & rtc->imsc;
        break;
    default:
        value = offset >= PERIPH_ID && offset % 4 == 0 ? primecell_id(offset, 0x031, 1) : 0;
        break;
    }
    pthread_mutex_unlock(&rtc->lock);
    return value;
}

static void write_pl031(struct board_device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pl031 *const rtc = (struct pl031 *)device;

    (void)size;
    pthread_mutex_lock(&rtc->lock);
    switch (offset) {
    case MR:
        rtc->match = (uint32_t)value;
        set_alarm(rtc);
        break;
    case LR:
        rtc->load = (uint32_t)value;
        rtc->offset += rtc->load - seconds(rtc, NULL);
        set_alarm(rtc);
        break;
    case IMSC:
        rtc->imsc = value & 1;
        break;
    case ICR:
        rtc->ris &= ~(uint32_t)value;
        break;
    default:
        break;
    }
    update_irq(rtc);
    pthread_mutex_unlock(&rtc->lock);
}

static void reset(struct board_device *device)
{
    struct pl031 *const rtc = (struct pl031 *)device;

    pthread_mutex_lock(&rtc->lock);
    rtc->match = rtc->load = rtc->imsc = rtc->ris = 0;
    board_timer_set(rtc->alarm, BOARD_NEVER);
    update_irq(rtc);
    pthread_mutex_unlock(&rtc->lock);
}

static void fdt(struct board_device *device, struct board_fdt *tree)
{
    (void)device;
    BOARD_FDT_STRINGS(tree, "compatible", "arm,pl031\0arm,primecell");
    BOARD_FDT_STRINGS(tree, "clock-names", "apb_pclk");
    BOARD_FDT_U32S(tree, "clocks", BOARD_PHANDLE_CLOCK);
}

static void destroy(struct board_device *device)
{
    struct pl031 *const rtc = (struct pl031 *)device;

    board_loop_remove_timer(rtc->alarm);
    pthread_mutex_destroy(&rtc->lock);
    free(rtc);
}

struct board_device *pl031_create(struct board *board, uint64_t base, uint32_t intid)
{
    static const struct board_device_ops ops = {
        .read = read_pl031, .write = write_pl031, .reset = reset, .fdt = fdt, .destroy = destroy};
    struct pl031 *const rtc = calloc(1, sizeof(*rtc));

    if (rtc == NULL) {
        return NULL;
    }
    rtc->alarm = board_loop_add_timer(board_loop(board), alarm_time, rtc);
    if (rtc->alarm == NULL) {
        free(rtc);
        return NULL;
    }
    pthread_mutex_init(&rtc->lock, NULL);
    rtc->device = (struct board_device){
        .ops = &ops, .name = "rtc", .base = base, .size = 0x1000, .intid = intid};
    return &rtc->device;
}
