/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The console device between a driver and two pipes. */
#include "console.h"

#include <fcntl.h>
#include <unistd.h>

#include "rig.h"
#include "virtio_devices.h"

enum { RX, TX };

static struct rig rig;
static struct driver driver;
static struct console *console;
static struct virtio_console *device;
static int in_pipe[2], out_pipe[2];

static void event(void *opaque, enum console_event what)
{
    (void)opaque;
    (void)what;
}

static void open_console(uint16_t columns, uint16_t rows)
{
    NEED(pipe(in_pipe) == 0 && pipe(out_pipe) == 0);
    fcntl(out_pipe[0], F_SETPIPE_SZ, 4096);
    rig_open(&rig);
    console = console_create(
        rig.board,
        &(struct console_config){.in_fd = in_pipe[0], .out_fd = out_pipe[1], .event = event});
    NEED(console != NULL);
    device = virtio_console_add(rig.board, console, columns, rows);
    NEED(device != NULL);
    rig_start(&rig);
    NEED(driver_start(&driver, &rig, 0, columns != 0 ? 1 : 0, 2, 16));
}

static void close_console(void)
{
    for (unsigned i = 0; i < 2; i++) {
        close(in_pipe[i]);
        close(out_pipe[i]);
    }
    board_stop_loop(rig.board);
    console_destroy(console);
    rig_close(&rig);
}

static bool read_all(char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = read(out_pipe[0], bytes + done, size - done);
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

TEST(output_and_input)
{
    char text[32] = "";
    uint32_t head, written;

    open_console(0, 0);
    EXPECT_EQ(rig_read(&rig, 0, 0x8), 3);
    const struct piece out[] = {{rig_put(&rig, "hello, ", 7), 7, false},
                                {rig_put(&rig, "world", 5), 5, false}};
    EXPECT_EQ(driver_request(&driver, TX, out, 2), 0);
    EXPECT(read_all(text, 12) && strcmp(text, "hello, world") == 0);
    /* input that comes before the buffer */
    EXPECT(write(in_pipe[1], "abc", 3) == 3);
    const struct piece in[] = {{rig_alloc(&rig, 2), 2, true}, {rig_alloc(&rig, 64), 64, true}};
    driver_add(&driver, RX, in, 2);
    driver_notify(&driver, RX);
    EXPECT(driver_next_used(&driver, RX, &head, &written));
    EXPECT_EQ(written, 3);
    EXPECT(memcmp(rig_at(&rig, in[0].address), "ab", 2) == 0 &&
           *(char *)rig_at(&rig, in[1].address) == 'c');
    /* and after it */
    driver_add(&driver, RX, in, 1);
    driver_notify(&driver, RX);
    EXPECT(!driver_has_used(&driver, RX));
    EXPECT(write(in_pipe[1], "defg", 4) == 4);
    EXPECT(driver_next_used(&driver, RX, &head, &written));
    EXPECT_EQ(written, 2);
    EXPECT(memcmp(rig_at(&rig, in[0].address), "de", 2) == 0);
    close_console();
}

/* More than pipe and buffer hold: nothing is lost, nothing comes twice, and a reset in the middle works. */
TEST(a_reader_that_is_slow)
{
    enum { SIZE = 200000 };
    static char text[SIZE];
    uint32_t head, written;

    open_console(0, 0);
    const uint64_t data = rig_alloc(&rig, SIZE);
    for (unsigned i = 0; i < SIZE; i++) {
        ((char *)rig_at(&rig, data))[i] = (char)('a' + i % 23);
    }
    const struct piece pieces[] = {{data, 50000, false}, {data + 50000, SIZE - 50000, false}};
    driver_add(&driver, TX, pieces, 2);
    driver_notify(&driver, TX);
    usleep(20000);
    EXPECT(!driver_has_used(&driver, TX));
    EXPECT(read_all(text, SIZE));
    EXPECT(driver_next_used(&driver, TX, &head, &written));
    unsigned wrong = 0;
    for (unsigned i = 0; i < SIZE; i++) {
        wrong += text[i] != (char)('a' + i % 23);
    }
    EXPECT_EQ(wrong, 0);
    driver_add(&driver, TX, pieces, 2);
    driver_notify(&driver, TX);
    usleep(20000);
    rig_write(&rig, 0, REG_STATUS, 0);
    NEED(driver_start(&driver, &rig, 0, 0, 2, 16));
    const struct piece end = {rig_put(&rig, "#", 1), 1, false};
    driver_add(&driver, TX, &end, 1);
    driver_notify(&driver, TX);
    unsigned n = 0;
    char c = 0;
    while (c != '#' && read(out_pipe[0], &c, 1) == 1) {
        wrong += c != '#' && c != (char)('a' + n % 23);
        n++;
    }
    EXPECT_EQ(wrong, 0);
    EXPECT(c == '#' && n > 4096 && n < SIZE);
    close_console();
}

TEST(size_of_the_terminal)
{
    open_console(80, 25);
    EXPECT_EQ(driver_offered(&rig, 0) & 5, 5);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 4), 25u << 16 | 80);
    const uint32_t generation = rig_read(&rig, 0, 0xfc);
    virtio_console_resize(device, 132, 43);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 2), 132);
    EXPECT_EQ(rig_read_config(&rig, 0, 2, 2), 43);
    EXPECT(rig_read(&rig, 0, 0xfc) != generation);
    EXPECT_EQ(rig_read(&rig, 0, 0x60), 2);
    EXPECT(rig.level[0]);
    close_console();
    open_console(0, 0);
    EXPECT_EQ(driver_offered(&rig, 0) & 5, 4);
    virtio_console_resize(device, 132, 43);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 4), 0);
    EXPECT_EQ(rig_read(&rig, 0, 0x60), 0);
    close_console();
}

TEST(emergency_write)
{
    char c = 0;

    open_console(0, 0);
    rig_write(&rig, 0, REG_STATUS, 0);
    rig_write_config(&rig, 0, 8, 4, '!');
    EXPECT(read_all(&c, 1) && c == '!');
    EXPECT_EQ(rig_read_config(&rig, 0, 8, 4), 0);
    rig_write_config(&rig, 0, 0, 4, 0x12345678);
    EXPECT_EQ(rig_read_config(&rig, 0, 0, 4), 0);
    close_console();
}

MAIN(T(output_and_input), T(a_reader_that_is_slow), T(size_of_the_terminal), T(emergency_write))
