/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * <applevisor/translate.h> against the guest's own MMU: random tables, random addresses, and what AT says about them for EL1 and EL0,
 * reads and writes. The code runs from the other address range than the one under test.
 */
#include <applevisor/translate.h>

#include "check.h"

#define RAM_BASE  0x400000ull
#define RAM_SIZE  0x400000ull
#define CODE_IPA  RAM_BASE
#define FIXED_IPA (RAM_BASE + 0x10000) /* the table of the code's range */
#define POOL_IPA  (RAM_BASE + 0x100000)
#define POOL_SIZE 0x200000ull
#define UPPER     0xffffff8000000000ull /* T1SZ = 25 */

static hv_vcpu_t vcpu;
static hv_vcpu_exit_t *exit_info;
static uint8_t *ram;
static uint64_t seed;

static uint64_t random64(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const uint64_t high = seed >> 32;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return high << 32 | seed >> 32;
}

static bool read_guest(void *context, uint64_t ipa, void *buffer, size_t size)
{
    (void)context;
    if (ipa < RAM_BASE || ipa - RAM_BASE > RAM_SIZE - size) {
        return false;
    }
    memcpy(buffer, ram + (ipa - RAM_BASE), size);
    return true;
}

static const av_guest_memory memory = {.read = read_guest};

/* AT S1E1R, S1E1W, S1E0R, S1E0W of X0; PAR_EL1 to X1 to X4. */
static const uint32_t code[] = {
    0xd5087800, 0xd5033fdf, 0xd5387401, 0xd5087820, 0xd5033fdf, 0xd5387402, 0xd5087840,
    0xd5033fdf, 0xd5387403, 0xd5087860, 0xd5033fdf, 0xd5387404, 0xd4000022, /* hvc #1 */
};

static void start(void)
{
    void *p = NULL;

    OK(hv_vm_create(NULL));
    OK(hv_vm_allocate(&p, RAM_SIZE, HV_ALLOCATE_DEFAULT));
    ram = p;
    OK(hv_vm_map(ram, RAM_BASE, RAM_SIZE, RWX));
    OK(hv_vcpu_create(&vcpu, &exit_info, NULL));
    memcpy(ram, code, sizeof(code));
    const uint64_t block = 0x701; /* 1 GiB at 0 */
    memcpy(ram + (FIXED_IPA - RAM_BASE), &block, sizeof(block));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_MAIR_EL1, 0xff));
}

static void stop(void)
{
    OK(hv_vcpu_destroy(vcpu));
    OK(hv_vm_destroy());
    OK(hv_vm_deallocate(ram, RAM_SIZE));
}

/* --- Random tables ------------------------------------------------------------------------------------------------------------ */

static uint64_t random_descriptor(unsigned granule)
{
    const uint64_t r = random64(), page = 1ull << granule;
    /* Attributes: AP, AF mostly set, PXN, UXN; for a table the APTable, PXNTable, UXNTable, seldom. */
    const uint64_t leaf = (r & 0xc0) | (((r >> 8 & 7) != 0 ? 1ull : 0) << 10) | (r >> 11 & 3) << 53;
    const uint64_t table = (r >> 14 & 7) == 0 ? (r >> 17 & 15) << 59 : 0;
    const uint64_t in_pool = POOL_IPA + ((r >> 24) % (POOL_SIZE / page)) * page;
    const uint64_t out = r >> 24 & 0xfffff0000 & ~(page - 1);

    switch (r & 15) {
    case 0:
        return 0; /* not valid */
    case 1:
    case 2:
    case 3:
        return out | leaf | 1; /* a block, or reserved */
    default:
        /* Tables, which at level 3 are pages: one address serves for both. */
        return in_pool | leaf | table | 3;
    }
}

static void random_tables(unsigned granule)
{
    for (uint64_t i = 0; i < POOL_SIZE; i += 8) {
        const uint64_t descriptor = random_descriptor(granule);
        memcpy(ram + (POOL_IPA - RAM_BASE) + i, &descriptor, 8);
    }
}

struct config {
    unsigned granule, tsz;
    bool upper, ignore_top;
};

static void configure(const struct config *c)
{
    static const uint8_t tg0[] = {[12] = 0, [14] = 2, [16] = 1},
                         tg1[] = {[12] = 2, [14] = 1, [16] = 3};
    uint64_t tcr = 5ull << 32; /* IPS: 48 bits */

    if (c->upper) {
        tcr |= 25 | (uint64_t)c->tsz << 16 | (uint64_t)tg1[c->granule] << 30;
    } else {
        tcr |= c->tsz | 25ull << 16 | 2ull << 30 | (uint64_t)tg0[c->granule] << 14;
    }
    tcr |= (uint64_t)c->ignore_top << (c->upper ? 38 : 37);
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, tcr));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, c->upper ? FIXED_IPA : POOL_IPA));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR1_EL1, c->upper ? POOL_IPA : FIXED_IPA));
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SCTLR_EL1, 0x30d00800 | 0x1005));
}

