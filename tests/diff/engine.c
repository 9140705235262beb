/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * diff-engine CASES RESULTS: runs each case on our engine, compares with the oracle's results, and prints each difference as one line:
 *   case number <tab> what <tab> oracle's value <tab> ours
 * and at the end "done <tab> number of cases". The exit code is 0 when all cases have run, differences or not.
 *
 * The case runs at EL0 under stage 1 translation with the addresses of case.h. Its exception goes to EL1, where an HVC ends the run,
 * so that the result is in ELR_EL1, SPSR_EL1, ESR_EL1 and FAR_EL1.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "case.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "vm/test_host_level.h"
#include "vm/vm.h"

/* Guest physical memory: one block with the window and the code at their virtual addresses, then vectors and tables. */
#define RAM          0x10000000ull
#define RAM_SIZE     0x40000ull
#define VECTORS      0x10030000ull
#define TABLE(level) (0x10034000ull + 0x1000ull * (level))

#define DESC_TABLE     3ull
#define DESC_PAGE      (3ull | 1ull << 10 /* AF */ | 3ull << 8 /* inner shareable */)
#define DESC_EL0       (1ull << 6) /* AP[1] */
#define DESC_READ_ONLY (2ull << 6)
#define DESC_PXN       (1ull << 53)
#define DESC_UXN       (1ull << 54)

#define SCTLR_RUN                                                                           \
    (1ull << 0 /* M */ | 1ull << 2 /* C */ | 1ull << 3 /* SA */ | 1ull << 4 /* SA0 */ |     \
     1ull << 11 | 1ull << 12 /* I */ | 1ull << 14 /* DZE */ | 1ull << 15 /* UCT */ |        \
     1ull << 16 /* nTWI */ | 1ull << 18 /* nTWE */ | 1ull << 20 | 1ull << 22 | 1ull << 23 | \
     1ull << 26 /* UCI */ | 1ull << 28 | 1ull << 29 | 1ull << 33 /* MSCEn */)
/* 48 bits below, nothing above; 4 KiB granule, write-back, TBI0, 40-bit output. */
#define TCR_RUN                                                                          \
    (16ull | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 23 /* EPD1 */ | 16ull << 16 | \
     2ull << 30 | 2ull << 32 | 1ull << 37)
#define HVC_1 0xd4000022u

static uint8_t *ram;
static struct vcpu *vcpu;
static uint64_t n_done;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "diff-engine: %s\n", what);
    exit(2);
}

static void put64(uint64_t address, uint64_t value)
{
    memcpy(ram + (address - RAM), &value, sizeof(value));
}

static void put32(uint64_t address, uint32_t value)
{
    memcpy(ram + (address - RAM), &value, sizeof(value));
}

static void map_page(uint64_t va, uint64_t attributes)
{
    put64(TABLE(3) + (va >> 12 & 511) * 8, va | DESC_PAGE | attributes);
}

static void make_memory(void)
{
    put64(TABLE(0) + (RAM >> 39 & 511) * 8, TABLE(1) | DESC_TABLE);
    put64(TABLE(1) + (RAM >> 30 & 511) * 8, TABLE(2) | DESC_TABLE);
    put64(TABLE(2) + (RAM >> 21 & 511) * 8, TABLE(3) | DESC_TABLE);
    for (uint64_t va = DIFF_WINDOW; va < DIFF_WINDOW + DIFF_WINDOW_SIZE; va += 4096) {
        map_page(va, DESC_EL0 | DESC_PXN | DESC_UXN);
    }
    map_page(DIFF_CODE, DESC_EL0 | DESC_PXN);
    map_page(VECTORS, DESC_READ_ONLY | DESC_UXN);
    for (uint64_t a = DIFF_CODE; a < DIFF_CODE + DIFF_CODE_SIZE; a += 4) {
        put32(a, DIFF_BRK);
    }
    for (uint64_t a = VECTORS; a < VECTORS + 0x800; a += 4) {
        put32(a, HVC_1);
    }
}

