#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""check_exports.py LIBRARY: what libhypervisor.so shows to the loader, against data/hv-functions.tsv.

A name too few breaks clients when they are loaded, a name too many may collide with one of theirs and becomes
an interface by accident. Speaks TAP.
"""

import os
import re
import subprocess
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tools", "gen"))
import symbol_map  # noqa: E402 (found by the line above)

NODE = "HYPERVISOR_1"
EXTENSIONS_NODE = "HYPERVISOR_EXTENSIONS_1"
# The library drops into any program because it brings nothing along. The sanitizers' run times are the
# exception of their builds; libgcc_s comes with them.
ALLOWED = re.compile(r"^(lib[cm]\.so\.6|libpthread\.so\.0|ld-linux-x86-64\.so\.2|lib(asan|ubsan|tsan)\.so\.\d+)$")
SANITIZED = re.compile(r"^libgcc_s\.so\.1$")


def output_of(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def exported_symbols(library):
    """Name with version of every dynamic symbol that the library defines, but for the version nodes."""
    rows = [line.split() for line in output_of("nm", "-D", "--defined-only", library).splitlines()]
    return {row[-1] for row in rows if row[-2] != "A"}


def dynamic_entries(library, tag):
    return re.findall(rf"\({tag}\).*\[(.*)\]", output_of("readelf", "-d", "-W", library))


def cases(library):
    expected = ({f"{name}@@{NODE}" for name in symbol_map.function_names()}
                | {f"{name}@@{EXTENSIONS_NODE}" for name in symbol_map.extension_names()})
    exported = exported_symbols(library)
    needed = dynamic_entries(library, "NEEDED")
    sanitized = any(re.match(r"lib(a|ub|t)san", name) for name in needed)
    soname = dynamic_entries(library, "SONAME")

    with open(os.path.join(TOP, "src", "hv", "libhypervisor.map"), encoding="utf-8") as file:
        yield "the symbol map is what the table generates", file.read() == symbol_map.symbol_map(), ""
    missing = sorted(expected - exported)
    yield f"all {len(expected)} functions are exported", not missing, "missing: " + " ".join(missing)
    extra = sorted(exported - expected)
    yield "nothing else is exported", not extra, "extra: " + " ".join(extra)
    yield "the SONAME is libhypervisor.so.0", soname == ["libhypervisor.so.0"], str(soname)
    others = [name for name in needed
              if not ALLOWED.match(name) and not (sanitized and SANITIZED.match(name))]
    yield "only the C library is needed", not others, "needed: " + " ".join(others)


def main():
    failed = 0
    number = 0
    for number, (title, good, detail) in enumerate(cases(sys.argv[1]), 1):
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {title}")
        if not good:
            print(f"# {detail}")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
