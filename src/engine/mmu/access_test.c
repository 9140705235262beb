/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Accesses: alignment, page crossing, atomics, exclusives, watchpoints. */
#include <pthread.h>

#include "engine/ir/ir.h"
#include "engine/mmu/fixture.h"

#define VA 0x10000ull

/* 16 pages of Normal memory, writable from EL0 too. */
static void open_pages(void)
{
    open_machine(false);
    use_tables(12, 39);
    for (unsigned i = 0; i < 16; i++) {
        map_at(VA + i * 0x1000, 3, RAM_BASE + i * 0x1000, D_AF | D_AP(1));
    }
    for (unsigned i = 0; i < 0x10000; i++) {
        ram[i] = (uint8_t)(i * 7 + (i >> 8));
    }
}

static v128 expected_at(uint64_t offset, unsigned size)
{
    v128 v = {.q = 0};

    memcpy(v.b, ram + offset, size);
    return v;
}

static void test_sizes_and_crossing(void)
{
    open_pages();
    for (unsigned size_log2 = 0; size_log2 <= 4; size_log2++) {
        const unsigned size = 1u << size_log2;
        for (uint64_t at = 0x1000 - 20; at < 0x1000 + 20; at++) {
            static const unsigned flags[] = {0, IR_MEM_UNPRIV};
            for (unsigned f = 0; f < 2; f++) {
                v128 got = {.q = 0}, want = expected_at(at, size);
                EXPECT(mmu_load(cpu, VA + at, size_log2, flags[f], size_log2, &got) &&
                           got.q == want.q,
                       "load %u at %llx", size, (unsigned long long)at);
                uint8_t before[0x60];
                memcpy(before, ram + 0x1000 - 0x20, sizeof(before));
                const v128 value = {.d = {0x0123456789abcdef + at, 0xfedcba9876543210}};
                EXPECT(mmu_store(cpu, VA + at, size_log2, flags[f], size_log2, &value),
                       "store %u at %llx", size, (unsigned long long)at);
                memcpy(before + (at - (0x1000 - 0x20)), value.b, size);
                EXPECT(memcmp(before, ram + 0x1000 - 0x20, sizeof(before)) == 0, "store %u at %llx",
                       size, (unsigned long long)at);
            }
        }
    }
    /* the second page may not be written: nothing is, and the fault's address is the first byte there */
    map_at(VA + 0x2000, 3, RAM_BASE + 0x2000, D_AF | D_AP(2));
    mmu_flush_all(cpu);
    const v128 value = {.d = {UINT64_MAX, UINT64_MAX}}, before = expected_at(0x1ff8, 16);
    EXPECT(!mmu_store(cpu, VA + 0x1ffc, 3, 0, 3, &value), "store into a read-only page");
    EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 1, "store into a read-only page");
    EXPECT(cpu->fault.va == VA + 0x2000 && cpu->fault.is_write, "va %llx",
           (unsigned long long)cpu->fault.va);
    EXPECT(expected_at(0x1ff8, 16).q == before.q, "half of it was written");
    *descriptor_of(VA + 0x1000, 3) = 0;
    mmu_flush_all(cpu);
    EXPECT(!mmu_store(cpu, VA + 0x1ffc, 3, 0, 3, &value) && cpu->fault.va == VA + 0x1ffc,
           "the first page comes first");
    close_machine();
}

