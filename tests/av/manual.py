#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""manual.py PAGE -- COMPILER ARGUMENTS...

A page of the manual whose C blocks are one program: puts them together in order, compiles them with the command (to which the source
and `-o` are added), runs the program, and compares its output with the page's last text block.
"""
import os
import re
import subprocess
import sys
import tempfile


def blocks(page, language):
    return re.findall(r'^```' + language + r'\n(.*?)^```$', page, re.M | re.S)


def main():
    page_path, dashes, *compiler = sys.argv[1:]
    assert dashes == '--'
    with open(page_path, encoding='utf-8') as f:
        page = f.read()
    code, texts = blocks(page, 'c'), blocks(page, 'text')
    if not code or not texts:
        sys.exit(f'{page_path}: {len(code)} C blocks and {len(texts)} text blocks')
    with tempfile.TemporaryDirectory() as folder:
        source, program = os.path.join(folder, 'page.c'), os.path.join(folder, 'page')
        with open(source, 'w', encoding='utf-8') as f:
            f.write(''.join(code))
        subprocess.run([*compiler, source, '-o', program], check=True)
        done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    if done.returncode != 0 or done.stdout != texts[-1]:
        print(f'exit status {done.returncode}; printed:\n{done.stdout}{done.stderr}expected:\n{texts[-1]}')
        return 1
    print(f'{len(code)} blocks compile, and print what the page says')
    return 0


sys.exit(main())
