#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Each rule of check-tree finds what it is for, and nothing in a file that keeps them all."""

import os
import subprocess
import sys
import tempfile

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check-tree")
SPDX = "/* SPDX-License-Identifier: MIT OR Apache-2.0 */\n"

# name of the case, file name, its content, what must be found (None: nothing)
CASES = [
    ("a good file", "good.c", SPDX + "int a; /* src/work/x, a/home/b */\n", None),
    ("a text without licence", "notes.md", "plain\n", None),
    ("code without licence", "bad.c", "int a;\n", "bad.c:1: no SPDX"),
    ("a script without licence", "run", "#!/bin/sh\n:\n", "run:1: no SPDX"),
    ("a licence that comes too late", "late.h", "\n\n\n" + SPDX, "late.h:1: no SPDX"),
    ("a path of the machine", "a.md", "see /wo" + "rk/x/y\n", "a.md:1: a path"),
    ("a home directory", "h.py", "# " + SPDX[3:] + "p = '/ho" + "me/me/x'\n", "h.py:2: a path"),
    ("the shared folder", "s.md", "in ../sha" + "red/design.md\n", "s.md:1: a path"),
    ("Debian's host", "d.md", "from deb.deb" + "ian.org\n", "d.md:1: the host"),
    ("Python's host", "p.txt", "https://py" + "pi.org/x\n", "p.txt:1: the host"),
    ("a mark", "t.c", SPDX + "/* TO" + "DO */\n", "t.c:2: a mark"),
    ("a mark in prose", "t.md", "no TO" + "DO here\n", None),
    ("a binary", "b.bin", "\0/wo" + "rk/x", None),
    ("a blank in the name", "two words.md", "x\n", "two words.md:1: a blank"),
]


def main():
    failed = 0
    print(f"1..{len(CASES)}")
    for number, (title, name, content, expected) in enumerate(CASES, 1):
        with tempfile.TemporaryDirectory() as top:
            subprocess.run(["git", "init", "-q", top], check=True)
            with open(os.path.join(top, name), "w", encoding="utf-8") as file:
                file.write(content)
            answer = subprocess.run([CHECK, top], check=False, stdout=subprocess.PIPE, text=True)
        if expected is None:
            good = answer.returncode == 0 and "1 files, 0 findings" in answer.stdout
        else:
            good = answer.returncode == 1 and answer.stdout.startswith(expected)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {title}")
        if not good:
            print("# " + answer.stdout.replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
