#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""run.py --applevisor PROGRAM [--qemu PROGRAM] IMAGE...

Runs each bare-metal image under `applevisor run` and under qemu-system-aarch64, and compares what they print byte for byte.
Both must end with the line `exit 0`. Writes TAP. Without QEMU the images still run, and the comparison is skipped.
--engine NAME: under `applevisor run` only, with this HV_ENGINE.
"""
import argparse
import difflib
import os
import shutil
import subprocess
import sys

# Images that start more vCPUs than the first.
CPUS = {'smp': '4', 'ordering': '4', 'broadcast': '4', 'strict': '4', 'gic_smp': '8'}
# Images that show what QEMU 7.2 does wrong, so that there is nothing to compare.
QEMU_DIFFERS = {'strict': 'on x86, QEMU 7.2 puts no barrier between STLR and LDAR, and may translate old code again while it is replaced'}
# Images that need an interrupt controller.
GIC = {'gic', 'gic_smp'}
# Images that need another chip than the default one.
CHIP = {'granules': 'max'}
QEMU_OPTIONS = ['-M', 'virt', '-cpu', 'max', '-nodefaults', '-nic', 'none', '-display', 'none', '-serial', 'stdio', '-no-reboot']


def run(command, seconds):
    """What the guest printed, and a sentence when it did not come to its end."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as timeout:
        return (timeout.stdout or b'').decode(errors='replace'), f'still running after {seconds} s'
    text = done.stdout.decode(errors='replace')
    if done.returncode != 0:
        return text, f'exit status {done.returncode}: {done.stderr.decode(errors="replace").strip()}'
    if not text.endswith('exit 0\n'):
        return text, 'the last line is not `exit 0`'
    return text, None


class Tap:
    def __init__(self, count):
        self.n = 0
        self.failed = 0
        print(f'1..{count}', flush=True)

    def result(self, name, complaint, details=()):
        self.n += 1
        self.failed += complaint is not None
        print(f'{"ok" if complaint is None else "not ok"} {self.n} - {name}')
        if complaint is not None:
            for line in [complaint, *details]:
                print('# ' + line.rstrip('\n').replace('\n', '\n# '))
        sys.stdout.flush()

    def skip(self, name, reason):
        self.n += 1
        print(f'ok {self.n} - {name} # SKIP {reason}', flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--applevisor', required=True)
    parser.add_argument('--qemu', default='qemu-system-aarch64')
    parser.add_argument('--engine')
    parser.add_argument('--timeout', type=int, default=60)
    parser.add_argument('images', nargs='+')
    options = parser.parse_args()
    qemu = shutil.which(options.qemu)
    tap = Tap((1 if options.engine else 2) * len(options.images))
    if options.engine:
        os.environ['HV_ENGINE'] = options.engine
    for image in options.images:
        name = os.path.splitext(os.path.basename(image))[0]
        cpus = CPUS.get(name, '1')
        os.environ['HV_CHIP'] = CHIP.get(name, '')
        ours, complaint = run([options.applevisor, 'run', *(['--gic'] if name in GIC else []), '--cpus', cpus, image], options.timeout)
        tap.result(f'{name} runs to its end', complaint, ours.splitlines()[-12:])
        if options.engine:
            continue
        if qemu is None:
            tap.skip(f'{name} prints what it does under QEMU', f'there is no {options.qemu}')
            continue
        if name in QEMU_DIFFERS:
            tap.skip(f'{name} prints what it does under QEMU', QEMU_DIFFERS[name])
            continue
        theirs, complaint = run([qemu, *QEMU_OPTIONS, *(['-M', 'gic-version=3'] if name in GIC else []), '-smp', cpus, '-kernel', image], options.timeout)
        if complaint is not None:
            tap.result(f'{name} prints what it does under QEMU', f'QEMU: {complaint}', theirs.splitlines()[-12:])
            continue
        difference = list(difflib.unified_diff(theirs.splitlines(), ours.splitlines(), 'qemu', 'applevisor', n=3, lineterm=''))
        tap.result(f'{name} prints what it does under QEMU', 'the output differs' if theirs != ours else None, difference[:60])
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
