/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <string.h>

#include "gic/gic.h"
#include "hv/hv_gic.h"

/* The GIC whose state may be taken now, or NULL. */
static struct gic *savable(const char *function)
{
    if (hv_macos() < HV_VERSION(15, 0)) {
        hv_refuse(HV_UNSUPPORTED, function,
                  "this function needs macOS 15.0; HV_MACOS acts as an older one");
        return NULL;
    }
    struct gic *const gic = hv_find_gic(function);
    if (gic != NULL && vm_any_vcpu(hv_process_vm(), vm_vcpu_is_running)) {
        hv_refuse(HV_BUSY, function, "a vCPU is running; stop all of them first");
        return NULL;
    }
    return gic;
}

HV_EXPORT hv_gic_state_t hv_gic_state_create(void)
{
    struct gic *const gic = savable(__func__);

    if (gic == NULL) {
        return NULL;
    }
    const size_t size = gic_state_size();
    struct hv_gic_state_s *const state = hv_object_create(HV_OBJECT_GIC_STATE,
                                                          sizeof(*state) + size);
    if (state == NULL) {
        REFUSE(HV_NO_RESOURCES, "out of memory");
        return NULL;
    }
    state->size = size;
    gic_state_save(gic, state->data);
    return state;
}

#define CHECK_STATE(state)                                                           \
    do {                                                                             \
        if (!hv_is_gic_state(state)) {                                               \
            return REFUSE(HV_BAD_ARGUMENT,                                           \
                          "state is %s; expected what hv_gic_state_create returned", \
                          (state) == NULL ? "NULL" : "not a live GIC state");        \
        }                                                                            \
    } while (0)

HV_EXPORT hv_return_t hv_gic_state_get_size(hv_gic_state_t state, size_t *gic_state_size)
{
    NEEDS_MACOS(15, 0);
    CHECK_STATE(state);
    NOT_NULL(gic_state_size);
    *gic_state_size = state->size;
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_gic_state_get_data(hv_gic_state_t state, void *gic_state_data)
{
    NEEDS_MACOS(15, 0);
    CHECK_STATE(state);
    NOT_NULL(gic_state_data);
    memcpy(gic_state_data, state->data, state->size);
    return HV_SUCCESS;
}

HV_EXPORT hv_return_t hv_gic_set_state(const void *gic_state_data, size_t gic_state_size)
{
    char why[160];

    NEEDS_MACOS(15, 0);
    NEED_GIC(gic);
    NOT_NULL(gic_state_data);
    if (vm_any_vcpu(hv_process_vm(), vm_vcpu_has_run)) {
        return REFUSE(HV_ILLEGAL_GUEST_STATE,
                      "a vCPU has run already; restore into a VM whose vCPUs have not");
    }
    return gic_state_restore(gic, gic_state_data, gic_state_size, why, sizeof(why))
               ? HV_SUCCESS
               : REFUSE(HV_BAD_ARGUMENT, "%s", why);
}
