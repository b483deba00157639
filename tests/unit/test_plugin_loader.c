/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/plugin_loader: the right plugin, a newer one, each refusal, and the order of the folders. */
#include "server/plugin_loader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const dirs[] = { "/nonexistent", TEST_PLUGIN_DIR, NULL };

static struct plugin_registry *fresh(void)
{
	struct plugin_registry *r = plugin_registry_new(dirs);
	assert_non_null(r);
	return r;
}

static void test_good(void **state)
{
	(void)state;
	struct plugin_registry *r = fresh();
	struct graft_error err = { 0 };
	const struct plugin *p = plugin_load(r, "probe", &err);
	assert_non_null(p);
	assert_string_equal(p->path, TEST_PLUGIN_DIR "/probe.so");
	assert_string_equal(p->desc.name, "probe");
	assert_int_equal(p->desc.kind, GRAFT_BACKEND);
	assert_int_equal(p->desc.size, sizeof(struct graft_plugin));
	assert_string_equal(p->desc.opts[0].key, "source");
	const struct plugin *layer = plugin_load(r, "probe-plain", &err);
	assert_non_null(layer);
	assert_null(layer->desc.opts[0].key); /* a plugin without a table gets an empty one */
	assert_ptr_equal(plugin_load(r, "probe", &err), p);
	plugin_registry_free(r);
}

static void test_newer(void **state)
{
	(void)state;
	struct plugin_registry *r = fresh();
	struct graft_error err = { 0 };
	const struct plugin *p = plugin_load(r, "probe-newer", &err);
	assert_non_null(p);
	assert_int_equal(p->desc.size, sizeof(struct graft_plugin));
	assert_non_null(p->desc.destroy);
	assert_string_equal(p->path, TEST_PLUGIN_DIR "/probe-newer.so"); /* the field behind desc */
	plugin_registry_free(r);
}

struct refusal {
	const char *name, *text;
};

#define FILE_OF(name) TEST_PLUGIN_DIR "/" name ".so"

static const struct refusal refusals[] = {
	{ "probe-major", FILE_OF("probe-major") ": made for plugin ABI 2, this server has ABI 1" },
	{ "probe-symbol", FILE_OF("probe-symbol") ": not a plugin of graftfs (it has no graft_plugin_v1)" },
	{ "probe-alias", FILE_OF("probe-alias") ": calls itself 'probe'; name and file name must agree" },
	{ "probe-kind", FILE_OF("probe-kind") ": it is neither a backend nor a layer" },
	{ "probe-threads", FILE_OF("probe-threads") ": its thread model is unknown" },
	{ "probe-destroy", FILE_OF("probe-destroy") ": it has no create or no destroy" },
	{ "probe-options",
	  FILE_OF("probe-options") ": option table, row 6, 'cache': its default is not a legal value" },
	{ "probe-ops", FILE_OF("probe-ops") ": its table of operations is missing or too long" },
	{ "probe-many", FILE_OF("probe-many") ": its table of operations is missing or too long" },
	{ "probe-settings",
	  FILE_OF("probe-settings") ": option table, row 2, 'label': its offset is outside the settings" },
	{ "probe-text", FILE_OF("probe-text") ": invalid ELF header" },
	{ "nothing-like-it", "no plugin 'nothing-like-it' in /nonexistent, " TEST_PLUGIN_DIR },
	{ "probe-newr", "no plugin 'probe-newr' in /nonexistent, " TEST_PLUGIN_DIR "; did you mean 'probe-newer'?" },
	{ "", "'' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)" },
	{ "../probe", "'../probe' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)" },
	{ "-probe", "'-probe' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)" },
	{ "Probe", "'Probe' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)" },
};

static void test_refusals(void **state)
{
	(void)state;
	struct plugin_registry *r = fresh();
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct graft_error err = { 0 };
		assert_null(plugin_load(r, refusals[i].name, &err));
		assert_string_equal(err.text, refusals[i].text);
		assert_true(err.code > 0);
	}
	/* None of that is in the way of a good one. */
	struct graft_error err = { 0 };
	assert_non_null(plugin_load(r, "probe", &err));
	plugin_registry_free(r);
}

