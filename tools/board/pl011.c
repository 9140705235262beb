/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * PrimeCell UART (PL011), Arm DDI0183G, revision 1 with FIFOs of 16.
 *
 * Sending takes no time: a byte goes to the console's buffer, and only when that is full does the transmit FIFO fill as the guest sees
 * it. Bytes are sent whatever UARTCR.UARTEN says, as an early console relies on firmware that has enabled the port. Baud rate, parity and
 * DMA are registers without effect.
 */
#include "pl011.h"

#include <pthread.h>
#include <stdlib.h>

#include "primecell.h"

#define FIFO 16u

enum {
    DR = 0x00,
    RSR = 0x04,
    FR = 0x18,
    ILPR = 0x20,
    IBRD = 0x24,
    FBRD = 0x28,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44,
    DMACR = 0x48,
    PERIPH_ID = 0xfe0
};

#define DR_BE     0x400u /* break error */
#define RSR_BE    0x4u
#define FR_CTS    0x01u /* with DSR and DCD: somebody is there */
#define FR_DSR    0x02u
#define FR_DCD    0x04u
#define FR_RXFE   0x10u
#define FR_TXFF   0x20u
#define FR_RXFF   0x40u
#define FR_TXFE   0x80u
#define LCR_H_FEN 0x10u
#define CR_LBE    0x80u
#define CR_RESET  0x300u /* TXE, RXE */
#define CR_RXE    0x200u
#define INT_RX    0x010u
#define INT_TX    0x020u
#define INT_RT    0x040u
#define INT_BE    0x200u
#define INT_MASK  0x7ffu

struct pl011 {
    struct board_device device;
    struct console *console;
    pthread_mutex_t lock; /* guards all below */
    uint32_t ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr, rsr;
    uint16_t rx[FIFO]; /* as DR reads: byte and error bits */
    unsigned rx_start, rx_used;
    uint8_t tx; /* a byte that the console did not take yet */
    bool tx_full;
    bool irq_level; /* as last told to the interrupt controller: most accesses change nothing */
};

static void update_irq(struct pl011 *uart)
{
    const bool level = (uart->ris & uart->imsc) != 0;

    if (level != uart->irq_level) {
        uart->irq_level = level;
        board_irq_set(&uart->device.irq, level);
    }
}

/* --- Receive ------------------------------------------------------------------------------------------------------------------ */

static unsigned rx_room(const struct pl011 *uart)
{
    const unsigned depth = (uart->lcr_h & LCR_H_FEN) != 0 ? FIFO : 1;

    return uart->rx_used < depth ? depth - uart->rx_used : 0;
}

static unsigned rx_trigger(const struct pl011 *uart)
{
    static const uint8_t levels[8] = {2,  4,  8,  12,
                                      14, 14, 14, 14}; /* 1/8 to 7/8; the last three are reserved */

    return (uart->lcr_h & LCR_H_FEN) != 0 ? levels[uart->ifls >> 3 & 7] : 1;
}

/* RX follows the level. RT says that less than that has waited for 32 bit times, which here is at once. */
static void rx_changed(struct pl011 *uart)
{
    uart->ris &= ~(INT_RX | INT_RT);
    if (uart->rx_used >= rx_trigger(uart)) {
        uart->ris |= INT_RX;
    }
    if (uart->rx_used != 0) {
        uart->ris |= INT_RT;
    }
}

static void rx_push(struct pl011 *uart, uint16_t entry)
{
    if (rx_room(uart) == 0) {
        return;
    }
    uart->rx[(uart->rx_start + uart->rx_used++) % FIFO] = entry;
    if ((entry & DR_BE) != 0) {
        uart->ris |= INT_BE;
    }
    rx_changed(uart);
}

