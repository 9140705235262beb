/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Coverage-guided fuzzing of the whole library: an input is the registers and the memory of a small VM with one or two vCPUs, code
 * and page tables among them, and what the client does after each exit. Guest memory lies between inaccessible host pages, so that
 * an access outside of it ends the process; so does a run that goes on after hv_vcpus_exit (watchdog.h), an exit that the
 * framework does not have, and a call that fails though nothing is wrong with it.
 *
 * Input: a struct input_header, then chunks for guest memory: struct chunk, then its bytes. What is short is filled up with zeros.
 * Without FUZZER it is a program that replays the files and folders it is given.
 */
#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <Hypervisor/Hypervisor.h>

#include "watchdog.h"

#define MEMORY    0x20000u /* guest memory at IPA 0 */
#define QUARTER   (MEMORY / 4)
#define TABLES    0x10000u /* of INPUT_TABLES: levels 1, 2 and 3 */
#define GUARD     0x10000u
#define MAX_EXITS 12u

enum {
    INPUT_TIMER = 3,
    INPUT_TWO_CPUS = 4,
    INPUT_TABLES = 8,
    INPUT_TRAP_EXCEPTIONS = 16,
    INPUT_TRAP_REGISTERS = 32,
    INPUT_IRQ = 64
};

struct input_header {
    uint8_t permissions[4]; /* of the quarters of guest memory */
    uint8_t flags;
    uint8_t cpsr[2], pc[2]; /* of each vCPU; PC in units of 64 bytes */
    uint8_t pages[7]; /* what the tables make of pages 1 to 7, by turns: bits of the descriptor */
    uint8_t actions[16]; /* of the client, after the exits */
    uint64_t x[8];
    uint64_t system[12], cval; /* the first of changeable[], and CNTV_CVAL_EL0 */
    uint64_t fpcr;
};
_Static_assert(sizeof(struct input_header) == 32 + 22 * 8, "seeds.py writes it");

struct chunk {
    uint16_t at; /* in units of 16 bytes */
    uint16_t size;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *memory;
static struct input_header input;

static void finding(const char *what, uint64_t value)
{
    fprintf(stderr, "finding: %s (0x%llx)\n", what, (unsigned long long)value);
    abort();
}

void watchdog_finding(const char *what)
{
    fprintf(stderr, "finding: %s\n", what);
    abort();
}

static void must(hv_return_t ret)
{
    if (ret != HV_SUCCESS) {
        finding("a call failed", (uint32_t)ret);
    }
}

/* Of what both vCPUs' threads do to the map: the other may have been first. */
static void may(hv_return_t ret)
{
    if (ret != HV_SUCCESS && ret != HV_ERROR) {
        finding("a call on the map failed", (uint32_t)ret);
    }
}

/* --- What a vCPU starts with ------------------------------------------------------------------------------------------------- */

static const hv_sys_reg_t changeable[] = {
    HV_SYS_REG_SCTLR_EL1,      HV_SYS_REG_TCR_EL1,      HV_SYS_REG_TTBR0_EL1,
    HV_SYS_REG_TTBR1_EL1,      HV_SYS_REG_MAIR_EL1,     HV_SYS_REG_VBAR_EL1,
    HV_SYS_REG_CPACR_EL1,      HV_SYS_REG_MDSCR_EL1,    HV_SYS_REG_DBGBVR0_EL1,
    HV_SYS_REG_DBGBCR0_EL1,    HV_SYS_REG_DBGWVR0_EL1,  HV_SYS_REG_DBGWCR0_EL1,
    HV_SYS_REG_CNTV_CVAL_EL0,  HV_SYS_REG_CNTV_CTL_EL0, HV_SYS_REG_CNTKCTL_EL1,
    HV_SYS_REG_CONTEXTIDR_EL1, HV_SYS_REG_ELR_EL1,      HV_SYS_REG_SPSR_EL1,
    HV_SYS_REG_SP_EL0,         HV_SYS_REG_SP_EL1,       HV_SYS_REG_APIAKEYLO_EL1,
    HV_SYS_REG_APIAKEYHI_EL1};
#define N_CHANGEABLE (sizeof(changeable) / sizeof(changeable[0]))

static void set_registers(hv_vcpu_t vcpu, unsigned cpu)
{
    static const uint32_t modes[4] = {0x0, 0x4, 0x5, 0x5};

    for (unsigned i = 0; i < 12; i++) {
        must(hv_vcpu_set_sys_reg(vcpu, changeable[i], input.system[i]));
    }
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MPIDR_EL1, cpu));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CNTV_CVAL_EL0, input.cval));
    must(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CNTV_CTL_EL0, input.flags & INPUT_TIMER));
    for (unsigned i = 0; i < 8; i++) {
        must(hv_vcpu_set_reg(vcpu, i, input.x[(i + cpu) % 8]));
    }
    must(hv_vcpu_set_reg(vcpu, HV_REG_FPCR, input.fpcr));
    must(hv_vcpu_set_reg(vcpu, HV_REG_PC, (uint64_t)input.pc[cpu] << 6));
    const uint8_t cpsr = input.cpsr[cpu];
    must(hv_vcpu_set_reg(vcpu, HV_REG_CPSR,
                         modes[cpsr & 3] | (cpsr & 4 ? 0x3c0u : 0) | (uint64_t)(cpsr & 8) << 18));
    must(hv_vcpu_set_trap_debug_exceptions(vcpu, (input.flags & INPUT_TRAP_EXCEPTIONS) != 0));
    must(hv_vcpu_set_trap_debug_reg_accesses(vcpu, (input.flags & INPUT_TRAP_REGISTERS) != 0));
    must(
        hv_vcpu_set_pending_interrupt(vcpu, HV_INTERRUPT_TYPE_IRQ, (input.flags & INPUT_IRQ) != 0));
}

