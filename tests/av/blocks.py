#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""blocks.py TOP PAGE...: no code block of README or docs/ is left out of the tests. Speaks TAP.

A page with C blocks is a program that manual.py compiles and runs: it has to be one of the PAGEs. README's C block is an example of the
tree, without its licence line. Blocks in other languages than c and text would be code that nothing runs.
"""

import glob
import os
import re
import sys


def main():
    top, pages = sys.argv[1], set(sys.argv[2:])
    results = []
    for path in [os.path.join(top, "README.md")] + sorted(glob.glob(os.path.join(top, "docs", "*.md"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        name = os.path.relpath(path, top)
        languages = [language for language in re.findall(r"^```(.*)$", text, re.M)][::2]
        results.append((f"{name}: blocks are C or text", set(languages) <= {"c", "text"}, str(set(languages))))
        if "c" not in languages:
            continue
        if name == "README.md":
            with open(os.path.join(top, "examples", "hello-av.c"), encoding="utf-8") as file:
                example = file.read().split("\n", 2)[2]
            blocks = re.findall(r"^```c\n(.*?)^```$", text, re.M | re.S)
            results.append((f"{name}: the C block is examples/hello-av.c", blocks == [example], ""))
        else:
            page = os.path.basename(path)[:-3]
            results.append((f"{name}: is compiled and run", page in pages, ""))
    for number, (title, good, detail) in enumerate(results, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {title}")
        if not good and detail:
            print(f"# {detail}")
    print(f"1..{len(results)}")
    return 0 if all(good for _, good, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
