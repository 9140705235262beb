/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Four of these run at once at EL1. Each rewrites code that the others call, and takes pages away that the others use, by the
 * sequences that the architecture asks for; each checks that it never sees a version older than the one last published.
 *
 * A version is announced (begun) before the change and published after its completion. Whoever reads `published`, uses the code or
 * the page, and then reads `begun`, has to find a version between the two.
 */
#include <stdbool.h>

#include "smc.h"

static struct smc_shared *const shared = (struct smc_shared *)SMC_SHARED;

#define FAULTED UINT64_MAX

/* The vectors: a data abort gives X0 = FAULTED and goes on behind the instruction; an instruction abort returns from the call. */
__asm__(".section .text.start, \"ax\"\n"
        ".globl smc_start\n"
        "smc_start: bl smc_main\n"
        "hvc #1\n"
        ".balign 0x800\n"
        ".globl smc_vectors\n"
        "smc_vectors:\n"
        ".rept 128\n hvc #2\n .endr\n"
        "mrs x16, esr_el1\n" /* 0x200: synchronous, EL1h */
        "lsr x17, x16, #26\n"
        "and x16, x16, #0x3c\n" /* a translation (0b0001LL) or permission (0b0011LL) fault? */
        "and x16, x16, #~8\n"
        "cmp x16, #4\n"
        "b.ne 3f\n"
        "cmp x17, #0x25\n"
        "b.eq 1f\n"
        "cmp x17, #0x21\n"
        "b.eq 2f\n"
        "b 3f\n"
        "1: mrs x17, elr_el1\n"
        "add x17, x17, #4\n"
        "msr elr_el1, x17\n"
        "mov x0, #-1\n"
        "eret\n"
        "2: msr elr_el1, x30\n"
        "mov x0, #-1\n"
        "eret\n"
        "3: hvc #2\n"
        ".previous\n");

/* --- Words for what C has none ---------------------------------------------------------------------------------------------------- */

#define barrier(text)   __asm__ volatile(text ::: "memory")
#define with(text, reg) __asm__ volatile(text ::"r"(reg) : "memory")

static uint64_t acquire(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void release(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_RELEASE);
}

/* The results of these are FAULTED when the address is not mapped. */
static uint64_t call(uint64_t code)
{
    register uint64_t x0 __asm__("x0") = 0;
    register uint64_t x1 __asm__("x1") = code;

    __asm__ volatile("blr x1" : "+r"(x0), "+r"(x1)::"x16", "x17", "x30", "cc", "memory");
    return x0;
}

static uint64_t call_with(uint64_t code, uint64_t argument)
{
    register uint64_t x0 __asm__("x0") = argument;
    register uint64_t x1 __asm__("x1") = code;

    __asm__ volatile("blr x1" : "+r"(x0), "+r"(x1)::"x16", "x17", "x30", "cc", "memory");
    return x0;
}

static uint64_t load(uint64_t va)
{
    register uint64_t x0 __asm__("x0") = 0;

    __asm__ volatile("ldr x0, [%1]" : "+r"(x0) : "r"(va) : "x16", "x17", "cc", "memory");
    return x0;
}

static bool store(uint64_t va, uint64_t value)
{
    register uint64_t x0 __asm__("x0") = 0;

    __asm__ volatile("str %2, [%1]"
                     : "+r"(x0)
                     : "r"(va), "r"(value)
                     : "x16", "x17", "cc", "memory");
    return x0 == 0;
}

static bool increment(uint64_t va, bool exclusive)
{
    register uint64_t x0 __asm__("x0") = 0;

    if (exclusive) {
        __asm__ volatile("1: ldxr x3, [%1]\n"
                         "cbnz x0, 2f\n"
                         "add x3, x3, #1\n"
                         "mov w4, #0\n"
                         "stxr w4, x3, [%1]\n"
                         "cbnz x0, 2f\n"
                         "cbnz w4, 1b\n"
                         "2:"
                         : "+r"(x0)
                         : "r"(va)
                         : "x3", "x4", "x16", "x17", "cc", "memory");
    } else {
        __asm__ volatile("ldadd %2, x3, [%1]"
                         : "+r"(x0)
                         : "r"(va), "r"(1ull)
                         : "x3", "x16", "x17", "cc", "memory");
    }
    return x0 == 0;
}

