/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/a64/translator.h"

#include <stdlib.h>
#include <string.h>

#include "engine/a64/decode.h"
#include "engine/code.h"

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

/* --- Turning back ---------------------------------------------------------------------------------------------------------------- */

#define MOST_BEFORE 16 /* instructions from where a block turns back to, up to its start */

/* Where a B, B.cond, CBZ, CBNZ, TBZ or TBNZ leads to, in instructions from itself; 0: it is none of these. */
static int branch_offset(uint32_t w)
{
    if (w >> 26 == 0x05) { /* B */
        return (int)(w << 6) >> 6;
    }
    if (w >> 24 == 0x54 || (w >> 25 & 0x3f) == 0x1a) { /* B.cond, CBZ, CBNZ */
        return (int)(w << 8) >> 13;
    }
    return (w >> 25 & 0x3f) == 0x1b ? (int)(w << 13) >> 18 : 0; /* TBZ, TBNZ */
}

/* Nothing goes on behind it: B, BL, BR, BLR, RET, ERET. */
static bool goes_away(uint32_t w)
{
    return (w >> 26 & 0x1f) == 0x05 || w >> 25 == 0x6b;
}

/* The guest's other vCPUs may be writing here: each word is read once, and the copy is what the block stands for. */
static void read_words(uint32_t *words, const uint8_t *hva, int from, int to)
{
    for (int i = from; i < to; i++) {
        words[i] = __atomic_load_n((const uint32_t *)(const void *)(hva + 4 * (ptrdiff_t)i),
                                   __ATOMIC_RELAXED);
    }
}

/* Words, counted from the block's start: those that have been read, and those that the block is made of, with what lies between. */
struct reach {
    int read_first, read_end, first, end;
};

/* The block gets the word there, read together with all up to it; each is read once. */
static uint32_t take_word(struct reach *reach, uint32_t *words, const uint8_t *hva, int at)
{
    if (at < reach->read_first) {
        read_words(words, hva, at, reach->read_first);
        reach->read_first = at;
    }
    if (at >= reach->read_end) {
        read_words(words, hva, reach->read_end, at + 1);
        reach->read_end = at + 1;
    }
    reach->first = at < reach->first ? at : reach->first;
    reach->end = at >= reach->end ? at + 1 : reach->end;
    return words[at];
}

/* The instructions from `to` on, which is negative, lead to the block's start. */
static bool leads_to_start(uint32_t *words, const uint8_t *hva, int to)
{
    read_words(words, hva, to, 0);
    for (int i = to; i < 0; i++) {
        if (goes_away(words[i])) { /* a call comes back */
            return words[i] >> 26 == 0x05 ? i + branch_offset(words[i]) == 0
                                          : words[i] >> 26 == 0x25 && i == -1;
        }
    }
    return true;
}

/*
 * A loop is mostly entered where its inner loop starts, or behind a jump to where it tests its condition; what is done in each round
 * before that place then lies before the block's start. The block goes on there, and so becomes a loop: at the first branch to there
 * behind one to its own start, where there is such a loop, else at the last, if more comes that way than goes on behind it.
 * n words from the block's start on may be read, and n_before before that; *have: how many were. Gives the branch's index; 0: none.
 */
static unsigned find_turn(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode, uint32_t *words,
                          unsigned n, unsigned n_before, unsigned *have, int *to)
{
    unsigned turn = 0;
    bool loops = false;

    for (unsigned i = 0; i < n; i++) {
        read_words(words, hva, (int)i, (int)i + 1);
        *have = i + 1;
        const int offset = branch_offset(words[i]), at = (int)i + offset;
        if (offset != 0 && at == 0) {
            loops = true;
        } else if (i != 0 && at < 0 && at >= -(int)n_before && leads_to_start(words, hva, at)) {
            turn = i;
            *to = at;
            if (loops) {
                return turn;
            }
        }
        if (goes_away(words[i])) {
            break;
        }
    }
    const uint64_t target = cpu->pc + 4 * (uint64_t)(int64_t)*to,
                   behind = cpu->pc + 4ull * (turn + 1);
    const bool comes_by = turn != 0 && (words[turn] >> 26 == 0x05 ||
                                        code_is_warmer(cpu, hva, mode, target, behind));
    return comes_by ? turn : 0;
}

