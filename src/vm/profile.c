/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Chip profiles: what ID registers say, and the instructions that the decoder therefore allows. The values of m1 and m4 are what
 * guests of Apple's framework have been seen to read; the features follow from them by one table, so that the two cannot disagree.
 */
#include <pthread.h>
#include <string.h>

#include "engine/a64/features.h"
#include "vm/vm.h"

/* --- Features from ID registers (Arm ARM DDI0487 J.a, D19.2, and A2 for what implies what) --------------------------------------- */

enum field_kind {
    AT_LEAST,     /* unsigned: present from a value on */
    SIGNED_LEAST, /* 0b1111 means absent, below 0 */
    EXACTLY,
};

static const struct feature_field {
    uint8_t feature;
    uint8_t lsb, value;
    uint8_t kind;
    uint16_t reg;
} feature_fields[] = {
/* clang-format off */
#define F(name, reg, lsb, value) {A64_FEAT_##name, lsb, value, AT_LEAST, SR_ID_AA64##reg##_EL1}
    F(AES,          ISAR0, 4, 1),
    F(PMULL,        ISAR0, 4, 2),
    F(SHA1,         ISAR0, 8, 1),
    F(SHA256,       ISAR0, 12, 1),
    F(SHA512,       ISAR0, 12, 2),
    F(CRC32,        ISAR0, 16, 1),
    F(LSE,          ISAR0, 20, 2),
    F(LSE128,       ISAR0, 20, 3),
    F(TME,          ISAR0, 24, 1),
    F(RDM,          ISAR0, 28, 1),
    F(SHA3,         ISAR0, 32, 1),
    F(SM3,          ISAR0, 36, 1),
    F(SM4,          ISAR0, 40, 1),
    F(DotProd,      ISAR0, 44, 1),
    F(FHM,          ISAR0, 48, 1),
    F(FlagM,        ISAR0, 52, 1),
    F(FlagM2,       ISAR0, 52, 2),
    /* Our algorithm is IMPLEMENTATION DEFINED: API, never APA. The values form a ladder, but FEAT_EPAC is not part of the later rungs. */
    F(PAuth,        ISAR1, 8, 1),
    {A64_FEAT_EPAC, 8, 2, EXACTLY, SR_ID_AA64ISAR1_EL1},
    F(PAuth2,       ISAR1, 8, 3),
    F(FPAC,         ISAR1, 8, 4),
    F(FPACCOMBINE,  ISAR1, 8, 5),
    F(JSCVT,        ISAR1, 12, 1),
    F(FCMA,         ISAR1, 16, 1),
    F(LRCPC,        ISAR1, 20, 1),
    F(LRCPC2,       ISAR1, 20, 2),
    F(LRCPC3,       ISAR1, 20, 3),
    F(FRINTTS,      ISAR1, 32, 1),
    F(SB,           ISAR1, 36, 1),
    F(BF16,         ISAR1, 44, 1),
    F(EBF16,        ISAR1, 44, 2),
    F(I8MM,         ISAR1, 52, 1),
    F(XS,           ISAR1, 56, 1),
    F(LS64,         ISAR1, 60, 1),
    F(LS64_V,       ISAR1, 60, 2),
    F(LS64_ACCDATA, ISAR1, 60, 3),
    F(WFxT,         ISAR2, 0, 2),
    F(RPRES,        ISAR2, 4, 1),
    F(MOPS,         ISAR2, 16, 1),
    F(HBC,          ISAR2, 20, 1),
    F(SYSREG128,    ISAR2, 32, 1),
    F(SYSINSTR128,  ISAR2, 36, 1),
    F(CSSC,         ISAR2, 52, 1),
    {A64_FEAT_FP16, 16, 1, SIGNED_LEAST, SR_ID_AA64PFR0_EL1},
    F(RAS,          PFR0, 28, 1),
    F(DIT,          PFR0, 48, 1),
    F(BTI,          PFR1, 0, 1),
    F(SSBS,         PFR1, 4, 2), /* 1: PSTATE.SSBS without MRS and MSR */
    F(MTE,          PFR1, 8, 1),
    F(MTE2,         PFR1, 8, 2),
    F(SME,          PFR1, 24, 1),
    F(NMI,          PFR1, 36, 1),
    F(GCS,          PFR1, 44, 1),
    F(THE,          PFR1, 48, 1),
    F(EBEP,         DFR1, 48, 1),
    F(HAFDBS,       MMFR1, 0, 1),
    F(LOR,          MMFR1, 16, 1),
    F(PAN,          MMFR1, 20, 1),
    F(PAN3,         MMFR1, 20, 3),
    F(AFP,          MMFR1, 44, 1),
    F(UAO,          MMFR2, 4, 1),
    F(LSE2,         MMFR2, 32, 1),
    F(IDST,         MMFR2, 36, 1),
    F(E0PD,         MMFR2, 60, 1),
    F(D128,         MMFR3, 32, 1),
#undef F
    /* clang-format on */
};

