/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Geometry of the framework's GIC, as reported on Macs. */
#ifndef HV_HV_GIC_SIZES_H
#define HV_HV_GIC_SIZES_H

#define HV_GIC_ALIGNMENT 0x10000u
#define HV_GIC_REDISTRIBUTOR_REGION \
    0x2000000u /* 256 Redistributors, though 64 vCPUs are the most */

#endif
