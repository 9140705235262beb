/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Inside src/engine/x64: the emitter of one block.
 *
 * Two passes over the IR. plan.c walks backwards: what is used, for how long, and what is computed only where it is used (constants,
 * flags, conditions). Then one pass forwards emits, with registers allocated on the way (regs.c).
 *
 * Registers: RBP = the vCPU + X64_CPU_BIAS; R14 = the entries of the TLB of ordinary accesses; RSP = the frame (thunks.h), 16 bytes
 * aligned. RAX, RCX, XMM0 and XMM1 are scratch of each node's code, never live from one node to the next. The others hold values.
 *
 * Where a value is: in a host register, in a frame slot, in the memory of a guest register that holds it, or nowhere yet because it
 * is lazy. A guest register that was written is dirty until its value is stored: at the end of the block, before a helper, or on
 * the way out in a stub. The stubs lie behind the block's code and have a snapshot of what was dirty where.
 */
#ifndef ENGINE_X64_EMIT_H
#define ENGINE_X64_EMIT_H

#include <assert.h>
#include <stddef.h>

#include "engine/a64/block.h"
#include "engine/a64/translate.h"
#include "engine/cpu.h"
#include "engine/x64/asm.h"
#include "engine/x64/thunks.h"

#define X64_CPU_BIAS     128
#define X64_MAX_GROUPS   TR_MAX_INSNS
#define X64_MAX_UNREAD   16
#define X64_GROUP_SPAN   256 /* what is wider crosses pages too often */
#define X64_MAX_NODES    (TR_MAX_NODES + 1)
#define X64_STRETCH_REFS 4
#define X64_MAX_COUPLES  24
#define X64_MAX_REFS                                                                         \
    (X64_MAX_NODES + X64_MAX_GROUPS + 1 + X64_MAX_UNREAD + X64_MAX_SITES + X64_MAX_COUPLES + \
     X64_STRETCH_REFS)

enum x64_class { CLASS_INT, CLASS_VEC };

struct x64_val {
    uint16_t last;   /* the last node that needs it; 0: none does */
    uint16_t n_uses; /* by nodes, not counting that a guest register holds it */
    int8_t reg;      /* GPR or XMM by class; NOREG */
    uint8_t cls;
    int16_t slot;  /* frame slot; -1 */
    int8_t guest;  /* guest register whose memory holds it; -1 */
    bool lazy : 1; /* not computed yet: where it is used */
    bool
        inside : 1; /* needed in the rounds of the block's innermost loop, and not only behind it */
    uint8_t lane : 1; /* of a couple, */
    ir_ref couple;    /* whose half this is, above which there is nothing; 0: it is none */
    uint16_t hot;     /* the last node whose code may need it; later ones do in stubs only */
    uint16_t seen; /* the last that may see it in a guest register, where that is not among those */
};

_Static_assert(sizeof(struct x64_val) == 16, "there are many");

/* A place to leave or to go slow, behind the block. */
enum x64_stub_kind {
    STUB_EXIT,
    STUB_POLL,
    STUB_INDIRECT,
    STUB_ASKED,
    STUB_LOAD,
    STUB_STORE,
    STUB_GROUP,
    STUB_GUESS,
    STUB_ZERO,
    STUB_PAGE,
    STUB_SITE,
    STUB_WALK,
    STUB_OUTSIDE,
    STUB_FLAGS,
    STUB_SP,
    STUB_VOP,
    STUB_FP_RUN,
    STUB_ATOMIC
};

struct x64_where {
    int8_t reg;   /* NOREG: */
    int8_t guest; /* memory of a guest register; -1: */
    int16_t slot; /* frame slot; -1: constant */
    ir_ref value;
    uint8_t half; /* of a couple that is there: its lane plus 1; 0: all of it */
};

struct x64_saved { /* what a stub stores */
    uint8_t cls, guest;
    struct x64_where from;
};

