#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""install_test.py BUILD: what a user of the installed library does, in a DESTDIR of its own. Speaks TAP."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HELLO = os.path.join(TOP, "examples", "hello.c")
HELLO_AV = os.path.join(TOP, "examples", "hello-av.c")
CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project(user C)
find_package(Applevisor 0.1 REQUIRED)
add_executable(hello-cmake {source})
target_link_libraries(hello-cmake Applevisor::applevisor)
"""


class Installed:
    def __init__(self, build, destdir):
        with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as file:
            options = {option["name"]: option["value"] for option in json.load(file)}
        self.plain = options["b_sanitize"] == "none" and not options["b_coverage"]
        self.destdir = destdir
        self.prefix = options["prefix"]
        self.libdir = f"{destdir}{self.prefix}/{options['libdir']}"
        self.includedir = f"{destdir}{self.prefix}/{options['includedir']}"
        self.log = ""
        self.env = {**os.environ, "PKG_CONFIG_PATH": f"{self.libdir}/pkgconfig", "PKG_CONFIG_SYSROOT_DIR": destdir,
                    "LD_LIBRARY_PATH": self.libdir}

    def shell(self, command):
        """Runs a line as the user would type it; true if it succeeds."""
        answer = subprocess.run(["sh", "-ec", command], env=self.env, cwd=self.destdir, check=False, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                timeout=60)
        self.log = f"$ {command}\n{answer.stdout}status {answer.returncode}"
        return answer.returncode == 0


def cases(build, destdir):
    here = Installed(build, destdir)
    hello = shlex.quote(HELLO)
    yield "meson install", here.shell(
        f"meson install -C {shlex.quote(os.path.abspath(build))} --no-rebuild --destdir {shlex.quote(destdir)}"), here
    for name in ("libhypervisor.so", "libhypervisor.so.0", "libhypervisor.a", "libapplevisor.so", "libapplevisor.so.0",
                 "libapplevisor.a"):
        yield f"{name} is there", here.shell(f"test -e {here.libdir}/{name}"), here
    yield "Hypervisor/Hypervisor.h is there", here.shell(f"test -f {here.includedir}/Hypervisor/Hypervisor.h"), here
    yield "applevisor/applevisor.h is there", here.shell(f"test -f {here.includedir}/applevisor/applevisor.h"), here
    yield "applevisor.pc brings both libraries", here.shell(
        'case "$(pkg-config --cflags --libs applevisor)" in *-lapplevisor*-lhypervisor*) ;; *) exit 1; esac'), here
    yield "completion and manual page are there", here.shell(
        f"test -f {destdir}{here.prefix}/share/bash-completion/completions/applevisor && "
        f"test -f {destdir}{here.prefix}/share/man/man1/applevisor.1"), here
    yield "nothing but our folders in include/", here.shell(
        f'for d in {here.includedir}/*; do case ${{d##*/}} in Hypervisor|applevisor|applevisor-darwin) ;; '
        '*) echo "$d"; exit 1; esac; done'), here
    yield "hypervisor.pc keeps the Darwin headers out", here.shell(
        'case "$(pkg-config --cflags hypervisor)" in *darwin*) exit 1; esac'), here
    yield "hypervisor-darwin.pc brings them and the library", here.shell(
        'case "$(pkg-config --cflags --libs hypervisor-darwin)" in *applevisor-darwin*-lhypervisor*) ;; *) exit 1; esac'
    ), here
    # A program without the sanitizers' run time cannot load a library that needs it.
    if here.plain:
        yield "cc hello.c with pkg-config", here.shell(
            f"cc {hello} -o hello $(pkg-config --cflags --libs hypervisor)"), here
        yield "hello runs", here.shell("./hello"), here
        yield "cc hello.c against the static library", here.shell(
            f"cc {hello} -o hello-static $(pkg-config --cflags hypervisor) {here.libdir}/libhypervisor.a "
            "$(pkg-config --static --libs-only-other hypervisor)"), here
        yield "cc hello-av.c with pkg-config, and it runs", here.shell(
            f"cc {shlex.quote(HELLO_AV)} -o hello-av $(pkg-config --cflags --libs applevisor) && ./hello-av"), here
        if shutil.which("cmake"):
            os.mkdir(os.path.join(destdir, "user"))
            with open(os.path.join(destdir, "user", "CMakeLists.txt"), "w", encoding="utf-8") as file:
                file.write(CMAKE.format(source=HELLO_AV))
            yield "CMake finds the package, and hello-av runs", here.shell(
                f"cmake -S user -B user/build -DCMAKE_PREFIX_PATH={destdir}{here.prefix} >cmake.log || {{ cat cmake.log; exit 1; }}; "
                "cmake --build user/build && user/build/hello-cmake"), here
        yield "hello runs without the shared library", here.shell("LD_LIBRARY_PATH= ./hello-static"), here


def main():
    failed = 0
    number = 0
    with tempfile.TemporaryDirectory() as destdir:
        for number, (title, good, here) in enumerate(cases(sys.argv[1], destdir), 1):
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - {title}", flush=True)
            if not good:
                print("# " + here.log.replace("\n", "\n# "))
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
