#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""console.py --applevisor PROGRAM --kernel TINY

`applevisor boot` on a terminal (a pseudo-terminal that this program types on), with the kernel of tiny.c: the escape keys, the
terminal's modes on every way out, exit codes, PSCI, and what the board answers to wrong accesses. Writes TAP.
"""
import argparse
import errno
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time

PATIENCE = 120  # seconds; the machine may be busy


class Guest:
    """applevisor with a terminal of its own."""

    def __init__(self, *options, command=None):
        self.terminal, self.slave = os.openpty()
        self.cooked = termios.tcgetattr(self.slave)
        self.text = ''
        self.process = subprocess.Popen(
            command or [ARGUMENTS.applevisor, 'boot', '--kernel', ARGUMENTS.kernel, '--memory', '64M', *options],
            stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=None if command else self.own_terminal)

    def own_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.terminal)
        os.close(self.slave)

    def type(self, keys):
        os.write(self.terminal, keys if isinstance(keys, bytes) else keys.encode())

    def read(self, seconds):
        """Adds to text what comes; False: nothing came."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self.terminal, 4096)
        except OSError as error:
            if error.errno == errno.EIO:
                return False
            raise
        self.text += more.decode(errors='replace')
        return bool(more)

    def expect(self, pattern):
        """Waits for text, which is used up with what is before it."""
        limit = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.text, re.DOTALL)
            if found:
                self.text = self.text[found.end():]
                return found
            if time.monotonic() > limit:
                raise AssertionError(f'"{pattern}" did not come; there is {self.text!r}')
            if self.process.poll() is not None and not self.read(0.2):
                raise AssertionError(f'"{pattern}" did not come before the end ({self.process.returncode}); there is {self.text!r}')
            self.read(0.2)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def expect_end(self, code, pattern=None):
        limit = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < limit, 'it did not end'
            self.read(0.05)
        while self.read(0.05):
            pass
        assert self.process.returncode == code, f'exit code {self.process.returncode}, not {code}: {self.text!r}'
        assert termios.tcgetattr(self.slave) == self.cooked, 'the terminal is not as it was'
        if pattern is None:
            assert 'applevisor:' not in self.text, self.text
        else:
            assert re.search(pattern, self.text), f'no "{pattern}" in {self.text!r}'


def started(*options):
    guest = Guest(*options)
    guest.expect('tiny: ready\r\n')
    return guest


def keys_reach_the_guest():
    with started() as guest:
        assert guest.is_raw()
        guest.type('ab')
        guest.expect(r'\[61\]\[62\]')
        guest.type(b'\x03\x1a\x1c\x11\x13\r\n\x7f\xff')  # Ctrl-C, Ctrl-Z, Ctrl-\, Ctrl-Q, Ctrl-S, ...
        guest.expect(r'\[03\]\[1a\]\[1c\]\[11\]\[13\]\[0d\]\[0a\]\[7f\]\[ff\]')
        guest.type('q')
        guest.expect_end(0)


def escape_help_and_break():
    with started() as guest:
        guest.type(b'\x01h')
        guest.expect('quit.*reset.*break')
        guest.type(b'\x01bk')
        guest.expect(r'\[400\]\[6b\]')
        guest.type(b'\x01a1\x01\x012\x01z3')
        guest.expect(r'\[01\]\[31\]\[01\]\[32\]\[33\]')
        guest.type('q')
        guest.expect_end(0)


def escape_reset_and_quit():
    with started() as guest:
        for _ in range(3):
            guest.type(b'\x01r')
            guest.expect('tiny: ready')
        assert guest.is_raw()
        guest.type(b'w\x01x')  # a guest that never wakes up by itself
        guest.expect_end(8, 'applevisor: ended by Ctrl-A x')


def quit_while_the_guest_reads_nothing():
    with started() as guest:
        guest.type(b'w' + b'k' * 3000)
        guest.type(b'\x01x')
        guest.expect_end(8, 'applevisor: ended by Ctrl-A x')


def no_console_escape():
    with started('--no-console-escape') as guest:
        guest.type(b'\x01x\x01b')
        guest.expect(r'\[01\]jump.*\[01\]\[62\]')
        guest.type('q')
        guest.expect_end(0)


def ending_signals():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        with started() as guest:
            guest.process.send_signal(number)
            guest.expect_end(128 + number, f'applevisor: ended by signal {int(number)}')


def fatal_signals():
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS):
        with started() as guest:
            guest.process.send_signal(number)
            guest.expect_end(-number)


# What a shell does: a session, and in it a process group for the job, without which a job cannot be stopped.
LEADER = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.execv(sys.argv[1], sys.argv[1:])
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def state_of(pid):
    with open(f'/proc/{pid}/stat') as file:
        return file.read().rsplit(')', 1)[1].split()[0]


