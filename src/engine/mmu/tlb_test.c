/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The TLB: what it keeps, what each scope of TLBI drops, ASIDs, and TLBI between vCPUs. A translation that is still answered after
 * its descriptor has gone shows that it was kept; tests that demand it are about cost, not about the architecture.
 */
#include <pthread.h>

#include "engine/mmu/access.h"
#include "engine/mmu/fixture.h"
#include "engine/mmu/mailbox.h"

#define KERNEL 0xffffff8000000000ull /* with 39-bit ranges */

static void set_asid(unsigned asid)
{
    cpu->sys[SR_TTBR0_EL1] = (cpu->sys[SR_TTBR0_EL1] & ((1ull << 48) - 1)) | (uint64_t)asid << 48;
    mmu_registers_changed(cpu);
}

/* Maps va and has it in the TLB, then removes the descriptor. */
static void make_stale(uint64_t va, int level, uint64_t pa, uint64_t bits)
{
    map_at(va, level, pa, D_AF | bits);
    EXPECT(can_load(va), "%llx", (unsigned long long)va);
    *descriptor_of(va, level) = 0;
    EXPECT(can_load(va), "%llx is kept", (unsigned long long)va);
}

static void flush(enum mmu_flush_kind kind, unsigned regimes, int asid, uint64_t va, uint64_t size)
{
    mmu_flush(cpu, &(struct mmu_flush){.kind = (uint8_t)kind,
                                       .regimes = (uint8_t)regimes,
                                       .asid = asid,
                                       .va = va,
                                       .size = size});
}

static void test_scopes(void)
{
    const uint64_t global = 0x5000, local = 0x6000, block = 0x400000;

    open_machine(false);
    use_tables(12, 39);
    cpu->sys[SR_TCR_EL1] |= 1ull << 36; /* AS: 16 bits */
    mmu_registers_changed(cpu);
    set_asid(0x1234);
    /* ALL */
    make_stale(global, 3, RAM_BASE, 0);
    make_stale(local, 3, RAM_BASE, D_NG);
    flush(MMU_FLUSH_ALL, MMU_REGIME_E2, 0, 0, 0);
    EXPECT(can_load(global) && can_load(local), "another regime");
    flush(MMU_FLUSH_ALL, MMU_REGIME_E10, 0, 0, 0);
    EXPECT(!can_load(global) && !can_load(local), "ALL");
    /* ASID: the non-global ones of it */
    make_stale(global, 3, RAM_BASE, 0);
    make_stale(local, 3, RAM_BASE, D_NG);
    flush(MMU_FLUSH_ASID, MMU_REGIME_E10, 0x34, 0, 0);
    EXPECT(can_load(global) && can_load(local), "another ASID");
    flush(MMU_FLUSH_ASID, MMU_REGIME_E10, 0x1234, 0, 0);
    EXPECT(can_load(global) && !can_load(local), "ASID");
    /* VA with ASID: global entries whatever the ASID */
    make_stale(local, 3, RAM_BASE, D_NG);
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, 7, local, 0);
    EXPECT(can_load(local), "VA of another ASID");
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, 0x1234, local + 0xfff, 0);
    EXPECT(!can_load(local), "VA");
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, 7, global, 0);
    EXPECT(!can_load(global), "VA, global");
    /* VA of any ASID */
    make_stale(local, 3, RAM_BASE, D_NG);
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, local + 0x1000, 0);
    EXPECT(can_load(local), "another page");
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, local, 0);
    EXPECT(!can_load(local), "VAA");
    /* a block: all its pages, by any of its addresses; pages around it stay */
    make_stale(block - 0x1000, 3, RAM_BASE, 0);
    make_stale(block + 0x200000, 3, RAM_BASE, 0);
    map_at(block, 2, RAM_BASE, D_AF);
    for (uint64_t a = 0; a < 0x200000; a += 0x11000) {
        EXPECT(can_load(block + a), "%llx", (unsigned long long)a);
    }
    *descriptor_of(block, 2) = 0;
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, block + 0x123456, 0);
    for (uint64_t a = 0; a < 0x200000; a += 0x11000) {
        EXPECT(!can_load(block + a), "%llx of the block", (unsigned long long)a);
    }
    EXPECT(can_load(block - 0x1000) && can_load(block + 0x200000), "around the block");
    /* range, also by the edge of a block */
    make_stale(0x700000, 3, RAM_BASE, D_NG);
    make_stale(0x701000, 3, RAM_BASE, D_NG);
    make_stale(0x702000, 3, RAM_BASE, D_NG);
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, -1, 0x701000, 0x1000);
    EXPECT(can_load(0x700000) && !can_load(0x701000) && can_load(0x702000), "one page of three");
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, 1, 0x700000, 0x10000);
    EXPECT(can_load(0x700000), "range of another ASID");
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, -1, 0, UINT64_MAX);
    EXPECT(!can_load(0x700000) && !can_load(0x702000), "everything");
    make_stale(block, 2, RAM_BASE, 0);
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, -1, block + 0x1ff000, 0x1000);
    EXPECT(!can_load(block), "edge of a block");
    /* the upper half, at its very end */
    make_stale(~0xfffull, 3, RAM_BASE, 0);
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, -1, ~0xfffull, 0x1000);
    EXPECT(!can_load(~0xfffull), "the last page");
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, -1, ~0xfffull, 0); /* no bytes: nothing */
    close_machine();
}

static void test_asids(void)
{
    open_machine(false);
    use_tables(12, 39);
    cpu->sys[SR_TCR_EL1] |= 1ull << 36;
    mmu_registers_changed(cpu);
    set_asid(1);
    make_stale(KERNEL, 3, RAM_BASE, 0);
    set_asid(7);
    EXPECT(can_load(KERNEL), "a global entry survives the switch");
    set_asid(1);
    map_at(0x5000, 3, RAM_BASE, D_AF | D_NG);
    *word_at(RAM_BASE) = 1;
    *word_at(RAM_BASE + 0x1000) = 2;
    EXPECT(can_load(0x5000), "ASID 1");
    /* another process at the same address; nothing is invalidated */
    const uint64_t first = t.root[0];
    t.root[0] = new_table(12);
    map_at(0x5000, 3, RAM_BASE + 0x1000, D_AF | D_NG);
    cpu->sys[SR_TTBR0_EL1] = t.root[0] | 2ull << 48;
    mmu_registers_changed(cpu);
    uint64_t got;
    EXPECT(load(0x5000, 3, &got) && got == 2, "ASID 2: %llu", (unsigned long long)got);
    cpu->sys[SR_TTBR0_EL1] = first | 1ull << 48;
    mmu_registers_changed(cpu);
    t.root[0] = first;
    EXPECT(load(0x5000, 3, &got) && got == 1, "ASID 1 again: %llu", (unsigned long long)got);
    /* with 8-bit ASIDs the upper byte does not count */
    cpu->sys[SR_TCR_EL1] &= ~(1ull << 36);
    mmu_registers_changed(cpu);
    set_asid(1);
    make_stale(0x6000, 3, RAM_BASE, D_NG);
    set_asid(0x101);
    EXPECT(can_load(0x6000), "8-bit ASID");
    /* A1: the ASID is TTBR1's */
    cpu->sys[SR_TCR_EL1] |= 1ull << 22;
    cpu->sys[SR_TTBR1_EL1] = t.root[1] | 3ull << 48;
    mmu_registers_changed(cpu);
    make_stale(0x7000, 3, RAM_BASE, D_NG);
    flush(MMU_FLUSH_ASID, MMU_REGIME_E10, 3, 0, 0);
    EXPECT(!can_load(0x7000), "A1");
    close_machine();
}

