/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What a guest meets where the VM's map ends, and what host memory may be behind it. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define HVC0 0xd4000002u
#define DATA (16 * PAGE)

/* ldr x0, [x1]; hvc #0; str x0, [x1]; hvc #0 */
static const uint32_t load_store[] = {0xf9400020, HVC0, 0xf9000020, HVC0};
#define LOAD  PAGE
#define STORE (PAGE + 8)

static void run_at(struct machine *m, uint64_t pc)
{
    OK(hv_vcpu_set_reg(m->vcpu, HV_REG_PC, pc));
    OK(hv_vcpu_run(m->vcpu));
}

/* A run that ended with the HVC: the access was made. */
static bool went_through(struct machine *m, uint64_t pc)
{
    run_at(m, pc);
    return m->exit->exception.syndrome >> 26 == 0x16;
}

static bool faulted(struct machine *m, uint64_t pc, unsigned class, unsigned status)
{
    run_at(m, pc);
    return m->exit->exception.syndrome >> 26 == class &&
           (m->exit->exception.syndrome & 0x3f) == status;
}

TEST(every_access_to_memory_without_permissions_exits)
{
    struct machine m;
    uint64_t *const data = pages(2);

    machine_start(&m, load_store, 4);
    data[0] = 7;
    OK(hv_vm_map(data, DATA, 2 * PAGE, RWX));
    OK(hv_vm_protect(DATA, PAGE, 0));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA));
    EXPECT(faulted(&m, LOAD, 0x24, 0x0f));
    EXPECT(faulted(&m, STORE, 0x24, 0x0f));
    EXPECT(faulted(&m, DATA, 0x20, 0x0f));
    EXPECT_EQ(m.exit->exception.physical_address, DATA);
    EXPECT_EQ(data[0], 7);
    /* The rest of the mapping, and the page again when it is allowed again. */
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA + PAGE));
    EXPECT(went_through(&m, STORE));
    OK(hv_vm_protect(DATA, PAGE, HV_MEMORY_READ));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA));
    EXPECT(went_through(&m, LOAD));
    EXPECT_EQ(reg(&m, HV_REG_X0), 7);
    machine_stop(&m);
    OK(hv_vm_deallocate(data, 2 * PAGE));
}

TEST(unmap_takes_exactly_its_pages)
{
    struct machine m;
    char *const data = pages(6);

    machine_start(&m, load_store, 4);
    /* The range goes over the end of one mapping, a hole, and into the middle of another. */
    OK(hv_vm_map(data, DATA, 2 * PAGE, RWX));
    OK(hv_vm_map(data + 3 * PAGE, DATA + 3 * PAGE, 3 * PAGE, RWX));
    OK(hv_vm_unmap(DATA + PAGE, 3 * PAGE));
    for (unsigned i = 0; i < 6; i++) {
        const bool there = i == 0 || i > 3;
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA + i * PAGE));
        EXPECT(there ? went_through(&m, LOAD) : faulted(&m, LOAD, 0x24, 0x07));
    }
    machine_stop(&m);
    OK(hv_vm_deallocate(data, 6 * PAGE));
}

TEST(host_memory_at_4_kib_alignment_is_mappable)
{
    struct machine m;
    char *const data = pages(2);

    machine_start(&m, load_store, 4);
    OK(hv_vm_map(data + 0x1000, DATA, PAGE, RWX));
    memcpy(data + 0x1000, &(uint64_t){42}, 8);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA));
    EXPECT(went_through(&m, LOAD));
    EXPECT_EQ(reg(&m, HV_REG_X0), 42);
    machine_stop(&m);
    OK(hv_vm_deallocate(data, 2 * PAGE));
}

static char in_the_program[PAGE] __attribute__((aligned(PAGE)));

TEST(host_memory_need_not_come_from_mmap)
{
    struct machine m;
    char *const heap = aligned_alloc(PAGE, PAGE);

    machine_start(&m, load_store, 4);
    OK(hv_vm_map(heap, DATA, PAGE, RWX));
    OK(hv_vm_map(in_the_program, DATA + PAGE, PAGE, RWX));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 0x1122));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA));
    EXPECT(went_through(&m, STORE));
    EXPECT(memcmp(heap, "\x22\x11", 2) == 0);
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA + PAGE));
    EXPECT(went_through(&m, STORE));
    EXPECT(memcmp(in_the_program, "\x22\x11", 2) == 0);
    machine_stop(&m);
    free(heap);
}

TEST(one_host_page_at_two_addresses_is_the_same_memory)
{
    struct machine m;
    char *const data = pages(1);

    machine_start(&m, load_store, 4);
    OK(hv_vm_map(data, DATA, PAGE, RWX));
    OK(hv_vm_map(data, DATA + 4 * PAGE, PAGE, HV_MEMORY_READ));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 77));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA));
    EXPECT(went_through(&m, STORE));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X0, 0));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA + 4 * PAGE));
    EXPECT(went_through(&m, LOAD));
    EXPECT_EQ(reg(&m, HV_REG_X0), 77);
    machine_stop(&m);
    OK(hv_vm_deallocate(data, PAGE));
}

