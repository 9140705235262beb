/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Read-modify-write and exclusives, as atomics of the host: they are full barriers, which covers every acquire and release form.
 * A misaligned one (FEAT_LSE2, within 16 bytes) works on the aligned 16 bytes around it, so that it never locks two cache lines.
 *
 * An exclusive pair is a load that remembers address, size and value, and a compare-and-swap with them. It succeeds also when
 * another observer has changed the value and changed it back in between, which a monitor notices: the price of not watching every
 * store.
 */
#include <string.h>

#include "engine/code.h"
#include "engine/ir/ir.h"
#include "engine/mmu/access.h"
#include "engine/mmu/host_atomic.h"

/* Resolves for an exclusive or atomic access. NULL: cpu->fault. */
static uint8_t *resolve(struct a64_cpu *cpu, unsigned index, uint64_t va, unsigned size,
                        unsigned access, unsigned *flags)
{
    const bool misaligned = (va & (size - 1)) != 0;

    if (misaligned && !mmu_check_alignment(cpu, index, va, size,
                                           size == 16 ? KIND_ALIGNED : KIND_ATOMIC, access)) {
        return NULL;
    }
    uint8_t *const host = mmu_resolve(cpu, index, va, size, access, misaligned, flags);
    /* Apple's cores refuse these where memory is not Write-Back cacheable, with the MMU or SCTLR_EL1.C off among others. */
    if (host != NULL && (*flags & TLB_WB) == 0) {
        cpu->fault = (struct fault){
            .type = misaligned ? FAULT_ALIGNMENT : FAULT_UNSUPPORTED_EXCLUSIVE,
            .stage = 1,
            .is_write = access == ACCESS_WRITE,
            .va = va,
        };
        return NULL;
    }
    return host;
}

static uint64_t ones(unsigned size)
{
    return size >= 8 ? UINT64_MAX : (1ull << 8 * size) - 1;
}

static int64_t sign_extend(uint64_t v, unsigned size)
{
    const uint64_t sign = 1ull << (8 * size - 1);

    return (int64_t)((v ^ sign) - sign);
}

/* The new value; operands are zero-extended from size bytes, and of the result as many count. */
static uint64_t compute(unsigned op, uint64_t old, uint64_t operand, unsigned size)
{
    switch ((enum ir_atomic)op) {
    case IR_ATOMIC_ADD:
        return old + operand;
    case IR_ATOMIC_CLR:
        return old & ~operand;
    case IR_ATOMIC_EOR:
        return old ^ operand;
    case IR_ATOMIC_SET:
        return old | operand;
    case IR_ATOMIC_SMAX:
        return sign_extend(old, size) > sign_extend(operand, size) ? old : operand;
    case IR_ATOMIC_SMIN:
        return sign_extend(old, size) < sign_extend(operand, size) ? old : operand;
    case IR_ATOMIC_UMAX:
        return old > operand ? old : operand;
    case IR_ATOMIC_UMIN:
        return old < operand ? old : operand;
    case IR_ATOMIC_SWP:
        break;
    }
    return operand;
}

/* Compare and swap of up to 8 bytes, or of 16 aligned ones; *seen becomes what was there. */
static bool cas(uint8_t *host, unsigned size, v128 *seen, const v128 *desired)
{
    const unsigned offset = (unsigned)((uintptr_t)host & 15);
    void *const p = host;

    if ((offset & (size - 1)) != 0) {
        uint8_t *const around = host - offset;
        v128 expected = host_load16(around);
        for (;;) {
            v128 found = {.q = 0}, next = expected;
            memcpy(found.b, expected.b + offset, size);
            if (found.d[0] != (seen->d[0] & ones(size))) {
                *seen = found;
                return false;
            }
            memcpy(next.b + offset, desired->b, size);
            if (host_cas16(around, &expected, next)) {
                return true;
            }
        }
    }
    bool done;
    switch (size) {
#define CASE(type)                                                                           \
    {                                                                                        \
        type expected = (type)seen->d[0];                                                    \
        done = __atomic_compare_exchange_n((type *)p, &expected, (type)desired->d[0], false, \
                                           __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);              \
        *seen = (v128){.d = {expected, 0}};                                                  \
        return done;                                                                         \
    }
    case 1:
        CASE(uint8_t)
    case 2:
        CASE(uint16_t)
    case 4:
        CASE(uint32_t)
    case 8:
        CASE(uint64_t)
#undef CASE
    default:
        return host_cas16(p, seen, *desired);
    }
}

