/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the load/store classes emit, for the parts that tests/diff cannot see: the instruction syndrome, the ordering and alignment
 * flags, the forms that QEMU 7.2 does not have, and the promise that no register is written before the last access.
 */
#include "engine/a64/ldst_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/a64/decode.h"

int test_failures;

static struct ir_node nodes[TR_MAX_NODES];
static struct a64_cpu cpu;

static const struct a64_row *translate(struct tr *t, uint32_t w, uint32_t mode)
{
    const struct a64_row *const row = a64_decode(w, cpu.features);

    *t = (struct tr){.nodes = nodes, .mode = mode, .pc = 0x1000, .cpu = &cpu, .row = row};
    tr_node(t, IR_NONE, 0, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
    if (row != NULL && row->translate != NULL) {
        row->translate(t, w);
    }
    return row;
}

static bool is_access(const struct ir_node *n)
{
    switch (n->op) {
    case IR_LOAD:
    case IR_STORE:
    case IR_LDX:
    case IR_STX:
    case IR_ATOMIC:
    case IR_CAS:
        return true;
    default:
        return false;
    }
}

#define ISV    LDST_ISS_ISV
#define AR     LDST_ISS_AR
#define SF     LDST_ISS_SF
#define SSE    LDST_ISS_SSE
#define SAS(n) LDST_ISS_SAS(n)
#define SRT(n) LDST_ISS_SRT(n)
#define ACQ    (IR_MEM_ACQUIRE | IR_MEM_ATOMIC)
#define REL    (IR_MEM_RELEASE | IR_MEM_ATOMIC)

// clang-format off
static const struct {
    const char *text;
    uint32_t word;
    uint8_t op, size, flags, align;
    uint32_t iss;
    uint8_t accesses;
} emitted[] = {
    {"ldr x1, [x2]",           0xf9400041, IR_LOAD,  3, 0,                 3, ISV | SAS(3) | SRT(1) | SF, 1},
    {"ldr w1, [x2]",           0xb9400041, IR_LOAD,  2, 0,                 2, ISV | SAS(2) | SRT(1), 1},
    {"str wzr, [x2]",          0xb900005f, IR_STORE, 2, 0,                 2, ISV | SAS(2) | SRT(31), 1},
    {"ldrsb x1, [x2]",         0x39800041, IR_LOAD,  0, IR_MEM_SEXT64,     0, ISV | SAS(0) | SSE | SRT(1) | SF, 1},
    {"ldrsh w1, [x2]",         0x79c00041, IR_LOAD,  1, IR_MEM_SEXT32,     1, ISV | SAS(1) | SSE | SRT(1), 1},
    {"ldrsw x1, [x2]",         0xb9800041, IR_LOAD,  2, IR_MEM_SEXT64,     2, ISV | SAS(2) | SSE | SRT(1) | SF, 1},
    {"ldr x1, [x2, x3]",       0xf8636841, IR_LOAD,  3, 0,                 3, ISV | SAS(3) | SRT(1) | SF, 1},
    {"ldur x1, [x2, #1]",      0xf8401041, IR_LOAD,  3, 0,                 3, ISV | SAS(3) | SRT(1) | SF, 1},
    {"ldr x1, [x2], #8",       0xf8408441, IR_LOAD,  3, 0,                 3, 0, 1},
    {"str x1, [x2, #8]!",      0xf8008c41, IR_STORE, 3, 0,                 3, 0, 1},
    {"ldtr x1, [x2]",          0xf8400841, IR_LOAD,  3, IR_MEM_UNPRIV,     3, ISV | SAS(3) | SRT(1) | SF, 1},
    {"sttrb w1, [x2]",         0x38000841, IR_STORE, 0, IR_MEM_UNPRIV,     0, ISV | SAS(0) | SRT(1), 1},
    {"ldraa x1, [x2]",         0xf8200441, IR_LOAD,  3, 0,                 3, ISV | SAS(3) | SRT(1) | SF, 1},
    {"ldrab x1, [x2, #8]!",    0xf8a01c41, IR_LOAD,  3, 0,                 3, 0, 1},
    {"ldr x1, .+8",            0x58000041, IR_LOAD,  3, 0,                 3, 0, 1},
    {"prfm pldl1keep, [x2]",   0xf9800040, IR_NONE,  0, 0,                 0, 0, 0},
    {"prfum pldl1keep, [x2]",  0xf8800040, IR_NONE,  0, 0,                 0, 0, 0},
    {"ldar x1, [x2]",          0xc8dffc41, IR_LOAD,  3, ACQ,               3, ISV | SAS(3) | SRT(1) | SF | AR, 1},
    {"ldlarb w1, [x2]",        0x08df7c41, IR_LOAD,  0, ACQ,               0, ISV | SAS(0) | SRT(1) | AR, 1},
    {"stlr w1, [x2]",          0x889ffc41, IR_STORE, 2, REL,               2, ISV | SAS(2) | SRT(1) | AR, 1},
    {"ldapr w1, [x2]",         0xb8bfc041, IR_LOAD,  2, ACQ,               2, ISV | SAS(2) | SRT(1) | AR, 1},
    {"ldapursb x1, [x2]",      0x19800041, IR_LOAD,  0, ACQ | IR_MEM_SEXT64, 0, ISV | SAS(0) | SSE | SRT(1) | SF | AR, 1},
    {"stlur x1, [x2]",         0xd9000041, IR_STORE, 3, REL,               3, ISV | SAS(3) | SRT(1) | SF | AR, 1},
    {"ldapr w1, [x2], #4",     0x99c00841, IR_LOAD,  2, ACQ,               2, 0, 1},
    {"stlr x1, [x2, #-8]!",    0xd9800841, IR_STORE, 3, REL,               3, 0, 1},
    {"ldp x1, x3, [x2]",       0xa9400c41, IR_LOAD,  4, 0,                 3, 0, 1},
    {"stp w1, w3, [x2]",       0x29000c41, IR_STORE, 3, 0,                 2, 0, 1},
    {"ldpsw x1, x3, [x2]",     0x69400c41, IR_LOAD,  3, 0,                 2, 0, 1},
    {"ldp q1, q3, [x2]",       0xad400c41, IR_LOAD,  4, 0,                 4, 0, 2},
    {"stp s1, s3, [x2]",       0x2d000c41, IR_STORE, 3, 0,                 2, 0, 1},
    {"ldiapp x1, x3, [x2]",    0xd9431841, IR_LOAD,  4, IR_MEM_ACQUIRE,    3, 0, 1},
    {"stilp w1, w3, [x2, #-8]!", 0x99030841, IR_STORE, 3, IR_MEM_RELEASE,  2, 0, 1},
    {"ldr q1, [x2]",           0x3dc00041, IR_LOAD,  4, 0,                 4, 0, 1},
    {"str b1, [x2]",           0x3d000041, IR_STORE, 0, 0,                 0, 0, 1},
    {"ldapur q1, [x2]",        0x1dc00841, IR_LOAD,  4, ACQ,               4, 0, 1},
    {"ldap1 {v1.d}[1], [x2]",  0x4d418441, IR_LOAD,  3, ACQ,               3, 0, 1},
    {"stl1 {v1.d}[0], [x2]",   0x0d018441, IR_STORE, 3, REL,               3, 0, 1},
    {"ld1 {v1.4h}, [x2]",      0x0c407441, IR_LOAD,  3, 0,                 1, 0, 1},
    {"ld4 {v1.16b-v4.16b}, [x2]", 0x4c400041, IR_LOAD, 4, 0,               0, 0, 4},
    {"st2 {v1.2d, v2.2d}, [x2]",  0x4c008c41, IR_STORE, 4, 0,              3, 0, 2},
    {"ld3r {v1.8h-v3.8h}, [x2]",  0x4d40e441, IR_LOAD, 1, 0,               1, 0, 3},
    {"ldxr x1, [x2]",          0xc85f7c41, IR_LDX,   3, IR_MEM_ATOMIC,     3, 0, 1},
    {"ldaxrb w1, [x2]",        0x085ffc41, IR_LDX,   0, ACQ,               0, 0, 1},
    {"stlxr w3, x1, [x2]",     0xc803fc41, IR_STX,   3, REL,               3, 0, 1},
    {"ldxp x1, x3, [x2]",      0xc87f0c41, IR_LDX,   4, IR_MEM_ATOMIC | IR_MEM_ALIGNED, 4, 0, 1},
    {"ldaxp w1, w3, [x2]",     0x887f8c41, IR_LDX,   3, ACQ,               3, 0, 1},
    {"stxp w4, x1, x3, [x2]",  0xc8240c41, IR_STX,   4, IR_MEM_ATOMIC | IR_MEM_ALIGNED, 4, 0, 1},
    {"casal x3, x1, [x2]",     0xc8e3fc41, IR_CAS,   3, ACQ | REL,         3, 0, 1},
    {"caspa x4, x5, x6, x7, [x2]", 0x48647c46, IR_CAS, 4, ACQ | IR_MEM_ALIGNED, 4, 0, 1},
    {"ldaddal w3, w1, [x2]",   0xb8e30041, IR_ATOMIC, 2, ACQ | REL,        IR_ATOMIC_ADD, 0, 1},
    {"ldumina w3, wzr, [x2]: no acquire", 0xb8a3705f, IR_ATOMIC, 2, IR_MEM_ATOMIC, IR_ATOMIC_UMIN, 0, 1},
    {"swpl x3, x1, [x2]",      0xf8638041, IR_ATOMIC, 3, REL,              IR_ATOMIC_SWP, 0, 1},
};
// clang-format on

static void test_emitted(void)
{
    for (size_t i = 0; i < sizeof(emitted) / sizeof(emitted[0]); i++) {
        const struct ir_node *first = NULL;
        unsigned accesses = 0;
        struct tr t;

        if (translate(&t, emitted[i].word, MODE_SMP) == NULL) {
            FAIL("%s: not decoded", emitted[i].text);
            continue;
        }
        for (unsigned n = 0; n < t.n_nodes; n++) {
            if (is_access(&nodes[n])) {
                first = first == NULL ? &nodes[n] : first;
                accesses++;
            }
        }
        if (accesses != emitted[i].accesses) {
            FAIL("%s: %u accesses, not %u", emitted[i].text, accesses, emitted[i].accesses);
        } else if (first != NULL &&
                   (first->op != emitted[i].op || first->type != emitted[i].size ||
                    first->flags != emitted[i].flags || first->d != emitted[i].align ||
                    first->imm != emitted[i].iss)) {
            FAIL("%s: %s size %u flags %#x align %u iss %#" PRIx32
                 ", not %s size %u flags %#x align %u iss %#" PRIx32,
                 emitted[i].text, ir_name(first->op), first->type, first->flags, first->d,
                 first->imm, ir_name(emitted[i].op), emitted[i].size, emitted[i].flags,
                 emitted[i].align, emitted[i].iss);
        }
    }
}

/* While there is one vCPU, a pair of 64-bit registers is two accesses, one of 32-bit registers is not. */
static void test_alone(void)
{
    static const struct {
        const char *text;
        uint32_t word;
        uint8_t op, size;
    } rows[] = {{"ldp x1, x3, [x2]", 0xa9400c41, IR_LOAD, 3},
                {"stp x1, x3, [x2]", 0xa9000c41, IR_STORE, 3},
                {"ldp d1, d3, [x2]", 0x6d400c41, IR_LOAD, 3},
                {"stp d1, d3, [x2]", 0x6d000c41, IR_STORE, 3}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned accesses = 0;
        struct tr t;
        translate(&t, rows[i].word, 0);
        for (unsigned n = 0; n < t.n_nodes; n++) {
            accesses += nodes[n].op == rows[i].op && nodes[n].type == rows[i].size;
        }
        if (accesses != 2) {
            FAIL("%s, one vCPU: %u accesses of 8 bytes, not 2", rows[i].text, accesses);
        }
    }
}

const char *ir_name(unsigned op)
{
    static const char *const names[] = {
#define OP(name, result, effect) #name,
#include "engine/ir/ir_ops.inc"
#undef OP
    };

    return op < sizeof(names) / sizeof(names[0]) ? names[op] : "?";
}

static uint64_t draw(uint64_t *s)
{
    *s = *s * 6364136223846793005ull + 1442695040888963407ull;
    return *s >> 32;
}

/* Over random words of the load/store space: accesses come before PUTs, and no instruction is too long for its share of a block. */
static void test_faults_change_no_register(void)
{
    unsigned n_tested = 0;
    uint64_t s = 1;

    for (unsigned i = 0; i < 2000000; i++) {
        const uint32_t w = ((uint32_t)draw(&s) & ~(5u << 25)) | 4u << 25; /* bits 28:25 = x1x0 */
        const struct a64_row *const row = a64_decode(w, cpu.features);
        bool put = false;
        struct tr t;

        if (row == NULL || row->translate == NULL || strncmp(row->class_name, "memory_", 7) != 0) {
            continue;
        }
        translate(&t, w, MODE_SP_CHECK | MODE_PAC_DA | MODE_PAC_DB);
        n_tested++;
        if (t.n_nodes > TR_NODES_PER_INSN) {
            FAIL("%08" PRIx32 " %s: %" PRIu32 " nodes", w, row->name, t.n_nodes);
        }
        for (unsigned n = 0; n < t.n_nodes; n++) {
            put = put || nodes[n].op == IR_PUT_X || nodes[n].op == IR_PUT_V;
            if (put &&
                (is_access(&nodes[n]) || nodes[n].op == IR_CHECK_SP || nodes[n].op == IR_HELPER)) {
                FAIL("%08" PRIx32 " %s: %s after a register was written", w, row->name,
                     ir_name(nodes[n].op));
                break;
            }
        }
        if (test_failures > 20) {
            return;
        }
    }
    if (n_tested < 100000) {
        FAIL("only %u words tested", n_tested);
    }
}

int main(void)
{
    memset(cpu.features, 0xff, sizeof(cpu.features));
    test_emitted();
    test_alone();
    test_faults_change_no_register();
    test_mops();
    return test_failures != 0;
}
