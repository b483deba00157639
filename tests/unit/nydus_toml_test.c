/* SPDX-License-Identifier: Apache-2.0 */
/* TOML: what its documents mean, what is none, and what its bounds are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nydus/toml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void documents(void **state)
{
	static const struct {
		const char *toml, *json;
	} rows[] = {
		{ "", "{}" },
		{ "\xef\xbb\xbf# only\r\n\r\n", "{}" },
		{ "a = 1", "{\"a\":1}" },
		{ "a=1\r\nb = -2 # c\n", "{\"a\":1,\"b\":-2}" },
		{ "a = 0xfF\nb = 0o17\nc = 0b101\nd = 1_000\ne = +7\nf = -0\n",
		  "{\"a\":255,\"b\":15,\"c\":5,\"d\":1000,\"e\":7,\"f\":0}" },
		{ "a = 9223372036854775807\nb = -9223372036854775808",
		  "{\"a\":9223372036854775807,\"b\":-9223372036854775808}" },
		{ "a = true\nb = false", "{\"a\":true,\"b\":false}" },
		{ "a = 1.5\nb = -1e9\nc = 6.626e-34\nd = inf\ne = -nan\nf = 1_0.0_1",
		  "{\"a\":0.0,\"b\":0.0,\"c\":0.0,\"d\":0.0,\"e\":0.0,\"f\":0.0}" },
		{ "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.5-07:00 # x\nc = 1979-05-27\nd = 07:32:00",
		  "{\"a\":0.0,\"b\":0.0,\"c\":0.0,\"d\":0.0}" },
		{ "a.b.c = 1\na.b.d = 2\na.\"e.f\" . g = 3", "{\"a\":{\"b\":{\"c\":1,\"d\":2},\"e.f\":{\"g\":3}}}" },
		{ "'quoted key' = 1\n\"\" = 2\n1234 = 3\nbare_key-9=4", /* */
		  "{\"quoted key\":1,\"\":2,\"1234\":3,\"bare_key-9\":4}" },
		{ "a = \"x\\t\\\"\\\\\\u00e9\\U0001F600\"", "{\"a\":\"x\\t\\\"\\\\\xc3\xa9\xf0\x9f\x98\x80\"}" },
		{ "a = 'C:\\n\"x'", "{\"a\":\"C:\\\\n\\\"x\"}" },
		{ "a = \"\"\"\nline one\r\nline two\"\"\"\"\"", "{\"a\":\"line one\\nline two\\\"\\\"\"}" },
		{ "a = \"\"\"x \\  \n\n   y\\\r\n z\"\"\"", "{\"a\":\"x yz\"}" },
		{ "a = '''\nno \\ escape\n''here'''", "{\"a\":\"no \\\\ escape\\n''here\"}" },
		{ "a = ''\nb = \"\"\nc = ''''''", "{\"a\":\"\",\"b\":\"\",\"c\":\"\"}" },
		{ "a = []\nb = [ 1, 'x', [true,], # y\n\n {k = 1}, ]", "{\"a\":[],\"b\":[1,\"x\",[true],{\"k\":1}]}" },
		{ "a = { b.c = 1, b.d = {}, e = [] }", "{\"a\":{\"b\":{\"c\":1,\"d\":{}},\"e\":[]}}" },
		{ "[a]\nx=1\n[a.b]\ny=2\n[ c . d ] # z\nz=3", /* */
		  "{\"a\":{\"x\":1,\"b\":{\"y\":2}},\"c\":{\"d\":{\"z\":3}}}" },
		{ "[a.b.c]\n[a]\nx=1\n[a.b]\ny=2", "{\"a\":{\"b\":{\"c\":{},\"y\":2},\"x\":1}}" },
		{ "[[p]]\nx=1\n[p.q]\ny=2\n[[p]]\n[[p.r]]\nz=3",
		  "{\"p\":[{\"x\":1,\"q\":{\"y\":2}},{\"r\":[{\"z\":3}]}]}" },
		{ "[fruit]\napple.color='red'\n[fruit.apple.taste]\nsweet=true",
		  "{\"fruit\":{\"apple\":{\"color\":\"red\",\"taste\":{\"sweet\":true}}}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct graft_error err = { 0 };
		json_t *value = toml_read(rows[i].toml, strlen(rows[i].toml), &err);
		char *text = json_dumps(value, JSON_COMPACT);

		if (!value)
			fail_msg("%s: %s", rows[i].toml, err.text);
		assert_string_equal(text, rows[i].json);
		free(text);
		json_decref(value);
	}
}

