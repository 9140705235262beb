/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/a64/translator.h"

#include <stdlib.h>
#include <string.h>

#include "engine/a64/decode.h"

_Static_assert(TR_MAX_INSNS <= sizeof(((struct ir_block *)0)->words) / 4,
               "a block keeps a copy of its code");
_Static_assert(TR_MAX_NODES > TR_NODES_PER_INSN * 2, "one instruction always fits");

static void translate_insn(struct tr *t, uint32_t w)
{
    const struct a64_row *const row = a64_decode(w, t->cpu->features);

    if (row == NULL || row->translate == NULL) {
        tr_undefined(t);
        return;
    }
    t->row = row;
    if (row->check == A64_CHECK_FP && MODE_FP_TRAP(t->mode) != 0) {
        tr_helper_keeps_regs(t, HELPER_fp_trap, IR_REF_NONE, IR_REF_NONE, MODE_FP_TRAP(t->mode));
        tr_end(t);
        return;
    }
    row->translate(t, w);
}

/* Which BTYPE values may land on this instruction in a guarded page: BTypeCompatible_BTI(), BTypeCompatible_PACIXSP(). */
static uint8_t landing(uint32_t w)
{
    switch (w) {
    case 0xd503245f:
        return 1u << 0 | 1u << 1 | 1u << 2; /* BTI c */
    case 0xd503249f:
        return 1u << 0 | 1u << 1 | 1u << 3; /* BTI j */
    case 0xd50324df:
        return 0xf;  /* BTI jc */
    case 0xd503233f: /* PACIASP */
    case 0xd503237f:
        return 1u << 0 | 1u << 1 | 1u << 2 | 1u << 7; /* PACIBSP: BTYPE 3 as SCTLR_ELx.BT says */
    default:
        break;
    }
    /* BRK and HLT raise their own exception first. */
    return (w & 0xffe0001f) == 0xd4200000 || (w & 0xffe0001f) == 0xd4400000 ? 0xf : 1u << 0;
}

struct ir_block *translator_make_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                       bool guarded, unsigned max_insns)
{
    struct tr t = {
        .nodes = cpu->translator->nodes,
        .mode = mode,
        .pc = cpu->pc,
        .cpu = cpu,
        .guarded = guarded,
    };
    uint32_t words[TR_MAX_INSNS];
    const unsigned in_page = (unsigned)(0x1000 - (cpu->pc & 0xfff)) / 4;
    const unsigned most = (t.mode & MODE_ONE_INSN) != 0 ? 1 : max_insns;
    const unsigned limit = in_page < most ? in_page : most;
    unsigned n = 0;

    tr_node(&t, IR_NONE, 0, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
    while (!t.end) {
        /* The guest's other vCPUs may be writing here: each word is read once, and the copy is what the block stands for. */
        words[n] = __atomic_load_n((const uint32_t *)(const void *)(hva + 4 * n), __ATOMIC_RELAXED);
        t.insn = (uint8_t)n;
        translate_insn(&t, words[n]);
        n++;
        if (n >= limit || t.n_nodes > TR_MAX_NODES - TR_NODES_PER_INSN) {
            tr_end(&t);
        }
        t.pc += 4;
    }

    struct ir_block *const block = malloc(sizeof(*block));
    if (block == NULL) {
        return NULL;
    }
    *block = (struct ir_block){
        .pc = cpu->pc,
        .mode = mode,
        .guarded = guarded,
        .n_insns = (uint16_t)n,
        .n_nodes = (uint16_t)t.n_nodes,
        .hva = hva,
        .valid = true,
        .bti_ok = landing(words[0]),
        .nodes = t.nodes,
    };
    memcpy(block->words, words, n * sizeof(words[0]));
    return block;
}

bool translator_keep_nodes(struct ir_block *block)
{
    struct ir_node *const nodes = malloc(block->n_nodes * sizeof(nodes[0]));

    if (nodes == NULL) {
        return false;
    }
    memcpy(nodes, block->nodes, block->n_nodes * sizeof(nodes[0]));
    block->nodes = nodes;
    return true;
}

void translator_drop_nodes(struct ir_block *block)
{
    block->nodes = NULL;
    block->n_nodes = 0;
}

void translator_free_block(struct ir_block *block)
{
    free(block->nodes);
    free(block);
}