/* --- Jumps and calls -------------------------------------------------------------------------------------------------------------- */

#define LEAF_INSNS 12
#define MOST_FAR   64 /* words between a jump and where it leads; they are the block's as well */
#define LEAST_LEFT \
    16 /* a block has room for so many instructions, if it goes on behind an indirect jump */

/* It may lead elsewhere than behind it. */
static bool may_leave(uint32_t w)
{
    const bool is_hint = (w & 0xfffff01f) == 0xd503201f;

    return goes_away(w) || branch_offset(w) != 0 || w >> 24 == 0xd4 ||
           (w >> 22 == 0x354 && !is_hint);
}

/* A short function that calls none. */
static bool is_leaf(const uint8_t *hva, unsigned left_in_page)
{
    uint32_t words[LEAF_INSNS];

    for (unsigned i = 0; i < LEAF_INSNS && i < left_in_page; i++) {
        read_words(words, hva, (int)i, (int)i + 1);
        if (words[i] == 0xd65f03c0) { /* RET */
            return true;
        }
        if (may_leave(words[i])) {
            return false;
        }
    }
    return false;
}

/*
 * A branch in a function that calls itself, which the block has gone into, to where it returns. In a tree of calls the leaves are more than
 * half, so that the block goes on there.
 */
static bool returns_early(const struct tr *t, const uint8_t *hva, int at, uint32_t w)
{
    const int offset = branch_offset(w), to = at + offset;
    const uint64_t target = t->pc + 4 * (uint64_t)(int64_t)offset;

    return offset > 0 && ((target ^ t->start) >> 12) == 0 && to < TR_BEHIND - LEAF_INSNS &&
           is_leaf(hva + 4 * (ptrdiff_t)to, (0x1000 - (unsigned)(target & 0xfff)) / 4);
}

/*
 * Where the block goes on behind B or BL: forward to what it does not have yet, or in a leaf or a function that calls itself, most of whose
 * calls come back soon, and behind the BL again. 0: nowhere.
 */
static uint64_t followed(const struct tr *t, const struct reach *reach, const uint8_t *hva, int at,
                         uint32_t w)
{
    const int offset = (int)(w << 6) >> 6, to = at + offset;
    const uint64_t target = t->pc + 4 * (uint64_t)(int64_t)offset;

    if ((w >> 26 & 0x1f) != 0x05 || offset < -MOST_FAR || offset > MOST_FAR ||
        ((target ^ t->start) >> 12) != 0 || to < -TR_BEFORE || to >= TR_BEHIND - LEAF_INSNS) {
        return 0;
    }
    const unsigned left = (0x1000 - (unsigned)(target & 0xfff)) / 4;
    const bool is_call = w >> 31 != 0;
    const bool goes_on = is_call ? t->return_to == 0 && (is_leaf(hva + 4 * (ptrdiff_t)to, left) ||
                                                         code_recurs(t->cpu, hva, t->mode, target))
                                 : offset > 0 && to >= reach->end;
    return goes_on ? target : 0;
}

/* Of no authenticated pointer. */
static bool is_return(uint32_t w)
{
    return (w & 0xfffffc1f) == 0xd65f0000;
}

/* BR, BLR or RET, likewise. */
static bool is_indirect(uint32_t w)
{
    return (w & 0xffdffc1f) == 0xd61f0000 || is_return(w);
}

/* In a page that is guarded, where the branch may land. */
static bool may_land(uint32_t branch, uint32_t first)
{
    const bool is_call = (branch >> 21 & 1) != 0;
    const unsigned rn = branch >> 5 & 31, btype = is_call ? 2 : rn == 16 || rn == 17 ? 1 : 3;

    return is_return(branch) || (landing(first) >> btype & 1) != 0;
}

