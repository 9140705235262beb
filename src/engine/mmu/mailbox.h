/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * TLB maintenance between the vCPUs of one VM.
 *
 * A bus keeps the last operations posted, numbered; each vCPU remembers up to which number it has come, and carries out the rest
 * at its next poll, or when it enters the guest. Whoever falls behind by more than the ring holds flushes everything. The bus's
 * lock is held for a few instructions and never while waiting, so any thread may post, also one that others wait for.
 */
#ifndef ENGINE_MMU_MAILBOX_H
#define ENGINE_MMU_MAILBOX_H

#include "engine/mmu/mmu.h"

struct mmu_bus *mmu_bus_create(void);      /* NULL: out of memory */
void mmu_bus_destroy(struct mmu_bus *bus); /* NULL is fine; no vCPU is left on it */

/* A vCPU comes, with empty tables, and goes. Its MMU exists. */
void mmu_bus_join(struct mmu_bus *bus, struct a64_cpu *cpu);
void mmu_bus_leave(struct mmu_bus *bus, struct a64_cpu *cpu);

/* Every vCPU of the VM drops everything before it looks at memory again. Any thread. */
void mmu_bus_flush_all(struct mmu_bus *bus);

#endif
