/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Syndromes: from the bits to an event. Arm ARM DDI0487 J.a, D19.2.37, "ISS encoding for ..." of each class. */
#include <string.h>

#include <applevisor/exit.h>

#include "applevisor/kit.h"

#define BIT(value, n)         ((value) >> (n)&1u)
#define FIELD(value, hi, lo)  ((value) >> (lo) & ((1u << ((hi) - (lo) + 1)) - 1))
#define EC_DATA_ABORT_LOWER   0x24u
#define EC_DATA_ABORT_SAME_EL 0x25u

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

static __attribute__((noinline)) void rare_abort(uint32_t iss, bool is_data, av_abort *abort)
{
    if (!abort->far_valid) { /* no such code */
        abort->fault = AV_FAULT_OTHER;
        abort->level = AV_NO_LEVEL;
        abort->status = (uint8_t)(iss & 0x3f);
    }
    abort->stage1_walk = BIT(iss, 7) != 0;
    abort->cache_maintenance = is_data && BIT(iss, 8) != 0;
    abort->external = BIT(iss, 9) != 0;
    abort->far_valid = BIT(iss, 10) == 0;
}

static inline void abort_of(uint32_t iss, bool is_data, av_abort *abort)
{
    *abort = aborts[iss & 0x3f];
    if (__builtin_expect((iss & RARE) != 0 || !abort->far_valid, 0)) {
        rare_abort(iss, is_data, abort);
    }
    if (is_data) {
        abort->is_write = BIT(iss, 6) != 0;
    }
    if (is_data && BIT(iss, 24) != 0) {
        abort->has_access = true;
        access_of(iss, &abort->access);
    }
}

/* --- Other classes ------------------------------------------------------------------------------------------------------------ */

static inline void wait_of(uint32_t iss, av_exit_event *event)
{
    event->u.wait.kind = (av_wait_kind)FIELD(iss, 1, 0);
    event->u.wait.has_reg = BIT(iss, 2) != 0;
    event->u.wait.reg = event->u.wait.has_reg ? (uint8_t)FIELD(iss, 9, 5) : 0;
}

static inline void sysreg_of(uint32_t iss, av_exit_event *event)
{
    const uint32_t op0 = FIELD(iss, 21, 20), op2 = FIELD(iss, 19, 17), op1 = FIELD(iss, 16, 14),
                   crn = FIELD(iss, 13, 10), crm = FIELD(iss, 4, 1);

    event->u.sysreg.id = (uint16_t)(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2);
    event->u.sysreg.reg = (uint8_t)FIELD(iss, 9, 5);
    event->u.sysreg.is_write = BIT(iss, 0) == 0;
}

/* --- The classes -------------------------------------------------------------------------------------------------------------- */

/* How the event of a class begins, and which encoding its ISS has. */
enum iss {
    ISS_NONE,
    ISS_CALL,
    ISS_DATA,
    ISS_FETCH,
    ISS_WAIT,
    ISS_SYSREG,
    ISS_WATCHPOINT,
    ISS_STEP,
    ISS_SME
};