/* --- Address spaces: more than there are sets of tables --- */

#define SPACES      (TLB_SETS + 2)
#define SPACE_PAGES 8u

static struct {
    uint64_t root;
    unsigned asid;
} spaces[SPACES];

static void enter_space(unsigned n)
{
    t.root[0] = spaces[n].root;
    cpu->sys[SR_TTBR0_EL1] = spaces[n].root | (uint64_t)spaces[n].asid << 48;
    mmu_registers_changed(cpu);
}

static void make_spaces(void)
{
    open_machine(false);
    use_tables(12, 39);
    cpu->sys[SR_TCR_EL1] |= 1ull << 36;
    for (unsigned i = 0; i < SPACES; i++) {
        spaces[i].root = new_table(12);
        spaces[i].asid = 0x100 + i;
        *word_at(RAM_BASE + i * 0x1000) = RAM_BASE + i * 0x1000;
    }
}

static void test_spaces(void)
{
    make_spaces();
    enter_space(0);
    make_stale(KERNEL, 3, RAM_BASE, 0);
    make_stale(0x5000, 3, RAM_BASE, D_NG);
    enter_space(1);
    EXPECT(!can_load(0x5000), "of another space");
    make_stale(0x5000, 3, RAM_BASE, D_NG);
    enter_space(0);
    EXPECT(can_load(0x5000) && can_load(KERNEL), "a switch back");
    /* another table under the same ASID */
    cpu->sys[SR_TTBR0_EL1] = spaces[2].root | (uint64_t)spaces[0].asid << 48;
    mmu_registers_changed(cpu);
    EXPECT(!can_load(0x5000), "the table counts");
    enter_space(0);
    EXPECT(can_load(0x5000), "and the first again");
    /* TLBI reaches what is not in use */
    enter_space(2);
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, (int)spaces[0].asid, 0x5000, 0);
    enter_space(0);
    EXPECT(!can_load(0x5000), "VA");
    enter_space(1);
    EXPECT(can_load(0x5000), "VA of another ASID");
    enter_space(2);
    flush(MMU_FLUSH_ASID, MMU_REGIME_E10, (int)spaces[1].asid, 0, 0);
    enter_space(1);
    EXPECT(!can_load(0x5000), "ASID");
    enter_space(0);
    EXPECT(can_load(KERNEL), "global");
    enter_space(2);
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, 1, KERNEL, 0);
    enter_space(0);
    EXPECT(!can_load(KERNEL), "global, by another space");
    /* a set that goes to another space keeps what is global */
    for (unsigned i = 0; i < SPACES; i++) {
        enter_space(i);
        map_at(KERNEL, 3, RAM_BASE, D_AF);
        EXPECT(can_load(KERNEL), "mapped");
        make_stale(0x5000, 3, RAM_BASE + i * 0x1000, D_NG);
    }
    *descriptor_of(KERNEL, 3) = 0;
    enter_space(0);
    EXPECT(!can_load(0x5000) && can_load(KERNEL), "its set has gone");
    enter_space(SPACES - 1);
    EXPECT(can_load(0x5000) && can_load(KERNEL), "the last one");
    mmu_flush_all(cpu);
    for (unsigned i = 0; i < SPACES; i++) {
        enter_space(i);
        EXPECT(!can_load(0x5000) && !can_load(KERNEL), "ALL");
    }
    close_machine();
}

/* Switches, changes of mappings with the TLBI that they need, and loads: each finds what is mapped in its space. */
static void test_spaces_at_random(void)
{
    static uint64_t mapped[SPACES + 1][SPACE_PAGES];
    unsigned seed = 1;

    make_spaces();
    memset(mapped, 0, sizeof(mapped));
    for (unsigned step = 0; step < 100000; step++) {
        seed = seed * 1664525 + 1013904223;
        const unsigned page = seed >> 8 & (SPACE_PAGES - 1), other = (seed >> 12) % (SPACES + 1);
        const bool kernel = other == SPACES;
        const uint64_t low = (uint64_t)page << 12 | (uint64_t)(page >> 2) << 27,
                       va = kernel ? KERNEL | low : low;
        const unsigned now = (seed >> 16) % SPACES;
        if ((seed >> 28 & 3) == 0) { /* somebody's page, mostly one that is not in use */
            enter_space(kernel ? now : other);
            mapped[other][page] = (seed >> 20 & 3) == 0 ? 0 : RAM_BASE + (seed >> 22 & 3) * 0x1000;
            *descriptor_of(va, 3) = mapped[other][page] == 0
                                        ? 0
                                        : mapped[other][page] | D_PAGE | D_AF | (kernel ? 0 : D_NG);
            enter_space(now);
            const int asid = kernel ? -1 : (int)spaces[other].asid;
            switch (seed >> 26 & 3) {
            case 0:
                mmu_flush_va(cpu, va, asid);
                break;
            case 1:
                mmu_flush_range(cpu, va & ~0x3fffull, 0x4000, asid);
                break;
            case 2:
                kernel ? mmu_flush_all(cpu) : mmu_flush_asid(cpu, (unsigned)asid);
                break;
            default:
                flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, va, 0);
            }
        }
        enter_space(now);
        const uint64_t *const is = &mapped[kernel ? SPACES : now][page];
        uint64_t got = 0;
        if (load(va, 3, &got) != (*is != 0) || got != *is) {
            EXPECT(false, "step %u: space %u: %llx leads to %llx, not %llx", step, now,
                   (unsigned long long)va, (unsigned long long)got, (unsigned long long)*is);
            break;
        }
    }
    close_machine();
}

static void test_registers(void)
{
    static const struct {
        unsigned reg;
        uint64_t bits;
        const char *name;
    } cases[] = {
        {SR_SCTLR_EL1, 1ull << SCTLR_WXN, "SCTLR_EL1.WXN"},
        {SR_SCTLR_EL1, 1, "SCTLR_EL1.M"},
        {SR_TCR_EL1, 1, "TCR_EL1.T0SZ"},
        {SR_MAIR_EL1, 0xff, "MAIR_EL1"},
        {SR_TTBR1_EL1, 0x100000, "TTBR1_EL1"},
    };

    open_machine(false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        use_tables(12, 39);
        make_stale(0x5000, 3, RAM_BASE, 0);
        mmu_registers_changed(cpu);
        EXPECT(can_load(0x5000), "%s: nothing changed", cases[i].name);
        cpu->sys[cases[i].reg] ^= cases[i].bits;
        mmu_registers_changed(cpu);
        EXPECT(!can_load(0x5000), "%s", cases[i].name);
    }
    /* what translations do not depend on leaves them */
    use_tables(12, 39);
    make_stale(0x5000, 3, RAM_BASE, 0);
    cpu->sys[SR_SCTLR_EL1] ^= 1ull << SCTLR_A;
    cpu->sys[SR_TTBR0_EL1] |= 1; /* CnP */
    mmu_registers_changed(cpu);
    EXPECT(can_load(0x5000), "SCTLR_EL1.A and CnP");
    close_machine();
}

