/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* `applevisor boot`: Linux on the board of tools/board. */
#include "boot.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "applevisor.h"
#include "console.h"
#include "machine.h"
#include "map.h"
#include "pl011.h"
#include "pl031.h"
#include "terminal.h"
#include "virtio_devices.h"

struct boot {
    struct boot_options options;
    struct loader_kernel kernel;
    struct loader_file initrd;
    struct machine *machine;
    struct console *console;
    struct virtio_console *virtio_console; /* NULL: the console is the serial port */
    int signal, error;                     /* of MACHINE_SIGNAL, MACHINE_IO */
};

/* --- Files -------------------------------------------------------------------------------------------------------------------- */

/* A kernel whose page size the CPU lacks stops without a word, so it is refused here. */
static bool check_page_size(const struct boot *boot)
{
    static const struct {
        unsigned bits, shift;
        const char *name;
    } granules[] = {{12, 28, "4 KiB"}, {14, 20, "16 KiB"}, {16, 24, "64 KiB"}};
    const hv_vcpu_config_t config = hv_vcpu_config_create();
    uint64_t mmfr0 = 0;
    const bool known = config != NULL &&
                       hv_vcpu_config_get_feature_reg(config, HV_FEATURE_REG_ID_AA64MMFR0_EL1,
                                                      &mmfr0) == HV_SUCCESS;

    os_release(config);
    for (size_t i = 0; i < sizeof(granules) / sizeof(granules[0]) && known; i++) {
        const unsigned field = (unsigned)(mmfr0 >> granules[i].shift & 15);
        /* TGran16 says 0 for "no", the others 15. */
        const bool has = granules[i].bits == 14 ? field != 0 : field != 15;
        if (granules[i].bits == boot->kernel.page_bits && !has) {
            complain(
                "%s: built for pages of %s (flags, byte 24), which this CPU does not have; give another kernel, or HV_CHIP=max",
                boot->options.kernel, granules[i].name);
            return false;
        }
    }
    return true;
}

static bool load_files(struct boot *boot)
{
    const struct boot_options *const options = &boot->options;
    struct loader_error error;

    if (!loader_kernel(&boot->kernel, options->kernel, options->memory, &error) ||
        (options->initrd != NULL &&
         !loader_read(&boot->initrd, options->initrd, options->memory, &error))) {
        complain("%s", error.text);
        return false;
    }
    return check_page_size(boot);
}

/* --- Devices ------------------------------------------------------------------------------------------------------------------ */

static void console_happened(void *opaque, enum console_event event)
{
    static const enum machine_end ends[] = {[CONSOLE_QUIT] = MACHINE_QUIT,
                                            [CONSOLE_RESET] = MACHINE_RESET,
                                            [CONSOLE_LOST] = MACHINE_IO,
                                            [CONSOLE_PANIC] = MACHINE_PANIC};
    struct boot *const boot = opaque;

    boot->error = event == CONSOLE_LOST ? errno : boot->error;
    machine_finish(boot->machine, ends[event]);
}

/* The terminal's size; false: it is none, or does not know. */
static bool terminal_size(uint16_t *columns, uint16_t *rows)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
        return false;
    }
    *columns = size.ws_col;
    *rows = size.ws_row;
    return true;
}

static void signal_came(void *opaque, int fd, short revents)
{
    struct boot *const boot = opaque;
    char number;

    (void)revents;
    if (read(fd, &number, 1) != 1) {
        return;
    }
    if (number == SIGWINCH) {
        uint16_t columns, rows;
        if (boot->virtio_console != NULL && terminal_size(&columns, &rows)) {
            virtio_console_resize(boot->virtio_console, columns, rows);
        }
    } else {
        boot->signal = number;
        machine_finish(boot->machine, MACHINE_SIGNAL);
    }
}

/* Takes the device, which may be NULL. */
static bool add(struct board *board, struct board_device *device)
{
    if (device != NULL && board_add_device(board, device)) {
        return true;
    }
    if (device != NULL) {
        device->ops->destroy(device);
    }
    complain("no memory for a device of the board");
    return false;
}

static bool add_console(struct boot *boot)
{
    struct board *const board = machine_board(boot->machine);
    const struct console_config config = {.in_fd = STDIN_FILENO,
                                          .out_fd = STDOUT_FILENO,
                                          .escape = boot->options.escape &&
                                                    isatty(STDIN_FILENO) == 1,
                                          .event = console_happened,
                                          .opaque = boot};

    boot->console = console_create(board, &config);
    if (boot->console == NULL || board_loop_add_fd(board_loop(board), terminal_signal_fd(), POLLIN,
                                                   signal_came, boot) == NULL) {
        complain("no memory for the console");
        return false;
    }
    return true;
}

