#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""check_abi.py CHECK [--root TREE]: do the public headers say what the tables of the framework say?

CHECK is one of
  generated   the committed framework headers are what tools/gen/headers.py writes
  text        every function is declared once, word for word as in the table, with its macOS version; so is every
              enumerator, and there is nothing else
  alone       each header compiles by itself, as C11 and C++17, without a warning
  values      every enumerator has its value
  layout      every type has its size, alignment and signedness, every structure member its offset
  signatures  every function has its type
  mutations   each of the checks above fails on a tree with a fault of its kind

TAP output. Everything is done with every compiler of gcc, g++, clang, clang++ and the arm64 cross compilers that is
there; one that is absent is reported as skipped.
"""

import argparse
import csv
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
COMPILERS = [
    ("gcc", ["-std=c11", "-xc"]),
    ("g++", ["-std=c++17", "-xc++"]),
    ("clang", ["-std=c11", "-xc"]),
    ("clang++", ["-std=c++17", "-xc++"]),
    ("aarch64-linux-gnu-gcc", ["-std=c11", "-xc"]),
]
PRELUDE = """\
#ifdef __cplusplus
#include <type_traits>
#define CHECK(condition, text) static_assert(condition, text)
#define IS_UNSIGNED(type) std::is_unsigned<type>::value
#define IS_FUNCTION(name, pointer) std::is_same<decltype(&name), pointer>::value
#else
#define CHECK(condition, text) _Static_assert(condition, text)
#define IS_UNSIGNED(type) ((type)-1 > (type)0)
#define IS_FUNCTION(name, pointer) _Generic(&name, pointer: 1, default: 0)
#endif
#include <Hypervisor/Hypervisor.h>
"""


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


class Tree:
    def __init__(self, root):
        self.root = root
        self.include = root / "include"
        self.functions = rows(ROOT / "data" / "hv-functions.tsv")
        self.enums = rows(ROOT / "data" / "hv-enums.tsv")

    def headers(self, folder):
        return sorted((self.include / folder).rglob("*.h"))


def compile_text(compiler, flags, text, include):
    """The compiler's complaints about a text, or "" if it has none."""
    command = [compiler, *flags, *WARNINGS, "-fsyntax-only", *(f"-I{path}" for path in include), "-"]
    answer = subprocess.run(command, input=text, text=True, check=False, timeout=120, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    return "" if answer.returncode == 0 and not answer.stdout else answer.stdout or f"exit {answer.returncode}"


def with_compilers(what, text, include):
    for compiler, flags in COMPILERS:
        if shutil.which(compiler) is None:
            yield f"{what}, {compiler} # SKIP {compiler} is not installed", ""
        else:
            yield f"{what}, {compiler}", compile_text(compiler, flags, text, include)


# Each check yields pairs: name of the case, what is wrong with it ("" if nothing).

def check_generated(tree):
    answer = subprocess.run([sys.executable, str(tree.root / "tools/gen/headers.py"), "--check"], check=False, text=True,
                            timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    yield "the headers are what the generator writes", "" if answer.returncode == 0 else answer.stdout or "failed"


def check_text(tree):
    declared, enumerators = {}, {}
    for path in tree.headers("Hypervisor") + [tree.include / "darwin/os/object.h"]:
        text = re.sub(r"/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.S)
        text = re.sub(r"\s+", " ", text)
        read = re.findall(r"API_AVAILABLE\(macos\(([\d.]+)\)\) HV_API (.*?)\b(\w+)\(([^()]*)\);", text)
        n_read = len(read)
        for version, result, name, parameters in read:
            place = "os/object.h" if path.name in ("object.h", "hv_base.h") else path.name
            declared.setdefault(name, set()).add((result.strip(), parameters, place, version))
        # What the expression above does not match must not pass unseen.
        n_declared = len(re.findall(r"(?<!ifndef )HV_API (?!__attribute__)", text))
        if n_declared != n_read:
            yield f"every declaration of {path.name} can be read", f"{n_declared} declared, {n_read} read"
        for body in re.findall(r"enum \{(.*?)\};", text):
            for name, mark in re.findall(r"(\w+)(?: API_AVAILABLE\(macos\(([\d.]+)\)\))? =", body):
                enumerators.setdefault(name, []).append(mark)
        for name in re.findall(r"#define (err_\w+) ", text):
            enumerators.setdefault(name, []).append("")

    wrong = []
    for row in tree.functions:
        expected = {(row["return_type"], row["parameters"], row["header"], row["min_macos"])}
        if declared.get(row["name"]) != expected:
            wrong.append(f"{row['name']}: {declared.get(row['name'])}, expected {expected}")
    yield f"{len(tree.functions)} functions are declared as in the table", "\n".join(wrong)
    extra = set(declared) - {row["name"] for row in tree.functions}
    yield "no other function is declared", " ".join(sorted(extra))

    key = {row["c_name"]: [int(x) for x in row["min_macos"].split(".")] for row in tree.enums}
    first = {}
    for row in tree.enums:
        first[row["c_type"]] = min(first.get(row["c_type"], [99, 0]), key[row["c_name"]])
    wrong = []
    for row in tree.enums:
        mark = "" if key[row["c_name"]] == first[row["c_type"]] else row["min_macos"]
        if enumerators.get(row["c_name"]) != [mark]:
            wrong.append(f"{row['c_name']}: versions {enumerators.get(row['c_name'])}, expected {[mark]}")
    yield f"{len(tree.enums)} constants are declared once, with their version", "\n".join(wrong[:20])
    yield "no other constant is declared", " ".join(sorted(set(enumerators) - set(key)))


def check_alone(tree):
    for path in tree.headers("Hypervisor"):
        name = path.relative_to(tree.include)
        yield from with_compilers(f"{name} alone", f"#include <{name}>\n#include <{name}>\n", [tree.include])
    both = [tree.include, tree.include / "darwin"]
    for path in tree.headers("darwin"):
        name = path.relative_to(tree.include / "darwin")
        yield from with_compilers(f"<{name}> alone", f"#include <{name}>\n#include <{name}>\nextern int one;\n", both)
    darwin = "".join(f"#include <{p.relative_to(tree.include / 'darwin')}>\n" for p in tree.headers("darwin"))
    ours = "#include <Hypervisor/Hypervisor.h>\n"
    # hv_return_t and mach_error_t are one type, in either order.
    same = "extern hv_return_t code;\nextern mach_error_t code;\n"
    yield from with_compilers("framework, then all Darwin headers", ours + darwin + same, both)
    yield from with_compilers("all Darwin headers, then framework", darwin + ours + same, both)
    # A program's own feature macros must not break them either.
    for macro in ("_GNU_SOURCE", "_POSIX_C_SOURCE 200809L"):
        text = f"#ifndef _GNU_SOURCE\n#define {macro}\n#endif\n" + darwin + ours + same
        yield from with_compilers(f"all with {macro}", text, both)


def check_values(tree):
    lines = []
    for row in tree.enums:
        # As 64 bits: also finds an enumerator that lost or gained high bits. Return codes are 32-bit patterns.
        cast = "(uint32_t)" if int(row["value"], 0) >> 31 else "(uint64_t)"
        lines.append(f'CHECK({cast}{row["c_name"]} == UINT64_C({row["value"]}), "{row["c_name"]}");')
        if cast == "(uint32_t)":
            lines.append(f'CHECK({row["c_name"]} < 0, "{row["c_name"]} is negative");')
    # Enumerators fit their type, and reach a parameter of it without a warning.
    for row in tree.enums:
        if row["c_type"] != "#define":
            lines.append(f'CHECK(({row["c_type"]}){row["c_name"]} == {row["c_name"]}, "{row["c_name"]} fits");')
    yield from with_compilers(f"{len(tree.enums)} values", PRELUDE + "\n".join(lines) + "\n", [tree.include])


def check_layout(tree):
    lines = []
    with open(HERE / "layout.tsv", encoding="utf-8") as file:
        facts = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    for fact in facts:
        name, size, align, kind = fact[:4]
        if len(fact) == 6:
            member, offset = fact[4:]
            lines.append(f'CHECK(offsetof({name}, {member}) == {offset}, "offset of {name}.{member}");')
            lines.append(f'CHECK(sizeof((({name} *)0)->{member}) == {size}, "size of {name}.{member}");')
            continue
        lines.append(f'CHECK(sizeof({name}) == {size}, "size of {name}");')
        if align != "-":
            lines.append(f"#ifdef __cplusplus\nCHECK(alignof({name}) == {align}, \"alignment of {name}\");\n"
                         f"#else\nCHECK(_Alignof({name}) == {align}, \"alignment of {name}\");\n#endif")
        if kind in "iu":
            lines.append(f'CHECK({"" if kind == "u" else "!"}IS_UNSIGNED({name}), "signedness of {name}");')
        if kind == "p":
            # A second declaration with the structure spelled out: no other pointer type agrees with it.
            lines.append(f"extern struct {name[:-2]}_s *same_{name};\nextern {name} same_{name};")
        if kind == "v":
            # A plain byte that lost its attribute cannot be indexed.
            lines.append(f"extern {name} value_{name};\n"
                         f'CHECK(sizeof(value_{name}[0]) == 1, "element of {name}");')
    typed = {row["c_type"] for row in tree.enums if row["c_type"] != "#define"}
    missing = typed - {fact[0] for fact in facts}
    yield "every enumeration is in the table of layouts", " ".join(sorted(missing))
    text = PRELUDE + "\n".join(lines) + "\n"
    yield from with_compilers(f"{len(facts)} types and members", text, [tree.include])


def check_signatures(tree):
    lines = []
    for row in tree.functions:
        lines.append(f'typedef {row["return_type"]} (*type_{row["name"]})({row["parameters"]});')
        lines.append(f'CHECK(IS_FUNCTION({row["name"]}, type_{row["name"]}), "type of {row["name"]}");')
    yield from with_compilers(f"{len(tree.functions)} functions", PRELUDE + "\n".join(lines) + "\n", [tree.include])


CHECKS = {
    "generated": check_generated,
    "text": check_text,
    "alone": check_alone,
    "values": check_values,
    "layout": check_layout,
    "signatures": check_signatures,
}

# check that must fail, file, what is in it, what takes its place
MUTATIONS = [
    ("generated", "include/Hypervisor/hv_vm.h", "Creates the virtual machine", "Creates a virtual machine"),
    ("generated", "data/hv-docs.txt", "- HV_BUSY A vCPU is running", "- HV_DENIED A vCPU is running"),
    ("generated", "data/hv-docs.txt", "== function hv_gic_reset", "== function hv_gic_rest"),
    ("generated", "data/hv-docs.txt", "@ redistributor_base_address Out", "@ base Out"),
    ("text", "include/Hypervisor/hv_vcpu.h", "hv_reg_t reg, uint64_t value)", "uint32_t reg, uint64_t value)"),
    ("text", "include/Hypervisor/hv_gic.h", "API_AVAILABLE(macos(15.0))\nHV_API hv_return_t hv_gic_reset",
     "API_AVAILABLE(macos(15.2))\nHV_API hv_return_t hv_gic_reset"),
    ("text", "include/Hypervisor/hv_gic_types.h", "    HV_GIC_ICC_REG_PMR_EL1 =", "    HV_GIC_EXTRA = 1,\n"
     "    HV_GIC_ICC_REG_PMR_EL1 ="),
    ("text", "include/Hypervisor/hv_vcpu_types.h", "HV_SYS_REG_ACTLR_EL1 API_AVAILABLE(macos(15.0))",
     "HV_SYS_REG_ACTLR_EL1"),
    ("alone", "include/Hypervisor/hv_gic_config.h", "#include <Hypervisor/hv_kern_types.h>\n", ""),
    ("alone", "include/darwin/mach/error.h", "typedef kern_return_t mach_error_t;", "typedef unsigned mach_error_t;"),
    ("alone", "include/darwin/mach/mach_time.h", "until.tv_nsec = (long)(ns % 1000000000u);",
     "until.tv_nsec = ns % 1000000000u;"),
    ("values", "include/Hypervisor/hv_vcpu_types.h", "HV_SYS_REG_MDCR_EL2 API_AVAILABLE(macos(15.0)) = 0xe089",
     "HV_SYS_REG_MDCR_EL2 API_AVAILABLE(macos(15.0)) = 0xe019"),
    ("values", "include/Hypervisor/hv_kern_types.h", "(-0x0516c000)", "0xfae94000ll"),
    ("values", "include/Hypervisor/hv_gic_types.h", "typedef uint32_t hv_gic_redistributor_reg_t",
     "typedef uint16_t hv_gic_redistributor_reg_t"),
    ("layout", "include/Hypervisor/hv_vcpu_types.h", "typedef uint16_t hv_sys_reg_t", "typedef uint32_t hv_sys_reg_t"),
    ("layout", "include/Hypervisor/hv_vcpu_types.h", "vector_size(64)", "ext_vector_type(64)"),
    ("layout", "include/Hypervisor/hv_kern_types.h", "__attribute__((packed)) ", ""),
    ("layout", "include/Hypervisor/hv_kern_types.h", "typedef int32_t hv_return_t", "typedef uint32_t hv_return_t"),
    ("layout", "include/Hypervisor/hv_vm_config.h", "typedef struct hv_vm_config_s *", "typedef void *"),
    ("signatures", "include/Hypervisor/hv_vcpu.h", "hv_vcpu_t *vcpus", "const hv_vcpu_t *vcpus"),
    ("signatures", "include/Hypervisor/hv_vcpu.h", "hv_simd_fp_uchar16_t value)", "hv_simd_fp_uchar16_t *value)"),
    ("signatures", "include/Hypervisor/hv_base.h", "void *os_retain", "int *os_retain"),
]


def check_mutations(tree):
    for check, name, old, new in MUTATIONS:
        with tempfile.TemporaryDirectory() as top:
            copy = Path(top)
            for part in ("include", "data", "tools/gen"):
                shutil.copytree(tree.root / part, copy / part)
            text = (copy / name).read_text(encoding="utf-8")
            title = f"{check} notices '{new.strip().splitlines()[0] if new.strip() else 'nothing'}' in {name}"
            if text.count(old) < 1:
                yield title, f"'{old}' is not in {name}: adapt the mutation"
                continue
            (copy / name).write_text(text.replace(old, new, 1), encoding="utf-8")
            # One finding is enough: any() takes no more of the check's results.
            found = any(wrong for _, wrong in CHECKS[check](Tree(copy)))
            yield title, "" if found else "it was not noticed"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", choices=[*CHECKS, "mutations"])
    parser.add_argument("--root", type=Path, default=ROOT, help="tree whose headers are checked")
    options = parser.parse_args()
    run = check_mutations if options.check == "mutations" else CHECKS[options.check]
    count = failed = 0
    for title, wrong in run(Tree(options.root.resolve())):
        count += 1
        name, _, directive = title.partition(" # ")
        print(f"{'not ok' if wrong else 'ok'} {count} - {name}" + (f" # {directive}" if directive else ""), flush=True)
        if wrong:
            failed += 1
            print("".join(f"# {line}\n" for line in wrong.splitlines()[:40]), end="")
    print(f"1..{count}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
