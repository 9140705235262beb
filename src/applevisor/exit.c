/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Syndromes: from the bits to an event. Arm ARM DDI0487 J.a, D19.2.37, "ISS encoding for ..." of each class. */
#include <applevisor/exit.h>

#include "applevisor/internal.h"

#define BIT(value, n)         ((value) >> (n)&1u)
#define FIELD(value, hi, lo)  ((value) >> (lo) & ((1u << ((hi) - (lo) + 1)) - 1))
#define EC_DATA_ABORT_LOWER   0x24u
#define EC_DATA_ABORT_SAME_EL 0x25u

typedef void iss_fn(uint32_t iss, av_exit_event *event);

/* --- Aborts ------------------------------------------------------------------------------------------------------------------- */

/* Into a record that is all zero. */
static inline void access_of(uint32_t iss, av_access *access)
{
    access->size_bytes = (uint8_t)(1u << FIELD(iss, 23, 22));
    access->reg = (uint8_t)FIELD(iss, 20, 16);
    access->is_write = BIT(iss, 6) != 0;
    access->is_64_bit = BIT(iss, 15) != 0;
    if ((iss & (1u << 21 | 1u << 14)) != 0) {
        access->sign_extend = !access->is_write && BIT(iss, 21) != 0;
        access->acquire_release = BIT(iss, 14) != 0;
    }
}

/* DFSC and IFSC, and the level that is in the code: what an abort is without the rare bits beside it. */
static const av_abort aborts[64] = {
// clang-format off
#define AT_LEVEL(code, fault_, n)  [code] = {.fault = (fault_), .level = (n), .status = (code), .far_valid = true}
#define NO_LEVEL(code, fault)      AT_LEVEL(code, fault, AV_NO_LEVEL)
#define LEVELS_0_TO_3(code, fault) \
    AT_LEVEL(code, fault, 0), AT_LEVEL((code) + 1, fault, 1), AT_LEVEL((code) + 2, fault, 2), AT_LEVEL((code) + 3, fault, 3)
    LEVELS_0_TO_3(0x00, AV_FAULT_ADDRESS_SIZE),
    LEVELS_0_TO_3(0x04, AV_FAULT_TRANSLATION),
    LEVELS_0_TO_3(0x08, AV_FAULT_ACCESS_FLAG),
    LEVELS_0_TO_3(0x0c, AV_FAULT_PERMISSION),
    NO_LEVEL(0x10, AV_FAULT_EXTERNAL),
    NO_LEVEL(0x11, AV_FAULT_TAG_CHECK),
    AT_LEVEL(0x13, AV_FAULT_EXTERNAL, -1),
    LEVELS_0_TO_3(0x14, AV_FAULT_EXTERNAL),
    NO_LEVEL(0x18, AV_FAULT_PARITY),
    AT_LEVEL(0x1b, AV_FAULT_PARITY, -1),
    LEVELS_0_TO_3(0x1c, AV_FAULT_PARITY),
    NO_LEVEL(0x21, AV_FAULT_ALIGNMENT),
    NO_LEVEL(0x22, AV_FAULT_DEBUG),
    AT_LEVEL(0x29, AV_FAULT_ADDRESS_SIZE, -1),
    AT_LEVEL(0x2b, AV_FAULT_TRANSLATION, -1),
    NO_LEVEL(0x30, AV_FAULT_TLB_CONFLICT),
    NO_LEVEL(0x35, AV_FAULT_EXCLUSIVE),
    // clang-format on
};

#define RARE (1u << 10 | 1u << 9 | 1u << 8 | 1u << 7)

static __attribute__((noinline)) void rare_abort(uint32_t iss, av_abort *abort)
{
    if (!abort->far_valid) { /* no such code */
        abort->fault = AV_FAULT_OTHER;
        abort->level = AV_NO_LEVEL;
        abort->status = (uint8_t)(iss & 0x3f);
    }
    abort->stage1_walk = BIT(iss, 7) != 0;
    abort->external = BIT(iss, 9) != 0;
    abort->far_valid = BIT(iss, 10) == 0;
}

static inline void abort_of(uint32_t iss, av_abort *abort)
{
    *abort = aborts[iss & 0x3f];
    if (__builtin_expect((iss & RARE) != 0 || !aborts[iss & 0x3f].far_valid, 0)) {
        rare_abort(iss, abort);
    }
}

