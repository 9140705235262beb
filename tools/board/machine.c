/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The life of the machine. A reset makes a new virtual machine: the framework can reset neither vCPUs nor their part of the GIC, and a new
 * one is sure to be as after power on. RAM keeps its contents, as real RAM may.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device_tree.h"
#include "machine_internal.h"
#include "map.h"

#define MIB      (1ull << 20)
#define DTB_SIZE (1 * MIB) /* Linux takes up to 2 MiB; ours have some KiB */
#define KERNEL_GAP \
    (2 * MIB) /* the boot protocol's alignment; the device tree lies below the kernel */

/* For messages of the framework's refusals. */
static const char *name_of(hv_return_t ret)
{
    static const struct {
        hv_return_t ret;
        const char *name;
    } names[] = {
        {HV_ERROR, "HV_ERROR"},
        {HV_BUSY, "HV_BUSY"},
        {HV_BAD_ARGUMENT, "HV_BAD_ARGUMENT"},
        {HV_ILLEGAL_GUEST_STATE, "HV_ILLEGAL_GUEST_STATE"},
        {HV_NO_RESOURCES, "HV_NO_RESOURCES"},
        {HV_NO_DEVICE, "HV_NO_DEVICE"},
        {HV_DENIED, "HV_DENIED"},
        {HV_UNSUPPORTED, "HV_UNSUPPORTED"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].ret == ret) {
            return names[i].name;
        }
    }
    return "an unknown error";
}

bool machine_refused(struct machine *machine, const char *call, hv_return_t ret)
{
    board_warn("%s: %s (0x%08x); HV_TRACE=1 says why", call, name_of(ret), (unsigned)ret);
    machine_finish(machine, MACHINE_HYPERVISOR);
    return false;
}

void machine_finish(struct machine *machine, enum machine_end end)
{
    pthread_mutex_lock(&machine->lock);
    const int now = atomic_load(&machine->end);
    /* What ends for good goes before a reset that has not been carried out yet. */
    if (now == MACHINE_RUNNING || (now == MACHINE_RESET && end != MACHINE_OFF)) {
        atomic_store(&machine->end, (int)end);
    }
    pthread_cond_broadcast(&machine->changed);
    pthread_mutex_unlock(&machine->lock);
    av_psci_request_stop(machine->psci);
}

/* --- The virtual machine ------------------------------------------------------------------------------------------------------ */

static void raise_spi(void *opaque, uint32_t intid, bool level)
{
    (void)opaque;
    /* Between two virtual machines there is none to tell: the devices are reset before the next one runs. */
    hv_gic_set_spi(intid, level);
}

static bool create_vm(struct machine *machine)
{
    uint32_t bits = 0, needed = 1;
    hv_vm_config_t config = NULL;

    while ((RAM_BASE + machine->config.memory - 1) >> needed != 0) {
        needed++;
    }
    /* The default is 36 bits, which every host has: only larger guests need a configuration, and macOS 13 with it. */
    if (hv_vm_config_get_default_ipa_size(&bits) == HV_SUCCESS && needed > bits) {
        config = hv_vm_config_create();
        const hv_return_t ret = hv_vm_config_set_ipa_size(config, needed);
        if (ret != HV_SUCCESS) {
            os_release(config);
            return machine_refused(
                machine, "hv_vm_config_set_ipa_size (--memory asks for more than the host offers)",
                ret);
        }
    }
    const hv_return_t ret = hv_vm_create(config);
    os_release(config);
    return ret == HV_SUCCESS || machine_refused(machine, "hv_vm_create", ret);
}

static bool create_gic(struct machine *machine)
{
    const hv_gic_config_t config = hv_gic_config_create();

    if (config == NULL) {
        return machine_refused(machine, "hv_gic_config_create", HV_UNSUPPORTED);
    }
    hv_return_t ret = hv_gic_config_set_distributor_base(config, GICD_BASE);
    if (ret == HV_SUCCESS) {
        ret = hv_gic_config_set_redistributor_base(config, GICR_BASE);
    }
    if (ret == HV_SUCCESS) {
        ret = hv_gic_create(config);
    }
    os_release(config);
    return ret == HV_SUCCESS || machine_refused(machine, "hv_gic_create", ret);
}

