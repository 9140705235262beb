/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The smallest guest with the safe library: two instructions, one page, one vCPU. */
#include <stdio.h>

#include <applevisor/applevisor.h>

#define TRY(call)                                    \
    if ((call) != AV_OK) {                           \
        return fputs(av_error_message(), stderr), 1; \
    }

int main(void)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_vcpu) vcpu = NULL;
    AV_AUTO(av_memory) memory = NULL;
    hv_vcpu_exit_t exit;
    uint64_t x0;

    TRY(av_vm_create(&vm));
    TRY(av_vcpu_create(&vcpu, vm));
    TRY(av_vcpu_set_trap_debug_exceptions(vcpu, true)); /* BRK comes to us, not to the guest */
    TRY(av_memory_create(&memory, vm, 0x1000));         /* rounded up to one page */
    TRY(av_memory_map(memory, 0x4000, AV_PERMS_RWX));
    TRY(av_memory_write_u32(memory, 0x4000, 0xd2800840)); /* mov x0, #0x42 */
    TRY(av_memory_write_u32(memory, 0x4004, 0xd4200000)); /* brk #0 */
    TRY(av_vcpu_set_reg(vcpu, HV_REG_PC, 0x4000));
    TRY(av_vcpu_run(vcpu));
    TRY(av_vcpu_get_exit(vcpu, &exit));
    TRY(av_vcpu_get_reg(vcpu, HV_REG_X0, &x0));
    printf("x0 = 0x%llx, syndrome = 0x%llx\n", (unsigned long long)x0,
           (unsigned long long)exit.exception.syndrome);
    return x0 == 0x42 && exit.exception.syndrome >> 26 == 0x3c ? 0 : 1;
}
