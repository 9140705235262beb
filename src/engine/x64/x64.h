/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The translator to x86-64, as the rest of the engine sees it. Where the host is another, or lacks what emitted code needs
 * (x86-64-v2), or refuses executable memory, x64_cache_create() says so and blocks are interpreted.
 */
#ifndef ENGINE_X64_X64_H
#define ENGINE_X64_X64_H

#include "engine/a64/block.h"
#include "engine/cpu.h"
#include "engine/x64/stats.h"

/*
 * Levels of hosts: 2 is x86-64-v2; 3 is x86-64-v3 with AES and PCLMULQDQ; 4 is x86-64-v4 (AVX-512 F, BW, CD, DQ, VL) with those.
 * 0: no code is emitted for this host.
 */
unsigned x64_host_level(void);

/* --- The code memory of one code cache. Calls are under the cache's lock. */
/* bytes of code memory, 0: as many as usual. level: of the code, 0: the host's. NULL: nothing can be emitted. */
struct x64_cache *x64_cache_create(size_t bytes, unsigned level, const struct code_trace *trace);
void x64_cache_destroy(struct x64_cache *cache);

/* What is made anew, and copies, which come and go with processes, have each a room of their own, divided into chunks. */
enum x64_room { X64_ROOM_BLOCKS, X64_ROOM_COPIES, X64_ROOMS };
#define X64_BLOCK_CHUNKS 16u
#define X64_COPY_CHUNKS  8u
/* The chunk that code goes to from now on. It has none, and is the first of each room at first. */
void x64_use_chunk(struct x64_cache *cache, enum x64_room room, unsigned chunk);
/* No vCPU can be in code of the chunk, and nothing leads there. */
void x64_chunk_gone(struct x64_cache *cache, enum x64_room room, unsigned chunk);
size_t x64_chunk_bytes(const struct x64_cache *cache, enum x64_room room);
/* More than half of the present chunk is used. */
bool x64_is_half_full(const struct x64_cache *cache, enum x64_room room);

/* Emits the block's code; block->code stays NULL when that is not possible. `full`: in what is left of the chunk. */
void x64_compile(struct x64_cache *cache, struct a64_cpu *cpu, struct ir_block *block, bool *full);

/*
 * Code for guest code that has code at another virtual address: `from`, a valid block of the same words, mode and place in memory.
 * memory: x64_copy_bytes() for what is kept about it, the caller's. False: there is no room in the chunk.
 */
bool x64_can_copy(const struct ir_block *from);
/* Of what is kept about the block's code. */
size_t x64_known_bytes(const struct ir_block *block);
size_t x64_copy_bytes(const struct ir_block *from);
bool x64_copy(struct x64_cache *cache, struct a64_cpu *cpu, const struct ir_block *from,
              struct ir_block *to, void *memory);

/* The block is retired: no other block jumps to it any more, nor it to others. */
void x64_unlink(struct x64_cache *cache, struct ir_block *block);
void x64_free_code(struct ir_block *block);

/* Lets the exit with which emitted code was left (cpu->x64.from) jump to `to` directly, if it leads there. True: linked. */
bool x64_link(struct x64_cache *cache, struct ir_block *from, unsigned exit, struct ir_block *to);

/* --- vCPUs */
bool x64_cpu_create(struct a64_cpu *cpu); /* false: out of memory */
void x64_cpu_destroy(struct a64_cpu *cpu);

/* It will run code of this cache. */
void x64_cpu_join(struct a64_cpu *cpu, const struct x64_cache *cache);

/* Runs a block's emitted code on the vCPU's thread. */
static inline enum ir_next x64_run(struct a64_cpu *cpu, const void *code)
{
    return (enum ir_next)cpu->x64.enter(cpu, code);
}

/*
 * Jump tables: where emitted code finds the code of a virtual address, one set of tables for each translation context. Entries say
 * "the fetch at pc, in this context, gives this block", so that they go when translations do.
 */
void x64_remember(struct a64_cpu *cpu, struct ir_block *block, unsigned btype, bool global);
void x64_forget_block(struct a64_cpu *cpu,
                      const struct ir_block *block); /* any thread, under the code cache's lock */
/* After every change of mode key, ASID or MMU index: the tables of the present state. */
void x64_select_context(struct a64_cpu *cpu);

/* TLB maintenance: the contexts that depend on the ASID (< 0: any), with global_too those that depend on none as well; only such as
 * know code in one of these halves of the address space. */
enum { X64_LOWER_HALF = 1, X64_UPPER_HALF = 2, X64_BOTH_HALVES = 3 };
void x64_drop_contexts(struct a64_cpu *cpu, int asid, bool global_too, unsigned halves);

#endif
