/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* API_AVAILABLE as Apple's compiler understands it: what is newer than the deployment target is linked weakly. */
#ifndef SDK_AVAILABILITY_H
#define SDK_AVAILABILITY_H

#define SDK_AVAILABLE_macos(version) __attribute__((availability(macos, introduced = version)))
#define API_AVAILABLE(platform)      SDK_AVAILABLE_##platform

#endif
