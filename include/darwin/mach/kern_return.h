/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Results of Mach calls: those that the functions in this folder return, and those that programs test for. */
#ifndef DARWIN_MACH_KERN_RETURN_H
#define DARWIN_MACH_KERN_RETURN_H

typedef int kern_return_t;

#define KERN_SUCCESS            0
#define KERN_INVALID_ADDRESS    1
#define KERN_PROTECTION_FAILURE 2
#define KERN_NO_SPACE           3
#define KERN_INVALID_ARGUMENT   4
#define KERN_FAILURE            5
#define KERN_RESOURCE_SHORTAGE  6
#define KERN_ABORTED            14
#define KERN_NOT_SUPPORTED      46

#endif /* DARWIN_MACH_KERN_RETURN_H */