/* --- What the client does after an exit -------------------------------------------------------------------------------------- */

enum action {
    ACT_NOTHING,
    ACT_X,
    ACT_PC,
    ACT_CPSR,
    ACT_SYS_REG,
    ACT_SIMD,
    ACT_FPCR,
    ACT_INTERRUPT,
    ACT_TIMER,
    ACT_UNMAP,
    ACT_MAP,
    ACT_PROTECT,
    ACT_WRITE_MEMORY,
    ACT_DEBUG,
    ACT_EXIT_OTHER,
    ACT_READ_ALL,
    N_ACTIONS
};

static void read_all(hv_vcpu_t vcpu)
{
    uint64_t value;
    hv_simd_fp_uchar16_t vector;
    bool flag;

    for (hv_reg_t r = HV_REG_X0; r <= HV_REG_CPSR; r++) {
        must(hv_vcpu_get_reg(vcpu, r, &value));
    }
    for (hv_simd_fp_reg_t r = 0; r < 32; r++) {
        must(hv_vcpu_get_simd_fp_reg(vcpu, r, &vector));
    }
    for (unsigned i = 0; i < N_CHANGEABLE; i++) {
        must(hv_vcpu_get_sys_reg(vcpu, changeable[i], &value));
    }
    must(hv_vcpu_get_vtimer_mask(vcpu, &flag));
    must(hv_vcpu_get_vtimer_offset(vcpu, &value));
    must(hv_vcpu_get_exec_time(vcpu, &value));
    must(hv_vcpu_get_pending_interrupt(vcpu, HV_INTERRUPT_TYPE_FIQ, &flag));
}

