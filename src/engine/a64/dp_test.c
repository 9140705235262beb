/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * FEAT_CSSC, which QEMU 7.2 does not have: each instruction is translated with constants as its operands, which folds it to the
 * constant that is its result.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/a64/decode.h"

#define W(base)         (base)
#define X(base)         ((base) | 1u << 31)
#define IMM(base, imm8) ((base) | ((uint32_t)(imm8)&0xffu) << 10)
#define SMAX_IMM(n)     IMM(0x11c00000u, n)
#define UMAX_IMM(n)     IMM(0x11c40000u, n)
#define SMIN_IMM(n)     IMM(0x11c80000u, n)
#define UMIN_IMM(n)     IMM(0x11cc0000u, n)
#define SMAX            0x1ac06000u
#define UMAX            0x1ac06400u
#define SMIN            0x1ac06800u
#define UMIN            0x1ac06c00u
#define CTZ             0x5ac01800u
#define CNT             0x5ac01c00u
#define ABS             0x5ac02000u
#define HIGH            0xdeadbeef00000000ull /* must not count in 32-bit forms */

// clang-format off
static const struct {
    const char *text;
    uint32_t word; /* with every register field 0 */
    uint64_t n, m, expected;
} cases[] = {
    {"smax w, #-128",      W(SMAX_IMM(-128)), HIGH | 0xffffff00, 0, 0xffffff80},
    {"smax w, #-128",      W(SMAX_IMM(-128)), HIGH | 0xffffff81, 0, 0xffffff81},
    {"smax w, #127",       W(SMAX_IMM(127)),  HIGH | 0x80000000, 0, 127},
    {"smax x, #-1",        X(SMAX_IMM(-1)),   0x8000000000000000, 0, ~0ull},
    {"smax x, #-1",        X(SMAX_IMM(-1)),   0x80000000, 0, 0x80000000},
    {"umax w, #255",       W(UMAX_IMM(255)),  HIGH | 254, 0, 255},
    {"umax w, #255",       W(UMAX_IMM(255)),  HIGH | 0x80000000, 0, 0x80000000},
    {"umax x, #128",       X(UMAX_IMM(128)),  HIGH, 0, HIGH},
    {"umax x, #128",       X(UMAX_IMM(128)),  127, 0, 128},
    {"smin w, #-128",      W(SMIN_IMM(-128)), HIGH | 5, 0, 0xffffff80},
    {"smin w, #127",       W(SMIN_IMM(127)),  HIGH | 0x80000000, 0, 0x80000000},
    {"smin x, #-128",      X(SMIN_IMM(-128)), 0, 0, 0xffffffffffffff80},
    {"smin x, #127",       X(SMIN_IMM(127)),  0x80000000, 0, 127},
    {"umin w, #255",       W(UMIN_IMM(255)),  HIGH | 0xffffffff, 0, 255},
    {"umin w, #255",       W(UMIN_IMM(255)),  HIGH | 3, 0, 3},
    {"umin x, #200",       X(UMIN_IMM(200)),  HIGH, 0, 200},
    {"smax w",             W(SMAX), HIGH | 0x80000000, 1, 1},
    {"smax x",             X(SMAX), 0x80000000, 1, 0x80000000},
    {"smax x",             X(SMAX), ~0ull, 0, 0},
    {"umax w",             W(UMAX), HIGH | 1, 0x80000000, 0x80000000},
    {"umax x",             X(UMAX), ~0ull, 0, ~0ull},
    {"smin w",             W(SMIN), HIGH | 0x80000000, 1, 0x80000000},
    {"smin x",             X(SMIN), ~0ull, 0, ~0ull},
    {"umin w",             W(UMIN), HIGH | 1, HIGH | 0xffffffff, 1},
    {"umin x",             X(UMIN), ~0ull, 7, 7},
    {"ctz w of 0",         W(CTZ), HIGH, 0, 32},
    {"ctz x of 0",         X(CTZ), 0, 0, 64},
    {"ctz w",              W(CTZ), HIGH | 0x80000000, 0, 31},
    {"ctz x",              X(CTZ), 1ull << 63, 0, 63},
    {"ctz x",              X(CTZ), 0xfff8, 0, 3},
    {"cnt w",              W(CNT), HIGH | 0xf0f00001, 0, 9},
    {"cnt x",              X(CNT), ~0ull, 0, 64},
    {"cnt x of 0",         X(CNT), 0, 0, 0},
    {"abs w",              W(ABS), HIGH | 0xffffffff, 0, 1},
    {"abs w, positive",    W(ABS), HIGH | 0x7fffffff, 0, 0x7fffffff},
    {"abs w, the least",   W(ABS), HIGH | 0x80000000, 0, 0x80000000},
    {"abs x",              X(ABS), (uint64_t)-5, 0, 5},
    {"abs x, positive",    X(ABS), 0x80000000, 0, 0x80000000},
    {"abs x, the least",   X(ABS), 1ull << 63, 0, 1ull << 63},
};
// clang-format on

static struct ir_node nodes[TR_MAX_NODES];
static struct a64_cpu cpu;

/* Result of the word with Rd = 3, Rn = 1, Rm = 2; for the immediate and one-source forms bits 20:16 are not Rm. */
static bool result_of(uint32_t word, uint64_t n, uint64_t m, uint64_t *result)
{
    const bool has_rm = (word & 0x7fe0f000u) == SMAX;
    const uint32_t w = word | (has_rm ? 2u << 16 : 0) | 1u << 5 | 3u;
    const struct a64_row *const row = a64_decode(w, cpu.features);
    struct tr t = {.nodes = nodes, .pc = 0x1000, .cpu = &cpu, .row = row};

    if (row == NULL || row->translate == NULL) {
        return false;
    }
    tr_node(&t, IR_NONE, 0, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
    t.x[1] = tr_const(&t, n);
    t.x[2] = tr_const(&t, m);
    row->translate(&t, w);

    const struct ir_node *const put = &nodes[t.n_nodes - 1];
    if (put->op != IR_PUT_X || put->imm != 3 || nodes[put->a].op != IR_CONST) {
        return false;
    }
    *result = nodes[put->a].imm64;
    return true;
}

int main(void)
{
    int failures = 0;

    memset(cpu.features, 0xff, sizeof(cpu.features));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t got;
        if (!result_of(cases[i].word, cases[i].n, cases[i].m, &got)) {
            fprintf(stderr, "%s (case %zu): no result in X3\n", cases[i].text, i);
            failures++;
        } else if (got != cases[i].expected) {
            fprintf(stderr,
                    "%s of %016" PRIx64 ", %016" PRIx64 ": %016" PRIx64 ", expected %016" PRIx64
                    "\n",
                    cases[i].text, cases[i].n, cases[i].m, got, cases[i].expected);
            failures++;
        }
    }
    return failures != 0;
}
