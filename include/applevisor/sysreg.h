/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Run-loop kit: names of system registers and system instructions. Numbers are those of hv_sys_reg_t: op0:op1:CRn:CRm:op2.
 */
#ifndef APPLEVISOR_SYSREG_H
#define APPLEVISOR_SYSREG_H

#include <applevisor/error.h>

AV_BEGIN_DECLS

/** The number of a register from its operands. */
#define AV_SYSREG_ID(op0, op1, crn, crm, op2) \
    ((uint16_t)((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2)))

/**
 * The architecture's name: "PMCR_EL0", "TLBI VMALLE1IS".
 *
 * @param id        As in av_exit_event.
 * @param is_write  A few encodings have one name for reads and another for writes.
 * @return a static string, or NULL where the architecture (v9.4) has no name.
 * Threads: any. Since: 0.1.
 */
AV_API const char *av_sysreg_name(uint16_t id, bool is_write);

/**
 * The architecture's name, or else the generic one: "S3_1_C15_C2_0".
 *
 * @param id As in av_exit_event.
 * @param is_write As for av_sysreg_name().
 * @param buffer Out: always ends in a \0 when size is not 0. Can be NULL when it is.
 * @param size Of buffer, in bytes.
 * @return the length of the whole name, as snprintf() does.
 * Threads: any. Since: 0.1.
 */
AV_API int av_sysreg_format(uint16_t id, bool is_write, char *buffer, size_t size);

/**
 * The number of a name, generic ones included; upper or lower case.
 *
 * @param name Such as "PMCR_EL0".
 * @param id  Out. Written on AV_OK only.
 * @retval AV_ERROR_BAD_ARGUMENT  An argument is NULL, or there is no such name.
 * Threads: any. Since: 0.1.
 */
AV_API av_error av_sysreg_find(const char *name, uint16_t *id);

AV_END_DECLS

#endif
