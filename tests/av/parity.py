#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""parity.py PARITY.md LIBRARY INCLUDE: the table of the Rust crate's methods is complete and names what exists. Speaks TAP."""

import os
import re
import subprocess
import sys

# How many methods each type of the Rust crate has that its table must list: constructor, methods and destructor.
OWNERS = {"VirtualMachine": 3, "VirtualMachineInstance": 14, "VirtualMachineStaticInstance": 5, "VirtualMachineConfig": 13,
          "VcpuConfig": 4, "Vcpu": 42, "VcpuHandle": 4, "Memory": 17, "GicConfig": 15, "GicState": 4}


def rows(text):
    """The cells of every table row but heads and rules."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("|") and not line.startswith("|---") and not line.startswith("| Rust"):
            yield number, [cell.strip() for cell in line.strip().strip("|").split("|")]


def main():
    page, library, include = sys.argv[1:]
    with open(page, encoding="utf-8") as file:
        table = list(rows(file.read()))
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True, stdout=subprocess.PIPE, text=True).stdout
    exported = set(re.findall(r"\b(av_\w+)@", listing))
    headers = ""
    for folder in ("applevisor", "Hypervisor"):
        for name in os.listdir(os.path.join(include, folder)):
            with open(os.path.join(include, folder, name), encoding="utf-8") as file:
                headers += file.read()

    empty = [number for number, cells in table if any(cell in ("", "-", "?") for cell in cells)]
    named = {name for _, cells in table if len(cells) == 4 for name in re.findall(r"`(av_\w+)`", cells[2])}
    unknown = sorted(named - exported)
    types = {name for _, cells in table if len(cells) == 3 for name in re.findall(r"`((?:av|hv)_\w+)`", cells[1])}
    counts = {owner: 0 for owner in OWNERS}
    for _, cells in table:
        for owner in re.findall(r"`(\w+)::\w+`", cells[0]):
            counts[owner] = counts.get(owner, 0) + 1
    # The kit for run loops has no counterpart in Rust: these are the headers of what has.
    ours = set()
    for name in ("error", "version", "vm", "memory", "vcpu", "gic"):
        with open(os.path.join(include, "applevisor", name + ".h"), encoding="utf-8") as file:
            ours |= set(re.findall(r"^AV_API\b[^;{(]*?\b(av_\w+)\(", file.read(), re.M))
    forgotten = sorted(ours - named)
    results = [
        ("no cell is empty", not empty, f"lines {empty}"),
        ("every row has all its cells", all(len(cells) in (3, 4) for _, cells in table), ""),
        ("every function that is named is exported", not unknown, " ".join(unknown)),
        ("every type that is named is declared", all(re.search(rf"\b{name}\b", headers) for name in types), ""),
        ("every method of the Rust crate is listed", counts == OWNERS, str(counts)),
        ("every function of ours stands beside something", not forgotten, " ".join(forgotten)),
    ]
    for number, (title, good, detail) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {title}")
        if not good:
            print(f"# {detail}")
    print(f"1..{len(results)}")
    return 0 if all(good for _, good, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
