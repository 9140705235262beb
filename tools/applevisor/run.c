/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* `applevisor run`: a bare-metal program on the public API. */
#include <errno.h>
#include <os/object.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "applevisor.h"

#define RAM_BASE     0x40000000ull
#define UART_BASE    0x09000000ull
#define UART_SIZE    0x1000ull
#define GICD_BASE    0x08000000ull /* with --gic, both as in QEMU's virt machine */
#define GICR_BASE    0x080a0000ull
#define VECTORS_BASE 0x04000000ull /* our EL1 vectors: HVC in the slots of synchronous exceptions */
#define PAGE         0x4000u
#define STACK_BYTES  0x10000ull
#define SEMIHOSTING  0xf000u
#define HVC_VECTOR   0xf001u /* of our vectors */
#define MAX_CPUS     64

struct options {
    const char *file;
    bool flat, trace, gic;
    uint64_t flat_address, memory, max_exits;
    unsigned cpus;
};

struct run {
    struct options options;
    struct image image;
    _Atomic uint64_t exits;
    _Atomic bool stop;
    _Atomic int code;
    pthread_mutex_t lock; /* guards what follows and the power of the cpus */
    pthread_cond_t power_changed;
    hv_vcpu_t vcpus[MAX_CPUS];
    unsigned n_vcpus;
    struct cpu *cpus;
    unsigned n_powered; /* cpus that are not off */
    unsigned n_created; /* vCPUs, with --gic */
};

/* The values are AFFINITY_INFO's answers. */
enum power { POWER_ON = 0, POWER_OFF = 1, POWER_ON_PENDING = 2 };

struct cpu {
    struct run *run;
    unsigned number;
    hv_vcpu_t vcpu; /* while it is on */
    hv_vcpu_exit_t *exit;
    bool switch_off; /* CPU_OFF was called; of its own thread alone */
    enum power power;
    uint64_t entry, context; /* of the next start */
};

/* The first reason to end counts; all vCPUs are told. */
static void finish(struct run *run, int code)
{
    if (!atomic_exchange(&run->stop, true)) {
        atomic_store(&run->code, code);
    }
    pthread_mutex_lock(&run->lock);
    hv_vcpus_exit(run->vcpus, run->n_vcpus);
    pthread_cond_broadcast(&run->power_changed);
    pthread_mutex_unlock(&run->lock);
}

static uint64_t get(const struct cpu *cpu, hv_reg_t reg)
{
    uint64_t value = 0;

    hv_vcpu_get_reg(cpu->vcpu, reg, &value);
    return value;
}

static void set(const struct cpu *cpu, hv_reg_t reg, uint64_t value)
{
    hv_vcpu_set_reg(cpu->vcpu, reg, value);
}

static void console(const void *bytes, size_t size)
{
    fwrite(bytes, 1, size, stdout);
    fflush(stdout);
}

/* --- Semihosting ------------------------------------------------------------------------------------------------------------- */

/* Guest memory by physical address: the MMU is the guest's affair, and its parameter blocks lie in RAM. */
static const uint8_t *ram_at(const struct run *run, uint64_t address, uint64_t size)
{
    const struct image *const image = &run->image;

    if (address < image->ram_base || size > image->ram_size ||
        address - image->ram_base > image->ram_size - size) {
        return NULL;
    }
    return image->ram + (address - image->ram_base);
}

static bool ram_words(const struct run *run, uint64_t address, uint64_t *words, size_t n)
{
    const uint8_t *const p = ram_at(run, address, n * sizeof(words[0]));

    if (p == NULL) {
        return false;
    }
    memcpy(words, p, n * sizeof(words[0]));
    return true;
}

