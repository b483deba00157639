/* SPDX-License-Identifier: Apache-2.0 */
/* Each allocation of options, loader and configuration fails once: an error, nothing leaked, nothing left. */
#include "server/config_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Single-threaded: how many allocations still succeed (below 0: all), what is alive, and how many were made. */
static long left = -1, alive, made;

static bool refuse(void)
{
	if (left == 0)
		return true;
	if (left > 0)
		left--;
	made++;
	return false;
}

static void *count(void *p)
{
	alive += p != NULL;
	return p;
}

#define REAL(ret, name, ...)          \
	ret __real_##name(__VA_ARGS__); \
	ret __wrap_##name(__VA_ARGS__); \
	ret __wrap_##name(__VA_ARGS__)

REAL(void *, malloc, size_t size)
{
	return refuse() ? NULL : count(__real_malloc(size));
}

REAL(void *, calloc, size_t n, size_t size)
{
	return refuse() ? NULL : count(__real_calloc(n, size));
}

REAL(void *, realloc, void *p, size_t size)
{
	if (refuse())
		return NULL;
	alive += p == NULL;
	return __real_realloc(p, size);
}

REAL(void *, reallocarray, void *p, size_t n, size_t size)
{
	if (refuse())
		return NULL;
	alive += p == NULL;
	return __real_reallocarray(p, n, size);
}

REAL(char *, strdup, const char *text)
{
	return refuse() ? NULL : count(__real_strdup(text));
}

REAL(char *, strndup, const char *text, size_t n)
{
	return refuse() ? NULL : count(__real_strndup(text, n));
}

REAL(char *, realpath, const char *path, char *resolved)
{
	return refuse() ? NULL : count(__real_realpath(path, resolved));
}

static int __attribute__((format(printf, 2, 0))) print(char **to, const char *fmt, va_list ap)
{
	if (refuse())
		return -1;
	int n = vasprintf(to, fmt, ap);
	if (n >= 0)
		alive++;
	return n;
}

int __wrap_asprintf(char **to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **to, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = print(to, fmt, ap);
	va_end(ap);
	return n;
}