static void test_tags(void)
{
    open_machine(false);
    use_tables(12, 39);
    cpu->sys[SR_TCR_EL1] |= 1ull << 37;
    mmu_registers_changed(cpu);
    map_at(0x5000, 3, RAM_BASE, D_AF);
    EXPECT(can_load(0x5aull << 56 | 0x5000), "tagged");
    *descriptor_of(0x5000, 3) = 0;
    EXPECT(can_load(0x5aull << 56 | 0x5000), "kept under its tag");
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, 0x5000, 0);
    EXPECT(!can_load(0x5aull << 56 | 0x5000), "TLBI has no tag");
    close_machine();
}

static void test_code_pages(void)
{
    v128 v = {.d = {0x55, 0}};

    open_machine(false);
    EXPECT(can_store(RAM_BASE) && can_store(RAM_BASE + 0x1000), "filled");
    n_invalidated = 0;
    /* a page becomes code: later stores are told to the cache, those to other pages are not */
    code_at = ram;
    mmu_drop_write(cpu, ram + 0x10);
    EXPECT(mmu_store(cpu, RAM_BASE + 0x20, 2, 0, 2, &v) && n_invalidated == 1 &&
               invalidated_at == ram + 0x20 && invalidated_size == 4,
           "a store to code: %u", n_invalidated);
    EXPECT(*word_at(RAM_BASE + 0x20) == 0x55, "is done");
    EXPECT(can_store(RAM_BASE + 0x1000) && n_invalidated == 1, "another page");
    EXPECT(can_load(RAM_BASE) && n_invalidated == 1, "a load");
    /* the same when the entry is made afterwards */
    mmu_flush_all(cpu);
    EXPECT(can_store(RAM_BASE) && n_invalidated == 2, "new entry: %u", n_invalidated);
    uint64_t old;
    use_tables(12, 39);
    map_at(0x5000, 3, RAM_BASE, D_AF);
    EXPECT(mmu_atomic(cpu, 0x5000, 3, 0, 1, &old) && n_invalidated == 3, "atomic: %u",
           n_invalidated);
    EXPECT(mmu_zero(cpu, 0x5040, 64) && n_invalidated == 4 && invalidated_size == 64, "DC ZVA: %u",
           n_invalidated);
    EXPECT(mmu_data_pointer(cpu, 0x5080, 16, true, 0) == ram + 0x80 && n_invalidated == 5,
           "pointer: %u", n_invalidated);
    EXPECT(mmu_data_pointer(cpu, 0x5080, 16, false, 0) == ram + 0x80 && n_invalidated == 5,
           "pointer to read");
    /* when the page holds no code any more its stores are ordinary again; and once more the other way */
    code_at = NULL;
    EXPECT(can_store(0x5000) && can_store(0x5000) && n_invalidated == 5, "no code any more: %u",
           n_invalidated);
    code_at = ram;
    mmu_drop_write(cpu, ram);
    EXPECT(can_store(0x5000) && n_invalidated == 6, "code again: %u", n_invalidated);
    close_machine();
}

/* --- Between vCPUs --------------------------------------------------------------------------------------------------------------- */

static void test_broadcast(void)
{
    struct a64_cpu *const peer = &vcpus[1].cpu;
    const struct mmu_flush va = {
        .kind = MMU_FLUSH_VA, .regimes = MMU_REGIME_E10, .asid = -1, .va = 0x5000};
    v128 v;

    open_machine(false);
    use_tables(12, 39);
    memcpy(peer->sys, cpu->sys, sizeof(peer->sys));
    mmu_registers_changed(peer);
    map_at(0x5000, 3, RAM_BASE, D_AF);
    map_at(0x6000, 3, RAM_BASE, D_AF);
    EXPECT(mmu_load(peer, 0x5000, 0, 0, 0, &v) && mmu_load(peer, 0x6000, 0, 0, 0, &v), "filled");
    *descriptor_of(0x5000, 3) = 0;
    *descriptor_of(0x6000, 3) = 0;
    /* outside the guest a vCPU counts as done, and does it on the way in */
    mmu_broadcast_flush(cpu, &va);
    EXPECT(mmu_broadcast_done(cpu), "peer outside");
    atomic_store(&vcpus[1].inside, true);
    EXPECT(mmu_broadcast_done(cpu), "peer on its way in");
    mmu_broadcast_flush(cpu, &va);
    EXPECT(!mmu_broadcast_done(cpu), "peer inside, has not looked");
    EXPECT((atomic_load(&peer->requests) & CPU_REQUEST_MAILBOX) != 0 &&
               (atomic_load(&cpu->requests) & CPU_REQUEST_MAILBOX) == 0,
           "only the peer is asked");
    mmu_handle_mailbox(peer);
    EXPECT(mmu_broadcast_done(cpu), "peer has looked");
    EXPECT(!mmu_load(peer, 0x5000, 0, 0, 0, &v) && mmu_load(peer, 0x6000, 0, 0, 0, &v),
           "precisely");
    /* its own post costs the sender nothing when it comes by */
    mmu_handle_mailbox(cpu);
    /* more than the ring holds: everything goes */
    struct mmu_flush other = va;
    other.va = 0x10000;
    for (unsigned i = 0; i < 1000; i++) {
        mmu_broadcast_flush(cpu, &other);
    }
    EXPECT(mmu_load(peer, 0x6000, 0, 0, 0, &v), "not yet");
    mmu_handle_mailbox(peer);
    EXPECT(!mmu_load(peer, 0x6000, 0, 0, 0, &v) && mmu_broadcast_done(cpu), "after an overflow");
    atomic_store(&vcpus[1].inside, false);
    close_machine();
}

/* Two that broadcast and wait for each other at once must both come through. */
#define ROUNDS 2000u
static void *broadcast_rounds(void *arg)
{
    struct a64_cpu *const self = arg;
    const struct mmu_flush all = {.kind = MMU_FLUSH_ALL, .regimes = MMU_REGIME_ANY};

    atomic_store(&self->vcpu->inside, true);
    for (unsigned i = 0; i < ROUNDS; i++) {
        mmu_broadcast_flush(self, &all);
        while (!mmu_broadcast_done(self)) {
            mmu_handle_mailbox(self); /* the run loop's poll */
        }
    }
    atomic_store(&self->vcpu->inside, false);
    return NULL;
}