static const struct class
{
    struct head {
        av_exit_kind kind;
        uint8_t ec;
        bool same_el;
        uint8_t instruction_bytes; /* of IL = 0 */
    } head;
    enum iss iss;
} classes[64] = {
// clang-format off
#define CLASS(ec, kind, iss) [ec] = {{(kind), (ec), false, 2}, (iss)}
#define SAME(ec, kind, iss)  [ec] = {{(kind), (ec), true, 2}, (iss)}
#define OTHER(ec)            CLASS(ec, AV_EXIT_OTHER, ISS_NONE)
    CLASS(0x00, AV_EXIT_UNDEFINED, ISS_NONE),
    CLASS(0x01, AV_EXIT_WAIT, ISS_WAIT),
    OTHER(0x02), OTHER(0x03), OTHER(0x04), OTHER(0x05), OTHER(0x06),
    CLASS(0x07, AV_EXIT_FP, ISS_NONE),
    OTHER(0x08),
    CLASS(0x09, AV_EXIT_PAUTH, ISS_NONE),
    CLASS(0x0a, AV_EXIT_LS64, ISS_NONE),
    OTHER(0x0b), OTHER(0x0c),
    CLASS(0x0d, AV_EXIT_BRANCH_TARGET, ISS_NONE),
    CLASS(0x0e, AV_EXIT_ILLEGAL_STATE, ISS_NONE),
    OTHER(0x0f), OTHER(0x10), OTHER(0x11), OTHER(0x12), OTHER(0x13), OTHER(0x14),
    CLASS(0x15, AV_EXIT_SVC, ISS_CALL),
    CLASS(0x16, AV_EXIT_HVC, ISS_CALL),
    CLASS(0x17, AV_EXIT_SMC, ISS_CALL),
    CLASS(0x18, AV_EXIT_SYSREG, ISS_SYSREG),
    CLASS(0x19, AV_EXIT_SVE, ISS_NONE),
    CLASS(0x1a, AV_EXIT_ERET, ISS_NONE),
    OTHER(0x1b),
    CLASS(0x1c, AV_EXIT_PAUTH_FAILURE, ISS_NONE),
    CLASS(0x1d, AV_EXIT_SME, ISS_SME),
    OTHER(0x1e), OTHER(0x1f),
    CLASS(0x20, AV_EXIT_INSTRUCTION_ABORT, ISS_FETCH),
    SAME(0x21, AV_EXIT_INSTRUCTION_ABORT, ISS_FETCH),
    CLASS(0x22, AV_EXIT_PC_ALIGNMENT, ISS_NONE),
    OTHER(0x23),
    CLASS(EC_DATA_ABORT_LOWER, AV_EXIT_DATA_ABORT, ISS_DATA),
    SAME(EC_DATA_ABORT_SAME_EL, AV_EXIT_DATA_ABORT, ISS_DATA),
    CLASS(0x26, AV_EXIT_SP_ALIGNMENT, ISS_NONE),
    CLASS(0x27, AV_EXIT_MEMORY_COPY, ISS_NONE),
    OTHER(0x28), OTHER(0x29), OTHER(0x2a), OTHER(0x2b),
    CLASS(0x2c, AV_EXIT_FP_EXCEPTION, ISS_NONE),
    OTHER(0x2d), OTHER(0x2e),
    CLASS(0x2f, AV_EXIT_SERROR, ISS_NONE),
    CLASS(0x30, AV_EXIT_BREAKPOINT, ISS_NONE),
    SAME(0x31, AV_EXIT_BREAKPOINT, ISS_NONE),
    CLASS(0x32, AV_EXIT_STEP, ISS_STEP),
    SAME(0x33, AV_EXIT_STEP, ISS_STEP),
    CLASS(0x34, AV_EXIT_WATCHPOINT, ISS_WATCHPOINT),
    SAME(0x35, AV_EXIT_WATCHPOINT, ISS_WATCHPOINT),
    OTHER(0x36), OTHER(0x37), OTHER(0x38), OTHER(0x39), OTHER(0x3a), OTHER(0x3b),
    CLASS(0x3c, AV_EXIT_BRK, ISS_CALL),
    OTHER(0x3d), OTHER(0x3e), OTHER(0x3f),
    // clang-format on
};

_Static_assert(offsetof(av_exit_event, syndrome) == sizeof(struct head) &&
                   offsetof(av_exit_event, ec) == offsetof(struct head, ec) &&
                   offsetof(av_exit_event, same_el) == offsetof(struct head, same_el) &&
                   offsetof(av_exit_event, instruction_bytes) ==
                       offsetof(struct head, instruction_bytes),
               "an event begins like that");
_Static_assert(sizeof(av_abort) == sizeof(((av_exit_event *)NULL)->u), "an abort fills it");