/* size, offset in 16, flags, align: does it fault? With LSE2, SCTLR.A = 0; and with A = 1 every misaligned one does. */
static void test_alignment(void)
{
    static const struct {
        unsigned size_log2, offset, flags, align;
        bool faults, faults_naa;
    } cases[] = {
        {3, 1, 0, 3, false, false},
        {3, 9, 0, 3, false, false},
        {4, 8, 0, 3, false, false},
        {3, 1, IR_MEM_ACQUIRE | IR_MEM_ATOMIC, 3, false, false},
        {3, 9, IR_MEM_ACQUIRE | IR_MEM_ATOMIC, 3, true, false},
        {3, 8, IR_MEM_ACQUIRE | IR_MEM_ATOMIC, 3, false, false},
        {2, 13, IR_MEM_ACQUIRE | IR_MEM_ATOMIC, 2, true, false},
        {2, 11, IR_MEM_ACQUIRE | IR_MEM_ATOMIC, 2, false, false},
        {3, 1, IR_MEM_ATOMIC, 3, false, false},
        {3, 9, IR_MEM_ATOMIC, 3, true, true},
        {4, 8, IR_MEM_ATOMIC | IR_MEM_ALIGNED, 4, true, true},
        {4, 0, IR_MEM_ATOMIC | IR_MEM_ALIGNED, 4, false, false},
    };

    open_pages();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint64_t va = VA + 0x100 + cases[i].offset;
        const bool aligned = (cases[i].offset & ((1u << cases[i].align) - 1)) == 0;
        for (unsigned mode = 0; mode < 3; mode++) { /* plain, nAA, A */
            v128 v = {.q = 0};
            cpu->sys[SR_SCTLR_EL1] &= ~(1ull << SCTLR_nAA | 1ull << SCTLR_A);
            cpu->sys[SR_SCTLR_EL1] |= mode == 1   ? 1ull << SCTLR_nAA
                                      : mode == 2 ? 1ull << SCTLR_A
                                                  : 0;
            mmu_registers_changed(cpu);
            const bool want = mode == 0   ? cases[i].faults
                              : mode == 1 ? cases[i].faults_naa
                                          : !aligned;
            const bool l = mmu_load(cpu, va, cases[i].size_log2, cases[i].flags, cases[i].align,
                                    &v);
            EXPECT(l == !want, "load, case %zu, mode %u", i, mode);
            EXPECT(l || (cpu->fault.type == FAULT_ALIGNMENT && cpu->fault.va == va &&
                         !cpu->fault.is_write),
                   "case %zu", i);
            const unsigned store_flags = (cases[i].flags & IR_MEM_ACQUIRE) != 0
                                             ? IR_MEM_RELEASE | IR_MEM_ATOMIC
                                             : cases[i].flags;
            const bool s = mmu_store(cpu, va, cases[i].size_log2, store_flags, cases[i].align, &v);
            EXPECT(s == !want, "store, case %zu, mode %u", i, mode);
            EXPECT(s || (cpu->fault.type == FAULT_ALIGNMENT && cpu->fault.is_write), "case %zu", i);
        }
    }
    /* the alignment that SCTLR_ELx.A asks for is checked before the translation, that of Device memory after it */
    cpu->sys[SR_SCTLR_EL1] |= 1ull << SCTLR_A;
    v128 v = {.q = 0};
    EXPECT(!mmu_load(cpu, 0x900001, 3, 0, 3, &v) && cpu->fault.type == FAULT_ALIGNMENT,
           "SCTLR.A comes before translation");
    cpu->sys[SR_SCTLR_EL1] &= ~(1ull << SCTLR_A);
    EXPECT(!mmu_load(cpu, 0x900001, 3, 0, 3, &v) && cpu->fault.type == FAULT_TRANSLATION,
           "not mapped");
    map_at(VA, 3, RAM_BASE, D_AF | D_AP(2) | D_ATTR(1));
    mmu_flush_all(cpu);
    EXPECT(!mmu_store(cpu, VA + 1, 3, 0, 3, &v) && cpu->fault.type == FAULT_ALIGNMENT,
           "Device alignment comes before permissions");
    EXPECT(mmu_load(cpu, VA, 3, 0, 3, &v) && !mmu_load(cpu, VA + 1, 3, 0, 3, &v) &&
               cpu->fault.type == FAULT_ALIGNMENT,
           "also when the TLB has the page");
    EXPECT(mmu_load(cpu, VA + 8, 4, 0, 3, &v), "a pair of aligned registers is aligned");
    close_machine();
}

/* --- Atomics --------------------------------------------------------------------------------------------------------------------- */

static uint64_t atomic_by_hand(unsigned op, uint64_t old, uint64_t operand, unsigned bits)
{
    const uint64_t mask = bits == 64 ? UINT64_MAX : (1ull << bits) - 1, sign = 1ull << (bits - 1);
    /* signed order is unsigned order with the sign bit flipped */
    switch (op) {
    case IR_ATOMIC_ADD:
        return (old + operand) & mask;
    case IR_ATOMIC_CLR:
        return old & ~operand & mask;
    case IR_ATOMIC_EOR:
        return (old ^ operand) & mask;
    case IR_ATOMIC_SET:
        return (old | operand) & mask;
    case IR_ATOMIC_SMAX:
        return (old ^ sign) > (operand ^ sign) ? old : operand;
    case IR_ATOMIC_SMIN:
        return (old ^ sign) < (operand ^ sign) ? old : operand;
    case IR_ATOMIC_UMAX:
        return old > operand ? old : operand;
    case IR_ATOMIC_UMIN:
        return old < operand ? old : operand;
    default:
        return operand;
    }
}

