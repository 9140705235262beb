/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/sys/sys_test.h"

#include <string.h>

#include "engine/code.h"
#include "engine/x64/x64.h"

unsigned failures;
struct vm vm;
struct asked asked;
static struct vcpu vcpu;
struct a64_cpu *const cpu = &vcpu.cpu;

/* --- The neighbours ---------------------------------------------------------------------------- */

uint64_t vm_counter(void)
{
    return asked.counter;
}

void vm_timer_set(struct vcpu *v, uint64_t deadline)
{
    (void)v;
    asked.deadline = deadline;
}

void x64_select_context(struct a64_cpu *c)
{
    (void)c;
}

void mmu_registers_changed(struct a64_cpu *c)
{
    (void)c;
    asked.registers_changed++;
}

void mmu_watchpoints_changed(struct a64_cpu *c)
{
    (void)c;
}

void mmu_flush(struct a64_cpu *c, const struct mmu_flush *flush)
{
    (void)c;
    asked.local_flushes++;
    asked.flush = *flush;
}

void mmu_broadcast_flush(struct a64_cpu *c, const struct mmu_flush *flush)
{
    (void)c;
    asked.broadcasts++;
    asked.flush = *flush;
}

bool mmu_broadcast_done(struct a64_cpu *c)
{
    (void)c;
    return !asked.dsb_waits;
}

static bool memory(struct a64_cpu *c, uint64_t va)
{
    c->fault = asked.fault;
    c->fault.va = va;
    return !asked.memory_fails;
}

bool mmu_zero(struct a64_cpu *c, uint64_t va, unsigned size)
{
    EXPECT_EQ(size, 64);
    return memory(c, va);
}

bool mmu_cache_op(struct a64_cpu *c, uint64_t va, enum mmu_cache_op op, uint8_t **hva)
{
    static uint8_t line[64];

    (void)op;
    *hva = line;
    return memory(c, va);
}

bool mmu_translate(struct a64_cpu *c, uint64_t va, enum mmu_index index, enum mmu_access access,
                   bool stage1_only, struct mmu_walk *out)
{
    (void)access, (void)stage1_only;
    asked.index = index;
    *out = asked.walk;
    return memory(c, va);
}

void code_invalidate(struct code_cache *cache, const uint8_t *hva, uint64_t size)
{
    (void)cache, (void)hva;
    asked.invalidated += (unsigned)size;
}

void code_invalidate_all(struct code_cache *cache)
{
    (void)cache;
    asked.invalidated = UINT32_MAX;
}

/* --- The machine ------------------------------------------------------------------------------- */

void start(const char *profile, bool el2)
{
    memset(&asked, 0, sizeof(asked));
    memset(&vcpu, 0, sizeof(vcpu));
    memset(&vm, 0, sizeof(vm));
    vm.config = (struct vm_config){
        .el2_enabled = el2,
        .profile = vm_profile_by_name(profile),
        .macos = 260000,
    };
    vcpu.vm = &vm;
    cpu->vm = &vm;
    cpu->vcpu = &vcpu;
    cpu_reset(cpu);
    atomic_store(&cpu->requests, 0);
}

void at_el(unsigned el)
{
    cpu_set_cpsr(cpu, PSTATE_EL(el) | (el != 0 ? PSTATE_SP : 0));
    atomic_store(&cpu->requests, 0);
}

enum ir_next mrs(uint32_t id, uint64_t *value)
{
    return helper_mrs(cpu, value, 0, 5, id);
}

enum ir_next msr(uint32_t id, uint64_t value)
{
    return helper_msr(cpu, NULL, value, 5, id);
}

int main(void)
{
    test_exceptions();
    test_debug();
    test_sysregs();
    test_sysops();
    test_pauth();
    test_timers();
    if (failures != 0) {
        printf("%u failures\n", failures);
    }
    return failures != 0;
}
