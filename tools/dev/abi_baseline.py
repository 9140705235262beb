#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""abi_baseline.py [--write] LIBRARY...: the libraries' ABI against what is committed in data/abi/. Speaks TAP.

A program that was linked with an earlier build has to run with a later one, as long as the SONAME is the same: nothing that was
exported may go or change. What is new is no break; --write records it. Needs libabigail (abidw, abidiff), and libraries with
debug information; where these are missing the test is skipped.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
INCLUDE = os.path.join(TOP, "include")


def baseline_of(library):
    name = re.match(r"(lib\w+)\.so", os.path.basename(library))[1]
    return os.path.join(TOP, "data", "abi", name + ".abi")


def write(library, path):
    """Only what the public headers show, and nothing that names a place or a line."""
    with open(path, "w", encoding="utf-8") as file:
        subprocess.run(["abidw", "--headers-dir", INCLUDE, "--drop-private-types", "--no-corpus-path", "--no-comp-dir-path",
                        "--no-show-locs", library], check=True, stdout=file)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    # Where a source was compiled is nobody's business.
    text = re.sub(r"(<abi-instr [^>]*?path=')[^']*?((?:src|include)/[^']*')", r"\1\2", text)
    text = re.sub(r" comp-dir-path='[^']*'", "", text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def compare(baseline, library):
    return subprocess.run(["abidiff", "--no-added-syms", baseline, library], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def is_seen(answer):
    """abidiff's exit status is a set of bits: 4 is a change, 8 an incompatible one; a crash is neither."""
    return 0 < answer.returncode < 16 and answer.returncode & 12 != 0


def cases(libraries):
    for library in libraries:
        baseline = baseline_of(library)
        answer = compare(baseline, library)
        yield f"{os.path.basename(baseline)}: nothing went or changed", answer.returncode == 0, (
            f"{answer.stdout}\nWhere the change is wanted: abi_baseline.py --write {library}, and a new SONAME once there was a release")
        # And the check sees what it is for: a function that the baseline has and the library has not, a structure that grew.
        with open(baseline, encoding="utf-8") as file:
            text = file.read()
        symbol = re.search(r"<elf-symbol name='(\w+)'[^>]*/>", text)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "changed.abi")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(symbol[0], symbol[0].replace(symbol[1], symbol[1] + "_of_old") + "\n" + symbol[0], 1))
            yield (f"{os.path.basename(baseline)}: a function that went would be seen", is_seen(compare(path, library)), "")
            grown = re.sub(r"(name='hv_vcpu_exit_t' size-in-bits=')256", r"\g<1>320", text)
            if grown != text:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(grown)
                yield (f"{os.path.basename(baseline)}: a structure that changed would be seen",
                       is_seen(compare(path, library)), "")


def main():
    arguments = sys.argv[1:]
    writing = arguments[:1] == ["--write"]
    libraries = arguments[writing:]
    if not shutil.which("abidiff"):
        print("1..0 # SKIP abigail-tools is not installed")
        return 0
    if writing:
        for library in libraries:
            write(library, baseline_of(library))
        return 0
    failed = 0
    number = 0
    for number, (title, good, detail) in enumerate(cases(libraries), 1):
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {title}")
        if not good and detail:
            print("# " + detail.replace("\n", "\n# "))
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
