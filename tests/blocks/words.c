/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "words.h"

#include <regex.h>
#include <string.h>

#include "block.h"
#include "engine/a64/decode.h"
#include "registers.h"
#include "vm/vm.h"

struct field {
    char kind; /* rows.py */
    uint8_t lsb, width, is_signed;
};
enum row_kind { ROW_INT, ROW_VEC, ROW_MEM, ROW_COPY, ROW_SYS, ROW_KINDS };
struct row {
    const char *name, *class_name;
    uint32_t mask, value;
    enum row_kind kind;
    uint16_t first_field, n_fields;
};
#include "rows.inc"

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct vm_profile *profile;
static uint16_t by_kind[ROW_KINDS][N_ROWS], n_by_kind[ROW_KINDS];
static uint16_t chosen[N_ROWS], n_chosen; /* of --rows */
static struct block_options options;

static bool is_legal(const struct row *row, uint32_t w)
{
    const struct a64_row *const found = a64_decode(w, profile->features);

    return found != NULL && found->translate != NULL &&
           strcmp(found->class_name, row->class_name) == 0;
}

/* Can any word of the row be decoded with the features of the profile? */
static bool row_exists(const struct row *row)
{
    struct rng r = {1};

    for (unsigned i = 0; i < 300; i++) {
        if (is_legal(row, ((uint32_t)draw(&r) & ~row->mask) | row->value)) {
            return true;
        }
    }
    return false;
}

bool block_setup(const struct block_options *given)
{
    regex_t re;

    options = *given;
    profile = vm_profile_by_name("max");
    if (given->rows != NULL && regcomp(&re, given->rows, REG_EXTENDED | REG_NOSUB) != 0) {
        return false;
    }
    for (uint16_t i = 0; i < N_ROWS; i++) {
        if (!row_exists(&rows[i])) {
            continue;
        }
        by_kind[rows[i].kind][n_by_kind[rows[i].kind]++] = i;
        if (given->rows != NULL && (regexec(&re, rows[i].name, 0, NULL, 0) == 0 ||
                                    regexec(&re, rows[i].class_name, 0, NULL, 0) == 0)) {
            chosen[n_chosen++] = i;
        }
    }
    if (given->rows != NULL) {
        regfree(&re);
    }
    return given->rows == NULL || n_chosen != 0;
}

/* --- Fields ------------------------------------------------------------------------------------------------------------------ */

void words_start(struct word_maker *m, struct rng *r)
{
    m->r = r;
    m->maintained = options.no_lazy_code;
    for (unsigned i = 0; i < HOT_REGS; i++) {
        m->hot[i] = (uint8_t)below(r, FIRST_INDEX);
        m->hot_v[i] = (uint8_t)below(r, 32);
    }
}

unsigned words_reg(struct word_maker *m)
{
    const unsigned kind = below(m->r, 100);

    if (kind < 78) {
        return m->hot[below(m->r, HOT_REGS)];
    }
    return kind < 95 ? below(m->r, FIRST_INDEX) : kind < 98 ? 31 : 29;
}

unsigned words_base(struct word_maker *m)
{
    const unsigned kind = below(m->r, 100);

    if (kind < 88) {
        return FIRST_POINTER + below(m->r, LAST_POINTER - FIRST_POINTER + 1);
    }
    return kind < 96 ? 31 : words_reg(m);
}

static unsigned offset(struct word_maker *m, const struct field *f)
{
    const unsigned kind = below(m->r, 100);

    if (kind < 20) {
        return 0;
    }
    if (kind < 80) {
        return f->is_signed ? below(m->r, 16) - 8 : below(m->r, 12);
    }
    return (unsigned)draw(m->r);
}

static unsigned immediate(struct word_maker *m, const struct field *f)
{
    const unsigned kind = below(m->r, 100);

    if (kind < 60) {
        return (unsigned)draw(m->r);
    }
    if (kind < 70) {
        return 0;
    }
    if (kind < 85) {
        return ~0u;
    }
    return kind < 93 ? 1u << below(m->r, f->width) : below(m->r, 4);
}

static unsigned field_value(struct word_maker *m, const struct field *f)
{
    switch (f->kind) {
    case 'd':
        return words_reg(m);
    case 's': /* any register may be read, and now and then is */
        return percent(m->r, 12) ? below(m->r, 32) : words_reg(m);
    case 'v':
        return percent(m->r, 80) ? m->hot_v[below(m->r, HOT_REGS)] : below(m->r, 32);
    case 'b':
        return words_base(m);
    case 'i':
        return percent(m->r, 80)   ? FIRST_INDEX + below(m->r, LAST_INDEX - FIRST_INDEX + 1)
               : percent(m->r, 60) ? 31
                                   : words_reg(m);
    case 'o':
        return offset(m, f);
    default:
        return immediate(m, f);
    }
}

