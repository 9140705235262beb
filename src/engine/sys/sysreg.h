/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* System registers and system instructions: one table (sysreg_table.inc), looked up by the framework's register id. */
#ifndef ENGINE_SYS_SYSREG_H
#define ENGINE_SYS_SYSREG_H

#include "engine/cpu.h"
#include "engine/ir/ir.h"

#define SYSREG_ID(op0, op1, crn, crm, op2) \
    ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define SYSREG_OP0(id) ((id) >> 14 & 3u)
#define SYSREG_OP1(id) ((id) >> 11 & 7u)
#define SYSREG_CRN(id) ((id) >> 7 & 15u)
#define SYSREG_CRM(id) ((id) >> 3 & 15u)
#define SYSREG_OP2(id) ((id)&7u)

struct sysreg;
typedef uint64_t sysreg_read_fn(struct a64_cpu *cpu, const struct sysreg *reg);
/* IR_NEXT or IR_END when done; for system instructions also what an abort leads to. */
typedef enum ir_next sysreg_write_fn(struct a64_cpu *cpu, const struct sysreg *reg, uint64_t value);

struct sysreg {
    const char *name;
    uint16_t id;
    uint16_t storage; /* enum sysreg_storage; SR_COUNT: none */
    uint8_t min_el;
    uint8_t access;               /* 1 read, 2 write */
    uint8_t feature, trap, leave; /* enums in sysreg.c */
    uint8_t arg;
    uint64_t mask; /* bits that a guest's write changes; the others become 0 */
    sysreg_read_fn *read;
    sysreg_write_fn *write;
};

/* The row of an id, or NULL. */
const struct sysreg *sysreg_find(uint16_t id);
unsigned sysreg_count(void);
const struct sysreg *sysreg_at(unsigned index);

/*
 * A register that an access under this mode key just reads or writes: nothing can trap, and nothing follows from it. What the guest
 * reads is (the 64 bits at offset of struct a64_cpu >> shift) & mask; what it writes there is value & mask, and shift is 0.
 */
struct sysreg_plain {
    uint32_t offset;
    unsigned shift;
    uint64_t mask;
};
bool sysreg_is_plain(const struct a64_cpu *cpu, uint32_t mode, uint32_t id, bool is_read,
                     struct sysreg_plain *plain);

/* --- hv_vcpu_get_sys_reg and hv_vcpu_set_sys_reg: exactly the framework's registers, values unmodified ------------------------- */

enum sysreg_host_status {
    SYSREG_HOST_OK,
    SYSREG_HOST_UNSUPPORTED, /* an EL2 register without EL2, a GIC's timer without GIC, SME without SME */
    SYSREG_HOST_UNKNOWN, /* not a register of the framework, or of a newer macOS than the VM acts as */
    SYSREG_HOST_DENIED,
};

enum sysreg_host_status sysreg_host_get(struct a64_cpu *cpu, uint16_t id, uint64_t *value);
enum sysreg_host_status sysreg_host_set(struct a64_cpu *cpu, uint16_t id, uint64_t value);

/* --- Between sysreg.c and sysop.c ---------------------------------------------------------------------------------------------- */

/* ISS of a trapped MSR, MRS or system instruction. */
uint32_t sysreg_iss(uint32_t id, uint64_t rt, bool is_read);

/* TLBI: CRn 8 and 9. */
enum ir_next sysop_tlbi(struct a64_cpu *cpu, uint32_t id, uint64_t value, uint64_t rt);

sysreg_write_fn sysop_nothing, sysop_dc, sysop_ic_ivau, sysop_ic_iallu, sysop_at;

#endif
