#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""sys_regs.py ENUMS.tsv OUTPUT: the framework's system registers as rows of a C table {register, macOS version, name}."""

import csv
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["c_type"] == "hv_sys_reg_t"]
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        for row in rows:
            major, minor = row["min_macos"].split(".")
            file.write(f'{{{row["c_name"]}, {int(major) * 10000 + int(minor) * 100}, "{row["c_name"]}"}},\n')


main()
