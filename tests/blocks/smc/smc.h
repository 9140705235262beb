/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the guest and the host of the test share: addresses and one structure in guest memory. Compiled for both machines.
 *
 *   SMC_RAM      2 MiB, mapped by one global block at its own address: image, stacks, struct smc_shared, tables, pool of pages
 *   SMC_REMAPPED pages that the guest maps, unmaps and maps elsewhere while others use them; SMC_PRIVATE pages of one vCPU each
 *   SMC_BY_ASID  pages that are different memory for each of two ASIDs, one page per vCPU
 */
#ifndef TESTS_BLOCKS_SMC_H
#define TESTS_BLOCKS_SMC_H

#include <stdint.h>

#define SMC_VCPUS    4
#define SMC_RAM      0x40000000ull
#define SMC_RAM_SIZE 0x200000ull
#define SMC_STACKS   0x40040000ull /* 16 KiB each, from here on */
#define SMC_SHARED   0x40080000ull
#define SMC_CODE     0x400a0000ull /* the slots that are rewritten, and what they branch to */
#define SMC_POOL     0x40100000ull
#define SMC_TABLES   0x401f0000ull /* level 1 and 2 for each of two ASIDs, then level 3 */
#define SMC_TABLE(n) (SMC_TABLES + 0x1000ull * (n))
enum { SMC_L1 = 0, SMC_L2 = 2, SMC_L3_REMAPPED = 4, SMC_L3_BY_ASID = 5, SMC_N_TABLES = 7 };

#define SMC_REMAPPED 0x40200000ull
#define SMC_PRIVATE  0x40240000ull
#define SMC_BY_ASID  0x40400000ull

#define SMC_N_REMAPPED 8  /* page n belongs to vCPU n % SMC_VCPUS */
#define SMC_PAGES_EACH 4  /* of the pool for each remapped page */
#define SMC_N_SLOTS    16 /* slot n belongs to vCPU n % SMC_VCPUS */

/* Leaves: access flag, inner shareable, EL1 read and write. */
#define SMC_LEAF      (3ull | 3ull << 8 | 1ull << 10)
#define SMC_NG        (1ull << 11)
#define SMC_READ_ONLY (2ull << 6)

enum smc_kind {
    SMC_OK,
    SMC_STALE_BRANCH,   /* a patched B */
    SMC_STALE_WORD,     /* a patched MOVZ */
    SMC_STALE_FUNCTION, /* a function rewritten under a lock */
    SMC_LOST_UPDATE,    /* a count under a lock */
    SMC_STALE_DATA,     /* read through a page that is mapped elsewhere now */
    SMC_STALE_PAGE_CODE,
    SMC_STALE_PRIVATE, /* a page of this vCPU alone, with local TLB maintenance */
    SMC_STALE_ASID,
    SMC_N_KINDS,
};

struct smc_generation {
    uint64_t begun,
        published; /* each under its own order: begun before the change, published after its completion */
    uint64_t unused[6];
};

struct smc_error {
    uint64_t kind, index, from, got, to, count;
};

struct smc_cpu {
    uint64_t rounds, checks, faults, skipped;
    uint64_t increments[SMC_N_REMAPPED];
    uint64_t function_calls;
    struct smc_error error; /* the first; count: of all */
};

struct smc_shared {
    uint64_t stop;
    uint64_t seed;
    uint64_t broken; /* TLB maintenance stays local where it has to reach all: a test of the test */
    uint64_t unused[5];
    struct smc_generation branches[SMC_N_SLOTS], words[SMC_N_SLOTS], pages[SMC_N_REMAPPED];
    uint64_t collected[SMC_N_REMAPPED]; /* increments found in pages that were taken away */
    uint64_t mapped[SMC_N_REMAPPED]; /* the pool page that is behind each remapped page; 0: none */
    struct smc_cpu cpus[SMC_VCPUS];
    uint64_t lock;
    uint64_t function_value, function_count, function_sum; /* under the lock */
    uint64_t counter;                                      /* what the rewritten function adds to */
};

#define SMC_STAMP     0 /* of a pool page, in doublewords: its generation, then a count per vCPU */
#define SMC_COUNT     8
#define SMC_PAGE_CODE 0x800 /* MOVZ X0, #generation; RET */

#endif