TEST(a_guest_gets_no_access_that_the_process_has_not)
{
    struct machine m;
    char *const data = pages(4);

    machine_start(&m, load_store, 4);
    mprotect(data + PAGE, PAGE, PROT_READ);
    mprotect(data + 3 * PAGE, PAGE, PROT_NONE);
    REFUSED(HV_ERROR, hv_vm_map(data + PAGE, DATA, PAGE, RWX));
    REFUSED(HV_ERROR, hv_vm_map(data, DATA, 3 * PAGE, HV_MEMORY_WRITE));
    REFUSED(HV_ERROR, hv_vm_map(data + 3 * PAGE, DATA, PAGE, HV_MEMORY_READ));
    REFUSED(HV_ERROR, hv_vm_map(data + 3 * PAGE, DATA, PAGE, HV_MEMORY_EXEC));
    /* Nothing was mapped. What may be read may be read. */
    OK(hv_vm_map(data, DATA, 3 * PAGE, HV_MEMORY_READ | HV_MEMORY_EXEC));
    OK(hv_vm_map(data + 3 * PAGE, DATA + 3 * PAGE, PAGE, 0));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1, DATA + PAGE));
    EXPECT(went_through(&m, LOAD));
    EXPECT(faulted(&m, STORE, 0x24, 0x0f));
    /* No more by protect. */
    REFUSED(HV_ERROR, hv_vm_protect(DATA + PAGE, PAGE, HV_MEMORY_READ | HV_MEMORY_WRITE));
    REFUSED(HV_ERROR, hv_vm_protect(DATA, 4 * PAGE, HV_MEMORY_READ));
    EXPECT(faulted(&m, STORE, 0x24, 0x0f));
    OK(hv_vm_protect(DATA + PAGE, PAGE, 0));
    OK(hv_vm_protect(DATA + PAGE, PAGE, HV_MEMORY_READ));
    EXPECT(went_through(&m, LOAD));
    /* Mapped anew it is looked at anew. */
    mprotect(data, 4 * PAGE, PROT_READ | PROT_WRITE);
    OK(hv_vm_unmap(DATA, 4 * PAGE));
    OK(hv_vm_map(data, DATA, 4 * PAGE, RWX));
    EXPECT(went_through(&m, STORE));
    machine_stop(&m);
    OK(hv_vm_deallocate(data, 4 * PAGE));
}

/* --- The exclusive monitor and another observer ------------------------------------------------------------------------------ */

#define TABLE (DATA + PAGE)

static uint64_t *shared; /* DATA: the place, a flag of the guest's, a flag of the host's */

static void *change_and_change_back(void *argument)
{
    const uint64_t *const to = argument;

    while (__atomic_load_n(&shared[1], __ATOMIC_ACQUIRE) == 0) {
        usleep(10);
    }
    __atomic_store_n(&shared[0], 9, __ATOMIC_SEQ_CST);
    __atomic_store_n(&shared[0], *to, __ATOMIC_SEQ_CST);
    __atomic_store_n(&shared[2], 1, __ATOMIC_RELEASE);
    return NULL;
}

/* The status of a store-exclusive between whose load and store the host stored 9 and then another value. */
static uint64_t store_exclusive_after(uint64_t last)
{
    static const uint32_t code[] = {
        0xc85f7c20, /* ldxr x0, [x1] */
        0xc89ffc44, /* stlr x4, [x2] */
        0xc8dffc65, /* ldar x5, [x3] */
        0xb4ffffe5, /* cbz x5, -4 */
        0xc8067c27, /* stxr w6, x7, [x1] */
        HVC0,
    };
    struct machine m;
    pthread_t thread;
    const uint64_t block = 0x701; /* 1 GiB of Normal memory */

    machine_start(&m, code, 6);
    shared = pages(2);
    OK(hv_vm_map(shared, DATA, 2 * PAGE, RWX));
    memcpy((char *)shared + PAGE, &block, sizeof(block));
    shared[0] = 5;
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_MAIR_EL1, 0xff));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_TCR_EL1, 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_TTBR0_EL1, TABLE));
    OK(hv_vcpu_set_sys_reg(m.vcpu, HV_SYS_REG_SCTLR_EL1, 0x30d00800 | 1 | 1 << 2 | 1 << 12));
    for (unsigned i = 0; i < 3; i++) {
        OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X1 + i, DATA + 8 * i));
    }
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X4, 1));
    OK(hv_vcpu_set_reg(m.vcpu, HV_REG_X7, 100));
    pthread_create(&thread, NULL, change_and_change_back, &last);
    OK(hv_vcpu_run(m.vcpu));
    pthread_join(thread, NULL);
    EXPECT_EQ(m.exit->exception.syndrome >> 26, 0x16);
    EXPECT_EQ(reg(&m, HV_REG_X0), 5);
    const uint64_t status = reg(&m, HV_REG_X6);
    EXPECT_EQ(shared[0], status == 0 ? 100 : last);
    machine_stop(&m);
    OK(hv_vm_deallocate(shared, 2 * PAGE));
    return status;
}

TEST(store_exclusive_compares_values)
{
    EXPECT_EQ(store_exclusive_after(6), 1);
    EXPECT_EQ(store_exclusive_after(5), 0); /* changed, and changed back */
}

MAIN(T(every_access_to_memory_without_permissions_exits), T(unmap_takes_exactly_its_pages),
     T(host_memory_at_4_kib_alignment_is_mappable), T(host_memory_need_not_come_from_mmap),
     T(one_host_page_at_two_addresses_is_the_same_memory),
     T(a_guest_gets_no_access_that_the_process_has_not), T(store_exclusive_compares_values))
