/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What libhypervisor offers beyond Apple's framework (applevisor/hvx.h). */
#include <applevisor/hvx.h>

#include "hv/internal.h"

HV_EXPORT hv_return_t hvx_vm_create(hvx_vm **vm, hv_vm_config_t config)
{
    if (vm == NULL) {
        return REFUSE(HV_BAD_ARGUMENT, "vm is NULL; expected a place for the result");
    }
    struct vm *created = NULL;
    const hv_return_t ret = hv_make_vm(&created, config);
    if (ret == HV_SUCCESS) {
        *vm = (hvx_vm *)created;
    }
    return ret;
}

HV_EXPORT hv_return_t hvx_vm_destroy(hvx_vm *vm)
{
    if (vm == NULL) {
        return REFUSE(HV_BAD_ARGUMENT, "vm is NULL; expected what hvx_vm_create returned");
    }
    if (vm_destroy((struct vm *)vm) != VM_OK) {
        return REFUSE(HV_BUSY,
                      "the VM has live vCPUs; destroy each of them on its own thread first");
    }
    if (hv_selected_vm == (struct vm *)vm) {
        hv_selected_vm = NULL;
    }
    return HV_SUCCESS;
}

HV_EXPORT hvx_vm *hvx_vm_select(hvx_vm *vm)
{
    struct vm *const before = hv_selected_vm;

    hv_selected_vm = (struct vm *)vm;
    return (hvx_vm *)before;
}

HV_EXPORT const char *hvx_last_refusal(void)
{
    return hv_last_refusal();
}

HV_EXPORT uint32_t hvx_macos(void)
{
    return hv_macos();
}