static void semihosting(struct cpu *cpu)
{
    struct run *const run = cpu->run;
    const uint64_t argument = get(cpu, HV_REG_X1);
    uint64_t words[3];
    uint64_t result = UINT64_MAX;

    switch (get(cpu, HV_REG_X0) & 0xffffffff) {
    case 0x03: { /* SYS_WRITEC */
        const uint8_t *const c = ram_at(run, argument, 1);
        if (c != NULL) {
            console(c, 1);
            result = 0;
        }
        break;
    }
    case 0x04: /* SYS_WRITE0 */
        for (uint64_t a = argument;; a++) {
            const uint8_t *const c = ram_at(run, a, 1);
            if (c == NULL || *c == '\0') {
                break;
            }
            fputc(*c, stdout);
        }
        fflush(stdout);
        result = 0;
        break;
    case 0x05: /* SYS_WRITE: handle, address, length; the result is the number of bytes not written */
        if (ram_words(run, argument, words, 3)) {
            const uint8_t *const bytes = ram_at(run, words[1], words[2]);
            result = words[2];
            if (bytes != NULL && words[0] <= 2) {
                console(bytes, words[2]);
                result = 0;
            }
        }
        break;
    case 0x01: /* SYS_OPEN: the console is handle 1, whatever the name */
        result = 1;
        break;
    case 0x18: /* SYS_EXIT: reason 0x20026 is an orderly end; A64 passes a block of reason and code */
    case 0x20: /* SYS_EXIT_EXTENDED */
        if (ram_words(run, argument, words, 2)) {
            finish(run, words[0] == 0x20026 ? (int)(words[1] & 0xff) : 1);
        } else {
            finish(run, 1);
        }
        return;
    default:
        complain("semihosting operation 0x%llx is not there",
                 (unsigned long long)get(cpu, HV_REG_X0));
        break;
    }
    set(cpu, HV_REG_X0, result);
}

/* A synchronous exception that the program has no vectors for. */
static void own_vector(struct cpu *cpu)
{
    uint64_t esr = 0, elr = 0, spsr = 0, far = 0;

    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_ESR_EL1, &esr);
    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_ELR_EL1, &elr);
    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_SPSR_EL1, &spsr);
    hv_vcpu_get_sys_reg(cpu->vcpu, HV_SYS_REG_FAR_EL1, &far);
    uint32_t word = 0;
    const uint8_t *const code = ram_at(cpu->run, elr, 4);
    if (code != NULL) {
        memcpy(&word, code, sizeof(word));
    }
    if (word == (0xd4400000u | SEMIHOSTING << 5)) { /* HLT #0xf000 */
        set(cpu, HV_REG_CPSR, spsr);
        set(cpu, HV_REG_PC, elr + 4);
        semihosting(cpu);
        return;
    }
    complain(
        "vCPU %u: exception at 0x%llx with no vectors installed: ESR_EL1 0x%llx (class 0x%llx), FAR_EL1 0x%llx",
        cpu->number, (unsigned long long)elr, (unsigned long long)esr,
        (unsigned long long)(esr >> 26), (unsigned long long)far);
    finish(cpu->run, EXIT_GUEST_FAULT);
}

/* --- PSCI (Arm DEN0022) ------------------------------------------------------------------------------------------------------ */

enum {
    PSCI_VERSION = 0x84000000,
    PSCI_CPU_OFF = 0x84000002,
    PSCI_CPU_ON = 0x84000003,
    PSCI_AFFINITY_INFO = 0x84000004,
    PSCI_SYSTEM_OFF = 0x84000008,
    PSCI_SMC64 = 0x40000000, /* of the function's number: its arguments are 64 bits wide */
    PSCI_VERSION_1_1 = 0x10001
};
enum {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
    PSCI_INVALID_ADDRESS = -9
};

static int64_t cpu_on(struct run *run, uint64_t target, uint64_t entry, uint64_t context)
{
    int64_t result = PSCI_SUCCESS;

    if (target >= run->options.cpus) {
        return PSCI_INVALID_PARAMETERS;
    }
    if (entry % 4 != 0) {
        return PSCI_INVALID_ADDRESS;
    }
    struct cpu *const cpu = &run->cpus[target];
    pthread_mutex_lock(&run->lock);
    if (cpu->power == POWER_OFF) {
        cpu->entry = entry;
        cpu->context = context;
        cpu->power = POWER_ON_PENDING;
        run->n_powered++;
        pthread_cond_broadcast(&run->power_changed);
    } else {
        result = cpu->power == POWER_ON ? PSCI_ALREADY_ON : PSCI_ON_PENDING;
    }
    pthread_mutex_unlock(&run->lock);
    return result;
}

static int64_t affinity_info(struct run *run, uint64_t target, uint64_t lowest_level)
{
    if (target >= run->options.cpus || lowest_level != 0) {
        return PSCI_INVALID_PARAMETERS;
    }
    pthread_mutex_lock(&run->lock);
    const enum power power = run->cpus[target].power;
    pthread_mutex_unlock(&run->lock);
    return power;
}

