/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reads words from standard input, prints the name of each one's row, or "-", with every feature there. */
#include <stdio.h>

#include "engine/a64/decode.h"

int main(void)
{
    static const uint64_t all[2] = {UINT64_MAX, UINT64_MAX};
    uint32_t word;

    while (fread(&word, sizeof(word), 1, stdin) == 1) {
        const struct a64_row *const row = a64_decode(word, all);
        puts(row != NULL ? row->name : "-");
    }
    return 0;
}
