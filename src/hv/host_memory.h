/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef HV_HOST_MEMORY_H
#define HV_HOST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* What this process may do with all of a range of its own memory. */
struct host_access {
    bool mapped, readable, writable;
};

/*
 * Asks the kernel; touches nothing and makes nothing resident. Where there is no /proc only holes are seen, and the rest is taken
 * for readable and writable.
 */
struct host_access host_memory_access(const void *start, size_t size);

#endif
