/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the target of a request apart. */
#include "server/control/uri.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* "http://host/path": RFC 9112 3.2.2. */
static const char *skip_authority(const char *target)
{
	const char *colons = target[0] == '/' ? NULL : strstr(target, "://");

	if (!colons)
		return target;
	target = colons + 3;
	return target + strcspn(target, "/?");
}

int uri_init(struct uri *u, const char *target)
{
	u->path = strdup(skip_authority(target));
	if (!u->path)
		return -ENOMEM;
	u->path[strcspn(u->path, "#")] = '\0';
	u->query = u->path + strcspn(u->path, "?");
	if (*u->query)
		*u->query++ = '\0';
	return 0;
}

void uri_fini(struct uri *u)
{
	free(u->path);
	u->path = u->query = NULL;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes in place; false for a NUL. */
static bool decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		char c = *from;

		if (c == '+') {
			c = ' ';
		} else if (c == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
			c = (char)(hex(from[1]) << 4 | hex(from[2]));
			from += 2;
		}
		if (!c)
			return false;
		*to++ = c;
	}
	*to = '\0';
	return true;
}

/* One "name=value"; pair is changed. */
static int match(char *pair, const char *name, char **value)
{
	char *text = pair + strcspn(pair, "=");

	if (*text)
		*text++ = '\0';
	if (!decode(pair) || strcmp(pair, name))
		return 0;
	if (!decode(text))
		return -EINVAL;
	*value = strdup(text);
	return *value ? 1 : -ENOMEM;
}

int uri_query(const struct uri *u, const char *name, char **value)
{
	char *copy = strdup(u->query), *rest = copy, *pair;
	int res = copy ? 0 : -ENOMEM;

	while (res == 0 && (pair = strsep(&rest, "&")))
		res = match(pair, name, value);
	free(copy);
	return res;
}

static bool part_good(const char *part, size_t len)
{
	return len && !(len == 1 && part[0] == '.') && !(len == 2 && part[0] == '.' && part[1] == '.');
}

static bool text_good(const char *text)
{
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	json_t *utf8 = json_string(text); /* refuses what is not UTF-8 */
	json_decref(utf8);
	return utf8;
}

bool uri_path_good(const char *at)
{
	if (at[0] != '/' || strlen(at) > URI_AT_MAX || !text_good(at))
		return false;
	if (!at[1])
		return true;
	for (const char *part = at + 1;; part++) {
		size_t len = strcspn(part, "/");

		if (!part_good(part, len))
			return false;
		part += len;
		if (!*part)
			return true;
	}
}

/* Where the last part of a path of that length begins, with its slash. */
static size_t parent_of(const char *path, size_t len)
{
	while (len && path[--len] != '/')
		;
	return len;
}

void uri_path_normal(char *at)
{
	size_t to = 0;

	if (at[0] != '/')
		return;
	for (const char *part = at; *part;) {
		part += strspn(part, "/");
		size_t len = strcspn(part, "/");

		if (len == 2 && part[0] == '.' && part[1] == '.') {
			to = parent_of(at, to);
		} else if (part_good(part, len)) {
			at[to++] = '/';
			memmove(at + to, part, len);
			to += len;
		}
		part += len;
	}
	if (!to)
		at[to++] = '/';
	at[to] = '\0';
}

char *uri_path_clean(const char *given)
{
	char *at = given[0] == '/' ? strdup(given) : NULL;

	if (!at)
		return NULL;
	uri_path_normal(at);
	if (uri_path_good(at))
		return at;
	free(at);
	return NULL;
}