struct x64_stub {
    uint8_t kind;
    uint8_t insn;
    uint8_t btype;  /* of STUB_INDIRECT */
    uint8_t refill; /* RAX and RCX are as they were compared: MMU_REFILL_*, plus 1; 0: no */
    ir_ref node;
    uint32_t jump;   /* rel32 that leads here */
    uint32_t jump2;  /* another; 0: none */
    uint32_t jump3;  /* and one that tells of flags (x64_fp_check_flags) */
    uint32_t resume; /* where the code goes on */
    uint16_t
        other; /* of STUB_PAGE and STUB_OUTSIDE: the access's own stub; of STUB_SITE: the site */
    uint64_t target;             /* of STUB_EXIT */
    int8_t reg, value_reg, base; /* operands in registers */
    bool value_is_vector;
    int8_t operands[3]; /* of STUB_VOP: registers; NOREG: none */
    int32_t disp;
    uint16_t first_saved, n_saved;
    uint16_t first_redo, n_redos; /* operations that are made again before anything else */
    bool rough;                   /* of STUB_FP_RUN: it may be for nothing */
    bool accesses;                /* of STUB_OUTSIDE: it makes the access itself */
    bool barrier;                 /* what the stub stands for was to be one */
    bool flags_dirty;
    ir_ref flags;
    struct x64_where flags_at[2]; /* the lazy flags' operands; [0]: the packed flags */
    struct x64_where asked_at[2]; /* the same of what CCMP has asked */
    struct x64_where round_at;    /* of the flags of the round before: whether there was one */
};

#define X64_MAX_FP_RUN 24

struct x64_redo { /* an operation that a function in C makes again */
    ir_ref node;
    struct x64_where operands[3], result;
};

#define X64_MAX_STUBS  512
#define X64_MAX_REDOS  2048
#define X64_MAX_SAVED  8192
#define X64_MAX_RELOCS 2048

struct x64_reloc {
    uint32_t at; /* a rel32 in the buffer */
    const void *to;
};

struct x64_exit { /* a jump to code of the same page that can be linked; or from a helper */
    uint32_t rel32, stub;
    uint64_t pc;
    uint32_t variant;
};

/* Accesses with the same base that are checked at once, by the first of them. Its `value` stands for the addend of their page. */
struct x64_group {
    ir_ref base, value;
    int32_t min, max; /* displacements of the first byte, and of the one behind the last */
    uint16_t leader;
    bool is_store;  /* one of them is */
    uint8_t pair;   /* enum x64_pair */
    ir_ref operand; /* of a pair that is one instruction */
};

/* Load-exclusive and store-exclusive as a group of two (atomic.c). */
enum x64_pair {
    PAIR_NONE, /* a group of loads and stores */
    PAIR_COMPARE,
    PAIR_ADD, /* what is stored is what was loaded plus the operand, */
    PAIR_SUB, /* ... minus the operand, */
    PAIR_SWAP /* ... the operand */
};

/* What is to be changed in a copy of the code for another virtual address of the same guest code (x64_copy). */
enum x64_fixup_kind {
    FIXUP_PC,     /* 64 bits: an address that moves with the block's pc */
    FIXUP_SLOT,   /* 32 bits: a displacement into the jump table */
    FIXUP_BLOCK,  /* 64 bits: the block */
    FIXUP_OUTSIDE /* rel32 that leads out of the block's code */
};

struct x64_fixup {
    uint32_t kind : 2, at : 30; /* enum x64_fixup_kind; offset in the code */
};

#define X64_MAX_FIXUPS 4096

#define X64_MAX_CARRIED 12 /* of each class */

struct x64_carried { /* a guest register that a loop keeps in a host register */
    uint8_t cls, guest;
    int8_t reg;   /* at the head */
    bool written; /* by the block */
    bool
        outer; /* ... but not by its innermost loop: the addends of walks have more need of registers */
    bool unread; /* and not read before; it is carried so that no back edge stores it */
    ir_ref node; /* its IR_GET; of an unread one a value without a node */
};

/*
 * What NZCV are at the head of a loop, in rounds that begin with one back edge: those of two operands that are there. `marker` stands for
 * whether it is such a round.
 */
struct x64_round {
    bool is_on;
    ir_ref edge;   /* the back edge behind the comparison: the first */
    ir_ref flags;  /* IR_FLAGS_ADD, _SUB or _LOGIC */
    ir_ref a, b;   /* as the head has them: IR_GETs that are carried, or constants */
    int32_t added; /* to a */
    ir_ref marker;
    int8_t reg;   /* of the marker at the head */
    int16_t slot; /* of the frame, where only walks ask, who know the back edge's way; -1 */
};

/*
 * An access, or a group, of a loop that goes through memory upwards. Its page's limit and addend are in the frame. In a walk there is
 * one limit for all, and what does not move is part of the addend.
 */
#define X64_MAX_TERMS 3
struct x64_site {
    ir_ref node;
    /* Of the address without the access's own displacement: IR_GETs, shifted; the first is not. The loop carries them; of a walk's
     * those that do not move may be in memory. */
    ir_ref term[X64_MAX_TERMS];
    uint8_t scale[X64_MAX_TERMS], n_terms;
    uint8_t minus; /* those that are subtracted; only a walk has one, and it does not move */
    int32_t offset;
    uint8_t walk;   /* its number plus 1; 0: none */
    uint8_t moving; /* the term that moves */
    int8_t reg;     /* at the head, for the addend; NOREG: only the frame has it */
    ir_ref value;   /* of a walk: stands for the addend; no IR makes it */
    int16_t slot;   /* of the frame, where that is */
    bool inner;     /* only from the head to the first back edge */
};

