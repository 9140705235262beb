#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""checksums_test.py BUILD: every measured program computes the same here as natively. No time is looked at. Writes TAP."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
import machines  # noqa: E402
import report  # noqa: E402


def complaint_about(row, ours, native, folder):
    """None: all is well. Raises machines.Skipped where this host cannot run the native program."""
    try:
        here = ours.measure(row, 0, folder).checksum
        there = native.measure(row, 0, folder).checksum if native.runs(row) else here
    except machines.Failed as failure:
        return str(failure)
    return None if here == there else f'the checksum is {here}, natively {there}'


def main():
    build = sys.argv[1]
    rows = [row for row in report.read_rows() if row.kind != 'linux']
    kinds = {kind.name: kind for kind in machines.available(build, ['ours', 'native'])}
    kinds['ours'].environment = None  # the engine that the caller's environment says
    print(f'1..{len(rows)}', flush=True)
    failed = 0
    with tempfile.TemporaryDirectory(prefix='bench-') as folder:
        for number, row in enumerate(rows, 1):
            try:
                complaint = complaint_about(row, kinds['ours'], kinds['native'], folder)
            except machines.Skipped as reason:
                print(f'ok {number} - {row.name} # SKIP {reason}', flush=True)
                continue
            failed += complaint is not None
            print(f'{"ok" if complaint is None else "not ok"} {number} - {row.name}')
            if complaint is not None:
                print(f'# {complaint}')
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
