/* SPDX-License-Identifier: Apache-2.0 */
/* Values of virtiofsd's options: numbers, the tag, maps of ids, rules for names of extended attributes. */
#include "server/virtiofsd/values.h"

#include "server/config_internal.h"
#include "xattrmap/rules.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define FD_MAX 1073741816  /* NR_OPEN of Linux */
#define TRANSLATE_FIELDS 3 /* at most */

/* Digits from *text on, a plus before them perhaps, at most max; *text is moved behind them. */
static bool take_number(const char **text, uint64_t max, uint64_t *n)
{
	const char *p = *text + (**text == '+');

	if (!isdigit((unsigned char)*p))
		return false;
	for (*n = 0; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, (uint64_t)(*p - '0'), n) ||
		    *n > max)
			return false;
	}
	*text = p;
	return true;
}

bool vfsd_number(const char *text, uint64_t *n)
{
	return take_number(&text, UINT64_MAX, n) && *text == '\0';
}

int vfsd_check_number(const char *value, struct graft_error *err)
{
	uint64_t n;

	return vfsd_number(value, &n) ? 0 : error_set(err, EINVAL, "must be a whole number, 0 or more");
}

int vfsd_check_fd(const char *value, struct graft_error *err)
{
	uint64_t n;

	if (vfsd_number(value, &n) && n <= FD_MAX)
		return 0;
	return error_set(err, EINVAL, "must be the number of an open descriptor, 0 to %d", FD_MAX);
}

int vfsd_check_tag(const char *value, struct graft_error *err)
{
	size_t len = strlen(value), i = 0;

	for (size_t n = 1; i < len && n > 0; i += n) {
		uint32_t c;
		n = config_utf8((const unsigned char *)value + i, &c);
		if (n == 0)
			return error_set(err, EINVAL, "must be UTF-8; byte %zu is not", i + 1);
	}
	if (len >= 1 && len <= CONFIG_TAG_MAX)
		return 0;
	return error_set(err, EINVAL, "must have 1 to %d bytes, not %zu", CONFIG_TAG_MAX, len);
}

int vfsd_check_seconds(const char *value, struct graft_error *err)
{
	size_t whole = strspn(value, "0123456789"), dot = value[whole] == '.';
	size_t part = dot ? strspn(value + whole + 1, "0123456789") : 0;

	if (whole > 0 && whole <= 9 && value[whole + dot + part] == '\0' && (!dot || (part > 0 && part <= 9)))
		return 0;
	return error_set(err, EINVAL, "must be a number of seconds, such as 1 or 0.5");
}

int vfsd_check_xattrmap(const char *value, struct graft_error *err)
{
	static const struct xattrmap_source from = { .name = "the rules" };
	struct xattrmap *map;

	if (xattrmap_is_path(value))
		return 0;
	map = xattrmap_parse_rules(value, strlen(value), &from, err);
	if (!map)
		return -err->code;
	xattrmap_free(map);
	return 0;
}

/* The delimiter is a byte, which is what it is made of in practice; virtiofsd's is a character. */
static bool split_id_map(const char *value, uint32_t n[3])
{
	char delimiter = *value;
	const char *p = value;

	if (delimiter == '\0' || isalnum((unsigned char)delimiter))
		return false;
	for (int i = 0; i < 3; i++) {
		uint64_t number;
		if (*p++ != delimiter || !take_number(&p, UINT32_MAX, &number))
			return false;
		n[i] = (uint32_t)number;
	}
	return p[0] == delimiter && p[1] == '\0';
}

int vfsd_check_id_map(const char *value, struct graft_error *err)
{
	uint32_t n[3];

	if (split_id_map(value, n))
		return 0;
	return error_set(err, EINVAL,
			 "must be :INSIDE:OUTSIDE:COUNT:, three numbers of at most 4294967295 with the "
			 "same delimiter at both ends and between them");
}

void vfsd_id_map(const char *value, uint32_t n[3])
{
	if (!split_id_map(value, n))
		memset(n, 0, 3 * sizeof(*n));
}

/* Types of rules and how many numbers each has. */
static const struct {
	const char *name;
	int fields;
} translate_types[] = {
	{ "guest", 3 }, { "host", 3 }, { "squash-guest", 3 }, { "squash-host", 3 }, { "map", 3 }, { "forbid-guest", 2 },
};

/* Numbers of the type whose len bytes stand at text, 0 if there is none. */
static int fields_of(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(translate_types) / sizeof(translate_types[0]); i++) {
		const char *name = translate_types[i].name;
		if (strlen(name) == len && strncasecmp(name, text, len) == 0)
			return translate_types[i].fields;
	}
	return 0;
}

/* Bytes of the separator: a character of UTF-8, or a byte that begins none. */
static size_t separator(const char *p)
{
	uint32_t c;
	size_t len = config_utf8((const unsigned char *)p, &c);

	return len > 0 ? len : 1;
}

int vfsd_check_translate(const char *value, struct graft_error *err)
{
	size_t len = 0, sep_len;
	int n = 0;

	while (isalnum((unsigned char)value[len]) || value[len] == '-' || value[len] == '_')
		len++;
	int fields = fields_of(value, len);
	if (fields == 0)
		return error_set(err, EINVAL,
				 "'%.*s' is no type of rule; there are guest, host, squash-guest, "
				 "squash-host, map and forbid-guest",
				 (int)(len < 40 ? len : 40), value);
	const char *sep = value + len, *p = sep;
	sep_len = *sep ? separator(sep) : 0;
	while (*p && strncmp(p, sep, sep_len) == 0) {
		uint64_t number;
		p += sep_len;
		if (n++ == TRANSLATE_FIELDS || !take_number(&p, UINT32_MAX, &number))
			break;
	}
	if (*p == '\0' && n == fields && p[-1] >= '0' && p[-1] <= '9')
		return 0;
	return error_set(err, EINVAL,
			 "%.*s has %d numbers of at most 4294967295, each behind the same separator: %.*s%s", (int)len,
			 value, fields, (int)len, value, fields == 3 ? ":FROM:TO:COUNT" : ":FROM:COUNT");
}
