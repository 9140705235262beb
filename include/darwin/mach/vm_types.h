/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Names of addresses, sizes and tasks in Mach calls. */
#ifndef DARWIN_MACH_VM_TYPES_H
#define DARWIN_MACH_VM_TYPES_H

#include <stdint.h>

typedef uintptr_t vm_address_t;
typedef uintptr_t vm_size_t;
typedef uint64_t mach_vm_address_t;
typedef uint64_t mach_vm_size_t;

typedef unsigned int mach_port_t;
/* Only the caller's own task can be named: see mach_task_self(). */
typedef mach_port_t vm_map_t;

#endif /* DARWIN_MACH_VM_TYPES_H */