static void details_of(enum iss class, uint32_t iss, av_exit_event *event)
{
    switch (class) {
    case ISS_DATA:
        abort_of(iss, true, &event->u.abort);
        break;
    case ISS_CALL:
        event->u.call.immediate = (uint16_t)FIELD(iss, 15, 0);
        break;
    case ISS_FETCH:
        abort_of(iss, false, &event->u.abort);
        break;
    case ISS_WAIT:
        wait_of(iss, event);
        break;
    case ISS_SYSREG:
        sysreg_of(iss, event);
        break;
    case ISS_WATCHPOINT:
        event->u.watchpoint.is_write = BIT(iss, 6) != 0;
        event->u.watchpoint.cache_maintenance = BIT(iss, 8) != 0;
        break;
    case ISS_STEP:
        event->u.step.valid = BIT(iss, 24) != 0;
        event->u.step.exclusive = event->u.step.valid && BIT(iss, 6) != 0;
        break;
    case ISS_SME:
        event->u.sme.reason = (uint8_t)FIELD(iss, 2, 0);
        break;
    default:
        break;
    }
}

/*
 * What syndromes said that this thread has seen. A device is mostly accessed by few instructions, and so come the same again.
 * Each has one place; that of 0 begins with it, so that no other mark of an empty place is needed.
 */
#define KNOWN 4u

static AV_THREAD struct known {
    uint64_t syndrome;
    struct head head;
    uint8_t details[sizeof(((av_exit_event *)NULL)->u)];
} known[KNOWN] = {{.head = {AV_EXIT_UNDEFINED, 0, false, 2}}};

static inline av_error tell(const struct known *k, uint64_t va, uint64_t pa, av_exit_event *event)
{
    memcpy(event, &k->head, sizeof(k->head));
    event->syndrome = k->syndrome;
    event->virtual_address = va;
    event->physical_address = pa;
    memcpy(&event->u, k->details, sizeof(k->details));
    return AV_OK;
}

static __attribute__((noinline)) av_error learn(struct known *k, uint64_t syndrome, uint64_t va,
                                                uint64_t pa, av_exit_event *told)
{
    const struct class *const c = &classes[FIELD(syndrome, 31, 26)];
    av_exit_event event = {0};

    details_of(c->iss, (uint32_t)FIELD(syndrome, 24, 0), &event);
    k->syndrome = syndrome;
    k->head = c->head;
    k->head.instruction_bytes = (uint8_t)(2 + (syndrome >> 24 & 2));
    memcpy(k->details, &event.u, sizeof(k->details));
    return tell(k, va, pa, told);
}

static inline av_error decode(uint64_t syndrome, uint64_t va, uint64_t pa, av_exit_event *event)
{
    struct known *const k = &known[(syndrome >> 6 ^ syndrome >> 16) % KNOWN]; /* WnR, SRT */

    return __builtin_expect(k->syndrome == syndrome, 1) ? tell(k, va, pa, event)
                                                        : learn(k, syndrome, va, pa, event);
}

av_error av_exit_from_syndrome(uint64_t syndrome, av_exit_event *event)
{
    NOT_NULL(event);
    return decode(syndrome, 0, 0, event);
}

av_error av_exit_decode(const hv_vcpu_exit_t *exit, av_exit_event *event)
{
    NOT_NULL(exit);
    NOT_NULL(event);
    switch (exit->reason) {
    case HV_EXIT_REASON_EXCEPTION:
        return decode(exit->exception.syndrome, exit->exception.virtual_address,
                      exit->exception.physical_address, event);
    case HV_EXIT_REASON_CANCELED:
        *event = (av_exit_event){.kind = AV_EXIT_CANCELED};
        return AV_OK;
    case HV_EXIT_REASON_VTIMER_ACTIVATED:
        *event = (av_exit_event){.kind = AV_EXIT_VTIMER};
        return AV_OK;
    default:
        *event = (av_exit_event){.kind = AV_EXIT_UNKNOWN};
        return AV_OK;
    }
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
    return kit_extend(access, value);
}
