/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* System limits and sleep. */
#ifndef SDK_UNISTD_H
#define SDK_UNISTD_H

#include <stddef.h>

#define _SC_PAGESIZE 29
long sysconf(int name);
int usleep(unsigned microseconds);

#endif