static void instruction_abort(uint32_t iss, av_exit_event *event)
{
    abort_of(iss, &event->u.abort);
}

static void data_abort(uint32_t iss, av_exit_event *event)
{
    av_abort *const abort = &event->u.abort;

    abort_of(iss, abort);
    abort->is_write = BIT(iss, 6) != 0;
    abort->cache_maintenance = BIT(iss, 8) != 0;
    if (BIT(iss, 24) != 0) {
        abort->has_access = true;
        access_of(iss, &abort->access);
    }
}

/* --- Other classes ------------------------------------------------------------------------------------------------------------ */

static void call(uint32_t iss, av_exit_event *event)
{
    event->u.call.immediate = (uint16_t)FIELD(iss, 15, 0);
}

static void wait(uint32_t iss, av_exit_event *event)
{
    event->u.wait.kind = (av_wait_kind)FIELD(iss, 1, 0);
    event->u.wait.has_reg = BIT(iss, 2) != 0;
    event->u.wait.reg = event->u.wait.has_reg ? (uint8_t)FIELD(iss, 9, 5) : 0;
}

static void sysreg(uint32_t iss, av_exit_event *event)
{
    const uint32_t op0 = FIELD(iss, 21, 20), op2 = FIELD(iss, 19, 17), op1 = FIELD(iss, 16, 14),
                   crn = FIELD(iss, 13, 10), crm = FIELD(iss, 4, 1);

    event->u.sysreg.id = (uint16_t)(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2);
    event->u.sysreg.reg = (uint8_t)FIELD(iss, 9, 5);
    event->u.sysreg.is_write = BIT(iss, 0) == 0;
}

static void watchpoint(uint32_t iss, av_exit_event *event)
{
    event->u.watchpoint.is_write = BIT(iss, 6) != 0;
    event->u.watchpoint.cache_maintenance = BIT(iss, 8) != 0;
}

static void step(uint32_t iss, av_exit_event *event)
{
    event->u.step.valid = BIT(iss, 24) != 0;
    event->u.step.exclusive = event->u.step.valid && BIT(iss, 6) != 0;
}

static void sme(uint32_t iss, av_exit_event *event)
{
    event->u.sme.reason = (uint8_t)FIELD(iss, 2, 0);
}

/* --- The classes -------------------------------------------------------------------------------------------------------------- */

static const struct class
{
    bool is_known;
    uint8_t kind;
    bool same_el;
    iss_fn *iss;
} classes[64] = {
    /* by EC */
    [0x00] = {true, AV_EXIT_UNDEFINED, false, NULL},
    [0x01] = {true, AV_EXIT_WAIT, false, wait},
    [0x07] = {true, AV_EXIT_FP, false, NULL},
    [0x09] = {true, AV_EXIT_PAUTH, false, NULL},
    [0x0a] = {true, AV_EXIT_LS64, false, NULL},
    [0x0d] = {true, AV_EXIT_BRANCH_TARGET, false, NULL},
    [0x0e] = {true, AV_EXIT_ILLEGAL_STATE, false, NULL},
    [0x15] = {true, AV_EXIT_SVC, false, call},
    [0x16] = {true, AV_EXIT_HVC, false, call},
    [0x17] = {true, AV_EXIT_SMC, false, call},
    [0x18] = {true, AV_EXIT_SYSREG, false, sysreg},
    [0x19] = {true, AV_EXIT_SVE, false, NULL},
    [0x1a] = {true, AV_EXIT_ERET, false, NULL},
    [0x1c] = {true, AV_EXIT_PAUTH_FAILURE, false, NULL},
    [0x1d] = {true, AV_EXIT_SME, false, sme},
    [0x20] = {true, AV_EXIT_INSTRUCTION_ABORT, false, instruction_abort},
    [0x21] = {true, AV_EXIT_INSTRUCTION_ABORT, true, instruction_abort},
    [0x22] = {true, AV_EXIT_PC_ALIGNMENT, false, NULL},
    [EC_DATA_ABORT_LOWER] = {true, AV_EXIT_DATA_ABORT, false, data_abort},
    [EC_DATA_ABORT_SAME_EL] = {true, AV_EXIT_DATA_ABORT, true, data_abort},
    [0x26] = {true, AV_EXIT_SP_ALIGNMENT, false, NULL},
    [0x27] = {true, AV_EXIT_MEMORY_COPY, false, NULL},
    [0x2c] = {true, AV_EXIT_FP_EXCEPTION, false, NULL},
    [0x2f] = {true, AV_EXIT_SERROR, false, NULL},
    [0x30] = {true, AV_EXIT_BREAKPOINT, false, NULL},
    [0x31] = {true, AV_EXIT_BREAKPOINT, true, NULL},
    [0x32] = {true, AV_EXIT_STEP, false, step},
    [0x33] = {true, AV_EXIT_STEP, true, step},
    [0x34] = {true, AV_EXIT_WATCHPOINT, false, watchpoint},
    [0x35] = {true, AV_EXIT_WATCHPOINT, true, watchpoint},
    [0x3c] = {true, AV_EXIT_BRK, false, call},
};

