/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * vCPUs. A vCPU belongs to the thread that created it: the thread's own is in a thread-local, so that the check costs one
 * comparison; the table of all is looked at only to explain a refusal, and by hv_vcpus_exit.
 */
#include <pthread.h>
#include <string.h>

#include "engine/sys/sysreg.h"
#include "hv/internal.h"

static HV_THREAD struct hv_vcpu own; /* vcpu is NULL: the thread has none */

struct hv_vcpu *hv_own_vcpu(void)
{
    return own.vcpu != NULL ? &own : NULL;
}

hv_return_t hv_explain_vcpu(const char *function, hv_vcpu_t id)
{
    struct vm *const vm = hv_process_vm();

    if (vm == NULL) {
        return hv_refuse(HV_NO_DEVICE, function, "this process has no VM; call hv_vm_create first");
    }
    pthread_mutex_lock(&vm->lock);
    const bool exists = id < VM_MAX_VCPUS && vm->vcpus[id] != NULL;
    pthread_mutex_unlock(&vm->lock);
    if (exists) {
        return hv_refuse(HV_BAD_ARGUMENT, function,
                         "vCPU %llu belongs to another thread; only its creator may use it",
                         (unsigned long long)id);
    }
    return hv_refuse(HV_BAD_ARGUMENT, function,
                     "there is no vCPU %llu; it was never created, or is destroyed",
                     (unsigned long long)id);
}

#define OWN_VCPU(handle)                                \
    do {                                                \
        if (own.vcpu == NULL || own.id != (handle)) {   \
            return hv_explain_vcpu(__func__, (handle)); \
        }                                               \
    } while (0)

/* --- Life -------------------------------------------------------------------------------------------------------------------- */

