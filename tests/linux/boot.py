#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""boot.py --applevisor PROGRAM --build DIR [--cpus N]... [--times N] [--panic] [--debian]

Boots Debian's arm64 kernel with each number of vCPUs to its user space, where tests/linux/userland does its work, and powers it off.
The kernel's log must have no warning, and the work's output must be that of the same guest under qemu-system-aarch64. --panic: what a
panic of the kernel comes to. --debian: the work, and dpkg, apt-get, perl and python3, in a Debian root file system on a virtio disk with
user networking. Writes TAP; all is skipped when the guest's packages cannot be fetched.
"""
import argparse
import contextlib
import difflib
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What a kernel says when something is wrong that is not the guest's own doing.
COMPLAINTS = re.compile(r'WARNING|BUG|Oops|Call trace|[Uu]nhandled|Unable to handle|Kernel panic|[Ii]nternal error|soft lockup|hard LOCKUP|'
                        r'\brcu\b.*(stall|detected)|nobody cared|Unexpected|[Ll]ost interrupt|timed? ?out|I/O error|call_irq_handler|Bad mode|'
                        r'spurious|blocked for more than|DEVICE_NEEDS_RESET|corrupt', re.MULTILINE)
QEMU = ['qemu-system-aarch64', '-M', 'virt,gic-version=3', '-cpu', 'max,pauth-impdef=on', '-m', '1G', '-nodefaults', '-nic', 'none',
        '-display', 'none', '-serial', 'stdio', '-no-reboot']


class Tap:
    def __init__(self, count):
        self.n, self.failed = 0, 0
        print(f'1..{count}', flush=True)

    def result(self, name, complaint, details=()):
        self.n += 1
        self.failed += complaint is not None
        print(f'{"ok" if complaint is None else "not ok"} {self.n} - {name}')
        if complaint is not None:
            for line in [*complaint.splitlines(), *details]:
                print('# ' + line.rstrip('\r\n'))
        sys.stdout.flush()

    def skip(self, name, reason):
        self.n += 1
        print(f'ok {self.n} - {name} # SKIP {reason}', flush=True)


def run(command, seconds):
    """What came out, and the exit status; None: it had to be killed."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            out, status = process.communicate(timeout=seconds)[0], process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            out, status = process.communicate()[0], None
    return out.decode(errors='replace').replace('\r', ''), status


def work_of(text):
    """The lines between the guest's marks, without the kernel's messages; None: a mark is missing."""
    found = re.search(r'^linux-guest: ready .*?\n(.*?)^linux-guest: exit 0\n', text, re.DOTALL | re.MULTILINE)
    if found is None or 'reboot: Power down' not in text:
        return None
    return [line for line in found.group(1).splitlines() if not re.match(r'\[ *\d+\.\d+\] ', line)]


def judge(text, status, cpus):
    """None, or what is wrong with a boot."""
    complaint = COMPLAINTS.search(text)
    if complaint:
        start = text.rfind('\n', 0, complaint.start()) + 1
        return 'the log has: ' + text[start:text.find('\n', complaint.end())]
    if status != 0:
        return 'it had to be killed' if status is None else f'exit status {status}'
    if work_of(text) is None:
        return 'it did not come to its end'
    if cpus is not None and f'SMP: Total of {cpus} processors activated' not in text:
        return f'not {cpus} processors were activated'
    return None


