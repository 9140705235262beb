/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <applevisor/error.h>

#include "applevisor/internal.h"

static const struct {
    av_error error;
    const char *name;
    hv_return_t hv;
    const char *description;
} errors[] = {
    // clang-format off
    {AV_OK, "AV_OK", HV_SUCCESS, "done"},
    {AV_ERROR_FAILED, "AV_ERROR_FAILED", HV_ERROR, "the framework refused, without a more precise reason"},
    {AV_ERROR_BUSY, "AV_ERROR_BUSY", HV_BUSY, "the object is in use"},
    {AV_ERROR_BAD_ARGUMENT, "AV_ERROR_BAD_ARGUMENT", HV_BAD_ARGUMENT, "an argument is no valid value"},
    {AV_ERROR_ILLEGAL_GUEST_STATE, "AV_ERROR_ILLEGAL_GUEST_STATE", HV_ILLEGAL_GUEST_STATE,
     "the guest cannot be entered in this state"},
    {AV_ERROR_NO_RESOURCES, "AV_ERROR_NO_RESOURCES", HV_NO_RESOURCES, "the system has no more of what was asked for"},
    {AV_ERROR_NO_DEVICE, "AV_ERROR_NO_DEVICE", HV_NO_DEVICE, "there is no VM or vCPU to act on"},
    {AV_ERROR_DENIED, "AV_ERROR_DENIED", HV_DENIED,
     "not allowed; on a Mac, sign the program with the entitlement com.apple.security.hypervisor"},
    {AV_ERROR_EXISTS, "AV_ERROR_EXISTS", err_common_hypervisor | 0x08, "it exists already"},
    {AV_ERROR_UNSUPPORTED, "AV_ERROR_UNSUPPORTED", HV_UNSUPPORTED, "this system or VM does not have it"},
    {AV_ERROR_UNKNOWN, "AV_ERROR_UNKNOWN", HV_ERROR, "a code that this release of libapplevisor does not know"},
    {AV_ERROR_NULL_ARGUMENT, "AV_ERROR_NULL_ARGUMENT", HV_BAD_ARGUMENT, "a pointer is NULL"},
    {AV_ERROR_MISALIGNED, "AV_ERROR_MISALIGNED", HV_BAD_ARGUMENT, "an address or size is not a multiple of its unit"},
    {AV_ERROR_OUT_OF_RANGE, "AV_ERROR_OUT_OF_RANGE", HV_BAD_ARGUMENT, "a value or range is outside its limits"},
    {AV_ERROR_BUFFER_SIZE, "AV_ERROR_BUFFER_SIZE", HV_BAD_ARGUMENT, "the buffer has the wrong length"},
    {AV_ERROR_WRONG_THREAD, "AV_ERROR_WRONG_THREAD", HV_BAD_ARGUMENT, "the vCPU belongs to another thread"},
    {AV_ERROR_WRONG_VM, "AV_ERROR_WRONG_VM", HV_BAD_ARGUMENT, "the objects belong to different VMs"},
    {AV_ERROR_VM_EXISTS, "AV_ERROR_VM_EXISTS", HV_BUSY, "the process has a VM already"},
    {AV_ERROR_VCPU_EXISTS, "AV_ERROR_VCPU_EXISTS", HV_BUSY, "the thread has a vCPU already"},
    {AV_ERROR_VCPU_GONE, "AV_ERROR_VCPU_GONE", HV_NO_DEVICE, "the vCPU is destroyed"},
    {AV_ERROR_MAPPED, "AV_ERROR_MAPPED", HV_BUSY, "the memory is mapped already"},
    {AV_ERROR_NOT_MAPPED, "AV_ERROR_NOT_MAPPED", HV_ERROR, "the memory is not mapped"},
    {AV_ERROR_OVERLAP, "AV_ERROR_OVERLAP", HV_ERROR, "other memory is mapped there"},
    {AV_ERROR_NO_GIC, "AV_ERROR_NO_GIC", HV_NO_DEVICE, "the VM was created without a GIC"},
    {AV_ERROR_RUNNING, "AV_ERROR_RUNNING", HV_BUSY, "a vCPU is running"},
    {AV_ERROR_NO_MEMORY, "AV_ERROR_NO_MEMORY", HV_NO_RESOURCES, "the process is out of memory"},
    {AV_ERROR_TIMED_OUT, "AV_ERROR_TIMED_OUT", HV_BUSY, "the time is up"},
    // clang-format on
};

/* In the first group the framework's code decides alone: these are the rows that av_error_from_hv may find. */
static const size_t n_framework_errors = 10;

#define UNKNOWN_ROW 10

/* What failed last on this thread. No allocation: a failure for want of memory has to be told too. */
static _Thread_local struct {
    av_error code;
    hv_return_t raw;
    char message[512];
} last;

static size_t row_of(av_error error)
{
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (errors[i].error == error) {
            return i;
        }
    }
    return UNKNOWN_ROW;
}

const char *av_error_message(void)
{
    return last.message;
}

av_error av_error_last(void)
{
    return last.code;
}

hv_return_t av_error_raw(void)
{
    return last.raw;
}

void av_error_clear(void)
{
    last.code = AV_OK;
    last.raw = HV_SUCCESS;
    last.message[0] = '\0';
}

const char *av_error_name(av_error error)
{
    return errors[row_of(error)].name;
}

const char *av_error_description(av_error error)
{
    return errors[row_of(error)].description;
}

hv_return_t av_error_to_hv(av_error error)
{
    return errors[row_of(error)].hv;
}

av_error av_error_from_hv(hv_return_t ret)
{
    for (size_t i = 0; i < n_framework_errors; i++) {
        if (errors[i].hv == ret) {
            return errors[i].error;
        }
    }
    return AV_ERROR_UNKNOWN;
}

/* --- Recording --------------------------------------------------------------------------------------------------------------- */

static void record(av_error code, hv_return_t raw, const char *function, const char *format,
                   va_list arguments)
{
    last.code = code;
    last.raw = raw;
    const int n = snprintf(last.message, sizeof(last.message), "%s: ", function);
    if (n > 0 && (size_t)n < sizeof(last.message)) {
        vsnprintf(last.message + n, sizeof(last.message) - (size_t)n, format, arguments);
    }
}

av_error av_fail(av_error code, const char *function, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    record(code, av_error_to_hv(code), function, format, arguments);
    va_end(arguments);
    return code;
}

av_error av_fail_hv_as(av_error code, hv_return_t ret, const char *function, const char *format,
                       ...)
{
    if (ret == HV_SUCCESS) {
        return AV_OK;
    }
    const char *const reason = framework_refusal();
    if (reason[0] != '\0') {
        av_fail(code, function, "%s", reason);
        last.raw = ret;
        return code;
    }
    va_list arguments;
    va_start(arguments, format);
    record(code, ret, function, format, arguments);
    va_end(arguments);
    return code;
}

av_error av_fail_hv_refused(hv_return_t ret, const char *function)
{
    const av_error code = av_error_from_hv(ret);

    return av_fail_hv_as(code, ret, function, "the framework answered 0x%08x: %s", (unsigned)ret,
                         av_error_description(code));
}
