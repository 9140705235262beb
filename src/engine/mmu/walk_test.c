/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The walker: granules, levels, permissions, faults, hardware updates, stage 2, AT. */
#include "engine/mmu/fixture.h"

/* --- Stage 1: where it leads --------------------------------------------------------------------------------------------------- */

static void test_levels(void)
{
    static const struct {
        unsigned granule_log2, ia_bits;
        int level;
        unsigned size_log2;
    } cases[] = {
        {12, 48, 3, 12}, {12, 48, 2, 21}, {12, 48, 1, 30}, {12, 39, 3, 12}, {12, 39, 1, 30},
        {12, 32, 2, 21}, {12, 25, 3, 12}, {12, 16, 3, 12}, {12, 31, 2, 21}, {12, 30, 2, 21},
        {14, 48, 3, 14}, {14, 47, 3, 14}, {14, 47, 2, 25}, {14, 36, 3, 14}, {14, 36, 2, 25},
        {14, 25, 3, 14}, {14, 16, 3, 14}, {16, 48, 3, 16}, {16, 48, 2, 29}, {16, 42, 3, 16},
        {16, 42, 2, 29}, {16, 29, 3, 16}, {16, 18, 3, 16},
    };

    open_machine(false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const unsigned ia_bits = cases[i].ia_bits, size_log2 = cases[i].size_log2;
        const uint64_t ia_mask = (1ull << ia_bits) - 1;
        next_table = TABLES_BASE;
        use_tables(cases[i].granule_log2, ia_bits);
        for (unsigned upper = 0; upper < 2; upper++) {
            /* The last leaf of the range, so that every index is all ones; its output is where RAM lies. */
            const uint64_t page = RAM_BASE & ~((1ull << size_log2) - 1);
            const uint64_t byte = 0x1238 & ((1ull << size_log2) - 1),
                           offset = RAM_BASE - page + byte;
            const uint64_t low = ia_mask & ~((1ull << size_log2) - 1),
                           va = (upper != 0 ? ~ia_mask : 0) | low;
            uint64_t got = 0;
            map_at(va, cases[i].level, page, D_AF | D_AP(0));
            *word_at(RAM_BASE + byte) = 0x1122334455667788 + i;
            EXPECT(load(va + offset, 3, &got) && got == 0x1122334455667788 + i,
                   "case %zu, upper %u: %llx, fault %d level %d", i, upper, (unsigned long long)got,
                   cpu->fault.type, cpu->fault.level);
            /* the leaf's size is what TLBI has to match: an address at its other end drops the entry */
            *descriptor_of(va, cases[i].level) = 0;
            EXPECT(load(va + offset, 3, &got), "case %zu: the TLB keeps it", i);
            mmu_flush_va(cpu, va + (1ull << size_log2) - 1, -1);
            EXPECT(!load(va + offset, 3, &got), "case %zu: TLBI by another address of the leaf", i);
            EXPECT_FAULT(cpu, FAULT_TRANSLATION, cases[i].level, 1, "case %zu", i);
            EXPECT(cpu->fault.va == va + offset && !cpu->fault.is_write, "case %zu", i);
        }
    }
    close_machine();
}

/* A descriptor of zero at each level, and the kinds that are not allowed at theirs. */
static void test_translation_faults(void)
{
    static const unsigned granules[] = {12, 14, 16};

    for (size_t g = 0; g < 3; g++) {
        open_machine(false);
        use_tables(granules[g], 48);
        const uint64_t va = 0x123456789000;
        const int first = start_level(granules[g], 48);
        for (int level = first; level <= 3; level++) {
            *descriptor_of(va, level) = 0;
            EXPECT(!can_load(va), "invalid at level %d", level);
            EXPECT_FAULT(cpu, FAULT_TRANSLATION, level, 1, "invalid");
            EXPECT(!can_store(va) && cpu->fault.is_write, "a store says so");
            EXPECT(!can_fetch(va) && cpu->fault.is_fetch, "a fetch says so");
            /* a block where none is allowed */
            const bool block_allowed = level == 2 || (level == 1 && granules[g] == 12);
            if (!block_allowed) {
                *descriptor_of(va, level) = D_BLOCK | D_AF;
                EXPECT(!can_load(va), "block at level %d, granule %u", level, granules[g]);
                EXPECT_FAULT(cpu, FAULT_TRANSLATION, level, 1, "block");
            }
            *descriptor_of(va, level) = level < 3 ? (new_table(granules[g]) | D_TABLE) : 0;
        }
        /* outside of the regions that TxSZ gives, and with walks disabled */
        cpu->sys[SR_TCR_EL1] = tcr_of(granules[g], 39);
        mmu_registers_changed(cpu);
        EXPECT(!can_load(1ull << 39), "beyond T0SZ");
        EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "beyond T0SZ");
        EXPECT(!can_load(~(1ull << 39)), "beyond T1SZ");
        EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "beyond T1SZ");
        cpu->sys[SR_TCR_EL1] = tcr_of(granules[g], 48) | 1ull << 7;
        mmu_registers_changed(cpu);
        EXPECT(!can_load(va), "EPD0");
        EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "EPD0");
        for (unsigned txsz = 0; txsz < 64; txsz++) { /* none may do harm */
            cpu->sys[SR_TCR_EL1] = (tcr_of(granules[g], 48) & ~0x3full) | txsz;
            mmu_registers_changed(cpu);
            EXPECT(!can_load(0), "T0SZ %u", txsz);
            if (txsz < 16 || txsz > (granules[g] == 16 ? 47 : 48)) {
                EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "T0SZ %u", txsz);
            }
        }
        close_machine();
    }
}

