/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * From pending interrupts to the lines of a CPU. Nothing is queued: after each change, the CPUs that it may concern look through
 * the words that have something ready anew, and their line changes when the answer does.
 *
 * An SPI has one target at a time. With GICD_IROUTER.Interrupt_Routing_Mode it is chosen when the interrupt becomes pending, and
 * again when somebody joins or leaves: a CPU that handles nothing comes before one that is busy.
 */
#include "gic/internal.h"

#define WAKER_PROCESSOR_SLEEP 2u

struct gic_bank *gic_bank_of(struct gic *gic, struct gic_cpu *cpu, unsigned intid)
{
    if (intid >= GIC_INTIDS) {
        return NULL;
    }
    return intid < GIC_SPI_BASE ? &cpu->bank : &gic->spi[intid / 32];
}

static bool is_attached(const struct gic_cpu *cpu)
{
    return cpu->owner != NULL;
}

/* The change of a word that makes something ready must come here; one that takes something away may come later. */
static void note_ready(struct gic *gic, unsigned word)
{
    if (gic_ready(&gic->spi[word]) != 0) {
        gic->ready |= 1u << word;
    } else {
        gic->ready &= ~(1u << word);
    }
}

/* --- The highest priority pending interrupt ---------------------------------------------------------------------------------- */

/* The pending ones that may be forwarded to this CPU, by enable bits of the interrupts and of their groups. */
static uint32_t forwardable(const struct gic_cpu *cpu, const struct gic_bank *bank)
{
    const uint32_t ctlr = cpu->gic->ctlr;
    const bool group0 = (ctlr & 1) != 0 && cpu->icc.group_enabled[0];
    const bool group1 = (ctlr & 2) != 0 && cpu->icc.group_enabled[1];

    return gic_ready(bank) & ((group0 ? ~bank->group : 0) | (group1 ? bank->group : 0));
}

/* Of equal priorities the lowest INTID comes first. */
static void consider(const struct gic_bank *bank, unsigned bit, unsigned base,
                     struct gic_candidate *best)
{
    if (bank->priority[bit] < best->priority) {
        *best = (struct gic_candidate){
            .intid = base + bit,
            .priority = bank->priority[bit],
            .group = bank->group >> bit & 1,
        };
    }
}

static void find_best(struct gic_cpu *cpu)
{
    struct gic *const gic = cpu->gic;
    const unsigned self = gic_index(cpu);
    struct gic_candidate best = {.intid = GIC_SPURIOUS, .priority = 0x100};

    for (uint32_t bits = forwardable(cpu, &cpu->bank); bits != 0; bits &= bits - 1) {
        consider(&cpu->bank, (unsigned)__builtin_ctz(bits), 0, &best);
    }
    for (uint32_t words = gic->ready; words != 0; words &= words - 1) {
        const unsigned word = (unsigned)__builtin_ctz(words);
        const struct gic_bank *const bank = &gic->spi[word];
        for (uint32_t bits = forwardable(cpu, bank); bits != 0; bits &= bits - 1) {
            const unsigned bit = (unsigned)__builtin_ctz(bits);
            if (gic->target[32 * word + bit] == self) {
                consider(bank, bit, 32 * word, &best);
            }
        }
    }
    cpu->best = best;
}

void gic_update_cpu(struct gic_cpu *cpu)
{
    uint32_t lines = 0;

    if (!is_attached(cpu)) {
        return;
    }
    find_best(cpu);
    if (gic_may_signal(cpu)) {
        lines = cpu->best.group == 0 ? GIC_LINE_FIQ : GIC_LINE_IRQ;
    }
    if (lines != cpu->lines) {
        cpu->lines = lines;
        cpu->gic->lines(cpu->owner, lines);
    }
}

void gic_update_all(struct gic *gic)
{
    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        gic_update_cpu(&gic->cpus[i]);
    }
}

/* --- Routing ----------------------------------------------------------------------------------------------------------------- */

static bool takes_part(const struct gic_cpu *cpu, unsigned group)
{
    return is_attached(cpu) && (cpu->waker & WAKER_PROCESSOR_SLEEP) == 0 &&
           cpu->icc.group_enabled[group];
}

/* 1 of N: one that is idle, from a place that differs between interrupts, else the first that takes part. */
static unsigned pick_any(const struct gic *gic, unsigned intid)
{
    const unsigned group = gic->spi[intid / 32].group >> (intid % 32) & 1;
    const unsigned n = atomic_load_explicit(&gic->n_frames, memory_order_relaxed);
    unsigned first = GIC_NO_CPU;

    for (unsigned i = 0; i < n; i++) {
        const unsigned at = (intid + i) % n;
        if (!takes_part(&gic->cpus[at], group)) {
            continue;
        }
        if (gic_running_priority(&gic->cpus[at].icc) == GIC_PRIORITY_IDLE) {
            return at;
        }
        if (first == GIC_NO_CPU) {
            first = at;
        }
    }
    return first;
}

static unsigned find_affinity(const struct gic *gic, uint64_t router)
{
    const uint32_t affinity = (uint32_t)(router >> 8 & 0xff000000u) | (router & 0xffffffu);

    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        if (is_attached(&gic->cpus[i]) && gic->cpus[i].affinity == affinity) {
            return i;
        }
    }
    return GIC_NO_CPU;
}

void gic_route_spi(struct gic *gic, unsigned intid)
{
    const unsigned word = intid / 32, old = gic->target[intid];
    const uint32_t bit = 1u << (intid % 32);
    const bool any = (gic->router[intid] >> 31 & 1) != 0;

    gic->any[word] = any ? gic->any[word] | bit : gic->any[word] & ~bit;
    const unsigned target = any ? pick_any(gic, intid) : find_affinity(gic, gic->router[intid]);
    gic->target[intid] = (uint8_t)target;
    if (old != target && old != GIC_NO_CPU) {
        gic_update_cpu(&gic->cpus[old]);
    }
    if (target != GIC_NO_CPU) {
        gic_update_cpu(&gic->cpus[target]);
    }
}