static void no_documents(void **state)
{
	static const struct {
		const char *toml, *says;
	} rows[] = {
		{ "a", "'=' is missing at line 1" },
		{ "\n\n= 1", "a key is missing at line 3" },
		{ "a =", "no value at line 1" },
		{ "a = 1 b = 2", "something stands behind the value" },
		{ "a = 1\na = 2", "a key that is taken at line 2" },
		{ "a = 1\na.b = 2", "a key that is taken" },
		{ "a.b = 1\n[a]", "a table that is there already" },
		{ "[a]\n[a]", "a table that is there already at line 2" },
		{ "[a.b]\n[a]\nb.c = 1", "a key that is taken" },
		{ "a = {}\n[a.b]", "a key that is taken" },
		{ "a = {}\na.b = 1", "a key that is taken" },
		{ "a = []\n[[a]]", "a key that is taken" },
		{ "[[a]]\n[a]", "a table that is there already" },
		{ "[a]\n[[a]]", "a key that is taken" },
		{ "[[a]]\nb = [1]\n[a.b.c]", "a key that is taken" },
		{ "[a", "']' is missing" },
		{ "[[a]", "']' is missing" },
		{ "[]", "a key is missing" },
		{ "[a.]", "a key is missing" },
		{ "[a] x = 1", "something stands behind the value" },
		{ "a = {b = 1,}", "a key is missing" },
		{ "a = {b = 1 c = 2}", "'}' is missing" },
		{ "a = {\nb = 1}", "a key is missing" },
		{ "a = [1 2]", "']' is missing" },
		{ "a = [1,,2]", "no value" },
		{ "a = [", "no value" },
		{ "a = 'x", "a text without an end" },
		{ "a = \"x\ny\"", "a control character in a text" },
		{ "a = '''x", "a text without an end" },
		{ "a = \"\\q\"", "a wrong escape" },
		{ "a = \"\\u00e\"", "a wrong escape" },
		{ "a = \"\\ud800\"", "a wrong escape" },
		{ "a = \"\\u0000\"", "a wrong escape" },
		{ "a = \"\\U00110000\"", "a wrong escape" },
		{ "a = \"x\\ y\"", "a wrong escape" },
		{ "a = \"\\", "a wrong escape" },
		{ "a = 01", "no value" },
		{ "a = 1__0", "no value" },
		{ "a = _1", "no value" },
		{ "a = 1_", "no value" },
		{ "a = 1.", "no value" },
		{ "a = .5", "no value" },
		{ "a = 1e", "no value" },
		{ "a = 0x", "no value" },
		{ "a = +0x1", "no value" },
		{ "a = 9223372036854775808", "no value" },
		{ "a = True", "no value" },
		{ "a = 1979-05-27x", "no value" },
		{ "a = 1 # \x01", "a control character in a comment" },
		{ "a = \"\xff\"", "it is not UTF-8" },
		{ "\"\"\"a\"\"\" = 1", "'=' is missing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct graft_error err = { 0 };

		if (toml_read(rows[i].toml, strlen(rows[i].toml), &err))
			fail_msg("%s is read", rows[i].toml);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: '%s' does not say '%s'", rows[i].toml, err.text, rows[i].says);
		assert_int_equal(err.code, EINVAL);
	}
}

static void a_nul_is_no_text(void **state)
{
	static const char text[] = "a = 'x\0y'", bare[] = "a = 1\n\0";
	struct graft_error err = { 0 };

	(void)state;
	assert_null(toml_read(text, sizeof(text) - 1, &err));
	assert_null(toml_read(bare, sizeof(bare) - 1, &err));
}

/* head, n times part, tail. */
static json_t *repeat(const char *head, const char *part, size_t n, const char *tail, struct graft_error *err)
{
	size_t len = strlen(head) + n * strlen(part) + strlen(tail);
	char *text = malloc(len + 1), *p = text;
	json_t *value;

	assert_non_null(text);
	p = stpcpy(p, head);
	while (n-- > 0)
		p = stpcpy(p, part);
	strcpy(p, tail);
	value = toml_read(text, len, err);
	free(text);
	return value;
}

static void bounds(void **state)
{
	struct graft_error err = { 0 };
	json_t *value;

	(void)state;
	value = repeat("", "a.", TOML_DEPTH_MAX - 1, "a = 1", &err);
	assert_non_null(value);
	json_decref(value);
	for (size_t n = TOML_DEPTH_MAX; n < 300000; n = n * 97) {
		assert_null(repeat("", "a.", n, "a = 1", &err));
		assert_non_null(strstr(err.text, "a key of too many parts"));
		assert_null(repeat("[", "a.", n, "a]", &err));
		assert_non_null(strstr(err.text, "a key of too many parts"));
	}
	value = repeat("a = ", "[", TOML_DEPTH_MAX, "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", &err);
	assert_non_null(value);
	json_decref(value);
	assert_null(repeat("a = ", "[", 1000000, "", &err));
	assert_non_null(strstr(err.text, "nested too deep"));
	assert_null(repeat("a = ", "{a=", 300000, "", &err));
	assert_non_null(strstr(err.text, "nested too deep"));
	value = repeat("", "[[a]]\n", TOML_TABLES_MAX - 1, "", &err);
	assert_non_null(value);
	json_decref(value);
	assert_null(repeat("", "[[a]]\n", TOML_TABLES_MAX, "", &err));
	assert_non_null(strstr(err.text, "too many tables"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(no_documents),
		cmocka_unit_test(a_nul_is_no_text),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests_name("nydus-toml", tests, NULL, NULL);
}