static void test_access_flag_and_sizes(void)
{
    const uint64_t va = 0x7000;

    open_machine(false);
    use_tables(12, 39);
    map_at(va, 3, RAM_BASE, 0);
    EXPECT(!can_load(va), "AF 0");
    EXPECT_FAULT(cpu, FAULT_ACCESS_FLAG, 3, 1, "AF 0");
    map_at(va, 3, RAM_BASE, D_AF | D_CONTIGUOUS);
    EXPECT(can_load(va), "the Contiguous hint changes nothing");
    /* IPS 32 bits: output, table and first table beyond it */
    cpu->sys[SR_TCR_EL1] &= ~(7ull << 32);
    map_at(va, 3, 1ull << 32, D_AF);
    mmu_registers_changed(cpu);
    EXPECT(!can_load(va), "output beyond IPS");
    EXPECT_FAULT(cpu, FAULT_ADDRESS_SIZE, 3, 1, "output beyond IPS");
    *descriptor_of(va, 1) = (1ull << 32) | D_TABLE;
    EXPECT(!can_load(va), "table beyond IPS");
    EXPECT_FAULT(cpu, FAULT_ADDRESS_SIZE, 1, 1, "table beyond IPS");
    cpu->sys[SR_TTBR0_EL1] = 1ull << 32;
    mmu_registers_changed(cpu);
    EXPECT(!can_load(va), "TTBR beyond IPS");
    EXPECT_FAULT(cpu, FAULT_ADDRESS_SIZE, 0, 1, "TTBR beyond IPS");
    /* tables that the VM does not map: the host's fault, on a walk, with the table's address */
    cpu->sys[SR_TTBR0_EL1] = 0x10000000;
    mmu_registers_changed(cpu);
    EXPECT(!can_load(va), "table not mapped");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 2, 3, "table not mapped");
    EXPECT(cpu->fault.s1_walk && cpu->fault.ipa == 0x10000000 && cpu->fault.va == va, "ipa %llx",
           (unsigned long long)cpu->fault.ipa);
    /* output that the VM does not map */
    use_tables(12, 39);
    map_at(va, 3, RAM_BASE + RAM_SIZE, D_AF);
    EXPECT(!can_load(va + 0x123), "output not mapped");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 3, 3, "output not mapped");
    EXPECT(!cpu->fault.s1_walk && cpu->fault.ipa == RAM_BASE + RAM_SIZE + 0x123,
           "the IPA has its page offset");
    close_machine();
}

/* --- Permissions ----------------------------------------------------------------------------------------------------------------- */

/* What the manual's tables D8-... say, written down by hand: EL1, EL0, EL1 with PAN, EL1 with PAN and EPAN; then with WXN EL1, EL0. */
static const struct {
    unsigned ap, uxn, pxn;
    const char *el1, *el0, *pan, *epan, *wxn1, *wxn0;
} permission_cases[] = {
    // clang-format off
    {0, 0, 0, "rwx", "--x", "rwx", "--x", "rw-", "--x"},
    {0, 0, 1, "rw-", "--x", "rw-", "---", "rw-", "--x"},
    {0, 1, 0, "rwx", "---", "rwx", "rwx", "rw-", "---"},
    {0, 1, 1, "rw-", "---", "rw-", "rw-", "rw-", "---"},
    {1, 0, 0, "rw-", "rwx", "---", "---", "rw-", "rw-"},
    {1, 0, 1, "rw-", "rwx", "---", "---", "rw-", "rw-"},
    {1, 1, 0, "rw-", "rw-", "---", "---", "rw-", "rw-"},
    {1, 1, 1, "rw-", "rw-", "---", "---", "rw-", "rw-"},
    {2, 0, 0, "r-x", "--x", "r-x", "--x", "r-x", "--x"},
    {2, 0, 1, "r--", "--x", "r--", "---", "r--", "--x"},
    {2, 1, 0, "r-x", "---", "r-x", "r-x", "r-x", "---"},
    {2, 1, 1, "r--", "---", "r--", "r--", "r--", "---"},
    {3, 0, 0, "r-x", "r-x", "--x", "--x", "r-x", "r-x"},
    {3, 0, 1, "r--", "r-x", "---", "---", "r--", "r-x"},
    {3, 1, 0, "r-x", "r--", "--x", "--x", "r-x", "r--"},
    {3, 1, 1, "r--", "r--", "---", "---", "r--", "r--"},
    // clang-format on
};

