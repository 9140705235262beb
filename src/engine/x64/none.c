/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Hosts that the translator has no code for: blocks are interpreted. */
#include <stdlib.h>

#include "engine/x64/jumps.h"
#include "engine/x64/x64.h"

unsigned x64_host_level(void)
{
    return 0;
}

struct x64_cache *x64_cache_create(size_t bytes, unsigned level, const struct code_trace *trace)
{
    (void)bytes, (void)level, (void)trace;
    return NULL;
}

void x64_cache_destroy(struct x64_cache *cache)
{
    (void)cache;
}

void x64_use_chunk(struct x64_cache *cache, enum x64_room room, unsigned chunk)
{
    (void)cache, (void)room, (void)chunk;
}

void x64_chunk_gone(struct x64_cache *cache, enum x64_room room, unsigned chunk)
{
    (void)cache, (void)room, (void)chunk;
}

size_t x64_chunk_bytes(const struct x64_cache *cache, enum x64_room room)
{
    (void)cache, (void)room;
    return 0;
}

bool x64_is_half_full(const struct x64_cache *cache, enum x64_room room)
{
    (void)cache, (void)room;
    return false;
}

bool x64_can_copy(const struct ir_block *from)
{
    (void)from;
    return false;
}

size_t x64_known_bytes(const struct ir_block *block)
{
    (void)block;
    return 0;
}

size_t x64_copy_bytes(const struct ir_block *from)
{
    (void)from;
    return 0;
}

bool x64_copy(struct x64_cache *cache, struct a64_cpu *cpu, const struct ir_block *from,
              struct ir_block *to, void *memory)
{
    (void)cache, (void)cpu, (void)from, (void)to, (void)memory;
    return false;
}

void x64_compile(struct x64_cache *cache, struct a64_cpu *cpu, struct ir_block *block, bool *full)
{
    (void)cache, (void)cpu, (void)block;
    *full = false;
}

void x64_unlink(struct x64_cache *cache, struct ir_block *block)
{
    (void)cache, (void)block;
}

void x64_free_code(struct ir_block *block)
{
    (void)block;
}

bool x64_link(struct x64_cache *cache, struct ir_block *from, unsigned exit, struct ir_block *to)
{
    (void)cache, (void)from, (void)exit, (void)to;
    return false;
}

bool x64_cpu_create(struct a64_cpu *cpu)
{
    cpu->x64.stats = calloc(1, sizeof(*cpu->x64.stats));
    return cpu->x64.stats != NULL;
}

void x64_cpu_destroy(struct a64_cpu *cpu)
{
    free(cpu->x64.stats);
    cpu->x64.stats = NULL;
}

void x64_cpu_join(struct a64_cpu *cpu, const struct x64_cache *cache)
{
    (void)cpu, (void)cache;
}

void x64_remember(struct a64_cpu *cpu, struct ir_block *block, unsigned btype, bool global)
{
    (void)cpu, (void)block, (void)btype, (void)global;
}

void x64_drop_all_contexts(struct a64_cpu *cpu)
{
    (void)cpu;
}

void x64_hold_among_others(struct x64_jump *jump, const struct ir_block *block, unsigned slot)
{
    (void)jump, (void)block, (void)slot;
}

void x64_forget_block(struct a64_cpu *cpu, const struct ir_block *block)
{
    (void)cpu, (void)block;
}

void x64_select_context(struct a64_cpu *cpu)
{
    (void)cpu;
}

void x64_drop_contexts(struct a64_cpu *cpu, int asid, bool global_too, unsigned halves)
{
    (void)cpu, (void)asid, (void)global_too, (void)halves;
}
