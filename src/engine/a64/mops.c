/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * FEAT_MOPS: CPYP/CPYM/CPYE, CPYFP/..., SETP/SETM/SETE.
 *
 * The architecture leaves the algorithm to the implementation. This one is Option A throughout (PSTATE.C = 0: in the middle of a
 * forward operation the addresses point behind the last byte, and the size counts up to 0). The prologue only prepares the
 * registers, the main instruction moves everything, and the epilogue finds a size of 0. An epilogue with a size left is then what
 * MismatchedMemCpyException() is for: the guest has jumped into the middle, or was moved here from another implementation.
 *
 * The main instruction moves at most CHUNK bytes per call, within one page of each side, writes the size back, and runs again: so
 * interrupts are taken in between, and a fault finds the registers of the bytes done.
 */
#include <string.h>

#include "engine/a64/ldst.h"
#include "engine/code.h"
#include "engine/ir/functions.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "vm/vm.h"

#define CHUNK       4096u
#define SCTLR_MSCEn (1ull << 33)
#define HCRX_MSCEn  (1ull << 11)
#define HCRX_MCE2   (1ull << 10)
#define HCR_TGE     (1ull << 27)
#define HCR_E2H     (1ull << 34)

enum stage { PROLOGUE, MAIN, EPILOGUE };

/* --- Translation -------------------------------------------------------------------------------------------------------------- */

/* Overlapping registers and register 31 are CONSTRAINED UNPREDICTABLE (MOPSOVERLAP31): UNDEFINED here. */
static bool bad_registers(uint32_t w, bool s_may_be_31)
{
    const unsigned d = A64_FIELD(w, 4, 0), n = A64_FIELD(w, 9, 5), s = A64_FIELD(w, 20, 16);

    return s == n || s == d || n == d || d == 31 || n == 31 || (s == 31 && !s_may_be_31);
}

static void copy(struct tr *t, uint32_t w)
{
    if (bad_registers(w, false)) {
        tr_undefined(t);
        return;
    }
    tr_helper(t, HELPER_mops_cpy, IR_REF_NONE, IR_REF_NONE, w);
}

void a64_memory_mcpymset_cpy(struct tr *t, uint32_t w)
{
    copy(t, w);
}

void a64_memory_mcpymset_cpyf(struct tr *t, uint32_t w)
{
    copy(t, w);
}

void a64_memory_mcpymset_set(struct tr *t, uint32_t w)
{
    if (bad_registers(w, true)) {
        tr_undefined(t);
        return;
    }
    tr_helper(t, HELPER_mops_set, IR_REF_NONE, IR_REF_NONE, w);
}

/* --- Execution ---------------------------------------------------------------------------------------------------------------- */

/* CheckMOPSEnabled(). Without an EL2 in the guest HCRX_EL2 does not count: the host that stands there does not trap them. */
static bool enabled(const struct a64_cpu *cpu)
{
    const unsigned el = cpu_el(cpu);
    const uint64_t hcr = cpu->sys[SR_HCR_EL2];
    const bool in_host = (hcr & (HCR_TGE | HCR_E2H)) == (HCR_TGE | HCR_E2H);

    if (el < 2 && cpu->vm->config.el2_enabled && !in_host &&
        (cpu->sys[SR_HCRX_EL2] & HCRX_MSCEn) == 0) {
        return false;
    }
    return el != 0 || (cpu->sys[in_host ? SR_SCTLR_EL2 : SR_SCTLR_EL1] & SCTLR_MSCEn) != 0;
}

