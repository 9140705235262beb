/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * smc: four vCPUs run guest.c for some seconds, while the host interrupts them now and then; then the host adds up.
 *
 * usage: smc IMAGE [--seconds N] [--seed N] [--interpreter] [--eager] [--code-bytes N] [--break]
 *
 * --code-bytes gives translated code so little memory that blocks leave it all the time: the run is good only if they did.
 * --break makes the guest forget the other vCPUs' TLBs, to see that this is noticed; then the exit code is 0 if it was.
 */
#include "smc.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "engine/code.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "vm/test_host_level.h"
#include "vm/vm.h"

#define LEAF_BLOCK         (1ull | 3ull << 8 | 1ull << 10) /* EL1 read, write and execute; global */
#define SMC_VECTORS_OFFSET 0x800

static struct vm *vm;
static uint8_t *ram;
static struct smc_shared *shared;
static struct vcpu *vcpus[SMC_VCPUS];
static _Atomic unsigned n_ended;

static const char *const kinds[SMC_N_KINDS] = {
    [SMC_STALE_BRANCH] = "a branch that was patched",
    [SMC_STALE_WORD] = "an instruction that was patched",
    [SMC_STALE_FUNCTION] = "a function that was rewritten",
    [SMC_LOST_UPDATE] = "a count under a lock",
    [SMC_STALE_DATA] = "data of a page that was mapped elsewhere",
    [SMC_STALE_PAGE_CODE] = "code of a page that was mapped elsewhere",
    [SMC_STALE_PRIVATE] = "a page with local TLB maintenance",
    [SMC_STALE_ASID] = "a page by ASID",
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "smc: %s\n", what);
    exit(2);
}

static void put64(uint64_t address, uint64_t value)
{
    memcpy(ram + (address - SMC_RAM), &value, sizeof(value));
}

static void make_tables(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t l2 = SMC_TABLE(SMC_L2 + i);
        put64(SMC_TABLE(SMC_L1 + i) + (SMC_RAM >> 30 & 511) * 8, l2 | 3);
        put64(l2 + (SMC_RAM >> 21 & 511) * 8, SMC_RAM | LEAF_BLOCK);
        put64(l2 + (SMC_REMAPPED >> 21 & 511) * 8, SMC_TABLE(SMC_L3_REMAPPED) | 3);
        put64(l2 + (SMC_BY_ASID >> 21 & 511) * 8, SMC_TABLE(SMC_L3_BY_ASID + i) | 3);
    }
}

static void load_image(const char *path)
{
    FILE *const file = fopen(path, "rb");

    if (file == NULL || fread(ram, 1, SMC_STACKS - SMC_RAM, file) < 64) {
        fail("cannot read the image");
    }
    fclose(file);
}

static char statistics[1 << 14];

static void collect(const char *line)
{
    const size_t length = strlen(statistics);

    snprintf(statistics + length, sizeof(statistics) - length, "%s", line);
}

/* The number before a phrase of the statistics. */
static unsigned long number_before(const char *phrase)
{
    const char *p = strstr(statistics, phrase);

    while (p != NULL && p > statistics && p[-1] >= '0' && p[-1] <= '9') {
        p--;
    }
    return p == NULL ? 0 : strtoul(p, NULL, 10);
}

static void make_machine(const char *image, bool interpreter, bool eager, size_t code_bytes)
{
    const struct vm_config config = {.ipa_bits = 36,
                                     .granule_log2 = 12,
                                     .profile = vm_profile_by_name("max"),
                                     .interpreter = interpreter,
                                     .eager = eager,
                                     .code_bytes = code_bytes,
                                     .trace = {.statistics = code_bytes != 0, .text = collect},
                                     .host_level = test_host_level(),
                                     .macos = 260000};

    ram = mmap(NULL, SMC_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED || vm_create(&config, &vm) != VM_OK ||
        vm_map(vm, ram, SMC_RAM, SMC_RAM_SIZE, VM_READ | VM_WRITE | VM_EXEC) != VM_OK) {
        fail("cannot make a VM");
    }
    shared = (struct smc_shared *)(void *)(ram + (SMC_SHARED - SMC_RAM));
    load_image(image);
    make_tables();
}

