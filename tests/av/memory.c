/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* memory.h. */
#include <sys/mman.h>

#include "av_check.h"

static av_vm *vm_of_test(void)
{
    av_vm *vm = NULL;
    OK(av_vm_create(&vm));
    return vm;
}

/* --- Life -------------------------------------------------------------------------------------------------------------------- */

TEST(sizes_are_rounded_up_to_pages)
{
    static const size_t sizes[][2] = {
        {1, PAGE}, {PAGE - 1, PAGE}, {PAGE, PAGE}, {PAGE + 1, 2 * PAGE}, {5 * PAGE, 5 * PAGE}};
    AV_AUTO(av_vm) vm = vm_of_test();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        AV_AUTO(av_memory) memory = NULL;
        OK(av_memory_create(&memory, vm, sizes[i][0]));
        EXPECT_EQ(av_memory_size(memory), sizes[i][1]);
        EXPECT_EQ((uintptr_t)av_memory_host_address(memory) % PAGE, 0);
    }
}

TEST(sizes_that_cannot_be_rounded_or_had_are_refused)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    av_memory *memory = NULL;
    FAILS(AV_ERROR_BAD_ARGUMENT, av_memory_create(&memory, vm, 0));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_create(&memory, vm, 0xfffffffffffffabc));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_create(&memory, vm, SIZE_MAX));
    const av_error error = av_memory_create(&memory, vm, (size_t)1 << 60);
    EXPECT(error == AV_ERROR_NO_MEMORY || error == AV_ERROR_NO_RESOURCES);
    EXPECT(memory == NULL);
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_create(NULL, vm, PAGE));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_create(&memory, NULL, PAGE));
}

TEST(new_memory_is_zeroed_and_writable_before_it_is_mapped)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    OK(av_memory_create(&memory, vm, 3 * PAGE));
    char *const p = av_memory_host_address(memory);
    for (size_t i = 0; i < 3 * PAGE; i++) {
        if (p[i] != 0) {
            EXPECT(false); /* zeroed */
            break;
        }
    }
    memset(p, 0x5a, 3 * PAGE);
}

TEST(memory_of_the_caller_is_used_in_place_and_left_to_him)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    av_memory *memory = NULL;
    uint64_t value = 0;
    char *const p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    OK(av_memory_wrap(&memory, vm, p, 2 * PAGE));
    EXPECT(av_memory_host_address(memory) == p);
    EXPECT_EQ(av_memory_size(memory), 2 * PAGE);
    OK(av_memory_map(memory, 0x100000, AV_PERMS_RW));
    OK(av_memory_write_u64(memory, 0x100008, 0x1122334455667788));
    memcpy(&value, p + 8, sizeof(value));
    EXPECT_EQ(value, 0x1122334455667788);
    av_memory_destroy(memory);
    EXPECT_EQ(p[8], (char)0x88);
    p[8] = 1; /* still there */
    EXPECT_EQ(munmap(p, 2 * PAGE), 0);
}

TEST(memory_of_the_caller_has_to_be_aligned_and_whole)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    av_memory *memory = NULL;
    char *const p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                         0);
    FAILS(AV_ERROR_MISALIGNED, av_memory_wrap(&memory, vm, p + 8, PAGE));
    FAILS(AV_ERROR_MISALIGNED, av_memory_wrap(&memory, vm, p, PAGE + 0x1000));
    FAILS(AV_ERROR_MISALIGNED, av_memory_wrap(&memory, vm, p, 0));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_wrap(&memory, vm, p, -(size_t)PAGE));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_wrap(&memory, vm, NULL, PAGE));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_wrap(&memory, NULL, p, PAGE));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_wrap(NULL, vm, p, PAGE));
    EXPECT(memory == NULL);
    EXPECT_EQ(munmap(p, 2 * PAGE), 0);
}

TEST(memory_that_is_not_the_process_s_is_refused_by_map)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    char *const p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_EQ(munmap(p, PAGE), 0);
    OK(av_memory_wrap(&memory, vm, p, PAGE));
    FAILS(AV_ERROR_FAILED, av_memory_map(memory, PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_unmap(memory));
}

