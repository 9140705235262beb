/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef ENGINE_V128_H
#define ENGINE_V128_H

#include <stdint.h>

/* One SIMD&FP register, and one IR value: integers live in d[0]. Lane 0 is the least significant. The host is little-endian. */
typedef union v128 {
    uint8_t b[16];
    uint16_t h[8];
    uint32_t s[4];
    uint64_t d[2];
    int8_t sb[16];
    int16_t sh[8];
    int32_t ss[4];
    int64_t sd[2];
    unsigned __int128 q;
} v128;

_Static_assert(sizeof(v128) == 16 && _Alignof(v128) == 16,
               "register slots are addressed by emitted code");

#endif