/* Sites whose addresses move with the same register, by nothing else. The head looks whether all are still on their pages. */
struct x64_walk {
    ir_ref mover;  /* its IR_GET */
    bool inner;    /* one of them is */
    uint32_t jump; /* of the head's comparison */
};

/*
 * Two scalars in one register (couple.c). The nodes that make them come in this order of lanes; both are the same where a load fills
 * both lanes, and none makes what a loop carries.
 */
struct x64_couple {
    ir_ref low, high;
};

/* A side line of the block. */
struct x64_side {
    ir_ref branch;     /* where it begins, in the main line */
    ir_ref start, end; /* IR_SIDE, and behind the last node */
    ir_ref edge;       /* the last node that is a back edge of the loop; 0: none is */
    bool same_flags;   /* there NZCV are what they are at the loop's first back edge */
    uint32_t jump;     /* rel32 of the branch */
    unsigned first_import, n_imports;
};

/* A value of the main line that a side line needs, and what plan.c has found out about it there. */
struct x64_import {
    ir_ref ref;
    uint16_t last, hot, seen, n_uses;
};

#define X64_MAX_SIDES   (TR_MAX_SIDES + BLOCK_MOST_WAYS)
#define X64_MAX_IMPORTS 1024
#define X64_SIDE_REFS   (TR_SIDE_NODES + X64_MAX_REFS - X64_MAX_NODES)

/* The allocator's state at a side line's branch. */
struct x64_fork {
    ir_ref held[2][32], guest[2][32], memory[2][32], flags;
    uint32_t dirty[2];
    bool dirty_flags;
    uint64_t slots[X64_FRAME_SLOTS / 64];
    struct x64_val val[X64_SIDE_REFS];
};

#define X64_MAX_LITERALS 512

struct x64_literal { /* a constant behind the block's code */
    uint32_t at;     /* the displacement that wants its place */
    v128 value;
};

struct x64_emit {
    struct x64_asm a;
    unsigned level; /* of the host: 2 to 4 (x64.h) */
    bool has_sha;   /* the host has SHA-NI */
    struct a64_cpu *cpu;
    const struct x64_thunks *thunks;
    const struct code_trace *trace;
    struct ir_block *block;
    const struct ir_node *nodes;
    unsigned n_nodes;
    unsigned main_end; /* nodes up to there are the main line's */
    unsigned now;      /* node being emitted */
    uint32_t carry_at; /* code ended there when it had added or subtracted with a carry ... */
    ir_ref carry_of;   /* ... for this node: the host's flags are of that */

    /* By class: of general-purpose and of vector registers. */
    ir_ref held[2][32];   /* the value in a host register; 0: free */
    uint32_t reserved[2]; /* registers at the head of what a loop writes: others take them last */
    int8_t want
        [X64_MAX_NODES]; /* such a register, for the value that is to be there at the back edge; NOREG */
    bool any_vector; /* the present node's code may have vectors in XMM16 to XMM31 */
    uint32_t locked[2];
    ir_ref guest[2][32]; /* the present value of a guest register; 0: that in memory */
    uint32_t dirty[2];
    ir_ref memory[2][32]; /* the value that the guest register's memory holds; 0: not known */
    ir_ref flags;
    bool dirty_flags;
    unsigned btype;                       /* of IR_PUT_BTYPE */
    uint64_t slots[X64_FRAME_SLOTS / 64]; /* frame slots in use */
    ir_ref owes_barrier; /* a locked instruction that is one for a store-release before it */

    unsigned n_stubs, n_saved, n_relocs, n_exits, n_helper_exits, n_redos;
    uint32_t body; /* where the code behind the poll begins */
    bool failed;   /* some table is full: the block is left to the interpreter */

