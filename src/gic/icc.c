/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The physical CPU interface: ICC_*_EL1. Arm IHI0069, chapter 4 (handling interrupts) and 12.2. One security state and no EL3, so
 * Group 0 is signalled as FIQ, Group 1 as IRQ, and ICC_BPR1_EL1 has the layout of the Non-secure copy.
 *
 *      priority 7..0   with BPR0 = n: group priority is 7..n+1; with BPR1 = n: 7..n
 *
 * A register's handling of states that the architecture calls UNPREDICTABLE: an end of interrupt drops the highest active priority
 * when its group is the register's own, whatever the INTID; one with nothing active drops nothing. Either way the INTID is
 * deactivated if it is active (EOImode 0). No stray write can leave an interrupt stuck, or do harm beyond the guest's own.
 */
#include "gic/internal.h"

#define ID(op1, crn, crm, op2) (3u << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

#define MIN_BPR0 2u
#define MIN_BPR1 3u

#define CTLR_CBPR    1u
#define CTLR_EOIMODE 2u
#define CTLR_FIXED   (4u << 8 | 1u << 18) /* PRIbits 5 - 1, IDbits 16 bits, RSS; A3V as Apple's: 0 */

void gic_icc_reset(struct gic_icc *icc)
{
    *icc = (struct gic_icc){.bpr = {MIN_BPR0, MIN_BPR1}};
}

/* --- Priorities -------------------------------------------------------------------------------------------------------------- */

unsigned gic_group_priority(const struct gic_icc *icc, unsigned group, unsigned priority)
{
    const unsigned bpr = group == 0 || icc->cbpr ? icc->bpr[0] : icc->bpr[1] - 1u;

    return priority & (0xffu << (bpr + 1)) & 0xff;
}

static uint32_t all_active(const struct gic_icc *icc)
{
    return icc->active_priorities[0] | icc->active_priorities[1];
}

unsigned gic_running_priority(const struct gic_icc *icc)
{
    const uint32_t active = all_active(icc);

    return active != 0 ? (unsigned)__builtin_ctz(active) << 3 : GIC_PRIORITY_IDLE;
}

/* The candidate is above the mask, and preempts what is running. */
bool gic_may_signal(const struct gic_cpu *cpu)
{
    const struct gic_candidate *const best = &cpu->best;
    const struct gic_icc *const icc = &cpu->icc;

    return best->priority < icc->pmr &&
           (all_active(icc) == 0 ||
            gic_group_priority(icc, best->group, best->priority) < gic_running_priority(icc));
}

/* --- Acknowledge, end, deactivate -------------------------------------------------------------------------------------------- */

static uint64_t acknowledge(struct gic_cpu *cpu, unsigned group)
{
    const struct gic_candidate best = cpu->best;

    if (best.group != group || !gic_may_signal(cpu)) {
        return GIC_SPURIOUS;
    }
    struct gic_bank *const bank = gic_bank_of(cpu->gic, cpu, best.intid);
    const uint32_t bit = 1u << (best.intid % 32);
    bank->active |= bit;
    bank->latched &= ~bit;
    cpu->icc.active_priorities[group] |= 1u
                                         << (gic_group_priority(&cpu->icc, group, best.priority) >>
                                             3);
    gic_update_cpu(cpu);
    return best.intid;
}

static void deactivate(struct gic_cpu *cpu, unsigned intid)
{
    struct gic_bank *const bank = gic_bank_of(cpu->gic, cpu, intid);
    const uint32_t bit = 1u << (intid % 32);

    if (bank == NULL || (bank->active & bit) == 0) {
        return;
    }
    bank->active &= ~bit;
    if (intid >= GIC_SPI_BASE) {
        gic_update_spis(cpu->gic, intid / 32, bit);
    }
}

static void end(struct gic_cpu *cpu, unsigned group, uint64_t value)
{
    struct gic_icc *const icc = &cpu->icc;
    const unsigned intid = (unsigned)value & 0xffffffu;
    const uint32_t active = all_active(icc), highest = active & -active;

    if (intid >= GIC_INTIDS) {
        return;
    }
    if (active != 0) {
        if ((icc->active_priorities[group] & highest) == 0) {
            return;
        }
        icc->active_priorities[group] &= ~highest;
    }
    if (!icc->eoi_mode) {
        deactivate(cpu, intid);
    }
    gic_update_cpu(cpu);
}

