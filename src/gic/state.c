/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Saved state: a header, then records that say what they hold. Little-endian.
 *
 *      header   magic[8] "AVGICv3\0"   version u32   size u32 (all)   records u32   checksum u32 (of the records)
 *      record   name[12]   index u16 (Redistributor; 0xffff: Distributor)   width u16   count u32   count * width bytes
 *
 * A reader takes every record of the tables below exactly once, with the widths and counts given there, and refuses anything else,
 * so that a blob of a version to come is refused instead of half understood. Everything is checked before anything changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gic/internal.h"

#define VERSION     1u
#define DISTRIBUTOR 0xffffu
#define HEADER_SIZE 24u
#define RECORD_SIZE 20u

static const char magic[8] = "AVGICv3";

/* --- What is saved ----------------------------------------------------------------------------------------------------------- */

/* An element's place, and the bits that it may have. */
struct field {
    char name[12];
    uint16_t width; /* 1, 4 or 8 bytes */
    uint32_t count;
    void *(*at)(struct gic *gic, struct gic_cpu *cpu, unsigned n);
    uint64_t (*allowed)(unsigned n); /* NULL: `bits` */
    uint64_t bits;
};

static uint64_t word_bits(unsigned word)
{
    return word == 0 ? 0 : gic_word_bits(word);
}

static uint64_t spi_priority_bits(unsigned intid)
{
    return intid < GIC_SPI_BASE ? 0 : GIC_PRIORITY_MASK;
}

#define BANK_FIELD(name)                                                      \
    static void *spi_##name(struct gic *gic, struct gic_cpu *cpu, unsigned n) \
    {                                                                         \
        (void)cpu;                                                            \
        return &gic->spi[n].name;                                             \
    }                                                                         \
    static void *ppi_##name(struct gic *gic, struct gic_cpu *cpu, unsigned n) \
    {                                                                         \
        (void)gic, (void)n;                                                   \
        return &cpu->bank.name;                                               \
    }
BANK_FIELD(group)
BANK_FIELD(enabled)
BANK_FIELD(latched)
BANK_FIELD(level)
BANK_FIELD(active)
BANK_FIELD(edge)

static void *at_ctlr(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)cpu, (void)n;
    return &gic->ctlr;
}

static void *at_router(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)cpu;
    return &gic->router[n];
}

static void *spi_priority(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)cpu;
    return &gic->spi[n / 32].priority[n % 32];
}

static void *ppi_priority(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)gic;
    return &cpu->bank.priority[n];
}

static void *at_waker(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    (void)gic, (void)n;
    return &cpu->waker;
}

static uint64_t router_bits(unsigned intid)
{
    return intid < GIC_SPI_BASE ? 0 : 0xff80ffffffull;
}

static void *at_config(struct gic *gic, struct gic_cpu *cpu, unsigned n);

// clang-format off
static const struct field distributor_fields[] = {
    {"config",    8, 5,          at_config,    NULL, UINT64_MAX},
    {"ctlr",      4, 1,          at_ctlr,      NULL, 3},
    {"group",     4, GIC_WORDS,  spi_group,    word_bits, 0},
    {"enable",    4, GIC_WORDS,  spi_enabled,  word_bits, 0},
    {"pending",   4, GIC_WORDS,  spi_latched,  word_bits, 0},
    {"level",     4, GIC_WORDS,  spi_level,    word_bits, 0},
    {"active",    4, GIC_WORDS,  spi_active,   word_bits, 0},
    {"edge",      4, GIC_WORDS,  spi_edge,     word_bits, 0},
    {"priority",  1, GIC_INTIDS, spi_priority, spi_priority_bits, 0},
    {"router",    8, GIC_INTIDS, at_router,    router_bits, 0},
};
static const struct field redistributor_fields[] = {
    {"waker",     4, 1,  at_waker,     NULL, 6},
    {"group",     4, 1,  ppi_group,    NULL, 0xffffffff},
    {"enable",    4, 1,  ppi_enabled,  NULL, 0xffffffff},
    {"pending",   4, 1,  ppi_latched,  NULL, 0xffffffff},
    {"level",     4, 1,  ppi_level,    NULL, 0xffff0000},
    {"active",    4, 1,  ppi_active,   NULL, 0xffffffff},
    {"edge",      4, 1,  ppi_edge,     NULL, 0xffffffff},
    {"priority",  1, 32, ppi_priority, NULL, GIC_PRIORITY_MASK},
};
// clang-format on

