/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Bytes and strings. */
#ifndef SDK_STRING_H
#define SDK_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, unsigned long n);
void *memmove(void *to, const void *from, unsigned long n);
void *memset(void *p, int c, unsigned long n);
int memcmp(const void *a, const void *b, unsigned long n);
void *memchr(const void *p, int c, unsigned long n);
unsigned long strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, unsigned long n);
char *strchr(const char *text, int c);
char *strstr(const char *text, const char *part);
char *strerror(int error);

#endif