int __wrap___asprintf_chk(char **to, int flag, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int __wrap___asprintf_chk(char **to, int flag, const char *fmt, ...)
{
	va_list ap;
	(void)flag;
	va_start(ap, fmt);
	int n = print(to, fmt, ap);
	va_end(ap);
	return n;
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
	alive -= p != NULL;
	__real_free(p);
}

/* With slips whose messages allocate too. */
static const char *const files[] = {
	"[server]\ninstance = web1\nsandbox = none\nseccomp = none\nworkers = 7\nplugin-dir = " TEST_PLUGIN_DIR "\n"
	"plugins = probe-plain probe-newer\nplugins = probe-layer\n"
	"[transport vhost-user a]\nsocket = /run/a.sock\ntag = x\n[transport vhost-user b]\nfd = 3\n"
	"[mount web]\nat = /\ntype = probe\nlayers = probe-layer:outer probe-plain\nsource = /srv\n"
	"map = a\nmap = b\nmap = c\nouter.source = /outer\n"
	"[transport fuse]\nthreads = 2\n[mount app]\nat = /app\ntype = probe\nsource = /app\n",
	"[server]\nplugin-dir = " TEST_PLUGIN_DIR "\n[mount web]\nat = /\ntype = prob\n",
};

/* The file with the n-th allocation failing; whether it was read. */
static bool read_with(const char *text, long n, struct graft_error *err)
{
	struct plugin_registry *registry = NULL;
	left = n;
	made = 0;
	alive = 0;
	struct config *c = config_read_text("t.ini", text, strlen(text), "/mnt", &registry, err);
	left = -1;
	if (!c)
		assert_null(registry);
	bool good = c != NULL;
	config_free(c);
	plugin_registry_free(registry);
	assert_int_equal(alive, 0);
	return good;
}

static void test_config(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	assert_true(read_with(files[0], -1, &err));
	long total = made, refused = 0;
	assert_true(total > 50);
	for (long n = 0; n < total; n++) {
		err = (struct graft_error){ 0 };
		/* Two may fail without harm: the build tree's plugin folder is one guess of several. */
		if (read_with(files[0], n, &err))
			continue;
		refused++;
		assert_int_equal(err.code, ENOMEM);
		assert_non_null(strstr(err.text, "out of memory"));
	}
	assert_true(total - refused <= 2);
}

static void test_bad_config(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	assert_false(read_with(files[1], -1, &err));
	long total = made;
	for (long n = 0; n < total; n++) {
		err = (struct graft_error){ 0 };
		assert_false(read_with(files[1], n, &err));
		assert_true(err.code == ENOMEM || err.code == ENOENT);
	}
}

static const struct mount_key keys[] = {
	{ "at", "/" }, { "type", "probe" }, { "source", "/srv" }, { "layers", "probe-layer:a probe-plain" },
	{ "map", "x" }, { "map", "y" }, { "nodes", "7" }, { "a.source", "/a" }, { "a.cache", "never" },
};

/* A mount at run time, and its keys, with the n-th allocation failing; whether both were made. */
static bool mount_with(struct plugin_registry *registry, long n, struct graft_error *err)
{
	const struct mount_spec spec = { .keys = keys, .nkeys = sizeof(keys) / sizeof(keys[0]), .where = "test" };
	size_t told = 0;
	left = n;
	made = 0;
	alive = 0;
	struct mount_config *m = config_mount_new(&spec, registry, err);
	struct mount_key *list = m ? config_mount_keys(m, &told) : NULL;
	left = -1;
	bool good = list != NULL;
	if (good)
		assert_int_equal(told, spec.nkeys);
	else if (!m)
		assert_int_equal(err->code, ENOMEM);
	free(list);
	config_mount_free(m);
	assert_int_equal(alive, 0);
	return good;
}

static void test_mount(void **state)
{
	(void)state;
	static const char *const dirs[] = { TEST_PLUGIN_DIR, NULL };
	struct plugin_registry *registry = plugin_registry_new(dirs);
	struct graft_error err = { 0 };
	static const char *const names[] = { "probe", "probe-layer", "probe-plain" };
	for (size_t i = 0; i < 3; i++)
		assert_non_null(plugin_load(registry, names[i], &err));
	plugin_registry_seal(registry);
	assert_true(mount_with(registry, -1, &err));
	long total = made;
	assert_true(total > 20);
	for (long n = 0; n < total; n++) {
		err = (struct graft_error){ 0 };
		assert_false(mount_with(registry, n, &err));
	}
	plugin_registry_free(registry);
}

struct settings {
	const char *text;
	struct graft_list list;
	uint64_t number;
};

static const struct graft_opt table[] = {
	{ .key = "text", .type = GRAFT_OPT_STRING, .dflt = "x" },
	{ .key = "list", .type = GRAFT_OPT_LIST, .offset = offsetof(struct settings, list), .optional = 1 },
	{ .key = "number", .type = GRAFT_OPT_U64, .offset = offsetof(struct settings, number), .dflt = "1" },
	{ .key = NULL },
};

/* A list keeps what it had when the next item finds no memory. */
static void test_list(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	alive = 0;
	struct options *o = options_new(table, sizeof(struct settings));
	assert_non_null(o);
	assert_int_equal(options_set(o, "list", "one", "t:1", &err), 0);
	assert_int_equal(options_set(o, "list", "two", "t:2", &err), 0);
	for (long n = 0; n < 3; n++) {
		left = n;
		assert_int_equal(options_set(o, "list", "three", "t:3", &err), -ENOMEM);
		const struct settings *s = options_settings(o);
		assert_int_equal(s->list.count, 2);
		assert_string_equal(s->list.items[0], "one");
		assert_string_equal(s->list.items[1], "two");
	}
	left = 0;
	assert_int_equal(options_finish(o, &err), -ENOMEM);
	left = -1;
	options_free(o);
	assert_int_equal(alive, 0);
	for (left = 0; left < 3; left++) {
		long n = left;
		assert_null(options_new(table, sizeof(struct settings)));
		left = n;
		assert_int_equal(alive, 0);
	}
	left = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_bad_config),
		cmocka_unit_test(test_mount),
		cmocka_unit_test(test_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
