/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The program as a bare-metal guest: EL1, MMU on, 4K granule, RAM mapped with 4 KiB pages except the 2 MiB of the image and
 * the tables, which are blocks. Prints `name value` lines, times in ticks of CNTVCT_EL0.
 *
 *     0x40000000  device tree (QEMU), image, stack
 *     0x40200000  level 3 tables
 *     0x40400000  arena
 */
#include "../../tests/guest/lib/guest.h"
#include "samples.h"

#define RAM_BASE   0x40000000ull
#define RAM_BYTES  (256ull << 20)
#define TABLES     0x40200000ull
#define ARENA      0x40400000ull
#define BLOCK      (2ull << 20)
#define PAGE       4096ull
#define MAX_ROUNDS 16 /* of flushing: QEMU doubles its TLB at most once in each */

/* bench/run finds this by its first bytes and writes other values into a copy of the image. */
static const volatile struct {
    char magic[16];
    uint64_t target_ms;
} config = {"AV-BENCH-CONFIG", 200};

static uint64_t level1[512] __attribute__((aligned(4096)));
static uint64_t level2[512] __attribute__((aligned(4096)));
static struct samples samples;

uint64_t bench_ticks(void)
{
    __asm__ volatile("isb" ::: "memory");
    return READ_SYSREG(cntvct_el0);
}

uint64_t *bench_level1(void); /* system/system.h */
uint64_t *bench_level1(void)
{
    return level1;
}

/* Everything that the program reaches is mapped before the MMU is on: no entry changes its size later. */
static void map_ram(void)
{
    uint64_t *const level3 = (uint64_t *)TABLES;

    level1[0] = DESC_BLOCK | DESC_DEVICE | DESC_AF | DESC_PXN | DESC_UXN;
    level1[1] = (uintptr_t)level2 | DESC_TABLE;
    for (uint64_t at = 0; at < RAM_BYTES; at += BLOCK) {
        level2[at / BLOCK] = (RAM_BASE + at) | DESC_BLOCK | DESC_MEMORY;
    }
    for (uint64_t at = ARENA - RAM_BASE; at < RAM_BYTES; at += PAGE) {
        level3[at / PAGE] = (RAM_BASE + at) | DESC_PAGE | DESC_MEMORY;
    }
    for (uint64_t at = ARENA - RAM_BASE; at < RAM_BYTES; at += BLOCK) {
        level2[at / BLOCK] = (uintptr_t)&level3[at / PAGE] | DESC_TABLE;
    }
    WRITE_SYSREG(mair_el1, 0xff04); /* 0: Device-nGnRE, 1: Normal, write-back */
    /*
     * T0SZ 25, write-back inner shareable walks, 4K, EPD1, 36-bit output addresses, 16-bit ASIDs. TG1 says 4K too, though
     * nothing is there: libunicorn 2.0.1 aborts the next fetch when it is the reserved value, or when UXN is set.
     */
    WRITE_SYSREG(tcr_el1,
                 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2ull << 30 | 1ull << 32 | 1ull << 36);
    WRITE_SYSREG(ttbr0_el1, (uintptr_t)level1);
    __asm__ volatile("dsb ish\n tlbi vmalle1\n dsb ish\n isb" ::: "memory");
    WRITE_SYSREG(sctlr_el1, READ_SYSREG(sctlr_el1) | 1 | 1 << 2 | 1 << 12); /* M, C, I */
}

static void take(const char *median, const char *least, bool first)
{
    if (!samples_take(&samples, READ_SYSREG(cntfrq_el0), config.target_ms, (void *)ARENA)) {
        print_dec("checksum", samples.checksum);
        print("this is wrong, or a repeated call gave another result\n");
        guest_exit(1);
    }
    if (first) {
        print_dec("checksum", samples.checksum);
        print_dec("units", bench.units);
        print_dec("first", samples.first);
    }
    if (samples.n != 0) {
        print_dec(first ? "batch" : "warm_batch", samples.batch);
        print_dec(first ? "samples" : "warm_samples", samples.n);
        print_dec(median, samples.ticks[samples.n / 2]);
        print_dec(least, samples.ticks[0]);
    }
}

/* QEMU resizes its TLB at a flush, by the number of entries that were in use: flush and touch until it has the full size. */
static void flush_and_touch(void)
{
    for (unsigned round = 0; round < MAX_ROUNDS; round++) {
        __asm__ volatile("dsb ish\n tlbi vmalle1\n dsb ish\n isb" ::: "memory");
        for (uint64_t at = 0; at < bench.arena_bytes; at += PAGE) {
            (void)*(const volatile uint64_t *)(ARENA + at);
        }
    }
}

int guest_main(void)
{
    map_ram();
    print("bench ");
    print(bench.name);
    print("\n");
    if (bench.arena_bytes > RAM_BASE + RAM_BYTES - ARENA) {
        print("the arena is larger than RAM\n");
        return 1;
    }
    print_dec("frequency", READ_SYSREG(cntfrq_el0));
    if (bench.prepare != NULL) {
        bench.prepare((void *)ARENA);
    }
    take("median", "least", true);
    if (bench.warm && config.target_ms != 0) {
        flush_and_touch();
        take("warm_median", "warm_least", false);
    }
    return 0;
}
