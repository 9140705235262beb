# SPDX-License-Identifier: MIT OR Apache-2.0
"""The machines that run a program, and what a program's output means."""
import os
import shutil
import subprocess
import sys

NAMES = ('ours', 'interp', 'qemu_max', 'qemu_a72', 'unicorn', 'native')
MEMORY_MB = 256
QEMU = ['qemu-system-aarch64', '-M', 'virt', '-m', str(MEMORY_MB), '-nodefaults', '-nic', 'none', '-display', 'none',
        '-serial', 'stdio', '-no-reboot']
CONFIG = b'AV-BENCH-CONFIG\0'  # struct config of guest_main.c: 16 bytes, then target_ms
SECONDS = 300


class Failed(Exception):
    """The program did not come to its end; the text says how."""


class Skipped(Exception):
    """The program says that this host cannot run it."""


class Measurement:
    """One turn: nanoseconds of one unit. warm_*: the same after TLB flushes, None where that is not measured."""

    def __init__(self, text):
        values = dict(line.split(maxsplit=1) for line in text.splitlines() if ' ' in line)
        if 'skip' in values:
            raise Skipped(values['skip'])
        self.checksum = values['checksum']
        scale = 1e9 / int(values['frequency']) / int(values['units'])
        self.first = int(values['first']) * scale

        def unit_ns(prefix, name):
            if prefix + name not in values:
                return None
            return int(values[prefix + name]) * scale / int(values[prefix + 'batch'])
        self.median, self.least = unit_ns('', 'median'), unit_ns('', 'least')
        self.warm_median, self.warm_least = unit_ns('warm_', 'median'), unit_ns('warm_', 'least')


def output_of(command, environment=None):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False,
                              env=environment and {**os.environ, **environment})
    except subprocess.TimeoutExpired:
        raise Failed(f'still running after {SECONDS} s') from None
    text = done.stdout.decode(errors='replace')
    if done.returncode != 0 or not text.endswith('exit 0\n'):
        tail = ' | '.join((text + done.stderr.decode(errors='replace')).splitlines()[-4:])
        raise Failed(f'exit status {done.returncode}: {tail}')
    return text


class Guest:
    def __init__(self, name, build, command, environment=None):
        self.name = name
        self.build = build
        self.command = command
        self.environment = environment

    def runs(self, row):
        return not (self.name == 'qemu_a72' and 'lse' in row.options) and \
            not (self.name == 'unicorn' and not row.is_program())

    def measure(self, row, target_ms, folder):
        # The interpreter's single calls are long enough.
        image = self.configured(row.name, 1 if self.name == 'interp' and target_ms != 0 else target_ms, folder)
        command = list(self.command)
        if 'smp' in row.options and self.name != 'unicorn':  # the second vCPU stays off; that it is there makes the difference
            command[1:1] = ['-smp', '2'] if command[0] == QEMU[0] else []
            command += [] if command[0] == QEMU[0] else ['--cpus', '2']
        return Measurement(output_of([*command, image], self.environment))

    def configured(self, name, target_ms, folder):
        """A copy of the image with this target_ms: there is no other way to hand something to a bare-metal guest."""
        path = os.path.join(folder, f'{name}-{target_ms}.elf')
        if not os.path.exists(path):
            try:
                with open(os.path.join(self.build, 'bench', name + '.elf'), 'rb') as file:
                    image = file.read()
            except OSError as error:
                raise Failed(f'{error}; build it first') from None
            if image.count(CONFIG) != 1:
                sys.exit(f'bench: {name}.elf has no configuration, or several')
            at = image.index(CONFIG) + len(CONFIG)
            with open(path, 'wb') as file:
                file.write(image[:at] + target_ms.to_bytes(8, 'little') + image[at + 8:])
        return path


class Native:
    def __init__(self, build):
        self.name = 'native'
        self.build = build

    def runs(self, row):
        return row.is_program()

    def measure(self, row, target_ms, _folder):
        return Measurement(output_of([os.path.join(self.build, 'bench', row.name + '.native'), str(target_ms)]))


def available(build, names):
    """The machines of these names that this host has; what is missing is said once."""
    run = [os.path.join(build, 'tools/applevisor/applevisor'), 'run', '--memory', f'{MEMORY_MB}M']
    unicorn = os.path.join(build, 'bench/unicorn')
    every = {
        'ours': Guest('ours', build, run, {'HV_ENGINE': 'soft'}),
        'interp': Guest('interp', build, run, {'HV_ENGINE': 'soft-interp'}),
        'qemu_max': Guest('qemu_max', build, [*QEMU, '-cpu', 'max,pauth-impdef=on', '-kernel']),
        'qemu_a72': Guest('qemu_a72', build, [*QEMU, '-cpu', 'cortex-a72', '-kernel']),
        'unicorn': Guest('unicorn', build, [unicorn]),
        'native': Native(build),
    }
    missing = set()
    if shutil.which(QEMU[0]) is None:
        missing |= {'qemu_max', 'qemu_a72'}
    if not os.path.exists(unicorn):
        missing.add('unicorn')
    if not os.path.exists(os.path.join(build, 'bench/sort.native')):
        missing.add('native')
    for name in names:
        if name in missing:
            print(f'bench: {name} is not here to compare with', file=sys.stderr)
    return [every[name] for name in names if name not in missing]
