/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Pointer authentication. Arm ARM DDI0487 J.a, D8.8: AddPAC(), Auth(), Strip().
 *
 * The codes come from an algorithm of our own (the ID registers say so: API and GPI, not APA and GPA), because QARMA costs hundreds
 * of host instructions and nothing outside the VM ever sees a signed pointer. It is a keyed mixing function, not a cipher; a guest
 * that attacks itself is no concern of the host.
 */
#include "engine/sys/pauth.h"

#include "engine/ir/functions.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"

/* ID_AA64ISAR1_EL1.API */
enum { API_EPAC = 2, API_PAUTH2 = 3, API_FPAC = 4, API_FPACCOMBINE = 5 };

static unsigned api(const struct a64_cpu *cpu)
{
    return cpu_id_field(cpu, SR_ID_AA64ISAR1_EL1, 8);
}

/* [ComputePACIMPDEF()]. x64/pauth.c has the same in emitted code. */
static uint64_t compute_pac(uint64_t data, uint64_t modifier, uint64_t key_lo, uint64_t key_hi)
{
    uint64_t x = data ^ key_lo, y = modifier ^ key_hi;

    for (unsigned round = 0; round < PAUTH_ROUNDS; round++) {
        x = (x ^ x >> 32) * PAUTH_MIX1 + y;
        y = (y ^ y >> 29) * PAUTH_MIX2 + (x << 17 | x >> 47);
    }
    return x ^ y ^ (x ^ y) >> 31;
}

const uint16_t pauth_key_registers[4] = {SR_APIAKEYLO_EL1, SR_APIBKEYLO_EL1, SR_APDAKEYLO_EL1,
                                         SR_APDBKEYLO_EL1};
_Static_assert(SR_APIAKEYHI_EL1 == SR_APIAKEYLO_EL1 + 1 && SR_APGAKEYHI_EL1 == SR_APGAKEYLO_EL1 + 1,
               "Hi follows Lo");

static uint64_t pac_of(const struct a64_cpu *cpu, uint64_t pointer, uint64_t modifier,
                       enum pauth_key key)
{
    const uint64_t *const k = &cpu->sys[pauth_key_registers[key]];

    return compute_pac(pointer, modifier, k[0], k[1]);
}

static bool is_data(enum pauth_key key)
{
    return key == PAUTH_DA || key == PAUTH_DB;
}

/* --- Where the code lies in a pointer ---------------------------------------------------------------------------------------- */

static bool two_ranges(const struct a64_cpu *cpu)
{
    return cpu_regime_el(cpu, cpu_el(cpu)) == 1 || cpu_in_host(cpu, 2);
}

static uint64_t regime_tcr(const struct a64_cpu *cpu)
{
    return cpu->sys[cpu_regime_el(cpu, cpu_el(cpu)) == 1 ? SR_TCR_EL1 : SR_TCR_EL2];
}

/* [CalculateBottomPACBit()]; TxSZ is held within 16 to 39, the range without large or small translation tables. */
static unsigned bottom_bit(const struct a64_cpu *cpu, bool upper)
{
    const unsigned size = (unsigned)(regime_tcr(cpu) >> (upper && two_ranges(cpu) ? 16 : 0)) & 63u;

    return 64 - (size < 16 ? 16 : size > 39 ? 39 : size);
}

/* Bits [54:bottom], and [63:56] when the top byte is not a tag: where the code is. */
static uint64_t pac_mask(unsigned bottom, bool tbi)
{
    const uint64_t low = ((1ull << 55) - 1) & ~((1ull << bottom) - 1);

    return tbi ? low : low | 0xffull << 56;
}

/* The pointer with its code and bit 55 replaced by the sign. */
static uint64_t extended(uint64_t pointer, uint64_t mask, bool upper)
{
    mask |= BIT64(55);
    return upper ? pointer | mask : pointer & ~mask;
}

/* The bit that says which half of the address space a pointer that is to be signed belongs to. */
static unsigned sign_bit(const struct a64_cpu *cpu, uint64_t pointer, bool data)
{
    bool by_bit55;

    if (two_ranges(cpu)) {
        const uint64_t tcr = regime_tcr(cpu);
        const bool tbi0 = (tcr & BIT64(37)) != 0 && (data || (tcr & BIT64(51)) == 0);
        const bool tbi1 = (tcr & BIT64(38)) != 0 && (data || (tcr & BIT64(52)) == 0);
        by_bit55 = tbi0 || tbi1;
    } else {
        by_bit55 = cpu_tbi(cpu, pointer, !data);
    }
    return by_bit55 ? 55 : 63;
}

bool pauth_is_plain(const struct a64_cpu *cpu)
{
    return api(cpu) >= API_PAUTH2 && !cpu_has_el2(cpu);
}

void pauth_update(struct a64_cpu *cpu)
{
    for (unsigned data = 0; data < 2; data++) {
        cpu->x64.pauth_sign[data] = sign_bit(cpu, 0, data != 0);
        for (unsigned upper = 0; upper < 2; upper++) {
            const bool tbi = cpu_tbi(cpu, upper != 0 ? BIT64(55) : 0, data == 0);
            cpu->x64.pauth_top[data][upper] = pac_mask(bottom_bit(cpu, upper != 0), tbi) |
                                              BIT64(55);
        }
    }
}