static void make_machine(void)
{
    const struct vm_config config = {.ipa_bits = 36,
                                     .granule_log2 = 12,
                                     .profile = vm_profile_by_name("max"),
                                     .macos = 260000,
                                     .eager = true,
                                     .host_level = test_host_level()};
    struct vm *vm;

    if (config.profile == NULL || vm_create(&config, &vm) != VM_OK) {
        fail("cannot make a VM");
    }
    ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED ||
        vm_map(vm, ram, RAM, RAM_SIZE, VM_READ | VM_WRITE | VM_EXEC) != VM_OK ||
        vm_vcpu_create(vm, &vcpu) != VM_OK) {
        fail("cannot make memory or a vCPU");
    }
    make_memory();

    struct a64_cpu *const cpu = &vcpu->cpu;
    cpu->sys[SR_MAIR_EL1] = 0xff;
    cpu->sys[SR_TCR_EL1] = TCR_RUN;
    cpu->sys[SR_TTBR0_EL1] = TABLE(0);
    cpu->sys[SR_VBAR_EL1] = VECTORS;
    cpu->sys[SR_CPACR_EL1] = 3ull << 20;
    cpu->sys[SR_SCTLR_EL1] = SCTLR_RUN;
    mmu_registers_changed(cpu);
    cpu_update_mode(cpu);
}

static void run(const struct diff_case *c, const struct diff_state *start,
                struct diff_result *result)
{
    struct a64_cpu *const cpu = &vcpu->cpu;

    put32(DIFF_START, c->pre);
    put32(DIFF_PC, c->word);
    cpu_set_pstate(cpu, PSTATE_EL(0));
    memcpy(cpu->x, start->x, sizeof(start->x));
    cpu_set_sp(cpu, 0, start->sp);
    memcpy(cpu->v, start->v, sizeof(cpu->v));
    cpu->nzcv = (uint32_t)start->nzcv;
    cpu->btype = 0;
    cpu->fpcr = (uint32_t)start->fpcr;
    cpu_update_mode(cpu);
    cpu->fpsr = (uint32_t)start->fpsr;
    cpu->pc = start->pc;
    cpu->excl_valid = false;
    cpu_update_mode(cpu); /* FPCR is part of it */
    vm_vcpu_run(vcpu);

    memcpy(result->state.x, cpu->x, sizeof(result->state.x));
    result->state.sp = cpu_get_sp(cpu, 0);
    memcpy(result->state.v, cpu->v, sizeof(cpu->v));
    result->state.pc = cpu->sys[SR_ELR_EL1];
    result->state.nzcv = cpu->sys[SR_SPSR_EL1] & 0xf0000000;
    result->state.fpcr = cpu->fpcr;
    result->state.fpsr = cpu->fpsr;
    result->fault_address = 0;
    result->outcome = DIFF_OTHER;
    if (cpu->exit.reason != CPU_EXIT_EXCEPTION || cpu->exit.syndrome >> 26 != EC_HVC) {
        return;
    }
    const uint64_t esr = cpu->sys[SR_ESR_EL1];
    switch (esr >> 26 & 0x3f) {
    case EC_BRK:
        result->outcome = DIFF_STOPPED;
        break;
    case EC_UNKNOWN:
        result->outcome = DIFF_UNDEFINED;
        break;
    case EC_IABT_LOWER:
    case EC_PC_ALIGN:
        result->outcome = DIFF_FETCH_FAULT;
        break;
    case EC_DABT_LOWER:
        result->outcome = (esr & 0x3f) == 0x21 ? DIFF_ALIGN_FAULT : DIFF_DATA_FAULT;
        result->fault_address = cpu->sys[SR_FAR_EL1];
        break;
    default:
        break;
    }
}

/* --- Comparing ---------------------------------------------------------------------------------------------------------------- */

static void differs(const char *what, uint64_t oracle, uint64_t ours)
{
    printf("%" PRIu64 "\t%s\t%" PRIx64 "\t%" PRIx64 "\n", n_done, what, oracle, ours);
}

static void compare(const char *what, uint64_t oracle, uint64_t ours)
{
    if (oracle != ours) {
        differs(what, oracle, ours);
    }
}

