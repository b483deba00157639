/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of mounts made at run time: which paths are right, from keys to a mount and back, and each refusal. */
#include "server/config_internal.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define X8 "xxxxxxxx"
#define X64 X8 X8 X8 X8 X8 X8 X8 X8
#define X255 X64 X64 X64 X8 X8 X8 X8 X8 X8 X8 "xxxxxxx"

static const char *const good_paths[] = {
	"/", "/a", "/a/b", "/...", "/..a/.b/a..", "/with blanks/and;semi", "/\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x98\x80",
	"/" X255 "/" X255, "/\xef\xbf\xbd", "/\xf4\x8f\xbf\xbf", "/\xed\x9f\xbf", "/\xc2\xa0", "/~",
};

static const struct bad_path {
	const char *at, *text;
} bad_paths[] = {
	{ "", "'' is not a mount point: it must begin with '/'" },
	{ "a/b", "'a/b' is not a mount point: it must begin with '/'" },
	{ "./a", "'./a' is not a mount point: it must begin with '/'" },
	{ "//", "'//' is not a mount point: it has an empty part (two slashes together, or one at its end)" },
	{ "/a/", "'/a/' is not a mount point: it has an empty part (two slashes together, or one at its end)" },
	{ "/x//y", "'/x//y' is not a mount point: it has an empty part (two slashes together, or one at its end)" },
	{ "/.", "'/.' is not a mount point: it has a '.' part" },
	{ "/./a", "'/./a' is not a mount point: it has a '.' part" },
	{ "/..", "'/..' is not a mount point: it has a '..' part" },
	{ "/rafs/../lowerdir", "'/rafs/../lowerdir' is not a mount point: it has a '..' part" },
	{ "/" X255 "x",
	  "'/" X64 X8 X8 X8 X8 "xxx' is not a mount point: it has a part of more than 255 bytes" },
	{ "x" X64 X8 X8 X8 X8 "xx\xc3\xa9/..",
	  "'x" X64 X8 X8 X8 X8 "xx' is not a mount point: it must begin with '/'" },
	{ "/a\nb", "a mount point must have no control characters; byte 3 is U+000A" },
	{ "/\x7f", "a mount point must have no control characters; byte 2 is U+007F" },
	{ "/\xc2\x9b" "2J", "a mount point must have no control characters; byte 2 is U+009B" },
	{ "/a\xff", "a mount point must be UTF-8; byte 3 is not" },
	{ "/\x80", "a mount point must be UTF-8; byte 2 is not" },
	{ "/\xc3", "a mount point must be UTF-8; byte 2 is not" },
	{ "/\xc3/", "a mount point must be UTF-8; byte 2 is not" },
	{ "/\xe2\x82", "a mount point must be UTF-8; byte 2 is not" },
	{ "/\xf0\x9f\x98", "a mount point must be UTF-8; byte 2 is not" },
	{ "/\xc0\xaf", "a mount point must be UTF-8; byte 2 is not" },         /* "/" in too many bytes */
	{ "/\xe0\x80\xae", "a mount point must be UTF-8; byte 2 is not" },     /* "." too */
	{ "/\xf0\x80\x80\xae", "a mount point must be UTF-8; byte 2 is not" },
	{ "/\xed\xa0\x80", "a mount point must be UTF-8; byte 2 is not" },     /* half of a surrogate pair */
	{ "/\xf4\x90\x80\x80", "a mount point must be UTF-8; byte 2 is not" }, /* behind U+10FFFF */
	{ "/\xf8\x88\x80\x80\x80", "a mount point must be UTF-8; byte 2 is not" },
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good_paths) / sizeof(good_paths[0]); i++) {
		struct graft_error err = { 0 };
		if (config_check_at(good_paths[i], &err) != 0)
			fail_msg("%s: %s", good_paths[i], err.text);
	}
	for (size_t i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++) {
		struct graft_error err = { 0 };
		assert_int_equal(config_check_at(bad_paths[i].at, &err), -EINVAL);
		assert_string_equal(err.text, bad_paths[i].text);
		assert_int_equal(err.code, EINVAL);
		assert_int_equal(config_check_at(bad_paths[i].at, NULL), -EINVAL);
	}
}

static void test_path_length(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	char at[4098];
	for (size_t i = 0; i < sizeof(at); i++)
		at[i] = i % 16 == 0 ? '/' : 'a';
	at[4095] = 'a';
	at[4096] = '\0';
	assert_int_equal(config_check_at(at, &err), 0);
	at[4096] = 'a';
	at[4097] = '\0';
	assert_int_equal(config_check_at(at, &err), -EINVAL);
	assert_string_equal(err.text, "a mount point of 4097 bytes; at most 4096 are right");
}

