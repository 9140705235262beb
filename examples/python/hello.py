#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""The smallest guest from Python: libapplevisor through cffi. Prints what the guest left in X0."""

import sys

import cffi

ffi = cffi.FFI()
ffi.cdef("""
    typedef struct av_vm av_vm;
    typedef struct av_memory av_memory;
    typedef struct av_vcpu av_vcpu;
    typedef struct { uint32_t reason; struct { uint64_t syndrome, virtual_address, physical_address; } exception; } hv_vcpu_exit_t;

    const char *av_error_message(void);
    int av_vm_create(av_vm **vm);
    void av_vm_unref(av_vm *vm);
    int av_memory_create(av_memory **memory, av_vm *vm, size_t size);
    void av_memory_destroy(av_memory *memory);
    int av_memory_map(av_memory *memory, uint64_t address, int perms);
    int av_memory_write(av_memory *memory, uint64_t address, const void *data, size_t size);
    int av_vcpu_create(av_vcpu **vcpu, av_vm *vm);
    int av_vcpu_destroy(av_vcpu *vcpu);
    int av_vcpu_set_reg(av_vcpu *vcpu, uint32_t reg, uint64_t value);
    int av_vcpu_get_reg(const av_vcpu *vcpu, uint32_t reg, uint64_t *value);
    int av_vcpu_run(av_vcpu *vcpu);
    int av_vcpu_get_exit(const av_vcpu *vcpu, hv_vcpu_exit_t *exit);
""")
lib = ffi.dlopen("libapplevisor.so.0")
RX = 5
X0, PC = 0, 31


class Refused(Exception):
    """What a call was refused for, in the library's words."""


def must(error):
    if error != 0:
        raise Refused(ffi.string(lib.av_error_message()).decode())


def create(kind, function, release, *arguments):
    """A new object, released with its last reference in Python."""
    place = ffi.new(kind + " **")
    must(function(place, *arguments))
    return ffi.gc(place[0], release)


def main():
    vm = create("av_vm", lib.av_vm_create, lib.av_vm_unref)
    memory = create("av_memory", lib.av_memory_create, lib.av_memory_destroy, vm, 0x4000)
    vcpu = create("av_vcpu", lib.av_vcpu_create, lib.av_vcpu_destroy, vm)
    code = b"".join(word.to_bytes(4, "little") for word in (0xd2800840, 0xd4000002))  # mov x0, #0x42; hvc #0
    must(lib.av_memory_map(memory, 0x4000, RX))
    must(lib.av_memory_write(memory, 0x4000, code, len(code)))
    must(lib.av_vcpu_set_reg(vcpu, PC, 0x4000))
    must(lib.av_vcpu_run(vcpu))
    info = ffi.new("hv_vcpu_exit_t *")
    x0 = ffi.new("uint64_t *")
    must(lib.av_vcpu_get_exit(vcpu, info))
    must(lib.av_vcpu_get_reg(vcpu, X0, x0))
    print(f"x0 = {x0[0]:#x}, syndrome = {info.exception.syndrome:#x}")
    try:
        must(lib.av_memory_map(memory, 0x1000, RX))
    except Refused as reason:
        print(reason)
    return 0 if x0[0] == 0x42 and info.exception.syndrome >> 26 == 0x16 else 1


if __name__ == "__main__":
    sys.exit(main())
