/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Out of memory, everywhere: a story that uses the library from end to end is told again and again, and each time another allocation
 * of libapplevisor or libhypervisor fails, for once or from then on. Each call then succeeds or says that memory is short; nothing
 * is leaked and the next story succeeds.
 *
 * The linker's --wrap puts these functions in front of the allocator, for the code of the two libraries and this file. (With 64-bit
 * file offsets, which Meson always asks for, the name of mmap is mmap64.)
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "av_check.h"

/* --- The allocator ----------------------------------------------------------------------------------------------------------- */

static atomic_long n_allocations, fail_from,
    fail_to; /* the calls number fail_from to fail_to fail */
static atomic_long live_blocks, live_bytes;

static bool shall_fail(void)
{
    const long n = atomic_fetch_add(&n_allocations, 1) + 1;

    return n >= atomic_load(&fail_from) && n <= atomic_load(&fail_to);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
int __real_posix_memalign(void **p, size_t alignment, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__real_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
int __wrap_posix_memalign(void **p, size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t size);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg);

static void *counted(void *p)
{
    live_blocks += p != NULL;
    return p;
}

static void *none(void)
{
    errno = ENOMEM;
    return NULL;
}

void *__wrap_malloc(size_t size)
{
    return shall_fail() ? none() : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return shall_fail() ? none() : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
    if (shall_fail()) {
        return none();
    }
    void *const new = __real_realloc(p, size);
    live_blocks += p == NULL && new != NULL;
    return new;
}

int __wrap_posix_memalign(void **p, size_t alignment, size_t size)
{
    if (shall_fail()) {
        return ENOMEM;
    }
    const int error = __real_posix_memalign(p, alignment, size);
    live_blocks += error == 0;
    return error;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return shall_fail() ? none() : counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *p)
{
    live_blocks -= p != NULL;
    __real_free(p);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (shall_fail()) {
        none();
        return MAP_FAILED;
    }
    void *const p = __real_mmap64(address, size, protection, flags, fd, offset);
    /* A fixed address replaces what was there, and frees nothing by it. */
    if (p != MAP_FAILED && (flags & MAP_FIXED) == 0) {
        live_bytes += (long)size;
    }
    return p;
}

int __wrap_munmap(void *address, size_t size)
{
    live_bytes -= (long)size;
    return __real_munmap(address, size);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *arg)
{
    return shall_fail() ? EAGAIN : __real_pthread_create(thread, attributes, start, arg);
}

/* --- The story --------------------------------------------------------------------------------------------------------------- */

/* What a call may answer while memory fails. The first failure ends the story, as it would end a program's. */
static bool goes_on(av_error error, const char *call, int line)
{
    if (error == AV_OK) {
        return true;
    }
    if (error != AV_ERROR_NO_MEMORY && error != AV_ERROR_NO_RESOURCES) {
        failures++;
        printf("# %s:%d: %s: %s: %s\n", __FILE__, line, call, av_error_name(error),
               av_error_message());
    }
    return false;
}
#define DO(call)                             \
    if (!goes_on((call), #call, __LINE__)) { \
        return;                              \
    }

static void answer(av_vcpu *vcpu, void *place)
{
    *(av_error *)place = av_vcpu_get_reg(vcpu, HV_REG_X0, &(uint64_t){0});
}

static char host_page[PAGE] __attribute__((aligned(0x4000)));

static void tell_of_memory(av_vm *vm)
{
    AV_AUTO(av_memory) memory = NULL;
    AV_AUTO(av_memory) wrapped = NULL;
    DO(av_memory_create(&memory, vm, 8 * PAGE));
    DO(av_memory_wrap(&wrapped, vm, host_page, PAGE));
    DO(av_memory_map(wrapped, 100 * PAGE, AV_PERMS_RW));
    DO(av_memory_map_range(memory, 0, 4 * PAGE, 10 * PAGE, AV_PERMS_RW));
    DO(av_memory_map_range(memory, 4 * PAGE, 4 * PAGE, 20 * PAGE, AV_PERMS_RW));
    DO(av_memory_protect_range(memory, 11 * PAGE, PAGE, AV_PERMS_R));
    DO(av_memory_unmap_range(memory, 12 * PAGE, PAGE));
    DO(av_memory_write_u64(memory, 10 * PAGE, 1));
    DO(av_memory_protect(memory, AV_PERMS_R));
    DO(av_memory_unmap(memory));
    DO(av_memory_map(memory, 1000 * PAGE, AV_PERMS_R));
}

/* The run-loop kit; what decodes allocates nothing. */
static void tell_of_kit(hv_vcpu_t vcpu)
{
    AV_AUTO(av_psci) psci = NULL;
    AV_AUTO(av_irq) irq = NULL;

    DO(av_psci_create(&psci, NULL));
    DO(av_irq_create(&irq, vcpu));
    DO(av_irq_set(irq, HV_INTERRUPT_TYPE_IRQ, true));
    DO(av_irq_enter(irq));
}

static void tell_of_vcpu(av_vm *vm)
{
    /* A loop that stores, so that code, page arrays and TLBs are made. */
    static const uint32_t code[] = {INSN_MOVZ(0, 0x42), INSN_STR64(0, 1), INSN_LDR64(2, 1),
                                    INSN_HVC(0)};
    AV_AUTO(av_memory) memory = NULL;
    AV_AUTO(av_vcpu_config) config = NULL;
    AV_AUTO(av_vcpu) vcpu = NULL;
    AV_AUTO(av_vcpu_handle) handle = NULL;
    av_error answered = AV_ERROR_UNKNOWN;
    hv_vcpu_exit_t exit = {0};

    DO(av_memory_create(&memory, vm, PAGE));
    DO(av_memory_map(memory, PAGE, AV_PERMS_RWX));
    DO(av_memory_write(memory, PAGE, code, sizeof(code)));
    DO(av_vcpu_config_create(&config));
    DO(av_vcpu_create_with_config(&vcpu, vm, config));
    handle = av_vcpu_get_handle(vcpu);
    DO(av_vcpu_set_reg(vcpu, HV_REG_PC, PAGE));
    DO(av_vcpu_set_reg(vcpu, HV_REG_X1, PAGE + 0x800));
    DO(av_vcpu_set_sys_reg(vcpu, HV_SYS_REG_CNTV_CVAL_EL0, UINT64_MAX));
    DO(av_vcpu_run(vcpu));
    DO(av_vcpu_get_exit(vcpu, &exit));
    /* An engine without memory for code leaves the guest, as Apple's does under memory pressure. The guest can be run again. */
    if (exit.reason == HV_EXIT_REASON_UNKNOWN) {
        EXPECT(fail_to != 0);
        return;
    }
    EXPECT_EQ(exit.reason, HV_EXIT_REASON_EXCEPTION);
    EXPECT_EQ(exit.exception.syndrome >> 26, EC_HVC);
    DO(av_vcpu_call(handle, answer, &answered));
    EXPECT_EQ(answered, AV_OK);
    DO(av_vcpu_handle_exit(handle));
    tell_of_kit(av_vcpu_id(vcpu));
}

static void tell_of(av_vm *vm)
{
    tell_of_memory(vm);
    tell_of_vcpu(vm);
}

static void story(void)
{
    AV_AUTO(av_vm) vm = NULL;
#if APPLEVISOR_MACOS >= 130000
    AV_AUTO(av_vm_config) config = NULL;
    AV_AUTO(av_vm) independent = NULL;
    DO(av_vm_config_create(&config));
    DO(av_vm_create_independent(&independent, config, NULL));
    tell_of(independent);
    DO(av_vm_create_with_config(&vm, config));
#else
    DO(av_vm_create(&vm));
#endif
    tell_of(vm);
}

#if APPLEVISOR_MACOS >= 150000
static void gic_story(void)
{
    AV_AUTO(av_gic_config) config = NULL;
    AV_AUTO(av_vm) vm = NULL;
    AV_AUTO(av_gic_state) state = NULL;
    av_gic *gic = NULL;

    DO(av_gic_config_create(&config));
    DO(av_gic_config_set_distributor_base(config, 0x10000000));
    DO(av_gic_config_set_redistributor_base(config, 0x20000000));
    DO(av_gic_config_set_msi_region_base(config, 0x30000000));
    DO(av_vm_create_with_gic(&vm, &gic, NULL, config));
    tell_of(vm);
    /* For want of memory the framework answers NULL, without a code: it then counts as a vCPU that runs. */
    const av_error error = av_gic_state_create(&state, gic);
    EXPECT(error == AV_OK || error == AV_ERROR_RUNNING || error == AV_ERROR_NO_MEMORY);
}
#endif

/* --- Telling it -------------------------------------------------------------------------------------------------------------- */

static long tell(void (*tale)(void), long from, long to)
{
    n_allocations = 0;
    fail_from = from;
    fail_to = to;
    tale();
    fail_from = 0;
    fail_to = 0;
    return n_allocations;
}

static void fail_everywhere(void (*tale)(void), const char *name)
{
    tell(tale, 0, 0); /* what is made once for the process: keys, tables */
    const long blocks = live_blocks, bytes = live_bytes;
    const long n = tell(tale, 0, 0);

    printf("# %s: %ld allocations\n", name, n);
    EXPECT(n > 20);
    EXPECT_EQ(live_blocks, blocks);
    EXPECT_EQ(live_bytes, bytes);
    for (long i = 1; i <= n; i++) {
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            const int before = failures;
            tell(tale, i, for_ever ? n * 2 : i);
            EXPECT_EQ(live_blocks, blocks);
            EXPECT_EQ(live_bytes, bytes);
            EXPECT(has_no_vm());
            if (failures != before) {
                printf("# that was allocation %ld of %ld%s\n", i, n,
                       for_ever ? " and all later" : "");
                return;
            }
        }
    }
    EXPECT_EQ(tell(tale, 0, 0), n);
}

TEST(every_allocation_of_a_plain_vm_may_fail)
{
    fail_everywhere(story, "story");
}

#if APPLEVISOR_MACOS >= 150000
TEST(every_allocation_of_a_vm_with_a_gic_may_fail)
{
    size_t size = 0;
    if (av_gic_get_distributor_size(&size) == AV_ERROR_UNSUPPORTED) {
        SKIP("the framework has no GIC here");
    }
    fail_everywhere(gic_story, "GIC story");
}
#endif

static const struct test tests[] = {
    // clang-format off
    T(every_allocation_of_a_plain_vm_may_fail),
#if APPLEVISOR_MACOS >= 150000
    T(every_allocation_of_a_vm_with_a_gic_may_fail),
#endif
    // clang-format on
};
MAIN_OF(tests)