/* --- The registers ----------------------------------------------------------------------------------------------------------- */

struct icc_reg {
    uint64_t (*read)(struct gic_cpu *cpu, unsigned arg);
    void (*write)(struct gic_cpu *cpu, unsigned arg, uint64_t value);
    uint8_t arg;
    bool host; /* the framework's API has it */
};

static uint64_t read_pmr(struct gic_cpu *cpu, unsigned arg)
{
    (void)arg;
    return cpu->icc.pmr;
}

static void write_pmr(struct gic_cpu *cpu, unsigned arg, uint64_t value)
{
    (void)arg;
    cpu->icc.pmr = value & GIC_PRIORITY_MASK;
    gic_update_cpu(cpu);
}

static uint64_t read_iar(struct gic_cpu *cpu, unsigned group)
{
    return acknowledge(cpu, group);
}

static uint64_t read_hppir(struct gic_cpu *cpu, unsigned group)
{
    return cpu->best.intid < GIC_INTIDS && cpu->best.group == group ? cpu->best.intid
                                                                    : GIC_SPURIOUS;
}

static void write_eoir(struct gic_cpu *cpu, unsigned group, uint64_t value)
{
    end(cpu, group, value);
}

static void write_dir(struct gic_cpu *cpu, unsigned arg, uint64_t value)
{
    (void)arg;
    if (cpu->icc.eoi_mode) {
        deactivate(cpu, (unsigned)value & 0xffffffu);
        gic_update_cpu(cpu);
    }
}

static uint64_t read_rpr(struct gic_cpu *cpu, unsigned arg)
{
    (void)arg;
    return gic_running_priority(&cpu->icc);
}

static uint64_t read_bpr(struct gic_cpu *cpu, unsigned group)
{
    if (group == 1 && cpu->icc.cbpr) {
        return cpu->icc.bpr[0] < 7 ? cpu->icc.bpr[0] + 1u : 7;
    }
    return cpu->icc.bpr[group];
}

static void write_bpr(struct gic_cpu *cpu, unsigned group, uint64_t value)
{
    const unsigned minimum = group == 0 ? MIN_BPR0 : MIN_BPR1, bpr = value & 7;

    if (group == 1 && cpu->icc.cbpr) {
        return;
    }
    cpu->icc.bpr[group] = (uint8_t)(bpr < minimum ? minimum : bpr);
    gic_update_cpu(cpu);
}

static uint64_t read_apr(struct gic_cpu *cpu, unsigned group)
{
    return cpu->icc.active_priorities[group];
}

static void write_apr(struct gic_cpu *cpu, unsigned group, uint64_t value)
{
    cpu->icc.active_priorities[group] = (uint32_t)value;
    gic_update_cpu(cpu);
}

static uint64_t read_ctlr(struct gic_cpu *cpu, unsigned arg)
{
    (void)arg;
    return CTLR_FIXED | (cpu->icc.cbpr ? CTLR_CBPR : 0) | (cpu->icc.eoi_mode ? CTLR_EOIMODE : 0);
}

static void write_ctlr(struct gic_cpu *cpu, unsigned arg, uint64_t value)
{
    (void)arg;
    cpu->icc.cbpr = (value & CTLR_CBPR) != 0;
    cpu->icc.eoi_mode = (value & CTLR_EOIMODE) != 0;
    gic_update_cpu(cpu);
}

/* DIB, DFB, SRE: the memory-mapped interface does not exist. */
static uint64_t read_sre(struct gic_cpu *cpu, unsigned arg)
{
    (void)cpu, (void)arg;
    return 7;
}

static void write_nothing(struct gic_cpu *cpu, unsigned arg, uint64_t value)
{
    (void)cpu, (void)arg, (void)value;
}

static uint64_t read_igrpen(struct gic_cpu *cpu, unsigned group)
{
    return cpu->icc.group_enabled[group];
}

static void write_igrpen(struct gic_cpu *cpu, unsigned group, uint64_t value)
{
    const bool enabled = (value & 1) != 0;

    if (cpu->icc.group_enabled[group] != enabled) {
        cpu->icc.group_enabled[group] = enabled;
        gic_update_participants(cpu->gic);
    }
}

/* With one security state ICC_ASGI1R_EL1 makes Group 0 SGIs, as ICC_SGI0R_EL1 does. */
static void write_sgi(struct gic_cpu *cpu, unsigned group, uint64_t value)
{
    gic_send_sgi(cpu, group, value);
}

