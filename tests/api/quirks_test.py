#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Each test that docs/quirks.md names exists: tests/api/PROGRAM: FACT, tests/api/PROGRAM, or unit: NAME. usage: quirks_test.py ROOT"""
import re
import sys
from pathlib import Path


def problem_with(root, name, unit_tests):
    """None when the test is there."""
    if name.startswith('unit: '):
        return None if name[len('unit: '):] in unit_tests else 'there is no such unit test'
    match = re.fullmatch(r'tests/api/(\w+)(?:: (\w+))?', name)
    if match is None:
        return 'this is no name of a test'
    source = root / f'tests/api/{match[1]}.c'
    if not source.exists():
        return f'there is no {source.name}'
    facts = set(re.findall(r'\bT\((\w+)\)', source.read_text(encoding='utf-8')))
    return None if match[2] is None or match[2] in facts else f'{source.name} runs no such fact'


def main():
    root = Path(sys.argv[1])
    unit_tests = set()
    for path in [*root.glob('src/**/meson.build'), *root.glob('tests/**/meson.build')]:
        unit_tests.update(re.findall(r"'([\w-]+)'", path.read_text(encoding='utf-8')))
    rows = []
    header = None
    for line in (root / 'docs/quirks.md').read_text(encoding='utf-8').splitlines():
        cells = [cell.strip() for cell in line.strip('|').split(' | ')]
        if not line.startswith('|'):
            header = None
        elif header is None:
            header = cells
        elif header[-1] == 'Test' and not set(line) <= set('|-'):
            rows.append((cells[0], cells[-1].strip(' |')))
    print(f'1..{len(rows) + 1}')
    print('ok' if len(rows) > 30 else 'not ok', 1, '- the tables are found')
    for number, (question, tests) in enumerate(rows, 2):
        problems = [] if tests == '-' else [f'{name}: {problem}' for name in tests.split(', ')
                                           if (problem := problem_with(root, name, unit_tests)) is not None]
        print('ok' if not problems else 'not ok', number, '-', question.replace('#', ''))
        for problem in problems:
            print('#', problem)


main()
