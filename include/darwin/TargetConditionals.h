/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What a source is compiled for, as on a Mac. Sources for the framework ask for TARGET_OS_OSX to keep iOS
 * out, and mean "the framework is there", so it is 1. __APPLE__ stays undefined: this is not macOS.
 */
#ifndef DARWIN_TARGETCONDITIONALS_H
#define DARWIN_TARGETCONDITIONALS_H

#define TARGET_OS_MAC       1
#define TARGET_OS_OSX       1
#define TARGET_OS_IPHONE    0
#define TARGET_OS_IOS       0
#define TARGET_OS_SIMULATOR 0

#if defined(__aarch64__)
#define TARGET_CPU_ARM64  1
#define TARGET_CPU_X86_64 0
#elif defined(__x86_64__)
#define TARGET_CPU_ARM64  0
#define TARGET_CPU_X86_64 1
#else
#define TARGET_CPU_ARM64  0
#define TARGET_CPU_X86_64 0
#endif

#endif /* DARWIN_TARGETCONDITIONALS_H */