#define SAME_PLACE(theirs, ours) \
    _Static_assert(offsetof(hv_vcpu_exit_t, theirs) == offsetof(struct cpu_exit, ours), #theirs)
SAME_PLACE(reason, reason);
SAME_PLACE(exception.syndrome, syndrome);
SAME_PLACE(exception.virtual_address, virtual_address);
SAME_PLACE(exception.physical_address, physical_address);

/* The client looks at the engine's own record of an exit. */
HV_EXPORT hv_return_t hv_vcpu_create(hv_vcpu_t *vcpu, hv_vcpu_exit_t **exit,
                                     hv_vcpu_config_t config)
{
    struct vm *const vm = hv_process_vm();

    NOT_NULL(vcpu);
    NOT_NULL(exit);
    if (vm == NULL) {
        return REFUSE(HV_NO_DEVICE, "this process has no VM; call hv_vm_create first");
    }
    if (config != NULL && !hv_is_vcpu_config(config)) {
        return REFUSE(HV_BAD_ARGUMENT, "config is not a live vCPU configuration");
    }
    if (own.vcpu != NULL) {
        return REFUSE(HV_BUSY,
                      "this thread has vCPU %u already; each vCPU needs a thread of its own",
                      own.vcpu->id);
    }
    struct vcpu *created = NULL;
    switch (vm_vcpu_create(vm, &created)) {
    case VM_OK:
        break;
    case VM_LIMIT:
        return REFUSE(HV_NO_RESOURCES, "the VM has %u vCPUs, which is the maximum", VM_MAX_VCPUS);
    default:
        return REFUSE(HV_NO_RESOURCES, "out of memory");
    }
    own = (struct hv_vcpu){.id = created->id, .vcpu = created};
    *vcpu = own.id;
    *exit = (hv_vcpu_exit_t *)(void *)&created->cpu.exit;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vcpu_destroy(hv_vcpu_t vcpu)
{
    OWN_VCPU(vcpu);
    vm_vcpu_destroy(own.vcpu);
    own.vcpu = NULL;
    return HV_SUCCESS;
}

/* A run looks at timers and interrupts when something says that they have changed. */
static void look_anew(struct a64_cpu *cpu)
{
    cpu_request(cpu, CPU_REQUEST_TIMER | CPU_REQUEST_IRQ);
}

/* --- Running ----------------------------------------------------------------------------------------------------------------- */

/* SPSR_ELx.M values that the VM can enter. */
static bool is_enterable(const struct vm *vm, uint64_t cpsr)
{
    switch (cpsr & 0x1f) {
    case 0x0: /* EL0t */
    case 0x4: /* EL1t */
    case 0x5: /* EL1h */
        return true;
    case 0x8: /* EL2t */
    case 0x9: /* EL2h */
        return vm->config.el2_enabled;
    default:
        return false;
    }
}

/* FPCR bits that exist: AHP, DN, FZ, RMode, FZ16, and AH, NEP, FIZ with FEAT_AFP. FPSR: QC, IDC, IXC, UFC, OFC, DZC, IOC. */
#define FPCR_BITS 0x07c80007u
#define FPSR_BITS 0x0800009fu

_Static_assert((hv_return_t)VM_OK == HV_SUCCESS, "what a run comes to is told as it is");

static __attribute__((noinline)) hv_return_t run_staged(struct hv_vcpu *v, const char *function)
{
    struct a64_cpu *const cpu = &v->vcpu->cpu;
    const uint64_t cpsr = v->staged_values[HV_STAGED_CPSR];

    if ((v->staged & 1u << HV_STAGED_CPSR) != 0) {
        if (!is_enterable(v->vcpu->vm, cpsr)) {
            return hv_refuse(HV_ILLEGAL_GUEST_STATE, function,
                             "CPSR is 0x%llx; its mode is not one that this VM can enter",
                             (unsigned long long)cpsr);
        }
        cpu_set_cpsr(cpu, (uint32_t)cpsr);
    }
    if ((v->staged & 1u << HV_STAGED_FPSR) != 0) {
        cpu->fpsr = (uint32_t)v->staged_values[HV_STAGED_FPSR] & FPSR_BITS;
    }
    if ((v->staged & 1u << HV_STAGED_FPCR) != 0) {
        cpu->fpcr = (uint32_t)v->staged_values[HV_STAGED_FPCR] & FPCR_BITS;
    }
    if ((v->staged & (1u << HV_STAGED_FPCR | 1u << HV_STAGED_FPSR)) != 0) {
        cpu_update_mode(cpu);
    }
    v->staged = 0;
    return (hv_return_t)vm_vcpu_run(v->vcpu);
}

HV_EXPORT hv_return_t hv_vcpu_run(hv_vcpu_t vcpu)
{
    OWN_VCPU(vcpu);
    if (own.staged != 0) {
        return run_staged(&own, __func__);
    }
    return (hv_return_t)vm_vcpu_run(own.vcpu);
}

/* Every valid vCPU is told, whatever stands beside it in the list. */
HV_EXPORT hv_return_t hv_vcpus_exit(hv_vcpu_t *vcpus, uint32_t vcpu_count)
{
    struct vm *const vm = hv_process_vm();
    hv_vcpu_t bad = 0;
    bool has_bad = false;

    if (vm == NULL) {
        return REFUSE(HV_NO_DEVICE, "this process has no VM; call hv_vm_create first");
    }
    if (vcpu_count == 0) {
        return HV_SUCCESS;
    }
    NOT_NULL(vcpus);
    pthread_mutex_lock(&vm->lock);
    for (uint32_t i = 0; i < vcpu_count; i++) {
        if (vcpus[i] < VM_MAX_VCPUS && vm->vcpus[vcpus[i]] != NULL) {
            vm_vcpu_request_exit(vm->vcpus[vcpus[i]]);
        } else {
            bad = vcpus[i];
            has_bad = true;
        }
    }
    pthread_mutex_unlock(&vm->lock);
    return has_bad
               ? REFUSE(HV_BAD_ARGUMENT, "there is no vCPU %llu; the others of the list were told",
                        (unsigned long long)bad)
               : HV_SUCCESS;
}

/* mach_absolute_time() units, as the header says and measurements agree (hv-behaviour.md 3.4). */
HV_EXPORT hv_return_t hv_vcpu_get_exec_time(hv_vcpu_t vcpu, uint64_t *time)
{
    OWN_VCPU(vcpu);
    NOT_NULL(time);
    *time = vm_vcpu_exec_ticks(own.vcpu);
    return HV_SUCCESS;
}

/* --- General and SIMD registers ---------------------------------------------------------------------------------------------- */

_Static_assert(HV_REG_FPSR == HV_REG_FPCR + 1 && HV_REG_CPSR == HV_REG_FPCR + 2,
               "numbers of staged registers");

static hv_return_t no_such_register(const char *function, hv_reg_t reg)
{
    return hv_refuse(HV_BAD_ARGUMENT, function,
                     "reg is %u; expected HV_REG_X0 (0) to HV_REG_CPSR (34)", reg);
}

static __attribute__((noinline)) hv_return_t get_fp_control(const struct a64_cpu *cpu, hv_reg_t reg,
                                                            uint64_t *value, const char *function)
{
    if (reg == HV_REG_FPCR) {
        *value = cpu->fpcr;
    } else if (reg == HV_REG_FPSR) {
        *value = cpu->fpsr;
    } else {
        return no_such_register(function, reg);
    }
    return HV_SUCCESS;
}

/* FPCR, FPSR and CPSR when one of them is staged. */
static __attribute__((noinline)) hv_return_t get_staged(const struct a64_cpu *cpu, hv_reg_t reg,
                                                        uint64_t *value, const char *function)
{
    const unsigned staged = reg - HV_REG_FPCR;

    if (staged < HV_STAGED_COUNT && (own.staged & 1u << staged) != 0) {
        *value = own.staged_values[staged];
    } else if (reg == HV_REG_CPSR) {
        *value = cpu_get_cpsr(cpu);
    } else {
        return get_fp_control(cpu, reg, value, function);
    }
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vcpu_get_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t *value)
{
    OWN_VCPU(vcpu);
    NOT_NULL(value);
    const struct a64_cpu *const cpu = &own.vcpu->cpu;

    if (reg <= HV_REG_X30) {
        *value = cpu->x[reg];
        return HV_SUCCESS;
    }
    if (reg == HV_REG_PC) {
        *value = cpu->pc;
        return HV_SUCCESS;
    }
    if (__builtin_expect(own.staged != 0, 0)) {
        return get_staged(cpu, reg, value, __func__);
    }
    if (reg == HV_REG_CPSR) {
        *value = cpu_get_cpsr(cpu);
        return HV_SUCCESS;
    }
    return get_fp_control(cpu, reg, value, __func__);
}

HV_EXPORT hv_return_t hv_vcpu_set_reg(hv_vcpu_t vcpu, hv_reg_t reg, uint64_t value)
{
    OWN_VCPU(vcpu);
    struct a64_cpu *const cpu = &own.vcpu->cpu;

    if (reg <= HV_REG_X30) {
        cpu->x[reg] = value;
        return HV_SUCCESS;
    }
    if (reg == HV_REG_PC) {
        cpu->pc = value;
        return HV_SUCCESS;
    }
    const unsigned staged = reg - HV_REG_FPCR;
    if (staged >= HV_STAGED_COUNT) {
        return no_such_register(__func__, reg);
    }
    own.staged |= 1u << staged;
    own.staged_values[staged] = value;
    return HV_SUCCESS;
}

_Static_assert(sizeof(hv_simd_fp_uchar16_t) == sizeof(v128), "a Q register");

HV_EXPORT hv_return_t hv_vcpu_get_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                              hv_simd_fp_uchar16_t *value)
{
    OWN_VCPU(vcpu);
    NOT_NULL(value);
    if (reg > HV_SIMD_FP_REG_Q31) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "reg is %u; expected HV_SIMD_FP_REG_Q0 (0) to HV_SIMD_FP_REG_Q31 (31)", reg);
    }
    memcpy(value, &own.vcpu->cpu.v[reg], sizeof(*value));
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vcpu_set_simd_fp_reg(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg,
                                              hv_simd_fp_uchar16_t value)
{
    OWN_VCPU(vcpu);
    if (reg > HV_SIMD_FP_REG_Q31) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "reg is %u; expected HV_SIMD_FP_REG_Q0 (0) to HV_SIMD_FP_REG_Q31 (31)", reg);
    }
    memcpy(&own.vcpu->cpu.v[reg], &value, sizeof(value));
    return HV_SUCCESS;
}