/* A registry with what such mounts need, sealed. */
static int setup(void **state)
{
	static const char *const dirs[] = { TEST_PLUGIN_DIR, NULL };
	struct plugin_registry *r = plugin_registry_new(dirs);
	struct graft_error err = { 0 };
	assert_non_null(r);
	assert_non_null(plugin_load(r, "probe", &err));
	assert_non_null(plugin_load(r, "probe-layer", &err));
	assert_non_null(plugin_load(r, "probe-plain", &err));
	plugin_registry_seal(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	plugin_registry_free(*state);
	return 0;
}

static const struct mount_key full[] = {
	{ "outer.map", "m" },
	{ "source", "/srv/with blanks" },
	{ "layers", " probe-layer:outer  probe-plain probe-layer" },
	{ "type", "probe" },
	{ "map", "b" },
	{ "outer.source", "/outer" },
	{ "timeout", "1500ms" },
	{ "map", "a" },
	{ "probe-layer.source", "/inner" },
	{ "at", "/images/app" },
	{ "nodes", "2K" },
	{ "readonly", "yes" },
	{ "cache", "never" },
};

/* As config_mount_keys gives them. */
static const struct mount_key told[] = {
	{ "at", "/images/app" },
	{ "type", "probe" },
	{ "layers", " probe-layer:outer  probe-plain probe-layer" },
	{ "source", "/srv/with blanks" },
	{ "nodes", "2K" },
	{ "timeout", "1500ms" },
	{ "cache", "never" },
	{ "readonly", "yes" },
	{ "map", "b" },
	{ "map", "a" },
	{ "outer.source", "/outer" },
	{ "outer.map", "m" },
	{ "probe-layer.source", "/inner" },
};
#define NTOLD (sizeof(told) / sizeof(told[0]))

static struct mount_config *make(const struct mount_key *keys, size_t n, struct plugin_registry *r)
{
	const struct mount_spec spec = { .name = "app", .keys = keys, .nkeys = n, .where = "test" };
	struct graft_error err = { 0 };
	struct mount_config *m = config_mount_new(&spec, r, &err);
	if (!m)
		fail_msg("%s", err.text);
	return m;
}

static void look(const struct mount_config *m)
{
	size_t n = 0;
	struct mount_key *keys = config_mount_keys(m, &n);
	assert_non_null(keys);
	assert_int_equal(n, NTOLD);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(keys[i].name, told[i].name);
		assert_string_equal(keys[i].value, told[i].value);
	}
	free(keys);
	assert_string_equal(m->name, "app");
	assert_string_equal(m->at, "/images/app");
	assert_string_equal(m->where, "test");
	assert_int_equal(m->nmembers, 4);
	assert_string_equal(m->members[0].name, "outer");
	assert_string_equal(m->members[3].name, "app");
	assert_string_equal(m->members[3].plugin->desc.name, "probe");
	assert_string_equal(*(const char *const *)options_settings(m->members[0].options), "/outer");
	assert_string_equal(*(const char *const *)options_settings(m->members[3].options), "/srv/with blanks");
}

static void test_round_trip(void **state)
{
	struct mount_config *m = make(full, sizeof(full) / sizeof(full[0]), *state);
	look(m);
	size_t n = 0;
	struct mount_key *keys = config_mount_keys(m, &n);
	config_mount_free(m);
	m = make(keys, n, *state);
	free(keys);
	look(m);
	config_mount_free(m);
	config_mount_free(NULL);
}

/* A mount of a file tells its keys as well, and nothing of the defaults. */
static void test_keys_of_file(void **state)
{
	(void)state;
	static const char text[] =
		"[server]\nsandbox = none\nseccomp = none\nplugin-dir = " TEST_PLUGIN_DIR "\n"
		"[transport fuse]\nmountpoint = /mnt\n"
		"[mount web]\nsource = /srv\ntype = probe\nat = /\n";
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("t.ini", text, sizeof(text) - 1, NULL, &registry, &err);
	assert_non_null(c);
	size_t n = 0;
	struct mount_key *keys = config_mount_keys(&c->mounts[0], &n);
	assert_non_null(keys);
	assert_int_equal(n, 3);
	assert_string_equal(keys[0].name, "at");
	assert_string_equal(keys[1].name, "type");
	assert_string_equal(keys[2].name, "source");
	assert_string_equal(keys[2].value, "/srv");
	free(keys);
	config_free(c);
	plugin_registry_free(registry);
}

struct refusal {
	const char *name;
	struct mount_key keys[5]; /* up to the first without a name */
	const char *text;
};