_Static_assert(sizeof(feature_fields) / sizeof(feature_fields[0]) == A64_FEAT_COUNT,
               "every feature of the decoder has its ID field");

static bool field_says(const struct feature_field *f, uint64_t id)
{
    const unsigned value = (unsigned)(id >> f->lsb) & 15u;

    switch (f->kind) {
    case SIGNED_LEAST:
        return value < 8 && value >= f->value;
    case EXACTLY:
        return value == f->value;
    default:
        return value >= f->value;
    }
}

static void derive_features(struct vm_profile *profile)
{
    for (unsigned i = 0; i < sizeof(feature_fields) / sizeof(feature_fields[0]); i++) {
        const struct feature_field *const f = &feature_fields[i];
        if (field_says(f, profile->id[f->reg])) {
            profile->features[f->feature / 64] |= 1ull << f->feature % 64;
        }
    }
}

/* --- The profiles ------------------------------------------------------------------------------------------------------------ */

/* What m1 and m4 have in common. CTR_EL0.DIC is 0: IC IVAU is needed, and is what tells us of changed code. */
#define APPLE_COMMON                                                       \
    [SR_MIDR_EL1] = 0x610f0000, [SR_ID_AA64PFR0_EL1] = 0x1101000010110011, \
    [SR_ID_AA64DFR0_EL1] = 0x10305006, [SR_CLIDR_EL1] = 0x81000023, [SR_DCZID_EL0] = 4

/* Apple's chips have no 64 KiB granule; MMFR2.NV, which Apple's framework leaves at 2 though no guest can use it, is 0 here. */
#define M4_COMMON \
    APPLE_COMMON, [SR_ID_AA64MMFR2_EL1] = 0x1001001100001011, [SR_CTR_EL0] = 0x9444c004

/* 128 KiB and 192 KiB at level 1, 12 MiB at level 2 */
#define APPLE_CCSIDR                       \
    {                                      \
        0x701fe03a, 0x203fe02a, 0x73ffe05b \
    }

static struct vm_profile profiles[] = {
    {
        .name = "m4",
        .id =
            {M4_COMMON, [SR_ID_AA64MMFR0_EL1] = 0x000010000f100022,
             [SR_ID_AA64ISAR0_EL1] = 0x0221100110212120, [SR_ID_AA64PFR1_EL1] = 0x0000000200000001,
             [SR_ID_AA64ISAR1_EL1] = 0x0010111110211502, [SR_ID_AA64ISAR2_EL1] = 0x10,
             [SR_ID_AA64MMFR1_EL1] = 0x0000100011312000},
        .max_ipa_bits = 40,
        .default_ipa_bits = 36,
        .ccsidr = APPLE_CCSIDR,
        .el2_supported = true,
    },
    {
        .name = "m1",
        .id =
            {APPLE_COMMON, [SR_ID_AA64ISAR0_EL1] = 0x0221100110212120,
             [SR_ID_AA64ISAR1_EL1] = 0x0000011110211202, [SR_ID_AA64MMFR0_EL1] = 0x000010000f100001,
             [SR_ID_AA64MMFR1_EL1] = 0x0000000011212000, [SR_ID_AA64MMFR2_EL1] = 0x1001001100001011,
             [SR_CTR_EL0] = 0x8444c004},
        .max_ipa_bits = 36,
        .default_ipa_bits = 36,
        .ccsidr = APPLE_CCSIDR,
        .el2_supported = false,
    },
    {
        /*
         * m4 with what else the engine has: the 64 KiB granule; SM3 and SM4; SSBS with its instructions; XS, LRCPC3; WFxT, MOPS, BC,
         * CSSC; VHE for a guest with EL2.
         */
        .name = "max",
        .id =
            {M4_COMMON, [SR_ID_AA64MMFR0_EL1] = 0x0000100000100022,
             [SR_ID_AA64ISAR0_EL1] = 0x0221111110212120, [SR_ID_AA64PFR1_EL1] = 0x0000000200000021,
             [SR_ID_AA64ISAR1_EL1] = 0x0110111110311502, [SR_ID_AA64ISAR2_EL1] = 0x0010000000110012,
             [SR_ID_AA64MMFR1_EL1] = 0x0000100011312100},
        .max_ipa_bits = 40,
        .default_ipa_bits = 36,
        .ccsidr = APPLE_CCSIDR,
        .el2_supported = true,
    },
};

static void derive_all(void)
{
    for (unsigned i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        derive_features(&profiles[i]);
    }
}

const struct vm_profile *vm_profile_by_name(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, derive_all);
    for (unsigned i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            return &profiles[i];
        }
    }
    return NULL;
}
