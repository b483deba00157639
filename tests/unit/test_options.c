/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/options: every type and bound with its message, nearest words, table checks, dump round trip, help. */
#include "lib/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct settings {
	const char *name, *need, *path;
	bool flag, on;
	uint64_t any, some, maybe, time, late;
	uint32_t choice;
	struct graft_list list;
};

#define AT(field) .offset = offsetof(struct settings, field), .help = "help of " #field

static const char *const choices[] = { "auto", "always", "never", NULL };

static const struct graft_opt table[] = {
	{ .key = "name", .type = GRAFT_OPT_STRING, AT(name), .optional = 1 },
	{ .key = "need", .type = GRAFT_OPT_STRING, AT(need) },
	{ .key = "path", .type = GRAFT_OPT_PATH, AT(path), .dflt = "/srv" },
	{ .key = "flag", .type = GRAFT_OPT_BOOL, AT(flag), .dflt = "no" },
	{ .key = "on", .type = GRAFT_OPT_BOOL, AT(on), .dflt = "1" },
	{ .key = "any", .type = GRAFT_OPT_U64, AT(any), .dflt = "2K" },
	{ .key = "some", .type = GRAFT_OPT_U64, AT(some), .dflt = "1", .min = 1, .max = 64 },
	{ .key = "maybe", .type = GRAFT_OPT_U64, AT(maybe), .optional = 1 },
	{ .key = "time", .type = GRAFT_OPT_SECONDS, AT(time), .dflt = "250ms" },
	{ .key = "late", .type = GRAFT_OPT_SECONDS, AT(late), .optional = 1, .min = 1000000000, .max = 86400000000000 },
	{ .key = "choice", .type = GRAFT_OPT_ENUM, AT(choice), .dflt = "always", .choices = choices },
	{ .key = "list", .type = GRAFT_OPT_LIST, AT(list), .optional = 1 },
	{ .key = NULL },
};

static struct options *fresh(void)
{
	struct options *o = options_new(table, sizeof(struct settings));
	assert_non_null(o);
	return o;
}

static const struct settings *finished(struct options *o)
{
	struct graft_error err = { 0 };
	assert_int_equal(options_set(o, "need", "x", "t:1", &err), 0);
	assert_int_equal(options_finish(o, &err), 0);
	return options_settings(o);
}

static void test_defaults(void **state)
{
	(void)state;
	struct options *o = fresh();
	const struct settings *s = finished(o);
	assert_null(s->name);
	assert_string_equal(s->need, "x");
	assert_string_equal(s->path, "/srv");
	assert_false(s->flag);
	assert_true(s->on);
	assert_int_equal(s->any, 2048);
	assert_int_equal(s->some, 1);
	assert_true(s->maybe == UINT64_MAX);
	assert_int_equal(s->time, 250000000);
	assert_true(s->late == UINT64_MAX);
	assert_int_equal(s->choice, 1);
	assert_int_equal(s->list.count, 0);
	assert_null(s->list.items);
	assert_string_equal(options_where(o, "need"), "t:1");
	assert_null(options_where(o, "path"));
	assert_null(options_where(o, "nothing"));
	options_free(o);
}

struct good {
	const char *key, *value;
	uint64_t want;
};

static const struct good goods[] = {
	{ "flag", "true", 1 }, { "flag", "yes", 1 }, { "flag", "on", 1 }, { "flag", "1", 1 },
	{ "flag", "false", 0 }, { "flag", "no", 0 }, { "flag", "off", 0 }, { "flag", "0", 0 },
	{ "any", "0", 0 }, { "any", "007", 7 }, { "any", "3K", 3 << 10 }, { "any", "3M", 3 << 20 },
	{ "any", "3G", 3ULL << 30 }, { "any", "18446744073709551615", UINT64_MAX },
	{ "some", "1", 1 }, { "some", "64", 64 }, { "maybe", "18446744073709551615", UINT64_MAX },
	{ "time", "0", 0 }, { "time", "1", 1000000000 }, { "time", "1s", 1000000000 }, { "time", "0.5", 500000000 },
	{ "time", "1.000000001", 1000000001 }, { "time", "1.5ms", 1500000 }, { "time", "0.000001ms", 1 },
	{ "time", "2m", 120000000000 }, { "time", "24h", 86400000000000 }, { "time", "0.25h", 900000000000 },
	{ "time", "18446744073.709551615", UINT64_MAX },
	{ "late", "1", 1000000000 }, { "late", "24h", 86400000000000 },
	{ "choice", "auto", 0 }, { "choice", "always", 1 }, { "choice", "never", 2 },
};