static void rx_pull(struct pl011 *uart)
{
    uint8_t bytes[FIFO];
    const unsigned room = rx_room(uart);

    if (uart->console == NULL || room == 0 || (uart->cr & (CR_RXE | CR_LBE)) != CR_RXE) {
        return;
    }
    const size_t n = console_read(uart->console, bytes, room);
    for (size_t i = 0; i < n; i++) {
        rx_push(uart, bytes[i]);
    }
}

static uint32_t rx_pop(struct pl011 *uart)
{
    if (uart->rx_used == 0) {
        return 0;
    }
    const uint16_t entry = uart->rx[uart->rx_start];
    uart->rx_start = (uart->rx_start + 1) % FIFO;
    uart->rx_used--;
    uart->rsr = entry >> 8 & 0xf;
    rx_changed(uart);
    rx_pull(uart);
    return entry;
}

static void rx_flush(struct pl011 *uart)
{
    uart->rx_start = uart->rx_used = 0;
    rx_changed(uart);
}

/* --- Transmit ----------------------------------------------------------------------------------------------------------------- */

static void tx_write(struct pl011 *uart, uint8_t byte)
{
    if ((uart->cr & CR_LBE) != 0) {
        rx_push(uart, byte);
    } else if (uart->tx_full) {
        return; /* the guest wrote although FR.TXFF was set: lost, as in the device */
    } else if (uart->console != NULL && console_write(uart->console, &byte, 1) == 0) {
        uart->tx = byte;
        uart->tx_full = true;
        uart->ris &= ~INT_TX;
        return;
    }
    /* The byte has left already, so the level has just passed the trigger. */
    uart->ris |= INT_TX;
}

/* --- Registers ---------------------------------------------------------------------------------------------------------------- */

static uint32_t read_fr(struct pl011 *uart)
{
    rx_pull(uart);
    return FR_CTS | FR_DSR | FR_DCD | (uart->rx_used == 0 ? FR_RXFE : 0) |
           (rx_room(uart) == 0 ? FR_RXFF : 0) | (uart->tx_full ? FR_TXFF : FR_TXFE);
}

static uint32_t read_register(struct pl011 *uart, uint64_t offset)
{
    switch (offset) {
    case DR:
        return rx_pop(uart);
    case RSR:
        return uart->rsr;
    case FR:
        return read_fr(uart);
    case ILPR:
        return uart->ilpr;
    case IBRD:
        return uart->ibrd;
    case FBRD:
        return uart->fbrd;
    case LCR_H:
        return uart->lcr_h;
    case CR:
        return uart->cr;
    case IFLS:
        return uart->ifls;
    case IMSC:
        return uart->imsc;
    case RIS:
        return uart->ris;
    case MIS:
        return uart->ris & uart->imsc;
    case DMACR:
        return uart->dmacr;
    default:
        return offset >= PERIPH_ID ? primecell_id(offset, 0x011, 1) : 0;
    }
}

static void write_register(struct pl011 *uart, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case DR:
        tx_write(uart, (uint8_t)value);
        break;
    case RSR: /* ECR: any value clears */
        uart->rsr = 0;
        break;
    case ILPR:
        uart->ilpr = value & 0xff;
        break;
    case IBRD:
        uart->ibrd = value & 0xffff;
        break;
    case FBRD:
        uart->fbrd = value & 0x3f;
        break;
    case LCR_H:
        if (((value ^ uart->lcr_h) & LCR_H_FEN) != 0) {
            rx_flush(uart);
        }
        uart->lcr_h = value & 0xff;
        break;
    case CR:
        uart->cr = value & 0xff87;
        rx_pull(uart);
        break;
    case IFLS:
        uart->ifls = value & 0x3f;
        rx_changed(uart);
        break;
    case IMSC:
        uart->imsc = value & INT_MASK;
        rx_pull(uart);
        break;
    case ICR:
        uart->ris &= ~value;
        break;
    case DMACR:
        uart->dmacr = value & 7;
        break;
    default:
        break;
    }
}

