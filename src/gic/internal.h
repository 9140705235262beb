/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of src/gic/ share. Everything here is for callers that hold gic->lock, unless it says otherwise. */
#ifndef GIC_INTERNAL_H
#define GIC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "gic/gic.h"

#define GIC_PRIORITY_MASK 0xf8u /* 5 bits */
#define GIC_PRIORITY_IDLE 0xffu /* RPR with nothing active */
#define GIC_SPURIOUS      1023u
#define GIC_NO_CPU        0xffu
#define GIC_WORDS         32u

/* 32 INTIDs: what one register of a set/clear pair covers. Bit n is INTID 32 * word + n. */
struct gic_bank {
    uint32_t group; /* 1: Group 1 */
    uint32_t enabled;
    uint32_t latched; /* pending by an edge, a message, an SGI or a write */
    uint32_t level;   /* of the inputs; counts for level-sensitive ones */
    uint32_t active;
    uint32_t edge; /* 1: edge-triggered */
    uint8_t priority[32];
};

static inline uint32_t gic_pending(const struct gic_bank *bank)
{
    return bank->latched | (bank->level & ~bank->edge);
}

/* What may be forwarded, as far as the interrupts themselves decide. */
static inline uint32_t gic_ready(const struct gic_bank *bank)
{
    return gic_pending(bank) & bank->enabled & ~bank->active;
}

/* The CPU interface (icc.c). */
struct gic_icc {
    uint8_t pmr;
    uint8_t bpr[2];
    bool cbpr, eoi_mode;
    bool group_enabled[2];
    uint32_t active_priorities[2]; /* AP0R0, AP1R0: bit n is group priority n << 3 */
};

/* The highest priority pending interrupt of a CPU; priority above 0xff: none. */
struct gic_candidate {
    unsigned intid, priority, group;
};

struct gic_cpu {
    struct gic *gic;
    void *owner;       /* NULL: not attached */
    uint32_t affinity; /* as in GICR_TYPER: Aff3.Aff2.Aff1.Aff0 */
    uint32_t waker;
    bool restored;        /* state came before the CPU */
    struct gic_bank bank; /* SGIs and PPIs */
    struct gic_icc icc;
    struct gic_candidate best;
    uint32_t lines;
    _Atomic uint32_t
        inputs; /* what gic_set_ppi() has driven: written with the lock, read without */
};

struct gic {
    struct gic_config config;
    gic_lines_fn *lines;
    pthread_mutex_t lock;
    _Atomic uint32_t n_frames; /* Redistributor frames that the guest sees; changed with the lock */
    uint32_t ctlr;             /* GICD_CTLR.EnableGrp0, EnableGrp1 */
    struct gic_bank spi[GIC_WORDS]; /* [0] is not used */
    uint32_t
        ready; /* words of spi[] with something pending, enabled and not active; may have more */
    uint64_t router[GIC_INTIDS];
    uint32_t any[GIC_WORDS];    /* GICD_IROUTER.Interrupt_Routing_Mode: 1 of N */
    uint8_t target[GIC_INTIDS]; /* index of the CPU that gets the SPI; GIC_NO_CPU: none */
    struct gic_cpu cpus[GIC_MAX_CPUS];
};

static inline unsigned gic_index(const struct gic_cpu *cpu)
{
    return (unsigned)(cpu - cpu->gic->cpus);
}

/* Where an INTID's state is kept: private ones belong to the CPU. NULL: not an INTID of ours. */
struct gic_bank *gic_bank_of(struct gic *gic, struct gic_cpu *cpu, unsigned intid);

/* --- Delivery (deliver.c). After a change of ... */
void gic_update_cpu(struct gic_cpu *cpu); /* ... private state or the CPU interface */
void gic_update_spis(struct gic *gic, unsigned word, uint32_t changed); /* ... these SPIs */
void gic_update_all(struct gic *gic);                                   /* ... anything */
void gic_update_participants(struct gic *gic);       /* ... who takes part in 1 of N */
void gic_update_routes(struct gic *gic);             /* ... affinities, or who is attached */
void gic_route_spi(struct gic *gic, unsigned intid); /* ... GICD_IROUTER<n> */

