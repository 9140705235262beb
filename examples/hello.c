/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The smallest guest: two instructions, one page, one vCPU. Prints what happened. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <Hypervisor/Hypervisor.h>

static void check(hv_return_t ret, const char *call)
{
    if (ret != HV_SUCCESS) {
        fprintf(stderr, "%s: 0x%08x\n", call, (unsigned)ret);
        exit(1);
    }
}
#define CHECK(call) check((call), #call)

int main(void)
{
    const hv_ipa_t base = 0x4000;
    const size_t page = 0x4000;
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit_info;
    uint64_t x0;
    void *memory = NULL;

    CHECK(hv_vm_create(NULL));
    CHECK(hv_vcpu_create(&vcpu, &exit_info, NULL));
    CHECK(hv_vcpu_set_trap_debug_exceptions(vcpu, true));
    CHECK(hv_vcpu_set_trap_debug_reg_accesses(vcpu, true));

    /* A fresh 16 KiB aligned page, as on Apple silicon. */
    CHECK(hv_vm_allocate(&memory, page, HV_ALLOCATE_DEFAULT));
    uint32_t *const code = memory;
    code[0] = 0xd2800840; /* mov x0, #0x42 */
    code[1] = 0xd4200000; /* brk #0 */
    CHECK(hv_vm_map(memory, base, page, HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC));

    CHECK(hv_vcpu_set_reg(vcpu, HV_REG_PC, base));
    CHECK(hv_vcpu_run(vcpu));
    CHECK(hv_vcpu_get_reg(vcpu, HV_REG_X0, &x0));

    const uint64_t syndrome = exit_info->exception.syndrome;
    printf("guest ran: mov x0, #0x42; brk #0\n");
    printf("  x0            0x%llx\n", (unsigned long long)x0);
    printf("  exit reason   %u (1 = exception)\n", (unsigned)exit_info->reason);
    printf("  syndrome      0x%llx, exception class 0x%llx (0x3c = BRK)\n",
           (unsigned long long)syndrome, (unsigned long long)(syndrome >> 26));

    const int ok = x0 == 0x42 && exit_info->reason == HV_EXIT_REASON_EXCEPTION &&
                   syndrome >> 26 == 0x3c;
    CHECK(hv_vcpu_destroy(vcpu));
    CHECK(hv_vm_unmap(base, page));
    CHECK(hv_vm_deallocate(memory, page));
    CHECK(hv_vm_destroy());
    puts(ok ? "as expected" : "NOT as expected");
    return ok ? 0 : 1;
}
