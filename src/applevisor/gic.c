/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The GIC of a VM: interrupts, registers, saved state. Whoever has an av_gic has a VM with a GIC. */
#include <stdlib.h>

#include <applevisor/gic.h>

#include "applevisor/internal.h"

av_error av_vm_get_gic(av_vm *vm, av_gic **gic)
{
    NOT_NULL(vm);
    NOT_NULL(gic);
    if (vm->gic.vm == NULL) {
        return FAIL(
            AV_ERROR_NO_GIC,
            "this VM was created without a GIC, and one cannot be added: create the VM with "
            "av_vm_create_with_gic");
    }
    *gic = &vm->gic;
    return AV_OK;
}

av_vm *av_gic_vm(const av_gic *gic)
{
    return gic->vm;
}

/* --- Interrupts -------------------------------------------------------------------------------------------------------------- */

av_error av_gic_reset(av_gic *gic)
{
    NOT_NULL(gic);
    const hv_return_t ret = IN_VM(gic->vm, hv_gic_reset());
    return av_fail_hv_as(ret == HV_BUSY ? AV_ERROR_RUNNING : av_error_from_hv(ret), ret, __func__,
                         "the GIC cannot be reset now: stop all vCPUs first");
}

static bool is_msi(const av_gic *gic, uint32_t intid)
{
    return intid >= gic->msi.first && intid - gic->msi.first < gic->msi.count;
}

av_error av_gic_set_spi(av_gic *gic, uint32_t intid, bool level)
{
    uint32_t base = 0, count = 0;

    NOT_NULL(gic);
    const av_error error = FRAMEWORK(hv_gic_get_spi_interrupt_range(&base, &count));
    if (error != AV_OK) {
        return error;
    }
    if (intid < base || intid - base >= count) {
        return FAIL(AV_ERROR_OUT_OF_RANGE, "intid is %u, and SPIs are %u to %u", intid, base,
                    base + count - 1);
    }
    if (is_msi(gic, intid)) {
        return FAIL(AV_ERROR_OUT_OF_RANGE,
                    "intid is %u, and %u to %u are reserved for MSIs: use av_gic_send_msi", intid,
                    gic->msi.first, gic->msi.first + gic->msi.count - 1);
    }
    return FRAMEWORK(IN_VM(gic->vm, hv_gic_set_spi(intid, level)));
}

av_error av_gic_send_msi(av_gic *gic, hv_ipa_t address, uint32_t intid)
{
    NOT_NULL(gic);
    if (!gic->msi.has_base || gic->msi.count == 0) {
        return FAIL(AV_ERROR_OUT_OF_RANGE,
                    "this GIC has no MSIs: give its configuration an MSI region and range");
    }
    if (!is_msi(gic, intid)) {
        return FAIL(AV_ERROR_OUT_OF_RANGE, "intid is %u, and MSIs are %u to %u", intid,
                    gic->msi.first, gic->msi.first + gic->msi.count - 1);
    }
    if (address != gic->msi.base + HV_GIC_REG_GICM_SET_SPI_NSR) {
        return FAIL(AV_ERROR_BAD_ARGUMENT,
                    "address is 0x%llx, and MSIs are written to 0x%llx, GICM_SETSPI_NSR",
                    (unsigned long long)address,
                    (unsigned long long)(gic->msi.base + HV_GIC_REG_GICM_SET_SPI_NSR));
    }
    return FRAMEWORK(IN_VM(gic->vm, hv_gic_send_msi(address, intid)));
}

/* --- Registers of the VM ----------------------------------------------------------------------------------------------------- */