static void psci(struct cpu *cpu)
{
    struct run *const run = cpu->run;
    const uint32_t function = (uint32_t)get(cpu, HV_REG_X0);
    const uint64_t mask = (function & PSCI_SMC64) != 0 ? UINT64_MAX : UINT32_MAX;
    const uint64_t x1 = get(cpu, HV_REG_X1) & mask, x2 = get(cpu, HV_REG_X2) & mask,
                   x3 = get(cpu, HV_REG_X3) & mask;
    int64_t result = PSCI_NOT_SUPPORTED;

    switch (function) {
    case PSCI_VERSION:
        result = PSCI_VERSION_1_1;
        break;
    case PSCI_CPU_OFF:
        cpu->switch_off = true;
        return;
    case PSCI_CPU_ON:
    case PSCI_CPU_ON | PSCI_SMC64:
        result = cpu_on(run, x1, x2, x3);
        break;
    case PSCI_AFFINITY_INFO:
    case PSCI_AFFINITY_INFO | PSCI_SMC64:
        result = affinity_info(run, x1, x2);
        break;
    case PSCI_SYSTEM_OFF:
        finish(run, 0);
        return;
    default:
        break;
    }
    set(cpu, HV_REG_X0, (uint64_t)result);
}

/* --- Exits ------------------------------------------------------------------------------------------------------------------- */

static void hypercall(struct cpu *cpu, unsigned imm)
{
    if (imm == SEMIHOSTING) {
        semihosting(cpu);
    } else if (imm == HVC_VECTOR) {
        own_vector(cpu);
    } else if (imm == 0) {
        psci(cpu);
    } else {
        set(cpu, HV_REG_X0, (uint64_t)(int64_t)PSCI_NOT_SUPPORTED);
    }
}

/* The PL011 as far as a polling program sees it. */
static bool uart_access(struct cpu *cpu, uint64_t syndrome, uint64_t address)
{
    const unsigned rt = (unsigned)(syndrome >> 16 & 0x1f);

    if ((syndrome >> 24 & 1) == 0) {
        return false;
    }
    if ((syndrome >> 6 & 1) != 0) {
        if (address == UART_BASE) {
            const uint8_t c = rt == 31 ? 0 : (uint8_t)get(cpu, HV_REG_X0 + rt);
            console(&c, 1);
        }
    } else if (rt != 31) {
        set(cpu, HV_REG_X0 + rt,
            address == UART_BASE + 0x18 ? 0x90 : 0); /* FR: TX and RX FIFOs empty */
    }
    set(cpu, HV_REG_PC, get(cpu, HV_REG_PC) + 4);
    return true;
}

static void fault(struct cpu *cpu, const char *what)
{
    const hv_vcpu_exit_exception_t *const e = &cpu->exit->exception;

    complain(
        "vCPU %u: %s at PC 0x%llx: syndrome 0x%llx, virtual address 0x%llx, physical address 0x%llx",
        cpu->number, what, (unsigned long long)get(cpu, HV_REG_PC), (unsigned long long)e->syndrome,
        (unsigned long long)e->virtual_address, (unsigned long long)e->physical_address);
    finish(cpu->run, EXIT_GUEST_FAULT);
}

static void handle_exception(struct cpu *cpu)
{
    const uint64_t syndrome = cpu->exit->exception.syndrome,
                   address = cpu->exit->exception.physical_address;

    switch (syndrome >> 26) {
    case 0x01: /* WFI: nothing here raises interrupts, so the program waits for its other vCPUs or for good */
        usleep(1000);
        set(cpu, HV_REG_PC, get(cpu, HV_REG_PC) + 4);
        break;
    case 0x16:
        hypercall(cpu, (unsigned)(syndrome & 0xffff));
        break;
    case 0x17: /* SMC: the same services */
        set(cpu, HV_REG_PC, get(cpu, HV_REG_PC) + 4);
        hypercall(cpu, (unsigned)(syndrome & 0xffff));
        break;
    case 0x18: /* a register that the framework does not give the guest: reads as zero, writes are ignored */
        if ((syndrome & 1) != 0 && (syndrome >> 5 & 0x1f) != 31) {
            set(cpu, HV_REG_X0 + (uint32_t)(syndrome >> 5 & 0x1f), 0);
        }
        set(cpu, HV_REG_PC, get(cpu, HV_REG_PC) + 4);
        break;
    case 0x24:
        if (address < UART_BASE || address >= UART_BASE + UART_SIZE ||
            !uart_access(cpu, syndrome, address)) {
            fault(cpu, "access to memory that is not there");
        }
        break;
    case 0x20:
        fault(cpu, "instruction fetch from memory that is not there");
        break;
    default:
        fault(cpu, "exception");
        break;
    }
}