static void act(hv_vcpu_t vcpu, unsigned cpu, unsigned n)
{
    const uint8_t action = input.actions[(n * 2 + cpu) % sizeof(input.actions)];
    const uint64_t v = input.x[(n + cpu) % 8], w = input.x[(n + cpu + 1) % 8];
    const uint64_t quarter = (uint64_t)(action >> 4 & 3) * QUARTER;
    hv_vcpu_t other = vcpu ^ 1;

    switch ((enum action)(action % N_ACTIONS)) {
    case ACT_X:
        must(hv_vcpu_set_reg(vcpu, (hv_reg_t)(w % 31), v));
        break;
    case ACT_PC:
        must(hv_vcpu_set_reg(vcpu, HV_REG_PC, action & 0x80 ? v : v & (MEMORY - 4)));
        break;
    case ACT_CPSR:
        must(hv_vcpu_set_reg(vcpu, HV_REG_CPSR,
                             action & 0x80 ? v : (v & 0xf06003c0) | (w % 3 == 0 ? 0 : 3 + w % 3)));
        break;
    case ACT_SYS_REG:
        must(hv_vcpu_set_sys_reg(vcpu, changeable[w % N_CHANGEABLE], v));
        break;
    case ACT_SIMD: {
        hv_simd_fp_uchar16_t vector;
        memcpy(&vector, (const uint8_t *)input.x + (v & 31), sizeof(vector));
        must(hv_vcpu_set_simd_fp_reg(vcpu, (hv_simd_fp_reg_t)(w & 31), vector));
        break;
    }
    case ACT_FPCR:
        must(hv_vcpu_set_reg(vcpu, HV_REG_FPCR, v));
        must(hv_vcpu_set_reg(vcpu, HV_REG_FPSR, w));
        break;
    case ACT_INTERRUPT:
        must(hv_vcpu_set_pending_interrupt(vcpu, action >> 4 & 1, action >> 5 & 1));
        break;
    case ACT_TIMER:
        must(hv_vcpu_set_vtimer_mask(vcpu, action >> 4 & 1));
        must(hv_vcpu_set_vtimer_offset(vcpu, v));
        break;
    case ACT_UNMAP:
        may(hv_vm_unmap(quarter, QUARTER));
        break;
    case ACT_MAP:
        may(hv_vm_map(memory + (v & 3) * QUARTER, quarter, QUARTER, w & 7));
        break;
    case ACT_PROTECT:
        may(hv_vm_protect(quarter, QUARTER, v & 7));
        break;
    case ACT_WRITE_MEMORY:
        __atomic_store_n((uint32_t *)(void *)(memory + (v & (MEMORY - 4))), (uint32_t)w,
                         __ATOMIC_RELAXED);
        break;
    case ACT_DEBUG:
        must(hv_vcpu_set_trap_debug_exceptions(vcpu, action >> 4 & 1));
        must(hv_vcpu_set_trap_debug_reg_accesses(vcpu, action >> 5 & 1));
        break;
    case ACT_EXIT_OTHER: {
        const hv_return_t ret = hv_vcpus_exit(&other,
                                              1); /* which may not be there yet, or any more */
        if (ret != HV_SUCCESS && ret != HV_BAD_ARGUMENT) {
            finding("hv_vcpus_exit failed", (uint32_t)ret);
        }
        break;
    }
    case ACT_READ_ALL:
        read_all(vcpu);
        break;
    default:
        break;
    }
}

/* An exit that the framework has. */
static void check_exit(const hv_vcpu_exit_t *exit)
{
    static const uint8_t classes[] = {0x01, 0x16, 0x17, 0x18, 0x20, 0x24, 0x30, 0x32, 0x34, 0x3c};

    switch (exit->reason) {
    case HV_EXIT_REASON_CANCELED:
    case HV_EXIT_REASON_VTIMER_ACTIVATED:
        return;
    case HV_EXIT_REASON_EXCEPTION:
        if (memchr(classes, (int)(exit->exception.syndrome >> 26), sizeof(classes)) != NULL) {
            return;
        }
        finding("a syndrome of no class that exits", exit->exception.syndrome);
        break;
    default:
        finding("an exit for no known reason", exit->reason);
        break;
    }
}

/* What a client does about an exit: a load from a device gets a value, and the instruction is passed over. */
static void complete(hv_vcpu_t vcpu, const hv_vcpu_exit_t *exit)
{
    const uint64_t syndrome = exit->exception.syndrome;
    uint64_t pc = 0;

    if (exit->reason != HV_EXIT_REASON_EXCEPTION) {
        must(hv_vcpu_set_vtimer_mask(vcpu, false));
        return;
    }
    if (syndrome >> 26 == 0x24 && (syndrome >> 24 & 1) != 0 && (syndrome >> 6 & 1) == 0 &&
        (syndrome >> 16 & 31) != 31) {
        must(hv_vcpu_set_reg(vcpu, (hv_reg_t)(syndrome >> 16 & 31), input.x[0]));
    }
    if (syndrome >> 26 != 0x16) {
        must(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
        must(hv_vcpu_set_reg(vcpu, HV_REG_PC, pc + 4));
    }
}

static void run_vcpu(unsigned cpu)
{
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit;
    bool asked = false;

    must(hv_vcpu_create(&vcpu, &exit, NULL));
    set_registers(vcpu, cpu);
    for (unsigned i = 0; i < MAX_EXITS && !asked; i++) {
        const hv_return_t ret = watchdog_run(cpu, vcpu, &asked);
        if (ret == HV_ILLEGAL_GUEST_STATE) { /* ACT_CPSR */
            must(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
            continue;
        }
        must(ret);
        check_exit(exit);
        if (exit->reason == HV_EXIT_REASON_CANCELED && !asked &&
            (input.flags & INPUT_TWO_CPUS) == 0) {
            finding("CANCELED without a request", 0);
        }
        complete(vcpu, exit);
        act(vcpu, cpu, i);
    }
    must(hv_vcpu_destroy(vcpu));
}

/* --- The second vCPU's thread ------------------------------------------------------------------------------------------------ */

static sem_t second_go, second_done;

/* The fuzzer's alarm interrupts waits. */
static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0) {
    }
}

