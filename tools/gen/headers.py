#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes include/Hypervisor/*.h and include/darwin/os/object.h from data/hv-{functions,enums}.tsv and data/hv-docs.txt.

    tools/gen/headers.py            write the headers
    tools/gen/headers.py --check    exit 1 and name the files if the committed headers differ

The result is committed, so that people can read it; tests/abi checks that it is what this program writes. A function
without complete documentation, or documentation of something that does not exist, is an error.
"""

import argparse
import csv
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 100

# Enumerations are an integer typedef beside an anonymous enum: GCC 12 has no enumerations with a fixed underlying
# type in C, and half of these types are 16 bits wide in the framework's ABI.
CONTENTS = {
    "hv_base.h": {
        "system": ["stdbool.h", "stddef.h", "stdint.h"],
        "items": ["base", "object"],
    },
    "hv_kern_types.h": {
        "ours": ["hv_base.h"],
        "items": [
            ("scalar", "hv_return_t", "int32_t", "11.0"),
            ("defines",),
            ("enum", "hv_return_t"),
            ("scalar", "hv_ipa_t", "uint64_t", "11.0"),
            ("scalar", "hv_memory_flags_t", "uint64_t", "11.0"),
            ("enum", "hv_memory_flags_t"),
            ("struct", "hv_data_abort_notification_t", None, "packed",
             [("uint64_t", "context"), ("uint64_t", "ipa"), ("uint64_t", "value"), ("uint32_t", "access_size"),
              ("uint32_t", "access_type")]),
        ],
    },
    "hv_vm_types.h": {
        "ours": ["hv_kern_types.h"],
        "items": [
            ("scalar", "hv_allocate_flags_t", "uint64_t", "12.1"),
            ("enum", "hv_allocate_flags_t"),
            ("scalar", "hv_ipa_granule_t", "uint32_t", "26.0"),
            ("enum", "hv_ipa_granule_t"),
        ],
    },
    "hv_vm_config.h": {
        "ours": ["hv_vm_types.h"],
        "items": [("handle", "hv_vm_config_t", "11.0"), ("functions",)],
    },
    "hv_vm_allocate.h": {"ours": ["hv_vm_types.h"], "items": [("functions",)]},
    "hv_vm.h": {"ours": ["hv_vm_config.h", "hv_vm_types.h"], "items": [("functions",)]},
    "hv_vcpu_types.h": {
        "ours": ["hv_kern_types.h"],
        "items": [
            ("scalar", "hv_vcpu_t", "uint64_t", "11.0"),
            ("scalar", "hv_exit_reason_t", "uint32_t", "11.0"),
            ("enum", "hv_exit_reason_t"),
            ("scalar", "hv_exception_syndrome_t", "uint64_t", "11.0"),
            ("scalar", "hv_exception_address_t", "uint64_t", "11.0"),
            ("struct", "hv_vcpu_exit_exception_t", "11.0", "",
             [("hv_exception_syndrome_t", "syndrome"), ("hv_exception_address_t", "virtual_address"),
              ("hv_ipa_t", "physical_address")]),
            ("struct", "hv_vcpu_exit_t", "11.0", "",
             [("hv_exit_reason_t", "reason"), ("hv_vcpu_exit_exception_t", "exception")]),
            ("scalar", "hv_reg_t", "uint32_t", "11.0"),
            ("enum", "hv_reg_t"),
            ("scalar", "hv_simd_fp_reg_t", "uint32_t", "11.0"),
            ("enum", "hv_simd_fp_reg_t"),
            ("vector", "hv_simd_fp_uchar16_t", 16, "11.0"),
            ("struct", "hv_vcpu_sme_state_t", "15.2", "",
             [("bool", "streaming_sve_mode_enabled"), ("bool", "za_storage_enabled")]),
            ("scalar", "hv_sme_z_reg_t", "uint32_t", "15.2"),
            ("enum", "hv_sme_z_reg_t"),
            ("scalar", "hv_sme_p_reg_t", "uint32_t", "15.2"),
            ("enum", "hv_sme_p_reg_t"),
            ("vector", "hv_sme_zt0_uchar64_t", 64, "15.2"),
            ("scalar", "hv_sys_reg_t", "uint16_t", "11.0"),
            ("enum", "hv_sys_reg_t"),
            ("scalar", "hv_interrupt_type_t", "uint32_t", "11.0"),
            ("enum", "hv_interrupt_type_t"),
            ("scalar", "hv_cache_type_t", "uint32_t", "11.0"),
            ("enum", "hv_cache_type_t"),
            ("scalar", "hv_feature_reg_t", "uint32_t", "11.0"),
            ("enum", "hv_feature_reg_t"),
        ],
    },
    "hv_vcpu_config.h": {
        "ours": ["hv_vcpu_types.h"],
        "items": [("handle", "hv_vcpu_config_t", "11.0"), ("functions",)],
    },
    "hv_sme_config.h": {"ours": ["hv_kern_types.h"], "items": [("functions",)]},
    "hv_vcpu.h": {"ours": ["hv_vcpu_config.h", "hv_vcpu_types.h"], "items": [("functions",)]},
    "hv_gic_types.h": {
        "ours": ["hv_kern_types.h"],
        "items": [
            ("scalar", "hv_gic_intid_t", "uint16_t", "15.0"),
            ("enum", "hv_gic_intid_t"),
            ("scalar", "hv_gic_distributor_reg_t", "uint16_t", "15.0"),
            ("enum", "hv_gic_distributor_reg_t"),
            ("scalar", "hv_gic_redistributor_reg_t", "uint32_t", "15.0"),
            ("enum", "hv_gic_redistributor_reg_t"),
            ("scalar", "hv_gic_icc_reg_t", "uint16_t", "15.0"),
            ("enum", "hv_gic_icc_reg_t"),
            ("scalar", "hv_gic_ich_reg_t", "uint16_t", "15.0"),
            ("enum", "hv_gic_ich_reg_t"),
            ("scalar", "hv_gic_icv_reg_t", "uint16_t", "15.0"),
            ("enum", "hv_gic_icv_reg_t"),
            ("scalar", "hv_gic_msi_reg_t", "uint16_t", "15.0"),
            ("enum", "hv_gic_msi_reg_t"),
        ],
    },
    "hv_gic_config.h": {
        "ours": ["hv_kern_types.h"],
        "items": [("handle", "hv_gic_config_t", "15.0"), ("functions",)],
    },
    "hv_gic_parameters.h": {"ours": ["hv_gic_types.h"], "items": [("functions",)]},
    "hv_gic_state.h": {
        "ours": ["hv_kern_types.h"],
        "items": [("handle", "hv_gic_state_t", "15.0"), ("functions",)],
    },
    "hv_gic.h": {
        "ours": ["hv_gic_config.h", "hv_gic_types.h", "hv_vcpu_types.h"],
        "items": [("functions",)],
    },
    "Hypervisor.h": {
        "ours": ["hv_gic.h", "hv_gic_config.h", "hv_gic_parameters.h", "hv_gic_state.h", "hv_gic_types.h",
                 "hv_sme_config.h", "hv_vcpu.h", "hv_vcpu_config.h", "hv_vcpu_types.h", "hv_vm.h", "hv_vm_allocate.h",
                 "hv_vm_config.h", "hv_vm_types.h"],
        "items": [],
    },
}

BASE = """\
/*
 * First macOS version of what follows, for the reader: expands to nothing here. Where the library
 * acts as an older macOS, newer functions answer HV_UNSUPPORTED. <Availability.h> has the same.
 */
