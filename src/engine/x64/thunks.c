/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/a64/translator.h"
#include "engine/code.h"
#include "engine/interp/interp.h"
#include "engine/ir/fold.h"
#include "engine/mmu/access.h"
#include "engine/mmu/mmu.h"
#include "engine/sys/exception.h"
#include "engine/sys/state.h"
#include "engine/x64/cache.h"
#include "engine/x64/emit.h"

struct frame_view {
    v128 slots[X64_FRAME_SLOTS];
    v128 args[4];
    uint64_t va;
};

void x64_settle_flags(struct a64_cpu *cpu)
{
    const uint32_t kind = cpu->x64.flags_kind;
    const unsigned sf = kind & 1;
    const uint64_t a = cpu->x64.flags_a, b = cpu->x64.flags_b;

    switch (kind >> 1) {
    case IR_FLAGS_ADD:
        cpu->nzcv = (uint32_t)ir_add_flags(sf, a, b, 0);
        break;
    case IR_FLAGS_SUB:
        cpu->nzcv = (uint32_t)ir_add_flags(sf, a, ~b, 1);
        break;
    case IR_FLAGS_LOGIC:
        cpu->nzcv = (uint32_t)ir_logic_flags(sf, a);
        break;
    default: /* they are there */
        break;
    }
    cpu->x64.flags_kind = 0;
}

/* --- Slow paths ------------------------------------------------------------------------------------------------------------------ */

/* The block was complete before any code of it could be jumped to; ThreadSanitizer does not see jumps of emitted code. */
__attribute__((no_sanitize_thread, noinline)) static bool overlaps(const struct ir_block *block,
                                                                   const uint8_t *host,
                                                                   unsigned size)
{
    return host < block_start(block) + block_bytes(block) && host + size > block_start(block);
}

/*
 * True when a store there changes the block that is running. Such an instruction is interpreted as a whole: the code behind it has
 * to be translated anew. Its registers are as they were before it, because an instruction accesses memory before it writes any.
 */
static bool hits_block(struct a64_cpu *cpu, uint64_t va, unsigned size,
                       const struct x64_access *access)
{
    const unsigned index = (access->flags & IR_MEM_UNPRIV) != 0 ? cpu->mmu_index_unpriv
                                                                : cpu->mmu_index;
    const struct ir_block *const block = access->block;
    unsigned done = 0;

    while (done < size) {
        const uint64_t at = va + done;
        const unsigned in_page = (unsigned)(MMU_PAGE_SIZE - (at & ~MMU_PAGE_MASK));
        const unsigned piece = size - done < in_page ? size - done : in_page;
        unsigned flags = 0;
        if (!tlb_matches(tlb_slot(cpu, index, at)->write, at) &&
            mmu_resolve(cpu, index, at, piece, ACCESS_WRITE, false, &flags) == NULL) {
            return false; /* the access itself says why */
        }
        const uint8_t *const host = tlb_host(tlb_slot(cpu, index, at), at);
        if ((tlb_slot_info(cpu, index, at)->flags & TLB_CODE) != 0 &&
            overlaps(block, host, piece)) {
            return true;
        }
        done += piece;
    }
    return false;
}

static enum ir_next interpret_one(struct a64_cpu *cpu)
{
    bool guarded;
    const uint8_t *const hva = mmu_fetch(cpu, cpu->pc, &guarded);

    if (hva == NULL) {
        return exc_abort(cpu, 0);
    }
    struct ir_block *const block = translator_make_block(cpu, hva, cpu->mode_key, guarded, 1,
                                                         &(struct block_ways){.n = 0});
    if (block == NULL || !translator_keep_nodes(block)) {
        if (block != NULL) {
            translator_drop_nodes(block);
            translator_free_block(block);
        }
        cpu->exit = (struct cpu_exit){.reason = CPU_EXIT_UNKNOWN};
        return IR_LEAVE;
    }
    const enum ir_next next = interp_run(cpu, block);
    translator_free_block(block);
    return next;
}

/* Before the access, which fills the TLB. */
static void count_slow(struct a64_cpu *cpu, uint64_t va, unsigned size,
                       const struct x64_access *access)
{
    const unsigned index = (access->flags & IR_MEM_UNPRIV) != 0 ? cpu->mmu_index_unpriv
                                                                : cpu->mmu_index;
    const struct tlb_entry *const entry = tlb_slot(cpu, index, va);
    const uint64_t tag = access->op == IR_STORE ? entry->write : entry->read;
    enum x64_slow why = X64_SLOW_MISS;

    if ((va & ~MMU_PAGE_MASK) + size > MMU_PAGE_SIZE) {
        why = X64_SLOW_CROSSES;
    } else if (tag == (va | TLB_TAG)) {
        why = X64_SLOW_UNALIGNED;
    } else if (tlb_matches(tag, va)) {
        why = X64_SLOW_FLAGGED;
    }
    cpu->x64.stats->slow[why]++;
}

