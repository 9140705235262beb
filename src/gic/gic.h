/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A GICv3 (Arm IHI0069): one Distributor, up to 64 Redistributors with their CPU interfaces, and an MSI frame. One security state
 * (GICD_CTLR.DS = 1), affinity routing always on, 5 priority bits, 988 SPIs; no LPIs, no ITS.
 *
 * It knows neither VMs nor engines: its owner attaches CPUs, drives inputs, and gets the interrupt lines through a function.
 *
 * Threads: every function takes the GIC's lock and may be called from any thread, gic_create, gic_destroy excepted. The lines
 * function is called with the lock held: it must not call the GIC. gic_detach() returns when no other thread is in it for that CPU.
 */
#ifndef GIC_GIC_H
#define GIC_GIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gic;
struct gic_cpu;

#define GIC_MAX_CPUS   64u
#define GIC_SPI_BASE   32u
#define GIC_INTIDS     1020u /* INTID 0 to 1019 */
#define GIC_SPI_COUNT  (GIC_INTIDS - GIC_SPI_BASE)
#define GIC_FRAME_SIZE 0x10000u
#define GICD_SIZE      GIC_FRAME_SIZE
#define GICR_SIZE      (2 * GIC_FRAME_SIZE)
#define GICM_SIZE      GIC_FRAME_SIZE

enum { GIC_LINE_IRQ = 1, GIC_LINE_FIQ = 2 };

struct gic_config {
    uint64_t gicd_base, gicr_base, gicm_base;
    uint32_t msi_base, msi_count; /* INTIDs; count 0: no MSI frame */
};

/* The lines of a CPU have changed to `lines` (GIC_LINE_*). */
typedef void gic_lines_fn(void *owner, uint32_t lines);

struct gic *gic_create(const struct gic_config *config,
                       gic_lines_fn *lines); /* NULL: out of memory */
void gic_destroy(struct gic *gic);
const struct gic_config *gic_config_of(const struct gic *gic);

/* --- CPUs. index: place of the Redistributor, and GICR_TYPER.Processor_Number. */
struct gic_cpu *gic_attach(struct gic *gic, unsigned index, void *owner);
void gic_detach(struct gic_cpu *cpu); /* the Redistributor goes; NULL is fine */
void gic_set_affinity(struct gic_cpu *cpu, uint64_t mpidr);
uint64_t gic_redistributor_base(const struct gic_cpu *cpu);

/* --- Inputs */
void gic_set_spi(struct gic *gic, unsigned intid, bool level);
void gic_message(struct gic *gic, unsigned intid); /* an MSI; outside the MSI range: ignored */
/* A private input, 16 to 31. Costs no lock while the level stays. For the CPU's own thread. */
void gic_set_ppi(struct gic_cpu *cpu, unsigned intid, bool level);

/* --- Accesses by guest physical address. */
bool gic_claims(const struct gic *gic, uint64_t ipa);
/* What does not exist, and sizes that a register does not have, read as zero and ignore writes. */
uint64_t gic_mmio_read(struct gic *gic, uint64_t ipa, unsigned size);
void gic_mmio_write(struct gic *gic, uint64_t ipa, unsigned size, uint64_t value);

/* --- The CPU interface's system registers, by the framework's register id. False: there is no such register. */
bool gic_icc_read(struct gic_cpu *cpu, uint16_t id, uint64_t *value);
bool gic_icc_write(struct gic_cpu *cpu, uint16_t id, uint64_t value);

/* --- The host's view: no side effects of reading, and only registers that hold state. False: not one of those. */
bool gic_icc_get(struct gic_cpu *cpu, uint16_t id, uint64_t *value);
bool gic_icc_set(struct gic_cpu *cpu, uint16_t id, uint64_t value);
bool gic_gicd_get(struct gic *gic, uint32_t offset, uint64_t *value);
bool gic_gicd_set(struct gic *gic, uint32_t offset, uint64_t value);
bool gic_gicr_get(struct gic_cpu *cpu, uint32_t offset, uint64_t *value);
bool gic_gicr_set(struct gic_cpu *cpu, uint32_t offset, uint64_t value);
bool gic_gicm_get(struct gic *gic, uint32_t offset, uint64_t *value);
bool gic_gicm_set(struct gic *gic, uint32_t offset, uint64_t value);

/* Distributor, Redistributors and MSI frame as after gic_create(); the CPU interfaces keep their registers. */
void gic_reset(struct gic *gic);

/* --- State (state.c): all but the CPU interfaces. */
size_t gic_state_size(void);
/* Writes gic_state_size() bytes. */
void gic_state_save(struct gic *gic, uint8_t *data);
/*
 * False: nothing has changed, and `why` says what is wrong with the data. State of Redistributors that are not attached yet is
 * kept for them.
 */
bool gic_state_restore(struct gic *gic, const uint8_t *data, size_t size, char *why,
                       size_t why_size);

#endif
