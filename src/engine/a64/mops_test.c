/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The MOPS helpers over a small memory of pages that can be missing. This file stands in for the MMU and the exceptions. */
#include <inttypes.h>
#include <string.h>

#include "engine/a64/ldst_test.h"
#include "engine/ir/functions.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "engine/sys/sysreg.h"
#include "vm/vm.h"

#define BASE  0x100000ull
#define PAGES 16u
#define SIZE  (PAGES * 4096u)

enum { D = 0, S = 1, N = 2 };

#define CPYP         0x1d010440u /* cpyp [x0]!, [x1]!, x2! */
#define CPYFP        0x19010440u
#define SETP         0x19c10440u /* setp [x0]!, x2!, x1 */
#define CPY_STAGE(n) ((uint32_t)(n) << 22)
#define SET_STAGE(n) ((uint32_t)(n) << 14)

static uint8_t memory[SIZE], expected[SIZE];
static bool missing[PAGES];
static struct vm vm;
static struct a64_cpu cpu;
static struct {
    unsigned aborts, undefined, taken, el;
    enum ec ec;
    uint32_t iss;
} seen;

void *mmu_data_pointer(struct a64_cpu *c, uint64_t va, unsigned size, bool write, unsigned flags)
{
    (void)flags;
    if (va < BASE || size == 0 || size > 4096 || va + size > BASE + SIZE ||
        (va & 4095) + size > 4096) {
        FAIL("access of %u bytes at %" PRIx64, size, va);
        c->fault = (struct fault){.type = FAULT_TRANSLATION, .va = va, .is_write = write};
        return NULL;
    }
    if (missing[(va - BASE) / 4096]) {
        c->fault = (struct fault){.type = FAULT_TRANSLATION, .va = va, .is_write = write};
        return NULL;
    }
    return memory + (va - BASE);
}

enum ir_next exc_abort(struct a64_cpu *c, uint32_t iss)
{
    (void)c;
    seen.aborts++;
    seen.iss = iss;
    return IR_GO;
}

enum ir_next exc_undefined(struct a64_cpu *c)
{
    (void)c;
    seen.undefined++;
    return IR_GO;
}

enum ir_next exc_take(struct a64_cpu *c, unsigned target_el, enum ec ec, bool il, uint32_t iss,
                      bool has_far, uint64_t far)
{
    (void)c;
    (void)il;
    (void)has_far;
    (void)far;
    seen.taken++;
    seen.el = target_el;
    seen.ec = ec;
    seen.iss = iss;
    return IR_GO;
}

bool sysreg_is_plain(const struct a64_cpu *c, uint32_t mode, uint32_t id, bool is_read,
                     struct sysreg_plain *plain)
{
    (void)c, (void)mode, (void)id, (void)is_read, (void)plain;
    return false;
}

static enum ir_next call(uint32_t w)
{
    uint64_t result;

    return (w & 1u << 26) == 0 && (w & 3u << 22) == 3u << 22
               ? helper_mops_set(&cpu, &result, 0, 0, w)
               : helper_mops_cpy(&cpu, &result, 0, 0, w);
}

/* Runs the main instruction to its end or to an exception; each call may move a page at most. */
static bool finish(uint32_t w)
{
    for (unsigned i = 0; i < 4 * PAGES; i++) {
        const uint64_t before = cpu.x[N];
        const enum ir_next next = call(w);
        const uint64_t moved = cpu.x[N] - before;

        if (next == IR_NEXT) {
            return true;
        }
        if (seen.aborts + seen.undefined + seen.taken != 0) {
            return false;
        }
        if (moved == 0 || (moved > 4096 && 0 - moved > 4096)) {
            FAIL("%08" PRIx32 ": moved %" PRId64 " bytes", w, (int64_t)moved);
            return false;
        }
    }
    FAIL("%08" PRIx32 ": does not end", w);
    return false;
}