static uint64_t read_pl011(struct board_device *device, uint64_t offset, unsigned size)
{
    struct pl011 *const uart = (struct pl011 *)device;

    (void)size; /* registers are words; narrow reads give the low bytes */
    pthread_mutex_lock(&uart->lock);
    const uint32_t value = offset % 4 == 0 ? read_register(uart, offset) : 0;
    update_irq(uart);
    pthread_mutex_unlock(&uart->lock);
    return value;
}

static void write_pl011(struct board_device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pl011 *const uart = (struct pl011 *)device;

    (void)size;
    if (offset % 4 != 0) {
        return;
    }
    pthread_mutex_lock(&uart->lock);
    write_register(uart, offset, (uint32_t)value);
    update_irq(uart);
    pthread_mutex_unlock(&uart->lock);
}

/* --- The console's side ------------------------------------------------------------------------------------------------------- */

static void readable(void *opaque)
{
    struct pl011 *const uart = opaque;

    pthread_mutex_lock(&uart->lock);
    rx_pull(uart);
    update_irq(uart);
    pthread_mutex_unlock(&uart->lock);
}

static void writable(void *opaque)
{
    struct pl011 *const uart = opaque;

    pthread_mutex_lock(&uart->lock);
    if (uart->tx_full && console_write(uart->console, &uart->tx, 1) == 1) {
        uart->tx_full = false;
        uart->ris |= INT_TX;
        update_irq(uart);
    }
    pthread_mutex_unlock(&uart->lock);
}

static void line_break(void *opaque)
{
    struct pl011 *const uart = opaque;

    pthread_mutex_lock(&uart->lock);
    rx_push(uart, DR_BE);
    update_irq(uart);
    pthread_mutex_unlock(&uart->lock);
}

/* --- Device ------------------------------------------------------------------------------------------------------------------- */

static void reset(struct board_device *device)
{
    struct pl011 *const uart = (struct pl011 *)device;

    pthread_mutex_lock(&uart->lock);
    uart->ilpr = uart->ibrd = uart->fbrd = uart->lcr_h = uart->imsc = uart->ris = uart->dmacr =
        uart->rsr = 0;
    uart->cr = CR_RESET;
    uart->ifls = 0x12; /* both FIFOs at half */
    uart->rx_start = uart->rx_used = 0;
    uart->tx_full = false;
    uart->irq_level = false;
    board_irq_set(&uart->device.irq, false);
    pthread_mutex_unlock(&uart->lock);
}

static void fdt(struct board_device *device, struct board_fdt *tree)
{
    (void)device;
    BOARD_FDT_STRINGS(tree, "compatible", "arm,pl011\0arm,primecell");
    BOARD_FDT_STRINGS(tree, "clock-names", "uartclk\0apb_pclk");
    BOARD_FDT_U32S(tree, "clocks", BOARD_PHANDLE_CLOCK, BOARD_PHANDLE_CLOCK);
}

static void destroy(struct board_device *device)
{
    struct pl011 *const uart = (struct pl011 *)device;

    pthread_mutex_destroy(&uart->lock);
    free(uart);
}

struct board_device *pl011_create(uint64_t base, uint32_t intid, struct console *console)
{
    static const struct board_device_ops ops = {
        .read = read_pl011, .write = write_pl011, .reset = reset, .fdt = fdt, .destroy = destroy};
    struct pl011 *const uart = calloc(1, sizeof(*uart));

    if (uart == NULL) {
        return NULL;
    }
    pthread_mutex_init(&uart->lock, NULL);
    uart->device = (struct board_device){
        .ops = &ops, .name = "uart", .base = base, .size = 0x1000, .intid = intid};
    uart->console = console;
    if (console != NULL) {
        console_attach(console, &(struct console_device){.readable = readable,
                                                         .writable = writable,
                                                         .line_break = line_break,
                                                         .opaque = uart});
    }
    return &uart->device;
}