/* This time, as most RET do; where the block does not write the register before. */
static bool leads_far(const struct tr *t, uint32_t w)
{
    const unsigned rn = A64_FIELD(w, 9, 5);
    const struct ir_node *const value = &t->nodes[t->x[rn]];
    const bool unwritten = t->x[rn] == IR_REF_NONE || value->op == IR_GET_X;

    return rn != 31 && unwritten && ((t->cpu->x[rn] ^ t->start) >> 12) != 0;
}

/* The block goes on behind an indirect jump where that has mostly led (engine/ways.h), or has it noted where it leads. */
static void find_expected(struct tr *t, struct reach *reach, uint32_t *words, const uint8_t *hva,
                          int at, uint32_t w)
{
    /* When it leads elsewhere the block may be left for the block of that instruction: not for itself. */
    if (at == 0 || (is_return(w) && t->return_to != 0)) {
        return;
    }
    if (t->n_ways == t->ways->n) {
        t->asks = t->ways->open && !leads_far(t, w);
        return;
    }
    const int to = t->ways->to[t->n_ways++];
    if (to >= BLOCK_WAY_BRANCH - TR_BEFORE ||
        (t->guarded && !may_land(w, take_word(reach, words, hva, to)))) {
        return;
    }
    t->expected = t->start + 4 * (uint64_t)(int64_t)to;
    t->into_leaf = (w >> 21 & 3) == 1 && t->return_to == 0 &&
                   is_leaf(hva + 4 * (ptrdiff_t)to, (0x1000 - (unsigned)(t->expected & 0xfff)) / 4);
}

/* The block goes on behind a branch that is mostly taken, where its indirect jump is mostly reached that way. */
static void find_taken(struct tr *t, int at, uint32_t w)
{
    const int offset = branch_offset(w), to = at + offset;
    const uint64_t target = t->pc + 4 * (uint64_t)(int64_t)offset;

    if (t->n_ways < t->ways->n && t->ways->to[t->n_ways] == BLOCK_WAY_BRANCH + at && offset != 0 &&
        w >> 26 != 0x05 && ((target ^ t->start) >> 12) == 0 && to >= -TR_BEFORE && to < TR_BEHIND) {
        t->n_ways++;
        t->taken = target;
    }
}

/* Whether the block goes on where the instruction leads. */
static void find_way(struct tr *t, const struct reach *reach, const uint8_t *hva, int at,
                     uint32_t word)
{
    t->follow = followed(t, reach, hva, at, word);
    if (t->follow != 0 && word >> 31 != 0) {
        t->return_to = t->pc + 4;
    }
    if (t->return_to != 0 && returns_early(t, hva, at, word)) {
        t->turn_from = t->pc;
        t->turn_to = t->pc + 4 * (uint64_t)(int64_t)branch_offset(word);
    }
}

/* The same in the main line. has_room: for more behind an indirect jump. */
static __attribute__((noinline)) void find_line(struct tr *t, struct reach *reach, uint32_t *words,
                                                const uint8_t *hva, int at, uint32_t word,
                                                bool has_room)
{
    find_way(t, reach, hva, at, word);
    find_taken(t, at, word);
    if (has_room && is_indirect(word)) {
        find_expected(t, reach, words, hva, at, word);
    }
}

/* --- Blocks ---------------------------------------------------------------------------------------------------------------------- */

enum {
    STRAIGHT = 1 << 0 /* no further than to the first branch */,
    TURN = 1 << 1,
    UNROLL = 1 << 2,
    SIDES = 1 << 3
};

static bool has_unrolled_loop(struct a64_cpu *cpu, const uint8_t *hva, uint64_t pc, uint32_t mode,
                              bool guarded);

/* --- Side lines ------------------------------------------------------------------------------------------------------------------ */