static uint64_t number(const struct settings *s, const char *key)
{
	if (strcmp(key, "flag") == 0)
		return s->flag;
	if (strcmp(key, "choice") == 0)
		return s->choice;
	return strcmp(key, "any") == 0	 ? s->any :
	       strcmp(key, "some") == 0	 ? s->some :
	       strcmp(key, "maybe") == 0 ? s->maybe :
	       strcmp(key, "time") == 0	 ? s->time :
					   s->late;
}

static void test_good_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		struct options *o = fresh();
		struct graft_error err = { 0 };
		if (options_set(o, goods[i].key, goods[i].value, "t:9", &err) != 0)
			fail_msg("%s = %s: %s", goods[i].key, goods[i].value, err.text);
		const struct settings *s = finished(o);
		if (number(s, goods[i].key) != goods[i].want)
			fail_msg("%s = %s gave %llu", goods[i].key, goods[i].value,
				 (unsigned long long)number(s, goods[i].key));
		assert_string_equal(options_where(o, goods[i].key), "t:9");
		options_free(o);
	}
}

struct bad {
	const char *key, *value, *text;
};

#define NOT_BOOL ": must be true or false (yes no on off 1 0 will do)"
#define NOT_U64 ": must be a whole number, with K, M or G behind it for powers of 1024"
#define NOT_SECONDS ": must be seconds, such as 1, 0.5, 250ms or 24h"
#define NOT_LATE ": must be seconds from 1 to 86400, such as 1, 0.5, 250ms or 24h"

static const struct bad bads[] = {
	{ "nmae", "x", "unknown key 'nmae'; did you mean 'name'?" },
	{ "frobnicate", "x", "unknown key 'frobnicate'" },
	{ "", "x", "unknown key ''" },
	{ "need", "", "key 'need' has no value" },
	{ "list", "", "key 'list' has no value" },
	{ "path", "srv", "path = srv: must be an absolute path" },
	{ "flag", "maybe", "flag = maybe" NOT_BOOL },
	{ "flag", "True", "flag = True" NOT_BOOL },
	{ "any", "x", "any = x" NOT_U64 },
	{ "any", "-1", "any = -1" NOT_U64 },
	{ "any", "+1", "any = +1" NOT_U64 },
	{ "any", "1 ", "any = 1 " NOT_U64 },
	{ "any", "0x10", "any = 0x10" NOT_U64 },
	{ "any", "1k", "any = 1k" NOT_U64 },
	{ "any", "1KB", "any = 1KB" NOT_U64 },
	{ "any", "K", "any = K" NOT_U64 },
	{ "any", "1.5G", "any = 1.5G" NOT_U64 },
	{ "any", "18446744073709551616", "any = 18446744073709551616" NOT_U64 },
	{ "any", "17179869184G", "any = 17179869184G" NOT_U64 },
	{ "some", "0", "some = 0: must be a whole number from 1 to 64" },
	{ "some", "65", "some = 65: must be a whole number from 1 to 64" },
	{ "some", "x", "some = x: must be a whole number from 1 to 64" },
	{ "time", "x", "time = x" NOT_SECONDS },
	{ "time", "-1", "time = -1" NOT_SECONDS },
	{ "time", "1.", "time = 1." NOT_SECONDS },
	{ "time", ".5", "time = .5" NOT_SECONDS },
	{ "time", "1.s", "time = 1.s" NOT_SECONDS },
	{ "time", "1 s", "time = 1 s" NOT_SECONDS },
	{ "time", "1d", "time = 1d" NOT_SECONDS },
	{ "time", "0.0000000001", "time = 0.0000000001" NOT_SECONDS },
	{ "time", "18446744073.709551616", "time = 18446744073.709551616" NOT_SECONDS },
	{ "time", "99999999999h", "time = 99999999999h" NOT_SECONDS },
	{ "late", "0.999", "late = 0.999" NOT_LATE },
	{ "late", "86400.000000001", "late = 86400.000000001" NOT_LATE },
	{ "choice", "atuo", "choice = atuo: must be one of: auto always never; did you mean 'auto'?" },
	{ "choice", "sometimes", "choice = sometimes: must be one of: auto always never" },
	{ "choice", "1", "choice = 1: must be one of: auto always never" },
};

