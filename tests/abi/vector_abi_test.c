/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A Q register's value travels in a vector register: XMM0 (x86-64 System V ABI) or V0 (AAPCS64), after the
 * integer arguments in general registers. The callee is assembly, so that no compiler can agree with itself
 * on something else.
 */
#include <stdio.h>
#include <string.h>

#include <Hypervisor/Hypervisor.h>

typedef hv_return_t set_fn(hv_vcpu_t vcpu, hv_simd_fp_reg_t reg, hv_simd_fp_uchar16_t value);
set_fn store_vector_argument;

struct seen {
    uint8_t value[16];
    uint64_t vcpu;
    uint32_t reg;
};
extern struct seen seen_arguments;
struct seen seen_arguments;

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl store_vector_argument\n"
        ".type store_vector_argument, @function\n"
        "store_vector_argument:\n"
        "    leaq seen_arguments(%rip), %rax\n"
        "    movups %xmm0, (%rax)\n"
        "    movq %rdi, 16(%rax)\n"
        "    movl %esi, 24(%rax)\n"
        "    movl $0xfae94003, %eax\n"
        "    ret\n"
        ".size store_vector_argument, . - store_vector_argument\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl store_vector_argument\n"
        ".type store_vector_argument, %function\n"
        "store_vector_argument:\n"
        "    adrp x9, seen_arguments\n"
        "    add x9, x9, :lo12:seen_arguments\n"
        "    str q0, [x9]\n"
        "    str x0, [x9, #16]\n"
        "    str w1, [x9, #24]\n"
        "    movz w0, #0x4003\n"
        "    movk w0, #0xfae9, lsl #16\n"
        "    ret\n"
        ".size store_vector_argument, . - store_vector_argument\n");
#else
#error "no calling convention is known for this host"
#endif

int main(void)
{
    /* Volatile: the call is made through the type that the header gives to hv_vcpu_set_simd_fp_reg. */
    __typeof__(&hv_vcpu_set_simd_fp_reg) volatile set = store_vector_argument;
    hv_simd_fp_uchar16_t value;
    uint8_t bytes[16];

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(0xa0 + i);
    }
    memcpy(&value, bytes, sizeof(value));
    const hv_return_t result = set(0x1122334455667788, HV_SIMD_FP_REG_Q31, value);

    if (memcmp(seen_arguments.value, bytes, sizeof(bytes)) != 0) {
        puts("the vector did not arrive in the first vector register");
        return 1;
    }
    if (seen_arguments.vcpu != 0x1122334455667788 || seen_arguments.reg != 31) {
        puts("the integer arguments did not arrive in the first two general registers");
        return 1;
    }
    if (result != HV_BAD_ARGUMENT) {
        printf("result is 0x%x, expected HV_BAD_ARGUMENT\n", (unsigned)result);
        return 1;
    }
    return 0;
}
