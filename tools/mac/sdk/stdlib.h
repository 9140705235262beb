/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Memory, numbers and the end of a program. */
#ifndef SDK_STDLIB_H
#define SDK_STDLIB_H

#include <stddef.h>

void *malloc(unsigned long size);
void *calloc(unsigned long n, unsigned long size);
void *realloc(void *p, unsigned long size);
int posix_memalign(void **p, unsigned long alignment, unsigned long size);
void free(void *p);
void exit(int status) __attribute__((noreturn));
void abort(void) __attribute__((noreturn));
char *getenv(const char *name);
unsigned long strtoul(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);

#endif
