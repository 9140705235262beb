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

#endif
