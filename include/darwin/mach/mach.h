/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is offered of Mach: results, their names, and memory. Ports, messages and threads are not. */
#ifndef DARWIN_MACH_MACH_H
#define DARWIN_MACH_MACH_H

/* IWYU pragma: begin_exports */
#include <mach/error.h>
#include <mach/kern_return.h>
#include <mach/mach_error.h>
#include <mach/mach_vm.h>
#include <mach/vm_types.h>
/* IWYU pragma: end_exports */

#endif /* DARWIN_MACH_MACH_H */