#define FIRST_ID ID(0u, 12u, 8u, 0u)
#define LAST_ID  ID(0u, 12u, 12u, 7u)
#define AT(id)   [(id)-FIRST_ID]

// clang-format off
static const struct icc_reg pmr = {read_pmr, write_pmr, 0, true};
static const struct icc_reg regs[LAST_ID - FIRST_ID + 1] = {
    AT(ID(0, 12,  8, 0)) = {read_iar,    NULL,          0, false}, /* IAR0 */
    AT(ID(0, 12,  8, 1)) = {NULL,        write_eoir,    0, false}, /* EOIR0 */
    AT(ID(0, 12,  8, 2)) = {read_hppir,  NULL,          0, false}, /* HPPIR0 */
    AT(ID(0, 12,  8, 3)) = {read_bpr,    write_bpr,     0, true},  /* BPR0 */
    AT(ID(0, 12,  8, 4)) = {read_apr,    write_apr,     0, true},  /* AP0R0; 1 to 3 come with more priority bits */
    AT(ID(0, 12,  9, 0)) = {read_apr,    write_apr,     1, true},  /* AP1R0 */
    AT(ID(0, 12, 11, 1)) = {NULL,        write_dir,     0, false}, /* DIR */
    AT(ID(0, 12, 11, 3)) = {read_rpr,    NULL,          0, true},  /* RPR */
    AT(ID(0, 12, 11, 5)) = {NULL,        write_sgi,     1, false}, /* SGI1R */
    AT(ID(0, 12, 11, 6)) = {NULL,        write_sgi,     0, false}, /* ASGI1R */
    AT(ID(0, 12, 11, 7)) = {NULL,        write_sgi,     0, false}, /* SGI0R */
    AT(ID(0, 12, 12, 0)) = {read_iar,    NULL,          1, false}, /* IAR1 */
    AT(ID(0, 12, 12, 1)) = {NULL,        write_eoir,    1, false}, /* EOIR1 */
    AT(ID(0, 12, 12, 2)) = {read_hppir,  NULL,          1, false}, /* HPPIR1 */
    AT(ID(0, 12, 12, 3)) = {read_bpr,    write_bpr,     1, true},  /* BPR1 */
    AT(ID(0, 12, 12, 4)) = {read_ctlr,   write_ctlr,    0, true},  /* CTLR */
    AT(ID(0, 12, 12, 5)) = {read_sre,    write_nothing, 0, true},  /* SRE */
    AT(ID(0, 12, 12, 6)) = {read_igrpen, write_igrpen,  0, true},  /* IGRPEN0 */
    AT(ID(0, 12, 12, 7)) = {read_igrpen, write_igrpen,  1, true},  /* IGRPEN1 */
};
// clang-format on

static const struct icc_reg *find(uint16_t id)
{
    if (id == ID(0, 4, 6, 0)) {
        return &pmr;
    }
    return id >= FIRST_ID && id <= LAST_ID ? &regs[id - FIRST_ID] : NULL;
}

bool gic_icc_read(struct gic_cpu *cpu, uint16_t id, uint64_t *value)
{
    const struct icc_reg *const reg = find(id);

    if (reg == NULL || reg->read == NULL) {
        return false;
    }
    pthread_mutex_lock(&cpu->gic->lock);
    *value = reg->read(cpu, reg->arg);
    pthread_mutex_unlock(&cpu->gic->lock);
    return true;
}

bool gic_icc_write(struct gic_cpu *cpu, uint16_t id, uint64_t value)
{
    const struct icc_reg *const reg = find(id);

    if (reg == NULL || reg->write == NULL) {
        return false;
    }
    pthread_mutex_lock(&cpu->gic->lock);
    reg->write(cpu, reg->arg, value);
    pthread_mutex_unlock(&cpu->gic->lock);
    return true;
}

bool gic_icc_get(struct gic_cpu *cpu, uint16_t id, uint64_t *value)
{
    const struct icc_reg *const reg = find(id);

    return reg != NULL && reg->host && gic_icc_read(cpu, id, value);
}

bool gic_icc_set(struct gic_cpu *cpu, uint16_t id, uint64_t value)
{
    const struct icc_reg *const reg = find(id);

    return reg != NULL && reg->host && gic_icc_write(cpu, id, value);
}
