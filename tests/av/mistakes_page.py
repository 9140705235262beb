#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""mistakes_page.py PROGRAM PAGE.md: the page of the manual is what the program prints. --write PROGRAM PAGE.md makes it so."""

import subprocess
import sys


def main():
    arguments = sys.argv[1:]
    write = arguments[0] == "--write"
    program, page = arguments[write:]
    made = subprocess.run([program, "--page"], check=True, stdout=subprocess.PIPE, text=True).stdout
    if write:
        with open(page, "w", encoding="utf-8") as file:
            file.write(made)
        return 0
    with open(page, encoding="utf-8") as file:
        if file.read() == made:
            return 0
    print(f"{page} is not what {program} --page prints: tests/av/mistakes_page.py --write does it")
    return 1


if __name__ == "__main__":
    sys.exit(main())
