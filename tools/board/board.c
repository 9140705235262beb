/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Memory, devices and interrupt lines of a board. */
#include <stdio.h>
#include <stdlib.h>

#include "device.h"
#include "loop.h"
#include "map.h"

#define MAX_DEVICES 64

struct board {
    struct board_config config;
    struct board_loop *loop;
    struct board_device *devices[MAX_DEVICES]; /* by address */
    unsigned n_devices, n_virtio;
};

struct board *board_create(const struct board_config *config)
{
    struct board *const board = calloc(1, sizeof(*board));

    if (board == NULL) {
        return NULL;
    }
    board->config = *config;
    board->loop = board_loop_create();
    if (board->loop == NULL) {
        free(board);
        return NULL;
    }
    return board;
}

void board_destroy(struct board *board)
{
    if (board == NULL) {
        return;
    }
    for (unsigned i = 0; i < board->n_devices; i++) {
        board->devices[i]->ops->destroy(board->devices[i]);
    }
    board_loop_destroy(board->loop);
    free(board);
}

struct board_loop *board_loop(struct board *board)
{
    return board->loop;
}

bool board_start_loop(struct board *board)
{
    return board_loop_start(board->loop);
}

void board_stop_loop(struct board *board)
{
    board_loop_stop(board->loop);
}

void board_irq_set(const struct board_irq *irq, bool level)
{
    if (irq->intid != 0) {
        irq->board->config.irq_sink(irq->board->config.irq_opaque, irq->intid, level);
    }
}

void *board_ram(const struct board *board, uint64_t ipa, uint64_t size)
{
    const struct board_config *const config = &board->config;

    if (ipa < config->ram_base || size > config->ram_size ||
        ipa - config->ram_base > config->ram_size - size) {
        return NULL;
    }
    return (uint8_t *)config->ram + (ipa - config->ram_base);
}

/* --- Devices ------------------------------------------------------------------------------------------------------------------ */

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

bool board_add_device(struct board *board, struct board_device *device)
{
    unsigned at = board->n_devices;

    if (at == MAX_DEVICES || device->size == 0 || device->base + device->size < device->base ||
        overlap(device->base, device->size, board->config.ram_base, board->config.ram_size)) {
        return false;
    }
    for (unsigned i = 0; i < board->n_devices; i++) {
        if (overlap(device->base, device->size, board->devices[i]->base, board->devices[i]->size)) {
            return false;
        }
    }
    for (; at > 0 && board->devices[at - 1]->base > device->base; at--) {
        board->devices[at] = board->devices[at - 1];
    }
    board->devices[at] = device;
    board->n_devices++;
    device->irq = (struct board_irq){.board = board, .intid = device->intid};
    return true;
}

bool board_next_virtio(struct board *board, uint64_t *base, uint32_t *intid)
{
    if (board->n_virtio == VIRTIO_SLOTS) {
        return false;
    }
    *base = VIRTIO_BASE + board->n_virtio * (uint64_t)BOARD_VIRTIO_SIZE;
    *intid = VIRTIO_INTID + board->n_virtio;
    board->n_virtio++;
    return true;
}

bool board_access(struct board *board, uint64_t ipa, unsigned size, bool is_write, uint64_t *value)
{
    unsigned low = 0, high = board->n_devices;

    while (low < high) {
        const unsigned middle = (low + high) / 2;
        struct board_device *const device = board->devices[middle];
        if (ipa < device->base) {
            high = middle;
        } else if (ipa - device->base >= device->size) {
            low = middle + 1;
        } else {
            const uint64_t offset = ipa - device->base;
            if (size > device->size - offset || offset % size != 0) {
                return false;
            }
            if (is_write) {
                device->ops->write(device, offset, size, *value);
            } else {
                *value = device->ops->read(device, offset, size);
            }
            return true;
        }
    }
    return false;
}

void board_reset_devices(struct board *board)
{
    for (unsigned i = 0; i < board->n_devices; i++) {
        board->devices[i]->ops->reset(board->devices[i]);
    }
}

void board_fdt_devices(struct board *board, struct board_fdt *fdt)
{
    char node[64];

    for (unsigned i = 0; i < board->n_devices; i++) {
        struct board_device *const device = board->devices[i];
        snprintf(node, sizeof(node), "%s@%llx", device->name, (unsigned long long)device->base);
        board_fdt_begin(fdt, node);
        BOARD_FDT_U32S(fdt, "reg", (uint32_t)(device->base >> 32), (uint32_t)device->base,
                       (uint32_t)(device->size >> 32), (uint32_t)device->size);
        if (device->intid != 0) {
            BOARD_FDT_U32S(fdt, "interrupts", 0, device->intid - 32, device->irq_is_edge ? 1u : 4u);
        }
        device->ops->fdt(device, fdt);
        board_fdt_end(fdt);
    }
}
