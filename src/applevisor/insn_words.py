#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""insn_words.py insn_forms.inc: do the assembler and the table agree what the word of each text is?"""
import os
import re
import struct
import subprocess
import sys
import tempfile

HEAD = '.arch armv8.5-a+memtag+sve\n.arch_extension rcpc\n'


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        forms = re.findall(r'^FORM\("([^"]*)", (0x[0-9a-f]{8}), ', f.read(), re.M)
    forms = [(text, int(word, 16)) for text, word in forms if text != '-']
    with tempfile.TemporaryDirectory() as folder:
        source, target, binary = (os.path.join(folder, name) for name in ('a.s', 'a.o', 'a.bin'))
        with open(source, 'w', encoding='utf-8') as f:
            f.write(HEAD + ''.join(text + '\n' for text, _ in forms))
        subprocess.run(['aarch64-linux-gnu-as', '-o', target, source], check=True)
        subprocess.run(['aarch64-linux-gnu-objcopy', '-O', 'binary', '-j', '.text', target, binary], check=True)
        with open(binary, 'rb') as f:
            words = [word for word, in struct.iter_unpack('<I', f.read())]
    if len(words) != len(forms) or not forms:
        sys.exit(f'{len(forms)} texts gave {len(words)} words')
    wrong = [(text, word, got) for (text, word), got in zip(forms, words) if word != got]
    for text, word, got in wrong:
        print(f'{text}: the table says 0x{word:08x}, the assembler 0x{got:08x}')
    print(f'{len(forms)} forms, {len(wrong)} wrong')
    return 1 if wrong else 0


sys.exit(main())
