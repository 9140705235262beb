/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The usual mistakes, and the sentence that each is answered with. The calls are made for real; `av-mistakes --page` prints them as a
 * page of the manual (docs/mistakes.md), and a test compares the two.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "av_check.h"

static bool as_page;
static int n_mistakes, n_wrong;

/* Numbers that differ from run to run: threads and host addresses. */
static void print_stable(const char *text)
{
    static const char *const variable[] = {"thread ", "host is "};

    while (*text != '\0') {
        size_t length = 0;
        for (size_t i = 0; i < sizeof(variable) / sizeof(variable[0]); i++) {
            const size_t n = strlen(variable[i]);
            if (strncmp(text, variable[i], n) == 0 && isdigit((unsigned char)text[n])) {
                length = n;
            }
        }
        if (length == 0) {
            putchar(*text++);
            continue;
        }
        printf("%.*s...", (int)length, text);
        text += length;
        while (isxdigit((unsigned char)*text) || *text == 'x') {
            text++;
        }
    }
}

static void mistake(const char *title, av_error expected, av_error error, const char *call)
{
    const bool good = error == expected && av_error_last() == error &&
                      av_error_message()[0] != '\0';

    n_mistakes++;
    n_wrong += !good;
    if (as_page) {
        printf("\n## %d. %s\n\n    %s\n\n`%s`: ", n_mistakes, title, call, av_error_name(error));
        print_stable(av_error_message());
        printf(".\n");
        return;
    }
    printf("%s %d - %s\n", good ? "ok" : "not ok", n_mistakes, title);
    if (!good) {
        printf("# %s: %s, expected %s: %s\n", call, av_error_name(error), av_error_name(expected),
               av_error_message());
    }
}
#define MISTAKE(title, code, call) (av_error_clear(), mistake((title), (code), (call), #call))

/* --- Memory ------------------------------------------------------------------------------------------------------------------ */

static void mistakes_with_memory(void)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_memory) memory = NULL;
    AV_AUTO(av_memory) other = NULL;
    static char buffer[16] __attribute__((aligned(16)));
    static char page[0x8000] __attribute__((aligned(0x4000)));
    av_memory *m = NULL;

    OK(av_vm_create(&vm));
    MISTAKE("A place for the result is forgotten", AV_ERROR_NULL_ARGUMENT,
            av_memory_create(NULL, vm, 0x4000));
    MISTAKE("Host memory comes from malloc", AV_ERROR_MISALIGNED,
            av_memory_wrap(&m, vm, page + 8, 0x4000));
    MISTAKE("The size of memory of one's own is not rounded to pages", AV_ERROR_MISALIGNED,
            av_memory_wrap(&m, vm, page, 100));
    OK(av_memory_create(&memory, vm, 0x8000));
    OK(av_memory_create(&other, vm, 0x4000));
    MISTAKE("Memory is read by guest address before it is mapped", AV_ERROR_NOT_MAPPED,
            av_memory_read(memory, 0x4000, buffer, 4));
    MISTAKE("The guest address is aligned to 4 KiB only", AV_ERROR_MISALIGNED,
            av_memory_map(memory, 0x1000, AV_PERMS_RWX));
    MISTAKE("The guest address is beyond the guest's address space", AV_ERROR_OUT_OF_RANGE,
            av_memory_map(memory, 0x1000000000, AV_PERMS_RWX));
    MISTAKE("Flags of mmap() are given as permissions", AV_ERROR_BAD_ARGUMENT,
            av_memory_map(memory, 0x4000, (av_perms)0x20));
    OK(av_memory_map(memory, 0x4000, AV_PERMS_RWX));
    MISTAKE("Memory is mapped twice", AV_ERROR_MAPPED,
            av_memory_map(memory, 0x40000, AV_PERMS_RWX));
    MISTAKE("Memory is mapped over other memory", AV_ERROR_OVERLAP,
            av_memory_map(other, 0x8000, AV_PERMS_RW));
    MISTAKE("A write ends outside of the mapping", AV_ERROR_OUT_OF_RANGE,
            av_memory_write(memory, 0xbff8, buffer, 16));
    MISTAKE("A length is negative", AV_ERROR_OUT_OF_RANGE,
            av_memory_read(memory, 0x4000, buffer, (size_t)-1));
    MISTAKE("Memory is unmapped where other memory, or none, is", AV_ERROR_NOT_MAPPED,
            av_memory_unmap_range(memory, 0x8000, 0x8000));
}