static __attribute__((noinline)) int access_in_c(struct a64_cpu *cpu, struct frame_view *frame,
                                                 const struct x64_access *access)
{
    const unsigned size = access->size, flags = access->flags;
    const uint64_t va = frame->va;
    v128 *const result = &frame->args[3];
    bool ok;

    if (access->op == IR_VOP) { /* pc is the function's number */
        cpu->x64.stats->rare[access->pc]++;
        ir_vops[access->pc].fn(cpu, result, &frame->args[0], &frame->args[1], &frame->args[2],
                               access->iss);
        return IR_NEXT;
    }
    x64_settle_flags(cpu);
    if (access->op == IR_GET_NZCV) {
        result->d[0] = cpu->nzcv;
        return IR_NEXT;
    }
    cpu->pc = access->pc;
    if (access->op == IR_HELPER) { /* an authentication that has failed */
        return (int)ir_helpers[access->align].fn(cpu, &result->d[0], va, frame->args[0].d[0],
                                                 access->iss);
    }
    cpu->x64.stats->access[access->op]++;
    if (access->op == IR_LOAD || access->op == IR_STORE) {
        count_slow(cpu, va, 1u << size, access);
    }
    const uint64_t first = access->op == IR_ZERO ? va & -(1ull << size) : va;
    if (access->op != IR_LOAD && access->op != IR_LDX &&
        hits_block(cpu, first, 1u << size, access)) {
        return (int)interpret_one(cpu);
    }
    switch (access->op) {
    case IR_LOAD:
        ok = mmu_load(cpu, va, size, flags, access->align, result);
        if ((flags & IR_MEM_SEXT64) != 0) {
            result->d[0] = ir_sext(result->d[0], 8u << size);
        } else if ((flags & IR_MEM_SEXT32) != 0) {
            result->d[0] = (uint32_t)ir_sext(result->d[0], 8u << size);
        }
        break;
    case IR_STORE:
        ok = mmu_store(cpu, va, size, flags, access->align, &frame->args[0]);
        break;
    case IR_ZERO:
        ok = mmu_zero(cpu, va, 1u << size);
        break;
    case IR_LDX:
        *result = (v128){.q = 0};
        ok = mmu_load_exclusive(cpu, va, size, flags, result);
        break;
    case IR_STX:
        ok = mmu_store_exclusive(cpu, va, size, flags, &frame->args[0], &result->d[0]);
        break;
    case IR_ATOMIC:
        ok = mmu_atomic(cpu, va, size, access->align, frame->args[0].d[0], &result->d[0]);
        break;
    default:
        ok = mmu_cas(cpu, va, size, &frame->args[0], &frame->args[1], result);
        break;
    }
    return ok ? (int)IR_NEXT : (int)exc_abort(cpu, access->iss);
}

/* x64_access_fails(), or mmu_fails(), has noted a fault. */
static int failed_access(struct a64_cpu *cpu, const struct x64_access *access)
{
    if (cpu->x64.flags_kind != 0) {
        x64_settle_flags(cpu);
    }
    cpu->pc = access->pc;
    cpu->x64.stats->access[access->op]++;
    cpu->x64.stats->slow[X64_SLOW_MISS]++;
    return (int)exc_abort(cpu, access->iss);
}

/* Of cpu->x64.device, which has been compared. Flags are settled by who leaves. */
static int access_device(struct a64_cpu *cpu, const struct x64_access *access, uint64_t va)
{
    const bool is_write = access->op == IR_STORE;

    cpu->pc = access->pc;
    cpu->x64.stats->devices[is_write]++;
    return (int)exc_unmapped(cpu, va, cpu->x64.device.page | (va & ~MMU_PAGE_MASK),
                             cpu->x64.device.level, is_write, access->iss);
}

static int slow_access(struct a64_cpu *cpu, struct frame_view *frame,
                       const struct x64_access *access)
{
    const uint64_t va = frame->va;

    /* What emitted code could not ask itself. */
    if ((cpu->vm->gic != NULL || !mmu_can_refill_in_place()) &&
        (access->op == IR_LOAD || access->op == IR_STORE) &&
        (va & ((1u << access->size) - 1)) == 0 &&
        mmu_fails(cpu, (access->flags & IR_MEM_UNPRIV) != 0, va, access->op == IR_STORE)) {
        return failed_access(cpu, access);
    }
    cpu->x64.device.tag[0] = 0;
    cpu->x64.device.tag[1] = 0;
    return access_in_c(cpu, frame, access);
}

