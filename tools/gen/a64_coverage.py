#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Prints, per semantic class and in total: encoding rows, implemented, undefined by profile, missing.

usage: a64_coverage.py [--check] [--missing]
  --check    exit 1 when a row is missing
  --missing  only the classes with missing rows
"""
import argparse
import csv
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / 'data'


def read(name):
    with open(DATA / name, encoding='utf-8') as file:
        return list(csv.DictReader(file, delimiter='\t', quoting=csv.QUOTE_NONE))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--missing', action='store_true')
    arguments = parser.parse_args()
    rows = {}
    for row in read('a64-encodings.tsv'):
        if row['group'] in ('base', 'simd'):
            rows[row['class']] = rows.get(row['class'], 0) + 1
    totals = {'done': 0, 'undefined': 0, 'missing': 0}
    print(f'{"class":64} rows  done undef  miss')
    for entry in read('a64-classes.tsv'):
        n = rows[entry['class']]
        totals[entry['status']] += n
        if not arguments.missing or entry['status'] == 'missing':
            counts = [n if entry['status'] == status else 0 for status in totals]
            print(f'{entry["class"]:64} {n:4} {counts[0]:5} {counts[1]:5} {counts[2]:5}  {entry["reason"]}')
    print(f'{"total":64} {sum(totals.values()):4} {totals["done"]:5} {totals["undefined"]:5} {totals["missing"]:5}')
    if arguments.check and totals['missing'] != 0:
        sys.exit(1)


main()
