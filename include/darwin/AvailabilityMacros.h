/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Version numbers of macOS for the preprocessor, as programs compare them: major * 10000 + minor * 100.
 * Only versions that brought framework functions are here, and the newest one is the SDK's.
 */
#ifndef DARWIN_AVAILABILITYMACROS_H
#define DARWIN_AVAILABILITYMACROS_H

#define MAC_OS_VERSION_11_0 110000
#define MAC_OS_VERSION_12_1 120100
#define MAC_OS_VERSION_13_0 130000
#define MAC_OS_VERSION_15_0 150000
#define MAC_OS_VERSION_15_2 150200
#define MAC_OS_VERSION_26_0 260000

/*
 * The same number twice: without weak linking, a program may call whatever it can see. There is no
 * older system to be built for, and libhypervisor answers HV_UNSUPPORTED where it acts as one.
 */
#define MAC_OS_X_VERSION_MAX_ALLOWED  MAC_OS_VERSION_26_0
#define MAC_OS_X_VERSION_MIN_REQUIRED MAC_OS_VERSION_26_0

#endif /* DARWIN_AVAILABILITYMACROS_H */
