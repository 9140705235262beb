/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Which accesses of emitted code have no translation. Called with values in vector registers: compiled as mmu/refill.c is, so that they
 * stay as they are.
 */
#include "engine/mmu/mmu.h"
#include "engine/x64/thunks.h"

bool x64_access_fails(struct a64_cpu *cpu, uint64_t va, const struct x64_access *access)
{
    return (access->op == IR_LOAD || access->op == IR_STORE) &&
           (va & ((1u << access->size) - 1)) == 0 &&
           mmu_fails_in_place(cpu, (access->flags & IR_MEM_UNPRIV) != 0, va,
                              access->op == IR_STORE);
}
