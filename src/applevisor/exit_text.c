/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Events as text: stable names, and one line for a trace. */
#include <stdarg.h>
#include <stdio.h>

#include <applevisor/exit.h>
#include <applevisor/sysreg.h>

static const char *const kind_names[AV_EXIT_KIND_COUNT] = {
    [AV_EXIT_CANCELED] = "canceled",
    [AV_EXIT_VTIMER] = "virtual timer",
    [AV_EXIT_UNKNOWN] = "unknown exit",
    [AV_EXIT_HVC] = "hvc",
    [AV_EXIT_SMC] = "smc",
    [AV_EXIT_SVC] = "svc",
    [AV_EXIT_WAIT] = "wait",
    [AV_EXIT_SYSREG] = "system register",
    [AV_EXIT_DATA_ABORT] = "data abort",
    [AV_EXIT_INSTRUCTION_ABORT] = "instruction abort",
    [AV_EXIT_BRK] = "brk",
    [AV_EXIT_BREAKPOINT] = "breakpoint",
    [AV_EXIT_WATCHPOINT] = "watchpoint",
    [AV_EXIT_STEP] = "software step",
    [AV_EXIT_FP] = "fp access",
    [AV_EXIT_SVE] = "sve access",
    [AV_EXIT_SME] = "sme access",
    [AV_EXIT_FP_EXCEPTION] = "fp exception",
    [AV_EXIT_PAUTH] = "pointer authentication",
    [AV_EXIT_PAUTH_FAILURE] = "pointer authentication failure",
    [AV_EXIT_BRANCH_TARGET] = "branch target",
    [AV_EXIT_ERET] = "eret",
    [AV_EXIT_ILLEGAL_STATE] = "illegal execution state",
    [AV_EXIT_PC_ALIGNMENT] = "pc alignment",
    [AV_EXIT_SP_ALIGNMENT] = "sp alignment",
    [AV_EXIT_LS64] = "64-byte access",
    [AV_EXIT_MEMORY_COPY] = "memory copy and set",
    [AV_EXIT_SERROR] = "serror",
    [AV_EXIT_UNDEFINED] = "undefined instruction",
    [AV_EXIT_OTHER] = "other exception",
};

static const char *const wait_names[] = {
    [AV_WAIT_WFI] = "wfi", [AV_WAIT_WFE] = "wfe", [AV_WAIT_WFIT] = "wfit", [AV_WAIT_WFET] = "wfet"};

static const char *const fault_names[AV_FAULT_COUNT] = {
    [AV_FAULT_ADDRESS_SIZE] = "address size fault",
    [AV_FAULT_TRANSLATION] = "translation fault",
    [AV_FAULT_ACCESS_FLAG] = "access flag fault",
    [AV_FAULT_PERMISSION] = "permission fault",
    [AV_FAULT_EXTERNAL] = "external abort",
    [AV_FAULT_PARITY] = "parity or ecc error",
    [AV_FAULT_TAG_CHECK] = "tag check fault",
    [AV_FAULT_ALIGNMENT] = "alignment fault",
    [AV_FAULT_DEBUG] = "debug exception",
    [AV_FAULT_TLB_CONFLICT] = "tlb conflict",
    [AV_FAULT_EXCLUSIVE] = "unsupported exclusive or atomic access",
    [AV_FAULT_OTHER] = "other fault",
};

#define NAME(names, i) \
    ((size_t)(i) < sizeof(names) / sizeof((names)[0]) && (names)[i] != NULL ? (names)[i] : "?")

const char *av_exit_kind_name(av_exit_kind kind)
{
    return NAME(kind_names, kind);
}

const char *av_wait_kind_name(av_wait_kind kind)
{
    return NAME(wait_names, kind);
}

const char *av_fault_name(av_fault fault)
{
    return NAME(fault_names, fault);
}

/* --- The line ----------------------------------------------------------------------------------------------------------------- */

