/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal numbers of 32 bits, and texts in messages. */
#include "number.h"

#include "lib/error.h"

#include <errno.h>
#include <string.h>

bool number_parse(const char *text, size_t len, uint32_t *n)
{
	uint64_t value = 0;
	size_t i = len && text[0] == '+';

	if (i == len)
		return false;
	for (; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text[i] - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*n = (uint32_t)value;
	return true;
}

int number_refuse(const char *text, size_t len, struct graft_error *err)
{
	char shown[NUMBER_SHOWN];

	return error_set(err, EINVAL, "'%s' is no decimal number from 0 to %u", number_show(shown, text, len),
			 UINT32_MAX);
}

const char *number_show(char to[NUMBER_SHOWN], const char *text, size_t len)
{
	size_t n = len < NUMBER_SHOWN ? len : NUMBER_SHOWN - 4;

	for (size_t i = 0; i < n; i++)
		to[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?';
	memcpy(to + n, n < len ? "..." : "", n < len ? 4 : 1);
	return to;
}
