/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Errors: a code to decide by, and a sentence to read.
 *
 * Every function that can fail returns an av_error, and writes its out-parameters only with AV_OK.
 * What failed last on this thread is kept: av_error_message() says in a sentence what was wrong and
 * what to do about it.
 */
#ifndef APPLEVISOR_ERROR_H
#define APPLEVISOR_ERROR_H

#include <applevisor/base.h>

AV_BEGIN_DECLS

/**
 * What went wrong. The first group are the framework's own codes; the second group says more than
 * the framework does, and each of them stands for one framework code (av_error_to_hv()). Values are
 * part of the ABI.
 */
typedef enum av_error {
    AV_OK = 0, /**< Done. */

    AV_ERROR_FAILED = 1,              /**< HV_ERROR: refused without a code of its own. */
    AV_ERROR_BUSY = 2,                /**< HV_BUSY: in use. */
    AV_ERROR_BAD_ARGUMENT = 3,        /**< HV_BAD_ARGUMENT: an argument is no valid value. */
    AV_ERROR_ILLEGAL_GUEST_STATE = 4, /**< HV_ILLEGAL_GUEST_STATE: the vCPU cannot be entered. */
    AV_ERROR_NO_RESOURCES = 5,        /**< HV_NO_RESOURCES: out of vCPUs, or the system's memory. */
    AV_ERROR_NO_DEVICE = 6,           /**< HV_NO_DEVICE: no VM or vCPU to act on. */
    AV_ERROR_DENIED = 7,              /**< HV_DENIED: not allowed; on a Mac, no entitlement. */
    AV_ERROR_EXISTS = 8,              /**< HV_EXISTS: already there. */
    AV_ERROR_UNSUPPORTED = 9,         /**< HV_UNSUPPORTED: this system or VM does not have it. */
    AV_ERROR_UNKNOWN = 10, /**< A code that this release does not know: see av_error_raw(). */

    AV_ERROR_NULL_ARGUMENT = 32, /**< A pointer is NULL that must not be. HV_BAD_ARGUMENT. */
    AV_ERROR_MISALIGNED = 33,    /**< Not a multiple of the page or alignment. HV_BAD_ARGUMENT. */
    AV_ERROR_OUT_OF_RANGE = 34,  /**< A range ends outside what it must lie in. HV_BAD_ARGUMENT. */
    AV_ERROR_BUFFER_SIZE = 35,   /**< The buffer has not the needed length. HV_BAD_ARGUMENT. */
    AV_ERROR_WRONG_THREAD = 36,  /**< The vCPU belongs to another thread. HV_BAD_ARGUMENT. */
    AV_ERROR_WRONG_VM = 37,      /**< The two objects are of different VMs. HV_BAD_ARGUMENT. */
    AV_ERROR_VM_EXISTS = 38,     /**< The process has its VM already. HV_BUSY. */
    AV_ERROR_VCPU_EXISTS = 39,   /**< The thread has a vCPU already. HV_BUSY. */
    AV_ERROR_VCPU_GONE = 40,     /**< The vCPU is destroyed. HV_NO_DEVICE. */
    AV_ERROR_MAPPED = 41,        /**< This memory is mapped already. HV_BUSY. */
    AV_ERROR_NOT_MAPPED = 42,    /**< This memory, or part of the range, is not mapped. HV_ERROR. */
    AV_ERROR_OVERLAP = 43,       /**< Other memory is mapped there. HV_ERROR. */
    AV_ERROR_NO_GIC = 44,        /**< The VM was created without a GIC. HV_NO_DEVICE. */
    AV_ERROR_RUNNING = 45,       /**< A vCPU is running that must stand still. HV_BUSY. */
    AV_ERROR_NO_MEMORY = 46,     /**< The process is out of memory. HV_NO_RESOURCES. */
    AV_ERROR_TIMED_OUT = 47,     /**< Nothing happened in the given time. HV_BUSY. */
} av_error;

/**
 * The sentence for the last failure on this thread: the function, what was wrong with which
 * argument, and what to do.
 *
 * @return Never NULL; "" if nothing failed yet. Belongs to the library, valid until the next failure
 *     on this thread: copy it to keep it. A success leaves it as it is.
 * Threads: any. Since: 0.1.
 */
AV_API const char *av_error_message(void);

/**
 * The code of the last failure on this thread.
 *
 * @return AV_OK if nothing failed yet.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_error_last(void);

/**
 * The framework's code of the last failure on this thread: what Hypervisor.framework answered, or,
 * where the library refused without asking it, the code that stands for the av_error.
 *
 * @return HV_SUCCESS if nothing failed yet.
 * Threads: any. Since: 0.1.
 */
AV_API hv_return_t av_error_raw(void);

/**
 * Forgets the last failure of this thread.
 *
 * Threads: any. Since: 0.1.
 */
AV_API void av_error_clear(void);

/**
 * The stable name of a code, such as "AV_ERROR_BUSY": for logs and for programs in other languages.
 *
 * @param error Any value.
 * @return Never NULL; "AV_ERROR_UNKNOWN" for a value that is no av_error. Static.
 * Threads: any. Since: 0.1.
 */
AV_API const char *av_error_name(av_error error);

/**
 * What a code means in general, where no message is at hand.
 *
 * @param error Any value.
 * @return Never NULL. Static.
 * Threads: any. Since: 0.1.
 */
AV_API const char *av_error_description(av_error error);

/**
 * The framework's code that stands for an av_error.
 *
 * @param error Any value.
 * @return HV_SUCCESS for AV_OK; HV_ERROR for AV_ERROR_UNKNOWN and for a value that is no av_error.
 * Threads: any. Since: 0.1.
 */
AV_API hv_return_t av_error_to_hv(av_error error);

/**
 * The av_error for a code of the framework.
 *
 * @param ret What an hv_ function returned.
 * @return A code of the first group; AV_ERROR_UNKNOWN for one that this release does not know.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_error_from_hv(hv_return_t ret);

AV_END_DECLS

#endif /* APPLEVISOR_ERROR_H */