static void test_no_deadlock(void)
{
    pthread_t threads[N_CPUS];

    open_machine(false);
    for (unsigned i = 0; i < N_CPUS; i++) {
        if (pthread_create(&threads[i], NULL, broadcast_rounds, &vcpus[i].cpu) != 0) {
            abort();
        }
    }
    for (unsigned i = 0; i < N_CPUS; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT(mmu_broadcast_done(&vcpus[0].cpu) && mmu_broadcast_done(&vcpus[1].cpu), "all done");
    close_machine();
}

/* Random maintenance against a model: an entry that should have gone must never be answered. */
static void test_random(void)
{
    uint32_t seed = 7;
    enum { PAGES = 64 };

    open_machine(false);
    use_tables(12, 39);
    set_asid(0);
    for (unsigned step = 0; step < 20000; step++) {
        seed = seed * 1664525u + 1013904223u;
        const unsigned page = seed >> 10 & (PAGES - 1), kind = seed >> 20 & 3;
        /* far apart, so that slots collide */
        const uint64_t va = ((uint64_t)(page & 7) << 12) + ((uint64_t)(page >> 3) << 22);
        const uint64_t pa = RAM_BASE + ((uint64_t)(seed >> 24 & 15) << 12);
        const bool global = (page & 1) != 0;
        map_at(va, 3, pa, D_AF | (global ? 0 : D_NG));
        if (kind == 0) {
            mmu_flush_va(cpu, va,
                         (seed >> 22 & 1) != 0 ? -1
                                               : (int)mmu_field(cpu->sys[SR_TTBR0_EL1], 55, 48));
        } else if (kind == 1) {
            mmu_flush_range(cpu, va & ~0x7fffull, 0x8000, -1);
        } else if (kind == 2 && !global) {
            mmu_flush_asid(cpu, (unsigned)mmu_field(cpu->sys[SR_TTBR0_EL1], 55, 48));
        } else {
            mmu_flush_all(cpu);
        }
        *word_at(pa) = pa;
        uint64_t got = 0;
        if (!load(va, 3, &got) || got != pa) {
            EXPECT(false, "step %u: %llx leads to %llx, not %llx", step, (unsigned long long)va,
                   (unsigned long long)got, (unsigned long long)pa);
            break;
        }
    }
    close_machine();
}

static uint64_t random64(void)
{
    static uint64_t state = 88172645463325252ull;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* The same RAM again, beyond 32 bits. */
#define HIGH_BASE (1ull << 36)

/* A leaf, or sometimes nothing or nonsense, for a level. */
static uint64_t random_leaf(int level)
{
    const uint64_t r = random64();
    const uint64_t size = 1ull << (t.granule_log2 + (t.granule_log2 - 3) * (unsigned)(3 - level));
    const uint64_t base = (r >> 60) == 0 ? HIGH_BASE : RAM_BASE;
    uint64_t d = (base + (r >> 20 & 7) * 0x10000) & ~(size - 1);

    d |= (r & 7) != 0 ? (level == 3 ? D_PAGE : D_BLOCK) : r >> 3 & 3;
    d |= (r & 3 << 3) != 0 ? D_AF : 0;
    d |= D_AP(r >> 8 & 3) | ((r >> 10 & 3) == 0 ? D_ATTR(r >> 12 & 3) : 0);
    d |= (r >> 32 & 7) == 0 ? D_NG : 0;
    d |= (r >> 35 & 7) == 0 ? D_UXN | D_GP : 0;
    d |= (r >> 17 & 3) == 0 ? D_PXN | D_DBM : 0;
    d |= (r >> 19 & 31) == 0 ? 1ull << (12 + (r >> 40) % 36) : 0; /* no RAM, or out of range */
    return d;
}

static bool is_own_table(uint64_t descriptor)
{
    const uint64_t address = descriptor & D_ADDRESS;

    return (descriptor & 3) == D_TABLE && address >= TABLES_BASE && address < next_table;
}

/* Another descriptor, register, map or TLB. */
static void change_something(uint64_t va)
{
    const uint64_t r = random64();
    const int level = (r & 7) != 0 ? 3 : 2;

    switch (r >> 4 & 127) {
    case 0:
        *descriptor_of(va, 2) = random_leaf(2);
        break;
    case 1:
    case 2:
        *descriptor_of(va, 2) = 0; /* the next use makes another table */
        break;
    case 3:
        *descriptor_of(va, 2) ^= (r >> 20 & 7) << 59; /* APTable, UXNTable, PXNTable */
        break;
    case 4:
        cpu->sys[SR_TTBR0_EL1] = t.root[r >> 20 & 1];
        break;
    case 5:
        cpu->sys[SR_TCR_EL1] = tcr_of(t.granule_log2, t.ia_bits) ^ (r >> 20 & 3) << 39 ^
                               (r >> 22 & 3) << 37 ^ (r >> 24 & 3) << 51 ^ (r >> 26 & 3) << 41;
        if ((r >> 28 & 3) == 0) {
            cpu->sys[SR_TCR_EL1] ^= 5ull << 32; /* IPS: 32 bits */
        }
        break;
    case 6:
        cpu->sys[SR_SCTLR_EL1] ^= 1ull << (r >> 20 & 1 ? SCTLR_WXN : SCTLR_EPAN);
        break;
    case 7:
        cpu->sys[SR_MAIR_EL1] = MAIR ^ (r >> 20 & 0xffffff);
        break;
    case 8:
        EXPECT(vm_protect(&vm, RAM_BASE + (r >> 20 & 7) * 0x10000, 0x10000,
                          (unsigned)(r >> 60) & 7) == VM_OK,
               "protect");
        mmu_handle_mailbox(cpu);
        break;
    default:
        if (level == 3 && !is_own_table(*descriptor_of(va, 2))) {
            *descriptor_of(va, 2) = 0;
        }
        *descriptor_of(va, level) = random_leaf(level);
    }
    mmu_registers_changed(cpu);
}

#ifdef __SANITIZE_THREAD__ /* where each step takes a hundred times as long */
#define WALK_STEPS 20000u
#else
#define WALK_STEPS 300000u
#endif

/* Walks that are made again from what earlier ones have read give what a walk gives, and the same faults. */
static void test_walks_again(void)
{
    static const unsigned granules[] = {12, 14, 16};
    static const _Atomic uint64_t no_code[CODE_FILTER_BITS / 64];
    static uint64_t counted[2], in_places, failures;

    open_machine(false);
    cpu->may_have_code = no_code;
    EXPECT(vm_map(&vm, ram, HIGH_BASE, RAM_SIZE / 2, VM_READ | VM_WRITE) == VM_OK, "twice");
    for (unsigned step = 0; step < WALK_STEPS; step++) {
        if (step % 20000 == 0) {
            next_table = TABLES_BASE;
            memset(ram_at(TABLES_BASE), 0, RAM_SIZE / 2);
            use_tables(granules[step / 20000 % 3], step % 40000 == 0 ? 39 : 48);
        }
        if (next_table > RAM_BASE + RAM_SIZE - (4u << 16)) {
            next_table = t.root[1] + (1ull << t.granule_log2);
            memset(ram_at(t.root[0]), 0, RAM_BASE + RAM_SIZE - t.root[0]);
        }
        const uint64_t r = random64();
        uint64_t va = (r & 7) << 12 | (r >> 3 & 1) << 21 | (r >> 4 & 0xfff);
        va |= (r >> 16 & 3) == 0 ? 0xff80000000000000ull | ((1ull << t.ia_bits) - 1) << t.ia_bits
                                 : 0;
        va |= t.ia_bits == 39 && (va >> 63) != 0 ? 0xffffff8000000000ull : 0;
        va ^= (r >> 18 & 7) == 0 ? 0x5aull << 56 : 0;
        change_something(va);
        const unsigned index = (unsigned)(r >> 40) % 3;
        const enum mmu_access access = (enum mmu_access)((r >> 42) % 3);
        cpu->mmu_index = (uint8_t)index;
        mmu_flush(cpu, &(struct mmu_flush){.kind = MMU_FLUSH_ALL, .regimes = MMU_REGIME_E10});

        /* Before or after the walk, which may set the Access flag or make the page dirty. */
        struct mmu_path path = {.n = 0};
        struct mmu_request request = {.va = va, .path = &path, .access = (uint8_t)(1u << access)};
        struct mmu_page page;
        mmu_set_request_context(&request, index);
        bool expected = false;
        struct fault fault = {0};
        for (unsigned turn = 0; turn < 3; turn++) {
            if (turn == ((r >> 50 & 1) != 0 ? 0 : 1)) {
                expected = mmu_walk(cpu, &request, &page);
                expected = mmu_walk(cpu, &request, &page); /* as it is after an update */
                fault = cpu->fault;
                continue;
            }
            unsigned flags;
            bool guarded;
            /* What emitted code is told, without any call, in half of the turns. */
            const bool in_place = access != MMU_FETCH && (r >> 51 & 1) != 0 &&
                                  mmu_refill_in_place(cpu, va | TLB_TAG,
                                                      access == MMU_WRITE ? MMU_REFILL_STORE : 0,
                                                      tlb_slot_of(va) * sizeof(struct tlb_entry));
            in_places += in_place;
            EXPECT(!in_place ||
                       (access == MMU_WRITE ? tlb_slot(cpu, index, va)->write
                                            : tlb_slot(cpu, index, va)->read) == (va | TLB_TAG),
                   "step %u: not filled", step);
            cpu->fault = (struct fault){0};
            const bool fails = access != MMU_FETCH &&
                               mmu_fails(cpu, false, va, access == MMU_WRITE);
            const struct fault why = cpu->fault;
            failures += fails;
            const uint8_t *const host = access == MMU_FETCH
                                            ? mmu_fetch(cpu, va, &guarded)
                                            : mmu_resolve(cpu, index, va, 1, 1u << access, false,
                                                          &flags);
            const struct fault got = cpu->fault;
            const struct tlb_info *const info = tlb_slot_info(cpu, index, va);
            counted[host != NULL]++;
            if (turn == 0) {
                expected = mmu_walk(cpu, &request, &page);
                fault = cpu->fault;
            }
            EXPECT(!in_place || (expected && mmu_attr_is_wb(page.attr)), "step %u: in place", step);
            EXPECT((host != NULL) == expected, "step %u: va %llx", step, (unsigned long long)va);
            EXPECT(!fails || (!expected && memcmp(&why, &fault, sizeof(fault)) == 0),
                   "step %u: fails by fault %d level %d", step, why.type, why.level);
            if (host == NULL) {
                EXPECT(memcmp(&got, &fault, sizeof(fault)) == 0,
                       "step %u: fault %d level %d, expected %d level %d", step, got.type,
                       got.level, fault.type, fault.level);
            } else if (expected) {
                EXPECT(host == page.host && info->size_log2 == page.size_log2 &&
                           ((info->flags & TLB_GLOBAL) != 0) == page.global &&
                           ((info->flags & TLB_GUARDED) != 0) == page.guarded,
                       "step %u: another page", step);
                EXPECT(access == MMU_FETCH ||
                           ((flags & TLB_DEVICE) != 0) == mmu_attr_is_device(page.attr),
                       "step %u: attributes", step);
                /* What the walk finds in the tables is what the access has made of them. */
                const uint64_t leaf =
                    path.descriptor[path.level - start_level(t.granule_log2, t.ia_bits)];
                EXPECT((leaf & D_AF) != 0, "step %u: Access flag", step);
                EXPECT(access != MMU_WRITE || (leaf & D_AP(2)) == 0, "step %u: clean", step);
            }
            mmu_flush_va(cpu, va, -1);
        }
        if (n_failed > 10) {
            break;
        }
    }
    EXPECT(counted[0] > WALK_STEPS / 6 && counted[1] > WALK_STEPS / 6 &&
               in_places > WALK_STEPS / 1000 && failures > WALK_STEPS / 1000,
           "%llu, %llu, %llu, %llu", (unsigned long long)counted[0], (unsigned long long)counted[1],
           (unsigned long long)in_places, (unsigned long long)failures);
    close_machine();
}

/* What is said to have no translation has none at that moment: in the guest's tables, or in the VM's map. */
static void test_failures(void)
{
    const uint64_t va = 0x5000, hole = RAM_BASE + RAM_SIZE;

    open_machine(false);
    use_tables(12, 39);
    EXPECT(!mmu_fails(cpu, false, va, false), "nothing was walked");
    EXPECT(!can_load(va) && !can_load(va) && mmu_fails(cpu, false, va, false), "no leaf");
    EXPECT(cpu->fault.stage == 1 && cpu->fault.va == va && !cpu->fault.is_write, "stage 1");
    map_at(va, 3, hole, D_AF);
    EXPECT(!mmu_fails(cpu, false, va, false), "a leaf");
    EXPECT(!can_load(va) && !can_load(va) && mmu_fails(cpu, false, va, true), "no memory");
    EXPECT(cpu->fault.stage == 3 && cpu->fault.ipa == hole && cpu->fault.is_write, "stage 3");
    EXPECT(!mmu_fails(cpu, false, va + 0x1000, false) || cpu->fault.stage == 1, "another page");
    EXPECT(vm_map(&vm, ram, hole, 0x4000, VM_READ | VM_WRITE) == VM_OK, "map");
    EXPECT(!mmu_fails(cpu, false, va, false) && can_load(va), "memory");
    EXPECT(vm_unmap(&vm, hole, 0x4000) == VM_OK, "unmap");
    mmu_handle_mailbox(cpu);
    EXPECT(!can_load(va) && !can_load(va) && mmu_fails(cpu, false, va, false), "none again");
    map_at(va, 3, RAM_BASE, D_AF);
    mmu_flush_va(cpu, va, -1);
    EXPECT(!mmu_fails(cpu, false, va, false) && can_load(va), "another leaf");
    close_machine();
}

static bool refill_in_place(uint64_t va)
{
    return mmu_refill_in_place(cpu, va | TLB_TAG, 0, tlb_slot_of(va) * sizeof(struct tlb_entry));
}

/* What is remembered of a leaf that leads to nothing goes as a TLB's entry does. */
static void forget_all(void)
{
    mmu_flush_all(cpu);
}

static void forget_by_va(void)
{
    mmu_flush_va(cpu, 0x5000, -1);
}

static void forget_by_range(void)
{
    mmu_flush_range(cpu, 0x4000, 0x3000, -1);
}

static void forget_by_asid(void)
{
    mmu_flush_asid(cpu, 0);
}

static void forget_by_register(void)
{
    cpu->sys[SR_MAIR_EL1] ^= 0xff00000000000000;
    mmu_registers_changed(cpu);
}

static void forget_by_space(void)
{
    cpu->sys[SR_TTBR0_EL1] ^= 1ull << 48;
    mmu_registers_changed(cpu);
}

static void test_devices(void)
{
    static void (*const ways[])(void) = {forget_all,     forget_by_va,       forget_by_range,
                                         forget_by_asid, forget_by_register, forget_by_space};
    const uint64_t va = 0x5000, hole = RAM_BASE + RAM_SIZE;

    open_machine(false);
    use_tables(12, 39);
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        map_at(va, 3, hole, D_AF | D_NG);
        EXPECT(!can_load(va) && !can_load(va) && mmu_fails(cpu, false, va, false), "way %u", i);
        EXPECT(!refill_in_place(va) && mmu_fails(cpu, false, va + 4, true), "way %u", i);
        EXPECT(cpu->fault.ipa == hole + 4 && cpu->fault.is_write, "way %u", i);
        EXPECT(cpu->x64.device.tag[0] == (va | TLB_TAG) && cpu->x64.device.tag[1] == (va | TLB_TAG),
               "way %u: for emitted code", i);
        map_at(va, 3, RAM_BASE, D_AF | D_NG);
        ways[i]();
        EXPECT(cpu->x64.device.tag[0] == 0 && cpu->x64.device.tag[1] == 0, "way %u: gone", i);
        EXPECT(!mmu_fails(cpu, false, va, false) && can_load(va), "way %u", i);
        mmu_flush_va(cpu, va, -1);
    }
    /* Not writable: the walk says what a store is. */
    map_at(va, 3, hole, D_AF | D_AP(2));
    EXPECT(!can_load(va) && !can_load(va) && mmu_fails(cpu, false, va, false), "read only");
    EXPECT(cpu->x64.device.tag[0] == (va | TLB_TAG) && cpu->x64.device.tag[1] == 0, "read only");
    EXPECT(!mmu_fails(cpu, false, va, true), "a store");
    close_machine();
}

static bool is_filled(uint64_t va)
{
    return tlb_slot(cpu, cpu->mmu_index, va)->read == (va | TLB_TAG);
}

/* Who goes through pages in order finds the next ones: as they are, and no others. */
static void test_pages_ahead(void)
{
    static _Atomic uint64_t code[CODE_FILTER_BITS / 64];
    const uint64_t va = 0x200000, last = va + 511 * 0x1000;

    open_machine(false);
    use_tables(12, 39);
    cpu->may_have_code = code;
    for (unsigned i = 0; i < 1024; i++) {
        map_at(va + i * 0x1000, 3, RAM_BASE + (i ^ 1) * 0x1000, D_AF | D_NG);
    }
    map_at(va + 0x104000, 3, RAM_BASE, D_AF | D_NG | D_AP(2)); /* other attributes */
    map_at(va + 0x114000, 3, RAM_BASE + RAM_SIZE, D_AF | D_NG);
    *descriptor_of(va + 0x124000, 3) = 0;
    const unsigned page = code_filter_bit((uintptr_t)ram_at(RAM_BASE + 0x135000) >> 12);
    EXPECT(can_load(va + 0x100000) && can_load(last + 0x1000), "walks");
    mmu_flush_va(cpu, va + 0x100000, -1);
    mmu_flush_va(cpu, last + 0x1000, -1);

    EXPECT(refill_in_place(va + 0x1000) && !is_filled(va + 0x2000), "one page is no order");
    EXPECT(refill_in_place(va + 0x2000), "the next");
    for (unsigned i = 3; i < 6; i++) {
        uint64_t value;
        EXPECT(is_filled(va + i * 0x1000), "page %u", i);
        *word_at(RAM_BASE + (i ^ 1) * 0x1000) = i;
        EXPECT(load(va + i * 0x1000, 3, &value) && value == i, "page %u is another", i);
    }
    EXPECT(!is_filled(va + 0x6000), "not so far");
    /* who goes on finds 6, 12, 24 and again 24, and the first three again after another page */
    uint64_t next = va + 0x6000;
    for (unsigned n = 6; n <= 48; n *= 2) {
        const unsigned n_ahead = n < 24 ? n : 24;
        EXPECT(refill_in_place(next) && is_filled(next + n_ahead * 0x1000) &&
                   !is_filled(next + (n_ahead + 1) * 0x1000),
               "%u ahead", n_ahead);
        next += (n_ahead + 1) * 0x1000;
    }
    EXPECT(refill_in_place(va + 0x80000) && refill_in_place(va + 0x81000), "elsewhere");
    EXPECT(is_filled(va + 0x84000) && !is_filled(va + 0x85000), "three again");
    mmu_flush_va(cpu, va + 0x4000, -1);
    EXPECT(is_filled(va + 0x3000) && !is_filled(va + 0x4000), "TLBI VA");
    mmu_flush_asid(cpu, 0);
    EXPECT(!is_filled(va + 0x3000) && !is_filled(va + 0x5000), "TLBI ASID");
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t at = va + 0x102000 + i * 0x10000;
        code[page / 64] = i == 3 ? 1ull << page % 64 : 0; /* the bit is other pages' as well */
        EXPECT(refill_in_place(at - 0x1000) && refill_in_place(at), "before what is different");
        EXPECT(is_filled(at + 0x1000) && !is_filled(at + 0x2000), "%u: no further", i);
    }
    code[page / 64] = 0;
    EXPECT(refill_in_place(last - 0x2000) && refill_in_place(last - 0x1000), "before the end");
    EXPECT(is_filled(last) && !is_filled(last + 0x1000), "the end of the table");
    const uint64_t taken = va + 0x14000 + TLB_SLOTS * MMU_PAGE_SIZE;
    map_at(taken, 3, RAM_BASE, D_AF);
    EXPECT(can_load(taken) && refill_in_place(va + 0x12000) && refill_in_place(va + 0x13000),
           "in order");
    EXPECT(is_filled(taken), "an entry of another page stays");
    close_machine();
}

