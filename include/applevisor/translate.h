/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Run-loop kit: from the guest's virtual addresses to its physical ones, by its own page tables.
 *
 * For reading the instruction at the PC, for semihosting, and for debuggers. The framework has no such function, so this one walks
 * the tables of EL1&0, which it reads through a function of the caller.
 */
#ifndef APPLEVISOR_TRANSLATE_H
#define APPLEVISOR_TRANSLATE_H

#include <applevisor/error.h>

AV_BEGIN_DECLS

/**
 * Copies guest memory.
 *
 * @param context  Of av_guest_memory.
 * @param ipa      Guest physical address; any alignment.
 * @param buffer   Out: size bytes.
 * @param size     At least 1. The range can cross pages.
 * @return false if not all of it is memory; buffer is then not looked at.
 */
typedef bool av_guest_read(void *context, uint64_t ipa, void *buffer, size_t size);

/** Guest memory as the caller knows it. */
typedef struct av_guest_memory {
    av_guest_read *read; /**< copies memory */
    void *context;       /**< passed on to it */
} av_guest_memory;

/** What stands at a virtual address. */
typedef struct av_translation {
    uint64_t ipa;        /**< guest physical address */
    uint64_t page_bytes; /**< of the page or block; 0 when the MMU is off */
    int8_t level;        /**< of the descriptor, 0 to 3; -1 when the MMU is off */
    /* EL1 can always read. PAN, WXN and HPD are not looked at. */
    bool el1_write; /**< EL1 can write */
    bool el0_read;  /**< EL0 can read */
    bool el0_write; /**< EL0 can write */
    bool el1_exec;  /**< EL1 can execute */
    bool el0_exec;  /**< EL0 can execute */
} av_translation;

/**
 * Translates an address as an access by EL1 or EL0 would be now: TTBR0_EL1 or TTBR1_EL1 by the address, the identity when SCTLR_EL1.M
 * is 0. Permissions are reported, not checked; attributes that say no more than memory types are ignored.
 *
 * Granules of 4, 16 and 64 KiB, 48-bit addresses, tagged addresses (TBI). Accesses of another vCPU to the tables can be under way: the
 * answer is one that the guest's MMU could have given.
 *
 * @param vcpu         The vCPU whose registers count.
 * @param memory       Reads the tables.
 * @param va           Virtual address.
 * @param translation  Out. Written on AV_OK only.
 * @retval AV_ERROR_NULL_ARGUMENT  A pointer, or memory->read, is NULL.
 * @retval AV_ERROR_NOT_MAPPED     The tables have no valid descriptor for va, or lie where memory->read says there is no memory.
 * @retval AV_ERROR_UNSUPPORTED    The guest is at EL2, or its EL2 translates once more, or it uses 52-bit descriptors (TCR_EL1.DS).
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_translate(hv_vcpu_t vcpu, const av_guest_memory *memory, uint64_t va,
                             av_translation *translation);

/**
 * Reads guest memory by virtual address, page by page.
 *
 * @param vcpu The vCPU whose registers count.
 * @param memory Reads the tables and the data.
 * @param va Virtual address; any alignment.
 * @param buffer Out: their value is open if the call fails.
 * @param size In bytes; 0 succeeds.
 * @retval AV_ERROR_NOT_MAPPED  Part of the range is not mapped, or no memory.
 * Further errors as for av_translate(). Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_read_virtual(hv_vcpu_t vcpu, const av_guest_memory *memory, uint64_t va,
                                void *buffer, size_t size);

AV_END_DECLS

#endif