/* --- The operations ---------------------------------------------------------------------------------------------------------- */

static uint64_t add_pac(const struct a64_cpu *cpu, uint64_t pointer, uint64_t modifier,
                        enum pauth_key key)
{
    const bool data = is_data(key);
    const bool tbi = cpu_tbi(cpu, pointer, !data);
    const bool upper = (pointer >> sign_bit(cpu, pointer, data) & 1) != 0;
    const unsigned bottom = bottom_bit(cpu, upper);
    const uint64_t mask = pac_mask(bottom, tbi);
    const uint64_t sign = upper ? BIT64(55) : 0;
    uint64_t pac = pac_of(cpu, extended(pointer, mask, upper), modifier, key);

    if (api(cpu) >= API_PAUTH2) {
        return (((pointer ^ (pac & mask)) & ~BIT64(55))) | sign;
    }
    /* A pointer that was not canonical gets no code, so that it can never pass an authentication (FEAT_EPAC). */
    const uint64_t top = mask | BIT64(55);
    if ((pointer & top) != 0 && (pointer & top) != top) {
        pac = 0;
    }
    return (pointer & ~top) | sign | (pac & mask);
}

static bool key_is_enabled(const struct a64_cpu *cpu, enum pauth_key key)
{
    static const uint64_t enables[] = {SCTLR_ENIA, SCTLR_ENIB, SCTLR_ENDA, SCTLR_ENDB};

    return (cpu_sctlr(cpu) & enables[key]) != 0;
}

/* HCR_EL2.API = 0 traps to EL2 what EL1 and its EL0 do. */
static bool is_trapped(const struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);

    return cpu_has_el2(cpu) && el < 2 && !cpu_in_host(cpu, el) && (cpu_hcr(cpu) & HCR_API) == 0;
}

static enum ir_next take_trap(struct a64_cpu *cpu)
{
    return exc_take(cpu, 2, EC_PAC_TRAP, true, 0, false, 0);
}

enum ir_next pauth_auth(struct a64_cpu *cpu, uint64_t pointer, uint64_t modifier,
                        enum pauth_key key, bool combined, uint64_t *result)
{
    const bool data = is_data(key);
    const bool b_key = key == PAUTH_IB || key == PAUTH_DB;

    *result = pointer;
    if (!key_is_enabled(cpu, key)) {
        return IR_NEXT;
    }
    if (is_trapped(cpu)) {
        return take_trap(cpu);
    }
    const bool tbi = cpu_tbi(cpu, pointer, !data);
    const bool upper = (pointer >> 55 & 1) != 0;
    const uint64_t mask = pac_mask(bottom_bit(cpu, upper), tbi);
    const uint64_t original = extended(pointer, mask, upper);
    const uint64_t pac = pac_of(cpu, original, modifier, key);

    if (api(cpu) >= API_PAUTH2) {
        *result = pointer ^ (pac & mask);
        if (*result != original &&
            (api(cpu) >= API_FPACCOMBINE || (api(cpu) == API_FPAC && !combined))) {
            return exc_take_default(cpu, EC_PAC_FAIL, true, (data ? 2u : 0u) | (b_key ? 1u : 0u),
                                    false, 0);
        }
        return IR_NEXT;
    }
    if (((pointer ^ pac) & mask) == 0) {
        *result = original;
    } else {
        /* An error code that makes the address non-canonical: 01 for an A key, 10 for a B key. */
        const unsigned lsb = tbi ? 53 : 61;
        *result = (original & ~(3ull << lsb)) | (b_key ? 2ull : 1ull) << lsb;
    }
    return IR_NEXT;
}

enum ir_next helper_pac(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    const enum pauth_key key = imm & 3;

    *result = a;
    if (!key_is_enabled(cpu, key)) {
        return IR_NEXT;
    }
    if (is_trapped(cpu)) {
        return take_trap(cpu);
    }
    *result = add_pac(cpu, a, b, key);
    return IR_NEXT;
}

enum ir_next helper_aut(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b, uint32_t imm)
{
    return pauth_auth(cpu, a, b, imm & 3, (imm & PAUTH_COMBINED) != 0, result);
}

enum ir_next helper_pacga(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                          uint32_t imm)
{
    (void)imm;
    if (is_trapped(cpu)) {
        return take_trap(cpu);
    }
    *result = compute_pac(a, b, cpu->sys[SR_APGAKEYLO_EL1], cpu->sys[SR_APGAKEYHI_EL1]) &
              ~0xffffffffull;
    return IR_NEXT;
}

enum ir_next helper_xpac(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                         uint32_t imm)
{
    (void)b;
    const bool data = imm == 1;
    const bool upper = (a >> 55 & 1) != 0;

    *result = extended(a, pac_mask(bottom_bit(cpu, upper), cpu_tbi(cpu, a, !data)), upper);
    return IR_NEXT;
}
