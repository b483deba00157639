/* SPDX-License-Identifier: Apache-2.0 */
/* TYPE SEP n SEP n [SEP n], virtiofsd 1.14's syntax (reference 7.1), and UID:GID. */
#include "rules.h"

#include "number.h"

#include "lib/error.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define FIELDS_MAX 3

/* What a type's numbers are, and what becomes of them. */
struct type {
	const char *name;
	const char *form;
	unsigned nfields;
	enum idmap_kind kind;
	bool to_host, to_guest;
};

static const struct type types[] = {
	{ "guest", "guest:GUEST:HOST:COUNT", 3, IDMAP_SHIFT, true, false },
	{ "host", "host:HOST:GUEST:COUNT", 3, IDMAP_SHIFT, false, true },
	{ "squash-guest", "squash-guest:GUEST:HOST:COUNT", 3, IDMAP_SQUASH, true, false },
	{ "squash-host", "squash-host:HOST:GUEST:COUNT", 3, IDMAP_SQUASH, false, true },
	{ "map", "map:GUEST:HOST:COUNT", 3, IDMAP_SHIFT, true, true },
	{ "forbid-guest", "forbid-guest:GUEST:COUNT", 2, IDMAP_FORBID, true, false },
};

/* Bytes of the separator at s: a character of UTF-8, or a byte that begins none. */
static size_t separator_len(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t len = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;

	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
	}
	return len;
}

static bool in_type(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static const struct type *find_type(const char *text, size_t len)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strlen(types[i].name) == len && strncasecmp(types[i].name, text, len) == 0)
			return &types[i];
	}
	return NULL;
}

/* The fields behind the type; how many there are, of which at most FIELDS_MAX are kept. -EINVAL. */
static int take_numbers(const char *at, uint32_t *n, struct graft_error *err)
{
	size_t sep_len = separator_len(at);
	const char *sep = at;
	int count = 0;

	while (at) {
		const char *field = at + sep_len, *end = field;
		uint32_t number;
		while (*end && strncmp(end, sep, sep_len) != 0)
			end++;
		if (!number_parse(field, (size_t)(end - field), &number))
			return number_refuse(field, (size_t)(end - field), err);
		if (count < FIELDS_MAX)
			n[count] = number;
		if (count <= FIELDS_MAX)
			count++;
		at = *end ? end : NULL;
	}
	return count;
}

/* base..base+count lies below IDMAP_NONE. */
static int check_range(const char *what, uint32_t base, uint32_t count, struct graft_error *err)
{
	if (count <= IDMAP_NONE - base)
		return 0;
	return error_set(err, EINVAL, "%u %s ids from %u on go beyond %u, the last there is", count, what, base,
			 IDMAP_NONE - 1);
}

static int add(struct idmap *m, const struct type *t, uint32_t first, uint32_t to, uint32_t count,
	       struct graft_error *err)
{
	const char *source = t->to_host ? "guest" : "host", *target = t->to_host ? "host" : "guest";
	int res = check_range(source, first, count, err);

	if (res == 0 && t->kind == IDMAP_SHIFT)
		res = check_range(target, to, count, err);
	if (res == 0 && t->kind == IDMAP_SQUASH && to == IDMAP_NONE)
		res = error_set(err, EINVAL, "%u is no %s id; the last is %u", to, target, IDMAP_NONE - 1);
	if (res == 0 && t->to_host)
		res = idmap_add(&m->to_host, "guest", first, count, to, t->kind, err);
	if (res == 0 && t->to_guest)
		res = t->to_host ? idmap_add(&m->to_guest, "host", to, count, first, t->kind, err)
				 : idmap_add(&m->to_guest, "host", first, count, to, t->kind, err);
	return res;
}

int idmap_add_rule(struct idmap *m, const char *text, struct graft_error *err)
{
	uint32_t n[FIELDS_MAX] = { 0 };
	char shown[NUMBER_SHOWN];
	const struct type *t;
	size_t len = 0;

	while (in_type(text[len]))
		len++;
	t = find_type(text, len);
	if (!t)
		return error_set(err, EINVAL,
				 "'%s' is no type of rule; there are guest, host, squash-guest, squash-host, map and "
				 "forbid-guest",
				 number_show(shown, text, len));
	int got = text[len] ? take_numbers(text + len, n, err) : 0;
	if (got < 0)
		return error_wrap(err, "%s", t->form);
	if ((unsigned)got != t->nfields)
		return error_set(err, EINVAL, "%s wants %u numbers, not %s%d", t->form, t->nfields,
				 got > FIELDS_MAX ? "more than " : "", got > FIELDS_MAX ? FIELDS_MAX : got);
	if (t->kind == IDMAP_FORBID)
		return add(m, t, n[0], 0, n[1], err);
	return add(m, t, n[0], n[1], n[2], err);
}

int idmap_parse_pair(const char *text, uint32_t *uid, uint32_t *gid, struct graft_error *err)
{
	const char *colon = strchr(text, ':');
	char shown[NUMBER_SHOWN];

	if (colon && number_parse(text, (size_t)(colon - text), uid) &&
	    number_parse(colon + 1, strlen(colon + 1), gid) && *uid != IDMAP_NONE && *gid != IDMAP_NONE)
		return 0;
	return error_set(err, EINVAL, "'%s' is not UID:GID, two numbers up to %u",
			 number_show(shown, text, strlen(text)), IDMAP_NONE - 1);
}