void gic_update_routes(struct gic *gic)
{
    for (unsigned word = 1; word < GIC_WORDS; word++) {
        note_ready(gic, word);
    }
    for (unsigned intid = GIC_SPI_BASE; intid < GIC_INTIDS; intid++) {
        const bool any = (gic->router[intid] >> 31 & 1) != 0;
        gic->target[intid] = (uint8_t)(any ? pick_any(gic, intid)
                                           : find_affinity(gic, gic->router[intid]));
    }
    gic_update_all(gic);
}

void gic_update_participants(struct gic *gic)
{
    for (unsigned word = 1; word < GIC_WORDS; word++) {
        for (uint32_t bits = gic->any[word]; bits != 0; bits &= bits - 1) {
            const unsigned intid = 32 * word + (unsigned)__builtin_ctz(bits);
            gic->target[intid] = (uint8_t)pick_any(gic, intid);
        }
    }
    gic_update_all(gic);
}

void gic_update_spis(struct gic *gic, unsigned word, uint32_t changed)
{
    uint64_t concerned = 0;

    note_ready(gic, word);
    for (; changed != 0; changed &= changed - 1) {
        const unsigned bit = (unsigned)__builtin_ctz(changed), intid = 32 * word + bit;
        if (gic->target[intid] != GIC_NO_CPU) {
            concerned |= 1ull << gic->target[intid];
        }
        /* While it is active it stays with the CPU that handles it. */
        if ((gic->any[word] >> bit & 1) != 0 && (gic->spi[word].active >> bit & 1) == 0) {
            gic->target[intid] = (uint8_t)pick_any(gic, intid);
            if (gic->target[intid] != GIC_NO_CPU) {
                concerned |= 1ull << gic->target[intid];
            }
        }
    }
    for (; concerned != 0; concerned &= concerned - 1) {
        gic_update_cpu(&gic->cpus[__builtin_ctzll(concerned)]);
    }
}

/* --- Inputs ------------------------------------------------------------------------------------------------------------------ */

void gic_set_spi(struct gic *gic, unsigned intid, bool level)
{
    if (intid < GIC_SPI_BASE || intid >= GIC_INTIDS) {
        return;
    }
    struct gic_bank *const bank = &gic->spi[intid / 32];
    const uint32_t bit = 1u << (intid % 32);

    pthread_mutex_lock(&gic->lock);
    const uint32_t before = gic_pending(bank);
    bank->level = level ? bank->level | bit : bank->level & ~bit;
    if (level && (bank->edge & bit) != 0) {
        bank->latched |= bit; /* each call is an edge */
    }
    if (((before ^ gic_pending(bank)) & bit) != 0) {
        gic_update_spis(gic, intid / 32, bit);
    }
    pthread_mutex_unlock(&gic->lock);
}

void gic_message(struct gic *gic, unsigned intid)
{
    const struct gic_config *const c = &gic->config;

    if (intid < c->msi_base || intid - c->msi_base >= c->msi_count) {
        return;
    }
    pthread_mutex_lock(&gic->lock);
    gic->spi[intid / 32].latched |= 1u << (intid % 32);
    gic_update_spis(gic, intid / 32, 1u << (intid % 32));
    pthread_mutex_unlock(&gic->lock);
}

void gic_set_ppi(struct gic_cpu *cpu, unsigned intid, bool level)
{
    const uint32_t bit = 1u << (intid & 31);

    if (((atomic_load_explicit(&cpu->inputs, memory_order_relaxed) & bit) != 0) == level) {
        return;
    }
    pthread_mutex_lock(&cpu->gic->lock);
    struct gic_bank *const bank = &cpu->bank;
    if (level) {
        bank->latched |= bit & bank->edge;
        bank->level |= bit;
    } else {
        bank->level &= ~bit;
    }
    atomic_store_explicit(&cpu->inputs, bank->level, memory_order_relaxed);
    gic_update_cpu(cpu);
    pthread_mutex_unlock(&cpu->gic->lock);
}

/* ICC_SGI1R_EL1: Aff3 55:48, RS 47:44, IRM 40, Aff2 39:32, INTID 27:24, Aff1 23:16, TargetList 15:0. */
void gic_send_sgi(struct gic_cpu *from, unsigned group, uint64_t value)
{
    struct gic *const gic = from->gic;
    const uint32_t bit = 1u << (value >> 24 & 15);
    const uint32_t cluster = (uint32_t)(value >> 48 & 0xff) << 24 |
                             (uint32_t)(value >> 32 & 0xff) << 16 |
                             (uint32_t)(value >> 16 & 0xff) << 8;
    const uint32_t first = (uint32_t)(value >> 44 & 15) * 16;
    const bool all_others = (value >> 40 & 1) != 0;

    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        struct gic_cpu *const cpu = &gic->cpus[i];
        if (!is_attached(cpu)) {
            continue;
        }
        const uint32_t in_range = (cpu->affinity & 0xff) - first;
        const bool named = (cpu->affinity & 0xffffff00u) == cluster && in_range < 16 &&
                           (value >> in_range & 1) != 0;
        if (all_others ? cpu == from : !named) {
            continue;
        }
        /* An SGI of the other group is not forwarded. */
        if (((cpu->bank.group & bit) != 0) == (group != 0)) {
            cpu->bank.latched |= bit;
            gic_update_cpu(cpu);
        }
    }
}
