/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "applevisor.h"

static const char usage[] =
    "usage: applevisor run FILE [--flat ADDRESS] [--cpus N] [--memory SIZE] [--gic] [--trace] [--max-exits N]\n"
    "       applevisor boot --kernel FILE [--initrd FILE] [--append STRING] [--cpus N] [--memory SIZE]\n"
    "                       [--disk FILE[,ro][,snapshot]]... [--net user[,hostfwd=tcp::PORT-:PORT]]...\n"
    "                       [--share DIR[,ro][,tag=NAME]]... [--no-console-escape]\n"
    "       applevisor info\n"
    "       applevisor --help\n"
    "\n"
    "run     runs a bare-metal AArch64 program: an ELF executable, or with --flat the bytes of FILE at ADDRESS.\n"
    "        RAM starts at 0x40000000 (--memory: 64M by default; K, M and G are understood). A PL011 console is at\n"
    "        0x9000000. vCPU 0 starts at the entry point in EL1 with the MMU off, each other one (--cpus, at most 64)\n"
    "        where PSCI CPU_ON says; MPIDR_EL1 holds its number, SP_EL1 its own stack at the top of RAM. PSCI 1.1 by\n"
    "        HVC and SMC; SYSTEM_OFF and SYSTEM_RESET end the run. Semihosting by HLT #0xf000, until the program\n"
    "        installs its own vectors, and by HVC #0xf000: SYS_WRITEC, SYS_WRITE0, SYS_WRITE to the console,\n"
    "        SYS_EXIT and SYS_EXIT_EXTENDED.\n"
    "        --gic gives the machine a GICv3: Distributor at 0x8000000, Redistributors from 0x80a0000 on.\n"
    "        --trace prints every exit; --max-exits stops after that many.\n"
    "        The program's exit code is passed on; 2 usage, 3 bad file, 4 refused by the hypervisor,\n"
    "        5 the guest faulted, 6 --max-exits reached.\n"
    "boot    starts Linux: an arm64 Image, plain, in gzip or zstd, or an EFI zboot image, on a board with a PL011 console\n"
    "        (ttyAMA0, the default of --append), a real-time clock, and virtio devices. --cpus: 1 to 64, --memory: from 64M\n"
    "        on, 512M by default. --disk: a raw image (ro: not writable, snapshot: changes are forgotten at the end);\n"
    "        --net user: the guest's network through sockets of this process; --share: a folder of the host, in the guest\n"
    "        mount -t 9p -o trans=virtio,version=9p2000.L share DIR.\n"
    "        The terminal is the guest's; Ctrl-A x quits, Ctrl-A r resets, Ctrl-A b sends a break (magic SysRq), Ctrl-A a\n"
    "        sends Ctrl-A, Ctrl-A h shows these; --no-console-escape passes all keys on.\n"
    "        Exit code 0 when the guest powers off; 2 usage, 3 bad file, or standard output is gone, 4 refused by the\n"
    "        hypervisor, 5 an exit that the board cannot answer, 7 the kernel panicked, 8 quit by Ctrl-A x,\n"
    "        128 + n signal n.\n"
    "info    shows the engine, the profile, the limits and the state of each function.\n"
    "\n"
    "environment: HV_CHIP=m4|m1|max, HV_MACOS=11.0..26.0, HV_TRACE=1\n";

void complain(const char *format, ...)
{
    va_list arguments;

    fputs("applevisor: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

const char *hv_name(hv_return_t ret)
{
    switch ((uint32_t)ret) {
    case (uint32_t)HV_SUCCESS:
        return "HV_SUCCESS";
    case (uint32_t)HV_ERROR:
        return "HV_ERROR";
    case (uint32_t)HV_BUSY:
        return "HV_BUSY";
    case (uint32_t)HV_BAD_ARGUMENT:
        return "HV_BAD_ARGUMENT";
    case (uint32_t)HV_ILLEGAL_GUEST_STATE:
        return "HV_ILLEGAL_GUEST_STATE";
    case (uint32_t)HV_NO_RESOURCES:
        return "HV_NO_RESOURCES";
    case (uint32_t)HV_NO_DEVICE:
        return "HV_NO_DEVICE";
    case (uint32_t)HV_DENIED:
        return "HV_DENIED";
    case (uint32_t)HV_UNSUPPORTED:
        return "HV_UNSUPPORTED";
    default:
        return "unknown code";
    }
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "run") == 0) {
        return command_run(argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[1], "boot") == 0) {
        const int code = command_boot(argc - 1, argv + 1);
        if (code < 0) {
            fputs(usage, stdout);
        }
        return code < 0 ? 0 : code;
    }
    if (argc >= 2 && strcmp(argv[1], "info") == 0) {
        return command_info(argc - 1, argv + 1);
    }
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc >= 2) {
        complain("there is no command '%s'; see applevisor --help", argv[1]);
    } else {
        fputs(usage, stderr);
    }
    return EXIT_USAGE;
}
