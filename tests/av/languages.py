#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""languages.py TOP LIBAPPLEVISOR LIBHYPERVISOR APPLEVISOR: the C ABI from elsewhere: the Rust and the Python example run, and completion
for bash completes. Speaks TAP; what is not installed is skipped with the reason.
"""

import os
import shutil
import subprocess
import sys
import tempfile

EXPECTED = "x0 = 0x42, syndrome = 0x5a000000"
REFUSAL = "av_memory_map: this memory is mapped already"


def output_of(command, env=None, stdin=None):
    answer = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, input=stdin,
                            timeout=100)
    return answer.returncode, answer.stdout


def link_names(folder, libraries):
    """lib*.so and lib*.so.0 in one folder, as an installation has them."""
    for library in libraries:
        name = os.path.basename(library).split(".so")[0]
        for suffix in (".so", ".so.0"):
            os.symlink(os.path.abspath(library), os.path.join(folder, name + suffix))


def rust(top, folder, env):
    if not shutil.which("rustc"):
        return "rustc is not installed", 0, ""
    program = os.path.join(folder, "hello-rust")
    status, text = output_of(["rustc", "--edition", "2021", "-D", "warnings", os.path.join(top, "examples/rust/hello.rs"), "-o", program,
                              "-L", folder, "-l", "applevisor", "-l", "hypervisor"])
    if status != 0:
        return None, status, text
    return (None, *output_of([program], env))


def python(top, _folder, env):
    for interpreter in (sys.executable, "/usr/bin/python3"):
        if output_of([interpreter, "-c", "import cffi"])[0] == 0:
            return (None, *output_of([interpreter, os.path.join(top, "examples/python/hello.py")], env))
    return "python3-cffi is not installed", 0, ""


COMPLETE = """
source "$1"
COMP_WORDS=("$2" "${@:3}")
COMP_CWORD=$(($# - 2))
_applevisor
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completions(top, program, *words):
    script = os.path.join(top, "tools/package/applevisor.bash")
    return output_of(["bash", "-c", COMPLETE, "bash", script, program, *words])[1].split()


def main():
    top, *libraries, program = sys.argv[1:]
    failed = 0
    print("1..4")
    with tempfile.TemporaryDirectory() as folder:
        link_names(folder, libraries)
        env = {**os.environ, "LD_LIBRARY_PATH": folder}
        for number, (name, run) in enumerate((("Rust", rust), ("Python", python)), 1):
            skip, status, text = run(top, folder, env)
            good = skip is not None or (status == 0 and EXPECTED in text and REFUSAL in text)
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} - the {name} example runs{' # SKIP ' + skip if skip else ''}")
            if not good:
                print(f"# status {status}\n# " + text.replace("\n", "\n# "))
    commands = completions(top, program, "")
    good = {"run", "boot", "info"} <= set(commands)
    failed += not good
    print(f"{'ok' if good else 'not ok'} 3 - bash completes commands\n# {commands}")
    options = completions(top, program, "run", "--")
    good = "--trace" in options and "--kernel" not in options and "--kernel" in completions(top, program, "boot", "--k")
    failed += not good
    print(f"{'ok' if good else 'not ok'} 4 - bash completes options\n# {options}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
