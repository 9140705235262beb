/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Comparison without regard to case. */
#ifndef SDK_STRINGS_H
#define SDK_STRINGS_H

int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, unsigned long n);

#endif