@contextlib.contextmanager
def web_server(folder):
    """An HTTP server on 127.0.0.1 for the folder; its port."""
    handler = functools.partial(QuietHandler, directory=folder)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def make_archive(folder):
    """A Debian archive with one package, so that apt-get has something to update from and to install."""
    package = os.path.join(folder, 'package')
    os.makedirs(os.path.join(package, 'DEBIAN'))
    os.makedirs(os.path.join(package, 'usr/share/applevisor-test'))
    with open(os.path.join(package, 'DEBIAN/control'), 'w') as file:
        file.write('Package: applevisor-test\nVersion: 1\nArchitecture: arm64\nMaintainer: nobody <nobody@example.org>\n'
                   'Description: what the test of the network installs\n')
    with open(os.path.join(package, 'usr/share/applevisor-test/data'), 'wb') as file:
        file.write(bytes(range(256)) * 4096)
    subprocess.run(['dpkg-deb', '--root-owner-group', '--build', package, os.path.join(folder, 'applevisor-test.deb')], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(package)
    digest = subprocess.run(['sha256sum', os.path.join(folder, 'applevisor-test.deb')], check=True, capture_output=True, text=True)
    control = subprocess.run(['dpkg-deb', '-f', os.path.join(folder, 'applevisor-test.deb')], check=True, capture_output=True, text=True)
    with open(os.path.join(folder, 'Packages'), 'w') as file:
        file.write(control.stdout + f'Filename: ./applevisor-test.deb\nSize: {os.path.getsize(os.path.join(folder, "applevisor-test.deb"))}\n'
                   f'SHA256: {digest.stdout.split()[0]}\n\n')


class Tester:
    def __init__(self, options):
        self.options = options
        self.guest = os.path.join(options.build, 'linux')

    def files(self):
        return ['-kernel', f'{self.guest}/Image', '-initrd', f'{self.guest}/initramfs.cpio.gz']

    def ours(self, cpus, work, extra=(), append=''):
        return run([self.options.applevisor, 'boot', *[('-' if o.startswith('-') else '') + o for o in self.files()],
                    '--cpus', str(cpus), '--memory', '1G', *extra,
                    '--append', f'console=ttyAMA0 earlycon panic=-1 {append} run="{work}"'], self.options.timeout)

    def theirs(self, work, extra=(), append=''):
        return run([*QEMU, *extra, *self.files(), '-append', f'console=ttyAMA0 panic=-1 {append} run="{work}"'], self.options.timeout)

    def keep_log(self, name, text):
        path = os.path.join(self.guest, f'{name}.log')
        with open(path, 'w') as file:
            file.write(text)
        return path

    def boot(self, tap, cpus, reference):
        log, last = '', None
        for number in range(1, self.options.times + 1):
            start = time.monotonic()
            log, status = self.ours(cpus, '/guest/userland')
            self.keep_log(f'boot-{cpus}', log)
            last = judge(log, status, cpus)
            if last:
                last = f'boot {number} of {self.options.times}: {last}; the log is kept as {os.path.basename(self.keep_log(f"boot-{cpus}-failed", log))}'
                break
            print(f'# {cpus} vCPUs, boot {number}: {time.monotonic() - start:.1f} s', flush=True)
        tap.result(f'{cpus} vCPUs: boots, works, powers off, {self.options.times} times', last, log.splitlines()[-15:])
        self.compare(tap, f'{cpus} vCPUs: the work is as under QEMU', log, reference)

    def panic(self, tap):
        """A kernel without anything to start panics; it stays there, or resets with panic=-1. Both end the machine."""
        for append in ('', 'panic=-1'):
            log, status = run([self.options.applevisor, 'boot', '--kernel', f'{self.guest}/Image', '--append',
                               f'console=ttyAMA0 quiet {append}'], self.options.timeout)
            says = "applevisor: the guest's kernel has panicked: VFS: Unable to mount root fs" in log
            tap.result(f'a panic ends it {append}', None if status == 7 and says else f'exit status {status}', log.splitlines()[-15:])

    def compare(self, tap, name, log, reference):
        if reference is None:
            tap.skip(name, 'there is no qemu-system-aarch64')
            return
        theirs = work_of(reference[0])
        if theirs is None:
            tap.result(name, 'the guest did not come to its end under QEMU', reference[0].splitlines()[-15:])
            return
        ours = work_of(log) or []
        tap.result(name, None if ours == theirs else 'the output differs',
                   list(difflib.unified_diff(theirs, ours, 'qemu', 'applevisor', lineterm=''))[:60])

    def debian(self, tap, have_qemu):
        disk = ['--disk', f'{self.guest}/disk.img,snapshot']
        log, status = self.ours(2, '/guest/userland', disk, 'disk=/dev/vda')
        self.keep_log('debian', log)
        tap.result('Debian: perl, python3, dpkg and sha256sum', judge(log, status, 2), log.splitlines()[-15:])
        reference = None
        if have_qemu:
            reference = self.theirs('/guest/userland', ['-smp', '2', '-drive', f'file={self.guest}/disk.img,format=raw,snapshot=on,if=none,id=d',
                                                        '-device', 'virtio-blk-device,drive=d'], 'disk=/dev/vda')
        self.compare(tap, 'Debian: the work is as under QEMU', log, reference)
        self.network(tap, disk)

    def network(self, tap, disk):
        folder = os.path.join(self.guest, 'archive')
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        make_archive(folder)
        with web_server(folder) as port:
            work = ('. /guest/linux-network; set -e; '
                    f'echo deb [trusted=yes] http://10.0.2.2:{port}/ ./ >/etc/apt/sources.list; rm -f /etc/apt/sources.list.d/*; '
                    'apt-get -o APT::Sandbox::User=root update; apt-get -o APT::Sandbox::User=root download applevisor-test; '
                    'dpkg --force-depends --force-not-root -i applevisor-test_1_arm64.deb; dpkg -s applevisor-test | grep ^Status; '
                    'sha256sum /usr/share/applevisor-test/data')
            log, status = self.ours(2, work, [*disk, '--net', 'user'], 'disk=/dev/vda')
        self.keep_log('network', log)
        complaint = judge(log, status, 2)
        for text in ('Status: install ok installed', 'fbbab289f7f94b25736c58be46a994c441fd02552cc6022352e3d86d2fab7c83  /usr/share'):
            if complaint is None and text not in log:
                complaint = f'there is no "{text}"'
        tap.result('Debian: apt-get and dpkg through user networking', complaint, log.splitlines()[-25:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--applevisor', required=True)
    parser.add_argument('--build', required=True)
    parser.add_argument('--cpus', type=int, action='append', default=[])
    parser.add_argument('--times', type=int, default=1)
    parser.add_argument('--panic', action='store_true')
    parser.add_argument('--debian', action='store_true')
    parser.add_argument('--timeout', type=int, default=500)
    options = parser.parse_args()

    made = subprocess.run([f'{TOP}/tools/dev/linux', '--build', options.build, *(['--debian'] if options.debian else []), '--only-build'],
                          stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if made.returncode == 77:
        print("1..0 # SKIP Debian's arm64 packages cannot be fetched")
        return 0
    if made.returncode != 0:
        print('Bail out! the guest was not built')
        return 1
    have_qemu = shutil.which('qemu-system-aarch64') is not None
    tester = Tester(options)
    tap = Tap(2 * len(options.cpus) + (2 if options.panic else 0) + (3 if options.debian else 0))
    reference = tester.theirs('/guest/userland') if have_qemu and options.cpus else None
    for cpus in options.cpus:
        tester.boot(tap, cpus, reference)
    if options.panic:
        tester.panic(tap)
    if options.debian:
        tester.debian(tap, have_qemu)
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
