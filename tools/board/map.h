/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Where things are in the guest's physical memory. The device tree tells the guest; nothing else knows these numbers. */
#ifndef BOARD_MAP_H
#define BOARD_MAP_H

#define GICD_BASE    0x08000000ull
#define MSI_BASE     0x08020000ull
#define PL011_BASE   0x09000000ull
#define PL031_BASE   0x09010000ull
#define VIRTIO_BASE  0x0a000000ull
#define VIRTIO_SLOTS 32u
#define GICR_BASE    0x10000000ull /* the framework takes 32 MiB here, however many vCPUs there are */
#define RAM_BASE     0x40000000ull

#define PL011_INTID  33u
#define PL031_INTID  34u
#define VIRTIO_INTID 48u

#endif