static const struct refusal refusals[] = {
	{ "m", { { NULL, NULL } }, "POST: key 'at' is missing" },
	{ "m", { { "at", "/" } }, "POST: key 'type' is missing" },
	{ "m", { { "at", "/" }, { "tpye", "probe" } }, "POST: unknown key 'tpye'; did you mean 'type'?" },
	{ "m", { { "at", "/" }, { "type", "probe" } }, "POST: key 'source' is missing" },
	{ "m", { { "at", "/a" }, { "type", "probe" }, { "at", "/b" } }, "POST: key 'at' is given twice" },
	{ "m", { { "at", "/a" }, { "type", "" } }, "POST: key 'type' has no value" },
	{ "m", { { "at", "/a//b" }, { "type", "probe" } },
	  "POST: at: '/a//b' is not a mount point: it has an empty part (two slashes together, or one at its end)" },
	{ "m", { { "at", "/" }, { "type", "probe" }, { "source", "a" } },
	  "POST: source = a: must be an absolute path" },
	{ "m", { { "at", "/" }, { "type", "probe" }, { "source", "/a" }, { "source", "/b" } },
	  "POST: key 'source' is given twice" },
	{ "m", { { "at", "/" }, { "type", "probe" }, { "source", "/a" }, { "cahce", "auto" } },
	  "POST: unknown key 'cahce' of a probe mount; did you mean 'cache'?" },
	{ "m", { { "at", "/" }, { "type", "probe" }, { "source", "/a" }, { "", "auto" } },
	  "POST: unknown key '' of a probe mount" },
	{ "m", { { "at", "/" }, { "type", "probe-newer" }, { "source", "/a" } },
	  "POST: type: probe-newer: not loaded; loaded are probe, probe-layer, probe-plain (name it in [server] "
	  "plugins to load it at start)" },
	{ "m", { { "at", "/" }, { "type", "../probe" } },
	  "POST: type: '../probe' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)" },
	{ "m", { { "at", "/" }, { "type", "probe-layer" } }, "POST: type: probe-layer is a layer, not a backend" },
	{ "m", { { "at", "/" }, { "type", "probe" }, { "source", "/a" }, { "layers", "idmap" } },
	  "POST: layers: idmap: not loaded; loaded are probe, probe-layer, probe-plain (name it in [server] plugins to "
	  "load it at start)" },
	{ "m", { { "at", "/" }, { "type", "probe" }, { "source", "/a" }, { "layers", "probe-layer" } },
	  "POST: layer probe-layer: key 'source' is missing" },
	{ "a b", { { "at", "/" }, { "type", "probe" }, { "source", "/a" } },
	  "POST: 'a b' is not a mount's name ([A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes)" },
	{ "", { { "at", "/" }, { "type", "probe" }, { "source", "/a" } },
	  "POST: '' is not a mount's name ([A-Za-z0-9][A-Za-z0-9_.-]*, at most 64 bytes)" },
};

static void test_refusals(void **state)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct graft_error err = { 0 };
		struct mount_spec spec = { .name = refusals[i].name, .keys = refusals[i].keys, .where = "POST" };
		while (spec.nkeys < 5 && refusals[i].keys[spec.nkeys].name)
			spec.nkeys++;
		assert_null(config_mount_new(&spec, *state, &err));
		assert_string_equal(err.text, refusals[i].text);
		assert_int_equal(err.code, EINVAL);
	}
}

static void test_too_large(void **state)
{
	struct graft_error err = { 0 };
	char *value = malloc(CONFIG_FILE_MAX + 1);
	assert_non_null(value);
	memset(value, 'x', CONFIG_FILE_MAX);
	value[CONFIG_FILE_MAX] = '\0';
	const struct mount_key keys[] = { { "at", "/" }, { "type", "probe" }, { "source", "/s" }, { "label", value } };
	const struct mount_spec spec = { .keys = keys, .nkeys = 4, .where = "PUT" };
	assert_null(config_mount_new(&spec, *state, &err));
	assert_string_equal(err.text, "PUT: more than the 8 MiB of a configuration");
	assert_int_equal(err.code, E2BIG);
	free(value);
}

#define THREADS 4
#define EACH 200

/* Each thread makes mounts without a name; *arg gets those that it got. */
struct maker {
	struct plugin_registry *registry;
	char names[EACH][CONFIG_NAME_MAX + 1];
	int made;
};

static void *make_many(void *arg)
{
	static const struct mount_key keys[] = { { "at", "/a" }, { "type", "probe" }, { "source", "/s" } };
	const struct mount_spec spec = { .keys = keys, .nkeys = 3, .where = "test" };
	struct maker *maker = arg;
	struct graft_error err;
	for (int i = 0; i < EACH; i++) {
		struct mount_config *m = config_mount_new(&spec, maker->registry, &err);
		if (!m)
			break;
		snprintf(maker->names[maker->made++], sizeof(maker->names[0]), "%s", m->name);
		config_mount_free(m);
	}
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Any thread may make one, and names that were made are right and never the same. */
static void test_threads(void **state)
{
	static struct maker makers[THREADS];
	static char names[THREADS * EACH][CONFIG_NAME_MAX + 1];
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++) {
		makers[i].registry = *state;
		assert_int_equal(pthread_create(&threads[i], NULL, make_many, &makers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(makers[i].made, EACH);
		memcpy(names[(size_t)i * EACH], makers[i].names, sizeof(makers[i].names));
	}
	qsort(names, THREADS * EACH, sizeof(names[0]), compare_names);
	for (int i = 0; i < THREADS * EACH; i++) {
		assert_true(config_name_good(names[i]));
		assert_true(i == 0 || strcmp(names[i - 1], names[i]) != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_path_length),
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test(test_keys_of_file),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
