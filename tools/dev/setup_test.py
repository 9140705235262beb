#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""tools/dev/setup against a dpkg, an apt and a sudo that only write down how they were called."""

import os
import stat
import subprocess
import sys
import tempfile

SETUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "setup")
PACKAGES = "# a comment\nalpha  run\nbeta   run\ngamma  test\nalpha  test\n"
FAKES = {
    # Knows alpha and what INSTALLED names; "removed" has left its configuration behind.
    "dpkg-query": """
shift 3
status=0
for p in "$@"; do
    case " $INSTALLED " in
    *" $p "*) echo "installed $p" ;;
    *" removed:$p "*) echo "config-files $p" ;;
    *) status=1 ;;
    esac
done
exit $status""",
    "apt-get": 'echo "apt-get $*" >> "$CALLS"; exit "${APT_STATUS:-0}"',
    "sudo": 'echo "sudo $*" >> "$CALLS"; exec "$@"',
    "id": 'echo "$FAKE_UID"',
}
UPDATE = "apt-get update -qq\n"
INSTALL = "apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "


def run(top, groups, **environment):
    calls = os.path.join(top, "calls")
    with open(calls, "w", encoding="utf-8"):
        pass
    env = {"PATH": os.path.join(top, "bin") + ":" + os.environ["PATH"], "CALLS": calls, "FAKE_UID": "0",
           "PACKAGES_FILE": os.path.join(top, "packages.txt"), **environment}
    answer = subprocess.run([SETUP, *groups], env=env, check=False, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with open(calls, encoding="utf-8") as file:
        return answer.returncode, answer.stdout, file.read()


def cases(top):
    status, text, calls = run(top, ["run"], INSTALLED="alpha beta")
    yield "all there: silent, apt is not called", (status, text, calls) == (0, "", "")

    status, text, calls = run(top, ["run"], INSTALLED="alpha")
    yield "root installs what is missing, and says so", (
        status == 0 and "missing packages: beta\n" in text and calls == UPDATE + INSTALL + "beta\n")

    status, text, calls = run(top, ["run", "test"], INSTALLED="")
    yield "a package of two groups is asked for once", status == 0 and calls.endswith(
        INSTALL + "alpha beta gamma\n")

    status, text, calls = run(top, ["run"], INSTALLED="alpha removed:beta")
    yield "a removed package is missing", status == 0 and calls.endswith(INSTALL + "beta\n")

    status, text, calls = run(top, ["run", "test"], INSTALLED="beta", NO_INSTALL="1")
    yield "NO_INSTALL names what is missing and touches nothing", (
        status == 1 and "missing packages: alpha gamma\n" in text and calls == "")

    status, text, calls = run(top, ["run"], INSTALLED="alpha beta", NO_INSTALL="1")
    yield "NO_INSTALL with all there is no error", (status, text) == (0, "")

    status, text, calls = run(top, ["run"], INSTALLED="alpha", FAKE_UID="1000")
    yield "another user goes through sudo", (
        status == 0 and "sudo env DEBIAN_FRONTEND=noninteractive " + INSTALL + "beta\n" in calls)

    status, text, calls = run(top, ["run"], INSTALLED="alpha", APT_STATUS="100")
    yield "a failing apt is an error", status != 0

    status, text, calls = run(top, ["nonsense"], INSTALLED="alpha beta")
    yield "an unknown group is an error", status == 1 and "no group 'nonsense'" in text


def main():
    failed = 0
    number = 0
    with tempfile.TemporaryDirectory() as top:
        os.mkdir(os.path.join(top, "bin"))
        with open(os.path.join(top, "packages.txt"), "w", encoding="utf-8") as file:
            file.write(PACKAGES)
        for name, body in FAKES.items():
            path = os.path.join(top, "bin", name)
            with open(path, "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n" + body + "\n")
            os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        for number, (title, good) in enumerate(cases(top), 1):
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {title}")
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
