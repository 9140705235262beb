/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A TAP test program of named facts: TEST(name) { ... EXPECT(...); } and MAIN(list). Each fact starts without a VM. */
#ifndef TESTS_API_CHECK_H
#define TESTS_API_CHECK_H

#include <os/object.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Hypervisor/Hypervisor.h>

#include "../expect.h"

static int failures;

#define OK(call)            EXPECT_EQ((uint32_t)(call), HV_SUCCESS)
#define REFUSED(code, call) EXPECT_EQ((uint32_t)(call), (uint32_t)(code))

#define TEST(name) static void name(void)

struct test {
    const char *name;
    void (*run)(void);
};
#define T(name)     \
    {               \
#name, name \
    }

static inline int run_tests(const struct test *tests, int n)
{
    int failed = 0;

    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        failures = 0;
        tests[i].run();
        printf("%s %d - %s\n", failures == 0 ? "ok" : "not ok", i + 1, tests[i].name);
        fflush(stdout);
        failed += failures != 0;
    }
    return failed != 0;
}
#define MAIN(...)                                                         \
    int main(void)                                                        \
    {                                                                     \
        static const struct test tests[] = {__VA_ARGS__};                 \
        return run_tests(tests, (int)(sizeof(tests) / sizeof(tests[0]))); \
    }

#define PAGE 0x4000u

/* Memory of the framework's own kind. */
static inline void *pages(size_t n)
{
    void *p = NULL;

    OK(hv_vm_allocate(&p, n * PAGE, HV_ALLOCATE_DEFAULT));
    return p;
}

#define RWX (HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC)

/* A VM, a vCPU of this thread, and code at IPA 0x4000 in one page. */
struct machine {
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
    uint32_t *code;
};

static inline void machine_start(struct machine *m, const uint32_t *words, size_t n)
{
    OK(hv_vm_create(NULL));
    OK(hv_vcpu_create(&m->vcpu, &m->exit, NULL));
    m->code = pages(1);
    for (size_t i = 0; i < n; i++) {
        m->code[i] = words[i];
    }
    OK(hv_vm_map(m->code, PAGE, PAGE, RWX));
    OK(hv_vcpu_set_reg(m->vcpu, HV_REG_PC, PAGE));
    OK(hv_vcpu_set_reg(m->vcpu, HV_REG_CPSR, 0x3c5));
}

static inline void machine_stop(struct machine *m)
{
    OK(hv_vcpu_destroy(m->vcpu));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(m->code, PAGE));
}

static inline uint64_t reg(const struct machine *m, hv_reg_t r)
{
    uint64_t value = 0xdeadbeefdeadbeef;

    OK(hv_vcpu_get_reg(m->vcpu, r, &value));
    return value;
}

#endif
