/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Reference counts of OS objects. */
#ifndef SDK_OS_OBJECT_H
#define SDK_OS_OBJECT_H

#define HV_OS_OBJECT_DECLARED
void *os_retain(void *object);
void os_release(void *object);

#endif