    uint32_t node_at[X64_MAX_NODES], stub_at[X64_MAX_STUBS + 1]; /* where their code begins */
    uint16_t
        observer[X64_MAX_NODES]; /* the last node up to here that may see or show guest registers */
    bool guesses;                /* loads guess their pages' addends */
    unsigned n_groups;
    struct x64_group groups[X64_MAX_GROUPS];
    uint8_t group_of[X64_MAX_NODES]; /* of a load or store: its group's number + 1 */
    uint16_t fp_until
        [X64_MAX_NODES]; /* the node before whose code the result is looked at; 0: at once */
    unsigned n_fp_waiting;
    ir_ref fp_waiting[X64_MAX_FP_RUN]; /* results that have not been looked at */
    unsigned n_fp_looked;
    ir_ref fp_looked[X64_MAX_FP_RUN]; /* those of the last run */
    ir_ref alias[X64_MAX_REFS];
    struct x64_val val[X64_MAX_REFS];
    struct x64_stub stubs[X64_MAX_STUBS + 1];
    struct x64_saved saved[X64_MAX_SAVED];
    struct x64_redo redos[X64_MAX_REDOS];
    struct x64_reloc relocs[X64_MAX_RELOCS];
    bool
        movable; /* the code can be copied: what depends on the pc has its longest form, and is in fixups */
    unsigned n_fixups;
    struct x64_fixup fixups[X64_MAX_FIXUPS];
    struct x64_carried carried[2 * X64_MAX_CARRIED];
    unsigned n_unread, n_carried;
    uint32_t written[2], written_inside[2]; /* registers, by the loop, and by its innermost one */
    unsigned first_edge,
        back_edge; /* the first and last node that branch to the block's start; 0: it is no loop */
    unsigned n_sites;
    struct x64_site sites[X64_MAX_SITES];
    unsigned n_walks;
    struct x64_walk walks[X64_MAX_WALKS];
    uint32_t head, walk_head; /* walk_head: walks begin anew */
    struct x64_round round;
    bool flags_dead; /* NZCV is written before anyone can see it, from the head on */
    unsigned n_couples;
    struct x64_couple couples[X64_MAX_COUPLES];
    struct ir_node coupled[X64_SIDE_REFS]; /* the block's nodes, and the operations of couples */
    unsigned n_sides, n_imports;
    struct x64_side sides[X64_MAX_SIDES],
        *side; /* side: the one that is being emitted; NULL: the main line is */
    struct x64_import imports[X64_MAX_IMPORTS];
    struct x64_fork forks[X64_MAX_SIDES];
    unsigned n_literals;
    struct x64_literal literals[X64_MAX_LITERALS];
    struct x64_exit exits[X64_MAX_STUBS], helper_exits[X64_MAX_STUBS];
    uint8_t buffer[128 << 10];
};

/* A field of struct a64_cpu. */
#define CPU_FIELD(field)   x64_at(RBP, (int32_t)offsetof(struct a64_cpu, field) - X64_CPU_BIAS)
#define CPU_OFFSET(offset) x64_at(RBP, (int32_t)(offset)-X64_CPU_BIAS)
#define CPU_X(r)           CPU_OFFSET(offsetof(struct a64_cpu, x) + 8u * (unsigned)(r))
#define CPU_V(r)           CPU_OFFSET(offsetof(struct a64_cpu, v) + 16u * (unsigned)(r))
#define FRAME(offset)      x64_at(RSP, (int32_t)(offset))
#define FRAME_SLOT(slot)   FRAME(FRAME_SLOTS + 16 * (slot))

static inline ir_ref x64_resolve(const struct x64_emit *e, ir_ref ref)
{
    return e->alias[ref] != 0 ? e->alias[ref] : ref;
}

static inline const struct ir_node *x64_node(const struct x64_emit *e, ir_ref ref)
{
    return &e->nodes[x64_resolve(e, ref)];
}

static inline struct x64_val *x64_val(struct x64_emit *e, ir_ref ref)
{
    return &e->val[x64_resolve(e, ref)];
}

/* What makes the value; IR_NONE for a group's. */
static inline unsigned x64_op_of(const struct x64_emit *e, ir_ref ref)
{
    return ref < e->n_nodes ? e->nodes[ref].op : (unsigned)IR_NONE;
}

/* The group of a load or store; NULL: it is checked by itself. */
static inline const struct x64_group *x64_group_of(const struct x64_emit *e, unsigned node)
{
    return e->group_of[node] != 0 ? &e->groups[e->group_of[node] - 1] : NULL;
}

/* True and *value when ref is a constant (IR_REF_NONE counts as 0). */
bool x64_const(const struct x64_emit *e, ir_ref ref, uint64_t *value);
/* ... that fits a sign-extended (sf = 0: any) 32-bit immediate */
bool x64_imm32(const struct x64_emit *e, ir_ref ref, unsigned sf, int32_t *value);

/* Accesses that are always looked at one by one. */
#define X64_NOT_PLAIN \
    (IR_MEM_ACQUIRE | IR_MEM_RELEASE | IR_MEM_UNPRIV | IR_MEM_ATOMIC | IR_MEM_ALIGNED)

