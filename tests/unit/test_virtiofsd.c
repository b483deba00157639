/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/virtiofsd: which name chooses it, in which order settings count, and that no allocation need succeed.
 */
#include "server/virtiofsd/virtiofsd.h"

#include "server/virtiofsd/settings.h"
#include "server/virtiofsd/values.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGS_MAX 24

static long left = -1; /* allocations until one fails; -1: none does */

static bool refuse(void)
{
	return left >= 0 && left-- == 0;
}

#define REAL(type, name, ...)                                                                                          \
	type __real_##name(__VA_ARGS__);                                                                               \
	type __wrap_##name(__VA_ARGS__);                                                                               \
	type __wrap_##name(__VA_ARGS__)

REAL(void *, calloc, size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

REAL(void *, reallocarray, void *p, size_t n, size_t size)
{
	return refuse() ? NULL : __real_reallocarray(p, n, size);
}

REAL(char *, strdup, const char *text)
{
	return refuse() ? NULL : __real_strdup(text);
}

/* The words of a text, split at blanks, as arguments. */
struct args {
	char text[512];
	char *argv[ARGS_MAX];
	int argc;
};

static void split(struct args *a, const char *text)
{
	char *save = NULL;
	snprintf(a->text, sizeof(a->text), "%s", text);
	a->argc = 0;
	for (char *w = strtok_r(a->text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		assert_true(a->argc < ARGS_MAX);
		a->argv[a->argc++] = w;
	}
}

static void test_named(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int before;
	} rows[] = {
		{ "virtiofsd", 1 },
		{ "/usr/libexec/graftfs/virtiofsd --help", 1 },
		{ "./virtiofsd virtiofsd", 1 },
		{ "graftfsd virtiofsd", 2 },
		{ "/usr/bin/graftfsd virtiofsd -h", 2 },
		{ "graftfsd", 0 },
		{ "graftfsd -c virtiofsd", 0 },
		{ "graftfsd Virtiofsd", 0 },
		{ "/virtiofsd/graftfsd", 0 },
		{ "xvirtiofsd", 0 },
		{ "", 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct args a;
		split(&a, rows[i].line);
		assert_int_equal(vfsd_named(a.argc, a.argv), rows[i].before);
	}
}

/* Lists go before all arguments, whatever the order; of each kind the last counts. */
static void test_order(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum vfsd_id id;
		const char *text, *where;
	} rows[] = {
		{ "--cache always --cache never", VFSD_CACHE, "never", "--cache" },
		{ "-o cache=none --cache always", VFSD_CACHE, "never", "-o cache" },
		{ "-o cache=always,cache=auto -o xattr", VFSD_CACHE, "auto", "-o cache" },
		{ "-o cache=always -o cache=metadata", VFSD_CACHE, "metadata", "-o cache" },
		{ "--cache=NONE", VFSD_CACHE, "never", "--cache" },
		{ "--killpriv-v2 --no-killpriv-v2", VFSD_KILLPRIV, "false", "--no-killpriv-v2" },
		{ "--no-killpriv-v2 -o killpriv_v2", VFSD_KILLPRIV, "true", "-o killpriv_v2" },
		{ "--posix-acl", VFSD_POSIX_ACL, "always", "--posix-acl" },
		{ "-dfoxattr", VFSD_XATTR, "true", "-o xattr" },
		{ "--readonly", VFSD_XATTR, NULL, NULL },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vfsd_line line = { 0 };
		struct graft_error err = { 0 };
		char text[400];
		struct args a;
		snprintf(text, sizeof(text), "--shared-dir /srv --socket-path /run/a %s", rows[i].line);
		split(&a, text);
		assert_int_equal(vfsd_line_parse(&line, a.argc, a.argv, &err), VFSD_GO_ON);
		const struct vfsd_setting *s = vfsd_line_last(&line, rows[i].id);
		assert_int_equal(s != NULL, rows[i].text != NULL);
		if (s) {
			assert_string_equal(s->text, rows[i].text);
			assert_string_equal(s->where, rows[i].where);
		}
		vfsd_line_fini(&line);
	}
}

/* Long words are cut in messages; a message has one line. */
static void test_long(void **state)
{
	(void)state;
	static char word[100000] = "--";
	char *argv[] = { word };
	struct vfsd_line line = { 0 };
	struct graft_error err = { 0 };

	memset(word + 2, 'x', sizeof(word) - 3);
	assert_int_equal(vfsd_line_parse(&line, 1, argv, &err), -EINVAL);
	assert_true(strlen(err.text) < 400);
	vfsd_line_fini(&line);
	static char list[200000];
	for (size_t i = 0; i + 6 < sizeof(list); i += 6)
		memcpy(list + i, "xattr,", 6);
	list[(sizeof(list) - 1) / 6 * 6 - 1] = '\0';
	char *many[] = { "--fd=3", "-o", list };
	assert_int_equal(vfsd_line_parse(&line, 3, many, &err), VFSD_GO_ON);
	assert_true(line.n > 30000);
	vfsd_line_fini(&line);
}

static void test_id_map(void **state)
{
	(void)state;
	uint32_t n[3];

	vfsd_id_map("/0/100000/65536/", n);
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 100000);
	assert_int_equal(n[2], 65536);
	vfsd_id_map("no map", n);
	assert_int_equal(n[0] | n[1] | n[2], 0);
}

/* Every step with the n-th allocation failing, until none does. */
static bool read_with(const struct args *a, long n)
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct vfsd_line line = { 0 };
	struct config *c = NULL;

	left = n;
	int res = vfsd_line_parse(&line, a->argc, a->argv, &err);
	if (res == 0)
		c = vfsd_config(&line, &registry, &err);
	bool reached = left < 0;
	left = -1;
	if (!c)
		assert_int_equal(err.code, ENOMEM);
	config_free(c);
	plugin_registry_free(registry);
	vfsd_line_fini(&line);
	return reached || !c;
}

static void test_memory(void **state)
{
	(void)state;
	struct args a;
	long n = 0;

	split(&a,
	      "--shared-dir srv --socket-path a.sock --sandbox=none --seccomp=none -o xattr,cache=none --cache auto "
	      "--xattrmap :ok:all::: --translate-uid map:0:1:2 --translate-uid map:5:6:7 --thread-pool-size 4 -d");
	while (read_with(&a, n))
		n++;
	assert_true(n > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named),  cmocka_unit_test(test_order),  cmocka_unit_test(test_long),
		cmocka_unit_test(test_id_map), cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