static void test_too_old(void **state)
{
	(void)state;
	struct plugin_registry *r = fresh();
	struct graft_error err = { 0 };
	char want[512];
	assert_null(plugin_load(r, "probe-old", &err));
	snprintf(want, sizeof(want), "%s: its description has 64 bytes, fewer than the %zu of ABI 1.0",
		 FILE_OF("probe-old"), offsetof(struct graft_plugin, destroy) + sizeof(void *));
	assert_string_equal(err.text, want);
	plugin_registry_free(r);
}

/* The first folder that has the file decides, even if what lies there cannot be loaded. */
static void test_order(void **state)
{
	(void)state;
	char dir[] = "/tmp/graftfs-test-XXXXXX", path[64], want[128];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/probe.so", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	const char *const order[] = { dir, TEST_PLUGIN_DIR, NULL };
	struct plugin_registry *r = plugin_registry_new(order);
	struct graft_error err = { 0 };
	assert_null(plugin_load(r, "probe", &err));
	snprintf(want, sizeof(want), "%s: file too short", path);
	assert_string_equal(err.text, want);
	unlink(path);
	const struct plugin *p = plugin_load(r, "probe", &err);
	assert_non_null(p);
	assert_string_equal(p->path, FILE_OF("probe"));
	plugin_registry_free(r);
	rmdir(dir);
}

static void test_no_folders(void **state)
{
	(void)state;
	static const char *const none[] = { NULL };
	struct plugin_registry *r = plugin_registry_new(none);
	struct graft_error err = { 0 };
	assert_null(plugin_load(r, "probe", &err));
	assert_string_equal(err.text, "no plugin 'probe' in no folder at all");
	assert_int_equal(err.code, ENOENT);
	plugin_registry_free(r);
	plugin_registry_free(NULL);
}

static int take_name(const struct plugin *p, void *arg)
{
	char *names = arg;
	strcat(names, p->desc.name);
	strcat(names, " ");
	return strcmp(p->desc.name, "probe-plain") == 0 ? 7 : 0;
}

static void test_each(void **state)
{
	(void)state;
	struct plugin_registry *r = fresh();
	struct graft_error err = { 0 };
	char names[256] = "";
	assert_int_equal(plugin_registry_each(r, take_name, names), 0);
	assert_string_equal(names, "");
	assert_non_null(plugin_load(r, "probe-newer", &err));
	assert_non_null(plugin_load(r, "probe", &err));
	assert_int_equal(plugin_registry_each(r, take_name, names), 0);
	assert_string_equal(names, "probe-newer probe ");
	assert_non_null(plugin_load(r, "probe-plain", &err));
	assert_non_null(plugin_load(r, "probe-layer", &err));
	names[0] = '\0';
	assert_int_equal(plugin_registry_each(r, take_name, names), 7);
	assert_string_equal(names, "probe-newer probe probe-plain ");
	plugin_registry_free(r);
}

/* What is loaded stays; nothing else is opened any more, whether it is there or not. */
static void test_sealed(void **state)
{
	(void)state;
	struct plugin_registry *r = fresh();
	struct graft_error err = { 0 };
	plugin_registry_seal(r);
	assert_null(plugin_load(r, "probe", &err));
	assert_string_equal(err.text,
			    "probe: not loaded; loaded are none (name it in [server] plugins to load it at start)");
	plugin_registry_free(r);

	r = fresh();
	const struct plugin *p = plugin_load(r, "probe", &err);
	assert_non_null(plugin_load(r, "probe-layer", &err));
	plugin_registry_seal(r);
	assert_ptr_equal(plugin_load(r, "probe", &err), p);
	assert_null(plugin_load(r, "probe-newer", &err));
	assert_string_equal(err.text, "probe-newer: not loaded; loaded are probe, probe-layer (name it in [server] "
				      "plugins to load it at start)");
	assert_int_equal(err.code, EINVAL);
	assert_null(plugin_load(r, "none-such", &err));
	assert_non_null(strstr(err.text, "none-such: not loaded; "));
	assert_null(plugin_load(r, "../probe", &err));
	assert_string_equal(err.text, "'../probe' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)");
	plugin_registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	cmocka_unit_test(test_newer), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_old), cmocka_unit_test(test_order), cmocka_unit_test(test_no_folders),
		cmocka_unit_test(test_each),	cmocka_unit_test(test_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
