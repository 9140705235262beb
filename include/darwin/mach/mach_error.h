/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Names of Mach errors, for messages. Knows the codes of <mach/kern_return.h> and of the framework. */
#ifndef DARWIN_MACH_MACH_ERROR_H
#define DARWIN_MACH_MACH_ERROR_H

#include <mach/error.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Name of an error. Owned by nobody, never NULL, must not be written to. Threads: any. */
static inline char *mach_error_string(mach_error_t error)
{
    const char *name;

    switch ((unsigned)error) {
    case KERN_SUCCESS:
        name = "KERN_SUCCESS";
        break;
    case KERN_INVALID_ADDRESS:
        name = "KERN_INVALID_ADDRESS";
        break;
    case KERN_PROTECTION_FAILURE:
        name = "KERN_PROTECTION_FAILURE";
        break;
    case KERN_NO_SPACE:
        name = "KERN_NO_SPACE";
        break;
    case KERN_INVALID_ARGUMENT:
        name = "KERN_INVALID_ARGUMENT";
        break;
    case KERN_FAILURE:
        name = "KERN_FAILURE";
        break;
    case KERN_RESOURCE_SHORTAGE:
        name = "KERN_RESOURCE_SHORTAGE";
        break;
    case KERN_ABORTED:
        name = "KERN_ABORTED";
        break;
    case KERN_NOT_SUPPORTED:
        name = "KERN_NOT_SUPPORTED";
        break;
    case 0xfae94001u:
        name = "HV_ERROR";
        break;
    case 0xfae94002u:
        name = "HV_BUSY";
        break;
    case 0xfae94003u:
        name = "HV_BAD_ARGUMENT";
        break;
    case 0xfae94004u:
        name = "HV_ILLEGAL_GUEST_STATE";
        break;
    case 0xfae94005u:
        name = "HV_NO_RESOURCES";
        break;
    case 0xfae94006u:
        name = "HV_NO_DEVICE";
        break;
    case 0xfae94007u:
        name = "HV_DENIED";
        break;
    case 0xfae94008u:
        name = "HV_EXISTS";
        break;
    case 0xfae9400fu:
        name = "HV_UNSUPPORTED";
        break;
    default:
        name = "unknown error code";
        break;
    }
    /* The type without const is macOS's, and programs store it so. */
    return (char *)(size_t)name;
}

/** Prints "text: name (code)" on the standard error stream. Threads: any. */
static inline void mach_error(const char *text, mach_error_t error)
{
    fprintf(stderr, "%s: %s (0x%x)\n", text, mach_error_string(error), (unsigned)error);
}

#ifdef __cplusplus
}
#endif

#endif /* DARWIN_MACH_MACH_ERROR_H */