/* The values beside nodes: of groups, of unread registers, of sites. */
static inline unsigned x64_ref_end(const struct x64_emit *e)
{
    return e->n_nodes + X64_MAX_REFS - X64_MAX_NODES;
}

/*
 * What is held of the stretches (mmu/tlb.h): of that of loads or stores, minus its first address, or its addend. No node makes them, and who needs a
 * register takes theirs first: they are loaded again.
 */
static inline ir_ref x64_stretch_ref(const struct x64_emit *e, bool is_store, bool is_addend)
{
    return (ir_ref)(x64_ref_end(e) - X64_STRETCH_REFS + 2u * is_store + is_addend);
}

static inline bool x64_is_of_stretch(const struct x64_emit *e, ir_ref ref)
{
    return ref >= x64_stretch_ref(e, false, false);
}

/* The couples' values have no place among the nodes. */
static inline ir_ref x64_couple_ref(const struct x64_emit *e, unsigned i)
{
    return (ir_ref)(x64_ref_end(e) - X64_STRETCH_REFS - X64_MAX_COUPLES + i);
}

static inline bool x64_is_couple_ref(const struct x64_emit *e, ir_ref ref)
{
    return ref >= x64_couple_ref(e, 0) && ref < x64_couple_ref(e, e->n_couples);
}

/* The couple whose half the node makes; NULL: it makes none. */
static inline const struct x64_couple *x64_couple_of(const struct x64_emit *e, ir_ref node)
{
    return e->val[node].couple != 0 ? &e->couples[e->val[node].couple - x64_couple_ref(e, 0)]
                                    : NULL;
}

/* --- plan.c */
void x64_plan(struct x64_emit *e);
/* Where guest registers are first written in a line. */
struct x64_untils {
    unsigned x[32], v[32], flags;
};
void x64_plan_line(struct x64_emit *e, unsigned first, unsigned end, struct x64_untils *until);
/* The value, and what it is of if it is lazy, is needed until then. */
void x64_touch(struct x64_emit *e, ir_ref ref, unsigned when);
/* address = base + disp */
void x64_split_address(const struct x64_emit *e, ir_ref address, ir_ref *base, int32_t *disp);
/* What a load or store needs in registers: the base of its address, shifted, which in a walk is what moves. */
struct x64_address {
    ir_ref base;
    unsigned scale;
    int32_t disp;
};
struct x64_address x64_address_of(const struct x64_emit *e, ir_ref node); /* walk.c */
/* ADD of a value shifted left by 1 to 3: *index and *scale */
bool x64_scaled_operand(const struct x64_emit *e, ir_ref ref, ir_ref *index, unsigned *scale);

/*
 * CCMP and CCMN: a condition of flags asks whether NZCV are those of a comparison, or a constant. They are lazy while they have nothing else of
 * that kind among their operands.
 */
bool x64_is_conditional(const struct x64_emit *e, const struct ir_node *n);
/* The comparison, when NZCV are `flags` and the branch is taken, or is not, as no constant would have it; else IR_REF_NONE. */
ir_ref x64_flags_if(const struct x64_emit *e, ir_ref flags, const struct ir_node *branch,
                    bool is_taken);
/* A lane of that size (log2) of a vector: its number */
bool x64_lane_of(const struct x64_emit *e, ir_ref ref, unsigned size, unsigned *lane);

/* --- regs.c. What these return is locked until x64_done(). */
int x64_use(struct x64_emit *e, enum x64_class cls,
            ir_ref ref); /* a register of that class with the value */
int x64_def(struct x64_emit *e, enum x64_class cls, ir_ref node);
/* For an x64_stretch_ref(): a register that nothing else is in, nor to be; NOREG: there is none. */
int x64_def_spare(struct x64_emit *e, ir_ref ref);
/* A register for the node's result that starts with ref's value: ref's own where this was its last use. */
int x64_def_from(struct x64_emit *e, enum x64_class cls, ir_ref node, ir_ref ref);
/* ... that may be the one of an operand, when nobody needs that any more: for code that writes it last of all. */
int x64_def_over(struct x64_emit *e, enum x64_class cls, ir_ref node);
int x64_temp(struct x64_emit *e, enum x64_class cls);
void x64_bind(struct x64_emit *e, enum x64_class cls, ir_ref node,
              int reg);                     /* a temporary becomes the node's value */
