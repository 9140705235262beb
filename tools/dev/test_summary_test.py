#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""test-summary against logs as Meson writes them."""

import json
import os
import subprocess
import sys
import tempfile

SUMMARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "test-summary")
SKIP, MAYBE = "# SKIP no device", "# " + "to" + "do later"

# title, tests as (name, protocol, result, output), more arguments, the line, exit status
CASES = [
    ("one for each plain test", [("a", "exitcode", "OK", ""), ("b", "exitcode", "FAIL", "ok 1\n"),
                                 ("c", "exitcode", "SKIP", ""), ("d", "exitcode", "TIMEOUT", "")],
     [], "1 passed, 2 failed, 1 skipped", 1),
    ("one for each TAP case", [("a", "tap", "FAIL", f"1..4\nok 1 - x\nnot ok 2 - y\nok 3 {SKIP}\nnot ok 4 z {MAYBE}\n")],
     [], "1 passed, 1 failed, 2 skipped", 1),
    ("a TAP test that crashed after good cases", [("a", "tap", "ERROR", "1..3\nok 1\nok 2\n")],
     [], "2 passed, 1 failed, 0 skipped", 1),
    ("diagnostics are no cases", [("a", "tap", "OK", "# ok 7\nokay\n1..1\nok 1 a # b\n  ok 1\n")],
     [], "1 passed, 0 failed, 0 skipped", 0),
    ("a skipped TAP test", [("a", "tap", "SKIP", "1..0 # SKIP none\n"), ("b", "exitcode", "OK", "")],
     [], "1 passed, 0 failed, 1 skipped", 0),
    ("nothing was run", [], [], "0 passed, 0 failed, 0 skipped", 1),
    ("other checks", [("a", "exitcode", "EXPECTEDFAIL", "")], ["--check", "x=0", "--check", "y=2"],
     "2 passed, 1 failed, 0 skipped", 1),
    ("a build without results", None, [], "0 passed, 1 failed, 0 skipped", 1),
]


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    failed = 0
    print(f"1..{len(CASES)}")
    for number, (title, tests, arguments, line, status) in enumerate(CASES, 1):
        with tempfile.TemporaryDirectory() as build:
            if tests is not None:
                write(os.path.join(build, "meson-info", "intro-tests.json"),
                      json.dumps([{"name": name, "protocol": protocol} for name, protocol, _, _ in tests]))
                write(os.path.join(build, "meson-logs", "testlog.json"), "".join(
                    json.dumps({"name": f"applevisor:unit / {name}" if number % 2 else name,
                                "result": result, "stdout": output}) + "\n"
                    for name, _, result, output in tests))
            answer = subprocess.run([SUMMARY, build, *arguments], check=False, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        good = (answer.stdout, answer.returncode) == (line + "\n", status)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {title}")
        if not good:
            print(f"# {answer.returncode} {answer.stdout}# " + answer.stderr.replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