static bool add_virtio_console(struct boot *boot)
{
    uint16_t columns = 0, rows = 0;

    terminal_size(&columns, &rows);
    boot->virtio_console = virtio_console_add(machine_board(boot->machine), boot->console, columns,
                                              rows);
    return boot->virtio_console != NULL;
}

/* In this order: the first --disk is the guest's vda, on any command line. */
static bool add_devices(struct boot *boot)
{
    const struct boot_options *const options = &boot->options;
    struct board *const board = machine_board(boot->machine);
    const bool is_virtio = boot_console_is_virtio(options);

    if (!add_console(boot) ||
        !add(board, pl011_create(PL011_BASE, PL011_INTID, is_virtio ? NULL : boot->console)) ||
        !add(board, pl031_create(board, PL031_BASE, PL031_INTID)) ||
        (is_virtio && !add_virtio_console(boot))) {
        return false;
    }
    for (unsigned i = 0; i < options->n_disks; i++) {
        if (!virtio_blk_add(board, &options->disks[i])) {
            return false;
        }
    }
    for (unsigned i = 0; i < options->n_nets; i++) {
        if (!virtio_net_add_user(board, &options->nets[i])) {
            return false;
        }
    }
    for (unsigned i = 0; i < options->n_shares; i++) {
        if (!virtio_9p_add(board, &options->shares[i])) {
            return false;
        }
    }
    return virtio_rng_add(board);
}

/* --- The end ------------------------------------------------------------------------------------------------------------------ */

/* The line that says what happened, and the exit code. The terminal is in order again. */
static int report(const struct boot *boot, enum machine_end end)
{
    const char *const panic = boot->console != NULL ? console_panic(boot->console) : NULL;

    switch (end) {
    case MACHINE_OFF:
        return 0;
    case MACHINE_PANIC:
    case MACHINE_RESET: /* after a panic: without one the guest starts again */
        complain("the guest's kernel has panicked: %s", panic != NULL ? panic : "see above");
        return EXIT_PANIC;
    case MACHINE_QUIT:
        complain("ended by Ctrl-A x");
        return EXIT_QUIT;
    case MACHINE_SIGNAL:
        complain("ended by signal %d (%s)", boot->signal, strsignal(boot->signal));
        return 128 + boot->signal;
    case MACHINE_IO:
        complain("standard output: %s; the guest was stopped", strerror(boot->error));
        return EXIT_FILE;
    case MACHINE_FAULT:
        return EXIT_GUEST_FAULT;
    default:
        return EXIT_HYPERVISOR;
    }
}

static enum machine_end run(struct boot *boot)
{
    enum machine_end end;

    do {
        end = machine_run(boot->machine);
    } while (end == MACHINE_RESET && console_panic(boot->console) == NULL);
    console_flush(boot->console);
    return end;
}

static int boot_machine(struct boot *boot)
{
    const struct boot_options *const options = &boot->options;
    const struct machine_config config = {.cpus = options->cpus,
                                          .memory = options->memory,
                                          .kernel = &boot->kernel,
                                          .initrd = options->initrd != NULL ? &boot->initrd : NULL,
                                          .command_line = options->append};
    int code = EXIT_FILE;

    boot->machine = machine_create(&config);
    if (boot->machine == NULL) {
        return code;
    }
    if (!terminal_open(STDIN_FILENO)) {
        complain("no file descriptors for the terminal: %s", strerror(errno));
    } else {
        if (add_devices(boot)) {
            terminal_make_raw();
            const enum machine_end end = run(boot);
            const bool middle = console_in_line(boot->console) && isatty(STDOUT_FILENO) == 1;
            terminal_restore();
            if (middle) {
                /* The kernel's last words, "reboot: Power down", have no end of line. */
                putchar('\n');
                fflush(stdout);
            }
            code = report(boot, end);
        }
        terminal_close();
    }
    console_destroy(boot->console);
    machine_destroy(boot->machine);
    return code;
}

int command_boot(int argc, char **argv)
{
    struct boot boot = {0};
    int code = boot_options_parse(&boot.options, argc, argv);

    if (code != 0) { /* -1 too: the caller prints the help */
        return code;
    }
    signal(SIGPIPE, SIG_IGN); /* a write says EPIPE instead */
    code = load_files(&boot) ? boot_machine(&boot) : EXIT_FILE;
    loader_free(&boot.kernel.file);
    loader_free(&boot.initrd);
    return code;
}