void gic_bank_reset(struct gic_bank *bank, bool is_private);
void gic_redistributor_reset(struct gic_cpu *cpu);

/* --- Registers of a memory frame (frame.c) */

/*
 * A row is an array of registers of `unit` bytes. cpu: whose Redistributor; NULL for the Distributor and the MSI frame. n: index in
 * the array. mask: the bits that are written.
 */
struct gic_reg {
    uint32_t start, end; /* offsets; end is the first behind */
    uint8_t unit;        /* 4 or 8 */
    uint8_t sizes;       /* access sizes, or'ed: 1, 2, 4, 8 */
    bool host;           /* a register of the framework's API */
    uint32_t fixed;      /* value, when there is no read function */
    uint64_t (*read)(struct gic *gic, struct gic_cpu *cpu, unsigned n);
    void (*write)(struct gic *gic, struct gic_cpu *cpu, unsigned n, uint64_t value, uint64_t mask);
};

struct gic_frame {
    const struct gic_reg *regs;
    unsigned n_regs;
};
extern const struct gic_frame gicd_frame, gicr_frame, gicm_frame;

uint64_t gic_frame_read(const struct gic_frame *frame, struct gic *gic, struct gic_cpu *cpu,
                        uint32_t offset, unsigned size);
void gic_frame_write(const struct gic_frame *frame, struct gic *gic, struct gic_cpu *cpu,
                     uint32_t offset, unsigned size, uint64_t value);

/* The registers that Distributor and SGI frame have in common (bank.c): word n of the Distributor, or the CPU's own for n = 0. */
#define GIC_BANK_READ(name) uint64_t name(struct gic *gic, struct gic_cpu *cpu, unsigned n)
#define GIC_BANK_WRITE(name) \
    void name(struct gic *gic, struct gic_cpu *cpu, unsigned n, uint64_t value, uint64_t mask)
GIC_BANK_READ(gic_read_group);
GIC_BANK_WRITE(gic_write_group);
GIC_BANK_READ(gic_read_enable);
GIC_BANK_WRITE(gic_set_enable);
GIC_BANK_WRITE(gic_clear_enable);
GIC_BANK_READ(gic_read_pending);
GIC_BANK_WRITE(gic_set_pending);
GIC_BANK_WRITE(gic_clear_pending);
GIC_BANK_READ(gic_read_active);
GIC_BANK_WRITE(gic_set_active);
GIC_BANK_WRITE(gic_clear_active);
GIC_BANK_READ(gic_read_priority);
GIC_BANK_WRITE(gic_write_priority);
GIC_BANK_READ(gic_read_config);
GIC_BANK_WRITE(gic_write_config);

/* GICD_PIDR2 and its like: ArchRev 3. The part numbers around it are those of a GIC without maker. */
#define GIC_PIDR2 0x3bu
#define GIC_IIDR  0x4100043bu /* ProductID 'A', variant and revision 0, Arm's implementer code */

/* Bits of a word that are INTIDs: the last word ends with 1019. */
static inline uint32_t gic_word_bits(unsigned word)
{
    return word == GIC_WORDS - 1 ? 0x0fffffffu : 0xffffffffu;
}

/* icc.c: what acknowledging and signalling need. */
unsigned gic_group_priority(const struct gic_icc *icc, unsigned group, unsigned priority);
unsigned gic_running_priority(const struct gic_icc *icc);
bool gic_may_signal(const struct gic_cpu *cpu);
void gic_icc_reset(struct gic_icc *icc);

/* deliver.c: SGIs of `group` to the CPUs that an ICC_SGI1R_EL1 value names. */
void gic_send_sgi(struct gic_cpu *from, unsigned group, uint64_t value);

#endif