def wait_for(condition):
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, 'it did not happen'
        time.sleep(0.01)


def stopped_and_continued():
    with Guest(command=[sys.executable, '-c', LEADER, ARGUMENTS.applevisor, 'boot', '--kernel', ARGUMENTS.kernel]) as guest:
        # The job is not in the terminal's foreground group, as after `applevisor ... &`: it still sets the modes that it needs.
        guest.expect('tiny: ready')
        with open(f'/proc/{guest.process.pid}/task/{guest.process.pid}/children') as file:
            job = int(file.read())
        try:
            for number in (signal.SIGTSTP, signal.SIGSTOP):
                os.kill(job, number)
                wait_for(lambda: state_of(job) == 'T')
                if number == signal.SIGTSTP:
                    assert termios.tcgetattr(guest.slave) == guest.cooked
                else:
                    termios.tcsetattr(guest.slave, termios.TCSANOW, guest.cooked)  # as a shell does
                os.kill(job, signal.SIGCONT)
                wait_for(guest.is_raw)
            os.kill(job, signal.SIGTERM)
            guest.expect_end(128 + signal.SIGTERM, 'ended by signal')
        finally:
            if guest.process.poll() is None:
                os.kill(job, signal.SIGKILL)


def stop_in_an_orphaned_group():
    with started() as guest:
        guest.process.send_signal(signal.SIGTSTP)  # does not stop: nobody could continue it
        guest.type('a')
        guest.expect(r'\[61\]')
        wait_for(guest.is_raw)
        guest.type('q')
        guest.expect_end(0)


def guest_resets():
    with started() as guest:
        for _ in range(3):
            guest.type('r')
            guest.expect('tiny: ready')
        guest.type('q')
        guest.expect_end(0)


def panics():
    with started() as guest:
        guest.type('p')
        guest.expect('end Kernel panic')
        guest.expect_end(7, "applevisor: the guest's kernel has panicked: tiny\r?\n")
    with started() as guest:
        guest.type('P')
        guest.expect_end(7, "applevisor: the guest's kernel has panicked: tiny resets")


def second_vcpu():
    with started('--cpus', '2') as guest:
        for _ in range(3):
            guest.type('c')
            guest.expect('on 00000000 context 0000123456789abc mpidr 80000001 off, nobody fffffffe\r\n')
        guest.type('r')  # with one vCPU on and one off
        guest.expect('tiny: ready')
        guest.type('c')
        guest.expect('on 00000000 context 0000123456789abc')
        guest.type('q')
        guest.expect_end(0)


def power_off_while_a_vcpu_waits():
    for key in 'qrqrqrqrqr':
        with started('--cpus', '2') as guest:
            guest.type('C')
            guest.expect('on 00000000\r\n')
            guest.type(key)
            if key == 'r':
                guest.expect('tiny: ready')
                guest.type('C')
                guest.expect('on 00000000\r\n')
                guest.type('q')
            guest.expect_end(0)


def many_vcpus():
    with started('--cpus', '64') as guest:
        guest.type('c')
        guest.expect('on 00000000 context')
        guest.type('r')
        guest.expect('tiny: ready')
        guest.type(b'\x01x')
        guest.expect_end(8, 'Ctrl-A x')


def wrong_accesses():
    with started() as guest:
        guest.type('u')
        guest.expect('load esr 96000010 far 30000040\r\n')
        guest.type('x')
        guest.expect('jump esr 86000010 far 30000040\r\n')
        guest.type('s')
        guest.expect('register esr 02000000')
        guest.type('S')
        guest.expect('smc esr 02000000')
        guest.type('h')
        guest.expect('hvc 1: ffffffffffffffff')
        guest.type('m')
        guest.expect('<> base 09000018 pair 00001011')
        guest.type('q')
        guest.expect_end(0)


def what_it_starts_from():
    with tempfile.NamedTemporaryFile() as initrd:
        initrd.write(b'initrd' + bytes(5000))
        initrd.flush()
        with started('--initrd', initrd.name) as guest:
            guest.type('d')
            guest.expect('dtb d00dfeed fits initrd initrd')
            guest.type('r')
            guest.expect('tiny: ready')
            guest.type('d')
            guest.expect('dtb d00dfeed fits initrd initrd')
            guest.type('q')
            guest.expect_end(0)


def plain(options, **more):
    return subprocess.run([ARGUMENTS.applevisor, 'boot', *options], capture_output=True, timeout=PATIENCE, **more)


