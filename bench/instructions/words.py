#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""words.py OUT: an initializer for each word that instructions.c runs. Three of each row of the encoding table that only computes, loads or stores."""
import os
import random
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tests', 'diff'))
import cases  # noqa: E402

# What goes elsewhere, waits, or does not do the same each time.
LEFT_OUT = ('branch', 'system', 'mcpymset', 'memory_exclusive', 'integer_pac_pacia_hint', 'hints', 'literal')
# Destinations are register 0, and X1 is the address; instructions.c gives the others their values.
REGISTERS = {'Rd': 0, 'Rt': 0, 'Rn': 1, 'Rm': 2, 'Ra': 3, 'Rt2': 4, 'Rs': 5}
OFFSETS = ('imm7', 'imm9', 'imm12')


def word_of(row):
    word = 0
    for field in filter(None, row['fields'].split(';')):
        name, high, low = field.split(':')
        high, low = int(high), int(low)
        value = random.getrandbits(high - low + 1)
        if high - low == 4 and name in REGISTERS:
            value = REGISTERS[name]
        elif name in OFFSETS:
            value = random.randrange(3)
        word |= value << low
    mask, fixed = int(row['mask'], 16), int(row['value'], 16)
    return (word & ~mask) | fixed


def main():
    random.seed(5)
    done = cases.implemented_classes()
    with open(sys.argv[1], 'w', encoding='utf-8') as out:
        for row in cases.read_tsv(os.path.join(TOP, 'data', 'a64-encodings.tsv')):
            if row['class'] in done and not any(part in row['class'] for part in LEFT_OUT):
                for word in sorted({word_of(row) for _ in range(3)}):
                    print(f'{{0x{word:08x}, "{row["name"]}"}},', file=out)


if __name__ == '__main__':
    main()