static void *second(void *argument)
{
    (void)argument;
    for (;;) {
        wait_for(&second_go);
        run_vcpu(1);
        sem_post(&second_done);
    }
    return NULL;
}

/* --- Inputs ------------------------------------------------------------------------------------------------------------------ */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    pthread_t thread;

    (void)argc, (void)argv;
    uint8_t *const p = mmap(NULL, MEMORY + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                            0);
    if (p == MAP_FAILED || mprotect(p + GUARD, MEMORY, PROT_READ | PROT_WRITE) != 0) {
        abort();
    }
    memory = p + GUARD;
    sem_init(&second_go, 0, 0);
    sem_init(&second_done, 0, 0);
    if (!watchdog_start() || pthread_create(&thread, NULL, second, NULL) != 0) {
        abort();
    }
    return 0;
}

/* 4 KiB granule, 39 bits: an identity mapping with variations. */
static void make_tables(void)
{
    uint64_t *const level1 = (uint64_t *)(void *)(memory + TABLES), *const level2 = level1 + 512,
                    *const level3 = level2 + 512;

    level1[0] = (TABLES + 0x1000) | 3;
    level2[0] = (TABLES + 0x2000) | 3;
    for (uint64_t page = 0; page < MEMORY / 0x1000; page++) {
        const uint64_t bits = page % 8 == 0 ? 0 : input.pages[page % 8 - 1];
        /* AP, SH, AttrIndx[0] and AF may be other than usual, and UXN and PXN. */
        level3[page] = page << 12 | 3 | ((bits & 0x1f) << 6 ^ 0x700) | (bits & 0x20) >> 3 |
                       (bits & 0xc0) << 47;
    }
}

static void make_memory(const uint8_t *data, size_t size)
{
    struct chunk chunk;

    memset(memory, 0, MEMORY);
    if ((input.flags & INPUT_TABLES) != 0) {
        make_tables();
    }
    while (size > sizeof(chunk)) {
        memcpy(&chunk, data, sizeof(chunk));
        data += sizeof(chunk);
        size -= sizeof(chunk);
        const size_t at = (size_t)chunk.at * 16 % MEMORY;
        size_t n = chunk.size < size ? chunk.size : size;
        memcpy(memory + at, data, n < MEMORY - at ? n : MEMORY - at);
        data += n;
        size -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t header = size < sizeof(input) ? size : sizeof(input);

    input = (struct input_header){0};
    memcpy(&input, data, header);
    make_memory(data + header, size - header);
    must(hv_vm_create(NULL));
    for (unsigned i = 0; i < 4; i++) {
        must(hv_vm_map(memory + i * QUARTER, i * QUARTER, QUARTER,
                       i == 0 ? 7 : input.permissions[i] & 7u));
    }
    if ((input.flags & INPUT_TWO_CPUS) != 0) {
        sem_post(&second_go);
    }
    run_vcpu(0);
    if ((input.flags & INPUT_TWO_CPUS) != 0) {
        wait_for(&second_done);
    }
    must(hv_vm_destroy());
    return 0;
}

#ifndef FUZZER
static unsigned replayed;

static bool replay(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *const file = fopen(path, "rb");

    if (file == NULL) {
        perror(path);
        return false;
    }
    const size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    /* Said before, as a finding ends the process. */
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(bytes, size);
    replayed++;
    return true;
}

static bool replay_all(const char *path)
{
    DIR *const folder = opendir(path);
    const struct dirent *entry;
    bool ok = true;

    if (folder == NULL) {
        return replay(path);
    }
    while (ok && (entry = readdir(folder)) != NULL) {
        char name[4096];
        if (entry->d_name[0] != '.' &&
            snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) < (int)sizeof(name)) {
            ok = replay(name);
        }
    }
    closedir(folder);
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = true;

    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc && ok; i++) {
        ok = replay_all(argv[i]);
    }
    printf("%u inputs\n", replayed);
    return ok && replayed > 0 ? 0 : 1;
}
#endif