/* --- Mapping ----------------------------------------------------------------------------------------------------------------- */

TEST(map_protect_and_unmap_in_order)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    hv_ipa_t address = 99;
    OK(av_memory_create(&memory, vm, PAGE));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_guest_address(memory, &address));
    EXPECT_EQ(address, 99);
    OK(av_memory_map(memory, PAGE, AV_PERMS_RWX));
    OK(av_memory_guest_address(memory, &address));
    EXPECT_EQ(address, PAGE);
    OK(av_memory_protect(memory, AV_PERMS_R));
    OK(av_memory_unmap(memory));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_guest_address(memory, &address));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_unmap(memory));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_protect(memory, AV_PERMS_R));
    OK(av_memory_map(memory, 0, AV_PERMS_RW));
}

TEST(mapping_twice_is_refused)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    OK(av_memory_create(&memory, vm, PAGE));
    OK(av_memory_map(memory, PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_MAPPED, av_memory_map(memory, PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_MAPPED, av_memory_map(memory, 16 * PAGE, AV_PERMS_RW));
    EXPECT_EQ((uint32_t)av_error_raw(), (uint32_t)HV_BUSY);
}

TEST(mapping_over_other_memory_is_refused_and_changes_nothing)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    AV_AUTO(av_memory) other = NULL;
    OK(av_memory_create(&memory, vm, 4 * PAGE));
    OK(av_memory_create(&other, vm, 2 * PAGE));
    OK(av_memory_map(memory, 16 * PAGE, AV_PERMS_RW));
    for (hv_ipa_t page = 15; page < 20; page++) {
        FAILS(AV_ERROR_OVERLAP, av_memory_map(other, page * PAGE, AV_PERMS_RW));
        FAILS(AV_ERROR_NOT_MAPPED, av_memory_unmap(other));
    }
    OK(av_memory_map(other, 14 * PAGE, AV_PERMS_RW));
    OK(av_memory_unmap(other));
    OK(av_memory_map(other, 20 * PAGE, AV_PERMS_RW));
}

TEST(addresses_have_to_be_page_aligned_and_in_the_ipa_space)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    const hv_ipa_t limit = 1ull << av_vm_ipa_size(vm);
    OK(av_memory_create(&memory, vm, 2 * PAGE));
    FAILS(AV_ERROR_MISALIGNED, av_memory_map(memory, 0x1000, AV_PERMS_RW));
    FAILS(AV_ERROR_MISALIGNED, av_memory_map(memory, PAGE + 1, AV_PERMS_RW));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_map(memory, limit, AV_PERMS_RW));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_map(memory, limit - PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_map(memory, -(hv_ipa_t)PAGE, AV_PERMS_RW));
    OK(av_memory_map(memory, limit - 2 * PAGE, AV_PERMS_RW));
}