static uint32_t row_word(struct word_maker *m, const struct row *row)
{
    uint32_t w = 0;

    for (unsigned i = 0; i < row->n_fields; i++) {
        const struct field *const f = &fields[row->first_field + i];
        w |= (field_value(m, f) & ((1u << f->width) - 1)) << f->lsb;
    }
    return (w & ~row->mask) | row->value;
}

/* Registers that only the block's own structure writes: pairs reach the one behind, too. */
static bool writes_reserved(const struct row *row, uint32_t w)
{
    return row->kind == ROW_MEM && strstr(row->class_name, "cas_pair") != NULL &&
           ((w & 31) >= FIRST_INDEX || (w >> 16 & 31) >= FIRST_INDEX);
}

static uint32_t legal_word(struct word_maker *m, const struct row *row)
{
    for (unsigned i = 0; i < 60; i++) {
        const uint32_t w = row_word(m, row);
        if (is_legal(row, w) && !writes_reserved(row, w)) {
            return w;
        }
    }
    return BLOCKS_NOP;
}

static const struct row *row_of_kind(struct word_maker *m, enum row_kind kind)
{
    return &rows[by_kind[kind][below(m->r, n_by_kind[kind])]];
}

uint32_t words_plain(struct word_maker *m)
{
    if (n_chosen != 0 && percent(m->r, 70)) {
        const struct row *const row = &rows[chosen[below(m->r, n_chosen)]];
        if (row->kind <= ROW_VEC) {
            return legal_word(m, row);
        }
    }
    return legal_word(m, row_of_kind(m, percent(m->r, 50) ? ROW_INT : ROW_VEC));
}

uint32_t words_any(struct word_maker *m)
{
    const unsigned kind = below(m->r, 100);

    if (n_chosen != 0 && percent(m->r, 75)) {
        return legal_word(m, &rows[chosen[below(m->r, n_chosen)]]);
    }
    return legal_word(m, row_of_kind(m, kind < 36   ? ROW_INT
                                        : kind < 64 ? ROW_MEM
                                        : kind < 96 ? ROW_VEC
                                        : kind < 99 ? ROW_SYS
                                                    : ROW_COPY));
}

uint32_t words_copy(struct word_maker *m, uint32_t *middle, uint32_t *end)
{
    for (;;) {
        const uint32_t w = legal_word(m, row_of_kind(m, ROW_COPY));
        /* SETP, SETM, SETE differ in bits 15:14; the copies in bits 23:22. The first of three has 0 there. */
        const unsigned place = (w & 0x00c00000) == 0x00c00000 ? 14 : 22;
        if (w == BLOCKS_NOP || (w >> place & 3) != 0) {
            continue;
        }
        *middle = w | 1u << place;
        *end = w | 2u << place;
        return w;
    }
}

uint32_t words_undefined(struct word_maker *m)
{
    for (;;) {
        const enum row_kind kind = below(m->r, 3);
        const uint32_t w = row_word(m, row_of_kind(m, kind)) ^ 1u << below(m->r, 32);
        if (a64_decode(w, profile->features) == NULL) {
            return w;
        }
    }
}

/* --- System registers and instructions ---------------------------------------------------------------------------------------- */

#define SYSREG(op0, op1, crn, crm, op2) \
    ((op0) << 19 | (op1) << 16 | (crn) << 12 | (crm) << 8 | (op2) << 5)