static void run_loop(struct cpu *cpu)
{
    struct run *const run = cpu->run;

    while (!atomic_load(&run->stop) && !cpu->switch_off) {
        const hv_return_t ret = hv_vcpu_run(cpu->vcpu);
        if (ret != HV_SUCCESS) {
            complain("hv_vcpu_run: %s (0x%08x)", hv_name(ret), (unsigned)ret);
            finish(run, EXIT_HYPERVISOR);
            return;
        }
        const uint64_t exits = atomic_fetch_add(&run->exits, 1) + 1;
        if (run->options.trace) {
            fprintf(stderr, "vcpu %u: reason %u syndrome 0x%llx pc 0x%llx va 0x%llx ipa 0x%llx\n",
                    cpu->number, (unsigned)cpu->exit->reason,
                    (unsigned long long)cpu->exit->exception.syndrome,
                    (unsigned long long)get(cpu, HV_REG_PC),
                    (unsigned long long)cpu->exit->exception.virtual_address,
                    (unsigned long long)cpu->exit->exception.physical_address);
        }
        if (cpu->exit->reason == HV_EXIT_REASON_EXCEPTION) {
            handle_exception(cpu);
        } else if (cpu->exit->reason == HV_EXIT_REASON_UNKNOWN) {
            fault(cpu, "unknown exit");
        }
        if (run->options.max_exits != 0 && exits >= run->options.max_exits) {
            complain("stopped after %llu exits", (unsigned long long)exits);
            finish(run, EXIT_MAX_EXITS);
        }
    }
}

static bool create_vcpu(struct cpu *cpu)
{
    const hv_return_t ret = hv_vcpu_create(&cpu->vcpu, &cpu->exit, NULL);

    if (ret != HV_SUCCESS) {
        complain("hv_vcpu_create: %s (0x%08x)", hv_name(ret), (unsigned)ret);
        finish(cpu->run, EXIT_HYPERVISOR);
        return false;
    }
    hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_MPIDR_EL1, cpu->number);
    return true;
}

/* With a GIC the vCPUs exist from the beginning and to the end: Redistributors lie in the order of creation, which is that of the
 * numbers, and the first program to look finds them all. */
static bool create_in_order(struct cpu *cpu)
{
    struct run *const run = cpu->run;
    bool ok = false;

    pthread_mutex_lock(&run->lock);
    while (run->n_created < cpu->number && !atomic_load(&run->stop)) {
        pthread_cond_wait(&run->power_changed, &run->lock);
    }
    const bool turn = run->n_created == cpu->number;
    pthread_mutex_unlock(&run->lock);
    ok = turn && create_vcpu(cpu);
    pthread_mutex_lock(&run->lock);
    run->n_created += ok;
    pthread_cond_broadcast(&run->power_changed);
    while (run->n_created < run->options.cpus && !atomic_load(&run->stop)) {
        pthread_cond_wait(&run->power_changed, &run->lock);
    }
    pthread_mutex_unlock(&run->lock);
    return ok;
}

/* What a program that is switched on may count on, where the vCPU is an old one. */
static void reset_vcpu(const struct cpu *cpu)
{
    static const hv_sys_reg_t registers[] = {
        HV_SYS_REG_SCTLR_EL1,    HV_SYS_REG_CPACR_EL1,      HV_SYS_REG_TTBR0_EL1,
        HV_SYS_REG_TTBR1_EL1,    HV_SYS_REG_TCR_EL1,        HV_SYS_REG_MAIR_EL1,
        HV_SYS_REG_CNTV_CTL_EL0, HV_SYS_REG_CNTP_CTL_EL0,   HV_SYS_REG_CNTKCTL_EL1,
        HV_SYS_REG_MDSCR_EL1,    HV_SYS_REG_CONTEXTIDR_EL1,
    };
    static const hv_gic_icc_reg_t interface[] = {
        HV_GIC_ICC_REG_PMR_EL1,     HV_GIC_ICC_REG_BPR0_EL1,    HV_GIC_ICC_REG_AP0R0_EL1,
        HV_GIC_ICC_REG_AP1R0_EL1,   HV_GIC_ICC_REG_BPR1_EL1,    HV_GIC_ICC_REG_CTLR_EL1,
        HV_GIC_ICC_REG_IGRPEN0_EL1, HV_GIC_ICC_REG_IGRPEN1_EL1,
    };

    for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
        hv_vcpu_set_sys_reg(cpu->vcpu, registers[i], 0);
    }
    for (unsigned i = 0; i < sizeof(interface) / sizeof(interface[0]); i++) {
        hv_gic_set_icc_reg(cpu->vcpu, interface[i], 0);
    }
}

