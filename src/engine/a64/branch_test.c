/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the branches emit that tests/diff cannot see: BTYPE, the kind of jump, and which authenticate. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/a64/decode.h"

static struct ir_node nodes[TR_MAX_NODES];
static struct a64_cpu cpu;
static int failures;

#define FAIL(...)                     \
    do {                              \
        fprintf(stderr, __VA_ARGS__); \
        fputc('\n', stderr);          \
        failures++;                   \
    } while (0)

static bool translate(struct tr *t, uint32_t w, uint32_t mode, bool guarded)
{
    const struct a64_row *const row = a64_decode(w, cpu.features);

    *t = (struct tr){
        .nodes = nodes, .mode = mode, .pc = 0x1000, .cpu = &cpu, .row = row, .guarded = guarded};
    tr_node(t, IR_NONE, 0, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
    if (row == NULL || row->translate == NULL) {
        FAIL("%08" PRIx32 " does not decode", w);
        return false;
    }
    row->translate(t, w);
    return true;
}

static const struct ir_node *find(const struct tr *t, enum ir_op op)
{
    for (unsigned i = 1; i < t->n_nodes; i++) {
        if (nodes[i].op == op) {
            return &nodes[i];
        }
    }
    return NULL;
}

enum { NO_KEY = -1, SP = 31, ZERO = 32 };

// clang-format off
static const struct {
    const char *text;
    uint32_t word;
    uint8_t btype, btype_guarded; /* 0: not written */
    uint8_t kind;                 /* enum ir_jump_kind */
    uint8_t rn;
    int8_t key, modifier;         /* register, SP or ZERO */
} cases[] = {
    {"br x0",        0xd61f0000, 1, 3, IR_JUMP_BRANCH, 0,  NO_KEY, 0},
    {"br x16",       0xd61f0200, 1, 1, IR_JUMP_BRANCH, 16, NO_KEY, 0},
    {"br x17",       0xd61f0220, 1, 1, IR_JUMP_BRANCH, 17, NO_KEY, 0},
    {"blr x5",       0xd63f00a0, 2, 2, IR_JUMP_CALL,   5,  NO_KEY, 0},
    {"blr x16",      0xd63f0200, 2, 2, IR_JUMP_CALL,   16, NO_KEY, 0},
    {"blr x30",      0xd63f03c0, 2, 2, IR_JUMP_CALL,   30, NO_KEY, 0},
    {"ret",          0xd65f03c0, 0, 0, IR_JUMP_RETURN, 30, NO_KEY, 0},
    {"ret x3",       0xd65f0060, 0, 0, IR_JUMP_RETURN, 3,  NO_KEY, 0},
    {"braa x0, x1",  0xd71f0801, 1, 3, IR_JUMP_BRANCH, 0,  0,      1},
    {"brab x16, sp", 0xd71f0e1f, 1, 1, IR_JUMP_BRANCH, 16, 1,      SP},
    {"braaz x0",     0xd61f081f, 1, 3, IR_JUMP_BRANCH, 0,  0,      ZERO},
    {"blraaz x2",    0xd63f085f, 2, 2, IR_JUMP_CALL,   2,  0,      ZERO},
    {"blrab x2, x3", 0xd73f0c43, 2, 2, IR_JUMP_CALL,   2,  1,      3},
    {"retaa",        0xd65f0bff, 0, 0, IR_JUMP_RETURN, 30, 0,      SP},
    {"retab",        0xd65f0fff, 0, 0, IR_JUMP_RETURN, 30, 1,      SP},
};
// clang-format on

static bool is_register(ir_ref r, unsigned number)
{
    return nodes[r].op == IR_GET_X && nodes[r].imm == number;
}

static void check(size_t i, bool bti, bool guarded, bool keys)
{
    const uint32_t mode = keys ? MODE_PAC_IA | MODE_PAC_IB : 0;
    const unsigned btype = !bti ? 0 : guarded ? cases[i].btype_guarded : cases[i].btype;
    struct tr t;

    memset(cpu.features, 0xff, sizeof(cpu.features));
    if (!bti) {
        cpu.features[A64_FEAT_BTI / 64] &= ~(1ull << A64_FEAT_BTI % 64);
    }
    if (!translate(&t, cases[i].word, mode, guarded)) {
        return;
    }
    const struct ir_node *const put = find(&t, IR_PUT_BTYPE), *const jump = find(&t, IR_JUMP_IND);
    const struct ir_node *const aut = find(&t, IR_HELPER), *const link = find(&t, IR_PUT_X);

    if ((put == NULL ? 0 : put->imm) != btype) {
        FAIL("%s, BTI %d, guarded %d: BTYPE is not %u", cases[i].text, bti, guarded, btype);
    }
    if (!t.end || jump == NULL || jump->flags != cases[i].kind) {
        FAIL("%s: not the kind of jump that it should be", cases[i].text);
        return;
    }
    if (cases[i].key == NO_KEY || !keys) {
        if (aut != NULL || !is_register(jump->a, cases[i].rn)) {
            FAIL("%s, keys %d: the destination is not X%u", cases[i].text, keys, cases[i].rn);
        }
    } else if (aut == NULL || aut->d != HELPER_aut || jump->a != (ir_ref)(aut - nodes) ||
               aut->imm != ((unsigned)cases[i].key | 1u << 4) ||
               !is_register(aut->a, cases[i].rn)) {
        FAIL("%s: the destination is not authenticated", cases[i].text);
    } else if (cases[i].modifier == ZERO ? nodes[aut->b].op != IR_CONST || nodes[aut->b].imm64 != 0
                                         : !is_register(aut->b, (unsigned)cases[i].modifier)) {
        FAIL("%s: not its modifier", cases[i].text);
    }
    if (cases[i].kind != IR_JUMP_CALL) {
        if (link != NULL) {
            FAIL("%s writes a register", cases[i].text);
        }
    } else if (link == NULL || link->imm != 30 || nodes[link->a].op != IR_CONST ||
               nodes[link->a].imm64 != 0x1004) {
        FAIL("%s: X30 is not the return address", cases[i].text);
    } else if (aut > link) {
        FAIL("%s: X30 is written before authentication can fail", cases[i].text);
    }
}

/* BC.cond is B.cond with a hint. QEMU 7.2 does not have it. */
static void test_hinted(void)
{
    static struct ir_node plain[TR_MAX_NODES];
    struct tr t;

    memset(cpu.features, 0xff, sizeof(cpu.features));
    for (uint32_t cond = 0; cond < 16; cond++) {
        const uint32_t b_cond = 0x54ffff80 | cond; /* back by 16 */
        if (!translate(&t, b_cond, 0, false)) {
            return;
        }
        const uint32_t n_nodes = t.n_nodes;
        memcpy(plain, nodes, n_nodes * sizeof(nodes[0]));
        const struct ir_node *const leave = find(&t, cond < 14 ? IR_BRANCH_IF : IR_JUMP);
        if (leave == NULL || leave->imm64 != 0xff0 || t.end != (cond >= 14)) {
            FAIL("b.cond %u does not go back by 16", cond);
        }
        if (translate(&t, b_cond | 1u << 4, 0, false) &&
            (t.n_nodes != n_nodes || memcmp(plain, nodes, n_nodes * sizeof(nodes[0])) != 0)) {
            FAIL("bc.cond %u is not b.cond", cond);
        }
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned choice = 0; choice < 8; choice++) {
            check(i, (choice & 1) != 0, (choice & 2) != 0, (choice & 4) != 0);
        }
    }
    test_hinted();
    return failures != 0;
}
