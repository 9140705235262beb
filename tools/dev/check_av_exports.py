#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""check_av_exports.py LIBRARY ARCHIVE: what libapplevisor.so shows to the loader, against include/applevisor/, and that the archive
has no global name but ours, which could be one of its user's. Speaks TAP.
"""

import glob
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check_exports  # noqa: E402 (found by the line above)

NODE = "APPLEVISOR_1"
# Beside the C library, the framework and nothing else.
ALLOWED = re.compile(r"^libhypervisor\.so\.0$")


def declared_functions():
    """Names that the public headers declare with AV_API."""
    names = set()
    for header in glob.glob(os.path.join(TOP, "include", "applevisor", "*.h")):
        with open(header, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        names |= set(re.findall(r"^\s*AV_API\b[^;{(]*?\b(\w+)\(", text, re.M))
    return names


def cases(library, archive):
    expected = {f"{name}@@{NODE}" for name in declared_functions()}
    exported = check_exports.exported_symbols(library)
    needed = check_exports.dynamic_entries(library, "NEEDED")
    sanitized = any(re.match(r"lib(a|ub|t)san", name) for name in needed)
    soname = check_exports.dynamic_entries(library, "SONAME")

    yield "the headers declare functions", len(expected) > 5, str(len(expected))
    missing = sorted(expected - exported)
    yield "what the headers declare is exported", not missing, "missing: " + " ".join(missing)
    extra = sorted(exported - expected)
    yield "nothing else is exported", not extra, "extra: " + " ".join(extra)
    rows = [line.split() for line in check_exports.output_of("nm", "--defined-only", "-g", archive).splitlines()]
    others = sorted({row[-1] for row in rows if len(row) == 3 and not re.match(r"av_|__asan|__odr_asan|__ubsan|__gcov|DW\.ref", row[-1])})
    yield "the archive defines av_ names alone", not others and len(rows) > 100, " ".join(others)
    yield "the SONAME is libapplevisor.so.0", soname == ["libapplevisor.so.0"], str(soname)
    others = [name for name in needed
              if not ALLOWED.match(name) and not check_exports.ALLOWED.match(name)
              and not (sanitized and check_exports.SANITIZED.match(name))]
    yield "only libhypervisor and the C library are needed", not others, "needed: " + " ".join(others)


def main():
    failed = 0
    number = 0
    for number, (title, good, detail) in enumerate(cases(*sys.argv[1:]), 1):
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {title}")
        if not good:
            print(f"# {detail}")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