/* Tries all three, in each order of filling, and compares with "rwx". */
static void check_permissions(uint64_t va, unsigned index, const char *want, int level,
                              const char *what)
{
    cpu->mmu_index = (uint8_t)index;
    for (unsigned order = 0; order < 6; order++) {
        static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                             {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        mmu_flush_all(cpu);
        for (unsigned i = 0; i < 3; i++) {
            const unsigned kind = orders[order][i];
            const bool got = kind == 0 ? can_load(va) : kind == 1 ? can_store(va) : can_fetch(va);
            EXPECT(got == (want[kind] != '-'), "%s: %c of %s in order %u", what, "rwx"[kind], want,
                   order);
            if (!got) {
                EXPECT_FAULT(cpu, FAULT_PERMISSION, level, 1, "%s: %c", what, "rwx"[kind]);
                EXPECT(cpu->fault.is_write == (kind == 1) && cpu->fault.is_fetch == (kind == 2),
                       "%s: %c", what, "rwx"[kind]);
            }
        }
    }
    cpu->mmu_index = MMU_E10_1;
}

static void set_sctlr(uint64_t clear, uint64_t set)
{
    cpu->sys[SR_SCTLR_EL1] = (cpu->sys[SR_SCTLR_EL1] & ~clear) | set;
    mmu_registers_changed(cpu);
}

static void test_permissions(void)
{
    const uint64_t wxn = 1ull << SCTLR_WXN, epan = 1ull << SCTLR_EPAN, va = 0x5000;

    open_machine(false);
    use_tables(12, 39);
    for (size_t i = 0; i < sizeof(permission_cases) / sizeof(permission_cases[0]); i++) {
        const __typeof__(permission_cases[0]) *const c = &permission_cases[i];
        char name[32];
        snprintf(name, sizeof(name), "AP %u UXN %u PXN %u", c->ap, c->uxn, c->pxn);
        map_at(va, 3, RAM_BASE,
               D_AF | D_AP(c->ap) | (c->uxn != 0 ? D_UXN : 0) | (c->pxn != 0 ? D_PXN : 0));
        check_permissions(va, MMU_E10_1, c->el1, 3, name);
        check_permissions(va, MMU_E10_0, c->el0, 3, name);
        check_permissions(va, MMU_E10_1_PAN, c->pan, 3, name);
        set_sctlr(0, epan);
        check_permissions(va, MMU_E10_1_PAN, c->epan, 3, name);
        set_sctlr(epan, wxn);
        check_permissions(va, MMU_E10_1, c->wxn1, 3, name);
        check_permissions(va, MMU_E10_0, c->wxn0, 3, name);
        set_sctlr(wxn, 0);
    }
    close_machine();
}

/* APTable, UXNTable, PXNTable; and not with HPD. Each of the two tables on the way counts. */
static void test_hierarchical(void)
{
    static const struct {
        uint64_t table, leaf;
        const char *el1, *el0, *hpd1;
    } cases[] = {
        {0, D_AP(1), "rw-", "rwx", "rw-"},
        {1ull << 61, D_AP(1), "rwx", "--x",
         "rw-"}, /* no access from EL0: nothing is left that forbids EL1 to execute */
        {2ull << 61, D_AP(1), "r-x", "r-x", "rw-"},
        {3ull << 61, D_AP(1), "r-x", "--x", "rw-"},
        {1ull << 60, D_AP(1), "rw-", "rw-", "rw-"},
        {1ull << 59, D_AP(0), "rw-", "--x", "rwx"},
        {2ull << 61, D_AP(0), "r-x", "--x", "rwx"},
    };
    const uint64_t va = 0x5000;

    for (int level = 1; level <= 2; level++) {
        open_machine(false);
        use_tables(12, 39);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            map_at(va, 3, RAM_BASE, D_AF | cases[i].leaf);
            uint64_t *const table = descriptor_of(va, level);
            *table |= cases[i].table;
            check_permissions(va, MMU_E10_1, cases[i].el1, 3, "EL1");
            check_permissions(va, MMU_E10_0, cases[i].el0, 3, "EL0");
            cpu->sys[SR_TCR_EL1] |= 1ull << 41;
            mmu_registers_changed(cpu);
            check_permissions(va, MMU_E10_1, cases[i].hpd1, 3, "HPD0");
            cpu->sys[SR_TCR_EL1] &= ~(1ull << 41);
            mmu_registers_changed(cpu);
            *table &= ~cases[i].table;
        }
        close_machine();
    }
}