TEST(flags_are_those_that_were_asked_for)
{
    /* ldr x0, [x1]; str x0, [x1]; hvc: how far the guest gets shows what it may do. */
    static const uint32_t code[] = {INSN_LDR64(0, 1), INSN_STR64(0, 1), INSN_HVC(0)};
    const hv_ipa_t data_at = 0x100000;
    struct machine m;
    machine_start(&m, code, 3);
    for (av_perms perms = AV_PERMS_NONE; perms <= AV_PERMS_RWX; perms++) {
        AV_AUTO(av_memory) data = NULL;
        OK(av_memory_create(&data, m.vm, PAGE));
        for (int by_protect = 0; by_protect < 2; by_protect++) {
            if (by_protect) {
                OK(av_memory_map(data, data_at, (av_perms)(perms ^ AV_PERMS_RWX)));
                OK(av_memory_protect(data, perms));
            } else {
                OK(av_memory_map(data, data_at, perms));
            }
            OK(av_vcpu_set_reg(m.vcpu, HV_REG_X1, data_at));
            OK(av_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE));
            const bool reads = (perms & AV_PERMS_R) != 0, writes = (perms & AV_PERMS_W) != 0;
            EXPECT_EQ(run_to_exception(m.vcpu), reads && writes ? EC_HVC : EC_DATA_ABORT);
            EXPECT_EQ(reg(m.vcpu, HV_REG_PC), PAGE + (!reads ? 0 : !writes ? 4 : 12));
            if (reads && !writes) {
                OK(av_vcpu_set_reg(m.vcpu, HV_REG_PC, PAGE + 4));
                EXPECT_EQ(run_to_exception(m.vcpu), EC_DATA_ABORT);
            }
            /* And the host's access does not care. */
            OK(av_memory_write_u32(data, data_at + 8, INSN_HVC(1)));
            OK(av_vcpu_set_reg(m.vcpu, HV_REG_PC, data_at + 8));
            EXPECT_EQ(run_to_exception(m.vcpu),
                      (perms & AV_PERMS_X) != 0 ? EC_HVC : EC_INSTRUCTION_ABORT);
            OK(av_memory_unmap(data));
        }
    }
    FAILS(AV_ERROR_BAD_ARGUMENT, av_memory_protect(m.code, (av_perms)8));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_memory_map(m.code, 0, (av_perms)-1));
    machine_stop(&m);
}

TEST(permissions_have_names)
{
    EXPECT_STR(av_perms_name(AV_PERMS_NONE), "---");
    EXPECT_STR(av_perms_name(AV_PERMS_R), "r--");
    EXPECT_STR(av_perms_name(AV_PERMS_W), "-w-");
    EXPECT_STR(av_perms_name(AV_PERMS_X), "--x");
    EXPECT_STR(av_perms_name(AV_PERMS_RW), "rw-");
    EXPECT_STR(av_perms_name(AV_PERMS_RX), "r-x");
    EXPECT_STR(av_perms_name(AV_PERMS_WX), "-wx");
    EXPECT_STR(av_perms_name(AV_PERMS_RWX), "rwx");
    EXPECT_STR(av_perms_name((av_perms)8), "???");
}

/* --- Parts ------------------------------------------------------------------------------------------------------------------- */

TEST(parts_are_mapped_at_several_addresses)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    uint32_t value = 0;
    hv_ipa_t address = 0;
    OK(av_memory_create(&memory, vm, 4 * PAGE));
    OK(av_memory_map_range(memory, 0, PAGE, 100 * PAGE, AV_PERMS_RW));
    OK(av_memory_map_range(memory, 3 * PAGE, PAGE, 50 * PAGE, AV_PERMS_R));
    OK(av_memory_map_range(memory, 0, 2 * PAGE, 10 * PAGE, AV_PERMS_RW));
    OK(av_memory_write_u32(memory, 100 * PAGE + 4, 77));
    OK(av_memory_read_u32(memory, 10 * PAGE + 4, &value));
    EXPECT_EQ(value, 77);
    OK(av_memory_guest_address(memory, &address));
    EXPECT_EQ(address, 10 * PAGE);
    FAILS(AV_ERROR_MAPPED, av_memory_map(memory, 0, AV_PERMS_RW));
    FAILS(AV_ERROR_OVERLAP, av_memory_map_range(memory, 0, PAGE, 11 * PAGE, AV_PERMS_RW));
    OK(av_memory_protect(memory, AV_PERMS_R));
    OK(av_memory_unmap(memory));
    OK(av_memory_map(memory, 0, AV_PERMS_RW));
}

