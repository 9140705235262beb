# SPDX-License-Identifier: MIT OR Apache-2.0
"""The rows of kind linux: Debian's arm64 kernel boots from a disk, and bench/linux/userland.sh runs in it.

The guest is that of the suite linux (BUILD/linux, made by tools/dev/linux-guest when it is not there). The script comes to it as
the bytes of a second disk, so that no image has to be made for it.
"""
import os
import re
import subprocess
import threading
import time

import machines

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
MEMORY_MB = 1024
READY = 'linux-guest: ready'
EXIT = 'linux-guest: exit'
SECONDS = 1800
SECTOR = 4096
RESULT = re.compile(r'bench (linux_\w+) (\d+) (\d+)$')


class Measurement:
    """Nanoseconds of one row in one boot, in the shape of machines.Measurement."""

    def __init__(self, ns, checksum):
        self.median = self.least = ns
        self.first = ns
        self.warm_median = self.warm_least = None
        self.checksum = checksum


def have_guest(folder):
    """Makes the guest in this folder unless it is there. Raises machines.Failed."""
    if all(os.path.exists(os.path.join(folder, name)) for name in ('Image', 'initramfs.cpio.gz', 'disk.img')):
        return
    done = subprocess.run([os.path.join(TOP, 'tools/dev/linux-guest'), '--disk', '-o', folder], check=False)
    if done.returncode != 0:
        raise machines.Failed('the Debian guest cannot be made')


def script_disk(folder):
    """The script, filled up with empty lines."""
    path = os.path.join(folder, 'userland.img')
    with open(os.path.join(TOP, 'bench/linux/userland.sh'), 'rb') as file:
        script = file.read()
    with open(path, 'wb') as file:
        file.write(script + b'\n' * (-len(script) % SECTOR))
    return path


def command_of(machine, guest, script, cpus, work):
    """The command line of this machine, None where it cannot boot Linux."""
    kernel, initrd, disk = (os.path.join(guest, name) for name in ('Image', 'initramfs.cpio.gz', 'disk.img'))
    append = 'console=ttyAMA0 panic=-1 quiet disk=/dev/vda run="' + ('sh /dev/vdb' if work else ':') + '"'
    if machine.name in ('ours', 'interp'):
        return [machine.command[0], 'boot', '--kernel', kernel, '--initrd', initrd, '--memory', f'{MEMORY_MB}M', '--cpus', str(cpus),
                '--disk', disk + ',snapshot', '--disk', script + ',ro', '--append', append]
    if machine.name.startswith('qemu'):
        command = list(machine.command[:-1])  # without -kernel
        command[command.index('virt')] = 'virt,gic-version=3'
        command[command.index('-m') + 1] = str(MEMORY_MB)
        # The kernel finds the virtio-mmio devices in the reverse order of these options.
        for name, options in ((script, 'readonly=on'), (disk, 'snapshot=on')):
            node = 'd' + str(len(command))
            command += ['-drive', f'if=none,id={node},format=raw,file={name},{options}', '-device', f'virtio-blk-device,drive={node}']
        return [*command, '-smp', str(cpus), '-kernel', kernel, '-initrd', initrd, '-append', append]
    return None


def beyond_ram_mb(pid):
    """Resident memory of a machine without guest RAM, which is the mapping of exactly this size. Pages mapped twice count once."""
    total = size = 0
    with open(f'/proc/{pid}/smaps', encoding='utf-8') as file:
        for line in file:
            if line.startswith('Size:'):
                size = int(line.split()[1])
            elif line.startswith('Pss:') and size != MEMORY_MB << 10:
                total += int(line.split()[1])
    return total / 1024


def boot(command, environment):
    """Runs the guest to its end. Returns {row: Measurement}, and the memory that the machine has at the end."""
    results = {}
    memory = None
    exited = None
    tail = ['no output']
    start = time.monotonic_ns()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors='replace', env=environment and {**os.environ, **environment}) as guest:
        watchdog = threading.Timer(SECONDS, guest.kill)
        watchdog.start()
        for line in guest.stdout:
            line = line.rstrip()
            tail = [*tail[-3:], line]
            result = RESULT.search(line)  # not at its start where the kernel has printed something without a newline
            if line.startswith(READY):
                results['linux_boot'] = Measurement(time.monotonic_ns() - start, line.split()[2])
            elif line.startswith(EXIT):
                exited = line.split()[2]
                memory = beyond_ram_mb(guest.pid)
            elif result:
                results[result[1]] = Measurement(int(result[2]), result[3])
        watchdog.cancel()
    if exited != '0':
        raise machines.Failed(f'the guest did not come to its end: {" | ".join(tail)}')
    return results, memory


def measure(rows, kinds, options, build, folder):
    """Like measure() of bench/run, for all rows of kind linux together: one boot serves them all. Returns the memory of each machine."""
    memory = {}
    guest = os.path.join(build, 'linux')
    broken = set()
    try:
        have_guest(guest)
    except machines.Failed as failure:
        rows[0].failures.append(str(failure))
        return memory
    script = script_disk(folder)
    for _ in range(options.rounds):
        for kind in kinds:
            command = command_of(kind, guest, script, options.cpus, rows[-1].name != 'linux_boot')
            if command is None or kind.name in broken:
                continue
            try:
                results, megabytes = boot(command, kind.environment)
            except (machines.Failed, OSError) as failure:
                broken.add(kind.name)
                rows[0].failures.append(f'linux on {kind.name}: {failure}')
                continue
            memory.setdefault(kind.name, []).append(megabytes)
            for row in rows:
                if row.name in results:
                    row.add(kind.name, results[row.name])
                else:
                    row.failures.append(f'{row.name} on {kind.name}: the guest printed no result')
    return memory