#define SIDE_INSNS  16 /* of one */
#define SIDES_INSNS 32 /* of all */

/* At most `left` words from `to` on lead to the block's start, or branch there. */
static bool comes_to_start(const uint8_t *hva, uint32_t *words, struct reach *reach, int to,
                           int most, unsigned left)
{
    for (int i = to; i < most && i < to + (int)left; i++) {
        const uint32_t word = take_word(reach, words, hva, i);
        if (i == 0 || branch_offset(word) == -i) {
            return true;
        }
        if (goes_away(word)) {
            return false;
        }
    }
    return false;
}

/*
 * A side line may be a loop's other way, that comes back to the block's start by a branch back to what lies before that, or is a part of the
 * line. It goes on where the branch leads, if no more goes on behind it, and ends with what branches to the start.
 */
static void find_turn_of_side(struct tr *t, const uint8_t *hva, uint32_t *words,
                              const struct reach *reach, int from, int least, int most)
{
    struct reach seen = *reach;

    t->turn_to = t->turn_from;
    for (int i = from; i < most && i < from + SIDE_INSNS; i++) {
        const uint32_t word = take_word(&seen, words, hva, i);
        const int offset = branch_offset(word), to = i + offset;
        const uint64_t pc = t->start + 4 * (uint64_t)(int64_t)i,
                       target = pc + 4 * (uint64_t)(int64_t)offset;
        if (goes_away(word) || to == 0) {
            return;
        }
        if (offset < 0 && to >= least && code_is_as_warm(t->cpu, hva, t->mode, target, pc + 4)) {
            if (comes_to_start(hva, words, &seen, to, most,
                               SIDE_INSNS - (unsigned)(i + 1 - from))) {
                t->turn_from = pc;
                t->turn_to = target;
            }
            return;
        }
    }
}

/*
 * Gives the number of its instructions; 0: there is no side line. One that does not come to an end of its own, or to the block's start, would
 * end somewhere, and a block begin there that nothing else leads to.
 */
static unsigned add_side(struct tr *t, const struct tr_fork *fork, const uint8_t *hva,
                         uint32_t *words, struct reach *reach)
{
    const uint32_t n_nodes = t->n_nodes;
    const ir_ref zero = t->zero;
    const int in_page = (int)(t->start & 0xfff) / 4;
    const int least = in_page < TR_BEFORE ? -in_page : -TR_BEFORE;
    const int most = 0x1000 / 4 - in_page < TR_BEHIND ? 0x1000 / 4 - in_page : TR_BEHIND;
    int at = (int)((int64_t)(fork->target - t->start) / 4);
    struct reach reached = *reach;
    unsigned n = 0;

    if (at < least || at >= most || at == 0 || (fork->target & 3) != 0) {
        return 0;
    }
    memcpy(t->x, fork->x, sizeof(t->x));
    memcpy(t->v, fork->v, sizeof(t->v));
    t->nzcv = fork->nzcv;
    t->return_to = fork->return_to;
    t->carry_is_of = IR_REF_NONE;
    memset(t->made, 0, sizeof(t->made)); /* behind the branch, perhaps */
    t->end = false;
    find_turn_of_side(t, hva, words, reach, at, least, most);
    bool turned = false;
    t->pc = fork->target;
    t->insn = (uint8_t)at;
    tr_node(t, IR_SIDE, 0, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, fork->node);
    while (!t->end) {
        if (at == 0) {
            tr_jump(t, t->start);
            break;
        }
        if (n == SIDE_INSNS || at < least || at >= most ||
            t->n_nodes > TR_SIDE_NODES - TR_NODES_PER_INSN) {
            t->n_nodes = n_nodes;
            t->zero = zero;
            return 0;
        }
        const uint32_t word = take_word(&reached, words, hva, at);
        t->insn = (uint8_t)at;
        find_way(t, &reached, hva, at, word);
        translate_insn(t, word);
        t->follow = 0;
        n++;
        turned |= t->turned && t->pc == t->turn_from;
        t->pc = t->turned ? t->next : t->pc + 4;
        t->turned = false;
        if (turned && branch_offset(word) == -at && !t->end) {
            tr_jump(t, t->pc);
        }
        at = (int)((int64_t)(t->pc - t->start) / 4);
    }
    *reach = reached;
    return n;
}

