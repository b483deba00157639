/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of a user's own from /etc/subuid and /etc/subgid: subuid(5), subgid(5). Lines of others are not looked at. */
#include "rules.h"

#include "number.h"

#include "lib/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A line of fields with ':' between them. */
struct line {
	const char *at, *end;
	unsigned number; /* from 1 */
};

struct field {
	const char *at;
	size_t len;
};

/* The next one of the text that ends at `end`; false at its end. */
static bool next_line(struct line *l, const char *end)
{
	if (l->number)
		l->at = l->end + 1;
	if (l->at >= end)
		return false;
	const char *lf = memchr(l->at, '\n', (size_t)(end - l->at));
	l->end = lf ? lf : end;
	l->number++;
	return true;
}

/* Cuts off the first field; false where the line has no more. */
static bool next_field(const char **at, const char *end, struct field *f)
{
	if (*at > end)
		return false;
	const char *colon = memchr(*at, ':', (size_t)(end - *at));
	f->at = *at;
	f->len = (size_t)((colon ? colon : end) - *at);
	*at = f->at + f->len + 1;
	return true;
}

static bool is(const struct field *f, const char *text)
{
	return *text && strlen(text) == f->len && memcmp(f->at, text, f->len) == 0;
}

static void keep(char *to, size_t size, const struct field *f)
{
	if (!*to && f->len < size)
		snprintf(to, size, "%.*s", (int)f->len, f->at);
}

int idmap_user_init(struct idmap_user *u, const char *user, const char *passwd, size_t len, struct graft_error *err)
{
	struct line l = { .at = passwd };
	char shown[NUMBER_SHOWN];
	size_t n = strlen(user);
	uint32_t id;

	*u = (struct idmap_user){ 0 };
	bool by_number = strspn(user, "0123456789") == n;
	if (!n || n >= sizeof(u->name) || strpbrk(user, ":\n") || (by_number && !number_parse(user, n, &id)))
		return error_set(err, EINVAL, "'%s' is neither the name nor the number of a user",
				 number_show(shown, user, n));
	if (by_number)
		snprintf(u->number, sizeof(u->number), "%u", id);
	else
		snprintf(u->name, sizeof(u->name), "%s", user);
	while (next_line(&l, passwd + len)) {
		struct field name, secret, number;
		const char *at = l.at;
		if (!next_field(&at, l.end, &name) || !next_field(&at, l.end, &secret) ||
		    !next_field(&at, l.end, &number))
			continue;
		if (!number_parse(number.at, number.len, &id) ||
		    (by_number ? !is(&number, u->number) : !is(&name, u->name)))
			continue;
		keep(u->name, sizeof(u->name), &name);
		keep(u->number, sizeof(u->number), &number);
		break;
	}
	return 0;
}

/* One line of the user's: its range, behind `guest` ids that have one. */
static int add_line(struct idmap *m, const struct line *l, const char *at, uint32_t *guest, struct graft_error *err)
{
	struct field first, count;
	uint32_t n[2];
	char rule[64];

	if (!next_field(&at, l->end, &first) || !next_field(&at, l->end, &count) || at <= l->end)
		return error_set(err, EINVAL, "a range is written NAME:START:COUNT");
	if (!number_parse(first.at, first.len, &n[0]))
		return number_refuse(first.at, first.len, err);
	if (!number_parse(count.at, count.len, &n[1]))
		return number_refuse(count.at, count.len, err);
	snprintf(rule, sizeof(rule), "map:%u:%u:%u", *guest, n[0], n[1]);
	int res = idmap_add_rule(m, rule, err);
	if (res == 0)
		*guest += n[1];
	return res;
}

int idmap_add_subids(struct idmap *m, const struct idmap_user *u, const char *file, const char *text, size_t len,
		     struct graft_error *err)
{
	struct line l = { .at = text };
	uint32_t guest = 0;

	while (next_line(&l, text + len)) {
		struct field who;
		const char *at = l.at;
		if (!next_field(&at, l.end, &who) || (!is(&who, u->name) && !is(&who, u->number)))
			continue;
		int res = add_line(m, &l, at, &guest, err);
		if (res < 0)
			return error_wrap(err, "%s:%u", file, l.number);
	}
	if (guest)
		return 0;
	return error_set(err, ENOENT, "%s has no range for '%s'", file, *u->name ? u->name : u->number);
}
