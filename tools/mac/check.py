#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""check.py TOP BUILD: the same sources for arm64-apple-macos. Speaks TAP.

libapplevisor, the command and the examples are compiled by clang and linked by lld against headers and stub libraries that the project
describes itself: tools/mac/sdk for the C library, include/Hypervisor and data/hv-functions.tsv for the framework. The Mach-O files are
then looked at with llvm's tools. Nothing of it is run: this is no Mac. BUILD has the generated tables.
"""

import csv
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

OLDEST = "11.0"
TOOLS = ("clang", "ld64.lld", "llvm-nm", "llvm-readobj")
# What compiled code needs beside the functions that the headers declare.
IMPLICIT = ["___stack_chk_fail", "___stack_chk_guard", "__tlv_bootstrap", "dyld_stub_binder", "_bzero", "___stdinp", "___stdoutp", "___stderrp"]


def tool(name):
    for candidate in (name, f"{name}-14", f"/usr/lib/llvm-14/bin/{name}"):
        if shutil.which(candidate):
            return shutil.which(candidate)
    return None


class Mac:
    def __init__(self, top, build, folder):
        self.top, self.build, self.folder = top, build, folder
        self.sdk = os.path.join(top, "tools/mac/sdk")
        with open(os.path.join(top, "data/hv-functions.tsv"), encoding="utf-8") as file:
            self.functions = {row["name"]: row["min_macos"] for row in csv.DictReader(file, delimiter="\t")
                              if row["name"].startswith("hv_")}
        # Headers of the framework, but not those that stand in for Darwin on Linux.
        self.include = os.path.join(folder, "include")
        os.mkdir(self.include)
        for name in ("Hypervisor", "applevisor"):
            os.symlink(os.path.join(top, "include", name), os.path.join(self.include, name))
        self.stub("usr/lib/libSystem.tbd", "/usr/lib/libSystem.B.dylib", self.system_symbols())
        self.stub("System/Library/Frameworks/Hypervisor.framework/Hypervisor.tbd",
                  "/System/Library/Frameworks/Hypervisor.framework/Versions/A/Hypervisor", ["_" + name for name in self.functions])

    def system_symbols(self):
        names = set()
        for header in glob.glob(os.path.join(self.sdk, "**", "*.h"), recursive=True):
            with open(header, encoding="utf-8") as file:
                names |= set(re.findall(r"^\w[\w *]*?\b(\w+)\([^;#]*\)[^;#]*;", file.read(), re.M))
        return IMPLICIT + sorted("_" + name for name in names)

    def stub(self, path, install_name, symbols):
        path = os.path.join(self.folder, "root", path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\ninstall-name: '{install_name}'\n"
                       "exports:\n  - targets: [ arm64-macos ]\n    symbols: [ " + ", ".join(symbols) + " ]\n...\n")

    def run(self, *command):
        return subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def compile(self, sources, extra=()):
        """Objects, and what the compiler said."""
        objects, text = [], ""
        for source in sources:
            target = os.path.join(self.folder, source.replace("/", "_") + ".o")
            answer = self.run(tool("clang"), f"--target=arm64-apple-macos{OLDEST}", "-nostdlibinc", "-std=gnu11", "-O2", "-g", "-Wall",
                              "-Wextra", "-Werror", "-Wno-unguarded-availability", "-Wno-unguarded-availability-new",
                              "-fvisibility=hidden", "-include", os.path.join(self.sdk, "availability.h"), "-isystem", self.sdk,
                              "-I", self.include, "-I", os.path.join(self.top, "src"), "-I", os.path.join(self.build, "src/applevisor"),
                              *extra, "-c", os.path.join(self.top, source), "-o", target)
            objects.append(target)
            text += answer.stdout
        return objects, text

    def link(self, output, arguments):
        return self.run(tool("ld64.lld"), "-arch", "arm64", "-platform_version", "macos", OLDEST, "26.0", "-syslibroot",
                        os.path.join(self.folder, "root"), "-lSystem", "-framework", "Hypervisor", *arguments,
                        "-o", os.path.join(self.folder, output))

    def undefined(self, output):
        """Name -> whether it is weak, of what comes from the framework."""
        text = self.run(tool("llvm-nm"), "-m", os.path.join(self.folder, output)).stdout
        return {match[2]: match[1] is not None
                for match in re.finditer(r"\(undefined\) (weak )?external _(hv_\w+) \(from Hypervisor\)", text)}


def library_sources(top):
    names = sorted(os.path.basename(path) for path in glob.glob(os.path.join(top, "src/applevisor/*.c")))
    return ["src/applevisor/" + name for name in names if not name.endswith("_test.c")]


COMMAND = ["tools/applevisor/" + name for name in
           ("boot_missing.c", "image.c", "info.c", "main.c", "run.c", "run_exits.c", "semihosting.c")]


def cases(mac):
    objects, text = mac.compile(library_sources(mac.top))
    yield "libapplevisor compiles", text == "", text
    answer = mac.link("libapplevisor.dylib", ["-dylib", "-install_name", "@rpath/libapplevisor.0.dylib", *objects])
    yield "libapplevisor.dylib links", answer.returncode == 0, answer.stdout
    header = mac.run(tool("llvm-readobj"), "--file-headers", "--macho-version-min", os.path.join(mac.folder, "libapplevisor.dylib")).stdout
    yield ("it is a Mach-O library for arm64, macOS 11.0", "Format: Mach-O arm64" in header and re.search(r"Version: 11\.0", header)
           is not None and "DYLIB" in header.upper(), header)

    undefined = mac.undefined("libapplevisor.dylib")
    strong_new = sorted(name for name, weak in undefined.items() if not weak and mac.functions[name] != OLDEST)
    yield f"newer functions are weak ({sum(undefined.values())})", not strong_new and sum(undefined.values()) > 30, str(strong_new)
    weak_old = sorted(name for name, weak in undefined.items() if weak and mac.functions[name] == OLDEST)
    yield "those of macOS 11.0 are not", not weak_old and len(undefined) > 60, str(weak_old)
    symbols = mac.run(tool("llvm-nm"), "-gU", os.path.join(mac.folder, "libapplevisor.dylib")).stdout
    exported = set(re.findall(r" [A-Z] _(\w+)$", symbols, re.M))
    foreign = sorted(name for name in exported if not name.startswith("av_"))
    yield "it exports av_ functions and nothing else", not foreign and len(exported) > 150, f"{len(exported)} {foreign}"
    yield "no extension of libhypervisor is asked for", "hvx_" not in mac.run(
        tool("llvm-nm"), os.path.join(mac.folder, "libapplevisor.dylib")).stdout, ""

    for name, sources, extra in (
            ("applevisor", COMMAND, ["-I", os.path.join(mac.build, "tools/applevisor"), "-I", os.path.join(mac.top, "tools/applevisor")]),
            ("hello", ["examples/hello.c"], []), ("hello-av", ["examples/hello-av.c"], [])):
        compiled, text = mac.compile(sources, extra)
        yield f"{name} compiles", text == "", text
        answer = mac.link(name, [*compiled, os.path.join(mac.folder, "libapplevisor.dylib"), "-rpath", "@executable_path/../lib"])
        yield f"{name} links", answer.returncode == 0, answer.stdout


def main():
    missing = [name for name in TOOLS if tool(name) is None]
    if missing:
        print(f"1..0 # SKIP {' '.join(missing)} not installed")
        return 0
    failed = 0
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (title, good, detail) in enumerate(cases(Mac(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), folder)), 1):
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {title}")
            if not good:
                print("# " + detail[-3000:].replace("\n", "\n# "))
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