/*
 * Where branches out of the line lead to, the block goes on for a little, with what the line knows about guest registers. That is what a
 * loop's other way through, or a function's early return, is. Only code that has run gets this, and what a function goes that calls itself: it
 * has to return sometime.
 */
static void add_sides(struct tr *t, const uint8_t *hva, uint32_t *words, struct reach *reach)
{
    const struct tr_fork *const forks = t->forks;
    unsigned n_insns = 0, n_sides = 0;

    t->forks = NULL;
    t->unrolls = false;
    t->turn_to = t->turn_from;
    for (unsigned i = 0; forks != NULL && i < t->n_forks; i++) {
        const struct tr_fork *const fork = &forks[i];
        if (t->n_nodes > TR_SIDE_NODES - 2 * TR_NODES_PER_INSN) {
            break;
        }
        if (fork->otherwise) {
            add_side(t, fork, hva, words, reach);
            continue;
        }
        if (n_sides == TR_MAX_SIDES || n_insns + SIDE_INSNS > SIDES_INSNS + SIDE_INSNS / 2 ||
            ((fork->target ^ t->start) >> 12) != 0 ||
            (!t->recurs && fork->return_to == 0 &&
             !code_is_warm(t->cpu, hva, t->mode, fork->target))) {
            continue;
        }
        const unsigned n = add_side(t, fork, hva, words, reach);
        n_insns += n;
        n_sides += n != 0;
    }
}

