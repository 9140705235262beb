#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes seed inputs for tests/fuzz/fuzz.c: legal words of every implemented row, with the MMU off and on. usage: seeds.py FOLDER"""
import random
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools/gen'))
import a64_table  # noqa: E402

MEMORY = 0x20000


def header(rng, mmu):
    words = [rng.choice([0, 8, 0x4000, 0x8010, 0x1fff8, rng.getrandbits(64)]) for _ in range(8)]
    # 4 KiB granule, 39 bits below, tables at 0x10000; SCTLR.M, and the FP unit on.
    system = [1 if mmu else 0, 0x80000019 | 25 << 16, 0x10000, 0x10000, 0xff, 0x800, 3 << 20, 0, 0, 0, 0, 0, 0, 0]
    return struct.pack('<4B4B', 7, 7, 7, 7, rng.choice([2, 4 | 2, 0]), rng.choice([0, 4, 16]), 0, 0) + struct.pack('<22Q', *words, *system)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    table = a64_table.Table(str(ROOT / 'data/a64-encodings.tsv'))
    rows = [row for row in table.rows if row['group'] in ('base', 'simd')]
    # Level 1 and 2 tables, then a level 3 of identity pages.
    tables = struct.pack('<Q', 0x11003) + bytes(4088) + struct.pack('<Q', 0x12003) + bytes(4088)
    tables += b''.join(struct.pack('<Q', page << 12 | 0x703 | rng.choice([0, 0, 0, 0x40, 0x80, 1 << 54])) for page in range(32))
    for number in range(150):
        code = b''
        for _ in range(40):
            row = rng.choice(rows)
            code += struct.pack('<I', (rng.getrandbits(32) & ~row.mask | row.value) & 0xffffffff)
        mmu = number % 2 == 1
        memory = code + bytes(0x10000 - len(code)) + tables if mmu else code
        (folder / f'seed-{number}').write_bytes(header(rng, mmu) + memory)


main()