def piped(keys):
    """What comes out when keys go in, once the guest is ready for them: what comes earlier is lost, as on a serial line."""
    with subprocess.Popen([ARGUMENTS.applevisor, 'boot', '--kernel', ARGUMENTS.kernel], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            ready = process.stdout.readline()
            assert ready == b'tiny: ready\r\n', ready
            out, errors = process.communicate(keys, timeout=PATIENCE)
        finally:
            process.kill()
    return process.returncode, out, errors


def without_a_terminal():
    assert piped(b'a' * 20 + b'\x01bq') == (0, b'[61]' * 20 + b'[01][62]', b'')
    # More than all buffers hold: it waits, and nothing is lost.
    assert piped(b'k' * 50000 + b'q') == (0, b'[6b]' * 50000, b'')
    # The end of the input is not the end of the guest.
    done = plain(['--kernel', ARGUMENTS.kernel, '--append', 'x'], stdin=subprocess.DEVNULL, preexec_fn=lambda: signal.alarm(2))
    assert done.returncode == -signal.SIGALRM and done.stdout == b'tiny: ready\r\n', done


def standard_output_is_gone():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([ARGUMENTS.applevisor, 'boot', '--kernel', ARGUMENTS.kernel], stdin=subprocess.DEVNULL, stdout=writer,
                          stderr=subprocess.PIPE, timeout=PATIENCE)
    os.close(writer)
    assert done.returncode == 3 and b'standard output: Broken pipe' in done.stderr, done


def refusals():
    with tempfile.TemporaryDirectory() as folder:
        text = os.path.join(folder, 'text')
        with open(text, 'w') as file:
            file.write('no kernel' * 100)
        kernel = ['--kernel', ARGUMENTS.kernel]
        rows = [
            ([], 2, '--kernel FILE is missing'),
            ([*kernel, '--cpus', '0'], 2, '--cpus 0: expected'),
            ([*kernel, '--cpus', '65'], 2, 'from 1 to 64'),
            ([*kernel, '--cpus=x'], 2, '--cpus x'),
            ([*kernel, '--memory', '1M'], 2, '--memory 1M: expected'),
            ([*kernel, '--memory', '99999999999999999999G'], 2, '--memory'),
            ([*kernel, '--memory', '-1'], 2, '--memory'),
            ([*kernel, '--append', 'x' * 2048], 2, '2047'),
            ([*kernel, '--append'], 2, 'needs a value'),
            ([*kernel, '--frobnicate'], 2, "no option '--frobnicate'"),
            ([*kernel, '--net', 'tap'], 2, '--net tap: expected user'),
            ([*kernel, '--net', 'user,hostfwd=tcp:x'], 2, 'hostfwd'),
            ([*kernel, '--disk', ',ro'], 2, 'name is missing'),
            ([*kernel, '--disk', os.path.join(folder, 'none')], 3, 'No such file'),
            (['--kernel', os.path.join(folder, 'none')], 3, 'No such file'),
            (['--kernel', text], 3, 'byte 56'),
            ([*kernel, '--initrd', os.path.join(folder, 'none')], 3, 'No such file'),
            ([*kernel, '--initrd', '/dev/null'], 3, 'is empty'),
        ]
        for options, code, words in rows:
            done = plain(options, stdin=subprocess.DEVNULL)
            assert done.returncode == code and words in done.stderr.decode(), (options, done)
            assert done.stderr.count(b'\n') == 1, done.stderr


def help_is_shown():
    done = plain(['--help'], stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and b'applevisor boot --kernel' in done.stdout and not done.stderr, done


TESTS = [keys_reach_the_guest, escape_help_and_break, escape_reset_and_quit, quit_while_the_guest_reads_nothing, no_console_escape,
         ending_signals, fatal_signals, stopped_and_continued,
         stop_in_an_orphaned_group, guest_resets, panics, second_vcpu,
         power_off_while_a_vcpu_waits, many_vcpus, wrong_accesses,
         what_it_starts_from, without_a_terminal, standard_output_is_gone, refusals, help_is_shown]


def main():
    failed = 0
    tests = [t for t in TESTS if not ARGUMENTS.only or t.__name__ in ARGUMENTS.only]
    print(f'1..{len(tests)}', flush=True)
    for number, test in enumerate(tests, 1):
        try:
            test()
            print(f'ok {number} - {test.__name__}', flush=True)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f'not ok {number} - {test.__name__}')
            print('# ' + str(error).replace('\n', '\n# '), flush=True)
    return 1 if failed else 0


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--applevisor', required=True)
    parser.add_argument('--kernel', required=True)
    parser.add_argument('only', nargs='*')
    ARGUMENTS = parser.parse_args()
    sys.exit(main())
