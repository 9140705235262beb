/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Loads and stores of a device inside the VM: which accesses reach it, in which pieces, and which do not. */
#include "engine/mmu/fixture.h"

#define DEVICE 0x8000000ull
#define VA     0x10000ull
#define SIZE   0x2000u /* two pages, the second of which ends the device */

static struct {
    unsigned n;
    struct {
        uint64_t ipa, value;
        unsigned size;
        bool is_write;
    } log[16];
} seen;

static void note(uint64_t ipa, unsigned size, bool is_write, uint64_t value)
{
    if (seen.n < 16) {
        seen.log[seen.n].ipa = ipa;
        seen.log[seen.n].size = size;
        seen.log[seen.n].is_write = is_write;
        seen.log[seen.n].value = value;
    }
    seen.n++;
}

static bool claims(struct a64_cpu *c, uint64_t ipa)
{
    (void)c;
    return ipa - DEVICE < SIZE;
}

/* Each byte says where it was read. */
static uint64_t device_load(struct a64_cpu *c, uint64_t ipa, unsigned size)
{
    uint64_t value = 0;

    (void)c;
    for (unsigned i = 0; i < size; i++) {
        value |= ((ipa + i) & 0xff) << 8 * i;
    }
    note(ipa, size, false, value);
    return value;
}

static void device_store(struct a64_cpu *c, uint64_t ipa, unsigned size, uint64_t value)
{
    (void)c;
    note(ipa, size, true, value);
}

static const struct vm_gic_ops ops = {.claims = claims, .load = device_load, .store = device_store};

static void open_device(bool present)
{
    open_machine(false);
    use_tables(12, 39);
    for (unsigned i = 0; i < 3; i++) {
        map_at(VA + i * 0x1000, 3, DEVICE + i * 0x1000, D_AF | D_ATTR(1) | D_AP(1));
    }
    vm.gic = present ? &ops : NULL;
    seen.n = 0;
}

static void test_pieces(void)
{
    static const struct {
        const char *name;
        uint64_t at;
        unsigned size_log2, align, n, size;
    } cases[] = {
        {"ldrb", 0x21, 0, 0, 1, 1},  {"ldrh", 0x22, 1, 1, 1, 2},
        {"ldr w", 0x24, 2, 2, 1, 4}, {"ldr x", 0x28, 3, 3, 1, 8},
        {"ldp w", 0x28, 3, 2, 2, 4}, {"ldp w between doublewords", 0x24, 3, 2, 2, 4},
        {"ldp x", 0x30, 4, 3, 2, 8}, {"ldp x between quadwords", 0x38, 4, 3, 2, 8},
        {"ldr q", 0x30, 4, 4, 2, 8}, {"at the end of the device", 0x1ff8, 3, 3, 1, 8},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const unsigned size = 1u << cases[i].size_log2;
        v128 value = {.q = 0};
        open_device(true);
        EXPECT(mmu_load(cpu, VA + cases[i].at, cases[i].size_log2, 0, cases[i].align, &value), "%s",
               cases[i].name);
        EXPECT(seen.n == cases[i].n, "%s: %u accesses", cases[i].name, seen.n);
        for (unsigned k = 0; k < seen.n && k < 16; k++) {
            EXPECT(seen.log[k].size == cases[i].size && !seen.log[k].is_write &&
                       seen.log[k].ipa == DEVICE + cases[i].at + k * cases[i].size,
                   "%s: access %u", cases[i].name, k);
        }
        for (unsigned k = 0; k < 16; k++) {
            EXPECT(value.b[k] == (k < size ? ((cases[i].at + k) & 0xff) : 0), "%s: byte %u",
                   cases[i].name, k);
        }
        seen.n = 0;
        const v128 out = {.d = {0x1122334455667788, 0x99aabbccddeeff00}};
        EXPECT(mmu_store(cpu, VA + cases[i].at, cases[i].size_log2, 0, cases[i].align, &out), "%s",
               cases[i].name);
        EXPECT(seen.n == cases[i].n, "%s: %u stores", cases[i].name, seen.n);
        for (unsigned k = 0; k < seen.n && k < 16; k++) {
            uint64_t want = 0;
            memcpy(&want, out.b + k * cases[i].size, cases[i].size);
            EXPECT(seen.log[k].size == cases[i].size && seen.log[k].is_write &&
                       seen.log[k].value == want,
                   "%s: store %u", cases[i].name, k);
        }
        close_machine();
    }
}

