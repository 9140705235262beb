/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A program may end with its VM: what it leaves is no leak for a sanitizer, and nothing waits for the vCPU. */
#include "check.h"

#define COUNT 100000u

TEST(a_vm_that_has_run_code_is_left_behind)
{
    static const uint32_t code[] = {
        0xf1000400u, /* subs x0, x0, #1 */
        0x54ffffe1u, /* b.ne back */
        0xd4000002u, /* hvc #0 */
    };
    struct machine m;

    machine_start(&m, code, sizeof(code) / sizeof(code[0]));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, COUNT));
    OK(hv_vcpu_run(m.vcpu));
    EXPECT_EQ(m.exit->reason, HV_EXIT_REASON_EXCEPTION);
    EXPECT_EQ(reg(&m, HV_REG_X0), 0);
}

MAIN(T(a_vm_that_has_run_code_is_left_behind))