static void canonical_pc(struct a64_cpu *cpu)
{
    if (ir_sext(cpu->pc, 56) != cpu->pc) {
        cpu->pc = cpu_branch_address(cpu, cpu->pc);
    }
}

/* --- Code ------------------------------------------------------------------------------------------------------------------------ */

static const uint8_t kept_by_c[] = {RBX, RBP, R12, R13, R14, R15};
static const uint8_t lost_in_c[] = {RDX, RSI, RDI, R8, R9, R10, R11};
#define N(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert((N(kept_by_c) & 1) == 0, "so that the frame, with 8 bytes more, aligns RSP");
_Static_assert(offsetof(struct frame_view, args) == FRAME_ARGS &&
                   offsetof(struct frame_view, va) == FRAME_VA,
               "the frame as C sees it");

/* With a constant it would be two operations with the jump. */
void x64_poll(struct x64_asm *a)
{
    _Static_assert(_Alignof(struct a64_cpu) >= 2 * X64_CPU_BIAS && CPU_REQUEST_ANY == X64_CPU_BIAS,
                   "RBP has that bit");
    x64_rm(a, 0, 0x85, RBP, CPU_FIELD(requests)); /* TEST */
}

/*
 * Leaves with EDX, IR_GO, if the jump table does not know cpu->pc or there is a request. What does not hold yet in the present run is
 * found here.
 */
static void emit_seek(struct x64_asm *a, struct x64_thunk_offsets *out)
{
    out->seek_edx = x64_here(a);
    x64_poll(a);
    x64_jcc_to(a, CC_NE, out->leave_go_edx);
    const uint32_t seek = x64_here(a);
    x64_store(a, 1, RDX, FRAME(FRAME_SCRATCH));
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_call(a, (uintptr_t)code_known);
    x64_load(a, 1, RDX, FRAME(FRAME_SCRATCH));
    x64_test_rr(a, 1, RAX, RAX);
    x64_jcc_to(a, CC_E, out->leave_go_edx);
    x64_load(a, 1, R14, CPU_FIELD(x64.tlb));
    x64_jmp_r(a, RAX);

    /* The jumps that look at the jump table look at the requests as well, and leave by one way for both. */
    out->leave_far = x64_here(a);
    x64_poll(a);
    x64_jcc_to(a, CC_NE, out->leave_poll);
    x64_mov_ri(a, RDX, X64_LEFT_FAR);
    x64_jmp_to(a, seek);
    out->leave_noted = x64_here(a);
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_call(a, (uintptr_t)code_note_jump);
    out->leave_indirect = x64_here(a);
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_call(a, (uintptr_t)canonical_pc);
    x64_poll(a);
    x64_jcc_to(a, CC_NE, out->leave_poll);
    x64_mov_ri(a, RDX, X64_LEFT_INDIRECT);
    x64_jmp_to(a, seek);
}

/* What BR does (flow.c), from the state in the vCPU: an exception, a return or a change of mode has just made it. */
static void emit_go_on(struct x64_asm *a, struct x64_thunk_offsets *out)
{
    out->go_on_eax = x64_here(a);
    x64_alu_ri(a, 0, ALU_CMP, RAX, IR_GO);
    x64_jcc_to(a, CC_NE, out->leave_eax);
    out->go_on = x64_here(a);
    x64_poll(a);
    x64_jcc_to(a, CC_NE, out->leave_go_edx);
    x64_rm8(a, 0x80, ALU_CMP, CPU_FIELD(btype));
    x64_byte(a, 0);
    x64_jcc_to(a, CC_NE, out->leave_go_edx);
    x64_load(a, 1, RAX, CPU_FIELD(pc));
    x64_load(a, 1, RCX, CPU_FIELD(x64.jumps));
    x64_mov_rr(a, 0, RSI, RAX);
    x64_alu_ri(a, 0, ALU_AND, RSI, (X64_JUMP_ENTRIES - 1) << 2);
    x64_alu_rm(a, 1, ALU_CMP, RAX,
               x64_at_index(RCX, RSI, 2, (int32_t)offsetof(struct x64_jump, pc)));
    x64_jcc_to(a, CC_NE, out->seek_edx);
    x64_load(a, 1, R14, CPU_FIELD(x64.tlb));
    x64_jmp_m(a, x64_at_index(RCX, RSI, 2, (int32_t)offsetof(struct x64_jump, code)));
}

