/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A TAP test program of named facts about libapplevisor: TEST(name) { ... OK(call); FAILS(code, call); } and MAIN(list). A fact
 * that the system cannot show is skipped with the reason. Each fact starts without a VM and has to leave none: the frame checks it.
 */
#ifndef TESTS_AV_AV_CHECK_H
#define TESTS_AV_AV_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <applevisor/applevisor.h>

#include "../expect.h"

static int failures;
static const char *skip_reason;

#define EXPECT_STR(a, b)                                                                        \
    do {                                                                                        \
        const char *const a_ = (a), *const b_ = (b);                                            \
        if (strcmp(a_, b_) != 0) {                                                              \
            failures++;                                                                         \
            printf("# %s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #a, a_, b_); \
        }                                                                                       \
    } while (0)

static inline void expect_ok(av_error error, const char *call, const char *file, int line)
{
    if (error != AV_OK) {
        failures++;
        printf("# %s:%d: %s: %s: %s\n", file, line, call, av_error_name(error), av_error_message());
    }
}

/* A failure has to explain itself: the function's name, and a sentence of some length. */
static inline void expect_failure(av_error expected, av_error error, const char *call,
                                  const char *file, int line)
{
    const char *const message = av_error_message();
    const size_t name = strcspn(call, "( ");

    if (error != expected) {
        failures++;
        printf("# %s:%d: %s: %s, expected %s\n", file, line, call, av_error_name(error),
               av_error_name(expected));
    } else if (strncmp(message, call, name) != 0 || message[name] != ':' ||
               strlen(message) < name + 12 || av_error_last() != error) {
        failures++;
        printf("# %s:%d: %s: does not explain itself: \"%s\"\n", file, line, call, message);
    }
}

#define OK(call) expect_ok((call), #call, __FILE__, __LINE__)
#define FAILS(code, call) \
    (av_error_clear(), expect_failure((code), (call), #call, __FILE__, __LINE__))

/* Ends the fact. */
#define SKIP(reason)            \
    do {                        \
        skip_reason = (reason); \
        return;                 \
    } while (0)

#define TEST(name) static void name(void)

struct test {
    const char *name;
    void (*run)(void);
};
#define T(name)     \
    {               \
#name, name \
    }

/* True where no VM of the process is left over. The shared instance stays. */
static inline bool has_no_vm(void)
{
    if (av_vm_shared() != NULL) {
        return true;
    }
    if (hv_vm_create(NULL) != HV_SUCCESS) {
        return false;
    }
    return hv_vm_destroy() == HV_SUCCESS;
}

static inline int run_tests(const struct test *tests, int n)
{
    int failed = 0;

    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        failures = 0;
        skip_reason = NULL;
        tests[i].run();
        EXPECT(has_no_vm());
        printf("%s %d - %s%s%s\n", failures == 0 ? "ok" : "not ok", i + 1, tests[i].name,
               skip_reason != NULL ? " # SKIP " : "", skip_reason != NULL ? skip_reason : "");
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

/* For a list with facts of some macOS versions only. */
#define MAIN_OF(tests)                                                    \
    int main(void)                                                        \
    {                                                                     \
        return run_tests(tests, (int)(sizeof(tests) / sizeof(tests[0]))); \
    }

#define PAGE 0x4000u

/* --- A machine: VM, vCPU of this thread, and a page of code at 0x4000 --------------------------------------------------------- */

struct machine {
    av_vm *vm;
    av_vcpu *vcpu;
    av_memory *code;
};

static inline void machine_start_in(struct machine *m, av_vm *vm, const uint32_t *words, size_t n)
{
    m->vm = vm;
    OK(av_vcpu_create(&m->vcpu, m->vm));
    OK(av_memory_create(&m->code, m->vm, PAGE));
    OK(av_memory_map(m->code, PAGE, AV_PERMS_RWX));
    OK(av_memory_write(m->code, PAGE, words, n * sizeof(words[0])));
    OK(av_vcpu_set_reg(m->vcpu, HV_REG_PC, PAGE));
    OK(av_vcpu_set_reg(m->vcpu, HV_REG_CPSR, 0x3c5));
}

static inline void machine_start(struct machine *m, const uint32_t *words, size_t n)
{
    av_vm *vm = NULL;

    OK(av_vm_create(&vm));
    machine_start_in(m, vm, words, n);
}

static inline void machine_stop(struct machine *m)
{
    OK(av_vcpu_destroy(m->vcpu));
    av_memory_destroy(m->code);
    av_vm_unref(m->vm);
    *m = (struct machine){0};
}

static inline uint64_t reg(const av_vcpu *vcpu, hv_reg_t r)
{
    uint64_t value = 0xdeadbeefdeadbeef;

    OK(av_vcpu_get_reg(vcpu, r, &value));
    return value;
}

/* Runs and returns the exception class of the exit; the reason has to be an exception. */
static inline unsigned run_to_exception(av_vcpu *vcpu)
{
    hv_vcpu_exit_t exit = {0};

    OK(av_vcpu_run(vcpu));
    OK(av_vcpu_get_exit(vcpu, &exit));
    EXPECT_EQ(exit.reason, HV_EXIT_REASON_EXCEPTION);
    return (unsigned)(exit.exception.syndrome >> 26 & 0x3f);
}

/* Words of guest code. */
#define INSN_NOP             0xd503201fu
#define INSN_HVC(imm)        (0xd4000002u | (uint32_t)(imm) << 5)
#define INSN_BRK(imm)        (0xd4200000u | (uint32_t)(imm) << 5)
#define INSN_MOVZ(rd, imm)   (0xd2800000u | (uint32_t)(imm) << 5 | (rd))
#define INSN_B_SELF          0x14000000u
#define INSN_LDR64(rt, rn)   (0xf9400000u | (uint32_t)(rn) << 5 | (rt))
#define INSN_STR64(rt, rn)   (0xf9000000u | (uint32_t)(rn) << 5 | (rt))
#define EC_HVC               0x16u
#define EC_DATA_ABORT        0x24u
#define EC_INSTRUCTION_ABORT 0x20u
#define EC_BRK               0x3cu

#endif