static void start(uint64_t d, uint64_t s, uint64_t n)
{
    memset(&seen, 0, sizeof(seen));
    memset(missing, 0, sizeof(missing));
    cpu.vm = &vm;
    cpu.pstate = PSTATE_EL(1);
    cpu.nzcv = 0xf0000000;
    cpu.x[D] = d;
    cpu.x[S] = s;
    cpu.x[N] = n;
    for (unsigned i = 0; i < SIZE; i++) {
        memory[i] = (uint8_t)(i * 7 + i / 251);
    }
    memcpy(expected, memory, SIZE);
}

static void check_copy(const char *what, uint64_t d, uint64_t s, uint64_t n, bool forward)
{
    memmove(expected + (d - BASE), expected + (s - BASE), n);
    if (memcmp(memory, expected, SIZE) != 0) {
        FAIL("%s: memory is wrong", what);
    }
    const uint64_t moved = forward ? n : 0;
    if (cpu.x[N] != 0 || cpu.x[D] != d + moved || cpu.x[S] != s + moved) {
        FAIL("%s: d %" PRIx64 " s %" PRIx64 " n %" PRIx64, what, cpu.x[D], cpu.x[S], cpu.x[N]);
    }
}

static void test_copies(void)
{
    static const struct {
        uint64_t d, s, n;
        bool forward;
    } cases[] = {
        {0, 8192, 0, true},        {0, 8192, 1, true},         {5, 8195, 4096, true},
        {0, 30000, 29999, true},   {100, 104, 20000, true},    {104, 100, 20000, false},
        {4096, 4095, 8192, false}, {4095, 4096, 8192, true},   {1, 0, 12288, false},
        {0, 0, 5000, true},        {20000, 1000, 19000, true}, {8192, 4096, 4097, false},
        {32768, 0, 32768, true},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint64_t d = BASE + cases[i].d, s = BASE + cases[i].s, n = cases[i].n;

        start(d, s, n);
        if (call(CPYP) != IR_NEXT || cpu.nzcv != 0 || memcmp(memory, expected, SIZE) != 0) {
            FAIL("copy %zu: the prologue", i);
        }
        if (!finish(CPYP | CPY_STAGE(1)) || call(CPYP | CPY_STAGE(2)) != IR_NEXT) {
            FAIL("copy %zu: does not go through", i);
        }
        check_copy("copy", d, s, n, cases[i].forward);
        if (cases[i].d < cases[i].s || cases[i].s + n <= cases[i].d) {
            start(d, s, n);
            call(CPYFP);
            if (!finish(CPYFP | CPY_STAGE(1)) || call(CPYFP | CPY_STAGE(2)) != IR_NEXT) {
                FAIL("forward copy %zu: does not go through", i);
            }
            check_copy("forward copy", d, s, n, true);
        }
    }
}

/* The page of the source is missing, then the one of the destination; each time the instruction goes on where it stopped. */
static void test_fault_and_retry(void)
{
    for (unsigned backward = 0; backward < 2; backward++) {
        const uint64_t d = BASE + (backward ? 9000 : 1000), s = BASE + (backward ? 1000 : 9000),
                       n = 20000;
        unsigned aborts = 0;

        start(d, s, n);
        missing[3] = missing[5] = true;
        call(CPYP);
        while (!finish(CPYP | CPY_STAGE(1))) {
            const unsigned page = (unsigned)((cpu.fault.va - BASE) / 4096);
            if (seen.aborts != 1 || seen.iss != 0 || page >= PAGES || !missing[page] ||
                ++aborts > 2) {
                FAIL("fault %u: aborts %u at %" PRIx64, backward, seen.aborts, cpu.fault.va);
                return;
            }
            missing[page] = false;
            memset(&seen, 0, sizeof(seen));
        }
        if (aborts != 2) {
            FAIL("fault: %u aborts", aborts);
        }
        check_copy("fault", d, s, n, !backward);
    }
}

static void test_set(void)
{
    start(BASE + 100, 0x1234, 10000);
    call(SETP);
    if (cpu.nzcv != 0 || !finish(SETP | SET_STAGE(1)) || call(SETP | SET_STAGE(2)) != IR_NEXT) {
        FAIL("set: does not go through");
    }
    memset(expected + 100, 0x34, 10000);
    if (memcmp(memory, expected, SIZE) != 0 || cpu.x[N] != 0 || cpu.x[D] != BASE + 10100) {
        FAIL("set: d %" PRIx64 " n %" PRIx64, cpu.x[D], cpu.x[N]);
    }
}

