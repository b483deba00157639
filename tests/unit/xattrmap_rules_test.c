/* SPDX-License-Identifier: Apache-2.0 */
/* Rules in virtiofsd's syntax: the grammar, which rule takes a name, limits, and what is written reads the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "xattrmap/rules.h"
#include "xattrmap_cases.h"

#include <string.h>

static const struct xattrmap_source key = { "map", false }, file = { "t.rules", true };

/* All rules but the implicit last one, as the cases write them. The caller frees it. */
static char *describe(const struct xattrmap *map)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	for (size_t i = 0; i + 1 < map->nrules; i++) {
		const struct xattrmap_rule *r = &map->rules[i];
		assert_int_equal(r->key_len, strlen(r->key));
		assert_int_equal(r->prepend_len, strlen(r->prepend));
		fprintf(to, "%s%s %s [%s] [%s]", i ? "; " : "", xattrmap_types[r->type], xattrmap_scopes[r->scope],
			r->key, r->prepend);
	}
	fclose(to);
	return text;
}

static struct xattrmap *parse(const char *text)
{
	struct graft_error err = { 0 };
	struct xattrmap *map = xattrmap_parse_rules(text, strlen(text), &key, &err);

	if (!map)
		print_error("%s: %s\n", text, err.text);
	assert_non_null(map);
	return map;
}

static void test_grammar(void **state)
{
	(void)state;
	assert_true(XATTRMAP_NCASES >= 80);
	for (size_t i = 0; i < XATTRMAP_NCASES; i++) {
		const struct xattrmap_case *c = &xattrmap_cases[i];
		struct graft_error err = { 0 };
		struct xattrmap *map = xattrmap_parse_rules(c->text, strlen(c->text), &key, &err);
		auto_free char *got = map ? describe(map) : NULL;

		if ((!map != !c->rules) || (map && strcmp(got, c->rules) != 0) || (!map && !strstr(err.text, c->error)))
			fail_msg("\"%s\" gives \"%s\", not \"%s\"", c->text, map ? got : err.text,
				 c->rules ? c->rules : c->error);
		if (!map)
			assert_true(err.code > 0 && strncmp(err.text, "map: ", 5) == 0 && !strchr(err.text, '\n'));
		xattrmap_free(map);
	}
}

/* Reading what was written gives the same rules again, by either way. */
static void test_writing(void **state)
{
	(void)state;
	for (size_t i = 0; i < XATTRMAP_NCASES; i++) {
		if (!xattrmap_cases[i].rules)
			continue;
		struct xattrmap *map = parse(xattrmap_cases[i].text);
		for (int xml = 0; xml < 2; xml++) {
			auto_free char *text = NULL, *again = NULL;
			size_t len;
			struct graft_error err = { 0 };
			FILE *to = open_memstream(&text, &len);
			if (xml)
				xattrmap_write_xml(map, to);
			else
				assert_int_equal(xattrmap_write_rules(map, to, &err), 0);
			fclose(to);
			struct xattrmap *read = xattrmap_parse(text, len, &file, &err);
			if (!read)
				fail_msg("%s: %s\n%s", xattrmap_cases[i].text, err.text, text);
			again = describe(read);
			assert_string_equal(again, xattrmap_cases[i].rules);
			assert_int_equal(read->nwritten, map->nwritten);
			xattrmap_free(read);
		}
		xattrmap_free(map);
	}
}

