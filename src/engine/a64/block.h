/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One translated block, and the code cache that all vCPUs of a VM share. */
#ifndef ENGINE_A64_BLOCK_H
#define ENGINE_A64_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/ir/ir.h"

/*
 * Where the indirect jumps of a block lead, one behind the other, as far as it goes on there: in instructions from its pc. Or the conditional
 * branch of an instruction, BLOCK_WAY_BRANCH more than its number, is taken.
 */
#define BLOCK_MOST_WAYS  4
#define BLOCK_WAY_BRANCH 512
struct block_ways {
    uint8_t n;
    bool open; /* where the last leads is to be noted */
    int16_t to[BLOCK_MOST_WAYS];
};

struct code_chunk;
struct code_page;
struct x64_code;

struct ir_block {
    uint64_t pc;   /* virtual address that the code was translated at */
    uint32_t mode; /* mode key */
    uint16_t n_insns, n_nodes;
    uint16_t
        n_before; /* instructions before pc that it goes on with, from the back; n_insns are from pc on */
    const uint8_t *hva; /* host address of its bytes: with pc and mode, its identity */
    _Atomic bool valid; /* cleared when its bytes have changed */
    bool guarded;       /* its page has the GP attribute: part of the identity */
    uint8_t
        bti_ok; /* bit n: BTYPE n may land on the first instruction in a guarded page; bit 7: BTYPE 3 when SCTLR_ELx.BT is 0 */
    bool loops; /* its code branches to itself, and is left by a poll only */
    bool recurs;  /* it calls itself */
    bool asks;    /* its code has it noted where its last jump leads */
    bool passing; /* interpreted once and known to nobody: no store to it is noticed */
    bool leaving; /* its chunk is: only who had it before finds it, and nothing is linked to it */
    struct ir_block *next;  /* chain of its hash bucket */
    struct code_page *page; /* of its host address */
    uint64_t lines;         /* of that, 64 bytes each, where its words lie */
    const void *code;       /* emitted code; NULL: interpret the nodes */
    struct x64_code *x64;   /* what the emitter keeps about it */
    /* Up to here is what finding a block looks at. */
    /* Chain of the page's blocks, or of copies; what leads to this one. Of blocks that are valid. */
    struct ir_block *page_next, **page_link;
    struct ir_block *chunk_next; /* chain of those whose memory goes with the chunk */
    struct code_chunk *chunk;
    struct ir_block *copies;     /* of this block's code, for other virtual addresses */
    struct ir_block *donor;      /* it is a copy of this one */
    struct ir_block *donor_next; /* chain of blocks that have code to be copied */
    struct ir_node *nodes;       /* n_nodes; NULL with code */
    const uint32_t *
        words; /* copy of the guest code from pc on, behind n_before: the maker's scratch, and in the cache the page's */
};

/* Of a node's instruction. */
static inline uint64_t block_pc_of(const struct ir_block *block, unsigned insn)
{
    return block->pc + 4 * (uint64_t)(int8_t)insn;
}

/* What lies in memory: its first byte, and how many. Always inline: then they are as their callers are to ThreadSanitizer. */
static inline __attribute__((always_inline)) const uint8_t *block_start(
    const struct ir_block *block)
{
    return block->hva - 4u * block->n_before;
}

static inline __attribute__((always_inline)) unsigned block_bytes(const struct ir_block *block)
{
    return 4u * ((unsigned)block->n_before + block->n_insns);
}

#endif