struct line {
    char *buffer;
    size_t size;
    int length; /* of the whole line, whether it fits or not */
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    const size_t used = (size_t)line->length < line->size ? (size_t)line->length : line->size;
    va_list arguments;

    va_start(arguments, format);
    line->length += vsnprintf(line->size == 0 ? NULL : line->buffer + used, line->size - used,
                              format, arguments);
    va_end(arguments);
}

static void add_reg(struct line *line, char letter, unsigned reg)
{
    if (reg == 31) {
        add(line, "%cZR", letter);
    } else {
        add(line, "%c%u", letter, reg);
    }
}

static void add_abort(struct line *line, const av_exit_event *event)
{
    const av_abort *const abort = &event->u.abort;
    const av_access *const access = &abort->access;

    add(line, ", %s", av_fault_name(abort->fault));
    if (abort->level != AV_NO_LEVEL) {
        add(line, " level %d", abort->level);
    }
    if (abort->stage1_walk) {
        add(line, " on a table walk");
    }
    if (event->kind == AV_EXIT_INSTRUCTION_ABORT) {
        add(line, ": fetch");
    } else if (abort->cache_maintenance) {
        add(line, ": cache maintenance");
    } else if (abort->has_access) {
        add(line, ": %s of %u byte%s %s ", access->is_write ? "write" : "read", access->size_bytes,
            access->size_bytes == 1 ? "" : "s", access->is_write ? "from" : "to");
        add_reg(line, access->is_64_bit ? 'X' : 'W', access->reg);
        add(line, "%s%s", access->sign_extend ? ", sign-extended" : "",
            access->acquire_release ? ", ordered" : "");
    } else {
        add(line, ": %s without a syndrome", abort->is_write ? "write" : "read");
    }
    if (abort->far_valid) {
        add(line, " at 0x%llx", (unsigned long long)event->virtual_address);
    }
    add(line, ", IPA 0x%llx", (unsigned long long)event->physical_address);
}

static void add_sysreg(struct line *line, const av_exit_event *event)
{
    char name[40];

    av_sysreg_format(event->u.sysreg.id, event->u.sysreg.is_write, name, sizeof(name));
    add(line, ", %s of %s %s ", event->u.sysreg.is_write ? "write" : "read", name,
        event->u.sysreg.is_write ? "from" : "to");
    add_reg(line, 'X', event->u.sysreg.reg);
}

int av_exit_describe(const av_exit_event *event, char *buffer, size_t size)
{
    struct line line = {.buffer = buffer, .size = buffer == NULL ? 0 : size};

    if (event == NULL) {
        add(&line, "%s", "");
        return line.length;
    }
    add(&line, "%s",
        event->kind == AV_EXIT_WAIT ? av_wait_kind_name(event->u.wait.kind)
                                    : av_exit_kind_name(event->kind));
    switch (event->kind) {
    case AV_EXIT_HVC:
    case AV_EXIT_SMC:
    case AV_EXIT_SVC:
    case AV_EXIT_BRK:
        add(&line, " #0x%x", event->u.call.immediate);
        break;
    case AV_EXIT_WAIT:
        if (event->u.wait.has_reg) {
            add(&line, " ");
            add_reg(&line, 'X', event->u.wait.reg);
        }
        break;
    case AV_EXIT_SYSREG:
        add_sysreg(&line, event);
        break;
    case AV_EXIT_DATA_ABORT:
    case AV_EXIT_INSTRUCTION_ABORT:
        add_abort(&line, event);
        break;
    case AV_EXIT_WATCHPOINT:
        add(&line, ", %s at 0x%llx", event->u.watchpoint.is_write ? "write" : "read",
            (unsigned long long)event->virtual_address);
        break;
    case AV_EXIT_OTHER:
        add(&line, " of class 0x%02x", event->ec);
        break;
    default:
        break;
    }
    return line.length;
}
