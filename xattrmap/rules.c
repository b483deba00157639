/* SPDX-License-Identifier: Apache-2.0 */
/* A list of rules: made rule by rule, a map written out as what it stands for, names matched with it. */
#include "xattrmap/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const xattrmap_types[] = { "prefix", "ok", "bad", "unsupported", "map", NULL };
const char *const xattrmap_scopes[] = { "", "client", "server", "all", NULL };

#define EXPANDED_MAX 3 /* rules that a map stands for */

struct xattrmap *xattrmap_new(void)
{
	struct xattrmap *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->written = calloc(XATTRMAP_RULES_MAX, sizeof(*map->written));
	map->rules = calloc(XATTRMAP_RULES_MAX + EXPANDED_MAX, sizeof(*map->rules));
	if (map->written && map->rules)
		return map;
	xattrmap_free(map);
	return NULL;
}

void xattrmap_free(struct xattrmap *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->nwritten; i++)
		free((char *)map->written[i].key);
	free(map->written);
	free(map->rules);
	free(map);
}

/* Key and prepend in one block, which the key's address frees. */
static char *copy_texts(const struct xattrmap_rule *rule)
{
	char *block = calloc(1, (size_t)rule->key_len + rule->prepend_len + 2);

	if (!block)
		return NULL;
	memcpy(block, rule->key, rule->key_len);
	memcpy(block + rule->key_len + 1, rule->prepend, rule->prepend_len);
	return block;
}

static void append(struct xattrmap *map, const struct xattrmap_rule *from, uint32_t type)
{
	struct xattrmap_rule *rule = &map->rules[map->nrules++];

	*rule = *from;
	rule->type = type;
	rule->scope = XATTRMAP_ALL;
}

/* What a map stands for: names are prefixed; who could meet on the other side is kept out; the rest passes, or is
 * hidden where everything is prefixed. */
static void append_map(struct xattrmap *map, const struct xattrmap_rule *written)
{
	struct xattrmap_rule other = *written, rest = *written;

	append(map, written, XATTRMAP_PREFIX);
	if (written->key_len) {
		other.key = written->prepend;
		other.key_len = written->prepend_len;
		other.prepend = written->key;
		other.prepend_len = written->key_len;
		append(map, &other, XATTRMAP_BAD);
	}
	rest.key = rest.prepend = "";
	rest.key_len = rest.prepend_len = 0;
	append(map, &rest, written->key_len ? XATTRMAP_OK : XATTRMAP_BAD);
}

int xattrmap_add(struct xattrmap *map, const struct xattrmap_rule *rule, struct graft_error *err)
{
	if (map->done)
		return error_set(err, EINVAL,
				 "a rule stands behind the map; a map must be the last rule, and the only map");
	if (map->nwritten == XATTRMAP_RULES_MAX)
		return error_set(err, E2BIG, "there are more than %d rules", XATTRMAP_RULES_MAX);
	if (rule->key_len > XATTRMAP_NAME_MAX || rule->prepend_len > XATTRMAP_NAME_MAX)
		return error_set(err, ENAMETOOLONG, "a %s of %u bytes matches no name: names have at most %d",
				 rule->key_len > XATTRMAP_NAME_MAX ? "KEY" : "PREPEND",
				 rule->key_len > XATTRMAP_NAME_MAX ? rule->key_len : rule->prepend_len,
				 XATTRMAP_NAME_MAX);
	struct xattrmap_rule *written = &map->written[map->nwritten];
	char *texts = copy_texts(rule);
	if (!texts)
		return error_set(err, ENOMEM, "out of memory");
	*written = *rule;
	written->key = texts;
	written->prepend = texts + rule->key_len + 1;
	written->number = (uint32_t)++map->nwritten;
	map->done = rule->type == XATTRMAP_MAP;
	if (map->done)
		append_map(map, written);
	else
		map->rules[map->nrules++] = *written;
	return 0;
}

int xattrmap_end(struct xattrmap *map, struct graft_error *err)
{
	static const struct xattrmap_rule last = { .key = "", .prepend = "" };

	if (!map->nwritten)
		return error_set(err, EINVAL, "there are no rules; \":ok:all:::\" is one that lets all names pass");
	/* A map's own last rule takes all names. */
	append(map, &last, XATTRMAP_BAD);
	return 0;
}

void xattrmap_one_line(struct graft_error *err)
{
	for (char *c = err ? err->text : ""; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
		/* U+0080 to U+009F, control characters too. */
		if ((unsigned char)c[0] == 0xc2 && ((unsigned char)c[1] & 0xe0) == 0x80)
			c[0] = c[1] = '?';
	}
}

static bool begins(const char *name, size_t len, const char *with, size_t with_len)
{
	return len >= with_len && memcmp(name, with, with_len) == 0;
}

const struct xattrmap_rule *xattrmap_find(const struct xattrmap *map, uint32_t scope, const char *name, size_t len)
{
	const struct xattrmap_rule *rule = map->rules;

	for (const struct xattrmap_rule *last = rule + map->nrules - 1; rule < last; rule++) {
		if (!(rule->scope & scope))
			continue;
		if (scope == XATTRMAP_CLIENT ? begins(name, len, rule->key, rule->key_len)
					     : begins(name, len, rule->prepend, rule->prepend_len))
			break;
	}
	return rule;
}
