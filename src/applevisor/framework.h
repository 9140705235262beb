/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The framework as libapplevisor sees it: Apple's on a Mac, libhypervisor elsewhere. Only the latter has the extensions of
 * <applevisor/hvx.h>; these functions answer for both, so that no other file asks which one it is.
 */
#ifndef AV_FRAMEWORK_H
#define AV_FRAMEWORK_H

#include <applevisor/hvx.h>

#ifdef __APPLE__

#include <os/object.h>

enum { FRAMEWORK_HAS_EXTENSIONS = 0 };

static inline hvx_vm *framework_select(hvx_vm *vm)
{
    (void)vm;
    return NULL;
}

static inline const char *framework_refusal(void)
{
    return "";
}

static inline hv_return_t framework_vm_create(hvx_vm **vm, hv_vm_config_t config)
{
    (void)vm;
    (void)config;
    return HV_UNSUPPORTED;
}

static inline hv_return_t framework_vm_destroy(hvx_vm *vm)
{
    (void)vm;
    return HV_UNSUPPORTED;
}

#else

enum { FRAMEWORK_HAS_EXTENSIONS = 1 };

static inline hvx_vm *framework_select(hvx_vm *vm)
{
    return hvx_vm_select(vm);
}

static inline const char *framework_refusal(void)
{
    return hvx_last_refusal();
}

static inline hv_return_t framework_vm_create(hvx_vm **vm, hv_vm_config_t config)
{
    return hvx_vm_create(vm, config);
}

static inline hv_return_t framework_vm_destroy(hvx_vm *vm)
{
    return hvx_vm_destroy(vm);
}

#endif

/* Units of mach_absolute_time(), which the framework counts execution time in, to nanoseconds. */
uint64_t av_framework_ticks_to_ns(uint64_t ticks);

#endif