static void test_bad_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		struct options *o = fresh();
		struct graft_error err = { 0 };
		assert_int_equal(options_set(o, bads[i].key, bads[i].value, "t:1", &err), -EINVAL);
		assert_string_equal(err.text, bads[i].text);
		assert_null(options_where(o, bads[i].key));
		finished(o); /* what failed left no trace */
		options_free(o);
	}
}

static void test_long_values(void **state)
{
	(void)state;
	char path[4098];
	struct options *o = fresh();
	struct graft_error err = { 0 };
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[4096] = '\0';
	assert_int_equal(options_set(o, "path", path, "t:1", &err), -EINVAL);
	assert_non_null(strstr(err.text, "aaa: must be a path of at most 4095 bytes"));
	path[4095] = '\0';
	assert_int_equal(options_set(o, "path", path, "t:1", &err), 0);
	assert_string_equal(finished(o)->path, path);
	options_free(o);
}

static void test_twice(void **state)
{
	(void)state;
	struct options *o = fresh();
	struct graft_error err = { 0 };
	assert_int_equal(options_set(o, "some", "2", "t:3", &err), 0);
	assert_int_equal(options_set(o, "some", "2", "t:4", &err), -EINVAL);
	assert_string_equal(err.text, "key 'some' is given twice; first at t:3");
	assert_int_equal(finished(o)->some, 2);
	options_free(o);
}

static void test_required(void **state)
{
	(void)state;
	struct options *o = fresh();
	struct graft_error err = { 0 };
	assert_int_equal(options_finish(o, &err), -EINVAL);
	assert_string_equal(err.text, "key 'need' is missing");
	options_free(o);
}

static void test_list(void **state)
{
	(void)state;
	struct options *o = fresh();
	struct graft_error err = { 0 };
	char text[16];
	for (int i = 0; i < 4096; i++) {
		snprintf(text, sizeof(text), "item %d", i);
		assert_int_equal(options_set(o, "list", text, i == 0 ? "t:1" : "t:2", &err), 0);
	}
	assert_int_equal(options_set(o, "list", "one more", "t:3", &err), -EINVAL);
	assert_string_equal(err.text, "list: more than 4096 values");
	const struct settings *s = finished(o);
	assert_int_equal(s->list.count, 4096);
	assert_string_equal(s->list.items[0], "item 0");
	assert_string_equal(s->list.items[4095], "item 4095");
	assert_string_equal(options_where(o, "list"), "t:1");
	options_free(o);
}

static char *dumped(const struct options *o, const char *prefix)
{
	char *text = NULL;
	size_t size = 0;
	struct graft_error err = { 0 };
	FILE *to = open_memstream(&text, &size);
	assert_non_null(to);
	assert_int_equal(options_dump(o, prefix, to, &err), 0);
	fclose(to);
	return text;
}

static void test_dump(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value;
	} given[] = {
		{ "name", "a;b #c  d" }, { "flag", "on" }, { "any", "3G" }, { "maybe", "18446744073709551615" },
		{ "time", "1.5ms" }, { "late", "24h" }, { "choice", "never" }, { "list", "one" }, { "list", "two 2" },
	};
	static const char want[] = "p.name = a;b #c  d\np.need = x\np.path = /srv\np.flag = true\np.on = true\n"
				   "p.any = 3221225472\np.some = 1\np.maybe = 18446744073709551615\np.time = 0.0015\n"
				   "p.late = 86400\np.choice = never\np.list = one\np.list = two 2\n";
	struct options *o = fresh(), *again = fresh();
	struct graft_error err = { 0 };
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		assert_int_equal(options_set(o, given[i].key, given[i].value, "t:1", &err), 0);
	finished(o);
	char *first = dumped(o, "p.");
	assert_string_equal(first, want);

	char *save = NULL, *copy = strdup(first);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *equals = strstr(line, " = ");
		*equals = '\0';
		assert_int_equal(options_set(again, line + 2, equals + 3, "t:1", &err), 0);
	}
	assert_int_equal(options_finish(again, &err), 0);
	char *second = dumped(again, "p.");
	assert_string_equal(second, first);
	free(copy);
	free(first);
	free(second);
	options_free(o);
	options_free(again);
}

