/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * How a Mach error is put together, and taken apart:
 *
 *     31    26 25          14 13           0
 *     | system | subsystem   | code         |
 *
 * hv_return_t is such a value: system err_local, subsystem err_sub_hypervisor.
 */
#ifndef DARWIN_MACH_ERROR_H
#define DARWIN_MACH_ERROR_H

#include <mach/kern_return.h>

typedef kern_return_t mach_error_t;

/* System 0x3e has bit 31 set: the conversion to int makes it negative, as programs expect. */
#define err_system(x) ((int)(((unsigned)(x)&0x3fu) << 26))
#define err_sub(x)    ((int)(((unsigned)(x)&0xfffu) << 14))

#define err_get_system(err) ((int)(((unsigned)(err) >> 26) & 0x3fu))
#define err_get_sub(err)    ((int)(((unsigned)(err) >> 14) & 0xfffu))
#define err_get_code(err)   ((int)((unsigned)(err)&0x3fffu))

#define err_none       ((mach_error_t)0)
#define ERR_SUCCESS    ((mach_error_t)0)
#define err_kern       err_system(0x0)
#define err_us         err_system(0x1)
#define err_server     err_system(0x2)
#define err_ipc        err_system(0x3)
#define err_mach_ipc   err_system(0x4)
#define err_local      err_system(0x3e)
#define err_ipc_compat err_system(0x3f)
#define err_max_system 0x3f

#endif /* DARWIN_MACH_ERROR_H */
