/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Output, as far as our sources use it. */
#ifndef SDK_STDIO_H
#define SDK_STDIO_H

#include <stdarg.h>
#include <stddef.h>

typedef struct sdk_file FILE;
extern FILE *__stdinp, *__stdoutp, *__stderrp;
#define stdin  __stdinp
#define stdout __stdoutp
#define stderr __stderrp
#define EOF    (-1)

FILE *fopen(const char *path, const char *mode);
int fclose(FILE *file);
int fflush(FILE *file);
int ferror(FILE *file);
int fputc(int c, FILE *file);
int fputs(const char *text, FILE *file);
int putchar(int c);
int puts(const char *text);
unsigned long fread(void *data, unsigned long size, unsigned long n, FILE *file);
unsigned long fwrite(const void *data, unsigned long size, unsigned long n, FILE *file);
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
int snprintf(char *text, unsigned long size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int vfprintf(FILE *file, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
int vsnprintf(char *text, unsigned long size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
int sscanf(const char *text, const char *format, ...) __attribute__((format(scanf, 2, 3)));

#endif