static void test_el2_regimes(void)
{
    const uint64_t va = 0x9000;

    open_machine(true);
    use_tables(14, 36);
    cpu->sys[SR_TTBR0_EL2] = t.root[0];
    cpu->sys[SR_TTBR1_EL2] = t.root[1];
    cpu->sys[SR_MAIR_EL2] = MAIR;
    cpu->sys[SR_SCTLR_EL2] = 1 | 1ull << SCTLR_C;
    cpu->sys[SR_TCR_EL2] = 28 | 2ull << 14 | 2ull << 16;
    mmu_registers_changed(cpu);
    /* EL2: AP[2] and XN alone count */
    map_at(va & ~0x3fffull, 3, RAM_BASE, D_AF | D_AP(1));
    check_permissions(va, MMU_E2, "rwx", 3, "EL2");
    map_at(va & ~0x3fffull, 3, RAM_BASE, D_AF | D_AP(3) | D_PXN);
    check_permissions(va, MMU_E2, "r-x", 3, "EL2, AP[2]");
    map_at(va & ~0x3fffull, 3, RAM_BASE, D_AF | D_AP(0) | D_UXN);
    check_permissions(va, MMU_E2, "rw-", 3, "EL2, XN");
    cpu->mmu_index = MMU_E2;
    EXPECT(!can_load(0xffffff8000009000), "EL2 has one range");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "EL2 has one range");
    /* EL2&0: as EL1&0, with its own registers */
    cpu->sys[SR_HCR_EL2] = 1ull << HCR_E2H | 1ull << HCR_TGE;
    cpu->sys[SR_TCR_EL2] = tcr_of(14, 36);
    mmu_registers_changed(cpu);
    map_at(va & ~0x3fffull, 3, RAM_BASE, D_AF | D_AP(1));
    check_permissions(va, MMU_E20_2, "rw-", 3, "EL2&0");
    check_permissions(va, MMU_E20_0, "rwx", 3, "EL2&0 from EL0");
    check_permissions(va, MMU_E20_2_PAN, "---", 3, "EL2&0 with PAN");
    map_at(0xfffffffff0000000, 3, RAM_BASE, D_AF);
    cpu->mmu_index = MMU_E20_2;
    EXPECT(can_load(0xfffffffff0000000), "EL2&0 has two ranges");
    close_machine();
}

static void test_e0pd_gp_tbi(void)
{
    const uint64_t va = 0x5000;
    bool guarded;
    uint64_t got;

    open_machine(false);
    use_tables(12, 39);
    map_at(va, 3, RAM_BASE, D_AF | D_AP(1) | D_GP);
    cpu->mmu_index = MMU_E10_0;
    EXPECT(mmu_fetch(cpu, va, &guarded) != NULL && guarded, "GP");
    map_at(va, 3, RAM_BASE, D_AF | D_AP(1));
    mmu_flush_va(cpu, va, -1);
    EXPECT(mmu_fetch(cpu, va, &guarded) != NULL && !guarded, "no GP");
    cpu->sys[SR_TCR_EL1] |= 1ull << 55;
    mmu_registers_changed(cpu);
    EXPECT(!can_load(va), "E0PD0");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "E0PD0");
    cpu->mmu_index = MMU_E10_1;
    EXPECT(can_load(va), "E0PD0 is about EL0");
    cpu->sys[SR_TCR_EL1] &= ~(1ull << 55);
    mmu_registers_changed(cpu);
    /* top byte */
    EXPECT(!can_load(va | 0x5aull << 56), "no TBI");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "no TBI");
    cpu->sys[SR_TCR_EL1] |= 1ull << 37;
    mmu_registers_changed(cpu);
    map_at(va, 3, RAM_BASE, D_AF | D_AP(0));
    *word_at(RAM_BASE) = 77;
    EXPECT(load(va | 0x5aull << 56, 3, &got) && got == 77, "TBI");
    EXPECT(can_fetch(va | 0x5aull << 56), "TBI for fetches");
    EXPECT(!can_load(va | 1ull << 48), "bits 54:48 are checked");
    cpu->sys[SR_TCR_EL1] |= 1ull << 51;
    mmu_registers_changed(cpu);
    EXPECT(can_load(va | 0x5aull << 56) && !can_fetch(va | 0x5aull << 56), "TBID");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 1, "TBID");
    close_machine();
}

/* --- Hardware update of descriptors --------------------------------------------------------------------------------------------- */