static bool power_on(struct machine *machine)
{
    if (!create_vm(machine)) {
        return false;
    }
    const hv_return_t ret = hv_vm_map(machine->ram, RAM_BASE, machine->config.memory,
                                      HV_MEMORY_READ | HV_MEMORY_WRITE | HV_MEMORY_EXEC);
    if (ret != HV_SUCCESS) {
        machine_refused(machine, "hv_vm_map", ret);
    } else if (create_gic(machine) && machine_start_cpus(machine)) {
        return true;
    }
    return false;
}

static void power_off(struct machine *machine)
{
    machine_join_cpus(machine);
    hv_vm_destroy(); /* HV_NO_DEVICE where its creation was refused */
}

/* --- What the guest starts from ----------------------------------------------------------------------------------------------- */

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/*
 *   RAM_BASE                device tree
 *   RAM_BASE + 2 MiB        kernel: text_offset, then image_size
 *   the next 2 MiB border   initrd
 */
static bool place(struct machine *machine)
{
    const struct machine_config *const config = &machine->config;
    const uint64_t base = RAM_BASE + KERNEL_GAP, end = RAM_BASE + config->memory;
    const uint64_t kernel_end = base + config->kernel->text_offset + config->kernel->image_size;

    machine->dtb = RAM_BASE;
    machine->entry = base + config->kernel->text_offset;
    machine->initrd = align_up(kernel_end, KERNEL_GAP);
    if (kernel_end > end) {
        board_warn("the kernel needs %llu MiB of RAM and there are %llu; --memory makes it more",
                   (unsigned long long)((kernel_end - RAM_BASE + MIB - 1) / MIB),
                   (unsigned long long)(config->memory / MIB));
        return false;
    }
    if (config->initrd != NULL &&
        (machine->initrd > end || config->initrd->size > end - machine->initrd)) {
        board_warn(
            "kernel and initrd need %llu MiB of RAM and there are %llu; --memory makes it more",
            (unsigned long long)((machine->initrd + config->initrd->size - RAM_BASE + MIB - 1) /
                                 MIB),
            (unsigned long long)(config->memory / MIB));
        return false;
    }
    return true;
}

static bool load(struct machine *machine)
{
    const struct machine_config *const config = &machine->config;
    uint8_t seed[64];
    const bool seeded = getentropy(seed, sizeof(seed)) == 0;
    const struct board_fdt_config fdt = {
        .cpus = config->cpus,
        .ram_base = RAM_BASE,
        .ram_size = config->memory,
        .gicd_base = GICD_BASE,
        .gicr_base = GICR_BASE,
        .gicr_size = config->cpus * 0x20000ull,
        .initrd = machine->initrd,
        .initrd_size = config->initrd != NULL ? config->initrd->size : 0,
        .command_line = config->command_line,
        .stdout_path = "/uart@9000000",
        .seed = seeded ? seed : NULL,
    };

    memcpy(machine->ram + (machine->entry - RAM_BASE), config->kernel->file.bytes,
           config->kernel->file.size);
    if (config->initrd != NULL) {
        memcpy(machine->ram + (machine->initrd - RAM_BASE), config->initrd->bytes,
               config->initrd->size);
    }
    if (!board_fdt_make(machine->board, &fdt, machine->ram + (machine->dtb - RAM_BASE), DTB_SIZE)) {
        board_warn("the device tree does not fit into %llu KiB; shorten --append", DTB_SIZE / 1024);
        return false;
    }
    return true;
}

/* --- Life --------------------------------------------------------------------------------------------------------------------- */

