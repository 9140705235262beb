/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Coverage-guided fuzzing of the whole library: an input is the registers and the memory of a small VM, code and page tables
 * among them. Guest memory lies between inaccessible host pages, so that an access outside of it ends the process; a run that does
 * not end after hv_vcpus_exit ends in libFuzzer's timeout.
 *
 * Input: a header of struct input_header, then the bytes of guest memory from its start (the rest is zero).
 * Without FUZZER it is a program that runs the files it is given, for replaying.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <Hypervisor/Hypervisor.h>

#define MEMORY    0x20000u /* guest memory at IPA 0 */
#define GUARD     0x10000u
#define MAX_EXITS 12

struct input_header {
    uint8_t permissions[4]; /* of the quarters of guest memory */
    uint8_t cpsr, flags, pc, spare;
    uint64_t x[8];
    uint64_t sctlr, tcr, ttbr0, ttbr1, mair, vbar, cpacr, mdscr, dbgbvr, dbgbcr, dbgwvr, dbgwcr,
        fpcr, cval;
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *memory;

/* The watchdog asks a run that lasts to end: it must. */
static _Atomic uint64_t running_since; /* in ticks of the watchdog; 0: no run */
static _Atomic uint64_t tick = 1;
static hv_vcpu_t running_vcpu;

static void *watchdog(void *argument)
{
    (void)argument;
    for (;;) {
        usleep(1000);
        const uint64_t now = atomic_fetch_add(&tick, 1) + 1, since = atomic_load(&running_since);
        if (since != 0 && now - since > 3) {
            hv_vcpus_exit(&running_vcpu, 1);
        }
    }
    return NULL;
}

static void must(hv_return_t ret)
{
    if (ret != HV_SUCCESS) {
        fprintf(stderr, "unexpected 0x%08x\n", (unsigned)ret);
        abort();
    }
}

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
    return pthread_create(&thread, NULL, watchdog, NULL);
}

static void set_registers(hv_vcpu_t vcpu, const struct input_header *h)
{
    static const uint32_t modes[4] = {0x0, 0x4, 0x5, 0x5};
    const struct {
        hv_sys_reg_t reg;
        uint64_t value;
    } regs[] = {
        {HV_SYS_REG_SCTLR_EL1, h->sctlr},    {HV_SYS_REG_TCR_EL1, h->tcr},
        {HV_SYS_REG_TTBR0_EL1, h->ttbr0},    {HV_SYS_REG_TTBR1_EL1, h->ttbr1},
        {HV_SYS_REG_MAIR_EL1, h->mair},      {HV_SYS_REG_VBAR_EL1, h->vbar},
        {HV_SYS_REG_CPACR_EL1, h->cpacr},    {HV_SYS_REG_MDSCR_EL1, h->mdscr},
        {HV_SYS_REG_DBGBVR0_EL1, h->dbgbvr}, {HV_SYS_REG_DBGBCR0_EL1, h->dbgbcr},
        {HV_SYS_REG_DBGWVR0_EL1, h->dbgwvr}, {HV_SYS_REG_DBGWCR0_EL1, h->dbgwcr},
        {HV_SYS_REG_CNTV_CVAL_EL0, h->cval}, {HV_SYS_REG_CNTV_CTL_EL0, h->flags & 3u},
    };

    for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
        must(hv_vcpu_set_sys_reg(vcpu, regs[i].reg, regs[i].value));
    }
    for (unsigned i = 0; i < 8; i++) {
        must(hv_vcpu_set_reg(vcpu, i, h->x[i]));
    }
    must(hv_vcpu_set_reg(vcpu, HV_REG_FPCR, h->fpcr));
    must(hv_vcpu_set_reg(vcpu, HV_REG_PC, (uint64_t)h->pc << 2));
    must(hv_vcpu_set_reg(vcpu, HV_REG_CPSR,
                         modes[h->cpsr & 3] | (h->cpsr & 4 ? 0x3c0u : 0) |
                             (uint64_t)(h->cpsr & 8) << 18));
    must(hv_vcpu_set_trap_debug_exceptions(vcpu, (h->flags & 4) != 0));
    must(hv_vcpu_set_trap_debug_reg_accesses(vcpu, (h->flags & 8) != 0));
    must(hv_vcpu_set_pending_interrupt(vcpu, HV_INTERRUPT_TYPE_IRQ, (h->flags & 16) != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input_header h = {0};
    hv_vcpu_t vcpu;
    hv_vcpu_exit_t *exit_info;

    if (size < sizeof(h) + 4 || size > sizeof(h) + MEMORY) {
        return 0;
    }
    memcpy(&h, data, sizeof(h));
    memset(memory, 0, MEMORY);
    memcpy(memory, data + sizeof(h), size - sizeof(h));

    must(hv_vm_create(NULL));
    for (unsigned i = 0; i < 4; i++) {
        must(hv_vm_map(memory + i * (MEMORY / 4), i * (MEMORY / 4), MEMORY / 4,
                       i == 0 ? 7 : h.permissions[i] & 7u));
    }
    must(hv_vcpu_create(&vcpu, &exit_info, NULL));
    set_registers(vcpu, &h);
    running_vcpu = vcpu;
    for (unsigned i = 0; i < MAX_EXITS; i++) {
        atomic_store(&running_since, atomic_load(&tick));
        const hv_return_t ret = hv_vcpu_run(vcpu);
        atomic_store(&running_since, 0);
        must(ret);
        if (exit_info->reason == HV_EXIT_REASON_CANCELED) {
            break;
        }
        if (exit_info->reason == HV_EXIT_REASON_UNKNOWN ||
            exit_info->reason > HV_EXIT_REASON_UNKNOWN) {
            abort();
        }
        uint64_t pc = 0;
        must(hv_vcpu_get_reg(vcpu, HV_REG_PC, &pc));
        must(hv_vcpu_set_reg(vcpu, HV_REG_PC,
                             exit_info->exception.syndrome >> 26 == 0x16 ? pc : pc + 4));
        must(hv_vcpu_set_vtimer_mask(vcpu, false));
    }
    must(hv_vcpu_destroy(vcpu));
    must(hv_vm_destroy());
    return 0;
}

#ifndef FUZZER
int main(int argc, char **argv)
{
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        static uint8_t bytes[sizeof(struct input_header) + MEMORY];
        FILE *const file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        LLVMFuzzerTestOneInput(bytes, fread(bytes, 1, sizeof(bytes), file));
        fclose(file);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
#endif