static const uint32_t read_write[] = {
    SYSREG(3, 3, 4, 2, 0),                         /* NZCV, twice: what programs use most */
    SYSREG(3, 3, 4, 2, 0),  SYSREG(3, 3, 4, 4, 0), /* FPCR */
    SYSREG(3, 3, 4, 4, 0),  SYSREG(3, 3, 4, 4, 1), /* FPSR */
    SYSREG(3, 3, 13, 0, 2),                        /* TPIDR_EL0 */
    SYSREG(3, 3, 13, 0, 3),                        /* TPIDRRO_EL0 */
    SYSREG(3, 0, 13, 0, 4),                        /* TPIDR_EL1 */
    SYSREG(3, 0, 13, 0, 1),                        /* CONTEXTIDR_EL1 */
    SYSREG(3, 0, 4, 1, 0),                         /* SP_EL0 */
    SYSREG(3, 0, 4, 0, 0),                         /* SPSR_EL1 */
    SYSREG(3, 0, 4, 0, 1),                         /* ELR_EL1 */
    SYSREG(3, 0, 5, 2, 0),                         /* ESR_EL1 */
    SYSREG(3, 0, 6, 0, 0),                         /* FAR_EL1 */
    SYSREG(3, 0, 7, 4, 0),                         /* PAR_EL1 */
    SYSREG(3, 3, 4, 2, 1),                         /* DAIF */
    SYSREG(3, 0, 4, 2, 0),                         /* SPSel */
    SYSREG(3, 0, 4, 2, 3),                         /* PAN */
    SYSREG(3, 0, 4, 2, 4),                         /* UAO */
    SYSREG(3, 3, 4, 2, 5),                         /* DIT */
    SYSREG(3, 3, 4, 2, 6),                         /* SSBS */
    SYSREG(3, 0, 1, 0, 2),                         /* CPACR_EL1 */
    SYSREG(3, 0, 2, 1, 0),                         /* APIAKeyLo_EL1 */
};
static const uint32_t read_only[] = {
    SYSREG(3, 0, 4, 2, 2),  /* CurrentEL */
    SYSREG(3, 3, 0, 0, 1),  /* CTR_EL0 */
    SYSREG(3, 3, 0, 0, 7),  /* DCZID_EL0 */
    SYSREG(3, 0, 0, 0, 0),  /* MIDR_EL1 */
    SYSREG(3, 0, 0, 0, 5),  /* MPIDR_EL1 */
    SYSREG(3, 0, 0, 4, 0),  /* ID_AA64PFR0_EL1 */
    SYSREG(3, 0, 0, 6, 0),  /* ID_AA64ISAR0_EL1 */
    SYSREG(3, 0, 12, 1, 0), /* ISR_EL1 */
    SYSREG(3, 0, 1, 0, 0),  /* SCTLR_EL1 */
    SYSREG(3, 0, 2, 0, 2),  /* TCR_EL1 */
    SYSREG(3, 4, 1, 1, 0),  /* HCR_EL2: UNDEFINED */
    SYSREG(3, 7, 15, 15, 7),
};
static const uint32_t operations[] = {
    SYSREG(1, 3, 7, 4, 1),                          /* DC ZVA */
    SYSREG(1, 3, 7, 4, 1),  SYSREG(1, 3, 7, 10, 1), /* DC CVAC */
    SYSREG(1, 3, 7, 11, 1),                         /* DC CVAU */
    SYSREG(1, 3, 7, 14, 1),                         /* DC CIVAC */
    SYSREG(1, 0, 7, 6, 1),                          /* DC IVAC */
    SYSREG(1, 3, 7, 5, 1),                          /* IC IVAU */
    SYSREG(1, 0, 7, 5, 0),                          /* IC IALLU */
    SYSREG(1, 0, 7, 1, 0),                          /* IC IALLUIS */
    SYSREG(1, 0, 8, 7, 0),                          /* TLBI VMALLE1 */
    SYSREG(1, 0, 8, 3, 0),                          /* TLBI VMALLE1IS */
    SYSREG(1, 0, 8, 7, 1),                          /* TLBI VAE1 */
    SYSREG(1, 0, 8, 7, 2),                          /* TLBI ASIDE1 */
    SYSREG(1, 0, 8, 7, 3),                          /* TLBI VAAE1 */
    SYSREG(1, 0, 8, 1, 5),                          /* TLBI VALE1OS */
    SYSREG(1, 0, 7, 8, 0),                          /* AT S1E1R */
    SYSREG(1, 0, 7, 8, 1),                          /* AT S1E1W */
    SYSREG(1, 0, 7, 8, 2),                          /* AT S1E0R */
    SYSREG(1, 0, 7, 8, 3),                          /* AT S1E0W */
    SYSREG(1, 0, 7, 9, 0),                          /* AT S1E1RP */
};
/* MSR (immediate): op1 in bits 18:16, op2 and the rest of the low byte. */
static const uint32_t immediates[] = {
    0x0000bf, /* SPSel */
    0x0300df, /* DAIFSet */
    0x0300ff, /* DAIFClr */
    0x00009f, /* PAN */
    0x00007f, /* UAO */
    0x03005f, /* DIT */
    0x03003f, /* SSBS */
};

#define PICK(m, list) ((list)[below((m)->r, sizeof(list) / sizeof((list)[0]))])

static uint32_t immediate_msr(struct word_maker *m)
{
    const uint32_t which = PICK(m, immediates);

    return 0xd5004000 | (which >> 16) << 16 | (which & 0xff) | below(m->r, 16) << 8;
}

uint32_t words_system(struct word_maker *m)
{
    const unsigned kind = below(m->r, 100);

    if (kind < 30) {
        return 0xd5200000 | PICK(m, read_write) | words_reg(m);
    }
    if (kind < 38) {
        return 0xd5200000 | PICK(m, read_only) | words_reg(m);
    }
    if (kind < 65) {
        return 0xd5000000 | PICK(m, read_write) | words_reg(m);
    }
    if (kind < 75) {
        return immediate_msr(m);
    }
    if (kind < 80) { /* CFINV, XAFLAG, AXFLAG */
        return 0xd500401f | below(m->r, 3) << 5;
    }
    return 0xd5000000 | PICK(m, operations) | words_base(m);
}

/* --- For the report ----------------------------------------------------------------------------------------------------------- */

const char *block_row_name(uint32_t word)
{
    const struct a64_row *const row = a64_decode(word, profile->features);

    return row != NULL ? row->name : NULL;
}

bool block_is_add_sub(uint32_t word)
{
    const struct a64_row *const row = a64_decode(word, profile->features);

    return row != NULL && strcmp(row->class_name, "integer_arithmetic_add_sub_shiftedreg") == 0;
}
