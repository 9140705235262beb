/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A VM's GIC: what the engine asks of it, and its lines to the vCPUs. */
#include "gic/gic.h"

#include "vm/internal.h"

_Static_assert((int)GIC_LINE_IRQ == (int)CPU_LINE_IRQ && (int)GIC_LINE_FIQ == (int)CPU_LINE_FIQ,
               "the GIC's lines are the vCPU's");
_Static_assert(GIC_MAX_CPUS == VM_MAX_VCPUS, "a Redistributor for each vCPU");

/* Called with the GIC's lock held. A line that falls is seen at the next look: taking no interrupt is nothing to hurry for. */
static void set_lines(void *owner, uint32_t lines)
{
    struct vcpu *const vcpu = owner;

    atomic_store_explicit(&vcpu->cpu.gic_lines, lines, memory_order_release);
    if (lines != 0) {
        vm_vcpu_request(vcpu, CPU_REQUEST_IRQ);
    }
}

/* --- The engine's side ------------------------------------------------------------------------------------------------------- */

static bool op_read(struct a64_cpu *cpu, uint16_t id, uint64_t *value)
{
    return gic_icc_read(cpu->vcpu->gic, id, value);
}

static bool op_write(struct a64_cpu *cpu, uint16_t id, uint64_t value)
{
    return gic_icc_write(cpu->vcpu->gic, id, value);
}

static void op_timer(struct a64_cpu *cpu, unsigned intid, bool level)
{
    gic_set_ppi(cpu->vcpu->gic, intid, level);
}

static bool op_claims(struct a64_cpu *cpu, uint64_t ipa)
{
    return gic_claims(cpu->vm->gic_device, ipa);
}

static uint64_t op_load(struct a64_cpu *cpu, uint64_t ipa, unsigned size)
{
    return gic_mmio_read(cpu->vm->gic_device, ipa, size);
}

static void op_store(struct a64_cpu *cpu, uint64_t ipa, unsigned size, uint64_t value)
{
    gic_mmio_write(cpu->vm->gic_device, ipa, size, value);
}

static void op_affinity(struct a64_cpu *cpu)
{
    gic_set_affinity(cpu->vcpu->gic, cpu->sys[SR_MPIDR_EL1]);
}

static const struct vm_gic_ops ops = {
    .read = op_read,
    .write = op_write,
    .timer = op_timer,
    .claims = op_claims,
    .load = op_load,
    .store = op_store,
    .affinity = op_affinity,
};

/* --- Life -------------------------------------------------------------------------------------------------------------------- */

enum vm_status vm_gic_create(struct vm *vm, const struct gic_config *config)
{
    enum vm_status status = VM_OK;

    pthread_mutex_lock(&vm->lock);
    if (vm->gic != NULL) {
        status = VM_BUSY;
    } else if (vm->n_vcpus != 0) {
        status = VM_TOO_LATE;
    } else {
        vm->gic_device = gic_create(config, set_lines);
        if (vm->gic_device != NULL) {
            vm->gic = &ops;
        } else {
            status = VM_NO_MEMORY;
        }
    }
    pthread_mutex_unlock(&vm->lock);
    return status;
}

/* Ids are the lowest free slots, so that frames lie in the order of creation. */
void vm_gic_attach(struct vcpu *vcpu)
{
    if (vcpu->vm->gic_device != NULL) {
        vcpu->gic = gic_attach(vcpu->vm->gic_device, vcpu->id, vcpu);
        vm_devices_changed(vcpu->vm);
    }
}

void vm_gic_detach(struct vcpu *vcpu)
{
    gic_detach(vcpu->gic);
    vcpu->gic = NULL;
}

void vm_look_anew(struct vm *vm)
{
    pthread_mutex_lock(&vm->lock);
    for (unsigned i = 0; i < VM_MAX_VCPUS; i++) {
        if (vm->vcpus[i] != NULL) {
            vm_vcpu_request(vm->vcpus[i], CPU_REQUEST_TIMER);
        }
    }
    pthread_mutex_unlock(&vm->lock);
}

/* --- Which vCPUs stand in the way ---------------------------------------------------------------------------------------------- */

bool vm_vcpu_is_running(const struct vcpu *vcpu)
{
    return atomic_load_explicit(&vcpu->cpu.running, memory_order_acquire);
}

bool vm_vcpu_has_run(const struct vcpu *vcpu)
{
    return atomic_load_explicit(&vcpu->started, memory_order_relaxed);
}

bool vm_any_vcpu(struct vm *vm, bool (*is)(const struct vcpu *vcpu))
{
    bool found = false;

    pthread_mutex_lock(&vm->lock);
    for (unsigned i = 0; i < VM_MAX_VCPUS && !found; i++) {
        found = vm->vcpus[i] != NULL && is(vm->vcpus[i]);
    }
    pthread_mutex_unlock(&vm->lock);
    return found;
}
