/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The serial port and the clock through their registers, with pipes at the other end of the console. */
#include "pl011.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "pl031.h"
#include "rig.h"

#define UART   0x9000000ull
#define RTC    0x9010000ull
#define INTID  33u
#define RINTID 34u

enum {
    DR = 0,
    RSR = 4,
    FR = 0x18,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44
};
#define RXFE 0x10u
#define TXFF 0x20u
#define RXFF 0x40u
#define TXFE 0x80u
#define RX   0x10u
#define TX   0x20u
#define RT   0x40u
#define BE   0x200u

static struct board *board;
static struct console *console;
static int to_guest[2], from_guest[2];
static atomic_bool level[64];
static atomic_int events[4];

static void irq_sink(void *opaque, uint32_t intid, bool high)
{
    (void)opaque;
    NEED(intid < 64);
    atomic_store(&level[intid], high);
}

static void event(void *opaque, enum console_event what)
{
    (void)opaque;
    atomic_fetch_add(&events[what], 1);
}

static void open_board(bool escape)
{
    static uint8_t ram[4096];

    memset(events, 0, sizeof(events));
    memset(level, 0, sizeof(level));
    NEED(pipe(to_guest) == 0 && pipe(from_guest) == 0);
    board = board_create(&(struct board_config){
        .ram_base = 0x40000000, .ram_size = sizeof(ram), .ram = ram, .irq_sink = irq_sink});
    NEED(board != NULL);
    console = console_create(board, &(struct console_config){.in_fd = to_guest[0],
                                                             .out_fd = from_guest[1],
                                                             .escape = escape,
                                                             .event = event});
    NEED(console != NULL);
    NEED(board_add_device(board, pl011_create(UART, INTID, console)));
    NEED(board_add_device(board, pl031_create(board, RTC, RINTID)));
    board_reset_devices(board);
    NEED(board_start_loop(board));
}

static void close_board(void)
{
    board_stop_loop(board);
    console_destroy(console);
    board_destroy(board);
    for (int i = 0; i < 2; i++) {
        close(to_guest[i]);
        close(from_guest[i]);
    }
}

static uint32_t get_at(uint64_t address)
{
    uint64_t value = 0;

    EXPECT(board_access(board, address, 4, false, &value));
    return (uint32_t)value;
}

static void put_at(uint64_t address, uint32_t value)
{
    uint64_t v = value;

    EXPECT(board_access(board, address, 4, true, &v));
}

static uint32_t get(unsigned offset)
{
    return get_at(UART + offset);
}

static void put(unsigned offset, uint32_t value)
{
    put_at(UART + offset, value);
}

static void type(const char *text)
{
    NEED(write(to_guest[1], text, strlen(text)) == (ssize_t)strlen(text));
}

static bool rx_has(void *opaque)
{
    (void)opaque;
    return (get(FR) & RXFE) == 0;
}

static bool is_high(void *opaque)
{
    return atomic_load(&level[*(const unsigned *)opaque]);
}

static bool has_event(void *opaque)
{
    return atomic_load(&events[*(const int *)opaque]) != 0;
}

static const unsigned uart_line = INTID, rtc_line = RINTID;
#define WAIT_HIGH(line) wait_until(is_high, (void *)(uintptr_t) & (line))

/* What has come out until text of this length is there. */
static void expect_output(const char *text)
{
    char got[256] = "";
    size_t n = 0;

    while (n < strlen(text)) {
        const ssize_t more = read(from_guest[0], got + n, strlen(text) - n);
        NEED(more > 0);
        n += (size_t)more;
    }
    EXPECT(memcmp(got, text, n) == 0);
}

