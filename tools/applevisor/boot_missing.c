/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* `applevisor boot` in a build without the board. */
#include "applevisor.h"

int command_boot(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    complain(
        "boot: this build lacks it: libfdt, zlib, libzstd or libslirp was missing; `make linux` installs them and builds it");
    return EXIT_USAGE;
}