static void start_state(struct vcpu *vcpu, unsigned stack, uint64_t argument)
{
    struct a64_cpu *const cpu = &vcpu->cpu;

    cpu->sys[SR_MAIR_EL1] = 0xff;
    cpu->sys[SR_TCR_EL1] = 25 | 1ull << 8 | 1ull << 10 | 3ull << 12 | 1ull << 23 /* EPD1 */ |
                           25ull << 16 | 2ull << 30 | 1ull << 32 | 1ull << 36;
    cpu->sys[SR_TTBR0_EL1] = SMC_TABLE(SMC_L1) | 1ull << 48;
    cpu->sys[SR_VBAR_EL1] = SMC_RAM + SMC_VECTORS_OFFSET;
    cpu->sys[SR_CPACR_EL1] = 3ull << 20;
    cpu->sys[SR_SCTLR_EL1] = 0x30d00800 | 1 | 1 << 2 | 1 << 3 | 1 << 12;
    mmu_registers_changed(cpu);
    cpu_set_pstate(cpu, PSTATE_EL(1) | PSTATE_SP | PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F);
    cpu_set_sp(cpu, 1, SMC_STACKS + 0x4000 * (stack + 1));
    cpu->pc = SMC_RAM;
    cpu->x[0] = argument;
    cpu_update_mode(cpu);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Until the guest's HVC #1. */
static bool run(struct vcpu *vcpu, unsigned n)
{
    struct a64_cpu *const cpu = &vcpu->cpu;

    do {
        vm_vcpu_run(vcpu);
    } while (cpu->exit.reason == CPU_EXIT_CANCELED);
    if (cpu->exit.syndrome >> 26 == EC_HVC && (cpu->exit.syndrome & 0xffff) == 1) {
        return true;
    }
    printf("vCPU %u: exit %u, syndrome %" PRIx64 ", PC %" PRIx64 ", ESR_EL1 %" PRIx64
           ", ELR_EL1 %" PRIx64 ", FAR_EL1 %" PRIx64 "\n",
           n, cpu->exit.reason, cpu->exit.syndrome, cpu->pc, cpu->sys[SR_ESR_EL1],
           cpu->sys[SR_ELR_EL1], cpu->sys[SR_FAR_EL1]);
    return false;
}

static void *vcpu_thread(void *argument)
{
    const unsigned n = (unsigned)(uintptr_t)argument;
    const bool good = run(vcpus[n], n);

    if (!good) { /* the others would go on for their whole time */
        __atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
    }
    atomic_fetch_add(&n_ended, 1);
    return (void *)(uintptr_t)good;
}

/* --- Adding up ------------------------------------------------------------------------------------------------------------------ */

static uint64_t residual(unsigned page)
{
    const uint64_t pool = shared->mapped[page];
    uint64_t sum = 0;

    if (pool < SMC_POOL || pool >= SMC_TABLES) {
        return 0;
    }
    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        uint64_t count;
        memcpy(&count, ram + (pool - SMC_RAM) + 8 * (SMC_COUNT + i), 8);
        sum += count;
    }
    return sum;
}

static unsigned print_errors(void)
{
    unsigned n_bad = 0;

    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        const struct smc_error *const e = &shared->cpus[i].error;
        if (e->count != 0) {
            printf("vCPU %u: %s, number %" PRIu64 ": expected %" PRIx64 " to %" PRIx64
                   ", found %" PRIx64 " (and %" PRIu64 " more errors)\n",
                   i, e->kind < SMC_N_KINDS ? kinds[e->kind] : "?", e->index, e->from, e->to,
                   e->got, e->count - 1);
            n_bad++;
        }
    }
    return n_bad;
}

static unsigned check_sums(void)
{
    unsigned n_bad = 0;
    uint64_t calls = 0;

    for (unsigned page = 0; page < SMC_N_REMAPPED; page++) {
        uint64_t made = 0;
        for (unsigned i = 0; i < SMC_VCPUS; i++) {
            made += shared->cpus[i].increments[page];
        }
        const uint64_t found = shared->collected[page] + residual(page);
        if (made != found) {
            printf("page %u: %" PRIu64 " increments made, %" PRIu64 " found\n", page, made, found);
            n_bad++;
        }
    }
    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        calls += shared->cpus[i].function_calls;
    }
    if (calls != shared->function_count || shared->counter != shared->function_sum) {
        printf("under the lock: %" PRIu64 " calls, %" PRIu64 " counted; sum %" PRIu64
               ", counter %" PRIu64 "\n",
               calls, shared->function_count, shared->function_sum, shared->counter);
        n_bad++;
    }
    return n_bad;
}