#define N_DISTRIBUTOR   (sizeof(distributor_fields) / sizeof(distributor_fields[0]))
#define N_REDISTRIBUTOR (sizeof(redistributor_fields) / sizeof(redistributor_fields[0]))
/* All 64 are always saved, so that the size is a constant and state of vCPUs to come survives. */
#define N_RECORDS (N_DISTRIBUTOR + GIC_MAX_CPUS * N_REDISTRIBUTOR)

/* The configuration is compared, not restored. */
static void *at_config(struct gic *gic, struct gic_cpu *cpu, unsigned n)
{
    static const char none[8];

    (void)gic, (void)cpu, (void)n;
    return (void *)(uintptr_t)none;
}

static uint64_t config_value(const struct gic *gic, unsigned n)
{
    const struct gic_config *const c = &gic->config;
    const uint64_t values[] = {c->gicd_base, c->gicr_base, c->msi_count != 0 ? c->gicm_base : 0,
                               c->msi_count != 0 ? c->msi_base : 0, c->msi_count};

    return values[n];
}

static const char *const config_names[] = {"Distributor base", "Redistributor base",
                                           "MSI frame base", "first MSI INTID",
                                           "number of MSI INTIDs"};

/* Record number n of a blob: its table row, and whose it is. */
static const struct field *field_of(unsigned n, unsigned *index)
{
    if (n < N_DISTRIBUTOR) {
        *index = DISTRIBUTOR;
        return &distributor_fields[n];
    }
    *index = (unsigned)((n - N_DISTRIBUTOR) / N_REDISTRIBUTOR);
    return &redistributor_fields[(n - N_DISTRIBUTOR) % N_REDISTRIBUTOR];
}

/* --- Bytes ------------------------------------------------------------------------------------------------------------------- */

static void put(uint8_t *p, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++) {
        p[i] = (uint8_t)(value >> 8 * i);
    }
}

static uint64_t take(const uint8_t *p, unsigned width)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < width; i++) {
        value |= (uint64_t)p[i] << 8 * i;
    }
    return value;
}

static uint64_t get_element(const void *p, unsigned width)
{
    return width == 1   ? *(const uint8_t *)p
           : width == 4 ? *(const uint32_t *)p
                        : *(const uint64_t *)p;
}

static void set_element(void *p, unsigned width, uint64_t value)
{
    if (width == 1) {
        *(uint8_t *)p = (uint8_t)value;
    } else if (width == 4) {
        *(uint32_t *)p = (uint32_t)value;
    } else {
        *(uint64_t *)p = value;
    }
}

/* FNV-1a */
static uint32_t checksum(const uint8_t *p, size_t n)
{
    uint32_t sum = 0x811c9dc5u;

    for (size_t i = 0; i < n; i++) {
        sum = (sum ^ p[i]) * 0x01000193u;
    }
    return sum;
}

/* --- Save -------------------------------------------------------------------------------------------------------------------- */

size_t gic_state_size(void)
{
    size_t size = HEADER_SIZE;
    unsigned index;

    for (unsigned n = 0; n < N_RECORDS; n++) {
        const struct field *const f = field_of(n, &index);
        size += RECORD_SIZE + (size_t)f->count * f->width;
    }
    return size;
}

void gic_state_save(struct gic *gic, uint8_t *data)
{
    const size_t size = gic_state_size();
    uint8_t *p = data + HEADER_SIZE;

    pthread_mutex_lock(&gic->lock);
    for (unsigned n = 0; n < N_RECORDS; n++) {
        unsigned index;
        const struct field *const f = field_of(n, &index);
        struct gic_cpu *const cpu = index == DISTRIBUTOR ? NULL : &gic->cpus[index];
        memcpy(p, f->name, sizeof(f->name));
        put(p + 12, index, 2);
        put(p + 14, f->width, 2);
        put(p + 16, f->count, 4);
        p += RECORD_SIZE;
        for (unsigned i = 0; i < f->count; i++, p += f->width) {
            put(p,
                f->at == at_config ? config_value(gic, i)
                                   : get_element(f->at(gic, cpu, i), f->width),
                f->width);
        }
    }
    pthread_mutex_unlock(&gic->lock);
    memcpy(data, magic, sizeof(magic));
    put(data + 8, VERSION, 4);
    put(data + 12, size, 4);
    put(data + 16, N_RECORDS, 4);
    put(data + 20, checksum(data + HEADER_SIZE, size - HEADER_SIZE), 4);
}

/* --- Restore ----------------------------------------------------------------------------------------------------------------- */

struct refusal {
    char *text;
    size_t size;
};

#define REFUSE(refusal, ...) (snprintf((refusal)->text, (refusal)->size, __VA_ARGS__), false)

