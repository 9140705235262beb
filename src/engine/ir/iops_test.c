/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * CRC32 and CRC32C against published values: the check values of CRC-32/ISO-HDLC and CRC-32/ISCSI for "123456789", and the
 * examples of RFC 3720, B.4. Each message is fed in steps of one, two, four and eight bytes, the rest in bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/ir/functions.h"

static uint32_t crc_of(ir_iop_fn *fn, const uint8_t *message, size_t size, unsigned log2_step)
{
    const size_t step = (size_t)1 << log2_step;
    uint64_t crc = 0xffffffff;
    size_t i = 0;

    for (; i + step <= size; i += step) {
        uint64_t data = 0;
        memcpy(&data, message + i, step);
        /* What the instruction does not name must not count: the accumulator's upper half, the data's upper bytes. */
        if (log2_step != 3) {
            data |= ~0ull << (8 * step);
        }
        crc = fn(crc | 0x5a5a5a5a00000000, data, log2_step);
        if (crc > UINT32_MAX) {
            fprintf(stderr, "the upper half of the result is not zero\n");
            return 0;
        }
    }
    for (; i < size; i++) {
        crc = fn(crc, message[i], 0);
    }
    return ~(uint32_t)crc;
}

int main(void)
{
    uint8_t zeros[32], ones[32], up[32], down[32];
    int failures = 0;

    for (unsigned i = 0; i < 32; i++) {
        zeros[i] = 0;
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    const struct {
        const char *name;
        ir_iop_fn *fn;
        const void *message;
        size_t size;
        uint32_t expected;
    } cases[] = {
        {"crc32 of 123456789", iop_crc32, "123456789", 9, 0xcbf43926},
        {"crc32c of 123456789", iop_crc32c, "123456789", 9, 0xe3069283},
        {"crc32c of 32 zeros", iop_crc32c, zeros, 32, 0x8a9136aa},
        {"crc32c of 32 ones", iop_crc32c, ones, 32, 0x62a8ab43},
        {"crc32c of 0 to 31", iop_crc32c, up, 32, 0x46dd794e},
        {"crc32c of 31 to 0", iop_crc32c, down, 32, 0x113fdb5c},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned log2_step = 0; log2_step <= 3; log2_step++) {
            const uint32_t got = crc_of(cases[i].fn, cases[i].message, cases[i].size, log2_step);
            if (got != cases[i].expected) {
                fprintf(stderr, "%s in steps of %u: %08" PRIx32 ", expected %08" PRIx32 "\n",
                        cases[i].name, 1u << log2_step, got, cases[i].expected);
                failures++;
            }
        }
    }
    return failures != 0;
}