/* Where the host has one instruction for it. */
static bool direct(uint8_t *host, unsigned size, unsigned op, uint64_t operand, uint64_t *old)
{
    void *const p = host;

    if (((uintptr_t)host & (size - 1)) != 0) {
        return false;
    }
#define CASE(type)                                                              \
    switch ((enum ir_atomic)op) {                                               \
    case IR_ATOMIC_ADD:                                                         \
        *old = __atomic_fetch_add((type *)p, (type)operand, __ATOMIC_SEQ_CST);  \
        return true;                                                            \
    case IR_ATOMIC_CLR:                                                         \
        *old = __atomic_fetch_and((type *)p, (type)~operand, __ATOMIC_SEQ_CST); \
        return true;                                                            \
    case IR_ATOMIC_EOR:                                                         \
        *old = __atomic_fetch_xor((type *)p, (type)operand, __ATOMIC_SEQ_CST);  \
        return true;                                                            \
    case IR_ATOMIC_SET:                                                         \
        *old = __atomic_fetch_or((type *)p, (type)operand, __ATOMIC_SEQ_CST);   \
        return true;                                                            \
    case IR_ATOMIC_SWP:                                                         \
        *old = __atomic_exchange_n((type *)p, (type)operand, __ATOMIC_SEQ_CST); \
        return true;                                                            \
    default:                                                                    \
        return false;                                                           \
    }
    switch (size) {
    case 1:
        CASE(uint8_t)
    case 2:
        CASE(uint16_t)
    case 4:
        CASE(uint32_t)
    default:
        CASE(uint64_t)
    }
#undef CASE
}

bool mmu_atomic(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned op, uint64_t operand,
                uint64_t *old)
{
    const unsigned size = 1u << size_log2;
    unsigned flags;
    uint8_t *const host = resolve(cpu, cpu->mmu_index, va, size, ACCESS_READ | ACCESS_WRITE,
                                  &flags);

    if (host == NULL) {
        return false;
    }
    operand &= ones(size);
    if (!direct(host, size, op, operand, old)) {
        v128 seen = {.q = 0}, desired = {.q = 0};
        do {
            desired.d[0] = compute(op, seen.d[0], operand, size) & ones(size);
        } while (!cas(host, size, &seen, &desired));
        *old = seen.d[0];
    }
    if ((flags & TLB_CODE) != 0) {
        code_invalidate(cpu->code, host, size);
    }
    return true;
}

bool mmu_cas(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, const v128 *expected,
             const v128 *desired, v128 *old)
{
    const unsigned size = 1u << size_log2;
    unsigned flags;
    uint8_t *const host = resolve(cpu, cpu->mmu_index, va, size, ACCESS_READ | ACCESS_WRITE,
                                  &flags);

    if (host == NULL) {
        return false;
    }
    v128 seen = *expected;
    if (size < 16) {
        seen = (v128){.d = {expected->d[0] & ones(size), 0}};
    }
    const bool stored = cas(host, size, &seen, desired);
    *old = seen;
    if (stored && (flags & TLB_CODE) != 0) {
        code_invalidate(cpu->code, host, size);
    }
    return true;
}

/* --- Exclusives ------------------------------------------------------------------------------------------------------------------ */

bool mmu_load_exclusive(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags,
                        v128 *value)
{
    const unsigned size = 1u << size_log2, offset = (unsigned)(va & 15);
    unsigned entry_flags;
    const uint8_t *const host = resolve(cpu, cpu->mmu_index, va, size, ACCESS_READ, &entry_flags);

    (void)flags;
    if (host == NULL) {
        return false;
    }
    /* Within 16 bytes in any case. */
    const v128 around = host_load16(host - offset);
    v128 got = {.q = 0};
    memcpy(got.b, around.b + offset, size);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    cpu->excl_valid = true;
    cpu->excl_size = (uint8_t)size_log2;
    cpu->excl_va = va;
    cpu->excl_value = got;
    *value = got;
    return true;
}

/* AArch64.ExclusiveMonitorsPass(): alignment is checked before the monitor, the translation after it. */
bool mmu_store_exclusive(struct a64_cpu *cpu, uint64_t va, unsigned size_log2, unsigned flags,
                         const v128 *value, uint64_t *status)
{
    const unsigned size = 1u << size_log2, index = cpu->mmu_index;
    unsigned entry_flags;

    (void)flags;
    if ((va & (size - 1)) != 0 &&
        !mmu_check_alignment(cpu, index, va, size, size == 16 ? KIND_ALIGNED : KIND_ATOMIC,
                             ACCESS_WRITE)) {
        return false;
    }
    const bool armed = cpu->excl_valid && cpu->excl_va == va && cpu->excl_size == size_log2;
    if (!armed) {
        cpu->excl_valid = false;
        *status = 1;
        return true;
    }
    uint8_t *const host = resolve(cpu, index, va, size, ACCESS_WRITE, &entry_flags);
    if (host == NULL) {
        return false;
    }
    cpu->excl_valid = false;
    v128 seen = cpu->excl_value;
    const bool stored = cas(host, size, &seen, value);
    *status = stored ? 0 : 1;
    if (stored && (entry_flags & TLB_CODE) != 0) {
        code_invalidate(cpu->code, host, size);
    }
    return true;
}