static void test_hardware_update(void)
{
    const uint64_t va = 0x5000, ha = 1ull << 39, hd = 1ull << 40;

    open_machine(false);
    use_tables(12, 39);
    cpu->sys[SR_TCR_EL1] |= ha | hd;
    mmu_registers_changed(cpu);
    map_at(va, 3, RAM_BASE, D_AP(2) | D_DBM);
    uint64_t *const d = descriptor_of(va, 3);
    EXPECT(can_load(va) && *d == (RAM_BASE | D_PAGE | D_AF | D_AP(2) | D_DBM),
           "AF set, still clean: %llx", (unsigned long long)*d);
    EXPECT(can_store(va) && *d == (RAM_BASE | D_PAGE | D_AF | D_AP(0) | D_DBM), "dirty: %llx",
           (unsigned long long)*d);
    /* AT and cache maintenance make nothing dirty */
    map_at(va, 3, RAM_BASE, D_AF | D_AP(2) | D_DBM);
    mmu_flush_all(cpu);
    struct mmu_walk walk;
    EXPECT(mmu_translate(cpu, va, MMU_E10_1, MMU_WRITE, false, &walk), "AT W of a clean page");
    EXPECT((*d & D_AP(2)) != 0, "AT made it dirty");
    /* a permission fault leaves the dirty state, but the page has been accessed */
    map_at(va, 3, RAM_BASE, D_AP(2));
    EXPECT(!can_store(va), "read-only without DBM");
    EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 1, "read-only without DBM");
    /* the table is read-only to the guest: no update is possible, the fault is the host's, on the walk */
    map_at(va, 3, RAM_BASE, 0);
    vm_protect(&vm, TABLES_BASE, RAM_SIZE / 2, VM_READ);
    mmu_handle_mailbox(cpu);
    EXPECT(!can_load(va), "AF in a read-only table");
    EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 3, "AF in a read-only table");
    EXPECT(cpu->fault.s1_walk, "on the walk");
    close_machine();

    /* Without the feature the bits do nothing. */
    const uint64_t mmfr1 = profile.id[SR_ID_AA64MMFR1_EL1];
    profile.id[SR_ID_AA64MMFR1_EL1] = mmfr1 & ~0xfull;
    open_machine(false);
    use_tables(12, 39);
    cpu->sys[SR_TCR_EL1] |= ha | hd;
    mmu_registers_changed(cpu);
    map_at(va, 3, RAM_BASE, D_AP(2) | D_DBM);
    EXPECT(!can_load(va), "HA without FEAT_HAFDBS");
    EXPECT_FAULT(cpu, FAULT_ACCESS_FLAG, 3, 1, "HA without FEAT_HAFDBS");
    profile.id[SR_ID_AA64MMFR1_EL1] = mmfr1;
    close_machine();
}

/* --- MMU off --------------------------------------------------------------------------------------------------------------------- */

static void test_flat(void)
{
    uint64_t got;
    v128 v = {.q = 0};

    open_machine(true);
    *word_at(RAM_BASE + 8) = 5;
    EXPECT(load(RAM_BASE + 8, 3, &got) && got == 5, "flat");
    EXPECT(can_fetch(RAM_BASE), "flat fetch");
    EXPECT(!load(RAM_BASE + 9, 3, &got), "Device memory faults when misaligned");
    EXPECT(cpu->fault.type == FAULT_ALIGNMENT && cpu->fault.va == RAM_BASE + 9, "type %d",
           cpu->fault.type);
    EXPECT(!mmu_zero(cpu, RAM_BASE, 64) && cpu->fault.type == FAULT_ALIGNMENT &&
               cpu->fault.is_write,
           "DC ZVA on Device memory");
    EXPECT(!mmu_load_exclusive(cpu, RAM_BASE, 3, 0, &v) &&
               cpu->fault.type == FAULT_UNSUPPORTED_EXCLUSIVE,
           "exclusive on Device");
    EXPECT(!can_load(0x1000), "nothing mapped");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 2, 3, "nothing mapped");
    EXPECT(cpu->fault.ipa == 0x1000, "ipa");
    EXPECT(!can_load(1ull << 48), "beyond the physical address size");
    EXPECT_FAULT(cpu, FAULT_ADDRESS_SIZE, 0, 1, "beyond the physical address size");
    /* HCR_EL2.DC: Normal Write-Back, and stage 2 is on */
    cpu->sys[SR_HCR_EL2] = 1ull << HCR_DC;
    mmu_registers_changed(cpu);
    struct mmu_walk walk;
    EXPECT(mmu_translate(cpu, RAM_BASE, MMU_E10_1, MMU_READ, true, &walk) && walk.attr == 0xff,
           "DC");
    EXPECT(mmu_stage2_enabled(cpu, MMU_REGIME_E10), "DC");
    close_machine();
}

/* --- Stage 2 --------------------------------------------------------------------------------------------------------------------- */

#define S2_R      (1ull << 6)
#define S2_W      (2ull << 6)
#define S2_WB     (15ull << 2)
#define S2_DEVICE 0ull

static uint64_t s2_root;

static uint64_t *s2_descriptor(uint64_t ipa, int level)
{
    return word_at(descriptor_at(s2_root, 12, 1, ipa, 40, level)); /* two concatenated tables */
}