/* --- System registers -------------------------------------------------------------------------------------------------------- */

static hv_return_t sysreg_result(const char *function, enum sysreg_host_status status, unsigned reg)
{
    switch (status) {
    case SYSREG_HOST_OK:
        return HV_SUCCESS;
    case SYSREG_HOST_UNSUPPORTED:
        return hv_refuse(
            HV_UNSUPPORTED, function,
            "system register 0x%04x needs EL2, a GIC or SME, which this VM does not have", reg);
    case SYSREG_HOST_DENIED:
        return hv_refuse(HV_DENIED, function, "system register 0x%04x cannot be written", reg);
    default:
        return hv_refuse(HV_BAD_ARGUMENT, function, "reg is 0x%04x, which is no hv_sys_reg_t", reg);
    }
}

HV_EXPORT hv_return_t hv_vcpu_get_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t *value)
{
    OWN_VCPU(vcpu);
    NOT_NULL(value);
    return sysreg_result(__func__, sysreg_host_get(&own.vcpu->cpu, reg, value), reg);
}

HV_EXPORT hv_return_t hv_vcpu_set_sys_reg(hv_vcpu_t vcpu, hv_sys_reg_t reg, uint64_t value)
{
    OWN_VCPU(vcpu);
    look_anew(&own.vcpu->cpu);
    return sysreg_result(__func__, sysreg_host_set(&own.vcpu->cpu, reg, value), reg);
}

