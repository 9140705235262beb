#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The generated decoder gives the same row as the reference evaluator of the table (tools/gen/a64_table.py), on words that are
random, near a row, and single-bit neighbours of those; with every feature, with none, and with sets drawn at random.

usage: decoder_test.py DRIVER SOURCE_ROOT"""
import random
import re
import struct
import subprocess
import sys
from pathlib import Path

COUNT = 150000
SETS = 6  # of features drawn at random


def loosened(rows):
    """Should-be bits: the decoder accepts every value of them (the choices are listed in decoder.py)."""
    for row in rows:
        if row['sb_mask'] and not row['class'].startswith('integer_flags'):
            row.mask &= ~int(row['sb_mask'], 16)
            row.value &= row.mask


def draw_words(rng, rows):
    words = []
    while len(words) < COUNT:
        row = rng.choice(rows)
        word = (rng.getrandbits(32) & ~row.mask | row.value) & 0xffffffff
        words += [word, word ^ 1 << rng.randrange(32), rng.getrandbits(32)]
    return words


def holds(expression, features):
    """A requirement such as `FEAT_D128 & FEAT_THE`."""
    return not expression or eval(re.sub(r'\w+', lambda name: str(name.group(0) in features), expression))


def answers(driver, words, names, features):
    bits = sum(1 << i for i, name in enumerate(names) if name in features)
    result = subprocess.run([driver, f'{bits & (1 << 64) - 1:x}', f'{bits >> 64:x}'], input=struct.pack(f'<{len(words)}I', *words),
                            stdout=subprocess.PIPE, check=True).stdout
    return result.decode().split('\n')[:-1]


def main():
    driver, root = sys.argv[1], Path(sys.argv[2])
    sys.path.insert(0, str(root / 'tools/gen'))
    import a64_table
    import decoder
    encodings = str(root / 'data/a64-encodings.tsv')
    names = decoder.all_features(decoder.read_rows(encodings))
    table = a64_table.Table(encodings)
    rows = [row for row in table.rows if row['group'] in ('base', 'simd')]
    loosened(rows)
    rng = random.Random(64)
    words = draw_words(rng, rows)
    owners = []
    for word in words:
        row, status = table.match(word)
        ours = status == 'ok' and row['group'] in ('base', 'simd')
        owners.append((f'{row["name"]} {row["class"]}', table.feats(row, word)) if ours else ('-', ''))

    sets = [set(names), set()] + [{name for name in names if rng.random() < 0.5} for _ in range(SETS)]
    print(f'1..{len(sets)}')
    for number, features in enumerate(sets, 1):
        got = answers(driver, words, names, features)
        there = features | decoder.ALWAYS
        verdicts = {needs: holds(needs, there) for _, needs in owners}
        wrong = len(words) if len(got) != len(words) else 0
        for word, (name, needs), answer in zip(words, owners, got):
            expected = name if verdicts[needs] else '-'
            if answer != expected:
                wrong += 1
                if wrong <= 10:
                    print(f'# {word:08x}: decoder {answer}, table {expected}')
        print('ok' if wrong == 0 else 'not ok', f'{number} - {len(features)} features, {len(words)} words, {wrong} differences')


main()
