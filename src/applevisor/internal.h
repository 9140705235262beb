/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What the files of src/applevisor/ share: failures that explain themselves, and how the framework is reached. */
#ifndef AV_INTERNAL_H
#define AV_INTERNAL_H

#include <stdatomic.h>

#include <applevisor/error.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* --- Failures ---------------------------------------------------------------------------------------------------------------- */

/*
 * Records the failure of this thread, "function: sentence", and returns the code. The sentence says what was wrong with which
 * argument, and what to do.
 */
av_error av_fail(av_error code, const char *function, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define FAIL(code, ...) av_fail((code), __func__, __VA_ARGS__)

/*
 * What the framework refused: `code` with the framework's reason as the sentence, or, where it gives none, with the one of
 * `format`. av_fail_hv takes the code from ret. Both return AV_OK for HV_SUCCESS.
 */
av_error av_fail_hv(hv_return_t ret, const char *function);
av_error av_fail_hv_as(av_error code, hv_return_t ret, const char *function, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));
#define FRAMEWORK(call) av_fail_hv((call), __func__)

#define NOT_NULL(pointer)                                                                  \
    do {                                                                                   \
        if ((pointer) == NULL) {                                                           \
            return FAIL(AV_ERROR_NULL_ARGUMENT, "%s is NULL, and must point to something", \
                        #pointer);                                                         \
        }                                                                                  \
    } while (0)

/* --- macOS versions ---------------------------------------------------------------------------------------------------------- */

/* Refuses what the system is too old for. `macos` as in APPLEVISOR_MACOS. */
av_error av_need_macos(uint32_t macos, const char *function);
#define NEEDS_MACOS(macos)                                      \
    do {                                                        \
        const av_error old_ = av_need_macos((macos), __func__); \
        if (old_ != AV_OK) {                                    \
            return old_;                                        \
        }                                                       \
    } while (0)

#endif
