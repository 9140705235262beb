/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Serving queues, on the board's loop or on a thread of the device, and the device's place on the board. */
#include "virtio.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "virtio_internal.h"

/* Chains in a row from one device, before the loop's other devices or the thread's stop flag get a look. */
#define BUDGET VIRTQ_MAX_SIZE

/* --- The serving thread ------------------------------------------------------------------------------------------------------- */

void virtio_wake(struct virtio_device *d, uint32_t queues)
{
    d->noticed |= queues;
    if (d->ops->own_thread) {
        pthread_cond_broadcast(&d->changed);
    } else {
        board_wakeup_set(d->wakeup);
    }
}

/* Takes the lock. */
static uint32_t take_noticed(struct virtio_device *d, bool wait)
{
    pthread_mutex_lock(&d->lock);
    while (wait && !d->stop && d->noticed == 0) {
        pthread_cond_wait(&d->changed, &d->lock);
    }
    const uint32_t noticed = d->stop ? 0 : d->noticed;
    d->noticed = 0;
    pthread_mutex_unlock(&d->lock);
    return noticed;
}

static void serve(struct virtio_device *d, uint32_t queues)
{
    for (unsigned i = 0; i < d->ops->n_queues; i++) {
        if ((queues >> i & 1) != 0) {
            d->budget = BUDGET;
            d->ops->serve(d, i);
        }
    }
}

static void serve_on_loop(void *opaque)
{
    struct virtio_device *const d = opaque;

    serve(d, take_noticed(d, false));
}

static void *serve_on_thread(void *opaque)
{
    struct virtio_device *const d = opaque;
    uint32_t queues;

    while ((queues = take_noticed(d, true)) != 0) {
        serve(d, queues);
    }
    return NULL;
}

/* Signals are the main thread's. SIGXFSZ too: a write beyond the file size limit is then the error EFBIG, and a guest's disk that
 * is too large does not end the process. */
static bool start_thread(struct virtio_device *d)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    d->thread_runs = pthread_create(&d->thread, NULL, serve_on_thread, d) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return d->thread_runs;
}

void virtio_quiesce(struct virtio_device *d)
{
    d->n_waiting++;
    while (d->n_out != 0) {
        pthread_cond_wait(&d->changed, &d->lock);
    }
    /* A queue that remains ready must not lose the notice that pop() passed over meanwhile. */
    if (--d->n_waiting == 0 && virtio_running(d)) {
        virtio_wake(d, UINT32_MAX);
    }
}

/* --- Chains ------------------------------------------------------------------------------------------------------------------- */

/* Caller holds the lock. */
static bool pop(struct virtio_device *d, unsigned queue, struct virtq_chain *chain)
{
    struct virtq *const q = &d->queues[queue];
    const char *why = NULL;

    if (!virtio_running(d) || !q->ready || d->n_waiting != 0 || d->stop) {
        return false;
    }
    if (d->budget == 0) {
        virtio_wake(d, 1u << queue);
        return false;
    }
    virtq_ask_for_notices(q, false);
    enum virtq_result result;
    do {
        result = virtq_pop(q, d->board, chain, &why);
    } while (result == VIRTQ_EMPTY && virtq_ask_for_notices(q, true));
    if (result == VIRTQ_BROKEN) {
        virtio_fail(d, why);
    }
    if (result == VIRTQ_CHAIN) {
        chain->queue = queue;
        d->budget--;
        d->n_out++;
    }
    return result == VIRTQ_CHAIN;
}

bool virtio_pop(struct virtio_device *d, unsigned queue, struct virtq_chain *chain)
{
    pthread_mutex_lock(&d->lock);
    const bool popped = pop(d, queue, chain);
    pthread_mutex_unlock(&d->lock);
    return popped;
}

/* Caller holds the lock. */
static void come_back(struct virtio_device *d)
{
    assert(d->n_out != 0);
    if (--d->n_out == 0 && d->n_waiting != 0) {
        pthread_cond_broadcast(&d->changed);
    }
}

void virtio_push(struct virtio_device *d, const struct virtq_chain *chain, uint32_t written)
{
    struct virtq *const q = &d->queues[chain->queue];

    pthread_mutex_lock(&d->lock);
    virtq_push(q, chain->head, written);
    if (virtq_wants_interrupt(q)) {
        virtio_interrupt(d, VIRTIO_INT_USED);
    }
    come_back(d);
    pthread_mutex_unlock(&d->lock);
}

