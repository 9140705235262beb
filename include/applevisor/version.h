/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * @file
 * Versions: of this library, and of the macOS that it runs on or acts as.
 *
 * A program is compiled for a macOS version (APPLEVISOR_MACOS, <applevisor/base.h>) and runs on one.
 * A function that the running system lacks answers AV_ERROR_UNSUPPORTED, and its message names the
 * version that it needs.
 */
#ifndef APPLEVISOR_VERSION_H
#define APPLEVISOR_VERSION_H

#include <applevisor/error.h>

AV_BEGIN_DECLS

#define AV_VERSION_MAJOR 0 /**< Of these headers. */
#define AV_VERSION_MINOR 1 /**< Of these headers. */
#define AV_VERSION_PATCH 0 /**< Of these headers. */

/**
 * The version of the library that is loaded, which can be newer than the headers.
 *
 * @return "major.minor.patch". Static.
 * Threads: any. Since: 0.1.
 */
AV_API const char *av_version(void);

/**
 * The macOS version that the framework is of: on Linux the one that libhypervisor acts as (the
 * environment variable HV_MACOS), on a Mac the newest whose functions are all there.
 *
 * @return major * 10000 + minor * 100: 150200 is macOS 15.2.
 * Threads: any. Since: 0.1.
 */
AV_API uint32_t av_macos_version(void);

/**
 * Whether the framework has the functions of a macOS version.
 *
 * @param macos major * 10000 + minor * 100, such as 150200.
 * @return True: a function that needs this version can be called. Whether it then succeeds is
 *     another question: a chip without SME has none in any version.
 * Threads: any. Since: 0.1.
 */
AV_API bool av_macos_has(uint32_t macos);

AV_END_DECLS

#endif /* APPLEVISOR_VERSION_H */