static bool check_header(const uint8_t *data, size_t size, const struct refusal *why)
{
    if (size < HEADER_SIZE) {
        return REFUSE(why, "%zu bytes are no GIC state, whose header alone has %u", size,
                      HEADER_SIZE);
    }
    if (memcmp(data, magic, sizeof(magic)) != 0) {
        return REFUSE(why, "the data does not begin as a GIC state of this library does");
    }
    if (take(data + 8, 4) != VERSION) {
        return REFUSE(why, "the GIC state has version %u; this library reads version %u",
                      (unsigned)take(data + 8, 4), VERSION);
    }
    if (take(data + 12, 4) != size) {
        return REFUSE(why, "the GIC state has %u bytes by its header, and %zu were given",
                      (unsigned)take(data + 12, 4), size);
    }
    if (take(data + 16, 4) != N_RECORDS || size != gic_state_size()) {
        return REFUSE(why, "the GIC state has %u records in %zu bytes; expected %u in %zu",
                      (unsigned)take(data + 16, 4), size, (unsigned)N_RECORDS, gic_state_size());
    }
    if (take(data + 20, 4) != checksum(data + HEADER_SIZE, size - HEADER_SIZE)) {
        return REFUSE(why, "the checksum of the GIC state is wrong: the data was changed");
    }
    return true;
}

static bool check_element(const struct gic *gic, const struct field *f, unsigned i, uint64_t value,
                          const struct refusal *why)
{
    const uint64_t allowed = f->allowed != NULL ? f->allowed(i) : f->bits;

    if (f->at == at_config && value != config_value(gic, i)) {
        return REFUSE(why, "%s: the GIC state has 0x%llx, this GIC 0x%llx", config_names[i],
                      (unsigned long long)value, (unsigned long long)config_value(gic, i));
    }
    if ((value & ~allowed) != 0) {
        return REFUSE(why, "element %u of record '%s' is 0x%llx, which has reserved bits", i,
                      f->name, (unsigned long long)value);
    }
    return true;
}

/* The sizes have been found to add up, so that every read stays inside. */
static bool check_records(const struct gic *gic, const uint8_t *p, const struct refusal *why)
{
    for (unsigned n = 0; n < N_RECORDS; n++) {
        unsigned index;
        const struct field *const f = field_of(n, &index);
        if (memcmp(p, f->name, sizeof(f->name)) != 0 || take(p + 12, 2) != index ||
            take(p + 14, 2) != f->width || take(p + 16, 4) != f->count) {
            return REFUSE(why, "record %u of the GIC state is not '%s' of %u elements", n, f->name,
                          f->count);
        }
        p += RECORD_SIZE;
        for (unsigned i = 0; i < f->count; i++, p += f->width) {
            if (!check_element(gic, f, i, take(p, f->width), why)) {
                return false;
            }
        }
    }
    return true;
}

static void load_records(struct gic *gic, const uint8_t *p)
{
    for (unsigned n = 0; n < N_RECORDS; n++) {
        unsigned index;
        const struct field *const f = field_of(n, &index);
        struct gic_cpu *const cpu = index == DISTRIBUTOR ? NULL : &gic->cpus[index];
        p += RECORD_SIZE;
        for (unsigned i = 0; i < f->count; i++, p += f->width) {
            if (f->at != at_config) {
                set_element(f->at(gic, cpu, i), f->width, take(p, f->width));
            }
        }
    }
    for (unsigned intid = GIC_SPI_BASE; intid < GIC_INTIDS; intid++) {
        const uint32_t bit = 1u << (intid % 32);
        const bool any = (gic->router[intid] >> 31 & 1) != 0;
        gic->any[intid / 32] = any ? gic->any[intid / 32] | bit : gic->any[intid / 32] & ~bit;
    }
    for (unsigned i = 0; i < GIC_MAX_CPUS; i++) {
        struct gic_cpu *const cpu = &gic->cpus[i];
        cpu->restored = cpu->owner == NULL;
        atomic_store_explicit(&cpu->inputs, cpu->bank.level, memory_order_relaxed);
    }
}

bool gic_state_restore(struct gic *gic, const uint8_t *data, size_t size, char *why,
                       size_t why_size)
{
    const struct refusal refusal = {why, why_size};

    if (!check_header(data, size, &refusal) || !check_records(gic, data + HEADER_SIZE, &refusal)) {
        return false;
    }
    pthread_mutex_lock(&gic->lock);
    load_records(gic, data + HEADER_SIZE);
    gic_update_routes(gic);
    pthread_mutex_unlock(&gic->lock);
    return true;
}