/* Vector registers stay as they are: refill.c. */
static void emit_refill(struct x64_asm *a, struct x64_thunk_offsets *out)
{
    const int32_t saved = 8 + FRAME_SAVED_GPR;
    uint32_t common[4];

    const uint32_t device = x64_here(a);
    x64_ret(a);
    for (unsigned how = 0; how < 4; how++) {
        out->refill[how] = x64_here(a);
        x64_alu_rm(a, 1, ALU_CMP, RCX, CPU_FIELD(x64.device.tag[(how & MMU_REFILL_STORE) != 0]));
        x64_jcc_to(a, CC_E, device); /* which says that nothing was filled */
        x64_store(a, 1, RDX, x64_at(RSP, saved + 8 * (int32_t)N(lost_in_c)));
        x64_mov_ri(a, RDX, how);
        common[how] = x64_jmp(a);
    }
    for (unsigned how = 0; how < 4; how++) {
        x64_patch_here(a, common[how]);
    }
    for (unsigned i = 1; i < N(lost_in_c); i++) {
        x64_store(a, 1, lost_in_c[i], x64_at(RSP, saved + 8 * (int32_t)i));
    }
    x64_store(a, 1, RAX, x64_at(RSP, saved));
    x64_store(a, 1, RCX, x64_at(RSP, saved + 8 * (int32_t)N(lost_in_c) + 8));
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_mov_rr(a, 1, RSI, RCX);
    x64_mov_rr(a, 1, RCX, RAX);
    x64_alu_ri(a, 1, ALU_SUB, RSP, 8);
    x64_call_general(a, (uintptr_t)mmu_refill_in_place);
    x64_alu_ri(a, 1, ALU_ADD, RSP, 8);
    x64_rr8(a, 0x84, RAX, RAX); /* TEST AL, AL */
    x64_load(a, 1, RAX, x64_at(RSP, saved));
    x64_load(a, 1, RCX, x64_at(RSP, saved + 8 * (int32_t)N(lost_in_c) + 8));
    for (unsigned i = 1; i < N(lost_in_c); i++) {
        x64_load(a, 1, lost_in_c[i], x64_at(RSP, saved + 8 * (int32_t)i));
    }
    x64_load(a, 1, RDX, x64_at(RSP, saved + 8 * (int32_t)N(lost_in_c)));
    x64_ret(a);
}

/*
 * Of the access at RAX: the place of a jump that is taken when it has no translation, before vector registers are saved, which would be
 * for nothing. 0: that cannot be asked for here.
 */
static uint32_t emit_access_fails(struct x64_asm *a)
{
    if (!mmu_can_refill_in_place()) {
        return 0;
    }
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_load(a, 1, RSI, FRAME(FRAME_VA));
    x64_mov_rr(a, 1, RDX, RAX);
    x64_call_general(a, (uintptr_t)x64_access_fails);
    x64_rr8(a, 0x84, RAX, RAX); /* TEST AL, AL */
    return x64_jcc(a, CC_NE);
}

/*
 * As slow_access, where the access may be of the device that was accessed last: then that is all that it is. The tag is made as emitted
 * code makes those that it compares with entries, so that it says as well that the access is aligned.
 */
static void emit_access_plain(struct x64_asm *a, struct x64_thunk_offsets *out)
{
    uint32_t others[2 * X64_PLAIN_SIZES], found[2 * X64_PLAIN_SIZES];
    unsigned n = 0;

    for (unsigned is_store = 0; is_store < 2; is_store++) {
        for (unsigned size = 0; size < X64_PLAIN_SIZES; size++) {
            const int32_t behind = (1 << size) - 1;
            out->plain_access[is_store][size] = x64_here(a);
            x64_load(a, 1, RCX, FRAME(FRAME_VA));
            if (behind != 0) {
                x64_alu_ri(a, 1, ALU_ADD, RCX, behind);
            }
            x64_alu_ri(a, 1, ALU_OR, RCX, (int32_t)TLB_TAG & ~behind);
            x64_alu_rm(a, 1, ALU_CMP, RCX, CPU_FIELD(x64.device.tag[is_store]));
            found[n] = x64_jcc(a, CC_E);
            others[n++] = x64_jmp(a);
        }
    }
    while (n-- > 0) {
        x64_patch_here(a, found[n]);
        x64_patch(a, others[n], out->slow_access);
    }
    x64_alu_rm(a, 1, ALU_CMP, R14, CPU_FIELD(x64.device.entries));
    x64_jcc_to(a, CC_NE, out->slow_access);
    x64_load(a, 1, RCX, CPU_FIELD(x64.map_version));
    x64_load(a, 0, RCX, x64_at(RCX, 0));
    x64_alu_rm(a, 0, ALU_CMP, RCX, CPU_FIELD(x64.device.version));
    x64_jcc_to(a, CC_NE, out->slow_access);
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_mov_rr(a, 1, RSI, RAX);
    x64_load(a, 1, RDX, FRAME(FRAME_VA));
    x64_call(a, (uintptr_t)access_device);
    x64_mov_ri(a, RDX, X64_LEFT_ACCESS);
    x64_jmp_to(a, out->leave_eax);
}

