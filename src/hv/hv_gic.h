/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Between the files of the GIC's API. */
#ifndef HV_HV_GIC_H
#define HV_HV_GIC_H

#include "hv/internal.h"

struct gic;

/* The process's GIC; NULL: there is none, and the refusal (HV_NO_DEVICE) is recorded. */
struct gic *hv_find_gic(const char *function);
#define NEED_GIC(gic)                              \
    struct gic *const gic = hv_find_gic(__func__); \
    if ((gic) == NULL) {                           \
        return HV_NO_DEVICE;                       \
    }

#endif