TEST(parts_have_to_be_pages_of_the_memory)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    OK(av_memory_create(&memory, vm, 4 * PAGE));
    FAILS(AV_ERROR_MISALIGNED, av_memory_map_range(memory, 8, PAGE, PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_MISALIGNED, av_memory_map_range(memory, 0, 0x1000, PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_MISALIGNED, av_memory_map_range(memory, 0, 0, PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_MISALIGNED, av_memory_map_range(memory, 0, PAGE, 0x1000, AV_PERMS_RW));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_map_range(memory, 4 * PAGE, PAGE, PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_map_range(memory, 3 * PAGE, 2 * PAGE, 0, AV_PERMS_RW));
    FAILS(AV_ERROR_OUT_OF_RANGE,
          av_memory_map_range(memory, -(size_t)PAGE, 2 * PAGE, 0, AV_PERMS_RW));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_memory_map_range(memory, 0, PAGE, 0, (av_perms)9));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_map_range(NULL, 0, PAGE, 0, AV_PERMS_RW));
}

TEST(the_middle_of_a_mapping_is_unmapped_and_protected)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    uint8_t byte = 0;
    OK(av_memory_create(&memory, vm, 5 * PAGE));
    OK(av_memory_map(memory, 10 * PAGE, AV_PERMS_RW));
    OK(av_memory_protect_range(memory, 11 * PAGE, 2 * PAGE, AV_PERMS_R));
    OK(av_memory_unmap_range(memory, 12 * PAGE, PAGE));
    OK(av_memory_read_u8(memory, 12 * PAGE - 1, &byte));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read_u8(memory, 12 * PAGE, &byte));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read_u8(memory, 13 * PAGE - 1, &byte));
    OK(av_memory_read_u8(memory, 13 * PAGE, &byte));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_unmap_range(memory, 11 * PAGE, 2 * PAGE));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_protect_range(memory, 11 * PAGE, 2 * PAGE, AV_PERMS_R));
    /* The hole takes other memory. */
    AV_AUTO(av_memory) other = NULL;
    OK(av_memory_create(&other, vm, PAGE));
    OK(av_memory_map(other, 12 * PAGE, AV_PERMS_RW));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_unmap_range(memory, 12 * PAGE, PAGE));
    OK(av_memory_unmap(memory));
    OK(av_memory_read_u8(other, 12 * PAGE, &byte));
}

TEST(every_cut_leaves_exactly_the_rest)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    enum { N = 5 };
    for (unsigned from = 0; from < N; from++) {
        for (unsigned to = from + 1; to <= N; to++) {
            AV_AUTO(av_memory) memory = NULL;
            OK(av_memory_create(&memory, vm, N * PAGE));
            for (unsigned i = 0; i < N; i++) {
                ((uint8_t *)av_memory_host_address(memory))[i * PAGE] = (uint8_t)(i + 1);
            }
            OK(av_memory_map_range(memory, 0, 2 * PAGE, 8 * PAGE, AV_PERMS_RW));
            OK(av_memory_map_range(memory, 2 * PAGE, 3 * PAGE, 10 * PAGE, AV_PERMS_RW));
            OK(av_memory_unmap_range(memory, (8 + from) * PAGE, (to - from) * PAGE));
            for (unsigned i = 0; i < N; i++) {
                uint8_t byte = 0;
                const av_error error = av_vm_read(vm, (8 + i) * PAGE, &byte, 1);
                EXPECT_EQ(error, i >= from && i < to ? AV_ERROR_OUT_OF_RANGE : AV_OK);
                EXPECT_EQ(byte, error == AV_OK ? i + 1 : 0);
            }
        }
    }
}

/* --- Access ------------------------------------------------------------------------------------------------------------------ */

