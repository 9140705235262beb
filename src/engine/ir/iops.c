/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "engine/ir/functions.h"

/*
 * CRC32 with the reflected polynomial, a nibble at a time: the table is computed from the polynomial by the preprocessor.
 * a = accumulator, b = data of (1 << imm) bytes.
 */
#define STEP(poly, v)   ((v) >> 1 ^ (((v)&1u) != 0 ? (poly) : 0u))
#define NIBBLE(poly, v) STEP(poly, STEP(poly, STEP(poly, STEP(poly, (uint32_t)(v)))))
#define TABLE(poly)                                                                              \
    {                                                                                            \
        NIBBLE(poly, 0), NIBBLE(poly, 1), NIBBLE(poly, 2), NIBBLE(poly, 3), NIBBLE(poly, 4),     \
            NIBBLE(poly, 5), NIBBLE(poly, 6), NIBBLE(poly, 7), NIBBLE(poly, 8), NIBBLE(poly, 9), \
            NIBBLE(poly, 10), NIBBLE(poly, 11), NIBBLE(poly, 12), NIBBLE(poly, 13),              \
            NIBBLE(poly, 14), NIBBLE(poly, 15)                                                   \
    }
static const uint32_t crc32_table[16] = TABLE(0xedb88320u);
static const uint32_t crc32c_table[16] = TABLE(0x82f63b78u);

static uint64_t crc(const uint32_t table[16], uint64_t a, uint64_t b, uint32_t size)
{
    uint32_t accumulator = (uint32_t)a;

    for (unsigned nibble = 0; nibble < 2u << size; nibble++) {
        accumulator = accumulator >> 4 ^ table[(accumulator ^ (uint32_t)b) & 15];
        b >>= 4;
    }
    return accumulator;
}

uint64_t iop_crc32(uint64_t a, uint64_t b, uint32_t imm)
{
    return crc(crc32_table, a, b, imm);
}

uint64_t iop_crc32c(uint64_t a, uint64_t b, uint32_t imm)
{
    return crc(crc32c_table, a, b, imm);
}