/* Two pages of one slot: what one was allowed is not the other's. */
static void test_collisions(void)
{
    static const _Atomic uint64_t no_code[CODE_FILTER_BITS / 64];
    const uint64_t a = 0x5000, b = a + TLB_SLOTS * MMU_PAGE_SIZE;
    const uint64_t offset = tlb_slot_of(a) * sizeof(struct tlb_entry);
    bool guarded;

    open_machine(false);
    use_tables(12, 39);
    cpu->may_have_code = no_code;
    map_at(a, 3, RAM_BASE, D_AF);
    map_at(b, 3, RAM_BASE + 0x1000, D_AF);
    for (unsigned i = 0; i < 3; i++) { /* a walk, a walk made again, in place */
        EXPECT(mmu_fetch(cpu, a, &guarded) == ram, "fetch");
        EXPECT(i < 2 ? can_load(b) : mmu_refill_in_place(cpu, b | TLB_TAG, 0, offset), "load");
        EXPECT(tlb_host(tlb_slot(cpu, cpu->mmu_index, b), b) == ram + 0x1000, "its place");
        EXPECT(mmu_fetch(cpu, a, &guarded) == ram, "fetch after a load");
        EXPECT(can_store(b), "store");
        EXPECT(mmu_fetch(cpu, a, &guarded) == ram, "fetch after a store");
        *word_at(RAM_BASE + 0x1000) = 1;
        *word_at(RAM_BASE) = 2;
        uint64_t value;
        EXPECT(load(b, 3, &value) && value == 1, "load after a fetch");
    }
    close_machine();
}