static const struct {
	const char *rules;
	uint32_t scope;
	const char *name;
	uint32_t type;
	uint32_t number;
} matches[] = {
	{ ":map::user.v.:", XATTRMAP_CLIENT, "user.a", XATTRMAP_PREFIX, 1 },
	{ ":map::user.v.:", XATTRMAP_SERVER, "user.v.user.a", XATTRMAP_PREFIX, 1 },
	{ ":map::user.v.:", XATTRMAP_SERVER, "user.v.", XATTRMAP_PREFIX, 1 },
	{ ":map::user.v.:", XATTRMAP_SERVER, "user.v", XATTRMAP_BAD, 1 },
	{ ":map::user.v.:", XATTRMAP_SERVER, "trusted.a", XATTRMAP_BAD, 1 },
	{ ":map:trusted.:user.v.:", XATTRMAP_CLIENT, "trusted.a", XATTRMAP_PREFIX, 1 },
	{ ":map:trusted.:user.v.:", XATTRMAP_CLIENT, "user.v.trusted.a", XATTRMAP_BAD, 1 },
	{ ":map:trusted.:user.v.:", XATTRMAP_CLIENT, "user.a", XATTRMAP_OK, 1 },
	{ ":map:trusted.:user.v.:", XATTRMAP_SERVER, "trusted.a", XATTRMAP_BAD, 1 },
	{ ":map:trusted.:user.v.:", XATTRMAP_SERVER, "user.v.trusted.a", XATTRMAP_PREFIX, 1 },
	{ ":map:trusted.:user.v.:", XATTRMAP_SERVER, "user.b", XATTRMAP_OK, 1 },
	/* order, scopes */
	{ ":bad:client:user.a:: :ok:all:::", XATTRMAP_CLIENT, "user.ab", XATTRMAP_BAD, 1 },
	{ ":bad:client:user.a:: :ok:all:::", XATTRMAP_SERVER, "user.ab", XATTRMAP_OK, 2 },
	{ ":ok:all::: :bad:all:::", XATTRMAP_CLIENT, "x", XATTRMAP_OK, 1 },
	{ ":unsupported:server:x:user.: :ok:all:::", XATTRMAP_SERVER, "user.a", XATTRMAP_UNSUPPORTED, 1 },
	{ ":unsupported:server:x:user.: :ok:all:::", XATTRMAP_CLIENT, "user.a", XATTRMAP_OK, 2 },
	/* a client's name is held against KEY only, a host's against PREPEND only */
	{ ":ok:all:a:b:", XATTRMAP_CLIENT, "a", XATTRMAP_OK, 1 },
	{ ":ok:all:a:b:", XATTRMAP_SERVER, "b", XATTRMAP_OK, 1 },
	{ ":ok:all:a:b:", XATTRMAP_CLIENT, "b", XATTRMAP_BAD, 0 },
	{ ":ok:all:a:b:", XATTRMAP_SERVER, "a", XATTRMAP_BAD, 0 },
	/* the implicit end, where virtiofsd panics */
	{ ":ok:client:user.::", XATTRMAP_CLIENT, "security.capability", XATTRMAP_BAD, 0 },
	{ ":ok:client:::", XATTRMAP_SERVER, "user.a", XATTRMAP_BAD, 0 },
	{ ":prefix:server::p.:", XATTRMAP_CLIENT, "user.a", XATTRMAP_BAD, 0 },
	/* bytes */
	{ ":ok:all:\xc3\xa9:\xc3\xa9:", XATTRMAP_CLIENT, "\xc3\xa9t\xc3\xa9", XATTRMAP_OK, 1 },
	{ ":ok:all:\xc3\xa9:\xc3\xa9:", XATTRMAP_CLIENT, "\xe9", XATTRMAP_BAD, 0 },
	{ ":ok:all:\xff:\xff:", XATTRMAP_SERVER, "\xff\x01", XATTRMAP_OK, 1 },
};

static void test_matching(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		struct xattrmap *map = parse(matches[i].rules);
		const struct xattrmap_rule *r =
			xattrmap_find(map, matches[i].scope, matches[i].name, strlen(matches[i].name));
		if (r->type != matches[i].type || r->number != matches[i].number)
			fail_msg("%s: %s by rule %u is %s", matches[i].rules, matches[i].name, r->number,
				 xattrmap_types[r->type]);
		xattrmap_free(map);
	}
}

