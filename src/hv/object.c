/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <os/object.h>
#include <stdlib.h>

#include "hv/internal.h"

void *hv_object_create(enum hv_object_kind kind, size_t size)
{
    struct hv_object *const object = calloc(1, size);

    if (object != NULL) {
        object->kind = kind;
        atomic_init(&object->references, 1);
    }
    return object;
}

HV_EXPORT void *os_retain(void *object)
{
    if (object != NULL) {
        atomic_fetch_add_explicit(&((struct hv_object *)object)->references, 1,
                                  memory_order_relaxed);
    }
    return object;
}

HV_EXPORT void os_release(void *object)
{
    struct hv_object *const o = object;

    if (o != NULL && atomic_fetch_sub_explicit(&o->references, 1, memory_order_acq_rel) == 1) {
        o->kind = 0;
        free(o);
    }
}