void virtio_put_back(struct virtio_device *d, const struct virtq_chain *chain)
{
    pthread_mutex_lock(&d->lock);
    d->queues[chain->queue].next_available--;
    come_back(d);
    pthread_mutex_unlock(&d->lock);
}

void virtio_refuse(struct virtio_device *d, const struct virtq_chain *chain, const char *why)
{
    (void)chain;
    pthread_mutex_lock(&d->lock);
    virtio_fail(d, why);
    come_back(d);
    pthread_mutex_unlock(&d->lock);
}

void virtio_serve_later(struct virtio_device *d, unsigned queue)
{
    pthread_mutex_lock(&d->lock);
    virtio_wake(d, 1u << queue);
    pthread_mutex_unlock(&d->lock);
}

bool virtio_has(struct virtio_device *d, uint64_t features)
{
    pthread_mutex_lock(&d->lock);
    const bool has = (d->features & features) == features;
    pthread_mutex_unlock(&d->lock);
    return has;
}

void virtio_set_config(struct virtio_device *d, uint32_t offset, const void *bytes, uint32_t size)
{
    pthread_mutex_lock(&d->lock);
    assert(size <= d->config_size && offset <= d->config_size - size);
    memcpy(d->config + offset, bytes, size);
    d->generation++;
    if (virtio_running(d)) {
        virtio_interrupt(d, VIRTIO_INT_CONFIG);
    }
    pthread_mutex_unlock(&d->lock);
}

/* --- On the board ------------------------------------------------------------------------------------------------------------- */

static void reset(struct board_device *device)
{
    struct virtio_device *const d = (struct virtio_device *)device;

    pthread_mutex_lock(&d->lock);
    virtio_reset(d);
    pthread_mutex_unlock(&d->lock);
}

static void describe(struct board_device *device, struct board_fdt *fdt)
{
    (void)device;
    BOARD_FDT_STRINGS(fdt, "compatible", "virtio,mmio");
    board_fdt_empty(fdt, "dma-coherent");
}

/* What virtio_add() made. */
static void fini(struct virtio_device *d)
{
    if (d->thread_runs) {
        pthread_mutex_lock(&d->lock);
        d->stop = true;
        pthread_cond_broadcast(&d->changed);
        pthread_mutex_unlock(&d->lock);
        pthread_join(d->thread, NULL);
    }
    if (d->wakeup != NULL) {
        board_loop_remove_wakeup(d->wakeup);
    }
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
}

static void destroy(struct board_device *device)
{
    struct virtio_device *const d = (struct virtio_device *)device;

    fini(d);
    if (d->ops->destroy != NULL) {
        d->ops->destroy(d);
    }
    free(d);
}

static const struct board_device_ops board_ops = {
    .read = virtio_mmio_read,
    .write = virtio_mmio_write,
    .reset = reset,
    .fdt = describe,
    .destroy = destroy,
};

static bool start_serving(struct virtio_device *d)
{
    if (d->ops->own_thread) {
        return start_thread(d);
    }
    d->wakeup = board_loop_add_wakeup(board_loop(d->board), serve_on_loop, d);
    return d->wakeup != NULL;
}

bool virtio_add(struct board *board, struct virtio_device *d, const struct virtio_ops *ops,
                uint64_t features, const void *config, uint32_t config_size)
{
    assert(config_size <= sizeof(d->config) && ops->n_queues <= VIRTIO_MAX_QUEUES);
    d->ops = ops;
    d->board = board;
    d->offered = features | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
    d->config_size = config_size;
    if (config_size != 0) {
        memcpy(d->config, config, config_size);
    }
    d->board_device = (struct board_device){
        .ops = &board_ops, .name = "virtio", .size = BOARD_VIRTIO_SIZE};
    if (!board_next_virtio(board, &d->board_device.base, &d->board_device.intid)) {
        board_warn("%s: the board has no place for another virtio device", ops->name);
        return false;
    }
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    if (!start_serving(d)) {
        board_warn("%s: out of memory or threads", ops->name);
    } else if (board_add_device(board, &d->board_device)) {
        return true;
    } else {
        board_warn("%s: the board is full", ops->name);
    }
    fini(d);
    return false;
}