void x64_emit_thunks(struct x64_asm *a, struct x64_thunk_offsets *out)
{
    out->enter = x64_here(a);
    for (unsigned i = 0; i < N(kept_by_c); i++) {
        x64_push(a, kept_by_c[i]);
    }
    x64_alu_ri(a, 1, ALU_SUB, RSP, FRAME_SIZE + 8);
    x64_lea(a, 1, RBP, x64_at(RDI, X64_CPU_BIAS));
    x64_load(a, 1, R14, CPU_FIELD(x64.tlb));
    x64_jmp_r(a, RSI);

    out->leave_poll = x64_here(a);
    x64_mov_ri(a, RDX, X64_LEFT_POLL);
    const uint32_t poll = x64_jmp(a);
    out->leave_unlinked = x64_here(a);
    x64_mov_ri(a, RDX, X64_LEFT_UNLINKED);
    x64_patch_here(a, poll);
    out->leave_go_edx = x64_here(a);
    x64_mov_ri(a, RAX, IR_GO);
    out->leave_eax = x64_here(a);
    x64_alu_mi(a, 0, ALU_CMP, CPU_FIELD(x64.flags_kind), 0);
    const uint32_t settle = x64_jcc(a, CC_NE), settled = x64_here(a);
    x64_load(a, 1, RCX, CPU_FIELD(x64.stats));
    x64_alu_mi(a, 1, ALU_ADD, x64_at_index(RCX, RDX, 3, offsetof(struct x64_stats, left)), 1);
    x64_alu_ri(a, 1, ALU_ADD, RSP, FRAME_SIZE + 8);
    for (unsigned i = N(kept_by_c); i-- > 0;) {
        x64_pop(a, kept_by_c[i]);
    }
    x64_ret(a);
    x64_patch_here(a, settle);
    x64_push(a, RAX);
    x64_push(a, RDX);
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_call(a, (uintptr_t)x64_settle_flags);
    x64_pop(a, RDX);
    x64_pop(a, RAX);
    x64_jmp_to(a, settled);

    emit_seek(a, out);
    emit_go_on(a, out);
    emit_refill(a, out);
    x64_emit_pauth_thunks(a, out->pauth);

    out->slow_access = x64_here(a);
    const struct x64_mem description = FRAME(FRAME_SAVED_GPR + 8 * N(lost_in_c));
    for (unsigned i = 0; i < N(lost_in_c); i++) {
        x64_store(a, 1, lost_in_c[i], FRAME(FRAME_SAVED_GPR + 8 * i));
    }
    x64_store(a, 1, RAX, description);
    const uint32_t fails = emit_access_fails(a);
    for (int i = 2; i < (int)a->vectors; i++) {
        x64_vm(a, X64_VMOVDQU_STORE, i, NOREG, FRAME(FRAME_SAVED_XMM + 16 * i));
    }
    x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
    x64_mov_rr(a, 1, RSI, RSP);
    x64_load(a, 1, RDX, description);
    x64_call(a, (uintptr_t)slow_access);
    x64_test_rr(a, 0, RAX, RAX);
    const uint32_t leave = x64_jcc(a, CC_NE);
    for (unsigned i = 0; i < N(lost_in_c); i++) {
        x64_load(a, 1, lost_in_c[i], FRAME(FRAME_SAVED_GPR + 8 * i));
    }
    for (int i = 2; i < (int)a->vectors; i++) {
        x64_vm(a, X64_VMOVDQU_LOAD, i, NOREG, FRAME(FRAME_SAVED_XMM + 16 * i));
    }
    x64_load(a, 1, RAX, description);
    x64_alu_ri(a, 1, ALU_ADD, RAX, sizeof(struct x64_access));
    x64_jmp_r(a, RAX);
    if (fails != 0) {
        x64_patch_here(a, fails);
        x64_lea(a, 1, RDI, x64_at(RBP, -X64_CPU_BIAS));
        x64_load(a, 1, RSI, description);
        x64_call(a, (uintptr_t)failed_access);
    }
    x64_patch_here(a, leave);
    x64_mov_ri(a, RDX, X64_LEFT_ACCESS);
    x64_jmp_to(a, out->go_on_eax);
    emit_access_plain(a, out);
}
