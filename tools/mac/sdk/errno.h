/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Error numbers of Darwin that our sources name. */
#ifndef SDK_ERRNO_H
#define SDK_ERRNO_H

int *__error(void);
#define errno     (*__error())
#define ENOMEM    12
#define ETIMEDOUT 60

#endif