static uint64_t random_va(const struct config *c)
{
    const uint64_t r = random64(), beyond = ~((1ull << (64 - c->tsz)) - 1);
    uint64_t va = c->upper ? r | beyond : r & ~beyond;

    switch (random64() & 15) {
    case 0: /* one bit above the range is wrong */
        va ^= 1ull << (64 - c->tsz + random64() % (55 - (64 - c->tsz)));
        break;
    case 1: /* a tag */
        va ^= random64() << 56;
        break;
    default:
        break;
    }
    return va;
}

/* What the guest says, and what the library says: true if they agree. */
static bool agree(const struct config *c, uint64_t va)
{
    av_translation t;
    uint64_t par[4];

    OK(hv_vcpu_set_reg(vcpu, HV_REG_X0, va));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c5));
    OK(hv_vcpu_set_reg(vcpu, HV_REG_PC, CODE_IPA + (c->upper ? 0 : UPPER)));
    OK(hv_vcpu_run(vcpu));
    EXPECT_EQ(exit_info->exception.syndrome, 0x5a000001);
    for (unsigned i = 0; i < 4; i++) {
        OK(hv_vcpu_get_reg(vcpu, (hv_reg_t)(HV_REG_X1 + i), &par[i]));
    }
    const av_error ret = av_translate(vcpu, &memory, va, &t);
    bool same = (ret == AV_OK) == ((par[0] & 1) == 0) &&
                (ret == AV_OK || ret == AV_ERROR_NOT_MAPPED);
    if (same && ret == AV_OK) {
        const uint64_t page = par[0] & 0xfffffffff000;
        same = page == (t.ipa & ~0xfffull) && t.el1_write == ((par[1] & 1) == 0) &&
               t.el0_read == ((par[2] & 1) == 0) && t.el0_write == ((par[3] & 1) == 0) &&
               (t.ipa & 0xfff) == (va & 0xfff);
    }
    if (!same) {
        printf(
            "# granule %u, TSZ %u, %s range, TBI %d, VA 0x%llx: PAR 0x%llx 0x%llx 0x%llx 0x%llx, but %s IPA 0x%llx\n",
            c->granule, c->tsz, c->upper ? "upper" : "lower", c->ignore_top, (unsigned long long)va,
            (unsigned long long)par[0], (unsigned long long)par[1], (unsigned long long)par[2],
            (unsigned long long)par[3], ret == AV_OK ? "found" : av_error_message(),
            (unsigned long long)t.ipa);
    }
    return same;
}

static void compare(unsigned granule)
{
    unsigned mapped = 0, total = 0;
    bool good = true;

    start();
    seed = granule;
    random_tables(granule);
    for (unsigned i = 0; i < 400 && good; i++) {
        const uint64_t r = random64();
        const struct config c = {.granule = granule,
                                 .tsz = 16 + (unsigned)(r >> 8) % 24,
                                 .upper = (r & 1) != 0,
                                 .ignore_top = (r & 2) != 0};
        configure(&c);
        for (unsigned j = 0; j < 10 && good; j++, total++) {
            av_translation t;
            const uint64_t va = random_va(&c);
            good = agree(&c, va);
            mapped += av_translate(vcpu, &memory, va, &t) == AV_OK;
        }
    }
    printf("# %u addresses, %u mapped\n", total, mapped);
    EXPECT(good);
    EXPECT(mapped > total / 5 && mapped < total * 9 / 10);
    stop();
}

TEST(granule_of_4_kib)
{
    compare(12);
}

TEST(granule_of_16_kib)
{
    compare(14);
}

static void put(uint64_t ipa, uint64_t descriptor)
{
    memcpy(ram + (ipa - RAM_BASE), &descriptor, sizeof(descriptor));
}

