/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "terminal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/*
 * File statics: a signal handler has no argument. Written before the handlers are there, except for the two atomics: handlers run on any
 * thread, and several at once. Whoever sets raw mode looks at raw_wanted afterwards, and whoever restores clears it before: so the
 * last word is that of the restoring.
 */
static int terminal_fd = -1, pipe_fds[2] = {-1, -1};
static struct termios cooked, raw;
static atomic_int raw_now, raw_wanted;
static_assert(ATOMIC_INT_LOCK_FREE == 2, "signal handlers may use no other");

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static const int faults[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,    SIGABRT, SIGTRAP, SIGSYS,
                             SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGXCPU, SIGXFSZ};
#define N(array) (sizeof(array) / sizeof((array)[0]))
static struct sigaction old_ending[N(ending)], old_faults[N(faults)], old_stop, old_continue,
    old_size;

/* tcsetattr() is async-signal-safe. A background process would be stopped by it, so SIGTTOU is held off. */
static void set_mode(const struct termios *mode)
{
    const int saved = errno;
    sigset_t block, before;

    sigemptyset(&block);
    sigaddset(&block, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &block, &before);
    tcsetattr(terminal_fd, TCSADRAIN, mode);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
}

static void set_cooked(void)
{
    if (atomic_exchange(&raw_now, 0) != 0) {
        set_mode(&cooked);
    }
}

void terminal_restore(void)
{
    atomic_store(&raw_wanted, 0);
    set_cooked();
}

/* again: whatever the mode was said to be. */
static void set_raw(bool again)
{
    if (terminal_fd < 0 || (atomic_exchange(&raw_now, 1) != 0 && !again)) {
        return;
    }
    set_mode(&raw);
    if (atomic_load(&raw_wanted) == 0) {
        set_cooked();
    }
}

void terminal_make_raw(void)
{
    atomic_store(&raw_wanted, 1);
    set_raw(false);
}

/* --- Signals ------------------------------------------------------------------------------------------------------------------ */

static void on_ending(int number)
{
    const int saved = errno;
    const char byte = (char)number;

    terminal_restore();
    /* A full pipe holds more endings than anybody needs. */
    if (write(pipe_fds[1], &byte, 1) < 0) {
        errno = saved;
    }
    errno = saved;
}

static void on_size(int number)
{
    const int saved = errno;
    const char byte = (char)number;

    if (write(pipe_fds[1], &byte, 1) < 0) {
        errno = saved; /* a full pipe will bring the size too */
    }
}

/*
 * A fault of ours, or a signal that nobody expects: what would have happened happens, with the terminal in order. SA_RESETHAND has taken
 * the handler away, so that the instruction faults again, or the raise() ends the process.
 */
static void on_fault(int number)
{
    terminal_restore();
    raise(number);
}

static void on_stop(int number)
{
    const int saved = errno;
    sigset_t stop, before;
    struct sigaction standard = {.sa_handler = SIG_DFL}, mine;

    set_cooked();
    sigaction(number, &standard, &mine);
    sigemptyset(&stop);
    sigaddset(&stop, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &stop,
                    &before); /* stops here, until SIGCONT; not in an orphaned process group */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sigaction(number, &mine, NULL);
    if (atomic_load(&raw_wanted) != 0) {
        set_raw(false);
    }
    errno = saved;
}

static void on_continue(int number)
{
    const int saved = errno;

    (void)number;
    if (atomic_load(&raw_wanted) != 0) {
        set_raw(true); /* after SIGSTOP the shell has set its own modes */
    }
    errno = saved;
}

static void catch_signal(int number, void (*handler)(int), int flags, struct sigaction *old)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    sigaction(number, NULL, old);
    /* What the parent has had ignored (nohup) stays ignored. */
    if (old->sa_handler != SIG_IGN) {
        sigemptyset(&action.sa_mask);
        sigaction(number, &action, NULL);
    }
}

bool terminal_open(int fd)
{
    if (pipe(pipe_fds) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(pipe_fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(pipe_fds[i], F_SETFL, O_NONBLOCK);
    }
    if (tcgetattr(fd, &cooked) == 0) {
        terminal_fd = fd;
        raw = cooked;
        cfmakeraw(&raw);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
    }
    for (size_t i = 0; i < N(ending); i++) {
        catch_signal(ending[i], on_ending, SA_RESTART, &old_ending[i]);
    }
    for (size_t i = 0; i < N(faults); i++) {
        catch_signal(faults[i], on_fault, (int)(SA_RESETHAND | SA_NODEFER), &old_faults[i]);
    }
    catch_signal(SIGTSTP, on_stop, SA_RESTART, &old_stop);
    catch_signal(SIGCONT, on_continue, SA_RESTART, &old_continue);
    catch_signal(SIGWINCH, on_size, SA_RESTART, &old_size);
    atexit(terminal_restore);
    return true;
}

int terminal_signal_fd(void)
{
    return pipe_fds[0];
}

void terminal_close(void)
{
    terminal_restore();
    for (size_t i = 0; i < N(ending); i++) {
        sigaction(ending[i], &old_ending[i], NULL);
    }
    for (size_t i = 0; i < N(faults); i++) {
        sigaction(faults[i], &old_faults[i], NULL);
    }
    sigaction(SIGTSTP, &old_stop, NULL);
    sigaction(SIGCONT, &old_continue, NULL);
    sigaction(SIGWINCH, &old_size, NULL);
    terminal_fd = -1;
    for (int i = 0; i < 2; i++) {
        close(pipe_fds[i]);
        pipe_fds[i] = -1;
    }
}