/* --- Stretches ------------------------------------------------------------------------------------------------------------------- */

#define ROW   0x600000ull /* n pages from here on, as they lie in RAM */
#define PAGES 8u

static uint64_t row_pa = RAM_BASE;

/* The filter of pages with code is a hash: bits of a page, and of its 2 MiB. */
static void code_bits(uint64_t pa, unsigned bits[2])
{
    const uintptr_t host = (uintptr_t)ram_at(pa);

    bits[0] = code_filter_bit(host >> 12);
    bits[1] = code_filter_bit(~(host / CODE_CHUNK));
}

/* A page at that offset of some 64 KiB in the first 2 MiB of RAM, whose code is taken for no other page's, nor other 2 MiB's. 0: none. */
static uint64_t unlike_others(uint64_t offset)
{
    for (uint64_t pa = RAM_BASE + offset; pa < RAM_BASE + 0x200000; pa += 0x10000) {
        unsigned own[2], other[2];
        bool alone = true;
        code_bits(pa, own);
        for (uint64_t at = RAM_BASE; at < RAM_BASE + RAM_SIZE; at += 0x1000) {
            code_bits(at, other);
            alone = alone && (at == pa || (other[0] != own[0] && other[0] != own[1])) &&
                    other[1] != own[0] &&
                    (other[1] != own[1] ||
                     (uintptr_t)ram_at(at) / CODE_CHUNK == (uintptr_t)ram_at(pa) / CODE_CHUNK);
        }
        if (alone) {
            return pa;
        }
    }
    return 0;
}