/* From being switched on to being switched off. A new vCPU each time, without a GIC: its registers are those of a reset. */
static void power_on(struct cpu *cpu)
{
    struct run *const run = cpu->run;
    const struct image *const image = &run->image;

    if (run->options.gic) {
        reset_vcpu(cpu);
    } else if (!create_vcpu(cpu)) {
        return;
    }
    pthread_mutex_lock(&run->lock);
    run->vcpus[run->n_vcpus++] = cpu->vcpu;
    cpu->power = POWER_ON;
    pthread_mutex_unlock(&run->lock);
    hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_VBAR_EL1, VECTORS_BASE);
    hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_SP_EL1,
                        image->ram_base + image->ram_size - cpu->number * STACK_BYTES);
    set(cpu, HV_REG_PC, cpu->entry);
    set(cpu, HV_REG_CPSR, 0x3c5);
    set(cpu, HV_REG_X0, cpu->context);
    cpu->switch_off = false;
    run_loop(cpu);
    pthread_mutex_lock(&run->lock);
    for (unsigned i = 0; i < run->n_vcpus; i++) {
        if (run->vcpus[i] == cpu->vcpu) {
            run->vcpus[i] = run->vcpus[--run->n_vcpus];
            break;
        }
    }
    pthread_mutex_unlock(&run->lock);
    if (!run->options.gic) {
        hv_vcpu_destroy(cpu->vcpu);
    }
}

static void *cpu_thread(void *argument)
{
    struct cpu *const cpu = argument;
    struct run *const run = cpu->run;
    const bool keeps_vcpu = run->options.gic && create_in_order(cpu);

    while (!atomic_load(&run->stop)) {
        pthread_mutex_lock(&run->lock);
        while (cpu->power == POWER_OFF && !atomic_load(&run->stop)) {
            pthread_cond_wait(&run->power_changed, &run->lock);
        }
        pthread_mutex_unlock(&run->lock);
        if (atomic_load(&run->stop)) {
            break;
        }
        power_on(cpu);
        pthread_mutex_lock(&run->lock);
        cpu->power = POWER_OFF;
        const bool all_off = --run->n_powered == 0;
        pthread_mutex_unlock(&run->lock);
        if (all_off && !atomic_load(&run->stop)) {
            complain("every vCPU is off, and none is left to switch one on");
            finish(run, EXIT_GUEST_FAULT);
        }
    }
    if (keeps_vcpu) {
        hv_vcpu_destroy(cpu->vcpu);
    }
    return NULL;
}

/* --- Command line ------------------------------------------------------------------------------------------------------------ */

static bool number(const char *option, const char *text, bool suffix, uint64_t *value)
{
    char *end = NULL;

    errno = 0;
    const unsigned long long n = text != NULL && text[0] >= '0' && text[0] <= '9'
                                     ? strtoull(text, &end, 0)
                                     : 0;
    unsigned shift = 0;
    if (end != NULL && suffix && *end != '\0') {
        shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
        end += shift != 0;
    }
    if (end == NULL || *end != '\0' || errno != 0 || n > UINT64_MAX >> shift) {
        complain("%s: '%s' is not a number%s", option, text != NULL ? text : "",
                 suffix ? " of bytes (K, M and G are understood)" : "");
        return false;
    }
    *value = n << shift;
    return true;
}