/* MismatchedMemCpyException() and MismatchedMemSetException(); set: ISS bit 24, MemInst. */
static enum ir_next mismatched(struct a64_cpu *cpu, uint32_t w, bool set, bool from_epilogue,
                               bool wrong_option)
{
    const unsigned el = cpu_el(cpu);
    const uint32_t options = set ? A64_FIELD(w, 13, 12) : A64_FIELD(w, 15, 12);
    const uint32_t iss = (set ? 1u << 24 : 0) | options << 19 | (from_epilogue ? 1u << 18 : 0) |
                         (wrong_option ? 1u << 17 : 0) | 1u << 16 /* OptionA */ |
                         A64_FIELD(w, 4, 0) << 10 | A64_FIELD(w, 20, 16) << 5 | A64_FIELD(w, 9, 5);
    unsigned target = 1;

    if (el == 2) {
        target = 2;
    } else if (cpu->vm->config.el2_enabled) {
        if (el == 0 ? (cpu->sys[SR_HCR_EL2] & HCR_TGE) != 0
                    : (cpu->sys[SR_HCRX_EL2] & HCRX_MCE2) != 0) {
            target = 2;
        }
    }
    return exc_take(cpu, target, EC_MOPS, true, iss, false, 0);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Bytes from va to the end of its page, and from the start of the page up to va (a whole page when va is at its start). */
static uint64_t page_after(uint64_t va)
{
    return 4096 - (va & 4095);
}

static uint64_t page_before(uint64_t va)
{
    return ((va - 1) & 4095) + 1;
}

/* CPYP chooses the direction that is right for overlapping buffers, and forward for others; bits 63:56 are tags, not address. */
static bool copies_forward(uint64_t to, uint64_t from, uint64_t size)
{
    const uint64_t mask = (1ull << 56) - 1;

    to &= mask;
    from &= mask;
    return !(from < to && ((from + size) & mask) > to);
}

/* Both sides lie within a page. Gives where the bytes are now; NULL: cpu->fault. */
static const uint8_t *copy_bytes(struct a64_cpu *cpu, uint32_t w, uint64_t to, uint64_t from,
                                 uint64_t n)
{
    const void *src = mmu_data_pointer(cpu, from, (unsigned)n, false,
                                       A64_BIT(w, 13) != 0 ? IR_MEM_UNPRIV : 0);

    if (src == NULL) {
        return NULL;
    }
    void *dst = mmu_data_pointer(cpu, to, (unsigned)n, true,
                                 A64_BIT(w, 12) != 0 ? IR_MEM_UNPRIV : 0);

    if (dst != NULL) {
        memmove(dst, src, n);
    }
    return dst;
}

/* Runs the instruction again while bytes are left. What has just been written may be the code behind it. */
static enum ir_next more(const struct a64_cpu *cpu, uint64_t size, const uint8_t *written)
{
    return size != 0                                              ? IR_GO
           : code_page_may_have_code(cpu->may_have_code, written) ? IR_END
                                                                  : IR_NEXT;
}

enum ir_next helper_mops_cpy(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                             uint32_t w)
{
    const enum stage stage = (enum stage)A64_FIELD(w, 23, 22);
    const bool forward_only = A64_BIT(w, 26) == 0; /* CPYF* */
    uint64_t *const to = &cpu->x[A64_FIELD(w, 4, 0)];
    uint64_t *const from = &cpu->x[A64_FIELD(w, 20, 16)];
    uint64_t *const size = &cpu->x[A64_FIELD(w, 9, 5)];

    (void)a;
    (void)b;
    *result = 0;
    if (!enabled(cpu)) {
        return exc_undefined(cpu);
    }
    if (stage == PROLOGUE) {
        const uint64_t max = forward_only ? INT64_MAX : (1ull << 55) - 1;
        const uint64_t n = least(*size, max);

        cpu->nzcv = 0;
        if (forward_only || copies_forward(*to, *from, n)) {
            *to += n;
            *from += n;
            *size = 0 - n;
        } else {
            *size = n;
        }
        return IR_NEXT;
    }
    if (*size == 0) {
        return IR_NEXT; /* MemCpyZeroSizeCheck() is false */
    }
    /* A CPYF size is never positive here: MemCpyParametersIllformedM(). */
    const bool wrong_option = (cpu->nzcv & NZCV_C) != 0, ascending = (int64_t)*size < 0;
    const uint8_t *written;

    if (wrong_option || stage == EPILOGUE || (forward_only && !ascending)) {
        return mismatched(cpu, w, false, stage == EPILOGUE, wrong_option);
    }
    if (ascending) {
        const uint64_t d = *to + *size, s = *from + *size;
        const uint64_t n = least(least(least(CHUNK, 0 - *size), page_after(d)), page_after(s));

        written = copy_bytes(cpu, w, d, s, n);
        if (written == NULL) {
            return exc_abort(cpu, 0);
        }
        *size += n;
    } else {
        const uint64_t d = *to + *size, s = *from + *size; /* the ends */
        const uint64_t n = least(least(least(CHUNK, *size), page_before(d)), page_before(s));

        written = copy_bytes(cpu, w, d - n, s - n, n);
        if (written == NULL) {
            return exc_abort(cpu, 0);
        }
        *size -= n;
    }
    return more(cpu, *size, written);
}

enum ir_next helper_mops_set(struct a64_cpu *cpu, uint64_t *result, uint64_t a, uint64_t b,
                             uint32_t w)
{
    const enum stage stage = (enum stage)A64_FIELD(w, 15, 14);
    const unsigned rs = A64_FIELD(w, 20, 16);
    const int data = rs == 31 ? 0 : (int)(cpu->x[rs] & 0xff);
    uint64_t *const to = &cpu->x[A64_FIELD(w, 4, 0)];
    uint64_t *const size = &cpu->x[A64_FIELD(w, 9, 5)];

    (void)a;
    (void)b;
    *result = 0;
    if (!enabled(cpu)) {
        return exc_undefined(cpu);
    }
    if (stage == PROLOGUE) {
        const uint64_t n = least(*size, INT64_MAX);

        cpu->nzcv = 0;
        *to += n;
        *size = 0 - n;
        return IR_NEXT;
    }
    if (*size == 0) {
        return IR_NEXT;
    }
    const bool wrong_option = (cpu->nzcv & NZCV_C) != 0;

    if (wrong_option || stage == EPILOGUE || (int64_t)*size > 0) {
        return mismatched(cpu, w, true, stage == EPILOGUE, wrong_option);
    }
    const uint64_t d = *to + *size;
    const uint64_t n = least(least(CHUNK, 0 - *size), page_after(d));
    void *dst = mmu_data_pointer(cpu, d, (unsigned)n, true,
                                 A64_BIT(w, 12) != 0 ? IR_MEM_UNPRIV : 0);

    if (dst == NULL) {
        return exc_abort(cpu, 0);
    }
    memset(dst, data, n);
    *size += n;
    return more(cpu, *size, dst);
}