static void test_stage2(void)
{
    const uint64_t va = 0x5000, ipa = 0x123456000;
    uint64_t got;

    open_machine(true);
    use_tables(12, 39);
    new_table(13);
    s2_root = (new_table(13) + 8191) & ~8191ull;
    cpu->sys[SR_VTTBR_EL2] = s2_root;
    cpu->sys[SR_VTCR_EL2] = 24 | 1u << 6 /* SL0: level 1 */ | 2u << 16;
    cpu->sys[SR_HCR_EL2] = 1ull << HCR_VM;
    mmu_registers_changed(cpu);
    map_at(va, 3, ipa, D_AF | D_AP(1));
    /* the stage 1 tables are found through stage 2: nothing is mapped there yet */
    EXPECT(!can_load(va + 4), "walk through stage 2");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 1, 2, "walk through stage 2");
    EXPECT(cpu->fault.s1_walk && cpu->fault.ipa == t.root[0] && cpu->fault.va == va + 4, "ipa %llx",
           (unsigned long long)cpu->fault.ipa);
    for (uint64_t a = TABLES_BASE; a < RAM_BASE + RAM_SIZE; a += 0x200000) {
        *s2_descriptor(a, 2) = a | D_BLOCK | D_AF | S2_R | S2_W | S2_WB;
    }
    EXPECT(!can_load(va + 4), "output");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 1, 2, "output");
    EXPECT(!cpu->fault.s1_walk && cpu->fault.ipa == ipa + 4, "output's IPA");
    for (int level = 1; level <= 3; level++) {
        *s2_descriptor(ipa, level) = level < 3 ? (new_table(12) | D_TABLE) : 0;
        EXPECT(!can_load(va), "level %d", level);
        EXPECT_FAULT(cpu, FAULT_TRANSLATION, level < 3 ? level + 1 : 3, 2, "level %d", level);
    }
    uint64_t *const d = s2_descriptor(ipa, 3);
    *d = RAM_BASE | D_PAGE | S2_R | S2_W | S2_WB;
    EXPECT(!can_load(va), "AF");
    EXPECT_FAULT(cpu, FAULT_ACCESS_FLAG, 3, 2, "AF");
    *word_at(RAM_BASE) = 0x99;
    *d |= D_AF;
    EXPECT(load(va, 3, &got) && got == 0x99, "both stages");

    /* permissions: S2AP and XN with FEAT_XNX; stage 1 gives rw to both and x to EL0 */
    static const struct {
        uint64_t bits;
        const char *el1, *el0;
    } cases[] = {
        {0, "---", "--x"},
        {S2_R, "r--", "r-x"},
        {S2_W, "-w-", "-wx"},
        {S2_R | S2_W, "rw-", "rwx"},
        {S2_R | 1ull << 53, "r--", "r-x"},
        {S2_R | 2ull << 53, "r--", "r--"},
        {S2_R | 3ull << 53, "r--", "r--"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        *d = RAM_BASE | D_PAGE | D_AF | S2_WB | cases[i].bits;
        for (unsigned el0 = 0; el0 < 2; el0++) {
            const char *const want = el0 != 0 ? cases[i].el0 : cases[i].el1;
            cpu->mmu_index = el0 != 0 ? MMU_E10_0 : MMU_E10_1;
            mmu_flush_all(cpu);
            for (unsigned kind = 0; kind < 3; kind++) {
                const bool ok = kind == 0   ? can_load(va)
                                : kind == 1 ? can_store(va)
                                            : can_fetch(va);
                EXPECT(ok == (want[kind] != '-'), "case %zu, el0 %u, %c", i, el0, "rwx"[kind]);
                if (!ok && !(kind == 2 && el0 == 0)) {
                    EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 2, "case %zu, el0 %u, %c", i, el0,
                                 "rwx"[kind]);
                    EXPECT(cpu->fault.ipa == ipa, "case %zu", i);
                }
            }
        }
    }
    cpu->mmu_index = MMU_E10_1;

    /* attributes: Device at stage 2 makes Device */
    *d = RAM_BASE | D_PAGE | D_AF | S2_R | S2_DEVICE;
    mmu_flush_all(cpu);
    EXPECT(!load(va + 1, 3, &got) && cpu->fault.type == FAULT_ALIGNMENT, "Device by stage 2");
    struct mmu_walk walk;
    *d = RAM_BASE | D_PAGE | D_AF | S2_R | S2_W | 5ull << 2;
    EXPECT(mmu_translate(cpu, va + 8, MMU_E10_1, MMU_READ, false, &walk) &&
               walk.pa == RAM_BASE + 8 && walk.attr == 0x44,
           "NC: %x", walk.attr);
    EXPECT(mmu_translate(cpu, va + 8, MMU_E10_1, MMU_READ, true, &walk) && walk.pa == ipa + 8 &&
               walk.attr == 0xff,
           "stage 1 only");

    /* stage 1 tables that stage 2 forbids to read */
    *s2_descriptor(t.root[0], 2) &= ~S2_R;
    mmu_flush_all(cpu);
    EXPECT(!can_load(va), "table not readable");
    EXPECT_FAULT(cpu, FAULT_PERMISSION, 2, 2, "table not readable");
    EXPECT(cpu->fault.s1_walk, "on the walk");
    *s2_descriptor(t.root[0], 2) |= S2_R;

    /* SL0 that does not fit T0SZ, IPA out of range */
    for (unsigned vtcr = 0; vtcr < 256; vtcr++) {
        cpu->sys[SR_VTCR_EL2] = vtcr | 2u << 16; /* T0SZ and SL0: whatever they say, no harm */
        mmu_registers_changed(cpu);
        can_load(va);
    }
    cpu->sys[SR_VTCR_EL2] = 24 | 0u << 6 | 2u << 16; /* start at level 2: 30 to 34 bits */
    mmu_registers_changed(cpu);
    EXPECT(!can_load(va), "SL0");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 0, 2, "SL0");
    /* with {E2H,TGE} = {1,1} HCR_EL2.VM does nothing */
    cpu->sys[SR_HCR_EL2] = 1ull << HCR_VM | 1ull << HCR_E2H | 1ull << HCR_TGE;
    EXPECT(!mmu_stage2_enabled(cpu, MMU_REGIME_E10), "TGE");
    close_machine();
}