/* No chip of Apple has this granule, so that nothing here can be compared: tables by hand. Levels begin at bits 42, 29 and 16. */
TEST(granule_of_64_kib)
{
    const struct config c = {.granule = 16, .tsz = 16};
    av_translation t;

    start();
    memset(ram + (POOL_IPA - RAM_BASE), 0, POOL_SIZE);
    configure(&c);
    put(POOL_IPA + 3 * 8, (POOL_IPA + 0x10000) | 3);
    put(POOL_IPA + 0x10000 + 5 * 8, (POOL_IPA + 0x20000) | 3);
    put(POOL_IPA + 0x10000 + 6 * 8, 0x40000000 | 0x441); /* block, EL0, AF */
    put(POOL_IPA + 0x20000 + 7 * 8, 0x12340000 | 0x483); /* page, read-only */
    put(POOL_IPA + 0x20000 + 8 * 8, 0x12340000 | 0x401); /* reserved */
    put(POOL_IPA + 4 * 8, 0x401);                        /* a block where there can be none */
    const uint64_t base = 3ull << 42 | 5ull << 29;
    OK(av_translate(vcpu, &memory, base | 7 << 16 | 0xabcd, &t));
    EXPECT_EQ(t.ipa, 0x1234abcd);
    EXPECT_EQ(t.page_bytes, 0x10000);
    EXPECT_EQ(t.level, 3);
    EXPECT(!t.el1_write && !t.el0_read && t.el1_exec && t.el0_exec);
    OK(av_translate(vcpu, &memory, 3ull << 42 | 6ull << 29 | 0x1234567, &t));
    EXPECT_EQ(t.ipa, 0x41234567);
    EXPECT_EQ(t.page_bytes, 1ull << 29);
    EXPECT_EQ(t.level, 2);
    EXPECT(t.el1_write && t.el0_read && t.el0_write && !t.el1_exec && t.el0_exec);
    EXPECT_EQ(av_translate(vcpu, &memory, base | 8 << 16, &t), AV_ERROR_NOT_MAPPED);
    EXPECT_EQ(av_translate(vcpu, &memory, 4ull << 42, &t), AV_ERROR_NOT_MAPPED);
    EXPECT_EQ(av_translate(vcpu, &memory, 0, &t), AV_ERROR_NOT_MAPPED);
    stop();
}

TEST(refusals)
{
    av_translation t = {.ipa = 77};
    const struct config c = {.granule = 12, .tsz = 25};
    const av_guest_memory none = {0};
    uint32_t words[2] = {0};

    start();
    /* The MMU is off. */
    OK(av_translate(vcpu, &memory, 0x123456789, &t));
    EXPECT_EQ(t.ipa, 0x123456789);
    EXPECT_EQ(t.level, -1);
    configure(&c);
    EXPECT_EQ(av_translate(vcpu, NULL, 0, &t), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_translate(vcpu, &none, 0, &t), AV_ERROR_NULL_ARGUMENT);
    EXPECT_EQ(av_translate(vcpu, &memory, 0, NULL), AV_ERROR_NULL_ARGUMENT);
    /* Tables where there is no memory; TCR_EL1.EPD0; 52-bit descriptors. */
    t.ipa = 77;
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, 0x80000000));
    EXPECT_EQ(av_translate(vcpu, &memory, 0, &t), AV_ERROR_NOT_MAPPED);
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TTBR0_EL1, FIXED_IPA));
    OK(av_read_virtual(vcpu, &memory, CODE_IPA + 2, words, 8));
    EXPECT_EQ(words[0], 0x3fdfd508);
    EXPECT_EQ(words[1], 0x7401d503);
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, 25 | 25 << 16 | 2u << 30 | 1 << 7));
    EXPECT_EQ(av_translate(vcpu, &memory, CODE_IPA, &t), AV_ERROR_NOT_MAPPED);
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, 25 | 25 << 16 | 2u << 30 | 1ull << 59));
    EXPECT_EQ(av_translate(vcpu, &memory, CODE_IPA, &t), AV_ERROR_UNSUPPORTED);
    EXPECT_EQ(t.ipa, 77);
    OK(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_TCR_EL1, 25 | 25 << 16 | 2u << 30));
    /* The last bytes of memory, and those behind. */
    OK(av_read_virtual(vcpu, &memory, RAM_BASE + RAM_SIZE - 8, words, 8));
    EXPECT_EQ(av_read_virtual(vcpu, &memory, RAM_BASE + RAM_SIZE - 4, words, 8),
              AV_ERROR_NOT_MAPPED);
    EXPECT_EQ(av_read_virtual(vcpu, &memory, 0, NULL, 8), AV_ERROR_NULL_ARGUMENT);
    OK(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, 0x3c9));
    EXPECT_EQ(av_translate(vcpu, &memory, CODE_IPA, &t), AV_ERROR_UNSUPPORTED);
    stop();
}

MAIN(T(granule_of_4_kib), T(granule_of_16_kib), T(granule_of_64_kib), T(refusals))