/* RAM at a place where there are such pages. */
static void open_where_code_is_told_apart(uint64_t *in_row, uint64_t *in_block)
{
    void *between[64] = {NULL};
    unsigned n = 0;

    for (;;) {
        open_machine(false);
        *in_row = unlike_others(0x3000);
        *in_block = unlike_others(0x1000);
        if ((*in_row != 0 && *in_block != 0) || n == 64) {
            break;
        }
        close_machine();
        between[n++] = aligned_alloc(65536, RAM_SIZE); /* the next RAM lies elsewhere */
    }
    EXPECT(n < 64, "each place has pages that are taken for others");
    for (unsigned i = 0; i < n; i++) {
        free(between[i]);
    }
}

static void put_code(_Atomic uint64_t *filter, uint64_t pa)
{
    unsigned bits[2];

    code_bits(pa, bits);
    for (unsigned i = 0; i < 2; i++) {
        filter[bits[i] / 64] |= 1ull << bits[i] % 64;
    }
}

static bool in_stretch(uint64_t page, bool is_store)
{
    return mmu_in_stretch(cpu, ROW + page * 0x1000, is_store);
}

/* Maps the row anew, with other bits for one of its pages, and loads from its first page. */
static void make_row(unsigned odd, uint64_t bits, uint64_t odd_pa)
{
    mmu_set_least_stretch(cpu, 0x3000);
    mmu_flush_all(cpu);
    for (unsigned i = 0; i < PAGES; i++) {
        map_at(ROW + i * 0x1000, 3, i == odd ? odd_pa : row_pa + i * 0x1000,
               D_AF | (i == odd ? bits : 0));
    }
    *descriptor_of(ROW + PAGES * 0x1000, 3) = 0;
    EXPECT(can_load(ROW), "row");
}

