/* SPDX-License-Identifier: Apache-2.0 */
/* Error object of the set-up path: an errno value and one line: what failed, where, what would be right. */
#ifndef GRAFT_LIB_ERROR_H
#define GRAFT_LIB_ERROR_H

#include <stdarg.h>

#define ERROR_TEXT_MAX 1024

/* Lives on the caller's stack; no clean-up needed. code 0: no error. */
struct graft_error {
	int code; /* positive errno value */
	char text[ERROR_TEXT_MAX];
};

/* Sets err (which may be NULL) and returns -code. A text too long is cut. Keeps errno. */
int error_set(struct graft_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int error_vset(struct graft_error *err, int code, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));
/* Puts "what: " before the text that is there; returns -err->code. */
int error_wrap(struct graft_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
