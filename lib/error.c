/* SPDX-License-Identifier: Apache-2.0 */
/* Error object: format, and put what was tried before what happened. */
#include "lib/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int error_vset(struct graft_error *err, int code, const char *fmt, va_list ap)
{
	if (!err)
		return -code;
	int saved = errno;
	err->code = code;
	if (vsnprintf(err->text, sizeof(err->text), fmt, ap) < 0)
		err->text[0] = '\0';
	errno = saved;
	return -code;
}

int error_set(struct graft_error *err, int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int res = error_vset(err, code, fmt, ap);
	va_end(ap);
	return res;
}

int error_wrap(struct graft_error *err, const char *fmt, ...)
{
	if (!err)
		return -EINVAL;
	int saved = errno;
	char before[ERROR_TEXT_MAX], after[ERROR_TEXT_MAX];
	va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(before, sizeof(before), fmt, ap) < 0)
		before[0] = '\0';
	va_end(ap);
	memcpy(after, err->text, sizeof(after));
	if (snprintf(err->text, sizeof(err->text), "%s: %s", before, after) < 0)
		err->text[0] = '\0';
	errno = saved;
	return -err->code;
}