static void expect_mismatch(const char *what, uint32_t w, uint32_t iss)
{
    memset(&seen, 0, sizeof(seen));
    if (call(w) != IR_GO || seen.taken != 1 || seen.ec != EC_MOPS || seen.el != 1 ||
        seen.iss != iss) {
        FAIL("%s: taken %u ec %#x iss %#" PRIx32, what, seen.taken, (unsigned)seen.ec, seen.iss);
    }
}

static void test_mismatch(void)
{
    const uint32_t cpy_registers = D << 10 | S << 5 | N, option_a = 1u << 16, wrong = 1u << 17,
                   epilogue = 1u << 18;

    start(BASE, BASE + 8192, 0 - 16ull);
    cpu.nzcv = NZCV_C;
    expect_mismatch("cpym, option B", CPYP | CPY_STAGE(1), option_a | wrong | cpy_registers);
    expect_mismatch("setm, option B", SETP | SET_STAGE(1),
                    1u << 24 | option_a | wrong | cpy_registers);
    cpu.nzcv = 0;
    expect_mismatch("cpye, bytes left", CPYP | CPY_STAGE(2) | 5u << 12,
                    5u << 19 | option_a | epilogue | cpy_registers);
    expect_mismatch("sete, bytes left", SETP | SET_STAGE(2) | 2u << 12,
                    1u << 24 | 2u << 19 | option_a | epilogue | cpy_registers);
    cpu.x[N] = 16;
    expect_mismatch("cpyfm, positive", CPYFP | CPY_STAGE(1), option_a | cpy_registers);
    expect_mismatch("setm, positive", SETP | SET_STAGE(1), 1u << 24 | option_a | cpy_registers);
    cpu.x[N] = 0;
    cpu.nzcv = NZCV_C;
    memset(&seen, 0, sizeof(seen));
    if (call(CPYP | CPY_STAGE(1)) != IR_NEXT || call(SETP | SET_STAGE(2)) != IR_NEXT ||
        seen.taken != 0) {
        FAIL("size 0 is never a mismatch");
    }
}

static void test_sizes(void)
{
    start(BASE, BASE + 8192, ~0ull);
    call(CPYP);
    if (cpu.x[N] != 0 - 0x007fffffffffffffull) {
        FAIL("cpyp saturates: %" PRIx64, cpu.x[N]);
    }
    start(BASE, BASE + 8192, 1ull << 63);
    call(CPYFP);
    if (cpu.x[N] != 0 - 0x7fffffffffffffffull || cpu.x[D] != BASE + 0x7fffffffffffffffull) {
        FAIL("cpyfp saturates: %" PRIx64, cpu.x[N]);
    }
    start(BASE, 0, 1ull << 63);
    call(SETP);
    if (cpu.x[N] != 0 - 0x7fffffffffffffffull) {
        FAIL("setp saturates: %" PRIx64, cpu.x[N]);
    }
}

static void test_enable(void)
{
    start(BASE, BASE, 0);
    cpu.pstate = PSTATE_EL(0);
    cpu.sys[SR_SCTLR_EL1] = 0;
    call(CPYP);
    call(SETP);
    if (seen.undefined != 2) {
        FAIL("EL0 without MSCEn: %u undefined", seen.undefined);
    }
    cpu.sys[SR_SCTLR_EL1] = 1ull << 33;
    call(CPYP);
    if (seen.undefined != 2) {
        FAIL("EL0 with MSCEn is undefined");
    }
    cpu.pstate = PSTATE_EL(1);
    vm.config.el2_enabled = true;
    call(CPYP);
    if (seen.undefined != 3) {
        FAIL("EL1 with HCRX_EL2.MSCEn clear is not undefined");
    }
    vm.config.el2_enabled = false;
}

void test_mops(void)
{
    test_copies();
    test_fault_and_retry();
    test_set();
    test_mismatch();
    test_sizes();
    test_enable();
}
