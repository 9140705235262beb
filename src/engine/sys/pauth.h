/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Pointer authentication. imm of helper pac and aut: the key, | PAUTH_COMBINED for RETAA, BRAA, LDRAA and their kin. */
#ifndef ENGINE_SYS_PAUTH_H
#define ENGINE_SYS_PAUTH_H

#include "engine/cpu.h"
#include "engine/ir/ir.h"

enum pauth_key { PAUTH_IA = 0, PAUTH_IB = 1, PAUTH_DA = 2, PAUTH_DB = 3, PAUTH_COMBINED = 1 << 4 };

/* Auth(): IR_NEXT and *result, or a trap or the PAC Fail exception was taken. combined: part of a branch or load. */
enum ir_next pauth_auth(struct a64_cpu *cpu, uint64_t pointer, uint64_t modifier,
                        enum pauth_key key, bool combined, uint64_t *result);

/* What AddPAC() and Auth() depend on besides keys and pointers, for emitted code; after any change of TCR_EL1. */
void pauth_update(struct a64_cpu *cpu);
/* FEAT_PAuth2 and no EL2: emitted code may do it. */
bool pauth_is_plain(const struct a64_cpu *cpu);

extern const uint16_t
    pauth_key_registers[4]; /* by enum pauth_key: where its low half is; the high half follows */

/* The constants are odd and have no structure: digits of the golden ratio and of the square root of two. */
#define PAUTH_MIX1   0x9e3779b97f4a7c15ull
#define PAUTH_MIX2   0xb504f333f9de6485ull
#define PAUTH_ROUNDS 3

#endif
