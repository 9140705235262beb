/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Run-loop kit: devices in memory. From the Data Abort of a load or store to the accesses that it makes, and back to the registers.
 *
 *     av_mmio mmio;
 *     if (av_mmio_begin(vcpu, &event, &memory, &mmio) == AV_OK) {
 *         for (unsigned i = 0; i < mmio.n_accesses; i++) {
 *             device_access(&mmio, &mmio.accesses[i]);    reads fill in .value
 *         }
 *         av_mmio_complete(vcpu, &mmio);
 *     }
 *
 * or, with a function for the middle part, av_mmio_run(). Between begin and complete the vCPU must not run, and its registers must
 * not change; the answer can wait as long as it likes.
 *
 * What the syndrome describes (ISV) needs no memory. For the rest the instruction is read at the PC and decoded: pairs, SIMD and FP
 * registers, LD1 to LD4 and ST1 to ST4, and writeback. Refused, because one access at a time is not what they ask for: exclusives,
 * atomics, compare and swap, tags, memory copy, LD64B, DC ZVA. Refused as well: an instruction whose accesses lie in two pages of
 * 4 KiB, since only the page of the fault has a known physical address.
 */
#ifndef APPLEVISOR_MMIO_H
#define APPLEVISOR_MMIO_H

#include <applevisor/exit.h>
#include <applevisor/insn.h>
#include <applevisor/translate.h>

AV_BEGIN_DECLS

/** One access to a device. It need not be aligned to its size. */
typedef struct av_mmio_access {
    uint64_t ipa; /**< guest physical address */
    uint64_t
        value; /**< what a write writes, zero-extended; for the answer of a read, whose upper bytes are ignored */
    uint8_t size_bytes; /**< 1, 2, 4 or 8 */
} av_mmio_access;

/** An instruction that waits for its devices. Read n_accesses, is_write and accesses; write the value of reads; no more. */
typedef struct av_mmio {
    bool is_write;       /**< a store */
    unsigned n_accesses; /**< 0 for cache maintenance, which has only to be completed */
    av_mmio_access accesses[AV_INSN_MAX_TRANSFERS]; /**< in the order to answer them */

    av_insn insn;          /**< as decoded; of a described access, made up from the syndrome */
    uint64_t written_back; /**< the base's new value, where insn.writeback is set */
    av_insn_transfer
        transfers[AV_INSN_MAX_TRANSFERS]; /**< where each access comes from or goes to */
} av_mmio;

/**
 * Finds out which accesses a Data Abort asks for. Changes nothing.
 *
 * @param vcpu The vCPU of the event.
 * @param event   AV_EXIT_DATA_ABORT.
 * @param memory  Reads the instruction and the guest's tables. NULL: only what the syndrome describes.
 * @param mmio    Out. Written on AV_OK only.
 * @retval AV_OK                         Answer the accesses in their order, then av_mmio_complete().
 * @retval AV_ERROR_NULL_ARGUMENT        event or mmio is NULL.
 * @retval AV_ERROR_BAD_ARGUMENT         The event is no Data Abort, or not of a kind that a device answers (an alignment fault, ...).
 * @retval AV_ERROR_NOT_MAPPED           The instruction cannot be read through memory.
 * @retval AV_ERROR_UNSUPPORTED          The instruction is one that is refused, see above; or there is no ISV and no memory.
 * @retval AV_ERROR_ILLEGAL_GUEST_STATE  The instruction at the PC is not one that made this access: another vCPU has changed it.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_mmio_begin(hv_vcpu_t vcpu, const av_exit_event *event,
                              const av_guest_memory *memory, av_mmio *mmio);

/**
 * Ends the instruction: loaded values go to the registers, extended as it says, the base is written back, and the PC moves on.
 *
 * @param vcpu The one of av_mmio_begin().
 * @param mmio  Of av_mmio_begin(), with the values of reads filled in.
 * @retval AV_ERROR_NULL_ARGUMENT  mmio is NULL.
 * Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_mmio_complete(hv_vcpu_t vcpu, const av_mmio *mmio);

/**
 * Answers one access.
 *
 * @param context   Of av_mmio_run().
 * @param is_write  access->value is to be written; otherwise fill it in.
 * @param access    Address and size; of a read, the value is Out.
 * @return false if nothing is at that address.
 */
typedef bool av_mmio_handler(void *context, bool is_write, av_mmio_access *access);

/**
 * Begins, calls the handler for each access, and completes.
 *
 * @param vcpu The vCPU of the event.
 * @param event As for av_mmio_begin().
 * @param memory As for av_mmio_begin().
 * @param handler Answers an access.
 * @param context Passed on to it.
 * @retval AV_ERROR_NOT_MAPPED  The handler knows nothing there; accesses before it have been made, no register has changed and the PC
 *                              has not moved. av_exit_inject_external_abort() is what hardware would do.
 * Further errors as for av_mmio_begin(). Threads: the vCPU's. Since: 0.1.
 */
AV_API av_error av_mmio_run(hv_vcpu_t vcpu, const av_exit_event *event,
                            const av_guest_memory *memory, av_mmio_handler *handler, void *context);

AV_END_DECLS

#endif
