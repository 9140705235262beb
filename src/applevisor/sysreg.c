/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Names of system registers, from the generated table. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <applevisor/sysreg.h>

#include "applevisor/internal.h"

static const struct {
    uint16_t id;
    const char *read, *write;
} registers[] = {
#define SYSREG(id, read, write) {id, read, write},
#include "kit_sysregs.inc"
#undef SYSREG
};

#define N_REGISTERS ARRAY_LEN(registers)

const char *av_sysreg_name(uint16_t id, bool is_write)
{
    size_t low = 0, high = N_REGISTERS;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (registers[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == N_REGISTERS || registers[low].id != id) {
        return NULL;
    }
    return is_write ? registers[low].write : registers[low].read;
}

int av_sysreg_format(uint16_t id, bool is_write, char *buffer, size_t size)
{
    const char *const name = av_sysreg_name(id, is_write);

    if (name != NULL) {
        return snprintf(buffer, size, "%s", name);
    }
    return snprintf(buffer, size, "S%u_%u_C%u_C%u_%u", id >> 14u, id >> 11 & 7u, id >> 7 & 15u,
                    id >> 3 & 15u, id & 7u);
}

/* S<op0>_<op1>_C<CRn>_C<CRm>_<op2>, all of it and no more. */
static bool generic_name(const char *name, uint16_t *id)
{
    unsigned op0, op1, crn, crm, op2;
    int end = 0;

    if (sscanf(name, "%*1[Ss]%1u_%1u_%*1[Cc]%2u_%*1[Cc]%2u_%1u%n", &op0, &op1, &crn, &crm, &op2,
               &end) != 5 ||
        name[end] != '\0' || op0 > 3 || op1 > 7 || crn > 15 || crm > 15 || op2 > 7) {
        return false;
    }
    *id = AV_SYSREG_ID(op0, op1, crn, crm, op2);
    return true;
}

av_error av_sysreg_find(const char *name, uint16_t *id)
{
    NOT_NULL(name);
    NOT_NULL(id);
    for (size_t i = 0; i < N_REGISTERS; i++) {
        if (strcasecmp(name, registers[i].read) == 0 || strcasecmp(name, registers[i].write) == 0) {
            *id = registers[i].id;
            return AV_OK;
        }
    }
    if (!generic_name(name, id)) {
        return FAIL(
            AV_ERROR_BAD_ARGUMENT,
            "'%s' is no system register; a register without a name is written S3_1_C15_C2_0", name);
    }
    return AV_OK;
}