enum machine_end machine_run(struct machine *machine)
{
    /* A reset begins here anew; an end for good that came meanwhile holds. */
    pthread_mutex_lock(&machine->lock);
    if (atomic_load(&machine->end) == MACHINE_RESET) {
        atomic_store(&machine->end, MACHINE_RUNNING);
    }
    pthread_mutex_unlock(&machine->lock);
    board_reset_devices(machine->board);
    if (av_psci_stopped(machine->psci) != AV_PSCI_RUNNING) {
        av_psci_reset(machine->psci);
    }
    if (!load(machine)) {
        machine_finish(machine, MACHINE_FAULT);
    } else if (power_on(machine) && board_start_loop(machine->board)) {
        machine_let_go(machine);
        pthread_mutex_lock(&machine->lock);
        while (!machine_ended(machine)) {
            pthread_cond_wait(&machine->changed, &machine->lock);
        }
        pthread_mutex_unlock(&machine->lock);
    } else {
        machine_finish(machine, MACHINE_HYPERVISOR);
    }
    power_off(machine);
    board_stop_loop(machine->board);
    return (enum machine_end)atomic_load(&machine->end);
}

struct board *machine_board(struct machine *machine)
{
    return machine->board;
}

/* A vCPU starts in RAM. */
static bool entry_is_valid(void *context, uint64_t entry)
{
    const struct machine *const machine = context;

    return board_ram(machine->board, entry, 4) != NULL;
}

static bool create_psci(struct machine *machine)
{
    const unsigned n = machine->config.cpus;
    uint64_t *const mpidrs = calloc(n, sizeof(mpidrs[0]));
    av_psci_options options;

    if (mpidrs == NULL) {
        board_warn("no memory for %u vCPUs", n);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        mpidrs[i] = board_mpidr(i);
    }
    av_psci_options_init(&options);
    options.n_cpus = n;
    options.mpidrs = mpidrs;
    options.entry_is_valid = entry_is_valid;
    options.context = machine;
    const av_error error = av_psci_create(&machine->psci, &options);
    free(mpidrs);
    if (error != AV_OK) {
        board_warn("%s", av_error_message());
    }
    return error == AV_OK;
}

/* In huge pages where the host gives them: a guest's accesses go through the host's TLB as well. MAP_FAILED: none is left. */
static void *map_ram(size_t size)
{
    const size_t huge = 2u << 20;
    char *const p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANON | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        return MAP_FAILED;
    }
    const size_t before = -(uintptr_t)p % huge;
    if (before != 0) {
        munmap(p, before);
    }
    munmap(p + before + size, huge - before);
#ifdef MADV_HUGEPAGE
    madvise(p + before, size, MADV_HUGEPAGE);
#endif
    return p + before;
}

struct machine *machine_create(const struct machine_config *config)
{
    struct machine *const machine = calloc(1, sizeof(*machine));
    void *ram = MAP_FAILED;

    if (machine != NULL) {
        machine->config = *config;
        pthread_mutex_init(&machine->lock, NULL);
        pthread_cond_init(&machine->changed, NULL);
        machine->cpus = calloc(config->cpus, sizeof(machine->cpus[0]));
        /* Memory is taken when the guest touches it. */
        ram = map_ram(config->memory);
    }
    if (machine == NULL || machine->cpus == NULL || ram == MAP_FAILED) {
        board_warn("no memory for a guest with %llu MiB of RAM: %s",
                   (unsigned long long)(config->memory / MIB), strerror(errno));
        machine_destroy(machine);
        return NULL;
    }
    machine->ram = ram;
    machine->board = board_create(&(struct board_config){
        .ram_base = RAM_BASE, .ram_size = config->memory, .ram = ram, .irq_sink = raise_spi});
    if (machine->board == NULL) {
        board_warn("no memory or file descriptors for the board");
    }
    if (machine->board == NULL || !place(machine)) {
        machine_destroy(machine);
        return NULL;
    }
    for (unsigned i = 0; i < config->cpus; i++) {
        machine->cpus[i] = (struct cpu){.machine = machine, .number = i};
    }
    if (!create_psci(machine)) {
        machine_destroy(machine);
        return NULL;
    }
    return machine;
}

void machine_destroy(struct machine *machine)
{
    if (machine == NULL) {
        return;
    }
    board_destroy(machine->board);
    av_psci_destroy(machine->psci);
    if (machine->ram != NULL) {
        munmap(machine->ram, machine->config.memory);
    }
    pthread_cond_destroy(&machine->changed);
    pthread_mutex_destroy(&machine->lock);
    free(machine->cpus);
    free(machine);
}