/* The vCPU's scratch block. */
static struct ir_block *fill_block(struct a64_cpu *cpu, const uint8_t *hva, uint64_t pc,
                                   uint32_t mode, bool guarded, unsigned max_insns, unsigned how)
{
    uint32_t *const words = &cpu->translator->words[TR_BEFORE];
    struct tr t = {
        .nodes = cpu->translator->nodes,
        .mode = mode,
        .pc = pc,
        .start = pc,
        .cpu = cpu,
        .guarded = guarded,
        .ways = &cpu->translator->ways,
    };
    const unsigned behind = (unsigned)(pc & 0xfff) / 4;
    const int in_page = (int)(0x1000 / 4 - behind);
    const unsigned most = (t.mode & MODE_ONE_INSN) != 0 ? 1 : max_insns;
    const unsigned limit = (unsigned)in_page < most ? (unsigned)in_page : most;
    unsigned n = 0;
    int at = 0, to = 0;
    unsigned have = 0; /* words, from the start on, */
    int turned_to = 0; /* and before it */

    if ((how & STRAIGHT) == 0 && limit > 1 && (mode & MODE_EACH_CHECK) == 0) {
        t.unrolls = (how & UNROLL) != 0;
        const unsigned before = behind < MOST_BEFORE ? behind : MOST_BEFORE;
        unsigned turn = 0;
        if ((how & TURN) != 0) {
            turn = find_turn(cpu, hva, mode, words, limit, before, &have, &to);
        }
        if (turn != 0) {
            /* A block from there on is the better loop where it has made the inner one one of its lines. */
            const int64_t back = 4 * (int64_t)to;
            turn = has_unrolled_loop(cpu, hva + back, pc + (uint64_t)back, mode, guarded) ? 0
                                                                                          : turn;
            have = 0; /* the words' place has been used */
            turned_to = turn != 0 ? to : 0;
            read_words(words, hva, to, 0);
        }
        t.turn_from = pc + 4ull * turn;
        t.turn_to = t.turn_from + (turn != 0 ? 4 * (uint64_t)(int64_t)(to - (int)turn) : 0);
        t.forks = (how & SIDES) != 0 ? cpu->translator->forks : NULL;
    }
    tr_node(&t, IR_NONE, 0, 0, IR_REF_NONE, IR_REF_NONE, IR_REF_NONE, 0, 0);
    struct reach reach = {.read_first = turned_to, .read_end = (int)have};
    while (!t.end) {
        const uint32_t word = take_word(&reach, words, hva, at);
        t.insn = (uint8_t)at;
        if (t.forks != NULL) {
            find_line(&t, &reach, words, hva, at, word, n + LEAST_LEFT <= most);
        }
        translate_insn(&t, word);
        t.follow = t.taken = 0;
        n++;
        at++;
        const uint64_t next = t.turned ? t.next : t.pc + 4;
        if (t.turned) {
            t.turned = false;
            at = (int)((int64_t)(next - t.start) / 4);
            if (at < 0 && t.return_to == 0) {
                t.turn_to = t.turn_from;
            }
        }
        if (n >= most && t.unrolling != 0) { /* there are more rounds than fit */
            return fill_block(cpu, hva, pc, mode, guarded, max_insns, how & ~(unsigned)UNROLL);
        }
        if (!t.end && (n >= most || at == in_page || at == TR_BEHIND || at == 0 ||
                       t.n_nodes > TR_MAX_NODES - TR_NODES_PER_INSN ||
                       ((how & STRAIGHT) != 0 && t.branched))) {
            t.turn_to = t.turn_from; /* it may be where the last instruction has turned to */
            tr_jump(&t, next);
        }
        t.pc = next;
    }
    cpu->translator->unrolled = t.unrolled;
    add_sides(&t, hva, words, &reach);
    struct ir_block *const block = &cpu->translator->block;
    *block = (struct ir_block){
        .pc = pc,
        .mode = mode,
        .guarded = guarded,
        .recurs = t.recurs,
        .asks = t.asks,
        .n_insns = (uint16_t)reach.end,
        .n_before = (uint16_t)-reach.first,
        .n_nodes = (uint16_t)t.n_nodes,
        .hva = hva,
        .valid = true,
        .bti_ok = landing(words[0]),
        .nodes = t.nodes,
        .words = words,
    };
    return block;
}

static bool has_unrolled_loop(struct a64_cpu *cpu, const uint8_t *hva, uint64_t pc, uint32_t mode,
                              bool guarded)
{
    fill_block(cpu, hva, pc, mode, guarded, TR_MAX_INSNS, UNROLL);
    return cpu->translator->unrolled;
}

struct ir_block *translator_make_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                       bool guarded, unsigned max_insns,
                                       const struct block_ways *ways)
{
    cpu->translator->ways = *ways;
    const struct ir_block *const made = fill_block(cpu, hva, cpu->pc, mode, guarded, max_insns,
                                                   TURN | UNROLL | SIDES);
    struct ir_block *const block = malloc(sizeof(*block));

    if (block != NULL) {
        *block = *made;
    }
    return block;
}

struct ir_block *translator_passing_block(struct a64_cpu *cpu, const uint8_t *hva, uint32_t mode,
                                          bool guarded)
{
    struct ir_block *const block = fill_block(cpu, hva, cpu->pc, mode, guarded, TR_MAX_INSNS,
                                              STRAIGHT);

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
    const uint32_t *const now = (const uint32_t *)(const void *)block_start(block);
    const uint32_t *const words = block->words - block->n_before;
    const unsigned n = block_bytes(block) / 4;
    unsigned i = 0;

    for (; i + 4 <= n; i += 4) {
        const four_words differing = *(const four_words *)&words[i] ^ *(const four_words *)&now[i];
        if ((differing[0] | differing[1]) != 0) {
            return false;
        }
    }
    for (; i < n; i++) {
        if (words[i] != __atomic_load_n(&now[i], __ATOMIC_RELAXED)) {
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