TEST(identity)
{
    static const uint8_t uart[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1},
                         rtc[8] = {0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

    open_board(false);
    for (unsigned i = 0; i < 8; i++) {
        EXPECT_EQ(get(0xfe0 + 4 * i), uart[i]);
        EXPECT_EQ(get_at(RTC + 0xfe0 + 4 * i), rtc[i]);
    }
    EXPECT_EQ(get(CR), 0x300);
    EXPECT_EQ(get(IFLS), 0x12);
    EXPECT_EQ(get(FR) & (RXFE | TXFF | RXFF | TXFE), RXFE | TXFE);
    EXPECT_EQ(get(DR), 0);
    EXPECT_EQ(get(0x100), 0); /* nothing there: zero, and writes are ignored */
    put(0x100, ~0u);
    close_board();
}

TEST(widths_and_ends)
{
    uint64_t value = 0;

    open_board(false);
    EXPECT(board_access(board, UART + FR, 1, false, &value) && (value & TXFE) != 0);
    EXPECT(board_access(board, UART + FR, 8, false, &value));
    EXPECT(!board_access(board, UART + FR + 1, 2, false, &value)); /* not aligned */
    EXPECT(!board_access(board, UART + 0x1000, 4, false, &value));
    EXPECT(!board_access(board, UART - 4, 4, false, &value));
    EXPECT(!board_access(board, UINT64_MAX - 3, 4, false, &value));
    EXPECT(!board_access(board, 0x40000000, 4, false, &value)); /* RAM is no device */
    close_board();
}

TEST(transmit)
{
    open_board(false);
    EXPECT_EQ(get(RIS), 0);
    put(IMSC, TX);
    EXPECT(!atomic_load(&level[INTID]));
    put(DR, 'h');
    EXPECT_EQ(get(MIS), TX); /* the FIFO has fallen below its level */
    EXPECT(atomic_load(&level[INTID]));
    put(ICR, TX);
    EXPECT_EQ(get(RIS), 0);
    EXPECT(!atomic_load(&level[INTID]));
    put(DR, 'i');
    put(IMSC, 0);
    EXPECT(!atomic_load(&level[INTID]));
    expect_output("hi");
    close_board();
}

TEST(receive_without_fifo)
{
    open_board(false);
    put(IMSC, RX | RT);
    type("ab");
    EXPECT(WAIT_HIGH(uart_line));
    EXPECT((get(FR) & RXFF) != 0); /* one byte is all there is room for */
    EXPECT_EQ(get(DR), 'a');
    EXPECT_EQ(get(DR), 'b');
    EXPECT((get(FR) & RXFE) != 0);
    EXPECT_EQ(get(RIS), 0);
    EXPECT(!atomic_load(&level[INTID]));
    close_board();
}

TEST(receive_with_fifo)
{
    open_board(false);
    put(LCR_H, 0x70);
    put(IMSC, RX);
    type("abc");
    EXPECT(wait_until(rx_has, NULL));
    EXPECT_EQ(get(RIS), RT); /* less than half: only the timeout */
    EXPECT(!atomic_load(&level[INTID]));
    type("defghijklmnopqrstuvwxyz");
    EXPECT(WAIT_HIGH(uart_line)); /* eight are half */
    for (char c = 'a'; c <= 'z'; c++) {
        NEED(wait_until(rx_has, NULL));
        EXPECT_EQ(get(DR), c); /* what did not fit has waited outside */
    }
    EXPECT_EQ(get(RIS), 0);
    close_board();
}

TEST(receive_levels)
{
    static const unsigned levels[5] = {2, 4, 8, 12, 14};

    for (unsigned i = 0; i < 5; i++) {
        open_board(false);
        put(LCR_H, 0x10);
        put(IFLS, i << 3);
        for (unsigned n = 1; n <= 16; n++) {
            put(CR, 0x380); /* loopback: what is sent comes in */
            put(DR, 'x');
            EXPECT_EQ(get(RIS) & RX, n >= levels[i] ? RX : 0);
        }
        EXPECT((get(FR) & RXFF) != 0);
        put(DR, 'y'); /* lost */
        for (unsigned n = 0; n < 16; n++) {
            EXPECT_EQ(get(DR), 'x');
        }
        EXPECT((get(FR) & RXFE) != 0);
        close_board();
    }
}

TEST(switching_the_fifo_empties_it)
{
    open_board(false);
    put(LCR_H, 0x10);
    put(CR, 0x380);
    put(DR, 'x');
    put(LCR_H, 0);
    EXPECT((get(FR) & RXFE) != 0);
    EXPECT_EQ(get(RIS) & (RX | RT), 0);
    close_board();
}

TEST(line_break)
{
    open_board(true);
    put(LCR_H, 0x10);
    put(IMSC, BE);
    type("\001b");
    EXPECT(WAIT_HIGH(uart_line));
    EXPECT_EQ(get(DR), 0x400);
    EXPECT_EQ(get(RSR), 4);
    put(RSR, 0);
    EXPECT_EQ(get(RSR), 0);
    put(ICR, BE);
    EXPECT(!atomic_load(&level[INTID]));
    close_board();
}

TEST(escape)
{
    static const int quit = CONSOLE_QUIT, reset = CONSOLE_RESET;

    open_board(true);
    put(LCR_H, 0x10);
    type("1\001a2\001\0013\001z4\001x");
    EXPECT(wait_until(has_event, (void *)(uintptr_t)&quit));
    static const char expected[] = {'1', 1, '2', 1, '3', '4'};
    for (size_t i = 0; i < sizeof(expected); i++) {
        NEED(wait_until(rx_has, NULL));
        EXPECT_EQ(get(DR), expected[i]);
    }
    EXPECT(!has_event((void *)(uintptr_t)&reset));
    type("\001r");
    EXPECT(wait_until(has_event, (void *)(uintptr_t)&reset));
    close_board();
}

TEST(no_escape)
{
    open_board(false);
    put(LCR_H, 0x10);
    type("\001x");
    NEED(wait_until(rx_has, NULL));
    EXPECT_EQ(get(DR), 1);
    NEED(wait_until(rx_has, NULL));
    EXPECT_EQ(get(DR), 'x');
    EXPECT_EQ(atomic_load(&events[CONSOLE_QUIT]), 0);
    close_board();
}

/* Nobody reads the output: the guest sees a full FIFO, and goes on when somebody does. */
TEST(slow_reader)
{
    unsigned sent = 0, got = 0;
    char bytes[4096];

    open_board(false);
    put(IMSC, TX);
    fcntl(from_guest[0], F_SETFL, O_NONBLOCK);
    while ((get(FR) & TXFF) == 0) {
        put(DR, 'a' + sent % 26);
        sent++;
        if (sent % 4096 == 0) {
            sched_yield();
        }
        NEED(sent < 1000000);
    }
    EXPECT((get(FR) & TXFE) == 0);
    put(ICR, TX);
    EXPECT(!atomic_load(&level[INTID]));
    put(DR, '!'); /* although it is full: lost */
    for (unsigned tries = 0; got < sent && tries < 20000; tries++) {
        const ssize_t n = read(from_guest[0], bytes, sizeof(bytes));
        for (ssize_t i = 0; i < n; i++) {
            EXPECT_EQ(bytes[i], 'a' + got % 26);
            got++;
        }
        if (n <= 0) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
    }
    EXPECT_EQ(got, sent);
    EXPECT(WAIT_HIGH(uart_line));
    EXPECT((get(FR) & TXFF) == 0);
    close_board();
}

TEST(reader_gone)
{
    static const int lost = CONSOLE_LOST;

    signal(SIGPIPE, SIG_IGN);
    open_board(false);
    close(from_guest[0]);
    from_guest[0] = -1;
    put(DR, 'x');
    EXPECT(wait_until(has_event, (void *)(uintptr_t)&lost));
    for (unsigned i = 0; i < 100000; i++) {
        put(DR, 'x');
    }
    EXPECT((get(FR) & TXFF) == 0); /* gone, and the guest goes on */
    close_board();
}

TEST(reset_clears)
{
    open_board(false);
    put(IMSC, TX);
    put(DR, 'x');
    EXPECT(atomic_load(&level[INTID]));
    board_stop_loop(board);
    board_reset_devices(board);
    EXPECT(!atomic_load(&level[INTID]));
    EXPECT_EQ(get(IMSC), 0);
    NEED(board_start_loop(board));
    close_board();
}

/* --- The clock ---------------------------------------------------------------------------------------------------------------- */

TEST(rtc_time)
{
    open_board(false);
    const uint32_t before = (uint32_t)time(NULL), now = get_at(RTC);
    EXPECT(now - before <= 2);
    put_at(RTC + 8, 1000000);
    EXPECT(get_at(RTC) - 1000000 <= 1);
    EXPECT_EQ(get_at(RTC + 8), 1000000);
    EXPECT_EQ(get_at(RTC + 0xc), 1);
    close_board();
}

TEST(rtc_alarm)
{
    open_board(false);
    put_at(RTC + 0x10, 1);
    put_at(RTC + 4, get_at(RTC) - 5); /* past: not for 136 years */
    put_at(RTC + 4, get_at(RTC) + 1);
    EXPECT_EQ(get_at(RTC + 0x14), 0);
    EXPECT(WAIT_HIGH(rtc_line));
    EXPECT_EQ(get_at(RTC), get_at(RTC + 4));
    EXPECT_EQ(get_at(RTC + 0x18), 1);
    put_at(RTC + 0x1c, 1);
    EXPECT_EQ(get_at(RTC + 0x14), 0);
    EXPECT(!atomic_load(&level[RINTID]));
    close_board();
}

/* --- What the console sees of a panic ----------------------------------------------------------------------------------------- */

static void print(const char *text)
{
    for (; *text != '\0'; text++) {
        put(DR, (uint8_t)*text);
    }
}

TEST(panic_ends)
{
    static const int panic = CONSOLE_PANIC;

    open_board(false);
    print("[    1.0] Kernel panic - not syncing: VFS: no root\r\n[    1.0] CPU: 0\r\n");
    print("[    1.1] ---[ end Kernel panic - not syncing: VFS: no root ]---\r\n");
    EXPECT(wait_until(has_event, (void *)(uintptr_t)&panic));
    board_stop_loop(board);
    EXPECT(console_panic(console) != NULL && strcmp(console_panic(console), "VFS: no root") == 0);
    NEED(board_start_loop(board));
    close_board();
}

TEST(old_log_is_no_panic)
{
    open_board(false);
    print("---[ end Kernel panic - not syncing: of last week ]---\r\n/ # ");
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 300000000}, NULL);
    EXPECT_EQ(atomic_load(&events[CONSOLE_PANIC]), 0);
    board_stop_loop(board);
    EXPECT(console_panic(console) == NULL);
    EXPECT(console_in_line(console));
    NEED(board_start_loop(board));
    close_board();
}

MAIN(T(identity), T(widths_and_ends), T(transmit), T(receive_without_fifo), T(receive_with_fifo),
     T(receive_levels), T(switching_the_fifo_empties_it), T(line_break), T(escape), T(no_escape),
     T(slow_reader), T(reader_gone), T(reset_clears), T(rtc_time), T(rtc_alarm), T(panic_ends),
     T(old_log_is_no_panic))
