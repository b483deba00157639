/* SPDX-License-Identifier: Apache-2.0 */
/* The last errors that were logged, for who asks a running server what went wrong. */
#ifndef GRAFT_LIB_LOG_ERRORS_H
#define GRAFT_LIB_LOG_ERRORS_H

#include <stddef.h>

#define LOG_ERRORS_MAX 500        /* as many, */
#define LOG_ERRORS_SIZE (50 << 10) /* and so many bytes; older ones are dropped */

/* Any thread; a line as it stands in the log, without its head. object may be NULL. */
void log_errors_add(const char *object, const char *text);
/* Calls fn for each, oldest first: "Sun, 06 Nov 1994 08:49:37 GMT - OBJECT: TEXT". fn must not log. */
void log_errors_each(void (*fn)(const char *line, void *arg), void *arg);
/* Forgets them all. */
void log_errors_clear(void);

#endif