static void test_what_does_not_reach_it(void)
{
    uint64_t old;
    v128 v = {.q = 0};

    open_device(true);
    EXPECT(!mmu_load(cpu, VA + 2, 2, 0, 2, &v), "misaligned");
    EXPECT_FAULT(cpu, FAULT_ALIGNMENT, 3, 1, "misaligned on Device memory");
    EXPECT(!mmu_load(cpu, VA + 0xffc, 3, 0, 2, &v), "a pair across pages");
    EXPECT(!mmu_load(cpu, VA + 0x2000, 2, 0, 2, &v), "behind the device");
    EXPECT(cpu->fault.type == FAULT_TRANSLATION && cpu->fault.stage == 3, "behind the device");
    EXPECT(cpu->fault.ipa == DEVICE + 0x2000, "ipa %llx", (unsigned long long)cpu->fault.ipa);
    EXPECT(!mmu_atomic(cpu, VA, 2, 0, 1, &old), "an atomic");
    EXPECT(cpu->fault.type == FAULT_TRANSLATION && cpu->fault.stage == 3, "an atomic");
    EXPECT(!mmu_load_exclusive(cpu, VA, 2, 0, &v), "an exclusive");
    EXPECT(!can_fetch(VA), "a fetch");
    EXPECT(mmu_data_pointer(cpu, VA, 8, false, 0) == NULL, "a block instruction");
    EXPECT(seen.n == 0, "%u accesses", seen.n);

    /* Stage 1 decides first. */
    map_at(VA, 3, DEVICE, D_AF | D_ATTR(1) | D_AP(2));
    mmu_flush_all(cpu);
    EXPECT(!mmu_store(cpu, VA, 2, 0, 2, &v), "a store to a read-only page");
    EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 1, "a store to a read-only page");
    EXPECT(seen.n == 0, "%u accesses", seen.n);

    /* What the client maps there comes before it. */
    EXPECT(vm_map(&vm, ram, DEVICE, 0x4000, VM_READ) == VM_OK, "map over the device");
    map_at(VA, 3, DEVICE, D_AF | D_ATTR(1) | D_AP(1));
    mmu_flush_all(cpu);
    EXPECT(mmu_load(cpu, VA, 2, 0, 2, &v), "memory over the device");
    EXPECT(!mmu_store(cpu, VA, 2, 0, 2, &v), "read-only memory over the device");
    EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 3, "read-only memory over the device");
    EXPECT(seen.n == 0, "%u accesses", seen.n);
    close_machine();

    open_device(false);
    EXPECT(!mmu_load(cpu, VA, 2, 0, 2, &v), "without a device");
    EXPECT(cpu->fault.type == FAULT_TRANSLATION && cpu->fault.stage == 3, "without a device");
    close_machine();
}

static void test_watchpoint(void)
{
    v128 v = {.q = 0};

    open_device(true);
    cpu->sys[SR_MDSCR_EL1] = 1u << 15 | 1u << 13; /* MDE, KDE */
    cpu->sys[SR_DBGWVR0_EL1] = VA + 0x28;
    cpu->sys[SR_DBGWCR0_EL1] = 1 | 3 << 1 | 2 << 3 | 0xffull << 5; /* stores from EL0 and EL1 */
    mmu_watchpoints_changed(cpu);
    EXPECT(mmu_load(cpu, VA + 0x28, 2, 0, 2, &v), "loads are not watched");
    EXPECT(mmu_store(cpu, VA + 0x30, 2, 0, 2, &v), "elsewhere");
    seen.n = 0;
    EXPECT(!mmu_store(cpu, VA + 0x2c, 2, 0, 2, &v), "a watched store");
    EXPECT(cpu->fault.type == FAULT_WATCHPOINT && cpu->fault.va == VA + 0x2c, "type %u",
           cpu->fault.type);
    EXPECT(seen.n == 0, "it does not happen");
    close_machine();
}

int main(void)
{
    test_pieces();
    test_what_does_not_reach_it();
    test_watchpoint();
    return report("mmio");
}