static uint64_t below(uint64_t *random, uint64_t n)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (*random >> 20) % n;
}

/* --- Errors ---------------------------------------------------------------------------------------------------------------------------- */

static void check_that(struct smc_cpu *cpu, bool good, enum smc_kind kind, uint64_t index,
                       uint64_t from, uint64_t got, uint64_t to)
{
    struct smc_error *const e = &cpu->error;

    cpu->checks++;
    if (good) {
        return;
    }
    if (e->count++ == 0) {
        e->kind = kind;
        e->index = index;
        e->from = from;
        e->got = got;
        e->to = to;
    }
}

/* got is a version modulo `modulus`. */
static void check_version(struct smc_cpu *cpu, enum smc_kind kind, uint64_t index, uint64_t from,
                          uint64_t got, uint64_t to, uint64_t modulus)
{
    if (to - from >= modulus - 1) { /* this vCPU was away for long: anything goes */
        cpu->skipped++;
        return;
    }
    check_that(cpu, ((got - from) & (modulus - 1)) <= to - from, kind, index, from, got, to);
}

/* --- Code that changes -------------------------------------------------------------------------------------------------------------------- */

#define N_TARGETS 1024u
#define BRANCH(n) (SMC_CODE + 64 * (n)) /* slots share pages, and lines with nobody */
#define WORD(n)   (SMC_CODE + 0x400 + 64 * (n))
#define FUNCTION  (SMC_CODE + 0xff8) /* across the end of a page */
#define TARGETS   (SMC_CODE + 0x2000)

static void write_word(uint64_t at, uint32_t word)
{
    __atomic_store_n((uint32_t *)at, word, __ATOMIC_RELAXED);
}

static void publish_code(uint64_t from, uint64_t to, bool all)
{
    for (uint64_t at = from & ~63ull; at < to; at += 64) {
        with("dc cvau, %0", at);
    }
    barrier("dsb ish");
    if (all) {
        barrier("ic ialluis");
    } else {
        for (uint64_t at = from; at < to; at += 4) { /* finer than any line */
            with("ic ivau, %0", at);
        }
    }
    barrier("dsb ish");
    barrier("isb");
}

static uint32_t movz_x0(uint64_t value)
{
    return 0xd2800000u | (uint32_t)(value & 0xffff) << 5;
}

static void make_code(void)
{
    for (unsigned i = 0; i < N_TARGETS; i++) {
        write_word(TARGETS + 8 * i, movz_x0(i));
        write_word(TARGETS + 8 * i + 4, 0xd65f03c0);
    }
    for (unsigned i = 0; i < SMC_N_SLOTS; i++) {
        write_word(BRANCH(i), 0x14000000u | (uint32_t)(TARGETS - BRANCH(i)) / 4);
        write_word(WORD(i), movz_x0(0));
        write_word(WORD(i) + 4, 0xd65f03c0);
    }
    write_word(FUNCTION, 0xf9400001);      /* ldr x1, [x0] */
    write_word(FUNCTION + 4, 0x91000021);  /* add x1, x1, #value */
    write_word(FUNCTION + 8, 0xf9000001);  /* str x1, [x0] */
    write_word(FUNCTION + 12, 0xd2800000); /* mov x0, #value */
    write_word(FUNCTION + 16, 0xd65f03c0);
    publish_code(SMC_CODE, SMC_CODE + 0x4000, true);
}

static void rewrite_slot(struct smc_cpu *cpu, uint64_t n, bool branch, uint64_t *random)
{
    struct smc_generation *const g = branch ? &shared->branches[n] : &shared->words[n];
    const uint64_t version = g->begun + 1, at = branch ? BRANCH(n) : WORD(n);
    const uint64_t modulus = branch ? N_TARGETS : 0x10000;

    g->begun = version;
    barrier("dmb ish");
    write_word(at, branch ? 0x14000000u | (uint32_t)(TARGETS + 8 * (version % N_TARGETS) - at) / 4
                          : movz_x0(version));
    publish_code(at, at + 4, below(random, 16) == 0);
    release(&g->published, version);
    const uint64_t got = call(at);
    check_that(cpu, got == version % modulus, branch ? SMC_STALE_BRANCH : SMC_STALE_WORD, n,
               version, got, version);
}