void x64_take(struct x64_emit *e, int gpr); /* empties and locks it */
unsigned x64_free_registers(const struct x64_emit *e, enum x64_class cls); /* or nearly so */
unsigned x64_empty_registers(const struct x64_emit *e, enum x64_class cls);
static inline bool x64_dies(const struct x64_emit *e, ir_ref ref)
{
    return e->val[x64_resolve(e, ref)].last <= e->now;
}
/* After each node: unlocks, and frees what its operands held when they are not needed any more. */
void x64_done(struct x64_emit *e);
/* Before a call of C: everything that is needed later leaves the registers that C may change. */
void x64_spill_for_call(struct x64_emit *e);
/* How the flags of a stub, or of what is dirty, are stored. */
enum x64_flags_form {
    FLAGS_PACKED, /* for C */
    FLAGS_LAZY    /* for emitted code: what they are of, where that is known */
};
void x64_store_dirty(struct x64_emit *e, enum x64_flags_form form); /* uses RAX and RCX */
void x64_snapshot(struct x64_emit *e, struct x64_stub *stub);
struct x64_where x64_where_is(const struct x64_emit *e, ir_ref ref);
int x64_new_slot(struct x64_emit *e);
void x64_changed(struct x64_emit *e, ir_ref ref);   /* in its register alone */
void x64_drop_dead(struct x64_emit *e, ir_ref ref); /* when it is not needed any more */
void x64_put(struct x64_emit *e, enum x64_class cls, unsigned r, ir_ref value);
void x64_put_flags(struct x64_emit *e, ir_ref value);
void x64_keep_in_frame(struct x64_emit *e); /* what is needed later is not in guest memory alone */
void x64_forget_memory(struct x64_emit *e); /* a helper may have written guest registers */
void x64_load_value(struct x64_emit *e, enum x64_class cls, int reg,
                    ir_ref ref); /* copies, wherever it is */

/* --- loop.c */
void x64_find_loop(struct x64_emit *e); /* while planning, as the next two */
void x64_find_sites(struct x64_emit *e);
void x64_plan_round(struct x64_emit *e, unsigned until); /* the first node that writes NZCV */
/* NZCV, where nothing of this round has written them */
static inline bool x64_are_of_round(const struct x64_emit *e, ir_ref flags)
{
    return e->round.is_on && flags == e->round.marker;
}
/* The number of an access's site plus 1; 0: it is none */
unsigned x64_site_of(const struct x64_emit *e, ir_ref node);
int x64_reg_at_head(const struct x64_emit *e, ir_ref get);
bool x64_is_carried_get(const struct x64_emit *e, ir_ref node); /* its value is there at the head */
bool x64_is_carried(const struct x64_emit *e, enum x64_class cls, unsigned r);
void x64_emit_head(struct x64_emit *e);
bool x64_is_loop(const struct x64_emit *e, const struct ir_node *n); /* n is a back edge */
void x64_emit_back_edge(struct x64_emit *e, ir_ref node);

/* --- side.c */
void x64_find_sides(struct x64_emit *e, bool wanted);
void x64_plan_sides(struct x64_emit *e);
void x64_import(struct x64_emit *e,
                unsigned node); /* while planning the main line, which forks there */
bool x64_is_imported(const struct x64_emit *e, ir_ref ref);
/* The side line in which a jump to the start is a back edge there; NULL: none. */
const struct x64_side *x64_side_of_edge(const struct x64_emit *e, unsigned node);
/* The next node that puts the register, in a round of the loop, by way of a side line or not; inner: of its innermost loop. 0: none. */
unsigned x64_next_put(const struct x64_emit *e, unsigned after, enum ir_op op, unsigned r,
                      bool inner);
bool x64_fork(struct x64_emit *e, ir_ref branch,
              enum x64_cc cc); /* false: no side line begins there */
void x64_emit_sides(struct x64_emit *e);

/* --- walk.c */
void x64_join_walk(struct x64_emit *e, struct x64_site *site); /* while planning */
void x64_settle_walks(struct x64_emit *e);                     /* which of all sites stay */
/* The site of an access, or of its group, when it is in a walk; NULL: it is not */
const struct x64_site *x64_walking_site(const struct x64_emit *e, ir_ref node);
void x64_plan_walks(struct x64_emit *e); /* after all else */
/* Into reg, or where it is when that is NOREG; the addend's register. */
int x64_site_addend(struct x64_emit *e, const struct x64_site *site, int reg);
void x64_enter_walks(struct x64_emit *e, uint32_t *anew, uint32_t *head);
void x64_stub_walk(struct x64_emit *e, const struct x64_stub *stub);

/* --- couple.c */
void x64_find_couples(
    struct x64_emit *e); /* while planning, when it is known what walks and what is carried */
