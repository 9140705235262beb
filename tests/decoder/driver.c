/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* driver FEATURES0 FEATURES1 (hexadecimal bit sets of enum a64_feature): reads words from standard input, prints the name and the
 * class of each one's row, or "-". */
#include <stdio.h>
#include <stdlib.h>

#include "engine/a64/decode.h"

int main(int argc, char **argv)
{
    uint64_t features[2];
    uint32_t word;

    if (argc != 3) {
        fprintf(stderr, "usage: driver FEATURES0 FEATURES1\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        features[i] = strtoull(argv[i + 1], NULL, 16);
    }
    while (fread(&word, sizeof(word), 1, stdin) == 1) {
        const struct a64_row *const row = a64_decode(word, features);
        if (row != NULL) {
            printf("%s %s\n", row->name, row->class_name);
        } else {
            puts("-");
        }
    }
    return 0;
}