static void print_work(void)
{
    uint64_t rounds = 0, checks = 0, faults = 0, skipped = 0, remaps = 0, patches = 0;

    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        rounds += shared->cpus[i].rounds;
        checks += shared->cpus[i].checks;
        faults += shared->cpus[i].faults;
        skipped += shared->cpus[i].skipped;
        printf("%s%" PRIu64, i == 0 ? "rounds: " : ", ", shared->cpus[i].rounds);
    }
    for (unsigned i = 0; i < SMC_N_REMAPPED; i++) {
        remaps += shared->pages[i].begun;
    }
    for (unsigned i = 0; i < SMC_N_SLOTS; i++) {
        patches += shared->branches[i].begun + shared->words[i].begun;
    }
    printf("\n%" PRIu64 " checks, %" PRIu64 " patches, %" PRIu64 " pages mapped, %" PRIu64
           " faults of pages that are away, %" PRIu64 " skipped\n",
           checks, patches, remaps, faults, skipped);
    if (rounds == 0 || patches == 0 || remaps == 0 || faults == 0) {
        fail("nothing has been tested");
    }
}

/* --- Running ----------------------------------------------------------------------------------------------------------------------- */

/* Exits now and then, so that entering and leaving the guest meets what is posted. */
static void disturb_until(uint64_t end_ms)
{
    unsigned n = 0;

    while (now_ms() < end_ms && __atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE) == 0) {
        usleep(2000);
        vm_vcpu_request_exit(vcpus[n++ % SMC_VCPUS]);
    }
    __atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
}

static void wait_for_end(void)
{
    const uint64_t limit = now_ms() + 60000;

    while (atomic_load(&n_ended) < SMC_VCPUS) {
        if (now_ms() > limit) {
            print_errors();
            fail("a vCPU does not come to its end");
        }
        usleep(10000);
    }
}

static bool run_all(unsigned seconds)
{
    pthread_t threads[SMC_VCPUS];
    bool good = true;

    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        if (vm_vcpu_create(vm, &vcpus[i]) != VM_OK) {
            fail("cannot make a vCPU");
        }
        if (i % 2 != 0) { /* every page is a stretch */
            mmu_set_least_stretch(&vcpus[i]->cpu, 4096);
        }
    }
    /* The code is made once, before anybody runs it. */
    start_state(vcpus[0], 0, SMC_VCPUS);
    if (!run(vcpus[0], 0)) {
        return false;
    }
    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        start_state(vcpus[i], i, i);
    }
    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        if (pthread_create(&threads[i], NULL, vcpu_thread, (void *)(uintptr_t)i) != 0) {
            fail("cannot start a thread");
        }
    }
    disturb_until(now_ms() + seconds * 1000ull);
    wait_for_end();
    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good &= result != NULL;
    }
    return good;
}

static const char usage[] =
    "usage: smc IMAGE [--seconds N] [--seed N] [--interpreter] [--eager] [--code-bytes N] [--break]";

int main(int argc, char **argv)
{
    unsigned seconds = 5;
    uint64_t seed = 1;
    size_t code_bytes = 0;
    bool interpreter = false, eager = false, broken = false;

    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
            seconds = (unsigned)strtoul(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--interpreter") == 0) {
            interpreter = true;
        } else if (strcmp(argv[i], "--eager") == 0) {
            eager = true;
        } else if (strcmp(argv[i], "--code-bytes") == 0 && i + 1 < argc) {
            code_bytes = strtoull(argv[++i], NULL, 0);
        } else if (strcmp(argv[i], "--break") == 0) {
            broken = true;
        } else {
            fail(usage);
        }
    }
    if (argc < 2) {
        fail(usage);
    }
    make_machine(argv[1], interpreter, eager, code_bytes);
    shared->seed = seed * 64;
    shared->broken = broken;
    bool good = run_all(seconds);
    good &= print_errors() == 0;
    good &= check_sums() == 0;
    print_work();
    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        vm_vcpu_destroy(vcpus[i]);
    }
    vm_destroy(vm);
    if (code_bytes != 0) {
        const unsigned long n = number_before(" chunks, ") + number_before(" chunks had none left");
        printf("%lu blocks evicted, %lu chunks used again, %lu waits\n",
               number_before(" evicted with"), n, number_before(" waits"));
        good &= number_before(" evicted with") > 100 && n > 100;
    }
    printf("%s\n", good ? "no lost update, nothing stale" : "FAILED");
    return good != broken ? 0 : 1;
}
