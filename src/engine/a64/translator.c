/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/a64/translator.h"

#include <stdlib.h>
#include <string.h>

#include "engine/a64/decode.h"

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

/* The vCPU's scratch block. straight: no further than to the first branch. */
static struct ir_block *fill_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                   bool guarded, unsigned max_insns, bool straight)
{
    uint32_t *const words = cpu->translator->words;
    struct tr t = {
        .nodes = cpu->translator->nodes,
        .mode = mode,
        .pc = cpu->pc,
        .cpu = cpu,
        .guarded = guarded,
    };
    const unsigned in_page = (unsigned)(0x1000 - (cpu->pc & 0xfff)) / 4;
    const unsigned most = (t.mode & MODE_ONE_INSN) != 0 ? 1 : max_insns;
    const unsigned limit = in_page < most ? in_page : most;
    unsigned n = 0;

    tr_node(&t, IR_NONE, 0, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
    while (!t.end) {
        /* The guest's other vCPUs may be writing here: each word is read once, and the copy is what the block stands for. */
        const uint32_t word = __atomic_load_n((const uint32_t *)(const void *)(hva + 4 * n),
                                              __ATOMIC_RELAXED);
        words[n] = word;
        t.insn = (uint8_t)n;
        translate_insn(&t, word);
        n++;
        if (n >= limit || t.n_nodes > TR_MAX_NODES - TR_NODES_PER_INSN ||
            (straight && t.branched)) {
            tr_end(&t);
        }
        t.pc += 4;
    }
    struct ir_block *const block = &cpu->translator->block;
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
        .words = words,
    };
    return block;
}

struct ir_block *translator_make_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                       bool guarded, unsigned max_insns)
{
    const struct ir_block *const made = fill_block(cpu, hva, mode, guarded, max_insns, false);
    struct ir_block *const block = malloc(sizeof(*block));

    if (block != NULL) {
        *block = *made;
    }
    return block;
}

struct ir_block *translator_passing_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                          bool guarded)
{
    struct ir_block *const block = fill_block(cpu, hva, mode, guarded, TR_MAX_INSNS, true);

    block->passing = true;
    return block;
}

/* Four instructions, wherever they lie. */
typedef uint64_t four_words __attribute__((vector_size(16), aligned(4), may_alias));

/*
 * Other vCPUs of the guest may be writing there: what is read while it changes is one or the other, and a block that is then taken for
 * unchanged is what the guest would have run as well. The thread sanitizer cannot know that.
 */
__attribute__((no_sanitize_thread)) bool translator_is_in_memory(const struct ir_block *block)
{
    const uint32_t *const now = (const uint32_t *)(const void *)block->hva;
    unsigned i = 0;

    for (; i + 4 <= block->n_insns; i += 4) {
        const four_words differing = *(const four_words *)&block->words[i] ^
                                     *(const four_words *)&now[i];
        if ((differing[0] | differing[1]) != 0) {
            return false;
        }
    }
    for (; i < block->n_insns; i++) {
        if (block->words[i] != __atomic_load_n(&now[i], __ATOMIC_RELAXED)) {
            return false;
        }
    }
    return true;
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
