#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""HV_TRACE: what the library prints about itself. usage: trace_test.py PROGRAM, examples/hello, whose guest is at 0x4000"""
import os
import re
import shutil
import subprocess
import sys

number = 0


def check(good, what, seen=''):
    global number
    number += 1
    print('ok' if good else 'not ok', number, '-', what)
    if not good:
        print('\n'.join('# ' + line for line in seen.splitlines()))


def hello(trace, engine='soft-eager', program=None):
    environment = dict(os.environ, HV_TRACE=trace, HV_ENGINE=engine)
    return subprocess.run(program or [sys.argv[1]], env=environment, capture_output=True, text=True)


def translated(ran):
    """Whether this host has the translator: else blocks are interpreted, and there is less to see."""
    return re.search(r'^jit: [1-9]\d* blocks of', ran.stderr, re.M) is not None


def statistics():
    ran = hello('jit')
    check(ran.returncode == 0 and re.search(r'^jit: \d+ blocks of \d+ instructions, \d+ bytes of code; \d+ blocks interpreted$',
                                            ran.stderr, re.M), 'jit: a line with the blocks', ran.stderr)
    if translated(ran):
        check(re.search(r'left for\njit:   helper brk +1$', ran.stderr, re.M), 'jit: BRK left the code once', ran.stderr)
    cold = hello('jit', 'soft')
    if translated(ran):
        check(re.search(r'^jit: 0 blocks .*; 0 blocks interpreted$', cold.stderr, re.M) and
              re.search(r'^jit: 1 times code interpreted because it was new, 0 copies for other addresses$', cold.stderr, re.M), 'jit: code that runs once', cold.stderr)
    both = hello('1,jit', 'soft-interp')
    check(re.search(r'^jit: 0 blocks .*; 1 blocks interpreted$', both.stderr, re.M), 'jit: none with soft-interp', both.stderr)
    return translated(ran)


def listing(has_code):
    ran = hello('block=0x4004')
    want = ['^block 0x4000: 2 instructions', '^  0x4000: d2800840$', '^  0x4004: d4200000$', '= CONST 0x42$', 'HELPER brk$']
    if has_code:
        want += ['^code of block 0x4000 at 0x', '^    00000: ', '^  stub: request', r'^  exit 0: rel32 at .*, to 0x4008$']
    check(all(re.search(w, ran.stderr, re.M) for w in want), 'block=: an address in the block lists it', ran.stderr)
    check(hello('block=0x4008').stderr == '', 'block=: the address behind it does not')
    check(hello('block=0x3ffc').stderr == '', 'block=: nor that before it')


def words():
    check(hello('').stderr == '' and hello('0').stderr == '', 'nothing asked for, nothing printed')
    for bad in 'yes', 'jit,', 'block=', 'block=zz', 'block=-1', 'jit,block=0x1g':
        ran = hello(bad)
        if bad == 'jit,':
            check(ran.returncode == 0, 'an empty word is none')
            continue
        check(ran.returncode != 0 and 'HV_BAD_ARGUMENT: HV_TRACE has' in ran.stderr,
              f'{bad}: refused, and said so', ran.stderr)


def perf():
    process = subprocess.Popen([sys.argv[1]], env=dict(os.environ, HV_TRACE='perf', HV_ENGINE='soft-eager'), stdout=subprocess.DEVNULL)
    process.wait()
    path = f'/tmp/perf-{process.pid}.map'
    try:
        with open(path, encoding='ascii') as file:
            text = file.read()
        os.unlink(path)
    except OSError as error:
        text = str(error)
    check(re.fullmatch(r'[0-9a-f]+ [0-9a-f]+ a64_el1_0x4000\n', text), 'perf: a symbol for the block', text)


def gdb():
    if shutil.which('gdb') is None:
        check(True, 'gdb: # SKIP no gdb')
        return
    script = ['-ex', 'set breakpoint pending on', '-ex', 'set debuginfod enabled off', '-ex', 'break __jit_debug_register_code',
              '-ex', 'break helper_brk', '-ex', 'run', '-ex', 'continue', '-ex', 'bt 2']
    ran = hello('gdb', program=['gdb', '-nx', '-batch'] + script + [sys.argv[1]])
    if 'ptrace' in ran.stderr or 'helper_brk' not in ran.stdout:
        check(True, 'gdb: # SKIP it cannot run programs here')
        return
    check(re.search(r'^#1 .* in a64_el1_0x4000 \(\)$', ran.stdout, re.M), 'gdb: the frame of the block has its name',
          ran.stdout + ran.stderr)


code = statistics()
listing(code)
words()
if code:
    perf()
    gdb()
print(f'1..{number}')