static void test_stretches(void)
{
    static _Atomic uint64_t filter[CODE_FILTER_BITS / 64];
    uint64_t in_row, in_block;

    open_where_code_is_told_apart(&in_row, &in_block);
    cpu->may_have_code = filter;
    use_tables(12, 39);
    make_row(PAGES, 0, 0);
    for (unsigned i = 0; i < PAGES; i++) {
        EXPECT(in_stretch(i, false) && in_stretch(i, true), "page %u", i);
    }
    EXPECT(!in_stretch(PAGES, false) && !mmu_in_stretch(cpu, ROW - 1, false), "around the row");
    EXPECT(!mmu_in_stretch(cpu, ROW + PAGES * 0x1000 - 8, false), "the last bytes are left out");
    EXPECT(!mmu_in_stretch(cpu, 0x5aull << 56 | ROW, false), "tagged");
    /* what ends one */
    static const struct {
        const char *what;
        uint64_t bits, pa;
    } odd[] = {{"another place", 0, RAM_BASE + 0x9000},
               {"read-only", 2 << 6, RAM_BASE + 0x5000},
               {"not global", D_NG, RAM_BASE + 0x5000},
               {"other memory", D_ATTR(1), RAM_BASE + 0x5000},
               {"not mapped by the VM", 0, RAM_BASE + RAM_SIZE}};
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        make_row(5, odd[i].bits, odd[i].pa);
        EXPECT(in_stretch(4, false) && in_stretch(4, true), "before: %s", odd[i].what);
        EXPECT(!in_stretch(5, false) && !in_stretch(5, true), "not: %s", odd[i].what);
        EXPECT(!in_stretch(6, false) && !in_stretch(6, true), "behind: %s", odd[i].what);
    }
    make_row(2, D_NG, RAM_BASE + 0x2000);
    EXPECT(!in_stretch(0, false) && !in_stretch(1, false), "too short");
    EXPECT(can_load(ROW + 0x7000) && in_stretch(3, false) && in_stretch(7, false), "downwards");
    /* all read-only: loads only */
    for (unsigned i = 0; i < PAGES; i++) {
        map_at(ROW + i * 0x1000, 3, RAM_BASE + i * 0x1000, D_AF | 2 << 6);
    }
    mmu_flush_all(cpu);
    EXPECT(can_load(ROW) && in_stretch(7, false) && !in_stretch(0, true), "read-only");
    /* what drops one */
    make_row(PAGES, 0, 0);
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, ROW + PAGES * 0x1000, 0);
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, ROW - 1, 0);
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, -1, ROW - 0x2000, 0x2000);
    flush(MMU_FLUSH_ASID, MMU_REGIME_E10, 0, 0, 0);
    flush(MMU_FLUSH_ALL, MMU_REGIME_E2, 0, 0, 0);
    EXPECT(in_stretch(0, false) && in_stretch(7, true), "kept");
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, ROW + 0x7fff, 0);
    EXPECT(!in_stretch(0, false) && !in_stretch(0, true), "TLBI of its last page");
    make_row(PAGES, 0, 0);
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, 0x5aull << 56 | ROW, 0);
    EXPECT(!in_stretch(0, false) && !in_stretch(0, true), "TLBI of its first page");
    make_row(PAGES, 0, 0);
    flush(MMU_FLUSH_RANGE, MMU_REGIME_E10, -1, ROW - 0x1000, 0x2000);
    EXPECT(!in_stretch(4, false) && !in_stretch(4, true), "TLBI of a range");
    make_row(PAGES, 0, 0);
    flush(MMU_FLUSH_ALL, MMU_REGIME_E10, 0, 0, 0);
    EXPECT(!in_stretch(4, false) && !in_stretch(4, true), "TLBI of all");
    EXPECT(can_load(ROW) && in_stretch(4, false), "found again");
    for (unsigned i = 0; i < PAGES; i++) {
        map_at(ROW + i * 0x1000, 3, RAM_BASE + i * 0x1000, D_AF | D_NG);
    }
    mmu_flush_all(cpu);
    set_asid(3);
    EXPECT(can_load(ROW) && in_stretch(4, true), "of an ASID");
    flush(MMU_FLUSH_ASID, MMU_REGIME_E10, 4, 0, 0);
    EXPECT(in_stretch(4, true), "another ASID");
    set_asid(4);
    EXPECT(!in_stretch(4, false) && !in_stretch(4, true), "not with another ASID");
    set_asid(3);
    flush(MMU_FLUSH_ASID, MMU_REGIME_E10, 3, 0, 0);
    EXPECT(!in_stretch(4, false) && !in_stretch(4, true), "its ASID");
    /* the same when no entry of the ASID is left beside it */
    const uint64_t same_slot = ROW + TLB_SLOTS * MMU_PAGE_SIZE;
    map_at(same_slot, 3, RAM_BASE, D_AF);
    mmu_flush_all(cpu);
    EXPECT(can_load(ROW) && in_stretch(4, false) && can_load(same_slot) && in_stretch(4, false),
           "without its entry");
    set_asid(5);
    EXPECT(!in_stretch(4, false) && !in_stretch(4, true), "nor then with another ASID");
    set_asid(3);
    /* a watchpoint anywhere: none */
    make_row(PAGES, 0, 0);
    cpu->sys[SR_DBGWVR0_EL1] = 0x1000;
    cpu->sys[SR_DBGWCR0_EL1] = 1 | 3 << 1 | 3 << 3 | 0xff << 5;
    cpu->sys[SR_MDSCR_EL1] = 1ull << 15; /* MDE */
    mmu_watchpoints_changed(cpu);
    EXPECT(!in_stretch(4, false) && can_load(ROW) && !in_stretch(4, false), "watchpoint");
    cpu->sys[SR_MDSCR_EL1] = 0;
    mmu_watchpoints_changed(cpu);
    /* code: stores keep the larger part */
    make_row(PAGES, 0, 0);
    code_at = ram + 0x2000;
    mmu_drop_write(cpu, ram + 0x2000);
    EXPECT(in_stretch(2, false) && in_stretch(0, false), "loads from code");
    EXPECT(!in_stretch(0, true) && !in_stretch(2, true) && in_stretch(3, true) &&
               in_stretch(7, true),
           "stores behind it");
    mmu_drop_write(cpu, ram + 0x7000);
    EXPECT(in_stretch(6, true) && !in_stretch(7, true), "stores before it");
    mmu_drop_write(cpu, ram + 0x5000);
    EXPECT(!in_stretch(3, true) && !in_stretch(6, true), "what is left is too short");
    code_at = NULL;
    /* the same when the code was there first */
    row_pa = in_row - 0x3000;
    put_code(filter, in_row);
    make_row(PAGES, 0, 0);
    EXPECT(in_stretch(2, true) && !in_stretch(3, true) && in_stretch(3, false), "before code");
    flush(MMU_FLUSH_ALL, MMU_REGIME_E10, 0, 0, 0);
    EXPECT(can_load(ROW + 0x5000) && !in_stretch(3, true) && in_stretch(4, true), "behind code");
    make_row(PAGES, 0, 0);
    flush(MMU_FLUSH_ALL, MMU_REGIME_E10, 0, 0, 0);
    EXPECT(can_load(ROW + 0x3000) && in_stretch(7, false) && !in_stretch(4, true), "in code");
    EXPECT(can_load(ROW + 0x5000) && in_stretch(4, true), "stores, looked for later");
    /* across tables, and a leaf of 2 MiB */
    const uint64_t wide = 0x40200000;
    for (unsigned n = 0; n < CODE_FILTER_BITS / 64; n++) {
        filter[n] = 0;
    }
    for (unsigned i = 0; i < 1024; i++) {
        map_at(wide + i * 0x1000, 3, RAM_BASE + 0x200000 + i * 0x1000, D_AF);
    }
    map_at(wide + 0x400000, 2, RAM_BASE + 0x600000, D_AF);
    EXPECT(can_load(wide + 0x234000) && mmu_in_stretch(cpu, wide, true) &&
               mmu_in_stretch(cpu, wide + 0x3ff000, true) &&
               mmu_in_stretch(cpu, wide + 0x5ff000, true) &&
               !mmu_in_stretch(cpu, wide + 0x600000, false),
           "two tables of pages and a block");
    mmu_drop_write(cpu, ram + 0x600000);
    EXPECT(mmu_in_stretch(cpu, wide + 0x3ff000, true) &&
               !mmu_in_stretch(cpu, wide + 0x400000, true),
           "cut");
    /* from the pages to blocks on both sides */
    mmu_flush_all(cpu);
    map_at(wide - 0x200000, 2, RAM_BASE, D_AF);
    put_code(filter, in_block);
    EXPECT(can_load(wide + 0x3f0000) && mmu_in_stretch(cpu, wide - 0x200000, false) &&
               mmu_in_stretch(cpu, wide + 0x5ff000, false) &&
               !mmu_in_stretch(cpu, wide - 0x200000 + (in_block - RAM_BASE), true) &&
               mmu_in_stretch(cpu, wide + 0x5ff000, true),
           "blocks on both sides");
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, wide + 0x600000, 0);
    EXPECT(mmu_in_stretch(cpu, wide, false) && mmu_in_stretch(cpu, wide, true), "behind");
    flush(MMU_FLUSH_VA, MMU_REGIME_E10, -1, wide - 0x1ffff8, 0);
    EXPECT(!mmu_in_stretch(cpu, wide, false) && !mmu_in_stretch(cpu, wide, true),
           "TLBI of what code has taken of a leaf");
    /* and from these to the pages */
    for (unsigned i = 0; i < 2; i++) {
        flush(MMU_FLUSH_ALL, MMU_REGIME_E10, 0, 0, 0);
        EXPECT(can_load(i == 0 ? wide - 0x200000 : wide + 0x5ff000) &&
                   mmu_in_stretch(cpu, wide - 0x200000, false) &&
                   mmu_in_stretch(cpu, wide + 0x5ff000, false) &&
                   mmu_in_stretch(cpu, wide + 0x5ff000, true) == (i != 0),
               "from block %u, below code or above", i);
    }
    /* a table that takes permissions from its pages; a block with a bit that would be one of the pages' addresses */
    mmu_set_least_stretch(cpu, 0x200000);
    *descriptor_of(wide, 2) |= 2ull << 61; /* APTable: read-only */
    EXPECT(can_load(wide - 0x200000) && mmu_in_stretch(cpu, wide - 0x1000, false) &&
               !mmu_in_stretch(cpu, wide, false),
           "not into a table of other permissions");
    flush(MMU_FLUSH_ALL, MMU_REGIME_E10, 0, 0, 0);
    EXPECT(can_load(wide + 0x1ff000) && mmu_in_stretch(cpu, wide, false) &&
               !mmu_in_stretch(cpu, wide - 0x1000, false) &&
               !mmu_in_stretch(cpu, wide + 0x200000, false),
           "nor out of it");
    *descriptor_of(wide, 2) &= ~(2ull << 61);
    map_at(wide - 0x200000, 2, RAM_BASE, D_AF | 1 << 16);
    map_at(wide, 3, RAM_BASE + 0x210000, D_AF);
    mmu_flush_all(cpu);
    EXPECT(can_load(wide - 0x200000) && mmu_in_stretch(cpu, wide - 0x1000, false) &&
               !mmu_in_stretch(cpu, wide, false),
           "not to pages that lie elsewhere");
    /* who misses again and again, and is interrupted by each request to look, gets on */
    mmu_set_least_stretch(cpu, 1ull << 40);
    map_at(ROW, 3, RAM_BASE, D_AF | 2 << 6);
    mmu_flush_all(cpu);
    EXPECT(can_load(ROW), "read-only");
    unsigned looks = 0;
    for (unsigned i = 0; i < 200; i++) {
        atomic_store(&cpu->requests, 0);
        EXPECT(!mmu_refill_in_place(cpu, ROW | TLB_TAG, MMU_REFILL_STORE,
                                    tlb_slot_of(ROW) * sizeof(struct tlb_entry)),
               "read-only");
        looks += (atomic_load(&cpu->requests) & CPU_REQUEST_LOOK) != 0;
        mmu_look_for_stretch(cpu);
    }
    EXPECT(looks > 0 && looks < 40, "%u looks", looks);
    close_machine();
}

int main(void)
{
    test_scopes();
    test_asids();
    test_spaces();
    test_spaces_at_random();
    test_registers();
    test_tags();
    test_code_pages();
    test_broadcast();
    test_no_deadlock();
    test_random();
    test_collisions();
    test_walks_again();
    test_failures();
    test_devices();
    test_pages_ahead();
    test_stretches();
    return report("tlb");
}
