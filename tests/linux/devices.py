#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""devices.py --applevisor PROGRAM --build DIR

Debian's own drivers on the board's virtio devices: ext4 on a disk, whose image the host checks afterwards, disks that are read-only, a
snapshot, full, or whose process is killed after a sync; DHCP and HTTP through user networking, a forwarded port; a shared folder; entropy;
the console hvc0. Writes TAP; all is skipped when the guest's packages cannot be fetched.
"""
import argparse
import hashlib
import os
import random
import resource
import select
import shutil
import socket
import subprocess
import sys
import time

import boot

# Run by the guest from the shared folder /m; what comes behind an error is not run.
DEVICES = r'''
set -e
cd /
echo "entropy: $(head -c 4096 /dev/hwrng | wc -c) bytes by $(cat /sys/class/misc/hw_random/rng_current)"
modprobe ext4
mkdir -p /ext4 /old
mount -o discard /dev/vda /ext4
sha256sum /ext4/given | cut -c1-64
dd if=/dev/urandom of=/ext4/made bs=64k count=40 2>/dev/null
sha256sum /ext4/made | cut -c1-64 >/m/made.sum
cp /ext4/made /ext4/gone
sync
rm /ext4/gone
fstrim /ext4
echo 3 >/proc/sys/vm/drop_caches
sha256sum /ext4/made | cut -c1-64 | cmp - /m/made.sum && echo disk: same
umount /ext4
echo "read-only: $(cat /sys/block/vdb/ro) $(sha256sum /dev/vdb | cut -c1-64)"
(dd if=/dev/zero of=/dev/vdb bs=4096 count=1) 2>/dev/null || echo read-only: refused
dd if=/dev/urandom of=/dev/vdc bs=4096 count=100 conv=fsync 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
echo "snapshot: $(dd if=/dev/vdc bs=4096 skip=100 2>/dev/null | sha256sum | cut -c1-64)"
ip link set lo up
ip link set eth0 up
udhcpc -i eth0 -n -q -s /m/dhcp >/dev/null 2>&1
echo "dhcp: $(cat /dhcp)"
echo "http: $(wget -q -O - http://10.0.2.2:PORT/data | sha256sum | cut -c1-64)"
echo forwarded | nc -l -p 7 >/m/from-host &
while ! grep -q ':0007 .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done
touch /m/listening
wait
cd /m
mkdir -p deep/er && echo text >deep/er/file && mv deep/er/file moved && ln -s moved link && ln moved hard && chmod 640 moved && rm -r deep
echo "share: $(cat link) $(stat -c '%a %h %s' moved) $(readlink link)"
dd if=/dev/urandom of=data bs=100000 count=20 2>/dev/null
sha256sum data | cut -c1-64 >data.sum
echo 3 >/proc/sys/vm/drop_caches
sha256sum data | cut -c1-64 | cmp - data.sum && echo share: same
i=0
while [ $i -lt 200 ]; do : >many.$i; i=$((i + 1)); done
echo "share: $(ls | grep -c many)"
rm many.*
ln -s /etc/shadow escape
cat escape 2>/dev/null && echo share: escaped || true
chown 5 moved 2>/dev/null || echo share: no owners
'''

# For udhcpc.
DHCP = r'''#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add $ip/24 dev $interface
ip route add default via $router
echo $ip $router $dns >/dhcp
'''

FULL = r'''
dd if=/dev/zero of=/dev/vda bs=1M count=4 seek=2046 conv=fsync 2>&1 | grep -v copied
dd if=/dev/zero of=/dev/vda bs=4096 count=100 conv=fsync 2>/dev/null && echo below the limit: written
echo alive
'''

KILLED = r'''
modprobe ext4
mkdir /ext4
mount /dev/vda /ext4
dd if=/dev/urandom of=/ext4/kept bs=64k count=30 2>/dev/null
sha256sum /ext4/kept | cut -c1-64 >/m/kept.sum
sync
touch /m/synced
while :; do dd if=/dev/urandom of=/ext4/lost bs=64k count=30 2>/dev/null; done
'''

MOUNT = 'modprobe -a 9p 9pnet_virtio; mkdir /m; mount -t 9p -o trans=virtio,version=9p2000.L share /m; '


def digest(path):
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def read(path):
    with open(path, encoding='ascii', errors='replace') as file:
        return file.read().strip()


class Devices:
    def __init__(self, options):
        self.options = options
        self.guest = os.path.join(options.build, 'linux')
        self.folder = os.path.join(options.build, 'linux-devices')
        self.share = os.path.join(self.folder, 'share')
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.share)
        self.random = random.Random(1)

    def path(self, name):
        return os.path.join(self.folder, name)

    def make_file(self, path, size):
        with open(path, 'wb') as file:
            file.write(self.random.randbytes(size))
        return digest(path)

    def make_ext4(self, name):
        """A file system with one file; its digest. Its blocks are as large as the guest's pages: with smaller ones Linux 6.1 (under QEMU
        too) commits a file whose last extent goes past its size, when a page's first block is all that a group has left, and e2fsck minds."""
        tree = self.path('tree')
        os.makedirs(tree)
        known = self.make_file(os.path.join(tree, 'given'), 3 << 20)
        subprocess.run(['/sbin/mke2fs', '-q', '-F', '-t', 'ext4', '-b', '4096', '-d', tree, self.path(name), '64M'], check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(tree)
        return known

    def file_of_image(self, name, file):
        """The digest of a file in an image; the image must be in order."""
        checked = subprocess.run(['/sbin/e2fsck', '-f', '-n', self.path(name)], capture_output=True, check=False)
        if checked.returncode != 0:
            return 'e2fsck: ' + checked.stdout.decode(errors='replace')
        out = subprocess.run(['/sbin/debugfs', '-R', f'cat {file}', self.path(name)], capture_output=True, check=True).stdout
        return hashlib.sha256(out).hexdigest()

    def command(self, work, extra=(), console='ttyAMA0'):
        with open(os.path.join(self.share, 'work'), 'w', encoding='ascii') as file:
            file.write(work)
        return [self.options.applevisor, 'boot', '--kernel', f'{self.guest}/Image', '--initrd', f'{self.guest}/initramfs.cpio.gz',
                '--cpus', '2', '--share', self.share, *extra,
                '--append', f'console={console} panic=-1 run="{MOUNT}sh /m/work"']

    def start(self, work, extra=(), **more):
        return subprocess.Popen(self.command(work, extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, **more)

    def finish(self, process, name):
        try:
            out = process.communicate(timeout=self.options.timeout)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            out = process.communicate()[0]
            process.returncode = None
        text = out.decode(errors='replace').replace('\r', '')
        with open(self.path(name + '.log'), 'w', encoding='utf-8') as file:
            file.write(text)
        return text

    def wait_for(self, name, process):
        """Until the guest has made the file in the share; False: the guest has ended, or it takes too long."""
        end = time.monotonic() + self.options.timeout
        while not os.path.exists(os.path.join(self.share, name)):
            # What the guest prints must not fill the pipe.
            if select.select([process.stdout], [], [], 0.1)[0]:
                self.seen += os.read(process.stdout.fileno(), 65536)
            if process.poll() is not None or time.monotonic() > end:
                return False
        return True

    def all_devices(self, tap):
        given = self.make_ext4('ext4.img')
        read_only = self.make_file(self.path('ro.img'), 1 << 20)
        base = self.make_file(self.path('base.img'), 1 << 20)
        with open(self.path('base.img'), 'rb') as file:
            tail = hashlib.sha256(file.read()[100 * 4096:]).hexdigest()
        with open(os.path.join(self.share, 'dhcp'), 'w', encoding='ascii') as file:
            file.write(DHCP)
        os.chmod(os.path.join(self.share, 'dhcp'), 0o755)
        web = self.path('web')
        os.makedirs(web)
        page = self.make_file(os.path.join(web, 'data'), 2 << 20)
        with boot.web_server(web) as port, socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            forward = free.getsockname()[1]
            free.close()
            self.seen = b''
            process = self.start(DEVICES.replace('PORT', str(port)),
                                 ['--disk', self.path('ext4.img'), '--disk', self.path('ro.img') + ',ro',
                                  '--disk', self.path('base.img') + ',snapshot',
                                  '--net', f'user,hostfwd=tcp::{forward}-:7'])
            answer = b''
            if self.wait_for('listening', process):
                with socket.create_connection(('127.0.0.1', forward), timeout=60) as connection:
                    connection.sendall(b'from the host\n')
                    connection.shutdown(socket.SHUT_WR)
                    while chunk := connection.recv(100):
                        answer += chunk
            text = self.seen.decode(errors='replace').replace('\r', '') + self.finish(process, 'devices')
        work = boot.work_of(text) or []
        tap.result('boots, works, powers off', boot.judge(text, process.returncode, 2), text.splitlines()[-20:])

        def expect(name, *lines):
            missing = [line for line in lines if line not in work]
            tap.result(name, f'there is no "{missing[0]}"' if missing else None, work)

        expect('entropy', 'entropy: 4096 bytes by virtio_rng.0')
        expect('ext4: what the host has put there, and the guest', given, 'disk: same')
        made = read(os.path.join(self.share, 'made.sum')) if work else ''
        found = self.file_of_image('ext4.img', 'made')
        tap.result('ext4: the image holds it, and is in order', None if found == made else f'{found} is not {made}')
        expect('a read-only disk', f'read-only: 1 {read_only}', 'read-only: refused')
        expect('a snapshot', f'snapshot: {tail}')
        tap.result('both images are untouched', None if (digest(self.path('ro.img')), digest(self.path('base.img'))) == (read_only, base)
                   else 'they have changed')
        expect('DHCP and HTTP', 'dhcp: 10.0.2.15 10.0.2.2 10.0.2.3', f'http: {page}')
        from_host = os.path.join(self.share, 'from-host')
        tap.result('a forwarded port', None if answer == b'forwarded\n' and read(from_host) == 'from the host' else f'answer {answer}')
        expect('a shared folder', 'share: text 640 2 5 moved', 'share: same', 'share: 200', 'share: no owners')
        data = os.path.join(self.share, 'data')
        tap.result('the folder on the host', None if os.path.exists(data) and digest(data) == read(data + '.sum') and
                   os.readlink(os.path.join(self.share, 'link')) == 'moved' else 'it differs')

    def full(self, tap):
        """The host's limit of a file's size stands for a full disk. It counts for memory too that is a file: it must not be small."""
        limit = 2 << 30
        with open(self.path('full.img'), 'wb') as file:
            file.truncate(3 << 30)

        def set_limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        process = self.start(FULL, ['--disk', self.path('full.img')], preexec_fn=set_limit)
        text = self.finish(process, 'full')
        missing = [line for line in ('I/O error', 'below the limit: written', 'alive', 'File too large; the guest gets an I/O error')
                   if line not in text]
        tap.result('a full host: the guest gets an I/O error and lives',
                   f'there is no "{missing[0]}"' if missing else None if process.returncode == 0 else f'exit status {process.returncode}',
                   text.splitlines()[-20:])

    def killed(self, tap):
        self.make_ext4('killed.img')
        self.seen = b''
        process = self.start(KILLED, ['--disk', self.path('killed.img')])
        reached = self.wait_for('synced', process)
        time.sleep(1)
        process.kill()
        process.communicate()
        if not reached:
            tap.result('what was synced outlives the process', 'the guest did not come so far', self.seen.decode(errors='replace').splitlines()[-20:])
            return
        # The journal is the guest's affair: it is replayed before anything is read.
        subprocess.run(['/sbin/e2fsck', '-p', self.path('killed.img')], stdout=subprocess.DEVNULL, check=False)
        kept, found = read(os.path.join(self.share, 'kept.sum')), self.file_of_image('killed.img', 'kept')
        tap.result('what was synced outlives the process', None if kept == found else f'{found} is not {kept}')

    def console(self, tap):
        # Without the kernel's messages, which come in the middle of a line.
        text, status = boot.run(self.command('dmesg -n 1; echo on $(cat /sys/class/tty/console/active); head -c 200000 /dev/zero | tr "\\\\0" x; echo end',
                                             console='hvc0'), self.options.timeout)
        with open(self.path('hvc0.log'), 'w', encoding='utf-8') as file:
            file.write(text)
        complaint = f'exit status {status}' if status != 0 else None
        if complaint is None and ('on hvc0' not in text or 'x' * 200000 + 'end' not in text or 'linux-guest: exit 0' not in text):
            complaint = 'the output is not complete'
        tap.result('the console hvc0', complaint, [line[:200] for line in text.splitlines()[-20:]])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--applevisor', required=True)
    parser.add_argument('--build', required=True)
    parser.add_argument('--timeout', type=int, default=400)
    options = parser.parse_args()
    made = subprocess.run([f'{boot.TOP}/tools/dev/linux', '--build', options.build, '--only-build'],
                          stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    if made.returncode == 77:
        print("1..0 # SKIP Debian's arm64 packages cannot be fetched")
        return 0
    if made.returncode != 0:
        print('Bail out! the guest was not built')
        return 1
    tap = boot.Tap(14)
    devices = Devices(options)
    devices.all_devices(tap)
    devices.full(tap)
    devices.killed(tap)
    devices.console(tap)
    return 1 if tap.failed else 0


if __name__ == '__main__':
    sys.exit(main())