static void compare_registers(const struct diff_state *oracle, const struct diff_state *ours)
{
    char name[8];

    for (unsigned i = 0; i < 31; i++) {
        snprintf(name, sizeof(name), "x%u", i);
        compare(name, oracle->x[i], ours->x[i]);
    }
    compare("sp", oracle->sp, ours->sp);
    compare("nzcv", oracle->nzcv, ours->nzcv);
    compare("fpcr", oracle->fpcr, ours->fpcr);
    compare("fpsr", oracle->fpsr, ours->fpsr);
    for (unsigned i = 0; i < 32; i++) {
        if (memcmp(oracle->v[i], ours->v[i], 16) != 0) {
            printf("%" PRIu64 "\tv%u\t%016" PRIx64 "%016" PRIx64 "\t%016" PRIx64 "%016" PRIx64 "\n",
                   n_done, i, oracle->v[i][1], oracle->v[i][0], ours->v[i][1], ours->v[i][0]);
        }
    }
}

static void compare_window(const struct diff_result *oracle, const struct diff_result *ours)
{
    compare("memory words changed", oracle->n_changes, ours->n_changes);
    for (unsigned i = 0; i < oracle->n_changes && i < ours->n_changes && i < DIFF_MAX_CHANGES;
         i++) {
        if (oracle->changes[i].offset != ours->changes[i].offset) {
            differs("memory at", DIFF_WINDOW + oracle->changes[i].offset,
                    DIFF_WINDOW + ours->changes[i].offset);
        } else if (oracle->changes[i].value != ours->changes[i].value) {
            char name[32];
            snprintf(name, sizeof(name), "memory %" PRIx64,
                     (uint64_t)(DIFF_WINDOW + oracle->changes[i].offset));
            differs(name, oracle->changes[i].value, ours->changes[i].value);
        }
    }
}

static void compare_results(const struct diff_case *c, const struct diff_state *start,
                            const struct diff_result *oracle, const struct diff_result *ours)
{
    const bool stopped = oracle->outcome == DIFF_STOPPED || oracle->outcome == DIFF_FETCH_FAULT;

    compare("outcome", oracle->outcome, ours->outcome);
    compare("pc", oracle->state.pc, ours->state.pc);
    if (oracle->outcome != ours->outcome) {
        return;
    }
    compare("fault address", oracle->fault_address, ours->fault_address);
    if (stopped) {
        compare_registers(&oracle->state, &ours->state);
        compare_window(oracle, ours);
    } else if (ours->state.pc == DIFF_PC && c->pre == 0xd503201f) {
        /* Stricter than the oracle, which may have loaded some of several registers: a fault changes no register. Of a store
         * that faults, any part may have reached memory. */
        compare_registers(start, &ours->state);
    }
}

/* A case that does not end is a finding as well; the report needs its number. */
static void on_alarm(int number)
{
    char text[64];
    const int n = snprintf(text, sizeof(text), "%" PRIu64 "\thangs\t0\t1\n", n_done);

    (void)number;
    (void)!write(STDOUT_FILENO, text, (size_t)n);
    _exit(3);
}

int main(int argc, char **argv)
{
    static uint64_t window[DIFF_WINDOW_SIZE / 8];
    FILE *const cases = argc == 3 ? fopen(argv[1], "rb") : NULL;
    FILE *const results = argc == 3 ? fopen(argv[2], "rb") : NULL;
    struct diff_case c;
    struct diff_result oracle, ours;
    struct diff_state start;

    if (cases == NULL || results == NULL) {
        fail("usage: diff-engine CASES RESULTS");
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, on_alarm);
    make_machine();
    while (fread(&c, sizeof(c), 1, cases) == 1 && fread(&oracle, sizeof(oracle), 1, results) == 1) {
        if (n_done % 256 == 0) {
            alarm(20);
        }
        case_expand(&c, &start, window);
        memcpy(ram + (DIFF_WINDOW - RAM), window, sizeof(window));
        run(&c, &start, &ours);
        memcpy(window, ram + (DIFF_WINDOW - RAM), sizeof(window));
        case_changes(&c, window, &ours);
        compare_results(&c, &start, &oracle, &ours);
        n_done++;
    }
    printf("done\t%" PRIu64 "\n", n_done);
    return 0;
}
