/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The identification registers of Arm's PrimeCell peripherals: without them Linux binds no driver. */
#ifndef BOARD_PRIMECELL_H
#define BOARD_PRIMECELL_H

#include <stdint.h>

/* offset 0xfe0 to 0xffc: PeriphID0 to 3 of a part by Arm, CellID0 to 3. */
static inline uint32_t primecell_id(uint64_t offset, uint16_t part, uint8_t revision)
{
    const uint8_t ids[8] = {(uint8_t)part,
                            (uint8_t)(part >> 8 | 0x10),
                            (uint8_t)(revision << 4 | 0x04),
                            0,
                            0x0d,
                            0xf0,
                            0x05,
                            0xb1};

    return ids[(offset - 0xfe0) / 4];
}

#endif
