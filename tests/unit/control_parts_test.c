/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the control API alone: targets, bodies, answers. */
#include "control_rig.h"

#include "server/control/answer.h"
#include "server/control/body.h"
#include "server/control/spec.h"
#include "server/control/uri.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void targets_are_taken_apart(void **state)
{
	static const struct {
		const char *target, *path, *query;
	} rows[] = {
		{ "/a/b", "/a/b", "" },
		{ "/a?b=c&d", "/a", "b=c&d" },
		{ "/a?b?c", "/a", "b?c" },
		{ "/a#b?c", "/a", "" },
		{ "http://host/a?b", "/a", "b" },
		{ "http://host:80?b", "", "b" },
		{ "http://host", "", "" },
		{ "/a?u=http://x/y", "/a", "u=http://x/y" },
		{ "", "", "" },
		{ "?", "", "" },
		{ "*", "*", "" },
	};
	struct uri u;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(uri_init(&u, rows[i].target), 0);
		assert_string_equal(u.path, rows[i].path);
		assert_string_equal(u.query, rows[i].query);
		uri_fini(&u);
	}
}

static void queries_are_decoded(void **state)
{
	static const struct {
		const char *target, *name;
		int res;
		const char *value;
	} rows[] = {
		{ "/?at=/x", "at", 1, "/x" },
		{ "/?at", "at", 1, "" },
		{ "/?at=", "at", 1, "" },
		{ "/?at2=1", "at", 0, NULL },
		{ "/", "at", 0, NULL },
		{ "/?&&at=1&&at=2", "at", 1, "1" },
		{ "/?at=a%2", "at", 1, "a%2" },
		{ "/?at=%", "at", 1, "%" },
		{ "/?at=%4G%41", "at", 1, "%4GA" },
		{ "/?at=%00", "at", -EINVAL, NULL },
		{ "/?%00=1&at=2", "at", 1, "2" },
		{ "/?at=x+y%2By", "at", 1, "x y+y" },
		{ "/?%61%74=%e4%ff", "at", 1, "\xe4\xff" },
		{ "/?at=a;b", "at", 1, "a;b" },
	};
	struct uri u;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *value = NULL;

		assert_int_equal(uri_init(&u, rows[i].target), 0);
		assert_int_equal(uri_query(&u, rows[i].name, &value), rows[i].res);
		if (rows[i].res == 1)
			assert_string_equal(value, rows[i].value);
		else
			assert_null(value);
		free(value);
		uri_fini(&u);
	}
}

