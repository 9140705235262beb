#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The generated decoder names the same row as the reference evaluator of the table (tools/gen/a64_table.py), on words that are
random, near a row, and single-bit neighbours of those. usage: decoder_test.py DRIVER SOURCE_ROOT"""
import random
import struct
import subprocess
import sys
from pathlib import Path

COUNT = 120000


def main():
    driver, root = sys.argv[1], Path(sys.argv[2])
    sys.path.insert(0, str(root / 'tools/gen'))
    import a64_table
    table = a64_table.Table(str(root / 'data/a64-encodings.tsv'))
    rng = random.Random(64)
    rows = [row for row in table.rows if row['group'] in ('base', 'simd')]
    words = []
    while len(words) < COUNT:
        row = rng.choice(rows)
        word = (rng.getrandbits(32) & ~row.mask | row.value) & 0xffffffff
        words += [word, word ^ 1 << rng.randrange(32), rng.getrandbits(32)]
    answer = subprocess.run([driver], input=struct.pack(f'<{len(words)}I', *words), stdout=subprocess.PIPE, check=True).stdout
    names = answer.decode().split('\n')[:-1]
    assert len(names) == len(words), (len(names), len(words))
    # Should-be bits: the decoder accepts every value, so the reference is asked about the word with the bits as they should be.
    loose = [row for row in rows if row['sb_mask'] and not row['class'].startswith('integer_flags')]
    wrong = 0
    for word, name in zip(words, names):
        row, status = table.match(word)
        if row is None:
            for candidate in loose:
                mask = int(candidate['sb_mask'], 16)
                fixed = word & ~mask | candidate.value & mask
                found, found_status = table.match(fixed)
                if found is candidate and word & candidate.mask & ~mask == candidate.value & ~mask:
                    row, status = found, found_status
        expected = row['name'] if row is not None and status == 'ok' and row['group'] in ('base', 'simd') else '-'
        if name != expected:
            wrong += 1
            if wrong <= 10:
                print(f'# {word:08x}: decoder {name}, table {expected}')
    print('1..1')
    print('ok' if wrong == 0 else 'not ok', f'1 - {len(words)} words, {wrong} differences')


main()