/* --- VMs --------------------------------------------------------------------------------------------------------------------- */

static void mistakes_with_vms(void)
{
    AV_AUTO(av_vm) vm = NULL;
    av_vm *second = NULL;

    OK(av_vm_create(&vm));
    MISTAKE("A second VM is created in the process", AV_ERROR_VM_EXISTS, av_vm_create(&second));
}

/* --- vCPUs ------------------------------------------------------------------------------------------------------------------- */

struct elsewhere {
    av_vm *vm;
    av_vcpu *vcpu;
    av_vcpu_handle *handle;
    bool runs;
    atomic_bool is_ready, stop;
};

static void *live_elsewhere(void *arg)
{
    struct elsewhere *const e = arg;

    OK(av_vcpu_create(&e->vcpu, e->vm));
    OK(av_vcpu_set_reg(e->vcpu, HV_REG_PC, 0x4000));
    e->handle = av_vcpu_get_handle(e->vcpu);
    atomic_store(&e->is_ready, true);
    if (e->runs) {
        OK(av_vcpu_run(e->vcpu));
    } else {
        while (!atomic_load(&e->stop)) {
            av_vcpu_serve(e->vcpu, 20);
        }
    }
    return NULL; /* and leaves the vCPU to its end */
}

static void run_in_a_call(av_vcpu *vcpu, void *argument)
{
    (void)argument;
    MISTAKE("A vCPU is run in a function that its owner runs for another thread", AV_ERROR_RUNNING,
            av_vcpu_run(vcpu));
}

static void start(struct elsewhere *e, pthread_t *thread)
{
    pthread_create(thread, NULL, live_elsewhere, e);
    while (!atomic_load(&e->is_ready)) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* Until the vCPU is seen to run; the sentence says so then. */
static void wait_until_it_runs(const av_vcpu *vcpu)
{
    do {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        av_vcpu_set_reg((av_vcpu *)(uintptr_t)vcpu, HV_REG_X0, 0);
    } while (strstr(av_error_message(), "running") == NULL);
}

static void mistakes_with_vcpus(void)
{
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_memory) code = NULL;
    av_vcpu *vcpu = NULL, *second = NULL;
    pthread_t thread;
    uint64_t value;

    OK(av_vm_create(&vm));
    OK(av_memory_create(&code, vm, 0x4000));
    OK(av_memory_map(code, 0x4000, AV_PERMS_RX));
    OK(av_memory_write_u32(code, 0x4000, INSN_B_SELF));
    OK(av_vcpu_create(&vcpu, vm));
    MISTAKE("A thread creates a second vCPU", AV_ERROR_VCPU_EXISTS, av_vcpu_create(&second, vm));
    MISTAKE("A register does not exist: 35 is behind CPSR", AV_ERROR_BAD_ARGUMENT,
            av_vcpu_get_reg(vcpu, 35, &value));
    OK(av_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c9));
    MISTAKE("The guest is started at EL2, which the VM does not have", AV_ERROR_ILLEGAL_GUEST_STATE,
            av_vcpu_run(vcpu));
    OK(av_vcpu_destroy(vcpu));

    struct elsewhere e = {.vm = vm};
    start(&e, &thread);
    vcpu = e.vcpu;
    MISTAKE("A register is read from another thread", AV_ERROR_WRONG_THREAD,
            av_vcpu_get_reg(vcpu, HV_REG_PC, &value));
    MISTAKE("A vCPU is destroyed from another thread", AV_ERROR_WRONG_THREAD,
            av_vcpu_destroy(vcpu));
    OK(av_vcpu_call(e.handle, run_in_a_call, NULL));
    atomic_store(&e.stop, true);
    pthread_join(thread, NULL);
    MISTAKE("A vCPU is used after its thread has ended", AV_ERROR_VCPU_GONE, av_vcpu_run(vcpu));
    av_vcpu_handle *const handle = e.handle;
    MISTAKE("A vCPU that is gone is told to exit", AV_ERROR_VCPU_GONE, av_vcpu_handle_exit(handle));
    OK(av_vcpu_destroy(vcpu));
    av_vcpu_handle_unref(handle);

    e = (struct elsewhere){.vm = vm, .runs = true};
    start(&e, &thread);
    vcpu = e.vcpu;
    wait_until_it_runs(vcpu);
    MISTAKE("A register is written while the vCPU runs on its thread", AV_ERROR_WRONG_THREAD,
            av_vcpu_set_reg(vcpu, HV_REG_X0, 1));
    OK(av_vcpu_handle_exit(e.handle));
    pthread_join(thread, NULL);
    OK(av_vcpu_destroy(vcpu));
    av_vcpu_handle_unref(e.handle);
}

