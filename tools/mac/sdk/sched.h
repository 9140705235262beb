/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Giving way to other threads. */
#ifndef SDK_SCHED_H
#define SDK_SCHED_H

int sched_yield(void);

#endif
