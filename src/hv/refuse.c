/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "hv/internal.h"
#include "hv/trace.h"

static _Thread_local char last_refusal[256];

static const char *code_name(hv_return_t code)
{
    switch ((uint32_t)code) {
    case (uint32_t)HV_ERROR:
        return "HV_ERROR";
    case (uint32_t)HV_BUSY:
        return "HV_BUSY";
    case (uint32_t)HV_BAD_ARGUMENT:
        return "HV_BAD_ARGUMENT";
    case (uint32_t)HV_ILLEGAL_GUEST_STATE:
        return "HV_ILLEGAL_GUEST_STATE";
    case (uint32_t)HV_NO_RESOURCES:
        return "HV_NO_RESOURCES";
    case (uint32_t)HV_NO_DEVICE:
        return "HV_NO_DEVICE";
    case (uint32_t)HV_DENIED:
        return "HV_DENIED";
    case (uint32_t)HV_UNSUPPORTED:
        return "HV_UNSUPPORTED";
    default:
        return "HV_?";
    }
}

hv_return_t hv_refuse(hv_return_t code, const char *function, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(last_refusal, sizeof(last_refusal), format, arguments);
    va_end(arguments);
    struct hv_trace trace;
    hv_trace_from_environment(&trace);
    if (trace.refusals) {
        fprintf(stderr, "%s: %s: %s\n", function, code_name(code), last_refusal);
    }
    return code;
}

const char *hv_last_refusal(void)
{
    return last_refusal;
}

/* --- Choices of the environment ---------------------------------------------------------------------------------------------- */

#define MACOS_DEFAULT HV_VERSION(26, 0)

bool hv_macos_from_environment(unsigned *macos)
{
    const char *const text = getenv("HV_MACOS");

    if (text == NULL || text[0] == '\0') {
        *macos = MACOS_DEFAULT;
        return true;
    }
    char *end;
    const unsigned long major = strtoul(text, &end, 10);
    unsigned long minor = 0;
    if (*end == '.') {
        minor = strtoul(end + 1, &end, 10);
    }
    if (*end != '\0' || text[0] < '0' || text[0] > '9' || major < 11 || major > 26 || minor > 99) {
        return false;
    }
    *macos = HV_VERSION((unsigned)major, (unsigned)minor);
    return true;
}

unsigned hv_macos(void)
{
    const struct vm *const vm = hv_process_vm();
    unsigned macos;

    if (vm != NULL) {
        return vm->config.macos;
    }
    return hv_macos_from_environment(&macos) ? macos : MACOS_DEFAULT;
}

const struct vm_profile *hv_profile_from_environment(void)
{
    const char *const name = getenv("HV_CHIP");

    return vm_profile_by_name(name == NULL || name[0] == '\0' ? "m4" : name);
}

const struct vm_profile *hv_profile(void)
{
    const struct vm *const vm = hv_process_vm();
    const struct vm_profile *const profile = vm != NULL ? vm->config.profile
                                                        : hv_profile_from_environment();

    return profile != NULL ? profile : vm_profile_by_name("m4");
}
