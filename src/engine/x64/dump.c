/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What is counted and told about emitted code; the listing of one block. */
#include <inttypes.h>
#include <stdio.h>

#include "engine/ir/print.h"
#include "engine/x64/cache.h"
#include "engine/x64/emit.h"

void x64_count(struct x64_emit *e, size_t offset)
{
    if (e->trace->statistics) {
        x64_load(&e->a, 1, RAX, CPU_FIELD(x64.stats));
        x64_alu_mi(&e->a, 1, ALU_ADD, x64_at(RAX, (int32_t)offset), 1);
    }
}

/* --- Listing --------------------------------------------------------------------------------------------------------------------- */

static const char *const gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void bytes(const struct x64_emit *e, const uint8_t *code, uint32_t from, uint32_t to)
{
    char hex[16 * 3 + 1];

    for (uint32_t at = from; at < to; at += 16) {
        const uint32_t n = to - at < 16 ? to - at : 16;
        for (uint32_t i = 0; i < n; i++) {
            snprintf(&hex[3 * i], 4, " %02x", code[at + i]);
        }
        code_trace_print(e->trace, "    %05x:%s\n", at, hex);
    }
}

static void saved(const struct x64_emit *e, const struct x64_saved *s)
{
    const struct x64_where *const w = &s->from;
    char from[32];
    uint64_t value = 0;

    if (w->reg != NOREG && e->val[w->value].cls == CLASS_VEC) {
        snprintf(from, sizeof(from), "xmm%d", w->reg);
    } else if (w->reg != NOREG) {
        snprintf(from, sizeof(from), "%s", gpr_names[w->reg]);
    } else if (w->slot >= 0) {
        snprintf(from, sizeof(from), "slot %d", w->slot);
    } else if (w->guest >= 0) {
        snprintf(from, sizeof(from), "memory of %c%d", s->cls == CLASS_VEC ? 'v' : 'x', w->guest);
    } else {
        x64_const(e, w->value, &value);
        snprintf(from, sizeof(from), "0x%" PRIx64, value);
    }
    code_trace_print(e->trace, "      stores %c%u from %s%s\n", s->cls == CLASS_VEC ? 'v' : 'x',
                     s->guest,
                     w->half == 0   ? ""
                     : w->half == 1 ? "the low half of "
                                    : "the high half of ",
                     from);
}

static void stub(const struct x64_emit *e, const struct x64_stub *s)
{
    code_trace_print(e->trace, "  stub: %s, of %%%u, from %05x%s\n", x64_stub_kinds[s->kind].name,
                     s->node, s->jump, s->flags_dirty ? ", stores NZCV" : "");
    for (unsigned i = 0; i < s->n_saved; i++) {
        saved(e, &e->saved[s->first_saved + i]);
    }
}

static uint32_t node_end(const struct x64_emit *e, unsigned node)
{
    if (node + 1 < e->n_nodes) {
        return e->node_at[node + 1];
    }
    return e->n_stubs != 0 ? e->stub_at[0] : x64_here(&e->a);
}

static void listing(const struct x64_emit *e, const struct x64_code *code, const uint8_t *rw)
{
    const uint32_t size = x64_here(&e->a);
    const uint32_t literals = size - 16u * e->n_literals;
    char node[160];

    code_trace_print(e->trace,
                     "code of block 0x%" PRIx64 " at %p, %u bytes; jumps to it go to +%x\n",
                     e->block->pc, code->entry, size, e->body);
    bytes(e, rw, 0, e->n_nodes > 1 ? e->node_at[1] : size);
    for (unsigned i = 1; i < e->n_nodes; i++) {
        if (e->node_at[i] != node_end(e, i)) {
            ir_print_node(node, sizeof(node), e->nodes, i);
            code_trace_print(e->trace, "  %s\n", node);
            bytes(e, rw, e->node_at[i], node_end(e, i));
        }
    }
    for (unsigned i = 0; i < e->n_stubs; i++) {
        stub(e, &e->stubs[i]);
        bytes(e, rw, e->stub_at[i], e->stub_at[i + 1]);
    }
    if (e->n_helper_exits != 0) {
        code_trace_print(e->trace, "  stubs of helpers that leave the block\n");
    }
    bytes(e, rw, e->stub_at[e->n_stubs], literals);
    for (unsigned i = 0; i < e->n_exits; i++) {
        code_trace_print(e->trace, "  exit %u: rel32 at %05x, to 0x%" PRIx64 "\n", i,
                         e->exits[i].rel32, e->exits[i].pc);
    }
    for (unsigned i = 0; i < e->n_literals; i++) {
        code_trace_print(e->trace, "  literal %u at %05x: 0x%016" PRIx64 "%016" PRIx64 "\n", i,
                         literals + 16 * i, e->literals[i].value.d[1], e->literals[i].value.d[0]);
    }
}

/* --- Events ---------------------------------------------------------------------------------------------------------------------- */

void x64_trace_made(const struct x64_cache *cache, const struct x64_emit *e)
{
    struct x64_stats *const stats = e->cpu->x64.stats;
    const struct x64_code *const code = e->block->x64;
    const uint32_t size = x64_here(&e->a);
    char name[64];

    stats->blocks++;
    stats->insns += block_bytes(e->block) / 4;
    stats->bytes += size;
    if (cache->trace.code_made != NULL) {
        code_trace_name(e->block, name, sizeof(name));
        cache->trace.code_made(code->entry, size, name);
    }
    if (code_trace_wants(&cache->trace, e->block)) {
        listing(e, code, cache->rw + ((const uint8_t *)code->entry - cache->rx));
    }
}

void x64_trace_gone(const struct x64_cache *cache, size_t start, size_t end)
{
    if (cache->trace.code_gone != NULL) {
        cache->trace.code_gone(cache->rx + start, end - start);
    }
}