/* --- Interrupts, debug traps, virtual timer ---------------------------------------------------------------------------------- */

static bool *interrupt_of(struct a64_cpu *cpu, hv_interrupt_type_t type)
{
    switch (type) {
    case HV_INTERRUPT_TYPE_IRQ:
        return &cpu->irq_pending;
    case HV_INTERRUPT_TYPE_FIQ:
        return &cpu->fiq_pending;
    default:
        return NULL;
    }
}

HV_EXPORT hv_return_t hv_vcpu_get_pending_interrupt(hv_vcpu_t vcpu, hv_interrupt_type_t type,
                                                    bool *pending)
{
    OWN_VCPU(vcpu);
    NOT_NULL(pending);
    const bool *const line = interrupt_of(&own.vcpu->cpu, type);
    if (line == NULL) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "type is %u; expected HV_INTERRUPT_TYPE_IRQ (0) or HV_INTERRUPT_TYPE_FIQ (1)",
                      type);
    }
    *pending = *line;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vcpu_set_pending_interrupt(hv_vcpu_t vcpu, hv_interrupt_type_t type,
                                                    bool pending)
{
    OWN_VCPU(vcpu);
    bool *const line = interrupt_of(&own.vcpu->cpu, type);
    if (line == NULL) {
        return REFUSE(HV_BAD_ARGUMENT,
                      "type is %u; expected HV_INTERRUPT_TYPE_IRQ (0) or HV_INTERRUPT_TYPE_FIQ (1)",
                      type);
    }
    *line = pending;
    look_anew(&own.vcpu->cpu);
    return HV_SUCCESS;
}

/* A pair of functions that get and set one bool of the vCPU; `changed` runs after a write. */
#define BOOL_PROPERTY(name, field, parameter, changed)                        \
    HV_EXPORT hv_return_t hv_vcpu_get_##name(hv_vcpu_t vcpu, bool *parameter) \
    {                                                                         \
        OWN_VCPU(vcpu);                                                       \
        NOT_NULL(parameter);                                                  \
        *parameter = own.vcpu->cpu.field;                                     \
        return HV_SUCCESS;                                                    \
    }                                                                         \
    HV_EXPORT hv_return_t hv_vcpu_set_##name(hv_vcpu_t vcpu, bool parameter)  \
    {                                                                         \
        OWN_VCPU(vcpu);                                                       \
        own.vcpu->cpu.field = parameter;                                      \
        changed;                                                              \
        return HV_SUCCESS;                                                    \
    }

BOOL_PROPERTY(trap_debug_exceptions, trap_debug_exceptions, value, cpu_update_mode(&own.vcpu->cpu))
BOOL_PROPERTY(trap_debug_reg_accesses, trap_debug_reg_accesses, value, (void)0)
BOOL_PROPERTY(vtimer_mask, vtimer_masked, vtimer_is_masked, look_anew(&own.vcpu->cpu))

HV_EXPORT hv_return_t hv_vcpu_get_vtimer_offset(hv_vcpu_t vcpu, uint64_t *vtimer_offset)
{
    OWN_VCPU(vcpu);
    NOT_NULL(vtimer_offset);
    *vtimer_offset = own.vcpu->cpu.vtimer_offset;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_vcpu_set_vtimer_offset(hv_vcpu_t vcpu, uint64_t vtimer_offset)
{
    OWN_VCPU(vcpu);
    own.vcpu->cpu.vtimer_offset = vtimer_offset;
    look_anew(&own.vcpu->cpu);
    return HV_SUCCESS;
}