#ifndef API_AVAILABLE
#define API_AVAILABLE(...)
#endif

/* Exported from libhypervisor, also when a program is built with -fvisibility=hidden. */
#ifndef HV_API
#define HV_API __attribute__((visibility("default")))
#endif
"""

# Both headers declare the two functions, because programs rely on either; the macro keeps it at one declaration.
OBJECT_GUARD = "HV_OS_OBJECT_DECLARED"

THREADS = {
    "any": "any.",
    "config": "any, one at a time per object.",
    "owner": "the vCPU's owning thread only, that is the one that created it.",
    "owner-blocks": "the vCPU's owning thread only; blocks until the guest exits.",
    "creator": "any; the caller becomes the owning thread.",
}

# What hv-functions.tsv says of owning_thread, and what the documentation may then say.
THREAD_RULE = {"yes": {"owner", "owner-blocks"}, "no": {"any"}, "-": {"any", "config", "owner", "creator"}}


class Fail(Exception):
    pass


def rows(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


class Docs:
    """data/hv-docs.txt; every section must be used exactly once, except fragments (at least once)."""

    def __init__(self, path):
        self.sections, self.used, lines = {}, set(), None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.startswith("== "):
                key = tuple(line[3:].split(" ", 2))
                if key in self.sections:
                    raise Fail(f"{path}:{number}: second section {key}")
                lines = self.sections[key] = []
            elif line.startswith("# ") or line == "#":
                continue
            elif line.startswith("  "):
                lines[-1] += " " + line.strip()
            elif lines is not None:
                lines.append(line)

    def get(self, *key, default=None):
        if key not in self.sections:
            if default is not None:
                return default
            raise Fail(f"no section '== {' '.join(key)}'")
        self.used.add(key)
        return self.sections[key]

    def text(self, *key, default=None):
        return "\n".join(self.get(*key, default=default)).strip()

    def groups(self, type_name):
        keys = [k for k in self.sections if k[:2] == ("group", type_name)]
        return [(re.compile(k[2]), k) for k in keys]

    def unused(self):
        return [" ".join(k) for k in self.sections if k not in self.used]


def paragraphs(text, width):
    """Wraps each paragraph; a blank line between paragraphs stays."""
    out = []
    for block in re.split(r"\n\s*\n", text.strip()):
        if out:
            out.append("")
        out += textwrap.wrap(" ".join(block.split()), width, break_long_words=False, break_on_hyphens=False)
    return out


def comment(lines, indent="", opening="/**"):
    if len(lines) == 1 and len(indent) + len(lines[0]) + 7 <= WIDTH:
        return f"{indent}{opening} {lines[0]} */\n"
    body = "".join(f"{indent} * {x}".rstrip() + "\n" for x in lines)
    return f"{indent}{opening}\n{body}{indent} */\n"


def tagged(tag, text):
    return textwrap.wrap(f"{tag} {text}", WIDTH - 3, subsequent_indent="    ", break_long_words=False,
                         break_on_hyphens=False)


def sentence(text):
    return text if text.endswith(".") else text + "."


def available(version):
    return f"API_AVAILABLE(macos({version}))"


def trailing(entries, indent="    "):
    """Lines of code with a comment beside each, in one column, or above each where that would be too wide."""
    column = max((len(code) for code, note in entries if note), default=0)
    beside = [f"{indent}{code.ljust(column)} /**< {note} */" if note else f"{indent}{code}" for code, note in entries]
    if all(len(line) <= WIDTH for line in beside):
        return "".join(line + "\n" for line in beside)
    return "".join(comment(paragraphs(note, WIDTH - 7), indent) + f"{indent}{code}\n" for code, note in entries)


class Generator:
    def __init__(self, data):
        self.docs = Docs(data / "hv-docs.txt")
        self.functions = rows(data / "hv-functions.tsv")
        self.enums = {}
        for row in rows(data / "hv-enums.tsv"):
            self.enums.setdefault(row["c_type"], []).append(row)
        self.emitted = set()

    # -- one function ------------------------------------------------------------------------------------------------

    def function_doc(self, row):
        name, lines = row["name"], self.docs.get("function", row["name"])
        prose, params, codes, result, threads, source = [], {}, {}, None, None, None
        pending = list(lines)
        while pending:
            line = pending.pop(0)
            if line.startswith("@ "):
                key, text = line[2:].split(" ", 1)
                params[key] = sentence(text)
            elif line.startswith("- "):
                key, text = line[2:].split(" ", 1)
                codes.setdefault(key, []).append(sentence(text))
            elif line.startswith("= "):
                result = line[2:]
            elif line.startswith("+ "):
                pending[:0] = self.docs.get("frag", line[2:])
            elif line.startswith("threads "):
                threads = line[8:]
            elif line.startswith("source "):
                source = line[7:]
            else:
                prose.append(line)

        newer = row["min_macos"] not in ("11.0", "10.10")
        if newer and row["return_type"] == "hv_return_t":
            codes.setdefault("HV_UNSUPPORTED", []).append(
                f"The library acts as a macOS older than {row['min_macos']}.")
        elif newer:
            result += f" NULL also if the library acts as a macOS older than {row['min_macos']}."

        names = [] if row["parameters"] == "void" else [
            re.search(r"(\w+)(\[\d+\])?$", p.strip()).group(1) for p in row["parameters"].split(",")]
        if list(params) != names:
            raise Fail(f"{name}: parameters are {names}, documented are {list(params)}")
        if threads not in THREAD_RULE[row["owning_thread"]]:
            raise Fail(f"{name}: thread rule '{threads}' against '{row['owning_thread']}' in the table")
        known = {r["c_name"] for r in self.enums["hv_return_t"]}
        if row["return_type"] == "hv_return_t" and ("HV_SUCCESS" not in codes or result):
            raise Fail(f"{name}: needs HV_SUCCESS and no '='")
        if row["return_type"] != "hv_return_t" and (codes or (row["return_type"] != "void") != bool(result)):
            raise Fail(f"{name}: needs '=' unless void, and no return codes")
        if not set(codes) <= known:
            raise Fail(f"{name}: unknown return codes {set(codes) - known}")
        if not "\n".join(prose).strip():
            raise Fail(f"{name}: no description")

        order = [r["c_name"] for r in self.enums["hv_return_t"]]
        out = paragraphs("\n".join(prose), WIDTH - 3) + [""]
        for key in names:
            out += tagged(f"@param {key}", params[key])
        if result:
            out += tagged("@return", result)
        for key in sorted(codes, key=order.index):
            out += tagged(f"@retval {key}", " ".join(codes[key]))
        out += tagged("Threads:", THREADS[threads])
        out += tagged("Since:", f"macOS {row['min_macos']}.")
        if source:
            out += tagged("Source:", sentence(source))
        return comment(out)

    def function(self, row):
        head = f"HV_API {row['return_type']}" + ("" if row["return_type"].endswith("*") else " ") + row["name"] + "("
        line, out = head, []
        params = [p.strip() for p in row["parameters"].split(",")]
        for i, param in enumerate(params):
            piece = param + (");" if i == len(params) - 1 else ",")
            if not line.endswith("(") and len(line) + 1 + len(piece) > WIDTH:
                out.append(line)
                line = " " * len(head) + piece
            else:
                line += piece if line.endswith("(") else " " + piece
        out.append(line)
        self.emitted.add(row["name"])
        return self.function_doc(row) + available(row["min_macos"]) + "\n" + "\n".join(out) + "\n"

    def function_list(self, header):
        return "\n".join(self.function(r) for r in self.functions if r["header"] == header)

    # -- types -------------------------------------------------------------------------------------------------------

    def type_doc(self, name):
        return comment(paragraphs(self.docs.text("type", name), WIDTH - 3))

    def scalar(self, name, base, version):
        return self.type_doc(name) + f"typedef {base} {name} {available(version)};\n"

    def handle(self, name, version):
        return self.type_doc(name) + f"typedef struct {name[:-2]}_s *{name} {available(version)};\n"

    def vector(self, name, size, version):
        return (self.type_doc(name) +
                f"typedef uint8_t {name} __attribute__((vector_size({size}))) {available(version)};\n")

    def struct(self, name, version, attribute, fields):
        entries = [(f"{t} {n};", self.docs.text("field", f"{name}.{n}")) for t, n in fields]
        attribute = "__attribute__((packed)) " if attribute == "packed" else ""
        tail = f" {available(version)}" if version else ""
        return self.type_doc(name) + "typedef struct {\n" + trailing(entries) + f"}} {attribute}{name}{tail};\n"

    def value(self, type_name, row):
        number = int(row["value"], 0)
        if type_name == "hv_return_t" and number:
            return f"err_common_hypervisor | 0x{number & 0xfff:02x}"
        if type_name == "hv_memory_flags_t":
            return f"1ull << {number.bit_length() - 1}"
        if type_name.endswith("_reg_t") and ("sys" in type_name or "gic" in type_name):
            return f"0x{number:04x}"
        return str(number)

    def enum(self, name):
        members = self.enums[name]
        first = min(members, key=lambda r: [int(x) for x in r["min_macos"].split(".")])["min_macos"]
        groups = self.docs.groups(name)
        blocks = {key: [] for _, key in groups} or {None: []}
        for row in members:
            key = next((k for regex, k in groups if regex.search(row["c_name"])), None)
            if key not in blocks:
                raise Fail(f"{row['c_name']} is in no group")
            mark = "" if row["min_macos"] == first else " " + available(row["min_macos"])
            note = self.docs.text("value", row["c_name"], default=["-"])
            code = f"{row['c_name']}{mark} = {self.value(name, row)},"
            blocks[key].append((code, "" if note == "-" else note))
            self.emitted.add(row["c_name"])
        out = []
        for key, entries in blocks.items():
            if not entries:
                raise Fail(f"group {key} is empty")
            head = comment(paragraphs(self.docs.text(*key), WIDTH - 7), "    ", "/*") if key else ""
            out.append(head + trailing(entries))
        return "enum {\n" + "\n".join(out) + "};\n"

    def defines(self):
        # Written without a cast, so that they also work in #if; err_local | ... has bit 31 set and is negative.
        text = {0x2E94000: "0x02e94000", 0xFAE94000: "(-0x0516c000)"}
        out = ""
        for row in self.enums["#define"]:
            out += comment(paragraphs(self.docs.text("value", row["c_name"]), WIDTH - 3))
            out += f"#define {row['c_name']} {text[int(row['value'], 0)]}\n"
            self.emitted.add(row["c_name"])
        return out

    def object(self):
        return (f"#ifndef {OBJECT_GUARD}\n#define {OBJECT_GUARD}\n\n" + self.function_list("os/object.h") +
                "\n#endif\n")

    # -- files -------------------------------------------------------------------------------------------------------

    def header(self, name, guard, includes, body):
        out = "/* SPDX-License-Identifier: MIT OR Apache-2.0 */\n"
        out += "/* Generated by tools/gen/headers.py from data/hv-docs.txt and the tables beside it: edit those. */\n"
        out += comment(paragraphs(self.docs.text("file", name), WIDTH - 3), opening="/*")
        out += f"#ifndef {guard}\n#define {guard}\n"
        for block in includes:
            out += "\n" + "".join(f"#include <{x}>\n" for x in block)
        if body:
            out += '\n#ifdef __cplusplus\nextern "C" {\n#endif\n\n' + "\n".join(body)
            out += "\n#ifdef __cplusplus\n}\n#endif\n"
        return out + f"\n#endif /* {guard} */\n"

    def files(self):
        result = {}
        for name, what in CONTENTS.items():
            body = []
            for item in what["items"]:
                if item == "base":
                    body.append(BASE)
                elif item == "object":
                    body.append(self.object())
                elif item[0] == "functions":
                    body.append(self.function_list(name))
                else:
                    body.append(getattr(self, item[0])(*item[1:]))
            includes = [x for x in (what.get("system"), [f"Hypervisor/{x}" for x in what.get("ours", [])]) if x]
            guard = "HYPERVISOR_" + re.sub(r"\W", "_", name).upper()
            result[f"include/Hypervisor/{name}"] = self.header(name, guard, includes, body)

        result["include/darwin/os/object.h"] = self.header(
            "object.h", "DARWIN_OS_OBJECT_H", [], [BASE, self.object()])

        wanted = {r["name"] for r in self.functions} | {r["c_name"] for rs in self.enums.values() for r in rs}
        if self.emitted != wanted:
            raise Fail(f"not written: {sorted(wanted - self.emitted)}")
        if self.docs.unused():
            raise Fail(f"documentation of nothing: {self.docs.unused()}")
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--root", type=Path, default=ROOT, help="tree that holds data/ and include/")
    options = parser.parse_args()
    try:
        files = Generator(options.root / "data").files()
    except Fail as why:
        sys.exit(f"headers.py: {why}")
    stale = []
    for path, text in files.items():
        target = options.root / path
        if options.check:
            if not target.exists() or target.read_text() != text:
                stale.append(path)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    have = {p.relative_to(options.root).as_posix() for p in (options.root / "include/Hypervisor").glob("*")}
    stale += sorted(have - set(files)) if options.check else []
    if stale:
        sys.exit("differ from what tools/gen/headers.py writes: " + " ".join(stale))


if __name__ == "__main__":
    main()
