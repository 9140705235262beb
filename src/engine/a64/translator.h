/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Makes blocks: the frontend's loop over guest instructions, and the scratch memory that a vCPU needs for it. */
#ifndef ENGINE_A64_TRANSLATOR_H
#define ENGINE_A64_TRANSLATOR_H

#include "engine/a64/block.h"
#include "engine/a64/translate.h"

/* What a node's `insn` can reach: instructions before the block's first, and from that on. */
#define TR_BEFORE 128
#define TR_BEHIND 128

/* Scratch of one vCPU; only what is used becomes resident. */
struct translator {
    v128 values[TR_MAX_NODES];          /* of the interpreter, by node */
    struct ir_node nodes[TR_MAX_NODES]; /* of the block under construction */
    struct ir_block block;
    struct block_ways ways;
    bool unrolled; /* a loop of the block is a line of it */
    struct tr_fork forks[TR_MAX_FORKS];
    uint32_t
        words[TR_BEFORE + TR_BEHIND]; /* of the block's instructions, from the first possible */
};

/*
 * Translates the code at cpu->pc, which lies at hva, under that mode. The block ends at the latest at the end of the 4 KiB
 * page, and after max_insns instructions. It follows a straight line, but for one branch that leads back to shortly before
 * its start; side lines come on top. NULL: out of memory. The caller owns the block; its words are the vCPU's scratch, and its
 * nodes are until translator_keep_nodes().
 */
struct ir_block *translator_make_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                       bool guarded, unsigned max_insns,
                                       const struct block_ways *ways);
/*
 * The same for one passage through the interpreter: no longer than to the first branch, in the vCPU's scratch memory until its next
 * block is made.
 */
struct ir_block *translator_passing_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                          bool guarded);
void translator_free_block(struct ir_block *block);
/* False: the block's code is not what memory holds any more. */
bool translator_is_in_memory(const struct ir_block *block);
/* Gives the block nodes of its own. False: out of memory. */
bool translator_keep_nodes(struct ir_block *block);
/* The nodes are not needed any more, and were not kept. */
void translator_drop_nodes(struct ir_block *block);

#endif
