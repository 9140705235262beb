/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* `applevisor run`: a bare-metal program on the public API. Options, the VM, and a thread per vCPU. */
#include "run.h"

#include <errno.h>
#include <os/object.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GICD_BASE   0x08000000ull /* with --gic, both as in QEMU's virt machine */
#define GICR_BASE   0x080a0000ull
#define STACK_BYTES 0x10000ull
#define MAX_CPUS    64

/* --- vCPUs ------------------------------------------------------------------------------------------------------------------- */

static bool create_vcpu(struct cpu *cpu)
{
    const hv_return_t ret = hv_vcpu_create(&cpu->vcpu, &cpu->exit, NULL);

    if (ret != HV_SUCCESS) {
        complain("hv_vcpu_create: %s (0x%08x)", hv_name(ret), (unsigned)ret);
        run_finish(cpu->run, EXIT_HYPERVISOR);
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
    while (run->n_created < cpu->number && !run_has_ended(run)) {
        pthread_cond_wait(&run->created, &run->lock);
    }
    const bool turn = run->n_created == cpu->number;
    pthread_mutex_unlock(&run->lock);
    ok = turn && create_vcpu(cpu);
    pthread_mutex_lock(&run->lock);
    run->n_created += ok;
    pthread_cond_broadcast(&run->created);
    while (run->n_created < run->options.cpus && !run_has_ended(run)) {
        pthread_cond_wait(&run->created, &run->lock);
    }
    pthread_mutex_unlock(&run->lock);
    return ok;
}

/* What a program that is switched on may count on, where the vCPU is an old one: beside what av_psci_enter() sets. */
static void reset_vcpu(const struct cpu *cpu)
{
    static const hv_sys_reg_t registers[] = {
        HV_SYS_REG_CPACR_EL1,   HV_SYS_REG_TTBR0_EL1,      HV_SYS_REG_TTBR1_EL1,
        HV_SYS_REG_TCR_EL1,     HV_SYS_REG_MAIR_EL1,       HV_SYS_REG_CNTP_CTL_EL0,
        HV_SYS_REG_CNTKCTL_EL1, HV_SYS_REG_CONTEXTIDR_EL1,
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
static void power_on(struct cpu *cpu, const av_psci_start *start)
{
    struct run *const run = cpu->run;
    const struct image *const image = &run->image;

    if (run->options.gic) {
        reset_vcpu(cpu);
    } else if (!create_vcpu(cpu)) {
        return;
    }
    av_psci_attach(run->psci, cpu->number, cpu->vcpu);
    hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_VBAR_EL1, VECTORS_BASE);
    hv_vcpu_set_sys_reg(cpu->vcpu, HV_SYS_REG_SP_EL1,
                        image->ram_base + image->ram_size - cpu->number * STACK_BYTES);
    if (av_psci_enter(cpu->vcpu, start->entry, start->context) == AV_OK) {
        run_loop(cpu);
    } else {
        complain("%s", av_error_message());
        run_finish(run, EXIT_HYPERVISOR);
    }
    av_psci_detach(run->psci, cpu->number);
    if (!run->options.gic) {
        hv_vcpu_destroy(cpu->vcpu);
    }
}

static void *cpu_thread(void *argument)
{
    struct cpu *const cpu = argument;
    struct run *const run = cpu->run;
    const bool keeps_vcpu = run->options.gic && create_in_order(cpu);
    av_psci_start start;

    while (av_psci_wait(run->psci, cpu->number, &start) == AV_OK && start.stop == AV_PSCI_RUNNING) {
        power_on(cpu, &start);
    }
    if (keeps_vcpu) {
        hv_vcpu_destroy(cpu->vcpu);
    }
    return NULL;
}

/* Whoever ended the run gave the code; otherwise it was the guest, by PSCI. */
static int exit_code(struct run *run)
{
    if (atomic_load(&run->ended)) {
        return atomic_load(&run->code);
    }
    if (av_psci_stopped(run->psci) == AV_PSCI_ALL_OFF) {
        complain("every vCPU is off, and none is left to switch one on");
        return EXIT_GUEST_FAULT;
    }
    return 0;
}

void run_finish(struct run *run, int code)
{
    if (!atomic_exchange(&run->ended, true)) {
        atomic_store(&run->code, code);
    }
    av_psci_request_stop(run->psci);
    pthread_mutex_lock(&run->lock);
    pthread_cond_broadcast(&run->created);
    pthread_mutex_unlock(&run->lock);
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

static bool parse(int argc, char **argv, struct run_options *o)
{
    *o = (struct run_options){.memory = 64u << 20, .cpus = 1};
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

static bool create_psci(struct run *run)
{
    av_psci_options options;

    av_psci_options_init(&options);
    options.n_cpus = run->options.cpus;
    if (av_psci_create(&run->psci, &options) != AV_OK ||
        av_psci_boot(run->psci, 0, run->image.entry, 0) != AV_OK) {
        complain("%s", av_error_message());
        return false;
    }
    return true;
}

static void run_threads(struct run *run)
{
    struct cpu cpus[MAX_CPUS];
    pthread_t threads[MAX_CPUS];
    unsigned started = 0;

    for (; started < run->options.cpus; started++) {
        cpus[started] = (struct cpu){.run = run, .number = started};
        const int error = pthread_create(&threads[started], NULL, cpu_thread, &cpus[started]);
        if (error != 0) {
            complain("no thread for vCPU %u: %s", started, strerror(error));
            run_finish(run, EXIT_HYPERVISOR);
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
}

int command_run(int argc, char **argv)
{
    static struct run run = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .created = PTHREAD_COND_INITIALIZER};
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

    if (!create_psci(&run)) {
        return EXIT_HYPERVISOR;
    }
    run_threads(&run);
    hv_vm_destroy();
    const int code = exit_code(&run);
    av_psci_destroy(run.psci);
    return code;
}
