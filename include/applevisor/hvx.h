/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * What libhypervisor offers beyond Apple's framework: several VMs in a process, and the reason of a
 * refusal in words. libapplevisor is made of it where it is there; other programs may use it too.
 *
 * Apple's framework does not have these functions: a program for both systems uses libapplevisor,
 * which answers AV_ERROR_UNSUPPORTED on a Mac.
 */
#ifndef APPLEVISOR_HVX_H
#define APPLEVISOR_HVX_H

#include <applevisor/base.h>

AV_BEGIN_DECLS

/** Exported from libhypervisor. */
#define HVX_API __attribute__((visibility("default")))

/** A VM beside the one of hv_vm_create(). */
typedef struct hvx_vm hvx_vm;

/**
 * Creates a VM that is not the process's: hv_vm_create() and hv_vm_destroy() know nothing of it. A
 * thread works on it with hvx_vm_select().
 *
 * @param vm Out: the VM. Written on success only.
 * @param config As for hv_vm_create(); NULL for all defaults. Remains the caller's.
 * @retval HV_SUCCESS The VM exists.
 * @return Else what hv_vm_create() returns, but never HV_BUSY.
 * Threads: any. Since: 0.1.
 */
HVX_API hv_return_t hvx_vm_create(hvx_vm **vm, hv_vm_config_t config);

/**
 * Destroys a VM of hvx_vm_create(). No thread may have it selected but the calling one, which has
 * none selected afterwards.
 *
 * @param vm The VM.
 * @retval HV_SUCCESS The VM, its GIC and its mappings are gone.
 * @retval HV_BUSY A vCPU of it is alive: hv_vcpu_destroy() every vCPU, then call again.
 * @retval HV_BAD_ARGUMENT vm is NULL.
 * Threads: any. Since: 0.1.
 */
HVX_API hv_return_t hvx_vm_destroy(hvx_vm *vm);

/**
 * Makes every hv_ call of this thread that means "the VM" act on a VM of hvx_vm_create(), but for
 * hv_vm_create() and hv_vm_destroy(). A thread still has one vCPU at most, of whatever VM; calls that
 * name the vCPU need no selection.
 *
 * @param vm The VM; NULL for the process's, which is what a thread starts with.
 * @return What was selected before, to select it again afterwards.
 * Threads: any; concerns the calling one. Since: 0.1.
 */
HVX_API hvx_vm *hvx_vm_select(hvx_vm *vm);

/**
 * The reason of the last call that this thread was refused: which argument was wrong and what was
 * expected.
 *
 * @return Never NULL; "" if nothing was refused yet. Valid until the next refusal on this thread.
 * Threads: any. Since: 0.1.
 */
HVX_API const char *hvx_last_refusal(void);

/**
 * The macOS version that the library acts as: that of the VM where there is one, else what HV_MACOS
 * says now.
 *
 * @return major * 10000 + minor * 100.
 * Threads: any. Since: 0.1.
 */
HVX_API uint32_t hvx_macos(void);

AV_END_DECLS

#endif /* APPLEVISOR_HVX_H */
