/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef ENGINE_A64_DP_H
#define ENGINE_A64_DP_H

#include "engine/a64/translate.h"

/* ADD and SUB of the forms that know SP: with set_flags NZCV is written and rd 31 is ZR, else it is SP. */
void dp_add_sub(struct tr *t, unsigned sf, bool is_sub, bool set_flags, unsigned rd, ir_ref a,
                ir_ref b);

#endif