static bool parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.memory = 64u << 20, .cpus = 1};
    for (int i = 1; i < argc; i++) {
        const char *const a = argv[i], *const value = i + 1 < argc ? argv[i + 1] : NULL;
        uint64_t n = 0;
        if (strcmp(a, "--trace") == 0) {
            o->trace = true;
            continue;
        }
        if (strcmp(a, "--gic") == 0) {
            o->gic = true;
            continue;
        }
        if (a[0] != '-') {
            if (o->file != NULL) {
                complain("one FILE is run, and '%s' is a second", a);
                return false;
            }
            o->file = a;
            continue;
        }
        if (strcmp(a, "--flat") == 0) {
            o->flat = true;
            if (!number(a, value, false, &o->flat_address)) {
                return false;
            }
        } else if (strcmp(a, "--memory") == 0) {
            if (!number(a, value, true, &o->memory)) {
                return false;
            }
            if (o->memory < 2 * MAX_CPUS * STACK_BYTES || o->memory > 16ull << 30 ||
                o->memory % PAGE != 0) {
                complain("--memory: '%s' is not a multiple of 16K from 8M to 16G", value);
                return false;
            }
        } else if (strcmp(a, "--cpus") == 0) {
            if (!number(a, value, false, &n)) {
                return false;
            }
            if (n < 1 || n > MAX_CPUS) {
                complain("--cpus: '%s' is not from 1 to %u", value, MAX_CPUS);
                return false;
            }
            o->cpus = (unsigned)n;
        } else if (strcmp(a, "--max-exits") == 0) {
            if (!number(a, value, false, &o->max_exits)) {
                return false;
            }
        } else {
            complain("there is no option '%s'; see applevisor --help", a);
            return false;
        }
        i++;
    }
    if (o->file == NULL) {
        complain("run needs a FILE; see applevisor --help");
        return false;
    }
    return true;
}

static int refused(const char *call, hv_return_t ret)
{
    complain("%s: %s (0x%08x); HV_TRACE=1 says why", call, hv_name(ret), (unsigned)ret);
    return EXIT_HYPERVISOR;
}

/* Sixteen vectors of 0x80 bytes. */
static void make_vectors(uint32_t *page)
{
    for (unsigned vector = 0; vector < 16; vector++) {
        page[vector * 32] = 0xd4000002u | HVC_VECTOR << 5;
    }
}

static hv_return_t create_gic(void)
{
    hv_gic_config_t config = hv_gic_config_create();
    hv_return_t ret = hv_gic_config_set_distributor_base(config, GICD_BASE);

    if (ret == HV_SUCCESS) {
        ret = hv_gic_config_set_redistributor_base(config, GICR_BASE);
    }
    if (ret == HV_SUCCESS) {
        ret = hv_gic_create(config);
    }
    os_release(config);
    return ret;
}

int command_run(int argc, char **argv)
{
    static struct run run = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .power_changed = PTHREAD_COND_INITIALIZER};
    void *ram = NULL, *vectors = NULL;
    hv_return_t ret;

    if (!parse(argc, argv, &run.options)) {
        return EXIT_USAGE;
    }
    if ((ret = hv_vm_create(NULL)) != HV_SUCCESS) {
        return refused("hv_vm_create", ret);
    }
    if (run.options.gic && (ret = create_gic()) != HV_SUCCESS) {
        return refused("hv_gic_create", ret);
    }
    if ((ret = hv_vm_allocate(&ram, run.options.memory, HV_ALLOCATE_DEFAULT)) != HV_SUCCESS ||
        (ret = hv_vm_allocate(&vectors, PAGE, HV_ALLOCATE_DEFAULT)) != HV_SUCCESS) {
        return refused("hv_vm_allocate", ret);
    }
    run.image = (struct image){.ram_base = RAM_BASE, .ram_size = run.options.memory, .ram = ram};
    if (!image_load(&run.image, run.options.file, run.options.flat, run.options.flat_address)) {
        return EXIT_FILE;
    }
    make_vectors(vectors);
    if ((ret = hv_vm_map(ram, RAM_BASE, run.options.memory,
                         HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC)) != HV_SUCCESS ||
        (ret = hv_vm_map(vectors, VECTORS_BASE, PAGE, HV_MEMORY_READ | HV_MEMORY_EXEC)) !=
            HV_SUCCESS) {
        return refused("hv_vm_map", ret);
    }

    struct cpu cpus[MAX_CPUS];
    pthread_t threads[MAX_CPUS];
    unsigned started = 0;
    for (unsigned i = 0; i < run.options.cpus; i++) {
        cpus[i] = (struct cpu){.run = &run, .number = i, .power = POWER_OFF};
    }
    cpus[0].power = POWER_ON_PENDING;
    cpus[0].entry = run.image.entry;
    run.cpus = cpus;
    run.n_powered = 1;
    for (; started < run.options.cpus; started++) {
        if (pthread_create(&threads[started], NULL, cpu_thread, &cpus[started]) != 0) {
            complain("no thread for vCPU %u: %s", started, strerror(errno));
            finish(&run, EXIT_HYPERVISOR);
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    hv_vm_destroy();
    return atomic_load(&run.code);
}