static void test_dump_refused(void **state)
{
	(void)state;
	static const char *const values[] = {
		"a\nb", "a\rb", "a ;b", "a\t;b", ";a", " a", "a ", "a\t", "a\001b", "a\x7f",
	};
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct options *o = fresh();
		struct graft_error err = { 0 };
		FILE *to = fopen("/dev/null", "w");
		assert_int_equal(options_set(o, "list", "fine", "--list", &err), 0);
		assert_int_equal(options_set(o, "list", values[i], "--list", &err), 0);
		finished(o);
		assert_int_equal(options_dump(o, "x.", to, &err), -EINVAL);
		assert_string_equal(err.text,
				    "x.list: an INI file cannot carry this value (a line end, a control character, "
				    "a blank at an end, or a semicolon behind a blank)");
		fclose(to);
		options_free(o);
	}
}

static void test_help(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	options_help(table, "p.", to);
	fclose(to);
	assert_non_null(strstr(text, "  p.need = TEXT   (required)\n        help of need\n"));
	assert_non_null(strstr(text, "  p.name = TEXT\n"));
	assert_non_null(strstr(text, "  p.path = /PATH   (default /srv)\n"));
	assert_non_null(strstr(text, "  p.flag = true|false   (default no)\n"));
	assert_non_null(strstr(text, "  p.any = NUMBER   (default 2K)\n"));
	assert_non_null(strstr(text, "  p.some = NUMBER from 1 to 64   (default 1)\n"));
	assert_non_null(strstr(text, "  p.late = SECONDS from 1 to 86400\n"));
	assert_non_null(strstr(text, "  p.choice = auto|always|never   (default always)\n"));
	assert_non_null(strstr(text, "  p.list = TEXT   (may repeat)\n"));
	free(text);
}

static void test_nearest(void **state)
{
	(void)state;
	static const char *const words[] = { "at", "type", "layers", "source", "entry-timeout", "attr-timeout" };
	const size_t n = sizeof(words) / sizeof(words[0]);
	char longer[200];
	assert_string_equal(options_nearest("tpye", words, n), "type");
	assert_string_equal(options_nearest("layer", words, n), "layers");
	assert_string_equal(options_nearest("ta", words, n), "at");
	assert_null(options_nearest("fd", words, n));
	assert_null(options_nearest("x", words, n));
	assert_null(options_nearest("", words, n));
	assert_string_equal(options_nearest("attribute-timeout", words, n), "attr-timeout");
	assert_null(options_nearest("something-else", words, n));
	assert_null(options_nearest("at", words, 0));
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_null(options_nearest(longer, words, n));
}

struct wrong_table {
	struct graft_opt row;
	const char *text;
};

static void test_check(void **state)
{
	(void)state;
	static const char *const none[] = { NULL };
	static const struct wrong_table wrongs[] = {
		{ { .key = "A", .type = 1, .help = "h" }, "row 1, 'A': its key is not a lower-case word" },
		{ { .key = "", .type = 1, .help = "h" }, "row 1, '': its key is not a lower-case word" },
		{ { .key = "-a", .type = 1, .help = "h" }, "row 1, '-a': its key is not a lower-case word" },
		{ { .key = "a.b", .type = 1, .help = "h" }, "row 1, 'a.b': its key is not a lower-case word" },
		{ { .key = "a", .type = 0, .help = "h" }, "row 1, 'a': its type is unknown" },
		{ { .key = "a", .type = 8, .help = "h" }, "row 1, 'a': its type is unknown" },
		{ { .key = "a", .type = 1 }, "row 1, 'a': it has no help" },
		{ { .key = "a", .type = 4, .offset = 12, .help = "h" },
		  "row 1, 'a': its offset is outside the settings" },
		{ { .key = "a", .type = 4, .offset = 4, .help = "h" },
		  "row 1, 'a': its offset is outside the settings" },
		{ { .key = "a", .type = 7, .offset = 8, .help = "h" },
		  "row 1, 'a': its offset is outside the settings" },
		{ { .key = "a", .type = 3, .offset = UINT32_MAX, .help = "h" },
		  "row 1, 'a': its offset is outside the settings" },
		{ { .key = "a", .type = 4, .min = 2, .max = 1, .help = "h" }, "row 1, 'a': its range is empty" },
		{ { .key = "a", .type = 6, .help = "h" }, "row 1, 'a': it has no choices" },
		{ { .key = "a", .type = 6, .choices = none, .help = "h" }, "row 1, 'a': it has no choices" },
		{ { .key = "a", .type = 3, .dflt = "x", .help = "h" }, "row 1, 'a': its default is not a legal value" },
		{ { .key = "a", .type = 1, .dflt = "", .help = "h" }, "row 1, 'a': its default is not a legal value" },
	};
	struct graft_error err = { 0 };
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		const struct graft_opt rows[] = { wrongs[i].row, { .key = NULL } };
		assert_int_equal(options_check(rows, 16, &err), -EINVAL);
		assert_string_equal(strstr(err.text, "row"), wrongs[i].text);
	}
	assert_int_equal(options_check(table, sizeof(struct settings), &err), 0);
	const struct graft_opt twice[] = {
		{ .key = "a", .type = 3, .help = "h" }, { .key = "a", .type = 3, .help = "h" }, { .key = NULL }
	};
	assert_int_equal(options_check(twice, 16, &err), -EINVAL);
	assert_string_equal(err.text, "option table, row 2, 'a': its key stands there twice");
}