/* The node that is emitted in the place of an operation: itself, its couple's, or none, because that is done. */
ir_ref x64_in_couple(const struct x64_emit *e, ir_ref node);
void x64_load_half(struct x64_emit *e, ir_ref node, struct x64_mem m);
void x64_move_half(struct x64_emit *e, int to, int from, unsigned lane); /* and zeros above */
void x64_check_halves(
    struct x64_emit *e); /* before a loop: nothing is above what it has in halves */
int x64_load_carried_half(struct x64_emit *e, const struct x64_carried *c);

/* --- node.c */
void x64_emit_node(struct x64_emit *e, ir_ref node);
bool x64_is_dead(const struct x64_emit *e,
                 unsigned node); /* after or while planning: nothing needs it */

/* --- int.c */
void x64_emit_int(struct x64_emit *e, ir_ref node);
/* Emits the comparison behind a condition; *cc holds when it is true. */
enum x64_cc x64_condition(struct x64_emit *e, ir_ref ref);
/* The host's flags from a lazy or packed flag value, and the code for an A64 condition. */
enum x64_cc x64_flags_cc(struct x64_emit *e, ir_ref flags, unsigned cond);
/* ... of packed flags in RCX or any other register but RAX; uses RAX and RCX. */
enum x64_cc x64_packed_cc(struct x64_emit *e, int flags, unsigned cond);
/* ... after the comparison, addition or test that FLAGS_SUB, FLAGS_ADD and FLAGS_LOGIC are. */
enum x64_cc x64_cc_after(const struct ir_node *flags, unsigned cond);
void x64_pack_flags(struct x64_emit *e, bool inverted_carry);  /* EAX = NZCV of the host's flags */
void x64_materialize(struct x64_emit *e, ir_ref ref, int reg); /* a lazy integer value */

/* --- mem.c */
void x64_emit_mem(struct x64_emit *e, ir_ref node);
void x64_stub_refill(struct x64_emit *e, const struct x64_stub *stub);
void x64_barrier(struct x64_emit *e);
void x64_stub_mem(struct x64_emit *e, const struct x64_stub *stub);
void x64_fill_site(struct x64_emit *e, unsigned site, int base); /* at the loop's head */
void x64_stub_site(struct x64_emit *e, const struct x64_stub *stub);
void x64_stub_outside(struct x64_emit *e, const struct x64_stub *stub);
void x64_stub_page(struct x64_emit *e, const struct x64_stub *stub);
void x64_stub_zero(struct x64_emit *e, const struct x64_stub *stub);
void x64_stub_guess(struct x64_emit *e, const struct x64_stub *stub);
void x64_stub_flags(struct x64_emit *e, const struct x64_stub *stub);
void x64_stub_atomic(struct x64_emit *e, const struct x64_stub *stub);
void x64_stub_vop(struct x64_emit *e, const struct x64_stub *stub);
void x64_call_function(struct x64_emit *e, const struct ir_node *n); /* of a VOP, in a stub */

/* --- atomic.c */
/* While planning: the store-exclusive's load-exclusive, and what they are together; false: there is no pair. */
bool x64_is_pair(const struct x64_emit *e, ir_ref stx, struct x64_group *pair);
/* A locked instruction of the host; before it, nothing of the node's code reads guest memory. */
bool x64_is_locked(const struct x64_emit *e, ir_ref node);

/* --- pauth.c */
bool x64_is_pauth(const struct x64_emit *e, const struct ir_node *n);  /* emitted, not called */
bool x64_is_helper(const struct x64_emit *e, const struct ir_node *n); /* any other */
void x64_emit_pauth(struct x64_emit *e, ir_ref node);

/* --- vec.c */
void x64_emit_vec(struct x64_emit *e, ir_ref node);

/* --- vop_fp.c: comparisons whose flags are computed where they are used */
bool x64_is_fcmp(const struct x64_emit *e, const struct ir_node *n);
void x64_fcmp(struct x64_emit *e, const struct ir_node *n, int ra, int rb);
void x64_pack_fcmp(struct x64_emit *e); /* EAX = NZCV of the host's flags */
enum x64_cc x64_fcmp_cc(struct x64_emit *e, const struct ir_node *n, unsigned cond);
bool x64_fp_is_fast(const struct x64_emit *e, const struct ir_node *n);

/* With MODE_FLUSH: goes to the stub when the host has told of more than Inexact; in the stub, forgets that. Else nothing. Uses RAX. */
void x64_fp_check_flags(struct x64_emit *e, struct x64_stub *stub);
uint32_t x64_fp_jump_if_told(struct x64_emit *e); /* the jump itself, as x64_jcc(); 0: none */
void x64_fp_drop_flags(struct x64_emit *e);
void x64_fp_constants(struct a64_cpu *cpu);

