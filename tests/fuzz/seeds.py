#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""seeds.py FOLDER DICTIONARY: seed inputs for tests/fuzz/fuzz.c, and the words of all encodings for libFuzzer to put in.

Seeds are legal words of every implemented row, with the MMU off and on, by one vCPU or two. Those of two have one that maintains
TLBs and caches, and changes code, and one that runs that code.
"""
import random
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools/gen'))
import a64_table  # noqa: E402

TWO_CPUS, TABLES = 4, 8
SECOND_PC = 0x1000  # of the second vCPU
B_SELF = 0x14000000
DSB_ISH, ISB = 0xd5033b9f, 0xd5033fdf
# By X1, which is an address: IC IVAU, DC CVAU, DC ZVA, STR W2, STXR W3, LDADD W2, TLBI VAE1IS, VMALLE1IS, ASIDE1IS, IC IALLUIS.
MAINTENANCE = [0xd50b7521, 0xd50b7b21, 0xd50b7421, 0xb9000022, 0x88037c22, 0xb8220022,
               0xd5088321, 0xd508831f, 0xd5088341, 0xd508711f, DSB_ISH, ISB]


def header(rng, flags, cpsr, x):
    # 4 KiB granule, 39 bits below, tables at 0x10000; SCTLR.M, C and I, and the FP unit on.
    system = [0x1005 if flags & TABLES else 0, 0x80003519 | 25 << 16, 0x10000, 0x10000, 0xff, 0x800, 3 << 20, 0, 0, 0, 0, 0]
    actions = [rng.choice([0, 0, rng.getrandbits(8)]) for _ in range(16)]
    pages = [rng.choice([0, 0, 1, 2, 0x40]) for _ in range(7)]
    return (struct.pack('<4B5B7B16B', 7, 7, 7, 7, flags, cpsr, cpsr, 0, SECOND_PC >> 6, *pages, *actions)
            + struct.pack('<22Q', *x, *system, 0, 0))


def chunk(at, words):
    return struct.pack('<HH', at // 16, 4 * len(words)) + struct.pack(f'<{len(words)}I', *words)


def main():
    folder, dictionary = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    table = a64_table.Table(str(ROOT / 'data/a64-encodings.tsv'))
    rows = [row for row in table.rows if row['group'] in ('base', 'simd')]

    def word():
        row = rng.choice(rows)
        return (rng.getrandbits(32) & ~row.mask | row.value) & 0xffffffff

    for number in range(160):
        flags = (TABLES if number & 1 else 0) | (TWO_CPUS if number & 2 else 0)
        x = [rng.choice([0, 8, 0x1000, 0x1040, 0x4000, 0x8010, 0x1fff8, rng.getrandbits(64)]) for _ in range(8)]
        first, other = [word() for _ in range(24)], [word() for _ in range(24)]
        if number & 4:
            x[1] = x[2] = rng.choice([SECOND_PC, SECOND_PC + 8, 0x4000, 0x12000])
            first = [rng.choice(MAINTENANCE) for _ in range(12)] + [0x17fffff4]  # b -12
            other[8] = 0x17fffff8  # b -8
        data = header(rng, flags, rng.choice([2, 4 | 2, 0]), x) + chunk(0, first)
        if flags & TWO_CPUS:
            data += chunk(SECOND_PC, other)
        (folder / f'seed-{number}').write_bytes(data)
    words = sorted({row.value for row in rows} | set(MAINTENANCE) | {B_SELF})
    dictionary.write_text(''.join('"' + ''.join(f'\\x{byte:02x}' for byte in struct.pack('<I', w)) + '"\n' for w in words))


main()