static void call_slot(struct smc_cpu *cpu, uint64_t n, bool branch)
{
    const struct smc_generation *const g = branch ? &shared->branches[n] : &shared->words[n];
    const uint64_t from = acquire(&g->published);

    barrier("isb");
    const uint64_t got = call(branch ? BRANCH(n) : WORD(n));
    barrier("dmb ish");
    check_version(cpu, branch ? SMC_STALE_BRANCH : SMC_STALE_WORD, n, from, got, acquire(&g->begun),
                  branch ? N_TARGETS : 0x10000);
}

static void lock(bool exclusive)
{
    uint64_t *const at = &shared->lock;
    uint64_t old, failed;

    do {
        if (exclusive) {
            __asm__ volatile("ldaxr %0, [%2]\n"
                             "mov %w1, #1\n"
                             "cbnz %0, 1f\n"
                             "stxr %w1, %3, [%2]\n"
                             "1:"
                             : "=&r"(old), "=&r"(failed)
                             : "r"(at), "r"(1ull)
                             : "memory");
        } else {
            old = 0;
            failed = 0;
            __asm__ volatile("casa %0, %1, [%2]" : "+r"(old) : "r"(1ull), "r"(at) : "memory");
        }
    } while (old != 0 || (failed & 0xffffffff) != 0);
}

static void use_function(struct smc_cpu *cpu, uint64_t *random)
{
    lock(below(random, 2) == 0);
    if (below(random, 2) == 0) {
        const uint64_t value = 1 + below(random, 0xfff);
        shared->function_value = value;
        write_word(FUNCTION + 4, 0x91000021 | (uint32_t)value << 10);
        write_word(FUNCTION + 12, movz_x0(value));
        publish_code(FUNCTION, FUNCTION + 20, below(random, 16) == 0);
    } else {
        barrier("isb");
    }
    const uint64_t before = shared->counter, value = shared->function_value;
    const uint64_t got = call_with(FUNCTION, (uint64_t)&shared->counter);
    check_that(cpu, got == value && shared->counter == before + value, SMC_STALE_FUNCTION, 0, value,
               got, shared->counter - before);
    shared->function_count++;
    shared->function_sum += value;
    check_that(cpu, shared->function_sum == shared->counter, SMC_LOST_UPDATE, 0,
               shared->function_sum, shared->counter, 0);
    cpu->function_calls++;
    release(&shared->lock, 0);
}

/* --- Pages that move -------------------------------------------------------------------------------------------------------------------------- */

static uint64_t *leaf_of(uint64_t table, uint64_t va)
{
    return (uint64_t *)(table + (va >> 12 & 511) * 8);
}

static void set_leaf(uint64_t *leaf, uint64_t value)
{
    __atomic_store_n(leaf, value, __ATOMIC_RELAXED);
}

/* Of one page, or more, on all vCPUs; ASID 1. */
static void flush_everywhere(uint64_t va, bool global, uint64_t *random)
{
    const uint64_t operand = va >> 12 | 1ull << 48;

    barrier("dsb ishst");
    if (shared->broken != 0) {
        with("tlbi vae1, %0", operand);
        barrier("dsb ish");
        return;
    }
    switch (below(random, 8)) {
    case 0:
        with("tlbi vae1os, %0", operand);
        break;
    case 1:
        with("tlbi vaae1is, %0", operand);
        break;
    case 2:
        with("tlbi vale1is, %0", operand);
        break;
    case 3: /* two pages of 4 KiB */
        with("tlbi rvae1is, %0", operand | 1ull << 46);
        break;
    case 4:
        if (!global) { /* leaves global entries alone */
            with("tlbi aside1is, %0", operand);
            break;
        }
        barrier("tlbi vmalle1is");
        break;
    case 5:
        barrier("tlbi vmalle1os");
        break;
    default:
        with("tlbi vae1is, %0", operand);
        break;
    }
    barrier("dsb ish");
}

static uint64_t pool_page(uint64_t page, uint64_t generation)
{
    return SMC_POOL + (page * SMC_PAGES_EACH + generation % SMC_PAGES_EACH) * 4096;
}

