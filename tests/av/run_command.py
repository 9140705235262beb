#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""run_command.py PROGRAM: `applevisor run` with programs of a few instructions: what they print, how the run ends, what it says. TAP."""
import os
import re
import subprocess
import sys
import tempfile

OFF = 'mov w0, #8\nmovk w0, #0x8400, lsl #16\nhvc #0\n'
UART = 'mov x1, #0x9000000\n'

# name, assembly, options, exit code, standard output, pattern in standard error
CASES = [
    ('SYSTEM_OFF by HVC', OFF, [], 0, '', '^$'),
    ('SYSTEM_OFF by SMC', OFF.replace('hvc', 'smc'), [], 0, '', '^$'),
    ('SYSTEM_RESET ends the run', OFF.replace('#8\n', '#9\n'), [], 0, '', '^$'),
    ('the last vCPU off', OFF.replace('#8\n', '#2\n'), [], 5, '', 'every vCPU is off'),
    ('stores of many forms print',
     UART + 'mov w2, #65\nmov w3, #0\nstrb w2, [x1]\nstrh w2, [x1]\nstp w2, w3, [x1]\nfmov s0, w2\nmov x5, #0x300000\n'
     'msr cpacr_el1, x5\nisb\nfmov s0, w2\nstr s0, [x1]\nstr b0, [x1]\nst1 {v0.b}[0], [x1]\nmov x4, x1\nstrb w2, [x4], #4\n'
     'cmp x4, x1\nb.eq 1f\nstr w2, [x4, #-4]!\n1: ' + OFF, [], 5, 'AAA', 'no vectors installed.*fp access'),
    ('and with the floating-point unit on',
     UART + 'mov x5, #0x300000\nmsr cpacr_el1, x5\nisb\nmov w2, #66\nfmov s0, w2\nstr s0, [x1]\nstr b0, [x1]\nst1 {v0.b}[0], [x1]\n'
     'mov x4, x1\nstrb w2, [x4], #4\nstr w2, [x4, #-4]!\n' + OFF, [], 0, 'BBBBB', '^$'),
    ('an exclusive on a device is named', UART + 'ldxr w2, [x1]\n', [], 5, '', 'the instruction LDXR '),
    ('a load from nowhere', 'mov x1, #0x1000\nldr w2, [x1]\n', [], 5, '', 'data abort, translation fault.*read of 4 bytes to W2 at 0x1000'),
    ('a jump to nowhere', 'mov x1, #0x1000\nbr x1\n', [], 5, '', 'instruction abort, translation fault.*fetch at 0x1000'),
    ('an undefined instruction', 'udf #0\n', [], 5, '', 'no vectors installed.*undefined instruction'),
    ('--trace names exits', 'mrs x0, pmcr_el0\n' + OFF, ['--trace'], 0, '', r'read of PMCR_EL0 to X0[\s\S]*hvc #0x0'),
    ('--max-exits', '1: mrs x0, pmcr_el0\nb 1b\n', ['--max-exits', '10'], 6, '', 'stopped after 10 exits'),
    ('semihosting prints by virtual addresses',
     # Two blocks of 1 GiB at 0x40000000 and 0x80000000, both of RAM.
     'mov x1, #0x40000000\nadd x1, x1, #16, lsl #12\nmov x2, #0x701\nmovk x2, #0x4000, lsl #16\nstp x2, x2, [x1, #8]\n'
     'msr ttbr0_el1, x1\nmov x3, #0x3519\nmsr tcr_el1, x3\nmov x3, #0xff\nmsr mair_el1, x3\nisb\n'
     'mrs x3, sctlr_el1\norr x3, x3, #1\nmsr sctlr_el1, x3\nisb\nadr x1, text\nmov x5, #0x40000000\nadd x1, x1, x5\nmov w0, #4\nhvc #0xf000\n'
     + OFF + 'text: .asciz "high\\n"\n', [], 0, 'high\n', '^$'),
    ('semihosting cannot read what is not there', 'mov x1, #0x1000\nmov w0, #5\nhvc #0xf000\ncmn x0, #1\nb.ne 1f\n' + OFF + '1: udf #0\n',
     [], 0, '', '^$'),
]


def main():
    program = sys.argv[1]
    failed = 0
    print(f'1..{len(CASES)}')
    with tempfile.TemporaryDirectory() as folder:
        source, target, binary = (os.path.join(folder, name) for name in ('a.s', 'a.o', 'a.bin'))
        for number, (name, text, options, code, stdout, stderr) in enumerate(CASES, 1):
            with open(source, 'w', encoding='utf-8') as f:
                f.write(text)
            subprocess.run(['aarch64-linux-gnu-as', '-o', target, source], check=True)
            subprocess.run(['aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.text', target, binary], check=True)
            done = subprocess.run([program, 'run', *options, '--flat', '0x40000000', binary], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60)
            good = done.returncode == code and done.stdout == stdout and re.search(stderr, done.stderr)
            failed += not good
            print(f'{"ok" if good else "not ok"} {number} - {name}', flush=True)
            if not good:
                print(f'# exit code {done.returncode}, expected {code}; printed {done.stdout!r}, expected {stdout!r}')
                print('# said: ' + done.stderr.strip().replace('\n', '\n# '))
    return 1 if failed else 0


sys.exit(main())