/* --- AT, cache maintenance, the map's permissions ---------------------------------------------------------------------------------- */

static void test_maintenance(void)
{
    const uint64_t va = 0x5000;
    struct mmu_walk walk;
    uint8_t *hva = NULL;

    open_machine(false);
    use_tables(12, 39);
    map_at(va, 3, RAM_BASE, D_AF | D_AP(2) | 3u << 8);
    EXPECT(mmu_translate(cpu, va + 0x123, MMU_E10_1, MMU_READ, true, &walk) &&
               walk.pa == RAM_BASE + 0x123 && walk.attr == 0xff && walk.shareability == 3,
           "AT S1E1R");
    EXPECT(!mmu_translate(cpu, va, MMU_E10_1, MMU_WRITE, true, &walk), "AT S1E1W");
    EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 1, "AT S1E1W");
    EXPECT(cpu->fault.is_cm, "is_cm");
    EXPECT(!mmu_translate(cpu, va, MMU_E10_0, MMU_READ, true, &walk), "AT S1E0R");
    map_at(va, 3, RAM_BASE, D_AF | D_ATTR(1));
    EXPECT(mmu_translate(cpu, va, MMU_E10_1, MMU_READ, true, &walk) && walk.attr == 0x04 &&
               walk.shareability == 2,
           "Device is outer");
    map_at(va, 3, RAM_BASE + RAM_SIZE, D_AF);
    EXPECT(mmu_translate(cpu, va, MMU_E10_1, MMU_READ, true, &walk),
           "AT does not look at the VM's map");
    /* DC and IC */
    map_at(va, 3, RAM_BASE, D_AF | D_AP(2));
    EXPECT(mmu_cache_op(cpu, va + 4, MMU_CACHE_CLEAN, &hva) && hva == ram + 4, "DC CVAC");
    EXPECT(mmu_cache_op(cpu, va + 4, MMU_CACHE_IC, &hva) && hva == ram + 4, "IC IVAU");
    EXPECT(!mmu_cache_op(cpu, va, MMU_CACHE_INVALIDATE, &hva) &&
               cpu->fault.type == FAULT_PERMISSION && cpu->fault.is_cm,
           "DC IVAC");
    cpu->mmu_index = MMU_E10_0;
    EXPECT(!mmu_cache_op(cpu, va, MMU_CACHE_CLEAN, &hva) && cpu->fault.type == FAULT_PERMISSION &&
               cpu->fault.is_write,
           "DC CVAC at EL0");
    cpu->mmu_index = MMU_E10_1;
    map_at(va, 3, 0x10000000, D_AF);
    EXPECT(!mmu_cache_op(cpu, va, MMU_CACHE_CLEAN, &hva) && cpu->fault.stage == 3 &&
               cpu->fault.is_cm,
           "not in the VM's map");
    close_machine();
}

static void test_map_permissions(void)
{
    open_machine(false);
    for (unsigned permissions = 0; permissions < 8; permissions++) {
        EXPECT(vm_protect(&vm, RAM_BASE, 0x1000, permissions) == VM_OK, "protect");
        mmu_handle_mailbox(cpu); /* what the run loop does before it goes on */
        for (unsigned kind = 0; kind < 3; kind++) {
            const bool ok = kind == 0   ? can_load(RAM_BASE + 4)
                            : kind == 1 ? can_store(RAM_BASE + 4)
                                        : can_fetch(RAM_BASE + 4);
            EXPECT(ok == ((permissions >> kind & 1) != 0), "permissions %u, %c", permissions,
                   "rwx"[kind]);
            if (!ok) {
                EXPECT_FAULT(cpu, FAULT_PERMISSION, 3, 3, "permissions %u, %c", permissions,
                             "rwx"[kind]);
                EXPECT(cpu->fault.ipa == RAM_BASE + 4 && cpu->fault.is_write == (kind == 1),
                       "permissions %u", permissions);
            }
        }
    }
    EXPECT(can_load(RAM_BASE + 0x1000), "the next page");
    EXPECT(vm_unmap(&vm, RAM_BASE, 0x1000) == VM_OK, "unmap");
    EXPECT((atomic_load(&cpu->requests) & CPU_REQUEST_MAILBOX) != 0, "the vCPU is asked to look");
    mmu_handle_mailbox(cpu);
    EXPECT(!can_load(RAM_BASE), "unmapped");
    EXPECT_FAULT(cpu, FAULT_TRANSLATION, 3, 3, "unmapped");
    close_machine();
}