static void refuse(const char *text, size_t len, const struct xattrmap_source *from, const char *why)
{
	struct graft_error err = { 0 };

	assert_null(xattrmap_parse(text, len, from, &err));
	if (!strstr(err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void test_limits(void **state)
{
	auto_free char *text = malloc(XATTRMAP_FILE_MAX + 2);
	size_t len = 0;
	struct xattrmap *map;
	(void)state;

	for (int i = 0; i < XATTRMAP_RULES_MAX; i++)
		len += (size_t)sprintf(text + len, ":ok:all:a%d:b:\n", i);
	map = parse(text);
	assert_int_equal(map->nwritten, XATTRMAP_RULES_MAX);
	xattrmap_free(map);
	sprintf(text + len, ":map:a:b:");
	refuse(text, strlen(text), &file, "t.rules:1025: rule 1025: there are more than 1024 rules");

	len = (size_t)sprintf(text, ":prefix:all:%0255d:%0255d:", 1, 2);
	xattrmap_free(parse(text));
	sprintf(text, ":prefix:all:%0256d::", 1);
	refuse(text, strlen(text), &key, "map: rule 1: a KEY of 256 bytes matches no name: names have at most 255");
	sprintf(text, ":prefix:all::%0300d:", 1);
	refuse(text, strlen(text), &key, "a PREPEND of 300 bytes");
	memset(text, ' ', XATTRMAP_FILE_MAX + 1);
	memcpy(text, ":ok:all:::", 10);
	map = xattrmap_parse(text, XATTRMAP_FILE_MAX, &file, NULL);
	assert_non_null(map);
	xattrmap_free(map);
	refuse(text, XATTRMAP_FILE_MAX + 1, &file, "t.rules: rules of more than 262144 bytes");
	refuse(":ok:all:\0::", 11, &key, "map: byte 8 is a NUL");
	refuse("\n\n:ok:all:::\n:nope:", 19, &file, "t.rules:4: rule 2: type 'nope'");
	refuse(" ", 1, &file, "t.rules: there are no rules");
}

static void test_kinds(void **state)
{
	static const char *const paths[] = { "/etc/graftfs/x.xml", "/", "/m", "/map", "//map/x", "/mapper/x/y/" };
	static const char *const rules[] = { "/map/a/b/", "/ok/all///", "/prefix/nonsense", ":ok:all:::", "", "x" };
	(void)state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_true(xattrmap_is_path(paths[i]));
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		assert_false(xattrmap_is_path(rules[i]));
	assert_true(xattrmap_is_xml("<xattrmap/>", 11));
	assert_true(xattrmap_is_xml(" \n<?xml", 7));
	assert_true(xattrmap_is_xml("<", 1));
	assert_false(xattrmap_is_xml("<map<a<b<", 9));
	assert_false(xattrmap_is_xml("", 0));
}

/* Every character that could be a delimiter stands in a name. */
static void test_no_delimiter(void **state)
{
	char text[600], name[256];
	struct graft_error err = { 0 };
	FILE *null = fopen("/dev/null", "w");
	size_t n = 0;
	(void)state;

	for (int c = 0x21; c < 0x7f; c++)
		name[n++] = (char)c;
	name[n] = '\0';
	snprintf(text, sizeof(text), "\001ok\001all\001a\001b\001 \001ok\001all\001%s\001\001", name);
	struct xattrmap *map = parse(text);
	assert_int_equal(xattrmap_write_rules(map, null, &err), -EINVAL);
	assert_non_null(strstr(err.text, "rule 2: its names leave no character to be the delimiter"));
	fclose(null);
	xattrmap_free(map);
	xattrmap_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar), cmocka_unit_test(test_writing), cmocka_unit_test(test_matching),
		cmocka_unit_test(test_limits),  cmocka_unit_test(test_kinds),   cmocka_unit_test(test_no_delimiter),
	};
	return cmocka_run_group_tests_name("xattrmap-rules", tests, NULL, NULL);
}
