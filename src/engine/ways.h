/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Where indirect jumps lead, by the place in memory and the mode of the block that they end, so that the block can go on there. Emitted code has
 * it noted now and then (code_note_jump()). What is known stays when the block is made anew for that, and goes when its code changes. A
 * place that finds no room is not noted. Callers hold the code cache's lock.
 */
#ifndef ENGINE_WAYS_H
#define ENGINE_WAYS_H

#include "engine/a64/block.h"

#define WAYS_NOTES 16u
#define WAYS_COUNT 4096u

struct way {
    uint32_t mode;
    uint8_t n_noted;
    struct block_ways known;
    int16_t noted[WAYS_NOTES];
};

struct ways {
    const uint8_t
        *hva[WAYS_COUNT]; /* NULL: free; looked at for each block, which mostly has none */
    struct way list[WAYS_COUNT];
};

#define WAYS_ELSEWHERE INT16_MIN

/* *known is left alone when nothing is known. */
void ways_find(struct ways *ways, const uint8_t *hva, uint32_t mode, struct block_ways *known);

/*
 * The last jump of the block there has led to that instruction, counted from the block's first, or elsewhere than a block may go. After n
 * notes it is decided; n is at most WAYS_NOTES. True: the block is to be made anew.
 */
bool ways_note(struct ways *ways, const uint8_t *hva, uint32_t mode, int16_t to, unsigned n);

void ways_forget(struct ways *ways, const uint8_t *hva, uint32_t mode);

#endif
