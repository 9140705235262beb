/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The registers that the Distributor has for SPIs and each Redistributor's SGI frame for SGIs and PPIs. With affinity routing the
 * Distributor's registers of INTID 0 to 31 are RAZ/WI. Writing one bit has no effect on the INTIDs of the others.
 */
#include "gic/internal.h"

#define SGI_BITS 0x0000ffffu

static struct gic_bank *bank_at(struct gic *gic, struct gic_cpu *cpu, unsigned word)
{
    if (cpu != NULL) {
        return word == 0 ? &cpu->bank : NULL;
    }
    return word != 0 && word < GIC_WORDS ? &gic->spi[word] : NULL;
}

static void changed(struct gic *gic, struct gic_cpu *cpu, unsigned word, uint32_t bits)
{
    if (bits == 0) {
        return;
    }
    if (cpu != NULL) {
        gic_update_cpu(cpu);
    } else {
        gic_update_spis(gic, word, bits);
    }
}

/* A bit per INTID, read as it is. */
#define READ_BITS(name, expression)                                        \
    GIC_BANK_READ(name)                                                    \
    {                                                                      \
        const struct gic_bank *const bank = bank_at(gic, cpu, n);          \
        return bank != NULL ? (expression)&gic_word_bits(n) : (uint64_t)0; \
    }
READ_BITS(gic_read_group, bank->group)
READ_BITS(gic_read_enable, bank->enabled)
READ_BITS(gic_read_pending, gic_pending(bank))
READ_BITS(gic_read_active, bank->active)

/* `bits` are ones written to INTIDs that exist. */
#define WRITE_BITS(name, statement)                                                               \
    GIC_BANK_WRITE(name)                                                                          \
    {                                                                                             \
        struct gic_bank *const bank = bank_at(gic, cpu, n);                                       \
        const uint32_t where = (uint32_t)mask & gic_word_bits(n), bits = (uint32_t)value & where; \
        if (bank == NULL) {                                                                       \
            return;                                                                               \
        }                                                                                         \
        const struct gic_bank before = *bank;                                                     \
        statement;                                                                                \
        changed(gic, cpu, n, difference(&before, bank));                                          \
    }

static uint32_t difference(const struct gic_bank *a, const struct gic_bank *b)
{
    return (a->group ^ b->group) | (a->enabled ^ b->enabled) | (a->latched ^ b->latched) |
           (a->active ^ b->active) | (a->edge ^ b->edge);
}

WRITE_BITS(gic_write_group, bank->group = (bank->group & ~where) | bits)
WRITE_BITS(gic_set_enable, bank->enabled |= bits)
WRITE_BITS(gic_clear_enable, bank->enabled &= ~bits)
WRITE_BITS(gic_set_pending, bank->latched |= bits)
/* An asserted level-sensitive input keeps its interrupt pending. */
WRITE_BITS(gic_clear_pending, bank->latched &= ~bits)
WRITE_BITS(gic_set_active, bank->active |= bits)
WRITE_BITS(gic_clear_active, bank->active &= ~bits)

/* --- Four INTIDs per register: priorities ------------------------------------------------------------------------------------ */

GIC_BANK_READ(gic_read_priority)
{
    const struct gic_bank *const bank = bank_at(gic, cpu, n / 8);
    uint64_t value = 0;

    for (unsigned i = 0; i < 4 && bank != NULL; i++) {
        value |= (uint64_t)bank->priority[n % 8 * 4 + i] << 8 * i;
    }
    return value;
}

GIC_BANK_WRITE(gic_write_priority)
{
    struct gic_bank *const bank = bank_at(gic, cpu, n / 8);

    for (unsigned i = 0; i < 4 && bank != NULL; i++) {
        const unsigned bit = n % 8 * 4 + i;
        if ((mask >> 8 * i & 0xff) != 0 && (gic_word_bits(n / 8) >> bit & 1) != 0) {
            bank->priority[bit] = (uint8_t)(value >> 8 * i & GIC_PRIORITY_MASK);
            changed(gic, cpu, n / 8, gic_pending(bank) & 1u << bit);
        }
    }
}

/* --- Sixteen INTIDs per register: trigger ------------------------------------------------------------------------------------ */

GIC_BANK_READ(gic_read_config)
{
    const struct gic_bank *const bank = bank_at(gic, cpu, n / 2);
    uint64_t value = 0;

    for (unsigned i = 0; i < 16 && bank != NULL; i++) {
        value |= (uint64_t)(bank->edge >> (n % 2 * 16 + i) & 1) << (2 * i + 1);
    }
    return value;
}

/* Bit 2i + 1 of a field is the trigger; bit 2i is reserved. SGIs are edge-triggered for good. */
GIC_BANK_WRITE(gic_write_config)
{
    struct gic_bank *const bank = bank_at(gic, cpu, n / 2);
    uint32_t edge = 0, where = 0;

    if (bank == NULL) {
        return;
    }
    for (unsigned i = 0; i < 16; i++) {
        const unsigned bit = n % 2 * 16 + i;
        where |= (uint32_t)(mask >> (2 * i + 1) & 1) << bit;
        edge |= (uint32_t)(value >> (2 * i + 1) & 1) << bit;
    }
    where &= cpu != NULL ? ~SGI_BITS : gic_word_bits(n / 2);
    const uint32_t before = bank->edge;
    bank->edge = (bank->edge & ~where) | (edge & where);
    changed(gic, cpu, n / 2, before ^ bank->edge);
}

/* --- Reset ------------------------------------------------------------------------------------------------------------------- */

void gic_bank_reset(struct gic_bank *bank, bool is_private)
{
    *bank = (struct gic_bank){.edge = is_private ? SGI_BITS : 0};
}
