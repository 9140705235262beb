#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""declared.py INCLUDE CC...: what the headers declare for each macOS version is what their text says. Speaks TAP.

A function's comment ends in "Since: 0.1" or "Since: 0.1, macOS 15.0". Built for an older macOS it must not be declared. Each header is
also compiled alone, as C and as C++, for every version.
"""

import os
import re
import subprocess
import sys
import tempfile

VERSIONS = (110000, 120100, 130000, 150000, 150200, 260000)
DECLARATION = re.compile(r"/\*\*(?P<doc>(?:(?!\*/).)*)\*/\s*AV_API\b[^;{(]*?\b(?P<name>av_\w+)\(", re.S)


class Headers:
    def __init__(self, include, compiler):
        self.include = include
        self.compiler = compiler
        self.folder = os.path.join(include, "applevisor")
        self.names = sorted(name for name in os.listdir(self.folder) if name.endswith(".h"))

    def documented(self):
        """Function -> the macOS version that its comment names, or 110000."""
        result = {}
        for name in self.names:
            with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                text = file.read()
            # "All of the functions of this header: since ..." is not a thing: each has its own.
            for match in DECLARATION.finditer(text):
                since = re.search(r"macOS (\d+)\.(\d+)", re.search(r"(?:Since:.*)?\Z", match["doc"], re.S)[0])
                result[match["name"]] = int(since[1]) * 10000 + int(since[2]) * 100 if since else 110000
        return result

    def run(self, language, arguments, source):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "probe." + language)
            with open(path, "w", encoding="utf-8") as file:
                file.write(source)
            command = self.compiler + (["-x", "c++"] if language == "cc" else []) + arguments + ["-I", self.include, path]
            return subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def declared(self, macos):
        answer = self.run("c", ["-E", "-P", f"-DAPPLEVISOR_MACOS={macos}"], "#include <applevisor/applevisor.h>\n")
        return set(re.findall(r"\b(av_\w+)\s*\([^;{]*\)\s*;", answer.stdout)), answer


def cases(headers):
    documented = headers.documented()
    yield "functions have comments that say since when", len(documented) > 100, str(len(documented))
    for macos in VERSIONS:
        declared, answer = headers.declared(macos)
        expected = {name for name, since in documented.items() if since <= macos}
        missing = sorted(expected - declared)
        early = sorted(name for name, since in documented.items() if since > macos and name in declared)
        yield (f"{macos}: declared is what the comments say", answer.returncode == 0 and not missing and not early,
               f"missing: {missing}, too early: {early}\n{answer.stdout[-300:] if answer.returncode else ''}")
        source = "".join(f"#include <applevisor/{name}>\n" for name in headers.names)
        for language, standard in (("c", "-std=c11"), ("cc", "-std=c++11")):
            answer = headers.run(language, ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", standard,
                                            f"-DAPPLEVISOR_MACOS={macos}"], source)
            yield f"{macos}: the headers compile with {standard}", answer.returncode == 0, answer.stdout[-1500:]
    for name in headers.names:
        answer = headers.run("c", ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-std=c11"],
                             f"#include <applevisor/{name}>\n")
        yield f"{name} compiles alone", answer.returncode == 0, answer.stdout[-1500:]
    answer = headers.run("c", ["-fsyntax-only", "-DAPPLEVISOR_MACOS=140000"], "#include <applevisor/applevisor.h>\n")
    yield "a version that is none is refused", answer.returncode != 0 and "APPLEVISOR_MACOS is one of" in answer.stdout, ""


def main():
    failed = 0
    number = 0
    for number, (title, good, detail) in enumerate(cases(Headers(sys.argv[1], sys.argv[2:])), 1):
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {title}", flush=True)
        if not good:
            print("# " + detail.replace("\n", "\n# "))
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