TEST(reads_and_writes_are_bounds_checked_without_overflow)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    static char buffer[2 * PAGE];
    const hv_ipa_t base = 16 * PAGE, end = 18 * PAGE;
    OK(av_memory_create(&memory, vm, 2 * PAGE));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_read(memory, base, buffer, 1));
    FAILS(AV_ERROR_NOT_MAPPED, av_memory_write(memory, base, buffer, 1));
    OK(av_memory_map(memory, base, AV_PERMS_R));
    OK(av_memory_write(memory, base, buffer, 2 * PAGE));
    OK(av_memory_read(memory, base, buffer, 2 * PAGE));
    OK(av_memory_read(memory, end - 1, buffer, 1));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, base - 1, buffer, 1));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, base - 1, buffer, 2));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, end - 1, buffer, 2));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, end, buffer, 1));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, base, buffer, 2 * PAGE + 1));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, base, buffer, SIZE_MAX));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, base + 1, buffer, SIZE_MAX));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, UINT64_MAX, buffer, 2));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_write(memory, UINT64_MAX - 3, buffer, base + 8));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_read(memory, base, NULL, 1));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_write(memory, base, NULL, 1));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_read(NULL, base, buffer, 1));
    /* Nothing is fine anywhere in the memory and at its end. */
    OK(av_memory_read(memory, base, NULL, 0));
    OK(av_memory_read(memory, end, buffer, 0));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, end + 1, buffer, 0));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read(memory, base - 1, buffer, 0));
}

TEST(typed_access_is_little_endian_and_needs_no_alignment)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    OK(av_memory_create(&memory, vm, PAGE));
    OK(av_memory_map(memory, PAGE, AV_PERMS_RW));
    for (unsigned i = 0; i < 9; i++) {
        const hv_ipa_t at = PAGE + i;
        OK(av_memory_write_u64(memory, at, 0x8877665544332211));
        OK(av_memory_read_u8(memory, at, &u8));
        EXPECT_EQ(u8, 0x11);
        OK(av_memory_read_u16(memory, at, &u16));
        EXPECT_EQ(u16, 0x2211);
        OK(av_memory_read_u32(memory, at, &u32));
        EXPECT_EQ(u32, 0x44332211);
        OK(av_memory_read_u64(memory, at, &u64));
        EXPECT_EQ(u64, 0x8877665544332211);
        OK(av_memory_write_u8(memory, at, 0xaa));
        OK(av_memory_write_u16(memory, at + 1, 0xccbb));
        OK(av_memory_write_u32(memory, at + 3, 0x00ffeedd));
        OK(av_memory_read_u64(memory, at, &u64));
        EXPECT_EQ(u64, 0x8800ffeeddccbbaa);
    }
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_read_u64(memory, 2 * PAGE - 7, &u64));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_write_u16(memory, 2 * PAGE - 1, 1));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_memory_read_u32(memory, PAGE, NULL));
}

TEST(access_spans_mappings_that_follow_each_other)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) memory = NULL;
    uint64_t value = 0;
    void *host = NULL;
    OK(av_memory_create(&memory, vm, 3 * PAGE));
    /* In the guest: page 2, then page 0 and 1. */
    OK(av_memory_map_range(memory, 2 * PAGE, PAGE, 8 * PAGE, AV_PERMS_RW));
    OK(av_memory_map_range(memory, 0, PAGE, 9 * PAGE, AV_PERMS_RW));
    OK(av_memory_map_range(memory, PAGE, PAGE, 10 * PAGE, AV_PERMS_RW));
    OK(av_memory_write_u64(memory, 9 * PAGE - 4, 0x8877665544332211));
    OK(av_memory_read_u64(memory, 9 * PAGE - 4, &value));
    EXPECT_EQ(value, 0x8877665544332211);
    const uint8_t *const bytes = av_memory_host_address(memory);
    EXPECT_EQ(bytes[3 * PAGE - 4], 0x11);
    EXPECT_EQ(bytes[0], 0x55);
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_host_range(memory, 9 * PAGE - 4, 8, &host));
    OK(av_memory_host_range(memory, 9 * PAGE - 4, 4, &host));
    EXPECT(host == bytes + 3 * PAGE - 4);
    OK(av_memory_host_range(memory, 9 * PAGE + 4, 2 * PAGE - 4, &host));
    EXPECT(host == bytes + 4);
    FAILS(AV_ERROR_OUT_OF_RANGE, av_memory_host_range(memory, 9 * PAGE + 4, 2 * PAGE, &host));
    FAILS(AV_ERROR_BAD_ARGUMENT, av_memory_host_range(memory, 9 * PAGE, 0, &host));
}

