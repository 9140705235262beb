/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The GIC's registers of one vCPU: Redistributor, CPU interface, and the virtual interface, which comes with EL2. */
#include "gic/gic.h"
#include "hv/hv_gic.h"

/* The own vCPU's part of the GIC; NULL: *ret is the refusal. */
static struct gic_cpu *find_own(const char *function, hv_vcpu_t vcpu, hv_return_t *ret)
{
    const struct hv_vcpu *const own = hv_own_vcpu();

    if (hv_find_gic(function) == NULL) {
        *ret = HV_NO_DEVICE;
        return NULL;
    }
    if (own == NULL || own->vcpu->id != vcpu) {
        *ret = hv_explain_vcpu(function, vcpu);
        return NULL;
    }
    return own->vcpu->gic;
}

#define NEED_OWN(vcpu, cpu)                                        \
    hv_return_t ret_ = HV_SUCCESS;                                 \
    struct gic_cpu *const cpu = find_own(__func__, (vcpu), &ret_); \
    if ((cpu) == NULL) {                                           \
        return ret_;                                               \
    }

HV_EXPORT hv_return_t hv_gic_get_redistributor_base(hv_vcpu_t vcpu,
                                                    hv_ipa_t *redistributor_base_address)
{
    NEEDS_MACOS(15, 0);
    NEED_OWN(vcpu, cpu);
    NOT_NULL(redistributor_base_address);
    *redistributor_base_address = gic_redistributor_base(cpu);
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_gic_get_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                                   uint64_t *value)
{
    NEEDS_MACOS(15, 0);
    NEED_OWN(vcpu, cpu);
    NOT_NULL(value);
    return gic_gicr_get(cpu, reg, value)
               ? HV_SUCCESS
               : REFUSE(HV_BAD_ARGUMENT, "reg is 0x%x, which is no hv_gic_redistributor_reg_t",
                        (unsigned)reg);
}

HV_EXPORT hv_return_t hv_gic_set_redistributor_reg(hv_vcpu_t vcpu, hv_gic_redistributor_reg_t reg,
                                                   uint64_t value)
{
    NEEDS_MACOS(15, 0);
    NEED_OWN(vcpu, cpu);
    return gic_gicr_set(cpu, reg, value)
               ? HV_SUCCESS
               : REFUSE(HV_BAD_ARGUMENT, "reg is 0x%x, which is no hv_gic_redistributor_reg_t",
                        (unsigned)reg);
}

/* --- The CPU interface ------------------------------------------------------------------------------------------------------- */

static hv_return_t no_icc_reg(const char *function, hv_gic_icc_reg_t reg)
{
    return reg == HV_GIC_ICC_REG_SRE_EL2
               ? hv_refuse(HV_UNSUPPORTED, function,
                           "HV_GIC_ICC_REG_SRE_EL2 needs EL2, which this VM does not have")
               : hv_refuse(HV_BAD_ARGUMENT, function, "reg is 0x%x, which is no hv_gic_icc_reg_t",
                           (unsigned)reg);
}

HV_EXPORT hv_return_t hv_gic_get_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t *value)
{
    NEEDS_MACOS(15, 0);
    NEED_OWN(vcpu, cpu);
    NOT_NULL(value);
    return gic_icc_get(cpu, (uint16_t)reg, value) ? HV_SUCCESS : no_icc_reg(__func__, reg);
}

HV_EXPORT hv_return_t hv_gic_set_icc_reg(hv_vcpu_t vcpu, hv_gic_icc_reg_t reg, uint64_t value)
{
    NEEDS_MACOS(15, 0);
    NEED_OWN(vcpu, cpu);
    if (reg == HV_GIC_ICC_REG_RPR_EL1) {
        return REFUSE(HV_DENIED, "HV_GIC_ICC_REG_RPR_EL1 is read-only: it follows AP0R0 and AP1R0");
    }
    return gic_icc_set(cpu, (uint16_t)reg, value) ? HV_SUCCESS : no_icc_reg(__func__, reg);
}

/* --- The virtual interface --------------------------------------------------------------------------------------------------- */

/* EL2 for guests is not built yet (docs/status.md), so that no VM has these. */
static hv_return_t no_el2(const char *function, hv_vcpu_t vcpu)
{
    hv_return_t ret = HV_SUCCESS;

    return find_own(function, vcpu, &ret) == NULL
               ? ret
               : hv_refuse(HV_UNSUPPORTED, function,
                           "the VM was created without EL2, and has no virtual interface");
}

HV_EXPORT hv_return_t hv_gic_get_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg, uint64_t *value)
{
    (void)reg, (void)value;
    NEEDS_MACOS(15, 0);
    return no_el2(__func__, vcpu);
}

HV_EXPORT hv_return_t hv_gic_set_ich_reg(hv_vcpu_t vcpu, hv_gic_ich_reg_t reg, uint64_t value)
{
    (void)reg, (void)value;
    NEEDS_MACOS(15, 0);
    return no_el2(__func__, vcpu);
}

HV_EXPORT hv_return_t hv_gic_get_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg, uint64_t *value)
{
    (void)reg, (void)value;
    NEEDS_MACOS(15, 0);
    return no_el2(__func__, vcpu);
}

HV_EXPORT hv_return_t hv_gic_set_icv_reg(hv_vcpu_t vcpu, hv_gic_icv_reg_t reg, uint64_t value)
{
    (void)reg, (void)value;
    NEEDS_MACOS(15, 0);
    return no_el2(__func__, vcpu);
}
