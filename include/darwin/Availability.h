/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Availability attributes of macOS. There is no deployment target here: the macros mark declarations
 * for the reader and expand to nothing. Which macOS libhypervisor acts as is a matter of run time.
 */
#ifndef DARWIN_AVAILABILITY_H
#define DARWIN_AVAILABILITY_H

#include <AvailabilityMacros.h>

#ifndef API_AVAILABLE
#define API_AVAILABLE(...)
#endif
#ifndef API_UNAVAILABLE
#define API_UNAVAILABLE(...)
#endif
#ifndef API_DEPRECATED
#define API_DEPRECATED(...)
#endif

#define __MAC_11_0 110000
#define __MAC_12_1 120100
#define __MAC_13_0 130000
#define __MAC_15_0 150000
#define __MAC_15_2 150200
#define __MAC_26_0 260000

/* Newest SDK whose framework is declared: programs compare it with the values above. */
#define __MAC_OS_X_VERSION_MAX_ALLOWED __MAC_26_0

#endif /* DARWIN_AVAILABILITY_H */