#define VM_REGISTER(name, type)                                              \
    av_error av_gic_get_##name(const av_gic *gic, type reg, uint64_t *value) \
    {                                                                        \
        NOT_NULL(gic);                                                       \
        NOT_NULL(value);                                                     \
        return FRAMEWORK(IN_VM(gic->vm, hv_gic_get_##name(reg, value)));     \
    }                                                                        \
    av_error av_gic_set_##name(av_gic *gic, type reg, uint64_t value)        \
    {                                                                        \
        NOT_NULL(gic);                                                       \
        return FRAMEWORK(IN_VM(gic->vm, hv_gic_set_##name(reg, value)));     \
    }

VM_REGISTER(distributor_reg, hv_gic_distributor_reg_t)
VM_REGISTER(msi_reg, hv_gic_msi_reg_t)

/* --- Registers of a vCPU ----------------------------------------------------------------------------------------------------- */

static av_error check_vcpu(const av_gic *gic, const av_vcpu *vcpu, const char *function)
{
    if (gic == NULL) {
        return av_fail(AV_ERROR_NULL_ARGUMENT, function,
                       "gic is NULL, and must point to something");
    }
    const av_error error = av_vcpu_check(vcpu, function);
    if (error == AV_OK && vcpu->vm != gic->vm) {
        return av_fail(AV_ERROR_WRONG_VM, function, "vCPU %llu belongs to another VM than the GIC",
                       (unsigned long long)vcpu->id);
    }
    return error;
}

#define CHECK_VCPU(gic, vcpu)                                         \
    do {                                                              \
        const av_error vcpu_error_ = check_vcpu(gic, vcpu, __func__); \
        if (vcpu_error_ != AV_OK) {                                   \
            return vcpu_error_;                                       \
        }                                                             \
    } while (0)

av_error av_gic_get_redistributor_base(const av_gic *gic, const av_vcpu *vcpu, hv_ipa_t *address)
{
    CHECK_VCPU(gic, vcpu);
    NOT_NULL(address);
    return FRAMEWORK(IN_VM(gic->vm, hv_gic_get_redistributor_base(vcpu->id, address)));
}

#define VCPU_REGISTER(name, type)                                                                 \
    av_error av_gic_get_##name(const av_gic *gic, const av_vcpu *vcpu, type reg, uint64_t *value) \
    {                                                                                             \
        CHECK_VCPU(gic, vcpu);                                                                    \
        NOT_NULL(value);                                                                          \
        return FRAMEWORK(IN_VM(gic->vm, hv_gic_get_##name(vcpu->id, reg, value)));                \
    }                                                                                             \
    av_error av_gic_set_##name(av_gic *gic, av_vcpu *vcpu, type reg, uint64_t value)              \
    {                                                                                             \
        CHECK_VCPU(gic, vcpu);                                                                    \
        return FRAMEWORK(IN_VM(gic->vm, hv_gic_set_##name(vcpu->id, reg, value)));                \
    }

VCPU_REGISTER(redistributor_reg, hv_gic_redistributor_reg_t)
VCPU_REGISTER(icc_reg, hv_gic_icc_reg_t)
VCPU_REGISTER(ich_reg, hv_gic_ich_reg_t)
VCPU_REGISTER(icv_reg, hv_gic_icv_reg_t)

/* --- Saved state ------------------------------------------------------------------------------------------------------------- */

struct av_gic_state {
    av_vm *vm; /* one reference */
    hv_gic_state_t hv;
};

av_error av_gic_state_create(av_gic_state **state, av_gic *gic)
{
    NOT_NULL(state);
    NOT_NULL(gic);
    av_gic_state *const made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return FAIL(AV_ERROR_NO_MEMORY, "out of memory");
    }
    made->hv = IN_VM(gic->vm, hv_gic_state_create());
    if (made->hv == NULL) {
        free(made);
        /* The framework gives no code. With a GIC there, what is left is a vCPU that runs. */
        return av_fail_hv_as(AV_ERROR_RUNNING, HV_BUSY, __func__,
                             "the GIC's state cannot be saved now: stop all vCPUs first");
    }
    made->vm = av_vm_ref(gic->vm);
    *state = made;
    return AV_OK;
}

void av_gic_state_destroy(av_gic_state *state)
{
    if (state != NULL) {
        os_release(state->hv);
        av_vm_unref(state->vm);
        free(state);
    }
}

av_error av_gic_state_get_size(const av_gic_state *state, size_t *size)
{
    NOT_NULL(state);
    NOT_NULL(size);
    return FRAMEWORK(hv_gic_state_get_size(state->hv, size));
}

av_error av_gic_state_get_data(const av_gic_state *state, void *data, size_t size)
{
    size_t needed = 0;

    NOT_NULL(state);
    NOT_NULL(data);
    const av_error error = FRAMEWORK(hv_gic_state_get_size(state->hv, &needed));
    if (error != AV_OK) {
        return error;
    }
    if (size < needed) {
        return FAIL(AV_ERROR_BUFFER_SIZE, "size is %zu, and the state has %zu bytes", size, needed);
    }
    return FRAMEWORK(hv_gic_state_get_data(state->hv, data));
}

av_error av_gic_set_state(av_gic *gic, const void *data, size_t size)
{
    NOT_NULL(gic);
    NOT_NULL(data);
    return FRAMEWORK(IN_VM(gic->vm, hv_gic_set_state(data, size)));
}
