/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Of unit tests of the translator: small guest programs, which run on both executors and have to end in the same state. */
#ifndef ENGINE_X64_FIXTURE_H
#define ENGINE_X64_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vm/test_host_level.h"
#include "vm/vm.h"

static int failures;

#define EXPECT(condition, ...)                                              \
    do {                                                                    \
        if (!(condition)) {                                                 \
            failures++;                                                     \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
            fprintf(stderr, __VA_ARGS__);                                   \
            fputc('\n', stderr);                                            \
        }                                                                   \
    } while (0)

/* --- Guest programs: memory at 0, MMU off, EL1 ----------------------------------------------------------------------------------- */

#define RAM_SIZE (1u << 20)
#define VECTORS  0x800u
#define START    0x1000u
#define HVC(n)   (0xd4000002u | (uint32_t)(n) << 5)

struct outcome {
    struct cpu_exit exit;
    uint64_t x[32], pc, esr, elr, far_;
    v128 v[32];
    uint32_t nzcv, fpsr, pstate;
};

static char text[1 << 16];
static size_t text_length;

static inline void collect(const char *line)
{
    const size_t n = strlen(line);

    if (text_length + n < sizeof(text)) {
        memcpy(text + text_length, line, n + 1);
        text_length += n;
    }
}

/* The number before a phrase of the statistics. */
static inline unsigned long number_before(const char *phrase)
{
    const char *p = strstr(text, phrase);

    while (p != NULL && p > text && p[-1] >= '0' && p[-1] <= '9') {
        p--;
    }
    return p == NULL ? 0 : strtoul(p, NULL, 10);
}

static inline uint32_t *word(uint8_t *ram, uint32_t at)
{
    return (uint32_t *)(void *)(ram + at);
}

struct program {
    void (*load)(uint8_t *ram);
    void (*set)(struct a64_cpu *cpu);
    size_t code_bytes;
    unsigned n_windows; /* the memory once more, from WINDOWS on */
};
#define WINDOWS 0x100000000ull

static inline void run(const struct program *p, bool interpreter, struct outcome *out)
{
    uint8_t *const ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                              -1, 0);
    const struct vm_config config = {
        .ipa_bits = 40,
        .granule_log2 = 12,
        .interpreter = interpreter,
        .eager = true,
        .code_bytes = p->code_bytes,
        .host_level = test_host_level(),
        .trace = {.statistics = true, .text = collect},
        .profile = vm_profile_by_name("max"),
        .macos = 260000,
    };
    struct vm *vm = NULL;
    struct vcpu *vcpu = NULL;

    if (ram == MAP_FAILED || vm_create(&config, &vm) != VM_OK ||
        vm_map(vm, ram, 0, RAM_SIZE, VM_READ | VM_WRITE | VM_EXEC) != VM_OK ||
        vm_vcpu_create(vm, &vcpu) != VM_OK) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    for (unsigned i = 0; i < p->n_windows; i++) {
        if (vm_map(vm, ram, WINDOWS + (uint64_t)i * RAM_SIZE, RAM_SIZE,
                   VM_READ | VM_WRITE | VM_EXEC) != VM_OK) {
            fprintf(stderr, "out of memory\n");
            exit(1);
        }
    }
    for (uint32_t at = 0; at < 0x800; at += 4) {
        *word(ram, VECTORS + at) = HVC(0x100 + at / 0x80);
    }
    p->load(ram);
    struct a64_cpu *const cpu = &vcpu->cpu;
    cpu->pc = START;
    cpu->sys[SR_VBAR_EL1] = VECTORS;
    cpu->sys[SR_CPACR_EL1] = 3u << 20;
    p->set(cpu);
    vm_vcpu_run(vcpu);
    *out = (struct outcome){.exit = cpu->exit,
                            .pc = cpu->pc,
                            .esr = cpu->sys[SR_ESR_EL1],
                            .elr = cpu->sys[SR_ELR_EL1],
                            .far_ = cpu->sys[SR_FAR_EL1],
                            .nzcv = cpu->nzcv,
                            .fpsr = cpu->fpsr,
                            .pstate = cpu->pstate};
    memcpy(out->x, cpu->x, sizeof(out->x));
    memcpy(out->v, cpu->v, sizeof(out->v));
    vm_vcpu_destroy(vcpu);
    text_length = 0;
    text[0] = 0;
    vm_destroy(vm);
    munmap(ram, RAM_SIZE);
}

/* On both; the translator's outcome, and the text of its statistics. */
static inline struct outcome run_both(const struct program *p, const char *name)
{
    struct outcome expected, got;

    memset(&expected, 0, sizeof(expected));
    memset(&got, 0, sizeof(got));
    run(p, true, &expected);
    run(p, false, &got);
    EXPECT(got.pc == expected.pc, "%s: pc %llx, interpreter %llx", name, (unsigned long long)got.pc,
           (unsigned long long)expected.pc);
    EXPECT(memcmp(got.x, expected.x, sizeof(got.x)) == 0, "%s: X registers", name);
    EXPECT(memcmp(got.v, expected.v, sizeof(got.v)) == 0, "%s: V registers", name);
    EXPECT(got.exit.reason == expected.exit.reason && got.exit.syndrome == expected.exit.syndrome &&
               got.exit.virtual_address == expected.exit.virtual_address &&
               got.exit.physical_address == expected.exit.physical_address,
           "%s: exit", name);
    EXPECT(got.esr == expected.esr && got.elr == expected.elr && got.far_ == expected.far_,
           "%s: exception", name);
    EXPECT(got.nzcv == expected.nzcv && got.fpsr == expected.fpsr && got.pstate == expected.pstate,
           "%s: flags", name);
    return got;
}

#endif