/* Takes the memory behind a page; whoever still sees it after this finds poison, and what it adds is missed. */
static void take_away(struct smc_cpu *cpu, uint64_t page, uint64_t *random)
{
    const uint64_t va = SMC_REMAPPED + page * 4096, pool = shared->mapped[page];
    uint64_t *const data = (uint64_t *)pool;

    set_leaf(leaf_of(SMC_TABLE(SMC_L3_REMAPPED), va), 0);
    flush_everywhere(va, page % 2 == 0, random);
    barrier("isb");
    const uint64_t got = load(va);
    check_that(cpu, got == FAULTED, SMC_STALE_DATA, page, 0, got, 0);
    data[SMC_STAMP] = 0x5a5a5a5a5a5a5a5a;
    for (unsigned i = 0; i < SMC_VCPUS; i++) {
        shared->collected[page] += __atomic_exchange_n(&data[SMC_COUNT + i], 0, __ATOMIC_RELAXED);
    }
    shared->mapped[page] = 0;
}

static void map_again(struct smc_cpu *cpu, uint64_t page, uint64_t *random)
{
    struct smc_generation *const g = &shared->pages[page];
    const uint64_t va = SMC_REMAPPED + page * 4096, version = g->begun + 1,
                   pool = pool_page(page, version);
    uint64_t *const data = (uint64_t *)pool;

    data[SMC_STAMP] = version;
    write_word(pool + SMC_PAGE_CODE, movz_x0(version));
    write_word(pool + SMC_PAGE_CODE + 4, 0xd65f03c0);
    publish_code(pool + SMC_PAGE_CODE, pool + SMC_PAGE_CODE + 8, below(random, 16) == 0);
    g->begun = version;
    shared->mapped[page] = pool;
    barrier("dmb ish");
    set_leaf(leaf_of(SMC_TABLE(SMC_L3_REMAPPED), va),
             pool | SMC_LEAF | (page % 2 != 0 ? SMC_NG : 0));
    barrier("dsb ishst");
    barrier("isb");
    release(&g->published, version);
    const uint64_t got = load(va);
    check_that(cpu, got == version, SMC_STALE_DATA, page, version, got, version);
}

static void remap(struct smc_cpu *cpu, uint64_t page, uint64_t *random)
{
    if (shared->mapped[page] != 0) {
        take_away(cpu, page, random);
        if (below(random, 4) == 0) {
            return; /* leave it unmapped for a while */
        }
    }
    map_again(cpu, page, random);
}

static void use_page(struct smc_cpu *cpu, unsigned me, uint64_t page, uint64_t *random)
{
    const struct smc_generation *const g = &shared->pages[page];
    const uint64_t va = SMC_REMAPPED + page * 4096;
    const uint64_t from = acquire(&g->published);
    uint64_t got;

    switch (below(random, 3)) {
    case 0:
        got = load(va);
        barrier("dmb ish");
        if (got != FAULTED) {
            const uint64_t to = acquire(&g->begun);
            check_that(cpu, from <= got && got <= to, SMC_STALE_DATA, page, from, got, to);
        }
        break;
    case 1:
        barrier("isb");
        got = call(va + SMC_PAGE_CODE);
        barrier("dmb ish");
        if (got != FAULTED) {
            check_version(cpu, SMC_STALE_PAGE_CODE, page, from, got, acquire(&g->begun), 0x10000);
        }
        break;
    default:
        got = FAULTED;
        if (increment(va + 8 * (SMC_COUNT + me), below(random, 2) == 0)) {
            cpu->increments[page]++;
            got = 0;
        }
        break;
    }
    cpu->faults += got == FAULTED;
}

/* --- This vCPU alone ------------------------------------------------------------------------------------------------------------------------------ */