/* --- GIC --------------------------------------------------------------------------------------------------------------------- */

static void mistakes_with_gics(void)
{
    AV_AUTO(av_gic_config) config = NULL;
    AV_AUTO(av_vm) vm = NULL;
    av_vcpu *vcpu = NULL;
    av_gic *gic = NULL;

    OK(av_vm_create(&vm));
    OK(av_vcpu_create(&vcpu, vm));
    MISTAKE("A GIC is wanted when there are VM and vCPU already", AV_ERROR_NO_GIC,
            av_vm_get_gic(vm, &gic));
    OK(av_vcpu_destroy(vcpu));
    av_vm_unref(vm);
    vm = NULL;

    OK(av_gic_config_create(&config));
    MISTAKE("Nothing is chosen for the GIC", AV_ERROR_BAD_ARGUMENT,
            av_vm_create_with_gic(&vm, &gic, NULL, config));
    MISTAKE("The Distributor's address is aligned to 4 KiB only", AV_ERROR_MISALIGNED,
            av_gic_config_set_distributor_base(config, 0x8001000));
    OK(av_gic_config_set_distributor_base(config, 0x8000000));
    OK(av_gic_config_set_redistributor_base(config, 0x10000000));
    OK(av_gic_config_set_msi_region_base(config, 0x20000000));
    MISTAKE("The MSI range begins below the SPIs", AV_ERROR_OUT_OF_RANGE,
            av_gic_config_set_msi_interrupt_range(config, 16, 32));
    OK(av_gic_config_set_msi_interrupt_range(config, 64, 32));
    OK(av_vm_create_with_gic(&vm, &gic, NULL, config));
    MISTAKE("An MSI has an INTID outside of the range", AV_ERROR_OUT_OF_RANGE,
            av_gic_send_msi(gic, 0x20000040, 32));
    MISTAKE("The number of an SPI is counted from 0", AV_ERROR_OUT_OF_RANGE,
            av_gic_set_spi(gic, 1, true));
    MISTAKE("An INTID of the MSI range is used as SPI", AV_ERROR_OUT_OF_RANGE,
            av_gic_set_spi(gic, 64, true));
}

/* --- Systems ----------------------------------------------------------------------------------------------------------------- */

static void mistakes_with_systems(void)
{
    AV_AUTO(av_vm_config) config = NULL;
    av_vm *vm = NULL;
    hv_ipa_granule_t granule;
    bool has_el2 = true;

    OK(av_vm_config_create(&config));
    OK(av_vm_config_get_el2_supported(&has_el2));
    OK(av_vm_config_set_el2_enabled(config, true));
    if (!has_el2) {
        MISTAKE("EL2 is asked for where there is none", AV_ERROR_UNSUPPORTED,
                av_vm_create_with_config(&vm, config));
    }
    MISTAKE("The guest's address space is chosen too large", AV_ERROR_OUT_OF_RANGE,
            av_vm_config_set_ipa_size(config, 64));
    setenv("HV_MACOS", "13.0", 1);
    MISTAKE("A function of macOS 26 is called on macOS 13", AV_ERROR_UNSUPPORTED,
            av_vm_config_get_default_ipa_granule(&granule));
    unsetenv("HV_MACOS");
}

int main(int argc, char **argv)
{
    as_page = argc == 2 && strcmp(argv[1], "--page") == 0;
    if (as_page) {
        printf(
            "# The usual mistakes\n\n"
            "What people get wrong first, the call that does it, and what the library answers: the code, and the\n"
            "sentence of `av_error_message()`. The page is made by the test `av-mistakes`, which makes all of them.\n");
    }
    mistakes_with_vms();
    mistakes_with_memory();
    mistakes_with_vcpus();
    mistakes_with_gics();
    mistakes_with_systems();
    if (!as_page) {
        printf("1..%d\n", n_mistakes);
    }
    return n_wrong != 0 || failures != 0;
}