/* --- A hostile guest ---------------------------------------------------------------------------------------------------------------- */

/* Registers and tables of random bits, with pointers that lead back into the tables often enough: no access may leave RAM, and the
 * sanitizers see the rest. */
static void test_hostile(void)
{
    uint64_t state = 88172645463325252ull;
    unsigned reached = 0;

    open_machine(true);
    uint64_t *const tables = word_at(TABLES_BASE);
    for (unsigned i = 0; i < 65536; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        /* mostly valid, mostly to RAM */
        tables[i] = (state & 0xfff0000000000fff) | (RAM_BASE + (state >> 12 & 0xfff) * 4096) |
                    ((state >> 60) != 0 ? 1 : 0);
    }
    for (unsigned i = 0; i < 60000; i++) {
        static const unsigned regs[] = {SR_TCR_EL1,  SR_TCR_EL2,   SR_MAIR_EL1, SR_MAIR_EL2,
                                        SR_VTCR_EL2, SR_SCTLR_EL1, SR_SCTLR_EL2};
        for (size_t r = 0; r < sizeof(regs) / sizeof(regs[0]); r++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            cpu->sys[regs[r]] = state;
        }
        if (i % 4 != 0) { /* sizes that are possible */
            const uint64_t txsz = 16 + (state >> 8) % 24,
                           clear = 0x3full | 0x3full << 16 | 1ull << 7 | 1ull << 23 | 7ull << 32;
            cpu->sys[SR_TCR_EL1] = (cpu->sys[SR_TCR_EL1] & ~clear) | txsz | txsz << 16 | 5ull << 32;
            cpu->sys[SR_TCR_EL2] = (cpu->sys[SR_TCR_EL2] & ~(clear | 7ull << 16)) | txsz |
                                   5ull << 16 | 5ull << 32;
            cpu->sys[SR_VTCR_EL2] = (cpu->sys[SR_VTCR_EL2] & ~(0x3full | 7ull << 16)) | txsz |
                                    5ull << 16;
        }
        const uint64_t root = TABLES_BASE + (state >> 20 & 0x3f) * 0x1000;
        cpu->sys[SR_TTBR0_EL1] = cpu->sys[SR_TTBR1_EL1] = cpu->sys[SR_TTBR0_EL2] =
            cpu->sys[SR_TTBR1_EL2] = root;
        cpu->sys[SR_VTTBR_EL2] = TABLES_BASE + (state >> 30 & 0x3f) * 0x1000;
        cpu->sys[SR_HCR_EL2] = (i % 3 != 0 ? ~(1ull << HCR_VM) : ~0ull) & state &
                               (1ull << HCR_VM | 1ull << HCR_E2H | 1ull << HCR_TGE |
                                1ull << HCR_PTW | 1ull << HCR_CD);
        mmu_registers_changed(cpu);
        for (unsigned index = 0; index < MMU_INDEX_COUNT; index++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            const uint64_t va = ((state >> 63 != 0 ? ~0ull : 0) << 48) ^
                                (state >> 10 & ((1ull << (state & 47)) - 1));
            struct mmu_request request = {.va = va,
                                          .access = (uint8_t)(1u << (state >> 50) % 3),
                                          .misaligned = state >> 40 & 1};
            struct mmu_page page;
            mmu_set_request_context(&request, index);
            if (mmu_walk(cpu, &request, &page)) {
                reached++;
                EXPECT(page.host >= ram && page.host < ram + RAM_SIZE, "outside of RAM: va %llx",
                       (unsigned long long)va);
            } else {
                EXPECT(cpu->fault.type != FAULT_NONE && cpu->fault.level >= 0 &&
                           cpu->fault.level <= 3 && cpu->fault.va == va,
                       "fault %d level %d", cpu->fault.type, cpu->fault.level);
            }
        }
    }
    EXPECT(reached > 1000, "only %u walks came through", reached);
    close_machine();
}

int main(void)
{
    test_levels();
    test_translation_faults();
    test_access_flag_and_sizes();
    test_permissions();
    test_hierarchical();
    test_el2_regimes();
    test_e0pd_gp_tbi();
    test_hardware_update();
    test_flat();
    test_stage2();
    test_maintenance();
    test_map_permissions();
    test_hostile();
    return report("walk");
}