static void use_private(struct smc_cpu *cpu, unsigned me, uint64_t *random)
{
    const uint64_t va = SMC_PRIVATE + 4096 * me;
    const uint64_t pool = SMC_POOL + (SMC_N_REMAPPED * SMC_PAGES_EACH + 2 * me) * 4096 +
                          4096 * below(random, 2);
    uint64_t *const leaf = leaf_of(SMC_TABLE(SMC_L3_REMAPPED), va);
    const bool read_only = below(random, 2) == 0;
    const uint64_t stamp = cpu->rounds << 8 | me;

    set_leaf(leaf, 0);
    barrier("dsb nshst");
    if (below(random, 4) == 0) {
        barrier("tlbi vmalle1");
    } else {
        with("tlbi vae1, %0", va >> 12 | 1ull << 48);
    }
    barrier("dsb nsh");
    barrier("isb");
    const uint64_t none = load(va);
    check_that(cpu, none == FAULTED, SMC_STALE_PRIVATE, me, 0, none, 0);
    *(uint64_t *)pool = stamp;
    set_leaf(leaf, pool | SMC_LEAF | SMC_NG | (read_only ? SMC_READ_ONLY : 0));
    barrier("dsb nshst");
    barrier("isb");
    const uint64_t got = load(va);
    check_that(cpu, got == stamp, SMC_STALE_PRIVATE, me, stamp, got, 1);
    const bool stored = store(va, ~stamp);
    check_that(cpu, stored != read_only && *(uint64_t *)pool == (stored ? ~stamp : stamp),
               SMC_STALE_PRIVATE, me, read_only, stored, 2);
}

static void set_asid(uint64_t asid)
{
    with("msr ttbr0_el1, %0", SMC_TABLE(SMC_L1 + asid - 1) | asid << 48);
    barrier("isb");
}

static void use_asids(struct smc_cpu *cpu, unsigned me, uint64_t *random)
{
    const uint64_t va = SMC_BY_ASID + 4096 * me;

    for (uint64_t asid = 2; asid >= 1; asid--) {
        set_asid(asid);
        const uint64_t *const pool =
            (uint64_t *)(SMC_POOL + (SMC_N_REMAPPED * SMC_PAGES_EACH + 8 + 2 * me + asid) * 4096);
        const uint64_t got = load(va);
        check_that(cpu, got == *pool, SMC_STALE_ASID, me, *pool, got, asid);
        if (below(random, 2) == 0) {
            store(va, got + 2);
        }
        if (below(random, 16) == 0) {
            with("tlbi aside1, %0", asid << 48);
            barrier("dsb nsh");
            barrier("isb");
        }
    }
}

static void make_asid_pages(unsigned me)
{
    for (uint64_t asid = 1; asid <= 2; asid++) {
        const uint64_t pool = SMC_POOL +
                              (SMC_N_REMAPPED * SMC_PAGES_EACH + 8 + 2 * me + asid) * 4096;
        *(uint64_t *)pool = asid << 32 | me << 8;
        set_leaf(leaf_of(SMC_TABLE(SMC_L3_BY_ASID + asid - 1), SMC_BY_ASID + 4096 * me),
                 pool | SMC_LEAF | SMC_NG);
    }
    barrier("dsb ishst");
    barrier("isb");
}

/* --- One vCPU ------------------------------------------------------------------------------------------------------------------------------------------ */

static void one_round(struct smc_cpu *cpu, unsigned me, uint64_t *random)
{
    const uint64_t slot = below(random, SMC_N_SLOTS), page = below(random, SMC_N_REMAPPED);

    /* Remapping waits for all other vCPUs, so there is less of it. */
    const uint64_t kind = below(random, 48);

    if (kind < 6) {
        rewrite_slot(cpu, slot / SMC_VCPUS * SMC_VCPUS + me, below(random, 2) == 0, random);
    } else if (kind < 9) {
        use_function(cpu, random);
    } else if (kind < 10) {
        remap(cpu, page / SMC_VCPUS * SMC_VCPUS + me, random);
    } else if (kind < 12) {
        use_private(cpu, me, random);
    } else if (kind < 14) {
        use_asids(cpu, me, random);
    } else if (kind < 30) {
        call_slot(cpu, slot, below(random, 2) == 0);
    } else {
        use_page(cpu, me, page, random);
    }
    cpu->rounds++;
}

/* Called by smc_start with the number of the vCPU. The first makes the code before the host starts the others. */
void smc_main(uint64_t me);
void smc_main(uint64_t me)
{
    struct smc_cpu *const cpu = &shared->cpus[me];
    uint64_t random = 0x9e3779b97f4a7c15ull * (me + 1 + shared->seed);

    if (me == SMC_VCPUS) {
        make_code();
        return;
    }
    make_asid_pages((unsigned)me);
    while (acquire(&shared->stop) == 0) {
        one_round(cpu, (unsigned)me, &random);
    }
}