static void test_check_long(void **state)
{
	(void)state;
	static struct graft_opt rows[258];
	static char keys[257][8];
	struct graft_error err = { 0 };
	for (int i = 0; i < 257; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		rows[i] = (struct graft_opt){ .key = keys[i], .type = GRAFT_OPT_BOOL, .help = "h" };
	}
	assert_int_equal(options_check(rows, 16, &err), -EINVAL);
	assert_string_equal(err.text, "option table of more than 256 rows");
	rows[256].key = NULL;
	assert_int_equal(options_check(rows, 16, &err), 0);
}

struct told {
	char text[256];
	int left; /* calls until it says stop */
};

static int take_set(const char *key, const char *text, void *arg)
{
	struct told *t = arg;
	size_t len = strlen(t->text);
	snprintf(t->text + len, sizeof(t->text) - len, "%s=%s;", key, text);
	return --t->left == 0 ? -7 : 0;
}

/* What was set comes back as it was written, in the table's order; defaults and what was refused do not. */
static void test_each_set(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		{ "list", "b" },      { "choice", "never" }, { "any", "2K" },  { "flag", "off" }, { "late", "60000ms" },
		{ "path", "/a/../b" }, { "list", "a" },      { "need", " x" },
	};
	struct graft_error err = { 0 };
	struct options *o = fresh();
	struct told all = { .text = "" }, some = { .left = 2 };
	assert_int_equal(options_each_set(o, take_set, &all), 0);
	assert_string_equal(all.text, "");
	assert_int_equal(options_set(o, "some", "65", "t:9", &err), -EINVAL);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_int_equal(options_set(o, pairs[i][0], pairs[i][1], "t:1", &err), 0);
	assert_int_equal(options_set(o, "any", "3K", "t:2", &err), -EINVAL);
	assert_int_equal(options_finish(o, &err), 0);
	assert_int_equal(options_each_set(o, take_set, &all), 0);
	assert_string_equal(all.text,
			    "need= x;path=/a/../b;flag=off;any=2K;late=60000ms;choice=never;list=b;list=a;");
	assert_int_equal(options_each_set(o, take_set, &some), -7);
	assert_string_equal(some.text, "need= x;path=/a/../b;");
	options_free(o);
}

/* A caller that has no lines gives each key the same place. */
static void test_twice_same_place(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	struct options *o = fresh();
	assert_int_equal(options_set(o, "some", "1", "POST", &err), 0);
	assert_int_equal(options_set(o, "some", "2", "POST", &err), -EINVAL);
	assert_string_equal(err.text, "key 'some' is given twice");
	options_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_bad_values),   cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_twice),        cmocka_unit_test(test_required),
		cmocka_unit_test(test_list),         cmocka_unit_test(test_dump),
		cmocka_unit_test(test_dump_refused), cmocka_unit_test(test_help),
		cmocka_unit_test(test_nearest),      cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_long),   cmocka_unit_test(test_each_set),
		cmocka_unit_test(test_twice_same_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