static void test_atomics(void)
{
    static const uint64_t values[] = {0,
                                      1,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0x7fff,
                                      0x8000,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      UINT64_MAX,
                                      0x0123456789abcdef};

    open_pages();
    for (unsigned op = IR_ATOMIC_ADD; op <= IR_ATOMIC_SWP; op++) {
        for (unsigned size_log2 = 0; size_log2 <= 3; size_log2++) {
            const unsigned size = 1u << size_log2;
            const uint64_t mask = size == 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
            for (unsigned offset = 0; offset + size <= 16; offset++) { /* misaligned too: LSE2 */
                for (size_t k = 0; k < 14 * 14; k++) {
                    const uint64_t a = values[k / 14], b = values[k % 14];
                    uint64_t old = 0, now = 0;
                    v128 around = {.d = {0x1111111111111111, 0x2222222222222222}};
                    memcpy(around.b + offset, &a, size);
                    memcpy(ram + 0x40, &around, 16);
                    const bool ok = mmu_atomic(cpu, VA + 0x40 + offset, size_log2, op, b, &old);
                    const uint64_t want = atomic_by_hand(op, a & mask, b & mask, 8 * size);
                    memcpy(&now, ram + 0x40 + offset, size);
                    memcpy(around.b + offset, &want, size);
                    if (!ok || old != (a & mask) || now != want ||
                        memcmp(&around, ram + 0x40, 16) != 0) {
                        EXPECT(false, "op %u size %u offset %u: %llx %llx gives %llx, old %llx", op,
                               size, offset, (unsigned long long)a, (unsigned long long)b,
                               (unsigned long long)now, (unsigned long long)old);
                    }
                }
            }
        }
    }
    n_checks++;
    /* compare and swap, of every size */
    for (unsigned size_log2 = 0; size_log2 <= 4; size_log2++) {
        const unsigned size = 1u << size_log2;
        const uint64_t at = size == 16
                                ? 0x40
                                : 0x43 - size / 8 * 2; /* misaligned but within 16, or 16 aligned */
        v128 junk = {.d = {UINT64_MAX, UINT64_MAX}}, old, want = expected_at(at, size),
             expected = junk;
        const v128 desired = {.d = {0xa5a5a5a5a5a5a5a5, 0x5a5a5a5a5a5a5a5a}};
        memcpy(expected.b, want.b, size); /* bytes above the size do not count */
        EXPECT(mmu_cas(cpu, VA + at, size_log2, &junk, &desired, &old) && old.q == want.q &&
                   expected_at(at, size).q == want.q,
               "CAS that fails, size %u", size);
        EXPECT(mmu_cas(cpu, VA + at, size_log2, &expected, &desired, &old) && old.q == want.q,
               "CAS, size %u", size);
        EXPECT(memcmp(ram + at, desired.b, size) == 0, "CAS stores, size %u", size);
    }
    uint64_t old;
    v128 v = {.q = 0};
    EXPECT(!mmu_atomic(cpu, VA + 13, 2, IR_ATOMIC_ADD, 1, &old) &&
               cpu->fault.type == FAULT_ALIGNMENT && !cpu->fault.is_write,
           "across 16 bytes");
    EXPECT(!mmu_cas(cpu, VA + 8, 4, &v, &v, &v) && cpu->fault.type == FAULT_ALIGNMENT,
           "CASP is aligned to 16");
    /* WnR of a read-modify-write: a write only where reading would do */
    map_at(VA, 3, RAM_BASE, D_AF | D_AP(2));
    mmu_flush_all(cpu);
    EXPECT(!mmu_atomic(cpu, VA, 3, IR_ATOMIC_ADD, 1, &old) && cpu->fault.type == FAULT_PERMISSION &&
               cpu->fault.is_write,
           "read-only");
    *descriptor_of(VA, 3) = 0;
    mmu_flush_all(cpu);
    EXPECT(!mmu_atomic(cpu, VA, 3, IR_ATOMIC_ADD, 1, &old) &&
               cpu->fault.type == FAULT_TRANSLATION && !cpu->fault.is_write,
           "absent");
    /* memory that is not Write-Back: 0x35; also with the data cache off */
    map_at(VA, 3, RAM_BASE, D_AF | D_ATTR(2));
    mmu_flush_all(cpu);
    EXPECT(!mmu_atomic(cpu, VA, 3, IR_ATOMIC_ADD, 1, &old) &&
               cpu->fault.type == FAULT_UNSUPPORTED_EXCLUSIVE,
           "Non-cacheable");
    cpu->sys[SR_SCTLR_EL1] &= ~(1ull << SCTLR_C);
    mmu_registers_changed(cpu);
    EXPECT(!mmu_load_exclusive(cpu, VA + 0x1000, 3, 0, &v) &&
               cpu->fault.type == FAULT_UNSUPPORTED_EXCLUSIVE,
           "SCTLR_EL1.C");
    EXPECT(mmu_load(cpu, VA + 0x1000, 3, IR_MEM_ACQUIRE | IR_MEM_ATOMIC, 3, &v), "LDAR works");
    close_machine();
}