static inline void decode(uint64_t syndrome, uint64_t va, uint64_t pa, av_exit_event *event)
{
    const struct class *const c = &classes[FIELD(syndrome, 31, 26)];

    *event = (av_exit_event){
        .kind = c->is_known ? (av_exit_kind)c->kind : AV_EXIT_OTHER,
        .ec = (uint8_t)FIELD(syndrome, 31, 26),
        .same_el = c->same_el,
        .instruction_bytes = BIT(syndrome, 25) != 0 ? 4 : 2,
        .syndrome = syndrome,
        .virtual_address = va,
        .physical_address = pa,
    };
    if (c->iss != NULL) {
        c->iss((uint32_t)FIELD(syndrome, 24, 0), event);
    }
}

av_error av_exit_from_syndrome(uint64_t syndrome, av_exit_event *event)
{
    NOT_NULL(event);
    decode(syndrome, 0, 0, event);
    return AV_OK;
}

av_error av_exit_decode(const hv_vcpu_exit_t *exit, av_exit_event *event)
{
    NOT_NULL(exit);
    NOT_NULL(event);
    switch (exit->reason) {
    case HV_EXIT_REASON_EXCEPTION:
        decode(exit->exception.syndrome, exit->exception.virtual_address,
               exit->exception.physical_address, event);
        break;
    case HV_EXIT_REASON_CANCELED:
        *event = (av_exit_event){.kind = AV_EXIT_CANCELED};
        break;
    case HV_EXIT_REASON_VTIMER_ACTIVATED:
        *event = (av_exit_event){.kind = AV_EXIT_VTIMER};
        break;
    default:
        *event = (av_exit_event){.kind = AV_EXIT_UNKNOWN};
        break;
    }
    return AV_OK;
}

av_error av_access_from_syndrome(uint64_t syndrome, av_access *access)
{
    const unsigned ec = (unsigned)FIELD(syndrome, 31, 26);

    NOT_NULL(access);
    if (ec != EC_DATA_ABORT_LOWER && ec != EC_DATA_ABORT_SAME_EL) {
        return FAIL(
            AV_ERROR_BAD_ARGUMENT,
            "syndrome 0x%llx is of class 0x%02x, and only those of a Data Abort (0x24, 0x25) "
            "describe an access",
            (unsigned long long)syndrome, ec);
    }
    /* Pairs, SIMD and writeback forms set no ISV. Their SAS and SRT are zero, which would read as a byte access to X0. */
    if (BIT(syndrome, 24) == 0) {
        return FAIL(
            AV_ERROR_UNSUPPORTED,
            "syndrome 0x%llx does not describe the access (ISV is 0): decode the instruction with "
            "av_mmio_begin()",
            (unsigned long long)syndrome);
    }
    *access = (av_access){0};
    access_of((uint32_t)FIELD(syndrome, 24, 0), access);
    return AV_OK;
}

uint64_t av_access_extend(const av_access *access, uint64_t value)
{
    const unsigned bits = access->size_bytes * 8u;

    if (bits < 64) {
        value &= (1ull << bits) - 1;
        if (access->sign_extend) {
            const uint64_t sign = 1ull << (bits - 1);
            value = (value ^ sign) - sign;
        }
    }
    return access->is_64_bit ? value : (uint32_t)value;
}
