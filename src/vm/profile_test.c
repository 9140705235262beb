/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The profiles: values of the facts sheet, and features that agree with them. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/a64/features.h"
#include "vm/vm.h"

static unsigned failures;

static bool has(const struct vm_profile *p, unsigned feature)
{
    return (p->features[feature / 64] >> feature % 64 & 1) != 0;
}

#define FEATURE(profile, name, expected)                                                         \
    do {                                                                                         \
        if (has(vm_profile_by_name(profile), A64_FEAT_##name) != (expected)) {                   \
            printf("%s: FEAT_" #name " should%s be there\n", profile, (expected) ? "" : " not"); \
            failures++;                                                                          \
        }                                                                                        \
    } while (0)

static void common(const char *name)
{
    const struct vm_profile *const p = vm_profile_by_name(name);

    if (p == NULL) {
        printf("no profile %s\n", name);
        failures++;
        return;
    }
    const uint64_t ctr = p->id[SR_CTR_EL0];
    /* DIC would let a guest leave out the IC IVAU that we need; the line sizes are 64 bytes; RES1. */
    if ((ctr >> 29 & 1) != 0 || (ctr & 15) != 4 || (ctr >> 16 & 15) != 4 || ctr >> 31 != 1) {
        printf("%s: CTR_EL0 0x%" PRIx64 "\n", name, ctr);
        failures++;
    }
    if (p->id[SR_DCZID_EL0] != 4 || p->ccsidr[0] == 0 || p->default_ipa_bits > p->max_ipa_bits) {
        printf("%s: geometry\n", name);
        failures++;
    }
    FEATURE(name, LSE, true);
    FEATURE(name, LSE2, true);
    FEATURE(name, PMULL, true);
    FEATURE(name, SHA512, true);
    FEATURE(name, FP16, true);
    FEATURE(name, PAuth, true);
    FEATURE(name, PAN, true);
    FEATURE(name, LRCPC2, true);
    FEATURE(name, MTE, false);
    FEATURE(name, SME, false);
    FEATURE(name, LSE128, false);
    FEATURE(name, LS64, false);
    FEATURE(name, GCS, false);
    FEATURE(name, D128, false);
    FEATURE(name, TME, false);
}

int main(void)
{
    common("m1");
    common("m4");
    common("max");
    FEATURE("m1", EPAC, true);
    FEATURE("m1", PAuth2, false);
    FEATURE("m1", BTI, false);
    FEATURE("m1", I8MM, false);
    FEATURE("m1", PAN3, false);
    FEATURE("m4", EPAC, false);
    FEATURE("m4", FPACCOMBINE, true);
    FEATURE("m4", BTI, true);
    FEATURE("m4", BF16, true);
    FEATURE("m4", I8MM, true);
    FEATURE("m4", AFP, true);
    FEATURE("m4", RPRES, true);
    FEATURE("m4", SSBS, false);
    FEATURE("m4", MOPS, false);
    FEATURE("m4", SM3, false);
    FEATURE("m4", WFxT, false);
    FEATURE("max", MOPS, true);
    FEATURE("max", CSSC, true);
    FEATURE("max", SM4, true);
    FEATURE("max", SSBS, true);
    FEATURE("max", LRCPC3, true);
    FEATURE("max", EBF16, false);
    if (vm_profile_by_name("m2") != NULL || vm_profile_by_name("m1")->el2_supported ||
        !vm_profile_by_name("m4")->el2_supported) {
        printf("names or EL2\n");
        failures++;
    }
    return failures != 0;
}