/* May be looked at later; *tiny: also for the least normal number. */
bool x64_fp_can_wait(const struct x64_emit *e, const struct ir_node *n, bool *tiny);
bool x64_fp_is_plain(const struct ir_node *n);
/* The bits above the scalar are known to be zero. */
bool x64_fp_is_clean(const struct x64_emit *e, ir_ref ref, unsigned lane);
/* Of these the operands are looked at: the result of a NaN may be none. */
bool x64_fp_is_max_min(const struct ir_node *n);
/* The operand of a run's operation that can stay in memory, where it is 128 bits and nothing has to be made of it; 0: none. */
ir_ref x64_fp_memory_operand(const struct x64_emit *e, ir_ref node);
bool x64_fp_is_pairwise(const struct ir_node *n);
void x64_fp_magnitude(struct x64_emit *e, bool is_double, int rd, int ra);
bool x64_fp_takes_any(const struct x64_emit *e, const struct ir_node *n); /* any vector register */
/*
 * At level 4: the lanes of ra that are sure go to K1, of doubles to K2; narrow: only those stay there. A pair of vectors is asked together
 * whether it has a NaN. The least of a run is to be above the least normal number, one alone not to be that number.
 */
enum x64_fp_question { X64_FP_ORDERED, X64_FP_ABOVE_TINY, X64_FP_NOT_TINY };
void x64_fp_sure(struct x64_emit *e, bool is_double, enum x64_fp_question question, bool narrow,
                 int ra, int rb);
/* Masks of magnitudes that are not above the least normal number; a NaN is. */
void x64_fp_masks_of_least(struct x64_emit *e, bool is_double, int masks, int ra);
/* Masks of what is not sure in ra, and in rb if it is a register; two that may be tiny have a lower half only. */
void x64_fp_masks(struct x64_emit *e, bool is_double, bool tiny, int masks, int ra, int rb);

/* --- fp_run.c */
void x64_plan_fp_runs(struct x64_emit *e);
void x64_fp_keep(struct x64_emit *e,
                 ir_ref node); /* what is needed to make a result again lives until then */
void x64_fp_wait(struct x64_emit *e, ir_ref node);
bool x64_fp_waits(const struct x64_emit *e, ir_ref ref);
void x64_fp_before(struct x64_emit *e,
                   ir_ref node); /* looks at the results that wait when it is time */
void x64_fp_remember(struct x64_emit *e, struct x64_stub *stub);
void x64_stub_redo(struct x64_emit *e, const struct x64_stub *stub);

/* --- flow.c */
void x64_stub_group(struct x64_emit *e, const struct x64_stub *stub);
int x64_load_where_vector(struct x64_emit *e, int scratch, const struct x64_where *w);
void x64_emit_flow(struct x64_emit *e, ir_ref node);
void x64_emit_stubs(struct x64_emit *e);
struct x64_stub_info { /* by enum x64_stub_kind */
    const char *name;
    void (*emit)(struct x64_emit *e, const struct x64_stub *stub);
    bool shows; /* guest registers, to C or to other code: it has to be known where they are */
};
extern const struct x64_stub_info x64_stub_kinds[];
void x64_stub_stores(struct x64_emit *e, const struct x64_stub *stub, enum x64_flags_form form);
void x64_stub_stores_but_carried(struct x64_emit *e, const struct x64_stub *stub,
                                 bool flags); /* for the back edge of a loop */
struct x64_stub *x64_new_stub(struct x64_emit *e, enum x64_stub_kind kind, ir_ref node);
void x64_narrow_flags(const struct x64_emit *e,
                      struct x64_stub *stub); /* of a branch that is taken */
void x64_reloc(struct x64_emit *e, uint32_t rel32, const void *to);
/* Whatever depends on the block's pc, or its descriptor, is emitted by one of these, or told to the second. */
void x64_mov_address(struct x64_emit *e, int reg, uint64_t address);
void x64_fixup(struct x64_emit *e, enum x64_fixup_kind kind, uint32_t at);
void x64_v_literal(struct x64_emit *e, uint32_t op, int reg, int vvvv,
                   v128 value); /* a vector instruction with a constant */
void x64_emit_literals(struct x64_emit *e);
void x64_count(struct x64_emit *e,
               size_t offset); /* in struct x64_stats, when asked for; uses RAX */
void x64_set_pc(struct x64_emit *e, uint64_t pc); /* uses RAX */

#endif