static void test_exclusives(void)
{
    uint64_t status;
    v128 v, w;

    open_pages();
    for (unsigned size_log2 = 0; size_log2 <= 4; size_log2++) {
        const unsigned size = 1u << size_log2;
        v128 want = expected_at(0x80, size);
        EXPECT(mmu_load_exclusive(cpu, VA + 0x80, size_log2, 0, &v) && v.q == want.q, "size %u",
               size);
        w = (v128){.d = {v.d[0] + 3, v.d[1] + 5}};
        EXPECT(mmu_store_exclusive(cpu, VA + 0x80, size_log2, 0, &w, &status) && status == 0,
               "size %u", size);
        EXPECT(memcmp(ram + 0x80, w.b, size) == 0, "size %u is stored", size);
        EXPECT(mmu_store_exclusive(cpu, VA + 0x80, size_log2, 0, &v, &status) && status == 1,
               "size %u: only once", size);
        /* another address, another size, another value, CLREX */
        mmu_load_exclusive(cpu, VA + 0x80, size_log2, 0, &v);
        EXPECT(mmu_store_exclusive(cpu, VA + 0x90, size_log2, 0, &v, &status) && status == 1,
               "another address");
        mmu_load_exclusive(cpu, VA + 0x80, size_log2, 0, &v);
        EXPECT(mmu_store_exclusive(cpu, VA + 0x80, size_log2 ^ 1, 0, &v, &status) && status == 1,
               "another size");
        mmu_load_exclusive(cpu, VA + 0x80, size_log2, 0, &v);
        ram[0x80 + size - 1] ^= 1;
        EXPECT(mmu_store_exclusive(cpu, VA + 0x80, size_log2, 0, &w, &status) && status == 1,
               "another value");
        mmu_load_exclusive(cpu, VA + 0x80, size_log2, 0, &v);
        cpu->excl_valid = false;
        EXPECT(mmu_store_exclusive(cpu, VA + 0x80, size_log2, 0, &w, &status) && status == 1,
               "CLREX");
    }
    EXPECT(!mmu_load_exclusive(cpu, VA + 0x88, 4, 0, &v) && cpu->fault.type == FAULT_ALIGNMENT,
           "pairs are aligned");
    EXPECT(mmu_load_exclusive(cpu, VA + 0x81, 3, 0, &v), "within 16 bytes");
    EXPECT(mmu_store_exclusive(cpu, VA + 0x81, 3, 0, &v, &status) && status == 0,
           "within 16 bytes");
    EXPECT(!mmu_store_exclusive(cpu, VA + 0x89, 3, 0, &v, &status) &&
               cpu->fault.type == FAULT_ALIGNMENT,
           "alignment before the monitor");
    /* a store to a page that has become read-only faults */
    mmu_load_exclusive(cpu, VA, 3, 0, &v);
    map_at(VA, 3, RAM_BASE, D_AF | D_AP(2));
    mmu_flush_all(cpu);
    EXPECT(!mmu_store_exclusive(cpu, VA, 3, 0, &v, &status) &&
               cpu->fault.type == FAULT_PERMISSION && cpu->fault.is_write,
           "read-only");
    close_machine();
}

/* Two vCPUs count in one word, by LDADD, by exclusives, and on an unaligned one. */
#define INCREMENTS 20000u
static void *count_up(void *arg)
{
    struct a64_cpu *const self = arg;

    for (unsigned i = 0; i < INCREMENTS; i++) {
        uint64_t old, status = 1;
        v128 v;
        mmu_atomic(self, VA, 3, IR_ATOMIC_ADD, 1, &old);
        mmu_atomic(self, VA + 0x23, 2, IR_ATOMIC_ADD, 1, &old);
        while (status != 0) {
            mmu_load_exclusive(self, VA + 0x40, 4, 0, &v);
            v.d[0]++;
            v.d[1]--;
            mmu_store_exclusive(self, VA + 0x40, 4, 0, &v, &status);
        }
    }
    return NULL;
}

