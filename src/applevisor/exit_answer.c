/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Answers to exits: registers by instruction numbers, going on behind an instruction, exceptions for the guest. */
#include <applevisor/exit.h>

#include "applevisor/kit.h"

#define SCTLR_SPAN    (1ull << 23)
#define SCTLR_DSSBS   (1ull << 44)
#define ESR_IL        (1u << 25)
#define EC_IABT_LOWER 0x20u
#define EC_DABT_LOWER 0x24u
#define FSC_EXTERNAL  0x10u

static av_error no_such_register(unsigned reg, const char *function)
{
    return av_fail(AV_ERROR_BAD_ARGUMENT, function,
                   "there is no register X%u: 0 to 30, or 31 for XZR", reg);
}

av_error av_exit_get_x(hv_vcpu_t vcpu, unsigned reg, uint64_t *value)
{
    NOT_NULL(value);
    if (reg > ZERO_REGISTER) {
        return no_such_register(reg, __func__);
    }
    if (reg == ZERO_REGISTER) {
        *value = 0;
        return AV_OK;
    }
    return FRAMEWORK(hv_vcpu_get_reg(vcpu, (hv_reg_t)(HV_REG_X0 + reg), value));
}

av_error av_exit_set_x(hv_vcpu_t vcpu, unsigned reg, uint64_t value)
{
    if (reg > ZERO_REGISTER) {
        return no_such_register(reg, __func__);
    }
    return kit_set_x(vcpu, reg, value);
}

av_error av_exit_skip(hv_vcpu_t vcpu)
{
    return kit_skip(vcpu);
}

av_error av_exit_finish(hv_vcpu_t vcpu, const av_exit_event *event)
{
    NOT_NULL(event);
    switch (event->kind) {
    case AV_EXIT_SMC:
    case AV_EXIT_WAIT:
    case AV_EXIT_SYSREG:
    case AV_EXIT_DATA_ABORT:
    case AV_EXIT_BRK:
    case AV_EXIT_FP:
    case AV_EXIT_SVE:
    case AV_EXIT_SME:
    case AV_EXIT_PAUTH:
    case AV_EXIT_LS64:
    case AV_EXIT_UNDEFINED:
        return av_exit_skip(vcpu);
    default:
        return AV_OK;
    }
}

av_error av_exit_complete_sysreg(hv_vcpu_t vcpu, const av_exit_event *event, uint64_t value)
{
    NOT_NULL(event);
    if (event->kind != AV_EXIT_SYSREG) {
        return FAIL(AV_ERROR_BAD_ARGUMENT,
                    "the event is '%s', and must be a system register access",
                    av_exit_kind_name(event->kind));
    }
    if (!event->u.sysreg.is_write) {
        TRY(av_exit_set_x(vcpu, event->u.sysreg.reg, value));
    }
    return av_exit_skip(vcpu);
}

/* --- Exceptions for the guest ------------------------------------------------------------------------------------------------- */

/* PSTATE as in AArch64.TakeException(). */
static av_error take_to_el1(hv_vcpu_t vcpu, uint64_t esr, const uint64_t *far)
{
    uint64_t pc, cpsr, vbar, sctlr;

    TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
    TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_CPSR, &cpsr));
    TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_VBAR_EL1, &vbar));
    TRY_HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, &sctlr));
    if (CPSR_EL(cpsr) > 1) {
        return FAIL(
            AV_ERROR_ILLEGAL_GUEST_STATE,
            "the guest is at EL%u, and its EL1 cannot take an exception from there: set its EL2 "
            "registers instead",
            (unsigned)CPSR_EL(cpsr));
    }
    /* Current EL with SP_EL0, current EL with SP_EL1, lower EL. */
    const uint64_t vector = CPSR_EL(cpsr) == 0 ? 0x400 : (cpsr & CPSR_SPSEL) != 0 ? 0x200 : 0;
    uint64_t entry = (cpsr & (CPSR_PAN | CPSR_DIT)) | CPSR_EL1H | CPSR_DAIF;
    if ((sctlr & SCTLR_SPAN) == 0) {
        entry |= CPSR_PAN;
    }
    if ((sctlr & SCTLR_DSSBS) != 0) {
        entry |= CPSR_SSBS;
    }
    TRY_HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_ESR_EL1, esr));
    TRY_HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_ELR_EL1, pc));
    TRY_HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SPSR_EL1, cpsr));
    if (far != NULL) {
        TRY_HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_FAR_EL1, *far));
    }
    TRY_HV(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, entry));
    return FRAMEWORK(hv_vcpu_set_reg(vcpu, HV_REG_PC, (vbar & ~0x7ffull) + vector));
}

av_error av_exit_inject_undefined(hv_vcpu_t vcpu)
{
    return take_to_el1(vcpu, ESR_IL, NULL);
}

av_error av_exit_inject_external_abort(hv_vcpu_t vcpu, const av_exit_event *event)
{
    uint64_t cpsr;

    NOT_NULL(event);
    if (event->kind != AV_EXIT_DATA_ABORT && event->kind != AV_EXIT_INSTRUCTION_ABORT) {
        return FAIL(AV_ERROR_BAD_ARGUMENT, "the event is '%s', and must be an abort",
                    av_exit_kind_name(event->kind));
    }
    TRY_HV(hv_vcpu_get_reg(vcpu, HV_REG_CPSR, &cpsr));
    const bool is_fetch = event->kind == AV_EXIT_INSTRUCTION_ABORT;
    const uint64_t ec = (is_fetch ? EC_IABT_LOWER : EC_DABT_LOWER) + (CPSR_EL(cpsr) != 0 ? 1u : 0u);
    const uint64_t wnr = event->u.abort.is_write ? 1u << 6 : 0u;
    return take_to_el1(vcpu, ec << 26 | ESR_IL | wnr | FSC_EXTERNAL, &event->virtual_address);
}