static void mount_paths_are_strict(void **state)
{
	static const char *const good[] = { "/", "/a", "/a/b", "/...", "/.a", "/a.", "/ ", "/\xc3\xbc" };
	static const char *const bad[] = { "",     "a",     "//",  "/a/",     "/a//b", "/.",  "/..",
					   "/a/.", "/a/..", "./a", "/\xc3/a", "/\xff", "/\n", "/\x7f" };
	char path[URI_AT_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(uri_path_good(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(uri_path_good(bad[i]));
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[URI_AT_MAX + 1] = '\0';
	assert_false(uri_path_good(path));
	path[URI_AT_MAX] = '\0';
	assert_true(uri_path_good(path));
}

/* As nydusd takes them. */
static void mount_paths_are_cleaned(void **state)
{
	static const struct {
		const char *given, *at;
	} rows[] = {
		{ "/", "/" },          { "//", "/" },         { "/x", "/x" },        { "/x/", "/x" },
		{ "/a//b", "/a/b" },   { "/a/./b/.", "/a/b" }, { "/a/../b", "/b" },  { "/..", "/" },
		{ "/../x", "/x" },     { "/a/b/../..", "/" }, { "/.../x", "/.../x" }, { "/a/../d/./e//", "/d/e" },
		{ "/a/b/../../c", "/c" }, { "x", NULL },      { "", NULL },          { "./x", NULL },
		{ "/\xff", NULL },     { "/a\nb", NULL },
	};
	char path[URI_AT_MAX + 3] = "/";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *at = uri_path_clean(rows[i].given);

		assert_int_equal(at != NULL, rows[i].at != NULL);
		if (at)
			assert_string_equal(at, rows[i].at);
		free(at);
	}
	memset(path + 1, 'x', URI_AT_MAX);
	assert_null(uri_path_clean(path));
	path[1] = '/';
	char *at = uri_path_clean(path);
	assert_int_equal(strlen(at), URI_AT_MAX);
	free(at);
}

static void bodies_are_bounded_in_depth(void **state)
{
	struct body_error e;
	char text[2 * BODY_DEPTH_MAX + 4];

	(void)state;
	for (int depth = BODY_DEPTH_MAX; depth <= BODY_DEPTH_MAX + 1; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		json_t *value = body_parse(text, 2 * (size_t)depth, &e);
		assert_int_equal(value != NULL, depth <= BODY_DEPTH_MAX);
		json_decref(value);
	}
	assert_string_equal(e.text, "recursion limit exceeded");
	/* Brackets in a text do not count, nor does a quotation mark behind a backslash end it. */
	json_t *value = body_parse("\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"", 42, &e);
	assert_non_null(value);
	json_decref(value);
}

static void bodies_are_strict(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"{}{}",
		"{'a':1}",
		"{\"a\":1,}",
		"{\"a\":1,\"a\":2}",
		"\"\\u0000\"",
		"{\"a\":\"\xff\"}",
		"\"\xc0\x80\"",
		"\"a\nb\"",
		"{\"\\u0000\":1}",
		"nul",
		"\"\\ud800\"",
		"1e999",
		"[1 2]",
		"\"a",
	};
	struct body_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e.text[0] = '\0';
		if (body_parse(bad[i], strlen(bad[i]), &e))
			fail_msg("taken: %s", bad[i]);
		assert_true(e.text[0] && e.line >= 1 && e.column >= 0);
	}
	assert_null(body_parse("{\"a\":\"x\0y\"}", 11, &e));
	assert_null(body_parse("{}\0", 3, &e));
}

static void errors_stay_json(void **state)
{
	struct answer a = { 0 };

	(void)state;
	answer_error(&a, 404, ENOENT, "%s", "a \"b\" \xff\xfe \n");
	assert_string_equal(a.body, "{\"error\":{\"code\":\"ENOENT\",\"errno\":2,\"message\":\"a \\\"b\\\" ?? \\n\"}}");
	answer_error(&a, 500, 9999, "x");
	assert_non_null(strstr(a.body, "\"code\":\"EIO\",\"errno\":9999"));
	answer_nydus(&a, 500, "X(", "a\"b\\c\n\r\t\x01\x7f'\xff", ")");
	assert_string_equal(a.body,
			    "{\"code\":\"UNDEFINED\",\"message\":\"X(\\\"a\\\\\\\"b\\\\\\\\c\\\\n\\\\r\\\\t\\\\u{1}"
			    "\\\\u{7f}'?\\\")\"}");
	answer_json(&a, 200, NULL);
	assert_int_equal(a.status, 500);
	assert_null(a.type);
	answer_fini(&a);
}

/* Keys stand in the order that config_mount_new takes. */
static void keys_are_in_order(void **state)
{
	static const char *const names[] = { "at", "type", "layers", "source", "uid", "uid", "idmap.gid" };
	struct graft_error err;
	struct body_error e;
	struct spec s;
	const char *text = "{\"config\":{\"source\":\"/s\",\"uid\":[1,2],\"idmap\":{\"gid\":\"g\"}},\"name\":\"n\","
			   "\"layers\":[\"idmap\",\"x:y\"],\"type\":\"memory\"}";
	json_t *body = body_parse(text, strlen(text), &e);

	(void)state;
	assert_non_null(body);
	assert_int_equal(spec_from_graft(&s, "/m", body, &err), 0);
	assert_int_equal(s.mount.nkeys, 7);
	for (size_t i = 0; i < 7; i++)
		assert_string_equal(s.mount.keys[i].name, names[i]);
	assert_string_equal(s.mount.keys[2].value, "idmap x:y");
	assert_string_equal(s.mount.keys[5].value, "2");
	assert_string_equal(s.mount.name, "n");
	spec_fini(&s);
	json_decref(body);
}

static void keys_are_bounded(void **state)
{
	struct graft_error err;
	struct spec s;
	json_t *list = json_array(), *body = json_pack("{s:s, s:{s:o}}", "type", "memory", "config", "uid", list);

	(void)state;
	for (int i = 0; i < SPEC_KEYS_MAX - 2; i++)
		json_array_append_new(list, json_integer(i));
	assert_int_equal(spec_from_graft(&s, "/m", body, &err), 0);
	spec_fini(&s);
	json_array_append_new(list, json_integer(1));
	assert_int_equal(spec_from_graft(&s, "/m", body, &err), -E2BIG);
	spec_fini(&s);
	json_decref(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_taken_apart), cmocka_unit_test(queries_are_decoded),
		cmocka_unit_test(mount_paths_are_strict),  cmocka_unit_test(bodies_are_bounded_in_depth), cmocka_unit_test(mount_paths_are_cleaned),
		cmocka_unit_test(bodies_are_strict),       cmocka_unit_test(errors_stay_json),
		cmocka_unit_test(keys_are_in_order),       cmocka_unit_test(keys_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