static void test_two_vcpus(void)
{
    pthread_t threads[N_CPUS];
    uint32_t unaligned;

    open_pages();
    memset(ram, 0, 0x100);
    memcpy(vcpus[1].cpu.sys, cpu->sys, sizeof(cpu->sys));
    mmu_registers_changed(&vcpus[1].cpu);
    for (unsigned i = 0; i < N_CPUS; i++) {
        if (pthread_create(&threads[i], NULL, count_up, &vcpus[i].cpu) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < N_CPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    memcpy(&unaligned, ram + 0x23, 4);
    EXPECT(*word_at(RAM_BASE) == N_CPUS * INCREMENTS, "%llu",
           (unsigned long long)*word_at(RAM_BASE));
    EXPECT(unaligned == N_CPUS * INCREMENTS, "%u", unaligned);
    EXPECT(*word_at(RAM_BASE + 0x40) == N_CPUS * INCREMENTS &&
               *word_at(RAM_BASE + 0x48) == 0ull - N_CPUS * INCREMENTS,
           "pair");
    close_machine();
}

/* --- DC ZVA ---------------------------------------------------------------------------------------------------------------------- */

static void test_zero(void)
{
    open_pages();
    memset(ram, 0xee, 0x1000);
    EXPECT(mmu_zero(cpu, VA + 0x7f, 64), "DC ZVA");
    for (unsigned i = 0; i < 0x100; i++) {
        EXPECT(ram[i] == (i >= 0x40 && i < 0x80 ? 0 : 0xee), "byte %x", i);
    }
    map_at(VA, 3, RAM_BASE + RAM_SIZE, D_AF);
    mmu_flush_all(cpu);
    EXPECT(!mmu_zero(cpu, VA + 0x7f, 64) && cpu->fault.va == VA + 0x7f &&
               cpu->fault.ipa == RAM_BASE + RAM_SIZE + 0x7f,
           "FAR, IPA");
    close_machine();
}

/* --- Watchpoints ----------------------------------------------------------------------------------------------------------------- */

#define W_E          1u
#define W_PAC(pac)   ((uint64_t)(pac) << 1)
#define W_LSC(lsc)   ((uint64_t)(lsc) << 3)
#define W_BAS(bas)   ((uint64_t)(bas) << 5)
#define W_MASK(mask) ((uint64_t)(mask) << 24)

static void test_watchpoints(void)
{
    static const struct {
        uint64_t wcr, wvr;
        uint64_t at;
        unsigned size_log2;
        bool write, el0;
        uint64_t hit; /* 0: none */
    } cases[] = {
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, false, false,
         VA + 0x100},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0xf8, 3, false, false, 0},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0x108, 0, false, false, 0},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0xfc, 3, false, false,
         VA + 0x100},
        {W_E | W_PAC(3) | W_LSC(1) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, true, false, 0},
        {W_E | W_PAC(3) | W_LSC(2) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, true, false,
         VA + 0x100},
        {W_E | W_PAC(3) | W_LSC(2) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, false, false, 0},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0x0c), VA + 0x100, VA + 0x100, 1, false, false, 0},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0x0c), VA + 0x100, VA + 0x102, 0, false, false,
         VA + 0x102},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0x0c), VA + 0x100, VA + 0x100, 3, false, false,
         VA + 0x102},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0x0f), VA + 0x104, VA + 0x100, 2, false, false, 0},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0x0f), VA + 0x104, VA + 0x104, 2, false, false,
         VA + 0x104},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff) | W_MASK(8), VA + 0x100, VA + 0x1ff, 0, false,
         false, VA + 0x1ff},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff) | W_MASK(8), VA + 0x100, VA + 0x200, 0, false,
         false, 0},
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff) | W_MASK(16), VA, VA + 0x5008, 3, false, false,
         VA + 0x5008},
        {W_E | W_PAC(1) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, false, true, 0},
        {W_E | W_PAC(2) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, false, true,
         VA + 0x100},
        {W_E | W_PAC(2) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, false, false, 0},
        {W_PAC(3) | W_LSC(3) | W_BAS(0xff), VA + 0x100, VA + 0x100, 3, false, false, 0},
        /* across pages, in the second */
        {W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff), VA + 0x1000, VA + 0xffc, 3, true, false,
         VA + 0x1000},
    };

    open_pages();
    cpu->sys[SR_MDSCR_EL1] = 1u << 15 | 1u << 13; /* MDE, KDE */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const unsigned n = i % 4;
        memset(&cpu->sys[SR_DBGWCR0_EL1], 0, 4 * sizeof(cpu->sys[0]));
        cpu->sys[SR_DBGWCR0_EL1 + n] = cases[i].wcr;
        cpu->sys[SR_DBGWVR0_EL1 + n] = cases[i].wvr;
        EXPECT(can_store(cases[i].at) || true, "in the TLB before the watchpoint is set");
        mmu_watchpoints_changed(cpu);
        cpu->pstate = cases[i].el0 ? 0 : PSTATE_EL(1) | PSTATE_SP;
        cpu->mmu_index = cases[i].el0 ? MMU_E10_0 : MMU_E10_1;
        for (unsigned again = 0; again < 2; again++) { /* from a walk, and from the TLB */
            v128 v = {.d = {0x77, 0}}, before = expected_at(cases[i].at - VA, 8);
            const bool ok = cases[i].write ? mmu_store(cpu, cases[i].at, cases[i].size_log2, 0,
                                                       cases[i].size_log2, &v)
                                           : mmu_load(cpu, cases[i].at, cases[i].size_log2, 0,
                                                      cases[i].size_log2, &v);
            EXPECT(ok == (cases[i].hit == 0), "case %zu, again %u", i, again);
            if (!ok) {
                EXPECT(cpu->fault.type == FAULT_WATCHPOINT && cpu->fault.va == cases[i].hit &&
                           cpu->fault.is_write == cases[i].write,
                       "case %zu: type %d va %llx", i, cpu->fault.type,
                       (unsigned long long)cpu->fault.va);
                EXPECT(expected_at(cases[i].at - VA, 8).q == before.q, "case %zu wrote", i);
            }
        }
        cpu->pstate = PSTATE_EL(1) | PSTATE_SP;
        cpu->mmu_index = MMU_E10_1;
    }
    /* enabled only with MDE; from EL1 only with KDE and PSTATE.D clear, unless the host has asked for them */
    cpu->sys[SR_DBGWCR0_EL1 + 3] = W_E | W_PAC(3) | W_LSC(3) | W_BAS(0xff);
    cpu->sys[SR_DBGWVR0_EL1 + 3] = VA + 0x100;
    mmu_watchpoints_changed(cpu);
    EXPECT(!can_load(VA + 0x100), "set");
    cpu->pstate |= PSTATE_D;
    EXPECT(can_load(VA + 0x100), "PSTATE.D");
    cpu->trap_debug_exceptions = true;
    EXPECT(!can_load(VA + 0x100), "the host's");
    cpu->trap_debug_exceptions = false;
    cpu->pstate &= ~PSTATE_D;
    cpu->sys[SR_MDSCR_EL1] = 1u << 15;
    mmu_watchpoints_changed(cpu);
    EXPECT(can_load(VA + 0x100), "KDE");
    cpu->sys[SR_MDSCR_EL1] = 1u << 13;
    mmu_watchpoints_changed(cpu);
    EXPECT(can_load(VA + 0x100), "MDE");
    cpu->sys[SR_MDSCR_EL1] = 1u << 15 | 1u << 13;
    /* linked to a context breakpoint: the last two of six */
    cpu->sys[SR_DBGWCR0_EL1 + 3] |= 1u << 20 | 4u << 16;
    cpu->sys[SR_DBGBCR0_EL1 + 4] = 1 | 3u << 20;
    cpu->sys[SR_DBGBVR0_EL1 + 4] = 0x42;
    mmu_watchpoints_changed(cpu);
    EXPECT(can_load(VA + 0x100), "another context");
    cpu->sys[SR_CONTEXTIDR_EL1] = 0x42;
    EXPECT(!can_load(VA + 0x100) && cpu->fault.type == FAULT_WATCHPOINT, "linked");
    close_machine();
}

int main(void)
{
    test_sizes_and_crossing();
    test_alignment();
    test_atomics();
    test_exclusives();
    test_two_vcpus();
    test_zero();
    test_watchpoints();
    return report("access");
}
