/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* HV_HOST_LEVEL for the tests that make VMs of their own. A level that the host does not have skips the test. */
#ifndef VM_TEST_HOST_LEVEL_H
#define VM_TEST_HOST_LEVEL_H

#include <stdio.h>
#include <stdlib.h>

#include "vm/vm.h"

static inline unsigned test_host_level(void)
{
    const char *const name = getenv("HV_HOST_LEVEL");

    if (name == NULL) {
        return 0;
    }
    const unsigned level = vm_host_level_by_name(name);
    if (level == 0 || level > vm_host_level()) {
        fprintf(stderr, "HV_HOST_LEVEL is '%s', which this host is not\n", name);
        exit(77);
    }
    return level;
}

#endif