TEST(a_vm_s_memory_is_read_across_objects)
{
    AV_AUTO(av_vm) vm = vm_of_test();
    AV_AUTO(av_memory) low = NULL;
    AV_AUTO(av_memory) high = NULL;
    uint32_t value = 0;
    OK(av_memory_create(&low, vm, PAGE));
    OK(av_memory_create(&high, vm, PAGE));
    OK(av_memory_map(low, PAGE, AV_PERMS_RW));
    OK(av_memory_map(high, 2 * PAGE, AV_PERMS_RW));
    OK(av_vm_write(vm, 2 * PAGE - 2, &(uint32_t){0xaabbccdd}, 4));
    OK(av_vm_read(vm, 2 * PAGE - 2, &value, 4));
    EXPECT_EQ(value, 0xaabbccdd);
    EXPECT_EQ(*(uint8_t *)av_memory_host_address(high), 0xbb);
    FAILS(AV_ERROR_OUT_OF_RANGE, av_vm_read(vm, 3 * PAGE - 2, &value, 4));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_vm_write(vm, 0, &value, 4));
    FAILS(AV_ERROR_OUT_OF_RANGE, av_vm_read(vm, UINT64_MAX - 1, &value, 4));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_read(vm, PAGE, NULL, 4));
    FAILS(AV_ERROR_NULL_ARGUMENT, av_vm_read(NULL, PAGE, &value, 4));
    OK(av_vm_read(vm, 0, NULL, 0));
}

TEST(host_stores_are_seen_by_the_guest_and_back)
{
    static const uint32_t code[] = {INSN_LDR64(0, 1), INSN_STR64(2, 3), INSN_HVC(0)};
    struct machine m;
    uint64_t value = 0;
    AV_AUTO(av_memory) data = NULL;
    machine_start(&m, code, 3);
    OK(av_memory_create(&data, m.vm, PAGE));
    OK(av_memory_map(data, 0x100000, AV_PERMS_RW));
    *(uint64_t *)av_memory_host_address(data) = 0x1234567890abcdef;
    OK(av_vcpu_set_reg(m.vcpu, HV_REG_X1, 0x100000));
    OK(av_vcpu_set_reg(m.vcpu, HV_REG_X2, 0xfedcba9876543210));
    OK(av_vcpu_set_reg(m.vcpu, HV_REG_X3, 0x100010));
    EXPECT_EQ(run_to_exception(m.vcpu), EC_HVC);
    EXPECT_EQ(reg(m.vcpu, HV_REG_X0), 0x1234567890abcdef);
    OK(av_memory_read_u64(data, 0x100010, &value));
    EXPECT_EQ(value, 0xfedcba9876543210);
    machine_stop(&m);
}

MAIN(T(sizes_are_rounded_up_to_pages), T(sizes_that_cannot_be_rounded_or_had_are_refused),
     T(new_memory_is_zeroed_and_writable_before_it_is_mapped),
     T(memory_of_the_caller_is_used_in_place_and_left_to_him),
     T(memory_of_the_caller_has_to_be_aligned_and_whole),
     T(memory_that_is_not_the_process_s_is_refused_by_map), T(map_protect_and_unmap_in_order),
     T(mapping_twice_is_refused), T(mapping_over_other_memory_is_refused_and_changes_nothing),
     T(addresses_have_to_be_page_aligned_and_in_the_ipa_space),
     T(flags_are_those_that_were_asked_for), T(permissions_have_names),
     T(parts_are_mapped_at_several_addresses), T(parts_have_to_be_pages_of_the_memory),
     T(the_middle_of_a_mapping_is_unmapped_and_protected), T(every_cut_leaves_exactly_the_rest),
     T(reads_and_writes_are_bounds_checked_without_overflow),
     T(typed_access_is_little_endian_and_needs_no_alignment),
     T(access_spans_mappings_that_follow_each_other), T(a_vm_s_memory_is_read_across_objects),
     T(host_stores_are_seen_by_the_guest_and_back))
