/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef ENGINE_SYSREG_NAMES_H
#define ENGINE_SYSREG_NAMES_H

enum sysreg_storage {
#define SR(name) SR_##name,
#include "engine/sys/sysreg_storage.inc"
#undef SR
    SR_COUNT
};

#endif
