/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the MMU needs of a VM's memory beside vm_lookup(). */
#ifndef VM_MEMORY_H
#define VM_MEMORY_H

#include "vm/vm.h"

struct mmu_bus;

/* Where the vCPUs of this VM meet for TLB maintenance: lives as long as the map. */
struct mmu_bus *vm_memory_bus(const struct vm *vm);

#endif
